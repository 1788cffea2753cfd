"""Which build is the first to contain a merge, now or as soon as there is one (DESIGN section 14).

For a merge that was not built itself a clone of kops is needed. Without one, only the build of that very commit is
known to contain it. While it waits, it asks for the newest minor alone. This module must not know how a build is shown.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

from attrs import define, evolve

from kopsversion.errors import NoTestableBuildError, StoreError, UsageError
from kopsversion.model.channel import MASTER, Channel, minor_key
from kopsversion.model.layout import DEFAULT_STORE
from kopsversion.model.policy import Policy
from kopsversion.model.values import frozen
from kopsversion.model.version import BuildVersion
from kopsversion.model.wording import count, dated
from kopsversion.rules.attribution import by_version
from kopsversion.rules.ends import End
from kopsversion.rules.first_build import Containing, first_build
from kopsversion.stores.deadline import Deadline
from kopsversion.workflows.arguments import channel_of, function_of, span_of, wrong_argument
from kopsversion.workflows.history import open_history
from kopsversion.workflows.question import DEFAULT_TIMEOUT, ask
from kopsversion.workflows.rounds import ask_until_known, say_nothing, start
from kopsversion.workflows.stores import walk

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime, timedelta
    from pathlib import Path

    from kopsversion.model.answer import Condition, Refusal
    from kopsversion.model.bucket import Snapshot
    from kopsversion.stores.base import Store
    from kopsversion.witness.address import Repo
    from kopsversion.witness.merges import CommitPlace
    from kopsversion.workflows.question import Question
    from kopsversion.workflows.stores import StoreLike, Walked

__all__ = ["FoundBuild", "find_build"]

FIRST_PAUSE = 30.0
"""Seconds between the first two looks while it waits; each pause is one and a half times the one before."""

LONGEST_PAUSE = 600.0
"""Seconds between two looks at the most: a merge takes some twenty minutes to hours to be built."""


@frozen(kw_only=True)
class FoundBuild:
    """The first testable build that contains a merge.

    >>> found = find_build(master_version(2), store=store, now=NOW)
    >>> found.version.distance, found.refused, found.merged
    (2, (), None)

    Attributes:
        channel: the channel.
        store: the URL of the store.
        version: the build's name.
        base_url: its base URL.
        uploaded: when its newest file was written, UTC, where known.
        commit: the commit that was asked for; its full id where a clone knows it. ``None`` for a version without.
        merged: when it was merged into the channel, UTC, where a clone tells.
        subject: the first line of the message of its merge, untrusted text, where a clone tells.
        refused: the builds before this one that contain it too, oldest first, and why they cannot be tested.
        conditions: what the reader should know.
    """

    channel: str
    store: str
    version: BuildVersion
    base_url: str
    uploaded: datetime | None
    commit: str | None
    merged: datetime | None
    subject: str | None
    refused: tuple[Refusal, ...]
    conditions: tuple[Condition, ...]


class _NotYetError(Exception):
    """There is no such build yet; `error` is raised when there is no more waiting."""

    def __init__(self, error: NoTestableBuildError) -> None:
        super().__init__(str(error))
        self.error = error


def find_build(
    wanted: str | BuildVersion,
    channel: str | Channel | None = None,
    *,
    store: StoreLike | Sequence[StoreLike] = DEFAULT_STORE,
    policy: Policy = Policy(),  # noqa: B008 # frozen
    now: datetime | None = None,
    as_of: datetime | None = None,
    repo: Repo | None = None,
    nearby: Path | None = None,
    ref: str | None = None,
    timeout: float | timedelta = DEFAULT_TIMEOUT,
    wait: float | timedelta | None = None,
    progress: Callable[[str], None] = say_nothing,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> FoundBuild:
    """Find the first testable build of a channel that contains a merge.

    >>> print(find_build(master_version(2), "master", store=store, now=NOW).version)
    1.30.0-alpha.2+v1.30.0-alpha.1-2-g0000000002

    Parameters:
        wanted: a commit of 7 to 40 hex digits, or a version. A commit of a pull request means its merge.
        channel: the channel; default: the one that a version can only be of, or master.
        timeout: seconds that one look may take.
        wait: how long to wait until there is one, looking again after 30 seconds, then ever more rarely; ``None`` for
            not at all.
        progress: is told what is asked, and what is waited for.
        sleep: waits for that many seconds.
        clock: seconds on a clock that never goes back.

    The other parameters are those of `resolve_latest`.

    Raises:
        UsageError: an argument is not valid.
        NoTestableBuildError: no build contains it yet, with how old the merge is; or none that does can be tested.
        StoreError: no store could be asked.
        GitWitnessError: `repo` is not a clone of kops, or has no branch `ref`.

    Source: DESIGN section 14.
    """
    function_of("progress", progress)
    function_of("sleep", sleep)
    function_of("clock", clock)
    end = _read(wanted)
    longest = None if wait is None else span_of("wait", wait)
    if wait is not None and (as_of is not None or now is not None):
        raise UsageError(
            "there is nothing to wait for at a moment that has passed",
            hint="leave out wait, or as_of and now",
        )
    only = by_version(end.version) if end.version is not None and end.is_exact else None
    wanted_channel = channel_of("channel", only or MASTER if channel is None else channel)
    search = _Search(
        end=end,
        channel=wanted_channel,
        store=store,
        ask=partial(ask, wanted_channel.ref, policy, now=now, as_of=as_of, repo=repo, nearby=nearby, ref=ref),
        timeout=timeout,
        progress=progress,
    )
    return _look_until(search, longest, sleep=sleep, clock=clock)


def _read(wanted: str | BuildVersion) -> End:
    if not isinstance(wanted, str | BuildVersion):
        raise wrong_argument("wanted", wanted, wanted="a commit or a version, as text or BuildVersion")
    end = End.parse(wanted, name="the merge")
    if end.commit is None and end.version is None:
        raise UsageError(
            f"{end} is neither a commit nor a version",
            hint="name a commit of 7 to 40 hex digits, or a version",
        )
    return end


def _look_until(
    search: _Search,
    wait: timedelta | None,
    *,
    sleep: Callable[[float], None],
    clock: Callable[[], float],
) -> FoundBuild:
    """Look once, or until there is a build or the time is up; a store that cannot be asked is asked again."""
    finish = clock() + (wait.total_seconds() if wait is not None else 0.0)
    pause = FIRST_PAUSE
    known: Snapshot | None = None
    while True:
        failure: NoTestableBuildError | StoreError
        try:
            return search.look(known)
        except _NotYetError as error:
            failure = error.error
            known = search.known
        except StoreError as error:
            failure = error
        remaining = finish - clock()
        if wait is None or remaining <= 0:
            raise failure
        search.progress(f"{failure}; looking again in {round(min(pause, remaining))} s")
        sleep(min(pause, remaining))
        pause = min(pause * 1.5, LONGEST_PAUSE)


@define(kw_only=True)
class _Search:
    """One search for one merge.

    Attributes:
        end: the merge.
        channel: the channel.
        store: the stores.
        ask: reads the clock and the clone anew, for one look.
        timeout: seconds that one look may take.
        progress: is told what is asked.
        known: what the last look has learnt.
    """

    end: End
    channel: Channel
    store: StoreLike | Sequence[StoreLike]
    ask: Callable[..., Question]
    timeout: float | timedelta
    progress: Callable[[str], None]
    known: Snapshot | None = None

    def look(self, known: Snapshot | None) -> FoundBuild:
        """Look once.

        Parameters:
            known: what an earlier look has learnt.

        Raises:
            _NotYetError: there is no such build yet.
        """
        question = self.ask(deadline=Deadline(self.timeout))
        place = self._place(question)
        if place is not None and place.merge is None:
            raise _NotYetError(
                NoTestableBuildError(
                    f"commit {place.commit} is not merged into {self.channel}, as far as the clone knows",
                    channel=self.channel.ref,
                    hint="bring the clone up to date, or name the branch that it was merged into",
                )
            )
        merged = (
            self.end
            if place is None or place.merge is None
            else evolve(self.end, commit=place.merge.commit, version=None)
        )
        walked = self._walk(question, merged, known)
        return self._answer(walked, question, place)

    def _place(self, question: Question) -> CommitPlace | None:
        """Ask a clone, where there is one, where the commit is."""
        commit = self.end.any_commit
        if commit is None:
            return None
        history = open_history(question.clone, self.channel, commits=[commit], timeout=self.timeout)
        return None if history is None else history.place(commit)

    def _walk(self, question: Question, merged: End, known: Snapshot | None) -> Walked[Containing]:
        def visit(store: Store) -> Containing:
            fresh = start(store, git=question.git, as_of=question.as_of)
            answer, self.known = ask_until_known(
                lambda snapshot: first_build(
                    snapshot, self.channel, question.policy, merged, now=question.now
                ),
                fresh if known is None or known.store != store.url else _refreshed(known, fresh),
                store=store,
                policy=question.policy,
                deadline=question.deadline,
                progress=self.progress,
                settle=lambda snapshot, _: question.settle(snapshot),
            )
            return answer

        return walk(self.store, visit, deadline=question.deadline)

    def _answer(
        self, walked: Walked[Containing], question: Question, place: CommitPlace | None
    ) -> FoundBuild:
        first, merge = walked.answer.first, place.merge if place is not None else None
        if first is None:
            raise _NotYetError(self._not_yet(walked, question, place))
        return FoundBuild(
            channel=self.channel.ref,
            store=walked.store.url,
            version=first.version,
            base_url=walked.store.public_url(str(first.version)),
            uploaded=first.build.uploaded,
            commit=place.commit if place is not None else self.end.any_commit,
            merged=merge.time if merge is not None else None,
            subject=merge.subject if merge is not None else None,
            refused=walked.answer.refused,
            conditions=(*walked.conditions, *question.conditions, *walked.answer.conditions),
        )

    def _not_yet(
        self, walked: Walked[Containing], question: Question, place: CommitPlace | None
    ) -> NoTestableBuildError:
        """Say that no build contains it yet, and how old the merge is; or that none that does can be tested."""
        answer = walked.answer
        merge = place.merge if place is not None else None
        age = f"; it was merged {dated(merge.time, now=question.now)}" if merge is not None else ""
        if answer.refused:
            builds = count(len(answer.refused), "build")
            verb = "contains" if len(answer.refused) == 1 else "contain"
            message = f"{builds} of {self.channel} {verb} {self.end}, and none can be tested{age}"
            hint = "see the reasons"
        else:
            message = f"no build of {self.channel} contains {self.end} yet{age}"
            hint = "wait for it with --wait"
            if merge is None:
                hint = "a merge that was not built itself is found by a clone of kops: name one with --repo"
        if answer.newest is not None:
            hint = f"{hint}; the newest build is {answer.newest.version}"
        else:
            message = f"there is no build of {self.channel} in {walked.store.url}{age}"
            hint = "see whether the channel and --store are right"
        return NoTestableBuildError(
            message,
            channel=self.channel.ref,
            reasons=[
                *(f"{each.version}: {each.reasons[0]}" for each in answer.refused),
                *(each.message for each in answer.conditions),
            ],
            hint=hint,
        )


def _refreshed(known: Snapshot, fresh: Snapshot) -> Snapshot:
    """Forget what may have changed: which minors there are, and the builds of the newest one.

    Older minors get builds too, but seldom; a new search lists them again.
    """
    newest = max(known.listed, key=minor_key, default=None)
    if newest is None:
        return fresh
    return evolve(
        fresh,
        builds=tuple(build for build in known.builds if build.version.minor != newest),
        listed=known.listed - {newest},
        timed=known.timed - {newest},
    )
