"""What a maintainer knows of already, so that it does not count for a while.

Pure. It must not know what a finding is, or where silences are written down.
"""

from __future__ import annotations

from datetime import date, timedelta

from kopsversion.model.values import frozen

__all__ = ["LONGEST_SILENCE", "Silence"]

LONGEST_SILENCE = timedelta(days=90)
"""How far ahead a silence may end: what nobody looks at for a quarter of a year is forgotten."""


@frozen(kw_only=True)
class Silence:
    """A finding that does not count until a day.

    Attributes:
        channel: the ref of the channel that it is about.
        code: the condition's code.
        until: the last day on which the finding does not count, in UTC.
        reason: why, for whoever reads the report.
    """

    channel: str
    code: str
    until: date
    reason: str

    def is_in_force(self, day: date) -> bool:
        """Whether it holds on a day; long before its end it was not written yet."""
        return timedelta() <= self.until - day <= LONGEST_SILENCE

    def has_ended(self, day: date) -> bool:
        """Whether its last day is over."""
        return self.until < day
