"""That a test which hangs ends the run, by name, and that one on a slow machine has more time."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest

from kopsversion.stores.base import AttemptPolicy
from tests.gcs_faults import FAULTS, Drip
from tests.patience import longer, slower, times_slower
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


@pytest.mark.parametrize(("seconds", "slow"), [(0.0, 1), (0.3, 1), (1.0, 4)])
def test_a_margin_scales_with_how_slow_the_machine_is(
    seconds: float, slow: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It never shrinks, and what the policy and the fault take grows alike."""
    times = iter([0.0, seconds])
    monkeypatch.setattr("tests.patience.time", SimpleNamespace(monotonic=lambda: next(times)))
    assert times_slower(lambda: None, quiet=0.3) == slow
    assert longer(AttemptPolicy(read=2.0, whole=3.0), slow) == AttemptPolicy(
        read=2.0 * slow, whole=3.0 * slow
    )
    assert slower(Drip(interval=0.5), slow) == Drip(interval=0.5 * slow)
    assert slower(FAULTS["503"], slow) == FAULTS["503"]
