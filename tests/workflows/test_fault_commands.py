"""Every fault in every command(FAILURES rows 15, 19, 39, 40).

What is expected stands in `tests.fault_commands`.
"""

from __future__ import annotations

import pytest

from tests.fault_commands import ALWAYS, COMMANDS, MEANINGS, ONCE, outcome, read_table
from tests.gcs_faults import FAULTS

pytestmark = pytest.mark.usefixtures("naps")

NAMES = [name for name in FAULTS if not name.startswith("200 with JSON of the wrong shape")]


@pytest.mark.parametrize("fault", NAMES)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_comes_to_what_the_table_says(command: str, fault: str) -> None:
    """The truth, an answer with a warning, or an exit status; and a marker never goes back."""
    assert outcome(command, fault, always=False) == read_table(ONCE)[fault][command]
    assert outcome(command, fault, always=True) == read_table(ALWAYS)[fault][command]


def test_the_tables_know_every_fault_and_every_word() -> None:
    """One that is added to the catalogue must be added to them."""
    assert set(read_table(ONCE)) == set(read_table(ALWAYS)) == set(NAMES)
    cells = {cell for text in (ONCE, ALWAYS) for row in read_table(text).values() for cell in row.values()}
    assert cells == set(MEANINGS)
