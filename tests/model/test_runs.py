"""Runs of Prow's jobs: ids that are moments, and files that are hostile text until they have been read."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from attrs import evolve
from hypothesis import example, given
from hypothesis import strategies as st

from kopsversion.errors import UsageError
from kopsversion.model.runs import (
    JSON_LIMIT,
    LOG_LIMIT,
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
    check_job_name,
    first_id,
    marker_path_in,
    read_file,
    read_finished,
    read_log,
    read_prowjob,
    read_started,
    run_link,
)
from kopsversion.model.version import BuildVersion
from tests.strategies import hostile_texts, version_texts

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS = Path(__file__).parents[3] / "shared" / "prow" / "run-version-pairs.tsv"
JOB = "e2e-kops-pipeline-updown-kops-master"
BUILD = "1.29.0-alpha.4+v1.29.0-alpha.3-378-g22ce1230da"
SHA = "22ce1230da" + "0" * 30
BEGAN = datetime(2024, 3, 8, 7, 2, tzinfo=UTC)
ID = first_id(BEGAN)
SECONDS = int(BEGAN.timestamp())

ids = st.integers(10**18, 2**63 - 1).map(RunId)
moments = st.datetimes(datetime(2018, 8, 1), datetime(2080, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 # has one
_KEYS = (
    *("timestamp", "passed", "result", "metadata", "kops-version", "repos", "kubernetes/kops"),
    *("spec", "status", "refs", "base_ref", "base_sha", "job", "pod_spec", "containers", "args", "state"),
    "completionTime",
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | hostile_texts(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_KEYS), inner, max_size=4),
    max_leaves=12,
)


def as_json(fields: object) -> bytes:
    return json.dumps(fields).encode()


class TestIds:
    """A run's id is a snowflake."""

    @given(ids, ids)
    def test_text_number_and_time_are_one_order(self, one: RunId, other: RunId) -> None:
        """Text order is number order, and never against time."""
        assert (one < other) == (str(one) < str(other)) == (one.number < other.number)
        if one < other:
            assert one.moment <= other.moment

    @given(ids, moments)
    @example(first_id(BEGAN), BEGAN)
    def test_the_first_id_is_the_least_of_its_moment(self, run: RunId, moment: datetime) -> None:
        """A run began at a moment or later exactly if its id is not less than the moment's first."""
        assert (run.moment >= moment) == (run >= first_id(moment))

    @given(ids)
    def test_an_id_is_read_back_from_its_text(self, run: RunId) -> None:
        assert RunId.parse(str(run)) == run

    @given(moments)
    def test_a_moment_is_read_back_to_the_millisecond(self, moment: datetime) -> None:
        assert timedelta() <= first_id(moment).moment - moment < timedelta(milliseconds=1)

    def test_moments_that_no_id_has_give_the_nearest(self) -> None:
        """Before 2018 and after 2080 an id has another number of digits, and would break the order of text."""
        assert first_id(datetime(2011, 1, 1, tzinfo=UTC)) == RunId(10**18)
        assert first_id(datetime(2999, 1, 1, tzinfo=UTC)) == RunId(2**63 - 1)

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "0",
            "4711",
            "\u0661" * 19,
            "9" * 19,
            "1" * 20,
            "01" + "1" * 17,
            "-" + "1" * 18,
            "latest-build.txt",
        ],
    )
    def test_what_is_no_snowflake_is_no_id(self, text: str) -> None:
        assert RunId.parse(text) is None

    def test_the_ids_of_real_runs_tell_their_times(self) -> None:
        """300 runs of a Kubernetes job: each id's time is the one that was written down, to the second."""
        if not ROWS.is_file():
            pytest.skip(f"the collection of real runs is not here: {ROWS}")
        rows = [line.split("\t") for line in ROWS.read_text().splitlines() if not line.startswith("#")]
        assert len(rows) == 300
        read = [(RunId.parse(text), datetime.fromisoformat(f"{when}+00:00")) for text, when, _, _ in rows]
        assert all(run is not None and abs(run.moment - when) < timedelta(seconds=1) for run, when in read)
        assert sorted(run for run, _ in read if run) == [run for run, _ in read]


@pytest.mark.parametrize("text", ["", "../x", "a/b", "a b", "-x", "é", "x" * 201, "a\n"])
def test_a_job_name_is_checked(text: str) -> None:
    """A job's name becomes part of an object's name, so it has few characters."""
    with pytest.raises(UsageError, match="not the name of a job") as caught:
        check_job_name(text)
    assert caught.value.hint == "a job is named as in Prow, such as kops-postsubmit-push-to-staging"
    assert check_job_name(JOB) == JOB


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (SECONDS, BEGAN),
        (SECONDS * 1000, BEGAN),
        (1, datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)),
        (10**11, datetime(5138, 11, 16, 9, 46, 40, tzinfo=UTC)),
        (10**11 + 1000, datetime(1973, 3, 3, 9, 46, 41, tzinfo=UTC)),
        (SECONDS + 0.5, BEGAN + timedelta(seconds=0.5)),
        (0, None),
        (-5, None),
        (True, None),
        (str(SECONDS), None),
        (None, None),
        (1e300, None),
        (10**15, None),
    ],
)
def test_a_timestamp_is_a_moment_or_nothing(value: object, expected: datetime | None) -> None:
    """Seconds or milliseconds; 0 and what no clock can show is not known."""
    read = read_started(as_json({"timestamp": value}))
    assert isinstance(read, Started)
    assert read.at == expected


def test_started_names_the_branches() -> None:
    """``repos`` has branch and commit of each repository; what is not that is left out."""
    repos = {
        "kubernetes/kops": f"master:{SHA},17000:{SHA},17001:{SHA}",
        "kubernetes/test-infra": f"main:{SHA}",
        "x": "master",
        "y": 5,
        "z": "-rf:" + SHA,
    }
    read = read_started(as_json({"timestamp": SECONDS, "repos": repos}))
    assert read == Started(
        at=BEGAN, refs={"kubernetes/kops": ("master", SHA), "kubernetes/test-infra": ("main", SHA)}
    )


@pytest.mark.parametrize(
    ("fields", "result"),
    [
        ({"passed": True, "result": "SUCCESS"}, Result.PASSED),
        ({"passed": True, "result": "FAILURE"}, Result.PASSED),
        ({"passed": False, "result": "SUCCESS"}, Result.FAILED),
        ({"passed": False, "result": "FAILURE"}, Result.FAILED),
        ({"passed": False, "result": "aborted", "metadata": {"uploader": "crier"}}, Result.ABORTED),
        ({"passed": False, "result": "error"}, Result.FAILED),
        ({"passed": False}, Result.FAILED),
        ({"passed": "yes", "result": "success"}, Result.PASSED),
        ({"result": "ABORTED"}, Result.ABORTED),
        ({"result": "\x1b[31m"}, Result.UNKNOWN),
        ({"result": 7}, Result.UNKNOWN),
        ({}, Result.UNKNOWN),
    ],
)
def test_passed_is_trusted_above_result(fields: dict[str, Any], result: Result) -> None:
    """Crier writes results in lower case, and where ``passed`` and ``result`` disagree ``passed`` counts."""
    assert read_finished(as_json({"timestamp": SECONDS, **fields})) == Finished(at=BEGAN, result=result)


@pytest.mark.parametrize(
    ("metadata", "version"),
    [
        ({"kops-version": BUILD}, BUILD),
        ({"kops-version": "\x1b"}, None),
        ({"kops-version": 1}, None),
        ([], None),
    ],
)
def test_finished_may_name_the_build_tested(metadata: object, version: str | None) -> None:
    """kubetest2's ``--metadata kops-version=…`` ends up there."""
    read = read_finished(as_json({"passed": True, "metadata": metadata}))
    assert isinstance(read, Finished)
    assert read.version == (BuildVersion.parse(version) if version else None)


PUBLISH = (
    "--publish-version-marker=gs://k8s-staging-kops/kops/releases/markers/master/latest-ci-updown-green.txt"
)
GREEN = "markers/master/latest-ci-updown-green.txt"


@pytest.mark.parametrize(
    ("container", "publishes"),
    [
        ({"args": ["kubetest2", "kops", PUBLISH]}, (GREEN,)),
        ({"args": ["--publish-version-marker", PUBLISH.partition("=")[2]]}, (GREEN,)),
        ({"command": ["bash", "-c", f"set -e\nkubetest2 kops \\\n {PUBLISH} \\\n --up"]}, (GREEN,)),
        ({"args": [f"x '{PUBLISH.replace('=', ' ')}'"]}, (GREEN,)),
        ({"args": ["--publish-version-marker=gs://elsewhere/x.txt"]}, ("",)),
        ({"args": ["--up"]}, ()),
        ({"args": [1, None]}, ()),
        ({"args": "text"}, ()),
        ("text", ()),
    ],
)
def test_the_arguments_say_which_marker_is_written(container: object, publishes: tuple[str, ...]) -> None:
    """``--publish-version-marker=`` stands among the arguments, or in a script."""
    read = read_prowjob(as_json({"spec": {"pod_spec": {"containers": [container]}}}))
    assert isinstance(read, ProwJob)
    assert read.publishes == publishes


def test_prowjob_names_job_branch_and_state() -> None:
    """What it says of a postsubmit, and nothing where the value has not the form."""
    spec = {"job": JOB, "refs": {"base_ref": "release-1.30", "base_sha": SHA}}
    status = {"state": "failure", "completionTime": "2024-03-08T07:02:00Z"}
    assert read_prowjob(as_json({"spec": spec, "status": status})) == ProwJob(
        job=JOB, base_ref="release-1.30", base_sha=SHA, result=Result.FAILED, completed=BEGAN
    )
    spec = {"job": "\x1b", "refs": {"base_ref": "a b", "base_sha": "HEAD"}}
    odd: dict[str, Any] = {
        "spec": spec,
        "status": {"state": 5, "completionTime": "0001-01-01T00:00:00+23:00"},
    }
    assert read_prowjob(as_json(odd)) == ProwJob()
    odd["status"] = {"state": "pending", "completionTime": "2024-03-08T07:02:00"}
    assert read_prowjob(as_json(odd)) == ProwJob()


LOG = f"""\
I0308 07:02:31.0 4711 up.go:52] curl https://storage.googleapis.com/k8s-staging-kops/kops/releases/{GREEN}
I0308 07:02:32.0 4711 up.go:60] curl https://storage.googleapis.com/k8s-staging-kops/kops/releases/{BUILD}/linux/amd64/kops
I0308 07:02:33.0 4711 up.go:60] curl https://storage.googleapis.com/k8s-staging-kops/kops/releases/1.28.4/linux/amd64/kops
"""
SAID = LogFacts(marker=GREEN, tested=BuildVersion.parse(BUILD))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (LOG, SAID),
        (LOG.replace("+", "%2B"), SAID),
        (LOG.replace("\n", "\r\n"), SAID),
        (LOG.replace("curl ", "curl -fsSLo kops '"), SAID),
        ("\x1b[31m\x00" * 1000 + "\n" + LOG, SAID),
        ("x" * (LOG_LIMIT + 1) + "\n" + LOG, LogFacts()),
        (LOG.replace("curl", "wget"), LogFacts()),
        (LOG.replace(BUILD, "\x1b[31m"), LogFacts(marker=GREEN, tested=BuildVersion.parse("1.28.4"))),
        ("curl https://x/ y/linux/amd64/kops\n", LogFacts()),
        ("", LogFacts()),
    ],
)
def test_a_log_tells_marker_and_build(text: str, expected: LogFacts) -> None:
    """The first MiB counts: which marker was read, and the first kops that was downloaded."""
    assert read_log(text.encode()) == expected


def test_a_log_that_is_no_text_tells_nothing() -> None:
    assert read_log(bytes(range(256)) * 100) == LogFacts()


@pytest.mark.parametrize("read", [read_started, read_finished, read_prowjob])
@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"<!DOCTYPE html><html>", "is an HTML or XML page"),
        (b"\xef\xbb\xbf <?xml version='1.0'?>", "is an HTML or XML page"),
        (b"", "is not JSON"),
        (b"\xff\xfe", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b'{"timestamp": NaN}', "is not JSON"),
        (b"[]", "is not a JSON object"),
        (b" " * (JSON_LIMIT + 1), f"is larger than {JSON_LIMIT} bytes"),
    ],
)
def test_what_is_no_object_is_unreadable(read: Callable[[bytes], object], data: bytes, reason: str) -> None:
    """Its text is not kept: an HTML page, a text without end, or a NaN."""
    assert read(data) == Unreadable(reason)


@given(json_values)
def test_no_json_breaks_a_reader(fields: object) -> None:
    """Whatever is where, a reader returns a value."""
    data = json.dumps({"spec": fields, **(fields if isinstance(fields, dict) else {})}, default=str).encode()
    for read in (read_started, read_finished, read_prowjob):
        assert read(data) is not None


@given(version_texts(plain=True), hostile_texts())
def test_a_build_is_found_in_any_log(text: str, noise: str) -> None:
    """What stands around it does not matter, as long as it has no ``curl`` of its own."""
    line = f"I0308 curl https://storage.googleapis.com/b/{text}/linux/arm64/kops\n"
    facts = read_log(f"{noise.replace('curl', 'Curl')}\n{line}{noise}".encode(errors="replace"))
    assert facts.tested == BuildVersion.parse(text)


@pytest.mark.parametrize("url", ["", GREEN, "https://x/markers/a b/c.txt", "https://x/markers/master"])
def test_a_url_of_no_marker_has_no_path(url: str) -> None:
    assert marker_path_in(url) is None
    assert marker_path_in(f"https://x/{GREEN}") == GREEN
    assert marker_path_in(f"https://x/markers/old/{GREEN}") == GREEN


# --------------------------------------------------------------------------------------------------
# A run

LATER = BEGAN + timedelta(minutes=70)
PASSED = Finished(at=LATER, result=Result.PASSED)
FAILED = ProwJob(result=Result.FAILED, completed=LATER)


def run(**files: Any) -> Run:
    return Run(job=JOB, id=ID, **files)


@pytest.mark.parametrize(
    ("files", "result"),
    [
        ({}, None),
        ({"finished": PASSED}, Result.PASSED),
        ({"finished": PASSED, "prowjob": FAILED}, Result.PASSED),
        ({"finished": Absent()}, Result.RUNNING),
        ({"finished": Absent(), "prowjob": ProwJob()}, Result.RUNNING),
        ({"finished": Absent(), "prowjob": FAILED}, Result.FAILED),
        ({"finished": Unreadable("x")}, Result.UNKNOWN),
        ({"finished": Unreadable("x"), "prowjob": FAILED}, Result.FAILED),
        ({"finished": Finished(), "prowjob": FAILED}, Result.FAILED),
        ({"prowjob": FAILED}, Result.FAILED),
        ({"prowjob": ProwJob()}, None),
    ],
)
def test_a_result_is_the_best_that_was_read(files: dict[str, Any], result: Result | None) -> None:
    """``finished.json``, else the state in ``prowjob.json``; without the first a run has no result yet."""
    assert run(**files).result is result


@pytest.mark.parametrize(
    ("files", "took"),
    [
        ({"finished": PASSED}, timedelta(minutes=70)),
        ({"prowjob": FAILED}, timedelta(minutes=70)),
        ({"finished": Finished(at=BEGAN + timedelta(days=400)), "prowjob": FAILED}, timedelta(minutes=70)),
        ({"finished": Finished(at=BEGAN - timedelta(days=1))}, None),
        (
            {"finished": PASSED, "started": Started(at=BEGAN + timedelta(minutes=1), refs={})},
            timedelta(minutes=69),
        ),
        ({"finished": PASSED, "started": Started(at=LATER + timedelta(hours=1), refs={})}, timedelta()),
        ({"finished": PASSED, "started": Started(refs={})}, timedelta(minutes=70)),
        ({}, None),
    ],
)
def test_a_time_is_believed_where_it_fits_the_id(files: dict[str, Any], took: timedelta | None) -> None:
    """Times before the run began, or days after, are those of a wrong clock."""
    assert run(**files).took == took


def test_a_run_names_its_branch() -> None:
    """``prowjob.json`` has it, and ``started.json`` of a postsubmit."""
    started = Started(refs={"kubernetes/kops": ("release-1.30", SHA)})
    assert (run(started=started).branch, run(started=started).commit) == ("release-1.30", SHA)
    both = run(started=started, prowjob=ProwJob(base_ref="master", base_sha="a" * 40))
    assert (both.branch, both.commit) == ("master", "a" * 40)
    assert (run().branch, run().commit) == (None, None)
    assert run(started=Absent(), prowjob=ProwJob()).branch is None


def test_what_a_run_tested_is_in_its_log_or_its_result() -> None:
    """The result names it where kubetest2 was told to; that is closer to what was meant."""
    other = BuildVersion.parse("1.28.4")
    assert run().tested is None
    assert run(log=SAID, finished=PASSED).tested == SAID.tested
    assert run(log=SAID, finished=Finished(version=other)).tested == other


def test_a_run_of_the_past_has_no_result_before_its_end() -> None:
    """At a moment before its end it was on its way."""
    ended = run(finished=PASSED, prowjob=FAILED)
    assert ended.as_of(LATER).result is Result.PASSED
    assert ended.as_of(LATER - timedelta(seconds=1)).result is Result.RUNNING
    assert run(finished=PASSED).as_of(BEGAN).result is Result.RUNNING
    assert run().as_of(BEGAN) == run()


def test_of_a_run_of_the_past_only_its_end_is_forgotten() -> None:
    """What it ran for was known when it began."""
    known = ProwJob(base_ref="master", base_sha=SHA)
    ended = run(finished=PASSED, prowjob=evolve(known, result=Result.FAILED, completed=LATER), log=SAID)
    assert ended.as_of(BEGAN) == run(finished=Absent(), prowjob=known, log=SAID)


def test_a_run_is_shown_with_all_that_is_known_of_it() -> None:
    """And what is not known is told apart from it."""
    ended = run(finished=PASSED, prowjob=ProwJob(base_ref="master", base_sha=SHA), log=SAID)
    place = "gs://kubernetes-ci-logs/logs/"
    assert SeenRun.of(ended, place=place) == SeenRun(
        id=str(ID),
        url=f"https://prow.k8s.io/view/gs/kubernetes-ci-logs/logs/{JOB}/{ID}",
        began=BEGAN,
        ended=LATER,
        result=Result.PASSED,
        took=timedelta(minutes=70),
        branch="master",
        commit=SHA,
        tested=SAID.tested,
    )


def test_each_file_has_a_reader_and_a_place() -> None:
    """What was not asked for is not there."""
    data = {
        RunFile.STARTED: as_json({"timestamp": SECONDS}),
        RunFile.FINISHED: as_json({"result": "SUCCESS"}),
        RunFile.PROWJOB: as_json({"spec": {"job": JOB}}),
        RunFile.LOG: f"curl https://x/{BUILD}/linux/amd64/kops".encode(),
    }
    expected = {
        RunFile.STARTED: Started(at=BEGAN),
        RunFile.FINISHED: Finished(result=Result.PASSED),
        RunFile.PROWJOB: ProwJob(job=JOB),
        RunFile.LOG: LogFacts(tested=BuildVersion.parse(BUILD)),
    }
    for file in RunFile:
        reading = read_file(file, data[file])
        assert reading == expected[file]
        assert run().reading(file) is None
        assert run().having(file, reading).reading(file) == reading


def test_a_file_of_the_largest_size_is_read() -> None:
    """One byte more is too large."""
    data = as_json({"result": "SUCCESS"}).ljust(JSON_LIMIT)
    assert read_finished(data) == Finished(result=Result.PASSED)
    assert read_finished(data + b" ") == Unreadable(f"is larger than {JSON_LIMIT} bytes")


@pytest.mark.parametrize(
    "text", ["<html>", "<HTML>", "<?xml version='1.0'?>", "<!doctype html>", "  <Error/>"]
)
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["", "with a byte order mark"])
def test_a_page_is_told_from_what_is_no_json(text: str, mark: bytes) -> None:
    """It is what a proxy or an error sends."""
    assert read_finished(mark + text.encode()) == Unreadable("is an HTML or XML page")
    assert read_finished(mark + f"x{text}".encode()) == Unreadable("is not JSON")


def test_a_time_of_another_zone_is_told_in_utc() -> None:
    """As every time."""
    read = read_prowjob(as_json({"status": {"completionTime": "2024-03-08T09:02:00+02:00", "state": []}}))
    assert read == ProwJob(completed=BEGAN)
    assert isinstance(read, ProwJob)
    assert read.completed is not None
    assert read.completed.tzinfo is UTC


@pytest.mark.parametrize(
    ("after", "is_believed"),
    [
        (timedelta(minutes=-10), True),
        (timedelta(minutes=-11), False),
        (timedelta(days=3), True),
        (timedelta(days=3, seconds=1), False),
    ],
)
def test_a_run_ends_ten_minutes_before_its_id_at_the_earliest_and_three_days_later_at_the_latest(
    after: timedelta, *, is_believed: bool
) -> None:
    """Clocks differ."""
    assert run(finished=Finished(at=BEGAN + after)).ended == (BEGAN + after if is_believed else None)


def test_the_first_and_the_last_id_can_be_read() -> None:
    """What is less or greater is no id: the older ones were plain counters."""
    for moment, beyond in ((datetime(2000, 1, 1, tzinfo=UTC), -1), (datetime(2900, 1, 1, tzinfo=UTC), 1)):
        limit = first_id(moment)
        assert RunId.parse(str(limit)) == limit
        assert RunId.parse(str(limit.number + beyond)) is None


def test_every_file_has_a_limit() -> None:
    assert {file: file.limit for file in RunFile}[RunFile.LOG] == LOG_LIMIT
    assert RunFile.FINISHED.limit == JSON_LIMIT


def test_a_run_is_looked_at_where_its_results_lie() -> None:
    """Prow has a page for what lies in a bucket; of a directory there is only the directory."""
    shown = f"https://prow.k8s.io/view/gs/kubernetes-ci-logs/logs/{JOB}/{ID}"
    assert run_link("gs://kubernetes-ci-logs/logs/", job=JOB, run=ID) == shown
    assert run_link("file:///demo/logs/", job=JOB, run=ID) == f"file:///demo/logs/{JOB}/{ID}/"
