"""Texts with an order of their own, and mappings that nobody can change."""

from __future__ import annotations

import copy
import operator
import pickle
from itertools import combinations
from typing import TYPE_CHECKING

import pytest
from attrs import evolve, field
from attrs.exceptions import FrozenInstanceError
from hypothesis import given
from hypothesis import strategies as st

from kopsversion.errors import InvalidVersionError
from kopsversion.model.answer import Condition, Severity
from kopsversion.model.channel import Certainty
from kopsversion.model.values import FrozenMapping, RankedText, freeze, frozen
from kopsversion.model.version import BuildVersion
from tests.strategies import version_texts

if TYPE_CHECKING:
    from collections.abc import Mapping

RISING: list[tuple[RankedText, RankedText]] = [
    *combinations((Severity.INFO, Severity.WARNING, Severity.ERROR), 2),
    *combinations((Certainty.DOUBTFUL, Certainty.LIKELY, Certainty.EXACT), 2),
]


@pytest.mark.parametrize(("less", "more"), RISING)
def test_severities_and_certainties_compare_as_they_mean(less: RankedText, more: RankedText) -> None:
    """Not by their letters, by which an error would be less than a warning."""
    assert less < more
    assert less <= more
    assert more > less
    assert more >= less
    assert not (more < less)
    assert not (more <= less)
    assert not (less > more)
    assert not (less >= more)
    assert sorted([more, less]) == [less, more]
    assert max(less, more) is more


@pytest.mark.parametrize("member", [*Severity, *Certainty])
def test_a_ranked_text_equals_itself_and_its_text(member: RankedText) -> None:
    """JSON, tables and scripts see the text."""
    assert member == str(member)
    assert member <= member  # what is tested
    assert member >= member  # what is tested


@pytest.mark.parametrize("other", ["warning", Certainty.EXACT, 1])
def test_a_ranked_text_has_no_order_with_anything_else(other: object) -> None:
    """A comparison that is not valid is an error, and not an answer by letters."""
    for compare in ("__lt__", "__le__", "__gt__", "__ge__"):
        assert getattr(Severity.INFO, compare)(other) is NotImplemented


def test_what_a_condition_is_about_cannot_be_changed() -> None:
    """Nor does it change when the caller's own dict does."""
    given_data: dict[str, int] = {"count": 1}
    condition = Condition("builds-old", Severity.WARNING, "They are old.", given_data)
    given_data["count"] = 2
    assert condition.data == {"count": 1}
    with pytest.raises(TypeError):
        condition.data["count"] = 3  # type: ignore[index]
    assert hash(condition) == hash(pickle.loads(pickle.dumps(condition)))


@given(items=st.dictionaries(st.text(), st.integers()))
def test_law_a_frozen_mapping_is_the_dict_that_it_was_made_of(items: Mapping[str, int]) -> None:
    """It has the same items, in the same order, and survives copying and pickling."""
    frozen = freeze(items)
    assert frozen == items
    assert items == frozen
    assert list(frozen) == list(items)
    assert len(frozen) == len(items)
    assert repr(frozen) == repr(items)
    assert freeze(frozen) is frozen
    assert copy.deepcopy(frozen) == frozen
    assert pickle.loads(pickle.dumps(frozen)) == frozen
    assert hash(frozen) == hash(FrozenMapping(items))


@given(one=version_texts(), other=version_texts())
def test_law_the_text_of_a_version_can_only_come_from_parsing(one: str, other: str) -> None:
    """A version that is changed by hand is parsed anew: it never prints one version and equals another."""
    assert evolve(BuildVersion.parse(one), text=other) == BuildVersion.parse(other)
    assert BuildVersion(other).precedence == BuildVersion.parse(other).precedence


def test_a_version_is_not_changed_to_hostile_text() -> None:
    """The grammar holds for it as for every text."""
    with pytest.raises(InvalidVersionError):
        evolve(BuildVersion.parse("1.30.0"), text="<html>")


@frozen
class Shown:
    one: int
    hidden: int = field(default=2, repr=False)
    hushed: str = field(default="word", repr=lambda text: f"{len(text)} letters")


@frozen(kw_only=True)
class ShownByItself:
    one: int

    def __repr__(self) -> str:
        return "its own"


@pytest.mark.parametrize(
    ("value", "shown"), [(Shown(1), "Shown(one=1, hushed=4 letters)"), (ShownByItself(one=1), "its own")]
)
def test_a_frozen_value_shows_its_attributes(value: object, shown: str) -> None:
    """As attrs does: none that are hidden, some in a way of their own; and a class may show itself."""
    assert repr(value) == shown


def test_a_frozen_value_cannot_be_changed() -> None:
    """As with `attrs.frozen`."""
    with pytest.raises(FrozenInstanceError):
        Shown(1).one = 2  # type: ignore[misc]


@frozen
class _Pair:
    """Two attributes that count, one by its text, one that does not, and one that is only compared."""

    one: int
    two: object = field(default="2", eq=str)
    free: int = field(default=0, eq=False)
    unhashed: list[int] = field(factory=list, hash=False)


@frozen
class _Other:
    one: int


@frozen
class _Empty:
    pass


@frozen(eq=False)
class _Itself:
    one: int


@frozen(order=True)
class _Ordered:
    one: int


@pytest.mark.parametrize(
    ("value", "equal", "unequal"),
    [
        (_Pair(1), _Pair(1, 2, 3), _Pair(2)),
        (_Pair(1), _Pair(1, "2", 7), _Pair(1, "3")),
        (_Pair(1, unhashed=[1]), _Pair(1, unhashed=[1]), _Pair(1, unhashed=[2])),
        (_Other(1), _Other(1), _Other(2)),
        (_Other(1), _Other(1), _Ordered(1)),
        (_Other(1), _Other(1), 1),
        (_Empty(), _Empty(), _Other(1)),
        (_Ordered(1), _Ordered(1), _Ordered(2)),
    ],
)
def test_frozen_values_are_equal_as_those_of_attrs_are(value: object, equal: object, unequal: object) -> None:
    """If they are of one class and what counts is equal; then they are one key of a dict."""
    assert operator.eq(value, equal)
    assert not operator.ne(value, equal)
    assert hash(value) == hash(equal)
    assert operator.ne(value, unequal)
    assert not operator.eq(value, unequal)
    assert len({value, equal, unequal}) == 2


def test_what_only_is_compared_is_not_hashed() -> None:
    """It may be something that has no hash."""
    assert hash(_Pair(1, unhashed=[1])) == hash(_Pair(1, unhashed=[2]))


def test_a_class_may_leave_comparing_alone() -> None:
    """Then a value equals itself and no other."""
    assert _Itself(1) != _Itself(1)
    assert _Ordered(1) < _Ordered(2)
    with pytest.raises(TypeError):
        operator.lt(_Other(1), _Other(2))
