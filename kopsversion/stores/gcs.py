"""A public bucket as a store: read anonymously over the JSON API (DESIGN sections 10 and 11).

A write goes through google-cloud-storage, in `cloud`, which is loaded only then. This module knows which requests a
question takes, and makes no others. It knows nothing of versions, markers or channels.
"""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from kopsversion.stores.base import Content, Listing, Store, StoredObject, check_name
from kopsversion.stores.bucket import (
    LISTED_FIELDS,
    Gathering,
    decimal,
    etag_or_none,
    is_whole_json,
    listing_in,
    number_or_none,
    stored_object,
)
from kopsversion.stores.failures import AnswerError, CutShortError, translating
from kopsversion.stores.globs import glob_matcher, is_literal
from kopsversion.stores.remote import RemoteStore
from kopsversion.stores.retrying import Retrying
from kopsversion.stores.streaming import WHOLE, Stream, beginning_of, check_whole, read_content
from kopsversion.stores.transport import PAGE_LIMIT, Transport, http_date

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from kopsversion.stores.base import AttemptPolicy
    from kopsversion.stores.bucket import Location
    from kopsversion.stores.deadline import Deadline
    from kopsversion.stores.route import Route
    from kopsversion.stores.transport import Answer

_JSON = {"Accept": "application/json", "Accept-Encoding": "gzip"}
_STAT_FIELDS = "name,size,timeCreated,generation"


class GcsStore(RemoteStore):
    """A store in a public bucket, read anonymously.

    Parameters:
        place: where it is.
        route: how its server is reached.
        policy: how often and how long a request is tried.
        deadline: nothing waits longer.
        writer: opens the store that writes, when something is to be written.
    """

    _place: Location

    def __init__(
        self,
        place: Location,
        *,
        route: Route,
        policy: AttemptPolicy,
        deadline: Deadline,
        writer: Callable[[], Store],
    ) -> None:
        self._place = place
        self._route = route
        self._transport = Transport(route, policy=policy, deadline=deadline)
        self._attempts = Retrying(policy, deadline=deadline)
        self._open_writer = writer
        self._writer: Store | None = None

    @property
    def requests(self) -> int:
        """How many requests have been sent, repeated ones included."""
        return self._transport.requests + (self._writer.requests if self._writer else 0)

    def list(
        self, prefix: str = "", *, delimiter: str = "", match_glob: str = "", start: str = "", end: str = ""
    ) -> Listing:
        """List objects; see `Store.list`. Each page is retried by itself."""
        root = self._place.prefix
        gathered = Gathering(root, prefix=prefix, delimiter=delimiter, start=start, end=end)
        wanted = {
            "prefix": root + prefix,
            "delimiter": delimiter,
            "matchGlob": root + match_glob if match_glob and is_literal(root) else "",
            "startOffset": root + start if start else "",
            "fields": LISTED_FIELDS,
            "prettyPrint": "false",
        }
        query = {key: value for key, value in wanted.items() if value}
        token = ""
        while True:
            with listing_in(self._place, self.url + prefix):
                page = self._attempts(
                    partial(self._json, self._place.listing_url, query, url=self.url + prefix, token=token)
                )
            with translating(self.url + prefix, self._route):
                token = gathered.add(page)
            if not token:
                return gathered.listing(glob_matcher(match_glob))

    def read(self, name: str, *, limit: int) -> Content:
        """Read an object; see `Store.read`."""
        check_name(name, url=self.url)
        return self._attempts(partial(self._read_once, name, limit=limit))

    def _read_once(self, name: str, *, limit: int) -> Content:
        with translating(self.url + name, self._route):
            content, is_sure = read_content(
                self._transport,
                self._place.media_url(name),
                about=self.url + name,
                limit=limit,
                consume=partial(_content, limit=limit),
            )
        if not is_sure and self._stat_once(name).size != len(content.data):
            with translating(self.url + name, self._route):
                raise CutShortError
        return content

    def stat(self, name: str) -> StoredObject:
        """Return an object's metadata; see `Store.stat`."""
        check_name(name, url=self.url)
        return self._attempts(partial(self._stat_once, name))

    def _stat_once(self, name: str) -> StoredObject:
        resource = self._json(self._place.object_url(name), {"fields": _STAT_FIELDS}, url=self.url + name)
        with translating(self.url + name, self._route):
            if not isinstance(resource, dict) or resource.get("name") != self._place.prefix + name:
                raise AnswerError("something that is not this object's metadata")
            found = stored_object(resource, name=name)
            generation = resource.get("generation")
            return StoredObject(
                name, found.size, found.uploaded, None if generation is None else decimal(generation)
            )

    def _json(self, resource: str, query: Mapping[str, str], *, url: str, token: str = "") -> object:
        paged = {**query, "pageToken": token} if token else query
        with translating(url, self._route):
            return self._transport.exchange(
                f"{resource}?{urlencode(paged)}", about=url, headers=_JSON, consume=_parsed, accepted=WHOLE
            )

    def download(self, name: str, *, offset: int = 0) -> Iterator[bytes]:
        """Stream an object; see `Store.download`. After a broken connection it goes on where it was."""
        check_name(name, url=self.url)
        media_url = self._place.media_url(name)
        stream = Stream(
            self._transport,
            url=self.url + name,
            locate=lambda generation: (
                f"{media_url}&ifGenerationMatch={generation}" if generation else media_url
            ),
            offset=offset,
        )
        yield from stream.pieces(self._attempts)

    def write(
        self,
        name: str,
        data: bytes,
        *,
        if_generation: str | None,
        cache_control: str,
        metadata: Mapping[str, str],
    ) -> str:
        """Write an object through google-cloud-storage; see `Store.write`."""
        check_name(name, url=self.url)
        if self._writer is None:
            self._writer = self._open_writer()
        return self._writer.write(
            name, data, if_generation=if_generation, cache_control=cache_control, metadata=metadata
        )

    def close(self) -> None:
        """Close the connections; see `Store.close`."""
        self._transport.close()
        if self._writer is not None:
            self._writer.close()


# --------------------------------------------------------------------------------------------------
# What comes back, checked


def _parsed(answer: Answer) -> object:
    check_whole(answer)
    body = answer.body(limit=PAGE_LIMIT)
    if len(body) > PAGE_LIMIT:
        raise AnswerError(f"more than {PAGE_LIMIT} bytes")
    if not answer.is_delimited and not is_whole_json(body):
        raise CutShortError
    parsed: object = json.loads(body)
    return parsed


def _content(answer: Answer, *, limit: int) -> tuple[Content, bool]:
    """Read an object's content, and tell whether it certainly is all of it.

    That is not certain where only the end of the connection says where it ends. Nor is it where the content is empty
    and the server has sent neither its length nor a hash: an answer that a proxy has cut looks like that.
    """
    if answer.status == 416:  # of an empty object there is no range
        return Content(data=b"", generation=None, written=None), True
    data = beginning_of(answer, limit=limit)
    is_sure = len(data) > limit or answer.is_proven(data) or (answer.is_delimited and data != b"")
    headers = answer.headers
    content = Content(
        data=data,
        generation=number_or_none(headers.get("x-goog-generation", "")),
        written=http_date(headers.get("Last-Modified")),
        etag=etag_or_none(headers.get("ETag", "")),
    )
    return content, is_sure
