"""The library in a process that goes on living: nothing is left open when an answer is there, or an error."""

from __future__ import annotations

import gc
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

import kopsversion
from kopsversion.cli.complete import channels
from kopsversion.cli.toolbox import tools
from kopsversion.errors import KopsVersionError
from kopsversion.workflows.job_runs import list_jobs
from kopsversion.workflows.jobs import JobsQuestion
from tests.builders import HOUR, NOW
from tests.gcs_faults import FAULTS
from tests.gcs_server import KOPS_BUCKET, KOPS_ROOT, GcsServer
from tests.harness import GREEN, MIDDLE, NEW, OLD, fill
from tests.prow import JOBS, JOBS_BUCKET, PIPELINE, Prow
from tests.stores.test_store_contract import ServerPlace

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

STORE = f"gs://{KOPS_BUCKET}/{KOPS_ROOT}"
TARGET = f"--store {STORE} --channel master --marker {GREEN.rpartition('/')[2]}"
IN_JOBS = JobsQuestion(wanted=True)


def test_a_process_that_asks_often_runs_out_of_nothing() -> None:
    """A hundred resolves in threads with 128 descriptors, and no collector; `make soak` does two thousand."""
    ended = subprocess.run(
        [sys.executable, "-m", "tests.soak", "--resolves", "100", "--descriptors", "128"],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert (ended.returncode, ended.stdout) == (0, "100 resolves, 0 wrong, 0 descriptors left open\n"), (
        ended.stderr
    )


def _command(words: str) -> Callable[[Path], object]:
    """Run a command of the toolbox as typed; ``{}`` stands for a new file, ``{lock}`` for a lock."""

    def call(folder: Path) -> object:
        typed = [word.format(folder / "made", lock=folder / "lock") for word in words.split()]
        return CliRunner().invoke(tools, typed, catch_exceptions=False).exit_code

    return call


CALLS: dict[str, Callable[[Path], object]] = {
    "resolve_latest": lambda _: kopsversion.resolve_latest("master", store=STORE, now=NOW),
    "resolve_many": lambda _: kopsversion.resolve_many(["master", "release-1.28"], store=STORE, now=NOW),
    "list_channel": lambda _: kopsversion.list_channel("master", store=STORE, now=NOW),
    "list_between": lambda _: kopsversion.list_between(OLD, NEW, store=STORE, now=NOW),
    "check_health": lambda _: kopsversion.check_health(store=STORE, now=NOW, jobs=IN_JOBS),
    "find_build": lambda _: kopsversion.find_build(MIDDLE, store=STORE, now=NOW),
    "plan_bisection": lambda _: kopsversion.plan_bisection(OLD, NEW, store=STORE, now=NOW),
    "bisect": lambda _: kopsversion.bisect(
        OLD, NEW, store=STORE, now=NOW, test=lambda build: build.version < kopsversion.BuildVersion.parse(NEW)
    ),
    "list_jobs": lambda _: list_jobs(store=STORE, question=IN_JOBS, now=NOW),
    "resolve": _command(f"resolve --store {STORE} --jobs --fetch {{}} --arch amd64 --lock {{}}.lock"),
    "resolve --from-lock": _command(f"resolve --store {STORE} --from-lock {{lock}}"),
    "list": _command(f"list --store {STORE}"),
    "list A..B": _command(f"list --store {STORE} {OLD}..{NEW}"),
    "check": _command(f"check --store {STORE} --jobs"),
    "promote": _command(f"promote {TARGET} --build {NEW}"),
    "promote --dry-run": _command(f"promote {TARGET} --dry-run --from-lock {{lock}}"),
    "find": _command(f"find --store {STORE} {MIDDLE}"),
    "bisect -- COMMAND": _command(f"bisect --store {STORE} {OLD} {NEW} --assume-ends -- true"),
    "bisect --dry-run": _command(f"bisect --store {STORE} {OLD} {NEW} --dry-run"),
    "jobs": _command(f"jobs --store {STORE} --jobs-store {JOBS}"),
    "completion": lambda _: _completed(),
}
"""Everything that opens a store for one question."""


def _completed() -> object:
    command = tools.commands["resolve"]
    with command.make_context("resolve", ["--store", STORE]) as context:
        return channels(context, command.params[0], "")


@pytest.fixture
def server(gcs_server: GcsServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> GcsServer:
    """Builds, markers and runs of jobs, and a lock of them."""
    fill(ServerPlace(gcs_server, KOPS_ROOT))
    gcs_server.bucket().add(KOPS_ROOT + GREEN, f"{MIDDLE}\n".encode(), at=NOW)
    runs = gcs_server.bucket(JOBS_BUCKET)
    Prow(lambda name, data, at: runs.add(f"logs/{name}", data, at=at)).run(PIPELINE, NOW - 2 * HOUR)
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs_server.url)
    answer = kopsversion.resolve_latest("master", store=STORE, now=NOW)
    store = kopsversion.open_store(STORE)
    kopsversion.write_lock(tmp_path / "lock", kopsversion.make_lock(store, answer))
    store.close()
    gcs_server.forget()
    return gcs_server


@pytest.mark.usefixtures("naps")
@pytest.mark.parametrize("fault", [None, "403", "reset during the body", "200 with an HTML page"])
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_no_call_leaves_a_connection_open(
    call: Callable[[Path], object], fault: str | None, server: GcsServer, tmp_path: Path
) -> None:
    """Whatever comes of it, and without the garbage collector."""
    if fault is not None:
        server.fail(FAULTS[fault], times=None)
    gc.disable()
    came: object
    try:
        came = call(tmp_path)
    except KopsVersionError as error:
        came = error.exit_code  # and with it goes what its frames held
    finally:
        is_closed = server.wait_for_open(0)
        gc.enable()
    assert server.requests
    assert is_closed
    assert fault is not None or not isinstance(came, int) or came in {0, 3}
