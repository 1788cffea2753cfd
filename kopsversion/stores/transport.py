"""HTTP as `gcs` needs it: one session, counted, bounded in bytes and seconds, its failures translated.

google-cloud-storage sends everything through an object with a method `request`. Ours adds what neither it
nor requests has (DESIGN section 11): a body is never larger in memory than allowed, also when it is
compressed; no attempt outlives its time; redirects are not followed; ``~/.netrc`` adds no credentials; a
proxy is used as the environment says, but never for this machine itself; each request sent is counted.

This module knows HTTP and its libraries. It must not know which requests a store makes, or what their bodies hold.
"""

from __future__ import annotations

import io
import ipaddress
import ssl
import threading
import zlib
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import urllib3.exceptions
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import GoogleAuthError, TransportError
from google.auth.transport.requests import AuthorizedSession
from requests.adapters import HTTPAdapter
from requests.exceptions import (
    ChunkedEncodingError,
    JSONDecodeError,
    ProxyError,
    RequestException,
    Timeout,
)
from requests.exceptions import (
    ConnectionError as RequestsConnectionError,
)

from kopsversion.errors import (
    AccessDeniedError,
    MalformedResponseError,
    ObjectNotFoundError,
    PreconditionFailedError,
    StoreError,
    StoreUnavailableError,
    quoted,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from google.auth.credentials import Credentials
    from requests import Response, Session

    from kopsversion.stores.base import AttemptPolicy
    from kopsversion.stores.deadline import Deadline

T = TypeVar("T")

PAGE_LIMIT = 32 << 20
"""Bytes of the largest body that is taken whole: a page of 1,000 names needs a hundredth of it."""

_CHUNK = 1 << 16  # bytes asked of the socket at once
_CONNECTIONS = 16  # kept open; the most that any caller uses side by side is `AT_ONCE`, eight
_SHORTEST_ATTEMPT = 1.0  # seconds; below this, halving what is left would leave no attempt a chance
_TRANSIENT_STATUS = {408, 429, 500, 502, 503, 504}
_OPEN_HINT = "look at the network, the proxy and the status of the store"
_MALFORMED = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What google-cloud-storage and the JSON parser trip over when a body is not of the promised shape."""


class StatusError(Exception):
    """An HTTP status that was not hoped for.

    Parameters:
        status: the status.
        retry_after: seconds after which the server wants to be asked again, where it said so.
    """

    def __init__(self, status: int, *, retry_after: float | None = None) -> None:
        super().__init__(status)
        self.status = status
        self.retry_after = retry_after


class AnswerError(Exception):
    """An answer that is not what the protocol promises. `reason` completes "answered with …"."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class CutShortError(Exception):
    """A body that ended too early, as a broken connection leaves it."""


class Transport:
    """Sends requests to one server, from any number of threads.

    Parameters:
        credentials: whom to ask as.
        endpoint: the server, as in ``https://storage.googleapis.com``.
        policy: how long one attempt may take.
        deadline: when all attempts end.
        environ: the environment, for proxies and certificates.
    """

    def __init__(
        self,
        credentials: Credentials,
        *,
        endpoint: str,
        policy: AttemptPolicy,
        deadline: Deadline,
        environ: Mapping[str, str],
    ) -> None:
        self._policy = policy
        self._deadline = deadline
        self._count = 0
        self._lock = threading.Lock()
        # There is nothing to refresh when nobody asks: a 401 is then an answer like any other.
        refreshing = {"refresh_status_codes": ()} if isinstance(credentials, AnonymousCredentials) else {}
        self._session: Session = AuthorizedSession(credentials, **refreshing)  # type: ignore[no-untyped-call]  # google-auth is not annotated
        # Reading the environment is done here, once: requests would add ~/.netrc to it.
        self._session.trust_env = False
        self._session.proxies = proxies_for(endpoint, environ)
        self._session.verify = environ.get("REQUESTS_CA_BUNDLE") or environ.get("CURL_CA_BUNDLE") or True
        adapter = _CountingAdapter(self._counted)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    @property
    def requests(self) -> int:
        """How many requests have been sent."""
        return self._count

    def request(
        self,
        method: str,
        url: str,
        data: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: object = None,
    ) -> Response:
        """Send a request for google-cloud-storage, and take its whole body; only status 200 returns.

        `timeout` is accepted and ignored: the policy and the deadline say how long things may take.
        """
        del timeout
        return self.exchange(method, url, consume=_buffered, data=data, headers=headers)

    def exchange(
        self,
        method: str,
        url: str,
        *,
        consume: Callable[[Response], T],
        data: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        accepted: frozenset[int] = frozenset({200}),
    ) -> T:
        """Send a request once, and return what `consume` makes of its answer.

        Parameters:
            method: ``GET`` or ``POST``.
            url: where to.
            consume: is given the response with its body unread, in another thread.
            data: the request's body.
            headers: the request's headers.
            accepted: the statuses that are not an error.

        Raises:
            StatusError: the status is another one.
            StoreUnavailableError: it took longer than an attempt may, or ran into the deadline.
            Exception: what requests, urllib3 or `consume` raise; `translating` knows them.
        """
        left = self._deadline.remaining()
        limit = min(self.attempt_seconds(), left)
        timeout = min(self._policy.connect, limit), min(self._policy.read, limit)

        def send() -> T:
            response = self._session.request(
                method,
                url,
                data=data,
                headers=dict(headers or {}),
                timeout=timeout,
                stream=True,
                allow_redirects=False,
            )
            try:
                _check_status(response, accepted)
                return consume(response)
            except BaseException:
                response.close()  # what is left of its body would spoil the connection for others
                raise

        return self.bounded(send, url=url)

    def bounded(self, call: Callable[[], T], *, url: str) -> T:
        """Return what `call` returns, unless it takes longer than an attempt may.

        Parameters:
            call: runs in another thread, which is left behind if it takes too long.
            url: what is asked for, for the message; its query is left out.

        Raises:
            StoreUnavailableError: it took longer, or the deadline has passed.
        """
        return self._deadline.run(call, url=url.partition("?")[0], limit=self.attempt_seconds())

    def attempt_seconds(self) -> float:
        """Return how long an attempt may take, such that the deadline leaves time for another one."""
        return min(self._policy.whole, max(_SHORTEST_ATTEMPT, self._deadline.remaining() / 2))

    def _counted(self) -> None:
        with self._lock:
            self._count += 1


class _CountingAdapter(HTTPAdapter):
    """Calls `counted` for every request that goes out, repeated ones included."""

    def __init__(self, counted: Callable[[], None]) -> None:
        super().__init__(pool_maxsize=_CONNECTIONS)
        self._counted = counted

    def send(self, *args: Any, **kwargs: Any) -> Response:
        self._counted()
        return super().send(*args, **kwargs)


def _check_status(response: Response, accepted: frozenset[int]) -> None:
    if response.status_code not in accepted:
        raise StatusError(response.status_code, retry_after=_retry_after(response.headers))


def body_of(response: Response, *, limit: int) -> bytes:
    """Read a body, decompressed, up to `limit` + 1 bytes: one more than `limit` tells that it is longer.

    urllib3 would decompress a chunk to whatever size it has, and take a truncated gzip stream for a
    whole one; hence the decompressing here.

    Raises:
        AnswerError: the body's encoding is not one that was asked for, or is broken.
    """
    inflater = _inflater(response)
    body = bytearray()
    while chunk := response.raw.read(_CHUNK, decode_content=False):
        body += inflater.decompress(chunk, limit + 1 - len(body)) if inflater else chunk
        if len(body) > limit:
            response.close()
            return bytes(body[: limit + 1])
        if inflater and inflater.unused_data:
            raise AnswerError("more than one compressed body")
    if inflater and not inflater.eof:
        raise AnswerError("a compressed body that is cut short")
    return bytes(body)


def _inflater(response: Response) -> zlib._Decompress | None:
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in {"identity", "gzip"}:
        raise AnswerError("a body in an encoding that was not asked for")
    return zlib.decompressobj(wbits=zlib.MAX_WBITS | 16) if encoding == "gzip" else None


def _buffered(response: Response) -> Response:
    body = body_of(response, limit=PAGE_LIMIT)
    if len(body) > PAGE_LIMIT:
        raise AnswerError(f"more than {PAGE_LIMIT} bytes")
    response.raw = io.BytesIO(body)  # so that requests' own `content` and `json` take it from there
    return response


def http_date(text: str | None) -> datetime | None:
    """Read an HTTP date, in UTC; ``None`` for anything else."""
    try:
        date = parsedate_to_datetime(text or "")
        return date.replace(tzinfo=UTC) if date.tzinfo is None else date.astimezone(UTC)
    except (OverflowError, TypeError, ValueError):
        return None


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Read ``Retry-After``, seconds or a date, as seconds from now, which is what ``Date`` says."""
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    until = http_date(text)
    if until is None:
        return None
    now = http_date(headers.get("Date")) or datetime.now(tz=UTC)
    return max(0.0, (until - now).total_seconds())


def proxies_for(endpoint: str, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the proxy for `endpoint` as requests wants it: ``{}`` for none.

    Read are ``https_proxy``, ``http_proxy``, ``all_proxy`` and ``no_proxy``, in either case. The own machine
    is never asked through a proxy, which could not reach it (DESIGN section 11).

    Parameters:
        endpoint: a server's scheme, host and port.
        environ: the environment.
    """
    parts = urlsplit(endpoint)
    host = parts.hostname or ""
    excepted = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    if _is_this_machine(host) or _is_excepted(host, excepted):
        return {}
    names = (f"{parts.scheme}_proxy", f"{parts.scheme}_proxy".upper(), "all_proxy", "ALL_PROXY")
    proxy = next((environ[name] for name in names if environ.get(name)), None)
    if proxy is None:
        return {}
    return {parts.scheme: proxy if "://" in proxy else f"http://{proxy}"}


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _is_excepted(host: str, excepted: str) -> bool:
    """Tell whether ``NO_PROXY`` names the host, a domain above it, or a network around it."""
    for each in excepted.lower().replace(" ", "").split(","):
        domain = each.removeprefix("*").removeprefix(".").partition(":")[0]
        if each == "*" or (domain and f".{host}".endswith(f".{domain}")):
            return True
        try:  # as clusters write it: 10.0.0.0/8
            if ipaddress.ip_address(host) in ipaddress.ip_network(each, strict=False):
                return True
        except ValueError:
            continue
    return False


# --------------------------------------------------------------------------------------------------
# Translation: the one place where foreign exceptions become ours


@contextmanager
def translating(url: str) -> Iterator[None]:
    """Raise whatever goes wrong while `url` is asked for as a `StoreError`.

    Parameters:
        url: as a person would write it; it is all of the request that a message repeats.
    """
    try:
        yield
    except StoreError:
        raise
    except StatusError as error:
        raise _from_status(error, url) from error
    except AnswerError as error:
        raise _malformed(url, error.reason) from error
    except CutShortError as error:
        raise _unavailable(url, "broke off in the middle of its answer") from error
    except GoogleAuthError as error:
        raise _from_credentials(error, url) from error
    except (RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        raise _from_network(error, url) from error
    except (*_MALFORMED, zlib.error) as error:
        raise _malformed(url, "a body that is not what its protocol promises") from error


def _from_status(error: StatusError, url: str) -> StoreError:
    status = error.status
    if status in {401, 403}:
        return AccessDeniedError(
            f"{quoted(url)} may not be read or written by us (HTTP {status})",
            url=url,
            hint="check that the bucket is public, or that the credentials have a role for it",
        )
    if status == 404:
        return ObjectNotFoundError(
            f"{quoted(url)} does not exist", url=url, hint="check the names of the bucket and of the object"
        )
    if status == 412:
        return PreconditionFailedError(
            f"{quoted(url)} was written by somebody else since it was read",
            url=url,
            hint="read it again and decide again",
        )
    if status in _TRANSIENT_STATUS:
        return StoreUnavailableError(
            f"{quoted(url)} is not available at the moment (HTTP {status})",
            url=url,
            transient=True,
            retry_after=error.retry_after,
            hint="try again later",
        )
    if 300 <= status < 400:
        return _malformed(url, f"a redirect to another place (HTTP {status}), which is not followed")
    if 200 <= status < 300:
        return _malformed(url, f"no content (HTTP {status})")
    if status >= 500:
        return StoreUnavailableError(f"{quoted(url)} failed (HTTP {status})", url=url, hint=_OPEN_HINT)
    return StoreError(f"{quoted(url)} refused the request (HTTP {status})", url=url, hint=_OPEN_HINT)


def _from_credentials(error: GoogleAuthError, url: str) -> StoreError:
    if isinstance(error, TransportError) or error.retryable:
        return _unavailable(url, "gave us no access token in time")
    return AccessDeniedError(
        f"{quoted(url)} cannot be asked without working credentials",
        url=url,
        hint="run `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS",
    )


def _from_network(error: Exception, url: str) -> StoreError:
    if isinstance(error, JSONDecodeError):
        return _malformed(url, "something that is not JSON")
    if any(isinstance(each, ssl.SSLCertVerificationError) for each in _nested(error)):
        return StoreUnavailableError(
            f"{quoted(url)} shows a certificate that is not trusted here",
            url=url,
            hint="if a proxy replaces certificates, name its CA in REQUESTS_CA_BUNDLE",
        )
    if isinstance(error, ProxyError):
        return StoreUnavailableError(
            f"{quoted(url)} cannot be reached through the proxy",
            url=url,
            hint="check HTTPS_PROXY, HTTP_PROXY and NO_PROXY",
        )
    if isinstance(error, Timeout | urllib3.exceptions.TimeoutError):
        return _unavailable(url, "did not answer in time")
    if isinstance(error, RequestsConnectionError | ChunkedEncodingError | urllib3.exceptions.HTTPError):
        return _unavailable(url, "cannot be reached, or broke off the connection")
    return StoreUnavailableError(
        f"{quoted(url)} cannot be asked: {type(error).__name__}", url=url, hint=_OPEN_HINT
    )


def _nested(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and those that requests and urllib3 have wrapped in it."""
    pending: list[object] = [error]
    seen: set[int] = set()
    while pending:
        each = pending.pop()
        if isinstance(each, BaseException) and id(each) not in seen:
            seen.add(id(each))
            yield each
            pending += [each.__cause__, each.__context__, getattr(each, "reason", None), *each.args]


def _unavailable(url: str, what: str) -> StoreUnavailableError:
    return StoreUnavailableError(f"{quoted(url)} {what}", url=url, transient=True, hint=_OPEN_HINT)


def _malformed(url: str, what: str) -> MalformedResponseError:
    return MalformedResponseError(
        f"{quoted(url)} answered with {what}",
        url=url,
        hint="check that this is a bucket of Cloud Storage, and that no proxy or portal answers for it",
    )
