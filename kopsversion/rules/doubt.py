"""Which builds are in doubt, so that it is worth asking git (DESIGN section 4, witness 1).

*In doubt* are attribution, a disputed order, and builds that are old where it is not known whether anything was merged
since. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kopsversion.errors import InvalidVersionError
from kopsversion.model.channel import Certainty
from kopsversion.model.codes import Code
from kopsversion.model.version import BuildVersion

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from kopsversion.model.answer import Condition
    from kopsversion.rules.inquiry import Inquiry

DOUBTS = frozenset({Code.CHANNEL_AMBIGUOUS, Code.ORDER_DISPUTED, Code.BUILDS_OLD, Code.MARKER_DOUBTFUL})
"""Codes of the conditions that a clone of kops would settle."""


def builds_in_doubt(conditions: Iterable[Condition]) -> tuple[BuildVersion, ...]:
    """Return the builds that an answer's conditions name as doubtful, in the order of the conditions."""
    doubts = [condition for condition in conditions if condition.code in DOUBTS]
    return tuple(dict.fromkeys(version for condition in doubts for version in _versions_in(condition)))


def doubtful_builds(inquiry: Inquiry) -> tuple[BuildVersion, ...]:
    """Return every build that is known and may be of another channel than it is given to."""
    own = [
        each.version
        for each in inquiry.known_candidates()
        if each.attribution.certainty is Certainty.DOUBTFUL
    ]
    return (*own, *inquiry.doubtful())


def _versions_in(condition: Condition) -> Iterator[BuildVersion]:
    for value in condition.data.values():
        for text in value if isinstance(value, tuple) else (value,):
            if isinstance(text, str):
                try:
                    yield BuildVersion.parse(text)
                except InvalidVersionError:
                    continue  # another value of the condition, such as a URL
