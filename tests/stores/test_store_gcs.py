"""The bucket store: what it sends, what it believes, and what it makes of every failure.

The servers here are scripted: each test says what is answered. A bucket that behaves is elsewhere, in the
contract tests.
"""

from __future__ import annotations

import gzip
import socket
import ssl
import subprocess
import sys
import threading
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import pytest

from kopsversion.errors import (
    MalformedResponseError,
    PreconditionFailedError,
    StoreError,
    StoreUnavailableError,
    UsageError,
)
from kopsversion.stores import bucket as buckets
from kopsversion.stores import gcs, open_store
from kopsversion.stores.base import AttemptPolicy, Listing
from kopsversion.stores.deadline import Deadline, side_by_side
from kopsversion.stores.failures import NetworkError, translating
from kopsversion.stores.route import route_to
from kopsversion.stores.transport import http_date, retry_after
from tests.stores.scripted import (
    BUILD,
    FAULTS,
    MARKER,
    QUICK,
    ROUTE,
    UPLOADED,
    URL,
    Answer,
    Asked,
    Server,
    certificate,
    html,
    item,
    open_at,
    page,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from kopsversion.stores.base import Store


class TestOpening:
    @pytest.mark.parametrize(
        ("url", "place"),
        [
            ("gs://bucket/a/b/", "bucket/a/b/"),
            ("gs://bucket/a/b", "bucket/a/b/"),
            ("gs://bucket", "bucket/"),
            ("gs://bucket/", "bucket/"),
            ("GS://bucket/a//b//", "bucket/a/b/"),
            ("gs://bucket/a+b%2Bc", "bucket/a+b%2Bc/"),
            ("https://storage.googleapis.com/bucket/a/b", "bucket/a/b/"),
            ("https://storage.googleapis.com/bucket", "bucket/"),
            ("https://storage.googleapis.com:443/bucket/a", "bucket/a/"),
            ("HTTPS://Storage.GoogleAPIs.com:/bucket/a", "bucket/a/"),
            ("https://storage.googleapis.com/bucket/a%2Bb+c%20d/", "bucket/a+b+c d/"),
            ("HTTPS://Storage.GoogleAPIs.com/bucket/a/", "bucket/a/"),
        ],
    )
    def test_each_way_to_write_a_bucket(self, url: str, place: str) -> None:
        """gs:// and https:// name the same store, escaped or not, with or without its last slash."""
        store = open_store(url, deadline=Deadline(60), environ={})
        assert store.url == f"gs://{place}"
        assert not store.is_local
        assert store.requests == 0

    def test_base_url_is_what_kops_reads(self) -> None:
        """The base URL has a literal plus and no slash at its end (DESIGN section 2)."""
        store = open_store("gs://k8s-staging-kops/kops/releases", deadline=Deadline(60), environ={})
        root = "https://storage.googleapis.com/k8s-staging-kops/kops/releases"
        assert store.public_url(BUILD) == f"{root}/{BUILD}"
        spaced = open_store("gs://bucket/a b", deadline=Deadline(60), environ={})
        assert spaced.public_url("1.29.0") == "https://storage.googleapis.com/bucket/a%20b/1.29.0"

    @pytest.mark.parametrize(
        ("value", "origin"),
        [
            ("http://127.0.0.1:4443", "http://127.0.0.1:4443"),
            ("http://127.0.0.1:4443/", "http://127.0.0.1:4443"),
            ("127.0.0.1:4443", "http://127.0.0.1:4443"),
            ("https://gcs.example", "https://gcs.example"),
            ("http://[::1]:4443", "http://[::1]:4443"),
            ("", "https://storage.googleapis.com"),
        ],
    )
    def test_an_emulator_takes_the_place_of_the_cloud(self, value: str, origin: str) -> None:
        """STORAGE_EMULATOR_HOST moves the base URL as well, and may lack its scheme."""
        store = open_store("gs://bucket/x/", deadline=Deadline(60), environ={"STORAGE_EMULATOR_HOST": value})
        assert store.public_url("1.29.0+a") == f"{origin}/bucket/x/1.29.0+a"

    @pytest.mark.parametrize(
        "value", ["ftp://host", "http://", "http://a b", "http://host/path", "http://u@h"]
    )
    def test_an_emulator_that_is_no_origin_is_refused(self, value: str) -> None:
        """The message names the variable, its value and the form expected."""
        with pytest.raises(UsageError, match="STORAGE_EMULATOR_HOST") as caught:
            open_store("gs://bucket/", deadline=Deadline(60), environ={"STORAGE_EMULATOR_HOST": value})
        assert "http://127.0.0.1:4443" in caught.value.hint

    def test_only_a_bucket_imports_the_cloud(self) -> None:
        """urllib3 is imported when a bucket is opened, tenacity when it has failed, Google's client to write."""
        script = (
            "import sys\n"
            "names = ('google', 'requests', 'tenacity', 'urllib3')\n"
            "from kopsversion.stores import open_store\n"
            "from kopsversion.stores.deadline import Deadline\n"
            "print([name in sys.modules for name in names])\n"
            "open_store('gs://bucket/', deadline=Deadline(60), environ={})\n"
            "print([name in sys.modules for name in names])\n"
        )
        ended = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
        )
        assert ended.stdout.split("\n")[:2] == ["[False, False, False, False]", "[False, False, False, True]"]


class TestTraffic:
    def test_one_listing_is_one_request_that_asks_for_what_is_used(
        self, serve: Callable[..., Server]
    ) -> None:
        """No bucket metadata, no project, no other fields: the server's count is ours."""
        server = serve(page(prefixes=["releases/1.29.0/"]))
        store = open_at(server)
        store.list("1.29.", delimiter="/", match_glob="1.29.*/")
        assert [(each.method, each.path) for each in server.asked] == [("GET", "/storage/v1/b/kops/o")]
        assert server.asked[0].query == {
            "prefix": "releases/1.29.",
            "delimiter": "/",
            "matchGlob": "releases/1.29.*/",
            "fields": "items(name,size,timeCreated),prefixes,nextPageToken",
            "prettyPrint": "false",
        }
        assert store.requests == 1
        assert [each.name for each in threading.enumerate() if "metadata" in each.name.lower()] == []

    def test_a_whole_bucket_is_listed_without_parameters(self, serve: Callable[..., Server]) -> None:
        """What is not asked for is not sent."""
        server = serve(page())
        assert open_at(server, url="gs://kops").list() == Listing((), ())
        assert set(server.asked[0].query) == {"fields", "prettyPrint"}

    def test_a_glob_that_the_root_would_change_stays_here(self, serve: Callable[..., Server]) -> None:
        """Where the store's prefix means something in a glob, only we filter."""
        server = serve(page(items=[{**item("x"), "name": f"a*b/{name}"} for name in ("x", "y")]))
        listing = open_at(server, url="gs://kops/a*b").list(match_glob="x*")
        assert [each.name for each in listing.objects] == ["x"]
        assert "matchGlob" not in server.asked[0].query

    def test_connections_are_kept(self, serve: Callable[..., Server]) -> None:
        """Requests one after the other share a connection."""
        server = serve(page(items=[item("x")]))
        accepted = 0
        accept = server._http.get_request

        def counted() -> Any:
            nonlocal accepted
            accepted += 1
            return accept()

        server._http.get_request = counted  # type: ignore[method-assign]  # to count connections
        store = open_at(server)
        for _ in range(5):
            store.list()
            store.read(MARKER, limit=1024)
        assert (accepted, store.requests) == (1, 10)

    def test_requests_go_side_by_side(self, serve: Callable[..., Server]) -> None:
        """Eight threads share the store; each is answered while the others wait."""
        everybody = threading.Barrier(8)

        def script(_asked: Asked) -> Answer:
            everybody.wait(60)
            return page(items=[item("x")])

        store = open_at(serve(script))
        listings = side_by_side([store.list] * 8, deadline=Deadline(60), urls=[""] * 8)
        assert all(isinstance(each, Listing) and len(each.objects) == 1 for each in listings)
        assert store.requests == 8

    def test_repeated_requests_are_counted(self, serve: Callable[..., Server]) -> None:
        """What had to be sent again counts again."""
        server = serve(html(503), html(503), page())
        store = open_at(server, attempts=QUICK)
        store.list()
        assert store.requests == len(server.asked) == 3

    def test_a_redirect_is_not_followed(self, serve: Callable[..., Server]) -> None:
        """No request follows a redirect anywhere, least of all with credentials."""
        elsewhere = serve(page())
        server = serve(Answer(status=302, headers={"Location": elsewhere.origin}))
        with pytest.raises(MalformedResponseError, match="redirect") as caught:
            open_at(server, attempts=QUICK).list()
        assert elsewhere.origin not in str(caught.value)
        assert (len(server.asked), len(elsewhere.asked)) == (1, 0)


class TestProxies:
    def test_a_proxy_is_asked_for_what_is_elsewhere(self, serve: Callable[..., Server]) -> None:
        """HTTP_PROXY is honoured for another machine."""
        proxy = serve(page(items=[item("x")]))
        store = open_at("http://gcs.invalid", environ={"HTTP_PROXY": proxy.origin})
        assert len(store.list().objects) == 1
        assert proxy.asked[0].target.startswith("http://gcs.invalid/storage/v1/b/kops/o?")

    def test_a_proxy_is_not_asked_for_this_machine(self, serve: Callable[..., Server]) -> None:
        """A loopback emulator works although HTTP_PROXY is set, also without NO_PROXY."""
        proxy, server = serve(html(502)), serve(page())
        open_at(server, environ={"HTTP_PROXY": proxy.origin, "http_proxy": proxy.origin}).list()
        assert (len(proxy.asked), len(server.asked)) == (0, 1)

    def test_a_broken_proxy_is_named_and_not_tried_again(self, serve: Callable[..., Server]) -> None:
        """A proxy that refuses connections is a mistake in the settings, not a hiccup."""
        server = serve(page())
        environ = {"HTTP_PROXY": server.origin}
        server.__exit__()
        store = open_at("http://gcs.invalid", attempts=QUICK, environ=environ)
        with pytest.raises(StoreUnavailableError, match="through the proxy") as caught:
            store.list()
        assert not caught.value.transient
        assert store.requests == 1

    @pytest.mark.parametrize(
        ("endpoint", "environ", "proxy"),
        [
            ("https://storage.googleapis.com", {}, None),
            ("https://storage.googleapis.com", {"HTTPS_PROXY": "http://p:1"}, "http://p:1"),
            ("https://storage.googleapis.com", {"https_proxy": "p:1"}, "http://p:1"),
            ("https://storage.googleapis.com", {"HTTP_PROXY": "http://p:1"}, None),
            ("https://storage.googleapis.com", {"ALL_PROXY": "http://p:1"}, "http://p:1"),
            ("https://storage.googleapis.com", {"https_proxy": "", "all_proxy": "http://p:1"}, "http://p:1"),
            ("http://gcs.example", {"http_proxy": "http://a:1", "HTTP_PROXY": "http://b:1"}, "http://a:1"),
            ("http://gcs.example", {"http_proxy": "http://p:1", "NO_PROXY": "*"}, None),
            ("http://gcs.example", {"http_proxy": "http://p:1", "NO_PROXY": "x, gcs.example"}, None),
            ("http://gcs.example:80", {"http_proxy": "http://p:1", "no_proxy": "gcs.example:80"}, None),
            ("http://gcs.example", {"http_proxy": "http://p:1", "no_proxy": ".Example"}, None),
            ("http://gcs.example", {"http_proxy": "http://p:1", "no_proxy": "*.example"}, None),
            ("http://gcs.example", {"http_proxy": "http://p:1", "no_proxy": "cs.example,,"}, "http://p:1"),
            ("http://10.1.2.3", {"http_proxy": "http://p:1", "no_proxy": "10.0.0.0/8"}, None),
            ("http://10.1.2.3", {"http_proxy": "http://p:1", "no_proxy": "11.0.0.0/8"}, "http://p:1"),
            ("http://10.1.2.3", {"http_proxy": "http://p:1", "no_proxy": "10.1.2.3"}, None),
            ("http://localhost:1", {"http_proxy": "http://p:1"}, None),
            ("http://gcs.localhost:1", {"http_proxy": "http://p:1"}, None),
            ("http://[::1]:1", {"http_proxy": "http://p:1"}, None),
        ],
    )
    def test_the_environment_chooses_the_proxy(
        self, endpoint: str, environ: dict[str, str], proxy: str | None
    ) -> None:
        """HTTP(S)_PROXY, ALL_PROXY and NO_PROXY mean what they mean to curl, and to clusters."""
        found = route_to(endpoint, environ).proxy
        assert (found and found.value) == proxy
        assert found is None or environ[found.variable]


class TestTls:
    @pytest.fixture
    def secure(self, tmp_path: Path) -> Iterator[tuple[Server, Path]]:
        """A server that speaks TLS, and the certificate it shows."""
        path = certificate(tmp_path)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        server = Server(lambda _asked: page(items=[item("x")]))
        server.over_tls(context)
        with server:
            yield server, path

    def test_an_untrusted_certificate_is_refused_at_once(self, secure: tuple[Server, Path]) -> None:
        """A certificate that is not trusted is no hiccup: one attempt, and a hint about the CA."""
        store = open_at(secure[0], attempts=QUICK)
        with pytest.raises(StoreUnavailableError, match="certificate") as caught:
            store.list()
        assert not caught.value.transient
        assert "REQUESTS_CA_BUNDLE" in caught.value.hint
        assert store.requests == 1
        assert secure[0].asked == []

    @pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
    def test_the_environment_names_who_is_trusted(self, variable: str, secure: tuple[Server, Path]) -> None:
        """With the CA's certificate named, the same server is trusted."""
        server, path = secure
        assert len(open_at(server, environ={variable: str(path)}).list().objects) == 1

    def test_a_missing_ca_bundle_is_an_error_of_ours(self, secure: tuple[Server, Path]) -> None:
        """A CA file that does not exist fails at once, without a traceback."""
        store = open_at(secure[0], attempts=QUICK, environ={"REQUESTS_CA_BUNDLE": "/absent.pem"})
        with pytest.raises(StoreUnavailableError) as caught:
            store.list()
        assert not caught.value.transient

    def test_tls_to_a_server_without_it_fails(self, serve: Callable[..., Server]) -> None:
        """A handshake that fails for another reason may be a fault of the moment."""
        server = serve(page())
        with pytest.raises(StoreUnavailableError) as caught:
            open_at(server.origin.replace("http:", "https:")).list()
        assert caught.value.transient


def kinds_of_request() -> dict[str, Callable[[Store], object]]:
    return {
        "list": lambda store: store.list("1.29.", delimiter="/"),
        "read": lambda store: store.read(MARKER, limit=1024),
        "stat": lambda store: store.stat(MARKER),
        "download": lambda store: list(store.download(MARKER)),
    }


class TestFailures:
    @pytest.mark.parametrize("kind", kinds_of_request())
    @pytest.mark.parametrize("fault", FAULTS)
    def test_every_fault_becomes_a_store_error(
        self, fault: str, kind: str, serve: Callable[..., Server]
    ) -> None:
        """Each fault of a server has its error, which names the URL and repeats nothing that was sent."""
        answer, error, transient = FAULTS[fault]
        server = serve(answer)
        store = open_at(server, attempts=QUICK)
        with pytest.raises(error) as caught:
            kinds_of_request()[kind](store)
        assert type(caught.value) is error
        assert caught.value.transient is transient
        assert caught.value.url.startswith("gs://kops/releases/")
        assert caught.value.url in str(caught.value)
        assert "sign in" not in str(caught.value)
        assert store.requests >= 3 if transient else store.requests == 1

    @pytest.mark.parametrize("kind", ["list", "read", "stat", "download"])
    @pytest.mark.parametrize("fault", [name for name, (_, _, transient) in FAULTS.items() if transient])
    def test_a_passing_fault_is_not_noticed(
        self, fault: str, kind: str, serve: Callable[..., Server]
    ) -> None:
        """Asked again, the server answers, and so do we (FAILURES row 15)."""
        good = page(name=f"releases/{MARKER}", size="3", timeCreated=UPLOADED, generation="7")
        if kind == "list":
            good = page(prefixes=["releases/1.29.0/"])
        server = serve(FAULTS[fault][0], good)
        assert kinds_of_request()[kind](open_at(server, attempts=QUICK))
        assert len(server.asked) == 2

    @pytest.mark.parametrize("kind", kinds_of_request())
    def test_a_server_that_is_not_there_is_unavailable(self, kind: str, serve: Callable[..., Server]) -> None:
        """A refused connection is tried again, and then reported."""
        server = serve(page())
        server.__exit__()
        store = open_at(server, attempts=QUICK)
        with pytest.raises(StoreUnavailableError, match="cannot be reached") as caught:
            kinds_of_request()[kind](store)
        assert caught.value.transient
        assert store.requests == 3

    @pytest.mark.parametrize("kind", kinds_of_request())
    @pytest.mark.parametrize("patience", ["read", "whole"])
    def test_a_stalled_connection_leaves_time_for_another(
        self, patience: str, kind: str, serve: Callable[..., Server]
    ) -> None:
        """A server that does not answer costs one attempt, not the whole deadline."""
        policy = AttemptPolicy(max_attempts=2, initial=0.0, **{patience: 0.05})
        store = open_at(serve(Answer(stall=True)), attempts=policy)
        with pytest.raises(StoreUnavailableError) as caught:
            kinds_of_request()[kind](store)
        assert caught.value.transient
        assert store.requests == 2

    @pytest.mark.parametrize("kind", kinds_of_request())
    def test_the_deadline_ends_everything(self, kind: str, serve: Callable[..., Server]) -> None:
        """Nothing outlives the deadline, whose length the message tells."""
        store = open_at(serve(Answer(stall=True)), seconds=0.05)
        with pytest.raises(StoreUnavailableError, match=r"0\.05 s|in time"):
            kinds_of_request()[kind](store)

    def test_a_body_that_drips_ends_with_the_attempt(self) -> None:
        """A server that sends a byte now and then trips no socket timeout, and is given up all the same."""
        closing = threading.Event()

        def drip() -> None:
            with suppress(OSError):  # the listener is closed, or the client has gone
                connection, _ = listener.accept()
                with connection:
                    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Drip: ")
                    while not closing.wait(0.01):
                        connection.sendall(b"x")

        with socket.create_server(("127.0.0.1", 0)) as listener:
            thread = threading.Thread(target=drip, daemon=True)
            thread.start()
            policy = AttemptPolicy(max_attempts=1, whole=0.2)
            store = open_at(f"http://127.0.0.1:{listener.getsockname()[1]}", attempts=policy)
            with pytest.raises(StoreUnavailableError, match=r"no whole answer within 0\.2 s"):
                store.list()
            closing.set()
            listener.shutdown(socket.SHUT_RDWR)  # a busy machine may not have let the client come so far
            thread.join(60)
        assert not thread.is_alive()

    @pytest.mark.parametrize(
        ("headers", "seconds"),
        [
            ({}, None),
            ({"Retry-After": "0"}, 0.0),
            ({"Retry-After": " 120 "}, 120.0),
            ({"Retry-After": "9" * 40}, 999_999_999.0),
            ({"Retry-After": "-5"}, None),
            ({"Retry-After": "1.5"}, None),
            ({"Retry-After": "soon"}, None),
            ({"Retry-After": "\u00b2"}, None),
            ({"Retry-After": "Wed, 06 Mar 2024 13:41:00 GMT", "Date": "Wed, 06 Mar 2024 13:40:00 GMT"}, 60.0),
            ({"Retry-After": "Wed, 06 Mar 2024 13:39:00 GMT", "Date": "Wed, 06 Mar 2024 13:40:00 GMT"}, 0.0),
            ({"Retry-After": "Wed, 06 Mar 2024 13:41:00 GMT", "Date": "never"}, 0.0),
        ],
    )
    def test_the_server_may_say_when_to_come_back(
        self, headers: dict[str, str], seconds: float | None
    ) -> None:
        """Retry-After is read in seconds or as a date, counted from the server's own clock."""
        assert retry_after(headers) == seconds

    def test_the_wish_of_the_server_reaches_the_error(self, serve: Callable[..., Server]) -> None:
        """The error carries Retry-After for the retry to honour."""
        with pytest.raises(StoreUnavailableError) as caught:
            open_at(serve(Answer(status=429, headers={"Retry-After": "17"}))).list()
        assert caught.value.retry_after == 17.0

    def test_errors_of_other_kinds_pass(self) -> None:
        """A mistake in the program is not taken for a store's failure."""
        with pytest.raises(AssertionError), translating(URL, ROUTE):
            raise AssertionError

    @pytest.mark.parametrize(
        ("failure", "kind", "transient"),
        [
            (NetworkError(), StoreUnavailableError, True),
            (OSError("broken"), StoreUnavailableError, True),
            (RecursionError("deep"), MalformedResponseError, False),
            (UnicodeDecodeError("utf-8", b"x", 0, 1, "bad"), MalformedResponseError, False),
            (AttributeError("get"), MalformedResponseError, False),
        ],
    )
    def test_what_the_libraries_raise_is_translated(
        self, failure: Exception, kind: type[StoreError], *, transient: bool
    ) -> None:
        """Whatever comes out of requests, urllib3 or the client becomes a StoreError with its cause."""
        with pytest.raises(kind) as caught, translating(URL, ROUTE):
            raise failure
        assert caught.value.__cause__ is failure
        assert caught.value.transient is transient


class TestListing:
    def test_every_page_is_read(self, serve: Callable[..., Server]) -> None:
        """Pages of items and prefixes add up to one listing, in order of names (FAILURES row 19)."""
        server = serve(
            page(items=[item("b")], prefixes=["releases/d/"], nextPageToken="one"),
            page(nextPageToken="two"),
            page(
                items=[item("a", size=0, timeCreated="2024-03-06T15:40:00+02:00")], prefixes=["releases/c/"]
            ),
        )
        listing = open_at(server).list(delimiter="/")
        assert [(each.name, each.size) for each in listing.objects] == [("a", 0), ("b", 3)]
        assert [each.uploaded for each in listing.objects] == [
            datetime(2024, 3, 6, 13, 40, tzinfo=UTC),
            datetime(2024, 3, 6, 13, 40, 0, 250_000, tzinfo=UTC),
        ]
        assert listing.prefixes == ("c/", "d/")
        assert [each.query.get("pageToken") for each in server.asked] == [None, "one", "two"]

    def test_each_page_is_asked_for_again_by_itself(self, serve: Callable[..., Server]) -> None:
        """A fault on the second page does not cost the first one again."""
        server = serve(page(items=[item("a")], nextPageToken="one"), html(503), page(items=[item("b")]))
        listing = open_at(server, attempts=QUICK).list()
        assert len(listing.objects) == 2
        assert [each.query.get("pageToken") for each in server.asked] == [None, "one", "one"]

    def test_a_listing_that_cannot_be_finished_is_none(self, serve: Callable[..., Server]) -> None:
        """A fault that stays on the second page fails the listing; the first page is no answer."""
        with pytest.raises(StoreUnavailableError):
            open_at(serve(page(items=[item("a")], nextPageToken="one"), html(503))).list()

    def test_what_servers_vary_in_is_accepted(self, serve: Callable[..., Server]) -> None:
        """More fields, a kind, numbers as numbers, nanoseconds, an end written as null or as nothing."""
        for token in (None, ""):
            entry = item("a", size=3, timeCreated="2024-03-06T13:40:00.123456789Z", kind="storage#object")
            server = serve(page(kind="storage#objects", items=[entry], prefixes=[], nextPageToken=token))
            found = open_at(server).list().objects[0]
            assert (found.size, found.uploaded.microsecond) == (3, 123456)
            assert len(server.asked) == 1

    def test_a_compressed_page_is_decompressed(self, serve: Callable[..., Server]) -> None:
        """gzip is what the client asks for, and what a server may send."""
        body = gzip.compress(page(items=[item("a")]).body)
        server = serve(Answer(headers={"Content-Encoding": "GZIP"}, body=body))
        assert len(open_at(server).list().objects) == 1
        assert server.asked[0].headers["accept-encoding"] == "gzip"

    def test_the_object_that_stands_for_the_root_is_none(self, serve: Callable[..., Server]) -> None:
        """Some tools make an object that is named like the directory; it is not one of the store's."""
        assert open_at(serve(page(items=[item("")]))).list() == Listing((), ())

    def test_what_the_server_did_not_fold_is_folded_here(self, serve: Callable[..., Server]) -> None:
        """A server that knows no such delimiter still gives the right listing."""
        server = serve(page(items=[item("1.29.0/x"), item("1.30.0/y"), item("2")]))
        listing = open_at(server).list(delimiter=".")
        assert (listing.prefixes, [each.name for each in listing.objects]) == (("1.",), ["2"])

    def test_a_glob_that_the_server_ignored_is_applied_here(self, serve: Callable[..., Server]) -> None:
        """Not every server honours matchGlob (DESIGN section 10)."""
        server = serve(page(items=[item("1/linux/amd64/kops"), item("1/linux/arm64/kops")]))
        listing = open_at(server).list(match_glob="*/linux/amd64/kops")
        assert [each.name for each in listing.objects] == ["1/linux/amd64/kops"]

    def test_an_entry_that_comes_twice_counts_once(self, serve: Callable[..., Server]) -> None:
        """Pages may overlap: the same object or prefix again is the same."""
        server = serve(
            page(items=[item("a"), item("a")], prefixes=["releases/p/"], nextPageToken="one"),
            page(items=[item("a"), item("b")], prefixes=["releases/p/"]),
        )
        listing = open_at(server).list(delimiter="/")
        assert ([each.name for each in listing.objects], listing.prefixes) == (["a", "b"], ("p/",))

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"<html>sign in</html>",
            b"[]",
            b"null",
            b'"text"',
            b"7",
            b"true",
            b'{"items": [',
            b'{"items": [{"name": "releases/a", "size": "3", "timeCreated": "2024-03-06T13:40:00Z"}',
            b"\xff\xfe\x00",
            b"[" * 100_000,
            b'{"items": ' + b"9" * 5000 + b"}",
            b'{"unexpected": 1}',
            b'{"kind": "storage#buckets", "items": []}',
            b'{"error": {"code": 500}, "items": []}',
            b'{"items": null}',
            b'{"items": {}}',
            b'{"items": "text"}',
            b'{"items": 7}',
            b'{"items": [7]}',
            b'{"items": [null]}',
            b'{"prefixes": null}',
            b'{"prefixes": {}}',
            b'{"prefixes": [7]}',
            b'{"prefixes": [["releases/a/"]]}',
            b'{"prefixes": ["elsewhere/"]}',
            b'{"prefixes": ["releases/a"]}',
            b'{"prefixes": ["releases/a/b/"]}',
            b'{"nextPageToken": 7}',
            b'{"nextPageToken": false}',
            b'{"nextPageToken": ["x"]}',
        ],
    )
    def test_a_body_that_is_no_page_is_malformed(self, body: bytes, serve: Callable[..., Server]) -> None:
        """Whatever is not a page of a listing fails the listing at once, and is never an empty one."""
        store = open_at(serve(Answer(body=body)), attempts=QUICK)
        with pytest.raises(MalformedResponseError, match="gs://kops/releases/"):
            store.list(delimiter="/")
        assert store.requests == 1

    @pytest.mark.parametrize(
        "change",
        [
            {"name": None},
            {"name": 7},
            {"name": "elsewhere/a"},
            {"name": "release"},
            {"size": None},
            {"size": "-1"},
            {"size": "1e3"},
            {"size": "\u0663"},
            {"size": 1.5},
            {"size": True},
            {"size": "9" * 20},
            {"size": -1},
            {"timeCreated": None},
            {"timeCreated": 1709732400},
            {"timeCreated": "yesterday"},
            {"timeCreated": "2024-03-06"},
            {"timeCreated": "2024-03-06T13:40:00"},
            {"timeCreated": "2024-13-06T13:40:00Z"},
            {"timeCreated": "0001-01-01T00:00:00+23:00"},
        ],
    )
    def test_an_item_that_is_no_object_is_malformed(
        self, change: dict[str, Any], serve: Callable[..., Server]
    ) -> None:
        """An item without name, size or time is not left out: the listing fails."""
        with pytest.raises(MalformedResponseError):
            open_at(serve(page(items=[item("a"), item("b") | change]))).list()

    def test_an_item_that_changes_its_mind_is_malformed(self, serve: Callable[..., Server]) -> None:
        """Two different objects of one name: nobody can say which one holds."""
        with pytest.raises(MalformedResponseError, match="two different objects"):
            open_at(serve(page(items=[item("a"), item("a", size="4")]))).list()

    def test_a_repeated_page_token_is_malformed(self, serve: Callable[..., Server]) -> None:
        """A token that comes again would lead in circles."""
        server = serve(
            page(items=[item("a")], nextPageToken="one"),
            page(items=[item("b")], nextPageToken="two"),
            page(items=[item("c")], nextPageToken="one"),
        )
        with pytest.raises(MalformedResponseError, match="page token"):
            open_at(server).list()
        assert len(server.asked) == 3

    @pytest.mark.parametrize("items", [[], [item("a")]])
    def test_pages_without_anything_new_end(
        self, items: list[dict[str, Any]], serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An endless chain of empty or repeated pages is given up."""
        monkeypatch.setattr(buckets, "MOST_IDLE_PAGES", 5)
        server = serve(lambda asked: page(items=items, nextPageToken=asked.query.get("pageToken", "") + "x"))
        with pytest.raises(MalformedResponseError, match="does not end"):
            open_at(server).list()
        assert len(server.asked) <= 6

    def test_pages_without_end_end(
        self, serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """So is an endless chain of pages that all bring something."""
        monkeypatch.setattr(buckets, "MOST_PAGES", 5)

        def script(asked: Asked) -> Answer:
            token = asked.query.get("pageToken", "") + "x"
            return page(items=[item(token)], nextPageToken=token)

        server = serve(script)
        with pytest.raises(MalformedResponseError, match="does not end"):
            open_at(server).list()
        assert len(server.asked) == 6

    @pytest.mark.parametrize("compressed", [False, True])
    def test_a_page_of_any_size_takes_no_more_memory_than_allowed(
        self, serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch, *, compressed: bool
    ) -> None:
        """A huge body, and a small one that decompresses to a huge one, are refused."""
        monkeypatch.setattr(gcs, "PAGE_LIMIT", 100_000)
        body = b" " * 10_000_000 if compressed else b" " * 100_001
        headers = {"Content-Encoding": "gzip"} if compressed else {}
        server = serve(Answer(headers=headers, body=gzip.compress(body) if compressed else body))
        with pytest.raises(MalformedResponseError, match="more than 100000 bytes"):
            open_at(server).list()

    @pytest.mark.parametrize("cut", ["truncated", "doubled", "trailing", "empty"])
    def test_a_compressed_page_that_is_not_whole_is_malformed(
        self, cut: str, serve: Callable[..., Server]
    ) -> None:
        """urllib3 would take a gzip stream that ends early for a whole one."""
        whole = gzip.compress(page(items=[item("a")]).body)
        body = {"truncated": whole[:-9], "doubled": whole * 2, "trailing": whole + b"x", "empty": b""}[cut]
        with pytest.raises(MalformedResponseError, match="compressed body"):
            open_at(serve(Answer(headers={"Content-Encoding": "gzip"}, body=body))).list()


class TestRead:
    def test_reads_content_and_what_is_said_of_it(self, serve: Callable[..., Server]) -> None:
        """One request brings the text, its generation, its ETag and when it was written."""
        written = datetime(2024, 5, 6, 12, 0, tzinfo=UTC)
        headers = {
            "x-goog-generation": "1795",
            "ETag": "CKih16GjycICEAE=",
            "Last-Modified": format_datetime(written, usegmt=True),
        }
        server = serve(Answer(headers=headers, body=b"text\n"))
        content = open_at(server).read(MARKER, limit=1024)
        assert (content.data, content.generation, content.written) == (b"text\n", "1795", written)
        assert content.etag == "CKih16GjycICEAE="
        assert server.asked[0].target == (
            "/download/storage/v1/b/kops/o/releases%2Fmarkers%2Fmaster%2Flatest-ci.txt?alt=media"
        )

    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"x-goog-generation": "x", "Last-Modified": "never", "ETag": ""},
            {"ETag": "\x1b[31m"},
            {"ETag": "x" * 201},
            {"ETag": "two words"},
        ],
        ids=range(5),
    )
    def test_what_the_server_does_not_say_is_unknown(
        self, headers: dict[str, str], serve: Callable[..., Server]
    ) -> None:
        """A server without those headers, or with nonsense in them, leaves them unknown."""
        content = open_at(serve(Answer(headers=headers, body=b"x"))).read(MARKER, limit=10)
        assert (content.generation, content.written, content.etag) == (None, None, None)

    @pytest.mark.parametrize("encoded", [False, True])
    def test_takes_one_byte_more_than_the_limit(self, serve: Callable[..., Server], *, encoded: bool) -> None:
        """Five megabytes, also compressed ones, cost no more memory than a marker may have."""
        body = b"x" * 5_000_000
        headers = {"Content-Encoding": "gzip"} if encoded else {"x-goog-stored-content-length": "5000000"}
        server = serve(Answer(headers=headers, body=gzip.compress(body) if encoded else body))
        assert open_at(server).read(MARKER, limit=1024).data == b"x" * 1025

    def test_an_object_stored_compressed_is_read(self, serve: Callable[..., Server]) -> None:
        """Content is decompressed where the server did not; the length of what is stored then means nothing."""
        stored = {"x-goog-stored-content-encoding": "gzip", "x-goog-stored-content-length": "900"}
        for headers, body in (
            (stored, b"text"),
            ({**stored, "Content-Encoding": "gzip"}, gzip.compress(b"text")),
        ):
            server = serve(Answer(headers=headers, body=body))
            assert open_at(server).read(MARKER, limit=1024).data == b"text"
            assert server.asked[0].headers["accept-encoding"] == "identity"

    def test_a_text_that_is_cut_short_is_not_taken_for_whole(self, serve: Callable[..., Server]) -> None:
        """A connection that ends early without a Content-Length is found out by the stored length."""
        headers = {"x-goog-stored-content-length": "4", "Connection": "close"}
        server = serve(
            Answer(headers=headers, body=b"te", length=-1), Answer(headers=headers, body=b"text", length=-1)
        )
        assert open_at(server, attempts=QUICK).read(MARKER, limit=1024).data == b"text"
        assert len(server.asked) == 2

    def test_an_empty_object_is_empty(self, serve: Callable[..., Server]) -> None:
        """Nothing is a content like any other."""
        server = serve(Answer(headers={"x-goog-stored-content-length": "0"}))
        assert open_at(server).read(MARKER, limit=1024).data == b""

    def test_names_are_escaped_whole(self, serve: Callable[..., Server]) -> None:
        """Plus, percent, space and question mark in a name stay part of it."""
        server = serve(Answer(body=b"x"))
        open_at(server).read("1.29.0+x/a%2Bb c?d#e/ü", limit=10)
        assert server.asked[0].path.endswith("/o/releases/1.29.0+x/a%2Bb c?d#e/ü")
        assert "%2F1.29.0%2Bx%2Fa%252Bb%20c%3Fd%23e%2F%C3%BC?" in server.asked[0].target

    @pytest.mark.parametrize("name", ["", "..", "a/../b", "/a", "a//b", "a/", "a\nb", "\ud800", "x" * 1025])
    def test_names_that_no_object_has_are_not_sent(self, name: str, serve: Callable[..., Server]) -> None:
        """A name that a URL or a path would change is refused here, for any kind of access."""
        server = serve(page())
        store = open_at(server)
        calls: list[Callable[[], object]] = [
            lambda: store.read(name, limit=9),
            lambda: store.stat(name),
            lambda: list(store.download(name)),
            lambda: store.write(name, b"", if_generation=None, cache_control="", metadata={}),
        ]
        for call in calls:
            with pytest.raises(StoreError, match="is not a name"):
                call()
        assert server.asked == []


class TestStat:
    def test_tells_size_time_and_generation(self, serve: Callable[..., Server]) -> None:
        """One request for the object's metadata, and only for the fields that are used."""
        server = serve(
            page(name=f"releases/{MARKER}", size="3", timeCreated=UPLOADED, generation="1795", kind="x")
        )
        found = open_at(server).stat(MARKER)
        assert (found.name, found.size, found.generation) == (MARKER, 3, "1795")
        assert found.uploaded == datetime(2024, 3, 6, 13, 40, 0, 250_000, tzinfo=UTC)
        assert server.asked[0].path == f"/storage/v1/b/kops/o/releases/{MARKER}"
        assert server.asked[0].query == {"fields": "name,size,timeCreated,generation"}

    @pytest.mark.parametrize(
        "answer",
        [
            html(),
            Answer(),
            Answer(body=b"[]"),
            Answer(body=b"null"),
            page(),
            page(name="releases/another", size="3", timeCreated=UPLOADED, generation="1"),
            page(name=f"releases/{MARKER}", size="x", timeCreated=UPLOADED, generation="1"),
            page(name=f"releases/{MARKER}", size="3", timeCreated="x", generation="1"),
        ],
    )
    def test_what_is_no_metadata_is_malformed(self, answer: Answer, serve: Callable[..., Server]) -> None:
        """Another object's metadata, or none, is not taken for this one's."""
        with pytest.raises(MalformedResponseError):
            open_at(serve(answer)).stat(MARKER)


class Media:
    """A script that serves an object with ranges, and breaks off as often as it is told to."""

    def __init__(self, data: bytes, *, breaks: int = 0, ranges: bool = True, after: int = 300_000) -> None:
        self.data = data
        self.breaks = breaks
        self.ranges = ranges
        self.after = after
        self.headers = {"x-goog-generation": "7", "ETag": '"a"'}

    def __call__(self, asked: Asked) -> Answer:
        wanted = asked.headers.get("range")
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and self.ranges else 0
        if wanted and start >= len(self.data) and self.ranges:
            return Answer(status=416, headers=self.headers)
        reset = None
        if self.breaks:
            self.breaks -= 1
            reset = self.after
        partial = wanted is not None and self.ranges
        span = f"bytes {start}-{len(self.data) - 1}/{len(self.data)}"
        return Answer(
            status=206 if partial else 200,
            headers={**self.headers, **({"Content-Range": span} if partial else {})},
            body=self.data[start : None if reset is None else start + reset],
            length=None if reset is None else len(self.data) - start,
        )


class TestDownload:
    DATA = bytes(range(251)) * 4000

    @pytest.mark.parametrize("ranges", [True, False])
    @pytest.mark.parametrize("offset", [0, 1, 262_144, 700_000, 1_004_000, 2_000_000])
    def test_streams_from_an_offset(self, offset: int, serve: Callable[..., Server], *, ranges: bool) -> None:
        """The bytes from the offset on, in bounded pieces, also where a server ignores ranges."""
        server = serve(Media(self.DATA, ranges=ranges))
        pieces = list(open_at(server).download("kops", offset=offset))
        assert b"".join(pieces) == self.DATA[offset:]
        assert all(0 < len(each) <= 1 << 20 for each in pieces)
        assert len(server.asked) == 1

    @pytest.mark.parametrize("ranges", [True, False])
    def test_goes_on_after_a_broken_connection(self, serve: Callable[..., Server], *, ranges: bool) -> None:
        """What has been received is not fetched again, and all of it is of one generation."""
        server = serve(Media(self.DATA, breaks=2, ranges=ranges, after=300_000 if ranges else 600_000))
        assert b"".join(open_at(server, attempts=QUICK).download("kops")) == self.DATA
        assert len(server.asked) == 3
        assert server.asked[1].headers["range"].startswith("bytes=")
        assert [each.query.get("ifGenerationMatch") for each in server.asked] == [None, "7", "7"]

    def test_gives_up_where_no_byte_comes(self, serve: Callable[..., Server]) -> None:
        """A connection that always breaks at once ends in an error, after the bytes that did come."""
        server = serve(Media(self.DATA, breaks=99, after=0))
        with pytest.raises(StoreUnavailableError):
            list(open_at(server, attempts=QUICK).download("kops"))
        assert len(server.asked) == 3

    def test_finds_out_that_a_body_ended_early(self, serve: Callable[..., Server]) -> None:
        """Without a Content-Length, the stored length tells that there must be more."""
        headers = {"x-goog-stored-content-length": "8", "Connection": "close"}
        server = serve(
            Answer(headers=headers, body=b"1234", length=-1),
            Answer(
                status=206,
                headers={**headers, "Content-Range": "bytes 4-7/8"},
                body=b"5678",
                length=-1,
            ),
        )
        assert b"".join(open_at(server, attempts=QUICK).download("kops")) == b"12345678"

    @pytest.mark.parametrize("headers", [{"x-goog-generation": "8"}, {"ETag": '"b"'}])
    def test_an_object_that_was_overwritten_is_not_mixed(
        self, headers: dict[str, str], serve: Callable[..., Server]
    ) -> None:
        """The second half of another generation is refused, by whatever header tells."""
        media = Media(self.DATA, breaks=1)

        def script(asked: Asked) -> Answer:
            answer = media(asked)
            media.headers = media.headers | headers
            return answer

        with pytest.raises(PreconditionFailedError, match="overwritten"):
            list(open_at(serve(script), attempts=QUICK).download("kops"))

    @pytest.mark.parametrize(
        "answer",
        [
            Answer(status=206, body=b"x"),
            Answer(status=206, headers={"Content-Range": "bytes 0-3/4"}, body=b"text"),
            Answer(status=206, headers={"Content-Range": "pages 2-3/4"}, body=b"xt"),
            Answer(status=200, headers={"Content-Encoding": "gzip"}, body=gzip.compress(b"text")),
        ],
    )
    def test_other_bytes_than_those_wanted_are_malformed(
        self, answer: Answer, serve: Callable[..., Server]
    ) -> None:
        """Bytes that begin elsewhere, or are compressed, would end up in the wrong place."""
        with pytest.raises(MalformedResponseError):
            list(open_at(serve(answer)).download("kops", offset=2))

    def test_may_be_given_up(self, serve: Callable[..., Server]) -> None:
        """A consumer that stops early closes the connection, and the store goes on working."""
        server = serve(Media(self.DATA))
        store = open_at(server)
        pieces = store.download("kops")
        assert len(next(pieces)) > 0
        pieces.close()  # type: ignore[attr-defined]  # it is a generator
        assert b"".join(store.download("kops")) == self.DATA


class TestDates:
    @pytest.mark.parametrize(
        ("text", "date"),
        [
            ("Wed, 06 Mar 2024 13:40:00 GMT", datetime(2024, 3, 6, 13, 40, tzinfo=UTC)),
            ("Wed, 06 Mar 2024 13:40:00 +0200", datetime(2024, 3, 6, 11, 40, tzinfo=UTC)),
            ("Wed, 06 Mar 2024 13:40:00 -0000", datetime(2024, 3, 6, 13, 40, tzinfo=UTC)),
            ("Wed, 36 Mar 2024 13:40:00 GMT", None),
            ("Fri, 31 Dec 9999 23:59:59 -2300", None),
            ("", None),
            (None, None),
        ],
    )
    def test_http_dates_are_read_in_utc(self, text: str | None, date: datetime | None) -> None:
        """A date is a date in UTC, and anything else is unknown."""
        assert http_date(text) == date
