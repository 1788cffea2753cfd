"""Replays the history of kops against kopsversion and the rules that are in use elsewhere.

    python tests/benchmarks/history.py builds.jsonl        a history, one JSON object a line
    python tests/benchmarks/history.py --repo ~/src/kops   computed from a clone of kops

Prints Markdown tables on stdout: how often a rule's answer was not the right one, how often it was so in silence, and
how often it said that it is not sure. First in a world where nothing goes wrong, then in worlds where much
does; those are in `tests.benchmarks.worlds`. Exits with 1 when a budget is not kept.
"""

from __future__ import annotations

import os
import sys
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import click
from attrs import frozen
from rich.console import Console
from rich.progress import track

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # for `python tests/benchmarks/history.py`

from kopsversion.errors import KopsVersionError
from kopsversion.model.policy import Strategy
from tests.benchmarks.commits import Commit, as_lines, compute_history, read_history
from tests.benchmarks.replay import NAIVE, Kopsversion, Moments, Score, Tally, git_lines, measure, naive
from tests.benchmarks.worlds import DAY, HOUR, Crossing, Markers, World

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from tests.benchmarks.replay import Rule

SINCE = datetime(2021, 9, 1, tzinfo=UTC)
"""From here on the builds' names have a commit distance, but for a few."""
HALF = datetime(2023, 1, 1, tzinfo=UTC)
"""What is before was calibrated on."""
_OLDER = 400 * DAY
"""A minor lives for half a year before and after: the bucket must not be empty at the start."""

_LATE = (1200, 8 * HOUR)
_NONE = "nothing"
_ALL = "all together, but for the last two"
_ALL_CROSSED = "all together"
WORLDS: Mapping[str, World] = {
    _NONE: World(),
    "uploads 20 min to 8 h late": World(late=_LATE),
    "only 60 % of merges built": World(built=0.6),
    "builds deleted after 14 days": World(kept=14 * DAY),
    "builds deleted after 90 days": World(kept=90 * DAY),
    "master silent every second 30 days": World(master_silent=30 * DAY),
    "release branches silent every second 30 days": World(release_silent=30 * DAY),
    "5 % of builds incomplete": World(incomplete=0.05),
    "5 % of builds made again": World(again=0.05),
    "5 % of builds made again, and their marker": World(again=0.05, marks_again=True),
    "the newest release branch's marker names master's build": World(crossing=Crossing.RELEASE),
    "master's marker names the newest release branch's build": World(crossing=Crossing.MASTER),
    _ALL: World(
        late=_LATE,
        built=0.6,
        incomplete=0.05,
        kept=90 * DAY,
        master_silent=30 * DAY,
        release_silent=30 * DAY,
        again=0.05,
        marks_again=True,
    ),
    _ALL_CROSSED: World(
        late=_LATE,
        built=0.6,
        incomplete=0.05,
        kept=90 * DAY,
        master_silent=30 * DAY,
        release_silent=30 * DAY,
        again=0.05,
        marks_again=True,
        crossing=Crossing.BY_TURNS,
    ),
}
"""What goes wrong."""
SEEDS = (1, 2)


@frozen(kw_only=True)
class Asked:
    """One way to ask.

    Attributes:
        rule: a name of `NAIVE`; empty for kopsversion.
        strategy: what is asked of kopsversion.
        markers: how markers behave.
        git: whether there is a clone.
    """

    rule: str = ""
    strategy: Strategy = Strategy.NEWEST
    markers: Markers = Markers.WORKING
    git: bool = False

    def make(self, commits: Sequence[Commit]) -> Rule:
        """Make the rule that answers."""
        if self.rule:
            return naive(NAIVE[self.rule])
        return Kopsversion(self.markers, self.strategy, git_lines(commits) if self.git else {})

    def __str__(self) -> str:
        if self.rule:
            return self.rule
        return f"kopsversion {'with' if self.git else 'without'} git, markers {self.markers}"


@frozen
class Trial:
    """One replay: a world with its seed, in one half of the history."""

    world: str
    seed: int
    moments: Moments


@frozen
class Row:
    """Whose score it is: in which world, from which half on, and what was asked."""

    world: str
    since: int
    asked: Asked


def asked_in(world: str) -> tuple[Asked, ...]:
    """Return what is asked in a world, each by both strategies; other rules are asked where nothing goes wrong."""
    own = WORLDS[world].crossing is not Crossing.NONE
    ours = [
        Asked(strategy=strategy, markers=markers)
        for markers in ([Markers.WORKING] if own else Markers)
        for strategy in Strategy
    ]
    clone = [Asked(strategy=strategy, markers=Markers.WORKING, git=True) for strategy in Strategy]
    rules = [Asked(rule=rule) for rule in NAIVE] if world == _NONE else []
    return (*rules, *ours, *clone)


def run(trial: Trial, commits: Sequence[Commit]) -> dict[Row, Score]:
    """Replay once, and ask everything at each moment."""
    near = [
        each for each in commits if trial.moments.since - _OLDER < each.time < trial.moments.until + 40 * DAY
    ]
    asked = asked_in(trial.world)
    rules = [each.make(near) for each in asked]
    scores = measure(near, WORLDS[trial.world], rules, trial.moments, seed=trial.seed)
    return {
        Row(trial.world, trial.moments.since, each): score for each, score in zip(asked, scores, strict=True)
    }


class _Worker:
    """What each process keeps, so that the history is sent to it once."""

    commits: Sequence[Commit] = ()

    @classmethod
    def prepare(cls, commits: Sequence[Commit]) -> None:
        cls.commits = commits

    @classmethod
    def run(cls, trial: Trial) -> dict[Row, Score]:
        return run(trial, cls.commits)


def run_all(trials: Sequence[Trial], commits: Sequence[Commit], *, workers: int) -> dict[Row, Score]:
    """Replay every trial, in as many processes as told, with a progress bar on a terminal; seeds count together."""
    scores: dict[Row, Score] = defaultdict(Score)
    console = Console(stderr=True)
    with ProcessPoolExecutor(workers, initializer=_Worker.prepare, initargs=(commits,)) as pool:
        for found in track(
            pool.map(_Worker.run, trials),
            "Replaying",
            total=len(trials),
            console=console,
            disable=not console.is_terminal,
        ):
            for row, score in found.items():
                scores[row] += score
    return dict(scores)


def trials_of(halves: Iterable[Moments]) -> list[Trial]:
    """Return every replay. Where nothing is left to chance one seed will do."""
    return [
        Trial(world, seed, moments)
        for moments in halves
        for world, made in WORLDS.items()
        for seed in (SEEDS if _has_chance(made) else SEEDS[:1])
    ]


def _has_chance(world: World) -> bool:
    return len(set(world.late)) > 1 or world.built < 1 or world.incomplete > 0 or world.again > 0


# --------------------------------------------------------------------------------------------------
# Tables


def tables(scores: Mapping[Row, Score]) -> Iterator[str]:
    """Write the results as Markdown, line by line."""
    clean: dict[Asked, Score] = defaultdict(Score)
    for row, score in scores.items():
        if row.world == _NONE:
            clean[row.asked] += score
    first = next(iter(clean.values()))
    yield (
        f"Asked at {first.master.moments} moments for master, {first.release.moments} times for release channels. "
        "*Wrong*: not the branch's newest build; by `green`, neither that nor one which was it within the last day. "
        "*Silent*: wrong, and no warning says that it may be. *Flagged*: `channel-ambiguous`, right or wrong."
    )
    yield ""
    yield "Where nothing goes wrong, by `newest`:"
    yield ""
    yield from _table(
        "rule", [(str(asked), score) for asked, score in clean.items() if asked.strategy is Strategy.NEWEST]
    )
    starts = sorted({row.since for row in scores})
    for number, since in enumerate(starts):
        until = f"until {HALF:%B %Y}, which the rules were calibrated on" if number == 0 else "the rest"
        yield ""
        yield f"Where things go wrong, without git; {until if len(starts) > 1 else 'the whole'}:"
        yield ""
        yield from _noise({row: score for row, score in scores.items() if row.since == since})
    yield ""
    with_git = sum((score.all for row, score in scores.items() if row.asked.git), Tally())
    yield f"With git, in all of these worlds and by both strategies: {with_git.wrong} of {with_git.moments} wrong."


def _noise(scores: Mapping[Row, Score]) -> Iterator[str]:
    figures = " | ".join(
        f"{strategy}: {what}" for strategy in ("newest", "green") for what in ("wrong", "silent", "flagged")
    )
    yield f"| what goes wrong | markers | asked | {figures} |"
    yield "|---|---" + "|---:" * 7 + "|"
    for row, score in scores.items():
        if row.asked.rule or row.asked.git or row.asked.strategy is not Strategy.NEWEST:
            continue
        green = scores[Row(row.world, row.since, Asked(strategy=Strategy.GREEN, markers=row.asked.markers))]
        yield (
            f"| {row.world} | {row.asked.markers} | {score.all.moments} | {_cells(score.all)} | {_cells(green.all)} |"
        )


def _table(heading: str, rows: Sequence[tuple[str, Score]]) -> Iterator[str]:
    figures = " | ".join(
        f"{channel}: {what}" for channel in ("master", "release") for what in ("wrong", "silent", "flagged")
    )
    yield f"| {heading} | {figures} |"
    yield "|---|" + "---:|" * 6
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


_ANY = 1.0


def budget_of(row: Row) -> Budget:
    """Return what was promised: never wrong in silence, and hardly ever while markers work."""
    if row.asked.rule:
        return Budget(_ANY, _ANY, _ANY)
    if row.asked.git:
        return Budget(0, 0, 0)
    if row.asked.markers is not Markers.WORKING or row.world == _ALL_CROSSED:
        return Budget(_ANY, 0, _ANY)
    # Six faults at once leave more in doubt, and so does a marker that is wrong: that price is printed.
    is_single = row.world != _ALL and WORLDS[row.world].crossing is Crossing.NONE
    return Budget(0.01 if is_single else 0.02, 0, 0.03 if is_single else _ANY)


def broken(scores: Mapping[Row, Score]) -> list[str]:
    """Name the promises that were not kept."""
    return [named(row) for row, score in scores.items() if not budget_of(row).is_kept(score.all)]


def named(row: Row) -> str:
    """Say in words what was asked."""
    start = datetime.fromtimestamp(row.since, UTC)
    return f"{row.asked}, by {row.asked.strategy}, from {start:%Y-%m-%d}; what goes wrong: {row.world}"


@click.command(help="Replay the history of kops, from FILE or from a clone, and print Markdown tables.")
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--repo", type=click.Path(exists=True, file_okay=False, path_type=Path), help="A full clone of kops."
)
@click.option(
    "--since", type=click.DateTime(["%Y-%m-%d"]), default=SINCE.strftime("%Y-%m-%d"), show_default=True
)
@click.option(
    "--every",
    type=click.IntRange(1),
    default=4,
    show_default=True,
    help="Ask at each so many-th moment only.",
)
@click.option("--workers", type=click.IntRange(1), default=os.cpu_count() or 1, show_default=True)
@click.option(
    "--save", type=click.Path(dir_okay=False, path_type=Path), help="Write the history to a file, too."
)
def main(
    file: Path | None, repo: Path | None, since: datetime, every: int, workers: int, save: Path | None
) -> None:
    """Run the benchmark."""
    if (file is None) == (repo is None):
        raise click.UsageError("give either a history file or --repo")
    start = int(since.replace(tzinfo=UTC).timestamp())
    try:
        commits = read_history(file) if file else compute_history(repo or Path(), since=start - _OLDER)
    except KopsVersionError as error:
        raise click.ClickException(f"{error}; {error.hint}") from error
    if save:
        save.write_text("".join(f"{line}\n" for line in as_lines(commits)), "utf-8")
    scores = run_all(trials_of(_halves(commits, start, every=every)), commits, workers=workers)
    if not any(score.all.moments for score in scores.values()):
        raise click.ClickException("the history holds no commit since then; give an earlier --since")
    for line in tables(scores):
        click.echo(line)
    for name in broken(scores):
        click.echo(f"not within its budget: {name}", err=True)
    sys.exit(1 if broken(scores) else 0)


def _halves(commits: Sequence[Commit], start: int, *, every: int) -> list[Moments]:
    """Split what is to be replayed where the calibration ended."""
    end = max((each.time for each in commits), default=0) + DAY
    middle = int(HALF.timestamp())
    places = [start, *([middle] if start < middle < end else []), end]
    return [
        Moments(since=since, until=until, every=every) for since, until in pairwise(places) if since < until
    ]


if __name__ == "__main__":
    main()
