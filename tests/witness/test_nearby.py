"""Git is started only where there may be a repository: every resolve would pay for it (docs/performance.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kopsversion.model.channel import MASTER, Channel
from kopsversion.stores.deadline import Deadline
from kopsversion.witness import git as gitwitness
from kopsversion.workflows.clones import CloneSource

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The directories that git was asked about; it knows none of them."""
    directories: list[Path] = []

    def find_clone(start: Path, **_: object) -> None:
        directories.append(start)

    monkeypatch.delenv("GIT_DIR", raising=False)
    monkeypatch.setattr(gitwitness, "find_clone", find_clone)
    return directories


def look(nearby: Path) -> None:
    source = CloneSource.of(repo=None, nearby=nearby, ref=None, deadline=Deadline(60))
    clone = source.open(Channel(MASTER))
    assert (clone.line, clone.conditions) == (None, ())


def test_git_is_not_started_where_there_is_no_repository(tmp_path: Path, asked: list[Path]) -> None:
    for nearby in (tmp_path, tmp_path / "gone"):
        look(nearby)
    assert asked == []


@pytest.mark.parametrize("name", [".git", "HEAD"], ids=["a clone", "a bare clone"])
def test_git_is_asked_from_anywhere_in_a_repository(name: str, tmp_path: Path, asked: list[Path]) -> None:
    (tmp_path / name).touch()  # in a worktree .git is a file
    below = tmp_path / "cmd" / "kops"
    below.mkdir(parents=True)
    link = tmp_path.parent / f"{tmp_path.name}-link"
    link.symlink_to(below)
    for nearby in (tmp_path, below, link):
        look(nearby)
    assert asked == [tmp_path, below, link]


def test_git_is_asked_where_the_environment_names_a_repository(
    tmp_path: Path, asked: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    look(tmp_path)
    assert asked == [tmp_path]


def test_git_is_asked_where_the_file_system_does_not_tell(
    tmp_path: Path, asked: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    here = type(tmp_path)()
    look(here)
    assert asked == [here]
