"""The benchmarks measure what they say: tiny runs, of which only what does not depend on time is looked at."""

from __future__ import annotations

import json
import shutil
import ssl
import sys
import urllib.request
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from attrs import evolve

from kopsversion.model.version import BuildVersion
from kopsversion.workflows.latest import resolve_latest
from tests.benchmarks import clone, fleet, listing, resolve, serving, startup, versions
from tests.benchmarks.bucket import BUCKET, STORE, plan
from tests.benchmarks.fleet import Answer, Report
from tests.benchmarks.measuring import RunError, clean_environment, run, table
from tests.benchmarks.serving import TRANSIENT, Figures
from tests.benchmarks.tls import can_make_certificates, tls_front
from tests.gcs_faults import FAULTS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.gcs_server import GcsServer

NOW = datetime(2024, 5, 6, 18, tzinfo=UTC)


def cells(line: str) -> list[str]:
    """The cells of a line of a Markdown table."""
    return [cell.strip() for cell in line.strip("| \n").split("|")]


def rows_of(output: str) -> dict[str, list[str]]:
    """The rows of all tables, by their first cell."""
    lines = [cells(line) for line in output.splitlines() if line.startswith("| ")]
    return {first: rest for first, *rest in lines}


class TestBucket:
    @pytest.mark.parametrize("builds", [8, 100, 1_601])
    def test_the_planned_answers_are_the_newest_of_their_minors(self, builds: int) -> None:
        planned = plan(builds, now=NOW)
        assert len(planned.uploaded) == builds
        assert len(planned.answers) == 4
        for ref, answer in planned.answers.items():
            newest = BuildVersion.parse(answer)
            minor = [v for v in map(BuildVersion.parse, planned.uploaded) if v.minor == newest.minor]
            assert newest == max(minor)
            assert ref in {"master", f"release-{newest.minor}"}
        assert max(planned.uploaded, key=planned.uploaded.__getitem__) == planned.answers["master"]

    def test_a_bucket_is_too_small_for_its_minors(self) -> None:
        with pytest.raises(ValueError, match="7 builds"):
            plan(7)

    @pytest.mark.parametrize("builds", [100, 10_000])
    def test_a_resolve_gives_the_planned_answer_in_a_constant_number_of_requests(
        self, builds: int, gcs_server: GcsServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """DESIGN section 10: 5 for master, 3 for a release channel, whatever the bucket holds."""
        planned = plan(builds, now=NOW)
        planned.fill(gcs_server.bucket(BUCKET))
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs_server.url)
        for ref, answer in planned.answers.items():
            gcs_server.forget()
            found = resolve_latest(ref, store=STORE, now=NOW)
            assert str(found.version) == answer
            assert len(gcs_server.requests) == found.requests == (5 if ref == "master" else 4)


class TestServing:
    def test_every_fault_of_a_fleet_is_in_the_catalogue(self) -> None:
        assert set(TRANSIENT) <= set(FAULTS)

    def test_a_server_in_another_process_counts_and_forgets(self) -> None:
        with serving.serving(8) as served:
            url = f"{served.url}/storage/v1/b/{BUCKET}/o?delimiter=.&prefix=kops/releases/"
            body = urllib.request.urlopen(url).read()
            served.set_latency(0)
            seen = served.figures()
            assert (seen.requests, seen.sent, seen.kinds) == (1, len(body), {"majors": 1})
            assert (seen.errors, seen.faults) == (0, {})
            assert "kops/releases/1." in json.loads(body)["prefixes"]
            served.forget()
            assert served.figures().requests == 0

    def test_a_fault_strikes_as_often_as_it_should(self) -> None:
        mixed = serving.Mixed(seed=1)
        assert not any(mixed.wanted(None) for _ in range(100))
        mixed.share = 1.0
        assert all(mixed.wanted(None) for _ in range(100))


class TestMeasuring:
    def test_a_process_is_measured(self, tmp_path: Path) -> None:
        with clean_environment(GREETING="hello") as (environ, work):
            script = "import os; print(os.environ['GREETING'], os.getcwd())"
            done = run((sys.executable, "-c", script), environ=environ, directory=work)
            assert done.output == f"hello {work}\n"
        assert done.wall > 0
        assert done.peak > 1_000_000

    def test_a_process_that_fails_is_not_measured(self, tmp_path: Path) -> None:
        with pytest.raises(RunError, match="status 3: no such luck"):
            run((sys.executable, "-c", FAIL), environ={}, directory=tmp_path)

    def test_a_table_is_flushed_right_but_for_its_first_column(self) -> None:
        assert table(("", "n"), [("a", "10"), ("bb", "9")]).splitlines() == [
            "|    |  n |",
            "| -- | -: |",
            "| a  | 10 |",
            "| bb |  9 |",
        ]


FAIL = "import sys; print('no such luck', file=sys.stderr); sys.exit(3)"


class TestResolve:
    def test_each_contender_gets_a_row_with_what_the_server_counted(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(shutil, "which", lambda _: None)
        resolve.main(["--builds", "8", "--latency", "0", "--runs", "1"])
        output = capsys.readouterr().out
        rows = rows_of(output)
        requests = {name: row[0] for name, row in rows.items() if row[0].isdigit()}
        # A page; the client's own question about the bucket is asked in the background, and may come too late.
        assert requests.pop(resolve.CLIENT_PAGE) in {"1", "2"}
        assert requests == {
            resolve.OURS: "5",
            resolve.OURS_RELEASE: "4",
            resolve.WALK: "5",
            resolve.CLIENT_WALK: "5",
        }
        assert "gcloud is not installed here" in output
        assert "gsutil, or the openssl" in output

    def test_a_contender_that_fails_or_answers_wrongly_is_left_out(self) -> None:
        with serving.serving(8) as served, clean_environment() as (environ, work):
            good, wrong, broken = [
                resolve.Contender(name, (sys.executable, "-c", script), "right\n")
                for name, script in (("good", "print('right')"), ("wrong", "print('left')"), ("broken", FAIL))
            ]
            found = resolve.measure([good, wrong, broken], served, environ=environ, work=work, runs=2)
        output = resolve.render(found)
        assert {name: row[-1] for name, row in rows_of(output).items() if row[0].isdigit()} == {"good": "2"}
        assert "Left out: wrong answered 'left" in output
        assert "no such luck" in output

    @pytest.mark.skipif(not can_make_certificates(), reason="openssl is not installed")
    def test_the_tls_front_passes_everything_on(self, gcs_server: GcsServer, tmp_path: Path) -> None:
        gcs_server.bucket().add("some/name", "content")
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        with tls_front(gcs_server.port, folder=tmp_path) as port:
            url = f"https://127.0.0.1:{port}/{BUCKET}/some/name"
            with urllib.request.urlopen(url, context=context) as answer:
                assert answer.read() == b"content"


class TestStartup:
    def test_each_command_gets_a_row(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        """The single file is compared with the installed script; here something stands in for it."""
        pyz = tmp_path / "stand-in.pyz"
        pyz.write_text("from kopsversion.cli.process import one_file\none_file()\n")
        startup.main(["--runs", "1", "--pyz", str(pyz)])
        output = capsys.readouterr().out
        rows = rows_of(output)
        assert {"python -c pass", "kopsversion --help", "resolve-latest --help"} <= set(rows)
        assert {startup.ANSWER, startup.PYZ_ANSWER, startup.PYZ_HELP} <= set(rows)
        assert rows["python -c pass"][2] == "0"
        assert "- kopsversion.pyz, an answer takes " in output

    def test_without_the_single_file_it_says_so(self) -> None:
        """What has not been built is not measured."""
        assert startup.compare({}) == "kopsversion.pyz is not measured: build it with `make pyz`"


class TestListing:
    def test_each_size_gets_a_row(self, capsys: pytest.CaptureFixture[str]) -> None:
        """All builds of each are listed."""
        listing.main(["--quick"])
        assert {"250", "500"} <= set(rows_of(capsys.readouterr().out))


class TestVersions:
    def test_samples_are_all_versions_and_in_order(self) -> None:
        found = list(versions.samples(900))
        parsed = [BuildVersion.parse(sample.text) for sample in found]
        assert len(set(parsed)) == 900
        assert sum(version.distance is None for version in parsed) == 36
        assert sum(".alpha." in version.text for version in parsed) > 0

    def test_each_reader_gets_a_row(self, capsys: pytest.CaptureFixture[str]) -> None:
        versions.main(["--count", "900", "--quick"])
        rows = rows_of(capsys.readouterr().out)
        refused_and_misplaced = {reader: rows[reader][-2:] for reader in versions.READERS}
        assert refused_and_misplaced["kopsversion"] == ["0", "0"]
        assert int(refused_and_misplaced["python-semver"][0]) > 0
        assert int(refused_and_misplaced["packaging"][1]) > 0


class TestFleet:
    def test_threads_and_processes_get_the_right_answer(self, capsys: pytest.CaptureFixture[str]) -> None:
        size = ["--builds", "8", "--processes", "1", "--threads", "3", "--commands", "1", "--faults", "0"]
        fleet.main(size)
        rows = rows_of(capsys.readouterr().out)
        assert rows["resolves at once"] == rows["answers"] == ["4"]
        assert rows["failures"] == rows["wrong answers"] == rows["retries"] == ["0"]
        assert rows["requests"] == [str(5 + 4 + 4 + 4)]

    def test_a_failure_and_a_wrong_answer_are_told(self) -> None:
        good = Answer("master", version="1.30.0", rung="listing+markers", requests=6, seconds=1.0)
        answers = [good, evolve(good, version="1.29.0"), Answer("master", problem="gone")]
        figures = Figures(9, 900, kinds={}, faults={"503": 2}, most_in_flight=3, errors=0)
        report = Report(
            answers, right={"master": "1.30.0"}, needed={"master": 5}, figures=figures, seconds=2.0
        )
        output = fleet.render(report, faults=5)
        rows = rows_of(output)
        assert (rows["failures"], rows["wrong answers"], rows["retries"]) == (["1"], ["1"], ["2"])
        assert rows["503"] == ["2"]
        assert "Failed: master: gone" in output
        assert "Wrong: master: 1.29.0" in output

    def test_the_exit_status_tells_of_a_failure(self, monkeypatch: pytest.MonkeyPatch) -> None:
        figures = Figures(1, 0, kinds={}, faults={}, most_in_flight=1, errors=0)
        failed = Report([Answer("master", problem="gone")], right={}, needed={}, figures=figures, seconds=1.0)
        monkeypatch.setattr(fleet, "unleash", lambda **_: failed)
        with pytest.raises(SystemExit, match="1"):
            fleet.main(["--quick"])


def test_what_a_clone_costs_is_measured_on_a_history_with_releases(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Older doubts cost more, and a table says how much."""
    monkeypatch.setattr(clone, "AGES", (10, 200))
    costs = clone.measure(tmp_path, merges=320)
    assert [cost.merges for cost in costs] == [128, 256, 90, 321]
    assert 0 < costs[0].size < costs[1].size < costs[3].size
    assert clone.table(costs).count("\n") == 2 + len(costs)
