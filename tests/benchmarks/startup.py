"""What it takes to start, before anything is asked of a store.

python -m tests.benchmarks.startup
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.benchmarks.measuring import Runs, clean_environment, machine, megabytes, milliseconds, run, table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PASS = "python -c pass"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print Markdown."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.startup", description=__doc__)
    parser.add_argument("--runs", type=int, default=25, help="of each command, after one that is not counted")
    parser.add_argument("--quick", action="store_true", help="5 runs")
    options = parser.parse_args(arguments)
    scripts = Path(sys.executable).parent
    commands = {
        PASS: (sys.executable, "-c", "pass"),
        "python -c 'import kopsversion'": (sys.executable, "-c", "import kopsversion"),
        "python -c 'import click'": (sys.executable, "-c", "import click"),
        "kopsversion --help": (str(scripts / "kopsversion"), "--help"),
        "resolve-latest --help": (str(scripts / "resolve-latest"), "--help"),
    }
    print(f"{machine()}\n", flush=True)
    print(render(measure(commands, runs=5 if options.quick else options.runs)))


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


if __name__ == "__main__":
    main()
