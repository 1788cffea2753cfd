"""Findings that are known already: visible, not counted, and back by themselves."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

import pytest
from attrs import evolve

from kopsversion.model.answer import Condition, Severity
from kopsversion.model.silence import LONGEST_SILENCE, Silence
from kopsversion.rules.silences import silenced, with_unknown_channels
from tests.builders import DAY, NOW
from tests.health_reports import everything, many

if TYPE_CHECKING:
    from kopsversion.rules.report import HealthReport

TODAY = NOW.date()
REPORT = many(3)  # of which release-1.38 has a stale marker


def silence(until: date, *, channel: str = "release-1.38", code: str = "marker-stale") -> Silence:
    return Silence(channel=channel, code=code, until=until, reason="we know")


class TestSilenced:
    @pytest.mark.parametrize(
        ("days", "is_healthy"), [(0, True), (1, True), (90, True), (91, False), (-1, False), (-400, False)]
    )
    def test_until(self, days: int, is_healthy: bool) -> None:  # noqa: FBT001 # a case
        """A finding does not count through the last day of its silence, and counts again on the next."""
        assert not REPORT.is_healthy
        assert silenced(REPORT, [silence(TODAY + timedelta(days=days))]).is_healthy is is_healthy

    def test_stays_visible(self) -> None:
        """What is silenced is still among the findings, after all others, with its reason."""
        known = silence(TODAY, channel="master", code="marker-stale")
        found = silenced(everything(), [known]).channels[0].findings
        assert len(found) == len(everything().channels[0].findings)
        assert found[-1].condition.code == "marker-stale"
        assert found[-1].silence == known
        assert not found[-1].is_serious
        listed = [finding for _, finding in silenced(everything(), [known]).findings]
        assert listed[-1].silence == known

    @pytest.mark.parametrize(
        "other", [silence(TODAY, channel="master"), silence(TODAY, code="marker-missing")]
    )
    def test_only_what_it_is_about(self, other: Silence) -> None:
        """A silence of another channel, or of another code, does nothing."""
        assert not silenced(REPORT, [other]).is_healthy

    def test_that_it_ended_is_said(self) -> None:
        """A silence that has ended is said, so that it can be taken out; it makes nothing unhealthy."""
        report = silenced(many(2), [silence(TODAY - DAY, channel="master")])
        assert report.conditions == (
            Condition(
                "silence-ended",
                Severity.INFO,
                "the silence of marker-stale on master ended on 5 May 2024, so the finding counts again",
                {"channel": "master", "code": "marker-stale", "until": "2024-05-05"},
            ),
        )
        assert report.is_healthy

    def test_longest(self) -> None:
        """Ninety days are a quarter of a year."""
        assert timedelta(days=90) == LONGEST_SILENCE


class TestStrangers:
    def test_unknown_channel(self) -> None:
        """A limit or silence for a channel that does not exist is said, once."""
        report = with_unknown_channels(REPORT, ["master", "release-9.9", "release-9.9"])
        assert report.conditions == (
            Condition(
                "channel-unknown",
                Severity.WARNING,
                f"the configuration names release-9.9, and there is no such channel in {REPORT.store}",
                {"channel": "release-9.9"},
            ),
        )

    def test_left_out_channels_exist(self) -> None:
        """A channel that was left out for its age exists."""
        report: HealthReport = everything()
        assert with_unknown_channels(report, [report.left_out[0].channel]) == evolve(
            report, conditions=report.conditions
        )
