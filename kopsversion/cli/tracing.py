"""Each request to a bucket, told while it is made: what ``-v`` adds. It must not know what a request is for."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["requests_told"]


class _Teller(logging.Handler):
    """Passes the messages of a logger on."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        super().__init__()
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        """Tell one message."""
        self._tell(record.getMessage())


@contextmanager
def requests_told(tell: Callable[[str], None]) -> Iterator[None]:
    """Tell each request of any store while the block runs: method, URL, status and milliseconds."""
    logger, teller = logging.getLogger("kopsversion.stores"), _Teller(tell)
    before = logger.level, logger.propagate
    logger.addHandler(teller)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(teller)
        logger.setLevel(before[0])
        logger.propagate = before[1]
