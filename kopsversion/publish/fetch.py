"""kops itself, downloaded and checked (DESIGN section 9, ``--fetch``).

The file takes its place only when it is what its ``.sha256`` promises. This module knows which object is
wanted and when it is right. It must not know how the build was chosen, or how a store asks again.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from hashlib import sha256
from platform import machine
from typing import IO, TYPE_CHECKING

from attrs import frozen

from kopsversion.errors import (
    IntegrityError,
    NoTestableBuildError,
    ObjectNotFoundError,
    PreconditionFailedError,
    StoreError,
    StoreUnavailableError,
    UsageError,
    quoted,
)
from kopsversion.files import EXECUTABLE, replacing
from kopsversion.model.layout import CHECKSUM_LIMIT, read_checksum
from kopsversion.model.policy import check_platform
from kopsversion.model.version import BuildVersion
from kopsversion.rules.testable import required_paths
from kopsversion.workflows.arguments import path_of, selector_text

if TYPE_CHECKING:
    from pathlib import Path

    from kopsversion.stores.base import Store

ARCHITECTURES = ("amd64", "arm64")

_MOST_TRIES = 5
"""How often a download is begun or continued here; the store asks again by itself for each piece."""

_MOST_READINGS = 2
"""How often a checksum that is none is read: a page of somebody else's may have come in its place."""

_MACHINES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


Progress = Callable[[int, int], None]
"""Is told the bytes that are there, and those in all; fewer than before when a download begins anew."""


@frozen
class Fetched:
    """A file that was downloaded and found right.

    >>> fetched = fetch_kops(store, answer.version, path=Path("kops"))
    >>> fetched.size, fetched.sha256[:8]
    (4, 'c8ca50ef')

    Attributes:
        path: where it is.
        size: bytes.
        sha256: its checksum, 64 hex digits.
    """

    path: Path
    size: int
    sha256: str


def read_platform(system: str, machine: str, *, architecture: str | None = None) -> str:
    """Say what kops calls the platform that this runs on.

    Parameters:
        system: as in `sys.platform`.
        machine: as from `platform.machine`.
        architecture: instead of the machine's.

    Returns:
        As in ``linux/amd64``.

    Raises:
        UsageError: kops is not built for it.
    """
    if system not in {"linux", "darwin"}:
        raise UsageError(
            f"{quoted(system)} is no operating system that --fetch knows", hint="run it on Linux or macOS"
        )
    known = architecture or _MACHINES.get(machine.lower())
    if known is None:
        raise UsageError(
            f"kops is not built for this machine, {quoted(machine)}",
            hint=f"name another architecture with --arch: {' or '.join(ARCHITECTURES)}",
        )
    return f"{system}/{known}"


def fetch_kops(
    store: Store,
    version: BuildVersion | str,
    *,
    path: Path,
    platform: str | None = None,
    progress: Progress | None = None,
) -> Fetched:
    """Download a build's kops, check it, and put it in the place of `path`, executable.

    A connection that breaks is taken up again at the byte that was reached, if the object is still the same;
    if not, the download begins anew.

    >>> fetch_kops(store, answer.version, path=Path("kops")).size
    4

    Parameters:
        store: where the build is.
        version: the build, as `BuildVersion` or text.
        platform: operating system and architecture, as in ``linux/amd64``; default: what this runs on.
        path: where kops goes; what is there is untouched until the new file is right.
        progress: is told how far it has come.

    Raises:
        IntegrityError: the file is not what its checksum promises, or has none.
        NoTestableBuildError: the build has no kops for that platform.
        UsageError: it cannot be written there.
        StoreError: it could not be downloaded.

    Source: DESIGN section 9; FAILURES row 24.
    """
    path = path_of("path", path)
    named = BuildVersion.parse(selector_text("version", version))
    wanted = read_platform(sys.platform, machine()) if platform is None else check_platform(platform)
    name = f"{named}/{required_paths([wanted])[0]}"
    try:
        with replacing(path, mode=EXECUTABLE) as file:
            promise = _Download(store, name, file=file, progress=progress).run()
    except ObjectNotFoundError as error:
        raise NoTestableBuildError(
            f"{named} has no kops for {wanted}: {error}",
            channel=str(named),
            hint="ask for a platform that it must have with --platform, or name another one with --arch",
        ) from error
    return Fetched(path, size=promise.size, sha256=promise.sha256)


def read_promise(store: Store, name: str) -> str:
    """Return what an object's ``.sha256`` says: 64 hex digits.

    Parameters:
        store: where it is.
        name: the object itself, as in ``1.30.0/linux/amd64/kops``.

    Raises:
        IntegrityError: it does not exist, or holds anything else.
        StoreError: it could not be read.
    """
    subject = f"{name}.sha256"
    fault = ""
    for _ in range(_MOST_READINGS):
        try:
            content = store.read(subject, limit=CHECKSUM_LIMIT)
        except ObjectNotFoundError as error:
            raise _unchecked(store, subject, "does not exist") from error
        is_too_large = len(content.data) > CHECKSUM_LIMIT
        checksum = None if is_too_large else read_checksum(content.data)
        if checksum is not None:
            return checksum
        fault = f"is larger than {CHECKSUM_LIMIT} bytes" if is_too_large else "holds no checksum"
    raise _unchecked(store, subject, fault)


def _unchecked(store: Store, subject: str, fault: str) -> IntegrityError:
    return IntegrityError(
        f"{subject} in {store.url} {fault}, so the file cannot be checked",
        subject=subject,
        hint="take another build; this one is not whole",
    )


@frozen
class _Promise:
    """What an object will turn out to be, if nobody overwrites it."""

    size: int
    generation: str | None
    sha256: str


class _Download:
    """One object on its way into a file.

    Parameters:
        store: where it is.
        name: the object.
        file: where it goes; empty.
        progress: is told how far it has come.
    """

    def __init__(self, store: Store, name: str, *, file: IO[bytes], progress: Progress | None) -> None:
        self._store = store
        self._name = name
        self._file = file
        self._progress = progress
        self._digest = sha256()
        self._reached = 0
        self._is_patched = False

    def run(self) -> _Promise:
        """Download all of it, and check it; return what it was promised to be, and is.

        Raises:
            IntegrityError: it is something else.
            StoreError: it could not be read to its end.
        """
        promise = self._promise()
        tries_left = _MOST_TRIES
        while True:
            tries_left -= 1
            try:
                self._receive(promise)
                self._check(promise)
            except (StoreError, IntegrityError) as error:
                fault = error
            else:
                return promise
            if tries_left == 0 or (isinstance(fault, StoreError) and not _may_pass(fault)):
                raise fault
            again = self._promise()
            if isinstance(fault, IntegrityError) and again == promise and not self._is_patched:
                raise fault
            if isinstance(fault, IntegrityError) or again != promise:
                self._begin_anew()
            self._is_patched = self._reached > 0
            promise = again

    def _promise(self) -> _Promise:
        checksum = read_promise(self._store, self._name)
        stored = self._store.stat(self._name)
        return _Promise(stored.size, stored.generation, checksum)

    def _receive(self, promise: _Promise) -> None:
        """Take in what is not there yet, and never more than was promised."""
        for piece in self._store.download(self._name, offset=self._reached):
            self._reached += len(piece)
            if self._reached > promise.size:
                raise IntegrityError(
                    f"{self._name} in {self._store.url} is larger than the {promise.size} bytes it is said to have",
                    subject=self._name,
                    expected=str(promise.size),
                    hint="try again; if that does not help, take another build",
                )
            self._file.write(piece)
            self._digest.update(piece)
            if self._progress is not None:
                self._progress(self._reached, promise.size)
        if self._reached < promise.size:
            raise StoreUnavailableError(
                f"{self._name} in {self._store.url} ended after {self._reached} of {promise.size} bytes",
                url=f"{self._store.url}{self._name}",
                transient=True,
                hint="look at the network, the proxy and the status of the store",
            )

    def _check(self, promise: _Promise) -> None:
        actual = self._digest.hexdigest()
        if actual != promise.sha256:
            raise IntegrityError(
                f"{self._name} in {self._store.url} is not what its .sha256 promises: "
                f"{actual} instead of {promise.sha256}",
                subject=self._name,
                expected=promise.sha256,
                actual=actual,
                hint="take another build with --exclude, and tell the people who publish this one",
            )

    def _begin_anew(self) -> None:
        self._file.seek(0)
        self._file.truncate()
        self._digest = sha256()
        self._reached = 0


def _may_pass(fault: StoreError) -> bool:
    """Whether to ask again: a connection that broke, or an object that was overwritten meanwhile."""
    return fault.transient or isinstance(fault, PreconditionFailedError)
