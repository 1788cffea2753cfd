"""What a decision asks a snapshot, and what it finds missing there: no more, and all of it at once."""

from __future__ import annotations

import functools
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from attrs import evolve

from kopsversion.model.answer import Refusal, RefusalKind
from kopsversion.model.bucket import (
    Build,
    Foreign,
    GitCommit,
    GitLine,
    Malformed,
    Marker,
    MarkerReading,
    Missing,
    Named,
    Snapshot,
    Unreachable,
)
from kopsversion.model.channel import (
    BRANCH_MARKER,
    GREEN_MARKER,
    MASTER,
    Attribution,
    Certainty,
    Channel,
    Witness,
)
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
from kopsversion.rules.attribution import BranchEvidence
from kopsversion.rules.inquiry import UNKNOWN, Candidate, Inquiry, Unknown
from kopsversion.rules.testable import required_paths
from tests import builders
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

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

ON_RELEASE = Channel("release-1.30")

MASTER_S = ReadMarker(MASTER, BRANCH_MARKER)
RELEASE_S = ReadMarker("release-1.30", BRANCH_MARKER)


patch = functools.partial(builders.patch, minor="1.30")


def asking(held: Snapshot, channel: Channel = ON_MASTER, policy: Policy = DEFAULT) -> Inquiry:
    return Inquiry(held, channel, policy, NOW)


def partial(*builds: Build, markers: Sequence[Marker] = ()) -> Snapshot:
    """Make a snapshot in which 1.30 is listed, and nothing else is known."""
    return Snapshot(
        store=STORE,
        minors=frozenset({"1.30"}),
        listed=frozenset({"1.30"}),
        builds=builds,
        markers=tuple(markers),
    )


def names(found: Iterable[Candidate | Unknown]) -> list[str | None]:
    """The versions, with ``None`` where it is unknown how to go on."""
    return [str(each.version) if isinstance(each, Candidate) else None for each in found]


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


class TestCandidates:
    def test_of_every_minor_the_newest_first(self) -> None:
        """Tag builds and other branches' builds are none."""
        held = snapshot(
            on_master(2),
            on_master(1),
            build("1.30.0-alpha.1"),
            build(alpha(7, minor="1.29")),
            build("1.29.1+v1.29.0-3-g0123456789"),
        )
        found = list(asking(held).candidates())
        assert names(found) == [alpha(2), alpha(1), alpha(7, minor="1.29")]
        assert found[0] == Candidate(on_master(2), Attribution(MASTER, Witness.VERSION, Certainty.LIKELY))

    def test_each_stands_once_and_asking_again_gives_the_same(self) -> None:
        """Of a release branch those whose names leave no doubt come first."""
        held = snapshot(
            build(patch(1)),
            build(patch(2)),
            build(beta(3), uploaded=NOW - DAY),
            markers=[marker("release-1.30", BRANCH_MARKER, beta(3))],
        )
        inquiry = asking(held, ON_RELEASE)
        assert names(inquiry.candidates()) == [patch(2), patch(1), beta(3)]
        assert names(inquiry.candidates()) == [patch(2), patch(1), beta(3)]

    def test_the_shared_window_is_looked_into_only_when_nothing_later_will_do(self) -> None:
        """Its evidence costs requests."""
        inquiry = asking(partial(build(patch(1)), bare_listing(beta(3))), ON_RELEASE)
        candidates = inquiry.candidates()
        assert names([next(candidates)]) == [patch(1)]
        assert inquiry.needs == set()
        assert names(candidates) == [None]
        assert inquiry.needs == {MASTER_S, RELEASE_S, ListUploads("1.30")}

    def test_they_end_where_more_must_be_known(self) -> None:
        """With one sign of it, and nothing behind it."""
        assert names(asking(Snapshot(store=STORE)).candidates()) == [None]
        held = evolve(partial(on_master(1)), minors=frozenset({"1.30", "1.29", "1.28"}))
        inquiry = asking(evolve(held, listed=frozenset({"1.30", "1.28"})))
        assert names(inquiry.candidates()) == [alpha(1), None]
        assert inquiry.needs == {ListBuilds("1.29")}

    def test_they_end_in_silence_where_a_minor_cannot_be_listed(self) -> None:
        """A part is never taken for the whole, so the minor behind it is not looked into."""
        held = evolve(
            partial(on_master(1), build(alpha(7, minor="1.28"))),
            minors=frozenset({"1.30", "1.29", "1.28"}),
            listed=frozenset({"1.30", "1.28"}),
            failures={ListBuilds("1.29"): OFF},
        )
        inquiry = asking(held)
        assert names(inquiry.candidates()) == [alpha(1)]
        assert (inquiry.listing_failure, inquiry.needs) == ("503", set())

    def test_to_look_at_what_is_known_leaves_no_need_behind(self) -> None:
        """But those that were there before."""
        inquiry = asking(evolve(partial(on_master(1)), minors=frozenset({"1.30", "1.29"})))
        inquiry.need(ListMarkers())
        assert names(inquiry.known_candidates()) == [alpha(1)]
        assert inquiry.needs == {ListMarkers()}

    def test_bare_commits_need_their_upload_times(self) -> None:
        """Where these cannot be had, the order is what it is."""
        bare = bare_listing("1.30.1+0123456789")
        held = partial(build(patch(1)), bare)
        inquiry = asking(held, ON_RELEASE)
        assert names(inquiry.candidates()) == [None]
        assert inquiry.needs == {ListUploads("1.30")}
        failed = asking(evolve(held, failures={ListUploads("1.30"): OFF}), ON_RELEASE)
        assert names(failed.candidates()) == [patch(1), str(bare.version)]
        assert failed.gaps == {ListUploads("1.30"): "503"}
        timed = evolve(held, builds=(build(patch(1)), evolve(bare, sampled=NOW)))
        assert names(asking(timed, ON_RELEASE).candidates()) == [str(bare.version), patch(1)]

    def test_git_orders_the_builds_that_it_knows_and_leaves_the_others_in_place(self) -> None:
        """Each of them in a place that one of them had."""
        full = {n: f"{n:010x}" + "0" * 30 for n in (1, 2, 4)}
        git = GitLine("origin/master", tuple(GitCommit(full[n], NOW) for n in (4, 1, 2)))
        held = snapshot(
            *(on_master(n) for n in (1, 2, 3, 4)), build("1.30.0-alpha.2+v1.30.0-alpha.1"), git=git
        )
        assert names(asking(held).candidates()) == [
            alpha(2),
            alpha(3),
            alpha(1),
            alpha(4),
            "1.30.0-alpha.2+v1.30.0-alpha.1",
        ]

    def test_a_clone_that_was_read_for_another_channel_tells_of_this_one(self) -> None:
        """What is not on master's line is the release branch's."""
        full = f"{5:010x}" + "0" * 30
        git = GitLine("mine", (GitCommit("9" * 40, NOW),), frozenset({full}), channel=MASTER)
        inquiry = asking(evolve(partial(build(beta(5))), git=git), ON_RELEASE)
        assert inquiry.git_ref == MASTER
        assert names(inquiry.candidates()) == [beta(5)]
        assert inquiry.needs == set()  # git is certain, so no marker is read to tell the branches apart
        assert asking(snapshot(git=evolve(git, channel=None)), ON_RELEASE).git_ref == "release-1.30"
        assert asking(snapshot(), ON_RELEASE).git_ref == "release-1.30"


class TestRaisedMinor:
    """If the minor was raised by mistake, builds of an older one may be of merges that seem to wait (with a clone)."""

    def first(self, *listed: str, waiting: timedelta) -> tuple[Candidate | Unknown, set[Need]]:
        """Ask for the newest build of 1.31, after which a merge has waited for so long."""
        commits = [
            GitCommit(f"{n:010x}" + "0" * 30, NOW - ago)
            for n, ago in ((1, 9 * DAY), (2, 8 * DAY), (3, waiting))
        ]
        held = evolve(
            snapshot(
                *(build(alpha(n, minor="1.31"), uploaded=NOW - 8 * DAY) for n in (1, 2)),
                build(alpha(9), uploaded=NOW - 10 * DAY),
                git=GitLine("origin/master", tuple(commits)),
            ),
            whole=False,
            minors=frozenset({"1.29", "1.30", "1.31"}),
            listed=frozenset(listed),
        )
        inquiry = asking(held)
        return next(inquiry.candidates()), inquiry.needs

    @pytest.mark.parametrize(("more", "is_asked"), [(timedelta(), False), (timedelta(seconds=1), True)])
    def test_the_next_minor_is_looked_at_where_a_merge_waits_for_longer_than_is_allowed(
        self, more: timedelta, *, is_asked: bool
    ) -> None:
        """By `build_sla`."""
        found, needs = self.first("1.31", waiting=DEFAULT.build_sla + more)
        assert isinstance(found, Unknown) is is_asked
        assert needs == ({ListBuilds("1.30")} if is_asked else set())

    def test_where_the_next_minor_has_nothing_newer_the_one_below_is_not_looked_at(self) -> None:
        """Nobody raised it by mistake."""
        found, needs = self.first("1.31", "1.30", waiting=DAY)
        assert (names([found]), needs) == ([alpha(2, minor="1.31")], set())


class TestEvidence:
    """What tells the branches apart in a shared window."""

    def evidence(self, held: Snapshot) -> BranchEvidence | Unknown:
        return asking(held)._evidence("1.30", [build(beta(1))])

    def test_alphas_need_none(self) -> None:
        assert asking(partial())._evidence("1.30", [on_master(1)]) == BranchEvidence()

    def test_both_branches_markers_and_the_upload_times_are_asked_for_at_once(self) -> None:
        """They do not depend on each other."""
        inquiry = asking(partial())
        assert inquiry._evidence("1.30", [build(beta(1))]) is UNKNOWN
        assert inquiry.needs == {MASTER_S, RELEASE_S, ListUploads("1.30")}

    @pytest.mark.parametrize("missing", [MASTER_S, RELEASE_S, ListUploads("1.30")])
    def test_each_of_them_is_waited_for(self, missing: Need) -> None:
        read = [ReadMarker(MASTER, BRANCH_MARKER), ReadMarker("release-1.30", BRANCH_MARKER)]
        held = evolve(
            partial(
                markers=[
                    marker(each.ref, each.name, alpha(1) if each.ref == MASTER else beta(1))
                    for each in read
                    if each != missing
                ]
            ),
            timed=frozenset() if isinstance(missing, ListUploads) else frozenset({"1.30"}),
            minors=frozenset({"1.30"}),
        )
        inquiry = asking(held)
        assert inquiry._evidence("1.30", [build(beta(1))]) is UNKNOWN
        assert inquiry.needs == {missing}

    def test_the_first_build_of_the_minor_that_master_s_marker_names_dates_its_leaving(self) -> None:
        """A patch of a later minor is not master's, a build without a time dates nothing, and green is support."""
        later = [
            build(alpha(2, minor="1.31"), uploaded=NOW - 3 * DAY),
            build(alpha(3, minor="1.31"), uploaded=NOW - 2 * DAY),
            build("1.31.1+v1.31.0-1-g0123456789", uploaded=NOW - 9 * DAY),
            bare_listing(alpha(1, minor="1.31")),
            build(alpha(9, minor="1.29"), uploaded=NOW - 80 * DAY),
            build(beta(1), uploaded=NOW - 70 * DAY),
        ]
        markers = [
            marker(MASTER, BRANCH_MARKER, alpha(3, minor="1.31")),
            marker(MASTER, "other.txt", alpha(2, minor="1.31")),
            marker(MASTER, "none.txt", Missing("does not exist")),
            marker("release-1.30", BRANCH_MARKER, beta(1)),
            marker("release-1.30", "other.txt", beta(2)),
        ]
        assert self.evidence(snapshot(*later, markers=markers)) == BranchEvidence(
            release_named=version(beta(1)),
            release_exists=True,
            master_named=version(alpha(3, minor="1.31")),
            master_left=NOW - 3 * DAY,
            master_tested=frozenset({version(alpha(2, minor="1.31"))}),
            release_tested=frozenset({version(beta(2))}),
        )

    def test_without_such_a_marker_the_next_minor_dates_it(self) -> None:
        """The minors are asked for, and then when the builds of the next one were uploaded."""
        missing = Missing("does not exist")
        markers = [marker(MASTER, BRANCH_MARKER, missing), marker("release-1.30", BRANCH_MARKER, beta(1))]
        held = evolve(partial(markers=markers), timed=frozenset({"1.30"}), minors=None)
        inquiry = asking(held)
        assert inquiry._evidence("1.30", [build(beta(1))]) is UNKNOWN
        assert inquiry.needs == {ListMinors()}
        listed = evolve(held, minors=frozenset({"1.29", "1.30", "1.31", "1.100"}))
        inquiry = asking(listed)
        assert inquiry._evidence("1.30", [build(beta(1))]) is UNKNOWN
        assert inquiry.needs == {ListUploads("1.31")}
        for known in (
            evolve(listed, minors=frozenset({"1.29", "1.30"})),
            evolve(listed, timed=frozenset({"1.30", "1.31"})),
            evolve(held, failures={ListMinors(): OFF}),
        ):
            found = asking(known)._evidence("1.30", [build(beta(1))])
            assert isinstance(found, BranchEvidence)
            assert found.master_left is None
        here = [marker(MASTER, BRANCH_MARKER, beta(3)), marker("release-1.30", BRANCH_MARKER, beta(1))]
        found = asking(evolve(held, markers=tuple(here)))._evidence("1.30", [build(beta(1))])
        assert isinstance(found, BranchEvidence)
        assert found.master_left is None

    def test_where_both_markers_name_one_build_the_green_ones_are_read(self) -> None:
        """They are written by other jobs."""
        markers = [marker(MASTER, BRANCH_MARKER, beta(3)), marker("release-1.30", BRANCH_MARKER, beta(3))]
        held = evolve(partial(markers=markers), timed=frozenset({"1.30"}), minors=frozenset({"1.30"}))
        inquiry = asking(held)
        assert inquiry._evidence("1.30", [build(beta(3))]) is UNKNOWN
        assert inquiry.needs == {ReadMarker(MASTER, GREEN_MARKER), ReadMarker("release-1.30", GREEN_MARKER)}
        green = [
            marker(MASTER, GREEN_MARKER, beta(2)),
            marker("release-1.30", GREEN_MARKER, Missing("is not there")),
        ]
        for read, missing in (green, reversed(green)):
            inquiry = asking(evolve(held, markers=(*markers, read)))
            assert inquiry._evidence("1.30", [build(beta(3))]) is UNKNOWN
            assert inquiry.needs == {ReadMarker(missing.ref, GREEN_MARKER)}
        found = asking(evolve(held, markers=(*markers, *green)))._evidence("1.30", [build(beta(3))])
        assert isinstance(found, BranchEvidence)
        assert (found.master_named, found.release_named) == (version(beta(2)), None)

    @pytest.mark.parametrize(
        ("reading", "refs", "exists"),
        [
            (Named(version(beta(1))), {}, True),
            (Malformed("is empty"), {}, True),
            (Foreign("names a place outside the store"), {}, True),
            (Missing("does not exist"), {("release-1.30", "other.txt")}, True),
            (Missing("does not exist"), {("release-1.29", BRANCH_MARKER)}, False),
            (Missing("does not exist"), None, None),
            (Unreachable("503"), {("release-1.30", BRANCH_MARKER)}, None),
        ],
    )
    def test_whether_the_release_branch_exists(
        self,
        reading: MarkerReading,
        refs: set[tuple[str, str]] | None,
        exists: bool | None,  # noqa: FBT001 - a table's column
    ) -> None:
        """By its marker, or by any other that it has; otherwise that is not known."""
        held = evolve(
            partial(
                markers=[
                    marker(MASTER, BRANCH_MARKER, Missing("does not exist")),
                    marker("release-1.30", BRANCH_MARKER, reading),
                ]
            ),
            timed=frozenset({"1.30"}),
            minors=frozenset({"1.30"}),
            marker_names=None if refs is None else frozenset(refs),
        )
        found = self.evidence(held)
        assert isinstance(found, BranchEvidence)
        assert found.release_exists is exists


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


class TestLooking:
    """First, previous, newer: each asks for no more than it must."""

    def candidates(self, inquiry: Inquiry) -> dict[str, Candidate]:
        return {str(each.version): each for each in inquiry.known_candidates()}

    def test_the_first_testable_one(self) -> None:
        """Past those that are not, to the first that is not known."""
        held = partial(
            on_master(4, without=NODEUP), on_master(3), bare_listing(alpha(2)), bare_listing(alpha(1))
        )
        inquiry = asking(held)
        known = self.candidates(inquiry)
        ordered = [known[alpha(n)] for n in (4, 3, 2, 1)]
        assert inquiry.first_testable(ordered) == known[alpha(3)]
        assert inquiry.first_testable(ordered[:1]) is None
        assert inquiry.needs == set()
        assert inquiry.first_testable([UNKNOWN, *ordered]) is UNKNOWN
        assert inquiry.first_testable([ordered[0], *ordered[2:]]) is UNKNOWN
        assert inquiry.needs == {ListArtifacts(version(alpha(2)))}

    def test_the_testable_one_before(self) -> None:
        """Not the chosen one itself, and none that is newer."""
        held = partial(on_master(4), on_master(3), on_master(2, without=NODEUP), on_master(1))
        inquiry = asking(held)
        known = self.candidates(inquiry)
        assert inquiry.previous_testable(known[alpha(4)]) == known[alpha(3)]
        assert inquiry.previous_testable(known[alpha(3)]) == known[alpha(1)]
        assert inquiry.previous_testable(known[alpha(1)]) is None
        assert inquiry.known_previous(known[alpha(3)]) == known[alpha(1)]
        assert inquiry.known_previous(known[alpha(1)]) is None

    def test_the_one_before_as_far_as_is_known(self) -> None:
        """Past one that is not known, and nothing is asked for."""
        held = partial(on_master(4), bare_listing(alpha(3)), on_master(1))
        inquiry = asking(held)
        inquiry.need(ListMarkers())
        known = self.candidates(inquiry)
        assert inquiry.known_previous(known[alpha(4)]) == known[alpha(1)]
        assert not inquiry.is_known_testable(known[alpha(3)].build)
        assert inquiry.is_known_testable(known[alpha(1)].build)
        assert inquiry.needs == {ListMarkers()}

    def test_one_that_is_proved_by_its_checksums_is_known_to_be_testable(self) -> None:
        """Where its directory may not be listed."""
        proof = tuple(f"{path}.sha256" for path in required_paths(DEFAULT.platforms))
        proved = Build(version(alpha(1)), checksums=proof)
        held = evolve(partial(proved), failures={ListArtifacts(proved.version): DENIED})
        assert asking(held).is_known_testable(proved)

    def test_why_newer_ones_were_passed_over(self) -> None:
        """As far as that is known, newest first; nothing is asked for."""
        held = partial(
            on_master(6, without=NODEUP),
            bare_listing(alpha(5)),
            on_master(4, without=NODEUP),
            on_master(3),
            on_master(2, without=NODEUP),
        )
        inquiry = asking(held)
        inquiry.need(ListMarkers())
        chosen = self.candidates(inquiry)[alpha(3)]
        assert [str(each.version) for each in inquiry.known_refusals(chosen)] == [alpha(6), alpha(4)]
        assert inquiry.needs == {ListMarkers()}


class TestDoubt:
    def test_builds_that_may_be_the_channel_s_are_those_that_others_have_without_certainty(self) -> None:
        """Newest first; none before anything was attributed."""
        held = snapshot(bare_listing(beta(3)), bare_listing(beta(5)), build(patch(1)))
        inquiry = asking(held, ON_RELEASE)
        assert inquiry.doubtful() == ()
        list(inquiry.candidates())
        assert inquiry.doubtful() == (version(beta(5)), version(beta(3)))
        assert asking(held).doubtful() == ()
        on_master = asking(held)
        list(on_master.candidates())
        assert on_master.doubtful() == ()

    def test_only_builds_that_were_attributed_have_rivals(self) -> None:
        """Others were not among the channel's."""
        held = snapshot(bare_listing(beta(3)), bare_listing(beta(5)))
        inquiry = asking(held, ON_RELEASE)
        assert inquiry.rivals(version(beta(3))) == ()
        list(inquiry.candidates())
        assert inquiry.rivals(version(beta(3))) == (version(beta(5)), version(beta(3)))
        assert inquiry.rivals(version(beta(4))) == (version(beta(5)),)
        assert inquiry.attribution(version(beta(4))) is None
        of_master = asking(held)
        list(of_master.candidates())
        assert of_master.rivals(version(beta(3))) == ()


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


class TestDirectoriesOfOneCommit:
    """Clones abbreviate commits differently, so one commit may have been built under two names."""

    SHORT, LONG = alpha(2), f"{alpha(2)}abcd"
    EARLIER, LATER = NOW - 2 * HOUR, NOW - HOUR

    def asked(
        self, short: datetime | None, long: datetime | None, *, named: str = alpha(1), times: bool = False
    ) -> tuple[list[str], set[Need]]:
        """Name the builds, newest first, and what is asked for, where the two were uploaded at these times."""
        markers = [marker(MASTER, GREEN_MARKER, named), marker(MASTER, BRANCH_MARKER, alpha(1))]
        held = evolve(
            snapshot(
                on_master(1), bare_listing(self.SHORT, short), bare_listing(self.LONG, long), markers=markers
            ),
            whole=False,
            timed=frozenset({"1.30"} if times else ()),
        )
        inquiry = Inquiry(held, ON_MASTER, DEFAULT, NOW)
        found = [str(each.version) for each in inquiry.candidates() if isinstance(each, Candidate)]
        return found, inquiry.needs

    @pytest.mark.parametrize(
        ("short", "long", "order"),
        [
            (EARLIER, LATER, [SHORT, LONG, alpha(1)]),
            (LATER, EARLIER, [LONG, SHORT, alpha(1)]),
            (LATER, LATER, [LONG, SHORT, alpha(1)]),
        ],
    )
    def test_the_earlier_one_is_taken(self, short: datetime, long: datetime, order: list[str]) -> None:
        """Of two of one moment the longer name."""
        assert self.asked(short, long) == (order, set())

    @pytest.mark.parametrize("short", [None, LATER])
    def test_times_that_are_not_known_are_asked_for(self, short: datetime | None) -> None:
        """Until they are, none of the two is taken."""
        assert self.asked(short, None) == ([], {ListUploads("1.30")})
        assert self.asked(short, None, times=True)[1] == set()

    def test_one_that_a_marker_names_is_taken_whatever_the_times(self) -> None:
        """So they are not asked for."""
        assert self.asked(None, self.LATER, named=self.SHORT) == ([self.SHORT, self.LONG, alpha(1)], set())

    def test_an_abbreviation_of_two_commits_stands_by_itself(self) -> None:
        """Three builds, in order of time."""
        other = f"{alpha(2)}ffff"
        times = {self.SHORT: NOW - 3 * HOUR, other: self.EARLIER, self.LONG: self.LATER}
        held = snapshot(*(bare_listing(name, at) for name, at in times.items()))
        found = Inquiry(held, ON_MASTER, DEFAULT, NOW).candidates()
        assert [str(each.version) for each in found if isinstance(each, Candidate)] == [
            self.LONG,
            other,
            self.SHORT,
        ]
