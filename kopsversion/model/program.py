"""Which kopsversion this is: every output that is kept says it.

A constant and not what is installed: nothing has to be read, and the single file knows it too. A test compares it with
``pyproject.toml``. It knows of no output.
"""

from __future__ import annotations

VERSION = "0.2.0"
"""The version of the package."""

MADE_BY = f"kopsversion {VERSION}"
"""What is written under ``made_by``."""
