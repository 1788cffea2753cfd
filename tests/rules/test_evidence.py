"""What the store is asked for to tell the branches of a shared window apart."""

from __future__ import annotations

import pytest
from attrs import evolve

from kopsversion.model.bucket import Foreign, Malformed, MarkerReading, Missing, Named, Snapshot, Unreachable
from kopsversion.model.channel import BRANCH_MARKER, GREEN_MARKER, MASTER
from kopsversion.model.needs import ListMinors, ListUploads, Need, ReadMarker
from kopsversion.rules.asking import UNKNOWN, Unknown
from kopsversion.rules.attribution import BranchEvidence
from kopsversion.rules.evidence import evidence_for
from tests.builders import (
    DAY,
    NOW,
    OFF,
    alpha,
    bare_listing,
    beta,
    build,
    marker,
    on_master,
    snapshot,
    version,
)
from tests.rules.asked import MASTER_S, RELEASE_S, asking, partial


class TestEvidence:
    """What tells the branches apart in a shared window."""

    def evidence(self, held: Snapshot) -> BranchEvidence | Unknown:
        return evidence_for("1.30", [build(beta(1))], asking=asking(held))

    def test_alphas_need_none(self) -> None:
        assert evidence_for("1.30", [on_master(1)], asking=asking(partial())) == BranchEvidence()

    def test_both_branches_markers_and_the_upload_times_are_asked_for_at_once(self) -> None:
        """They do not depend on each other."""
        inquiry = asking(partial())
        assert evidence_for("1.30", [build(beta(1))], asking=inquiry) is UNKNOWN
        assert inquiry.needs == {MASTER_S, RELEASE_S, ListUploads("1.30")}

    @pytest.mark.parametrize("missing", [MASTER_S, RELEASE_S, ListUploads("1.30")])
    def test_each_of_them_is_waited_for(self, missing: Need) -> None:
        read = [ReadMarker(MASTER, BRANCH_MARKER), ReadMarker("release-1.30", BRANCH_MARKER)]
        held = evolve(
            partial(
                markers=[
                    marker(each.ref, each.name, alpha(1) if each.ref == MASTER else beta(1))
                    for each in read
                    if each != missing
                ]
            ),
            timed=frozenset() if isinstance(missing, ListUploads) else frozenset({"1.30"}),
            minors=frozenset({"1.30"}),
        )
        inquiry = asking(held)
        assert evidence_for("1.30", [build(beta(1))], asking=inquiry) is UNKNOWN
        assert inquiry.needs == {missing}

    def test_the_first_build_of_the_minor_that_master_s_marker_names_dates_its_leaving(self) -> None:
        """A patch of a later minor is not master's, a build without a time dates nothing, and green is support."""
        later = [
            build(alpha(2, minor="1.31"), uploaded=NOW - 3 * DAY),
            build(alpha(3, minor="1.31"), uploaded=NOW - 2 * DAY),
            build("1.31.1+v1.31.0-1-g0123456789", uploaded=NOW - 9 * DAY),
            bare_listing(alpha(1, minor="1.31")),
            build(alpha(9, minor="1.29"), uploaded=NOW - 80 * DAY),
            build(beta(1), uploaded=NOW - 70 * DAY),
        ]
        markers = [
            marker(MASTER, BRANCH_MARKER, alpha(3, minor="1.31")),
            marker(MASTER, "other.txt", alpha(2, minor="1.31")),
            marker(MASTER, "none.txt", Missing("does not exist")),
            marker("release-1.30", BRANCH_MARKER, beta(1)),
            marker("release-1.30", "other.txt", beta(2)),
        ]
        assert self.evidence(snapshot(*later, markers=markers)) == BranchEvidence(
            release_named=version(beta(1)),
            release_exists=True,
            master_named=version(alpha(3, minor="1.31")),
            master_left=NOW - 3 * DAY,
            master_tested=frozenset({version(alpha(2, minor="1.31"))}),
            release_tested=frozenset({version(beta(2))}),
        )

    def test_without_such_a_marker_the_next_minor_dates_it(self) -> None:
        """The minors are asked for, and then when the builds of the next one were uploaded."""
        missing = Missing("does not exist")
        markers = [marker(MASTER, BRANCH_MARKER, missing), marker("release-1.30", BRANCH_MARKER, beta(1))]
        held = evolve(partial(markers=markers), timed=frozenset({"1.30"}), minors=None)
        inquiry = asking(held)
        assert evidence_for("1.30", [build(beta(1))], asking=inquiry) is UNKNOWN
        assert inquiry.needs == {ListMinors()}
        listed = evolve(held, minors=frozenset({"1.29", "1.30", "1.31", "1.100"}))
        inquiry = asking(listed)
        assert evidence_for("1.30", [build(beta(1))], asking=inquiry) is UNKNOWN
        assert inquiry.needs == {ListUploads("1.31")}
        for known in (
            evolve(listed, minors=frozenset({"1.29", "1.30"})),
            evolve(listed, timed=frozenset({"1.30", "1.31"})),
            evolve(held, failures={ListMinors(): OFF}),
        ):
            found = evidence_for("1.30", [build(beta(1))], asking=asking(known))
            assert isinstance(found, BranchEvidence)
            assert found.master_left is None
        here = [marker(MASTER, BRANCH_MARKER, beta(3)), marker("release-1.30", BRANCH_MARKER, beta(1))]
        found = evidence_for("1.30", [build(beta(1))], asking=asking(evolve(held, markers=tuple(here))))
        assert isinstance(found, BranchEvidence)
        assert found.master_left is None

    def test_where_both_markers_name_one_build_the_green_ones_are_read(self) -> None:
        """They are written by other jobs."""
        markers = [marker(MASTER, BRANCH_MARKER, beta(3)), marker("release-1.30", BRANCH_MARKER, beta(3))]
        held = evolve(partial(markers=markers), timed=frozenset({"1.30"}), minors=frozenset({"1.30"}))
        inquiry = asking(held)
        assert evidence_for("1.30", [build(beta(3))], asking=inquiry) is UNKNOWN
        assert inquiry.needs == {ReadMarker(MASTER, GREEN_MARKER), ReadMarker("release-1.30", GREEN_MARKER)}
        green = [
            marker(MASTER, GREEN_MARKER, beta(2)),
            marker("release-1.30", GREEN_MARKER, Missing("is not there")),
        ]
        for read, missing in (green, reversed(green)):
            inquiry = asking(evolve(held, markers=(*markers, read)))
            assert evidence_for("1.30", [build(beta(3))], asking=inquiry) is UNKNOWN
            assert inquiry.needs == {ReadMarker(missing.ref, GREEN_MARKER)}
        found = evidence_for(
            "1.30", [build(beta(3))], asking=asking(evolve(held, markers=(*markers, *green)))
        )
        assert isinstance(found, BranchEvidence)
        assert (found.master_named, found.release_named) == (version(beta(2)), None)

    @pytest.mark.parametrize(
        ("reading", "refs", "exists"),
        [
            (Named(version(beta(1))), {}, True),
            (Malformed("is empty"), {}, True),
            (Foreign("names a place outside the store"), {}, True),
            (Missing("does not exist"), {("release-1.30", "other.txt")}, True),
            (Missing("does not exist"), {("release-1.29", BRANCH_MARKER)}, False),
            (Missing("does not exist"), None, None),
            (Unreachable("503"), {("release-1.30", BRANCH_MARKER)}, None),
        ],
    )
    def test_whether_the_release_branch_exists(
        self,
        reading: MarkerReading,
        refs: set[tuple[str, str]] | None,
        exists: bool | None,  # noqa: FBT001 - a table's column
    ) -> None:
        """By its marker, or by any other that it has; otherwise that is not known."""
        held = evolve(
            partial(
                markers=[
                    marker(MASTER, BRANCH_MARKER, Missing("does not exist")),
                    marker("release-1.30", BRANCH_MARKER, reading),
                ]
            ),
            timed=frozenset({"1.30"}),
            minors=frozenset({"1.30"}),
            marker_names=None if refs is None else frozenset(refs),
        )
        found = self.evidence(held)
        assert isinstance(found, BranchEvidence)
        assert found.release_exists is exists
