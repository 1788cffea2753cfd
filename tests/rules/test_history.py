"""Measured on the real history of kOps versions, which the project does not carry (DESIGN section 3)."""

from __future__ import annotations

import itertools
import json
from collections import defaultdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from attrs import frozen

from kopsversion.model.version import BuildVersion
from kopsversion.rules.ranking import rank
from tests.builders import ERAS, bare_listing

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

# Counted in builds.jsonl. DESIGN section 3 says 4,093 built since 2022, which no count of this file gives.
ALL = 7_042
COUNTED = 3_468
COUNTED_SINCE_2022 = 2_598
BARE = 3_574

START_OF_2022 = datetime(2022, 1, 1, tzinfo=UTC)

# What each of the eras of `tests.builders` was taken from.
RELEASE_OF_ERA = {
    "2021": "v1.20.0",
    "2022": "v1.24.0",
    "2024": "v1.27.0",
    "2025": "v1.35.0",
    "2026": "master, August 2026",
}


@frozen
class Built:
    """One line of builds.jsonl."""

    version: BuildVersion
    time: datetime


Branches = dict[str, list[Built]]


@pytest.fixture(scope="module")
def branches(history: Path) -> Branches:
    """Every branch's builds, oldest first: in the order of its first-parent line."""
    rows = map(json.loads, (history / "builds.jsonl").read_text().splitlines())
    found: Branches = defaultdict(list)
    for row in sorted(rows, key=lambda row: (row["branch"], row["seq"])):
        time = datetime.fromtimestamp(row["time"], tz=UTC)
        found[row["branch"]].append(Built(BuildVersion.parse(row["version"]), time))
    return found


def every(branches: Mapping[str, Sequence[Built]]) -> Iterable[Built]:
    return itertools.chain.from_iterable(branches.values())


def fallen_behind(order: Iterable[int]) -> int:
    """How many stand after one that should come later."""
    return sum(each < furthest for each, furthest in _with_furthest_before(order))


def _with_furthest_before(order: Iterable[int]) -> Iterable[tuple[int, int]]:
    furthest = -1
    for each in order:
        yield each, furthest
        furthest = max(furthest, each)


def test_every_version_parses(branches: Branches) -> None:
    """All 7,042 versions are read, with and without a distance as many as there are."""
    distances = [built.version.distance for built in every(branches)]
    assert len(distances) == ALL
    assert distances.count(None) == BARE
    assert len(distances) - distances.count(None) == COUNTED


def test_no_build_since_2022_is_out_of_order_by_its_key(branches: Branches) -> None:
    """Of the builds since 2022 that have a distance, each is later than all before it on its branch."""
    seen = 0
    for ref, line in branches.items():
        keys = [
            built.version.precedence
            for built in line
            if built.time >= START_OF_2022 and built.version.distance is not None
        ]
        seen += len(keys)
        wrong = [(one, other) for one, other in itertools.pairwise(keys) if one >= other]
        assert wrong == [], ref
    assert seen == COUNTED_SINCE_2022


def test_other_orders_do_not_pass(branches: Branches) -> None:
    """(Of the test above.) Compared as text, or without the tag, dozens of neighbors are out of order."""
    by_text = by_distance = 0
    for line in branches.values():
        builds = [each for each in line if each.time >= START_OF_2022 and each.version.distance is not None]
        texts = [str(each.version) for each in builds]
        distances = [(each.version.release, each.version.distance or 0) for each in builds]
        by_text += sum(one >= other for one, other in itertools.pairwise(texts))
        by_distance += sum(one >= other for one, other in itertools.pairwise(distances))
    assert by_text > 50
    assert by_distance > 50


def test_rank_is_right_but_for_one_build(branches: Branches) -> None:
    """With upload time = commit time, at most one build of the whole file is out of order on its branch."""
    wrong = {}
    for ref, line in branches.items():
        builds = [bare_listing(str(built.version), built.time) for built in line]
        place = {id(build): seq for seq, build in enumerate(builds)}
        wrong[ref] = fallen_behind(place[id(build)] for build in rank(reversed(builds)))
    assert sum(wrong.values()) <= 1, {ref: count for ref, count in wrong.items() if count}


def test_builds_in_tests_have_the_files_of_real_ones(history: Path) -> None:
    """FAILURES row 27: what tests call a complete build of an era is what kOps published then."""
    path = history.parent / "kops-artifacts.json"
    if not path.is_file():
        pytest.skip(f"there is no {path}")
    published = json.loads(path.read_text())
    assert {name: sorted(era.paths) for name, era in ERAS.items()} == {
        name: sorted(published[release]) for name, release in RELEASE_OF_ERA.items()
    }
