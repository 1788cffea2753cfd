"""What a command does to the process that it is, and only for as long as it runs."""

from __future__ import annotations

import gc
import subprocess
import sys

import pytest

from kopsversion.start import main, short_lived


def test_garbage_is_looked_for_rarely_while_a_command_runs() -> None:
    before = gc.get_threshold()
    with short_lived():
        assert gc.get_threshold()[0] > before[0]
        assert gc.isenabled()
    assert gc.get_threshold() == before


@pytest.mark.parametrize("arguments", [["--help"], ["no-such-command"]])
def test_a_command_leaves_the_collector_as_it_was(arguments: list[str]) -> None:
    before = gc.get_threshold()
    with pytest.raises(SystemExit):
        main(arguments)
    assert gc.get_threshold() == before


def test_the_last_look_for_garbage_leaves_out_what_is_there() -> None:
    script = """
import atexit, gc
atexit.register(lambda: print(gc.get_freeze_count() > 0))  # runs after what is registered later
from kopsversion.start import short_lived
with short_lived():
    print(gc.get_freeze_count())
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["0", "True"]
