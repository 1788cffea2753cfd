"""A channel's line in a clone: abbreviated ids find their place, or the right reason why not."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kopsversion.model.bucket import CommitPlace, GitCommit, GitLine

MOMENT = datetime(2024, 5, 6, tzinfo=UTC)

OLDEST = "1111111" + "a" * 33
MIDDLE = "2222222" + "b" * 33
NEWEST = "2222222" + "c" * 33
OTHER = "3333333" + "d" * 33
TWIN_OF_OLDEST = "1111111a" + "e" * 32


def line(*ids: str, elsewhere: frozenset[str] = frozenset()) -> GitLine:
    return GitLine(
        ref="origin/master", commits=tuple(GitCommit(commit, MOMENT) for commit in ids), elsewhere=elsewhere
    )


@pytest.mark.parametrize("digits", range(7, 41))
def test_every_length_of_abbreviation_finds_a_commit(digits: int) -> None:
    """A commit is found by its first 7 to 40 digits."""
    known = line(OLDEST, OTHER, elsewhere=frozenset({MIDDLE}))
    assert known.locate(OLDEST[:digits]) == 0
    assert known.locate(OTHER[:digits]) == 1
    assert known.locate(MIDDLE[:digits]) is CommitPlace.ELSEWHERE


@pytest.mark.parametrize(
    ("abbreviation", "expected"),
    [
        ("1111111", 0),
        ("2222222", CommitPlace.AMBIGUOUS),
        ("2222222b", 1),
        ("2222222c", 2),
        (NEWEST, 2),
        ("3333333", CommitPlace.ELSEWHERE),
        ("0000000", CommitPlace.UNKNOWN),
        ("2222222d", CommitPlace.UNKNOWN),
        ("4444444", CommitPlace.UNKNOWN),
        ("fffffff", CommitPlace.UNKNOWN),
        (f"{OLDEST}0"[:40], 0),
        (OLDEST[:39] + "b", CommitPlace.UNKNOWN),
    ],
)
def test_an_abbreviation_has_one_place(abbreviation: str, expected: int | CommitPlace) -> None:
    """An abbreviation names a position, another channel's commit, several commits, or none."""
    assert line(OLDEST, MIDDLE, NEWEST, elsewhere=frozenset({OTHER})).locate(abbreviation) == expected


def test_an_abbreviation_of_a_commit_here_and_one_elsewhere_is_ambiguous() -> None:
    """Whether a build is ours is not guessed from an abbreviation that another channel's commit shares."""
    known = line(OLDEST, elsewhere=frozenset({TWIN_OF_OLDEST}))
    assert known.locate(OLDEST[:8]) is CommitPlace.AMBIGUOUS
    assert known.locate(OLDEST[:9]) == 0
    assert known.locate(TWIN_OF_OLDEST[:9]) is CommitPlace.ELSEWHERE


def test_a_commit_on_the_line_is_not_elsewhere() -> None:
    """A commit that is on the line and also said to be elsewhere is on the line."""
    assert line(OLDEST, elsewhere=frozenset({OLDEST})).locate(OLDEST[:7]) == 0


def test_an_empty_line_knows_nothing() -> None:
    """A branch that was only just cut has no commit of its own."""
    assert line().locate(OLDEST) is CommitPlace.UNKNOWN
    assert line(elsewhere=frozenset({OLDEST})).locate(OLDEST) is CommitPlace.ELSEWHERE


def test_lines_are_equal_by_what_they_hold() -> None:
    """Two lines that hold the same are equal, and hash alike."""
    assert line(OLDEST, MIDDLE) == line(OLDEST, MIDDLE)
    assert hash(line(OLDEST, MIDDLE)) == hash(line(OLDEST, MIDDLE))
    assert line(OLDEST, MIDDLE) != line(MIDDLE, OLDEST)


def test_the_representation_is_short() -> None:
    """A line of thousands of commits does not flood a log."""
    assert repr(line(OLDEST)) == "GitLine(ref='origin/master', shallow=False)"


# Two letters and few digits, so that ids often begin alike.
commit_ids = st.text(alphabet="ab", min_size=10, max_size=10).map(lambda text: text + "0" * 30)


@given(
    ids=st.lists(commit_ids, unique=True, max_size=12),
    elsewhere=st.frozensets(commit_ids, max_size=12),
    asked=commit_ids,
    digits=st.integers(7, 40),
)
def test_locating_agrees_with_looking_at_every_commit(
    ids: list[str], elsewhere: frozenset[str], asked: str, digits: int
) -> None:
    """The quick search finds what a search through everything finds."""
    abbreviation = asked[:digits]
    known = line(*ids, elsewhere=elsewhere)
    matches = {commit for commit in {*ids, *elsewhere} if commit.startswith(abbreviation)}
    expected: int | CommitPlace
    if not matches:
        expected = CommitPlace.UNKNOWN
    elif len(matches) > 1:
        expected = CommitPlace.AMBIGUOUS
    else:
        (match,) = matches
        expected = ids.index(match) if match in ids else CommitPlace.ELSEWHERE
    assert known.locate(abbreviation) == expected
