"""A small Google Cloud Storage on 127.0.0.1, for tests and benchmarks (DESIGN section 11).

It answers the part of the JSON API that a store needs, and the plain download that ``curl`` uses, as the
real service does: pages that hold objects and prefixes together, ``fields`` masks, generations,
preconditions. It records every request, and does harm on demand (`tests.gcs_faults`). A client that is happy
here need not be happy with the real service, so `tests.fake_gcs` stands beside it.

    with GcsServer() as server:
        server.bucket("k8s-staging-kops").add("kops/releases/markers/master/latest-ci.txt", "…")
        server.faults.append(Rule(Status(503), {Kind.MAJORS}, times=2))
        …  # a client with api_endpoint=server.url
        assert server.kinds == [Kind.MAJORS, Kind.MAJORS, Kind.MAJORS]
"""

from __future__ import annotations

import contextlib
import gzip
import itertools
import json
import os
import re
import socket
import struct
import sys
import threading
import time
from email.utils import format_datetime
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Literal, Self
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from attrs import define, frozen

from tests.gcs_bucket import (
    BadRequestError,
    FakeBucket,
    FakeObject,
    ListQuery,
    PreconditionError,
    apply_mask,
    parse_fields,
    rfc3339,
)
from tests.gcs_faults import Fault, Response, Rule, error, evolve_headers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import TracebackType

__all__ = [
    "KOPS_BUCKET",
    "KOPS_ROOT",
    "LISTINGS",
    "FakeBucket",
    "GcsServer",
    "Kind",
    "Recorded",
    "Rule",
    "closed_port",
    "sequential_round_trips",
]

KOPS_BUCKET = "k8s-staging-kops"
KOPS_ROOT = "kops/releases/"


class Kind(StrEnum):
    """What a request is for, told by its shape."""

    MAJORS = "majors"
    MINORS = "minors"
    BUILDS = "builds"
    UPLOADS = "uploads"
    OBJECTS = "objects"
    MARKERS_LIST = "markers-list"
    LISTING = "listing"
    """Any other listing."""
    MARKER = "marker"
    MEDIA = "media"
    STAT = "stat"
    UPLOAD = "upload"
    DELETE = "delete"
    BUCKET = "bucket"
    """Metadata of the bucket: hidden traffic, which must never happen."""
    OTHER = "other"


LISTINGS = frozenset(
    {Kind.MAJORS, Kind.MINORS, Kind.BUILDS, Kind.UPLOADS, Kind.OBJECTS, Kind.MARKERS_LIST, Kind.LISTING}
)


@define(eq=False)
class Recorded:
    """One request.

    Attributes:
        serial: counted from 1.
        method: HTTP method.
        path: as it was sent, without the query.
        query: its parameters.
        headers: by lower-case name.
        kind: what it is for.
        name: the object or prefix that it is about.
        started: tick at which it had arrived; ticks only grow, and no two are equal.
        ended: tick at which it was answered; 0 while it is not.
        status: of the answer; 0 while there is none.
        sent: bytes of the answer's body, as they went over the wire.
        fault: what was done to it.
    """

    serial: int
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    kind: Kind
    name: str
    started: int
    ended: int = 0
    status: int = 0
    sent: int = 0
    fault: Fault | None = None


def sequential_round_trips(requests: Iterable[Recorded]) -> int:
    """The most requests of which each began only after the one before had been answered.

    On loopback two independent requests may miss each other by chance, so this is an upper bound; give the
    server a `latency`, or use `GcsServer.expect_together`, where the number must be exact.
    """
    count, free_from = 0, 0
    for request in sorted(
        (request for request in requests if request.ended), key=lambda request: request.ended
    ):
        if request.started > free_from:
            count, free_from = count + 1, request.ended
    return count


def closed_port() -> int:
    """A port of 127.0.0.1 at which nothing listens: connections are refused."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# --------------------------------------------------------------------------------------------------
# The JSON form of objects

_OBJECT_FIELDS: Mapping[str, Callable[[str, str, FakeObject], object]] = {
    "kind": lambda _url, _bucket, _held: "storage#object",
    "id": lambda _url, bucket, held: f"{bucket}/{held.name}/{held.generation}",
    "selfLink": lambda url, bucket, held: f"{url}/storage/v1/b/{bucket}/o/{quote(held.name, safe='')}",
    "mediaLink": lambda url, bucket, held: (
        f"{url}/download/storage/v1/b/{bucket}/o/{quote(held.name, safe='')}"
        f"?generation={held.generation}&alt=media"
    ),
    "name": lambda _url, _bucket, held: held.name,
    "bucket": lambda _url, bucket, _held: bucket,
    "generation": lambda _url, _bucket, held: str(held.generation),
    "metageneration": lambda _url, _bucket, _held: "1",
    "contentType": lambda _url, _bucket, held: held.content_type,
    "storageClass": lambda _url, _bucket, _held: "STANDARD",
    "size": lambda _url, _bucket, held: str(held.size),
    "md5Hash": lambda _url, _bucket, held: held.hashes[0],
    "crc32c": lambda _url, _bucket, held: held.hashes[1],
    "etag": lambda _url, _bucket, held: held.etag,
    "timeCreated": lambda _url, _bucket, held: rfc3339(held.created),
    "updated": lambda _url, _bucket, held: rfc3339(held.created),
    "timeStorageClassUpdated": lambda _url, _bucket, held: rfc3339(held.created),
    "timeFinalized": lambda _url, _bucket, held: rfc3339(held.created),
    "cacheControl": lambda _url, _bucket, held: held.cache_control,
    "metadata": lambda _url, _bucket, held: dict(held.metadata) or None,
}
_PAGE_FIELDS = frozenset({"kind", "items", "prefixes", "nextPageToken"})
_UNUSED_OBJECT_FIELDS = frozenset(
    {
        "acl",
        "componentCount",
        "contentDisposition",
        "contentEncoding",
        "contentLanguage",
        "contexts",
        "customTime",
        "customerEncryption",
        "eventBasedHold",
        "hardDeleteTime",
        "kmsKeyName",
        "owner",
        "restoreToken",
        "retention",
        "retentionExpirationTime",
        "softDeleteTime",
        "temporaryHold",
        "timeDeleted",
    }
)


def _check_names(mask: Mapping[str, Any] | None, known: Iterable[str]) -> None:
    unknown = set(mask or ()) - {*known, "*"}
    if unknown:
        raise BadRequestError(f"Invalid field selection {min(unknown)}")


# --------------------------------------------------------------------------------------------------
# The server


@frozen
class Target:
    """What a path names.

    Attributes:
        api: ``list``, ``object``, ``media``, ``xml``, ``upload``, ``bucket`` or ``other``.
        bucket: the bucket's name.
        name: the object's name.
    """

    api: Literal["list", "object", "media", "xml", "upload", "bucket", "other"]
    bucket: str = ""
    name: str = ""


_API_PATH = re.compile(
    r"/(?P<lead>download/|upload/|)storage/v1/b/(?P<bucket>[^/]+)(?P<rest>/o(?:/(?P<name>.*))?)?", re.S
)


def parse_target(path: str, query: Mapping[str, str]) -> Target:
    """Tell what a request's path names. In a path a literal ``+`` is a plus, and so is ``%2B``."""
    match = _API_PATH.fullmatch(path)
    if match is None:
        bucket, _, name = path.removeprefix("/").partition("/")
        if not bucket or not name or path.startswith(("/storage/", "/upload/", "/download/", "/batch/")):
            return Target("other")
        return Target("xml", unquote(bucket), unquote(name))
    bucket, name = unquote(match["bucket"]), unquote(match["name"] or "")
    if match["lead"] == "upload/":
        return Target("upload", bucket, query.get("name", ""))
    if match["rest"] is None:
        return Target("bucket", bucket)
    if not name:
        return Target("list", bucket)
    is_media = match["lead"] == "download/" or query.get("alt") == "media"
    return Target("media" if is_media else "object", bucket, name)


class GcsServer:
    """A server on an ephemeral port of 127.0.0.1; a context manager.

    Parameters:
        root: where the builds are in a bucket, with a trailing slash; only the telling of kinds needs it.
        page_size: most objects and prefixes on one page.
        honours_match_glob: whether ``matchGlob`` is obeyed; other servers ignore it.
        compresses: whether JSON is sent gzipped to a client that accepts it.
        latency: seconds that each request is held, for benchmarks.
        deny_listing, deny_reading, deny_writing: the status, 401 or 403, that these are answered with.

    Attributes:
        buckets: the buckets that exist, by name.
        faults: the rules in force; the first that claims a request decides.
        requests: every request, in the order of arrival.
        errors: exceptions in the server itself; a test should find none.
        connections: how many were made.
        max_in_flight: most requests that were being answered at one time.
    """

    def __init__(
        self,
        *,
        root: str = KOPS_ROOT,
        page_size: int = 1000,
        honours_match_glob: bool = True,
        compresses: bool = True,
        latency: float = 0.0,
        deny_listing: Literal[401, 403] | None = None,
        deny_reading: Literal[401, 403] | None = None,
        deny_writing: Literal[401, 403] | None = None,
    ) -> None:
        self.root = root
        self.page_size = page_size
        self.honours_match_glob = honours_match_glob
        self.compresses = compresses
        self.latency = latency
        self.deny_listing = deny_listing
        self.deny_reading = deny_reading
        self.deny_writing = deny_writing
        self.buckets: dict[str, FakeBucket] = {}
        self.faults: list[Rule] = []
        self.requests: list[Recorded] = []
        self.errors: list[BaseException] = []
        self.connections = 0
        self.max_in_flight = 0
        self._in_flight = 0
        self._serials = itertools.count(1)
        self._ticks = itertools.count(1)
        self._lock = threading.Lock()
        self._fewer = threading.Condition(self._lock)
        self._released = threading.Event()
        self._together: _Meeting | None = None
        self._open: set[socket.socket] = set()
        self._http = _Http(self)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.005,), daemon=True)

    # ---- life

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()
        with self._lock:
            still_open = list(self._open)
        for connection in still_open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    @property
    def port(self) -> int:
        """The port it listens at."""
        return int(self._http.server_address[1])

    @property
    def url(self) -> str:
        """The API endpoint, and what goes before ``/<bucket>/<object>`` in a download; no trailing slash."""
        return f"http://127.0.0.1:{self.port}"

    def bucket(self, name: str = KOPS_BUCKET) -> FakeBucket:
        """The bucket of that name, made if there is none."""
        return self.buckets.setdefault(name, FakeBucket(name))

    # ---- what a test asks afterwards

    @property
    def kinds(self) -> list[Kind]:
        """The kinds of the requests, in the order of arrival."""
        return [request.kind for request in self.requests]

    def count(self, *kinds: Kind) -> int:
        """How many requests were of one of these kinds."""
        return sum(request.kind in kinds for request in self.requests)

    @property
    def bytes_sent(self) -> int:
        """Bytes of all bodies, as they went over the wire."""
        return sum(request.sent for request in self.requests)

    @property
    def round_trips(self) -> int:
        """See `sequential_round_trips`."""
        return sequential_round_trips(self.requests)

    def wait_for_open(self, count: int, *, timeout: float = 10.0) -> bool:
        """Wait until no more than so many connections are open; say whether that came to be."""
        with self._fewer:
            return self._fewer.wait_for(lambda: len(self._open) <= count, timeout)

    def forget(self) -> None:
        """Forget the requests so far, but not the rules."""
        with self._lock:
            self.requests = []
            self.max_in_flight = self._in_flight

    # ---- what a test asks for

    def fail(
        self,
        fault: Fault,
        *kinds: Kind,
        times: int | None = 1,
        skip: int = 0,
        when: Callable[[Recorded], bool] | None = None,
    ) -> Rule:
        """Add a rule; see `tests.gcs_faults.Rule`."""
        rule = Rule(fault, frozenset(kinds), when=when, times=times, skip=skip)
        self.faults.append(rule)
        return rule

    def release(self) -> None:
        """Let go of every request that stalls or drips, now and later."""
        self._released.set()

    def expect_together(self, *kinds: Kind, timeout: float = 10.0) -> None:
        """Hold requests of these kinds until one of each is in flight; see `met`.

        Parameters:
            kinds: one entry for each request; a kind may come twice.
            timeout: seconds after which the requests are let go, and `met` stays false.
        """
        self._together = _Meeting(list(kinds), timeout)

    @property
    def met(self) -> bool:
        """Whether all requests of `expect_together` were in flight at one time."""
        return self._together is not None and self._together.complete.is_set()

    # ---- for the handler

    def connected(self, connection: socket.socket) -> None:
        """A connection was made."""
        with self._lock:
            self.connections += 1
            self._open.add(connection)

    def disconnected(self, connection: socket.socket) -> None:
        """A connection has ended."""
        with self._lock:
            self._open.discard(connection)
            self._fewer.notify_all()

    def arrived(
        self, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str], target: Target
    ) -> Recorded:
        """Record a request, and decide what will happen to it."""
        kind, name = self._classify(method, target, query)
        with self._lock:
            request = Recorded(
                next(self._serials), method, path, query, headers, kind, name, started=next(self._ticks)
            )
            self.requests.append(request)
            self._in_flight += 1
            self.max_in_flight = max(self.max_in_flight, self._in_flight)
            request.fault = next((rule.fault for rule in self.faults if rule.claims(request)), None)
        if self._together is not None:
            self._together.arrive(kind)
        if self.latency:
            time.sleep(self.latency)
        return request

    def answered(self, request: Recorded) -> None:
        """Record that a request is about to be answered in full."""
        with self._lock:
            if not request.ended:
                request.ended = next(self._ticks)
                self._in_flight -= 1

    def wait_for_release(self, timeout: float | None) -> bool:
        """See `tests.gcs_faults.Exchange`."""
        return self._released.wait(timeout)

    def _classify(self, method: str, target: Target, query: Mapping[str, str]) -> tuple[Kind, str]:
        if target.api == "list":
            prefix = query.get("prefix", "")
            return self._classify_listing(prefix, query), prefix
        if target.api in {"media", "xml"}:
            marker = target.name.removeprefix(self.root).startswith("markers/")
            return (Kind.MARKER if marker else Kind.MEDIA), target.name
        if method == "DELETE":
            return Kind.DELETE, target.name
        kinds = {"object": Kind.STAT, "upload": Kind.UPLOAD, "bucket": Kind.BUCKET}
        return kinds.get(target.api, Kind.OTHER), target.name

    def _classify_listing(self, prefix: str, query: Mapping[str, str]) -> Kind:
        below = prefix.removeprefix(self.root)
        delimiter = query.get("delimiter", "")
        if query.get("matchGlob"):
            return Kind.UPLOADS
        if below.startswith("markers/"):
            return Kind.MARKERS_LIST
        if delimiter == ".":
            if not below:
                return Kind.MAJORS
            return Kind.MINORS if re.fullmatch(r"v?[0-9]+\.", below) else Kind.LISTING
        if delimiter == "/":
            return Kind.BUILDS
        return Kind.OBJECTS if re.fullmatch(r"[^/]+/", below) else Kind.LISTING

    # ---- the truth

    def respond(
        self, method: str, target: Target, query: Mapping[str, str], headers: Mapping[str, str], body: bytes
    ) -> Response:
        """What the real service would say."""
        try:
            if target.api == "other":
                return error(404, "Not Found")
            return self._respond(method, target, query, headers, body)
        except BadRequestError as problem:
            return error(400, str(problem), "invalidParameter")
        except PreconditionError:
            message = "At least one of the pre-conditions you specified did not hold."
            return error(412, message)

    def _respond(
        self, method: str, target: Target, query: Mapping[str, str], headers: Mapping[str, str], body: bytes
    ) -> Response:
        denied, permission = {
            "list": (self.deny_listing, "objects.list"),
            "bucket": (self.deny_listing, "buckets.get"),
            "upload": (self.deny_writing, "objects.create"),
        }.get(target.api, (self.deny_reading, "objects.get"))
        if denied is None and method == "DELETE":
            denied, permission = self.deny_writing, "objects.delete"
        bucket = self.buckets.get(target.bucket)
        found = bucket.get(target.name) if bucket is not None and target.name else None
        if denied is None and permission == "objects.get" and bucket is not None and found is None:
            # Who may not list learns nothing about what does not exist.
            denied = self.deny_listing
        if denied is not None:
            return _refusal(target, denied, permission)
        if bucket is None:
            return _not_found(target, "The specified bucket does not exist.", "NoSuchBucket")
        if target.api == "bucket":
            return _json(
                {"kind": "storage#bucket", "id": bucket.name, "name": bucket.name, "location": "US"}, query
            )
        if target.api == "list":
            return self._list(bucket, query)
        if target.api == "upload":
            return self._upload(bucket, query, headers, body)
        if found is None:
            return _not_found(target, f"No such object: {bucket.name}/{target.name}", "NoSuchKey")
        _check_preconditions(found, query)
        if method == "DELETE":
            bucket.remove(target.name)
            return Response(204)
        if target.api == "object":
            return _json(
                self._resource(bucket, found, parse_fields(query["fields"]) if "fields" in query else None),
                query,
            )
        return _media(found, headers, target)

    def _list(self, bucket: FakeBucket, query: Mapping[str, str]) -> Response:
        mask = parse_fields(query["fields"]) if "fields" in query else None
        _check_names(mask, _PAGE_FIELDS)
        asked = query.get("maxResults", str(self.page_size))
        if not asked.isdigit():
            raise BadRequestError(f"Invalid value for maxResults: {asked}")
        page = bucket.page(
            ListQuery(
                prefix=query.get("prefix", ""),
                delimiter=query.get("delimiter", ""),
                start_offset=query.get("startOffset", ""),
                end_offset=query.get("endOffset", ""),
                match_glob=query.get("matchGlob", "") if self.honours_match_glob else "",
                max_results=min(int(asked) or self.page_size, self.page_size),
                page_token=query.get("pageToken", ""),
            )
        )
        result: dict[str, object] = {"kind": "storage#objects"}
        if page.next_page_token is not None:
            result["nextPageToken"] = page.next_page_token
        if page.prefixes:
            result["prefixes"] = list(page.prefixes)
        wanted = mask.get("items", mask.get("*")) if mask is not None else None
        if page.objects and (mask is None or {"items", "*"} & set(mask)):
            result["items"] = [self._resource(bucket, held, wanted) for held in page.objects]
        else:
            _check_names(wanted, {*_OBJECT_FIELDS, *_UNUSED_OBJECT_FIELDS})
        return _json({key: result[key] for key in result if mask is None or {key, "*"} & set(mask)}, query)

    def _resource(
        self, bucket: FakeBucket, held: FakeObject, mask: Mapping[str, Any] | None
    ) -> dict[str, object]:
        _check_names(mask, {*_OBJECT_FIELDS, *_UNUSED_OBJECT_FIELDS})
        resource = {}
        for key, value_of in _OBJECT_FIELDS.items():
            if mask is None or key in mask or "*" in mask:
                value = value_of(self.url, bucket.name, held)
                if value is not None:
                    resource[key] = apply_mask(value, mask.get(key) if mask else None)
        return resource

    def _upload(
        self, bucket: FakeBucket, query: Mapping[str, str], headers: Mapping[str, str], body: bytes
    ) -> Response:
        kind = query.get("uploadType")
        content_type = headers.get("content-type", "application/octet-stream")
        resource: dict[str, Any] = {}
        if kind == "multipart":
            resource, content_type, body = _parse_multipart(content_type, body)
        elif kind != "media":
            return error(501, f"this server does not know uploadType={kind}")
        name = query.get("name") or resource.get("name")
        if not name or not isinstance(name, str):
            raise BadRequestError("Required parameter: name")
        expected = query.get("ifGenerationMatch")
        if "fields" in query:
            parse_fields(query["fields"])
        staged = FakeObject(name=name, size=len(body), created=bucket.clock(), generation=0, data=body)
        if resource.get("md5Hash", staged.hashes[0]) != staged.hashes[0]:
            raise BadRequestError("Provided MD5 hash doesn't match calculated MD5 hash.")
        if resource.get("crc32c", staged.hashes[1]) != staged.hashes[1]:
            raise BadRequestError("Provided CRC32C doesn't match calculated CRC32C.")
        made = bucket.add(
            name,
            body,
            content_type=resource.get("contentType", content_type),
            cache_control=resource.get("cacheControl"),
            metadata=resource.get("metadata"),
            if_generation=None if expected is None else int(expected),
        )
        return _json(
            self._resource(bucket, made, parse_fields(query["fields"]) if "fields" in query else None), query
        )


# --------------------------------------------------------------------------------------------------
# Pieces of the truth


def _json(value: object, query: Mapping[str, str]) -> Response:
    pretty = query.get("prettyPrint", "true") != "false"
    text = json.dumps(value, indent=2 if pretty else None, separators=None if pretty else (",", ":"))
    headers = {
        "Content-Type": "application/json; charset=UTF-8",
        "Cache-Control": "private, max-age=0, must-revalidate, no-transform",
        "Vary": "Origin, X-Origin",
    }
    return Response(200, headers, text.encode())


def _xml_error(status: int, code: str, message: str) -> Response:
    detail = f"<Code>{code}</Code><Message>{message}</Message>"
    text = f"<?xml version='1.0' encoding='UTF-8'?><Error>{detail}</Error>"
    return Response(status, {"Content-Type": "application/xml; charset=UTF-8"}, text.encode())


def _not_found(target: Target, message: str, code: str) -> Response:
    if target.api == "xml":
        # The XML API repeats no name in its message.
        return _xml_error(
            404, code, message if code == "NoSuchBucket" else "The specified key does not exist."
        )
    if target.api == "media":
        return Response(404, {"Content-Type": "text/html; charset=UTF-8"}, message.encode())
    return error(404, message)


def _refusal(target: Target, status: Literal[401, 403], permission: str) -> Response:
    who = "Anonymous caller" if status == 401 else "someone@example.com"
    message = (
        f"{who} does not have storage.{permission} access to the Google Cloud Storage bucket. "
        f"Permission 'storage.{permission}' denied on resource (or it may not exist)."
    )
    if target.api == "xml":
        return _xml_error(status, "AccessDenied", "Access denied.")
    if target.api == "media":
        plain = {"Content-Type": "text/html; charset=UTF-8"}
        return evolve_headers(
            Response(status, plain, message.encode()),
            {"WWW-Authenticate": 'Bearer realm="https://accounts.google.com/"'} if status == 401 else {},
        )
    return error(status, message)


def _check_preconditions(held: FakeObject, query: Mapping[str, str]) -> None:
    wanted = query.get("ifGenerationMatch")
    if wanted is not None and int(wanted) != held.generation:
        raise PreconditionError(held.name)


def _parse_range(text: str, size: int) -> tuple[int, int] | None:
    """Read a ``Range`` header: start and stop, or ``None`` where it cannot be met."""
    match = re.fullmatch(r"bytes=([0-9]*)-([0-9]*)", text)
    if match is None or match[0] == "bytes=-":
        return 0, size
    if not match[1]:
        return (max(size - int(match[2]), 0), size) if size and int(match[2]) else None
    start = int(match[1])
    stop = min(int(match[2]) + 1, size) if match[2] else size
    return (start, stop) if start < stop else None


def _media(held: FakeObject, headers: Mapping[str, str], target: Target) -> Response:
    md5, crc32c = held.hashes
    said = {
        "Content-Type": held.content_type,
        "Cache-Control": held.cache_control or "public, max-age=3600",
        "ETag": f'"{held.etag}"' if target.api == "xml" else held.etag,
        "Last-Modified": format_datetime(held.created, usegmt=True),
        "x-goog-generation": str(held.generation),
        "x-goog-metageneration": "1",
        "x-goog-hash": f"crc32c={crc32c},md5={md5}",
        "x-goog-storage-class": "STANDARD",
        "x-goog-stored-content-encoding": "identity",
        "x-goog-stored-content-length": str(held.size),
        **{f"x-goog-meta-{key}": value for key, value in held.metadata.items()},
    }
    if target.api == "xml":
        said["Accept-Ranges"] = "bytes"
    asked = headers.get("range")
    if asked is None:
        return Response(200, said, held.pieces() if held.data is None else held.data, held.size)
    span = _parse_range(asked, held.size)
    if span is None:
        plain = {"Content-Type": "text/html; charset=UTF-8", "Content-Range": f"bytes */{held.size}"}
        return Response(416, plain, b"Request range not satisfiable")
    start, stop = span
    said["Content-Range"] = f"bytes {start}-{stop - 1}/{held.size}"
    return Response(206, said, held.pieces(start, stop), stop - start)


def _parse_multipart(content_type: str, body: bytes) -> tuple[dict[str, Any], str, bytes]:
    match = re.search(r'multipart/related;.*boundary="?([^";]+)"?', content_type)
    if match is None:
        raise BadRequestError("Missing boundary in multipart content type.")
    parts = (b"\r\n" + body).split(b"\r\n--" + match[1].encode())
    if len(parts) != 4 or parts[0] or not parts[3].startswith(b"--"):
        raise BadRequestError("Multipart body must have two parts.")
    head, _, text = parts[1].partition(b"\r\n\r\n")
    media_head, _, data = parts[2].partition(b"\r\n\r\n")
    try:
        resource = json.loads(text)
    except ValueError:
        raise BadRequestError("Metadata part could not be parsed.") from None
    if not isinstance(resource, dict) or b"application/json" not in head.lower():
        raise BadRequestError("Metadata part could not be parsed.")
    said = re.search(rb"(?i)content-type:[ \t]*([^\r\n]+)", media_head)
    return resource, said[1].decode() if said else "application/octet-stream", data


class _Meeting:
    """Requests that are to be in flight at one time."""

    def __init__(self, kinds: list[Kind], timeout: float) -> None:
        self.complete = threading.Event()
        self._awaited = kinds
        self._timeout = timeout
        self._lock = threading.Lock()
        self._fewer = threading.Condition(self._lock)

    def arrive(self, kind: Kind) -> None:
        with self._lock:
            if kind not in self._awaited:
                return
            self._awaited.remove(kind)
            if not self._awaited:
                self.complete.set()
        self.complete.wait(self._timeout)


# --------------------------------------------------------------------------------------------------
# HTTP


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 1024
    # Without this a bind after another server's TIME_WAIT could fail.
    allow_reuse_address = True

    def __init__(self, owner: GcsServer) -> None:
        self.owner = owner
        super().__init__(("127.0.0.1", 0), _Handler)

    def server_bind(self) -> None:
        # The base class looks its own name up in the DNS, which can take seconds.
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = "127.0.0.1", int(self.server_address[1])

    def handle_error(self, request: object, client_address: object) -> None:
        problem = sys.exception()
        # A client that has gone away is no fault of ours.
        if problem is not None and not isinstance(problem, OSError):
            self.owner.errors.append(problem)


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server_version = "UploadServer"
    sys_version = ""
    disable_nagle_algorithm = True
    wbufsize = 1 << 16

    server: _Http

    def setup(self) -> None:
        super().setup()
        self.server.owner.connected(self.connection)

    def finish(self) -> None:
        self.server.owner.disconnected(self.connection)
        super().finish()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the base class has it
        """Say nothing: what happened is in `GcsServer.requests`."""

    def read_body(self) -> bytes:
        """The request's body, whole."""
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", "0")))
        pieces = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(pieces)

    def serve(self) -> None:
        """Answer one request, truthfully or not."""
        owner = self.server.owner
        body = self.read_body()
        split = urlsplit(self.path)
        query = dict(parse_qsl(split.query, keep_blank_values=True))
        headers = {key.lower(): value for key, value in self.headers.items()}
        target = parse_target(split.path, query)
        recorded = owner.arrived(self.command, split.path, query, headers, target)
        exchange = _Exchange(self, recorded, target, body)
        try:
            if recorded.fault is None:
                exchange.send(exchange.answer())
            else:
                recorded.fault(exchange)
        finally:
            owner.answered(recorded)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = serve  # noqa: N815 - as the base class looks them up


class _Exchange:
    """One request on a handler's connection; what a fault gets to work with."""

    def __init__(self, handler: _Handler, recorded: Recorded, target: Target, body: bytes) -> None:
        self._handler = handler
        self._recorded = recorded
        self._target = target
        self._body = body

    @property
    def query(self) -> Mapping[str, str]:
        return self._recorded.query

    @property
    def is_listing(self) -> bool:
        return self._target.api == "list"

    @property
    def serial(self) -> int:
        return self._recorded.serial

    def answer(self, query: Mapping[str, str] | None = None) -> Response:
        owner, recorded = self._handler.server.owner, self._recorded
        asked = recorded.query if query is None else query
        return owner.respond(recorded.method, self._target, asked, recorded.headers, self._body)

    def send(self, response: Response) -> None:
        owner = self._handler.server.owner
        accepts = "gzip" in self._recorded.headers.get("accept-encoding", "")
        is_json = response.headers.get("Content-Type", "").startswith("application/json")
        if owner.compresses and accepts and is_json and "Content-Encoding" not in response.headers:
            headers = {**response.headers, "Content-Encoding": "gzip"}
            response = Response(response.status, headers, gzip.compress(response.content, 6, mtime=0))
        pieces = [response.body] if isinstance(response.body, bytes) else response.body
        self._write_head(response)
        for piece in pieces:
            self._write(piece)
        # Before the last byte leaves: the client's next request must not seem to overlap this one.
        owner.answered(self._recorded)
        self._handler.wfile.flush()

    def send_head(self, response: Response) -> None:
        self._write_head(response)
        self._handler.wfile.flush()

    def send_bytes(self, data: bytes) -> None:
        self._write(data)
        self._handler.wfile.flush()

    def close(self) -> None:
        self._handler.close_connection = True

    def reset(self) -> None:
        connection = self._handler.connection
        self._handler.close_connection = True
        self._handler.wfile.flush()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._handler.server.owner.disconnected(connection)
        # Only closing the descriptor itself, and no shutdown before, makes the kernel send a reset.
        os.close(connection.detach())

    def wait_for_release(self, timeout: float | None = None) -> bool:
        return self._handler.server.owner.wait_for_release(timeout)

    def _write_head(self, response: Response) -> None:
        self._recorded.status = response.status
        self._handler.send_response(response.status)
        for key, value in response.headers.items():
            self._handler.send_header(key, value)
        if response.status != 204:
            self._handler.send_header("Content-Length", str(response.content_length))
        self._handler.end_headers()

    def _write(self, data: bytes) -> None:
        if self._recorded.method != "HEAD":
            self._handler.wfile.write(data)
            self._recorded.sent += len(data)
