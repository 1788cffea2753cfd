"""An object's content over HTTP: whole, or piece by piece, continued where a connection broke off.

The stores that read over urllib3 use it. This module must not know where an object's URL comes from.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from kopsversion.errors import StoreError
from kopsversion.stores.base import PIECE
from kopsversion.stores.bucket import number_or_none, overwritten
from kopsversion.stores.failures import AnswerError, CutShortError, NetworkError, translating

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kopsversion.stores.base import Attempts
    from kopsversion.stores.transport import Answer, Transport

MEDIA = {"Accept-Encoding": "identity"}
"""The headers of a request for content: a compressed object is then decompressed by the server."""

RANGED_FROM = 1 << 16
"""Bytes. An object that may be longer is asked for by range, so that no server sends gigabytes."""

WHOLE = frozenset({200, 203, 206})
"""The statuses of a whole object. 203: a proxy changed the answer; 206: a server may call the whole a part."""

PART = frozenset({200, 203, 206, 416})
"""The statuses of a part. 416: the offset is at the end, or past it."""

T = TypeVar("T")
_RANGE = re.compile(r"bytes ([0-9]{1,19})-([0-9]{1,19})/([0-9]{1,19}|\*)")


def read_content(
    transport: Transport, location: str, *, about: str, limit: int, consume: Callable[[Answer], T]
) -> T:
    """Ask for an object's content: of one that may be long only for what is wanted, by range.

    Parameters:
        transport: what to ask.
        location: where its content is.
        about: the object, for messages.
        limit: bytes that are wanted at most; one more is asked for.
        consume: reads the answer; see `beginning_of`.
    """
    is_long = limit >= RANGED_FROM
    return transport.exchange(
        location,
        about=about,
        headers=MEDIA | ({"Range": f"bytes=0-{limit}"} if is_long else {}),
        consume=consume,
        accepted=PART if is_long else WHOLE,
    )


def beginning_of(answer: Answer, *, limit: int) -> bytes:
    """Return the body of what `read_content` asked for, longer than `limit` where the object is.

    Raises:
        AnswerError: the answer is a part that was not asked for.
    """
    check_whole(answer, limit=limit if limit >= RANGED_FROM else None)
    return answer.body(limit=limit)


def check_whole(answer: Answer, *, limit: int | None = None) -> None:
    """Accept an answer that calls itself a part only if the part is the whole, or all that was asked for.

    Parameters:
        answer: its body unread.
        limit: the last byte that was asked for by range; ``None`` where none was.

    Raises:
        AnswerError: the answer is a part that was not asked for.
    """
    if answer.status == 206:
        found = _RANGE.fullmatch(answer.headers.get("Content-Range", ""))
        if (
            found is None
            or int(found[1]) != 0
            or (found[3] != str(int(found[2]) + 1) and int(found[2]) != limit)
        ):
            raise AnswerError("a part of what was asked for")


class Stream:
    """An object that is read piece by piece; after a failure the next piece continues where it broke off.

    Parameters:
        transport: what to ask.
        url: the object, for messages.
        locate: returns where its content is: of that generation, once one is known.
        offset: the first byte wanted.
    """

    def __init__(
        self, transport: Transport, *, url: str, locate: Callable[[str | None], str], offset: int
    ) -> None:
        self._transport = transport
        self._url = url
        self._locate = locate
        self._offset = offset
        self._skip = 0
        self._size: int | None = None
        self._answer: Answer | None = None
        self._generation: str | None = None
        self._etag: str | None = None
        self._written: str | None = None

    def pieces(self, attempts: Attempts) -> Iterator[bytes]:
        """Yield the bytes to the end, and give up the connection if the caller stops before it.

        Parameters:
            attempts: retries where that may help.
        """
        try:
            while piece := attempts(self.piece):
                yield piece
        finally:
            self.close()

    def piece(self) -> bytes:
        """Return the next bytes; none at the end."""
        answer, self._answer = self._answer, None  # it stays away if anything fails
        with translating(self._url, self._transport.route):
            answer = answer or self._opened()
            while answer.status != 416:
                data, fault = self._arrived(answer)
                wanted = data[self._skip :]
                self._skip -= len(data) - len(wanted)
                self._offset += len(wanted)
                if wanted:
                    self._answer = answer if fault is None else None
                    return wanted
                if fault is not None:
                    raise fault
                if not data:
                    break
            if self._size is not None and self._offset < self._size:
                raise CutShortError
        return b""

    def close(self) -> None:
        """Give up what has not been read."""
        if self._answer is not None:
            self._answer.close()

    def _arrived(self, answer: Answer) -> tuple[bytes, Exception | None]:
        """Read a piece; return the bytes that arrived, and the error that broke it off, if one did."""
        arrived = bytearray()
        take = partial(answer.take, arrived, most=PIECE, is_enough=self._transport.patience())
        try:
            self._transport.bounded(take, about=self._url, progress=lambda: len(arrived))
        except (StoreError, NetworkError) as error:
            answer.close()
            return bytes(arrived), error
        return bytes(arrived), None

    def _opened(self) -> Answer:
        headers = MEDIA | ({"Range": f"bytes={self._offset}-"} if self._offset else {})
        answer: Answer = self._transport.exchange(
            self._locate(self._generation),
            about=self._url,
            headers=headers,
            consume=lambda answer: answer,
            accepted=PART if self._offset else WHOLE,
        )
        try:
            self._check(answer)
        except BaseException:
            answer.close()
            raise
        self._skip = self._offset if answer.status in {200, 203} else 0  # a server may ignore the range
        return answer

    def _check(self, answer: Answer) -> None:
        """Make sure that the answer has the bytes that were asked for, of the generation that was begun with."""
        if answer.encoding != "identity":
            raise AnswerError("a body in an encoding that was not asked for")
        size = answer.stored_length
        if answer.status == 206:
            found = _RANGE.fullmatch(answer.headers.get("Content-Range", ""))
            if found is None or int(found[1]) != self._offset:
                raise AnswerError("another range of bytes than the one asked for")
            size = int(found[3]) if found[3] != "*" else size
        generation = number_or_none(answer.headers.get("x-goog-generation", ""))
        etag = answer.headers.get("ETag")
        # Where a cache strips both, only the time of writing and the size tell two contents apart.
        written = None if generation or etag else answer.headers.get("Last-Modified")
        pairs = (
            (self._generation, generation),
            (self._etag, etag),
            (self._written, written),
            (self._size, size),
        )
        if any(known and now and now != known for known, now in pairs):
            raise overwritten(self._url)
        self._generation, self._etag = generation or self._generation, etag or self._etag
        self._written = written or self._written
        self._size = size if size is not None else self._size
