"""A plain web server as a store: the standard library's file server, alone and behind a cache that answers late."""

from __future__ import annotations

import json
import threading
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from attrs import evolve, frozen
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from kopsversion import resolve_latest
from kopsversion.cli.toolbox import tools
from kopsversion.errors import (
    AccessDeniedError,
    MalformedResponseError,
    ObjectNotFoundError,
    PreconditionFailedError,
    StoreError,
)
from kopsversion.model.answer import Rung, Severity, Source, Verdict
from kopsversion.model.codec import from_json, to_json
from kopsversion.stores.deadline import Deadline
from kopsversion.stores.opening import open_store
from kopsversion.stores.site import Site, read_site
from kopsversion.stores.web import age_of
from tests.harness import BINARIES, MIDDLE, NEW, OLD, add_build, content_of
from tests.stores.scripted import FAULTS, QUICK, Answer, Asked, Server, html, write
from tests.stores.test_store_contract import DirectoryPlace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from click.testing import Result

    from kopsversion.model.answer import Resolution
    from kopsversion.stores.base import AttemptPolicy, Store

LATEST = "markers/master/latest-ci.txt"
GREEN = "markers/master/latest-ci-updown-green.txt"
THEN = datetime(2024, 5, 6, 12, tzinfo=UTC)
LAST_MODIFIED = "Mon, 06 May 2024 12:00:00 GMT"
OFFICIAL = "https://dl.k8s.io/ci/kops/kops/releases/"


@frozen
class Hosted:
    """A directory, and where it is served."""

    place: DirectoryPlace
    origin: str

    @property
    def url(self) -> str:
        return f"{self.origin}/kops/releases"


class _Files(SimpleHTTPRequestHandler):
    """The standard library's file server, without its log."""

    def log_message(self, *_arguments: object) -> None:
        pass


@pytest.fixture
def hosted(tmp_path: Path) -> Iterator[Hosted]:
    """A directory of builds on the standard library's file server."""
    (tmp_path / "kops").mkdir()
    place = DirectoryPlace(tmp_path / "kops" / "releases")
    handler: Any = partial(_Files, directory=str(tmp_path))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield Hosted(place, f"http://127.0.0.1:{server.server_port}")
    server.shutdown()
    server.server_close()
    thread.join()


class Cache:
    """A script that answers with what it fetched first, and says how old that is; headers of the bucket it strips."""

    def __init__(self, origin: str, *, age: str) -> None:
        self._origin = origin
        self._age = age
        self._held: dict[str, Answer] = {}

    def __call__(self, asked: Asked) -> Answer:
        if asked.target not in self._held:
            self._held[asked.target] = self._fetched(asked.target)
        held = self._held[asked.target]
        return evolve(held, headers={**held.headers, "Age": self._age})

    def _fetched(self, target: str) -> Answer:
        store = open_store(self._origin, deadline=Deadline(60), environ={})
        try:
            return Answer(body=store.read(target.removeprefix("/").replace("%2B", "+"), limit=1 << 20).data)
        except ObjectNotFoundError:
            return html(404)
        finally:
            store.close()


def opened(url: str, *, attempts: AttemptPolicy = QUICK) -> Store:
    return open_store(url, deadline=Deadline(60), attempts=attempts, environ={})


def name(place: DirectoryPlace, version: str, *markers: str, root: str = OFFICIAL) -> None:
    for marker in markers:
        place.add(marker, f"{root}{version}\n".encode())


def told(found: Resolution) -> dict[str, Severity]:
    return {condition.code: condition.severity for condition in found.conditions}


# --------------------------------------------------------------------------------------------------
# URLs


class TestUrls:
    @pytest.mark.parametrize(
        ("url", "read"),
        [
            ("https://dl.k8s.io/ci/kops/kops/releases", "https://dl.k8s.io/ci/kops/kops/releases/"),
            ("https://dl.k8s.io/ci/kops//kops/releases//", "https://dl.k8s.io/ci/kops/kops/releases/"),
            ("HTTPS://DL.K8S.IO:443/ci/", "https://dl.k8s.io/ci/"),
            ("http://mirror.example:80", "http://mirror.example/"),
            ("https://mirror.example:80/", "https://mirror.example:80/"),
            ("http://mirror.example:8080/a%2Bb+c%20d e", "http://mirror.example:8080/a+b+c%20d%20e/"),
            ("http://127.0.0.1:4443/kops", "http://127.0.0.1:4443/kops/"),
            ("http://[::1]:4443/kops", "http://[::1]:4443/kops/"),
            ("http://mirror.example./\u00e9", "http://mirror.example./%C3%A9/"),
        ],
    )
    def test_each_way_to_write_a_place(self, url: str, read: str) -> None:
        """Escaped or not, with or without its last slash and its scheme's own port, a URL names the same place."""
        store = opened(url)
        assert store.url == read
        assert not store.is_local
        assert store.requests == 0
        assert opened(store.url).url == store.url

    @pytest.mark.parametrize(
        "url",
        [
            "https://user:secret@h.example/",
            "https://@h.example/",
            "https://h.example/?alt=media",
            "https://h.example/#part",
            "https://h.example\\other.example/",
            "https://h.example/a\nb",
            "https://",
            "https://-h.example/",
            "https://h.example:0/",
            "https://h.example:70000/",
            "https://h.example:port/",
            "https://h.example/a%2Fb",
            "https://h.example/%FF",
            "https://h.example/a/../b",
            "https://h.example/a%00b",
            "https://[::1/",
            "https://[v1.x]/",
            "https://[fe80::1%25eth0]:x/",
        ],
    )
    def test_what_names_no_place_is_refused(self, url: str) -> None:
        """Nobody logs in there, nothing is asked of a query, and a name in the path is a name of an object."""
        assert read_site(url) is None

    def test_printed_urls_have_a_literal_plus_and_requests_have_none(self) -> None:
        """kops reads the base URL with a plus; a server that takes a plus for a space must not see one."""
        site = Site("https://h.example", "a b/")
        assert site.public_url("1.30.0+v1") == "https://h.example/a%20b/1.30.0+v1"
        assert site.object_url("1.30.0+v1") == "https://h.example/a%20b/1.30.0%2Bv1"

    @given(st.text(max_size=40))
    def test_whatever_follows_the_host_reading_it_does_not_raise(self, text: str) -> None:
        """A URL is read into a place that reads as itself, or refused."""
        site = read_site(f"https://h.example{text}")
        assert site is None or read_site(site.url) == site


# --------------------------------------------------------------------------------------------------
# Objects


class TestReading:
    def test_an_object_is_read_by_its_name(self, hosted: Hosted) -> None:
        """The content, and when it was written; a file server has no generation and no ETag."""
        hosted.place.add("1.30.0+v1/a b", b"text\n", THEN)
        store = opened(hosted.url)
        content = store.read("1.30.0+v1/a b", limit=1024)
        assert (content.data, content.written) == (b"text\n", THEN)
        assert (content.generation, content.etag, content.age) == (None, None, None)
        assert content.answered is not None
        assert store.read("1.30.0+v1/a b", limit=2).data == b"tex"
        assert store.stat("1.30.0+v1/a b").size == 5
        assert store.stat("1.30.0+v1/a b").uploaded == THEN
        assert store.requests == 4
        store.close()

    def test_an_object_is_streamed_from_any_offset(self, hosted: Hosted) -> None:
        """Also from a server that knows no ranges."""
        data = bytes(range(256)) * 9000
        hosted.place.add("kops", data)
        store = opened(hosted.url)
        for offset in (0, 1, 70_000, len(data), len(data) + 1):
            assert b"".join(store.download("kops", offset=offset)) == data[offset:]

    def test_a_download_that_breaks_off_goes_on_where_it_was(self, serve: Callable[..., Server]) -> None:
        """By range, of the same content."""
        headers = {"Last-Modified": LAST_MODIFIED}
        rest = {**headers, "Content-Range": "bytes 4-9/10"}
        server = serve(
            Answer(headers=headers, body=b"0123456789", reset=4),
            Answer(status=206, headers=rest, body=b"456789"),
        )
        assert b"".join(opened(server.origin).download("kops")) == b"0123456789"
        assert server.asked[1].headers["range"] == "bytes=4-"

    def test_two_contents_are_not_put_together(self, serve: Callable[..., Server]) -> None:
        """Where a cache strips the ETag, the time of writing tells that an object was overwritten."""
        other = {"Last-Modified": "Mon, 06 May 2024 12:00:01 GMT", "Content-Range": "bytes 4-9/10"}
        server = serve(
            Answer(headers={"Last-Modified": LAST_MODIFIED}, body=b"0123456789", reset=4),
            Answer(status=206, headers=other, body=b"abcdef"),
        )
        with pytest.raises(PreconditionFailedError, match="overwritten"):
            list(opened(server.origin).download("kops"))

    def test_what_may_be_long_is_asked_for_by_range(self, serve: Callable[..., Server]) -> None:
        """So that no server sends gigabytes; of an empty object there is no range."""
        whole = Answer(status=206, headers={"Content-Range": "bytes 0-3/4"}, body=b"text")
        server = serve(whole, Answer(status=416))
        store = opened(server.origin)
        assert store.read("x", limit=1 << 20).data == b"text"
        assert store.read("x", limit=1 << 20).data == b""
        assert server.asked[0].headers["range"] == "bytes=0-1048576"

    @pytest.mark.parametrize(("answer", "kind", "passes"), FAULTS.values(), ids=FAULTS)
    def test_each_failure_has_its_error(
        self, serve: Callable[..., Server], answer: Answer, kind: type[StoreError], passes: Any
    ) -> None:
        """As of a bucket; what may pass is asked for again, and a redirect is not followed."""
        server = serve(answer)
        store = opened(server.origin)
        with pytest.raises(kind) as caught:
            store.read("x", limit=1024)
        assert type(caught.value) is kind
        assert "bucket" not in (caught.value.hint or "")
        assert f"{server.origin}/x" in str(caught.value)
        assert len(server.asked) == store.requests == (3 if passes else 1)

    def test_a_failure_that_passes_is_not_noticed(self, serve: Callable[..., Server]) -> None:
        """502 and a reset, then the content."""
        server = serve(html(502), Answer(reset=-1), Answer(body=b"text"))
        assert opened(server.origin).read("x", limit=1024).data == b"text"

    def test_a_body_without_an_end_of_its_own_is_no_answer(self, serve: Callable[..., Server]) -> None:
        """Nobody could tell it from one that was cut short."""
        server = serve(Answer(body=b"text", length=-1))
        with pytest.raises(MalformedResponseError, match="does not say how long it is"):
            opened(server.origin).read("x", limit=1024)

    @pytest.mark.parametrize(
        "headers",
        [{}, {"Content-Length": "4"}, {"Last-Modified": LAST_MODIFIED}],
        ids=["none", "size", "time"],
    )
    def test_headers_that_say_too_little_are_no_metadata(
        self, serve_head: Callable[..., str], headers: dict[str, str]
    ) -> None:
        """When it was written is asked for with --as-of, and must not be guessed."""
        with pytest.raises(MalformedResponseError, match="how large it is and when it was written"):
            opened(serve_head(headers)).stat("x")

    def test_bad_names_are_refused_before_a_request(self, hosted: Hosted) -> None:
        """A name never leads out of the place."""
        store = opened(hosted.url)
        for ask in (
            lambda: store.read("../x", limit=1),
            lambda: store.stat("a//b"),
            lambda: list(store.download("/x")),
        ):
            with pytest.raises(StoreError, match="not a name"):
                ask()
        assert store.requests == 0


@pytest.fixture
def serve_head() -> Iterator[Callable[[dict[str, str]], str]]:
    """Start a server that answers HEAD with these headers."""
    with ExitStack() as running:

        def start(headers: dict[str, str]) -> str:
            class Handler(_Files):
                def do_HEAD(self) -> None:
                    self.send_response(200)
                    for key, value in headers.items():
                        self.send_header(key, value)
                    self.end_headers()

            server = running.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
            threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
            running.callback(server.shutdown)
            return f"http://127.0.0.1:{server.server_port}"

        yield start


class TestRefusals:
    def test_nothing_is_listed_or_written_and_that_costs_no_request(self, hosted: Hosted) -> None:
        """Also where the server shows a page of links: that is no listing."""
        store = opened(hosted.url)
        with pytest.raises(AccessDeniedError, match=r"cannot be listed.*nothing newer can be seen") as caught:
            store.list("1.30.", delimiter="/")
        assert f"{hosted.url}/1.30." in str(caught.value)
        assert "gs://bucket/prefix/" in caught.value.hint
        with pytest.raises(AccessDeniedError, match="only read"):
            write(store)
        assert store.requests == 0


class TestAge:
    @pytest.mark.parametrize(
        ("headers", "seconds"),
        [
            ({}, None),
            ({"Age": "0"}, 0),
            ({"Age": " 90 "}, 90),
            ({"Age": "-1"}, None),
            ({"Age": "\u0663"}, None),
            ({"Age": "9" * 100}, 1 << 31),
            ({"Age": "1.5"}, None),
            ({"Date": "Mon, 06 May 2024 11:59:30 GMT"}, None),
            ({"Date": "Mon, 06 May 2024 11:00:00 GMT"}, 3600),
            ({"Date": "Mon, 06 May 2024 13:00:00 GMT"}, None),
            ({"Date": "Mon, 06 May 2024 11:00:00 GMT", "Age": "60"}, 3600),
            ({"Date": "Mon, 06 May 2024 11:00:00 GMT", "Age": "7200"}, 7200),
            ({"Date": "yesterday", "Age": "5"}, 5),
        ],
    )
    def test_the_older_of_age_and_date_holds(self, headers: dict[str, str], seconds: int | None) -> None:
        """RFC 9111, section 4.2.3; what is neither says nothing, nor do two clocks that differ a little."""
        expected = None if seconds is None else timedelta(seconds=seconds)
        assert age_of(headers, now=THEN) == expected


# --------------------------------------------------------------------------------------------------
# Answers


def fill(hosted: Hosted) -> None:
    """Lay out two builds; both markers name the older one."""
    for version in (MIDDLE, NEW):
        add_build(hosted.place, version, at=THEN)
    name(hosted.place, MIDDLE, LATEST, GREEN)


class TestAnswers:
    def test_the_marker_answers_and_the_checksums_prove_its_build(self, hosted: Hosted) -> None:
        """The newer build cannot be seen, and that is said."""
        fill(hosted)
        found = resolve_latest("master", store=hosted.url)
        assert (str(found.version), found.source, found.rung) == (MIDDLE, Source.MARKER, Rung.MARKER)
        assert found.base_url == f"{hosted.url}/{MIDDLE}"
        assert found.markers[0].verdict is Verdict.UNVERIFIED
        assert told(found)["listing-unavailable"] is Severity.WARNING
        assert any("nothing newer can be seen" in condition.message for condition in found.conditions)
        assert "marker-cached" not in told(found)
        assert (found.generations, found.etags) == ({}, {})
        assert from_json(to_json(found)) == found

    def test_one_place_by_its_own_urls_is_the_store_too(self, hosted: Hosted) -> None:
        """A mirror may have written its own URL into the marker."""
        fill(hosted)
        name(hosted.place, NEW, LATEST, GREEN, root=f"{hosted.url}/")
        assert str(resolve_latest("master", store=f"{hosted.url}/").version) == NEW

    def test_as_of_goes_by_the_time_that_the_headers_tell(self, hosted: Hosted) -> None:
        """What was written later is not used."""
        fill(hosted)
        with pytest.raises(StoreError):
            resolve_latest("master", store=hosted.url, as_of=THEN)

    @pytest.mark.parametrize("lacking", BINARIES)
    def test_a_build_without_its_checksums_is_refused(self, hosted: Hosted, lacking: str) -> None:
        """Each file that a job cannot start without has to be there."""
        add_build(hosted.place, MIDDLE, at=THEN, lacking=lacking)
        name(hosted.place, MIDDLE, LATEST, GREEN)
        with pytest.raises(StoreError):
            resolve_latest("master", store=hosted.url)

    def test_an_error_page_with_status_200_is_no_marker(self, hosted: Hosted) -> None:
        """It is malformed, and the next marker decides."""
        fill(hosted)
        hosted.place.add(GREEN, b"<!DOCTYPE html><html>Not found</html>")
        found = resolve_latest("master", store=hosted.url)
        assert [report.verdict for report in found.markers][:2] == [Verdict.MALFORMED, Verdict.UNVERIFIED]
        assert told(found)["marker-malformed"] is Severity.WARNING

    @pytest.mark.parametrize(
        ("age", "severity"), [("7200", Severity.INFO), ("90000", Severity.WARNING), ("0", None)]
    )
    def test_old_content_from_a_cache_is_told_with_its_age(
        self, hosted: Hosted, serve: Callable[..., Server], age: str, severity: Severity | None
    ) -> None:
        """It is a warning where it is longer than a marker may lag; both headers are in the evidence."""
        fill(hosted)
        cache = serve(Cache(hosted.origin, age=age))
        store = f"{cache.origin}/kops/releases"
        assert str(resolve_latest("master", store=store).version) == MIDDLE
        name(hosted.place, NEW, LATEST, GREEN)
        found = resolve_latest("master", store=store)
        assert str(found.version) == MIDDLE
        assert told(found).get("marker-cached") is severity
        marker = found.markers[0].marker
        assert marker.age == timedelta(seconds=int(age))
        assert marker.answered is not None
        for condition in found.conditions:
            if condition.code == "marker-cached" and condition.data["marker"] == GREEN:
                assert condition.data["age_seconds"] == int(age)
                assert condition.data["answered"] == f"{marker.answered:%Y-%m-%dT%H:%M:%SZ}"
        assert from_json(to_json(found)) == found

    def test_a_server_that_is_away_lets_the_next_store_answer(self, hosted: Hosted) -> None:
        """A mirror first, and this store after it."""
        fill(hosted)
        found = resolve_latest("master", store=["/nowhere/at/all", hosted.url])
        assert str(found.version) == MIDDLE
        assert "store-unreachable" in told(found)


class TestCommands:
    """What a person sees who names a web server: what can be done is done, and what cannot says why (exit 4)."""

    @pytest.fixture
    def fresh(self, hosted: Hosted) -> Hosted:
        """Builds and markers of the last hours; the newer build is named by latest-ci.txt alone."""
        now = datetime.now(UTC)
        for hours, version in ((9, OLD), (8, MIDDLE), (1, NEW)):
            add_build(hosted.place, version, at=now - timedelta(hours=hours))
        name(hosted.place, MIDDLE, GREEN)
        name(hosted.place, NEW, LATEST)
        return hosted

    def test_resolve_answers_and_says_how_little_is_known(self, fresh: Hosted) -> None:
        """A job gets its build; --strict makes an exit status of the warnings."""
        ended = run("resolve", "--store", fresh.url)
        assert (ended.exit_code, ended.stdout) == (0, f"{fresh.url}/{MIDDLE}\n")
        assert "nothing newer can be seen" in ended.stderr
        assert run("resolve", "--store", fresh.url, "--strict").exit_code == 3

    def test_what_is_done_with_an_answer_needs_no_listing(self, fresh: Hosted, tmp_path: Path) -> None:
        """The binary is fetched against its checksum, and the answer is pinned and locked, and replayed."""
        kops, lock, pin = (tmp_path / each for each in ("bin", "lock", "pin"))
        effects = ("--fetch", str(kops), "--arch", "amd64", "--lock", str(lock), "--pin", str(pin))
        assert run("resolve", "--store", fresh.url, *effects).exit_code == 0
        assert kops.read_bytes() == content_of(MIDDLE, "linux/amd64/kops")
        assert pin.read_text() == f"{fresh.url}/{MIDDLE}\n"
        replayed = run("resolve", "--from-lock", str(lock))
        assert (replayed.exit_code, replayed.stdout) == (0, f"{fresh.url}/{MIDDLE}\n"), replayed.stderr

    def test_a_named_channel_is_checked_as_far_as_can_be(self, fresh: Hosted) -> None:
        """Degraded, exit 3, with both markers and what they name."""
        ended = run("check", "master", "--store", fresh.url, "--no-jobs", "-o", "json")
        assert ended.exit_code == 3
        (channel,) = json.loads(ended.stdout)["channels"]
        assert [marker["verdict"] for marker in channel["markers"]] == ["unverified", "unverified"]
        assert {finding["code"] for finding in channel["findings"]} >= {"listing-unavailable"}

    @pytest.mark.parametrize(
        "words",
        [
            ["list"],
            ["list", "master"],
            ["list", f"{OLD}..{NEW}"],
            ["check"],
            ["find", MIDDLE],
            ["bisect", OLD, NEW, "--dry-run"],
            ["promote", "--channel", "master", "--marker", "latest-ci.txt", "--build", NEW, "--dry-run"],
        ],
        ids=lambda words: " ".join(words[:2]),
    )
    def test_what_needs_a_listing_names_the_way_out(self, words: list[str], fresh: Hosted) -> None:
        """One sentence with the reason, and to name the bucket itself."""
        ended = run(*words, "--store", fresh.url)
        assert ended.exit_code == 4
        assert "a web server gives only what is asked for by name" in ended.stderr
        assert "hint: name the bucket itself, as in gs://bucket/prefix/" in ended.stderr

    def test_nothing_is_written_and_nobody_is_asked_for_credentials(self, fresh: Hosted) -> None:
        """A web server is read as nobody."""
        words = ("promote", "--channel", "master", "--marker", "latest-ci.txt", "--build", NEW)
        ended = run(*words, "--store", fresh.url)
        assert ended.exit_code == 4
        assert "Credentials" not in ended.stderr

    def test_old_content_from_a_cache_is_said(self, fresh: Hosted, serve: Callable[..., Server]) -> None:
        """The marker has moved, the cache has not: the answer is the old build, with how old what was read may be."""
        cache = serve(Cache(fresh.origin, age="90000"))
        store = f"{cache.origin}/kops/releases"
        assert run("resolve", "--store", store).exit_code == 0
        name(fresh.place, NEW, GREEN)
        ended = run("resolve", "--store", store)
        assert (ended.exit_code, ended.stdout) == (0, f"{store}/{MIDDLE}\n")
        assert "WARNING marker-cached" in ended.stderr
        checked = run("check", "master", "--store", store, "--no-jobs")
        assert checked.exit_code == 3
        assert "marker-cached" in checked.stdout


def run(*words: str) -> Result:
    return CliRunner().invoke(tools, list(words))
