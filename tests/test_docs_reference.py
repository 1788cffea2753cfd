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
from kopsversion import errors, testing
from kopsversion.cli.config import read_config
from kopsversion.cli.toolbox import tools
from kopsversion.errors import UsageError
from kopsversion.model.answer import Severity, Verdict
from kopsversion.model.codes import Code
from kopsversion.rules.catalogue import CATALOGUE
from kopsversion.stores.opening import EMULATOR_VARIABLE
from kopsversion.stores.route import CA_VARIABLES

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(kopsversion.__file__).parent


GENERATED = ("api.md", "cli.md", "conditions.md", "configuration.md", "exit-codes.md", "fields.md")


@pytest.mark.parametrize("name", GENERATED)
def test_page_is_up_to_date(name: str) -> None:
    """`make docs` would change nothing."""
    assert (REFERENCE / name).read_text(encoding="utf-8") == pages()[name], "run: make docs"


def test_no_page_is_forgotten() -> None:
    """Each generated page is compared above."""
    assert set(pages()) == set(GENERATED)


def test_every_command_and_option_is_in_the_reference() -> None:
    """The page names each command, and each option of it in that command's own part; each is described once."""
    described = re.findall(r"^\| `-.*", pages()["cli.md"], flags=re.MULTILINE)
    assert len(described) == len(set(described))
    assert all(re.search(r"` \| \S.*\. \| ", row) for row in described)
    parts = re.split(r"^## kopsversion ", pages()["cli.md"], flags=re.MULTILINE)[1:]
    assert [part.split()[0] for part in parts] == sorted(tools.commands)
    for part in parts:
        for parameter in tools.commands[part.split()[0]].params:
            for name in parameter.opts if parameter.param_type_name == "option" else ():
                assert f"`{name}`" in part


def _keys(page: str) -> dict[str, list[str]]:
    """Read the keys of each table of a configuration file from the reference page."""
    _, *parts = re.split(r"^## (.*)\n", page.partition("## Environment variables")[0], flags=re.MULTILINE)
    names = [name.strip("`").replace("At the top", "") for name in parts[::2]]
    return {
        name: re.findall(r"^\| `([^`]*)` \| .+ \| \S.*\.", part, flags=re.MULTILINE)
        for name, part in zip(names, parts[1::2], strict=True)
    }


# By table: the tables themselves where keys are tables, and how one of them is written.
WRITTEN: dict[str, str] = {
    "": "surely = 1",
    '[channels."REF"]': "[channels.master]\nsurely = 1",
    "[[silence]]": "[[silence]]\nsurely = 1",
    "[links]": "[links]\nsurely = 1",
    '[writers."JOB"]': "[writers.job]\nsurely = 1",
}


def test_every_key_of_the_configuration_is_in_the_reference(tmp_path: Path) -> None:
    """What the reader of a file says are its keys, table by table, is what the page describes."""
    described = _keys((REFERENCE / "configuration.md").read_text("utf-8"))
    assert described.keys() == WRITTEN.keys()
    for table, text in WRITTEN.items():
        path = tmp_path / "limits.toml"
        path.write_text(text)
        with pytest.raises(UsageError) as caught:
            read_config(path)
        known, _, top = caught.value.hint.partition("the keys are ")[2].partition(", and ")
        tables = {name.strip('["]').partition(".")[0] for name in described}
        also = set(top.removesuffix(" at the top").split(", ")) - tables if not table else set()
        assert set(described[table]) == {*known.split(", "), *also}


def _variables() -> Iterator[tuple[str, str]]:
    """Find the variables that the code reads, and where: texts that look like one beside the environment."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and "environ" in ast.unparse(node):
                for each in ast.walk(node):
                    if isinstance(each, ast.Constant) and re.fullmatch(r"[A-Z]+(_[A-Z]+)+", str(each.value)):
                        yield str(each.value), f"{path.name}:{each.lineno}"
        for read in re.finditer(r"\benviron(?:\.get\(|\[)\"(\w+)\"", path.read_text()):
            yield read[1], path.name
    yield from ((name, "route.py") for name in CA_VARIABLES)
    yield EMULATOR_VARIABLE, "opening.py"


def test_every_variable_of_the_environment_is_in_the_reference() -> None:
    """What the code reads is described, but for options' own variables and what is set for other programs."""
    page = (REFERENCE / "configuration.md").read_text("utf-8")
    found = dict(_variables())
    assert {"NO_COLOR", "ARTIFACTS", "NO_PROXY", "HOME"} <= found.keys()
    for_others = {"KOPS_BASE_URL", "GIT_ALLOW_PROTOCOL", "GIT_ASKPASS", "GIT_SSH_VARIANT", "SSH_ASKPASS"}
    for name in found.keys() - for_others:
        assert f"`{name.upper()}`" in page or name.startswith("KOPSVERSION_"), f"{name}, {found[name]}"


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


def test_every_status_of_an_error_has_its_row() -> None:
    """An error with a status of its own would show as one that is missing."""
    statuses = set(re.findall(r"^\| (\d+) \| \S", pages()["exit-codes.md"], re.MULTILINE))
    kinds = [errors.KopsVersionError]
    for kind in kinds:
        kinds.extend(kind.__subclasses__())
        assert str(kind.exit_code) in statuses, kind


def test_the_testing_kit_is_described() -> None:
    """Each public name of it is on its page."""
    page = (REFERENCE / "testing.md").read_text("utf-8")
    for name in testing.__all__:
        assert re.search(rf"`{name}\b", page), name


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
