"""The newest builds of a channel, each with what attributes it and whether it is testable (``kopsversion list``).

Walks down as `workflows.rounds` does, but examines as many builds as are shown. It chooses nothing, and must not
know how its rows are shown.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from attrs import evolve, frozen

from kopsversion.errors import StoreError, StoreUnavailableError, UsageError
from kopsversion.model.channel import MASTER, Channel
from kopsversion.model.layout import DEFAULT_STORE
from kopsversion.model.needs import ListMarkers, ListMinors
from kopsversion.model.policy import Policy
from kopsversion.rules.conditions import clone_disagrees
from kopsversion.rules.inquiry import Candidate, Inquiry, Unknown
from kopsversion.stores.deadline import AT_ONCE, Deadline
from kopsversion.workflows.question import (
    DEFAULT_TIMEOUT,
    ask,
    opened,
    passed_over_condition,
    shares_of,
    stores_of,
    unreachable_error,
)
from kopsversion.workflows.rounds import in_words, learn, say_nothing, start

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from kopsversion.model.answer import Condition, Refusal
    from kopsversion.model.bucket import Snapshot
    from kopsversion.model.channel import Attribution
    from kopsversion.model.version import BuildVersion
    from kopsversion.stores.base import Store
    from kopsversion.workflows.question import Question


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


def list_channel(
    selector: str | None = None,
    *,
    store: str | Store | Sequence[str | Store] = DEFAULT_STORE,
    policy: Policy = Policy(),  # noqa: B008 # frozen
    now: datetime | None = None,
    as_of: datetime | None = None,
    repo: Path | None = None,
    nearby: Path | None = None,
    ref: str | None = None,
    timeout: float = DEFAULT_TIMEOUT,
    limit: int | None = 30,
    progress: Callable[[str], None] | None = None,
) -> ChannelListing:
    """List the newest builds of a channel, each with whether it is testable.

    Parameters:
        selector: a channel, or ``None`` for every channel that exists.
        limit: how many builds of each channel at most; ``None`` for all. Each costs a request.
        progress: is told what is asked next, in a few words.

    The other parameters and the errors are those of `resolve_latest`.
    """
    deadline = Deadline(timeout)
    question = ask(
        selector or MASTER, policy, now=now, as_of=as_of, repo=repo, nearby=nearby, ref=ref, deadline=deadline
    )
    if limit is not None and limit < 0:
        raise UsageError(f"limit is {limit}", hint="give a number of builds, or None for all of them")
    if question.selector.channel is None:
        raise UsageError(
            f"{selector} is a version, and a version has no list of builds",
            hint="ask for a channel such as master or release-1.30",
        )
    failures: list[StoreError] = []
    for place, share in shares_of(stores_of(store)):
        try:
            with deadline.stage(share):
                store_here = opened(place, deadline=deadline)
                return _list_in(
                    store_here,
                    question,
                    limit=limit,
                    every=selector is None,
                    failures=failures,
                    progress=progress or say_nothing,
                )
        except StoreError as error:
            failures.append(error)
    raise unreachable_error(failures)


def _list_in(
    store: Store,
    question: Question,
    *,
    limit: int | None,
    every: bool,
    failures: Sequence[StoreError],
    progress: Callable[[str], None],
) -> ChannelListing:
    snapshot = start(store, git=question.git, as_of=question.as_of)
    channels = [question.selector.channel or Channel(MASTER)]
    if every:
        channels, snapshot = list_channels(
            store,
            question.policy,
            snapshot=snapshot,
            now=question.now,
            deadline=question.deadline,
            progress=progress,
        )

    def listed(snapshot: Snapshot) -> tuple[tuple[ListedBuild, ...], Snapshot]:
        return list_builds(
            store,
            channels,
            question.policy,
            snapshot=snapshot,
            now=question.now,
            deadline=question.deadline,
            limit=limit,
            progress=progress,
        )

    rows, snapshot, disagreement = _despite_clone(listed, question, snapshot=snapshot, limit=limit)
    passed_over = [passed_over_condition(failure, used=store.url) for failure in failures]
    return ChannelListing(
        channel=None if every else str(channels[0]),
        rows=rows,
        conditions=(*passed_over, *question.git_conditions, *disagreement),
        skipped=snapshot.skipped,
        store=store.url,
        now=question.now,
    )


def _despite_clone(
    listed: Callable[[Snapshot], tuple[tuple[ListedBuild, ...], Snapshot]],
    question: Question,
    *,
    snapshot: Snapshot,
    limit: int | None,
) -> tuple[tuple[ListedBuild, ...], Snapshot, tuple[Condition, ...]]:
    """List by names where a clone gives every build to other branches, and say so, as `rules.resolver` does.

    All channels are then listed by names, so that no build is listed for two of them.

    Parameters:
        listed: lists the channels.
        question: what is asked; the clone was read for its channel.
        snapshot: what is known already.
        limit: how many builds of each channel at most; ``None`` for all.
    """
    rows, snapshot = listed(snapshot)
    channel = question.selector.channel or Channel(MASTER)
    own = [row for row in rows if row.attribution.ref == channel.ref]
    clone = Inquiry(snapshot, channel, question.policy, question.now).disowning_clone
    if clone is None or len(own) == limit or any(row.refusal is None for row in own):
        return rows, snapshot, ()
    by_names, without_clone = listed(evolve(snapshot, git=None))
    testable = (row for row in by_names if row.refusal is None and row.attribution.ref == channel.ref)
    newest = next(testable, None)
    if newest is None:
        return rows, snapshot, ()
    return by_names, without_clone, (clone_disagrees(clone, channel=channel, version=newest.version),)


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
            found, snapshot = _newest_of(
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


def _newest_of(
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
        needs = sorted(inquiry.needs, key=repr)[:AT_ONCE]
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
