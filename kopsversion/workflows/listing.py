"""The newest builds of a channel, each with what attributes it and whether it is testable (``kopsversion list``).

It examines as many builds as are shown, and chooses none. This module must not know how its rows are shown.
"""

from __future__ import annotations

from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from attrs import evolve

from kopsversion.errors import NoTestableBuildError, UsageError
from kopsversion.model.channel import MASTER, Channel
from kopsversion.model.layout import DEFAULT_STORE
from kopsversion.model.needs import ListMarkers, ListMinors, Undecided
from kopsversion.model.policy import Policy
from kopsversion.model.values import frozen
from kopsversion.rules.agreement import disagreement
from kopsversion.rules.asking import Unknown
from kopsversion.rules.attribution import is_disowned
from kopsversion.rules.conditions import about_gaps, about_order, clone_disagrees
from kopsversion.rules.failing import AGAIN, store_failed
from kopsversion.rules.inquiry import Candidate, Inquiry
from kopsversion.rules.resolver import no_testable_build
from kopsversion.stores.deadline import Deadline
from kopsversion.workflows.arguments import count_of, function_of
from kopsversion.workflows.question import DEFAULT_TIMEOUT, ask, shadowed
from kopsversion.workflows.rounds import ask_until_known, say_nothing, start
from kopsversion.workflows.stores import stores_of, walk

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime, timedelta
    from pathlib import Path

    from kopsversion.errors import StoreError
    from kopsversion.model.answer import Condition, Refusal
    from kopsversion.model.bucket import GitLine, Snapshot
    from kopsversion.model.channel import Attribution
    from kopsversion.model.needs import Need
    from kopsversion.model.version import BuildVersion
    from kopsversion.stores.base import Store
    from kopsversion.witness.address import Repo
    from kopsversion.workflows.question import Question
    from kopsversion.workflows.stores import StoreLike


@frozen
class ListedBuild:
    """One row of a listing.

    >>> row = list_channel("master", store=store, now=NOW).rows[0]
    >>> row.version.distance, row.uploaded == NOW - timedelta(hours=1), row.refusal
    (3, True, None)

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

    >>> listing = list_channel("master", store=store, now=NOW)
    >>> listing.channel, len(listing.rows), listing.now == NOW
    ('master', 3, True)

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
    selector: str | Channel | None = None,
    *,
    store: StoreLike | Sequence[StoreLike] = DEFAULT_STORE,
    policy: Policy = Policy(),  # noqa: B008 # frozen
    now: datetime | None = None,
    as_of: datetime | None = None,
    repo: Repo | None = None,
    nearby: Path | None = None,
    ref: str | None = None,
    timeout: float | timedelta = DEFAULT_TIMEOUT,
    limit: int | None = 30,
    progress: Callable[[str], None] | None = None,
) -> ChannelListing:
    """List the newest builds of a channel, each with whether it is testable.

    >>> [row.version.distance for row in list_channel("master", store=store, now=NOW, limit=2).rows]
    [3, 2]

    Parameters:
        selector: a channel, or ``None`` for every channel that exists.
        limit: how many builds of each channel at most; 0 or ``None`` for all. Each costs a request.
        progress: is told what is asked next, in a few words.

    The other parameters and the errors are those of `resolve_latest`.
    """
    deadline = Deadline(timeout)
    question = ask(
        MASTER if selector is None else selector,
        policy,
        now=now,
        as_of=as_of,
        repo=repo,
        nearby=nearby,
        ref=ref,
        deadline=deadline,
    )
    most = count_of("limit", limit)
    channel = question.selector.channel
    if channel is None:
        raise UsageError(
            f"{selector} is a version, and a version has no list of builds",
            hint="ask for a channel such as master or release-1.30",
        )
    told = say_nothing if progress is None else function_of("progress", progress)
    listing = _Listing(
        question=question,
        channel=channel,
        limit=most,
        every=selector is None,
        progress=told,
    )
    places = stores_of(store)
    walked = walk(places, partial(listing.of, places=places), deadline=deadline)
    return evolve(walked.answer, conditions=(*walked.conditions, *walked.answer.conditions))


@frozen
class ListedBuilds:
    """What one snapshot shows of the channels that are listed.

    Attributes:
        rows: their builds, newest first, one channel after the other.
        gaps: conditions: what could not be learnt, what is in doubt, and markers that disagree.
    """

    rows: tuple[ListedBuild, ...]
    gaps: tuple[Condition, ...]


@frozen(kw_only=True)
class _Listing:
    """A question for a listing, asked of one store after the other.

    Attributes:
        question: what is asked; the clone was read for its channel.
        channel: the channel that is asked about; where it is every channel, the one that the clone was read for.
        limit: how many builds of each channel at most; ``None`` for all.
        every: whether every channel that exists is listed.
        progress: is told what is asked next, in a few words.
    """

    question: Question
    channel: Channel
    limit: int | None
    every: bool
    progress: Callable[[str], None]

    def of(self, store: Store, *, places: str | Store | Sequence[str | Store]) -> ChannelListing:
        """List what one store holds.

        A clone that gives every build to other branches is not believed, as in `rules.resolver`. Then all channels
        are listed by names, so that no build is listed for two of them.

        Raises:
            UsageError: a marker's URL leads to none of the stores.
            NoTestableBuildError: there is no such channel.
            StoreUnavailableError: the builds could not all be listed.
        """
        self.question.check_place(store, places)
        start_from = start(store, git=self.question.git, as_of=self.question.as_of)
        found, snapshot = self._ask(store, start_from)
        disagreement: tuple[Condition, ...] = ()
        clone = self._disowning_clone(found, snapshot)
        if clone is not None:
            by_names, without_clone = self._ask(store, evolve(snapshot, git=None))
            newest = next((row for row in self._own(by_names) if row.refusal is None), None)
            if newest is not None and (self.every or not is_disowned(newest.version, clone)):
                found, snapshot = by_names, without_clone
                disagreement = (clone_disagrees(clone, channel=self.channel, version=newest.version),)
        if not found.rows:
            raise _nothing_to_list(self, snapshot)
        told = shadowed(store, self.question.selector)
        return ChannelListing(
            channel=None if self.every else str(self.channel),
            rows=found.rows,
            conditions=(*told, *self.question.conditions, *disagreement, *found.gaps),
            skipped=snapshot.skipped,
            store=store.url,
            now=self.question.now,
        )

    def _ask(self, store: Store, snapshot: Snapshot) -> tuple[ListedBuilds, Snapshot]:
        return ask_until_known(
            self.judge,
            snapshot,
            store=store,
            policy=self.question.policy,
            deadline=self.question.deadline,
            progress=self.progress if self.every else lambda what: self.progress(f"{self.channel}: {what}"),
            settle=lambda known, _: self.question.settle(known),
        )

    def judge(self, snapshot: Snapshot) -> ListedBuilds | Undecided:
        """Describe the builds of all channels by one snapshot, so that none is listed twice or not at all.

        What is learnt for one channel may attribute a build of the shared window to another (DESIGN section 4).
        """
        inquiry = self._inquiry(snapshot, self.channel)
        if self.every and not inquiry.knows_all_channels():
            return Undecided(frozenset(inquiry.needs))
        channels = _existing(inquiry) if self.every else (self.channel,)
        return list_builds(snapshot, channels, self.question.policy, now=self.question.now, limit=self.limit)

    def _inquiry(self, snapshot: Snapshot, channel: Channel) -> Inquiry:
        return Inquiry(snapshot, channel, self.question.policy, self.question.now)

    def _own(self, found: ListedBuilds) -> list[ListedBuild]:
        return [row for row in found.rows if row.attribution.ref == self.channel.ref]

    def _disowning_clone(self, found: ListedBuilds, snapshot: Snapshot) -> GitLine | None:
        """Return the clone, if it gives every build to other branches and nothing testable was listed."""
        own = self._own(found)
        if len(own) == self.limit or any(row.refusal is None for row in own):
            return None
        return self._inquiry(snapshot, self.channel).disowning_clone


def list_builds(
    snapshot: Snapshot, channels: tuple[Channel, ...], policy: Policy, *, now: datetime, limit: int | None
) -> ListedBuilds | Undecided:
    """List the newest builds of channels, one channel after the other, or say what must be known first.

    Parameters:
        snapshot: what is known.
        channels: the channels.
        policy: what counts as testable.
        now: the moment of the listing, UTC.
        limit: how many builds of each channel at most; ``None`` for all.

    Raises:
        StoreUnavailableError: the builds could not all be listed.
    """
    rows: list[ListedBuild] = []
    needs: set[Need] = set()
    gaps: dict[str, Condition] = {}
    for channel in channels:
        inquiry = Inquiry(snapshot, channel, policy, now)
        # The newest is the same as of an answer: one whose name is too high is not.
        inquiry.look_for_disputes()
        found = _rows(inquiry, limit=limit)
        rows.extend(found)
        if inquiry.listing_failure is not None:
            raise _unlistable(f"the builds of {channel}", snapshot, inquiry.listing_failure)
        if not rows and not inquiry.needs and inquiry.evidence_failure is not None:
            raise _unlistable(f"the builds of {channel}", snapshot, inquiry.evidence_failure)
        if not rows and not inquiry.needs:
            inquiry.knows_all_channels()  # the error names the channels that exist
        told = disagreement(inquiry)
        if told is not None:
            gaps[told.message] = told
        needs |= inquiry.needs
        gaps |= {condition.message: condition for condition in about_gaps(inquiry)}
        newest = snapshot.build(found[0].version) if found else None
        if newest is not None:
            order = about_order(inquiry, newest, lowest=snapshot.build(found[-1].version))
            gaps |= {condition.message: condition for condition in order}
    return Undecided(frozenset(needs)) if needs else ListedBuilds(tuple(rows), tuple(gaps.values()))


def _existing(inquiry: Inquiry) -> tuple[Channel, ...]:
    """Return the channels that exist: master first, then the newest release branch.

    Raises:
        StoreUnavailableError: they could not be listed.
    """
    failure = inquiry.failed(ListMarkers()) or inquiry.failed(ListMinors())
    if failure is not None:
        raise _unlistable("the channels", inquiry.snapshot, failure, otherwise="or name a channel")
    return tuple(map(Channel, inquiry.existing_channels()))


def _unlistable(what: str, snapshot: Snapshot, reason: str, *, otherwise: str = AGAIN) -> StoreError:
    return store_failed(
        f"{what} in {snapshot.store} could not all be listed",
        snapshot,
        reasons=(reason,),
        otherwise=otherwise,
    )


def _nothing_to_list(listing: _Listing, snapshot: Snapshot) -> NoTestableBuildError:
    """Make the error that `resolve` has for a channel without builds, and one for a store without any."""
    if not listing.every:
        return no_testable_build(
            Inquiry(snapshot, listing.channel, listing.question.policy, listing.question.now)
        )
    return NoTestableBuildError(
        f"there is no build in {snapshot.store}",
        channel="every channel",
        hint="see whether --store is right",
    )


def _rows(inquiry: Inquiry, *, limit: int | None) -> tuple[ListedBuild, ...]:
    """Describe the builds that are known, and note what is needed for the others."""
    rows = []
    for candidate in islice(inquiry.candidates(), limit):
        refusal = None if isinstance(candidate, Unknown) else inquiry.refusal(candidate.build)
        if isinstance(candidate, Candidate) and not isinstance(refusal, Unknown):
            build = candidate.build
            rows.append(ListedBuild(build.version, build.uploaded, candidate.attribution, refusal))
    return tuple(rows)
