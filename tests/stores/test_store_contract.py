"""One contract for every store: a directory, a bucket on our own server, a bucket on the real fake-gcs-server.

What a store promises stands in `kopsversion.stores.base`. Each promise is tested once, everywhere; where a place
cannot do what a test needs, it says so as data (`Place.has_a_past`, `PLACES_WITH_EMPTY_SEGMENTS`).
"""

from __future__ import annotations

import contextlib
import os
import threading
import urllib.request
from abc import ABC, abstractmethod
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from attrs import evolve

from kopsversion.errors import (
    AccessDeniedError,
    ObjectNotFoundError,
    PreconditionFailedError,
    StoreError,
    StoreUnavailableError,
)
from kopsversion.model.layout import OFFICIAL_ROOT
from kopsversion.stores.base import PIECE, AttemptPolicy, Listing, Store
from kopsversion.stores.bucket import Location
from kopsversion.stores.cloud import open_cloud_store
from kopsversion.stores.deadline import Deadline
from kopsversion.stores.opening import open_store
from kopsversion.stores.route import route_to
from tests.gcs_server import KOPS_BUCKET, KOPS_ROOT, LISTINGS, GcsServer, Kind, closed_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from tests.fake_gcs import FakeGcs

MOMENT = datetime(2024, 5, 6, 12, 0, 0, tzinfo=UTC)
BUILD = "1.29.0-alpha.4+v1.29.0-alpha.3-378-g22ce1230da"
TAG = "1.29.0-alpha.3"
MARKER = "markers/master/latest-ci.txt"
DEBRIS = "/v20240307-v1.29.0-alpha.3-378-g22ce1230da/cloudbuild/log.txt"
NAMES = tuple(
    sorted(
        [
            *(
                f"{version}/{path}"
                for version in (BUILD, TAG, "1.28.5+v1.28.4-36-g8be71351e2", "1.30.0-alpha.1+v1.29.0-1-gab")
                for path in ("linux/amd64/kops", "linux/amd64/kops.sha256", "images/a+b-arm64.tar.gz")
            ),
            MARKER,
            "markers/release-1.29/latest-ci.txt",
            "cloudbuild.yaml",
            "with space/and %2B/and +",
        ]
    )
)


class Place(ABC):
    """Somewhere to keep a store, and a way to fill it behind the store's back.

    Attributes:
        has_a_past: whether an object can have been uploaded at a given time.
        environ: the environment to open the store in.
        by_client: whether Google's client reads it, as it does with credentials.
    """

    has_a_past: bool
    environ: Mapping[str, str]
    by_client: bool = False

    @abstractmethod
    def url(self) -> str:
        """The store's URL."""

    @abstractmethod
    def add(self, name: str, data: bytes, at: datetime | None = None) -> None:
        """Put an object there."""


class DirectoryPlace(Place):
    has_a_past = True

    def __init__(self, root: Path) -> None:
        self.environ = {}
        self.root = root
        root.mkdir()

    def url(self) -> str:
        return f"file://{self.root}"

    def add(self, name: str, data: bytes, at: datetime | None = None) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        if at is not None:
            os.utime(path, (at.timestamp(), at.timestamp()))


class ServerPlace(Place):
    has_a_past = True

    def __init__(self, server: GcsServer, root: str) -> None:
        self.server = server
        self.root = root
        self.environ = {"STORAGE_EMULATOR_HOST": server.url}

    def url(self) -> str:
        return f"gs://{KOPS_BUCKET}/{self.root}"

    def add(self, name: str, data: bytes, at: datetime | None = None) -> None:
        self.server.bucket().add(self.root + name, data, at=at)


class FakeGcsPlace(Place):
    def __init__(self, server: FakeGcs) -> None:
        self.server = server
        self.bucket = server.new_bucket()
        self.environ = {"STORAGE_EMULATOR_HOST": server.url}
        self.has_a_past = server.backend == "filesystem"

    def url(self) -> str:
        return f"gs://{self.bucket}/{KOPS_ROOT}"

    def add(self, name: str, data: bytes, at: datetime | None = None) -> None:
        self.server.add(self.bucket, KOPS_ROOT + name, data, at=at if self.has_a_past else None)


PLACES = (
    "directory",
    "our server",
    "our server, small pages",
    "our server, no globs",
    "our server, bucket of its own",
    "fake-gcs-server in memory",
    "fake-gcs-server on disk",
    "our server, by the client",
    "our server, small pages, by the client",
    "fake-gcs-server in memory, by the client",
)
# In a path an empty segment is none at all, and the other server keeps its objects in files there.
PLACES_WITH_EMPTY_SEGMENTS = tuple(name for name in PLACES if not name.endswith(("directory", "on disk")))


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Each kind of place in turn, empty."""
    kind, client, _ = request.param.partition(", by the client")
    made = made_place(kind, request=request, tmp_path=tmp_path)
    made.by_client = bool(client)
    return made


def made_place(kind: str, *, request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if kind == "directory":
        return DirectoryPlace(tmp_path / "a store+")
    if kind.startswith("fake-gcs-server"):
        fixture = "dated_fake_gcs" if kind.endswith("disk") else "fake_gcs"
        return FakeGcsPlace(request.getfixturevalue(fixture))
    server: GcsServer = request.getfixturevalue("gcs_server")
    if kind.endswith("small pages"):
        server.page_size = 2
    server.honours_match_glob = not kind.endswith("no globs")
    server.root = "" if kind.endswith("of its own") else KOPS_ROOT
    # A neighbour that no listing of the store may show.
    server.bucket().add("kops/release-notes", b"")
    if server.root == "":
        server.bucket().remove("kops/release-notes")
    return ServerPlace(server, server.root)


def opened(place: Place, *, seconds: float = 60.0, attempts: AttemptPolicy | None = None) -> Store:
    if place.by_client:
        return by_client(place, seconds=seconds, attempts=attempts)
    return open_store(place.url(), deadline=Deadline(seconds), attempts=attempts, environ=place.environ)


def by_client(place: Place, *, seconds: float = 60.0, attempts: AttemptPolicy | None = None) -> Store:
    """Open a bucket as it is opened with credentials, but as nobody."""
    bucket, _, prefix = place.url().removeprefix("gs://").partition("/")
    location = Location(bucket, prefix=prefix, emulator=place.environ["STORAGE_EMULATOR_HOST"])
    return open_cloud_store(
        location,
        route=route_to(location.endpoint, place.environ),
        credentials="anonymous",
        policy=attempts or AttemptPolicy(),
        deadline=Deadline(seconds),
    )


@pytest.fixture
def store(place: Place) -> Store:
    """The empty store at that place."""
    return opened(place)


@pytest.fixture
def filled(place: Place, store: Store) -> Store:
    """The store with some builds, markers and debris."""
    for name in NAMES:
        place.add(name, name.encode(), MOMENT)
    return store


def folded(names: tuple[str, ...], prefix: str, delimiter: str) -> tuple[list[str], list[str]]:
    """Objects and prefixes of a listing, by the definition."""
    objects, prefixes = [], set()
    for name in names:
        if name.startswith(prefix):
            head, found, _ = name[len(prefix) :].partition(delimiter) if delimiter else (name, "", "")
            if found:
                prefixes.add(prefix + head + found)
            else:
                objects.append(name)
    return sorted(objects), sorted(prefixes)


def names_of(listing: Listing) -> tuple[list[str], list[str]]:
    return [each.name for each in listing.objects], list(listing.prefixes)


# --------------------------------------------------------------------------------------------------


class TestList:
    @pytest.mark.parametrize("delimiter", ["", "/", "."])
    @pytest.mark.parametrize(
        "prefix",
        [
            "",
            "1.",
            "1.29.",
            "1.2",
            "1.29.0-alpha.4+v1.29.0-alpha.3-378-g",
            "1.29.0-alpha.4%2B",
            f"{BUILD}/",
            f"{BUILD}/linux/amd64/kops",
            TAG,
            f"{TAG}/",
            "markers/",
            "markers",
            "with space/",
            "with space/and %2B/",
            "absent/",
            "absent",
        ],
    )
    def test_folds_at_the_delimiter(self, filled: Store, prefix: str, delimiter: str) -> None:
        """Names with the delimiter after the prefix become common prefixes; all else is listed by itself."""
        listing = filled.list(prefix, delimiter=delimiter)
        assert names_of(listing) == folded(NAMES, prefix, delimiter)

    def test_says_size_and_upload_time(self, place: Place, filled: Store) -> None:
        """An object's size is in bytes, its time in UTC; a listing carries no generation."""
        found = {each.name: each for each in filled.list(f"{BUILD}/").objects}
        kops = found[f"{BUILD}/linux/amd64/kops"]
        assert kops.size == len(f"{BUILD}/linux/amd64/kops")
        assert kops.uploaded.utcoffset() == timedelta(0)
        assert kops.uploaded == MOMENT or not place.has_a_past
        assert kops.generation is None

    @pytest.mark.parametrize(
        ("glob", "matches"),
        [
            (
                "1.29.*/linux/amd64/kops.sha256",
                [f"{BUILD}/linux/amd64/kops.sha256", f"{TAG}/linux/amd64/kops.sha256"],
            ),
            (f"{TAG}/**", [name for name in NAMES if name.startswith(f"{TAG}/")]),
            ("*.yaml", ["cloudbuild.yaml"]),
            ("markers/*/latest-ci.txt", [name for name in NAMES if name.startswith("markers/")]),
            ("**/a+b-{arm,amd}64.tar.gz", [name for name in NAMES if "a+b" in name]),
            ("nothing", []),
        ],
    )
    def test_glob_selects(self, filled: Store, glob: str, matches: list[str]) -> None:
        """A glob speaks of names below the root, and holds also where the server ignores it."""
        assert names_of(filled.list(match_glob=glob)) == (sorted(matches), [])

    def test_glob_and_prefix_hold_both(self, filled: Store) -> None:
        """Objects have the prefix and match the glob."""
        listing = filled.list("1.29.", match_glob="**/kops.sha256")
        assert [each.name for each in listing.objects] == sorted(
            [f"{TAG}/linux/amd64/kops.sha256", f"{BUILD}/linux/amd64/kops.sha256"]
        )

    @pytest.mark.parametrize("place", PLACES_WITH_EMPTY_SEGMENTS, indirect=True)
    def test_empty_segments_are_listed(self, place: Place, filled: Store) -> None:
        """Debris such as ``releases//v2024…`` comes out as what it is, in full and folded."""
        place.add(DEBRIS, b"")
        assert DEBRIS in [each.name for each in filled.list().objects]
        assert "/" in filled.list(delimiter="/").prefixes
        assert names_of(filled.list("/", delimiter="/")) == ([], [f"{DEBRIS.partition('/cloudbuild')[0]}/"])

    def test_empty_store_is_empty(self, store: Store) -> None:
        """No objects and no prefixes, and no error."""
        assert store.list(delimiter="/") == Listing(objects=(), prefixes=())

    def test_many_objects_come_whole_and_in_order(self, place: Place, store: Store) -> None:
        """A listing is every page, in the order of the names, each name once."""
        names = sorted(f"1.2{n % 10}.0+v1-{n}-g{n:07x}/kops" for n in range(60))
        for name in names:
            place.add(name, b"x")
        assert names_of(store.list()) == (names, [])
        assert names_of(store.list(delimiter="/"))[1] == sorted(
            {f"{name.partition('/')[0]}/" for name in names}
        )
        assert names_of(store.list(delimiter=".")) == ([], ["1."])

    @pytest.mark.parametrize("delimiter", ["", "/", "."])
    @pytest.mark.parametrize(
        ("start", "end"), [("1.29.", ""), ("", "1.29."), ("1.29.", "1.30."), ("0", ":"), ("markers/r", "x")]
    )
    def test_a_part_of_the_names(
        self, place: Place, filled: Store, start: str, end: str, delimiter: str
    ) -> None:
        """All from a name on and before another; what comes later may be there. A prefix stands for each name in it."""
        if isinstance(place, FakeGcsPlace) and (start, end) != ("0", ":"):
            return  # it compares the folded prefix, which Google does not say (`tests.fake_gcs`)
        objects, prefixes = names_of(filled.list(delimiter=delimiter, start=start, end=end))
        wanted, wanted_prefixes = folded(tuple(name for name in NAMES if name >= start), "", delimiter)
        assert set(objects) <= set(wanted)
        assert set(prefixes) <= set(wanted_prefixes)
        assert [name for name in objects if not end or name < end] == [
            name for name in wanted if not end or name < end
        ]
        assert [name for name in prefixes if not end or name < end] == [
            name for name in wanted_prefixes if not end or name < end
        ]


class TestRead:
    def test_reads_what_is_there(self, place: Place, store: Store) -> None:
        """The content, its generation, and when it was written."""
        place.add(MARKER, b"https://host/1.30.0+v1\n", MOMENT)
        content = store.read(MARKER, limit=1024)
        assert content.data == b"https://host/1.30.0+v1\n"
        assert content.generation == store.stat(MARKER).generation
        assert content.written is not None
        assert content.written == MOMENT or not place.has_a_past

    @pytest.mark.parametrize("name", NAMES)
    def test_reads_every_name(self, filled: Store, name: str) -> None:
        """A plus is a plus, ``%2B`` is three characters, a space is a space."""
        assert filled.read(name, limit=1024).data == name.encode()

    @pytest.mark.parametrize(("limit", "length"), [(0, 1), (3, 4), (9, 10), (10, 10), (1024, 10)])
    def test_takes_no_more_than_the_limit(self, place: Place, store: Store, limit: int, length: int) -> None:
        """One byte above the limit tells that there is more."""
        place.add("object", b"0123456789")
        assert store.read("object", limit=limit).data == b"0123456789"[:length]

    def test_takes_little_of_a_large_object(self, place: Place, store: Store) -> None:
        """A marker of 5 MB is not taken into memory."""
        place.add(MARKER, bytes(5_000_000))
        assert store.read(MARKER, limit=1024).data == bytes(1025)

    def test_reads_an_empty_object(self, place: Place, store: Store) -> None:
        """No bytes are content too; a server that cannot serve a range of nothing does not matter."""
        place.add(MARKER, b"")
        content = store.read(MARKER, limit=1024)
        assert content.data == b""
        assert content.generation

    @pytest.mark.parametrize("data", [b"\xef\xbb\xbfbom\r\n", bytes(range(256)), b"\x1f\x8b\x08\x00"])
    def test_changes_no_byte(self, place: Place, store: Store, data: bytes) -> None:
        """What looks like text or like gzip stays as it is."""
        place.add(MARKER, data)
        assert store.read(MARKER, limit=1024).data == data


class TestStat:
    def test_says_size_time_and_generation(self, place: Place, store: Store) -> None:
        """What a listing says, and the generation."""
        place.add("a+b/c", b"12345", MOMENT)
        found, (listed,) = store.stat("a+b/c"), store.list().objects
        assert (found.name, found.size, found.uploaded) == (listed.name, listed.size, listed.uploaded)
        assert found.generation

    def test_generation_changes_with_the_content(self, place: Place, store: Store) -> None:
        """Two contents of one name have two generations."""
        place.add("object", b"old", MOMENT)
        before = store.stat("object").generation
        place.add("object", b"new", MOMENT + timedelta(seconds=1))
        assert store.stat("object").generation != before


ASKING: Mapping[str, Callable[[Store, str], object]] = {
    "read": lambda store, name: store.read(name, limit=10),
    "stat": lambda store, name: store.stat(name),
    "download": lambda store, name: list(store.download(name)),
    "download from an offset": lambda store, name: list(store.download(name, offset=5)),
}
HOSTILE = (
    "",
    "/etc/passwd",
    "../secret",
    "a/../../secret",
    "a//b",
    "a/./b",
    "a/",
    "nul\0",
    "line\nbreak",
    "x" * 1025,
)


class TestAbsence:
    @pytest.mark.parametrize("ask", ASKING)
    @pytest.mark.parametrize(
        "name", ["absent", f"{BUILD}/linux/amd64/nodeup", BUILD, f"{TAG}/linux", f"{MARKER}/x"]
    )
    def test_what_is_not_there_is_not_found(self, filled: Store, ask: str, name: str) -> None:
        """An absent object, a directory, and what would lie below an object are no objects."""
        with pytest.raises(ObjectNotFoundError) as caught:
            ASKING[ask](filled, name)
        assert caught.value.url.startswith(filled.url)
        assert not caught.value.transient

    @pytest.mark.parametrize("ask", ASKING)
    @pytest.mark.parametrize("name", HOSTILE)
    def test_hostile_names_are_refused(self, place: Place, filled: Store, ask: str, name: str) -> None:
        """What cannot be an object's name never becomes a path or a URL; the message cannot hurt a terminal."""
        if isinstance(place, DirectoryPlace):
            (place.root.parent / "secret").write_text("not yours")
        with pytest.raises(StoreError) as caught:
            ASKING[ask](filled, name)
        assert str(caught.value).isprintable()

    @pytest.mark.parametrize("name", HOSTILE)
    def test_hostile_names_are_not_written(self, store: Store, name: str) -> None:
        """Nor does one become a place to write to."""
        with pytest.raises(StoreError):
            store.write(name, b"x", if_generation=None, cache_control="no-store", metadata={})
        assert store.list() == Listing(objects=(), prefixes=())

    @pytest.mark.parametrize("prefix", ["../", "/", "a/../", "//", "nul\0"])
    def test_hostile_prefixes_list_nothing_from_outside(
        self, place: Place, store: Store, prefix: str
    ) -> None:
        """No prefix leads out of the store."""
        if isinstance(place, DirectoryPlace):
            (place.root.parent / "secret").write_text("not yours")
        place.add("a/b", b"")
        with contextlib.suppress(StoreError):
            assert store.list(prefix) == Listing(objects=(), prefixes=())

    def test_a_missing_place_is_not_found(self, place: Place) -> None:
        """A bucket or directory that does not exist is not an empty one."""
        url = f"{place.url()}-absent" if isinstance(place, DirectoryPlace) else "gs://no-such-bucket/x/"
        absent = open_store(url, deadline=Deadline(60.0), environ=place.environ)
        for ask in (lambda: absent.list(delimiter="/"), lambda: absent.read(MARKER, limit=10)):
            with pytest.raises(ObjectNotFoundError):
                ask()


class TestWrite:
    def write(self, store: Store, data: bytes, if_generation: str | None) -> str:
        return store.write(
            MARKER, data, if_generation=if_generation, cache_control="no-store", metadata={"why": "a test +"}
        )

    def test_writes_what_did_not_exist(self, store: Store) -> None:
        """Without a generation the object must not exist; the new generation is what a reader sees."""
        generation = self.write(store, b"one\n", None)
        content = store.read(MARKER, limit=1024)
        assert (content.data, content.generation) == (b"one\n", generation)
        assert [each.name for each in store.list().objects] == [MARKER]

    def test_replaces_what_was_read(self, place: Place, store: Store) -> None:
        """With the generation that was read, the object is replaced and has a new one."""
        place.add(MARKER, b"old\n")
        before = store.read(MARKER, limit=1024).generation
        after = self.write(store, b"new\n", before)
        assert after != before
        assert store.read(MARKER, limit=1024).data == b"new\n"
        assert self.write(store, b"newer\n", after) not in {before, after}

    def test_does_not_replace_what_has_changed(self, store: Store) -> None:
        """A generation that is gone loses, and the object stays as the winner left it."""
        first = self.write(store, b"one\n", None)
        self.write(store, b"two\n", first)
        with pytest.raises(PreconditionFailedError):
            self.write(store, b"three\n", first)
        assert store.read(MARKER, limit=1024).data == b"two\n"

    def test_does_not_replace_what_was_thought_absent(self, place: Place, store: Store) -> None:
        """Without a generation an object that does exist wins."""
        place.add(MARKER, b"old\n")
        with pytest.raises(PreconditionFailedError):
            self.write(store, b"new\n", None)
        assert store.read(MARKER, limit=1024).data == b"old\n"

    def test_does_not_revive_what_was_read_and_is_gone(self, place: Place, store: Store) -> None:
        """With a generation of an object that is not there, nothing is written."""
        place.add("other", b"x")
        generation = store.read("other", limit=10).generation
        with pytest.raises(PreconditionFailedError):
            self.write(store, b"new\n", generation)
        with pytest.raises(ObjectNotFoundError):
            store.read(MARKER, limit=10)

    def test_one_of_many_writers_wins(self, place: Place, store: Store) -> None:
        """Comparing the generation and writing are one step, whoever else writes."""
        generation = self.write(store, b"start\n", None)
        outcomes: list[str] = []

        def compete(number: int) -> None:
            try:
                self.write(opened(place), f"{number}\n".encode(), generation)
                outcomes.append(f"{number}\n")
            except PreconditionFailedError:
                outcomes.append("lost")

        writers = [threading.Thread(target=compete, args=(number,)) for number in range(6)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        (winner,) = [outcome for outcome in outcomes if outcome != "lost"]
        assert len(outcomes) == 6
        assert store.read(MARKER, limit=1024).data == winner.encode()

    def test_keeps_headers_and_metadata_where_there_are_any(self, place: Place, store: Store) -> None:
        """In a bucket the object is served with its cache control, and carries its metadata."""
        self.write(store, b"one\n", None)
        if isinstance(place, ServerPlace):
            held = place.server.bucket().get(place.root + MARKER)
            assert held is not None
            assert (held.cache_control, held.metadata) == ("no-store", {"why": "a test +"})
        elif isinstance(place, FakeGcsPlace):
            blob = place.server.client.bucket(place.bucket).get_blob(KOPS_ROOT + MARKER)
            assert (blob.cache_control, blob.metadata) == ("no-store", {"why": "a test +"})
        else:
            assert [each.name for each in store.list().objects] == [MARKER]


class TestDownload:
    DATA = bytes(range(256)) * 10_000  # 2.56 MB: more than two pieces

    def test_streams_in_pieces(self, place: Place, store: Store) -> None:
        """The content comes whole, in pieces of at most 1 MiB, none of them empty."""
        place.add("1.30.0+v1/kops", self.DATA)
        pieces = list(store.download("1.30.0+v1/kops"))
        assert b"".join(pieces) == self.DATA
        assert all(0 < len(piece) <= PIECE for piece in pieces)
        assert len(pieces) > 2

    @pytest.mark.parametrize("offset", [0, 1, 1_048_576, len(DATA) - 1, len(DATA), len(DATA) + 1, 10**9])
    def test_begins_at_the_offset(self, place: Place, store: Store, offset: int) -> None:
        """From an offset at or past the end comes nothing, which is no error."""
        place.add("object", self.DATA)
        assert b"".join(store.download("object", offset=offset)) == self.DATA[offset:]

    @pytest.mark.parametrize("offset", [0, 1])
    def test_of_an_empty_object_is_nothing(self, place: Place, store: Store, offset: int) -> None:
        """No pieces, whatever the offset."""
        place.add("object", b"")
        assert list(store.download("object", offset=offset)) == []

    def test_can_be_given_up(self, place: Place, store: Store) -> None:
        """Who has enough closes the iterator; the store goes on working."""
        place.add("object", self.DATA)
        pieces: Iterator[bytes] = store.download("object")
        assert next(pieces) == self.DATA[: len(next(iter(store.download("object"))))]
        pieces.close()  # type: ignore[attr-defined]  # a generator, by the language of the protocol an iterator
        assert store.stat("object").size == len(self.DATA)


READ_BY_BOTH = tuple(name for name in PLACES if name != "directory" and "client" not in name)


class TestTwoReaders:
    """What is read as nobody and what is read through Google's client is the same, object by object."""

    @pytest.mark.parametrize("place", READ_BY_BOTH, indirect=True)
    def test_listings_are_the_same(self, place: Place, filled: Store) -> None:
        """Whatever the prefix, the delimiter and the glob; in as many pages."""
        client = by_client(place)
        for prefix in ("", "1.", "1.29.", f"{BUILD}/", "markers/", "absent"):
            for delimiter in ("", "/", "."):
                for glob in ("", "1.29.*/linux/amd64/kops.sha256") if delimiter != "." else ("",):
                    before = filled.requests, client.requests
                    ours = filled.list(prefix, delimiter=delimiter, match_glob=glob)
                    assert client.list(prefix, delimiter=delimiter, match_glob=glob) == ours
                    assert filled.requests - before[0] == client.requests - before[1]
                ranged = filled.list(prefix, delimiter=delimiter, start="0", end=":")
                assert client.list(prefix, delimiter=delimiter, start="0", end=":") == ranged

    @pytest.mark.parametrize("place", READ_BY_BOTH, indirect=True)
    def test_objects_are_the_same(self, place: Place, filled: Store) -> None:
        """Content, size, times, generation and ETag."""
        client = by_client(place)
        for name in NAMES:
            for limit in (3, 1024):
                theirs, ours = client.read(name, limit=limit), filled.read(name, limit=limit)
                assert (
                    ours.etag is not None
                )  # one server writes it in quotes in a header, and without in JSON
                assert evolve(ours, etag=ours.etag.strip('"')) == theirs
            assert client.stat(name) == filled.stat(name)
            assert list(client.download(name, offset=2)) == list(filled.download(name, offset=2))


class TestPlaces:
    def test_urls_of_the_root_end_in_a_slash(self, store: Store) -> None:
        """The store's own URL does, and that of an empty name."""
        assert store.url.endswith("/")
        assert store.public_url("").endswith("/")

    def test_public_url_keeps_the_plus(self, store: Store) -> None:
        """``KOPS_BASE_URL`` has no trailing slash and a literal plus, and its last segment is the version."""
        assert store.public_url(BUILD) == f"{store.public_url('')}{BUILD}"

    def test_public_url_can_be_downloaded_from(self, filled: Store) -> None:
        """A script appends a path to it and fetches that."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"{filled.public_url(BUILD)}/linux/amd64/kops", timeout=10) as response:
            assert response.read() == f"{BUILD}/linux/amd64/kops".encode()

    def test_trailing_slash_makes_no_difference(self, place: Place, filled: Store) -> None:
        """The URL may be written with or without it."""
        for url in (place.url().rstrip("/"), f"{place.url().rstrip('/')}/"):
            again = open_store(url, deadline=Deadline(60.0), environ=place.environ)
            assert again.url == filled.url
            assert names_of(again.list()) == (list(NAMES), [])

    def test_a_passed_deadline_asks_nothing(self, place: Place) -> None:
        """After the deadline no bucket is asked at all."""
        late = opened(place, seconds=0.0)
        if isinstance(place, DirectoryPlace):
            assert late.list() == Listing(objects=(), prefixes=())
            return
        for ask in (
            lambda: late.list(),
            lambda: late.read(MARKER, limit=1),
            lambda: list(late.download("a")),
        ):
            with pytest.raises(StoreUnavailableError):
                ask()
        assert late.requests == 0


# --------------------------------------------------------------------------------------------------
# What only one place can show


class TestDirectory:
    @pytest.mark.parametrize(
        "form", ["{path}", "file://{path}", "file://{quoted}", "file://localhost{quoted}"]
    )
    def test_forms_of_its_url(self, tmp_path: Path, form: str) -> None:
        """A path, and a ``file://`` URL with or without percent-encoding."""
        root = tmp_path / "a b+c"
        (root / "1.30.0").mkdir(parents=True)
        (root / "1.30.0" / "kops").write_bytes(b"x")
        url = form.format(path=root, quoted=quote(str(root)))
        store = open_store(url, deadline=Deadline(60.0), environ={})
        assert names_of(store.list()) == (["1.30.0/kops"], [])


@pytest.fixture
def bucket_store(gcs_server: GcsServer) -> Store:
    """A store on our server with the builds in it."""
    place = ServerPlace(gcs_server, KOPS_ROOT)
    for name in NAMES:
        place.add(name, name.encode(), MOMENT)
    return opened(place)


class TestBucket:
    def test_sends_what_is_asked_and_no_more(self, gcs_server: GcsServer, bucket_store: Store) -> None:
        """One request for each question, none behind one's back, and the store counts as the server does."""
        assert gcs_server.requests == []
        bucket_store.list(delimiter=".")
        bucket_store.list("1.", delimiter=".")
        bucket_store.list("1.29.", delimiter="/")
        bucket_store.list("1.29.", match_glob="**/linux/amd64/kops.sha256")
        bucket_store.list(f"{BUILD}/")
        bucket_store.list("markers/")
        bucket_store.read(MARKER, limit=1024)
        bucket_store.stat(MARKER)
        list(bucket_store.download(f"{BUILD}/linux/amd64/kops"))
        assert gcs_server.kinds == [
            Kind.MAJORS,
            Kind.MINORS,
            Kind.BUILDS,
            Kind.UPLOADS,
            Kind.OBJECTS,
            Kind.MARKERS_LIST,
            Kind.MARKER,
            Kind.STAT,
            Kind.MEDIA,
        ]
        assert bucket_store.requests == len(gcs_server.requests)

    def test_asks_for_fields_and_compression_anonymously(
        self, gcs_server: GcsServer, bucket_store: Store
    ) -> None:
        """Every listing and every stat names its fields; no request carries credentials."""
        bucket_store.list(delimiter=".")
        bucket_store.list("1.29.", delimiter="/")
        bucket_store.stat(MARKER)
        bucket_store.read(MARKER, limit=1024)
        for request in gcs_server.requests:
            assert "authorization" not in request.headers
            if request.kind in LISTINGS | {Kind.STAT}:
                assert "name" in request.query["fields"]
                assert "gzip" in request.headers["accept-encoding"]

    def test_one_connection_serves_many_requests(self, gcs_server: GcsServer, bucket_store: Store) -> None:
        """Connections are kept alive, whatever is asked on them."""
        for _ in range(3):
            bucket_store.list(delimiter="/")
            bucket_store.read(MARKER, limit=1024)
            bucket_store.read(MARKER, limit=1)
            bucket_store.stat(MARKER)
        assert gcs_server.connections <= 4  # a body that is not read to its end costs its connection

    @pytest.mark.parametrize(
        "url",
        [
            f"gs://{KOPS_BUCKET}/kops/releases",
            f"gs://{KOPS_BUCKET}/kops/releases/",
            f"gs://{KOPS_BUCKET}//kops//releases//",
            f"https://storage.googleapis.com/{KOPS_BUCKET}/kops/releases",
            f"https://storage.googleapis.com/{KOPS_BUCKET}/kops%2Freleases/",
        ],
    )
    def test_forms_of_its_url(self, gcs_server: GcsServer, bucket_store: Store, url: str) -> None:
        """A bucket is named by either scheme."""
        environ = {"STORAGE_EMULATOR_HOST": gcs_server.url}
        again = open_store(url, deadline=Deadline(60.0), environ=environ)
        assert again.url == bucket_store.url
        assert names_of(again.list()) == (list(NAMES), [])

    @pytest.mark.parametrize(
        "form", ["http://127.0.0.1:{port}", "127.0.0.1:{port}", "http://127.0.0.1:{port}/"]
    )
    def test_forms_of_the_emulator(self, gcs_server: GcsServer, bucket_store: Store, form: str) -> None:
        """``STORAGE_EMULATOR_HOST`` is honoured with and without its scheme."""
        environ = {"STORAGE_EMULATOR_HOST": form.format(port=gcs_server.port)}
        again = open_store(bucket_store.url, deadline=Deadline(60.0), environ=environ)
        assert names_of(again.list()) == (list(NAMES), [])

    def test_official_url_without_emulator(self) -> None:
        """The base URL of the real bucket is what the markers hold; opening it asks nothing."""
        store = open_store(OFFICIAL_ROOT, deadline=Deadline(60.0), environ={})
        assert store.public_url(BUILD) == OFFICIAL_ROOT + BUILD
        assert store.requests == 0

    @pytest.mark.parametrize("status", [401, 403])
    def test_denial_is_said_at_once(self, gcs_server: GcsServer, bucket_store: Store, status: int) -> None:
        """Access that is denied is not asked for twice."""
        gcs_server.deny_listing = gcs_server.deny_reading = gcs_server.deny_writing = (
            401 if status == 401 else 403
        )
        with pytest.raises(AccessDeniedError):
            bucket_store.list(delimiter=".")
        with pytest.raises(AccessDeniedError):
            bucket_store.read(MARKER, limit=1024)
        with pytest.raises(AccessDeniedError):
            bucket_store.write("new", b"", if_generation=None, cache_control="no-store", metadata={})
        assert len(gcs_server.requests) == 3

    def test_refused_connection_is_unavailable(self) -> None:
        """Nobody listening is an outage: it is tried as often as the policy says, then said."""
        environ = {"STORAGE_EMULATOR_HOST": f"http://127.0.0.1:{closed_port()}"}
        policy = AttemptPolicy(max_attempts=3, initial=0.0)
        store = open_store("gs://bucket/x", deadline=Deadline(60.0), attempts=policy, environ=environ)
        with pytest.raises(StoreUnavailableError) as caught:
            store.list(delimiter=".")
        assert caught.value.transient
        assert store.requests == 3
