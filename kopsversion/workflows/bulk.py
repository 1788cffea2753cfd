"""A store that remembers what was listed in bulk, so that hundreds of needs are met by a few requests.

A listing in bulk is never trusted to be complete: what it does not hold is asked for by itself. This module knows the
layout of a bucket, and nothing of channels or verdicts.
"""

from __future__ import annotations

import os.path
from typing import TYPE_CHECKING
from urllib.parse import quote

from kopsversion.errors import StoreError
from kopsversion.model import layout
from kopsversion.model.needs import ListArtifacts
from kopsversion.stores.base import Listing, Store
from kopsversion.stores.wrapped import WrappedStore

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from kopsversion.model.needs import Need
    from kopsversion.stores.base import StoredObject

_LONGEST_PATTERN = 6000
"""Bytes of a pattern in a URL; servers take 8 kB for the whole of it."""

_MAJOR = "1."


class BulkStore(WrappedStore):
    """A store that answers from what was listed in bulk, and passes on every other call.

    Parameters:
        inner: the store itself.
    """

    def __init__(self, inner: Store) -> None:
        super().__init__(inner)
        self._markers: Listing | None = None
        self._root_markers: Listing | None = None
        self._names: Listing | None = None
        self._uploads: Listing | None = None
        self._builds: dict[str, Listing] = {}
        self._patterns_help = True

    def list(
        self, prefix: str = "", *, delimiter: str = "", match_glob: str = "", start: str = "", end: str = ""
    ) -> Listing:
        """Answer from what was listed in bulk, or ask."""
        match prefix, delimiter, match_glob:
            case _ if start or end:
                return self.inner.list(
                    prefix, delimiter=delimiter, match_glob=match_glob, start=start, end=end
                )
            case layout.MARKERS, "", "":
                if self._markers is None:
                    self._markers = self.inner.list(prefix)
                return self._markers
            case layout.ROOT_MARKERS, "/", "":
                if self._root_markers is None:
                    self._root_markers = self.inner.list(prefix, delimiter=delimiter)
                return self._root_markers
            case _, "", "" if prefix in self._builds:
                return self._builds[prefix]
            case _, "/", "" if self._names is not None and _is_below_major(prefix):
                return _part(self._names, prefix)
            case _, "", _ if self._uploads is not None and match_glob == _samples(prefix):
                return _part(self._uploads, prefix)
            case _:
                return self.inner.list(prefix, delimiter=delimiter, match_glob=match_glob)

    def list_all_builds(self) -> None:
        """Learn the name and upload time of every build, in two listings; where that fails, learn nothing."""
        try:
            before = self.requests
            names = self.inner.list(_MAJOR, delimiter="/")
            between = self.requests
            uploads = self.inner.list(_MAJOR, match_glob=_samples(_MAJOR))
            after = self.requests
        except StoreError:
            return
        self._names, self._uploads = names, uploads
        # A build has one name and one sample, so a server that obeys needs about as many pages for either.
        self._patterns_help = after - between <= 2 * (between - before)

    def prepare(self, needs: Iterable[Need]) -> None:
        """List the files of several builds at once, by a pattern, where that takes fewer requests.

        Parameters:
            needs: what is going to be asked; only the files of builds matter here.
        """
        if self.is_local:
            return
        versions = [need.version for need in needs if isinstance(need, ListArtifacts)]
        wanted = sorted(
            directory for v in versions if (directory := layout.build_directory(v)) not in self._builds
        )
        for group in self._groups(wanted):
            for some in _chunks(group):
                if self._patterns_help and len(some) > 1:
                    self._list_some(some)

    def _groups(self, directories: Sequence[str]) -> Iterable[Sequence[str]]:
        """Split by minor, since a server reads all names between two; not where the whole bucket is listed anyway."""
        if self._names is not None:
            return [directories]
        minors: dict[tuple[str, ...], list[str]] = {}
        for directory in directories:
            minors.setdefault(tuple(directory.split(".")[:2]), []).append(directory)
        return minors.values()

    def _list_some(self, directories: Sequence[str]) -> None:
        pattern = f"{{{','.join(each.removesuffix('/') for each in directories)}}}/**"
        before = self.requests
        try:
            alike = os.path.commonprefix(directories)  # noqa: RUF071 # by characters is what is meant
            listing = self.inner.list(alike, match_glob=pattern)
        except StoreError:
            self._patterns_help = False
            return
        # A server that ignores patterns sends everything: then one request for each build is less.
        self._patterns_help = self.requests - before <= len(directories)
        found: dict[str, list[StoredObject]] = {}
        for stored in listing.objects:
            found.setdefault(f"{stored.name.partition('/')[0]}/", []).append(stored)
        for directory in directories:
            # A build that does not come back is looked up by itself: the pattern may be at fault.
            if directory in found:
                self._builds[directory] = Listing(objects=tuple(found[directory]), prefixes=())


def _is_below_major(prefix: str) -> bool:
    return prefix.startswith(_MAJOR) and "/" not in prefix


def _samples(prefix: str) -> str:
    """Return the pattern by which `kopsversion.workflows.fetching` lists the upload times below a prefix."""
    return f"{prefix}*/{layout.UPLOAD_SAMPLE}"


def _part(listing: Listing, prefix: str) -> Listing:
    """Return the part of a listing whose names begin with a prefix."""
    return Listing(
        objects=tuple(each for each in listing.objects if each.name.startswith(prefix)),
        prefixes=tuple(each for each in listing.prefixes if each.startswith(prefix)),
    )


def _chunks(directories: Sequence[str]) -> Iterator[Sequence[str]]:
    """Split so that each part fits into a URL."""
    chunk: list[str] = []
    length = 0
    for directory in directories:
        size = len(quote(f"{directory},", safe=""))
        if chunk and length + size > _LONGEST_PATTERN:
            yield chunk
            chunk, length = [], 0
        chunk.append(directory)
        length += size
    if chunk:
        yield chunk
