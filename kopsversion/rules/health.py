"""How healthy channels are: the judgement of ``kopsversion check`` (DESIGN sections 6, 7 and 9).

Pure. A channel is judged by `rules.resolver.decide`, with the same verdicts, attribution and freshness as every
answer. This module adds what only a report needs. Every marker of a channel matters, and not just the one that
decides; and there are the builds of the last months for a timeline. What a report holds: `rules.report`.

This module knows no store, no configuration file and no output format.
"""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING

from attrs import evolve

from kopsversion.errors import NoTestableBuildError, StoreUnavailableError
from kopsversion.model.answer import USABLE, Condition, MarkerReport, Refusal, RefusalKind, Severity, Verdict
from kopsversion.model.codes import Code
from kopsversion.model.needs import ListArtifacts, ListMarkers, Undecided
from kopsversion.model.policy import Strategy
from kopsversion.model.wording import duration, moment
from kopsversion.rules.agreement import disagreement
from kopsversion.rules.asking import Unknown
from kopsversion.rules.freshness import unbuilt, without_guess
from kopsversion.rules.inquiry import Inquiry
from kopsversion.rules.report import (
    TIMELINE,
    BuildState,
    ChannelHealth,
    MarkerHealth,
    SeenBuild,
    findings_of,
)
from kopsversion.rules.resolver import decide
from kopsversion.rules.verdicts import judge
from kopsversion.rules.writer_conditions import Surroundings, causes_first, writer_conditions
from kopsversion.rules.writers import WriterState

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from kopsversion.errors import KopsVersionError
    from kopsversion.model.answer import Resolution
    from kopsversion.model.bucket import Build, Snapshot
    from kopsversion.model.channel import Channel
    from kopsversion.model.policy import Policy
    from kopsversion.model.version import BuildVersion
    from kopsversion.rules.inquiry import Candidate
    from kopsversion.rules.writers import WriterReport

# --------------------------------------------------------------------------------------------------
# The judgement


def judge_channel(
    snapshot: Snapshot, channel: Channel, policy: Policy, now: datetime
) -> ChannelHealth | Undecided:
    """Judge one channel, or say what must be known first.

    Parameters:
        snapshot: what the store holds; it may be partial.
        channel: the channel.
        policy: its limits. `reported` names the markers that do not matter; `strategy`, `markers`, `nth`
            and `on_stale` mean nothing here.
        now: the moment of the judgement, UTC.

    Source: DESIGN sections 6 and 7.
    """
    ignored = frozenset(policy.reported)
    # What concerns all channels is said once, in the report.
    known = evolve(snapshot, skipped={})
    strict = evolve(
        policy,
        strategy=Strategy.NEWEST,
        nth=1,
        markers=_marker_names(snapshot, channel),
        reported=(),
        compare_artifacts=True,
    )
    inquiry = Inquiry(known, channel, strict, now)
    try:
        resolution = decide(known, channel, strict, now)
    except StoreUnavailableError as error:
        return unreadable(channel, policy, error)
    except NoTestableBuildError as error:
        return _without_build(inquiry, error, policy=policy, ignored=ignored)
    if isinstance(resolution, Undecided):
        return resolution
    return _with_build(inquiry, resolution, policy=policy, ignored=ignored)


def unreadable(channel: Channel, policy: Policy, error: KopsVersionError) -> ChannelHealth:
    """Report a channel that could not be judged, and why."""
    why = "; ".join((str(error), *error.reasons))
    condition = Condition(Code.CHANNEL_UNREADABLE, Severity.ERROR, f"{channel} could not be read: {why}")
    return ChannelHealth(
        channel=str(channel), policy=policy, findings=findings_of([condition]), unreadable=why
    )


def with_remarks(health: ChannelHealth, remarks: Iterable[Condition]) -> ChannelHealth:
    """Add conditions that concern the clone, such as that it could not be read.

    Parameters:
        health: how the channel is.
        remarks: the conditions; each is a warning where the user named the clone, as in every command.
    """
    return evolve(health, findings=findings_of([*(each.condition for each in health.findings), *remarks]))


def with_writers(health: ChannelHealth, reports: Iterable[WriterReport], *, now: datetime) -> ChannelHealth:
    """Add what is known of the jobs that write a channel's markers, the causes before their effects.

    Parameters:
        health: how the channel is.
        reports: of each job; those that write a branch's builds come first.
        now: the moment of the judgement, UTC.
    """
    around = Surroundings(
        newest=health.newest.version if health.newest else None,
        uploaded=health.newest.uploaded if health.newest else None,
        merges=health.commits_behind,
    )
    writers = causes_first(reports)
    causes = [condition for report in writers for condition in writer_conditions(report, around, now=now)]
    known = [finding.condition for finding in health.findings]
    if any(report.state is WriterState.RED and report.writer.interval is None for report in writers):
        known = [without_guess(condition) for condition in known]
    return evolve(health, writers=writers, findings=findings_of([*causes, *known]))


def _about_unlisted_markers(inquiry: Inquiry) -> Iterator[Condition]:
    """Say that markers could not be listed, so that one with an unusual name is not watched (FAILURES row 33)."""
    reason = inquiry.failed(ListMarkers())
    if reason is not None:
        yield Condition(
            Code.LISTING_UNAVAILABLE,
            Severity.WARNING,
            f"which markers {inquiry.channel} has could not be learnt, so only the usual ones were looked at: {reason}",
        )


def _marker_names(snapshot: Snapshot, channel: Channel) -> tuple[str, ...]:
    """Name the markers that a channel must have, and all others that it has."""
    held = sorted(name for ref, name in snapshot.marker_names or () if ref == channel.ref)
    names = dict.fromkeys((*channel.default_markers, *held))
    return tuple(name for name in names if channel.must_have(name) or name in held)


def _with_build(
    inquiry: Inquiry, resolution: Resolution, *, policy: Policy, ignored: frozenset[str]
) -> ChannelHealth:
    seen = _seen_builds(inquiry)
    markers = tuple(_marker_health(report, seen, ignored=ignored) for report in resolution.markers)
    # The decision does not care about markers when it takes the newest build; the watcher does.
    conditions = [_weighed(condition, markers) for condition in resolution.conditions]
    git = inquiry.snapshot.git
    merges = unbuilt(git, resolution.version, now=inquiry.now) if git is not None else None
    testable = SeenBuild(
        version=resolution.version,
        uploaded=resolution.uploaded,
        attribution=resolution.attribution,
        state=BuildState.TESTABLE,
    )
    return ChannelHealth(
        channel=str(inquiry.channel),
        policy=policy,
        newest=seen[0] if seen else testable,
        testable=testable,
        commits_behind=merges.behind if merges is not None else None,
        markers=markers,
        findings=findings_of(
            [
                *conditions,
                *_about_old_markers(markers, inquiry),
                *_about_unlisted_markers(inquiry),
                *_about_agreement(inquiry),
            ]
        ),
        builds=_timeline(seen, now=inquiry.now),
        refused=_refused(seen),
    )


def _without_build(
    inquiry: Inquiry, error: NoTestableBuildError, *, policy: Policy, ignored: frozenset[str]
) -> ChannelHealth:
    judged = [
        judge(marker, inquiry)
        for name in inquiry.policy.markers
        if not isinstance(marker := inquiry.marker(inquiry.channel.ref, name), Unknown)
    ]
    reports = [report for report in judged if isinstance(report, MarkerReport)]
    seen = _seen_builds(inquiry)
    markers = tuple(_marker_health(report, seen, ignored=ignored) for report in reports)
    first = f"; {error.reasons[0]}" if error.reasons else ""
    conditions = [
        Condition(Code.NO_TESTABLE_BUILD, Severity.ERROR, f"{error.message}{first}"),
        *_about_unlisted_markers(inquiry),
        *(_about_marker(marker) for marker in markers if marker.verdict is not Verdict.CURRENT),
    ]
    return ChannelHealth(
        channel=str(inquiry.channel),
        policy=policy,
        newest=seen[0] if seen else None,
        markers=markers,
        findings=findings_of(conditions),
        builds=_timeline(seen, now=inquiry.now),
        refused=_refused(seen),
    )


def _marker_health(
    report: MarkerReport, seen: Sequence[SeenBuild], *, ignored: frozenset[str]
) -> MarkerHealth:
    return MarkerHealth(
        report=report,
        builds_behind=_builds_behind(report.marker.version, seen),
        ignored=report.marker.name in ignored,
    )


def _builds_behind(version: BuildVersion | None, seen: Sequence[SeenBuild]) -> int | None:
    if version not in {build.version for build in seen}:
        return None
    newer = takewhile(lambda build: build.version != version, seen)
    return sum(build.state in {BuildState.TESTABLE, BuildState.UNEXAMINED} for build in newer)


def _about_marker(marker: MarkerHealth) -> Condition:
    """Say what is wrong with a marker of a channel that has no testable build."""
    path = marker.report.marker.path
    condition = Condition(
        Code.of_marker(marker.verdict),
        Severity.INFO,
        f"{path} {marker.report.message}",
        {"marker": path, "verdict": marker.verdict},
    )
    return _weighed(condition, [marker])


def _weighed(condition: Condition, markers: Iterable[MarkerHealth]) -> Condition:
    """Make a condition about a marker that matters and cannot be used a warning."""
    path = condition.data.get("marker")
    matters = any(
        marker.report.marker.path == path
        and not marker.ignored
        and marker.verdict not in {*USABLE, Verdict.UNKNOWN}
        for marker in markers
    )
    return evolve(condition, severity=Severity.WARNING) if matters else condition


def _about_agreement(inquiry: Inquiry) -> tuple[Condition, ...]:
    """Say that the marker at the root disagrees with the branch's own, where there is one."""
    if inquiry.channel.root_marker not in inquiry.policy.markers:
        return ()
    found = disagreement(inquiry)
    return () if found is None else (found,)


def _about_old_markers(markers: Iterable[MarkerHealth], inquiry: Inquiry) -> Iterator[Condition]:
    """Say that a marker has long stood still although nothing is wrong with it: there is no newer build."""
    for marker in markers:
        written = marker.written
        if marker.verdict is not Verdict.CURRENT or written is None:
            continue
        age = inquiry.now - written
        if age > inquiry.policy.max_build_age:
            path = marker.report.marker.path
            yield Condition(
                Code.MARKER_OLD,
                Severity.INFO,
                f"{path} was last written on {moment(written)} ({duration(age)} ago), and still names the "
                "newest testable build: it is the builds that have stopped",
                {"marker": path, "age_seconds": int(age.total_seconds())},
            )


# --------------------------------------------------------------------------------------------------
# Builds


def _seen_builds(inquiry: Inquiry) -> tuple[SeenBuild, ...]:
    """Describe the channel's builds, newest first, as far as they are known."""
    return tuple(_seen(candidate, inquiry) for candidate in inquiry.known_candidates())


def _seen(candidate: Candidate, inquiry: Inquiry) -> SeenBuild:
    refusal = _known_refusal(candidate.build, inquiry)
    return SeenBuild(
        version=candidate.version,
        uploaded=candidate.build.uploaded,
        attribution=candidate.attribution,
        state=_state(refusal),
        reasons=refusal.reasons if isinstance(refusal, Refusal) else (),
    )


def _state(refusal: Refusal | Unknown | None) -> BuildState:
    if refusal is None:
        return BuildState.TESTABLE
    if isinstance(refusal, Unknown) or refusal.kind is RefusalKind.UNREADABLE:
        return BuildState.UNEXAMINED
    return BuildState.UNSETTLED if refusal.kind is RefusalKind.UNSETTLED else BuildState.REFUSED


def _known_refusal(build: Build, inquiry: Inquiry) -> Refusal | Unknown | None:
    with inquiry.peek():
        return inquiry.refusal(build)


def _timeline(seen: Iterable[SeenBuild], *, now: datetime) -> tuple[SeenBuild, ...]:
    return tuple(build for build in seen if _is_in_timeline(build.uploaded, now=now))


def _is_in_timeline(uploaded: datetime | None, *, now: datetime) -> bool:
    return uploaded is not None and now - TIMELINE <= uploaded <= now


def _refused(seen: Iterable[SeenBuild]) -> tuple[SeenBuild, ...]:
    return tuple(build for build in seen if build.state in {BuildState.REFUSED, BuildState.UNSETTLED})


def worth_examining(
    snapshot: Snapshot, channel: Channel, policy: Policy, now: datetime, *, limit: int | None
) -> frozenset[ListArtifacts]:
    """Name builds whose state the reader would like to see, although the judgement may not need it.

    Parameters:
        snapshot: what is known.
        channel: the channel.
        policy: its limits.
        now: the moment of the judgement, UTC.
        limit: how many of the newest builds; ``None`` for all of the timeline.

    Returns:
        What to fetch for that, as far as it was not tried yet.
    """
    candidates = list(Inquiry(snapshot, channel, policy, now).known_candidates())
    if limit is None:
        wanted = [each for each in candidates if _is_in_timeline(each.build.uploaded, now=now)]
    else:
        wanted = candidates[:limit]
    needs = {ListArtifacts(each.version) for each in wanted if each.build.artifacts is None}
    return frozenset(need for need in needs if need not in snapshot.failures)
