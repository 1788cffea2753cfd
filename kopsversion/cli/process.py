"""Where a process begins and ends: the console scripts, and ``python -m kopsversion``.

A resolve takes a quarter of a second, most of which is Python's start, imports and end. So garbage collection is put
off before anything is imported, `resolve-latest` loads no command but its own, and no object is freed at the end. This
module must not know what any command does.
"""

from __future__ import annotations

import atexit
import gc
import os
import signal
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["TERMINATED", "kopsversion", "leave", "one_file", "resolve_latest"]

_OBJECTS_BETWEEN_COLLECTIONS = 200_000
TERMINATED = 143
"""The exit status of a program that SIGTERM ended, which is how Prow ends a job."""


def resolve_latest() -> None:
    """Run the process ``resolve-latest``."""
    with _short_lived():
        from kopsversion.cli.resolve import resolve

        resolve.main(prog_name="resolve-latest")


def kopsversion() -> None:
    """Run the process ``kopsversion``."""
    with _short_lived():
        from kopsversion.cli.toolbox import tools

        tools.main(prog_name="kopsversion")


def one_file() -> None:
    """Run one of the two from ``kopsversion.pyz``, chosen by the file's name or by the first argument."""
    called = os.path.basename(sys.argv[0]).partition(".")[0]  # noqa: PTH119 # pathlib would cost each start
    if called == "resolve-latest":
        resolve_latest()
    if sys.argv[1:2] == ["resolve-latest"]:
        del sys.argv[1]
        resolve_latest()
    kopsversion()


@contextmanager
def _short_lived() -> Iterator[None]:
    """Run a command in a process that takes a fraction of a second and frees hardly any objects.

    Python looks for garbage in cycles after every 700 new objects. A resolve ends with some 50,000 objects, nearly
    all of them from imports and none worth freeing (figures: docs/performance.md). A run that makes many more objects
    is still collected.

    SIGTERM ends it as an interrupt does: no file is left half-written, and no git process behind.
    """
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS, *gc.get_threshold()[1:])
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:  # else the parent process wants it ignored
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
    try:
        yield
    except SystemExit as ended:
        if isinstance(ended.code, int):
            leave(ended.code)
        raise


def leave(status: int) -> None:
    """End the process at once, after the functions of `atexit` have run and both streams are flushed.

    Python would go on to free every object (figures: docs/performance.md), beside threads that may still wait for a
    server that was given up at the deadline. mypy ends the same way. Where a stream cannot be flushed this returns,
    and Python ends the process as usual.

    Parameters:
        status: the exit status.
    """
    atexit._run_exitfuncs()  # noqa: SLF001 # no public name does it; multiprocessing uses this one since Python 3.13
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    except (OSError, ValueError):
        return
    os._exit(status)
