"""What it takes to start, before anything is asked of a store.

python -m tests.benchmarks.startup
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.benchmarks.measuring import Runs, clean_environment, machine, megabytes, milliseconds, run, table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PASS = "python -c pass"
ANSWER = "resolve-latest, an answer"
PYZ_HELP = "kopsversion.pyz --help"
PYZ_ANSWER = "kopsversion.pyz, an answer"
HELP = "kopsversion --help"
PYZ = Path(__file__).parents[2] / "dist" / "kopsversion.pyz"
"""The single file, where `make pyz` has built it."""

_PYZ_MOST = 1.5
"""How many times as long as the installed script the single file may take, from its second start on."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print Markdown."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.startup", description=__doc__)
    parser.add_argument("--runs", type=int, default=25, help="of each command, after one that is not counted")
    parser.add_argument("--quick", action="store_true", help="5 runs")
    parser.add_argument(
        "--pyz", type=Path, default=PYZ, help="the single file; where there is none, it is left out"
    )
    options = parser.parse_args(arguments)
    scripts = Path(sys.executable).parent
    print(f"{machine()}\n", flush=True)
    with tempfile.TemporaryDirectory(prefix="kopsversion-bench-") as bucket:
        subprocess.run([scripts / "kopsversion", "demo", bucket], check=True, stdout=subprocess.DEVNULL)
        question = ("master", "--store", bucket, "--as-of", "2024-05-06T18:00:00Z", "--quiet")
        commands: dict[str, tuple[str, ...]] = {
            PASS: (sys.executable, "-c", "pass"),
            "python -c 'import kopsversion'": (sys.executable, "-c", "import kopsversion"),
            "python -c 'import click'": (sys.executable, "-c", "import click"),
            HELP: (str(scripts / "kopsversion"), "--help"),
            "resolve-latest --help": (str(scripts / "resolve-latest"), "--help"),
            ANSWER: (str(scripts / "resolve-latest"), *question),
        }
        if options.pyz.is_file():
            pyz = (sys.executable, str(options.pyz))
            commands |= {PYZ_HELP: (*pyz, "--help"), PYZ_ANSWER: (*pyz, "resolve-latest", *question)}
        found = measure(commands, runs=5 if options.quick else options.runs)
    print(render(found))
    print(f"\n{compare(found)}")


def measure(commands: Mapping[str, Sequence[str]], *, runs: int) -> dict[str, Runs]:
    """Run each command once uncounted, then all of them in turn, so that a busy moment hits each alike."""
    found = {name: Runs() for name in commands}
    with clean_environment() as (environ, work):
        for command in commands.values():
            run(command, environ=environ, directory=work)
        for _ in range(runs):
            for name, command in commands.items():
                found[name].runs.append(run(command, environ=environ, directory=work))
    return found


def render(found: Mapping[str, Runs]) -> str:
    """Render what was found as a table."""
    header = ("", "wall ms", "least", f"above {PASS}", "cpu ms", "peak MB")
    rows = [
        (
            name,
            milliseconds(runs.wall),
            milliseconds(runs.quickest),
            milliseconds(runs.wall - found[PASS].wall),
            milliseconds(runs.cpu),
            megabytes(runs.peak),
        )
        for name, runs in found.items()
    ]
    return table(header, rows)


def compare(found: Mapping[str, Runs]) -> str:
    """Say how the single file compares with the installed script, or that there is none."""
    if PYZ_ANSWER not in found:
        return "kopsversion.pyz is not measured: build it with `make pyz`"
    return "\n".join(
        f"- {ours} takes {found[ours].wall / found[theirs].wall:.2f} times as long as {theirs} by the median, "
        f"{found[ours].quickest / found[theirs].quickest:.2f} times by the quickest run, "
        f"{found[ours].cpu / found[theirs].cpu:.2f} times by processor time (target: at most {_PYZ_MOST})"
        for ours, theirs in ((PYZ_HELP, HELP), (PYZ_ANSWER, ANSWER))
    )


if __name__ == "__main__":
    main()
