"""What every command makes of every fault: FAILURES rows 15, 19, 39 and 40, over a table of commands.

Each fault strikes the first answer to each request, or every answer. What is expected stands in `ONCE` and `ALWAYS`
below, and `tests.fault_expectations` writes it into `docs/reference/faults.md`.
"""

from __future__ import annotations

import re
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import evolve, field, frozen

from kopsversion.errors import KopsVersionError
from kopsversion.model.answer import RefusalKind, Severity
from kopsversion.model.channel import MASTER, Channel
from kopsversion.model.policy import Policy
from kopsversion.model.runs import Result, first_id
from kopsversion.model.version import BuildVersion
from kopsversion.publish.fetch import fetch_kops
from kopsversion.publish.lock import Lock, make_lock, verify_lock
from kopsversion.publish.promote import promote
from kopsversion.stores.deadline import Deadline
from kopsversion.workflows.between import list_between
from kopsversion.workflows.bisect import plan_bisection
from kopsversion.workflows.find import find_build
from kopsversion.workflows.job_runs import list_jobs
from kopsversion.workflows.jobs import JobsQuestion
from kopsversion.workflows.latest import resolve_latest
from kopsversion.workflows.listing import list_channel
from kopsversion.workflows.survey import check_health
from tests.builders import HOUR, NOW
from tests.gcs_faults import FAULTS
from tests.gcs_server import KOPS_ROOT, GcsServer, Recorded
from tests.harness import ANCIENT, GREEN, MIDDLE, NEW, fill, opened
from tests.patience import longer, slower, slowness
from tests.prow import PIPELINE, Prow
from tests.scenes import FAST, store_of
from tests.stores.test_store_contract import ServerPlace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kopsversion.stores.base import AttemptPolicy, Store
    from kopsversion.workflows.listing import ChannelListing
    from tests.gcs_faults import Fault

TIMEOUT = 120.0
"""Seconds; no command here comes to it, on a busy machine either."""

HASTY = evolve(FAST, max_attempts=4, read=0.2, whole=0.4)
"""For faults that take time, and then are over: what is asked again must be answered in it."""

BRIEF = evolve(FAST, max_attempts=2, read=0.1, whole=0.2)
"""For faults that take time, and never end."""

PLATFORM = "linux/amd64"


@frozen
class Came:
    """What came of a command: the answer itself, and the codes of its warnings."""

    answer: object
    warnings: frozenset[str] = field(factory=frozenset)


def _codes(conditions: Any) -> frozenset[str]:
    return frozenset(each.code for each in conditions if each.severity >= Severity.WARNING)


def _resolve(store: Store, _server: GcsServer) -> Came:
    found = resolve_latest(MASTER, store=store, now=NOW, timeout=TIMEOUT)
    return Came(str(found.version), _codes(found.conditions))


def _list(store: Store, _server: GcsServer) -> Came:
    return _rows(list_channel(MASTER, store=store, now=NOW, timeout=TIMEOUT))


def _rows(found: ChannelListing) -> Came:
    rows = tuple((str(row.version), row.refusal is None) for row in found.rows)
    kinds = (row.refusal.kind for row in found.rows if row.refusal is not None)
    return Came(rows, _codes(found.conditions) | {kind for kind in kinds if kind is RefusalKind.UNREADABLE})


def _check(store: Store, _server: GcsServer) -> Came:
    found = check_health([MASTER], store=store, now=NOW, timeout=TIMEOUT)
    (health,) = found.channels
    conditions = [*found.conditions, *(finding.condition for finding in health.findings)]
    return Came(str(health.testable and health.testable.version), _codes(conditions))


def _promote(store: Store, server: GcsServer) -> Came:
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
    return Came(marker_body(server))


def _fetch(store: Store, _server: GcsServer) -> Came:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "kops")
        fetch_kops(store, BuildVersion.parse(NEW), platform=PLATFORM, path=path)
        return Came(path.read_bytes())


def _lock(store: Store, server: GcsServer) -> Came:
    return Came(make_lock(store, _true_lock(server).resolution, deadline=Deadline(TIMEOUT)).binaries)


def _from_lock(store: Store, server: GcsServer) -> Came:
    verify_lock(store, _true_lock(server), now=NOW, deadline=Deadline(TIMEOUT))
    return Came(None)


def _find(store: Store, _server: GcsServer) -> Came:
    found = find_build(MIDDLE, store=store, now=NOW, timeout=TIMEOUT)
    return Came((str(found.version), len(found.refused)), _codes(found.conditions))


def _bisect(store: Store, _server: GcsServer) -> Came:
    found = plan_bisection(ANCIENT, NEW, store=store, now=NOW, timeout=TIMEOUT)
    return Came([str(build.version) for build in found.builds], _codes(found.conditions))


def _between(store: Store, _server: GcsServer) -> Came:
    return _rows(list_between(ANCIENT, NEW, store=store, now=NOW, timeout=TIMEOUT))


def _jobs(store: Store, _server: GcsServer) -> Came:
    found = list_jobs([PIPELINE], question=JobsQuestion(place=store), now=NOW, timeout=TIMEOUT)
    (job,) = found.jobs
    results = {run.result for run in job.runs if run.result is Result.UNKNOWN}
    return Came([(run.id, run.result, str(run.tested)) for run in job.runs], frozenset(results))


COMMANDS: Mapping[str, Callable[[Store, GcsServer], Came]] = {
    "resolve": _resolve,
    "list": _list,
    "check": _check,
    "promote": _promote,
    "--fetch": _fetch,
    "--lock": _lock,
    "--from-lock": _from_lock,
    "find": _find,
    "bisect": _bisect,
    "list A..B": _between,
    "jobs": _jobs,
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


HANGING = {
    "the marker": GREEN,
    "the files of the newest build": f"{NEW}/",
    "the files of an older build": f"{MIDDLE}/",
    "a checksum": f"{NEW}/{PLATFORM}/kops.sha256",
    "a binary": f"{NEW}/{PLATFORM}/kops",
    "a result of a job": f"{first_id(NOW - 2 * HOUR)}/finished.json",
}
"""What may hang, and how the names end that are asked for then."""


def laid_out(server: GcsServer) -> None:
    """Put builds with true checksums there, and a marker that names one before the newest."""
    place = ServerPlace(server, KOPS_ROOT)
    fill(place)
    place.add(GREEN, f"{MIDDLE}\n".encode(), NOW)
    runs = Prow(lambda name, data, at: place.add(name, data, at))
    for age in (3, 2):
        runs.run(PIPELINE, NOW - age * HOUR, tested=NEW)
    resolution = resolve_latest(MASTER, store=opened(place), now=NOW)
    _locks[server] = make_lock(opened(place), resolution, deadline=Deadline(60))
    server.forget()


@cache
def _truth(command: str) -> Came:
    """Run a command against a server without faults."""
    with GcsServer() as server:
        laid_out(server)
        return COMMANDS[command](store_of(server, attempts=FAST), server)


def outcome(command: str, fault: str, *, always: bool) -> str:
    """Run a command against a server with a fault, and say in a word what came of it.

    Returns:
        ``same``: nobody notices. ``told``: an answer that says with a warning what is missing. ``exit N``.
    """
    is_slow = fault.startswith(("stall", "one byte"))
    slow = slowness() if is_slow else 1
    attempts = FAST if not is_slow else longer(BRIEF if always else HASTY, slow)
    return _came_of(
        command, slower(FAULTS[fault], slow), when=None if always else EachOnce(), attempts=attempts
    )


def outcome_of_hanging(command: str, what: str) -> str:
    """Run a command against a server on which one thing is never answered, and say in a word what came of it."""
    end = HANGING[what]
    return _came_of(
        command,
        FAULTS["stall before the headers"],
        when=lambda request: request.name.endswith(end),
        attempts=longer(BRIEF, slowness()),
        named=end,
    )


def _came_of(
    command: str,
    fault: Fault,
    *,
    when: Callable[[Recorded], bool] | None,
    attempts: AttemptPolicy,
    named: str = "",
) -> str:
    truth = _truth(command)
    with GcsServer() as server:
        laid_out(server)
        before = marker_body(server)
        server.fail(fault, times=None, when=when)
        try:
            found = COMMANDS[command](store_of(server, attempts=attempts), server)
        except KopsVersionError as error:
            said = " ".join((str(error), *error.reasons))
            # A marker stays, or is said to have been written perhaps.
            is_honest = marker_body(server) == before or "may have been written" in said
            return f"exit {error.exit_code}" if is_honest and named in said else f"not the truth: {said}"
        finally:
            _locks.pop(server, None)
        return _word(found, truth)


def _word(found: Came, truth: Came) -> str:
    if found.answer == truth.answer and found.warnings <= truth.warnings:
        return "same"
    assert found.warnings - truth.warnings, (found, truth)
    return "told"


Table = dict[str, dict[str, str]]
"""The outcome, by the fault and then by the command."""


def read_table(*texts: str) -> Table:
    """Read the parts of a table, each of which has some of the commands."""
    table: Table = {}
    for text in texts:
        head, *lines = (re.split(" {2,}", line) for line in text.strip().splitlines())
        for name, *cells in lines:
            table.setdefault(name, {}).update(zip(head[1:], cells, strict=True))
    return table


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

ONCE_IN_THE_PAST = """
fault                             find       bisect     list A..B  jobs
408                               same       same       same       same
429                               same       same       same       same
429 with Retry-After              same       same       same       same
500                               same       same       same       same
502 with an HTML body             same       same       same       same
503                               same       same       same       same
503 with Retry-After              same       same       same       same
504                               same       same       same       same
204                               exit 4     exit 4     exit 4     exit 4
401                               exit 4     exit 4     exit 4     exit 4
403                               exit 4     exit 4     exit 4     exit 4
404                               exit 4     exit 4     exit 4     exit 4
reset before the headers          same       same       same       same
reset before the body             same       same       same       same
reset during the body             same       same       same       same
hangup before the headers         same       same       same       same
hangup during the body            same       same       same       same
hangup inside the headers         same       same       same       same
body without a length             same       same       same       same
half a body without a length      same       same       same       same
stall before the headers          same       same       same       same
stall during the body             same       same       same       same
one byte at a time                same       same       same       same
truncated gzip                    exit 4     exit 4     exit 4     exit 4
truncated body                    exit 4     exit 4     exit 4     exit 4
truncated body with whole length  same       same       same       same
200 with an HTML page             exit 4     exit 4     exit 4     exit 4
200 with an empty body            exit 4     exit 4     exit 4     exit 4
200 with binary                   exit 4     exit 4     exit 4     exit 4
not HTTP                          same       same       same       same
repeated page token               exit 4     exit 4     exit 4     exit 4
endless empty pages               exit 4     exit 4     exit 4     exit 4
endless equal pages               exit 4     exit 4     exit 4     exit 4
repeated items                    same       same       same       same
redirect elsewhere                exit 4     exit 4     exit 4     exit 4
"""
"""The same of the commands that look back."""

ALWAYS_IN_THE_PAST = """
fault                             find       bisect     list A..B  jobs
408                               exit 4     exit 4     exit 4     exit 4
429                               exit 4     exit 4     exit 4     exit 4
429 with Retry-After              exit 4     exit 4     exit 4     exit 4
500                               exit 4     exit 4     exit 4     exit 4
502 with an HTML body             exit 4     exit 4     exit 4     exit 4
503                               exit 4     exit 4     exit 4     exit 4
503 with Retry-After              exit 4     exit 4     exit 4     exit 4
504                               exit 4     exit 4     exit 4     exit 4
204                               exit 4     exit 4     exit 4     exit 4
401                               exit 4     exit 4     exit 4     exit 4
403                               exit 4     exit 4     exit 4     exit 4
404                               exit 4     exit 4     exit 4     exit 4
reset before the headers          exit 4     exit 4     exit 4     exit 4
reset before the body             exit 4     exit 4     exit 4     exit 4
reset during the body             exit 4     exit 4     exit 4     exit 4
hangup before the headers         exit 4     exit 4     exit 4     exit 4
hangup during the body            exit 4     exit 4     exit 4     exit 4
hangup inside the headers         exit 4     exit 4     exit 4     exit 4
body without a length             same       same       same       same
half a body without a length      exit 4     exit 4     exit 4     exit 4
stall before the headers          exit 4     exit 4     exit 4     exit 4
stall during the body             exit 4     exit 4     exit 4     exit 4
one byte at a time                exit 4     exit 4     exit 4     exit 4
truncated gzip                    exit 4     exit 4     exit 4     exit 4
truncated body                    exit 4     exit 4     exit 4     exit 4
truncated body with whole length  exit 4     exit 4     exit 4     exit 4
200 with an HTML page             exit 4     exit 4     exit 4     exit 4
200 with an empty body            exit 4     exit 4     exit 4     exit 4
200 with binary                   exit 4     exit 4     exit 4     exit 4
not HTTP                          exit 4     exit 4     exit 4     exit 4
repeated page token               exit 4     exit 4     exit 4     exit 4
endless empty pages               exit 4     exit 4     exit 4     exit 4
endless equal pages               exit 4     exit 4     exit 4     exit 4
repeated items                    same       same       same       same
redirect elsewhere                exit 4     exit 4     exit 4     exit 4
"""
"""The same of the commands that look back."""

MEANINGS = {
    "same": "The answer of a server without faults; nobody notices. For `promote`, the marker is written.",
    "told": "An answer that says with a warning, or as a finding, what could not be read.",
    "exit 4": "The store is said to have failed. A marker is left as it was, or said to have been written perhaps.",
    "exit 5": "The build is said not to be whole, because that is what the server says of its checksums.",
}
"""What the cells mean to who runs the command."""

TABLES: Mapping[str, Table] = {
    "first answer to each request": read_table(ONCE, ONCE_IN_THE_PAST),
    "every answer": read_table(ALWAYS, ALWAYS_IN_THE_PAST),
}
"""What is expected, by which answers the fault strikes."""

HANGS = read_table(
    """
what hangs                        resolve    list       check      promote    --fetch    --lock     --from-lock
the marker                        told       same       told       exit 4     same       same       same
the files of the newest build     told       told       same       exit 4     same       same       exit 4
the files of an older build       same       told       same       same       same       same       same
a checksum                        same       same       same       same       exit 4     exit 4     exit 4
a binary                          same       same       same       same       exit 4     same       same
a result of a job                 same       same       same       same       same       same       same
""",
    """
what hangs                        find       bisect     list A..B  jobs
the marker                        same       same       same       same
the files of the newest build     same       same       told       same
the files of an older build       exit 4     same       told       same
a checksum                        same       same       same       same
a binary                          same       same       same       same
a result of a job                 same       same       same       told
""",
)
"""What is expected where one thing is never answered: the error names it."""
