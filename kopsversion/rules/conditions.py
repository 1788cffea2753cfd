"""What the reader of an answer should know besides the answer: conditions, worst first (DESIGN section 7).

Pure. Each condition has a code for machines, a severity, and one sentence that is enough to act on;
``--strict`` fails from ``warning`` on. A condition's severity never depends on how much was explained, only on
what is the case. This module must not know how the build was chosen, or where a condition is shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

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
from kopsversion.model.needs import ListUploads
from kopsversion.model.policy import Strategy
from kopsversion.model.wording import count
from kopsversion.rules.attribution import is_shared
from kopsversion.rules.freshness import judge_freshness
from kopsversion.rules.testable import documents_of, lacking

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from kopsversion.model.answer import Refusal
    from kopsversion.model.bucket import GitLine
    from kopsversion.model.version import BuildVersion
    from kopsversion.rules.inquiry import Candidate, Inquiry, Unknown


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
    conditions = [
        *_about_listing(inquiry, evidence),
        *_about_markers(inquiry, evidence),
        *about_gaps(
            inquiry, judged=[report.marker.path for report in (*evidence.deciding, *evidence.reported)]
        ),
        *_about_builds(inquiry, evidence),
        *_about_attribution(inquiry, evidence),
        *_about_refusals(inquiry, evidence),
        *_about_artifacts(inquiry, evidence),
        *_about_names(inquiry),
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
        "clone-disagrees",
        Severity.WARNING,
        f"by the clone no build in the store is of {channel}, so the names of builds and not git "
        f"attribute {version} to it; see whether {clone.ref} is the branch that is meant",
        {"version": str(version), "ref": clone.ref},
    )


def _about_listing(inquiry: Inquiry, evidence: Evidence) -> Iterator[Condition]:
    if inquiry.listing_failure is not None and evidence.rung is Rung.MARKER:
        yield Condition(
            "listing-unavailable",
            Severity.WARNING,
            f"the builds could not be listed, so nothing but a marker says that this one is the newest: "
            f"{inquiry.listing_failure}",
        )
    elif inquiry.listing_failure is not None:
        yield Condition(
            "listing-unavailable",
            Severity.INFO,
            f"older builds could not be listed, which changes nothing: {inquiry.listing_failure}",
        )
    chosen = evidence.choice.candidate.build
    if chosen.artifacts is None:
        yield Condition(
            "listing-unavailable",
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
        # What is verified only in part is used, but not in silence.
        matters = decides and not passed and (not decided or report.verdict is Verdict.UNVERIFIED)
        passed = passed or decided
        yield from _about_marker(report, Severity.WARNING if matters else Severity.INFO)
    for report in evidence.reported:
        yield from _about_marker(report, Severity.INFO)


def _may_be_missing(report: MarkerReport) -> bool:
    """Tell whether a marker is missing that not every branch has."""
    missing = report.verdict is Verdict.MISSING
    return missing and not Channel(report.marker.ref).must_have(report.marker.name)


def about_gaps(inquiry: Inquiry, *, judged: Collection[str] = ()) -> Iterator[Condition]:
    """Name the evidence that could not be had: the full bucket might have led to another build.

    Parameters:
        inquiry: what was asked and learnt.
        judged: the paths of markers that are reported on by themselves.
    """
    for need, reason in sorted(inquiry.gaps.items(), key=repr):
        if isinstance(need, ListUploads):
            yield Condition(
                "listing-unavailable",
                Severity.WARNING,
                f"when the builds of {need.minor} were uploaded could not be learnt, so their order and their "
                f"branches are less sure: {reason}",
                {"minor": need.minor},
            )
        elif (path := f"markers/{need.ref}/{need.name}") not in judged:
            verdict = _verdict_unjudged(inquiry.marker(need.ref, need.name))
            yield Condition(
                f"marker-{verdict}",
                Severity.WARNING,
                f"{path} does not help to tell which builds are of {inquiry.channel} and settled: {reason}",
                {"marker": path, "verdict": verdict},
            )


def _verdict_unjudged(marker: Marker | Unknown) -> Verdict:
    """Return the verdict on a marker that was wanted as evidence, and is none."""
    reading = marker.reading if isinstance(marker, Marker) else None
    if isinstance(reading, Malformed):
        return Verdict.MALFORMED
    return Verdict.FOREIGN if isinstance(reading, Foreign) else Verdict.UNREACHABLE


def _about_marker(report: MarkerReport, severity: Severity) -> Iterator[Condition]:
    if report.verdict is not Verdict.CURRENT:
        data: dict[str, str | int] = {"marker": report.marker.path, "verdict": report.verdict}
        if report.marker.version is not None:
            data["version"] = str(report.marker.version)
        if report.lag is not None:
            data["promotion_lag_seconds"] = int(report.lag.total_seconds())
        yield Condition(f"marker-{report.verdict}", severity, f"{report.marker.path} {report.message}", data)


def _about_builds(inquiry: Inquiry, evidence: Evidence) -> Iterator[Condition]:
    """Judge freshness by the newest testable build that is known; a lagging marker shows that there is one."""
    choice = evidence.choice
    if choice.source is Source.REQUEST or evidence.rung is Rung.MARKER:
        return
    newest = next(
        (
            candidate
            for candidate in inquiry.known_candidates()
            if candidate == choice.candidate or inquiry.is_known_testable(candidate.build)
        ),
        choice.candidate,
    )
    yield from judge_freshness(
        channel=inquiry.channel,
        newest=newest.version,
        uploaded=newest.build.uploaded,
        git=inquiry.snapshot.git,
        policy=inquiry.policy,
        now=inquiry.now,
    )


def _about_attribution(inquiry: Inquiry, evidence: Evidence) -> Iterator[Condition]:
    pick, channel = evidence.choice.candidate, inquiry.channel
    if evidence.choice.source is Source.REQUEST:
        return
    if pick.attribution.certainty is Certainty.DOUBTFUL:
        yield Condition(
            "channel-ambiguous",
            Severity.WARNING,
            f"{pick.version} may be a build of another branch than {channel}: around a branch cut both use the "
            f"same names; {REPO_OPTION} tells which",
            {"version": str(pick.version)},
        )
    elif rivals := inquiry.rivals(pick.version) if _is_newest(evidence) else ():
        yield Condition(
            "channel-ambiguous",
            Severity.WARNING,
            f"{count(len(rivals), 'build')} that may be newer, such as {rivals[0]}, could be of {channel} too: "
            f"around a branch cut two branches use the same names; {REPO_OPTION} tells which",
            {"version": str(pick.version), "rivals": tuple(map(str, rivals))},
        )
    yield from _about_clone(inquiry)


def _is_newest(evidence: Evidence) -> bool:
    return evidence.choice.newest == evidence.choice.candidate.version


def _about_clone(inquiry: Inquiry) -> Iterator[Condition]:
    git, channel = inquiry.snapshot.git, inquiry.channel
    top = next(inquiry.known_candidates(), None)
    if git is None or top is None or top.attribution.witness is Witness.GIT or not top.version.commit:
        return
    place = git.locate(top.version.commit)
    is_located = isinstance(place, int)
    if is_located and (git.knows_cut or not is_shared(top.version)):
        return
    ambiguous = place is CommitPlace.AMBIGUOUS
    why = f"is not on {git.ref} in the clone"
    if is_located:
        why = f"may be from before {channel} left master, which is not to be seen in the clone"
    elif ambiguous:
        why = "abbreviates several commits of the clone"
    why += ", whose history is cut off" if git.shallow else ""
    by = "its name" if top.attribution.witness is Witness.VERSION else "its place among the builds"
    missing = MASTER if is_located else channel.ref
    yield Condition(
        "clone-without-master" if is_located else "clone-ambiguous" if ambiguous else "clone-behind",
        Severity.WARNING if git.named else Severity.INFO,
        f"the commit of {top.version} {why}, so {by} and not git attributes it to {channel}; "
        f"{fetch_command(missing, into=git.ref, unshallow=git.shallow)} to be sure",
        {"version": str(top.version), "ref": git.ref},
    )


def _about_refusals(inquiry: Inquiry, evidence: Evidence) -> Iterator[Condition]:
    refused = inquiry.known_refusals(evidence.choice.candidate)
    faulty = [r for r in refused if r.kind in {RefusalKind.INCOMPLETE, RefusalKind.UNREADABLE}]
    if faulty:
        lasting = any(_is_older_than_a_lag(refusal, inquiry) for refusal in faulty)
        unreadable = any(refusal.kind is RefusalKind.UNREADABLE for refusal in faulty)
        yield Condition(
            "builds-refused",
            Severity.WARNING if lasting or unreadable else Severity.INFO,
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
            "builds-unsettled",
            Severity.INFO,
            f"{count(len(unsettled), 'newer build')} of {inquiry.channel} may still be uploading; "
            f"{unsettled[0].version}: {unsettled[0].reasons[0]}",
            {"versions": tuple(str(refusal.version) for refusal in unsettled)},
        )


def _is_older_than_a_lag(refusal: Refusal, inquiry: Inquiry) -> bool:
    """Tell whether a build has been unusable for as long as a marker may lag: it is no passing matter."""
    build = inquiry.snapshot.build(refusal.version)
    return (
        build is not None
        and build.uploaded is not None
        and inquiry.now - build.uploaded > inquiry.policy.max_lag
    )


def _about_artifacts(inquiry: Inquiry, evidence: Evidence) -> Iterator[Condition]:
    chosen = evidence.choice.candidate
    previous = inquiry.known_previous(chosen)
    lost = lacking(chosen.build, previous.build) if previous is not None else ()
    if previous is not None and lost:
        yield Condition(
            "artifacts-differ",
            Severity.WARNING,
            f"{chosen.version} lacks {count(len(lost), 'file')} that {previous.version} before it has, "
            f"such as {lost[0]}",
            {"previous": str(previous.version), "lacking": lost},
        )
    documents = documents_of(chosen.build.artifacts or (), unpaired=inquiry.policy.unpaired)
    if documents:
        yield Condition(
            "files-unpaired",
            Severity.INFO,
            f"{count(len(documents), 'file')} of {chosen.version} came without a checksum, such as "
            f"{documents[0]}: by policy, names that end so need none",
            {"version": str(chosen.version), "files": documents},
        )


def _about_names(inquiry: Inquiry) -> Iterator[Condition]:
    skipped = inquiry.snapshot.skipped
    if skipped:
        listed = ", ".join(f"{number} {kind}" for kind, number in sorted(skipped.items()))
        yield Condition(
            "names-skipped", Severity.INFO, f"not every name in the store is a build: {listed}", skipped
        )
