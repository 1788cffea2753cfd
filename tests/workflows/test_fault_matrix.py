"""Every fault at every kind of request, once and always (FAILURES rows 10, 15, 19, 23, 29).

What is expected stands in `tests.fault_expectations`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import urllib3
from attrs import evolve

from kopsversion.errors import KopsVersionError
from kopsversion.model.answer import Resolution, Rung, Severity
from tests.builders import alpha
from tests.fault_expectations import (
    ALWAYS,
    COLUMNS,
    ONCE,
    OUTCOMES,
    PAGE,
    SHAPES,
    Answer,
    Case,
    cases,
    page,
    read_table,
)
from tests.gcs_faults import FAULTS, WRONG_SHAPES, Rule
from tests.gcs_server import GcsServer, Recorded, closed_port, parse_target
from tests.patience import longer, slower, slowness
from tests.scenes import FAST, ask, store_of

pytestmark = pytest.mark.usefixtures("naps")

HASTY = evolve(FAST, max_attempts=2, read=0.3, whole=0.5)
"""For faults that take time: it is the only kind of cell that waits for something."""

NEWEST = {"newest": alpha(5), "next": alpha(4)}


def is_slow(case: Case) -> bool:
    return case.name.startswith(("stall", "one byte"))


def solve(server: GcsServer, case: Case, *, slow: int) -> Resolution | KopsVersionError:
    try:
        return ask(store_of(server, attempts=longer(HASTY, slow) if is_slow(case) else FAST))
    except KopsVersionError as error:
        return error


@lru_cache
def whole(title: str) -> Resolution:
    """The answer of a column's bucket without any fault."""
    column = next(column for column in COLUMNS if column.title == title)
    with GcsServer(page_size=column.page_size) as server:
        column.scene.put(server)
        return ask(store_of(server))


def conditions(found: Resolution) -> dict[str, Severity]:
    return {condition.code: condition.severity for condition in reversed(found.conditions)}


@pytest.mark.parametrize("case", tuple(cases()), ids=str)
def test_a_fault_comes_to_what_the_table_says(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """The build, its source and rung and every new condition; or the error and its exit status."""
    slow = slowness() if is_slow(case) else 1
    with GcsServer(page_size=case.column.page_size) as server:
        case.column.scene.put(server)
        times = None if case.always else 1
        if case.fault is None:
            rule = refuse(server, case, times=times, monkeypatch=monkeypatch)
        else:
            rule = server.fail(slower(case.fault, slow), case.column.kind, times=times, when=case.column.when)
        found = solve(server, case, slow=slow)
        assert rule.hits
        assert server.errors == []
    outcome = OUTCOMES[case.outcome]
    if isinstance(outcome, Answer):
        assert isinstance(found, Resolution), found
        check(found, outcome, whole(case.column.title))
    else:
        assert isinstance(found, KopsVersionError), f"no answer was expected, and it is {found.version}"
        assert (type(found), found.exit_code) == (outcome.error, outcome.exit_code)
        assert found.reasons


def check(found: Resolution, outcome: Answer, reference: Resolution) -> None:
    told = {
        code: severity for code, severity in conditions(found).items() if code not in conditions(reference)
    }
    assert told == outcome.told
    assert (found.source, found.rung) == (outcome.source, outcome.rung)
    expected = NEWEST.get(outcome.build, str(reference.version))
    assert str(found.version) == expected
    # The one law over all cells: what is not labelled is what the whole bucket gives.
    if found.rung is Rung.FULL and Severity.WARNING not in told.values():
        # The server's port is another, and so may be what was read of markers that decide nothing.
        assert urlsplit(found.base_url).path == urlsplit(reference.base_url).path
        names = ("base_url", "requests", "round_trips", "generations", "etags")
        assert replace(found, reference, *names) == reference


def replace(found: Resolution, reference: Resolution, *names: str) -> Resolution:
    return evolve(found, **{name: getattr(reference, name) for name in names})


def refuse(server: GcsServer, case: Case, *, times: int | None, monkeypatch: pytest.MonkeyPatch) -> Rule:
    """Send the requests in question to a port at which nothing listens."""
    column, port, rule = (
        case.column,
        closed_port(),
        Rule(FAULTS["500"], {case.column.kind}, times=times, when=case.column.when),
    )
    send = urllib3.PoolManager.urlopen

    def astray(
        self: urllib3.PoolManager, method: str, url: str, *arguments: Any, **settings: Any
    ) -> urllib3.BaseHTTPResponse:
        split = urlsplit(url)
        query = dict(parse_qsl(split.query, keep_blank_values=True))
        kind, name = server._classify(method, parse_target(split.path, query), query)
        recorded = Recorded(0, method, split.path, query, {}, kind, name, started=0)
        with server._lock:
            claimed = kind is column.kind and rule.claims(recorded)
        address = url.replace(f":{server.port}/", f":{port}/") if claimed else url
        return send(self, method, address, *arguments, **settings)

    monkeypatch.setattr(urllib3.PoolManager, "urlopen", astray)
    return rule


# --------------------------------------------------------------------------------------------------
# The tables themselves


def test_the_tables_know_every_fault() -> None:
    """One that is added to the catalogue must be added to them; every name in them exists."""
    shapes = {f"200 with JSON of the wrong shape: {name}" for name in WRONG_SHAPES}
    catalogue = {*FAULTS, "connection refused", "200 with JSON of the wrong shape"} - shapes
    assert set(read_table(ONCE)) == set(read_table(ALWAYS)) == catalogue
    assert set(SHAPES) <= set(WRONG_SHAPES)


def test_the_tables_know_only_outcomes_that_are_explained() -> None:
    """And every outcome that is explained occurs."""
    assert {case.outcome for case in cases()} == set(OUTCOMES)


def test_no_outcome_but_a_full_one_is_in_silence() -> None:
    """FAILURES row 29: an answer that differs from the first rung's is labelled with a warning."""
    for name, outcome in OUTCOMES.items():
        if isinstance(outcome, Answer) and name != "full":
            assert Severity.WARNING in outcome.told.values(), name


def test_a_fault_that_stays_is_no_better_than_one_that_passes() -> None:
    """Where the tables say full for always, they say full for once."""
    once, always = read_table(ONCE), read_table(ALWAYS)
    assert [
        (name, title)
        for name, cells in always.items()
        for title, cell in cells.items()
        if cell == "full" and once[name][title] != "full"
    ] == []


def test_the_page_is_up_to_date() -> None:
    """``python -m tests.fault_expectations`` writes it anew."""
    assert PAGE.read_text(encoding="utf-8") == page()
