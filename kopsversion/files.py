"""Local files, written whole or not at all, and locks between processes.

A file is written under a temporary name beside its place, and moved there in one step when it is complete. What was
there before, even a symlink, is replaced and never written through. This module knows nothing of what the files hold.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import stat as modes
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from kopsversion.errors import UsageError, quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TEMPORARY = ".kopsversion-"
"""How the names of files that are being written begin."""

_OF_THE_SYSTEM = ("/dev", "/proc", "/sys")
_MEMORY = "/dev/shm"  # noqa: S108 # a place for files like any other, if a user names it

READABLE = 0o644
EXECUTABLE = 0o755


def check_target(path: Path) -> None:
    """Make sure that a file can be written at `path`, before a store is asked for anything.

    A file, or a symlink to one or to nothing, is replaced. A directory is not, nor is a device or a pipe, nor
    anything in the system's own directories. ``/dev/stdout`` is a symlink that may lead to a file, and replacing it,
    or ``/dev/null``, would break the machine.

    Raises:
        UsageError: `path` is none of these, or is not in a directory.
    """
    with _translated(path):
        home = Path(os.path.realpath(path.parent))
        try:
            mode = path.stat().st_mode
        except FileNotFoundError:
            mode = None
    if any(home.is_relative_to(each) for each in _OF_THE_SYSTEM) and not home.is_relative_to(_MEMORY):
        raise UsageError(
            f"{quoted(str(path))} is in a directory of the system", hint="name a file, new or to be replaced"
        )
    if mode is not None and not modes.S_ISREG(mode):
        kind = "a directory" if modes.S_ISDIR(mode) else "not a regular file"
        raise UsageError(f"{quoted(str(path))} is {kind}", hint="name a file, new or to be replaced")
    if not path.parent.is_dir():
        raise UsageError(
            f"{quoted(str(path))} cannot be written: there is no directory {quoted(str(path.parent))}",
            hint="make the directory first, or name another one",
        )


@contextmanager
def replacing(path: Path, *, mode: int) -> Iterator[IO[bytes]]:
    """Open a file that takes the place of `path` when the block has ended without an error; see `in_place`.

    Parameters:
        path: where it goes; see `check_target`.
        mode: its permissions when it is there.

    Raises:
        UsageError: it cannot be written there.
    """
    check_target(path)
    with _translated(path), in_place(path, mode=mode) as file:
        yield file


@contextmanager
def in_place(path: Path, *, mode: int) -> Iterator[IO[bytes]]:
    """Open a file that takes the place of `path` when the block has ended without an error.

    Until then nobody else can read it. Whatever ends the block, even Ctrl-C, leaves nothing behind.

    Parameters:
        path: where it goes; what is there, even a symlink, is replaced.
        mode: its permissions when it is there.

    Raises:
        OSError: it cannot be written there.
    """
    # The name is known before there is a file: a signal right after it was made must not leave it behind.
    temporary = path.parent / f"{TEMPORARY}{secrets.token_hex(8)}"
    try:
        descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "w+b") as file:
            yield file
            file.flush()
            os.fchmod(descriptor, mode)
            os.fsync(descriptor)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _keep_entry(path.parent)


@contextmanager
def locked(path: Path, *, wait: Callable[[], None]) -> Iterator[int]:
    """Keep other processes, and other threads, out while the block runs.

    The lock is the operating system's: it ends with the process that holds it, however that ends.

    Parameters:
        path: a directory, or a file for the purpose, which is created where there is none. A file that gets replaced
            cannot be its own lock.
        wait: is called while another process or thread holds the lock; it pauses, or raises to give up.

    Returns:
        The file descriptor of what is locked, while the block runs.

    Raises:
        OSError: it cannot be opened or locked; some file systems have no locks.
    """
    kind = os.O_RDONLY | os.O_DIRECTORY if path.is_dir() else os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
    descriptor = os.open(path, kind | os.O_CLOEXEC, 0o600)
    try:
        while not _is_locked_now(descriptor):
            wait()
        yield descriptor
    finally:
        os.close(descriptor)  # which also ends the lock


def _is_locked_now(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def write_whole(path: Path, data: bytes, *, mode: int = READABLE) -> None:
    """Put a file that holds `data` in the place of `path`.

    Parameters:
        path: where it goes.
        data: all that it holds.
        mode: its permissions when it is there.

    Raises:
        UsageError: it cannot be written there.
    """
    with replacing(path, mode=mode) as file:
        file.write(data)


def read_limited(path: Path, *, limit: int) -> bytes | None:
    """Read a regular file, up to `limit` + 1 bytes: more than `limit` show that it is larger.

    Parameters:
        path: the file.
        limit: bytes.

    Returns:
        What it holds; ``None`` where there is no such file.

    Raises:
        OSError: it cannot be read, or is not a regular file.
        ValueError: its name has a null byte.
    """
    try:
        # Without O_NONBLOCK opening a pipe would wait for a writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        if not modes.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(limit + 1)
    finally:
        os.close(descriptor)


def reason_of(error: OSError | ValueError) -> str:
    """Say what is wrong with a file: in the operating system's words, or as Python says of a null byte in its name."""
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)


def _keep_entry(directory: Path) -> None:
    """Write the directory to disk, so that a crash of the machine does not undo the replacement."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        raise UsageError(
            f"{quoted(str(path))} cannot be written: {reason_of(error)}",
            hint="name a file in a directory that you may write to, on a disk with room",
        ) from error
