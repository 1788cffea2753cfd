"""The jobs behind the markers: found in few requests, whatever their store does, and never changing an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from kopsversion.errors import AccessDeniedError, StoreError, UsageError
from kopsversion.model.channel import BRANCH_MARKER, GREEN_MARKER
from kopsversion.model.policy import Policy
from kopsversion.model.runs import LOG_LIMIT, Result, RunFile, first_id
from kopsversion.model.writers import DEFAULT_WRITERS, POSTSUBMIT, Writer
from kopsversion.rules.writers import Want, WriterReport, WriterState
from kopsversion.stores.deadline import Deadline
from kopsversion.stores.opening import open_store
from kopsversion.workflows.job_runs import list_jobs
from kopsversion.workflows.jobs import DEFAULT_JOBS, MOST_REQUESTS, JobsQuestion, RunsReader, place_of_jobs
from kopsversion.workflows.latest import resolve_latest
from kopsversion.workflows.listing import list_channel
from kopsversion.workflows.survey import check_health
from tests.builders import DAY, HOUR, NOW, alpha, patch
from tests.fake_store import FakeStore
from tests.gcs_server import GcsServer
from tests.git_repos import GitRepository
from tests.prow import JOBS, JOBS_BUCKET, MINUTE, PIPELINE, Prow
from tests.scenes import FAST, Scene, every_hour, store_of
from tests.strategies import hostile_texts

if TYPE_CHECKING:
    from datetime import timedelta
    from pathlib import Path

    from kopsversion.rules.report import HealthReport
    from kopsversion.stores.base import Store

GREEN = f"markers/master/{GREEN_MARKER}"


def prow_of(store: FakeStore) -> Prow:
    return Prow(lambda name, data, at: store.add(name, data, at=at))


def builds_and_markers(*, written: timedelta) -> FakeStore:
    """A store in which all of master is well; its markers were written some time ago."""
    store = FakeStore()
    for n in range(1, 4):
        store.add_build(alpha(n), at=NOW - written - (4 - n) * HOUR)
    for name in (GREEN_MARKER, BRANCH_MARKER):
        store.add_marker("master", name, alpha(3), at=NOW - written)
    return store


def check(store: Store, jobs: Store | str | None, **question: Any) -> HealthReport:
    asked = JobsQuestion(wanted=True, place=jobs) if jobs is not None else None
    return check_health(["master"], store=store, now=NOW, jobs=asked, **question)


def writer(report: HealthReport, name: str = GREEN_MARKER) -> WriterReport:
    return next(each for _, each in report.writers if each.marker.name == name)


def red_for_a_day() -> FakeStore:
    """Jobs of which the pipeline has been red since the marker was written, 25 hours ago."""
    jobs = FakeStore(url="mem://jobs/")
    prow = prow_of(jobs)
    prow.run(PIPELINE, NOW - 26 * HOUR, tested=alpha(3), publishes=GREEN)
    for hour in range(25, 0, -1):
        prow.run(PIPELINE, NOW - hour * HOUR + MINUTE, passed=False, took=30 * MINUTE, publishes=GREEN)
    prow.run(POSTSUBMIT, NOW - 25.2 * HOUR, took=20 * MINUTE, branch="master")
    return jobs


class TestCheck:
    def test_a_red_writer_is_found_in_a_few_reads(self) -> None:
        """One listing, and at most five reads of a marker tell since when, how often, and what was tested last."""
        jobs = red_for_a_day()
        report = check(builds_and_markers(written=25 * HOUR), jobs)
        found = writer(report)
        assert (found.state, found.runs, found.is_count_exact) == (WriterState.RED, 25, True)
        assert found.last_good is not None
        assert str(found.last_good.tested) == alpha(3)
        of_green = [call for call in jobs.calls if PIPELINE in call]
        assert sum(call.startswith("list") for call in of_green) == 1
        assert sum(call.startswith("read") for call in of_green) <= 5
        assert report.channels[0].findings[0].condition.code == "writer-red"
        assert not report.is_healthy

    def test_requests_are_counted(self) -> None:
        store, jobs = builds_and_markers(written=25 * HOUR), red_for_a_day()
        assert check(store, jobs).requests == len(store.calls) + len(jobs.calls)

    def test_without_results_it_says_what_it_said(self) -> None:
        """With the results taken away nothing is added but that they are not known."""
        plain = check(builds_and_markers(written=25 * HOUR), None)
        without = check(builds_and_markers(written=25 * HOUR), FakeStore(url="mem://jobs/"))
        added = [finding.condition.code for finding in without.channels[0].findings]
        assert added == ["writer-unknown", "writer-unknown"]
        assert evolve(without.channels[0], writers=(), findings=()) == plain.channels[0]
        assert without.is_healthy

    def test_an_ignored_marker_has_no_writer(self) -> None:
        policy = Policy(reported=(GREEN_MARKER,))
        report = check(builds_and_markers(written=25 * HOUR), red_for_a_day(), policy_of=lambda _: policy)
        assert [each.marker.name for _, each in report.writers] == [BRANCH_MARKER]

    @pytest.mark.parametrize("pattern", ["*", "list*", "read*"])
    def test_a_store_that_fails_fails_nothing(self, pattern: str) -> None:
        """A listing denied, or files that cannot be read: the reason is said, and the command goes on."""
        jobs = red_for_a_day()
        jobs.fail(pattern, AccessDeniedError("403 for nobody", url="mem://jobs/"))
        found = writer(check(builds_and_markers(written=25 * HOUR), jobs))
        assert found.state is WriterState.UNKNOWN
        assert "403 for nobody" in found.reason

    def test_a_store_that_cannot_be_opened_fails_nothing(self) -> None:
        found = writer(check(builds_and_markers(written=25 * HOUR), "gs://no bucket/"))
        assert found.state is WriterState.UNKNOWN
        assert "does not name a store" in found.reason

    def test_a_job_that_was_renamed_is_found_by_its_older_name(self) -> None:
        """Of several names the first that has runs counts."""
        jobs = FakeStore(url="mem://jobs/")
        prow_of(jobs).run("its-name-before", NOW - 2 * HOUR)
        renamed = Writer(
            marker=GREEN_MARKER, jobs=("its-name-now", "its-name-before"), branch="master", interval=HOUR
        )
        asked = JobsQuestion(wanted=True, place=jobs, writers=(renamed, *DEFAULT_WRITERS))
        store = builds_and_markers(written=HOUR)
        report = check_health(["master"], store=store, now=NOW, jobs=asked)
        assert (writer(report).job, writer(report).state) == ("its-name-before", WriterState.GREEN)

    def test_a_job_whose_results_end_is_idle(self) -> None:
        """Where nothing is listed ``latest-build.txt`` tells since when, by the first name that has one."""
        jobs = FakeStore(url="mem://jobs/")
        old = first_id(NOW - 60 * HOUR)
        jobs.add(f"{PIPELINE}/latest-build.txt", f"{old}\n")
        found = writer(check(builds_and_markers(written=HOUR), jobs))
        assert (found.state, found.since) == (WriterState.IDLE, old.moment)

    @pytest.mark.parametrize("text", ["", "4711", "<html>", str(first_id(NOW + DAY))])
    def test_what_is_no_id_is_no_last_run(self, text: str) -> None:
        jobs = FakeStore(url="mem://jobs/")
        jobs.add(f"{PIPELINE}/latest-build.txt", text)
        assert writer(check(builds_and_markers(written=HOUR), jobs)).state is WriterState.UNKNOWN

    def test_names_that_are_no_runs_and_later_runs_are_passed_over(self) -> None:
        """Ids that are no snowflakes, stray directories, and with ``as_of`` what came later."""
        jobs = red_for_a_day()
        for stray in ("4711", "latest", "\x1b[31m", "9" * 19):
            jobs.add(f"{PIPELINE}/{stray}/finished.json", b"{}")
        prow_of(jobs).run(PIPELINE, NOW + HOUR)
        assert writer(check(builds_and_markers(written=25 * HOUR), jobs)).runs == 25

    def test_what_had_not_ended_had_no_result(self) -> None:
        """At a moment in the past a run that ended since was on its way."""
        jobs = FakeStore(url="mem://jobs/")
        prow_of(jobs).run(PIPELINE, NOW - 2 * HOUR)
        prow_of(jobs).run(PIPELINE, NOW - HOUR / 2, passed=False)
        store = builds_and_markers(written=HOUR)
        found = writer(check_health(["master"], store=store, as_of=NOW, jobs=JobsQuestion(place=jobs)))
        assert found.state is WriterState.GREEN
        assert found.on_way is not None

    def test_with_no_time_left_nothing_is_read(self) -> None:
        """The deadline of the command holds for jobs as well."""
        jobs = red_for_a_day()
        seconds = [0.0]
        deadline = Deadline(60, clock=lambda: seconds[0])
        reader = RunsReader(jobs, now=NOW, as_of=None, deadline=deadline, most_requests=40)
        found = reader.find({(PIPELINE,): NOW - DAY})
        run = found[PIPELINE,].runs[0]
        assert reader.read([(PIPELINE, Want(run.id, RunFile.FINISHED))])
        assert not reader.read([(PIPELINE, Want(run.id, RunFile.FINISHED))])
        seconds[0] = 60.0
        assert not reader.read([(PIPELINE, Want(run.id, RunFile.LOG))])


def test_with_a_clone_the_merges_that_wait_are_said(tmp_path: Path) -> None:
    """Which merges a postsubmit ran for is in its results, and how many wait for their build is in the clone."""
    clone = GitRepository.create(tmp_path / "kops")
    clone.commit("master", when=NOW - 50 * DAY)
    for n in range(1, 4):
        clone.commit("master", when=NOW - 2 * DAY + n * HOUR, claimed_id=f"{n:010x}{'0' * 30}")
    for hours in (20, 18, 16):
        clone.commit("master", when=NOW - hours * HOUR)
    jobs = FakeStore(url="mem://jobs/")
    prow = prow_of(jobs)
    prow.run(POSTSUBMIT, NOW - 25.2 * HOUR, took=20 * MINUTE, branch="master")
    for hours in (20, 18, 16):
        prow.run(POSTSUBMIT, NOW - hours * HOUR, passed=False, took=5 * MINUTE, branch="master")
    report = check(builds_and_markers(written=25 * HOUR), jobs, repo=clone.path)
    (message,) = (
        finding.condition.message
        for finding in report.channels[0].findings
        if finding.condition.code == "writer-red"
    )
    assert message.startswith("master has had no build since 2024-05-05 16:00 UTC, because ")
    assert "has been red on master since 2024-05-05 22:00 UTC: none of its 3 runs since then" in message
    assert f"for merge {'a' * 10}" in message
    assert message.endswith("; 3 merges wait")


BAD_FILES: dict[str, bytes] = {
    "an HTML page": b"<!DOCTYPE html><html>sign in</html>",
    "nothing": b"",
    "a list": b"[]",
    "a timestamp of 0": b'{"timestamp": 0, "passed": false}',
    "milliseconds": b'{"timestamp": 1715014920000, "passed": false}',
    "the future": b'{"timestamp": 32503680000, "passed": false}',
    "results that disagree": b'{"timestamp": 1715014920, "passed": false, "result": "SUCCESS"}',
    "lower case": b'{"passed": false, "result": "aborted", "metadata": {"uploader": "crier"}}',
    "escapes": b'{"passed": false, "result": "\\u001b[31m<script>", "metadata": {"kops-version": "<b>\\u001b"}}',
}


@pytest.mark.parametrize("data", BAD_FILES.values(), ids=BAD_FILES)
def test_a_result_of_any_kind_is_read_or_passed_over(data: bytes) -> None:
    """The newest run's result is hostile text: it tells what it can, and what it cannot is not guessed."""
    jobs = red_for_a_day()
    prow_of(jobs).run(PIPELINE, NOW - HOUR / 4, passed=False, raw={RunFile.FINISHED: data})
    found = writer(check(builds_and_markers(written=25 * HOUR), jobs))
    assert found.state is WriterState.RED
    assert found.runs == 26


def test_a_log_without_end_is_read_no_further_than_its_first_mebibyte() -> None:
    """What was tested stands near the beginning; a log of gigabytes is cut off."""
    line = f"curl https://x/{alpha(2)}/linux/amd64/kops\n".encode()
    for padding, tested in ((LOG_LIMIT // 2, alpha(2)), (LOG_LIMIT, None)):
        jobs = FakeStore(url="mem://jobs/")
        log = b"x" * padding + b"\n" + line + b"y" * LOG_LIMIT
        prow_of(jobs).run(PIPELINE, NOW - 2 * HOUR, raw={RunFile.LOG: log})
        found = writer(check(builds_and_markers(written=HOUR), jobs))
        assert found.last_good is not None
        assert (str(found.last_good.tested) if found.last_good.tested else None) == tested
        assert found.promoted_untested == (found.last_good.tested if tested else None)


# --------------------------------------------------------------------------------------------------
# Where jobs lie


def test_jobs_are_looked_at_where_they_are_known_to_lie(tmp_path: Path) -> None:
    """Kops' own bucket and a directory with logs/ by default; what is said wins."""
    official = "gs://k8s-staging-kops/kops/releases/"
    assert place_of_jobs(JobsQuestion(), store=official) == DEFAULT_JOBS
    assert place_of_jobs(JobsQuestion(wanted=False), store=official) is None
    assert place_of_jobs(JobsQuestion(), store="gs://mine/") is None
    assert place_of_jobs(JobsQuestion(wanted=True), store="gs://mine/") == DEFAULT_JOBS
    assert place_of_jobs(JobsQuestion(place="gs://mine/logs/"), store="gs://mine/") == "gs://mine/logs/"
    directory = tmp_path / "a b+c"
    directory.mkdir()
    url = open_store(str(directory), deadline=Deadline(1), environ={}).url
    assert place_of_jobs(JobsQuestion(), store=url) is None
    assert place_of_jobs(JobsQuestion(place=str(directory)), store=url) == str(directory)
    (directory / "logs").mkdir()
    assert place_of_jobs(JobsQuestion(), store=url) == str(directory / "logs")
    assert place_of_jobs(JobsQuestion(place=str(directory)), store=url) == str(directory / "logs")


# --------------------------------------------------------------------------------------------------
# What it costs

CHANNELS = ("master", "release-1.36", "release-1.35", "release-1.34", "release-1.33", "release-1.32")
PIPELINES = {branch.branch: branch.jobs[0] for branch in DEFAULT_WRITERS if branch.branch is not None}


def six_channels(server: GcsServer, *, red: timedelta, jobs_bucket: str = JOBS_BUCKET) -> None:
    """Six channels, all markers of which stand still since all jobs are red."""
    builds = {**every_hour((alpha(n, minor="1.37") for n in range(1, 30)), last=NOW - red - HOUR)}
    markers = {("master", name): alpha(29, minor="1.37") for name in (GREEN_MARKER, BRANCH_MARKER)}
    for channel in CHANNELS[1:]:
        minor = channel.removeprefix("release-")
        builds |= every_hour((patch(n, minor=minor) for n in range(1, 30)), last=NOW - red - HOUR)
        markers[channel, BRANCH_MARKER] = patch(29, minor=minor)
        if channel in PIPELINES:
            markers[channel, GREEN_MARKER] = patch(29, minor=minor)
    Scene(builds=builds, markers=markers).put(server)
    held = server.bucket(jobs_bucket)
    prow = Prow(lambda name, data, at: held.add(f"logs/{name}", data, at=at))
    for job in PIPELINES.values():
        prow.run(job, NOW - red - 1.5 * HOUR, tested=alpha(29, minor="1.37"))
        for hour in range(int(red / HOUR)):
            prow.run(job, NOW - (hour + 0.1) * HOUR, passed=None if hour == 0 else False, took=30 * MINUTE)
    for number in range(300):
        branch = CHANNELS[number % len(CHANNELS)]
        prow.run(
            POSTSUBMIT, NOW - red - HOUR + number * red / 300, passed=False, branch=branch, took=5 * MINUTE
        )


def checked(server: GcsServer, *, with_jobs: bool) -> tuple[HealthReport, int]:
    server.forget()
    place = open_store(
        JOBS, deadline=Deadline(60), attempts=FAST, environ={"STORAGE_EMULATOR_HOST": server.url}
    )
    report = check_health(
        CHANNELS,
        store=store_of(server),
        now=NOW,
        jobs=JobsQuestion(place=place) if with_jobs else None,
        timeout=120,
    )
    return report, len(server.requests)


@pytest.mark.parametrize("days", [1, 60])
def test_six_channels_cost_forty_requests_more(days: int) -> None:
    """One listing a job, shared by all its markers, and few reads, however long the jobs have been red."""
    with GcsServer() as server:
        six_channels(server, red=days * DAY)
        plain, before = checked(server, with_jobs=False)
        report, after = checked(server, with_jobs=True)
        assert after - before <= 40
        assert report.requests == after
        assert plain.requests == before
        for channel in report.channels:
            for each in channel.writers:
                if each.marker.name == GREEN_MARKER:
                    assert (each.state, each.runs) == (WriterState.RED, days * 24 - 1)
        postsubmit = [each for _, each in report.writers if each.marker.name == BRANCH_MARKER]
        assert {each.state for each in postsubmit} <= {WriterState.RED, WriterState.UNKNOWN}
        assert WriterState.RED in {each.state for each in postsubmit}
        assert all(not each.is_count_exact for each in postsubmit if each.state is WriterState.RED)


def test_where_all_is_well_hardly_anything_is_read() -> None:
    """Runs are told apart by the builds that came of them: no branch's job is unknown, however quiet it is."""
    with GcsServer() as server:
        builds, markers = {}, {}
        held = server.bucket(JOBS_BUCKET)
        prow = Prow(lambda name, data, at: held.add(f"logs/{name}", data, at=at))
        for number in range(90, 0, -1):
            # Master is built most of the time, and release-1.32 not for a week.
            quiet = number % 6 if number > 84 else min(number % 4, 3)
            channel = CHANNELS[5 - quiet] if number > 84 else CHANNELS[quiet]
            minor = "1.37" if channel == "master" else channel.removeprefix("release-")
            version = (
                alpha(100 - number, minor=minor) if channel == "master" else patch(100 - number, minor=minor)
            )
            uploaded = NOW - number * 2 * HOUR
            builds[version] = uploaded
            markers[channel, BRANCH_MARKER] = version
            prow.run(POSTSUBMIT, uploaded - 20 * MINUTE, took=21 * MINUTE, branch=channel)
        Scene(builds=builds, markers=markers).put(server)
        _, before = checked(server, with_jobs=False)
        report, after = checked(server, with_jobs=True)
        assert {each.state for _, each in report.writers if each.marker.name == BRANCH_MARKER} == {
            WriterState.GREEN
        }
        assert after - before <= 15


def test_the_budget_holds_when_every_job_is_elsewhere() -> None:
    """Also where nothing is found under any name."""
    with GcsServer() as server:
        six_channels(server, red=DAY, jobs_bucket="another-bucket")
        server.bucket(JOBS_BUCKET)
        _, before = checked(server, with_jobs=False)
        report, after = checked(server, with_jobs=True)
        assert after - before <= MOST_REQUESTS
        assert {each.state for _, each in report.writers} == {WriterState.UNKNOWN}


def test_a_list_of_twenty_runs_costs_little_more_than_one_of_builds() -> None:
    """At most 25 requests more than the same number of builds."""
    with GcsServer() as server:
        six_channels(server, red=60 * DAY)
        server.forget()
        list_channel("master", store=store_of(server), now=NOW, limit=20)
        builds = len(server.requests)
        place = open_store(
            JOBS, deadline=Deadline(60), attempts=FAST, environ={"STORAGE_EMULATOR_HOST": server.url}
        )
        for selectors in (["master"], [PIPELINE], [POSTSUBMIT], ["release-1.36", "release-1.32"]):
            server.forget()
            listing = list_jobs(selectors, question=JobsQuestion(place=place), now=NOW, limit=20)
            assert len(server.requests) <= builds + 25
            assert listing.requests == len(server.requests)
            assert sum(len(job.runs) for job in listing.jobs) <= 20


def test_a_list_needs_a_number_of_runs() -> None:
    with pytest.raises(UsageError, match="limit is -1"):
        list_jobs(limit=-1)


def test_jobs_that_cannot_be_listed_are_an_error_of_the_store() -> None:
    """Whoever asks for jobs alone is told that there is no answer, and why."""
    jobs = red_for_a_day()
    jobs.fail("list*", AccessDeniedError("403 for nobody", url="mem://jobs/"))
    with pytest.raises(StoreError, match="could not be listed") as caught:
        list_jobs(
            [PIPELINE], store=builds_and_markers(written=HOUR), question=JobsQuestion(place=jobs), now=NOW
        )
    assert caught.value.reasons == ("403 for nobody",)


@pytest.mark.parametrize(("denied", "known"), [("read *", False), ("read *finished.json", True)])
def test_runs_that_are_listed_and_cannot_be_read_are_an_error(*, denied: str, known: bool) -> None:
    """A column of results that are not known hid why; what a log says is an answer still."""
    jobs = FakeStore(url="mem://jobs/")
    prow_of(jobs).run("any-job", NOW - HOUR, tested=alpha(1))
    jobs.fail(denied, AccessDeniedError("403 for nobody", url="mem://jobs/"))
    question = JobsQuestion(place=jobs)
    if known:
        assert list_jobs(["any-job"], question=question, now=NOW).jobs[0].runs[0].result is Result.UNKNOWN
        return
    with pytest.raises(StoreError, match="none of them could be read") as caught:
        list_jobs(["any-job"], question=question, now=NOW)
    assert caught.value.reasons == ("finished.json cannot be read: 403 for nobody",)


def test_a_run_whose_branch_cannot_be_read_is_listed_for_none() -> None:
    """Neither ``prowjob.json`` nor ``started.json`` is there."""
    jobs = FakeStore(url="mem://jobs/")
    prow = prow_of(jobs)
    prow.run(POSTSUBMIT, NOW - HOUR, branch="master")
    prow.run(POSTSUBMIT, NOW - 2 * HOUR, raw={RunFile.PROWJOB: None, RunFile.STARTED: None})
    listing = list_jobs(["master"], store=FakeStore(), question=JobsQuestion(place=jobs), now=NOW)
    assert [len(job.runs) for job in listing.jobs] == [1, 0]


def test_far_back_is_looked_for_where_there_are_few_runs() -> None:
    """Days first, then weeks, then everything that is kept."""
    jobs = FakeStore(url="mem://jobs/")
    for days in (1, 20, 80):
        prow_of(jobs).run("any-job", NOW - days * DAY, tested=alpha(days))
    (job,) = list_jobs(["any-job"], question=JobsQuestion(place=jobs), now=NOW, limit=3).jobs
    assert [str(run.tested) for run in job.runs] == [alpha(1), alpha(20), alpha(80)]
    assert sum(call.startswith("list") for call in jobs.calls) == 3
    assert job.same is None


# --------------------------------------------------------------------------------------------------
# No answer changes

results = st.sampled_from([*Result, None])


@given(st.lists(st.tuples(st.integers(1, 400), st.booleans() | st.none(), hostile_texts()), max_size=8))
def test_no_result_changes_an_answer(runs: list[tuple[int, bool | None, str]]) -> None:
    """Whatever jobs came to, the build chosen, the verdicts and the builds seen are the same."""
    jobs = FakeStore(url="mem://jobs/")
    for ago, passed, text in runs:
        raw = {RunFile.LOG: text.encode(errors="replace"), RunFile.STARTED: text.encode(errors="replace")}
        prow_of(jobs).run(PIPELINE, NOW - ago * MINUTE * 10, passed=passed, raw=raw)
    store = builds_and_markers(written=30 * HOUR)
    before = resolve_latest("master", store=store, now=NOW)
    plain, explained = check(store, None), check(store, jobs)
    after = resolve_latest("master", store=store, now=NOW)
    assert after == before
    (one,), (other,) = plain.channels, explained.channels
    assert evolve(other, writers=(), findings=()) == evolve(one, findings=())
    known = [finding.condition for finding in one.findings]
    assert [each.condition for each in other.findings if each.condition in known] == known
