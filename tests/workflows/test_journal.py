"""The journal: a line a run, safe under two writers, rotated by size, and never needed."""

from __future__ import annotations

import json
import multiprocessing
import os
from typing import TYPE_CHECKING

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from kopsversion.files import locked
from kopsversion.rules.history import Entry, entry_of
from kopsversion.workflows.journal import Journal, JournalError, recorded
from tests.builders import HOUR, NOW
from tests.health_reports import everything, many, nothing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

ENTRIES = [evolve(entry_of(everything()), at=NOW - n * HOUR) for n in range(3, 0, -1)]


def filled(path: Path, entries: Sequence[Entry] = ENTRIES, *, largest: int = 4 << 20) -> Journal:
    journal = Journal(path, largest=largest)
    for entry in entries:
        journal.append(entry, made_by="kopsversion 0.1.0")
    return journal


class TestKept:
    def test_comes_back(self, tmp_path: Path) -> None:
        """What was kept comes back, oldest first, each run as it was."""
        journal = filled(tmp_path / "j", ENTRIES[::-1])
        assert list(journal.entries()) == ENTRIES
        assert journal.strange == 0

    def test_one_line_a_run(self, tmp_path: Path) -> None:
        """Each run is one line of JSON, which says which kopsversion wrote it."""
        filled(tmp_path / "j")
        lines = (tmp_path / "j").read_text().splitlines()
        assert [json.loads(line)["at"] for line in lines] == [
            f"{NOW - n * HOUR:%Y-%m-%dT%H:%M:%SZ}" for n in (3, 2, 1)
        ]
        assert {json.loads(line)["made_by"] for line in lines} == {"kopsversion 0.1.0"}

    def test_no_file(self, tmp_path: Path) -> None:
        """A journal that is not there yet has no runs."""
        assert Journal(tmp_path / "j").entries() == ()

    def test_the_same_moment_twice(self, tmp_path: Path) -> None:
        """A run of the same moment takes the place of the one before."""
        failed = Entry(at=ENTRIES[0].at, success=False)
        assert filled(tmp_path / "j", [ENTRIES[0], failed]).entries() == (failed,)


class TestRotation:
    def test_by_size(self, tmp_path: Path) -> None:
        """A journal that has reached its size is put aside, and both parts are read."""
        size = len(filled(tmp_path / "one", ENTRIES[:1]).path.read_bytes())
        journal = filled(tmp_path / "j", largest=2 * size + 10)
        assert (tmp_path / "j.1").read_bytes().count(b"\n") == 2
        assert (tmp_path / "j").read_bytes().count(b"\n") == 1
        assert list(journal.entries()) == ENTRIES

    def test_only_one_part_is_kept(self, tmp_path: Path) -> None:
        """No more than two parts are kept, so that a journal does not grow for ever."""
        size = len(filled(tmp_path / "one", ENTRIES[:1]).path.read_bytes())
        journal = filled(tmp_path / "j", largest=size + 10)
        assert list(journal.entries()) == ENTRIES[1:]
        assert sorted(each.name for each in tmp_path.glob("*j*")) == [".j.lock", "j", "j.1"]

    def test_of_a_large_file_the_end_is_read(self, tmp_path: Path) -> None:
        """Of a file that is larger than any journal only the end is read, from the next whole line."""
        filled(tmp_path / "j", ENTRIES)
        size = len((tmp_path / "j").read_bytes())
        journal = Journal(tmp_path / "j", largest=size // 3)
        assert list(journal.entries()) == ENTRIES[2:]
        assert journal.strange == 0


class TestTwoWriters:
    def test_no_line_is_lost(self, tmp_path: Path) -> None:
        """Two jobs that write at the same time lose no line, also while the file is put aside."""
        context = multiprocessing.get_context("spawn")  # a fork of a process with threads may hang
        writers = [context.Process(target=_write, args=(tmp_path / "j", number)) for number in range(2)]
        for each in writers:
            each.start()
        for each in writers:
            each.join(120)
        assert [each.exitcode for each in writers] == [0, 0]
        journal = Journal(tmp_path / "j")
        assert len(journal.entries()) == 40
        assert journal.strange == 0

    def test_torn_line(self, tmp_path: Path) -> None:
        """Half a line, as a job leaves that is killed, spoils no other line and is counted."""
        (tmp_path / "j").write_text('{"schema":1,"at":"2024-')
        journal = filled(tmp_path / "j")
        assert list(journal.entries()) == ENTRIES
        assert journal.strange == 1

    def test_locked_for_ever(self, tmp_path: Path) -> None:
        """A job that never lets go is not waited for for ever."""
        waited: list[float] = []
        journal = Journal(tmp_path / "j", sleep=waited.append)
        with (
            locked(tmp_path / ".j.lock", wait=lambda: None),
            pytest.raises(JournalError, match="another job has kept it locked for 5 s"),
        ):
            journal.append(ENTRIES[0])
        assert sum(waited) == pytest.approx(5, abs=0.1)


def _write(path: Path, number: int) -> None:
    for n in range(20):
        Journal(path).append(Entry(at=NOW - (2 * n + number) * HOUR, success=True))


LINE = json.loads(
    '{"schema":1,"at":"2024-05-06T17:00:00Z","made_by":"","success":true,'
    '"channels":{"master":{"healthy":true,"found":[],"lag_seconds":{}}}}'
)


class TestStrangeLines:
    @pytest.mark.parametrize(
        "line",
        [
            "nonsense",
            "[]",
            "null",
            "[" * 100_000,
            json.dumps(LINE | {"schema": 2}),
            json.dumps(LINE | {"at": "yesterday"}),
            json.dumps(LINE | {"at": None}),
            json.dumps(LINE | {"success": "yes"}),
            json.dumps(LINE | {"channels": []}),
            json.dumps(LINE | {"channels": {"master": {}}}),
            json.dumps(LINE | {"channels": {"master": {"healthy": 1, "found": [], "lag_seconds": {}}}}),
            json.dumps(
                LINE | {"channels": {"master": {"healthy": True, "found": [], "lag_seconds": {"a": 1e300}}}}
            ),
        ],
    )
    def test_strange_line(self, line: str, tmp_path: Path) -> None:
        """A line that is none of a journal's is passed over and counted."""
        (tmp_path / "j").write_text(f"{json.dumps(LINE)}\n{line}\n")
        journal = Journal(tmp_path / "j")
        assert len(journal.entries()) == 1
        assert journal.strange == 1

    @given(data=st.binary(max_size=200))
    def test_any_bytes(self, data: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
        """Whatever a file holds, reading it ends with runs or with lines that are counted."""
        path = tmp_path_factory.mktemp("journal") / "j"
        path.write_bytes(data)
        assert Journal(path).entries() == ()


class TestRecorded:
    def test_adds_and_keeps(self, tmp_path: Path) -> None:
        """A report is compared with the runs before it, and kept for the next."""
        journal = Journal(tmp_path / "j")
        first = recorded(many(3), journal)
        assert first.channels[2].history is None
        later = recorded(evolve(many(3), now=NOW + HOUR), journal)
        assert later.channels[2].history is not None
        assert later.channels[2].history.since == NOW
        assert len(journal.entries()) == 2

    def test_failure_is_kept(self, tmp_path: Path) -> None:
        """A run that could read nothing is kept as one."""
        recorded(nothing(), Journal(tmp_path / "j"))
        assert [run.success for run in Journal(tmp_path / "j").entries()] == [False]

    def test_strange_lines_are_said(self, tmp_path: Path) -> None:
        """Lines that cannot be read are said, and change nothing else."""
        (tmp_path / "j").write_text("nonsense\n")
        report = recorded(many(2), Journal(tmp_path / "j"))
        (said,) = report.conditions
        assert said.code == "journal-unusable"
        assert said.message.startswith("1 line of the journal")
        assert report.is_healthy

    @pytest.mark.parametrize("place", ["directory", "nowhere/j", "/dev/null"])
    def test_unusable(self, place: str, tmp_path: Path) -> None:
        """A journal that cannot be read or written is said, and the report is there all the same."""
        (tmp_path / "directory").mkdir()
        report = recorded(many(2), Journal(tmp_path / place))
        assert [each.code for each in report.conditions] == ["journal-unusable"]
        assert report.channels == many(2).channels

    def test_no_room(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A disk that is full is told in its own words."""
        monkeypatch.setattr(os, "pread", _no_room)
        (tmp_path / "j").write_text("\n")
        report = recorded(many(2), Journal(tmp_path / "j"))
        assert "No space left on device" in report.conditions[0].message


def _no_room(*_: object) -> bytes:
    raise OSError(28, "No space left on device")
