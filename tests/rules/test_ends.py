"""What the ends of a range mean, among builds in order (DESIGN section 14)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from kopsversion.errors import UsageError
from kopsversion.model.bucket import GitCommit, GitLine
from kopsversion.model.channel import MASTER, Attribution, Certainty, Witness
from kopsversion.model.version import BuildVersion
from kopsversion.rules.ends import End, Side, is_passed, place_within, places_of
from kopsversion.rules.inquiry import Candidate
from tests.builders import NOW, alpha, bare_listing

HINT = (
    "name a build such as 1.30.0-beta.2+v1.30.0-beta.1-182-g99b3ad7643, a commit of 7 to 40 hex digits, "
    "a date such as 2024-03-01, or newest"
)
ON_MASTER = Attribution(MASTER, Witness.VERSION, Certainty.EXACT)
GIT = GitLine("origin/master", tuple(GitCommit(f"{n:010x}" + "0" * 30, NOW) for n in range(1, 10)))


def candidate(text: str, uploaded: datetime | None) -> Candidate:
    """A build of master of which the name and a time are known."""
    return Candidate(bare_listing(text, uploaded), ON_MASTER)


BUILDS = [candidate(alpha(n), datetime(2024, 5, n, 12, tzinfo=UTC)) for n in (2, 4, 6, 8)]
UNDATED = [candidate(alpha(n), None) for n in (2, 4, 6, 8)]


def end(given: str) -> End:
    return End.parse(given, name="GOOD")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("never", "GOOD is 'never', which is neither a version, a commit, a date nor newest"),
        ("abcdef", "GOOD is 'abcdef', which is neither a version, a commit, a date nor newest"),
        ("a" * 41, f"GOOD is '{'a' * 41}', which is neither a version, a commit, a date nor newest"),
    ],
)
def test_what_is_no_end_is_refused(given: str, message: str) -> None:
    """With what would be one."""
    with pytest.raises(UsageError) as caught:
        End.parse(given, name="GOOD")
    assert (caught.value.message, caught.value.hint) == (message, HINT)


def test_an_end_of_another_type_is_refused() -> None:
    """As every argument of another type is."""
    with pytest.raises(UsageError) as caught:
        End.parse(5, name="GOOD")  # type: ignore[arg-type] # as callers may
    assert caught.value.message == "GOOD is 5, of type int"
    assert caught.value.hint == "give text, a BuildVersion or a datetime"


def test_a_moment_without_a_time_zone_is_refused() -> None:
    """With how to give one."""
    with pytest.raises(UsageError) as caught:
        End.parse(datetime(2024, 5, 1), name="BAD")  # noqa: DTZ001 # that is what is refused
    assert caught.value.message == "BAD is 2024-05-01 00:00:00, which has no time zone"
    assert caught.value.hint == "give one with tzinfo=UTC"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (" newest ", End(text="newest")),
        ("ABCDEF0", End(text="ABCDEF0", commit="abcdef0")),
        ("2024-05-01", End(text="2024-05-01", moment=datetime(2024, 5, 1, tzinfo=UTC), is_date=True)),
        ("2024-05-01T00:00Z", End(text="2024-05-01T00:00Z", moment=datetime(2024, 5, 1, tzinfo=UTC))),
        (alpha(3), End(text=alpha(3), version=BuildVersion.parse(alpha(3)))),
        (BuildVersion.parse(alpha(3)), End(text=alpha(3), version=BuildVersion.parse(alpha(3)))),
        (
            datetime(2024, 5, 1, tzinfo=UTC),
            End(text="2024-05-01T00:00:00+00:00", moment=datetime(2024, 5, 1, tzinfo=UTC)),
        ),
    ],
)
def test_an_end_is_read(given: str | BuildVersion | datetime, expected: End) -> None:
    """What was written is kept."""
    assert End.parse(given, name="GOOD") == expected
    assert str(End.parse(given, name="GOOD")) == expected.text


def test_a_date_means_all_of_its_day() -> None:
    """Its beginning where it is the good end, its end where it is the bad one; a moment is itself."""
    day, moment = end("2024-05-01"), end("2024-05-01T08:00Z")
    assert day.until(Side.GOOD) == datetime(2024, 5, 1, tzinfo=UTC)
    assert day.until(Side.BAD) == datetime(2024, 5, 2, tzinfo=UTC)
    assert moment.until(Side.BAD) == moment.until(Side.GOOD) == datetime(2024, 5, 1, 8, tzinfo=UTC)
    assert end("newest").until(Side.BAD) is None


@pytest.mark.parametrize(
    ("given", "is_exact", "commit"),
    [
        (alpha(3), True, f"{3:010x}"),
        ("1.30.0-alpha.1", False, None),
        ("abcdef0", False, "abcdef0"),
        ("newest", False, None),
    ],
)
def test_only_a_build_s_own_name_is_exact(given: str, *, is_exact: bool, commit: str | None) -> None:
    """A tag means the branch at that tag."""
    assert (end(given).is_exact, end(given).any_commit) == (is_exact, commit)


# --------------------------------------------------------------------------------------------------
# The builds that are meant


@pytest.mark.parametrize(
    ("given", "good", "bad"),
    [
        (alpha(4), [1], [1]),
        (alpha(5), [], []),
        ("1.30.0-alpha.1", [], [0, 1, 2, 3]),
        ("1.30.0-alpha.2", [3, 2, 1, 0], []),
        (f"{4:010x}", [1], [1]),
        (f"{4:010x}abcd", [1], [1]),
        (f"{5:010x}", [1, 0], [2, 3]),
        (f"{1:010x}", [], [0, 1, 2, 3]),
        (f"{9:010x}", [3, 2, 1, 0], []),
        ("abcdef0", [], []),
        ("2024-05-04", [0], [1, 0]),
        ("2024-05-04T12:00Z", [1, 0], [1, 0]),
        ("2024-05-04T11:59Z", [0], [0]),
        ("2024-05-01", [], []),
        ("newest", [3, 2, 1, 0], [3, 2, 1, 0]),
    ],
)
def test_an_end_means_builds_the_likeliest_first(given: str, good: list[int], bad: list[int]) -> None:
    """Where it is not built itself: for what was good those before it, for what was bad those after it."""
    assert list(places_of(end(given), BUILDS, side=Side.GOOD, git=GIT)) == good
    assert list(places_of(end(given), BUILDS, side=Side.BAD, git=GIT)) == bad


def test_of_two_directories_of_one_commit_the_first_is_meant() -> None:
    """One build is named, and no other."""
    builds = [*BUILDS[:2], candidate(alpha(4) + "abcd", NOW), *BUILDS[2:]]
    assert list(places_of(end(alpha(4)), builds, side=Side.BAD, git=GIT)) == [1]
    assert list(places_of(end(f"{4:010x}"), builds, side=Side.BAD, git=GIT)) == [1]


def test_without_a_clone_only_a_commit_that_was_built_has_a_place() -> None:
    """Hex digits are in no order; and a time that is not known is no time."""
    assert list(places_of(end(f"{4:010x}"), BUILDS, side=Side.GOOD, git=None)) == [1]
    assert list(places_of(end(f"{5:010x}"), BUILDS, side=Side.GOOD, git=None)) == []
    assert list(places_of(end("2024-05-04"), UNDATED, side=Side.GOOD, git=None)) == []


def test_a_build_that_git_does_not_know_is_passed_over() -> None:
    """It may be of any place; the others are found all the same."""
    stray = candidate(alpha(3).replace(f"{3:010x}", "fedcba9876"), NOW)
    builds = [BUILDS[0], stray, *BUILDS[1:]]
    assert list(places_of(end(f"{5:010x}"), builds, side=Side.GOOD, git=GIT)) == [2, 1, 0]
    assert list(places_of(end(f"{5:010x}"), builds, side=Side.BAD, git=GIT)) == [3, 4]


@pytest.mark.parametrize(
    ("given", "good", "bad"),
    [
        (alpha(4), 1, 1),
        ("1.30.0-alpha.1", 0, None),
        ("1.30.0-alpha.2", None, 3),
        (f"{4:010x}", 1, 1),
        (f"{5:010x}", 2, 1),
        ("abcdef0", None, None),
        ("2024-05-04", 1, 1),
        ("2024-05-04T12:00Z", 1, 1),
        ("2024-05-04T12:01Z", 2, 1),
        ("2024-05-09", None, 3),
        ("newest", 3, 3),
    ],
)
def test_what_lies_within_an_end(given: str, good: int | None, bad: int | None) -> None:
    """Inward: from a good end on, and up to a bad one."""
    assert place_within(end(given), BUILDS, side=Side.GOOD, git=GIT) == good
    assert place_within(end(given), BUILDS, side=Side.BAD, git=GIT) == bad


def test_a_time_that_is_not_known_is_not_within() -> None:
    """It may be of before."""
    builds = [UNDATED[0], *BUILDS[1:]]
    assert place_within(end("2024-05-01"), builds, side=Side.GOOD, git=GIT) == 1


# --------------------------------------------------------------------------------------------------
# How far back is far enough


@pytest.mark.parametrize(
    ("given", "seen", "good", "bad"),
    [
        (alpha(4), (8, 6), False, False),
        (alpha(4), (8, 6, 4), True, True),
        (alpha(5), (8, 6, 4), True, True),
        (f"{4:010x}", (8, 6), False, False),
        (f"{4:010x}", (8, 6, 4), True, True),
        (f"{5:010x}", (8, 6), False, False),
        (f"{5:010x}", (8, 6, 4), True, True),
        ("abcdef0", (8, 6, 4, 2), False, False),
        ("2024-05-04", (8, 6, 4), False, True),
        ("2024-05-04", (8, 6, 4, 2), True, True),
        ("2024-05-04T12:00Z", (8, 6, 4), True, True),
        ("2024-05-04T11:00Z", (8, 6, 4), False, False),
        ("newest", (8,), True, True),
        ("newest", (), False, False),
    ],
)
def test_builds_go_far_enough_back_when_one_is_at_the_end_or_before_it(
    given: str, seen: tuple[int, ...], *, good: bool, bad: bool
) -> None:
    """By its name, its commit or its time, whichever the end is."""
    newest_first = [each for each in reversed(BUILDS) if each.version.distance in seen]
    assert is_passed(end(given), newest_first, side=Side.GOOD, git=GIT) is good
    assert is_passed(end(given), newest_first, side=Side.BAD, git=GIT) is bad


def test_builds_of_unknown_time_or_place_do_not_show_it() -> None:
    """The search goes further back then."""
    assert not is_passed(end("2024-05-09"), UNDATED, side=Side.GOOD, git=None)
    assert not is_passed(end(f"{5:010x}"), BUILDS, side=Side.GOOD, git=None)
    stray = candidate(alpha(3).replace(f"{3:010x}", "fedcba9876"), NOW)
    assert not is_passed(end(f"{5:010x}"), [stray], side=Side.GOOD, git=GIT)
