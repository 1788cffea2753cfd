"""The latest testable builds of several branches, from one look at one store.

What is learnt for one channel is known for the next. Each answer is as if its question were asked alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from attrs import evolve

from kopsversion.errors import UsageError
from kopsversion.model.layout import DEFAULT_STORE
from kopsversion.model.policy import Policy
from kopsversion.rules.conditions import worst_first
from kopsversion.stores.deadline import Deadline
from kopsversion.workflows.arguments import wrong_argument
from kopsversion.workflows.latest import resolve_in
from kopsversion.workflows.question import DEFAULT_TIMEOUT, ask, in_utc
from kopsversion.workflows.rounds import start
from kopsversion.workflows.stores import stores_of, walk

if TYPE_CHECKING:
    from datetime import timedelta
    from pathlib import Path

    from kopsversion.model.answer import Resolution
    from kopsversion.model.bucket import Snapshot
    from kopsversion.model.channel import Channel
    from kopsversion.model.version import BuildVersion
    from kopsversion.stores.base import Store
    from kopsversion.witness.address import Repo
    from kopsversion.workflows.question import Question
    from kopsversion.workflows.stores import StoreLike

__all__ = ["resolve_many"]


def resolve_many(
    selectors: Sequence[str | Channel | BuildVersion],
    *,
    store: StoreLike | Sequence[StoreLike] = DEFAULT_STORE,
    policy: Policy = Policy(),  # noqa: B008 # frozen
    now: datetime | None = None,
    as_of: datetime | None = None,
    repo: Repo | None = None,
    nearby: Path | None = None,
    timeout: float | timedelta = DEFAULT_TIMEOUT,
) -> tuple[Resolution, ...]:
    """Name the latest testable builds of several branches, asking a store for what they share only once.

    >>> master, exact = resolve_many(["master", master_version(2)], store=store, now=NOW)
    >>> master.version > exact.version
    True

    Parameters:
        selectors: channels and versions, as in `resolve_latest`; at least one.
        timeout: how long all of this may take, as a duration or in seconds.

    The other parameters and the errors are those of `resolve_latest`. All answers are of one moment and of one store.

    Returns:
        The answers, in the order of the selectors.

    Raises:
        UsageError: an argument is not valid.
        NoTestableBuildError: a channel has no testable build; `channel` of the error names it.
        MarkerRefusedError: a channel has no marker that can be used, and the policy forbids the fallback.
        StoreError: no store could be asked.
        GitWitnessError: `repo` is not a clone of kops.

    Source: DESIGN section 7.
    """
    if isinstance(selectors, str | bytes) or not isinstance(selectors, Sequence):
        raise wrong_argument("selectors", selectors, wanted="a list of channels or versions")
    if not selectors:
        raise UsageError("selectors is empty", hint='name a channel, as in ["master", "release-1.36"]')
    deadline = Deadline(timeout)
    moment = in_utc("now", now) or (None if as_of is not None else datetime.now(UTC))
    questions = [
        ask(each, policy, now=moment, as_of=as_of, repo=repo, nearby=nearby, ref=None, deadline=deadline)
        for each in selectors
    ]
    places = stores_of(store)
    walked = walk(places, lambda here: _resolve_all(here, questions, places), deadline=deadline)
    return tuple(
        evolve(
            answer,
            conditions=worst_first([*walked.conditions, *question.conditions, *answer.conditions]),
        )
        for question, answer in zip(questions, walked.answer, strict=True)
    )


def _resolve_all(
    store: Store, questions: Sequence[Question], places: Sequence[str | Store]
) -> list[Resolution]:
    """Answer one question after the other; each begins with what the ones before have learnt."""
    answers = []
    known: Snapshot = start(store, as_of=questions[0].as_of)
    for question in questions:
        answer, known = resolve_in(store, question, places=places, snapshot=evolve(known, git=question.git))
        answers.append(answer)
    return answers
