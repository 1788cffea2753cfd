"""Names that are too high: a bump that was taken back, a tag made anew, a typo (DESIGN section 3).

Pure. Builds are ordered by their names, so a wrong name puts a build in the wrong place. It shows by the builds that
follow: uploaded long after it, with lower names. One is enough where its name says so itself, by counting more commits
from the same tag. It is enough for a doubt where a marker has named it for a day, or where several follow each other.
This module must not know what a marker is worth or which build is chosen.
"""

from __future__ import annotations

from bisect import bisect_right
from datetime import timedelta
from functools import cached_property
from itertools import accumulate
from operator import itemgetter
from typing import TYPE_CHECKING

from kopsversion.model.values import frozen

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
        later: builds that came after it and are named below it, the newest first: more than a day after it, with more
            commits from the same tag, or with a marker that has long named them.
        continues: whether they go on from the newest build before it, as a line does.
        named: which of them a marker of the channel names; ``None`` where none does, or where they are too few.
    """

    build: Build
    later: tuple[Build, ...]
    continues: bool
    named: Build | None = None

    @property
    def is_proven(self) -> bool:
        """Whether that is more than a doubt: a marker may have been set back, and old builds may be made again."""
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
    seen = _Seen(tuple(ordered[-_MOST_LOOKED_AT:]))
    further = _further(seen.builds)
    marks = {place: time for place, time in seen.dated if seen.builds[place].version.text in marked}
    disputed: dict[int, Dispute] = {}
    for place, time in seen.dated:
        build = seen.builds[place]
        if build.version.text in sure:
            continue
        later = {each for each in further.get(place, ()) if seen.builds[each].came_after(build)}
        long_after = seen.long_after(place, time)
        goes_on = bool(long_after) and _continues(place, time, seen.times, disputed)
        continues = goes_on or bool(later)
        if goes_on or any(each in marks for each in long_after):
            later.update(long_after)
        named = max(((marks[each], each) for each in later if each in marks), default=None)
        if not later and time + DELAY < now:
            later = {each for each, at in marks.items() if at > time and each < place}
        if not later and seen.is_stretch(long_after):
            later.update(long_after)
        if later:
            newest_first = sorted(later, key=lambda each: (seen.times[each], each), reverse=True)
            disputed[place] = Dispute(
                build,
                tuple(seen.builds[each] for each in newest_first),
                continues=continues,
                named=seen.builds[named[1]] if named is not None else None,
            )
    return tuple(disputed.values())


@frozen(slots=False)
class _Seen:
    """Builds of a channel in the order of their names, by place, and when each was there first."""

    builds: tuple[Build, ...]

    @cached_property
    def times(self) -> Sequence[datetime | None]:
        return [build.first_uploaded for build in self.builds]

    @cached_property
    def dated(self) -> Sequence[tuple[int, datetime]]:
        return [(place, time) for place, time in enumerate(self.times) if time is not None]

    @cached_property
    def _by_time(self) -> Sequence[tuple[datetime, int]]:
        return sorted((time, place) for place, time in self.dated)

    @cached_property
    def _lowest(self) -> Sequence[int]:
        """The lowest place of each build and all that came later, by time; mostly nothing lower comes later."""
        return list(accumulate((place for _, place in reversed(self._by_time)), min))[::-1]

    def long_after(self, place: int, time: datetime) -> list[int]:
        """Return the places of those with lower names that came more than a day later, by time; none of too few."""
        first = bisect_right(self._by_time, time + DELAY, key=itemgetter(0))
        if first == len(self._by_time) or self._lowest[first] > place:
            return []
        found = [each for _, each in self._by_time[first:] if each < place]
        return found if len(found) >= _ENOUGH else []

    def is_stretch(self, places: Sequence[int]) -> bool:
        """Tell whether builds in order of time follow each other by name, with no other between, as on a new line."""
        moments = {self.times[place] for place in places}
        return (
            bool(places)
            and len(moments) == len(places)
            and list(places) == list(range(places[0], places[-1] + 1))
        )


def _further(ordered: Sequence[Build]) -> dict[int, list[int]]:
    """Find, for each build, those with lower names that count more commits from the same tag: they were merged later.

    On one branch there is none, as long as its releases are only raised.
    """
    by_tag: dict[ReleaseKey, list[tuple[int, int]]] = {}
    furthest: dict[ReleaseKey, int] = {}
    found = {}
    for place, build in enumerate(ordered):
        *_, tag, distance = build.version.precedence
        below = by_tag.setdefault(tag, [])
        if furthest.get(tag, distance) > distance:
            found[place] = [each for each, number in below if number > distance]
        below.append((place, distance))
        furthest[tag] = max(furthest.get(tag, distance), distance)
    return found


def _continues(
    place: int, moment: datetime, times: Sequence[datetime | None], disputed: Collection[int]
) -> bool:
    """Tell whether the line went on between a name and the newest build before it, long after either."""
    found = 0
    for below in range(place - 1, -1, -1):
        time = times[below]
        if time is None or below in disputed:
            continue
        if time <= moment:
            return found >= _ENOUGH
        found += time > moment + DELAY
    return False  # what there was before it is not known: these may be old builds that were built again
