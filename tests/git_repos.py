"""Makes small git repositories that look like kops, for tests.

Objects are written directly, so that a commit can have what git would refuse to write: a time that no
calendar has, or an id of our choosing (git does not check the id of a commit that it walks over), with which
a clone can hold the commits that the builds of a real bucket name.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import zlib
from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

ISOLATED = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "Tester",
    "GIT_AUTHOR_EMAIL": "tester@example.com",
    "GIT_COMMITTER_NAME": "Tester",
    "GIT_COMMITTER_EMAIL": "tester@example.com",
}
"""An environment in which git does the same on every machine."""

KOPS_FILES = ("cmd/kops/main.go", "pkg/apis/kops/cluster.go", "upup/pkg/fi/task.go")


def git(*arguments: str | Path, environ: dict[str, str] | None = None, given: str | None = None) -> str:
    """Run git in the isolated environment, let it read what is given, and return what it writes."""
    done = subprocess.run(
        ["git", *map(str, arguments)],
        env=ISOLATED | (environ or {}),
        check=True,
        capture_output=True,
        input=given,
        text=True,
    )
    return done.stdout.strip()


@frozen
class GitRepository:
    """A repository that can be given any history.

    Attributes:
        path: what a user would name: the work tree, or the directory of a bare repository.
        git_dir: where git keeps its own files.
    """

    path: Path
    git_dir: Path

    @classmethod
    def create(cls, path: Path, *, bare: bool = False) -> GitRepository:
        """Make an empty repository."""
        git("init", "--quiet", "--initial-branch=master", *(["--bare"] if bare else []), "--", path)
        return cls(path, path if bare else path / ".git")

    def git(self, *arguments: str | Path) -> str:
        """Run git here, and return what it writes."""
        return git("-C", self.path, *arguments)

    def commit(
        self,
        ref: str,
        *,
        when: datetime | int | str,
        sides: int = 0,
        merged: str | None = None,
        claimed_id: str | None = None,
        files: tuple[str, ...] = KOPS_FILES,
    ) -> str:
        """Put one more commit on a branch.

        Parameters:
            ref: ``master``, ``origin/master``, ``upstream/release-1.30``, or a full name ``refs/…``.
            when: its time: UTC, seconds since the epoch, or any text to stand in its place.
            sides: how many commits its pull request has; with 0 it is no merge, nor is a branch's first.
            merged: a commit that it merges, instead.
            claimed_id: its full id, instead of the one that its content has; never on the last of a branch,
                which git does check.
            files: the empty files of its tree.

        Returns:
            Its full id.
        """
        time = when if isinstance(when, int | str) else str(int(when.timestamp()))
        tip = self.tip(ref)
        parents = [tip] if tip else []
        tree = self._tree(files)
        if merged is not None:
            parents.append(merged)
        elif tip is not None and sides:
            side = tip
            for number in range(sides):
                side = self._write_commit(tree, [side], time=time, message=f"side {number} of {ref}")
            parents.append(side)
        commit = self._write_commit(tree, parents, time=time, message=f"on {ref}", claimed_id=claimed_id)
        self.branch(ref, at=commit)
        return commit

    def commits(
        self, ref: str, count: int, *, start: int = 1_700_000_000, step: int = 3600, sides: int = 0
    ) -> list[str]:
        """Put `count` commits on a branch, `step` seconds apart, and return their ids, oldest first."""
        return [self.commit(ref, when=start + number * step, sides=sides) for number in range(count)]

    def branch(self, ref: str, *, at: str) -> None:
        """Make a branch, or move it."""
        file = self.git_dir / _full(ref)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{at}\n")

    def tip(self, ref: str) -> str | None:
        """Return the commit that a branch ends with, if there is such a branch."""
        file = self.git_dir / _full(ref)
        return file.read_text().strip() if file.exists() else None

    def delete(self, ref: str) -> None:
        """Take a branch away; its commits stay."""
        (self.git_dir / _full(ref)).unlink()

    def configure(self, text: str) -> None:
        """Add lines to the repository's configuration."""
        with (self.git_dir / "config").open("a") as file:
            file.write(text)

    def object_file(self, object_id: str) -> Path:
        """Return the file that holds an object."""
        return self.git_dir / "objects" / object_id[:2] / object_id[2:]

    def _write_commit(
        self, tree: str, parents: list[str], *, time: int | str, message: str, claimed_id: str | None = None
    ) -> str:
        person = f"Tester <tester@example.com> {time} +0000"
        lines = [f"tree {tree}", *(f"parent {parent}" for parent in parents)]
        lines += [f"author {person}", f"committer {person}", "", message, ""]
        return self._write("commit", "\n".join(lines).encode(), claimed_id=claimed_id)

    def _tree(self, files: tuple[str, ...]) -> str:
        empty = self._write("blob", b"")
        folders = sorted({name.split("/")[0] for name in files if "/" in name})
        entries = [(name, "100644", empty) for name in files if "/" not in name]
        for folder in folders:
            inside = tuple(name.removeprefix(f"{folder}/") for name in files if name.startswith(f"{folder}/"))
            entries.append((folder, "40000", self._tree(inside)))
        body = b"".join(
            f"{mode} {name}\0".encode() + bytes.fromhex(entry) for name, mode, entry in sorted(entries)
        )
        return self._write("tree", body)

    def _write(self, kind: str, body: bytes, *, claimed_id: str | None = None) -> str:
        data = f"{kind} {len(body)}\0".encode() + body
        object_id = claimed_id or hashlib.sha1(data, usedforsecurity=False).hexdigest()
        file = self.object_file(object_id)
        if not file.exists():
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(zlib.compress(data, 1))
        return object_id


def _full(ref: str) -> str:
    if ref == "HEAD" or ref.startswith("refs/"):
        return ref
    return f"refs/remotes/{ref}" if ref.startswith(("origin/", "upstream/")) else f"refs/heads/{ref}"
