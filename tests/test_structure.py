"""How the library is laid out: each module has a place, says what it is for, and no function outgrows a screen."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import tomllib
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grimp
import pytest

import kopsversion

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = Path(__file__).parents[1]
PACKAGE = PROJECT / "kopsversion"
MODULES = sorted(PACKAGE.rglob("*.py"))
SCREEN = 50
"""Lines of one function, without its docstring and the functions inside it."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def _relative(path: Path) -> str:
    return str(path.relative_to(PROJECT))


@pytest.mark.parametrize("path", MODULES, ids=_relative)
def test_a_module_says_what_it_is_for(path: Path) -> None:
    """Its docstring begins with one sentence, and is more than the module's own name again."""
    docstring = ast.get_docstring(ast.parse(path.read_text())) or ""
    first, _, _ = docstring.partition("\n\n")
    assert re.search(r"[.:]$", first), f"the first paragraph is no sentence: {first!r}"
    assert len(first.split()) >= 5, f"says too little: {first!r}"
    assert not (path.name != "__init__.py" and first.casefold().startswith(f"the {path.stem} module"))


def test_a_public_name_is_what_type_checkers_are_told() -> None:
    """The package loads each name by itself, and type checkers read imports that never run."""
    tree = ast.parse((PACKAGE / "__init__.py").read_text())
    (told,) = (node for node in tree.body if isinstance(node, ast.If))
    imports = [node for node in told.body if isinstance(node, ast.ImportFrom)]
    homes = {alias.name: node.module for node in imports for alias in node.names}
    assert sorted([*homes, "__version__"]) == sorted(kopsversion.__all__)
    for name, home in homes.items():
        assert getattr(kopsversion, name) is getattr(importlib.import_module(str(home)), name)


def _functions(tree: ast.AST) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def _lines(function: Function) -> int:
    """Count a function's lines without its docstring and without the functions that are defined in it."""
    assert function.end_lineno is not None
    own = set(range(function.lineno, function.end_lineno + 1))
    inner = [each for each in _functions(function) if each is not function]
    if ast.get_docstring(function) is not None:
        inner.append(function.body[0])  # type: ignore[arg-type]  # the docstring's expression, for its lines
    for node in inner:
        own -= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return len(own)


@pytest.mark.parametrize("path", MODULES, ids=_relative)
def test_no_function_is_longer_than_a_screen(path: Path) -> None:
    """What does not fit on a screen does more than one thing."""
    lines = {function.name: _lines(function) for function in _functions(ast.parse(path.read_text()))}
    assert {name: count for name, count in lines.items() if count > SCREEN} == {}


def test_lines_are_counted_without_docstring_and_inner_functions() -> None:
    """The measure of the test above counts what a reader has to follow."""
    text = 'def outer():\n    """Say.\n\n    More.\n    """\n    def inner():\n        return 1\n    return inner\n'
    found = {function.name: _lines(function) for function in _functions(ast.parse(text))}
    assert found == {"outer": 2, "inner": 2}


def _contracts() -> list[dict[str, Any]]:
    settings = tomllib.loads((PROJECT / "pyproject.toml").read_text())
    contracts: list[dict[str, Any]] = settings["tool"]["importlinter"]["contracts"]
    return contracts


def _top_modules() -> set[str]:
    return {f"kopsversion.{each.name}" for each in pkgutil.iter_modules(kopsversion.__path__)}


def test_every_module_has_a_layer() -> None:
    """import-linter's layers (DESIGN section 8) name each module once, and none that is not there."""
    (layers,) = (contract["layers"] for contract in _contracts() if contract["type"] == "layers")
    named = [name.strip() for layer in layers for name in re.split(r"[|:]", layer)]
    assert sorted(named) == sorted(_top_modules())


def test_contracts_name_modules_that_exist() -> None:
    """A contract about a module that was renamed would hold for ever."""
    for contract in _contracts():
        for name in (*contract.get("source_modules", []), *contract.get("allowed_importers", [])):
            importlib.import_module(name)


def _imports() -> dict[str, set[str]]:
    """Return what each module imports of the package, for types only too."""
    graph = grimp.build_graph("kopsversion", exclude_type_checking_imports=False, cache_dir=None)
    return {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Not even for types: what one module is can be understood without those that use it."""
    try:
        order = list(TopologicalSorter(_imports()).static_order())
    except CycleError as error:
        pytest.fail(f"a circle of imports: {' -> '.join(error.args[1])}")
    assert order.index("kopsversion.errors") < order.index("kopsversion.cli.process")


def test_nothing_is_called_utils() -> None:
    """A module is named after what it knows."""
    vague = {"utils", "util", "helpers", "helper", "common", "misc"}
    assert [
        _relative(path) for path in MODULES if vague & set(path.relative_to(PACKAGE).with_suffix("").parts)
    ] == []
