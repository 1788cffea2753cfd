"""Runs the git binary, so that it leaves no process behind and no repository can make it run something else.

Only git's plumbing is asked, which runs no alias, pager, hook, text filter or signature check. What is left (file
system monitor, network transports) is switched off. `kopsversion.witness.fetching` alone switches transports on.

This module must not know what git is asked, or why.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from kopsversion.errors import GitFault, GitWitnessError, quoted
from kopsversion.model.advice import KOPS_URL
from kopsversion.model.values import frozen
from kopsversion.witness.children import kill, release, start

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

NAME_A_CLONE = f"name a clone of {KOPS_URL} with --repo, or that URL itself"

SETTINGS = (
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
"""Settings on git's command line, where no configuration overrides them."""

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
"""Variables that git inherits, above all those by which it reads ``safe.directory`` from the user's own settings.
The rest, such as the ``GIT_DIR`` that a git hook inherits, would point it at another repository. The last one
makes git distrust every owner, which the tests need."""

_COMPLAINT = re.compile(r"^(?:error|fatal): (?!.*: expected [a-z]+ type, but)", re.MULTILINE)
"""How git's lines about a fault begin; that a name is of another kind of object is no fault."""
_PROMISED = "promisor"
"""What git's messages mention where a partial clone has left an object out: nothing is broken then."""

_POLL = 0.05  # seconds between two calls of `watch`


@frozen
class Answer:
    """What one call of git returned.

    Attributes:
        status: its exit status.
        output: what it wrote to standard output.
        complaint: what it wrote to standard error.
    """

    status: int
    output: bytes
    complaint: str

    @property
    def reports_damage(self) -> bool:
        """Whether git complains of more than an object that a partial clone has left out."""
        return _COMPLAINT.search(self.complaint) is not None and _PROMISED not in self.complaint

    def lines(self) -> list[str]:
        """Return what git wrote, line by line."""
        return self.output.decode("utf-8", "surrogateescape").splitlines()


@frozen
class Git:
    """The git binary, pointed at one directory.

    Attributes:
        binary: where git is.
        repo: the directory it is to look at.
        environ: what it is started with.
        deadline: when its time is up, on the monotonic clock, in seconds.
        timeout: how long that was, in seconds, for messages.
        is_exact: whether `repo` is the repository itself, and not any directory in one.
    """

    binary: str
    repo: Path
    environ: Mapping[str, str]
    deadline: float
    timeout: float
    is_exact: bool = False

    @classmethod
    def find(cls, repo: Path, *, environ: Mapping[str, str], timeout: float, is_exact: bool = False) -> Git:
        """Find git on the ``PATH`` of `environ`; relative entries would find one inside a hostile clone."""
        directories = [
            directory for directory in environ.get("PATH", "").split(os.pathsep) if directory.startswith("/")
        ]
        binary = shutil.which("git", path=os.pathsep.join(directories))
        git = cls(binary or "git", repo, _clean(environ), time.monotonic() + timeout, timeout, is_exact)
        if binary is None:
            raise git.fault(
                GitFault.NO_GIT,
                f"git is not installed, so {quoted(str(repo))} cannot be read",
                hint="install git, or put it on PATH",
            )
        return git

    def ask(self, *arguments: str, lines: Iterable[str] = ()) -> Answer:
        """Run git once, to its end.

        Parameters:
            arguments: a plumbing command, with no argument from outside.
            lines: what it reads from its standard input.

        Raises:
            GitWitnessError: git cannot be started, or its time is up.
        """
        return self.run(
            self.command(SETTINGS, arguments), given=os.fsencode("".join(f"{line}\n" for line in lines))
        )

    def command(self, settings: Iterable[str], arguments: Iterable[str]) -> list[str]:
        """Return the command that runs git here."""
        # With -C git would look for a repository, and might find another one around a damaged cache.
        place = [f"--git-dir={self.repo}"] if self.is_exact else ["-C", str(self.repo)]
        options = [word for setting in settings for word in ("-c", setting)]
        return [self.binary, *place, "--no-pager", *options, *arguments]

    def run(
        self, command: list[str], *, given: bytes = b"", watch: Callable[[], None] | None = None
    ) -> Answer:
        """Run one command to its end.

        Parameters:
            command: the program, and its arguments.
            given: what it reads from its standard input.
            watch: is called again and again meanwhile; what it raises ends the command.

        Raises:
            GitWitnessError: it cannot be started, or its time is up.
        """
        try:
            process = start(  # an absolute path, and arguments of our own
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=self.environ,
            )
        except OSError as error:
            raise self.fault(
                GitFault.NO_GIT,
                f"{quoted(self.binary)} cannot be started: {error.strerror}",
                hint="put a working git first on PATH",
            ) from error
        with process:
            output, complaint = self._wait(process, given, watch)
        return Answer(process.returncode, output, complaint.decode("utf-8", "replace"))

    def _wait(
        self, process: subprocess.Popen[bytes], given: bytes, watch: Callable[[], None] | None
    ) -> tuple[bytes, bytes]:
        try:
            while watch is not None and self.remaining() > _POLL:
                with suppress(subprocess.TimeoutExpired):
                    return process.communicate(given, timeout=_POLL)
                given = b""  # the first call has written it
                watch()
            return process.communicate(given, timeout=self.remaining())
        except BaseException as error:  # an interrupt too must leave no process behind
            kill(process)
            if isinstance(error, subprocess.TimeoutExpired):
                raise self.fault(
                    GitFault.TIMEOUT,
                    f"git did not answer within {self.timeout:.3g} seconds in {quoted(str(self.repo))}",
                    hint="allow more time with --timeout, or leave the clone out",
                ) from error
            raise
        finally:
            release(process)

    def remaining(self) -> float:
        """Return how many seconds git still has; 0 where its time is up."""
        return max(self.deadline - time.monotonic(), 0)

    def read(self, *arguments: str, lines: Iterable[str] = ()) -> list[str]:
        """Run git once, and return the lines that it writes.

        Raises:
            GitWitnessError: git failed, cannot be started, or its time is up.
        """
        answer = self.ask(*arguments, lines=lines)
        if answer.status != 0:
            raise self.failure(answer)
        return answer.lines()

    def failure(self, answer: Answer) -> GitWitnessError:
        """Make the error that says why git failed, as far as its messages tell."""
        repo = quoted(str(self.repo))
        advice = advice_in(answer)
        if advice is not None:
            return self.fault(
                GitFault.REFUSED,
                f"git refuses to read {repo}, because it belongs to somebody else",
                hint=f"if you trust it: {advice}",
            )
        if "not a git repository" in answer.complaint:
            return self.fault(GitFault.NOT_A_REPOSITORY, f"{repo} is not a git repository", hint=NAME_A_CLONE)
        return self.garbled(first_complaint(answer))

    def garbled(self, what: str) -> GitWitnessError:
        """Make the error for a repository that git could not read, or for output that is not git's."""
        message = f"git failed in {quoted(str(self.repo))}: {quoted(what)}"
        return self.fault(GitFault.FAILED, message, hint="git fsck in that directory may say more")

    def fault(self, kind: GitFault, message: str, *, hint: str) -> GitWitnessError:
        """Make an error about this directory."""
        return GitWitnessError(message, kind=kind, repo=str(self.repo), hint=hint)


def first_complaint(answer: Answer) -> str:
    """Return the line in which git says what is wrong, without the progress before it and the advice after it."""
    lines = [line.strip() for line in answer.complaint.splitlines() if line.strip()]
    telling = [line for line in lines if _COMPLAINT.match(line)]
    return [*telling, *lines, f"exit status {answer.status}"][0]


def advice_in(answer: Answer) -> str | None:
    """Return the command after which git would read another user's directory, if that is why it failed."""
    if "safe.directory" not in answer.complaint:
        return None
    advice = re.search(r"^\s*(git config .*safe\.directory.*)$", answer.complaint, re.MULTILINE)
    return advice[1] if advice and advice[1].isprintable() else "add it to safe.directory"


def _clean(environ: Mapping[str, str]) -> dict[str, str]:
    """Return what git is started with: the user's environment, without what would mislead it."""
    passed_on = {
        name: value
        for name, value in environ.items()
        if not name.startswith("GIT_") or _KEPT.fullmatch(name) is not None
    }
    return passed_on | _ENVIRONMENT
