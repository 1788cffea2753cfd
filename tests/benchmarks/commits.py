"""The history that is replayed: what the CI build of each commit was called, from a file or from a kops clone."""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING

from attrs import frozen

from kopsversion.errors import InvalidVersionError, UsageError
from kopsversion.model.version import BuildVersion

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

_VERSION_FILES = ("kops-version.go", "version.go")  # the second is its name until 2022
_CI_VERSION = re.compile(rb'KOPS_CI_VERSION\s*=\s*"([^"\n]*)"')
_BRANCH = re.compile(r"refs/(?:remotes/(?:origin|upstream)|heads)/(master|release-[0-9]+\.[0-9]+)")
_ABBREVIATION = 10


@frozen
class Commit:
    """A commit on a branch's first-parent line.

    Attributes:
        branch: ``master`` or ``release-X.Y``.
        seq: its place on that line: the true order.
        id: its full id.
        time: committer time, seconds since the epoch.
        version: what its CI build is called.
    """

    branch: str
    seq: int
    id: str
    time: int
    version: BuildVersion


def read_history(file: Path) -> tuple[Commit, ...]:
    """Read a file with one JSON object a line, as `as_lines` writes it.

    Raises:
        UsageError: a line is something else.
    """
    commits = []
    for number, text in enumerate(file.read_text("utf-8").splitlines(), start=1):
        try:
            row = json.loads(text)
            version = BuildVersion.parse(row["version"])
            commits.append(Commit(row["branch"], row["seq"], row["commit"], row["time"], version))
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError(
                f"line {number} of {file} is not a commit of the history",
                hint='a line is {"branch": …, "seq": …, "commit": …, "time": …, "version": …}',
            ) from error
    return tuple(commits)


def as_lines(commits: Iterable[Commit]) -> Iterator[str]:
    """Write a history as `read_history` reads it."""
    for each in commits:
        row = {"branch": each.branch, "seq": each.seq, "commit": each.id, "time": each.time}
        yield json.dumps(row | {"version": str(each.version)}, separators=(",", ":"))


# --------------------------------------------------------------------------------------------------
# From a clone


def compute_history(repo: Path, *, since: int) -> tuple[Commit, ...]:
    """Find out what the CI builds of a kops clone were called, the way kops' ``tools/get_version.sh`` does it.

    That is ``KOPS_CI_VERSION`` at the commit, and ``git describe --always --abbrev=10`` with only the annotated tags
    that existed at the time. A release branch begins where it left master.

    Parameters:
        repo: a full clone of kops.
        since: seconds since the epoch; older commits are left out.

    Raises:
        UsageError: it is not one.
    """
    clone = _Clone(repo)
    branches = clone.branches()
    if "master" not in branches:
        raise UsageError(f"{repo} has no branch master", hint="name a full clone of kubernetes/kops")
    lines = {"master": clone.first_parents(branches["master"])}
    on_master = set(lines["master"])
    for branch in sorted(branches.keys() - {"master"}):
        line = clone.first_parents(branches[branch])
        lines[branch] = [commit for commit in line if commit not in on_master]
    wanted = [
        (branch, seq, commit)
        for branch, line in lines.items()
        for seq, commit in enumerate(line)
        if clone.times[commit] >= since
    ]
    ci_versions = clone.ci_versions([commit for _, _, commit in wanted])
    describes = {branch: clone.describe(line, since=since) for branch, line in lines.items()}
    commits = []
    for branch, seq, commit in wanted:
        text = f"{ci_versions.get(commit, '')}+{describes[branch][commit]}"
        try:
            version = BuildVersion.parse(text)
        except InvalidVersionError:
            continue  # a commit whose build had no version that kopsversion would take
        commits.append(Commit(branch, seq, commit, clone.times[commit], version))
    return tuple(commits)


class _Clone:
    """A clone's commits, read at once."""

    def __init__(self, repo: Path) -> None:
        self._repo = repo
        self.parents: dict[str, list[str]] = {}
        self.times: dict[str, int] = {}
        # Children come before parents.
        for line in self._git("rev-list", "--all", "--topo-order", "--timestamp", "--parents").splitlines():
            time, commit, *parents = line.split()
            self.parents[commit] = parents
            self.times[commit] = int(time)

    def _git(self, *arguments: str) -> str:
        return self._run(arguments, b"").decode("utf-8", "replace")

    def _run(self, arguments: Sequence[str], given: bytes) -> bytes:
        command = ["git", "-C", str(self._repo), "--no-pager", *arguments]
        try:
            return subprocess.run(command, input=given, check=True, capture_output=True).stdout
        except (OSError, subprocess.CalledProcessError) as error:
            raise UsageError(
                f"git could not read {self._repo}", hint="name a full clone of kubernetes/kops"
            ) from error

    def branches(self) -> dict[str, str]:
        """Return the tip of each channel's branch; a remote's comes before one's own."""
        found: dict[str, str] = {}
        refs = self._git("for-each-ref", "--format=%(refname) %(objectname)", "refs/heads", "refs/remotes")
        for line in sorted(refs.splitlines(), reverse=True):
            ref, tip = line.split()
            match = _BRANCH.fullmatch(ref)
            if match and (match[1] not in found or "/origin/" in ref):
                found[match[1]] = tip
        return found

    def first_parents(self, tip: str) -> list[str]:
        """Return the first-parent line that ends with `tip`, oldest first."""
        line = []
        commit: str | None = tip
        while commit in self.parents:
            line.append(commit)
            commit = next(iter(self.parents[commit]), None)
        return line[::-1]

    def ci_versions(self, commits: Sequence[str]) -> dict[str, str]:
        """Read ``KOPS_CI_VERSION`` at each commit, in one call of git for each place where it was kept."""
        found: dict[str, str] = {}
        for name in _VERSION_FILES:
            missing = [commit for commit in commits if commit not in found]
            given = "".join(f"{commit}:{name}\n" for commit in missing).encode()
            output = self._run(["cat-file", "--batch"], given)
            position = 0
            for commit in missing:
                end = output.index(b"\n", position)
                header, position = output[position:end].split(), end + 1
                if header[-1] == b"missing":
                    continue
                size = int(header[-1])
                match = _CI_VERSION.search(output[position : position + size])
                position += size + 1
                if match:
                    found[commit] = match[1].decode("ascii", "replace")
        return found

    def _tags(self) -> dict[str, tuple[str, int]]:
        """Return commit and time of each annotated tag."""
        listing = self._git(
            "for-each-ref",
            "--format=%(objecttype) %(refname:strip=2) %(*objectname) %(taggerdate:unix)",
            "refs/tags",
        )
        fields = [line.split() for line in listing.splitlines()]
        return {
            row[1]: (row[2], int(row[3]))
            for row in fields
            if row[0] == "tag" and len(row) == 4 and row[2] in self.parents
        }

    def describe(self, line: Sequence[str], *, since: int) -> dict[str, str]:
        """Describe each commit of a line with the tags that existed when it was made.

        The nearest tag is the one that has most of the commit's ancestors behind it, and the distance is the rest.
        """
        tags = self._tags()
        behind = {commit: len(self._ancestors(commit)) for commit, _ in tags.values()}
        reachable: set[str] = set()
        described = {}
        inside: list[tuple[int, int, str]] = []
        by_commit: dict[str, list[str]] = {}
        for tag, (commit, _) in tags.items():
            by_commit.setdefault(commit, []).append(tag)
        for commit in line:
            for new in self._ancestors(commit, known=reachable):
                reachable.add(new)
                inside += [(behind[new], tags[tag][1], tag) for tag in by_commit.get(new, ())]
            if self.times[commit] < since:
                continue
            existing = [each for each in inside if each[1] <= self.times[commit]]
            if not existing:
                described[commit] = commit[:_ABBREVIATION]
                continue
            count, _, tag = max(existing)
            distance = len(reachable) - count
            described[commit] = f"{tag}-{distance}-g{commit[:_ABBREVIATION]}" if distance else tag
        return described

    def _ancestors(self, commit: str, *, known: set[str] | frozenset[str] = frozenset()) -> set[str]:
        """Return a commit and its ancestors, as far as they are not known."""
        found: set[str] = set()
        waiting = [commit]
        while waiting:
            each = waiting.pop()
            if each not in found and each not in known and each in self.parents:
                found.add(each)
                waiting += self.parents[each]
        return found
