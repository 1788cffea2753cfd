"""A command that tests a build: whatever it does, it ends, its output fills nothing, and nothing of it is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from kopsversion.errors import UsageError
from kopsversion.workflows.command import SHOWN, TAIL, Command, check_command

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

URL = "https://example.com/1.30.0+v1.29.0-1-g0123456789"


class Run:
    """What a command wrote, and how it ended."""

    def __init__(self, *words: str, sleep: Callable[[float], None] = time.sleep) -> None:
        self.shown = bytearray()
        self.command = Command(words, environ=os.environ, show=self.shown.extend, sleep=sleep)

    def __call__(self, **variables: str) -> int:
        return self.command.run(url=URL, variables=variables)


def shell(script: str, *, sleep: Callable[[float], None] = time.sleep) -> Run:
    return Run("sh", "-c", script, sleep=sleep)


def is_alive(process: int) -> bool:
    """Whether a process runs; one that waits to be noticed does not."""
    try:
        with open(f"/proc/{process}/stat", encoding="utf-8") as file:  # noqa: PTH123
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def is_gone(process: int) -> bool:
    """Whether a process ends: a signal takes its time."""
    for _ in range(1000):
        if not is_alive(process):
            return True
        time.sleep(0.01)
    return False


@pytest.mark.parametrize("status", [0, 1, 77, 124, 125, 126, 127, 200, 255])
def test_the_exit_status_is_returned(status: int) -> None:
    """It is passed on as it is."""
    assert shell(f"exit {status}")() == status


def test_a_signal_is_returned_as_a_negative_number() -> None:
    """A command that was killed is told apart from one that ended."""
    assert shell("kill -KILL $$")() == -signal.SIGKILL


def test_the_command_gets_variables_and_the_url() -> None:
    """Variables are in its environment, and ``{}`` anywhere in an argument is the URL."""
    run = Run("sh", "-c", 'echo "$KOPS_VERSION $HOME $1"', "x", "<{}>")
    assert run(KOPS_VERSION="1.30") == 0
    assert run.shown.decode() == f"1.30 {os.environ['HOME']} <{URL}>\n"


def test_both_streams_are_shown() -> None:
    """Standard error is shown with standard output, and standard input is empty."""
    run = shell("cat; echo out; echo err >&2")
    assert run() == 0
    assert run.shown.decode() == "out\nerr\n"


def test_output_without_end_is_cut_in_the_middle() -> None:
    """A gigabyte fills neither memory nor a log: its begin and its end are shown, and how much is not."""
    size = 40 << 20
    run = Run(
        sys.executable, "-c", f"import os\nfor _ in range(40): os.write(1, b'x' * {1 << 20})\nprint('END')"
    )
    assert run() == 0
    shown = bytes(run.shown)
    left_out = size + 4 - SHOWN - TAIL
    assert f"\n… {left_out} bytes of the command's output are not shown …\n".encode() in shown
    assert shown.endswith(b"xEND\n")
    assert len(shown) < SHOWN + TAIL + 200


def test_output_that_is_hardly_too_long_is_whole() -> None:
    """Where the end begins before the begin ends, nothing is left out."""
    run = Run(sys.executable, "-c", f"import os; os.write(1, b'x' * {SHOWN}); os.write(1, b'END')")
    assert run() == 0
    assert bytes(run.shown) == b"x" * SHOWN + b"END"


def test_a_command_that_closes_its_output_is_waited_for() -> None:
    """The end of the output is not the end of the command."""
    assert shell("exec >&- 2>&-; sleep 0.2; exit 3")() == 3


def test_what_a_command_leaves_running_may_write_without_end() -> None:
    """The run ends when the command does, with all that the command itself has written."""
    run = shell("echo done; yes & exit 3")
    assert run() == 3
    assert run.shown.startswith(b"done\n")


def test_what_a_command_leaves_running_is_ended() -> None:
    """A process in the background would stand in the way of the next build's test; and it keeps the pipe open."""
    run = shell("sleep 1000 & echo $!")
    assert run() == 0
    assert is_gone(int(run.shown))


def test_what_ignores_sigterm_is_killed() -> None:
    """Neither a trap nor a parent that ended keeps a process alive."""
    naps: list[float] = []
    run = shell(
        "(trap '' TERM; echo ready; while :; do sleep 0.1; done) & sleep 0.5; echo $!", sleep=naps.append
    )
    assert run() == 0
    process = int(run.shown.split()[-1])
    assert is_gone(process)
    assert naps, "it was given some time"


def test_an_interrupt_ends_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C in the middle leaves no process behind, also of one that ignores SIGTERM."""
    run = shell("trap '' TERM; echo $$; while :; do sleep 0.1; done", sleep=lambda _: None)
    main = threading.get_ident()

    def interrupt(data: bytes) -> None:
        run.shown.extend(data)
        signal.pthread_kill(main, signal.SIGINT)

    monkeypatch.setattr(run.command, "_show", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run()
    assert is_gone(int(run.shown.split()[0]))


def test_a_second_interrupt_ends_the_patience() -> None:
    """Who presses Ctrl-C twice does not wait for a command that cleans up."""

    def nap(_seconds: float) -> None:
        raise KeyboardInterrupt

    run = shell("(trap '' TERM; while :; do sleep 0.1; done) & sleep 0.3; echo $!", sleep=nap)
    with pytest.raises(KeyboardInterrupt):
        run()
    assert is_gone(int(run.shown))


def test_an_interrupt_while_it_starts_ends_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal that comes between its start and our knowing it leaves no process behind."""
    started: list[subprocess.Popen[bytes]] = []
    start = Command._start

    def start_and_interrupt(self: Command, *arguments: object) -> subprocess.Popen[bytes]:
        started.append(start(self, *arguments))  # type: ignore[arg-type] # as it is called
        signal.raise_signal(signal.SIGINT)
        return started[0]

    monkeypatch.setattr(Command, "_start", start_and_interrupt)
    with pytest.raises(KeyboardInterrupt):
        shell("sleep 1000")()
    assert is_gone(started[0].pid)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_command_runs_in_any_thread() -> None:
    """Signals are the main thread's business."""
    statuses: list[int] = []
    thread = threading.Thread(target=lambda: statuses.append(shell("exit 7")()))
    thread.start()
    thread.join()
    assert statuses == [7]


class TestCheck:
    """What cannot be started is refused before anything is asked of a store."""

    def check(self, *words: str) -> None:
        check_command(words, environ=os.environ)

    def test_a_command_that_is_there(self, tmp_path: Path) -> None:
        """A name on ``PATH``, a path, and one that the URL makes are taken."""
        script = tmp_path / "test.sh"
        script.write_text("#!/bin/sh\n")
        script.chmod(0o755)
        self.check("sh", "-c", "true")
        self.check(str(script))
        self.check("{}/kops")

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            ((), "'' is not a command"),
            (("",), "'' is not a command"),
            (("a\0b",), "is not a command"),
            (("true", "a\0b"), "is not a command"),
            (("nonesuch",), "there is no command 'nonesuch'"),
            (("./nonesuch",), "there is no command './nonesuch'"),
            (("make test && true",), "there is no command 'make test && true'"),
        ],
    )
    def test_a_command_that_is_not_there(self, words: tuple[str, ...], said: str) -> None:
        """It is named, and the hint says what to do."""
        with pytest.raises(UsageError, match=said) as caught:
            self.check(*words)
        assert caught.value.hint

    def test_a_file_that_is_not_executable(self, tmp_path: Path) -> None:
        """The hint says how to make it so."""
        script = tmp_path / "test.sh"
        script.write_text("#!/bin/sh\n")
        with pytest.raises(UsageError, match="is not executable") as caught:
            self.check(str(script))
        assert "chmod +x" in caught.value.hint

    def test_a_directory(self, tmp_path: Path) -> None:
        """A directory is executable, in its way, and no command."""
        with pytest.raises(UsageError, match="is a directory"):
            self.check(str(tmp_path))

    @pytest.mark.parametrize("content", ["#!/nonesuch/interpreter\n", "\0\1\2 no program"])
    def test_a_file_that_the_system_cannot_start(self, tmp_path: Path, content: str) -> None:
        """An interpreter that is not there shows when it is started, and not before."""
        script = tmp_path / "test.sh"
        script.write_text(content)
        script.chmod(0o755)
        self.check(str(script))
        with pytest.raises(UsageError, match="cannot be started"):
            Run(str(script))()

    def test_a_machine_without_processes_is_no_usage_error(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """That the machine is out of something is not the command's fault."""

        def fail(*_: object, **__: object) -> None:
            raise BlockingIOError(11, "Resource temporarily unavailable")

        monkeypatch.setattr(subprocess, "Popen", fail)
        with pytest.raises(BlockingIOError):
            Run("true")()
