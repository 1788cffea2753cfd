"""How long a marker has been behind: from the earliest moment on (DESIGN section 6; FAILURES rows 30 and 36)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from kopsversion.model.answer import MarkerReport, Severity, Verdict
from kopsversion.model.channel import BRANCH_MARKER, GREEN_MARKER, MASTER, Attribution, Certainty, Witness
from kopsversion.model.needs import Failure, ListArtifacts, ListUploads
from kopsversion.model.policy import Policy
from kopsversion.rules.asking import Unknown
from kopsversion.rules.freshness import completed
from kopsversion.rules.inquiry import Candidate, Inquiry
from kopsversion.rules.resolver import resolve
from kopsversion.rules.verdicts import judge
from tests.builders import (
    DAY,
    DEFAULT,
    HOUR,
    NODEUP,
    NOW,
    OFF,
    ON_MASTER,
    alpha,
    bare_listing,
    build,
    marker,
    on_master,
    snapshot,
    version,
)

if TYPE_CHECKING:
    from datetime import datetime

    from kopsversion.model.bucket import Build, Marker, Snapshot
    from kopsversion.model.needs import Need


def again(held: Build, position: int, *, at: datetime = NOW - HOUR) -> Build:
    """Upload one file of a build again."""
    files = list(held.artifacts or ())
    place = position % len(files)
    files[place] = evolve(files[place], uploaded=at)
    sampled = at if files[place].path == "linux/amd64/kops.sha256" else held.sampled
    return evolve(held, artifacts=tuple(files), sampled=sampled)


def green(distance: int, *, written: datetime | None = None) -> Marker:
    return marker(MASTER, GREEN_MARKER, alpha(distance), written=written)


def latest(distance: int, *, written: datetime | None = None) -> Marker:
    return marker(MASTER, BRANCH_MARKER, alpha(distance), written=written)


def judged(held: Snapshot, said: Marker, *, policy: Policy = DEFAULT) -> MarkerReport:
    found = judge(said, Inquiry(held, ON_MASTER, policy, NOW))
    assert isinstance(found, MarkerReport)
    return found


def wanted(held: Snapshot, said: Marker) -> set[Need]:
    inquiry = Inquiry(held, ON_MASTER, DEFAULT, NOW)
    assert isinstance(judge(said, inquiry), Unknown)
    return inquiry.needs


class TestCompletion:
    def test_the_last_file_completes_a_build(self) -> None:
        """As far as its files are known; else the time of one of them has to do."""
        assert completed(on_master(1, age=DAY)) == NOW - DAY
        assert completed(bare_listing(alpha(1), NOW - DAY)) == NOW - DAY
        assert completed(bare_listing(alpha(1))) is None

    def test_a_file_that_came_long_after_all_others_was_uploaded_again(self) -> None:
        """It does not make the build new."""
        whole = on_master(1, age=9 * DAY)
        done = completed(again(whole, 3))
        assert done is not None
        assert timedelta() <= NOW - 9 * DAY - done < timedelta(minutes=1) or done == NOW - 9 * DAY

    def test_an_upload_may_take_a_while(self) -> None:
        """Within the hour the last file counts."""
        whole = on_master(1, age=DAY)
        assert completed(again(whole, 3, at=NOW - DAY + HOUR)) == NOW - DAY + HOUR


class TestLag:
    def test_it_counts_from_the_build_that_was_there_first(self) -> None:
        """Whichever that was: the oldest by name was built late."""
        held = snapshot(
            on_master(1, age=30 * DAY), on_master(2, age=2 * HOUR), on_master(3, age=5 * HOUR), on_master(4)
        )
        assert judged(held, green(1)).lag == 5 * HOUR

    def test_an_old_merge_that_is_built_today_changes_nothing(self) -> None:
        """Another has waited for days."""
        held = snapshot(on_master(1, age=30 * DAY), on_master(2, age=HOUR), on_master(3, age=9 * DAY))
        report = judged(held, green(1))
        assert (report.verdict, report.lag) == (Verdict.STALE, 9 * DAY)
        assert f"although {alpha(3)} could have been promoted 9 days ago" in report.message

    def test_one_that_cannot_be_tested_does_not_count(self) -> None:
        """Nor does one that is excluded."""
        held = snapshot(
            on_master(1, age=30 * DAY), on_master(2, age=HOUR), on_master(3, age=9 * DAY, without=NODEUP)
        )
        assert judged(held, green(1)).lag == HOUR
        whole = snapshot(on_master(1, age=30 * DAY), on_master(2, age=HOUR), on_master(3, age=9 * DAY))
        excluded = evolve(DEFAULT, exclude=frozenset({version(alpha(3))}))
        assert judged(whole, green(1), policy=excluded).lag == HOUR

    def test_builds_that_are_younger_than_the_limit_need_not_be_looked_into(self) -> None:
        """By the time of one of their files; older ones are, the oldest first."""
        names = [bare_listing(alpha(n), NOW - n * HOUR) for n in (3, 4)]
        old = bare_listing(alpha(5), NOW - 9 * DAY)
        held = evolve(snapshot(on_master(1, age=30 * DAY), on_master(2, age=HOUR), *names, old), whole=False)
        assert wanted(held, green(1)) == {ListArtifacts(version(alpha(5)))}
        young = evolve(snapshot(on_master(1, age=30 * DAY), on_master(2, age=HOUR), *names), whole=False)
        assert judged(young, green(1)).verdict is Verdict.LAGGING

    def test_of_builds_whose_age_is_not_known_it_is_asked(self) -> None:
        """Where the oldest has not waited too long."""
        names = [bare_listing(alpha(n)) for n in (3, 4)]
        held = evolve(
            snapshot(on_master(1, age=30 * DAY), on_master(2, age=HOUR), *names),
            whole=False,
            timed=frozenset(),
        )
        assert wanted(held, green(1)) == {ListUploads("1.30")}
        failed = evolve(held, failures={ListUploads("1.30"): OFF})
        assert judged(failed, green(1)).verdict is Verdict.LAGGING

    def test_an_old_looking_build_that_was_completed_lately_does_not_make_it_stale(self) -> None:
        """Its first file is old, its last one is not, and no hour passed without one."""
        slow = on_master(3, age=30 * HOUR)
        files = slow.artifacts or ()
        step = 29 * HOUR / len(files)
        slow = evolve(
            slow, artifacts=tuple(evolve(f, uploaded=NOW - 30 * HOUR + step * n) for n, f in enumerate(files))
        )
        held = snapshot(on_master(1, age=30 * DAY), on_master(2, age=HOUR), slow)
        assert judged(held, green(1)).verdict is Verdict.LAGGING

    def test_one_of_them_that_cannot_be_read_leaves_doubt(self) -> None:
        """It may have been waiting for weeks."""
        failures: dict[Need, Failure] = {ListArtifacts(version(alpha(3))): OFF}
        held = evolve(
            snapshot(
                on_master(1, age=30 * DAY), on_master(2, age=HOUR), bare_listing(alpha(3), NOW - 9 * DAY)
            ),
            failures=failures,
        )
        assert judged(held, green(1)).verdict in {Verdict.LAGGING, Verdict.UNVERIFIED}


AGES = st.lists(st.integers(26, 2000), min_size=1, max_size=5)


class TestLaws:
    @given(ages=AGES, which=st.integers(0, 4), position=st.integers(0, 100))
    def test_law_a_file_that_is_uploaded_again_never_makes_a_stale_marker_fresh(
        self, ages: list[int], which: int, position: int
    ) -> None:
        """Any file of any build, the marker's own among them."""
        builds = [on_master(1, age=2001 * HOUR), *(on_master(n, age=a * HOUR) for n, a in enumerate(ages, 2))]
        assert judged(snapshot(*builds), green(1)).verdict is Verdict.STALE
        place = which % len(builds)
        builds[place] = again(builds[place], position)
        assert judged(snapshot(*builds), green(1)).verdict is Verdict.STALE

    @given(ages=AGES, merge=st.integers(2, 60))
    def test_law_an_old_merge_that_is_built_today_never_makes_a_stale_marker_fresh(
        self, ages: list[int], merge: int
    ) -> None:
        """Wherever it lies on the line."""
        builds = [
            on_master(1, age=2001 * HOUR),
            *(on_master(n * 10, age=a * HOUR) for n, a in enumerate(ages, 2)),
        ]
        late = build(alpha(merge * 10 + 5), uploaded=NOW - HOUR)
        assert judged(snapshot(*builds, late), green(1)).verdict is Verdict.STALE

    @given(ages=st.lists(st.integers(1, 2000), min_size=1, max_size=6))
    def test_law_the_lag_is_that_of_the_build_that_was_there_first(self, ages: list[int]) -> None:
        """In whatever order builds came."""
        builds = [on_master(1, age=2001 * HOUR), *(on_master(n, age=a * HOUR) for n, a in enumerate(ages, 2))]
        assert judged(snapshot(*builds), green(1)).lag == max(ages) * HOUR


class TestWrittenLast:
    """``latest-ci.txt``: each build writes it, after all its files."""

    def test_it_is_stale_after_an_hour(self) -> None:
        """Or after less, where less is allowed."""
        held = snapshot(on_master(1, age=DAY), on_master(2, age=2 * HOUR))
        assert judged(held, latest(1)).verdict is Verdict.STALE
        assert judged(held, green(1)).verdict is Verdict.LAGGING
        fresh = snapshot(on_master(1, age=DAY), on_master(2, age=HOUR / 2))
        assert judged(fresh, latest(1)).verdict is Verdict.LAGGING
        hasty = evolve(DEFAULT, max_lag=HOUR / 4)
        assert judged(fresh, latest(1), policy=hasty).verdict is Verdict.STALE

    @pytest.mark.parametrize(("written", "told"), [(3 * HOUR, False), (2 * HOUR, False), (HOUR, True)])
    def test_where_a_newer_build_was_there_before_it_was_written_it_was_set_back(
        self, written: timedelta, *, told: bool
    ) -> None:
        """Row 36: and that is a warning where it could have decided."""
        held = snapshot(
            on_master(1, age=DAY), on_master(2, age=2 * HOUR), markers=[latest(1, written=NOW - written)]
        )
        found = resolve(held, ON_MASTER, Policy(markers=(BRANCH_MARKER,)), NOW)
        codes = {condition.code: condition.severity for condition in found.conditions}
        assert codes["marker-stale"] is Severity.WARNING
        assert codes.get("marker-set-back") is (Severity.WARNING if told else None)
        for condition in (each for each in found.conditions if each.code == "marker-set-back"):
            assert condition.message == (
                "markers/master/latest-ci.txt was written on 2024-05-06 17:00 UTC, when a newer build had been there "
                "since 2024-05-06 16:00 UTC: another job set it back, or the build of an older merge ended later"
            )
            assert condition.data == {"marker": "markers/master/latest-ci.txt", "verdict": "stale"}

    @pytest.mark.parametrize(
        ("policy", "severity"),
        [
            (Policy(markers=(BRANCH_MARKER, GREEN_MARKER)), Severity.WARNING),
            (Policy(markers=(GREEN_MARKER, BRANCH_MARKER)), Severity.INFO),
            (Policy(markers=(BRANCH_MARKER,), nth=2), Severity.INFO),
            (Policy(markers=(GREEN_MARKER,), reported=(BRANCH_MARKER,)), Severity.INFO),
        ],
        ids=["before the one that decided", "after it", "no marker decides", "reported"],
    )
    def test_that_it_was_set_back_matters_only_where_it_could_have_decided(
        self, policy: Policy, severity: Severity
    ) -> None:
        """Else it is good to know."""
        markers = [green(2), latest(1, written=NOW - HOUR)]
        held = snapshot(on_master(1, age=DAY), on_master(2, age=2 * HOUR), markers=markers)
        found = resolve(held, ON_MASTER, policy, NOW)
        assert [each.severity for each in found.conditions if each.code == "marker-set-back"] == [severity]

    def test_one_that_only_lags_can_have_been_set_back_too(self) -> None:
        """It is used, and not in silence."""
        held = snapshot(
            on_master(1, age=DAY), on_master(2, age=HOUR / 2), markers=[latest(1, written=NOW - HOUR / 3)]
        )
        found = resolve(held, ON_MASTER, Policy(markers=(BRANCH_MARKER,)), NOW)
        assert str(found.version) == alpha(1)
        assert {each.code: each.severity for each in found.conditions}["marker-set-back"] is Severity.WARNING

    def test_green_is_never_set_back_by_a_test_that_took_a_while(self) -> None:
        """A smoke test promotes what it began with."""
        held = snapshot(
            on_master(1, age=DAY), on_master(2, age=2 * HOUR), markers=[green(1, written=NOW - HOUR)]
        )
        found = resolve(held, ON_MASTER, DEFAULT, NOW)
        assert "marker-set-back" not in {condition.code for condition in found.conditions}

    def test_a_build_in_doubt_never_counts_against_it(self) -> None:
        """It may be another branch's: the sentence does not call the marker's the newest of all."""
        held = snapshot(on_master(1, age=9 * DAY), on_master(2, age=5 * DAY))
        sure, doubtful = (
            Candidate(each, Attribution(MASTER, Witness.LINEAGE, certainty))
            for each, certainty in zip(held.builds, (Certainty.LIKELY, Certainty.DOUBTFUL), strict=True)
        )
        for said, verdict in ((latest(1), Verdict.CURRENT), (green(1), Verdict.STALE)):
            inquiry = Inquiry(held, ON_MASTER, DEFAULT, NOW)
            inquiry._segments = {("1.30", False): (), ("1.30", True): (doubtful, sure)}
            report = judge(said, inquiry)
            assert isinstance(report, MarkerReport)
            assert report.verdict is verdict
            if verdict is Verdict.CURRENT:
                assert report.message.endswith("the newest testable build that is surely its branch's")
