"""A bucket in memory that lists itself the way Google Cloud Storage does.

It knows objects, their metadata, listing pages, GCS's glob language and partial responses. It must not know
of HTTP: `tests.gcs_server` puts it on a socket. Names sort as UTF-8, which is how Python sorts text.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import google_crc32c
from attrs import define, evolve, field, frozen

if TYPE_CHECKING:
    from pathlib import Path

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
PIECE = 1 << 20
"""Bytes of one piece of a streamed body."""


class BadRequestError(Exception):
    """The real server would answer 400; the message is what it would say."""


class PreconditionError(Exception):
    """The real server would answer 412."""


# --------------------------------------------------------------------------------------------------
# Objects


def rfc3339(moment: datetime) -> str:
    """Write a time as GCS does: milliseconds and a Z."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def microseconds(moment: datetime) -> int:
    """Microseconds since 1970, the unit of GCS generations."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def _base64_crc32c(data: bytes, initial: int = 0) -> tuple[int, str]:
    value = int(google_crc32c.extend(initial, data))
    return value, base64.b64encode(value.to_bytes(4, "big")).decode()


@lru_cache(maxsize=64)
def _hashes_of_zeros(size: int) -> tuple[str, str]:
    md5, crc, text = hashlib.md5(), 0, "AAAAAA=="
    for piece in _zeros(size):
        md5.update(piece)
        crc, text = _base64_crc32c(piece, crc)
    return base64.b64encode(md5.digest()).decode(), text


def _zeros(size: int) -> Iterator[bytes]:
    whole = bytes(min(size, PIECE))
    for start in range(0, size, PIECE):
        yield whole if size - start >= PIECE else whole[: size - start]


@frozen(kw_only=True)
class FakeObject:
    """One object.

    Attributes:
        name: in the bucket.
        size: bytes.
        created: when its content was written, UTC.
        generation: microseconds since 1970, unique for each content that the name has had.
        data: its content; ``None`` stands for `size` zero bytes, which take no memory.
        content_type: MIME type.
        cache_control: how it is served, if said.
        metadata: custom metadata.
    """

    name: str
    size: int
    created: datetime
    generation: int
    data: bytes | None = field(default=None, repr=False)
    content_type: str = "application/octet-stream"
    cache_control: str | None = None
    metadata: Mapping[str, str] = field(factory=dict)

    @cached_property
    def hashes(self) -> tuple[str, str]:
        """MD5 and CRC32C, in base64."""
        if self.data is None:
            return _hashes_of_zeros(self.size)
        return base64.b64encode(hashlib.md5(self.data).digest()).decode(), _base64_crc32c(self.data)[1]

    @property
    def etag(self) -> str:
        """The JSON API's ETag: says the generation, not the content."""
        return base64.b64encode(f"{self.generation}/1".encode()).decode()

    def pieces(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """The bytes from `start` up to `stop`, in pieces of at most 1 MiB."""
        end = self.size if stop is None else stop
        if self.data is None:
            yield from _zeros(end - start)
        else:
            for position in range(start, end, PIECE):
                yield self.data[position : min(position + PIECE, end)]


# --------------------------------------------------------------------------------------------------
# Partial responses (https://cloud.google.com/storage/docs/json_api#partial-response)

Mask = Mapping[str, "Mask | None"]
"""Wanted keys, and of each either everything (``None``) or what its mask wants; ``*`` is any key."""


def parse_fields(text: str) -> Mask:
    """Read a ``fields`` parameter, as in ``items(name,size),prefixes,nextPageToken``.

    Raises:
        BadRequestError: it is not in that language.
    """
    tokens = re.findall(r"[A-Za-z0-9_*]+|[(),/]|.", text)
    mask, rest = _parse_selection(tokens, text)
    if rest:
        raise BadRequestError(f"Invalid field selection {text}")
    return mask


def _parse_selection(tokens: list[str], text: str) -> tuple[Mask, list[str]]:
    """Read ``path[(selection)]{,path[(selection)]}``; return it and the tokens after it."""
    mask: dict[str, Mask | None] = {}
    while True:
        path, tokens = _parse_path(tokens, text)
        inner: Mask | None = None
        if tokens[:1] == ["("]:
            inner, tokens = _parse_selection(tokens[1:], text)
            if tokens[:1] != [")"]:
                raise BadRequestError(f"Invalid field selection {text}")
            tokens = tokens[1:]
        for step in reversed(path[1:]):
            inner = {step: inner}
        mask[path[0]] = _merged(mask[path[0]], inner) if path[0] in mask else inner
        if tokens[:1] != [","]:
            return mask, tokens
        tokens = tokens[1:]


def _parse_path(tokens: list[str], text: str) -> tuple[list[str], list[str]]:
    """Read ``name{/name}``."""
    path: list[str] = []
    while True:
        if not tokens or not re.fullmatch(r"[A-Za-z0-9_*]+", tokens[0]):
            raise BadRequestError(f"Invalid field selection {text}")
        path.append(tokens[0])
        if tokens[1:2] != ["/"]:
            return path, tokens[1:]
        tokens = tokens[2:]


def _merged(one: Mask | None, other: Mask | None) -> Mask | None:
    if one is None or other is None:
        return None
    merged = dict(one)
    for key, inner in other.items():
        merged[key] = _merged(merged[key], inner) if key in merged else inner
    return merged


def apply_mask(value: object, mask: Mask | None) -> Any:
    """Leave of a JSON value what `mask` wants; of a list, of each of its items."""
    if mask is None:
        return value
    if isinstance(value, list):
        return [apply_mask(item, mask) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {}
    for key, inner in value.items():
        if key in mask:
            kept[key] = apply_mask(inner, mask[key])
        elif "*" in mask:
            kept[key] = apply_mask(inner, mask["*"])
    return kept


# --------------------------------------------------------------------------------------------------
# Globs (https://cloud.google.com/storage/docs/json_api/v1/objects/list#list-objects-and-prefixes-using-glob)


@cache
def glob_pattern(glob: str) -> re.Pattern[str]:
    """Translate GCS's glob language: ``*`` and ``?`` stop at ``/``, ``**`` does not."""
    parts, position, depth = [], 0, 0
    while position < len(glob):
        char = glob[position]
        step = 1
        if glob.startswith("**", position):
            parts.append(".*")
            step = 2
        elif char == "*":
            parts.append("[^/]*")
        elif char == "?":
            parts.append("[^/]")
        elif char == "[" and "]" in glob[position + 2 :]:
            end = glob.index("]", position + 2)
            inner = glob[position + 1 : end]
            negated = inner[:1] in {"!", "^"}
            parts.append(f"[{'^' if negated else ''}{inner[negated:].replace(chr(92), chr(92) * 2)}]")
            step = end + 1 - position
        elif char == "{":
            parts.append("(?:")
            depth += 1
        elif char == "}" and depth:
            parts.append(")")
            depth -= 1
        elif char == "," and depth:
            parts.append("|")
        elif char == "\\" and position + 1 < len(glob):
            parts.append(re.escape(glob[position + 1]))
            step = 2
        else:
            parts.append(re.escape(char))
        position += step
    if depth:
        raise BadRequestError(f"Invalid glob: {glob}")
    return re.compile("".join(parts), re.DOTALL)


def literal_suffix(glob: str) -> str:
    """What every match of `glob` ends with; only a help for speed, it may be less than the truth."""
    found = re.search(r"[^*?\[\]{}\\,]*\Z", glob)
    return found[0] if found else ""


# --------------------------------------------------------------------------------------------------
# Sorted names


def successor(prefix: str) -> str | None:
    """The least text above every text that begins with `prefix`; ``None`` where there is none."""
    stripped = prefix.rstrip("\U0010ffff")
    return stripped[:-1] + chr(ord(stripped[-1]) + 1) if stripped else None


@frozen
class BuildTree:
    """Builds that share one set of artifacts, computed when asked for: 100,000 of them cost only their names.

    Attributes:
        uploaded: upload time of each directory's files; the directory ends in ``/``.
        paths: size of each file below a directory.
    """

    uploaded: Mapping[str, datetime]
    paths: Mapping[str, int]
    _directories: list[str] = field(init=False, repr=False)
    _sorted_paths: list[str] = field(init=False, repr=False)
    _columns: dict[str, list[str]] = field(init=False, repr=False, factory=dict)

    @_directories.default
    def _sort_directories(self) -> list[str]:
        return sorted(self.uploaded)

    @_sorted_paths.default
    def _sort_paths(self) -> list[str]:
        return sorted(self.paths)

    def ceiling(self, name: str, suffix: str = "") -> str | None:
        """The first object name at or after `name`; names that do not end in `suffix` may be left out."""
        columns = self._columns.get(suffix)
        if columns is None:
            columns = [
                path for path in self._sorted_paths if path.endswith(suffix) or suffix.endswith(f"/{path}")
            ]
            self._columns[suffix] = columns
        if not columns:
            return None
        row = bisect_right(self._directories, name) - 1
        if row >= 0 and name.startswith(self._directories[row]):
            directory = self._directories[row]
            column = bisect_left(columns, name[len(directory) :])
            if column < len(columns):
                return directory + columns[column]
        return self._directories[row + 1] + columns[0] if row + 1 < len(self._directories) else None

    def get(self, name: str) -> FakeObject | None:
        """The object of that name, made on the spot."""
        row = bisect_right(self._directories, name) - 1
        if row < 0 or not name.startswith(self._directories[row]):
            return None
        path = name[len(self._directories[row]) :]
        if path not in self.paths:
            return None
        created = self.uploaded[self._directories[row]]
        data = None
        if path.endswith(".sha256"):
            data = hashlib.sha256(name.encode()).hexdigest().encode() + b"\n"
        return FakeObject(
            name=name,
            size=self.paths[path] if data is None else len(data),
            created=created,
            generation=microseconds(created) + bisect_left(self._sorted_paths, path),
            data=data,
        )


# --------------------------------------------------------------------------------------------------
# The bucket


@frozen(kw_only=True)
class ListQuery:
    """What ``objects.list`` is asked for; the names are those of the JSON API."""

    prefix: str = ""
    delimiter: str = ""
    start_offset: str = ""
    end_offset: str = ""
    match_glob: str = ""
    max_results: int = 1000
    page_token: str = ""


@frozen
class Page:
    """One page: objects and prefixes, and where the next one begins."""

    objects: tuple[FakeObject, ...]
    prefixes: tuple[str, ...]
    next_page_token: str | None


def page_token(position: str, nonce: int = 0) -> str:
    """Make a token: the page that begins at `position`. Different nonces give different tokens for it."""
    return base64.urlsafe_b64encode(json.dumps([position, nonce]).encode()).decode()


def _position(token: str) -> str:
    try:
        position, _ = json.loads(base64.urlsafe_b64decode(token))
    except ValueError:
        raise BadRequestError("Invalid argument.") from None
    return str(position)


@define(eq=False)
class FakeBucket:
    """A bucket, safe to fill while it is served.

    Attributes:
        name: the bucket's name.
        clock: the time of writes that do not say one, UTC.
    """

    name: str
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    _objects: dict[str, FakeObject] = field(init=False, factory=dict, repr=False)
    _names: list[str] = field(init=False, factory=list, repr=False)
    _sorted: bool = field(init=False, default=True, repr=False)
    _tree: BuildTree | None = field(init=False, default=None, repr=False)
    _removed: set[str] = field(init=False, factory=set, repr=False)
    _lock: threading.RLock = field(init=False, factory=threading.RLock, repr=False)

    def add(
        self,
        name: str,
        data: bytes | str | None = None,
        *,
        size: int | None = None,
        at: datetime | None = None,
        content_type: str = "application/octet-stream",
        cache_control: str | None = None,
        metadata: Mapping[str, str] | None = None,
        if_generation: int | None = None,
    ) -> FakeObject:
        """Write an object, replacing one of that name.

        Parameters:
            name: the object.
            data: its content; text is written as UTF-8.
            size: instead of `data`: that many zero bytes, which take no memory.
            at: when it was written; the clock's time where left out.
            content_type: its MIME type.
            cache_control: how it is served.
            metadata: custom metadata.
            if_generation: the generation that it must have now; 0 if it must not exist.

        Raises:
            PreconditionError: it has another generation.
        """
        content = data.encode() if isinstance(data, str) else data
        if content is None and size is None:
            content = b""
        created = at or self.clock()
        with self._lock:
            before = self.get(name)
            if if_generation is not None and (before.generation if before else 0) != if_generation:
                raise PreconditionError(name)
            generation = microseconds(created)
            if before is not None and generation <= before.generation:
                generation = before.generation + 1
            made = FakeObject(
                name=name,
                size=len(content) if content is not None else size or 0,
                created=created,
                generation=generation,
                data=content,
                content_type=content_type,
                cache_control=cache_control,
                metadata=metadata or {},
            )
            self._removed.discard(name)
            if name not in self._objects:
                self._names.append(name)
                self._sorted = False
            self._objects[name] = made
            return made

    def remove(self, name: str) -> bool:
        """Delete an object; say whether there was one."""
        with self._lock:
            if self.get(name) is None:
                return False
            if self._objects.pop(name, None) is not None:
                self._names.remove(name)
            self._removed.add(name)
            return True

    def touch(self, name: str, at: datetime) -> None:
        """Let an object have been written at another time."""
        with self._lock:
            held = self.get(name)
            if held is None:
                raise KeyError(name)
            if name not in self._objects:
                self._names.append(name)
                self._sorted = False
            self._objects[name] = evolve(held, created=at, generation=microseconds(at))

    def add_builds(self, root: str, uploaded: Mapping[str, datetime], paths: Mapping[str, int]) -> None:
        """Hold many builds of the same artifacts, computed lazily. Calling it again replaces them.

        Parameters:
            root: the directory above them, with a trailing slash.
            uploaded: upload time of each version.
            paths: size in bytes of each file of a build, by its path below the build.
        """
        with self._lock:
            self._tree = BuildTree({f"{root}{name}/": at for name, at in uploaded.items()}, dict(paths))

    def fill_from_directory(self, directory: Path, *, prefix: str = "") -> None:
        """Upload every file below a directory; its mtime becomes its upload time.

        Parameters:
            directory: what to upload.
            prefix: goes before each name, as in ``kops/releases/``.
        """
        for path in sorted(directory.rglob("*")):
            if path.is_file():
                at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
                self.add(prefix + path.relative_to(directory).as_posix(), path.read_bytes(), at=at)

    def get(self, name: str) -> FakeObject | None:
        """The object of that name, if there is one."""
        with self._lock:
            held = self._objects.get(name)
            if held is None and self._tree is not None and name not in self._removed:
                held = self._tree.get(name)
            return held

    def names(self) -> list[str]:
        """Every object's name, in order."""
        with self._lock:
            found: list[str] = []
            position: str | None = self._ceiling("", "", None)
            while position is not None:
                found.append(position)
                position = self._ceiling(position + "\0", "", None)
            return found

    def page(self, query: ListQuery) -> Page:
        """List one page: objects and prefixes together, in the order of their names.

        Raises:
            BadRequestError: the real server would refuse the query.
        """
        if query.match_glob and query.delimiter not in {"", "/"}:
            raise BadRequestError("matchGlob is only supported with delimiter '/'.")
        with self._lock:
            return self._page(query)

    def _page(self, query: ListQuery) -> Page:
        pattern = glob_pattern(query.match_glob) if query.match_glob else None
        suffix = literal_suffix(query.match_glob) if query.match_glob else ""
        ends = [end for end in (successor(query.prefix), query.end_offset or None) if end is not None]
        end = min(ends, default=None)
        position: str | None = max(query.prefix, query.start_offset)
        if query.page_token:
            position = max(position or "", _position(query.page_token))
        objects: list[FakeObject] = []
        prefixes: list[str] = []
        while position is not None:
            name = self._ceiling(position, suffix, end)
            if name is None:
                break
            if pattern is not None and not pattern.fullmatch(name):
                position = name + "\0"
                continue
            if len(objects) + len(prefixes) == query.max_results:
                return Page(tuple(objects), tuple(prefixes), page_token(position))
            cut = name.find(query.delimiter, len(query.prefix)) if query.delimiter else -1
            if cut >= 0:
                folded = name[: cut + len(query.delimiter)]
                prefixes.append(folded)
                position = successor(folded)
            else:
                found = self.get(name)
                if found is not None:
                    objects.append(found)
                position = name + "\0"
        return Page(tuple(objects), tuple(prefixes), None)

    def _ceiling(self, position: str, suffix: str, end: str | None) -> str | None:
        """The first name at or after `position` and before `end`."""
        if not self._sorted:
            self._names.sort()
            self._sorted = True
        index = bisect_left(self._names, position)
        if suffix:
            while index < len(self._names) and not self._names[index].endswith(suffix):
                index += 1
        found = self._names[index] if index < len(self._names) else None
        if self._tree is not None:
            lazy = self._tree.ceiling(position, suffix)
            while lazy is not None and lazy in self._removed:
                lazy = self._tree.ceiling(lazy + "\0", suffix)
            if lazy is not None and (found is None or lazy < found):
                found = lazy
        return found if found is not None and (end is None or found < end) else None
