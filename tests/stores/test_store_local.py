"""The directory store: it lists as a bucket does, and never leaves its directory."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kopsversion.errors import (
    AccessDeniedError,
    ObjectNotFoundError,
    PreconditionFailedError,
    StoreError,
    StoreUnavailableError,
    UsageError,
)
from kopsversion.model.layout import DEFAULT_STORE
from kopsversion.stores import open_store
from kopsversion.stores.base import PIECE, Listing, fold
from kopsversion.stores.deadline import Deadline, side_by_side
from kopsversion.stores.globs import glob_matcher, is_literal
from kopsversion.stores.local import HIDDEN, DirectoryStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

BUILD = "1.29.0-alpha.4+v1.29.0-alpha.3-378-g22ce1230da"
MARKER = "markers/master/latest-ci.txt"
UPLOADED = datetime(2024, 3, 6, 13, 40, 0, 250000, tzinfo=UTC)

HOSTILE_NAMES = (
    "",
    "/etc/passwd",
    "../outside.txt",
    "markers/../../outside.txt",
    "markers/./x",
    "markers//x",
    "markers/",
    ".",
    "a\0b",
    "a\nb",
    "a\x7fb",
    "\ud800",
    "x" * 1025,
)


def lay_out(root: Path, *names: str) -> None:
    """Write files whose content is their own name, all uploaded at `UPLOADED`."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
        os.utime(path, (UPLOADED.timestamp(), UPLOADED.timestamp()))


def directory_store(root: Path, **options: Any) -> DirectoryStore:
    return DirectoryStore(root, **{"deadline": Deadline(60), **options})


def names_of(listing: Listing) -> list[str]:
    return [each.name for each in listing.objects]


def write(
    store: DirectoryStore,
    name: str,
    data: bytes,
    *,
    if_generation: str | None = None,
    metadata: Mapping[str, str] | None = None,
) -> str:
    return store.write(
        name, data, if_generation=if_generation, cache_control="no-store", metadata=metadata or {}
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path = tmp_path / "bucket"
    path.mkdir()
    return path


@pytest.fixture
def store(root: Path) -> DirectoryStore:
    return directory_store(root)


@contextlib.contextmanager
def forbidden(path: Path) -> Iterator[None]:
    """Take all rights on `path` away, for a process that is bound by them."""
    path.chmod(0)
    try:
        yield
    finally:
        path.chmod(0o755)


class TestOpening:
    @pytest.mark.parametrize("form", ["path", "url", "slashed", "localhost", "upper"])
    def test_each_way_to_write_a_directory_opens_the_same(self, form: str, tmp_path: Path) -> None:
        """A path and a file URL, escaped or not, open the same directory."""
        root = tmp_path / "a b+c%20d"
        lay_out(root, "x")
        escaped = str(root).replace("%", "%25")
        urls = {
            "path": str(root),
            "url": f"file://{escaped}".replace(" ", "%20"),
            "slashed": f"file://{escaped}/",
            "localhost": f"file://localhost{escaped}",
            "upper": f"FILE://{escaped}",
        }
        store = open_store(urls[form], deadline=Deadline(60), environ={})
        assert names_of(store.list()) == ["x"]
        assert store.url == f"file://{tmp_path}/a%20b+c%2520d/"

    def test_a_relative_path_is_made_absolute(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A relative path counts from the current directory, and the URLs made of it do not change later."""
        lay_out(root, "x")
        monkeypatch.chdir(root.parent)
        store = open_store("bucket", deadline=Deadline(60), environ={})
        monkeypatch.chdir("/")
        assert store.url == f"file://{root}/"
        assert names_of(store.list()) == ["x"]

    @pytest.mark.parametrize(
        "url",
        [
            "",
            "a\0b",
            "s3://bucket/x",
            "http://storage.googleapis.com/bucket/",
            "https://storage.googleapis.com/",
            "https://storage.googleapis.com/bucket/x?y=1",
            "https://storage.googleapis.com/bucket/#x",
            "https://storage.googleapis.com:8443/bucket/",
            "https://storage.googleapis.com:80/bucket/",
            "https://storage.googleapis.com:0/bucket/",
            "https://storage.googleapis.com:x/bucket/",
            "https://user@storage.googleapis.com/bucket/",
            "https://user@storage.googleapis.com:443/bucket/",
            "https://@storage.googleapis.com/bucket/",
            "https://storage.googleapis.com\\@example.com/bucket/",
            "https://[::1/bucket/",
            "https:bucket",
            "gs:bucket",
            "gs://",
            "gs:///x",
            "gs://bad!bucket/x",
            "gs://bucket/../x",
            "gs://bucket/a\nb",
            "https://storage.googleapis.com/bucket/%2e%2e/x",
            "file:x",
            "file://",
            "file://elsewhere/x",
            "file:///x%00y",
            "http://",
            "https:///place/",
            "https://user@mirror.example/kops/",
            "https://@mirror.example/kops/",
            "https://mirror.example/kops/?x=y",
            "https://mirror.example/kops?",
            "https://mirror.example/kops/#x",
            "https://mirror.example/kops/#",
            "https://mirror.example/../kops/",
            "https://mirror.example/%2e%2e/kops/",
            "https://mirror.example/a%2Fb/",
            "https://mirror.example/a%00b/",
            "https://mirror.example/a%FFb/",
            "https://mirror.example/a\nb/",
            "https://mirror.example/\x1b[31m/",
            "https://mirror.example\\@evil.example/",
            "https://mirror.example:0/",
            "https://mirror.example:x/",
            "https://mirror.example:99999/",
            "https://mirror example/kops/",
            "https://-mirror.example/kops/",
            "https://m\u0131rror.example/kops/",
            "https://a\u2100b/kops/",
            "https://[::1/kops/",
            "https://[::g]/kops/",
            "https://[v1.fe]/kops/",
            "http://storage.googleapis.com./bucket/",
            "https://storage.cloud.google.com/bucket/x/",
            "https://console.cloud.google.com/storage/browser/bucket/",
        ],
    )
    def test_what_names_no_store_is_refused(self, url: str) -> None:
        """Anything else is a usage error that shows the value and the forms expected."""
        with pytest.raises(UsageError) as caught:
            open_store(url, deadline=Deadline(60), environ={})
        assert ascii(url) in str(caught.value)
        assert "gs://bucket/prefix/" in caught.value.hint
        assert "file:///dir" in caught.value.hint

    @pytest.mark.parametrize(
        ("url", "shown"),
        [
            ("https://u:hunter2@mirror.example/kops/", "https://u:...@mirror.example/kops/"),
            ("https://:hunter2@mirror.example/", "https://:...@mirror.example/"),
            ("https://u:hunter2@x@mirror.example/", "https://u:...@mirror.example/"),
            ("gs://u:hunter2@bucket/x", "gs://u:...@bucket/x"),
            (
                "https://storage.googleapis.com/b/x?X-Goog-Signature=hunter2&a=b",
                "https://storage.googleapis.com/b/x?X-Goog-Signature=...&a=b",
            ),
            ("https://mirror.example/kops/?sv=1&access_token=hunter2", "?sv=1&access_token=..."),
        ],
    )
    def test_a_secret_in_a_url_is_refused_and_not_repeated(self, url: str, shown: str) -> None:
        """A password or a signature in a message would end in the log of a job."""
        with pytest.raises(UsageError) as caught:
            open_store(url, deadline=Deadline(60), environ={})
        assert shown in str(caught.value)
        assert "hunter2" not in f"{caught.value}{caught.value.hint}"

    def test_the_default_store_is_where_kops_publishes(self) -> None:
        """Nobody has to know the bucket's name."""
        assert DEFAULT_STORE == "https://storage.googleapis.com/k8s-staging-kops/kops/releases/"

    def test_a_directory_needs_no_cloud(self, root: Path) -> None:
        """Opening and listing a directory imports neither google.cloud nor requests nor tenacity."""
        script = (
            "import sys\n"
            "from kopsversion.stores import open_store\n"
            "from kopsversion.stores.deadline import Deadline\n"
            f"open_store({str(root)!r}, deadline=Deadline(60), environ={{}}).list()\n"
            "print([m for m in ('google.cloud', 'google.auth', 'requests', 'urllib3', 'tenacity')"
            " if m in sys.modules])\n"
        )
        ended = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
        )
        assert ended.stdout.strip() == "[]"


class TestUrls:
    def test_base_url_has_a_literal_plus_and_no_slash_at_its_end(self, tmp_path: Path) -> None:
        """KOPS_BASE_URL keeps its plus, and what a shell or URL would trip over is escaped (DESIGN 2)."""
        store = directory_store(tmp_path / "my bucket")
        assert store.public_url(BUILD) == f"file://{tmp_path}/my%20bucket/{BUILD}"

    def test_a_symlink_is_resolved_in_what_others_read(self, root: Path, tmp_path: Path) -> None:
        """The store is named as it was given, its builds where they really are."""
        (tmp_path / "lin k").symlink_to(root)
        store = directory_store(tmp_path / "lin k")
        assert store.url == f"file://{tmp_path}/lin%20k/"
        assert store.public_url(BUILD) == f"file://{root}/{BUILD}"

    def test_the_root_directory_itself_has_one_slash(self) -> None:
        """The store of / is written file:///."""
        store = directory_store(Path("/"))
        assert store.url == "file:///"
        assert store.public_url("1.29.0") == "file:///1.29.0"

    def test_nothing_is_requested(self, store: DirectoryStore) -> None:
        """A directory sends no requests, so it counts none."""
        assert store.is_local
        store.list()
        assert store.requests == 0


class TestList:
    def test_lists_files_with_size_and_time(self, root: Path, store: DirectoryStore) -> None:
        """Each file is an object with its size and mtime, in order of its name."""
        lay_out(root, f"{BUILD}/linux/amd64/kops", "a")
        found = store.list().objects
        assert [(each.name, each.size, each.uploaded) for each in found] == [
            (f"{BUILD}/linux/amd64/kops", len(BUILD) + 17, UPLOADED),
            ("a", 1, UPLOADED),
        ]

    @pytest.mark.parametrize(
        ("prefix", "delimiter", "names", "prefixes"),
        [
            ("", "/", ["top.txt"], ["1.29.0/", "1.30.0+x/", "markers/"]),
            ("", ".", [], ["1.", "markers/master/latest-ci.", "top."]),
            ("1.", ".", [], ["1.29.", "1.30."]),
            ("1.29.", "/", [], ["1.29.0/"]),
            ("1.30.0+x/", "/", ["1.30.0+x/file"], ["1.30.0+x/linux/"]),
            ("1.30.0+x/f", "", ["1.30.0+x/file"], []),
            ("1.30.0+x/linux", "/", [], ["1.30.0+x/linux/"]),
            ("1.30.0+x/linux/", "/", ["1.30.0+x/linux/kops"], []),
            ("", "/linux", ["1.30.0+x/file", MARKER, "top.txt"], ["1.29.0/linux", "1.30.0+x/linux"]),
            ("", "x/l", ["1.29.0/linux/kops", "1.30.0+x/file", MARKER, "top.txt"], ["1.30.0+x/l"]),
            ("top.txt", "", ["top.txt"], []),
            ("top.txt/", "", [], []),
            ("absent/", "", [], []),
            ("absent/deeper/", "/", [], []),
            ("/", "", [], []),
            ("../", "", [], []),
            ("1.29.0/../", "", [], []),
            ("1.29.0//", "", [], []),
            ("\ud800/", "", [], []),
            ("x" * 300 + "/", "", [], []),
        ],
    )
    def test_lists_as_a_bucket_does(
        self,
        prefix: str,
        delimiter: str,
        names: list[str],
        prefixes: list[str],
        root: Path,
        store: DirectoryStore,
    ) -> None:
        """Prefixes that end in the middle of a name, and any delimiter, mean what they mean to GCS."""
        lay_out(root, "1.29.0/linux/kops", "1.30.0+x/linux/kops", "1.30.0+x/file", MARKER, "top.txt")
        listing = store.list(prefix, delimiter=delimiter)
        assert (names_of(listing), list(listing.prefixes)) == (names, prefixes)

    @given(
        names=st.sets(
            st.lists(st.sampled_from(["1", "1.2", "1.2+a", "b.c", "b"]), min_size=1, max_size=3).map(
                "/".join
            ),
            max_size=8,
        ),
        prefix=st.sampled_from(["", "1", "1.", "1.2/", "1.2/b", "b", "b/1", "b.c/b/"]),
        delimiter=st.sampled_from(["", "/", ".", "+", "2/", "b"]),
    )
    def test_agrees_with_the_definition_of_a_listing(
        self, names: set[str], prefix: str, delimiter: str, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        """For any names, prefix and delimiter, the walk finds what folding the list of all names does."""
        held = {name for name in names if not any(other.startswith(f"{name}/") for other in names)}
        root = tmp_path_factory.mktemp("law")
        lay_out(root, *held)
        listing = directory_store(root).list(prefix, delimiter=delimiter)
        wanted = [name for name in sorted(held) if name.startswith(prefix)]
        folded = [fold(name, prefix=prefix, delimiter=delimiter) for name in wanted]
        assert names_of(listing) == [
            name for name, common in zip(wanted, folded, strict=True) if common is None
        ]
        assert set(listing.prefixes) == {common for common in folded if common is not None}

    def test_does_not_look_into_what_is_folded(
        self, root: Path, store: DirectoryStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Listing the top of a bucket of many builds reads one directory, however many builds there are."""
        lay_out(root, *(f"1.{n % 31}.0+x{n}/linux/amd64/kops" for n in range(100)))
        scanned: list[str] = []
        scandir = os.scandir

        def counted(path: str) -> Any:
            scanned.append(path)
            return scandir(path)

        monkeypatch.setattr(os, "scandir", counted)
        assert len(store.list(delimiter="/").prefixes) == 100
        assert len(store.list("1.", delimiter=".").prefixes) == 31
        assert scanned == [str(root), str(root)]

    def test_a_glob_filters_names_and_prefixes(self, root: Path, store: DirectoryStore) -> None:
        """match_glob keeps the objects and the common prefixes whose names match."""
        lay_out(
            root, *(f"1.29.{n}/linux/{arch}/kops.sha256" for n in range(3) for arch in ("amd64", "arm64"))
        )
        found = store.list("1.29.", match_glob="1.29.*/linux/amd64/kops.sha256")
        assert names_of(found) == [f"1.29.{n}/linux/amd64/kops.sha256" for n in range(3)]
        assert store.list(delimiter="/", match_glob="*[12]/").prefixes == ("1.29.1/", "1.29.2/")

    def test_our_own_files_are_not_listed(self, root: Path, store: DirectoryStore) -> None:
        """A file that is being written, or holds metadata, is no object."""
        lay_out(root, f"{HIDDEN}tmp", f"a/{HIDDEN}metadata-x.json", "a/x")
        assert names_of(store.list()) == ["a/x"]

    def test_strange_names_are_listed_and_harm_nothing(self, root: Path, store: DirectoryStore) -> None:
        """Spaces, newlines and percent signs are names; bytes that are not UTF-8 are shown escaped."""
        lay_out(root, "a b", "new\nline", "p%2Bq", "ü")
        Path(os.fsdecode(bytes(root) + b"/bad\xff")).mkdir()
        lay_out(Path(os.fsdecode(bytes(root) + b"/bad\xff")), "x")
        assert names_of(store.list()) == ["a b", "bad\\xff/x", "new\nline", "p%2Bq", "ü"]

    def test_only_regular_files_are_objects(self, root: Path, store: DirectoryStore) -> None:
        """Pipes are neither listed nor read, which would wait for their writer for ever."""
        lay_out(root, "x")
        os.mkfifo(root / "pipe")
        (root / "to-pipe").symlink_to("pipe")
        assert names_of(store.list()) == ["x"]
        for name in ("pipe", "to-pipe"):
            with pytest.raises(ObjectNotFoundError):
                store.read(name, limit=10)

    @pytest.mark.parametrize(("seconds", "year"), [(-(10**12), 1), (10**12, 9999), (10**20, 9999)])
    def test_times_beyond_the_calendar_are_clamped(
        self, seconds: int, year: int, root: Path, store: DirectoryStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A file system's year 33658, or one before year 1, does not end the listing."""
        lay_out(root, "x")
        lstat = os.lstat
        monkeypatch.setattr(os, "lstat", lambda path: _at(lstat(path), seconds))
        assert store.list().objects[0].uploaded.year == year

    @pytest.mark.parametrize(("kind", "said"), [("absent", "does not exist"), ("file", "is not a directory")])
    def test_a_root_that_is_no_directory_is_no_store(self, kind: str, said: str, tmp_path: Path) -> None:
        """A missing directory is an error that names it, not an empty bucket."""
        if kind == "file":
            (tmp_path / "bucket").touch()
        with pytest.raises(ObjectNotFoundError, match=f"bucket' {said}") as caught:
            directory_store(tmp_path / "bucket").list("1.29", delimiter="/")
        assert caught.value.exit_code == 4

    def test_what_vanishes_meanwhile_is_left_out(
        self, root: Path, store: DirectoryStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A file or directory that is deleted while the listing runs was not there."""
        lay_out(root, "dir/x", "file", "kept")
        scandir = os.scandir

        def racing(path: str) -> Any:
            if path == str(root / "dir"):
                (root / "dir" / "x").unlink()
                (root / "dir").rmdir()
            with scandir(path) as found:
                entries = [*found]
            (root / "file").unlink(missing_ok=True)
            return contextlib.nullcontext(entries)

        monkeypatch.setattr(os, "scandir", racing)
        assert names_of(store.list()) == ["kept"]


def _at(status: os.stat_result, seconds: int) -> os.stat_result:
    return os.stat_result((*status[:8], seconds, *status[9:10]))


class TestSymlinks:
    def test_a_symlink_inside_counts_as_what_it_leads_to(self, root: Path, store: DirectoryStore) -> None:
        """A link to a build or file of the directory is listed and read like a copy."""
        lay_out(root, "1.29.0/kops", "x")
        (root / "latest").symlink_to("1.29.0")
        (root / "y").symlink_to(root / "x")
        assert names_of(store.list()) == ["1.29.0/kops", "latest/kops", "x", "y"]
        assert store.list(delimiter="/").prefixes == ("1.29.0/", "latest/")
        assert names_of(store.list("latest/k")) == ["latest/kops"]
        assert store.read("latest/kops", limit=99).data == b"1.29.0/kops"
        assert store.read("y", limit=99).data == b"x"

    def test_a_symlink_that_leaves_the_directory_does_not_exist(
        self, root: Path, store: DirectoryStore, tmp_path: Path
    ) -> None:
        """Nothing outside is listed, read, downloaded or written through a link, and nothing dangles."""
        lay_out(tmp_path, "outside/secret", "bucket-too/secret")
        lay_out(root, "x")
        (root / "out").symlink_to(tmp_path / "outside")
        (root / "sibling").symlink_to(tmp_path / "bucket-too")
        (root / "secret").symlink_to("../outside/secret")
        (root / "dangling").symlink_to("nowhere")
        (root / "loop").symlink_to("loop")
        assert store.list() == store.list(delimiter="/")
        assert names_of(store.list()) == ["x"]
        for prefix in ("out/", "sibling/", "dangling/", "loop/"):
            assert store.list(prefix) == Listing((), ())
        for name in ("out/secret", "sibling/secret", "secret", "dangling", "loop", "loop/x"):
            with pytest.raises(ObjectNotFoundError):
                store.read(name, limit=10)
            with pytest.raises(ObjectNotFoundError):
                store.stat(name)
            with pytest.raises(ObjectNotFoundError):
                list(store.download(name))
        with pytest.raises(ObjectNotFoundError):
            write(store, "out/new", b"x")
        assert sorted(each.name for each in (tmp_path / "outside").iterdir()) == ["secret"]

    def test_writing_replaces_a_link_and_not_what_it_leads_to(
        self, root: Path, store: DirectoryStore, tmp_path: Path
    ) -> None:
        """A link at the place of a marker cannot make us write elsewhere."""
        lay_out(tmp_path, "victim")
        (root / "marker").symlink_to(tmp_path / "victim")
        write(store, "marker", b"new")
        assert (tmp_path / "victim").read_bytes() == b"victim"
        assert not (root / "marker").is_symlink()

    def test_links_in_circles_end(self, root: Path, store: DirectoryStore) -> None:
        """A link to a directory above itself is not followed again."""
        lay_out(root, "a/b/x")
        (root / "a/b/up").symlink_to("..")
        (root / "a/b/top").symlink_to(root)
        (root / "c").symlink_to("a/b")
        (root / "a/d").symlink_to("b")
        everything = names_of(store.list())
        assert {"a/b/x", "a/d/x", "c/x"} <= set(everything)
        for prefix in ("a/", "a/b/", "a/b/up/", "a/b/top/a/", "a/d/", "c/", "c/up/", "c/up/b/", "c/up/d/"):
            assert names_of(store.list(prefix)) == [name for name in everything if name.startswith(prefix)]


class TestRead:
    def test_reads_content_generation_and_time(self, root: Path, store: DirectoryStore) -> None:
        """A read tells what a file holds, when it was written, and a generation."""
        lay_out(root, MARKER)
        content = store.read(MARKER, limit=1024)
        assert (content.data, content.written) == (MARKER.encode(), UPLOADED)
        stat = store.stat(MARKER)
        assert (stat.name, stat.size, stat.uploaded) == (MARKER, len(MARKER), UPLOADED)
        assert stat.generation == content.generation is not None

    @pytest.mark.parametrize(("size", "got"), [(0, 0), (9, 9), (10, 10), (11, 11), (5_000_000, 11)])
    def test_takes_one_byte_more_than_the_limit(
        self, size: int, got: int, root: Path, store: DirectoryStore
    ) -> None:
        """A marker of five megabytes costs no more memory than its limit (FAILURES row 10)."""
        (root / "x").write_bytes(b"x" * size)
        assert len(store.read("x", limit=10).data) == got

    @pytest.mark.parametrize("name", HOSTILE_NAMES)
    def test_names_that_lead_elsewhere_are_refused(
        self, name: str, root: Path, store: DirectoryStore, tmp_path: Path
    ) -> None:
        """No path traversal through an object's name, for any kind of access."""
        (tmp_path / "outside.txt").write_bytes(b"secret")
        with pytest.raises(StoreError, match="is not a name"):
            store.read(name, limit=10)
        with pytest.raises(StoreError, match="is not a name"):
            store.stat(name)
        with pytest.raises(StoreError, match="is not a name"):
            list(store.download(name))
        with pytest.raises(StoreError, match="is not a name"):
            write(store, name, b"overwritten")
        assert (tmp_path / "outside.txt").read_bytes() == b"secret"
        assert list(root.iterdir()) == []

    @pytest.mark.parametrize("name", ["absent", "dir", "file/below", "n" * 300])
    def test_what_is_no_file_does_not_exist(self, name: str, root: Path, store: DirectoryStore) -> None:
        """A directory, a missing file and a file taken for a directory are no objects."""
        lay_out(root, "dir/x", "file")
        with pytest.raises(ObjectNotFoundError, match="does not exist"):
            store.read(name, limit=10)

    def test_downloads_in_pieces_from_an_offset(self, root: Path, store: DirectoryStore) -> None:
        """A download streams at most a mebibyte at once, and can begin anywhere."""
        data = bytes(range(256)) * 10_000
        (root / "kops").write_bytes(data)
        pieces = list(store.download("kops"))
        assert b"".join(pieces) == data
        assert max(map(len, pieces)) <= PIECE
        assert b"".join(store.download("kops", offset=2_000_001)) == data[2_000_001:]
        assert list(store.download("kops", offset=len(data))) == []
        assert list(store.download("kops", offset=len(data) + 1)) == []

    def test_a_download_is_of_one_generation(self, root: Path, store: DirectoryStore) -> None:
        """A file that is replaced while it is read goes on as it was."""
        old = b"o" * (PIECE + 1)
        generation = write(store, "kops", old)
        pieces = store.download("kops")
        first = next(pieces)
        write(store, "kops", b"new", if_generation=generation)
        assert first + b"".join(pieces) == old

    def test_forbidden_files_and_directories_are_access_denied(self, root: Path, tmp_path: Path) -> None:
        """Missing rights are told apart from missing files, and a listing fails whole (FAILURES row 23)."""
        lay_out(root, "open/x", "shut/x", "file")
        program = (
            "import os, sys\n"
            "from pathlib import Path\n"
            "from kopsversion.stores.deadline import Deadline\n"
            "from kopsversion.stores.local import DirectoryStore\n"
            "root = Path(sys.argv[1])\n"
            "if os.getuid() == 0:\n"
            "    os.chroot(root.parent)\n"
            "    os.setuid(65534)\n"
            "    root = Path('/', root.name)\n"
            "store = DirectoryStore(root, deadline=Deadline(60))\n"
            "for call in (store.list, lambda: store.read('file', limit=9), lambda: store.list('shut/y/'),\n"
            "             lambda: store.write('open/new', b'', if_generation=None, cache_control='',"
            " metadata={})):\n"
            "    try:\n"
            "        print(call())\n"
            "    except Exception as error:\n"
            "        print(type(error).__name__)\n"
        )
        # Root is bound by no mode, so it becomes nobody; the directories above the test's are not nobody's.
        tmp_path.chmod(0o755)
        with forbidden(root / "shut"), forbidden(root / "file"):
            (root / "open").chmod(0o555)
            ended = subprocess.run(
                [sys.executable, "-c", program, str(root)],
                capture_output=True,
                text=True,
                timeout=60,
                check=True,
            )
            (root / "open").chmod(0o755)
        assert ended.stdout.split() == ["AccessDeniedError"] * 4

    @pytest.mark.parametrize(
        ("number", "kind"),
        [
            (errno.EACCES, AccessDeniedError),
            (errno.EPERM, AccessDeniedError),
            (errno.ELOOP, ObjectNotFoundError),
            (errno.EIO, StoreUnavailableError),
            (None, StoreUnavailableError),
        ],
    )
    def test_what_the_system_says_becomes_a_store_error(
        self,
        number: int | None,
        kind: type[StoreError],
        root: Path,
        store: DirectoryStore,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Every failure of the file system leaves the store as a StoreError, and keeps its cause."""
        lay_out(root, "x", "dir/x")
        failure = OSError() if number is None else OSError(number, os.strerror(number))

        def fail(*_arguments: object, **_options: object) -> None:
            raise failure

        monkeypatch.setattr(os, "open", fail)
        with pytest.raises(kind) as caught:
            store.read("x", limit=10)
        assert caught.value.__cause__ is failure
        assert caught.value.url == f"file://{root}/x"

    def test_a_sick_directory_fails_the_listing(
        self, root: Path, store: DirectoryStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A directory that cannot be looked up fails a listing below it, rather than being empty."""
        lay_out(root, "dir/x")
        realpath = os.path.realpath

        def sick(path: Any, **options: Any) -> str:
            if str(path).endswith("dir"):
                raise OSError(errno.EIO, "sick")
            real: str = realpath(path, **options)
            return real

        monkeypatch.setattr(os.path, "realpath", sick)
        with pytest.raises(StoreUnavailableError):
            store.list("dir/")


class TestWrite:
    def test_writes_a_new_object(self, root: Path, store: DirectoryStore) -> None:
        """A new object is readable by all, and directories above it are made."""
        generation = write(store, MARKER, b"text\n")
        assert (root / MARKER).read_bytes() == b"text\n"
        assert (root / MARKER).stat().st_mode & 0o777 == 0o644
        assert store.read(MARKER, limit=99).generation == generation
        assert [each.name for each in (root / MARKER).parent.iterdir()] == ["latest-ci.txt"]

    def test_replaces_only_what_was_read(self, root: Path, store: DirectoryStore) -> None:
        """A write succeeds with the generation that was read, and with no other (FAILURES row 3)."""
        first = write(store, MARKER, b"one")
        second = write(store, MARKER, b"two", if_generation=first)
        assert second != first
        for generation in (None, first, "1"):
            with pytest.raises(PreconditionFailedError, match="somebody else") as caught:
                write(store, MARKER, b"three", if_generation=generation)
            assert caught.value.exit_code == 5
        with pytest.raises(PreconditionFailedError):
            write(store, "absent", b"x", if_generation=first)
        assert (root / MARKER).read_bytes() == b"two"
        assert not (root / "absent").exists()

    def test_each_write_has_a_later_generation(self, root: Path) -> None:
        """Writes within one tick of the clock, or while it goes back, still differ from one another."""
        times = iter([5_000, 5_000, 4_000, 6_000])
        store = directory_store(root, now_ns=lambda: next(times))
        generation = None
        seen = []
        for _ in range(4):
            generation = write(store, "x", b"same", if_generation=generation)
            seen.append((root / "x").stat().st_mtime_ns)
        assert seen == [5_000, 5_001, 5_002, 6_000]

    def test_keeps_metadata_beside_the_object(self, root: Path, store: DirectoryStore) -> None:
        """The reason of a rollback is left where people can read it, and goes with the next write."""
        generation = write(store, "m/x", b"1", metadata={"reason": "broken", "by": "me"})
        beside = root / "m" / f"{HIDDEN}metadata-x.json"
        assert json.loads(beside.read_text()) == {"by": "me", "reason": "broken"}
        assert names_of(store.list()) == ["m/x"]
        write(store, "m/x", b"2", if_generation=generation)
        assert not beside.exists()

    def test_leaves_nothing_behind_when_it_fails(
        self, root: Path, store: DirectoryStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """When the disk is full, the old content stays and no temporary file does."""
        generation = write(store, "x", b"old")

        def full(_descriptor: int) -> None:
            raise OSError(errno.ENOSPC, "full")

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(StoreUnavailableError, match="No space left"):
            write(store, "x", b"new", if_generation=generation)
        assert [(each.name, each.read_bytes()) for each in root.iterdir()] == [("x", b"old")]

    def test_is_private_until_it_is_whole(
        self, root: Path, store: DirectoryStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A temporary file can be read by nobody else."""
        modes = []
        fchmod = os.fchmod

        def watched(descriptor: int, mode: int) -> None:
            modes.append(os.fstat(descriptor).st_mode & 0o777)
            fchmod(descriptor, mode)

        monkeypatch.setattr(os, "fchmod", watched)
        write(store, "x", b"text")
        assert modes == [0o600]

    def test_waits_for_another_writer(self, root: Path) -> None:
        """While another process holds the directory's lock, a writer waits and then goes on."""
        descriptor = os.open(root, os.O_RDONLY)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        naps: list[float] = []

        def sleep(seconds: float) -> None:
            naps.append(seconds)
            if len(naps) == 3:
                os.close(descriptor)

        write(directory_store(root, sleep=sleep), "x", b"text")
        assert len(naps) == 3
        assert (root / "x").read_bytes() == b"text"

    def test_waits_no_longer_than_the_deadline(self, root: Path) -> None:
        """A lock that is never released ends in an error that names the deadline."""
        now = 0.0

        def sleep(seconds: float) -> None:
            nonlocal now
            now += seconds

        descriptor = os.open(root, os.O_RDONLY)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        store = directory_store(root, sleep=sleep, deadline=Deadline(1, lambda: now))
        with pytest.raises(StoreUnavailableError, match="deadline of 1 s"):
            write(store, "x", b"text")
        os.close(descriptor)
        assert list(root.iterdir()) == []

    def test_of_racing_writers_each_change_is_seen_by_the_next(
        self, root: Path, store: DirectoryStore
    ) -> None:
        """Read, add one, write if unchanged: with many threads at it, no addition is ever lost."""
        write(store, "count", b"0")

        def add(times: int) -> Callable[[], None]:
            def work() -> None:
                done = 0
                while done < times:
                    read = store.read("count", limit=20)
                    try:
                        write(store, "count", b"%d" % (int(read.data) + 1), if_generation=read.generation)
                    except PreconditionFailedError:
                        continue
                    done += 1

            return work

        before = set(threading.enumerate())  # other tests may have left some behind their deadlines
        side_by_side([add(10) for _ in range(8)], deadline=Deadline(60), urls=[""] * 8)
        assert store.read("count", limit=20).data == b"80"
        for thread in set(threading.enumerate()) - before:
            thread.join(timeout=30)
            assert not thread.is_alive()

    def test_racing_processes_lose_no_change(self, root: Path, store: DirectoryStore) -> None:
        """The same with processes, which is what racing promoters are."""
        write(store, "count", b"0")
        program = (
            "import sys\n"
            "from pathlib import Path\n"
            "from kopsversion.errors import PreconditionFailedError\n"
            "from kopsversion.stores.deadline import Deadline\n"
            "from kopsversion.stores.local import DirectoryStore\n"
            "store = DirectoryStore(Path(sys.argv[1]), deadline=Deadline(60))\n"
            "done = 0\n"
            "while done < 20:\n"
            "    read = store.read('count', limit=20)\n"
            "    try:\n"
            "        store.write('count', b'%d' % (int(read.data) + 1), if_generation=read.generation,\n"
            "                    cache_control='', metadata={})\n"
            "    except PreconditionFailedError:\n"
            "        continue\n"
            "    done += 1\n"
        )
        processes = [subprocess.Popen([sys.executable, "-c", program, str(root)]) for _ in range(4)]
        assert [process.wait(60) for process in processes] == [0] * 4
        assert store.read("count", limit=20).data == b"80"


class TestGlobs:
    @pytest.mark.parametrize(
        ("pattern", "matching", "other"),
        [
            ("", ["", "anything"], []),
            ("a*", ["a", "abc"], ["a/b", "ba"]),
            ("a**", ["a", "abc", "a/b/c"], ["ba"]),
            (
                "*/linux/amd64/kops",
                ["1.29.0+x/linux/amd64/kops"],
                ["a/b/linux/amd64/kops", "1/linux/amd64/kopsx"],
            ),
            ("a?c", ["abc", "a\nc"], ["a/c", "ac", "abbc"]),
            ("a[b-d.]c", ["abc", "acc", "a.c"], ["aec", "a-c", "a/c"]),
            ("a[!b]c", ["axc"], ["abc", "a/c", "ac"]),
            ("a[^b]c", ["axc"], ["abc"]),
            ("a[]b]c", ["a]c", "abc"], ["axc"]),
            ("a[+--]c", ["a+c", "a,c", "a-c"], ["abc"]),
            ("a[z-a]c", ["azc", "a-c", "aac"], ["abc"]),
            ("a[!]c", ["a[!]c"], ["axc"]),
            ("a[]c", ["a[]c"], ["ac"]),
            ("a[bc", ["a[bc"], ["ab"]),
            ("{a,b*}.txt", ["a.txt", "b.txt", "bcd.txt"], ["c.txt", "b/c.txt"]),
            ("a{b", ["a{b"], ["ab"]),
            (r"a\*", ["a*"], ["ab", r"a\b"]),
            ("a\\", ["a\\"], ["a"]),
            ("1.29.0+x", ["1.29.0+x"], ["1x29.0+x", "1.29.00x"]),
        ],
    )
    def test_matches_as_gcs_does(self, pattern: str, matching: list[str], other: list[str]) -> None:
        """A glob matches whole names, within a segment unless it says otherwise."""
        matches = glob_matcher(pattern)
        assert [name for name in matching if not matches(name)] == []
        assert [name for name in other if matches(name)] == []

    @given(pattern=st.text(st.sampled_from("ab/*?[]{}!^-,\\.+"), max_size=12), name=st.text(max_size=8))
    def test_no_pattern_is_an_error(self, pattern: str, name: str) -> None:
        """Whatever the pattern, matching answers and does not raise."""
        assert glob_matcher(pattern)(name) in {True, False}

    @given(text=st.text(st.sampled_from("ab/+.-_~ é"), min_size=1))
    def test_literal_text_matches_itself_alone(self, text: str) -> None:
        """Text without special characters is a pattern for itself."""
        assert is_literal(text)
        assert glob_matcher(text)(text)
        assert not glob_matcher(text)(text + "x")

    @pytest.mark.parametrize("text", ["a*", "a?", "[", "]", "{", "}", "\\"])
    def test_special_characters_are_not_literal(self, text: str) -> None:
        """Each character with a meaning is recognised."""
        assert not is_literal(text)


def test_a_relative_path_needs_a_current_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the current directory has been deleted, a path below it names nothing, and the error says so."""
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(UsageError, match="'releases' names a directory below the current one") as refused:
        open_store("releases", deadline=Deadline(60), environ={})
    assert "whole path" in refused.value.hint
