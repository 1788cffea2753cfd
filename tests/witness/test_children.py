"""No child outlives the process, whenever it was started (DESIGN section 4)."""

from __future__ import annotations

import signal
import subprocess
import threading
from typing import Any

import pytest

from kopsversion.witness.children import Children, kill

SLEEP = ["sleep", "1000"]


def test_the_end_of_the_process_ends_every_child() -> None:
    """A thread is not interrupted then, so nothing else would."""
    children = Children()
    held = [children.start(SLEEP) for _ in range(2)]
    children.end()
    assert [process.wait() for process in held] == [-signal.SIGKILL] * 2


def test_after_the_end_no_other_is_started() -> None:
    """A thread that goes on for a moment is refused."""
    children = Children()
    children.end()
    with pytest.raises(OSError, match="this process is ending"):
        children.start(SLEEP)


def test_the_end_waits_for_a_child_that_is_being_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is killed as soon as its number is known."""
    children, is_starting, may_go_on = Children(), threading.Event(), threading.Event()
    real, found = subprocess.Popen, []

    def slow(*words: Any, **settings: Any) -> subprocess.Popen[bytes]:
        is_starting.set()
        assert may_go_on.wait(60)
        return real(*words, **settings)

    monkeypatch.setattr("kopsversion.witness.children.subprocess.Popen", slow)
    starting = threading.Thread(target=lambda: found.append(children.start(SLEEP)))
    starting.start()
    assert is_starting.wait(60)
    ending = threading.Thread(target=children.end)
    ending.start()
    may_go_on.set()
    starting.join()
    ending.join()
    assert [process.wait() for process in found] == [-signal.SIGKILL]


def test_what_has_ended_is_not_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its number may be another process's by then."""
    children, killed = Children(), []
    monkeypatch.setattr("kopsversion.witness.children.os.killpg", lambda *told: killed.append(told))
    process = children.start(["true"])
    process.wait()
    children.release(process)
    children.end()
    assert killed == []


def test_a_signal_while_it_is_started_leaves_no_child(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is raised when the child is known, and not before."""
    real, found = subprocess.Popen, []

    def interrupted(*words: Any, **settings: Any) -> subprocess.Popen[bytes]:
        signal.raise_signal(signal.SIGINT)
        found.append(real(*words, **settings))
        return found[0]

    monkeypatch.setattr("kopsversion.witness.children.subprocess.Popen", interrupted)
    with pytest.raises(KeyboardInterrupt):
        Children().start(SLEEP)
    assert found[0].wait() == -signal.SIGKILL


def test_killing_what_is_gone_is_no_error() -> None:
    """That is all that is wanted."""
    process = subprocess.Popen(SLEEP, start_new_session=True)
    kill(process)
    assert process.wait() == -signal.SIGKILL
    kill(process)
