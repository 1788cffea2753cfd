"""Asks at each moment of a filling bucket for every live channel, and counts.

A moment is the arrival of a build. A channel is live from its first build to its last. By `newest` the right answer is
the branch's newest testable build that is there, by its place on the branch; by `green` it is that one too, or an older
one of the branch while every newer one came within the last day. What is asked is the real decision,
`resolver.resolve`. As long as nothing that an answer depends on has changed, it is not computed again.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from attrs import define, evolve, field, frozen

from kopsversion.errors import NoTestableBuildError
from kopsversion.model.answer import Severity
from kopsversion.model.bucket import GitCommit, GitLine, Marker, Named, Snapshot
from kopsversion.model.channel import MASTER, Channel, minor_key
from kopsversion.model.policy import Policy, Strategy
from kopsversion.rules.resolver import resolve
from tests.benchmarks.worlds import DAY, HOUR, Markers, World, arrivals, replay

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from kopsversion.model.version import BuildVersion
    from tests.benchmarks.commits import Commit
    from tests.benchmarks.worlds import Arrival, Bucket

_STORE = "gs://k8s-staging-kops/kops/releases/"
_POLICY = Policy(settle=timedelta(0), platforms=("linux/amd64",))
"""A build counts that arrived just now."""

_LOUD = frozenset(
    {
        "channel-ambiguous",
        "order-disputed",
        "marker-doubtful",
        "marker-wrong-channel",
        "marker-set-back",
    }
)
"""Warnings that say that the answer may be wrong (DESIGN section 7)."""


@frozen
class Pick:
    """What a rule answers: a build, or none, and what it says about it.

    Attributes:
        version: the build.
        ambiguous: whether it says `channel-ambiguous`.
        loud: whether it says anything that makes a wrong answer not silent.
    """

    version: BuildVersion | None
    ambiguous: bool = False
    loud: bool = False


Rule = Callable[["Bucket", str], Pick]


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
        strategy: what is asked for.
        git: what a clone says of each channel; empty for no clone.
    """

    markers: Markers = Markers.WORKING
    strategy: Strategy = Strategy.NEWEST
    git: Mapping[str, GitLine] = field(factory=dict)
    _last: dict[str, tuple[object, Pick]] = field(factory=dict, init=False)

    def __call__(self, bucket: Bucket, ref: str) -> Pick:
        """Answer as `resolve` does."""
        channel = Channel(ref)
        newest_first = sorted(bucket.by_minor, key=minor_key, reverse=True)
        if channel.minor is not None:
            later = [each for each in newest_first if minor_key(each) > minor_key(channel.minor)]
            return self._ask(bucket, channel, [channel.minor], later=later)
        # The decision goes on to an older minor only where a newer one has no answer.
        asked = (self._ask(bucket, channel, newest_first[:count]) for count in (1, 2, len(newest_first)))
        return next((pick for pick in asked if pick.version is not None), Pick(None))

    def _ask(
        self, bucket: Bucket, channel: Channel, minors: Sequence[str], *, later: Sequence[str] = ()
    ) -> Pick:
        """Ask of a bucket that holds these minors, and of later ones the first build: no more of those matters."""
        refs = {MASTER, *(f"release-{each}" for each in minors)}
        named = {place: each for place, each in bucket.markers(self.markers).items() if place[0] in refs}
        firsts = [first for minor in later if (first := bucket.first_shared(minor)) is not None]
        # By green an answer depends on the time, too: to the hour is enough.
        clock = bucket.now // HOUR if self.strategy is Strategy.GREEN else 0
        state = (
            tuple((each, bucket.changes[each]) for each in minors),
            tuple(first.build for first in firsts),
            tuple((place, each.version) for place, each in named.items()),
            clock,
        )
        known = self._last.get(channel.ref)
        if known is not None and known[0] == state:
            return known[1]
        held = [each for minor in minors for each in bucket.by_minor.get(minor, {}).values()]
        snapshot = Snapshot.complete(
            _STORE,
            builds=[each.build for each in (*held, *firsts)],
            markers=[Marker(*place, Named(each.version)) for place, each in named.items()],
            git=self.git.get(channel.ref),
        )
        pick = ask(snapshot, channel, self.strategy, now=datetime.fromtimestamp(bucket.now, UTC))
        self._last[channel.ref] = (state, pick)
        return pick


def ask(snapshot: Snapshot, channel: Channel, strategy: Strategy, *, now: datetime) -> Pick:
    """Ask the real decision."""
    try:
        answer = resolve(snapshot, channel, evolve(_POLICY, strategy=strategy), now)
    except NoTestableBuildError:
        return Pick(None)
    warned = {str(each.code) for each in answer.conditions if each.severity is not Severity.INFO}
    loud = any(code in _LOUD or code.startswith("clone-") for code in warned)
    return Pick(answer.version, "channel-ambiguous" in warned, loud)


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
            greatest(tuple(bucket.by_minor.get(each, {}).values()), each)
            for each in ([minor] if minor else bucket.by_minor)
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
        silent: how often of those it named a build and said nothing that makes one look (DESIGN section 7).
        flagged: how often it said `channel-ambiguous`, right or wrong.
    """

    moments: int = 0
    wrong: int = 0
    silent: int = 0
    flagged: int = 0

    def count(self, pick: Pick, *, is_right: bool) -> Tally:
        """Count one more answer."""
        return Tally(
            moments=self.moments + 1,
            wrong=self.wrong + (not is_right),
            silent=self.silent + (not is_right and pick.version is not None and not pick.loud),
            flagged=self.flagged + pick.ambiguous,
        )

    def __add__(self, other: Tally) -> Tally:
        """Count two together."""
        return Tally(
            self.moments + other.moments,
            self.wrong + other.wrong,
            self.silent + other.silent,
            self.flagged + other.flagged,
        )


@frozen
class Score:
    """How a rule did for master, and for the release channels together."""

    master: Tally = Tally()
    release: Tally = Tally()

    @property
    def all(self) -> Tally:
        """For every channel."""
        return self.master + self.release

    def __add__(self, other: Score) -> Score:
        """Count two together."""
        return Score(self.master + other.master, self.release + other.release)


@frozen(kw_only=True)
class Moments:
    """Which moments count.

    Attributes:
        since, until: seconds since the epoch; the second is not among them.
        every: only each so many-th moment counts.
    """

    since: int
    until: int
    every: int = 1


@frozen
class Miss:
    """A wrong answer: when, of which channel, what was right, and what was picked."""

    at: int
    ref: str
    right: BuildVersion
    pick: Pick


def measure(
    commits: Sequence[Commit],
    world: World,
    rules: Sequence[Rule],
    moments: Moments,
    *,
    seed: int = 1,
    note: Callable[[int, Miss], None] | None = None,
) -> list[Score]:
    """Ask rules at each moment for every live channel.

    Parameters:
        commits: the history.
        world: what goes wrong.
        rules: what is asked; by green where it is a `Kopsversion` of that strategy, else by newest.
        moments: which moments count.
        seed: of what is left to chance.
        note: told of every wrong answer, with the number of its rule.

    Returns:
        How each rule did.
    """
    scores = [Score() for _ in rules]
    history = arrivals(commits, world, seed=seed)
    history = tuple(each for each in history if each.at < moments.until)
    for bucket, live in replay(history, world, since=moments.since, every=moments.every):
        for ref in live:
            right = bucket.newest(ref)
            if right is None:
                continue
            for place, rule in enumerate(rules):
                pick = rule(bucket, ref)
                is_right = pick.version == right.version or (
                    isinstance(rule, Kopsversion)
                    and rule.strategy is Strategy.GREEN
                    and pick.version is not None
                    and bucket.is_within_lag(ref, pick.version, DAY)
                )
                if note and not is_right:
                    note(place, Miss(bucket.now, ref, right.version, pick))
                tally = scores[place].master if ref == MASTER else scores[place].release
                tally = tally.count(pick, is_right=is_right)
                kind = "master" if ref == MASTER else "release"
                scores[place] = evolve(scores[place], **{kind: tally})
    return scores
