"""Names of builds as each branch makes them, and builds that are complete but for what a test leaves out.

A build made here is testable: complete, with checksums, and old enough. It must not know what a test does with it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from kopsversion.errors import UsageError
from kopsversion.model.bucket import Artifact, Build
from kopsversion.model.version import BuildVersion

if TYPE_CHECKING:
    from collections.abc import Iterable

NOW = datetime(2024, 5, 6, 18, tzinfo=UTC)
"""A moment for tests to ask at: pass it as ``now``."""

_ARCHITECTURES = ("amd64", "arm64")
_IMAGES = ("dns-controller", "kops-controller", "kops-utils-cp", "kube-apiserver-healthcheck")
_BINARIES = ("channels", "kops", "nodeup", "protokube")
_HOUR = timedelta(hours=1)


def master_version(distance: int, *, minor: str = "1.30") -> str:
    """Name a build that only master makes.

    >>> master_version(7)
    '1.30.0-alpha.2+v1.30.0-alpha.1-7-g0000000007'

    Parameters:
        distance: commits since the tag; builds of one minor are in its order.
        minor: major and minor of the release, as in ``1.30``.
    """
    return f"{minor}.0-alpha.2+v{minor}.0-alpha.1-{distance}-g{distance:010x}"


def shared_version(distance: int, *, minor: str = "1.30") -> str:
    """Name a build that may be master's or a release branch's, as around a branch cut.

    >>> shared_version(7)
    '1.30.0-beta.2+v1.30.0-beta.1-7-g0000000007'

    The parameters are those of `master_version`.
    """
    return f"{minor}.0-beta.2+v{minor}.0-beta.1-{distance}-g{distance:010x}"


def release_version(distance: int, *, minor: str = "1.29") -> str:
    """Name a build that only a release branch makes.

    >>> release_version(7)
    '1.29.1+v1.29.0-7-g0000000007'

    The parameters are those of `master_version`.
    """
    return f"{minor}.1+v{minor}.0-{distance}-g{distance:010x}"


def files_of_a_build() -> tuple[str, ...]:
    """Return the paths of every file that a complete build has, including checksums."""
    files = [
        *(f"darwin/{arch}/kops" for arch in _ARCHITECTURES),
        *(f"images/{image}-{arch}.tar.gz" for image in _IMAGES for arch in _ARCHITECTURES),
        *(f"linux/{arch}/{binary}" for arch in _ARCHITECTURES for binary in _BINARIES),
        "windows/amd64/kops.exe",
    ]
    return tuple(path for file in files for path in (file, f"{file}.sha256"))


def complete_build(
    version: str | BuildVersion, *, uploaded: datetime = NOW - _HOUR, without: Iterable[str] = ()
) -> Build:
    """Make a build for a `Snapshot`: complete, but for what is left out.

    >>> complete_build(master_version(7), without=["linux/arm64/nodeup"]).version.distance
    7

    Parameters:
        version: its name.
        uploaded: when its newest file was written, UTC; default: an hour before `NOW`.
        without: paths of files that are not there.

    Raises:
        UsageError: a complete build has no such file.
    """
    left_out = checked_paths(without)
    artifacts = tuple(
        Artifact(path, size=65 if path.endswith(".sha256") else 1_000_000, uploaded=uploaded)
        for path in files_of_a_build()
        if path not in left_out
    )
    return Build(BuildVersion.parse(str(version)), sampled=uploaded, artifacts=artifacts)


def checked_paths(without: Iterable[str]) -> frozenset[str]:
    """Return paths, after a check that a complete build has each of them: a misspelt one would leave nothing out."""
    left_out = frozenset(without)
    unknown = sorted(left_out.difference(files_of_a_build()))
    if unknown:
        raise UsageError(f"a build has no file {unknown[0]!r}", hint="name files as files_of_a_build() does")
    return left_out
