"""A few of the culprits that the benchmark finds in the real history, and that it would notice a miss."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import evolve
from click.testing import CliRunner

from kopsversion import bisect
from tests.benchmarks import culprits
from tests.benchmarks.commits import read_history
from tests.benchmarks.culprits import make_trials, run, search
from tests.benchmarks.replay import git_lines

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from kopsversion import BisectReport


def test_culprits_of_the_real_history_are_found(history: Path) -> None:
    """On master and on release branches, whatever could not be tested or was never built."""
    found = list(search(read_history(history / "builds.jsonl"), count=10, seed=1))
    assert [verdict.fault for _, verdict in found] == [""] * 10
    assert {trial.branch == "master" for trial, _ in found} == {True, False}
    assert all(verdict.tests <= verdict.most for _, verdict in found)


def test_a_miss_is_noticed(history: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A culprit that is somewhere else than the tests say makes the command fail."""
    commits = read_history(history / "builds.jsonl")
    trial = next(iter(make_trials(commits, count=1, seed=3)))
    line = git_lines(commits)[trial.branch]
    assert run(trial, line).fault == ""
    real = bisect

    def too_early(*ends: Any, **asked: Any) -> BisectReport:
        report = real(*ends, **asked)
        return evolve(report, bad=report.good)

    monkeypatch.setattr(culprits, "bisect", too_early)
    done = CliRunner().invoke(culprits.main, [str(history / "builds.jsonl"), "--count", "1", "--seed", "3"])
    assert done.exit_code == 1
    assert "the culprit, " in done.stderr
    assert "| master | 1 | 0 |" in done.stdout
