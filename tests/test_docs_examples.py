"""Every public name is shown at work, and what the reference shows is what happens."""

from __future__ import annotations

import builtins
import doctest
import importlib
import inspect
import pkgutil
import re
import typing
from enum import Enum
from typing import TYPE_CHECKING

import attrs
import pytest

import kopsversion
from docs.generate import REFERENCE
from kopsversion.errors import KopsVersionError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PAGE = (REFERENCE / "api.md").read_text(encoding="utf-8")
PARTS = dict(re.findall(r"^### (\w+)\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL))
"""What the page has on each name."""


def _code(text: str) -> str:
    """Return the examples of a part of the page, one after the other."""
    return "".join(re.findall(r"^```pycon\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))


BEGINNING = _code(PAGE.partition("\n## Functions\n")[0])


def _run(text: str, name: str) -> list[doctest.Example]:
    """Run examples after the page's beginning, and return them."""
    test = doctest.DocTestParser().get_doctest(BEGINNING + text, {}, name, "api.md", None)
    said: list[str] = []
    assert doctest.DocTestRunner().run(test, out=said.append).failed == 0, "".join(said)
    return test.examples


@pytest.mark.parametrize("name", kopsversion.__all__)
def test_the_example_of_a_public_name_is_true(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each name has an example that is about it, shows what comes of it, and is not skipped."""
    monkeypatch.chdir(tmp_path)
    shown = _run(_code(PARTS[name]), name)[len(doctest.DocTestParser().get_examples(BEGINNING)) :]
    assert any(example.want for example in shown), f"{name}: an example that shows no result cannot fail"
    assert not any(example.options for example in shown)


MODULES = [
    each.name
    for each in pkgutil.walk_packages(kopsversion.__path__, "kopsversion.")
    if not each.name.endswith("__main__")
]


def test_every_other_example_is_true(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also those of names that are not in the reference, and of the kit for tests: in its module each example runs."""
    monkeypatch.chdir(tmp_path)
    found = 0
    for name in MODULES:
        module = importlib.import_module(name)
        for test in doctest.DocTestFinder(exclude_empty=True).find(module, name):
            if test.examples and getattr(kopsversion, test.name.rpartition(".")[2], None) is None:
                shown = doctest.DocTestParser().get_doctest(BEGINNING, {}, name, name, None)
                doctest.DocTestRunner().run(shown, clear_globs=False)
                test.globs = shown.globs | vars(module)
                said: list[str] = []
                assert doctest.DocTestRunner().run(test, out=said.append).failed == 0, "".join(said)
                found += 1
    assert found > 10


def test_an_example_that_is_wrong_is_noticed() -> None:
    """The test above can fail."""
    with pytest.raises(AssertionError, match="Expected"):
        _run(">>> answer.version.distance\n4\n", "wrong")


CLASSES = [
    getattr(kopsversion, name) for name in kopsversion.__all__ if inspect.isclass(getattr(kopsversion, name))
]


def _data(kind: type) -> list[str]:
    """Name what a value or an error carries, or which values an enumeration has."""
    if issubclass(kind, Enum):
        return list(kind.__members__)
    if issubclass(kind, KopsVersionError):
        own = "__init__" in vars(kind)
        given = list(inspect.signature(kind).parameters) if own else []
        inherited = {"message", "hint", "reasons"} if kind is not KopsVersionError else set()
        return [name for name in given if name not in inherited]
    return (
        [each.name for each in attrs.fields(kind) if not each.name.startswith("_")] if attrs.has(kind) else []
    )


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_everything_that_a_value_carries_is_described(kind: type) -> None:
    """Each attribute of a value, each parameter of an error and each member of an enumeration has its line."""
    part = PARTS[kind.__name__]
    missing = [
        name for name in _data(kind) if not re.search(rf"^- `{name}`(?: \(`.*`\))?: \S", part, re.MULTILINE)
    ]
    assert missing == []


FUNCTIONS = [
    function for name in kopsversion.__all__ if inspect.isfunction(function := getattr(kopsversion, name))
]
ALIASES = re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)
KNOWN = {*kopsversion.__all__, *ALIASES, *dir(builtins), *dir(typing), "Path", "datetime", "timedelta"}


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
def test_a_caller_can_name_whatever_a_function_takes_and_returns(function: Callable[..., object]) -> None:
    """Each type in a signature can be imported, or the page says what it stands for."""
    named = {
        word for each in function.__annotations__.values() for word in re.findall(r"[A-Za-z]\w*", str(each))
    }
    assert named - KNOWN == set()
