"""Fetches as much of kops' history as settles a doubt, for users without a clone (DESIGN section 4, witness 1).

A bare repository without trees and files is kept in a cache: half a megabyte for the last 183 merges. It is deepened by
``--depth``, twice as deep each time, until the builds in doubt are found. It is never deepened by ``--shallow-since``:
a merge whose second parent is old would lose both its parents.

Git asks for no password, runs no hook, and uses no protocol but those of `kopsversion.witness.address`. A server that
sends trees all the same is stopped. The cache is used under a lock, and may be deleted at any time.

It must not know what a build, a marker or a policy is.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import time
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import evolve, field

from kopsversion.errors import GitFault, GitWitnessError, UsageError, quoted
from kopsversion.files import locked
from kopsversion.model.bucket import CommitPlace, GitLine
from kopsversion.model.channel import MASTER
from kopsversion.model.values import frozen
from kopsversion.witness.address import PROTOCOLS
from kopsversion.witness.git import read_cached
from kopsversion.witness.running import SETTINGS, Git, advice_in, first_complaint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from kopsversion.witness.address import CloneUrl
    from kopsversion.witness.running import Answer

__all__ = ["FIRST_DEPTH", "LARGEST", "Cache", "Wanted", "cache_directory"]

FIRST_DEPTH = 128
"""Commits of each branch that are fetched at first."""

LARGEST = 50_000_000
"""Bytes that a cache may have. Without trees, all of kops' master since 2016 has some 11 million."""

_MOST_PACKS = 30
"""Packs after which a cache is made again: each fetch adds one, and reading gets slower with each."""

_PAUSE = 0.05  # seconds between two tries to get the lock

_FETCH_SETTINGS = (
    *(each for each in SETTINGS if not each.startswith(("protocol.", "core.sshCommand"))),
    "protocol.allow=never",
    *(f"protocol.{each}.allow=always" for each in PROTOCOLS),
    "fetch.unpackLimit=1",  # one pack for each fetch, not thousands of files
    "transfer.unpackLimit=1",
    "fetch.recurseSubmodules=false",
    "submodule.recurse=false",
    "fetch.writeCommitGraph=false",
    "fetch.prune=false",
    "fetch.pruneTags=false",
    "transfer.bundleURI=false",
)

_TIP = re.compile(r"([0-9a-f]{40,64})\trefs/heads/(\S+)")
_REF = re.compile(r"(?!-)[A-Za-z0-9._/-]+")


def cache_directory(environ: Mapping[str, str]) -> Path | None:
    """Return where caches are kept by default, by the XDG base directory specification; ``None`` without a home."""
    base, home = environ.get("XDG_CACHE_HOME", ""), environ.get("HOME", "")
    if base.startswith("/"):
        return Path(base) / "kopsversion" / "git"
    return Path(home) / ".cache" / "kopsversion" / "git" if home.startswith("/") else None


@frozen(kw_only=True)
class Wanted:
    """What is to be found out.

    Attributes:
        channel_ref: the branch whose line is wanted.
        minors: minors whose release branches may hold the builds in doubt.
        commits: abbreviated ids of the commits that are to be found, where there are some.
        needs_cut: whether it matters where the branch left master.
    """

    channel_ref: str
    minors: frozenset[str] = frozenset()
    commits: tuple[str, ...] = ()
    needs_cut: bool = False

    @property
    def branches(self) -> tuple[str, ...]:
        """The branches to fetch, of those that exist."""
        return (
            *dict.fromkeys([self.channel_ref, MASTER, *(f"release-{each}" for each in sorted(self.minors))]),
        )

    def is_found_in(self, line: GitLine) -> bool:
        """Tell whether a line settles it, so that no more needs to be fetched."""
        is_cut = not self.needs_cut or line.knows_cut or line.cut is not None
        return is_cut and all(line.locate(each) is not CommitPlace.UNKNOWN for each in self.commits)


@frozen(kw_only=True)
class Cache:
    """A part of the history of one repository, kept on disk.

    Attributes:
        url: where it is fetched from.
        directory: where caches are kept; ``None`` where there is no place for them.
        environ: the process environment.
        ref: the branch of the repository that is the channel's, where it has another name.
        sleep: waits for that many seconds.
    """

    url: CloneUrl
    directory: Path | None
    environ: Mapping[str, str]
    ref: str | None = None
    sleep: Callable[[float], None] = field(default=time.sleep, eq=False)

    @property
    def repo(self) -> Path:
        """The bare repository."""
        named = hashlib.sha256(f"{self.url}\n{self.ref or ''}".encode()).hexdigest()[:24]
        return (self.directory or Path()) / f"{named}.git"

    def read_line(self, wanted: Wanted, *, timeout: float) -> GitLine:
        """Fetch what is wanted, as far as it is not there yet, and read the channel's line.

        Parameters:
            wanted: what is to be found out.
            timeout: seconds, for everything together, including the wait for other users of the cache.

        Returns:
            The line. It may not settle what is wanted, where the whole history does not.

        Raises:
            UsageError: `ref` cannot be the name of a branch.
            GitWitnessError: it cannot be fetched or kept; `kind` tells why.
        """
        if self.ref is not None and (not _REF.fullmatch(self.ref) or ".." in self.ref):
            raise UsageError(
                f"{quoted(self.ref)} cannot be the name of a branch of {self.url}",
                hint="with a URL, --ref names a branch, as in release-1.30",
            )
        end = time.monotonic() + timeout
        if self.directory is None:
            raise self._fault(
                GitFault.NOT_FETCHED,
                f"what git fetches from {self.url} has no place to be kept: HOME is not set",
                hint="name a directory with --git-cache",
            )
        with self._translated(), self._locked(self.repo.parent, end=end):
            is_used = self.repo.is_dir()
            try:
                return self._update(wanted, end=end)
            except GitWitnessError as error:
                if error.kind is GitFault.TOO_LARGE:
                    self._delete()
                if error.kind not in {GitFault.FAILED, GitFault.NOT_A_REPOSITORY} or not is_used:
                    raise
                self._delete()  # it is broken, and there is no harm in making it again
                return self._update(wanted, end=end)

    # ------------------------------------------------------------------------------- fetching

    def _update(self, wanted: Wanted, *, end: float) -> GitLine:
        git = self._open(end)
        names = {
            branch: self.ref if self.ref is not None and branch == wanted.channel_ref else branch
            for branch in wanted.branches
        }
        there = self._list(git, names)
        if wanted.channel_ref not in there:
            raise self._fault(
                GitFault.NO_REF,
                f"{self.url} has no branch {quoted(names[wanted.channel_ref])}",
                hint="see whether that is a clone of kops, or name another branch with --ref",
            )
        sources = {branch: names[branch] for branch in there}
        depth = self._depth()
        if depth is None or self._tips(git, there) != there:
            depth = depth or FIRST_DEPTH
            self._fetch(git, sources, depth=depth)
        while True:
            line = self._read(git, wanted.channel_ref, end=end)
            boundary = self._boundary()
            if wanted.is_found_in(line) or not boundary:
                return line
            depth *= 2
            self._fetch(git, sources, depth=depth)
            if self._boundary() == boundary:
                return line  # the server's own history is cut off there

    def _read(self, git: Git, channel_ref: str, *, end: float) -> GitLine:
        remaining = end - time.monotonic()
        line = read_cached(self.repo, channel_ref=channel_ref, environ=self.environ, timeout=remaining)
        if line is None:
            raise git.garbled(f"it lacks {channel_ref}, which was fetched")
        return evolve(line, ref=self.ref or channel_ref, url=str(self.url))

    def _boundary(self) -> bytes:
        """Read where the history is cut off; nothing where it is whole."""
        with suppress(FileNotFoundError):
            return (self.repo / "shallow").read_bytes()
        return b""

    def _list(self, git: Git, names: Mapping[str, str]) -> dict[str, str]:
        """Ask the server which of the branches it has, and with which commit each ends.

        Parameters:
            git: the cache.
            names: what each branch is called in the repository that is fetched from.
        """
        refs = [f"refs/heads/{name}" for name in names.values()]
        answer = self._talk(git, "ls-remote", "--", str(self.url), *refs)
        listed = [_TIP.fullmatch(line) for line in answer.lines()]
        tips = {each[2]: each[1] for each in listed if each is not None}
        return {branch: tips[name] for branch, name in names.items() if name in tips}

    def _tips(self, git: Git, branches: Iterable[str]) -> dict[str, str]:
        """Read with which commit each of the branches ends in the cache."""
        lines = git.read("for-each-ref", "--format=%(objectname)%09%(refname)", "refs/heads/")
        held = [_TIP.fullmatch(line) for line in lines]
        tips = {each[2]: each[1] for each in held if each is not None}
        return {branch: tips[branch] for branch in branches if branch in tips}

    def _fetch(self, git: Git, names: Mapping[str, str], *, depth: int) -> None:
        """Fetch each branch's newest commits, `depth` of them."""
        self._talk(
            git,
            "fetch",
            "--quiet",
            "--no-tags",
            "--no-recurse-submodules",
            "--update-shallow",
            "--filter=tree:0",
            f"--depth={depth}",
            "--",
            str(self.url),
            *(f"+refs/heads/{name}:refs/heads/{branch}" for branch, name in names.items()),
        )
        (self.repo / _DEPTH).write_text(f"{depth}\n")

    def _talk(self, git: Git, *arguments: str) -> Answer:
        """Run git with network access, and stop it when the server sends too much."""
        online = evolve(git, environ=self._online(git.environ))
        try:
            answer = online.run(git.command(_FETCH_SETTINGS, arguments), watch=self._check_size)
        except GitWitnessError as error:
            if error.kind is not GitFault.TIMEOUT:
                raise
            raise self._fault(
                GitFault.TIMEOUT,
                f"git could not fetch from {self.url} within {git.timeout:.3g} seconds",
                hint="run it again, which goes on from there; or allow more time with --timeout",
            ) from error
        if answer.status != 0:
            is_own = str(self.repo) in answer.complaint
            raise git.garbled(first_complaint(answer)) if is_own else self._unfetched(answer)
        self._check_size()  # it may all have come between two looks
        return answer

    def _online(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Return what git is started with: nothing may ask for a password."""
        without = {name: text for name, text in environ.items() if not name.startswith("SSH_ASKPASS")}
        ssh = self.environ.get("GIT_SSH_COMMAND") or "ssh"
        return without | {
            "GIT_ALLOW_PROTOCOL": ":".join(PROTOCOLS),
            "GIT_ASKPASS": "",
            "GIT_SSH_COMMAND": f"{ssh} -oBatchMode=yes",
            "GIT_SSH_VARIANT": "ssh",
        }

    def _unfetched(self, answer: Answer) -> GitWitnessError:
        """Make the error that says in git's words why nothing could be fetched."""
        advice = advice_in(answer)
        return self._fault(
            GitFault.NOT_FETCHED,
            f"git cannot fetch from {self.url}: {quoted(_complaints(answer))}",
            hint=f"if you trust it: {advice}"
            if advice
            else "see whether it can be reached from here, or name a directory that is a clone of kops",
        )

    def _check_size(self) -> None:
        """Stop a server that sends what was not asked for."""
        if self._size() <= LARGEST:
            return
        raise self._fault(
            GitFault.TOO_LARGE,
            f"{self.url} sent more than {LARGEST // 1_000_000} MB and was stopped: "
            "it does not leave trees out when asked to (--filter=tree:0)",
            hint="name a server that does, such as github.com, or a directory that is a clone of kops",
        )

    def _fault(self, kind: GitFault, message: str, *, hint: str) -> GitWitnessError:
        return GitWitnessError(message, kind=kind, repo=str(self.url), hint=hint)

    # ------------------------------------------------------------------------------- the files

    def _open(self, end: float) -> Git:
        """Make the repository ready, and remove what a killed git left behind, which would stop the next one."""
        is_new = not (self.repo / "HEAD").is_file()
        if not is_new:
            for left in _files(self.repo):
                if left.name.endswith(".lock") or left.name.startswith("tmp_"):
                    left.unlink(missing_ok=True)
            packs = len(list((self.repo / "objects" / "pack").glob("*.pack")))
            is_new = packs > _MOST_PACKS or self._size() > LARGEST
        if is_new:
            self._delete()
            self.repo.mkdir(mode=0o700)
        timeout = max(end - time.monotonic(), 0)
        git = Git.find(self.repo, environ=self.environ, timeout=timeout, is_exact=True)
        if is_new:
            git.read("init", "--quiet", "--bare", "--template=")
        return git

    def _depth(self) -> int | None:
        """Return how deep it was fetched, if it was."""
        with suppress(OSError, ValueError):
            return max(int((self.repo / _DEPTH).read_text()), FIRST_DEPTH)
        return None

    def _size(self) -> int:
        total = 0
        for file in _files(self.repo):
            with suppress(OSError):  # git may have renamed it just now
                total += file.stat().st_size
        return total

    def _delete(self) -> None:
        with suppress(FileNotFoundError):
            shutil.rmtree(self.repo)

    def _locked(self, directory: Path, *, end: float) -> AbstractContextManager[int]:
        """Keep other users of the cache out; the lock is a file of its own, since the cache may be deleted."""
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        return locked(self.repo.with_suffix(".lock"), wait=partial(self._wait, end))

    def _wait(self, end: float) -> None:
        """Wait for whoever holds the lock, as long as there is time."""
        if time.monotonic() >= end:
            raise self._fault(
                GitFault.TIMEOUT,
                f"another job has kept {quoted(str(self.repo))} locked for too long",
                hint="run it again, or name another directory with --git-cache",
            )
        self.sleep(_PAUSE)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._fault(
                GitFault.NOT_FETCHED,
                f"what git fetches from {self.url} cannot be kept in {quoted(str(self.repo))}: {error.strerror}",
                hint="name a directory that you may write to with --git-cache",
            ) from error


_DEPTH = "kopsversion-depth"
"""The file in a cache that says how deep it was fetched."""


def _complaints(answer: Answer) -> str:
    """Return the first line of git's messages, which ssh may have written, and the one that says what is wrong."""
    first = next((line.strip() for line in answer.complaint.splitlines() if line.strip()), "")
    return "; ".join(dict.fromkeys(each for each in (first, first_complaint(answer)) if each))


def _files(directory: Path) -> Sequence[Path]:
    return [Path(folder) / name for folder, _, names in os.walk(directory) for name in names]
