"""Places with builds whose files have true checksums, for tests of what a job does after it knows the version."""

from __future__ import annotations

from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, TypeVar

from kopsversion.model.policy import Policy
from kopsversion.stores.deadline import Deadline
from kopsversion.stores.opening import open_store
from kopsversion.stores.wrapped import WrappedStore
from tests.builders import DAY, NOW
from tests.gcs_server import KOPS_ROOT
from tests.stores.test_store_contract import DirectoryPlace, FakeGcsPlace, Place, ServerPlace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime
    from pathlib import Path

    import pytest

    from kopsversion.stores.base import Store

AnyPlace = TypeVar("AnyPlace", bound=Place)

PLACES = ("directory", "our server", "fake-gcs-server in memory", "fake-gcs-server on disk")

ANCIENT, OLD, MIDDLE, NEW = (f"1.30.0-alpha.2+v1.30.0-alpha.1-{n}-g{n:010x}" for n in (10, 200, 201, 1000))
LAST_MINOR = "1.29.0-alpha.4+v1.29.0-alpha.3-378-g22ce1230da"
OF_128 = "1.28.5+v1.28.4-36-g8be71351e2"
TAG = "1.28.4"
INCOMPLETE = "1.30.0-alpha.2+v1.30.0-alpha.1-900-g0000000900"
GONE_OLDER = "1.30.0-alpha.2+v1.30.0-alpha.1-150-g0000000150"
GONE_NEWER = "1.30.0-alpha.2+v1.30.0-alpha.1-950-g0000000950"

BUILDS = (TAG, OF_128, LAST_MINOR, ANCIENT, OLD, MIDDLE, INCOMPLETE, NEW)
"""What `fill` lays out, oldest first."""

BINARIES = tuple(f"linux/{arch}/{name}" for arch in ("amd64", "arm64") for name in ("kops", "nodeup"))
GREEN = "markers/master/latest-ci-updown-green.txt"


def make_place(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Make an empty place of a kind of `PLACES`."""
    if kind == "directory":
        return DirectoryPlace(tmp_path / "a store+")
    if kind == "our server":
        return ServerPlace(request.getfixturevalue("gcs_server"), KOPS_ROOT)
    return FakeGcsPlace(request.getfixturevalue("dated_fake_gcs" if kind.endswith("disk") else "fake_gcs"))


def content_of(version: str, path: str) -> bytes:
    """What a file of a build holds."""
    return f"#!/bin/sh\necho {path} of {version}\n".encode()


def checksum_of(version: str, path: str) -> str:
    """The sha256 of a file of a build."""
    return sha256(content_of(version, path)).hexdigest()


def add_build(
    place: Place, version: str, *, at: datetime, paths: Iterable[str] = BINARIES, lacking: str = ""
) -> None:
    """Upload a build: each file, and its checksum beside it."""
    for path in paths:
        if path == lacking:
            continue
        place.add(f"{version}/{path}", content_of(version, path), at)
        place.add(f"{version}/{path}.sha256", f"{checksum_of(version, path)}\n".encode(), at)


def fill(place: Place) -> None:
    """Upload `BUILDS`, a day between one and the next, the newest of them a day ago."""
    for age, version in enumerate(reversed(BUILDS), start=1):
        lacking = "linux/arm64/nodeup" if version == INCOMPLETE else ""
        add_build(place, version, at=NOW - age * DAY, lacking=lacking)


def fill_with_green(place: AnyPlace) -> AnyPlace:
    """`fill` it, let green name the newest build, and return it."""
    fill(place)
    place.add(GREEN, f"{opened(place).public_url(NEW)}\n".encode(), NOW)
    return place


def policy_for(place: Place) -> Policy:
    """A policy that a place without a past can satisfy: there every upload has happened just now."""
    return Policy() if place.has_a_past else Policy(settle=timedelta())


def opened(place: Place, *, seconds: float = 60.0) -> Store:
    """Open the store at a place."""
    return open_store(place.url(), deadline=Deadline(seconds), environ=place.environ)


class WrittenBefore(WrappedStore):
    """A store in which somebody else writes just before we do.

    Parameters:
        inner: the store.
        others: what they do, one for each of our writes; nothing after the last.
    """

    def __init__(self, inner: Store, others: Iterable[Callable[[], None]]) -> None:
        super().__init__(inner)
        self._others = iter(others)
        self.writes = 0

    def write(
        self,
        name: str,
        data: bytes,
        *,
        if_generation: str | None,
        cache_control: str,
        metadata: Mapping[str, str],
    ) -> str:
        self.writes += 1
        next(self._others, lambda: None)()
        return super().write(
            name, data, if_generation=if_generation, cache_control=cache_control, metadata=metadata
        )
