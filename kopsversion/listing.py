"""The newest builds of a channel, each with what attributes it and whether it is testable (``kopsversion list``).

Walks down as `kopsversion.snapshot` does, but examines as many builds as are shown. It chooses nothing.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from attrs import frozen

from kopsversion.errors import StoreUnavailableError
from kopsversion.inquiry import Candidate, Inquiry, Unknown
from kopsversion.model import MASTER, Channel, ListMarkers, ListMinors
from kopsversion.snapshot import in_words, learn, say_nothing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from kopsversion.model import Attribution, Condition, Policy, Refusal, Snapshot
    from kopsversion.stores.base import Store
    from kopsversion.stores.deadline import Deadline
    from kopsversion.version import BuildVersion

_AT_ONCE = 8
"""How many builds are examined side by side: as many as the connection pool serves."""


@frozen
class ListedBuild:
    """One row of a listing.

    Attributes:
        version: the build.
        uploaded: when its newest file was written, UTC, where known.
        attribution: its channel, and what says so.
        refusal: why it is not testable; ``None`` if it is.
    """

    version: BuildVersion
    uploaded: datetime | None
    attribution: Attribution
    refusal: Refusal | None

    @property
    def refusals(self) -> tuple[str, ...]:
        """Every reason why it is not testable."""
        return self.refusal.reasons if self.refusal else ()


@frozen
class ChannelListing:
    """The newest builds of a channel, or of all channels one after the other.

    Attributes:
        channel: the channel; ``None`` for all.
        rows: newest first.
        conditions: what the reader should know.
        skipped: names in the listings that are no build, as kind and count.
        store: the store's URL.
        now: the moment of the listing, UTC.
    """

    channel: str | None
    rows: tuple[ListedBuild, ...]
    conditions: tuple[Condition, ...]
    skipped: Mapping[str, int]
    store: str
    now: datetime


def list_builds(
    store: Store,
    channels: Iterable[Channel],
    policy: Policy,
    *,
    snapshot: Snapshot,
    now: datetime,
    deadline: Deadline,
    limit: int | None,
    progress: Callable[[str], None] = say_nothing,
) -> tuple[tuple[ListedBuild, ...], Snapshot]:
    """List the newest builds of channels, one channel after the other.

    Parameters:
        store: where to look.
        channels: the channels.
        policy: what counts as testable.
        snapshot: what is known already.
        now: the moment of the listing, UTC.
        deadline: nothing waits longer.
        limit: how many builds of each channel at most; ``None`` for all.
        progress: is told what is asked next, in a few words.

    Returns:
        The builds, newest first, and the snapshot that supports them.

    Raises:
        StoreUnavailableError: the store would not tell all of them.
    """
    while True:
        before = snapshot
        rows: list[ListedBuild] = []
        for channel in channels:
            found, snapshot = _list_channel(
                store,
                channel,
                policy,
                snapshot=snapshot,
                now=now,
                deadline=deadline,
                limit=limit,
                progress=progress,
            )
            rows.extend(found)
        if snapshot is before:
            # All rows are from this one snapshot: what is learnt for one channel may give a build of the
            # shared window to another (DESIGN section 4), and none may be listed twice, or not at all.
            return tuple(rows), snapshot


def _list_channel(
    store: Store,
    channel: Channel,
    policy: Policy,
    *,
    snapshot: Snapshot,
    now: datetime,
    deadline: Deadline,
    limit: int | None,
    progress: Callable[[str], None],
) -> tuple[tuple[ListedBuild, ...], Snapshot]:
    """List the newest builds of one channel; the snapshot is the same object where nothing had to be asked."""
    while True:
        inquiry = Inquiry(snapshot, channel, policy, now)
        rows = _rows(inquiry, limit=limit)
        if inquiry.listing_failure is not None:
            raise StoreUnavailableError(
                f"the builds of {channel} in {store.url} could not all be listed",
                url=store.url,
                reasons=(inquiry.listing_failure,),
                hint="see whether the store can be reached",
            )
        if not inquiry.needs:
            return rows, snapshot
        # All of them, so that the number falls from round to round.
        progress(f"{channel}: {in_words(inquiry.needs)}")
        needs = sorted(inquiry.needs, key=repr)[:_AT_ONCE]
        snapshot = learn(snapshot, needs, store=store, policy=policy, deadline=deadline)


def list_channels(
    store: Store,
    policy: Policy,
    *,
    snapshot: Snapshot,
    now: datetime,
    deadline: Deadline,
    progress: Callable[[str], None] = say_nothing,
) -> tuple[list[Channel], Snapshot]:
    """List the channels that exist: master first, then the newest release branch.

    Parameters and errors are those of `list_builds`.
    """
    inquiry = Inquiry(snapshot, Channel(MASTER), policy, now)
    if not inquiry.knows_all_channels():
        progress(in_words(inquiry.needs))
        snapshot = learn(snapshot, inquiry.needs, store=store, policy=policy, deadline=deadline)
    failure = snapshot.failures.get(ListMarkers()) or snapshot.failures.get(ListMinors())
    if failure is not None:
        raise StoreUnavailableError(
            f"the channels in {store.url} could not be listed",
            url=store.url,
            reasons=(failure.reason,),
            hint="name a channel, or see whether the store can be reached",
        )
    known = Inquiry(snapshot, Channel(MASTER), policy, now)
    return [Channel(ref) for ref in known.existing_channels()], snapshot


def _rows(inquiry: Inquiry, *, limit: int | None) -> tuple[ListedBuild, ...]:
    """Describe the builds that are known, and note what is needed for the others."""
    rows = []
    for candidate in islice(inquiry.candidates(), limit):
        refusal = None if isinstance(candidate, Unknown) else inquiry.refusal(candidate.build)
        if isinstance(candidate, Candidate) and not isinstance(refusal, Unknown):
            build = candidate.build
            rows.append(ListedBuild(build.version, build.uploaded, candidate.attribution, refusal))
    return tuple(rows)
