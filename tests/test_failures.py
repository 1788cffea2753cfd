"""Every known way in which markers and buckets go wrong has a test that can be found by its number.

The rows are those of ``docs/failures.md``. A test belongs to a row when its docstring, or the id of one of its cases,
says "row N".
"""

from __future__ import annotations

import ast
import json
import re
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kopsversion.model.channel import GREEN_MARKER
from kopsversion.model.codec import to_json
from tests.gcs_server import KOPS_ROOT
from tests.scenes import PLAIN, ask, store_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kopsversion.model.answer import Resolution
    from tests.gcs_server import GcsServer

PAGE = Path(__file__).parents[1] / "docs" / "failures.md"
_ROW = re.compile(r"^\| (?P<number>\d+) \| (?P<title>[^|]+) \|", re.MULTILINE)
TITLES = {int(row["number"]): row["title"] for row in _ROW.finditer(PAGE.read_text(encoding="utf-8"))}

_MENTION = re.compile(r"\brows? (?P<numbers>\d+(?:(?:, | and |, and | to )\d+)*)", re.IGNORECASE)
_RANGE = re.compile(r"(\d+) to (\d+)")


def rows_in(text: str) -> set[int]:
    """Return the rows that a text mentions.

    >>> sorted(rows_in("FAILURES rows 1, 2 and 18 to 20: …"))
    [1, 2, 18, 19, 20]
    """
    found: set[int] = set()
    for mention in _MENTION.finditer(text):
        numbers = mention["numbers"]
        found.update(map(int, re.findall(r"\d+", numbers)))
        for first, last in _RANGE.findall(numbers):
            found.update(range(int(first), int(last) + 1))
    return found


def _texts(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield what speaks for a test: its docstring and its cases' ids, with where it stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name.lower().startswith("test"):
            yield node.name, ast.get_docstring(node) or ""
        elif isinstance(node, ast.keyword) and node.arg in {"id", "name"}:
            yield "a case", ast.unparse(node.value)


@cache
def index() -> Mapping[int, tuple[str, ...]]:
    """Return the tests of each row, as ``file::test``."""
    found: dict[int, list[str]] = defaultdict(list)
    for path in sorted(Path(__file__).parent.rglob("test_*.py")):
        for name, text in _texts(ast.parse(path.read_text(encoding="utf-8"))):
            for row in rows_in(text):
                found[row].append(f"{path.name}::{name}")
    return {row: tuple(names) for row, names in found.items()}


def test_the_page_has_every_row_once_and_in_order() -> None:
    """A row that the pattern does not read would be a row without a test."""
    assert list(TITLES) == list(range(1, 50))


@pytest.mark.parametrize(("row", "title"), TITLES.items(), ids=[f"row {n}: {t}" for n, t in TITLES.items()])
def test_every_row_has_a_test(row: int, title: str) -> None:
    """A failure that was seen once is not seen twice."""
    assert index().get(row), f"no test says that it is of row {row}, {title}"


def test_no_test_is_of_a_row_that_does_not_exist() -> None:
    """A slip in a number would hide that a row has none."""
    strange = {row: names for row, names in index().items() if row not in TITLES}
    assert strange == {}


class TestOldContent:
    """Row 14: a cache in front of a bucket answers with old content, alternating."""

    @pytest.fixture
    def found(self, gcs_server: GcsServer) -> Resolution:
        PLAIN.put(gcs_server)
        return ask(store_of(gcs_server))

    def test_a_marker_is_read_at_the_origin_and_once(self, gcs_server: GcsServer, found: Resolution) -> None:
        """Row 14: by the API, which is consistent; not at the public URL, which is cached, so nothing alternates."""
        reads = [each.path for each in gcs_server.requests if GREEN_MARKER in each.name]
        assert len(reads) == 1
        assert reads[0].startswith("/download/storage/v1/b/")
        assert all("/storage/v1/b/" in each.path for each in gcs_server.requests)

    def test_the_answer_says_which_content_it_saw(self, gcs_server: GcsServer, found: Resolution) -> None:
        """Row 14: generation and ETag are in the resolution and its JSON, so two answers can be compared."""
        held = gcs_server.bucket().get(f"{KOPS_ROOT}markers/master/{GREEN_MARKER}")
        assert held is not None
        (report,) = found.markers
        assert report.marker.generation == str(held.generation)
        assert report.marker.etag == held.etag
        fields = json.loads(to_json(found))
        assert fields["generations"] == {report.marker.path: str(held.generation)}
        assert fields["etags"] == {report.marker.path: held.etag}


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("FAILURES row 6: newest always means newest testable.", {6}),
        ("FAILURES rows 3 and 7: no testable build newer", {3, 7}),
        ("FAILURES rows 1, 2, 5, and 13", {1, 2, 5, 13}),
        ("Rows 18 to 20.", {18, 19, 20}),
        ("'row 16: damaged marker, ' + kind", {16}),
        ("a row of builds, 7 of them", set()),
        ("tomorrow 5", set()),
    ],
)
def test_a_mention_is_read_as_it_is_meant(text: str, rows: set[int]) -> None:
    """One number, several, or a range."""
    assert rows_in(text) == rows
