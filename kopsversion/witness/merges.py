"""The merges of a branch, read from a clone of kops: which lie between two commits, and which brought a commit.

A kops branch is a line of merges, each of which CI builds. Like `kopsversion.witness.git`, this module writes nothing.
It must not know what a build is.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from kopsversion.errors import UsageError, quoted
from kopsversion.model.values import frozen
from kopsversion.witness.running import Git

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

__all__ = ["CommitPlace", "Merge", "Merges"]

MOST_MERGES = 5000
"""How many merges are read: more than kops has in two years."""

_COMMIT = re.compile(r"[0-9a-f]{7,64}")
_FULL = re.compile(r"[0-9a-f]{40,64}")


@frozen(kw_only=True)
class Merge:
    """A commit on a branch's first-parent line.

    Attributes:
        commit: its full id.
        time: when it was committed, UTC.
        subject: the first line of its message: untrusted text.
    """

    commit: str
    time: datetime
    subject: str


@frozen(kw_only=True)
class CommitPlace:
    """Where a commit is, seen from a branch.

    Attributes:
        commit: its full id.
        time: when it was committed, UTC.
        merge: the commit on the branch's line that it is, or that merged it; ``None`` if the branch does not have it.
    """

    commit: str
    time: datetime
    merge: Merge | None


class Merges:
    """The merges of a branch in a clone.

    Parameters:
        repo: a directory in a clone of kops.
        tip: the newest commit of the branch, or a name of it.
        environ: the process environment.
        timeout: seconds, for everything together.
    """

    def __init__(self, repo: Path, tip: str, *, environ: Mapping[str, str], timeout: float) -> None:
        if not tip or tip.startswith("-") or not tip.isprintable():
            raise UsageError(f"{quoted(tip)} cannot be the name of a git ref")
        self._git = Git.find(repo, environ=environ, timeout=timeout)
        self._tip = tip

    def between(self, good: str, bad: str) -> tuple[Merge, ...]:
        """Return the merges after one commit of the line, up to and with another, oldest first.

        Parameters:
            good: the earlier commit, of 7 digits or more; not among those returned.
            bad: the later commit.

        Raises:
            GitWitnessError: the clone does not have one of them, or git failed.
        """
        return tuple(self._merges(_checked(bad), f"^{_checked(good)}"))

    def line(self) -> tuple[Merge, ...]:
        """Return the branch's whole first-parent line, oldest first, including master's merges before the cut.

        Raises:
            GitWitnessError: git failed.
        """
        return tuple(self._merges(self._tip, limit=None))

    def place(self, commit: str) -> CommitPlace | None:
        """Find where a commit is, seen from the branch; ``None`` if the clone has no such commit.

        Parameters:
            commit: an id of 7 digits or more.

        Raises:
            GitWitnessError: git failed.
        """
        found = self._git.ask(
            "rev-parse", "--verify", "--quiet", "--end-of-options", f"{_checked(commit)}^{{commit}}"
        )
        full = found.output.decode("ascii", "replace").strip()
        if found.status != 0 or not _FULL.fullmatch(full):
            return None
        (own,) = self._merges(full, limit=1)
        return CommitPlace(commit=full, time=own.time, merge=self._bringing(own))

    def _bringing(self, own: Merge) -> Merge | None:
        """Find the first commit of the line that has a commit among its ancestors."""
        if self._git.ask("merge-base", "--is-ancestor", own.commit, self._tip, "--").status != 0:
            return None
        line = list(self._merges(self._tip, f"^{own.commit}^@", limit=None))
        descendants = set(
            self._git.read("rev-list", "--ancestry-path", self._tip, f"^{own.commit}", "--")
        ) | {own.commit}
        return next((merge for merge in line if merge.commit in descendants), None)

    def _merges(self, *revisions: str, limit: int | None = MOST_MERGES) -> Iterator[Merge]:
        """Read a first-parent line, oldest first."""
        most = [] if limit is None else [f"--max-count={limit}"]
        answer = self._git.ask(
            "rev-list", "--first-parent", "--reverse", *most, "--format=%ct %s", *revisions, "--"
        )
        if answer.status != 0:
            raise self._git.failure(answer)
        # Split at line feeds alone: a subject may hold other characters that Unicode takes for the end of a line.
        lines = answer.output.decode("utf-8", "replace").split("\n")
        for head, body in zip(lines[::2], lines[1::2], strict=False):
            commit = head.removeprefix("commit ")
            seconds, _, subject = body.partition(" ")
            try:
                time = datetime.fromtimestamp(int(seconds), UTC)
            except (ValueError, OverflowError, OSError) as error:
                raise self._git.garbled(f"the time of {commit} is {seconds}") from error
            yield Merge(commit=commit, time=time, subject=subject)


def _checked(commit: str) -> str:
    if not _COMMIT.fullmatch(commit):
        raise UsageError(
            f"{quoted(commit)} is not a commit", hint="a commit is written with 7 to 40 hex digits"
        )
    return commit
