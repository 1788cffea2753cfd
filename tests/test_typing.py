"""What the typing test says of values is true when it runs, and it speaks of every public name."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import kopsversion
from kopsversion import Failed, Found, Outcome, Severity
from tests.builders import NOW, bare_listing, build
from tests.typing import caller, harness

BRANCH_LAST = "1.29.0-beta.2+v1.29.0-beta.1-47-gf9a0ba0203"
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


def test_the_harness_works(store: str, tmp_path: Path) -> None:
    """What is written for harness authors does what its types promise."""
    place = Path(store)
    report = harness.finds_the_first_bad_build(place, 360, tmp_path / "state.json")
    assert (report.good.version.distance, report.bad.version.distance) == (355, 363)
    good, bad = Outcome.GOOD, Outcome.BAD
    assert harness.steps_by_itself([good, good, bad, bad]) == Found(
        good=1, bad=2, unknown=(), is_good_tested=True, is_bad_tested=True
    )
    assert isinstance(harness.steps_by_itself([bad, bad]), Failed)
    answers = harness.asks_in_many_ways(place)
    assert [str(each.version) for each in answers] == [MASTER_LAST, MASTER_LAST, MASTER_LAST, BRANCH_LAST]
    found, between, listing, health, plan = harness.looks_around(place)
    assert found.version.distance == 367
    assert len(between.rows) == 4
    assert len(listing.rows) == 25
    assert [each.channel for each in health.channels] == ["master"]
    assert harness.reads_the_health(health) == ["testable"]
    assert harness.says_why_a_clone_does_not_tell(place, tmp_path) is kopsversion.GitFault.NOT_A_REPOSITORY
    assert harness.says_why_a_clone_does_not_tell(place, tmp_path / "none")
    assert len(plan.builds) == 22
    fetched, lock, answer = harness.keeps_an_answer(place, tmp_path)
    assert fetched.path.is_file()
    assert lock.resolution == answer
    listing_of_markers, stored, content = harness.reads_a_store(kopsversion.open_store(store))
    assert stored.name == listing_of_markers.objects[0].name
    assert len(content.data) == stored.size
    assert "BAD, " in harness.says_why_there_is_nothing_to_find(place)
    assert harness.decides_about_values().version.distance == 7


def test_another_type_checker_agrees(tmp_path: Path) -> None:
    """basedpyright, strictly, finds nothing to say about the harness from outside of the project."""
    program = Path(sys.executable).with_name("basedpyright")
    if not program.exists():
        pytest.skip("basedpyright is not installed: pip install basedpyright")
    shutil.copy(str(harness.__file__), tmp_path / "harness.py")
    (tmp_path / "pyrightconfig.json").write_text('{"typeCheckingMode": "strict"}')
    done = subprocess.run(
        [program, "--pythonpath", sys.executable, "harness.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_public_name_is_in_the_typing_test() -> None:
    """But for errors, which are all caught by their base."""
    trees = [ast.parse(Path(str(module.__file__)).read_text()) for module in (caller, harness)]
    imported = {
        alias.name
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "kopsversion"
        for alias in node.names
    }
    assert {name for name in kopsversion.__all__ if not name.endswith("Error")} <= imported
