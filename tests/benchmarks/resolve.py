"""What a resolve costs, as a whole process, beside what else one could run (DESIGN section 10).

    python -m tests.benchmarks.resolve            # some six minutes on an idle machine
    python -m tests.benchmarks.resolve --quick    # half a minute

The server is the project's own test server, on loopback, in a process of its own. Its answers are right, and it counts
requests and bytes; it is no measure of how fast Google's servers are, which the added latency stands for.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import define, evolve, field, frozen

from tests.benchmarks.bucket import STORE
from tests.benchmarks.measuring import (
    RunError,
    Runs,
    clean_environment,
    kilobytes,
    machine,
    megabytes,
    milliseconds,
    run,
    table,
)
from tests.benchmarks.serving import Figures, serving
from tests.benchmarks.tls import can_make_certificates, tls_front

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.benchmarks.serving import Served

BARE = Path(__file__).parent / "bare"
TARGET_BUILDS = 8_000
"""The size for which there are targets."""

OURS, OURS_RELEASE = "resolve-latest", "resolve-latest (release channel)"
WALK = "bare urllib3 script, walking down"
CLIENT_WALK, CLIENT_PAGE = "bare client script, walking down", "bare client script, paging through everything"
GCLOUD, GSUTIL = "gcloud storage ls", "gsutil ls"

_MOST_SECONDS = 20.0  # of one command at one size and latency; it is run at least twice


@frozen
class Contender:
    """A command to measure.

    Attributes:
        name: what the table calls it.
        command: the program and its arguments.
        answer: what its output must hold; a quick wrong answer is worth nothing.
        environ: variables that it needs besides the others'.
    """

    name: str
    command: tuple[str, ...]
    answer: str
    environ: Mapping[str, str] = field(factory=dict)


@define
class Measured:
    """What one contender took at one size and latency."""

    contender: Contender
    runs: Runs = field(factory=Runs)
    figures: Figures | None = None
    problem: str = ""

    @property
    def seconds(self) -> float:
        """Seconds spent on it so far."""
        return sum(each.wall for each in self.runs.runs)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print Markdown."""
    options = _options(arguments)
    print(f"{machine()}\n", flush=True)
    for builds in options.builds:
        with ExitStack() as stack:
            served = stack.enter_context(serving(builds))
            environ, work = stack.enter_context(clean_environment(STORAGE_EMULATOR_HOST=served.url))
            contenders, notes = _contenders(served, stack=stack, work=work)
            for latency in options.latency:
                served.set_latency(latency / 1000)
                results = measure(contenders, served, environ=environ, work=work, runs=options.runs)
                print(f"{builds:,} builds, {latency:g} ms added to each request:\n")
                print(render(results), end="\n\n", flush=True)
                if builds == TARGET_BUILDS and not latency:
                    print(render_targets(results), end="\n\n", flush=True)
            for note in notes:
                print(f"{note}\n", flush=True)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.resolve", description=__doc__)
    parser.add_argument("--builds", type=int, nargs="+", default=[100, 1_000, 8_000, 100_000])
    parser.add_argument("--latency", type=float, nargs="+", default=[0, 50], help="milliseconds")
    parser.add_argument("--runs", type=int, default=9, help="of each command, after one that is not counted")
    parser.add_argument("--quick", action="store_true", help="8,000 builds, no latency, 5 runs")
    options = parser.parse_args(arguments)
    if options.quick:
        options.builds, options.latency, options.runs = [TARGET_BUILDS], [0], 5
    return options


# --------------------------------------------------------------------------------------------------
# Contenders


def _contenders(served: Served, *, stack: ExitStack, work: Path) -> tuple[list[Contender], list[str]]:
    """Name the commands that can run here, and say which cannot."""
    answers = served.answers
    release = max(ref for ref in answers if ref != "master")
    scripts = Path(sys.executable).parent
    resolve = (str(scripts / "resolve-latest"), "--store", STORE, "-o", "version")
    contenders = [
        Contender(OURS, (*resolve, "master"), f"{answers['master']}\n"),
        Contender(OURS_RELEASE, (*resolve, release), f"{answers[release]}\n"),
        Contender(WALK, (sys.executable, str(BARE / "walk_urllib3.py")), f"{answers['master']}\n"),
        Contender(CLIENT_WALK, (sys.executable, str(BARE / "walk_down.py")), f"{answers['master']}\n"),
        Contender(CLIENT_PAGE, (sys.executable, str(BARE / "page_all.py")), "markers/"),
    ]
    notes = []
    gcloud, gsutil = shutil.which("gcloud"), shutil.which("gsutil")
    if gcloud:
        environ = _cloudsdk(work) | {"CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE": f"{served.url}/storage/v1/"}
        contenders.append(
            Contender(GCLOUD, (gcloud, "storage", "ls", STORE), f"/{answers['master']}/\n", environ)
        )
    if gsutil and can_make_certificates():
        port = stack.enter_context(tls_front(served.port, folder=work))
        settings = (
            "Credentials:gs_json_host=127.0.0.1",
            f"Credentials:gs_json_port={port}",
            "Boto:https_validate_certificates=False",
            f"GSUtil:state_dir={work}",
        )
        command = (gsutil, *(part for setting in settings for part in ("-o", setting)), "ls", STORE)
        contenders.append(Contender(GSUTIL, command, f"/{answers['master']}/\n", _cloudsdk(work)))
    if not gcloud:
        notes.append("gcloud is not installed here, so it is not in the tables.")
    if not gsutil or not can_make_certificates():
        notes.append(
            "gsutil, or the openssl that its TLS needs, is not installed here, so it is not in the tables."
        )
    return contenders, notes


def _cloudsdk(work: Path) -> dict[str, str]:
    """Keep Google's tools from asking anything but the server, and from reading anyone's settings."""
    return {
        "BOTO_CONFIG": "/dev/null",
        "CLOUDSDK_CONFIG": str(work),
        "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true",
        "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "true",
        "CLOUDSDK_CORE_CHECK_GCE_METADATA": "false",
        "CLOUDSDK_CORE_DISABLE_PROMPTS": "true",
        "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "true",
        "CLOUDSDK_CORE_PASS_CREDENTIALS_TO_GSUTIL": "false",
    }


# --------------------------------------------------------------------------------------------------
# Measuring


def measure(
    contenders: Sequence[Contender],
    served: Served,
    *,
    environ: Mapping[str, str],
    work: Path,
    runs: int,
) -> list[Measured]:
    """Run each contender once uncounted, then all of them in turn, so that a busy moment hits each alike.

    Parameters:
        contenders: what to run.
        served: counts their requests.
        environ: their environment.
        work: where they run.
        runs: how often each.
    """
    results = [Measured(contender) for contender in contenders]
    for result in results:
        _once(result, served, environ=environ, work=work)
        result.runs = Runs()
    for turn in range(runs):
        for result in results:
            if not result.problem and (turn < 2 or result.seconds < _MOST_SECONDS):
                _once(result, served, environ=environ, work=work)
    return results


def _once(result: Measured, served: Served, *, environ: Mapping[str, str], work: Path) -> None:
    contender = result.contender
    served.forget()
    try:
        done = run(contender.command, environ={**environ, **contender.environ}, directory=work)
    except RunError as error:
        result.problem = str(error)
        return
    if contender.answer not in done.output:
        result.problem = f"{contender.name} answered {done.output[-200:]!r}"
        return
    result.figures = served.figures()
    # Megabytes of names would stay, and be counted with the next process, which begins as a copy of this one.
    result.runs.runs.append(evolve(done, output=""))


def render(results: Sequence[Measured]) -> str:
    """Render results as a table, problems below it."""
    header = ("", "requests", "kB", "wall ms", "least", "cpu ms", "peak MB", "runs")
    rows = [
        (
            result.contender.name,
            f"{result.figures.requests:,}",
            kilobytes(result.figures.sent),
            milliseconds(result.runs.wall),
            milliseconds(result.runs.quickest),
            milliseconds(result.runs.cpu),
            megabytes(result.runs.peak),
            str(len(result.runs.runs)),
        )
        for result in results
        if result.figures is not None and result.runs.runs
    ]
    problems = [f"\nLeft out: {result.problem}" for result in results if result.problem]
    return "\n".join([table(header, rows), *problems])


def render_targets(results: Sequence[Measured]) -> str:
    """Say how the targets of DESIGN section 10 are met."""
    found = {result.contender.name: result.runs for result in results if result.runs.runs}
    if OURS not in found:
        return ""
    ours = found[OURS]
    lines = []
    for name, target in ((WALK, "at most 1.8, aim 1.6"), (GCLOUD, "at least 5, aim 6")):
        if name in found:
            first, second = (ours, found[name]) if name == WALK else (found[name], ours)
            who, whose = (OURS, name) if name == WALK else (name, OURS)
            lines.append(
                f"- {who} takes {first.wall / second.wall:.2f} times as long as {whose} by the median, "
                f"{first.quickest / second.quickest:.2f} times by the quickest run, "
                f"{first.cpu / second.cpu:.2f} times by processor time (target: {target})"
            )
    lines.append(f"- {OURS} takes {megabytes(ours.peak)} MB at its peak (target: under 40)")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
