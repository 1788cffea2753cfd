"""A bucket of Cloud Storage: the URLs of its objects, and the checks of its answers (pure).

Two stores use it: `gcs` asks anonymously, `cloud` with credentials. What a server sends is hostile until
checked. A listing is whole or it is an error. Every page is read, and a page that is malformed, a token that
comes twice, or a chain of pages without end fails the whole. An entry that comes twice counts once if both
are the same, because pages may overlap without anything being lost. If they differ, it is not known which one
is right, and the listing is malformed.

This module knows nothing of versions, markers or channels.
"""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from kopsversion.errors import ObjectNotFoundError, PreconditionFailedError, quoted
from kopsversion.model.values import frozen
from kopsversion.stores.base import Listing, StoredObject, fold, reaches
from kopsversion.stores.failures import AnswerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ENDPOINT = "https://storage.googleapis.com"

LISTED_FIELDS = "items(name,size,timeCreated),prefixes,nextPageToken"
"""All that a listing uses; more would only be bytes (DESIGN section 10)."""

MOST_PAGES = 10_000
"""Pages of the longest listing, a thousand names each: a bucket has some hundred thousand objects."""

MOST_IDLE_PAGES = 200
"""Pages in a row that bring nothing new. With ``matchGlob`` some may be empty, but not so many."""

_KIND = re.compile(r"#?storage[#/]objects")  # Firebase's emulator writes it differently
_PAGE_KEYS = {"kind", "items", "prefixes", "nextPageToken"}
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})"
)
_NUMBER = re.compile(r"[0-9]{1,19}")
_ETAG = re.compile(r"[!-~]{1,200}")


@frozen
class Location:
    """A bucket, and what the names of a store's objects begin with there.

    Attributes:
        bucket: the bucket's name.
        prefix: empty, or with a trailing slash.
        emulator: the origin of an emulator that is asked instead of Google's servers; ``None`` without one.
    """

    bucket: str
    prefix: str = ""
    emulator: str | None = None

    @property
    def url(self) -> str:
        """The ``gs://`` URL, with a trailing slash."""
        return f"gs://{self.bucket}/{self.prefix}"

    @property
    def endpoint(self) -> str:
        """The server that is asked, without a trailing slash."""
        return self.emulator or ENDPOINT

    def public_url(self, name: str) -> str:
        """Return the URL of a plain download, with a literal ``+``."""
        return f"{self.endpoint}/{quote(f'{self.bucket}/{self.prefix}{name}', safe='/+~')}"

    @property
    def listing_url(self) -> str:
        """Where the bucket's objects are listed."""
        return f"{self.endpoint}/storage/v1/b/{quote(self.bucket, safe='')}/o"

    def object_url(self, name: str) -> str:
        """Return where an object's metadata is."""
        return f"{self.listing_url}/{quote(self.prefix + name, safe='')}"

    def media_url(self, name: str) -> str:
        """Return where an object's content is."""
        path = f"b/{quote(self.bucket, safe='')}/o/{quote(self.prefix + name, safe='')}"
        return f"{self.endpoint}/download/storage/v1/{path}?alt=media"


@contextmanager
def listing_in(place: Location, url: str) -> Iterator[None]:
    """Say what it means that a listing is not found: there is no bucket, for an empty one has an empty listing.

    Parameters:
        place: where is listed.
        url: what is listed, as a person would write it.

    Raises:
        ObjectNotFoundError: there is no such bucket.
    """
    try:
        yield
    except ObjectNotFoundError as error:
        raise ObjectNotFoundError(
            f"{quoted(url)} cannot be listed: there is no bucket {quoted(place.bucket)}",
            url=url,
            hint="check the name of the bucket",
        ) from error


class Gathering:
    """Gathers the pages of one listing, and refuses those that cannot belong to it.

    Parameters:
        root: what the names of the store's objects begin with in the bucket; it is removed.
        prefix: what names must begin with after `root`.
        delimiter: where names are folded, even those that the server should have folded.
        start, end: the part of the names that is wanted, after `root`; see `Store.list`.
    """

    def __init__(self, root: str, *, prefix: str, delimiter: str, start: str = "", end: str = "") -> None:
        self._root = root
        self._prefix = prefix
        self._delimiter = delimiter
        self._start = start
        self._end = end
        self._objects: dict[str, StoredObject] = {}
        self._prefixes: set[str] = set()
        self._tokens: set[str] = set()
        self._idle = 0

    def add(self, page: object) -> str:
        """Add a page, and return the token of the next one; an empty one after the last page.

        Raises:
            AnswerError: the page is malformed, or there would be no end.
        """
        if not isinstance(page, dict) or not _is_page(page):
            raise AnswerError("something that is not a page of a listing")
        known = len(self._objects) + len(self._prefixes)
        names = [self._add_item(item) for item in _list_of(page, "items", dict)]
        names += [self._add_prefix(folded) for folded in _list_of(page, "prefixes", str)]
        self._idle = 0 if len(self._objects) + len(self._prefixes) > known else self._idle + 1
        token = page.get("nextPageToken")
        token = "" if token is None else token
        if not isinstance(token, str):
            raise AnswerError("a page token that is not text")
        if token in self._tokens:
            raise AnswerError("a page token that it had given before")
        if token and (len(self._tokens) >= MOST_PAGES or self._idle >= MOST_IDLE_PAGES):
            raise AnswerError("a listing that does not end")
        self._tokens.add(token)
        return "" if self._is_past_end(names) else token

    def _is_past_end(self, names: list[str]) -> bool:
        """Tell whether all wanted names have come; folded names must be in order for that, as GCS lists them."""
        return bool(self._end and self._prefixes) and max(names, default="") >= self._end

    def listing(self, matches: Callable[[str], bool]) -> Listing:
        """Return what was gathered, as far as its names match."""
        return Listing(
            objects=tuple(
                each for name, each in sorted(self._objects.items()) if matches(name) and name >= self._start
            ),
            prefixes=tuple(
                each for each in sorted(self._prefixes) if matches(each) and reaches(each, self._start)
            ),
        )

    def _add_item(self, item: dict[str, Any]) -> str:
        name = self._relative(item.get("name"))
        found = stored_object(item, name=name)
        if not name:  # some tools make an object that stands for the directory itself
            return name
        folded = fold(name, prefix=self._prefix, delimiter=self._delimiter)
        if folded is not None:
            self._prefixes.add(folded)
        elif self._objects.setdefault(name, found) != found:
            raise AnswerError("two different objects of the same name")
        return name

    def _add_prefix(self, text: str) -> str:
        name = self._relative(text)
        if fold(name, prefix=self._prefix, delimiter=self._delimiter) != name:
            raise AnswerError("a common prefix that does not end at the delimiter")
        self._prefixes.add(name)
        return name

    def _relative(self, name: object) -> str:
        if not isinstance(name, str) or not name.startswith(self._root + self._prefix):
            raise AnswerError("a name that does not begin as asked for")
        return name.removeprefix(self._root)


def is_whole_json(body: bytes) -> bool:
    """Tell whether a body is JSON to its end, where nothing else tells whether all of it has come.

    >>> is_whole_json(b'{"items": [{"name": "a"}')
    False
    """
    try:
        json.loads(body)
    except ValueError:
        return False
    return True


def _is_page(page: dict[str, Any]) -> bool:
    """Tell a page from any other JSON object; an empty one is what `LISTED_FIELDS` leaves of an empty page."""
    kind = page.get("kind", "storage#objects")
    is_listing = isinstance(kind, str) and _KIND.fullmatch(kind) is not None
    return is_listing and "error" not in page and (not page or not _PAGE_KEYS.isdisjoint(page))


def _list_of(page: dict[str, Any], key: str, kind: type) -> list[Any]:
    """Return the list `page` has under `key`; a missing one is an empty one, as in every JSON API."""
    entries = page.get(key, [])
    if not isinstance(entries, list) or not all(isinstance(each, kind) for each in entries):
        raise AnswerError(f"{key} of the wrong shape")
    return entries


def stored_object(resource: dict[str, Any], *, name: str) -> StoredObject:
    """Read an object's metadata, without its generation.

    Raises:
        AnswerError: its size or time is missing or wrong.
    """
    return StoredObject(
        name=name, size=int(decimal(resource.get("size"))), uploaded=read_time(resource.get("timeCreated"))
    )


def decimal(value: object) -> str:
    """Read a number as GCS writes it, which is as text; plain JSON numbers are accepted too.

    Raises:
        AnswerError: it is no number.
    """
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not _NUMBER.fullmatch(text):
        raise AnswerError("a size or generation that is not a number")
    return text


def number_or_none(text: str) -> str | None:
    """Return the digits of a header; ``None`` where it is missing or holds anything else."""
    return text if _NUMBER.fullmatch(text) else None


def etag_or_none(text: str) -> str | None:
    """Return an ETag that is safe to print; ``None`` for anything else."""
    return text if _ETAG.fullmatch(text) else None


def read_time(value: object) -> datetime:
    """Read a moment as GCS writes it.

    Raises:
        AnswerError: it is no moment.
    """
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        raise AnswerError("a time that is not one")
    return datetime.fromisoformat(value).astimezone(UTC)


def overwritten(url: str) -> PreconditionFailedError:
    """Make the error that says that an object changed while it was read."""
    return PreconditionFailedError(
        f"{quoted(url)} was overwritten while it was read", url=url, hint="read it again"
    )
