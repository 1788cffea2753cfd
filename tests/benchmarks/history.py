"""Replays the history of kops against kopsversion and the rules that are in use elsewhere.

    python tests/benchmarks/history.py builds.jsonl        a history, one JSON object a line
    python tests/benchmarks/history.py --repo ~/src/kops   computed from a clone of kops

Prints Markdown tables on stdout: how often a rule's answer was not the branch's newest build, how often it was so in
silence, and how often it said that it is not sure. Which faults there are is in `tests.benchmarks.replay`.
"""

from __future__ import annotations

import os
import sys
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
from attrs import frozen
from rich.console import Console
from rich.progress import track

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # for `python tests/benchmarks/history.py`

from kopsversion.errors import KopsVersionError
from tests.benchmarks.commits import Commit, as_lines, compute_history, read_history
from tests.benchmarks.replay import (
    DAY,
    HOUR,
    NAIVE,
    Faults,
    Kopsversion,
    Markers,
    Score,
    Tally,
    arrivals,
    git_lines,
    measure,
    naive,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SINCE = datetime(2021, 9, 1, tzinfo=UTC)
"""From here on the builds' names have a commit distance, but for a few."""

_EVERYTHING = "all of these"
_LATE = (1200, 6 * HOUR)
FAULTS = {
    "none": Faults(),
    "master builds stop, every second 60 days": Faults(outages=60 * DAY),
    "uploads up to 6 hours late": Faults(late=_LATE),
    "5 % of builds incomplete": Faults(incomplete=0.05),
    "builds deleted after 60 days": Faults(kept=60 * DAY),
    _EVERYTHING: Faults(late=_LATE, incomplete=0.05, kept=60 * DAY, outages=60 * DAY),
}


@frozen(kw_only=True)
class Trial:
    """One replay.

    Attributes:
        rule: a name of `NAIVE`; empty for kopsversion.
        faults: a name of `FAULTS`.
        markers: how markers behave.
        git: whether there is a clone.
    """

    rule: str = ""
    faults: str = "none"
    markers: Markers = Markers.WORKING
    git: bool = False


def trials() -> tuple[Trial, ...]:
    """Return every replay, each that takes long before those that do not."""
    asked = [Trial(faults=faults, markers=Markers.BEHIND) for faults in FAULTS]
    asked += [Trial(markers=each) for each in (Markers.WORKING, Markers.FROZEN, Markers.ABSENT)]
    asked += [Trial(faults=_EVERYTHING, markers=each) for each in (Markers.WORKING, Markers.FROZEN)]
    asked += [Trial(faults=faults, markers=Markers.BEHIND, git=True) for faults in ("none", _EVERYTHING)]
    return (*asked, *(Trial(rule=rule) for rule in NAIVE))


def run(trial: Trial, commits: Sequence[Commit], *, since: int) -> Score:
    """Replay once."""
    faults = FAULTS[trial.faults]
    rule = (
        naive(NAIVE[trial.rule])
        if trial.rule
        else Kopsversion(trial.markers, git_lines(commits) if trial.git else {})
    )
    return measure(arrivals(commits, faults), rule, since=since, kept=faults.kept)


class _Worker:
    """What each process keeps, so that the history is sent to it once."""

    commits: Sequence[Commit] = ()
    since = 0

    @classmethod
    def prepare(cls, commits: Sequence[Commit], since: int) -> None:
        cls.commits, cls.since = commits, since

    @classmethod
    def run(cls, trial: Trial) -> Score:
        return run(trial, cls.commits, since=cls.since)


def run_all(commits: Sequence[Commit], *, since: int, workers: int) -> dict[Trial, Score]:
    """Replay every trial, in as many processes as told, with a progress bar on a terminal."""
    asked = trials()
    with ProcessPoolExecutor(workers, initializer=_Worker.prepare, initargs=(commits, since)) as pool:
        console = Console(stderr=True)
        scores = track(
            pool.map(_Worker.run, asked),
            "Replaying",
            total=len(asked),
            console=console,
            disable=not console.is_terminal,
        )
        return dict(zip(asked, scores, strict=True))


# --------------------------------------------------------------------------------------------------
# Tables


def tables(scores: dict[Trial, Score]) -> Iterator[str]:
    """Write the results as Markdown, line by line."""
    clean = next(iter(score for trial, score in scores.items() if trial.faults == "none"))
    yield (
        f"Asked at {clean.master.moments} moments for master, {clean.release.moments} times for release channels. "
        "*Wrong*: not the branch's newest build. *Silent*: wrong, and not flagged. "
        "*Flagged*: `channel-ambiguous`, right or wrong."
    )
    yield ""
    yield from _table("rule", [(_name(trial), score) for trial, score in _main(scores)])
    yield ""
    yield "kopsversion without git, when things go wrong:"
    yield ""
    rows = [
        (f"{trial.faults} | {trial.markers}", score)
        for trial, score in scores.items()
        if not trial.rule and not trial.git and trial.faults != "none"
    ]
    yield from _table("faults | markers", rows)
    yield ""
    yield "kopsversion with git, markers 60 days behind:"
    yield ""
    yield from _table("faults", [(trial.faults, score) for trial, score in scores.items() if trial.git])


def _main(scores: dict[Trial, Score]) -> Iterator[tuple[Trial, Score]]:
    clean = {trial: score for trial, score in scores.items() if trial.faults == "none"}
    yield from ((trial, score) for trial, score in clean.items() if trial.rule)
    ours = [(trial, score) for trial, score in clean.items() if not trial.rule]
    yield from sorted(ours, key=lambda pair: (pair[0].git, list(Markers).index(pair[0].markers)))


def _name(trial: Trial) -> str:
    if trial.rule:
        return trial.rule
    return "kopsversion with git" if trial.git else f"kopsversion without git, markers {trial.markers}"


def _table(heading: str, rows: Sequence[tuple[str, Score]]) -> Iterator[str]:
    figures = " | ".join(
        f"{channel}: {what}" for channel in ("master", "release") for what in ("wrong", "silent", "flagged")
    )
    yield f"| {heading} | {figures} |"
    yield "|---" * (heading.count("|") + 1) + "|---:" * 6 + "|"
    for name, score in rows:
        yield f"| {name} | {_cells(score.master)} | {_cells(score.release)} |"


def _cells(tally: Tally) -> str:
    return " | ".join(_share(number, tally.moments) for number in (tally.wrong, tally.silent, tally.flagged))


def _share(number: int, total: int) -> str:
    return f"{number} ({100 * number / total:.2f} %)" if number else "0"


# --------------------------------------------------------------------------------------------------
# What was promised


@frozen
class Budget:
    """Most that may be wrong, wrong in silence, and flagged, as shares."""

    wrong: float
    silent: float
    flagged: float

    def is_kept(self, tally: Tally) -> bool:
        """Tell whether a tally keeps it."""
        shares = (tally.wrong, tally.silent, tally.flagged)
        allowed = (self.wrong, self.silent, self.flagged)
        return all(number <= most * tally.moments for number, most in zip(shares, allowed, strict=True))


BUDGETS = {
    Trial(markers=Markers.BEHIND, git=True): Budget(0, 0, 0),
    Trial(markers=Markers.WORKING): Budget(0.01, 0, 0.05),
    Trial(markers=Markers.BEHIND): Budget(0.025, 0.005, 0.4),
    Trial(markers=Markers.FROZEN): Budget(0.025, 0.005, 0.4),
}


def broken(scores: dict[Trial, Score]) -> list[str]:
    """Name the promises that were not kept."""
    return [
        _name(trial)
        for trial, budget in BUDGETS.items()
        if not (budget.is_kept(scores[trial].master) and budget.is_kept(scores[trial].release))
    ]


@click.command(help="Replay the history of kops, from FILE or from a clone, and print Markdown tables.")
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--repo", type=click.Path(exists=True, file_okay=False, path_type=Path), help="A full clone of kops."
)
@click.option(
    "--since", type=click.DateTime(["%Y-%m-%d"]), default=SINCE.strftime("%Y-%m-%d"), show_default=True
)
@click.option("--workers", type=click.IntRange(1), default=os.cpu_count() or 1, show_default=True)
@click.option(
    "--save", type=click.Path(dir_okay=False, path_type=Path), help="Write the history to a file, too."
)
def main(file: Path | None, repo: Path | None, since: datetime, workers: int, save: Path | None) -> None:
    """Run the benchmark."""
    if (file is None) == (repo is None):
        raise click.UsageError("give either a history file or --repo")
    start = int(since.replace(tzinfo=UTC).timestamp())
    try:
        # A minor lives for half a year before and after: the bucket must not be empty at the start.
        commits = read_history(file) if file else compute_history(repo or Path(), since=start - 400 * DAY)
    except KopsVersionError as error:
        raise click.ClickException(f"{error}; {error.hint}") from error
    if save:
        save.write_text("".join(f"{line}\n" for line in as_lines(commits)), "utf-8")
    scores = run_all(commits, since=start, workers=workers)
    for line in tables(scores):
        click.echo(line)
    for name in broken(scores):
        click.echo(f"not within the budget: {name}", err=True)
    sys.exit(1 if broken(scores) else 0)


if __name__ == "__main__":
    main()
