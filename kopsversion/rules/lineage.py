"""Two branches, one directory: which build continues which line (DESIGN section 4, witness 3).

Around a branch cut master and the release branch build names of the same release part and tag. Each line only moves
forward in precedence, and, but for late uploads, in time. So every way to split the builds, in order of
precedence, into two such lines is a hypothesis. Each costs what is unlikely about it, in natural log odds: a jump in
distance, a line that starts late, a marker that was passed without being written. The cheapest split is found by
dynamic programming over pairs of line heads, one of which is always the build just before; and for each
build, how much dearer the cheapest split is that has it on the other line. That difference is how sure one can be.

A greedy assignment to the nearer line cannot take anything back; measured in `docs/explanation/channels.md`.

Pure arithmetic with versions and seconds: it knows nothing of stores, markers or channels.
"""

from __future__ import annotations

from enum import Enum
from functools import lru_cache
from math import inf, log
from types import MappingProxyType
from typing import TYPE_CHECKING

from attrs import field, frozen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kopsversion.model.version import BuildVersion, ReleaseKey


__all__ = ["Line", "Sighting", "tell_apart"]

_HOUR = 3600.0
_DAY = 24 * _HOUR
_ALPHA_STAGE = 0

# Distances. Of 3,376 merges since 2021 that follow one another, 97 % add one to five commits and none more than 16
# (history); builds that are missing or incomplete add up.
_COMMIT = 0.6  # each commit of a step after the second
_OUTAGE = 5.0  # a step of any length, for a branch that was not built for a while, plus the log of its length
_LONE_COMMIT = 2.0  # a merge adds two commits at least; only a version bump adds one
_IMPOSSIBLE = 60.0  # two builds of one line in one place

# Releases. A new version begins with a commit of one line, is tagged there, and the next build counts from the tag.
_NEW_RELEASE = 0.5
_UNSEEN_BUMP = 1.5  # a new tag, but no build of the commit that was tagged
_OTHERS_BUMP = 8.0  # the same, but there is one, on the other line: git would not see the tag from here
_LATE_TAG = 2.0  # a new tag, made when builds after the tagged commit were there already
_MASTER_TAGS_BETA = 2.5  # after the cut betas are tagged on the release branch, and the next alpha on master

# The release branch. It is cut once, so far always at the commit that became the first beta (1.22 to 1.29).
_CUT = 3.0
_NO_MARKERS = 1.0  # it has no marker yet, although its first build should have written one
_CUT_AT_HEAD = 1.5  # it was cut at master's newest commit, not at the tag
_CUT_AT_BUMP = 1.0  # instead of `_CUT`: a version bump may be the branch's first commit (1.22, 1.26)

# Time. An upload takes minutes to hours (history), and may be a sample of a build's files.
_LATE = 6 * _HOUR
_LATE_HOUR = 0.1
_BACKWARDS = 25.0
_SILENT_DAY = 1.0  # a line that should have been building, and was silent
_SILENT = 5.0  # at most: postsubmits do break (kops issue 16533)
_RESUMED = (
    7.0  # master built again after long silence: likelier it is still broken, and this is the other line
)
_USUAL_GAP = 3.0  # days: only 1 % of master's builds come after a longer one (history)
_OVERTAKEN = 1.0  # master leads: the release branch starts behind it
_CROSSING = 0.25  # and stays there

# Markers. A line's own marker names a build of it, and moves on with it.
_NAMED = 15.0
_MARKER_STOPPED = 2.0
_MARKER_LATE = 1.0  # instead: for a build so new that its marker may yet be written
_LOCATED = 1000.0  # git is certain


class Line(Enum):
    """One of the two branches."""

    MASTER = "master"
    RELEASE = "release"


@frozen
class Sighting:
    """A build, as far as lineage looks at it.

    Attributes:
        version: its name, which has a distance.
        uploaded: seconds since the epoch; ``None`` where not known.
        owners: the lines that claim it: by their own marker or, if `located`, by git.
        located: whether that is git's word.
    """

    version: BuildVersion
    uploaded: float | None = None
    owners: frozenset[Line] = frozenset()
    located: bool = False
    release: ReleaseKey = field(init=False)
    tag: ReleaseKey = field(init=False)
    distance: int = field(init=False)

    @release.default
    def _release(self) -> ReleaseKey:
        return self.version.precedence[0]

    @tag.default
    def _tag(self) -> ReleaseKey:
        return self.version.precedence[2]

    @distance.default
    def _distance(self) -> int:
        return self.version.precedence[3]

    @property
    def is_marked(self) -> bool:
        """Whether a marker names it."""
        return bool(self.owners) and not self.located

    def claim(self, line: Line) -> float:
        """Return the cost of having this build on `line`, against what claims it."""
        against = self.owners - {line}
        return (_LOCATED if self.located else _NAMED) if against else 0.0


def tell_apart(
    sightings: Sequence[Sighting],
    *,
    last_of_master: Sighting | None = None,
    release_exists: bool = False,
    master_left: float | None = None,
    has_master_left: bool = False,
) -> Mapping[BuildVersion, float]:
    """Split builds of one minor into master's line and the release branch's.

    Parameters:
        sightings: the builds, in any order, each with a distance.
        last_of_master: master's newest build before all of them, where there is one.
        release_exists: whether the release branch is known to exist.
        master_left: seconds since the epoch after which master built a later minor, where known.
        has_master_left: whether master builds a later minor by now.

    Returns:
        For each build the log odds that it is master's: above 0 it is, below it is the release branch's, and
        near 0 it could be either. Takes time and memory in the square of the number of builds.
    """
    costs = _Costs.of(
        sightings,
        before=last_of_master,
        release_exists=release_exists,
        master_left=master_left,
        has_master_left=has_master_left,
    )
    return _log_odds(costs)


@frozen
class _Step:
    """What it costs to put the next build on a line, by the heads of the lines.

    The head of the line that moved last is the build just before. The other head is given by its number, counted
    from 1, where 0 stands for a line that has not started.

    Attributes:
        stay_master: master moved last and moves again, the release branch has not started or has.
        stay_release: the release branch moved last and moves again.
        to_master: the release branch moved last, master moves; by master's head.
        to_release: master moved last, the release branch moves; by the release branch's head.
    """

    stay_master: tuple[float, float]
    stay_release: float
    to_master: Sequence[float]
    to_release: Sequence[float]


@frozen(kw_only=True)
class _Costs:
    """What is unlikely about one build following another.

    Attributes:
        builds: in order of precedence.
        before: master's newest build before them.
        release_exists, master_left, has_master_left: as in `tell_apart`.
        newest: when the newest of them was uploaded, seconds since the epoch.
        bumps: the least distance of each release part and tag: the commit that a later tag is of.
    """

    builds: tuple[Sighting, ...]
    before: Sighting | None
    release_exists: bool
    master_left: float | None
    has_master_left: bool
    newest: float | None
    bumps: Mapping[tuple[ReleaseKey, ReleaseKey], int] = field(eq=False)

    @classmethod
    def of(
        cls,
        sightings: Sequence[Sighting],
        *,
        before: Sighting | None,
        release_exists: bool,
        master_left: float | None,
        has_master_left: bool,
    ) -> _Costs:
        """Order the builds, and note what every step needs."""
        builds = sorted(sightings, key=lambda s: (s.version.precedence, _or_last(s.uploaded), s.version.text))
        return cls(
            builds=tuple(builds),
            before=before,
            release_exists=release_exists,
            master_left=master_left,
            has_master_left=has_master_left,
            newest=max((each.uploaded for each in builds if each.uploaded is not None), default=None),
            bumps={(each.release, each.tag): each.distance for each in reversed(builds)},
        )

    def step(self, index: int) -> _Step:
        """Return what it costs to put build number `index` on either line."""
        build = self.builds[index]
        previous = self.builds[index - 1] if index else None
        on_master = build.claim(Line.MASTER) + self._after_leaving(build)
        on_release = build.claim(Line.RELEASE)
        heads = (None, *self.builds[: max(index - 1, 0)])
        follow = [self._follow(head, build) if head else 0.0 for head in heads]
        stay = self._follow(previous, build) if previous else self._start_master(build)
        alone = stay + on_master + _resuming(previous or self.before, build)
        return _Step(
            stay_master=(alone, alone + _tagging(previous, build)),
            stay_release=stay + on_release if previous else self._start_release(build, None) + on_release,
            to_master=[
                (cost if head else self._start_master(build))
                + _passing(head or self.before, previous, build)
                + _resuming(head or self.before, build)
                + on_master
                for head, cost in zip(heads, follow, strict=True)
            ],
            to_release=[
                (cost if head else self._start_release(build, previous)) + on_release
                for head, cost in zip(heads, follow, strict=True)
            ],
        )

    def _follow(self, head: Sighting, build: Sighting) -> float:
        """Return what it costs that `build` comes next on the line that ends with `head`."""
        is_new = head.release != build.release
        commits = build.distance - head.distance if head.tag == build.tag else max(build.distance, 2)
        cost = 0.0 if is_new and commits == 1 else _distance(commits)
        if is_new and head.tag == build.tag:
            cost += _NEW_RELEASE
        elif is_new:
            cost += _OTHERS_BUMP if (build.release, head.tag) in self.bumps else _UNSEEN_BUMP
        elif (
            head.tag != build.tag and self.bumps.get((head.release, head.tag), head.distance) < head.distance
        ):
            cost += _LATE_TAG
        if head.is_marked:
            cost += self._marker_stopped(head, build)
        return cost + _backwards(head.uploaded, build.uploaded)

    def _start_master(self, build: Sighting) -> float:
        """Return the cost of master's first build here: its older ones are alphas, or deleted."""
        return self._follow(self.before, build) if self.before else min(_OUTAGE, _distance(build.distance))

    def _start_release(self, build: Sighting, head: Sighting | None) -> float:
        """Return the cost of a first build: the branch is cut at a tag or at master's head, and starts behind it."""
        head = head or self.before
        cut = _CUT + (0.0 if self.release_exists else _NO_MARKERS)
        at_tag = inf if build.tag[3] == _ALPHA_STAGE else _distance(max(build.distance, 2))
        if head is None:
            return cut + min(at_tag, _OUTAGE)
        if head.tag != build.tag:
            return cut + min(at_tag, _CUT_AT_HEAD + _distance(max(build.distance, 2)))
        gap = build.distance - head.distance
        overtaken = _silence(build.uploaded, head.uploaded) if head is not self.before else 0.0
        if head.release != build.release and build.tag[3] == _ALPHA_STAGE:
            at_bump = cut - _CUT + _CUT_AT_BUMP + (0.0 if gap <= 1 else _distance(gap))
            return at_bump + overtaken
        return cut + min(at_tag, _CUT_AT_HEAD + _distance(max(gap, 2))) + overtaken

    def _after_leaving(self, build: Sighting) -> float:
        """Master built nothing of this minor after it went on to the next, but for late uploads."""
        if self.master_left is None or build.uploaded is None or build.uploaded <= self.master_left:
            return 0.0
        return _OVERTAKEN + _backwards(build.uploaded, self.master_left)

    def _marker_stopped(self, head: Sighting, build: Sighting) -> float:
        """Return what it costs that a line moved on from the build that its marker still names."""
        if build.uploaded is None or head.uploaded is None or self.newest is None:
            return _MARKER_STOPPED
        if build.uploaded <= head.uploaded:
            return 0.0  # uploaded out of order: the marker is the word of the later one
        return _MARKER_LATE if self.newest - build.uploaded <= _LATE else _MARKER_STOPPED

    def silence(self, head: Sighting | None) -> float:
        """Return the cost of master having built nothing after `head` until the newest of the builds."""
        if head is None or head.uploaded is None or self.has_master_left:
            return 0.0
        return min(_SILENT, _SILENT_DAY * max(0.0, (self.newest or 0.0) - head.uploaded) / _DAY)


@lru_cache(maxsize=32)  # the channels of a minor, and the markers that are judged by it, ask the same
def _log_odds(costs: _Costs) -> Mapping[BuildVersion, float]:
    """Find, for each build, how much dearer the best split is that has it on the release branch's line.

    ``masters[i][j]`` is the cost of the cheapest split of the builds up to `i` where master's head is `i` and the
    release branch's is `j`; ``releases[i][j]`` has the lines exchanged. The same from the end gives what is still
    to come, and the sum of both is the cheapest split through that state.
    """
    steps = [costs.step(index) for index in range(len(costs.builds))]
    if not steps:
        return {}
    masters = [[steps[0].stay_master[0]]]
    releases = [[steps[0].stay_release]]
    for step in steps[1:]:
        master, release = masters[-1], releases[-1]
        alone, beside = step.stay_master
        masters.append(
            [master[0] + alone, *[cost + beside for cost in master[1:]], _cheapest(release, step.to_master)]
        )
        releases.append([*[cost + step.stay_release for cost in release], _cheapest(master, step.to_release)])

    odds: dict[BuildVersion, float] = {}
    heads = (costs.before, *costs.builds)
    after_master = [costs.silence(heads[-1])] * len(steps)
    after_release = [costs.silence(head) for head in heads[:-1]]
    for index in range(len(steps) - 1, -1, -1):
        on_master = _cheapest(masters[index], after_master)
        on_release = _cheapest(releases[index], after_release)
        odds[costs.builds[index].version] = on_release - on_master
        step = steps[index]
        alone, beside = step.stay_master
        switch_to_master, switch_to_release = after_master[index], after_release[index]
        after_master, after_release = (
            [
                min((beside if head else alone) + after_master[head], cost + switch_to_release)
                for head, cost in enumerate(step.to_release)
            ],
            [
                min(step.stay_release + after_release[head], cost + switch_to_master)
                for head, cost in enumerate(step.to_master)
            ],
        )
    return MappingProxyType(odds)


def _cheapest(costs: Sequence[float], more: Sequence[float]) -> float:
    return min(map(float.__add__, costs, more))


# --------------------------------------------------------------------------------------------------
# Costs of one build after another


def _distance(commits: int) -> float:
    """Return what it costs a line to move on by so many commits."""
    if commits <= 0:
        return _IMPOSSIBLE
    if commits == 1:
        return _LONE_COMMIT
    return min(_COMMIT * (commits - 2), _OUTAGE + log(commits))


def _backwards(earlier: float | None, later: float | None) -> float:
    """Return what it costs that what should be earlier was uploaded later."""
    if earlier is None or later is None or later >= earlier:
        return 0.0
    return _LATE_HOUR * (earlier - later) / _HOUR if earlier - later <= _LATE else _BACKWARDS


def _passing(head: Sighting | None, release: Sighting | None, build: Sighting) -> float:
    """Return what it costs that master moves past the release branch's head, which was ahead of it."""
    if release is None:
        return 0.0
    cost = _tagging(head, build)
    if head is None or head.tag != build.tag:
        return cost + (_silence(release.uploaded, build.uploaded) if release.tag == build.tag else 0.0)
    ahead = release.uploaded is not None and build.uploaded is not None and build.uploaded > release.uploaded
    return cost + (_CROSSING if ahead else 0.0)


def _resuming(head: Sighting | None, build: Sighting) -> float:
    """Return what it costs that master builds again after it was silent for longer than is usual."""
    if head is None or head.uploaded is None or build.uploaded is None:
        return 0.0
    return min(_RESUMED, max(0.0, (build.uploaded - head.uploaded) / _DAY - _USUAL_GAP))


def _tagging(head: Sighting | None, build: Sighting) -> float:
    """Return what it costs that master goes from one beta to the next beside a release branch."""
    is_beta = head is not None and head.release[3] != _ALPHA_STAGE
    return _MASTER_TAGS_BETA if is_beta and head is not None and head.release != build.release else 0.0


def _silence(since: float | None, until: float | None) -> float:
    """Return what it costs that a line which should have been ahead was silent in between."""
    if since is None or until is None or until <= since:
        return 0.0
    return min(_SILENT, _OVERTAKEN + _SILENT_DAY * (until - since) / _DAY)


def _or_last(moment: float | None) -> float:
    return inf if moment is None else moment
