"""Whole processes, measured: wall time, processor time, memory; and figures printed as Markdown."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import field, frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from resource import struct_rusage

LONGEST_RUN = 120.0
"""Seconds after which a process is given up."""


class RunError(Exception):
    """A process that failed or took too long."""


@frozen
class Run:
    """One process, from its start to its end.

    Attributes:
        wall: seconds.
        cpu: seconds of processor time, of its children too.
        peak: bytes of memory at its peak; of its largest child, if that took more.
        output: what it wrote to standard output.
    """

    wall: float
    cpu: float
    peak: int
    output: str


@frozen
class Runs:
    """Several runs of the same command."""

    runs: list[Run] = field(factory=list)

    @property
    def wall(self) -> float:
        """The median, seconds."""
        return statistics.median(run.wall for run in self.runs)

    @property
    def quickest(self) -> float:
        """The least, seconds."""
        return min(run.wall for run in self.runs)

    @property
    def cpu(self) -> float:
        """The median, seconds."""
        return statistics.median(run.cpu for run in self.runs)

    @property
    def peak(self) -> int:
        """The most, bytes."""
        return max(run.peak for run in self.runs)


def run(command: Sequence[str], *, environ: Mapping[str, str], directory: Path) -> Run:
    """Run a command to its end.

    Parameters:
        command: the program and its arguments.
        environ: its whole environment.
        directory: where it runs.

    Raises:
        RunError: its exit status is not 0, or it took longer than `LONGEST_RUN`.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        began = time.perf_counter()
        process = subprocess.Popen(command, cwd=directory, env=environ, stdout=out, stderr=err)
        status, used = _wait(process)
        wall = time.perf_counter() - began
        out.seek(0)
        err.seek(0)
        if status != 0:
            said = err.read().decode(errors="replace").strip()
            raise RunError(f"{command[0]} failed with status {status}: {said[-500:]}")
        return Run(
            wall=wall,
            cpu=used.ru_utime + used.ru_stime,
            peak=used.ru_maxrss * 1024,
            output=out.read().decode(errors="replace"),
        )


def _wait(process: subprocess.Popen[bytes]) -> tuple[int, struct_rusage]:
    """Wait for a process; only `os.wait4` tells what it used, and that cannot be given a time limit."""
    timer = threading.Timer(LONGEST_RUN, process.kill)
    timer.start()
    try:
        _, status, used = os.wait4(process.pid, 0)
    finally:
        timer.cancel()
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, used


@contextmanager
def clean_environment(**added: str) -> Iterator[tuple[dict[str, str], Path]]:
    """Yield an environment that holds nothing but what a command needs, and an empty directory to run in.

    Bytecode is kept in that directory, so that a first run that is not counted compiles what an installed
    package brings compiled.
    """
    with tempfile.TemporaryDirectory(prefix="kopsversion-bench-") as place:
        folder = Path(place)
        work = folder / "work"
        work.mkdir()
        environ = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
        environ |= {"HOME": place, "PYTHONPYCACHEPREFIX": str(folder / "bytecode"), **added}
        yield environ, work


def machine() -> str:
    """Say on what this runs, in one line."""
    return (
        f"{_processor()}, {os.cpu_count()} cores, {_memory_gib():.0f} GiB; "
        f"Python {platform.python_version()}, {platform.system()} {platform.release()}; "
        f"load average at the start {os.getloadavg()[0]:.1f}"
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown processor"
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def _memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Render a Markdown table; every column but the first is flushed right."""
    listed = [list(header), *map(list, rows)]
    widths = [max(len(row[column]) for row in listed) for column in range(len(header))]

    def line(cells: Sequence[str]) -> str:
        padded = [
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        return f"| {' | '.join(padded)} |"

    rule = ["-" * width if column == 0 else "-" * (width - 1) + ":" for column, width in enumerate(widths)]
    return "\n".join([line(listed[0]), line(rule), *map(line, listed[1:])])


def milliseconds(seconds: float) -> str:
    """Render seconds as whole milliseconds."""
    return f"{seconds * 1000:,.0f}"


def kilobytes(size: float) -> str:
    """Render bytes as kB of 1,000 bytes."""
    return f"{size / 1000:,.1f}"


def megabytes(size: float) -> str:
    """Render bytes as MB of 1,000,000 bytes."""
    return f"{size / 1e6:,.0f}"
