"""The error of a store that failed to tell what a decision needs: with the cause's own advice (FAILURES row 47).

"See whether the store can be reached" helps nobody who lacks credentials, a CA or a proxy. Each failure carries the
hint of the layer that saw it. This module must not know what was being decided.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kopsversion.errors import AccessDeniedError, StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kopsversion.errors import StoreError
    from kopsversion.model.bucket import Snapshot


def store_failed(message: str, snapshot: Snapshot, *, reasons: Iterable[str], otherwise: str) -> StoreError:
    """Make the error of a store that would not, or could not, tell.

    Parameters:
        message: what could not be learnt.
        snapshot: what was tried; its failures say why.
        reasons: what is told below the message.
        otherwise: what can be done besides.

    Returns:
        An `AccessDeniedError` where each failure was a denial, else a `StoreUnavailableError`.
    """
    failures = [failure for _, failure in sorted(snapshot.failures.items(), key=repr)]
    denied = bool(failures) and all(failure.denied for failure in failures)
    kind: type[StoreError] = AccessDeniedError if denied else StoreUnavailableError
    hint = next(
        (failure.hint for failure in failures if failure.hint), "see whether the store can be reached"
    )
    return kind(message, url=snapshot.store, reasons=tuple(reasons), hint=f"{hint}, {otherwise}")
