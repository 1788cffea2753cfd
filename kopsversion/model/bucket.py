"""What a bucket holds, as frozen values: files, builds, markers, a clone's line, and all of it as one snapshot.

A `Snapshot` may be partial. What is not known yet can be named as a `Need` (`kopsversion.model.needs`), so that
`kopsversion.workflows.rounds` fetches no more than the decision asks for. Knows nothing of how anything is decided.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import Enum, StrEnum

from attrs import Factory, field

from kopsversion.model.channel import BRANCH_MARKER
from kopsversion.model.checking import elements
from kopsversion.model.needs import Failure, Need
from kopsversion.model.rough import RoughName
from kopsversion.model.values import FrozenMapping, freeze, frozen
from kopsversion.model.version import BuildVersion


@frozen
class Artifact:
    """One uploaded file of a build.

    >>> build = complete_build(master_version(1))
    >>> [artifact.size for artifact in build.artifacts if artifact.path == "linux/amd64/kops"]
    [1000000]

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
    """The uploaded files of one version. Its directory's name is what tells it from every other build.

    Two directories whose names mean the same version are two builds: the files of one prove nothing about the
    other (DESIGN section 3).

    >>> build = complete_build(master_version(1), uploaded=NOW)
    >>> build.version.distance, build.uploaded == NOW, "linux/amd64/kops" in {file.path for file in build.artifacts}
    (1, True, True)

    Attributes:
        version: the name of its directory.
        sampled: when one of its files was uploaded, UTC; ``None`` where only the name was listed.
        artifacts: every file, by path; ``None`` where its directory has not been listed.
        checksums: paths of the ``.sha256`` files that were read because listing is denied; ``None`` where
            that was not tried.
    """

    version: BuildVersion = field(eq=str)
    sampled: datetime | None = None
    artifacts: tuple[Artifact, ...] | None = None
    checksums: tuple[str, ...] | None = None

    @property
    def uploaded(self) -> datetime | None:
        """When its newest file was uploaded, as far as that is known, UTC."""
        if self.artifacts:
            return max(artifact.uploaded for artifact in self.artifacts)
        return self.sampled

    @property
    def first_uploaded(self) -> datetime | None:
        """When the oldest file that it has now was uploaded, as far as that is known, UTC.

        A file that is uploaded again does not make a build new.
        """
        times = [artifact.uploaded for artifact in self.artifacts or ()]
        if self.sampled is not None:
            times.append(self.sampled)
        return min(times, default=None)

    def came_after(self, other: Build) -> bool:
        """Tell whether it is known to have been uploaded first after another one was, whatever their names say."""
        ours, theirs = self.first_uploaded, other.first_uploaded
        return ours is not None and theirs is not None and ours > theirs


class Form(StrEnum):
    """How a marker's text names a build, which decides who can follow it (DESIGN section 2)."""

    URL = "url"
    """A base URL."""
    VERSION = "version"
    """The bare version, which consumers look for beside the marker."""
    TAG = "tag"
    """A version with a ``v`` before it, which no directory has."""


@frozen
class Named:
    """A marker's text names a version; whether such a build exists is another question.

    >>> answer.markers[-1].marker.reading.version.distance
    3

    Attributes:
        version: the version.
        form: how it is written. Two texts that name the same version say the same.
    """

    version: BuildVersion
    form: Form = field(default=Form.URL, eq=False)


@frozen
class Foreign:
    """A marker's text is a well-formed URL of a build outside the store. The place is not repeated.

    >>> store.add("markers/master/latest-ci-updown-green.txt", "https://example.org/1.30.0")
    >>> reports = resolve_latest("master", store=store, now=NOW).markers
    >>> [report.marker.reading for report in reports if isinstance(report.marker.reading, Foreign)]
    [Foreign(reason='names a place outside the store')]

    Attributes:
        reason: one clause about the marker; nothing of its text.
    """

    reason: str


@frozen
class Malformed:
    """A marker's text names no version. The text itself is hostile and is not kept.

    >>> store.add("markers/master/latest-ci-updown-green.txt", "<html>")
    >>> reports = resolve_latest("master", store=store, now=NOW).markers
    >>> [str(report.verdict) for report in reports if isinstance(report.marker.reading, Malformed)]
    ['malformed']

    Attributes:
        reason: one clause about the marker; nothing of its text.
    """

    reason: str


@frozen
class Missing:
    """There is no such marker object.

    >>> store.remove("markers/master/latest-ci-updown-green.txt")
    >>> reports = resolve_latest("master", store=store, now=NOW).markers
    >>> [report.marker.name for report in reports if isinstance(report.marker.reading, Missing)]
    ['latest-ci-updown-green.txt']

    Attributes:
        reason: one clause about the marker.
    """

    reason: str


@frozen
class Later:
    """The marker was written after the moment of ``--as-of``: what it held then is not known.

    >>> reports = resolve_latest("master", store=store, as_of=NOW - timedelta(hours=2)).markers
    >>> [report.marker.name for report in reports if isinstance(report.marker.reading, Later)]
    ['latest-ci-updown-green.txt', 'latest-ci.txt']

    Attributes:
        reason: one clause about the marker.
    """

    reason: str


@frozen
class Unreachable:
    """The marker could not be read.

    >>> store.fail("read markers/master/latest-ci-updown-green.txt")
    >>> reports = resolve_latest("master", store=store, now=NOW).markers
    >>> [str(report.verdict) for report in reports if isinstance(report.marker.reading, Unreachable)]
    ['unreachable']

    Attributes:
        reason: why, in one clause.
    """

    reason: str


MarkerReading = Named | Foreign | Malformed | Missing | Later | Unreachable


@frozen
class Marker:
    """A small file that names a build (DESIGN section 6).

    >>> marker = answer.markers[-1].marker
    >>> marker.path, marker.version == answer.version
    ('markers/master/latest-ci-updown-green.txt', True)

    Attributes:
        ref: the branch or tag whose marker it is, as in ``master``.
        name: its file name, as in ``latest-ci-updown-green.txt``; at the root with a slash, ``/latest.txt``.
        reading: what it says.
        written: when, UTC, where known.
        generation: the object's generation, where it has one.
        etag: the object's ETag, where the store says one.
        age: how old a cache says that its answer may be; ``None`` where none says so.
        answered: when the server says that it answered, UTC, where there may be a cache in front of it.
    """

    ref: str
    name: str
    reading: MarkerReading
    written: datetime | None = None
    generation: str | None = None
    etag: str | None = None
    age: timedelta | None = None
    answered: datetime | None = None

    @property
    def path(self) -> str:
        """The object's name below the root."""
        return self.name.removeprefix("/") if self.is_at_root else f"markers/{self.ref}/{self.name}"

    @property
    def is_at_root(self) -> bool:
        """Whether it lies beside the builds, as ``/latest.txt`` does."""
        return self.name.startswith("/")

    @property
    def is_written_last(self) -> bool:
        """Whether every build writes it, after all its other files (DESIGN section 6)."""
        return self.name == BRANCH_MARKER or self.is_at_root

    @property
    def is_usable(self) -> bool:
        """Whether its consumers can follow the form in which it names a build, where it stands.

        They look for a bare version beside the marker, and there are builds at the root only.
        """
        form = self.reading.form if isinstance(self.reading, Named) else Form.URL
        return form is Form.URL or (form is Form.VERSION and self.is_at_root)

    @property
    def version(self) -> BuildVersion | None:
        """The version it names, if it names one."""
        return self.reading.version if isinstance(self.reading, Named) else None


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
        elsewhere: full ids of commits on other channels' lines; `commits` counts where both have one.
        shallow: whether the clone's history is cut off, so that older commits are unknown.
        channel: whose line it is; ``None`` for the channel that is asked about.
        cut: the commit of master that a release branch begins at; ``None`` for master, or where not known.
        knows_cut: whether it is known which commits are master's from before the cut. Without master's branch,
            `commits` may hold some of them.
        named: whether the user named the clone, and so should hear why it does not help.
        url: where it was fetched from; ``None`` for a clone that was there.
        alternatives: the same branch as other remotes have it, where none of these is ahead of the others.
    """

    ref: str
    commits: tuple[GitCommit, ...] = field(repr=False)
    elsewhere: frozenset[str] = field(default=frozenset(), repr=False)
    shallow: bool = False
    channel: str | None = field(default=None, repr=False)
    cut: GitCommit | None = field(default=None, repr=False)
    knows_cut: bool = field(default=True, repr=False)
    named: bool = field(default=False, repr=False)
    url: str | None = field(default=None, repr=False)
    alternatives: tuple[GitLine, ...] = field(default=(), repr=False)
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

    @property
    def is_namesake(self) -> bool:
        """Whether the ref has the channel's own name, so that it can hardly be another branch."""
        return self.ref.rpartition("/")[2] == self.channel

    def is_cut_at(self, commit: str | None) -> bool:
        """Tell whether the branch begins at a commit, which is master's too."""
        return self.cut is not None and commit is not None and self.cut.id.startswith(commit)

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
    """What is known of a store at one moment. It may be partial.

    >>> snapshot = Snapshot.complete("mem://bucket/", builds=[complete_build(master_version(1))])
    >>> snapshot.build(BuildVersion.parse(master_version(1))).uploaded == NOW - timedelta(hours=1)
    True

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
        unread: the highest of those, as far as they can be read.
        failures: what could not be learnt, and why.
        whole: whether nothing exists but what is here.
        git: the channel's branch in a clone of kops, where there is one.
        as_of: the moment that the snapshot pretends to be from, UTC; ``None`` for the present.
        requests: requests made to learn all this.
        round_trips: how many requests were made one after the other; others ran beside them.
    """

    store: str
    base_url: str = ""
    builds: tuple[Build, ...] = ()
    minors: frozenset[str] | None = None
    listed: frozenset[str] = frozenset()
    timed: frozenset[str] = frozenset()
    markers: tuple[Marker, ...] = ()
    marker_names: frozenset[tuple[str, str]] | None = None
    skipped: Mapping[str, int] = field(factory=FrozenMapping, converter=freeze)
    unread: tuple[RoughName, ...] = ()
    failures: Mapping[Need, Failure] = field(factory=FrozenMapping, converter=freeze)
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

        Raises:
            UsageError: something in `builds` or `markers` is of another type.
        """
        held = elements("builds", builds, Build, wanted="Build values")
        minors = frozenset(build.version.minor for build in held)
        read = elements("markers", markers, Marker, wanted="Marker values")
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
        """Return the build whose directory has that name, or else one whose name means the same, if it is known."""
        alike = [build for build in self.builds if build.version == version]
        # One that was looked for and not found is held without artifacts: another spelling may be there.
        alike.sort(key=lambda build: (build.artifacts == (), build.version.text != version.text))
        return alike[0] if alike else None

    def marker(self, ref: str, name: str) -> Marker | None:
        """Return that marker, or ``None`` where it is not known whether it exists."""
        for marker in self.markers:
            if (marker.ref, marker.name) == (ref, name):
                return marker
        if self.marker_names is not None and (ref, name) not in self.marker_names:
            return Marker(ref, name, Missing("does not exist"))
        return None
