"""The walk from one store to the next: which are tried, for how long, and what is said of those passed over.

Every command uses this one `walk` (DESIGN section 7).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from kopsversion.errors import (
    NoTestableBuildError,
    ResolutionError,
    StoreError,
    StoreUnavailableError,
    UsageError,
)
from kopsversion.model.answer import Condition, Severity
from kopsversion.model.codes import Code
from kopsversion.model.layout import known_roots
from kopsversion.model.values import frozen
from kopsversion.stores.base import Store, StoreAddress, credentials_for
from kopsversion.stores.opening import check_store_url, open_store
from kopsversion.workflows.arguments import wrong_argument

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from kopsversion.errors import KopsVersionError
    from kopsversion.stores.deadline import Deadline

T = TypeVar("T")

StoreLike = str | Path | Store
"""A store, by its URL, by its path, or itself."""

PassedOver = StoreError | NoTestableBuildError
"""Why another store than the first one answered."""


@frozen
class Walked(Generic[T]):
    """The result of a walk.

    Attributes:
        answer: the answer of the first store that could answer.
        store: that store.
        passed_over: why each store before it did not answer.
    """

    answer: T
    store: Store
    passed_over: tuple[PassedOver, ...]

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """A condition for each store that was passed over, with the reason."""
        return tuple(_passed_over_condition(failure, used=self.store.url) for failure in self.passed_over)


def walk(
    places: StoreLike | Sequence[StoreLike],
    visit: Callable[[Store], T],
    *,
    deadline: Deadline,
    passes_over: tuple[type[PassedOver], ...] = (StoreError,),
    on_open: Callable[[Store], None] | None = None,
) -> Walked[T]:
    """Ask one store after the other, until one answers.

    Each store may take an equal share of the time that is left, so that one that hangs leaves time for the next.

    Parameters:
        places: the stores, by URL, path or as objects, in their order.
        visit: asks one store.
        deadline: nothing waits longer.
        passes_over: the errors of `visit` after which the next store is tried.
        on_open: is called with each store that was opened.

    Raises:
        UsageError: there is no store, or one is not valid, even if it would never be needed.
        ResolutionError: a store has no answer; the reasons say why others were passed over.
        StoreError: no store could be asked.
    """
    stores = stores_of(places)
    failures: list[PassedOver] = []
    for place, share in shares_of(stores):
        try:
            with deadline.stage(share), borrowed(place, deadline=deadline) as store:
                if on_open is not None:
                    on_open(store)
                return Walked(visit(store), store, tuple(failures))
        except passes_over as error:
            failures.append(error)
        except ResolutionError as error:
            raise _after(failures, error) from error
    raise _no_answer(failures)


def stores_of(store: StoreLike | Sequence[StoreLike]) -> Sequence[str | Store]:
    """Return the stores to try, in their order.

    Raises:
        UsageError: there is none, or one is not valid, even if it would never be needed.
    """
    stores = (store,) if isinstance(store, str | Path) or not isinstance(store, Sequence) else store
    if not stores:
        raise UsageError("no store is named", hint="leave the argument out for kops' own bucket")
    return [place_of("store", place) for place in stores]


def place_of(name: str, place: StoreLike) -> str | Store:
    """Return one store, by its URL or path where it is named by one.

    Parameters:
        name: the argument that it was given for.
        place: the store.

    Raises:
        UsageError: it is not valid.
    """
    if isinstance(place, str | Path):
        check_store_url(str(place))
        return place if isinstance(place, str) else str(place)  # a `StoreAddress` says whom to ask as
    return store_of(name, place, wanted="a URL, a path, or an object that implements Store")


def store_of(name: str, store: Store, *, wanted: str = "a Store, as open_store returns one") -> Store:
    """Return what implements `Store`, as far as can be seen without asking it.

    Raises:
        UsageError: it is something else.
    """
    if not callable(getattr(store, "list", None)) or not isinstance(getattr(store, "url", None), str):
        raise wrong_argument(name, store, wanted=wanted)
    return store


def address_in(places: Iterable[StoreLike], url: str) -> str:
    """Return the URL of an answer's store, with the credentials of the question's stores.

    Parameters:
        places: the stores of the question.
        url: the store's own URL, which need not be spelled as it was in the question.
    """
    whom = {credentials_for(place) for place in places if isinstance(place, str)}
    return StoreAddress(url, credentials="default" if "default" in whom else "anonymous")


def roots_of(place: str | Store) -> tuple[str, ...]:
    """Return every URL prefix, with a trailing slash, by which an object of a store may be named."""
    if not isinstance(place, str):
        return known_roots(place.url, public_url=place.public_url(""))
    url = place if "://" in place else Path(place).absolute().as_uri()
    return known_roots(f"{url.rstrip('/')}/", public_url=f"{url.rstrip('/')}/")


def shares_of(places: Sequence[str | Store]) -> list[tuple[str | Store, float]]:
    """Pair each store with the share of the remaining time that it may take, for `Deadline.stage`.

    The last one may take all that is left.
    """
    return [(place, 1 / (len(places) - position)) for position, place in enumerate(places)]


@contextmanager
def borrowed(place: str | Store, *, deadline: Deadline) -> Iterator[Store]:
    """Open a store that is named by a URL or a path, and close its connections at the end; leave a caller's store open.

    A process that asks for years would otherwise keep each connection until the garbage collector runs. So nothing in
    this package opens a store for a question in another way.
    """
    if not isinstance(place, str):
        yield place
        return
    store = open_store(place, deadline=deadline, environ=os.environ, credentials=credentials_for(place))
    try:
        yield store
    finally:
        store.close()


def _passed_over_condition(failure: PassedOver, *, used: str) -> Condition:
    """Say that another store than the first one answered."""
    if isinstance(failure, NoTestableBuildError):
        return Condition(
            Code.STORE_WITHOUT_BUILD,
            Severity.WARNING,
            f"{failure}; the answer is from {used}",
            {"used": used},
        )
    return Condition(
        Code.STORE_UNREACHABLE,
        Severity.WARNING,
        f"{failure}; the answer is from {used}",
        {"store": failure.url, "used": used},
    )


def _after(failures: Sequence[KopsVersionError], error: ResolutionError) -> ResolutionError:
    """Add to a store's error why the stores before it were passed over."""
    if not failures:
        return error
    reasons = (*error.reasons, *(f"passed over before: {failure}" for failure in failures))
    return type(error)(error.message, channel=error.channel, reasons=reasons, hint=error.hint)


def _no_answer(failures: Sequence[PassedOver]) -> KopsVersionError:
    """Make one error of those of all stores: that there is no build is known only if all could be asked."""
    empty = [failure for failure in failures if isinstance(failure, NoTestableBuildError)]
    if len(empty) == len(failures):
        return _after(empty[1:], empty[0])
    unreachable = [failure for failure in failures if isinstance(failure, StoreError)]
    found_none = [f"{reason}" for error in empty for reason in (str(error), *error.reasons)]
    combined = _unreachable_error(unreachable)
    if not found_none:
        return combined
    return StoreUnavailableError(
        combined.message,
        url=combined.url,
        reasons=(*combined.reasons, *found_none),
        hint="see whether they can be reached from here",
    )


def _unreachable_error(failures: Sequence[StoreError]) -> StoreError:
    """Make one error of those of the stores that could not be asked."""
    if len(failures) == 1:
        return failures[0]
    return StoreUnavailableError(
        f"none of {len(failures)} stores could be asked",
        url=failures[0].url,
        reasons=[reason for failure in failures for reason in (str(failure), *failure.reasons)],
        hint="see whether they can be reached from here",
    )
