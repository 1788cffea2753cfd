"""What the scripts do to the process that they are: how it begins, and how it ends."""

from __future__ import annotations

import gc
import io
import signal
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest

from kopsversion.cli.process import kopsversion, leave, resolve_latest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class _Ended(BaseException):
    """What stands for the end of the process."""


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Collect the statuses with which the process would have ended, and undo what it did to itself."""
    found: list[int] = []

    def end(status: int) -> None:
        found.append(status)
        raise _Ended

    threshold, handler = gc.get_threshold(), signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr("os._exit", end)
    monkeypatch.setattr("atexit._run_exitfuncs", lambda: None)  # what is registered here is pytest's
    yield found
    gc.set_threshold(*threshold)
    signal.signal(signal.SIGTERM, handler)


def python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run some Python as a process of its own."""
    command = [sys.executable, "-c", textwrap.dedent(code), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize(
    ("script", "arguments", "status"),
    [
        (resolve_latest, ["--help"], 0),
        (resolve_latest, ["--max-lag", "x"], 2),
        (kopsversion, ["--version"], 0),
        (kopsversion, ["no-such-command"], 2),
    ],
)
def test_a_script_ends_the_process_with_its_status(
    script: Callable[[], None],
    arguments: list[str],
    status: int,
    ends: list[int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The status is that of the command, and an answer, where there is one, is out by then."""
    monkeypatch.setattr("sys.argv", ["script", *arguments])
    with pytest.raises(_Ended):
        script()
    assert ends == [status]
    assert bool(capsys.readouterr().out) == (status == 0)


def test_a_script_that_is_terminated_ends_as_one_that_is_interrupted(
    ends: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prow sends SIGTERM: what is to be undone is undone, and the status is the one that shells have for it."""
    undone = []

    def hang(**_: object) -> None:
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            undone.append("a file")

    monkeypatch.setattr("kopsversion.cli.toolbox.tools.main", hang)
    with pytest.raises(_Ended):
        kopsversion()
    assert (ends, undone) == ([143], ["a file"])


def test_a_script_that_is_to_ignore_termination_ignores_it(
    ends: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who starts it with SIGTERM ignored, as ``trap '' TERM`` does in a shell, means it."""

    def survive(**_: object) -> None:
        signal.raise_signal(signal.SIGTERM)
        sys.exit(0)

    monkeypatch.setattr("kopsversion.cli.toolbox.tools.main", survive)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with pytest.raises(_Ended):
        kopsversion()
    assert ends == [0]


def test_garbage_is_looked_for_rarely_in_a_script(ends: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """The collector waits for many more objects than an ordinary run makes, but is not switched off."""
    monkeypatch.setattr("sys.argv", ["script", "--help"])
    with pytest.raises(_Ended):
        resolve_latest()
    assert ends == [0]
    assert gc.isenabled()
    assert gc.get_threshold()[0] > 100_000


def test_an_end_that_is_no_status_is_left_to_python(ends: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """``sys.exit("why")``, which no command of ours says, still reaches the interpreter as it is."""

    def say_why(**_: object) -> None:
        sys.exit("why")

    monkeypatch.setattr("kopsversion.cli.toolbox.tools.main", say_why)
    with pytest.raises(SystemExit, match="why"):
        kopsversion()
    assert ends == []


class _Broken(io.StringIO):
    """A stream whose reader has gone."""

    def flush(self) -> None:
        raise BrokenPipeError


@pytest.mark.parametrize(("out", "err"), [(_Broken(), None), (None, _Broken())])
def test_what_cannot_be_flushed_is_left_to_python(
    out: io.StringIO | None, err: io.StringIO | None, ends: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python has its own status for output that was lost, and its way to say so."""
    with monkeypatch.context() as patch:
        patch.setattr("sys.stdout", out)
        patch.setattr("sys.stderr", err)
        leave(0)
    assert ends == []


def test_the_end_waits_for_what_is_registered_and_for_what_is_written() -> None:
    """Functions registered with atexit run, and text that no newline has flushed is not lost."""
    ended = python(
        """
        import atexit, sys
        from kopsversion.cli.process import leave
        atexit.register(lambda: print("registered", end=""))
        print("written, ", end="")
        leave(7)
        """
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (7, "written, registered", "")


def test_the_end_waits_for_no_thread() -> None:
    """A thread that a silent server holds does not keep the process (nothing outlives the deadline)."""
    ended = python(
        """
        import threading
        from kopsversion.cli.process import leave
        threading.Thread(target=threading.Event().wait).start()
        leave(4)
        """
    )
    assert (ended.returncode, ended.stderr) == (4, "")
