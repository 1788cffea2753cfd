"""Many jobs at once ask one server that fails now and then: do all get the right answer?

    python -m tests.benchmarks.fleet                    # 500 resolves at once, 5 % of all requests fail; about a minute
    python -m tests.benchmarks.fleet --quick            # 100 resolves

Most jobs are threads of a few processes that use the library; the others are processes of their own that run
``resolve-latest``. All begin at the same moment. The faults are those of `serving.TRANSIENT`, at random. The
exit status is 1 if any job failed or got a wrong answer.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import frozen

from tests.benchmarks.bucket import STORE
from tests.benchmarks.measuring import RunError, clean_environment, machine, run, table
from tests.benchmarks.serving import serving

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from multiprocessing.connection import Connection

    from tests.benchmarks.serving import Figures


@frozen
class Answer:
    """What one job got.

    Attributes:
        selector: the channel that it asked for.
        version: what it was told; empty where it failed.
        rung: of the answer.
        requests: requests made.
        seconds: how long it waited.
        problem: why it failed.
    """

    selector: str
    version: str = ""
    rung: str = ""
    requests: int = 0
    seconds: float = 0.0
    problem: str = ""


@frozen
class Report:
    """What became of all jobs.

    Attributes:
        answers: one of each job.
        right: the right answer for each selector.
        needed: requests that each selector takes where nothing fails.
        figures: what the server saw.
        seconds: from the start of all to the end of the last.
    """

    answers: Sequence[Answer]
    right: Mapping[str, str]
    needed: Mapping[str, int]
    figures: Figures
    seconds: float

    @property
    def failed(self) -> list[Answer]:
        """Those that got no answer."""
        return [answer for answer in self.answers if answer.problem]

    @property
    def wrong(self) -> list[Answer]:
        """Those that got another answer than the right one."""
        return [
            answer
            for answer in self.answers
            if not answer.problem and answer.version != self.right[answer.selector]
        ]

    @property
    def retries(self) -> int:
        """Requests beyond those that are needed where nothing fails."""
        return sum(
            answer.requests - self.needed[answer.selector] for answer in self.answers if not answer.problem
        )


def main(arguments: Sequence[str] | None = None) -> None:
    """Let the fleet loose, and print Markdown."""
    options = _options(arguments)
    print(f"{machine()}\n", flush=True)
    report = unleash(
        builds=options.builds,
        threads=[options.threads] * options.processes,
        commands=options.commands,
        share=options.faults / 100,
        seed=options.seed,
    )
    print(render(report, faults=options.faults))
    if report.failed or report.wrong:
        sys.exit(1)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.fleet", description=__doc__)
    parser.add_argument("--builds", type=int, default=8_000)
    parser.add_argument("--processes", type=int, default=10, help="that use the library")
    parser.add_argument("--threads", type=int, default=48, help="of each of these processes")
    parser.add_argument("--commands", type=int, default=20, help="processes that run resolve-latest")
    parser.add_argument("--faults", type=float, default=5.0, help="per cent of all requests")
    parser.add_argument("--seed", type=int, default=0, help="of the choice of faults")
    parser.add_argument("--quick", action="store_true", help="4 processes of 22 threads, 12 commands")
    options = parser.parse_args(arguments)
    if options.quick:
        options.processes, options.threads, options.commands = 4, 22, 12
    return options


# --------------------------------------------------------------------------------------------------
# The fleet


def unleash(*, builds: int, threads: Sequence[int], commands: int, share: float, seed: int) -> Report:
    """Start every job at the same moment, and wait for all.

    Parameters:
        builds: how many the bucket holds.
        threads: for each process that uses the library, how many of its threads resolve.
        commands: how many processes run ``resolve-latest``.
        share: of all requests that fail.
        seed: what the choice of faults begins with.
    """
    with serving(builds, seed=seed) as served, _environment(served.url) as (environ, work):
        right = served.answers
        needed = {selector: _by_library(selector).requests for selector in right}
        selectors = cycle(right)
        served.set_fault_share(share)
        served.forget()
        with _crews([list(islice(selectors, count)) for count in threads]) as crews:
            asked = list(islice(selectors, commands))
            began = time.perf_counter()
            for crew in crews:
                crew.send("go")
            with ThreadPoolExecutor(max_workers=max(1, commands)) as pool:
                ask = partial(_by_command, environ=environ, work=work)
                answers = list(pool.map(ask, asked))
            answers += [answer for crew in crews for answer in crew.recv()]
            seconds = time.perf_counter() - began
        return Report(answers, right=right, needed=needed, figures=served.figures(), seconds=seconds)


@contextmanager
def _environment(url: str) -> Iterator[tuple[Mapping[str, str], Path]]:
    """Let this process and all that it starts ask the server."""
    before = os.environ.get("STORAGE_EMULATOR_HOST")
    os.environ["STORAGE_EMULATOR_HOST"] = url
    try:
        with clean_environment(STORAGE_EMULATOR_HOST=url) as given:
            yield given
    finally:
        del os.environ["STORAGE_EMULATOR_HOST"]
        if before is not None:
            os.environ["STORAGE_EMULATOR_HOST"] = before


@contextmanager
def _crews(selectors: Sequence[list[str]]) -> Iterator[list[Connection]]:
    """Start processes that wait for the word to go, and then send back their answers."""
    context = multiprocessing.get_context("spawn")
    crews, processes = [], []
    for each in selectors:
        ours, theirs = context.Pipe()
        process = context.Process(target=_crew, args=(theirs, each), daemon=True)
        process.start()
        theirs.close()
        crews.append(ours)
        processes.append(process)
    try:
        for crew in crews:
            crew.recv()
        yield crews
    finally:
        for process in processes:
            process.join(timeout=10)
            if process.is_alive():
                process.kill()


def _crew(connection: Connection, selectors: list[str]) -> None:
    """Be such a process."""

    connection.send("ready")
    connection.recv()
    with ThreadPoolExecutor(max_workers=len(selectors)) as pool:
        connection.send(list(pool.map(_by_library, selectors)))


def _by_library(selector: str) -> Answer:
    from kopsversion.errors import KopsVersionError
    from kopsversion.workflows.latest import resolve_latest

    began = time.perf_counter()
    try:
        resolution = resolve_latest(selector, store=STORE)
    except KopsVersionError as error:
        problem = "; ".join([str(error), *error.reasons])
        return Answer(selector, seconds=time.perf_counter() - began, problem=problem)
    return Answer(
        selector,
        version=str(resolution.version),
        rung=str(resolution.rung),
        requests=resolution.requests,
        seconds=time.perf_counter() - began,
    )


def _by_command(selector: str, *, environ: Mapping[str, str], work: Path) -> Answer:
    script = str(Path(sys.executable).parent / "resolve-latest")
    began = time.perf_counter()
    try:
        done = run((script, selector, "--store", STORE, "-o", "json"), environ=environ, directory=work)
    except RunError as error:
        return Answer(selector, seconds=time.perf_counter() - began, problem=str(error))
    found = json.loads(done.output)
    return Answer(
        selector,
        version=found["version"],
        rung=found["rung"],
        requests=found["requests"],
        seconds=time.perf_counter() - began,
    )


# --------------------------------------------------------------------------------------------------
# The report


def render(report: Report, *, faults: float) -> str:
    """Render a report as Markdown."""
    waits = sorted(answer.seconds for answer in report.answers)
    rungs = Counter(answer.rung for answer in report.answers if not answer.problem)
    struck = sum(report.figures.faults.values())
    rows = [
        ("resolves at once", f"{len(report.answers):,}"),
        ("answers", f"{len(report.answers) - len(report.failed):,}"),
        ("failures", f"{len(report.failed):,}"),
        ("wrong answers", f"{len(report.wrong):,}"),
        *((f"answers from the rung {rung}", f"{count:,}") for rung, count in rungs.most_common()),
        ("requests", f"{report.figures.requests:,}"),
        (f"of them hit by a fault ({faults:g} % wanted)", f"{struck:,}"),
        ("retries", f"{report.retries:,}"),
        ("most requests in flight", f"{report.figures.most_in_flight:,}"),
        ("seconds until the median job had its answer", f"{statistics.median(waits):.1f}"),
        ("seconds until 99 of 100 had", f"{waits[int(len(waits) * 0.99)]:.1f}"),
        ("seconds until the last had", f"{waits[-1]:.1f}"),
        ("seconds in all", f"{report.seconds:.1f}"),
    ]
    kinds = [(name, f"{count:,}") for name, count in sorted(report.figures.faults.items())]
    problems = [f"\nFailed: {answer.selector}: {answer.problem}" for answer in report.failed]
    problems += [f"\nWrong: {answer.selector}: {answer.version}" for answer in report.wrong]
    return "\n".join([table(("", ""), rows), "", table(("fault", "times"), kinds), *problems])


if __name__ == "__main__":
    main()
