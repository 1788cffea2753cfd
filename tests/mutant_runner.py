"""mutmut, but each mutant's tests run in a fork of a process that has collected them once.

mutmut by itself lets pytest collect the tests anew for every mutant, which takes longer than to run them. This is run
by path and not as a module, so that the package ``tests`` is the one in mutmut's folder.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from itertools import zip_longest
from typing import TYPE_CHECKING

import mutmut.__main__
import pytest
from _pytest.config import _prepareconfig
from mutmut.configuration import config
from mutmut.mutation.diff_apply import find_mutant, get_diff_for_mutant
from mutmut.runners.harness import PytestRunner
from mutmut.utils.file_utils import change_cwd
from mutmut.workers.isolation import ForkRunner

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class Collected:
    """The tests, ready to be run.

    Parameters:
        arguments: what pytest is to be called with.
    """

    def __init__(self, arguments: list[str]) -> None:
        self._failed = False
        prepared = _prepareconfig(["-q", "-s", "-p", "no:assertion", *arguments], plugins=[self])
        prepared._do_configure()
        self._session = pytest.Session.from_config(prepared)
        prepared.hook.pytest_sessionstart(session=self._session)
        self._items = {item.nodeid: item for item in self._session.perform_collect()}
        self._folder = tempfile.mkdtemp()  # of all runs: one that is stopped leaves its own behind

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> pytest.TestReport | None:
        """Note a failure, and leave it without a description, which takes longer to write than the test to run."""
        if call.excinfo is None or call.excinfo.errisinstance(pytest.skip.Exception):
            return None
        self._failed = True
        assert call.when != "collect"
        return pytest.TestReport(item.nodeid, item.location, {}, "failed", None, call.when)

    def run(self, tests: Sequence[str], *, module: str) -> int:
        """Run tests up to the first that fails; 1 if one does. The process is not of use for others afterwards."""
        folder = tempfile.mkdtemp(dir=self._folder)
        os.environ["TMPDIR"] = folder
        tempfile.tempdir = None  # so that it is looked for anew
        items = [self._items[name] for name in _in_order(tests, module) if name in self._items]
        for item, following in zip_longest(items, items[1:]):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if self._failed:
                break
        shutil.rmtree(folder, ignore_errors=True)
        return int(self._failed)

    def close(self) -> None:
        """Take away what was set up."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._session.exitstatus = pytest.ExitCode.OK  # as pytest itself does before
        self._session.config.hook.pytest_sessionfinish(session=self._session, exitstatus=0)
        self._session.config._ensure_unconfigure()


def _in_order(tests: Sequence[str], module: str) -> list[str]:
    """Put the tests of a module's own rules first, and those of one file together, which may share what is set up."""
    files = {name: file for file, name in enumerate(dict.fromkeys(test.partition("::")[0] for test in tests))}

    def key(test: str) -> tuple[bool, bool, int]:
        file = test.partition("::")[0]
        return (
            not file.endswith(f"test_{module}.py"),
            not file.startswith(("tests/rules/", "tests/model/")),
            files[file],
        )

    return sorted(tests, key=key)


class CollectingRunner(PytestRunner):
    """Runs the tests of a mutant without collecting them, once `collected` is there."""

    collected: Collected | None = None

    def run_tests(self, *, mutant_name: str | None, tests: Iterable[str]) -> int:
        """Run tests; with no mutant, as mutmut does."""
        if mutant_name is None or self.collected is None:
            return int(super().run_tests(mutant_name=mutant_name, tests=tests))
        with change_cwd("mutants"):
            return self.collected.run(list(tests), module=mutant_name.split(".")[-2])


class OnceRunner(ForkRunner):
    """Collects before the first fork, and cleans up after the last."""

    _has_passed = False

    def collect_stats(self, tests: Iterable[str] | None) -> int:
        """Run tests without a mutant, all of them where none are named, to find out what each meets."""
        status = int(super().collect_stats(tests))
        self._has_passed = status == 0 and not tests
        return status

    def run_clean_tests(self, tests: Iterable[str]) -> int:
        """Run tests without a mutant, unless all have just been run."""
        return 0 if self._has_passed else int(super().run_clean_tests(tests))

    def startup(self) -> None:
        """Begin, as mutmut asks when it has made the mutants and knows which tests meet them."""
        settings = config()
        with change_cwd("mutants"):
            self.test_runner.collected = Collected(
                [*settings.pytest_add_cli_args_test_selection, *settings.pytest_add_cli_args]
            )
        super().startup()

    def shutdown(self) -> None:
        """End, when the last mutant is tested."""
        super().shutdown()
        if self.test_runner.collected is not None:
            self.test_runner.collected.close()


def diffs(names: Iterable[str]) -> dict[str, str]:
    """Say what each mutant changes: mutmut itself shows one at a time, and takes a second for it."""
    return {name: get_diff_for_mutant(name, path=find_mutant(name).path) for name in names}


def main() -> None:
    """Be mutmut; with ``diffs`` and names, print what these change as a JSON object."""
    if sys.argv[1] == "diffs":
        json.dump(diffs(sys.argv[2:]), sys.stdout)
        return
    mutmut.__main__.get_mutant_runner = lambda workers=1: OnceRunner(workers, CollectingRunner())
    mutmut.__main__.cli(prog_name="mutmut")


if __name__ == "__main__":
    main()
