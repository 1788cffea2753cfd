"""Small builders of the values that tests of the pure core speak about.

A built build is complete, settled and old enough by default; a test says only what is different about its own.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from attrs import frozen

from kopsversion.model.bucket import Artifact, Build, GitLine, Marker, MarkerReading, Named, Snapshot
from kopsversion.model.channel import GREEN_MARKER, MASTER, Channel
from kopsversion.model.layout import OFFICIAL_ROOT
from kopsversion.model.needs import Failure
from kopsversion.model.policy import Policy
from kopsversion.model.version import BuildVersion

if TYPE_CHECKING:
    from collections.abc import Iterable

NOW = datetime(2024, 5, 6, 18, tzinfo=UTC)
"""The moment at which tests decide."""

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

STORE = OFFICIAL_ROOT
ARCHITECTURES = ("amd64", "arm64")

ON_MASTER = Channel(MASTER)
DEFAULT = Policy(markers=(GREEN_MARKER,))
"""Lets green alone decide, so that a test has one marker to speak about."""
OFF = Failure("503")
"""A store that does not answer."""
DENIED = Failure("403", denied=True)
"""A store that answers, but not us."""
NODEUP = ("linux/arm64/nodeup", "linux/arm64/nodeup.sha256")
"""What a build without is not testable."""


@frozen(kw_only=True)
class Era:
    """Which files a build had at one time (FAILURES row 27). Each has its ``.sha256`` beside it.

    Attributes:
        darwin: the architectures of kops for macOS.
        images: names of the container images, one file for each architecture.
        binaries: names of the binaries for Linux, one file for each architecture.
    """

    darwin: tuple[str, ...] = ARCHITECTURES
    images: tuple[str, ...]
    binaries: tuple[str, ...]

    @property
    def files(self) -> tuple[str, ...]:
        """Every file but the checksums."""
        return (
            *(f"darwin/{architecture}/kops" for architecture in self.darwin),
            *(f"images/{image}-{each}.tar.gz" for image in self.images for each in ARCHITECTURES),
            *(f"linux/{each}/{binary}" for each in ARCHITECTURES for binary in self.binaries),
            "windows/amd64/kops.exe",
        )

    @property
    def paths(self) -> tuple[str, ...]:
        """Every file, checksums included."""
        return tuple(path for file in self.files for path in (file, f"{file}.sha256"))


_COMMON_IMAGES = ("dns-controller", "kops-controller", "kube-apiserver-healthcheck")

ERA_2021 = Era(
    darwin=("amd64",),
    images=(*_COMMON_IMAGES, "protokube"),
    binaries=("kops", "nodeup"),
)
ERA_2022 = Era(images=_COMMON_IMAGES, binaries=("channels", "kops", "nodeup", "protokube"))
ERA_2024 = Era(
    images=(*_COMMON_IMAGES, "kops-utils-cp"),
    binaries=("channels", "kops", "nodeup", "protokube"),
)
ERA_2025 = Era(
    images=(*_COMMON_IMAGES, "kops-utils-cp", "discovery-server"),
    binaries=("channels", "kops", "nodeup", "protokube"),
)
ERA_2026 = Era(
    images=(*_COMMON_IMAGES, "discovery-server", "kops-channels"),
    binaries=("kops", "nodeup", "nodeup.xz"),
)
ERAS = {"2021": ERA_2021, "2022": ERA_2022, "2024": ERA_2024, "2025": ERA_2025, "2026": ERA_2026}


def version(text: str) -> BuildVersion:
    """Read a version."""
    return BuildVersion.parse(text)


def alpha(distance: int, *, minor: str = "1.30") -> str:
    """Name a build of master."""
    return f"{minor}.0-alpha.2+v{minor}.0-alpha.1-{distance}-g{distance:010x}"


def beta(distance: int, *, minor: str = "1.30") -> str:
    """Name a build that may be master's or the release branch's: the shared window of DESIGN section 4."""
    return f"{minor}.0-beta.2+v{minor}.0-beta.1-{distance}-g{distance:010x}"


def patch(distance: int, *, minor: str = "1.29") -> str:
    """Name a build of a release branch."""
    return f"{minor}.1+v{minor}.0-{distance}-g{distance:010x}"


def build(
    version_text: str,
    *,
    uploaded: datetime = NOW - HOUR,
    without: Iterable[str] = (),
    empty: Iterable[str] = (),
    extra: Iterable[str] = (),
    era: Era = ERA_2024,
) -> Build:
    """Make a build whose directory has been listed: complete, unless told otherwise.

    Parameters:
        version_text: its version.
        uploaded: when its newest file was uploaded, UTC.
        without: paths that are not there; each must be one of the era's.
        empty: paths of files of no bytes.
        extra: paths besides the era's, such as ``cloudbuild/attestation.json``.
        era: the files that a complete build has.
    """
    left_out, hollow = frozenset(without), frozenset(empty)
    paths = (*era.paths, *extra)
    unknown = (left_out | hollow).difference(paths)
    assert not unknown, f"no such file in a build: {sorted(unknown)}"
    kept = [path for path in paths if path not in left_out]
    artifacts = tuple(
        # The upload is parallel: the last file is as old as the build, the others are a little older.
        Artifact(path, 0 if path in hollow else _size(path), uploaded - timedelta(seconds=seconds))
        for seconds, path in enumerate(reversed(kept))
    )
    return Build(BuildVersion.parse(version_text), sampled=uploaded, artifacts=artifacts)


def on_master(distance: int, *, age: timedelta = HOUR, without: Iterable[str] = ()) -> Build:
    """Make the build of master that `alpha` names, uploaded that long before `NOW`."""
    return build(alpha(distance), uploaded=NOW - age, without=without)


def _size(path: str) -> int:
    return 65 if path.endswith(".sha256") else 1_000_000


def bare_listing(version_text: str, sampled: datetime | None = None) -> Build:
    """Make a build of which only the name, and perhaps an upload time, is known."""
    return Build(BuildVersion.parse(version_text), sampled=sampled)


def marker(
    ref: str,
    name: str,
    version_text_or_reading: str | MarkerReading,
    *,
    written: datetime | None = None,
) -> Marker:
    """Make a marker that names a version, or that reads as given."""
    said = version_text_or_reading
    reading = Named(BuildVersion.parse(said)) if isinstance(said, str) else said
    return Marker(ref, name, reading, written=written)


def snapshot(*builds: Build, markers: Iterable[Marker] = (), git: GitLine | None = None) -> Snapshot:
    """Make a snapshot that knows everything there is in the store."""
    return Snapshot.complete(STORE, builds=builds, markers=markers, git=git)
