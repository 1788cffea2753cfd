"""Every fault in every command (FAILURES rows 15, 19, 39, 40).

What is expected stands in `tests.fault_commands`.
"""

from __future__ import annotations

import pytest

from tests.fault_commands import COMMANDS, HANGING, HANGS, MEANINGS, TABLES, outcome, outcome_of_hanging
from tests.gcs_faults import FAULTS

pytestmark = pytest.mark.usefixtures("naps")

NAMES = [name for name in FAULTS if not name.startswith("200 with JSON of the wrong shape")]


@pytest.mark.parametrize("fault", NAMES)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_comes_to_what_the_table_says(command: str, fault: str) -> None:
    """The truth, an answer with a warning, or an exit status; and a marker never goes back."""
    once, always = TABLES.values()
    assert outcome(command, fault, always=False) == once[fault][command]
    assert outcome(command, fault, always=True) == always[fault][command]


@pytest.mark.parametrize("command", COMMANDS)
def test_one_thing_that_hangs_is_named_or_survived(command: str) -> None:
    """The binary itself, its checksum, a marker, the files of a build, a result of a job."""
    assert {what: outcome_of_hanging(command, what) for what in HANGING} == {
        what: row[command] for what, row in HANGS.items()
    }


def test_the_tables_know_every_fault_and_every_word() -> None:
    """One that is added to the catalogue must be added to them."""
    for table in TABLES.values():
        assert set(table) == set(NAMES)
        assert {tuple(row) for row in table.values()} == {tuple(COMMANDS)}
    cells = {cell for table in TABLES.values() for row in table.values() for cell in row.values()}
    assert cells == set(MEANINGS)
