"""The transport of the public reader: answers that break off, hashes, proxies, and what each failure is called."""

from __future__ import annotations

import errno
import gzip
import importlib.util
import resource
import socket
import ssl
import sys
import threading
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kopsversion.errors import (
    AccessDeniedError,
    MalformedResponseError,
    StoreError,
    StoreUnavailableError,
)
from kopsversion.stores.base import AttemptPolicy
from kopsversion.stores.bucket import is_whole_json
from kopsversion.stores.checksums import crc32c, matches_hashes
from kopsversion.stores.deadline import Deadline
from kopsversion.stores.failures import NetworkError, ProxyFaultError, never_arrived, reason_in, translating
from kopsversion.stores.retrying import Retrying
from kopsversion.stores.route import Route, Setting
from tests.gcs_faults import HeadCut, head_of
from tests.gcs_faults import Response as Said
from tests.gcs_server import KOPS_BUCKET, KOPS_ROOT, GcsServer, closed_port
from tests.stores.scripted import MARKER, QUICK, URL, Answer, Server, html, item, open_at, page

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from kopsversion.stores.base import Store

WORD = b"https://host/1.30.0+v1.30.0\n"


# --------------------------------------------------------------------------------------------------
# Hashes


class TestChecksums:
    @pytest.mark.parametrize(
        ("data", "value"),
        [(b"", 0), (b"123456789", 0xE3069283), (bytes(32), 0x8A9136AA), (bytes([255]) * 32, 0x62A8AB43)],
    )
    def test_crc32c_is_castagnolis(self, data: bytes, value: int) -> None:
        """The examples of RFC 3720, appendix B.4."""
        assert crc32c(data) == value

    @given(st.binary(max_size=200))
    def test_crc32c_is_that_of_googles_library(self, data: bytes) -> None:
        """Whatever the bytes."""
        import google_crc32c

        assert crc32c(data) == google_crc32c.value(data)

    @pytest.mark.parametrize(
        ("promise", "expected"),
        [
            ("", None),
            ("sha1=abc", None),
            ("crc32c=", None),
            ("crc32c=AAAAAA==", True),
            ("crc32c=AAAAAA==,md5=1B2M2Y8AsgTpgAmY7PhCfg==", True),
            ("md5=1B2M2Y8AsgTpgAmY7PhCfg==, crc32c=AAAAAA==", True),
            ("crc32c=AAAAAA==,md5=wrong", False),
            ("crc32c=AAAAAQ==", False),
        ],
    )
    def test_a_header_may_promise_one_hash_or_both(self, promise: str, *, expected: bool | None) -> None:
        """Nothing is promised where no hash is known."""
        assert matches_hashes(b"", promise) is expected


class TestBodies:
    @pytest.mark.parametrize(
        "headers",
        [
            {"x-goog-hash": "crc32c=AAAAAA=="},
            {"x-goog-stored-content-length": "28"},
            {"x-goog-hash": "md5=1B2M2Y8AsgTpgAmY7PhCfg==", "Content-Encoding": ""},
        ],
    )
    def test_a_body_that_is_not_what_was_promised_is_asked_for_again(
        self, headers: dict[str, str], serve: Callable[..., Server]
    ) -> None:
        """By its hash or its length (FAILURES row 39)."""
        server = serve(Answer(headers=headers, body=b"cut"), Answer(body=WORD))
        assert open_at(server, attempts=QUICK).read(MARKER, limit=1024).data == WORD

    @pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "GZIP"])
    @pytest.mark.parametrize("hashed", ["stored", "sent"])
    def test_the_hash_is_that_of_the_bytes_as_they_are_stored(
        self, hashed: str, encoding: str, serve: Callable[..., Server]
    ) -> None:
        """Whether the object is stored compressed, or a proxy has compressed it."""
        import base64

        packed = gzip.compress(b"text")
        promise = base64.b64encode(
            crc32c(packed if hashed == "stored" else b"text").to_bytes(4, "big")
        ).decode()
        headers = {"Content-Encoding": encoding, "x-goog-hash": f"crc32c={promise}"}
        assert open_at(serve(Answer(headers=headers, body=packed))).read(MARKER, limit=9).data == b"text"

    def test_a_server_may_decompress_what_is_stored_compressed(self, serve: Callable[..., Server]) -> None:
        """Then the hash says nothing of what came."""
        headers = {"x-goog-stored-content-encoding": "gzip", "x-goog-hash": "crc32c=AAAAAQ=="}
        assert open_at(serve(Answer(headers=headers, body=b"text"))).read(MARKER, limit=9).data == b"text"

    @pytest.mark.parametrize(
        ("answer", "is_asked"),
        [
            (Answer(body=WORD), False),
            (Answer(), True),
            (Answer(headers={"Connection": "close"}, body=WORD, length=-1), True),
            (Answer(headers={"x-goog-hash": "crc32c=AAAAAA=="}), False),
            (
                Answer(
                    headers={"Connection": "close", "x-goog-stored-content-length": "28"},
                    body=WORD,
                    length=-1,
                ),
                False,
            ),
        ],
        ids=["a length", "empty", "no length", "empty with a hash", "no length but the stored one"],
    )
    def test_where_nothing_says_that_a_body_is_whole_its_size_is_asked_for(
        self, answer: Answer, serve: Callable[..., Server], *, is_asked: bool
    ) -> None:
        """So no cut answer is taken for an empty object."""
        stat = page(**item(MARKER, size=str(len(answer.body)), generation="7"))
        server = serve(lambda asked: answer if "download" in asked.path else stat)
        assert open_at(server).read(MARKER, limit=1024).data == answer.body
        assert len(server.asked) == 1 + is_asked

    def test_an_empty_answer_for_an_object_that_is_not_empty_is_asked_for_again(
        self, serve: Callable[..., Server]
    ) -> None:
        """The object's size says so."""
        answers = iter([Answer()])
        stat = page(**item(MARKER, size=str(len(WORD)), generation="7"))
        server = serve(lambda asked: next(answers, Answer(body=WORD)) if "download" in asked.path else stat)
        assert open_at(server, attempts=QUICK).read(MARKER, limit=1024).data == WORD

    @pytest.mark.parametrize("status", [200, 203, 206])
    def test_other_servers_call_the_whole_by_other_names(
        self, status: int, serve: Callable[..., Server]
    ) -> None:
        """A proxy that touched the answer, and a part that is all of it."""
        headers = {"Content-Range": f"bytes 0-{len(WORD) - 1}/{len(WORD)}"}
        store = open_at(serve(Answer(status=status, headers=headers, body=WORD)))
        assert store.read(MARKER, limit=1024).data == WORD
        assert b"".join(store.download(MARKER)) == WORD

    @pytest.mark.parametrize("span", ["", "bytes 0-3/9", "bytes 1-8/9", "bytes 0-8/*"])
    def test_a_part_is_not_the_whole(self, span: str, serve: Callable[..., Server]) -> None:
        """Nobody asked for a part."""
        server = serve(Answer(status=206, headers={"Content-Range": span}, body=b"text"))
        with pytest.raises(MalformedResponseError, match="a part"):
            open_at(server).read(MARKER, limit=1024)

    @pytest.mark.parametrize("end", [b'"items":', b"}"])
    def test_a_page_without_a_length_may_be_cut(self, end: bytes, serve: Callable[..., Server]) -> None:
        """JSON says itself where it ends, and that is not at the first brace."""
        whole = page(items=[item("a"), item("b")])
        body = whole.body.replace(b": ", b":")
        assert end in body
        cut = Answer(headers={"Connection": "close"}, body=body[: body.index(end) + len(end)], length=-1)
        assert len(open_at(serve(cut, whole), attempts=QUICK).list().objects) == 2

    def test_no_beginning_of_a_page_is_a_page(self) -> None:
        """Wherever it is cut."""
        body = page(items=[item("a"), item("b")], prefixes=["c/"]).body
        assert [is_whole_json(body[:length]) for length in range(len(body))] == [False] * len(body)
        assert is_whole_json(body)


# --------------------------------------------------------------------------------------------------
# Headers


def boundaries() -> Iterator[tuple[int, str]]:
    """Every place between two lines of a head, wherever its length stands."""
    for length in ("first", "last", "none"):
        for lines in range(len(head_of(Said(200, dict.fromkeys("abcdefghijk", "x"), b"")))):
            yield lines, length


@pytest.mark.parametrize(("lines", "length"), tuple(boundaries()))
def test_headers_that_break_off_are_a_broken_connection(
    lines: int, length: Any, gcs_server: GcsServer
) -> None:
    """FAILURES row 39: at no boundary does half a head look like an empty object, or like a listing."""
    gcs_server.bucket().add(f"{KOPS_ROOT}{MARKER}", WORD)
    asks: list[Callable[[Store], object]] = [
        lambda store: store.read(MARKER, limit=1024).data,
        lambda store: store.list("markers/").objects[0].size,
        lambda store: store.stat(MARKER).size,
        lambda store: b"".join(store.download(MARKER)),
    ]
    for ask in asks:
        store = open_at(gcs_server.url, attempts=QUICK, url=f"gs://{KOPS_BUCKET}/{KOPS_ROOT}")
        gcs_server.faults.clear()
        gcs_server.fail(HeadCut(lines, length))
        assert ask(store) in {WORD, len(WORD)}
        assert store.requests == 2


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\nContent-Le", b"HTTP/1.1 404 Not", b"HTT", b""])
def test_a_head_that_breaks_off_inside_a_line_is_no_answer(head: bytes) -> None:
    """Nor is a status that may go on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            for _ in range(3):
                connection, _ = listener.accept()
                with connection:
                    connection.recv(4096)
                    connection.sendall(head)

        threading.Thread(target=answer, daemon=True).start()
        store = open_at(f"http://127.0.0.1:{listener.getsockname()[1]}", attempts=QUICK)
        with pytest.raises(StoreUnavailableError, match="broke off") as caught:
            store.stat(MARKER)
        assert caught.value.transient


# --------------------------------------------------------------------------------------------------
# Proxies


class Proxy:
    """A proxy that answers CONNECT with these statuses, and then leads nowhere."""

    def __init__(self, *statuses: int) -> None:
        self.asked: list[bytes] = []
        self._statuses = list(statuses)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                self.asked.append(connection.recv(4096))
                status = self._statuses.pop(0) if len(self._statuses) > 1 else self._statuses[0]
                connection.sendall(f"HTTP/1.1 {status} Said\r\nContent-Length: 0\r\n\r\n".encode())

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def proxied() -> Iterator[Callable[..., tuple[Store, Proxy]]]:
    """Open a store behind a proxy."""
    made: list[Proxy] = []

    def start(*statuses: int, login: str = "") -> tuple[Store, Proxy]:
        made.append(Proxy(*statuses))
        url = made[-1].url.replace("//", f"//{login}")
        store = open_at("https://gcs.invalid", attempts=QUICK, environ={"HTTPS_PROXY": url})
        return store, made[-1]

    yield start
    for proxy in made:
        proxy.close()


class TestConnect:
    @pytest.mark.parametrize("status", [500, 502, 503, 504, 429])
    def test_a_hiccup_of_the_proxy_is_asked_again(
        self, status: int, proxied: Callable[..., tuple[Store, Proxy]]
    ) -> None:
        """FAILURES row 41: as often as any other."""
        store, proxy = proxied(status)
        with pytest.raises(StoreUnavailableError, match=f"through the proxy.*HTTP {status}") as caught:
            store.list()
        assert (caught.value.transient, len(proxy.asked)) == (True, 3)
        assert "HTTPS_PROXY" in caught.value.hint

    @pytest.mark.parametrize("status", [403, 407, 501])
    def test_a_refusal_of_the_proxy_is_final(
        self, status: int, proxied: Callable[..., tuple[Store, Proxy]]
    ) -> None:
        """It is told with the variable that named the proxy."""
        store, proxy = proxied(status)
        with pytest.raises(StoreUnavailableError, match="through the proxy") as caught:
            store.list()
        assert (caught.value.transient, len(proxy.asked)) == (False, 1)
        assert "HTTPS_PROXY" in caught.value.hint

    def test_the_proxys_password_is_sent_and_never_told(
        self, proxied: Callable[..., tuple[Store, Proxy]]
    ) -> None:
        """Not in the message, nor in the hint."""
        store, proxy = proxied(407, login="me:secret@")
        with pytest.raises(StoreUnavailableError) as caught:
            store.list()
        assert b"Proxy-Authorization: Basic bWU6c2VjcmV0" in proxy.asked[0].replace(
            b"proxy-auth", b"Proxy-Auth"
        )
        assert "secret" not in f"{caught.value}{caught.value.hint}"

    def test_a_status_407_of_a_plain_proxy_is_its_own(self, serve: Callable[..., Server]) -> None:
        """A proxy that forwards answers for itself, too."""
        proxy = serve(html(407))
        store = open_at("http://gcs.invalid", environ={"HTTP_PROXY": proxy.origin})
        with pytest.raises(StoreUnavailableError, match="wants credentials") as caught:
            store.list()
        assert "HTTP_PROXY" in caught.value.hint


class TestSocks:
    ENVIRON: ClassVar = {"ALL_PROXY": "socks5://127.0.0.1:1"}

    def test_a_socks_proxy_needs_pysocks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The variable is named, and what to do."""
        monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
        with pytest.raises(StoreUnavailableError, match="ALL_PROXY names a SOCKS proxy") as caught:
            open_at("http://gcs.invalid", environ=self.ENVIRON).list()
        assert "pip install PySocks" in caught.value.hint

    def test_with_pysocks_it_is_used(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Here a stand-in that gets nowhere."""
        names = "PROXY_TYPE_SOCKS4 = PROXY_TYPE_SOCKS5 = 1\nclass ProxyError(OSError): ...\n"
        refuse = "def create_connection(*_, **__): raise ConnectionRefusedError(111, 'no')\n"
        (tmp_path / "socks.py").write_text(names + refuse)
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.delitem(sys.modules, "urllib3.contrib.socks", raising=False)
        with pytest.raises(StoreUnavailableError, match="refuses the connection"):
            open_at("http://gcs.invalid", environ=self.ENVIRON).list()
        sys.modules.pop("socks", None)
        sys.modules.pop("urllib3.contrib.socks", None)


# --------------------------------------------------------------------------------------------------
# What each failure is called


def caused(error: Exception, *, by_proxy: bool = False) -> NetworkError:
    outer = ProxyFaultError() if by_proxy else NetworkError()
    outer.__cause__ = error
    return outer


def not_tls() -> ssl.SSLError:
    """Return what comes of a server that answers a handshake in plain HTTP."""
    error = ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number")
    error.reason = "WRONG_VERSION_NUMBER"
    return error


ROUTE = Route("https://gcs.example:8443", proxy=Setting("HTTPS_PROXY", "http://p:1"))


class TestSentences:
    @pytest.mark.parametrize(
        ("failure", "said", "transient"),
        [
            (
                caused(socket.gaierror(-2, "x")),
                "the name of gcs.example:8443 cannot be looked up (DNS)",
                True,
            ),
            (caused(ConnectionRefusedError(111, "x")), "gcs.example:8443 refuses the connection", True),
            (caused(ssl.SSLError(1, "x")), "the TLS handshake or record of gcs.example:8443 is broken", True),
            (caused(not_tls()), "gcs.example:8443 does not speak TLS", True),
            (caused(TimeoutError()), "did not answer in time: gcs.example:8443 was silent", True),
            (
                caused(OSError(errno.ENETUNREACH, "x")),
                "there is no way to gcs.example:8443 in the network",
                True,
            ),
            (caused(ConnectionResetError(104, "x")), "gcs.example:8443 broke off the connection", True),
            (caused(OSError(errno.EMFILE, "x")), "too many open files", True),
            (caused(ValueError("x")), "the address of gcs.example:8443, or of the proxy, is none", False),
            (caused(ConnectionResetError(), by_proxy=True), "through the proxy: it broke off", True),
            (caused(ConnectionRefusedError(), by_proxy=True), "through the proxy: it refuses", False),
        ],
    )
    def test_each_has_its_own(self, failure: Exception, said: str, *, transient: bool) -> None:
        """DNS, refused, TLS and silence are told apart."""
        with pytest.raises(StoreUnavailableError) as caught, translating(URL, ROUTE):
            raise failure
        assert said in str(caught.value)
        assert caught.value.transient is transient

    @pytest.mark.parametrize(
        ("body", "said"),
        [
            (b'{"error": {"message": "Bucket is requester pays"}}', "Bucket is requester pays"),
            (b"<Error><Code>x</Code><Message>No billing</Message></Error>", "No billing"),
            (b"<html>sign in</html>", ""),
            (b'{"error": {"message": 7}}', ""),
            (b'{"error": "x"}', ""),
            (b"[" * 20_000, ""),
            (b"\xff", ""),
        ],
    )
    def test_the_servers_reason_is_read(self, body: bytes, said: str) -> None:
        """In JSON or XML; a page of somebody else's is not repeated."""
        assert reason_in(body) == said

    @pytest.mark.parametrize("status", [400, 403])
    def test_the_servers_reason_is_told_harmlessly(self, status: int, serve: Callable[..., Server]) -> None:
        """FAILURES row 47: in one line of ASCII, and not too long of it."""
        body = b'{"error": {"message": "pay \\u001b[31m\\n' + b"x" * 5000 + b'"}}'
        with pytest.raises(StoreError, match=r"pay \\x1b\[31m") as caught:
            open_at(serve(Answer(status=status, body=body))).list()
        assert str(caught.value).isprintable()
        assert len(str(caught.value)) < 400
        assert status == 400 or isinstance(caught.value, AccessDeniedError)

    def test_a_reason_that_breaks_off_does_not_hide_the_status(self, serve: Callable[..., Server]) -> None:
        """The status is what matters."""
        with pytest.raises(AccessDeniedError):
            open_at(serve(Answer(status=403, body=b"{", length=100))).list()

    def test_what_never_arrived_is_told_from_what_may_have(self) -> None:
        """A write that got no connection has not happened."""
        assert never_arrived(caused(ConnectionRefusedError()))
        assert never_arrived(caused(OSError(errno.EMFILE, "x")))
        assert not never_arrived(caused(ConnectionResetError()))

    @pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE"])
    def test_a_ca_file_that_is_missing_is_named_by_its_variable(self, variable: str) -> None:
        """And it is no hiccup."""
        store = open_at("https://127.0.0.1:1", attempts=QUICK, environ={variable: "/absent.pem"})
        with pytest.raises(StoreUnavailableError, match="trusted certificates cannot be read") as caught:
            store.list()
        assert f"{variable} names '/absent.pem'" in caught.value.hint
        assert not caught.value.transient

    def test_a_directory_of_certificates_is_read(self, tmp_path: Path) -> None:
        """As OpenSSL's capath; what is refused then is the connection."""
        store = open_at("https://127.0.0.1:1", environ={"REQUESTS_CA_BUNDLE": str(tmp_path)})
        with pytest.raises(StoreUnavailableError, match="refuses the connection"):
            store.list()

    def test_certifis_are_trusted_where_none_are_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where even these are missing, the error says so."""
        import certifi

        with pytest.raises(StoreUnavailableError, match="refuses the connection"):
            open_at("https://127.0.0.1:1").list()
        monkeypatch.setattr(certifi, "where", lambda: "/absent.pem")
        with pytest.raises(StoreUnavailableError) as caught:
            open_at("https://127.0.0.1:1").list()
        assert "certifi has none" in caught.value.hint


# --------------------------------------------------------------------------------------------------
# Time and descriptors


class TestSlowButSteady:
    def test_progress_keeps_an_attempt_alive(self) -> None:
        """As long as enough comes in each of its times; then it is given up as ever."""
        done, come = threading.Event(), [0]

        def progress() -> int:
            come[0] += 100
            if come[0] == 500:
                done.set()
            return come[0]

        assert Deadline(60).run(done.wait, url=URL, limit=0.05, progress=progress)
        with pytest.raises(StoreUnavailableError, match="no whole answer"):
            Deadline(60).run(threading.Event().wait, url=URL, limit=0.05, progress=lambda: 10)

    def test_a_download_may_take_longer_than_an_attempt(self) -> None:
        """What came of a piece is kept, and handed on before it is whole."""
        data, interval = b"x" * 40_000, 0.02
        with socket.create_server(("127.0.0.1", 0)) as listener:

            def serve() -> None:
                connection, _ = listener.accept()
                with connection:
                    connection.recv(4096)
                    connection.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {len(data)}\r\n\r\n".encode())
                    for begin in range(0, len(data), 500):
                        connection.sendall(data[begin : begin + 500])
                        pause.wait(interval)

            pause = threading.Event()
            serving = threading.Thread(target=serve, daemon=True)
            serving.start()
            policy = AttemptPolicy(max_attempts=1, whole=1.0)
            store = open_at(f"http://127.0.0.1:{listener.getsockname()[1]}", attempts=policy)
            assert b"".join(store.download("kops")) == data
            assert store.requests == 1
            serving.join()  # or it would free a descriptor in the middle of the next test


class TestDescriptors:
    def test_a_process_that_has_none_left_gets_a_store_error(self) -> None:
        """Whatever has to be opened, or imported, in the course of it."""
        store = open_at(f"http://127.0.0.1:{closed_port()}", attempts=QUICK)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        # Those are open, so none is left, whatever earlier tests free in the middle of this one.
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
        try:
            with pytest.raises(StoreUnavailableError, match="too many open files"):
                store.list()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        with pytest.raises(StoreUnavailableError, match="refuses the connection"):
            store.list()

    def test_many_stores_leave_no_connection_behind(self, gcs_server: GcsServer) -> None:
        """Each is closed when its answer is there, before any garbage is collected."""
        for _ in range(50):
            store = open_at(gcs_server.url, url=f"gs://{KOPS_BUCKET}/{KOPS_ROOT}")
            store.list()
            store.close()
            store.close()  # which costs nothing
        assert gcs_server.wait_for_open(0)

    def test_a_machine_without_threads_is_a_store_error(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Not the RuntimeError that Python raises."""

        def start(_thread: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        monkeypatch.setattr(threading.Thread, "start", start)
        with pytest.raises(StoreUnavailableError, match="no thread"):
            Deadline(60).run(lambda: 1, url=URL)

    @pytest.mark.parametrize("error", [ImportError("x"), OSError(errno.EMFILE, "x")])
    def test_a_retry_that_cannot_be_loaded_leaves_the_first_failure(
        self, error: Exception, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What is imported late must not surface in place of what went wrong."""
        import builtins

        real = builtins.__import__

        def failing(name: str, *arguments: Any, **settings: Any) -> Any:
            if name == "tenacity":
                raise error
            return real(name, *arguments, **settings)

        monkeypatch.setattr(builtins, "__import__", failing)

        def fail() -> None:
            raise StoreUnavailableError("the first", url=URL, transient=True)

        with pytest.raises(StoreUnavailableError, match="the first"):
            Retrying(QUICK, deadline=Deadline(60))(fail)
