"""The decision: which build is the answer, and why (DESIGN section 7).

Pure: `resolve` is a function of a snapshot, a channel, a policy and a moment. The order of trust is fixed: what the
bucket holds, then what git says, then what a marker claims. `decide` does the same with a snapshot that may be
partial: where it cannot decide yet, it returns what it needs to know. `workflows.rounds` fetches that; this module
must not know how.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from attrs import evolve

from kopsversion.errors import (
    KopsVersionError,
    MarkerRefusedError,
    NoTestableBuildError,
    UsageError,
)
from kopsversion.model.advice import REPO_OPTION
from kopsversion.model.answer import USABLE, MarkerReport, Refusal, RefusalKind, Resolution, Source, Verdict
from kopsversion.model.bucket import Build, Marker, Snapshot
from kopsversion.model.channel import MASTER, Attribution, Certainty, Channel, Witness, minor_key
from kopsversion.model.checking import checked, wrong_argument
from kopsversion.model.needs import Undecided
from kopsversion.model.policy import OnStale, Policy, Strategy
from kopsversion.model.version import BuildVersion
from kopsversion.model.wording import count
from kopsversion.rules.asking import UNKNOWN, Unknown
from kopsversion.rules.attribution import by_name, by_version, is_disowned
from kopsversion.rules.conditions import Choice, Evidence, clone_disagrees, gather_conditions, worst_first
from kopsversion.rules.failing import AGAIN, store_failed
from kopsversion.rules.inquiry import Candidate, Inquiry
from kopsversion.rules.verdicts import judge

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from kopsversion.errors import StoreError
    from kopsversion.model.needs import Need


_OTHERWISE = "or allow the last good answer with --state and --allow-cached"
_MOST_UNREADABLE = 3
"""Builds whose files could not be listed: after so many, the store is at fault and not the builds."""


class SnapshotIncompleteError(KopsVersionError):
    """`resolve` was given a snapshot that does not hold what the decision needs.

    >>> try:
    ...     resolve(Snapshot("mem://bucket/"), Channel("master"), Policy(), NOW)
    ... except SnapshotIncompleteError as error:
    ...     print(sorted(type(need).__name__ for need in error.needs))
    ['ListMinors', 'ReadMarker']

    Parameters:
        needs: what the snapshot would have to tell.
    """

    def __init__(self, needs: frozenset[Need]) -> None:
        super().__init__(
            f"the snapshot lacks {', '.join(sorted(map(repr, needs)))}",
            hint="make it with Snapshot.complete, or let kopsversion.workflows.rounds.gather fetch what is missing",
        )
        self.needs = needs


def resolve(snapshot: Snapshot, channel: Channel | BuildVersion, policy: Policy, now: datetime) -> Resolution:
    """Name the build to test.

    >>> builds = [complete_build(master_version(distance)) for distance in (1, 2)]
    >>> snapshot = Snapshot.complete("mem://bucket/", builds=builds)
    >>> resolve(snapshot, Channel("master"), Policy(), NOW).version.distance
    2

    Parameters:
        snapshot: what the store holds.
        channel: the channel whose newest testable build is wanted, or one version, which is only checked.
        policy: what counts as an answer.
        now: the moment of the decision, UTC.

    Returns:
        The answer with all the evidence for it.

    Raises:
        NoTestableBuildError: there is none, with the reasons.
        MarkerRefusedError: no marker could be used, and the policy forbids the fallback.
        StoreError: too much of the store could not be read to give an answer.
        SnapshotIncompleteError: the snapshot is partial; see `decide`.
        UsageError: an argument is of another type, or `now` has no time zone.
    """
    checked("snapshot", snapshot, Snapshot, wanted="a Snapshot")
    if not isinstance(channel, Channel | BuildVersion):
        raise wrong_argument("channel", channel, wanted="a Channel or a BuildVersion")
    checked("policy", policy, Policy, wanted="a Policy")
    if checked("now", now, datetime, wanted="a datetime with tzinfo=UTC").tzinfo is None:
        raise UsageError(f"now is {now}, which has no time zone", hint="give a datetime with tzinfo=UTC")
    decision = decide(snapshot, channel, policy, now)
    if isinstance(decision, Undecided):
        raise SnapshotIncompleteError(decision.needs)
    return decision


def decide(
    snapshot: Snapshot, channel: Channel | BuildVersion, policy: Policy, now: datetime
) -> Resolution | Undecided:
    """Name the build to test, or say what must be known first.

    Parameters and errors are those of `resolve`. Fetching the needs and asking again ends after a few rounds,
    because every need, once met or failed, is not asked for again.
    """
    if not isinstance(channel, Channel):
        return _check_version(snapshot, channel, policy, now)
    inquiry = Inquiry(snapshot, channel, policy, now)
    try:
        return _decide(inquiry)
    except NoTestableBuildError:
        despite = _despite_clone(inquiry)
        if despite is None:
            raise
        return despite


def _decide(inquiry: Inquiry) -> Resolution | Undecided:
    """Decide about a channel, by every witness that there is."""
    policy = inquiry.policy
    trusted = _trusted(inquiry)
    deciding = _judge(trusted, inquiry)
    reported = _judge([name for name in policy.reported if name not in trusted], inquiry)
    if deciding is None or reported is None:
        # A marker that is not current will need the newest build too: ask for it in the same round trip. Where
        # one names an older minor, whose listing costs a request already, there is no room for a guess.
        top = next(inquiry.candidates(), None)
        if isinstance(top, Candidate) and _named_minors(trusted, inquiry) <= {top.version.minor}:
            inquiry.refusal(top.build)
        return Undecided(frozenset(inquiry.needs))
    usable = next((report for report in deciding if report.verdict in USABLE), None)
    if policy.strategy is Strategy.GREEN and policy.nth == 1:
        if usable is not None:
            return _answer(inquiry, _by_marker(usable, inquiry), deciding=deciding, reported=reported)
        if policy.on_stale is OnStale.REFUSE:
            return _refuse(inquiry, deciding)
    choice = _newest(inquiry)
    if isinstance(choice, Unknown):
        return Undecided(frozenset(inquiry.needs))
    if choice is None:
        return _without_listing(inquiry, usable, deciding=deciding, reported=reported)
    return _answer(inquiry, choice, deciding=deciding, reported=reported)


def _despite_clone(inquiry: Inquiry) -> Resolution | Undecided | None:
    """Decide by names where a clone gives every build to other branches, and say so.

    Returns:
        ``None`` where there is no such clone, or where it certainly gives the build that names would choose to
        another branch: then the channel has no testable build.
    """
    clone = inquiry.disowning_clone
    if clone is None:
        return None
    try:
        decision = decide(evolve(inquiry.snapshot, git=None), inquiry.channel, inquiry.policy, inquiry.now)
    except NoTestableBuildError:
        return None
    if isinstance(decision, Undecided):
        return decision
    if is_disowned(decision.version, clone):
        return None
    disagreement = clone_disagrees(clone, channel=inquiry.channel, version=decision.version)
    return evolve(decision, conditions=worst_first([disagreement, *decision.conditions]))


def _trusted(inquiry: Inquiry) -> tuple[str, ...]:
    """Name the markers that can decide.

    On a branch that must have a green marker, the next marker is read only where green cannot decide. It probably
    cannot where it names an older minor. Everywhere else all are read at once, since the first is often not there
    (DESIGN section 10).
    """
    channel = inquiry.channel
    names = inquiry.policy.markers or channel.default_markers
    if inquiry.policy.markers or not channel.must_have(names[0]):
        return names
    first = inquiry.marker(channel.ref, names[0])
    report = _judge_alone(first, inquiry)
    if isinstance(report, MarkerReport):
        return names[:1] if report.verdict in USABLE else names
    minors = inquiry.snapshot.minors or ()
    named = first.version if isinstance(first, Marker) else None
    if named is not None and named.minor != max(minors, key=minor_key, default=named.minor):
        inquiry.marker(channel.ref, names[1])
    return names[:1]


def _judge(names: Iterable[str], inquiry: Inquiry) -> tuple[MarkerReport, ...] | None:
    """Judge markers by name, all of them, so that what they need is fetched at once."""
    markers = [inquiry.marker(inquiry.channel.ref, name) for name in dict.fromkeys(names)]
    reports = [_judge_alone(marker, inquiry) for marker in markers]
    known = tuple(report for report in reports if isinstance(report, MarkerReport))
    if len(known) < len(reports):
        # The builds are looked for beside the markers, not after them.
        next(inquiry.candidates(), None)
        return None
    return known


def _judge_alone(marker: Marker | Unknown, inquiry: Inquiry) -> MarkerReport | Unknown:
    """Judge a marker by the listings that it needs: a listing that failed for another marker must not count here."""
    if isinstance(marker, Unknown):
        return UNKNOWN
    failed, inquiry.listing_failure = inquiry.listing_failure, None
    report = judge(marker, inquiry)
    inquiry.listing_failure = failed or inquiry.listing_failure
    return report


def _named_minors(names: Iterable[str], inquiry: Inquiry) -> set[str]:
    """Return the minors of the builds that markers name."""
    markers = [inquiry.marker(inquiry.channel.ref, name) for name in names]
    named = [marker.version for marker in markers if not isinstance(marker, Unknown)]
    return {version.minor for version in named if version is not None}


def _by_marker(report: MarkerReport, inquiry: Inquiry) -> Choice:
    """Choose the build that a usable marker names."""
    # A marker that can be used names a build that is there.
    named = [version for version in (report.marker.version,) if version is not None]
    build = next(held for version in named if (held := inquiry.snapshot.build(version)) is not None)
    newest = build.version if report.verdict is Verdict.CURRENT else None
    # Where the builds could not be listed, only its name tells whose it is.
    given = inquiry.attribution(build.version) or by_name(build.version, inquiry.channel.ref)
    return Choice(candidate=Candidate(build, given), source=Source.MARKER, newest=newest)


def _refuse(inquiry: Inquiry, deciding: tuple[MarkerReport, ...]) -> Undecided:
    """Refuse to fall back. Where there is no build, or the store cannot be read, that is the error instead.

    Raises:
        KopsVersionError: always, once enough is known.
    """
    first = next(inquiry.candidates(), None)
    if isinstance(first, Candidate):
        raise _marker_refused(inquiry, deciding)
    if first is None:
        inquiry.listing_failure = inquiry.listing_failure or inquiry.evidence_failure
        if inquiry.listing_failure is not None:
            raise _unlistable(inquiry, deciding)
        if inquiry.knows_all_channels():
            raise no_testable_build(inquiry)
    return Undecided(frozenset(inquiry.needs))


def _newest(inquiry: Inquiry) -> Choice | Unknown | None:
    """Choose the newest testable build, or the N-th newest.

    Returns:
        The choice; ``None`` where the store failed before one was found; `UNKNOWN` with the needs noted.

    Raises:
        NoTestableBuildError: everything was looked at, and there is none.
    """
    testable: list[Candidate] = []
    refused: list[Refusal] = []
    # Asked for beside the first build: the upload times of others show whether the newest name is too high.
    looked = inquiry.look_for_disputes()
    for candidate in inquiry.candidates():
        refusal = UNKNOWN if isinstance(candidate, Unknown) else inquiry.refusal(candidate.build)
        if isinstance(candidate, Unknown) or isinstance(refusal, Unknown):
            return _look_ahead(inquiry, passed_over=len(refused))
        if refusal is not None:
            refused.append(refusal)
        elif not any(candidate.version.is_of_same_commit(each.version) for each in testable):
            testable.append(candidate)
        if sum(refusal.kind is RefusalKind.UNREADABLE for refusal in refused) == _MOST_UNREADABLE:
            break
        if len(testable) == inquiry.policy.nth:
            if isinstance(looked, Unknown):
                return UNKNOWN
            return Choice(candidate=candidate, source=Source.NEWEST, newest=testable[0].version)
    unreadable = [refusal for refusal in refused if refusal.kind is RefusalKind.UNREADABLE]
    if unreadable and inquiry.listing_failure is None:
        inquiry.listing_failure = f"{unreadable[0].version}: {unreadable[0].reasons[0]}"
    inquiry.listing_failure = inquiry.listing_failure or inquiry.evidence_failure
    if inquiry.listing_failure is not None:
        return None
    if not refused and not testable and not inquiry.knows_all_channels():
        return UNKNOWN
    raise no_testable_build(inquiry, testable=testable, refused=refused)


def _look_ahead(inquiry: Inquiry, *, passed_over: int) -> Unknown:
    """Ask for the files of several builds at once after many refusals, so that a long bad stretch takes few rounds.

    One build at a time at first, then half as many as were passed over, at most eight.
    """
    ahead = min(max(passed_over // 2, 1), 8)
    for candidate in inquiry.candidates():
        if ahead == 0 or isinstance(candidate, Unknown):
            break
        if isinstance(inquiry.refusal(candidate.build), Unknown):
            ahead -= 1
    return UNKNOWN


def _without_listing(
    inquiry: Inquiry,
    usable: MarkerReport | None,
    *,
    deciding: tuple[MarkerReport, ...],
    reported: tuple[MarkerReport, ...],
) -> Resolution | Undecided:
    """Answer from a marker where the builds could not be listed, whatever the strategy (DESIGN section 7).

    It cannot where another build than the newest is wanted: a marker does not say which is the second newest.
    """
    if usable is not None and inquiry.policy.nth == 1:
        return _answer(inquiry, _by_marker(usable, inquiry), deciding=deciding, reported=reported)
    raise _unlistable(inquiry, deciding)


def _answer(
    inquiry: Inquiry,
    choice: Choice,
    *,
    deciding: tuple[MarkerReport, ...],
    reported: tuple[MarkerReport, ...],
) -> Resolution | Undecided:
    """Answer with a build of the channel, once it is known what it is to be compared with."""
    if inquiry.policy.compare_artifacts and isinstance(inquiry.previous_testable(choice.candidate), Unknown):
        return Undecided(frozenset(inquiry.needs))
    return _put_together(inquiry, Evidence(choice=choice, deciding=deciding, reported=reported))


def _put_together(inquiry: Inquiry, evidence: Evidence) -> Resolution:
    """Put the answer together with all that supports it."""
    snapshot, choice = inquiry.snapshot, evidence.choice
    build = choice.candidate.build
    return Resolution(
        channel=str(inquiry.channel),
        version=build.version,
        base_url=f"{snapshot.base_url}{build.version}",
        attribution=choice.candidate.attribution,
        uploaded=build.uploaded,
        source=choice.source,
        rung=evidence.rung,
        conditions=gather_conditions(inquiry, evidence),
        markers=evidence.deciding + evidence.reported,
        refused=inquiry.known_refusals(choice.candidate),
        skipped=snapshot.skipped,
        newest=choice.newest,
        store=snapshot.store,
        policy=inquiry.policy,
        now=inquiry.now,
        requests=snapshot.requests,
        round_trips=snapshot.round_trips,
        generations={marker.path: marker.generation for marker in snapshot.markers if marker.generation},
        etags={marker.path: marker.etag for marker in snapshot.markers if marker.etag},
    )


def _check_version(
    snapshot: Snapshot, version: BuildVersion, policy: Policy, now: datetime
) -> Resolution | Undecided:
    """Check one version that was asked for by name: there is nothing to choose."""
    ref = by_version(version) or MASTER
    inquiry = Inquiry(snapshot, Channel(ref), policy, now)
    build = snapshot.build(version) or Build(version, artifacts=() if snapshot.whole else None)
    refusal = inquiry.refusal(build)
    if isinstance(refusal, Unknown):
        return Undecided(frozenset(inquiry.needs))
    if refusal is not None and refusal.kind is RefusalKind.UNREADABLE:
        raise store_failed(
            f"it could not be learnt whether {version} is testable",
            snapshot,
            reasons=refusal.reasons,
            otherwise=AGAIN,
        )
    if refusal is not None:
        absent = not build.artifacts and refusal.kind is RefusalKind.INCOMPLETE
        raise NoTestableBuildError(
            f"{version} is not in {snapshot.store}" if absent else f"{version} is not testable",
            channel=str(version),
            reasons=() if absent else refusal.reasons,
            hint="`kopsversion list` shows the builds that are there",
        )
    attribution = Attribution(ref, Witness.REQUEST, Certainty.EXACT)
    choice = Choice(candidate=Candidate(build, attribution), source=Source.REQUEST)
    resolution = _put_together(inquiry, Evidence(choice=choice, deciding=(), reported=()))
    return evolve(resolution, channel=str(version))


# --------------------------------------------------------------------------------------------------
# No answer


def _unlistable(inquiry: Inquiry, deciding: tuple[MarkerReport, ...]) -> StoreError:
    reasons = [f"builds: {inquiry.listing_failure}"]
    reasons += [f"{report.marker.path} {report.message}" for report in deciding]
    return store_failed(
        f"the builds of {inquiry.channel} could not be listed, and no marker can stand in",
        inquiry.snapshot,
        reasons=reasons,
        otherwise=_OTHERWISE,
    )


def _marker_refused(inquiry: Inquiry, deciding: tuple[MarkerReport, ...]) -> KopsVersionError:
    reasons = [f"{report.marker.path} is {report.verdict}: it {report.message}" for report in deciding]
    channel = inquiry.channel
    if inquiry.evidence_failure or any(report.verdict is Verdict.UNREACHABLE for report in deciding):
        return store_failed(
            f"it could not be learnt whether a marker of {channel} can be used, and falling back is refused",
            inquiry.snapshot,
            reasons=[*reasons, *([inquiry.evidence_failure] if inquiry.evidence_failure else [])],
            otherwise=_OTHERWISE,
        )
    return MarkerRefusedError(
        f"no marker of {channel} can be used, and falling back to the newest build is refused",
        channel=str(channel),
        reasons=reasons,
        hint="promote a tested build, raise --max-lag, or allow the newest testable build with --on-stale newest",
    )


_NAMED_EACH = 3
"""Of more builds that were all refused for the same reason only the newest is named."""


def _reasons(refused: Sequence[Refusal]) -> list[str]:
    """Say why builds were passed over; a reason that many share is said once."""
    why = {refusal.reasons[0] for refusal in refused}
    if len(why) == 1 and len(refused) > _NAMED_EACH:
        return [
            f"each of the {count(len(refused), 'build')}, the newest being {refused[0].version}: {why.pop()}"
        ]
    return [f"{refusal.version}: {refusal.reasons[0]}" for refusal in refused]


def no_testable_build(
    inquiry: Inquiry, *, testable: Sequence[Candidate] = (), refused: Sequence[Refusal] = ()
) -> NoTestableBuildError:
    """Make the error that says that a channel has no build to answer with.

    Parameters:
        inquiry: what was asked and learnt.
        testable: the testable builds that were found, fewer than were wanted.
        refused: the builds that were passed over, newest first.
    """
    channel, store = inquiry.channel, inquiry.snapshot.store
    reasons = _reasons(refused)
    if testable:
        only = count(len(testable), "testable build")
        message = f"{channel} has only {only}, and number {inquiry.policy.nth} was wanted"
        return NoTestableBuildError(
            message, channel=str(channel), reasons=reasons, hint="ask for a smaller --nth"
        )
    if refused and all(refusal.kind is RefusalKind.EXCLUDED for refusal in refused):
        message = (
            f"every one of the {count(len(refused), 'build')} of {channel} in {store} is excluded by request"
        )
        hint = "exclude fewer builds; `kopsversion list` shows every build"
        return NoTestableBuildError(message, channel=str(channel), reasons=reasons, hint=hint)
    if refused:
        message = (
            f"the only build of {channel} in {store} is not testable"
            if len(refused) == 1
            else f"none of the {len(refused)} builds of {channel} in {store} is testable"
        )
        hint = "see the reasons; `kopsversion list` shows every build"
        return NoTestableBuildError(message, channel=str(channel), reasons=reasons, hint=hint)
    skipped = [f"skipped: {kind} ({number})" for kind, number in sorted(inquiry.snapshot.skipped.items())]
    doubtful = inquiry.doubtful()
    if doubtful:
        number = count(len(doubtful), "build")
        skipped.append(f"{number}, such as {doubtful[0]}, may be of {channel}: {REPO_OPTION} tells which")
    existing = inquiry.existing_channels()
    return NoTestableBuildError(
        f"there is no build of {channel} in {store}",
        channel=str(channel),
        reasons=skipped,
        hint=f"channels that exist there: {', '.join(existing)}"
        if existing
        else "there are no builds at all: see whether --store is right",
    )
