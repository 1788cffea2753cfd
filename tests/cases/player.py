"""Small buckets written down as text, laid out as directories and asked through the command line.

A ``.case`` file is one bucket and the questions that were asked of it:

====================================  ==========================================================================
``# …``                               what it is about, and why the answer is the right one
``build VERSION TIME [without …]``    a complete build of August 2026, all its files uploaded at that time
``touch VERSION/PATH TIME``           that file was uploaded again
``marker REF/NAME TEXT TIME``         a marker; a version stands for its URL in the store, ``body:`` is literal
``object NAME TIME``                  any other object below the root
``now TIME``                          the moment of the questions below
``ask CHANNEL [--option …] => WHAT``  a version, ``refused``, or ``right-or-warned VERSION``
``warns CODE …`` · ``silent``         after an ``ask``: one of these must be a warning · there may be none
``never-says TEXT``                   after an ``ask``: that text is not on standard error
``check STATUS CHANNEL …``            the exit status of ``check``, and the channels that it calls unhealthy
====================================  ==========================================================================
"""

from __future__ import annotations

import json
import os
import shlex
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from attrs import Factory, define, frozen
from click.testing import CliRunner

from kopsversion.cli.resolve import resolve
from kopsversion.cli.toolbox import tools
from kopsversion.errors import InvalidVersionError
from kopsversion.model.version import BuildVersion
from tests.builders import ERA_2026

if TYPE_CHECKING:
    from pathlib import Path

    import click

WARNED_OF = frozenset(
    {
        "channel-ambiguous",
        "order-disputed",
        "marker-doubtful",
        "marker-wrong-channel",
        "marker-set-back",
        "clone-ambiguous",
        "clone-behind",
        "clone-disagrees",
    }
)
"""Warnings with which a wrong answer is not *silent* (DESIGN section 7)."""


@frozen
class Step:
    """One line after a ``now``: a question, or what is expected of the one before.

    Attributes:
        number: the line's, in its file.
        verb: its first word.
        rest: the rest of it.
    """

    number: int
    verb: str
    rest: str

    def __str__(self) -> str:
        return f"line {self.number}: {self.verb} {self.rest}"


@frozen(kw_only=True)
class Case:
    """A bucket and its questions.

    Attributes:
        name: the file's, without its ending.
        objects: by name, what each holds and when it was uploaded, UTC.
        steps: in the order of the file, those that set the moment among them.
    """

    name: str
    objects: dict[str, tuple[bytes, datetime]] = Factory(dict)
    steps: tuple[Step, ...] = ()

    def lay_out(self, directory: Path) -> None:
        """Make a directory that holds all this."""
        store = f"{directory.as_uri()}/"
        for name, (content, uploaded) in self.objects.items():
            path = directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.replace(b"STORE/", store.encode()))
            moment = int(uploaded.timestamp())
            os.utime(path, (moment, moment))


@frozen
class Asked:
    """What a command did."""

    status: int
    output: str
    errors: str


def read_case(path: Path) -> Case:
    """Read a ``.case`` file; a line that is none of the form is an error, so that no expectation is lost."""
    objects: dict[str, tuple[bytes, datetime]] = {}
    steps: list[Step] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        verb, _, rest = line.strip().partition(" ")
        if not verb or verb.startswith("#"):
            continue
        if verb in {"now", "ask", "warns", "silent", "never-says", "check"}:
            steps.append(Step(number, verb, rest.strip()))
        else:
            objects |= _objects(verb, rest.split(" "), held=objects)
    assert steps, f"{path.name} asks nothing"
    return Case(name=path.stem, objects=objects, steps=tuple(steps))


def _objects(
    verb: str, words: list[str], *, held: dict[str, tuple[bytes, datetime]]
) -> dict[str, tuple[bytes, datetime]]:
    if verb == "build":
        version, time, *without = words
        left_out = {path for path in without if path != "without"}
        assert left_out <= set(ERA_2026.paths), f"no such file in a build: {sorted(left_out)}"
        kept = [path for path in ERA_2026.paths if path not in left_out]
        return {f"{version}/{path}": (_content(path), _moment(time)) for path in kept}
    if verb == "touch":
        name, time = words
        content, _ = held[name]
        return {name: (content, _moment(time))}
    if verb == "marker":
        name, *text, time = words
        return {f"markers/{name}": (_body(" ".join(text)), _moment(time))}
    assert verb == "object", f"{verb} is no word of a case"
    name, time = words
    return {name: (b"x\n", _moment(time))}


def _content(path: str) -> bytes:
    return b"0" * 64 + b"\n" if path.endswith(".sha256") else b"x\n"


def _body(text: str) -> bytes:
    if text.startswith("body:"):
        return text.removeprefix("body:").encode()
    try:
        BuildVersion.parse(text)
    except InvalidVersionError:
        return f"{text}\n".encode()
    return f"STORE/{text}\n".encode()


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


# --------------------------------------------------------------------------------------------------
# Asking


@define
class Player:
    """Asks the questions of a case, and says what is not as it was written down.

    Attributes:
        directory: where the bucket is laid out.
        now: the moment of the questions.
        selector, options: of the last question.
        asked: what it brought.
    """

    directory: Path
    now: str = ""
    selector: str = ""
    options: tuple[str, ...] = ()
    asked: Asked = Asked(0, "", "")

    def play(self, case: Case) -> list[str]:
        """Return every expectation that did not come true, in words."""
        case.lay_out(self.directory)
        return [f"{step}: {fault}" for step in case.steps if (fault := self._step(step))]

    def _step(self, step: Step) -> str | None:
        match step.verb:
            case "now":
                self.now = step.rest
                return None
            case "ask":
                return self._ask(*step.rest.split(" => "))
            case "warns":
                return self._fault_unless(bool(self._warnings() & set(step.rest.split())))
            case "silent":
                return self._fault_unless(not self._warnings())
            case "never-says":
                return self._fault_unless(step.rest not in self.asked.errors)
            case _:
                status, *channels = step.rest.split()
                return self._check(int(status), set(channels))

    def _ask(self, question: str, wanted: str) -> str | None:
        self.selector, *options = shlex.split(question)
        self.options = tuple(options)
        self.asked = self._run(resolve, self.selector, *options, "-o", "version")
        version = self.asked.output.strip()
        if wanted == "refused":
            return None if self.asked.status == 1 else f"exit {self.asked.status}, {version}"
        kind, _, right = wanted.rpartition(" ")
        warned = kind == "right-or-warned" and bool(version) and bool(self._warnings() & WARNED_OF)
        return self._fault_unless(self.asked.status == 0 and (version == right or warned))

    def _fault_unless(self, fine: bool) -> str | None:  # noqa: FBT001 # the one thing that it is asked
        return None if fine else f"{self.asked.output.strip() or '(no answer)'}\n{self.asked.errors.strip()}"

    def _warnings(self) -> set[str]:
        """Return the codes of the last answer's conditions from warning on."""
        answer = self._run(resolve, self.selector, *self.options, "-o", "json")
        conditions: list[dict[str, Any]] = json.loads(answer.output)["conditions"] if answer.output else []
        return {each["code"] for each in conditions if each["severity"] != "info"}

    def _check(self, status: int, channels: set[str]) -> str | None:
        self.asked = self._run(tools, "check", "-o", "json")
        held = json.loads(self.asked.output)["channels"] if self.asked.output else []
        unhealthy = {each["channel"] for each in held if not each["healthy"]}
        if self.asked.status == status and channels <= unhealthy:
            return None
        return f"exit {self.asked.status}, unhealthy are {sorted(unhealthy)}"

    def _run(self, run: click.Command, *words: str) -> Asked:
        arguments = [*words, "--store", str(self.directory), "--as-of", self.now]
        # A variable of whoever runs the tests must not answer for the case.
        found = CliRunner(env={"NO_COLOR": "1"}).invoke(run, arguments)
        if found.exception is not None and not isinstance(found.exception, SystemExit):
            raise found.exception
        return Asked(found.exit_code, found.stdout, found.stderr)
