"""The test server in a process of its own, so that its work is not counted as the client's."""

from __future__ import annotations

import multiprocessing
import random
from contextlib import contextmanager
from typing import TYPE_CHECKING

from attrs import frozen

from tests.benchmarks.bucket import BUCKET, plan
from tests.gcs_faults import FAULTS
from tests.gcs_server import GcsServer, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from multiprocessing.connection import Connection

    from tests.gcs_faults import Exchange, Fault

TRANSIENT = (
    *("408", "429", "429 with Retry-After", "500", "502 with an HTML body", "503", "503 with Retry-After"),
    *("504", "reset before the headers", "reset before the body", "reset during the body"),
    *("hangup before the headers", "hangup during the body", "stall before the headers"),
    *("stall during the body", "one byte at a time", "truncated body with whole length"),
)
"""The faults of `tests.gcs_faults.FAULTS` that asking again helps against."""


@frozen
class Figures:
    """What the server saw since it was last told to forget.

    Attributes:
        requests: how many.
        sent: bytes of all answers' bodies, as they went over the wire.
        kinds: how many requests of each kind.
        faults: how often each fault struck.
        most_in_flight: most requests that were being answered at one time.
        errors: mistakes of the server itself.
    """

    requests: int
    sent: int
    kinds: Mapping[str, int]
    faults: Mapping[str, int]
    most_in_flight: int
    errors: int


class Served:
    """A server that runs in another process; made by `serving`.

    Attributes:
        url: its origin, as ``STORAGE_EMULATOR_HOST`` wants it.
        port: its port.
        answers: the right answer for each channel, which this process could work out only by growing: the
            kernel counts a process's memory from before it runs its program, when it is a copy of its parent.
    """

    def __init__(self, connection: Connection, *, port: int, answers: Mapping[str, str]) -> None:
        self._connection = connection
        self.port = port
        self.answers = answers
        self.url = f"http://127.0.0.1:{port}"

    def _ask(self, name: str, value: float = 0) -> object:
        self._connection.send((name, value))
        return self._connection.recv()

    def set_latency(self, seconds: float) -> None:
        """Hold each request that long from now on."""
        self._ask("latency", seconds)

    def set_fault_share(self, share: float) -> None:
        """Let that share of all requests meet a transient fault from now on."""
        self._ask("faults", share)

    def forget(self) -> None:
        """Forget the requests so far."""
        self._ask("forget")

    def figures(self) -> Figures:
        """Return what it saw."""
        found = self._ask("figures")
        assert isinstance(found, Figures)
        return found


@contextmanager
def serving(builds: int, *, seed: int = 0) -> Iterator[Served]:
    """Serve a bucket of that many builds.

    Parameters:
        builds: how many; see `tests.benchmarks.bucket.plan`.
        seed: what the choice of faults begins with.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, builds, seed), daemon=True)
    process.start()
    theirs.close()
    try:
        port, answers = ours.recv()
        yield Served(ours, port=port, answers=answers)
    finally:
        ours.close()
        process.join(timeout=10)
        if process.is_alive():
            process.kill()


class Mixed:
    """A fault that is another one each time."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.share = 0.0
        self.struck: dict[str, int] = {}

    def wanted(self, _request: object) -> bool:
        return self._random.random() < self.share

    def __call__(self, exchange: Exchange) -> None:
        name = self._random.choice(TRANSIENT)
        self.struck[name] = self.struck.get(name, 0) + 1
        fault: Fault = FAULTS[name]
        fault(exchange)


def _serve(connection: Connection, builds: int, seed: int) -> None:
    mixed = Mixed(seed)
    with GcsServer() as server:
        planned = plan(builds)
        planned.fill(server.bucket(BUCKET))
        server.faults.append(Rule(mixed, when=mixed.wanted, times=None))
        connection.send((server.port, dict(planned.answers)))
        while True:
            try:
                name, value = connection.recv()
            except EOFError:
                return
            connection.send(_obey(server, mixed, name=name, value=value))


def _obey(server: GcsServer, mixed: Mixed, *, name: str, value: float) -> Figures | None:
    match name:
        case "latency":
            server.latency = value
        case "faults":
            mixed.share = value
        case "forget":
            server.forget()
            mixed.struck.clear()
        case _:
            kinds = [str(kind) for kind in server.kinds]
            return Figures(
                requests=len(kinds),
                sent=server.bytes_sent,
                kinds={kind: kinds.count(kind) for kind in sorted(set(kinds))},
                faults=dict(mixed.struck),
                most_in_flight=server.max_in_flight,
                errors=len(server.errors),
            )
    return None
