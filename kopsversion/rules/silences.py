"""Findings that the configuration silences: they stay visible, and do not count until a day.

Pure. It must not know where silences and limits are written down.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve

from kopsversion.model.answer import Condition, Severity
from kopsversion.model.codes import Code
from kopsversion.rules.conditions import worst_first

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date

    from kopsversion.model.silence import Silence
    from kopsversion.rules.report import ChannelHealth, Finding, HealthReport

__all__ = ["silenced", "with_unknown_channels"]


def silenced(report: HealthReport, silences: Sequence[Silence]) -> HealthReport:
    """Mark the findings that a silence is about; a silence that has ended is reported, and does nothing.

    Parameters:
        report: what was found.
        silences: those of the configuration, as they are on the day of the report.
    """
    day = report.now.date()
    in_force = [silence for silence in silences if silence.is_in_force(day)]
    ended = tuple(_ended(silence) for silence in silences if silence.has_ended(day))
    return evolve(
        report,
        channels=tuple(_channel(channel, in_force) for channel in report.channels),
        conditions=worst_first((*report.conditions, *ended)),
    )


def _channel(channel: ChannelHealth, silences: Iterable[Silence]) -> ChannelHealth:
    by_code = {silence.code: silence for silence in silences if silence.channel == channel.channel}
    findings = [evolve(each, silence=by_code.get(each.condition.code)) for each in channel.findings]
    return evolve(channel, findings=tuple(sorted(findings, key=_silent_last)))


def _silent_last(finding: Finding) -> bool:
    return finding.silence is not None


def _ended(silence: Silence) -> Condition:
    return Condition(
        Code.SILENCE_ENDED,
        Severity.INFO,
        f"the silence of {silence.code} on {silence.channel} ended on {_day(silence.until)}, "
        "so the finding counts again",
        {"channel": silence.channel, "code": silence.code, "until": silence.until.isoformat()},
    )


def _day(day: date) -> str:
    return f"{day.day} {day:%B %Y}"


def with_unknown_channels(report: HealthReport, named: Iterable[str]) -> HealthReport:
    """Report channels that have limits or silences and do not exist: a misspelt name would otherwise go unnoticed.

    Parameters:
        report: what was found in a look at all channels.
        named: the refs that the configuration names.
    """
    known = {channel.channel for channel in report.channels} | {old.channel for old in report.left_out}
    unknown = [
        Condition(
            Code.CHANNEL_UNKNOWN,
            Severity.WARNING,
            f"the configuration names {ref}, and there is no such channel in {report.store}",
            {"channel": ref},
        )
        for ref in dict.fromkeys(named)
        if ref not in known
    ]
    return evolve(report, conditions=worst_first((*report.conditions, *unknown)))
