"""What can be read of a name that is no version, such as one that ends in ``-dirty`` (FAILURES row 38).

Nothing is decided by such a name, and it is never an answer. But where as much of it as can be read sorts above the
answer, it may hide a newer build, and the reader should know. Pure; the text is hostile: it is shown only without any
character that no version has.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kopsversion.model.values import frozen
from kopsversion.model.version import ALPHA, BETA, CANDIDATE, FINAL

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kopsversion.model.version import BuildVersion, ReleaseKey

__all__ = ["RoughName", "highest", "read_roughly"]

_RELEASE = r"v?(\d{1,9})\.(\d{1,9})\.(\d{1,9})(?:[-.](alpha|beta|rc)\.(\d{1,9}))?"
_NAME = re.compile(_RELEASE, re.IGNORECASE | re.ASCII)
_TAG = re.compile(rf"\+{_RELEASE}-\d", re.IGNORECASE | re.ASCII)
_DISTANCE = re.compile(r"-(\d{1,9})-g[0-9a-f]", re.IGNORECASE | re.ASCII)
_STAGES = {"alpha": ALPHA, "beta": BETA, "rc": CANDIDATE}
_SHOWN = 120
_KEPT = 8
"""How many names of each kind of branch are kept of one listing; one is shown."""


@frozen
class RoughName:
    """A name that is no version, as far as it can be read.

    Attributes:
        text: the name; hostile.
        release: its release part, as in `BuildVersion.precedence`.
        tag: the tag that its distance counts from; ``None`` where that cannot be read.
        distance: its distance; ``None`` where that cannot be read.
    """

    text: str
    release: ReleaseKey
    tag: ReleaseKey | None = None
    distance: int | None = None

    @property
    def shown(self) -> str:
        """The name, made harmless for every terminal, shell and log: other characters than a version's are ``?``."""
        return re.sub(r"[^0-9A-Za-z.+_-]", "?", self.text)[:_SHOWN]

    @property
    def minor(self) -> str:
        """Major and minor of the release part, as in ``1.31``."""
        major, minor, *_ = self.release
        return f"{major}.{minor}"

    @property
    def is_shared(self) -> bool:
        """Whether master and a release branch both give such names."""
        return self.release[2] == 0 and self.release[3] < FINAL

    def is_above(self, version: BuildVersion) -> bool:
        """Tell whether as much of the name as can be read sorts above a version.

        Source: DESIGN section 6.
        """
        release, _, tag, _ = version.precedence
        if version.distance is None:
            return self.release > release
        return (self.release, self.tag or tag, self.distance or 0) > (release, tag, version.distance)


def read_roughly(text: str) -> RoughName | None:
    """Read as much as can be read of a directory's name; ``None`` if that is not even a release part.

    >>> read_roughly("1.31.0-alpha.2+v1.31.0-alpha.1-14-g2000000002-dirty").distance
    14
    """
    match = _NAME.match(text)
    if match is None:
        return None
    tag = _TAG.search(text)
    distance = _DISTANCE.search(text)
    return RoughName(
        text,
        _key(match),
        _key(tag) if tag is not None else None,
        int(distance[1]) if distance is not None else None,
    )


def highest(names: Iterable[RoughName]) -> tuple[RoughName, ...]:
    """Keep the highest of many names, a few of each kind of branch, so that a hostile bucket is not kept whole."""
    ordered = sorted(
        set(names),
        key=lambda each: (each.release, each.tag or (), each.distance or 0, each.text),
        reverse=True,
    )
    shared = [each for each in ordered if each.is_shared][:_KEPT]
    return (*shared, *[each for each in ordered if not each.is_shared][:_KEPT])


def _key(match: re.Match[str]) -> ReleaseKey:
    major, minor, patch, stage, number = match.groups()
    place = _STAGES[stage.lower()] if stage else FINAL
    return int(major), int(minor), int(patch), place, int(number or 0)
