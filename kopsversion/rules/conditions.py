"""What the reader of an answer should know besides the answer: conditions, worst first (DESIGN section 7).

Pure. Each condition has a code for machines, a severity, and one sentence that is enough to act on;
``--strict`` fails from ``warning`` on. A condition's severity depends on the facts alone, and never on whether
``--explain`` was given. This module must not know how the build was chosen, or where a condition is shown.
"""

from __future__ import annotations

from itertools import chain, takewhile
from typing import TYPE_CHECKING

from kopsversion.model.advice import REPO_OPTION, fetch_command
from kopsversion.model.answer import (
    USABLE,
    Condition,
    MarkerReport,
    RefusalKind,
    Rung,
    Severity,
    Source,
    Verdict,
)
from kopsversion.model.bucket import CommitPlace, Foreign, Malformed, Marker
from kopsversion.model.channel import MASTER, Certainty, Channel, Witness
from kopsversion.model.codes import Code
from kopsversion.model.needs import ListUploads
from kopsversion.model.policy import Strategy
from kopsversion.model.rough import highest
from kopsversion.model.values import frozen
from kopsversion.model.wording import count, duration, moment
from kopsversion.rules.freshness import completed, judge_freshness
from kopsversion.rules.testable import documents_of, lacking
from kopsversion.rules.verdicts import set_back_since

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from datetime import datetime

    from kopsversion.model.answer import Refusal
    from kopsversion.model.bucket import Build, GitLine
    from kopsversion.model.version import BuildVersion
    from kopsversion.rules.asking import Unknown
    from kopsversion.rules.inquiry import Candidate, Inquiry


_MOST_NAMED = 8
"""Builds that a condition names at the most."""

_AS_ASKED = frozenset({Verdict.EXCLUDED, Verdict.UNKNOWN})
"""Verdicts whose cause is the question and not the marker."""


@frozen(kw_only=True)
class Choice:
    """The build that was chosen.

    Attributes:
        candidate: the build and what attributes it.
        source: what the choice was taken from.
        newest: the channel's newest testable build, where it was looked for.
    """

    candidate: Candidate
    source: Source
    newest: BuildVersion | None = None


@frozen(kw_only=True)
class Evidence:
    """A choice with all that was found on the way to it.

    Attributes:
        choice: what was chosen.
        deciding: the markers that could have decided, in order of trust.
        reported: the markers that are only reported.
    """

    choice: Choice
    deciding: tuple[MarkerReport, ...]
    reported: tuple[MarkerReport, ...]

    @property
    def rung(self) -> Rung:
        """Tell how much of the store could be asked (DESIGN section 7, degradation ladder)."""
        if self.choice.source is Source.MARKER:
            used = next(report for report in self.deciding if report.verdict in USABLE)
            if used.verdict is Verdict.UNVERIFIED:
                return Rung.MARKER
        held = [report for report in self.deciding if not _may_be_missing(report)]
        unreadable = [report for report in held if report.verdict is Verdict.UNREACHABLE]
        return Rung.LISTING if unreadable and len(unreadable) == len(held) else Rung.FULL


def gather_conditions(inquiry: Inquiry, evidence: Evidence) -> tuple[Condition, ...]:
    """Gather every condition of an answer, worst first.

    Parameters:
        inquiry: what the decision asked and learnt.
        evidence: what it found.
    """
    chosen = evidence.choice.candidate.build
    conditions = [
        *_about_listing(inquiry, evidence),
        *_about_markers(inquiry, evidence),
        *_about_caches(inquiry, evidence),
        *about_gaps(
            inquiry, judged=[report.marker.path for report in (*evidence.deciding, *evidence.reported)]
        ),
        *_about_builds(inquiry, evidence),
        *(about_order(inquiry, chosen) if evidence.choice.source is not Source.REQUEST else ()),
        *_about_attribution(inquiry, evidence),
        *_about_refusals(inquiry, evidence),
        *_about_artifacts(inquiry, evidence),
        *_about_names(inquiry, evidence),
    ]
    return worst_first(conditions)


def worst_first(conditions: Iterable[Condition]) -> tuple[Condition, ...]:
    """Order conditions by severity; those of the same keep their order."""
    return tuple(sorted(conditions, key=lambda condition: condition.severity, reverse=True))


def clone_disagrees(clone: GitLine, *, channel: Channel, version: BuildVersion) -> Condition:
    """Say that names attribute a channel's builds, because by the clone none of them is the channel's.

    Parameters:
        clone: what the clone says.
        channel: the channel.
        version: the newest testable build by names.
    """
    return Condition(
        Code.CLONE_DISAGREES,
        Severity.WARNING,
        f"by the clone no build in the store is of {channel}, so the names of builds and not git "
        f"attribute {version} to it; see whether {clone.ref} is the right branch",
        {"version": str(version), "ref": clone.ref},
    )


def _about_listing(inquiry: Inquiry, evidence: Evidence) -> Iterator[Condition]:
    if inquiry.listing_failure is not None and evidence.rung is Rung.MARKER:
        yield Condition(
            Code.LISTING_UNAVAILABLE,
            Severity.WARNING,
            f"the builds could not be listed, so nothing but a marker says that this one is the newest: "
            f"{inquiry.listing_failure}",
        )
    elif inquiry.listing_failure is not None:
        yield Condition(
            Code.LISTING_UNAVAILABLE,
            Severity.INFO,
            f"older builds could not be listed, which changes nothing: {inquiry.listing_failure}",
        )
    chosen = evidence.choice.candidate.build
    if chosen.artifacts is None:
        yield Condition(
            Code.LISTING_UNAVAILABLE,
            Severity.WARNING,
            f"the files of {chosen.version} may not be listed, so only the checksums of its binaries were "
            "looked for; whether its images are there is not known",
            {"version": str(chosen.version)},
        )


def _about_markers(inquiry: Inquiry, evidence: Evidence) -> Iterator[Condition]:
    decides = inquiry.policy.strategy is Strategy.GREEN and inquiry.policy.nth == 1
    passed = False
    for report in evidence.deciding:
        if not inquiry.policy.markers and _may_be_missing(report):
            continue
        decided = (
            evidence.choice.source is Source.MARKER
            and not passed
            and report.verdict in USABLE
            and report.marker.version == evidence.choice.candidate.version
        )
        # A marker that is verified only in part is used, but not without a warning.
        matters = decides and not passed and (not decided or report.verdict is Verdict.UNVERIFIED)
        passed = passed or decided
        is_serious = matters or _claims_more(report, evidence)
        yield from _about_marker(report, Severity.WARNING if is_serious else Severity.INFO)
        counts = decides and (matters or decided)
        yield from _about_setting_back(
            report, severity=Severity.WARNING if counts else Severity.INFO, now=inquiry.now
        )
    for report in evidence.reported:
        yield from _about_marker(report, Severity.INFO)
        yield from _about_setting_back(report, severity=Severity.INFO, now=inquiry.now)


def _claims_more(report: MarkerReport, evidence: Evidence) -> bool:
    """Tell whether a marker names a build above the answer that is more likely another branch's.

    By `newest` no marker decides, but if this one is right, the answer is wrong.
    """
    version = report.marker.version
    return (
        evidence.choice.source is Source.NEWEST
        and report.verdict is Verdict.DOUBTFUL
        and version is not None
        and version.precedence > evidence.choice.candidate.version.precedence
    )


def _about_caches(inquiry: Inquiry, evidence: Evidence) -> Iterator[Condition]:
    """Say how old the content of a marker from a cache may be: what was written since is not seen."""
    for report in evidence.deciding:
        marker = report.marker
        if marker.age:
            seconds = int(marker.age.total_seconds())
            answered = (
                {"answered": f"{marker.answered:%Y-%m-%dT%H:%M:%SZ}"} if marker.answered is not None else {}
            )
            yield Condition(
                Code.MARKER_CACHED,
                Severity.WARNING if marker.age > inquiry.policy.max_lag else Severity.INFO,
                f"{marker.path} came from a cache that has held it for {duration(marker.age)}; what was written "
                "since is not seen",
                {"marker": marker.path, "age_seconds": seconds, **answered},
            )


def _about_setting_back(report: MarkerReport, *, severity: Severity, now: datetime) -> Iterator[Condition]:
    """Say that a marker which every build writes last was written after a newer build was there.

    Parameters:
        report: the verdict on the marker.
        severity: how much it matters.
        now: the moment of the judgement, UTC.
    """
    since, written = set_back_since(report, now=now), report.marker.written
    if since is not None and written is not None:
        yield Condition(
            Code.MARKER_SET_BACK,
            severity,
            f"{report.marker.path} was written on {moment(written)}, when a newer build had been there since "
            f"{moment(since)}: another job set it back, or the build of an older merge ended later",
            {"marker": report.marker.path, "verdict": report.verdict},
        )


def _may_be_missing(report: MarkerReport) -> bool:
    """Tell whether a marker is missing, and the branch need not have it."""
    missing = report.verdict is Verdict.MISSING
    return missing and not Channel(report.marker.ref).must_have(report.marker.name)


def about_gaps(inquiry: Inquiry, *, judged: Collection[str] = ()) -> Iterator[Condition]:
    """Report the evidence that could not be had: with it the answer might have been another build.

    Parameters:
        inquiry: what was asked and learnt.
        judged: the paths of markers that are reported on by themselves.
    """
    for need, reason in sorted(inquiry.gaps.items(), key=repr):
        if isinstance(need, ListUploads):
            yield Condition(
                Code.LISTING_UNAVAILABLE,
                Severity.WARNING,
                f"when the builds of {need.minor} were uploaded could not be learnt, so their order and their "
                f"branches are less sure: {reason}",
                {"minor": need.minor},
            )
        elif (path := f"markers/{need.ref}/{need.name}") not in judged:
            verdict = _verdict_unjudged(inquiry.marker(need.ref, need.name))
            yield Condition(
                Code.of_marker(verdict),
                Severity.WARNING,
                f"{path} does not help to tell which builds are of {inquiry.channel} and settled: {reason}",
                {"marker": path, "verdict": verdict},
            )


def _verdict_unjudged(marker: Marker | Unknown) -> Verdict:
    """Return the verdict on a marker that was read as evidence and names no build."""
    reading = marker.reading if isinstance(marker, Marker) else None
    if isinstance(reading, Malformed):
        return Verdict.MALFORMED
    return Verdict.FOREIGN if isinstance(reading, Foreign) else Verdict.UNREACHABLE


def _about_marker(report: MarkerReport, severity: Severity) -> Iterator[Condition]:
    if report.verdict in _AS_ASKED:
        severity = Severity.INFO
    if report.verdict is not Verdict.CURRENT:
        data: dict[str, str | int] = {"marker": report.marker.path, "verdict": report.verdict}
        if report.marker.version is not None:
            data["version"] = str(report.marker.version)
        if report.lag is not None:
            data["promotion_lag_seconds"] = int(report.lag.total_seconds())
        yield Condition(
            Code.of_marker(report.verdict), severity, f"{report.marker.path} {report.message}", data
        )


def _about_builds(inquiry: Inquiry, evidence: Evidence) -> Iterator[Condition]:
    """Judge freshness by the newest known build, which need not be the one that was chosen: its marker may lag."""
    choice = evidence.choice
    if choice.source is Source.REQUEST or evidence.rung is Rung.MARKER:
        return
    newest, newer = _newest_known(inquiry, choice)
    yield from judge_freshness(
        channel=inquiry.channel,
        newest=newest.version,
        latest=next((each.version for each in newer if inquiry.position(each.version) is not None), None),
        uploaded=_last_upload(newest, newer, inquiry),
        git=inquiry.snapshot.git,
        policy=inquiry.policy,
        now=inquiry.now,
    )


def _newest_known(inquiry: Inquiry, choice: Choice) -> tuple[Candidate, tuple[Candidate, ...]]:
    """Return the newest build that is known to be testable, and those above it, which are not."""
    newest = next(
        each
        for each in chain(inquiry.known_candidates(), (choice.candidate,))
        if each.build == choice.candidate.build or inquiry.is_known_testable(each.build)
    )
    return newest, tuple(takewhile(lambda each: each.build != newest.build, inquiry.known_candidates()))


def _last_upload(newest: Candidate, newer: Iterable[Candidate], inquiry: Inquiry) -> datetime | None:
    """Return when the channel's last build was uploaded, testable or not; ``None`` where that is not known.

    A file that is uploaded again is no new build. Where the newest name is too high, the last build is one of those
    after it.
    """
    times = [completed(newest.build), *(each.build.first_uploaded for each in newer)]
    for dispute in inquiry.disputes:
        if dispute.build == newest.build:
            times += [build.first_uploaded for build in dispute.later]
    known = [time for time in times if time is not None]
    return max(known) if len(known) == len(times) else None


def _is_starved(inquiry: Inquiry, evidence: Evidence) -> bool:
    """Tell whether the answer is old because newer builds cannot be tested."""
    newest, _ = _newest_known(inquiry, evidence.choice)
    return bool(
        judge_freshness(
            channel=inquiry.channel,
            newest=newest.version,
            uploaded=completed(newest.build),
            git=inquiry.snapshot.git,
            policy=inquiry.policy,
            now=inquiry.now,
        )
    )


def about_order(inquiry: Inquiry, pick: Build, *, lowest: Build | None = None) -> Iterator[Condition]:
    """Say that a name is too high and was passed over, or that the answer's name may be too high.

    Parameters:
        inquiry: what was asked and learnt.
        pick: the answer, or the newest build.
        lowest: the last build of a listing, which lacks every build above it that was passed over.
    """
    floor = (lowest or pick).version.precedence
    above = [
        dispute
        for dispute in inquiry.disputes
        if dispute.build == pick or (dispute.named is not None and dispute.build.version.precedence > floor)
    ]
    own = [dispute for dispute in above if dispute.build == pick]
    for dispute in own or above[-1:]:
        others = f" (and {count(len(above) - 1, 'other name')} too)" if len(above) > 1 else ""
        later = f"{count(len(dispute.later), 'build')} of {inquiry.channel}"
        data: dict[str, str | int | tuple[str, ...]] = {
            "version": str(dispute.build.version),
            "later": tuple(str(build.version) for build in dispute.later[:_MOST_NAMED]),
            "disputed": len(above),
        }
        if dispute.named is None:
            yield Condition(
                Code.ORDER_DISPUTED,
                Severity.WARNING,
                f"the name {dispute.build.version} may be too high{others}: {later}, such as "
                f"{dispute.later[0].version}, came after it with lower names; {REPO_OPTION} "
                "tells which is newest",
                data,
            )
        else:
            # Builds that only came later may be old ones that were built again.
            yield Condition(
                Code.ORDER_DISPUTED,
                Severity.INFO if dispute.continues else Severity.WARNING,
                f"the name {dispute.build.version} is too high{others} and was passed over: {later} came "
                f"after it with lower names, and a marker names {dispute.named.version}",
                data,
            )


def _about_attribution(inquiry: Inquiry, evidence: Evidence) -> Iterator[Condition]:
    pick, channel = evidence.choice.candidate, inquiry.channel
    if evidence.choice.source is Source.REQUEST:
        return
    if pick.attribution.certainty is Certainty.DOUBTFUL:
        yield Condition(
            Code.CHANNEL_AMBIGUOUS,
            Severity.WARNING,
            f"{pick.version} may be a build of another branch than {channel}: around a branch cut both use the "
            f"same names; {REPO_OPTION} tells which",
            {"version": str(pick.version)},
        )
    elif rivals := _rivals(inquiry, evidence):
        yield Condition(
            Code.CHANNEL_AMBIGUOUS,
            Severity.WARNING,
            f"{count(len(rivals), 'build')} that may be newer, such as {rivals[0]}, could be of {channel} too: "
            f"around a branch cut two branches use the same names; {REPO_OPTION} tells which",
            {"version": str(pick.version), "rivals": tuple(map(str, rivals))},
        )
    yield from _about_clone(inquiry)


def _rivals(inquiry: Inquiry, evidence: Evidence) -> tuple[BuildVersion, ...]:
    """Return builds that would be newer than the answer if they were the channel's, which is in doubt."""
    pick = evidence.choice.candidate
    others = inquiry.rivals(pick.version)
    if evidence.choice.source is Source.MARKER and not _is_newest(evidence):
        # A marker may lag: only a build that it should name by now speaks against it.
        return tuple(each for each in others if _is_overdue(each, inquiry))
    if not _is_newest(evidence):
        return ()
    newer = takewhile(lambda each: each.build != pick.build, inquiry.known_candidates())
    own = [
        each.version
        for each in newer
        if each.attribution.certainty is Certainty.DOUBTFUL and inquiry.is_known_testable(each.build)
    ]
    return (*own, *others)


def _is_overdue(version: BuildVersion, inquiry: Inquiry) -> bool:
    build = inquiry.snapshot.build(version)
    uploaded = build.first_uploaded if build is not None else None
    return uploaded is None or inquiry.now - uploaded > inquiry.policy.max_lag


def _is_newest(evidence: Evidence) -> bool:
    return evidence.choice.newest == evidence.choice.candidate.version


def _about_clone(inquiry: Inquiry) -> Iterator[Condition]:
    git, channel = inquiry.snapshot.git, inquiry.channel
    top = next(inquiry.known_candidates(), None)
    if git is None or top is None or top.attribution.witness is Witness.GIT or not top.version.commit:
        return
    place = git.locate(top.version.commit)
    # Where the cut is known git attributes what it locates; else a short id has begun as that of another commit does.
    is_located = isinstance(place, int) and not git.knows_cut
    ambiguous = place is CommitPlace.AMBIGUOUS
    why = f"is not on {git.ref} in the clone"
    if is_located:
        why = f"may be from before {channel} left master, which the clone does not show"
    elif ambiguous:
        why = "abbreviates several commits of the clone"
    why += ", whose history is cut off" if git.shallow else ""
    by = "its name" if top.attribution.witness is Witness.VERSION else "its place among the builds"
    missing = MASTER if is_located else channel.ref
    remedy = f"{fetch_command(missing, into=git.ref, unshallow=git.shallow)} to be sure"
    if git.url is not None:
        remedy = f"see whether {git.url} is the repository that is built"
    yield Condition(
        Code.CLONE_WITHOUT_MASTER if is_located else Code.CLONE_AMBIGUOUS if ambiguous else Code.CLONE_BEHIND,
        Severity.WARNING if git.named else Severity.INFO,
        f"the commit of {top.version} {why}, so {by} and not git attributes it to {channel}; {remedy}",
        {"version": str(top.version), "ref": git.ref},
    )


def _about_refusals(inquiry: Inquiry, evidence: Evidence) -> Iterator[Condition]:
    refused = inquiry.known_refusals(evidence.choice.candidate)
    faulty = [r for r in refused if r.kind in {RefusalKind.INCOMPLETE, RefusalKind.UNREADABLE}]
    if faulty:
        lasting = any(_is_older_than_a_lag(refusal, inquiry) for refusal in faulty)
        unreadable = any(refusal.kind is RefusalKind.UNREADABLE for refusal in faulty)
        matters = lasting or unreadable or _is_starved(inquiry, evidence)
        yield Condition(
            Code.BUILDS_REFUSED,
            Severity.WARNING if matters else Severity.INFO,
            f"{count(len(faulty), 'newer build')} of {inquiry.channel} cannot be tested; {faulty[0].version}: "
            f"{faulty[0].reasons[0]}",
            {
                "versions": tuple(str(refusal.version) for refusal in faulty),
                "unreadable": tuple(str(r.version) for r in faulty if r.kind is RefusalKind.UNREADABLE),
            },
        )
    unsettled = [refusal for refusal in refused if refusal.kind is RefusalKind.UNSETTLED]
    if unsettled:
        yield Condition(
            Code.BUILDS_UNSETTLED,
            Severity.INFO,
            f"{count(len(unsettled), 'newer build')} of {inquiry.channel} may still be uploading; "
            f"{unsettled[0].version}: {unsettled[0].reasons[0]}",
            {"versions": tuple(str(refusal.version) for refusal in unsettled)},
        )


def _is_older_than_a_lag(refusal: Refusal, inquiry: Inquiry) -> bool:
    """Tell whether a build has been untestable for longer than a marker may lag, and so for good."""
    build = inquiry.snapshot.build(refusal.version)
    return (
        build is not None
        and (since := completed(build)) is not None
        and inquiry.now - since > inquiry.policy.max_lag
    )


def _about_artifacts(inquiry: Inquiry, evidence: Evidence) -> Iterator[Condition]:
    chosen = evidence.choice.candidate
    previous = inquiry.known_previous(chosen)
    lost = lacking(chosen.build, previous.build) if previous is not None else ()
    if previous is not None and lost:
        yield Condition(
            Code.ARTIFACTS_DIFFER,
            Severity.WARNING,
            f"{chosen.version} lacks {count(len(lost), 'file')} that {previous.version} before it has, "
            f"such as {lost[0]}",
            {"previous": str(previous.version), "lacking": lost},
        )
    documents = documents_of(chosen.build.artifacts or (), unpaired=inquiry.policy.unpaired)
    if documents:
        yield Condition(
            Code.FILES_UNPAIRED,
            Severity.INFO,
            f"{count(len(documents), 'file')} of {chosen.version} came without a checksum, such as "
            f"{documents[0]}: by policy, files with such a suffix need none",
            {"version": str(chosen.version), "files": documents},
        )


def _about_names(inquiry: Inquiry, evidence: Evidence) -> Iterator[Condition]:
    """Count names that are no build; one that sorts above the answer may hide a newer one (FAILURES row 38)."""
    skipped, pick = inquiry.snapshot.skipped, evidence.choice.candidate.version
    unread = highest(filter(inquiry.may_be_own, inquiry.snapshot.unread))
    above = [name for name in unread if name.is_above(pick)]
    listed = ", ".join(f"{kind} ({number})" for kind, number in sorted(skipped.items()))
    if above and evidence.choice.source is not Source.REQUEST:
        shown = max(above, key=lambda name: name.release).shown  # of the same they are in order
        yield Condition(
            Code.NAMES_SKIPPED,
            Severity.WARNING,
            f"{shown} is no version, and as far as it can be read it sorts above {pick}: a newer build may be "
            f"hidden by its name{f'; passed over: {listed}' if listed else ''}",
            {**skipped, "name": shown},
        )
    elif skipped:
        example = f", such as {unread[0].shown}" if unread else ""
        yield Condition(
            Code.NAMES_SKIPPED,
            Severity.INFO,
            f"not every name in the store is a build: {listed}{example}",
            {**skipped, **({"name": unread[0].shown} if unread else {})},
        )
