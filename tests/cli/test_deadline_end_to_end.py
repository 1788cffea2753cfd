"""Nothing outlives ``--timeout``: real processes against what never ends.

Whatever is asked here hangs for ever, not for long: the server says a byte at a time, or nothing; the name
server, the proxy, git and a lock never answer. So a process that ends at all has let go of it, and the messages say
that it was the deadline. No wall time is asserted; `HANG` only ends a test that has failed already.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from kopsversion.model.channel import GREEN_MARKER
from tests.builders import HOUR, NOW, alpha
from tests.gcs_faults import EndlessPages, Exchange, Fault, Response, Stall
from tests.gcs_server import KOPS_BUCKET, KOPS_ROOT, LISTINGS, GcsServer, Kind
from tests.harness import add_build
from tests.patience import times_slower
from tests.processes import unmeasured
from tests.scenes import PLAIN
from tests.stores.test_store_contract import ServerPlace
from tests.witness.test_gitwitness import everything_from, fake_git

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

HANG = 60.0
"""Seconds, on a quiet machine, after which a process is taken to hang: far more than any deadline here."""

QUIET = 0.5
"""Seconds, and more than that, in which a quiet machine starts and ends Python with this package."""


def slowness() -> int:
    """Tell how many times slower than a quiet machine this one starts processes just now, so that deadlines scale."""
    command = [sys.executable, "-m", "kopsversion", "--help"]
    return times_slower(lambda: subprocess.run(command, check=True, capture_output=True), quiet=QUIET)


STORE = ("--store", f"gs://{KOPS_BUCKET}/{KOPS_ROOT}")
AS_OF = ("--as-of", f"{NOW:%Y-%m-%dT%H:%M:%SZ}")
QUESTION = (*STORE, *AS_OF)
NEWEST = f"/{KOPS_BUCKET}/{KOPS_ROOT}{alpha(5)}\n"

Ended = subprocess.CompletedProcess[str]

# --------------------------------------------------------------------------------------------------
# What never ends

PAUSE = 0.2
"""Seconds between two bytes: the shorter the deadline, the sooner a socket times out, and here none ever may."""


class Trickle(Fault):
    """A body of white space that is said to be long, one byte after the other, for ever."""

    def __call__(self, exchange: Exchange) -> None:
        exchange.send_head(Response(200, {"Content-Type": "application/json"}, (), length=1 << 40))
        while not exchange.wait_for_release(PAUSE):
            exchange.send_bytes(b" ")
        exchange.close()


class TrickledHeader(Fault):
    """A header that never ends, one byte after the other."""

    def __call__(self, exchange: Exchange) -> None:
        exchange.send_bytes(b"HTTP/1.1 200 OK\r\nX-Long: ")
        while not exchange.wait_for_release(PAUSE):
            exchange.send_bytes(b"x")
        exchange.close()


class EverNewPages(Fault):
    """Page after page, each with a new token and something new on it."""

    def __call__(self, exchange: Exchange) -> None:
        number, query = exchange.serial, exchange.query
        fresh = f"{query.get('prefix', '')}{number}{query.get('delimiter', '')}"
        item = {"name": fresh, "size": "1", "timeCreated": "2024-05-06T00:00:00Z"}
        found = {"prefixes": [fresh]} if "delimiter" in query else {"items": [item]}
        page = json.dumps({**found, "nextPageToken": str(number)}).encode()
        exchange.wait_for_release(0.01)
        exchange.send(Response(200, {"Content-Type": "application/json; charset=UTF-8"}, page))


# --------------------------------------------------------------------------------------------------
# Running it


@pytest.fixture
def server(gcs_server: GcsServer) -> GcsServer:
    """A server whose bucket is in order; the test makes it misbehave."""
    PLAIN.put(gcs_server)
    return gcs_server


def run(
    *arguments: str | Path, timeout: int, environ: Mapping[str, str] | None = None, cwd: Path | None = None
) -> Ended:
    """Run kopsversion as a process of its own.

    Parameters:
        arguments: the command, and what it is to do.
        timeout: seconds; its ``--timeout``, on a quiet machine.
        environ: added to the environment.
        cwd: where it runs; a directory that is in no clone if not given.
    """
    slow = slowness()
    return subprocess.run(
        [sys.executable, "-m", "kopsversion", *map(str, arguments), "--timeout", f"{slow * timeout}s"],
        check=False,
        capture_output=True,
        text=True,
        timeout=slow * HANG,
        cwd=cwd or "/",
        env={**os.environ, **(environ or {})},
    )


def ask(
    server: GcsServer,
    *arguments: str | Path,
    timeout: int,
    environ: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Ended:
    """Run kopsversion with that server as Cloud Storage."""
    emulator = {"STORAGE_EMULATOR_HOST": server.url}
    return run(*arguments, timeout=timeout, environ={**emulator, **(environ or {})}, cwd=cwd)


def unanswered(ended: Ended, told: str) -> None:
    """There is no answer, and what is said of it has no traceback."""
    assert (ended.returncode, ended.stdout) == (4, ""), ended.stderr
    assert ended.stderr.startswith("ERROR ")
    assert "Traceback" not in ended.stderr
    assert re.search(told, ended.stderr), ended.stderr


def answered(ended: Ended, *told: str) -> None:
    """The newest build is the answer, with all of that said beside it and no traceback."""
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.endswith(NEWEST)
    assert "Traceback" not in ended.stderr
    for each in told:
        assert each in ended.stderr


# --------------------------------------------------------------------------------------------------
# Servers

_PROGRAM = """
import sys
import kopsversion
try:
    kopsversion.resolve_latest("master", store=sys.argv[1], timeout=2)
except kopsversion.StoreError as error:
    print(type(error).__name__)
"""


class TestAServerThatNeverEnds:
    """Every kind of request of every command."""

    @pytest.mark.parametrize(
        "command",
        [
            ("resolve", "master"),
            ("list", "master"),
            ("promote", "--channel", "master", "--marker", GREEN_MARKER, "--build", alpha(5)),
        ],
        ids=["resolve", "list", "promote"],
    )
    def test_a_byte_at_a_time(self, server: GcsServer, command: tuple[str, ...]) -> None:
        """No socket ever times out, because there is always another byte."""
        server.fail(Trickle(), times=None)
        unanswered(ask(server, *command, *STORE, timeout=2), r"within .*the deadline of \d+ s")
        assert server.requests

    def test_a_check_reports_that_it_read_nothing(self, server: GcsServer) -> None:
        """A byte at a time too: the report is written all the same, and says what was not answered."""
        server.fail(Trickle(), times=None)
        ended = ask(server, "check", *STORE, timeout=2)
        assert (ended.returncode, "Traceback" in ended.stderr) == (4, False)
        assert re.search(r"within .*the deadline of \d+ s", ended.stdout)

    @pytest.mark.parametrize(
        "fault",
        [TrickledHeader(), Stall("request"), Stall("half")],
        ids=["a header without end", "silence", "half a body"],
    )
    def test_other_ways_not_to_end(self, server: GcsServer, fault: Fault) -> None:
        """Wherever in its answer the server stops, and however slowly it says it."""
        server.fail(fault, times=None)
        unanswered(ask(server, "resolve", *QUESTION, timeout=2), r"within .*the deadline of \d+ s")
        assert server.requests

    def test_pages_with_ever_new_names(self, server: GcsServer) -> None:
        """Each page comes soon, but there is always another one."""
        server.fail(EverNewPages(), *LISTINGS, times=None)
        unanswered(ask(server, "resolve", *QUESTION, timeout=2), r"within .*the deadline of \d+ s")
        assert any("pageToken" in request.query for request in server.requests)

    @pytest.mark.parametrize("empty", [True, False], ids=["empty", "equal"])
    def test_pages_with_nothing_new(self, server: GcsServer, *, empty: bool) -> None:
        """Such a listing is given up for what it is, or by the deadline where that comes first."""
        server.fail(EndlessPages(empty=empty), *LISTINGS, times=None)
        ended = ask(server, "resolve", *QUESTION, timeout=2)
        unanswered(ended, r"a listing that does not end|within .*the deadline of \d+ s")

    def test_a_check_of_named_channels_reports_what_it_could_not_read(self, server: GcsServer) -> None:
        """The report is the answer: it says that nothing could be read, and the exit status too."""
        server.fail(Trickle(), times=None)
        ended = ask(server, "check", "master", "-o", "json", *QUESTION, timeout=2)
        assert (ended.returncode, "Traceback" in ended.stderr) == (4, False)
        assert "the deadline of " in json.loads(ended.stdout)["channels"][0]["unreadable"]

    def test_a_program_that_uses_the_library_can_end(self, server: GcsServer) -> None:
        """What was left behind keeps no interpreter from its end, also where it ends in its own way."""
        server.fail(Trickle(), times=None)
        ended = subprocess.run(
            [sys.executable, "-c", _PROGRAM, STORE[1]],
            check=False,
            capture_output=True,
            text=True,
            timeout=HANG,
            env={**os.environ, "STORAGE_EMULATOR_HOST": server.url},
        )
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, "StoreUnavailableError\n", "")

    def test_a_download_leaves_nothing_behind(self, server: GcsServer, tmp_path: Path) -> None:
        """The build is known, but its kops never comes whole: no answer, and no part of a file."""
        add_build(ServerPlace(server, KOPS_ROOT), alpha(6), at=NOW - HOUR)
        kops = f"{alpha(6)}/linux/amd64/kops"
        server.fail(Trickle(), Kind.MEDIA, times=None, when=lambda asked: asked.name.endswith(kops))
        fetch = ("--fetch", tmp_path / "kops", "--arch", "amd64")
        ended = ask(server, "resolve", alpha(6), *QUESTION, *fetch, timeout=3)
        unanswered(ended, r"^ERROR .*/linux/amd64/kops. was not answered within the deadline of \d+ s")
        assert list(tmp_path.iterdir()) == []


class TestTheNextRung:
    """What hangs takes its share of the time, and leaves the next rung enough to answer."""

    def test_listings_hang(self, server: GcsServer) -> None:
        """The marker names the build, and the build's own listing proves it."""
        server.fail(Trickle(), Kind.MAJORS, Kind.MINORS, Kind.BUILDS, times=None)
        answered(ask(server, "resolve", *QUESTION, timeout=4), "listing-unavailable")

    def test_markers_hang(self, server: GcsServer) -> None:
        """The listing alone answers."""
        server.fail(Trickle(), Kind.MARKER, times=None)
        answered(ask(server, "resolve", *QUESTION, timeout=4), "marker-unreachable", "the deadline of ")

    def test_the_first_store_hangs(self, server: GcsServer) -> None:
        """The second one is asked in the time that is left."""
        server.bucket("slow")
        server.fail(Trickle(), times=None, when=lambda request: "/slow/" in request.path)
        ended = ask(server, "resolve", "--store", "gs://slow/", *QUESTION, timeout=4)
        answered(ended, "store-unreachable")

    def test_everything_hangs(self, server: GcsServer, tmp_path: Path) -> None:
        """The last good answer is given, where one is allowed."""
        state = ("--state", tmp_path / "state.json", "--allow-cached", "24h")
        answered(ask(server, "resolve", *STORE, *state, timeout=60))
        server.fail(Trickle(), times=None)
        ended = ask(server, "resolve", *STORE, *state, timeout=2)
        answered(ended, "cached-answer")

    def test_the_state_file_s_lock_is_never_given_back(self, server: GcsServer, tmp_path: Path) -> None:
        """The answer does not wait for it."""
        with (tmp_path / ".state.json.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            ended = ask(server, "resolve", *STORE, "--state", tmp_path / "state.json", timeout=2)
        answered(ended, "state-")
        assert not (tmp_path / "state.json").exists()


# --------------------------------------------------------------------------------------------------
# Before a server is reached


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port of 127.0.0.1 that accepts connections, as the kernel does by itself, and never says anything."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(64)
        yield int(listening.getsockname()[1])


_HANGING_NAMES = """
import os
import socket

def getaddrinfo(host, *arguments, **options):
    with open({asked!r}, "a") as file:
        file.write(f"{{host}}\\n")
    os.read(os.pipe()[0], 1)  # as the C library waits: in a system call, which Python cannot interrupt

socket.getaddrinfo = getaddrinfo
"""


class TestNothingGetsThrough:
    def test_a_name_server_that_never_answers(self, tmp_path: Path) -> None:
        """Looking a name up has no timeout of its own, and cannot be interrupted."""
        asked = tmp_path / "asked"
        (tmp_path / "sitecustomize.py").write_text(_HANGING_NAMES.format(asked=str(asked)))
        path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
        ended = run("resolve", timeout=2, environ={"PYTHONPATH": path})
        unanswered(ended, r"within .*the deadline of \d+ s")
        assert set(asked.read_text().split()) == {"storage.googleapis.com"}

    @pytest.mark.parametrize(
        ("variable", "value"),
        [
            ("STORAGE_EMULATOR_HOST", "http://127.0.0.1:{port}"),
            ("STORAGE_EMULATOR_HOST", "https://127.0.0.1:{port}"),
            ("HTTPS_PROXY", "http://127.0.0.1:{port}"),
        ],
        ids=["server", "TLS", "proxy"],
    )
    def test_a_connection_on_which_nothing_is_said(self, silent_port: int, variable: str, value: str) -> None:
        """A server, a TLS handshake or a proxy that never answers."""
        ended = run("resolve", timeout=2, environ={variable: value.format(port=silent_port)})
        unanswered(ended, r"within .*the deadline of \d+ s")


# --------------------------------------------------------------------------------------------------
# git


class TestAGitThatHangs:
    """It is a witness, not the question: the answer comes without it, and nothing of it stays."""

    @pytest.fixture
    def clone(self, tmp_path: Path) -> Path:
        """What looks like a clone from outside."""
        (tmp_path / "clone/.git").mkdir(parents=True)
        return tmp_path / "clone"

    @pytest.fixture
    def alive(self, tmp_path: Path) -> Iterator[int]:
        """The end of a pipe whose other end is held by whatever of git lives."""
        os.mkfifo(tmp_path / "alive")
        with opened_pipe(tmp_path / "alive") as reader:
            yield reader

    @pytest.fixture
    def held(self, tmp_path: Path, alive: int) -> tuple[dict[str, str], Callable[[], int]]:
        """Put a git on the path that starts a child and waits for it for ever, once it has read what it is given.

        Both hold the pipe open until they die. The function waits for that, and counts how often git was started.
        """
        folder = tmp_path / "bin"
        folder.mkdir()
        fake_git(folder, f"exec 9>'{tmp_path}/alive'; cat >/dev/null; echo started >&9; sleep 1000 & wait")
        environ = {"PATH": f"{folder}:{os.environ['PATH']}"}
        return environ, lambda: everything_from(alive).count(b"started\n")

    def test_a_clone_that_is_named(
        self, server: GcsServer, clone: Path, held: tuple[dict[str, str], Callable[[], int]]
    ) -> None:
        """A warning says that git did not answer."""
        environ, started = held
        ended = ask(server, "resolve", *QUESTION, "--repo", clone, timeout=4, environ=environ)
        answered(ended, "git-unavailable", "git did not answer within")
        assert started() == 1

    def test_a_clone_that_one_stands_in(
        self, server: GcsServer, clone: Path, held: tuple[dict[str, str], Callable[[], int]]
    ) -> None:
        """That the next witness had to do is said, but is no warning: nobody asked for git."""
        environ, started = held
        ended = ask(server, "resolve", *QUESTION, "--strict", "-v", timeout=4, environ=environ, cwd=clone)
        answered(ended, "git-unavailable", "git did not answer within")
        assert started() == 1

    def test_git_and_the_server(
        self, server: GcsServer, clone: Path, held: tuple[dict[str, str], Callable[[], int]]
    ) -> None:
        """Both hang, and the deadline is still that of both together."""
        environ, started = held
        server.fail(Trickle(), times=None)
        ended = ask(server, "resolve", *QUESTION, "--repo", clone, timeout=2, environ=environ)
        unanswered(ended, r"within .*the deadline of \d+ s")
        assert started() == 1

    def test_a_check_asks_for_every_channel(
        self, server: GcsServer, clone: Path, held: tuple[dict[str, str], Callable[[], int]]
    ) -> None:
        """git runs for each channel, side by side, and each is told of: a clone that was named must work."""
        environ, started = held
        ended = ask(server, "check", "-o", "json", *QUESTION, "--repo", clone, timeout=4, environ=environ)
        assert ended.returncode == 3, ended.stderr
        channels = json.loads(ended.stdout)["channels"]
        assert len(channels) == 2
        for channel in channels:
            assert "git did not answer within" in json.dumps(channel)
        assert started() >= len(channels)

    @pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
    @pytest.mark.parametrize(("command", "times"), [("resolve", 1), ("check", 2), ("list", 1)])
    def test_who_ends_the_process_ends_git(
        self,
        server: GcsServer,
        clone: Path,
        held: tuple[dict[str, str], Callable[[], int]],
        alive: int,
        *,
        command: str,
        times: int,
        number: int,
        status: int,
    ) -> None:
        """Also where git was started beside other things, by a thread that no signal reaches."""
        environ, started = held
        with subprocess.Popen(
            [sys.executable, "-m", "kopsversion", command, *QUESTION, "--repo", str(clone)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=unmeasured(STORAGE_EMULATOR_HOST=server.url, **environ),
        ) as running:
            begun = b""
            while begun.count(b"started\n") < times:
                assert select.select([alive], [], [], HANG)[0], "no git was started"
                piece = os.read(alive, 1024)
                assert piece, "the gits that were started are gone"
                begun += piece
            running.send_signal(number)
            answer, told = running.communicate(timeout=HANG)
        assert (running.returncode, answer) == (status, b"")
        assert b"Traceback" not in told
        everything = started()
        assert everything in {0, 1}  # a check may have begun with one more


@contextmanager
def opened_pipe(pipe: Path) -> Iterator[int]:
    """Open a named pipe for reading, before anybody writes."""
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        yield reader
    finally:
        os.close(reader)
