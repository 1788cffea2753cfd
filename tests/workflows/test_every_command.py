"""What one command survives, all do: one object that hangs, and evidence that is denied, over a table of commands.

Each command is its own flow over the same loop (`kopsversion.workflows.rounds`). The faults of servers, over the
command line, are in `test_fault_matrix`.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from attrs import frozen

from kopsversion.errors import AccessDeniedError, KopsVersionError
from kopsversion.model.answer import Severity
from kopsversion.model.channel import BRANCH_MARKER, GREEN_MARKER, Channel
from kopsversion.model.policy import Policy, Strategy
from kopsversion.publish.promote import promote
from kopsversion.stores.deadline import Deadline
from kopsversion.workflows.between import list_between
from kopsversion.workflows.bisect import plan_bisection
from kopsversion.workflows.find import find_build
from kopsversion.workflows.latest import resolve_latest
from kopsversion.workflows.listing import list_channel
from kopsversion.workflows.survey import check_health
from tests.builders import HOUR, NOW, alpha, beta, patch, version
from tests.fake_store import URL, FakeStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from kopsversion.model.answer import Condition
    from kopsversion.stores.base import Content, Listing

TIMEOUT = 4.0
"""Seconds: half of it is what an object that hangs may cost; nothing else here takes time."""


class HangingStore(FakeStore):
    """A store in memory of which some calls are never answered."""

    def __init__(self, *hanging: str) -> None:
        super().__init__()
        self._hanging = hanging
        self._never = threading.Event()

    def _wait(self, call: str) -> None:
        if call in self._hanging:
            self._never.wait()

    def list(
        self, prefix: str = "", *, delimiter: str = "", match_glob: str = "", start: str = "", end: str = ""
    ) -> Listing:
        self._wait(f"list {prefix}")
        return super().list(prefix, delimiter=delimiter, match_glob=match_glob, start=start, end=end)

    def read(self, name: str, *, limit: int) -> Content:
        self._wait(f"read {name}")
        return super().read(name, limit=limit)


@frozen
class Said:
    """What a command answered: the newest build that it names, and what it says besides."""

    newest: str
    conditions: tuple[Condition, ...]

    @property
    def warnings(self) -> set[str]:
        return {each.code for each in self.conditions if each.severity >= Severity.WARNING}


def _resolved(store: FakeStore, channel: str) -> Said:
    newest = Policy(strategy=Strategy.NEWEST)
    resolution = resolve_latest(channel, store=store, policy=newest, now=NOW, timeout=TIMEOUT)
    return Said(str(resolution.version), resolution.conditions)


def _listed(store: FakeStore, channel: str) -> Said:
    listing = list_channel(channel, store=store, now=NOW, timeout=TIMEOUT)
    return Said(str(listing.rows[0].version), listing.conditions)


def _checked(store: FakeStore, channel: str) -> Said:
    report = check_health([channel], store=store, now=NOW, timeout=TIMEOUT)
    (health,) = report.channels
    found = (finding.condition for finding in health.findings)
    return Said(str(health.testable and health.testable.version), (*report.conditions, *found))


def _promoted(store: FakeStore, channel: str) -> Said:
    promotion = promote(
        store,
        version(NEWEST[channel]),
        channel=Channel(channel),
        marker="latest-of-a-test.txt",
        policy=Policy(),
        now=NOW,
        deadline=Deadline(TIMEOUT),
        dry_run=True,
    )
    return Said(str(promotion.version), promotion.conditions)


def _found(store: FakeStore, channel: str) -> Said:
    found = find_build(NEWEST[channel], channel, store=store, now=NOW, timeout=TIMEOUT)
    return Said(str(found.version), found.conditions)


def _between(store: FakeStore, channel: str) -> Said:
    listing = list_between(OLDEST[channel], "newest", channel, store=store, now=NOW, timeout=TIMEOUT)
    return Said(str(listing.rows[0].version), listing.conditions)


def _planned(store: FakeStore, channel: str) -> Said:
    plan = plan_bisection(OLDEST[channel], "newest", channel, store=store, now=NOW, timeout=TIMEOUT)
    return Said(str(plan.builds[-1].version), plan.conditions)


COMMANDS: dict[str, Callable[[FakeStore, str], Said]] = {
    "resolve": _resolved,
    "list": _listed,
    "check": _checked,
    "promote --dry-run": _promoted,
    "find": _found,
    "list A..B": _between,
    "bisect --dry-run": _planned,
}
OLDEST = {"master": alpha(3), "release-1.29": patch(2), "release-1.30": beta(0)}
NEWEST = {"master": alpha(9), "release-1.29": patch(4), "release-1.30": beta(2)}

every_command = pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)


def _fill(store: FakeStore) -> FakeStore:
    """Put master, a release branch and five markers there."""
    for distance in (3, 9):
        store.add_build(alpha(distance), at=NOW - (20 - distance) * HOUR)
    store.add_build(patch(2), at=NOW - 6 * HOUR)
    store.add_build(patch(4), at=NOW - 5 * HOUR)
    store.add_marker("master", BRANCH_MARKER, alpha(9))
    store.add_marker("master", GREEN_MARKER, alpha(9))
    store.add_marker("master", "another.txt", alpha(9))
    store.add_marker("release-1.29", BRANCH_MARKER, patch(4))
    store.add_marker("release-1.29", GREEN_MARKER, patch(4))
    return store


@every_command
@pytest.mark.parametrize("channel", ["master", "release-1.29"])
def test_one_marker_that_hangs_costs_no_more_than_half_of_the_time(
    command: Callable[[FakeStore, str], Said], channel: str
) -> None:
    """The others are read, the builds are, and the answer is the right one."""
    store = _fill(HangingStore(f"read markers/{channel}/{GREEN_MARKER}"))
    assert command(store, channel).newest == NEWEST[channel]


def _told(command: Callable[[FakeStore, str], Said], store: FakeStore, channel: str) -> tuple[set[str], str]:
    """Return the codes of what a command warns of, and all that it says; an error warns of nothing by code."""
    try:
        said = command(store, channel)
    except KopsVersionError as error:
        return set(), " ".join((str(error), *error.reasons, error.hint))
    return said.warnings, " ".join(each.message for each in said.conditions)


@every_command
def test_a_listing_that_hangs_is_named(command: Callable[[FakeStore, str], Said]) -> None:
    """And not the store as a whole: somebody has to know where to look."""
    _, text = _told(command, _fill(HangingStore("list 1.29.")), "release-1.29")
    assert f"{URL}1.29." in text


def test_the_error_of_a_marker_that_hangs_names_the_marker() -> None:
    """`check` says which of five it was."""
    path = f"markers/master/{GREEN_MARKER}"
    report = check_health(["master"], store=_fill(HangingStore(f"read {path}")), now=NOW, timeout=TIMEOUT)
    messages = [finding.condition.message for finding in report.channels[0].findings]
    assert any(f"{URL}{path}" in message for message in messages), messages


# --------------------------------------------------------------------------------------------------
# What could not be learnt


def _shared_window() -> FakeStore:
    """Lay out a minor that two branches build: master goes on to alphas of 1.31 in nobody's sight."""
    store = FakeStore()
    for distance in range(3):
        store.add_build(beta(distance), at=NOW - (30 - distance) * HOUR)
        store.add_build(beta(40 + 3 * distance), at=NOW - (29 - distance) * HOUR)
    store.add_marker("release-1.30", BRANCH_MARKER, beta(2))
    store.add_marker("master", BRANCH_MARKER, beta(46))
    store.add_marker("master", GREEN_MARKER, beta(46))
    return store


def _deny(store: FakeStore, patterns: Iterable[str]) -> FakeStore:
    for pattern in patterns:
        store.fail(pattern, AccessDeniedError("reading is denied", url=URL))
    return store


@every_command
def test_where_the_other_branch_s_marker_is_denied_every_command_says_so(
    command: Callable[[FakeStore, str], Said],
) -> None:
    """It is evidence in the shared window; promote writes nothing that is doubtful, and says what would help."""
    store = _deny(_shared_window(), [f"read markers/master/{BRANCH_MARKER}"])
    warnings, text = _told(command, store, "release-1.30")
    assert "marker-unreachable" in warnings or "clone of kops" in text


@every_command
def test_where_markers_and_times_are_denied_no_command_names_a_build_in_silence(
    command: Callable[[FakeStore, str], Said],
) -> None:
    """Nothing but names is left, and every command says that it is less sure."""
    store = _deny(_shared_window(), ["read markers/*", "list 1.30. 1.30.*"])
    warnings, text = _told(command, store, "release-1.30")
    assert {"marker-unreachable", "listing-unavailable"} <= warnings or "denied" in text
