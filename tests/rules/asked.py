"""A snapshot of which little is known, and what is asked of it."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from kopsversion.model.bucket import Build, Marker, Snapshot
from kopsversion.model.channel import BRANCH_MARKER, MASTER, Channel
from kopsversion.model.needs import ReadMarker
from kopsversion.rules.inquiry import Candidate, Inquiry
from tests import builders
from tests.builders import DEFAULT, NOW, ON_MASTER, STORE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from kopsversion.model.policy import Policy
    from kopsversion.rules.asking import Unknown


ON_RELEASE = Channel("release-1.30")

MASTER_S = ReadMarker(MASTER, BRANCH_MARKER)
RELEASE_S = ReadMarker("release-1.30", BRANCH_MARKER)


patch = functools.partial(builders.patch, minor="1.30")


def asking(held: Snapshot, channel: Channel = ON_MASTER, policy: Policy = DEFAULT) -> Inquiry:
    return Inquiry(held, channel, policy, NOW)


def partial(*builds: Build, markers: Sequence[Marker] = ()) -> Snapshot:
    """Make a snapshot in which 1.30 is listed, and nothing else is known."""
    return Snapshot(
        store=STORE,
        minors=frozenset({"1.30"}),
        listed=frozenset({"1.30"}),
        builds=builds,
        markers=tuple(markers),
    )


def names(found: Iterable[Candidate | Unknown]) -> list[str | None]:
    """The versions, with ``None`` where it is unknown how to go on."""
    return [str(each.version) if isinstance(each, Candidate) else None for each in found]
