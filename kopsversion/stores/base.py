"""The `Store` protocol: all that kopsversion asks of a place where builds are kept.

Names are relative to the store's root, use ``/`` and never begin with it; they are untrusted text.
A store only translates between this protocol and its own. It decides nothing, and raises every failure as a
`kopsversion.errors.StoreError`. It knows nothing of versions, markers or channels.

This module also has what all stores share: which names they refuse, how names fold at a delimiter, and how
often a request is tried.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol, Self, TypeVar

from attrs import field

from kopsversion.errors import StoreError, quoted
from kopsversion.model.values import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime, timedelta

T = TypeVar("T")

Credentials = Literal["anonymous", "default"]
"""How a bucket is asked: anonymously, or with Application Default Credentials."""


class StoreAddress(str):
    """A store's URL or path, with the credentials to ask it with.

    In every other respect it is its text. Credentials are only used for buckets that are named as such, ``gs://…``: a
    URL of the web is read anonymously, and a directory with the rights of the process.

    Parameters:
        text: the URL or path.
        credentials: how to ask.

    Attributes:
        credentials: how to ask: ``anonymous`` where the text is not a ``gs://`` URL.
    """

    __slots__ = ("credentials",)
    credentials: Credentials

    def __new__(cls, text: str, *, credentials: Credentials) -> Self:
        """Create the text with its credentials."""
        made = super().__new__(cls, text)
        made.credentials = credentials if text.lower().startswith("gs://") else "anonymous"
        return made


def credentials_for(place: str) -> Credentials:
    """Return the credentials for a store that a text names; only a `StoreAddress` has other than anonymous ones."""
    return place.credentials if isinstance(place, StoreAddress) else "anonymous"


PIECE = 1 << 20
"""Bytes of the largest piece that `Store.download` yields."""

_LONGEST_NAME = 1024  # bytes; GCS allows no more
_NEXT_TO_NOTHING = 0.001  # seconds; a timeout of 0 is refused
_SHORTEST_ATTEMPT = 1.0  # seconds; below this, halving what is left would leave no attempt a chance


@frozen
class StoredObject:
    """One object of a listing.

    >>> store.stat("markers/master/latest-ci.txt").size
    107

    Attributes:
        name: relative to the root.
        size: bytes.
        uploaded: when its content was written, UTC (GCS ``timeCreated``; a file's mtime).
        generation: the object's generation as text, from `Store.stat`; ``None`` in a listing.
    """

    name: str
    size: int
    uploaded: datetime
    generation: str | None = None


@frozen
class Listing:
    """All pages of one listing, never some of them.

    >>> store.list("", delimiter="/").prefixes[-1]
    'markers/'

    Attributes:
        objects: the objects whose name has no delimiter after the prefix, by name.
        prefixes: the common prefixes of the others, each ending in the delimiter, by name.
    """

    objects: tuple[StoredObject, ...]
    prefixes: tuple[str, ...]


@frozen
class Content:
    """What an object held when it was read.

    >>> content = store.read("markers/master/latest-ci.txt", limit=1024)
    >>> content.data.decode().rstrip().endswith(str(answer.version)), content.written == NOW - timedelta(hours=1)
    (True, True)

    Attributes:
        data: at most `limit` + 1 bytes; if there are more than `limit`, the object is larger.
        generation: the object's generation as text; for a file, one derived from its state.
        written: when, UTC, where the store says so.
        etag: the object's ETag, where the store gives one.
        age: how old a cache says that its answer may be; ``None`` where none says so.
        answered: when the server says that it answered, UTC, where there may be a cache in front of it.
    """

    data: bytes
    generation: str | None
    written: datetime | None
    etag: str | None = None
    age: timedelta | None = None
    answered: datetime | None = None


class Store(Protocol):
    """A place where builds are kept.

    >>> bucket: Store = store
    >>> bucket.url, bucket.is_local, bucket.public_url("1.29.0-alpha.3")
    ('mem://bucket/', False, 'mem://bucket/1.29.0-alpha.3')
    """

    @property
    def url(self) -> str:
        """The store's URL, as a person would write it, with a trailing slash."""
        ...

    @property
    def requests(self) -> int:
        """How many requests have been sent so far, repeated ones included."""
        ...

    @property
    def is_local(self) -> bool:
        """Whether this is a directory of this machine, so that asking it costs no request."""
        ...

    def public_url(self, name: str) -> str:
        """Return the URL by which others read that name: escaped, but with a literal ``+``.

        Parameters:
            name: an object or what names begin with; without a trailing slash if it has none.
        """
        ...

    def list(
        self, prefix: str = "", *, delimiter: str = "", match_glob: str = "", start: str = "", end: str = ""
    ) -> Listing:
        """List every object whose name begins with `prefix`.

        Parameters:
            prefix: where names must begin; may end in the middle of a name.
            delimiter: names that hold it after the prefix are folded into `Listing.prefixes`.
            match_glob: a pattern in GCS's glob language; a server may ignore it, so filter again.
            start: names that sort before it are left out, and cost no page.
            end: names that sort at it or after it may be left out, to save pages; empty for none.

        Raises:
            StoreError: any page could not be read.
        """
        ...

    def read(self, name: str, *, limit: int) -> Content:
        """Read an object of a few bytes.

        Parameters:
            name: the object.
            limit: bytes; at most one more is read into memory.

        Raises:
            ObjectNotFoundError: there is no such object.
            StoreError: it could not be read.
        """
        ...

    def stat(self, name: str) -> StoredObject:
        """Return an object's size, upload time and generation.

        Raises:
            ObjectNotFoundError: there is no such object.
            StoreError: it could not be asked for.
        """
        ...

    def write(
        self,
        name: str,
        data: bytes,
        *,
        if_generation: str | None,
        cache_control: str,
        metadata: Mapping[str, str],
    ) -> str:
        """Write an object, only if nobody else has written it since it was read.

        Parameters:
            name: the object.
            data: its whole content.
            if_generation: the generation that was read; ``None`` if the object did not exist.
            cache_control: the ``Cache-Control`` it is served with.
            metadata: custom metadata of the object.

        Returns:
            The new generation.

        Raises:
            PreconditionFailedError: the object has another generation by now.
            StoreError: it could not be written.
        """
        ...

    def download(self, name: str, *, offset: int = 0) -> Iterator[bytes]:
        """Stream an object's content from byte `offset` on, in pieces of at most 1 MiB.

        All pieces are of one generation. From an `offset` at or past the end come no pieces.

        Raises:
            ObjectNotFoundError: there is no such object.
            PreconditionFailedError: the object was overwritten meanwhile.
            StoreError: it could not be read to its end.
        """
        ...

    def close(self) -> None:
        """Close the connections that are kept open. The store can be asked again, and then opens new ones."""
        ...


class Attempts(Protocol):
    """Calls a function, and again where that may help; `kopsversion.stores.retrying` implements it."""

    def __call__(self, function: Callable[[], T]) -> T:
        """Return what `function` returns, or raise the `StoreError` of its last attempt."""
        ...


@frozen(kw_only=True)
class AttemptPolicy:
    """How often, and for how long, a request is tried. Adjust with `attrs.evolve`.

    The wait between two attempts is random, of up to `initial` seconds, doubled with each attempt but never
    above `maximum`. All times shrink with what the deadline leaves.

    Attributes:
        max_attempts: attempts at one request, the first included.
        initial: seconds; the longest wait after the first attempt.
        maximum: seconds; the longest of all waits, except for a server's ``Retry-After``.
        connect: seconds that one attempt may take to connect.
        read: seconds that one attempt may wait for the next byte.
        whole: seconds that one attempt may take in all, however its bytes are spread.
    """

    max_attempts: int = field(default=6)
    initial: float = 0.25
    maximum: float = 8.0
    connect: float = 5.0
    read: float = 10.0
    whole: float = 20.0

    def attempt_seconds(self, left: float) -> float:
        """Return how long one attempt may take, such that the deadline leaves time for another one.

        Parameters:
            left: seconds until the deadline.
        """
        return min(self.whole, max(_SHORTEST_ATTEMPT, left / 2), left)

    def socket_seconds(self, left: float) -> tuple[float, float]:
        """Return how long one attempt may take to connect, and may wait for the next byte.

        Parameters:
            left: seconds until the deadline.
        """
        limit = max(self.attempt_seconds(left), _NEXT_TO_NOTHING)
        return min(self.connect, limit), min(self.read, limit)

    @max_attempts.validator
    def _at_least_one(self, _attribute: object, value: int) -> None:
        if value < 1:
            raise ValueError(f"max_attempts must be at least 1, not {value}")


def check_name(name: str, *, url: str) -> None:
    """Refuse what cannot be the name of an object, before it becomes a path or a URL.

    That is an absolute name, an empty, ``.`` or ``..`` segment, a control character, text that UTF-8
    cannot hold, and more than 1,024 bytes.

    Parameters:
        name: untrusted text.
        url: the store's URL, for the message.

    Raises:
        StoreError: `name` is one of these.
    """
    try:
        encoded = name.encode()
    except UnicodeEncodeError:
        encoded = b""
    segments = encoded.split(b"/")
    if (
        len(encoded) > _LONGEST_NAME
        or any(segment in {b"", b".", b".."} for segment in segments)
        or any(byte < 0x20 or byte == 0x7F for byte in encoded)
    ):
        raise StoreError(
            f"{quoted(name)} is not a name that an object of a store can have",
            url=url,
            hint="names have segments joined by '/', none of them empty, '.' or '..'",
        )


def reaches(prefix: str, start: str) -> bool:
    """Tell whether names that fold into `prefix` come after `start`.

    >>> reaches("1.", "1.30")
    True
    """
    return prefix >= start or start.startswith(prefix)


def fold(name: str, *, prefix: str, delimiter: str) -> str | None:
    """Return the common prefix that `name` folds into, or ``None`` where it stands for itself.

    >>> fold("1.30.0/linux/amd64/kops", prefix="1.", delimiter="/")
    '1.30.0/'
    """
    if not delimiter:
        return None
    position = name.find(delimiter, len(prefix))
    return None if position < 0 else name[: position + len(delimiter)]
