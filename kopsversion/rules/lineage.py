"""Two branches, one directory: which build continues which line (DESIGN section 4, witness 3).

Around a branch cut master and the release branch build names of the same release part and tag. Each line moves
forward in precedence and, but for late and repeated uploads, in time. This module asks of each build, for each of the
two lines, whether something that was *seen* keeps it off that line. A build that is kept off one line, and only off
one, is likely of the other. All others are doubtful, and the better guess of the two is given with them.

What keeps a build off a line is one of four things, each a method of `_Minor`:

- the other line's marker;
- the order of uploads against several builds;
- the distance to the place where a marker says that the line is;
- that a branch went on to later versions.

One upload out of order proves nothing: builds land late, and are built again.

Pure arithmetic with versions and seconds: it knows nothing of stores or channels.
`docs/explanation/channels.md` has what was tried, and what it costs.
"""

from __future__ import annotations

from bisect import bisect_right
from enum import Enum
from functools import cached_property
from itertools import chain, groupby, pairwise
from math import inf
from types import MappingProxyType
from typing import TYPE_CHECKING

from attrs import field

from kopsversion.model.values import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kopsversion.model.version import BuildVersion, Precedence, ReleaseKey

    _Group = tuple[ReleaseKey, ReleaseKey]

__all__ = ["Line", "Opinion", "Sighting", "tell_apart"]

_SLACK = 24 * 3600.0
"""Seconds by which uploads of one line may be out of order: they take hours, at times most of a day."""
_ENOUGH = 3
"""Builds that must agree before the order of uploads proves anything: one is often built again, three hardly ever."""
_STEP = 16
"""Commits that one merge adds, at most (history: 97 % add one to five)."""
_FAR = 3 * _STEP
"""Commits between two builds of one line that follow one another, at most: some merges are never built."""


class Line(Enum):
    """One of the two branches."""

    MASTER = "master"
    RELEASE = "release"


@frozen
class Sighting:
    """What lineage needs to know of a build.

    Attributes:
        version: its name, which has a distance.
        uploaded: seconds since the epoch; ``None`` where not known.
        located: the line that git puts it on, which is certain; ``None`` where git does not say.
    """

    version: BuildVersion
    uploaded: float | None = None
    located: Line | None = None
    release: ReleaseKey = field(init=False)
    tag: ReleaseKey = field(init=False)
    distance: int = field(init=False)

    @release.default
    def _release(self) -> ReleaseKey:
        return self.version.precedence[0]

    @tag.default
    def _tag(self) -> ReleaseKey:
        return self.version.precedence[2]

    @distance.default
    def _distance(self) -> int:
        return self.version.precedence[3]

    @property
    def group(self) -> _Group:
        """Release part and tag: within it builds differ by distance alone."""
        return self.release, self.tag

    @property
    def place(self) -> Precedence:
        """Its precedence, which orders it among others."""
        return self.version.precedence

    def is_after(self, moment: float | None, *, by: float = 0.0) -> bool:
        """Tell whether it is known to have been uploaded after a moment, by more than so many seconds."""
        return self.uploaded is not None and moment is not None and self.uploaded > moment + by

    def is_before(self, other: Sighting) -> bool:
        """Tell whether it may have been uploaded before another, by more than uploads are late."""
        if self.uploaded is None or other.uploaded is None:
            return True
        return other.uploaded > self.uploaded + _SLACK

    def is_twin_of(self, other: Sighting) -> bool:
        """Tell whether both have one place on the way from their tag, and so are of two branches."""
        return self.version.is_twin_of(other.version)

    def is_one_with(self, other: Sighting) -> bool:
        """Tell whether both are of one commit."""
        return self.place == other.place and not self.is_twin_of(other)


@frozen
class Opinion:
    """The line that a build is of: likely, or no more than the better guess of the two."""

    line: Line
    is_likely: bool = False


def tell_apart(
    sightings: Sequence[Sighting],
    *,
    master: Sighting | None = None,
    release: Sighting | None = None,
    tested: Mapping[BuildVersion, Line] = MappingProxyType({}),
    finals: Sequence[Sighting] = (),
    master_left: float | None = None,
    masters: Sequence[Sighting] = (),
) -> Mapping[BuildVersion, Opinion]:
    """Split builds of one minor into master's line and the release branch's.

    Parameters:
        sightings: the builds, in any order, each with a distance.
        master: what master's marker names, of any minor.
        release: what the release branch's marker names, of this minor. The build of a marker may be deleted.
        tested: what other markers name, and whose those are: they make a good guess likely, and no more.
        finals: builds of the minor that only its release branch makes: of final and of patch releases.
        master_left: seconds since the epoch at which master had built a later minor, where known.
        masters: builds of the minor that are master's by custom: of alphas.

    Returns:
        An opinion on each. Apart from sorting, the time is linear in the number of builds.
    """
    minor = _Minor(
        builds=tuple(sorted(sightings, key=lambda each: (each.place, each.version.text))),
        master_named=master,
        release_named=release,
        tested=tested,
        finals=tuple(sorted(finals, key=lambda each: each.place)),
        master_left=master_left,
        masters=tuple(masters),
    )
    return {each.version: minor.opinion(each) for each in minor.builds}


@frozen(kw_only=True, slots=False)
class _Minor:
    """The builds of one minor that two branches may have made; parameters as of `tell_apart`."""

    builds: tuple[Sighting, ...]
    master_named: Sighting | None
    release_named: Sighting | None
    tested: Mapping[BuildVersion, Line] = field(hash=False)
    finals: tuple[Sighting, ...]
    master_left: float | None
    masters: tuple[Sighting, ...]

    def opinion(self, build: Sighting) -> Opinion:
        """Say which line a build is of."""
        if build.located is not None:
            return Opinion(build.located, is_likely=True)
        off_master = self._is_off_master(build)
        off_release = self._is_off_release(build)
        if off_master != off_release:
            return Opinion(Line.RELEASE if off_master else Line.MASTER, is_likely=True)
        guess = self._guess(build)
        return Opinion(guess, is_likely=not off_master and self.tested.get(build.version) is guess)

    # ------------------------------------------------------------------------------------ markers

    @cached_property
    def _markers(self) -> tuple[Sighting | None, Sighting | None]:
        """Master's and the release branch's marker, as far as they can be believed."""
        master, release = self.master_named, self.release_named
        if master is not None and release is not None and master.is_one_with(release):
            return None, None  # one of them is wrong
        if master is not None and self._is_overtaken(master):
            master = None
        if master is None or release is None or master.group != release.group:
            return master, release
        # Counted from one tag, the release branch is behind master, and its builds come after higher ones of master's.
        if release.place > master.place:
            return None, None
        is_behind = release.uploaded is None or self._trails(release, by=0.0) or self._has_twin(release)
        return master, (release if is_behind else None)

    @property
    def _master(self) -> Sighting | None:
        return self._markers[0]

    @property
    def _release(self) -> Sighting | None:
        return self._markers[1]

    def _is_overtaken(self, named: Sighting) -> bool:
        """Tell whether builds that count from an older tag went on after it: those are master's, so it is not."""
        uploaded = named.uploaded
        return uploaded is not None and any(
            each.tag < named.tag and each.is_after(uploaded + _SLACK) for each in self.builds
        )

    # ----------------------------------------------------------------------- what keeps it off a line

    def _is_off_master(self, build: Sighting) -> bool:
        if self._release is not None and build.is_one_with(self._release):
            return True
        if self._master is not None and build.is_twin_of(self._master):
            return True
        return self._is_past_master(build) or self._is_after_master_left(build)

    def _is_past_master(self, build: Sighting) -> bool:
        """Tell whether it is of a later version than master is at, and signs show that the release branch built it."""
        master, release = self._master, self._release
        if master is None or build.group <= master.group:
            return False
        if self._is_passed(build, by=_ENOUGH):
            return True
        if self.finals and self.finals[0].tag == build.tag > master.tag:
            return True
        if release is None or release.place < build.place or build.uploaded is None:
            return False
        if self._is_master_further:
            return False
        # Master's marker was there before it, and the release branch's not before: neither was set back past it.
        return not build.is_before(master) and not build.is_after(release.uploaded, by=_SLACK)

    @cached_property
    def _is_master_further(self) -> bool:
        """Whether master surely built what is above its marker: then that does not tell where master is."""
        twins = (one for one, other in pairwise(self.builds) if one.is_twin_of(other))
        named = self._master
        return named is not None and any(each.place > named.place for each in chain(self.masters, twins))

    def _is_after_master_left(self, build: Sighting) -> bool:
        """Tell whether it is one of several that came after master left, and that sort above all earlier ones."""
        return build.version in self._after_master_left and len(self._after_master_left) >= _ENOUGH

    def _is_off_release(self, build: Sighting) -> bool:
        if self._master is not None and build.is_one_with(self._master):
            return True
        if self._release is not None and build.is_twin_of(self._release):
            return True
        return self._is_past_release(build) or self._is_after_release_left(build)

    def _is_past_release(self, build: Sighting) -> bool:
        """Tell whether master built it while the release branch, by its marker, was not there yet."""
        master, release = self._master, self._release
        if master is None or release is None or not release.place < build.place < master.place:
            return False
        if build.tag != release.tag:
            return False
        if build.distance > self._reach[_FAR] + _FAR:
            return True
        return not self._trails(build, by=_SLACK) and self._is_crossed(build)

    @cached_property
    def _reach(self) -> Mapping[int, int]:
        """How far the release branch may be past its marker: as far as builds behind master follow within a step."""
        release = self._release
        found = {}
        for step in (_STEP, _FAR):
            reach = release.distance if release is not None else 0
            behind = (each for each in self.builds if release is not None and each.tag == release.tag)
            for distance in sorted(each.distance for each in behind if self._trails(each, by=_SLACK)):
                reach = distance if reach < distance <= reach + step else reach
            found[step] = reach
        return found

    def _is_after_release_left(self, build: Sighting) -> bool:
        """Tell whether the release branch had built a final or patch release, after which it builds no betas."""
        if not self.finals:
            return False
        first = self.finals[0]
        if first.tag == build.tag and build.distance > first.distance:
            return True
        if build.version not in self._after_release_left:
            return False
        if len(self._after_release_left) >= _ENOUGH:
            return True
        return self._master is not None and build.group == self._master.group

    # ------------------------------------------------------------------------------ order of uploads

    @cached_property
    def _after_release_left(self) -> frozenset[BuildVersion]:
        return self._above_all_before(
            min((each.uploaded for each in self.finals if each.uploaded is not None), default=None)
        )

    @cached_property
    def _after_master_left(self) -> frozenset[BuildVersion]:
        return self._above_all_before(self.master_left)

    def _above_all_before(self, left: float | None) -> frozenset[BuildVersion]:
        """Find the builds that came after a moment, and are above all that there was by then."""
        before = [each.place for each in self.builds if not each.is_after(left)]
        return frozenset(
            each.version
            for each in self.builds
            if each.is_after(left) and (not before or each.place > before[-1])
        )

    def _trails(self, build: Sighting, *, by: float) -> bool:
        """Tell whether a build that is further from the same tag was uploaded before it."""
        return build.is_after(self._first_ahead.get((build.tag, build.distance)), by=by)

    @cached_property
    def _first_ahead(self) -> Mapping[tuple[ReleaseKey, int], float]:
        """For each tag and distance, when the first build that is further from the tag was uploaded."""
        found: dict[tuple[ReleaseKey, int], float] = {}
        downward = sorted(self.builds, key=lambda each: (each.tag, each.distance), reverse=True)
        for tag, builds in groupby(downward, key=lambda each: each.tag):
            first = inf
            for distance, group in groupby(builds, key=lambda each: each.distance):
                found[tag, distance] = first
                first = min([first, *(each.uploaded for each in group if each.uploaded is not None)])
        return found

    def _is_passed(self, build: Sighting, *, by: int) -> bool:
        """Tell whether at least `by` builds of lower versions were uploaded after it."""
        if build.uploaded is None:
            return False
        latest = self._latest_below[build.group]
        return len(latest) >= by and latest[-by] > build.uploaded + _SLACK

    @cached_property
    def _latest_below(self) -> Mapping[_Group, Sequence[float]]:
        """For each release part and tag, when the last few builds of lower ones were uploaded, in order of time."""
        found: dict[_Group, Sequence[float]] = {}
        latest: list[float] = []
        for group, builds in groupby(self.builds, key=lambda each: each.group):
            found[group] = latest
            times = [each.uploaded for each in builds if each.uploaded is not None]
            latest = sorted([*latest, *times])[-_ENOUGH:]
        return found

    def _is_crossed(self, build: Sighting) -> bool:
        """Tell whether the release branch went on to build what sorts below it, often enough to prove something."""
        if build.uploaded is None:
            return False
        return (
            len(self._up_to_release) - bisect_right(self._up_to_release, build.uploaded + _SLACK) >= _ENOUGH
        )

    @cached_property
    def _up_to_release(self) -> Sequence[float]:
        """When the builds up to the one that the release branch's marker names were uploaded."""
        release = self._release
        return sorted(
            each.uploaded
            for each in self.builds
            if release is not None
            and each.uploaded is not None
            and each.tag == release.tag
            and each.place <= release.place
        )

    def _has_twin(self, build: Sighting) -> bool:
        return any(build.is_twin_of(each) for each in self.builds)

    # --------------------------------------------------------------------------------------- guessing

    def _guess(self, build: Sighting) -> Line:
        """Return the better guess: the line whose marker it is nearest to, or what the order of uploads suggests."""
        master, release = self._master, self._release
        if master is not None and build.group > master.group and not master.is_after(build.uploaded):
            return Line.RELEASE
        if build.version in self._after_master_left or self._may_be_the_first(build):
            return Line.RELEASE
        is_behind = self._trails(build, by=_SLACK)
        if release is not None and master is not None and release.place < build.place <= master.place:
            follows = is_behind and build.tag == release.tag and build.distance <= self._reach[_STEP]
            return Line.RELEASE if follows else Line.MASTER
        if release is not None and self._is_near(build, release) != self._is_near(build, master):
            return Line.RELEASE if self._is_near(build, release) else Line.MASTER
        return Line.RELEASE if is_behind or self._is_passed(build, by=1) else Line.MASTER

    def _may_be_the_first(self, build: Sighting) -> bool:
        """Tell whether only the release branch's marker shows that it was cut: nothing is behind master yet."""
        named = self.release_named
        if named is None or self._release is not None or not build.is_one_with(named):
            return False
        by_master = self.master_named is not None and self.master_named.is_one_with(named)
        return not by_master and not any(self._trails(each, by=_SLACK) for each in self.builds)

    def _is_near(self, build: Sighting, named: Sighting | None) -> bool:
        return named is not None and (build.release == named.release or build.tag == named.tag)
