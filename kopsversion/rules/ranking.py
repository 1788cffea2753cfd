"""The order of a *set* of builds, oldest first (DESIGN section 3).

Names order builds that have a commit distance. A bare-commit build has none, and its upload time cannot be
mixed into a pairwise comparison: A before B by distance, B before C and C before A by time is a cycle. So
the set is ordered at once. This module is pure and knows nothing of channels: give it builds of one branch.
"""

from __future__ import annotations

from bisect import bisect_right
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from kopsversion.model.bucket import Build
from kopsversion.model.checking import elements

if TYPE_CHECKING:
    from collections.abc import Iterable

_BEFORE_ALL = datetime.min.replace(tzinfo=UTC)


def rank(builds: Iterable[Build]) -> list[Build]:
    """Order builds from oldest to newest.

    Builds with a distance keep the order of their precedence, and each is given the running maximum of upload
    times in that order. A build without a distance goes after the last one whose running maximum is not later
    than its own upload time. Where its upload time is not known it goes before every build of its release
    part. What is still equal is ordered by upload time and text, so the result does not depend on the order of
    the input.

    >>> older, newer = complete_build(master_version(9)), complete_build(master_version(10))
    >>> rank([newer, older]) == [older, newer]
    True

    Parameters:
        builds: builds of one branch, in any order.

    Returns:
        The same builds, oldest first.

    Raises:
        UsageError: something in `builds` is no `Build`.

    Source: DESIGN section 3.
    """
    counted: list[Build] = []
    uncounted: list[Build] = []
    for build in elements("builds", builds, Build, wanted="Build values"):
        (uncounted if build.version.distance is None else counted).append(build)
    counted.sort(key=lambda build: (build.version.precedence, _time(build), build.version.text))
    if not uncounted:
        return counted

    running: list[datetime] = []
    latest = _BEFORE_ALL
    for build in counted:
        latest = max(latest, _time(build))
        running.append(latest)
    precedences = [build.version.precedence for build in counted]
    placed: list[list[Build]] = [[] for _ in range(len(counted) + 1)]
    for build in sorted(uncounted, key=lambda build: (_time(build), build.version, build.version.text)):
        if build.uploaded is None:
            place = bisect_right(precedences, build.version.precedence)
        else:
            place = bisect_right(running, build.uploaded)
        placed[place].append(build)

    ordered = placed[0]
    for build, followers in zip(counted, placed[1:], strict=True):
        ordered.append(build)
        ordered.extend(followers)
    return ordered


def _time(build: Build) -> datetime:
    return build.uploaded or _BEFORE_ALL
