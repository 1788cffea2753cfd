"""Refuses arguments of the wrong type, by their names, since not every caller has a type checker.

Knows nothing of which function is called.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from kopsversion.errors import UsageError, quoted

T = TypeVar("T")

__all__ = ["checked", "elements", "wrong_argument"]


def wrong_argument(name: str, value: object, *, wanted: str) -> UsageError:
    """Make the error for an argument of the wrong type.

    Parameters:
        name: the argument's name.
        value: what was given.
        wanted: what to give instead, as in ``a Resolution``.
    """
    return UsageError(f"{name} is {_shown(value)}, of type {type(value).__name__}", hint=f"give {wanted}")


def _shown(value: object) -> str:
    """Show a value in one harmless line: text, numbers and ``None`` as Python writes them."""
    if value is None or isinstance(value, int | float):
        return repr(value)
    return quoted(value if isinstance(value, str) else repr(value))


def checked(name: str, value: object, kind: type[T], *, wanted: str) -> T:
    """Return an argument's value, if it is of the right type.

    Raises:
        UsageError: it is of another type.
    """
    if not isinstance(value, kind):
        raise wrong_argument(name, value, wanted=wanted)
    return value


def elements(name: str, values: object, kind: type[T], *, wanted: str) -> tuple[T, ...]:
    """Return what a list or another iterable holds, if all of it is of a kind.

    A text is none, though it is iterable: somebody forgot the brackets.

    Raises:
        UsageError: it is no iterable, or holds something else.
    """
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise wrong_argument(name, values, wanted=f"a list of {wanted}")
    found = tuple(values)
    for position, value in enumerate(found):
        if not isinstance(value, kind):
            raise wrong_argument(f"{name}[{position}]", value, wanted=wanted)
    return found
