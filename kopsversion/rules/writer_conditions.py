"""What the reader should know of a marker's writer, in one sentence each (DESIGN section 13).

Pure. A sentence names the job, since when, how many runs as far as they were counted, and where to look: the newest
failing run. This module must not know how a writer was judged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kopsversion.model.answer import Condition, Severity
from kopsversion.model.codes import Code
from kopsversion.model.runs import run_link
from kopsversion.model.values import frozen
from kopsversion.model.wording import count, duration, moment
from kopsversion.rules.writers import WriterState

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from kopsversion.model.answer import Datum
    from kopsversion.model.runs import Run
    from kopsversion.model.version import BuildVersion
    from kopsversion.rules.writers import WriterReport

__all__ = ["Surroundings", "causes_first", "link_of", "writer_conditions"]


@frozen(kw_only=True)
class Surroundings:
    """What a writer's condition says of its channel.

    Attributes:
        newest: the channel's newest build, testable or not.
        uploaded: when that was uploaded, UTC, where known.
        merges: merges after the newest testable build; ``None`` without a clone that knows.
    """

    newest: BuildVersion | None = None
    uploaded: datetime | None = None
    merges: int | None = None


def writer_conditions(report: WriterReport, around: Surroundings, *, now: datetime) -> tuple[Condition, ...]:
    """Say what should be known of a writer; nothing where it is green.

    Parameters:
        report: how the writer is.
        around: how its channel is.
        now: the moment of the judgement, UTC.
    """
    return tuple(_conditions(report, around, now=now))


def causes_first(reports: Iterable[WriterReport]) -> tuple[WriterReport, ...]:
    """Put the jobs that build before those that promote what was built."""
    return tuple(sorted(reports, key=lambda report: report.writer.interval is not None))


def link_of(report: WriterReport, run: Run) -> str:
    """Return where a person looks at a run."""
    return run_link(report.place, job=run.job, run=run.id)


def _conditions(report: WriterReport, around: Surroundings, *, now: datetime) -> Iterator[Condition]:
    data = _data(report)
    match report.state:
        case WriterState.RED:
            yield Condition(Code.WRITER_RED, Severity.WARNING, _red(report, around), data)
        case WriterState.IDLE:
            yield Condition(Code.WRITER_IDLE, Severity.WARNING, _idle(report, now=now), data)
        case WriterState.NOT_WRITING:
            yield Condition(Code.WRITER_GREEN_NOT_WRITING, Severity.WARNING, _not_writing(report), data)
        case WriterState.PENDING:
            yield Condition(Code.WRITER_PENDING, Severity.INFO, _pending(report), data)
        case WriterState.UNKNOWN:
            yield Condition(Code.WRITER_UNKNOWN, Severity.INFO, _unknown(report), data)
    tested, run = report.promoted_untested, report.last_good
    if tested is not None and run is not None:
        named = report.marker.version
        yield Condition(
            Code.PROMOTED_UNTESTED,
            Severity.INFO,
            f"{report.marker.path} names {named}, but the run of {report.job} that wrote it tested {tested}: "
            f"{link_of(report, run)}",
            {
                "marker": report.marker.path,
                "job": report.job,
                "version": str(named),
                "tested": str(tested),
                "run": link_of(report, run),
            },
        )


def _data(report: WriterReport) -> dict[str, Datum]:
    data: dict[str, Datum] = {"marker": report.marker.path, "job": report.job, "state": report.state}
    if report.since is not None:
        data["since"] = f"{report.since:%Y-%m-%dT%H:%M:%SZ}"
    if report.runs is not None:
        data["runs"] = report.runs
        data["runs_counted"] = "exactly" if report.is_count_exact else "at least"
    runs = {
        "first_failing_run": report.first_red,
        "newest_failing_run": report.newest_red,
        "last_good_run": report.last_good,
        "run_on_its_way": report.on_way,
    }
    data |= {name: link_of(report, run) for name, run in runs.items() if run is not None}
    if report.last_good is not None and report.last_good.tested is not None:
        data["last_good_tested"] = str(report.last_good.tested)
    return data


# --------------------------------------------------------------------------------------------------
# Red


def _red(report: WriterReport, around: Surroundings) -> str:
    since = "" if report.since is None else f" since {moment(report.since)}"
    least = "" if report.is_since_exact else " at least"
    where = "" if report.writer.interval is not None else f" on {report.marker.ref}"
    first = f"{_standstill(report, around)}{report.job} has been red{where}{least}{since}"
    parts = [_counted(report), *_runs(report), *_merges(around, report)]
    return f"{first}: {'; '.join(parts)}"


def _standstill(report: WriterReport, around: Surroundings) -> str:
    """Say what the red job has stopped, where that is certain; empty otherwise."""
    marker = report.marker
    if report.writer.interval is None:
        if around.newest is None or around.newest != marker.version or around.uploaded is None:
            return ""
        return f"{marker.ref} has had no build since {moment(around.uploaded)}, because "
    if marker.written is None or report.by_hand:
        return ""
    return f"{marker.path} has not moved since {moment(marker.written)}, because "


def _counted(report: WriterReport) -> str:
    runs = report.runs or 0
    if report.is_count_exact:
        number = (
            "its only run since then has not"
            if runs == 1
            else f"none of its {count(runs, 'run')} since then has"
        )
    elif report.writer.interval is None:
        number = f"at least {runs} of its {count(report.listed, 'run')} since then, for all branches, " + (
            "was for this one and has not" if runs == 1 else "were for this one, and none has"
        )
    else:
        number = f"none of its newest {count(runs, 'run')} has" if runs > 1 else "its newest run has not"
    return f"{number} written the marker"


def _runs(report: WriterReport) -> Iterator[str]:
    reds = dict.fromkeys(run for run in (report.newest_red, report.first_red) if run is not None)
    for which, run in zip(("the newest failing run", "the first"), reds, strict=False):
        merge = f" for merge {run.commit[:10]}" if run.commit else ""
        yield f"{which} is of {moment(run.began)}{merge}, {link_of(report, run)}"
    good = report.last_good
    if good is not None and report.writer.interval is None:
        yield f"its last good run there, of {moment(good.began)}, built {report.marker.version or 'a build'}"
    elif good is not None and good.tested is not None:
        yield f"its last good run, of {moment(good.began)}, tested {good.tested}"
    elif report.by_hand:
        yield "the marker was last written by something else than a run of it"


def _merges(around: Surroundings, report: WriterReport) -> Iterator[str]:
    if around.merges and report.writer.interval is None:
        yield f"{count(around.merges, 'merge')} {'waits' if around.merges == 1 else 'wait'}"


# --------------------------------------------------------------------------------------------------
# The others


def _idle(report: WriterReport, *, now: datetime) -> str:
    interval = report.writer.interval
    rate = "" if interval is None else f", and is to run every {duration(interval)}"
    since = "" if report.since is None else f" since {moment(report.since)} ({duration(now - report.since)})"
    last = report.newest
    link = "" if last is None else f"; its last run is {link_of(report, last)}"
    if last is not None and last.result is not None:
        link = f"; its last run, {last.result}, is {link_of(report, last)}"
    return f"{report.job}, which writes {report.marker.path}, has not run{since}{rate}{link}"


def _not_writing(report: WriterReport) -> str:
    run = report.newest
    passed = next((each for each in reversed(report.history) if each.result == "passed"), run)
    example = "" if passed is None else f", as that of {moment(passed.began)} did, {link_of(report, passed)}"
    if report.marker.written is None:
        still = f"but there is no {report.marker.path}"
    else:
        still = f"but {report.marker.path} has not moved since {moment(report.marker.written)}"
    return f"runs of {report.job} pass{example}, {still}: see whether it may still write there"


def _pending(report: WriterReport) -> str:
    run = report.on_way
    on_way = "" if run is None else f" since {moment(run.began)}, {link_of(report, run)}"
    return f"a run of {report.job}, which writes {report.marker.path}, has been on its way{on_way}"


def _unknown(report: WriterReport) -> str:
    unknown = f"{report.place} does not show the state of {report.job}, which writes {report.marker.path}"
    return f"{unknown}: {report.reason}"
