"""One deadline for all that is asked of stores, and calls that are not waited for beyond it.

Socket timeouts bound the time *between* two bytes, so a server that sends one byte a second never exceeds
them; name resolution has no timeout at all. So each call runs in a daemon thread of its own and is
abandoned when its time is over. A daemon thread does not keep the interpreter from exiting.

This module knows nothing of HTTP, files or retries.
"""

from __future__ import annotations

import math
import threading
import time
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Generic, TypeVar

from kopsversion.errors import StoreError, StoreUnavailableError, UsageError, quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

T = TypeVar("T")

AT_ONCE = 8
"""How many calls run side by side where there are many; a connection pool has a connection for each."""


SLOWEST = 1000
"""Bytes that a download must bring in each second to be slow but steady; below that it stalls."""


class Deadline:
    """A moment after which no answer is waited for any more.

    Steps that follow one another, such as two stores or the rungs of the ladder, share it by `stage`. So one that
    hangs leaves the others time.

    Parameters:
        timeout: from now on, as a duration or in seconds; at or below zero it has passed already.
        clock: seconds on a clock that never goes back.

    Raises:
        UsageError: `timeout` is neither a duration nor a number of seconds.
    """

    def __init__(self, timeout: float | timedelta, clock: Callable[[], float] = time.monotonic) -> None:
        seconds: object = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
        if not isinstance(seconds, int | float) or isinstance(seconds, bool) or math.isnan(seconds):
            raise UsageError(
                f"timeout is {quoted(repr(timeout))}, of type {type(timeout).__name__}",
                hint="give a timedelta, or seconds",
            )
        self.seconds = seconds
        self._clock = clock
        self._end = clock() + seconds
        self._stage_end = math.inf

    def remaining(self) -> float:
        """Return the seconds that are left, of the stage if there is one, never below zero."""
        return max(0.0, min(self._end, self._stage_end) - self._clock())

    @property
    def expired(self) -> bool:
        """Whether it has passed."""
        return self.remaining() <= 0

    @contextmanager
    def stage(self, share: float) -> Iterator[None]:
        """Let the block have only a share of the time that is left. Stages nest.

        Parameters:
            share: the part of the remaining time, from 0 to 1.
        """
        outer = self._stage_end
        if share < 1:
            self._stage_end = self._clock() + self.remaining() * share
        try:
            yield
        finally:
            self._stage_end = outer

    def held(self) -> Deadline:
        """Return a deadline that ends with the present stage, and stays so: an abandoned call gains no time by it."""
        return Deadline(self.remaining(), self._clock)

    def check(self, url: str) -> None:
        """Raise the error of `error` if the deadline has passed."""
        if self.expired:
            raise self.error(url)

    def error(self, url: str) -> StoreUnavailableError:
        """Make the error that says that `url` was not answered in time."""
        share = "its share of " if self._stage_end < self._end else ""
        return StoreUnavailableError(
            f"{quoted(url)} was not answered within {share}the deadline of {self.seconds:g} s",
            url=url,
            hint="allow more time with --timeout, or look at the network between here and the store",
        )

    def run(
        self,
        call: Callable[[], T],
        *,
        url: str,
        limit: float | None = None,
        progress: Callable[[], int] | None = None,
    ) -> T:
        """Return what `call` returns, but wait for it no longer than the deadline.

        Parameters:
            call: runs in a daemon thread, which is abandoned if it takes too long.
            url: what is asked for, for the message.
            limit: seconds after which this attempt is given up although the deadline is later.
            progress: returns the bytes that have arrived so far. As long as `SLOWEST` of them arrive in each second
                of `limit`, the attempt goes on: what is slow but steady is not given up.

        Raises:
            StoreUnavailableError: the deadline has passed, or, as a transient one, `limit` has.
            BaseException: whatever `call` raises.
        """
        self.check(url)
        running = _Running(call)
        known = 0
        while True:
            left = self.remaining()
            if limit is None or limit >= left:
                if not running.wait(left):
                    raise self.error(url)
                break
            if running.wait(limit):
                break
            arrived = progress() if progress else 0
            if arrived < known + limit * SLOWEST:
                raise StoreUnavailableError(
                    f"{quoted(url)} gave no whole answer within {limit:g} s", url=url, transient=True
                )
            known = arrived
        return running.result()


def side_by_side(
    calls: Sequence[Callable[[], T]], *, deadline: Deadline, urls: Sequence[str]
) -> list[T | StoreError]:
    """Run calls that do not depend on each other at the same time, none beyond the deadline.

    Parameters:
        calls: each runs in a daemon thread of its own.
        deadline: when to stop waiting.
        urls: what each call asks for, for the message of one that is still running then.

    Returns:
        For each call, in order, what it returned or the `StoreError` that it raised.

    Raises:
        BaseException: whatever else a call raised; the first one in order.
    """
    running = [_Running(call) for call in calls]
    outcomes: list[T | StoreError] = []
    for each, url in zip(running, urls, strict=True):
        if each.wait(deadline.remaining()):
            outcomes.append(each.outcome())
        else:
            outcomes.append(deadline.error(url))
    return outcomes


def all_side_by_side(calls: Sequence[Callable[[], T]], *, deadline: Deadline, url: str) -> list[T]:
    """Run calls as `side_by_side` does; the first failure in order is the failure of all.

    Parameters:
        calls: each runs in a daemon thread of its own.
        deadline: when to stop waiting.
        url: what is asked, for the message of a call that is still running then.

    Returns:
        For each call, in order, what it returned.

    Raises:
        StoreError: a call raised it, or is still running.
    """
    results: list[T] = []
    for outcome in side_by_side(calls, deadline=deadline, urls=[url] * len(calls)):
        if isinstance(outcome, StoreError):
            raise outcome
        results.append(outcome)
    return results


class _Running(Generic[T]):
    """A call on its way in a daemon thread."""

    def __init__(self, call: Callable[[], T]) -> None:
        self._call = call
        self._done = threading.Event()
        self._values: list[T] = []
        self._error: BaseException | None = None
        try:
            threading.Thread(target=self._work, name="kopsversion-store", daemon=True).start()
        except RuntimeError as error:  # the machine allows no more threads
            self._error = StoreUnavailableError(
                "the store cannot be asked: no thread can be started", url="", transient=True
            )
            self._error.__cause__ = error
            self._done.set()

    def _work(self) -> None:
        try:
            self._values.append(self._call())
        except BaseException as error:
            self._error = error
        finally:
            self._done.set()

    def wait(self, seconds: float) -> bool:
        """Return whether the call has ended, at the latest after `seconds`."""
        return self._done.wait(min(seconds, threading.TIMEOUT_MAX))

    def result(self) -> T:
        """Return or raise what the call did, once it has ended."""
        if self._error is not None:
            raise self._error
        return self._values[0]

    def outcome(self) -> T | StoreError:
        """Return what the call returned, or its `StoreError`; raise any other error."""
        try:
            return self.result()
        except StoreError as error:
            return error
