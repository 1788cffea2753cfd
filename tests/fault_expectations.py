"""What is expected of every fault at every kind of request: the fault matrix, as data.

The two tables below are the parameter list of `tests.workflows.test_fault_matrix`, and `docs/reference/faults.md` is
written from them; to write it anew: ``python -m tests.fault_expectations``. A cell says which answer comes out, and
`OUTCOMES` what that means to a program that reads it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Literal

from attrs import evolve, field, frozen

from kopsversion.errors import StoreUnavailableError
from kopsversion.model.answer import Rung, Severity, Source
from kopsversion.model.channel import BRANCH_MARKER, GREEN_MARKER, MASTER
from tests import fault_commands
from tests.builders import alpha
from tests.gcs_faults import FAULTS, Fault
from tests.gcs_server import Kind, Recorded
from tests.scenes import CUT, PLAIN, Scene

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "faults.md"

WARNING = Severity.WARNING

# --------------------------------------------------------------------------------------------------
# Columns: the kinds of request


def _any(_: Recorded) -> bool:
    return True


@frozen(kw_only=True)
class Column:
    """A kind of request, and a bucket that makes it matter.

    Attributes:
        title: its name in the tables.
        meaning: what is asked for.
        scene: what the bucket holds. Whatever it is, master is asked for.
        kind: of the requests that are hit.
        when: which of them.
        page_size: names on a page.
    """

    title: str
    meaning: str
    scene: Scene
    kind: Kind
    when: Callable[[Recorded], bool] = field(default=_any)
    page_size: int = 1000


LAGGING = evolve(PLAIN, markers={**PLAIN.markers, (MASTER, GREEN_MARKER): alpha(4)})
"""Green names the build before the newest, which waits for an hour: the answer is green's build."""

COLUMNS = (
    Column(title="majors", meaning="the majors", scene=LAGGING, kind=Kind.MAJORS),
    Column(title="minors", meaning="the minors of a major", scene=LAGGING, kind=Kind.MINORS),
    Column(title="builds", meaning="the builds of the newest minor", scene=LAGGING, kind=Kind.BUILDS),
    Column(
        title="page 2",
        meaning="the second page of these builds",
        scene=LAGGING,
        kind=Kind.BUILDS,
        when=lambda request: "pageToken" in request.query,
        page_size=3,
    ),
    Column(
        title="uploads",
        meaning="when the builds of a minor were uploaded, at a branch cut",
        scene=CUT,
        kind=Kind.UPLOADS,
    ),
    Column(
        title="objects",
        meaning="the files of builds, of which green names the newest",
        scene=PLAIN,
        kind=Kind.OBJECTS,
    ),
    Column(
        title="newer",
        meaning="the files of the build that is newer than green's",
        scene=LAGGING,
        kind=Kind.OBJECTS,
        when=lambda request: alpha(5) in request.name,
    ),
    Column(
        title="marker",
        meaning="the green marker, which decides; latest-ci.txt comes after it",
        scene=LAGGING,
        kind=Kind.MARKER,
        when=lambda request: request.name.endswith(GREEN_MARKER),
    ),
    Column(
        title="other",
        meaning="the marker of the other branch, at a branch cut",
        scene=CUT,
        kind=Kind.MARKER,
        when=lambda request: request.name.endswith(f"release-1.29/{BRANCH_MARKER}"),
    ),
)

# --------------------------------------------------------------------------------------------------
# Outcomes: what the cells say


@frozen(kw_only=True)
class Answer:
    """An answer, compared with that of the same bucket without a fault.

    Attributes:
        meaning: what a reader makes of it.
        build: which build: that of the whole bucket, the newest testable one, or the one before that.
        source: what it is taken from.
        rung: how much of the store could be asked.
        told: what is said besides, by code.
    """

    meaning: str
    build: Literal["whole", "newest", "next"]
    source: Source
    rung: Rung
    told: Mapping[str, Severity] = field(factory=dict)


@frozen(kw_only=True)
class Refused:
    """No answer.

    Attributes:
        meaning: what a reader makes of it.
        error: what is raised.
        exit_code: of the command.
    """

    meaning: str
    error: type[StoreUnavailableError] = StoreUnavailableError
    exit_code: int = 4


OUTCOMES: Mapping[str, Answer | Refused] = {
    "full": Answer(
        meaning="The answer of the whole bucket; nobody notices.",
        build="whole",
        source=Source.MARKER,
        rung=Rung.FULL,
    ),
    "marker": Answer(
        meaning="The marker's build, verified by its own files. That it is not stale is not known.",
        build="whole",
        source=Source.MARKER,
        rung=Rung.MARKER,
        told={"listing-unavailable": WARNING, "marker-unverified": WARNING},
    ),
    "second": Answer(
        meaning="The build of latest-ci.txt, the next marker that is trusted.",
        build="newest",
        source=Source.MARKER,
        rung=Rung.FULL,
        told={"marker-unreachable": WARNING},
    ),
    "missing": Answer(
        meaning="The build of latest-ci.txt: that there is no green marker is an answer too.",
        build="newest",
        source=Source.MARKER,
        rung=Rung.FULL,
        told={"marker-missing": WARNING},
    ),
    "malformed": Answer(
        meaning="The build of latest-ci.txt: what came is what the green marker holds, and that is no version.",
        build="newest",
        source=Source.MARKER,
        rung=Rung.FULL,
        told={"marker-malformed": WARNING},
    ),
    "next": Answer(
        meaning="The next newest testable build, because whether the newest is complete is not known.",
        build="next",
        source=Source.NEWEST,
        rung=Rung.LISTING,
        told={"builds-refused": WARNING, "marker-unreachable": WARNING},
    ),
    "unsure": Answer(
        meaning="The marker's build, although a newer one could not be examined, which may make the marker stale.",
        build="whole",
        source=Source.MARKER,
        rung=Rung.MARKER,
        told={
            "builds-refused": WARNING,
            "marker-unverified": WARNING,
        },
    ),
    "checksums": Answer(
        meaning="The same build, but only the checksums of its binaries prove it: its images may be missing.",
        build="whole",
        source=Source.MARKER,
        rung=Rung.FULL,
        told={"listing-unavailable": WARNING},
    ),
    "untimed": Answer(
        meaning="The same build, with a warning that without upload times the branches are hard to tell apart.",
        build="whole",
        source=Source.MARKER,
        rung=Rung.FULL,
        told={"listing-unavailable": WARNING, "channel-ambiguous": WARNING},
    ),
    "less": Answer(
        meaning="The same build, with warnings that the other branch's marker could not be read, and what is in doubt.",
        build="whole",
        source=Source.MARKER,
        rung=Rung.FULL,
        told={"marker-unreachable": WARNING, "channel-ambiguous": WARNING},
    ),
    "doubtful": Answer(
        meaning="The same build, with a warning that newer ones may be the branch's, too.",
        build="whole",
        source=Source.MARKER,
        rung=Rung.FULL,
        told={"channel-ambiguous": WARNING},
    ),
    "garbled": Answer(
        meaning="The same build, with warnings that the other branch's marker holds no version, and what is in doubt.",
        build="whole",
        source=Source.MARKER,
        rung=Rung.FULL,
        told={"marker-malformed": WARNING, "channel-ambiguous": WARNING},
    ),
    "exit 4": Refused(meaning="No answer: what was tried is told, and the last good answer may stand in."),
}

# --------------------------------------------------------------------------------------------------
# The tables

REFUSED = "connection refused"
"""A fault of the network; the test sends the request to a port at which nothing listens."""

WRONG_SHAPE = "200 with JSON of the wrong shape"
SHAPES = (
    "null",
    "a list",
    "items is a text",
    "a name is a number",
    "a page token is a number",
    "an error inside 200",
)
"""Those of `tests.gcs_faults.WRONG_SHAPES` that stand for all here; a listing is tested with each of them elsewhere."""

ONCE = """
fault                             majors   minors   builds   page 2   uploads  objects    newer    marker     other
408                               full     full     full     full     full     full       full     full       full
429                               full     full     full     full     full     full       full     full       full
429 with Retry-After              full     full     full     full     full     full       full     full       full
500                               full     full     full     full     full     full       full     full       full
502 with an HTML body             full     full     full     full     full     full       full     full       full
503                               full     full     full     full     full     full       full     full       full
503 with Retry-After              full     full     full     full     full     full       full     full       full
504                               full     full     full     full     full     full       full     full       full
connection refused                full     full     full     full     full     full       full     full       full
reset before the headers          full     full     full     full     full     full       full     full       full
reset before the body             full     full     full     full     full     full       full     full       full
reset during the body             full     full     full     full     full     full       full     full       full
hangup before the headers         full     full     full     full     full     full       full     full       full
hangup during the body            full     full     full     full     full     full       full     full       full
hangup inside the headers         full     full     full     full     full     full       full     full       full
body without a length             full     full     full     full     full     full       full     full       full
half a body without a length      full     full     full     full     full     full       full     full       full
stall before the headers          full     full     full     full     full     full       full     full       full
stall during the body             full     full     full     full     full     full       full     full       full
one byte at a time                full     full     full     full     full     full       full     full       full
not HTTP                          full     full     full     full     full     full       full     full       full
truncated body with whole length  full     full     full     full     full     full       full     full       full
truncated body                    marker   marker   marker   marker   untimed  next       unsure   full       full
truncated gzip                    marker   marker   marker   marker   untimed  next       unsure   second     less
204                               marker   marker   marker   marker   untimed  next       unsure   second     less
401                               marker   marker   marker   marker   untimed  checksums  full     second     less
403                               marker   marker   marker   marker   untimed  checksums  full     second     less
404                               marker   marker   marker   marker   untimed  next       unsure   missing    doubtful
redirect elsewhere                marker   marker   marker   marker   untimed  next       unsure   second     less
200 with an HTML page             marker   marker   marker   marker   untimed  next       unsure   malformed  garbled
200 with an empty body            marker   marker   marker   marker   untimed  next       unsure   full       full
200 with binary                   marker   marker   marker   marker   untimed  next       unsure   malformed  garbled
200 with JSON of the wrong shape  marker   marker   marker   marker   untimed  next       unsure   malformed  garbled
repeated items                    full     full     full     full     full     full       full     full       full
repeated page token               full     full     full     marker   full     full       full     full       full
endless empty pages               full     full     full     marker   full     full       full     full       full
endless equal pages               full     full     full     marker   full     full       full     full       full
"""
"""The fault happens once, and then everything is fine."""

ALWAYS = """
fault                             majors   minors   builds   page 2   uploads  objects    newer    marker     other
408                               marker   marker   marker   marker   untimed  exit 4     unsure   second     less
429                               marker   marker   marker   marker   untimed  exit 4     unsure   second     less
429 with Retry-After              marker   marker   marker   marker   untimed  exit 4     unsure   second     less
500                               marker   marker   marker   marker   untimed  exit 4     unsure   second     less
502 with an HTML body             marker   marker   marker   marker   untimed  exit 4     unsure   second     less
503                               marker   marker   marker   marker   untimed  exit 4     unsure   second     less
503 with Retry-After              marker   marker   marker   marker   untimed  exit 4     unsure   second     less
504                               marker   marker   marker   marker   untimed  exit 4     unsure   second     less
connection refused                marker   marker   marker   marker   untimed  exit 4     unsure   second     less
reset before the headers          marker   marker   marker   marker   untimed  exit 4     unsure   second     less
reset before the body             marker   marker   marker   marker   untimed  exit 4     unsure   second     less
reset during the body             marker   marker   marker   marker   untimed  exit 4     unsure   second     less
hangup before the headers         marker   marker   marker   marker   untimed  exit 4     unsure   second     less
hangup during the body            marker   marker   marker   marker   untimed  exit 4     unsure   second     less
hangup inside the headers         marker   marker   marker   marker   untimed  exit 4     unsure   second     less
body without a length             full     full     full     full     full     full       full     full       full
half a body without a length      marker   marker   marker   marker   untimed  exit 4     unsure   second     less
stall before the headers          marker   marker   marker   marker   untimed  exit 4     unsure   second     less
stall during the body             marker   marker   marker   marker   untimed  exit 4     unsure   second     less
one byte at a time                marker   marker   marker   marker   untimed  exit 4     unsure   second     less
not HTTP                          marker   marker   marker   marker   untimed  exit 4     unsure   second     less
truncated body with whole length  marker   marker   marker   marker   untimed  exit 4     unsure   second     less
truncated body                    marker   marker   marker   marker   untimed  exit 4     unsure   second     less
truncated gzip                    marker   marker   marker   marker   untimed  exit 4     unsure   second     less
204                               marker   marker   marker   marker   untimed  exit 4     unsure   second     less
401                               marker   marker   marker   marker   untimed  checksums  full     second     less
403                               marker   marker   marker   marker   untimed  checksums  full     second     less
404                               marker   marker   marker   marker   untimed  exit 4     unsure   missing    doubtful
redirect elsewhere                marker   marker   marker   marker   untimed  exit 4     unsure   second     less
200 with an HTML page             marker   marker   marker   marker   untimed  exit 4     unsure   malformed  garbled
200 with an empty body            marker   marker   marker   marker   untimed  exit 4     unsure   second     less
200 with binary                   marker   marker   marker   marker   untimed  exit 4     unsure   malformed  garbled
200 with JSON of the wrong shape  marker   marker   marker   marker   untimed  exit 4     unsure   malformed  garbled
repeated items                    full     full     full     full     full     full       full     full       full
repeated page token               full     marker   marker   marker   untimed  exit 4     unsure   full       full
endless empty pages               marker   marker   marker   marker   untimed  exit 4     unsure   full       full
endless equal pages               full     marker   marker   marker   untimed  exit 4     unsure   full       full
"""
"""The fault happens whenever such a request comes."""

Table = Mapping[str, Mapping[str, str]]


def read_table(text: str) -> Table:
    """Read a table: the outcome's name, by the fault's and then by the column's."""
    head, *lines = (re.split(" {2,}", line) for line in text.strip().splitlines())
    assert tuple(head[1:]) == tuple(column.title for column in COLUMNS)
    return {name: dict(zip(head[1:], cells, strict=True)) for name, *cells in lines}


@frozen(kw_only=True)
class Case:
    """One cell of a table.

    Attributes:
        name: the fault's name.
        fault: what happens; ``None`` where the connection is refused.
        column: to which requests.
        always: whether it happens to all of them or once.
        outcome: the name of what is expected.
    """

    name: str
    fault: Fault | None
    column: Column
    always: bool
    outcome: str

    def __str__(self) -> str:
        return f"{self.name} - {self.column.title} - {'always' if self.always else 'once'}"


def cases() -> Iterator[Case]:
    """Every cell of both tables; a wrong shape stands for several."""
    for always, text in ((False, ONCE), (True, ALWAYS)):
        for name, cells in read_table(text).items():
            for found, fault in _faults(name):
                for column in COLUMNS:
                    yield Case(
                        name=found, fault=fault, column=column, always=always, outcome=cells[column.title]
                    )


def _faults(name: str) -> Iterator[tuple[str, Fault | None]]:
    if name == REFUSED:
        yield name, None
    elif name == WRONG_SHAPE:
        for shape in SHAPES:
            yield f"{name}: {shape}", FAULTS[f"{name}: {shape}"]
    else:
        yield name, FAULTS[name]


# --------------------------------------------------------------------------------------------------
# The page

_INTRODUCTION = """\
# Faults, and what comes of them

What every command answers when the store fails: a table for whoever has to know it exactly. What to do about it is on
[when the bucket is down](../howto/outage.md).

The question is for master, with the default policy. Each row is a fault. Each column is a kind of request that meets
it, as listed under [requests](#requests); all other requests are answered as they should be. Each cell names an
[answer](#answers). A request is retried only where that can help: after 408, 429, 500, 502, 503, 504, and when the
connection fails, breaks off or is too slow. Everything else fails at once.

Three rules decide what is in the cells:

- A part of a listing is never taken for the whole: a page that cannot be read fails the listing.
- An answer that may not be that of the whole bucket says so, by its rung (`rung` in the JSON form) or by a
  condition of severity `warning`; with `--strict` the exit status is then 3.
- A marker that is not found does not exist: that is an answer of the store and not a fault.

The page is made of `tests/fault_expectations.py`, which also holds the parameters of
`tests/workflows/test_fault_matrix.py`: every cell is tested. `make docs` writes it anew.
"""


_COMMANDS = """\
## Every command

The same faults in every command, at whatever it asks, written from `tests/fault_commands.py`. `promote` moves a marker
from an older build to the newest; `--fetch`, `--lock` and `--from-lock` are options of `resolve`; `bisect` plans, as
with `--dry-run`.
"""


def page() -> str:
    """Write the page."""
    parts = [
        _INTRODUCTION,
        "## Requests",
        _list({column.title: f"asks for {column.meaning}" for column in COLUMNS}),
    ]
    parts += ["## The fault happens once", _markdown(read_table(ONCE))]
    parts += ["## The fault happens always", _markdown(read_table(ALWAYS))]
    parts += [
        "## Answers",
        "Conditions are compared with those of the same bucket without a fault.",
        _outcomes(),
        _COMMANDS,
        _list(fault_commands.MEANINGS),
    ]
    for title, table in fault_commands.TABLES.items():
        parts += [f"### The fault meets the {title}", _markdown(table)]
    parts += ["### One thing never gets an answer", _markdown(fault_commands.HANGS, head="what hangs")]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _list(entries: Mapping[str, str]) -> str:
    return "\n".join(f"- **{name}** {text}" for name, text in entries.items())


def _markdown(table: Table, *, head: str = "fault") -> str:
    titles = [head, *next(iter(table.values()))]
    rows = [titles, ["---"] * len(titles), *([name, *cells.values()] for name, cells in table.items())]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _outcomes() -> str:
    rows = [["cell", "build", "rung", "besides", "what it means"], ["---"] * 5]
    for name, outcome in OUTCOMES.items():
        if isinstance(outcome, Refused):
            rows.append([name, "none", "", f"`{outcome.error.__name__}`", outcome.meaning])
        else:
            told = ", ".join(f"`{code}` ({severity})" for code, severity in outcome.told.items())
            build = {"whole": "that of the whole bucket", "newest": "the newest", "next": "the next newest"}
            rows.append([name, build[outcome.build], f"`{outcome.rung}`", told or "nothing", outcome.meaning])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


if __name__ == "__main__":
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(page(), encoding="utf-8")
