"""Which requests answer a need, and what an answer adds to a snapshot (DESIGN section 10).

A `Fetcher` answers one need from one store. It walks down the bucket by its layout: minors, builds, files, markers.
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from attrs import field

from kopsversion.errors import ObjectNotFoundError, StoreError
from kopsversion.model import layout
from kopsversion.model.bucket import Artifact, Build, Later, Marker, Missing
from kopsversion.model.channel import minor_key
from kopsversion.model.needs import (
    ListArtifacts,
    ListBuilds,
    ListMarkers,
    ListMinors,
    ListUploads,
    Need,
    ReadChecksums,
    ReadMarker,
)
from kopsversion.model.rough import highest, read_roughly
from kopsversion.model.values import frozen
from kopsversion.model.version import BuildVersion
from kopsversion.rules.testable import required_paths
from kopsversion.stores.base import Listing
from kopsversion.stores.deadline import all_side_by_side

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from kopsversion.model.bucket import MarkerReading
    from kopsversion.model.rough import RoughName
    from kopsversion.stores.base import Content, Store
    from kopsversion.stores.deadline import Deadline

T = TypeVar("T")

_EXPECTED_MAJOR = "1"
"""The major whose minors are listed beside the majors, which saves a round trip as long as there is no other major."""

_FIRST_DIGIT, _AFTER_DIGITS = "0", ":"
"""Where the names that begin with a digit begin and end, in the order of a listing."""

_MOST_MAJORS = 4
"""How many other majors are listed: debris such as ``2024.03/`` must not cost a request each."""


@frozen
class Learnt:
    """What was fetched for one need.

    Attributes:
        builds: builds that exist, with as much as is known of them now.
        minors: minors that have builds.
        marker: the marker that was read.
        marker_names: ref and name of the markers that exist.
        skipped: names that are no build, as kind and count.
        unread: the highest of those, as far as they can be read.
        round_trips: how many requests were made one after the other.
    """

    builds: tuple[Build, ...] = ()
    minors: frozenset[str] = frozenset()
    marker: Marker | None = None
    marker_names: frozenset[tuple[str, str]] | None = None
    skipped: Mapping[str, int] = field(factory=dict)
    unread: tuple[RoughName, ...] = ()
    round_trips: int = 1


@frozen
class _Read:
    """An object that was read.

    Attributes:
        content: what it held.
        written: when it was written, UTC; ``None`` where the store does not say and it does not matter.
        round_trips: how many requests were made one after the other.
    """

    content: Content
    written: datetime | None
    round_trips: int = 1


class Fetcher:
    """Answers needs from one store.

    Parameters:
        store: where from.
        deadline: nothing waits longer.
        as_of: what was uploaded or written after it is left out, UTC.
        platforms: the platforms whose checksums prove a build where listing is denied.
        aliases: further URLs of the store's root, by which markers may name its builds.
    """

    def __init__(
        self,
        store: Store,
        *,
        deadline: Deadline,
        as_of: datetime | None,
        platforms: Iterable[str],
        aliases: Iterable[str] = (),
    ) -> None:
        self._store = store
        self._deadline = deadline
        self._as_of = as_of
        self._platforms = tuple(platforms)
        self._roots = layout.known_roots(store.url, public_url=store.public_url(""), aliases=aliases)

    def fetch(self, need: Need) -> Learnt:
        """Answer one need.

        Raises:
            StoreError: the store could not be asked.
        """
        match need:
            case ListMinors():
                return self._minors()
            case ListBuilds(minor):
                return _read_builds(self._store.list(f"{minor}.", delimiter="/"))
            case ListUploads(minor):
                return Learnt(builds=self._uploads(minor))
            case ListArtifacts(version):
                return self._artifacts(version)
            case ReadChecksums(version):
                return self._checksums(version)
            case ReadMarker(ref, name):
                return self._marker(ref, name)
            case _:  # ListMarkers
                return self._marker_names()

    def _all(self, calls: Iterable[Callable[[], T]]) -> list[T]:
        return all_side_by_side(list(calls), deadline=self._deadline, url=self._store.url)

    def _is_later(self, moment: datetime | None) -> bool:
        return self._as_of is not None and moment is not None and moment > self._as_of

    # ------------------------------------------------------------------------------ what exists

    def _minors(self) -> Learnt:
        """List the majors and, beside them, the minors of major 1, the only one that kops has had so far."""
        root, expected = self._all(
            [partial(self._numbered, prefix) for prefix in ("", f"{_EXPECTED_MAJOR}.")]
        )
        skipped: Counter[str] = Counter()
        majors = _numbers(root, parent="", skipped=skipped)
        minors = _numbers(expected, parent=f"{_EXPECTED_MAJOR}.", skipped=skipped)
        others = sorted((major for major in majors if major != _EXPECTED_MAJOR), key=int, reverse=True)
        wanted = others[:_MOST_MAJORS]
        more = self._all([partial(self._numbered, f"{major}.") for major in wanted])
        for major, listing in zip(wanted, more, strict=True):
            minors += _numbers(listing, parent=f"{major}.", skipped=skipped)
        return Learnt(
            minors=frozenset(sorted(minors, key=minor_key)), skipped=skipped, round_trips=2 if more else 1
        )

    def _numbered(self, prefix: str) -> Listing:
        """List the names with a digit after a prefix: debris may have a hundred pages of others (FAILURES row 45)."""
        return self._store.list(
            prefix, delimiter=".", start=f"{prefix}{_FIRST_DIGIT}", end=f"{prefix}{_AFTER_DIGITS}"
        )

    def _uploads(self, minor: str) -> tuple[Build, ...]:
        """Learn the upload time of every build of a minor from one file that each has."""
        listing = self._store.list(f"{minor}.", match_glob=f"{minor}.*/{layout.UPLOAD_SAMPLE}")
        builds = []
        for stored in listing.objects:
            directory = stored.name.removesuffix(layout.UPLOAD_SAMPLE)
            version = layout.read_build_name(directory) if directory != stored.name else None
            if isinstance(version, BuildVersion):
                builds.append(Build(version, sampled=stored.uploaded))
        return tuple(builds)

    def _artifacts(self, version: BuildVersion) -> Learnt:
        """List the files of one build; none at all means that there is no such build."""
        listing = self._store.list(layout.build_directory(version))
        skipped: Counter[str] = Counter()
        artifacts = []
        for stored in listing.objects:
            path = layout.read_artifact_path(stored.name, version=version)
            if path is None:
                skipped[layout.Skipped.ODD_FILE] += 1
            elif not self._is_later(stored.uploaded):
                artifacts.append(Artifact(path, size=stored.size, uploaded=stored.uploaded))
        return Learnt(builds=(Build(version, artifacts=tuple(artifacts)),), skipped=skipped)

    def _checksums(self, version: BuildVersion) -> Learnt:
        """Read the checksums of what a job cannot start without, which prove a build where listing is denied."""
        paths = [f"{path}.sha256" for path in required_paths(self._platforms)]
        reads = [partial(self._read, f"{version}/{path}", limit=layout.CHECKSUM_LIMIT) for path in paths]
        found = self._all(reads)
        held = tuple(path for path, read in zip(paths, found, strict=True) if self._is_checksum(read))
        round_trips = max((read.round_trips for read in found if read is not None), default=1)
        return Learnt(builds=(Build(version, checksums=held),), round_trips=round_trips)

    def _is_checksum(self, read: _Read | None) -> bool:
        return (
            read is not None
            and layout.read_checksum(read.content.data) is not None
            and not self._is_later(read.written)
        )

    def _read(self, name: str, *, limit: int) -> _Read | None:
        """Read an object, if there is one, and learn when it was written where that matters."""
        try:
            content = self._store.read(name, limit=limit)
            if content.written is None and self._as_of is not None:
                return _Read(content, self._store.stat(name).uploaded, round_trips=2)
        except ObjectNotFoundError:
            return None
        return _Read(content, content.written)

    # ---------------------------------------------------------------------------------- markers

    def _marker(self, ref: str, name: str) -> Learnt:
        read = self._read(layout.marker_path(ref, name), limit=layout.MARKER_LIMIT)
        if read is None:
            return Learnt(marker=Marker(ref, name, Missing("does not exist")))
        reading: MarkerReading
        if self._is_later(read.written):
            reading = Later("was written later than the moment asked for; what it held then is not known")
        else:
            reading = layout.read_marker_body(read.content.data, roots=self._roots)
        marker = Marker(
            ref,
            name,
            reading,
            written=read.written,
            generation=read.content.generation,
            etag=read.content.etag,
            age=read.content.age,
            answered=read.content.answered,
        )
        return Learnt(marker=marker, round_trips=read.round_trips)

    def _marker_names(self) -> Learnt:
        calls = [partial(self._store.list, layout.MARKERS), partial(list_root_markers, self._store)]
        below, beside = all_side_by_side(calls, deadline=self._deadline, url=self._store.url)
        # With as_of, a marker that was written later is kept: it may have existed then, with unknown content.
        names = [stored.name for stored in below.objects]
        paths = [layout.read_marker_path(name) for name in names if not name.endswith("/")]
        odd = paths.count(None)
        paths += [layout.read_marker_path(stored.name) for stored in beside.objects]
        return Learnt(
            marker_names=frozenset(path for path in paths if path is not None),
            skipped={layout.Skipped.ODD_MARKER: odd} if odd else {},
        )


def list_root_markers(store: Store) -> Listing:
    """List the markers beside the builds; where they cannot be listed, there are none, since few branches have one."""
    try:
        return store.list(layout.ROOT_MARKERS, delimiter="/")
    except StoreError:
        return Listing(objects=(), prefixes=())


def _numbers(listing: Listing, *, parent: str, skipped: Counter[str]) -> list[str]:
    """Read the entries of a listing with delimiter ``.``; count those that are no number."""
    numbers = []
    for prefix in listing.prefixes:
        number = layout.read_number_prefix(prefix, parent)
        if number is not None:
            numbers.append(number)
        elif not prefix.startswith((layout.MARKERS, layout.JOBS)):
            skipped[layout.Skipped.EMPTY_SEGMENT if prefix.startswith("/") else layout.Skipped.FOREIGN] += 1
    if strays := sum(not _is_known(stored.name) for stored in listing.objects):
        skipped[layout.Skipped.STRAY_FILE] += strays
    return numbers


def _is_known(name: str) -> bool:
    return name.startswith((layout.MARKERS, layout.JOBS)) or layout.is_root_marker(name)


def _read_builds(listing: Listing) -> Learnt:
    """Read a listing with delimiter ``/``."""
    skipped: Counter[str] = Counter()
    builds = []
    unread = []
    for prefix in listing.prefixes:
        version = layout.read_build_name(prefix)
        if isinstance(version, BuildVersion):
            builds.append(Build(version))
        elif version is not None:
            skipped[version] += 1
            unread.append(read_roughly(prefix.removesuffix("/")))
    if strays := sum(not _is_known(stored.name) for stored in listing.objects):
        skipped[layout.Skipped.STRAY_FILE] += strays
    names = highest(name for name in unread if name is not None)
    return Learnt(builds=tuple(builds), skipped=skipped, unread=names)


def url_of(need: Need, store: Store) -> str:
    """Return the URL of what a need asks for, so that an error names the object and not the store."""
    match need:
        case ReadMarker(ref, name):
            return f"{store.url}{layout.marker_path(ref, name)}"
        case ListMarkers():
            return f"{store.url}{layout.MARKERS}"
        case ListBuilds(minor) | ListUploads(minor):
            return f"{store.url}{minor}."
        case ListArtifacts(version) | ReadChecksums(version):
            return f"{store.url}{layout.build_directory(version)}"
        case _:
            return store.url
