"""Fixtures that several test modules share, and how hard Hypothesis tries."""

from __future__ import annotations

import os
import re
import signal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

from kopsversion.cli.demo_bucket import lay_out
from kopsversion.stores import cloud, gcs, web
from kopsversion.stores.retrying import Retrying
from tests import profiles
from tests.fake_gcs import FakeGcs, running
from tests.gcs_server import GcsServer
from tests.git_repos import ISOLATED

if TYPE_CHECKING:
    from collections.abc import Iterator

profiles.load()

pytest_plugins = ["tests.temporary"]


_LEADS_ELSEWHERE = re.compile(
    r"(?i)(KOPSVERSION_(?!HISTORY$).*|.*_PROXY|.*_CA_BUNDLE|SSL_CERT_.*|STORAGE_EMULATOR_HOST|GOOGLE_.*|NETRC)"
)


@pytest.fixture(scope="session", autouse=True)
def _alone() -> Iterator[None]:
    """No test sees the settings of whoever runs it: options, proxies, emulators, credentials."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as for a shell's background job, and its children
        signal.signal(signal.SIGINT, signal.default_int_handler)
    with pytest.MonkeyPatch.context() as patch:
        for name in filter(_LEADS_ELSEWHERE.fullmatch, list(os.environ)):
            patch.delenv(name)
        patch.setenv("NETRC", os.devnull)
        yield


@pytest.fixture(scope="session")
def history() -> Path:
    """The folder of the real history of kOps versions, which the project does not carry."""
    said = os.environ.get("KOPSVERSION_HISTORY")
    folder = Path(said) if said else Path(__file__).parents[2] / "shared" / "history"
    if not (folder / "builds.jsonl").is_file():
        pytest.skip(f"no builds.jsonl in {folder}; KOPSVERSION_HISTORY can name another folder")
    return folder


@pytest.fixture(scope="session")
def demo_bucket(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bucket of 6 May 2024, which nobody changes."""
    return lay_out(tmp_path_factory.mktemp("demo") / "bucket").directory


@pytest.fixture
def isolated_git(monkeypatch: pytest.MonkeyPatch) -> None:
    """No git of this process sees the settings of whoever runs the tests."""
    for variable, value in ISOLATED.items():
        monkeypatch.setenv(variable, value)


@pytest.fixture
def gcs_server() -> Iterator[GcsServer]:
    """A running server with one empty bucket; fails the test if the server itself made a mistake."""
    with GcsServer() as server:
        server.bucket()
        yield server
    assert server.errors == []


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """No retry of a bucket sleeps; how long each would have slept is noted instead."""
    slept: list[float] = []
    for reader in (gcs, cloud, web):
        monkeypatch.setattr(reader, "Retrying", partial(Retrying, sleep=slept.append))
    return slept


@pytest.fixture(scope="session")
def fake_gcs() -> Iterator[FakeGcs]:
    """The real fake-gcs-server, in memory: it keeps every name. Each test makes its own bucket."""
    yield from _running("memory")


@pytest.fixture(scope="session")
def dated_fake_gcs() -> Iterator[FakeGcs]:
    """The real fake-gcs-server, on disk: its objects can have been uploaded in the past."""
    yield from _running("filesystem")


def _running(backend: Literal["memory", "filesystem"]) -> Iterator[FakeGcs]:
    for server in running(backend):
        if isinstance(server, str):
            pytest.skip(server)
        yield server
