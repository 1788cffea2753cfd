"""Fixtures that several test modules share, and how hard Hypothesis tries."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from tests.gcs_server import GcsServer

if TYPE_CHECKING:
    from collections.abc import Iterator

# A slow machine must not fail a law, and an ordinary run must not depend on luck; `make fuzz` looks for luck.
_CALM = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("default", _CALM, derandomize=True, max_examples=100)
settings.register_profile("ci", _CALM, derandomize=True, max_examples=100)
settings.register_profile("long", _CALM, max_examples=5000, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


@pytest.fixture(scope="session")
def history() -> Path:
    """The folder of the real history of kOps versions, which the project does not carry."""
    said = os.environ.get("KOPSVERSION_HISTORY")
    folder = Path(said) if said else Path(__file__).parents[2] / "shared" / "history"
    if not (folder / "builds.jsonl").is_file():
        pytest.skip(f"no builds.jsonl in {folder}; KOPSVERSION_HISTORY can name another folder")
    return folder


@pytest.fixture
def gcs_server() -> Iterator[GcsServer]:
    """A running server with one empty bucket; fails the test if the server itself made a mistake."""
    with GcsServer() as server:
        server.bucket()
        yield server
    assert server.errors == []
