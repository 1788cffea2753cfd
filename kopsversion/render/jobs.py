"""The writers of markers and the runs of jobs, as cells of tables and as keys of JSON (DESIGN section 13).

Every output of ``kopsversion check`` and ``kopsversion jobs`` uses these. This module must not know of streams.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kopsversion.model.codec import document, seconds, time_text
from kopsversion.model.tables import Table
from kopsversion.model.wording import count, dated, duration, moment
from kopsversion.render.text import NOTHING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from kopsversion.model.runs import SeenRun
    from kopsversion.rules.writers import WriterReport
    from kopsversion.workflows.job_runs import JobListing, ListedJob

__all__ = ["WRITER_COLUMNS", "jobs_tables", "jobs_to_json", "run_fields", "writer_cells", "writer_fields"]

WRITER_COLUMNS = ("channel", "marker", "job", "state", "since", "runs", "last good run", "newest failing run")


def writer_cells(report: WriterReport, *, now: datetime) -> tuple[str, ...]:
    """Return the cells of `WRITER_COLUMNS` but the first.

    Parameters:
        report: how a writer is.
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
    """Return the report on a writer, as JSON has it."""
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


# --------------------------------------------------------------------------------------------------
# kopsversion jobs


def jobs_tables(listing: JobListing) -> tuple[Table, ...]:
    """Return the runs of each job, newest first, and what is to be known of each job."""
    remarks = tuple((job.job, text) for job in listing.jobs for text in _remarks(job, now=listing.now))
    if listing.left_out:
        remarks = (*remarks, (NOTHING, f"{count(listing.left_out, 'other job')}: name it, or raise --limit"))
    tables = (
        *_runs_tables(listing),
        Table(title="What they say", columns=("job", "what to know"), rows=remarks),
    )
    return tuple(table for table in tables if table.rows)


def _runs_tables(listing: JobListing) -> Iterator[Table]:
    for job in listing.jobs:
        branch = "" if job.channel is None else f" for {job.channel}"
        writes = "" if job.marker is None else f", which writes {job.marker}"
        yield Table(
            title=f"Runs of {job.job}{branch}{writes}, on {moment(listing.now)}",
            columns=("began", "result", "took", "branch", "merge", "tested", "run"),
            rows=tuple(_run_cells(run) for run in job.runs),
        )


def _run_cells(run: SeenRun) -> tuple[str, ...]:
    return (
        moment(run.began),
        run.result or "not read",
        NOTHING if run.took is None else duration(run.took),
        run.branch or NOTHING,
        run.commit[:10] if run.commit else NOTHING,
        NOTHING if run.tested is None else str(run.tested),
        run.url,
    )


def _remarks(job: ListedJob, *, now: datetime) -> Iterator[str]:
    if job.failure is not None:
        yield job.failure
    if job.same is not None:
        yield job.same.sentence(now=now)


def jobs_to_json(listing: JobListing) -> str:
    """Write the runs of jobs as JSON of schema 1."""
    return document(
        {
            "store": listing.place,
            "now": time_text(listing.now),
            "jobs": [_job_fields(job, now=listing.now) for job in listing.jobs],
            "requests": listing.requests,
            "left_out": listing.left_out,
        }
    )


def _job_fields(job: ListedJob, *, now: datetime) -> dict[str, Any]:
    same = job.same
    return {
        "job": job.job,
        "channel": job.channel,
        "marker": job.marker,
        "runs": [run_fields(run) for run in job.runs],
        "same_build": None
        if same is None
        else {
            "version": str(same.version),
            "runs": same.runs,
            "silent": same.silent,
            "since": time_text(same.since),
            "before": None if same.before is None else str(same.before),
            "message": same.sentence(now=now),
        },
        "failure": job.failure,
    }
