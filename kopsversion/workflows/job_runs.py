"""The last runs of jobs: when, how they ended, and which build each tested (``kopsversion jobs``; DESIGN section 13).

A row costs two reads, its result and its log. All of it costs no more than `_BEYOND` requests above the number of rows.
This module judges no writer, and must not know how its rows are shown.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from attrs import evolve

from kopsversion.errors import ResolutionError, StoreError, UsageError
from kopsversion.model.channel import MASTER, Channel
from kopsversion.model.layout import DEFAULT_STORE
from kopsversion.model.runs import Result, Run, RunFile, SeenRun, Unreadable, check_job_name
from kopsversion.model.values import frozen
from kopsversion.rules.same_build import SameBuild, same_build
from kopsversion.rules.writers import JobRuns, Want
from kopsversion.stores.deadline import Deadline
from kopsversion.workflows.jobs import DEFAULT_JOBS, JobsQuestion, RunsReader, place_of_jobs
from kopsversion.workflows.question import DEFAULT_TIMEOUT, in_utc
from kopsversion.workflows.rounds import say_nothing
from kopsversion.workflows.stores import borrowed, stores_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from kopsversion.model.writers import Writer
    from kopsversion.stores.base import Store

__all__ = ["LIMIT", "JobListing", "ListedJob", "list_jobs"]

LIMIT = 20
"""Rows that are listed by default."""

_BEYOND = 25
"""Requests that may be sent beyond one for each row."""

_ALL = 1000
"""Rows that are read at the most where all are wanted, and requests cost something."""

_WINDOWS = (timedelta(days=4), timedelta(days=30))
"""How far back runs are looked for, before all that exist are listed."""

_BEGINNING = datetime(2018, 8, 1, tzinfo=UTC)


@frozen(kw_only=True)
class ListedJob:
    """A job with its last runs.

    Attributes:
        job: its name.
        channel: the branch for which runs are shown; ``None`` for all.
        marker: the marker that it writes there, where that is known.
        runs: newest first.
        same: how many of the last runs tested the same build, and which.
        failure: why there are no runs; ``None`` if there are.
    """

    job: str
    channel: str | None = None
    marker: str | None = None
    runs: tuple[SeenRun, ...] = ()
    same: SameBuild | None = None
    failure: str | None = None


@frozen(kw_only=True)
class JobListing:
    """The last runs of jobs.

    Attributes:
        place: the URL of the store of runs.
        now: the moment of the listing, UTC.
        jobs: in the order in which they were asked for.
        requests: requests made.
        left_out: how many other jobs the directory holds, for which there is no row.
    """

    place: str
    now: datetime
    jobs: tuple[ListedJob, ...]
    requests: int
    left_out: int = 0


@frozen(kw_only=True)
class _Asked:
    """A job that is asked for: by its names, and for a channel as the writer of one of its markers."""

    names: tuple[str, ...]
    channel: str | None = None
    writer: Writer | None = None

    @property
    def on_merge(self) -> bool:
        """Whether it runs for merges to several branches, so that ``prowjob.json`` is read first."""
        return self.writer is not None and self.writer.interval is None

    def is_for(self, branch: str | None) -> bool:
        """Tell whether a run for a branch is wanted; every run of a job that has no branches is."""
        return self.channel is None or not self.on_merge or branch == self.channel


def list_jobs(
    selectors: Sequence[str] = (),
    *,
    store: str | Store | Sequence[str | Store] = DEFAULT_STORE,
    question: JobsQuestion = JobsQuestion(),  # noqa: B008 # frozen
    limit: int = LIMIT,
    since: datetime | None = None,
    now: datetime | None = None,
    as_of: datetime | None = None,
    timeout: float = DEFAULT_TIMEOUT,
    progress: Callable[[str], None] = say_nothing,
) -> JobListing:
    """List the last runs of a channel's writers, and of any job.

    Parameters:
        selectors: channels and names of jobs; empty for the writers of master, and in a directory for every job.
        store: where builds are kept; a directory has its jobs in ``logs/``.
        question: where jobs are kept, and who writes what.
        limit: how many runs in all; each job has an equal share. 0 for all.
        since: leaves out runs that began before, UTC.
        now: the moment of the listing; a datetime with a time zone. Default: the clock, or `as_of`.
        as_of: list as of that moment: later runs are left out, and what ended later had not ended.
        timeout: seconds that all of this may take.
        progress: is told what happens next.

    Raises:
        UsageError: an argument is not valid.
        ResolutionError: no job that was asked for has any run.
        StoreError: no job could be listed, or none of the runs could be read.

    Source: DESIGN section 13.
    """
    if limit < 0:
        raise UsageError(f"limit is {limit}", hint="give a number of runs, or 0 for all of them")
    moment = in_utc("as_of", as_of) or in_utc("now", now) or datetime.now(UTC)
    deadline = Deadline(timeout)
    since = in_utc("since", since)
    with borrowed(_place(question, store), deadline=deadline) as here:
        reader = RunsReader(
            here,
            now=moment,
            as_of=in_utc("as_of", as_of),
            deadline=deadline,
            most_requests=(limit or _ALL) + _BEYOND,
        )
        every = _asked(selectors, question.writers, reader=reader)
        asked = every if selectors else every[: limit or None]
        listed = _listed(reader, asked, limit=limit, since=since, progress=progress)
        return JobListing(
            place=reader.url,
            now=moment,
            jobs=listed,
            requests=reader.requests,
            left_out=len(every) - len(asked),
        )


def _listed(
    reader: RunsReader,
    asked: Sequence[_Asked],
    *,
    limit: int,
    since: datetime | None,
    progress: Callable[[str], None],
) -> tuple[ListedJob, ...]:
    """Find the runs of jobs, and read what is shown of them."""
    progress("listing the runs of jobs")
    with_runs = [
        _Listed(each, _find(reader, each, share=share, since=since), share)
        for each, share in zip(asked, _shares(limit, len(asked)), strict=True)
    ]
    while True:
        progress("reading the results of runs")
        wants = [want for each in with_runs for want in each.wants(reader)]
        if not reader.read(wants):
            break
    jobs = tuple(each.shown(reader) for each in with_runs)
    if not any(job.runs for job in jobs):
        raise _nothing(with_runs, url=reader.url)
    reason = _why_unread(reader, with_runs)
    if reason is not None:
        raise _unreadable(with_runs, url=reader.url, reason=reason)
    return jobs


def _why_unread(reader: RunsReader, listed: Sequence[_Listed]) -> str | None:
    """Say why nothing at all could be read of runs that were listed; ``None`` where anything is known of one."""
    runs = [run for each in listed for run in each.candidates(reader)]
    if any(run.result not in {None, Result.UNKNOWN} or run.tested is not None for run in runs):
        return None
    failed = (run.finished for run in runs if isinstance(run.finished, Unreadable))
    return next((each.reason for each in failed if not each.is_given), None)


def _place(question: JobsQuestion, store: str | Store | Sequence[str | Store]) -> str | Store:
    wanted = evolve(question, wanted=True)
    first, *_ = stores_of(store)
    return place_of_jobs(wanted, store=_url_of(first)) or DEFAULT_JOBS


def _url_of(place: str | Store) -> str:
    if not isinstance(place, str):
        return place.url
    if "://" in place and not place.startswith("file:"):
        return place
    with borrowed(place, deadline=Deadline(1)) as directory:
        return directory.url


def _asked(selectors: Sequence[str], writers: Sequence[Writer], *, reader: RunsReader) -> tuple[_Asked, ...]:
    """Read what is asked for: a channel stands for its writers."""
    asked: dict[tuple[tuple[str, ...], str | None], _Asked] = {}
    for selector in selectors or (MASTER,):
        for each in _of_selector(selector, writers):
            asked.setdefault((each.names, each.channel), each)
    if not selectors and reader.is_free:
        known = {name for each in asked.values() for name in each.names}
        for job in reader.jobs():
            if job not in known:
                asked[(job,), None] = _Asked(names=(job,))
    return tuple(asked.values())


def _of_selector(selector: str, writers: Sequence[Writer]) -> Iterator[_Asked]:
    try:
        ref = Channel.parse(selector).ref
    except UsageError:
        writer = next((each for each in writers if selector in each.jobs), None)
        yield _Asked(names=(check_job_name(selector),), writer=writer)
        return
    for marker in dict.fromkeys(writer.marker for writer in writers):
        found = [each for each in writers if each.marker == marker and each.branch in {ref, None}]
        if found:
            best = next((each for each in found if each.branch == ref), found[0])
            yield _Asked(names=best.jobs, channel=ref, writer=best)


def _shares(limit: int, number: int) -> list[int]:
    """Share rows fairly; 0 for all."""
    if not limit:
        return [0] * number
    share, rest = divmod(limit, number)
    return [max(1, share + (position < rest)) for position in range(number)]


def _find(reader: RunsReader, asked: _Asked, *, share: int, since: datetime | None) -> JobRuns:
    """List a job's runs: as far back as its rows can reach, and further where that was not far enough."""
    last = JobRuns(job=asked.names[0], place=reader.url)
    for start in _starts(reader, asked, share=share, since=since):
        (last,) = reader.find({asked.names: start}).values()
        # Of a job for several branches only some runs are for the one that is wanted.
        wanted = 4 * share if asked.on_merge and asked.channel is not None else share
        if last.failure is not None or (wanted and len(last.runs) >= wanted):
            break
    return last


def _starts(reader: RunsReader, asked: _Asked, *, share: int, since: datetime | None) -> Iterator[datetime]:
    if since is not None:
        yield since
        return
    if share and not reader.is_free:
        interval = asked.writer.interval if asked.writer is not None else None
        if interval is not None and asked.writer is not None:
            yield reader.now - 1.5 * share * interval - asked.writer.timeout
        else:
            yield from (reader.now - window for window in _WINDOWS)
    yield _BEGINNING


@frozen
class _Listed:
    """A job, its runs as far as they were found, and how many of them are shown (0 for all)."""

    asked: _Asked
    found: JobRuns
    share: int

    def candidates(self, reader: RunsReader) -> list[Run]:
        """Return the runs that may be shown, newest first."""
        runs = list(reversed(reader.known(self.found).runs))
        return [run for run in runs if run.branch is None or self.asked.is_for(run.branch)]

    def wants(self, reader: RunsReader) -> Iterator[tuple[str, Want]]:
        """Yield the files that are still to be read: results first, then logs, for what was tested."""
        runs = self.candidates(reader)
        if not reader.is_free and self.share:
            runs = runs[: self.share]
        yield from ((self.found.job, Want(run.id, file)) for run in runs for file in self._results(run))
        yield from ((self.found.job, Want(run.id, file)) for run in runs for file in self._logs(run))

    def _results(self, run: Run) -> Iterator[RunFile]:
        if self.asked.on_merge and run.prowjob is None:
            yield RunFile.PROWJOB
            return
        if self.asked.on_merge and run.branch is None:
            yield RunFile.STARTED
        if run.result is None:
            yield RunFile.FINISHED

    def _logs(self, run: Run) -> Iterator[RunFile]:
        told = run.result not in {None, Result.RUNNING}
        if told and run.tested is None and not self.asked.on_merge:
            yield RunFile.LOG

    def shown(self, reader: RunsReader) -> ListedJob:
        """Return the job with its rows."""
        runs = [run for run in self.candidates(reader) if self.asked.is_for(run.branch)]
        rows = runs[: self.share] if self.share else runs
        writer = self.asked.writer
        ref = self.asked.channel or (writer.branch if writer is not None else None)
        return ListedJob(
            job=self.found.job,
            channel=self.asked.channel if self.asked.on_merge else None,
            marker=f"markers/{ref}/{writer.marker}" if writer is not None and ref is not None else None,
            runs=tuple(SeenRun.of(run, place=self.found.place) for run in rows),
            same=same_build(runs),
            failure=self.found.failure or (None if runs else "there are no runs of it"),
        )


def _unreadable(listed: Sequence[_Listed], *, url: str, reason: str) -> StoreError:
    return StoreError(
        f"the runs of {', '.join(each.found.job for each in listed)} are listed, but none of them could be read",
        url=url,
        reasons=[f"finished.json {reason}"],
        hint="see whether the objects of the store of the jobs can be read, or name another with --jobs-store",
    )


def _nothing(listed: Sequence[_Listed], *, url: str) -> ResolutionError | StoreError:
    """Say why there is nothing to list."""
    names = ", ".join(each.found.job for each in listed)
    failures = [each.found.failure for each in listed if each.found.failure is not None]
    if failures:
        return StoreError(
            f"the runs of {names} could not be listed",
            url=url,
            reasons=failures,
            hint="see whether the store of the jobs can be reached and listed, or name another with --jobs-store",
        )
    return ResolutionError(
        f"there are no runs of {names} in {url}",
        channel=names,
        hint="see whether the job has another name by now; Prow deletes results after 90 days",
    )
