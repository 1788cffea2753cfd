"""Health reports that tests of the outputs show: the incident, everything that can be said, a crowd, and long names."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from attrs import evolve

from kopsversion.cli.demo_bucket import AS_OF, lay_out
from kopsversion.errors import StoreUnavailableError
from kopsversion.model.answer import Condition, MarkerReport, Severity, Verdict
from kopsversion.model.bucket import GitCommit, GitLine, Malformed, Marker, Missing, Named
from kopsversion.model.channel import (
    BRANCH_MARKER,
    GREEN_MARKER,
    MASTER,
    Attribution,
    Certainty,
    Channel,
    Witness,
)
from kopsversion.model.policy import Policy
from kopsversion.model.version import BuildVersion
from kopsversion.rules.health import judge_channel, unreadable, with_remarks
from kopsversion.rules.report import (
    BuildState,
    ChannelHealth,
    HealthReport,
    LeftOut,
    MarkerHealth,
    SeenBuild,
    failed,
    findings_of,
)
from kopsversion.workflows.jobs import JobsQuestion
from kopsversion.workflows.survey import check_health
from tests.builders import DAY, HOUR, NOW, STORE, alpha, bare_listing, build, marker, patch, snapshot

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from kopsversion.model.bucket import Snapshot

HOSTILE = "</title><script>alert(1)</script>|`*_@octocat #1 & \x1b[2J"
"""Text that no grammar here lets through; an output must be safe even if one did."""

MADE_BY = "kopsversion 0.1.0"

NINES = "999999999"
LONGEST = f"{NINES}.{NINES}.{NINES}-alpha.{NINES}+v{NINES}.{NINES}.{NINES}-alpha.{NINES}-{NINES}-g{'f' * 40}"
"""As long as a version can be."""
LONGEST_MARKER = f"{'latest-ci-' * 10}."
"""As long as a marker's name can be."""


def incident(directory: Path) -> HealthReport:
    """Report on the demo bucket, laid out in `directory`, as if it were the real one."""
    lay_out(directory)
    return evolve(
        check_health(store=str(directory), as_of=AS_OF, ignore_older=365 * DAY),
        store="gs://k8s-staging-kops/kops/releases/",
        made_by=MADE_BY,
    )


def explained(directory: Path) -> HealthReport:
    """Report on the demo bucket with the jobs behind its markers, as if their results were the real ones."""
    lay_out(directory)
    report = check_health(store=str(directory), as_of=AS_OF, jobs=JobsQuestion())
    place = "gs://kubernetes-ci-logs/logs/"
    channels = tuple(
        evolve(channel, writers=tuple(evolve(writer, place=place) for writer in channel.writers))
        for channel in report.channels
    )
    return evolve(report, store="gs://k8s-staging-kops/kops/releases/", made_by=MADE_BY, channels=channels)


def judged(held: Snapshot, channel: str, policy: Policy | None = None) -> ChannelHealth:
    """Judge a channel of a snapshot that knows enough."""
    health = judge_channel(held, Channel(channel), policy or Policy(), NOW)
    assert isinstance(health, ChannelHealth)
    return health


def everything() -> HealthReport:
    """Make a report with every kind of thing that can be said."""
    lacks = ("linux/arm64/nodeup", "linux/arm64/nodeup.sha256")
    line = tuple(GitCommit(f"{n:010x}{'0' * 30}", NOW - 30 * DAY + n * HOUR) for n in range(30))
    master = snapshot(
        bare_listing(alpha(3), NOW - 25 * DAY),
        build(alpha(5), uploaded=NOW - 20 * DAY),
        build(alpha(7), uploaded=NOW - 3 * DAY),
        build(alpha(9), uploaded=NOW - 2 * DAY, without=lacks),
        build(alpha(10), uploaded=NOW - timedelta(minutes=4)),
        markers=[
            marker(MASTER, GREEN_MARKER, alpha(5), written=NOW - 19 * DAY),
            marker(MASTER, BRANCH_MARKER, alpha(7), written=NOW - 3 * DAY),
            marker(MASTER, "latest-ci-other.txt", Malformed("is an HTML or XML page"), written=NOW - HOUR),
            marker(MASTER, "latest-ci-unused.txt", Missing("does not exist")),
        ],
        git=GitLine("origin/master", line),
    )
    lagging = snapshot(
        build(patch(1), uploaded=NOW - 200 * DAY),
        build(patch(4), uploaded=NOW - 5 * HOUR),
        build(patch(5), uploaded=NOW - timedelta(minutes=45)),
        markers=[
            marker("release-1.29", BRANCH_MARKER, patch(4), written=NOW - 5 * HOUR),
            marker("release-1.29", "latest-ci-old.txt", patch(1)),
        ],
    )
    refused = snapshot(
        build(patch(2, minor="1.28"), uploaded=NOW - DAY, without=lacks),
        markers=[marker("release-1.28", BRANCH_MARKER, patch(2, minor="1.28"), written=NOW - DAY)],
    )
    remark = Condition("git-unavailable", Severity.INFO, "git cannot tell which builds are of release-1.29")
    return HealthReport(
        store="gs://k8s-staging-kops/kops/releases/",
        now=NOW,
        channels=(
            judged(master, MASTER, Policy(reported=("latest-ci-unused.txt",))),
            with_remarks(judged(lagging, "release-1.29"), [remark]),
            judged(refused, "release-1.28"),
            judged(snapshot(build(alpha(1))), "release-1.27"),
            unreadable(
                Channel("release-1.26"), Policy(), StoreUnavailableError(f"no answer: {HOSTILE}", url=STORE)
            ),
        ),
        left_out=(LeftOut("release-1.20", written=NOW - 400 * DAY),),
        conditions=(
            Condition(
                "store-unreachable", Severity.WARNING, "gs://a/ did not answer; the answer is from gs://b/"
            ),
        ),
        skipped={"names that are no version": 3, "files outside of a build": 1},
        requests=20,
        made_by=MADE_BY,
        took=timedelta(seconds=3),
    )


def nothing() -> HealthReport:
    """Make the report of a check that could not ask the store."""
    why = "https://storage.googleapis.com/k8s-staging-kops/kops/releases/ did not answer: connection refused"
    advice = "See whether the store can be reached from here."
    report = failed(why, advice=advice, store="gs://k8s-staging-kops/kops/releases/", now=NOW)
    return evolve(report, made_by=MADE_BY)


def seen(version: str, *, uploaded: datetime | None, state: BuildState = BuildState.TESTABLE) -> SeenBuild:
    """Make a build that was seen."""
    return SeenBuild(
        version=BuildVersion.parse(version),
        uploaded=uploaded,
        attribution=Attribution(MASTER, Witness.VERSION, Certainty.LIKELY),
        state=state,
        reasons=() if state is BuildState.TESTABLE else (f"{'images/a-very-long-name' * 9} is missing",),
    )


def crowded(builds: int) -> HealthReport:
    """Make a report on one channel with so many builds, of every state, in the last hundred days."""
    states = list(BuildState)
    held = tuple(
        seen(alpha(n), uploaded=NOW - n * (100 * DAY / builds), state=states[n % len(states)])
        for n in range(builds)
    )
    channel = ChannelHealth(
        channel=MASTER, policy=Policy(), newest=held[0], testable=held[0], builds=held, refused=held[1:4]
    )
    return HealthReport(store=STORE, now=NOW, channels=(channel,))


def longest() -> HealthReport:
    """Make a report whose versions, names and reasons are as long as they can be."""
    spread = [
        (0, BuildState.REFUSED),
        (30, BuildState.TESTABLE),
        (60, BuildState.UNSETTLED),
        (99, BuildState.REFUSED),
    ]
    held = tuple(seen(LONGEST, uploaded=NOW - age * DAY, state=state) for age, state in spread)
    markers = tuple(
        MarkerHealth(
            report=MarkerReport(
                Marker("release-9999.9999", name, Named(BuildVersion.parse(LONGEST)), written=NOW - 50 * DAY),
                verdict,
                f"names {LONGEST}, which is a build of another branch",
                50 * DAY,
            ),
            builds_behind=1,
        )
        for name, verdict in ((LONGEST_MARKER, Verdict.WRONG_CHANNEL), (GREEN_MARKER, Verdict.LAGGING))
    )
    channel = ChannelHealth(
        channel="release-9999.9999",
        policy=Policy(),
        newest=held[0],
        testable=held[1],
        commits_behind=123456,
        markers=markers,
        builds=held,
        refused=(held[0], held[3], seen(LONGEST, uploaded=None, state=BuildState.REFUSED)),
    )
    return HealthReport(store=f"file:///{'a-deep-directory/' * 12}", now=NOW, channels=(channel, channel))


def many(channels: int = 30, builds: int = 90) -> HealthReport:
    """Make a report on many channels, every seventh with a stale marker and every seventh without new builds."""
    return HealthReport(
        store=STORE,
        now=NOW,
        channels=tuple(_one_of_many(number, builds) for number in range(channels)),
        made_by=MADE_BY,
    )


def _one_of_many(number: int, builds: int) -> ChannelHealth:
    ref = MASTER if number == 0 else f"release-1.{40 - number}"
    is_stale, is_old = number % 7 == 2, number % 7 == 3
    held = tuple(
        _build_of_many(ref, number=number, position=position, quiet=20 * DAY if is_old else 0 * DAY)
        for position in range(builds)
    )
    behind = builds // 2 if is_stale else 0
    found = []
    if is_stale:
        path = f"markers/{ref}/{GREEN_MARKER}"
        said = f"{path} names {held[behind].version}, although {held[0].version} could have been promoted 51 days ago"
        found.append(Condition("marker-stale", Severity.WARNING, said, {"marker": path, "verdict": "stale"}))
    if is_old:
        found.append(Condition("builds-old", Severity.WARNING, f"{ref} has had no build for 20 days"))
    markers = (
        _marker_of_many(ref, GREEN_MARKER, held[behind], builds_behind=behind),
        _marker_of_many(ref, BRANCH_MARKER, held[0], builds_behind=0),
    )
    return ChannelHealth(
        channel=ref,
        policy=Policy(),
        newest=held[0],
        testable=held[0],
        markers=markers,
        findings=findings_of(found),
        builds=held,
        refused=tuple(each for each in held if each.state is BuildState.REFUSED)[:3],
    )


def _build_of_many(ref: str, *, number: int, position: int, quiet: timedelta) -> SeenBuild:
    minor = 41 - number
    commit = f"{(number * 1000 + position) * 7919:010x}"
    states = {5: BuildState.REFUSED, 9: BuildState.UNEXAMINED}
    state = states.get(position % 13, BuildState.TESTABLE)
    return SeenBuild(
        version=BuildVersion.parse(f"1.{minor}.0-alpha.3+v1.{minor}.0-alpha.2-{900 - position}-g{commit}"),
        uploaded=NOW - quiet - position * timedelta(hours=24 + number % 5) - number * HOUR,
        attribution=Attribution(ref, Witness.VERSION, Certainty.LIKELY),
        state=state,
        reasons=("linux/arm64/nodeup is missing",) if state is BuildState.REFUSED else (),
    )


def _marker_of_many(ref: str, name: str, named: SeenBuild, *, builds_behind: int) -> MarkerHealth:
    verdict = Verdict.STALE if builds_behind else Verdict.CURRENT
    lag = 51 * DAY if builds_behind else None
    held = Marker(ref, name, Named(named.version), written=named.uploaded)
    return MarkerHealth(
        report=MarkerReport(held, verdict, f"names {named.version}", lag), builds_behind=builds_behind
    )
