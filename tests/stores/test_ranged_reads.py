"""The beginning of a large object: asked for by range, so that nobody sends the rest."""

from __future__ import annotations

import pytest

from kopsversion.errors import StoreError
from kopsversion.stores.deadline import Deadline
from kopsversion.stores.opening import open_store
from tests.builders import NOW
from tests.gcs_server import GcsServer
from tests.scenes import FAST

LIMIT = 1 << 16
SIZES = (0, 1, LIMIT - 1, LIMIT, LIMIT + 1, LIMIT + 2, 50 * LIMIT)


@pytest.mark.parametrize("size", SIZES)
def test_the_beginning_is_read_and_no_more_is_sent(size: int) -> None:
    """One byte above the limit tells that there is more; an empty object has no range, and is empty."""
    content = bytes(number % 251 for number in range(size))
    with GcsServer() as server:
        server.bucket("b").add("logs/log", content, at=NOW)
        store = open_store(
            "gs://b/logs/",
            deadline=Deadline(60),
            attempts=FAST,
            environ={"STORAGE_EMULATOR_HOST": server.url},
        )
        assert store.read("log", limit=LIMIT).data == content[: LIMIT + 1]
        (asked,) = server.requests
        assert {key.lower(): value for key, value in asked.headers.items()}["range"] == f"bytes=0-{LIMIT}"
        assert server.bytes_sent <= LIMIT + 2000


def test_what_is_short_is_asked_for_as_a_whole() -> None:
    """Markers and checksums are read as before."""
    with GcsServer() as server:
        server.bucket("b").add("marker", b"x" * 2000, at=NOW)
        store = open_store(
            "gs://b/", deadline=Deadline(60), attempts=FAST, environ={"STORAGE_EMULATOR_HOST": server.url}
        )
        assert store.read("marker", limit=1024).data == b"x" * 1025
        assert "range" not in {key.lower() for key in server.requests[0].headers}


def test_an_object_that_is_not_there_is_no_empty_one() -> None:
    with GcsServer() as server:
        server.bucket("b")
        store = open_store(
            "gs://b/", deadline=Deadline(60), attempts=FAST, environ={"STORAGE_EMULATOR_HOST": server.url}
        )
        with pytest.raises(StoreError):
            store.read("log", limit=LIMIT)
