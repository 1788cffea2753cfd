"""The picture of the README: how large it is, and the command that draws it."""

from __future__ import annotations

import struct

import pytest

from docs import picture


def test_the_picture_is_small_and_sharp() -> None:
    """It loads fast, and has more pixels than the column of a README."""
    content = picture.PICTURE.read_bytes()
    width, _ = struct.unpack_from(">II", content, 16)
    assert len(content) < 200_000
    assert width == 1500


def test_without_a_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Chromium is not installed, the command says so in one sentence, and leaves the picture alone."""
    monkeypatch.setenv("PATH", "")
    before = picture.PICTURE.read_bytes()
    with pytest.raises(SystemExit, match="Chromium, which is not installed: apt-get install chromium"):
        picture.main()
    assert picture.PICTURE.read_bytes() == before


@pytest.mark.parametrize(
    ("kind", "line"),
    [(0, [5, 9, 14]), (1, [5, 4, 5]), (2, [4, 7, 11]), (3, [5, 6, 8]), (4, [4, 4, 5])],
    ids=["none", "left", "above", "mean", "Paeth"],
)
def test_rows_of_a_screenshot(kind: int, line: list[int]) -> None:
    """Each of the filters that a PNG may have is undone."""
    assert picture._unfiltered(kind, bytes(line), bytes([1, 2, 3]), 1) == bytes([5, 9, 14])
