"""A scripted server for the tests of the readers of a bucket: each test says what is answered."""

from __future__ import annotations

import ipaddress
import json
import socket
import struct
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

from attrs import Factory, frozen

from kopsversion.errors import (
    AccessDeniedError,
    MalformedResponseError,
    ObjectNotFoundError,
    PreconditionFailedError,
    StoreError,
    StoreUnavailableError,
)
from kopsversion.stores import open_store
from kopsversion.stores.base import AttemptPolicy
from kopsversion.stores.deadline import Deadline
from kopsversion.stores.route import Route

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from kopsversion.stores.base import Store

UPLOADED = "2024-03-06T13:40:00.250Z"
BUILD = "1.29.0-alpha.4+v1.29.0-alpha.3-378-g22ce1230da"
MARKER = "markers/master/latest-ci.txt"
URL = f"gs://kops/releases/{MARKER}"
ROUTE = Route("https://storage.googleapis.com")
ONCE = AttemptPolicy(max_attempts=1)
QUICK = AttemptPolicy(max_attempts=3, initial=0.0, maximum=0.0)
_LOOPBACK = ipaddress.ip_address("127.0.0.1")


@frozen
class Asked:
    """One request that a server got."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return unquote(urlsplit(self.target).path)

    @property
    def query(self) -> dict[str, str]:
        return {key: values[0] for key, values in parse_qs(urlsplit(self.target).query).items()}


@frozen(kw_only=True)
class Answer:
    """What is answered, or how it goes wrong.

    Attributes:
        length: the Content-Length that is claimed; ``None`` for the true one, below zero for none at all.
        reset: the connection is reset after this many bytes of the body; below zero, before the headers.
        stall: nothing at all is answered before the server is closed.
    """

    status: int = 200
    headers: Mapping[str, str] = Factory(dict)
    body: bytes = b""
    length: int | None = None
    reset: int | None = None
    stall: bool = False


def page(**fields: Any) -> Answer:
    return Answer(headers={"Content-Type": "application/json"}, body=json.dumps(fields).encode())


def item(name: str, **fields: Any) -> dict[str, Any]:
    return {"name": f"releases/{name}", "size": "3", "timeCreated": UPLOADED, **fields}


def html(status: int = 200) -> Answer:
    return Answer(status=status, headers={"Content-Type": "text/html"}, body=b"<html>sign in</html>")


class Server:
    """A loopback server that asks ``script`` for its answers and remembers what it was asked."""

    def __init__(self, script: Callable[[Asked], Answer]) -> None:
        self.asked: list[Asked] = []
        self.closing = threading.Event()
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _answer(self) -> None:
                length = int(self.headers.get("Content-Length", "0"))
                headers = {name.lower(): value for name, value in self.headers.items()}
                asked = Asked(self.command, self.path, headers, self.rfile.read(length))
                owner.asked.append(asked)
                owner.send(self, script(asked))

            do_GET = do_POST = _answer  # noqa: N815 - the names that http.server looks for

            def log_message(self, *_arguments: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._http.handle_error = lambda *_arguments: None  # type: ignore[method-assign]  # broken connections
        self.origin = f"http://127.0.0.1:{self._http.server_port}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)

    def send(self, handler: BaseHTTPRequestHandler, answer: Answer) -> None:
        handler.close_connection = handler.close_connection or answer.stall or answer.reset is not None
        if answer.stall:
            self.closing.wait(60)
            return
        if answer.reset is not None and answer.reset < 0:
            _reset(handler.connection)
            return
        handler.send_response(answer.status)
        for name, value in answer.headers.items():
            handler.send_header(name, value)
        length = len(answer.body) if answer.length is None else answer.length
        if length >= 0:
            handler.send_header("Content-Length", str(length))
        handler.close_connection = handler.close_connection or length != len(answer.body)
        handler.end_headers()
        handler.wfile.write(answer.body[: answer.reset])
        if answer.reset is not None:
            _reset(handler.connection)

    def over_tls(self, context: ssl.SSLContext) -> None:
        """Speak TLS, which must be said before the server is entered."""
        # A handshake belongs to the thread of its connection: one that stops in the middle must not hold up the server.
        self._http.socket = context.wrap_socket(
            self._http.socket, server_side=True, do_handshake_on_connect=False
        )
        self.origin = self.origin.replace("http://", "https://")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


def _reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


class Sequence:
    """A script that gives its answers in order, and the last one for ever."""

    def __init__(self, *answers: Answer) -> None:
        self._answers = list(answers)

    def __call__(self, _asked: Asked) -> Answer:
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


def open_at(
    server: Server | str,
    *,
    attempts: AttemptPolicy = ONCE,
    seconds: float = 60,
    environ: Mapping[str, str] | None = None,
    url: str = "gs://kops/releases/",
) -> Store:
    origin = server if isinstance(server, str) else server.origin
    return open_store(
        url,
        deadline=Deadline(seconds),
        attempts=attempts,
        environ={"STORAGE_EMULATOR_HOST": origin, **(environ or {})},
    )


def write(store: Store, data: bytes = b"text\n", *, if_generation: str | None = "7") -> str:
    return store.write(
        MARKER, data, if_generation=if_generation, cache_control="private, max-age=0", metadata={"why": "x"}
    )


def certificate(folder: Path) -> Path:
    """Make a key and a certificate that nobody trusts for 127.0.0.1."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(tz=UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(_LOOPBACK)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "server.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


FAULTS: dict[str, tuple[Answer, type[StoreError], bool]] = {
    "401": (html(401), AccessDeniedError, False),
    "403": (html(403), AccessDeniedError, False),
    "404": (html(404), ObjectNotFoundError, False),
    "400": (html(400), StoreError, False),
    "418": (html(418), StoreError, False),
    "412": (html(412), PreconditionFailedError, False),
    "408": (html(408), StoreUnavailableError, True),
    "429": (html(429), StoreUnavailableError, True),
    "500": (html(500), StoreUnavailableError, True),
    "502": (html(502), StoreUnavailableError, True),
    "503": (html(503), StoreUnavailableError, True),
    "504": (html(504), StoreUnavailableError, True),
    "501": (html(501), StoreUnavailableError, False),
    "301": (html(301), MalformedResponseError, False),
    "204": (Answer(status=204), MalformedResponseError, False),
    "reset before the answer": (Answer(reset=-1), StoreUnavailableError, True),
    "reset in the body": (Answer(body=b"{" * 9000, reset=4000), StoreUnavailableError, True),
    "cut short": (Answer(body=b"{", length=100), StoreUnavailableError, True),
    "bad gzip": (
        Answer(headers={"Content-Encoding": "gzip"}, body=b"not gzip"),
        MalformedResponseError,
        False,
    ),
    "strange encoding": (
        Answer(headers={"Content-Encoding": "br"}, body=b"{}"),
        MalformedResponseError,
        False,
    ),
}
"""What a server may answer, what becomes of it, and whether that may pass."""
