"""A health report as Markdown, for the body of a GitHub issue.

A healthy channel takes one line, so that the issue is about the others. Text is escaped: nothing in it becomes markup,
mentions a person or refers to an issue. This module must not know where the text goes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kopsversion.model.tables import printable
from kopsversion.model.wording import moment
from kopsversion.render.health_table import (
    CHANNEL_COLUMNS,
    MARKER_COLUMNS,
    REFUSED_COLUMNS,
    channel_cells,
    marker_cells,
    refused_cells,
    sentences_of,
    severity_of,
)
from kopsversion.render.jobs import WRITER_COLUMNS, writer_cells

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from kopsversion.rules.report import HealthReport

__all__ = ["escaped", "health_to_markdown"]

_MARKUP = re.compile(r"[\\`*_{}\[\]<>|~&$]")
_REFERENCE = re.compile(r"[@#]")


def health_to_markdown(report: HealthReport) -> str:
    """Write a health report: the headline, what to do, and the numbers in tables that open on a click."""
    return "\n".join(line for block in _blocks(report) for line in (*block, ""))


def escaped(text: str) -> str:
    """Escape text so that Markdown shows it as it is, in one line."""
    safe = _MARKUP.sub(r"\\\g<0>", printable(text))
    # GitHub looks for mentions after the Markdown is read, so a backslash does not stop it.
    return _REFERENCE.sub(r"\g<0><!-- -->", safe)


def _blocks(report: HealthReport) -> Iterator[Sequence[str]]:
    yield (f"## {escaped(report.headline)}",)
    made_by = escaped(report.made_by)
    yield (f"Looked at {escaped(report.store)} on {moment(report.now)}, by {made_by}.",)
    if report.failure is not None:
        yield (f"{escaped(report.failure.advice)}",)
    if report.conditions:
        yield [f"- **{each.severity}** {escaped(each.message)}" for each in report.conditions]
    for channel in report.unhealthy:
        yield (f"### {escaped(channel.channel)}",)
        yield [
            f"- **{severity_of(finding)}** `{finding.condition.code}`: {escaped(sentences_of(finding))}"
            for finding in channel.findings
        ]
    if report.channels:
        yield _folded("All channels", CHANNEL_COLUMNS, _channel_rows(report))
    if report.markers:
        yield _folded("All markers", MARKER_COLUMNS, _marker_rows(report))
    writers = [(channel.channel, *writer_cells(each, now=report.now)) for channel, each in report.writers]
    if writers:
        yield _folded("Jobs", WRITER_COLUMNS, writers)
    refused = [(channel.channel, *refused_cells(build)) for channel, build in report.refused]
    if refused:
        yield _folded("Refused builds", REFUSED_COLUMNS, refused)


def _channel_rows(report: HealthReport) -> Iterator[Sequence[str]]:
    return (channel_cells(channel, now=report.now) for channel in report.channels)


def _marker_rows(report: HealthReport) -> Iterator[Sequence[str]]:
    return ((channel.channel, *marker_cells(marker, now=report.now)) for channel, marker in report.markers)


def _folded(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Sequence[str]:
    """Return a table that opens on a click."""
    return (
        f"<details><summary>{escaped(title)}</summary>",
        "",
        f"| {' | '.join(columns)} |",
        f"|{'---|' * len(columns)}",
        *(f"| {' | '.join(map(escaped, row))} |" for row in rows),
        "",
        "</details>",
    )
