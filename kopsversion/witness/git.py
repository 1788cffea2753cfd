"""Reads one branch of a clone of kops with the git binary (DESIGN section 4, witness 1).

A clone says exactly which builds are a branch's own: those whose commit is on its first-parent line. This
module only looks. It starts no other program than git, lets git start none, fetches nothing, writes
nothing, and is done after a handful of git calls, however long the history: two of them read commits.

The clone's configuration is not trusted. Only git's plumbing is used, which runs no alias, pager, hook,
text filter or signature check; what is left (file system monitor, network transports) is switched off.

It must not know what a build, a marker or a policy is.
"""

from __future__ import annotations

import atexit
import os
import re
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from attrs import frozen

from kopsversion.errors import GitFault, GitWitnessError, UsageError, quoted
from kopsversion.model.bucket import GitCommit, GitLine
from kopsversion.model.channel import MASTER

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

__all__ = ["find_clone", "read_line"]

_HOMES = ("refs/remotes/origin/", "refs/remotes/upstream/", "refs/heads/")
"""Where a channel's branch is looked for, in this order (DESIGN section 9, ``--ref``)."""

_SETTINGS = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.alternateRefsCommand=false",
    "core.sshCommand=false",
    "core.askPass=false",
    "credential.helper=",
    "protocol.allow=never",
    "gc.auto=0",
    "maintenance.auto=false",
)

_ENVIRONMENT = {
    "GIT_ALLOW_PROTOCOL": "none",  # unlike protocol.allow, the clone's own configuration cannot override it
    "GIT_NO_LAZY_FETCH": "1",  # gits before 2024 do not know it, and stop at GIT_ALLOW_PROTOCOL
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_GRAFT_FILE": os.devnull,
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_PAGER": "cat",
    "LC_ALL": "C",  # its messages are read below
    "LANG": "C",
}

_KEPT = re.compile(
    r"GIT_(?:CEILING_DIRECTORIES|DISCOVERY_ACROSS_FILESYSTEM"
    r"|CONFIG_(?:GLOBAL|SYSTEM|NOSYSTEM|COUNT|KEY_\d+|VALUE_\d+)"
    r"|TEST_ASSUME_DIFFERENT_OWNER)"
)
"""What the user may tell git: above all ``safe.directory``, which git reads from the user's own settings.
The rest, such as the ``GIT_DIR`` that a git hook inherits, would point it at another repository. The last one
makes git distrust every owner, and so shows what it says then."""

_CHANNEL_BRANCH = re.compile(r"refs/(?:heads|remotes/[a-z]+)/(?:master|release-[0-9]+\.[0-9]+)")
_OBJECT = re.compile(r"([0-9a-f]{40,64}) ([a-z]+) [0-9]+")
_KOPS_URL = re.compile(r"[/:]kops(?:\.git)?/?$")
_NAME_A_CLONE = "name a clone of https://github.com/kubernetes/kops with --repo"
_LATEST_TIME = int(datetime(9999, 12, 31, tzinfo=UTC).timestamp())


@frozen
class _Answer:
    """What one call of git came to."""

    status: int
    output: bytes
    complaint: str


@frozen
class _Git:
    """The git binary, pointed at one directory.

    Attributes:
        binary: where git is.
        repo: the directory it is to look at.
        environ: what it is started with.
        deadline: when its time is up, on the monotonic clock, in seconds.
        timeout: how long that was, in seconds, for messages.
    """

    binary: str
    repo: Path
    environ: Mapping[str, str]
    deadline: float
    timeout: float

    @classmethod
    def find(cls, repo: Path, *, environ: Mapping[str, str], timeout: float) -> _Git:
        """Find git on the ``PATH`` of `environ`; relative entries would find one inside a hostile clone."""
        directories = [
            directory for directory in environ.get("PATH", "").split(os.pathsep) if directory.startswith("/")
        ]
        binary = shutil.which("git", path=os.pathsep.join(directories))
        git = cls(binary or "git", repo, _clean(environ), time.monotonic() + timeout, timeout)
        if binary is None:
            raise git.fault(
                GitFault.NO_GIT,
                f"git is not installed, so {quoted(str(repo))} cannot be read",
                hint="install git, or put it on PATH",
            )
        return git

    def ask(self, *arguments: str, lines: Iterable[str] = ()) -> _Answer:
        """Run git once, and let nothing of it live on.

        Parameters:
            arguments: a plumbing command, with no argument from outside.
            lines: what it reads from its standard input.

        Raises:
            GitWitnessError: git cannot be started, or its time is up.
        """
        settings = [word for setting in _SETTINGS for word in ("-c", setting)]
        command = [self.binary, "-C", str(self.repo), "--no-pager", *settings, *arguments]
        given = os.fsencode("".join(f"{line}\n" for line in lines))
        try:
            process = subprocess.Popen(  # noqa: S603 - no shell, an absolute path, and arguments of our own
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=self.environ,
                start_new_session=True,  # a process group of its own, so that its children die with it
            )
        except OSError as error:
            raise self.fault(
                GitFault.NO_GIT,
                f"{quoted(self.binary)} cannot be started: {error.strerror}",
                hint="put a working git first on PATH",
            ) from error
        with process:
            output, complaint = self._wait(process, given)
        return _Answer(process.returncode, output, complaint.decode("utf-8", "replace"))

    def _wait(self, process: subprocess.Popen[bytes], given: bytes) -> tuple[bytes, bytes]:
        end = partial(_end, process)
        atexit.register(end)  # in a thread, nothing is raised when the process is interrupted
        try:
            return process.communicate(given, timeout=max(self.deadline - time.monotonic(), 0))
        except BaseException as error:  # an interrupt too must leave no process behind
            end()
            if isinstance(error, subprocess.TimeoutExpired):
                raise self.fault(
                    GitFault.TIMEOUT,
                    f"git did not answer within {self.timeout:.3g} seconds in {quoted(str(self.repo))}",
                    hint="allow more time with --timeout, or leave the clone out",
                ) from error
            raise
        finally:
            atexit.unregister(end)

    def read(self, *arguments: str, lines: Iterable[str] = ()) -> list[str]:
        """Run git once, and return the lines that it writes.

        Raises:
            GitWitnessError: git failed, cannot be started, or its time is up.
        """
        answer = self.ask(*arguments, lines=lines)
        if answer.status != 0:
            raise self.failure(answer)
        return answer.output.decode("utf-8", "surrogateescape").splitlines()

    def failure(self, answer: _Answer) -> GitWitnessError:
        """Say why git failed, as far as its complaint tells."""
        repo = quoted(str(self.repo))
        if "safe.directory" in answer.complaint:
            advice = re.search(r"^\s*(git config .*safe\.directory.*)$", answer.complaint, re.MULTILINE)
            command = advice[1] if advice and advice[1].isprintable() else "add it to safe.directory"
            return self.fault(
                GitFault.REFUSED,
                f"git refuses to read {repo}, because it belongs to somebody else",
                hint=f"if you trust it: {command}",
            )
        if "not a git repository" in answer.complaint:
            return self.fault(
                GitFault.NOT_A_REPOSITORY, f"{repo} is not a git repository", hint=_NAME_A_CLONE
            )
        complaint = answer.complaint.strip().splitlines() or [f"exit status {answer.status}"]
        return self.garbled(complaint[0])

    def garbled(self, what: str) -> GitWitnessError:
        """Say that git could not make sense of the directory, or we of git."""
        message = f"git failed in {quoted(str(self.repo))}: {quoted(what)}"
        return self.fault(GitFault.FAILED, message, hint="git fsck in that directory may say more")

    def fault(self, kind: GitFault, message: str, *, hint: str) -> GitWitnessError:
        """Make an error about this directory."""
        return GitWitnessError(message, kind=kind, repo=str(self.repo), hint=hint)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End git, and all that it has started."""
    with suppress(ProcessLookupError, PermissionError):  # it may have ended just now
        os.killpg(process.pid, signal.SIGKILL)


def _clean(environ: Mapping[str, str]) -> dict[str, str]:
    """Return what git is started with: the user's environment, without what would mislead it."""
    passed_on = {
        name: value
        for name, value in environ.items()
        if not name.startswith("GIT_") or _KEPT.fullmatch(name) is not None
    }
    return passed_on | _ENVIRONMENT


# --------------------------------------------------------------------------------------------------
# Is it a clone of kops?


def find_clone(start: Path, *, environ: Mapping[str, str], timeout: float) -> Path | None:
    """Find out whether a directory is in a clone of kops, without noise where it is not (issue 3).

    Parameters:
        start: usually the current directory; it may be a subdirectory of the clone.
        environ: the process environment.
        timeout: seconds.

    Returns:
        `start` if it is in a clone of kops, and ``None`` if it is not.

    Raises:
        GitWitnessError: git did not answer in time, or could not read what looks like a clone of kops, so that the
            next witness has to do and the reader is to know (DESIGN section 4).
    """
    try:
        git = _open(start, environ=environ, timeout=timeout)
        return start if _is_kops(git, ["HEAD", *_branches(git)]) else None
    except GitWitnessError as error:
        # Git does not tell, so the files have to tell whether that is worth a word.
        if error.kind is GitFault.TIMEOUT or _looks_like_kops(start):
            raise
        return None


def _looks_like_kops(start: Path) -> bool:
    try:
        place = start.absolute()
    except OSError:  # the current directory is gone
        return False
    return any(
        (directory / "cmd/kops").is_dir() and (directory / "upup").is_dir()
        for directory in (place, *place.parents)
    )


def _open(repo: Path, *, environ: Mapping[str, str], timeout: float) -> _Git:
    git = _Git.find(repo, environ=environ, timeout=timeout)
    if not repo.is_dir():
        message = f"{quoted(str(repo))} is not a directory"
        raise git.fault(GitFault.NOT_A_REPOSITORY, message, hint=_NAME_A_CLONE)
    return git


def _branches(git: _Git) -> dict[str, str]:
    """Read the tip of every branch that is a channel, by full ref name."""
    patterns = [f"{home}{branch}" for home in _HOMES for branch in (MASTER, "release-*")]
    names = [
        name
        for name in git.read("for-each-ref", "--format=%(refname)", *patterns)
        if _CHANNEL_BRANCH.fullmatch(name)
    ]
    # A damaged branch must not cost the others, so their commits are looked up one by one.
    found = _look_up(git, [f"{name}^{{commit}}" for name in names])
    return {name: tip[0] for name, tip in zip(names, found, strict=True) if tip is not None}


def _look_up(git: _Git, names: Sequence[str]) -> list[tuple[str, str] | None]:
    """Ask for the id and type of objects, by any name that git understands.

    The names are handed over on standard input, where none can be taken for an option.
    """
    answer = git.ask("cat-file", "--batch-check", lines=names)
    # An object that a partial clone has left out may end the command.
    if answer.status != 0 and "promisor" not in answer.complaint:
        raise git.failure(answer)
    found: list[tuple[str, str] | None] = []
    for line in answer.output.decode("utf-8", "surrogateescape").splitlines():
        known = _OBJECT.fullmatch(line)
        found.append((known[1], known[2]) if known else None)
    return found + [None] * (len(names) - len(found))


def _is_kops(git: _Git, revisions: Sequence[str]) -> bool:
    """Look whether the tree of a revision has what every kops since 2016 has.

    The tree is asked and not the file system: a bare or sparse clone has no such files. A clone made with
    ``--filter=tree:0`` has no trees either; there, the place it was cloned from has to do.
    """
    parts = ("^{tree}", ":cmd/kops", ":upup", ":pkg/apis")
    found = _look_up(git, [f"{revision}{part}" for revision in revisions for part in parts])
    trees = [known is not None and known[1] == "tree" for known in found]
    if any(trees):
        return any(trees[i + 1] and (trees[i + 2] or trees[i + 3]) for i in range(0, len(trees), len(parts)))
    remotes = git.ask("config", "--get-regexp", r"^remote\..*\.url$").output.decode("utf-8", "replace")
    return any(_KOPS_URL.search(line) for line in remotes.splitlines())


# --------------------------------------------------------------------------------------------------
# What does it say of a channel?


def read_line(
    repo: Path, *, channel_ref: str, ref: str | None = None, environ: Mapping[str, str], timeout: float
) -> GitLine:
    """Read a channel's line, and which commits are known to be on another channel's.

    The line of a release branch begins where it leaves master's: what lies before was built as master's.
    (history) No commit is on the lines of two branches, of the 7,042 published from 2019 to 2024.

    Parameters:
        repo: a directory in a clone of kops, bare or not.
        channel_ref: ``master`` or ``release-X.Y``.
        ref: what to read instead of the channel's branch, in any form that ``git rev-parse`` understands.
        environ: the process environment.
        timeout: seconds, for everything together.

    Raises:
        UsageError: `ref` cannot be the name of a commit.
        GitWitnessError: the directory has nothing to say about the channel; `kind` tells why.
    """
    if ref is not None:
        _check(ref)
    git = _open(repo, environ=environ, timeout=timeout)
    shallow = git.read("rev-parse", "--is-shallow-repository") == ["true"]
    branches = _branches(git)
    chosen, tip = _choose(git, branches, channel_ref=channel_ref, ref=ref)
    if not _is_kops(git, [tip] if tip else ["HEAD", *branches]):
        where = f"{quoted(chosen)} has no cmd/kops" if tip else "no branch of it has a cmd/kops"
        message = f"{quoted(str(repo))} is not a clone of kops: {where}"
        raise git.fault(GitFault.NOT_KOPS, message, hint=_NAME_A_CLONE)
    if tip is None:
        raise _no_ref(git, chosen, channel_ref=channel_ref)

    same = _at(branches, channel_ref)
    masters = [] if channel_ref == MASTER else _at(branches, MASTER)
    others = [branches[name] for name in branches if not name.endswith(f"/{channel_ref}")]

    parents, times = _read_lines(git, [tip, *masters])
    trunk = frozenset(commit for master in masters for commit in _walk(parents, master))
    line = list(_walk(parents, tip))
    own = [commit for commit in line if commit not in trunk]
    others_own = _read_others(git, others, tip=tip, known=trunk.union(line), near=[*same, *masters])
    return GitLine(
        ref=chosen,
        commits=tuple(_dated(reversed(own), times)),
        elsewhere=trunk | others_own,
        shallow=shallow,
        channel=channel_ref,
    )


def _check(ref: str) -> None:
    if not ref or ref.startswith("-") or not ref.isprintable():
        raise UsageError(
            f"{quoted(ref)} cannot be the name of a git ref",
            hint="a ref looks like origin/master, release-1.30 or a commit id",
        )


def _at(branches: Mapping[str, str], branch: str) -> list[str]:
    """Return the tips of one branch, wherever the clone has it."""
    return [branches[home + branch] for home in _HOMES if home + branch in branches]


def _choose(
    git: _Git, branches: Mapping[str, str], *, channel_ref: str, ref: str | None
) -> tuple[str, str | None]:
    """Return which ref to read, and its commit; ``None`` where the clone does not have it."""
    if ref is not None:
        (found,) = _look_up(git, [f"{ref}^{{commit}}"])
        return ref, found[0] if found else None
    for home in _HOMES:
        if home + channel_ref in branches:
            return _short(home + channel_ref), branches[home + channel_ref]
    return channel_ref, None


def _short(name: str) -> str:
    return name.removeprefix("refs/remotes/").removeprefix("refs/heads/")


def _no_ref(git: _Git, ref: str, *, channel_ref: str) -> GitWitnessError:
    return git.fault(
        GitFault.NO_REF,
        f"the clone {quoted(str(git.repo))} has no {quoted(ref)}",
        hint=f"git fetch origin {channel_ref}:refs/remotes/origin/{channel_ref}, or name another with --ref",
    )


def _read_lines(git: _Git, tips: Iterable[str]) -> tuple[dict[str, str | None], dict[str, int]]:
    """Read first-parent lines: of every commit its first parent, and its time in seconds since the epoch."""
    parents: dict[str, str | None] = {}
    times: dict[str, int] = {}
    for line in git.read("rev-list", "--first-parent", "--parents", "--timestamp", "--stdin", lines=tips):
        try:
            seconds, commit, *rest = line.split(" ", 3)
            times[commit] = int(seconds)
        except ValueError as error:
            raise git.garbled(f"a line of history is {line}") from error
        parents[commit] = rest[0] if rest else None
    return parents, times


def _walk(parents: Mapping[str, str | None], tip: str) -> Iterator[str]:
    """Follow first parents as far as they are known, newest first."""
    commit: str | None = tip
    while commit is not None and commit in parents:
        yield commit
        commit = parents[commit]


def _dated(commits: Iterable[str], times: Mapping[str, int]) -> Iterator[GitCommit]:
    """Give commits, oldest first, their times.

    A time that no calendar has (git hands out 0 or a number near 2**64 for one that it cannot read) becomes
    the one before it on the line.
    """
    moment = datetime.fromtimestamp(0, UTC)
    for commit in commits:
        if 0 < times[commit] <= _LATEST_TIME:
            moment = datetime.fromtimestamp(times[commit], UTC)
        yield GitCommit(commit, moment)


def _read_others(
    git: _Git, others: Sequence[str], *, tip: str, known: frozenset[str], near: Iterable[str]
) -> frozenset[str]:
    """Read the commits that other channels' branches have to themselves.

    A wrong "elsewhere" would take a build from its channel, so it must be proven. A branch's commits count
    if it left a known line, not where our own ends (they may then be ours, further on), and if neither our
    line nor another copy of our branch has merged them (it may then have lost its first parents).

    Parameters:
        others: the tips of the other branches.
        tip: the end of our line.
        known: our line, and master's.
        near: tips of other copies of our branch and of master, which may be ahead of ours.
    """
    excluded = [f"^{commit}" for commit in [tip, *near]]
    parents: dict[str, str | None] = {}
    for line in git.read("rev-list", "--first-parent", "--parents", "--stdin", lines=[*others, *excluded]):
        commit, *rest = line.split(" ", 2)
        parents[commit] = rest[0] if rest else None
    proven: set[str] = set()
    for other in others:
        segment = list(_walk(parents, other))
        start = parents[segment[-1]] if segment else None
        if start in known and start != tip:
            proven.update(segment)
    return frozenset(proven)
