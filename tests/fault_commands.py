"""What every command makes of every fault: FAILURES rows 15, 19, 39 and 40, over a table of commands.

Each fault strikes the first answer to each request, or every answer. What is expected stands in `ONCE` and `ALWAYS`
below, and `tests.fault_expectations` writes it into `docs/reference/faults.md`.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import evolve, field, frozen

from kopsversion.errors import KopsVersionError
from kopsversion.model.answer import Severity
from kopsversion.model.channel import MASTER, Channel
from kopsversion.model.policy import Policy
from kopsversion.model.version import BuildVersion
from kopsversion.publish.fetch import fetch_kops
from kopsversion.publish.lock import Lock, make_lock, verify_lock
from kopsversion.publish.promote import promote
from kopsversion.stores.deadline import Deadline
from kopsversion.workflows.latest import resolve_latest
from kopsversion.workflows.listing import list_channel
from kopsversion.workflows.survey import check_health
from tests.builders import NOW
from tests.gcs_faults import FAULTS
from tests.gcs_server import KOPS_ROOT, GcsServer, Recorded
from tests.harness import GREEN, MIDDLE, NEW, fill, opened
from tests.scenes import FAST, store_of
from tests.stores.test_store_contract import ServerPlace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kopsversion.stores.base import Store

TIMEOUT = 20.0
HASTY = evolve(FAST, max_attempts=4, read=0.2, whole=0.4)
"""For faults that take time."""

PLATFORM = "linux/amd64"


@frozen
class Result:
    """What came of a command: the answer itself, and the codes of its warnings."""

    answer: object
    warnings: frozenset[str] = field(factory=frozenset)


def _codes(conditions: Any) -> frozenset[str]:
    return frozenset(each.code for each in conditions if each.severity >= Severity.WARNING)


def _resolve(store: Store, _server: GcsServer) -> Result:
    found = resolve_latest(MASTER, store=store, now=NOW, timeout=TIMEOUT)
    return Result(str(found.version), _codes(found.conditions))


def _list(store: Store, _server: GcsServer) -> Result:
    found = list_channel(MASTER, store=store, now=NOW, timeout=TIMEOUT)
    rows = tuple((str(row.version), row.refusal is None) for row in found.rows)
    return Result(rows, _codes(found.conditions))


def _check(store: Store, _server: GcsServer) -> Result:
    found = check_health([MASTER], store=store, now=NOW, timeout=TIMEOUT)
    (health,) = found.channels
    conditions = [*found.conditions, *(finding.condition for finding in health.findings)]
    return Result(str(health.testable and health.testable.version), _codes(conditions))


def _promote(store: Store, server: GcsServer) -> Result:
    promote(
        store,
        BuildVersion.parse(NEW),
        channel=Channel(MASTER),
        marker=GREEN.rpartition("/")[2],
        policy=Policy(),
        now=NOW,
        deadline=Deadline(TIMEOUT),
        sleep=lambda _seconds: None,
    )
    return Result(marker_body(server))


def _fetch(store: Store, _server: GcsServer) -> Result:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "kops")
        fetch_kops(store, BuildVersion.parse(NEW), platform=PLATFORM, path=path)
        return Result(path.read_bytes())


def _lock(store: Store, server: GcsServer) -> Result:
    return Result(make_lock(store, _true_lock(server).resolution, deadline=Deadline(TIMEOUT)).binaries)


def _from_lock(store: Store, server: GcsServer) -> Result:
    verify_lock(store, _true_lock(server), now=NOW, deadline=Deadline(TIMEOUT))
    return Result(None)


COMMANDS: Mapping[str, Callable[[Store, GcsServer], Result]] = {
    "resolve": _resolve,
    "list": _list,
    "check": _check,
    "promote": _promote,
    "--fetch": _fetch,
    "--lock": _lock,
    "--from-lock": _from_lock,
}
"""Each command, by what a user types."""

_locks: dict[GcsServer, Lock] = {}


def _true_lock(server: GcsServer) -> Lock:
    """Return the lock that was made before anything went wrong."""
    return _locks[server]


def marker_body(server: GcsServer) -> str:
    """Return what the marker holds, whatever the server would say."""
    held = server.bucket().get(KOPS_ROOT + GREEN)
    assert held is not None
    return (held.data or b"").decode().strip().rpartition("/")[2]


class EachOnce:
    """Claims the first of each request, as it is told apart by method, path and query."""

    def __init__(self) -> None:
        self._seen: set[tuple[object, ...]] = set()

    def __call__(self, request: Recorded) -> bool:
        known = (request.method, request.path, *sorted(request.query.items()), request.headers.get("range"))
        is_new = known not in self._seen
        self._seen.add(known)
        return is_new


def laid_out(server: GcsServer) -> None:
    """Put builds with true checksums there, and a marker that names one before the newest."""
    place = ServerPlace(server, KOPS_ROOT)
    fill(place)
    place.add(GREEN, f"{MIDDLE}\n".encode(), NOW)
    resolution = resolve_latest(MASTER, store=opened(place), now=NOW)
    _locks[server] = make_lock(opened(place), resolution, deadline=Deadline(60))
    server.forget()


def outcome(command: str, fault: str, *, always: bool) -> str:
    """Run a command against a server with a fault, and say in a word what came of it.

    Returns:
        ``same``: nobody notices. ``told``: an answer that says with a warning what is missing. ``exit N``.
    """
    with GcsServer() as server:
        laid_out(server)
        truth = COMMANDS[command](store_of(server, attempts=FAST), server)
    with GcsServer() as server:
        laid_out(server)
        before = marker_body(server)
        server.fail(FAULTS[fault], times=None, when=None if always else EachOnce())
        is_slow = fault.startswith(("stall", "one byte"))
        try:
            found = COMMANDS[command](store_of(server, attempts=HASTY if is_slow else FAST), server)
        except KopsVersionError as error:
            # A marker stays, or is said to have been written perhaps.
            is_honest = marker_body(server) == before or "may have been written" in str(error)
            return f"exit {error.exit_code}" if is_honest else f"a marker that was written: {error}"
        finally:
            _locks.pop(server, None)
        return _word(found, truth)


def _word(found: Result, truth: Result) -> str:
    if found.answer == truth.answer and found.warnings <= truth.warnings:
        return "same"
    assert found.warnings - truth.warnings, (found, truth)
    return "told"


def read_table(text: str) -> Mapping[str, Mapping[str, str]]:
    """Read a table: the outcome, by the fault and then by the command."""
    head, *lines = (re.split(" {2,}", line) for line in text.strip().splitlines())
    assert tuple(head[1:]) == tuple(COMMANDS)
    return {name: dict(zip(head[1:], cells, strict=True)) for name, *cells in lines}


ONCE = """
fault                             resolve    list       check      promote    --fetch    --lock     --from-lock
408                               same       same       same       same       same       same       same
429                               same       same       same       same       same       same       same
429 with Retry-After              same       same       same       same       same       same       same
500                               same       same       same       same       same       same       same
502 with an HTML body             same       same       same       same       same       same       same
503                               same       same       same       same       same       same       same
503 with Retry-After              same       same       same       same       same       same       same
504                               same       same       same       same       same       same       same
204                               exit 4     exit 4     told       exit 4     exit 4     exit 4     exit 4
401                               exit 4     exit 4     exit 4     exit 4     exit 4     exit 4     exit 4
403                               exit 4     exit 4     exit 4     exit 4     exit 4     exit 4     exit 4
404                               exit 4     exit 4     told       exit 4     exit 5     exit 5     exit 4
reset before the headers          same       same       same       same       same       same       same
reset before the body             same       same       same       same       same       same       same
reset during the body             same       same       same       same       same       same       same
hangup before the headers         same       same       same       same       same       same       same
hangup during the body            same       same       same       same       same       same       same
hangup inside the headers         same       same       same       same       same       same       same
body without a length             same       same       same       same       same       same       same
half a body without a length      same       same       same       same       same       same       same
stall before the headers          same       same       same       same       same       same       same
stall during the body             same       same       same       same       same       same       same
one byte at a time                same       same       same       same       same       same       same
truncated gzip                    exit 4     exit 4     told       exit 4     exit 4     exit 4     exit 4
truncated body                    exit 4     exit 4     told       exit 4     exit 4     same       exit 4
truncated body with whole length  same       same       same       same       same       same       same
200 with an HTML page             exit 4     exit 4     told       exit 4     exit 4     same       exit 4
200 with an empty body            exit 4     exit 4     told       exit 4     exit 4     exit 4     exit 4
200 with binary                   exit 4     exit 4     told       exit 4     exit 4     same       exit 4
not HTTP                          same       same       same       same       same       same       same
repeated page token               exit 4     exit 4     told       exit 4     same       same       exit 4
endless empty pages               exit 4     exit 4     told       exit 4     same       same       exit 4
endless equal pages               exit 4     exit 4     told       exit 4     same       same       exit 4
repeated items                    same       same       same       same       same       same       same
redirect elsewhere                exit 4     exit 4     told       exit 4     exit 4     exit 4     exit 4
"""
"""The fault strikes the first answer to each request; asked again, the server tells the truth."""

ALWAYS = """
fault                             resolve    list       check      promote    --fetch    --lock     --from-lock
408                               exit 4     exit 4     told       exit 4     exit 4     exit 4     exit 4
429                               exit 4     exit 4     told       exit 4     exit 4     exit 4     exit 4
429 with Retry-After              exit 4     exit 4     told       exit 4     exit 4     exit 4     exit 4
500                               exit 4     exit 4     told       exit 4     exit 4     exit 4     exit 4
502 with an HTML body             exit 4     exit 4     told       exit 4     exit 4     exit 4     exit 4
503                               exit 4     exit 4     told       exit 4     exit 4     exit 4     exit 4
503 with Retry-After              exit 4     exit 4     told       exit 4     exit 4     exit 4     exit 4
504                               exit 4     exit 4     told       exit 4     exit 4     exit 4     exit 4
204                               exit 4     exit 4     told       exit 4     exit 4     exit 4     exit 4
401                               exit 4     exit 4     exit 4     exit 4     exit 4     exit 4     exit 4
403                               exit 4     exit 4     exit 4     exit 4     exit 4     exit 4     exit 4
404                               exit 4     exit 4     told       exit 4     exit 5     exit 5     exit 4
reset before the headers          exit 4     exit 4     told       exit 4     exit 4     exit 4     exit 4
reset before the body             exit 4     exit 4     told       exit 4     exit 4     exit 4     exit 4
reset during the body             exit 4     exit 4     told       exit 4     exit 4     exit 4     exit 4
hangup before the headers         exit 4     exit 4     told       exit 4     exit 4     exit 4     exit 4
hangup during the body            exit 4     exit 4     told       exit 4     exit 4     exit 4     exit 4
hangup inside the headers         exit 4     exit 4     told       exit 4     exit 4     exit 4     exit 4
body without a length             same       same       same       same       same       same       same
half a body without a length      exit 4     exit 4     told       exit 4     exit 4     exit 4     exit 4
stall before the headers          exit 4     exit 4     told       exit 4     exit 4     exit 4     exit 4
stall during the body             exit 4     exit 4     told       exit 4     exit 4     exit 4     exit 4
one byte at a time                exit 4     exit 4     told       exit 4     exit 4     exit 4     exit 4
truncated gzip                    exit 4     exit 4     told       exit 4     exit 4     exit 4     exit 4
truncated body                    exit 4     exit 4     told       exit 4     exit 4     exit 4     exit 4
truncated body with whole length  exit 4     exit 4     told       exit 4     exit 4     exit 4     exit 4
200 with an HTML page             exit 4     exit 4     told       exit 4     exit 5     exit 5     exit 4
200 with an empty body            exit 4     exit 4     told       exit 4     exit 4     exit 4     exit 4
200 with binary                   exit 4     exit 4     told       exit 4     exit 5     exit 5     exit 4
not HTTP                          exit 4     exit 4     told       exit 4     exit 4     exit 4     exit 4
repeated page token               exit 4     exit 4     told       exit 4     same       same       exit 4
endless empty pages               exit 4     exit 4     told       exit 4     same       same       exit 4
endless equal pages               exit 4     exit 4     told       exit 4     same       same       exit 4
repeated items                    same       same       same       same       same       same       same
redirect elsewhere                exit 4     exit 4     told       exit 4     exit 4     exit 4     exit 4
"""
"""The fault strikes every answer."""

MEANINGS = {
    "same": "The answer of a server without faults; nobody notices. For `promote`, the marker is written.",
    "told": "An answer that says with a warning, or as a finding, what could not be read.",
    "exit 4": "The store is said to have failed. A marker is left as it was, or said to have been written perhaps.",
    "exit 5": "The build is said not to be whole, because that is what the server says of its checksums.",
}
"""What the cells mean to who runs the command."""
