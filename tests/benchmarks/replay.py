"""Replays a history as a bucket that fills, and asks at each moment for every live channel.

A moment is the arrival of a build. A channel is live from its first build to its last. The right answer is the
branch's newest testable build that is there, by its place on the branch; what is asked is the real decision,
`resolver.resolve`. As long as nothing that a channel's answer depends on has changed, the answer is not
computed again: the branch's minors, their markers, and the first build of the minor after them.
"""

from __future__ import annotations

import random
import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from enum import Enum, StrEnum
from heapq import nlargest
from typing import TYPE_CHECKING

from attrs import define, evolve, field, frozen

from kopsversion.errors import NoTestableBuildError
from kopsversion.model.bucket import Artifact, Build, GitCommit, GitLine, Marker, Named, Snapshot
from kopsversion.model.channel import BRANCH_MARKER, GREEN_MARKER, MASTER, Channel, minor_key
from kopsversion.model.policy import Policy, Strategy
from kopsversion.rules.attribution import is_shared
from kopsversion.rules.resolver import resolve

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from kopsversion.model.version import BuildVersion
    from tests.benchmarks.commits import Commit

HOUR = 3600
DAY = 24 * HOUR

_STORE = "gs://k8s-staging-kops/kops/releases/"
_FILES = tuple(f"linux/amd64/{name}{suffix}" for name in ("kops", "nodeup") for suffix in ("", ".sha256"))
_POLICY = Policy(
    strategy=Strategy.NEWEST, markers=(GREEN_MARKER,), settle=timedelta(0), platforms=("linux/amd64",)
)
"""The builds alone decide, also one that arrived just now; branches' markers are evidence for whose it is."""

_NEWEST = 25
"""More than are ever incomplete in a row at the top, or in one place."""


# --------------------------------------------------------------------------------------------------
# What goes wrong


@frozen(kw_only=True)
class Faults:
    """What goes wrong with builds.

    Attributes:
        late: seconds after its commit at which a build is up, at least and at most.
        incomplete: the share of builds that lack a file.
        kept: seconds after which a build is deleted; ``None`` for never.
        outages: on master, every second stretch of so many seconds has no builds; ``None`` for no outage.
    """

    late: tuple[int, int] = (1200, 1200)
    incomplete: float = 0.0
    kept: int | None = None
    outages: int | None = None


class Markers(StrEnum):
    """How the branches' markers behave; each is ``markers/<ref>/latest-ci.txt``."""

    WORKING = "working"
    """Each build writes its branch's, last of all."""
    BEHIND = "60 days behind"
    """Each says what it said 60 days before; one that did not exist then does not exist."""
    FROZEN = "frozen for 60 days"
    """Each is written once, every 60 days."""
    ABSENT = "absent"

    def moment(self, now: int) -> int:
        """Return the moment from which the markers are that are there now."""
        if self is Markers.WORKING:
            return now
        if self is Markers.BEHIND:
            return now - 60 * DAY
        return now // (60 * DAY) * (60 * DAY) if self is Markers.FROZEN else 0


class Kind(Enum):
    """Which branches build such names."""

    ALPHA = "master, by custom"
    CONTESTED = "master and the release branch"
    FIXED = "the release branch"


@frozen
class Arrival:
    """A build in the bucket.

    Attributes:
        commit: what was built.
        at: seconds since the epoch at which it arrived.
        build: the build.
        testable: whether it has all its files.
        kind: which branches may have built it.
    """

    commit: Commit
    at: int
    build: Build
    testable: bool
    kind: Kind = field(init=False)

    @kind.default
    def _kind(self) -> Kind:
        if not is_shared(self.version):
            return Kind.FIXED
        is_alpha = self.version.precedence[0][3] == 0 and self.version.distance is not None
        return Kind.ALPHA if is_alpha else Kind.CONTESTED

    @property
    def branch(self) -> str:
        """The branch that built it."""
        return self.commit.branch

    @property
    def version(self) -> BuildVersion:
        """Its name."""
        return self.commit.version


def arrivals(commits: Iterable[Commit], faults: Faults, *, seed: int = 1) -> tuple[Arrival, ...]:
    """Upload a build of each commit, with faults; the same seed gives the same.

    Returns:
        The builds by the time of their arrival.
    """
    chance = random.Random(seed)
    found = []
    for commit in commits:
        at = commit.time + chance.randint(*faults.late)
        testable = chance.random() >= faults.incomplete
        if faults.outages and commit.branch == MASTER and at // faults.outages % 2:
            continue
        files = _FILES if testable else _FILES[1:]
        uploaded = datetime.fromtimestamp(at, UTC)
        artifacts = tuple(Artifact(path, 65, uploaded) for path in files)
        found.append(Arrival(commit, at, Build(commit.version, uploaded, artifacts), testable))
    return tuple(sorted(found, key=lambda each: (each.at, each.branch, each.commit.seq)))


# --------------------------------------------------------------------------------------------------
# The bucket as it fills


@define
class Bucket:
    """What is in the bucket at one moment.

    Attributes:
        now: that moment, seconds since the epoch.
        by_minor: the builds of each minor that has any.
        by_branch: the builds of each branch.
        changes: how often the builds of each minor changed.
        written: for each branch, when its builds' markers were written, and which build each names.
    """

    now: int = 0
    by_minor: dict[str, list[Arrival]] = field(factory=dict)
    by_branch: dict[str, list[Arrival]] = field(factory=lambda: defaultdict(list))
    changes: dict[str, int] = field(factory=lambda: defaultdict(int))
    written: dict[str, tuple[list[int], list[Arrival]]] = field(factory=lambda: defaultdict(lambda: ([], [])))
    _newest: dict[str, Arrival | None] = field(factory=dict, init=False)

    def add(self, arrival: Arrival) -> None:
        """Upload a build."""
        minor = arrival.version.minor
        self.now = arrival.at
        self.by_minor.setdefault(minor, []).append(arrival)
        self.by_branch[arrival.branch].append(arrival)
        self.changes[minor] += 1
        newest = self._newest.get(arrival.branch)
        if arrival.testable and (newest is None or newest.commit.seq < arrival.commit.seq):
            self._newest[arrival.branch] = arrival
        if arrival.testable:
            times, builds = self.written[arrival.branch]
            times.append(arrival.at)
            builds.append(arrival)

    def remove(self, arrival: Arrival) -> None:
        """Delete a build, the oldest of its minor and branch."""
        minor = arrival.version.minor
        self.by_minor[minor].remove(arrival)
        if not self.by_minor[minor]:
            del self.by_minor[minor]
        self.by_branch[arrival.branch].remove(arrival)
        self.changes[minor] += 1
        if self._newest.get(arrival.branch) is arrival:
            left = (each for each in self.by_branch[arrival.branch] if each.testable)
            self._newest[arrival.branch] = max(left, key=lambda each: each.commit.seq, default=None)

    def marker(self, ref: str, markers: Markers) -> Arrival | None:
        """Return the build that a branch's marker names."""
        times, builds = self.written[ref]
        place = bisect_right(times, markers.moment(self.now))
        return builds[place - 1] if place else None

    def newest(self, branch: str) -> Arrival | None:
        """Return the right answer: the testable build that is furthest along the branch."""
        return self._newest.get(branch)


def replay(
    history: Sequence[Arrival], *, since: int, kept: int | None = None
) -> Iterator[tuple[Bucket, list[str]]]:
    """Fill a bucket build by build.

    Parameters:
        history: the builds by the time of their arrival.
        since: seconds since the epoch before which no moment counts.
        kept: seconds after which a build is deleted; ``None`` for never.

    Yields:
        The bucket at each moment, and the live channels that have a testable build.
    """
    first: dict[str, int] = {}
    last: dict[str, int] = {}
    for each in history:
        first.setdefault(each.branch, each.at)
        last[each.branch] = each.at
    bucket = Bucket()
    oldest = 0
    for arrival in history:
        bucket.add(arrival)
        while kept is not None and history[oldest].at < bucket.now - kept:
            bucket.remove(history[oldest])
            oldest += 1
        if bucket.now < since:
            continue
        live = [ref for ref in first if first[ref] <= bucket.now <= last[ref]]
        yield bucket, [ref for ref in live if bucket.newest(ref) is not None]


# --------------------------------------------------------------------------------------------------
# Rules


@frozen
class Pick:
    """What a rule answers: a build, or none, and whether it says that it is not sure."""

    version: BuildVersion | None
    flagged: bool = False


Rule = Callable[[Bucket, str], Pick]


def git_lines(commits: Iterable[Commit]) -> dict[str, GitLine]:
    """Return what a clone has to say of each channel."""
    lines: dict[str, list[GitCommit]] = defaultdict(list)
    for each in sorted(commits, key=lambda each: each.seq):
        lines[each.branch].append(GitCommit(each.id, datetime.fromtimestamp(each.time, UTC)))
    ids = {branch: frozenset(each.id for each in line) for branch, line in lines.items()}
    everywhere = frozenset().union(*ids.values())
    return {
        branch: GitLine(f"origin/{branch}", tuple(line), everywhere - ids[branch])
        for branch, line in lines.items()
    }


@define
class Kopsversion:
    """The real decision.

    Attributes:
        markers: how the branches' markers behave.
        git: what a clone says of each channel; empty for no clone.
    """

    markers: Markers = Markers.WORKING
    git: Mapping[str, GitLine] = field(factory=dict)
    _last: dict[str, tuple[object, Pick]] = field(factory=dict, init=False)
    _builds: dict[str, tuple[int, list[Build]]] = field(factory=dict, init=False)

    def __call__(self, bucket: Bucket, ref: str) -> Pick:
        """Answer as `resolve` does."""
        channel = Channel(ref)
        if channel.minor is not None:
            return self._ask(bucket, channel, [channel.minor])
        newest_first = sorted(bucket.by_minor, key=minor_key, reverse=True)
        # The decision goes on to an older minor only where a newer one has no answer.
        asked = (self._ask(bucket, channel, newest_first[:count]) for count in (1, 2, len(newest_first)))
        return next((pick for pick in asked if pick.version is not None), Pick(None))

    def _ask(self, bucket: Bucket, channel: Channel, minors: Sequence[str]) -> Pick:
        after = _first_after(bucket, minors[0])
        named = {
            ref: bucket.marker(ref, self.markers) for ref in (MASTER, *(f"release-{each}" for each in minors))
        }
        state = (
            tuple((each, bucket.changes[each]) for each in minors),
            after,
            tuple(each and each.version for each in named.values()),
        )
        known = self._last.get(channel.ref)
        if known is not None and known[0] == state:
            return known[1]
        builds = [build for minor in minors for build in self._relevant(bucket, minor)]
        snapshot = Snapshot.complete(
            _STORE,
            builds=[*builds, *([after.build] if after else [])],
            markers=[Marker(ref, BRANCH_MARKER, Named(each.version)) for ref, each in named.items() if each],
            git=self.git.get(channel.ref),
        )
        pick = _decide(snapshot, channel, now=bucket.now)
        self._last[channel.ref] = (state, pick)
        return pick

    def _relevant(self, bucket: Bucket, minor: str) -> list[Build]:
        changes, builds = self._builds.get(minor, (-1, []))
        if changes != bucket.changes[minor]:
            builds = [each.build for each in _relevant(bucket.by_minor.get(minor, ()))]
            self._builds[minor] = (bucket.changes[minor], builds)
        return builds


def _relevant(builds: Sequence[Arrival]) -> list[Arrival]:
    """Leave out what cannot change the answer: of names that only one branch builds, all but the newest."""
    relevant = [each for each in builds if each.kind is Kind.CONTESTED]
    for kind in (Kind.ALPHA, Kind.FIXED):
        latest = [each for each in builds if each.kind is kind][-4 * _NEWEST :]
        relevant += nlargest(_NEWEST, latest, key=lambda each: each.version)
    return relevant


def _first_after(bucket: Bucket, minor: str) -> Arrival | None:
    """Return the first shared build of a later minor: all that a release branch's answer needs of those."""
    later = (builds for other, builds in bucket.by_minor.items() if minor_key(other) > minor_key(minor))
    firsts = (next((each for each in builds if is_shared(each.version)), None) for builds in later)
    return min((each for each in firsts if each), key=lambda each: each.at, default=None)


def _decide(snapshot: Snapshot, channel: Channel, *, now: int) -> Pick:
    try:
        answer = resolve(snapshot, channel, _POLICY, datetime.fromtimestamp(now, UTC))
    except NoTestableBuildError:
        return Pick(None)
    return Pick(answer.version, any(each.code == "channel-ambiguous" for each in answer.conditions))


def _version_sort_key(text: str) -> tuple[tuple[tuple[int, ...], int], ...]:
    """Order as GNU ``sort -V`` does: digits by number, letters before anything else, ``~`` first of all."""
    parts = re.findall(r"(\D*)(\d*)", text)

    def weight(character: str) -> int:
        if character == "~":
            return -1
        return ord(character) if character.isalpha() else ord(character) + 256

    return tuple(((*map(weight, words), 0), int(number or 0)) for words, number in parts)


NAIVE: Mapping[str, Callable[[Arrival], tuple[object, ...]]] = {
    "plain string": lambda each: (str(each.version),),
    "`sort -V`": lambda each: (_version_sort_key(str(each.version)),),
    # Semantic Versioning ignores what comes after the plus: what is equal then is left in the listing's order.
    "highest semver": lambda each: (each.version.precedence[:2], str(each.version)),
    "newest upload": lambda each: (each.at, str(each.version)),
    "semver then distance": lambda each: (each.version.precedence[:2], each.version.distance or 0),
}
"""The rules that are in use elsewhere: the greatest build by this key."""


def naive(key: Callable[[Arrival], tuple[object, ...]]) -> Rule:
    """Make a rule that looks at names: all of them for master, those of its minor for a release branch.

    Only for a bucket from which nothing is deleted: the greatest so far is remembered.
    """
    best: dict[str, tuple[int, Arrival, tuple[object, ...]]] = {}

    def greatest(builds: Sequence[Arrival], name: str) -> Arrival | None:
        seen, arrival, value = best.get(name, (0, None, ()))
        for each in builds[seen:]:
            candidate = key(each)
            if each.testable and (arrival is None or candidate > value):
                arrival, value = each, candidate
        if arrival is not None:
            best[name] = (len(builds), arrival, value)
        return arrival

    def rule(bucket: Bucket, ref: str) -> Pick:
        minor = Channel(ref).minor
        of_minors = [
            greatest(bucket.by_minor.get(each, ()), each) for each in ([minor] if minor else bucket.by_minor)
        ]
        picks = [each for each in of_minors if each is not None]
        return Pick(max(picks, key=key).version if picks else None)

    return rule


# --------------------------------------------------------------------------------------------------
# Counting


@frozen
class Tally:
    """How a rule did.

    Attributes:
        moments: how often it was asked.
        wrong: how often it answered another build than the right one, or none.
        silent: how often of those it named a build and did not say that it is not sure.
        flagged: how often it said so, right or wrong.
    """

    moments: int = 0
    wrong: int = 0
    silent: int = 0
    flagged: int = 0

    def count(self, pick: Pick, right: BuildVersion) -> Tally:
        """Count one more answer."""
        wrong = pick.version != right
        return evolve(
            self,
            moments=self.moments + 1,
            wrong=self.wrong + wrong,
            silent=self.silent + (wrong and pick.version is not None and not pick.flagged),
            flagged=self.flagged + pick.flagged,
        )


@frozen
class Score:
    """How a rule did for master, and for the release channels together."""

    master: Tally = Tally()
    release: Tally = Tally()


def measure(history: Sequence[Arrival], rule: Rule, *, since: int, kept: int | None = None) -> Score:
    """Ask a rule at each moment for every live channel."""
    tallies = {True: Tally(), False: Tally()}
    for bucket, live in replay(history, since=since, kept=kept):
        for ref in live:
            right = bucket.newest(ref)
            if right is not None:
                tallies[ref == MASTER] = tallies[ref == MASTER].count(rule(bucket, ref), right.version)
    return Score(tallies[True], tallies[False])
