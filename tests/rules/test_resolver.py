"""The decision as a function: cases of DESIGN sections 6 and 7, and the laws that hold over all of them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from kopsversion.errors import MarkerRefusedError, NoTestableBuildError, StoreUnavailableError
from kopsversion.model.answer import Resolution, Rung, Severity, Source, Verdict
from kopsversion.model.bucket import Build, Foreign, Malformed, Missing, Snapshot, Unreachable
from kopsversion.model.channel import BRANCH_MARKER, GREEN_MARKER, Channel, Witness
from kopsversion.model.needs import (
    Failure,
    ListArtifacts,
    ListBuilds,
    ListMinors,
    ListUploads,
    ReadMarker,
    Undecided,
)
from kopsversion.model.policy import OnStale, Policy, Strategy
from kopsversion.model.version import BuildVersion
from kopsversion.rules.resolver import SnapshotIncompleteError, decide, resolve
from tests.builders import DEFAULT, NOW, STORE, alpha, bare_listing, build, marker, on_master, patch, snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MASTER = Channel("master")
RELEASE = Channel("release-1.29")
NEWEST = Policy(strategy=Strategy.NEWEST)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def codes(resolution: Resolution) -> dict[str, Severity]:
    return {condition.code: condition.severity for condition in resolution.conditions}


def verdicts(resolution: Resolution) -> dict[str, Verdict]:
    return {report.marker.name: report.verdict for report in resolution.markers}


LACKS_NODEUP = ("linux/arm64/nodeup", "linux/arm64/nodeup.sha256")


class TestWorkedCases:
    """The worked cases of DESIGN section 7."""

    def test_a_red_smoke_test_for_three_weeks_gives_the_newest_testable_build(self) -> None:
        """FAILURES rows 1, 2 and 18: builds go on, green does not."""
        builds = [on_master(n, age=timedelta(days=31 - n)) for n in range(1, 31)]
        found = resolve(
            snapshot(*builds, markers=[marker("master", GREEN_MARKER, alpha(9))]), MASTER, DEFAULT, NOW
        )
        assert str(found.version) == alpha(30)
        assert found.source is Source.NEWEST
        assert verdicts(found) == {GREEN_MARKER: Verdict.STALE}
        assert found.markers[0].lag == timedelta(days=21)
        assert codes(found)["marker-stale"] is Severity.WARNING
        assert found.is_degraded

    def test_a_red_postsubmit_gives_the_marker_s_build_and_says_that_builds_stopped(self) -> None:
        """FAILURES row 28: the marker is two months old and right."""
        builds = [on_master(n, age=timedelta(days=61)) for n in (376, 378)]
        found = resolve(
            snapshot(*builds, markers=[marker("master", GREEN_MARKER, alpha(378))]), MASTER, DEFAULT, NOW
        )
        assert (str(found.version), found.source) == (alpha(378), Source.MARKER)
        assert verdicts(found) == {GREEN_MARKER: Verdict.CURRENT}
        assert codes(found)["builds-old"] is Severity.WARNING

    def test_an_incomplete_newest_build_leaves_the_one_before_current(self) -> None:
        """FAILURES row 6: newest always means newest testable."""
        builds = [on_master(1, age=2 * HOUR), on_master(2, without=LACKS_NODEUP)]
        found = resolve(
            snapshot(*builds, markers=[marker("master", GREEN_MARKER, alpha(1))]), MASTER, DEFAULT, NOW
        )
        assert str(found.version) == alpha(1)
        assert verdicts(found) == {GREEN_MARKER: Verdict.CURRENT}
        assert [(str(r.version), r.reasons) for r in found.refused] == [
            (alpha(2), ("linux/arm64/nodeup is missing",))
        ]
        assert not found.is_degraded

    def test_a_quiet_week_and_then_a_build_leaves_green_lagging_and_chosen(self) -> None:
        """Neither the marker's age nor its build's age makes it stale."""
        builds = [on_master(1, age=timedelta(days=8)), on_master(2, age=HOUR / 2)]
        found = resolve(
            snapshot(*builds, markers=[marker("master", GREEN_MARKER, alpha(1))]), MASTER, DEFAULT, NOW
        )
        assert (str(found.version), found.source) == (alpha(1), Source.MARKER)
        assert verdicts(found) == {GREEN_MARKER: Verdict.LAGGING}
        assert codes(found)["marker-lagging"] is Severity.INFO
        assert not found.is_degraded


class TestVerdicts:
    """DESIGN section 6, verdict by verdict."""

    @pytest.mark.parametrize(
        ("reading", "verdict"),
        [
            pytest.param(Missing("does not exist"), Verdict.MISSING, id="row 11: missing"),
            pytest.param(Malformed("is an HTML or XML page"), Verdict.MALFORMED, id="row 10: an error page"),
            pytest.param(
                Foreign("names a place outside the store"), Verdict.FOREIGN, id="row 13: moved bucket"
            ),
            pytest.param(Unreachable("503"), Verdict.UNREACHABLE, id="row 15: unreachable"),
            pytest.param(alpha(3), Verdict.DANGLING, id="rows 5 and 12: its build is gone"),
            pytest.param(alpha(1), Verdict.INCOMPLETE, id="row 6: its build is incomplete"),
            pytest.param(patch(7), Verdict.WRONG_CHANNEL, id="row 9: another channel's build"),
            pytest.param("1.30.0-alpha.1", Verdict.WRONG_CHANNEL, id="row 9: a tag's own build"),
        ],
    )
    def test_a_marker_that_cannot_be_used_falls_back_and_says_why(
        self, reading: object, verdict: Verdict
    ) -> None:
        """The newest testable build is chosen, with a warning of the verdict's name."""
        builds = [on_master(1, without=LACKS_NODEUP), on_master(2), build(patch(7)), build("1.30.0-alpha.1")]
        markers = [marker("master", GREEN_MARKER, reading)]  # type: ignore[arg-type] # a table of both kinds
        found = resolve(snapshot(*builds, markers=markers), MASTER, evolve(DEFAULT, max_lag=DAY), NOW)
        assert (str(found.version), found.source) == (alpha(2), Source.NEWEST)
        assert verdicts(found) == {GREEN_MARKER: verdict}
        assert codes(found)[f"marker-{verdict}"] is Severity.WARNING

    def test_the_lag_counts_from_the_oldest_testable_build_newer_than_the_marker_s(self) -> None:
        """An incomplete one in between does not count."""
        builds = [
            on_master(1, age=40 * HOUR),
            on_master(2, age=30 * HOUR, without=LACKS_NODEUP),
            on_master(3, age=20 * HOUR),
            on_master(4, age=HOUR),
        ]
        found = resolve(
            snapshot(*builds, markers=[marker("master", GREEN_MARKER, alpha(1))]), MASTER, DEFAULT, NOW
        )
        assert verdicts(found) == {GREEN_MARKER: Verdict.LAGGING}
        assert found.markers[0].lag == 20 * HOUR

    @pytest.mark.parametrize(
        ("beyond", "verdict"), [(timedelta(), Verdict.LAGGING), (timedelta(seconds=1), Verdict.STALE)]
    )
    def test_a_lag_of_exactly_the_limit_is_not_stale(self, beyond: timedelta, verdict: Verdict) -> None:
        """`max_lag` itself is allowed."""
        builds = [on_master(1, age=50 * HOUR), on_master(2, age=24 * HOUR + beyond)]
        found = resolve(
            snapshot(*builds, markers=[marker("master", GREEN_MARKER, alpha(1))]), MASTER, DEFAULT, NOW
        )
        assert verdicts(found) == {GREEN_MARKER: verdict}

    def test_a_marker_in_an_older_minor_is_judged_across_the_minors(self) -> None:
        """The builds after its own are those of its minor and of every later one."""
        old = build("1.29.0-alpha.4+v1.29.0-alpha.3-378-g22ce1230da", uploaded=NOW - 30 * HOUR)
        named = [marker("master", GREEN_MARKER, str(old.version))]
        young = resolve(snapshot(old, on_master(1, age=2 * HOUR), markers=named), MASTER, DEFAULT, NOW)
        assert (young.version, verdicts(young)) == (old.version, {GREEN_MARKER: Verdict.LAGGING})
        late = resolve(snapshot(old, on_master(1, age=25 * HOUR), markers=named), MASTER, DEFAULT, NOW)
        assert (str(late.version), verdicts(late)) == (alpha(1), {GREEN_MARKER: Verdict.STALE})

    def test_a_build_uploaded_in_the_future_gives_no_negative_lag(self) -> None:
        """Clocks differ."""
        builds = [on_master(1), on_master(2, age=-HOUR)]
        markers = [marker("master", GREEN_MARKER, alpha(1)), marker("master", BRANCH_MARKER, alpha(2))]
        found = resolve(snapshot(*builds, markers=markers), MASTER, DEFAULT, NOW)
        assert found.markers[0].lag == timedelta()

    def test_a_marker_of_a_release_branch_naming_another_minor_is_wrong(self) -> None:
        """Also where the name alone leaves the branch open."""
        builds = [build(patch(7)), on_master(1)]
        markers = [marker("release-1.29", BRANCH_MARKER, alpha(1))]
        found = resolve(snapshot(*builds, markers=markers), RELEASE, Policy(markers=(BRANCH_MARKER,)), NOW)
        assert verdicts(found) == {BRANCH_MARKER: Verdict.WRONG_CHANNEL}


class TestGreenThenLatest:
    """DESIGN section 7: on every branch the smoke-tested build, then what the branch's own build says."""

    @pytest.mark.parametrize(
        ("channel", "name"), [(MASTER, alpha), (RELEASE, patch)], ids=["master", "release branch"]
    )
    @pytest.mark.parametrize(
        ("green", "latest", "waited", "answer", "source", "told"),
        [
            (1, 2, HOUR, 1, Source.MARKER, {"marker-lagging": Severity.INFO}),
            (1, 2, 2 * DAY, 2, Source.MARKER, {"marker-stale": Severity.WARNING}),
            (None, 2, HOUR, 2, Source.MARKER, {"marker-missing": Severity.WARNING}),
            (2, None, HOUR, 2, Source.MARKER, {"marker-missing": Severity.INFO}),
            (None, None, HOUR, 2, Source.NEWEST, {"marker-missing": Severity.WARNING}),
            (9, 2, HOUR, 2, Source.MARKER, {"marker-dangling": Severity.WARNING}),
        ],
    )
    def test_the_first_fresh_one_of_the_two_decides(
        self,
        channel: Channel,
        name: Callable[[int], str],
        green: int | None,
        latest: int | None,
        waited: timedelta,
        answer: int,
        source: Source,
        told: dict[str, Severity],
    ) -> None:
        """Its build is the answer; that a release branch has no green marker is nothing to tell."""
        builds = [build(name(1), uploaded=NOW - 3 * DAY), build(name(2), uploaded=NOW - waited)]
        named = {GREEN_MARKER: green, BRANCH_MARKER: latest}
        markers = [marker(channel.ref, each, name(n)) for each, n in named.items() if n is not None]
        found = resolve(snapshot(*builds, markers=markers), channel, Policy(), NOW)
        assert (str(found.version), found.source) == (name(answer), source)
        # On master, which must have a green marker, the next one is asked only where that cannot be used.
        one = channel.is_master and answer == green
        assert [report.marker.name for report in found.markers] == [GREEN_MARKER, BRANCH_MARKER][: 2 - one]
        if one and latest is None:
            told = {}
        if green is None and latest is not None and not channel.is_master:
            told = {}
        assert codes(found) == told

    def test_a_green_marker_that_was_named_is_missed_on_a_release_branch_too(self) -> None:
        """Who trusts it wants to know that it is not there."""
        held = snapshot(build(patch(1)), markers=[marker(RELEASE.ref, BRANCH_MARKER, patch(1))])
        policy = Policy(markers=(GREEN_MARKER, BRANCH_MARKER))
        assert codes(resolve(held, RELEASE, policy, NOW)) == {"marker-missing": Severity.WARNING}

    def test_a_release_branch_without_green_whose_own_marker_cannot_be_read_has_none(self) -> None:
        """The rung says that no marker could be asked; on master the missing one was asked."""
        for channel, name, rung in ((RELEASE, patch, Rung.LISTING), (MASTER, alpha, Rung.FULL)):
            markers = [marker(channel.ref, BRANCH_MARKER, Unreachable("503"))]
            found = resolve(snapshot(build(name(1)), markers=markers), channel, Policy(), NOW)
            assert found.rung is rung


class TestSettled:
    """DESIGN section 5: a build is settled by age, or because its branch's marker names it."""

    def test_an_unsettled_build_on_top_is_passed_over(self) -> None:
        """And it is said, without a warning."""
        builds = [on_master(1), on_master(2, age=timedelta(minutes=9))]
        found = resolve(snapshot(*builds), MASTER, NEWEST, NOW)
        assert str(found.version) == alpha(1)
        assert codes(found)["builds-unsettled"] is Severity.INFO

    def test_the_branch_s_own_marker_proves_that_the_upload_is_over(self) -> None:
        """It is written after every other file."""
        builds = [on_master(1), on_master(2, age=timedelta(minutes=9))]
        markers = [marker("master", BRANCH_MARKER, alpha(2))]
        assert str(resolve(snapshot(*builds, markers=markers), MASTER, NEWEST, NOW).version) == alpha(2)

    def test_the_proof_is_asked_for_only_when_it_matters(self) -> None:
        """A settled build needs no marker; an unsettled one does."""
        partial = Snapshot(
            store=STORE,
            minors=frozenset({"1.30"}),
            listed=frozenset({"1.30"}),
            builds=(on_master(2, age=timedelta(minutes=9)),),
            markers=(marker("master", GREEN_MARKER, Missing("does not exist")),),
        )
        asked = decide(partial, MASTER, DEFAULT, NOW)
        assert asked == Undecided(frozenset({ReadMarker("master", BRANCH_MARKER), ListUploads("1.30")}))


class TestPolicy:
    """What a policy changes."""

    def test_strategy_newest_only_reports_markers(self) -> None:
        """A green marker that is current does not decide, and one that is stale is no warning."""
        builds = [on_master(1, age=50 * HOUR), on_master(2, age=40 * HOUR)]
        found = resolve(
            snapshot(*builds, markers=[marker("master", GREEN_MARKER, alpha(1))]), MASTER, NEWEST, NOW
        )
        assert (str(found.version), found.source) == (alpha(2), Source.NEWEST)
        assert codes(found)["marker-stale"] is Severity.INFO

    @pytest.mark.parametrize(
        ("policy", "distance"), [(DEFAULT, 1), (NEWEST, 3), (Policy(nth=2), 2), (Policy(nth=3), 1)]
    )
    def test_a_lagging_marker_decides_only_where_a_fresh_marker_is_wanted(
        self, policy: Policy, distance: int
    ) -> None:
        """Who asks for the newest build, or for the second newest, asks the builds."""
        held = snapshot(*map(on_master, (1, 2, 3)), markers=[marker("master", GREEN_MARKER, alpha(1))])
        found = resolve(held, MASTER, policy, NOW)
        assert str(found.version) == alpha(distance)
        assert found.source is (Source.MARKER if policy is DEFAULT else Source.NEWEST)

    def test_on_stale_refuse_turns_the_fallback_into_an_error_with_every_marker_s_verdict(self) -> None:
        """FAILURES row 29: some want no fallback at all."""
        builds = [on_master(1, age=50 * HOUR), on_master(2, age=40 * HOUR)]
        held = snapshot(*builds, markers=[marker("master", GREEN_MARKER, alpha(1))])
        with pytest.raises(MarkerRefusedError) as caught:
            resolve(held, MASTER, evolve(DEFAULT, on_stale=OnStale.REFUSE), NOW)
        assert caught.value.channel == "master"
        assert [GREEN_MARKER in reason and "stale" in reason for reason in caught.value.reasons] == [True]

    def test_the_first_usable_marker_of_the_list_decides(self) -> None:
        """Those before it are warnings, those after it are not."""
        builds = [on_master(1, age=50 * HOUR), on_master(2, age=3 * HOUR), on_master(3, age=2 * HOUR)]
        markers = [
            marker("master", "a.txt", alpha(1)),
            marker("master", "b.txt", alpha(2)),
            marker("master", "c.txt", Malformed("is empty")),
        ]
        policy = evolve(DEFAULT, markers=("a.txt", "b.txt", "c.txt"), max_lag=2.5 * HOUR)
        found = resolve(snapshot(*builds, markers=markers), MASTER, policy, NOW)
        assert str(found.version) == alpha(2)
        assert codes(found)["marker-stale"] is Severity.WARNING
        assert codes(found)["marker-malformed"] is Severity.INFO

    def test_a_marker_that_is_only_reported_never_decides(self) -> None:
        """``--explain`` must not change the answer."""
        builds = [on_master(1, age=50 * HOUR), on_master(2, age=40 * HOUR)]
        markers = [marker("master", GREEN_MARKER, alpha(1)), marker("master", BRANCH_MARKER, alpha(2))]
        policy = evolve(DEFAULT, reported=(BRANCH_MARKER, GREEN_MARKER))
        found = resolve(snapshot(*builds, markers=markers), MASTER, policy, NOW)
        assert found.source is Source.NEWEST
        assert verdicts(found) == {GREEN_MARKER: Verdict.STALE, BRANCH_MARKER: Verdict.CURRENT}

    def test_an_excluded_build_is_passed_over_also_when_a_marker_names_it(self) -> None:
        """Known-bad is known-bad."""
        builds = [on_master(1), on_master(2)]
        policy = evolve(DEFAULT, exclude=frozenset({BuildVersion.parse(alpha(2))}))
        found = resolve(
            snapshot(*builds, markers=[marker("master", GREEN_MARKER, alpha(2))]), MASTER, policy, NOW
        )
        assert str(found.version) == alpha(1)
        assert [refusal.reasons for refusal in found.refused] == [("is excluded by request",)]

    @pytest.mark.parametrize(("nth", "distance"), [(1, 5), (2, 3), (3, 1)])
    def test_nth_counts_testable_builds_whatever_the_marker_says(self, nth: int, distance: int) -> None:
        """1 is the newest."""
        builds = [on_master(n, without=LACKS_NODEUP if n % 2 == 0 else ()) for n in range(1, 6)]
        policy = evolve(NEWEST, nth=nth)
        found = resolve(
            snapshot(*builds, markers=[marker("master", GREEN_MARKER, alpha(5))]), MASTER, policy, NOW
        )
        assert str(found.version) == alpha(distance)
        assert str(found.newest) == alpha(5)

    def test_more_testable_builds_than_there_are_is_an_error_that_says_how_many(self) -> None:
        """Not a silent last one."""
        with pytest.raises(NoTestableBuildError, match="only 1 testable build, and number 2"):
            resolve(snapshot(on_master(1)), MASTER, evolve(NEWEST, nth=2), NOW)


class TestConditions:
    """What the reader is told besides."""

    def test_a_build_that_lacks_what_the_one_before_had_is_chosen_with_a_warning(self) -> None:
        """FAILURES row 27: complete in itself, but smaller than before."""
        images = [
            f"images/kops-utils-cp-{arch}.tar.gz{end}"
            for arch in ("amd64", "arm64")
            for end in ("", ".sha256")
        ]
        builds = [on_master(1), on_master(2, without=images)]
        found = resolve(snapshot(*builds), MASTER, NEWEST, NOW)
        assert str(found.version) == alpha(2)
        assert codes(found)["artifacts-differ"] is Severity.WARNING
        (condition,) = [each for each in found.conditions if each.code == "artifacts-differ"]
        assert condition.data["lacking"] == tuple(sorted(images))

    def test_newer_builds_that_stay_broken_longer_than_a_marker_may_lag_are_a_warning(self) -> None:
        """A broken upload this hour is news, one of two days ago is a fault."""
        for age, severity in ((2 * HOUR, Severity.INFO), (30 * HOUR, Severity.WARNING)):
            builds = [on_master(1, age=40 * HOUR), on_master(2, age=age, without=LACKS_NODEUP)]
            assert codes(resolve(snapshot(*builds), MASTER, NEWEST, NOW))["builds-refused"] is severity

    def test_conditions_come_worst_first(self) -> None:
        """So that the first line matters most."""
        builds = [on_master(1, age=30 * DAY), on_master(2, age=timedelta(minutes=1))]
        held = evolve(snapshot(*builds), skipped={"names that are no version": 3})
        severities = [condition.severity.rank for condition in resolve(held, MASTER, NEWEST, NOW).conditions]
        assert severities == sorted(severities, reverse=True)
        assert len(severities) >= 3


class TestExactVersion:
    """DESIGN section 4: an exact version is only checked."""

    def test_a_testable_version_is_answered_as_requested(self) -> None:
        """No marker and no other build is looked at."""
        found = resolve(snapshot(on_master(1), on_master(2)), BuildVersion.parse(alpha(1)), DEFAULT, NOW)
        assert (str(found.version), found.channel, found.source) == (alpha(1), alpha(1), Source.REQUEST)
        assert found.attribution.witness is Witness.REQUEST
        assert found.base_url == f"{STORE}{alpha(1)}"

    def test_a_tag_s_own_build_can_be_asked_for(self) -> None:
        """It is a candidate of no channel, but it is a build."""
        found = resolve(snapshot(build("1.29.0")), BuildVersion.parse("1.29.0"), DEFAULT, NOW)
        assert str(found.version) == "1.29.0"

    def test_a_version_that_is_not_testable_is_refused_with_its_reasons(self) -> None:
        """And never replaced by another."""
        held = snapshot(on_master(1), on_master(2, without=LACKS_NODEUP))
        with pytest.raises(NoTestableBuildError) as caught:
            resolve(held, BuildVersion.parse(alpha(2)), DEFAULT, NOW)
        assert caught.value.reasons == ("linux/arm64/nodeup is missing",)

    def test_a_version_that_is_not_there_is_said_to_be_not_there(self) -> None:
        """Listing nothing under its name is the proof."""
        version = BuildVersion.parse(alpha(9))
        held = evolve(snapshot(on_master(1)), builds=(Build(version, artifacts=()),))
        with pytest.raises(NoTestableBuildError, match="is not in"):
            resolve(held, version, DEFAULT, NOW)

    def test_a_version_whose_files_cannot_be_listed_is_an_error_of_the_store(self) -> None:
        """Unknown is not the same as incomplete."""
        version = BuildVersion.parse(alpha(9))
        held = Snapshot(store=STORE, failures={ListArtifacts(version): Failure("503")})
        with pytest.raises(StoreUnavailableError, match="could not be learnt"):
            resolve(held, version, DEFAULT, NOW)


class TestNoAnswer:
    """Exit 1, with the reasons."""

    def test_a_channel_without_builds_lists_the_channels_that_exist(self) -> None:
        """FAILURES row 11."""
        held = snapshot(
            build(patch(1)), on_master(1), markers=[marker("release-1.29", BRANCH_MARKER, patch(1))]
        )
        with pytest.raises(NoTestableBuildError, match=r"no build of release-1\.99") as caught:
            resolve(held, Channel("release-1.99"), DEFAULT, NOW)
        assert "master, release-1.29" in caught.value.hint

    def test_a_bucket_of_debris_alone_says_what_was_skipped(self) -> None:
        """FAILURES row 22."""
        held = evolve(snapshot(), skipped={"names that are no version": 7})
        with pytest.raises(NoTestableBuildError) as caught:
            resolve(held, MASTER, DEFAULT, NOW)
        assert caught.value.reasons == ("skipped: names that are no version (7)",)
        assert "no builds at all" in caught.value.hint

    def test_a_reason_that_all_builds_share_is_said_once(self) -> None:
        """Of many builds that lack the same the newest stands for all."""
        held = snapshot(*(on_master(n, without=LACKS_NODEUP) for n in range(1, 9)))
        with pytest.raises(NoTestableBuildError) as caught:
            resolve(held, MASTER, DEFAULT, NOW)
        (reason,) = caught.value.reasons
        assert reason.startswith(f"each of the 8 builds, the newest being {alpha(8)}: ")

    def test_builds_none_of_which_is_testable_are_each_named_with_a_reason(self) -> None:
        """FAILURES row 20."""
        held = snapshot(on_master(1, without=LACKS_NODEUP), on_master(2, without=LACKS_NODEUP))
        with pytest.raises(NoTestableBuildError, match="none of the 2 builds") as caught:
            resolve(held, MASTER, DEFAULT, NOW)
        assert [reason.partition(":")[0] for reason in caught.value.reasons] == [alpha(2), alpha(1)]

    def test_a_tag_build_alone_is_no_build_of_a_branch(self) -> None:
        """DESIGN section 4."""
        with pytest.raises(NoTestableBuildError):
            resolve(snapshot(build("1.30.0-alpha.1")), MASTER, DEFAULT, NOW)


class TestLadder:
    """DESIGN section 7: the rungs, as far as the decision sees them."""

    def test_without_a_listing_the_marker_s_build_is_taken_when_its_own_files_are_there(self) -> None:
        """And the answer says that nothing but a marker supports it."""
        held = Snapshot(
            store=STORE,
            base_url=STORE,
            builds=(on_master(1),),
            markers=(marker("master", GREEN_MARKER, alpha(1)),),
            failures={ListMinors(): Failure("503")},
        )
        found = resolve(held, MASTER, evolve(DEFAULT, strategy=Strategy.NEWEST), NOW)
        assert (str(found.version), found.source, found.rung) == (alpha(1), Source.MARKER, Rung.MARKER)
        assert verdicts(found) == {GREEN_MARKER: Verdict.UNVERIFIED}
        assert codes(found)["listing-unavailable"] is Severity.WARNING

    def test_where_even_the_build_s_directory_may_not_be_listed_its_checksums_are_asked_for(self) -> None:
        """FAILURES row 23: listing denied while reading is allowed."""
        version = BuildVersion.parse(alpha(1))
        held = Snapshot(
            store=STORE,
            markers=(marker("master", GREEN_MARKER, alpha(1)),),
            failures={
                ListMinors(): Failure("403", denied=True),
                ListArtifacts(version): Failure("403", denied=True),
            },
        )
        asked = decide(held, MASTER, DEFAULT, NOW)
        assert isinstance(asked, Undecided)
        assert [type(need).__name__ for need in asked.needs] == ["ReadChecksums"]

    def test_a_minor_that_cannot_be_listed_is_never_skipped_for_an_older_one(self) -> None:
        """FAILURES row 19: a partial listing is an error, never an answer."""
        held = Snapshot(
            store=STORE,
            minors=frozenset({"1.29", "1.30"}),
            listed=frozenset({"1.29"}),
            builds=(build("1.29.0-alpha.4+v1.29.0-alpha.3-378-g22ce1230da"),),
            markers=(marker("master", GREEN_MARKER, Missing("does not exist")),),
            failures={ListBuilds("1.30"): Failure("503")},
        )
        with pytest.raises(StoreUnavailableError) as caught:
            resolve(held, MASTER, DEFAULT, NOW)
        assert "builds: 503" in caught.value.reasons

    def test_markers_that_cannot_be_read_leave_the_listing(self) -> None:
        """The rung says so."""
        held = snapshot(on_master(1), markers=[marker("master", GREEN_MARKER, Unreachable("503"))])
        found = resolve(held, MASTER, DEFAULT, NOW)
        assert (str(found.version), found.rung) == (alpha(1), Rung.LISTING)
        assert codes(found)["marker-unreachable"] is Severity.WARNING

    def test_a_build_that_cannot_be_examined_is_passed_over_with_a_warning(self) -> None:
        """It may be fine; that is not known, and that is said."""
        held = evolve(
            snapshot(on_master(1), bare_listing(alpha(2))),
            failures={ListArtifacts(BuildVersion.parse(alpha(2))): Failure("503")},
        )
        found = resolve(held, MASTER, NEWEST, NOW)
        assert str(found.version) == alpha(1)
        assert codes(found)["builds-refused"] is Severity.WARNING


class TestNeeds:
    """What a partial snapshot is asked for: no more than the decision needs, all of it at once."""

    def test_nothing_is_known_of_master_at_first(self) -> None:
        """The minors and the marker are asked for side by side."""
        assert decide(Snapshot(store=STORE), MASTER, DEFAULT, NOW) == Undecided(
            frozenset({ListMinors(), ReadMarker("master", GREEN_MARKER)})
        )

    def test_a_release_branch_needs_no_minors(self) -> None:
        """Its name tells its minor."""
        markers = (ReadMarker("release-1.29", name) for name in (GREEN_MARKER, BRANCH_MARKER))
        assert decide(Snapshot(store=STORE), RELEASE, Policy(), NOW) == Undecided(
            frozenset({ListBuilds("1.29"), *markers})
        )

    def test_a_current_marker_needs_the_files_of_one_build(self) -> None:
        """The newest, which is the marker's."""
        held = Snapshot(
            store=STORE,
            minors=frozenset({"1.29", "1.30"}),
            listed=frozenset({"1.30"}),
            builds=tuple(bare_listing(alpha(n)) for n in range(9)),
            markers=(marker("master", GREEN_MARKER, alpha(8)),),
        )
        asked = decide(held, MASTER, DEFAULT, NOW)
        assert asked == Undecided(frozenset({ListArtifacts(BuildVersion.parse(alpha(8)))}))

    def test_an_old_marker_needs_the_next_build_the_newest_and_upload_times(self) -> None:
        """All in one round trip; its own build only where it turns out to be lagging."""
        held = Snapshot(
            store=STORE,
            minors=frozenset({"1.30"}),
            listed=frozenset({"1.30"}),
            builds=tuple(bare_listing(alpha(n)) for n in range(9)),
            markers=(marker("master", GREEN_MARKER, alpha(3)),),
        )
        wanted = {ListArtifacts(BuildVersion.parse(alpha(n))) for n in (4, 8)}
        assert decide(held, MASTER, DEFAULT, NOW) == Undecided(frozenset({*wanted, ListUploads("1.30")}))

    def test_the_more_builds_were_refused_the_more_are_asked_for_at_once(self) -> None:
        """A long bad stretch costs requests, but few round trips."""
        bad = [on_master(n, without=LACKS_NODEUP) for n in range(20, 40)]
        held = Snapshot(
            store=STORE,
            minors=frozenset({"1.30"}),
            listed=frozenset({"1.30"}),
            builds=(*bad, *(bare_listing(alpha(n)) for n in range(20))),
            markers=(marker("master", GREEN_MARKER, Missing("does not exist")),),
        )
        asked = decide(held, MASTER, DEFAULT, NOW)
        assert isinstance(asked, Undecided)
        wanted = {ListArtifacts(BuildVersion.parse(alpha(n))) for n in range(12, 20)}
        assert asked.needs == {*wanted, ListUploads("1.30")}

    def test_resolve_refuses_a_partial_snapshot_and_names_what_is_missing(self) -> None:
        """A programming mistake is told as one."""
        with pytest.raises(SnapshotIncompleteError, match="ListMinors"):
            resolve(Snapshot(store=STORE), MASTER, DEFAULT, NOW)


# --------------------------------------------------------------------------------------------------
# Laws

states = st.sampled_from(["testable", "incomplete", "unsettled"])
ages = st.integers(min_value=1, max_value=2000).map(lambda hours: hours * HOUR)


@st.composite
def held_builds(draw: st.DrawFn) -> list[Build]:
    """Draw builds of master, with upload times that follow their order."""
    distances = draw(st.lists(st.integers(0, 400), min_size=1, max_size=12, unique=True).map(sorted))
    times = sorted(draw(st.lists(ages, min_size=len(distances), max_size=len(distances))), reverse=True)
    found = []
    for distance, age in zip(distances, times, strict=True):
        state = draw(states)
        without = LACKS_NODEUP if state == "incomplete" else ()
        found.append(
            on_master(distance, age=timedelta(minutes=3) if state == "unsettled" else age, without=without)
        )
    return found


policies = st.builds(
    Policy,
    strategy=st.sampled_from(Strategy),
    on_stale=st.sampled_from(OnStale),
    max_lag=ages,
    nth=st.integers(1, 3),
)
marked = st.one_of(st.integers(0, 400).map(alpha), st.just(patch(7)), st.just(Malformed("is empty")))


def answer(builds: Sequence[Build], said: object, policy: Policy) -> Resolution | None:
    markers = [marker("master", GREEN_MARKER, said)]  # type: ignore[arg-type] # drawn from both kinds
    absent = [Build(BuildVersion.parse(said), artifacts=())] if isinstance(said, str) else []
    known = {each.version: each for each in [*absent, *builds]}
    held = snapshot(*builds, markers=markers)
    try:
        return resolve(evolve(held, builds=tuple(known.values())), MASTER, policy, NOW)
    except (NoTestableBuildError, MarkerRefusedError):
        return None


def is_testable(build_: Build) -> bool:
    paths = {artifact.path for artifact in build_.artifacts or ()}
    return (
        LACKS_NODEUP[0] in paths and build_.uploaded is not None and NOW - build_.uploaded >= DEFAULT.settle
    )


class TestLaws:
    """Issue 2 item 6."""

    @given(builds=held_builds(), said=marked, policy=policies)
    def test_law_the_answer_is_a_testable_build_of_the_snapshot(
        self, builds: list[Build], said: object, policy: Policy
    ) -> None:
        """A marker never makes the answer something that the store does not hold."""
        found = answer(builds, said, policy)
        if found is not None:
            (held,) = [each for each in builds if each.version == found.version]
            assert is_testable(held)
        else:
            refused = policy.on_stale is OnStale.REFUSE and policy.strategy is Strategy.GREEN
            assert refused or sum(map(is_testable, builds)) < policy.nth

    @given(builds=held_builds(), said=marked, policy=policies, data=st.data())
    def test_law_the_order_of_the_listing_is_irrelevant(
        self, builds: list[Build], said: object, policy: Policy, data: st.DataObject
    ) -> None:
        """The whole resolution is the same, not only its version."""
        assert answer(data.draw(st.permutations(builds)), said, policy) == answer(builds, said, policy)

    @given(builds=held_builds(), policy=policies)
    def test_law_an_older_build_never_changes_the_answer(self, builds: list[Build], policy: Policy) -> None:
        """Of one that is given."""
        found = answer(builds, Malformed("is empty"), policy)
        older = build("1.30.0-alpha.1+v1.29.0-beta.1-5-g00000abcde", uploaded=NOW - timedelta(days=300))
        if found is not None:
            again = answer([older, *builds], Malformed("is empty"), policy)
            assert again is not None
            assert (again.version, again.source, again.refused) == (
                found.version,
                found.source,
                found.refused,
            )

    @given(builds=held_builds())
    def test_law_removing_the_chosen_build_gives_the_next_one(self, builds: list[Build]) -> None:
        """Which ``--nth 2`` names too."""
        found = answer(builds, Malformed("is empty"), NEWEST)
        if found is not None:
            rest = [each for each in builds if each.version != found.version]
            assert _version(answer(rest, Malformed("is empty"), NEWEST)) == _version(
                answer(builds, Malformed("is empty"), evolve(NEWEST, nth=2))
            )

    @given(builds=held_builds(), said=marked, policy=policies)
    def test_law_a_marker_never_lowers_the_answer_below_what_the_policy_allows(
        self, builds: list[Build], said: object, policy: Policy
    ) -> None:
        """FAILURES rows 3 and 7: no testable build newer than the answer has waited longer than `max_lag`."""
        found = answer(builds, said, policy)
        if found is not None and policy.nth == 1:
            waiting = [
                NOW - each.uploaded
                for each in builds
                if is_testable(each) and each.version > found.version and each.uploaded is not None
            ]
            assert all(waited <= policy.max_lag for waited in waiting)


def _version(resolution: Resolution | None) -> BuildVersion | None:
    return resolution.version if resolution else None
