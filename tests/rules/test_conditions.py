"""What a reader should know besides the answer: every condition's code, severity, sentence and data."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from kopsversion.model.answer import Condition, Resolution, Rung, Severity
from kopsversion.model.bucket import (
    Build,
    Foreign,
    GitCommit,
    GitLine,
    Malformed,
    Missing,
    Snapshot,
    Unreachable,
)
from kopsversion.model.channel import BRANCH_MARKER, GREEN_MARKER, MASTER, Channel
from kopsversion.model.codes import Code
from kopsversion.model.needs import (
    Failure,
    ListArtifacts,
    ListBuilds,
    ListMarkers,
    ListMinors,
    ListUploads,
    ReadMarker,
    Undecided,
)
from kopsversion.model.policy import Policy, Strategy
from kopsversion.model.rough import read_roughly
from kopsversion.model.version import BuildVersion
from kopsversion.rules.conditions import worst_first
from kopsversion.rules.inquiry import Inquiry
from kopsversion.rules.resolver import decide, resolve
from kopsversion.rules.testable import required_paths
from tests.builders import (
    DAY,
    DEFAULT,
    HOUR,
    NODEUP,
    NOW,
    OFF,
    ON_MASTER,
    STORE,
    alpha,
    bare_listing,
    build,
    marker,
    on_master,
    patch,
    snapshot,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from kopsversion.model.bucket import Marker
    from kopsversion.model.needs import Need

GREEN = f"markers/master/{GREEN_MARKER}"


def green(version: str) -> Marker:
    return marker(MASTER, GREEN_MARKER, version)


def told(
    *builds: Build,
    markers: Sequence[Marker] = (),
    policy: Policy = DEFAULT,
    git: GitLine | None = None,
) -> Resolution:
    return resolve(snapshot(*builds, markers=markers, git=git), ON_MASTER, policy, NOW)


def condition(found: Resolution, code: str) -> Condition:
    (only,) = (each for each in found.conditions if each.code == code)
    return only


def codes(found: Resolution) -> dict[str, Severity]:
    return {each.code: each.severity for each in found.conditions}


class TestOrder:
    @given(st.lists(st.builds(Condition, st.text(max_size=2), st.sampled_from(Severity), st.just(""))))
    def test_law_the_worst_comes_first_and_equals_keep_their_order(self, given: list[Condition]) -> None:
        """A reader who stops early has read what matters."""
        ordered = worst_first(given)
        assert sorted(map(repr, ordered)) == sorted(map(repr, given))
        for severity in Severity:
            assert [each for each in ordered if each.severity is severity] == [
                each for each in given if each.severity is severity
            ]
        ranks = [each.severity.rank for each in ordered]
        assert ranks == sorted(ranks, reverse=True)

    def test_a_healthy_channel_has_nothing_to_tell(self) -> None:
        """No news is no line."""
        assert told(on_master(1), on_master(2), markers=[green(alpha(2))]).conditions == ()


class TestMarkers:
    def test_a_marker_that_should_have_decided_is_a_warning_with_its_lag(self) -> None:
        """Machines get the numbers that the sentence is about."""
        found = told(on_master(1, age=9 * DAY), on_master(2, age=3 * DAY), markers=[green(alpha(1))])
        stale = condition(found, "marker-stale")
        assert stale.severity is Severity.WARNING
        assert stale.message == (
            f"markers/master/{GREEN_MARKER} names {alpha(1)}, although {alpha(2)} could have been promoted 3 days "
            "ago; the limit is 24 hours"
        )
        assert stale.data == {
            "marker": f"markers/master/{GREEN_MARKER}",
            "verdict": "stale",
            "version": alpha(1),
            "promotion_lag_seconds": 3 * 86400,
        }

    def test_a_marker_that_names_nothing_has_no_version_to_tell(self) -> None:
        """Hostile text is in no condition."""
        found = told(on_master(1), markers=[marker(MASTER, GREEN_MARKER, Malformed("is empty"))])
        assert condition(found, "marker-malformed").data == {
            "marker": f"markers/master/{GREEN_MARKER}",
            "verdict": "malformed",
        }

    @pytest.mark.parametrize(
        ("policy", "severity"),
        [
            (DEFAULT, Severity.WARNING),
            (Policy(strategy=Strategy.NEWEST), Severity.INFO),
            (Policy(nth=2), Severity.INFO),
        ],
        ids=["green", "newest", "the second newest"],
    )
    def test_a_marker_that_decides_nothing_is_merely_reported(
        self, policy: Policy, severity: Severity
    ) -> None:
        """``--strict`` does not fail for a marker that nobody asked."""
        found = told(
            on_master(1, age=9 * DAY), on_master(2, age=3 * DAY), markers=[green(alpha(1))], policy=policy
        )
        assert codes(found)["marker-stale"] is severity

    def test_a_marker_whose_build_is_excluded_by_request_is_no_warning(self) -> None:
        """Who asked for that knows why it does not decide."""
        excluding = evolve(DEFAULT, exclude=frozenset({BuildVersion.parse(alpha(2))}))
        found = told(on_master(1), on_master(2), markers=[green(alpha(2))], policy=excluding)
        assert codes(found) == {"marker-excluded": Severity.INFO}

    def test_only_markers_before_the_one_that_decided_matter(self) -> None:
        """What is behind it in the list was not needed."""
        first, used, last = "first.txt", "used.txt", "last.txt"
        markers = [
            marker(MASTER, first, Malformed("is empty")),
            marker(MASTER, used, alpha(2)),
            marker(MASTER, last, Missing("does not exist")),
        ]
        found = told(on_master(1), on_master(2), markers=markers, policy=Policy(markers=(first, used, last)))
        assert codes(found) == {"marker-malformed": Severity.WARNING, "marker-missing": Severity.INFO}

    def test_explaining_more_never_changes_what_was_told_already(self) -> None:
        """A condition's severity depends on what is the case alone."""
        builds = [on_master(1, age=9 * DAY), on_master(2, age=3 * DAY), on_master(3, without=NODEUP)]
        markers = [green(alpha(1)), marker(MASTER, BRANCH_MARKER, alpha(1))]
        brief = told(*builds, markers=markers)
        long = told(
            *builds,
            markers=markers,
            policy=evolve(DEFAULT, reported=(BRANCH_MARKER, GREEN_MARKER), compare_artifacts=True),
        )
        reported = [each for each in long.conditions if each not in brief.conditions]
        assert [(each.code, each.severity) for each in reported] == [("marker-stale", Severity.INFO)]
        assert set(map(repr, brief.conditions)) <= set(map(repr, long.conditions))
        assert [report.marker.name for report in long.markers] == [GREEN_MARKER, BRANCH_MARKER]


class TestBuilds:
    @pytest.mark.parametrize(
        ("nth", "markers"), [(2, []), (1, [green(alpha(1))])], ids=["--nth 2", "lagging"]
    )
    def test_freshness_is_judged_by_the_newest_and_not_by_the_chosen_build(
        self, nth: int, markers: list[Marker]
    ) -> None:
        """A chosen build of three weeks ago is no sign that builds have stopped."""
        found = told(on_master(1, age=21 * DAY), on_master(2), markers=markers, policy=Policy(nth=nth))
        assert str(found.version) == alpha(1)
        assert "builds-old" not in codes(found)

    def test_the_newest_testable_build_is_named_and_not_the_chosen_one(self) -> None:
        """The marker lags by one of two builds that are old both."""
        found = told(
            on_master(1, age=10 * HOUR),
            on_master(2, age=5 * HOUR),
            markers=[green(alpha(1))],
            policy=evolve(DEFAULT, max_build_age=2 * HOUR),
        )
        assert str(found.version) == alpha(1)
        assert condition(found, "builds-old").data == {"newest": alpha(2), "age_seconds": 5 * 3600}

    def test_a_marker_s_build_of_a_minor_that_the_listing_is_too_old_for_is_the_newest(self) -> None:
        """It was looked up by itself; of the builds that are listed no more than a name is known."""
        first = alpha(1, minor="1.31")
        held = evolve(
            snapshot(bare_listing(alpha(2)), build(first, uploaded=NOW - 30 * DAY), markers=[green(first)]),
            whole=False,
            minors=frozenset({"1.30"}),
        )
        found = decide(held, ON_MASTER, Policy(markers=(GREEN_MARKER,), max_build_age=DAY), NOW)
        assert isinstance(found, Resolution)
        assert str(found.version) == first
        assert codes(found) == {}

    def test_where_newer_builds_cannot_be_tested_that_is_the_sentence(self) -> None:
        """That there was no build for weeks would not be true; that the answer is weeks old is worth a warning."""
        found = told(on_master(1, age=21 * DAY), on_master(2, without=NODEUP), markers=[green(alpha(1))])
        assert list(codes(found)) == ["builds-refused"]
        refused = condition(found, "builds-refused")
        assert refused.severity is Severity.WARNING
        assert refused.message.startswith("1 newer build of master cannot be tested")

    def test_no_build_since_is_said_of_the_last_one_that_came(self) -> None:
        """Testable or not."""
        found = told(
            on_master(1, age=31 * DAY), on_master(2, age=21 * DAY, without=NODEUP), markers=[green(alpha(1))]
        )
        assert set(codes(found)) == {"builds-old", "builds-refused"}
        assert "(21 days)" in condition(found, "builds-old").message

    def test_a_file_that_is_uploaded_again_is_no_new_build(self) -> None:
        """FAILURES row 30: neither does it hide that builds have stopped."""
        again = on_master(1, age=31 * DAY)
        first, *others = again.artifacts or ()
        touched = evolve(again, artifacts=(evolve(first, uploaded=NOW - HOUR), *others))
        assert "builds-old" in codes(told(touched, markers=[green(alpha(1))]))

    def test_with_a_clone_merges_are_counted_and_not_days(self) -> None:
        """By the channel's name."""
        commits = [GitCommit(f"{7:010x}" + "0" * 30, NOW - 9 * DAY), GitCommit(ONE, NOW - DAY)]
        found = told(
            on_master(7, age=9 * DAY), markers=[green(alpha(7))], git=GitLine("origin/master", tuple(commits))
        )
        (stalled,) = found.conditions
        assert (stalled.code, stalled.data["commits_behind"]) == ("builds-stalled", 1)
        assert stalled.message.startswith("master has had no build since")

    def test_merges_are_counted_since_the_last_build_that_the_clone_has(self) -> None:
        """Whether it can be tested or not; what the clone has not fetched yet is not counted from."""
        commits = [GitCommit(f"{n:010x}" + "0" * 30, NOW - age * DAY) for n, age in ((7, 9), (9, 8), (10, 1))]
        builds = [on_master(7, age=9 * DAY), *(on_master(n, age=8 * DAY, without=NODEUP) for n in (9, 12))]
        found = told(*builds, markers=[green(alpha(7))], git=GitLine("origin/master", tuple(commits)))
        assert condition(found, "builds-stalled").data["commits_behind"] == 1

    def test_a_version_that_is_asked_for_is_not_judged_by_its_age_or_branch(self) -> None:
        """Who names a build knows what it is."""
        held = snapshot(on_master(1, age=99 * DAY), on_master(2, age=98 * DAY))
        assert resolve(held, BuildVersion.parse(alpha(1)), DEFAULT, NOW).conditions == ()

    @pytest.mark.parametrize(("age", "severity"), [(DAY, Severity.INFO), (DAY + HOUR, Severity.WARNING)])
    def test_a_build_that_stays_incomplete_is_no_passing_matter(
        self, age: timedelta, severity: Severity
    ) -> None:
        """For as long as a marker may lag, the next build will do; after that somebody should look."""
        found = told(
            on_master(1, age=5 * DAY), on_master(2, age=age, without=NODEUP), markers=[green(alpha(1))]
        )
        refused = condition(found, "builds-refused")
        assert refused.severity is severity
        assert refused.message == (
            f"1 newer build of master cannot be tested; {alpha(2)}: linux/arm64/nodeup is missing"
        )
        assert refused.data == {"versions": (alpha(2),), "unreadable": ()}

    @pytest.mark.parametrize(("waited", "severity"), [(5, Severity.INFO), (7, Severity.WARNING)])
    def test_a_build_that_cannot_be_tested_matters_where_merges_wait_behind_it(
        self, waited: int, severity: Severity
    ) -> None:
        """A clone tells how long: then there is no testable build of what was merged."""
        ids = [f"{number:010x}" + "0" * 30 for number in (1, 2)]
        git = GitLine(
            "origin/master",
            tuple(GitCommit(each, NOW - ago * HOUR) for each, ago in zip(ids, (30, waited), strict=True)),
        )
        found = told(on_master(1, age=29 * HOUR), on_master(2, without=NODEUP), git=git)
        assert condition(found, "builds-refused").severity is severity

    def test_a_build_that_may_still_be_uploading_is_good_to_know(self) -> None:
        """It is not counted among those that cannot be tested."""
        found = told(
            on_master(1),
            on_master(2, age=timedelta(minutes=2)),
            on_master(3, age=timedelta(minutes=1)),
            markers=[green(alpha(1))],
        )
        unsettled = condition(found, "builds-unsettled")
        assert unsettled.severity is Severity.INFO
        assert unsettled.message == (
            f"2 newer builds of master may still be uploading; {alpha(3)}: its newest file was uploaded 60 seconds "
            "ago, and an upload counts as over after 10 minutes"
        )
        assert unsettled.data == {"versions": (alpha(3), alpha(2))}
        assert "builds-refused" not in codes(found)

    def test_a_build_that_lost_files_is_compared_with_the_testable_one_before(self) -> None:
        """An incomplete one in between does not count; the sentence names one file, the data all."""
        lost = ("images/kops-utils-cp-amd64.tar.gz", "images/kops-utils-cp-arm64.tar.gz")
        without = tuple(path for each in lost for path in (each, f"{each}.sha256"))
        found = told(
            on_master(1),
            on_master(2, without=NODEUP),
            on_master(3, without=without),
            markers=[green(alpha(3))],
        )
        differs = condition(found, "artifacts-differ")
        assert differs.severity is Severity.WARNING
        assert differs.message == (
            f"{alpha(3)} lacks 4 files that {alpha(1)} before it has, such as images/kops-utils-cp-amd64.tar.gz"
        )
        assert differs.data == {"previous": alpha(1), "lacking": tuple(sorted(without))}

    def test_a_build_that_gained_files_is_nothing_to_tell(self) -> None:
        """FAILURES row 27: the artifact set grows."""
        lost = ("images/kops-utils-cp-amd64.tar.gz", "images/kops-utils-cp-arm64.tar.gz")
        without = tuple(path for each in lost for path in (each, f"{each}.sha256"))
        assert told(on_master(1, without=without), on_master(2), markers=[green(alpha(2))]).conditions == ()

    def test_names_that_were_skipped_are_counted_by_kind(self) -> None:
        """FAILURES row 22."""
        held = evolve(
            snapshot(on_master(1), markers=[green(alpha(1))]), skipped={"stray files": 2, "odd names": 1}
        )
        skipped = condition(resolve(held, ON_MASTER, DEFAULT, NOW), "names-skipped")
        assert (skipped.severity, skipped.message, skipped.data) == (
            Severity.INFO,
            "not every name in the store is a build: odd names (1), stray files (2)",
            {"stray files": 2, "odd names": 1},
        )


class TestNames:
    """Names that are no version (FAILURES row 38)."""

    @pytest.mark.parametrize(
        ("unread", "skipped", "severity", "message"),
        [
            pytest.param(
                [f"{alpha(3)}-dirty", f"{alpha(7)}-dirty", "1.30.0-alpha.1-dirty"],
                {},
                Severity.WARNING,
                f"{alpha(7)}-dirty is no version, and as far as it can be read it sorts above {alpha(2)}: a newer "
                "build may be hidden by its name",
                id="several above",
            ),
            pytest.param(
                ["1.30.0-alpha.3-dirty", f"{alpha(7)}-dirty", f"{alpha(1)}-dirty"],
                {"stray files": 2, "odd names": 1},
                Severity.WARNING,
                f"1.30.0-alpha.3-dirty is no version, and as far as it can be read it sorts above {alpha(2)}: a "
                "newer build may be hidden by its name; passed over: odd names (1), stray files (2)",
                id="the release counts first",
            ),
            pytest.param(
                [f"{alpha(99)}-dirty", "1.30.0-alpha.2+v1.30.0-alpha.2-3-gabcdef1-dirty"],
                {},
                Severity.WARNING,
                "1.30.0-alpha.2+v1.30.0-alpha.2-3-gabcdef1-dirty is no version, and as far as it can be read it sorts "
                f"above {alpha(2)}: a newer build may be hidden by its name",
                id="then the tag",
            ),
            pytest.param(
                [f"{alpha(1)}-dirty", "1.29.0-alpha.1-dirty"],
                {"odd names": 2},
                Severity.INFO,
                f"not every name in the store is a build: odd names (2), such as {alpha(1)}-dirty",
                id="none above",
            ),
            pytest.param(
                ["1.30.1-dirty"],
                {"odd names": 1},
                Severity.INFO,
                "not every name in the store is a build: odd names (1)",
                id="only another branch's",
            ),
        ],
    )
    def test_the_highest_that_may_be_the_channel_s_is_shown(
        self, unread: Sequence[str], skipped: Mapping[str, int], severity: Severity, message: str
    ) -> None:
        """One that sorts above the answer may hide a newer build."""
        rough = tuple(name for name in map(read_roughly, unread) if name is not None)
        held = evolve(
            snapshot(on_master(1), on_master(2), markers=[green(alpha(2))]), skipped=skipped, unread=rough
        )
        shown = next((name for name in unread if name in message), None)
        assert resolve(held, ON_MASTER, DEFAULT, NOW).conditions == (
            Condition(
                Code.NAMES_SKIPPED, severity, message, {**skipped, **({"name": shown} if shown else {})}
            ),
        )

    def test_of_a_release_branch_a_patch_is_above_what_came_before_the_release(self) -> None:
        """Names of both kinds can be the branch's."""
        unread = [f"1.29.{name}-dirty" for name in ("0-beta.3", "2", "1")]
        rough = tuple(name for name in map(read_roughly, unread) if name is not None)
        name = "1.29.0-beta.2+v1.29.0-beta.1-5-g0123456789"
        markers = [marker("release-1.29", BRANCH_MARKER, name)]
        held = evolve(snapshot(build(name), markers=markers), unread=rough)
        found = resolve(held, Channel("release-1.29"), DEFAULT, NOW)
        assert condition(found, "names-skipped").data == {"name": "1.29.2-dirty"}

    def test_who_asks_for_a_version_is_not_warned_of_names_above_it(self) -> None:
        """There are newer builds in any case."""
        name = read_roughly(f"{alpha(7)}-dirty")
        assert name is not None
        held = evolve(snapshot(on_master(1)), skipped={"odd names": 1}, unread=(name,))
        assert codes(resolve(held, BuildVersion.parse(alpha(1)), DEFAULT, NOW)) == {
            "names-skipped": Severity.INFO
        }


def beta(distance: int, commit: str) -> Build:
    """Make a build that may be master's or release-1.30's."""
    return build(
        f"1.30.0-beta.2+v1.30.0-beta.1-{distance}-g{commit[:10]}", uploaded=NOW - HOUR * (30 - distance)
    )


ONE, TWO = "1" * 40, "2" * 40


class TestAttribution:
    def test_a_build_that_may_be_another_branch_s_is_a_warning(self) -> None:
        """FAILURES row 26: never a guess in silence."""
        markers = [
            marker(MASTER, BRANCH_MARKER, str(beta(5, ONE).version)),
            marker("release-1.30", BRANCH_MARKER, str(beta(3, ONE).version)),
        ]
        found = told(beta(3, ONE), beta(5, ONE), beta(9, TWO), markers=markers)
        doubt = condition(found, "channel-ambiguous")
        assert found.version == beta(9, TWO).version
        assert doubt.severity is Severity.WARNING
        assert doubt.message == (
            f"{beta(9, TWO).version} may be a build of another branch than master: around a branch cut both use "
            "the same names; --repo https://github.com/kubernetes/kops tells which"
        )
        assert doubt.data == {"version": str(found.version)}

    def test_a_newer_build_that_may_be_the_channel_s_too_is_a_warning(self) -> None:
        """FAILURES row 26: the marker's build is surely the branch's; whose the newer one is, no name tells."""
        mine = build("1.30.0-beta.2+v1.30.0-beta.1-1-g1111111111", uploaded=NOW - 197 * HOUR)
        rival = build("1.30.0-beta.3+v1.30.0-beta.2-8-g2222222222", uploaded=NOW - 131 * HOUR)
        held = snapshot(mine, rival, markers=[marker("release-1.30", BRANCH_MARKER, str(mine.version))])
        found = resolve(held, Channel("release-1.30"), DEFAULT, NOW)
        doubt = condition(found, "channel-ambiguous")
        assert (found.version, doubt.severity) == (mine.version, Severity.WARNING)
        assert doubt.message == (
            f"1 build that may be newer, such as {rival.version}, could be of release-1.30 too: around a branch "
            "cut two branches use the same names; --repo https://github.com/kubernetes/kops tells which"
        )
        assert doubt.data == {"version": str(mine.version), "rivals": (str(rival.version),)}

    def test_newer_builds_that_may_be_the_channel_s_are_rivals_of_a_marker_s(self) -> None:
        """Those that could be the answer: one that cannot be tested is none."""
        markers = [
            marker(MASTER, BRANCH_MARKER, str(beta(5, ONE).version)),
            marker("release-1.30", BRANCH_MARKER, str(beta(3, ONE).version)),
        ]
        broken = build(str(beta(10, TWO).version), uploaded=NOW - 20 * HOUR, without=NODEUP)
        held = [beta(3, ONE), beta(5, ONE), beta(9, TWO), broken]
        found = told(*held, markers=markers, policy=Policy(markers=(BRANCH_MARKER,)))
        assert found.version == found.newest == beta(5, ONE).version
        assert condition(found, "channel-ambiguous").data == {
            "version": str(found.version),
            "rivals": (str(beta(9, TWO).version),),
        }

    @pytest.mark.parametrize(
        ("named", "of_master", "code", "severity"),
        [
            pytest.param((5, ONE), (5, ONE), "marker-doubtful", Severity.WARNING, id="above"),
            pytest.param((1, ONE), (1, ONE), "marker-doubtful", Severity.INFO, id="below"),
            pytest.param((3, TWO), (3, TWO), "marker-doubtful", Severity.INFO, id="beside"),
            pytest.param((9, ONE), (5, ONE), "marker-dangling", Severity.INFO, id="above, and not there"),
        ],
    )
    def test_a_marker_that_names_another_branch_s_build_above_the_answer_is_a_warning(
        self, named: tuple[int, str], of_master: tuple[int, str], code: str, severity: Severity
    ) -> None:
        """By `newest` no marker decides; but if this one is right, the answer is wrong."""
        held = snapshot(
            *(beta(*each) for each in ((1, ONE), (3, ONE), (3, TWO), (5, ONE))),
            markers=[
                marker(MASTER, BRANCH_MARKER, str(beta(*of_master).version)),
                marker("release-1.30", BRANCH_MARKER, str(beta(3, ONE).version)),
                marker("release-1.30", "other.txt", str(beta(*named).version)),
            ],
        )
        policy = Policy(strategy=Strategy.NEWEST, markers=("other.txt",))
        found = resolve(held, Channel("release-1.30"), policy, NOW)
        assert found.version == beta(3, ONE).version
        assert codes(found)[code] is severity

    @pytest.mark.parametrize("shallow", [False, True])
    def test_a_clone_that_does_not_know_the_newest_build_is_behind(self, *, shallow: bool) -> None:
        """The sentence says how to mend it."""
        git = GitLine("origin/master", (GitCommit(ONE, NOW - 9 * DAY),), shallow=shallow)
        behind = condition(told(on_master(7), git=git), "clone-behind")
        assert behind.severity is Severity.INFO
        assert behind.data == {"version": alpha(7), "ref": "origin/master"}
        cut_off = ", whose history is cut off" if shallow else ""
        fetch = "git fetch --unshallow" if shallow else "git fetch"
        assert behind.message == (
            f"the commit of {alpha(7)} is not on origin/master in the clone{cut_off}, so its name and not git "
            f"attributes it to master; {fetch} https://github.com/kubernetes/kops "
            "+master:refs/remotes/origin/master to be sure"
        )

    def test_a_release_branch_is_fetched_from_the_remote_that_the_clone_has_it_from(self) -> None:
        """The clone may call it other than `origin`."""
        git = GitLine("upstream/release-1.29", (GitCommit(ONE, NOW - 9 * DAY),))
        behind = condition(
            resolve(snapshot(build(patch(7)), git=git), Channel("release-1.29"), DEFAULT, NOW), "clone-behind"
        )
        assert behind.message.endswith(
            "; git fetch https://github.com/kubernetes/kops "
            "+release-1.29:refs/remotes/upstream/release-1.29 to be sure"
        )

    def test_a_commit_id_that_is_too_short_for_the_clone_is_told(self) -> None:
        """Two commits begin with it."""
        begins = f"{7:010x}"
        git = GitLine("origin/master", tuple(GitCommit(begins + end * 30, NOW - DAY) for end in "ab"))
        assert condition(told(on_master(7), git=git), "clone-ambiguous") == Condition(
            "clone-ambiguous",
            Severity.INFO,
            f"the commit of {alpha(7)} abbreviates several commits of the clone, so its name and not git attributes "
            "it to master; git fetch https://github.com/kubernetes/kops +master:refs/remotes/origin/master to be sure",
            {"version": alpha(7), "ref": "origin/master"},
        )

    def test_a_clone_that_does_not_show_the_cut_is_no_witness(self) -> None:
        """What it locates may be master's from before; the sentence says which branch is missing."""
        name = "1.30.0-beta.2+v1.30.0-beta.1-1-g1111111111"
        git = GitLine("origin/release-1.30", (GitCommit(ONE, NOW - DAY),), knows_cut=False, named=True)
        held = snapshot(build(name), markers=[marker("release-1.30", BRANCH_MARKER, name)], git=git)
        found = resolve(held, Channel("release-1.30"), DEFAULT, NOW)
        assert condition(found, "clone-without-master") == Condition(
            "clone-without-master",
            Severity.WARNING,
            f"the commit of {name} may be from before release-1.30 left master, which the clone does not show, so "
            "its place among the builds and not git attributes it to release-1.30; git fetch "
            "https://github.com/kubernetes/kops +master:refs/remotes/origin/master to be sure",
            {"version": name, "ref": "origin/release-1.30"},
        )

    def test_a_clone_of_a_url_may_be_of_another_repository(self) -> None:
        """There is nothing to fetch: it has just been fetched."""
        git = GitLine("origin/master", (GitCommit(ONE, NOW - 9 * DAY),), url="https://example.com/kops")
        assert condition(told(on_master(7), git=git), "clone-behind").message == (
            f"the commit of {alpha(7)} is not on origin/master in the clone, so its name and not git attributes it "
            "to master; see whether https://example.com/kops is the repository that is built"
        )

    def test_a_short_id_that_begins_as_another_commit_s_locates_nothing(self) -> None:
        """The longer id of the same commit shows that the clone does not have it."""
        short = "1.30.0-alpha.2+v1.30.0-alpha.1-7-g1111111"
        pair = [build(short, uploaded=NOW - 2 * DAY), build(f"{short}222", uploaded=NOW - DAY)]
        git = GitLine("origin/master", (GitCommit(ONE, NOW - 9 * DAY),))
        assert condition(told(*pair, git=git), "clone-behind").data["version"] == short

    def test_where_no_build_is_listed_the_clone_is_not_compared_with_any(self) -> None:
        """Nothing but a marker speaks."""
        held = Snapshot(
            store=STORE,
            builds=(on_master(1),),
            markers=(green(alpha(1)),),
            failures={ListMinors(): Failure("503")},
            git=GitLine("origin/master", (GitCommit(ONE, NOW - 9 * DAY),)),
        )
        assert set(codes(resolve(held, ON_MASTER, DEFAULT, NOW))) == {
            "listing-unavailable",
            "marker-unverified",
        }

    def test_a_clone_that_knows_the_newest_build_is_nothing_to_tell(self) -> None:
        """Whatever older builds there are."""
        git = GitLine("origin/master", (GitCommit(f"{7:010x}" + "0" * 30, NOW - DAY),))
        assert told(on_master(6), on_master(7), markers=[green(alpha(7))], git=git).conditions == ()

    @pytest.mark.parametrize(("age", "is_told"), [(131 * HOUR, True), (24 * HOUR, False), (2 * HOUR, False)])
    def test_of_a_lagging_marker_only_rivals_that_are_overdue_are_told(
        self, age: timedelta, *, is_told: bool
    ) -> None:
        """A marker may lag; one that should have gone on by now, were the rival its branch's, is in doubt."""
        mine = build("1.30.0-beta.2+v1.30.0-beta.1-1-g1111111111", uploaded=NOW - 197 * HOUR)
        rival = bare_listing("1.30.0-beta.3+v1.30.0-beta.2-8-g2222222222", NOW - age)
        patch = build("1.30.1+v1.30.0-3-g3333333333", uploaded=NOW - HOUR)
        held = snapshot(
            mine, rival, patch, markers=[marker("release-1.30", BRANCH_MARKER, str(mine.version))]
        )
        found = resolve(held, Channel("release-1.30"), Policy(), NOW)
        assert (found.version, found.newest) == (mine.version, None)
        assert ("channel-ambiguous" in codes(found)) is is_told

    def test_a_build_that_names_no_commit_says_nothing_about_the_clone(self) -> None:
        """It is of the tag itself."""
        git = GitLine("origin/master", (GitCommit(ONE, NOW - 9 * DAY),))
        found = told(build("1.30.0-alpha.2+v1.30.0-alpha.1"), git=git)
        assert not [code for code in codes(found) if code.startswith("clone")]


# --------------------------------------------------------------------------------------------------
# What could not be learnt

BETA = beta(5, ONE)
MASTER_S = ReadMarker(MASTER, BRANCH_MARKER)
RELEASE_S = ReadMarker("release-1.30", BRANCH_MARKER)


def window(*, failures: Mapping[Need, Failure], markers: Sequence[Marker] = ()) -> Snapshot:
    """Make a snapshot of one build, whose branch its name does not tell, and of what was tried."""
    return Snapshot(
        store=STORE,
        minors=frozenset({"1.30"}),
        listed=frozenset({"1.30"}),
        timed=frozenset() if ListUploads("1.30") in failures else frozenset({"1.30"}),
        builds=(BETA,),
        markers=(green(str(BETA.version)), *markers),
        failures=failures,
    )


def read(*refs: str) -> list[Marker]:
    """Read branches' own markers, and find none."""
    return [marker(ref, BRANCH_MARKER, Missing("does not exist")) for ref in refs]


class TestGaps:
    """The full bucket might have led to another build."""

    def test_without_a_listing_only_a_marker_speaks(self) -> None:
        """Also of a build of long ago: whether builds have stopped is not known."""
        held = Snapshot(
            store=STORE,
            builds=(on_master(1, age=99 * DAY),),
            markers=(green(alpha(1)),),
            failures={ListMinors(): OFF},
        )
        found = resolve(held, ON_MASTER, DEFAULT, NOW)
        assert found.rung is Rung.MARKER
        assert found.conditions == (
            Condition(
                "listing-unavailable",
                Severity.WARNING,
                "the builds could not be listed, so nothing but a marker says that this one is the newest: 503",
            ),
            Condition(
                "marker-unverified",
                Severity.WARNING,
                f"{GREEN} names {alpha(1)}, which is testable; newer ones are not known",
                {"marker": GREEN, "verdict": "unverified", "version": alpha(1)},
            ),
        )

    @pytest.mark.parametrize(
        ("age", "answered", "severity", "how_long"),
        [
            (None, None, None, ""),
            (0 * HOUR, None, None, ""),
            (24 * HOUR, None, Severity.INFO, "24 hours"),
            (25 * HOUR, NOW - 25 * HOUR, Severity.WARNING, "25 hours"),
        ],
    )
    def test_a_marker_from_a_cache_says_how_old_it_may_be(
        self, age: timedelta | None, answered: datetime | None, severity: Severity | None, how_long: str
    ) -> None:
        """It is a warning where it is older than a marker may lag (`max_lag`, a day)."""
        held = Snapshot(
            store=STORE,
            builds=(on_master(1, age=DAY),),
            markers=(evolve(green(alpha(1)), age=age, answered=answered),),
            failures={ListMinors(): OFF},
        )
        conditions = resolve(held, ON_MASTER, DEFAULT, NOW).conditions
        data: dict[str, str | int] = {
            "marker": GREEN,
            "age_seconds": age // timedelta(seconds=1) if age else 0,
        }
        if answered is not None:
            data["answered"] = "2024-05-05T17:00:00Z"
        assert [each for each in conditions if each.code == Code.MARKER_CACHED] == [
            Condition(
                Code.MARKER_CACHED,
                told,
                f"{GREEN} came from a cache that has held it for {how_long}; what was written since is not seen",
                data,
            )
            for told in (severity,)
            if told is not None
        ]

    def test_a_listing_that_fails_behind_the_answer_changes_nothing(self) -> None:
        """The marker names a build of the minor that cannot be listed; the newest one was found before it."""
        old = "1.29.0-alpha.4+v1.29.0-alpha.3-378-g22ce1230da"
        held = Snapshot(
            store=STORE,
            minors=frozenset({"1.29", "1.30"}),
            listed=frozenset({"1.30"}),
            timed=frozenset({"1.30"}),
            builds=(on_master(1), Build(BuildVersion.parse(old), artifacts=())),
            markers=(green(old),),
            failures={ListBuilds("1.29"): OFF},
        )
        found = resolve(held, ON_MASTER, DEFAULT, NOW)
        assert (str(found.version), found.rung) == (alpha(1), Rung.FULL)
        assert condition(found, "listing-unavailable") == Condition(
            "listing-unavailable",
            Severity.INFO,
            "older builds could not be listed, which changes nothing: 503",
        )

    def test_a_build_that_was_proved_by_its_checksums_may_lack_images(self) -> None:
        """Where its directory may not be listed."""
        proof = tuple(f"{path}.sha256" for path in required_paths(DEFAULT.platforms))
        proved = Build(BuildVersion.parse(alpha(1)), checksums=proof)
        held = evolve(
            snapshot(proved, markers=[green(alpha(1))]),
            failures={ListArtifacts(proved.version): Failure("403", denied=True)},
        )
        assert resolve(held, ON_MASTER, DEFAULT, NOW).conditions == (
            Condition(
                "listing-unavailable",
                Severity.WARNING,
                f"the files of {alpha(1)} may not be listed, so only the checksums of its binaries were looked for; "
                "whether its images are there is not known",
                {"version": alpha(1)},
            ),
        )

    def test_files_that_came_without_a_checksum_are_said_once(self) -> None:
        """Signatures and the like are an information: how many, and one of them."""
        signed = build(alpha(1), extra=["linux/amd64/kops.sig", "linux/arm64/kops.sig"])
        found = resolve(snapshot(signed, markers=[green(alpha(1))]), ON_MASTER, DEFAULT, NOW)
        assert condition(found, "files-unpaired") == Condition(
            "files-unpaired",
            Severity.INFO,
            f"2 files of {alpha(1)} came without a checksum, such as linux/amd64/kops.sig: "
            "by policy, files with such a suffix need none",
            {"version": alpha(1), "files": ("linux/amd64/kops.sig", "linux/arm64/kops.sig")},
        )

    def test_upload_times_that_cannot_be_learnt_make_branches_less_sure(self) -> None:
        held = window(failures={ListUploads("1.30"): OFF}, markers=read(MASTER, "release-1.30"))
        found = resolve(held, ON_MASTER, DEFAULT, NOW)
        assert condition(found, "listing-unavailable") == Condition(
            "listing-unavailable",
            Severity.WARNING,
            "when the builds of 1.30 were uploaded could not be learnt, so their order and their branches are "
            "less sure: 503",
            {"minor": "1.30"},
        )

    @pytest.mark.parametrize(
        ("held", "verdict", "reason"),
        [
            (window(failures={RELEASE_S: OFF}, markers=read(MASTER)), "unreachable", "503"),
            (
                window(
                    failures={},
                    markers=[*read(MASTER), marker("release-1.30", BRANCH_MARKER, Malformed("is empty"))],
                ),
                "malformed",
                "it is empty",
            ),
            (
                window(
                    failures={},
                    markers=[
                        *read(MASTER),
                        marker("release-1.30", BRANCH_MARKER, Foreign("names a place outside the store")),
                    ],
                ),
                "foreign",
                "it names a place outside the store",
            ),
        ],
    )
    def test_a_branch_s_marker_that_is_no_evidence_is_told(
        self, held: Snapshot, verdict: str, reason: str
    ) -> None:
        """It decides nothing, so nothing else tells of it."""
        path = f"markers/release-1.30/{BRANCH_MARKER}"
        assert condition(resolve(held, ON_MASTER, DEFAULT, NOW), f"marker-{verdict}") == Condition(
            f"marker-{verdict}",
            Severity.WARNING,
            f"{path} does not help to tell which builds are of master and settled: {reason}",
            {"marker": path, "verdict": verdict},
        )

    @pytest.mark.parametrize("policy", [Policy(markers=(BRANCH_MARKER,)), Policy(reported=(BRANCH_MARKER,))])
    def test_one_that_was_judged_is_told_once(self, policy: Policy) -> None:
        """By its verdict; every other gap is still told, in the same order every time."""
        held = window(failures={MASTER_S: OFF, RELEASE_S: OFF})
        found = resolve(held, ON_MASTER, policy, NOW)
        told = [each for each in found.conditions if each.code == "marker-unreachable"]
        assert sorted(str(each.data["marker"]) for each in told) == [
            f"markers/master/{BRANCH_MARKER}",
            f"markers/release-1.30/{BRANCH_MARKER}",
        ]

    def test_gaps_are_told_in_the_same_order_every_time(self) -> None:
        """Upload times first, then markers."""
        failures: dict[Need, Failure] = {RELEASE_S: OFF, MASTER_S: OFF, ListUploads("1.30"): OFF}
        found = resolve(window(failures=failures), ON_MASTER, DEFAULT, NOW)
        told = [each.data.get("marker", each.data.get("minor")) for each in found.conditions]
        assert told[:3] == [
            "1.30",
            f"markers/master/{BRANCH_MARKER}",
            f"markers/release-1.30/{BRANCH_MARKER}",
        ]

    def test_one_unreadable_marker_of_two_leaves_the_rung_full(self) -> None:
        """What the other said was heard."""
        markers = [
            marker(MASTER, "first.txt", Unreachable("503")),
            marker(MASTER, "second.txt", Missing("does not exist")),
        ]
        both = Policy(markers=("first.txt", "second.txt"))
        assert told(on_master(1), markers=markers, policy=both).rung is Rung.FULL
        assert told(on_master(1), markers=markers, policy=Policy(markers=("first.txt",))).rung is Rung.LISTING
        assert told(on_master(1), policy=both).rung is Rung.FULL

    def test_only_the_marker_that_was_used_tells_whether_builds_were_listed(self) -> None:
        """The answer is from the first one that is usable."""
        fresh = evolve(
            snapshot(
                on_master(1),
                bare_listing(alpha(2)),
                on_master(3),
                markers=[green(alpha(1)), marker(MASTER, "b.txt", alpha(3))],
            ),
            failures={ListArtifacts(BuildVersion.parse(alpha(2))): OFF},
        )
        for first, second, rung in (("b.txt", GREEN_MARKER, Rung.FULL), (GREEN_MARKER, "b.txt", Rung.MARKER)):
            found = resolve(fresh, ON_MASTER, Policy(markers=(first, second)), NOW)
            assert found.rung is rung

    def test_a_build_that_cannot_be_read_is_a_warning_at_once(self) -> None:
        """It is named apart from those that are not whole; the first of them is told with its reason."""
        held = evolve(
            snapshot(
                on_master(1), bare_listing(alpha(2)), on_master(3, without=NODEUP), markers=[green(alpha(9))]
            ),
            failures={ListArtifacts(BuildVersion.parse(alpha(2))): OFF},
        )
        found = resolve(held, ON_MASTER, Policy(strategy=Strategy.NEWEST), NOW)
        assert condition(found, "builds-refused") == Condition(
            "builds-refused",
            Severity.WARNING,
            f"2 newer builds of master cannot be tested; {alpha(3)}: linux/arm64/nodeup is missing",
            {"versions": (alpha(3), alpha(2)), "unreadable": (alpha(2),)},
        )


# --------------------------------------------------------------------------------------------------
# What is asked for, where a snapshot does not tell


class TestNeeds:
    """DESIGN section 10, where the decision has a choice of what to ask."""

    def test_a_marker_in_an_older_minor_is_not_looked_into_before_it_must_be(self) -> None:
        """The newest minor may show that it is stale; a listing of an older one costs a request already."""
        old = "1.29.0-alpha.4+v1.29.0-alpha.3-378-g22ce1230da"
        held = Snapshot(
            store=STORE,
            minors=frozenset({"1.29", "1.30"}),
            listed=frozenset({"1.29", "1.30"}),
            builds=(bare_listing(old), bare_listing(alpha(1)), bare_listing(alpha(2))),
            markers=(green(old),),
        )
        asked = decide(held, ON_MASTER, DEFAULT, NOW)
        assert isinstance(asked, Undecided)
        assert asked.needs == {ListArtifacts(BuildVersion.parse(alpha(1))), ListUploads("1.30")}

    def test_what_is_merely_looked_at_is_not_asked_for(self) -> None:
        """Conditions are drawn from what is known: half a look leaves no need behind."""
        held = Snapshot(
            store=STORE,
            minors=frozenset({"1.29", "1.30"}),
            listed=frozenset({"1.30"}),
            builds=(on_master(1), bare_listing(alpha(2))),
        )
        inquiry = Inquiry(held, ON_MASTER, DEFAULT, NOW)
        first = next(inquiry.known_candidates())
        assert not inquiry.is_known_testable(first.build)
        assert [str(each.version) for each in inquiry.known_candidates()] == [alpha(2), alpha(1)]
        assert inquiry.known_previous(first) is not None
        assert inquiry.needs == set()

    def test_the_channels_are_not_asked_for_where_they_are_known(self) -> None:
        """A snapshot that has been told everything needs no request."""
        held = snapshot(on_master(1), build("1.29.1+v1.29.0-3-g0123456789"))
        inquiry = Inquiry(held, ON_MASTER, DEFAULT, NOW)
        assert inquiry.knows_all_channels()
        assert inquiry.existing_channels() == ("master", "release-1.30", "release-1.29")
        assert inquiry.needs == set()

    def test_a_store_that_lists_no_markers_still_names_its_channels(self) -> None:
        """By its builds; master is a channel wherever there is one."""
        held = evolve(snapshot(on_master(1)), marker_names=frozenset({("release-1.2.3", BRANCH_MARKER)}))
        assert Inquiry(held, ON_MASTER, DEFAULT, NOW).existing_channels() == ("master", "release-1.30")
        empty = evolve(held, minors=frozenset(), marker_names=frozenset({(MASTER, BRANCH_MARKER)}))
        assert Inquiry(empty, ON_MASTER, DEFAULT, NOW).existing_channels() == ("master",)
        nothing = evolve(empty, marker_names=frozenset())
        assert Inquiry(nothing, ON_MASTER, DEFAULT, NOW).existing_channels() == ()

    def test_needs_are_values_that_tell_what_they_want(self) -> None:
        """Equal where they want the same, so that nothing is asked for twice."""
        assert ReadMarker("a", "b") == ReadMarker("a", "b")
        assert len({ListBuilds("1.30"), ListBuilds("1.30"), ListMarkers(), ListMarkers()}) == 2
