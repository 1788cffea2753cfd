"""A CI job's manners: artifacts, log lines, outputs of a step."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from attrs import evolve
from click.testing import CliRunner

import kopsversion
from kopsversion.cli.console import Console, klog_line
from kopsversion.cli.effects import ARTIFACT, Effects, append_github_output, obtain
from kopsversion.cli.options import StoreQuestion
from kopsversion.cli.toolbox import resolve
from kopsversion.errors import KopsVersionError, UsageError
from kopsversion.model.answer import Condition, Severity
from kopsversion.model.codec import from_json
from kopsversion.render.env import to_env
from kopsversion.render.github import to_annotations, to_github, to_summary
from tests.builders import NOW
from tests.harness import NEW, fill_with_green
from tests.render.test_render import RESOLUTION
from tests.stores.test_store_contract import DirectoryPlace

if TYPE_CHECKING:
    from click.testing import Result

PACKAGE = Path(kopsversion.__file__).parent
KLOG = re.compile(r"[IWEF](\d{2})(\d{2}) (\d{2}):(\d{2}):(\d{2})\.\d{6} +(\d+) ([\w.-]+\.\w+):(\d+)\] (.*)")
"""klog's header, as its own documentation describes it: Lmmdd hh:mm:ss.uuuuuu threadid file:line] msg."""


@pytest.fixture
def directory(tmp_path: Path) -> DirectoryPlace:
    """A directory with builds, and a marker that names the newest."""
    return fill_with_green(DirectoryPlace(tmp_path / "a store+"))


def run(directory: DirectoryPlace, *arguments: str, **settings: Any) -> Result:
    options = ["master", "--store", directory.url(), "-o", "version"]
    return CliRunner().invoke(resolve, [*options, *arguments], prog_name="resolve-latest", **settings)


# --------------------------------------------------------------------------------------------------
# Artifacts


@pytest.mark.parametrize("exists", [True, False])
def test_the_answer_is_left_in_artifacts(directory: DirectoryPlace, tmp_path: Path, exists: object) -> None:
    """When ARTIFACTS is set, whoever looks at the job later finds the whole resolution there."""
    artifacts = tmp_path / "arti facts"
    if exists:
        artifacts.mkdir()
    result = run(directory, env={"ARTIFACTS": str(artifacts)})
    assert result.exit_code == 0
    assert str(from_json((artifacts / ARTIFACT).read_text()).version) == NEW
    assert [path.name for path in artifacts.iterdir()] == [ARTIFACT]


@pytest.mark.parametrize(
    ("arguments", "settings"),
    [
        ([], {"ARTIFACTS": ""}),
        (["--no-artifacts"], {}),
        ([], {"KOPSVERSION_ARTIFACTS": "0"}),
    ],
)
def test_nothing_is_left_where_that_is_not_wanted(
    directory: DirectoryPlace, tmp_path: Path, arguments: list[str], settings: dict[str, str]
) -> None:
    """Without ARTIFACTS, or with --no-artifacts, no file is written."""
    artifacts = tmp_path / "artifacts"
    result = run(directory, *arguments, env={"ARTIFACTS": str(artifacts), **settings})
    assert result.exit_code == 0
    assert not artifacts.exists()


def test_artifacts_never_fail_a_job(directory: DirectoryPlace, tmp_path: Path) -> None:
    """Where the file cannot be written that is said, and the answer comes all the same."""
    (tmp_path / "file").write_text("")
    (tmp_path / "folder" / ARTIFACT).mkdir(parents=True)
    for place in (tmp_path / "file", tmp_path / "file" / "below", tmp_path / "folder"):
        result = run(directory, env={"ARTIFACTS": str(place)})
        assert (result.exit_code, result.stdout) == (0, f"{NEW}\n")
        assert f"the job has no {ARTIFACT}" in result.stderr


# --------------------------------------------------------------------------------------------------
# Log lines


def test_log_lines_have_klogs_shape(directory: DirectoryPlace) -> None:
    """Where standard error is no terminal each condition is a line with klog's header; the moment is local,
    the file and line are of the source."""
    command = [
        str(Path(sys.executable).with_name("resolve-latest")),
        "master",
        "--store",
        directory.url(),
        "-v",
    ]
    begun = datetime.now().astimezone().replace(microsecond=0)
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    # What is waited for is for people, and has a sign of its own.
    said = [line for line in ended.stderr.splitlines() if not line.startswith("… ")]
    lines = [KLOG.fullmatch(line) for line in said]
    assert lines
    for line in lines:
        assert line is not None
        month, day, hour, minute, second = (int(line[number]) for number in range(1, 6))
        moment = begun.replace(month=month, day=day, hour=hour, minute=minute, second=second)
        assert 0 <= (moment - begun).total_seconds() < 60
        source = (PACKAGE / "cli" / line[7]).read_text().splitlines()
        assert "console." in source[int(line[8]) - 1]
    assert said[0].startswith("W")
    assert "WARNING builds-old: " in ended.stderr


@pytest.mark.parametrize(("severity", "letter"), [("info", "I"), ("warning", "W"), ("error", "E")])
def test_the_letter_is_the_severity(severity: str, letter: str) -> None:
    """klog's viewers colour lines by their first letter."""
    line = klog_line(severity, "x: y", moment=NOW, process=1234567890, file="a.py", line_number=7)
    assert line == f"{letter}0506 18:00:00.000000 1234567890 a.py:7] x: y"


def test_a_terminal_and_nothing_at_all_get_plain_lines(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A person needs no header; a closed standard error gets nothing, and breaks nothing."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    Console().log("warning", "builds-old: no build")
    assert terminal.getvalue() == "WARNING builds-old: no build\n"
    monkeypatch.setattr(sys, "stderr", None)
    Console().log("warning", "builds-old: no build")


def test_errors_stay_readable(directory: DirectoryPlace) -> None:
    """What ends a command is said to people: ERROR and hint lines, without a header."""
    result = run(directory, "--marker", "a/b")
    error, hint = result.stderr.splitlines()
    assert error.startswith("ERROR ")
    assert hint.startswith("hint: ")


# --------------------------------------------------------------------------------------------------
# Outputs


def test_a_step_gets_outputs(directory: DirectoryPlace, tmp_path: Path) -> None:
    """-o github adds lines to the file that GITHUB_OUTPUT names, after those of others, and prints nothing."""
    outputs = tmp_path / "out put"
    outputs.write_text("other=1\n")
    pin = tmp_path / "pin+.txt"
    result = run(directory, "-o", "github", "--pin", str(pin), env={"GITHUB_OUTPUT": str(outputs)})
    assert (result.exit_code, result.stdout) == (0, "")
    assert outputs.read_text() == (
        f"other=1\nkops-base-url={pin.read_text().strip()}\nkops-version={NEW}\n"
        f"kops-version-marker={pin.as_uri()}\n"
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [(b"", b""), (b"a=1\n", b"a=1\n"), (b"a=1", b"a=1\n"), (b"a<<E\nx\nE", b"a<<E\nx\nE\n")],
)
def test_outputs_begin_on_a_line_of_their_own(
    directory: DirectoryPlace, tmp_path: Path, before: bytes, after: bytes
) -> None:
    """FAILURES row 42: whoever wrote before may have left the last line open."""
    outputs = tmp_path / "outputs"
    outputs.write_bytes(before)
    assert run(directory, "-o", "github", env={"GITHUB_OUTPUT": str(outputs)}).exit_code == 0
    assert outputs.read_bytes().startswith(after + b"kops-base-url=")


def test_warnings_become_annotations(directory: DirectoryPlace, tmp_path: Path) -> None:
    """A line that GitHub shows beside the step, on standard error; with --quiet there is none."""
    env = {"GITHUB_OUTPUT": str(tmp_path / "outputs")}
    late = ["-o", "github", "--as-of", "2030-01-01"]
    told = run(directory, *late, env=env)
    assert (told.exit_code, told.stdout) == (0, "")
    assert re.search(r"^::warning::builds-old: master has had no build since", told.stderr, re.MULTILINE)
    assert "WARNING" not in told.stderr
    assert run(directory, *late, "-q", env=env).stderr == ""


def test_an_annotation_is_one_line() -> None:
    """What would end a workflow command, or begin one, is escaped; information is none."""
    conditions = (
        Condition("a", Severity.ERROR, "100 %\n::set-output name=x::y\r"),
        Condition("b", Severity.WARNING, "w"),
        Condition("c", Severity.INFO, "i"),
    )
    error, warning = to_annotations(conditions)
    assert warning == "::warning::b: w"
    assert error.startswith("::error::a: 100 %25")
    assert error.isprintable()


def test_a_step_has_a_summary(directory: DirectoryPlace, tmp_path: Path) -> None:
    """Where GITHUB_STEP_SUMMARY is set: the answer and why, as Markdown, after what others wrote."""
    summary = tmp_path / "summary.md"
    summary.write_text("# Before")
    env = {"GITHUB_OUTPUT": str(tmp_path / "outputs"), "GITHUB_STEP_SUMMARY": str(summary)}
    assert run(directory, "-o", "github", env=env).exit_code == 0
    before, heading, *others = summary.read_text().splitlines()
    assert (before, heading) == ("# Before", f"### kops {NEW}")
    assert "**Answer**" in others
    assert "**Markers**" in others
    refused = run(directory, "-o", "github", env={**env, "GITHUB_STEP_SUMMARY": str(tmp_path)})
    assert (refused.exit_code, "GITHUB_STEP_SUMMARY" in refused.stderr) == (2, True)


def test_a_summary_shows_hostile_text_as_text() -> None:
    """No markup, mention or cell of a table comes out of a name."""
    evil = evolve(RESOLUTION, store="gs://a|b<script>@kops/\n# h")
    assert "<script>" not in to_summary(evil)
    assert "\n# h" not in to_summary(evil)
    assert r"a\|b" in to_summary(evil)


@pytest.mark.parametrize("name", ["", "../x", "/x", "a/b", ".hidden", "x" * 200, "a\nb"])
def test_an_artifact_has_a_plain_name(directory: DirectoryPlace, name: str) -> None:
    """It lies in $ARTIFACTS, and nowhere else."""
    result = run(directory, "--artifact", name)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "is not the name of a file in $ARTIFACTS" in result.stderr


def test_an_artifact_can_have_a_name_of_its_own(directory: DirectoryPlace, tmp_path: Path) -> None:
    """A job that asks for two builds keeps both answers."""
    artifacts = tmp_path / "artifacts"
    assert run(directory, "--artifact", "a.json", env={"ARTIFACTS": str(artifacts)}).exit_code == 0
    assert run(directory, env={"ARTIFACTS": str(artifacts)}).exit_code == 0
    assert {path.name for path in artifacts.iterdir()} == {"a.json", ARTIFACT}


@pytest.mark.parametrize("place", ["", "/nowhere/at/all"])
def test_without_a_place_for_outputs_there_is_no_answer(directory: DirectoryPlace, place: str) -> None:
    """Elsewhere than in GitHub Actions, that is a usage error."""
    result = run(directory, "-o", "github", env={"GITHUB_OUTPUT": place})
    assert (result.exit_code, result.stdout) == (2, "")
    assert "GITHUB_OUTPUT" in result.stderr


def test_env_names_the_pin_where_there_is_one() -> None:
    """A third line, quoted like the others."""
    assert to_env(RESOLUTION, marker_url="file:///a%20b").splitlines()[2:] == [
        "KOPS_VERSION_MARKER=file:///a%20b"
    ]


@pytest.mark.parametrize("evil", ["x\nother=1", "x\rother=1", "x\u2028y", "x\x85y", "x\0y", "x\x1b[2J"])
def test_no_value_can_set_another_output(evil: str) -> None:
    """A line break of any kind in a value is refused, wherever the value comes from."""
    with pytest.raises(UsageError, match="kops-base-url"):
        to_github(evolve(RESOLUTION, base_url=evil))
    with pytest.raises(UsageError, match="kops-version-marker"):
        to_github(RESOLUTION, marker_url=evil)


def test_an_output_file_that_is_a_directory_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the system says comes out as a usage error."""
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path))
    with pytest.raises(UsageError, match="Is a directory"):
        append_github_output("x=y\n")


def test_effects_work_outside_of_the_main_thread() -> None:
    """A program that asks in a thread of its own keeps its signals to itself."""
    from threading import Thread

    question = StoreQuestion(store=(), as_of=None, timeout=60.0, repo=None, nearby=Path(), ref=None)
    answers: list[object] = []

    def ask() -> None:
        effects = Effects(artifacts=False)
        answers.append(obtain(lambda: RESOLUTION, effects, question=question, console=Console()))

    thread = Thread(target=ask)
    thread.start()
    thread.join()
    assert answers == [RESOLUTION]
    assert issubclass(UsageError, KopsVersionError)
