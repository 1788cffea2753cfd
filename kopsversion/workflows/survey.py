"""All channels of a store at once, in few requests, for the periodic job that watches (DESIGN section 10; issue 6).

The judgement is `rules.health`'s, and what it needs is fetched by `workflows.rounds` as for any answer.
What this module adds is a store that remembers what was listed in bulk, so that hundreds of needs are met by
a few requests. Bulk is never trusted to be complete: what it does not hold is asked for by itself.

30 channels in a bucket of 8,000 builds take 54 requests (tests/workflows/test_survey.py). This module must not know
how a channel is judged.
"""

from __future__ import annotations

import os.path
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote

from attrs import evolve, frozen

from kopsversion.errors import ResolutionError, StoreError, StoreUnavailableError, UsageError
from kopsversion.model import layout
from kopsversion.model.bucket import Missing
from kopsversion.model.channel import MASTER, Channel, minor_key
from kopsversion.model.layout import DEFAULT_STORE, Selector
from kopsversion.model.needs import (
    ListArtifacts,
    ListBuilds,
    ListMarkers,
    ListMinors,
    ListUploads,
    ReadMarker,
)
from kopsversion.model.policy import Policy
from kopsversion.model.wording import duration
from kopsversion.rules.health import HealthReport, LeftOut, judge_channel, with_remarks, worth_examining
from kopsversion.rules.resolver import Undecided
from kopsversion.stores.base import Listing, Store
from kopsversion.stores.deadline import AT_ONCE, Deadline, side_by_side
from kopsversion.stores.wrapped import WrappedStore
from kopsversion.workflows.question import (
    DEFAULT_TIMEOUT,
    in_utc,
    opened,
    passed_over_condition,
    read_clone,
    shares_of,
    stores_of,
    unreachable_error,
)
from kopsversion.workflows.rounds import in_words, learn, say_nothing, start

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from kopsversion.model.answer import Condition
    from kopsversion.model.bucket import GitLine, Snapshot
    from kopsversion.model.needs import Need
    from kopsversion.model.version import BuildVersion
    from kopsversion.rules.health import ChannelHealth
    from kopsversion.stores.base import StoredObject

__all__ = ["IGNORE_OLDER", "check_health"]

T = TypeVar("T")

IGNORE_OLDER = timedelta(days=365)
"""A branch that built nothing for this long is over; nobody waits for its next build (issue 6, item 1)."""

_MANY_CHANNELS = 8
"""Above this, listing the whole bucket takes fewer requests than two for each minor."""

_EXAMINED = 100
"""How many builds are looked into in all, beyond those that verdicts need: five pages of a listing."""

_LONGEST_PATTERN = 6000
"""Bytes of a pattern in a URL; servers take 8 kB for the whole of it."""

_MAJOR = "1."
_NONE_LEFT_OUT: tuple[LeftOut, ...] = ()


def check_health(
    selectors: Sequence[str] = (),
    *,
    store: str | Store | Sequence[str | Store] = DEFAULT_STORE,
    policy_of: Callable[[Channel], Policy] = lambda _channel: Policy(),
    ignore_older: timedelta = IGNORE_OLDER,
    now: datetime | None = None,
    as_of: datetime | None = None,
    repo: Path | None = None,
    nearby: Path | None = None,
    ref: str | None = None,
    timeout: float = DEFAULT_TIMEOUT,
    progress: Callable[[str], None] = say_nothing,
) -> HealthReport:
    """Judge the health of channels: their builds and all their markers.

    Parameters:
        selectors: the channels; empty for every one that has markers and is not too old.
        policy_of: gives the limits of a channel; `Policy.reported` names markers that do not matter there.
        ignore_older: how long ago a channel's youngest marker may have been written; not asked of channels
            that are named.
        progress: is told what happens next, in a few words.

    The other parameters are those of `kopsversion.workflows.latest.resolve_latest`; `ref` goes with one selector only.

    Raises:
        UsageError: an argument cannot be meant.
        ResolutionError: there is no channel to judge.
        StoreError: no store could be asked which channels there are.
    """
    named = tuple(dict.fromkeys(map(Channel.parse, selectors)))
    if ref is not None and len(named) != 1:
        raise UsageError(
            f"--ref {ref} is one branch, and {len(named) or 'all'} channels are checked",
            hint="name the channel that it belongs to",
        )
    deadline = Deadline(timeout)
    failures: list[StoreError] = []
    unread: list[HealthReport] = []
    for place, share in shares_of(stores_of(store)):
        try:
            with deadline.stage(share):
                here = opened(place, deadline=deadline)
                survey = _Survey(
                    store=_BulkStore(here),
                    policy_of=policy_of,
                    now=in_utc("as_of", as_of) or in_utc("now", now) or datetime.now(UTC),
                    as_of=in_utc("as_of", as_of),
                    clone=partial(read_clone, repo=repo, nearby=nearby, ref=ref, deadline=deadline),
                    deadline=deadline,
                    progress=progress,
                )
                report = survey.run(named, ignore_older=ignore_older)
        except StoreError as error:
            failures.append(error)
            continue
        if not report.nothing_read:
            passed_over = tuple(passed_over_condition(failure, used=here.url) for failure in failures)
            return evolve(report, conditions=(*passed_over, *report.conditions))
        unread.append(report)
        failures.append(StoreUnavailableError(f"no channel of {here.url} could be read", url=here.url))
    if unread:
        return unread[-1]
    raise unreachable_error(failures)


@frozen(kw_only=True)
class _Survey:
    """One run over one store.

    Attributes:
        store: where to look.
        policy_of: gives the limits of a channel.
        now: the moment of the judgement, UTC.
        as_of: what was uploaded or written after it is left out, UTC.
        clone: reads a channel's branch from a clone of kops, where there is one.
        deadline: nothing waits longer.
        progress: is told what happens next.
    """

    store: _BulkStore
    policy_of: Callable[[Channel], Policy]
    now: datetime
    as_of: datetime | None
    clone: Callable[[Selector], tuple[GitLine | None, tuple[Condition, ...]]]
    deadline: Deadline
    progress: Callable[[str], None]

    def run(self, named: tuple[Channel, ...], *, ignore_older: timedelta) -> HealthReport:
        """Choose the channels, fetch what their judgement needs, and judge them."""
        self.progress("listing the markers")
        written = self._written(must=not named)
        channels, left_out = named, _NONE_LEFT_OUT
        if not named:
            channels, left_out = _by_age(written, now=self.now, ignore_older=ignore_older)
        if not channels:
            raise _no_channel(self.store.url, left_out=left_out, ignore_older=ignore_older)
        lines = self._read_clone(channels)
        if len(channels) > _MANY_CHANNELS:
            self.progress("listing the builds of the whole store")
            self.store.list_all_builds()
        judged, snapshot = self._judge(channels, written=written, lines=lines)
        existing = tuple(health for health in judged if named or self._existed(health))
        if not existing:
            raise _no_channel(self.store.url, left_out=left_out, ignore_older=ignore_older)
        return HealthReport(
            store=self.store.url,
            now=self.now,
            channels=existing,
            left_out=left_out,
            skipped=snapshot.skipped,
            requests=self.store.requests,
        )

    def _written(self, *, must: bool) -> Mapping[tuple[str, str], datetime]:
        """Return when each marker was written last, by ref and name.

        Parameters:
            must: whether there is nothing to do without it.
        """
        try:
            listing = self.store.list(layout.MARKERS)
        except StoreError:
            if must:
                raise
            return {}
        paths = ((layout.read_marker_path(stored.name), stored.uploaded) for stored in listing.objects)
        return {path: uploaded for path, uploaded in paths if path is not None}

    def _read_clone(
        self, channels: Sequence[Channel]
    ) -> Mapping[Channel, tuple[GitLine | None, tuple[Condition, ...]]]:
        calls = [partial(self.clone, Selector(channel=channel)) for channel in channels]
        lines: dict[Channel, tuple[GitLine | None, tuple[Condition, ...]]] = {}
        for some in _batched(list(zip(channels, calls, strict=True))):
            outcomes = side_by_side([call for _, call in some], deadline=self.deadline)
            for (channel, _), outcome in zip(some, outcomes, strict=True):
                lines[channel] = (None, ()) if isinstance(outcome, StoreError) else outcome
        return lines

    def _judge(
        self,
        channels: Sequence[Channel],
        *,
        written: Mapping[tuple[str, str], datetime],
        lines: Mapping[Channel, tuple[GitLine | None, tuple[Condition, ...]]],
    ) -> tuple[list[ChannelHealth], Snapshot]:
        """Fetch and judge until nothing is missing, for all channels at once."""
        refs = {channel.ref for channel in channels}
        needs: set[Need] = {ListMarkers()}
        needs |= {ReadMarker(marker_ref, name) for marker_ref, name in written if marker_ref in refs}
        needs |= {ListMinors()} if MASTER in refs else set()
        depth = None if self.store.is_local else max(2, _EXAMINED // len(channels))
        snapshot = start(self.store, as_of=self.as_of)
        judged: dict[Channel, ChannelHealth] = {}
        while needs:
            self.progress(in_words(needs))
            # Of the policy only the platforms count here, and those are the same for all channels.
            snapshot = self._learn(snapshot, needs, policy=self.policy_of(channels[0]))
            needs = set()
            for channel in channels:
                if channel not in judged:
                    git, remarks = lines[channel]
                    outcome = self._judge_one(evolve(snapshot, git=git), channel, depth=depth)
                    if isinstance(outcome, Undecided):
                        needs |= outcome.needs
                    else:
                        judged[channel] = with_remarks(outcome, remarks)
            # The timeline wants upload times of every build, also where no verdict does.
            needs |= {ListUploads(need.minor) for need in needs if isinstance(need, ListBuilds)}
        return [judged[channel] for channel in channels], snapshot

    def _judge_one(
        self, snapshot: Snapshot, channel: Channel, *, depth: int | None
    ) -> ChannelHealth | Undecided:
        """Judge a channel, and look into some more of its builds than that needs."""
        policy = self.policy_of(channel)
        outcome = judge_channel(snapshot, channel, policy, self.now)
        more = worth_examining(snapshot, channel, policy, self.now, limit=depth)
        if isinstance(outcome, Undecided):
            return Undecided(outcome.needs | more)
        return Undecided(frozenset(more)) if more else outcome

    def _learn(self, snapshot: Snapshot, needs: Iterable[Need], *, policy: Policy) -> Snapshot:
        ordered = sorted(needs, key=repr)
        self.store.list_builds([need.version for need in ordered if isinstance(need, ListArtifacts)])
        held = [need for need in ordered if self.store.answers(need)]
        others = [need for need in ordered if not self.store.answers(need)]
        for some in (held, *_batched(others)):
            snapshot = learn(snapshot, some, store=self.store, policy=policy, deadline=self.deadline)
        return snapshot

    def _existed(self, health: ChannelHealth) -> bool:
        """Tell whether a channel that exists now did so at the moment asked for."""
        readings = [marker.report.marker.reading for marker in health.markers]
        absent = health.newest is None and all(isinstance(reading, Missing) for reading in readings)
        return self.as_of is None or health.unreadable is not None or not absent


def _batched(items: Sequence[T]) -> Iterator[Sequence[T]]:
    return (items[begin : begin + AT_ONCE] for begin in range(0, len(items), AT_ONCE))


def _by_age(
    written: Mapping[tuple[str, str], datetime], *, now: datetime, ignore_older: timedelta
) -> tuple[tuple[Channel, ...], tuple[LeftOut, ...]]:
    """Tell the channels that are young enough from the others, by the youngest marker of each."""
    youngest: dict[Channel, datetime] = {}
    for (ref, _name), moment in written.items():
        channel = _channel(ref)
        if channel is not None:
            # With as_of, a marker that was overwritten since may have been written at any time before.
            at_most = min(moment, now)
            youngest[channel] = max(youngest.get(channel, at_most), at_most)
    ordered = sorted(youngest, key=_newest_first)
    young = tuple(channel for channel in ordered if now - youngest[channel] <= ignore_older)
    old = tuple(LeftOut(str(each), youngest[each]) for each in ordered if each not in young)
    return young, old


def _channel(ref: str) -> Channel | None:
    """Return the branch that a directory below ``markers/`` belongs to; tags have such directories too."""
    try:
        channel = Channel.parse(ref)
    except UsageError:
        return None
    return channel if channel.ref == ref else None


def _newest_first(channel: Channel) -> tuple[bool, int, int]:
    major, minor = minor_key(channel.minor or "0.0")
    return not channel.is_master, -major, -minor


def _no_channel(url: str, *, left_out: Sequence[LeftOut], ignore_older: timedelta) -> ResolutionError:
    limit = duration(ignore_older)
    if left_out:
        hint = f"{left_out[0].channel} has had no new marker for {limit}: name it, or raise --ignore-older"
    else:
        hint = "there are no markers of a branch at all: see whether --store is right"
    return ResolutionError(f"there is no channel to check in {url}", channel="every channel", hint=hint)


# --------------------------------------------------------------------------------------------------
# Bulk


class _BulkStore(WrappedStore):
    """A store that answers from what was listed in bulk, and passes on every other question.

    Parameters:
        inner: the store itself.
    """

    def __init__(self, inner: Store) -> None:
        super().__init__(inner)
        self._markers: Listing | None = None
        self._names: Listing | None = None
        self._uploads: Listing | None = None
        self._builds: dict[str, Listing] = {}
        self._patterns_help = True

    def list(self, prefix: str = "", *, delimiter: str = "", match_glob: str = "") -> Listing:
        match prefix, delimiter, match_glob:
            case layout.MARKERS, "", "":
                if self._markers is None:
                    self._markers = self.inner.list(prefix)
                return self._markers
            case _, "", "" if prefix in self._builds:
                return self._builds[prefix]
            case _, "/", "" if self._names is not None and _is_below_major(prefix):
                return _part(self._names, prefix)
            case _, "", _ if self._uploads is not None and match_glob == _samples(prefix):
                return _part(self._uploads, prefix)
            case _:
                return self.inner.list(prefix, delimiter=delimiter, match_glob=match_glob)

    def answers(self, need: Need) -> bool:
        """Tell whether a need costs no request any more."""
        match need:
            case ListMarkers():
                return self._markers is not None
            case ListBuilds(minor):
                return self._names is not None and _is_below_major(minor)
            case ListUploads(minor):
                return self._uploads is not None and _is_below_major(minor)
            case ListArtifacts(version):
                return layout.build_directory(version) in self._builds
            case _:
                return False

    def list_all_builds(self) -> None:
        """Learn the name and upload time of every build, in two listings; where that fails, learn nothing."""
        try:
            before = self.requests
            names = self.inner.list(_MAJOR, delimiter="/")
            between = self.requests
            uploads = self.inner.list(_MAJOR, match_glob=_samples(_MAJOR))
            after = self.requests
        except StoreError:
            return
        self._names, self._uploads = names, uploads
        # A build has one name and one sample, so a server that obeys needs about as many pages for either.
        self._patterns_help = after - between <= 2 * (between - before)

    def list_builds(self, versions: Sequence[BuildVersion]) -> None:
        """Learn the files of several builds in a listing of what is common to them, where that helps."""
        if self.is_local:
            return
        wanted = sorted(
            directory for v in versions if (directory := layout.build_directory(v)) not in self._builds
        )
        for group in self._groups(wanted):
            for some in _chunks(group):
                if self._patterns_help and len(some) > 1:
                    self._list_some(some)

    def _groups(self, directories: Sequence[str]) -> Iterable[Sequence[str]]:
        """Split by minor, unless the whole bucket is listed anyway: a server looks at all between."""
        if self._names is not None:
            return [directories]
        minors: dict[tuple[str, ...], list[str]] = {}
        for directory in directories:
            minors.setdefault(tuple(directory.split(".")[:2]), []).append(directory)
        return minors.values()

    def _list_some(self, directories: Sequence[str]) -> None:
        pattern = f"{{{','.join(each.removesuffix('/') for each in directories)}}}/**"
        before = self.requests
        try:
            alike = os.path.commonprefix(directories)  # noqa: RUF071 # by characters is what is meant
            listing = self.inner.list(alike, match_glob=pattern)
        except StoreError:
            self._patterns_help = False
            return
        # A server that ignores patterns sends everything: then one request for each build is less.
        self._patterns_help = self.requests - before <= len(directories)
        found: dict[str, list[StoredObject]] = {}
        for stored in listing.objects:
            found.setdefault(f"{stored.name.partition('/')[0]}/", []).append(stored)
        for directory in directories:
            # One that does not come back is looked up by itself: it may be the pattern's fault.
            if directory in found:
                self._builds[directory] = Listing(objects=tuple(found[directory]), prefixes=())


def _is_below_major(prefix: str) -> bool:
    return prefix.startswith(_MAJOR) and "/" not in prefix


def _samples(prefix: str) -> str:
    """Return the pattern that `kopsversion.workflows.rounds` learns the upload times below a prefix with."""
    return f"{prefix}*/{layout.UPLOAD_SAMPLE}"


def _part(listing: Listing, prefix: str) -> Listing:
    """Return what of a listing begins with a prefix."""
    return Listing(
        objects=tuple(each for each in listing.objects if each.name.startswith(prefix)),
        prefixes=tuple(each for each in listing.prefixes if each.startswith(prefix)),
    )


def _chunks(directories: Sequence[str]) -> Iterator[Sequence[str]]:
    """Split so that each part fits into a URL."""
    chunk: list[str] = []
    length = 0
    for directory in directories:
        size = len(quote(f"{directory},", safe=""))
        if chunk and length + size > _LONGEST_PATTERN:
            yield chunk
            chunk, length = [], 0
        chunk.append(directory)
        length += size
    if chunk:
        yield chunk
