"""What became of a marker's writer: the verdicts of DESIGN section 13 as cases, and their laws."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from attrs import evolve, frozen
from hypothesis import given
from hypothesis import strategies as st

from kopsversion.model.answer import Condition, Severity
from kopsversion.model.bucket import Marker, Missing, Named, Unreachable
from kopsversion.model.channel import BRANCH_MARKER, GREEN_MARKER, MASTER
from kopsversion.model.runs import (
    Absent,
    Finished,
    LogFacts,
    ProwJob,
    Result,
    Run,
    RunFile,
    RunId,
    SeenRun,
    Started,
    Unreadable,
    first_id,
)
from kopsversion.model.version import BuildVersion
from kopsversion.model.writers import DEFAULT_WRITERS, POSTSUBMIT, Writer, writer_of
from kopsversion.rules.writer_conditions import Surroundings, causes_first, writer_conditions
from kopsversion.rules.writers import (
    JobRuns,
    WriterReport,
    WriterState,
    judge_writer,
    presume_branches,
    window_start,
)
from tests.builders import HOUR, NOW

if TYPE_CHECKING:
    from collections.abc import Sequence

JOB = "e2e-kops-pipeline-updown-kops-master"
PLACE = "gs://kubernetes-ci-logs/logs/"
GREEN = f"markers/{MASTER}/{GREEN_MARKER}"
OLD, NEW = (BuildVersion.parse(f"1.30.0-alpha.1+v1.29.0-alpha.3-{n}-g22ce1230da") for n in (377, 378))
PASSED, FAILED, ABORTED = Result.PASSED, Result.FAILED, Result.ABORTED
RUNNING, LOST, UNREADABLE, UNREAD = "running", "lost", "unreadable", "unread"
MINUTE = timedelta(minutes=1)

_HOURLY = writer_of(DEFAULT_WRITERS, ref=MASTER, name=GREEN_MARKER)
_ON_MERGE = writer_of(DEFAULT_WRITERS, ref=MASTER, name=BRANCH_MARKER)
assert _HOURLY is not None
assert _ON_MERGE is not None
HOURLY, ON_MERGE = _HOURLY, _ON_MERGE


def hourly(ago: float, result: Result | str, *, took: float = 70, **files: Any) -> Run:
    """Make a run of the pipeline that began so many hours ago, and took so many minutes."""
    began = NOW - ago * HOUR
    run = Run(job=JOB, id=first_id(began), **files)
    match result:
        case Result():
            return evolve(run, finished=Finished(at=began + took * MINUTE, result=result))
        case "running" | "lost":
            return evolve(run, finished=Absent())
        case "unreadable":
            return evolve(run, finished=Unreadable("is not JSON"))
        case _:
            return run


def merged(ago: float, branch: str | None, result: Result | str, *, took: float = 20) -> Run:
    """Make a run of the postsubmit; without a branch nothing was read of it."""
    run = evolve(hourly(ago, result, took=took), job=POSTSUBMIT)
    if branch is None:
        return evolve(run, finished=None)
    return evolve(run, prowjob=ProwJob(base_ref=branch, base_sha="a" * 40))


def marker(ago: float | None, *, name: str = GREEN_MARKER, ref: str = MASTER, **others: Any) -> Marker:
    """Make a marker that was written so many hours ago."""
    written = None if ago is None else NOW - ago * HOUR
    reading = Named(NEW) if ago is not None else Missing("does not exist")
    return evolve(Marker(ref, name, reading, written=written), **others)


def judged(
    runs: Sequence[Run],
    held: Marker,
    *,
    writer: Writer = HOURLY,
    waits: bool = False,
    thorough: bool = False,
    **others: Any,
) -> WriterReport:
    known = JobRuns(
        job=writer.jobs[0], place=PLACE, runs=tuple(sorted(runs, key=lambda run: run.id)), **others
    )
    return judge_writer(writer, held, known, waits=waits, now=NOW, thorough=thorough)


def sentence(report: WriterReport, **around: Any) -> str:
    (condition, *_) = writer_conditions(report, Surroundings(**around), now=NOW)
    assert condition.code == f"writer-{report.state}"
    return condition.message


@frozen(kw_only=True)
class Case:
    """A history, and what is to be said of it.

    Attributes:
        title: what it is a case of.
        written: how many hours ago the marker was written; ``None`` where there is none.
        runs: the runs.
        state: how the writer is.
        since: since how many hours.
        count: how many runs have not written the marker.
        exact: whether both are exact.
        waits: whether something newer waits.
    """

    title: str
    written: float | None
    runs: tuple[Run, ...]
    state: WriterState
    since: float | None = None
    count: int | None = None
    exact: bool = True
    waits: bool = False


GOOD = hourly(50, PASSED)  # spans 49, when the marker was written
REDS = tuple(hourly(ago, FAILED) for ago in range(49, 1, -1))

HOURLY_CASES = (
    Case(
        title="its last run wrote it", written=1, runs=(hourly(2, PASSED),), state=WriterState.GREEN, count=0
    ),
    Case(
        title="red ever since",
        written=49.1,
        runs=(GOOD, *REDS),
        state=WriterState.RED,
        since=49,
        count=48,
    ),
    Case(
        title="one red run, and one on its way",
        written=2.1,
        runs=(hourly(3, PASSED), hourly(2, FAILED), hourly(0.9, RUNNING)),
        state=WriterState.RED,
        since=2,
        count=1,
    ),
    Case(
        title="aborted runs are red",
        written=3.1,
        runs=(hourly(4, PASSED), hourly(3, ABORTED), hourly(2, ABORTED)),
        state=WriterState.RED,
        since=3,
        count=2,
    ),
    Case(
        title="the tear-down failed after the promotion",
        written=1,
        runs=(hourly(3, PASSED), hourly(2, FAILED)),
        state=WriterState.GREEN,
        count=0,
    ),
    Case(
        title="the tear-down failed after the promotion, and all since are red",
        written=4,
        runs=(hourly(5, FAILED), hourly(3, FAILED), hourly(2, FAILED)),
        state=WriterState.RED,
        since=3,
        count=2,
    ),
    Case(
        title="the run before had not ended, and promoted; the last one failed",
        written=1.5,
        runs=(hourly(3, PASSED, took=100), hourly(2, FAILED, took=60)),
        state=WriterState.RED,
        since=2,
        count=1,
    ),
    Case(
        title="somebody wrote the marker by hand, and runs were red before",
        written=3.2,
        runs=(
            hourly(5, FAILED, took=30),
            hourly(4, FAILED, took=30),
            hourly(3, FAILED),
            hourly(2, FAILED),
        ),
        state=WriterState.RED,
        since=3,
        count=2,
        exact=False,
    ),
    Case(
        title="somebody wrote the marker by hand after the last red run",
        written=1,
        runs=(hourly(3, FAILED), hourly(2.5, FAILED, took=30)),
        state=WriterState.RED,
        since=2.5,
        count=1,
        exact=False,
    ),
    Case(
        title="somebody wrote the marker by hand after the last green run",
        written=1,
        runs=(hourly(3, PASSED), hourly(2.5, PASSED, took=30)),
        state=WriterState.GREEN,
        count=0,
    ),
    Case(
        title="the run that wrote it is still at it",
        written=0.1,
        runs=(hourly(2, FAILED, took=50), hourly(1, RUNNING)),
        state=WriterState.GREEN,
        count=0,
    ),
    Case(
        title="the test passed and the upload failed",
        written=5.1,
        runs=(hourly(6, PASSED), hourly(5, PASSED), hourly(4, PASSED)),
        state=WriterState.NOT_WRITING,
        since=5.1,
    ),
    Case(
        title="runs pass and there is no marker",
        written=None,
        runs=(hourly(3, PASSED), hourly(2, PASSED)),
        state=WriterState.NOT_WRITING,
    ),
    Case(
        title="runs fail and there is no marker",
        written=None,
        runs=(hourly(3, FAILED), hourly(2, FAILED)),
        state=WriterState.RED,
        since=3,
        count=2,
        exact=False,
    ),
    Case(
        title="a run is on its way, and something waits",
        written=2.1,
        runs=(hourly(3, PASSED), hourly(1, RUNNING)),
        state=WriterState.PENDING,
        count=0,
        waits=True,
    ),
    Case(
        title="a run is on its way, and nothing waits",
        written=2.1,
        runs=(hourly(3, PASSED), hourly(1, RUNNING)),
        state=WriterState.GREEN,
        count=0,
    ),
    Case(
        title="the only run that is known is on its way",
        written=80,
        runs=(hourly(1, RUNNING),),
        state=WriterState.PENDING,
    ),
    Case(
        title="no run for three intervals and a timeout",
        written=6.1,
        runs=(hourly(7, PASSED), hourly(5, FAILED)),
        state=WriterState.IDLE,
        since=5,
    ),
    Case(
        title="results older than 90 days are gone, the rest is red",
        written=24 * 200,
        runs=tuple(hourly(ago, FAILED) for ago in range(24 * 90, -1, -24)),
        state=WriterState.RED,
        since=24 * 90,
        count=91,
        exact=False,
    ),
    Case(
        title="a run that was lost does not hide that others fail",
        written=5.1,
        runs=(hourly(6, PASSED), hourly(5, FAILED), hourly(4, LOST)),
        state=WriterState.RED,
        since=5,
        count=2,
    ),
    Case(
        title="no result can be read",
        written=9.1,
        runs=(hourly(10, PASSED), *(hourly(ago, UNREADABLE) for ago in range(9, 1, -1))),
        state=WriterState.UNKNOWN,
    ),
    Case(
        title="nothing was read",
        written=5.1,
        runs=(hourly(6, UNREAD), hourly(5, UNREAD), hourly(4, UNREAD)),
        state=WriterState.UNKNOWN,
    ),
    Case(
        title="nothing but the run that wrote it, and that was not read",
        written=2.1,
        runs=(hourly(3, UNREAD),),
        state=WriterState.GREEN,
        count=0,
    ),
)


@pytest.mark.parametrize("case", HOURLY_CASES, ids=lambda case: case.title)
def test_an_hourly_writer(case: Case) -> None:
    """The pipeline job promotes every test that passes, before it tears the cluster down (FAILURES rows 1 and 18)."""
    report = judged(case.runs, marker(case.written), waits=case.waits)
    assert report.state is case.state
    if case.since is not None:
        assert report.since is not None
        assert abs(report.since - (NOW - case.since * HOUR)) < timedelta(seconds=1)
    assert report.runs == case.count
    if report.state is WriterState.RED:
        assert (report.is_since_exact, report.is_count_exact) == (case.exact, case.exact)


@pytest.mark.parametrize(
    ("others", "reason"),
    [
        ({"failure": "denied"}, "denied"),
        ({}, "it has no results there: it may have another name by now, or they are gone"),
        ({"last": first_id(NOW - HOUR)}, "none of its newest runs has a result that can be read"),
    ],
    ids=["a listing denied", "a job that does not exist", "runs that are gone"],
)
def test_what_cannot_be_known_has_a_reason(others: dict[str, Any], reason: str) -> None:
    """A job that was renamed, results that were deleted, and a listing denied are information, never a guess."""
    report = judged((), marker(2), **others)
    assert (report.state, report.reason) == (WriterState.UNKNOWN, reason)
    assert sentence(report) == f"{PLACE} does not show the state of {JOB}, which writes {GREEN}: {reason}"


def test_a_job_whose_results_are_old_is_idle() -> None:
    """Where nothing is listed, the id that was given out last tells since when; a postsubmit is never idle."""
    last = first_id(NOW - 30 * HOUR)
    report = judged((), marker(2), last=last)
    assert (report.state, report.since) == (WriterState.IDLE, last.moment)
    quiet = judged((), marker(2, name=BRANCH_MARKER), writer=ON_MERGE, last=last)
    assert quiet.state is WriterState.GREEN


def test_what_was_written_later_is_not_held_against_a_run() -> None:
    """A marker that was written after the moment asked for, or cannot be read, tells nothing of what it held then."""
    runs = (hourly(3, PASSED), hourly(2, PASSED))
    assert judged(runs, marker(-5, reading=Missing("of then is not known"))).state is WriterState.GREEN
    assert judged(runs, marker(None, reading=Unreachable("503"))).state is WriterState.GREEN


class TestWants:
    """What is read: little, and the most telling first."""

    def test_the_newest_result_and_the_run_that_wrote_it_come_first(self) -> None:
        unread = [hourly(ago, UNREAD) for ago in (5, 4, 3)]
        wants = judged(unread, marker(4.1)).wants
        assert [(want.run, want.file) for want in wants] == [
            (unread[2].id, RunFile.FINISHED),
            (unread[0].id, RunFile.FINISHED),
            (unread[0].id, RunFile.LOG),
        ]

    def test_a_run_on_its_way_makes_the_one_before_the_newest(self) -> None:
        runs = (hourly(3, PASSED, log=LogFacts()), hourly(2, UNREAD), hourly(1, RUNNING))
        assert [want.run for want in judged(runs, marker(2.1)).wants] == [runs[1].id]

    def test_a_promoting_run_that_failed_makes_the_one_before_interesting(self) -> None:
        runs = (hourly(2.5, UNREAD), hourly(2, FAILED, log=LogFacts()))
        assert first_id(runs[0].began) in {want.run for want in judged(runs, marker(1.5)).wants}

    def test_an_alarm_asks_what_the_run_says_that_it_writes(self) -> None:
        runs = (evolve(GOOD, log=LogFacts()), *REDS)
        assert [(want.run, want.file) for want in judged(runs, marker(49.1)).wants] == [
            (REDS[-1].id, RunFile.PROWJOB)
        ]

    def test_a_green_writer_asks_for_nothing_more(self) -> None:
        assert judged((evolve(GOOD, log=LogFacts()), hourly(1, RUNNING)), marker(49.1)).wants == ()


@pytest.mark.parametrize(
    ("publishes", "state", "reason"),
    [
        ((GREEN,), WriterState.RED, ""),
        ((), WriterState.RED, ""),
        (("markers/release-1.36/x.txt",), WriterState.UNKNOWN, "that it writes markers/release-1.36/x.txt"),
        (("",), WriterState.UNKNOWN, "that it writes another place"),
    ],
)
def test_a_run_confirms_or_refutes_its_writer(
    publishes: tuple[str, ...], state: WriterState, reason: str
) -> None:
    """``--publish-version-marker=`` among a run's arguments says what it writes."""
    newest = hourly(1, FAILED, prowjob=ProwJob(publishes=publishes))
    report = judged((GOOD, *REDS, newest), marker(49.1))
    assert report.state is state
    assert reason in report.reason


@pytest.mark.parametrize(
    ("files", "untested"),
    [
        ({"log": LogFacts(tested=OLD)}, OLD),
        ({"log": LogFacts(tested=NEW)}, None),
        ({"log": LogFacts()}, None),
        ({}, None),
    ],
)
def test_a_build_can_be_promoted_untested(files: dict[str, Any], untested: BuildVersion | None) -> None:
    """kubetest2 reads the source marker again after the test, and writes what it names then (FAILURES row 4)."""
    report = judged((hourly(2, PASSED, **files),), marker(1))
    assert report.promoted_untested == untested
    conditions = writer_conditions(report, Surroundings(), now=NOW)
    assert [condition.code for condition in conditions] == (["promoted-untested"] if untested else [])
    if untested:
        assert f"names {NEW}, but the run of {JOB} that wrote it tested {OLD}" in conditions[0].message


def test_what_was_written_by_hand_was_not_promoted() -> None:
    runs = (hourly(3, PASSED, took=30, log=LogFacts(tested=OLD)),)
    report = judged(runs, marker(2))
    assert (report.by_hand, report.promoted_untested, report.last_success) == (True, None, None)


# --------------------------------------------------------------------------------------------------
# A postsubmit


def branch_marker(ago: float | None, ref: str = MASTER) -> Marker:
    return marker(ago, name=BRANCH_MARKER, ref=ref)


R = "release-1.36"

MERGE_CASES = (
    Case(
        title="its last run wrote it",
        written=1,
        runs=(merged(1.2, MASTER, PASSED),),
        state=WriterState.GREEN,
        count=0,
    ),
    Case(
        title="red since the first merge after it, whatever other branches do",
        written=50,
        runs=(
            merged(50.2, MASTER, PASSED),
            merged(40, MASTER, FAILED),
            merged(30, R, PASSED),
            merged(20, MASTER, ABORTED),
            merged(1, R, PASSED),
        ),
        state=WriterState.RED,
        since=40,
        count=2,
    ),
    Case(
        title="red, as far as was read",
        written=50,
        runs=(merged(40, None, UNREAD), merged(30, MASTER, FAILED), merged(20, None, UNREAD)),
        state=WriterState.RED,
        since=30,
        count=1,
        exact=False,
    ),
    Case(
        title="nothing was merged since",
        written=50,
        runs=(merged(50.2, MASTER, PASSED), merged(20, R, FAILED)),
        state=WriterState.GREEN,
        count=0,
    ),
    Case(
        title="nothing was merged since, and older results are gone",
        written=24 * 100,
        runs=(merged(20, R, FAILED),),
        state=WriterState.GREEN,
        count=0,
    ),
    Case(
        title="which branch runs were for was not read",
        written=50,
        runs=(merged(50.2, MASTER, PASSED), merged(20, None, UNREAD), merged(10, R, FAILED)),
        state=WriterState.UNKNOWN,
    ),
    Case(
        title="a run is on its way",
        written=50,
        runs=(merged(0.1, MASTER, RUNNING),),
        state=WriterState.PENDING,
        count=0,
    ),
    Case(
        title="of two runs side by side the older wrote it, and the newer failed",
        written=1,
        runs=(merged(1.4, MASTER, PASSED, took=30), merged(1.3, MASTER, FAILED)),
        state=WriterState.RED,
        since=1.3,
        count=1,
    ),
    Case(
        title="runs pass, and nothing is written",
        written=50,
        runs=(merged(20, MASTER, PASSED),),
        state=WriterState.NOT_WRITING,
        since=50,
    ),
    Case(
        title="a result that cannot be read",
        written=50,
        runs=(merged(20, MASTER, LOST),),
        state=WriterState.UNKNOWN,
    ),
)


@pytest.mark.parametrize("case", MERGE_CASES, ids=lambda case: case.title)
def test_a_writer_on_merge(case: Case) -> None:
    """The postsubmit serves every branch, so a run counts for one only by its ``base_ref``."""
    report = judged(case.runs, branch_marker(case.written), writer=ON_MERGE)
    assert report.state is case.state
    if case.since is not None:
        assert report.since is not None
        assert abs(report.since - (NOW - case.since * HOUR)) < timedelta(seconds=1)
    assert report.runs == case.count
    if report.state is WriterState.RED:
        assert (report.is_since_exact, report.is_count_exact) == (case.exact, case.exact)


class TestWantsOnMerge:
    """Few runs are read, newest first; where it costs nothing, all."""

    RUNS = tuple(merged(ago, None, UNREAD) for ago in range(40, 0, -1))

    def test_the_newest_two_and_the_first(self) -> None:
        """The first run after the marker was written is the branch's own more often than any other."""
        wants = judged(self.RUNS, branch_marker(50), writer=ON_MERGE).wants
        asked = (self.RUNS[-1], self.RUNS[-2], self.RUNS[0])
        assert [(want.run, want.file) for want in wants] == [(run.id, RunFile.PROWJOB) for run in asked]

    def test_all_of_them(self) -> None:
        wants = judged(self.RUNS, branch_marker(50), writer=ON_MERGE, thorough=True).wants
        assert {want.run for want in wants} == {run.id for run in self.RUNS}

    def test_started_where_prowjob_does_not_say(self) -> None:
        run = evolve(self.RUNS[-1], prowjob=Absent())
        (want,) = judged((run,), branch_marker(50), writer=ON_MERGE).wants
        assert want.file is RunFile.STARTED
        refs = {"kubernetes/kops": (MASTER, "a" * 40)}
        known = evolve(run, started=Started(refs=refs))
        report = judged((known,), branch_marker(50), writer=ON_MERGE)
        assert [want.file for want in report.wants] == [RunFile.FINISHED]

    def test_a_run_of_no_known_branch_is_said_to_be_one(self) -> None:
        run = evolve(self.RUNS[-1], prowjob=Absent(), started=Absent())
        report = judged((run,), branch_marker(50), writer=ON_MERGE)
        assert report.reason == "the branch of 1 of its 1 run since then cannot be read"
        assert report.wants == ()

    def test_the_first_red_run_is_looked_for_from_the_other_end(self) -> None:
        runs = (merged(50.2, None, UNREAD), *self.RUNS, merged(0.5, MASTER, FAILED))
        report = judged(runs, branch_marker(50), writer=ON_MERGE)
        wants = [want.run for want in report.wants]
        assert wants == [self.RUNS[0].id, self.RUNS[1].id, runs[0].id]
        more = judged(runs, branch_marker(50), writer=ON_MERGE, thorough=True).wants
        assert {run.id for run in self.RUNS} <= {want.run for want in more}


def asked(report: WriterReport) -> list[tuple[RunId, RunFile]]:
    """What would tell more, best first."""
    return [(want.run, want.file) for want in report.wants]


def at(minutes: float, result: Result | str, *, took: float = 10, **files: Any) -> Run:
    """A run of the pipeline that began so many minutes ago."""
    return hourly(minutes / 60, result, took=took, **files)


@pytest.mark.parametrize(
    ("began", "took", "wrote"),
    [(195, 95, True), (196, 96, False), (150, 48, True), (150, 47, False), (100, 10, True), (99, 10, False)],
)
def test_the_run_that_wrote_a_marker_spans_its_time(began: int, took: int, *, wrote: bool) -> None:
    """It began at most its timeout and five minutes before, and ended two minutes before at the earliest."""
    run = at(began, PASSED, took=took)
    report = judged((run,), marker(100 / 60))
    assert report.last_good == (run if wrote else None)
    assert not wrote or report.state is WriterState.GREEN


@pytest.mark.parametrize(("began", "is_idle"), [(270, False), (271, True)])
def test_three_intervals_and_a_timeout_without_a_run_make_a_job_idle(began: int, *, is_idle: bool) -> None:
    """Four and a half hours."""
    assert (judged((at(began, PASSED),), marker(4.4)).state is WriterState.IDLE) is is_idle


def test_where_no_run_is_known_to_have_written_a_marker_it_has_no_last_success() -> None:
    """The runs of then may be gone."""
    report = judged((hourly(1, FAILED),), marker(2))
    assert (report.last_good, report.by_hand, report.last_success) == (None, False, None)


@pytest.mark.parametrize(("began", "is_on_way"), [(61, True), (119, True), (120, True), (121, False)])
def test_a_run_without_a_result_is_on_its_way_for_its_timeout_and_half_an_hour(
    began: int, *, is_on_way: bool
) -> None:
    """The cluster is torn down after the time is up."""
    run = at(began, RUNNING)
    assert judged((at(200, PASSED), run), marker(3.1)).on_way == (run if is_on_way else None)


def test_a_run_with_a_wrong_clock_did_not_write_a_marker() -> None:
    """It ended before it began; that there was a run shows that something else wrote it."""
    report = judged((at(100, PASSED, took=-5),), marker(100 / 60))
    assert (report.last_good, report.by_hand) == (None, True)


def test_a_marker_of_this_very_moment_was_written_by_the_run_that_ends_now() -> None:
    """One of the future tells nothing, also not that something else wrote it."""
    run = hourly(1, PASSED, took=60)
    assert judged((run,), marker(0)).last_good == run
    later = judged((run,), marker(-5))
    assert (later.last_good, later.by_hand) == (None, False)


def test_an_idle_job_s_runs_are_told_and_its_last_result_is_asked_for() -> None:
    runs = (hourly(7, UNREAD), hourly(6, UNREAD), hourly(5, UNREAD))
    report = judged(runs, marker(5.1))
    assert (report.state, report.history) == (WriterState.IDLE, runs)
    assert asked(report) == [(runs[-1].id, RunFile.FINISHED)]


@pytest.mark.parametrize(("unreadable", "state"), [(2, WriterState.RED), (3, WriterState.UNKNOWN)])
def test_two_results_that_cannot_be_read_are_passed_over(unreadable: int, state: WriterState) -> None:
    """Of three the reason of the newest is told."""
    runs = (hourly(4, FAILED), *(hourly(3 - n / 2, UNREADABLE) for n in range(unreadable)))
    report = judged(runs, marker(4.5))
    assert (report.state, report.history) == (state, runs)
    if state is WriterState.UNKNOWN:
        assert report.reason == (
            "none of its newest runs has a result that can be read: finished.json is not JSON"
        )


def test_a_newest_result_that_was_not_read_is_said() -> None:
    """Beside the run that is on its way."""
    runs = (hourly(3, UNREAD), hourly(1, RUNNING))
    report = judged(runs, marker(None))
    assert (report.reason, report.on_way) == ("its newest result was not read", runs[1])
    assert asked(report) == [(runs[0].id, RunFile.FINISHED)]


def test_without_a_marker_no_run_can_have_written_it() -> None:
    """So no log is asked for."""
    runs = (hourly(3, PASSED),)
    report = judged(runs, marker(None))
    assert report.state is WriterState.NOT_WRITING
    assert asked(report) == [(runs[0].id, RunFile.PROWJOB)]


def test_only_the_last_run_that_can_have_written_a_marker_is_asked() -> None:
    """And the one before it where that failed, which may have overlapped it."""
    unread = [hourly(ago, UNREAD) for ago in (3, 2.5, 2)]
    last = unread[-1].id
    assert asked(judged(unread, marker(1.5))) == [(last, RunFile.FINISHED), (last, RunFile.LOG)]
    report = judged([*unread[:2], hourly(2, FAILED)], marker(1.5))
    assert asked(report) == [(last, RunFile.LOG), (unread[1].id, RunFile.FINISHED)]


def test_a_run_that_failed_beside_the_one_that_wrote_the_marker_is_red() -> None:
    """It began before the marker was written, and nothing has ended since."""
    good, failed, on_way = hourly(2.5, PASSED, took=90), hourly(2, FAILED, took=10), hourly(0.5, RUNNING)
    report = judged((good, failed, on_way), marker(1))
    assert (report.state, report.since, report.runs) == (WriterState.RED, failed.began, 1)
    assert (report.first_red, report.newest_red, report.last_good) == (failed, failed, good)
    assert report.on_way == on_way


def test_a_run_that_was_on_its_way_when_the_marker_was_written_still_is() -> None:
    good, on_way = hourly(2.4, PASSED, took=84), hourly(1.2, RUNNING)
    report = judged((good, on_way), marker(1))
    assert (report.state, report.on_way) == (WriterState.GREEN, on_way)


def test_behind_a_result_that_cannot_be_read_the_one_before_is_asked_for() -> None:
    runs = (hourly(2, UNREAD), hourly(1.5, UNREADABLE, log=LogFacts()))
    assert asked(judged(runs, marker(1))) == [(runs[0].id, RunFile.FINISHED)]


def test_a_report_shows_its_runs_as_every_output_does() -> None:
    """What is not known is not there."""
    good, on_way = evolve(GOOD, log=LogFacts(tested=NEW)), hourly(1, RUNNING)
    report = judged((good, *REDS, on_way), marker(49.1))
    shown = {run.id: SeenRun.of(run, place=PLACE) for run in (good, *REDS, on_way)}
    assert report.first_failing_run == shown[REDS[0].id]
    assert report.newest_failing_run == shown[REDS[-1].id]
    assert report.last_good_run == shown[good.id]
    assert report.run_on_its_way == report.newest_run == shown[on_way.id]
    assert report.runs_read == tuple(shown.values())
    assert report.last_success == NOW - 49.1 * HOUR
    nothing = judged((hourly(1, UNREAD),), marker(None))
    assert (nothing.first_failing_run, nothing.last_good_run, nothing.last_success) == (None, None, None)
    assert nothing.runs_read == ()


class TestOnMerge:
    """What else is told of a postsubmit."""

    def test_only_runs_that_can_have_written_the_marker_or_came_later_count(self) -> None:
        """From its timeout and five minutes before the marker was written on."""
        early = [evolve(at(50 * 60 + n, PASSED), job=POSTSUBMIT, prowjob=FOR_MASTER) for n in (96, 95)]
        red = merged(20, MASTER, FAILED)
        report = judged((*early, red, merged(1, R, PASSED)), branch_marker(50), writer=ON_MERGE)
        assert report.history == (early[1], red)
        assert (report.newest, report.newest_red, report.on_way) == (red, red, None)

    def test_the_run_that_began_when_the_marker_was_written_wrote_it(self) -> None:
        run, on_way = merged(50, MASTER, PASSED), merged(1, MASTER, RUNNING)
        report = judged((run,), branch_marker(50), writer=ON_MERGE)
        assert (report.state, report.last_good, report.newest) == (WriterState.GREEN, run, run)
        report = judged((run, on_way), branch_marker(50), writer=ON_MERGE)
        assert (report.state, report.on_way, report.newest) == (WriterState.PENDING, on_way, on_way)

    def test_runs_before_the_newest_that_passed_need_not_be_read(self) -> None:
        runs = (merged(40, None, UNREAD), merged(30, MASTER, PASSED))
        report = judged(runs, branch_marker(29.8), writer=ON_MERGE)
        assert (report.state, report.wants) == (WriterState.GREEN, ())
        assert judged(runs, branch_marker(None), writer=ON_MERGE).wants == ()

    def test_runs_of_unread_branches_are_counted(self) -> None:
        """And the first that began after the marker was written is asked for."""
        runs = tuple(merged(ago, None, UNREAD) for ago in range(40, 0, -1))
        report = judged(runs, branch_marker(40), writer=ON_MERGE)
        assert report.reason == "the branch of 40 of its 40 runs since then was not read"
        assert [want.run for want in report.wants] == [runs[-1].id, runs[-2].id, runs[1].id]

    def test_a_branch_s_results_that_cannot_be_read_are_a_reason(self) -> None:
        run = merged(30, MASTER, UNREADABLE)
        report = judged((run,), branch_marker(50), writer=ON_MERGE)
        assert (
            report.reason
            == "none of its newest runs has a result that can be read: finished.json is not JSON"
        )

    def test_a_run_that_began_when_the_marker_was_written_is_not_a_later_one(self) -> None:
        runs = (merged(40, MASTER, FAILED), merged(20, MASTER, FAILED))
        report = judged(runs, branch_marker(40), writer=ON_MERGE)
        assert (report.runs, report.first_red) == (1, runs[1])

    def test_another_branch_s_run_did_not_write_the_marker(self) -> None:
        """Though it was at work at that time."""
        good, other = merged(50.3, MASTER, PASSED), merged(50.2, R, PASSED)
        report = judged((good, other, merged(20, MASTER, FAILED)), branch_marker(50), writer=ON_MERGE)
        assert report.last_good == good

    def test_what_is_asked_of_a_red_branch(self) -> None:
        """The first two that may have failed before, and the last that may have written the marker; or all."""
        spanning = [merged(ago, None, UNREAD) for ago in (50.4, 50.2)]
        between = [merged(ago, None, UNREAD) for ago in (40, 39, 38, 10)]
        red = merged(20, MASTER, FAILED)
        runs = (*spanning, *between[:3], red, between[3])
        few = judged(runs, branch_marker(50), writer=ON_MERGE)
        first = [each.id for each in (*between[:2], spanning[1])]
        assert [want.run for want in few.wants] == first
        more = judged(runs, branch_marker(50), writer=ON_MERGE, thorough=True)
        assert [want.run for want in more.wants] == [
            each.id for each in (*between[:3], spanning[1], between[3])
        ]


FOR_MASTER = ProwJob(base_ref=MASTER, base_sha="a" * 40)


@pytest.mark.parametrize(
    ("began", "uploads", "presumed"),
    [
        ((10,), ((9.5, R),), (R,)),
        ((10,), ((9.5, R), (9.4, R)), (R,)),
        ((10,), ((9.5, R), (9.4, MASTER)), (None,)),
        ((10,), ((8, R),), (None,)),
        ((10,), ((10.5, R),), (None,)),
        ((10, 9.9), ((9.5, R),), (None, None)),
        ((10, 9), ((9.5, R), (8.5, MASTER)), (None, None)),
        ((10, 9), ((9.5, R), (8.9, R), (8, R)), (R, R)),
        ((10, 9), ((9.5, R), (8.9, R), (8, MASTER)), (R, None)),
        ((10, 5), ((9.5, R), (4.5, MASTER)), (R, MASTER)),
        ((), ((9.5, R),), ()),
    ],
)
def test_a_run_is_presumed_to_be_for_the_branch_of_its_build(
    began: tuple[float, ...], uploads: tuple[tuple[float, str], ...], presumed: tuple[str | None, ...]
) -> None:
    """Only where it alone was at work when the build was uploaded, and no build of its time is another's."""
    runs = tuple(merged(ago, None, UNREAD) for ago in began)
    seen = presume_branches(runs, [(NOW - ago * HOUR, ref) for ago, ref in uploads], writer=ON_MERGE)
    assert tuple(run.branch for run in seen) == presumed


def test_what_is_presumed_gives_way_to_what_was_read() -> None:
    run = evolve(merged(10, MASTER, PASSED), presumed=R)
    assert run.branch == MASTER


# --------------------------------------------------------------------------------------------------
# Sentences


def link(run: Run) -> str:
    return f"https://prow.k8s.io/view/gs/kubernetes-ci-logs/logs/{run.job}/{run.id}"


def test_red_says_what_came_of_it_since_when_and_where_to_look() -> None:
    good = evolve(GOOD, log=LogFacts(tested=NEW))
    report = judged((good, *REDS), marker(49.1))
    assert sentence(report) == (
        f"{GREEN} has not moved since 2024-05-04 16:54 UTC, because {JOB} has been red since 2024-05-04 17:00 UTC: "
        f"none of its 48 runs since then has written the marker; the newest failing run is of 2024-05-06 16:00 UTC, "
        f"{link(REDS[-1])}; the first is of 2024-05-04 17:00 UTC, {link(REDS[0])}; its last good run, of "
        f"2024-05-04 16:00 UTC, tested {NEW}"
    )
    (condition,) = writer_conditions(report, Surroundings(), now=NOW)
    assert condition.data == {
        "marker": GREEN,
        "job": JOB,
        "state": "red",
        "since": "2024-05-04T17:00:00Z",
        "runs": 48,
        "runs_counted": "exactly",
        "first_failing_run": link(REDS[0]),
        "newest_failing_run": link(REDS[-1]),
        "last_good_run": link(good),
        "last_good_tested": str(NEW),
    }


def test_red_on_a_branch_names_its_merges() -> None:
    """With a clone the merges that wait are said; that there was no build only where there is no newer one."""
    runs = (merged(50.2, MASTER, PASSED), merged(40, MASTER, FAILED), merged(20, MASTER, FAILED))
    report = judged(runs, branch_marker(50), writer=ON_MERGE)
    uploaded = NOW - 50 * HOUR
    said = sentence(report, newest=NEW, uploaded=uploaded, merges=80)
    assert said.startswith(
        f"{MASTER} has had no build since 2024-05-04 16:00 UTC, because {POSTSUBMIT} has been red on {MASTER} since "
        "2024-05-05 02:00 UTC: none of its 2 runs since then has written the marker; "
    )
    assert f"for merge {'a' * 10}, {link(runs[1])}" in said
    assert said.endswith(f"its last good run there, of 2024-05-04 15:48 UTC, built {NEW}; 80 merges wait")
    assert sentence(report, newest=OLD, uploaded=uploaded, merges=1).startswith(f"{POSTSUBMIT} has been red")
    assert sentence(report, newest=NEW, merges=1).endswith("1 merge waits")


@pytest.mark.parametrize(
    ("runs", "held", "writer", "said"),
    [
        (
            (merged(40, None, UNREAD), merged(30, MASTER, FAILED)),
            branch_marker(50),
            ON_MERGE,
            (
                "has been red on master at least since 2024-05-05 12:00 UTC: at least 1 of its 2 runs since then, for "
                "all branches, was for this one and has not written the marker"
            ),
        ),
        (
            (merged(40, None, UNREAD), merged(30, MASTER, FAILED), merged(29, MASTER, FAILED)),
            branch_marker(50),
            ON_MERGE,
            "at least 2 of its 3 runs since then, for all branches, were for this one, and none has written the marker",
        ),
        (
            (hourly(3, FAILED), hourly(2, FAILED)),
            marker(None),
            HOURLY,
            f"{JOB} has been red at least since 2024-05-06 15:00 UTC: none of its newest 2 runs has written the marker",
        ),
        (
            (hourly(2, FAILED, took=10),),
            marker(1),
            HOURLY,
            (
                "its newest run has not written the marker; the newest failing run is of 2024-05-06 16:00 UTC, "
                f"{link(hourly(2, FAILED))}; the marker was last written by something else than a run of it"
            ),
        ),
        (
            (hourly(3, PASSED), hourly(2, FAILED)),
            marker(2.1),
            HOURLY,
            "its only run since then has not written the marker",
        ),
        (
            (hourly(6, PASSED), hourly(5, FAILED)),
            marker(5.1),
            HOURLY,
            (
                f"{JOB}, which writes {GREEN}, has not run since 2024-05-06 13:00 UTC (5 hours), and is to run every "
                f"60 minutes; its last run, failed, is {link(hourly(5, FAILED))}"
            ),
        ),
        (
            (hourly(5, UNREAD),),
            marker(5.1),
            HOURLY,
            f"; its last run is {link(hourly(5, FAILED))}",
        ),
        (
            (hourly(6, PASSED), hourly(4, PASSED)),
            marker(5.1),
            HOURLY,
            (
                f"runs of {JOB} pass, as that of 2024-05-06 14:00 UTC did, {link(hourly(4, PASSED))}, but {GREEN} has "
                "not moved since 2024-05-06 12:54 UTC: see whether it may still write there"
            ),
        ),
        ((hourly(4, PASSED),), marker(None), HOURLY, f"but there is no {GREEN}"),
        (
            (hourly(1, RUNNING),),
            marker(80),
            HOURLY,
            (
                f"a run of {JOB}, which writes {GREEN}, has been on its way since 2024-05-06 17:00 UTC, "
                f"{link(hourly(1, RUNNING))}"
            ),
        ),
    ],
)
def test_each_state_has_a_sentence(runs: tuple[Run, ...], held: Marker, writer: Writer, said: str) -> None:
    """A number of runs is said only as far as it was counted."""
    assert said in sentence(judged(runs, held, writer=writer))


def bare(state: WriterState, *, writer: Writer = HOURLY, **known: Any) -> WriterReport:
    """A report of which no more is known than is given."""
    known = {"marker": marker(5), "reason": "gone", **known}
    return WriterReport(writer=writer, job=writer.jobs[0], place=PLACE, state=state, **known)


RUN = hourly(3, FAILED)
WRITES = f"{JOB}, which writes {GREEN},"


@pytest.mark.parametrize(
    ("report", "severity", "said"),
    [
        (
            bare(WriterState.RED, by_hand=True),
            Severity.WARNING,
            (
                f"{JOB} has been red: none of its 0 runs since then has written the marker; "
                "the marker was last written by something else than a run of it"
            ),
        ),
        (
            bare(WriterState.RED, marker=marker(None), runs=1, is_count_exact=False, newest_red=RUN),
            Severity.WARNING,
            (
                f"{JOB} has been red: its newest run has not written the marker; "
                f"the newest failing run is of 2024-05-06 15:00 UTC, {link(RUN)}"
            ),
        ),
        (
            bare(WriterState.RED, writer=ON_MERGE, marker=marker(None), runs=2, last_good=RUN),
            Severity.WARNING,
            (
                f"{POSTSUBMIT} has been red on master: none of its 2 runs since then has written the marker; "
                "its last good run there, of 2024-05-06 15:00 UTC, built a build; 2 merges wait"
            ),
        ),
        (
            bare(WriterState.IDLE, writer=ON_MERGE),
            Severity.WARNING,
            f"{POSTSUBMIT}, which writes {GREEN}, has not run",
        ),
        (
            bare(WriterState.NOT_WRITING),
            Severity.WARNING,
            (
                f"runs of {JOB} pass, but {GREEN} has not moved since 2024-05-06 13:00 UTC: "
                "see whether it may still write there"
            ),
        ),
        (
            bare(WriterState.NOT_WRITING, newest=RUN, history=(RUN,)),
            Severity.WARNING,
            (
                f"runs of {JOB} pass, as that of 2024-05-06 15:00 UTC did, {link(RUN)}, but {GREEN} has not moved "
                "since 2024-05-06 13:00 UTC: see whether it may still write there"
            ),
        ),
        (
            bare(WriterState.NOT_WRITING, newest=RUN, history=(hourly(4, PASSED), RUN)),
            Severity.WARNING,
            (
                f"runs of {JOB} pass, as that of 2024-05-06 14:00 UTC did, {link(hourly(4, PASSED))}, but {GREEN} has "
                "not moved since 2024-05-06 13:00 UTC: see whether it may still write there"
            ),
        ),
        (bare(WriterState.PENDING), Severity.INFO, f"a run of {WRITES} has been on its way"),
        (bare(WriterState.UNKNOWN), Severity.INFO, f"{PLACE} does not show the state of {WRITES[:-1]}: gone"),
    ],
)
def test_what_is_not_known_is_left_out_of_a_sentence(
    report: WriterReport, severity: Severity, said: str
) -> None:
    """Each state is as serious as it should be, and is told as far as it is known."""
    (condition,) = writer_conditions(report, Surroundings(merges=2), now=NOW)
    assert (condition.code, condition.severity, condition.message) == (
        f"writer-{report.state}",
        severity,
        said,
    )
    assert condition.data.items() >= {"marker": GREEN, "job": report.job, "state": report.state}.items()


def test_green_is_not_worth_a_word() -> None:
    """Nothing is wrong."""
    assert writer_conditions(bare(WriterState.GREEN), Surroundings(merges=2), now=NOW) == ()


def test_the_data_of_a_count_say_whether_it_is_exact() -> None:
    """And which run is on its way."""
    report = bare(WriterState.RED, runs=2, is_count_exact=False, on_way=RUN)
    (condition,) = writer_conditions(report, Surroundings(), now=NOW)
    assert condition.data == {
        "marker": GREEN,
        "job": JOB,
        "state": "red",
        "runs": 2,
        "runs_counted": "at least",
        "run_on_its_way": link(RUN),
    }


def test_a_build_that_was_promoted_untested_is_told() -> None:
    """With both builds and the run."""
    good = evolve(hourly(6, PASSED), log=LogFacts(tested=OLD))
    report = bare(WriterState.GREEN, last_good=good)
    assert writer_conditions(report, Surroundings(), now=NOW) == (
        Condition(
            "promoted-untested",
            Severity.INFO,
            f"{GREEN} names {NEW}, but the run of {JOB} that wrote it tested {OLD}: {link(good)}",
            {"marker": GREEN, "job": JOB, "version": str(NEW), "tested": str(OLD), "run": link(good)},
        ),
    )


def test_jobs_that_build_come_before_those_that_promote() -> None:
    """What broke the one may be why the other is red."""
    promotes, builds = bare(WriterState.RED), bare(WriterState.RED, writer=ON_MERGE)
    assert causes_first([promotes, builds, promotes]) == (builds, promotes, promotes)


# --------------------------------------------------------------------------------------------------
# Laws

results = st.sampled_from([PASSED, FAILED, ABORTED, RUNNING, LOST, UNREADABLE, UNREAD])
histories = st.lists(st.tuples(st.integers(0, 200), results), max_size=12, unique_by=lambda pair: pair[0])
ages = st.none() | st.integers(0, 250)


@given(histories, ages, st.booleans())
def test_a_judgement_is_about_what_is_known(
    history: list[tuple[int, Result | str]],
    written: int | None,
    waits: bool,  # noqa: FBT001 # drawn
) -> None:
    """A count is no larger than the runs listed, an alarm has its evidence, and what is wanted was not read yet."""
    runs = [hourly(ago + 0.01, result) for ago, result in history]
    report = judged(runs, marker(written), waits=waits)
    assert report.runs is None or report.runs <= len(runs)
    if report.state is WriterState.RED:
        assert report.newest_red is not None
        assert report.newest_red.result in {FAILED, ABORTED}
        assert report.first_red is not None
        assert report.first_red.id <= report.newest_red.id
        assert report.since == report.first_red.began
    known = {run.id: run for run in runs}
    assert all(known[want.run].reading(want.file) is None for want in report.wants)
    assert len(set(report.wants)) == len(report.wants) <= 5
    assert all(each.message for each in writer_conditions(report, Surroundings(), now=NOW))


@given(histories, ages)
def test_reading_more_ends(history: list[tuple[int, Result | str]], written: int | None) -> None:
    """Whoever reads what is wanted has soon read all that can be wanted."""
    runs = [hourly(ago + 0.01, UNREAD) for ago, _ in history]
    results = {run.id: result for run, (_, result) in zip(runs, history, strict=True)}
    for _ in range(6):
        report = judged(runs, marker(written))
        if not report.wants:
            break
        for want in report.wants:
            (place,) = (position for position, run in enumerate(runs) if run.id == want.run)
            ago = (NOW - runs[place].began) / HOUR
            full = hourly(ago, LOST if results[want.run] == UNREAD else results[want.run])
            reading = full.finished if want.file is RunFile.FINISHED else Absent()
            assert reading is not None
            runs[place] = runs[place].having(want.file, reading)
    assert judged(runs, marker(written)).wants == ()


def test_a_listing_begins_before_the_run_that_wrote_the_marker() -> None:
    """A timeout before the marker was written, and long enough ago for a job to be idle."""
    assert window_start(HOURLY, NOW - 50 * HOUR, now=NOW) == NOW - 50 * HOUR - 95 * MINUTE
    assert window_start(HOURLY, NOW, now=NOW) == NOW - 4.5 * HOUR - 5 * MINUTE
    assert window_start(HOURLY, None, now=NOW) == window_start(HOURLY, NOW + HOUR, now=NOW)
    assert window_start(ON_MERGE, None, now=NOW) == NOW - 95 * MINUTE


def test_who_writes_what() -> None:
    """Kops' own of August 2026: all four green markers, and the postsubmit for every ref; the first of a ref counts."""
    for ref in (MASTER, "release-1.36", "release-1.35", "release-1.34"):
        green = writer_of(DEFAULT_WRITERS, ref=ref, name=GREEN_MARKER)
        assert green is not None
        assert (
            green.jobs[0] == f"e2e-kops-pipeline-updown-kops-{ref.removeprefix('release-').replace('.', '')}"
        )
        assert green.idle_after == 4.5 * HOUR
    assert writer_of(DEFAULT_WRITERS, ref="release-1.20", name=GREEN_MARKER) is None
    assert writer_of(DEFAULT_WRITERS, ref="v1.30.0", name=BRANCH_MARKER) == ON_MERGE
    assert ON_MERGE.idle_after is None
    mine = Writer(marker=BRANCH_MARKER, jobs=("mine",), branch=MASTER)
    assert writer_of((*DEFAULT_WRITERS, mine), ref=MASTER, name=BRANCH_MARKER) is mine
