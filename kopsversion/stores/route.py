"""The way to a server, read from the environment once: proxy and certificates (FAILURES row 44).

This module alone decides where requests go; other variables that libraries read have no effect. Each setting
knows the variable it came from, so that an error can name it. This module must not know which library sends.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from kopsversion.model.values import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE")
"""The variables that may name a file of trusted certificates; the first that is set counts."""


@frozen
class Setting:
    """A value, and the environment variable that it came from."""

    variable: str
    value: str


@frozen
class Route:
    """How a server is reached.

    Attributes:
        endpoint: its scheme, host and port, without a trailing slash.
        proxy: the URL of the proxy, if there is one.
        trusted: the file or directory of trusted certificates, if one is named.
    """

    endpoint: str
    proxy: Setting | None = None
    trusted: Setting | None = None

    @property
    def server(self) -> str:
        """The server's host and port, for messages."""
        return urlsplit(self.endpoint).netloc

    @property
    def is_secure(self) -> bool:
        """Whether the server is asked over TLS."""
        return self.endpoint.startswith("https:")


def route_to(endpoint: str, environ: Mapping[str, str]) -> Route:
    """Read from the environment how a server is reached.

    It reads ``https_proxy``, ``http_proxy``, ``all_proxy`` and ``no_proxy``, in either case, and `CA_VARIABLES`.
    This machine is never asked through a proxy, which could not reach it (DESIGN section 11).

    Parameters:
        endpoint: the server's scheme, host and port.
        environ: the environment.
    """
    return Route(endpoint, proxy=_proxy(endpoint, environ), trusted=_first(CA_VARIABLES, environ))


def _first(names: tuple[str, ...], environ: Mapping[str, str]) -> Setting | None:
    return next((Setting(name, environ[name]) for name in names if environ.get(name)), None)


def _proxy(endpoint: str, environ: Mapping[str, str]) -> Setting | None:
    parts = urlsplit(endpoint)
    host = parts.hostname or ""
    excepted = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    if _is_this_machine(host) or _is_excepted(host, excepted):
        return None
    names = (f"{parts.scheme}_proxy", f"{parts.scheme}_proxy".upper(), "all_proxy", "ALL_PROXY")
    found = _first(names, environ)
    if found is None or "://" in found.value:
        return found
    return Setting(found.variable, f"http://{found.value}")


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
