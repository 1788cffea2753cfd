"""A channel's builds as a table, and any table laid out for a terminal (DESIGN section 9).

`builds_table` decides what is shown. `decorated` decides how: colour for a terminal, versions never cut or broken. Logs
and files get `kopsversion.model.tables.plain`. This module must not know of streams.
"""

from __future__ import annotations

import textwrap
from math import inf
from shutil import get_terminal_size
from typing import TYPE_CHECKING

from kopsversion.model.tables import Table, printable
from kopsversion.model.values import frozen
from kopsversion.model.wording import duration, moment

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from kopsversion.workflows.listing import ChannelListing, ListedBuild

__all__ = ["NOTHING", "builds_table", "coloured", "decorated"]

NOTHING = "-"
"""The content of a cell without a value."""


# --------------------------------------------------------------------------------------------------
# What is shown


def builds_table(listing: ChannelListing) -> Table:
    """Return a channel's builds, newest first, or those of every channel, one channel after the other."""
    return Table(
        title=f"Builds of {listing.channel or 'every channel'} on {moment(listing.now)}",
        columns=("build", "uploaded", "age", "distance", "channel", "by", "testable"),
        drop=("by", "distance", "uploaded", "channel"),
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


_BAD, _POOR, _GOOD, _FAINT, _STRONG = "1;31", "33", "32", "2", "1"
"""Colours of a terminal, as its own numbers: bold red, yellow, green, faint and bold."""
_STYLES = {
    **dict.fromkeys(("error", "dangling", "incomplete", "malformed", "wrong-channel", "foreign"), _BAD),
    **dict.fromkeys(("unhealthy", "unreadable", "refused", "unusable", "red", "failed"), _BAD),
    **dict.fromkeys(("warning", "stale", "missing", "unreachable", "unverified", "doubtful"), _POOR),
    **dict.fromkeys(("lagging", "unsettled", "idle", "green-not-writing"), _POOR),
    **dict.fromkeys(("current", "healthy", "yes", "testable", "green", "passed"), _GOOD),
    **dict.fromkeys(("silenced", "info", "-"), _FAINT),
}
_NARROWEST = 32
"""The least width of the wrapped column in characters, however narrow the terminal is."""
_LEAST, _LINES, _MOST_LINES = 16, 2, 3
"""It may have this width where no cell then takes more lines: to keep a column, and to keep a table."""
_INDENT = 2
_SHORT = 12
"""Up to so many characters the last cell of a block stands beside the others."""
_APART = 3
"""How many spaces stand between what is side by side in a block."""
_NOT_REPEATED = "channel"
"""A first column of this name is left empty where it would repeat the row above."""


def decorated(
    tables: Iterable[Table], *, width: int | None = None, is_wide: bool = False, has_colour: bool = True
) -> str:
    """Lay tables out for a terminal: versions are never broken, and columns that do not fit are dropped in order.

    Where even the columns that must stay do not fit, each row becomes a small block of lines.

    Parameters:
        tables: what to show.
        width: the terminal's width in characters; ``None`` for that of this terminal.
        is_wide: whether every column stays, and the terminal breaks the lines.
        has_colour: whether severities and states have colours.
    """
    columns = width or get_terminal_size().columns
    layout = _Layout(width=columns, is_wide=is_wide, has_colour=has_colour)
    return "\n".join("".join(f"{line}\n" for line in layout.lines(table)) for table in tables)


def coloured(text: str, state: str, *, has_colour: bool) -> str:
    """Show text in the colour of a state or severity; in bold for a state without a colour."""
    return f"\x1b[{_STYLES.get(state, _STRONG)}m{text}\x1b[0m" if has_colour else text


@frozen(kw_only=True)
class _Layout:
    """How wide a terminal is, and whether it shows colours.

    Attributes:
        width: its columns.
        is_wide: whether every column stays, whatever the width.
        has_colour: whether there are colours.
    """

    width: int
    is_wide: bool
    has_colour: bool

    def lines(self, table: Table) -> Iterator[str]:
        """Yield the lines of a table, including its title."""
        title = printable(table.title)
        # Where the terminal breaks lines, a title is one line, as every row is.
        lines = [title] if self.is_wide else _wrapped(title, self.width)
        yield from (self._styled(line, _STRONG) for line in lines)
        rows = [tuple(map(printable, row)) for row in table.rows]
        if not table.columns:
            yield from self._pairs(rows)
            return
        shown = self._columns_that_fit(table, rows)
        if shown is None:
            yield from self._blocks(table.columns, rows)
        else:
            yield from self._table(
                [table.columns[i] for i in shown], [[row[i] for i in shown] for row in rows]
            )

    def _columns_that_fit(self, table: Table, rows: Sequence[Sequence[str]]) -> Sequence[int] | None:
        """Return the places of the columns that stay; ``None`` where those that must stay do not fit.

        Columns without any value go first.
        """
        places = range(len(table.columns))
        if self.is_wide:
            return places
        empty = {table.columns[i] for i in places if all(row[i] == NOTHING for row in rows)}
        dropped = empty & set(table.drop)
        for name in (None, *table.drop):
            dropped |= {name} if name is not None else set()
            shown = [i for i in places if table.columns[i] not in dropped]
            cells = [[table.columns[i], *(row[i] for row in rows)] for i in shown]
            *others, least = _least(cells)
            rest = self.width - sum(_INDENT + each for each in others) - _INDENT
            if least <= rest or _lines(cells[-1], rest) <= _LINES:
                return shown
        return shown if _lines(cells[-1], rest) <= _MOST_LINES else None

    def _table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
        cells = [[column, *(row[i] for row in rows)] for i, column in enumerate(columns)]
        widths = [max(map(len, each)) for each in cells]
        rest = self.width - sum(_INDENT + each for each in widths[:-1]) - _INDENT
        widths[-1] = widths[-1] if self.is_wide else min(widths[-1], rest)
        yield from self._row(columns, widths, style=_FAINT)
        above = ""
        for row in rows:
            is_repeated = columns[0] == _NOT_REPEATED and row[0] == above
            above = row[0]
            yield from self._row(["" if is_repeated else row[0], *row[1:]] if len(row) > 1 else row, widths)

    def _row(self, cells: Sequence[str], widths: Sequence[int], *, style: str = "") -> Iterator[str]:
        *others, last = cells
        begin = "".join(
            " " * _INDENT + self._styled(cell, style or _STYLES.get(cell, "")) + " " * (width - len(cell))
            for cell, width in zip(others, widths[:-1], strict=True)
        )
        margin = " " * (sum(_INDENT + each for each in widths[:-1]) + _INDENT)
        first, *more = _wrapped(last, widths[-1])
        yield f"{begin}{' ' * _INDENT}{self._styled(first, style or _STYLES.get(last, ''))}".rstrip()
        yield from (f"{margin}{line}" for line in more)

    def _blocks(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
        above = None
        for row in rows:
            is_repeated = columns[0] == _NOT_REPEATED and row[0] == above
            above = row[0]
            if not is_repeated:
                yield " " * _INDENT + self._styled(row[0], _STYLES.get(row[0], _STRONG))
            last = len(row) - (len(row) > 1 and len(row[-1]) > _SHORT)  # what is long has lines of its own
            known = [(columns[i], row[i]) for i in range(1, last) if row[i] != NOTHING]
            yield from self._side_by_side(known, margin="  - " if is_repeated else "    ")
            yield from (f"      {line}" for cell in row[last:] for line in _wrapped(cell, self.width - 6))

    def _side_by_side(self, pairs: Sequence[tuple[str, str]], *, margin: str) -> Iterator[str]:
        """Yield names and values, as many in a line as fit; a value that is longer than a line is wrapped."""
        line, length = margin, len(margin)
        for name, cell in pairs:
            first, *more = _wrapped(cell, self.width - len(margin) - len(name) - 1)
            if length > len(margin) and length + _APART + len(name) + 1 + len(cell) > self.width:
                yield line
                line, length = " " * len(margin), len(margin)
            gap = " " * (_APART if length > len(margin) else 0)
            line += f"{gap}{self._styled(name, _FAINT)} {self._styled(first, _STYLES.get(cell, ''))}"
            length += len(gap) + len(name) + 1 + len(first)
            for rest in more:
                yield line
                line, length = f"{' ' * (len(margin) + len(name) + 1)}{rest}", self.width
        if pairs:
            yield line

    def _pairs(self, rows: Sequence[Sequence[str]]) -> Iterator[str]:
        label = max((len(row[0]) for row in rows), default=0)
        for name, cell in rows:  # people copy these, so URLs, versions and sentences stay in one line
            yield f"{'':{_INDENT}}{name:{label}}  {self._styled(cell, _STYLES.get(cell, ''))}".rstrip()

    def _styled(self, text: str, style: str) -> str:
        return f"\x1b[{style}m{text}\x1b[0m" if self.has_colour and style and text else text


def _least(cells: Sequence[Sequence[str]]) -> Sequence[int]:
    """Return the least width of each column: the last one may be wrapped between words, the others not at all."""
    *others, last = cells
    longest = max(map(len, last))
    word = max((len(word) for cell in last for word in cell.split()), default=0)
    return [*(max(map(len, column)) for column in others), min(longest, max(_NARROWEST, word))]


def _lines(column: Sequence[str], width: int) -> float:
    """Count the lines of the cell that takes most of them in so narrow a column; infinity if it cannot be so narrow."""
    wrapped = [_wrapped(cell, width) for cell in column]
    if max(_LEAST, *(len(line) for lines in wrapped for line in lines)) > width:
        return inf
    return max(map(len, wrapped))


def _wrapped(text: str, width: int) -> list[str]:
    """Break text between words; a word that is longer than a line, such as a version or a URL, stays whole."""
    return textwrap.wrap(text, max(width, 1), break_long_words=False, break_on_hyphens=False) or [""]
