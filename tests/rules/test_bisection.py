"""The range of a bisection: which builds lie between two ends, and what is said where an end means none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from attrs import evolve

from kopsversion.errors import NoTestableBuildError, StoreUnavailableError, UsageError
from kopsversion.model.answer import Severity
from kopsversion.model.bucket import GitCommit, GitLine
from kopsversion.model.channel import BRANCH_MARKER, MASTER, Channel
from kopsversion.model.needs import ListBuilds, ReadMarker, Undecided
from kopsversion.rules.bisection import Plan, Range, plan
from kopsversion.rules.ends import End
from tests.builders import (
    DAY,
    DEFAULT,
    HOUR,
    NODEUP,
    NOW,
    OFF,
    STORE,
    alpha,
    bare_listing,
    beta,
    build,
    marker,
    patch,
    snapshot,
)

if TYPE_CHECKING:
    from kopsversion.model.bucket import Snapshot

RELEASE = "release-1.30"
BUILDS = tuple(build(alpha(n), uploaded=NOW - (9 - n) * DAY) for n in (1, 3, 5, 7))
THERE_ARE = f"; master has builds from {alpha(1)} to {alpha(7)}"
ONE_BRANCH = "a range is of one branch: name two builds of it, and the branch where it is not master"


def line(*distances: int, ref: str = "origin/master", elsewhere: frozenset[str] = frozenset()) -> GitLine:
    """A clone's line with the commits that builds of those distances are named after."""
    commits = tuple(GitCommit(f"{n:010x}" + "0" * 30, NOW - (9 - n) * DAY) for n in distances)
    return GitLine(ref, commits, elsewhere)


def wanted(good: str, bad: str, channel: str = MASTER, *, is_listing: bool = False) -> Range:
    """Ask for a range."""
    return Range(
        channel=Channel(channel),
        policy=DEFAULT,
        now=NOW,
        good=End.parse(good, name="GOOD"),
        bad=End.parse(bad, name="BAD"),
        is_listing=is_listing,
    )


def planned(held: Snapshot, asked: Range) -> Plan:
    """Plan a range of which everything is known."""
    found = plan(held, asked)
    assert isinstance(found, Plan)
    return found


def distances(found: Plan) -> list[int | None]:
    """Which builds are in a plan."""
    return [each.version.distance for each in found.builds]


@pytest.mark.parametrize(
    ("good", "git", "message", "hint"),
    [
        (
            alpha(2),
            None,
            f"GOOD is {alpha(2)}, and there is no such build of master in {STORE}",
            f"old builds are deleted after a while{THERE_ARE}",
        ),
        (
            "abcdef0",
            None,
            "GOOD is commit abcdef0, and no build of master is known to be of it or before it",
            f"a merge that was not built is placed by a clone of kops: name one with --repo{THERE_ARE}",
        ),
        (
            "abcdef0",
            line(*range(1, 9)),
            "GOOD is commit abcdef0, and no build of master is known to be of it or before it",
            f"see whether it is a commit of that branch, and whether the clone is up to date{THERE_ARE}",
        ),
        (
            "2024-01-01",
            None,
            "GOOD is 2024-01-01, and no build of master had been uploaded by then",
            f"old builds are deleted after a while{THERE_ARE}",
        ),
    ],
    ids=["version", "commit", "commit with a clone", "date"],
)
def test_an_end_that_means_no_build_is_told_with_what_to_do(
    good: str, git: GitLine | None, message: str, hint: str
) -> None:
    """By what kind of end it is."""
    with pytest.raises(NoTestableBuildError) as caught:
        plan(snapshot(*BUILDS, git=git), wanted(good, "newest"))
    assert (caught.value.message, caught.value.hint) == (message, hint)
    assert caught.value.channel == "master"


def test_each_build_of_a_range_is_told_with_its_time_and_branch() -> None:
    """Oldest first."""
    found = planned(snapshot(*BUILDS), wanted(alpha(3), "newest"))
    assert [each.uploaded for each in found.builds] == [each.uploaded for each in BUILDS[1:]]
    assert {each.attribution.ref for each in found.builds} == {"master"}
    assert (found.good, found.bad, found.channel, found.conditions) == (0, 2, Channel(MASTER), ())


@pytest.mark.parametrize(
    ("channel", "is_listing"), [("release-1.29", False), (RELEASE, False), ("release-1.29", True)]
)
def test_a_channel_without_builds_is_told(channel: str, *, is_listing: bool) -> None:
    """Whatever the ends are, and whether or not master has built its minor."""
    with pytest.raises(NoTestableBuildError) as caught:
        plan(snapshot(*BUILDS), wanted("newest", "newest", channel, is_listing=is_listing))
    assert (caught.value.message, caught.value.hint, caught.value.channel) == (
        f"there is no build of {channel} in {STORE}",
        "see whether the channel and --store are right",
        channel,
    )


@pytest.mark.parametrize("is_certain", [False, True])
def test_a_build_of_another_branch_is_told_as_sure_as_it_is(*, is_certain: bool) -> None:
    """A name that two branches build: a clone is certain, and what a marker names is only likely."""
    held = [*BUILDS, build(beta(1), uploaded=NOW - 20 * HOUR), build(beta(2), uploaded=NOW - 10 * HOUR)]
    git = line(*range(3, 9), elsewhere=frozenset({f"{2:010x}" + "0" * 30})) if is_certain else None
    markers = [marker(RELEASE, BRANCH_MARKER, beta(2)), marker(MASTER, BRANCH_MARKER, alpha(7))]
    with pytest.raises(UsageError) as caught:
        plan(snapshot(*held, markers=markers, git=git), wanted(alpha(3), beta(2)))
    assert caught.value.message == f"BAD is {beta(2)}, a build of release-1.30, and not of master"
    assert caught.value.hint == ONE_BRANCH + ("" if is_certain else "; a clone of kops is certain (--repo)")


def test_a_name_that_only_one_branch_builds_is_refused_at_once() -> None:
    """Before anything is asked of the store."""
    with pytest.raises(UsageError) as caught:
        plan(snapshot(), wanted(alpha(1), patch(1)))
    assert caught.value.message == f"BAD is {patch(1)}, a build of release-1.29, and not of master"
    assert caught.value.hint == ONE_BRANCH


@pytest.mark.parametrize(
    ("good", "bad", "message", "hint"),
    [
        (
            alpha(3),
            alpha(3),
            f"GOOD ({alpha(3)}) and BAD ({alpha(3)}) are the same build, {alpha(3)}",
            "name two builds",
        ),
        (
            alpha(7),
            "newest",
            f"GOOD ({alpha(7)}) and BAD (newest) are the same build, {alpha(7)}",
            "no testable build lies between them: name ends further apart",
        ),
        (
            "newest",
            alpha(1),
            f"GOOD (newest) is {alpha(7)}, which is newer than BAD ({alpha(1)}), {alpha(1)}",
            "name the older one first; to find what fixed a build, let the test say the opposite",
        ),
    ],
)
def test_ends_that_leave_nothing_between_are_told(good: str, bad: str, message: str, hint: str) -> None:
    """With what to do."""
    with pytest.raises(UsageError) as caught:
        plan(snapshot(*BUILDS), wanted(good, bad))
    assert (caught.value.message, caught.value.hint) == (message, hint)


def test_an_end_without_a_testable_build_is_told_with_reasons() -> None:
    """Five at most, from the likeliest on."""
    held = [build(alpha(n), without=NODEUP) for n in range(1, 8)]
    with pytest.raises(NoTestableBuildError) as caught:
        plan(snapshot(*held), wanted(alpha(1), "newest"))
    assert caught.value.message == "no build of master that BAD (newest) can mean is testable"
    assert caught.value.hint == "name another build, commit or date"
    assert caught.value.channel == "master"
    assert caught.value.reasons == tuple(
        f"{alpha(n)}: linux/arm64/nodeup is missing" for n in range(7, 2, -1)
    )


def test_what_evidence_could_not_be_read_is_the_store_s_failure() -> None:
    """Without it builds may seem another branch's, so that an end means none is not said."""
    held = evolve(
        snapshot(build(beta(1)), build(beta(2))),
        marker_names=None,
        failures=dict.fromkeys((ReadMarker(ref, BRANCH_MARKER) for ref in (MASTER, RELEASE)), OFF),
    )
    with pytest.raises(StoreUnavailableError) as caught:
        plan(held, wanted(beta(1), beta(2), RELEASE))
    error = caught.value
    assert error.message == "it could not be learnt which builds of release-1.30 are meant"
    assert error.reasons == ("503", f"without that, there is no build of release-1.30 in {STORE}")
    assert (error.url, error.hint) == (
        STORE,
        "see whether the store can be reached, and run the same command again",
    )


def test_master_has_no_cut() -> None:
    """Where its good end is gone that is said, and no other builds are looked for."""
    with pytest.raises(NoTestableBuildError, match="BAD is commit abcdef0, and no build of master"):
        plan(snapshot(*BUILDS), wanted(alpha(1), "abcdef0"))


@pytest.mark.parametrize("is_expandable", [False, True])
@pytest.mark.parametrize("good", [beta(1), f"{2:010x}"], ids=["build", "merge that was not built"])
def test_where_the_good_end_is_on_the_branch_nothing_from_before_the_cut_is_wanted(
    good: str, *, is_expandable: bool
) -> None:
    """A clone places a merge of the branch that was not built itself."""
    own = [build(beta(n), uploaded=NOW - (9 - n) * HOUR) for n in (1, 3)]
    git = evolve(line(1, 2, 3, ref="origin/release-1.30"), channel=RELEASE)
    asked = evolve(wanted(good, "newest", RELEASE), is_expandable=is_expandable)
    found = planned(snapshot(*BUILDS[2:], *own, git=git), asked)
    assert distances(found) == [1, 3]
    assert found.conditions == ()


def test_a_tag_s_own_build_as_an_end_means_the_branch_at_that_tag() -> None:
    """Also where only a release branch builds such names."""
    before = build(alpha(2, minor="1.29"), uploaded=NOW - 20 * DAY)
    assert distances(planned(snapshot(before, *BUILDS), wanted("1.29.5", "newest"))) == [2, 1, 3, 5, 7]


class TestFarBack:
    """How many minors are listed for a range."""

    def partly(self, *, git: GitLine | None = None) -> Snapshot:
        """A store with three minors, of which the newest is listed, with its times."""
        return evolve(
            snapshot(*BUILDS, git=git),
            whole=False,
            minors=frozenset({"1.28", "1.29", "1.30"}),
            listed=frozenset({"1.30"}),
            timed=frozenset({"1.30"}),
            marker_names=frozenset(),
        )

    def test_a_version_s_minor_and_those_above_are_asked_for_at_once(self) -> None:
        """One round, however far back it is."""
        found = plan(self.partly(), wanted(alpha(1, minor="1.28"), "newest"))
        assert isinstance(found, Undecided)
        assert found.needs == {ListBuilds("1.28"), ListBuilds("1.29")}

    @pytest.mark.parametrize(
        ("good", "bad", "found"),
        [
            (alpha(1), "newest", [1, 3, 5, 7]),
            (alpha(1), "2024-04-28", [1]),
            (f"{2:010x}", "newest", [1, 3, 5, 7]),
        ],
        ids=["version", "date", "commit"],
    )
    def test_older_minors_are_not_asked_for_once_both_ends_are_passed(
        self, good: str, bad: str, found: list[int]
    ) -> None:
        """A date means all of its day where it is the bad end; a clone has the place of a commit."""
        held = self.partly(git=line(*range(1, 8)))
        assert distances(planned(held, wanted(good, bad, is_listing=bad != "newest"))) == found


class TestListed:
    """Builds that are only listed: the ends are not moved outward."""

    def test_a_merge_that_was_not_built_holds_what_lies_within(self) -> None:
        """As a clone places it."""
        held = snapshot(*BUILDS, git=line(*range(1, 9)))
        asked = wanted(f"{2:010x}", f"{6:010x}", is_listing=True)
        assert distances(planned(held, asked)) == [3, 5]

    def test_builds_of_the_very_moments_are_within(self) -> None:
        """Both ends are in the range."""
        first, last = ((NOW - days * DAY).isoformat() for days in (6, 2))
        assert distances(planned(snapshot(*BUILDS), wanted(first, last, is_listing=True))) == [3, 5, 7]

    @pytest.mark.parametrize(
        ("good", "bad", "side"),
        [("abcdef0", "newest", "before"), (alpha(1), "fedcba9", "after")],
    )
    def test_an_end_that_means_no_build_is_told(self, good: str, bad: str, side: str) -> None:
        """As for a bisection."""
        with pytest.raises(NoTestableBuildError, match=f"is known to be of it or {side} it"):
            plan(snapshot(*BUILDS), wanted(good, bad, is_listing=True))

    @pytest.mark.parametrize(
        ("good", "bad"), [("newest", alpha(1)), (alpha(7), f"{1:010x}"), ("2024-05-06", "2024-05-07")]
    )
    def test_a_range_without_builds_is_told(self, good: str, bad: str) -> None:
        """Not every end names one build, so the order may not be what is wrong."""
        with pytest.raises(NoTestableBuildError) as caught:
            plan(snapshot(*BUILDS), wanted(good, bad, is_listing=True))
        assert caught.value.message == f"there is no build of master between {good} and {bad}"
        assert caught.value.hint == "name the older end first, or ends further apart"
        assert caught.value.channel == "master"


class TestAcrossCuts:
    def test_what_master_built_after_the_cut_is_none_of_the_branch_s(self) -> None:
        """Of its builds only those below the branch's first one are, by their names; a twin of that one is not."""
        own, masters, twin = (2, 4), (1, 3, 5), beta(2).replace("0000000002", "1111111111")
        betas = [build(name, uploaded=NOW - DAY) for name in (*(beta(n) for n in range(1, 6)), twin)]
        elsewhere = frozenset(f"{n:010x}" + "0" * 30 for n in masters) | {"1111111111" + "0" * 30}
        git = evolve(line(*own, ref="origin/release-1.30", elsewhere=elsewhere), channel=RELEASE)
        found = planned(snapshot(*BUILDS, *betas, git=git), wanted(alpha(7), "newest", RELEASE))
        assert [str(each.version) for each in found.builds] == [alpha(7), beta(1), beta(2), beta(4)]
        assert found.conditions[0].message == (
            "the range crosses the cut of release-1.30: its first builds are master's, told by their names alone"
            "; a clone of kops settles it (--repo)"
        )
        assert found.conditions[0].severity is Severity.WARNING
        settled = evolve(wanted(alpha(7), "newest", RELEASE), line=line(7, *own, ref="origin/release-1.30"))
        (told,) = planned(snapshot(*BUILDS, *betas, git=git), settled).conditions
        assert (told.severity, told.message) == (
            Severity.INFO,
            "the range crosses the cut of release-1.30: its first builds are master's, told by a clone",
        )

    def test_every_cut_is_named(self) -> None:
        """The oldest first."""
        held = [
            build(beta(n, minor=minor), uploaded=NOW - (90 - n) * DAY + after)
            for minor, after in (("1.9", 0 * DAY), ("1.30", 30 * DAY))
            for n in (1, 2)
        ]
        found = planned(snapshot(*held), wanted(beta(1, minor="1.9"), "newest"))
        assert found.conditions[0].message.startswith(
            "the range crosses the cut of release-1.9, release-1.30: only names and times tell"
        )

    def test_a_commit_that_master_built_under_two_names_is_one_build(self) -> None:
        """As on master itself, also where one of them has no known time."""
        second = bare_listing(f"{alpha(5)}abcd")
        held = snapshot(
            *BUILDS,
            second,
            build(beta(2), uploaded=NOW - DAY),
            markers=[marker(RELEASE, BRANCH_MARKER, beta(2))],
        )
        found = planned(held, wanted(alpha(3), "newest", RELEASE))
        assert distances(found) == [3, 5, 5, 7, 2]

    def test_a_branch_that_was_only_just_cut_lists_what_master_built_before(self) -> None:
        """It has no build of its own yet."""
        found = planned(snapshot(*BUILDS), wanted(alpha(3), "newest", RELEASE, is_listing=True))
        assert distances(found) == [3, 5, 7]

    def test_doubtful_builds_are_named(self) -> None:
        """Five of them, and how many more there are."""
        betas = [build(beta(n), uploaded=NOW - (20 - n) * HOUR) for n in range(1, 9)]
        found = planned(snapshot(*BUILDS, *betas), wanted(alpha(1), "newest"))
        told, doubted = found.conditions
        assert told.message == (
            "the range crosses the cut of release-1.30: only names and times tell which builds there are of "
            "master; a clone of kops settles it (--repo)"
        )
        named = ", ".join(beta(n) for n in range(1, 6))
        assert doubted.message == (
            f"in the range it is doubtful of which branch {named} and 3 more are"
            "; a clone of kops settles it (--repo)"
        )
        assert {each.severity for each in found.conditions} == {Severity.WARNING}

    def test_builds_at_the_very_ends_that_may_be_the_channel_s_are_named(self) -> None:
        """Twins of the first and of the last build, which came long after what is above them."""
        betas = [build(beta(n), uploaded=NOW - (20 - n) * DAY) for n in range(1, 7)]
        twins = [build(beta(n).replace(f"{n:010x}", f"{n}{'f' * 9}"), uploaded=NOW - DAY) for n in (1, 5)]
        found = planned(snapshot(*betas, *twins), wanted(beta(1), beta(5)))
        assert distances(found) == [1, 2, 3, 4, 5]
        assert " and 2 more are;" in found.conditions[-1].message

    def test_one_doubtful_build_is_named(self) -> None:
        """In the singular."""
        found = planned(
            snapshot(*BUILDS, build(beta(1), uploaded=NOW - 9 * HOUR)), wanted(alpha(1), "newest")
        )
        assert found.conditions[-1].message == (
            f"in the range it is doubtful of which branch {beta(1)} is; a clone of kops settles it (--repo)"
        )
