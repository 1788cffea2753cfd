"""Interim: attribution by version and by the release branch's marker; the lineage witness replaces this file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from kopsversion.model import MASTER, Attribution, Build, Certainty, CommitPlace, GitLine, Witness

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from kopsversion.version import BuildVersion


@frozen
class BranchEvidence:
    """What markers say about one minor."""

    release_named: BuildVersion | None = None
    release_exists: bool | None = None
    master_named: tuple[BuildVersion, ...] = ()
    master_left: datetime | None = None


def is_shared(version: BuildVersion) -> bool:
    """Whether master and a release branch both build such names."""
    return version.release.micro == 0 and version.release.pre is not None


def by_version(version: BuildVersion) -> str | None:
    """Return the only branch that builds such names."""
    return None if is_shared(version) else f"release-{version.minor}"


def by_git(version: BuildVersion, line: GitLine) -> Attribution | None:
    """Return what git says."""
    place = line.locate(version.commit) if version.commit else CommitPlace.UNKNOWN
    ref = line.ref.rpartition("/")[2]
    if isinstance(place, int):
        return Attribution(ref, Witness.GIT, Certainty.EXACT)
    if place is CommitPlace.ELSEWHERE:
        return Attribution(
            f"release-{version.minor}" if ref == MASTER else MASTER, Witness.GIT, Certainty.EXACT
        )
    return None


def needs_evidence(builds: Iterable[Build], *, git: GitLine | None) -> bool:
    """Whether any of these builds can only be attributed by lineage."""
    return any(
        is_shared(b.version)
        and b.version.release.pre is not None
        and b.version.release.pre[0] != "a"
        and (git is None or by_git(b.version, git) is None)
        for b in builds
    )


def attribute(
    builds: Iterable[Build], *, minor: str, evidence: BranchEvidence, git: GitLine | None, git_ref: str | None
) -> Mapping[BuildVersion, Attribution]:
    """Attribute the builds of one minor."""
    found = {}
    for build in builds:
        version = build.version
        if version.is_tag_build:
            continue
        by = by_git(version, git) if git is not None else None
        ref = by_version(version)
        named = evidence.release_named
        if by is not None:
            found[version] = by
        elif ref is not None:
            found[version] = Attribution(ref, Witness.VERSION, Certainty.EXACT)
        elif named and version.precedence <= named.precedence and version.tag == named.tag:
            found[version] = Attribution(f"release-{minor}", Witness.LINEAGE, Certainty.LIKELY)
        else:
            found[version] = Attribution(MASTER, Witness.LINEAGE, Certainty.LIKELY)
    return found


def rivals(attributions: Mapping[BuildVersion, Attribution], pick: BuildVersion) -> tuple[BuildVersion, ...]:
    """Return builds that may be newer."""
    return tuple(v for v, a in attributions.items() if a.certainty is Certainty.DOUBTFUL and v > pick)
