"""The state file of a bisection: what is searched and what was found so far (DESIGN section 14).

It is written whole after each test, so that the same command goes on where it was, whatever ended it. It is locked as
long as a bisection uses it. What it holds is checked like any other input. This module must not know which build is
tested next.
"""

from __future__ import annotations

import json
import os
from contextlib import ExitStack, contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from kopsversion.errors import KopsVersionError, UsageError, quoted
from kopsversion.files import locked, read_limited, reason_of, write_whole
from kopsversion.model.channel import Attribution, Certainty, Channel, Witness
from kopsversion.model.codec import condition_fields, read_condition
from kopsversion.model.values import frozen
from kopsversion.model.version import BuildVersion
from kopsversion.rules.bisection import Plan, PlannedBuild
from kopsversion.rules.stepper import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

SCHEMA = 1
LIMIT = 16 << 20
"""Bytes of the largest file; a range of 5,000 builds has about 1 MB."""

_KIND = "kopsversion bisect"
_PRIVATE = 0o600
_MOST_STATUSES = 10_000

Asked = dict[str, Any]
"""What is asked, as JSON; a file is only used for the same question."""


@frozen(kw_only=True)
class TrialFinding:
    """What testing one build showed.

    >>> def tested(build):
    ...     return TrialFinding(outcome=Outcome.SKIP if build.version.distance == 2 else Outcome.BAD)
    >>> report = bisect(master_version(1), "newest", test=tested, store=store, now=NOW, assume_ends=True)
    >>> [build.version.distance for build in report.untested]
    [2]

    Attributes:
        outcome: whether it is good or bad, or why that is not known.
        statuses: the exit status of each run of the test.
        reason: why it could not be tested; empty if it could.
    """

    outcome: Outcome
    statuses: tuple[int, ...] = ()
    reason: str = ""


@frozen(kw_only=True)
class Progressed:
    """What a state file holds.

    Attributes:
        store: the URL of the store that holds the builds.
        plan: the builds that are searched.
        findings: what was found so far, by position in the plan.
    """

    store: str
    plan: Plan
    findings: Mapping[int, TrialFinding]


class BisectionState:
    """A state file, held by one bisection.

    Parameters:
        path: where it is; it need not exist.
        asked: what is asked; a file that answers something else is refused.
    """

    def __init__(self, path: Path, asked: Asked) -> None:
        self.path = path
        self._asked = asked

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep every other bisection from the file while the block runs.

        The lock is a file beside it, because the state file is replaced. It goes away with the block.

        Raises:
            UsageError: another bisection has it, or it cannot be made.
        """
        lock = self.path.with_name(f".{self.path.name}.lock")
        with ExitStack() as stack:
            self._enter(stack, lock)
            stack.callback(lock.unlink, missing_ok=True)
            yield

    def _enter(self, stack: ExitStack, lock: Path) -> None:
        while True:
            attempt = ExitStack()
            try:
                descriptor = attempt.enter_context(locked(lock, wait=self._give_up))
            except (OSError, ValueError) as error:
                raise self._unusable(f"it cannot be locked: {reason_of(error)}") from error
            if _is_still(lock, descriptor):
                stack.push(attempt)
                return
            attempt.close()  # the bisection that held it has just removed it: there is another one now, or none

    def _give_up(self) -> None:
        raise UsageError(
            f"another bisection is using the state file {quoted(str(self.path))}",
            hint="wait for it to end, or give each bisection a file of its own",
        )

    def read(self) -> Progressed | None:
        """Return what was found so far; ``None`` where there is no file yet.

        Raises:
            UsageError: it is damaged, or of another bisection.
        """
        data = self._bytes()
        if data is None:
            return None
        try:
            content = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise self._damaged("it is not JSON") from error
        if not isinstance(content, dict) or content.get("kind") != _KIND:
            raise self._damaged("it is not the state of a bisection")
        if content.get("schema") != SCHEMA:
            raise self._damaged(f"its schema is not {SCHEMA}, which this kopsversion knows")
        self._check_question(content.get("asked"))
        try:
            return _progressed(content)
        except (KopsVersionError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise self._damaged("its content is not valid") from error

    def write(self, progressed: Progressed) -> None:
        """Write what was found so far, whole or not at all.

        Raises:
            UsageError: it cannot be written.
        """
        content = {"kind": _KIND, "schema": SCHEMA, "asked": self._asked, **_fields(progressed)}
        write_whole(self.path, f"{json.dumps(content, indent=1)}\n".encode(), mode=_PRIVATE)

    # -------------------------------------------------------------------------------- how

    def _check_question(self, asked: object) -> None:
        if not isinstance(asked, dict):
            raise self._damaged("it does not say what was asked")
        for name, value in self._asked.items():
            if asked.get(name) != value:
                raise UsageError(
                    f"the state file {quoted(str(self.path))} is of another bisection: its {name} is "
                    f"{_shown(asked.get(name))}, and now it is {_shown(value)}",
                    hint="ask as before to go on, or name another file to begin a new bisection",
                )

    def _bytes(self) -> bytes | None:
        try:
            data = read_limited(self.path, limit=LIMIT)
        except (OSError, ValueError) as error:
            raise self._unusable(reason_of(error)) from error
        if data is not None and len(data) > LIMIT:
            raise self._damaged(f"it is larger than {LIMIT} bytes")
        return data

    def _damaged(self, reason: str) -> UsageError:
        return UsageError(
            f"the state file {quoted(str(self.path))} is damaged: {reason}",
            hint="remove it to start again, or name another file",
        )

    def _unusable(self, reason: str) -> UsageError:
        return UsageError(
            f"the state file {quoted(str(self.path))} cannot be used: {reason}",
            hint="name a file in a directory that you may write to",
        )


def _is_still(path: Path, descriptor: int) -> bool:
    """Tell whether an open file is still the one that a path names."""
    try:
        there, here = path.stat(), os.fstat(descriptor)
    except FileNotFoundError:
        return False
    return (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino)


def _shown(value: object) -> str:
    return quoted(value if isinstance(value, str) else json.dumps(value))


# --------------------------------------------------------------------------------------------------
# To and from JSON


def _fields(progressed: Progressed) -> dict[str, Any]:
    plan = progressed.plan
    return {
        "store": progressed.store,
        "channel": plan.channel.ref,
        "good": plan.good,
        "bad": plan.bad,
        "conditions": [condition_fields(each) for each in plan.conditions],
        "builds": [_build_fields(build) for build in plan.builds],
        "findings": [
            {
                "version": str(plan.builds[position].version),
                "outcome": str(finding.outcome),
                "statuses": list(finding.statuses),
                "reason": finding.reason,
            }
            for position, finding in progressed.findings.items()
        ],
    }


def _build_fields(build: PlannedBuild) -> dict[str, Any]:
    given = build.attribution
    return {
        "version": str(build.version),
        "uploaded": build.uploaded.isoformat() if build.uploaded else None,
        "channel": given.ref,
        "witness": str(given.witness),
        "certainty": str(given.certainty),
    }


def _progressed(content: Mapping[str, Any]) -> Progressed:
    builds = tuple(_build(each) for each in content["builds"])
    places = {str(build.version): position for position, build in enumerate(builds)}
    plan = Plan(
        channel=Channel.parse(content["channel"]),
        builds=builds,
        good=_number(content["good"]),
        bad=_number(content["bad"]),
        conditions=tuple(map(read_condition, content["conditions"])),
    )
    if not 0 <= plan.good < plan.bad < len(builds) or len(places) != len(builds):
        raise ValueError("the ends are not in order, or a build is there twice")
    findings = {places[each["version"]]: _finding(each) for each in content["findings"]}
    return Progressed(store=str(content["store"]), plan=plan, findings=findings)


def _build(fields: Mapping[str, Any]) -> PlannedBuild:
    uploaded = None if fields["uploaded"] is None else datetime.fromisoformat(fields["uploaded"])
    if uploaded is not None and uploaded.tzinfo is None:
        raise ValueError("a time without a zone")
    return PlannedBuild(
        version=BuildVersion.parse(fields["version"]),
        uploaded=uploaded,
        attribution=Attribution(
            Channel.parse(fields["channel"]).ref, Witness(fields["witness"]), Certainty(fields["certainty"])
        ),
    )


def _finding(fields: Mapping[str, Any]) -> TrialFinding:
    statuses = tuple(_number(each) for each in fields["statuses"][:_MOST_STATUSES])
    return TrialFinding(outcome=Outcome(fields["outcome"]), statuses=statuses, reason=str(fields["reason"]))


def _number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{value!r} is no number")
    return value
