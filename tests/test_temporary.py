"""That the suite leaves nothing behind."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.temporary import left_behind

_SUITE = """
import tempfile
pytest_plugins = ["tests.temporary"]

def test_it(tmp_path):
    {body}
"""


def test_what_pytest_keeps_is_no_find(tmp_path: Path) -> None:
    """All else is named, in order."""
    for name in ("pytest-of-root", "zeta", "alpha"):
        (tmp_path / name).mkdir()
    assert left_behind(tmp_path) == ["alpha", "zeta"]


def test_temporary_files_are_in_the_suite_s_own_folder() -> None:
    """Ours, and those of every process that a test starts."""
    assert Path(tempfile.gettempdir()).name.startswith("kopsversion-tests-")
    assert os.environ["TMPDIR"] == tempfile.gettempdir()


@pytest.mark.parametrize(
    ("body", "status"),
    [("pass", 0), ("tempfile.mkstemp(prefix='forgotten-')", 1)],
    ids=["clean", "forgetful"],
)
def test_a_run_that_leaves_something_fails(tmp_path: Path, body: str, status: int) -> None:
    """And either way its folder is gone afterwards."""
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["tests.temporary"]\n')
    (tmp_path / "test_it.py").write_text(_SUITE.format(body=body))
    (tmp_path / "temporary").mkdir()
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), "test_it.py"],
        cwd=tmp_path,
        env={
            **os.environ,
            "TMPDIR": str(tmp_path / "temporary"),
            "PYTHONPATH": str(Path(__file__).parents[1]),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == status, ran.stdout + ran.stderr
    assert ("forgotten-" in ran.stdout) is bool(status)
    assert list((tmp_path / "temporary").iterdir()) == []
