"""That a test which hangs ends the run, by name, and that one which is only slow is tried with more time."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.patience import MORE, patiently
from tests.processes import unmeasured

PROJECT = Path(__file__).parents[1]
_HANGS = """
import pytest, threading

@pytest.mark.parametrize("number", range(8))
def test_it(number):
    if number == 6:
        threading.Event().wait()
"""


def test_a_test_that_hangs_is_named_and_the_run_ends(tmp_path: Path) -> None:
    """With the options of `make test` and the settings of the project, but a second instead of minutes."""
    (tmp_path / "test_it.py").write_text(_HANGS)
    settings = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
    assert settings["faulthandler_exit_on_timeout"] is True
    assert settings["faulthandler_timeout"] == 300
    options = re.search(
        r"/pytest --numprocesses=.* (--dist=\S+ .*) --cov ", (PROJECT / "Makefile").read_text()
    )
    assert options is not None
    ran = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:hypothesispytest"),
            *("--rootdir", str(tmp_path), "--numprocesses=2", *options[1].split()),
            *("-o", "faulthandler_timeout=1", "-o", "faulthandler_exit_on_timeout=true", "test_it.py"),
        ],
        cwd=tmp_path,
        env=unmeasured(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 1, ran.stdout
    assert re.search(r"^FAILED test_it.py::test_it\[6\] - worker", ran.stdout, re.MULTILINE)
    assert "threading.py" in ran.stderr


def test_what_fails_is_tried_with_more_time() -> None:
    """And what fails then as well has failed."""
    tried: list[int] = []

    def check(patience: int) -> None:
        tried.append(patience)
        assert patience == MORE

    patiently(check)
    assert tried == [1, MORE]

    def fail(patience: int) -> None:
        raise AssertionError(patience)

    with pytest.raises(AssertionError, match=str(MORE)):
        patiently(fail)
