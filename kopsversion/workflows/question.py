"""A question, read and checked before the first request to a store (DESIGN sections 7 and 9).

It reads the clock where no moment is given, and a clone of kops where there is one. This module must not know how an
answer is found.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from attrs import evolve

from kopsversion.errors import StoreError, UsageError, quoted
from kopsversion.model.answer import Condition, Severity
from kopsversion.model.channel import BRANCH_MARKER
from kopsversion.model.codes import Code
from kopsversion.model.layout import MARKER_LIMIT, check_marker_name, marker_path, read_selector
from kopsversion.model.policy import Policy
from kopsversion.model.values import frozen
from kopsversion.rules.doubt import doubtful_builds
from kopsversion.rules.inquiry import Inquiry
from kopsversion.workflows.arguments import checked, selector_text
from kopsversion.workflows.clones import CloneSource
from kopsversion.workflows.stores import roots_of, stores_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from kopsversion.model.bucket import GitLine, Snapshot
    from kopsversion.model.channel import Channel
    from kopsversion.model.layout import Selector
    from kopsversion.model.version import BuildVersion
    from kopsversion.stores.base import Store
    from kopsversion.stores.deadline import Deadline
    from kopsversion.witness.address import Repo
    from kopsversion.workflows.clones import Clone

DEFAULT_TIMEOUT = 60.0
"""Seconds that a question may take altogether."""


@frozen(kw_only=True)
class Question:
    """What is asked, by which policy and of which moment; the same for every store that is tried.

    Attributes:
        selector: the channel or version.
        policy: what counts as an answer.
        now: the moment of the decision, UTC.
        as_of: the moment in the past that is asked about, UTC; ``None`` for the present.
        clone: what git says of the channel.
        ref: the branch in the clone, where one was named.
        deadline: nothing waits longer.
    """

    selector: Selector
    policy: Policy
    now: datetime
    as_of: datetime | None
    clone: Clone
    ref: str | None
    deadline: Deadline

    @property
    def git(self) -> GitLine | None:
        """The channel's branch in a clone of kops, if that has been read by now."""
        return self.clone.line

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """Conditions of the question itself: how it was understood, and why git could not be asked, as far as known."""
        return (*renamed(self.selector), *self.clone.conditions)

    def check_place(self, store: Store, places: str | Store | Sequence[str | Store]) -> None:
        """Make sure that a marker's URL, where that is the question, leads to one of the stores.

        Parameters:
            store: the store that is asked now.
            places: all stores that may be asked.

        Raises:
            UsageError: it leads elsewhere, so that an answer would be of another place than was asked about.
        """
        if not any(self.selector.is_in(roots_of(each)) for each in (store, *stores_of(places))):
            raise UsageError(
                f"the marker's URL begins with {quoted(self.selector.root or '')}, which is none of the stores",
                hint="name its place with --store, or ask for the branch",
            )

    def settle(self, snapshot: Snapshot, doubts: Iterable[BuildVersion] | None = None) -> Snapshot | None:
        """Ask git about what is in doubt; see `kopsversion.workflows.clones.Clone.settle`.

        Parameters:
            snapshot: what is known of the store.
            doubts: the builds in doubt; ``None`` for all known builds that are doubtful.
        """
        channel = self.selector.channel
        if channel is None:
            return None
        inquiry = Inquiry(snapshot, channel, self.policy, self.now)
        return self.clone.settle(inquiry, doubtful_builds(inquiry) if doubts is None else doubts)


def renamed(*selectors: Selector) -> tuple[Condition, ...]:
    """Say which channels were asked for by another name than kops'."""
    return tuple(
        Condition(
            Code.CHANNEL_RENAMED,
            Severity.INFO,
            f"{selector.alias} is read as {selector.target}: kops has no branch of the former name",
            {"asked": selector.alias, "channel": str(selector.target)},
        )
        for selector in selectors
        if selector.alias is not None
    )


def shadowed(store: Store, *selectors: Selector) -> tuple[Condition, ...]:
    """Warn where a store has markers of a branch by the very name that is read as another's: they are not read.

    It costs a request, and only where such a name was given.
    """
    aliases = {selector.alias: selector for selector in selectors if selector.alias is not None}
    return tuple(
        Condition(
            Code.CHANNEL_RENAMED,
            Severity.WARNING,
            f"{store.url} has markers of a branch {alias}, which are not read: {alias} is read as {selector.target}",
            {"asked": alias, "channel": str(selector.target)},
        )
        for alias, selector in aliases.items()
        if _is_there(store, marker_path(alias, BRANCH_MARKER))
    )


def _is_there(store: Store, name: str) -> bool:
    try:
        store.read(name, limit=MARKER_LIMIT)
    except StoreError:
        return False
    return True


def ask(
    selector: str | Channel | BuildVersion,
    policy: Policy,
    *,
    now: datetime | None,
    as_of: datetime | None,
    repo: Repo | None,
    nearby: Path | None,
    ref: str | None,
    deadline: Deadline,
) -> Question:
    """Read what is asked, the clock where no moment is given, and the clone where there is one.

    The parameters are those of `kopsversion.workflows.latest.resolve_latest`.

    Raises:
        UsageError: an argument is not valid.
        GitWitnessError: `repo` is not a clone of kops, or has no branch `ref`.
    """
    wanted = read_selector(selector_text("selector", selector))
    checked("policy", policy, Policy, wanted="a Policy")
    for name in (*policy.markers, *policy.reported):
        check_marker_name(name)
    if wanted.marker is not None and not policy.markers:
        policy = evolve(policy, markers=(wanted.marker,))
    source = CloneSource.of(repo=repo, nearby=nearby, ref=ref, deadline=deadline)
    moment = in_utc("as_of", as_of) or in_utc("now", now) or datetime.now(UTC)
    return Question(
        selector=wanted,
        policy=policy,
        now=moment,
        as_of=in_utc("as_of", as_of),
        clone=source.open(wanted.channel),
        ref=ref,
        deadline=deadline,
    )


def in_utc(name: str, moment: datetime | None) -> datetime | None:
    """Return a moment in UTC; one without a time zone is a `UsageError` that names the argument."""
    if moment is None:
        return None
    checked(name, moment, datetime, wanted="a datetime with tzinfo=UTC")
    if moment.tzinfo is None:
        raise UsageError(
            f"{name} is {moment}, which has no time zone", hint="give a datetime with tzinfo=UTC"
        )
    return moment.astimezone(UTC)
