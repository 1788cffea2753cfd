"""The library's face: ask a store, get an answer (DESIGN sections 7 and 9).

The shell around the pure core: it opens stores, reads the clock where no moment is given, reads a clone of kops, and
goes from one store to the next, and at the end to the last good answer. It decides nothing.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from attrs import evolve, frozen

from kopsversion.conditions import worst_first
from kopsversion.errors import (
    GitWitnessError,
    NoTestableBuildError,
    ResolutionError,
    StoreError,
    StoreUnavailableError,
    UsageError,
)
from kopsversion.layout import check_marker_name, read_selector
from kopsversion.listing import ChannelListing, ListedBuild, list_builds, list_channels
from kopsversion.model import MASTER, Channel, Condition, Policy, Severity
from kopsversion.snapshot import gather, say_nothing, start
from kopsversion.stores.base import DEFAULT_STORE
from kopsversion.stores.deadline import Deadline
from kopsversion.stores.opening import check_store_url, open_store

if TYPE_CHECKING:
    from collections.abc import Callable

    from kopsversion.errors import KopsVersionError
    from kopsversion.fallback import LastGood
    from kopsversion.layout import Selector
    from kopsversion.model import GitLine, Resolution
    from kopsversion.stores.base import Store

__all__ = ["DEFAULT_STORE", "ChannelListing", "ListedBuild", "list_channel", "resolve_latest"]

DEFAULT_TIMEOUT = 60.0
"""Seconds that a question may take altogether (issue 4, item 2)."""

_GIT_TIMEOUT = 10.0
"""Seconds that the clone may take of it: it is a witness, not the question."""


NextStoreOn = Literal["unreachable", "none"]
"""When the next store is tried: only when one cannot be asked, or also when it has no testable build."""


@frozen(kw_only=True)
class _Question:
    """What is asked, and under which circumstances; the same for every store that is tried."""

    selector: Selector
    policy: Policy
    now: datetime
    as_of: datetime | None
    git: GitLine | None
    git_conditions: tuple[Condition, ...]
    ref: str | None
    deadline: Deadline


def resolve_latest(
    selector: str = "master",
    *,
    store: str | Store | Sequence[str | Store] = DEFAULT_STORE,
    policy: Policy = Policy(),  # noqa: B008 # frozen, and the defaults are what the help shows
    now: datetime | None = None,
    as_of: datetime | None = None,
    repo: Path | None = None,
    nearby: Path | None = None,
    ref: str | None = None,
    timeout: float = DEFAULT_TIMEOUT,
    next_store_on: NextStoreOn = "unreachable",
    state: Path | None = None,
    allow_cached: timedelta | None = None,
) -> Resolution:
    """Name the latest testable build of kOps on a branch, and say why.

    Lists the store, orders the builds, keeps those that are complete, cross-checks the markers, and falls back
    when a marker is stale. What the answer rests on is in it: see `Resolution.conditions`, and
    `Resolution.explain()` for all of it in words.

    >>> resolve_latest("release-1.30").base_url  # doctest: +SKIP
    'https://storage.googleapis.com/k8s-staging-kops/kops/releases/1.30.1+v1.30.0-4-g5b8e06d54a'

    Parameters:
        selector: a channel (``master``, ``latest``, ``release-1.30``, ``1.30``), a version, which is only
            checked, or the URL of a marker, which names the channel and the marker to cross-check.
        store: where builds are kept: ``gs://…``, ``https://storage.googleapis.com/…``, ``file:///…``, a path, or an
            object that implements `kopsversion.stores.base.Store`. Of several, each is tried when the one
            before cannot be reached, and gets an equal share of the time that is left.
        policy: what counts as an answer; adjust the default with `attrs.evolve`.
        now: the moment of the decision; a datetime with a time zone. Default: the clock, or `as_of`.
        as_of: answer as of that moment: what was uploaded or written later is left out, and `now` is set to it.
        repo: a directory in a clone of kops, which tells branches apart exactly.
        nearby: a directory that is used like `repo` if it turns out to be in a clone of kops.
        ref: the branch in that clone, where it is not the channel's own name.
        timeout: seconds that all of this may take.
        next_store_on: ``none`` goes on to the next store also when one has no testable build.
        state: a file to keep the answer in; not used with `as_of`.
        allow_cached: how old the answer kept in `state` may be to stand in when no store can be asked.

    Returns:
        The answer, with every condition that a reader should know.

    Raises:
        UsageError: an argument cannot be meant.
        NoTestableBuildError: there is no testable build, with the reasons.
        MarkerRefusedError: no marker could be used, and the policy forbids the fallback.
        StoreError: no store could be asked.

    Source: DESIGN sections 7 and 9.
    """
    deadline = Deadline(timeout)
    question = _ask(
        selector, policy, now=now, as_of=as_of, repo=repo, nearby=nearby, ref=ref, deadline=deadline
    )
    places = stores_of(store)
    memory = _last_good(state, allow_cached, question=question, places=places)
    tried: list[Store] = []
    try:
        resolution = _resolve_in_first(places, question, next_store_on=next_store_on, tried=tried)
    except StoreError as error:
        if memory is None or allow_cached is None:
            raise
        return memory.stand_in(error, stores=tried, policy=question.policy, now=question.now)
    return resolution if memory is None else memory.keep(resolution)


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
    question = _ask(
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


# --------------------------------------------------------------------------------------------------
# The question


def _ask(
    selector: str,
    policy: Policy,
    *,
    now: datetime | None,
    as_of: datetime | None,
    repo: Path | None,
    nearby: Path | None,
    ref: str | None,
    deadline: Deadline,
) -> _Question:
    wanted = read_selector(selector)
    for name in (*policy.markers, *policy.reported):
        check_marker_name(name)
    if wanted.marker is not None and not policy.markers:
        policy = evolve(policy, markers=(wanted.marker,))
    git, conditions = read_clone(wanted, repo=repo, nearby=nearby, ref=ref, deadline=deadline)
    if repo is not None:
        # Who names a clone is told that it did not help; who merely stands in one is not bothered.
        conditions = tuple(evolve(condition, severity=Severity.WARNING) for condition in conditions)
    moment = in_utc("as_of", as_of) or in_utc("now", now) or datetime.now(UTC)
    return _Question(
        selector=wanted,
        policy=policy,
        now=moment,
        as_of=in_utc("as_of", as_of),
        git=git,
        git_conditions=conditions,
        ref=ref,
        deadline=deadline,
    )


def in_utc(name: str, moment: datetime | None) -> datetime | None:
    """Return a moment in UTC; one without a time zone is a `UsageError` that names the argument."""
    if moment is None:
        return None
    if moment.tzinfo is None:
        raise UsageError(
            f"{name} is {moment}, which has no time zone", hint="give a datetime with tzinfo=UTC"
        )
    return moment.astimezone(UTC)


def read_clone(
    selector: Selector, *, repo: Path | None, nearby: Path | None, ref: str | None, deadline: Deadline
) -> tuple[GitLine | None, tuple[Condition, ...]]:
    """Read the channel's branch from a clone; where it has none, say so, and go on without."""
    if selector.channel is None or (repo is None and (nearby is None or not _is_in_repository(nearby))):
        return None, ()
    from kopsversion.gitwitness import find_clone, read_line

    where = repo
    try:
        if where is None and nearby is not None:
            where = find_clone(nearby, environ=os.environ, timeout=_git_seconds(deadline))
        if where is None:
            return None, ()
        channel, seconds = selector.channel.ref, _git_seconds(deadline)
        return read_line(where, channel_ref=channel, ref=ref, environ=os.environ, timeout=seconds), ()
    except GitWitnessError as error:
        if repo is not None and (error.is_wrong_repo or ref is not None):
            raise
        message = f"git cannot tell which builds are of {selector.channel}: {error}"
        return None, (Condition("git-unavailable", Severity.INFO, message),)


def _is_in_repository(folder: Path) -> bool:
    """Tell whether git could see a repository from there: starting it, only to hear of none, costs each resolve."""
    if os.environ.get("GIT_DIR"):
        return True
    try:
        place = Path(os.path.realpath(folder))
        return any((each / name).exists() for each in (place, *place.parents) for name in (".git", "HEAD"))
    except OSError:
        return True  # gone, or closed to us: git has a word for that


def _git_seconds(deadline: Deadline) -> float:
    """Return how long git may take: however it hangs, the stores must have some of the time."""
    return min(_GIT_TIMEOUT, deadline.remaining() / 2)


# --------------------------------------------------------------------------------------------------
# The stores


def stores_of(store: str | Store | Sequence[str | Store]) -> Sequence[str | Store]:
    """Return the stores to try, in their order.

    Raises:
        UsageError: there is none, or one cannot be meant, though it may be the last and never be needed.
    """
    stores = (store,) if isinstance(store, str) or not isinstance(store, Sequence) else store
    if not stores:
        raise UsageError("no store is named", hint="leave the argument out for kops' own bucket")
    for place in stores:
        if isinstance(place, str):
            check_store_url(place)
    return stores


def shares_of(places: Sequence[str | Store]) -> list[tuple[str | Store, float]]:
    """Pair each store with the share of the remaining time that it may take, for `Deadline.stage`.

    A store that hangs must not eat the time of those after it; the last one may take all that is left.
    """
    return [(place, 1 / (len(places) - position)) for position, place in enumerate(places)]


def opened(place: str | Store, *, deadline: Deadline) -> Store:
    """Open what is named by a URL or a path."""
    return open_store(place, deadline=deadline, environ=os.environ) if isinstance(place, str) else place


def _resolve_in_first(
    places: Sequence[str | Store], question: _Question, *, next_store_on: NextStoreOn, tried: list[Store]
) -> Resolution:
    """Answer from the first store that can be asked; add those that were opened to `tried`."""
    failures: list[StoreError | NoTestableBuildError] = []
    for place, share in shares_of(places):
        try:
            with question.deadline.stage(share):
                tried.append(opened(place, deadline=question.deadline))
                return _resolve_in(tried[-1], question, failures=failures)
        except NoTestableBuildError as error:
            if next_store_on == "unreachable":
                raise _after(failures, error) from error
            failures.append(error)
        except ResolutionError as error:
            raise _after(failures, error) from error
        except StoreError as error:
            failures.append(error)
    raise _no_answer(failures)


def _after(failures: Sequence[KopsVersionError], error: ResolutionError) -> ResolutionError:
    """Add to what a store said why it was not the first one that was asked."""
    if not failures:
        return error
    reasons = (*error.reasons, *(f"passed over before: {failure}" for failure in failures))
    return type(error)(error.message, channel=error.channel, reasons=reasons, hint=error.hint)


def _no_answer(failures: Sequence[StoreError | NoTestableBuildError]) -> KopsVersionError:
    """Make one error of those of every store: that there is no build is known only if all could be asked."""
    empty = [failure for failure in failures if isinstance(failure, NoTestableBuildError)]
    if len(empty) == len(failures):
        return _after(empty[1:], empty[0])
    unreachable = [failure for failure in failures if isinstance(failure, StoreError)]
    found_none = [f"{reason}" for error in empty for reason in (str(error), *error.reasons)]
    combined = unreachable_error(unreachable)
    if not found_none:
        return combined
    return StoreUnavailableError(
        combined.message,
        url=combined.url,
        reasons=(*combined.reasons, *found_none),
        hint="see whether they can be reached from here",
    )


def _last_good(
    state: Path | None,
    allow_cached: timedelta | None,
    *,
    question: _Question,
    places: Sequence[str | Store],
) -> LastGood | None:
    """Open the state file, where there is one; what is asked of the past neither reads nor writes it."""
    if state is None and allow_cached is not None:
        raise UsageError(
            "there is no state file that a cached answer could come from",
            hint="name one with --state, in every run, so that there is a last good answer",
        )
    if state is None or question.as_of is not None:
        return None
    # It loads cattrs, which nobody else here needs.
    from kopsversion.fallback import LastGood
    from kopsversion.state import StateFile, question_of

    asked = question_of(
        stores=[_named(place) for place in places],
        selector=str(question.selector),
        policy=question.policy,
        ref=question.ref,
    )
    return LastGood(StateFile(state), question=asked, allowed=allow_cached, deadline=question.deadline)


def _named(place: str | Store) -> str:
    """Name a store such that the same name always means the same place."""
    if not isinstance(place, str):
        return place.url
    return place.rstrip("/") if "://" in place else Path(place).absolute().as_uri()


def _resolve_in(
    store: Store, question: _Question, *, failures: Sequence[StoreError | NoTestableBuildError]
) -> Resolution:
    target = question.selector.version or question.selector.channel
    snapshot = start(store, git=question.git, as_of=question.as_of)
    # Comparing with the build before costs one more listing; in a directory that costs nothing.
    compare = question.policy.compare_artifacts or store.url.startswith("file:")
    resolution, _ = gather(
        store,
        target or Channel(MASTER),
        evolve(question.policy, compare_artifacts=compare),
        now=question.now,
        deadline=question.deadline,
        snapshot=snapshot,
    )
    passed_over = [passed_over_condition(failure, used=store.url) for failure in failures]
    conditions = [*passed_over, *question.git_conditions, *resolution.conditions]
    return evolve(resolution, conditions=worst_first(conditions))


def passed_over_condition(failure: StoreError | NoTestableBuildError, *, used: str) -> Condition:
    """Say that another store than the first one answered."""
    if isinstance(failure, NoTestableBuildError):
        return Condition(
            "store-without-build", Severity.WARNING, f"{failure}; the answer is from {used}", {"used": used}
        )
    return Condition(
        "store-unreachable",
        Severity.WARNING,
        f"{failure}; the answer is from {used}",
        {"store": failure.url, "used": used},
    )


def unreachable_error(failures: Sequence[StoreError]) -> StoreError:
    """Make one error of those of every store that was tried."""
    if len(failures) == 1:
        return failures[0]
    return StoreUnavailableError(
        f"none of {len(failures)} stores could be asked",
        url=failures[0].url,
        reasons=[reason for failure in failures for reason in (str(failure), *failure.reasons)],
        hint="see whether they can be reached from here",
    )


def _list_in(
    store: Store,
    question: _Question,
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
    rows, snapshot = list_builds(
        store,
        channels,
        question.policy,
        snapshot=snapshot,
        now=question.now,
        deadline=question.deadline,
        limit=limit,
        progress=progress,
    )
    passed_over = [passed_over_condition(failure, used=store.url) for failure in failures]
    return ChannelListing(
        channel=None if every else str(channels[0]),
        rows=rows,
        conditions=(*passed_over, *question.git_conditions),
        skipped=snapshot.skipped,
        store=store.url,
        now=question.now,
    )
