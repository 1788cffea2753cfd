"""What is unlikely about one build after another, and by how much (`kopsversion.rules.lineage`, DESIGN section 4).

The weights are tuned on the history of kops and may be tuned again, so they are called by name here and never by
number: a test says which of them a situation costs.
"""

from __future__ import annotations

from math import inf, log
from typing import TYPE_CHECKING

import pytest

from kopsversion.rules import lineage as li
from kopsversion.rules.lineage import Line, Sighting, tell_apart
from tests.rules.test_lineage import DAY, HOUR, LAST_ALPHA, START, beta, version

if TYPE_CHECKING:
    from collections.abc import Sequence


def costs(
    *builds: Sighting,
    before: Sighting | None = None,
    release_exists: bool = True,
    master_left: float | None = None,
    has_master_left: bool = False,
) -> li._Costs:
    """What the builds of a minor cost; the release branch exists unless said otherwise."""
    return li._Costs.of(
        builds,
        before=before,
        release_exists=release_exists,
        master_left=None if master_left is None else START + master_left * DAY,
        has_master_left=has_master_left,
    )


def alpha_beta(distance: int, *, at: float | None = 0.0) -> Sighting:
    """The beta of a version bump: its tag is an alpha."""
    return beta(distance, at=at, tag="alpha.3")


# --------------------------------------------------------------------------------------------------
# The parts


@pytest.mark.parametrize(
    ("commits", "cost"),
    [
        (-1, li._IMPOSSIBLE),
        (0, li._IMPOSSIBLE),
        (1, li._LONE_COMMIT),
        (2, 0.0),
        (3, li._COMMIT),
        (5, 3 * li._COMMIT),
        (400, li._OUTAGE + log(400)),
    ],
)
def test_moving_on_costs_by_the_commit_up_to_an_outage(commits: int, cost: float) -> None:
    """A merge of two commits is usual; nothing moves on by none or back; a long outage is cheaper than its length."""
    assert li._distance(commits) == pytest.approx(cost)


@pytest.mark.parametrize(
    ("earlier", "later", "cost"),
    [
        (None, START, 0.0),
        (START, None, 0.0),
        (START, START, 0.0),
        (START, START + 1, 0.0),
        (START + 2 * HOUR, START, 2 * li._LATE_HOUR),
        (START + li._LATE, START, li._LATE_HOUR * li._LATE / HOUR),
        (START + li._LATE + 1, START, li._BACKWARDS),
    ],
)
def test_going_back_in_time_costs_by_the_hour_then_a_lot(
    earlier: float | None, later: float | None, cost: float
) -> None:
    """An upload may be late by some hours; one that is later than that is of another line."""
    assert li._backwards(earlier, later) == pytest.approx(cost)


@pytest.mark.parametrize(
    ("since", "until", "cost"),
    [
        (None, START, 0.0),
        (START, None, 0.0),
        (START, START, 0.0),
        (START + 1, START, 0.0),
        (START, START + DAY, li._OVERTAKEN + li._SILENT_DAY),
        (START, START + 100 * DAY, li._SILENT),
    ],
)
def test_silence_costs_by_the_day_up_to_a_limit(
    since: float | None, until: float | None, cost: float
) -> None:
    """Of a line that should have been ahead; a postsubmit that broke for long costs no more."""
    assert li._silence(since, until) == pytest.approx(cost)


@pytest.mark.parametrize(
    ("head", "days", "cost"),
    [
        (None, 0, 0.0),
        (beta(2, at=None), 90, 0.0),
        (beta(2, at=0), None, 0.0),
        (beta(2, at=0), li._USUAL_GAP, 0.0),
        (beta(2, at=0), li._USUAL_GAP + 2, 2.0),
        (beta(2, at=0), 90, li._RESUMED),
    ],
)
def test_going_on_after_a_long_silence_costs_by_the_day(
    head: Sighting | None, days: float | None, cost: float
) -> None:
    """A gap of some days is usual; after months it is likelier the other line."""
    assert li._resuming(head, beta(4, at=days)) == pytest.approx(cost)


@pytest.mark.parametrize(
    ("head", "build", "cost"),
    [
        (None, beta(2, at=0), 0.0),
        (LAST_ALPHA, beta(2, at=0), 0.0),
        (beta(2, at=0), beta(4, at=1), 0.0),
        (beta(2, at=0), beta(4, at=1, release="beta.3"), li._MASTER_TAGS_BETA),
    ],
    ids=["nothing before", "from an alpha", "the same beta", "from beta to beta"],
)
def test_master_does_not_usually_tag_a_second_beta(
    head: Sighting | None, build: Sighting, cost: float
) -> None:
    """After the cut betas are tagged on the release branch."""
    assert li._tagging(head, build) == cost


@pytest.mark.parametrize(
    ("head", "release", "build", "cost"),
    [
        (beta(2, at=0), None, beta(4, at=1), 0.0),
        (beta(2, at=0), beta(3, at=1), beta(4, at=2), li._CROSSING),
        (beta(2, at=0), beta(3, at=1), beta(4, at=1), 0.0),
        (beta(2, at=0), beta(3, at=None), beta(4, at=1), 0.0),
        (beta(2, at=0), beta(3, at=1), beta(4, at=None), 0.0),
        (beta(2, at=0), beta(3, at=1), beta(4, at=2, release="beta.3"), li._MASTER_TAGS_BETA + li._CROSSING),
        (None, beta(3, at=1), beta(4, at=2), li._OVERTAKEN + li._SILENT_DAY),
        (None, beta(3, at=2), beta(4, at=1), 0.0),
        (None, alpha_beta(393, at=1), beta(4, at=2), 0.0),
        (LAST_ALPHA, beta(3, at=1), beta(4, at=3), li._OVERTAKEN + 2 * li._SILENT_DAY),
        (LAST_ALPHA, alpha_beta(393, at=1), beta(4, at=3), 0.0),
    ],
)
def test_master_passing_the_release_branch(
    head: Sighting | None, release: Sighting | None, build: Sighting, cost: float
) -> None:
    """Master leads, so to come from behind costs a little; to come from nowhere costs the silence before."""
    assert li._passing(head, release, build) == pytest.approx(cost)


# --------------------------------------------------------------------------------------------------
# What comes next on a line


@pytest.mark.parametrize(
    ("head", "build", "cost"),
    [
        (beta(2, at=0), beta(7, at=1), 3 * li._COMMIT),
        (beta(2, at=0), beta(3, at=1), li._LONE_COMMIT),
        (beta(2, at=0), beta(2, at=1, commit="1111111"), li._IMPOSSIBLE),
        # The bump's own commit is one commit on, which is how it should be.
        (beta(2, at=0), beta(3, at=1, release="beta.3"), li._NEW_RELEASE),
        (beta(2, at=0), beta(7, at=1, release="beta.3"), 3 * li._COMMIT + li._NEW_RELEASE),
        (beta(7, at=0), beta(1, at=1, tag="beta.2", release="beta.3"), li._UNSEEN_BUMP),
        (beta(7, at=0), beta(5, at=1, tag="beta.2", release="beta.3"), 3 * li._COMMIT + li._UNSEEN_BUMP),
        (alpha_beta(393), beta(5, at=1), 3 * li._COMMIT),
        (alpha_beta(393), beta(1, at=1), 0.0),
        (beta(5, at=1), beta(7, at=1 - 2 / 24), 2 * li._LATE_HOUR),
    ],
)
def test_what_follows_on_a_line(head: Sighting, build: Sighting, cost: float) -> None:
    """Commits since the head, counted from the tag where that is new, and what a new release or tag costs."""
    assert costs(head, build)._follow(head, build) == pytest.approx(cost)


def test_a_tag_that_the_other_line_made_is_not_seen_from_here() -> None:
    """Where there is a build of the commit that was tagged, the line that did not have it is not the tag's."""
    head, bump = beta(7, at=0), beta(9, at=1, release="beta.3")
    after = beta(5, at=2, tag="beta.2", release="beta.3")
    known = costs(head, bump, after)
    assert known._follow(head, after) == pytest.approx(3 * li._COMMIT + li._OTHERS_BUMP)
    assert known._follow(bump, after) == pytest.approx(3 * li._COMMIT)


def test_a_tag_that_came_late() -> None:
    """The tag is of the least distance that its release part was built at; a head beyond it was built before."""
    bump, beyond, after = alpha_beta(393), alpha_beta(397, at=1), beta(5, at=2)
    known = costs(bump, beyond, after)
    assert known.bumps[bump.release, bump.tag] == 393
    assert known._follow(bump, after) == pytest.approx(3 * li._COMMIT)
    assert known._follow(beyond, after) == pytest.approx(3 * li._COMMIT + li._LATE_TAG)
    assert costs(after)._follow(beyond, after) == pytest.approx(3 * li._COMMIT)


@pytest.mark.parametrize(
    ("at", "newest", "cost"),
    [
        (1.0, 9.0, li._MARKER_STOPPED),
        (9.0, 9.0, li._MARKER_LATE),
        (9.0 - li._LATE / DAY, 9.0, li._MARKER_LATE),
        (0.0, 9.0, 0.0),
        (-0.1, 9.0, 0.0),
        (None, 9.0, li._MARKER_STOPPED),
        (None, None, li._MARKER_STOPPED),
    ],
)
def test_a_marker_that_stopped(at: float | None, newest: float | None, cost: float) -> None:
    """A line's marker moves on with it, but for the newest build, whose marker may yet be written."""
    marked, build = beta(5, at=0, owner=Line.MASTER), beta(7, at=at)
    known = costs(marked, build, beta(50, at=newest))
    assert known._marker_stopped(marked, build) == cost
    without = costs(beta(5, at=0), build, beta(50, at=newest))
    assert known._follow(marked, build) == pytest.approx(without._follow(beta(5, at=0), build) + cost)


def test_a_marker_of_unknown_time_counts_as_stopped() -> None:
    """A build that is gone has no time, and its line went on."""
    gone, build = beta(5, at=None, owner=Line.MASTER), beta(7, at=1)
    assert costs(gone, build)._marker_stopped(gone, build) == li._MARKER_STOPPED


def test_git_is_no_marker() -> None:
    """That a build which git locates was passed says nothing."""
    located = beta(5, at=0, owner=Line.MASTER, located=True)
    assert costs(located, beta(7, at=1))._follow(located, beta(7, at=1)) == pytest.approx(0.0)


@pytest.mark.parametrize(
    ("owners", "located", "line", "cost"),
    [
        (frozenset(), False, Line.MASTER, 0.0),
        ({Line.MASTER}, False, Line.MASTER, 0.0),
        ({Line.MASTER}, False, Line.RELEASE, li._NAMED),
        ({Line.RELEASE}, False, Line.MASTER, li._NAMED),
        ({Line.MASTER, Line.RELEASE}, False, Line.MASTER, li._NAMED),
        ({Line.RELEASE}, True, Line.MASTER, li._LOCATED),
        ({Line.RELEASE}, True, Line.RELEASE, 0.0),
    ],
)
def test_a_claim_counts_against_the_other_line(
    owners: frozenset[Line], *, located: bool, line: Line, cost: float
) -> None:
    """A marker's, or git's, which counts for more than anything."""
    assert Sighting(version("beta.1", 5), START, frozenset(owners), located).claim(line) == cost


# --------------------------------------------------------------------------------------------------
# Where lines start and end


def test_masters_first_build() -> None:
    """It follows master's last build before these, or starts anywhere at no more than an outage."""
    first, far = beta(5, at=0), beta(300, at=0)
    assert costs(first, before=LAST_ALPHA)._start_master(first) == pytest.approx(
        3 * li._COMMIT + li._UNSEEN_BUMP
    )
    assert costs(first)._start_master(first) == pytest.approx(3 * li._COMMIT)
    assert costs(far)._start_master(far) == li._OUTAGE


@pytest.mark.parametrize(
    ("build", "head", "cost"),
    [
        # Nothing of master's is known.
        (beta(5, at=0), None, li._CUT + 3 * li._COMMIT),
        (beta(300, at=0), None, li._CUT + li._OUTAGE),
        (alpha_beta(393), None, li._CUT + li._OUTAGE),
        # Cut at the tag, or at master's head.
        (beta(1, at=1), alpha_beta(393), li._CUT),
        (beta(5, at=1), alpha_beta(393), li._CUT + 3 * li._COMMIT),
        (alpha_beta(5, at=1), beta(4, at=0), li._CUT + li._CUT_AT_HEAD + 3 * li._COMMIT),
        (alpha_beta(1, at=1), beta(4, at=0), li._CUT + li._CUT_AT_HEAD),
        (beta(22, at=1), beta(20, at=0), li._CUT + li._CUT_AT_HEAD),
        (beta(21, at=1), beta(20, at=0), li._CUT + li._CUT_AT_HEAD),
        (beta(25, at=1), beta(20, at=0), li._CUT + li._CUT_AT_HEAD + 3 * li._COMMIT),
        (beta(4, at=1), beta(2, at=0), li._CUT + 2 * li._COMMIT),
        (beta(3, at=1), beta(2, at=0), li._CUT + li._COMMIT),
        (beta(5, at=0), beta(4, at=1), li._CUT + li._CUT_AT_HEAD + li._OVERTAKEN + li._SILENT_DAY),
        # Cut by a version bump, which is then the branch's first commit.
        (beta(9, at=1, release="beta.3"), beta(7, at=0), li._CUT + li._CUT_AT_HEAD),
        (alpha_beta(397, at=1), alpha_beta(393), li._CUT + li._CUT_AT_HEAD + 2 * li._COMMIT),
        (alpha_beta(393), LAST_ALPHA, li._CUT_AT_BUMP),
        (alpha_beta(397), LAST_ALPHA, li._CUT_AT_BUMP + 3 * li._COMMIT),
        (alpha_beta(394), LAST_ALPHA, li._CUT_AT_BUMP),
    ],
)
def test_the_release_branchs_first_build(build: Sighting, head: Sighting | None, cost: float) -> None:
    """It is cut at a tag, at master's head or by a version bump, and starts behind master."""
    assert costs(build)._start_release(build, head) == pytest.approx(cost)
    unmarked = costs(build, release_exists=False)
    assert unmarked._start_release(build, head) == pytest.approx(cost + li._NO_MARKERS)


def test_a_cut_by_a_version_bump_behind_master() -> None:
    """What master built meanwhile counts there as well."""
    bump, head = alpha_beta(393), Sighting(version("alpha.3", 392, "alpha.4"), START + DAY)
    assert costs(bump)._start_release(bump, head) == pytest.approx(
        li._CUT_AT_BUMP + li._OVERTAKEN + li._SILENT_DAY
    )


def test_masters_last_build_before_was_not_overtaken() -> None:
    """How long ago it was says nothing of a cut; only master's builds among these can be overtaken."""
    late = Sighting(LAST_ALPHA.version, START + 9 * DAY)
    build = alpha_beta(393)
    assert costs(build, before=late)._start_release(build, None) == pytest.approx(li._CUT_AT_BUMP)
    assert costs(build, before=late)._start_release(build, late) == pytest.approx(li._CUT_AT_BUMP)


@pytest.mark.parametrize(
    ("at", "left", "cost"),
    [
        (5.0, None, 0.0),
        (None, 3.0, 0.0),
        (2.0, 3.0, 0.0),
        (3.0, 3.0, 0.0),
        (3.0 + 2 / 24, 3.0, li._OVERTAKEN + 2 * li._LATE_HOUR),
        (5.0, 3.0, li._OVERTAKEN + li._BACKWARDS),
    ],
)
def test_after_master_left(at: float | None, left: float | None, cost: float) -> None:
    """Master built nothing of a minor after its first build of the next, but for late uploads."""
    build = beta(5, at=at)
    assert costs(build, master_left=left)._after_leaving(build) == pytest.approx(cost)


@pytest.mark.parametrize(
    ("head", "left", "cost"),
    [
        (None, False, 0.0),
        (beta(2, at=None), False, 0.0),
        (beta(2, at=7), False, 2 * li._SILENT_DAY),
        (beta(2, at=9), False, 0.0),
        (beta(2, at=-90), False, li._SILENT),
        (beta(2, at=7), True, 0.0),
        (beta(2, at=10), False, 0.0),
    ],
)
def test_master_that_ended_early(head: Sighting | None, *, left: bool, cost: float) -> None:
    """That it built nothing since costs by the day until the newest build, unless it went on to another minor."""
    known = costs(beta(30, at=9), has_master_left=left)
    assert known.silence(head) == pytest.approx(cost)


def test_nothing_is_silent_where_no_time_is_known() -> None:
    """There is no newest build that it could be measured by."""
    assert costs(beta(30, at=None)).silence(beta(2, at=7)) == 0.0


# --------------------------------------------------------------------------------------------------
# A step


def test_builds_are_in_order_of_name_then_time() -> None:
    """Of two in one place the earlier is first, one of unknown time last; of equal times the text decides."""
    early, late = beta(5, at=1, commit="fffffff"), beta(5, at=2, commit="0000000")
    unknown = beta(5, at=None, commit="1111111")
    twin = beta(5, at=2, commit="0000001")
    assert costs(unknown, twin, late, early, beta(2, at=9)).builds == (
        beta(2, at=9),
        early,
        late,
        twin,
        unknown,
    )


def _steps(known: li._Costs) -> Sequence[li._Step]:
    return [known.step(index) for index in range(len(known.builds))]


def test_the_steps_of_two_lines() -> None:
    """For each build: its line goes on, or the other one does from one of its heads, or it starts."""
    marked = beta(4, at=1, owner=Line.MASTER)
    third = beta(9, at=2, release="beta.3", owner=Line.RELEASE)
    known = costs(beta(2, at=0), marked, third, before=LAST_ALPHA, master_left=1.5)
    first, second, last = _steps(known)

    start = known._start_master(known.builds[0])
    assert first.stay_master == pytest.approx((start, start))
    assert first.stay_release == pytest.approx(known._start_release(known.builds[0], None))

    assert second.stay_master == pytest.approx((0.0, 0.0))
    assert second.stay_release == pytest.approx(li._NAMED)
    assert list(second.to_release) == [
        pytest.approx(known._start_release(marked, known.builds[0]) + li._NAMED)
    ]
    to_master = known._start_master(marked) + li._passing(LAST_ALPHA, known.builds[0], marked)
    assert list(second.to_master) == [pytest.approx(to_master)]

    against = li._NAMED + known._after_leaving(third)
    follow = known._follow(marked, third)
    assert last.stay_master == pytest.approx((follow + against, follow + against + li._MASTER_TAGS_BETA))
    assert last.stay_release == pytest.approx(follow)
    assert list(last.to_release) == [
        pytest.approx(known._start_release(third, marked)),
        pytest.approx(known._follow(known.builds[0], third)),
    ]
    assert list(last.to_master) == [
        pytest.approx(known._start_master(third) + li._passing(LAST_ALPHA, marked, third) + against),
        pytest.approx(
            known._follow(known.builds[0], third) + li._passing(known.builds[0], marked, third) + against
        ),
    ]


def test_master_that_goes_on_after_a_long_silence_pays_for_it_in_every_step() -> None:
    """On its own line, and past the release branch, from a build or from the last one before these."""
    known = costs(beta(2, at=40), beta(4, at=80), beta(6, at=81), before=LAST_ALPHA)
    for step, build, previous in zip(_steps(known), known.builds, (LAST_ALPHA, *known.builds), strict=False):
        stay = known._follow(previous, build)
        assert step.stay_master[0] == pytest.approx(stay + li._resuming(previous, build))
    last = known.step(2)
    follow = known._follow(known.builds[0], known.builds[2])
    assert last.to_master[1] == pytest.approx(follow + li._CROSSING + li._RESUMED)
    assert last.to_master[0] == pytest.approx(
        known._start_master(known.builds[2])
        + li._passing(LAST_ALPHA, known.builds[1], known.builds[2])
        + li._RESUMED
    )


def test_what_is_known_of_the_branches_reaches_the_steps() -> None:
    """Whether the release branch exists, and whether and when master left."""
    known = costs(beta(2, at=0), before=LAST_ALPHA, release_exists=False, master_left=3, has_master_left=True)
    assert (known.before, known.release_exists, known.has_master_left) == (LAST_ALPHA, False, True)
    assert known.master_left == START + 3 * DAY
    assert known.newest == START
    builds = [beta(2, at=0), beta(30, at=20)]
    answers = {
        tuple(
            tell_apart(
                builds, last_of_master=LAST_ALPHA, release_exists=exists, has_master_left=left
            ).values()
        )
        for exists in (False, True)
        for left in (False, True)
    }
    assert len(answers) == 4


def test_an_alpha_is_never_cut_at_its_tag() -> None:
    """A branch is cut at a beta's tag; that an alpha's would be is impossible, and not merely dear."""
    build = alpha_beta(2)
    assert costs(build)._start_release(build, beta(9, at=0)) < inf
    assert costs(build)._start_release(build, None) == li._CUT + li._OUTAGE
