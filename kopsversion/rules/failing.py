"""The error of a store that could not give what a decision needs, with advice on the cause (FAILURES row 47).

"See whether the store can be reached" helps nobody who lacks credentials, a CA or a proxy. So each failure has the
hint of the layer that met it. This module must not know what was being decided.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kopsversion.errors import AccessDeniedError, StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kopsversion.errors import StoreError
    from kopsversion.model.bucket import Snapshot

AGAIN = "and run the same command again"
"""What to do besides, where a store did not tell all that is needed."""


def store_failed(message: str, snapshot: Snapshot, *, reasons: Iterable[str], otherwise: str) -> StoreError:
    """Make the error of a store that failed, or refused access.

    Parameters:
        message: what could not be learnt.
        snapshot: what was tried; its failures say why.
        reasons: further lines below the message.
        otherwise: what else can be done; the hint ends with it.

    Returns:
        An `AccessDeniedError` where each failure was a denial, else a `StoreUnavailableError`.
    """
    # A web server denies every listing: where something else went wrong too, that is what helps.
    failures = [
        failure
        for _, failure in sorted(snapshot.failures.items(), key=lambda item: (item[1].denied, repr(item)))
    ]
    denied = bool(failures) and all(failure.denied for failure in failures)
    kind: type[StoreError] = AccessDeniedError if denied else StoreUnavailableError
    hint = next(
        (failure.hint for failure in failures if failure.hint), "see whether the store can be reached"
    )
    return kind(message, url=snapshot.store, reasons=tuple(reasons), hint=f"{hint}, {otherwise}")
