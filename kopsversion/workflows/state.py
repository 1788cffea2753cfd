"""The state file: the last good answer to each question, for when no store can be asked (DESIGN section 7).

A job that runs every hour may prefer an answer of an hour ago to none. The file is JSON of schema 1 with one entry for
each question: stores, selector, and the parts of the policy that choose. Many jobs may share it. It is replaced in one
step, under a lock, and only its owner may read it. It is never needed: whatever is wrong with it is a `StateError`,
which the caller reports.

This module must not know when an answer may be taken from the file: `kopsversion.workflows.fallback` decides that.
"""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from attrs import evolve

from kopsversion.errors import KopsVersionError, UsageError, quoted
from kopsversion.files import locked, read_limited, reason_of, write_whole
from kopsversion.model.answer import Rung
from kopsversion.model.codec import from_json, to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from kopsversion.model.answer import Resolution
    from kopsversion.model.policy import Policy

SCHEMA = 1
"""Increased when an older kopsversion could no longer read the file correctly."""

MOST_ANSWERS = 200
"""Entries that are kept: the newest ones."""

LIMIT = 8 << 20
"""Bytes of the largest file; an answer has about 3 kB."""

_PRIVATE = 0o600
_FRESH = timedelta(minutes=1)
"""How old an equal entry must be to be written again, so that a fleet of jobs does not queue to write the same."""
_PATIENCE = 2.0  # seconds to wait for other writers, each of which takes some milliseconds
_PAUSE = 0.02  # seconds between two tries

QuestionFields = dict[str, Any]
"""What an entry answers, as JSON."""


class StateError(KopsVersionError):
    """The state file cannot be used; the answer does not depend on it."""


def question_of(*, stores: Sequence[str], selector: str, policy: Policy, ref: str | None) -> QuestionFields:
    """Describe what is asked, as far as it can change which build is the answer.

    Parameters:
        stores: where is asked, in order.
        selector: the channel or version.
        policy: its settings that choose; those that only concern conditions (ages, reports) are left out.
        ref: the branch in a clone, where one was named.
    """
    return {
        "stores": list(stores),
        "selector": selector,
        "strategy": str(policy.strategy),
        "markers": list(policy.markers),
        "on_stale": str(policy.on_stale),
        "max_lag": policy.max_lag.total_seconds(),
        "settle": policy.settle.total_seconds(),
        "platforms": sorted(policy.platforms),
        "exclude": sorted(map(str, policy.exclude)),
        "nth": policy.nth,
        "ref": ref,
    }


class StateFile:
    """A state file. Nothing is read or written until asked for.

    Parameters:
        path: where it is; it need not exist.
        sleep: waits for that many seconds.
    """

    def __init__(self, path: Path, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self.path = path
        self._sleep = sleep

    def recall(self, question: QuestionFields) -> Resolution | None:
        """Return the last good answer, or ``None`` where there is none.

        Raises:
            StateError: the file cannot be read, is damaged, or of a later kopsversion.
        """
        return self._answer_in(self._read(), question)

    def remember(self, question: QuestionFields, resolution: Resolution) -> None:
        """Keep an answer as the last good one; the answers to other questions stay.

        An answer from a marker alone does not replace one for which the builds were listed, unless that is older
        than a marker may lag.

        Raises:
            StateError: it was not kept, or what the file held before was damaged and is lost.
        """
        try:
            if not _is_news(self._answer_in(self._read(), question), resolution):
                return
        except _DamagedError:
            pass  # it is replaced below, which raises an error that says so
        with self._locked():
            damage: StateError | None = None
            entries: list[Mapping[str, Any]] = []
            try:
                entries = self._read()
                known = self._answer_in(entries, question)
            except _DamagedError as error:
                known, damage = None, error
            if _is_news(known, resolution):
                self._write(
                    [entry for entry in entries if entry["question"] != question], question, resolution
                )
        if damage is not None:
            raise StateError(f"{damage}; it was written anew")

    # -------------------------------------------------------------------------------- the content

    def _answer_in(self, entries: Sequence[Mapping[str, Any]], question: QuestionFields) -> Resolution | None:
        found = next((entry["answer"] for entry in entries if entry["question"] == question), None)
        if found is None:
            return None
        try:
            return from_json(json.dumps(found))
        except KopsVersionError as error:
            raise _DamagedError(f"the state file {quoted(str(self.path))} is damaged: {error}") from error

    def _read(self) -> list[Mapping[str, Any]]:
        data = self._bytes()
        if data is None:
            return []
        try:
            content = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise self._damaged("it is not JSON") from error
        schema = content.get("schema") if isinstance(content, dict) else None
        if not isinstance(schema, int) or isinstance(schema, bool) or schema < 1:
            raise self._damaged("it has no schema")
        if schema > SCHEMA:
            raise StateError(
                f"the state file {quoted(str(self.path))} is of a later kopsversion: its schema is "
                f"{quoted(str(schema))}, and this one knows {SCHEMA}",
                hint="give each version of kopsversion a state file of its own",
            )
        entries = content.get("answers")
        if not isinstance(entries, list) or not all(map(_is_entry, entries)):
            raise self._damaged("its answers are not in the form of schema 1")
        return entries

    def _damaged(self, reason: str) -> StateError:
        return _DamagedError(f"the state file {quoted(str(self.path))} is damaged: {reason}")

    def _write(
        self, others: Sequence[Mapping[str, Any]], question: QuestionFields, resolution: Resolution
    ) -> None:
        # Why other builds were passed over would be most of the file; the conditions name them too.
        answer = json.loads(to_json(evolve(resolution, refused=())))
        entries = [*others, {"question": question, "answer": answer}]
        kept: list[str] = []
        size = 0
        for entry in reversed(entries[-MOST_ANSWERS:]):
            text = json.dumps(entry)
            size += len(text) + 2
            if size > LIMIT - 100:
                break
            kept.append(text)
        body = ",\n".join(reversed(kept))
        try:
            write_whole(
                self.path, f'{{"schema": {SCHEMA}, "answers": [\n{body}\n]}}\n'.encode(), mode=_PRIVATE
            )
        except UsageError as error:
            raise self._unusable(str(error)) from error

    # -------------------------------------------------------------------------------- the file

    def _bytes(self) -> bytes | None:
        try:
            data = read_limited(self.path, limit=LIMIT)
        except (OSError, ValueError) as error:
            raise self._unusable(reason_of(error)) from error
        if data is not None and len(data) > LIMIT:
            raise self._damaged(f"it is larger than {LIMIT} bytes")
        return data

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other writers out. The lock is a file of its own, because the state file is replaced."""
        pauses = iter(range(round(_PATIENCE / _PAUSE)))

        def wait() -> None:
            if next(pauses, None) is None:
                raise self._unusable(f"another job has kept it locked for {_PATIENCE:g} s")
            self._sleep(_PAUSE)

        lock = self.path.with_name(f".{self.path.name}.lock")
        try:
            with locked(lock, wait=wait):
                yield
        except OSError as error:
            raise self._unusable(f"it cannot be locked: {reason_of(error)}") from error

    def _unusable(self, reason: str) -> StateError:
        return StateError(
            f"the state file {quoted(str(self.path))} cannot be used: {reason}",
            hint="name a file in a directory that you may write to",
        )


class _DamagedError(StateError):
    """The content of the file is not valid, and may be overwritten."""


def _is_entry(entry: object) -> bool:
    return (
        isinstance(entry, dict)
        and isinstance(entry.get("question"), dict)
        and isinstance(entry.get("answer"), dict)
    )


def _is_news(known: Resolution | None, found: Resolution) -> bool:
    """Tell whether an answer is worth writing."""
    if known is None:
        return True
    if found.rung is Rung.MARKER and known.rung is not Rung.MARKER:
        return found.now - known.now > found.policy.max_lag
    same = (known.base_url, known.source, known.rung) == (found.base_url, found.source, found.rung)
    return not (same and timedelta() <= found.now - known.now < _FRESH)
