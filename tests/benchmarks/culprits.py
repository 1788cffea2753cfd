"""Finds culprits in the real history of kops, laid out as a bucket.

    python -m tests.benchmarks.culprits builds.jsonl              200 of them
    python -m tests.benchmarks.culprits builds.jsonl --count 1000 --seed 7

Each trial takes a stretch of master or of a release branch, never builds up to 20 % of its merges, makes up to 30 % of
its builds untestable, lets some tests be unable to tell, and hides a culprit among the merges. Then
`kopsversion.bisect` looks for it, with what a clone says of the branch. It must name a range that holds the culprit,
with nothing in it but what could not be tested or was never built, in no more than ⌈log2 n⌉ + skips + 2 tests.
"""

from __future__ import annotations

import random
import sys
from datetime import UTC, datetime, timedelta
from math import ceil, log2
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

import click
from attrs import evolve, frozen

from kopsversion import BuildUnderTest, Outcome, bisect
from kopsversion.testing import MemoryStore
from kopsversion.workflows.clones import Clone, CloneSource
from tests.benchmarks.commits import Commit, read_history
from tests.benchmarks.replay import git_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from kopsversion.model.bucket import GitLine
    from kopsversion.model.channel import Channel

FILES = tuple(
    f"linux/{arch}/{name}{end}"
    for arch in ("amd64", "arm64")
    for name in ("kops", "nodeup")
    for end in ("", ".sha256")
)
_LONGEST = 300
_NEVER_BUILT, _UNTESTABLE, _SKIPPED = 0.2, 0.3, 0.05


@frozen(kw_only=True)
class Trial:
    """A stretch of a branch with a culprit.

    Attributes:
        branch: the branch.
        line: its merges, oldest first; the first and the last are built and can be tested.
        culprit: the position of the merge that broke it.
        built: positions of the merges that were built.
        untestable: positions of the builds that lack a file.
        skipped: positions of the builds whose test cannot tell.
        others: builds of other branches in the same bucket.
    """

    branch: str
    line: tuple[Commit, ...]
    culprit: int
    built: frozenset[int]
    untestable: frozenset[int]
    skipped: frozenset[int]
    others: tuple[Commit, ...]


@frozen(kw_only=True)
class Verdict:
    """What came of a trial.

    Attributes:
        fault: what is wrong; empty if nothing is.
        tests: how many builds were tested.
        most: how many may be.
        builds: how many builds there were.
    """

    fault: str
    tests: int
    most: int
    builds: int


def make_trials(commits: Sequence[Commit], *, count: int, seed: int) -> Iterator[Trial]:
    """Draw trials, every second one on master."""
    chance = random.Random(seed)  # nothing secret
    lines: dict[str, list[Commit]] = {}
    for commit in sorted(commits, key=lambda each: each.seq):
        if commit.version.distance is not None:
            lines.setdefault(commit.branch, []).append(commit)
    releases = sorted(branch for branch, line in lines.items() if branch != "master" and len(line) >= 10)
    for number in range(count):
        branch = chance.choice(releases) if number % 2 and releases else "master"
        yield _make_trial(chance, branch, lines)


def _make_trial(chance: random.Random, branch: str, lines: Mapping[str, Sequence[Commit]]) -> Trial:
    whole = lines[branch]
    length = chance.randint(5, min(_LONGEST, len(whole)))
    start = chance.randint(0, len(whole) - length)
    line = tuple(whole[start : start + length])
    inner = range(1, length - 1)

    def some(share: float) -> frozenset[int]:
        most = chance.uniform(0, share)
        return frozenset(position for position in inner if chance.random() < most)

    never = some(_NEVER_BUILT)
    minors = {commit.version.minor for commit in line}
    others = [
        commit
        for name, other in lines.items()
        if name != branch
        for commit in other
        if commit.version.minor in minors and line[0].time <= commit.time <= line[-1].time
    ]
    return Trial(
        branch=branch,
        line=line,
        culprit=chance.randint(1, length - 1),
        built=frozenset(range(length)) - never,
        untestable=some(_UNTESTABLE) - never,
        skipped=some(_SKIPPED) - never,
        others=tuple(others),
    )


def lay_out(trial: Trial) -> MemoryStore:
    """Put the builds of a trial, and those of other branches, into a bucket."""
    store = MemoryStore()
    for position, commit in enumerate(trial.line):
        if position in trial.built:
            lacking = {FILES[-1]} if position in trial.untestable else set()
            _add(store, commit, lacking)
    own = {str(commit.version) for commit in trial.line}
    for commit in trial.others:
        if str(commit.version) not in own:
            _add(store, commit, set())
    return store


def _add(store: MemoryStore, commit: Commit, lacking: set[str]) -> None:
    at = datetime.fromtimestamp(commit.time, UTC) + timedelta(minutes=30)
    for path in FILES:
        if path not in lacking:
            store.add(f"{commit.version}/{path}", b"x", at=at)


def run(trial: Trial, line: GitLine) -> Verdict:
    """Look for the culprit, and judge what is found."""
    places = {str(commit.version): position for position, commit in enumerate(trial.line)}
    tested: list[int] = []
    strangers: list[str] = []

    def test(build: BuildUnderTest) -> Outcome:
        position = places.get(str(build.version))
        if position is None:
            strangers.append(str(build.version))
            return Outcome.SKIP
        tested.append(position)
        if position in trial.skipped:
            return Outcome.SKIP
        return Outcome.BAD if position >= trial.culprit else Outcome.GOOD

    def opened(source: CloneSource, channel: Channel | None) -> Clone:
        return Clone(source, channel, line=evolve(line, channel=trial.branch))

    with patch.object(CloneSource, "open", opened):
        report = bisect(
            trial.line[0].version,
            trial.line[-1].version,
            trial.branch,
            test=test,
            store=lay_out(trial),
            now=datetime.fromtimestamp(trial.line[-1].time, UTC) + timedelta(days=1),
        )
    good, bad = places[str(report.good.version)], places[str(report.bad.version)]
    skips = len(set(tested) & trial.skipped)
    most = ceil(log2(report.builds)) + skips + 2
    unknown = trial.untestable | trial.skipped | (frozenset(range(len(trial.line))) - trial.built)
    fault = ""
    if strangers:
        fault = f"{strangers[0]} is of another branch"
    elif not good < trial.culprit <= bad:
        fault = f"the culprit, {trial.culprit}, is not after {good} and up to {bad}"
    elif not set(range(good + 1, bad)) <= unknown:
        fault = f"a build between {good} and {bad} could have been tested"
    elif len(tested) > most:
        fault = f"{len(tested)} tests, and {most} are enough"
    return Verdict(fault=fault, tests=len(tested), most=most, builds=report.builds)


def search(commits: Sequence[Commit], *, count: int, seed: int) -> Iterator[tuple[Trial, Verdict]]:
    """Run trials, one after the other."""
    lines = git_lines(commits)
    for trial in make_trials(commits, count=count, seed=seed):
        yield trial, run(trial, lines[trial.branch])


@click.command(help="Find culprits in the history of kops, FILE, laid out as a bucket.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--count", type=click.IntRange(1), default=200, show_default=True)
@click.option("--seed", type=int, default=17, show_default=True)
def main(file: Path, count: int, seed: int) -> None:
    """Run the benchmark."""
    found = list(search(read_history(file), count=count, seed=seed))
    faults = [(trial, verdict) for trial, verdict in found if verdict.fault]
    click.echo("| branch | culprits | found within the bound | builds in the range | tests, on average |")
    click.echo("|---|---:|---:|---:|---:|")
    for name, is_master in (("master", True), ("release branches", False)):
        some = [verdict for trial, verdict in found if (trial.branch == "master") is is_master]
        if some:
            builds, tests = sum(each.builds for each in some), sum(each.tests for each in some)
            right = sum(not each.fault for each in some)
            click.echo(
                f"| {name} | {len(some)} | {right} | {builds / len(some):.0f} | {tests / len(some):.1f} |"
            )
    for trial, verdict in faults:
        click.echo(f"{trial.branch} from {trial.line[0].version}: {verdict.fault}", err=True)
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
