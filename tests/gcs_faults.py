"""What can go wrong between a client and a bucket, as values that a test scripts.

A `Rule` says which requests are hit and how often; a `Fault` says what happens to them. `FAULTS` holds one
of each, by name, to be a test's parameter list. This module knows exchanges, not sockets: those are
`tests.gcs_server`'s.
"""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any, Literal, Protocol

from attrs import define, evolve, field, frozen

from tests.gcs_bucket import page_token

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


@frozen
class Response:
    """What the server would say.

    Attributes:
        status: HTTP status.
        headers: without the length.
        body: the whole body, or its pieces.
        length: bytes of the body, needed where `body` is in pieces.
    """

    status: int
    headers: Mapping[str, str] = field(factory=dict)
    body: bytes | Iterable[bytes] = b""
    length: int | None = None

    @property
    def content(self) -> bytes:
        """The body in one piece."""
        return self.body if isinstance(self.body, bytes) else b"".join(self.body)

    @property
    def content_length(self) -> int:
        """Bytes of the body."""
        return len(self.body) if isinstance(self.body, bytes) else self.length or 0


class Exchange(Protocol):
    """One request being answered, as a fault sees it."""

    @property
    def query(self) -> Mapping[str, str]:
        """The query parameters."""
        ...

    @property
    def is_listing(self) -> bool:
        """Whether a listing was asked for."""
        ...

    @property
    def serial(self) -> int:
        """Which request this is, counted from 1."""
        ...

    def answer(self, query: Mapping[str, str] | None = None) -> Response:
        """What the server would truthfully say, to this query or to a changed one."""
        ...

    def send(self, response: Response) -> None:
        """Send a response."""
        ...

    def send_head(self, response: Response) -> None:
        """Send its status line and headers."""
        ...

    def send_bytes(self, data: bytes) -> None:
        """Send raw bytes."""
        ...

    def close(self) -> None:
        """Close the connection in good order."""
        ...

    def reset(self) -> None:
        """Close the connection with a TCP reset."""
        ...

    def wait_for_release(self, timeout: float | None = None) -> bool:
        """Hold until the test lets go or the server stops; say whether that has happened."""
        ...


class Fault(Protocol):
    """Something that happens to a request instead of the truth."""

    def __call__(self, exchange: Exchange) -> None:
        """Answer the request, wrongly."""
        ...


# --------------------------------------------------------------------------------------------------
# Faults of the status line and the connection


@frozen
class Status(Fault):
    """An error status, with the JSON body that Google sends or another one.

    Attributes:
        code: HTTP status.
        retry_after: the ``Retry-After`` header: seconds or an HTTP date.
        body: instead of Google's JSON.
        content_type: of `body`.
    """

    code: int
    retry_after: str | None = None
    body: bytes | None = None
    content_type: str = "text/html; charset=UTF-8"

    def __call__(self, exchange: Exchange) -> None:
        headers = {} if self.retry_after is None else {"Retry-After": self.retry_after}
        if self.code == 204:
            exchange.send(Response(204, headers))
        elif self.body is None:
            exchange.send(evolve_headers(error(self.code, "scripted"), headers))
        else:
            exchange.send(Response(self.code, {"Content-Type": self.content_type, **headers}, self.body))


@frozen
class Redirect(Fault):
    """Go elsewhere.

    Attributes:
        location: where to; what is asked for is not appended.
        code: HTTP status.
    """

    location: str
    code: int = 302

    def __call__(self, exchange: Exchange) -> None:
        exchange.send(Response(self.code, {"Location": self.location}))


@frozen
class Reset(Fault):
    """A TCP reset.

    Attributes:
        after: how far the answer came: not at all, its headers, or half of its body.
    """

    after: Literal["request", "headers", "half"] = "request"

    def __call__(self, exchange: Exchange) -> None:
        _begin(exchange, self.after)
        exchange.reset()


@frozen
class Hangup(Fault):
    """The connection is closed in good order, but too early; `after` as in `Reset`."""

    after: Literal["request", "headers", "half"] = "request"

    def __call__(self, exchange: Exchange) -> None:
        _begin(exchange, self.after)
        exchange.close()


@frozen
class Stall(Fault):
    """Silence until the test releases the server, then the connection is closed; `after` as in `Reset`."""

    after: Literal["request", "headers", "half"] = "request"

    def __call__(self, exchange: Exchange) -> None:
        _begin(exchange, self.after)
        exchange.wait_for_release()
        exchange.close()


@frozen
class Drip(Fault):
    """The true answer, one byte of its body at a time; when the test releases the server, the rest at once.

    Attributes:
        interval: seconds between two bytes.
    """

    interval: float = 0.02

    def __call__(self, exchange: Exchange) -> None:
        response = exchange.answer()
        content = response.content
        exchange.send_head(evolve(response, body=content))
        for position in range(len(content)):
            if exchange.wait_for_release(self.interval):
                exchange.send_bytes(content[position:])
                return
            exchange.send_bytes(content[position : position + 1])


@frozen
class HeadCut(Fault):
    """The connection is closed in good order inside the headers.

    Attributes:
        lines: how many lines of the head are sent, the status line included; below zero, all but so many.
        length: whether ``Content-Length`` is the first header, the last one, or not there.
    """

    lines: int = 3
    length: Literal["first", "last", "none"] = "last"

    def __call__(self, exchange: Exchange) -> None:
        head = head_of(exchange.answer(), length=self.length)
        exchange.send_bytes(b"".join(head[: self.lines]))
        exchange.close()


@frozen
class Undelimited(Fault):
    """A true answer with neither ``Content-Length`` nor chunks: its body ends with the connection.

    Attributes:
        share: how much of the body comes.
    """

    share: float = 1.0

    def __call__(self, exchange: Exchange) -> None:
        response = exchange.answer()
        content = response.content
        exchange.send_bytes(b"".join(head_of(response, length="none")) + b"\r\n")
        exchange.send_bytes(content[: int(len(content) * self.share)])
        exchange.close()


def head_of(response: Response, *, length: Literal["first", "last", "none"] = "last") -> list[bytes]:
    """Return the lines of a response's head, without the empty one that ends it."""
    lines = [f"{key}: {value}\r\n".encode() for key, value in response.headers.items()]
    said = f"Content-Length: {response.content_length}\r\n".encode()
    if length != "none":
        lines.insert(0 if length == "first" else len(lines), said)
    return [f"HTTP/1.1 {response.status} said\r\n".encode(), *lines]


@frozen
class Raw(Fault):
    """These bytes instead of an HTTP response."""

    data: bytes

    def __call__(self, exchange: Exchange) -> None:
        exchange.send_bytes(self.data)
        exchange.close()


def _begin(exchange: Exchange, after: Literal["request", "headers", "half"]) -> None:
    if after == "request":
        return
    response = exchange.answer()
    content = response.content
    exchange.send_head(evolve(response, body=content))
    if after == "half":
        exchange.send_bytes(content[: len(content) // 2])


# --------------------------------------------------------------------------------------------------
# Faults of the body


@frozen
class Body(Fault):
    """Status 200 and this body.

    Attributes:
        data: the body.
        content_type: what it claims to be.
    """

    data: bytes
    content_type: str = "application/json; charset=UTF-8"

    def __call__(self, exchange: Exchange) -> None:
        exchange.send(Response(200, {"Content-Type": self.content_type}, self.data))


@frozen
class Cut(Fault):
    """The first half of the true body.

    Attributes:
        says_whole: the length of the whole body is announced, and the connection closed early; otherwise the
            announced length is that of the half.
        compressed: cut within a gzip stream.
    """

    says_whole: bool = False
    compressed: bool = False

    def __call__(self, exchange: Exchange) -> None:
        response = exchange.answer()
        content = response.content
        headers = dict(response.headers)
        if self.compressed:
            content = gzip.compress(content)
            headers["Content-Encoding"] = "gzip"
        half = content[: len(content) // 2]
        exchange.send_head(Response(response.status, headers, content if self.says_whole else half))
        exchange.send_bytes(half)
        if self.says_whole:
            exchange.close()


@frozen
class RepeatedPageToken(Fault):
    """The true page, and a token that leads to it again. On an answer that has no pages it is the truth."""

    def __call__(self, exchange: Exchange) -> None:
        token = exchange.query.get("pageToken") or page_token("")
        exchange.send(edited(exchange, lambda page: {**page, "nextPageToken": token}))


@frozen
class EndlessPages(Fault):
    """Page after page, each with a new token; empty ones, or the same one for ever.

    Attributes:
        empty: whether the pages hold nothing.
    """

    empty: bool = True

    def __call__(self, exchange: Exchange) -> None:
        fresh = page_token("", nonce=exchange.serial)

        def edit(page: dict[str, Any]) -> dict[str, Any]:
            kept = {"kind": "storage#objects"} if self.empty else page
            return {**kept, "nextPageToken": fresh}

        exchange.send(edited(exchange, edit))


@frozen
class RepeatedItems(Fault):
    """The true page with everything in it twice."""

    def __call__(self, exchange: Exchange) -> None:
        def edit(page: dict[str, Any]) -> dict[str, Any]:
            return {key: page[key] * 2 if key in {"items", "prefixes"} else page[key] for key in page}

        exchange.send(edited(exchange, edit))


@frozen
class EmptyPage(Fault):
    """An empty page with a token that leads on. No fault at all: real GCS does this."""

    def __call__(self, exchange: Exchange) -> None:
        token = exchange.query.get("pageToken") or page_token("")
        exchange.send(edited(exchange, lambda _: {"kind": "storage#objects", "nextPageToken": token}))


def edited(exchange: Exchange, edit: Callable[[dict[str, Any]], dict[str, Any]]) -> Response:
    """Change the page that would be the answer; what is no page stays as it is."""
    response = exchange.answer()
    if not exchange.is_listing or response.status != 200:
        return response
    return evolve(response, body=json.dumps(edit(json.loads(response.content))).encode())


def evolve_headers(response: Response, headers: Mapping[str, str]) -> Response:
    """Add headers to a response."""
    return evolve(response, headers={**response.headers, **headers})


def error(code: int, message: str, reason: str = "") -> Response:
    """An error in the shape of Google's JSON APIs."""
    known = {
        400: "invalid",
        401: "required",
        403: "forbidden",
        404: "notFound",
        408: "requestTimeout",
        412: "conditionNotMet",
        429: "rateLimitExceeded",
        503: "backendError",
    }
    detail = {"message": message, "domain": "global", "reason": reason or known.get(code, "internalError")}
    body = {"error": {"code": code, "message": message, "errors": [detail]}}
    headers = {"Content-Type": "application/json; charset=UTF-8"}
    if code == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="https://accounts.google.com/"'
    return Response(code, headers, json.dumps(body, indent=2).encode() + b"\n")


# --------------------------------------------------------------------------------------------------
# Rules


def _frozen_kinds(kinds: Iterable[str]) -> frozenset[str]:
    return frozenset(kinds)


@define
class Rule:
    """Which requests meet a fault.

    Attributes:
        fault: what happens to them.
        kinds: the kinds of request that are hit (`tests.gcs_server.Kind`); empty for all.
        when: a further condition, given the recorded request.
        times: how many requests are hit; ``None`` for all that come.
        skip: how many fitting requests pass unharmed before.
        hits: how many were hit so far.
    """

    fault: Fault
    kinds: frozenset[str] = field(default=frozenset(), converter=_frozen_kinds)
    when: Callable[[Any], bool] | None = field(default=None, kw_only=True)
    times: int | None = field(default=1, kw_only=True)
    skip: int = field(default=0, kw_only=True)
    hits: int = field(default=0, init=False)

    def claims(self, request: Any) -> bool:
        """Whether this request is hit; counts it. To be called under the server's lock."""
        if self.times is not None and self.hits >= self.times:
            return False
        if self.kinds and request.kind not in self.kinds:
            return False
        if self.when is not None and not self.when(request):
            return False
        if self.skip:
            self.skip -= 1
            return False
        self.hits += 1
        return True


# --------------------------------------------------------------------------------------------------
# The catalogue

ERROR_PAGE = (
    b"<!DOCTYPE html><html><head><title>502</title></head><body><h1>Server Error</h1></body></html>\n"
)

_ITEM: Mapping[str, object] = {
    "name": "kops/releases/9.9.0/linux/amd64/kops",
    "size": "5",
    "timeCreated": "2024-05-06T00:00:00.000Z",
    "updated": "2024-05-06T00:00:00.000Z",
    "generation": "1714953600000000",
}

WRONG_SHAPES: Mapping[str, object] = {
    "null": None,
    "a number": 42,
    "a text": "kops/releases/",
    "a list": [],
    "a list of items": [_ITEM],
    "items is null": {"items": None},
    "items is a text": {"items": "none"},
    "items is an object": {"items": {"0": _ITEM}},
    "an item is null": {"items": [None]},
    "an item is a text": {"items": ["kops/releases/9.9.0/linux/amd64/kops"]},
    "an item without a name": {"items": [{key: _ITEM[key] for key in _ITEM if key != "name"}]},
    "a name is a number": {"items": [{**_ITEM, "name": 9}]},
    "an item without a size": {"items": [{key: _ITEM[key] for key in _ITEM if key != "size"}]},
    "a size is a word": {"items": [{**_ITEM, "size": "large"}]},
    "a size is negative": {"items": [{**_ITEM, "size": "-1"}]},
    "an item without a time": {"items": [{"name": _ITEM["name"], "size": "5"}]},
    "a time is a word": {"items": [{**_ITEM, "timeCreated": "yesterday", "updated": "yesterday"}]},
    "a time is a number": {"items": [{**_ITEM, "timeCreated": 1714953600, "updated": 1714953600}]},
    "prefixes is a number": {"prefixes": 5},
    "prefixes is a text": {"prefixes": "kops/releases/9."},
    "a prefix is null": {"prefixes": [None]},
    "a prefix is a number": {"prefixes": [5]},
    "a page token is a number": {"nextPageToken": 5},
    "a page token is a list": {"nextPageToken": ["next"]},
    "an error inside 200": {"error": {"code": 503, "message": "backend", "errors": []}},
}
"""JSON that no listing answers with."""

FAULTS: Mapping[str, Fault] = {
    "408": Status(408),
    "429": Status(429),
    "429 with Retry-After": Status(429, retry_after="7"),
    "500": Status(500),
    "502 with an HTML body": Status(502, body=ERROR_PAGE),
    "503": Status(503),
    "503 with Retry-After": Status(503, retry_after="3"),
    "504": Status(504),
    "204": Status(204),
    "401": Status(401),
    "403": Status(403),
    "404": Status(404),
    "reset before the headers": Reset("request"),
    "reset before the body": Reset("headers"),
    "reset during the body": Reset("half"),
    "hangup before the headers": Hangup("request"),
    "hangup during the body": Hangup("half"),
    "hangup inside the headers": HeadCut(),
    "body without a length": Undelimited(),
    "half a body without a length": Undelimited(0.5),
    "stall before the headers": Stall("request"),
    "stall during the body": Stall("half"),
    "one byte at a time": Drip(),
    "truncated gzip": Cut(compressed=True),
    "truncated body": Cut(),
    "truncated body with whole length": Cut(says_whole=True),
    "200 with an HTML page": Body(ERROR_PAGE, "text/html; charset=UTF-8"),
    "200 with an empty body": Body(b""),
    "200 with binary": Body(bytes(range(256)), "application/octet-stream"),
    "not HTTP": Raw(b"SSH-2.0-OpenSSH_9.2\r\n"),
    "repeated page token": RepeatedPageToken(),
    "endless empty pages": EndlessPages(),
    "endless equal pages": EndlessPages(empty=False),
    "repeated items": RepeatedItems(),
    "redirect elsewhere": Redirect("http://127.0.0.1:1/elsewhere"),
    **{
        f"200 with JSON of the wrong shape: {name}": Body(json.dumps(shape).encode())
        for name, shape in WRONG_SHAPES.items()
    },
}
"""Every fault by its name: the parameter list of a fault matrix. `EmptyPage` is no fault, so not in it."""
