"""The loop of every question: ask the rules, fetch what they need, and ask again (DESIGN section 8).

Every command uses this one `ask_until_known`. The rules are a function of a snapshot: they answer, or say what they
need. All needs of one round are fetched side by side. What cannot be fetched is noted with its reason, and the rules go
on without it: they decide on the ladder of DESIGN section 7, and not this module.
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from attrs import evolve

from kopsversion.errors import AccessDeniedError, ResolutionError, StoreError
from kopsversion.model.bucket import Build, Snapshot
from kopsversion.model.needs import (
    Failure,
    ListArtifacts,
    ListBuilds,
    ListMarkers,
    ListMinors,
    ListUploads,
    ReadChecksums,
    ReadMarker,
    Undecided,
)
from kopsversion.model.wording import count
from kopsversion.rules.resolver import decide
from kopsversion.stores.deadline import AT_ONCE, side_by_side
from kopsversion.workflows.fetching import Fetcher, url_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from kopsversion.model.answer import Resolution
    from kopsversion.model.bucket import GitLine
    from kopsversion.model.channel import Channel
    from kopsversion.model.needs import Need
    from kopsversion.model.policy import Policy
    from kopsversion.model.version import BuildVersion
    from kopsversion.stores.base import Store
    from kopsversion.stores.deadline import Deadline
    from kopsversion.workflows.fetching import Learnt

T = TypeVar("T")

ROUND = 0.5
"""The share of the remaining time that the requests of one batch may take, in every command: one object that hangs
must leave time for the next rung of the ladder (DESIGN section 7)."""

_WORDS: Mapping[type[Need], tuple[str, str]] = {
    ListArtifacts: ("build to look into", "builds to look into"),
    ListBuilds: ("listing of builds", "listings of builds"),
    ListMarkers: ("listing of markers", "listings of markers"),
    ListMinors: ("listing of minors", "listings of minors"),
    ListUploads: ("listing of upload times", "listings of upload times"),
    ReadChecksums: ("build to prove by its checksums", "builds to prove by their checksums"),
    ReadMarker: ("marker to read", "markers to read"),
}
"""What one need and several are called, by kind, in the order in which a message names them."""


def say_nothing(_what: str) -> None:
    """Ignore progress: the default of every `progress` argument."""


def start(store: Store, *, git: GitLine | None = None, as_of: datetime | None = None) -> Snapshot:
    """Make a snapshot that knows nothing yet but where it is from.

    Parameters:
        store: where to look.
        git: the channel's branch in a clone of kops, where there is one.
        as_of: the moment to pretend, UTC: what was uploaded or written after it is left out.
    """
    return Snapshot(store=store.url, base_url=store.public_url(""), git=git, as_of=as_of)


def ask_until_known(
    judge: Callable[[Snapshot], T | Undecided],
    snapshot: Snapshot,
    *,
    store: Store,
    policy: Policy,
    deadline: Deadline,
    progress: Callable[[str], None] = say_nothing,
    prepare: Callable[[Iterable[Need]], None] | None = None,
    settle: Callable[[Snapshot, T | ResolutionError], Snapshot | None] | None = None,
) -> tuple[T, Snapshot]:
    """Ask a store no more than a judgement needs, and judge.

    It ends after a few rounds, because a need that was met or has failed is not asked for again.

    Parameters:
        judge: answers by a snapshot, or says what it needs to know first.
        snapshot: what is known already; see `start`.
        store: where to look.
        policy: gives the platforms whose checksums prove a build where listing is denied.
        deadline: nothing waits longer.
        progress: is told what is asked next, in a few words.
        prepare: is told the needs of a round before they are fetched, and may fetch many at once.
        settle: is called with the answer, or the error, and may return a better snapshot to judge by; see
            `clones.Clone`.

    Returns:
        The answer, and the snapshot that supports it.

    Raises:
        KopsVersionError: whatever `judge` raises.
    """
    while True:
        outcome: T | Undecided | ResolutionError
        try:
            outcome = judge(snapshot)
        except ResolutionError as error:
            outcome = error
        if not isinstance(outcome, Undecided):
            better = settle(snapshot, outcome) if settle is not None else None
            if better is not None:
                snapshot = better
                continue
            if isinstance(outcome, ResolutionError):
                raise outcome
            return outcome, snapshot
        if prepare is not None:
            with deadline.stage(ROUND):
                prepare(outcome.needs)
        snapshot = learn(
            snapshot, outcome.needs, store=store, policy=policy, deadline=deadline, progress=progress
        )


def gather(
    store: Store,
    target: Channel | BuildVersion,
    policy: Policy,
    *,
    now: datetime,
    deadline: Deadline,
    snapshot: Snapshot | None = None,
    settle: Callable[[Snapshot, Resolution | ResolutionError], Snapshot | None] | None = None,
    progress: Callable[[str], None] = say_nothing,
) -> tuple[Resolution, Snapshot]:
    """Ask a store no more than the decision needs, and decide.

    Parameters:
        store: where to look.
        target: the channel whose newest build is wanted, or one version to check.
        policy: what counts as an answer.
        now: the moment of the decision, UTC.
        deadline: nothing waits longer.
        snapshot: what is known already; from `start` where not given.
        settle: as in `ask_until_known`.
        progress: is told what is asked next, in a few words.

    Returns:
        The answer, and the snapshot that supports it.

    Raises:
        KopsVersionError: as `kopsversion.rules.resolver.resolve`.
    """
    return ask_until_known(
        lambda known: decide(known, target, policy, now),
        start(store) if snapshot is None else snapshot,
        store=store,
        policy=policy,
        deadline=deadline,
        settle=settle,
        progress=progress,
    )


def learn(
    snapshot: Snapshot,
    needs: Iterable[Need],
    *,
    store: Store,
    policy: Policy,
    deadline: Deadline,
    progress: Callable[[str], None] = say_nothing,
) -> Snapshot:
    """Fetch what is needed, several at the same time, and add it to what is known.

    Parameters:
        snapshot: what is known.
        needs: what to fetch.
        store: where from.
        policy: gives the platforms whose checksums prove a build where listing is denied.
        deadline: nothing waits longer.
        progress: is told what is still to be fetched, in a few words.

    Returns:
        The snapshot with the answers, or with the reasons why there is none.
    """
    fetcher = Fetcher(
        store,
        deadline=deadline,
        as_of=snapshot.as_of,
        platforms=policy.platforms,
        aliases=policy.root_aliases,
    )
    ordered = sorted(needs, key=repr)
    before = store.requests
    outcomes: list[Learnt | StoreError] = []
    round_trips = 0
    for begin in range(0, len(ordered), AT_ONCE):
        batch = ordered[begin : begin + AT_ONCE]
        progress(_so_far(ordered, done=begin))
        with deadline.stage(ROUND):
            found = side_by_side(
                [partial(fetcher.fetch, need) for need in batch],
                deadline=deadline,
                urls=[url_of(need, store) for need in batch],
            )
        outcomes += found
        round_trips += max(1 if isinstance(each, StoreError) else each.round_trips for each in found)
    snapshot = _add(snapshot, dict(zip(ordered, outcomes, strict=True)))
    return evolve(
        snapshot,
        requests=snapshot.requests + store.requests - before,
        round_trips=snapshot.round_trips + round_trips,
    )


def in_words(needs: Iterable[Need]) -> str:
    """Say what is needed, for progress messages: ``1 listing of minors, 3 markers to read``."""
    counts = Counter(map(type, needs))
    return ", ".join(
        f"{counts[kind]} {one if counts[kind] == 1 else many}"
        for kind, (one, many) in _WORDS.items()
        if counts[kind]
    )


def _so_far(needs: Sequence[Need], *, done: int) -> str:
    """Say what has been fetched, ``12 of 96 builds looked into``, and what else is still needed."""
    builds = [isinstance(need, ListArtifacts) for need in needs]
    looked_into = sum(builds[:done])
    if not looked_into:
        return in_words(needs[done:])
    others = in_words(need for need in needs[done:] if not isinstance(need, ListArtifacts))
    counted = f"{looked_into} of {count(sum(builds), 'build')} looked into"
    return f"{counted}, {others}" if others else counted


def _add(snapshot: Snapshot, outcomes: Mapping[Need, Learnt | StoreError]) -> Snapshot:
    """Add to a snapshot what was fetched, or why it could not be; for all needs at once, so that it stays linear."""
    failures = {
        need: Failure(str(outcome), denied=isinstance(outcome, AccessDeniedError), hint=outcome.hint)
        for need, outcome in outcomes.items()
        if isinstance(outcome, StoreError)
    }
    learnt = {need: outcome for need, outcome in outcomes.items() if not isinstance(outcome, StoreError)}
    skipped = Counter(snapshot.skipped)
    for each in learnt.values():
        skipped.update(each.skipped)
    names = learnt.get(ListMarkers())
    minors = learnt.get(ListMinors())
    return evolve(
        snapshot,
        builds=_merge(snapshot.builds, [build for each in learnt.values() for build in each.builds]),
        minors=snapshot.minors if minors is None else minors.minors,
        listed=snapshot.listed | {need.minor for need in learnt if isinstance(need, ListBuilds)},
        timed=snapshot.timed | {need.minor for need in learnt if isinstance(need, ListUploads)},
        markers=snapshot.markers + tuple(each.marker for each in learnt.values() if each.marker is not None),
        marker_names=snapshot.marker_names if names is None else names.marker_names,
        skipped=dict(skipped),
        unread=snapshot.unread + tuple(name for each in learnt.values() for name in each.unread),
        failures={**snapshot.failures, **failures},
    )


def _merge(known: Sequence[Build], found: Sequence[Build]) -> tuple[Build, ...]:
    """Merge what is known of each build; a later answer adds to an earlier one."""
    if not found:
        return tuple(known)
    merged = {build.version.text: build for build in known}
    for build in found:
        earlier = merged.get(build.version.text, build)
        merged[build.version.text] = Build(
            version=earlier.version,
            sampled=build.sampled or earlier.sampled,
            artifacts=build.artifacts if build.artifacts is not None else earlier.artifacts,
            checksums=build.checksums if build.checksums is not None else earlier.checksums,
        )
    return tuple(merged.values())
