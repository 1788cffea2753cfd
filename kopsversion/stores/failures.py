"""What can go wrong while a server is asked, and the one place that makes a `StoreError` of it.

The stores that ask a server raise the exceptions below, or let those of the operating system and of their libraries
pass. `translating` looks at the exceptions that these wrap, so it imports no library. This module must not know which
requests a store makes.
"""

from __future__ import annotations

import errno
import json
import re
import socket
import ssl
import zlib
from contextlib import contextmanager
from http.client import HTTPException
from typing import TYPE_CHECKING

from kopsversion.errors import (
    AccessDeniedError,
    MalformedResponseError,
    ObjectNotFoundError,
    PreconditionFailedError,
    StoreError,
    StoreUnavailableError,
    quoted,
)
from kopsversion.stores.route import CA_VARIABLES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kopsversion.stores.route import Route

REASON_LIMIT = 1 << 14
"""Bytes of an error's body that are read for its reason."""

TRANSIENT_STATUS = frozenset({408, 429, 500, 502, 503, 504})
"""The statuses after which asking again may help. 501 and 507 mean what they say."""

_OPEN_HINT = "look at the network, the proxy and the status of the store"
_NOT_TLS = {"HTTP_REQUEST", "RECORD_LAYER_FAILURE", "UNKNOWN_PROTOCOL", "WRONG_VERSION_NUMBER"}
_TUNNEL = re.compile(r"Tunnel connection failed: ([0-9]{3})")
_XML_REASON = re.compile(r"<(?:Message|Details)>([^<]{1,1000})</")
_MALFORMED = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What the parsers of JSON and of the libraries raise when a body has not the expected form."""
_OUT_OF_FILES = {errno.EMFILE, errno.ENFILE}
_FAR = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL}


class StatusError(Exception):
    """An HTTP status that means failure.

    Parameters:
        status: the status.
        retry_after: seconds that the server asks to wait before the next try, where it said so.
        reason: what the server says in the body; untrusted, may be empty.
    """

    def __init__(self, status: int, *, retry_after: float | None = None, reason: str = "") -> None:
        super().__init__(status)
        self.status = status
        self.retry_after = retry_after
        self.reason = reason


class AnswerError(Exception):
    """An answer that the protocol does not allow. `reason` completes "answered with …"."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class CutShortError(Exception):
    """A body that ended too early, as a broken connection leaves it."""


class NetworkError(Exception):
    """An exchange that failed in the network; its cause says how."""


class ProxyFaultError(NetworkError):
    """An exchange that failed between here and the proxy."""


class SocksError(Exception):
    """The proxy speaks SOCKS, and what is needed for that is not installed."""


class TrustError(Exception):
    """The trusted certificates cannot be read; its cause says why."""


class CredentialsError(Exception):
    """Credentials that are missing or refused.

    Parameters:
        retryable: another attempt may get them.
    """

    def __init__(self, *, retryable: bool) -> None:
        super().__init__(retryable)
        self.retryable = retryable


def reason_in(body: bytes) -> str:
    """Return what the body of an error says: the message of Google's JSON or XML; empty where there is none.

    Parameters:
        body: untrusted bytes, at most `REASON_LIMIT` of them.
    """
    text = body[:REASON_LIMIT].decode(errors="replace")
    try:
        message = json.loads(text)["error"]["message"]
    except _MALFORMED:
        found = _XML_REASON.search(text)
        message = found[1] if found else ""
    return message if isinstance(message, str) else ""


def never_arrived(error: BaseException) -> bool:
    """Tell whether a request certainly did not reach the server: there was no connection to send it over."""
    causes = list(nested(error))
    unreachable = any(isinstance(each, OSError) and each.errno in _FAR | _OUT_OF_FILES for each in causes)
    return unreachable or any(
        isinstance(each, socket.gaierror | ConnectionRefusedError | ssl.SSLCertVerificationError)
        for each in causes
    )


@contextmanager
def translating(url: str, route: Route) -> Iterator[None]:
    """Raise whatever goes wrong while `url` is asked for as a `StoreError`.

    Parameters:
        url: as a person would write it; it is all of the request that a message repeats.
        route: how the server is reached.
    """
    try:
        yield
    except StoreError:
        raise
    except StatusError as error:
        raise _from_status(error, url, route) from error
    except AnswerError as error:
        raise _malformed(url, error.reason) from error
    except CutShortError as error:
        raise _unavailable(url, "broke off in the middle of its answer") from error
    except CredentialsError as error:
        raise _from_credentials(error, url) from error
    except TrustError as error:
        raise _unreadable_trust(url, route) from error
    except SocksError as error:
        raise _no_socks(url, route) from error
    except json.JSONDecodeError as error:
        raise _malformed(url, "something that is not JSON") from error
    except (NetworkError, HTTPException, OSError) as error:
        raise _from_network(error, url, route) from error
    except (*_MALFORMED, zlib.error) as error:
        raise _malformed(url, "a body that is not what its protocol promises") from error


# --------------------------------------------------------------------------------------------------
# A status


def _from_status(error: StatusError, url: str, route: Route) -> StoreError:
    status = error.status
    said = f": {quoted(error.reason)}" if error.reason else ""
    if status in {401, 403}:
        return AccessDeniedError(
            f"{quoted(url)} may not be read or written by us (HTTP {status}){said}",
            url=url,
            hint="check that the bucket is public; one that is not is read as gs://… with --credentials default, "
            "and the credentials need a role for it"
            if _is_bucket(url)
            else "a web server is read anonymously; check that this place is public",
        )
    if status == 404:
        return ObjectNotFoundError(
            f"{quoted(url)} does not exist",
            url=url,
            hint=f"check the names of the {'bucket' if _is_bucket(url) else 'server, of the place there'} "
            "and of the object",
        )
    if status == 407:
        return _from_proxy(status, url, route)
    if status == 412:
        return PreconditionFailedError(
            f"{quoted(url)} was written by somebody else since it was read",
            url=url,
            hint="read it again and decide again",
        )
    if status in TRANSIENT_STATUS:
        return StoreUnavailableError(
            f"{quoted(url)} is not available at the moment (HTTP {status}){said}",
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
        return StoreUnavailableError(f"{quoted(url)} failed (HTTP {status}){said}", url=url, hint=_OPEN_HINT)
    return StoreError(f"{quoted(url)} refused the request (HTTP {status}){said}", url=url, hint=_OPEN_HINT)


def _from_proxy(status: int, url: str, route: Route) -> StoreUnavailableError:
    """Make the error for a proxy that answered for itself."""
    variable = route.proxy.variable if route.proxy else "the proxy"
    if status == 407:
        return StoreUnavailableError(
            f"{quoted(url)} cannot be reached through the proxy, which wants credentials (HTTP 407)",
            url=url,
            hint=f"write them into {variable}, as in http://user:password@proxy:3128",
        )
    return StoreUnavailableError(
        f"{quoted(url)} cannot be reached through the proxy, which answered with HTTP {status}",
        url=url,
        transient=status in TRANSIENT_STATUS,
        hint=f"check {variable} and NO_PROXY",
    )


def _from_credentials(error: CredentialsError, url: str) -> StoreError:
    if error.retryable:
        return _unavailable(url, "gave us no access token in time")
    return AccessDeniedError(
        f"{quoted(url)} cannot be asked without working credentials",
        url=url,
        hint="run `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS",
    )


# --------------------------------------------------------------------------------------------------
# The network


def _from_network(error: Exception, url: str, route: Route) -> StoreError:
    causes = list(nested(error))
    if any(isinstance(each, OSError) and each.errno in _OUT_OF_FILES for each in causes):
        return StoreUnavailableError(
            f"{quoted(url)} cannot be asked: too many open files",
            url=url,
            transient=True,
            hint="close some, or raise the limit (ulimit -n)",
        )
    if any(isinstance(each, ssl.SSLCertVerificationError) for each in causes):
        return _untrusted(url, route)
    if tunnel := next((found for each in causes if (found := _TUNNEL.match(str(each)))), None):
        return _from_proxy(int(tunnel[1]), url, route)
    if any(isinstance(each, ProxyFaultError) for each in causes):
        variable = route.proxy.variable if route.proxy else "the proxy"
        return StoreUnavailableError(
            f"{quoted(url)} cannot be reached through the proxy: {_what_failed(causes, 'it')}",
            url=url,
            transient=not never_arrived(error),
            hint=f"check {variable} and NO_PROXY",
        )
    if any(isinstance(each, ValueError) for each in causes):
        return StoreUnavailableError(
            f"{quoted(url)} cannot be asked: the address of {route.server}, or of the proxy, is none",
            url=url,
            hint=f"check {route.proxy.variable}" if route.proxy else _OPEN_HINT,
        )
    if any(isinstance(each, TimeoutError) for each in causes):
        return _unavailable(url, f"did not answer in time: {_what_failed(causes, route.server)}")
    if any(isinstance(each, ssl.SSLError) and getattr(each, "reason", None) in _NOT_TLS for each in causes):
        return _unavailable(
            url,
            f"cannot be reached: {route.server} does not speak TLS",
            hint="see whether the URL should begin with http://, or name another port",
        )
    return _unavailable(url, f"cannot be reached: {_what_failed(causes, route.server)}")


def _what_failed(causes: list[BaseException], server: str) -> str:
    """Say in a clause which step failed, with what."""
    for each in causes:
        if isinstance(each, socket.gaierror):
            return f"the name of {server} cannot be looked up (DNS)"
        if isinstance(each, ConnectionRefusedError):
            return f"{server} refuses the connection"
        if isinstance(each, ssl.SSLError):
            return f"the TLS handshake or record of {server} is broken"
        if isinstance(each, OSError) and each.errno in _FAR:
            return f"there is no way to {server} in the network"
        if isinstance(each, TimeoutError):
            return f"{server} was silent"
    return f"{server} broke off the connection"


def _untrusted(url: str, route: Route) -> StoreUnavailableError:
    named = f"{route.trusted.variable} names {quoted(route.trusted.value)}; " if route.trusted else ""
    return StoreUnavailableError(
        f"{quoted(url)} shows a certificate that is not trusted here",
        url=url,
        hint=f"{named}if a proxy replaces certificates, name its CA in {' or '.join(CA_VARIABLES)}",
    )


def _no_socks(url: str, route: Route) -> StoreUnavailableError:
    variable = route.proxy.variable if route.proxy else "the proxy"
    return StoreUnavailableError(
        f"{quoted(url)} cannot be asked: {variable} names a SOCKS proxy, and PySocks is not installed",
        url=url,
        hint="pip install PySocks, or name an HTTP proxy, or except the server with NO_PROXY",
    )


def _unreadable_trust(url: str, route: Route) -> StoreUnavailableError:
    named = route.trusted
    what = f"{named.variable} names {quoted(named.value)}" if named else "certifi has none"
    return StoreUnavailableError(
        f"{quoted(url)} cannot be asked: the trusted certificates cannot be read",
        url=url,
        hint=f"{what}; name a file of certificates in PEM form",
    )


def nested(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and those that libraries have wrapped in it."""
    pending: list[object] = [error]
    seen: set[int] = set()
    while pending:
        each = pending.pop(0)
        if isinstance(each, BaseException) and id(each) not in seen:
            seen.add(id(each))
            yield each
            # Not __context__: that may be the attempt before, which failed for another reason.
            pending += [each.__cause__, getattr(each, "reason", None), *each.args]


def _unavailable(url: str, what: str, *, hint: str = _OPEN_HINT) -> StoreUnavailableError:
    return StoreUnavailableError(f"{quoted(url)} {what}", url=url, transient=True, hint=hint)


def _malformed(url: str, what: str) -> MalformedResponseError:
    return MalformedResponseError(
        f"{quoted(url)} answered with {what}",
        url=url,
        hint=f"check that this is {'a bucket of Cloud Storage' if _is_bucket(url) else 'where builds are kept'}, "
        "and that no proxy or portal answers for it",
    )


def _is_bucket(url: str) -> bool:
    return not url.startswith(("http://", "https://"))
