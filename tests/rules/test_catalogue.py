"""Every code has its entry in the catalogue, and production names codes by the enumeration only."""

from __future__ import annotations

import ast
from pathlib import Path

import kopsversion
from kopsversion.model.answer import Verdict
from kopsversion.model.codes import Code
from kopsversion.rules.catalogue import CATALOGUE

PACKAGE = Path(kopsversion.__file__).parent


def test_every_code_has_an_entry() -> None:
    """And no entry is of a code that does not exist."""
    assert set(CATALOGUE) == set(Code)


def test_every_verdict_that_is_a_condition_has_a_code() -> None:
    """`current` is none: there is nothing to know."""
    for verdict in Verdict:
        if verdict is not Verdict.CURRENT:
            assert Code.of_marker(verdict) in CATALOGUE


def test_no_module_spells_a_code_by_hand() -> None:
    """A slip in a text would be a condition that nothing knows."""
    for path in PACKAGE.rglob("*.py"):
        if path.name == "codes.py":
            continue
        texts = {
            node.value
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
        assert texts & set(Code) == set(), path
