"""A channel's builds as JSON, schema 1; an answer is written by `kopsversion.model.codec`.

Knows nothing of where the text goes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kopsversion.model.codec import condition_fields, document, plain_fields, seconds, time_text

if TYPE_CHECKING:
    from kopsversion.workflows.listing import ChannelListing

__all__ = ["listing_to_json"]


def listing_to_json(listing: ChannelListing) -> str:
    """Write a channel's builds as JSON of schema 1; ``channel`` is ``null`` where it is every channel."""
    builds = [
        {
            "version": str(row.version),
            "uploaded": time_text(row.uploaded) if row.uploaded else None,
            "age": seconds(listing.now - row.uploaded) if row.uploaded else None,
            "distance": row.version.distance,
            "attribution": plain_fields(row.attribution),
            "testable": row.refusal is None,
            "refusal": plain_fields({"kind": row.refusal.kind, "reasons": row.refusal.reasons})
            if row.refusal
            else None,
        }
        for row in listing.rows
    ]
    return document(
        {
            "channel": listing.channel,
            "store": listing.store,
            "now": time_text(listing.now),
            "builds": builds,
            "conditions": [condition_fields(condition) for condition in listing.conditions],
            "skipped": dict(sorted(listing.skipped.items())),
        }
    )
