"""What the stores behind a server have in common: where they are (DESIGN section 8).

This module must not know how the server is asked.
"""

from __future__ import annotations

from typing import Protocol

from kopsversion.stores.base import Store

__all__ = ["Place", "RemoteStore"]


class Place(Protocol):
    """Where a store is."""

    @property
    def url(self) -> str:
        """The store's URL, with a trailing slash."""
        ...

    def public_url(self, name: str) -> str:
        """Return the URL of an object's plain download, with a literal ``+``."""
        ...


class RemoteStore(Store):
    """A store that costs a request to ask."""

    _place: Place

    @property
    def url(self) -> str:
        """The store's URL, with a trailing slash; of a bucket the ``gs://`` URL."""
        return self._place.url

    @property
    def is_local(self) -> bool:
        """No: each question costs a request."""
        return False

    def public_url(self, name: str) -> str:
        """Return the URL of a plain download, with a literal ``+``."""
        return self._place.public_url(name)
