"""The journal of ``check``: one line for each run, so that a report can say since when and how often.

It has JSON lines of schema 1. A line is added under a lock, so that two jobs may share a journal. When the file has
reached its size it is renamed to ``FILE.1``, and both are read. A journal is never needed: whatever is wrong with it
becomes the condition ``journal-unusable``, and the check goes on. This module must not know how runs are compared.
"""

from __future__ import annotations

import json
import os
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from attrs import evolve

from kopsversion.errors import KopsVersionError, UsageError, quoted
from kopsversion.files import READABLE, check_target, locked, reason_of
from kopsversion.model.answer import Condition, Severity
from kopsversion.model.codec import time_text
from kopsversion.model.codes import Code
from kopsversion.model.wording import count
from kopsversion.rules.history import ChannelEntry, Entry, entry_of, with_history

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from kopsversion.rules.report import HealthReport

__all__ = ["LARGEST", "Journal", "JournalError", "recorded"]

SCHEMA = 1
"""Increased when an older kopsversion could no longer read a line correctly."""

LARGEST = 4 << 20
"""Bytes of a journal before it is renamed: more than a month of an hourly check of 30 channels."""

_PATIENCE = 5.0  # seconds to wait for other writers, each of which takes some milliseconds
_PAUSE = 0.02  # seconds between two tries


class JournalError(KopsVersionError):
    """The journal cannot be read or written; the report does not depend on it."""


class Journal:
    """A journal. Nothing is read or written until asked for.

    Parameters:
        path: where it is; it need not exist.
        largest: bytes of the file before it is renamed.
        sleep: waits for that many seconds.
    """

    def __init__(
        self, path: Path, *, largest: int = LARGEST, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.path = path
        self._largest = largest
        self._sleep = sleep
        self.strange = 0
        """How many lines of the last reading are not a journal's."""

    def entries(self) -> tuple[Entry, ...]:
        """Return the entries that were kept, oldest first; lines that are not the journal's own are counted.

        Raises:
            JournalError: the file cannot be read.
        """
        self.strange = 0
        found: dict[datetime, Entry] = {}
        for line in self._lines():
            entry = _read(line)
            if entry is None:
                self.strange += 1
            else:
                found[entry.at] = entry
        return tuple(found[at] for at in sorted(found))

    def append(self, entry: Entry, *, made_by: str = "") -> None:
        """Add an entry.

        Parameters:
            entry: what a run of ``check`` found.
            made_by: which kopsversion found it.

        Raises:
            JournalError: it could not be added.
        """
        line = f"{_written(entry, made_by=made_by)}\n".encode()
        waited = 0.0

        def wait() -> None:
            nonlocal waited
            if waited >= _PATIENCE:
                raise self._unusable(f"another job has kept it locked for {_PATIENCE:g} s")
            waited += _PAUSE
            self._sleep(_PAUSE)

        try:
            check_target(self.path)
            with locked(self.path.with_name(f".{self.path.name}.lock"), wait=wait):
                self._put_aside(len(line))
                self._add(line)
        except UsageError as error:
            raise self._unusable(error.message) from error
        except OSError as error:
            raise self._unusable(reason_of(error)) from error

    def _put_aside(self, more: int) -> None:
        if self.path.exists() and self.path.stat().st_size + more > self._largest:
            self.path.replace(self._aside)

    def _add(self, line: bytes) -> None:
        descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, READABLE)
        with os.fdopen(descriptor, "r+b", buffering=0) as file:
            end = file.seek(0, os.SEEK_END)
            # A job that was killed while it wrote has left half a line, which must not spoil this one.
            is_torn = end > 0 and os.pread(descriptor, 1, end - 1) != b"\n"
            file.write(b"\n" + line if is_torn else line)

    @property
    def _aside(self) -> Path:
        return self.path.with_name(f"{self.path.name}.1")

    def _lines(self) -> Iterator[bytes]:
        for path in (self._aside, self.path):
            try:
                with path.open("rb") as file:
                    # No journal of ours is larger; of any other file the end is enough.
                    size = file.seek(0, os.SEEK_END)
                    file.seek(max(0, size - 2 * self._largest))
                    data = file.read(2 * self._largest)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise self._unusable(reason_of(error)) from error
            lines = data.split(b"\n")
            yield from (line for line in (lines[1:] if size > len(data) else lines) if line.strip())

    def _unusable(self, why: str) -> JournalError:
        return JournalError(f"the journal {quoted(str(self.path))} cannot be used: {why}")


def recorded(report: HealthReport, journal: Journal) -> HealthReport:
    """Compare a report with the runs before it, and keep it for the next.

    Parameters:
        report: the newest report.
        journal: those runs; where it cannot be used, the report says so.
    """
    result = report
    try:
        result = with_history(report, journal.entries())
        if journal.strange:
            lines = count(journal.strange, "line")
            result = _with_remark(
                result, f"{lines} of the journal {quoted(str(journal.path))} cannot be read"
            )
        journal.append(entry_of(report), made_by=report.made_by)
    except JournalError as error:
        result = _with_remark(result, str(error))
    return result


def _with_remark(report: HealthReport, message: str) -> HealthReport:
    remark = Condition(Code.JOURNAL_UNUSABLE, Severity.WARNING, message)
    return evolve(report, conditions=(*report.conditions, remark))


# --------------------------------------------------------------------------------------------------
# Lines


def _written(entry: Entry, *, made_by: str) -> str:
    return json.dumps(
        {
            "schema": SCHEMA,
            "at": time_text(entry.at),
            "made_by": made_by,
            "success": entry.success,
            "channels": {
                ref: {
                    "healthy": channel.healthy,
                    "found": sorted(channel.found),
                    "lag_seconds": {name: lag.total_seconds() for name, lag in sorted(channel.lags.items())},
                }
                for ref, channel in entry.channels.items()
            },
        },
        separators=(",", ":"),
    )


def _read(line: bytes) -> Entry | None:
    """Read a line; ``None`` if it is not one of a journal that this version knows."""
    try:
        fields: Any = json.loads(line)
        if fields["schema"] != SCHEMA:
            return None
        at = datetime.fromisoformat(fields["at"]).astimezone(UTC)
        channels = {str(ref): _read_channel(each) for ref, each in fields["channels"].items()}
        return Entry(at=at, success=_flag(fields["success"]), channels=channels)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        return None


def _read_channel(fields: Any) -> ChannelEntry:
    return ChannelEntry(
        healthy=_flag(fields["healthy"]),
        found=frozenset(str(each) for each in fields["found"]),
        lags={str(name): timedelta(seconds=float(lag)) for name, lag in fields["lag_seconds"].items()},
    )


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError(value)
    return value
