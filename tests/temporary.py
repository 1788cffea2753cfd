"""The suite's own temporary folder: it is gone when the suite ends, and what a test or kopsversion left there is told.

A pytest plugin, named in tests/conftest.py.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

_FOLDER = "KOPSVERSION_TESTS_FOLDER"
_IN_MEMORY = "/dev/shm"
_ROOM = 6 << 30
"""Bytes that have to be free there."""
_BEFORE = pytest.StashKey[str | None]()
"""What ``TMPDIR`` was before: `make mutants` runs the suite many times in one process."""
_EXPECTED = ("pytest-of-", "pymp-")
"""How the names of what pytest keeps there begin."""


def left_behind(folder: Path) -> list[str]:
    """Name what is in the folder beside what pytest keeps there."""
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith(_EXPECTED))


def _memory() -> str | None:
    """Return a folder in memory, where there is room: the suite writes a quarter of a million small files."""
    try:
        room = shutil.disk_usage(_IN_MEMORY).free
    except OSError:
        return None
    return _IN_MEMORY if room >= _ROOM and "TMPDIR" not in os.environ else None


def pytest_configure(config: pytest.Config) -> None:
    """Let everything that is started from here on use a folder of its own."""
    if hasattr(config, "workerinput"):  # a worker of xdist, which has the environment of its controller
        return
    folder = tempfile.mkdtemp(prefix="kopsversion-tests-", dir=_memory())
    config.stash[_BEFORE] = os.environ.get("TMPDIR")
    os.environ[_FOLDER] = os.environ["TMPDIR"] = folder
    tempfile.tempdir = None  # so that it is looked for anew


def _restore(before: str | None) -> None:
    """Let what this process starts from here on use the folder that it would have used without the suite."""
    if before is None:
        del os.environ["TMPDIR"]
    else:
        os.environ["TMPDIR"] = before
    tempfile.tempdir = None


@pytest.hookimpl(wrapper=True)
def pytest_sessionfinish(session: pytest.Session) -> Iterator[None]:
    """Fail a run that left something in the temporary folder, and take the folder away."""
    yield
    if hasattr(session.config, "workerinput"):
        return
    folder = Path(os.environ[_FOLDER])
    left = left_behind(folder)
    shutil.rmtree(folder, ignore_errors=True)
    _restore(session.config.stash[_BEFORE])
    if left:
        print(f"\nERROR the tests left behind in the temporary folder: {', '.join(left)}")
        session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED
