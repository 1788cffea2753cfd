"""An answer, and a channel's builds, as tables for people (DESIGN section 9, ``--explain`` and ``list``).

`explanation` and `builds_table` say what is shown, as `Table` values; `plain` and `decorated` say how: plain
ASCII layout for logs and files, colour for a terminal. Versions are never cut or broken. This module must not
know of streams, and reads the terminal's width nowhere but through rich.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from kopsversion.wording import count, duration, moment

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from rich.table import Table as RichTable

    from kopsversion.listing import ChannelListing, ListedBuild
    from kopsversion.model import Attribution, Resolution

__all__ = ["Table", "builds_table", "decorated", "explain", "explanation", "plain", "printable"]


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
    """

    title: str
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...]


# --------------------------------------------------------------------------------------------------
# What is shown


def explain(resolution: Resolution) -> str:
    """Say what was answered and why, in plain text of several lines."""
    return plain(explanation(resolution))


def explanation(resolution: Resolution) -> tuple[Table, ...]:
    """Return the answer, markers, conditions, refused builds and skipped names; what is empty is left out."""
    tables = (
        Table(title="Answer", rows=_answer_rows(resolution)),
        Table(
            title="Markers",
            columns=("marker", "verdict", "why"),
            rows=tuple((report.marker.path, report.verdict, report.message) for report in resolution.markers),
        ),
        Table(
            title="Conditions",
            columns=("severity", "code", "what to know"),
            rows=tuple(
                (condition.severity, condition.code, condition.message) for condition in resolution.conditions
            ),
        ),
        Table(
            title="Refused builds",
            columns=("build", "kind", "why"),
            rows=tuple(
                (str(refusal.version) if first else "", refusal.kind if first else "", reason)
                for refusal in resolution.refused
                for first, reason in _first_marked(refusal.reasons)
            ),
        ),
        Table(
            title="Skipped names",
            columns=("count", "what they are"),
            rows=tuple((str(number), kind) for kind, number in sorted(resolution.skipped.items())),
        ),
    )
    return tuple(table for table in tables if table.rows)


def _answer_rows(resolution: Resolution) -> tuple[tuple[str, str], ...]:
    read: str = resolution.rung
    if resolution.requests:  # a directory is read without any
        read += f", {count(resolution.requests, 'request')} in {count(resolution.round_trips, 'round trip')}"
    rows = [
        ("build", str(resolution.version)),
        ("base url", resolution.base_url),
        ("channel", _channel(resolution.channel, resolution.attribution)),
        ("taken from", _source(resolution)),
        ("uploaded", _ago(resolution.uploaded, now=resolution.now)),
        ("decided", moment(resolution.now)),
        ("store", resolution.store),
        ("read", read),
    ]
    if resolution.newest is not None and resolution.newest != resolution.version:
        rows.insert(2, ("newest", f"{resolution.newest} is the newest testable build"))
    return tuple(rows)


def _channel(asked: str, attribution: Attribution) -> str:
    said = f"by {attribution.witness} ({attribution.certainty})"
    return f"{asked}, {said}" if asked == attribution.ref else f"{asked}, a build of {attribution.ref} {said}"


def _source(resolution: Resolution) -> str:
    for report in resolution.markers:
        if resolution.source == "marker" and report.marker.version == resolution.version:
            return f"marker {report.marker.path}"
    sources = {
        "marker": "a marker",
        "newest": "the newest testable builds",
        "request": "the version asked for",
        "cache": "the last good answer",
    }
    return sources[resolution.source]


def _ago(time: datetime | None, *, now: datetime) -> str:
    return "not known" if time is None else f"{moment(time)} ({duration(now - time)} before)"


def _first_marked(reasons: Sequence[str]) -> Iterable[tuple[bool, str]]:
    return ((position == 0, reason) for position, reason in enumerate(reasons))


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
