"""A store in front of another one, to which it passes every call that a subclass does not change.

This module must not know what a subclass is for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kopsversion.stores.base import Store

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kopsversion.stores.base import Content, Listing, StoredObject

__all__ = ["WrappedStore"]


class WrappedStore(Store):
    """Passes every call to another store.

    Parameters:
        inner: the store that is asked.
    """

    def __init__(self, inner: Store) -> None:
        self.inner = inner

    @property
    def url(self) -> str:
        """The inner store's."""
        return self.inner.url

    @property
    def requests(self) -> int:
        """How many the inner store has sent."""
        return self.inner.requests

    @property
    def is_local(self) -> bool:
        """The inner store's."""
        return self.inner.is_local

    def public_url(self, name: str) -> str:
        """See `Store.public_url`."""
        return self.inner.public_url(name)

    def list(
        self, prefix: str = "", *, delimiter: str = "", match_glob: str = "", start: str = "", end: str = ""
    ) -> Listing:
        """See `Store.list`."""
        return self.inner.list(prefix, delimiter=delimiter, match_glob=match_glob, start=start, end=end)

    def read(self, name: str, *, limit: int) -> Content:
        """See `Store.read`."""
        return self.inner.read(name, limit=limit)

    def stat(self, name: str) -> StoredObject:
        """See `Store.stat`."""
        return self.inner.stat(name)

    def write(
        self,
        name: str,
        data: bytes,
        *,
        if_generation: str | None,
        cache_control: str,
        metadata: Mapping[str, str],
    ) -> str:
        """See `Store.write`."""
        return self.inner.write(
            name, data, if_generation=if_generation, cache_control=cache_control, metadata=metadata
        )

    def download(self, name: str, *, offset: int = 0) -> Iterator[bytes]:
        """See `Store.download`."""
        return self.inner.download(name, offset=offset)

    def close(self) -> None:
        """See `Store.close`."""
        self.inner.close()
