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
    from kopsversion.model.version import ReleaseKey

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
        later: builds that came after it and are named below it, the newest first: more than a day after it, or with
            more commits from the same tag.
        continues: whether they go on from the newest build before it, as a line does.
        named: which of them a marker of the channel names; ``None`` where none does, or where they are too few.
    """

    build: Build
    later: tuple[Build, ...]
    continues: bool
    named: Build | None = None

    @property
    def is_proven(self) -> bool:
        """Whether builds speak against the name, and not only a marker: that may have been set back."""
        return self.continues or self.named is not None


def find_disputes(
    ordered: Sequence[Build], *, now: datetime, marked: Collection[str] = (), sure: Collection[str] = ()
) -> tuple[Dispute, ...]:
    """Find the builds whose names are too high.

    Parameters:
        ordered: builds of one channel in the order of their names, oldest first.
        now: the moment of the judgement, UTC.
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
    marked_places = {
        place: time
        for place, (build, time) in enumerate(zip(considered, times, strict=True))
        if time is not None and build.version.text in marked
    }
    further = _further(considered)
    disputed: dict[int, Dispute] = {}
    for place, (build, time) in enumerate(zip(considered, times, strict=True)):
        if time is None or build.version.text in sure:
            continue
        later = {each for each in further.get(place, ()) if considered[each].came_after(build)}
        long_after = {each for _, each in by_time[bisect_right(moments, time + DELAY) :] if each < place}
        continues = bool(later)
        if len(long_after) >= _ENOUGH:
            goes_on = _continues(place, times, disputed)
            continues = continues or goes_on
            later |= long_after if goes_on or long_after & marked_places.keys() else set()
        named = {each: at for each, at in marked_places.items() if each in later}
        if not later and time + DELAY < now:
            later = {each for each, at in marked_places.items() if at > time and each < place}
        if later:
            newest_first = sorted(later, key=lambda each: (times[each], each), reverse=True)
            disputed[place] = Dispute(
                build,
                tuple(considered[each] for each in newest_first),
                continues=continues,
                named=considered[max(named, key=lambda each: (named[each], each))] if named else None,
            )
    return tuple(disputed.values())


def _further(ordered: Sequence[Build]) -> dict[int, list[int]]:
    """Find, for each build, those with lower names that count more commits from the same tag: they were merged later.

    On one branch there is none, as long as its releases are only raised.
    """
    by_tag: dict[ReleaseKey, list[int]] = {}
    furthest: dict[ReleaseKey, int] = {}
    found = {}
    for place, build in enumerate(ordered):
        *_, tag, distance = build.version.precedence
        below = by_tag.setdefault(tag, [])
        if furthest.get(tag, distance) > distance:
            found[place] = [each for each in below if ordered[each].version.is_further_than(build.version)]
        below.append(place)
        furthest[tag] = max(furthest.get(tag, distance), distance)
    return found


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
