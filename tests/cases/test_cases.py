"""Small buckets that were answered wrongly once, and others of the same kinds (DESIGN sections 3 to 7)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cases import player
from tests.cases.player import Player, read_case

OWN = Path(__file__).parent
SHARED = Path(__file__).parents[3] / "shared" / "cases"
"""Cases that were collected beside the project; it does not carry them."""


def _cases(folder: Path) -> list[object]:
    return [pytest.param(path, id=path.stem) for path in sorted(folder.glob("*.case"))]


def test_the_cases_that_the_project_does_not_carry_are_there() -> None:
    """Where they are missing it is said; a folder without a case would pass in silence."""
    if not SHARED.is_dir():
        pytest.skip(f"there is no {SHARED}; the cases of the repository are played all the same")
    assert list(SHARED.glob("*.case"))


def test_the_example_of_the_page_is_a_case(tmp_path: Path) -> None:
    """Who begins with it begins with what works, and the page has every word of a case."""
    page = (OWN / "README.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```text \S+\.case\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    path = tmp_path / "example.case"
    path.write_text(example)
    place = tmp_path / "place"
    place.mkdir()
    assert Player(place).play(read_case(path)) == []
    words = set(re.findall(r"^``([a-z-]+)[ `]", str(player.__doc__), re.MULTILINE)) | {"silent"}
    assert words == set(re.findall(r"^\| `([a-z-]+)[ `]", page, re.MULTILINE))


@pytest.mark.parametrize("path", _cases(SHARED))
def test_a_collected_case_is_answered_as_it_should(path: Path, tmp_path: Path) -> None:
    """FAILURES rows 30, 31, 32, 33, 36 and 38: what each is about stands in its first lines."""
    assert Player(tmp_path).play(read_case(path)) == []


@pytest.mark.parametrize("path", _cases(OWN))
def test_an_own_case_is_answered_as_it_should(path: Path, tmp_path: Path) -> None:
    """FAILURES rows 30, 31, 32, 33, 36 and 38, in other minors and shapes."""
    assert Player(tmp_path).play(read_case(path)) == []
