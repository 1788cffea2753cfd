"""A bucket of any size, shaped like kops' own, in which the right answers are known beforehand.

It knows neither servers nor clients.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from attrs import frozen

from tests.builders import ERA_2024

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.gcs_server import FakeBucket

BUCKET = "k8s-staging-kops"
ROOT = "kops/releases/"
STORE = f"gs://{BUCKET}/{ROOT}"

BUILDS_OF_A_MINOR = 400
"""As in the history of kops: from 235 (1.28) to 660 (1.24) in the minors of 2021 and later."""

_FIRST_MINOR = 10
_LEAST_MINORS = 4
_ALPHAS = 5  # pre-releases of a minor on master, and patches on its release branch
_NEWEST_IS_OLD = timedelta(hours=2)  # settled, and far from stale
_BETWEEN_BUILDS = timedelta(hours=1)


@frozen
class Plan:
    """What is in the bucket.

    Attributes:
        uploaded: upload time of each build, by version.
        markers: content of each marker, by its name below the root.
        answers: the right answer for each channel that has a marker.
    """

    uploaded: Mapping[str, datetime]
    markers: Mapping[str, str]
    answers: Mapping[str, str]

    @property
    def newest_minor(self) -> str:
        """The minor that master is at, as in ``1.30``."""
        return ".".join(self.answers["master"].split(".")[:2])

    def fill(self, bucket: FakeBucket) -> None:
        """Put everything into a bucket; builds are computed when they are asked for."""
        sizes = {path: 65 if path.endswith(".sha256") else 50_000_000 for path in ERA_2024.paths}
        bucket.add_builds(ROOT, self.uploaded, sizes)
        newest = max(self.uploaded.values())
        for name, body in self.markers.items():
            bucket.add(ROOT + name, body, at=newest + timedelta(minutes=10))


def plan(builds: int, *, now: datetime | None = None) -> Plan:
    """Think up a bucket.

    Parameters:
        builds: how many, at least 8; the newest minor is master's alone, the others have a release branch.
        now: the moment at which it will be asked; the clock's where left out.

    Returns:
        The plan; its markers are current.
    """
    if builds < 8:
        raise ValueError(f"a bucket of {builds} builds cannot have {_LEAST_MINORS} minors")
    minors = max(_LEAST_MINORS, -(-builds // BUILDS_OF_A_MINOR))
    share, rest = divmod(builds, minors)
    versions = [
        version
        for index in range(minors)
        for version in versions_of(
            _FIRST_MINOR + index, count=share + (index < rest), has_branch=index < minors - 1
        )
    ]
    latest = (now or datetime.now(UTC)) - _NEWEST_IS_OLD
    uploaded = {
        version: latest - _BETWEEN_BUILDS * (builds - 1 - index) for index, version in enumerate(versions)
    }
    newest_minor = _FIRST_MINOR + minors - 1
    answers = {"master": versions[-1]}
    for minor in (newest_minor - 1, newest_minor - 2, newest_minor - 3):
        answers[f"release-1.{minor}"] = max(
            (version for version in versions if version.startswith(f"1.{minor}.")), key=versions.index
        )
    markers = {f"markers/{ref}/latest-ci.txt": _body(version) for ref, version in answers.items()}
    markers["markers/master/latest-ci-updown-green.txt"] = _body(answers["master"])
    return Plan(uploaded=uploaded, markers=markers, answers=answers)


def versions_of(minor: int, *, count: int, has_branch: bool) -> Iterator[str]:
    """Name the builds of a minor, oldest first: alphas on master, then patches on its release branch."""
    on_branch = count // 2 if has_branch else 0
    on_master = count - on_branch
    for index in range(on_master):
        alpha, distance = _position(index, on_master)
        yield (
            f"1.{minor}.0-alpha.{alpha + 2}+v1.{minor}.0-alpha.{alpha + 1}"
            f"-{distance + 1}-g{_commit(minor, index)}"
        )
    for index in range(on_branch):
        patch, distance = _position(index, on_branch)
        yield f"1.{minor}.{patch + 1}+v1.{minor}.{patch}-{distance + 1}-g{_commit(minor, on_master + index)}"


def _position(index: int, count: int) -> tuple[int, int]:
    """Tell which tag an index is after, and how far."""
    between = -(-count // _ALPHAS)
    return divmod(index, between)


def _commit(minor: int, index: int) -> str:
    return f"{(minor * 1_000_003 + index) * 2_654_435_761 % 16**10:010x}"


def _body(version: str) -> str:
    return f"https://storage.googleapis.com/{BUCKET}/{ROOT}{version}\n"
