"""Reads durations and moments from the text of options, configuration and the ends of a bisection.

Knows nothing of what a value is for.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from kopsversion.errors import UsageError, quoted

# Each unit at most once and in falling order: "1h30m". Nine digits keep hostile text away from int().
_DURATION = re.compile(
    r"(?:(?P<days>[0-9]{1,9})d)?(?:(?P<hours>[0-9]{1,9})h)?(?:(?P<minutes>[0-9]{1,9})m)?(?:(?P<seconds>[0-9]{1,9})s)?"
)
_LONGEST = timedelta(days=36500)
_DURATION_FORM = "a duration is written 90s, 10m, 24h, 14d or 1h30m, and is at most 36500d"

_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(?:[Tt ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?(?P<zone>[Zz]|[+-][0-9]{2}:[0-9]{2})?)?"
)
# Room for any duration on either side, so that no sum of a time and a duration can overflow.
_EARLIEST, _LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(3000, 1, 1, tzinfo=UTC)
_TIME_FORM = (
    "a time is written 2024-05-06T18:00:00Z, with an offset as in 2024-05-06T20:00:00+02:00, "
    "or as a date, 2024-05-06, which is its first moment; without an offset it is UTC"
)


def parse_duration(text: str) -> timedelta:
    """Read ``90s``, ``10m``, ``24h``, ``14d``, ``1h30m`` or ``0``.

    Raises:
        UsageError: `text` is anything else, including a negative duration, or above 36500 days.
    """
    if text.strip() == "0":
        return timedelta(0)
    match = _DURATION.fullmatch(text.strip())
    amounts = {unit: int(digits) for unit, digits in match.groupdict().items() if digits} if match else {}
    if not amounts:
        raise UsageError(f"{quoted(text)} is not a duration", hint=_DURATION_FORM)
    duration = timedelta(**amounts)
    if duration > _LONGEST:
        raise UsageError(f"{quoted(text)} is too long a duration", hint=_DURATION_FORM)
    return duration


def parse_positive_duration(text: str) -> timedelta:
    """Read a duration above 0.

    Raises:
        UsageError: `text` is not a duration, or is 0.
    """
    duration = parse_duration(text)
    if not duration:
        raise UsageError(f"{quoted(text)} is not above 0", hint="give a longer duration, as in 60s")
    return duration


def parse_time(text: str) -> datetime:
    """Read a moment as RFC 3339 writes it, or a date; what has no offset is UTC.

    Returns:
        The moment, in UTC.

    Raises:
        UsageError: `text` is no such moment, or lies outside the years 2000 to 2999.
    """
    stripped = text.strip()
    match = _TIME.fullmatch(stripped)
    if match is None:
        raise UsageError(f"{quoted(text)} is not a time", hint=_TIME_FORM)
    try:
        moment = datetime.fromisoformat(stripped.upper())
        moment = moment.astimezone(UTC) if match["zone"] else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as error:  # a month 13, an hour 25, the year 0
        raise UsageError(f"{quoted(text)} is not a time that exists", hint=_TIME_FORM) from error
    if not _EARLIEST <= moment < _LATEST:
        raise UsageError(f"{quoted(text)} lies outside the years 2000 to 2999", hint=_TIME_FORM)
    return moment
