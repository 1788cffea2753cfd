"""Answers the main question: the latest testable build of a channel (DESIGN sections 7 and 9).

It goes from one store to the next, and at the end to the last good answer. The rules decide; this module must not know
what is asked of a store.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from attrs import evolve

from kopsversion.errors import NoTestableBuildError, ResolutionError, StoreError, UsageError
from kopsversion.model.layout import DEFAULT_STORE
from kopsversion.model.policy import Policy
from kopsversion.rules.conditions import worst_first
from kopsversion.rules.doubt import builds_in_doubt
from kopsversion.stores.deadline import Deadline
from kopsversion.workflows.arguments import file_of, function_of, span_of, wrong_argument
from kopsversion.workflows.question import DEFAULT_TIMEOUT, ask, shadowed
from kopsversion.workflows.rounds import gather, say_nothing, start
from kopsversion.workflows.stores import stores_of, walk

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime, timedelta

    from kopsversion.model.answer import Resolution
    from kopsversion.model.bucket import Snapshot
    from kopsversion.model.channel import Channel
    from kopsversion.model.version import BuildVersion
    from kopsversion.stores.base import Store
    from kopsversion.witness.address import Repo
    from kopsversion.workflows.fallback import LastGood
    from kopsversion.workflows.question import Question
    from kopsversion.workflows.stores import PassedOver, StoreLike

__all__ = ["resolve_in", "resolve_latest"]

NextStoreOn = Literal["unreachable", "none"]
"""When the next store is tried: only when one cannot be asked, or also when it has no testable build."""

_PASSES_OVER: Mapping[NextStoreOn, tuple[type[PassedOver], ...]] = {
    "unreachable": (StoreError,),
    "none": (StoreError, NoTestableBuildError),
}


def resolve_latest(
    selector: str | Channel | BuildVersion = "master",
    *,
    store: StoreLike | Sequence[StoreLike] = DEFAULT_STORE,
    policy: Policy = Policy(),  # noqa: B008 # frozen, and the defaults are what the help shows
    now: datetime | None = None,
    as_of: datetime | None = None,
    repo: Repo | None = None,
    nearby: Path | None = None,
    ref: str | None = None,
    timeout: float | timedelta = DEFAULT_TIMEOUT,
    next_store_on: NextStoreOn = "unreachable",
    state: Path | None = None,
    allow_cached: timedelta | None = None,
    progress: Callable[[str], None] | None = None,
) -> Resolution:
    """Name the latest testable build of kOps on a branch, and say why.

    Lists the store, orders the builds, keeps those that are complete, cross-checks the markers, and falls back
    when a marker is stale. What the answer rests on is in it: see `Resolution.conditions`, and
    `Resolution.explain()` for all of it in words.

    >>> answer = resolve_latest("master", store=store, now=NOW)
    >>> answer.base_url
    'mem://bucket/1.30.0-alpha.2+v1.30.0-alpha.1-3-g0000000003'

    Parameters:
        selector: a channel (``master``, ``latest``, ``release-1.30``, ``1.30``) or a version, which is only checked,
            as text or as `Channel` and `BuildVersion`; or the URL of a marker, which names the channel and the
            marker to cross-check.
        store: where builds are kept: ``gs://…``, ``https://storage.googleapis.com/…``, ``file:///…``, a path, or an
            object that implements `kopsversion.stores.base.Store`. Of several, each is tried when the one
            before cannot be reached, and gets an equal share of the time that is left.
        policy: what counts as an answer; adjust the default with `attrs.evolve`.
        now: the moment of the decision; a datetime with a time zone. Default: the clock, or `as_of`.
        as_of: answer as of that moment: what was uploaded or written later is left out, and `now` is set to it.
        repo: a directory in a clone of kops, which tells branches apart exactly; or the URL of one, from which
            only what is needed is fetched, and only where something is in doubt.
        nearby: a directory that is used like `repo` if it turns out to be in a clone of kops.
        ref: the branch in that clone, where it is not the channel's own name.
        timeout: how long all of this may take, as a duration or in seconds.
        next_store_on: ``none`` goes on to the next store also when one has no testable build.
        state: a file to keep the answer in; not used with `as_of`.
        allow_cached: how old the answer in `state` may be that is given when no store can be asked.
        progress: is told what is asked next, in a few words.

    Returns:
        The answer, with every condition that a reader should know.

    Raises:
        UsageError: an argument is not valid.
        NoTestableBuildError: there is no testable build, with the reasons.
        MarkerRefusedError: no marker could be used, and the policy forbids the fallback.
        StoreError: no store could be asked.
        GitWitnessError: `repo` is not a clone of kops, or has no branch `ref`.

    Source: DESIGN sections 7 and 9.
    """
    deadline = Deadline(timeout)
    question = ask(
        selector, policy, now=now, as_of=as_of, repo=repo, nearby=nearby, ref=ref, deadline=deadline
    )
    told = say_nothing if progress is None else function_of("progress", progress)
    if next_store_on not in tuple(_PASSES_OVER):  # what is given may not be hashable
        raise wrong_argument("next_store_on", next_store_on, wanted='"unreachable" or "none"')
    places = stores_of(store)
    memory = _last_good(state, allow_cached, question=question, places=places)
    tried: list[Store] = []
    try:
        walked = walk(
            places,
            lambda here: resolve_in(here, question, places=places, progress=told)[0],
            deadline=deadline,
            passes_over=_PASSES_OVER[next_store_on],
            on_open=tried.append,
        )
    except StoreError as error:
        if memory is None or allow_cached is None:
            raise
        return memory.stand_in(error, stores=tried, policy=question.policy, now=question.now)
    conditions = [*walked.conditions, *question.conditions, *walked.answer.conditions]
    resolution = evolve(walked.answer, conditions=worst_first(conditions))
    return resolution if memory is None else memory.keep(resolution)


def _last_good(
    state: Path | None,
    allow_cached: timedelta | None,
    *,
    question: Question,
    places: Sequence[str | Store],
) -> LastGood | None:
    """Open the state file, where one is named; a question about the past neither reads nor writes it."""
    state = None if state is None else file_of("state", state)
    allowed = None if allow_cached is None else span_of("allow_cached", allow_cached)
    if state is None and allow_cached is not None:
        raise UsageError(
            "there is no state file that a cached answer could come from",
            hint="name one with --state, in every run, so that there is a last good answer",
        )
    if state is None or question.as_of is not None:
        return None
    # It loads cattrs, which nothing else here needs.
    from kopsversion.workflows.fallback import LastGood
    from kopsversion.workflows.state import StateFile, question_of

    asked = question_of(
        stores=[_name_of(place) for place in places],
        selector=str(question.selector),
        policy=question.policy,
        ref=question.ref,
    )
    return LastGood(StateFile(state), question=asked, allowed=allowed, deadline=question.deadline)


def _name_of(place: str | Store) -> str:
    """Return a name for a store that always means the same place."""
    if not isinstance(place, str):
        return place.url
    return place.rstrip("/") if "://" in place else Path(place).absolute().as_uri()


def resolve_in(
    store: Store,
    question: Question,
    *,
    places: Sequence[str | Store],
    snapshot: Snapshot | None = None,
    progress: Callable[[str], None] = say_nothing,
) -> tuple[Resolution, Snapshot]:
    """Answer a question from one store.

    Parameters:
        store: where to look.
        question: what is asked.
        places: the stores that may be asked, including this one.
        snapshot: what is known already; nothing where not given.
        progress: is told what is asked next, in a few words.

    Returns:
        The answer, and the snapshot that supports it.

    Raises:
        KopsVersionError: as `resolve_latest`.
    """
    question.check_place(store, places)
    known = start(store, git=question.git, as_of=question.as_of) if snapshot is None else snapshot
    # Comparing with the build before costs one more listing; in a directory that costs nothing.
    compare = question.policy.compare_artifacts or store.is_local
    resolution, found = gather(
        store,
        question.selector.target,
        evolve(question.policy, compare_artifacts=compare),
        now=question.now,
        deadline=question.deadline,
        snapshot=known,
        settle=lambda seen, told: question.settle(
            seen, None if isinstance(told, ResolutionError) else builds_in_doubt(told.conditions)
        ),
        progress=progress,
    )
    told = shadowed(store, question.selector)
    return evolve(resolution, conditions=(*told, *resolution.conditions)), found
