"""A health report as one HTML page that needs no other file and no network, and is readable without its script.

The page answers in this order: is it healthy, what is wrong since when and why, what to do and whom to ask; then the
timeline, then the tables. This module gathers the texts, and `kopsversion.render.lanes` the positions on the timeline;
the template draws both. All text is escaped by jinja2. Needs jinja2, from the extra ``report``. This module must not
know where the page goes.
"""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import timedelta
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from attrs import evolve
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from kopsversion.model.answer import Verdict
from kopsversion.model.tables import printable
from kopsversion.model.values import frozen
from kopsversion.model.wording import count, duration, moment
from kopsversion.render.causes import causes_of, explains, level_of, opening, worst_channels_first, worst_of
from kopsversion.render.health_table import (
    CHANNEL_COLUMNS,
    MARKER_COLUMNS,
    REFUSED_COLUMNS,
    channel_cells,
    marker_cells,
    refused_cells,
)
from kopsversion.render.jobs import WRITER_COLUMNS, writer_cells
from kopsversion.render.lanes import BAND, FLAG_ROW, Lane, Scale, dates, lane_of
from kopsversion.render.links import Links
from kopsversion.render.text import NOTHING
from kopsversion.rules.catalogue import CATALOGUE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from jinja2 import Template

    from kopsversion.model.answer import Condition
    from kopsversion.rules.report import ChannelHealth, Finding, HealthReport, MarkerHealth, SeenBuild
    from kopsversion.rules.writers import WriterReport

__all__ = ["INTERVAL", "health_to_html"]

INTERVAL = timedelta(hours=1)
"""How often a page is made, unless the configuration says otherwise."""

_CONTENTS_ABOVE = 8
"""If there are more channels, there is a table of contents."""
_CODE = re.compile(r"`([^`<>]+)`")
_BRANCH = re.compile(r"\brelease-[0-9]+\.[0-9]+\b")
_TIME = re.compile(r"\b([0-9]{4}-[0-9]{2}-[0-9]{2}) ([0-9]{2}:[0-9]{2}) UTC\b")


def health_to_html(
    report: HealthReport, *, links: Links | None = None, interval: timedelta | None = INTERVAL
) -> str:
    """Write a health report as a page; the same report gives the same text.

    Parameters:
        report: what to show.
        links: where links lead; ``None`` for kops' own places.
        interval: how long after this page the next one is due; ``None`` if there will be none.
    """
    view = _View(report, links=links or Links())
    template, script = _template(), _script()
    return template.render(
        report=report,
        view=view,
        title=opening(report),
        level=worst_of(report),
        due=report.now + interval if interval else None,
        interval=int(interval.total_seconds()) if interval else 0,
        script=Markup(script),  # noqa: S704 # a file of this package
        digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        has_contents=len(report.channels) > _CONTENTS_ABOVE,
        band=BAND,
        flag_row=FLAG_ROW,
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
    environment.filters["timed"] = _timed
    environment.filters["heading"] = _heading
    environment.filters["machine"] = _machine
    environment.filters["moment"] = moment
    return environment.get_template("health.html.j2")


@cache
def _script() -> str:
    return files("kopsversion.render").joinpath("templates", "age.js").read_text(encoding="utf-8").strip()


def _timed(text: str) -> Markup:
    """Escape text, and mark up the moments and the code in it."""
    marked = _TIME.sub(r'<time datetime="\1T\2Z">\g<0></time>', str(escape(printable(text))))
    marked = _CODE.sub(r"<code>\1</code>", marked)
    return Markup(marked)  # noqa: S704 # escaped, but for elements around what is escaped


def _heading(text: str) -> Markup:
    """Mark up as `_timed` does, and keep the name of a branch on one line, which has a hyphen."""
    marked = _BRANCH.sub(r'<span class="whole">\g<0></span>', str(_timed(text)))
    return Markup(marked)  # noqa: S704 # escaped, but for elements around what is escaped


_RUNS = ("first_failing_run", "newest_failing_run", "last_good_run", "run_on_its_way", "run")
"""Where the data of a condition about a job has URLs of runs, which its message has too."""


def _message(condition: Condition) -> Markup:
    """Mark up the message of a condition, with each URL of a run in it as a link of a few letters."""
    marked = _timed(condition.message)
    urls = {
        str(escape(condition.data[key])): str(condition.data[key]) for key in _RUNS if key in condition.data
    }
    if not urls:
        return marked
    pattern = "|".join(re.escape(url) for url in sorted(urls, key=len, reverse=True))
    return Markup(re.sub(pattern, lambda found: _run(urls[found[0]]), marked))  # noqa: S704 # `_run` escapes


def _run(url: str) -> str:
    """Mark up a run: its number, which leads to it where it is on the web."""
    number = escape(printable(url.rstrip("/").rpartition("/")[2]))
    return f'<a href="{escape(url)}">run {number}</a>' if _web(url) else f"run {number}"


def _machine(time: datetime) -> str:
    """Write a moment as an attribute ``datetime`` holds it, to the minute."""
    return f"{time:%Y-%m-%dT%H:%MZ}"


# --------------------------------------------------------------------------------------------------
# Texts


@frozen(kw_only=True)
class _FindingView:
    """A finding.

    Attributes:
        level: ``error``, ``warning``, ``info`` or ``silenced``.
        finding: the finding itself.
        message: its message, marked up.
        since: when it was first found, UTC; ``None`` where that is not known, or said of its channel already.
        code_href: where its code is explained.
        links: what else is worth looking at, as words and URLs.
    """

    level: str
    finding: Finding
    message: Markup
    since: datetime | None
    code_href: str
    links: tuple[tuple[str, str], ...]


@frozen(kw_only=True)
class _ChannelView:
    """A channel in need of attention, or with something that is good to know.

    Attributes:
        health: how it is.
        anchor: its anchor on the page.
        level: how bad it is.
        causes: what is wrong, in a few words each.
        since: since when it is unhealthy, in words; empty where no runs were kept.
        recurring: what came up several times, in words.
        href: where its branch is.
        findings: those that count, and those that are silenced.
        remarks: those that are only info.
    """

    health: ChannelHealth
    anchor: str
    level: str
    causes: tuple[str, ...]
    since: str
    recurring: tuple[str, ...]
    href: str
    findings: tuple[_FindingView, ...]
    remarks: tuple[_FindingView, ...]


class _View:
    """All that the template shows of a report.

    Parameters:
        report: the report.
        links: where links lead.
    """

    def __init__(self, report: HealthReport, *, links: Links) -> None:
        scale = Scale.around(report)
        self.links = links
        ordered = worst_channels_first(report)
        anchored = list(zip(_anchors(ordered), ordered, strict=True))
        self.channels = [_channel(channel, report, links=links, anchor=name) for name, channel in anchored]
        self.general = [_finding(each, report, None, links=links) for each in _general(report)]
        self.lanes = [
            (name, lane_of(channel, scale, links=links, store=report.store)) for name, channel in anchored
        ]
        self.dates = list(dates(scale))
        self.legend = _Legend.of([lane for _, lane in self.lanes])
        self.tables = [table.without_empty_columns() for table in _tables(report, links=links) if table.rows]
        self.codes = {} if links.condition else _codes(report)
        self.store_href = _web(report.store)

    @property
    def unhealthy(self) -> Sequence[_ChannelView]:
        """The channels in need of attention."""
        return [channel for channel in self.channels if channel.level != "healthy"]

    @property
    def groups(self) -> Sequence[Sequence[_ChannelView]]:
        """The channels for the table of contents: those in need of attention, and the healthy ones."""
        healthy = [channel for channel in self.channels if channel.level == "healthy"]
        return [group for group in (self.unhealthy, healthy) if group]

    @property
    def remarked(self) -> Sequence[_ChannelView]:
        """The channels with remarks, and healthy ones with silenced or recurring findings."""
        return [
            channel
            for channel in self.channels
            if channel.remarks or (channel.level == "healthy" and (channel.findings or channel.recurring))
        ]


def _web(url: str) -> str:
    return url if url.startswith(("https://", "http://")) else ""


def _anchors(channels: Sequence[ChannelHealth]) -> Iterator[str]:
    """Name each channel for the page: its ref, with a number if another has that already."""
    seen: dict[str, int] = {}
    for channel in channels:
        name = re.sub(r"[^A-Za-z0-9._-]", "-", channel.channel)
        seen[name] = seen.get(name, 0) + 1
        yield name if seen[name] == 1 else f"{name}~{seen[name]}"


def _general(report: HealthReport) -> Sequence[Finding]:
    return [finding for channel, finding in report.findings if not channel]


def _channel(channel: ChannelHealth, report: HealthReport, *, links: Links, anchor: str) -> _ChannelView:
    views = [_finding(each, report, channel, links=links) for each in channel.findings]
    return _ChannelView(
        health=channel,
        anchor=anchor,
        level=level_of(channel),
        causes=causes_of(channel, now=report.now),
        since=_since(channel, now=report.now),
        recurring=_recurring(channel),
        href=links.to_branch(channel.channel),
        findings=_in_order((view for view in views if view.level != "info"), channel, now=report.now),
        remarks=tuple(view for view in views if view.level == "info"),
    )


def _in_order(
    views: Iterable[_FindingView], channel: ChannelHealth, *, now: datetime
) -> tuple[_FindingView, ...]:
    """Order findings: silenced ones last, else the worst first; among equals first the job that explains others.

    Jobs that explain nothing come after what is wrong by itself.
    """
    jobs_last = sorted(views, key=lambda view: view.finding.condition.code.startswith("writer-"))
    causes_first = sorted(jobs_last, key=lambda view: not explains(view.finding, channel, now=now))
    worst_first = sorted(causes_first, key=lambda view: view.finding.condition.severity, reverse=True)
    return tuple(sorted(worst_first, key=lambda view: view.level == "silenced"))


def _since(channel: ChannelHealth, *, now: datetime) -> str:
    history = channel.history
    if history is None or history.since is None:
        return ""
    at_least = " or longer" if history.is_since_before else ""
    return f"Unhealthy since {moment(history.since)} ({duration(now - history.since)}{at_least})"


def _recurring(channel: ChannelHealth) -> tuple[str, ...]:
    recurring = channel.history.recurring if channel.history is not None else {}
    return tuple(f"{key}: {count(times, 'time')} in 30 days" for key, times in recurring.items())


def _finding(
    finding: Finding, report: HealthReport, channel: ChannelHealth | None, *, links: Links
) -> _FindingView:
    history = channel.history if channel is not None else None
    is_said = history is not None and history.since == finding.first_seen
    return _FindingView(
        level="silenced" if finding.silence is not None else str(finding.condition.severity),
        finding=finding,
        message=_message(finding.condition),
        since=None if is_said else finding.first_seen,
        code_href=links.to_condition(finding.condition.code),
        links=tuple(_links(finding, report, channel, links=links)),
    )


def _links(
    finding: Finding, report: HealthReport, channel: ChannelHealth | None, *, links: Links
) -> Iterator[tuple[str, str]]:
    """Yield what is worth looking at and is no link in the message: of a job its runs, else the marker."""
    data = finding.condition.data
    path = data.get("marker")
    if finding.condition.code.startswith("writer-"):
        job = data.get("job")
        if isinstance(job, str) and links.to_job(job):
            yield f"runs of {job}", links.to_job(job)
        good = str(data.get("last_good_run", ""))
        if _web(good) and good not in finding.condition.message:
            yield "last good run", good
        return
    for marker in channel.markers if channel is not None else ():
        if marker.report.marker.path == path:
            missed = _compare(marker, channel, links=links)
            places = (("what it misses", missed), ("the marker", _object(marker, report, links=links)))
            yield from ((words, href) for words, href in places if href)


def _compare(marker: MarkerHealth, channel: ChannelHealth | None, *, links: Links) -> str:
    """Return where the merges are that a marker misses; nowhere if it misses none."""
    newest = channel.testable if channel is not None else None
    if marker.version is None or newest is None or marker.verdict not in {Verdict.STALE, Verdict.LAGGING}:
        return ""
    return links.to_compare(marker.version, newest.version)


def _object(marker: MarkerHealth, report: HealthReport, *, links: Links) -> str:
    return links.to_object(report.store, marker.report.marker.path)


def _codes(report: HealthReport) -> Mapping[str, str]:
    """Return what each code on the page means."""
    shown = {finding.condition.code for _, finding in report.findings}
    return {code: entry.meaning for code, entry in CATALOGUE.items() if code in shown}


@frozen(kw_only=True)
class _Legend:
    """The legend: only what the timeline draws.

    Attributes:
        ticks: states of builds, as the letter that draws each and its words.
        flags: kinds of markers, the same way.
        has_unplaced: whether a marker names no build that has a place.
        has_earlier: whether something is older than the timeline.
        has_gap: whether builds have stopped somewhere.
        has_quiet: whether builds have stopped somewhere and that does not count as wrong.
        has_lag: whether the lag over time is drawn.
        runs: how runs of jobs ended, as the class that draws each and its words.
        has_job: whether the time is drawn in which a job has been red, idle or not writing.
    """

    ticks: tuple[tuple[str, str], ...]
    flags: tuple[tuple[str, str], ...]
    has_unplaced: bool
    has_earlier: bool
    has_gap: bool
    has_quiet: bool
    has_lag: bool
    runs: tuple[tuple[str, str], ...]
    has_job: bool

    @classmethod
    def of(cls, lanes: Sequence[Lane]) -> _Legend:
        """Make the legend of what is drawn."""
        ticks = {tick.kind for lane in lanes for tick in lane.ticks}
        placed = [flag for lane in lanes for flag in lane.flags if flag.is_placed]
        flags = {flag.kind for flag in placed}
        jobs = [job for lane in lanes for job in lane.jobs]
        runs = {dot.kind for job in jobs for dot in job.dots}
        return cls(
            ticks=tuple((kind, words) for kind, words in _TICKS.items() if kind in ticks),
            flags=tuple((kind, words) for kind, words in _FLAGS.items() if kind in flags),
            has_unplaced=any(not flag.is_placed for lane in lanes for flag in lane.flags),
            has_earlier=any(lane.earlier for lane in lanes) or any(flag.is_earlier for flag in placed),
            has_gap=any(lane.gap and not lane.gap.is_quiet for lane in lanes),
            has_quiet=any(lane.gap and lane.gap.is_quiet for lane in lanes),
            has_lag=any(lane.lag for lane in lanes),
            runs=tuple((kind, words) for kind, words in _RESULTS.items() if kind in runs),
            has_job=any(job.width for job in jobs),
        )


_TICKS = {
    "t": "testable build",
    "r": "refused build",
    "u": "build that may still be uploading",
    "n": "build not examined",
}
_FLAGS = {
    "good": "marker that names the newest testable build",
    "slow": "marker that lags, within its limit",
    "bad": "marker that is stale or cannot be used",
    "ignored": "marker that does not matter",
}
_RESULTS = {
    "good": "run of a job that passed",
    "bad": "run of a job that failed",
    "ignored": "run of a job that has not ended, or whose result is not known",
}

# --------------------------------------------------------------------------------------------------
# The tables


@frozen
class _Cell:
    """A cell of a table.

    Attributes:
        text: what it says.
        href: where it leads; empty for no link.
    """

    text: str
    href: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether it has no value."""
        return self.text == NOTHING


@frozen(kw_only=True)
class _Table:
    """A table; `codes` are columns of versions and names, and they and `long` ones may be broken anywhere."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[_Cell, ...], ...]
    codes: frozenset[str] = frozenset()
    long: frozenset[str] = frozenset()

    @property
    def anchor(self) -> str:
        """Its anchor on the page."""
        return self.title.lower().replace(" ", "-")

    def without_empty_columns(self) -> _Table:
        """Leave out the columns that have no value in any row."""
        kept = [i for i in range(len(self.columns)) if not all(row[i].is_empty for row in self.rows)]
        return evolve(
            self,
            columns=tuple(self.columns[i] for i in kept),
            rows=tuple(tuple(row[i] for i in kept) for row in self.rows),
        )


def _tables(report: HealthReport, *, links: Links) -> Iterator[_Table]:
    ordered = worst_channels_first(report)
    yield _Table(
        title="Channels",
        columns=CHANNEL_COLUMNS,
        rows=tuple(_channel_row(channel, report, links=links) for channel in ordered),
        codes=frozenset({"newest testable build"}),
        long=frozenset({"newest build"}),
    )
    yield _Table(
        title="Markers",
        columns=MARKER_COLUMNS,
        rows=tuple(
            _marker_row(channel, marker, report, links=links)
            for channel in ordered
            for marker in channel.markers
        ),
        codes=frozenset({"marker", "names"}),
    )
    yield _Table(
        title="Jobs",
        columns=WRITER_COLUMNS,
        rows=tuple(
            _writer_row(channel, writer, report, links=links)
            for channel in ordered
            for writer in channel.writers
        ),
        codes=frozenset({"marker"}),
        long=frozenset({"job"}),
    )
    yield from _other_tables(report, links=links)


def _other_tables(report: HealthReport, *, links: Links) -> Iterator[_Table]:
    """Yield the tables of what was refused, passed over and left out."""
    yield _Table(
        title="Refused builds",
        columns=REFUSED_COLUMNS,
        rows=tuple(_refused_row(channel, build, links=links) for channel, build in report.refused),
        codes=frozenset({"build"}),
        long=frozenset({"why"}),
    )
    yield _Table(
        title="Skipped names",
        columns=("what they are", "how many"),
        rows=tuple((_Cell(kind), _Cell(str(number))) for kind, number in sorted(report.skipped.items())),
    )
    yield _Table(
        title="Channels left out",
        columns=("channel", "last build", "last marker written"),
        rows=tuple(
            (
                _Cell(old.channel),
                *(_Cell(moment(time) if time else NOTHING) for time in (old.built, old.written)),
            )
            for old in report.left_out
        ),
    )


def _row(columns: Sequence[str], cells: Sequence[str], hrefs: Mapping[str, str]) -> tuple[_Cell, ...]:
    return tuple(_Cell(text, hrefs.get(column, "")) for column, text in zip(columns, cells, strict=True))


def _channel_row(channel: ChannelHealth, report: HealthReport, *, links: Links) -> tuple[_Cell, ...]:
    testable = channel.testable
    hrefs = {"newest testable build": links.to_commit(testable.version) if testable is not None else ""}
    return _row(CHANNEL_COLUMNS, channel_cells(channel, now=report.now), hrefs)


def _marker_row(
    channel: ChannelHealth, marker: MarkerHealth, report: HealthReport, *, links: Links
) -> tuple[_Cell, ...]:
    hrefs = {
        "marker": _object(marker, report, links=links),
        "lag": _compare(marker, channel, links=links),
        "names": links.to_commit(marker.version) if marker.version is not None else "",
    }
    return _row(MARKER_COLUMNS, (channel.channel, *marker_cells(marker, now=report.now)), hrefs)


def _writer_row(
    channel: ChannelHealth, writer: WriterReport, report: HealthReport, *, links: Links
) -> tuple[_Cell, ...]:
    good, failing = writer.last_good_run, writer.newest_failing_run
    hrefs = {
        "job": links.to_job(writer.job),
        "last good run": _web(good.url) if good is not None else "",
        "newest failing run": _web(failing.url) if failing is not None else "",
    }
    *cells, _ = writer_cells(writer, now=report.now)
    newest = moment(failing.began) if failing is not None else NOTHING
    return _row(WRITER_COLUMNS, (channel.channel, *cells, newest), hrefs)


def _refused_row(channel: ChannelHealth, build: SeenBuild, *, links: Links) -> tuple[_Cell, ...]:
    hrefs = {"build": links.to_commit(build.version)}
    return _row(REFUSED_COLUMNS, (channel.channel, *refused_cells(build)), hrefs)
