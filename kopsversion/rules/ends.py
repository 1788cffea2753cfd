"""The ends of a bisection as a person names them, and the builds that they mean (DESIGN section 14).

An end is a version, a commit, a date or moment, or ``newest``. Where no build is exactly that, an end means the nearest
build outward. What was good at a commit was good in the build before it; what was bad at a commit is bad in the build
after it. Pure. It must not know how builds are tested.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import dropwhile
from typing import TYPE_CHECKING

from kopsversion.errors import InvalidVersionError, UsageError, quoted
from kopsversion.model.checking import wrong_argument
from kopsversion.model.reading import parse_time
from kopsversion.model.values import frozen
from kopsversion.model.version import BuildVersion

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kopsversion.model.bucket import GitLine
    from kopsversion.rules.inquiry import Candidate

NEWEST = "newest"

_COMMIT = re.compile(r"[0-9a-f]{7,40}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_LOOKS_LIKE_TIME = re.compile(r"[0-9]{4}-")
_DAY = timedelta(days=1)


class Side(StrEnum):
    """Which end of a range."""

    GOOD = "GOOD"
    BAD = "BAD"


@frozen(kw_only=True)
class End:
    """One end of a range, as it was named.

    Attributes:
        text: what was written.
        version: the version, if it was one.
        commit: the commit, if it was one: 7 to 40 hex digits.
        moment: the moment, if it was one, UTC; a date's first moment.
        is_date: whether the moment was written as a date, and so means the whole day.
    """

    text: str
    version: BuildVersion | None = None
    commit: str | None = None
    moment: datetime | None = None
    is_date: bool = False

    @classmethod
    def parse(cls, given: str | BuildVersion | datetime, *, name: str) -> End:
        """Read an end.

        Parameters:
            given: a version, a commit, a date or moment, or ``newest``.
            name: which argument it is, for messages.

        Raises:
            UsageError: it is none of these.
        """
        if isinstance(given, BuildVersion):
            return cls(text=str(given), version=given)
        if isinstance(given, datetime):
            if given.tzinfo is None:
                raise UsageError(
                    f"{name} is {given}, which has no time zone", hint="give one with tzinfo=UTC"
                )
            return cls(text=given.isoformat(), moment=given)
        if not isinstance(given, str):
            raise wrong_argument(name, given, wanted="text, a BuildVersion or a datetime")
        text = given.strip()
        if text == NEWEST:
            return cls(text=text)
        if _COMMIT.fullmatch(text.lower()):
            return cls(text=text, commit=text.lower())
        if _LOOKS_LIKE_TIME.match(text):
            return cls(text=text, moment=parse_time(text), is_date=_DATE.fullmatch(text) is not None)
        try:
            return cls(text=text, version=BuildVersion.parse(text))
        except InvalidVersionError as error:
            raise UsageError(
                f"{name} is {quoted(given)}, which is neither a version, a commit, a date nor {NEWEST}",
                hint=_hint(),
            ) from error

    @property
    def is_exact(self) -> bool:
        """Whether it names one build, so that no other can be taken in its place."""
        return self.version is not None and not self.version.is_tag_build

    @property
    def any_commit(self) -> str | None:
        """The commit that is named, by itself or in a version."""
        return self.commit or (self.version.commit if self.version is not None else None)

    def until(self, side: Side) -> datetime | None:
        """Return the moment whose newest build is meant: of a date its beginning (good end) or its end (bad end)."""
        if self.moment is None:
            return None
        return self.moment + _DAY if self.is_date and side is Side.BAD else self.moment

    def __str__(self) -> str:
        return self.text


def _hint() -> str:
    return (
        "name a build such as 1.30.0-beta.2+v1.30.0-beta.1-182-g99b3ad7643, a commit of 7 to 40 hex digits, "
        "a date such as 2024-03-01, or newest"
    )


def is_passed(end: End, newest_first: Sequence[Candidate], *, side: Side, git: GitLine | None) -> bool:
    """Tell whether builds go far enough back to place an end among them.

    Parameters:
        end: the end.
        newest_first: the builds so far.
        side: which end it is.
        git: the channel's line in a clone, where there is one.
    """
    if end.version is not None:
        wanted = end.version.precedence
        return any(each.version.precedence <= wanted for each in newest_first)
    moment = end.until(side)
    if moment is not None:
        return any(each.build.uploaded is not None and each.build.uploaded <= moment for each in newest_first)
    if end.commit is None:
        return bool(newest_first)
    if any(is_of(each.version, end.commit) for each in newest_first):
        return True
    target = _position(end.commit, git)
    return target is not None and any(
        (place := _position(each.version.commit, git)) is not None and place <= target
        for each in newest_first
    )


def places_of(
    end: End, oldest_first: Sequence[Candidate], *, side: Side, git: GitLine | None
) -> Sequence[int]:
    """Find the builds that an end may mean, the nearest first.

    Parameters:
        end: the end.
        oldest_first: the channel's builds.
        side: which end it is.
        git: the channel's line in a clone, where there is one.

    Returns:
        Positions, each further outward than the one before; one where the build is named; none where there is none.
    """
    newest_first = range(len(oldest_first) - 1, -1, -1)
    if end.version is not None:
        return _by_version(end.version, oldest_first, side=side)
    moment = end.until(side)
    if moment is not None:
        uploads = [each.build.uploaded for each in oldest_first]
        return tuple(dropwhile(lambda n: (at := uploads[n]) is None or at > moment, newest_first))
    if end.commit is None:
        return newest_first
    return _by_commit(end.commit, oldest_first, side=side, git=git)


def place_within(
    end: End, oldest_first: Sequence[Candidate], *, side: Side, git: GitLine | None
) -> int | None:
    """Find the outermost build that lies within an end; ``None`` where there is none.

    The parameters are those of `places_of`.
    """
    if end.moment is not None and side is Side.GOOD:
        moment = end.moment
        uploads = (each.build.uploaded for each in oldest_first)
        return next((n for n, at in enumerate(uploads) if at is not None and at >= moment), None)
    is_inexact = end.commit is not None or end.version is not None
    inward = {Side.GOOD: Side.BAD, Side.BAD: Side.GOOD}[side] if is_inexact else side
    return next(iter(places_of(end, oldest_first, side=inward, git=git)), None)


def _by_version(version: BuildVersion, builds: Sequence[Candidate], *, side: Side) -> Sequence[int]:
    named = [number for number, each in enumerate(builds) if each.version.is_of_same_commit(version)]
    if named or not version.is_tag_build:
        return named[:1]
    # A tag's own build is no branch's: what is meant is the branch at that tag.
    reached = [number for number, each in enumerate(builds) if each.version.precedence <= version.precedence]
    last = max(reached, default=-1)
    return _outward(last, last + 1, len(builds), side=side)


def _by_commit(commit: str, builds: Sequence[Candidate], *, side: Side, git: GitLine | None) -> Sequence[int]:
    named = [number for number, each in enumerate(builds) if is_of(each.version, commit)]
    if named:
        return named[:1]
    target = _position(commit, git)
    if target is None:
        return ()
    places = [_position(each.version.commit, git) for each in builds]
    older = [number for number, place in enumerate(places) if place is not None and place <= target]
    newer = [number for number, place in enumerate(places) if place is not None and place >= target]
    return _outward(max(older, default=-1), min(newer, default=len(builds)), len(builds), side=side)


def _outward(last_before: int, first_after: int, size: int, *, side: Side) -> Sequence[int]:
    return range(last_before, -1, -1) if side is Side.GOOD else range(first_after, size)


def is_of(version: BuildVersion, commit: str) -> bool:
    """Tell whether a version is of a commit, as far as both are written."""
    own = version.commit
    return own is not None and (own.startswith(commit) or commit.startswith(own))


def _position(commit: str | None, git: GitLine | None) -> int | None:
    if commit is None or git is None:
        return None
    place = git.locate(commit)
    return place if isinstance(place, int) else None
