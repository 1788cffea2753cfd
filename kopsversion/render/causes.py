"""What is wrong with a channel in a few words, for a reader who has five seconds.

The words come from findings and measurements, and never from the sentences of conditions. The page and the terminal
begin with them. This module must not know how they are shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kopsversion.model.answer import Severity, Verdict
from kopsversion.model.codes import Code
from kopsversion.model.wording import count, duration
from kopsversion.rules.health import BuildState

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from kopsversion.rules.health import ChannelHealth, HealthReport, MarkerHealth

__all__ = [
    "CAUSES_NAMED",
    "causes_of",
    "day_text",
    "lead",
    "level_of",
    "short_name",
    "worst_channels_first",
    "worst_of",
]

CAUSES_NAMED = 3
"""How many unhealthy channels the first sentence explains; if there are more, it only names them."""


def level_of(channel: ChannelHealth) -> str:
    """Say how bad a channel is: ``unreadable``, ``error``, ``warning`` or ``healthy``."""
    if channel.is_healthy:
        return "healthy"
    if channel.unreadable is not None:
        return "unreadable"
    serious = [each.condition.severity for each in channel.findings if each.is_serious]
    return "error" if Severity.ERROR in serious else "warning"


def worst_of(report: HealthReport) -> str:
    """Say how bad the worst channel is; ``unreadable`` where nothing could be read."""
    if report.nothing_read:
        return "unreadable"
    levels = {level_of(channel) for channel in report.channels}
    return min(levels, key=lambda level: _ORDER[level])


def worst_channels_first(report: HealthReport) -> Sequence[ChannelHealth]:
    """Return the channels, unhealthy ones first; those that are equally bad keep their order."""
    return sorted(report.channels, key=lambda channel: _ORDER[level_of(channel)])


_ORDER = {"error": 0, "unreadable": 1, "warning": 2, "healthy": 3}


def lead(report: HealthReport) -> str:
    """Say in one sentence whether all is well, and if not, what is wrong with which channel."""
    unhealthy = [channel for channel in worst_channels_first(report) if not channel.is_healthy]
    if not unhealthy or len(unhealthy) > CAUSES_NAMED or report.failure is not None:
        return report.headline
    explained = [f"{channel.channel} ({_explanation(channel, now=report.now)})" for channel in unhealthy]
    if report.nothing_read:
        return f"Nothing could be read: {'; '.join(explained)}."
    *others, last = explained
    named = f"{', '.join(others)} and {last}" if others else last
    if len(report.channels) == 1:
        return f"The only channel is unhealthy: {named}."
    verb = "is" if len(unhealthy) == 1 else "are"
    return f"{len(unhealthy)} of {count(len(report.channels), 'channel')} {verb} unhealthy: {named}."


def _explanation(channel: ChannelHealth, *, now: datetime) -> str:
    """Say what is wrong, and because of which job, where that is known."""
    writers = tuple(dict.fromkeys(_about_writers(channel)))
    effects = [cause for cause in causes_of(channel, now=now) if cause not in writers]
    if writers and effects:
        return f"{effects[0]}: {writers[0]}"
    return "; ".join((*writers, *effects)[:2])


def causes_of(channel: ChannelHealth, *, now: datetime) -> tuple[str, ...]:
    """Say in a few words each what is wrong with a channel, causes before effects; empty if it is healthy."""
    if channel.unreadable is not None:
        return ("could not be read",)
    serious = [finding for finding in channel.findings if finding.is_serious]
    codes = {finding.condition.code for finding in serious}
    found = [
        *_about_writers(channel),
        *_about_builds(channel, codes, now=now),
        *(_about_marker(marker) for marker in channel.markers if _counts(marker, channel)),
    ]
    rest = codes - _EXPLAINED
    found += [code.replace("-", " ") for code in sorted(rest) if not code.startswith(("marker-", "writer-"))]
    return tuple(dict.fromkeys(found))


_EXPLAINED = frozenset({Code.BUILDS_OLD, Code.BUILDS_STALLED, Code.BUILDS_REFUSED, Code.NO_TESTABLE_BUILD})
"""Codes about builds that `_about_builds` puts into words."""


def _about_writers(channel: ChannelHealth) -> Iterator[str]:
    """Say what is wrong with the job that should write a marker: the cause of the rest."""
    words: dict[str, str] = {
        Code.WRITER_RED: "its job is red",
        Code.WRITER_IDLE: "its job does not run",
        Code.WRITER_GREEN_NOT_WRITING: "its job is green and does not write",
    }
    for finding in channel.findings:
        said = words.get(finding.condition.code)
        if said is not None and finding.silence is None:
            job = finding.condition.data.get("job")
            yield f"{job} {said.removeprefix('its job ')}" if isinstance(job, str) else said


def _about_builds(channel: ChannelHealth, codes: set[str], *, now: datetime) -> Iterator[str]:
    newest = channel.newest.uploaded if channel.newest is not None else None
    if Code.NO_TESTABLE_BUILD in codes:
        yield "no testable build" if channel.newest is not None else "no build at all"
    if Code.BUILDS_STALLED in codes:
        behind = channel.commits_behind
        yield f"{count(behind, 'merge')} not built" if behind else "merges are not built"
    if Code.BUILDS_OLD in codes:
        yield f"no build since {day_text(newest, now=now)}" if newest is not None else "no new build"
    if Code.BUILDS_REFUSED in codes and Code.NO_TESTABLE_BUILD not in codes:
        number = _refused_above(channel)
        yield f"{count(number, 'newer build')} incomplete" if number else "newer builds incomplete"


def _refused_above(channel: ChannelHealth) -> int:
    """Count the refused builds that are newer than the newest testable one."""
    testable = channel.testable.version if channel.testable is not None else None
    number = 0
    for build in channel.builds:
        if build.version == testable:
            break
        number += build.state is BuildState.REFUSED
    return number


def _counts(marker: MarkerHealth, channel: ChannelHealth) -> bool:
    """Tell whether something serious was found about a marker."""
    path = marker.report.marker.path
    return any(
        finding.is_serious
        and finding.condition.code.startswith("marker-")
        and finding.condition.data.get("marker") == path
        for finding in channel.findings
    )


def _about_marker(marker: MarkerHealth) -> str:
    name = short_name(marker.name)
    if marker.verdict is not Verdict.STALE or marker.lag is None:
        return f"{name} {marker.verdict}"
    builds = f" ({count(marker.builds_behind, 'build')})" if marker.builds_behind else ""
    return f"{name} {duration(marker.lag)} behind{builds}"


def short_name(marker: str) -> str:
    """Shorten the file name of a marker to what people call it: ``green``, ``latest-ci``."""
    return "green" if marker == "latest-ci-updown-green.txt" else marker.removesuffix(".txt")


def day_text(time: datetime, *, now: datetime) -> str:
    """Name a day: ``6 March``, with its year if that is not the present one."""
    return f"{time.day} {time:%B}" if time.year == now.year else f"{time.day} {time:%B %Y}"
