"""One HTTP transport over urllib3 for what is read anonymously: counted, and bounded in bytes and seconds.

It adds what urllib3 lacks. A body in memory is never larger than allowed, even if it is compressed. No attempt takes
longer than it may. An answer whose headers break off is a broken connection, and not an empty answer. A body is checked
against its length and its hashes. Redirects are not followed, and only `Route` says where requests go.

This module knows HTTP and urllib3. It must not know which requests a store makes, or what their bodies hold.
"""

from __future__ import annotations

import http.client
import importlib.util
import logging
import ssl
import threading
import time
import zlib
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from kopsversion.stores.checksums import matches_hashes
from kopsversion.stores.failures import (
    REASON_LIMIT,
    AnswerError,
    CutShortError,
    NetworkError,
    ProxyFaultError,
    SocksError,
    StatusError,
    TrustError,
    reason_in,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from kopsversion.stores.base import AttemptPolicy
    from kopsversion.stores.deadline import Deadline
    from kopsversion.stores.route import Route

T = TypeVar("T")

PAGE_LIMIT = 32 << 20
"""Bytes of the largest body that is read whole: a page of 1,000 names needs a hundredth of it."""

UrllibError = urllib3.exceptions.HTTPError
"""Whatever urllib3 raises."""

_CHUNK = 1 << 16  # bytes asked of the socket at once
CONNECTIONS = 16
"""Connections that are kept open; callers use at most `kopsversion.stores.deadline.AT_ONCE`, eight, side by side."""
_PATIENCE = 0.5  # seconds after which a piece of a download is handed on, however small it is
_AGENT = "kopsversion (gzip)"  # Google's servers compress only if the agent's name says so too

_log = logging.getLogger("kopsversion.stores")


class _WholeHead(http.client.HTTPResponse):
    """A response whose headers end with an empty line; `http.client` accepts the end of the connection as well."""

    def begin(self) -> None:
        """Read the status line and the headers.

        Raises:
            IncompleteRead: the connection ended inside of them.
        """
        reading: Any = self.fp
        lines: Any = _Lines(reading)
        self.fp = lines
        super().begin()  # if it raises, this answer is closed and not read
        self.fp = reading
        if lines.last not in {b"\r\n", b"\n"}:
            self.close()
            raise http.client.IncompleteRead(lines.last)


class _Lines:
    """A file that remembers the last line that was read from it."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.last = b""

    def readline(self, limit: int = -1) -> bytes:
        self.last = self._file.readline(limit)
        return self.last

    def flush(self) -> None:
        self._file.flush()  # `http.client` does that to close it

    def close(self) -> None:
        self._file.close()


class _Connection(HTTPConnection):
    response_class = _WholeHead


class _SecureConnection(HTTPSConnection):
    response_class = _WholeHead


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class Transport:
    """Sends requests to one server, from any number of threads.

    Parameters:
        route: how the server is reached.
        policy: how long one attempt may take.
        deadline: when all attempts end.
    """

    def __init__(self, route: Route, *, policy: AttemptPolicy, deadline: Deadline) -> None:
        self.route = route
        self._policy = policy
        self._deadline = deadline
        self._count = 0
        self._lock = threading.Lock()
        self._pools: urllib3.PoolManager | None = None

    @property
    def requests(self) -> int:
        """How many requests have been sent."""
        return self._count

    def exchange(
        self,
        url: str,
        *,
        about: str,
        consume: Callable[[Answer], T],
        headers: Mapping[str, str],
        accepted: frozenset[int] = frozenset({200, 203}),
        method: Literal["GET", "HEAD"] = "GET",
    ) -> T:
        """Ask for a URL once, and return what `consume` makes of the answer.

        Parameters:
            url: what to get.
            about: what that is, as a person would write it, for the message.
            consume: is given the answer with its body unread, in another thread.
            headers: the request's headers.
            accepted: the statuses that are not an error.
            method: ``HEAD`` for the headers alone.

        Raises:
            StatusError: the status is another one.
            StoreUnavailableError: it took longer than an attempt may, or than the deadline allows.
            Exception: what `consume` raises, and what `translating` knows.
        """
        connect, read = self._policy.socket_seconds(self._deadline.remaining())
        timeout = urllib3.Timeout(connect=connect, read=read)

        def send() -> T:
            answer = self._send(method, url, headers=headers, timeout=timeout)
            try:
                _check_status(answer, accepted)
                return consume(answer)
            except BaseException:
                answer.close()  # the rest of its body would be read as the next answer
                raise

        return self.bounded(send, about=about)

    def bounded(self, call: Callable[[], T], *, about: str, progress: Callable[[], int] | None = None) -> T:
        """Return what `call` returns, unless it takes longer than an attempt may.

        Parameters:
            call: runs in another thread, which is abandoned if it takes too long.
            about: what is asked for, for the message.
            progress: returns the bytes that have arrived so far; while more arrive, the attempt goes on.

        Raises:
            StoreUnavailableError: it took longer, or the deadline has passed.
        """
        limit = self._policy.attempt_seconds(self._deadline.remaining())
        return self._deadline.run(call, url=about, limit=limit, progress=progress)

    def patience(self) -> Callable[[], bool]:
        """Return a function that tells when a piece of a download has to be yielded, however small it is."""
        end = self._deadline.remaining() - _PATIENCE
        return lambda: self._deadline.remaining() <= end

    def close(self) -> None:
        """Close the connections that are kept open; a later request opens new ones."""
        with self._lock:
            pools, self._pools = self._pools, None
        if pools is not None:
            close_pools(pools)

    def _send(self, method: str, url: str, *, headers: Mapping[str, str], timeout: urllib3.Timeout) -> Answer:
        pools = self._opened()
        with self._lock:
            self._count += 1
        began = time.perf_counter()
        try:
            with _wrapping():
                response = pools.urlopen(
                    method,
                    url,
                    headers={"User-Agent": _AGENT, **headers},
                    timeout=timeout,
                    redirect=False,
                    retries=False,
                    preload_content=False,
                )
        except NetworkError as error:
            _log.debug("%s %s failed after %.0f ms: %r", method, url, _milliseconds(began), error.__cause__)
            raise
        _log.debug("%s %s: HTTP %d after %.0f ms", method, url, response.status, _milliseconds(began))
        return Answer(response)

    def _opened(self) -> urllib3.PoolManager:
        with self._lock:
            if self._pools is None:
                self._pools = _pools(self.route)
            return self._pools


def _milliseconds(began: float) -> float:
    return (time.perf_counter() - began) * 1000


@contextmanager
def _wrapping() -> Iterator[None]:
    """Raise urllib3's exceptions as ours, with them as cause."""
    try:
        yield
    except urllib3.exceptions.ProxyError as error:
        raise ProxyFaultError from error
    except UrllibError as error:
        raise NetworkError from error


def _pools(route: Route) -> urllib3.PoolManager:
    proxy = route.proxy.value if route.proxy else ""
    settings: dict[str, Any] = {"maxsize": CONNECTIONS}
    if route.is_secure or proxy.startswith("https:"):
        settings["ssl_context"] = _trust(route)
    manager: urllib3.PoolManager
    with _wrapping():
        if proxy.startswith("socks"):
            return _through_socks(proxy, settings)
        if proxy:
            login = urllib3.util.parse_url(proxy).auth
            headers = urllib3.util.make_headers(proxy_basic_auth=login) if login else None
            manager = urllib3.ProxyManager(
                proxy, proxy_headers=headers, proxy_ssl_context=settings.get("ssl_context"), **settings
            )
        else:
            manager = urllib3.PoolManager(**settings)
    expect_whole_heads(manager)
    return manager


def expect_whole_heads(manager: urllib3.PoolManager) -> None:
    """Let a pool manager treat headers that break off as a broken connection."""
    manager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}


def close_pools(manager: urllib3.PoolManager) -> None:
    """Close the connections that a pool manager keeps open.

    Its own `clear` leaves them to the garbage collector, and the frames of an error may keep them alive.
    """
    for key in manager.pools.keys():  # noqa: SIM118 # it refuses to be iterated
        manager.pools[key].close()
    manager.clear()


def _through_socks(proxy: str, settings: Mapping[str, Any]) -> urllib3.PoolManager:
    if importlib.util.find_spec("socks") is None:  # urllib3 would warn on standard error
        raise SocksError
    socks: Any = importlib.import_module("urllib3.contrib.socks")
    manager: urllib3.PoolManager = socks.SOCKSProxyManager(proxy, **settings)
    return manager


def _trust(route: Route) -> ssl.SSLContext:
    """Trust the certificates that the environment names, or those of certifi."""
    try:
        if route.trusted is None:
            import certifi

            return ssl.create_default_context(cafile=certifi.where())
        named = Path(route.trusted.value)
        return ssl.create_default_context(
            cafile=None if named.is_dir() else str(named), capath=str(named) if named.is_dir() else None
        )
    except (ImportError, OSError, ValueError) as error:  # ValueError: a null byte in the name
        raise TrustError from error


# --------------------------------------------------------------------------------------------------
# An answer


class Answer:
    """An answer whose body has not been read yet.

    Parameters:
        response: what urllib3 returned.
    """

    def __init__(self, response: urllib3.BaseHTTPResponse) -> None:
        self._response = response
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers

    @property
    def is_delimited(self) -> bool:
        """Whether the answer says where its body ends; otherwise a broken connection looks like the end."""
        chunked = "chunked" in self.headers.get("Transfer-Encoding", "").lower()
        return chunked or self.headers.get("Content-Length", "").strip().isdigit()

    @property
    def encoding(self) -> str:
        """How the body is compressed: ``identity``, ``gzip``, or what was not asked for."""
        text = self.headers.get("Content-Encoding", "").strip().lower()
        return {"": "identity", "x-gzip": "gzip"}.get(text, text)

    def body(self, *, limit: int) -> bytes:
        """Read the body, decompressed, up to `limit` + 1 bytes: one more than `limit` shows that it is longer.

        urllib3 would decompress a chunk to whatever size it has, and take a truncated gzip stream for a
        whole one, so it is decompressed here.

        Raises:
            AnswerError: its encoding is not one that was asked for, or is broken.
            CutShortError: it has another length than the server says, or other hashes.
            NetworkError: the connection broke.
        """
        if self.encoding not in {"identity", "gzip"}:
            raise AnswerError("a body in an encoding that was not asked for")
        inflater = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16) if self.encoding == "gzip" else None
        raw, body = bytearray(), bytearray()
        while chunk := self._read(_CHUNK):
            raw += chunk
            body += inflater.decompress(chunk, limit + 1 - len(body)) if inflater else chunk
            if len(body) > limit:
                self.close()
                return bytes(body[: limit + 1])
            if inflater and inflater.unused_data:
                raise AnswerError("more than one compressed body")
        if inflater and not inflater.eof:
            raise AnswerError("a compressed body that is cut short")
        self._check(bytes(raw), bytes(body))
        return bytes(body)

    def take(self, into: bytearray, *, most: int, is_enough: Callable[[], bool]) -> None:
        """Read the next bytes of a body that is not compressed.

        Parameters:
            into: where they go, as they arrive.
            most: how many at most.
            is_enough: tells when fewer will do; the first ones are always waited for.

        Raises:
            NetworkError: the connection broke.
        """
        while len(into) < most:
            with _wrapping():
                data = self._response.read1(min(_CHUNK, most - len(into)), decode_content=False)
            into += data
            if not data or is_enough():
                return

    def close(self) -> None:
        """Give up what has not been read, and the connection with it."""
        self._response.close()

    def _read(self, amount: int) -> bytes:
        with _wrapping():
            return self._response.read(amount, decode_content=False)

    @property
    def stored_length(self) -> int | None:
        """The object's length, where the answer is the object as it is stored."""
        text = self.headers.get("x-goog-stored-content-length", "")
        return int(text) if self._is_as_stored and text.isascii() and text.isdigit() else None

    @property
    def _is_as_stored(self) -> bool:
        return self.headers.get("x-goog-stored-content-encoding", "identity") in {"", "identity"}

    def is_proven(self, body: bytes) -> bool:
        """Whether the answer gave a length or a hash of the object itself, against which `body` was checked."""
        hashes = self.headers.get("x-goog-hash", "")
        return self.stored_length is not None or matches_hashes(body, hashes) is not None

    def _check(self, raw: bytes, body: bytes) -> None:
        """Check a whole body against its length and hashes; hashes are those of the bytes as they are stored."""
        stored = self.stored_length
        if stored is not None and len(body) != stored and self.encoding == "identity":
            raise CutShortError
        hashes = self.headers.get("x-goog-hash", "")
        wrong = matches_hashes(raw, hashes) is False and matches_hashes(body, hashes) is False
        if wrong and (self._is_as_stored or self.encoding != "identity"):
            raise CutShortError


def _check_status(answer: Answer, accepted: frozenset[int]) -> None:
    if answer.status in accepted:
        return
    reason = ""
    if answer.status >= 400:
        try:
            reason = reason_in(answer.body(limit=REASON_LIMIT))
        except (AnswerError, CutShortError, NetworkError, zlib.error):
            reason = ""  # the status is what matters
    raise StatusError(answer.status, retry_after=retry_after(answer.headers), reason=reason)


def http_date(text: str | None) -> datetime | None:
    """Read an HTTP date, in UTC; ``None`` for anything else."""
    try:
        date = parsedate_to_datetime(text or "")
        return date.replace(tzinfo=UTC) if date.tzinfo is None else date.astimezone(UTC)
    except (OverflowError, TypeError, ValueError):
        return None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Read ``Retry-After``, seconds or a date, as seconds from now; ``Date`` says what the server takes for now."""
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    until = http_date(text)
    if until is None:
        return None
    now = http_date(headers.get("Date")) or datetime.now(tz=UTC)
    return max(0.0, (until - now).total_seconds())
