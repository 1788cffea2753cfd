"""Child processes, none of which outlives this process.

Each child has a process group of its own, so that all it has started ends with it. A thread may be starting one at the
moment at which the process ends, and no signal reaches it. So children are started and ended under one lock, and none
is started once they have been ended. This module must not know what a child is for.
"""

from __future__ import annotations

import atexit
import errno
import os
import signal
import subprocess
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Children", "kill", "release", "signals_held", "start"]


class Children:
    """The children of a process, until it ends."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._alive: set[subprocess.Popen[bytes]] = set()
        self._is_over = False

    def start(self, command: Sequence[str], **settings: Any) -> subprocess.Popen[bytes]:
        """Start a child; see `start`."""
        process: subprocess.Popen[bytes] | None = None
        try:
            with signals_held(), self._lock:
                self._check_going_on()
                process = subprocess.Popen(command, start_new_session=True, **settings)  # noqa: S603 - no shell
                self._alive.add(process)
        except BaseException:
            if process is not None:  # a signal came meanwhile
                kill(process)
                self.release(process)
            raise
        return process

    def _check_going_on(self) -> None:
        if self._is_over:
            raise OSError(errno.ECANCELED, "this process is ending")

    def release(self, process: subprocess.Popen[bytes]) -> None:
        """Forget a child that has ended."""
        with self._lock:
            self._alive.discard(process)

    def end(self) -> None:
        """Kill every child, and start no other."""
        with self._lock:
            self._is_over = True
            for process in self._alive:
                kill(process)


_CHILDREN = Children()  # of this process, of which there is one
atexit.register(_CHILDREN.end)


def start(command: Sequence[str], **settings: Any) -> subprocess.Popen[bytes]:
    """Start a child, which is killed when this process ends.

    Parameters:
        command: the program, with an absolute path or one that ``PATH`` finds, and its arguments.
        settings: those of `subprocess.Popen`.

    Returns:
        The process; who started it calls `release` when it has ended.

    Raises:
        OSError: it cannot be started, or this process is ending.
    """
    return _CHILDREN.start(command, **settings)


def release(process: subprocess.Popen[bytes]) -> None:
    """Forget a child that has ended, since its number may soon be another process's."""
    _CHILDREN.release(process)


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a child, and all that it has started."""
    with suppress(ProcessLookupError, PermissionError):  # it may have ended just now
        os.killpg(process.pid, signal.SIGKILL)


@contextmanager
def signals_held() -> Iterator[None]:
    """Delay SIGINT and SIGTERM until the block has ended; the process that is started in it does not inherit that."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    ours = [number for number in (signal.SIGINT, signal.SIGTERM) if callable(signal.getsignal(number))]
    before = {number: signal.signal(number, lambda number, _: came.append(number)) for number in ours}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for each in came:
            signal.raise_signal(each)
