"""What earlier runs of ``check`` add to a report: since when, what is new, what comes back.

Pure. An `Entry` is what the journal keeps of one run of ``check``. This module must not know how entries are kept.
"""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from attrs import Factory, evolve

from kopsversion.model.values import frozen
from kopsversion.rules.report import ChannelHistory

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from kopsversion.rules.report import ChannelHealth, Finding, HealthReport

__all__ = ["RECENT", "ChannelEntry", "Entry", "entry_of", "key_of", "with_history"]

RECENT = timedelta(days=30)
"""How far back findings are counted that come again and again."""


@frozen(kw_only=True)
class ChannelEntry:
    """What one run found of one channel.

    Attributes:
        healthy: whether nothing serious was found.
        found: the keys of what counted, as `key_of` makes them.
        lags: promotion lag of each marker that matters, by file name; what is not known is left out.
    """

    healthy: bool
    found: frozenset[str] = frozenset()
    lags: Mapping[str, timedelta] = Factory(dict)


@frozen(kw_only=True)
class Entry:
    """What is kept of one report, and so of one run of ``check``.

    Attributes:
        at: the moment of the report, UTC.
        success: whether anything could be read.
        channels: what was found of each channel, by ref; none that could not be read.
    """

    at: datetime
    success: bool
    channels: Mapping[str, ChannelEntry] = Factory(dict)


def key_of(finding: Finding) -> str:
    """Return what makes a finding the same in two runs: its code, and the marker if it is about one."""
    marker = finding.condition.data.get("marker")
    return finding.condition.code if marker is None else f"{finding.condition.code} {marker}"


def entry_of(report: HealthReport) -> Entry:
    """Return what is worth keeping of a report."""
    return Entry(
        at=report.now,
        success=report.is_success,
        channels={
            channel.channel: ChannelEntry(
                healthy=channel.is_healthy,
                found=frozenset(key_of(finding) for finding in channel.findings if finding.is_serious),
                lags={
                    marker.name: marker.lag
                    for marker in channel.markers
                    if marker.lag is not None and not marker.ignored
                },
            )
            for channel in report.channels
            if channel.unreadable is None
        },
    )


def with_history(report: HealthReport, entries: Iterable[Entry]) -> HealthReport:
    """Say of each channel since when it is unhealthy, what is new, and what has come up before.

    Parameters:
        report: the newest report.
        entries: what is kept of others, in any order; later ones than the report's moment are left out. One that
            could not read a channel says nothing about it.
    """
    earlier = sorted((each for each in entries if each.at < report.now), key=lambda each: each.at)
    if not earlier:
        return report
    now = entry_of(report)
    return evolve(
        report, channels=tuple(_channel(channel, [*earlier, now], now=now) for channel in report.channels)
    )


def _channel(channel: ChannelHealth, entries: Sequence[Entry], *, now: Entry) -> ChannelHealth:
    seen = [(each.at, each.channels[channel.channel]) for each in entries if channel.channel in each.channels]
    if channel.unreadable is not None or len(seen) < 2:
        return channel
    before = seen[-2][1]
    unhealthy_since = _since([(at, not entry.healthy) for at, entry in seen])
    history = ChannelHistory(
        since=unhealthy_since,
        is_since_before=unhealthy_since == seen[0][0],
        recurring={key: times for key, times in _recurring(seen, now=now.at) if times > 1},
        lags=tuple((at, max(entry.lags.values())) for at, entry in seen if entry.lags),
    )
    findings = tuple(
        evolve(
            finding,
            first_seen=_since([(at, key_of(finding) in entry.found) for at, entry in seen]),
            is_new=key_of(finding) not in before.found,
        )
        if finding.is_serious
        else finding
        for finding in channel.findings
    )
    return evolve(channel, history=history, findings=findings)


def _since(states: Sequence[tuple[datetime, bool]]) -> datetime | None:
    """Return when what holds at the end began to hold; ``None`` where it does not hold."""
    began = None
    for at, holds in reversed(states):
        if not holds:
            break
        began = at
    return began


def _recurring(seen: Sequence[tuple[datetime, ChannelEntry]], *, now: datetime) -> Iterator[tuple[str, int]]:
    """Yield how often each finding began in the last days, including one that had begun before them."""
    recent = [entry.found for at, entry in seen if now - at <= RECENT]
    for key in sorted(frozenset[str]().union(*recent)):
        states = [False, *(key in found for found in recent)]
        yield key, sum(not before and after for before, after in pairwise(states))
