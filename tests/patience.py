"""Tests that wait for a real, short deadline: on a busy machine it may strike what was not meant to hang."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve

if TYPE_CHECKING:
    from collections.abc import Callable

    from kopsversion.stores.base import AttemptPolicy

MORE = 10
"""How many times longer everything may take at the second try."""


def patiently(check: Callable[[int], None]) -> None:
    """Check with the usual deadlines; where that fails, check once more with longer ones, and that counts.

    Parameters:
        check: is given how many times longer than usual every attempt may take, and asserts.
    """
    try:
        check(1)
    except AssertionError:
        check(MORE)


def longer(attempts: AttemptPolicy, patience: int) -> AttemptPolicy:
    """Return a policy by which each attempt may take that many times longer."""
    return evolve(attempts, read=patience * attempts.read, whole=patience * attempts.whole)
