"""What can be read of names that are no version (FAILURES row 38)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kopsversion.model.rough import highest, read_roughly
from kopsversion.model.version import ALPHA, BETA, CANDIDATE, FINAL, BuildVersion, ReleaseKey
from tests.builders import alpha, patch

ANSWER = BuildVersion.parse(alpha(10))


@pytest.mark.parametrize(
    ("text", "above"),
    [
        (f"{alpha(14)}-dirty", True),
        (f"{alpha(9)}-dirty", False),
        (f"{alpha(14)}ABCDEF", True),
        ("1.30.0-alpha.2+test", False),
        ("1.30.0-alpha.3+test", True),
        ("1.30.0-ALPHA.3", True),
        ("1.30.0-alpha.2+nightly-99-gabcdef1", True),
        ("1.30.0-alpha.2+v1.30.0-alpha.0-99-gabcdef1-dirty", False),
        ("1.30.0-alpha.2+v1.30.0-alpha.2-1-gabcdef1-dirty", True),
        ("1.29.0-whatever", False),
        ("1.30.1-whatever", True),
        (f"{alpha(10)}-dirty", False),
        ("1.30.0-alpha.2+v1.30.0-alpha.1-dirty", False),
    ],
)
def test_as_much_as_can_be_read_is_compared(text: str, *, above: bool) -> None:
    """Release part first, then tag, then distance; what cannot be read sorts nowhere."""
    name = read_roughly(text)
    assert name is not None
    assert name.is_above(ANSWER) is above


@pytest.mark.parametrize(
    ("text", "version", "above"),
    [
        (f"{alpha(14)}-dirty", "1.30.0-alpha.2+0123456789", False),
        ("1.30.0-alpha.3+test", "1.30.0-alpha.2+0123456789", True),
        ("1.30.0-alpha.2+test", "1.30.0-alpha.2", False),
        ("1.30.0-alpha.2+nightly-1-gabcdef1", "1.30.0-alpha.2", True),
    ],
    ids=["bare commit", "next release", "tag", "after the tag"],
)
def test_what_a_name_lacks_raises_it_above_nothing(text: str, version: str, *, above: bool) -> None:
    """A bare commit has no distance to compare with, and a name without one is no further than a tag's own build."""
    name = read_roughly(text)
    assert name is not None
    assert name.is_above(BuildVersion.parse(version)) is above


@pytest.mark.parametrize(
    ("text", "release", "tag", "distance"),
    [
        ("1.30.0-99-gabcdef1", (1, 30, 0, FINAL, 0), None, 99),
        ("1.30.0.beta.2+v1.29.3-rc.4-7-gabcdef1-x", (1, 30, 0, BETA, 2), (1, 29, 3, CANDIDATE, 4), 7),
        ("v1.2.3-ALPHA.4x", (1, 2, 3, ALPHA, 4), None, None),
        ("1.2.3-1-gx1.30.0-99-gabcdef1", (1, 2, 3, FINAL, 0), None, 99),
    ],
)
def test_each_part_is_read_by_itself(
    text: str, release: ReleaseKey, tag: ReleaseKey | None, distance: int | None
) -> None:
    """What a name lacks is not there; a final release has no number."""
    name = read_roughly(text)
    assert name is not None
    assert (name.release, name.tag, name.distance) == (release, tag, distance)


@pytest.mark.parametrize(
    ("text", "is_shared"),
    [("1.30.0-rc.1-x", True), ("1.30.0-x", False), ("1.30.1-beta.1-x", False), ("1.30.1-x", False)],
)
def test_only_before_the_final_release_both_branches_give_such_names(text: str, *, is_shared: bool) -> None:
    """As with names that are versions."""
    name = read_roughly(text)
    assert name is not None
    assert name.is_shared is is_shared


@pytest.mark.parametrize("text", ["", "nonsense", "$(id)", "1.30", "٣.1.0"])
def test_without_a_release_part_nothing_can_be_read(text: str) -> None:
    """It is debris of something else."""
    assert read_roughly(text) is None


def test_a_name_is_shown_without_what_no_version_has() -> None:
    """No shell, terminal or log takes it for more than a name."""
    name = read_roughly("1.30.0;$(touch pwned)\x1b[2J" + "x" * 500)
    assert name is not None
    assert name.shown.startswith("1.30.0???touch?pwned???2J")
    assert len(name.shown) == 120


def test_of_many_names_some_of_either_branch_are_kept() -> None:
    """The highest: one is shown, and a hostile bucket has millions."""
    names = [read_roughly(f"{text(n)}-dirty") for text in (alpha, patch) for n in range(50)]
    kept = highest(name for name in names if name is not None)
    assert len(kept) == 16
    assert [each.distance for each in kept] == [*range(49, 41, -1)] * 2
    assert [each.minor for each in kept] == ["1.30"] * 8 + ["1.29"] * 8


def test_the_highest_comes_first() -> None:
    """By release, then tag, then distance; a name without a distance is as one of none."""
    texts = [
        "1.30.0-alpha.3-x",
        "1.30.0-alpha.2+v1.30.0-alpha.1-5-gabcdef1-x",
        "1.30.0-alpha.2+v1.30.0-alpha.0-99-gabcdef1-x",
        "1.30.0-alpha.2+nightly-1-gabcdef1",
        "1.30.0-alpha.2+other",
        "1.30.0-alpha.2+nightly-0-gabcdef1",
        "1.30.0-alpha.2+0",
    ]
    kept = highest(name for name in map(read_roughly, reversed(texts)) if name is not None)
    assert [each.text for each in kept] == texts


@given(st.text())
def test_law_any_text_is_read_or_refused(text: str) -> None:
    """Nothing that a bucket holds stops the answer."""
    name = read_roughly(text)
    assert name is None or name.text == text
