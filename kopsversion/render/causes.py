"""What is wrong with a channel in a few words, for a reader who has five seconds.

The words come from findings and measurements, and never from the sentences of conditions. The page and the terminal
begin with them. This module must not know how they are shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kopsversion.model.answer import Severity, Verdict
from kopsversion.model.channel import BRANCH_MARKER
from kopsversion.model.codes import Code
from kopsversion.model.values import frozen
from kopsversion.model.wording import count, duration
from kopsversion.rules.report import BuildState

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from kopsversion.rules.report import ChannelHealth, Finding, HealthReport, MarkerHealth

__all__ = [
    "CAUSES_NAMED",
    "causes_of",
    "day_text",
    "explains",
    "lead",
    "level_of",
    "opening",
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


def opening(report: HealthReport) -> str:
    """Return the lead for a place where the reason why nothing could be checked is said right below."""
    return lead(report) if report.failure is None else "Nothing could be checked."


def _explanation(channel: ChannelHealth, *, now: datetime) -> str:
    """Say what is wrong, and because of which job, where that is known."""
    effects, writers = tuple(_effects(channel, now=now)), tuple(_about_writers(channel))
    for effect in effects[:1]:
        for writer in writers:
            if writer.paths & effect.paths:
                return f"{effect.in_brackets}: {writer.in_brackets}"
    said = dict.fromkeys(cause.in_brackets for cause in _causes(channel, now=now))
    return "; ".join([*said][:2])


def causes_of(channel: ChannelHealth, *, now: datetime) -> tuple[str, ...]:
    """Say in a few words each what is wrong with a channel; empty if it is healthy.

    Jobs that explain something come first, then what they explain and all else that is wrong, then the other jobs.
    """
    return tuple(dict.fromkeys(cause.text for cause in _causes(channel, now=now)))


def _causes(channel: ChannelHealth, *, now: datetime) -> Sequence[_Cause]:
    if channel.unreadable is not None:
        return (_Cause("could not be read"),)
    effects, writers = tuple(_effects(channel, now=now)), tuple(_about_writers(channel))
    explained = frozenset(path for effect in effects for path in effect.paths)
    first = [writer for writer in writers if writer.paths & explained]
    last = [writer for writer in writers if not writer.paths & explained]
    return (*first, *effects, *last)


def explains(finding: Finding, channel: ChannelHealth, *, now: datetime) -> bool:
    """Tell whether a finding is about a job, and that job is why something else is wrong with the channel."""
    path = finding.condition.data.get("marker")
    is_of_writer = finding.condition.code in _WRITERS
    return is_of_writer and any(path in effect.paths for effect in _effects(channel, now=now))


@frozen
class _Cause:
    """Something that is wrong.

    Attributes:
        what: what, in a few words.
        paths: the markers whose writer would explain it; of a job, the marker that it writes.
        extent: how much, where that is counted: ``3 builds``.
    """

    what: str
    paths: frozenset[object] = frozenset()
    extent: str = ""

    @property
    def text(self) -> str:
        """It on its own: ``green 5 days behind (3 builds)``."""
        return f"{self.what} ({self.extent})" if self.extent else self.what

    @property
    def in_brackets(self) -> str:
        """It for a place between brackets: ``green 5 days behind, 3 builds``."""
        return f"{self.what}, {self.extent}" if self.extent else self.what


def _effects(channel: ChannelHealth, *, now: datetime) -> Iterator[_Cause]:
    """Yield what is wrong apart from jobs."""
    serious = [finding for finding in channel.findings if finding.is_serious]
    yield from _about_builds(channel, now=now)
    yield from _about_markers(channel)
    rest = {finding.condition.code for finding in serious} - _EXPLAINED
    for code in sorted(rest):
        if not code.startswith(("marker-", "writer-")):
            yield _Cause(code.replace("-", " "))


_EXPLAINED = frozenset({Code.BUILDS_OLD, Code.BUILDS_STALLED, Code.BUILDS_REFUSED, Code.NO_TESTABLE_BUILD})
"""Codes about builds that `_about_builds` puts into words."""


_WRITERS: Mapping[str, str] = {
    Code.WRITER_RED: "is red",
    Code.WRITER_IDLE: "does not run",
    Code.WRITER_GREEN_NOT_WRITING: "is green and does not write",
}


def _about_writers(channel: ChannelHealth) -> Iterator[_Cause]:
    """Say what is wrong with the job that should write a marker: the cause of the rest."""
    for finding in channel.findings:
        said = _WRITERS.get(finding.condition.code)
        if said is not None and finding.silence is None:
            data = finding.condition.data
            yield _Cause(f"{data.get('job', 'its job')} {said}", frozenset({data.get("marker")}))


def _about_builds(channel: ChannelHealth, *, now: datetime) -> Iterator[_Cause]:
    codes = {finding.condition.code for finding in channel.findings if finding.is_serious}
    newest = channel.newest.uploaded if channel.newest is not None else None
    of_builds = frozenset(
        marker.report.marker.path for marker in channel.markers if marker.name == BRANCH_MARKER
    )
    if Code.NO_TESTABLE_BUILD in codes:
        yield _Cause("no testable build" if channel.newest is not None else "no build at all")
    if Code.BUILDS_STALLED in codes:
        behind = _merges_not_built(channel)
        yield _Cause(f"{count(behind, 'merge')} not built" if behind else "merges are not built", of_builds)
    if Code.BUILDS_OLD in codes:
        text = f"no build since {day_text(newest, now=now)}" if newest is not None else "no new build"
        yield _Cause(text, of_builds)
    number = _refused_above(channel)
    # Refused builds of the last hours are no fault by themselves, but may be what is wrong with a marker.
    is_wrong = Code.BUILDS_REFUSED in codes or (number and Code.MARKER_INCOMPLETE in codes)
    if is_wrong and Code.NO_TESTABLE_BUILD not in codes:
        yield _Cause(f"{count(number, 'newer build')} incomplete" if number else "newer builds incomplete")


def _merges_not_built(channel: ChannelHealth) -> int:
    """Return how many merges came after the newest build, as its finding says; 0 where that is not known."""
    found = (each.condition for each in channel.findings if each.condition.code == Code.BUILDS_STALLED)
    behind = next(found).data.get("commits_behind")
    return behind if isinstance(behind, int) else 0


def _refused_above(channel: ChannelHealth) -> int:
    """Count the refused builds that are newer than the newest testable one."""
    testable = channel.testable.version if channel.testable is not None else None
    number = 0
    for build in channel.builds:
        if build.version == testable:
            break
        number += build.state is BuildState.REFUSED
    return number


def _serious_code(marker: MarkerHealth, channel: ChannelHealth) -> str:
    """Return the code of the first serious finding about a marker; empty if there is none."""
    path = marker.report.marker.path
    return next(
        (
            finding.condition.code
            for finding in channel.findings
            if finding.is_serious
            and finding.condition.code.startswith("marker-")
            and finding.condition.data.get("marker") == path
        ),
        "",
    )


_VERDICTS: Mapping[str, str] = {
    Verdict.STALE: "is stale",
    Verdict.DANGLING: "names a build that is gone",
    Verdict.INCOMPLETE: "names an incomplete build",
    Verdict.DOUBTFUL: "may name another branch's build",
    Verdict.WRONG_CHANNEL: "names another branch's build",
    Verdict.UNUSABLE: "cannot be used where it stands",
    Verdict.FOREIGN: "names a place outside the store",
    Verdict.MALFORMED: "holds no version",
    Verdict.MISSING: "is missing",
    Verdict.UNREACHABLE: "could not be read",
}


def _about_markers(channel: ChannelHealth) -> Iterator[_Cause]:
    for marker in channel.markers:
        code = _serious_code(marker, channel)
        if code:
            is_unwritten = marker.verdict in {Verdict.STALE, Verdict.MISSING}
            paths = frozenset({marker.report.marker.path}) if is_unwritten else frozenset[object]()
            name = short_name(marker.name)
            if marker.verdict is Verdict.STALE and marker.lag is not None:
                builds = count(marker.builds_behind, "build") if marker.builds_behind else ""
                yield _Cause(f"{name} {duration(marker.lag)} behind", paths, builds)
            else:
                state = _VERDICTS.get(marker.verdict, code.removeprefix("marker-").replace("-", " "))
                yield _Cause(f"{name} {state}", paths)


def short_name(marker: str) -> str:
    """Shorten the file name of a marker to what people call it: ``green``, ``latest-ci``."""
    return "green" if marker == "latest-ci-updown-green.txt" else marker.removesuffix(".txt")


def day_text(time: datetime, *, now: datetime) -> str:
    """Name a day: ``6 March``, with its year if that is not the present one."""
    return f"{time.day} {time:%B}" if time.year == now.year else f"{time.day} {time:%B %Y}"
