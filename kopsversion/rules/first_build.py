"""Which build of a channel is the first to contain a merge (DESIGN section 14).

Pure: a judgement by a snapshot, which answers or says what must be known first. It must not know who waits for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kopsversion.model.answer import Condition, Severity
from kopsversion.model.channel import Certainty
from kopsversion.model.codes import Code
from kopsversion.model.needs import Undecided
from kopsversion.model.values import frozen
from kopsversion.rules.conditions import about_gaps
from kopsversion.rules.ends import End, Side, is_of, is_passed, places_of
from kopsversion.rules.failing import AGAIN, store_failed
from kopsversion.rules.inquiry import Inquiry
from kopsversion.rules.line import NeedsMoreError, refusal_of, walk_back

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from kopsversion.model.answer import Refusal
    from kopsversion.model.bucket import Snapshot
    from kopsversion.model.channel import Channel
    from kopsversion.model.policy import Policy
    from kopsversion.model.version import BuildVersion
    from kopsversion.rules.inquiry import Candidate

__all__ = ["Containing", "first_build"]


@frozen(kw_only=True)
class Containing:
    """The builds that contain a merge.

    Attributes:
        first: the first of them that can be tested; ``None`` where there is none yet.
        refused: those before it, oldest first, and why they cannot be tested.
        newest: the newest build of the channel; ``None`` where it has none.
        conditions: what could not be learnt, or is in doubt, and might have led to another build.
    """

    first: Candidate | None
    refused: tuple[Refusal, ...]
    newest: Candidate | None
    conditions: tuple[Condition, ...] = ()


def first_build(
    snapshot: Snapshot, channel: Channel, policy: Policy, wanted: End, *, now: datetime
) -> Containing | Undecided:
    """Find the first testable build that contains a merge.

    Parameters:
        snapshot: what is known.
        channel: whose builds.
        policy: what counts as testable.
        wanted: the merge, as a commit of the channel's line or as a version.
        now: the moment of the question, UTC.

    Returns:
        The builds that contain it, or what must be known first.

    Raises:
        StoreError: the store would not tell all that it takes to see such a build.
    """
    inquiry = Inquiry(snapshot, channel, policy, now)
    try:
        builds = walk_back(
            inquiry,
            is_enough=lambda newest_first: is_passed(wanted, newest_first, side=Side.BAD, git=snapshot.git),
            down_to=wanted.version.minor if wanted.version is not None else None,
        )
        refused: list[Refusal] = []
        first = None
        for place in _places(wanted, builds, snapshot):
            refusal = refusal_of(inquiry, builds[place])
            if refusal is None:
                first = builds[place]
                break
            refused.append(refusal)
    except NeedsMoreError:
        return Undecided(frozenset(inquiry.needs))
    if first is None and inquiry.evidence_failure is not None:
        raise store_failed(
            f"it could not be learnt whether a build of {channel} contains {wanted}",
            snapshot,
            reasons=(inquiry.evidence_failure,),
            otherwise=AGAIN,
        )
    return Containing(
        first=first,
        refused=tuple(refused),
        newest=builds[-1] if builds else None,
        conditions=(*about_gaps(inquiry), *_about_doubt(inquiry, wanted, first)),
    )


def _about_doubt(inquiry: Inquiry, wanted: End, first: Candidate | None) -> Iterator[Condition]:
    """Name the builds that may be the first instead, or none of the channel: their branch is in doubt."""
    doubtful = [version for version in inquiry.doubtful() if _may_contain(version, wanted)]
    if first is not None:
        doubtful = [version for version in doubtful if version < first.version]
        if first.attribution.certainty is Certainty.DOUBTFUL:
            doubtful.append(first.version)
    if doubtful:
        yield Condition(
            Code.CHANNEL_AMBIGUOUS,
            Severity.WARNING,
            f"whether {min(doubtful)} is a build of {inquiry.channel} is doubtful: around a branch cut two branches "
            "use the same names; a clone of kops settles it (--repo)",
            {"version": str(min(doubtful))},
        )


def _may_contain(version: BuildVersion, wanted: End) -> bool:
    if wanted.version is not None:
        return version >= wanted.version
    return wanted.commit is not None and is_of(version, wanted.commit)


def _places(wanted: End, builds: Sequence[Candidate], snapshot: Snapshot) -> Sequence[int]:
    """Return the positions of the builds that contain the merge, oldest first."""
    named = places_of(wanted, builds, side=Side.BAD, git=snapshot.git)
    if not named and wanted.version is not None:
        later = (n for n, each in enumerate(builds) if each.version.precedence >= wanted.version.precedence)
        named = [next(later, len(builds))]
    return range(named[0], len(builds)) if named else ()
