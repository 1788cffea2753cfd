"""The builds of a channel between two, each with whether it is testable (``kopsversion list A..B``).

The two are named like the ends of a bisection. This module must not know how its rows are shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kopsversion.errors import UsageError
from kopsversion.model.layout import DEFAULT_STORE
from kopsversion.model.policy import Policy
from kopsversion.workflows.arguments import count_of
from kopsversion.workflows.listing import ChannelListing, ListedBuild
from kopsversion.workflows.question import DEFAULT_TIMEOUT
from kopsversion.workflows.ranges import RangeQuestion, ask_range
from kopsversion.workflows.rounds import say_nothing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime, timedelta
    from pathlib import Path

    from kopsversion.model.channel import Channel
    from kopsversion.model.version import BuildVersion
    from kopsversion.witness.address import Repo
    from kopsversion.workflows.stores import StoreLike

__all__ = ["list_between", "read_range"]

_SEPARATOR = ".."


def read_range(text: str) -> tuple[str, str] | None:
    """Split ``A..B``; ``None`` where it is no range.

    Raises:
        UsageError: a side is missing.
    """
    first, separator, last = text.partition(_SEPARATOR)
    if not separator or "://" in text:
        return None
    if not first or not last:
        raise UsageError(
            f"{text} lacks one of its ends", hint="a range is written A..B, as in 2024-03-01..newest"
        )
    return first, last


def list_between(
    first: str | BuildVersion | datetime,
    last: str | BuildVersion | datetime,
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
    limit: int | None = None,
    progress: Callable[[str], None] = say_nothing,
) -> ChannelListing:
    """List the builds of a channel between two, including both, newest first.

    >>> listing = list_between(master_version(1), master_version(2), store=store, now=NOW)
    >>> [row.version.distance for row in listing.rows]
    [2, 1]

    Parameters:
        first: the older end: a version, a commit of 7 digits or more, a date or moment, or ``newest``.
        last: the newer end, likewise. A date means all of its day.
        channel: the channel; default: the one that `last` can only be of, or master.
        limit: how many builds at most, the newest ones; 0 or ``None`` for all. Each costs a request.

    The other parameters are those of `resolve_latest`.

    Raises:
        UsageError: an argument is not valid; the ends are in the wrong order or of two branches.
        NoTestableBuildError: there is no build that an end can mean.
        StoreError: no store could be asked.
        GitWitnessError: `repo` is not a clone of kops, or has no branch `ref`.

    Source: DESIGN section 14.
    """
    most = count_of("limit", limit)
    asked = ask_range(
        first,
        last,
        channel,
        store=store,
        policy=policy,
        now=now,
        as_of=as_of,
        repo=repo,
        nearby=nearby,
        ref=ref,
        timeout=timeout,
        expand=False,
        progress=progress,
        names=("the first end", "the last end"),
        is_listing=True,
    )
    return _listing(asked, limit=most)


def _listing(asked: RangeQuestion, *, limit: int | None) -> ChannelListing:
    """List the builds of a range, and look into each that is shown."""
    plan, url = asked.plan()
    shown = plan.builds[::-1][:limit]
    with asked.store(url) as here:
        examined = asked.examine(here, shown, progress=lambda what: asked.progress(f"{plan.channel}: {what}"))
    return ChannelListing(
        channel=plan.channel.ref,
        rows=tuple(
            ListedBuild(build.version, build.uploaded, build.attribution, refusal)
            for refusal, build in examined
        ),
        conditions=plan.conditions,
        skipped={},
        store=url,
        now=asked.question.now,
    )
