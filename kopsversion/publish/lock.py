"""A lock: one answer, whole, that other jobs and later steps replay (DESIGN section 9, ``--lock``, ``--from-lock``).

It is the JSON of the `Resolution`, which has the generation of every marker that was read, and beside it
``binaries``: the sha256 of what a job runs. Replaying reads no marker; it makes sure that the build is still where it
was, complete and with the same checksums (FAILURES row 17).

A lock is trusted like a command line, since it names the store that is asked. Its values are checked all the same,
because files are edited by hand. This module must not know how the build was chosen.
"""

from __future__ import annotations

import json
import re
from functools import partial
from typing import TYPE_CHECKING

from attrs import evolve

from kopsversion.errors import IntegrityError, NoTestableBuildError, UsageError, quoted
from kopsversion.files import reason_of, write_whole
from kopsversion.model.answer import Resolution
from kopsversion.model.codec import from_json, to_json
from kopsversion.model.values import frozen
from kopsversion.publish.fetch import expected_checksum
from kopsversion.rules.testable import required_paths
from kopsversion.stores.deadline import Deadline, all_side_by_side
from kopsversion.workflows.arguments import checked, path_of
from kopsversion.workflows.question import DEFAULT_TIMEOUT
from kopsversion.workflows.rounds import gather
from kopsversion.workflows.stores import store_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, timedelta
    from pathlib import Path

    from kopsversion.stores.base import Store

LOCK_LIMIT = 8 << 20
"""Bytes of the largest lock that is read; one with a thousand refused builds has half a MiB."""

_BINARIES = "binaries"
_SHA256 = re.compile(r"[0-9a-f]{64}")
_HINT = "write the lock again with --lock"


@frozen
class Lock:
    """An answer, and what its build's binaries must be.

    >>> lock = make_lock(store, answer)
    >>> lock.binaries["linux/amd64/kops"][:8]
    'c8ca50ef'

    Attributes:
        resolution: the answer.
        binaries: the sha256 of kops and nodeup of every platform of the policy, by path below the build.
    """

    resolution: Resolution
    binaries: Mapping[str, str]


def make_lock(
    store: Store,
    resolution: Resolution,
    *,
    timeout: float | timedelta = DEFAULT_TIMEOUT,
    deadline: Deadline | None = None,
) -> Lock:
    """Read the checksums of the answer's binaries.

    >>> sorted(make_lock(store, answer).binaries)
    ['linux/amd64/kops', 'linux/amd64/nodeup', 'linux/arm64/kops', 'linux/arm64/nodeup']

    Parameters:
        store: the one that the answer is from.
        resolution: the answer.
        timeout: how long that may take, as a duration or in seconds.
        deadline: nothing waits longer; instead of `timeout`, where several things share one.

    Raises:
        IntegrityError: a checksum file does not exist, or holds no checksum.
        StoreError: one could not be read.
    """
    checked("resolution", resolution, Resolution, wanted="a Resolution")
    store_of("store", store)
    if deadline is None:
        deadline = Deadline(timeout)
    checked("deadline", deadline, Deadline, wanted="a Deadline")
    paths = required_paths(resolution.policy.platforms)
    calls = [partial(expected_checksum, store, f"{resolution.version}/{path}") for path in paths]
    checksums = all_side_by_side(calls, deadline=deadline, url=store.url)
    return Lock(resolution, dict(zip(paths, checksums, strict=True)))


def lock_to_json(lock: Lock) -> str:
    """Write a lock as JSON, schema 1; it reads as the JSON of its resolution, too."""
    fields = json.loads(to_json(lock.resolution))
    return json.dumps({**fields, _BINARIES: dict(lock.binaries)}, indent=2, allow_nan=False) + "\n"


def lock_from_json(text: str) -> Lock:
    """Read what `lock_to_json` wrote.

    Parameters:
        text: untrusted text of any content.

    Raises:
        UsageError: it is not such JSON, of another schema, or a value is missing or wrong; the message names
            the first such key.
    """
    resolution = from_json(text)
    platforms = resolution.policy.platforms
    binaries = json.loads(text).get(_BINARIES)
    if not isinstance(binaries, dict):
        raise _unreadable(f"{_BINARIES} is missing or not an object")
    required = required_paths(platforms)
    for path in required:
        value = binaries.get(path)
        if not isinstance(value, str) or not _SHA256.fullmatch(value):
            raise _unreadable(f"{_BINARIES}.{quoted(path)} is not 64 hex digits")
    unknown = sorted(set(binaries) - set(required))
    if unknown:
        raise _unreadable(f"{_BINARIES}.{quoted(unknown[0])} is not a binary of the policy's platforms")
    return Lock(resolution, binaries)


def write_lock(path: Path, lock: Lock) -> None:
    """Write a lock into a file, whole or not at all.

    >>> write_lock(Path("lock.json"), make_lock(store, answer))
    >>> read_lock(Path("lock.json")).binaries == make_lock(store, answer).binaries
    True

    Parameters:
        path: the file.
        lock: what it is to hold.

    Raises:
        UsageError: it cannot be written there.
    """
    checked("lock", lock, Lock, wanted="a Lock")
    write_whole(path_of("path", path), lock_to_json(lock).encode())


def read_lock(path: Path) -> Lock:
    """Read a lock from a file.

    >>> write_lock(Path("lock.json"), make_lock(store, answer))
    >>> read_lock(Path("lock.json")).resolution == answer
    True

    Parameters:
        path: the file.

    Raises:
        UsageError: the file cannot be read, or is no lock; the message names the first wrong key.
    """
    path = path_of("path", path)
    try:
        with path.open("rb") as file:
            data = file.read(LOCK_LIMIT + 1)
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        message = f"the lock {quoted(str(path))} cannot be read: {reason_of(error)}"
        raise UsageError(message, hint=_HINT) from error
    if len(data) > LOCK_LIMIT:
        raise UsageError(f"the lock {quoted(str(path))} is larger than {LOCK_LIMIT} bytes", hint=_HINT)
    try:
        return lock_from_json(data.decode())
    except UnicodeDecodeError as error:
        raise UsageError(f"the lock {quoted(str(path))} is not text", hint=_HINT) from error
    except UsageError as error:
        raise UsageError(f"{quoted(str(path))}: {error}", hint=_HINT) from error


def verify_lock(store: Store, lock: Lock, *, now: datetime, deadline: Deadline) -> None:
    """Make sure that the lock's build is still there, testable and with the same checksums.

    Parameters:
        store: where the build must be.
        lock: what was answered then.
        now: the moment, UTC.
        deadline: nothing waits longer.

    Raises:
        IntegrityError: it is gone, not testable any more, has other checksums, or never was in this store.
        StoreError: the store could not be asked.
    """
    resolution = lock.resolution
    version = resolution.version
    if store.public_url(str(version)) != resolution.base_url:
        raise IntegrityError(
            f"the lock's base_url {quoted(resolution.base_url)} is not where {store.url} keeps {version}",
            subject="base_url",
            expected=store.public_url(str(version)),
            actual=resolution.base_url,
            hint=_HINT,
        )
    # Nothing is chosen here, so only the policy's rules of testability count.
    policy = evolve(resolution.policy, exclude=frozenset(), compare_artifacts=False)
    try:
        gather(store, version, policy, now=now, deadline=deadline)
    except NoTestableBuildError as error:
        raise IntegrityError(
            f"the lock names {version}, but {'; '.join((str(error), *error.reasons))}",
            subject=str(version),
            hint=_HINT,
        ) from error
    found = make_lock(store, resolution, deadline=deadline)
    for path, expected in lock.binaries.items():
        if found.binaries[path] != expected:
            raise IntegrityError(
                f"{version}/{path} in {store.url} is another file than the lock names: its sha256 is "
                f"{found.binaries[path]} instead of {expected}",
                subject=f"{version}/{path}",
                expected=expected,
                actual=found.binaries[path],
                hint=_HINT,
            )


def _unreadable(fault: str) -> UsageError:
    return UsageError(f"the lock cannot be read: {fault}", hint=_HINT)
