"""A channel's builds as a table, and any table laid out for a terminal (DESIGN section 9).

`builds_table` says what is shown; `decorated` says how: colour for a terminal, versions never cut or broken. Logs and
files get `kopsversion.model.tables.plain`. Knows nothing of streams, and reads the terminal's width only through rich.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kopsversion.model.tables import Table, printable
from kopsversion.model.wording import duration, moment

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from rich.table import Table as RichTable

    from kopsversion.workflows.listing import ChannelListing, ListedBuild

__all__ = ["builds_table", "decorated"]


# --------------------------------------------------------------------------------------------------
# What is shown


def builds_table(listing: ChannelListing) -> Table:
    """Return a channel's builds, newest first, or those of every channel, one channel after the other."""
    return Table(
        title=f"Builds of {listing.channel or 'every channel'} on {moment(listing.now)}",
        columns=("build", "uploaded", "age", "distance", "channel", "by", "testable"),
        rows=tuple(_build_row(row, now=listing.now) for row in listing.rows),
    )


def _build_row(row: ListedBuild, *, now: datetime) -> tuple[str, ...]:
    distance = row.version.distance
    return (
        str(row.version),
        moment(row.uploaded) if row.uploaded else "?",
        duration(now - row.uploaded) if row.uploaded else "?",
        "?" if distance is None else str(distance),
        row.attribution.ref,
        f"{row.attribution.witness} ({row.attribution.certainty})",
        f"no: {'; '.join(row.refusals)}" if row.refusals else "yes",
    )


# --------------------------------------------------------------------------------------------------
# How it is shown


_STYLES = {
    **dict.fromkeys(("error", "dangling", "incomplete", "malformed", "wrong-channel", "foreign"), "bold red"),
    **dict.fromkeys(
        ("warning", "stale", "lagging", "missing", "unreachable", "unverified", "unsettled"), "yellow"
    ),
    **dict.fromkeys(("unhealthy", "unreadable"), "bold red"),
    **dict.fromkeys(("current", "healthy", "yes"), "green"),
}
_NARROWEST = 40
"""Characters that the wrapped column gets at the least, however narrow the terminal is."""


def decorated(tables: Iterable[Table]) -> str:
    """Lay tables out for a terminal, with colour; sentences are wrapped at its width, versions never."""
    from io import StringIO

    from rich.console import Console
    from rich.text import Text

    out = StringIO()
    console = Console(file=out, force_terminal=True, highlight=False)
    terminal = console.width
    for position, table in enumerate(tables):
        # A terminal that is too narrow for a version breaks the line itself, and copying it still works.
        console.width = max(terminal, _needed(table))
        console.print(Text(f"{'' if position == 0 else chr(10)}{table.title}", style="bold"))
        console.print(_decorated(table), crop=False)
    return "".join(f"{line.rstrip()}\n" for line in out.getvalue().splitlines())


def _decorated(table: Table) -> RichTable:
    from rich.table import Table as RichTable
    from rich.text import Text

    shown = RichTable(box=None, show_header=bool(table.columns), padding=(0, 0, 0, 2), header_style="dim")
    headings = table.columns or ("",) * len(table.rows[0])
    for position, heading in enumerate(headings, start=1):
        wraps = bool(table.columns) and position == len(headings)
        shown.add_column(heading, no_wrap=not wraps, overflow="fold")
    for row in table.rows:
        # Text and not str, so that nothing in a cell is read as rich's markup.
        shown.add_row(*(Text(printable(cell), style=_STYLES.get(cell, "")) for cell in row))
    return shown


def _needed(table: Table) -> int:
    """Return the width below which a version or a short column would have to be broken."""
    *columns, last = zip(*(table.columns, *table.rows) if table.columns else table.rows, strict=True)
    longest = max(len(printable(cell)) for cell in last)
    if table.columns:
        longest_word = max(len(printable(word)) for cell in last for word in ("", *cell.split()))
        longest = max(longest_word, min(_NARROWEST, longest))
    return sum(2 + max(len(printable(cell)) for cell in column) for column in columns) + 2 + longest
