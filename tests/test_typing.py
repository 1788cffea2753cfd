"""What the typing test says of values is true when it runs, and it speaks of every public name."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import kopsversion
from kopsversion import Severity
from tests.builders import NOW, bare_listing, build
from tests.typing import caller

MASTER_LAST = "1.29.0-alpha.4+v1.29.0-alpha.3-378-g22ce1230da"


@pytest.fixture(scope="module")
def store(demo_bucket: Path) -> str:
    return str(demo_bucket)


def test_the_typed_calls_work(store: str, tmp_path: Path) -> None:
    """Each function of the typing test does what its types promise."""
    assert caller.asks_in_one_line(store).endswith(f"/{MASTER_LAST}")
    resolution = caller.asks_with_everything(store, tmp_path / "state.json")
    caller.reads_the_evidence(resolution)
    assert str(resolution.version).startswith("1.29.0-beta.2+")
    assert list(map(str, caller.lists_builds(store)))[:1] == [MASTER_LAST]
    assert [caller.names_a_severity(each) for each in Severity] == ["note", "warning", "failure"]


def test_the_typed_values_work() -> None:
    """Versions compare, and the core decides about values."""
    assert str(caller.compares_versions("1.29.0", "1.30.0-alpha.1")) == "1.30.0-alpha.1"
    complete, bare = build(MASTER_LAST), bare_listing("1.29.0")
    assert caller.decides_without_a_store([complete, bare], NOW).version == complete.version


@pytest.mark.parametrize(
    ("selector", "said"),
    [
        ("release-1.99", "release-1.99: "),
        ("1.2.3.4", "exit status 2"),
        ("1.98.7", "1.98.7: ()"),
    ],
)
def test_the_typed_errors_are_caught(store: str, selector: str, said: str) -> None:
    """Each error comes with the attributes that its type has."""
    assert said in caller.says_what_went_wrong(store, selector)


def test_a_place_that_is_none_is_caught(tmp_path: Path) -> None:
    """A store that is not there is a `StoreError` like any other."""
    assert caller.says_what_went_wrong(str(tmp_path / "none"), "master")


def test_the_mistakes_are_mistakes(store: str, tmp_path: Path) -> None:
    """What mypy refuses fails when it runs, too."""
    resolution = caller.asks_with_everything(store, tmp_path / "state.json")
    with pytest.raises(AttributeError):
        caller.makes_mistakes(resolution, resolution.version)


def test_every_public_name_is_in_the_typing_test() -> None:
    """But for errors, which are all caught by their base."""
    tree = ast.parse(Path(caller.__file__).read_text())
    imported = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "kopsversion"
        for alias in node.names
    }
    assert {name for name in kopsversion.__all__ if not name.endswith("Error")} <= imported
