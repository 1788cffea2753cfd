"""What ``kopsversion check`` reports: channels, their markers and builds, and what was found (DESIGN section 9).

Pure. Each finding has advice and belongs to a check. A channel is healthy if and only if none of its findings is a
warning or worse. How a channel is judged: `rules.health`.

This module knows no store, no configuration file and no output format.
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from attrs import Factory

from kopsversion.model.answer import Condition, MarkerReport, Severity, Verdict
from kopsversion.model.codes import Code
from kopsversion.model.program import MADE_BY
from kopsversion.model.values import frozen
from kopsversion.model.wording import count
from kopsversion.rules.catalogue import CATALOGUE
from kopsversion.rules.conditions import worst_first

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from kopsversion.model.channel import Attribution
    from kopsversion.model.policy import Policy
    from kopsversion.model.silence import Silence
    from kopsversion.model.version import BuildVersion
    from kopsversion.rules.writers import WriterReport

TIMELINE = timedelta(days=120)
"""How far back the timeline goes: two of the gaps of kops issue 16533."""

# --------------------------------------------------------------------------------------------------
# What is found


class BuildState(StrEnum):
    """What is known of a build's testability (DESIGN section 5).

    >>> store.remove(f"{master_version(3)}/linux/arm64/nodeup")
    >>> check_health(["master"], store=store, now=NOW).channels[0].newest.state
    <BuildState.REFUSED: 'refused'>
    """

    TESTABLE = "testable"
    """It can be tested."""
    REFUSED = "refused"
    """It cannot."""
    UNSETTLED = "unsettled"
    """Its upload may still be going on."""
    UNEXAMINED = "not examined"
    """Nobody looked."""


class Check(StrEnum):
    """What a channel is checked for; each finding belongs to one of these, so each can be a row of its own."""

    READABLE = "can be read"
    TESTABLE = "has a testable build"
    FRESH = "builds keep coming"
    COMPLETE = "newest builds are complete"
    CERTAIN = "builds are told apart from other branches"
    MARKER = "marker"
    WRITER = "writer of"


@frozen(kw_only=True)
class SeenBuild:
    """A build of the channel, as far as it was looked at.

    >>> master = check_health(["master"], store=store, now=NOW).channels[0]
    >>> [(build.version.distance, str(build.state)) for build in master.builds]
    [(3, 'testable'), (2, 'testable'), (1, 'testable')]

    Attributes:
        version: the build.
        uploaded: when its newest file was written, UTC, where known.
        attribution: its channel, and what says so.
        state: whether it is testable.
        reasons: why not.
    """

    version: BuildVersion
    uploaded: datetime | None
    attribution: Attribution
    state: BuildState
    reasons: tuple[str, ...] = ()


@frozen(kw_only=True)
class MarkerHealth:
    """A marker, what it is worth, and how far it is behind.

    >>> master = check_health(["master"], store=store, now=NOW).channels[0]
    >>> [(marker.name, str(marker.verdict), marker.builds_behind) for marker in master.markers]
    [('latest-ci-updown-green.txt', 'current', 0), ('latest-ci.txt', 'current', 0)]

    Attributes:
        report: the verdict on it.
        builds_behind: builds of the channel that are newer than the one it names and are not known to be
            untestable; ``None`` where that build is not on the channel's line.
        ignored: whether the configuration says that it does not matter.
    """

    report: MarkerReport
    builds_behind: int | None
    ignored: bool = False

    @property
    def name(self) -> str:
        """Its file name."""
        return self.report.marker.name

    @property
    def verdict(self) -> Verdict:
        """What it is worth."""
        return self.report.verdict

    @property
    def waits(self) -> bool:
        """Whether there is something newer that it could name."""
        return self.verdict in {Verdict.LAGGING, Verdict.STALE} or bool(self.builds_behind)

    @property
    def lag(self) -> timedelta | None:
        """Promotion lag: zero where it names the newest testable build, ``None`` where not known."""
        return timedelta() if self.verdict is Verdict.CURRENT else self.report.lag

    @property
    def written(self) -> datetime | None:
        """When it was last written, UTC, where known."""
        return self.report.marker.written

    @property
    def version(self) -> BuildVersion | None:
        """The build it names, if it names one."""
        return self.report.marker.version


@frozen
class Finding:
    """A condition, and what to do about it.

    >>> master = check_health(["master"], store=store, now=NOW + timedelta(days=30)).channels[0]
    >>> [str(finding.condition.code) for finding in master.findings if finding.is_serious]
    ['builds-old']

    Attributes:
        condition: what is the case.
        advice: one sentence.
        silence: why it does not count for now; ``None`` where it does.
        first_seen: the first of the runs in a row that found it, UTC; ``None`` where no runs were kept.
        is_new: whether the run before did not find it.
    """

    condition: Condition
    advice: str
    silence: Silence | None = None
    first_seen: datetime | None = None
    is_new: bool = False

    @property
    def is_serious(self) -> bool:
        """Whether it makes its channel unhealthy."""
        return self.condition.severity >= Severity.WARNING and self.silence is None


@frozen(kw_only=True)
class CheckResult:
    """One check of one channel.

    Attributes:
        name: the same in every run, as in ``marker latest-ci.txt``.
        findings: what was found, worst first; empty if all is well.
        skipped: why it was not made; ``None`` if it was.
    """

    name: str
    findings: tuple[Finding, ...] = ()
    skipped: str | None = None

    @property
    def failed(self) -> bool:
        """Whether something serious was found."""
        return any(finding.is_serious for finding in self.findings)


@frozen(kw_only=True)
class ChannelHistory:
    """What earlier runs say about a channel.

    Attributes:
        since: the first of the runs in a row that found it unhealthy, UTC; ``None`` if it is healthy.
        is_since_before: whether that is the first run that was kept, so that it may have begun earlier.
        recurring: how often something was found, gone and found again in the last 30 days, by code and marker.
        lags: the worst promotion lag of its markers at each run, oldest first.
    """

    since: datetime | None = None
    is_since_before: bool = False
    recurring: Mapping[str, int] = Factory(dict)
    lags: tuple[tuple[datetime, timedelta], ...] = ()


@frozen(kw_only=True)
class ChannelHealth:
    """How one channel is.

    >>> report = check_health(["master"], store=store, now=NOW)
    >>> [(channel.channel, channel.is_healthy, channel.newest.version.distance) for channel in report.channels]
    [('master', True, 3)]

    Attributes:
        channel: its ref.
        policy: the limits that it was held to.
        newest: its newest build, testable or not.
        testable: its newest testable build.
        commits_behind: merges after that build; ``None`` without a clone that knows.
        markers: every marker of it.
        findings: worst first.
        builds: its builds of the timeline, newest first, as far as their upload times are known.
        refused: its builds that were looked into and cannot be tested, or not yet, newest first.
        unreadable: why it could not be judged; ``None`` if it could.
        history: what earlier runs say; ``None`` where none were kept.
        writers: what became of the jobs that write its markers, where that was looked at.
    """

    channel: str
    policy: Policy
    newest: SeenBuild | None = None
    testable: SeenBuild | None = None
    commits_behind: int | None = None
    markers: tuple[MarkerHealth, ...] = ()
    findings: tuple[Finding, ...] = ()
    builds: tuple[SeenBuild, ...] = ()
    refused: tuple[SeenBuild, ...] = ()
    unreadable: str | None = None
    history: ChannelHistory | None = None
    writers: tuple[WriterReport, ...] = ()

    @property
    def is_healthy(self) -> bool:
        """Whether nothing serious was found."""
        return not any(finding.is_serious for finding in self.findings)

    @property
    def checks(self) -> tuple[CheckResult, ...]:
        """Every check, in the order of `Check`; the names depend on the channel's markers and on nothing else."""
        unread = None if self.unreadable is None else "the channel could not be read"
        results = [
            CheckResult(
                name=check,
                findings=tuple(f for f in self.findings if _check_of(f) is check),
                skipped=None if check is Check.READABLE else unread,
            )
            for check in Check
            if check not in {Check.MARKER, Check.WRITER}
        ]
        for marker in self.markers:
            path = marker.report.marker.path
            skipped = "ignored by configuration" if marker.ignored else unread
            found = self._about(path, Check.MARKER)
            results.append(CheckResult(name=f"{Check.MARKER} {marker.name}", findings=found, skipped=skipped))
        for writer in self.writers:
            found = self._about(writer.marker.path, Check.WRITER)
            results.append(CheckResult(name=f"{Check.WRITER} {writer.marker.name}", findings=found))
        return tuple(results)

    def _about(self, path: str, check: Check) -> tuple[Finding, ...]:
        """Find what was found of a marker by one check."""
        found = (finding for finding in self.findings if finding.condition.data.get("marker") == path)
        return tuple(finding for finding in found if _check_of(finding) is check)


@frozen
class LeftOut:
    """A release branch that was not looked at: it has had its final release, and has built nothing for long.

    >>> store.add_build("1.28.1+v1.28.0-7-g0000000007", at=NOW - timedelta(days=200))
    >>> [branch.channel for branch in check_health(store=store, now=NOW).left_out]
    ['release-1.28']

    Attributes:
        channel: its ref.
        written: when its youngest marker was written, UTC; ``None`` where it has none.
        built: when its last build came, UTC; ``None`` where none is there any more.
    """

    channel: str
    written: datetime | None = None
    built: datetime | None = None


@frozen(kw_only=True)
class HealthReport:
    """How all channels are.

    >>> report = check_health(["master"], store=store, now=NOW)
    >>> report.is_healthy, [each.channel for each in report.channels]
    (True, ['master'])

    Attributes:
        store: the store's URL.
        now: the moment of the report, UTC.
        channels: master first, then the newest.
        left_out: release branches that are over, and were not looked at.
        conditions: what concerns no channel in particular, worst first.
        skipped: names in the store that are no build, as kind and count.
        requests: requests made.
        failure: why nothing could be judged at all, and what to do; ``None`` if anything could.
        made_by: which kopsversion made it, as in ``kopsversion 0.1.0``.
        took: how long the check took; ``None`` where that was not measured.
    """

    store: str
    now: datetime
    channels: tuple[ChannelHealth, ...]
    left_out: tuple[LeftOut, ...] = ()
    conditions: tuple[Condition, ...] = ()
    skipped: Mapping[str, int] = Factory(dict)
    requests: int = 0
    failure: Finding | None = None
    made_by: str = MADE_BY
    took: timedelta | None = None

    @property
    def unhealthy(self) -> tuple[ChannelHealth, ...]:
        """The channels that are not healthy, including those that could not be read."""
        return tuple(channel for channel in self.channels if not channel.is_healthy)

    @property
    def markers(self) -> tuple[tuple[ChannelHealth, MarkerHealth], ...]:
        """Every marker of every channel, with its channel."""
        return tuple((channel, marker) for channel in self.channels for marker in channel.markers)

    @property
    def writers(self) -> tuple[tuple[ChannelHealth, WriterReport], ...]:
        """Every writer of a marker that was looked at, with its channel."""
        return tuple((channel, writer) for channel in self.channels for writer in channel.writers)

    @property
    def findings(self) -> tuple[tuple[str, Finding], ...]:
        """Everything that was found, worst first, with its channel; ``""`` for what concerns the store."""
        found = [("", self.failure)] if self.failure is not None else []
        found += [("", Finding(condition, "")) for condition in self.conditions]
        found += [(channel.channel, finding) for channel in self.channels for finding in channel.findings]
        by_severity = sorted(found, key=lambda pair: pair[1].condition.severity, reverse=True)
        return tuple(sorted(by_severity, key=lambda pair: pair[1].silence is not None))

    @property
    def refused(self) -> tuple[tuple[ChannelHealth, SeenBuild], ...]:
        """Every build that cannot be tested, with its channel."""
        return tuple((channel, build) for channel in self.channels for build in channel.refused)

    @property
    def is_healthy(self) -> bool:
        """Whether every channel is, and there is one."""
        return not self.nothing_read and not self.unhealthy

    @property
    def nothing_read(self) -> bool:
        """Whether there is no channel that could be read."""
        return self.failure is not None or all(channel.unreadable is not None for channel in self.channels)

    @property
    def is_success(self) -> bool:
        """Whether anything could be read."""
        return not self.nothing_read

    @property
    def headline(self) -> str:
        """Whether all is well, in one sentence."""
        if self.failure is not None:
            return f"Nothing could be checked: {self.failure.condition.message}."
        number = count(len(self.channels), "channel")
        if self.is_healthy:
            return f"All is well: {'the only channel is' if len(self.channels) == 1 else f'all {number} are'} healthy."
        verb = "is" if len(self.unhealthy) == 1 else "are"
        names = _listed([_named(channel) for channel in self.unhealthy])
        return f"{len(self.unhealthy)} of {number} {verb} unhealthy: {names}."


def failed(why: str, *, advice: str, store: str, now: datetime) -> HealthReport:
    """Make a report that nothing could be judged, so that an earlier report is not mistaken for the present state.

    Parameters:
        why: what prevented it, without a full stop.
        advice: what to do about it, in one sentence.
        store: what was asked.
        now: the moment of the report, UTC.

    Source: FAILURES row 34.
    """
    condition = Condition(Code.CHECK_FAILED, Severity.ERROR, why)
    return HealthReport(
        store=store,
        now=now,
        channels=(),
        failure=Finding(condition, advice or CATALOGUE[Code.CHECK_FAILED].advice),
    )


def _named(channel: ChannelHealth) -> str:
    return channel.channel if channel.unreadable is None else f"{channel.channel} (could not be read)"


def _listed(names: Sequence[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


# --------------------------------------------------------------------------------------------------
# What a condition belongs to

_CHECKS: Mapping[Check, frozenset[str]] = {
    Check.READABLE: frozenset({Code.CHANNEL_UNREADABLE, Code.LISTING_UNAVAILABLE}),
    Check.TESTABLE: frozenset({Code.NO_TESTABLE_BUILD}),
    Check.FRESH: frozenset({Code.BUILDS_STALLED, Code.BUILDS_OLD}),
    Check.COMPLETE: frozenset(
        {
            Code.BUILDS_REFUSED,
            Code.BUILDS_UNSETTLED,
            Code.ARTIFACTS_DIFFER,
            Code.FILES_UNPAIRED,
            Code.NAMES_SKIPPED,
        }
    ),
    Check.CERTAIN: frozenset(
        {
            Code.CHANNEL_AMBIGUOUS,
            Code.CLONE_AMBIGUOUS,
            Code.CLONE_BEHIND,
            Code.CLONE_DISAGREES,
            Code.CLONE_WITHOUT_MASTER,
            Code.ORDER_DISPUTED,
            Code.GIT_UNAVAILABLE,
        }
    ),
    Check.MARKER: frozenset(code for code in CATALOGUE if code.startswith("marker-")),
    Check.WRITER: frozenset(code for code in CATALOGUE if code.startswith(("writer-", "promoted-"))),
}
"""The conditions that can be found, by the check that they belong to."""
_CHECK_OF = {code: check for check, codes in _CHECKS.items() for code in codes}


def findings_of(conditions: Iterable[Condition]) -> tuple[Finding, ...]:
    """Add to each condition what to do about it; worst first."""
    return tuple(Finding(each, CATALOGUE[each.code].advice) for each in worst_first(conditions))


def _check_of(finding: Finding) -> Check:
    return _CHECK_OF[finding.condition.code]
