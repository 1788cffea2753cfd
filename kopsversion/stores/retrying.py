"""Retries: the single place that decides on them (DESIGN sections 8 and 11), and the only one with tenacity.

A store says that a retry may help by raising a `StoreError` with `transient` set. This module decides how often and
when, within the deadline. It knows nothing of HTTP.

Hardly any request has to be retried, so tenacity is imported when one has to: it would cost every start 4 ms.
"""

from __future__ import annotations

import random
import time
from functools import partial
from itertools import chain, repeat
from typing import TYPE_CHECKING, TypeVar

from kopsversion.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    import tenacity

    from kopsversion.stores.base import AttemptPolicy
    from kopsversion.stores.deadline import Deadline

T = TypeVar("T")


class Retrying:
    """Calls a function until it succeeds, fails for good, or time is over.

    Waits grow exponentially, with full jitter; a server's ``Retry-After`` counts instead where it is longer.
    Either wait takes at most half of what the deadline leaves, so that as much time is left for the attempt that
    follows it.

    Parameters:
        policy: how often, and how long to wait between.
        deadline: after it nothing is tried again.
        sleep: waits for that many seconds.
        jitter: returns a random number between two numbers.
    """

    def __init__(
        self,
        policy: AttemptPolicy,
        *,
        deadline: Deadline,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._policy = policy
        self._deadline = deadline
        self._sleep = sleep
        self._jitter = jitter

    def __call__(self, function: Callable[[], T]) -> T:
        """Return what `function` returns, or raise the error of its last attempt."""
        # A call that is abandoned when its stage ends must not go on in the time of the next stage.
        deadline = self._deadline.held()
        try:
            return function()
        except StoreError as error:
            if not _is_transient(error):
                raise
            return self._again(function, error, deadline=deadline)

    def _again(self, function: Callable[[], T], failed: StoreError, *, deadline: Deadline) -> T:
        """Go on after a failed first attempt; tenacity gets it replayed, so that it counts and is waited after."""
        try:
            import tenacity
        except (ImportError, OSError):  # a process that is out of descriptors cannot import either
            raise failed from None

        def replay() -> T:
            raise failed

        attempts = chain([replay], repeat(function))
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(_is_transient),
            stop=partial(self._stop, deadline=deadline),
            wait=partial(self._wait, deadline=deadline),
            sleep=self._sleep,
            reraise=True,
        )
        return retrying(lambda: next(attempts)())

    def _stop(self, state: tenacity.RetryCallState, *, deadline: Deadline) -> bool:
        return state.attempt_number >= self._policy.max_attempts or deadline.expired

    def _wait(self, state: tenacity.RetryCallState, *, deadline: Deadline) -> float:
        doubled = self._policy.initial * 2.0 ** min(state.attempt_number - 1, 64)
        seconds = self._jitter(0.0, min(doubled, self._policy.maximum))
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, StoreError) and error.retry_after is not None:
            seconds = max(seconds, error.retry_after)
        return min(seconds, deadline.remaining() / 2)


def _is_transient(error: BaseException) -> bool:
    return isinstance(error, StoreError) and error.transient
