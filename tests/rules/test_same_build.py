"""How many of the last runs tested one build: the finding of kops issue 16533."""

from __future__ import annotations

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from kopsversion.model.runs import Absent, Finished, Result, Run, first_id
from kopsversion.model.version import BuildVersion
from kopsversion.rules.same_build import same_build
from tests.builders import HOUR, NOW, alpha

A, B = (BuildVersion.parse(alpha(n)) for n in (1, 2))


def runs_of(letters: str) -> list[Run]:
    """Make runs, newest first: what each tested, ``-`` where it does not say, ``.`` while it is on its way."""
    runs = []
    for ago, letter in enumerate(letters):
        run = Run(job="job", id=first_id(NOW - ago * HOUR))
        tested = {"A": A, "B": B}.get(letter)
        finished = Absent() if letter == "." else Finished(result=Result.PASSED, version=tested)
        runs.append(evolve(run, finished=finished))
    return runs


@pytest.mark.parametrize(
    ("letters", "runs", "silent", "before"),
    [
        ("AAA", 3, 0, None),
        ("AAB", 2, 0, B),
        ("AABA", 2, 0, B),
        (".AA", 2, 0, None),
        ("A.A", 2, 0, None),
        ("A-A", 2, 1, None),
        ("A--A", 2, 2, None),
        ("AA-", 2, 0, None),
        ("-AA", 2, 1, None),
        ("AA-B", 2, 0, B),
    ],
)
def test_a_streak(letters: str, runs: int, silent: int, before: BuildVersion | None) -> None:
    """It ends at the first run that tested another build; runs that do not say are counted apart."""
    same = same_build(runs_of(letters))
    assert same is not None
    assert (same.version, same.runs, same.silent, same.before) == (A, runs, silent, before)


@pytest.mark.parametrize("letters", ["", "A", "AB", ".", "--", "A-", "BA"])
def test_one_run_is_no_streak(letters: str) -> None:
    assert same_build(runs_of(letters)) is None


def test_it_is_said_in_a_sentence() -> None:
    """A number of runs that all say so, or how many of how many do."""
    since = "since 2024-05-06 16:00 UTC (2 hours)"
    whole, some, before = (same_build(runs_of(letters)) for letters in ("AAA", "A-A", "AAAB"))
    assert whole is not None
    assert some is not None
    assert before is not None
    assert whole.sentence(now=NOW) == f"the last 3 runs, {since}, all tested {A}"
    assert some.sentence(now=NOW) == f"of the last 3 runs, {since}, 2 say what they tested: all {A}"
    assert before.sentence(now=NOW) == f"the last 3 runs, {since}, all tested {A}; before that {B}"


@given(st.text("AB-.", max_size=12))
def test_a_streak_is_of_known_runs_alone(letters: str) -> None:
    """No run in it tested another build, and it is no longer than what is known."""
    same = same_build(runs_of(letters))
    known = [letter for letter in letters if letter in "AB"]
    if same is not None:
        letter = "A" if same.version == A else "B"
        assert known[: same.runs] == [letter] * same.runs
        assert known[same.runs : same.runs + 1] != [letter]
