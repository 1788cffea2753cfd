"""The kit that others import holds what it promises."""

from __future__ import annotations

from datetime import timedelta

import pytest

from kopsversion import Channel, Outcome, Policy, Snapshot, bisect, fetch_kops, resolve, resolve_latest
from kopsversion.errors import AccessDeniedError, StoreUnavailableError, UsageError
from kopsversion.testing import (
    NOW,
    MemoryStore,
    complete_build,
    files_of_a_build,
    master_version,
    release_version,
    shared_version,
)


def filled(count: int = 5) -> MemoryStore:
    store = MemoryStore()
    for number in range(1, count + 1):
        store.add_build(master_version(number), at=NOW - timedelta(hours=count + 1 - number))
    store.add_marker("master", "latest-ci.txt", master_version(count))
    return store


def test_a_harness_asks_the_store_in_memory() -> None:
    """Its builds are testable and its markers are read, at the moment that the kit names."""
    answer = resolve_latest("master", store=filled(), now=NOW)
    assert str(answer.version) == master_version(5)
    assert [str(each.verdict) for each in answer.markers if each.marker.version] == ["current"]


def test_a_harness_bisects_the_store_in_memory() -> None:
    """A build without a file is stepped over, as in a bucket."""
    store = filled(9)
    store.remove(f"{master_version(5)}/linux/arm64/nodeup")
    report = bisect(
        master_version(1),
        "newest",
        test=lambda build: Outcome.BAD if (build.version.distance or 0) >= 5 else Outcome.GOOD,
        store=store,
        now=NOW,
    )
    assert (report.good.version.distance, report.bad.version.distance) == (4, 6)


def test_a_harness_fetches_from_the_store_in_memory(tmp_path) -> None:  # type: ignore[no-untyped-def]
    """The checksums are true."""
    store = MemoryStore()
    store.add_build(release_version(1), kops=b"#!/bin/sh\n")
    fetched = fetch_kops(store, release_version(1), path=tmp_path / "kops", platform="linux/arm64")
    assert fetched.path.read_bytes() == b"#!/bin/sh\n"


def test_a_fault_is_raised_as_often_as_it_is_told() -> None:
    """Some times, or until it is healed; and each call is known by name."""
    store = filled()
    store.fail("read markers/*", times=2)
    for _ in range(2):
        with pytest.raises(StoreUnavailableError, match="HTTP 503"):
            store.read("markers/master/latest-ci.txt", limit=10)
    store.read("markers/master/latest-ci.txt", limit=10)
    denied = AccessDeniedError("no", url=store.url)
    store.fail("list *", denied)
    for _ in range(3):
        with pytest.raises(AccessDeniedError):
            store.list("1.30.", delimiter="/")
    store.heal()
    assert store.list("1.30.", delimiter="/").prefixes
    assert store.calls[-1] == "list 1.30. /"
    assert store.requests == len(store.calls) == 7


def test_a_build_is_whole_but_for_what_is_left_out() -> None:
    """As a value too; and a file that no build has cannot be left out."""
    whole, lacking = (
        complete_build(master_version(1)),
        complete_build(master_version(2), without=["linux/arm64/nodeup"]),
    )
    answer = resolve(Snapshot.complete("mem://", builds=[whole, lacking]), Channel("master"), Policy(), NOW)
    assert answer.version == whole.version
    assert len(files_of_a_build()) > 30
    for make in (complete_build, MemoryStore().add_build):
        make(master_version(9), without=["linux/arm64/nodeup"])
        with pytest.raises(UsageError, match="a build has no file 'linux/arm64/nodup'"):
            make(master_version(1), without=["linux/arm64/nodup"])


def test_the_names_are_of_the_branches_that_make_them() -> None:
    """Each is parsed, and is of the minor that was asked for."""
    for make in (master_version, shared_version, release_version):
        assert complete_build(make(3, minor="1.31")).version.minor == "1.31"
