"""How times, durations and counts are put into words, for every sentence that names one.

Pure. It must not know what the sentence is about.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime, timedelta


def duration(span: timedelta) -> str:
    """Say how long, in the largest unit that says it well: ``61 days``, ``36 hours``, ``12 minutes``.

    A span below zero is said as ``0 seconds``: what a store has just stored may be later than the local clock.
    """
    seconds = max(0, int(span.total_seconds()))
    for unit, length, least in (("day", 86400, 3), ("hour", 3600, 2), ("minute", 60, 2)):
        if seconds >= least * length:
            return f"{seconds // length} {unit}s"
    return f"{seconds} second{'' if seconds == 1 else 's'}"


def moment(time: datetime) -> str:
    """Say when, to the minute: ``2024-03-06 13:40 UTC``."""
    return f"{time:%Y-%m-%d %H:%M} UTC"


def count(number: int, noun: str) -> str:
    """Say how many: ``1 merge``, ``80 merges``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def dated(time: datetime, *, now: datetime) -> str:
    """Say when, and how far from `now`: with ``--as-of`` a marker may have been written later."""
    if time > now:
        return f"{moment(time)} ({duration(time - now)} later)"
    return f"{moment(time)} ({duration(now - time)} ago)"
