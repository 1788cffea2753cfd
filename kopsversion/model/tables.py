"""Something to show in rows, as a value, and its plainest form in text.

Knows nothing of what is shown, of colour or of terminals.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kopsversion.model.values import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable


def printable(text: str) -> str:
    """Show text in one line that cannot steer a terminal: what is not printable is escaped."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


@frozen(kw_only=True)
class Table:
    """Something to show in rows.

    Attributes:
        title: what it is about.
        columns: headings; empty where the first column says what the second is.
        rows: cells, as many in each row; only a last column with a heading may be wrapped.
        drop: headings of columns that may go where there is no room, the first of them first.
    """

    title: str
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...]
    drop: tuple[str, ...] = ()


def plain(tables: Iterable[Table]) -> str:
    """Lay tables out with spaces; nothing is wrapped, so that one row is one line."""
    return "\n".join(_plain(table) for table in tables)


def _plain(table: Table) -> str:
    rows = [
        tuple(map(printable, row)) for row in ((table.columns, *table.rows) if table.columns else table.rows)
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    return "".join(f"{line}\n" for line in (table.title, *(f"  {line}".rstrip() for line in lines)))
