"""The bucket as it fills, in a world where things go wrong.

A world says what becomes of builds: late, never made, deleted, made again. Which build each marker names at a moment is
asked of the bucket, since that depends on whether markers work, stand still or are gone.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from collections import defaultdict, deque
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from attrs import define, field, frozen

from kopsversion.model.bucket import Artifact, Build
from kopsversion.model.channel import BRANCH_MARKER, GREEN_MARKER, MASTER, minor_key
from kopsversion.rules.attribution import is_shared

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from kopsversion.model.version import BuildVersion
    from tests.benchmarks.commits import Commit

HOUR = 3600
DAY = 24 * HOUR

_FILES = tuple(f"linux/amd64/{name}{suffix}" for name in ("kops", "nodeup") for suffix in ("", ".sha256"))
_SMOKE_TEST = 3 * HOUR
"""How long after a build's marker the smoke test, which is started by the hour, makes it green."""
_GREEN_BRANCHES = 3
"""The newest release branches that have a green marker, beside master."""


class Crossing(StrEnum):
    """A ``latest-ci.txt`` that names another branch's build."""

    NONE = "none"
    RELEASE = "the newest release branch's names master's"
    MASTER = "master's names the newest release branch's"
    BY_TURNS = "one or the other, or none, ten days each"

    def at(self, now: int) -> Crossing:
        """Tell which one there is at a moment."""
        if self is Crossing.BY_TURNS:
            return (Crossing.NONE, Crossing.RELEASE, Crossing.MASTER)[now // (10 * DAY) % 3]
        return self


@frozen(kw_only=True)
class World:
    """What goes wrong.

    Attributes:
        late: seconds after its commit at which a build is up, at least and at most.
        built: the share of merges that are built.
        incomplete: the share of builds that lack a file.
        kept: seconds after which a build is deleted; ``None`` for never.
        master_silent, release_silent: every second stretch of so many seconds has no builds of master, or of the
            release branches; ``None`` for no silence.
        again: the share of builds that are made again, 1 to 60 days later; all their files are new.
        marks_again: whether such a build writes its branch's marker again.
        crossing: the marker that names another branch's build.
    """

    late: tuple[int, int] = (1200, 1200)
    built: float = 1.0
    incomplete: float = 0.0
    kept: int | None = None
    master_silent: int | None = None
    release_silent: int | None = None
    again: float = 0.0
    marks_again: bool = False
    crossing: Crossing = Crossing.NONE

    def is_silent(self, branch: str, at: int) -> bool:
        """Tell whether a branch builds nothing at a moment."""
        if branch == MASTER:
            return self.master_silent is not None and at // self.master_silent % 2 == 1
        # Half a stretch later than master's, so that each is silent alone, and both together.
        stretch = self.release_silent
        return stretch is not None and (at + stretch // 2) // stretch % 2 == 1


class Markers(StrEnum):
    """How the branches' markers behave, ``latest-ci.txt`` and the green ones."""

    WORKING = "working"
    """Each build writes its branch's, last of all."""
    FROZEN = "frozen for 60 days"
    """Each is written once, every 60 days."""
    ABSENT = "absent"

    def moment(self, now: int) -> int:
        """Return the moment from which the markers are that are there now."""
        if self is Markers.WORKING:
            return now
        return now // (60 * DAY) * (60 * DAY) if self is Markers.FROZEN else 0


@frozen
class Arrival:
    """A build that comes into the bucket.

    Attributes:
        commit: what was built.
        at: seconds since the epoch at which it arrived.
        build: the build.
        testable: whether it has all its files.
        marks: whether it writes its branch's marker.
    """

    commit: Commit
    at: int
    build: Build
    testable: bool
    marks: bool = True

    @property
    def branch(self) -> str:
        """The branch that built it."""
        return self.commit.branch

    @property
    def version(self) -> BuildVersion:
        """Its name."""
        return self.commit.version


def arrivals(commits: Iterable[Commit], world: World, *, seed: int = 1) -> tuple[Arrival, ...]:
    """Upload a build of each commit, as the world has it; the same seed gives the same.

    Returns:
        The builds by the time of their arrival.
    """
    chance = random.Random(seed)
    found = []
    for commit in commits:
        at = commit.time + chance.randint(*world.late)
        testable = chance.random() >= world.incomplete
        is_built = chance.random() < world.built
        if not is_built or world.is_silent(commit.branch, at):
            continue
        found.append(_arrival(commit, at, testable=testable, marks=testable))
        if chance.random() < world.again:
            later = at + chance.randint(DAY, 60 * DAY)
            found.append(_arrival(commit, later, testable=testable, marks=testable and world.marks_again))
    return tuple(sorted(found, key=lambda each: (each.at, each.branch, each.commit.seq)))


def _arrival(commit: Commit, at: int, *, testable: bool, marks: bool) -> Arrival:
    uploaded = datetime.fromtimestamp(at, UTC)
    artifacts = tuple(Artifact(path, 65, uploaded) for path in (_FILES if testable else _FILES[1:]))
    return Arrival(commit, at, Build(commit.version, uploaded, artifacts), testable, marks)


@define
class Bucket:
    """What is in the bucket at one moment.

    Attributes:
        world: what goes wrong.
        now: that moment, seconds since the epoch.
        by_minor: the builds of each minor that has any, by name.
        by_branch: the builds of each branch, by place on it.
        changes: how often the builds of each minor changed.
    """

    world: World = World()
    now: int = 0
    by_minor: dict[str, dict[BuildVersion, Arrival]] = field(factory=dict)
    by_branch: dict[str, dict[int, Arrival]] = field(factory=lambda: defaultdict(dict))
    changes: dict[str, int] = field(factory=lambda: defaultdict(int))
    _written: dict[str, tuple[list[int], list[Arrival]]] = field(
        factory=lambda: defaultdict(lambda: ([], []))
    )
    _ages: deque[Arrival] = field(factory=deque)
    _firsts: dict[str, tuple[int, Arrival | None]] = field(factory=dict)

    def add(self, arrival: Arrival) -> None:
        """Upload a build, for the first time or again, and delete what is too old."""
        self.now = arrival.at
        self._put(arrival)
        if arrival.marks:
            times, builds = self._written[arrival.branch]
            times.append(arrival.at)
            builds.append(arrival)
        if self.world.kept is None:
            return
        self._ages.append(arrival)
        while self._ages[0].at < self.now - self.world.kept:
            self._remove(self._ages.popleft())

    def _put(self, arrival: Arrival) -> None:
        minor = arrival.version.minor
        self.by_minor.setdefault(minor, {})[arrival.version] = arrival
        self.by_branch[arrival.branch][arrival.commit.seq] = arrival
        self.changes[minor] += 1

    def _remove(self, arrival: Arrival) -> None:
        minor = arrival.version.minor
        if self.by_branch[arrival.branch].get(arrival.commit.seq) is not arrival:
            return  # it was uploaded again since
        del self.by_branch[arrival.branch][arrival.commit.seq]
        del self.by_minor[minor][arrival.version]
        self.changes[minor] += 1
        if not self.by_minor[minor]:
            del self.by_minor[minor]

    def first_shared(self, minor: str) -> Arrival | None:
        """Return the build of a minor that was uploaded first, of those that master may have made."""
        changes, first = self._firsts.get(minor, (-1, None))
        if changes != self.changes[minor]:
            shared = (each for each in self.by_minor.get(minor, {}).values() if is_shared(each.version))
            first = min(shared, key=lambda each: each.at, default=None)
            self._firsts[minor] = (self.changes[minor], first)
        return first

    # ------------------------------------------------------------------------------------ markers

    def markers(self, behave: Markers) -> dict[tuple[str, str], Arrival]:
        """Return what each marker names, by ref and name."""
        moment = behave.moment(self.now)
        found = {}
        crossing = self.world.crossing.at(moment)
        newest_first = self._release_branches(moment)
        for ref in (MASTER, *newest_first):
            source = ref
            if newest_first and {ref} == {crossing is Crossing.RELEASE and newest_first[0]}:
                source = MASTER
            if newest_first and ref == MASTER and crossing is Crossing.MASTER:
                source = newest_first[0]
            named = self._marked(source, moment)
            if named is not None:
                found[ref, BRANCH_MARKER] = named
            green = self._marked(ref, moment - _SMOKE_TEST)
            if green is not None and ref in (MASTER, *newest_first[:_GREEN_BRANCHES]):
                found[ref, GREEN_MARKER] = green
        return found

    def _release_branches(self, moment: int) -> list[str]:
        refs = [ref for ref, (times, _) in self._written.items() if ref != MASTER and times[0] <= moment]
        return sorted(refs, key=lambda ref: minor_key(ref.removeprefix("release-")), reverse=True)

    def _marked(self, ref: str, moment: int) -> Arrival | None:
        times, builds = self._written[ref]
        place = bisect_right(times, moment)
        return builds[place - 1] if place else None

    # -------------------------------------------------------------------------------------- truth

    def newest(self, branch: str) -> Arrival | None:
        """Return the testable build that is furthest along the branch."""
        held = (each for each in self.by_branch[branch].values() if each.testable)
        return max(held, key=lambda each: each.commit.seq, default=None)

    def is_within_lag(self, branch: str, version: BuildVersion, lag: int) -> bool:
        """Tell whether a build is of the branch, and every newer one was uploaded within the lag."""
        held = [each for each in self.by_branch[branch].values() if each.testable]
        place = next((each.commit.seq for each in held if each.version == version), None)
        if place is None:
            return False
        return all(each.at >= self.now - lag for each in held if each.commit.seq > place)


def replay(
    history: Sequence[Arrival], world: World, *, since: int, every: int = 1
) -> Iterator[tuple[Bucket, list[str]]]:
    """Fill a bucket build by build.

    Parameters:
        history: the builds by the time of their arrival.
        world: what goes wrong.
        since: seconds since the epoch before which no moment counts.
        every: only each so many-th moment counts.

    Yields:
        The bucket at each moment, and the live channels that have a testable build.
    """
    first: dict[str, int] = {}
    last: dict[str, int] = {}
    for each in history:
        first.setdefault(each.branch, each.at)
        last[each.branch] = each.at
    bucket = Bucket(world)
    moments = 0
    for arrival in history:
        bucket.add(arrival)
        moments += bucket.now >= since
        if bucket.now < since or (moments - 1) % every:
            continue
        live = [ref for ref in first if first[ref] <= bucket.now <= last[ref]]
        yield bucket, [ref for ref in live if bucket.newest(ref) is not None]
