"""How fast 100,000 versions are parsed and ranked, and in how much memory.

    python -m tests.benchmarks.versions            # some half a minute
    python -m tests.benchmarks.versions --quick

Beside kopsversion stand python-semver and packaging, which read most of these versions and order them by other rules.
How many neighbours they put the wrong way round, or take for equal, is counted: speed is not all there is to it.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import frozen

from tests.benchmarks.bucket import BUILDS_OF_A_MINOR, versions_of
from tests.benchmarks.measuring import (
    Run,
    Runs,
    clean_environment,
    machine,
    megabytes,
    milliseconds,
    run,
    table,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

READERS = ("kopsversion", "python-semver", "packaging")

_BARE_EVERY = 25
"""One build in so many has a commit without a distance, as one in two had in 2019 and none has today."""

_MISSPELT_EVERY = 40
"""One tag in so many is written as the 261 builds of ``1.17.0.alpha.2`` are."""


@frozen
class Sample:
    """A build's name and when it was uploaded."""

    text: str
    uploaded: datetime


def samples(count: int) -> Iterator[Sample]:
    """Think up builds of one line of history, oldest first, minor by minor as in the history of kops."""
    at = datetime(2010, 1, 1, tzinfo=UTC)
    made = 0
    for minor in range(-(-count // BUILDS_OF_A_MINOR)):
        size = min(BUILDS_OF_A_MINOR, count - made)
        for text in versions_of(minor, count=size, has_branch=True):
            made += 1
            at += timedelta(hours=1)
            release, _, described = text.partition("+")
            if made % _BARE_EVERY == 0:
                yield Sample(f"{release}+{described.rpartition('-g')[2]}", at)
            elif made % _MISSPELT_EVERY == 1:
                yield Sample(f"{release.replace('-alpha', '.alpha')}+{described}", at)
            else:
                yield Sample(text, at)


# --------------------------------------------------------------------------------------------------
# The process that is measured


@frozen
class Outcome:
    """What one process found.

    Attributes:
        parse: seconds of processor time, which neighbours on a busy machine do not stretch.
        order: the same, for putting them in order.
        refused: texts that could not be read.
        misplaced: neighbours in the true order that came out equal or the wrong way round.
    """

    parse: float
    order: float
    refused: int
    misplaced: int


def measure(reader: str, read: Sequence[Sample]) -> Outcome:
    """Parse and order, in this process."""
    if reader == "kopsversion":
        return _measure_ours(read)
    return _measure_others(_parser(reader), read)


def _measure_ours(read: Sequence[Sample]) -> Outcome:
    from kopsversion.model.bucket import Build
    from kopsversion.model.version import BuildVersion
    from kopsversion.rules.ranking import rank

    began = time.process_time()
    builds = [Build(BuildVersion.parse(sample.text), sampled=sample.uploaded) for sample in read]
    parsed = time.process_time()
    ordered = rank(builds)
    ranked = time.process_time()
    wrong = sum(one is not other for one, other in zip(ordered, builds, strict=True))
    return Outcome(parse=parsed - began, order=ranked - parsed, refused=0, misplaced=wrong)


def _parser(reader: str) -> Callable[[str], Any]:
    if reader == "packaging":
        from packaging.version import Version

        return Version
    import semver

    return semver.Version.parse


def _measure_others(parse: Callable[[str], Any], read: Sequence[Sample]) -> Outcome:
    versions = []
    began = time.process_time()
    for sample in read:
        try:
            versions.append(parse(sample.text))
        except ValueError:
            continue
    parsed = time.process_time()
    sorted(versions)
    ordered = time.process_time()
    wrong = sum(not one < other for one, other in pairwise(versions))
    return Outcome(
        parse=parsed - began, order=ordered - parsed, refused=len(read) - len(versions), misplaced=wrong
    )


def _be_measured(reader: str, path: Path) -> None:
    """Measure one reader, and print the outcome as JSON."""
    read = []
    with path.open() as lines:
        for line in lines:
            text, _, at = line.rstrip("\n").partition("\t")
            read.append(Sample(text, datetime.fromisoformat(at)))
    outcome = measure(reader, read)
    print(json.dumps([outcome.parse, outcome.order, outcome.refused, outcome.misplaced]))


# --------------------------------------------------------------------------------------------------
# The process that measures


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print Markdown."""
    options = _options(arguments)
    if options.reader is not None:
        _be_measured(options.reader, options.path)
        return
    print(f"{machine()}\n\n{options.count:,} versions, medians of {options.runs} processes:\n", flush=True)
    with clean_environment(PYTHONPATH=str(Path(__file__).parents[2])) as (environ, work):
        path = work / "versions.txt"
        path.write_text(
            "".join(f"{each.text}\t{each.uploaded.isoformat()}\n" for each in samples(options.count))
        )
        script = (sys.executable, "-m", "tests.benchmarks.versions")
        found = {
            reader: [
                run((*script, "--reader", reader, "--path", str(path)), environ=environ, directory=work)
                for _ in range(options.runs + 1)
            ][1:]
            for reader in READERS
        }
    print(render(found, count=options.count))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.versions", description=__doc__)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=5, help="of each, after one that is not counted")
    parser.add_argument("--quick", action="store_true", help="one run")
    parser.add_argument("--reader", choices=READERS, help=argparse.SUPPRESS)
    parser.add_argument("--path", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.quick:
        options.runs = 1
    return options


def render(found: dict[str, list[Run]], *, count: int) -> str:
    """Render what the processes printed as a table."""
    header = (
        "",
        "parse cpu ms",
        "order cpu ms",
        "both cpu ms",
        "versions a second",
        "peak MB",
        "refused",
        "misplaced",
    )
    rows = []
    for reader, runs in found.items():
        outcomes = [Outcome(*json.loads(each.output)) for each in runs]
        middle = sorted(outcomes, key=lambda outcome: outcome.parse + outcome.order)[len(outcomes) // 2]
        both = middle.parse + middle.order
        rows.append(
            (
                reader,
                milliseconds(middle.parse),
                milliseconds(middle.order),
                milliseconds(both),
                f"{count / both:,.0f}",
                megabytes(Runs(runs).peak),
                f"{middle.refused:,}",
                f"{middle.misplaced:,}",
            )
        )
    return table(header, rows)


if __name__ == "__main__":
    main()
