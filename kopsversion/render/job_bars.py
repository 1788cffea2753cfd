"""The runs of the jobs behind a channel's markers, as a strip below its builds on the page.

Positions are in percent of the timeline's width. This module must not know of markup.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kopsversion.model.runs import Result
from kopsversion.model.values import frozen
from kopsversion.model.wording import count, moment
from kopsversion.rules.writers import WriterState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from kopsversion.model.runs import SeenRun
    from kopsversion.rules.writers import WriterReport

__all__ = ["JobBar", "JobDot", "job_bar"]

_DOTS = 60
"""How many of the newest runs that were read are drawn."""

_KINDS = {
    WriterState.GREEN: "good",
    WriterState.PENDING: "slow",
    WriterState.UNKNOWN: "ignored",
}
_DOT_KINDS = {Result.PASSED: "good", Result.FAILED: "bad", Result.ABORTED: "bad"}


@frozen
class JobDot:
    """A run.

    Attributes:
        x: percent of the width.
        kind: ``good``, ``bad`` or ``ignored``: how it ended.
        said: when it began, and how it ended.
    """

    x: float
    kind: str
    said: str


@frozen(kw_only=True)
class JobBar:
    """A job.

    Attributes:
        kind: ``good``, ``slow``, ``bad`` or ``ignored``: how it is.
        x, width: percent of the width in which it has been red, idle or not writing; a width of 0 where it is not.
        dots: runs that were read, oldest first.
        label: its name, how it is, since when, and how many runs.
        href: its newest failing run, where that is on the web; else empty.
    """

    kind: str
    x: float
    width: float
    dots: tuple[JobDot, ...]
    label: str
    href: str


def job_bar(report: WriterReport, *, percent: Callable[[datetime], float], start: datetime) -> JobBar:
    """Lay out one job.

    Parameters:
        report: how its writer is.
        percent: returns the position of a moment.
        start: the left edge, UTC.
    """
    unhealthy_since = report.since if report.state not in _KINDS else None
    x = 0.0 if unhealthy_since is None else percent(unhealthy_since)
    failing = report.newest_failing_run
    runs = [run for run in report.runs_read if run.began >= start][-_DOTS:]
    return JobBar(
        kind=_KINDS.get(report.state, "bad"),
        x=x,
        width=0.0 if unhealthy_since is None else round(100 - x, 2),
        dots=tuple(_dot(run, percent) for run in runs),
        label=" ".join(_words(report)),
        href=failing.url if failing is not None and failing.url.startswith("https://") else "",
    )


def _dot(run: SeenRun, percent: Callable[[datetime], float]) -> JobDot:
    kind = _DOT_KINDS.get(run.result or Result.UNKNOWN, "ignored")
    return JobDot(percent(run.began), kind, f"{moment(run.began)} {run.result}")


def _words(report: WriterReport) -> Iterator[str]:
    yield f"{report.job}: {report.state}"
    if report.since is not None and report.state not in _KINDS:
        yield f"since {moment(report.since)}"
    if report.runs:
        least = "" if report.is_count_exact else "at least "
        yield f"({least}{count(report.runs, 'run')})"
