"""The merges of a branch, read from a clone of kops; what git writes is hostile text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kopsversion.errors import GitWitnessError, UsageError
from kopsversion.model.bucket import GitLine
from kopsversion.model.channel import Channel
from kopsversion.stores.deadline import Deadline
from kopsversion.witness.merges import Merges
from kopsversion.witness.running import Answer, Git
from kopsversion.workflows.clones import Clone, CloneSource
from kopsversion.workflows.history import whole_line
from tests.git_repos import ISOLATED, GitRepository

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def kops(tmp_path: Path) -> GitRepository:
    return GitRepository.create(tmp_path / "kops")


def merges(kops: GitRepository, tip: str = "origin/master") -> Merges:
    return Merges(kops.path, tip, environ=ISOLATED, timeout=10)


def test_a_line_is_read_oldest_first(kops: GitRepository) -> None:
    """Each merge with its time and subject; commits of merged branches are not on it."""
    ids = kops.commits("origin/master", 3, sides=2)
    assert [each.commit for each in merges(kops).line()] == ids
    assert [each.commit for each in merges(kops).between(ids[0][:10], ids[2][:10])] == ids[1:]


@pytest.mark.parametrize("tip", ["", "-x", "a\nb"])
def test_a_tip_that_cannot_be_a_name(kops: GitRepository, tip: str) -> None:
    """It never reaches git."""
    with pytest.raises(UsageError, match="cannot be the name of a git ref"):
        merges(kops, tip)


@pytest.mark.parametrize("commit", ["", "HEAD", "--all", "abc", "ABCDEF0"])
def test_what_is_no_commit(kops: GitRepository, commit: str) -> None:
    """It never reaches git either."""
    with pytest.raises(UsageError, match="is not a commit"):
        merges(kops).place(commit)


def test_a_commit_that_is_not_there(kops: GitRepository) -> None:
    """There is nothing between what the clone does not have."""
    ids = kops.commits("origin/master", 2)
    with pytest.raises(GitWitnessError):
        merges(kops).between("abcdef0123", ids[1])
    assert merges(kops).place("abcdef0123") is None


@pytest.mark.parametrize("time", ["soon", "9" * 30])
def test_a_time_that_no_calendar_has(kops: GitRepository, time: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is git that failed, then, and not we."""
    text = f"commit {'a' * 40}\n{time} subject\n".encode()
    monkeypatch.setattr(Git, "ask", lambda *_, **__: Answer(0, text, ""))
    with pytest.raises(GitWitnessError, match="the time of"):
        merges(kops).line()


def test_a_subject_cannot_pretend_to_be_a_merge(kops: GitRepository, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines end with a line feed, whatever else Unicode takes for the end of one."""
    subject = f"x\N{LINE SEPARATOR}commit {'b' * 40}\N{LINE SEPARATOR}1 fake\x0b\x85"
    text = f"commit {'a' * 40}\n1700000000 {subject}\n".encode()
    monkeypatch.setattr(Git, "ask", lambda *_, **__: Answer(0, text, ""))
    (only,) = merges(kops).line()
    assert (only.commit, only.subject) == ("a" * 40, subject)


def test_a_clone_without_a_line_has_none(kops: GitRepository) -> None:
    """Where the branch was not read, there is nothing to widen."""
    source = CloneSource(repo=kops.path, nearby=None, ref=None, deadline=Deadline(10))
    kops.commits("origin/master", 2)
    assert whole_line(Clone(source, Channel("master")), merges(kops)) is None
    line = whole_line(Clone(source, Channel("master"), line=GitLine("origin/master", ())), merges(kops))
    assert line is not None
    assert len(line.commits) == 2
