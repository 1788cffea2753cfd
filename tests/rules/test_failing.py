"""The error of a store that failed carries its cause's own advice (FAILURES row 47)."""

from __future__ import annotations

import pytest
from attrs import evolve

from kopsversion.errors import AccessDeniedError, StoreUnavailableError
from kopsversion.model.needs import Failure, ListBuilds, ListMinors, ReadMarker
from kopsversion.rules.failing import store_failed
from tests.builders import snapshot

DENIED = Failure("HTTP 403: the bucket is requester pays", denied=True, hint="name a project")
PROXY = Failure("no answer", hint="check HTTPS_PROXY and NO_PROXY")
SILENT = Failure("no answer")


@pytest.mark.parametrize(
    ("failures", "kind", "hint"),
    [
        ({ListMinors(): DENIED}, AccessDeniedError, "name a project"),
        ({ListMinors(): DENIED, ListBuilds("1.30"): DENIED}, AccessDeniedError, "name a project"),
        (
            {ListMinors(): DENIED, ReadMarker("master", "a.txt"): PROXY},
            StoreUnavailableError,
            "check HTTPS_PROXY",
        ),
        (
            {ListMinors(): SILENT, ReadMarker("master", "a.txt"): PROXY},
            StoreUnavailableError,
            "check HTTPS_PROXY",
        ),
        (
            {ReadMarker("master", "a.txt"): PROXY, ListMinors(): Failure("503", hint="wait")},
            StoreUnavailableError,
            "wait",
        ),
        ({ListMinors(): SILENT}, StoreUnavailableError, "see whether the store can be reached"),
        ({}, StoreUnavailableError, "see whether the store can be reached"),
    ],
)
def test_the_hint_is_the_cause_s_own(
    failures: dict[ListMinors | ListBuilds | ReadMarker, Failure], kind: type[Exception], hint: str
) -> None:
    """Denied only where all was denied, else what else went wrong; what can be done besides comes after it."""
    held = evolve(snapshot(), failures=failures)
    error = store_failed("it failed", held, reasons=["why"], otherwise="or do else")
    assert type(error) is kind
    assert (error.message, error.reasons, error.exit_code) == ("it failed", ("why",), 4)
    assert error.hint.startswith(hint)
    assert error.hint.endswith(", or do else")
