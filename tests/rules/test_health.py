"""The health of a channel as a function of a snapshot: every marker matters, and every finding says what to do."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from attrs import evolve

import kopsversion
from kopsversion.errors import StoreUnavailableError
from kopsversion.model.answer import Condition, MarkerReport, Severity, Verdict
from kopsversion.model.bucket import GitCommit, GitLine, Malformed, Snapshot, Unreachable
from kopsversion.model.channel import (
    BRANCH_MARKER,
    GREEN_MARKER,
    Attribution,
    Certainty,
    Channel,
    Witness,
)
from kopsversion.model.codes import Code
from kopsversion.model.needs import Failure, ListArtifacts, ListBuilds, ListMarkers, ListMinors, Undecided
from kopsversion.model.policy import Policy
from kopsversion.model.version import BuildVersion
from kopsversion.model.wording import moment
from kopsversion.model.writers import Writer
from kopsversion.rules.catalogue import CATALOGUE
from kopsversion.rules.health import judge_channel, unreadable, with_remarks, with_writers, worth_examining
from kopsversion.rules.report import (
    _CHECK_OF,
    _CHECKS,
    TIMELINE,
    BuildState,
    ChannelHealth,
    Finding,
    HealthReport,
    MarkerHealth,
    failed,
    findings_of,
)
from kopsversion.rules.writers import WriterReport, WriterState
from tests.builders import (
    DAY,
    DEFAULT,
    HOUR,
    NOW,
    STORE,
    alpha,
    bare_listing,
    build,
    marker,
    on_master,
    snapshot,
)

if TYPE_CHECKING:
    from datetime import datetime

    from kopsversion.model.bucket import Marker, MarkerReading

MASTER = Channel("master")
RELEASE = Channel("release-1.29")
GREEN = f"markers/master/{GREEN_MARKER}"
LACKS_NODEUP = ("linux/arm64/nodeup", "linux/arm64/nodeup.sha256")


@pytest.mark.parametrize(
    ("verdict", "behind", "waits"),
    [
        (Verdict.CURRENT, 0, False),
        (Verdict.CURRENT, 1, True),
        (Verdict.MALFORMED, None, False),
        (Verdict.LAGGING, 0, True),
        (Verdict.STALE, None, True),
    ],
)
def test_something_newer_waits_behind_a_marker(verdict: Verdict, behind: int | None, *, waits: bool) -> None:
    """By its verdict, or because a newer build is there."""
    report = MarkerReport(green(alpha(1)), verdict, "")
    assert MarkerHealth(report=report, builds_behind=behind).waits is waits


def test_a_check_that_failed_is_a_report_too() -> None:
    """With the advice that fits, or what helps against any."""
    for advice in ("Wait.", ""):
        report = failed("no answer", advice=advice, store=STORE, now=NOW)
        told = Finding(
            Condition(Code.CHECK_FAILED, Severity.ERROR, "no answer"),
            advice or CATALOGUE[Code.CHECK_FAILED].advice,
        )
        assert report == HealthReport(store=STORE, now=NOW, channels=(), failure=told)


def green(named: str | MarkerReading, *, written: datetime | None = NOW - HOUR) -> Marker:
    return marker("master", GREEN_MARKER, named, written=written)


def latest(named: str | MarkerReading, *, written: datetime | None = NOW - HOUR) -> Marker:
    return marker("master", BRANCH_MARKER, named, written=written)


def judged(held: Snapshot, *, channel: Channel = MASTER, policy: Policy = DEFAULT) -> ChannelHealth:
    health = judge_channel(held, channel, policy, NOW)
    assert isinstance(health, ChannelHealth)
    return health


def judged_newest(held: Snapshot) -> ChannelHealth:
    """Judge where no newer build could be looked into."""
    names = [build.version for build in held.builds if build.artifacts is None]
    return judged(evolve(held, failures={ListArtifacts(name): Failure("HTTP 503") for name in names}))


def codes(health: ChannelHealth) -> dict[str, Severity]:
    return {finding.condition.code: finding.condition.severity for finding in health.findings}


HEALTHY = snapshot(
    on_master(5, age=2 * DAY), on_master(9, age=2 * HOUR), markers=[green(alpha(9)), latest(alpha(9))]
)


class TestMarkers:
    def test_all_is_well(self) -> None:
        """Markers that name the newest testable build of a branch that is built leave nothing to say."""
        health = judged(HEALTHY)
        assert health.is_healthy
        assert health.findings == ()
        assert health.testable is not None
        assert str(health.testable.version) == alpha(9)
        assert [(each.name, each.verdict, each.lag, each.builds_behind) for each in health.markers] == [
            (GREEN_MARKER, Verdict.CURRENT, timedelta(), 0),
            (BRANCH_MARKER, Verdict.CURRENT, timedelta(), 0),
        ]

    def test_stale_marker_that_decides_nothing(self) -> None:
        """A marker of master that no answer trusts makes it unhealthy all the same (FAILURES row 2)."""
        held = snapshot(
            on_master(5, age=9 * DAY),
            on_master(7, age=3 * DAY),
            on_master(9),
            markers=[green(alpha(9)), latest(alpha(5))],
        )
        health = judged(held)
        assert not health.is_healthy
        assert codes(health) == {"marker-stale": Severity.WARNING, "marker-set-back": Severity.WARNING}
        assert health.markers[1].lag == 3 * DAY
        assert health.markers[1].builds_behind == 2

    def test_lagging_is_no_fault(self) -> None:
        """A promotion within its limit is mentioned, and does not make the channel unhealthy."""
        held = snapshot(
            on_master(5, age=DAY), on_master(9), markers=[green(alpha(5)), latest(alpha(9), written=None)]
        )
        health = judged(held)
        assert health.is_healthy
        assert codes(health) == {"marker-lagging": Severity.INFO}
        assert health.markers[0].lag == HOUR

    @pytest.mark.parametrize(
        ("said", "code"),
        [
            (Malformed("is an HTML or XML page"), "marker-malformed"),
            (Unreachable("the store is not available"), "marker-unreachable"),
            (alpha(777), "marker-dangling"),
            ("1.29.1+v1.29.0-3-g0000000003", "marker-wrong-channel"),
        ],
    )
    def test_useless_marker(self, said: str | MarkerReading, code: str) -> None:
        """Every verdict that no answer could use is a warning, and says what to do."""
        held = snapshot(on_master(9), markers=[green(alpha(9)), latest(said)])
        health = judged(held)
        assert codes(health) == {code: Severity.WARNING}
        assert health.findings[0].advice.endswith(".")
        assert health.markers[1].builds_behind is None

    def test_missing_marker(self) -> None:
        """The markers that a channel must have are looked for, whether they exist or not."""
        health = judged(snapshot(on_master(9), markers=[latest(alpha(9))]))
        assert codes(health) == {"marker-missing": Severity.WARNING}
        assert health.markers[0].version is None

    def test_other_marker(self) -> None:
        """Whatever else lies beside them is a marker too."""
        other = marker("master", "latest-ci-other.txt", Malformed("is empty"))
        health = judged(snapshot(on_master(9), markers=[green(alpha(9)), latest(alpha(9)), other]))
        assert codes(health) == {"marker-malformed": Severity.WARNING}

    def test_ignored_marker(self) -> None:
        """A marker that the configuration ignores is judged, shown, and makes nothing unhealthy."""
        held = snapshot(on_master(9), markers=[latest(alpha(9))])
        health = judged(held, policy=Policy(reported=(GREEN_MARKER,)))
        assert health.is_healthy
        assert codes(health) == {"marker-missing": Severity.INFO}
        assert [each.ignored for each in health.markers] == [True, False]

    def test_refused_builds_do_not_count_as_behind(self) -> None:
        """A marker is not behind a newer build that cannot be tested."""
        held = snapshot(
            on_master(5),
            on_master(9, age=timedelta(minutes=30), without=LACKS_NODEUP),
            markers=[green(alpha(5)), latest(alpha(5))],
        )
        health = judged(held)
        assert [each.builds_behind for each in health.markers] == [0, 0]
        assert codes(health) == {"builds-refused": Severity.INFO}
        assert health.newest is not None
        assert (str(health.newest.version), health.newest.state) == (alpha(9), BuildState.REFUSED)
        assert health.newest.reasons == ("linux/arm64/nodeup is missing",)
        assert health.refused == (health.newest,)

    def test_old_marker(self) -> None:
        """A marker that stood still for long because there was nothing newer is not accused, but mentioned."""
        held = snapshot(
            on_master(9, age=61 * DAY),
            markers=[green(alpha(9), written=NOW - 60 * DAY), latest(alpha(9), written=NOW - DAY)],
        )
        health = judged(held)
        assert codes(health) == {"builds-old": Severity.WARNING, "marker-old": Severity.INFO}
        assert health.findings[1].condition == Condition(
            "marker-old",
            Severity.INFO,
            f"{GREEN} was last written on 2024-03-07 18:00 UTC (60 days ago), and still names the newest testable "
            "build: it is the builds that have stopped",
            {"marker": GREEN, "age_seconds": 60 * 86400},
        )

    @pytest.mark.parametrize(("days", "is_old"), [(14, False), (15, True)])
    def test_a_marker_is_old_when_builds_would_be(self, days: int, *, is_old: bool) -> None:
        """Whatever the other markers are."""
        held = snapshot(
            on_master(9, age=16 * DAY),
            markers=[
                green(Unreachable("503")),
                latest(alpha(9), written=None),
                marker("master", "x.txt", alpha(9), written=NOW - days * DAY),
            ],
        )
        assert ("marker-old" in codes(judged(held))) is is_old

    def test_markers_that_could_not_be_listed_are_a_finding(self) -> None:
        """One with an unusual name is not watched then."""
        held = evolve(HEALTHY, marker_names=None, failures={ListMarkers(): Failure("HTTP 503")})
        (found,) = judged(held).findings
        assert found.condition == Condition(
            "listing-unavailable",
            Severity.WARNING,
            "which markers master has could not be learnt, so only the usual ones were looked at: HTTP 503",
        )

    def test_what_a_policy_says_of_answers_means_nothing_here(self) -> None:
        """The newest testable build is looked at, with all files and markers that there are, and no others."""
        images = [f"images/kops-utils-cp-{each}.tar.gz" for each in ("amd64", "arm64")]
        lost = (*images, *(f"{each}.sha256" for each in images))
        held = snapshot(on_master(8), on_master(9, without=lost), markers=[green(alpha(9)), latest(alpha(9))])
        policy = Policy(nth=2, compare_artifacts=False, reported=("none.txt",))
        health = judged(evolve(held, skipped={"strays": 3}), policy=policy)
        assert health.testable is not None
        assert str(health.testable.version) == alpha(9)
        assert codes(health) == {"artifacts-differ": Severity.WARNING}
        assert [marker.name for marker in health.markers] == [GREEN_MARKER, BRANCH_MARKER]
        assert health.policy == policy

    def test_the_build_before_is_looked_into_too(self) -> None:
        """To tell what it had and this one lacks, whatever the policy says of answers."""
        held = snapshot(
            bare_listing(alpha(8), NOW - DAY), on_master(9), markers=[green(alpha(9)), latest(alpha(9))]
        )
        found = judge_channel(evolve(held, whole=False), MASTER, Policy(compare_artifacts=False), NOW)
        assert isinstance(found, Undecided)
        assert found.needs == {ListArtifacts(BuildVersion.parse(alpha(8)))}

    def test_each_build_is_told_with_its_branch(self) -> None:
        """Up to this very moment."""
        held = snapshot(
            on_master(8, age=DAY), bare_listing(alpha(9), NOW), bare_listing(alpha(10), NOW + HOUR)
        )
        assert [(str(each.version), each.attribution) for each in judged_newest(held).builds] == [
            (alpha(n), Attribution("master", Witness.VERSION, Certainty.LIKELY)) for n in (9, 8)
        ]

    def test_what_is_testable_is_told_with_its_branch(self) -> None:
        """And by which policy."""
        health = judged(HEALTHY)
        assert health.testable is not None
        assert (health.testable.state, health.policy) == (BuildState.TESTABLE, DEFAULT)
        assert health.testable.attribution == Attribution("master", Witness.VERSION, Certainty.LIKELY)


class TestBuilds:
    def test_limits(self) -> None:
        """How old builds may be is the policy's say."""
        held = snapshot(on_master(9, age=20 * DAY), markers=[green(alpha(9)), latest(alpha(9))])
        assert not judged(held).is_healthy
        assert judged(held, policy=Policy(max_build_age=30 * DAY)).is_healthy

    def test_commits_behind(self) -> None:
        """With a clone, merges after the newest testable build are counted, and replace its age as the judge."""
        line = GitLine(
            "origin/master",
            tuple(GitCommit(f"{n:010x}{'0' * 30}", NOW - 20 * DAY + n * HOUR) for n in range(13)),
        )
        held = snapshot(on_master(9, age=20 * DAY), markers=[green(alpha(9)), latest(alpha(9))], git=line)
        health = judged(held)
        assert health.commits_behind == 3
        assert set(codes(health)) == {"builds-stalled"}

    def test_states(self) -> None:
        """A build is testable, refused, unsettled, or was not looked into; one that cannot be read is the last."""
        unread = bare_listing(alpha(3), NOW - 5 * DAY)
        held = snapshot(
            bare_listing(alpha(2), NOW - 6 * DAY),
            unread,
            on_master(5, age=4 * DAY, without=LACKS_NODEUP),
            on_master(6, age=3 * DAY),
            on_master(7),
            on_master(8, age=timedelta(minutes=5)),
            markers=[green(alpha(7)), latest(alpha(7))],
        )
        held = evolve(held, failures={ListArtifacts(unread.version): Failure("HTTP 503")})
        assert [build.state for build in judged(held).builds] == [
            BuildState.UNSETTLED,
            BuildState.TESTABLE,
            BuildState.TESTABLE,
            BuildState.REFUSED,
            BuildState.UNEXAMINED,
            BuildState.UNEXAMINED,
        ]

    def test_timeline(self) -> None:
        """The timeline holds the builds of the last 120 days whose upload time is known."""
        held = snapshot(
            on_master(1, age=TIMELINE + HOUR),
            on_master(2, age=TIMELINE),
            bare_listing(alpha(3)),
            on_master(8, age=DAY),
            on_master(9),
            markers=[green(alpha(9)), latest(alpha(9))],
        )
        assert [str(build.version) for build in judged(held).builds] == [alpha(9), alpha(8), alpha(2)]

    def test_no_testable_build(self) -> None:
        """A channel none of whose builds is testable is told by its markers and refusals as well."""
        held = snapshot(
            on_master(8, without=LACKS_NODEUP),
            on_master(9, without=LACKS_NODEUP),
            markers=[latest(alpha(9))],
        )
        health = judged(held)
        assert codes(health) == {
            "no-testable-build": Severity.ERROR,
            "marker-missing": Severity.WARNING,
            "marker-incomplete": Severity.WARNING,
        }
        assert "; 1.30.0-alpha.2+v1.30.0-alpha.1-9-g0000000009: linux" in health.findings[0].condition.message
        assert health.testable is None
        assert [str(each.version) for each in health.refused] == [alpha(9), alpha(8)]
        assert health.newest == health.builds[0]
        assert [str(each.version) for each in health.builds] == [alpha(9), alpha(8)]
        assert [str(each.verdict) for each in health.markers] == ["missing", "incomplete"]
        assert health.policy == DEFAULT

    @pytest.mark.parametrize("ignored", [False, True])
    def test_a_marker_without_a_testable_build_is_told(self, *, ignored: bool) -> None:
        """As a warning, but where it is ignored."""
        held = snapshot(on_master(9, without=LACKS_NODEUP), markers=[green(alpha(9)), latest(alpha(9))])
        health = judged(held, policy=Policy(reported=(GREEN_MARKER,)) if ignored else DEFAULT)
        (told,) = (each.condition for each in health.findings if each.condition.data.get("marker") == GREEN)
        assert told == Condition(
            "marker-incomplete",
            Severity.INFO if ignored else Severity.WARNING,
            f"{GREEN} names {alpha(9)}, which is not testable: linux/arm64/nodeup is missing",
            {"marker": GREEN, "verdict": "incomplete"},
        )

    def test_no_build(self) -> None:
        """A channel without any build says so in one sentence."""
        health = judged(snapshot(on_master(9)), channel=RELEASE)
        assert codes(health) == {"no-testable-build": Severity.ERROR, "marker-missing": Severity.WARNING}
        assert health.findings[0].condition.message == f"there is no build of release-1.29 in {STORE}"
        assert (health.newest, health.builds, health.refused) == (None, (), ())


class TestWhatIsNotKnown:
    def test_partial(self) -> None:
        """A snapshot that does not tell enough is answered with what is needed."""
        assert isinstance(judge_channel(Snapshot(STORE), MASTER, DEFAULT, NOW), Undecided)

    def test_unreadable(self) -> None:
        """A channel whose builds cannot be listed, and whose markers cannot stand in, could not be read."""
        held = Snapshot(
            STORE,
            failures={ListMinors(): Failure("HTTP 503")},
            markers=(green(Unreachable("HTTP 503")), latest(Unreachable("HTTP 503"))),
        )
        health = judged(held)
        assert codes(health) == {"channel-unreadable": Severity.ERROR}
        assert health.unreadable is not None
        assert "HTTP 503" in health.unreadable
        assert (health.channel, health.policy) == ("master", DEFAULT)
        assert not health.is_healthy

    def test_marker_stands_in(self) -> None:
        """Where builds cannot be listed, what a marker proves is reported, and the rest is a warning."""
        held = Snapshot(
            STORE,
            builds=(build("1.29.1+v1.29.0-5-g0000000005"),),
            failures={ListBuilds("1.29"): Failure("HTTP 503")},
            markers=(marker("release-1.29", BRANCH_MARKER, "1.29.1+v1.29.0-5-g0000000005"),),
        )
        health = judged(held, channel=RELEASE)
        assert codes(health)["listing-unavailable"] is Severity.WARNING
        assert health.newest == health.testable
        assert health.testable is not None

    def test_remarks(self) -> None:
        """What is wrong with a clone is said with the channel, and counts as it does in every command."""
        for severity in (Severity.INFO, Severity.WARNING):
            remark = Condition("git-unavailable", severity, "the clone has no 'release-1.29'")
            health = with_remarks(judged(HEALTHY), [remark])
            assert health.is_healthy is (severity is Severity.INFO)
            assert codes(health) == {"git-unavailable": severity}


class TestWorthExamining:
    def test_newest(self) -> None:
        """The newest builds are looked into, as many as there is room for, but not twice."""
        tried = bare_listing(alpha(7), NOW - HOUR)
        held = snapshot(bare_listing(alpha(6)), tried, bare_listing(alpha(8)), on_master(9))
        held = evolve(held, failures={ListArtifacts(tried.version): Failure("HTTP 503")})
        needs = worth_examining(held, MASTER, DEFAULT, NOW, limit=3)
        assert needs == {ListArtifacts(BuildVersion.parse(alpha(8)))}

    def test_whole_timeline(self) -> None:
        """Where it costs nothing, every build of the timeline is looked into, and none before it."""
        held = snapshot(bare_listing(alpha(6), NOW - TIMELINE - HOUR), bare_listing(alpha(7), NOW - 9 * DAY))
        needs = worth_examining(held, MASTER, DEFAULT, NOW, limit=None)
        assert needs == {ListArtifacts(BuildVersion.parse(alpha(7)))}


class TestChecks:
    def test_names(self) -> None:
        """The names of a channel's checks depend on its markers, and not on what was found."""
        held = snapshot(on_master(9, age=99 * DAY), markers=[green(Malformed("is empty")), latest(alpha(9))])
        names = [check.name for check in judged(held).checks]
        assert names == [check.name for check in judged(HEALTHY).checks]
        assert names == [
            "can be read",
            "has a testable build",
            "builds keep coming",
            "newest builds are complete",
            "builds are told apart from other branches",
            "marker latest-ci-updown-green.txt",
            "marker latest-ci.txt",
        ]

    def test_each_finding_in_one(self) -> None:
        """A finding belongs to exactly one check, which fails if it is serious."""
        held = snapshot(on_master(9, age=99 * DAY), markers=[green(Malformed("is empty")), latest(alpha(9))])
        health = judged(held)
        found = [finding for check in health.checks for finding in check.findings]
        assert len(found) == len(health.findings) == 2
        assert [check.name for check in health.checks if check.failed] == [
            "builds keep coming",
            "marker latest-ci-updown-green.txt",
        ]

    def test_skipped(self) -> None:
        """A check of an ignored marker, or of a channel that could not be read, is skipped and says why."""
        held = snapshot(on_master(9), markers=[latest(alpha(9))])
        ignoring = judged(held, policy=Policy(reported=(GREEN_MARKER,)))
        assert ignoring.checks[-2].skipped == "ignored by configuration"
        error = StoreUnavailableError("no answer", url=STORE, reasons=("HTTP 503",))
        unread = unreadable(MASTER, DEFAULT, error)
        assert (unread.channel, unread.policy, unread.unreadable) == (
            "master",
            DEFAULT,
            "no answer; HTTP 503",
        )
        assert unread.findings[0].condition.message == "master could not be read: no answer; HTTP 503"
        assert [check.skipped for check in unread.checks] == [None, *["the channel could not be read"] * 4]
        assert unread.checks[0].failed

    def test_each_writer_has_a_check_that_holds_what_was_found_of_its_marker(self) -> None:
        """The causes come before what they cause, and say what the channel lacks."""
        health = evolve(self.STALE, commits_behind=2)
        assert health.newest is not None
        red = WriterReport(
            marker=latest(alpha(9)),
            writer=Writer(marker=BRANCH_MARKER, jobs=("build",)),
            job="build",
            place="gs://logs/",
            state=WriterState.RED,
            runs=2,
        )
        well = evolve(red, marker=green(alpha(8)), state=WriterState.GREEN)
        told = with_writers(health, [red, well], now=NOW)
        (found,) = told.checks[-2].findings
        assert (told.checks[-2].name, found.condition.code) == ("writer of latest-ci.txt", "writer-red")
        assert found.condition.message == (
            f"master has had no build since {moment(health.newest.uploaded or NOW)}, because build has been red on "
            "master: none of its 2 runs since then has written the marker; 2 merges wait"
        )
        assert told.checks[-1].name == f"writer of {GREEN_MARKER}"
        assert told.checks[-1].findings == ()
        assert [each.condition.code for each in told.findings][:1] == ["writer-red"]
        assert set(health.findings) < set(told.findings)
        assert told.writers == (red, well)

    @pytest.mark.parametrize(("state", "guesses"), [(WriterState.RED, False), (WriterState.GREEN, True)])
    def test_why_builds_are_old_is_not_guessed_where_it_is_known(
        self,
        state: WriterState,
        guesses: bool,  # noqa: FBT001 # a case
    ) -> None:
        """That the postsubmit is red is said by its own finding, so ``builds-old`` no longer wonders."""
        held = judged(snapshot(on_master(8, age=20 * DAY), markers=[latest(alpha(8)), green(alpha(8))]))
        writer = WriterReport(
            marker=latest(alpha(8)),
            writer=Writer(marker=BRANCH_MARKER, jobs=("build",)),
            job="build",
            place="gs://logs/",
            state=state,
        )
        told = with_writers(held, [writer], now=NOW)
        (old,) = [each.condition.message for each in told.findings if each.condition.code == "builds-old"]
        assert old.startswith("master has had no build since ")
        assert old.endswith("(20 days)") != guesses
        assert ("either nothing was merged" in old) == guesses

    STALE = judged(
        snapshot(
            on_master(8, age=3 * DAY), on_master(9, age=2 * DAY), markers=[green(alpha(8)), latest(alpha(9))]
        )
    )

    def test_every_code_is_known(self) -> None:
        """Every condition that a judgement can come to belongs to one check."""
        package = Path(kopsversion.__file__).parent
        modules = ("rules/conditions", "rules/freshness", "rules/health", "workflows/latest")
        text = "".join((package / f"{module}.py").read_text() for module in modules)
        emitted: set[str] = {Code[name] for name in re.findall(r"Condition\(\s*Code\.([A-Z_]+)", text)}
        assert emitted
        emitted |= {f"marker-{verdict}" for verdict in Verdict if verdict is not Verdict.CURRENT}
        emitted |= {"clone-ambiguous", "clone-behind"}
        elsewhere = {"check-failed", "names-skipped", "store-unreachable", "store-without-build"}
        assert emitted - elsewhere <= set(_CHECK_OF)
        assert sum(map(len, _CHECKS.values())) == len(_CHECK_OF)


class TestReport:
    WELL = judged(HEALTHY)
    ILL = judged(snapshot(on_master(9, age=99 * DAY), markers=[green(alpha(9)), latest(alpha(9))]))
    UNREAD = unreadable(RELEASE, DEFAULT, StoreUnavailableError("no answer", url=STORE))

    @pytest.mark.parametrize(
        ("channels", "headline"),
        [
            ((WELL,), "All is well: the only channel is healthy."),
            ((WELL, WELL), "All is well: all 2 channels are healthy."),
            ((ILL,), "1 of 1 channel is unhealthy: master."),
            ((ILL, WELL, ILL, ILL), "3 of 4 channels are unhealthy: master, master and master."),
            ((WELL, UNREAD), "1 of 2 channels is unhealthy: release-1.29 (could not be read)."),
        ],
    )
    def test_headline(self, channels: tuple[ChannelHealth, ...], headline: str) -> None:
        """One sentence says whether all is well, and names every channel that is not."""
        report = HealthReport(store=STORE, now=NOW, channels=channels)
        assert report.headline == headline
        assert report.is_healthy is headline.startswith("All is well")

    def test_nothing_read(self) -> None:
        """Nothing was read only if no channel could be."""
        assert HealthReport(store=STORE, now=NOW, channels=(self.UNREAD, self.UNREAD)).nothing_read
        assert not HealthReport(store=STORE, now=NOW, channels=(self.UNREAD, self.ILL)).nothing_read

    def test_collections(self) -> None:
        """Findings are worst first across channels; those of the store belong to none."""
        passed = Condition("store-unreachable", Severity.WARNING, "x could not be reached")
        report = HealthReport(
            store=STORE, now=NOW, channels=(self.ILL, self.UNREAD, self.WELL), conditions=(passed,)
        )
        assert [(channel, finding.condition.code) for channel, finding in report.findings] == [
            ("release-1.29", "channel-unreadable"),
            ("", "store-unreachable"),
            ("master", "builds-old"),
        ]
        assert len(report.markers) == 4
        assert report.refused == ()

    def test_worst_first(self) -> None:
        """Findings are ordered by severity, and those of the same keep their order."""
        found = findings_of(
            [
                Condition("marker-old", Severity.INFO, "a"),
                Condition("builds-old", Severity.WARNING, "b"),
                Condition("marker-lagging", Severity.INFO, "c"),
            ]
        )
        assert [finding.condition.message for finding in found] == ["b", "a", "c"]
        assert all(isinstance(finding, Finding) for finding in found)
