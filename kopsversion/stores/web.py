"""A plain web server as a store: it can be read, and neither listed nor written (DESIGN sections 7 and 10).

It may be a CDN in front of a bucket, or a mirror behind nginx. Objects are read by name. There may be no ETag and no
generation. A cache may answer with old content, whose age is kept with it. This module knows nothing of versions,
markers or channels.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from kopsversion.errors import AccessDeniedError, quoted
from kopsversion.stores.base import Content, Listing, StoredObject, check_name
from kopsversion.stores.bucket import etag_or_none
from kopsversion.stores.failures import AnswerError, translating
from kopsversion.stores.remote import RemoteStore
from kopsversion.stores.retrying import Retrying
from kopsversion.stores.streaming import MEDIA, Stream, beginning_of, read_content
from kopsversion.stores.transport import Transport, http_date

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kopsversion.stores.base import AttemptPolicy
    from kopsversion.stores.deadline import Deadline
    from kopsversion.stores.route import Route
    from kopsversion.stores.site import Site
    from kopsversion.stores.transport import Answer

_BUCKET_HINT = "name the bucket itself, as in gs://bucket/prefix/"
_SKEW = timedelta(minutes=1)  # by which two clocks may differ before Date shows that a cache answered
_MOST_AGE = 1 << 31  # seconds; a larger Age means no more (RFC 9111, section 1.2.2)


class WebStore(RemoteStore):
    """A store on a plain web server, read anonymously.

    Parameters:
        place: where it is.
        route: how its server is reached.
        policy: how often and how long a request is tried.
        deadline: nothing waits longer.
    """

    _place: Site

    def __init__(self, place: Site, *, route: Route, policy: AttemptPolicy, deadline: Deadline) -> None:
        self._place = place
        self._route = route
        self._transport = Transport(route, policy=policy, deadline=deadline)
        self._attempts = Retrying(policy, deadline=deadline)

    @property
    def requests(self) -> int:
        """How many requests have been sent, repeated ones included."""
        return self._transport.requests

    def list(
        self,
        prefix: str = "",
        *,
        delimiter: str = "",  # noqa: ARG002 - the protocol's
        match_glob: str = "",  # noqa: ARG002 - the protocol's
        start: str = "",  # noqa: ARG002 - the protocol's
        end: str = "",  # noqa: ARG002 - the protocol's
    ) -> Listing:
        """Refuse, without a request: HTTP has no listings.

        Raises:
            AccessDeniedError: always.
        """
        raise AccessDeniedError(
            f"{quoted(self.url + prefix)} cannot be listed: a web server gives only what is asked for by name, "
            "so nothing newer can be seen there",
            url=self.url + prefix,
            hint=f"{_BUCKET_HINT}, where builds are to be listed",
        )

    def read(self, name: str, *, limit: int) -> Content:
        """Read an object; see `Store.read`."""
        check_name(name, url=self.url)
        return self._attempts(partial(self._read_once, name, limit=limit))

    def _read_once(self, name: str, *, limit: int) -> Content:
        with translating(self.url + name, self._route):
            return read_content(
                self._transport,
                self._place.object_url(name),
                about=self.url + name,
                limit=limit,
                consume=partial(_content, limit=limit),
            )

    def stat(self, name: str) -> StoredObject:
        """Return what the headers say of an object; see `Store.stat`. There is no generation."""
        check_name(name, url=self.url)
        return self._attempts(partial(self._stat_once, name))

    def _stat_once(self, name: str) -> StoredObject:
        with translating(self.url + name, self._route):
            return self._transport.exchange(
                self._place.object_url(name),
                about=self.url + name,
                headers=MEDIA,
                consume=partial(_stored, name=name),
                method="HEAD",
            )

    def download(self, name: str, *, offset: int = 0) -> Iterator[bytes]:
        """Stream an object; see `Store.download`. After a broken connection it goes on where it was."""
        check_name(name, url=self.url)
        url = self._place.object_url(name)
        stream = Stream(self._transport, url=self.url + name, locate=lambda _generation: url, offset=offset)
        yield from stream.pieces(self._attempts)

    def write(
        self,
        name: str,
        data: bytes,  # noqa: ARG002 - the protocol's
        *,
        if_generation: str | None,  # noqa: ARG002 - the protocol's
        cache_control: str,  # noqa: ARG002 - the protocol's
        metadata: Mapping[str, str],  # noqa: ARG002 - the protocol's
    ) -> str:
        """Refuse, without a request.

        Raises:
            AccessDeniedError: always.
        """
        raise AccessDeniedError(
            f"{quoted(self.url + name)} cannot be written: a web server is only read",
            url=self.url + name,
            hint=f"{_BUCKET_HINT}, where something is to be written",
        )

    def close(self) -> None:
        """Close the connections; see `Store.close`."""
        self._transport.close()


# --------------------------------------------------------------------------------------------------
# What comes back, checked


def age_of(headers: Mapping[str, str], *, now: datetime) -> timedelta | None:
    """Return how old an answer may be, by ``Age``, or by ``Date`` where that lies well back (RFC 9111, section 4.2.3).

    Parameters:
        headers: those of the answer.
        now: when it came, UTC.

    Returns:
        The age; ``None`` where nothing shows that a cache answered.
    """
    text = headers.get("Age", "").strip()
    said = timedelta(seconds=min(int(text[:20]), _MOST_AGE)) if text.isascii() and text.isdigit() else None
    date = http_date(headers.get("Date"))
    if date is not None and now - date > max(_SKEW, said or timedelta()):
        return timedelta(seconds=int((now - date).total_seconds()))
    return said


def _content(answer: Answer, *, limit: int) -> Content:
    """Read an object's content; refuse one whose end nothing marks, since it may have been cut short."""
    if answer.status == 416:  # of an empty object there is no range
        return _dated(answer, b"")
    data = beginning_of(answer, limit=limit)
    if len(data) <= limit and not (answer.is_delimited or answer.is_proven(data)):
        raise AnswerError("a body that does not say how long it is")
    return _dated(answer, data)


def _dated(answer: Answer, data: bytes) -> Content:
    headers = answer.headers
    return Content(
        data=data,
        generation=None,
        written=http_date(headers.get("Last-Modified")),
        etag=etag_or_none(headers.get("ETag", "")),
        age=age_of(headers, now=datetime.now(tz=UTC)),
        answered=http_date(headers.get("Date")),
    )


def _stored(answer: Answer, *, name: str) -> StoredObject:
    length = answer.headers.get("Content-Length", "").strip()
    written = http_date(answer.headers.get("Last-Modified"))
    if written is None or not (length.isascii() and length.isdigit()):
        raise AnswerError("headers that do not say how large it is and when it was written")
    return StoredObject(name, int(length[:19]), written, None)
