"""A store in memory: it holds what a test puts there, counts what is asked of it, and fails on demand.

It passes the contract of `kopsversion.testing.contract` like any other store.
"""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from hashlib import sha256
from typing import TYPE_CHECKING

from attrs import evolve

from kopsversion.errors import (
    ObjectNotFoundError,
    PreconditionFailedError,
    StoreError,
    StoreUnavailableError,
    quoted,
)
from kopsversion.model.layout import OFFICIAL_ROOT
from kopsversion.model.values import frozen
from kopsversion.stores.base import PIECE, Content, Listing, Store, StoredObject, check_name, fold
from kopsversion.stores.globs import glob_matcher
from kopsversion.testing.builds import NOW, checked_paths, files_of_a_build

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

__all__ = ["MemoryStore"]

_HOUR = timedelta(hours=1)


@frozen
class _Held:
    """One object."""

    data: bytes
    uploaded: datetime
    generation: int


@frozen
class _Fault:
    """The error that calls which match a pattern raise, `times` more times; ``None`` for ever."""

    pattern: str
    error: StoreError
    times: int | None


class MemoryStore(Store):
    """A store in memory.

    A call is known, to `calls` and to `fail`, by its verb and what it asks for: ``list 1.30. /``,
    ``read markers/master/latest-ci.txt``, ``write …``, ``stat …``, ``download …``.

    Parameters:
        url: where it says that it is, with a trailing slash.
        clock: tells when something is written.

    Attributes:
        calls: every call, in the order in which they came.
    """

    def __init__(
        self, url: str = "mem://bucket/", *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.calls: list[str] = []
        self._url = url
        self._clock = clock
        self._held: dict[str, _Held] = {}
        self._faults: list[_Fault] = []
        self._generation = 0
        self._lock = threading.Lock()

    # ---- what a test puts there

    def add(self, name: str, data: bytes | str = b"", *, at: datetime = NOW - _HOUR) -> None:
        """Put an object there, or in the place of one.

        Parameters:
            name: the object's name.
            data: what it holds.
            at: when it was written, UTC; default: an hour before `kopsversion.testing.NOW`.
        """
        with self._lock:
            self._generation += 1
            content = data.encode() if isinstance(data, str) else data
            self._held[name] = _Held(content, at, self._generation)

    def remove(self, name: str) -> None:
        """Take an object away.

        Raises:
            KeyError: there is none.
        """
        with self._lock:
            del self._held[name]

    def add_build(
        self, version: str, *, at: datetime = NOW - _HOUR, without: Iterable[str] = (), kops: bytes = b"kops"
    ) -> None:
        """Put a build there: complete, with true checksums, but for what is left out.

        Parameters:
            version: its name.
            at: when it was uploaded, UTC.
            without: paths of files that are not there.
            kops: what its kops binaries hold, for `kopsversion.fetch_kops`.

        Raises:
            UsageError: a complete build has no such file.
        """
        left_out = checked_paths(without)
        for path in files_of_a_build():
            if path in left_out:
                continue
            if path.endswith(".sha256"):
                self.add(f"{version}/{path}", f"{sha256(_content(path[:-7], kops)).hexdigest()}\n", at=at)
            else:
                self.add(f"{version}/{path}", _content(path, kops), at=at)

    def add_marker(self, ref: str, name: str, version: str, *, at: datetime = NOW - _HOUR) -> None:
        """Write a marker as kops does: the official URL of a build, and a newline.

        Parameters:
            ref: the branch, as in ``master``.
            name: the marker's name, as in ``latest-ci.txt``.
            version: the build that it names.
            at: when it was written, UTC.
        """
        self.add(f"markers/{ref}/{name}", f"{OFFICIAL_ROOT}{version}\n", at=at)

    def fail(self, pattern: str, error: StoreError | None = None, *, times: int | None = None) -> None:
        """Let calls that match a pattern raise an error.

        Parameters:
            pattern: as file names are matched, as in ``read markers/*``.
            error: what is raised; default: a `StoreUnavailableError`.
            times: how often; default: until `heal`.
        """
        fault = error or StoreUnavailableError(f"{pattern}: HTTP 503", url=self._url, transient=True)
        self._faults.append(_Fault(pattern, fault, times))

    def heal(self) -> None:
        """Let nothing fail any more."""
        self._faults.clear()

    # ---- the protocol

    @property
    def url(self) -> str:
        """Where it says that it is."""
        return self._url

    @property
    def requests(self) -> int:
        """How many calls came."""
        return len(self.calls)

    @property
    def is_local(self) -> bool:
        """No: its calls count, as a bucket's do."""
        return False

    def public_url(self, name: str) -> str:
        """See `Store.public_url`."""
        return f"{self._url}{name}"

    def list(
        self, prefix: str = "", *, delimiter: str = "", match_glob: str = "", start: str = "", end: str = ""
    ) -> Listing:
        """See `Store.list`."""
        self._answer(" ".join(filter(None, ("list", prefix, delimiter, match_glob))))
        matches = glob_matcher(match_glob)
        objects: list[StoredObject] = []
        prefixes: set[str] = set()
        for name, held in sorted(self._held.items()):
            if not name.startswith(prefix) or name < start or (end and name >= end):
                continue
            folded = fold(name, prefix=prefix, delimiter=delimiter)
            if folded is not None and matches(folded):
                prefixes.add(folded)
            elif folded is None and matches(name):
                objects.append(StoredObject(name, len(held.data), held.uploaded))
        return Listing(tuple(objects), tuple(sorted(prefixes)))

    def read(self, name: str, *, limit: int) -> Content:
        """See `Store.read`."""
        held = self._find("read", name)
        return Content(held.data[: limit + 1], str(held.generation), held.uploaded)

    def stat(self, name: str) -> StoredObject:
        """See `Store.stat`."""
        held = self._find("stat", name)
        return StoredObject(name, len(held.data), held.uploaded, str(held.generation))

    def write(
        self,
        name: str,
        data: bytes,
        *,
        if_generation: str | None,
        cache_control: str,  # noqa: ARG002 # a store in memory serves no headers
        metadata: Mapping[str, str],  # noqa: ARG002
    ) -> str:
        """See `Store.write`."""
        check_name(name, url=self._url)
        self._answer(f"write {name}")
        with self._lock:
            held = self._held.get(name)
            known = None if held is None else str(held.generation)
            if known != if_generation:
                raise PreconditionFailedError(f"{quoted(name)} has changed", url=f"{self._url}{name}")
            self._generation += 1
            self._held[name] = _Held(data, self._clock(), self._generation)
            return str(self._generation)

    def download(self, name: str, *, offset: int = 0) -> Iterator[bytes]:
        """See `Store.download`."""
        data = self._find("download", name).data
        yield from (data[begin : begin + PIECE] for begin in range(offset, len(data), PIECE))

    def close(self) -> None:
        """Nothing is open."""

    # ---- how

    def _find(self, verb: str, name: str) -> _Held:
        check_name(name, url=self._url)
        self._answer(f"{verb} {name}")
        if name not in self._held:
            raise ObjectNotFoundError(f"{quoted(name)} does not exist", url=f"{self._url}{name}")
        return self._held[name]

    def _answer(self, call: str) -> None:
        """Note a call, and raise what it is to raise."""
        with self._lock:
            self.calls.append(call)
            for number, fault in enumerate(self._faults):
                if fnmatchcase(call, fault.pattern) and fault.times != 0:
                    if fault.times is not None:
                        self._faults[number] = evolve(fault, times=fault.times - 1)
                    raise fault.error


def _content(path: str, kops: bytes) -> bytes:
    return kops if path.endswith("/kops") else b"x"
