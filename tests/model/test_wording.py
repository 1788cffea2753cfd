"""How times and numbers are put into words."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kopsversion.model.wording import count, dated, duration, moment
from tests.builders import NOW

_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}


@pytest.mark.parametrize(
    ("span", "said"),
    [
        (timedelta(0), "0 seconds"),
        (timedelta(seconds=-30), "0 seconds"),
        (timedelta(seconds=0.9), "0 seconds"),
        (timedelta(seconds=1), "1 second"),
        (timedelta(seconds=119.9), "119 seconds"),
        (timedelta(minutes=2), "2 minutes"),
        (timedelta(minutes=12, seconds=59), "12 minutes"),
        (timedelta(minutes=119), "119 minutes"),
        (timedelta(hours=2), "2 hours"),
        (timedelta(hours=36), "36 hours"),
        (timedelta(hours=71, minutes=59), "71 hours"),
        (timedelta(days=3), "3 days"),
        (timedelta(days=61, hours=4), "61 days"),
    ],
)
def test_durations_are_said_in_the_largest_unit_that_fits(span: timedelta, said: str) -> None:
    """Two days are better said as hours; what is left over is cut off, not rounded up."""
    assert duration(span) == said


@given(st.timedeltas(timedelta(0), timedelta(days=4000)))
def test_a_duration_never_says_too_much_and_at_most_half_too_little(span: timedelta) -> None:
    """Read back, what is said is no more than the span, and less by under half of it."""
    match = re.fullmatch(r"(\d+) (second|minute|hour|day)s?", duration(span))
    assert match is not None
    said = int(match[1]) * _SECONDS[match[2]]
    whole = int(span.total_seconds())
    assert said <= whole <= said * 1.5


def test_moments_are_said_to_the_minute() -> None:
    """A time is said with its time zone, which is always UTC."""
    assert moment(NOW) == "2024-05-06 18:00 UTC"
    assert moment(NOW - timedelta(seconds=1)) == "2024-05-06 17:59 UTC"


@pytest.mark.parametrize(
    ("number", "said"), [(0, "0 merges"), (1, "1 merge"), (2, "2 merges"), (80, "80 merges")]
)
def test_counts_agree_with_their_noun(number: int, said: str) -> None:
    """One is said in the singular, everything else in the plural."""
    assert count(number, "merge") == said


@pytest.mark.parametrize(
    ("hours", "said"),
    [
        (-36, "2024-05-05 06:00 UTC (36 hours ago)"),
        (0, "2024-05-06 18:00 UTC (0 seconds ago)"),
        (36, "2024-05-08 06:00 UTC (36 hours later)"),
    ],
)
def test_a_date_says_how_far_off_it_is_in_either_direction(hours: int, said: str) -> None:
    """With ``--as-of`` a marker may have been written after the moment asked for."""
    assert dated(NOW + timedelta(hours=hours), now=NOW) == said
