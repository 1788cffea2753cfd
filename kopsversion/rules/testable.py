"""Whether a build can be tested: the rules of DESIGN section 5.

Pure. None of the rules knows the names of kops' images or extras, because that list changes with every
other minor; they ask for what a job cannot start without, and otherwise for symmetry. This module must not know
which channel a build is of.

A *document* is a file that describes others, such as a signature: it has no checksum, and its suffix says that it
needs none. No rule applies to it, so that no build becomes untestable on the day on which kops begins to sign files.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kopsversion.model.answer import Refusal, RefusalKind
from kopsversion.model.wording import duration

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime, timedelta

    from kopsversion.model.bucket import Artifact, Build
    from kopsversion.model.policy import Policy

_CHECKSUM = ".sha256"
_ASIDE = "cloudbuild/"
_IMAGE = re.compile(r"images/(?P<name>.+)-(?P<architecture>[0-9a-z_]+)\.tar\.gz")


def required_paths(platforms: Iterable[str]) -> tuple[str, ...]:
    """Name the binaries that a job on these platforms cannot start without.

    Parameters:
        platforms: operating system and architecture pairs, as in ``linux/amd64``.
    """
    paths = []
    for platform in platforms:
        paths.append(f"{platform}/kops.exe" if platform.startswith("windows/") else f"{platform}/kops")
        if platform.startswith("linux/"):
            paths.append(f"{platform}/nodeup")
    return tuple(paths)


def examine(build: Build, *, policy: Policy, now: datetime, marked: bool = False) -> Refusal | None:
    """Judge a build whose files are known.

    Parameters:
        build: with its artifacts listed.
        policy: gives the platforms, the settling time and the excluded versions.
        now: the moment of the judgement, UTC.
        marked: whether its branch's ``latest-ci.txt`` names it, which proves that its upload is over.

    Returns:
        ``None`` if it is testable; otherwise every reason why not.

    Source: DESIGN section 5; FAILURES rows 6, 20, 24, 27.
    """
    if build.version in policy.exclude:
        return Refusal(build.version, ("is excluded by request",), RefusalKind.EXCLUDED)
    artifacts = build.artifacts or ()
    reasons = incomplete_reasons(artifacts, policy=policy)
    if reasons:
        return Refusal(build.version, reasons, RefusalKind.INCOMPLETE)
    if build.uploaded is not None and not marked and now - build.uploaded < policy.settle:
        reason = _unsettled(now - build.uploaded, policy.settle)
        return Refusal(build.version, (reason,), RefusalKind.UNSETTLED)
    return None


def examine_checksums(build: Build, *, policy: Policy) -> Refusal | None:
    """Judge a build whose directory may not be listed by the checksums that could be read.

    That proves only what a job cannot start without; whether images are missing stays unknown, and the
    answer says so by its rung (DESIGN section 7).
    """
    wanted = (f"{path}{_CHECKSUM}" for path in required_paths(policy.platforms))
    reasons = tuple(f"{path} is missing" for path in wanted if path not in (build.checksums or ()))
    return Refusal(build.version, reasons) if reasons else None


def incomplete_reasons(artifacts: Sequence[Artifact], *, policy: Policy) -> tuple[str, ...]:
    """Gather every sign that files of a build are not there, or not whole.

    Parameters:
        artifacts: every file of the build.
        policy: gives the platforms, and the suffixes of documents.
    """
    if not artifacts:
        return ("has no files",)
    documents = frozenset(documents_of(artifacts, unpaired=policy.unpaired))
    paths = {artifact.path for artifact in artifacts if not artifact.path.startswith(_ASIDE)} - documents
    reasons = [f"{path} is missing" for path in required_paths(policy.platforms) if path not in paths]
    reasons += [f"{a.path} is empty" for a in sorted(artifacts, key=_path) if a.size == 0 and a.path in paths]
    reasons += _unpaired(paths)
    reasons += _missing_binaries(paths, platforms=policy.platforms)
    reasons += _missing_images(paths, platforms=policy.platforms)
    return tuple(dict.fromkeys(reasons))


def documents_of(artifacts: Iterable[Artifact], *, unpaired: Sequence[str]) -> tuple[str, ...]:
    """Name the files that need no checksum and have none, in their order.

    Parameters:
        artifacts: every file of a build.
        unpaired: suffixes of such files, as in ``.sig``.
    """
    paths = {artifact.path for artifact in artifacts}
    suffixes = tuple(unpaired)
    return tuple(
        sorted(
            path
            for path in paths
            if path.endswith(suffixes) and not path.startswith(_ASIDE) and path + _CHECKSUM not in paths
        )
    )


def lacking(build: Build, than: Build) -> tuple[str, ...]:
    """Name the files that `than` has and `build` lacks (the condition ``artifacts-differ``)."""
    mine, theirs = (
        {artifact.path for artifact in each.artifacts or () if not artifact.path.startswith(_ASIDE)}
        for each in (build, than)
    )
    return tuple(sorted(theirs - mine))


def _path(artifact: Artifact) -> str:
    return artifact.path


def _unpaired(paths: set[str]) -> list[str]:
    without_checksum = sorted(
        path for path in paths if not path.endswith(_CHECKSUM) and path + _CHECKSUM not in paths
    )
    without_file = sorted(
        path for path in paths if path.endswith(_CHECKSUM) and path.removesuffix(_CHECKSUM) not in paths
    )
    return [f"{path}{_CHECKSUM} is missing" for path in without_checksum] + [
        f"{path.removesuffix(_CHECKSUM)} is missing" for path in without_file
    ]


def _missing_binaries(paths: set[str], *, platforms: Sequence[str]) -> list[str]:
    """Name what one wanted architecture's directory has, and another's lacks."""
    directories = [f"{platform}/" for platform in platforms if platform.startswith("linux/")]
    names = {
        path.removeprefix(directory)
        for directory in directories
        for path in paths
        if path.startswith(directory)
    }
    wanted = (directory + name for directory in directories for name in names)
    return _without_orphans(path for path in wanted if path not in paths)


def _missing_images(paths: set[str], *, platforms: Sequence[str]) -> list[str]:
    wanted = {platform.partition("/")[2] for platform in platforms}
    # Not every word after a hyphen is an architecture: "images/some-tool.tar.gz" may come one day.
    known = wanted | {path.split("/")[1] for path in paths if path.startswith("linux/")}
    images = [match for match in map(_IMAGE.fullmatch, paths) if match and match["architecture"] in known]
    named = (
        f"images/{name}-{architecture}.tar.gz"
        for name in {match["name"] for match in images}
        for architecture in wanted
    )
    return _without_orphans(path for path in named if path not in paths)


def _without_orphans(missing: Iterable[str]) -> list[str]:
    """Say which files are missing; a checksum that is missing together with its file is not named."""
    found = set(missing)
    return [
        f"{path} is missing" for path in sorted(found) if path.removesuffix(_CHECKSUM) not in found - {path}
    ]


def _unsettled(age: timedelta, settle: timedelta) -> str:
    return f"its newest file was uploaded {duration(age)} ago, and an upload counts as over after {duration(settle)}"
