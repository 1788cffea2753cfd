"""What values are made of: frozen classes, texts with an order of their own, and frozen mappings.

Knows nothing of what the values stand for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from functools import cache, partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

__all__ = ["FrozenMapping", "RankedText", "freeze", "frozen"]

K = TypeVar("K")
V = TypeVar("V")
T = TypeVar("T")


def _describe(value: Any) -> str:
    """Show a value as attrs does."""
    shown = (
        f"{each.name}={(each.repr if callable(each.repr) else repr)(getattr(value, each.name))}"
        for each in attrs.fields(type(value))
        if each.repr
    )
    return f"{type(value).__qualname__.rpartition('.')[2]}({', '.join(shown)})"


def _is_equal(value: Any, other: Any) -> Any:
    """Compare two values as attrs does: of one class, and equal in every attribute that counts."""
    if other.__class__ is not value.__class__:
        return NotImplemented
    compared = _parts(value.__class__, _counts)
    return compared(value) == compared(other)


def _hash_of(value: Any) -> int:
    return hash((value.__class__, _parts(value.__class__, _is_hashed)(value)))


def _counts(attribute: attrs.Attribute[Any]) -> bool:
    return bool(attribute.eq)


def _is_hashed(attribute: attrs.Attribute[Any]) -> bool:
    return bool(attribute.eq if attribute.hash is None else attribute.hash)


@cache
def _parts(cls: Any, is_part: Callable[[attrs.Attribute[Any]], bool]) -> Callable[[Any], object]:
    """Return a function that returns some attributes of a value."""
    parts = [each for each in attrs.fields(cls) if is_part(each)]
    if parts and all(each.eq_key is None for each in parts):
        return attrgetter(*(each.name for each in parts))  # which is written in C
    return lambda value: tuple((each.eq_key or _as_it_is)(getattr(value, each.name)) for each in parts)


def _as_it_is(value: T) -> T:
    return value


if TYPE_CHECKING:
    from attrs import frozen
else:

    def frozen(cls: type | None = None, /, **options: Any) -> Any:
        """Make a frozen class, as `attrs.frozen` does, with one ``__repr__``, ``__eq__`` and ``__hash__`` for all.

        attrs writes and compiles them for each class, which costs each start some milliseconds (docs/performance.md).

        Parameters:
            cls: the class; without it this is a decorator with options.
            options: those of `attrs.frozen`.
        """
        if cls is None:
            return partial(frozen, **options)
        if "__repr__" not in vars(cls):
            cls.__repr__ = _describe
        if options.keys().isdisjoint({"eq", "order"}):
            cls.__eq__, cls.__hash__ = _is_equal, _hash_of
        return attrs.frozen(cls, **options)


class RankedText(StrEnum):
    """Texts that compare by the order in which they are declared, the least first, and not by their letters.

    A member still equals its text. Compared with anything but a member of its own kind it has no order.
    """

    @property
    def rank(self) -> int:
        """The position in the order; 0 for the least."""
        return list(type(self)).index(self)

    def __lt__(self, other: str) -> bool:
        return self.rank < other.rank if isinstance(other, type(self)) else NotImplemented

    def __le__(self, other: str) -> bool:
        return self.rank <= other.rank if isinstance(other, type(self)) else NotImplemented

    def __gt__(self, other: str) -> bool:
        return self.rank > other.rank if isinstance(other, type(self)) else NotImplemented

    def __ge__(self, other: str) -> bool:
        return self.rank >= other.rank if isinstance(other, type(self)) else NotImplemented


class FrozenMapping(Mapping[K, V]):
    """A mapping that nobody can change; it equals a dict of the same items, and can be hashed, pickled and copied.

    Parameters:
        items: what it holds; a copy is kept.
    """

    __slots__ = ("_items",)

    def __init__(self, items: Mapping[K, V] | None = None) -> None:
        self._items: dict[K, V] = dict(items or {})

    def __getitem__(self, key: K) -> V:
        return self._items[key]

    def __iter__(self) -> Iterator[K]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __hash__(self) -> int:
        return hash(frozenset(self._items.items()))

    def __repr__(self) -> str:
        return repr(self._items)


def freeze(items: Mapping[Any, Any]) -> Mapping[Any, Any]:
    """Convert an attribute to a mapping that nobody can change; attrs asks for a function with plain types."""
    return items if isinstance(items, FrozenMapping) else FrozenMapping(items)
