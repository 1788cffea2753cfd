"""A bucket as a store, through google-cloud-storage: read with credentials, and written (DESIGN section 11).

The client is used through its public interface, with two exceptions that are explained below. What it does not
guarantee is added around it, by the same rules as for anonymous reads. Each request is counted and bounded, only our
own retry is used, a listing is whole, and a body is no larger than allowed. Redirects are not followed, and `Route`
alone says how the server is reached.

This is the only module with google-cloud-storage, google.auth and requests. It knows nothing of versions,
markers or channels.
"""

from __future__ import annotations

import io
import logging
import threading
from contextlib import contextmanager
from datetime import UTC
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import google.auth
import requests.exceptions
from google.api_core.exceptions import GoogleAPICallError
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import GoogleAuthError, TransportError
from google.auth.transport.requests import AuthorizedSession
from google.cloud import storage
from google.cloud.storage.exceptions import DataCorruption, InvalidResponse
from requests.adapters import HTTPAdapter

from kopsversion.errors import (
    MalformedResponseError,
    ObjectNotFoundError,
    PreconditionFailedError,
    StoreError,
    StoreUnavailableError,
    quoted,
)
from kopsversion.stores.base import PIECE, Content, Listing, StoredObject, check_name
from kopsversion.stores.bucket import (
    LISTED_FIELDS,
    Gathering,
    decimal,
    etag_or_none,
    is_whole_json,
    listing_in,
    overwritten,
)
from kopsversion.stores.failures import (
    TRANSIENT_STATUS,
    AnswerError,
    CredentialsError,
    CutShortError,
    NetworkError,
    ProxyFaultError,
    StatusError,
    TrustError,
    never_arrived,
    reason_in,
    translating,
)
from kopsversion.stores.globs import glob_matcher, is_literal
from kopsversion.stores.remote import RemoteStore
from kopsversion.stores.retrying import Retrying
from kopsversion.stores.transport import (
    CONNECTIONS,
    PAGE_LIMIT,
    Answer,
    UrllibError,
    close_pools,
    expect_whole_heads,
    retry_after,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from requests import PreparedRequest, Response

    from kopsversion.stores.base import AttemptPolicy, Credentials
    from kopsversion.stores.bucket import Location
    from kopsversion.stores.deadline import Deadline
    from kopsversion.stores.route import Route

T = TypeVar("T")

_SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"
_RANGE = 8 << 20  # bytes that one request of a download asks for
_WRITING = 0.8  # of the time that is left: the rest is for finding out whether a lost answer meant success

_log = logging.getLogger("kopsversion.stores")


def open_cloud_store(
    place: Location, *, route: Route, credentials: Credentials, policy: AttemptPolicy, deadline: Deadline
) -> CloudStore:
    """Open a bucket. Nothing is asked of it yet.

    Parameters:
        place: where it is.
        route: how its server is reached.
        credentials: how to ask.
        policy: how often and how long a request is tried.
        deadline: nothing waits longer.

    Raises:
        AccessDeniedError: there are no Application Default Credentials.
        StoreUnavailableError: they could not be got in time, or the trusted certificates cannot be read.
    """
    with translating(place.url, route), _google_errors():
        if credentials == "default":
            # It may ask the metadata server, so it can hang.
            identity, _ = deadline.run(partial(google.auth.default, scopes=[_SCOPE]), url=place.url)
        else:
            identity = AnonymousCredentials()  # type: ignore[no-untyped-call]  # google-auth is not annotated
        session = _session(identity, route)
    return CloudStore(place, route=route, session=session, policy=policy, deadline=deadline)


class CloudStore(RemoteStore):
    """A store in a bucket, asked through Google's client; made by `open_cloud_store`.

    Parameters:
        place: where it is.
        route: how its server is reached.
        session: sends the requests, with credentials.
        policy: how often and how long a request is tried.
        deadline: nothing waits longer.
    """

    _place: Location

    def __init__(
        self,
        place: Location,
        *,
        route: Route,
        session: Session,
        policy: AttemptPolicy,
        deadline: Deadline,
    ) -> None:
        self._place = place
        self._route = route
        self._session = session
        self._policy = policy
        self._deadline = deadline
        self._attempts = Retrying(policy, deadline=deadline)
        client: Any = storage.Client(  # type: ignore[no-untyped-call]  # google-cloud-storage is not annotated
            project=None,  # without it the client asks the metadata server for one
            credentials=session.credentials,
            _http=session,
            client_options={"api_endpoint": place.endpoint},
        )
        # Two things that the client does by the environment alone, and that have no other switch: a request
        # for the bucket's metadata in the background, and, under GOOGLE_API_USE_MTLS_ENDPOINT, listing at
        # another host than it downloads from.
        client._bucket_metadata_cache = None  # noqa: SLF001 # see above
        client._connection.API_BASE_MTLS_URL = place.endpoint  # noqa: SLF001 # see above
        self._bucket = client.bucket(place.bucket)

    @property
    def requests(self) -> int:
        """How many requests have been sent, repeated ones included."""
        return self._session.count

    def list(
        self, prefix: str = "", *, delimiter: str = "", match_glob: str = "", start: str = "", end: str = ""
    ) -> Listing:
        """List objects; see `Store.list`. Each page is retried by itself."""
        root, url = self._place.prefix, self.url + prefix
        gathered = Gathering(root, prefix=prefix, delimiter=delimiter, start=start, end=end)
        with listing_in(self._place, url), translating(url, self._route):
            pages = self._bucket.client.list_blobs(
                self._bucket,
                prefix=(root + prefix) or None,
                delimiter=delimiter or None,
                match_glob=root + match_glob if match_glob and is_literal(root) else None,
                start_offset=root + start if start else None,
                fields=LISTED_FIELDS,
                timeout=self._timeout(),
                retry=partial(self._page_attempts, url),
            ).pages
            while gathered.add(next(pages).raw_page):
                pass
        return gathered.listing(glob_matcher(match_glob))

    def _page_attempts(self, url: str, fetch: Callable[[], object]) -> Callable[[], object]:
        """Wrap the fetch of one page, as google-cloud-storage expects of its `retry`."""

        def attempt() -> object:
            page = self._ask(fetch, url=url)
            if not isinstance(page, dict):
                with translating(url, self._route):
                    raise AnswerError("something that is not a page of a listing")
            return page

        return partial(self._attempts, attempt)

    def read(self, name: str, *, limit: int) -> Content:
        """Read an object; see `Store.read`. Its metadata first, so that all of it is of one generation."""
        check_name(name, url=self.url)
        return self._attempts(partial(self._read_once, name, limit=limit))

    def _read_once(self, name: str, *, limit: int) -> Content:
        url = self.url + name
        blob, found = self._reloaded(name)
        is_plain = blob.content_encoding in {None, "", "identity"}
        updated, etag = blob.updated, blob.etag or ""
        data = b""
        if found.size:
            sink = _Sink(limit + 1)
            try:
                self._ask(partial(self._fetch, blob, sink, if_generation_match=blob.generation), url=url)
            except _EnoughError:
                pass
            except PreconditionFailedError as error:
                raise StoreUnavailableError(str(overwritten(url)), url=url, transient=True) from error
            data = bytes(sink.data)
        if is_plain and len(data) < min(found.size, limit + 1):
            with translating(url, self._route):
                raise CutShortError
        return Content(
            data, found.generation, (updated or found.uploaded).replace(microsecond=0), etag_or_none(etag)
        )

    def _fetch(self, blob: Any, sink: _Sink, **options: Any) -> None:
        blob.download_to_file(sink, timeout=self._timeout(), retry=None, **options)

    def stat(self, name: str) -> StoredObject:
        """Return an object's metadata; see `Store.stat`."""
        check_name(name, url=self.url)
        return self._attempts(lambda: self._reloaded(name)[1])

    def _reloaded(self, name: str) -> tuple[Any, StoredObject]:
        blob = self._bucket.blob(self._place.prefix + name)
        self._ask(lambda: blob.reload(timeout=self._timeout(), retry=None), url=self.url + name)
        with translating(self.url + name, self._route):
            size, uploaded, generation = blob.size, blob.time_created, blob.generation
            if size is None or size < 0 or uploaded is None:
                raise AnswerError("something that is not this object's metadata")
        known = None if generation is None else str(generation)
        return blob, StoredObject(name, size, uploaded.astimezone(UTC), known)

    def download(self, name: str, *, offset: int = 0) -> Iterator[bytes]:
        """Stream an object; see `Store.download`. After a broken connection it goes on where it was."""
        check_name(name, url=self.url)
        blob, found = self._attempts(partial(self._reloaded, name))
        generation = blob.generation
        while offset < found.size:
            arrived = self._attempts(
                partial(self._range, blob, offset=offset, size=found.size, generation=generation)
            )
            offset += len(arrived)
            for start in range(0, len(arrived), PIECE):
                yield arrived[start : start + PIECE]

    def _range(self, blob: Any, *, offset: int, size: int, generation: int | None) -> bytes:
        """Return the next bytes, or those of them that arrived before the connection broke."""
        url = self._place.url + blob.name.removeprefix(self._place.prefix)
        wanted = min(_RANGE, size - offset)
        sink = _Sink(wanted)
        fetch = partial(
            self._fetch,
            blob,
            sink,
            start=offset,
            end=offset + wanted - 1,
            raw_download=True,
            checksum=None,
            if_generation_match=generation,
        )
        try:
            self._ask(fetch, url=url, progress=lambda: len(sink.data))
        except _EnoughError:
            pass
        except PreconditionFailedError as error:
            raise overwritten(url) from error
        except StoreError:
            if not sink.data:
                raise
        if not sink.data:
            with translating(url, self._route):
                raise CutShortError
        return bytes(sink.data)

    def write(
        self,
        name: str,
        data: bytes,
        *,
        if_generation: str | None,
        cache_control: str,
        metadata: Mapping[str, str],
    ) -> str:
        """Write an object; see `Store.write`. Where its outcome is unknown, one look at the object settles it."""
        check_name(name, url=self.url)
        url = self.url + name
        expected = "0" if if_generation is None else if_generation  # 0 is that of an object that is not there
        if not expected.isascii() or not expected.isdigit():
            raise PreconditionFailedError(
                f"{quoted(expected)} cannot be the generation of {quoted(url)}",
                url=url,
                hint="read the object again, from this store",
            )
        is_uncertain = False

        def attempt() -> str:
            nonlocal is_uncertain
            try:
                return self._write_once(
                    name, data, expected=int(expected), cache_control=cache_control, metadata=metadata
                )
            except StoreError as error:
                is_uncertain = is_uncertain or _may_have_written(error)
                raise

        try:
            with self._deadline.stage(_WRITING):
                return self._attempts(attempt)
        except StoreError as error:
            if not is_uncertain:
                raise
            return self._settled(name, data, expected=expected, failure=error)

    def _write_once(
        self, name: str, data: bytes, *, expected: int, cache_control: str, metadata: Mapping[str, str]
    ) -> str:
        blob = self._bucket.blob(self._place.prefix + name)
        if cache_control:
            blob.cache_control = cache_control
        if metadata:  # Google's storage-testbench fails at a null
            blob.metadata = dict(metadata)
        send = partial(
            blob.upload_from_string,
            data,
            content_type="text/plain",
            if_generation_match=expected,
            timeout=self._timeout(),
            retry=None,
        )
        self._ask(send, url=self.url + name)
        with translating(self.url + name, self._route):
            return decimal(blob.generation)

    def _settled(self, name: str, data: bytes, *, expected: str, failure: StoreError) -> str:
        """Find out whether a write has happened whose answer was lost or not understood."""
        url = self.url + name
        try:
            found = self.read(name, limit=len(data))
        except ObjectNotFoundError:
            raise failure from None
        except StoreError as error:
            raise StoreUnavailableError(
                f"{quoted(url)} may have been written, or not: {failure}",
                url=url,
                reasons=(str(error),),
                hint="look at what it holds before writing it again",
            ) from failure
        if found.generation in {None, expected}:
            raise failure
        if found.data != data:
            raise PreconditionFailedError(
                f"{quoted(url)} was written by somebody else since it was read",
                url=url,
                hint="read it again and decide again",
            ) from failure
        return str(found.generation)

    def close(self) -> None:
        """Close the connections; see `Store.close`."""
        self._session.close()  # type: ignore[no-untyped-call]  # nor is google-auth

    # ----------------------------------------------------------------------------------------------

    def _timeout(self) -> tuple[float, float]:
        return self._policy.socket_seconds(self._deadline.remaining())

    def _ask(self, call: Callable[[], T], *, url: str, progress: Callable[[], int] | None = None) -> T:
        """Return what the client returns, no later than an attempt may take."""

        def translated() -> T:
            with _google_errors():
                return call()

        limit = self._policy.attempt_seconds(self._deadline.remaining())
        with translating(url, self._route):
            return self._deadline.run(translated, url=url, limit=limit, progress=progress)


def _may_have_written(error: StoreError) -> bool:
    """Tell whether a write with this error may have happened: its answer was lost, or was malformed."""
    if isinstance(error.__cause__, StatusError):
        status = error.__cause__.status
        return 200 <= status < 300 or (status in TRANSIENT_STATUS and status != 429)
    lost = error.transient or isinstance(error, MalformedResponseError)
    return lost and not never_arrived(error)


class _EnoughError(Exception):
    """More of a body is not wanted."""


class _Sink:
    """A file that takes no more than `most` bytes, and keeps what has arrived when its writer fails."""

    def __init__(self, most: int) -> None:
        self.data = bytearray()
        self._most = most

    def write(self, piece: Any) -> int:
        room = self._most - len(self.data)
        self.data += piece[:room]
        if len(piece) > room:
            raise _EnoughError
        return len(piece)


# --------------------------------------------------------------------------------------------------
# Google's session and errors, adapted


class Session(AuthorizedSession):
    """Sends what the client wants sent, and counts it.

    Parameters:
        credentials: of google-auth.
        route: how the server is reached; the rest of the environment and ``~/.netrc`` are ignored.
    """

    def __init__(self, credentials: Any, *, route: Route) -> None:
        # Without credentials there is nothing to refresh: a 401 is then an answer like any other.
        refreshing = {"refresh_status_codes": ()} if isinstance(credentials, AnonymousCredentials) else {}
        super().__init__(credentials, **refreshing)  # type: ignore[no-untyped-call]  # google-auth is not annotated
        self.count = 0
        self._counting = threading.Lock()
        self._refreshing = threading.Lock()
        self.trust_env = False
        self.max_redirects = 0
        self.proxies = {route.endpoint.partition(":")[0]: route.proxy.value} if route.proxy else {}
        self.verify = route.trusted.value if route.trusted else True
        adapter = _Adapter(self)
        self.mount("http://", adapter)
        self.mount("https://", adapter)

    def request(self, *args: Any, **kwargs: Any) -> Any:
        """Send a request; of several at once, the first gets the token that all of them need."""
        with self._refreshing:
            if not self.credentials.valid:
                self.credentials.refresh(partial(self._auth_request, timeout=kwargs.get("timeout")))
        return super().request(*args, **kwargs)  # type: ignore[no-untyped-call]  # as above

    def counted(self) -> None:
        """Count a request."""
        with self._counting:
            self.count += 1


class _Adapter(HTTPAdapter):
    """Counts requests, and checks that each answer is whole."""

    def __init__(self, session: Session) -> None:
        super().__init__(pool_maxsize=CONNECTIONS)
        self._session = session

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        expect_whole_heads(self.poolmanager)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        expect_whole_heads(manager)
        return manager

    def close(self) -> None:
        for manager in (self.poolmanager, *self.proxy_manager.values()):
            close_pools(manager)

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        self._session.counted()
        is_buffered = not kwargs.get("stream")
        response = super().send(request, *args, **{**kwargs, "stream": True})
        address = (request.url or "").partition("?")[0]
        _log.debug(
            "%s %s: HTTP %d after %.0f ms",
            request.method,
            address,
            response.status_code,
            response.elapsed.total_seconds() * 1000,
        )
        try:
            _check(request, response)
            if is_buffered:
                _buffer(response)
        except BaseException:
            response.close()
            raise
        return response


def _check(request: PreparedRequest, response: Response) -> None:
    wanted = request.headers.get("Range", "bytes=0-")
    if response.status_code == 200 and not wanted.startswith("bytes=0-"):
        raise AnswerError("all of an object in place of a part of it")


def _buffer(response: Response) -> None:
    """Read the body with a limit, before requests reads it without one."""
    answer = Answer(response.raw)
    body = answer.body(limit=PAGE_LIMIT)
    if response.status_code == 200 and not answer.is_delimited and not is_whole_json(body):
        raise CutShortError
    if len(body) > PAGE_LIMIT:
        raise AnswerError(f"more than {PAGE_LIMIT} bytes")
    response.raw = io.BytesIO(body)


def _session(identity: Any, route: Route) -> Session:
    if route.trusted is not None and not Path(route.trusted.value).exists():
        raise TrustError
    return Session(identity, route=route)


@contextmanager
def _google_errors() -> Iterator[None]:
    """Raise what the client and its libraries raise as one of `failures`."""
    try:
        yield
    except GoogleAPICallError as error:
        raise _status_error(error.response, error.code or error.response.status_code) from error
    except InvalidResponse as error:
        raise _status_error(error.response, error.response.status_code) from error
    except DataCorruption as error:
        raise CutShortError from error
    except GoogleAuthError as error:
        raise CredentialsError(
            retryable=isinstance(error, TransportError) or bool(getattr(error, "retryable", False))
        ) from error
    except requests.exceptions.ProxyError as error:
        raise ProxyFaultError from error
    except requests.exceptions.TooManyRedirects as error:
        raise StatusError(error.response.status_code if error.response is not None else 302) from error
    except requests.exceptions.ContentDecodingError as error:
        raise AnswerError("a body in an encoding that was not asked for") from error
    except requests.exceptions.JSONDecodeError as error:
        raise AnswerError("something that is not JSON") from error
    except UrllibError as error:  # requests lets them pass where a body is read as it comes
        raise NetworkError from error


def _status_error(response: Any, status: Any) -> StatusError:
    """Make the error of a status; `response` may be missing, or its body may have been given up."""
    headers = getattr(response, "headers", {})
    try:
        body = bytes(getattr(response, "content", b"") or b"")
    except (requests.exceptions.RequestException, RuntimeError):
        body = b""
    return StatusError(int(status or 0), retry_after=retry_after(headers), reason=reason_in(body))
