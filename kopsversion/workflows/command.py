"""Runs a command as a test of a build: in a process group of its own, and never left behind (DESIGN section 14).

A command may write without end, ignore signals or leave processes running. Its output is passed to the caller, cut in
the middle where it is long, so that it fills neither memory nor a log. Whatever ends the run, the whole process group
ends with it. This module must not know what an exit status means.
"""

from __future__ import annotations

import errno
import os
import select
import shutil
import signal
import subprocess
import time
from typing import TYPE_CHECKING

from kopsversion.errors import UsageError, quoted
from kopsversion.witness.children import kill, release, signals_held, start

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["Command", "check_command"]

SHOWN = 1 << 20
"""Bytes of one run's output that are shown as they are written."""

TAIL = 16 << 10
"""Bytes of the output's end that are shown where it is longer than that: failures are reported there."""

GRACE = 5.0
"""Seconds that a command may take to end after SIGTERM, before it is killed."""

_LEFTOVER_GRACE = 1.0
_PAUSE = 0.05
_PIECE = 1 << 16
_PIPE = 1 << 20  # bytes that a pipe can hold at the most (Linux, fs.pipe-max-size)

PLACEHOLDER = "{}"
"""Stands for the build's URL in an argument."""

_ABOUT_THE_COMMAND = {errno.ENOENT, errno.EACCES, errno.EPERM, errno.ENOEXEC, errno.ENOTDIR, errno.E2BIG}


def check_command(command: Sequence[str], *, environ: Mapping[str, str]) -> None:
    """Refuse a command that cannot be started, before anything is asked of a store.

    Parameters:
        command: the program and its arguments.
        environ: the environment; of it ``PATH`` is read.

    Raises:
        UsageError: there is no such program, or it is not executable.
    """
    program = command[0] if command else ""
    if not program or any("\0" in word for word in command):
        raise UsageError(
            f"{quoted(' '.join(command))} is not a command", hint="put the command and its arguments after --"
        )
    if PLACEHOLDER in program or shutil.which(program, path=environ.get("PATH")) is not None:
        return
    if os.path.isdir(program):  # noqa: PTH112 # a name, which need not be a path
        raise UsageError(f"{quoted(program)} is a directory, not a command", hint="name a program in it")
    if os.path.exists(program):  # noqa: PTH110 # see above
        raise UsageError(
            f"the command {quoted(program)} is not executable", hint=f"chmod +x {quoted(program)}"
        )
    raise UsageError(
        f"there is no command {quoted(program)}",
        hint="name a program on PATH, or give its path, as in ./test.sh; shell syntax needs sh -c '…'",
    )


class _Output:
    """Shows what a run writes: the first bytes as they are written, and the last ones at the end."""

    def __init__(self, show: Callable[[bytes], object]) -> None:
        self._show = show
        self._room = SHOWN
        self._tail = b""
        self._left_out = 0

    def take(self, data: bytes) -> None:
        shown, rest = data[: self._room], data[self._room :]
        self._room -= len(shown)
        if shown:
            self._show(shown)
        if rest:
            kept = self._tail + rest
            self._tail = kept[-TAIL:]
            self._left_out += len(kept) - len(self._tail)

    def end(self) -> None:
        if self._left_out:
            self._show(f"\n… {self._left_out} bytes of the command's output are not shown …\n".encode())
        if self._tail:
            self._show(self._tail)


class Command:
    """A command that can be run once for each build.

    Parameters:
        words: the program and its arguments.
        environ: what it is started with, besides each run's own variables.
        show: is given what it writes, to standard output and error alike.
        sleep: waits for that many seconds.
    """

    def __init__(
        self,
        words: Sequence[str],
        *,
        environ: Mapping[str, str],
        show: Callable[[bytes], object],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.words = tuple(words)
        self._environ = dict(environ)
        self._show = show
        self._sleep = sleep

    def run(self, *, url: str, variables: Mapping[str, str]) -> int:
        """Run the command once, to its end.

        Parameters:
            url: takes the place of ``{}`` in the arguments.
            variables: environment variables of this run.

        Returns:
            Its exit status; for a command that a signal ended, the signal's number with a minus, as
            `subprocess.Popen.returncode`.

        Raises:
            UsageError: it cannot be started.
        """
        words = [word.replace(PLACEHOLDER, url) for word in self.words]
        process: subprocess.Popen[bytes] | None = None
        grace = GRACE
        try:
            with signals_held():  # a signal that comes while it starts would leave it behind
                process = self._start(words, variables)
            self._follow(process)
            grace = _LEFTOVER_GRACE
        finally:
            self._end(process, grace=grace)
        return process.returncode

    def _start(self, words: Sequence[str], variables: Mapping[str, str]) -> subprocess.Popen[bytes]:
        try:
            return start(  # the user's own command, without a shell
                words,
                stdin=subprocess.DEVNULL,  # it runs without a terminal, and must not wait for one
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env={**self._environ, **variables},
            )
        except OSError as error:
            if error.errno not in _ABOUT_THE_COMMAND:
                raise
            raise UsageError(
                f"the command {quoted(words[0])} cannot be started: {error.strerror}",
                hint="a script needs a first line such as #!/bin/sh that names an interpreter which exists",
            ) from error

    def _follow(self, process: subprocess.Popen[bytes]) -> None:
        """Pass on what the command writes, until it has ended.

        A process that it leaves running keeps the pipe open, and may write without end. So once the command has ended,
        no more is read than a pipe can hold.
        """
        assert process.stdout is not None  # noqa: S101 # a pipe was asked for
        output = _Output(self._show)
        descriptor = process.stdout.fileno()
        left: int | None = None  # bytes that may still be in the pipe, once the command has ended
        while True:
            if left is None and process.poll() is not None:
                left = _PIPE
            readable, _, _ = select.select([descriptor], [], [], _PAUSE if left is None else 0)
            data = os.read(descriptor, _PIECE) if readable else b""
            output.take(data)
            left = None if left is None else left - len(data)
            is_over = not data and (bool(readable) or left is not None)
            if is_over or (left is not None and left <= 0):
                break
        process.wait()
        output.end()

    def _end(self, process: subprocess.Popen[bytes] | None, *, grace: float) -> None:
        """End what is left of the process group: by SIGTERM, and after a while by SIGKILL."""
        if process is None:  # it could not be started
            return
        try:
            if _signal(process, signal.SIGTERM):
                for _ in range(round(grace / _PAUSE)):
                    process.poll()
                    if not _signal(process, 0):
                        break
                    self._sleep(_PAUSE)
        finally:  # a second Ctrl-C ends the wait
            kill(process)
            assert process.stdout is not None  # noqa: S101 # a pipe was asked for
            process.stdout.close()
            process.wait()
            release(process)


def _signal(process: subprocess.Popen[bytes], number: int) -> bool:
    """Send a signal to the process group; return whether there still is one."""
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True
