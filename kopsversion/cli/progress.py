"""Progress on a terminal: of a download, or of a question that takes long.

It is drawn on standard error, and removed at the end. This module must not know what is downloaded or asked.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from rich.progress import ProgressColumn

__all__ = ["shown", "step_shown"]


@contextmanager
def shown(title: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar while the block runs; it gets a function to call with the bytes done and those in all."""
    columns = (
        _title(),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with _drawn(columns) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def step_shown() -> Iterator[Callable[[str], None]]:
    """Show a line while the block runs; it gets a function to call with what is done now, in a few words."""
    with _drawn((SpinnerColumn(), _title(), TimeElapsedColumn())) as line:
        task = line.add_task("", total=None)
        yield lambda what: line.update(
            task, description=what, refresh=True
        )  # so that a short step is seen too


def _title() -> ProgressColumn:
    return TextColumn("{task.description}", markup=False)


def _drawn(columns: Iterable[ProgressColumn]) -> Progress:
    return Progress(*columns, console=Console(stderr=True), transient=True)
