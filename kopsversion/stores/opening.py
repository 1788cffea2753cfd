"""Reads a store's URL and opens the store of that kind (DESIGN section 9, ``--store``).

A store's module is imported only when the URL is of its kind. A bucket's urllib3 takes longer to import than a
directory takes to list. google-cloud-storage takes longer than a whole answer, and is loaded only for credentials
and to write (DESIGN section 10). This module must not know what is in a store.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, unquote_to_bytes, urlsplit

from kopsversion.errors import StoreError, UsageError, quoted
from kopsversion.stores.base import AttemptPolicy, check_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kopsversion.stores.base import Credentials, Store
    from kopsversion.stores.bucket import Location
    from kopsversion.stores.deadline import Deadline
    from kopsversion.stores.site import Site

EMULATOR_VARIABLE = "STORAGE_EMULATOR_HOST"

_GCS_HOST = "storage.googleapis.com"
_HTTPS_PORT = 443
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://|(?:gs|file|https?):", re.IGNORECASE)
_BUCKET = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,220}[A-Za-z0-9])?")
_GOOGLES = frozenset(
    {_GCS_HOST, f"{_GCS_HOST}.", "storage.cloud.google.com", "console.cloud.google.com"}
)  # the last two are for people who have logged in
_PASSWORD = re.compile(r"(//[^/:]*:)[^/]*@")
_TOKEN = re.compile(
    r"([?&][^=&#]*(?:signature|credential|token|secret|password|key)[^=&#]*=)[^&#]+", re.IGNORECASE
)
_ORIGIN = re.compile(r"https?://(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")


def open_store(
    url: str,
    *,
    deadline: Deadline,
    attempts: AttemptPolicy | None = None,
    environ: Mapping[str, str],
    credentials: Credentials = "anonymous",
) -> Store:
    """Open the store that `url` names. Nothing is asked of it yet.

    Parameters:
        url: ``gs://bucket/prefix/``, ``https://storage.googleapis.com/bucket/prefix/``, the URL of a place on
            any other web server, ``file:///dir`` or a path. The trailing slash may be missing; in URLs ``%2B``
            means ``+``.
        deadline: nothing that the store does waits longer.
        attempts: how often a bucket is asked again; ``None`` for the defaults.
        environ: the environment; of it ``STORAGE_EMULATOR_HOST`` and the proxy and CA variables are read.
        credentials: how to ask a bucket; an emulator is always asked anonymously.

    Raises:
        UsageError: `url` or ``STORAGE_EMULATOR_HOST`` is not valid.
        AccessDeniedError: there are no Application Default Credentials.
    """
    place = _read_url(url)
    if isinstance(place, Path):
        from kopsversion.stores.local import DirectoryStore

        return DirectoryStore(place, deadline=deadline)
    if not isinstance(place, tuple):
        from kopsversion.stores.route import route_to
        from kopsversion.stores.web import WebStore

        route = route_to(place.endpoint, environ)
        return WebStore(place, route=route, policy=attempts or AttemptPolicy(), deadline=deadline)
    bucket, prefix = place
    from kopsversion.stores.bucket import Location

    found = Location(bucket, prefix=f"{prefix}/" if prefix else "", emulator=_emulator(environ))
    return _open_bucket(
        found, deadline=deadline, policy=attempts or AttemptPolicy(), environ=environ, credentials=credentials
    )


def _open_bucket(
    place: Location,
    *,
    deadline: Deadline,
    policy: AttemptPolicy,
    environ: Mapping[str, str],
    credentials: Credentials,
) -> Store:
    """Open the store that fits the credentials; an emulator never gets any."""
    from kopsversion.stores.route import route_to

    route = route_to(place.endpoint, environ)

    def with_client(credentials: Credentials) -> Store:
        try:
            from kopsversion.stores.cloud import open_cloud_store
        except ModuleNotFoundError as error:
            raise UsageError(
                f"{quoted(place.url)} cannot be asked with credentials: google-cloud-storage is not installed",
                hint="kopsversion.pyz does not hold it; install the wheel with uv or pip, which brings it",
            ) from error
        return open_cloud_store(place, route=route, credentials=credentials, policy=policy, deadline=deadline)

    if credentials == "default" and place.emulator is None:
        return with_client("default")
    from kopsversion.stores.gcs import GcsStore

    return GcsStore(
        place, route=route, policy=policy, deadline=deadline, writer=partial(with_client, "anonymous")
    )


def check_store_url(url: str) -> None:
    """Refuse the URLs that `open_store` refuses, and load nothing: a store may be named and never be needed.

    Raises:
        UsageError: `url` is not valid.
    """
    _read_url(url)


def _read_url(url: str) -> Path | tuple[str, str] | Site:
    """Read where a store is: a directory, a bucket and a prefix without slashes at its ends, or a web server."""
    scheme = _SCHEME.match(url)
    if not url or "\0" in url:
        raise _not_a_store(url)
    if scheme is None:
        return _absolute(url)
    rest = url[scheme.end() :]
    match scheme[0].lower():
        case "file://":
            return _file_url_path(url)
        case "gs://":
            bucket, _, prefix = rest.partition("/")
        case "https://" if (path := _gcs_path(url)) is not None:
            bucket, _, prefix = path.partition("/")
        case "https://" | "http://":
            return _web_place(url)
        case _:
            raise _not_a_store(url)
    prefix = "/".join(segment for segment in prefix.split("/") if segment)
    _check_place(url, bucket=bucket, prefix=prefix)
    return bucket, prefix


def _absolute(path: str) -> Path:
    try:
        return Path(path).absolute()
    except FileNotFoundError as error:  # from the current directory, which has been deleted
        raise UsageError(
            f"{quoted(path)} names a directory below the current one, which no longer exists",
            hint="change to a directory that exists, or give the store's whole path",
        ) from error


def _not_a_store(url: str) -> UsageError:
    return UsageError(
        f"{quoted(_without_secrets(url))} does not name a store",
        hint=f"a store is gs://bucket/prefix/, https://{_GCS_HOST}/bucket/prefix/, https://host/place/ without a "
        "user or a query, file:///dir or a path",
    )


def _without_secrets(url: str) -> str:
    """Leave passwords and signatures out of a URL, since a message may end in logs."""
    return _TOKEN.sub(r"\1...", _PASSWORD.sub(r"\1...@", url))


def _web_place(url: str) -> Site:
    """Read a place on a web server; a URL of Google's that gets here is no valid one of a bucket."""
    from kopsversion.stores.site import read_site

    site = read_site(url)
    if site is None or urlsplit(site.endpoint).hostname in _GOOGLES:
        raise _not_a_store(url)
    return site


def _file_url_path(url: str) -> Path:
    """Read ``file:///dir``, percent-encoded or not."""
    host, slash, path = url[len("file://") :].partition("/")
    raw = unquote_to_bytes(f"/{path}")
    if host.lower() not in {"", "localhost"} or not slash or b"\0" in raw:
        raise _not_a_store(url)
    return Path(raw.decode(errors="surrogateescape"))


def _gcs_path(url: str) -> str | None:
    """Return what follows the host of ``https://storage.googleapis.com/…``; ``None`` for another host."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.hostname != _GCS_HOST or port not in {None, _HTTPS_PORT} or "@" in parts.netloc:
        return None
    if parts.query or parts.fragment:
        return None
    return unquote(parts.path.removeprefix("/"))


def _check_place(url: str, *, bucket: str, prefix: str) -> None:
    if not _BUCKET.fullmatch(bucket):
        raise _not_a_store(url)
    if prefix:
        try:
            check_name(prefix, url=url)
        except StoreError as error:
            raise _not_a_store(url) from error


def _emulator(environ: Mapping[str, str]) -> str | None:
    """Return where the GCS emulator is, with its scheme and without a slash; ``None`` without one."""
    value = environ.get(EMULATOR_VARIABLE, "").strip().rstrip("/")
    if not value:
        return None
    origin = value if "://" in value else f"http://{value}"
    if not _ORIGIN.fullmatch(origin):
        raise UsageError(
            f"{EMULATOR_VARIABLE} is {quoted(value)}, which is not the origin of a server",
            hint="it looks like http://127.0.0.1:4443",
        )
    return origin
