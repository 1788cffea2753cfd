"""The test server itself: by its documentation, beside fake-gcs-server, and through Google's own client."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import json
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import pytest
from attrs import frozen
from google.api_core import exceptions
from hypothesis import given
from hypothesis import strategies as st

from tests.fake_gcs import FakeGcs, anonymous_client
from tests.gcs_bucket import (
    BadRequestError,
    BuildTree,
    FakeBucket,
    ListQuery,
    apply_mask,
    glob_pattern,
    page_token,
    parse_fields,
    rfc3339,
    successor,
)
from tests.gcs_faults import (
    FAULTS,
    WRONG_SHAPES,
    Body,
    Drip,
    EmptyPage,
    EndlessPages,
    Fault,
    Redirect,
    RepeatedItems,
    RepeatedPageToken,
    Status,
)
from tests.gcs_server import (
    KOPS_BUCKET,
    KOPS_ROOT,
    GcsServer,
    Kind,
    Recorded,
    closed_port,
    sequential_round_trips,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

MOMENT = datetime(2024, 5, 6, 12, 0, 0, 123456, tzinfo=UTC)
BUILD = "1.29.0-alpha.4+v1.29.0-alpha.3-378-g22ce1230da"
OLDER = "1.29.0-alpha.4+v1.29.0-alpha.3-377-g0123456789"
NAMES = (
    "elsewhere/file",
    f"{KOPS_ROOT}/v20240307-v1.29.0-alpha.3-378-g22ce1230da/cloudbuild/log",
    f"{KOPS_ROOT}1.28.5/linux/amd64/kops",
    f"{KOPS_ROOT}{BUILD}/linux/amd64/kops",
    f"{KOPS_ROOT}{BUILD}/linux/amd64/kops.sha256",
    f"{KOPS_ROOT}{OLDER}/linux/amd64/kops",
    f"{KOPS_ROOT}{OLDER}/linux/amd64/kops.sha256",
    f"{KOPS_ROOT}markers/master/latest-ci-updown-green.txt",
    f"{KOPS_ROOT}markers/master/latest-ci.txt",
    f"{KOPS_ROOT}with space and %2B and +",
)


@frozen
class Answer:
    """What came over the wire."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, read as JSON."""
        return json.loads(gzip.decompress(self.body) if "content-encoding" in self.headers else self.body)


def ask(
    server: GcsServer,
    path: str,
    query: Mapping[str, str] | None = None,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    with contextlib.closing(connection):
        connection.request(method, f"{path}?{urlencode(query)}" if query else path, body, dict(headers or {}))
        response = connection.getresponse()
        return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())


def listing(server: GcsServer, **query: str) -> Any:
    return ask(server, f"/storage/v1/b/{KOPS_BUCKET}/o", query).json


@pytest.fixture
def filled(gcs_server: GcsServer) -> GcsServer:
    for name in NAMES:
        gcs_server.bucket().add(name, f"content of {name}", at=MOMENT)
    return gcs_server


@pytest.fixture
def client(gcs_server: GcsServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Google's client, without its hidden request."""
    monkeypatch.setenv("DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA", "true")
    with contextlib.closing(anonymous_client(gcs_server.url)) as made:
        yield made


# --------------------------------------------------------------------------------------------------
# Listing


def reference_listing(names: list[str], query: ListQuery) -> list[str]:
    """Names and prefixes as the documentation has them, without any skipping."""
    found = set()
    for name in names:
        if not name.startswith(query.prefix) or name < query.start_offset:
            continue
        if query.end_offset and name >= query.end_offset:
            continue
        cut = name.find(query.delimiter, len(query.prefix)) if query.delimiter else -1
        found.add(name if cut < 0 else name[: cut + len(query.delimiter)])
    return sorted(found)


def walk(bucket: FakeBucket, query: ListQuery) -> Iterator[list[str]]:
    """The pages, each as the names and prefixes on it in one order."""
    token: str | None = ""
    while token is not None:
        page = bucket.page(
            ListQuery(
                prefix=query.prefix,
                delimiter=query.delimiter,
                start_offset=query.start_offset,
                end_offset=query.end_offset,
                match_glob=query.match_glob,
                max_results=query.max_results,
                page_token=token,
            )
        )
        yield sorted([held.name for held in page.objects] + list(page.prefixes))
        token = page.next_page_token


SHORT = st.text(alphabet="a.+/\U0010ffff", max_size=4)
QUERIES = st.builds(
    ListQuery,
    prefix=SHORT,
    delimiter=st.sampled_from(["", ".", "/", "+", "./"]),
    start_offset=SHORT,
    end_offset=SHORT,
    max_results=st.integers(1, 4),
)


class TestListing:
    @given(st.lists(SHORT.filter(bool), max_size=12), QUERIES)
    def test_pages_put_together_are_the_whole_listing(self, names: list[str], query: ListQuery) -> None:
        """Whatever the page size, no name is lost, doubled or out of order, and no page is too long."""
        bucket = FakeBucket("b")
        for name in names:
            bucket.add(name, at=MOMENT)
        pages = list(walk(bucket, query))
        assert [name for page in pages for name in page] == reference_listing(names, query)
        assert all(len(page) <= query.max_results for page in pages)
        assert all(pages[:-1]) or pages == [[]]

    @given(
        st.sets(st.sampled_from(["1.2.0", "1.2.0+v1", "1.2.0-a", "1.10", "m"])),
        st.sets(st.sampled_from(["a", "a/b", "b.sha256", "z"])),
        st.sets(st.sampled_from(["r/1.2.0/aa", "r/1.2.0/a", "r/markers/x", "r/0", "s"])),
        st.builds(
            ListQuery,
            prefix=st.sampled_from(["", "r/", "r/1.", "r/1.2.0/", "r/1.2.0+"]),
            delimiter=st.sampled_from(["", ".", "/"]),
            start_offset=st.sampled_from(["", "r/1.2.0/a/", "r/1.2.0+v1/b"]),
            max_results=st.integers(1, 5),
        ),
    )
    def test_lazy_builds_are_listed_like_real_objects(
        self, versions: set[str], paths: set[str], extra: set[str], query: ListQuery
    ) -> None:
        """A bucket cannot tell by its listing whether its builds are computed."""
        lazy, real = FakeBucket("lazy"), FakeBucket("real")
        lazy.add_builds("r/", dict.fromkeys(versions, MOMENT), dict.fromkeys(paths, 5))
        for version in versions:
            for path in paths:
                real.add(f"r/{version}/{path}", size=5, at=MOMENT)
        for name in extra:
            lazy.add(name, size=5, at=MOMENT)
            real.add(name, size=5, at=MOMENT)
        assert lazy.names() == real.names()
        assert list(walk(lazy, query)) == list(walk(real, query))

    @pytest.mark.parametrize("suffix", ["", "/b.sha256", "b.sha256", ".sha256", "/none"])
    def test_lazy_suffix_leaves_out_nothing(self, suffix: str) -> None:
        """The help for speed in a tree of builds skips only names that cannot match."""
        tree = BuildTree({"r/1/": MOMENT, "r/2/": MOMENT}, {"a": 1, "b.sha256": 65, "c/b.sha256": 65})
        found, position = [], tree.ceiling("", suffix)
        while position is not None:
            found.append(position)
            position = tree.ceiling(position + "\0", suffix)
        every = [f"r/{n}/{path}" for n in (1, 2) for path in ("a", "b.sha256", "c/b.sha256")]
        assert [name for name in found if name.endswith(suffix)] == [
            name for name in every if name.endswith(suffix)
        ]

    def test_items_and_prefixes_share_a_page_in_name_order(self, gcs_server: GcsServer) -> None:
        """As on real GCS, and unlike on emulators, prefixes count towards a page and are paged."""
        gcs_server.page_size = 2
        for name in ("a/1", "b", "c/1", "c/2", "d"):
            gcs_server.bucket().add(name)
        first = listing(gcs_server, delimiter="/")
        assert [item["name"] for item in first["items"]] == ["b"]
        assert first["prefixes"] == ["a/"]
        second = listing(gcs_server, delimiter="/", pageToken=first["nextPageToken"])
        assert second["prefixes"] == ["c/"]
        assert [item["name"] for item in second["items"]] == ["d"]
        assert "nextPageToken" not in second

    def test_max_results_is_capped_by_the_page_size(self, filled: GcsServer) -> None:
        """A client that asks for more than a page holds gets a page."""
        filled.page_size = 3
        assert len(listing(filled, maxResults="5000")["items"]) == 3
        assert len(listing(filled, maxResults="2")["items"]) == 2

    def test_empty_listing_has_neither_items_nor_prefixes(self, filled: GcsServer) -> None:
        """Real GCS leaves empty lists out."""
        assert listing(filled, prefix="nothing") == {"kind": "storage#objects"}

    @pytest.mark.parametrize(
        ("glob", "matched", "not_matched"),
        [
            ("*.txt", ["a.txt", ".txt"], ["a/b.txt", "a.txt.gz"]),
            ("**.txt", ["a.txt", "a/b.txt"], ["a.tx"]),
            ("**/kops", ["a/b/kops", "a//kops"], ["kops", "a/kops.sha256"]),
            ("a?c", ["abc", "a+c"], ["a/c", "ac"]),
            ("a[b-d]c", ["abc", "adc"], ["aec"]),
            ("a[!b]c", ["aec"], ["abc"]),
            ("{a,b*}/x", ["a/x", "bcd/x"], ["c/x"]),
            ("1.29.0+v1", ["1.29.0+v1"], ["1.29.00v1", "1x29.0+v1"]),
            (r"a\*b", ["a*b"], ["axb"]),
            ("a,b", ["a,b"], ["a"]),
        ],
    )
    def test_globs(self, glob: str, matched: list[str], not_matched: list[str]) -> None:
        """Globs mean what Google's documentation says."""
        assert [name for name in matched + not_matched if glob_pattern(glob).fullmatch(name)] == matched

    def test_match_glob_picks_one_file_of_each_build(self, filled: GcsServer) -> None:
        """A glob with a suffix gives just the objects that it matches, on one page."""
        found = listing(filled, prefix=f"{KOPS_ROOT}1.29.", matchGlob="**/linux/amd64/kops.sha256")
        assert [item["name"] for item in found["items"]] == [
            f"{KOPS_ROOT}{OLDER}/linux/amd64/kops.sha256",
            f"{KOPS_ROOT}{BUILD}/linux/amd64/kops.sha256",
        ]

    def test_a_server_may_ignore_match_glob(self, filled: GcsServer) -> None:
        """The switch plays a server that does not know globs."""
        filled.honours_match_glob = False
        assert len(listing(filled, matchGlob="**/kops.sha256")["items"]) == len(NAMES)

    @pytest.mark.parametrize(
        "query",
        [
            {"pageToken": "no token"},
            {"maxResults": "many"},
            {"matchGlob": "{a"},
            {"matchGlob": "*", "delimiter": "."},
            {"fields": "itmes(name)"},
            {"fields": "items(nmae)"},
            {"fields": "items(name"},
            {"fields": ""},
        ],
    )
    def test_nonsense_is_refused_with_400(self, filled: GcsServer, query: dict[str, str]) -> None:
        """A query that the real service would refuse is refused, so that a typo in a store is found."""
        answer = ask(filled, f"/storage/v1/b/{KOPS_BUCKET}/o", query)
        assert answer.status == 400
        assert answer.json["error"]["code"] == 400

    def test_hundred_thousand_builds_need_little(self, gcs_server: GcsServer) -> None:
        """A bucket for benchmarks holds 3.6 million objects as 100,000 names."""
        versions = {
            f"1.{minor}.0-alpha.1+v1.{minor}.0-alpha.0-{n}-gabcdef{n:04x}": MOMENT
            for minor in range(20, 30)
            for n in range(10_000)
        }
        paths = {f"images/image-{n}.tar.gz": 10 for n in range(35)} | {"linux/amd64/kops.sha256": 65}
        gcs_server.bucket().add_builds(KOPS_ROOT, versions, paths)
        assert listing(gcs_server, prefix=KOPS_ROOT, delimiter=".")["prefixes"] == [f"{KOPS_ROOT}1."]
        assert len(listing(gcs_server, prefix=f"{KOPS_ROOT}1.", delimiter=".")["prefixes"]) == 10
        page = listing(gcs_server, prefix=f"{KOPS_ROOT}1.29.", delimiter="/")
        assert len(page["prefixes"]) == 1000
        assert "nextPageToken" in page
        assert len(listing(gcs_server, prefix=page["prefixes"][0])["items"]) == 36


class TestFields:
    def test_mask_leaves_what_was_asked_for(self, filled: GcsServer) -> None:
        """What ``fields`` does not name is absent, also the token that leads to the next page."""
        filled.page_size = 2
        page = listing(filled, fields="items(name,size),prefixes")
        assert set(page) == {"items"}
        assert all(set(item) == {"name", "size"} for item in page["items"])
        assert set(listing(filled, fields="nextPageToken")) == {"nextPageToken"}

    def test_mask_of_one_object(self, filled: GcsServer) -> None:
        """A single object's metadata obeys ``fields`` too."""
        path = f"/storage/v1/b/{KOPS_BUCKET}/o/{quote(NAMES[3], safe='')}"
        assert ask(filled, path, {"fields": "generation,size"}).json == {
            "size": str(len(f"content of {NAMES[3]}")),
            "generation": "1714996800123456",
        }

    @pytest.mark.parametrize(
        ("text", "left"),
        [
            ("a", {"a": 1}),
            ("a,z", {"a": 1}),
            ("b(c)", {"b": [{"c": 2}, {"c": 4}]}),
            ("b/c", {"b": [{"c": 2}, {"c": 4}]}),
            ("b/c,b/d", {"b": [{"c": 2, "d": 3}, {"c": 4}]}),
            ("b(c),b", {"b": [{"c": 2, "d": 3}, {"c": 4}]}),
            ("b(*)", {"b": [{"c": 2, "d": 3}, {"c": 4}]}),
            ("e/f/g", {"e": {"f": {"g": 5}}}),
            ("e/f(h)", {"e": {"f": {"h": 6}}}),
            ("*", {"a": 1, "b": [{"c": 2, "d": 3}, {"c": 4}], "e": {"f": {"g": 5, "h": 6}}}),
        ],
    )
    def test_mask_language(self, text: str, left: object) -> None:
        """Commas, parentheses, slashes and stars mean what Google's documentation says."""
        value = {"a": 1, "b": [{"c": 2, "d": 3}, {"c": 4}], "e": {"f": {"g": 5, "h": 6}}}
        assert apply_mask(value, parse_fields(text)) == left

    @pytest.mark.parametrize("text", ["", "a(", "a(b", "a)", "a,,b", "a/", "(a)", "a b"])
    def test_mask_that_is_none(self, text: str) -> None:
        """Text outside the language is refused."""
        with pytest.raises(BadRequestError):
            parse_fields(text)


def test_successor_is_the_least_text_above_a_prefix() -> None:
    """Skipping to the successor of a prefix skips every name with it and nothing else."""
    assert successor("a/") == "a0"
    assert successor("a\U0010ffff") == "b"
    assert successor("\U0010ffff") is None
    assert successor("") is None


# --------------------------------------------------------------------------------------------------
# Objects


class TestObjects:
    def test_metadata_has_the_formats_of_gcs(self, filled: GcsServer) -> None:
        """Sizes and generations are text, generations microseconds, times have milliseconds and a Z."""
        found = listing(filled, prefix=NAMES[3])["items"][0]
        assert found["size"] == str(len(f"content of {NAMES[3]}"))
        assert found["timeCreated"] == found["updated"] == "2024-05-06T12:00:00.123Z"
        assert found["generation"] == "1714996800123456"
        assert rfc3339(datetime(2024, 5, 6, tzinfo=UTC)) == "2024-05-06T00:00:00.000Z"

    @pytest.mark.parametrize("name", NAMES)
    @pytest.mark.parametrize("safe", ["", "/+"])
    @pytest.mark.parametrize(
        "form", ["/{b}/{n}", "/download/storage/v1/b/{b}/o/{n}", "/storage/v1/b/{b}/o/{n}"]
    )
    def test_every_name_can_be_downloaded(self, filled: GcsServer, name: str, safe: str, form: str) -> None:
        """A plus in a path is a plus, literal or encoded, and empty segments stay."""
        answer = ask(filled, form.format(b=KOPS_BUCKET, n=quote(name, safe=safe)), {"alt": "media"})
        assert answer.body == f"content of {name}".encode()
        assert answer.headers["x-goog-generation"] == "1714996800123456"
        assert answer.headers["last-modified"] == "Mon, 06 May 2024 12:00:00 GMT"
        assert answer.headers["etag"]

    @pytest.mark.parametrize(
        ("asked", "status", "body", "said"),
        [
            ("bytes=0-3", 206, b"0123", "bytes 0-3/10"),
            ("bytes=7-", 206, b"789", "bytes 7-9/10"),
            ("bytes=7-99", 206, b"789", "bytes 7-9/10"),
            ("bytes=-2", 206, b"89", "bytes 8-9/10"),
            ("bytes=-99", 206, b"0123456789", "bytes 0-9/10"),
            ("bytes=10-", 416, b"Request range not satisfiable", "bytes */10"),
            ("bytes=-0", 416, b"Request range not satisfiable", "bytes */10"),
        ],
    )
    def test_ranges(self, gcs_server: GcsServer, asked: str, status: int, body: bytes, said: str) -> None:
        """Ranges are served as RFC 9110 has them."""
        gcs_server.bucket().add("digits", "0123456789")
        answer = ask(gcs_server, f"/{KOPS_BUCKET}/digits", headers={"Range": asked})
        assert (answer.status, answer.body, answer.headers["content-range"]) == (status, body, said)

    def test_range_of_an_empty_object(self, gcs_server: GcsServer) -> None:
        """No range of an empty object can be met: real GCS says 416, which a store must know."""
        gcs_server.bucket().add("empty", b"")
        assert ask(gcs_server, f"/{KOPS_BUCKET}/empty", headers={"Range": "bytes=0-1024"}).status == 416
        assert ask(gcs_server, f"/{KOPS_BUCKET}/empty").body == b""

    def test_head_has_no_body(self, filled: GcsServer) -> None:
        """HEAD says the length and sends nothing."""
        answer = ask(filled, f"/{KOPS_BUCKET}/{quote(NAMES[0])}", method="HEAD")
        assert answer.headers["content-length"] == str(len(f"content of {NAMES[0]}"))
        assert answer.body == b""

    def test_large_objects_take_no_memory(self, gcs_server: GcsServer, client: Any) -> None:
        """An object of a given size is served as zeros, with checksums that Google's client accepts."""
        gcs_server.bucket().add("large", size=3_000_001)
        assert client.bucket(KOPS_BUCKET).blob("large").download_as_bytes() == bytes(3_000_001)

    def test_lazy_checksum_files_have_the_right_form(self, gcs_server: GcsServer) -> None:
        """A computed ``.sha256`` holds 64 hex digits and a newline."""
        gcs_server.bucket().add_builds(KOPS_ROOT, {BUILD: MOMENT}, {"kops": 5, "kops.sha256": 65})
        body = ask(gcs_server, f"/{KOPS_BUCKET}/{KOPS_ROOT}{BUILD}/kops.sha256").body
        assert len(body) == 65
        assert int(body, 16) >= 0
        assert gcs_server.bucket().get(f"{KOPS_ROOT}{BUILD}/nodeup") is None

    @pytest.mark.parametrize(
        ("path", "says"),
        [
            (f"/{KOPS_BUCKET}/absent", b"<Code>NoSuchKey</Code>"),
            ("/no-bucket/absent", b"<Code>NoSuchBucket</Code>"),
            (f"/storage/v1/b/{KOPS_BUCKET}/o/absent", b'"No such object: k8s-staging-kops/absent"'),
            (f"/storage/v1/b/{KOPS_BUCKET}/o/absent?alt=media", b"No such object: k8s-staging-kops/absent"),
            ("/storage/v1/b/no-bucket/o", b'"The specified bucket does not exist."'),
            ("/storage/v1/b/no-bucket", b'"The specified bucket does not exist."'),
            ("/storage/v1/nonsense", b'"Not Found"'),
            ("/", b'"Not Found"'),
        ],
    )
    def test_what_does_not_exist_is_a_404(self, gcs_server: GcsServer, path: str, says: bytes) -> None:
        """Each API says so in its own shape."""
        answer = ask(gcs_server, path)
        assert answer.status == 404
        assert says in answer.body

    def test_a_directory_can_be_uploaded(self, gcs_server: GcsServer, tmp_path: Path) -> None:
        """Files below a directory become objects with their mtime as upload time."""
        (tmp_path / BUILD).mkdir()
        (tmp_path / BUILD / "kops").write_bytes(b"binary")
        gcs_server.bucket().fill_from_directory(tmp_path, prefix=KOPS_ROOT)
        held = gcs_server.bucket().get(f"{KOPS_ROOT}{BUILD}/kops")
        assert held is not None
        assert held.data == b"binary"
        assert held.created.timestamp() == pytest.approx(
            (tmp_path / BUILD / "kops").stat().st_mtime, abs=1e-3
        )


class TestBucket:
    def test_overwriting_gives_a_new_generation(self) -> None:
        """Two contents of one name never have one generation, also when written at one moment."""
        bucket = FakeBucket("b", clock=lambda: MOMENT)
        assert bucket.add("a").generation < bucket.add("a").generation

    def test_removal(self) -> None:
        """A removed object is gone, a computed one too, and can be written again."""
        bucket = FakeBucket("b")
        bucket.add("a")
        bucket.add_builds("r/", {"1": MOMENT}, {"x": 1, "y": 1})
        assert bucket.remove("a")
        assert bucket.remove("r/1/x")
        assert not bucket.remove("r/1/x")
        assert bucket.names() == ["r/1/y"]
        bucket.add("r/1/x")
        assert bucket.names() == ["r/1/x", "r/1/y"]

    def test_touch(self) -> None:
        """An object can be made to have been written at another time; one that is absent cannot."""
        bucket = FakeBucket("b")
        bucket.add("a", "content")
        bucket.touch("a", MOMENT)
        held = bucket.get("a")
        assert held is not None
        assert (held.created, held.data) == (MOMENT, b"content")
        with pytest.raises(KeyError):
            bucket.touch("b", MOMENT)


class TestWriting:
    def test_upload_through_googles_client(self, gcs_server: GcsServer, client: Any) -> None:
        """Content, cache control and metadata arrive; the answer's generation is the object's."""
        blob = client.bucket(KOPS_BUCKET).blob("a+b")
        blob.cache_control, blob.metadata = "no-store", {"by": "test"}
        blob.upload_from_string(b"x\r\n--y", if_generation_match=0)
        held = gcs_server.bucket().get("a+b")
        assert held is not None
        assert (held.data, held.cache_control, held.metadata) == (b"x\r\n--y", "no-store", {"by": "test"})
        assert str(held.generation) == str(blob.generation)
        assert gcs_server.kinds == [Kind.UPLOAD]

    @pytest.mark.parametrize("expected", [0, 5])
    def test_lost_precondition_is_a_412(self, filled: GcsServer, client: Any, expected: int) -> None:
        """Another generation than the expected one leaves the object as it is."""
        blob = client.bucket(KOPS_BUCKET).blob(NAMES[0])
        with pytest.raises(exceptions.PreconditionFailed):
            blob.upload_from_string(b"new", if_generation_match=expected)
        with pytest.raises(exceptions.PreconditionFailed):
            blob.download_as_bytes(if_generation_match=5)
        held = filled.bucket().get(NAMES[0])
        assert held is not None
        assert held.generation == 1714996800123456

    def test_only_one_of_many_writers_wins(self, gcs_server: GcsServer) -> None:
        """Comparing the generation and writing are one step."""
        outcomes: list[int] = []

        def write() -> None:
            query = {"uploadType": "media", "name": "a", "ifGenerationMatch": "0"}
            path = f"/upload/storage/v1/b/{KOPS_BUCKET}/o"
            outcomes.append(ask(gcs_server, path, query, method="POST", body=b"x").status)

        writers = [threading.Thread(target=write) for _ in range(8)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        assert sorted(outcomes) == [200] + [412] * 7

    @pytest.mark.parametrize(
        ("metadata", "status"),
        [
            (b'{"name":"a"}', 200),
            (b'{"name":"a","md5Hash":"no"}', 400),
            (b'{"name":"a","crc32c":"no"}', 400),
            (b"{}", 400),
            (b'{"name":5}', 400),
            (b"[]", 400),
            (b"{", 400),
        ],
    )
    def test_multipart_metadata(self, gcs_server: GcsServer, metadata: bytes, status: int) -> None:
        """Metadata that are broken, have no name or a wrong checksum are refused."""
        head = b"--b\r\nContent-Type: application/json\r\n\r\n"
        body = head + metadata + b"\r\n--b\r\nContent-Type: text/plain\r\n\r\nx\r\n--b--"
        assert self.send(gcs_server, "multipart/related; boundary=b", body).status == status
        assert gcs_server.bucket().names() == (["a"] if status == 200 else [])

    @pytest.mark.parametrize(
        ("content_type", "body"),
        [
            ("multipart/related", b""),
            ("multipart/related; boundary=b", b""),
            ("multipart/related; boundary=b", b"--b\r\n\r\n{}\r\n--b--"),
            ("multipart/related; boundary=b", b"--b\r\n\r\n{}\r\n--b\r\n\r\nx\r\n--b--"),
        ],
    )
    def test_multipart_parts(self, gcs_server: GcsServer, content_type: str, body: bytes) -> None:
        """A body without its boundary or its two parts is refused."""
        assert self.send(gcs_server, content_type, body).status == 400

    def send(self, server: GcsServer, content_type: str, body: bytes) -> Answer:
        path, query = f"/upload/storage/v1/b/{KOPS_BUCKET}/o", {"uploadType": "multipart"}
        return ask(server, path, query, method="POST", body=body, headers={"Content-Type": content_type})

    def test_resumable_uploads_are_not_known(self, gcs_server: GcsServer) -> None:
        """What this server does not play, it says so."""
        path = f"/upload/storage/v1/b/{KOPS_BUCKET}/o"
        assert ask(gcs_server, path, {"uploadType": "resumable"}, method="POST").status == 501

    def test_deletion(self, filled: GcsServer, client: Any) -> None:
        """An object can be deleted once."""
        client.bucket(KOPS_BUCKET).blob(NAMES[0]).delete()
        assert filled.bucket().get(NAMES[0]) is None
        with pytest.raises(exceptions.NotFound):
            client.bucket(KOPS_BUCKET).blob(NAMES[0]).delete()
        assert filled.kinds == [Kind.DELETE, Kind.DELETE]


class TestPermissions:
    @pytest.mark.parametrize("status", [401, 403])
    def test_listing_denied_reading_allowed(self, filled: GcsServer, status: Any) -> None:
        """Who may not list may read what exists, and is refused, not told 404, where nothing does."""
        filled.deny_listing = status
        assert ask(filled, f"/storage/v1/b/{KOPS_BUCKET}/o").status == status
        assert ask(filled, f"/{KOPS_BUCKET}/{quote(NAMES[0])}").status == 200
        assert ask(filled, f"/{KOPS_BUCKET}/absent").status == status
        assert ask(filled, f"/storage/v1/b/{KOPS_BUCKET}/o/absent?alt=media").status == status

    @pytest.mark.parametrize("status", [401, 403])
    def test_reading_denied_listing_allowed(self, filled: GcsServer, status: Any) -> None:
        """The reverse."""
        filled.deny_reading = status
        assert ask(filled, f"/storage/v1/b/{KOPS_BUCKET}/o").status == 200
        assert ask(filled, f"/{KOPS_BUCKET}/{quote(NAMES[0])}").status == status
        assert ask(filled, f"/storage/v1/b/{KOPS_BUCKET}/o/{quote(NAMES[0], safe='')}").status == status

    def test_writing_denied(self, filled: GcsServer) -> None:
        """Uploads and deletions are refused together."""
        filled.deny_writing = 403
        path = f"/upload/storage/v1/b/{KOPS_BUCKET}/o"
        assert ask(filled, path, {"uploadType": "media", "name": "a"}, method="POST").status == 403
        path = f"/storage/v1/b/{KOPS_BUCKET}/o/{quote(NAMES[0], safe='')}"
        assert ask(filled, path, method="DELETE").status == 403

    def test_401_asks_for_credentials(self, filled: GcsServer) -> None:
        """A 401 has the header that Google sends, which Google's client turns into an error of its own."""
        filled.deny_listing = 401
        answer = ask(filled, f"/storage/v1/b/{KOPS_BUCKET}/o")
        assert answer.headers["www-authenticate"].startswith("Bearer")


# --------------------------------------------------------------------------------------------------
# Records


class TestRecords:
    @pytest.mark.parametrize(
        ("path", "query", "kind"),
        [
            ("LIST", {"prefix": KOPS_ROOT, "delimiter": "."}, Kind.MAJORS),
            ("LIST", {"prefix": f"{KOPS_ROOT}1.", "delimiter": "."}, Kind.MINORS),
            ("LIST", {"prefix": f"{KOPS_ROOT}1.29.", "delimiter": "/"}, Kind.BUILDS),
            ("LIST", {"prefix": KOPS_ROOT, "delimiter": "/"}, Kind.BUILDS),
            ("LIST", {"prefix": f"{KOPS_ROOT}1.29.", "matchGlob": "**/kops"}, Kind.UPLOADS),
            ("LIST", {"prefix": f"{KOPS_ROOT}{BUILD}/"}, Kind.OBJECTS),
            ("LIST", {"prefix": f"{KOPS_ROOT}markers/"}, Kind.MARKERS_LIST),
            ("LIST", {"prefix": f"{KOPS_ROOT}markers/", "delimiter": "/"}, Kind.MARKERS_LIST),
            ("LIST", {"prefix": KOPS_ROOT}, Kind.LISTING),
            ("LIST", {"prefix": f"{KOPS_ROOT}1.29.0.", "delimiter": "."}, Kind.LISTING),
            ("LIST", {}, Kind.LISTING),
            (f"/{KOPS_BUCKET}/{KOPS_ROOT}markers/master/latest-ci.txt", {}, Kind.MARKER),
            (f"/storage/v1/b/{KOPS_BUCKET}/o/kops%2Freleases%2Fmarkers%2Fm", {"alt": "media"}, Kind.MARKER),
            (f"/storage/v1/b/{KOPS_BUCKET}/o/kops%2Freleases%2Fmarkers%2Fm", {}, Kind.STAT),
            (f"/download/storage/v1/b/{KOPS_BUCKET}/o/a", {"alt": "media"}, Kind.MEDIA),
            (f"/storage/v1/b/{KOPS_BUCKET}", {}, Kind.BUCKET),
            ("/computeMetadata/v1/", {}, Kind.MEDIA),
            ("/favicon.ico", {}, Kind.OTHER),
        ],
    )
    def test_kinds(self, gcs_server: GcsServer, path: str, query: dict[str, str], kind: Kind) -> None:
        """Each request is counted as what a store would send it for."""
        ask(gcs_server, f"/storage/v1/b/{KOPS_BUCKET}/o" if path == "LIST" else path, query)
        assert gcs_server.kinds == [kind]
        assert gcs_server.count(kind) == 1

    def test_a_bucket_root_needs_no_prefix(self) -> None:
        """Kinds are told in a bucket whose builds lie at its top, too."""
        with GcsServer(root="") as server:
            server.bucket()
            listing(server, delimiter=".")
            listing(server, prefix="1.", delimiter=".")
            listing(server, prefix="markers/")
            assert server.kinds == [Kind.MAJORS, Kind.MINORS, Kind.MARKERS_LIST]

    def test_what_is_recorded(self, filled: GcsServer) -> None:
        """A request is kept with its query, headers, status, size and order."""
        ask(filled, f"/storage/v1/b/{KOPS_BUCKET}/o", {"prefix": "a+b "}, headers={"X-Test": "yes"})
        ask(filled, f"/{KOPS_BUCKET}/absent")
        first, second = filled.requests
        assert (first.method, first.path) == ("GET", f"/storage/v1/b/{KOPS_BUCKET}/o")
        assert (first.query, first.name) == ({"prefix": "a+b "}, "a+b ")
        assert first.headers["x-test"] == "yes"
        assert (first.status, second.status) == (200, 404)
        assert first.sent > 0
        assert filled.bytes_sent == first.sent + second.sent
        assert first.started < first.ended < second.started < second.ended
        filled.forget()
        assert filled.requests == []

    def test_connections_are_kept_alive_and_counted(self, filled: GcsServer, client: Any) -> None:
        """One client without threads needs one connection, and one request at a time is in flight."""
        for _ in range(3):
            list(client.list_blobs(KOPS_BUCKET))
        assert (filled.connections, filled.max_in_flight) == (1, 1)
        assert filled.round_trips == 3

    def test_the_clients_hidden_request_is_seen(
        self, gcs_server: GcsServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Google's client asks for the bucket behind one's back; a store that lets it is found out."""
        monkeypatch.delenv("DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA", raising=False)
        gcs_server.expect_together(Kind.LISTING, Kind.BUCKET)
        with contextlib.closing(anonymous_client(gcs_server.url)) as client:
            list(client.list_blobs(KOPS_BUCKET))
        assert gcs_server.met
        assert gcs_server.count(Kind.BUCKET) == 1

    def test_round_trips_count_what_waited(self) -> None:
        """Of overlapping requests only one counts; of those one after the other each."""

        def request(started: int, ended: int) -> Recorded:
            return Recorded(0, "GET", "", {}, {}, Kind.OTHER, "", started, ended)

        assert sequential_round_trips([]) == 0
        assert sequential_round_trips([request(1, 3), request(2, 4)]) == 1
        assert sequential_round_trips([request(1, 2), request(3, 4), request(5, 6)]) == 3
        assert sequential_round_trips([request(1, 6), request(2, 3), request(4, 5), request(7, 0)]) == 2

    def test_requests_can_be_expected_together(self, filled: GcsServer) -> None:
        """Two requests that are really in flight at one time meet; one alone is let go and does not."""
        filled.expect_together(Kind.MAJORS, Kind.MARKER)
        reading = threading.Thread(target=ask, args=(filled, f"/{KOPS_BUCKET}/{quote(NAMES[8])}"))
        reading.start()
        listing(filled, prefix=KOPS_ROOT, delimiter=".")
        reading.join()
        assert filled.met
        assert filled.max_in_flight == 2
        assert filled.round_trips == 1
        filled.expect_together(Kind.MAJORS, Kind.MARKER, timeout=0.01)
        listing(filled, prefix=KOPS_ROOT, delimiter=".")
        assert not filled.met

    def test_json_is_gzipped_on_request(self, filled: GcsServer) -> None:
        """A client that accepts gzip gets JSON gzipped, and media as they are."""
        path, accepts = f"/storage/v1/b/{KOPS_BUCKET}/o", {"Accept-Encoding": "gzip"}
        zipped = ask(filled, path, headers=accepts)
        assert zipped.headers["content-encoding"] == "gzip"
        assert zipped.json == ask(filled, path).json
        assert (
            "content-encoding"
            not in ask(filled, f"/{KOPS_BUCKET}/{quote(NAMES[0])}", headers=accepts).headers
        )
        filled.compresses = False
        assert "content-encoding" not in ask(filled, path, headers=accepts).headers

    def test_latency_delays_requests(self, filled: GcsServer, monkeypatch: pytest.MonkeyPatch) -> None:
        """The latency is waited for once in each request."""
        waits: list[float] = []
        monkeypatch.setattr("tests.gcs_server.time.sleep", waits.append)
        filled.latency = 0.05
        listing(filled)
        assert waits == [0.05]

    def test_a_mistake_of_the_server_is_kept(self) -> None:
        """An exception in the server itself fails the test that met it, and does not look like a fault."""
        with GcsServer() as server:
            server.fail(_Mistake())
            with pytest.raises(http.client.RemoteDisconnected):
                ask(server, "/storage/v1/b/x/o")
            assert [str(error) for error in server.errors] == ["a mistake"]

    def test_a_chunked_body_is_read(self, gcs_server: GcsServer) -> None:
        """Uploads of unknown length come in chunks."""
        path = f"/upload/storage/v1/b/{KOPS_BUCKET}/o?uploadType=media&name=a"
        connection = http.client.HTTPConnection("127.0.0.1", gcs_server.port, timeout=10)
        with contextlib.closing(connection):
            connection.request("POST", path, iter([b"one", b"two"]), encode_chunked=True)
            assert connection.getresponse().status == 200
        held = gcs_server.bucket().get("a")
        assert held is not None
        assert held.data == b"onetwo"

    def test_stopping_ends_connections(self) -> None:
        """A server that is left closes what is open, and refuses from then on."""
        with GcsServer() as server:
            server.bucket()
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
            connection.request("GET", f"/storage/v1/b/{KOPS_BUCKET}/o")
            connection.getresponse().read()
            port = server.port
        connection.request("GET", "/")
        with contextlib.closing(connection), pytest.raises(LOST_CONNECTION):
            connection.getresponse()
        with pytest.raises(ConnectionRefusedError):
            http.client.HTTPConnection("127.0.0.1", port, timeout=10).connect()


@frozen
class _Mistake(Fault):
    def __call__(self, exchange: object) -> None:
        raise RuntimeError("a mistake")


def test_closed_port_refuses() -> None:
    """Nothing listens at a closed port."""
    with pytest.raises(ConnectionRefusedError):
        http.client.HTTPConnection("127.0.0.1", closed_port(), timeout=10).connect()


# --------------------------------------------------------------------------------------------------
# Faults

LOST_CONNECTION: tuple[type[BaseException], ...] = (OSError, http.client.HTTPException)


def hit(server: GcsServer, fault: Fault, **query: str) -> Answer:
    """The answer to a listing that meets a fault."""
    server.faults.clear()
    server.fail(fault)
    return ask(server, f"/storage/v1/b/{KOPS_BUCKET}/o", query)


class _Gate(threading.Event):
    """Tells when the server waits for its release."""

    def __init__(self) -> None:
        super().__init__()
        self.reached = threading.Event()

    @classmethod
    def of(cls, server: GcsServer) -> _Gate:
        server._released = gate = cls()
        return gate

    def wait(self, timeout: float | None = None) -> bool:
        self.reached.set()
        return super().wait(timeout)


class TestFaults:
    @pytest.mark.parametrize(
        ("name", "status"),
        [(name, int(name[:3])) for name in FAULTS if name[:3].isdigit() and name[:3] != "200"],
    )
    def test_statuses(self, filled: GcsServer, name: str, status: int) -> None:
        """A scripted status is what the client sees, with the ``Retry-After`` that the script has."""
        answer = hit(filled, FAULTS[name])
        assert answer.status == status
        assert ("retry-after" in answer.headers) == ("Retry-After" in name)
        assert (answer.body == b"") == (status == 204)
        assert ("html" in answer.headers.get("content-type", "")) == ("HTML" in name)

    @pytest.mark.parametrize(
        "name",
        [
            name
            for name in FAULTS
            if name.startswith(("reset", "hangup", "not HTTP")) and "inside" not in name
        ],
    )
    def test_lost_connections(self, filled: GcsServer, name: str) -> None:
        """The connection is lost before the whole answer has come."""
        with pytest.raises(LOST_CONNECTION):
            hit(filled, FAULTS[name])

    def test_headers_that_break_off_look_like_an_empty_answer(self, filled: GcsServer) -> None:
        """To a client that is not on its guard, such as http.client (FAILURES row 39)."""
        answer = hit(filled, FAULTS["hangup inside the headers"])
        assert (answer.status, answer.body) == (200, b"")

    def test_reset_is_a_reset(self, filled: GcsServer) -> None:
        """Not an orderly end."""
        with pytest.raises(ConnectionResetError):
            hit(filled, FAULTS["reset before the headers"])

    @pytest.mark.parametrize("name", [name for name in FAULTS if name.startswith("stall")])
    def test_stalls_last_until_released(self, filled: GcsServer, name: str) -> None:
        """A stalled request neither ends nor goes on before the test lets go."""
        outcome: list[BaseException] = []

        def listen() -> None:
            try:
                hit(filled, FAULTS[name])
            except LOST_CONNECTION as problem:
                outcome.append(problem)

        gate = _Gate.of(filled)
        listening = threading.Thread(target=listen)
        listening.start()
        assert gate.reached.wait(10)
        assert listening.is_alive()
        assert filled.requests[0].ended == 0
        filled.release()
        listening.join(10)
        assert len(outcome) == 1

    def test_drip_is_the_truth_in_drops(self, filled: GcsServer) -> None:
        """One byte at a time, and all of the rest when released; nothing is lost."""
        whole = listing(filled)
        answers: list[Answer] = []
        dripping = threading.Thread(target=lambda: answers.append(hit(filled, Drip(interval=0.001))))
        gate = _Gate.of(filled)
        dripping.start()
        assert gate.reached.wait(10)
        assert dripping.is_alive()
        filled.release()
        dripping.join(10)
        assert answers[0].json == whole

    def test_truncated_gzip(self, filled: GcsServer) -> None:
        """The stream ends early though the length is right."""
        answer = hit(filled, FAULTS["truncated gzip"])
        with pytest.raises(EOFError):
            gzip.decompress(answer.body)

    def test_truncated_json(self, filled: GcsServer) -> None:
        """With an honest length it is broken JSON, with the whole length a broken answer."""
        answer = hit(filled, FAULTS["truncated body"])
        assert answer.status == 200
        with pytest.raises(ValueError, match="line"):
            json.loads(answer.body)
        with pytest.raises(http.client.IncompleteRead):
            hit(filled, FAULTS["truncated body with whole length"])

    @pytest.mark.parametrize("shape", WRONG_SHAPES)
    def test_wrong_shapes(self, filled: GcsServer, shape: str) -> None:
        """The JSON is what the catalogue says."""
        assert hit(filled, FAULTS[f"200 with JSON of the wrong shape: {shape}"]).json == WRONG_SHAPES[shape]

    def test_bodies(self, filled: GcsServer) -> None:
        """An HTML page, nothing, or bytes come with status 200."""
        assert hit(filled, FAULTS["200 with an HTML page"]).body.startswith(b"<!DOCTYPE html>")
        assert hit(filled, Body(b"\0\xff")).body == b"\0\xff"

    def test_redirect(self, filled: GcsServer) -> None:
        """The location is as scripted."""
        assert hit(filled, Redirect("http://other/")).headers["location"] == "http://other/"

    def test_repeated_page_token(self, filled: GcsServer) -> None:
        """The token leads to the very same page, for as long as the fault lasts."""
        first = hit(filled, RepeatedPageToken())
        again = hit(filled, RepeatedPageToken(), pageToken=first.json["nextPageToken"])
        assert first.json == again.json
        assert len(first.json["items"]) == len(NAMES)

    @pytest.mark.parametrize("empty", [True, False])
    def test_endless_pages(self, filled: GcsServer, empty: bool) -> None:  # noqa: FBT001 - a parameter
        """Every page has a token that none had before."""
        pages = [hit(filled, EndlessPages(empty=empty)).json for _ in range(3)]
        assert len({page["nextPageToken"] for page in pages}) == 3
        assert all(("items" in page) != empty for page in pages)
        assert "items" in listing(filled, pageToken=pages[0]["nextPageToken"])

    def test_repeated_items(self, filled: GcsServer) -> None:
        """Everything on the page is there twice."""
        page = hit(filled, RepeatedItems(), delimiter="/").json
        assert page["prefixes"] == ["elsewhere/", "kops/"] * 2

    def test_empty_page_leads_on(self, filled: GcsServer) -> None:
        """After an empty page comes the page that it stood before."""
        filled.page_size = 4
        first = listing(filled)
        empty = hit(filled, EmptyPage(), pageToken=first["nextPageToken"]).json
        assert "items" not in empty
        second = listing(filled, pageToken=empty["nextPageToken"])
        assert [item["name"] for item in second["items"]] == sorted(NAMES)[4:8]
        assert hit(filled, EmptyPage()).json["nextPageToken"] == page_token("")

    def test_page_faults_leave_other_answers_alone(self, filled: GcsServer) -> None:
        """A marker has no pages, an error neither, so the truth is told."""
        filled.fail(EndlessPages(), times=3)
        assert ask(filled, f"/{KOPS_BUCKET}/{quote(NAMES[8])}").body == f"content of {NAMES[8]}".encode()
        stat = ask(filled, f"/storage/v1/b/{KOPS_BUCKET}/o/{quote(NAMES[8], safe='')}")
        assert stat.json["name"] == NAMES[8]
        assert ask(filled, "/storage/v1/b/none/o").status == 404


class TestRules:
    def test_rules_choose_by_kind_and_count(self, filled: GcsServer) -> None:
        """A rule hits its kinds, after those it lets pass, as often as it says."""
        rule = filled.fail(Status(503), Kind.MAJORS, times=2, skip=1)
        majors = {"prefix": KOPS_ROOT, "delimiter": "."}
        path = f"/storage/v1/b/{KOPS_BUCKET}/o"
        assert ask(filled, path).status == 200
        assert [ask(filled, path, majors).status for _ in range(4)] == [200, 503, 503, 200]
        assert rule.hits == 2
        assert [request.fault for request in filled.requests[:3]] == [None, None, Status(503)]

    def test_rules_may_last_for_ever_and_look_closer(self, filled: GcsServer) -> None:
        """Without a count a rule stays; a condition narrows it; the first that claims decides."""
        filled.fail(Status(429), when=lambda request: request.query.get("prefix") == "a", times=None)
        filled.fail(Status(500), times=None)
        path = f"/storage/v1/b/{KOPS_BUCKET}/o"
        assert [ask(filled, path, {"prefix": text}).status for text in "abaab"] == [429, 500, 429, 429, 500]


# --------------------------------------------------------------------------------------------------
# Beside the real fake-gcs-server


@pytest.fixture
def twins(filled: GcsServer, fake_gcs: FakeGcs, client: Any) -> list[tuple[Any, str]]:
    """Google's client on each server, and the name of a bucket with the same objects."""
    bucket = fake_gcs.new_bucket()
    for name in NAMES:
        fake_gcs.add(bucket, name, f"content of {name}")
    assert set(filled.bucket().names()) == set(NAMES)
    return [(client, KOPS_BUCKET), (fake_gcs.client, bucket)]


class TestBesideFakeGcs:
    @pytest.mark.parametrize(
        "query",
        [
            {},
            {"prefix": KOPS_ROOT},
            {"prefix": KOPS_ROOT, "delimiter": "."},
            {"prefix": f"{KOPS_ROOT}1.", "delimiter": "."},
            {"prefix": f"{KOPS_ROOT}1.29.", "delimiter": "/"},
            {"prefix": f"{KOPS_ROOT}1.2", "delimiter": "/"},
            {"prefix": KOPS_ROOT, "delimiter": "/"},
            {"prefix": f"{KOPS_ROOT}{BUILD}/"},
            {"prefix": f"{KOPS_ROOT}{BUILD}/", "delimiter": "/"},
            {"prefix": f"{KOPS_ROOT}/"},
            {"prefix": f"{KOPS_ROOT}/", "delimiter": "/"},
            {"prefix": f"{KOPS_ROOT}with space", "delimiter": "+"},
            {"prefix": "absent"},
            {"prefix": KOPS_ROOT, "start_offset": f"{KOPS_ROOT}1.29"},
            {"prefix": KOPS_ROOT, "start_offset": f"{KOPS_ROOT}1.29", "end_offset": f"{KOPS_ROOT}m"},
            {"prefix": KOPS_ROOT, "start_offset": f"{KOPS_ROOT}1.29", "delimiter": "/"},
            {"delimiter": "/"},
            {"page_size": 3},
            {"max_results": 4},
        ],
    )
    def test_listings_agree(self, twins: list[tuple[Any, str]], query: dict[str, Any]) -> None:
        """Names, sizes and prefixes are the same on both servers."""
        seen = []
        for client, bucket in twins:
            walking = client.list_blobs(bucket, **query)
            names = [(blob.name, blob.size) for blob in walking]
            seen.append((names, sorted(walking.prefixes)))
        assert seen[0] == seen[1]

    @pytest.mark.parametrize("name", NAMES)
    def test_objects_agree(self, twins: list[tuple[Any, str]], name: str) -> None:
        """Content, parts of it, checksums and metadata are the same on both servers."""
        seen = []
        for client, bucket in twins:
            blob = client.bucket(bucket).blob(name)
            content, part = blob.download_as_bytes(), blob.download_as_bytes(start=3, end=6)
            blob.reload()
            assert blob.generation > 0
            assert blob.time_created.tzinfo is not None
            seen.append((content, part, blob.size, blob.md5_hash, blob.crc32c, blob.content_type))
        assert seen[0] == seen[1]

    @pytest.mark.parametrize(
        "call",
        [
            pytest.param(lambda bucket: bucket.blob("absent").download_as_bytes(), id="read what is absent"),
            pytest.param(lambda bucket: bucket.blob("absent").reload(), id="stat what is absent"),
            pytest.param(lambda bucket: bucket.blob("absent").delete(), id="delete what is absent"),
            pytest.param(lambda bucket: list(bucket.client.list_blobs("no-bucket")), id="list no bucket"),
            pytest.param(
                lambda bucket: bucket.client.bucket("no-bucket").blob("a").upload_from_string(b""),
                id="write to no bucket",
            ),
            pytest.param(
                lambda bucket: bucket.blob(NAMES[0]).upload_from_string(b"", if_generation_match=0),
                id="write what must not exist",
            ),
            pytest.param(
                lambda bucket: bucket.blob(NAMES[0]).upload_from_string(b"", if_generation_match=7),
                id="write what has changed",
            ),
            pytest.param(
                lambda bucket: bucket.blob(NAMES[0]).download_as_bytes(start=10_000), id="read past the end"
            ),
        ],
    )
    def test_refusals_agree(self, twins: list[tuple[Any, str]], call: Any) -> None:
        """What one server refuses, the other refuses with the same status."""
        seen = []
        for client, bucket in twins:
            with pytest.raises(exceptions.GoogleAPICallError) as caught:
                call(client.bucket(bucket))
            seen.append(caught.value.code)
        assert seen[0] == seen[1]

    def test_empty_objects_agree(self, twins: list[tuple[Any, str]]) -> None:
        """An empty object is read whole as nothing, and no range of it can be met."""
        for client, bucket in twins:
            blob = client.bucket(bucket).blob("empty")
            blob.upload_from_string(b"")
            assert blob.download_as_bytes() == b""
            with pytest.raises(exceptions.RequestRangeNotSatisfiable):
                blob.download_as_bytes(start=0, end=10)

    def test_plain_downloads_agree(self, filled: GcsServer, fake_gcs: FakeGcs) -> None:
        """What ``curl`` fetches with a base URL is the same, and a literal plus is a plus."""
        bucket = fake_gcs.new_bucket()
        name = f"{KOPS_ROOT}{BUILD}/linux/amd64/kops"
        fake_gcs.add(bucket, name, f"content of {name}")
        for port, place in ((filled.port, KOPS_BUCKET), (fake_gcs.port, bucket)):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            with contextlib.closing(connection):
                connection.request("GET", f"/{place}/{name}")
                response = connection.getresponse()
                assert response.read() == f"content of {name}".encode()
                assert response.headers["x-goog-generation"].isdigit()

    def test_uploads_in_the_past(self, dated_fake_gcs: FakeGcs, tmp_path: Path) -> None:
        """On disk the real server lists the upload time and generation that it was given."""
        bucket = dated_fake_gcs.new_bucket()
        dated_fake_gcs.add(bucket, f"{KOPS_ROOT}{BUILD}/kops", "x", at=MOMENT)
        (tmp_path / "file+").write_bytes(b"y")
        dated_fake_gcs.fill_from_directory(bucket, tmp_path, prefix="z/")
        dated, filed = dated_fake_gcs.client.list_blobs(bucket)
        assert (dated.name, dated.time_created, dated.size) == (f"{KOPS_ROOT}{BUILD}/kops", MOMENT, 1)
        assert dated.generation == 1714996800123456
        assert filed.name == "z/file+"
        written = datetime.fromtimestamp((tmp_path / "file+").stat().st_mtime, UTC)
        assert abs(filed.time_created - written) < timedelta(milliseconds=1)

    def test_memory_has_no_past(self, fake_gcs: FakeGcs) -> None:
        """The other backend says that it cannot."""
        with pytest.raises(ValueError, match="past"):
            fake_gcs.add(fake_gcs.new_bucket(), "a", at=MOMENT)
