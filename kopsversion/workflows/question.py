"""What is asked, and of which stores: all that a question has before the first request (DESIGN sections 7 and 9).

It reads the clock where no moment is given, reads a clone of kops, and opens stores. What is asked, of a channel or of
all, whoever uses it says; this module must not know how an answer is found.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import evolve, frozen

from kopsversion.errors import GitWitnessError, UsageError
from kopsversion.model.answer import Condition, Severity
from kopsversion.model.layout import check_marker_name, read_selector

if TYPE_CHECKING:
    from kopsversion.model.bucket import GitLine
    from kopsversion.model.layout import Selector
    from kopsversion.model.policy import Policy
    from kopsversion.stores.deadline import Deadline

DEFAULT_TIMEOUT = 60.0
"""Seconds that a question may take altogether (issue 4, item 2)."""

_GIT_TIMEOUT = 10.0
"""Seconds that the clone may take of it: it is a witness, not the question."""


@frozen(kw_only=True)
class Question:
    """What is asked, and under which circumstances; the same for every store that is tried."""

    selector: Selector
    policy: Policy
    now: datetime
    as_of: datetime | None
    git: GitLine | None
    git_conditions: tuple[Condition, ...]
    ref: str | None
    deadline: Deadline


def ask(
    selector: str,
    policy: Policy,
    *,
    now: datetime | None,
    as_of: datetime | None,
    repo: Path | None,
    nearby: Path | None,
    ref: str | None,
    deadline: Deadline,
) -> Question:
    """Read what is asked, the clock where no moment is given, and the clone where there is one.

    The parameters are those of `kopsversion.workflows.latest.resolve_latest`.

    Raises:
        UsageError: an argument cannot be meant.
        GitWitnessError: `repo` is no clone of kops, or has no branch `ref`.
    """
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
    return Question(
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
    from kopsversion.witness.git import find_clone, read_line

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


def _is_in_repository(directory: Path) -> bool:
    """Tell whether git could see a repository from there: starting it, only to hear of none, costs each resolve."""
    if os.environ.get("GIT_DIR"):
        return True
    try:
        place = Path(os.path.realpath(directory))
        return any((each / name).exists() for each in (place, *place.parents) for name in (".git", "HEAD"))
    except OSError:
        return True  # gone, or closed to us: git has a word for that


def _git_seconds(deadline: Deadline) -> float:
    """Return how long git may take: however it hangs, the stores must have some of the time."""
    return min(_GIT_TIMEOUT, deadline.remaining() / 2)
