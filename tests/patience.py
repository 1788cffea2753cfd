"""Tests that wait for a real, short deadline: on a busy machine it would strike what was not meant to hang.

So deadlines have a margin that scales with how slow the machine is just now.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from attrs import evolve

from tests.gcs_faults import Drip
from tests.gcs_server import GcsServer
from tests.scenes import PLAIN, ask, store_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from kopsversion.stores.base import AttemptPolicy
    from tests.gcs_faults import Fault

QUIET = 0.05
"""Seconds, and more than that, in which a quiet machine resolves master from a loopback server, coverage included."""


def times_slower(work: Callable[[], object], *, quiet: float) -> int:
    """Tell how many times slower than a quiet machine this one is just now, at least once.

    Parameters:
        work: what is to be done.
        quiet: seconds that it takes a quiet machine at most.
    """
    begun = time.monotonic()
    work()
    return max(1, math.ceil((time.monotonic() - begun) / quiet))


def slowness() -> int:
    """Tell how many times slower than a quiet machine this one answers requests just now."""
    with GcsServer() as server:
        PLAIN.put(server)
        return times_slower(lambda: ask(store_of(server)), quiet=QUIET)


def longer(attempts: AttemptPolicy, slow: int) -> AttemptPolicy:
    """Return a policy by which each attempt may take that many times longer."""
    return evolve(attempts, read=slow * attempts.read, whole=slow * attempts.whole)


def slower(fault: Fault, slow: int) -> Fault:
    """Return a fault that takes that many times longer; most end only when the test does."""
    return evolve(fault, interval=slow * fault.interval) if isinstance(fault, Drip) else fault
