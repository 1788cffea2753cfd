"""What a marker is worth: the verdicts of DESIGN section 6.

Pure. A verdict is judged against the channel's builds. This module must not know which marker is then used:
`resolver` decides.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from kopsversion.model.answer import MarkerReport, Refusal, RefusalKind, Verdict
from kopsversion.model.bucket import Build, Foreign, Malformed, Marker, Missing, Unreachable
from kopsversion.model.channel import minor_key
from kopsversion.model.needs import ListArtifacts
from kopsversion.model.wording import duration
from kopsversion.rules.attribution import by_git, by_version
from kopsversion.rules.inquiry import UNKNOWN, Candidate, Inquiry, Unknown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kopsversion.model.version import BuildVersion


def judge(marker: Marker, inquiry: Inquiry) -> MarkerReport | Unknown:
    """Judge one marker of the inquiry's channel.

    Returns:
        The verdict with its sentence, or `UNKNOWN` with what is missing noted in the inquiry.

    Source: DESIGN section 6; FAILURES rows 1, 2, 5, 7, 9, 10, 11, 12, 13, 16.
    """
    reading = marker.reading
    match reading:
        case Foreign():
            return _report(marker, Verdict.FOREIGN, reading.reason)
        case Malformed():
            return _report(marker, Verdict.MALFORMED, reading.reason)
        case Missing():
            return _report(marker, Verdict.MISSING, reading.reason)
        case Unreachable():
            return _report(marker, Verdict.UNREACHABLE, reading.reason)
        case _:
            return _judge_named(marker, reading.version, inquiry)


def _report(marker: Marker, verdict: Verdict, message: str, lag: timedelta | None = None) -> MarkerReport:
    return MarkerReport(marker, verdict, message, lag)


def _judge_named(marker: Marker, version: BuildVersion, inquiry: Inquiry) -> MarkerReport | Unknown:
    other = other_channel(version, inquiry)
    if other is not None:
        return _report(marker, Verdict.WRONG_CHANNEL, f"names {version}, {other}")
    inquiry.ask_down_to(version.minor)
    newer: list[Candidate] = []
    for candidate in _down_to(version, inquiry):
        if isinstance(candidate, Unknown):
            return UNKNOWN
        if candidate.version == version:
            break
        newer.append(candidate)
    held = inquiry.snapshot.build(version)
    if held is None and not inquiry.snapshot.whole:
        # The listing may be older than the marker, so the build is looked up once more by itself.
        need = ListArtifacts(version)
        failure = inquiry.snapshot.failures.get(need)
        if failure is None:
            return inquiry.need(need)
        if not failure.denied:
            message = f"names {version}, which could not be looked up: {failure.reason}"
            return _report(marker, Verdict.UNREACHABLE, message)
        # Its directory may not be listed; its checksums will be asked for instead.
        return _judge_held(marker, Build(version), newer, inquiry)
    if held is None or held.artifacts == ():
        return _report(marker, Verdict.DANGLING, f"names {version}, which is not in the store")
    return _judge_held(marker, held, newer, inquiry)


def _down_to(version: BuildVersion, inquiry: Inquiry) -> Iterator[Candidate | Unknown]:
    """Yield the channel's builds from the newest to `version`, or to where it would be."""
    git = inquiry.snapshot.git
    # Where git knows the commit the build is found by equality: git's order need not be that of names.
    located = git is not None and version.commit is not None and isinstance(git.locate(version.commit), int)
    for candidate in inquiry.candidates():
        if isinstance(candidate, Candidate):
            below = minor_key(candidate.version.minor) < minor_key(version.minor)
            older = candidate.version.precedence < version.precedence
            if below or (older and not located and candidate.version.distance is not None):
                return
        yield candidate


def _judge_held(
    marker: Marker, held: Build, newer: list[Candidate], inquiry: Inquiry
) -> MarkerReport | Unknown:
    """Judge a marker that names a build which the store holds, against the channel's newer ones."""
    version = held.version
    newer_testable = inquiry.first_testable(reversed(newer))
    if isinstance(newer_testable, Unknown):
        if version.minor == newer[0].version.minor:
            # Most likely needed too: asked for in the same round trip. In an older minor, whose listing costs
            # a request already, the budget of DESIGN section 10 leaves no room for a guess.
            inquiry.refusal(held)
        return UNKNOWN
    lag = None
    if newer_testable is not None and newer_testable.build.uploaded is not None:
        lag = max(inquiry.now - newer_testable.build.uploaded, timedelta())
        if lag > inquiry.policy.max_lag:
            return _report(
                marker,
                Verdict.STALE,
                f"names {version}, although {newer_testable.version} could have been promoted "
                f"{duration(lag)} ago; the limit is {duration(inquiry.policy.max_lag)}",
                lag,
            )
    refusal = inquiry.refusal(held)
    if isinstance(refusal, Unknown):
        return UNKNOWN
    if refusal is not None:
        unreadable = refusal.kind is RefusalKind.UNREADABLE
        verdict = Verdict.UNREACHABLE if unreadable else Verdict.INCOMPLETE
        return _report(marker, verdict, f"names {version}, which is not testable: {refusal.reasons[0]}", lag)
    doubt = _doubt(newer, newer_testable, inquiry)
    if doubt is not None:
        return _report(marker, Verdict.UNVERIFIED, f"names {version}, which is testable; {doubt}")
    if lag is None:
        return _report(marker, Verdict.CURRENT, f"names {version}, the newest testable build")
    return _report(marker, Verdict.LAGGING, f"names {version}; the next one has waited {duration(lag)}", lag)


def _doubt(newer: list[Candidate], newer_testable: Candidate | None, inquiry: Inquiry) -> str | None:
    """Say why it cannot be known whether a marker is stale, if it cannot."""
    if inquiry.listing_failure is not None:
        return "newer ones are not known"
    for candidate in reversed(newer):
        if candidate == newer_testable:
            break
        refusal = inquiry.refusal(candidate.build)
        if isinstance(refusal, Refusal) and refusal.kind is RefusalKind.UNREADABLE:
            return f"whether {candidate.version}, which is newer, could have been promoted is not known"
    if newer_testable is not None and newer_testable.build.uploaded is None:
        return f"since when {newer_testable.version}, which is newer, could have been promoted is not known"
    return None


def other_channel(version: BuildVersion, inquiry: Inquiry) -> str | None:
    """Say whose build it is if that is certain and not the channel's (git and version witness only).

    Returns:
        What completes "names 1.28.5, …"; ``None`` where it may be the channel's.
    """
    channel = inquiry.channel.ref
    if version.is_tag_build:
        return "a tag's own build, which no branch has"
    git = inquiry.snapshot.git
    said = by_git(version, git, ref=channel) if git is not None else None
    if said is not None and said.ref == channel:
        return None
    ref = by_version(version)
    if ref is not None and ref != channel:
        return f"which is a build of {ref}"
    if inquiry.channel.minor not in {None, version.minor}:
        return f"which is no build of {channel}"
    return f"whose commit is not on {git.ref}" if git is not None and said is not None else None
