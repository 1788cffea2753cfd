"""A health report as tables for people, and the cells that other outputs show as well.

This module decides what is shown, and `kopsversion.render.text` how. It must not know of streams.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kopsversion.model.tables import Table, plain, printable
from kopsversion.model.wording import dated, duration, moment
from kopsversion.render.causes import lead
from kopsversion.render.jobs import WRITER_COLUMNS, writer_cells
from kopsversion.render.text import NOTHING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from kopsversion.rules.report import ChannelHealth, Finding, HealthReport, MarkerHealth, SeenBuild

__all__ = [
    "CHANNEL_COLUMNS",
    "MARKER_COLUMNS",
    "REFUSED_COLUMNS",
    "channel_cells",
    "file_text",
    "health_tables",
    "last_lines",
    "marker_cells",
    "refused_cells",
    "sentences_of",
    "severity_of",
    "state_of",
]

CHANNEL_COLUMNS = ("channel", "state", "newest testable build", "age", "merges behind", "newest build")
MARKER_COLUMNS = ("channel", "marker", "verdict", "lag", "builds behind", "last written", "names")
REFUSED_COLUMNS = ("channel", "build", "uploaded", "state", "why")


def health_tables(report: HealthReport) -> tuple[Table, ...]:
    """Return channels, markers, findings, refused builds and what was not looked at; what is empty is left out."""
    tables = (
        Table(
            title=f"Channels on {moment(report.now)} in {report.store}",
            columns=CHANNEL_COLUMNS,
            rows=tuple(channel_cells(channel, now=report.now) for channel in report.channels),
            drop=("newest build", "merges behind", "age"),
        ),
        Table(
            title="Markers",
            columns=MARKER_COLUMNS,
            rows=tuple(
                (channel.channel, *marker_cells(marker, now=report.now)) for channel, marker in report.markers
            ),
            drop=("last written", "builds behind", "names", "lag"),
        ),
        Table(
            title="Jobs",
            columns=WRITER_COLUMNS,
            rows=tuple(
                (channel.channel, *writer_cells(writer, now=report.now)) for channel, writer in report.writers
            ),
            drop=("newest failing run", "last good run", "runs", "marker", "since"),
        ),
        Table(
            title="Findings",
            columns=("channel", "severity", "code", "what to know, and what to do"),
            rows=tuple(_finding_rows(report)),
        ),
        Table(
            title="Refused builds",
            columns=REFUSED_COLUMNS,
            rows=tuple((channel.channel, *refused_cells(build)) for channel, build in report.refused),
            drop=("state", "uploaded"),
        ),
        Table(
            title="Channels left out",
            columns=("channel", "last build", "last marker written"),
            rows=tuple(
                (old.channel, *(_dated(time, now=report.now) for time in (old.built, old.written)))
                for old in report.left_out
            ),
        ),
        Table(
            title="Skipped names",
            columns=("count", "what they are"),
            rows=tuple((str(number), kind) for kind, number in sorted(report.skipped.items())),
        ),
    )
    return tuple(table for table in tables if table.rows)


def last_lines(report: HealthReport) -> str:
    """Return what comes behind the tables: who made them, and in the last line, which is in view, what is wrong."""
    return f"\nMade by {printable(report.made_by)}.\n{printable(lead(report))}\n"


def file_text(report: HealthReport) -> str:
    """Return the tables as a file holds them."""
    return f"{plain(health_tables(report))}{last_lines(report)}"


def _finding_rows(report: HealthReport) -> Iterator[tuple[str, ...]]:
    """Yield the findings by channel, the worst channel first, so that each channel is said once."""
    by_channel: dict[str, list[Finding]] = {}
    for channel, finding in report.findings:
        by_channel.setdefault(channel, []).append(finding)
    for channel, findings in by_channel.items():
        for finding in findings:
            yield channel or NOTHING, severity_of(finding), finding.condition.code, sentences_of(finding)


def severity_of(finding: Finding) -> str:
    """Say how much a finding matters in one word; one that does not count for now is ``silenced``."""
    return str(finding.condition.severity) if finding.silence is None else "silenced"


def sentences_of(finding: Finding) -> str:
    """Say what is the case, since when, and what to do; of what is silenced, why and until when instead."""
    sentences = [f"{finding.condition.message}."]
    if finding.is_new:
        sentences.append("New since the last run.")
    elif finding.first_seen is not None:
        sentences.append(f"Found since {moment(finding.first_seen)}.")
    if finding.silence is not None:
        sentences.append(f"Silenced until {finding.silence.until.isoformat()}: {finding.silence.reason}")
    elif finding.advice:
        sentences.append(finding.advice)
    return " ".join(sentences)


# --------------------------------------------------------------------------------------------------
# Cells


def state_of(channel: ChannelHealth) -> str:
    """Say how a channel is in one word."""
    if channel.unreadable is not None:
        return "unreadable"
    return "healthy" if channel.is_healthy else "unhealthy"


def channel_cells(channel: ChannelHealth, *, now: datetime) -> tuple[str, ...]:
    """Return the cells of `CHANNEL_COLUMNS`."""
    newest, testable = channel.newest, channel.testable
    behind = channel.commits_behind
    same = newest is not None and testable is not None and newest.version == testable.version
    return (
        channel.channel,
        state_of(channel),
        str(testable.version) if testable else NOTHING,
        duration(now - testable.uploaded) if testable and testable.uploaded else NOTHING,
        NOTHING if behind is None else str(behind),
        "the same" if same else _newest(newest),
    )


def _newest(build: SeenBuild | None) -> str:
    return NOTHING if build is None else f"{build.version} ({build.state})"


def marker_cells(marker: MarkerHealth, *, now: datetime) -> tuple[str, ...]:
    """Return the cells of `MARKER_COLUMNS` but the first."""
    behind = marker.builds_behind
    return (
        f"{marker.name} (ignored)" if marker.ignored else marker.name,
        marker.verdict,
        _lag(marker),
        NOTHING if behind is None else str(behind),
        _dated(marker.written, now=now),
        NOTHING if marker.version is None else str(marker.version),
    )


def _lag(marker: MarkerHealth) -> str:
    if marker.lag is None:
        return NOTHING
    return duration(marker.lag) if marker.lag else "none"


def refused_cells(build: SeenBuild) -> tuple[str, ...]:
    """Return the cells of `REFUSED_COLUMNS` but the first."""
    return (
        str(build.version),
        moment(build.uploaded) if build.uploaded else NOTHING,
        build.state,
        "; ".join(build.reasons),
    )


def _dated(time: datetime | None, *, now: datetime) -> str:
    return NOTHING if time is None else dated(time, now=now)
