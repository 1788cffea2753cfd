"""The health of all channels of a store at once, in few requests (``kopsversion check``; DESIGN section 10).

`rules.health` judges, and `workflows.rounds` fetches what it needs as for any answer. This module adds a store that
remembers what was listed in bulk (`workflows.bulk`).

30 channels in a bucket of 8,000 builds take 54 requests (tests/workflows/test_survey.py). This module must not know
how a channel is judged.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from attrs import evolve

from kopsversion.errors import (
    AccessDeniedError,
    ResolutionError,
    StoreError,
    StoreUnavailableError,
    UsageError,
)
from kopsversion.model import layout
from kopsversion.model.bucket import Later, Missing
from kopsversion.model.channel import MASTER, Certainty, Channel
from kopsversion.model.layout import DEFAULT_STORE, Selector, read_selector
from kopsversion.model.needs import (
    ListBuilds,
    ListMarkers,
    ListMinors,
    ListUploads,
    ReadMarker,
    Undecided,
)
from kopsversion.model.policy import Policy
from kopsversion.model.values import frozen
from kopsversion.rules.doubt import builds_in_doubt
from kopsversion.rules.failing import AGAIN
from kopsversion.rules.health import judge_channel, with_remarks, worth_examining
from kopsversion.rules.inquiry import Inquiry
from kopsversion.rules.report import HealthReport
from kopsversion.rules.watched import Watched, choose_channels
from kopsversion.stores.deadline import AT_ONCE, Deadline, side_by_side
from kopsversion.workflows.arguments import checked, function_of, selector_text, span_of, wrong_argument
from kopsversion.workflows.bulk import BulkStore
from kopsversion.workflows.clones import Clone, CloneSource
from kopsversion.workflows.fetching import list_root_markers
from kopsversion.workflows.jobs import JobsQuestion, explain_health
from kopsversion.workflows.question import DEFAULT_TIMEOUT, in_utc, renamed, shadowed
from kopsversion.workflows.rounds import ROUND, ask_until_known, learn, say_nothing, start
from kopsversion.workflows.stores import walk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from kopsversion.model.bucket import Snapshot
    from kopsversion.model.needs import Failure, Need
    from kopsversion.rules.report import ChannelHealth
    from kopsversion.stores.base import Store
    from kopsversion.witness.address import Repo
    from kopsversion.workflows.stores import StoreLike

__all__ = ["IGNORE_OLDER", "check_health"]

IGNORE_OLDER = timedelta(days=90)
"""A release branch that has had its final release and built nothing for this long is over."""

_MANY_CHANNELS = 8
"""Above this, listing the whole bucket takes fewer requests than two for each minor."""

_EXAMINED = 100
"""How many builds are examined in all, beyond those that verdicts need: five pages of a listing."""


def check_health(
    selectors: Sequence[str | Channel] = (),
    *,
    store: StoreLike | Sequence[StoreLike] = DEFAULT_STORE,
    policy_of: Callable[[Channel], Policy] = lambda _channel: Policy(),
    ignore_older: timedelta = IGNORE_OLDER,
    now: datetime | None = None,
    as_of: datetime | None = None,
    repo: Repo | None = None,
    nearby: Path | None = None,
    ref: str | None = None,
    timeout: float | timedelta = DEFAULT_TIMEOUT,
    jobs: JobsQuestion | None = None,
    progress: Callable[[str], None] = say_nothing,
) -> HealthReport:
    """Judge the health of channels: their builds and all their markers.

    >>> check_health(["master"], store=store, now=NOW).headline
    'All is well: the only channel is healthy.'

    Parameters:
        selectors: the channels; empty for master and every release branch with markers or recent builds.
        policy_of: gives the limits of a channel; `Policy.reported` names markers that do not matter there.
        ignore_older: how long ago the last build of a release branch that has had its final release may be; not
            asked of channels that are named.
        jobs: whether and where to look at the jobs that write the markers; ``None`` for not at all.
        progress: is told what happens next, in a few words.

    The other parameters are those of `kopsversion.workflows.latest.resolve_latest`; `ref` goes with one selector only.

    Raises:
        UsageError: an argument is not valid.
        ResolutionError: there is no channel to judge.
        StoreError: no store could be asked which channels there are.
        GitWitnessError: `repo` is not a clone of kops, or has no branch `ref`.
    """
    if isinstance(selectors, str | bytes) or not isinstance(selectors, Sequence):
        raise wrong_argument("selectors", selectors, wanted="a list of channels")
    function_of("policy_of", policy_of)
    function_of("progress", progress)
    if jobs is not None:
        checked("jobs", jobs, JobsQuestion, wanted="a JobsQuestion")
    patience = span_of("ignore_older", ignore_older)
    asked = [_read_channel(selector) for selector in selectors]
    named = tuple(
        dict.fromkeys(selector.target for selector in asked if isinstance(selector.target, Channel))
    )
    if ref is not None and len(named) != 1:
        raise UsageError(
            f"--ref {ref} is one branch, and {len(named) or 'all'} channels are checked",
            hint="name the channel that it belongs to",
        )
    deadline = Deadline(timeout)
    moment = in_utc("as_of", as_of) or in_utc("now", now) or datetime.now(UTC)
    source = CloneSource.of(repo=repo, nearby=nearby, ref=ref, deadline=deadline)
    unread: list[HealthReport] = []

    def visit(here: Store) -> HealthReport:
        survey = _Survey(
            store=BulkStore(here),
            policy_of=lambda channel: checked(
                f"policy_of({channel})", policy_of(channel), Policy, wanted="a Policy"
            ),
            now=moment,
            as_of=in_utc("as_of", as_of),
            clones=source,
            deadline=deadline,
            progress=progress,
        )
        report = survey.run(named, ignore_older=patience)
        if report.nothing_read:
            unread.append(report)
            raise StoreUnavailableError(f"no channel of {here.url} could be read", url=here.url)
        return evolve(report, conditions=(*shadowed(here, *asked), *report.conditions))

    try:
        walked = walk(store, visit, deadline=deadline)
    except StoreError:
        if unread:
            return unread[-1]
        raise
    conditions = (*renamed(*asked), *walked.conditions, *walked.answer.conditions)
    report = evolve(walked.answer, conditions=conditions)
    if jobs is None:
        return report
    return explain_health(report, jobs, as_of=in_utc("as_of", as_of), deadline=deadline, progress=progress)


def _read_channel(given: str | Channel) -> Selector:
    """Read the name of a channel; ``main`` is read as master, as everywhere."""
    text = selector_text("selectors", given)
    return read_selector(text) if text == layout.MAIN else Selector(Channel.parse(text))


@frozen(kw_only=True)
class _Survey:
    """The check of one store.

    Attributes:
        store: where to look.
        policy_of: gives the limits of a channel.
        now: the moment of the judgement, UTC.
        as_of: what was uploaded or written after it is left out, UTC.
        clones: where git can be asked which builds are a channel's.
        deadline: nothing waits longer.
        progress: is told what happens next.
    """

    store: BulkStore
    policy_of: Callable[[Channel], Policy]
    now: datetime
    as_of: datetime | None
    clones: CloneSource
    deadline: Deadline
    progress: Callable[[str], None]

    def run(self, named: tuple[Channel, ...], *, ignore_older: timedelta) -> HealthReport:
        """Choose the channels, fetch what their judgement needs, and judge them."""
        self.progress("listing the markers")
        first: set[Need] = {ListMarkers()} if named else {ListMarkers(), ListMinors()}
        known = self._learn(start(self.store, as_of=self.as_of), first)
        written = self._written(known)
        watched = Watched(channels=named)
        if not named:
            known = self._list_builds(known)
            watched = choose_channels(known, written, now=self.now, patience=ignore_older)
        channels = watched.channels
        if not channels:
            raise _no_channel(self.store.url)
        clones = self._open_clones(channels)
        if named and len(channels) > _MANY_CHANNELS:
            self._list_all_builds()
        judged, snapshot = self._judge(channels, known, written=written, clones=clones)
        existing = tuple(
            health
            for channel, health in zip(channels, judged, strict=True)
            if named
            or (self._existed(health) and (channel not in watched.tentative or _has_own_build(health)))
        )
        if not existing:
            raise _no_channel(self.store.url)
        return HealthReport(
            store=self.store.url,
            now=self.now,
            channels=existing,
            left_out=watched.left_out,
            skipped=snapshot.skipped,
            requests=self.store.requests,
        )

    def _learn(self, snapshot: Snapshot, needs: Iterable[Need]) -> Snapshot:
        # Of the policy only the platforms count here, and those are the same for all channels.
        policy = self.policy_of(Channel(MASTER))
        return learn(
            snapshot, needs, store=self.store, policy=policy, deadline=self.deadline, progress=self.progress
        )

    def _written(self, known: Snapshot) -> Mapping[tuple[str, str], datetime]:
        """Return when each marker was written last, by ref and name; nothing where they cannot be listed."""
        if known.marker_names is None:
            return {}
        # They were listed before, and are remembered.
        listings = [self.store.list(layout.MARKERS), list_root_markers(self.store)]
        held = (stored for listing in listings for stored in listing.objects)
        paths = ((layout.read_marker_path(stored.name), stored.uploaded) for stored in held)
        return {path: uploaded for path, uploaded in paths if path is not None}

    def _list_builds(self, known: Snapshot) -> Snapshot:
        """List the builds of every minor, with their upload times, to find branches without markers.

        Raises:
            StoreUnavailableError: neither markers nor minors can be listed.
        """
        markers, minors = known.failures.get(ListMarkers()), known.failures.get(ListMinors())
        if markers is not None and minors is not None:
            raise _unlistable(self.store.url, markers)
        found = known.minors or ()
        if len(found) > _MANY_CHANNELS:
            self._list_all_builds()
        needs = {need for minor in found for need in (ListBuilds(minor), ListUploads(minor))}
        return self._learn(known, needs)

    def _list_all_builds(self) -> None:
        self.progress("listing the builds of the whole store")
        with self.deadline.stage(ROUND):
            self.store.list_all_builds()

    def _open_clones(self, channels: Sequence[Channel]) -> Mapping[Channel, Clone]:
        """Read each channel's branch from a clone of kops, where that is a directory."""
        calls = [partial(self.clones.open, channel) for channel in channels]
        clones: dict[Channel, Clone] = {}
        for begin in range(0, len(channels), AT_ONCE):
            some = channels[begin : begin + AT_ONCE]
            refs = [channel.ref for channel in some]
            outcomes = side_by_side(calls[begin : begin + AT_ONCE], deadline=self.deadline, urls=refs)
            for channel, outcome in zip(some, outcomes, strict=True):
                clones[channel] = Clone(self.clones, channel) if isinstance(outcome, StoreError) else outcome
        return clones

    def _judge(
        self,
        channels: Sequence[Channel],
        known: Snapshot,
        *,
        written: Mapping[tuple[str, str], datetime],
        clones: Mapping[Channel, Clone],
    ) -> tuple[list[ChannelHealth], Snapshot]:
        """Fetch and judge until nothing is missing, for all channels at once."""
        refs = {channel.ref for channel in channels}
        needs: set[Need] = {
            ReadMarker(marker_ref, name) for marker_ref, name in written if marker_ref in refs
        }
        needs |= {ListMinors()} if MASTER in refs and not _was_asked(ListMinors(), known) else set()
        first = self._learn(known, needs)
        depth = None if self.store.is_local else max(2, _EXAMINED // len(channels))
        judged: dict[Channel, ChannelHealth] = {}

        def judge_all(snapshot: Snapshot) -> list[ChannelHealth] | Undecided:
            needs: set[Need] = set()
            for channel in channels:
                if channel not in judged:
                    outcome = self._judge_one(snapshot, channel, depth=depth, clone=clones[channel])
                    if isinstance(outcome, Undecided):
                        needs |= outcome.needs
                    else:
                        judged[channel] = with_remarks(outcome, clones[channel].conditions)
            # The timeline needs upload times of every build, also where no verdict does.
            needs |= {ListUploads(need.minor) for need in needs if isinstance(need, ListBuilds)}
            return Undecided(frozenset(needs)) if needs else [judged[channel] for channel in channels]

        return ask_until_known(
            judge_all,
            first,
            store=self.store,
            # Of the policy only the platforms count here, and those are the same for all channels.
            policy=self.policy_of(channels[0]),
            deadline=self.deadline,
            progress=self.progress,
            prepare=self.store.prepare,
        )

    def _judge_one(
        self, snapshot: Snapshot, channel: Channel, *, depth: int | None, clone: Clone
    ) -> ChannelHealth | Undecided:
        """Judge a channel, and examine some more of its builds than that needs."""
        policy = self.policy_of(channel)
        known = evolve(snapshot, git=clone.line)
        outcome = judge_channel(known, channel, policy, self.now)
        if not isinstance(outcome, Undecided):
            doubts = builds_in_doubt(finding.condition for finding in outcome.findings)
            better = clone.settle(Inquiry(known, channel, policy, self.now), doubts)
            if better is not None:
                return self._judge_one(better, channel, depth=depth, clone=clone)
        more = worth_examining(known, channel, policy, self.now, limit=depth)
        if isinstance(outcome, Undecided):
            return Undecided(outcome.needs | more)
        return Undecided(frozenset(more)) if more else outcome

    def _existed(self, health: ChannelHealth) -> bool:
        """Tell whether a channel that exists now did so at the moment asked for."""
        readings = [marker.report.marker.reading for marker in health.markers]
        absent = health.newest is None and all(isinstance(each, Missing | Later) for each in readings)
        return self.as_of is None or health.unreadable is not None or not absent


def _was_asked(need: ListMinors, known: Snapshot) -> bool:
    return known.minors is not None or need in known.failures


def _has_own_build(health: ChannelHealth) -> bool:
    """Tell whether the newest build is more likely the channel's than master's."""
    newest = health.newest
    return newest is not None and newest.attribution.certainty > Certainty.DOUBTFUL


def _unlistable(url: str, failure: Failure) -> StoreError:
    kind = AccessDeniedError if failure.denied else StoreUnavailableError
    return kind(
        f"which channels there are could not be learnt: {failure.reason}",
        url=url,
        hint=f"{failure.hint or 'see whether the store can be reached and listed'}, "
        f"{'or name a channel' if failure.denied else AGAIN}",
    )


def _no_channel(url: str) -> ResolutionError:
    return ResolutionError(
        f"there is no channel to check in {url}",
        channel="every channel",
        hint="there are neither builds nor markers: see whether --store is right",
    )
