"""The witness of jobs: how the runs of a marker's writer ended, in few requests (DESIGN section 13).

Runs lie in a store like any other: Prow's bucket, or a directory. One listing finds the runs of a job since its
oldest marker was written. At most five reads for each marker find out the rest. Nothing here fails a command or
changes an answer: where something cannot be read, the state of the writer is not known, with the reason. This module
must not know how a writer is judged, or what is said of it.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import unquote_to_bytes

from attrs import evolve, field

from kopsversion.errors import ObjectNotFoundError, StoreError, UsageError
from kopsversion.model.answer import Rung, Verdict
from kopsversion.model.channel import Certainty
from kopsversion.model.codes import Code
from kopsversion.model.layout import JOBS, OFFICIAL_ROOT
from kopsversion.model.runs import (
    Absent,
    Run,
    RunFile,
    RunId,
    Unreadable,
    check_job_name,
    first_id,
    is_job_name,
    read_file,
)
from kopsversion.model.values import frozen
from kopsversion.model.writers import DEFAULT_WRITERS, Writer, writer_of
from kopsversion.rules.health import with_writers
from kopsversion.rules.writer_conditions import Surroundings, causes_first, writer_conditions
from kopsversion.rules.writers import JobRuns, Want, judge_writer, presume_branches, window_start
from kopsversion.stores.deadline import AT_ONCE, side_by_side
from kopsversion.workflows.arguments import checked, elements
from kopsversion.workflows.stores import borrowed, place_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from kopsversion.model.answer import Condition, Resolution
    from kopsversion.model.bucket import Marker
    from kopsversion.rules.report import HealthReport
    from kopsversion.rules.writers import WriterReport
    from kopsversion.stores.base import Content, Store
    from kopsversion.stores.deadline import Deadline
    from kopsversion.workflows.stores import StoreLike

T = TypeVar("T")

__all__ = [
    "DEFAULT_JOBS",
    "JobsQuestion",
    "RunsReader",
    "WriterCase",
    "explain_answer",
    "explain_health",
    "explain_writers",
    "place_of_jobs",
]

DEFAULT_JOBS = "gs://kubernetes-ci-logs/logs/"
"""Where Prow keeps the results of kops' jobs."""

_OFFICIAL = frozenset({OFFICIAL_ROOT, OFFICIAL_ROOT.replace("https://storage.googleapis.com/", "gs://")})
_LOGS = JOBS.rstrip("/")

MOST_REQUESTS = 38
"""Requests that explaining all writers may take, listings included; a directory costs nothing."""

_SHARE = 0.5
"""The part of the remaining time that jobs may take, so that a store of runs that hangs does not use up all of it."""

_READS_OF_A_MARKER = 5
_MOST_READS = 5000
"""Files that are read from a directory at the most: no demo has so many."""


def _read_place(place: StoreLike | None) -> str | Store | None:
    # Whether it names a store shows when it is asked: a mistake in it must not fail the check.
    if place is None or isinstance(place, str | Path):
        return None if place is None else str(place)
    return place_of("place", place)


def _read_writers(writers: Iterable[Writer]) -> tuple[Writer, ...]:
    return elements("writers", writers, Writer, wanted="Writer values")


@frozen(kw_only=True)
class JobsQuestion:
    """Whether to look at jobs, and where.

    >>> question = JobsQuestion(wanted=True, place=MemoryStore("mem://jobs/"))
    >>> master = check_health(["master"], store=store, now=NOW, jobs=question).channels[0]
    >>> [(writer.job, str(writer.state)) for writer in master.writers]
    [('kops-postsubmit-push-to-staging', 'unknown'), ('e2e-kops-pipeline-updown-kops-master', 'unknown')]

    Attributes:
        wanted: whether to; ``None`` for only where it is known where the jobs are: for kops' own bucket, and for a
            directory with ``logs/``.
        place: the store of runs, by URL, path or as an object; ``None`` for the one that belongs to the store.
        writers: which job writes which marker; the first that is given for a marker counts.
    """

    wanted: bool | None = None
    place: str | Store | None = field(default=None, converter=_read_place)
    writers: tuple[Writer, ...] = field(default=DEFAULT_WRITERS, converter=_read_writers)

    def __attrs_post_init__(self) -> None:
        """Refuse a `wanted` that is not a bool, which would count as true."""
        if self.wanted is not None:
            checked("wanted", self.wanted, bool, wanted="True, False or None")


def place_of_jobs(question: JobsQuestion, *, store: str) -> str | Store | None:
    """Return where the jobs lie that write the markers of a store; ``None`` where they are not to be looked at.

    Parameters:
        question: what is asked.
        store: the URL of the store that answered.
    """
    if question.wanted is False:
        return None
    if isinstance(question.place, str) and "://" not in question.place:
        return _logs_in(question.place) or question.place
    if question.place is not None:
        return question.place
    if store.startswith("file://"):
        beside = _logs_in(os.fsdecode(unquote_to_bytes(store.removeprefix("file://"))))
        if beside is not None:
            return beside
    return DEFAULT_JOBS if question.wanted or store in _OFFICIAL else None


def _logs_in(directory: str) -> str | None:
    """Return where a directory has its jobs, if it has some."""
    inside = os.path.join(directory, _LOGS)  # noqa: PTH118 # Path.is_dir raises where a directory is closed to us
    return inside if os.path.isdir(inside) else None  # noqa: PTH112 # the same


@frozen(kw_only=True)
class WriterCase:
    """A marker whose writer is to be judged.

    Attributes:
        writer: who writes it.
        marker: the marker.
        waits: whether there is something newer that it could name.
    """

    writer: Writer
    marker: Marker
    waits: bool = False

    def start(self, now: datetime) -> datetime:
        """Return the moment from which its runs must be listed."""
        return window_start(self.writer, self.marker.written, now=now)


def explain_writers(
    cases: Sequence[WriterCase],
    *,
    place: str | Store,
    now: datetime,
    as_of: datetime | None,
    deadline: Deadline,
    uploads: Sequence[tuple[datetime, str]] = (),
    most_requests: int = MOST_REQUESTS,
) -> tuple[tuple[WriterReport, ...], int]:
    """Judge the writers of markers; whatever goes wrong with the store of runs is a reason in the reports, no error.

    Parameters:
        cases: the markers.
        place: where runs lie.
        now: the moment of the judgement, UTC.
        as_of: a run that ended after it counts as one without a result, UTC; ``None`` for the present.
        deadline: nothing waits longer.
        uploads: when builds were uploaded, UTC, and of which branch each is, as far as known.
        most_requests: how many requests all of it may take.

    Returns:
        A report for each case, in their order, and how many requests were made.

    Source: DESIGN section 13.
    """
    starts: dict[tuple[str, ...], datetime] = {}
    for case in cases:
        starts[case.writer.jobs] = min(case.start(now), starts.get(case.writer.jobs, now))
    with ExitStack() as held:
        try:
            store = held.enter_context(borrowed(place, deadline=deadline))
        except (StoreError, UsageError) as error:
            failed = JobRuns(job="", place=str(place), failure=str(error))
            return tuple(_judge(case, evolve(failed, job=case.writer.jobs[0]), now=now) for case in cases), 0
        held.enter_context(deadline.stage(_SHARE))
        reader = RunsReader(store, now=now, as_of=as_of, deadline=deadline, most_requests=most_requests)
        found = reader.find(starts)
        for case in cases:
            if case.writer.interval is None:
                reader.presume(found[case.writer.jobs], uploads, writer=case.writer)
        return _explained(cases, reader, found=found, now=now), reader.requests


def _explained(
    cases: Sequence[WriterCase],
    reader: RunsReader,
    *,
    found: Mapping[tuple[str, ...], JobRuns],
    now: datetime,
) -> tuple[WriterReport, ...]:
    """Judge, and read the files that would tell more, until the budget is spent or there are none."""
    left = dict.fromkeys(range(len(cases)), _READS_OF_A_MARKER)
    while True:
        known = [reader.known(found[case.writer.jobs]) for case in cases]
        reports = [
            _judge(case, job, now=now, thorough=reader.is_free)
            for case, job in zip(cases, known, strict=True)
        ]
        if not reader.read(_fair(reports, left=left, is_free=reader.is_free)):
            return tuple(reports)


def _judge(case: WriterCase, job: JobRuns, *, now: datetime, thorough: bool = False) -> WriterReport:
    return judge_writer(case.writer, case.marker, job, waits=case.waits, now=now, thorough=thorough)


def _fair(
    reports: Sequence[WriterReport], *, left: dict[int, int], is_free: bool
) -> Sequence[tuple[str, Want]]:
    """Choose what is read next: each marker's most useful files first, and none more than its share."""
    chosen: dict[tuple[str, Want], None] = {}
    for position, report in enumerate(reports):
        for want in report.wants if is_free else report.wants[: left[position]]:
            chosen[report.job, want] = None
            left[position] -= 1
    return list(chosen)


def explain_health(
    report: HealthReport,
    question: JobsQuestion,
    *,
    as_of: datetime | None,
    deadline: Deadline,
    progress: Callable[[str], None],
) -> HealthReport:
    """Add the reports on the writers of its markers to a health report, which is not changed otherwise.

    Parameters:
        report: how the channels are.
        question: whether to look at jobs, and where.
        as_of: a run that ended after it counts as one without a result, UTC; ``None`` for the present.
        deadline: nothing waits longer.
        progress: is told what happens next.
    """
    place = place_of_jobs(question, store=report.store)
    cases = [
        (channel.channel, WriterCase(writer=writer, marker=marker.report.marker, waits=marker.waits))
        for channel, marker in report.markers
        if not marker.ignored
        and (writer := writer_of(question.writers, ref=channel.channel, name=marker.name)) is not None
    ]
    if place is None or not cases:
        return report
    progress("looking at the jobs that write the markers")
    explained, requests = explain_writers(
        [case for _, case in cases],
        place=place,
        now=report.now,
        as_of=as_of,
        deadline=deadline,
        uploads=[
            (build.uploaded, channel.channel)
            for channel in report.channels
            for build in channel.builds
            if build.uploaded is not None and build.attribution.certainty is not Certainty.DOUBTFUL
        ],
    )
    reports = [(ref, each) for (ref, _), each in zip(cases, explained, strict=True)]
    channels = [
        with_writers(health, [each for ref, each in reports if ref == health.channel], now=report.now)
        for health in report.channels
    ]
    return evolve(report, channels=tuple(channels), requests=report.requests + requests)


def explain_answer(
    resolution: Resolution,
    question: JobsQuestion,
    *,
    as_of: datetime | None,
    deadline: Deadline,
) -> tuple[Condition, ...]:
    """Return conditions on the writers of the markers that an answer could not use; the answer itself stays the same.

    There are none for an answer from a marker alone or from the state file, since then the store could not be asked.

    Parameters:
        resolution: the answer.
        question: whether to look at jobs, and where.
        as_of: a run that ended after it counts as one without a result, UTC; ``None`` for the present.
        deadline: nothing waits longer.
    """
    place = place_of_jobs(question, store=resolution.store)
    if place is None or resolution.rung not in {Rung.FULL, Rung.LISTING}:
        return ()
    old = any(condition.code in {Code.BUILDS_OLD, Code.BUILDS_STALLED} for condition in resolution.conditions)
    cases = [
        WriterCase(writer=writer, marker=report.marker, waits=report.verdict is Verdict.STALE)
        for report in resolution.markers
        if (report.verdict is not Verdict.CURRENT or old)
        and report.verdict is not Verdict.LAGGING
        and (writer := writer_of(question.writers, ref=report.marker.ref, name=report.marker.name))
        is not None
    ]
    if not cases:
        return ()
    newest = resolution.newest or resolution.version
    around = Surroundings(
        newest=newest, uploaded=resolution.uploaded if newest == resolution.version else None
    )
    explained, _ = explain_writers(
        cases, place=place, now=resolution.now, as_of=as_of, deadline=deadline, most_requests=12
    )
    return tuple(
        condition
        for report in causes_first(explained)
        for condition in writer_conditions(report, around, now=resolution.now)
    )


# --------------------------------------------------------------------------------------------------
# Reading


class RunsReader:
    """Finds and reads runs within a budget, and remembers them.

    Parameters:
        store: where runs lie.
        now: the moment of the judgement, UTC; later runs are left out.
        as_of: a run that ended after it counts as one without a result, UTC; ``None`` for the present.
        deadline: nothing waits longer.
        most_requests: how many requests all of it may take.
    """

    def __init__(
        self,
        store: Store,
        *,
        now: datetime,
        as_of: datetime | None,
        deadline: Deadline,
        most_requests: int,
    ) -> None:
        self._store = store
        self.now = now
        self._as_of = as_of
        self._deadline = deadline
        self._before = store.requests
        self._most = _MOST_READS if self.is_free else most_requests
        self._read = 0
        self._runs: dict[tuple[str, RunId], Run] = {}

    @property
    def url(self) -> str:
        """Where runs lie."""
        return self._store.url

    @property
    def is_free(self) -> bool:
        """Whether requests cost nothing, as in a directory."""
        return self._store.is_local

    @property
    def requests(self) -> int:
        """How many requests were made."""
        return self._store.requests - self._before

    @property
    def left(self) -> int:
        """How many reads are left."""
        return max(0, self._most - (self._read if self.is_free else self.requests))

    def find(self, starts: Mapping[tuple[str, ...], datetime]) -> dict[tuple[str, ...], JobRuns]:
        """List the runs of jobs since a moment, each job by the first of its names that has any.

        Parameters:
            starts: by the names of a job, since when its runs are listed, UTC.
        """
        calls = {
            f"{self.url}{names[0]}/": partial(self._find_one, names, since=since)
            for names, since in starts.items()
        }
        outcomes = list(self._side_by_side(calls))
        found: dict[tuple[str, ...], JobRuns] = {}
        for names, outcome in zip(starts, outcomes, strict=True):
            if isinstance(outcome, StoreError):
                outcome = JobRuns(job=names[0], place=self.url, failure=str(outcome))
            found[names] = outcome
        return found

    def _find_one(self, names: Sequence[str], *, since: datetime) -> JobRuns:
        for name in names:
            runs = self.list(name, since=since)
            if runs:
                return JobRuns(job=name, place=self.url, runs=tuple(runs))
        for name in names:
            last = self._last(name)
            if last is not None:
                return JobRuns(job=name, place=self.url, last=last)
        return JobRuns(job=names[0], place=self.url)

    def jobs(self) -> tuple[str, ...]:
        """Name every job that has results.

        Raises:
            StoreError: they cannot be listed.
        """
        names = (name.removesuffix("/") for name in self._store.list("", delimiter="/").prefixes)
        return tuple(name for name in names if is_job_name(name))

    def list(self, job: str, *, since: datetime) -> list[Run]:
        """List the runs of a job since a moment, oldest first, in one listing.

        Raises:
            StoreError: they cannot be listed.
        """
        first = first_id(since)
        prefix = f"{check_job_name(job)}/"
        listing = self._store.list(prefix, delimiter="/", start=f"{prefix}{first}")
        ids = (RunId.parse(name.removeprefix(prefix).removesuffix("/")) for name in listing.prefixes)
        runs = [Run(job=job, id=run) for run in sorted(run for run in ids if run is not None)]
        listed = [run for run in runs if run.id >= first and run.began <= self.now]
        for run in listed:
            self._runs.setdefault((job, run.id), run)
        return listed

    def _last(self, job: str) -> RunId | None:
        """Return the id of the job's newest run, from ``latest-build.txt``; ``None`` where there is none."""
        try:
            content = self._store.read(f"{job}/latest-build.txt", limit=64)
        except ObjectNotFoundError:
            return None
        last = RunId.parse(content.data.decode(errors="replace").strip())
        return last if last is not None and last.moment <= self.now else None

    def presume(self, job: JobRuns, uploads: Sequence[tuple[datetime, str]], *, writer: Writer) -> None:
        """Note for which branches runs were, by the builds that were uploaded; see `presume_branches`."""
        runs = [self._runs[job.job, run.id] for run in job.runs]
        for run in presume_branches(runs, uploads, writer=writer):
            self._runs[job.job, run.id] = run

    def known(self, job: JobRuns) -> JobRuns:
        """Return what is known of a job's runs by now, as it was at the moment asked for."""
        runs = (self._runs[job.job, run.id] for run in job.runs)
        seen = tuple(runs if self._as_of is None else (run.as_of(self._as_of) for run in runs))
        return evolve(job, runs=seen)

    def read(self, wanted: Sequence[tuple[str, Want]]) -> bool:
        """Read files of runs, as many as the budget allows; return whether anything was read."""
        unread = dict.fromkeys((job, want) for job, want in wanted if self._is_unread(job, want))
        fresh = list(unread)[: self.left]
        if not fresh or self._deadline.expired:
            return False
        self._read += len(fresh)
        names = [f"{job}/{want.run}/{want.file}" for job, want in fresh]
        calls = {
            f"{self.url}{name}": partial(self._store.read, name, limit=want.file.limit)
            for name, (_, want) in zip(names, fresh, strict=True)
        }
        for (job, want), outcome in zip(fresh, self._side_by_side(calls), strict=True):
            key = job, want.run
            self._runs[key] = _with_file(self._runs[key], want.file, outcome)
        return True

    def _is_unread(self, job: str, want: Want) -> bool:
        return self._runs[job, want.run].reading(want.file) is None

    def _side_by_side(self, calls: Mapping[str, Callable[[], T]]) -> Iterator[T | StoreError]:
        """Run calls side by side, a few at a time; each is named by the URL that it asks for."""
        urls = list(calls)
        for begin in range(0, len(urls), AT_ONCE):
            some = urls[begin : begin + AT_ONCE]
            yield from side_by_side([calls[url] for url in some], deadline=self._deadline, urls=some)


def _with_file(run: Run, file: RunFile, outcome: Content | StoreError) -> Run:
    """Add to a run what one of its files says, or that it could not be read."""
    if isinstance(outcome, ObjectNotFoundError):
        return run.having(file, Absent())
    if isinstance(outcome, StoreError):
        return run.having(file, Unreadable(f"cannot be read: {outcome}", is_given=False))
    return run.having(file, read_file(file, outcome.data))
