"""The timeline of a page: the positions of builds, markers, gaps and the lag over time, in one lane for each channel.

Positions are in percent of the timeline's width and in pixels of height, so that one page fits every width. This module
must not know of markup.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from attrs import evolve

from kopsversion.model.answer import Verdict
from kopsversion.model.codes import Code
from kopsversion.model.tables import printable
from kopsversion.model.values import frozen
from kopsversion.model.wording import dated, duration
from kopsversion.render.causes import causes_of, day_text, level_of
from kopsversion.render.job_bars import job_bar
from kopsversion.rules.report import TIMELINE, BuildState

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from kopsversion.model.version import BuildVersion
    from kopsversion.render.job_bars import JobBar
    from kopsversion.render.links import Links
    from kopsversion.rules.report import ChannelHealth, HealthReport, MarkerHealth, SeenBuild

__all__ = ["BAND", "FLAG_ROW", "DateLine", "Flag", "Gap", "Lag", "Lane", "Scale", "Tick", "dates", "lane_of"]

FLAG_ROW = 24
"""Pixels of height for each marker: a target that a finger can hit."""
BAND = 34
"""Pixels of height for the builds."""

_SHORTEST = timedelta(days=7)
"""The timeline is never shorter, so that one build does not fill it."""
_NARROWEST_GAP = 1
"""Percent of the width that a gap must have to be seen."""
_LAST_LABEL = 84
"""Percent of the width after which a date would touch the word "now"."""
_LINKED = 20
"""How many of a channel's newest builds have a link: so many can be reached one by one with the keyboard."""
_POINTS = 60
"""How many points draw the lag over time."""


@frozen
class Scale:
    """Where moments are on the timeline.

    Attributes:
        start: the left edge, UTC.
        now: the right edge, UTC.
    """

    start: datetime
    now: datetime

    @classmethod
    def around(cls, report: HealthReport) -> Scale:
        """Choose the left edge: the day of the oldest build that is shown."""
        shown = [
            build.uploaded
            for channel in report.channels
            for build in channel.builds
            if build.uploaded is not None
        ]
        oldest = min(shown, default=report.now).replace(hour=0, minute=0, second=0, microsecond=0)
        return cls(max(min(oldest, report.now - _SHORTEST), report.now - TIMELINE), report.now)

    def percent(self, time: datetime) -> float:
        """Return a moment's distance from the left edge, in percent of the width."""
        share = (time - self.start) / (self.now - self.start)
        return round(100 * min(max(share, 0.0), 1.0), 2)


@frozen(kw_only=True)
class Tick:
    """A build.

    Attributes:
        x: percent of the width.
        kind: one letter for its state, which the style sheet draws.
        version: the build.
        href: where its commit is; empty for no link.
        uploaded: when, UTC.
        said: its state and the reasons; empty where it is testable.
    """

    x: float
    kind: str
    version: BuildVersion
    href: str
    uploaded: datetime
    said: str


@frozen(kw_only=True)
class Flag:
    """A marker, at the build that it names, or at the lane's end if that build is not on the lane.

    Attributes:
        x: percent of the width.
        pole: pixels from its row down to the builds; 0 where it names no build.
        is_leftward: whether its label is on the left side.
        kind: ``good``, ``slow``, ``bad`` or ``ignored``: its shape.
        is_earlier: whether the build that it names is older than the timeline.
        is_placed: whether it names a build of the channel.
        label: its name, and what it is worth unless it is current.
        href: where it stands in the store; empty for no link.
        tip: more about it, by line.
    """

    x: float
    pole: int
    is_leftward: bool
    kind: str
    is_earlier: bool
    is_placed: bool
    label: str
    href: str
    tip: tuple[str, ...]

    @property
    def has_pole(self) -> bool:
        """Whether it stands at a build that is drawn."""
        return self.is_placed and not self.is_earlier


@frozen(kw_only=True)
class Gap:
    """The time since the newest build, where that is too long.

    Attributes:
        x, width: percent of the width.
        label: since when, and how long.
        is_quiet: whether it does not count as wrong.
    """

    x: float
    width: float
    label: str
    is_quiet: bool


@frozen(kw_only=True)
class Lag:
    """How far the markers were behind over time.

    Attributes:
        points: percent of the width and of the height, 0 at the bottom, oldest first.
        label: what it shows, and the most of it.
    """

    points: tuple[tuple[float, float], ...]
    label: str

    @property
    def path(self) -> str:
        """The area below it as a path in a square of 100 by 100."""
        first, last = self.points[0][0], self.points[-1][0]
        line = "L".join(f"{x:g} {100 - y:g}" for x, y in self.points)
        return f"M{first:g} 100L{line}L{last:g} 100Z"


@frozen(kw_only=True)
class Lane:
    """The timeline of one channel.

    Attributes:
        channel: its ref.
        level: how bad it is.
        notes: what is wrong; how old the newest build is if nothing is.
        ticks: its builds, newest first.
        flags: its markers.
        gap: where builds stopped; ``None`` where they did not.
        earlier: a note on a newest build that is older than the timeline; empty where it is not.
        lag: the lag over time; ``None`` where no runs were kept or nothing ever lagged.
        jobs: the jobs that write its markers, where they were looked at.
    """

    channel: str
    level: str
    notes: tuple[str, ...]
    ticks: tuple[Tick, ...]
    flags: tuple[Flag, ...]
    gap: Gap | None
    earlier: str
    lag: Lag | None
    jobs: tuple[JobBar, ...]


def lane_of(channel: ChannelHealth, scale: Scale, *, links: Links, store: str) -> Lane:
    """Lay out one channel.

    Parameters:
        channel: the channel.
        scale: where moments are.
        links: where links lead.
        store: the store's URL.
    """
    flags = [_flag(marker, channel, scale, href=_object(marker, links, store)) for marker in channel.markers]
    # Flags without a pole are on top, so that no pole runs through their labels.
    flags.sort(key=lambda flag: flag.has_pole)
    return Lane(
        channel=channel.channel,
        level=level_of(channel),
        notes=causes_of(channel, now=scale.now) or (_note(channel, now=scale.now),),
        ticks=tuple(
            _tick(build, uploaded, scale, links=links if position < _LINKED else None)
            for position, (build, uploaded) in enumerate(_newest_first(channel))
        ),
        flags=tuple(
            evolve(flag, pole=(len(flags) - row) * FLAG_ROW if flag.has_pole else 0)
            for row, flag in enumerate(flags)
        ),
        gap=_gap(channel, scale),
        earlier=_earlier(channel, scale),
        lag=_lag(channel, scale),
        jobs=tuple(job_bar(writer, percent=scale.percent, start=scale.start) for writer in channel.writers),
    )


def _object(marker: MarkerHealth, links: Links, store: str) -> str:
    return links.to_object(store, marker.report.marker.path)


def _newest_first(channel: ChannelHealth) -> Sequence[tuple[SeenBuild, datetime]]:
    held = [(build, build.uploaded) for build in channel.builds if build.uploaded is not None]
    return sorted(held, key=lambda pair: (pair[1], pair[0].version), reverse=True)


def _note(channel: ChannelHealth, *, now: datetime) -> str:
    if channel.newest is None or channel.newest.uploaded is None:
        return "no build"
    return f"newest build {duration(now - channel.newest.uploaded)} ago"


_KINDS = {
    BuildState.TESTABLE: "t",
    BuildState.REFUSED: "r",
    BuildState.UNSETTLED: "u",
    BuildState.UNEXAMINED: "n",
}


def _tick(build: SeenBuild, uploaded: datetime, scale: Scale, *, links: Links | None) -> Tick:
    reasons = printable("; ".join(build.reasons))
    state = "" if build.state is BuildState.TESTABLE else str(build.state)
    return Tick(
        x=scale.percent(uploaded),
        kind=_KINDS[build.state],
        version=build.version,
        href=links.to_commit(build.version) if links is not None else "",
        uploaded=uploaded,
        said=f"{state}: {reasons}" if reasons else state,
    )


def _flag(marker: MarkerHealth, channel: ChannelHealth, scale: Scale, *, href: str) -> Flag:
    place = next(
        (scale.percent(at) for build, at in _newest_first(channel) if build.version == marker.version), None
    )
    is_earlier = place is None and marker.builds_behind is not None
    is_placed = place is not None or is_earlier
    x = place if place is not None else 0.0 if is_earlier else 100.0
    return Flag(
        x=x,
        pole=0,
        is_leftward=x > 50,
        kind=_kind(marker),
        is_earlier=is_earlier,
        is_placed=is_placed,
        label=_label(marker),
        href=href,
        tip=tuple(_tip(marker, is_earlier=is_earlier, now=scale.now)),
    )


def _kind(marker: MarkerHealth) -> str:
    if marker.ignored:
        return "ignored"
    return {Verdict.CURRENT: "good", Verdict.LAGGING: "slow"}.get(marker.verdict, "bad")


def _label(marker: MarkerHealth) -> str:
    name = marker.name.removesuffix(".txt")
    if marker.ignored:
        return f"{name} ({marker.verdict}, ignored)"
    if marker.verdict is Verdict.CURRENT:
        return name
    lag = f" {duration(marker.lag)}" if marker.lag else ""
    return f"{name} ({marker.verdict}{lag})"


def _tip(marker: MarkerHealth, *, is_earlier: bool, now: datetime) -> Iterator[str]:
    yield f"{marker.report.marker.path}: {marker.verdict}"
    if marker.version is not None:
        yield str(marker.version)
    else:
        yield printable(f"it {marker.report.message}")
    if marker.lag:
        yield f"promotion lag {duration(marker.lag)}"
    if is_earlier:
        yield "a build from before this timeline"
    if marker.written is not None:
        yield f"written {dated(marker.written, now=now)}"


def _gap(channel: ChannelHealth, scale: Scale) -> Gap | None:
    """Return the gap of a channel whose builds have stopped, or that has none at all."""
    newest = channel.newest.uploaded if channel.newest is not None else None
    codes = {Code.BUILDS_OLD, Code.BUILDS_STALLED}
    stopped = [finding for finding in channel.findings if finding.condition.code in codes]
    if channel.unreadable is not None or (newest is not None and not stopped):
        return None
    x = 0.0 if newest is None else scale.percent(newest)
    width = round(100 - x, 2)
    if width < _NARROWEST_GAP:
        return None
    if newest is None:
        return Gap(x=x, width=width, label="no build", is_quiet=False)
    since = day_text(newest, now=scale.now)
    return Gap(
        x=x,
        width=width,
        label=f"no build since {since} ({duration(scale.now - newest)})",
        is_quiet=not any(finding.is_serious for finding in stopped),
    )


def _earlier(channel: ChannelHealth, scale: Scale) -> str:
    newest = channel.newest
    if newest is None or newest.uploaded is None or newest.uploaded >= scale.start:
        return ""
    return f"newest build {day_text(newest.uploaded, now=scale.now)}"


def _lag(channel: ChannelHealth, scale: Scale) -> Lag | None:
    lags = [each for each in channel.history.lags if each[0] >= scale.start] if channel.history else []
    most = max((lag for _, lag in lags), default=timedelta())
    if not most:
        return None
    step = -(-len(lags) // _POINTS)  # rounded up
    some = [max(lags[begin : begin + step], key=lambda each: each[1]) for begin in range(0, len(lags), step)]
    return Lag(
        points=tuple((scale.percent(at), round(100 * (lag / most), 1)) for at, lag in some),
        label=f"promotion lag over time, at most {duration(most)}",
    )


# --------------------------------------------------------------------------------------------------
# The axis


@frozen
class DateLine:
    """A date on the timeline.

    Attributes:
        x: percent of the width.
        day: its first moment, UTC.
        label: the date; empty where there is no room for it.
    """

    x: float
    day: datetime
    label: str


def dates(scale: Scale) -> Iterator[DateLine]:
    """Yield the first days of months, Mondays, or days, such that no two labels touch on a phone."""
    span = scale.now - scale.start
    midnight = scale.start.replace(hour=0, minute=0, second=0, microsecond=0)
    for number in range(span.days + 2):
        day = midnight + timedelta(days=number)
        if scale.start <= day < scale.now and _is_marked(day, span=span, now=scale.now):
            x = scale.percent(day)
            yield DateLine(x, day, f"{day.day} {day:%b}" if x < _LAST_LABEL else "")


def _is_marked(day: datetime, *, span: timedelta, now: datetime) -> bool:
    if span > timedelta(days=45):
        return day.day == 1
    if span > timedelta(days=14):
        return day.weekday() == 0
    return (now - day).days % 2 == 0
