"""What a marker is worth: the verdicts of DESIGN section 6.

Pure. A verdict is judged against the channel's builds. This module must not know which marker is then used:
`resolver` decides.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from kopsversion.model.answer import MarkerReport, Refusal, RefusalKind, Verdict
from kopsversion.model.bucket import (
    Build,
    Foreign,
    Form,
    Later,
    Malformed,
    Marker,
    Missing,
    Named,
    Unreachable,
)
from kopsversion.model.channel import Certainty, minor_key
from kopsversion.model.needs import ListArtifacts, ListUploads
from kopsversion.model.values import frozen
from kopsversion.model.wording import duration
from kopsversion.rules.asking import UNKNOWN, Unknown
from kopsversion.rules.attribution import by_git, by_version
from kopsversion.rules.freshness import completed
from kopsversion.rules.inquiry import Candidate, Inquiry

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from kopsversion.model.policy import Policy
    from kopsversion.model.version import BuildVersion

_WRITTEN_LAST_LIMIT = timedelta(hours=1)
"""How long a marker that each build writes last may lag, at most (DESIGN section 6)."""


def judge(marker: Marker, inquiry: Inquiry) -> MarkerReport | Unknown:
    """Judge one marker of the inquiry's channel.

    Parameters:
        marker: the marker, as it was read.
        inquiry: the channel, and what is known of its builds.

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
        case Later():
            return _report(marker, Verdict.UNKNOWN, reading.reason)
        case Unreachable():
            return _report(marker, Verdict.UNREACHABLE, reading.reason)
        case _ if not marker.is_usable:
            return _report(marker, Verdict.UNUSABLE, _unusable(marker, reading))
        case _:
            return _judge_named(marker, reading.version, inquiry)


def _unusable(marker: Marker, reading: Named) -> str:
    if reading.form is Form.TAG:
        return f"names {reading.version} with a v before it, and no build's directory has such a name"
    return (
        f"names {reading.version} without a URL: its consumers look for that beside the marker, in "
        f"{marker.path.rpartition('/')[0]}/, where no build is"
    )


def _report(marker: Marker, verdict: Verdict, message: str, lag: timedelta | None = None) -> MarkerReport:
    return MarkerReport(marker, verdict, message, lag)


def _judge_named(marker: Marker, version: BuildVersion, inquiry: Inquiry) -> MarkerReport | Unknown:
    other = other_channel(version, inquiry)
    if other is not None:
        return _report(marker, Verdict.WRONG_CHANNEL, f"names {version}, {other}")
    if version in inquiry.policy.exclude:
        return _report(marker, Verdict.EXCLUDED, f"names {version}, which is excluded by request")
    inquiry.ask_down_to(version.minor)
    newer = _newer_than(version, inquiry)
    if isinstance(newer, Unknown):
        return UNKNOWN
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


def _newer_than(version: BuildVersion, inquiry: Inquiry) -> list[Candidate] | Unknown:
    """Return the channel's builds that are newer than the one of that name, newest first."""
    disputed = next(
        (each.build for each in inquiry.disputes if each.named and each.build.version == version), None
    )
    newer: list[Candidate] = []
    for candidate in inquiry.candidates() if disputed else _down_to(version, inquiry):
        if isinstance(candidate, Unknown):
            return UNKNOWN
        if candidate.version.is_of_same_commit(version):
            break
        if disputed is None or candidate.build.came_after(disputed):
            newer.append(candidate)
        else:
            break
    return newer


def _down_to(version: BuildVersion, inquiry: Inquiry) -> Iterator[Candidate | Unknown]:
    """Yield the channel's builds from the newest to `version`, or to where it would be."""
    located = inquiry.position(version)
    for candidate in inquiry.candidates():
        if isinstance(candidate, Candidate):
            # Where git knows both commits, their places count: git's order need not be that of names.
            place = inquiry.position(candidate.version)
            if place is not None and located is not None:
                is_past = place < located
            else:
                below = minor_key(candidate.version.minor) < minor_key(version.minor)
                older = candidate.version.precedence < version.precedence
                is_past = below or (older and located is None and candidate.version.distance is not None)
            if is_past:
                return
        yield candidate


def _judge_held(
    marker: Marker, held: Build, newer: list[Candidate], inquiry: Inquiry
) -> MarkerReport | Unknown:
    """Judge a marker that names a build which the store holds, against the channel's newer ones."""
    version = held.version
    given = inquiry.attribution(version)
    if given is not None and given.ref != inquiry.channel.ref:
        how = "is likely" if given.certainty is Certainty.LIKELY else "may well be"
        return _report(marker, Verdict.DOUBTFUL, f"names {version}, which {how} a build of {given.ref}")
    limit = limit_of(marker, inquiry.policy)
    # Whether a name is too high shows by upload times, which are asked for beside the first build that counts.
    looked = inquiry.look_for_disputes() if newer else inquiry.look_for_followers(held)
    counting = [each for each in newer if not marker.is_written_last or _is_sure(each)]
    waiting = _longest_waiting(counting, limit, inquiry)
    if isinstance(waiting, Unknown) or isinstance(looked, Unknown):
        if len(newer) == 1 and version.minor == newer[0].version.minor:
            # Most likely needed too: asked for in the same round trip. Behind several builds, or in an older
            # minor, the budget of DESIGN section 10 leaves no room for a guess.
            inquiry.refusal(held)
        return UNKNOWN
    lag = None
    if waiting is not None and waiting.since is not None:
        lag = max(inquiry.now - waiting.since, timedelta())
        if lag > limit:
            return _report(
                marker,
                Verdict.STALE,
                f"names {version}, although {waiting.candidate.version} could have been promoted "
                f"{duration(lag)} ago; the limit is {duration(limit)}",
                lag,
            )
    refusal = inquiry.refusal(held)
    if isinstance(refusal, Unknown):
        return UNKNOWN
    if refusal is not None:
        unreadable = refusal.kind is RefusalKind.UNREADABLE
        verdict = Verdict.UNREACHABLE if unreadable else Verdict.INCOMPLETE
        return _report(marker, verdict, f"names {version}, which is not testable: {refusal.reasons[0]}", lag)
    doubt = _doubt(counting, waiting, inquiry)
    if doubt is not None:
        return _report(marker, Verdict.UNVERIFIED, f"names {version}, which is testable; {doubt}")
    if lag is not None:
        return _report(
            marker, Verdict.LAGGING, f"names {version}; the next one has waited {duration(lag)}", lag
        )
    surely = " that is surely its branch's" if len(counting) < len(newer) else ""
    return _report(marker, Verdict.CURRENT, f"names {version}, the newest testable build{surely}")


# --------------------------------------------------------------------------------------------------
# Promotion lag


def limit_of(marker: Marker, policy: Policy) -> timedelta:
    """Return the promotion lag above which a marker is stale."""
    return min(_WRITTEN_LAST_LIMIT, policy.max_lag) if marker.is_written_last else policy.max_lag


def set_back_since(report: MarkerReport, *, now: datetime) -> datetime | None:
    """Tell whether a marker that every build writes was written after a newer build was there.

    It cannot rightly have been: another job set it back, or the build of an older merge ended later.

    Returns:
        When the newer build was complete, UTC; ``None`` where the marker was not set back.

    Source: DESIGN section 6; FAILURES row 36.
    """
    if report.lag is None or report.marker.written is None or not report.marker.is_written_last:
        return None
    since = now - report.lag
    return since if report.marker.written > since else None


def _is_sure(candidate: Candidate) -> bool:
    return candidate.attribution.certainty is not Certainty.DOUBTFUL


@frozen
class _Waiting:
    """A testable build newer than a marker's.

    Attributes:
        candidate: the build.
        since: when it was complete, UTC; ``None`` where that is not known.
    """

    candidate: Candidate
    since: datetime | None


def _longest_waiting(
    newer: Sequence[Candidate], limit: timedelta, inquiry: Inquiry
) -> _Waiting | Unknown | None:
    """Find the testable build that was complete first, or one that was complete long enough ago.

    The oldest by name is examined first, since mostly it has waited longest. Where it has not, any other may have:
    files are uploaded again, and old merges are built late. The upload time of one file shows which builds need not be
    examined.

    Parameters:
        newer: the channel's builds that are newer than the marker's, newest first.
        limit: what is long enough.
        inquiry: what is known.
    """
    oldest = inquiry.first_testable(reversed(newer))
    if isinstance(oldest, Unknown) or oldest is None:
        return oldest
    known = _known_waiting(newer, inquiry) or _Waiting(oldest, None)
    if _is_beyond(known.since, limit, inquiry):
        return known
    undated = {each.version.minor for each in newer if each.build.first_uploaded is None}
    if wanted := [minor for minor in undated if inquiry.uploads_wanted(minor)]:
        for minor in wanted:
            inquiry.need(ListUploads(minor))
        return UNKNOWN
    for each in sorted(newer, key=lambda each: each.build.first_uploaded or inquiry.now):
        may_count = _is_beyond(each.build.first_uploaded, limit, inquiry)
        if may_count and isinstance(inquiry.refusal(each.build), Unknown):
            return UNKNOWN
    return known


def _known_waiting(newer: Sequence[Candidate], inquiry: Inquiry) -> _Waiting | None:
    """Return the one that was complete first among those that are known to be testable."""
    dated = [
        (since, -number)
        for number, each in enumerate(newer)
        if inquiry.is_known_testable(each.build) and (since := completed(each.build)) is not None
    ]
    if not dated:
        return None
    since, number = min(dated)
    return _Waiting(newer[-number], since)


def _is_beyond(since: datetime | None, limit: timedelta, inquiry: Inquiry) -> bool:
    return since is not None and inquiry.now - since > limit


def _doubt(newer: Sequence[Candidate], waiting: _Waiting | None, inquiry: Inquiry) -> str | None:
    """Say why it is not known whether a marker is stale; ``None`` where it is known."""
    if inquiry.listing_failure is not None:
        return "newer ones are not known"
    for candidate in reversed(newer):
        if waiting is not None and candidate == waiting.candidate:
            break
        refusal = inquiry.refusal(candidate.build)
        if isinstance(refusal, Refusal) and refusal.kind is RefusalKind.UNREADABLE:
            return f"it is not known whether {candidate.version}, which is newer, could have been promoted"
    if waiting is not None and waiting.since is None:
        return f"it is not known since when {waiting.candidate.version}, which is newer, could have been promoted"
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
