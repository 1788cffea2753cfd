"""The jobs behind the markers, from the command line: the demo's incident with its cause, and hostile results."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from kopsversion.cli.demo_bucket import AS_OF, lay_out
from kopsversion.cli.demo_jobs import PERIODIC
from kopsversion.cli.jobs import parse_since
from kopsversion.cli.resolve import resolve
from kopsversion.cli.toolbox import tools
from kopsversion.errors import UsageError
from kopsversion.model.runs import RunFile
from kopsversion.model.writers import POSTSUBMIT
from tests.builders import DAY, HOUR, NOW
from tests.gcs_server import GcsServer
from tests.prow import JOBS_BUCKET, PIPELINE, Prow
from tests.scenes import PLAIN

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from click import Command

LAST = "1.29.0-alpha.4+v1.29.0-alpha.3-378-g22ce1230da"
WHEN = f"{AS_OF:%Y-%m-%dT%H:%M:%SZ}"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo bucket, which nobody changes."""
    return lay_out(tmp_path_factory.mktemp("jobs") / "bucket").directory


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No clone and no configuration nearby."""
    monkeypatch.chdir(tmp_path)


def run(capsys: pytest.CaptureFixture[str], *words: object, command: Command = tools) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        command.main([str(word) for word in words])
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


class TestIncident:
    def test_check_ends_with_the_cause(self, demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """First why there is no build, then why green stands still, each with since when, how often and where."""
        status, out, _ = run(capsys, "check", "master", "--store", demo, "--as-of", WHEN, "-o", "json")
        assert status == 3
        first, second, *_ = json.loads(out)["channels"][0]["findings"]
        assert first["message"].startswith(
            f"master has had no build since 2024-03-06 14:00 UTC, because {POSTSUBMIT} has been red on master since "
            "2024-03-08 07:29 UTC: none of its 80 runs since then has written the marker; the newest failing run is of "
            f"2024-05-06 15:22 UTC for merge ca0f7597c4, {demo.as_uri()}/logs/{POSTSUBMIT}/"
        )
        assert second["message"].startswith(
            f"markers/master/latest-ci-updown-green.txt has not moved since 2024-03-07 06:00 UTC, because {PIPELINE} "
            "has been red since 2024-03-07 06:02 UTC: none of its 1452 runs since then has written the marker"
        )
        assert second["data"]["last_good_tested"] == LAST

    def test_without_jobs_it_says_what_it_said(self, demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Results only add to a report, but for a guess that they make needless; the last line gets the cause."""
        _, out, _ = run(capsys, "check", "--store", demo, "--as-of", WHEN, "--no-jobs")
        assert "writer" not in out
        assert "Jobs" not in out
        _, with_jobs, _ = run(capsys, "check", "--store", demo, "--as-of", WHEN)
        kept = [line.split() for line in with_jobs.splitlines()]
        changed, last = [line for line in out.splitlines() if line.split() not in kept]
        guess = re.compile(r"; either nothing was merged or the postsubmit is red: .*? to tell which")
        assert guess.sub("", changed).split() in kept
        assert with_jobs.splitlines()[-1] == last.replace(").", f": {POSTSUBMIT} is red).")

    @pytest.mark.parametrize("output", ["table", "json", "junit", "prometheus", "markdown", "html"])
    def test_every_output_names_the_job(
        self, output: str, demo: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        _, out, _ = run(capsys, "check", "--store", demo, "--as-of", WHEN, "-o", output)
        assert POSTSUBMIT in out.replace("<wbr>", "")
        assert PIPELINE in out.replace("<wbr>", "")

    def test_each_writer_is_a_case_and_has_its_gauges(
        self, demo: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """A row in TestGrid for each writer, and three gauges."""
        _, junit, _ = run(capsys, "check", "--store", demo, "--as-of", WHEN, "-o", "junit")
        for name in ("latest-ci.txt", "latest-ci-updown-green.txt"):
            assert f'name="master: writer of {name}"' in junit
        _, text, _ = run(capsys, "check", "--store", demo, "--as-of", WHEN, "-o", "prometheus")
        labels = f'channel="master",marker="latest-ci.txt",prow_job="{POSTSUBMIT}"'
        assert f"kopsversion_writer_consecutive_failures{{{labels}}} 80.0" in text
        assert f"kopsversion_writer_last_success_timestamp_seconds{{{labels}}} 1.70973362e+09" in text
        assert f"kopsversion_writer_last_run_timestamp_seconds{{{labels}}} 1.715008953e+09" in text

    def test_resolve_explains_and_answers_the_same(
        self, demo: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """``--explain`` names the jobs; the answer and the status are the same with and without them."""
        words = ("master", "--store", demo, "--as-of", WHEN, "--explain", "--strict")
        status, out, err = run(capsys, *words, command=resolve)
        without, same, quiet = run(capsys, *words, "--no-jobs", command=resolve)
        assert (status, out) == (without, same) == (3, f"{demo.as_uri()}/{LAST}\n")
        assert err.index(POSTSUBMIT) < err.index(PIPELINE)
        assert POSTSUBMIT not in quiet
        assert err.startswith(quiet)

    def test_a_fresh_channel_has_no_jobs_to_explain(
        self, demo: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        _, _, err = run(
            capsys, "release-1.29", "--store", demo, "--as-of", WHEN, "--explain", command=resolve
        )
        assert "Jobs" not in err

    def test_a_lock_is_replayed_without_jobs(
        self, demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """What is in a lock was decided: nobody is asked why."""
        lock = tmp_path / "lock.json"
        run(capsys, "master", "--store", demo, "--as-of", WHEN, "--lock", lock, command=resolve)
        _, out, err = run(capsys, "--from-lock", lock, "--store", demo, "--explain", command=resolve)
        assert out.endswith(f"{LAST}\n")
        assert "Jobs" not in err

    def test_one_build_for_two_months(self, demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """The very finding of the incident, said plainly."""
        status, out, _ = run(capsys, "jobs", "--store", demo, "--as-of", WHEN)
        assert status == 0
        assert f"the last 61 runs, since 2024-03-07 09:11 UTC (60 days), all tested {LAST}" in out
        assert "which writes markers/master/latest-ci.txt" in out


class TestJobs:
    def listed(self, capsys: pytest.CaptureFixture[str], demo: Path, *words: str) -> list[dict[str, Any]]:
        status, out, _ = run(capsys, "jobs", "--store", demo, "--as-of", WHEN, "-o", "json", *words)
        assert status == 0
        jobs: list[dict[str, Any]] = json.loads(out)["jobs"]
        return jobs

    def test_a_channel_stands_for_its_writers(self, demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Of the postsubmit only the branch's own runs are shown, newest first."""
        (job,) = self.listed(capsys, demo, "1.29", "--limit", "3")
        assert (job["job"], job["channel"]) == (POSTSUBMIT, "release-1.29")
        assert [(row["branch"], row["result"]) for row in job["runs"]] == [("release-1.29", "passed")] * 3
        began = [row["began"] for row in job["runs"]]
        assert began == sorted(began, reverse=True)

    def test_rows_are_shared_fairly(self, demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
        jobs = self.listed(capsys, demo, "master", PERIODIC, "--limit", "10")
        assert [len(job["runs"]) for job in jobs] == [4, 3, 3]

    def test_no_more_jobs_are_shown_than_rows(self, demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Of a directory with more jobs the others are counted."""
        _, out, _ = run(capsys, "jobs", "--store", demo, "--as-of", WHEN, "--limit", "2")
        assert PERIODIC not in out
        assert "1 other job: name it, or raise --limit" in out

    def test_any_job_by_name(self, demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """A postsubmit that is named itself shows the runs for every branch."""
        (job,) = self.listed(capsys, demo, POSTSUBMIT, "--limit", "0")
        assert {row["branch"] for row in job["runs"]} >= {"master", "release-1.29", "release-1.28"}
        assert job["same_build"] is None

    def test_since(self, demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """A moment, or how long ago it was."""
        (job,) = self.listed(capsys, demo, PERIODIC, "--since", "10d", "--limit", "0")
        (same,) = self.listed(capsys, demo, PERIODIC, "--since", "2024-04-26T18:00:00Z", "--limit", "0")
        assert job == same
        assert len(job["runs"]) == 10

    def test_a_directory_of_jobs_can_be_named(self, demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
        for place in (demo, demo / "logs", (demo / "logs").as_uri()):
            status, out, _ = run(capsys, "jobs", PERIODIC, "--jobs-store", place, "--as-of", WHEN)
            assert status == 0
            assert PERIODIC in out

    def test_a_job_that_is_not_there(self, demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Alone it is an error; beside others it is said."""
        status, out, err = run(capsys, "jobs", "no-such-job", "--store", demo, "--as-of", WHEN)
        assert (status, out) == (1, "")
        assert "there are no runs of no-such-job" in err
        status, out, _ = run(capsys, "jobs", "no-such-job", PERIODIC, "--store", demo, "--as-of", WHEN)
        assert status == 0
        assert "there are no runs of it" in out

    @pytest.mark.parametrize("words", [["../x"], ["--since", "yesterday"], ["--jobs-store", "ftp://x"]])
    def test_what_is_not_valid(
        self, words: list[str], demo: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        status, out, err = run(capsys, "jobs", *words, "--store", demo)
        assert (status, out) == (2, "")
        assert "hint: " in err

    def test_a_store_that_is_not_there(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        status, _, err = run(capsys, "jobs", "--jobs-store", tmp_path / "nowhere")
        assert status == 4
        assert "could not be listed" in err or "does not exist" in err


def test_since_is_a_moment_or_a_duration() -> None:
    assert parse_since("2024-05-06T18:00:00Z") == AS_OF
    assert parse_since("14d") == 14 * DAY
    with pytest.raises(UsageError, match="neither a moment"):
        parse_since("soon")


HOSTILE = "\x1b[31m<script>alert(1)</script>\x07`$(id)`|*_"


def test_nothing_hostile_reaches_an_output(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Names, results, logs and branches of anybody's making are escaped or left out, in every output."""
    directory = lay_out(tmp_path / "bucket").directory

    def put(name: str, data: bytes, _at: datetime) -> None:
        path = directory / "logs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    page = f"<html>{HOSTILE}</html>".encode()
    fields = json.dumps({"passed": False, "result": HOSTILE, "metadata": {"kops-version": HOSTILE}}).encode()
    spec = {"spec": {"job": HOSTILE, "refs": {"base_ref": HOSTILE, "base_sha": HOSTILE}}}
    prowjob = json.dumps({**spec, "status": {"state": HOSTILE, "completionTime": HOSTILE}}).encode()
    log = f"curl https://x/{HOSTILE}/linux/amd64/kops\ncurl https://x/markers/{HOSTILE}/x.txt\n".encode()
    prow = Prow(put)
    for job in (PIPELINE, POSTSUBMIT, "mine"):
        for minutes, finished in ((30, page), (40, fields)):
            raw = {
                RunFile.FINISHED: finished,
                RunFile.PROWJOB: prowjob,
                RunFile.LOG: log,
                RunFile.STARTED: page,
            }
            prow.run(job, NOW - HOUR * minutes / 60, raw=raw)
    (directory / "logs" / PIPELINE / "\x1b[31m").mkdir()
    (directory / "logs" / "\x1b[31mjob").mkdir()
    words = ("--store", directory, "--as-of", WHEN)
    outputs = [run(capsys, "check", *words, "-o", name) for name in ("table", "json", "junit", "prometheus")]
    outputs += [run(capsys, "check", *words, "-o", name) for name in ("markdown", "html")]
    outputs += [run(capsys, "jobs", *words, "-o", name) for name in ("table", "json")]
    outputs.append(run(capsys, "master", *words, "--explain", command=resolve))
    for status, out, err in outputs:
        assert status in {0, 3}
        assert not {"\x1b", "\x07"} & set(out + err)
        assert "alert(1)" not in out + err


def test_kops_own_bucket_has_its_jobs_at_prow(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By default the jobs of kops' own bucket are looked at, anonymously, and links lead to Prow's pages."""
    with GcsServer() as server:
        PLAIN.put(server)
        held = server.bucket(JOBS_BUCKET)
        prow = Prow(lambda name, data, at: held.add(f"logs/{name}", data, at=at))
        prow.run(PIPELINE, NOW - 2 * HOUR)
        newest = prow.run(PIPELINE, NOW - HOUR / 2, passed=False, took=HOUR / 4)
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
        words = ("check", "master", "--as-of", WHEN, "-o", "json")
        status, out, _ = run(capsys, *words)
        assert status == 3
        found = json.loads(out)["channels"][0]["findings"][0]
        assert found["data"]["newest_failing_run"] == (
            f"https://prow.k8s.io/view/gs/{JOBS_BUCKET}/logs/{PIPELINE}/{newest}"
        )
        assert all("authorization" not in {key.lower() for key in each.headers} for each in server.requests)
        status, out, _ = run(capsys, *words, "--no-jobs")
        assert (status, json.loads(out)["channels"][0]["writers"]) == (0, [])
        server.forget()
        run(capsys, "master", "--as-of", WHEN, command=resolve)
        assert all(JOBS_BUCKET not in each.path for each in server.requests)
