"""A channel's builds in their order, as far back as the caller wants (DESIGN sections 3 and 4).

Pure. A search among builds needs the whole line and not its newest end alone. This module must not know what the
builds are searched for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kopsversion.model.answer import RefusalKind
from kopsversion.rules.asking import Unknown
from kopsversion.rules.failing import AGAIN, store_failed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kopsversion.model.answer import Refusal
    from kopsversion.rules.inquiry import Candidate, Inquiry

__all__ = ["NeedsMoreError", "refusal_as_seen", "refusal_of", "walk_back"]


class NeedsMoreError(Exception):
    """Something must be known first; an inquiry has noted what."""


def walk_back(
    inquiry: Inquiry, *, is_enough: Callable[[Sequence[Candidate]], bool], down_to: str | None = None
) -> tuple[Candidate, ...]:
    """Return a channel's builds, oldest first, as far back as is enough, or back to the first one.

    Parameters:
        inquiry: the channel, and what is known of the store.
        is_enough: tells whether the builds so far, newest first, are enough; asked after each minor.
        down_to: a minor that is wanted for certain, so that the ones above it come at once.

    Raises:
        NeedsMoreError: something must be known first.
        StoreError: the store would not tell all of them.
    """
    if down_to is not None:
        inquiry.ask_down_to(down_to)
    newest_first: list[Candidate] = []
    for candidate in inquiry.candidates():
        is_next = isinstance(candidate, Unknown) or (
            bool(newest_first) and candidate.version.minor != newest_first[-1].version.minor
        )
        if is_next and is_enough(newest_first):
            inquiry.needs.clear()  # what is older is not wanted
            break
        if isinstance(candidate, Unknown):
            raise NeedsMoreError
        newest_first.append(candidate)
    if inquiry.listing_failure is not None:
        raise store_failed(
            f"the builds of {inquiry.channel} in {inquiry.snapshot.store} could not all be listed",
            inquiry.snapshot,
            reasons=(inquiry.listing_failure,),
            otherwise=AGAIN,
        )
    return tuple(reversed(newest_first))


def refusal_as_seen(inquiry: Inquiry, candidate: Candidate) -> Refusal | None:
    """Say why a build cannot be tested, or that it could not be learnt; ``None`` if it can be tested.

    Raises:
        NeedsMoreError: something must be known first.
    """
    refusal = inquiry.refusal(candidate.build)
    if isinstance(refusal, Unknown):
        raise NeedsMoreError
    return refusal


def refusal_of(inquiry: Inquiry, candidate: Candidate) -> Refusal | None:
    """Say why a build cannot be tested; ``None`` if it can.

    Raises:
        NeedsMoreError: something must be known first.
        StoreError: its files could not be listed, which says nothing about the build.
    """
    refusal = refusal_as_seen(inquiry, candidate)
    if refusal is not None and refusal.kind is RefusalKind.UNREADABLE:
        raise store_failed(
            f"it could not be learnt whether {refusal.version} is testable",
            inquiry.snapshot,
            reasons=refusal.reasons,
            otherwise=AGAIN,
        )
    return refusal
