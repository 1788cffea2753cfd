"""The contract of a `Store`, as pytest functions: what kopsversion expects of every store.

Import them into a test module that has a fixture ``filled_store``, which makes a new store that holds exactly what it
is told; pytest collects them from there::

    from kopsversion.testing.contract import *  # noqa: F403

    @pytest.fixture
    def filled_store():
        def fill(objects):  # name to bytes
            store = MyStore(...)
            for name, data in objects.items():
                ...
            return store
        return fill

A store that cannot be written to leaves out the functions whose names begin with ``test_write``. This is the only
module of the package that needs pytest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta

import pytest

from kopsversion.errors import ObjectNotFoundError, PreconditionFailedError, StoreError
from kopsversion.stores.base import PIECE, Store

Fill = Callable[[Mapping[str, bytes]], Store]
"""What the fixture ``filled_store`` returns."""

OBJECTS: Mapping[str, bytes] = {
    "1.30.0+v1.29.0-1-g0123456789/linux/amd64/kops": b"binary",
    "1.30.0+v1.29.0-1-g0123456789/linux/amd64/kops.sha256": b"0" * 64 + b"\n",
    "1.30.0+v1.29.0-2-gabcdef0123/linux/amd64/kops": b"another",
    "1.31.0-alpha.1/linux/amd64/kops": b"",
    "markers/master/latest-ci.txt": b"https://example.com/1.30.0\n",
    "markers/release-1.30/latest-ci.txt": b"1.30.0\n",
}
_MARKER = "markers/master/latest-ci.txt"
_HOSTILE = ("", "/absolute", "a//b", "../outside", "a/../b", "a/./b", "a\0b", "a\nb", "\ud800", "x" * 1025)

__all__ = [
    "test_download_begins_at_the_offset",
    "test_download_of_what_is_not_there",
    "test_download_streams_in_pieces",
    "test_list_folds_at_a_delimiter",
    "test_list_is_whole_and_in_order",
    "test_list_of_nothing_is_empty",
    "test_list_says_size_and_time",
    "test_list_takes_a_part_of_the_names",
    "test_names_of_places_end_in_a_slash",
    "test_public_urls_keep_the_plus",
    "test_read_of_a_hostile_name",
    "test_read_of_what_is_not_there",
    "test_read_takes_no_more_than_the_limit",
    "test_requests_are_counted",
    "test_stat_agrees_with_read",
    "test_write_makes_and_replaces",
    "test_write_of_a_hostile_name",
    "test_write_refuses_what_has_changed",
]


def test_list_is_whole_and_in_order(filled_store: Fill) -> None:
    """Every object is listed once, in the order of names, however many there are."""
    many = {f"1.30.0-alpha.{number}/linux/amd64/kops": b"x" for number in range(1200)}
    listing = filled_store(many).list("1.30.")
    assert [each.name for each in listing.objects] == sorted(many)
    assert listing.prefixes == ()


@pytest.mark.parametrize(
    ("prefix", "delimiter"),
    [("", "."), ("1.", "."), ("1.", "/"), ("1.30.", "/"), ("markers/", ""), ("markers/m", "/")],
)
def test_list_folds_at_a_delimiter(filled_store: Fill, prefix: str, delimiter: str) -> None:
    """What holds the delimiter after the prefix is folded; a prefix may end in the middle of a name."""
    store = filled_store(OBJECTS)
    objects, prefixes = [], set()
    for name in OBJECTS:
        if name.startswith(prefix):
            head, found, _ = name[len(prefix) :].partition(delimiter) if delimiter else (name, "", "")
            if found:
                prefixes.add(prefix + head + delimiter)
            else:
                objects.append(name)
    listing = store.list(prefix, delimiter=delimiter)
    assert [each.name for each in listing.objects] == sorted(objects)
    assert list(listing.prefixes) == sorted(prefixes)


def test_list_takes_a_part_of_the_names(filled_store: Fill) -> None:
    """Names below `start` are left out; what lies from `end` on may be."""
    store = filled_store(OBJECTS)
    names = {each.name for each in store.list(start="1.31", end="markers/n").objects}
    assert {"1.31.0-alpha.1/linux/amd64/kops", _MARKER} <= names
    assert not any(name < "1.31" for name in names)


def test_list_says_size_and_time(filled_store: Fill) -> None:
    """Sizes are those of the content, and times have a zone: UTC."""
    for stored in filled_store(OBJECTS).list().objects:
        assert stored.size == len(OBJECTS[stored.name])
        assert stored.uploaded.utcoffset() == timedelta()


def test_list_of_nothing_is_empty(filled_store: Fill) -> None:
    """A prefix that no name has is no error."""
    listing = filled_store(OBJECTS).list("9.99.")
    assert (listing.objects, listing.prefixes) == ((), ())


@pytest.mark.parametrize("limit", [0, 1, 26, 27, 1024])
def test_read_takes_no_more_than_the_limit(filled_store: Fill, limit: int) -> None:
    """One byte above the limit tells that there is more."""
    assert filled_store(OBJECTS).read(_MARKER, limit=limit).data == OBJECTS[_MARKER][: limit + 1]


def test_read_of_what_is_not_there(filled_store: Fill) -> None:
    """It is not found, which is another error than for a store that cannot be asked; a directory is no object."""
    store = filled_store(OBJECTS)
    for name in ("markers/master/none.txt", "markers/master", "none"):
        with pytest.raises(ObjectNotFoundError):
            store.read(name, limit=10)
        with pytest.raises(ObjectNotFoundError):
            store.stat(name)


@pytest.mark.parametrize("name", _HOSTILE)
def test_read_of_a_hostile_name(filled_store: Fill, name: str) -> None:
    """What cannot be the name of an object is a `StoreError`, and never leads outside."""
    store = filled_store(OBJECTS)
    with pytest.raises(StoreError):
        store.read(name, limit=10)
    with pytest.raises(StoreError):
        store.stat(name)
    with pytest.raises(StoreError):
        list(store.download(name))


def test_stat_agrees_with_read(filled_store: Fill) -> None:
    """Size and generation are those of what is read."""
    store = filled_store(OBJECTS)
    stored, content = store.stat(_MARKER), store.read(_MARKER, limit=1024)
    assert stored.name == _MARKER
    assert stored.size == len(content.data)
    assert stored.generation is not None
    assert stored.generation == content.generation


def test_download_streams_in_pieces(filled_store: Fill) -> None:
    """No piece is larger than 1 MiB, none is empty, and together they are the object."""
    data = bytes(range(256)) * ((2 * PIECE + 256) // 256)
    pieces = list(filled_store({"1.30.0/kops": data}).download("1.30.0/kops"))
    assert b"".join(pieces) == data
    assert all(0 < len(piece) <= PIECE for piece in pieces)


@pytest.mark.parametrize("offset", [0, 1, 26, 27, 28, 1000])
def test_download_begins_at_the_offset(filled_store: Fill, offset: int) -> None:
    """From an offset at or past the end come no pieces."""
    pieces = list(filled_store(OBJECTS).download(_MARKER, offset=offset))
    assert b"".join(pieces) == OBJECTS[_MARKER][offset:]


def test_download_of_what_is_not_there(filled_store: Fill) -> None:
    """It is not found, at the first piece at the latest."""
    with pytest.raises(ObjectNotFoundError):
        list(filled_store(OBJECTS).download("none"))


def test_write_makes_and_replaces(filled_store: Fill) -> None:
    """A write tells the new generation, by which the next one may replace it."""
    store = filled_store({})
    first = store.write(
        "markers/master/m.txt", b"1", if_generation=None, cache_control="no-store", metadata={}
    )
    assert store.read("markers/master/m.txt", limit=10).generation == first
    second = store.write(
        "markers/master/m.txt", b"2", if_generation=first, cache_control="no-store", metadata={}
    )
    assert second != first
    assert store.read("markers/master/m.txt", limit=10).data == b"2"


def test_write_refuses_what_has_changed(filled_store: Fill) -> None:
    """A write for another generation does nothing, whether the object was created, changed or deleted meanwhile."""
    store = filled_store(OBJECTS)
    for generation in (None, "12345678901234567"):
        with pytest.raises(PreconditionFailedError):
            store.write(_MARKER, b"x", if_generation=generation, cache_control="no-store", metadata={})
    with pytest.raises(PreconditionFailedError):
        store.write(
            "markers/x/none.txt", b"x", if_generation="12345678901234567", cache_control="", metadata={}
        )
    assert store.read(_MARKER, limit=1024).data == OBJECTS[_MARKER]


@pytest.mark.parametrize("name", _HOSTILE)
def test_write_of_a_hostile_name(filled_store: Fill, name: str) -> None:
    """What cannot be the name of an object is not written."""
    store = filled_store(OBJECTS)
    with pytest.raises(StoreError):
        store.write(name, b"x", if_generation=None, cache_control="no-store", metadata={})


def test_requests_are_counted(filled_store: Fill) -> None:
    """The number of requests never falls, and a store of this machine may count none."""
    store = filled_store(OBJECTS)
    before = store.requests
    store.list("markers/")
    assert store.requests > before or store.is_local
    store.close()
    assert store.read(_MARKER, limit=1024).data == OBJECTS[_MARKER], "a closed store can be asked again"


def test_names_of_places_end_in_a_slash(filled_store: Fill) -> None:
    """The URL of the store is what a name is appended to."""
    assert filled_store(OBJECTS).url.endswith("/")


def test_public_urls_keep_the_plus(filled_store: Fill) -> None:
    """Consumers read the version back from its URL, so a plus stays one, and no slash is added."""
    url = filled_store(OBJECTS).public_url("1.30.0+v1.29.0-1-g0123456789")
    assert url.endswith("/1.30.0+v1.29.0-1-g0123456789")
