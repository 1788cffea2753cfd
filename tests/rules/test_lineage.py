"""Lineage: telling two lines of one minor apart by precedence, time and markers (DESIGN section 4, FAILURES row 26)."""

from __future__ import annotations

import random
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kopsversion.model.version import BuildVersion
from kopsversion.rules import lineage
from kopsversion.rules.lineage import Line, Sighting, tell_apart

HOUR = 3600.0
DAY = 24 * HOUR
START = 1_710_000_000.0
SURE = 3.0


def version(tag: str, distance: int, release: str = "beta.2", commit: str = "0000000") -> BuildVersion:
    """A version of the minor that these tests are about."""
    return BuildVersion.parse(f"1.29.0-{release}+v1.29.0-{tag}-{distance}-g{commit}")


def beta(
    distance: int,
    *,
    at: float | None,
    tag: str = "beta.1",
    release: str = "beta.2",
    commit: str = "0000000",
    owner: Line | None = None,
    located: bool = False,
) -> Sighting:
    """A build after master's first beta, `at` days after the start."""
    return Sighting(
        version(tag, distance, release, commit),
        None if at is None else START + at * DAY,
        frozenset({owner} if owner else ()),
        located,
    )


LAST_ALPHA = Sighting(version("alpha.3", 392, "alpha.4"), START - DAY)
BUMP = beta(393, at=0, tag="alpha.3")

WINDOW = (
    # release-1.29 as it was in March 2024: the tag's commit, master's builds, then the branch that starts over.
    (Line.MASTER, BUMP),
    *((Line.MASTER, beta(d, at=t)) for d, t in ((2, 0.3), (4, 2.3), (6, 2.4), (9, 3.2), (11, 4.5))),
    *((Line.RELEASE, beta(d, at=t)) for d, t in ((3, 4.6), (5, 5.5))),
    *((Line.MASTER, beta(d, at=t)) for d, t in ((14, 8.5), (16, 8.6), (19, 9.1), (21, 9.3), (28, 10.2))),
)

BETAS = (
    # 1.27: the release branch tags two betas while master stands at the first one's tag.
    (Line.MASTER, BUMP),
    *((Line.MASTER, beta(d, at=t)) for d, t in ((2, 0.2), (4, 1.1), (10, 2.9), (13, 3.1))),
    *((Line.RELEASE, beta(d, at=t)) for d, t in ((3, 3.0), (5, 3.2), (9, 3.9))),
    (Line.MASTER, beta(23, at=3.7)),
    (Line.RELEASE, beta(10, at=4.0, release="beta.3")),
    (Line.RELEASE, beta(3, at=4.3, tag="beta.2", release="beta.3")),
    *((Line.MASTER, beta(d, at=t)) for d, t in ((27, 4.2), (30, 4.4), (32, 4.5), (38, 4.7))),
    (Line.RELEASE, beta(6, at=4.6, tag="beta.2", release="beta.3")),
    (Line.RELEASE, beta(7, at=4.8, tag="beta.2", release="beta.4")),
    (Line.RELEASE, beta(2, at=5.0, tag="beta.3", release="beta.4")),
    (Line.MASTER, beta(41, at=5.1)),
)


@pytest.mark.parametrize("window", [WINDOW, BETAS], ids=["1.29", "1.27"])
def test_both_lines_of_a_shared_window_are_found_without_any_marker(
    window: tuple[tuple[Line, Sighting], ...],
) -> None:
    """Distances from one tag, times and the tags of betas tell every build's line, and surely."""
    odds = tell_apart([sighting for _, sighting in window], last_of_master=LAST_ALPHA)
    wrong = [
        str(sighting.version)
        for line, sighting in window
        if (odds[sighting.version] > 0) is not (line is Line.MASTER)
    ]
    assert wrong == []
    newest = {line: max(s.version for own, s in window if own is line) for line in Line}
    assert all(abs(odds[each]) >= SURE for each in newest.values())


@pytest.mark.parametrize("window", [WINDOW, BETAS], ids=["1.29", "1.27"])
def test_every_moment_of_a_window_is_right_or_doubtful(window: tuple[tuple[Line, Sighting], ...]) -> None:
    """As the bucket fills, each line's newest build is never sure to be the other line's."""
    seen: list[tuple[Line, Sighting]] = []
    for line, sighting in sorted(window, key=lambda pair: pair[1].uploaded or 0.0):
        seen.append((line, sighting))
        odds = tell_apart([each for _, each in seen], last_of_master=LAST_ALPHA)
        for own in {line for line, _ in seen}:
            newest = max(each.version for other, each in seen if other is own)
            assert odds[newest] * (1 if own is Line.MASTER else -1) > -SURE


def test_one_line_stays_one_line_however_late_its_uploads() -> None:
    """Uploads up to six hours late and out of order do not make a second branch."""
    chance = random.Random(7)
    line = [beta(2 + 2 * n, at=(4 * n + chance.uniform(0, 6)) / 24, commit=f"{n:07x}") for n in range(120)]
    odds = tell_apart(line, last_of_master=LAST_ALPHA)
    assert min(odds.values()) >= SURE


def test_one_line_may_begin_in_the_middle_and_have_gaps() -> None:
    """Builds deleted at the start and missing in between do not make a second branch."""
    line = [
        beta(50 + 2 * n, at=n / 3, commit=f"{n:07x}")
        for n in range(60)
        if n % 9 != 4 and n not in {30, 31, 32}
    ]
    assert min(tell_apart(line).values()) >= SURE


def test_two_builds_in_one_place_are_of_two_lines() -> None:
    """Equal precedence and another commit: only one of them can be master's."""
    twins = [beta(7, at=5, commit="aaaaaaa"), beta(7, at=5.1, commit="bbbbbbb")]
    odds = tell_apart([BUMP, beta(2, at=0.3), beta(5, at=1), *twins], last_of_master=LAST_ALPHA)
    assert sorted(odds[each.version] > 0 for each in twins) == [False, True]
    assert all(abs(odds[each.version]) < SURE for each in twins)


def test_a_marker_settles_what_lineage_cannot() -> None:
    """The twin that release-1.29's own marker names is release-1.29's, and the other one is master's."""
    named = beta(7, at=5.1, commit="bbbbbbb", owner=Line.RELEASE)
    other = beta(7, at=5, commit="aaaaaaa")
    odds = tell_apart([BUMP, beta(2, at=0.3), beta(5, at=1), named, other], last_of_master=LAST_ALPHA)
    assert odds[named.version] <= -SURE
    assert odds[other.version] >= SURE


def test_what_a_stopped_postsubmit_left_out_is_not_masters() -> None:
    """Master stands where its marker stands: the betas up to the release branch's marker are that branch's.

    This is kops issue 16533, two months in.
    """
    master = Sighting(LAST_ALPHA.version, LAST_ALPHA.uploaded, frozenset({Line.MASTER}))
    line = [beta(distance, at=9 + distance) for distance in (3, 5, 9, 12, 14, 17, 21, 28, 31, 34, 39, 44)]
    marked = beta(47, at=56, owner=Line.RELEASE)
    odds = tell_apart([*line, marked], last_of_master=master, release_exists=True)
    assert max(odds.values()) <= -SURE


def test_a_build_after_master_left_is_the_release_branchs() -> None:
    """Master built nothing of the minor after its first build of the next one, but for late uploads."""
    last = beta(13, at=3)
    builds = [BUMP, beta(2, at=0.3), beta(6, at=0.9), beta(9, at=1.2), beta(11, at=1.9), last]
    stays = tell_apart(builds, last_of_master=LAST_ALPHA)
    assert stays[last.version] >= SURE
    left = tell_apart(builds, last_of_master=LAST_ALPHA, master_left=START + 2 * DAY, has_master_left=True)
    assert left[last.version] <= -SURE
    late = tell_apart(builds, last_of_master=LAST_ALPHA, master_left=START + 2.9 * DAY, has_master_left=True)
    assert late[last.version] > 0


def test_the_build_of_a_version_bump_may_be_the_release_branchs_first() -> None:
    """1.26 was cut for the very commit that became beta.1, before master's own; a lone bump is doubtful."""
    odds = tell_apart([BUMP], last_of_master=LAST_ALPHA)
    assert 0 < odds[BUMP.version] < SURE


def test_builds_between_the_tagged_commit_and_the_tag_are_of_another_line() -> None:
    """The tag is on the line of the bump; a build after the bump that does not count from it is not."""
    moved_on = beta(395, at=1, tag="alpha.3")
    tagged = beta(2, at=2)
    odds = tell_apart([BUMP, moved_on, tagged], last_of_master=LAST_ALPHA)
    assert min(abs(each) for each in odds.values()) < SURE


def test_a_line_that_goes_on_after_weeks_beside_one_that_went_on_is_doubtful() -> None:
    """A postsubmit that was silent for weeks and a branch that was cut meanwhile look alike."""
    seen = [BUMP, beta(2, at=0.3), beta(4, at=0.6)]
    close, far = beta(6, at=40), beta(8, at=40.1)
    twin = beta(6, at=40.2, commit="bbbbbbb")
    odds = tell_apart([*seen, close, twin, far], last_of_master=LAST_ALPHA)
    assert min(abs(odds[each.version]) for each in (close, twin, far)) < SURE


def test_git_settles_a_build_and_helps_its_neighbours() -> None:
    """Located builds are where git has them, and the lines are drawn through them."""
    known = beta(30, at=5, owner=Line.RELEASE, located=True)
    after = beta(32, at=5.2)
    odds = tell_apart([BUMP, beta(2, at=0.3), beta(60, at=4.9), known, after], last_of_master=LAST_ALPHA)
    assert odds[known.version] < -100
    assert odds[after.version] <= -SURE


def test_both_markers_naming_one_build_cancel_out() -> None:
    """Two branches claim it, and neither claim counts."""
    claimed = Sighting(version("beta.1", 5), START + DAY, frozenset(Line))
    builds = [BUMP, beta(2, at=0.3)]
    assert tell_apart([*builds, claimed], last_of_master=LAST_ALPHA)[claimed.version] == pytest.approx(
        tell_apart([*builds, beta(5, at=1)], last_of_master=LAST_ALPHA)[claimed.version], abs=2.1
    )


def test_upload_times_may_be_missing() -> None:
    """Without times there is still an order of names, and an answer for each."""
    builds = [beta(distance, at=None, commit=f"{distance:07x}") for distance in (2, 3, 5, 5 + 2, 60)]
    odds = tell_apart([*builds, beta(9, at=None, owner=Line.RELEASE)])
    assert set(odds) == {each.version for each in builds} | {version("beta.1", 9)}
    assert odds[version("beta.1", 9)] < 0


def test_a_marker_whose_time_is_not_known_still_counts_as_passed() -> None:
    """A build that is gone, but that master's marker names, is a member of its line."""
    gone = beta(20, at=None, owner=Line.MASTER)
    odds = tell_apart([gone, beta(22, at=3), beta(24, at=4)])
    assert odds[gone.version] >= SURE


def test_nothing_is_told_of_nothing() -> None:
    """An empty minor has no lines."""
    assert tell_apart([]) == {}


@st.composite
def _sightings(draw: st.DrawFn) -> list[Sighting]:
    tags = st.sampled_from(
        [("alpha.3", "beta.2"), ("beta.1", "beta.2"), ("beta.1", "beta.3"), ("beta.2", "beta.3")]
    )
    found = {}
    for number in range(draw(st.integers(1, 9))):
        tag, release = draw(tags)
        each = beta(
            draw(st.integers(0, 12)),
            at=draw(st.none() | st.integers(0, 40).map(lambda quarter: quarter / 4)),
            tag=tag,
            release=release,
            commit=f"{number:07x}",
            owner=draw(st.sampled_from([None, None, None, *Line])),
        )
        found[each.version] = each
    return list(found.values())


@given(_sightings(), st.randoms(use_true_random=False), st.booleans())
def test_law_the_order_of_the_input_does_not_matter(
    sightings: list[Sighting],
    chance: random.Random,
    follows: bool,  # noqa: FBT001 - drawn by Hypothesis
) -> None:
    """The same builds in another order get the same odds, to the last bit."""
    before = LAST_ALPHA if follows else None
    shuffled = sightings.copy()
    chance.shuffle(shuffled)
    assert tell_apart(shuffled, last_of_master=before) == tell_apart(sightings, last_of_master=before)


@given(_sightings(), st.booleans(), st.booleans())
def test_law_the_odds_are_those_of_an_exhaustive_search(
    sightings: list[Sighting],
    follows: bool,  # noqa: FBT001 - drawn by Hypothesis
    left: bool,  # noqa: FBT001 - drawn by Hypothesis
) -> None:
    """Dynamic programming finds what trying every split of the builds into two lines finds."""
    before = LAST_ALPHA if follows else None
    master_left = START + 3 * DAY if left else None
    odds = tell_apart(
        sightings, last_of_master=before, master_left=master_left, has_master_left=left, release_exists=left
    )
    costs = lineage._Costs.of(
        sightings, before=before, master_left=master_left, has_master_left=left, release_exists=left
    )
    cheapest: dict[tuple[int, bool], float] = {}
    for split in product((True, False), repeat=len(sightings)):
        cost = _cost(costs, split)
        for place in enumerate(split):
            cheapest[place] = min(cost, cheapest.get(place, cost))
    for index, each in enumerate(costs.builds):
        expected = cheapest[index, False] - cheapest[index, True]
        assert odds[each.version] == pytest.approx(expected, abs=1e-6)


def _cost(costs: lineage._Costs, split: tuple[bool, ...]) -> float:
    """Return what one split costs: for each build, in order of precedence, whether it is master's."""
    total = 0.0
    heads = {True: 0, False: 0}
    for index, is_master in enumerate(split):
        step = costs.step(index)
        stays = index == 0 or split[index - 1] is is_master
        if is_master:
            total += step.stay_master[heads[False] > 0] if stays else step.to_master[heads[True]]
        else:
            total += step.stay_release if stays else step.to_release[heads[False]]
        heads[is_master] = index + 1
    return total + costs.silence((costs.before, *costs.builds)[heads[True]])
