"""Downloads kops itself and checks it (DESIGN section 9, ``--fetch``).

The file takes its place only when it has the checksum of its ``.sha256``. This module knows which object is
wanted and when it is right. It must not know how the build was chosen, or how a store retries.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from hashlib import sha256
from platform import machine
from typing import IO, TYPE_CHECKING

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
from kopsversion.model.values import frozen
from kopsversion.model.version import BuildVersion
from kopsversion.rules.testable import required_paths
from kopsversion.workflows.arguments import function_of, path_of, selector_text
from kopsversion.workflows.stores import store_of

if TYPE_CHECKING:
    from pathlib import Path

    from kopsversion.stores.base import Store

ARCHITECTURES = ("amd64", "arm64")

_MOST_TRIES = 5
"""How often a download is begun or continued here; within one piece the store retries by itself."""

_MOST_READINGS = 2
"""How often a checksum file is read that holds none: a proxy's error page may have come in its place."""

_MACHINES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


Progress = Callable[[int, int], None]
"""Is called with the bytes received and the bytes in all; fewer than before when a download starts again."""


@frozen
class Fetched:
    """A file that was downloaded and has the right checksum.

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
    """Return kops' name of the platform that this runs on.

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
            f"{quoted(system)} is not an operating system that --fetch knows", hint="run it on Linux or macOS"
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

    A download that breaks off goes on at the byte that was reached, if the object is still the same; if not, it
    starts again.

    >>> fetch_kops(store, answer.version, path=Path("kops")).size
    4

    Parameters:
        store: where the build is.
        version: the build, as `BuildVersion` or text.
        platform: operating system and architecture, as in ``linux/amd64``; default: what this runs on.
        path: where kops goes; what is there is untouched until the new file is right.
        progress: is told how far it has come.

    Raises:
        IntegrityError: the file does not have the checksum of its ``.sha256``, or there is none.
        NoTestableBuildError: the build has no kops for that platform.
        UsageError: it cannot be written there.
        StoreError: it could not be downloaded.

    Source: DESIGN section 9; FAILURES row 24.
    """
    path = path_of("path", path)
    store_of("store", store)
    if progress is not None:
        function_of("progress", progress)
    named = BuildVersion.parse(selector_text("version", version))
    wanted = read_platform(sys.platform, machine()) if platform is None else check_platform(platform)
    name = f"{named}/{required_paths([wanted])[0]}"
    try:
        with replacing(path, mode=EXECUTABLE) as file:
            received = _Download(store, name, file=file, progress=progress).run()
    except ObjectNotFoundError as error:
        raise NoTestableBuildError(
            f"{named} has no kops for {wanted}: {error}",
            channel=str(named),
            hint="ask for a platform that it must have with --platform, or name another one with --arch",
        ) from error
    return Fetched(path, size=received.size, sha256=received.sha256)


def expected_checksum(store: Store, name: str) -> str:
    """Read the checksum that an object should have from its ``.sha256``: 64 hex digits.

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
        hint="take another build; this one is incomplete",
    )


@frozen
class _Expected:
    """The size, generation and checksum that an object should have, unless it is overwritten meanwhile."""

    size: int
    generation: str | None
    sha256: str


class _Download:
    """The download of one object into a file.

    Parameters:
        store: where the object is.
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

    def run(self) -> _Expected:
        """Download all of it, and check it.

        Returns:
            What was expected of the object, and is so.

        Raises:
            IntegrityError: it is something else.
            StoreError: it could not be read to its end.
        """
        expected = self._expect()
        tries_left = _MOST_TRIES
        while True:
            tries_left -= 1
            try:
                self._receive(expected)
                self._check(expected)
            except (StoreError, IntegrityError) as error:
                fault = error
            else:
                return expected
            if tries_left == 0 or (isinstance(fault, StoreError) and not _may_pass(fault)):
                raise fault
            again = self._expect()
            if isinstance(fault, IntegrityError) and again == expected and not self._is_patched:
                raise fault
            if isinstance(fault, IntegrityError) or again != expected:
                self._start_again()
            self._is_patched = self._reached > 0
            expected = again

    def _expect(self) -> _Expected:
        checksum = expected_checksum(self._store, self._name)
        stored = self._store.stat(self._name)
        return _Expected(stored.size, stored.generation, checksum)

    def _receive(self, expected: _Expected) -> None:
        """Receive what is not there yet, and never more than the expected size."""
        for piece in self._store.download(self._name, offset=self._reached):
            self._reached += len(piece)
            if self._reached > expected.size:
                raise IntegrityError(
                    f"{self._name} in {self._store.url} is larger than its size of {expected.size} bytes",
                    subject=self._name,
                    expected=str(expected.size),
                    hint="try again; if that does not help, take another build",
                )
            self._file.write(piece)
            self._digest.update(piece)
            if self._progress is not None:
                self._progress(self._reached, expected.size)
        if self._reached < expected.size:
            raise StoreUnavailableError(
                f"{self._name} in {self._store.url} ended after {self._reached} of {expected.size} bytes",
                url=f"{self._store.url}{self._name}",
                transient=True,
                hint="look at the network, the proxy and the status of the store",
            )

    def _check(self, expected: _Expected) -> None:
        actual = self._digest.hexdigest()
        if actual != expected.sha256:
            raise IntegrityError(
                f"{self._name} in {self._store.url} is not what its .sha256 promises: "
                f"{actual} instead of {expected.sha256}",
                subject=self._name,
                expected=expected.sha256,
                actual=actual,
                hint="take another build with --exclude, and tell the people who publish this one",
            )

    def _start_again(self) -> None:
        self._file.seek(0)
        self._file.truncate()
        self._digest = sha256()
        self._reached = 0


def _may_pass(fault: StoreError) -> bool:
    """Tell whether to try again: after a connection that broke, or an object that was overwritten meanwhile."""
    return fault.transient or isinstance(fault, PreconditionFailedError)
