"""Why a marker stands still: how the runs of the job that writes it ended (DESIGN section 13).

Pure. It explains and never chooses: no answer depends on anything here. A year of runs is judged by a few files,
because the marker itself tells most of it. A pipeline writes its marker on every test that passes. So the run that
spans the marker's time is the last one that promoted, and no later one did. Further files that would help are in
`WriterReport.wants`, the most useful first; the caller decides how many of them are worth a request.

This module must not know where runs are kept, or how a report is put into words.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from attrs import evolve

from kopsversion.model.bucket import Missing
from kopsversion.model.runs import ProwJob, Result, RunFile, SeenRun, Unreadable
from kopsversion.model.values import frozen
from kopsversion.model.wording import count

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from kopsversion.model.bucket import Marker
    from kopsversion.model.runs import Run, RunId
    from kopsversion.model.version import BuildVersion
    from kopsversion.model.writers import Writer

__all__ = [
    "JobRuns",
    "Want",
    "WriterReport",
    "WriterState",
    "judge_writer",
    "presume_branches",
    "window_start",
]

SLACK = timedelta(minutes=2)
"""How far a run's times and a marker's may disagree: a log begins up to 116 s after its run's id."""

_BEFORE = timedelta(minutes=5)
_OVERTIME = timedelta(minutes=30)
"""How much longer than its timeout a run without a result may still be on its way: the cluster is torn down."""

_NEWEST = 3
"""How many runs are read at once to find a branch's newest, and how many without a result are passed over."""


class WriterState(StrEnum):
    """How a writer is."""

    GREEN = "green"
    RED = "red"
    IDLE = "idle"
    PENDING = "pending"
    """The marker waits for something newer, and a run is on its way."""
    NOT_WRITING = "green-not-writing"
    """Runs pass, and the marker does not move."""
    UNKNOWN = "unknown"


@frozen
class Want:
    """A file of a run that would tell more."""

    run: RunId
    file: RunFile


@frozen(kw_only=True)
class JobRuns:
    """What is known of a job's runs.

    Attributes:
        job: the name under which they were found.
        place: the URL of the store of runs.
        runs: oldest first, none later than the moment of the judgement.
        last: the id given out last, asked for where no run was listed.
        failure: why they could not be listed; ``None`` if they could.
    """

    job: str
    place: str
    runs: tuple[Run, ...] = ()
    last: RunId | None = None
    failure: str | None = None


@frozen(kw_only=True)
class WriterReport:
    """How a marker's writer is.

    Attributes:
        marker: the marker.
        writer: who writes it.
        job: the name under which runs were found.
        place: the URL of the store of runs.
        state: how the writer is.
        reason: why that is not known.
        since: since when it is red or idle, UTC.
        is_since_exact: whether it cannot have been so for longer.
        runs: how many ended since the last that wrote the marker, of those that are known.
        is_count_exact: whether there are no others.
        listed: how many runs began since the marker was written, including those for other branches.
        first_red, newest_red: the first and the newest that failed; that the first failed follows from the marker.
        last_good: the run that wrote the marker.
        on_way: a run without a result that may still have one.
        newest: the newest run; of a job for several branches, the newest that is known to be for this one.
        by_hand: whether something else than a run of this job wrote the marker last.
        history: the runs of this marker's branch, oldest first, as far as they are known.
        wants: what would tell more, best first.
    """

    marker: Marker
    writer: Writer
    job: str
    place: str
    state: WriterState = WriterState.UNKNOWN
    reason: str = ""
    since: datetime | None = None
    is_since_exact: bool = True
    runs: int | None = None
    is_count_exact: bool = True
    listed: int = 0
    first_red: Run | None = None
    newest_red: Run | None = None
    last_good: Run | None = None
    on_way: Run | None = None
    newest: Run | None = None
    by_hand: bool = False
    history: tuple[Run, ...] = ()
    wants: tuple[Want, ...] = ()

    @property
    def last_success(self) -> datetime | None:
        """When a run wrote the marker last, UTC, where that is known."""
        return None if self.by_hand or self.last_good is None else self.marker.written

    @property
    def first_failing_run(self) -> SeenRun | None:
        """The first run that failed; its result may follow from the marker, and not have been read."""
        return self._seen(self.first_red)

    @property
    def newest_failing_run(self) -> SeenRun | None:
        """The newest run that failed."""
        return self._seen(self.newest_red)

    @property
    def last_good_run(self) -> SeenRun | None:
        """The run that wrote the marker."""
        return self._seen(self.last_good)

    @property
    def run_on_its_way(self) -> SeenRun | None:
        """A run without a result that may still have one."""
        return self._seen(self.on_way)

    @property
    def newest_run(self) -> SeenRun | None:
        """The newest run, as far as known."""
        return self._seen(self.newest)

    @property
    def runs_read(self) -> tuple[SeenRun, ...]:
        """The runs of the marker's branch whose result was read, oldest first."""
        return tuple(SeenRun.of(run, place=self.place) for run in self.history if run.result is not None)

    def _seen(self, run: Run | None) -> SeenRun | None:
        return None if run is None else SeenRun.of(run, place=self.place)

    @property
    def promoted_untested(self) -> BuildVersion | None:
        """The build that the run which wrote the marker tested, where the marker names another one."""
        tested = self.last_good.tested if self.last_good is not None else None
        named = self.marker.version
        return tested if not self.by_hand and None not in (tested, named) and tested != named else None


def presume_branches(
    runs: Sequence[Run], uploads: Iterable[tuple[datetime, str]], *, writer: Writer
) -> tuple[Run, ...]:
    """Tell by their builds for which branches runs were, so that they need not be read.

    A run was for a branch if it alone was at work when a build was uploaded, and all builds of its time are that
    branch's. A run that failed has no build, and so has to be read.

    Parameters:
        runs: of a job that builds, oldest first.
        uploads: when a build was uploaded, UTC, and of which branch it is.
        writer: the job; how long a run may take counts.
    """
    longest = writer.timeout + _BEFORE
    began = [run.began for run in runs]
    alone: dict[int, set[str]] = {}
    shared: dict[int, set[str]] = {}
    for at, ref in uploads:
        able = range(bisect_left(began, at - longest), bisect_right(began, at))
        for position in able:
            (alone if len(able) == 1 else shared).setdefault(position, set()).add(ref)
    return tuple(
        evolve(run, presumed=next(iter(refs)))
        if len(refs := alone.get(position, set())) == 1 and shared.get(position, refs) <= refs
        else run
        for position, run in enumerate(runs)
    )


def window_start(writer: Writer, written: datetime | None, *, now: datetime) -> datetime:
    """Return the moment from which runs must be listed.

    It lies before the run that wrote the marker, and far enough back to show whether the writer is idle.

    Parameters:
        writer: the writer.
        written: when the marker was written, UTC; ``None`` where not known.
        now: the moment of the judgement, UTC.
    """
    start = min(written if written is not None else now, now) - writer.timeout - _BEFORE
    return start if writer.idle_after is None else min(start, now - writer.idle_after - _BEFORE)


def judge_writer(
    writer: Writer, marker: Marker, job: JobRuns, *, waits: bool, now: datetime, thorough: bool
) -> WriterReport:
    """Judge the writer of a marker by the runs that are known.

    Parameters:
        writer: who writes it.
        marker: the marker.
        job: the writer's runs.
        waits: whether there is something newer that the marker could name.
        now: the moment of the judgement, UTC.
        thorough: whether to want every file that would tell more, and not the most telling few.

    Returns:
        The best that can be said, and what would tell more.

    Source: DESIGN section 13.
    """
    written = marker.written if marker.written is not None and marker.written <= now else None
    report = WriterReport(
        marker=marker,
        writer=writer,
        job=job.job,
        place=job.place,
        newest=job.runs[-1] if job.runs else None,
        listed=len(_after(job.runs, written)),
    )
    if job.failure is not None:
        return evolve(report, reason=job.failure)
    if not job.runs and job.last is None:
        return evolve(
            report, reason="it has no results there: it may have another name by now, or they are gone"
        )
    case = _Case(report=report, runs=job.runs, written=written, now=now, thorough=thorough)
    idle = _idle_since(case, last=job.last)
    if idle is not None:
        return evolve(
            report, state=WriterState.IDLE, since=idle, history=job.runs, wants=_results(job.runs[-1:])
        )
    judged = _judge_hourly(case) if writer.interval is not None else _judge_on_merge(case)
    judged = _confirmed(judged)
    if judged.state is WriterState.GREEN and judged.on_way is not None and waits:
        return evolve(judged, state=WriterState.PENDING)
    return judged


@frozen(kw_only=True)
class _Case:
    """What is judged: `written` is ``None`` where the marker's time is not known, or lies after `now`."""

    report: WriterReport
    runs: Sequence[Run]
    written: datetime | None
    now: datetime
    thorough: bool

    @property
    def writer(self) -> Writer:
        return self.report.writer

    @property
    def tells(self) -> bool:
        """Whether a run that passed and did not move the marker is a fault: not where the marker cannot be read."""
        return self.written is not None or (
            isinstance(self.report.marker.reading, Missing) and self.report.marker.written is None
        )

    def is_on_way(self, run: Run) -> bool:
        return run.result is Result.RUNNING and self.now - run.began <= self.writer.timeout + _OVERTIME

    def spans(self, run: Run) -> bool:
        """Tell whether a run can have written the marker."""
        if self.written is None or run.ended is None:
            return self.in_window(run)
        return self.in_window(run) and run.ended >= self.written - SLACK

    def in_window(self, run: Run) -> bool:
        """Tell whether a run began early enough, and late enough, to have written the marker."""
        if self.written is None:
            return False
        return self.written - self.writer.timeout - _BEFORE <= run.began <= self.written


def _after(runs: Iterable[Run], moment: datetime | None) -> list[Run]:
    return [run for run in runs if moment is None or run.began > moment]


def _idle_since(case: _Case, *, last: RunId | None) -> datetime | None:
    newest = case.runs[-1].began if case.runs else last.moment if last is not None else None
    limit = case.writer.idle_after
    return newest if newest is not None and limit is not None and case.now - newest > limit else None


def _results(runs: Iterable[Run]) -> tuple[Want, ...]:
    return tuple(Want(run.id, RunFile.FINISHED) for run in runs if run.result is None)


# --------------------------------------------------------------------------------------------------
# A job that runs every so often, and promotes what passed


def _judge_hourly(case: _Case) -> WriterReport:
    later = _after(case.runs, case.written)
    spanning = [run for run in case.runs if case.in_window(run)]
    report = evolve(case.report, history=tuple(case.runs))
    # The newest result and the promoting run are asked for side by side.
    promoter = spanning[-1:]
    asked = [*_results(promoter), *(Want(run.id, RunFile.LOG) for run in promoter if run.log is None)]
    if any(run.result is not None and run.result.is_red for run in promoter):
        asked += _results(spanning[-2:-1])  # the one before may have overlapped it, and have promoted
    newest = _newest_result(case, later)
    report = evolve(report, on_way=newest.on_way, wants=(*newest.wants, *asked))
    ended = [run for run in later if run is not newest.on_way]
    if not ended:
        return _judge_by_promoter(case, report, spanning)
    report = _with_promoter(case, report, spanning)
    if newest.run is None:
        return evolve(report, reason=newest.reason)
    if newest.run.result is Result.PASSED:
        state = WriterState.NOT_WRITING if case.tells else WriterState.GREEN
        return evolve(report, state=state, since=case.written)
    return evolve(
        report,
        state=WriterState.RED,
        since=ended[0].began,
        is_since_exact=report.last_good is not None,
        runs=len(ended),
        is_count_exact=report.last_good is not None,
        first_red=ended[0],
        newest_red=newest.run,
    )


@frozen(kw_only=True)
class _Newest:
    """The newest run with a result; where there is none, `wants` or `reason` say why."""

    run: Run | None = None
    on_way: Run | None = None
    wants: tuple[Want, ...] = ()
    reason: str = ""


def _newest_result(case: _Case, runs: Sequence[Run]) -> _Newest:
    """Find the newest run that ended, past those that are on their way or whose result cannot be read."""
    on_way: Run | None = None
    passed_over = 0
    for run in reversed(runs):
        if run.result is None:
            return _Newest(on_way=on_way, wants=_results([run]), reason="its newest result was not read")
        if on_way is None and case.is_on_way(run):
            on_way = run
            continue
        if run.result not in {Result.RUNNING, Result.UNKNOWN}:
            return _Newest(run=run, on_way=on_way)
        passed_over += 1
        if passed_over == _NEWEST:
            break
    return _Newest(on_way=on_way, reason=_why_unknown(runs))


def _why_unknown(runs: Sequence[Run]) -> str:
    reasons = [run.finished.reason for run in reversed(runs) if isinstance(run.finished, Unreadable)]
    said = f": finished.json {reasons[0]}" if reasons else ""
    return f"none of its newest runs has a result that can be read{said}"


def _with_promoter(case: _Case, report: WriterReport, spanning: Sequence[Run]) -> WriterReport:
    """Name the run that wrote the marker, or say that none did."""
    if case.written is None:
        return report
    writers = [run for run in spanning if case.spans(run)]
    # A run that passed is the likelier one, where two overlap.
    passed = [run for run in writers if run.result is Result.PASSED]
    best = next(reversed(passed or writers), None)
    # With no run before the marker's time among the results, those may be gone.
    known = any(run.began <= case.written for run in case.runs)
    return evolve(report, last_good=best, by_hand=best is None and known)


def _judge_by_promoter(case: _Case, report: WriterReport, spanning: Sequence[Run]) -> WriterReport:
    """Judge a job no run of which has ended since the marker was written."""
    report = _with_promoter(case, report, spanning)
    before = [run for run in case.runs if run is not report.on_way]
    newest = _newest_result(case, before)
    report = evolve(
        report,
        on_way=report.on_way or newest.on_way,
        wants=tuple(dict.fromkeys((*report.wants, *newest.wants))),
    )
    last, good = newest.run, report.last_good
    if last is None and good is None:
        state = WriterState.PENDING if report.on_way and not before else WriterState.UNKNOWN
        return evolve(report, state=state, reason=newest.reason)
    is_later = last is not None and (good is None or last.id > good.id)
    # One that failed after it had promoted, when the cluster was torn down, has promoted.
    if last is None or not is_later or last.result is Result.PASSED:
        return evolve(report, state=WriterState.GREEN, runs=0)
    return evolve(
        report,
        state=WriterState.RED,
        since=last.began,
        is_since_exact=report.last_good is not None,
        runs=1,
        is_count_exact=report.last_good is not None,
        first_red=last,
        newest_red=last,
    )


def _confirmed(report: WriterReport) -> WriterReport:
    """Check a report against what its runs' own arguments say that they write, where those were read."""
    said = [run for run in (report.newest_red, report.last_good, report.newest) if run is not None]
    for run in said:
        if isinstance(run.prowjob, ProwJob) and run.prowjob.publishes:
            if report.marker.path in run.prowjob.publishes:
                return report
            place = run.prowjob.publishes[0] or "another place"
            return evolve(
                report, state=WriterState.UNKNOWN, reason=f"its run {run.id} says that it writes {place}"
            )
    alarming = {WriterState.RED, WriterState.NOT_WRITING}
    if report.state in alarming and said and said[0].prowjob is None and report.writer.interval is not None:
        return evolve(report, wants=(*report.wants, Want(said[0].id, RunFile.PROWJOB)))
    return report


# --------------------------------------------------------------------------------------------------
# A job that runs on every merge, for every branch


def _judge_on_merge(case: _Case) -> WriterReport:
    branch = case.report.marker.ref
    start = window_start(case.writer, case.written, now=case.now)
    runs = [run for run in case.runs if case.written is None or run.began >= start]
    own = [run for run in runs if run.branch == branch]
    newest = _newest_result(case, own)
    report = evolve(
        case.report,
        history=tuple(own),
        newest=next(reversed(own), None),
        on_way=newest.on_way,
        wants=newest.wants,
    )
    wrote = newest.run is not None and (case.written is None or newest.run.began <= case.written)
    if newest.run is not None and newest.run.result is not Result.PASSED:
        return _red_on_merge(case, report, runs, newest=newest.run)
    if newest.run is not None and case.tells and not wrote:
        return evolve(report, state=WriterState.NOT_WRITING, since=case.written)
    return _quiet_on_merge(case, report, runs, newest=newest)


def _quiet_on_merge(
    case: _Case, report: WriterReport, runs: Sequence[Run], *, newest: _Newest
) -> WriterReport:
    """Judge a branch none of whose runs is known to have failed: whether there are others must be known."""
    later = runs if newest.run is None else _after(runs, newest.run.began)
    unread = [run for run in reversed(later) if _is_unread(run)]
    if unread:
        # The first run after the marker was written is the branch's own more often than any other.
        first = [run for run in unread if case.written is None or run.began > case.written][-1:]
        some = unread if case.thorough else [*unread[: _NEWEST - 1], *first]
        return evolve(
            report,
            reason=f"the branch of {len(unread)} of its {count(len(runs), 'run')} since then was not read",
            wants=(*report.wants, *dict.fromkeys(_branches(some))),
        )
    blind = sum(run.branch is None for run in later)
    if blind:
        reason = f"the branch of {blind} of its {count(len(runs), 'run')} since then cannot be read"
        return evolve(report, reason=reason)
    if newest.run is None and [run for run in report.history if run is not newest.on_way]:
        return evolve(report, reason=newest.reason)
    # A run for a merge is always one for something newer.
    state = WriterState.GREEN if newest.on_way is None else WriterState.PENDING
    return evolve(report, state=state, runs=0, last_good=newest.run)


def _is_unread(run: Run) -> bool:
    """Tell whether a file may still say which branch a run was for."""
    return run.branch is None and (run.prowjob is None or run.started is None)


def _branches(runs: Iterable[Run]) -> tuple[Want, ...]:
    """Ask for the file that says which branch a run was for: ``prowjob.json``, else ``started.json``."""
    return tuple(
        Want(run.id, RunFile.PROWJOB if run.prowjob is None else RunFile.STARTED)
        for run in runs
        if _is_unread(run)
    )


def _red_on_merge(case: _Case, report: WriterReport, runs: Sequence[Run], *, newest: Run) -> WriterReport:
    """Say since when a branch's runs fail: since the first after the one that wrote the marker."""
    own = [run for run in runs if run.branch == report.marker.ref and run is not report.on_way]
    # Runs overlap: the newest can have begun before the marker was written, and failed after.
    failed = [run for run in own if run is newest or case.written is None or run.began > case.written]
    first = failed[0]
    between = [run for run in _after(runs, case.written) if run.branch is None]
    before_first = [run for run in between if run.began < first.began]
    spanning = [run for run in runs if case.in_window(run) and run is not newest]
    writers = [run for run in spanning if run.branch == report.marker.ref and case.spans(run)]
    wants = [*_branches(before_first if case.thorough else before_first[:2])]
    wants += _branches(spanning[-1:])
    wants += _branches(between if case.thorough else ())
    return evolve(
        report,
        state=WriterState.RED,
        since=first.began,
        is_since_exact=case.written is not None and not before_first,
        runs=len(failed),
        is_count_exact=case.written is not None and not between,
        first_red=first,
        newest_red=newest,
        last_good=writers[-1] if writers else None,
        wants=(*report.wants, *dict.fromkeys(wants)),
    )
