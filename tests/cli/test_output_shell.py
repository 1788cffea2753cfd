"""``-o shell``: what it sets, and that an ``eval`` fails as the command did (DESIGN section 9; FAILURES row 43)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from attrs import evolve
from click.testing import CliRunner

from kopsversion.cli.resolve import resolve
from kopsversion.cli.toolbox import tools
from kopsversion.render.env import to_shell
from tests.builders import NOW
from tests.harness import NEW, fill_with_green, opened
from tests.render.test_render import RESOLUTION
from tests.stores.test_store_contract import DirectoryPlace

if TYPE_CHECKING:
    from collections.abc import Mapping

SHELLS = ("bash", "dash")
TAUGHT = 'answer="$(resolve-latest {asked} -o shell)" && eval "$answer"'
SCRIPTS = Path(sys.executable).parent
AT = f"--as-of {NOW:%Y-%m-%dT%H:%M:%SZ} -q"
BEYOND = "--as-of 2030-01-01 -q"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> DirectoryPlace:
    """A bucket with a build, under a path with a space, a quote and a plus."""
    return fill_with_green(DirectoryPlace(tmp_path_factory.mktemp("it's a job") / "a store+"))


def run(
    shell: str, script: str, store: DirectoryPlace, *, path: str = f"{SCRIPTS}:/usr/bin:/bin", **env: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [shell, "-c", script],
        env={"PATH": path, "HOME": "/nonexistent", "KOPSVERSION_STORE": opened(store).url, **env},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


SHOW = """
env | grep -E '^KOPS_(BASE_URL|VERSION|VERSION_MARKER|METADATA)=' | sort
echo "[$KOPS_VERSION] [$KOPS_METADATA]"
"""


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("errexit", ["", "set -eu; "])
def test_an_answer_is_exported(shell: str, errexit: str, store: DirectoryPlace, tmp_path: Path) -> None:
    """KOPS_BASE_URL and the pin are for programs; KOPS_VERSION and KOPS_METADATA are for this shell alone."""
    pin = tmp_path / "a pin+"
    asked = TAUGHT.format(asked=f"master {AT} --pin '{pin}'")
    ended = run(shell, f"{errexit}{asked} || exit\n{SHOW}", store, KOPS_VERSION="1.2.3", KOPS_METADATA="x")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines() == [
        f"KOPS_BASE_URL={pin.read_text().strip()}",
        f"KOPS_VERSION_MARKER={pin.as_uri()}",
        f"[{NEW}] [--metadata kops-version={NEW}]",
    ]


FAILURES: Mapping[str, tuple[str, int]] = {
    "no build": (f"release-9.9 {AT}", 1),
    "misused": ("master --no-such-option", 2),
    "a bad value": ("master --max-lag soon", 2),
    "no channel": ("trunk", 2),
    "strict": (f"master {BEYOND} --strict", 3),
    "unreachable": ("master -q --store /nowhere/at/all", 4),
}


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("errexit", ["", "set -e; "])
@pytest.mark.parametrize("failure", FAILURES)
def test_a_failure_is_the_status_of_the_line(
    shell: str, errexit: str, failure: str, store: DirectoryPlace
) -> None:
    """In the form that pages teach, and, where the tool could speak, in a plain ``eval`` too (FAILURES row 43)."""
    asked, status = FAILURES[failure]
    taught = run(shell, f"{errexit}{TAUGHT.format(asked=asked)}", store)
    assert taught.returncode == status, taught.stderr
    guarded = run(shell, f"{errexit}{TAUGHT.format(asked=asked)} || exit\necho went on", store)
    assert (guarded.returncode, guarded.stdout) == (status, "")
    plain = run(shell, f'{errexit}eval "$(resolve-latest {asked} -o shell)"', store)
    assert plain.returncode == status
    if errexit:
        stopped = run(shell, f'{errexit}eval "$(resolve-latest {asked} -o shell)"; echo went on', store)
        assert (stopped.returncode, stopped.stdout) == (status, "")


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("errexit", ["", "set -e; "])
@pytest.mark.parametrize(("body", "status"), [(None, 127), ("kill -9 $$", 137), ("exit 126", 126)])
def test_a_tool_that_cannot_speak_fails_in_the_form_that_is_taught(
    shell: str, errexit: str, body: str | None, status: int, store: DirectoryPlace, tmp_path: Path
) -> None:
    """Missing, killed or not to be run: it prints nothing, and the line has its status."""
    path = f"{tmp_path}:/usr/bin:/bin"
    if body is not None:
        (tmp_path / "resolve-latest").write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / "resolve-latest").chmod(0o755)
    line = TAUGHT.format(asked="master")
    assert run(shell, f"{errexit}{line}", store, path=path).returncode == status
    ended = run(shell, f"{errexit}{line} || exit\necho went on", store, path=path)
    assert (ended.returncode, ended.stdout) == (status, "")


@pytest.mark.parametrize("shell", SHELLS)
def test_strict_sets_the_answer_all_the_same(shell: str, store: DirectoryPlace) -> None:
    """``--strict`` answers and then fails; who looks at the status has both."""
    script = f'eval "$(resolve-latest master {BEYOND} --strict -o shell)"; echo "$? $KOPS_VERSION"'
    assert run(shell, script, store).stdout == f"3 {NEW}\n"


@pytest.mark.parametrize(
    ("tool", "words", "env"),
    [
        (resolve, ["--bad", "-o", "shell"], {}),
        (resolve, ["--bad", "-oshell"], {}),
        (resolve, ["--bad", "--output", "shell"], {}),
        (resolve, ["--output=shell", "--bad"], {}),
        (resolve, ["-qo", "shell", "--bad"], {}),
        (resolve, ["-o", "url", "-o", "shell", "--bad"], {}),
        (resolve, ["--bad"], {"KOPSVERSION_OUTPUT": "shell"}),
        (tools, ["resolve", "--bad", "-o", "shell"], {}),
    ],
)
def test_a_usage_error_ends_an_eval(tool: object, words: list[str], env: Mapping[str, str]) -> None:
    """However the output is asked for, and by either script."""
    result = CliRunner().invoke(tool, words, env=env)  # type: ignore[arg-type] # either is a click command
    assert (result.exit_code, result.stdout) == (2, "(exit 2)\n")
    assert "ERROR" in result.stderr


@pytest.mark.parametrize(
    ("tool", "words", "env"),
    [
        (resolve, ["--bad"], {}),
        (resolve, ["--bad", "-o", "env"], {}),
        (resolve, ["--bad", "-o", "shell", "-o", "url"], {}),
        (resolve, ["--bad", "-o"], {}),
        (resolve, ["--bad", "--", "-o", "shell"], {}),
        (resolve, ["--bad", "-o", "url"], {"KOPSVERSION_OUTPUT": "shell"}),
        (tools, ["list", "--bad", "-o", "shell"], {}),
        (tools, ["no-such-command", "-o", "shell"], {}),
        (tools, [], {}),
    ],
)
def test_other_outputs_stay_empty(tool: object, words: list[str], env: Mapping[str, str]) -> None:
    """On failure nothing goes to standard output."""
    result = CliRunner().invoke(tool, words, env=env)  # type: ignore[arg-type] # either is a click command
    assert (result.exit_code, result.stdout) == (2, "")


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    "evil", ["'; echo run; '", "$(echo run)", "`echo run`", "a\nb", "\\", '"', "-n", "é"]
)
def test_values_are_quoted(shell: str, evil: str, store: DirectoryPlace) -> None:
    """Nothing in a value is run."""
    text = to_shell(evolve(RESOLUTION, base_url=evil), marker_url=evil)
    ended = subprocess.run(
        [shell, "-c", 'eval "$1"; printf "%s|%s" "$KOPS_BASE_URL" "$KOPS_VERSION_MARKER"', shell, text],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.stdout == f"{evil}|{evil}"
