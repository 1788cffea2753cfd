"""Where a process begins and ends: the console scripts, and ``python -m kopsversion``.

A resolve lives a quarter of a second, most of which is Python's start, imports and end. So the collector is told to
wait before anything is imported, `resolve-latest` loads no command but its own, and nothing is taken apart at the
end. This module must not know what any command does.
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
"""What a shell reports of a program that SIGTERM ended: how Prow ends a job."""


def resolve_latest() -> None:
    """Be the process ``resolve-latest``."""
    with _short_lived():
        from kopsversion.cli.resolve import resolve

        resolve.main(prog_name="resolve-latest")


def kopsversion() -> None:
    """Be the process ``kopsversion``."""
    with _short_lived():
        from kopsversion.cli.toolbox import tools

        tools.main(prog_name="kopsversion")


def one_file() -> None:
    """Be one of the two, from ``kopsversion.pyz``: by the name that it was called by, or by its first argument."""
    called = os.path.basename(sys.argv[0]).partition(".")[0]  # noqa: PTH119 # pathlib would cost each start
    if called == "resolve-latest":
        resolve_latest()
    if sys.argv[1:2] == ["resolve-latest"]:
        del sys.argv[1]
        resolve_latest()
    kopsversion()


@contextmanager
def _short_lived() -> Iterator[None]:
    """Run a command as a process that lives a fraction of a second, and keeps nearly all that it makes.

    Python looks for garbage in cycles after every 700 new objects. A resolve ends with some 50,000 objects, nearly
    all of them from imports and none worth freeing (figures: docs/performance.md). A run that goes on to make many
    more objects is still looked after.

    SIGTERM ends it as an interrupt does: no file is left half-written, and no git alone.
    """
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS, *gc.get_threshold()[1:])
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:  # or whoever started us wants it ignored
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
    try:
        yield
    except SystemExit as ended:
        if isinstance(ended.code, int):
            leave(ended.code)
        raise


def leave(status: int) -> None:
    """End the process at once, after all that is registered for its end has run and all that was written is out.

    Python would go on to take every object apart (figures: docs/performance.md), beside threads that may still
    wait for a server that the deadline has given up. mypy ends the same way. Where a stream cannot be flushed this
    returns, and Python ends the process as it always does.

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
