"""Writes a marker: only forward, only a testable build of its channel, only if nobody else wrote meanwhile.

kops' jobs write markers with ``gsutil cp``. So a marker can go backwards, name another branch's build, or name a
build that was never tested (FAILURES rows 3, 4 and 7). Here the marker and the builds are read as for an answer, and
the order is the channel's own. The write succeeds only for the generation that was read: a job that loses the race
reads and decides again.

This module must not know who tested the build, or how a store compares generations.
"""

from __future__ import annotations

import random
import time
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING

from attrs import evolve

from kopsversion.errors import (
    PreconditionFailedError,
    PromotionRefusedError,
    ResolutionError,
    StoreUnavailableError,
    UsageError,
)
from kopsversion.model.advice import REPO_OPTION
from kopsversion.model.answer import RefusalKind
from kopsversion.model.bucket import Build, Malformed, Missing, Named, Unreachable
from kopsversion.model.channel import Certainty, minor_key
from kopsversion.model.layout import (
    MARKER_LIMIT,
    BodyFormat,
    check_marker_name,
    known_roots,
    marker_body,
    read_marker_body,
)
from kopsversion.model.needs import Undecided
from kopsversion.model.values import frozen
from kopsversion.rules.asking import Unknown
from kopsversion.rules.conditions import about_gaps
from kopsversion.rules.doubt import doubtful_builds
from kopsversion.rules.failing import AGAIN, store_failed
from kopsversion.rules.inquiry import Candidate, Inquiry
from kopsversion.rules.verdicts import other_channel
from kopsversion.workflows.rounds import ask_until_known, start

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from kopsversion.model.answer import Condition, Refusal
    from kopsversion.model.bucket import Marker, Snapshot
    from kopsversion.model.channel import Attribution, Channel
    from kopsversion.model.policy import Policy
    from kopsversion.model.version import BuildVersion
    from kopsversion.stores.base import Store
    from kopsversion.stores.deadline import Deadline
    from kopsversion.workflows.clones import Clone

CACHE_CONTROL = "private, max-age=0, no-transform"
"""What kops sets on its markers, so that no cache keeps an old one (FAILURES row 14)."""

REASON_KEY = "kopsversion-rollback-reason"
"""The key of the object's metadata that holds why a marker went back."""

_MOST_TRIES = 30
"""How often the race for a marker may be lost."""

_LONGEST_REASON = 500  # characters
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 2.0  # seconds; the longest wait after the first and after any lost race


class Move(StrEnum):
    """What a promotion does to its marker."""

    FORWARD = "forward"
    ROLLBACK = "rollback"
    INITIAL = "initial"
    """Before, the marker named no build of the channel."""
    NONE = "none"
    """It names that build already."""


@frozen(kw_only=True)
class Promotion:
    """What was done, or would be.

    Attributes:
        marker: as it was read.
        version: the build that it is to name.
        attribution: by which witness this is a build of the channel.
        move: what that does to the marker.
        found: what the marker held before: a version, or a word such as ``missing`` or ``malformed``.
        generation: the object's after writing; ``None`` where nothing was written.
        conditions: evidence that could not be had.
    """

    marker: Marker
    version: BuildVersion
    attribution: Attribution
    move: Move
    found: str
    generation: str | None = None
    conditions: tuple[Condition, ...] = ()


def promote(
    store: Store,
    version: BuildVersion,
    *,
    channel: Channel,
    marker: str,
    policy: Policy,
    now: datetime,
    deadline: Deadline,
    clone: Clone | None = None,
    body_format: BodyFormat = BodyFormat.URL,
    rollback_reason: str | None = None,
    dry_run: bool = False,
    sleep: Callable[[float], None] = time.sleep,
) -> Promotion:
    """Make a marker of a channel name a build.

    Parameters:
        store: where builds and markers are.
        version: the build.
        channel: whose marker, and whose build.
        marker: the marker's file name, as in ``latest-ci-updown-green.txt``.
        policy: what counts as testable.
        now: the moment of the decision, UTC.
        deadline: nothing waits longer.
        clone: what git says of the channel, where it can be asked.
        body_format: how the marker is written.
        rollback_reason: allows the marker to go back, and is kept with the object.
        dry_run: decide, and write nothing.
        sleep: waits for that many seconds, after a lost race.

    Returns:
        What was done, or with `dry_run` what would be.

    Raises:
        PromotionRefusedError: the build is not in the store, not testable, of another channel, perhaps of
            another channel, or not newer than what the marker names.
        PreconditionFailedError: others kept writing the marker, or wrote it while it was to go back.
        StoreError: the store could not be read or written.
        UsageError: the marker's name or the reason is not valid.
    """
    check_marker_name(marker)
    reason = _checked_reason(rollback_reason)
    for turn in range(_MOST_TRIES):
        promotion = _decide(
            _Request(store, version, channel, marker, policy, now, reason), clone=clone, deadline=deadline
        )
        if dry_run or promotion.move is Move.NONE:
            return promotion
        try:
            generation = store.write(
                promotion.marker.path,
                marker_body(version, base_url=store.public_url(str(version)), body_format=body_format),
                if_generation=_expected_generation(store, promotion.marker, aliases=policy.root_aliases),
                cache_control=CACHE_CONTROL,
                metadata=_metadata(promotion, reason),
            )
        except PreconditionFailedError as error:
            if promotion.move is Move.ROLLBACK:
                raise _rollback_lost(promotion, error) from error
            lost = error
            sleep(_pause(turn, deadline))
        else:
            return evolve(promotion, generation=generation)
    raise PreconditionFailedError(
        f"{promotion.marker.path} was written by somebody else {_MOST_TRIES} times in a row",
        url=lost.url,
        hint="find out who else promotes it; then try again",
    ) from lost


def _expected_generation(store: Store, marker: Marker, *, aliases: Sequence[str]) -> str | None:
    """Return the generation that the marker has now if it is still as it was read; ``None`` if there was none.

    A marker that holds no version is read again before it is overwritten, because the body may have been cut. So is
    one whose generation is not known, because some servers give it only with the metadata.

    Raises:
        PreconditionFailedError: it reads differently now, so that all has to be decided again.
        StoreError: it could not be read, or the store gives no generation at all.
    """
    if isinstance(marker.reading, Missing):
        return None
    if marker.generation is not None and not isinstance(marker.reading, Malformed):
        return marker.generation
    url = f"{store.url}{marker.path}"
    stored, content = store.stat(marker.path), store.read(marker.path, limit=MARKER_LIMIT)
    roots = known_roots(store.url, public_url=store.public_url(""), aliases=aliases)
    if read_marker_body(content.data, roots=roots) != marker.reading:
        raise PreconditionFailedError(
            f"{marker.path} reads differently each time", url=url, hint="a proxy may change or cut it"
        )
    if len(content.data) != min(stored.size, MARKER_LIMIT + 1):
        raise StoreUnavailableError(
            f"{marker.path} came with {len(content.data)} bytes, and has {stored.size}",
            url=url,
            hint="a proxy may cut it; a marker that cannot be read is not overwritten",
        )
    if marker.generation is None and stored.generation is None:
        raise StoreUnavailableError(
            f"{store.url} gives no generation of {marker.path}",
            url=url,
            hint="a marker is overwritten only where a store can tell whether somebody else wrote it meanwhile",
        )
    return marker.generation or stored.generation


def _rollback_lost(promotion: Promotion, error: PreconditionFailedError) -> PreconditionFailedError:
    """Make the error for a rollback that was decided for another marker than the one that is there now."""
    path = promotion.marker.path
    return PreconditionFailedError(
        f"{path} was written by somebody else while it was to go back from {promotion.found}",
        url=error.url,
        hint="look at what it names now; then decide again whether it is to go back",
    )


def _pause(turn: int, deadline: Deadline) -> float:
    """Return how many seconds to wait after a lost race, so that promoters do not collide for ever."""
    longest = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**turn, deadline.remaining() / 2)
    return random.uniform(0, longest)  # noqa: S311 # no secret depends on it


def _checked_reason(reason: str | None) -> str | None:
    if reason is None:
        return None
    if not reason.strip() or not reason.isprintable() or len(reason) > _LONGEST_REASON:
        raise UsageError(
            f"the reason of a rollback must be one line of text, of at most {_LONGEST_REASON} characters",
            hint="say why in a sentence; it is kept with the marker",
        )
    return reason


def _metadata(promotion: Promotion, reason: str | None) -> Mapping[str, str]:
    return {REASON_KEY: reason} if reason and promotion.move is Move.ROLLBACK else {}


# --------------------------------------------------------------------------------------------------
# The decision


@frozen
class _Request:
    """What is to be done, and when that is allowed."""

    store: Store
    version: BuildVersion
    channel: Channel
    marker: str
    policy: Policy
    now: datetime
    reason: str | None


def _decide(request: _Request, *, clone: Clone | None, deadline: Deadline) -> Promotion:
    """Ask the store, from the beginning, what the decision needs, and decide."""

    def settle(snapshot: Snapshot, outcome: Promotion | ResolutionError) -> Snapshot | None:
        if clone is None:
            return None
        inquiry = Inquiry(snapshot, request.channel, request.policy, request.now)
        return clone.settle(inquiry, doubtful_builds(inquiry) if isinstance(outcome, ResolutionError) else ())

    promotion, _ = ask_until_known(
        partial(_judge, request),
        start(request.store, git=clone.line if clone is not None else None),
        store=request.store,
        policy=request.policy,
        deadline=deadline,
        settle=settle,
    )
    return promotion


def _judge(request: _Request, snapshot: Snapshot) -> Promotion | Undecided:
    """Decide by what is known, or return everything that must be known first."""
    inquiry = Inquiry(snapshot, request.channel, request.policy, request.now)
    version = request.version
    marker = inquiry.marker(request.channel.ref, request.marker)
    refusal = inquiry.refusal(inquiry.snapshot.build(version) or Build(version))
    line = _line_down_to(version, inquiry)
    # A build whose name is too high must neither hold the marker back nor become its build.
    looked = inquiry.look_for_disputes()
    if isinstance(marker, Unknown) or isinstance(refusal, Unknown) or isinstance(line, Unknown) or looked:
        return Undecided(frozenset(inquiry.needs))
    _check_testable(version, refusal, inquiry)
    candidate = _own_candidate(version, line, inquiry)
    move, found = _move(marker, version, line, inquiry)
    if move is Move.ROLLBACK and request.reason is None:
        raise PromotionRefusedError(
            f"{marker.path} names {found}, and {version} is not newer",
            channel=str(request.channel),
            hint="a marker goes back only with --allow-rollback and a reason",
        )
    return Promotion(
        marker=marker,
        version=version,
        attribution=candidate.attribution,
        move=move,
        found=found,
        conditions=tuple(about_gaps(inquiry, judged=[marker.path])),
    )


def _line_down_to(version: BuildVersion, inquiry: Inquiry) -> Sequence[Candidate] | Unknown:
    """Return the channel's builds, newest first, down to a build or, where git does not place it, to its minor's end.

    Raises:
        StoreError: they could not be listed.
    """
    line = []
    for candidate in inquiry.candidates():
        if isinstance(candidate, Unknown):
            return candidate
        place, wanted = inquiry.position(candidate.version), inquiry.position(version)
        if place is not None and wanted is not None:
            if place < wanted:
                break
        elif minor_key(candidate.version.minor) < minor_key(version.minor):
            break
        line.append(candidate)
    if inquiry.listing_failure is not None:
        raise store_failed(
            f"the builds of {inquiry.channel} could not be listed, so it is not known which is newer",
            inquiry.snapshot,
            reasons=(inquiry.listing_failure,),
            otherwise=AGAIN,
        )
    return line


def _check_testable(version: BuildVersion, refusal: Refusal | None, inquiry: Inquiry) -> None:
    if refusal is None:
        return
    if refusal.kind is RefusalKind.UNREADABLE:
        raise store_failed(
            f"it could not be learnt whether {version} is testable",
            inquiry.snapshot,
            reasons=refusal.reasons,
            otherwise=AGAIN,
        )
    build = inquiry.snapshot.build(version)
    absent = build is not None and build.artifacts == ()
    raise PromotionRefusedError(
        f"{version} is not in {inquiry.snapshot.store}" if absent else f"{version} is not testable",
        channel=str(inquiry.channel),
        reasons=() if absent else refusal.reasons,
        hint="promote the build that was tested; `kopsversion list` shows the builds that are there",
    )


def _own_candidate(version: BuildVersion, line: Sequence[Candidate], inquiry: Inquiry) -> Candidate:
    """Find the build among the channel's own, and refuse one that may be another branch's or is named too high."""
    channel = inquiry.channel
    alike = [candidate for candidate in line if candidate.version == version]
    own = next((each for each in alike if each.version.text == version.text), None) or next(iter(alike), None)
    dispute = next((each for each in inquiry.disputes if each.build.version == version), None)
    if dispute is not None and dispute.named is not None:
        raise PromotionRefusedError(
            f"the name {version} is too high: {dispute.named.version}, which a marker names, came after it "
            "under a lower name",
            channel=str(channel),
            hint="promote a later build; with a clone of kops, --repo, the order on the branch decides",
        )
    if own is None and version not in inquiry.doubtful():
        whose = other_channel(version, inquiry) or "which is another branch's by its place among the builds"
        raise PromotionRefusedError(
            f"a marker of {channel} cannot name {version}, {whose}",
            channel=str(channel),
            hint="promote it on its own channel; with a clone of kops, --repo, branches are told apart exactly",
        )
    if own is None or own.attribution.certainty is Certainty.DOUBTFUL:
        raise PromotionRefusedError(
            f"it is doubtful whether {version} is a build of {channel}",
            channel=str(channel),
            reasons=[gap.message for gap in about_gaps(inquiry)],
            hint=f"give {REPO_OPTION}, which tells branches apart exactly",
        )
    return own


# --------------------------------------------------------------------------------------------------
# Forward or back


def _move(
    marker: Marker, version: BuildVersion, line: Sequence[Candidate], inquiry: Inquiry
) -> tuple[Move, str]:
    """Return what naming `version` would do to the marker, and what the marker holds now."""
    reading = marker.reading
    if isinstance(reading, Unreachable):
        raise store_failed(
            f"{marker.path} could not be read, and what cannot be read is not overwritten: {reading.reason}",
            inquiry.snapshot,
            reasons=(),
            otherwise=AGAIN,
        )
    if not isinstance(reading, Named):
        return Move.INITIAL, type(reading).__name__.lower()
    current = reading.version
    if current.text == version.text:
        return Move.NONE, str(current)
    if current.is_of_same_commit(version):
        return Move.FORWARD, str(current)  # another directory of that commit
    if other_channel(current, inquiry) is not None:
        return Move.INITIAL, f"{current} of another channel"
    is_newer = _is_newer(version, current, line=line, inquiry=inquiry)
    return (Move.FORWARD if is_newer else Move.ROLLBACK), str(current)


def _is_newer(
    version: BuildVersion, current: BuildVersion, *, line: Sequence[Candidate], inquiry: Inquiry
) -> bool:
    """Tell whether `version` is certainly newer than `current`, by the best witness that knows both.

    These are asked in turn: git; the upload times, where the name of one is too high; the minors; the channel's
    own line; and, where `current` is not in that any more, the names.
    """
    place, current_place = inquiry.position(version), inquiry.position(current)
    if place is not None and current_place is not None:
        return place > current_place
    proven = {dispute.build.version for dispute in inquiry.disputes if dispute.is_proven}
    if not proven.isdisjoint({version, current}):
        build, other = inquiry.snapshot.build(version), inquiry.snapshot.build(current)
        return build is not None and other is not None and build.came_after(other)
    if version.minor != current.minor:
        return minor_key(version.minor) > minor_key(current.minor)
    places = {candidate.version: place for place, candidate in enumerate(line)}
    if current in places:
        return places[version] < places[current]
    if version.distance is None or current.distance is None:
        return False
    return version.precedence > current.precedence
