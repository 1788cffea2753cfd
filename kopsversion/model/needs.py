"""What must be known of a store before the decision can be made, and why some of it could not be learnt.

Knows nothing of how a need is fetched.
"""

from __future__ import annotations

from attrs import field

from kopsversion.model.values import frozen
from kopsversion.model.version import BuildVersion


@frozen
class ListMinors:
    """Which minors have builds."""


@frozen
class ListBuilds:
    """The names of all builds of one minor, as in ``1.29``."""

    minor: str


@frozen
class ListUploads:
    """When the builds of one minor were uploaded."""

    minor: str


@frozen
class ListArtifacts:
    """The files of one build, which is named by its directory: two spellings of a version are two of these."""

    version: BuildVersion = field(eq=str)


@frozen
class ReadChecksums:
    """The checksums of the binaries of one build, whose directory may not be listed."""

    version: BuildVersion = field(eq=str)


@frozen
class ReadMarker:
    """The text of one marker."""

    ref: str
    name: str


@frozen
class ListMarkers:
    """Which markers exist, and so which refs have a directory below ``markers/``."""


Need = ListMinors | ListBuilds | ListUploads | ListArtifacts | ReadChecksums | ReadMarker | ListMarkers


@frozen
class Failure:
    """Why something could not be learnt.

    Attributes:
        reason: one sentence.
        denied: whether the store refused access, rather than failed.
        hint: what to do about it; empty where there is no particular advice.
    """

    reason: str
    denied: bool = False
    hint: str = field(default="", eq=False)


@frozen
class Undecided:
    """The decision needs to know more.

    Attributes:
        needs: what to fetch, all of it independent of each other.
    """

    needs: frozenset[Need]
