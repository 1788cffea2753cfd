"""Stores that are not what they were taken for: every command says in a sentence what is so, and what to do next."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

import pytest
from attrs import frozen
from click.testing import CliRunner

from kopsversion.cli.toolbox import tools
from tests.gcs_server import KOPS_BUCKET, GcsServer, closed_port
from tests.harness import NEW, OLD

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COMMANDS = {
    "resolve": "resolve --store {}",
    "list": "list --store {}",
    "list master": "list --store {} master",
    "list A..B": f"list --store {{}} {OLD}..{NEW}",
    "check": "check --store {}",
    "check master": "check --store {} master",
    "promote": f"promote --dry-run --store {{}} --channel master --marker latest-ci.txt --build {NEW}",
    "find": f"find --store {{}} {NEW}",
    "bisect": f"bisect --store {{}} --dry-run {OLD} {NEW}",
    "jobs": "jobs --jobs-store {}",
}
LISTING = ("list", "list A..B", "check", "find", "bisect")
"""Those that list before they read anything."""

WITHOUT_JOBS = tuple(name for name in COMMANDS if name != "jobs")


@frozen(kw_only=True)
class Wrong:
    """A store that is none.

    Attributes:
        url: what is named; fields are those of `places`.
        status: the exit status of every command.
        said: what each says.
        hint: what each says to do.
        commands: which commands.
    """

    url: str
    said: str
    hint: str
    status: int = 4
    commands: tuple[str, ...] = tuple(COMMANDS)


WEB = "a web server gives only what is asked for by name"

STORES = {
    "no such bucket": Wrong(
        url="gs://nosuch/x",
        said="there is no bucket 'nosuch'",
        hint="name of the bucket",
        commands=WITHOUT_JOBS,
    ),
    "an empty bucket": Wrong(
        url=f"gs://{KOPS_BUCKET}/nowhere",
        status=1,
        said="there ",
        hint="see whether",
        commands=tuple(name for name in COMMANDS if name not in {"promote", "check master"}),
    ),
    "a web server that is not there": Wrong(
        url="http://127.0.0.1:{closed}/x",
        said="refuses the connection",
        hint="look at the network",
        commands=("resolve", "check master"),
    ),
    "a web server without TLS": Wrong(
        url="https://127.0.0.1:{plain}/x",
        said="does not speak TLS",
        hint="begin with http://",
        commands=("resolve", "check master"),
    ),
    "a name that nobody knows": Wrong(
        url="http://nosuch.invalid/x",
        said="the name of nosuch.invalid cannot be looked up (DNS)",
        hint="look at the network",
        commands=("resolve", "check master"),
    ),
    "a web server, which cannot be listed": Wrong(
        url="http://127.0.0.1:{closed}/x", said=WEB, hint="name the bucket itself", commands=LISTING
    ),
    "jobs on a web server": Wrong(
        url="http://127.0.0.1:{closed}/x", said=WEB, hint="--jobs-store", commands=("jobs",)
    ),
    "a file": Wrong(url="{folder}/file", said="file' is not a directory", hint="name the directory"),
    "no such directory": Wrong(
        url="{folder}/nowhere", said="nowhere' does not exist", hint="name the directory"
    ),
    "a URL with a query": Wrong(
        url="https://host.invalid/x?y=1",
        status=2,
        said="does not name a store",
        hint="without a user or a query",
    ),
}


@pytest.fixture
def places(
    gcs_server: GcsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, object]]:
    """A bucket server with one bucket, a port at which nobody listens, one without TLS, and a file."""
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs_server.url)
    (tmp_path / "file").write_text("no directory")
    with socket.create_server(("127.0.0.1", 0)) as plain:
        threading.Thread(target=_answer_plainly, args=(plain,), daemon=True).start()
        yield {"closed": closed_port(), "plain": plain.getsockname()[1], "folder": tmp_path}


def _answer_plainly(listening: socket.socket) -> None:
    while True:
        try:
            connection, _ = listening.accept()
            with connection:
                connection.recv(1 << 12)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        except OSError:  # it was closed: the test is over; or the client has gone
            if listening.fileno() < 0:
                return


@pytest.mark.usefixtures("naps")
@pytest.mark.parametrize("wrong", STORES.values(), ids=STORES)
def test_every_command_says_what_is_wrong_and_what_to_do(wrong: Wrong, places: dict[str, object]) -> None:
    """One sentence, reasons below it, and a hint; never a traceback, and nothing that looks like an answer."""
    for name in wrong.commands:
        typed = COMMANDS[name].format(wrong.url.format(**places)).split()
        ended = CliRunner().invoke(tools, typed)
        assert isinstance(ended.exception, SystemExit), name
        assert ended.exit_code == wrong.status, (name, ended.output)
        report = ended.stderr if name != "check master" or wrong.status == 2 else ended.output
        assert wrong.said in report, (name, report)
        assert wrong.hint in report.partition("hint:")[2] or name == "check master", (name, report)
        assert "\n" not in ended.stdout or name.startswith("check"), (name, ended.stdout)
