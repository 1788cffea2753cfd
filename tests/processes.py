"""Processes that tests start."""

from __future__ import annotations

import os


def unmeasured(**added: str) -> dict[str, str]:
    """Return this process's environment and some variables, for a process that a signal is going to end.

    Coverage does not start there: a signal that comes while it holds its lock would leave it locked, and the process
    would wait for ever.
    """
    kept = {name: text for name, text in os.environ.items() if not name.startswith("COVERAGE_")}
    return kept | added
