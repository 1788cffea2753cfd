"""The `Store` protocol: all that kopsversion asks of a place where builds are kept.

Names are relative to the store's root, use ``/`` and never begin with it; they are untrusted text.
A store does no more than translate: it decides nothing, and every failure leaves it as a
`kopsversion.errors.StoreError`. It knows nothing of versions, markers or channels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

T = TypeVar("T")


@frozen
class StoredObject:
    """One object of a listing.

    Attributes:
        name: relative to the root.
        size: bytes.
        uploaded: when its content was written, UTC (GCS ``timeCreated``; a file's mtime).
    """

    name: str
    size: int
    uploaded: datetime


@frozen
class Listing:
    """All pages of one listing, never some of them.

    Attributes:
        objects: the objects whose name has no delimiter after the prefix, by name.
        prefixes: the common prefixes of the others, each ending in the delimiter, by name.
    """

    objects: tuple[StoredObject, ...]
    prefixes: tuple[str, ...]


@frozen
class Content:
    """What an object held when it was read.

    Attributes:
        data: at most `limit` + 1 bytes: more than `limit` tells that the object is larger.
        generation: the object's generation as text; for a file, one derived from its state.
        written: when, UTC, where the store says so.
    """

    data: bytes
    generation: str | None
    written: datetime | None


class Store(Protocol):
    """A place where builds are kept."""

    @property
    def url(self) -> str:
        """Where this is, as a person would write it, with a trailing slash."""
        ...

    @property
    def requests(self) -> int:
        """How many requests have been sent so far, repeated ones included."""
        ...

    @property
    def roots(self) -> tuple[str, ...]:
        """Every URL prefix, with a trailing slash, by which a marker may name a build of this store."""
        ...

    def base_url(self, version: str) -> str:
        """Return what ``KOPS_BASE_URL`` must hold for that build: no trailing slash, literal ``+``."""
        ...

    def list(self, prefix: str = "", *, delimiter: str = "", match_glob: str = "") -> Listing:
        """List every object whose name begins with `prefix`.

        Parameters:
            prefix: where names must begin; may end in the middle of a name.
            delimiter: names that hold it after the prefix are folded into `Listing.prefixes`.
            match_glob: a pattern in GCS's glob language; a server may ignore it, so filter again.

        Raises:
            StoreError: any page could not be read.
        """
        ...

    def read(self, name: str, *, limit: int) -> Content:
        """Read an object of a few bytes.

        Parameters:
            name: the object.
            limit: bytes; no more than one above it is taken into memory.

        Raises:
            ObjectNotFoundError: there is no such object.
            StoreError: it could not be read.
        """
        ...

    def write(
        self, name: str, data: bytes, *, if_generation: str | None, cache_control: str, metadata: Mapping[str, str]
    ) -> str:
        """Write an object, only if nobody else has since it was read.

        Parameters:
            name: the object.
            data: its whole content.
            if_generation: the generation that was read; ``None`` if the object did not exist.
            cache_control: the ``Cache-Control`` it is served with.
            metadata: custom metadata of the object.

        Returns:
            The new generation.

        Raises:
            PreconditionFailedError: the object's generation is another by now.
            StoreError: it could not be written.
        """
        ...

    def download(self, name: str, *, offset: int = 0) -> Iterator[bytes]:
        """Stream an object's content from byte `offset` on, in pieces of at most 1 MiB."""
        ...


class Attempts(Protocol):
    """Calls a function, again where that may help. ``retrying.py`` holds the one that does."""

    def __call__(self, function: Callable[[], T]) -> T:
        """Return what `function` returns, or raise the `StoreError` of its last attempt."""
        ...
