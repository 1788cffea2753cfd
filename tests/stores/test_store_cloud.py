"""A bucket through Google's client: read with credentials, and written, also when the answer gets lost."""

from __future__ import annotations

import gzip
import json
import sys
import threading
from typing import TYPE_CHECKING, Any, ClassVar

import google.auth
import google.auth.exceptions
import pytest
import requests
from google.auth.credentials import AnonymousCredentials, Credentials
from google.cloud.storage.exceptions import DataCorruption, InvalidResponse

from kopsversion.errors import (
    AccessDeniedError,
    MalformedResponseError,
    PreconditionFailedError,
    StoreError,
    StoreUnavailableError,
    UsageError,
)
from kopsversion.stores import cloud, open_store
from kopsversion.stores.bucket import Location
from kopsversion.stores.cloud import CloudStore, Session, open_cloud_store
from kopsversion.stores.deadline import Deadline
from kopsversion.stores.failures import translating
from kopsversion.stores.route import route_to
from tests.stores.scripted import (
    FAULTS,
    MARKER,
    ONCE,
    QUICK,
    ROUTE,
    URL,
    Answer,
    Asked,
    Server,
    html,
    item,
    open_at,
    page,
    write,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from kopsversion.stores.base import AttemptPolicy, Store

AUTH: Any = google.auth.exceptions  # which has no annotations


class Token(Credentials):
    """Credentials whose token is ``old`` until they are refreshed; refreshing may fail."""

    def __init__(self, failure: Exception | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # google-auth is not annotated
        self.token = "old"
        self.refreshed = 0
        self._failure = failure

    def refresh(self, _request: object) -> None:
        self.refreshed += 1
        if self._failure:
            raise self._failure
        self.token = "new"


def store_at(
    server: Server | str,
    *,
    credentials: Credentials | None = None,
    environ: Mapping[str, str] | None = None,
    attempts: AttemptPolicy = ONCE,
    seconds: float = 60,
) -> CloudStore:
    """Open the bucket at a server through Google's client, as somebody or as nobody."""
    place = Location(
        "kops", prefix="releases/", emulator=server if isinstance(server, str) else server.origin
    )
    route = route_to(place.endpoint, environ or {})
    identity = credentials or AnonymousCredentials()  # type: ignore[no-untyped-call]  # as above
    session = Session(identity, route=route)
    return CloudStore(place, route=route, session=session, policy=attempts, deadline=Deadline(seconds))


def only_token(token: str) -> Callable[[Asked], Answer]:
    def script(asked: Asked) -> Answer:
        return page() if asked.headers.get("authorization") == f"Bearer {token}" else html(401)

    return script


class TestCredentials:
    @pytest.fixture
    def found(self, monkeypatch: pytest.MonkeyPatch) -> list[object]:
        """What ``google.auth.default`` will return, or raise."""
        answers: list[object] = []

        def default(*, scopes: list[str]) -> tuple[object, None]:
            assert scopes == ["https://www.googleapis.com/auth/devstorage.read_write"]
            answer = answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer, None

        monkeypatch.setattr(google.auth, "default", default)
        return answers

    def test_nobody_is_asked_for_credentials_by_default(self, found: list[object]) -> None:
        """Public buckets are read anonymously, without looking for credentials."""
        found.append(Token())
        open_store("gs://bucket/", deadline=Deadline(60), environ={})
        assert len(found) == 1

    def test_default_credentials_are_found_when_wanted(self, found: list[object]) -> None:
        """With credentials="default" they are looked for once, and nothing is sent yet."""
        found.append(Token())
        store = open_store("gs://bucket/", deadline=Deadline(60), environ={}, credentials="default")
        assert found == []
        assert store.requests == 0

    def test_without_google_s_client_a_sentence_says_what_to_install(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The single file does not hold it, and a missing module is no defect of ours."""
        monkeypatch.setitem(sys.modules, "kopsversion.stores.cloud", None)
        with pytest.raises(UsageError, match="google-cloud-storage is not installed") as caught:
            open_store("gs://bucket/", deadline=Deadline(60), environ={}, credentials="default")
        assert "uv or pip" in caught.value.hint

    @pytest.mark.parametrize(
        ("failure", "kind", "transient"),
        [
            (AUTH.DefaultCredentialsError("none"), AccessDeniedError, False),
            (AUTH.RefreshError("revoked"), AccessDeniedError, False),
            (AUTH.RefreshError("busy", retryable=True), StoreUnavailableError, True),
            (AUTH.TransportError("down"), StoreUnavailableError, True),
        ],
    )
    def test_missing_credentials_say_what_to_do(
        self, failure: Exception, kind: type[StoreError], found: list[object], *, transient: bool
    ) -> None:
        """Without credentials access is denied with a hint; where they cannot be got now, it is transient."""
        found.append(failure)
        with pytest.raises(kind, match="'gs://bucket/'") as caught:
            open_store("gs://bucket/", deadline=Deadline(60), environ={}, credentials="default")
        assert caught.value.transient is transient
        if not transient:
            assert "gcloud auth application-default login" in caught.value.hint

    def test_looking_for_credentials_does_not_outlive_the_deadline(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A metadata server that hangs does not make us hang."""
        released = threading.Event()
        monkeypatch.setattr(google.auth, "default", lambda **_options: released.wait(60))
        with pytest.raises(StoreUnavailableError, match="deadline"):
            open_store("gs://bucket/", deadline=Deadline(0.05), environ={}, credentials="default")
        released.set()

    def test_an_emulator_never_sees_credentials(
        self, found: list[object], serve: Callable[..., Server]
    ) -> None:
        """Whoever sets STORAGE_EMULATOR_HOST gets no token sent there."""
        found.append(Token())
        server = serve(page())
        environ = {"STORAGE_EMULATOR_HOST": server.origin}
        open_store("gs://kops/", deadline=Deadline(60), environ=environ, credentials="default").list()
        assert "authorization" not in server.asked[0].headers
        assert len(found) == 1

    def test_a_token_that_has_expired_is_refreshed(self, serve: Callable[..., Server]) -> None:
        """A 401 makes google-auth fetch a new token, and both requests are counted."""
        server = serve(only_token("new"))
        token = Token()
        store = store_at(server, credentials=token)
        assert store.list().objects == ()
        assert (token.refreshed, store.requests, len(server.asked)) == (1, 2, 2)

    def test_a_token_that_is_not_accepted_ends(self, serve: Callable[..., Server]) -> None:
        """Refreshing does not go on for ever where it does not help."""
        server = serve(only_token("another"))
        token = Token()
        with pytest.raises(AccessDeniedError):
            store_at(server, credentials=token).list()
        assert token.refreshed == 2

    def test_netrc_adds_nothing(
        self, serve: Callable[..., Server], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Passwords of ~/.netrc are not sent with anonymous requests (DESIGN section 11)."""
        (tmp_path / "netrc").write_text("default login someone password secret\n")
        monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
        server = serve(page())
        open_at(server).list()
        assert "authorization" not in server.asked[0].headers
        assert requests.get(server.origin, timeout=60).ok  # which does send it: the file is a good one
        assert "authorization" in server.asked[1].headers


KINDS: Mapping[str, Callable[[Store], object]] = {
    "list": lambda store: store.list("1.29.", delimiter="/"),
    "read": lambda store: store.read(MARKER, limit=1024),
    "stat": lambda store: store.stat(MARKER),
    "download": lambda store: list(store.download(MARKER)),
}


ELSEWHERE = {
    "GOOGLE_API_USE_MTLS_ENDPOINT": "always",
    "GOOGLE_API_USE_CLIENT_CERTIFICATE": "true",
    "API_ENDPOINT_OVERRIDE": "http://127.0.0.1:1",
    "STORAGE_EMULATOR_HOST": "http://127.0.0.1:1",
    "GOOGLE_CLOUD_UNIVERSE_DOMAIN": "example.invalid",
}
"""Variables that Google's libraries read."""


class TestReading:
    """What the contract tests do not show; they hold this reader to the answers of the public one."""

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("fault", FAULTS)
    def test_every_fault_becomes_a_store_error(
        self, fault: str, kind: str, serve: Callable[..., Server]
    ) -> None:
        """Each fault of a server has the error that it has for the public reader."""
        answer, error, transient = FAULTS[fault]
        store = store_at(serve(answer), attempts=QUICK)
        with pytest.raises(error) as caught:
            KINDS[kind](store)
        assert type(caught.value) is error
        assert caught.value.transient is transient
        assert "sign in" not in str(caught.value)
        assert store.requests == (3 if transient else 1)

    @pytest.mark.parametrize("body", [b"", b"[]", b"null", b'"text"', b"{", b"[" * 100_000])
    @pytest.mark.parametrize("kind", KINDS)
    def test_what_is_no_answer_is_malformed(
        self, kind: str, body: bytes, serve: Callable[..., Server]
    ) -> None:
        """Bodies that the client itself trips over."""
        with pytest.raises(MalformedResponseError):
            KINDS[kind](store_at(serve(Answer(body=body)), attempts=QUICK))

    @pytest.mark.parametrize(
        "change", [{"size": None}, {"size": "x"}, {"size": "-1"}, {"timeCreated": None}, {"timeCreated": "x"}]
    )
    def test_metadata_that_is_none_is_malformed(
        self, change: dict[str, Any], serve: Callable[..., Server]
    ) -> None:
        """An object without size or time is none."""
        server = serve(page(**item(MARKER, generation="7") | change))
        with pytest.raises(MalformedResponseError):
            store_at(server).stat(MARKER)

    def test_a_server_may_have_no_generations(self, serve: Callable[..., Server]) -> None:
        """Some emulators leave them out."""
        assert store_at(serve(page(**item(MARKER)))).stat(MARKER).generation is None

    def test_an_object_that_is_overwritten_while_it_is_read_is_read_again(
        self, serve: Callable[..., Server]
    ) -> None:
        """Metadata and content are of one generation."""
        said = page(**item(MARKER, generation="7"))
        server = serve(said, html(412), said, Answer(body=b"abc"))
        assert store_at(server, attempts=QUICK).read(MARKER, limit=9).data == b"abc"

    def test_a_body_is_what_its_hash_says(self, serve: Callable[..., Server]) -> None:
        """Google's client checks it; what is wrong is asked for again."""
        said = page(**item(MARKER, generation="7"))
        right = {"x-goog-hash": "crc32c=Nks/tw==,md5=kAFQmDzST7DWlj99KOF/cg=="}
        server = serve(said, Answer(headers=right, body=b"abd"), said, Answer(headers=right, body=b"abc"))
        assert store_at(server, attempts=QUICK).read(MARKER, limit=9).data == b"abc"

    def test_a_body_that_is_too_short_is_asked_for_again(self, serve: Callable[..., Server]) -> None:
        """The metadata says how long it is."""
        said = page(**item(MARKER, generation="7"))
        server = serve(said, Answer(body=b"ab"), said, Answer(body=b"abc"))
        assert store_at(server, attempts=QUICK).read(MARKER, limit=9).data == b"abc"

    def test_a_page_without_a_length_may_be_cut(self, serve: Callable[..., Server]) -> None:
        """JSON says itself where it ends, and that is not at the first brace."""
        whole = page(items=[item("a"), item("b")])
        body = whole.body[: whole.body.index(b"}") + 1]
        server = serve(Answer(headers={"Connection": "close"}, body=body, length=-1), whole)
        assert len(store_at(server, attempts=QUICK).list().objects) == 2

    def test_a_page_takes_no_more_memory_than_allowed(
        self, serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A huge body is refused."""
        monkeypatch.setattr(cloud, "PAGE_LIMIT", 1000)
        with pytest.raises(MalformedResponseError, match="more than 1000 bytes"):
            store_at(serve(Answer(body=b" " * 1001))).list()

    def test_a_redirect_is_not_followed(self, serve: Callable[..., Server]) -> None:
        """Least of all with credentials."""
        elsewhere = serve(page())
        server = serve(Answer(status=302, headers={"Location": elsewhere.origin}))
        with pytest.raises(MalformedResponseError, match="redirect"):
            store_at(server, credentials=Token()).list()
        assert elsewhere.asked == []

    def test_no_variable_moves_requests_elsewhere(
        self, serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """GOOGLE_API_USE_MTLS_ENDPOINT and its like cannot split a store (FAILURES row 44)."""
        for name, value in ELSEWHERE.items():
            monkeypatch.setenv(name, value)
        server = serve(page(items=[item("x")]))
        assert len(store_at(server).list().objects) == 1

    def test_nothing_is_asked_in_the_background(self, serve: Callable[..., Server]) -> None:
        """The client would look up the bucket's metadata (DESIGN section 11)."""
        server = serve(page())
        store_at(server).list()
        store_at(server).list()
        assert [each.path for each in server.asked] == ["/storage/v1/b/kops/o"] * 2
        assert [each.name for each in threading.enumerate() if "_fetch_background" in each.name] == []


class Broken:
    """A response whose body is gone."""

    headers: ClassVar = {"Retry-After": "7"}
    status_code = 503

    @property
    def content(self) -> bytes:
        raise RuntimeError("the content for this response was already consumed")


class TestTranslation:
    @pytest.mark.parametrize(
        ("failure", "kind"),
        [
            (InvalidResponse(Broken(), "no"), StoreUnavailableError),  # type: ignore[no-untyped-call]  # not annotated
            (requests.exceptions.ContentDecodingError("br"), MalformedResponseError),
            (requests.exceptions.JSONDecodeError("no", "", 0), MalformedResponseError),
            (requests.exceptions.TooManyRedirects("no"), MalformedResponseError),
            (DataCorruption(None), StoreUnavailableError),  # type: ignore[no-untyped-call]  # nor is this
        ],
    )
    def test_what_the_client_raises_is_translated(self, failure: Exception, kind: type[StoreError]) -> None:
        """Whatever comes out of it is one of our errors, with its cause."""
        with pytest.raises(kind) as caught, translating(URL, ROUTE), cloud._google_errors():
            raise failure
        assert caught.value.__cause__ is not None

    def test_a_body_that_is_gone_hides_no_status(self) -> None:
        """The status and what the server wishes are in the headers."""
        found = cloud._status_error(Broken(), 503)
        assert (found.status, found.retry_after, found.reason) == (503, 7.0, "")

    def test_a_large_object_is_not_taken_whole(self, serve: Callable[..., Server]) -> None:
        """One byte more than the limit tells that there is more."""
        body = b"x" * 300_000
        server = serve(page(**item(MARKER, size=str(len(body)), generation="7")), Answer(body=body))
        assert store_at(server).read(MARKER, limit=9).data == b"x" * 10

    def test_an_object_that_is_stored_compressed_is_decompressed(self, serve: Callable[..., Server]) -> None:
        """Its size is that of what is stored, so it says nothing of what comes."""
        packed = gzip.compress(b"text")
        said = page(**item(MARKER, size="900", generation="7", contentEncoding="gzip"))
        server = serve(said, Answer(headers={"Content-Encoding": "gzip"}, body=packed))
        assert store_at(server).read(MARKER, limit=9).data == b"text"

    def test_an_empty_object_is_not_asked_for(self, serve: Callable[..., Server]) -> None:
        """Its metadata says that it is empty."""
        server = serve(page(**item(MARKER, size="0", generation="7")))
        assert store_at(server).read(MARKER, limit=9).data == b""
        assert len(server.asked) == 1

    def test_closing_it_closes_its_connections(self, serve: Callable[..., Server]) -> None:
        """A later question opens new ones."""
        store = store_at(serve(page()))
        store.list()
        store.close()
        assert store.list().objects == ()

    def test_each_question_costs_a_request(self, serve: Callable[..., Server]) -> None:
        """It is no directory of this machine, whatever the address of the server."""
        store = store_at(serve(page()))
        assert not store.is_local
        store.list()
        assert store.requests == 1


class TestDownload:
    DATA = bytes(range(251)) * 40000

    def script(self, asked: Asked, *, broken: list[int]) -> Answer:
        if "download" not in asked.path:
            return page(**item(MARKER, size=str(len(self.DATA)), generation="7"))
        first, last = asked.headers["range"].removeprefix("bytes=").split("-")
        part = self.DATA[int(first) : int(last) + 1]
        headers = {"Content-Range": f"bytes {first}-{last}/{len(self.DATA)}"}
        if broken:
            return Answer(status=206, headers=headers, body=part[: broken.pop()], length=len(part))
        return Answer(status=206, headers=headers, body=part)

    def test_goes_on_after_a_broken_connection(self, serve: Callable[..., Server]) -> None:
        """What has been received is not fetched again."""
        broken = [100_000, 0, 300_000]
        store = store_at(serve(lambda asked: self.script(asked, broken=broken)), attempts=QUICK)
        pieces = list(store.download(MARKER, offset=5))
        assert b"".join(pieces) == self.DATA[5:]
        assert max(map(len, pieces)) <= 1 << 20

    def test_a_server_that_sends_all_in_place_of_a_part_is_malformed(
        self, serve: Callable[..., Server]
    ) -> None:
        """Its bytes would end up in the wrong place."""
        server = serve(page(**item(MARKER, generation="7")), Answer(body=b"abc"))
        with pytest.raises(MalformedResponseError, match="in place of a part"):
            list(store_at(server).download(MARKER, offset=1))

    def test_a_server_that_sends_too_much_is_not_heard_to_the_end(self, serve: Callable[..., Server]) -> None:
        """Nothing after the bytes that were asked for is taken."""
        server = serve(page(**item(MARKER, generation="7")), Answer(body=b"abcdef"))
        assert list(store_at(server).download(MARKER)) == [b"abc"]

    def test_a_server_that_sends_nothing_is_asked_again(self, serve: Callable[..., Server]) -> None:
        """No bytes are not the end where there must be some."""
        said = page(**item(MARKER, generation="7"))
        server = serve(said, Answer(status=206), Answer(status=206, body=b"abc"))
        assert list(store_at(server, attempts=QUICK).download(MARKER)) == [b"abc"]

    def test_an_object_that_was_overwritten_is_not_mixed(self, serve: Callable[..., Server]) -> None:
        """A precondition sees to it."""
        server = serve(page(**item(MARKER, generation="7")), html(412))
        with pytest.raises(PreconditionFailedError, match="overwritten"):
            list(store_at(server).download(MARKER))


class TestRoute:
    def test_a_proxy_is_asked_for_what_is_elsewhere(self, serve: Callable[..., Server]) -> None:
        """HTTP_PROXY is honoured for another machine."""
        proxy = serve(page(items=[item("x")]))
        store = store_at("http://gcs.invalid", environ={"HTTP_PROXY": proxy.origin})
        assert len(store.list().objects) == 1

    def test_a_broken_proxy_is_named(self, serve: Callable[..., Server]) -> None:
        """A proxy that refuses connections is a mistake in the settings, not a hiccup."""
        server = serve(page())
        server.__exit__()
        store = store_at("http://gcs.invalid", attempts=QUICK, environ={"HTTP_PROXY": server.origin})
        with pytest.raises(StoreUnavailableError, match="through the proxy") as caught:
            store.list()
        assert "HTTP_PROXY" in caught.value.hint
        assert store.requests == 1

    def test_a_missing_ca_file_is_named(self) -> None:
        """By the variable that names it."""
        place = Location("kops")
        route = route_to(place.endpoint, {"SSL_CERT_FILE": "/absent.pem"})
        with pytest.raises(StoreUnavailableError) as caught:
            open_cloud_store(place, route=route, credentials="anonymous", policy=ONCE, deadline=Deadline(60))
        assert "SSL_CERT_FILE names '/absent.pem'" in caught.value.hint


class Bucket:
    """A script that keeps one object, checks preconditions, and may lose answers on their way."""

    def __init__(self, *, generation: int = 7, data: bytes = b"old\n") -> None:
        self.generation = generation
        self.data: bytes | None = data
        self.lose: list[Answer] = []
        self.after_write: Callable[[Bucket], None] = lambda _bucket: None
        self.uploads: list[tuple[dict[str, Any], str, bytes]] = []

    def __call__(self, asked: Asked) -> Answer:
        if asked.method == "GET":
            if self.data is None:
                return html(404)
            if "download" in asked.path:
                return Answer(body=self.data)
            return self.metadata()
        if int(asked.query["ifGenerationMatch"]) != self.generation:
            return html(412)
        boundary = asked.headers["content-type"].partition("boundary=")[2].strip('"').encode()
        parts = asked.body.split(b"--" + boundary)[1:3]
        resource, media = (part.strip(b"\r\n").split(b"\r\n\r\n", 1) for part in parts)
        kind = media[0].partition(b": ")[2].decode()
        data = parts[1][:-2].split(b"\r\n\r\n", 1)[1]
        self.uploads.append((json.loads(resource[1]), kind, data))
        self.generation += 1
        self.data = data
        self.after_write(self)
        if self.lose:
            return self.lose.pop()
        return self.metadata()

    def metadata(self) -> Answer:
        return page(**item(MARKER, generation=str(self.generation), size=str(len(self.data or b""))))


LOST: Mapping[str, Answer] = {
    "reset": Answer(reset=-1),
    "cut short": Answer(body=b"{", length=100),
    "408": html(408),
    "500": html(500),
    "503": html(503),
    "200 with an HTML page": html(),
    "200 with nothing": Answer(),
    "200 with a list": Answer(body=b"[]"),
    "200 without a generation": page(),
    "200 with a strange generation": page(generation="x"),
    "200 with a stranger one": page(generation={}),
    "201": html(201),
    "204": Answer(status=204),
    "bad gzip": Answer(headers={"Content-Encoding": "gzip"}, body=b"not gzip"),
}
"""Answers that tell nothing of whether the object was written."""


class TestWrite:
    def test_writes_in_one_request(self, serve: Callable[..., Server]) -> None:
        """Content, type, caching, metadata and precondition go out together."""
        bucket = Bucket()
        server = serve(bucket)
        store = open_at(server)
        assert write(store) == "8"
        resource, kind, data = bucket.uploads[0]
        assert (kind, data) == ("text/plain", b"text\n")
        assert resource["name"] == f"releases/{MARKER}"
        assert resource["cacheControl"] == "private, max-age=0"
        assert resource["metadata"] == {"why": "x"}
        assert server.asked[0].path == "/upload/storage/v1/b/kops/o"
        assert server.asked[0].query["ifGenerationMatch"] == "7"
        assert store.requests == 1

    def test_a_new_object_must_not_exist(self, serve: Callable[..., Server]) -> None:
        """No generation means: only if there is none. Empty metadata and caching are not sent."""
        bucket = Bucket(generation=0)
        store = open_at(serve(bucket))
        store.write(MARKER, b"x", if_generation=None, cache_control="", metadata={})
        assert {"metadata", "cacheControl"}.isdisjoint(bucket.uploads[0][0])
        with pytest.raises(PreconditionFailedError):
            write(store, if_generation=None)

    def test_somebody_else_was_first(self, serve: Callable[..., Server]) -> None:
        """A lost race is an error, found out in one request."""
        bucket = Bucket(generation=9)
        store = open_at(serve(bucket), attempts=QUICK)
        with pytest.raises(PreconditionFailedError, match="somebody else") as caught:
            write(store)
        assert caught.value.exit_code == 5
        assert (bucket.uploads, store.requests) == ([], 1)

    def test_a_generation_of_another_kind_of_store_is_refused(self, serve: Callable[..., Server]) -> None:
        """A directory's generation cannot be that of an object, so nothing is sent."""
        server = serve(Bucket())
        with pytest.raises(PreconditionFailedError, match="cannot be the generation"):
            write(open_at(server), if_generation="17095-3-9")
        assert server.asked == []

    @pytest.mark.parametrize("lost", LOST)
    def test_an_answer_that_was_lost_is_no_lost_race(self, lost: str, serve: Callable[..., Server]) -> None:
        """It was written, and its answer says something else or nothing: one look at the object settles it."""
        bucket = Bucket()
        bucket.lose = [LOST[lost]]
        store = open_at(serve(bucket), attempts=QUICK)
        assert write(store) == "8"
        assert len(bucket.uploads) == 1

    @pytest.mark.parametrize("lost", LOST)
    def test_an_attempt_that_never_arrived_is_repeated_or_told(
        self, lost: str, serve: Callable[..., Server]
    ) -> None:
        """Where nothing was written, the next attempt writes, or the failure is told as it is."""
        bucket = Bucket()
        answers = iter([LOST[lost]])
        server = serve(lambda asked: next(answers, None) or bucket(asked))
        try:
            assert write(open_at(server, attempts=QUICK)) == "8"
        except MalformedResponseError:
            assert bucket.uploads == []

    @pytest.mark.parametrize("lost", LOST)
    def test_what_cannot_be_settled_may_have_been_written(
        self, lost: str, serve: Callable[..., Server]
    ) -> None:
        """Where the object cannot be looked at either, nobody says that nothing happened (FAILURES row 40)."""
        server = serve(lambda asked: LOST[lost] if asked.method == "POST" else html(503))
        with pytest.raises(StoreUnavailableError, match="may have been written") as caught:
            write(open_at(server, attempts=QUICK))
        assert not caught.value.transient
        assert "look at" in caught.value.hint

    def test_an_object_that_is_still_not_there_was_not_written(self, serve: Callable[..., Server]) -> None:
        """Then the failure is what it looked like."""
        server = serve(lambda asked: html(503) if asked.method == "POST" else html(404))
        with pytest.raises(StoreUnavailableError, match="HTTP 503"):
            write(open_at(server, attempts=QUICK), if_generation=None)

    @pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 501, 507, 301])
    def test_a_refusal_is_told_without_a_look(self, status: int, serve: Callable[..., Server]) -> None:
        """A server that says no has not written."""
        server = serve(html(status))
        with pytest.raises(StoreError) as caught:
            write(open_at(server))
        assert "may have been written" not in str(caught.value)
        assert len(server.asked) == 1

    def test_a_server_that_is_not_there_has_not_written(self, serve: Callable[..., Server]) -> None:
        """A refused connection is tried again, and then reported, without a look."""
        server = serve(page())
        server.__exit__()
        store = open_at(server, attempts=QUICK)
        with pytest.raises(StoreUnavailableError, match="cannot be reached"):
            write(store)
        assert store.requests == 3

    def test_a_stalled_write_leaves_time_for_a_look(self, serve: Callable[..., Server]) -> None:
        """The deadline is not used up by waiting for the answer."""
        bucket = Bucket()
        bucket.lose = [Answer(stall=True)] * 9
        store = open_at(serve(bucket), attempts=QUICK, seconds=3)
        assert write(store) == "8"

    @pytest.mark.parametrize("fate", ["overwritten", "deleted"])
    def test_what_others_did_in_between_is_a_lost_race(self, fate: str, serve: Callable[..., Server]) -> None:
        """Where our text is no longer there, we cannot say that it is."""
        bucket = Bucket()
        bucket.lose = [Answer(reset=-1)]

        def meddle(touched: Bucket) -> None:
            touched.generation += 1
            touched.data = b"other" if fate == "overwritten" else None

        bucket.after_write = meddle
        with pytest.raises(PreconditionFailedError):
            write(open_at(serve(bucket), attempts=QUICK))

    def test_another_text_after_a_lost_answer_is_a_lost_race(self, serve: Callable[..., Server]) -> None:
        """Whether ours was there in between does not matter any more."""

        def script(asked: Asked) -> Answer:
            if asked.method == "POST":
                return html(503)
            return (
                Answer(body=b"others\n")
                if "download" in asked.path
                else page(**item(MARKER, generation="9", size="7"))
            )

        with pytest.raises(PreconditionFailedError, match="somebody else"):
            write(open_at(serve(script), attempts=QUICK))

    def test_the_same_text_as_before_is_not_ours(self, serve: Callable[..., Server]) -> None:
        """An unchanged generation proves that nothing was written, whatever the text."""
        bucket = Bucket(data=b"text\n")
        answers = iter([html(503), html(412)])
        server = serve(lambda asked: next(answers) if asked.method == "POST" else bucket(asked))
        with pytest.raises(PreconditionFailedError):
            write(open_at(server, attempts=QUICK))
