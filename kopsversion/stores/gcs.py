"""A bucket of Google Cloud Storage as a store, through google-cloud-storage (DESIGN section 11).

Public buckets are asked anonymously. Nothing is sent that was not asked for: no project is looked up on the
metadata server, and the client's background request for the bucket's metadata is switched off.

What a server sends is hostile until checked. A listing is whole or it is an error: every page is read, and
a page that is malformed, a token that comes twice, or a chain of pages without end fails the whole. An entry
that comes twice counts once if both are the same, because pages may overlap without anything being
lost; if they differ, nobody can say which one holds, and the listing is malformed.

This module knows nothing of versions, markers or channels.
"""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import google.auth
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from kopsversion.errors import ObjectNotFoundError, PreconditionFailedError, StoreError, quoted
from kopsversion.stores.base import Content, Listing, Store, StoredObject, check_name, fold
from kopsversion.stores.globs import glob_matcher, is_literal
from kopsversion.stores.retrying import Retrying
from kopsversion.stores.transport import (
    AnswerError,
    CutShortError,
    Transport,
    body_of,
    http_date,
    translating,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from requests import Response

    from kopsversion.stores.base import AttemptPolicy, Attempts, Credentials
    from kopsversion.stores.deadline import Deadline

ENDPOINT = "https://storage.googleapis.com"

LISTED_FIELDS = "items(name,size,timeCreated),prefixes,nextPageToken"
"""All that a listing uses; more would only be bytes (DESIGN section 10)."""

MOST_PAGES = 10_000
"""Pages of the longest listing, a thousand names each: a bucket has some hundred thousand objects."""

MOST_IDLE_PAGES = 200
"""Pages in a row that bring nothing new. With ``matchGlob`` some can rightly be empty, but not so many."""

_SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"
_NO_BACKGROUND_REQUEST = "DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA"
_KIND = "storage#objects"
_PAGE_KEYS = {"kind", "items", "prefixes", "nextPageToken"}
_PLAIN = {"Accept-Encoding": "identity"}  # a compressed object is then decompressed by the server
_READ = 1 << 18  # bytes of one piece of a download; each has the time of an attempt
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})"
)
_NUMBER = re.compile(r"[0-9]{1,19}")
_ETAG = re.compile(r"[!-~]{1,200}")
_RANGE = re.compile(r"bytes ([0-9]{1,19})-[0-9]{1,19}/(?:[0-9]{1,19}|\*)")


def open_gcs_store(
    *,
    bucket: str,
    prefix: str,
    emulator: str | None,
    credentials: Credentials,
    policy: AttemptPolicy,
    deadline: Deadline,
    environ: Mapping[str, str],
) -> GcsStore:
    """Open a bucket. Nothing is asked of it yet.

    Parameters:
        bucket: its name.
        prefix: what the names of all objects of the store begin with; empty, or with a trailing slash.
        emulator: the origin of an emulator; it is never shown credentials.
        credentials: whom to ask as.
        policy: how often and how long a request is tried.
        deadline: nothing waits longer.
        environ: the environment, for proxies and certificates.

    Raises:
        AccessDeniedError: there are no Application Default Credentials.
    """
    os.environ[_NO_BACKGROUND_REQUEST] = "true"  # the client looks there, and has no other switch
    endpoint = emulator or ENDPOINT
    url = f"gs://{bucket}/{prefix}"
    if credentials == "default" and emulator is None:
        with translating(url):
            # It may ask the metadata server, so it can hang.
            identity, _ = deadline.run(partial(google.auth.default, scopes=[_SCOPE]), url=url)
    else:
        identity = AnonymousCredentials()  # type: ignore[no-untyped-call]  # google-auth is not annotated
    transport = Transport(identity, endpoint=endpoint, policy=policy, deadline=deadline, environ=environ)
    client: Any = storage.Client(  # type: ignore[no-untyped-call]  # nor is google-cloud-storage
        project=None,  # without it the client asks the metadata server for one
        credentials=identity,
        _http=transport,
        client_options={"api_endpoint": endpoint},
    )
    return GcsStore(
        client.bucket(bucket),
        prefix=prefix,
        emulator=emulator,
        transport=transport,
        attempts=Retrying(policy, deadline=deadline),
    )


class GcsStore(Store):
    """A store in a bucket; made by `open_gcs_store`."""

    def __init__(
        self,
        bucket: Any,  # a google.cloud.storage.Bucket, which is not annotated
        *,
        prefix: str,
        emulator: str | None,
        transport: Transport,
        attempts: Attempts,
    ) -> None:
        self._bucket = bucket
        self._prefix = prefix
        self._emulator = emulator
        self._transport = transport
        self._attempts = attempts
        self._url = f"gs://{bucket.name}/{prefix}"

    @property
    def url(self) -> str:
        """The store as a ``gs://`` URL, with a trailing slash."""
        return self._url

    @property
    def requests(self) -> int:
        """How many requests have been sent, repeated ones included."""
        return self._transport.requests

    @property
    def is_local(self) -> bool:
        """No: each question costs a request."""
        return False

    def public_url(self, name: str) -> str:
        """Return the URL of a plain download, with a literal ``+``."""
        place = quote(f"{self._bucket.name}/{self._prefix}{name}", safe="/+~")
        return f"{self._emulator or ENDPOINT}/{place}"

    def list(self, prefix: str = "", *, delimiter: str = "", match_glob: str = "") -> Listing:
        """List objects; see `Store.list`. Each page is asked for again by itself where that may help."""
        url = self._url + prefix
        gathered = _Gathering(self._prefix, prefix=prefix, delimiter=delimiter)
        sent_glob = self._prefix + match_glob if match_glob and is_literal(self._prefix) else None
        with translating(url):
            pages = self._bucket.client.list_blobs(
                self._bucket,
                prefix=(self._prefix + prefix) or None,
                delimiter=delimiter or None,
                match_glob=sent_glob,
                fields=LISTED_FIELDS,
                retry=partial(self._page_attempts, url),
            ).pages
            while gathered.add(next(pages).raw_page):
                pass
        return gathered.listing(glob_matcher(match_glob))

    def _page_attempts(self, url: str, fetch: Callable[[], object]) -> Callable[[], object]:
        """Wrap the fetch of one page, the way google-cloud-storage wants its `retry` to."""

        def attempt() -> object:
            with translating(url):
                page = fetch()
                if not isinstance(page, dict):
                    raise AnswerError("something that is not a page of a listing")
                return page

        return partial(self._attempts, attempt)

    def read(self, name: str, *, limit: int) -> Content:
        """Read an object; see `Store.read`."""
        check_name(name, url=self._url)
        return self._attempts(partial(self._read_once, name, limit=limit))

    def _read_once(self, name: str, *, limit: int) -> Content:
        with translating(self._url + name):
            return self._transport.exchange(
                "GET", self._media_url(name), headers=_PLAIN, consume=partial(_content, limit=limit)
            )

    def stat(self, name: str) -> StoredObject:
        """Return an object's metadata; see `Store.stat`."""
        check_name(name, url=self._url)
        path = self._bucket.blob(self._prefix + name).path
        query = urlencode({"fields": "name,size,timeCreated,generation"})
        api_url = f"{self._emulator or ENDPOINT}/storage/v1{path}?{query}"

        def attempt() -> StoredObject:
            with translating(self._url + name):
                resource = self._transport.request("GET", api_url, headers={"Accept-Encoding": "gzip"}).json()
                if not isinstance(resource, dict) or resource.get("name") != self._prefix + name:
                    raise AnswerError("something that is not this object's metadata")
                return _stored(resource, name=name, generation=_decimal(resource.get("generation")))

        return self._attempts(attempt)

    def download(self, name: str, *, offset: int = 0) -> Iterator[bytes]:
        """Stream an object; see `Store.download`. After a broken connection it goes on where it was."""
        check_name(name, url=self._url)
        stream = _Stream(
            self._transport, url=self._url + name, media_url=self._media_url(name), offset=offset
        )
        try:
            while piece := self._attempts(stream.piece):
                yield piece
        finally:
            stream.close()

    def write(
        self,
        name: str,
        data: bytes,
        *,
        if_generation: str | None,
        cache_control: str,
        metadata: Mapping[str, str],
    ) -> str:
        """Write an object; see `Store.write`."""
        check_name(name, url=self._url)
        expected = "0" if if_generation is None else if_generation  # 0 is that of an object that is not there
        if not _NUMBER.fullmatch(expected):
            raise PreconditionFailedError(
                f"{quoted(expected)} cannot be the generation of {quoted(self._url + name)}",
                url=self._url + name,
                hint="read the object again, from this store",
            )
        uncertain = False

        def attempt() -> str:
            nonlocal uncertain
            try:
                with translating(self._url + name):
                    blob = self._bucket.blob(self._prefix + name)
                    blob.cache_control = cache_control or None
                    blob.metadata = dict(metadata) or None
                    blob.upload_from_string(
                        data, content_type="text/plain", if_generation_match=int(expected), retry=None
                    )
                    return _decimal(blob.generation)
            except PreconditionFailedError:
                # An answer that got lost on the way looks like a failure; the object tells.
                ours = self._written_already(name, data) if uncertain else None
                if ours is None or ours == expected:
                    raise
                return ours
            except StoreError as error:
                uncertain = uncertain or error.transient
                raise

        return self._attempts(attempt)

    def _written_already(self, name: str, data: bytes) -> str | None:
        """Return the object's generation if it holds `data`."""
        try:
            content = self._read_once(name, limit=len(data))
        except ObjectNotFoundError:
            return None
        return content.generation if content.data == data else None

    def _media_url(self, name: str) -> str:
        path = self._bucket.blob(self._prefix + name).path
        return f"{self._emulator or ENDPOINT}/download/storage/v1{path}?alt=media"


# --------------------------------------------------------------------------------------------------
# What comes back, checked


class _Gathering:
    """Gathers the pages of one listing, and refuses those that cannot belong to it.

    Parameters:
        root: what the store's objects begin with in the bucket; it is taken off.
        prefix: where names must begin, after `root`.
        delimiter: where names are folded; also names that the server should have folded.
    """

    def __init__(self, root: str, *, prefix: str, delimiter: str) -> None:
        self._root = root
        self._prefix = prefix
        self._delimiter = delimiter
        self._objects: dict[str, StoredObject] = {}
        self._prefixes: set[str] = set()
        self._tokens: set[str] = set()
        self._idle = 0

    def add(self, page: dict[str, Any]) -> bool:
        """Take a page in, and return whether there is another one.

        Raises:
            AnswerError: the page is malformed, or there would be no end.
        """
        if not _is_page(page):
            raise AnswerError("something that is not a page of a listing")
        known = len(self._objects) + len(self._prefixes)
        for item in _list_of(page, "items", dict):
            self._add_item(item)
        for folded in _list_of(page, "prefixes", str):
            self._add_prefix(folded)
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
        return bool(token)

    def listing(self, matches: Callable[[str], bool]) -> Listing:
        """Return what was gathered, as far as its names match."""
        objects = sorted(self._objects.values(), key=lambda each: each.name)
        return Listing(
            objects=tuple(each for each in objects if matches(each.name)),
            prefixes=tuple(each for each in sorted(self._prefixes) if matches(each)),
        )

    def _add_item(self, item: dict[str, Any]) -> None:
        name = self._relative(item.get("name"))
        found = _stored(item, name=name)
        if not name:  # some tools make an object that stands for the directory itself
            return
        folded = fold(name, prefix=self._prefix, delimiter=self._delimiter)
        if folded is not None:
            self._prefixes.add(folded)
        elif self._objects.setdefault(name, found) != found:
            raise AnswerError("two different objects of the same name")

    def _add_prefix(self, text: str) -> None:
        name = self._relative(text)
        if fold(name, prefix=self._prefix, delimiter=self._delimiter) != name:
            raise AnswerError("a common prefix that does not end at the delimiter")
        self._prefixes.add(name)

    def _relative(self, name: object) -> str:
        if not isinstance(name, str) or not name.startswith(self._root + self._prefix):
            raise AnswerError("a name that does not begin as asked for")
        return name.removeprefix(self._root)


def _is_page(page: dict[str, Any]) -> bool:
    """Tell a page from any other JSON object; an empty one is what `LISTED_FIELDS` leaves of an empty page."""
    kind = page.get("kind", _KIND)
    return kind == _KIND and "error" not in page and (not page or not _PAGE_KEYS.isdisjoint(page))


def _list_of(page: dict[str, Any], key: str, kind: type) -> list[Any]:
    """Return the list `page` has under `key`; a missing one is an empty one, as in every JSON API."""
    entries = page.get(key, [])
    if not isinstance(entries, list) or not all(isinstance(each, kind) for each in entries):
        raise AnswerError(f"{key} of the wrong shape")
    return entries


def _stored(resource: dict[str, Any], *, name: str, generation: str | None = None) -> StoredObject:
    return StoredObject(
        name=name,
        size=int(_decimal(resource.get("size"))),
        uploaded=_time(resource.get("timeCreated")),
        generation=generation,
    )


def _decimal(value: object) -> str:
    """Read a number as GCS writes it, which is as text; plain JSON numbers are taken as well."""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not _NUMBER.fullmatch(text):
        raise AnswerError("a size or generation that is not a number")
    return text


def _time(value: object) -> datetime:
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        raise AnswerError("a time that is not one")
    return datetime.fromisoformat(value).astimezone(UTC)


def _content(response: Response, *, limit: int) -> Content:
    data = body_of(response, limit=limit)
    stored = _stored_length(response)
    if stored is not None and len(data) < min(stored, limit):
        raise CutShortError
    headers = response.headers
    etag = headers.get("ETag", "")
    return Content(
        data=data,
        generation=_generation(response),
        written=http_date(headers.get("Last-Modified")),
        etag=etag if _ETAG.fullmatch(etag) else None,
    )


def _generation(response: Response) -> str | None:
    text = response.headers.get("x-goog-generation", "")
    return text if _NUMBER.fullmatch(text) else None


def _stored_length(response: Response) -> int | None:
    """Return the object's length, where the answer is the object as it is stored."""
    text = response.headers.get("x-goog-stored-content-length", "")
    encoding = response.headers.get("x-goog-stored-content-encoding", "identity")
    return int(text) if encoding == "identity" and _NUMBER.fullmatch(text) else None


class _Stream:
    """An object that is read piece by piece; after a failure the next piece continues where it broke off.

    Parameters:
        transport: what to ask.
        url: the object, for messages.
        media_url: where its content is.
        offset: the first byte wanted.
    """

    def __init__(self, transport: Transport, *, url: str, media_url: str, offset: int) -> None:
        self._transport = transport
        self._url = url
        self._media_url = media_url
        self._offset = offset
        self._skip = 0
        self._response: Response | None = None
        self._generation: str | None = None
        self._etag: str | None = None

    def piece(self) -> bytes:
        """Return the next bytes; none at the end."""
        response, self._response = self._response, None  # it stays away if anything fails
        with translating(self._url):
            response = response or self._opened()
            data = b"" if response.status_code == 416 else self._read(response)
            stored = _stored_length(response)
            if not data and stored is not None and self._offset < stored:
                raise CutShortError
        self._response = response
        self._offset += len(data)
        return data

    def close(self) -> None:
        """Give up what has not been read."""
        if self._response is not None:
            self._response.close()

    def _read(self, response: Response) -> bytes:
        """Read a piece, after the bytes that were to be skipped."""
        while True:
            data: bytes = self._transport.bounded(
                partial(response.raw.read, _READ, decode_content=False), url=self._media_url
            )
            wanted = data[self._skip :]
            self._skip -= len(data) - len(wanted)
            if wanted or not data:
                return wanted

    def _opened(self) -> Response:
        headers = _PLAIN | ({"Range": f"bytes={self._offset}-"} if self._offset else {})
        query = f"&ifGenerationMatch={self._generation}" if self._generation else ""
        response: Response = self._transport.exchange(
            "GET",
            self._media_url + query,
            headers=headers,
            consume=lambda answer: answer,
            # 416: the offset is at the end, or past it.
            accepted=frozenset({200, 206, 416} if self._offset else {200}),
        )
        try:
            self._check(response)
        except BaseException:
            response.close()
            raise
        self._skip = self._offset if response.status_code == 200 else 0  # a server may ignore the range
        return response

    def _check(self, response: Response) -> None:
        """See to it that the answer is the bytes that were asked for, and of the generation begun with."""
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise AnswerError("a body in an encoding that was not asked for")
        if response.status_code == 206:
            found = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
            if found is None or int(found[1]) != self._offset:
                raise AnswerError("another range of bytes than the one asked for")
        generation, etag = _generation(response), response.headers.get("ETag")
        if (self._generation and generation and generation != self._generation) or (
            self._etag and etag and etag != self._etag
        ):
            raise PreconditionFailedError(
                f"{quoted(self._url)} was overwritten while it was read", url=self._url, hint="read it again"
            )
        self._generation, self._etag = generation or self._generation, etag or self._etag
