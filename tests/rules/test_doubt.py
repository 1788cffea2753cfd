"""Which builds a clone is asked about (DESIGN section 4, witness 1)."""

from __future__ import annotations

import pytest

from kopsversion.model.channel import BRANCH_MARKER, MASTER, Channel
from kopsversion.rules.doubt import doubtful_builds
from kopsversion.rules.inquiry import Inquiry
from tests.builders import DEFAULT, HOUR, NOW, beta, build, marker, snapshot


@pytest.mark.parametrize("ref", [MASTER, "release-1.30"])
def test_a_build_that_the_marker_of_its_branch_names_is_not_in_doubt(ref: str) -> None:
    """The others of the same names are, whichever of the two branches is asked about."""
    held = snapshot(
        *(build(beta(n), uploaded=NOW - (30 - n) * HOUR) for n in (3, 5, 9)),
        markers=[marker(MASTER, BRANCH_MARKER, beta(5)), marker("release-1.30", BRANCH_MARKER, beta(3))],
    )
    inquiry = Inquiry(held, Channel(ref), DEFAULT, NOW)
    list(inquiry.known_candidates())
    assert sorted(map(str, doubtful_builds(inquiry))) == [beta(3), beta(9)]
