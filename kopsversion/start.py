"""Where a process begins: the console scripts, and ``python -m kopsversion``.

A resolve lives a quarter of a second, and imports for most of it, so Python's collector is told to wait before
anything is imported, and `resolve-latest` loads no command but its own. This module must not know what any
command does.
"""

from __future__ import annotations

import atexit
import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["main", "resolve_latest_main", "short_lived"]

_OBJECTS_BETWEEN_COLLECTIONS = 200_000


@contextmanager
def short_lived() -> Iterator[None]:
    """Run a command as a process that lives a fraction of a second, and keeps nearly all that it makes.

    Python looks for garbage in cycles after every 700 new objects, and again at its end. A resolve ends with some
    50,000 objects, nearly all of them from imports and none worth freeing; looking took a fifth of its time
    (docs/performance.md). A run that goes on to make many more objects is still looked after.
    """
    before = gc.get_threshold()
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS, *before[1:])
    atexit.register(gc.freeze)  # the last look leaves out what is frozen
    try:
        yield
    finally:
        gc.set_threshold(*before)


def resolve_latest_main(arguments: Sequence[str] | None = None) -> None:
    """Run ``resolve-latest`` and exit; `arguments` are those of the process where left out."""
    with short_lived():
        from kopsversion.resolve_command import resolve

        resolve.main(arguments, prog_name="resolve-latest")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run ``kopsversion`` and exit; `arguments` are those of the process where left out."""
    with short_lived():
        from kopsversion.cli import tools

        tools.main(arguments, prog_name="kopsversion")
