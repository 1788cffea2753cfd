"""A store in memory that counts what is asked of it, and fails by name.

It implements the real protocol, so that mypy tells when it no longer does. A call is known, to `FakeStore.calls` and
to faults, by its verb and what it asks for: ``list 1.29. /``, ``read markers/master/latest-ci.txt``; ``list .`` is
that of the root by dots.
"""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from attrs import frozen

from kopsversion.errors import ObjectNotFoundError, StoreUnavailableError, quoted
from kopsversion.stores.base import Content, Listing, Store, StoredObject, fold
from kopsversion.stores.globs import glob_matcher
from tests.builders import ERA_2024, HOUR, NOW, STORE, Era

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from kopsversion.errors import StoreError

CHECKSUM = b"0" * 64 + b"\n"
URL = "mem://bucket/"
ETAG = '"one"'


@frozen
class Held:
    """One object."""

    data: bytes
    uploaded: datetime


class FakeStore(Store):
    """A store in memory.

    Parameters:
        url: where it says that it is, with a trailing slash.
        says_when: whether reading an object tells when it was written.
        honours_glob: whether ``match_glob`` is obeyed; a server may ignore it.

    Attributes:
        held: the objects, by name.
        calls: every call, in the order in which they came.
    """

    def __init__(self, *, url: str = URL, says_when: bool = True, honours_glob: bool = True) -> None:
        self.held: dict[str, Held] = {}
        self.calls: list[str] = []
        self._url = url
        self._says_when = says_when
        self._honours_glob = honours_glob
        self._faults: list[tuple[str, StoreError]] = []
        self._lock = threading.Lock()

    # ---- what a test puts there

    def add(self, name: str, data: bytes | str = b"", *, at: datetime = NOW - HOUR) -> None:
        """Put an object there."""
        self.held[name] = Held(data.encode() if isinstance(data, str) else data, at)

    def add_build(
        self,
        version: str,
        *,
        at: datetime = NOW - HOUR,
        without: Iterable[str] = (),
        era: Era = ERA_2024,
    ) -> None:
        """Put a build there: complete, but for what it is to be `without`; its last file is uploaded `at`."""
        missing = frozenset(without)
        for seconds, path in enumerate(era.paths):
            if path not in missing:
                data = CHECKSUM if path.endswith(".sha256") else b"x"
                self.add(f"{version}/{path}", data, at=at - timedelta(seconds=seconds))

    def add_marker(self, ref: str, name: str, version: str, *, at: datetime = NOW - HOUR) -> None:
        """Write a marker as kops does."""
        self.add(f"markers/{ref}/{name}", f"{STORE}{version}\n", at=at)

    def fail(self, pattern: str, error: StoreError | None = None) -> None:
        """Let the calls that match a pattern, as file names do, raise an error."""
        self._faults.append((pattern, error or StoreUnavailableError(f"{pattern}: HTTP 503", url=self._url)))

    # ---- the protocol

    @property
    def url(self) -> str:
        return self._url

    @property
    def requests(self) -> int:
        return len(self.calls)

    @property
    def is_local(self) -> bool:
        return False

    def public_url(self, name: str) -> str:
        return f"{self._url}{name}"

    def close(self) -> None:
        """Nothing is open."""

    def list(
        self, prefix: str = "", *, delimiter: str = "", match_glob: str = "", start: str = "", end: str = ""
    ) -> Listing:
        self._count(" ".join(filter(None, ("list", prefix, delimiter, match_glob))))
        matches = glob_matcher(match_glob if self._honours_glob else "")
        objects, prefixes = [], set()
        for name, held in sorted(self.held.items()):
            if not name.startswith(prefix) or not matches(name) or name < start:
                continue
            folded = fold(name, prefix=prefix, delimiter=delimiter)
            if folded is None:
                objects.append(StoredObject(name, len(held.data), held.uploaded))
            else:
                prefixes.add(folded)
        return Listing(tuple(objects), tuple(sorted(prefixes)))

    def read(self, name: str, *, limit: int) -> Content:
        self._count(f"read {name}")
        held = self._find(name)
        return Content(held.data[: limit + 1], "1", held.uploaded if self._says_when else None, ETAG)

    def stat(self, name: str) -> StoredObject:
        self._count(f"stat {name}")
        held = self._find(name)
        return StoredObject(name, len(held.data), held.uploaded, "1")

    def write(
        self,
        name: str,
        data: bytes,
        *,
        if_generation: str | None,
        cache_control: str,
        metadata: Mapping[str, str],
    ) -> str:
        raise NotImplementedError("no question writes")

    def download(self, name: str, *, offset: int = 0) -> Iterator[bytes]:
        raise NotImplementedError("no question downloads")

    # ---- how

    def _count(self, call: str) -> None:
        with self._lock:
            self.calls.append(call)
        for pattern, error in self._faults:
            if fnmatchcase(call, pattern):
                raise error

    def _find(self, name: str) -> Held:
        if name not in self.held:
            raise ObjectNotFoundError(f"{quoted(name)} does not exist", url=self._url)
        return self.held[name]
