"""A TLS front for the test server, because gsutil speaks nothing else. Only loopback, only for benchmarks."""

from __future__ import annotations

import select
import shutil
import socket
import ssl
import subprocess
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_CHUNK = 1 << 16


def can_make_certificates() -> bool:
    """Tell whether `tls_front` can work here."""
    return shutil.which("openssl") is not None


@contextmanager
def tls_front(port: int, *, folder: Path) -> Iterator[int]:
    """Listen with TLS, and pass everything on.

    Parameters:
        port: of 127.0.0.1, where to.
        folder: where the certificate, which nobody trusts, is kept.

    Yields:
        The port of 127.0.0.1 that listens.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    options = ["-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    command = ["openssl", "req", *options, "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    context.load_cert_chain(certificate, key)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=_accept, args=(listening, context, port), daemon=True).start()
        yield int(listening.getsockname()[1])


def _accept(listening: socket.socket, context: ssl.SSLContext, port: int) -> None:
    with suppress(OSError):  # the socket is closed when the benchmark is over
        while True:
            raw, _ = listening.accept()
            threading.Thread(target=_serve, args=(raw, context, port), daemon=True).start()


def _serve(raw: socket.socket, context: ssl.SSLContext, port: int) -> None:
    with (
        suppress(OSError),
        context.wrap_socket(raw, server_side=True) as front,
        socket.create_connection(("127.0.0.1", port)) as back,
    ):
        back.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # One thread for both directions: OpenSSL allows no two at a time on one connection.
        while True:
            ready = [front] if front.pending() else select.select([front, back], [], [])[0]
            for source in ready:
                data = source.recv(_CHUNK)
                if not data:
                    return
                (back if source is front else front).sendall(data)
