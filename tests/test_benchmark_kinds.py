"""The benchmark of small buckets knows the right answer, and keeps its promise in a small run."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from click.testing import CliRunner

from kopsversion.model.policy import Strategy
from tests.benchmarks import kinds
from tests.benchmarks.kinds import KINDS, Maker, Scene, _uploaded


def test_what_the_names_tell_is_never_wrong_in_silence() -> None:
    """Exit 0, and a row for each kind, channel and strategy."""
    ran = CliRunner().invoke(kinds.main, ["--count", "40", "--seed", "3", "--show"])
    assert ran.exit_code == 0, ran.output
    rows = [line for line in ran.output.splitlines() if line.startswith("| a ")]
    assert len(rows) == 2 * 2 * len(KINDS)


def test_what_is_wrong_in_silence_fails_and_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a tag made anew some are, within its first day."""
    monkeypatch.setattr(kinds, "SEEN_THROUGH", {"a tag made anew"})
    ran = CliRunner().invoke(kinds.main, ["--count", "60", "--show"])
    assert ran.exit_code == 1
    assert "\n# a tag made anew, master, newest\nbuild 1.31.0-alpha.2+v1.31.0-alpha.1-" in ran.output


@pytest.mark.parametrize(("strategy", "number"), [(Strategy.NEWEST, 1), (Strategy.GREEN, 3)])
def test_by_green_also_one_is_right_than_which_every_newer_one_came_within_the_day(
    strategy: Strategy, number: int
) -> None:
    """By newest only the one that was merged last."""
    names = ["1.30.2+v1.30.1"] * 4
    line = Maker(random.Random(1)).builds(names)
    times = [_uploaded(build) for build in line]
    scene = Scene(line, {"release-1.30": line}, (), times[-2] + timedelta(days=1))
    assert scene.right("release-1.30", strategy) == {build.version for build in line[-number:]}
