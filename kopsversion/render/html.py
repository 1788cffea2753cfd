"""A health report as one HTML page that stands alone: no network, no script (issue 6, item 3).

Where things stand on the timeline is computed here, in percent of its width and in pixels or em of its height;
the template draws them. All text is escaped by jinja2. Needs jinja2, from the extra ``report``. This module must not
know where the page goes.
"""

from __future__ import annotations

import textwrap
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING

from attrs import frozen
from jinja2 import Environment, PackageLoader, StrictUndefined

from kopsversion.model.answer import Verdict
from kopsversion.model.tables import printable
from kopsversion.model.wording import dated, duration, moment
from kopsversion.render.health_table import (
    CHANNEL_COLUMNS,
    MARKER_COLUMNS,
    REFUSED_COLUMNS,
    channel_cells,
    marker_cells,
    refused_cells,
    state_of,
)
from kopsversion.rules.health import TIMELINE, BuildState

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from jinja2 import Template

    from kopsversion.rules.health import ChannelHealth, HealthReport, MarkerHealth, SeenBuild

__all__ = ["health_to_html"]

_SHORTEST = timedelta(days=7)
"""The timeline is never shorter, so that one build does not fill it."""

_LINE = 46
"""Characters in a line of a tooltip: a version of kOps as they are now, and it fits a phone."""
_CHARACTER = 0.61
"""Width of a monospaced character, in em; the fonts of all systems have 0.55 to 0.602."""
_TIP_LINE = 1.45
"""Height of a line of a tooltip, in em."""
_TIP_MARGIN = 0.8
"""Room around the text of a tooltip, in em."""

_FLAG_ROW = 19
"""Pixels of height for each marker."""
_BAND = 34
"""Pixels of height for the builds."""
_BEFORE = -1.0
"""Stands for the place of a build from before the timeline."""
_LONGEST_LABEL = 22
"""Characters of a marker's name beside its flag: latest-ci-updown-green."""
_NARROWEST_GAP = 1
"""Percent of the width that a gap must have to be seen."""
_NARROWEST_LABELLED_GAP = 45
"""Percent of the width that a gap must have for its label to fit on a phone."""


def health_to_html(report: HealthReport) -> str:
    """Write a health report as a page; the same report gives the same text."""
    scale = _Scale.around(report)
    seen = {build.state for channel in report.channels for build in channel.builds}
    return _template().render(
        report=report,
        checked=moment(report.now),
        lanes=[_lane(channel, scale) for channel in report.channels],
        dates=list(_dates(scale)),
        shown_states=[state for state in BuildState if state in seen],
        tables=list(_tables(report)),
        band=_BAND,
        show=printable,
    )


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("kopsversion.render"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("health.html.j2")


# --------------------------------------------------------------------------------------------------
# The timeline


@frozen
class _Scale:
    """Where moments are on the timeline.

    Attributes:
        start: the left edge, UTC.
        now: the right edge, UTC.
    """

    start: datetime
    now: datetime

    @classmethod
    def around(cls, report: HealthReport) -> _Scale:
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


@frozen
class _Tip:
    """What appears when something is pointed at; wholly inside the timeline wherever that something is.

    Attributes:
        lines: its text.
        width, height: in em.
        x: its left edge, in em from what it is about.
    """

    lines: tuple[str, ...]
    width: float
    height: float
    x: float

    @classmethod
    def at(cls, percent: float, lines: Sequence[str]) -> _Tip:
        """Place a tooltip at something that stands at `percent` of the width.

        Shifted by the same percentage of its own width, it begins at the left edge for what is there, and
        ends at the right edge for what is there: it never sticks out as long as it is not wider than the whole.
        """
        width = max(map(len, lines)) * _CHARACTER + 2 * _TIP_MARGIN
        height = len(lines) * _TIP_LINE + _TIP_MARGIN
        return cls(tuple(lines), round(width, 2), round(height, 2), round(-width * percent / 100, 2))

    @property
    def text_x(self) -> float:
        """Where its text begins, in em from what it is about."""
        return round(self.x + _TIP_MARGIN, 2)

    @property
    def line_height(self) -> float:
        """Height of a line, in em."""
        return _TIP_LINE


@frozen(kw_only=True)
class _Tick:
    """A build.

    Attributes:
        x: percent of the width.
        state: what is known of its testability.
        title: all about it in one line.
        tip: the same, when pointed at.
    """

    x: float
    state: BuildState
    title: str
    tip: _Tip


@frozen(kw_only=True)
class _Flag:
    """A marker, at the build that it names.

    Attributes:
        x: percent of the width.
        y: pixels from the top of the lane.
        leftward: whether it flies to the left, with its label on that side.
        verdict: ``good``, ``slow`` or ``bad``: its shape.
        label: its name, shortened.
        title: all about it in one line.
        tip: the same, when pointed at.
    """

    x: float
    y: int
    leftward: bool
    verdict: str
    label: str
    title: str
    tip: _Tip


@frozen(kw_only=True)
class _Gap:
    """The time since the newest build, where that is too long.

    Attributes:
        x, width: percent of the width.
        label: how long; empty where there is no room for it.
    """

    x: float
    width: float
    label: str


@frozen(kw_only=True)
class _Lane:
    """The timeline of one channel.

    Attributes:
        channel: its ref.
        state: how it is, in one word.
        note: how old its newest build is.
        ticks: its builds, oldest first.
        flags: its markers.
        gap: where builds stopped; ``None`` where they did not.
        band_y: pixels from the top to the builds.
        height: pixels.
    """

    channel: str
    state: str
    note: str
    ticks: tuple[_Tick, ...]
    flags: tuple[_Flag, ...]
    gap: _Gap | None
    band_y: int
    height: int


def _lane(channel: ChannelHealth, scale: _Scale) -> _Lane:
    placed = [
        (marker, place) for marker in channel.markers if (place := _place(marker, channel, scale)) is not None
    ]
    flags = tuple(
        _flag(marker, place=place, y=row * _FLAG_ROW, now=scale.now)
        for row, (marker, place) in enumerate(placed)
    )
    band_y = len(flags) * _FLAG_ROW
    return _Lane(
        channel=channel.channel,
        state=state_of(channel),
        note=_note(channel, now=scale.now),
        ticks=tuple(_tick(build, uploaded, scale) for build, uploaded in _oldest_first(channel)),
        flags=flags,
        gap=_gap(channel, scale),
        band_y=band_y,
        height=band_y + _BAND,
    )


def _oldest_first(channel: ChannelHealth) -> Sequence[tuple[SeenBuild, datetime]]:
    dated = [(build, build.uploaded) for build in channel.builds if build.uploaded is not None]
    return sorted(dated, key=lambda pair: (pair[1], pair[0].version))


def _note(channel: ChannelHealth, *, now: datetime) -> str:
    if channel.unreadable is not None:
        return "not known"
    if channel.newest is None or channel.newest.uploaded is None:
        return "no build"
    return f"newest build {duration(now - channel.newest.uploaded)} ago"


def _tick(build: SeenBuild, uploaded: datetime, scale: _Scale) -> _Tick:
    x = scale.percent(uploaded)
    said = f"{moment(uploaded)}, {build.state}"
    reasons = "; ".join(build.reasons)
    return _Tick(
        x=x,
        state=build.state,
        title=f"{build.version}: {said}{': ' if reasons else ''}{printable(reasons)}",
        tip=_Tip.at(x, [*_version_lines(str(build.version)), said, *_wrapped(reasons)]),
    )


def _version_lines(text: str) -> Iterator[str]:
    """Break a version that is too long for a line: at the plus, then wherever a line is full."""
    release, _, rest = text.partition("+")
    for part in [text] if len(text) <= _LINE else [release, f"+{rest}"]:
        yield from textwrap.wrap(part, _LINE, break_on_hyphens=False)


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(printable(text), _LINE, max_lines=3, placeholder="…")


def _place(marker: MarkerHealth, channel: ChannelHealth, scale: _Scale) -> float | None:
    """Return where the build is that a marker names: before the left edge if it is older than the timeline."""
    for build, uploaded in _oldest_first(channel):
        if build.version == marker.version:
            return scale.percent(uploaded)
    return _BEFORE if marker.builds_behind is not None else None


def _flag(marker: MarkerHealth, *, place: float, y: int, now: datetime) -> _Flag:
    verdict = "" if marker.verdict is Verdict.CURRENT else f" ({marker.verdict})"
    kinds = {Verdict.CURRENT: "good", Verdict.LAGGING: "slow"}
    x = max(place, 0.0)
    return _Flag(
        x=x,
        y=y,
        leftward=x > 50,
        verdict=kinds.get(marker.verdict, "bad"),
        label=_shortened(marker.name.removesuffix(".txt"), _LONGEST_LABEL - len(verdict)) + verdict,
        title=printable(f"{marker.report.marker.path} is {marker.verdict}: it {marker.report.message}"),
        tip=_Tip.at(x, list(_marker_lines(marker, is_older=place == _BEFORE, now=now))),
    )


def _shortened(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _marker_lines(marker: MarkerHealth, *, is_older: bool, now: datetime) -> Iterator[str]:
    yield from textwrap.wrap(f"{marker.name}: {marker.verdict}", _LINE)
    yield from _version_lines(str(marker.version))  # only markers that name a build have a flag
    if marker.lag:
        yield f"promotion lag {duration(marker.lag)}"
    if is_older:
        yield "a build from before this timeline"
    if marker.written is not None:
        yield f"written {dated(marker.written, now=now)}"


def _gap(channel: ChannelHealth, scale: _Scale) -> _Gap | None:
    """Return the gap of a channel whose builds have stopped, or that has none at all."""
    newest = channel.newest.uploaded if channel.newest is not None else None
    stopped = any(finding.condition.code in {"builds-old", "builds-stalled"} for finding in channel.findings)
    if channel.unreadable is not None or (newest is not None and not stopped):
        return None
    x = 0.0 if newest is None else scale.percent(newest)
    width = round(100 - x, 2)
    if width < _NARROWEST_GAP:
        return None
    label = "no build" if newest is None else f"no build for {duration(scale.now - newest)}"
    return _Gap(x=x, width=width, label=label if width >= _NARROWEST_LABELLED_GAP else "")


@frozen
class _Date:
    """A date on the timeline.

    Attributes:
        x: percent of the width.
        label: the date; empty where there is no room for it.
    """

    x: float
    label: str


def _dates(scale: _Scale) -> Iterator[_Date]:
    """Yield the first days of months, Mondays, or days, such that no two labels touch on a phone."""
    span = scale.now - scale.start
    midnight = scale.start.replace(hour=0, minute=0, second=0, microsecond=0)
    for number in range(span.days + 2):
        day = midnight + timedelta(days=number)
        if scale.start <= day < scale.now and _is_marked(day, span=span, now=scale.now):
            x = scale.percent(day)
            yield _Date(x, f"{day.day} {day:%b}" if x < _LAST_LABEL else "")


def _is_marked(day: datetime, *, span: timedelta, now: datetime) -> bool:
    if span > timedelta(days=45):
        return day.day == 1
    if span > timedelta(days=14):
        return day.weekday() == 0
    return (now - day).days % 2 == 0


_LAST_LABEL = 84
"""Percent of the width after which a date would touch the word "now"."""

# --------------------------------------------------------------------------------------------------
# The tables


@frozen(kw_only=True)
class _Table:
    """A table; `codes` are columns of versions and names, and they and `long` ones may be broken anywhere."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    codes: frozenset[str] = frozenset()
    long: frozenset[str] = frozenset()


def _tables(report: HealthReport) -> Iterator[_Table]:
    now = report.now
    yield _Table(
        title="Channels",
        columns=CHANNEL_COLUMNS,
        rows=tuple(channel_cells(channel, now=now) for channel in report.channels),
        codes=frozenset({"newest testable build"}),
        long=frozenset({"newest build"}),
    )
    yield _Table(
        title="Markers",
        columns=MARKER_COLUMNS,
        rows=tuple((channel.channel, *marker_cells(marker, now=now)) for channel, marker in report.markers),
        codes=frozenset({"marker", "names"}),
    )
    yield _Table(
        title="Refused builds",
        columns=REFUSED_COLUMNS,
        rows=tuple((channel.channel, *refused_cells(build)) for channel, build in report.refused),
        codes=frozenset({"build"}),
        long=frozenset({"why"}),
    )
    yield _Table(
        title="Skipped names",
        columns=("what they are", "how many"),
        rows=tuple((kind, str(number)) for kind, number in sorted(report.skipped.items())),
    )
    yield _Table(
        title="Channels left out",
        columns=("channel", "last marker written"),
        rows=tuple((old.channel, moment(old.written)) for old in report.left_out),
    )
