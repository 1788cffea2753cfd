"""The writers of markers and the runs of jobs, as cells of tables and as keys of JSON (DESIGN section 13).

Every output of ``kopsversion check`` and ``kopsversion jobs`` shows them by these. This module must not know of
streams.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kopsversion.model.codec import seconds, time_text
from kopsversion.model.wording import dated, moment

if TYPE_CHECKING:
    from datetime import datetime

    from kopsversion.model.runs import SeenRun
    from kopsversion.rules.writers import WriterReport

__all__ = ["WRITER_COLUMNS", "run_fields", "writer_cells", "writer_fields"]

NOTHING = "-"
"""Stands where there is nothing to say."""

WRITER_COLUMNS = ("channel", "marker", "job", "state", "since", "runs", "last good run", "newest failing run")


def writer_cells(report: WriterReport, *, now: datetime) -> tuple[str, ...]:
    """Return the cells of `WRITER_COLUMNS` but the first.

    Parameters:
        report: what became of a writer.
        now: the moment of the judgement, UTC.
    """
    good, failing = report.last_good_run, report.newest_failing_run
    return (
        report.marker.name,
        report.job,
        report.state,
        NOTHING if report.since is None else dated(report.since, now=now),
        _runs(report),
        NOTHING if good is None else moment(good.began),
        NOTHING if failing is None else failing.url,
    )


def _runs(report: WriterReport) -> str:
    if not report.runs:
        return NOTHING
    return str(report.runs) if report.is_count_exact else f"at least {report.runs}"


def writer_fields(report: WriterReport) -> dict[str, Any]:
    """Return what became of a writer, as JSON has it."""
    return {
        "marker": report.marker.path,
        "job": report.job,
        "state": report.state,
        "reason": report.reason,
        "since": _time(report.since),
        "since_is_exact": report.is_since_exact,
        "last_success": _time(report.last_success),
        "consecutive_failures": report.runs,
        "failures_are_exact": report.is_count_exact,
        "first_failing_run": _run(report.first_failing_run),
        "newest_failing_run": _run(report.newest_failing_run),
        "last_good_run": _run(report.last_good_run),
        "run_on_its_way": _run(report.run_on_its_way),
        "newest_run": _run(report.newest_run),
        "runs_read": [run_fields(run) for run in report.runs_read],
    }


def run_fields(run: SeenRun) -> dict[str, Any]:
    """Return a run, as JSON has it."""
    return {
        "id": run.id,
        "url": run.url,
        "began": time_text(run.began),
        "ended": _time(run.ended),
        "result": run.result,
        "took_seconds": None if run.took is None else seconds(run.took),
        "branch": run.branch,
        "commit": run.commit,
        "tested": None if run.tested is None else str(run.tested),
    }


def _run(run: SeenRun | None) -> dict[str, Any] | None:
    return None if run is None else run_fields(run)


def _time(time: datetime | None) -> str | None:
    return None if time is None else time_text(time)
