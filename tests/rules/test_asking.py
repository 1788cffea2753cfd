"""What is asked of a snapshot about one marker, one minor and one build: no more than is missing."""

from __future__ import annotations

import pytest
from attrs import evolve

from kopsversion.model.answer import Refusal, RefusalKind
from kopsversion.model.bucket import Build, Malformed, Marker, Snapshot, Unreachable
from kopsversion.model.channel import BRANCH_MARKER, MASTER
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
from kopsversion.model.policy import Policy
from kopsversion.model.rough import read_roughly
from kopsversion.rules.asking import UNKNOWN
from kopsversion.rules.inquiry import Inquiry
from kopsversion.rules.testable import required_paths
from tests.builders import (
    DAY,
    DEFAULT,
    DENIED,
    HOUR,
    NODEUP,
    NOW,
    OFF,
    ON_MASTER,
    STORE,
    alpha,
    bare_listing,
    beta,
    build,
    marker,
    on_master,
    snapshot,
    version,
)
from tests.rules.asked import MASTER_S, ON_RELEASE, RELEASE_S, asking, partial


class TestMarkers:
    def test_a_marker_that_is_not_known_is_asked_for(self) -> None:
        """One that is known is not."""
        held = partial(markers=[marker(MASTER, BRANCH_MARKER, alpha(1))])
        inquiry = asking(held)
        assert inquiry.marker(MASTER, BRANCH_MARKER) == held.markers[0]
        assert inquiry.needs == set()
        assert inquiry.marker("release-1.30", "other.txt") is UNKNOWN
        assert inquiry.needs == {ReadMarker("release-1.30", "other.txt")}

    def test_one_that_could_not_be_read_is_unreachable_and_a_gap(self) -> None:
        """Also where it decides nothing."""
        inquiry = asking(evolve(partial(), failures={RELEASE_S: OFF}))
        found = inquiry.marker("release-1.30", BRANCH_MARKER)
        assert found == Marker("release-1.30", BRANCH_MARKER, Unreachable("503"))
        assert inquiry.gaps == {RELEASE_S: "503"}

    def test_the_evidence_failure_is_what_the_store_failed_to_tell(self) -> None:
        """A marker that was read and is none is a gap too, but no failure; of several the first by name is told."""
        held = evolve(
            partial(
                build(beta(1), uploaded=NOW - HOUR), markers=[marker(MASTER, BRANCH_MARKER, Malformed("x"))]
            ),
            failures={RELEASE_S: OFF, ListUploads("1.30"): Failure("timeout")},
        )
        assert asking(held).evidence_failure is None
        inquiry = asking(held)
        list(inquiry.candidates())
        assert inquiry.gaps == {MASTER_S: "it x", RELEASE_S: "503", ListUploads("1.30"): "timeout"}
        told = []
        for gap in (ListUploads("1.30"), RELEASE_S, MASTER_S):
            told.append(inquiry.evidence_failure)
            del inquiry.gaps[gap]
        assert told == ["timeout", "503", None]


class TestMinors:
    def test_a_release_branch_has_one(self) -> None:
        assert asking(Snapshot(store=STORE), ON_RELEASE).minors() == ("1.30",)

    def test_master_has_all_the_newest_first(self) -> None:
        """As numbers."""
        held = Snapshot(store=STORE, minors=frozenset({"1.9", "1.30", "1.10", "2.0"}))
        assert asking(held).minors() == ("2.0", "1.30", "1.10", "1.9")

    def test_where_they_are_not_known_they_are_asked_for(self) -> None:
        """Or why they are not known is noted."""
        inquiry = asking(Snapshot(store=STORE))
        assert inquiry.minors() is UNKNOWN
        assert inquiry.needs == {ListMinors()}
        failed = asking(Snapshot(store=STORE, failures={ListMinors(): OFF}))
        assert (failed.minors(), failed.listing_failure, failed.needs) == ((), "503", set())

    def test_from_an_old_minor_on_eight_are_asked_for_at_once(self) -> None:
        """The newest of those that are not listed yet, down to that minor and no further."""
        held = Snapshot(
            store=STORE, minors=frozenset(f"1.{n}" for n in range(15, 31)), listed=frozenset({"1.30", "1.27"})
        )
        inquiry = asking(held)
        inquiry.ask_down_to("1.26")
        assert inquiry.needs == {ListBuilds(f"1.{n}") for n in (29, 28, 26)}
        inquiry.ask_down_to("1.16")
        assert inquiry.needs == {ListBuilds(f"1.{n}") for n in (29, 28, 26, 25, 24, 23, 22, 21)}

    def test_minors_that_are_not_known_are_the_first_thing_to_ask(self) -> None:
        inquiry = asking(Snapshot(store=STORE))
        inquiry.ask_down_to("1.26")
        assert inquiry.needs == {ListMinors()}


class TestBuilds:
    def test_a_minor_that_is_not_listed_is_asked_for(self) -> None:
        """A build of it that was looked for by itself is not taken for all."""
        inquiry = asking(evolve(partial(on_master(1)), listed=frozenset()))
        assert inquiry.builds("1.30") is UNKNOWN
        assert inquiry.needs == {ListBuilds("1.30")}

    def test_one_that_cannot_be_listed_has_none_that_are_known(self) -> None:
        """The first reason stays."""
        held = evolve(partial(), failures={ListBuilds("1.29"): OFF, ListBuilds("1.28"): Failure("timeout")})
        inquiry = asking(held)
        assert inquiry.builds("1.29") is None
        assert inquiry.builds("1.28") is None
        assert (inquiry.listing_failure, inquiry.needs) == ("503", set())

    def test_a_whole_snapshot_lists_what_it_does_not_hold(self) -> None:
        """There is nothing."""
        assert asking(snapshot(on_master(1))).builds("1.7") == ()

    def test_builds_are_kept_apart_by_minor(self) -> None:
        """Those that were looked for and not found are none."""
        gone = Build(version(alpha(9)), artifacts=())
        inquiry = asking(snapshot(on_master(1), on_master(2), build(alpha(1, minor="1.29")), gone))
        found = inquiry.builds("1.30")
        assert found == (on_master(1), on_master(2))
        assert inquiry.builds("1.29") == (build(alpha(1, minor="1.29")),)
        assert inquiry.needs == set()

    def test_at_a_past_moment_later_builds_are_not_there(self) -> None:
        """That very moment belongs to the past."""
        held = evolve(
            snapshot(
                bare_listing(alpha(1), NOW - DAY),
                bare_listing(alpha(2), NOW),
                bare_listing(alpha(3), NOW + HOUR),
            ),
            as_of=NOW,
        )
        found = asking(held).builds("1.30")
        assert isinstance(found, tuple)
        assert [each.version.distance for each in found] == [1, 2]
        assert asking(evolve(held, as_of=None)).builds("1.30") == held.builds

    def test_at_a_past_moment_a_build_without_files_shows_that_times_are_needed(self) -> None:
        """It was uploaded later, and so were others. Where their times cannot be had, it is left at that."""
        gone = Build(version(alpha(9)), artifacts=())
        held = evolve(partial(on_master(1), gone), as_of=NOW)
        inquiry = asking(held)
        assert inquiry.builds("1.30") is UNKNOWN
        assert inquiry.needs == {ListUploads("1.30")}
        assert asking(evolve(held, timed=frozenset({"1.30"}))).builds("1.30") == (on_master(1),)
        assert asking(evolve(held, as_of=None)).builds("1.30") == (on_master(1),)
        assert asking(evolve(held, builds=(on_master(1),))).builds("1.30") == (on_master(1),)
        failed = asking(evolve(held, failures={ListUploads("1.30"): OFF}))
        assert failed.builds("1.30") == (on_master(1),)
        assert failed.gaps == {ListUploads("1.30"): "503"}


class TestRefusal:
    PROOF = tuple(f"{path}.sha256" for path in required_paths(DEFAULT.platforms))

    def test_a_build_whose_files_are_known_is_judged_by_them(self) -> None:
        inquiry = asking(snapshot(on_master(1), on_master(2, without=NODEUP)))
        assert inquiry.refusal(on_master(1)) is None
        assert inquiry.refusal(on_master(2, without=NODEUP)) == Refusal(
            version(alpha(2)), ("linux/arm64/nodeup is missing",)
        )
        assert inquiry.needs == set()

    def test_one_whose_files_are_not_known_is_asked_for(self) -> None:
        """But not where it is excluded anyway."""
        inquiry = asking(partial())
        assert inquiry.refusal(bare_listing(alpha(1))) is UNKNOWN
        assert inquiry.needs == {ListArtifacts(version(alpha(1)))}
        excluding = asking(partial(), policy=Policy(exclude=frozenset({version(alpha(1))})))
        found = excluding.refusal(bare_listing(alpha(1)))
        assert isinstance(found, Refusal)
        assert (found.kind, excluding.needs) == (RefusalKind.EXCLUDED, set())

    def test_where_listing_is_denied_checksums_are_proof(self) -> None:
        """All of them, or what is missing."""
        bare = bare_listing(alpha(1))
        denied = evolve(partial(bare), failures={ListArtifacts(bare.version): DENIED})
        inquiry = asking(denied)
        assert inquiry.refusal(bare) is UNKNOWN
        assert inquiry.needs == {ReadChecksums(bare.version)}
        assert inquiry.refusal(evolve(bare, checksums=self.PROOF)) is None
        assert inquiry.refusal(evolve(bare, checksums=self.PROOF[1:])) == Refusal(
            bare.version, ("linux/amd64/kops.sha256 is missing",)
        )

    @pytest.mark.parametrize(
        ("listing", "proof", "reason"),
        [(OFF, None, "503"), (OFF, Failure("timeout"), "timeout"), (DENIED, Failure("timeout"), "timeout")],
    )
    def test_a_build_that_cannot_be_read_is_refused_with_the_last_reason(
        self, listing: Failure, proof: Failure | None, reason: str
    ) -> None:
        """Where listing fails and is not denied, checksums are not asked for."""
        bare = bare_listing(alpha(1))
        failures: dict[Need, Failure] = {ListArtifacts(bare.version): listing}
        if proof is not None:
            failures[ReadChecksums(bare.version)] = proof
        inquiry = asking(evolve(partial(bare), failures=failures))
        assert inquiry.refusal(bare) == Refusal(
            bare.version, (f"its files could not be listed: {reason}",), RefusalKind.UNREADABLE
        )
        assert inquiry.needs == set()

    def test_a_fresh_build_is_settled_if_its_branch_s_marker_names_it(self) -> None:
        """Its own branch's, and no other build's."""
        fresh = on_master(2, age=HOUR / 60)
        for said, is_settled in ((alpha(2), True), (alpha(1), False), (Malformed("is empty"), False)):
            inquiry = asking(snapshot(on_master(1), fresh, markers=[marker(MASTER, BRANCH_MARKER, said)]))
            assert (inquiry.refusal(fresh) is None) is is_settled, said
        assert inquiry.gaps == {MASTER_S: "it is empty"}
        inquiry = asking(partial(fresh))
        assert inquiry.refusal(fresh) is UNKNOWN
        assert inquiry.needs == {MASTER_S}


class TestChannels:
    def test_markers_and_minors_tell_which_there_are(self) -> None:
        """Each is asked for once, and not where it is known."""
        nothing = asking(Snapshot(store=STORE))
        assert not nothing.knows_all_channels()
        assert nothing.needs == {ListMarkers(), ListMinors()}
        with_minors = asking(Snapshot(store=STORE, minors=frozenset()))
        assert not with_minors.knows_all_channels()
        assert with_minors.needs == {ListMarkers()}
        with_names = asking(Snapshot(store=STORE, marker_names=frozenset()))
        assert not with_names.knows_all_channels()
        assert with_names.needs == {ListMinors()}
        assert asking(snapshot()).knows_all_channels()

    def test_what_cannot_be_known_is_not_waited_for(self) -> None:
        failures: dict[Need, Failure] = {ListMarkers(): OFF, ListMinors(): OFF}
        assert asking(Snapshot(store=STORE, failures=failures)).knows_all_channels()

    @pytest.mark.parametrize(
        ("refs", "minors", "channels"),
        [
            (
                {"master", "release-1.9", "release-1.30", "v1.30.0", "release-1.2.3", "release-x"},
                {"1.31"},
                ("master", "release-1.30", "release-1.9"),
            ),
            ({"release-1.30"}, set(), ("master", "release-1.30")),
            ({"master"}, {"1.9", "1.30"}, ("master", "release-1.30", "release-1.9")),
            (None, {"1.30"}, ("master", "release-1.30")),
            ({"master"}, None, ("master",)),
            ({"v1.30.0"}, None, ()),
            (None, None, ()),
        ],
    )
    def test_channels_are_told_by_their_markers_or_else_by_their_builds(
        self, refs: set[str] | None, minors: set[str] | None, channels: tuple[str, ...]
    ) -> None:
        """Master first, then the newest; what names no branch is none."""
        held = Snapshot(
            store=STORE,
            marker_names=None if refs is None else frozenset((ref, BRANCH_MARKER) for ref in refs),
            minors=None if minors is None else frozenset(minors),
        )
        assert asking(held).existing_channels() == channels


@pytest.mark.parametrize(
    ("text", "on_master", "on_release"),
    [
        ("1.30.0-alpha.2-dirty", True, True),
        ("1.31.0-beta.1-dirty", True, False),
        ("1.30.1-dirty", False, True),
        ("1.29.1-dirty", False, False),
    ],
)
def test_a_name_that_is_no_version_may_be_one_of_the_channel_s(
    text: str, *, on_master: bool, on_release: bool
) -> None:
    """Master's before the final release, and a release branch's of its own minor."""
    name = read_roughly(text)
    assert name is not None
    for channel, expected in ((ON_MASTER, on_master), (ON_RELEASE, on_release)):
        assert Inquiry(snapshot(), channel, DEFAULT, NOW).may_be_own(name) is expected
