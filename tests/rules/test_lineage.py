"""Lineage: whose build it is, by precedence, time and markers (DESIGN section 4, FAILURES row 26).

Each test is a bucket around a branch cut. What it asks is what the module promises: *likely* is never wrong, and what
is not seen is doubtful.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kopsversion.model.version import BuildVersion
from kopsversion.rules.lineage import Line, Opinion, Sighting, tell_apart

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

HOUR = 3600.0
DAY = 24 * HOUR
START = 1_710_000_000.0

MASTER, RELEASE = Opinion(Line.MASTER, is_likely=True), Opinion(Line.RELEASE, is_likely=True)
MAYBE_MASTER, MAYBE_RELEASE = Opinion(Line.MASTER), Opinion(Line.RELEASE)


def seen(text: str, at: float | None, located: Line | None = None) -> Sighting:
    """A build of that name, `at` days after the start."""
    return Sighting(BuildVersion.parse(text), None if at is None else START + at * DAY, located)


def beta(
    distance: int, at: float | None, *, tag: str = "beta.1", release: str = "beta.2", commit: str = "0000000"
) -> Sighting:
    """A build that counts from master's first beta, unless told otherwise."""
    return seen(f"1.29.0-{release}+v1.29.0-{tag}-{distance}-g{commit}", at)


ALPHA = seen("1.29.0-alpha.4+v1.29.0-alpha.3-392-g0000000", -1)
NEXT_MINOR = seen("1.30.0-alpha.2+v1.30.0-alpha.1-2-g0000000", 60)
PATCH = seen("1.29.1+v1.29.0-3-g0000000", 50)

# The branch is cut on day 4; master goes on fast, the branch slowly.
MASTERS = [beta(2 + 4 * day, at=day) for day in range(31)]
BRANCH = [beta(3 + 2 * day, at=4 + 3 * day + 0.5) for day in range(9)]
UPPER = [beta(2 + 3 * day, at=20.2 + 2 * day, tag="beta.2", release="beta.3") for day in range(4)]


def opinions(
    sightings: Iterable[Sighting],
    *,
    master: Sighting | None = None,
    release: Sighting | None = None,
    finals: Iterable[Sighting] = (),
    masters: Iterable[Sighting] = (),
    tested: Mapping[BuildVersion, Line] | None = None,
    left: float | None = None,
) -> dict[Sighting, Opinion]:
    """Ask of a bucket; `left` is in days after the start."""
    builds = list(sightings)
    found = tell_apart(
        builds,
        master=master,
        release=release,
        finals=tuple(finals),
        masters=tuple(masters),
        tested=tested or {},
        master_left=None if left is None else START + left * DAY,
    )
    return {each: found[each.version] for each in builds}


class TestMarkers:
    """What the markers of both branches make likely while they work, and what they do not."""

    def test_each_branch_s_marker_makes_its_build_likely(self) -> None:
        """Both are believed, because the branch's is behind builds of master's that were there before it."""
        found = opinions([*MASTERS, *BRANCH], master=MASTERS[-1], release=BRANCH[-1])
        assert (found[MASTERS[-1]], found[BRANCH[-1]]) == (MASTER, RELEASE)

    def test_master_s_builds_between_the_markers_are_likely_master_s(self) -> None:
        """Near the branch's marker once it has built three older ones since; far beyond it at once."""
        found = opinions([*MASTERS, *BRANCH], master=MASTERS[-1], release=BRANCH[-1])
        between = [each for each in MASTERS if each.distance > BRANCH[-1].distance]
        assert {found[each] for each in between} == {MASTER}

    def test_soon_after_the_cut_they_are_doubtful(self) -> None:
        """The branch's one build may have been made again: then it may have had newer ones."""
        held = [*MASTERS[:7], BRANCH[0]]
        found = opinions(held, master=MASTERS[6], release=BRANCH[0])
        assert {found[each] for each in MASTERS[1:6]} == {MAYBE_MASTER}
        assert (found[MASTERS[6]], found[BRANCH[0]]) == (MASTER, RELEASE)

    def test_what_is_above_both_markers_is_doubtful(self) -> None:
        """A newer merge's build that landed before an older one's, whose marker was written last."""
        found = opinions([*MASTERS, *BRANCH], master=MASTERS[-2], release=BRANCH[-1])
        assert found[MASTERS[-1]] == MAYBE_MASTER

    def test_what_follows_a_release_marker_that_was_set_back_is_the_better_guess(self) -> None:
        """The branch's older build was made again, and its marker with it."""
        again = beta(BRANCH[2].distance, at=29.5)
        held = [*MASTERS, *BRANCH[:2], again, *BRANCH[3:6]]
        found = opinions(held, master=MASTERS[-1], release=again)
        assert {found[each] for each in BRANCH[3:6]} == {MAYBE_RELEASE}

    def test_an_old_build_of_master_s_that_was_made_again_is_not_the_branch_s(self) -> None:
        """It is far from where the branch's marker is, and nothing of the branch leads there."""
        again = beta(90, at=30.2)
        held = [each for each in MASTERS if each.distance != 90]
        found = opinions([*held, again, *BRANCH], master=MASTERS[-1], release=BRANCH[-1])
        assert found[again] == MASTER

    def test_one_build_that_both_markers_name_proves_nothing(self) -> None:
        """One of the two is wrong, so that nothing is more than a guess."""
        found = opinions([*MASTERS, *BRANCH], master=MASTERS[-1], release=MASTERS[-1])
        assert all(not each.is_likely for each in found.values())
        assert (found[MASTERS[-1]], found[BRANCH[-1]]) == (MAYBE_MASTER, MAYBE_RELEASE)

    def test_a_release_marker_on_master_s_line_is_not_believed(self) -> None:
        """It names what master built some days ago, when nothing was further."""
        found = opinions([*MASTERS, *BRANCH], master=MASTERS[-1], release=MASTERS[-9])
        assert found[MASTERS[-9]] == MAYBE_MASTER
        assert found[BRANCH[-1]] == MAYBE_RELEASE
        assert found[MASTERS[-1]] == MASTER

    def test_but_it_is_the_better_guess_while_the_branch_has_nothing_else(self) -> None:
        """The branch was just cut, and master went on an hour later."""
        held = [beta(2, at=0), beta(3, at=1), beta(5, at=1.1)]
        found = opinions(held, master=held[2], release=held[1])
        assert (found[held[1]], found[held[2]]) == (MAYBE_RELEASE, MASTER)

    def test_master_s_marker_behind_the_release_branch_s_is_not_believed(self) -> None:
        """Counted from one tag master is ahead: the two are exchanged, or master's stands still."""
        found = opinions([*MASTERS, *BRANCH], master=BRANCH[-1], release=MASTERS[-1])
        assert all(not each.is_likely for each in found.values())

    def test_master_s_marker_at_a_later_beta_than_master_s_builds_is_not_believed(self) -> None:
        """It names the release branch's build; master counted from the older tag after that."""
        found = opinions([*MASTERS, *BRANCH, *UPPER], master=UPPER[0])
        assert found[UPPER[0]] == MAYBE_RELEASE
        within_a_day = opinions([*MASTERS[:22], UPPER[0]], master=UPPER[0])
        assert within_a_day[UPPER[0]] == MASTER

    def test_a_twin_of_a_marker_s_build_is_the_other_branch_s(self) -> None:
        """Two commits in one place are of two branches, however close in time."""
        twin = beta(BRANCH[-1].distance, at=20, commit="1111111")
        found = opinions([*MASTERS, *BRANCH, twin], master=MASTERS[-1], release=BRANCH[-1])
        assert found[twin] == MASTER
        twin = beta(MASTERS[-1].distance, at=30.1, commit="1111111")
        found = opinions([*MASTERS, *BRANCH, twin], master=MASTERS[-1], release=BRANCH[-1])
        assert found[twin] == RELEASE

    def test_a_twin_of_master_s_build_shows_that_a_release_marker_is_right(self) -> None:
        """Nothing of master's is ahead of the branch's first build yet, but it cannot be on master's line."""
        held = [beta(2, at=0), beta(4, at=0.1), beta(4, at=0.2, commit="1111111")]
        found = opinions(held, master=held[1], release=held[2])
        assert (found[held[1]], found[held[2]]) == (MASTER, RELEASE)

    def test_abbreviations_of_one_commit_are_no_twins(self) -> None:
        """They are one build under two names."""
        one, other = beta(4, at=0.1), beta(4, at=0.1, commit="00000001ab")
        assert not one.version.is_twin_of(other.version)
        found = opinions([beta(2, at=0), one, other], master=one)
        assert found[one] == found[other] == MASTER

    def test_a_marker_whose_build_is_deleted_still_has_a_place(self) -> None:
        """When it was uploaded is not known, but where its line was is."""
        gone = evolve_time(BRANCH[-1], None)
        found = opinions([*MASTERS, *BRANCH[:-1]], master=MASTERS[-1], release=gone)
        assert found[MASTERS[-2]] == MASTER

    def test_without_any_marker_nothing_is_likely(self) -> None:
        """That markers are gone does not show that there is no branch. The guesses are right."""
        found = opinions([*MASTERS, *BRANCH, *UPPER])
        assert {found[each] for each in MASTERS} == {MAYBE_MASTER}
        assert {found[each] for each in (*BRANCH[2:], *UPPER)} == {MAYBE_RELEASE}

    @pytest.mark.parametrize(
        ("days", "guess"), [(0.5, MAYBE_MASTER), (1, MAYBE_MASTER), (1.1, MAYBE_RELEASE)]
    )
    def test_a_build_that_lands_up_to_a_day_late_is_no_sign_of_another_branch(
        self, days: float, guess: Opinion
    ) -> None:
        """Later, it is a hint."""
        late = beta(3, at=1 + days)
        assert opinions([late, beta(5, at=1)])[late] == guess

    def test_one_build_that_is_all_there_is_stays_master_s_where_both_markers_name_it(self) -> None:
        """The branch's alone would be the better guess."""
        only = beta(3, at=1)
        assert opinions([only], master=only, release=only)[only] == MAYBE_MASTER
        assert opinions([only], master=ALPHA, release=only)[only].line is Line.RELEASE

    def test_silence_around_a_cut_proves_no_branch(self) -> None:
        """Master alone builds, with long gaps: quiet-around-a-cut."""
        held = [beta(111, at=8, tag="alpha.1"), beta(24, at=21)]
        assert opinions(held)[held[1]] == MAYBE_MASTER

    def test_what_another_marker_names_is_likely_where_the_guess_agrees(self) -> None:
        """A green marker is behind, and support all the same; against the order of uploads it proves nothing."""
        green = {MASTERS[5].version: Line.MASTER, BRANCH[-1].version: Line.MASTER}
        found = opinions([*MASTERS, *BRANCH], master=MASTERS[-1], tested=green)
        assert (found[MASTERS[5]], found[BRANCH[-1]]) == (MASTER, MAYBE_RELEASE)


class TestLaterBetas:
    """The release branch tags betas, and is above master then."""

    def test_up_to_its_marker_they_are_likely_the_release_branch_s(self) -> None:
        """Master's marker is at a lower version; three builds of master's that came after show the same."""
        found = opinions([*MASTERS, *BRANCH, *UPPER], master=MASTERS[-1], release=UPPER[-1])
        assert {found[each] for each in UPPER} == {RELEASE}

    def test_one_above_its_marker_is_doubtful_until_master_is_seen_to_have_passed_it_by(self) -> None:
        """Whose the newest is, only time tells."""
        late = beta(20, at=30.5, tag="beta.2", release="beta.3")
        found = opinions([*MASTERS, *BRANCH, *UPPER, late], master=MASTERS[-1], release=UPPER[-1])
        assert found[late] == MAYBE_RELEASE
        found = opinions([*MASTERS, *BRANCH, *UPPER], master=MASTERS[-1], release=UPPER[0])
        assert found[UPPER[1]] == RELEASE

    @pytest.mark.parametrize(
        ("came", "opinion"),
        [((11, 12, 13), MAYBE_RELEASE), ((11.1, 12, 13), RELEASE), ((11.1, 12), MAYBE_RELEASE)],
        ids=["within a day", "three", "two"],
    )
    def test_three_of_master_s_that_came_more_than_a_day_later_show_whose_it_is(
        self, came: Sequence[float], opinion: Opinion
    ) -> None:
        """Without a marker of the release branch too; what was there before shows nothing."""
        times = (5, *came)
        masters = [beta(distance, at) for distance, at in enumerate(times, start=2)]
        later = beta(20, at=10, tag="beta.2", release="beta.3")
        assert opinions([*masters, later], master=masters[-1])[later] == opinion

    def test_betas_up_to_the_release_marker_are_not_master_s_that_stopped_before(self) -> None:
        """Master's marker stands at its last alpha, as in kops issue 16533."""
        found = opinions(BRANCH, master=ALPHA, release=BRANCH[-1])
        assert set(found.values()) == {RELEASE}

    def test_unless_master_s_marker_was_set_back_after_them(self) -> None:
        """An old alpha was built again today: it does not show that master had no beta."""
        again = seen(str(ALPHA.version), 30)
        found = opinions(BRANCH, master=again, release=BRANCH[-1])
        assert {found[each] for each in BRANCH[:-1]} == {MAYBE_RELEASE}
        assert found[BRANCH[-1]] == RELEASE

    @pytest.mark.parametrize(("came", "guess"), [(-1, MAYBE_RELEASE), (30, MAYBE_MASTER)])
    def test_a_marker_that_was_set_back_is_no_hint_either(self, came: float, guess: Opinion) -> None:
        """Betas after the build of master's marker may well be the branch's; betas before it were there already."""
        found = opinions(BRANCH, master=seen(str(ALPHA.version), came))
        assert set(found.values()) == {guess}

    @pytest.mark.parametrize(("distance", "is_told"), [(391, True), (392, True), (393, False)])
    def test_unless_master_surely_built_what_is_above_its_marker(
        self, distance: int, *, is_told: bool
    ) -> None:
        """An alpha that is master's by custom: then its marker does not tell where master is."""
        alpha = seen(f"1.29.0-alpha.4+v1.29.0-alpha.3-{distance}-g0000000", -1)
        found = opinions(BRANCH, master=ALPHA, release=BRANCH[-1], masters=[alpha])
        assert {found[each] for each in BRANCH[:-1]} == {RELEASE if is_told else MAYBE_RELEASE}

    def test_or_two_commits_in_one_place_show_that_both_built_betas(self) -> None:
        """One of the two is master's."""
        twin = beta(BRANCH[2].distance, at=11, commit="1111111")
        found = opinions([*BRANCH, twin], master=ALPHA, release=BRANCH[-1])
        assert not any(found[each].is_likely for each in (*BRANCH[:-1], twin))

    def test_without_their_times_they_are_doubtful(self) -> None:
        """Names alone prove nothing."""
        held = [evolve_time(each, None) for each in BRANCH]
        found = opinions(held, master=ALPHA, release=held[-1])
        assert {found[each] for each in held[:-1]} == {MAYBE_RELEASE}

    def test_those_of_the_tag_that_the_final_release_counts_from_are_the_release_branch_s(self) -> None:
        """What is built next to the final release shows on which line that tag is."""
        final = seen("1.29.1+v1.29.0-beta.2-20-g0000000", 29)
        found = opinions([*MASTERS[:22], *UPPER], master=MASTERS[21], release=final, finals=[final])
        assert {found[each] for each in UPPER} == {RELEASE}


class TestLeaving:
    """A branch that went on to later versions builds no betas of the minor any more."""

    NEW = (beta(517, at=60), beta(519, at=61), beta(521, at=62))

    def test_builds_after_the_final_release_are_master_s_where_its_marker_was(self) -> None:
        """resumed-after-a-month: master stood still, and so did its marker."""
        held = [*MASTERS, *self.NEW[:2]]
        found = opinions(held, master=MASTERS[-1], release=PATCH, finals=[PATCH])
        assert {found[each] for each in self.NEW[:2]} == {MASTER}

    def test_without_a_marker_three_of_them_are_needed(self) -> None:
        """One or two may be old ones, built again."""
        found = opinions([*MASTERS, *self.NEW], finals=[PATCH])
        assert {found[each] for each in self.NEW} == {MASTER}
        found = opinions([*MASTERS, *self.NEW[:2]], finals=[PATCH])
        assert {found[each] for each in self.NEW[:2]} == {MAYBE_MASTER}

    def test_a_build_among_older_ones_stays_in_doubt(self) -> None:
        """It may be an old beta of the release branch, built again after its final release."""
        again = beta(BRANCH[3].distance, at=61)
        held = [*MASTERS, *BRANCH[:3], again, *BRANCH[4:]]
        found = opinions(held, master=MASTERS[-1], release=PATCH, finals=[PATCH])
        assert not found[again].is_likely

    def test_what_is_further_than_the_first_final_build_is_master_s_whenever_it_came(self) -> None:
        """Both count from one tag, and the release branch was not there yet when it left."""
        first = seen("1.29.1+v1.29.0-beta.1-21-g0000000", None)
        found = opinions(MASTERS, finals=[first])
        assert {found[each] for each in MASTERS if each.distance > 21} == {MASTER}
        assert {found[each] for each in MASTERS if each.distance <= 21} == {MAYBE_MASTER}

    def test_three_above_all_that_there_was_when_master_left_are_the_release_branch_s(self) -> None:
        """1.23: master left with the tag, and the branch counted on from it."""
        held = [beta(382, at=0, tag="alpha.2"), *(beta(2 + day, at=5 + day) for day in range(4))]
        found = opinions(held, left=1)
        assert {found[each] for each in held[1:]} == {RELEASE}
        assert found[held[0]] == MAYBE_MASTER
        found = opinions(held[:3], left=1)
        assert {found[each] for each in held[1:3]} == {MAYBE_RELEASE}

    def test_two_proofs_against_each_other_are_none(self) -> None:
        """Above all that master left behind, and past the branch's first final build."""
        first = seen("1.29.1+v1.29.0-beta.1-21-g0000000", 10)
        found = opinions(self.NEW, finals=[first], left=40)
        assert all(not each.is_likely for each in found.values())

    def test_where_two_proofs_contradict_the_marker_s_place_is_the_better_guess(self) -> None:
        """A final build that counts from the same tag says master, and the release branch's own marker not."""
        named, other = beta(22, at=6), beta(25, at=None, tag="beta.2", release="beta.3")
        final = seen("1.29.1+v1.29.0-beta.1-4-g0000000", None)
        assert opinions([named, other], master=other, release=named, finals=[final])[named] == MAYBE_RELEASE

    def test_of_two_proofs_that_contradict_at_master_s_marker_neither_speaks_for_the_branch(self) -> None:
        """A twin of master's build is another branch's; but by the final release, that one had left."""
        named, twin = beta(22, at=1), beta(22, at=7, commit="1111111")
        final = seen("1.29.1+v1.29.0-beta.1-13-g0000000", None)
        held = [beta(1, at=6), beta(24, at=3), twin]
        assert opinions(held, master=named, release=held[0], finals=[final])[twin] == MAYBE_MASTER

    def test_where_master_s_marker_is_in_a_later_minor_the_branch_s_marker_decides(self) -> None:
        """What is beyond it is master's of old."""
        found = opinions([*MASTERS, *BRANCH], master=NEXT_MINOR, release=BRANCH[-1], left=59)
        assert found[BRANCH[-1]] == RELEASE
        assert found[MASTERS[-1]] == MASTER


@pytest.mark.parametrize(
    ("one", "other", "is_before"),
    [
        (1.0, 2.1, True),
        (1.0, 2.0, False),
        (2.0, 1.0, False),
        (1.5, 2.0, False),
        (None, 1.0, True),
        (1.0, None, True),
        (None, None, True),
    ],
)
def test_a_build_may_have_been_before_one_that_came_more_than_a_day_later(
    one: float | None, other: float | None, *, is_before: bool
) -> None:
    """Uploads of one line are up to a day late; what has no time may have been at any."""
    assert beta(1, one).is_before(beta(2, other)) is is_before


@pytest.mark.parametrize(
    ("at", "moment", "by", "is_after"),
    [
        (2.0, 1.0, 0.0, True),
        (1.0 + 0.5 / DAY, 1.0, 0.0, True),
        (1.0, 1.0, 0.0, False),
        (2.0, 1.0, DAY, False),
        (2.1, 1.0, DAY, True),
        (None, 1.0, 0.0, False),
        (2.0, None, 0.0, False),
    ],
)
def test_a_build_is_known_to_be_after_a_moment_where_both_times_are_known(
    at: float | None, moment: float | None, by: float, *, is_after: bool
) -> None:
    """By more than so many seconds, which are none where none are given."""
    since = None if moment is None else START + moment * DAY
    assert beta(1, at).is_after(since, by=by) is is_after
    assert beta(1, at).is_after(since) is (is_after or by > 0.0)


class TestBetweenTheMarkers:
    """Builds beyond the branch's marker and below master's: whose they are, step by step."""

    AHEAD, MASTERS = beta(50, at=5.5), beta(60, at=20)
    NAMED = beta(10, at=15)
    """The branch's marker; it is believed, because master was ahead of it before."""

    @pytest.mark.parametrize(("crossed", "opinion"), [(2, MASTER), (1, MAYBE_MASTER)])
    def test_three_of_the_branch_that_came_later_show_that_it_was_not_there_yet(
        self, crossed: int, opinion: Opinion
    ) -> None:
        """The one that its marker names is one of them."""
        build = beta(12, at=5)
        lower = [beta(8, at=12), beta(6, at=10)][:crossed]
        held = [build, *lower, self.NAMED, self.AHEAD, self.MASTERS]
        assert opinions(held, master=self.MASTERS, release=self.NAMED)[build] == opinion
        undated = evolve_time(build, None)
        found = opinions([undated, *held[1:]], master=self.MASTERS, release=self.NAMED)
        assert found[undated] == MAYBE_MASTER

    @pytest.mark.parametrize(("distance", "opinion"), [(26, MAYBE_RELEASE), (27, MAYBE_MASTER)])
    def test_one_that_is_behind_master_follows_the_branch_within_sixteen_commits(
        self, distance: int, opinion: Opinion
    ) -> None:
        """As many as one merge adds at most; builds of another tag lead nowhere."""
        build = beta(distance, at=16)
        other = [beta(n, at=at, tag="beta.0") for n, at in ((40, 3), (20, 16))]
        found = opinions(
            [build, *other, self.NAMED, self.AHEAD, self.MASTERS], master=self.MASTERS, release=self.NAMED
        )
        assert found[build] == opinion

    @pytest.mark.parametrize(("release", "tag"), [("beta.2", "beta.2"), ("beta.3", "beta.1")])
    def test_one_with_the_release_part_or_the_tag_of_a_marker_is_near_it(
        self, release: str, tag: str
    ) -> None:
        """Where only one of the two markers is near, that is the better guess."""
        named = beta(5, at=20, tag="beta.2", release="beta.3")
        build = beta(3, at=10, tag=tag, release=release)
        assert opinions([build, named], master=NEXT_MINOR, release=named)[build] == MAYBE_RELEASE


UP = {"tag": "beta.2", "release": "beta.3"}
"""How the release branch names what it builds after its next beta."""


def final(distance: int, at: float | None = None) -> Sighting:
    """A build of the final release that counts from master's first beta."""
    return seen(f"1.29.1+v1.29.0-beta.1-{distance}-g0000000", at)


@pytest.mark.parametrize(
    ("build", "others", "signs", "opinion"),
    [
        pytest.param(
            beta(3, at=3), [], {"master": ALPHA, "finals": [final(4)]}, RELEASE, id="of the final build's tag"
        ),
        pytest.param(
            beta(5, at=0, release="beta.3"),
            [],
            {"master": beta(1, at=6), "finals": [final(4)]},
            MASTER,
            id="further from that tag, which is master's too",
        ),
        pytest.param(
            beta(1, at=3), [], {"release": beta(1, at=3), "finals": [final(1)]}, RELEASE, id="no further"
        ),
        pytest.param(
            beta(5, at=3, **UP),
            [],
            {"master": ALPHA, "release": beta(2, at=2)},
            MAYBE_RELEASE,
            id="above both markers",
        ),
        pytest.param(
            beta(5, at=7, **UP),
            [],
            {"master": beta(1, at=7, release="beta.3"), "release": beta(29, at=0, **UP)},
            MAYBE_RELEASE,
            id="long after the release marker's build",
        ),
        pytest.param(
            beta(26, at=7),
            [beta(50, at=6)],
            {"master": ALPHA, "release": beta(50, at=6)},
            RELEASE,
            id="a day after it",
        ),
        pytest.param(
            beta(1, at=2),
            [],
            {"master": ALPHA, "release": beta(1, at=None, commit="1111111")},
            MAYBE_RELEASE,
            id="beside the release marker's and after master's",
        ),
        pytest.param(
            beta(21, at=6),
            [],
            {"master": beta(1, at=5, release="beta.3"), "release": ALPHA},
            MAYBE_MASTER,
            id="of a later tag than the release marker's",
        ),
        pytest.param(
            beta(49, at=1, release="beta.3"),
            [beta(1, at=4)],
            {"master": beta(5, at=3, **UP), "release": beta(1, at=4)},
            MAYBE_MASTER,
            id="as far past the release marker as unbuilt merges reach",
        ),
        pytest.param(
            beta(50, at=1, release="beta.3"),
            [beta(1, at=4)],
            {"master": beta(5, at=3, **UP), "release": beta(1, at=4)},
            MASTER,
            id="further",
        ),
        pytest.param(
            beta(10, at=1),
            [beta(n, at=4) for n in (5, 6, 7)],
            {"master": beta(3, at=6, **UP), "release": beta(10, at=1)},
            RELEASE,
            id="the release marker's, though older ones were built again",
        ),
        pytest.param(
            beta(3, at=1 + 0.5 / DAY),
            [beta(5, at=1)],
            {"master": beta(5, at=1), "release": beta(3, at=1 + 0.5 / DAY)},
            RELEASE,
            id="half a second behind master",
        ),
        pytest.param(
            beta(33, at=7),
            [beta(33, at=4, commit="1111111")],
            {"left": 4},
            MAYBE_MASTER,
            id="not above what was there",
        ),
        pytest.param(
            beta(97, at=3),
            [],
            {"master": beta(2, at=5), "release": beta(29, at=4, **UP)},
            MAYBE_MASTER,
            id="near master's marker alone",
        ),
        pytest.param(
            beta(2, at=3, **UP), [beta(10, at=7)], {}, MAYBE_RELEASE, id="passed by one of a lower name"
        ),
    ],
)
def test_each_sign_counts_as_far_as_it_goes(
    build: Sighting, others: list[Sighting], signs: Mapping[str, Any], opinion: Opinion
) -> None:
    """What a build's name and time show beside those of the markers and of others."""
    assert opinions([build, *others], **signs)[build] == opinion


def test_git_s_word_is_certain() -> None:
    """Whatever markers say."""
    build = seen("1.29.0-beta.2+v1.29.0-beta.1-5-g0000000", 3, Line.RELEASE)
    assert opinions([build], master=build) == {build: RELEASE}


def test_lateness_alone_is_no_proof_of_another_branch() -> None:
    """Builds of one line that land in any order within a day are never likely of another."""
    chance = random.Random(7)
    line = [beta(2 + 2 * n, at=(4 * n + chance.uniform(0, 20)) / 24) for n in range(60)]
    found = opinions(line, master=max(line, key=lambda each: each.distance))
    assert RELEASE not in found.values()


def test_a_bucket_with_thousands_of_betas_is_told_apart_in_linear_time() -> None:
    """Nothing is left out, however many there are."""
    many = [beta(2 * n, at=n / 24, commit=f"{n:07x}") for n in range(1, 5000)]
    found = opinions([*many, *BRANCH], master=many[-1], release=BRANCH[-1])
    assert found[many[-2]] == MASTER


def evolve_time(sighting: Sighting, at: float | None) -> Sighting:
    """The same build at another time."""
    return seen(str(sighting.version), at)


@st.composite
def _buckets(draw: st.DrawFn) -> list[Sighting]:
    """Builds of all kinds and places, some without a time."""
    found = {}
    for number in range(draw(st.integers(0, 8))):
        release, tag = draw(
            st.sampled_from([("beta.2", "alpha.3"), ("beta.2", "beta.1"), ("beta.3", "beta.2")])
        )
        at = draw(st.none() | st.integers(0, 40))
        build = beta(draw(st.integers(1, 90)), at, tag=tag, release=release, commit=f"{number:07x}")
        found[build.version] = build
    return list(found.values())


@given(_buckets(), st.data())
def test_law_the_order_of_the_input_does_not_matter(builds: list[Sighting], data: st.DataObject) -> None:
    """The same builds in any order are of the same lines, as surely."""
    named = data.draw(st.lists(st.sampled_from(builds) if builds else st.none(), min_size=2, max_size=2))
    shuffled = data.draw(st.permutations(builds))
    one = opinions(builds, master=named[0], release=named[1], left=data.draw(st.none() | st.integers(0, 40)))
    assert set(one) == set(builds)
    again = opinions(shuffled, master=named[0], release=named[1])
    assert again == opinions(builds, master=named[0], release=named[1])


@pytest.mark.parametrize("seed", range(5))
def test_law_while_both_markers_work_likely_is_never_wrong(seed: int) -> None:
    """Two lines of random steps, some builds late, some made again: what is likely is right at every moment."""
    chance = random.Random(seed)
    truth: list[tuple[Sighting, Line]] = []
    for line, start, pace in ((Line.MASTER, 0.0, 0.4), (Line.RELEASE, 3.0, 2.0)):
        distance, day = 1, start
        while day < 40:
            distance += chance.choice([2, 2, 3, 5])
            day += chance.expovariate(1 / pace)
            later = chance.uniform(1, 30) if chance.random() < 0.05 else chance.uniform(0, 0.3)
            commit = f"{len(truth):07x}"
            truth.append((beta(distance, day + later, commit=commit), line))
    truth.sort(key=lambda pair: pair[0].uploaded or 0.0)
    for end in range(1, len(truth) + 1):
        named = {line: build for build, line in truth[:end]}
        found = opinions(
            [build for build, _ in truth[:end]],
            master=named.get(Line.MASTER),
            release=named.get(Line.RELEASE),
        )
        newest = {line: max(build.place for build, own in truth[:end] if own is line) for line in named}
        for build, line in truth[:end]:
            if build.place == newest[line]:
                assert found[build].line is line or not found[build].is_likely
