"""That the table of surviving mutants and the run that prints it understand each other."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from tests.mutants import REASONS, Mutant, pattern, read_diff, read_reasons

PROJECT = Path(__file__).parents[1]
PATHS = [
    Path(path)
    for path in tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["mutmut"]["only_mutate"]
]
MUTATED = {path.stem for path in PATHS}


def test_every_row_of_the_table_is_read() -> None:
    """Each names a module that is mutated, and a reason of its own."""
    text = REASONS.read_text()
    reasons = read_reasons(text)
    assert len(reasons) == sum("` → `" in row for row in text.splitlines() if row.startswith("|")) > 0
    assert {mutant.module for mutant in reasons} <= MUTATED
    assert all(len(reason) > 3 for reason in reasons.values())


def test_every_module_that_is_mutated_exists() -> None:
    """And is in the table of scores."""
    for path in PATHS:
        assert (PROJECT / path).is_file()
        assert f"\n| `{path.name}` | " in REASONS.read_text()


def test_a_survivor_is_printed_as_a_row_that_is_read_again() -> None:
    """Its lines are joined, and a bar does not end a cell."""
    diff = "--- a.py\n+++ a.py\n@@ -1,3 +1,2 @@\n x\n-    a = b | c\n-    d\n+    a = b & c\n"
    survivor = read_diff("ranking", diff)
    assert survivor == Mutant("ranking", "a = b | c d", "a = b & c")
    assert read_reasons(survivor.row) == {survivor: "..."}


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("ranking", "kopsversion.rules.ranking.*"),
        ("writers", "kopsversion.rules.writers.*"),
        ("kopsversion.rules.ranking.x_rank__mutmut_1", "kopsversion.rules.ranking.x_rank__mutmut_1"),
    ],
)
def test_a_module_s_name_stands_for_all_its_mutants(name: str, known: str) -> None:
    """As in ``make mutants MODULES=ranking``."""
    assert pattern(name) == known
