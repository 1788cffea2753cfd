"""From a store to a snapshot: what answers each need, what is kept of failures, and in how few requests."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from kopsversion.errors import (
    AccessDeniedError,
    KopsVersionError,
    NoTestableBuildError,
    StoreError,
    StoreUnavailableError,
)
from kopsversion.model.answer import Resolution, Rung, Severity, Source, Verdict
from kopsversion.model.bucket import Build, Later, Malformed, Missing, Named, Snapshot
from kopsversion.model.channel import BRANCH_MARKER, GREEN_MARKER, Channel
from kopsversion.model.layout import Skipped
from kopsversion.model.needs import (
    Failure,
    ListArtifacts,
    ListBuilds,
    ListMarkers,
    ListMinors,
    ListUploads,
    Need,
    ReadChecksums,
    ReadMarker,
)
from kopsversion.model.policy import Policy, Strategy
from kopsversion.stores.base import Listing
from kopsversion.stores.deadline import Deadline
from kopsversion.stores.local import DirectoryStore
from kopsversion.workflows.fetching import Fetcher, Learnt
from kopsversion.workflows.rounds import gather, learn, start
from tests.builders import DAY, ERA_2024, HOUR, NOW, alpha, patch, version
from tests.fake_store import CHECKSUM, ETAG, URL, FakeStore
from tests.strategies import any_text, version_texts

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from kopsversion.model.version import BuildVersion
    from kopsversion.stores.base import Content, Store, StoredObject

MASTER = Channel("master")
RELEASE = Channel("release-1.29")
LACKS_NODEUP = ("linux/arm64/nodeup", "linux/arm64/nodeup.sha256")
LATER = NOW + HOUR
DENIED = AccessDeniedError("listing is denied", url=URL)


@pytest.fixture
def store() -> FakeStore:
    return FakeStore()


def fetch(store: Store, need: Need, *, as_of: datetime | None = None) -> Learnt:
    return Fetcher(store, deadline=Deadline(10), as_of=as_of, platforms=Policy().platforms).fetch(need)


def learnt(store: Store, *needs: Need, known: Snapshot | None = None) -> Snapshot:
    snapshot = start(store) if known is None else known
    return learn(snapshot, needs, store=store, policy=Policy(), deadline=Deadline(10))


def gathered(
    store: Store,
    target: Channel | BuildVersion = MASTER,
    policy: Policy | None = None,
    *,
    now: datetime = NOW,
    as_of: datetime | None = None,
) -> tuple[Resolution, Snapshot]:
    return gather(
        store,
        target,
        policy or Policy(),
        now=as_of or now,
        deadline=Deadline(10),
        snapshot=start(store, as_of=as_of),
    )


def by_version(snapshot: Snapshot | Learnt) -> dict[str, Build]:
    return {str(build.version): build for build in snapshot.builds}


class TestStart:
    def test_a_snapshot_begins_with_where_it_is_from(self, store: FakeStore) -> None:
        """Nothing is asked, nothing is known, and a base URL is made by appending a version."""
        snapshot = start(store, as_of=NOW)
        assert (snapshot.store, snapshot.base_url, snapshot.as_of) == (URL, URL, NOW)
        assert (snapshot.builds, snapshot.minors, snapshot.marker_names, store.calls) == ((), None, None, [])

    def test_a_directory_with_odd_characters_gives_base_urls_that_agree_with_the_store(
        self, tmp_path: Path
    ) -> None:
        """What comes before the version does not depend on the version."""
        directory = DirectoryStore(tmp_path / "a b'+\n", deadline=Deadline(10))
        assert start(directory).base_url + alpha(1) == directory.public_url(alpha(1))


class TestListMinors:
    def test_the_minors_of_every_major_are_listed(self, store: FakeStore) -> None:
        """The known major beside the root, others after it: DESIGN section 10."""
        for text in (alpha(1), patch(1), "1.9.0", "2.0.0-alpha.1+v1.99.0-3-g0123456789"):
            store.add_build(text)
        found = fetch(store, ListMinors())
        assert found.minors == {"1.30", "1.29", "1.9", "2.0"}
        assert (found.round_trips, sorted(store.calls)) == (2, ["list .", "list 1. .", "list 2. ."])

    def test_one_round_trip_is_enough_while_there_is_no_other_major(self, store: FakeStore) -> None:
        """A 2.0 that never came costs nothing."""
        store.add_build(alpha(1))
        found = fetch(store, ListMinors())
        assert (set(found.minors), found.round_trips) == ({"1.30"}, 1)
        assert sorted(store.calls) == ["list .", "list 1. ."]

    def test_what_is_no_number_is_counted_once_by_its_kind(self, store: FakeStore) -> None:
        """FAILURES row 22: foreign names are skipped and reported; markers are no debris.

        What sorts before the digits is not asked for: there may be a hundred pages of it (FAILURES row 45).
        """
        store.add_build(alpha(1))
        store.add_marker("master", BRANCH_MARKER, alpha(1))
        store.add_marker("release-1.30", BRANCH_MARKER, alpha(1))
        for debris in (
            "/v20240307-v1.29.0-alpha.3-378-g22ce1230da/cloudbuild/log.txt",
            "README",
            "cloudbuild.yaml",
            "1",
            "1.29",
            "1.x/kops",
            "1.030.0/kops",
            "\N{ARABIC-INDIC DIGIT ONE}.30.0/kops",
        ):
            store.add(debris)
        found = fetch(store, ListMinors())
        assert found.minors == {"1.30"}
        assert dict(found.skipped) == {
            Skipped.FOREIGN: 3,  # cloudbuild. and another digit's 1. in the root, 1.030. below 1.
            Skipped.STRAY_FILE: 4,  # README, 1, 1.29, and 1.x/kops, which has no dot after the 1.
        }

    def test_a_number_beyond_all_counters_is_a_foreign_name(self, store: FakeStore) -> None:
        """Hostile digits never reach int(), whose limit would be an exception."""
        store.add_build(alpha(1))
        store.add(f"1.{'9' * 900}.0/linux/amd64/kops")
        store.add(f"{'9' * 900}.0.0/linux/amd64/kops")
        found = fetch(store, ListMinors())
        assert (set(found.minors), dict(found.skipped)) == ({"1.30"}, {str(Skipped.FOREIGN): 2})

    def test_no_more_majors_are_looked_into_than_there_can_be(self, store: FakeStore) -> None:
        """Debris such as 2024.03/ must not cost a request each; the highest are the likeliest."""
        for major in range(2, 40):
            store.add(f"{major}.0.0/linux/amd64/kops")
        fetch(store, ListMinors())
        assert sorted(store.calls) == [
            "list .",
            "list 1. .",
            *(f"list {major}. ." for major in (36, 37, 38, 39)),
        ]

    @pytest.mark.parametrize("call", ["list .", "list 1. .", "list 2. ."])
    def test_a_part_of_the_listing_is_never_taken_for_the_whole(self, store: FakeStore, call: str) -> None:
        """FAILURES row 19: any of its requests failing is its failure."""
        store.add_build("2.0.0")
        store.fail(call)
        with pytest.raises(StoreUnavailableError):
            fetch(store, ListMinors())


class TestListBuilds:
    def test_the_names_of_a_minor_s_builds_are_listed(self, store: FakeStore) -> None:
        """Tags' own builds too; nothing is known of them but the name."""
        for text in (alpha(1), alpha(2), "1.30.0-alpha.1", patch(1), "1.3.0"):
            store.add_build(text)
        found = fetch(store, ListBuilds("1.30"))
        assert set(by_version(found)) == {alpha(1), alpha(2), "1.30.0-alpha.1"}
        assert {build.artifacts for build in found.builds} == {None}
        assert store.calls == ["list 1.30. /"]

    @pytest.mark.parametrize(
        ("hostile", "kind"),
        [
            ("1.30.0-alpha.2+$(reboot)/linux/amd64/kops", Skipped.FOREIGN),
            ("1.30.0\n1.30.1/linux/amd64/kops", Skipped.FOREIGN),
            ("1.30.0-alpha.2+v1.30.0-alpha.1-\x1b[31m/kops", Skipped.FOREIGN),
            ("1.30.0-alpha.2\u202e/kops", Skipped.FOREIGN),
            ("1.30.٣/kops", Skipped.FOREIGN),
            (f"1.30.{'7' * 4000}/kops", Skipped.FOREIGN),
            ("1.30.0 /kops", Skipped.FOREIGN),
            ("1.30.../kops", Skipped.FOREIGN),
            ("1.30.//kops", Skipped.FOREIGN),
            ("1.30.txt", Skipped.STRAY_FILE),
        ],
        ids=lambda value: ascii(value).replace("\\", "/"),  # pytest cannot find a name with a backslash
    )
    def test_hostile_names_are_counted_and_dropped(self, store: FakeStore, hostile: str, kind: str) -> None:
        """FAILURES row 22: what is no version is not even kept."""
        store.add(hostile)
        found = fetch(store, ListBuilds("1.30"))
        assert (found.builds, dict(found.skipped)) == ((), {kind: 1})

    def test_markers_are_neither_build_nor_debris(self) -> None:
        """A store that lists more than it was asked for does no harm."""

        class Talkative(FakeStore):
            def list(
                self,
                prefix: str = "",
                *,
                delimiter: str = "",
                match_glob: str = "",
                start: str = "",
                end: str = "",
            ) -> Listing:
                return Listing((), ("1.30.0/", "markers/"))

        found = fetch(Talkative(), ListBuilds("1.30"))
        assert (set(by_version(found)), dict(found.skipped)) == ({"1.30.0"}, {})


class TestListUploads:
    def test_one_listing_tells_when_every_build_was_uploaded(self, store: FakeStore) -> None:
        """By a file that every build of every era has."""
        store.add_build(alpha(1), at=NOW - DAY)
        store.add_build(alpha(2), at=NOW - HOUR)
        store.add_build(patch(1))
        found = fetch(store, ListUploads("1.30"))
        path = "linux/amd64/kops.sha256"
        assert {version: build.sampled for version, build in by_version(found).items()} == {
            version: store.held[f"{version}/{path}"].uploaded for version in (alpha(1), alpha(2))
        }
        assert store.calls == ["list 1.30. 1.30.*/linux/amd64/kops.sha256"]

    def test_a_server_that_ignores_globs_changes_nothing(self) -> None:
        """DESIGN section 10: filtered again on our side."""
        obedient, ignorant = FakeStore(), FakeStore(honours_glob=False)
        for each in (obedient, ignorant):
            each.add_build(alpha(1))
            each.add("1.30.0 evil/linux/amd64/kops.sha256")
            each.add("1.30.linux/amd64/kops.sha256")
        need = ListUploads("1.30")
        assert fetch(obedient, need) == fetch(ignorant, need)
        assert set(by_version(fetch(ignorant, need))) == {alpha(1)}


class TestListArtifacts:
    def test_the_files_of_a_build_are_listed(self, store: FakeStore) -> None:
        """Each with size and time, named below the build's directory."""
        store.add_build(alpha(1))
        store.add_build(f"{alpha(1)}0")
        (build,) = fetch(store, ListArtifacts(version(alpha(1)))).builds
        assert {artifact.path for artifact in build.artifacts or ()} == set(ERA_2024.paths)
        assert {(artifact.path.endswith("256"), artifact.size) for artifact in build.artifacts or ()} == {
            (True, len(CHECKSUM)),
            (False, 1),
        }
        assert build.uploaded == NOW - HOUR
        assert store.calls == [f"list {alpha(1)}/"]

    def test_no_files_mean_that_there_is_no_such_build(self, store: FakeStore) -> None:
        """Which is an answer, and not a failure."""
        assert fetch(store, ListArtifacts(version(alpha(1)))).builds == (
            Build(version(alpha(1)), artifacts=()),
        )

    @pytest.mark.parametrize(
        "odd",
        ["linux/", "", "..", "../../etc/passwd", "linux/amd64/ko\nps", "linux//kops", "a b", "%2e%2e", "é"],
    )
    def test_files_with_odd_names_are_counted_and_dropped(self, store: FakeStore, odd: str) -> None:
        """A reason that names a missing file never repeats such a name."""
        store.add_build(alpha(1))
        store.add(f"{alpha(1)}/{odd}")
        found = fetch(store, ListArtifacts(version(alpha(1))))
        assert {artifact.path for artifact in found.builds[0].artifacts or ()} == set(ERA_2024.paths)
        assert dict(found.skipped) == {Skipped.ODD_FILE: 1}

    def test_what_was_uploaded_later_is_left_out(self, store: FakeStore) -> None:
        """With ``--as-of`` a build whose upload had not ended is seen as it was."""
        store.add_build(alpha(1), at=NOW)
        moment = NOW - timedelta(seconds=10)
        (build,) = fetch(store, ListArtifacts(version(alpha(1))), as_of=moment).builds
        assert len(build.artifacts or ()) == len(ERA_2024.paths) - 10
        assert build.uploaded == moment


class TestReadChecksums:
    def test_the_checksums_of_the_binaries_prove_a_build(self, store: FakeStore) -> None:
        """FAILURES row 23: where listing is denied, only what a job cannot start without is asked for."""
        store.add_build(alpha(1))
        (build,) = fetch(store, ReadChecksums(version(alpha(1)))).builds
        paths = [
            f"linux/{arch}/{binary}.sha256" for arch in ("amd64", "arm64") for binary in ("kops", "nodeup")
        ]
        assert build.checksums == tuple(paths)
        assert sorted(store.calls) == [f"read {alpha(1)}/{path}" for path in paths]

    @pytest.mark.parametrize(
        "damage", [b"", b"<html>not found</html>", b"0" * 63, b"0" * 65, b"G" * 64, b"\xff" * 64, b"0" * 2000]
    )
    def test_what_is_no_checksum_proves_nothing(self, store: FakeStore, damage: bytes) -> None:
        """FAILURES row 10: an error page is no checksum."""
        store.add_build(alpha(1), without=LACKS_NODEUP)
        store.add(f"{alpha(1)}/linux/amd64/kops.sha256", damage)
        (build,) = fetch(store, ReadChecksums(version(alpha(1)))).builds
        assert build.checksums == ("linux/amd64/nodeup.sha256", "linux/arm64/kops.sha256")

    @pytest.mark.parametrize("says_when", [True, False])
    def test_a_checksum_that_was_written_later_proves_nothing(self, *, says_when: bool) -> None:
        """With ``--as-of``, also in a store that does not say when with the content."""
        store = FakeStore(says_when=says_when)
        store.add_build(alpha(1), at=LATER)
        store.add(f"{alpha(1)}/linux/amd64/kops.sha256", CHECKSUM, at=NOW)
        (build,) = fetch(store, ReadChecksums(version(alpha(1))), as_of=NOW).builds
        assert build.checksums == ("linux/amd64/kops.sha256",)

    def test_a_checksum_that_cannot_be_read_is_not_a_missing_one(self, store: FakeStore) -> None:
        """Unknown is not the same as incomplete."""
        store.add_build(alpha(1))
        store.fail("read *arm64/nodeup*")
        with pytest.raises(StoreUnavailableError):
            fetch(store, ReadChecksums(version(alpha(1))))


class TestReadMarker:
    need = ReadMarker("master", GREEN_MARKER)
    path = f"markers/master/{GREEN_MARKER}"

    def test_a_marker_names_a_build(self, store: FakeStore) -> None:
        """With the time, the generation and the ETag of its object."""
        store.add_marker("master", GREEN_MARKER, alpha(1), at=NOW - DAY)
        marker = fetch(store, self.need).marker
        assert marker is not None
        assert (marker.reading, marker.written) == (Named(version(alpha(1))), NOW - DAY)
        assert (marker.generation, marker.etag) == ("1", ETAG)

    def test_no_more_is_read_than_a_marker_can_have(self, store: FakeStore) -> None:
        """FAILURES row 10: five megabytes are no marker."""
        store.add(self.path, b"1" * 5_000_000)
        marker = fetch(store, self.need).marker
        assert marker is not None
        assert isinstance(marker.reading, Malformed)

    def test_a_marker_that_does_not_exist_is_missing(self, store: FakeStore) -> None:
        """FAILURES row 11: which is an answer, and not a failure."""
        marker = fetch(store, self.need).marker
        assert marker is not None
        assert marker.reading == Missing("does not exist")

    @pytest.mark.parametrize("says_when", [True, False])
    @pytest.mark.parametrize("later", [True, False])
    def test_what_a_marker_that_was_written_later_held_is_not_known(
        self, *, says_when: bool, later: bool
    ) -> None:
        """DESIGN section 6: what it held then is not known; its time is asked for where it must be."""
        store = FakeStore(says_when=says_when)
        store.add_marker("master", GREEN_MARKER, alpha(1), at=LATER if later else NOW)
        marker = fetch(store, self.need, as_of=NOW).marker
        assert marker is not None
        assert isinstance(marker.reading, Later if later else Named)
        assert marker.written == (LATER if later else NOW)
        assert store.calls == [f"read {self.path}", *([] if says_when else [f"stat {self.path}"])]

    def test_no_time_is_asked_for_where_none_matters(self) -> None:
        """Without ``--as-of`` a marker costs one request."""
        store = FakeStore(says_when=False)
        store.add_marker("master", GREEN_MARKER, alpha(1))
        marker = fetch(store, self.need).marker
        assert marker is not None
        assert (marker.written, store.calls) == (None, [f"read {self.path}"])

    def test_a_marker_that_vanishes_while_it_is_looked_at_is_missing(self) -> None:
        """Between its content and its time."""

        class Vanishing(FakeStore):
            def read(self, name: str, *, limit: int) -> Content:
                content = super().read(name, limit=limit)
                del self.held[name]
                return content

        store = Vanishing(says_when=False)
        store.add_marker("master", GREEN_MARKER, alpha(1))
        marker = fetch(store, self.need, as_of=NOW).marker
        assert marker is not None
        assert isinstance(marker.reading, Missing)


class TestListMarkers:
    def test_names_that_no_marker_has_are_counted(self, store: FakeStore) -> None:
        """A plus, a space or a letter from elsewhere is no reason to keep silent."""
        store.add_marker("master", GREEN_MARKER, alpha(1))
        for odd in (
            "master/a+b.txt",
            "mas ter/latest-ci.txt",
            "m\N{LATIN SMALL LETTER A WITH DIAERESIS}/x",
            "x",
            "a/",
        ):
            store.add(f"markers/{odd}")
        found = fetch(store, ListMarkers())
        assert found.marker_names == frozenset({("master", GREEN_MARKER)})
        assert dict(found.skipped) == {Skipped.ODD_MARKER: 4}

    def test_the_markers_that_exist_are_named(self, store: FakeStore) -> None:
        """By ref and name; what is no marker's name is left out. What was written later may have been there before."""
        for ref, at in (("master", NOW), ("release-1.30", NOW), ("v1.30.0", NOW), ("release-1.31", LATER)):
            store.add_marker(ref, BRANCH_MARKER, alpha(1), at=at)
        for odd in (
            "markers/x/y.txt",
            "markers/master/a/b",
            "markers/master/$(id)",
            "markers/../x",
            "markers/x",
        ):
            store.add(odd)
        found = fetch(store, ListMarkers(), as_of=NOW)
        assert set(found.marker_names or ()) == {
            (ref, BRANCH_MARKER) for ref in ("master", "release-1.30", "release-1.31", "v1.30.0")
        }
        assert sorted(store.calls) == ["list latest /", "list markers/"]


class TestLearn:
    def test_failures_are_kept_by_what_was_asked(self, store: FakeStore) -> None:
        """And whether we were denied; what could be learnt beside them is learnt."""
        store.add_build(alpha(1))
        store.fail("list .", DENIED)
        store.fail("read *", StoreUnavailableError("HTTP 503", url=URL))
        needs = (ListMinors(), ReadMarker("master", GREEN_MARKER), ListBuilds("1.30"))
        snapshot = learnt(store, *needs)
        assert snapshot.failures == {
            needs[0]: Failure("listing is denied", denied=True),
            needs[1]: Failure("HTTP 503", denied=False),
        }
        assert (snapshot.minors, set(snapshot.listed), set(by_version(snapshot))) == (
            None,
            {"1.30"},
            {alpha(1)},
        )

    def test_failures_of_before_are_not_forgotten(self, store: FakeStore) -> None:
        """Each need fails for itself."""
        store.fail("*")
        snapshot = learnt(store, ListBuilds("1.29"), known=learnt(store, ListBuilds("1.30")))
        assert set(snapshot.failures) == {ListBuilds("1.29"), ListBuilds("1.30")}

    def test_a_defect_is_not_mistaken_for_a_failure_of_the_store(self) -> None:
        """Only what a store says is kept; anything else is raised."""

        class Broken(FakeStore):
            def stat(self, name: str) -> StoredObject:
                raise ZeroDivisionError

        store = Broken(says_when=False)
        store.add_marker("master", GREEN_MARKER, alpha(1))
        with pytest.raises(ZeroDivisionError):
            learnt(store, ReadMarker("master", GREEN_MARKER), known=start(store, as_of=NOW))

    def test_what_is_learnt_of_a_build_adds_up(self, store: FakeStore) -> None:
        """Name, time, files and checksums come from different answers, in any order."""
        store.add_build(alpha(1))
        needs: list[Need] = [
            ListBuilds("1.30"),
            ListUploads("1.30"),
            ListArtifacts(version(alpha(1))),
            ReadChecksums(version(alpha(1))),
        ]
        at_once = learnt(store, *needs)
        snapshot = start(store)
        for need in reversed(needs):
            snapshot = learnt(store, need, known=snapshot)
        assert snapshot.builds == at_once.builds
        (build,) = snapshot.builds
        assert build.sampled is not None
        assert build.artifacts
        assert build.checksums
        assert (set(snapshot.listed), set(snapshot.timed)) == ({"1.30"}, {"1.30"})

    def test_requests_and_round_trips_are_counted(self, store: FakeStore) -> None:
        """What is asked side by side is one round trip; another major makes it two."""
        store.add_build(alpha(1))
        one = learnt(store, ListMinors(), ListMarkers(), ReadMarker("master", GREEN_MARKER))
        assert (one.requests, one.round_trips) == (5, 1)
        store.add_build("2.0.0")
        two = learnt(store, ListMinors(), ListMarkers(), known=one)
        assert (two.requests, two.round_trips) == (5 + 5, 1 + 2)
        assert learnt(store, known=two).requests == two.requests

    @pytest.mark.parametrize("need", [ReadMarker("master", GREEN_MARKER), ReadChecksums(version(alpha(1)))])
    @pytest.mark.parametrize(
        ("says_when", "as_of", "expected"), [(True, NOW, 1), (False, None, 1), (False, NOW, 2)]
    )
    def test_a_time_that_has_to_be_asked_for_is_a_round_trip(
        self, need: Need, *, says_when: bool, as_of: datetime | None, expected: int
    ) -> None:
        """It comes after the content."""
        store = FakeStore(says_when=says_when)
        store.add_build(alpha(1))
        store.add_marker("master", GREEN_MARKER, alpha(1))
        assert fetch(store, need, as_of=as_of).round_trips == expected

    def test_debris_is_added_up_over_listings(self, store: FakeStore) -> None:
        """Each listing sees other debris, so none is counted twice."""
        store.add_build(alpha(1))
        for debris in ("README", "1.29.x/kops", "1.30.x/kops", f"{alpha(1)}/odd name"):
            store.add(debris)
        needs = (ListMinors(), ListBuilds("1.30"), ListBuilds("1.29"), ListArtifacts(version(alpha(1))))
        assert dict(learnt(store, *needs).skipped) == {
            Skipped.STRAY_FILE: 1,
            Skipped.FOREIGN: 2,
            Skipped.ODD_FILE: 1,
        }

    def test_a_deadline_that_has_passed_is_a_failure_of_what_was_asked(self, store: FakeStore) -> None:
        """Nothing waits longer, and the reason is kept."""

        class Clock:
            now = 0.0

            def __call__(self) -> float:
                return self.now

        class Slow(FakeStore):
            def list(
                self,
                prefix: str = "",
                *,
                delimiter: str = "",
                match_glob: str = "",
                start: str = "",
                end: str = "",
            ) -> Listing:
                raise deadline.error(self.url)

        clock = Clock()
        deadline = Deadline(1, clock)
        slow = Slow()
        snapshot = learn(start(slow), [ListMarkers()], store=slow, policy=Policy(), deadline=deadline)
        assert "deadline of 1 s" in snapshot.failures[ListMarkers()].reason


class TestGather:
    """A whole question to a store."""

    def test_a_current_marker_of_master_costs_five_requests(self, store: FakeStore) -> None:
        """DESIGN section 10, whatever else the store holds."""
        for distance in range(40):
            store.add_build(alpha(distance), at=NOW - DAY * (50 - distance))
            store.add_build(patch(distance))
        store.add_marker("master", GREEN_MARKER, alpha(39))
        found, snapshot = gathered(store)
        assert (str(found.version), found.source, found.requests, found.round_trips) == (
            alpha(39),
            Source.MARKER,
            5,
            3,
        )
        assert sorted(store.calls) == [
            "list .",
            "list 1. .",
            "list 1.30. /",
            f"list {alpha(39)}/",
            f"read markers/master/{GREEN_MARKER}",
        ]
        assert snapshot.requests == len(store.calls)

    def test_a_current_marker_of_a_release_branch_costs_four(self, store: FakeStore) -> None:
        """In two round trips; whether there is a green marker is asked beside the others."""
        for distance in range(40):
            store.add_build(patch(distance))
        store.add_marker("release-1.29", BRANCH_MARKER, patch(39))
        found, _ = gathered(store, RELEASE)
        assert (str(found.version), found.requests, found.round_trips) == (patch(39), 4, 2)

    @pytest.mark.parametrize("target", [MASTER, RELEASE], ids=str)
    def test_a_stale_marker_costs_two_more(self, store: FakeStore, target: Channel) -> None:
        """Its own build's files, and those of the next; DESIGN section 10 allows 8 and 7."""
        for distance in range(40):
            store.add_build(alpha(distance), at=NOW - DAY * (50 - distance))
            store.add_build(patch(distance), at=NOW - DAY * (50 - distance))
        store.add_marker("master", GREEN_MARKER, alpha(3))
        store.add_marker("master", BRANCH_MARKER, alpha(39))
        store.add_marker("release-1.29", GREEN_MARKER, patch(3))
        store.add_marker("release-1.29", BRANCH_MARKER, patch(39))
        found, _ = gathered(store, target)
        assert [report.verdict for report in found.markers] == [Verdict.STALE, Verdict.CURRENT]
        assert found.requests <= (8 if target.is_master else 7)
        assert found.round_trips <= 4

    def test_where_nothing_is_known_before_the_snapshot_is_begun_anew(self, store: FakeStore) -> None:
        """Callers without a moment or a clone need not begin it themselves."""
        store.add_build(alpha(1))
        found, _ = gather(store, MASTER, Policy(), now=NOW, deadline=Deadline(10))
        assert str(found.version) == alpha(1)

    def test_a_build_that_the_listing_did_not_have_is_found_by_itself(self) -> None:
        """FAILURES row 5: the marker may be read after the listing, so its build is looked up once more."""

        class Behind(FakeStore):
            def list(
                self,
                prefix: str = "",
                *,
                delimiter: str = "",
                match_glob: str = "",
                start: str = "",
                end: str = "",
            ) -> Listing:
                listing = super().list(
                    prefix, delimiter=delimiter, match_glob=match_glob, start=start, end=end
                )
                hidden = f"{alpha(9)}/"
                return evolve(listing, prefixes=tuple(each for each in listing.prefixes if each != hidden))

        store = Behind()
        store.add_build(alpha(8))
        store.add_build(alpha(9))
        store.add_marker("master", GREEN_MARKER, alpha(9))
        found, _ = gathered(store)
        assert (str(found.version), found.source) == (alpha(9), Source.MARKER)
        assert found.markers[0].verdict is Verdict.CURRENT

    def test_a_build_that_is_gone_leaves_its_marker_dangling(self, store: FakeStore) -> None:
        """FAILURES row 12: looked for by itself, and not there."""
        store.add_build(alpha(8))
        store.add_marker("master", GREEN_MARKER, alpha(9))
        found, _ = gathered(store)
        assert (str(found.version), found.source) == (alpha(8), Source.NEWEST)
        assert found.markers[0].verdict is Verdict.DANGLING

    def test_where_listing_is_denied_the_marker_s_build_is_proven_by_its_checksums(
        self, store: FakeStore
    ) -> None:
        """FAILURES row 23: the answer says that it is not more than that."""
        store.add_build(alpha(9))
        store.add_marker("master", GREEN_MARKER, alpha(9))
        store.fail("list *", DENIED)
        found, _ = gathered(store)
        assert (str(found.version), found.rung) == (alpha(9), Rung.MARKER)
        assert found.is_degraded

    def test_where_listing_is_denied_a_build_without_its_checksums_is_refused(self, store: FakeStore) -> None:
        """Nothing is left to answer with, which is the store's failure."""
        store.add_build(alpha(9), without=LACKS_NODEUP)
        store.add_marker("master", GREEN_MARKER, alpha(9))
        store.fail("list *", DENIED)
        with pytest.raises(StoreError) as caught:
            gathered(store)
        assert any("linux/arm64/nodeup.sha256 is missing" in reason for reason in caught.value.reasons)

    def test_a_failing_marker_leaves_the_listing(self, store: FakeStore) -> None:
        """The rung says so."""
        store.add_build(alpha(9))
        store.fail("read *")
        found, _ = gathered(store)
        assert (str(found.version), found.rung) == (alpha(9), Rung.LISTING)

    def test_a_version_that_is_asked_for_costs_one_request(self, store: FakeStore) -> None:
        """It is only checked."""
        store.add_build(alpha(9))
        found, _ = gathered(store, version(alpha(9)))
        assert (found.requests, store.calls) == (1, [f"list {alpha(9)}/"])

    def test_builds_on_two_majors_are_ordered_by_number(self, store: FakeStore) -> None:
        """The newest minor of the newest major is walked down first."""
        store.add_build(alpha(9))
        store.add_build("2.0.0-alpha.2+v2.0.0-alpha.1-3-g0123456789")
        found, _ = gathered(store, policy=Policy(strategy=Strategy.NEWEST))
        assert str(found.version).startswith("2.0.0")

    def test_the_build_before_is_compared_without_listing_another_minor(self, store: FakeStore) -> None:
        """What the comparison does not need is not asked for: one request more than without."""
        store.add_build(patch(1))
        for distance in (8, 9):
            store.add_build(alpha(distance))
        store.add_marker("master", GREEN_MARKER, alpha(9))
        gathered(store, policy=Policy(compare_artifacts=True))
        assert sorted(call for call in store.calls if call.startswith("list 1.")) == [
            "list 1. .",
            "list 1.30. /",
            f"list {alpha(8)}/",
            f"list {alpha(9)}/",
        ]


class TestAsOf:
    """``--as-of T``: the past can be replayed."""

    def test_builds_that_were_uploaded_later_are_left_out(self, store: FakeStore) -> None:
        """Their times are asked for only once the newest turned out to be later."""
        for distance in range(9):
            store.add_build(alpha(distance), at=NOW + HOUR * (distance - 5))
        found, _ = gathered(store, as_of=NOW - HOUR / 2)
        assert str(found.version) == alpha(4)
        assert [call for call in store.calls if call.endswith("kops.sha256")] == [
            "list 1.30. 1.30.*/linux/amd64/kops.sha256"
        ]
        assert found.refused == ()

    def test_where_no_build_is_later_it_costs_no_more(self, store: FakeStore) -> None:
        """The common case costs what it costs without."""
        store.add_build(alpha(1), at=NOW - DAY)
        store.add_marker("master", GREEN_MARKER, alpha(1))
        found, _ = gathered(store, as_of=NOW)
        assert str(found.version) == alpha(1)
        assert found.requests == gathered(store)[0].requests

    def test_a_build_whose_upload_had_begun_is_incomplete(self, store: FakeStore) -> None:
        """As it was at that moment."""
        store.add_build(alpha(1), at=NOW - DAY)
        store.add_build(alpha(2), at=NOW)
        found, _ = gathered(store, as_of=NOW - timedelta(seconds=3))
        assert str(found.version) == alpha(1)
        assert [str(refusal.version) for refusal in found.refused] == [alpha(2)]

    def test_a_minor_that_began_later_is_passed_over(self, store: FakeStore) -> None:
        """Down to the newest that had a build then."""
        store.add_build(alpha(1), at=LATER)
        store.add_build("1.29.0-alpha.2+v1.29.0-alpha.1-7-g0123456789", at=NOW - DAY)
        found, _ = gathered(store, as_of=NOW)
        assert str(found.version).startswith("1.29.0-alpha.2")

    def test_a_marker_of_later_is_not_known_and_the_builds_decide(self, store: FakeStore) -> None:
        """DESIGN section 6."""
        store.add_build(alpha(1), at=NOW - DAY)
        store.add_marker("master", GREEN_MARKER, alpha(1), at=LATER)
        found, _ = gathered(store, as_of=NOW)
        assert (str(found.version), found.source) == (alpha(1), Source.NEWEST)
        assert found.markers[0].verdict is Verdict.UNKNOWN
        told = {condition.code: condition.severity for condition in found.conditions}
        assert told["marker-unknown"] is Severity.INFO

    def test_before_the_first_upload_there_was_nothing(self, store: FakeStore) -> None:
        """And nothing is made up."""
        store.add_build(alpha(1))
        with pytest.raises(NoTestableBuildError):
            gathered(store, as_of=NOW - DAY)

    def test_where_the_times_cannot_be_learnt_each_build_is_looked_into(self, store: FakeStore) -> None:
        """A failure that changes nothing but the number of requests, and is told."""
        store.add_build(alpha(1), at=NOW - DAY)
        for distance in (2, 3):
            store.add_build(alpha(distance), at=LATER)
        store.fail("list *kops.sha256")
        found, _ = gathered(store, as_of=NOW)
        assert str(found.version) == alpha(1)
        assert "listing-unavailable" in {condition.code for condition in found.conditions}


class TestDirectory:
    """The same from a directory, where hostile names are real."""

    @pytest.fixture
    def directory(self, tmp_path: Path) -> Path:
        root = tmp_path / "store"
        memory = FakeStore()
        memory.add_build(alpha(1), at=NOW - DAY)
        memory.add_build(alpha(2), at=NOW - HOUR)
        memory.add_marker("master", GREEN_MARKER, alpha(2))
        for hostile in (
            "$(touch pwned)/linux/amd64/kops",
            "1.30.0-alpha.2+';reboot;'/linux/amd64/kops",
            "1.30.0-alpha.2+v1.30.0-alpha.1-3-g000000000g/kops",
            "1.30.\x07/kops",
            "1.30.0-alpha.3\n/kops",
            "ünï.cödé/kops",
            f"1.{'3' * 200}.0/kops",
            "markers/release-1.2.3/latest-ci.txt",
            "markers/release-1./latest-ci.txt",
        ):
            memory.add(hostile)
        for path, held in memory.held.items():
            file = root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(held.data)
            os.utime(file, (held.uploaded.timestamp(),) * 2)
        return root

    def test_the_newest_build_is_found_among_hostile_names(self, directory: Path) -> None:
        """A directory is asked without a request, and nothing hostile is in the answer."""
        found, snapshot = gathered(DirectoryStore(directory, deadline=Deadline(10)))
        assert (str(found.version), found.requests) == (alpha(2), 0)
        assert {str(build.version) for build in snapshot.builds} == {alpha(1), alpha(2)}
        assert sum(found.skipped.values()) == 6
        assert "reboot" not in repr(found)

    def test_marker_directories_of_no_branch_are_no_channels(self, directory: Path) -> None:
        """A branch that does not exist is answered with those that do: release-1.2.3 is none."""
        with pytest.raises(NoTestableBuildError) as caught:
            gathered(DirectoryStore(directory, deadline=Deadline(10)), Channel("release-1.99"))
        assert caught.value.hint == "channels that exist there: master, release-1.30"


@st.composite
def hostile_names(draw: st.DrawFn) -> str:
    """Draw names around what a bucket holds."""
    parts = st.one_of(
        version_texts(), any_text(max_size=8), st.sampled_from(["1.30.", "markers", "..", "", "linux"])
    )
    return "/".join(draw(st.lists(parts, min_size=1, max_size=4)))


class TestLaws:
    @given(
        names=st.lists(hostile_names(), max_size=6),
        channel=st.sampled_from([MASTER, RELEASE, version(alpha(1))]),
    )
    def test_law_no_names_make_anything_but_our_errors(
        self, names: list[str], channel: Channel | BuildVersion
    ) -> None:
        """Whatever a store holds, the answer is a build of it or an error that says why."""
        store = FakeStore()
        for each in names:
            store.add(each)
        try:
            found, _ = gathered(store, channel)
        except KopsVersionError:
            return
        assert any(each.startswith(f"{found.version}/") for each in names)

    @given(
        distances=st.sets(st.integers(0, 9), min_size=1),
        moment=st.integers(-1, 12),
        says_when=st.booleans(),
        marked=st.integers(0, 9),
    )
    def test_law_as_of_is_the_store_of_that_moment(
        self, distances: set[int], moment: int, *, says_when: bool, marked: int
    ) -> None:
        """Asking about a moment is the same as having asked at that moment, but for markers written since."""
        as_of = NOW - DAY + HOUR * moment
        full, then = FakeStore(says_when=says_when), FakeStore(says_when=says_when)
        for distance in distances:
            full.add_build(alpha(distance), at=NOW - DAY + HOUR * distance)
        full.add_marker("master", GREEN_MARKER, alpha(marked), at=NOW - DAY + HOUR * marked)
        then.held = {key: held for key, held in full.held.items() if held.uploaded <= as_of}

        def answer(store: FakeStore, moment: datetime | None) -> tuple[str, str, str] | None:
            try:
                found, _ = gathered(store, now=as_of, as_of=moment)
            except NoTestableBuildError:
                return None
            # Whether a marker that was written later was there before is not known.
            verdict = found.markers[0].verdict
            return (
                str(found.version),
                found.source,
                Verdict.MISSING if verdict is Verdict.UNKNOWN else verdict,
            )

        assert answer(full, as_of) == answer(then, None)
