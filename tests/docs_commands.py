"""Runs the commands of a page of documentation, and compares what they print with what the page says.

In a page, a fenced block counts when it begins with one of these:

- ``console``: lines that begin with ``$ `` are commands for bash (a line that ends in a backslash, or an
  open here-document, goes on in lines that begin with ``> ``); what follows is what they print, standard error among
  it, as on a terminal: without klog's headers. Three dots (or one character of them) stand for any text in a
  line, and alone in a line for any lines.
- a language and a name, as in ``bash job.sh`` or ``python harness.py``: a file of that name and content.

All else (``yaml``, ``text``) is not run: it needs a network, another project, or a file that only the reader has. The
blocks of a page run in their order, in one bash, in a directory that holds the demo bucket as ``.demo``, as `make demo`
leaves it, and nothing else. A command that fails fails the page, unless the next command is ``echo $?``. In PATH are
the project's scripts and a stand-in for kubetest2 that reads markers by kubetest2's rule and makes no cluster.
"""

from __future__ import annotations

import os
import re
import secrets
import shlex
import subprocess
import sys
from pathlib import Path

import click
from attrs import frozen

from kopsversion.cli.demo_bucket import lay_out
from kopsversion.cli.toolbox import tools

DOCS = Path(__file__).parents[1] / "docs"

_FENCE = re.compile(r"^```(\w+)(?: +(\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)

_CALL = re.compile(
    r"(?:^|\$\(|&& |^\w+=\S+ |/bin/)(?:resolve-latest|kopsversion (?P<command>[a-z]+))(?P<rest>(?: [^#)&|\n]*)?)",
    re.MULTILINE,
)
"""A call of ours in a line for a shell, up to what ends it there."""

_OTHERS = re.compile(r"\$\((?!resolve-latest|kopsversion)[^()]*\)")
"""What another program is asked for, in an argument of ours."""

_KLOG = re.compile(r"^[IWE][0-9]{4} [0-9:]{8}\.[0-9]{6} +[0-9]+ [a-z_]+\.py:[0-9]+\] ", re.MULTILINE)

# It reads the marker before the test and after it, as kubetest2 does (kubernetes/kops tests/e2e, publish.go).
_KUBETEST2 = """#!/bin/bash
set -euo pipefail
for argument; do
    case "${argument}" in
        --kops-version-marker=*) marker="${argument#*=}" ;;
        --kops-binary-path=*) echo "kubetest2: $("${argument#*=}")" ;;
    esac
done
if [[ -n "${marker-}" ]]; then
    base="$(curl -fsS "${marker}")"
    curl -fsS -o /dev/null "${base}/linux/amd64/kops"
    echo "kubetest2: kops ${base##*/}"
fi
"""


@frozen
class File:
    """A file that a page shows."""

    name: str
    content: str


@frozen
class Command:
    """A command of a page.

    Attributes:
        text: for bash; may have several lines.
        expected: what it prints, with the page's dots.
        line: where it is in the page.
    """

    text: str
    expected: str
    line: int

    def matches(self, printed: str) -> bool:
        """Whether that is what it was to print."""
        pattern = ""
        for line in self.expected.splitlines(keepends=True):
            parts = re.split(r"\.\.\.|…", line)
            if "".join(parts).strip():
                pattern += ".*?".join(re.escape(part) for part in parts)
            else:
                pattern += re.escape(line) if len(parts) == 1 else r"(?:.*\n)*?"
        return re.fullmatch(pattern, printed) is not None


@frozen
class Ended:
    """How a command ended."""

    command: Command
    status: int
    printed: str


def read_page(text: str) -> list[File | Command]:
    """Read what there is to write and to run in a page."""
    steps: list[File | Command] = []
    for fence in _FENCE.finditer(text):
        language, name, content = fence.groups()
        if name is not None:
            steps.append(File(name, content))
        elif language == "console":
            steps += _read_session(content, first=text.count("\n", 0, fence.start(3)) + 1)
    return steps


def _read_session(content: str, *, first: int) -> list[Command]:
    commands: list[Command] = []
    for number, line in enumerate(content.splitlines(), start=first):
        if line.startswith("$ "):
            commands.append(Command(line.removeprefix("$ "), "", number))
            continue
        if not commands:
            raise ValueError(f"line {number} of the page is the output of no command")
        text, expected, begun = commands[-1].text, commands[-1].expected, commands[-1].line
        if line.startswith(("> ", ">")) and not expected:
            commands[-1] = Command(f"{text}\n{line.removeprefix('>').removeprefix(' ')}", "", begun)
        else:
            commands[-1] = Command(text, f"{expected}{line}\n", begun)
    return commands


def run_page(text: str, folder: Path) -> list[Ended]:
    """Run a page in an empty directory; return how each command ended, as far as it came.

    Raises:
        AssertionError: bash itself broke off.
    """
    steps = read_page(text)
    end = f"end-{secrets.token_hex(8)}"
    script = ["exec 2>&1 </dev/null"]
    commands = []
    for step in steps:
        if isinstance(step, File):
            script.append(
                f"mkdir -p {shlex.quote(str(Path(step.name).parent))}; "
                f"printf %s {shlex.quote(step.content)} > {shlex.quote(step.name)}"
            )
        else:
            commands.append(step)
            # In the end the status is put back, for a command that asks for it.
            script.append(f"{step.text}\n__status=$?; printf '\\n%s %s\\n' {end} $__status; (exit $__status)")
    work, home = folder / "work", folder / "home"
    lay_out(work / ".demo")
    (home / "bin").mkdir(parents=True)
    (home / "bin" / "kubetest2").write_text(_KUBETEST2)
    (home / "bin" / "kubetest2").chmod(0o755)
    kept = {name: os.environ[name] for name in ("COVERAGE_PROCESS_CONFIG",) if name in os.environ}
    scripts = Path(sys.executable).parent
    ran = subprocess.run(
        ["bash", "-c", "\n".join(script)],
        cwd=work,
        env={
            "PATH": f"{home / 'bin'}:{scripts}:/usr/bin:/bin",
            "HOME": str(home),
            "TMPDIR": str(home),
            "LC_ALL": "C.UTF-8",
            **kept,
        },
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        timeout=300,
    )
    printed_lines = _KLOG.sub("", ran.stdout)
    parts = re.split(rf"\n{end} ([0-9]+)\n", printed_lines)
    assert len(parts) == 2 * len(commands) + 1, f"bash broke off: {ran.stdout}"
    return [
        Ended(command, int(status), printed if not printed or printed.endswith("\n") else f"{printed}\n")
        for command, printed, status in zip(commands, parts[::2], parts[1::2], strict=False)
    ]


def faults(text: str, folder: Path) -> list[str]:
    """Run a page; return a sentence for each command that did not do what the page says."""
    ended = run_page(text, folder)
    found = []
    for number, each in enumerate(ended):
        following = ended[number + 1].command.text if number + 1 < len(ended) else ""
        where = f"line {each.command.line}, {each.command.text!r}"
        if each.status and following != "echo $?":
            found.append(f"{where} failed with status {each.status}: {each.printed}")
        elif not each.command.matches(each.printed):
            found.append(f"{where} printed\n{each.printed}instead of\n{each.command.expected}")
    return found


def runs_in_yaml(text: str) -> list[str]:
    """Return the lines of a page's ``yaml`` blocks that call the project's commands."""
    lines = [
        line.strip()
        for language, name, content in _FENCE.findall(text)
        if language == "yaml" and not name
        for line in content.splitlines()
    ]
    return [line for line in lines if re.search(r"\b(resolve-latest|kopsversion) ", line)]


def unknown_in_text(text: str) -> list[str]:
    """Return the calls in a page's ``text`` blocks that name a command or an option which does not exist."""
    found = []
    for language, name, content in _FENCE.findall(text):
        plain = _OTHERS.sub("x", content) if language == "text" and not name else ""
        for call in _CALL.finditer(plain):
            command = tools.commands.get(call["command"] or "resolve")
            try:
                known = command is not None and command.make_parser(click.Context(command)).parse_args(
                    shlex.split(call["rest"])
                )
            except click.UsageError:
                known = False
            if not known:
                found.append(call[0].removeprefix("&& ").strip())
    return found
