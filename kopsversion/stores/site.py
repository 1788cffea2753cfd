"""The URL of a plain web server below which builds lie: read, checked, and joined with names (pure).

Such a URL may have no user, password, query or fragment. A secret in a URL would end in logs, and an object's name
cannot be appended to a query. This module knows nothing of requests.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

from kopsversion.errors import StoreError
from kopsversion.model.values import frozen
from kopsversion.stores.base import check_name

if TYPE_CHECKING:
    from urllib.parse import SplitResult

_HOST = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,251}[a-z0-9])?\.?")
_OWN_PORT = {"http": 80, "https": 443}


@frozen
class Site:
    """A place on a web server.

    Attributes:
        endpoint: scheme, host and port, without a trailing slash.
        prefix: what names begin with there, not escaped; empty, or with a trailing slash.
    """

    endpoint: str
    prefix: str = ""

    @property
    def url(self) -> str:
        """The place's own URL, with a trailing slash."""
        return self.public_url("")

    def public_url(self, name: str) -> str:
        """Return the URL to print, with a literal ``+``."""
        return f"{self.endpoint}/{quote(self.prefix + name, safe='/+~')}"

    def object_url(self, name: str) -> str:
        """Return the URL to request, with an escaped ``+``, since some servers read a literal one as a space."""
        return f"{self.endpoint}/{quote(self.prefix + name, safe='/~')}"


def read_site(url: str) -> Site | None:
    """Read the URL of a place on a web server.

    Parameters:
        url: ``http://…`` or ``https://…``; in its path ``%2B`` means ``+``, and doubled slashes are one.

    Returns:
        The place, or ``None`` where the URL is not valid, or has a user, a password, a query or a fragment.
    """
    if not url.isprintable() or any(mark in url for mark in "?#\\"):
        return None
    try:
        parts = urlsplit(url)
        port = parts.port
        segments = [unquote(segment, errors="strict") for segment in parts.path.split("/") if segment]
    except ValueError:
        return None
    host = _host(parts)
    if host is None or port == 0 or any("/" in segment for segment in segments):
        return None
    prefix = "/".join(segments)
    if prefix:
        try:
            check_name(prefix, url=url)
        except StoreError:
            return None
    where = f"{parts.scheme}://{host}" + ("" if port in {None, _OWN_PORT[parts.scheme]} else f":{port}")
    return Site(where, f"{prefix}/" if prefix else "")


def _host(parts: SplitResult) -> str | None:
    """Return the host as a URL has it; ``None`` where it is not valid, or the URL has a user."""
    name = parts.hostname or ""
    if "@" in parts.netloc:
        return None
    if "[" in parts.netloc:
        try:
            return f"[{ipaddress.IPv6Address(name)}]"
        except ValueError:
            return None
    return name if _HOST.fullmatch(name) else None
