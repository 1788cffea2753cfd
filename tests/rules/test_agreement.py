"""The markers that every build of a branch writes name the same build, or it is said (DESIGN sections 2 and 6)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from attrs import evolve

from kopsversion.model.answer import Severity, Verdict
from kopsversion.model.bucket import Form, Malformed, Marker, Named, Snapshot, Unreachable
from kopsversion.model.channel import BRANCH_MARKER, GREEN_MARKER, Channel
from kopsversion.model.needs import ReadMarker, Undecided
from kopsversion.model.policy import Policy
from kopsversion.rules.agreement import disagreement
from kopsversion.rules.health import judge_channel
from kopsversion.rules.inquiry import Inquiry
from kopsversion.rules.resolver import resolve
from tests.builders import (
    DAY,
    DEFAULT,
    HOUR,
    NOW,
    OFF,
    ON_MASTER,
    STORE,
    alpha,
    build,
    marker,
    on_master,
    patch,
    snapshot,
    version,
)

ROOT = "/latest.txt"


def bare(ref: str, name: str, text: str, *, form: Form = Form.VERSION) -> Marker:
    """A marker that holds a version without a URL."""
    return Marker(ref, name, Named(version(text), form), written=NOW - DAY)


def asked(held: Snapshot) -> Inquiry:
    return Inquiry(held, ON_MASTER, DEFAULT, NOW)


class TestUsable:
    """FAILURES row 37: a body that its consumers cannot use where it stands."""

    @pytest.mark.parametrize("name", [GREEN_MARKER, BRANCH_MARKER, "other.txt"])
    @pytest.mark.parametrize("form", [Form.VERSION, Form.TAG])
    def test_below_markers_only_a_url_is_usable(self, name: str, form: Form) -> None:
        """A consumer looks for a bare version beside the marker, where no build is; a tag is no directory at all."""
        held = snapshot(on_master(1), markers=[bare("master", name, alpha(1), form=form)])
        found = resolve(held, ON_MASTER, Policy(markers=(name,)), NOW)
        assert (str(found.version), found.markers[0].verdict) == (alpha(1), Verdict.UNUSABLE)
        (said,) = (each for each in found.conditions if each.code == "marker-unusable")
        assert said.severity is Severity.WARNING
        where = "without a URL" if form is Form.VERSION else "with a v before it"
        assert said.message.startswith(f"markers/master/{name} names {alpha(1)} {where}")

    @pytest.mark.parametrize(
        ("form", "verdict"),
        [(Form.VERSION, Verdict.CURRENT), (Form.URL, Verdict.CURRENT), (Form.TAG, Verdict.UNUSABLE)],
    )
    def test_at_the_root_a_bare_version_is_usable_too(self, form: Form, verdict: Verdict) -> None:
        """The builds are beside it."""
        held = snapshot(on_master(1), markers=[bare("master", ROOT, alpha(1), form=form)])
        found = resolve(held, ON_MASTER, Policy(markers=(ROOT,)), NOW)
        assert [report.verdict for report in found.markers] == [verdict]
        assert found.markers[0].marker.path == "latest.txt"

    def test_the_root_marker_of_another_branch_is_wrong(self) -> None:
        """``--marker /latest.txt`` names master's build, whoever asks."""
        held = snapshot(on_master(1), build(patch(1)), markers=[bare("release-1.29", ROOT, alpha(1))])
        found = resolve(held, Channel("release-1.29"), Policy(markers=(ROOT,)), NOW)
        assert [report.verdict for report in found.markers] == [Verdict.WRONG_CHANNEL]

    def test_a_stale_root_marker_is_said(self) -> None:
        """It is judged as any other."""
        held = snapshot(
            on_master(1, age=9 * DAY), on_master(2, age=8 * DAY), markers=[bare("master", ROOT, alpha(1))]
        )
        found = resolve(held, ON_MASTER, Policy(markers=(ROOT,)), NOW)
        assert [report.verdict for report in found.markers] == [Verdict.STALE]
        assert str(found.version) == alpha(2)


class TestDisagreement:
    def test_two_markers_that_name_different_builds(self) -> None:
        """The sentence names both markers and both builds."""
        markers = [
            marker("master", BRANCH_MARKER, alpha(2), written=NOW - HOUR),
            bare("master", ROOT, alpha(1)),
        ]
        found = disagreement(asked(snapshot(on_master(1), on_master(2), markers=markers)))
        assert found is not None
        assert (found.code, found.severity) == ("marker-disagrees", Severity.WARNING)
        assert found.message == (
            f"latest.txt names {alpha(1)} and markers/master/latest-ci.txt names {alpha(2)}, although every build of "
            "master writes both: what a job tests depends on which of them it reads"
        )
        assert found.data == {
            "marker": "latest.txt",
            "other": "markers/master/latest-ci.txt",
            "versions": (alpha(1), alpha(2)),
        }

    def test_they_have_as_long_to_agree_as_an_upload_may_take(self) -> None:
        """From then on they disagree."""
        latest = marker("master", BRANCH_MARKER, alpha(2), written=NOW - DEFAULT.settle)
        held = snapshot(on_master(1), on_master(2), markers=[latest, bare("master", ROOT, alpha(1))])
        assert disagreement(asked(held)) is not None

    @pytest.mark.parametrize(
        "markers",
        [
            pytest.param([], id="neither"),
            pytest.param([bare("master", ROOT, alpha(1))], id="no branch marker"),
            pytest.param([marker("master", BRANCH_MARKER, alpha(2))], id="no root marker"),
            pytest.param(
                [bare("master", ROOT, alpha(1)), marker("master", BRANCH_MARKER, alpha(1))], id="the same"
            ),
            pytest.param(
                [bare("master", ROOT, alpha(1)), marker("master", BRANCH_MARKER, Malformed("is empty"))],
                id="malformed",
            ),
            pytest.param(
                [bare("master", ROOT, alpha(1)), marker("master", BRANCH_MARKER, Unreachable("503"))],
                id="unreachable",
            ),
            pytest.param(
                [
                    bare("master", ROOT, alpha(1)),
                    marker("master", BRANCH_MARKER, alpha(2), written=NOW - timedelta(minutes=9)),
                ],
                id="being written just now",
            ),
        ],
    )
    def test_nothing_to_say(self, markers: list[Marker]) -> None:
        """One that is missing or unreadable has a verdict of its own, and a build writes one after the other."""
        assert disagreement(asked(snapshot(on_master(1), on_master(2), markers=markers))) is None

    def test_the_second_is_read_only_where_there_is_a_first(self) -> None:
        """One request for a channel without a marker at the root."""
        first = asked(Snapshot(store=STORE))
        assert disagreement(first) is None
        assert first.needs == {ReadMarker("master", ROOT)}
        second = asked(Snapshot(store=STORE, markers=(bare("master", ROOT, alpha(1)),)))
        assert disagreement(second) is None
        assert second.needs == {ReadMarker("master", BRANCH_MARKER)}
        failed = asked(Snapshot(store=STORE, failures={ReadMarker("master", ROOT): OFF}))
        assert disagreement(failed) is None
        assert failed.needs == set()

    def test_check_finds_it(self) -> None:
        """It belongs to the check of the marker at the root."""
        markers = [
            marker("master", GREEN_MARKER, alpha(2)),
            marker("master", BRANCH_MARKER, alpha(2)),
            bare("master", ROOT, alpha(1)),
        ]
        held = snapshot(on_master(1, age=2 * HOUR), on_master(2, age=HOUR / 2), markers=markers)
        health = judge_channel(held, ON_MASTER, Policy(), NOW)
        assert not isinstance(health, Undecided)
        assert "marker-disagrees" in [finding.condition.code for finding in health.findings]
        assert [each.name for each in health.checks if each.failed] == ["marker /latest.txt"]
        agreeing = evolve(
            held,
            markers=tuple(
                evolve(m, reading=Named(version(alpha(2)), Form.VERSION)) if m.name == ROOT else m
                for m in held.markers
            ),
        )
        well = judge_channel(agreeing, ON_MASTER, Policy(), NOW)
        assert not isinstance(well, Undecided)
        assert not [each.name for each in well.checks if each.failed]
