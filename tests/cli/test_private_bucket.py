"""A private bucket from the command line: Application Default Credentials, a token server, and a bucket that asks."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth.credentials import CredentialsWithRegionalAccessBoundary

from kopsversion.cli.toolbox import tools
from kopsversion.stores import bucket
from tests.gcs_faults import Status
from tests.gcs_server import KOPS_BUCKET, KOPS_ROOT, GcsServer, Recorded
from tests.harness import MIDDLE, NEW, OLD, add_build
from tests.stores.test_store_contract import ServerPlace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from click.testing import Result

STORE = f"gs://{KOPS_BUCKET}/{KOPS_ROOT}"
GREEN = "latest-ci-updown-green.txt"
READERS = {
    "resolve": ["resolve"],
    "list": ["list", "master"],
    "list A..B": ["list", f"{OLD}..{NEW}"],
    "check": ["check", "master", "--no-jobs"],
    "find": ["find", MIDDLE],
    "bisect --dry-run": ["bisect", OLD, NEW, "--dry-run"],
    "bisect": ["bisect", OLD, NEW, "--assume-ends", "--", "true"],
    "promote": ["promote", "--channel", "master", "--marker", GREEN, "--build", NEW, "--dry-run"],
}


class TokenServer:
    """Gives out one access token, or refuses; counts how often it was asked."""

    def __init__(self) -> None:
        self.status = 200
        self.asked = 0

    @contextmanager
    def serving(self) -> Iterator[str]:
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                owner.asked += 1
                self.rfile.read(int(self.headers["Content-Length"]))
                given = {"access_token": "good", "expires_in": 3600, "token_type": "Bearer"}
                body = json.dumps(given if owner.status == 200 else {"error": "invalid_grant"}).encode()
                self.send_response(owner.status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_arguments: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/token"
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="module")
def key() -> str:
    """The private key of a service account that nobody knows."""
    made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form = serialization.PrivateFormat.PKCS8
    return made.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


@pytest.fixture
def tokens(key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TokenServer]:
    """A token server, and a service account's key that leads to it."""
    owner = TokenServer()
    with owner.serving() as url:
        account = {
            "type": "service_account",
            "project_id": "p",
            "private_key_id": "k",
            "private_key": key,
            "client_email": "job@p.iam.gserviceaccount.com",
            "token_uri": url,
        }
        (tmp_path / "key.json").write_text(json.dumps(account))
        # google-auth asks Google, in the background, from where an account may be used.
        monkeypatch.setattr(
            CredentialsWithRegionalAccessBoundary,
            "_is_regional_access_boundary_lookup_required",
            lambda _: False,
        )
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.json"))
        yield owner


@pytest.fixture
def private(gcs_server: GcsServer, monkeypatch: pytest.MonkeyPatch) -> GcsServer:
    """Google's own endpoint, as far as the program knows, with a bucket that shows nothing without the token."""
    now = datetime.now(UTC)
    place = ServerPlace(gcs_server, KOPS_ROOT)
    for hours, version in ((9, OLD), (8, MIDDLE), (1, NEW)):
        add_build(place, version, at=now - timedelta(hours=hours))
    for name, version in (("latest-ci.txt", NEW), (GREEN, MIDDLE)):
        body = f"https://storage.googleapis.com/{KOPS_BUCKET}/{KOPS_ROOT}{version}\n"
        place.add(f"markers/master/{name}", body.encode(), now - timedelta(minutes=30))

    def is_stranger(request: Recorded) -> bool:
        return request.headers.get("authorization") != "Bearer good"

    gcs_server.fail(Status(401), times=None, when=is_stranger)
    monkeypatch.setattr(bucket, "ENDPOINT", gcs_server.url)
    return gcs_server


def run(words: list[str], *more: str, **environ: str) -> Result:
    return CliRunner().invoke(tools, [words[0], "--store", STORE, *more, *words[1:]], env=environ)


@pytest.mark.usefixtures("naps")
class TestReaders:
    @pytest.mark.parametrize("words", READERS.values(), ids=READERS)
    def test_with_credentials_it_is_read(
        self, words: list[str], private: GcsServer, tokens: TokenServer
    ) -> None:
        """As whoever the key names, with one token for all requests."""
        ended = run(words, "--credentials", "default")
        assert ended.exit_code == 0, ended.output
        assert MIDDLE in ended.stdout
        opens_again = "bisect" in words or ".." in words[-1]  # for its builds, after the plan
        assert tokens.asked == 1 or opens_again
        assert {request.status for request in private.requests} <= {200, 404}

    def test_the_variable_is_as_good(self, private: GcsServer, tokens: TokenServer) -> None:
        """For a job that cannot change a command."""
        ended = run(["resolve"], KOPSVERSION_CREDENTIALS="default")
        assert ended.exit_code == 0, ended.output
        assert tokens.asked
        assert private.requests

    @pytest.mark.parametrize("words", READERS.values(), ids=READERS)
    def test_as_nobody_it_is_denied_with_what_would_help(
        self, words: list[str], private: GcsServer, tokens: TokenServer
    ) -> None:
        """Exit 4; the key is not touched, and no request is repeated."""
        ended = run(words)
        assert ended.exit_code == 4, ended.output
        assert "--credentials default" in ended.output
        assert "HTTP 401" in ended.output
        assert tokens.asked == 0
        assert len({request.path + str(request.query) for request in private.requests}) == len(
            private.requests
        )

    @pytest.mark.parametrize("words", READERS.values(), ids=READERS)
    def test_a_key_that_is_not_taken_is_told(
        self, words: list[str], private: GcsServer, tokens: TokenServer
    ) -> None:
        """The bucket is never asked without a token, and the sentence says what is to be renewed."""
        tokens.status = 400
        ended = run(words, "--credentials", "default")
        assert ended.exit_code == 4, ended.output
        assert "without working credentials" in ended.output
        assert "GOOGLE_APPLICATION_CREDENTIALS" in ended.output
        assert private.requests == []


@pytest.mark.usefixtures("naps")
def test_a_marker_is_written_with_credentials(private: GcsServer, tokens: TokenServer) -> None:
    """`promote` asks for them by itself, since nobody writes as nobody."""
    words = ["promote", "--channel", "master", "--marker", GREEN, "--build", NEW]
    ended = run(words)
    assert ended.exit_code == 0, ended.output
    held = private.bucket().get(f"{KOPS_ROOT}markers/master/{GREEN}")
    assert held is not None
    assert NEW.encode() in (held.data or b"")
    assert tokens.asked
