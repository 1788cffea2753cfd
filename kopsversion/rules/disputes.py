"""Names that are too high: a bump that was taken back, a tag made anew, a typo (DESIGN section 3).

Pure. Builds are ordered by their names, so a wrong name puts a build in the wrong place. It shows by the builds that
follow: uploaded long after it, with lower names. This module must not know what a marker is worth or which build is
chosen.
"""

from __future__ import annotations

from bisect import bisect_right
from datetime import timedelta
from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from kopsversion.model.bucket import Build

__all__ = ["DELAY", "FEW", "Dispute", "find_disputes"]

DELAY = timedelta(hours=24)
"""How much later than a build another one must have been uploaded to speak against its name: uploads may be late."""

_ENOUGH = 3
"""Builds that must speak against a name."""

FEW = 8
"""Builds of a minor that may all be too high: if there are more, the branch really builds that minor."""

_MOST_LOOKED_AT = 1000
"""The highest names that are looked at: a hostile bucket must not cost the square of its size."""


@frozen
class Dispute:
    """A build whose name is higher than it should be, by what was uploaded after it.

    Attributes:
        build: the build.
        later: builds that were uploaded more than a day after it, and are named below it; the newest first.
        continues: whether they go on from the newest build before it, as a line does.
        named: which of them a marker of the channel names; ``None`` where none does.
    """

    build: Build
    later: tuple[Build, ...]
    continues: bool
    named: Build | None = None


def find_disputes(
    ordered: Sequence[Build], *, marked: Collection[str] = (), sure: Collection[str] = ()
) -> tuple[Dispute, ...]:
    """Find the builds whose names are too high.

    Parameters:
        ordered: builds of one channel in the order of their names, oldest first.
        marked: the directories that a marker of the channel names.
        sure: the directories of those whose place on the line is known from git.

    Returns:
        The disputes, in the order of the builds.

    Source: DESIGN section 3.
    """
    considered = ordered[-_MOST_LOOKED_AT:]
    times = [build.first_uploaded for build in considered]
    by_time = sorted((time, place) for place, time in enumerate(times) if time is not None)
    moments = [time for time, _ in by_time]
    vouched = [
        (times[place], place) for place, build in enumerate(considered) if build.version.text in marked
    ]
    disputed: dict[int, Dispute] = {}
    for place, time in enumerate(times):
        if time is None or considered[place].version.text in sure:
            continue
        continues = _continues(place, times, disputed)
        named = [(at, each) for at, each in vouched if at and at > time + DELAY and each < place]
        if not continues and not named:
            continue
        after = by_time[bisect_right(moments, time + DELAY) :]
        later = tuple(considered[each] for _, each in reversed(after) if each < place)
        if len(later) >= _ENOUGH:
            disputed[place] = Dispute(
                considered[place],
                later,
                continues=continues,
                named=considered[max(named)[1]] if named else None,
            )
    return tuple(disputed.values())


def _continues(place: int, times: Sequence[datetime | None], disputed: Collection[int]) -> bool:
    """Tell whether the line went on between a name and the newest build before it, long after either."""
    moment, found = times[place], 0
    for below in range(place - 1, -1, -1):
        time = times[below]
        if time is None or moment is None or below in disputed:
            continue
        if time <= moment:
            return found >= _ENOUGH
        found += time > moment + DELAY
    return False  # what there was before it is not known: these may be old builds that were built again
