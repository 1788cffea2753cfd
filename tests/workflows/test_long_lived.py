"""The library in a process that goes on living: nothing is left open when an answer is there."""

from __future__ import annotations

import subprocess
import sys


def test_a_process_that_asks_often_runs_out_of_nothing() -> None:
    """A hundred resolves in threads with 128 descriptors, and no collector; `make soak` does two thousand."""
    ended = subprocess.run(
        [sys.executable, "-m", "tests.soak", "--resolves", "100", "--descriptors", "128"],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert (ended.returncode, ended.stdout) == (0, "100 resolves, 0 wrong, 0 descriptors left open\n"), (
        ended.stderr
    )
