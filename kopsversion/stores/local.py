"""A directory as a store: for mirrors, demonstrations and tests.

An object is a regular file; its upload time is the file's mtime, its generation is made from mtime,
size and inode. The listing is that of a bucket, with two differences. A directory that folds into a
common prefix is not read, so an empty one counts as a prefix as well. And names that begin with
``.kopsversion-`` are our own and are not listed.

A directory serves no headers, so `write` keeps no ``Cache-Control``. Metadata is kept, for people, in a
hidden JSON file beside the object, and only if there is any: it holds the reason of a rollback.

Nothing outside the directory is ever read or written. A symlink that leads to something inside counts as that;
any other symlink counts as absent. This module knows nothing of versions, markers or channels.
"""

from __future__ import annotations

import errno
import json
import os
import re
import stat as modes
import time
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from kopsversion.errors import (
    AccessDeniedError,
    ObjectNotFoundError,
    PreconditionFailedError,
    StoreError,
    StoreUnavailableError,
    quoted,
)
from kopsversion.files import READABLE, TEMPORARY, in_place, locked
from kopsversion.model.values import frozen
from kopsversion.stores.base import (
    PIECE,
    Content,
    Listing,
    Store,
    StoredObject,
    check_name,
    fold,
    reaches,
)
from kopsversion.stores.globs import glob_matcher

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from kopsversion.stores.deadline import Deadline

HIDDEN = TEMPORARY
"""How the names of our own files begin: those being written, and those of metadata."""

_ABSENT = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.ENXIO}
_DENIED = {errno.EACCES, errno.EPERM, errno.EROFS}
_LOCK_PAUSE = 0.005  # seconds between two tries to get a lock; a write takes about one millisecond


class DirectoryStore(Store):
    """A store in a directory of this machine.

    Parameters:
        root: the directory; it need not exist yet.
        deadline: how long `write` waits for another writer.
        sleep: waits for that many seconds.
        now_ns: nanoseconds since 1970, for the mtime of what is written.
    """

    def __init__(
        self,
        root: Path,
        *,
        deadline: Deadline,
        sleep: Callable[[float], None] = time.sleep,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._given = str(root.absolute())
        self._root = os.path.realpath(root)
        self._url = _file_url(self._given)
        self._deadline = deadline
        self._sleep = sleep
        self._now_ns = now_ns

    @property
    def url(self) -> str:
        """The directory as a ``file://`` URL, with a trailing slash."""
        return self._url

    @property
    def requests(self) -> int:
        """None: a directory is not asked over a network."""
        return 0

    @property
    def is_local(self) -> bool:
        """Yes."""
        return True

    def public_url(self, name: str) -> str:
        """Return a ``file://`` URL with symlinks resolved, since a symlink may lead elsewhere tomorrow."""
        return _file_url(self._root) + quote(name, safe="/+~")

    def list(
        self, prefix: str = "", *, delimiter: str = "", match_glob: str = "", start: str = "", end: str = ""
    ) -> Listing:
        """List files as a bucket lists objects; see `Store.list`."""
        del end  # there are no pages to be saved
        matches = glob_matcher(match_glob)
        objects: list[StoredObject] = []
        prefixes: set[str] = set()
        with self._translated(self._url + quote(prefix, errors="replace")):
            if not modes.S_ISDIR(Path(self._root).stat().st_mode):
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
            pending = [*self._start(prefix)]
            while pending:
                directory = pending.pop()
                for entry in _entries(directory, root=self._root):
                    name = f"{entry.name}/" if entry.is_directory else entry.name
                    if not name.startswith(prefix):
                        continue
                    folded = fold(name, prefix=prefix, delimiter=delimiter)
                    if folded is not None:
                        prefixes.add(folded)
                    elif entry.is_directory:
                        pending.append(directory.below(entry))
                    elif matches(name) and (found := _stored(name, entry.path)):
                        objects.append(found)
        return Listing(
            objects=tuple(each for each in sorted(objects, key=lambda each: each.name) if each.name >= start),
            prefixes=tuple(each for each in sorted(prefixes) if matches(each) and reaches(each, start)),
        )

    def read(self, name: str, *, limit: int) -> Content:
        """Read a file; see `Store.read`."""
        with self._opened(name) as descriptor:
            status = os.fstat(descriptor)
            data = _read_exactly(descriptor, limit + 1)
        return Content(data=data, generation=_generation(status), written=_mtime(status))

    def stat(self, name: str) -> StoredObject:
        """Return a file's size, mtime and generation; see `Store.stat`."""
        with self._opened(name) as descriptor:
            status = os.fstat(descriptor)
        return StoredObject(name, status.st_size, _mtime(status), _generation(status))

    def download(self, name: str, *, offset: int = 0) -> Iterator[bytes]:
        """Stream a file; see `Store.download`. A file that is replaced meanwhile is still read as it was."""
        with self._opened(name) as descriptor:
            os.lseek(descriptor, offset, os.SEEK_SET)
            while piece := os.read(descriptor, PIECE):
                yield piece

    def close(self) -> None:
        """Nothing is kept open."""

    def write(
        self,
        name: str,
        data: bytes,
        *,
        if_generation: str | None,
        cache_control: str,
        metadata: Mapping[str, str],
    ) -> str:
        """Replace a file whole, or not at all; see `Store.write`.

        Writers in any number of processes take turns by locking the file's directory, so that comparing
        the generation and replacing the file are one step. `cache_control` is not kept.
        """
        del cache_control
        check_name(name, url=self._url)
        url = self._url + quote(name)
        with self._translated(url):
            path = self._root / Path(name)
            parent = Path(os.path.realpath(path.parent))
            if not self._contains(str(parent)):
                raise self._absent(url)
            parent.mkdir(parents=True, exist_ok=True)
            with self._locked(parent, url=url) as directory:
                current = self._status(name)
                if (current and _generation(current)) != if_generation:
                    raise PreconditionFailedError(
                        f"{quoted(url)} was written by somebody else since it was read",
                        url=url,
                        hint="read it again and decide again",
                    )
                # A clock's tick may be longer than a write: without this, two writes could have one generation.
                written_ns = max(self._now_ns(), current.st_mtime_ns + 1 if current else 0)
                generation = _replace(parent / path.name, data, mtime_ns=written_ns)
                _keep_metadata(parent / path.name, metadata)
                os.fsync(directory)
        return generation

    # ----------------------------------------------------------------------------------------------

    def _start(self, prefix: str) -> tuple[_Directory, ...]:
        """Return where a listing of `prefix` begins: the deepest directory whose whole name is in `prefix`."""
        above = prefix.rpartition("/")[0]
        if not above:
            return () if prefix.startswith("/") else (_Directory("", self._root, (self._root,)),)
        ways = [self._root]
        try:
            check_name(above, url=self._url)
            ways += [self._resolved(above[: slash.start()]) for slash in re.finditer("/|$", above)]
        except StoreError:
            return ()
        except OSError as error:
            if error.errno in _ABSENT:
                return ()
            raise
        return (_Directory(f"{above}/", ways[-1], tuple(ways)),) if len(ways) == len(set(ways)) else ()

    def _contains(self, real: str) -> bool:
        return _is_within(real, self._root)

    def _resolved(self, name: str) -> str:
        """Return where `name` really is, if that is inside the directory."""
        real = os.path.realpath(self._root / Path(name), strict=True)
        if not self._contains(real):
            raise self._absent(self._url + quote(name))
        return real

    @contextmanager
    def _opened(self, name: str) -> Iterator[int]:
        """Open the regular file `name` for reading."""
        check_name(name, url=self._url)
        url = self._url + quote(name)
        with self._translated(url):
            # Not blocking, because opening a pipe would wait for its writer.
            descriptor = os.open(self._resolved(name), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            try:
                if not modes.S_ISREG(os.fstat(descriptor).st_mode):
                    raise self._absent(url)
                yield descriptor
            finally:
                os.close(descriptor)

    def _status(self, name: str) -> os.stat_result | None:
        try:
            with self._opened(name) as descriptor:
                return os.fstat(descriptor)
        except ObjectNotFoundError:
            return None

    def _locked(self, directory: Path, *, url: str) -> AbstractContextManager[int]:
        """Hold the lock of `directory`; wait for it until the deadline."""

        def wait() -> None:
            self._deadline.check(url)
            self._sleep(_LOCK_PAUSE)

        self._deadline.check(url)
        return locked(directory, wait=wait)

    def _absent(self, url: str) -> ObjectNotFoundError:
        if os.path.isdir(self._root):  # noqa: PTH112 # Path.is_dir raises where a directory above is closed to us
            hint = f"look into {quoted(self._given)}"
            return ObjectNotFoundError(f"{quoted(url)} does not exist", url=url, hint=hint)
        what = "is not a directory" if os.path.lexists(self._given) else "does not exist"
        hint = "name the directory that holds the builds"
        return ObjectNotFoundError(f"{quoted(self._given)} {what}", url=url, hint=hint)

    @contextmanager
    def _translated(self, url: str) -> Iterator[None]:
        """Raise errors of the operating system as a `StoreError`."""
        try:
            yield
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else "it cannot be used"
            if error.errno in _ABSENT:
                raise self._absent(url) from error
            if error.errno in _DENIED:
                hint = "check the owner and mode of the file and its directories"
                raise AccessDeniedError(f"{quoted(url)}: {reason}", url=url, hint=hint) from error
            hint = "look at the disk, and at what is mounted there"
            raise StoreUnavailableError(f"{quoted(url)}: {reason}", url=url, hint=hint) from error


@frozen
class _Entry:
    """A file or directory that a listing meets: its name from the root on, and where it really is."""

    name: str
    path: str
    is_directory: bool


@frozen
class _Directory:
    """A directory to be listed.

    Attributes:
        name: from the root on, with a trailing slash; empty for the root.
        path: where it really is.
        ancestors: the real paths on the way to it, itself included, so that symlinks cannot lead in circles.
    """

    name: str
    path: str
    ancestors: tuple[str, ...]

    def below(self, entry: _Entry) -> _Directory:
        return _Directory(f"{entry.name}/", entry.path, (*self.ancestors, entry.path))


def _entries(directory: _Directory, *, root: str) -> Iterator[_Entry]:
    """Yield what is in `directory` and can be or hold an object. What vanishes meanwhile is left out."""
    try:
        scanned = os.scandir(directory.path)
    except (FileNotFoundError, NotADirectoryError):
        return
    with scanned as entries:
        for found in entries:
            if found.name.startswith(HIDDEN):
                continue
            name = directory.name + _text(found.name)
            entry = _entry(found, name, root=root)
            if entry and entry.path not in directory.ancestors:
                yield entry


def _entry(found: os.DirEntry[str], name: str, *, root: str) -> _Entry | None:
    """Return what `found` is, if that can be or hold an object."""
    if found.is_symlink():
        return _symlink_target(name, found.path, root=root)
    if found.is_dir(follow_symlinks=False):
        return _Entry(name, found.path, is_directory=True)
    if found.is_file(follow_symlinks=False):
        return _Entry(name, found.path, is_directory=False)
    return None


def _symlink_target(name: str, path: str, *, root: str) -> _Entry | None:
    """Return the file or directory that a symlink leads to; ``None`` where there is none inside `root`."""
    try:
        real = os.path.realpath(path, strict=True)
        mode = os.lstat(real).st_mode
    except OSError:
        return None
    if not _is_within(real, root) or not (modes.S_ISDIR(mode) or modes.S_ISREG(mode)):
        return None
    return _Entry(name, real, is_directory=modes.S_ISDIR(mode))


def _is_within(real: str, root: str) -> bool:
    return os.path.commonpath([real, root]) == root


def _text(name: str) -> str:
    r"""Return a file's name as text; bytes that are not UTF-8 come out as ``\xff``."""
    return os.fsencode(name).decode(errors="backslashreplace")


def _stored(name: str, path: str) -> StoredObject | None:
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return None
    return StoredObject(name, status.st_size, _mtime(status))


def _mtime(status: os.stat_result) -> datetime:
    try:
        return datetime.fromtimestamp(status.st_mtime, tz=UTC)
    except (OverflowError, ValueError):  # a file system can hold years that a datetime cannot
        return datetime.min.replace(tzinfo=UTC) if status.st_mtime < 0 else datetime.max.replace(tzinfo=UTC)


def _generation(status: os.stat_result) -> str:
    return f"{status.st_mtime_ns}-{status.st_size}-{status.st_ino}"


def _file_url(path: str) -> str:
    return f"file://{quote(os.fsencode(path.rstrip('/')), safe='/+~')}/"


def _read_exactly(descriptor: int, size: int) -> bytes:
    """Read `size` bytes, or fewer where the file ends."""
    data = bytearray()
    while len(data) < size and (chunk := os.read(descriptor, size - len(data))):
        data += chunk
    return bytes(data)


def _replace(path: Path, data: bytes, *, mtime_ns: int | None = None) -> str:
    """Put a new file in the place of `path` in one step, and return its generation."""
    with in_place(path, mode=READABLE) as file:
        file.write(data)
        file.flush()
        if mtime_ns is not None:
            os.utime(file.fileno(), ns=(mtime_ns, mtime_ns))
        status = os.fstat(file.fileno())
    return _generation(status)


def _keep_metadata(path: Path, metadata: Mapping[str, str]) -> None:
    """Write `metadata` beside the object `path`, or delete that of the object before."""
    beside = path.with_name(f"{HIDDEN}metadata-{path.name}.json")
    if metadata:
        _replace(beside, json.dumps(dict(metadata), indent=2, sort_keys=True).encode() + b"\n")
    else:
        beside.unlink(missing_ok=True)
