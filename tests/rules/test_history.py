"""What earlier runs add to a report."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from attrs import evolve

from kopsversion.rules.history import ChannelEntry, Entry, entry_of, key_of, with_history
from tests.builders import DAY, HOUR, NOW
from tests.health_reports import everything, many, nothing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from kopsversion.rules.report import ChannelHealth

REPORT = many(3)
STALE = "release-1.38"
KEY = f"marker-stale markers/{STALE}/latest-ci-updown-green.txt"


def entry(age: timedelta, *found: str, channel: str = STALE) -> Entry:
    return Entry(
        at=NOW - age,
        success=True,
        channels={channel: ChannelEntry(healthy=not found, found=frozenset(found), lags={"a.txt": age})},
    )


def judged(entries: Sequence[Entry], channel: str = STALE) -> ChannelHealth:
    return next(each for each in with_history(REPORT, entries).channels if each.channel == channel)


class TestEntry:
    def test_of_a_report(self) -> None:
        """A run keeps what counted, by code and marker, and the lag of each marker that matters."""
        kept = entry_of(everything())
        assert kept.success
        assert kept.channels["master"].found == {
            "builds-stalled",
            "builds-refused",
            "marker-stale markers/master/latest-ci-updown-green.txt",
            "marker-malformed markers/master/latest-ci-other.txt",
        }
        assert kept.channels["master"].lags == {
            "latest-ci-updown-green.txt": 3 * DAY,
            "latest-ci.txt": 0 * DAY,
        }
        assert "release-1.26" not in kept.channels

    def test_of_a_failure(self) -> None:
        """A run that could read nothing is no success, and says nothing about any channel."""
        assert entry_of(nothing()) == Entry(at=NOW, success=False)


class TestHistory:
    def test_none(self) -> None:
        """Without earlier runs nothing is added; later ones do not count."""
        assert with_history(REPORT, []) == REPORT
        assert with_history(REPORT, [entry(-HOUR, KEY)]) == REPORT

    def test_since(self) -> None:
        """A channel is unhealthy since the first of the runs in a row that found it so, whatever their order."""
        history = judged([entry(HOUR, "x"), entry(5 * HOUR), entry(3 * HOUR, KEY)]).history
        assert history is not None
        assert (history.since, history.is_since_before) == (NOW - 3 * HOUR, False)

    def test_since_before(self) -> None:
        """Where the first run that was kept found it so, it may have begun before."""
        history = judged([entry(3 * HOUR, KEY)]).history
        assert history is not None
        assert history.is_since_before

    def test_healthy(self) -> None:
        """A channel that is healthy now is unhealthy since never."""
        history = judged([entry(HOUR, KEY, channel="master")], "master").history
        assert history is not None
        assert (history.since, history.is_since_before) == (None, False)

    @pytest.mark.parametrize(
        ("before", "is_new", "age"),
        [([entry(HOUR)], True, 0), ([entry(3 * HOUR), entry(2 * HOUR, KEY)], False, 2)],
    )
    def test_new(self, before: list[Entry], is_new: bool, age: int) -> None:  # noqa: FBT001 # a case
        """What the run before did not find is new; the rest is found since some run."""
        (finding,) = judged(before).findings
        assert key_of(finding) == KEY
        assert (finding.is_new, finding.first_seen) == (is_new, NOW - age * HOUR)

    def test_what_is_merely_good_to_know_is_not_new(self) -> None:
        """Only what counts is followed."""
        report = everything()
        earlier = evolve(entry_of(report), at=NOW - HOUR)
        seen = with_history(report, [earlier])
        assert not [each for channel in seen.channels for each in channel.findings if each.is_new]
        assert {each.first_seen for each in seen.channels[1].findings} == {None}

    def test_recurring(self) -> None:
        """How often something began within 30 days is counted, the present time included; once is not worth saying."""
        entries = [entry(hours * HOUR, *([KEY] if hours % 4 == 0 else [])) for hours in range(1, 12)]
        old = [entry(40 * DAY, KEY), entry(39 * DAY), entry(38 * DAY, "once")]
        history = judged([*old, *entries]).history
        assert history is not None
        assert history.recurring == {KEY: 3}

    def test_what_began_before_the_thirty_days_counts_once(self) -> None:
        """The thirtieth day is one of them, the present time is not an earlier run."""
        history = judged([entry(31 * DAY), entry(30 * DAY, KEY), entry(DAY), entry(0 * DAY)]).history
        assert history is not None
        assert history.recurring == {KEY: 2}
        history = judged([entry(30 * DAY, KEY), entry(DAY, KEY)]).history
        assert history is not None
        assert history.recurring == {}

    def test_a_run_of_the_same_moment_is_not_an_earlier_one(self) -> None:
        """So nothing is added."""
        assert with_history(REPORT, [entry(0 * DAY, KEY)]) == REPORT

    def test_lags(self) -> None:
        """The worst lag of each run is kept, oldest first."""
        history = judged([entry(HOUR, KEY), entry(2 * HOUR, KEY)]).history
        assert history is not None
        assert history.lags == ((NOW - 2 * HOUR, 2 * HOUR), (NOW - HOUR, HOUR), (NOW, 51 * DAY))

    def test_a_run_that_could_not_read_a_channel_says_nothing_about_it(self) -> None:
        """Neither a failed run in between nor a channel that cannot be read now breaks the row."""
        failed = Entry(at=NOW - HOUR, success=False)
        history = judged([entry(3 * HOUR), entry(2 * HOUR, KEY), failed]).history
        assert history is not None
        assert history.since == NOW - 2 * HOUR
        report = everything()
        unread = with_history(report, [entry(HOUR, channel="release-1.26")]).channels[-1]
        assert unread == report.channels[-1]

    def test_first_time_that_a_channel_is_seen(self) -> None:
        """Of a channel that no earlier run saw there is no history."""
        assert judged([entry(HOUR)], "master").history is None
