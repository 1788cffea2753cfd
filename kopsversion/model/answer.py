"""The answer and its parts: verdicts, conditions, refusals, and the resolution that has them (DESIGN section 7).

Knows nothing of how the answer was found.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from attrs import field

from kopsversion.model.bucket import Marker
from kopsversion.model.channel import Attribution
from kopsversion.model.policy import Policy
from kopsversion.model.tables import Table, plain
from kopsversion.model.values import FrozenMapping, RankedText, freeze, frozen
from kopsversion.model.version import BuildVersion
from kopsversion.model.wording import count, duration, moment


class Severity(RankedText):
    """How much a condition matters, the mildest first: ``--strict`` fails from ``warning`` on.

    >>> Severity.WARNING > Severity.INFO
    True
    """

    INFO = "info"
    """Good to know."""
    WARNING = "warning"
    """Somebody should look."""
    ERROR = "error"
    """Something is broken."""


Datum = str | int | float | tuple[str, ...]
"""A value of `Condition.data`."""


@frozen
class Condition:
    """Something the reader should know.

    >>> answer = resolve_latest("master", store=store, now=NOW + timedelta(days=30))
    >>> [(str(condition.code), str(condition.severity)) for condition in answer.conditions]
    [('builds-old', 'warning')]

    Attributes:
        code: what it is, for machines, as in ``builds-old``.
        severity: how much it matters.
        message: one sentence, enough to act on.
        data: what the sentence is about; values are strings, numbers or lists of strings.
    """

    code: str
    severity: Severity
    message: str
    data: Mapping[str, Datum] = field(factory=FrozenMapping, converter=freeze)


class Verdict(StrEnum):
    """What a marker is worth (DESIGN section 6).

    >>> [report.verdict for report in answer.markers]
    [<Verdict.CURRENT: 'current'>]
    """

    CURRENT = "current"
    """Names the newest testable build of its channel."""
    LAGGING = "lagging"
    """Names an older one, and the promotion lag is within the limit."""
    STALE = "stale"
    """Names an older one, and the promotion lag is above the limit."""
    DANGLING = "dangling"
    """Names a build that does not exist."""
    INCOMPLETE = "incomplete"
    """Names a build that is not testable."""
    EXCLUDED = "excluded"
    """Names a build that the question passes over by request."""
    DOUBTFUL = "doubtful"
    """Names a build that is more likely another branch's, though that is not certain."""
    WRONG_CHANNEL = "wrong-channel"
    """Names another branch's build."""
    UNUSABLE = "unusable"
    """Names a build in a form that its own consumers cannot use where it stands."""
    FOREIGN = "foreign"
    """Names a place outside the store."""
    MALFORMED = "malformed"
    """Holds no version."""
    MISSING = "missing"
    """Does not exist."""
    UNKNOWN = "unknown"
    """Was written after the moment of ``--as-of``."""
    UNREACHABLE = "unreachable"
    """Cannot be read."""
    UNVERIFIED = "unverified"
    """Names a testable build, but the builds could not be listed, so whether it is old is not known."""


USABLE = frozenset({Verdict.CURRENT, Verdict.LAGGING, Verdict.UNVERIFIED})
"""Verdicts of markers whose build may be the answer."""


@frozen
class MarkerReport:
    """A marker and what it is worth.

    >>> [(report.marker.name, str(report.verdict)) for report in answer.markers]
    [('latest-ci-updown-green.txt', 'current')]

    Attributes:
        marker: as it was read.
        verdict: what it is worth.
        message: one sentence.
        lag: promotion lag; ``None`` where it does not apply or is not known.
    """

    marker: Marker
    verdict: Verdict
    message: str
    lag: timedelta | None = None


class RefusalKind(StrEnum):
    """Why a build was passed over.

    >>> store.remove(f"{master_version(3)}/linux/arm64/nodeup")
    >>> [refusal.kind for refusal in resolve_latest("master", store=store, now=NOW).refused]
    [<RefusalKind.INCOMPLETE: 'incomplete'>]
    """

    INCOMPLETE = "incomplete"
    """Files are missing, empty or without a checksum."""
    UNSETTLED = "unsettled"
    """Its upload may still be going on."""
    EXCLUDED = "excluded"
    """It is known to be bad."""
    UNREADABLE = "unreadable"
    """The store would not tell its files."""


@frozen
class Refusal:
    """A build that was passed over, and every reason.

    >>> store.remove(f"{master_version(3)}/linux/arm64/nodeup")
    >>> refused = resolve_latest("master", store=store, now=NOW).refused
    >>> [(refusal.version.distance, refusal.reasons) for refusal in refused]
    [(3, ('linux/arm64/nodeup is missing',))]

    Attributes:
        version: the build.
        reasons: every reason, one clause each.
        kind: what sort of reason that is.
    """

    version: BuildVersion
    reasons: tuple[str, ...]
    kind: RefusalKind = RefusalKind.INCOMPLETE


class Source(StrEnum):
    """Where the answer was taken from.

    >>> answer.source
    <Source.MARKER: 'marker'>
    """

    MARKER = "marker"
    """A marker that is current or lagging."""
    NEWEST = "newest"
    """The builds alone."""
    REQUEST = "request"
    """The version that was asked for."""
    CACHE = "cache"
    """The state file."""


class Rung(StrEnum):
    """How much of the store could be asked (DESIGN section 7, degradation ladder).

    >>> answer.rung
    <Rung.FULL: 'listing+markers'>
    """

    FULL = "listing+markers"
    """Builds and markers."""
    LISTING = "listing-only"
    """The builds; no marker could be read."""
    MARKER = "marker-only"
    """A marker and the build that it names; the builds could not be listed."""
    CACHED = "cached"
    """Nothing: this is the last good answer."""


@frozen(kw_only=True)
class Resolution:
    """The answer, and why (DESIGN section 7).

    >>> answer.version.distance, str(answer.source), answer.is_degraded
    (3, 'marker', False)

    Attributes:
        channel: what was asked for.
        version: the build to test.
        base_url: what ``KOPS_BASE_URL`` holds; no trailing slash, literal ``+``.
        attribution: which channel the build is of, by which witness and how surely.
        uploaded: when the build's newest file was written, UTC; ``None`` where not known.
        source: where the answer was taken from, such as a marker or the newest builds.
        rung: how much of the store could be asked.
        conditions: what the reader should know, worst first.
        markers: every marker's verdict.
        refused: every candidate that was passed over.
        skipped: names in the listings that are no build, as kind and count.
        newest: the channel's newest testable build, where it was looked for.
        store: the store's URL.
        policy: what counted as an answer.
        now: the moment of the decision, UTC.
        requests: requests made.
        round_trips: how many requests were made one after the other; others ran beside them.
        generations: the generation of every marker object that was read, by its name, including those that only
            helped to tell branches apart.
        etags: their ETags, by name, where the store gives one; a cache in front of the store goes by these.
    """

    channel: str
    version: BuildVersion
    base_url: str
    attribution: Attribution
    uploaded: datetime | None
    source: Source
    rung: Rung
    conditions: tuple[Condition, ...]
    markers: tuple[MarkerReport, ...]
    refused: tuple[Refusal, ...]
    skipped: Mapping[str, int] = field(converter=freeze)
    newest: BuildVersion | None
    store: str
    policy: Policy
    now: datetime
    requests: int = 0
    round_trips: int = 0
    generations: Mapping[str, str] = field(factory=FrozenMapping, converter=freeze)
    etags: Mapping[str, str] = field(factory=FrozenMapping, converter=freeze)

    @property
    def is_degraded(self) -> bool:
        """Whether any condition is a warning or worse; what ``--strict`` fails on."""
        return any(condition.severity >= Severity.WARNING for condition in self.conditions)

    def explain(self) -> str:
        """Say why this is the answer: everything above, as plain text for a person."""
        return plain(explanation(self))


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
