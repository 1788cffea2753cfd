"""Servers for the tests of stores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.stores.scripted import Answer, Sequence, Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    """Start a server that gives these answers, or that a script speaks for."""
    running: list[Server] = []

    def start(*script: Any) -> Server:
        speaks = script[0] if not isinstance(script[0], Answer) else Sequence(*script)
        running.append(Server(speaks).__enter__())
        return running[-1]

    yield start
    for server in running:
        server.__exit__()
