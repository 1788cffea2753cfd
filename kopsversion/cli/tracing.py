"""Shows each request to a bucket, which ``-v`` adds. This module must not know what a request is for."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["requests_shown"]


class _Forwarder(logging.Handler):
    """Passes the messages of a logger to a function."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        super().__init__()
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        """Pass one message on."""
        self._tell(record.getMessage())


@contextmanager
def requests_shown(tell: Callable[[str], None]) -> Iterator[None]:
    """Pass a line to `tell` for each request of any store: method, URL, status and milliseconds."""
    logger, forwarder = logging.getLogger("kopsversion.stores"), _Forwarder(tell)
    before = logger.level, logger.propagate
    logger.addHandler(forwarder)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(forwarder)
        logger.setLevel(before[0])
        logger.propagate = before[1]
