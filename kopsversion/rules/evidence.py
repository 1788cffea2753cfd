"""What the store says about a shared window: which of its builds are master's, and which the release branch's.

Pure. It asks for markers and upload times (`asking`); `attribution` judges by them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kopsversion.model.bucket import Later, Missing, Unreachable
from kopsversion.model.channel import GREEN_MARKER, MASTER, minor_key
from kopsversion.model.needs import ListMinors, ListUploads
from kopsversion.rules.asking import UNKNOWN, Unknown
from kopsversion.rules.attribution import BranchEvidence, is_shared, needs_evidence

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from kopsversion.model.bucket import Build, Marker
    from kopsversion.model.version import BuildVersion
    from kopsversion.rules.asking import Asking

__all__ = ["evidence_for"]


def evidence_for(minor: str, builds: Sequence[Build], *, asking: Asking) -> BranchEvidence | Unknown:
    """Gather what tells the lines of a shared window apart, if these builds need telling apart.

    Parameters:
        minor: the minor in which both lines have builds.
        builds: its builds, one of each commit.
        asking: notes what is not known.

    Source: DESIGN section 4.
    """
    if not needs_evidence(builds, git=asking.snapshot.git, git_ref=asking.git_ref):
        return BranchEvidence()
    release = asking.witness(f"release-{minor}")
    master = asking.witness(MASTER)
    if asking.uploads_wanted(minor):
        asking.need(ListUploads(minor))
    if isinstance(release, Unknown) or isinstance(master, Unknown) or asking.uploads_wanted(minor):
        return UNKNOWN
    if master.version is not None and master.version == release.version:
        # One of the two is wrong. What was tested was written by another job.
        release, master = _tested(release, asking), _tested(master, asking)
    left = UNKNOWN if isinstance(master, Unknown) else _left_to(minor, master, asking)
    if isinstance(release, Unknown) or isinstance(master, Unknown) or isinstance(left, Unknown):
        return UNKNOWN
    return BranchEvidence(
        release_named=release.version,
        release_exists=_release_exists(release, asking),
        master_named=master.version,
        master_left=left,
        master_tested=_others(master, asking),
        release_tested=_others(release, asking),
    )


def _tested(marker: Marker, asking: Asking) -> Marker | Unknown:
    return asking.marker(marker.ref, GREEN_MARKER)


def _others(marker: Marker, asking: Asking) -> frozenset[BuildVersion]:
    """Return what the other markers of a branch name, as far as they were read."""
    named = (each.version for each in asking.snapshot.markers if each.ref == marker.ref and each != marker)
    return frozenset(version for version in named if version is not None)


def _release_exists(release: Marker, asking: Asking) -> bool | None:
    if isinstance(release.reading, Unreachable | Later):
        return None
    if isinstance(release.reading, Missing):
        return None if asking.snapshot.refs is None else release.ref in asking.snapshot.refs
    return True


def _left_to(minor: str, master: Marker, asking: Asking) -> datetime | Unknown | None:
    """Find out when master had built a later minor: the one that its marker names or, without one, the next.

    Every question about a bucket looks at the same minor, so that all of them get the same answer.
    """
    named = master.version
    if named is not None:
        is_later = minor_key(named.minor) > minor_key(minor)
        return _first_upload(named.minor, asking) if is_later else None
    if asking.snapshot.minors is None:
        return None if asking.failed(ListMinors()) else asking.need(ListMinors())
    later = [each for each in asking.snapshot.minors if minor_key(each) > minor_key(minor)]
    return _first_upload(min(later, key=minor_key), asking) if later else None


def _first_upload(minor: str, asking: Asking) -> datetime | Unknown | None:
    """Return when the first build of a minor was uploaded whose name is not the release branch's alone."""
    if asking.uploads_wanted(minor):
        return asking.need(ListUploads(minor))
    uploads = [
        build.uploaded
        for build in asking.snapshot.builds
        if build.version.minor == minor and build.uploaded is not None and is_shared(build.version)
    ]
    return min(uploads, default=None)
