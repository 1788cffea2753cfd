"""``kopsversion check``: what goes where, what is said of mistakes, and the exit status."""

from __future__ import annotations

import html
import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import pytest
from attrs import evolve
from click.testing import CliRunner

from kopsversion.cli.check import FORMATS, Output, check, parse_output
from kopsversion.cli.console import Console, OutputError
from kopsversion.cli.demo_bucket import AS_OF, lay_out
from kopsversion.cli.toolbox import tools
from kopsversion.errors import (
    AccessDeniedError,
    MalformedResponseError,
    ResolutionError,
    StoreUnavailableError,
    UsageError,
)
from kopsversion.model.channel import Channel
from tests.health_reports import crowded, everything, many

if TYPE_CHECKING:
    from collections.abc import Mapping

    from click.testing import Result

    from kopsversion.model.policy import Policy
    from kopsversion.rules.report import HealthReport

ILL = everything()
WELL = crowded(1)
UNREAD = evolve(ILL, channels=ILL.channels[-1:])


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run in a directory without a pyproject.toml, and on no terminal."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TERM", raising=False)


class _Face:
    """Stands in for `kopsversion.workflows.survey.check_health`: answers as told, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: dict[str, Any] = {}
        self.answer: HealthReport | BaseException = ILL

    def __call__(self, selectors: tuple[str, ...], **question: Any) -> HealthReport:
        self.asked = {"selectors": selectors, **question}
        question["progress"]("listing the markers")
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer

    def policy(self, channel: str) -> Policy:
        """Return the policy that a channel is held to."""
        policy: Policy = self.asked["policy_of"](Channel(channel))
        return policy


@pytest.fixture
def face(monkeypatch: pytest.MonkeyPatch) -> _Face:
    face = _Face()
    monkeypatch.setattr("kopsversion.workflows.survey.check_health", face)
    monkeypatch.setattr("kopsversion.cli.check.monotonic", lambda: 1.0)
    return face


def run(*arguments: str, env: Mapping[str, str] | None = None) -> Result:
    return CliRunner().invoke(check, arguments, prog_name="kopsversion check", env=env)


class TestExitStatus:
    @pytest.mark.parametrize(
        ("answer", "status"),
        [(WELL, 0), (ILL, 3), (UNREAD, 4), (StoreUnavailableError("no answer", url="x"), 4)],
    )
    def test_status(self, answer: HealthReport | Exception, status: int, face: _Face) -> None:
        """0: healthy. 3: not. 4: nothing could be read."""
        face.answer = answer
        assert run().exit_code == status

    def test_unread_is_reported(self, face: _Face) -> None:
        """Where nothing could be read the report is written all the same."""
        face.answer = UNREAD
        result = run("-o", "json")
        assert json.loads(result.stdout)["channels"][0]["unreadable"]

    def test_in_the_toolbox(self, face: _Face) -> None:
        """The command is one of the toolbox's."""
        assert CliRunner().invoke(tools, ["check"], prog_name="kopsversion").exit_code == 3


class TestOutputs:
    def test_default(self, face: _Face) -> None:
        """Without -o it is the table, and its last line says whether all is well; nothing is said beside it."""
        result = run()
        assert result.stdout.splitlines()[0].startswith("Channels on 2024-05-06 18:00 UTC")
        assert result.stdout.splitlines()[-1] == ILL.headline
        assert result.stderr == ""

    @pytest.mark.parametrize(
        ("name", "begins"),
        [
            ("json", "{"),
            ("junit", "<?xml"),
            ("testgrid", "<?xml"),
            ("prometheus", "# HELP kopsversion_"),
            ("markdown", "## 4 of 5"),
            ("html", "<!DOCTYPE html>"),
        ],
    )
    def test_on_standard_output(self, name: str, begins: str, face: _Face) -> None:
        """Any one output can go to standard output; the last line then goes to standard error."""
        result = run("-o", name)
        assert result.stdout.lstrip().startswith(begins)
        assert result.stderr == f"{ILL.headline}\n"
        assert run("-o", name, "--quiet").stderr == ""

    def test_several(self, tmp_path: Path, face: _Face) -> None:
        """All outputs come out of one run, each file like what standard output would have had."""
        paths = {name: tmp_path / f"of {name}" for name in FORMATS}
        arguments = [word for name, path in paths.items() for word in ("-o", f"{name}={path}")]
        result = run(*arguments)
        assert result.exit_code == 3
        assert result.stdout == ""
        for name, path in paths.items():
            assert path.read_text() == run("-o", name).stdout

    def test_table_beside_files(self, tmp_path: Path, face: _Face) -> None:
        """The table on standard output, and files beside it."""
        result = run("-o", "table", "-o", f"junit={tmp_path / 'junit.xml'}")
        assert result.stdout.endswith(f"{ILL.headline}\n")
        assert result.stderr == ""
        assert (tmp_path / "junit.xml").exists()

    def test_whole_or_not_at_all(self, tmp_path: Path, face: _Face) -> None:
        """A file is replaced in one step, and nothing else is left in its directory."""
        path = tmp_path / "page.html"
        path.write_text("before")
        run("-o", f"html={path}")
        assert path.read_text().startswith("<!DOCTYPE")
        assert [each.name for each in tmp_path.iterdir()] == ["page.html"]

    def test_from_the_environment(self, tmp_path: Path, face: _Face) -> None:
        """A job can set its outputs in the environment; a variable of another command is not read."""
        variables = {
            "KOPSVERSION_CHECK_OUTPUT": f"json junit={tmp_path / 'j.xml'}",
            "KOPSVERSION_OUTPUT": "env",
        }
        assert run(env=variables).stdout.startswith("{")
        assert (tmp_path / "j.xml").exists()

    def test_progress(self, face: _Face) -> None:
        """What happens next is told only to who asks for more."""
        assert "… listing the markers\n" in run("-v").stderr
        assert "listing" not in run("-o", "json").stderr


FAILURES: Mapping[str, tuple[BaseException, int]] = {
    "unreachable": (StoreUnavailableError("gs://x/ did not answer", url="gs://x/"), 4),
    "denied": (AccessDeniedError("gs://x/ may not be read", url="gs://x/"), 4),
    "malformed": (MalformedResponseError("gs://x/ sent a page", url="gs://x/"), 4),
    "no channel": (ResolutionError("there is no channel to check in gs://x/", channel="every channel"), 1),
    "no such channel": (UsageError("'mastr' is no channel"), 2),
    "defect": (RuntimeError("a defect"), 70),
    "interrupted": (KeyboardInterrupt(), 130),
}


class TestFailure:
    """FAILURES row 34: what an earlier run wrote is not taken for news, whatever goes wrong."""

    @pytest.mark.parametrize("name", FAILURES)
    @pytest.mark.parametrize("output", FORMATS)
    def test_every_output_is_replaced(self, output: str, name: str, tmp_path: Path, face: _Face) -> None:
        """Row 34: each file says that nothing could be checked, and the exit status is the failure's own."""
        face.answer, status = FAILURES[name]
        path = tmp_path / "report"
        path.write_text("All is well")
        result = run("-o", f"{output}={path}")
        assert result.exit_code == status
        text = path.read_text()
        assert "All is well" not in text
        assert "Nothing could be checked" in text or output == "prometheus"
        assert [each.name for each in tmp_path.iterdir()] == ["report"]
        match output:
            case "json":
                written = json.loads(text)
                assert (written["healthy"], written["success"], written["channels"]) == (False, False, [])
                assert written["failure"]["code"] == "check-failed"
            case "junit":
                case = ElementTree.fromstring(text).find(".//testcase/failure[@type='check-failed']")
                assert case is not None
            case "prometheus":
                assert "kopsversion_check_success 0.0\n" in text
                assert "kopsversion_check_timestamp_seconds" in text

    @pytest.mark.parametrize("output", FORMATS)
    def test_standard_output(self, output: str, face: _Face) -> None:
        """Row 34: a collector that takes standard output is told as well, and the error is on the other stream."""
        face.answer = StoreUnavailableError("gs://x/ did not answer", url="gs://x/", hint="wait")
        result = run("-o", output)
        assert result.exit_code == 4
        assert "Nothing could be checked" in result.stdout or "kopsversion_check_success 0.0" in result.stdout
        assert result.stderr == "ERROR gs://x/ did not answer\nhint: wait\n"

    def test_a_terminal(self, face: _Face, monkeypatch: pytest.MonkeyPatch) -> None:
        """On a terminal the first line says that nothing could be checked, and the error comes once, behind it."""
        face.answer = StoreUnavailableError("gs://x/ did not answer", url="gs://x/", hint="wait")
        monkeypatch.setattr("kopsversion.cli.check.is_terminal", lambda _stream: True)
        monkeypatch.setattr("kopsversion.cli.console.is_terminal", lambda _stream: True)
        monkeypatch.setenv("NO_COLOR", "1")
        result = run()
        assert result.stdout == "Nothing could be checked.\n\n"
        assert result.stderr.endswith("ERROR gs://x/ did not answer\nhint: wait\n")

    def test_the_last_line_on_a_terminal(self, face: _Face, monkeypatch: pytest.MonkeyPatch) -> None:
        """On a terminal, where the last line is in view, it says why, as the first line does."""
        face.answer = many(3)
        monkeypatch.setattr("kopsversion.cli.check.is_terminal", lambda _stream: True)
        monkeypatch.setattr("kopsversion.cli.console.is_terminal", lambda _stream: True)
        monkeypatch.setenv("NO_COLOR", "1")
        lines = run().stdout.splitlines()
        assert (
            lines[-1]
            == lines[0]
            == "1 of 3 channels is unhealthy: release-1.38 (green 51 days behind, 45 builds)."
        )

    @pytest.mark.parametrize("output", FORMATS)
    def test_no_channel_could_be_read(self, output: str, tmp_path: Path, face: _Face) -> None:
        """Row 34: a report on channels of which none could be read is no success either."""
        face.answer = UNREAD
        path = tmp_path / "report"
        assert run("-o", f"{output}={path}").exit_code == 4
        assert "release-1.26" in path.read_text()
        if output == "prometheus":
            assert "kopsversion_check_success 0.0\n" in path.read_text()

    def test_a_configuration_that_is_broken(self, tmp_path: Path, face: _Face) -> None:
        """Row 34: a mistake in the configuration replaces the files too; standard output stays empty."""
        page = tmp_path / "page.html"
        page.write_text("All is well")
        result = run("--config", "nowhere.toml", "-o", f"html={page}", "-o", "json")
        assert (result.exit_code, result.stdout) == (2, "")
        assert "'nowhere.toml' cannot be read" in html.unescape(page.read_text())

    def test_the_page_of_a_failure_is_told_what_any_page_is(self, tmp_path: Path, face: _Face) -> None:
        """Whom to ask and when the next check is due are configured; of a look at the past none is due."""
        face.answer = StoreUnavailableError("gs://x/ did not answer", url="gs://x/")
        config, page = tmp_path / "limits.toml", tmp_path / "page.html"
        config.write_text('interval = "30m"\n[links]\ncontact-name = "our team"\n')
        arguments = ["--config", str(config), "-o", f"html={page}"]
        assert run(*arguments).exit_code == 4
        assert "our team" in page.read_text()
        assert 'data-interval="1800"' in page.read_text()
        assert run(*arguments, "--as-of", "2024-05-06T18:00:00Z").exit_code == 4
        assert "next check is due" not in page.read_text()
        assert run("--config", "nowhere.toml", *arguments[2:], "--as-of", "2024-05-06").exit_code == 2
        assert "next check is due" not in page.read_text()

    def test_a_file_that_cannot_be_written(
        self, tmp_path: Path, face: _Face, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Row 34: a full disk leaves no old file, keeps no other from being written, and is told."""
        face.answer = WELL
        old, other = tmp_path / "old.json", tmp_path / "other.json"
        old.write_text("All is well")
        _fill(monkeypatch, full="old.json")
        result = run("-o", f"json={old}", "-o", f"json={other}")
        assert result.exit_code == 2
        assert "'old.json' is full" in result.stderr
        assert not old.exists()
        assert json.loads(other.read_text())["healthy"]

    def test_each_place_that_cannot_be_written_is_said_once(self, tmp_path: Path, face: _Face) -> None:
        """The first is the error, which the report of that very failure would meet again."""
        result = run("-o", f"json={tmp_path / 'no' / 'a'}", "-o", f"html={tmp_path / 'none' / 'b'}")
        assert result.exit_code == 2
        assert [result.stderr.count(f"/{name}' cannot be written") for name in ("no/a", "none/b")] == [1, 1]

    def test_neither_report_nor_failure_can_be_written(
        self, tmp_path: Path, face: _Face, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Row 34: also where the failure itself cannot be written no old file stays."""
        face.answer = StoreUnavailableError("gs://x/ did not answer", url="gs://x/")
        old = tmp_path / "old.json"
        old.write_text("All is well")
        _fill(monkeypatch, full="old.json")
        result = run("-o", f"json={old}")
        assert result.exit_code == 4
        assert "'old.json' is full" in result.stderr
        assert not old.exists()

    def test_an_extra_that_is_not_installed(
        self, tmp_path: Path, face: _Face, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Row 34: an output whose package is missing leaves no old file; the other outputs say what is wrong."""
        page, table = tmp_path / "page.html", tmp_path / "table.txt"
        page.write_text("All is well")
        monkeypatch.delitem(sys.modules, "kopsversion.render.html", raising=False)
        monkeypatch.setattr(sys, "meta_path", [_Missing("jinja2"), *sys.meta_path])
        for loaded in [each for each in sys.modules if each.partition(".")[0] == "jinja2"]:
            monkeypatch.delitem(sys.modules, loaded)
        assert run("-o", f"html={page}", "-o", f"table={table}").exit_code == 2
        assert not page.exists()
        assert "html needs jinja2" in table.read_text()

    def test_a_place_that_is_no_file_is_left_alone(self, tmp_path: Path, face: _Face) -> None:
        """What could not have been replaced is not removed either."""
        (tmp_path / "directory").mkdir()
        assert run("-o", "json=directory", "-o", "json=/dev/null").exit_code == 2
        assert (tmp_path / "directory").is_dir()
        assert Path("/dev/null").exists()

    def test_a_defect_in_an_output(
        self, tmp_path: Path, face: _Face, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Row 34: where an output cannot even be made, all say so."""
        monkeypatch.setattr("kopsversion.render.health_json.health_to_json", _stumble)
        table, other = tmp_path / "t", tmp_path / "j"
        other.write_text("All is well")
        assert run("-o", f"table={table}", "-o", f"json={other}").exit_code == 70
        assert "Nothing could be checked" in table.read_text()
        assert not other.exists()

    def test_standard_output_that_takes_nothing(
        self, tmp_path: Path, face: _Face, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A standard output that is full does not make the files say that the check failed."""
        monkeypatch.setattr(Console, "answer", _no_room)
        face.answer = WELL
        path = tmp_path / "j"
        assert run("-o", "markdown", "-o", f"json={path}").exit_code == 74
        assert json.loads(path.read_text())["healthy"]

    def test_a_closed_pipe(self, tmp_path: Path, face: _Face, monkeypatch: pytest.MonkeyPatch) -> None:
        """A reader that has seen enough does not make the files say that the check failed."""
        monkeypatch.setattr(Console, "answer", _hang_up)
        face.answer = WELL
        path = tmp_path / "j"
        assert run("-o", "markdown", "-o", f"json={path}").exit_code == 141
        assert json.loads(path.read_text())["healthy"]


def _fill(monkeypatch: pytest.MonkeyPatch, *, full: str) -> None:
    """Let writing a file of that name fail."""

    def write(path: Path, data: bytes) -> None:
        if path.name == full:
            raise UsageError(f"'{full}' is full")
        path.write_bytes(data)

    monkeypatch.setattr("kopsversion.files.write_whole", write)


def _stumble(_report: HealthReport) -> str:
    raise RuntimeError("a defect")


def _no_room(_console: Console, _text: str) -> None:
    raise OutputError("no room")


def _hang_up(_console: Console, _text: str) -> None:
    raise BrokenPipeError


class TestJournalAndSilence:
    """Issue 16, item 6: what earlier runs found, and what is known already."""

    def test_journal(self, tmp_path: Path, face: _Face) -> None:
        """The second run says what is new and since when."""
        run("--journal", "journal.jsonl")
        face.answer = evolve(ILL, now=ILL.now + timedelta(hours=1))
        result = run("--journal", "journal.jsonl")
        assert "Found since 2024-05-06 18:00 UTC." in result.stdout
        assert len((tmp_path / "journal.jsonl").read_text().splitlines()) == 2

    def test_failure_in_the_journal(self, tmp_path: Path, face: _Face) -> None:
        """A run that could read nothing is kept too; a mistake in the call is not a run."""
        face.answer = StoreUnavailableError("gs://x/ did not answer", url="gs://x/")
        assert run("--journal", "journal.jsonl").exit_code == 4
        assert not json.loads((tmp_path / "journal.jsonl").read_text())["success"]
        assert run("--journal", "other.jsonl", "--config", "nowhere.toml").exit_code == 2
        assert not (tmp_path / "other.jsonl").exists()

    def test_silence(self, tmp_path: Path, face: _Face) -> None:
        """What is silenced stays visible and does not count."""
        face.answer = many(3)
        today = datetime.now(UTC).date()
        face.answer = evolve(face.answer, now=datetime.now(UTC))
        (tmp_path / "limits.toml").write_text(
            '[[silence]]\nchannel = "1.38"\ncode = "marker-stale"\n'
            f'until = {today.isoformat()}\nreason = "the job is being moved"\n'
        )
        assert run().exit_code == 3
        result = run("--config", "limits.toml")
        assert result.exit_code == 0
        assert "Silenced until" in result.stdout
        assert "the job is being moved" in result.stdout

    def test_strangers(self, tmp_path: Path, face: _Face) -> None:
        """A limit for a channel that does not exist is said, unless only some channels were looked at."""
        (tmp_path / "limits.toml").write_text('[channels."release-9.9"]\nmax-lag = "1h"\n')
        assert "channel-unknown" in run("--config", "limits.toml").stdout
        assert "channel-unknown" not in run("master", "--config", "limits.toml").stdout

    def test_page(self, tmp_path: Path, face: _Face) -> None:
        """The page leads where the configuration says, and says when the next one is due unless it looks back."""
        (tmp_path / "limits.toml").write_text(
            'interval = "2h"\n[links]\nbranch = "https://git.example/{ref}"\n'
        )
        page = run("-o", "html", "--config", "limits.toml").stdout
        assert 'href="https://git.example/master"' in page
        assert 'data-interval="7200"' in page
        assert "data-interval" not in run("-o", "html", "--as-of", "2024-05-06").stdout


class TestMistakes:
    """Mistakes are found before the store is asked, and end with status 2."""

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["-o", "yaml"], "'yaml' is not a format"),
            (["-o", "json="], "'json=' names no file"),
            (["-o", "json", "-o", "table"], "json and table cannot all go to standard output"),
            (["-o", "json=a", "-o", "junit=a"], "'a' is named by several outputs"),
            (["-o", "json=nowhere/a"], "there is no directory 'nowhere'"),
            (["-o", "json=."], "'.' is a directory"),
            (["--config", "nowhere.toml"], "'nowhere.toml' cannot be read"),
            (["--max-lag", "soon"], "'soon' is not a duration"),
            (["--ignore-older", "-1d"], "'-1d' is not a duration"),
        ],
    )
    def test_mistake(self, arguments: list[str], message: str, face: _Face) -> None:
        """A mistake is told in one line with a hint."""
        result = run(*arguments)
        assert result.exit_code == 2
        assert message in result.stderr
        assert "hint: " in result.stderr
        assert result.stdout == ""
        assert face.asked == {}

    @pytest.mark.parametrize(
        ("name", "package"),
        [("html", "jinja2"), ("junit", "junitparser"), ("prometheus", "prometheus_client")],
    )
    def test_extra_not_installed(
        self, name: str, package: str, face: _Face, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An output whose package is missing says what to install: from an index, where we are not."""
        module = "html" if name == "html" else name
        monkeypatch.delitem(sys.modules, f"kopsversion.render.{module}", raising=False)
        monkeypatch.setattr(sys, "meta_path", [_Missing(package), *sys.meta_path])
        for loaded in [each for each in sys.modules if each.partition(".")[0] == package]:
            monkeypatch.delitem(sys.modules, loaded)
        result = run("-o", name)
        assert result.exit_code == 2
        assert f"-o {name} needs {package}, which is not installed" in result.stderr
        assert "hint: pip install jinja2 junitparser prometheus-client" in result.stderr
        assert face.asked == {}

    def test_defect(self, face: _Face, monkeypatch: pytest.MonkeyPatch) -> None:
        """Any other module that is missing is a defect, and not taken for the extra."""
        monkeypatch.delitem(sys.modules, "kopsversion.render.junit", raising=False)
        monkeypatch.setattr(sys, "meta_path", [_Missing("kopsversion.render.junit"), *sys.meta_path])
        assert run("-o", "junit").exit_code == 70

    def test_parse_output(self) -> None:
        """A path may hold an equals sign."""
        assert parse_output("json=a=b") == Output("json", Path("a=b"))
        assert parse_output("table") == Output("table")
        with pytest.raises(UsageError):
            parse_output("=a")


class _Missing:
    """An import hook that finds one package to be missing."""

    def __init__(self, name: str) -> None:
        self._name = name

    def find_spec(self, name: str, *_: object) -> None:
        """Refuse the package; leave all others to the next hook."""
        if name == self._name or name.startswith(f"{self._name}."):
            raise ModuleNotFoundError(f"No module named {name!r}", name=self._name)


class TestLimits:
    def test_config(self, tmp_path: Path, face: _Face) -> None:
        """Limits come from the file that is named, by channel."""
        path = tmp_path / "limits.toml"
        path.write_text('max-lag = "1h"\n[channels.master]\nmax-lag = "2h"\nignored-markers = ["a.txt"]\n')
        run("--config", str(path))
        assert face.policy("master").max_lag == timedelta(hours=2)
        assert face.policy("master").reported == ("a.txt",)
        assert face.policy("release-1.29").max_lag == timedelta(hours=1)

    def test_project_file(self, tmp_path: Path, face: _Face) -> None:
        """Otherwise from the pyproject.toml of the current directory."""
        (tmp_path / "pyproject.toml").write_text('[tool.kopsversion]\nmax-build-age = "1d"\n')
        run()
        assert face.policy("master").max_build_age == timedelta(days=1)
        (tmp_path / "other.toml").write_text("")
        run("--config", "other.toml")
        assert face.policy("master").max_build_age == timedelta(days=14)

    def test_command_line_wins(self, tmp_path: Path, face: _Face) -> None:
        """What is said on the command line or in the environment wins over the file, also over a channel's own."""
        (tmp_path / "pyproject.toml").write_text('[tool.kopsversion.channels.master]\nmax-lag = "2h"\n')
        run("--max-lag", "3h", "--build-sla", "5h", env={"KOPSVERSION_MAX_BUILD_AGE": "4d"})
        policy = face.policy("master")
        assert (policy.max_lag, policy.build_sla) == (timedelta(hours=3), timedelta(hours=5))
        assert policy.max_build_age == timedelta(days=4)

    def test_what_is_testable(self, face: _Face) -> None:
        """Platforms, settling time and excluded builds are the same as everywhere."""
        run("--platform", "linux/amd64", "--settle", "0", "--exclude", "1.29.0")
        policy = face.policy("master")
        assert (policy.platforms, policy.settle) == (("linux/amd64",), timedelta())
        assert [str(version) for version in policy.exclude] == ["1.29.0"]

    def test_question(self, face: _Face) -> None:
        """Channels and the rest of the question are passed on."""
        run(
            "master",
            "1.29",
            "--store",
            "gs://x/",
            "--as-of",
            "2024-05-06",
            "--ignore-older",
            "30d",
            "--ref",
            "r",
        )
        asked = face.asked
        assert asked["selectors"] == ("master", "1.29")
        assert asked["store"] == ("gs://x/",)
        assert asked["ref"] == "r"
        assert f"{asked['as_of']:%F}" == "2024-05-06"
        assert asked["ignore_older"] == timedelta(days=30)


class TestDemo:
    """Shown by: the demo bucket."""

    @pytest.fixture
    def question(self, tmp_path: Path) -> list[str]:
        lay_out(tmp_path / "demo")
        as_of = f"{AS_OF:%Y-%m-%dT%H:%M:%SZ}"
        return ["--store", str(tmp_path / "demo"), "--as-of", as_of, "--ignore-older", "365d"]

    def test_table(self, question: list[str]) -> None:
        """It says what happened to master, who is well, and that release-1.27 has had no build for 94 days."""
        result = run(*question)
        assert result.exit_code == 3
        text = " ".join(result.stdout.split())
        assert "master has had no build since 2024-03-06 14:00 UTC (61 days)" in text
        assert (
            "latest-ci-updown-green.txt was last written on 2024-03-07 06:00 UTC (60 days ago), and still"
            in text
        )
        assert "release-1.29 healthy" in text
        assert "release-1.28 healthy" in text
        assert "release-1.27 has had no build since 2024-02-02 07:37 UTC (94 days)" in text
        assert result.stdout.splitlines()[-1] == (
            "1 of 4 channels is unhealthy: master (no build since 6 March: kops-postsubmit-push-to-staging is red)."
        )

    def test_page(self, question: list[str]) -> None:
        """The page names the job that is the cause, and has a table of jobs."""
        page = run(*question, "-o", "html").stdout
        assert "no build since 6 March: kops-postsubmit-push-to-staging is red" in page
        assert '<h2 id="table-jobs">Jobs</h2>' in page
        assert 'href="https://prow.k8s.io/?job=kops-postsubmit-push-to-staging"' in page

    def test_configured(self, tmp_path: Path, question: list[str]) -> None:
        """A branch that is meant to be quiet has nothing to tell by its limit."""
        (tmp_path / "pyproject.toml").write_text(
            '[tool.kopsversion.channels."release-1.27"]\nmax-build-age = "365d"\n'
        )
        assert "release-1.27 has had no build" not in " ".join(run(*question).stdout.split())
        assert run("1.27", *question).exit_code == 0

    def test_imports(self) -> None:
        """Asking for help loads neither jinja2 nor rich nor google.cloud (DESIGN section 10)."""
        import subprocess

        code = (
            "import sys, kopsversion.cli.toolbox\n"
            "kopsversion.cli.toolbox.tools.main(['check', '--help'], standalone_mode=False)\n"
            "print(sorted({'jinja2', 'junitparser', 'prometheus_client', 'rich', 'cattrs', 'tenacity', 'requests',"
            " 'google.cloud'} & set(sys.modules)))"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.splitlines()[-1] == "[]"
