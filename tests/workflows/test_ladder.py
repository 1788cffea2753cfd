"""The degradation ladder of DESIGN section 7, rung by rung, against a server that fails in parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from attrs import evolve

from kopsversion.errors import (
    AccessDeniedError,
    MarkerRefusedError,
    NoTestableBuildError,
    StoreError,
    StoreUnavailableError,
)
from kopsversion.model.answer import Rung, Severity, Source, Verdict
from kopsversion.model.channel import BRANCH_MARKER, GREEN_MARKER, MASTER
from kopsversion.model.policy import OnStale, Policy, Strategy
from kopsversion.workflows.latest import resolve_latest
from tests.builders import DAY, HOUR, NOW, alpha, beta, patch
from tests.gcs_faults import Stall, Status
from tests.gcs_server import KOPS_BUCKET, KOPS_ROOT, LISTINGS, GcsServer, Kind
from tests.scenes import ATTEMPTS, CUT, FAST, MASTER_LAST, PLAIN, Scene, ask, every_hour, store_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from kopsversion.model.answer import Resolution
    from tests.gcs_server import Recorded

pytestmark = pytest.mark.usefixtures("naps")

OFF = Status(503)
DENIED = Status(403)
BUILD_LISTINGS = (Kind.MAJORS, Kind.MINORS, Kind.BUILDS, Kind.UPLOADS)
GREEN = (MASTER, GREEN_MARKER)


def told(found: Resolution) -> dict[str, Severity]:
    """Every code with the worst severity that it comes with."""
    return {condition.code: condition.severity for condition in reversed(found.conditions)}


def about(found: Resolution, code: str) -> str:
    return next(condition.message for condition in found.conditions if condition.code == code)


def of_build(*versions: str) -> Callable[[Recorded], bool]:
    """Whether a request is about one of these builds."""
    return lambda request: any(version in request.name for version in versions)


def promoted(scene: Scene, version: str) -> Scene:
    """Let green name another build."""
    return evolve(scene, markers={**scene.markers, GREEN: version})


class TestWhole:
    def test_everything_answers(self, gcs_server: GcsServer) -> None:
        """The first rung, and nothing to remark."""
        PLAIN.put(gcs_server)
        found = ask(store_of(gcs_server))
        assert (str(found.version), found.source, found.rung) == (alpha(5), Source.MARKER, Rung.FULL)
        assert found.conditions == ()

    @pytest.mark.parametrize("kind", [*BUILD_LISTINGS, Kind.OBJECTS, Kind.MARKER])
    def test_a_passing_fault_changes_nothing_but_the_number_of_requests(
        self, gcs_server: GcsServer, kind: Kind
    ) -> None:
        """FAILURES row 15: one attempt fewer than there are may fail at every kind of request."""
        CUT.put(gcs_server)
        whole = ask(store_of(gcs_server))
        gcs_server.fail(OFF, kind, times=ATTEMPTS - 1)
        again = ask(store_of(gcs_server))
        assert again == evolve(whole, requests=whole.requests + ATTEMPTS - 1)


class TestWithoutListing:
    """The third rung: a marker alone, its build verified."""

    def test_its_build_is_verified_by_listing_its_own_directory(self, gcs_server: GcsServer) -> None:
        """Nothing else is listed, and the answer says that nothing but a marker supports it."""
        PLAIN.put(gcs_server)
        gcs_server.fail(OFF, *BUILD_LISTINGS, times=None)
        found = ask(store_of(gcs_server))
        assert (str(found.version), found.source, found.rung) == (alpha(5), Source.MARKER, Rung.MARKER)
        assert found.markers[0].verdict is Verdict.UNVERIFIED
        assert told(found) == {"listing-unavailable": Severity.WARNING, "marker-unverified": Severity.WARNING}
        assert "HTTP 503" in about(found, "listing-unavailable")
        assert found.newest is None
        assert [r.name for r in gcs_server.requests if r.kind is Kind.OBJECTS] == [f"{KOPS_ROOT}{alpha(5)}/"]

    @pytest.mark.parametrize("status", [401, 403])
    def test_where_listing_is_denied_it_is_verified_by_its_checksums(self, status: int) -> None:
        """FAILURES row 23: the images stay unknown, and that is said."""
        with GcsServer(deny_listing=status) as server:  # type: ignore[arg-type] # one of the two that there are
            PLAIN.put(server)
            found = ask(store_of(server))
            assert (str(found.version), found.rung) == (alpha(5), Rung.MARKER)
            messages = [c.message for c in found.conditions if c.code == "listing-unavailable"]
            assert len(messages) == 2
            assert any("images" in message for message in messages)
            assert server.count(Kind.MEDIA) == 4

    def test_a_directory_that_cannot_be_listed_for_another_reason_is_no_proof_by_checksums(
        self, gcs_server: GcsServer
    ) -> None:
        """A store that is out of order is not asked for a weaker proof: its answers prove nothing now."""
        PLAIN.put(gcs_server)
        gcs_server.fail(OFF, *LISTINGS, times=None)
        with pytest.raises(StoreUnavailableError) as caught:
            ask(store_of(gcs_server))
        assert gcs_server.count(Kind.MEDIA) == 0
        assert any(f"names {alpha(5)}" in reason for reason in caught.value.reasons)

    def test_a_build_without_its_checksums_is_not_verified(self) -> None:
        """Who may not list cannot tell what is missing from what is hidden, so it is the store that failed."""
        with GcsServer(deny_listing=403) as server:
            evolve(PLAIN, removed=(f"{alpha(5)}/linux/arm64/nodeup.sha256",)).put(server)
            with pytest.raises(AccessDeniedError) as caught:
                ask(store_of(server))
            assert "nodeup.sha256" in " ".join(caught.value.reasons)

    def test_checksums_that_are_surely_missing_make_the_build_incomplete(self, gcs_server: GcsServer) -> None:
        """Where listings are denied but a missing object is a plain 404."""
        evolve(PLAIN, removed=(f"{alpha(5)}/linux/arm64/nodeup.sha256",)).put(gcs_server)
        gcs_server.fail(DENIED, *LISTINGS, times=None)
        with pytest.raises(AccessDeniedError) as caught:
            ask(store_of(gcs_server))
        assert "linux/arm64/nodeup.sha256 is missing" in " ".join(caught.value.reasons)

    def test_a_checksum_that_is_an_error_page_proves_nothing(self, gcs_server: GcsServer) -> None:
        """FAILURES row 10, for the file that is the proof."""
        PLAIN.put(gcs_server)
        gcs_server.bucket().add(
            f"{KOPS_ROOT}{alpha(5)}/linux/amd64/kops.sha256", "<html>Sign in</html>", at=NOW - DAY
        )
        gcs_server.fail(DENIED, *LISTINGS, times=None)
        with pytest.raises(AccessDeniedError):
            ask(store_of(gcs_server))

    @pytest.mark.parametrize(
        ("names", "verdict"),
        [(alpha(9), "not in the store"), (patch(1), "release-1.29"), ("1.30.0-alpha.1", "tag's own build")],
    )
    def test_a_marker_that_is_wrong_by_itself_cannot_stand_in(
        self, gcs_server: GcsServer, names: str, verdict: str
    ) -> None:
        """FAILURES rows 9 and 12: gone, or another branch's; then there is no answer, and every reason is told."""
        promoted(PLAIN, names).put(gcs_server)
        gcs_server.fail(OFF, *BUILD_LISTINGS, times=None)
        with pytest.raises(StoreUnavailableError) as caught:
            ask(store_of(gcs_server), policy=Policy(markers=(GREEN_MARKER,)))
        assert caught.value.exit_code == 4
        assert any(reason.startswith("builds: ") for reason in caught.value.reasons)
        assert any(verdict in reason for reason in caught.value.reasons)
        assert "--allow-cached" in caught.value.hint

    @pytest.mark.parametrize("names", [alpha(9), patch(1), "1.30.0-alpha.1"])
    def test_the_next_marker_stands_in(self, gcs_server: GcsServer, names: str) -> None:
        """Where green is wrong by itself, latest-ci.txt is what is left, with every warning."""
        promoted(PLAIN, names).put(gcs_server)
        gcs_server.fail(OFF, *BUILD_LISTINGS, times=None)
        found = ask(store_of(gcs_server))
        assert (str(found.version), found.rung) == (alpha(5), Rung.MARKER)
        assert {code for code, severity in told(found).items() if severity is Severity.WARNING} >= {
            "listing-unavailable",
            "marker-unverified",
        }

    def test_an_incomplete_build_cannot_stand_in(self, gcs_server: GcsServer) -> None:
        """FAILURES row 6."""
        evolve(PLAIN, removed=(f"{alpha(5)}/linux/arm64/nodeup",)).put(gcs_server)
        gcs_server.fail(OFF, *BUILD_LISTINGS, times=None)
        with pytest.raises(StoreUnavailableError, match="no marker can stand in"):
            ask(store_of(gcs_server))

    def test_it_is_taken_whatever_the_strategy(self, gcs_server: GcsServer) -> None:
        """An answer that says what it rests on is worth more than none."""
        PLAIN.put(gcs_server)
        gcs_server.fail(OFF, Kind.BUILDS, times=None)
        found = ask(store_of(gcs_server), policy=Policy(strategy=Strategy.NEWEST))
        assert (str(found.version), found.rung) == (alpha(5), Rung.MARKER)

    def test_it_cannot_tell_the_second_newest(self, gcs_server: GcsServer) -> None:
        """A marker names one build, and which it is in the order nobody knows."""
        PLAIN.put(gcs_server)
        gcs_server.fail(OFF, Kind.BUILDS, times=None)
        with pytest.raises(StoreUnavailableError):
            ask(store_of(gcs_server), policy=Policy(nth=2))

    def test_a_release_branch_climbs_the_same_ladder(self, gcs_server: GcsServer) -> None:
        """There it is the branch's own marker."""
        PLAIN.put(gcs_server)
        gcs_server.fail(OFF, Kind.BUILDS, times=None)
        found = ask(store_of(gcs_server), selector="release-1.29")
        assert (str(found.version), found.rung) == (patch(5), Rung.MARKER)


class TestWithoutMarkers:
    """The second rung: the builds alone."""

    @pytest.mark.parametrize("fault", [OFF, DENIED, Status(401)])
    def test_the_newest_testable_build_is_taken(self, gcs_server: GcsServer, fault: Status) -> None:
        """And the marker's failure is told."""
        promoted(PLAIN, alpha(4)).put(gcs_server)
        gcs_server.fail(fault, Kind.MARKER, times=None)
        found = ask(store_of(gcs_server))
        assert (str(found.version), found.source, found.rung) == (alpha(5), Source.NEWEST, Rung.LISTING)
        assert told(found) == {"marker-unreachable": Severity.WARNING}

    def test_a_marker_that_does_not_exist_is_no_failure_of_the_store(self, gcs_server: GcsServer) -> None:
        """FAILURES row 11: missing is an answer, so this is the first rung."""
        PLAIN.put(gcs_server)
        gcs_server.fail(Status(404), Kind.MARKER, times=None)
        found = ask(store_of(gcs_server))
        assert (str(found.version), found.rung) == (alpha(5), Rung.FULL)
        assert told(found) == {"marker-missing": Severity.WARNING}

    def test_refusing_to_fall_back_is_then_an_error_of_the_store(self, gcs_server: GcsServer) -> None:
        """Exit 4 and not 1: whether the marker can be used is not known, and asking again may help."""
        PLAIN.put(gcs_server)
        gcs_server.fail(OFF, Kind.MARKER, times=None)
        with pytest.raises(StoreUnavailableError, match="could not be learnt") as caught:
            ask(store_of(gcs_server), policy=Policy(on_stale=OnStale.REFUSE))
        assert caught.value.exit_code == 4

    def test_a_stale_marker_is_refused_whatever_else_fails(self, gcs_server: GcsServer) -> None:
        """Exit 1: this one is known."""
        stale = evolve(promoted(PLAIN, alpha(1)), builds={v: at - 3 * DAY for v, at in PLAIN.builds.items()})
        stale.put(gcs_server)
        with pytest.raises(MarkerRefusedError):
            ask(store_of(gcs_server), policy=Policy(on_stale=OnStale.REFUSE, markers=(GREEN_MARKER,)))


class TestBuildsThatCannotBeExamined:
    """The listing is whole, but the files of some build cannot be had."""

    def test_the_next_newest_is_taken_and_the_unreadable_one_named(self, gcs_server: GcsServer) -> None:
        """Its state is unknown, so the answer may not be the newest, and a warning says which build it is."""
        PLAIN.put(gcs_server)
        gcs_server.fail(OFF, Kind.OBJECTS, times=None, when=of_build(alpha(5)))
        found = ask(store_of(gcs_server))
        assert (str(found.version), found.source) == (alpha(4), Source.NEWEST)
        assert found.markers[0].verdict is Verdict.UNREACHABLE
        refused = next(c for c in found.conditions if c.code == "builds-refused")
        assert refused.severity is Severity.WARNING
        assert refused.data == {"versions": (alpha(5),), "unreadable": (alpha(5),)}

    def test_a_marker_behind_an_unreadable_build_is_not_called_current(self, gcs_server: GcsServer) -> None:
        """Whether it is stale is not known, so it is the third rung."""
        promoted(PLAIN, alpha(4)).put(gcs_server)
        gcs_server.fail(OFF, Kind.OBJECTS, times=None, when=of_build(alpha(5)))
        found = ask(store_of(gcs_server))
        assert (str(found.version), found.source, found.rung) == (alpha(4), Source.MARKER, Rung.MARKER)
        assert found.markers[0].verdict is Verdict.UNVERIFIED
        assert alpha(5) in found.markers[0].message
        assert told(found)["builds-refused"] is Severity.WARNING

    def test_an_unreadable_build_newer_than_one_that_waits_changes_no_verdict(
        self, gcs_server: GcsServer
    ) -> None:
        """The lag counts from the oldest testable build that is newer, and that one is known."""
        promoted(PLAIN, alpha(3)).put(gcs_server)
        gcs_server.fail(OFF, Kind.OBJECTS, times=None, when=of_build(alpha(5)))
        found = ask(store_of(gcs_server))
        assert (str(found.version), found.rung) == (alpha(3), Rung.FULL)
        assert found.markers[0].verdict is Verdict.LAGGING

    def test_after_three_it_is_the_store_that_is_at_fault(self, gcs_server: GcsServer) -> None:
        """A failing store is not asked for every build that it ever had."""
        many = Scene(builds=every_hour(alpha(n) for n in range(1, 200)), markers={GREEN: alpha(199)})
        many.put(gcs_server)
        gcs_server.fail(OFF, Kind.OBJECTS, times=None)
        with pytest.raises(StoreUnavailableError) as caught:
            ask(store_of(gcs_server))
        assert gcs_server.count(Kind.OBJECTS) <= 4 * ATTEMPTS
        assert any("could not be listed" in reason for reason in caught.value.reasons)

    def test_a_channel_of_one_unreadable_build_is_an_error_of_the_store(self, gcs_server: GcsServer) -> None:
        """Exit 4: that there is no testable build is not known."""
        Scene(builds=every_hour([alpha(1)]), markers={}).put(gcs_server)
        gcs_server.fail(OFF, Kind.OBJECTS, times=None)
        with pytest.raises(StoreUnavailableError):
            ask(store_of(gcs_server))

    def test_a_version_that_was_asked_for_by_name(self, gcs_server: GcsServer) -> None:
        """Where only its checksums can be read, the answer says so."""
        PLAIN.put(gcs_server)
        gcs_server.fail(DENIED, Kind.OBJECTS, times=None)
        found = ask(store_of(gcs_server), selector=alpha(2))
        assert (str(found.version), found.source) == (alpha(2), Source.REQUEST)
        assert told(found) == {"listing-unavailable": Severity.WARNING}

    def test_directories_that_may_not_be_listed_are_judged_by_checksums(self, gcs_server: GcsServer) -> None:
        """The names of builds may be listed, their files not: since when a newer one waits is told by one file."""
        promoted(PLAIN, alpha(4)).put(gcs_server)
        gcs_server.fail(DENIED, Kind.OBJECTS, times=None)
        found = ask(store_of(gcs_server))
        assert (str(found.version), found.markers[0].verdict) == (alpha(4), Verdict.LAGGING)
        assert told(found)["listing-unavailable"] is Severity.WARNING


class TestPartOfTheEvidence:
    """What the answer does not strictly need, but the full bucket might have led elsewhere."""

    def test_upload_times_that_cannot_be_learnt_are_told(self, gcs_server: GcsServer) -> None:
        """In the shared window they tell the branches apart."""
        CUT.put(gcs_server)
        gcs_server.fail(OFF, Kind.UPLOADS, times=None)
        found = ask(store_of(gcs_server))
        assert told(found)["listing-unavailable"] is Severity.WARNING
        assert "of 1.29 were uploaded" in about(found, "listing-unavailable")

    @pytest.mark.parametrize("ref", ["master", "release-1.29"])
    def test_a_branch_s_marker_that_cannot_be_read_as_evidence_is_told(
        self, gcs_server: GcsServer, ref: str
    ) -> None:
        """It decides nothing, so without this nobody would hear of it."""
        CUT.put(gcs_server)
        gcs_server.fail(OFF, Kind.MARKER, times=None, when=of_build(f"markers/{ref}/{BRANCH_MARKER}"))
        found = ask(store_of(gcs_server))
        assert told(found)["marker-unreachable"] is Severity.WARNING
        assert f"markers/{ref}/{BRANCH_MARKER}" in about(found, "marker-unreachable")

    @pytest.mark.parametrize(
        ("body", "code"),
        [("<html>Sign in</html>", "marker-malformed"), (f"https://x/{MASTER_LAST}", "marker-foreign")],
    )
    def test_a_branch_s_marker_that_is_no_evidence_is_told(
        self, gcs_server: GcsServer, body: str, code: str
    ) -> None:
        """FAILURES rows 10 and 13, of a marker that only tells the branches apart."""
        CUT.put(gcs_server)
        gcs_server.bucket().add(f"{KOPS_ROOT}markers/release-1.29/{BRANCH_MARKER}", body, at=NOW - DAY)
        found = ask(store_of(gcs_server))
        assert told(found)[code] is Severity.WARNING
        assert f"markers/release-1.29/{BRANCH_MARKER}" in about(found, code)

    def test_the_marker_that_would_settle_a_fresh_build(self, gcs_server: GcsServer) -> None:
        """An upload of a minute ago is over if the branch's marker names it; unread, the build is passed over."""
        fresh = Scene(
            builds={**every_hour(alpha(n) for n in range(1, 4)), alpha(4): NOW - HOUR / 60},
            markers={GREEN: alpha(4), (MASTER, BRANCH_MARKER): alpha(4)},
        )
        fresh.put(gcs_server)
        assert str(ask(store_of(gcs_server)).version) == alpha(4)
        gcs_server.fail(OFF, Kind.MARKER, times=None, when=of_build(BRANCH_MARKER))
        found = ask(store_of(gcs_server))
        assert str(found.version) == alpha(3)
        assert told(found)["marker-unreachable"] is Severity.WARNING

    @pytest.mark.parametrize("on_stale", OnStale)
    def test_a_branch_that_is_known_by_its_marker_alone(
        self, gcs_server: GcsServer, on_stale: OnStale
    ) -> None:
        """Without it its only build seems master's: exit 4 and not 1, because that there is none is not known."""
        young = Scene(builds=every_hour([beta(1)]), markers={("release-1.30", BRANCH_MARKER): beta(1)})
        young.put(gcs_server)
        assert str(ask(store_of(gcs_server), selector="1.30").version) == beta(1)
        gcs_server.fail(OFF, Kind.MARKER, times=None)
        with pytest.raises(StoreUnavailableError) as caught:
            ask(store_of(gcs_server), selector="1.30", policy=Policy(on_stale=on_stale))
        assert "HTTP 503" in " ".join(caught.value.reasons)

    def test_a_marker_that_seems_stale_for_want_of_evidence_is_not_refused(
        self, gcs_server: GcsServer
    ) -> None:
        """Its own marker gives the beta to release-1.30, and green is current; without that, who knows."""
        Scene(
            builds={
                **every_hour([alpha(1)], last=NOW - 9 * DAY),
                **every_hour([beta(1)], last=NOW - 3 * DAY),
            },
            markers={GREEN: alpha(1), ("release-1.30", BRANCH_MARKER): beta(1)},
        ).put(gcs_server)
        refuse = Policy(on_stale=OnStale.REFUSE)
        assert str(ask(store_of(gcs_server), policy=refuse).version) == alpha(1)
        gcs_server.fail(OFF, Kind.MARKER, times=None, when=of_build("release-1.30"))
        with pytest.raises(StoreUnavailableError) as caught:
            ask(store_of(gcs_server), policy=refuse)
        assert "release-1.30/latest-ci.txt' is not available" in caught.value.reasons[-1]

    def test_builds_that_may_be_the_channel_s_are_named_where_it_has_none(
        self, gcs_server: GcsServer
    ) -> None:
        """Nothing failed, so it is exit 1; but the doubt is told."""
        Scene(builds=every_hour([beta(1)]), markers={}).put(gcs_server)
        with pytest.raises(NoTestableBuildError) as caught:
            ask(store_of(gcs_server), selector="1.30")
        assert any(f"{beta(1)}, may be of release-1.30" in reason for reason in caught.value.reasons)

    def test_an_older_minor_that_the_answer_does_not_need(self, gcs_server: GcsServer) -> None:
        """Green names a build of it, but is stale anyway: latest-ci.txt names the newest build."""
        gone = evolve(promoted(PLAIN, alpha(9, minor="1.29")), builds=PLAIN.builds)
        gone.put(gcs_server)
        gcs_server.fail(OFF, Kind.BUILDS, times=None, when=of_build("releases/1.29."))
        found = ask(store_of(gcs_server))
        assert (str(found.version), found.source, found.rung) == (alpha(5), Source.MARKER, Rung.FULL)
        assert told(found)["listing-unavailable"] is Severity.INFO


class TestNothing:
    """No rung is left."""

    def test_what_was_tried_is_told(self, gcs_server: GcsServer) -> None:
        """Exit 4, with every reason."""
        PLAIN.put(gcs_server)
        gcs_server.fail(OFF, times=None)
        with pytest.raises(StoreError) as caught:
            ask(store_of(gcs_server))
        assert caught.value.exit_code == 4
        assert [reason.partition(" ")[0] for reason in caught.value.reasons] == [
            "builds:",
            f"markers/master/{GREEN_MARKER}",
            f"markers/master/{BRANCH_MARKER}",
        ]

    def test_a_bucket_that_does_not_exist(self, gcs_server: GcsServer) -> None:
        """A listing of the bucket that is not found is an error, and not an empty bucket."""
        with pytest.raises(StoreUnavailableError) as caught:
            ask(store_of(gcs_server, bucket="kops-typo"))
        assert "does not exist" in " ".join(caught.value.reasons)

    def test_an_empty_bucket_is_no_failure(self, gcs_server: GcsServer) -> None:
        """Exit 1: the store answered, and has nothing."""
        with pytest.raises(NoTestableBuildError) as caught:
            ask(store_of(gcs_server))
        assert caught.value.exit_code == 1


class TestDeadline:
    """A rung that hangs leaves time for the next one."""

    @pytest.mark.parametrize(
        ("kinds", "rung"),
        [((Kind.MARKER,), Rung.LISTING), (BUILD_LISTINGS, Rung.MARKER), ((Kind.MAJORS,), Rung.MARKER)],
    )
    def test_half_of_the_time_is_left_for_the_rungs_below(
        self, gcs_server: GcsServer, kinds: Iterable[Kind], rung: Rung
    ) -> None:
        """Each round of questions may take half of what is left; the attempts alone would take it all."""
        PLAIN.put(gcs_server)
        gcs_server.fail(Stall(), *kinds, times=None)
        patient = evolve(FAST, read=60.0, whole=60.0)
        found = resolve_latest(store=store_of(gcs_server, attempts=patient), now=NOW, timeout=4.0)
        assert (str(found.version), found.rung) == (alpha(5), rung)
        assert any("its share of the deadline of 4 s" in c.message for c in found.conditions)

    def test_nothing_is_left_when_everything_hangs(self, gcs_server: GcsServer) -> None:
        """Exit 4."""
        PLAIN.put(gcs_server)
        gcs_server.fail(Stall(), times=None)
        with pytest.raises(StoreUnavailableError):
            resolve_latest(store=store_of(gcs_server), now=NOW, timeout=0.5)


def test_the_answer_names_its_store(gcs_server: GcsServer) -> None:
    """Also where it is the only one."""
    PLAIN.put(gcs_server)
    assert ask(store_of(gcs_server)).store == f"gs://{KOPS_BUCKET}/{KOPS_ROOT}"


def test_the_cut_of_a_branch_is_answered_right(gcs_server: GcsServer) -> None:
    """What the tests above take parts of."""
    CUT.put(gcs_server)
    found = ask(store_of(gcs_server))
    assert (str(found.version), found.rung) == (MASTER_LAST, Rung.FULL)
