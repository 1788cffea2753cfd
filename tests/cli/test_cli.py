"""The command line: one answer on standard output, all else on standard error, and an exit status for each end."""

from __future__ import annotations

import json
import os
import random
import re
import shlex
import signal
import subprocess
import sys
import textwrap
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pytest
from attrs import evolve
from click.testing import CliRunner

from kopsversion.cli import boundary, console
from kopsversion.cli.boundary import command
from kopsversion.cli.console import Console, is_rich
from kopsversion.cli.demo_bucket import AS_OF, lay_out
from kopsversion.cli.sort import sort_versions
from kopsversion.cli.toolbox import resolve, tools
from kopsversion.errors import (
    AccessDeniedError,
    IntegrityError,
    KopsVersionError,
    MarkerRefusedError,
    NoTestableBuildError,
    UsageError,
)
from kopsversion.model.answer import Condition, Resolution, Severity
from kopsversion.model.codec import from_json
from kopsversion.model.layout import DEFAULT_STORE
from kopsversion.model.policy import Policy
from kopsversion.model.program import MADE_BY
from kopsversion.model.tables import Table
from kopsversion.model.version import BuildVersion
from tests.processes import unmeasured
from tests.render.test_render import CHOSEN, LISTING, NEWER, RESOLUTION

if TYPE_CHECKING:
    from collections.abc import Sequence

    from click.testing import Result

SCRIPTS = Path(sys.executable).parent
ROOT = Path(__file__).parents[2]
MASTER = "1.29.0-alpha.4+v1.29.0-alpha.3-378-g22ce1230da"
WARNED = evolve(
    RESOLUTION, conditions=(*RESOLUTION.conditions, Condition("odd", Severity.ERROR, "odd\x1b[2J"))
)
CALM = evolve(RESOLUTION, conditions=RESOLUTION.conditions[1:])


@pytest.fixture(autouse=True)
def _no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the terminal of whoever runs the tests out of them."""
    for name in ("NO_COLOR", "TERM", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)


class _Face:
    """Stands in for `kopsversion.workflows.latest`: answers as told, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: dict[str, Any] = {}
        self.answer: Resolution | BaseException = RESOLUTION

    def __call__(self, selector: str | None, **question: Any) -> Any:
        self.asked = {"selector": selector, **question}
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer


@pytest.fixture
def face(monkeypatch: pytest.MonkeyPatch) -> _Face:
    """Answer what `resolve-latest` asks."""
    face = _Face()
    monkeypatch.setattr("kopsversion.workflows.latest.resolve_latest", face)
    return face


def run(
    *arguments: str, tool: click.Command = resolve, name: str = "resolve-latest", **settings: Any
) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(tool, arguments, prog_name=name, **settings)


def said(stderr: str) -> list[str]:
    """Take klog's header, which tells the time, off the lines that have one."""
    header = re.compile(r"[IWE][0-9]{4} [0-9:]{8}\.[0-9]{6} +[0-9]+ [a-z_]+\.py:[0-9]+\] ")
    return [header.sub("", line, count=1) for line in stderr.splitlines()]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Lay out the demo bucket; return the options that ask it on its day."""
    directory = tmp_path_factory.mktemp("a bucket")
    lay_out(directory)
    return ["--store", str(directory), "--as-of", f"{AS_OF:%Y-%m-%dT%H:%M:%SZ}"]


def script(name: str, *arguments: str, **settings: Any) -> subprocess.CompletedProcess[str]:
    """Run an installed script as a process of its own."""
    settings = {"capture_output": True, "text": True, "timeout": 120, **settings}
    return subprocess.run([str(SCRIPTS / name), *arguments], check=False, **settings)


def python(code: str, *arguments: str, **settings: Any) -> subprocess.CompletedProcess[str]:
    """Run some Python as a process of its own."""
    settings = {"capture_output": True, "text": True, "timeout": 120, "cwd": ROOT, **settings}
    return subprocess.run([sys.executable, "-c", textwrap.dedent(code), *arguments], check=False, **settings)


# --------------------------------------------------------------------------------------------------
# The answer


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("url", f"{RESOLUTION.base_url}\n"),
        ("version", f"{CHOSEN}\n"),
        ("env", f"KOPS_BASE_URL={RESOLUTION.base_url}\nKOPS_VERSION={CHOSEN}\n"),
        ("table", RESOLUTION.explain()),
    ],
)
def test_the_answer_alone_is_on_standard_output(face: _Face, output: str, expected: str) -> None:
    """Whatever form is asked for, it is all there is on standard output; conditions go to the other."""
    result = run("-o", output)
    assert (result.exit_code, result.stdout) == (0, expected)
    assert said(result.stderr) == ["WARNING builds-old: master has had no build for 64 days"]


def test_the_answer_as_json_is_the_resolution(face: _Face) -> None:
    """JSON on standard output holds the whole resolution."""
    assert from_json(run("-o", "json").stdout) == RESOLUTION


def test_without_arguments_master_is_asked_for(face: _Face) -> None:
    """Everything has a default, and the clock is not the command line's to read twice."""
    assert run().exit_code == 0
    assert callable(face.asked.pop("progress"))
    assert face.asked == {
        "selector": "master",
        "store": (DEFAULT_STORE,),
        "as_of": None,
        "timeout": 60.0,
        "repo": None,
        "nearby": Path(),
        "ref": None,
        "next_store_on": "unreachable",
        "state": None,
        "allow_cached": None,
        "policy": Policy(),
    }


def test_the_selector_is_passed_on_as_it_is(face: _Face) -> None:
    """What a selector means is for the core to say."""
    run("https://x/markers/master/latest-ci.txt")
    assert face.asked["selector"] == "https://x/markers/master/latest-ci.txt"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], ["WARNING builds-old: master has had no build for 64 days", "ERROR odd: odd\\x1b[2J"]),
        (["-q"], []),
        (["-q", "-v"], []),
        (
            ["-v"],
            [
                "WARNING builds-old: master has had no build for 64 days",
                "INFO names-skipped: 3 names are no version",
                "ERROR odd: odd\\x1b[2J",
            ],
        ),
    ],
)
def test_conditions_are_told_in_a_line_each(face: _Face, arguments: list[str], told: list[str]) -> None:
    """Warnings and errors unless quiet, the rest when verbose; none can steer a terminal."""
    face.answer = WARNED
    assert said(run(*arguments).stderr) == told


@pytest.mark.parametrize("is_verbose", [False, True], ids=["", "-v"])
def test_one_cause_is_told_once(is_verbose: bool, face: _Face) -> None:  # noqa: FBT001 # a case
    """That a store cannot be listed is one line, and so is whatever has another cause; verbose tells all of it."""
    unlisted = [Condition("listing-unavailable", Severity.WARNING, text) for text in ("no list", "no files")]
    others = [
        Condition("marker-unverified", Severity.WARNING, "a names b"),
        Condition("marker-missing", Severity.WARNING, "c does not exist"),
    ]
    face.answer = evolve(WARNED, conditions=(*unlisted, *others))
    told = said(run(*(["-v"] if is_verbose else [])).stderr)
    if is_verbose:
        assert [line.split()[1] for line in told] == [
            *("listing-unavailable:", "listing-unavailable:", "marker-unverified:", "marker-missing:"),
        ]
    else:
        assert told == [
            "WARNING listing-unavailable: no list; no files",
            "WARNING marker-missing: c does not exist",
        ]


def test_explain_says_why_on_standard_error(face: _Face) -> None:
    """The explanation replaces the lines, and leaves standard output to the answer; -q does not undo it."""
    result = run("--explain", "-q", "--no-jobs")
    assert result.stdout == f"{RESOLUTION.base_url}\n"
    assert result.stderr == RESOLUTION.explain()


@pytest.mark.parametrize(
    ("answer", "arguments", "status"), [(WARNED, [], 0), (WARNED, ["--strict"], 3), (CALM, ["--strict"], 0)]
)
def test_strict_answers_and_fails(face: _Face, answer: Resolution, arguments: list[str], status: int) -> None:
    """With --strict the answer is printed all the same, and the status tells that it is degraded."""
    face.answer = answer
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (status, f"{answer.base_url}\n")


# --------------------------------------------------------------------------------------------------
# Settings from the environment


@pytest.mark.parametrize("prefix", [[], ["resolve"]])
def test_every_option_is_a_variable(face: _Face, prefix: list[str]) -> None:
    """The same variables hold for resolve-latest and for kopsversion resolve."""
    environment = {
        "KOPSVERSION_STORE": "gs://a/ gs://b/",
        "KOPSVERSION_MAX_LAG": "2h",
        "KOPSVERSION_EXCLUDE": f"{CHOSEN} {NEWER}",
        "KOPSVERSION_AS_OF": "2024-05-06",
        "KOPSVERSION_OUTPUT": "version",
        "KOPSVERSION_STRICT": "1",
        "KOPSVERSION_QUIET": "yes",
    }
    result = run(*prefix, tool=tools if prefix else resolve, env=environment)
    assert (result.exit_code, result.stdout, result.stderr) == (3, f"{CHOSEN}\n", "")
    assert face.asked["store"] == ("gs://a/", "gs://b/")
    assert face.asked["as_of"] == datetime(2024, 5, 6, tzinfo=UTC)
    assert face.asked["policy"] == Policy(max_lag=timedelta(hours=2), exclude=frozenset({CHOSEN, NEWER}))


def test_verbosity_is_a_variable(face: _Face) -> None:
    """KOPSVERSION_VERBOSE is how often -v is given."""
    assert "INFO names-skipped" in run(env={"KOPSVERSION_VERBOSE": "1"}).stderr


def test_variables_that_mean_something_else_are_let_alone(face: _Face) -> None:
    """A job that keeps a version in KOPSVERSION_VERSION, or a text in KOPSVERSION_HELP, still gets its answer."""
    result = run(env={"KOPSVERSION_VERSION": "0.1.0", "KOPSVERSION_HELP": "1", "KOPSVERSION_SELECTOR": "x"})
    assert (result.exit_code, face.asked["selector"]) == (0, "master")


@pytest.mark.parametrize("tool", [resolve, *tools.commands.values()], ids=lambda tool: str(tool.name))
def test_options_have_one_variable_each(tool: click.Command) -> None:
    """Every command reads KOPSVERSION_… of its options' long names, without its own name between."""
    assert tool.context_settings["auto_envvar_prefix"] == "KOPSVERSION"


# --------------------------------------------------------------------------------------------------
# Bad input


@pytest.mark.parametrize(
    ("arguments", "environment", "told"),
    [
        (["--max-lag", "24x"], {}, ["Invalid value for '--max-lag': '24x' is not a duration", "24h"]),
        (["--timeout", "0"], {}, ["Invalid value for '--timeout': '0' is not above 0", "60s"]),
        (
            ["--as-of", "now"],
            {},
            ["Invalid value for '--as-of': 'now' is not a time", "2024-05-06T18:00:00Z"],
        ),
        (
            ["--platform", "amd64"],
            {},
            ["Invalid value for '--platform': 'amd64' is not a platform", "linux/arm64"],
        ),
        (
            ["--marker", "a/b"],
            {},
            ["Invalid value for '--marker': 'a/b' is not the name of a marker", "latest-ci.txt"],
        ),
        (
            ["--exclude", "1.x"],
            {},
            ["Invalid value for '--exclude': '1.x' is not a kOps version", "1.29.0-alpha.3"],
        ),
        (["--exclude", "\x1b"], {}, [r"'\x1b' is not a kOps version", "1.29.0-alpha.3"]),
        (["--nth", "0"], {}, ["Invalid value for '--nth'", "see resolve-latest --help"]),
        (["--strategy", "red"], {}, ["Invalid value for '--strategy'", "see resolve-latest --help"]),
        (["-o", "x\x1b"], {}, [r"'x\x1b' is not one of", "see resolve-latest --help"]),
        (["--nope"], {}, ["No such option", "see resolve-latest --help"]),
        (["master", "extra"], {}, ["unexpected extra argument (extra)", "see resolve-latest --help"]),
        ([], {"KOPSVERSION_MAX_LAG": "soon"}, ["'soon' is not a duration (from KOPSVERSION_MAX_LAG)", "24h"]),
        ([], {"KOPSVERSION_STRICT": "maybe"}, ["(from KOPSVERSION_STRICT)", "see resolve-latest --help"]),
        ([], {"KOPSVERSION_MARKER": "a.txt b/c"}, ["'b/c' is not the name", "latest-ci.txt"]),
    ],
)
def test_bad_input_shows_the_value_and_the_form_expected(
    face: _Face, arguments: list[str], environment: dict[str, str], told: list[str]
) -> None:
    """An argument or variable that is not valid: status 2, one ERROR and one hint, no answer."""
    result = run(*arguments, env=environment)
    error, hint = result.stderr.splitlines()
    assert (result.exit_code, result.stdout) == (2, "")
    assert error.startswith("ERROR ")
    assert told[0] in error
    assert hint.startswith("hint: ")
    assert told[1] in hint
    assert face.asked == {}


def test_a_bad_value_of_a_variable_with_its_own_name_is_traced_to_it() -> None:
    """The variable that a bad value came from is named, also where its name is not the option's."""
    result = run("list", tool=tools, env={"KOPSVERSION_LIST_OUTPUT": "env"})
    assert result.exit_code == 2
    assert "(from KOPSVERSION_LIST_OUTPUT)" in result.stderr


def test_an_unknown_command_is_a_usage_error() -> None:
    """The toolbox says which command it does not have."""
    result = run("resolv", tool=tools, name="kopsversion")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        "ERROR No such command 'resolv'.\nhint: did you mean resolve? see kopsversion --help\n"
    )


def test_the_toolbox_alone_shows_its_help() -> None:
    """Without a command the help goes to standard error: nothing was answered."""
    result = run(tool=tools, name="kopsversion")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("Usage: kopsversion [OPTIONS] COMMAND")


# --------------------------------------------------------------------------------------------------
# The boundary


@pytest.mark.parametrize(
    ("error", "status", "told"),
    [
        (KopsVersionError("no"), 1, "ERROR no\n"),
        (
            NoTestableBuildError("none", channel="master", reasons=["a is missing", "b\nis"], hint="wait"),
            1,
            "ERROR none\n  - a is missing\n  - b\\nis\nhint: wait\n",
        ),
        (MarkerRefusedError("stale", channel="master"), 1, "ERROR stale\n"),
        (UsageError("what", hint="this"), 2, "ERROR what\nhint: this\n"),
        (AccessDeniedError("denied", url="gs://b/"), 4, "ERROR denied\n"),
        (IntegrityError("differs"), 5, "ERROR differs\n"),
    ],
)
def test_an_error_becomes_lines_and_a_status(face: _Face, error: Exception, status: int, told: str) -> None:
    """An error of ours is its sentence, its reasons and its hint; its class gives the status."""
    face.answer = error
    result = run("-vv")
    assert (result.exit_code, result.stdout, result.stderr) == (status, "", told)


def test_a_defect_is_one_sentence(face: _Face) -> None:
    """An exception that nobody foresaw is named, without a traceback, and a report is asked for."""
    face.answer = KeyError("x\x1b[2J")
    result = run("-v")
    assert (result.exit_code, result.stdout) == (70, "")
    error, hint = result.stderr.splitlines()
    assert error.startswith("ERROR kopsversion stopped at a defect of its own, KeyError: ")
    assert "please report it" in error
    assert "\x1b" not in error
    assert hint == "hint: run the same command with -vv to add the traceback to the report"


def test_a_defect_has_its_traceback_on_demand(face: _Face) -> None:
    """With -vv the traceback comes first, and the sentence last."""
    face.answer = ZeroDivisionError()
    result = run("-vv")
    assert result.exit_code == 70
    assert result.stderr.startswith("Traceback (most recent call last):")
    assert result.stderr.splitlines()[-1] == (
        "ERROR kopsversion stopped at a defect of its own, ZeroDivisionError; "
        "please report it with the command that you ran"
    )


def test_an_interrupt_is_quiet(face: _Face) -> None:
    """Ctrl-C ends with the status that shells give it, and says nothing."""
    face.answer = KeyboardInterrupt()
    result = run()
    assert (result.exit_code, result.stdout, result.stderr.strip()) == (130, "", "")


def test_other_callers_get_the_exception(face: _Face) -> None:
    """Who asks click for exceptions instead of exit codes gets them."""
    face.answer = KopsVersionError("no")
    with pytest.raises(KopsVersionError, match="no"):
        resolve.main([], standalone_mode=False)


def test_an_error_of_click_without_a_context_is_told() -> None:
    """An error that click raises outside any command has no help to point to."""

    @command("odd")
    def odd(_: Console) -> None:
        raise click.FileError("x", hint="is odd")

    result = CliRunner().invoke(odd, [])
    assert (result.exit_code, result.stderr) == (1, "ERROR Could not open file 'x': is odd\n")


def test_a_command_may_have_nothing_to_answer() -> None:
    """A function that returns nothing has succeeded, and its help needs no sections."""

    @command("calm")
    def calm(console: Console) -> None:
        """Be calm."""
        console.tell("calm")

    assert (CliRunner().invoke(calm, []).exit_code, CliRunner().invoke(calm, ["-h"]).exit_code) == (0, 0)


# --------------------------------------------------------------------------------------------------
# Streams that fail, in processes of their own

_FAKE = """
    import sys
    import kopsversion.workflows.latest
    from tests.render.test_render import RESOLUTION
    from kopsversion.cli.process import resolve_latest
    kopsversion.workflows.latest.resolve_latest = lambda *_, **__: RESOLUTION
    resolve_latest()
"""


def test_a_reader_that_has_gone_is_no_error() -> None:
    """With nobody reading standard output, the status is SIGPIPE's, and nothing is said of it."""
    reader, writer = os.pipe()
    os.close(reader)
    ended = python(_FAKE, "-q", capture_output=False, stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert (ended.returncode, ended.stderr) == (141, "")


def test_a_reader_of_errors_that_has_gone_is_no_error() -> None:
    """The same goes for standard error, while conditions or errors are told."""
    for arguments in ([], ["--max-lag", "x"]):
        reader, writer = os.pipe()
        os.close(reader)
        ended = python(_FAKE, *arguments, capture_output=False, stdout=subprocess.PIPE, stderr=writer)
        os.close(writer)
        assert (ended.returncode, ended.stdout) == (141, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
@pytest.mark.parametrize("arguments", [[], ["-o", "json"], ["--version"]])
def test_an_answer_that_cannot_be_written_is_an_error(arguments: list[str]) -> None:
    """A full disk below standard output fails the command with a sentence, once."""
    with Path("/dev/full").open("w") as full:
        ended = python(_FAKE, "-q", *arguments, capture_output=False, stdout=full, stderr=subprocess.PIPE)
    assert ended.returncode == 74
    error, hint = ended.stderr.splitlines()
    assert error == "ERROR the answer could not be written to standard output: No space left on device"
    assert hint.startswith("hint: check where standard output goes")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
@pytest.mark.parametrize(
    ("arguments", "status", "answer"),
    [
        ([], 0, f"{RESOLUTION.base_url}\n"),
        (["--strict"], 3, f"{RESOLUTION.base_url}\n"),
        (["--explain"], 0, f"{RESOLUTION.base_url}\n"),
        (["--max-lag", "x"], 2, ""),
    ],
)
def test_a_full_disk_below_standard_error_costs_no_answer(
    arguments: list[str], status: int, answer: str
) -> None:
    """What cannot be told is lost, but neither the answer nor the status is."""
    with Path("/dev/full").open("w") as full:
        ended = python(_FAKE, *arguments, capture_output=False, stdout=subprocess.PIPE, stderr=full)
    assert (ended.returncode, ended.stdout) == (status, answer)


def test_an_answer_that_the_encoding_cannot_hold_is_an_error() -> None:
    """A base URL is never printed as something else than it is."""
    ended = python(
        _FAKE.replace(
            "lambda *_, **__: RESOLUTION", "lambda *_, **__: evolve(RESOLUTION, base_url='é')"
        ).replace("import sys", "import sys; from attrs import evolve"),
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )
    assert (ended.returncode, ended.stdout) == (74, "")
    assert "could not be written to standard output: not text in ascii" in ended.stderr


def test_a_closed_standard_output_is_an_error() -> None:
    """An answer with nowhere to go is not taken for one that was given."""
    command = [sys.executable, "-c", textwrap.dedent(_FAKE), "-q"]
    ended = subprocess.run(
        ["sh", "-c", '"$@" >&-', "sh", *command],
        check=False,
        stderr=subprocess.PIPE,
        text=True,
        timeout=120,
        cwd=ROOT,
    )
    assert (ended.returncode, ended.stderr) == (
        74,
        "ERROR standard output is closed, so the answer has nowhere to go\n",
    )


def test_an_interrupted_process_is_quiet() -> None:
    """SIGINT while the store is being asked ends the process without a traceback."""
    code = _FAKE.replace(
        "lambda *_, **__: RESOLUTION", "lambda *_, **__: print('asking', flush=True) or sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=unmeasured(),
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "asking\n"
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=120)
    assert (process.returncode, told.strip()) == (130, "")


# --------------------------------------------------------------------------------------------------
# Terminals


class _Terminal:
    """A text stream that may be a terminal."""

    def __init__(self, *, isatty: bool) -> None:
        self.text = ""
        self._isatty = isatty

    def write(self, text: str) -> int:
        self.text += text
        return len(text)

    def flush(self) -> None:
        """Nothing is held back."""

    def isatty(self) -> bool:
        return self._isatty


@pytest.mark.parametrize(
    ("isatty", "environment", "expected"),
    [
        (True, {"TERM": "xterm"}, True),
        (True, {"TERM": "xterm", "NO_COLOR": ""}, True),
        (True, {"TERM": "xterm", "NO_COLOR": "1"}, False),
        (True, {"TERM": "dumb"}, False),
        (True, {}, False),
        (False, {"TERM": "xterm"}, False),
    ],
)
def test_colour_is_for_terminals_that_want_it(
    monkeypatch: pytest.MonkeyPatch, *, isatty: bool, environment: dict[str, str], expected: bool
) -> None:
    """Tables have colour on a terminal, unless NO_COLOR or TERM say otherwise."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    streams = {name: _Terminal(isatty=isatty) for name in ("stdout", "stderr")}
    for name, stream in streams.items():
        monkeypatch.setattr(sys, name, stream)
    tables = [Table(title="T", rows=(("a", "b"),))]
    Console().show(tables)
    Console().answer_tables(tables)
    monkeypatch.undo()
    for stream in streams.values():
        assert ("\x1b[" in stream.text) is expected
        assert "a  b" in stream.text


def test_no_stream_is_no_terminal() -> None:
    """A closed stream wants no colour, and there is nothing to abandon in it."""
    assert not is_rich(None)
    console.abandon(None)


# --------------------------------------------------------------------------------------------------
# list


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Answer what `kopsversion list` asks, and keep the question."""
    asked: dict[str, Any] = {}

    def list_channel(selector: str | None, **question: Any) -> Any:
        asked.update(selector=selector, **question)
        return LISTING

    monkeypatch.setattr("kopsversion.workflows.listing.list_channel", list_channel)
    return asked


def test_builds_are_listed(listed: dict[str, Any]) -> None:
    """Without options the newest builds of every channel are a table; conditions are told apart."""
    result = run("list", "-v", tool=tools)
    assert (result.exit_code, listed["selector"], listed["limit"]) == (0, None, 30)
    assert result.stdout.startswith("Builds of master on 2024-05-06 18:00 UTC\n")
    assert said(result.stderr) == ["INFO git-unavailable: no git"]


def test_builds_are_listed_as_json(listed: dict[str, Any]) -> None:
    """JSON has the same rows; a limit of 0 is none, and what is testable can be set."""
    result = run("list", "1.29", "-o", "json", "--limit", "0", "--settle", "1h", tool=tools)
    assert [build["version"] for build in json.loads(result.stdout)["builds"]] == [
        str(row.version) for row in LISTING.rows
    ]
    assert (listed["selector"], listed["limit"]) == ("1.29", 0)
    assert listed["policy"] == Policy(settle=timedelta(hours=1))


def test_the_output_of_resolve_is_not_that_of_list(listed: dict[str, Any]) -> None:
    """A job that sets KOPSVERSION_OUTPUT=env can list builds all the same."""
    assert run("list", tool=tools, env={"KOPSVERSION_OUTPUT": "env"}).exit_code == 0


# --------------------------------------------------------------------------------------------------
# sort

IN_ORDER = [
    "1.14.0-alpha.2+2178721764",
    "1.17.0.alpha.2",
    "1.28.5+v1.28.4-9-g8be71351e2",
    "1.28.5+v1.28.4-36-g8be71351e2",
    "1.29.0-alpha.3+v1.29.0-alpha.2-400-g0300a3b858",
    "v1.29.0-alpha.3",
    "1.29.0-alpha.4+v1.29.0-alpha.3-1-g22ce1230da",
    "1.29.0-alpha.4+v1.29.0-alpha.3-1-g32ce1230da",
    "1.29.0-beta.2+v1.29.0-beta.1-47-gf9a0ba0203",
    "1.29.0",
]


def lines(versions: Sequence[str]) -> str:
    """Write versions one a line."""
    return "".join(f"{version}\n" for version in versions)


def test_versions_are_sorted() -> None:
    """Whatever the order of input, the output is oldest first, verbatim, or the other way round."""
    shuffled = random.Random(7).sample(IN_ORDER, len(IN_ORDER))
    assert run(tool=sort_versions, input=lines(shuffled)).stdout == lines(IN_ORDER)
    assert run("-r", tool=sort_versions, input=lines(shuffled)).stdout == lines(IN_ORDER[::-1])


def test_equal_versions_are_kept() -> None:
    """Nothing is dropped, and what is equal by any spelling keeps its order."""
    spelt = ["v1.29.0", "1.29.0", "1.17.0.alpha.2", "1.17.0-alpha.2", "1.29.0"]
    expected = ["1.17.0.alpha.2", "1.17.0-alpha.2", "v1.29.0", "1.29.0", "1.29.0"]
    assert run(tool=sort_versions, input=lines(spelt)).stdout == lines(expected)


def test_white_space_and_empty_lines_do_not_matter() -> None:
    """CRLF, tabs, blanks, empty lines and a missing last newline are all fine."""
    result = run(tool=sort_versions, input=" 1.29.0\r\n\n\t1.28.0 \r\n   \n1.27.0")
    assert (result.exit_code, result.stdout) == (0, "1.27.0\n1.28.0\n1.29.0\n")


def test_nothing_sorts_to_nothing() -> None:
    """No input is no error."""
    result = run(tool=sort_versions, input="")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("1.29.0\n\nlatest\n", "line 3: 'latest' is not a kOps version"),
        ("x\n1.29.0\ny\nz\n", "(and 2 more such lines)"),
        ("1.29.0\x1b[2J\n", r"line 1: '1.29.0\x1b[2J' is not a kOps version"),
        (b"1.29.0\n\xff\xfe\n", r"line 2: '\\xff\\xfe' is not a kOps version"),
        ("1.29.0\x0b1.30.0\n", r"line 1: '1.29.0\x0b1.30.0' is not a kOps version"),
    ],
)
def test_a_line_that_is_no_version_is_an_error(text: str | bytes, told: str) -> None:
    """The error names the first such line and how many there are; nothing is sorted."""
    result = run(tool=sort_versions, input=text)
    assert (result.exit_code, result.stdout) == (2, "")
    assert told in result.stderr
    assert "hint: --skip-invalid leaves such lines out" in result.stderr
    assert result.stderr.replace("\n", "").isprintable()


def test_lines_that_are_no_version_can_be_left_out() -> None:
    """With --skip-invalid each of them is reported, and the others are sorted."""
    result = run("--skip-invalid", tool=sort_versions, input="1.29.0\nmarkers/\n1.28.0\nx\n")
    assert (result.exit_code, result.stdout) == (0, "1.28.0\n1.29.0\n")
    assert [line.partition(" is not")[0] for line in result.stderr.splitlines()] == [
        "WARNING line 2: 'markers/'",
        "WARNING line 4: 'x'",
    ]


def test_sort_agrees_with_the_versions_own_order() -> None:
    """The key that sorts fast is the order that versions have."""
    shuffled = random.Random(8).sample(IN_ORDER, len(IN_ORDER))
    assert [str(version) for version in sorted(map(BuildVersion.parse, shuffled))] == IN_ORDER


def test_a_closed_standard_input_is_a_usage_error() -> None:
    """Without standard input there is nothing to sort."""
    ended = subprocess.run(
        ["sh", "-c", '"$0" sort <&-', str(SCRIPTS / "kopsversion")],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("ERROR standard input is closed\n")


# --------------------------------------------------------------------------------------------------
# demo, and the real thing


def test_the_demo_tells_what_to_try(tmp_path: Path) -> None:
    """Every command that it prints can be copied into a shell, also where the path has spaces."""
    directory = tmp_path / "it's a demo"
    result = run("demo", str(directory), tool=tools, name="kopsversion")
    assert (result.exit_code, result.stderr) == (0, "")
    commands = [line.strip() for line in result.stdout.splitlines() if line.startswith("  ")]
    statuses = []
    for line in commands:
        name, *arguments = shlex.split(line)
        ended = script(name, *arguments)
        statuses.append((name, ended.returncode))
        assert ended.stdout
    assert statuses == [
        ("resolve-latest", 0),
        ("resolve-latest", 3),
        ("resolve-latest", 0),
        ("kopsversion", 0),
    ]


def test_the_demo_refuses_a_directory_with_something_in_it(tmp_path: Path) -> None:
    """Nothing that is somebody's is overwritten."""
    (tmp_path / "thesis.txt").write_text("precious")
    result = run("demo", str(tmp_path), tool=tools)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("ERROR ")


def test_resolve_latest_answers_from_a_directory(demo: list[str]) -> None:
    """On the day of kops issue 16533 the answer is the -378- build, and builds-old is said in words."""
    ended = script("resolve-latest", "master", *demo, "-o", "version")
    assert (ended.returncode, ended.stdout) == (0, f"{MASTER}\n")
    assert said(ended.stderr)[0].startswith("WARNING builds-old: master has had no build since 2024-03-06")


def test_both_scripts_are_the_same_command(demo: list[str]) -> None:
    """`kopsversion resolve` answers as `resolve-latest` does, with the same status under --strict."""
    ends = [
        script(*name, "master", *demo, "--strict", "--explain")
        for name in (["resolve-latest"], ["kopsversion", "resolve"])
    ]
    assert [(end.returncode, end.stdout, end.stderr) for end in ends] == [
        (3, ends[0].stdout, ends[0].stderr),
    ] * 2
    assert MASTER in ends[0].stdout


def test_a_shell_can_use_the_answer(demo: list[str]) -> None:
    """A harness gets the variables by eval, under set -eu and from a path with a space."""
    command = shlex.join([str(SCRIPTS / "resolve-latest"), "release-1.29", *demo, "-q", "-o", "env"])
    shell = f'set -eu; eval "$({command})"; echo "$KOPS_VERSION"; echo "$KOPS_BASE_URL"'
    ended = subprocess.run(["sh", "-c", shell], check=True, capture_output=True, text=True, timeout=120)
    version, base_url = ended.stdout.splitlines()
    assert version == "1.29.0-beta.2+v1.29.0-beta.1-47-gf9a0ba0203"
    assert base_url.endswith(f"/{version}")


def test_an_unknown_channel_lists_those_that_exist(demo: list[str]) -> None:
    """A branch that has no builds is an error that names those that have."""
    ended = script("resolve-latest", "1.99", *demo)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "release-1.99" in ended.stderr.splitlines()[0]
    assert "master, release-1.29, release-1.28, release-1.27" in ended.stderr


def test_a_missing_store_is_an_error(tmp_path: Path) -> None:
    """A directory that is not there: status 4, with the reason, and nothing on standard output."""
    ended = script("resolve-latest", "--store", str(tmp_path / "nope"))
    assert (ended.returncode, ended.stdout) == (4, "")
    assert "does not exist" in ended.stderr


def test_builds_of_the_demo_are_listed(demo: list[str]) -> None:
    """The listing of a real directory shows the incomplete build with its reason."""
    ended = script("kopsversion", "list", "master", *demo, "--limit", "2")
    assert ended.returncode == 0
    rows = ended.stdout.splitlines()[2:]
    assert [row.split()[0] for row in rows] == [MASTER, "1.29.0-alpha.4+v1.29.0-alpha.3-369-g8f29969f20"]
    assert rows[0].endswith("yes")
    assert rows[1].endswith("no: linux/arm64/nodeup is missing")


# --------------------------------------------------------------------------------------------------
# Help, version, start-up


def test_help_tells_what_there_is() -> None:
    """Help has the sections that a reader looks for, and tells the default store and every exit code."""
    text = run("--help").stdout
    for section in ("Channels:", "Examples:", "Output:", "Stores:", "Environment:", "Exit codes:"):
        assert f"\n{section}\n" in text
    assert DEFAULT_STORE in text
    assert "KOPSVERSION_MAX_LAG" in text
    told = {
        int(number) for number in re.findall(r"^  ([0-9]+) ", text.partition("Exit codes:")[2], re.MULTILINE)
    }
    errors = (KopsVersionError, UsageError, AccessDeniedError, IntegrityError, console.OutputError)
    assert told == {0, boundary.DEGRADED, boundary.UNFORESEEN, *(error.exit_code for error in errors)}


@pytest.mark.parametrize("name", list(tools.commands))
def test_every_command_has_help(name: str) -> None:
    """Help is on standard output, and no line of it is wider than a terminal that is wide enough."""
    result = run(name, "-h", tool=tools, name="kopsversion", terminal_width=120)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith(f"Usage: kopsversion {name} ")
    assert max(map(len, result.stdout.splitlines())) <= 120


def test_examples_in_the_help_are_commands_that_parse(face: _Face) -> None:
    """Every resolve-latest in the help has options that exist."""
    examples = re.findall(r"resolve-latest ([^|)\n]*)", run("--help").stdout.partition("Examples:")[2])
    parsed = [run(*shlex.split(example)).exit_code for example in examples if not example.startswith("-o")]
    assert len(parsed) >= 5
    assert set(parsed) <= {0, 3}


def test_version_tells_what_it_runs_on() -> None:
    """The version of kopsversion, of Python and of the client that speaks to buckets."""
    ended = script("kopsversion", "--version")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert re.fullmatch(
        r"kopsversion [0-9.]+\nPython [0-9.]+\S*, .+\ngoogle-cloud-storage [0-9.]+\n", ended.stdout
    )
    assert script("resolve-latest", "--version").stdout == ended.stdout


def test_version_tells_what_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A package without metadata is said to be missing; kopsversion knows its own version."""
    from importlib import metadata

    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    said = run("--version").stdout
    assert said.startswith(f"{MADE_BY}\n")
    assert "google-cloud-storage not installed\n" in said


def test_completion_does_not_run_anything() -> None:
    """A shell that asks for completions gets options, not a version or an answer."""
    environment = {**os.environ, "COMP_WORDS": "resolve-latest --version --max", "COMP_CWORD": "2"}
    ended = script("resolve-latest", env={**environment, "_RESOLVE_LATEST_COMPLETE": "bash_complete"})
    assert ended.stdout.splitlines() == ["plain,--max-lag", "plain,--max-build-age"]


# attrs is light, and what an error is shown with needs it.
HEAVY = (
    "google.cloud",
    "requests",
    "rich",
    "jinja2",
    "cattrs",
    "tenacity",
    "packaging",
    "importlib.metadata",
)


@pytest.mark.parametrize(
    ("script", "arguments"),
    [
        ("kopsversion", ["--help"]),
        ("kopsversion", ["resolve", "--help"]),
        ("resolve_latest", ["--help"]),
        ("resolve_latest", ["--max-lag", "x"]),
    ],
)
def test_help_loads_nothing_heavy(script: str, arguments: list[str]) -> None:
    """Help, and a mistake in the arguments, need neither a client nor a table."""
    assert not set(HEAVY) & modules_loaded_by(script, arguments)


def test_resolve_latest_loads_no_other_command() -> None:
    """A job that asks which build to test does not wait for the commands that it has not named."""
    others = {f"kopsversion.cli.{name}" for name in ("toolbox", "check", "promote", "shell")}
    assert others < modules_loaded_by("kopsversion", ["--help"])
    assert not others & modules_loaded_by("resolve_latest", ["--help"])


def modules_loaded_by(script: str, arguments: list[str]) -> set[str]:
    """Return the names of the modules that a script has loaded when its process ends."""
    ended = python(
        f"""
        import atexit, sys
        from kopsversion.cli.process import {script}
        atexit.register(lambda: print("loaded:", *sys.modules))
        {script}()
        """,
        *arguments,
    )
    return set(ended.stdout.splitlines()[-1].split())
