"""The reference pages are what the code says, and the catalogue of conditions is what the code does."""

from __future__ import annotations

import ast
import inspect
import re
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import kopsversion
from docs.generate import REFERENCE, pages
from kopsversion.cli.toolbox import tools
from kopsversion.model.answer import Severity, Verdict
from kopsversion.model.codes import Code
from kopsversion.rules.catalogue import CATALOGUE

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(kopsversion.__file__).parent


@pytest.mark.parametrize("name", ["api.md", "cli.md", "conditions.md", "exit-codes.md", "fields.md"])
def test_page_is_up_to_date(name: str) -> None:
    """`make docs` would change nothing."""
    assert (REFERENCE / name).read_text(encoding="utf-8") == pages()[name], "run: make docs"


def test_no_page_is_forgotten() -> None:
    """Each generated page is compared above."""
    assert set(pages()) == {"api.md", "cli.md", "conditions.md", "exit-codes.md", "fields.md"}


def test_every_command_and_option_is_in_the_reference() -> None:
    """The page names each command, and each option of it in that command's own part."""
    parts = re.split(r"^## kopsversion ", pages()["cli.md"], flags=re.MULTILINE)[1:]
    assert [part.split()[0] for part in parts] == sorted(tools.commands)
    for part in parts:
        for parameter in tools.commands[part.split()[0]].params:
            for name in parameter.opts if parameter.param_type_name == "option" else ():
                assert f"`{name}`" in part


# --------------------------------------------------------------------------------------------------
# The catalogue


def _literals(node: ast.expr) -> list[str]:
    """Read the texts that an expression can have: a member, either side of a condition, or a verdict's code."""
    match node:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.IfExp(body=one, orelse=other):
            return [*_literals(one), *_literals(other)]
        case ast.Attribute(value=ast.Name(id="Code"), attr=name):
            return [Code[name]]
        case ast.Call(func=ast.Attribute(value=ast.Name(id="Code"), attr="of_marker")):
            return [Code.of_marker(verdict) for verdict in Verdict if verdict is not Verdict.CURRENT]
        case ast.Attribute(value=ast.Name(id="Severity"), attr=name):
            return [Severity[name]]
        case _:
            return []


def _constructed() -> Iterator[tuple[list[str], list[str], str]]:
    """Find what every `Condition` is made with: its codes, its severities where they are literal, and where."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Condition":
                yield _literals(node.args[0]), _literals(node.args[1]), f"{path.name}:{node.lineno}"


def test_every_condition_has_a_code_that_can_be_read_from_the_code() -> None:
    """The tests below see every condition: none is made with a code that is computed."""
    places = [(codes, place) for codes, _, place in _constructed()]
    assert len(places) > 15
    assert [place for codes, place in places if not codes] == []


def test_the_catalogue_has_every_code_and_no_other() -> None:
    """What the code can say is what the reference explains."""
    assert {code for codes, _, _ in _constructed() for code in codes} == set(CATALOGUE)


def test_the_catalogue_has_every_severity() -> None:
    """A severity that the code gives a condition is one that the reference tells, where it is a literal.

    What is made for every verdict at once is made milder or graver by what the marker is good for.
    """
    for codes, severities, place in _constructed():
        if len(codes) < 5:
            for code, severity in product(codes, severities):
                assert severity in CATALOGUE[code].severities, place


@pytest.mark.parametrize("code", CATALOGUE)
def test_an_entry_is_a_sentence_and_an_advice(code: str) -> None:
    """Each entry is whole, and its severities are in order."""
    entry = CATALOGUE[code]
    assert re.fullmatch(r"[a-z]+(-[a-z]+)+", code)
    assert entry.meaning.endswith(".")
    assert entry.advice.endswith(".")
    assert list(entry.severities) == sorted(set(entry.severities), key=lambda severity: severity.rank)


API = (REFERENCE / "api.md").read_text()


def test_the_reference_has_every_public_name_and_no_other() -> None:
    """What can be imported is described, and what is described can be imported."""
    assert sorted(re.findall(r"^### (\w+)$", API, re.MULTILINE)) == sorted(kopsversion.__all__)


def test_every_public_function_says_what_it_takes() -> None:
    """Each parameter is described, or is said to be another function's."""
    for name in kopsversion.__all__:
        function = getattr(kopsversion, name)
        if not inspect.isfunction(function):
            continue
        text = inspect.getdoc(function) or ""
        for parameter in inspect.signature(function).parameters:
            is_shared = "other parameters" in text or "parameters and errors are those of" in text
            assert is_shared or f"{parameter}: " in text, f"{name}({parameter})"
