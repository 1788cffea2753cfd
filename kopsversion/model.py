"""The nouns of DESIGN section 12, as frozen values that the pure core computes with.

Three groups: what a bucket holds (`Artifact`, `Build`, `Marker`, `Snapshot`), what is wanted (`Channel`,
`Policy`), and what came out (`Condition`, `MarkerReport`, `Refusal`, `Resolution`). A `Snapshot` may be partial:
what it does not know yet it can name as a `Need`, so that `kopsversion.snapshot` fetches no more than the
decision asks for.

This module reads no clock, file, environment or network, and must not know how anything is decided.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from datetime import datetime, timedelta
from enum import Enum, StrEnum
from typing import TYPE_CHECKING, NoReturn

from attrs import Factory, field, frozen

from kopsversion.errors import UsageError, quoted
from kopsversion.version import BuildVersion

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

# --------------------------------------------------------------------------------------------------
# What a bucket holds


@frozen
class Artifact:
    """One uploaded file of a build.

    Attributes:
        path: below the build's directory, as in ``linux/amd64/kops``.
        size: bytes.
        uploaded: when its content was written, UTC.
    """

    path: str
    size: int
    uploaded: datetime


@frozen
class Build:
    """The uploaded files of one version.

    Attributes:
        version: the name of its directory.
        sampled: when one of its files was uploaded, UTC; ``None`` where only the name was listed.
        artifacts: every file, by path; ``None`` where its directory has not been listed.
        checksums: paths of the ``.sha256`` files that were read because listing is denied; ``None`` where
            that was not tried.
    """

    version: BuildVersion
    sampled: datetime | None = None
    artifacts: tuple[Artifact, ...] | None = None
    checksums: tuple[str, ...] | None = None

    @property
    def uploaded(self) -> datetime | None:
        """When its newest file was uploaded, as far as that is known, UTC."""
        if self.artifacts:
            return max(artifact.uploaded for artifact in self.artifacts)
        return self.sampled


@frozen
class Named:
    """A marker's text names a version; whether such a build exists is another question."""

    version: BuildVersion


@frozen
class Foreign:
    """A marker's text is a well-formed URL of a build outside the store. The place is not repeated."""

    reason: str


@frozen
class Malformed:
    """A marker's text names no version. The text itself is hostile and is not kept."""

    reason: str


@frozen
class Missing:
    """There is no such marker object, or, with ``--as-of``, what it held then is not known."""

    reason: str


@frozen
class Unreachable:
    """The marker could not be read."""

    reason: str


MarkerReading = Named | Foreign | Malformed | Missing | Unreachable


@frozen
class Marker:
    """A small file that names a build (DESIGN section 6).

    Attributes:
        ref: the branch or tag whose directory it is in, as in ``master``.
        name: its file name, as in ``latest-ci-updown-green.txt``.
        reading: what it says.
        written: when, UTC, where known.
        generation: the object's generation, where it has one.
        etag: the object's ETag, where the store says one.
    """

    ref: str
    name: str
    reading: MarkerReading
    written: datetime | None = None
    generation: str | None = None
    etag: str | None = None

    @property
    def path(self) -> str:
        """The object's name below the root."""
        return f"markers/{self.ref}/{self.name}"

    @property
    def version(self) -> BuildVersion | None:
        """The version it names, if it names one."""
        return self.reading.version if isinstance(self.reading, Named) else None


# --------------------------------------------------------------------------------------------------
# What may have to be asked


@frozen
class ListMinors:
    """Which minors have builds."""


@frozen
class ListBuilds:
    """The names of all builds of one minor, as in ``1.29``."""

    minor: str


@frozen
class ListUploads:
    """When the builds of one minor were uploaded."""

    minor: str


@frozen
class ListArtifacts:
    """The files of one build."""

    version: BuildVersion


@frozen
class ReadChecksums:
    """The checksums of the binaries of one build, whose directory may not be listed."""

    version: BuildVersion


@frozen
class ReadMarker:
    """The text of one marker."""

    ref: str
    name: str


@frozen
class ListMarkers:
    """Which markers exist, and so which refs have a directory below ``markers/``."""


Need = ListMinors | ListBuilds | ListUploads | ListArtifacts | ReadChecksums | ReadMarker | ListMarkers


@frozen
class Failure:
    """Why something could not be learnt.

    Attributes:
        reason: one sentence.
        denied: whether the store let us know that we may not, rather than that it cannot.
    """

    reason: str
    denied: bool = False


def minor_key(minor: str) -> tuple[int, int]:
    """Order minors as numbers: ``1.9`` before ``1.10``."""
    major, _, number = minor.partition(".")
    return int(major), int(number)


class CommitPlace(Enum):
    """Where a build's commit is, seen from one branch of a clone."""

    ELSEWHERE = "on another channel's line"
    UNKNOWN = "on no line that the clone knows"
    AMBIGUOUS = "an abbreviation of several commits"


@frozen
class GitCommit:
    """A commit on a branch's first-parent line: full id, and committer time in UTC."""

    id: str
    time: datetime


@frozen
class GitLine:
    """A channel's first-parent line in a clone of kops, and which commits are surely another channel's.

    Attributes:
        ref: the ref that was read, as in ``origin/master``.
        commits: the line, oldest first; for a release branch from where it left master's, so there is none on
            a branch that was only just cut.
        elsewhere: full ids of commits on other channels' lines; where one is also in `commits`, that counts.
        shallow: whether the clone's history is cut off, so that older commits are unknown.
        channel: whose line it is; ``None`` for the channel that is asked about.
    """

    ref: str
    commits: tuple[GitCommit, ...] = field(repr=False)
    elsewhere: frozenset[str] = field(default=frozenset(), repr=False)
    shallow: bool = False
    channel: str | None = field(default=None, repr=False)
    _index: Sequence[tuple[str, int]] = field(
        init=False,
        repr=False,
        eq=False,
        default=Factory(
            lambda self: sorted(
                (
                    dict.fromkeys(self.elsewhere, -1)
                    | {commit.id: position for position, commit in enumerate(self.commits)}
                ).items()
            ),
            takes_self=True,
        ),
    )

    def locate(self, commit: str) -> int | CommitPlace:
        """Find a commit by an abbreviation of its id.

        Parameters:
            commit: the first 7 to 40 hex digits of the id.

        Returns:
            Its position on the line (0 is the oldest), or where it is instead.
        """
        start = bisect_left(self._index, (commit, -1))
        # In the order of full ids, those that begin alike lie side by side: two are enough to see.
        matches = [position for known, position in self._index[start : start + 2] if known.startswith(commit)]
        if not matches:
            return CommitPlace.UNKNOWN
        if len(matches) > 1:
            return CommitPlace.AMBIGUOUS
        return matches[0] if matches[0] >= 0 else CommitPlace.ELSEWHERE


@frozen
class Snapshot:
    """What is known of a store at one moment; possibly not everything.

    Attributes:
        store: the store's URL, for messages.
        base_url: what a version is appended to, to give its base URL; ends in ``/``.
        builds: the builds known so far, in no particular order.
        minors: the minors that have builds; ``None`` where not asked.
        listed: the minors all of whose builds are in `builds`.
        timed: the minors all of whose builds have an upload time.
        markers: the markers that were asked for, also those that could not be read.
        marker_names: ref and name of every marker that exists; ``None`` where not asked.
        skipped: names in the listings that are no build, as kind and count.
        failures: what could not be learnt, and why.
        whole: whether nothing exists but what is here.
        git: the channel's branch in a clone of kops, where there is one.
        as_of: the moment that the snapshot pretends to be from, UTC; ``None`` for the present.
        requests: requests made to learn all this.
        round_trips: how many of them had to wait for one before.
    """

    store: str
    base_url: str = ""
    builds: tuple[Build, ...] = ()
    minors: frozenset[str] | None = None
    listed: frozenset[str] = frozenset()
    timed: frozenset[str] = frozenset()
    markers: tuple[Marker, ...] = ()
    marker_names: frozenset[tuple[str, str]] | None = None
    skipped: Mapping[str, int] = Factory(dict)
    failures: Mapping[Need, Failure] = Factory(dict)
    whole: bool = False
    git: GitLine | None = None
    as_of: datetime | None = None
    requests: int = 0
    round_trips: int = 0

    @classmethod
    def complete(
        cls,
        store: str,
        *,
        builds: Iterable[Build] = (),
        markers: Iterable[Marker] = (),
        git: GitLine | None = None,
    ) -> Snapshot:
        """Make a snapshot that knows everything: what is not given does not exist.

        Parameters:
            store: the store's URL, with a trailing slash; a base URL is this and a version.
            builds: every build that exists.
            markers: every marker that exists.
            git: the channel's branch in a clone of kops, where there is one.
        """
        held = tuple(builds)
        minors = frozenset(build.version.minor for build in held)
        read = tuple(markers)
        return cls(
            store=store,
            base_url=store,
            builds=held,
            minors=minors,
            listed=minors,
            timed=minors,
            markers=read,
            marker_names=frozenset((marker.ref, marker.name) for marker in read),
            whole=True,
            git=git,
        )

    @property
    def refs(self) -> frozenset[str] | None:
        """The refs that have markers; ``None`` where not asked."""
        return None if self.marker_names is None else frozenset(ref for ref, _ in self.marker_names)

    def build(self, version: BuildVersion) -> Build | None:
        """Return the build of that name, if it is known."""
        return next((build for build in self.builds if build.version == version), None)

    def marker(self, ref: str, name: str) -> Marker | None:
        """Return that marker, or ``None`` where it is not known whether it exists."""
        for marker in self.markers:
            if (marker.ref, marker.name) == (ref, name):
                return marker
        if self.marker_names is not None and (ref, name) not in self.marker_names:
            return Marker(ref, name, Missing("does not exist"))
        return None


# --------------------------------------------------------------------------------------------------
# What is wanted

MASTER = "master"
BRANCH_MARKER = "latest-ci.txt"
"""Written by a branch's own build after every other file, so it proves that build settled."""
GREEN_MARKER = "latest-ci-updown-green.txt"
"""Written on master after the smoke test."""

_RELEASE_REF = re.compile(r"(?:release-)?((?:0|[1-9][0-9]{0,3})\.(?:0|[1-9][0-9]{0,3}))")


@frozen
class Channel:
    """A branch whose newest build is wanted (DESIGN section 4).

    Attributes:
        ref: ``master`` or ``release-X.Y``.
    """

    ref: str

    @classmethod
    def parse(cls, text: str) -> Channel:
        """Read ``master``, ``latest``, ``release-1.30`` or ``1.30``.

        Raises:
            UsageError: `text` is none of these.
        """
        if text in {MASTER, "latest"}:
            return cls(MASTER)
        match = _RELEASE_REF.fullmatch(text)
        if match is None:
            raise UsageError(
                f"{quoted(text)} is not a channel",
                hint="a channel is master (or latest), or a release branch such as release-1.30 (or 1.30)",
            )
        return cls(f"release-{match[1]}")

    @property
    def is_master(self) -> bool:
        """Whether this is the branch that all others are cut from."""
        return self.ref == MASTER

    @property
    def minor(self) -> str | None:
        """Major and minor of a release branch, as in ``1.30``; ``None`` for master."""
        return None if self.is_master else self.ref.removeprefix("release-")

    @property
    def default_markers(self) -> tuple[str, ...]:
        """The markers that consumers of this channel trust (DESIGN section 7)."""
        return (GREEN_MARKER,) if self.is_master else (BRANCH_MARKER,)

    def __str__(self) -> str:
        return self.ref


class Strategy(StrEnum):
    """What the answer is taken from."""

    GREEN = "green"
    NEWEST = "newest"


class OnStale(StrEnum):
    """What to do when no marker can be used."""

    NEWEST = "newest"
    REFUSE = "refuse"


_PLATFORM = re.compile(r"(?:linux|darwin|windows)/[a-z0-9]{1,20}")


def check_platform(text: str) -> str:
    """Return a platform, if it is an operating system and an architecture, as in ``linux/arm64``.

    Raises:
        UsageError: `text` is anything else.
    """
    if _PLATFORM.fullmatch(text) is None:
        raise UsageError(
            f"{quoted(text)} is not a platform",
            hint="a platform is linux, darwin or windows, a slash and an architecture, as in linux/arm64",
        )
    return text


@frozen(kw_only=True)
class Policy:
    """What counts as an answer. Adjust a policy with `attrs.evolve`.

    One that cannot be meant is a `UsageError`. The types are checked as far as a wrong one would pass unnoticed and
    change the answer: not every harness has a type checker.

    Attributes:
        strategy: take the answer from a fresh marker, or from the builds alone.
        markers: names of the markers to trust, best first; empty for the channel's own.
        on_stale: what to do when no marker can be used.
        max_lag: promotion lag above which a marker is stale.
        max_build_age: age of the newest build above which builds count as old (without git).
        build_sla: how long a merge may stay unbuilt (with git).
        settle: how old a build's newest file must be, for its upload to be over.
        platforms: operating system and architecture pairs that must be there.
        exclude: builds known to be bad.
        nth: which of the newest testable builds is wanted; 1 is the newest.
        reported: names of markers that are judged and reported but decide nothing.
        compare_artifacts: also list the build before the chosen one, to tell what it had and this one lacks.
    """

    strategy: Strategy = Strategy.GREEN
    markers: tuple[str, ...] = ()
    on_stale: OnStale = OnStale.NEWEST
    max_lag: timedelta = timedelta(hours=24)
    max_build_age: timedelta = timedelta(days=14)
    build_sla: timedelta = timedelta(hours=6)
    settle: timedelta = timedelta(minutes=10)
    platforms: tuple[str, ...] = ("linux/amd64", "linux/arm64")
    exclude: frozenset[BuildVersion] = frozenset()
    nth: int = 1
    reported: tuple[str, ...] = ()
    compare_artifacts: bool = False

    def __attrs_post_init__(self) -> None:
        for name, kind in (("strategy", Strategy), ("on_stale", OnStale)):
            if not isinstance(getattr(self, name), kind):
                _refuse_setting(self, name, hint=f"give a {kind.__name__}, one of {', '.join(kind)}")
        for name in ("max_lag", "max_build_age", "build_sla", "settle"):
            duration = getattr(self, name)
            if not isinstance(duration, timedelta) or duration < timedelta(0):
                _refuse_setting(self, name, hint="give a timedelta that is not negative")
        nth: object = self.nth
        if not isinstance(nth, int) or nth < 1:
            _refuse_setting(self, "nth", hint="1 is the newest testable build, 2 the one before it")
        for name in ("markers", "reported", "platforms"):
            if isinstance(getattr(self, name), str):
                _refuse_setting(self, name, hint="give a tuple of texts")
        if not self.platforms:
            _refuse_setting(self, "platforms", hint="name at least one, such as linux/amd64")
        for platform in self.platforms:
            check_platform(platform)
        if not all(isinstance(version, BuildVersion) for version in self.exclude):
            _refuse_setting(self, "exclude", hint="give a set of BuildVersion")


def _refuse_setting(policy: Policy, name: str, *, hint: str) -> NoReturn:
    raise UsageError(f"{name} of a policy is {quoted(str(getattr(policy, name)))}", hint=hint)


# --------------------------------------------------------------------------------------------------
# What came out


class Severity(StrEnum):
    """How much a condition matters: ``--strict`` fails from ``warning`` on."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"

    @property
    def rank(self) -> int:
        """0 for the mildest."""
        return list(Severity).index(self)


Datum = str | int | float | tuple[str, ...]
"""A value of `Condition.data`."""


@frozen
class Condition:
    """Something the reader should know.

    Attributes:
        code: what it is, for machines, as in ``builds-old``.
        severity: how much it matters.
        message: one sentence, enough to act on.
        data: what the sentence is about; values are strings, numbers or lists of strings.
    """

    code: str
    severity: Severity
    message: str
    data: Mapping[str, Datum] = Factory(dict)


class Witness(StrEnum):
    """What attributes a build to a channel, best first (DESIGN section 4)."""

    GIT = "git"
    VERSION = "version"
    LINEAGE = "lineage"
    REQUEST = "request"
    """The version was asked for by name, so no attribution was needed."""


class Certainty(StrEnum):
    """How sure the witness is."""

    EXACT = "exact"
    LIKELY = "likely"
    DOUBTFUL = "doubtful"


@frozen
class Attribution:
    """A build's channel, and why.

    Attributes:
        ref: the channel.
        witness: what says so.
        certainty: how sure it is.
    """

    ref: str
    witness: Witness
    certainty: Certainty


class Verdict(StrEnum):
    """What a marker is worth (DESIGN section 6)."""

    CURRENT = "current"
    LAGGING = "lagging"
    STALE = "stale"
    DANGLING = "dangling"
    INCOMPLETE = "incomplete"
    WRONG_CHANNEL = "wrong-channel"
    FOREIGN = "foreign"
    MALFORMED = "malformed"
    MISSING = "missing"
    UNREACHABLE = "unreachable"
    UNVERIFIED = "unverified"
    """Names a testable build, but the builds could not be listed, so whether it is old is not known."""


USABLE = frozenset({Verdict.CURRENT, Verdict.LAGGING, Verdict.UNVERIFIED})


@frozen
class MarkerReport:
    """A marker and what it is worth.

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
    """Why a build was passed over."""

    INCOMPLETE = "incomplete"
    UNSETTLED = "unsettled"
    EXCLUDED = "excluded"
    UNREADABLE = "unreadable"


@frozen
class Refusal:
    """A build that was passed over, and every reason."""

    version: BuildVersion
    reasons: tuple[str, ...]
    kind: RefusalKind = RefusalKind.INCOMPLETE


class Source(StrEnum):
    """Where the answer was taken from."""

    MARKER = "marker"
    NEWEST = "newest"
    REQUEST = "request"
    CACHE = "cache"


class Rung(StrEnum):
    """How much of the store could be asked (DESIGN section 7, degradation ladder)."""

    FULL = "listing+markers"
    LISTING = "listing-only"
    MARKER = "marker-only"
    CACHED = "cached"


@frozen(kw_only=True)
class Resolution:
    """The answer, and why (DESIGN section 7).

    Attributes:
        channel: what was asked for.
        version: the build to test.
        base_url: what ``KOPS_BASE_URL`` holds; no trailing slash, literal ``+``.
        attribution: which channel the build is of, who says so and how surely.
        uploaded: when the build's newest file was written, UTC; ``None`` where not known.
        source: whether a marker or the newest build decided.
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
        round_trips: how many of them waited for one before.
        generations: of every marker object that was read, by its name: also of those that only helped to
            tell branches apart.
        etags: the same of their ETags, where the store says one: what a cache in front of it would go by.
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
    skipped: Mapping[str, int]
    newest: BuildVersion | None
    store: str
    policy: Policy
    now: datetime
    requests: int = 0
    round_trips: int = 0
    generations: Mapping[str, str] = Factory(dict)
    etags: Mapping[str, str] = Factory(dict)

    @property
    def is_degraded(self) -> bool:
        """Whether any condition is a warning or worse; what ``--strict`` fails on."""
        return any(condition.severity is not Severity.INFO for condition in self.conditions)

    def explain(self) -> str:
        """Say why this is the answer: everything above, as plain text for a person."""
        # The one import that points up: a value that cannot explain itself is of little use to a harness.
        from kopsversion.render.text import explain

        return explain(self)
