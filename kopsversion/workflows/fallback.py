"""The last rung of the ladder: the last good answer, when no store can be asked (DESIGN section 7).

It decides when an answer from the state file may be given, and adds the condition that says so. Whatever is wrong with
the file becomes a condition of the answer, or a reason of the error, and never more than that. This module must not
know what the file looks like.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from attrs import define, evolve, field

from kopsversion.errors import StoreError, quoted
from kopsversion.model.answer import Condition, Rung, Severity, Source
from kopsversion.model.codes import Code
from kopsversion.model.wording import duration, moment
from kopsversion.rules.conditions import worst_first
from kopsversion.workflows.state import StateError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from kopsversion.model.answer import Resolution
    from kopsversion.model.policy import Policy
    from kopsversion.stores.base import Store
    from kopsversion.stores.deadline import Deadline
    from kopsversion.workflows.state import QuestionFields, StateFile

T = TypeVar("T")

_FILE_TIME = 3.0  # seconds that the file may take: longer than the wait for its lock


@define(eq=False, repr=False)
class LastGood:
    """The last good answer to one question, and the file that holds it.

    The file is read when this is created, because later no time may be left.

    Attributes:
        file: the state file.
        question: what is asked.
        allowed: how old an answer may be that is given in place of a new one; ``None`` if none may.
        deadline: the file is not waited for any longer.
    """

    file: StateFile
    question: QuestionFields
    allowed: timedelta | None
    deadline: Deadline
    _known: Resolution | None = field(default=None, init=False)
    _problems: list[StateError] = field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        if self.allowed is not None:
            self._known = self._attempt(lambda: self.file.recall(self.question))

    def keep(self, resolution: Resolution) -> Resolution:
        """Write an answer to the file, and return it, with a condition if something is wrong with the file."""
        self._attempt(lambda: self.file.remember(self.question, resolution))
        if not self._problems:
            return resolution
        # A fault that was found on reading is found again on writing, and then it is known what became of it.
        problem = self._problems[-1]
        condition = Condition(
            Code.STATE_UNUSABLE, Severity.WARNING, str(problem), {"file": str(self.file.path)}
        )
        return evolve(resolution, conditions=worst_first([condition, *resolution.conditions]))

    def stand_in(
        self, error: StoreError, *, stores: Iterable[Store], policy: Policy, now: datetime
    ) -> Resolution:
        """Answer from the file.

        Parameters:
            error: why there is no better answer.
            stores: those that were tried; the answer must be of one of them.
            policy: what counts as an answer.
            now: the moment of the decision, UTC.

        Raises:
            StoreError: `error`, with the reason why no answer of the file may be given.
        """
        tried = tuple(stores)
        found = self._known
        refusal = self._refusal(stores=tried, now=now)
        if found is None or refusal is not None:
            raise _with_reason(error, str(refusal)) from error
        reasons = (str(error), *error.reasons)
        condition = Condition(
            Code.CACHED_ANSWER,
            Severity.WARNING,
            f"no store could be asked, so this is the last good answer, of {moment(found.now)} "
            f"({duration(now - found.now)} ago): {'; '.join(reasons)}",
            {
                "age_seconds": int((now - found.now).total_seconds()),
                "answered": found.now.isoformat(),
                "tried": reasons,
            },
        )
        return evolve(
            found,
            source=Source.CACHE,
            rung=Rung.CACHED,
            conditions=worst_first([condition, *found.conditions]),
            policy=policy,
            now=now,
            requests=sum(store.requests for store in tried),
            round_trips=0,
        )

    def _refusal(self, *, stores: tuple[Store, ...], now: datetime) -> str | None:
        """Return why the known answer may not be given; ``None`` if it may."""
        found = self._known
        allowed = self.allowed or timedelta()
        if self._problems:
            return f"the last good answer is not known: {self._problems[0]}"
        if found is None:
            return f"{self._shown} holds no last good answer to this question"
        # An answer from the future is as doubtful as an old one: some clock is wrong.
        age = now - found.now
        if abs(age) > allowed:
            when = "ago" if age >= timedelta() else "from now"
            return (
                f"the last good answer is of {moment(found.now)}, {duration(abs(age))} {when}, "
                f"and --allow-cached permits {duration(allowed)}"
            )
        version = str(found.version)
        if not any(
            (store.url, store.public_url(version)) == (found.store, found.base_url) for store in stores
        ):
            return f"the answer in {self._shown} is of a place outside these stores"
        return None

    @property
    def _shown(self) -> str:
        return quoted(str(self.file.path))

    def _attempt(self, call: Callable[[], T]) -> T | None:
        """Return what `call` returns; where it fails, note that as a problem."""
        try:
            return self.deadline.run(call, url=str(self.file.path), limit=_FILE_TIME)
        except StateError as error:
            self._problems.append(error)
        except StoreError:
            self._problems.append(StateError(f"there was no time for the state file {self._shown}"))
        return None


def _with_reason(error: StoreError, reason: str) -> StoreError:
    return type(error)(
        error.message,
        url=error.url,
        transient=error.transient,
        retry_after=error.retry_after,
        hint="see whether the stores can be reached from here",
        reasons=(*error.reasons, reason),
    )
