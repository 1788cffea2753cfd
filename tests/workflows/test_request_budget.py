"""What a question costs: DESIGN section 10, counted by the server, which also sees what nobody meant to send."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from attrs import evolve, frozen

from kopsversion.model.answer import Resolution, Rung, Source, Verdict
from kopsversion.model.channel import BRANCH_MARKER, GREEN_MARKER, MASTER, Channel
from kopsversion.model.policy import OnStale, Policy, Strategy
from kopsversion.model.version import BuildVersion
from kopsversion.publish.promote import promote
from kopsversion.stores.deadline import Deadline
from kopsversion.workflows.between import list_between
from kopsversion.workflows.bisect import plan_bisection
from kopsversion.workflows.find import find_build
from kopsversion.workflows.listing import list_channel
from kopsversion.workflows.survey import check_health
from tests.builders import DAY, HOUR, NOW, alpha, patch
from tests.gcs_faults import Exchange, Fault
from tests.gcs_server import KOPS_ROOT, LISTINGS, GcsServer, Kind
from tests.scenes import CUT, MASTER_BEFORE, MASTER_LAST, RELEASE_LAST, Scene, ask, every_hour, store_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from kopsversion.stores.base import Store

SIZES = (10, 100, 900)
"""Builds of each branch of a minor. With 900 of two branches a minor has more names than a page."""

MOST_AT_ONCE = 4
"""Connections of any of these questions: requests side by side, and one that came back late to the pool."""

MOST_MASTER = 8
MOST_RELEASE = 7
"""Requests with a lagging or stale marker (DESIGN section 10)."""

KNOWN_KINDS = {Kind.MAJORS, Kind.MINORS, Kind.BUILDS, Kind.UPLOADS, Kind.OBJECTS, Kind.MARKER}
FIRST_MASTER = {Kind.MARKER: 1, Kind.MAJORS: 1, Kind.MINORS: 1, Kind.BUILDS: 1}
FIRST_RELEASE = {Kind.MARKER: 2, Kind.BUILDS: 1}


def scene(size: int, *, behind: int, waited: int) -> Scene:
    """Make a bucket of three minors.

    Parameters:
        size: builds of each branch in each minor.
        behind: how many builds are newer than the markers'.
        waited: for how many hours the newest build has been there.
    """
    last = NOW - waited * HOUR
    return Scene(
        builds={
            **every_hour((alpha(n) for n in range(1, size + 1)), last=last),
            **every_hour((patch(n) for n in range(1, size + 1)), last=last),
            **every_hour((alpha(n, minor="1.29") for n in range(1, size + 1)), last=NOW - 100 * DAY),
            **every_hour((patch(n, minor="1.28") for n in range(1, size + 1)), last=NOW - 50 * DAY),
        },
        markers={
            (MASTER, GREEN_MARKER): alpha(size - behind),
            (MASTER, BRANCH_MARKER): alpha(size),
            ("release-1.29", GREEN_MARKER): patch(size - behind),
            ("release-1.29", BRANCH_MARKER): patch(size),
        },
    )


@frozen(kw_only=True)
class Cost:
    """What a question is expected to cost.

    Attributes:
        behind: how many builds are newer than the marker's.
        waited: for how many hours they have waited.
        verdict: of the marker.
        objects: builds that are looked into.
        round_trips: requests that wait for each other, for master.
    """

    behind: int
    waited: int
    verdict: Verdict
    objects: int
    round_trips: int

    def requests(self, first: Mapping[Kind, int]) -> dict[Kind, int]:
        # A marker that does not name the newest build: how long others have waited shows by their upload times.
        return {**first, Kind.OBJECTS: self.objects, **({Kind.UPLOADS: 1} if self.behind else {})}


COSTS = (
    Cost(behind=0, waited=1, verdict=Verdict.CURRENT, objects=1, round_trips=3),
    Cost(behind=1, waited=1, verdict=Verdict.LAGGING, objects=2, round_trips=3),
    Cost(behind=5, waited=1, verdict=Verdict.LAGGING, objects=3, round_trips=4),
    Cost(behind=5, waited=100, verdict=Verdict.STALE, objects=2, round_trips=4),
)


def counted(
    held: Scene,
    *,
    selector: str,
    as_of: datetime | None = None,
    policy: Policy = Policy(),  # noqa: B008 # frozen
    honours_match_glob: bool = True,
    most_trips: int = 4,
) -> tuple[Resolution, Counter[Kind], int]:
    """Ask once; return the answer, the requests by kind and the round trips.

    Every test here goes through this, so what must never happen is checked here.
    """
    with GcsServer(honours_match_glob=honours_match_glob) as server:
        held.put(server)
        found = ask(store_of(server), selector=selector, as_of=as_of, policy=policy)
        # Further pages of one listing come on top, one after the other: more names than a page holds.
        pages = sum("pageToken" in request.query for request in server.requests)
        kinds = Counter(server.kinds)
        assert set(kinds) <= KNOWN_KINDS, "no hidden traffic"
        assert all("fields" in request.query for request in server.requests if request.kind in LISTINGS)
        assert len(server.requests) == found.requests
        assert server.connections <= MOST_AT_ONCE, "one pool of connections"
        assert found.round_trips <= most_trips
        return found, kinds, pages


@pytest.mark.parametrize("as_of", [None, NOW], ids=["now", "as of now"])
@pytest.mark.parametrize("cost", COSTS, ids=lambda cost: f"{cost.verdict} by {cost.behind}")
@pytest.mark.parametrize("size", SIZES)
class TestBudget:
    def test_master(self, size: int, cost: Cost, as_of: datetime | None) -> None:
        """Five requests for master with a current marker, at most eight with another, in four round trips.

        Only where green cannot be used is latest-ci.txt asked too, after it.
        """
        held = scene(size, behind=cost.behind, waited=cost.waited)
        found, kinds, _ = counted(held, selector="master", as_of=as_of)
        assert found.markers[0].verdict is cost.verdict
        stale = cost.verdict is Verdict.STALE
        assert kinds == cost.requests({**FIRST_MASTER, Kind.MARKER: 1 + stale})
        assert found.requests <= (5 if cost.behind == 0 else MOST_MASTER)
        assert found.round_trips == cost.round_trips

    def test_release_branch(self, size: int, cost: Cost, as_of: datetime | None) -> None:
        """Four requests for a release branch with a current marker, at most seven with another, in three trips."""
        held = scene(size, behind=cost.behind, waited=cost.waited)
        found, kinds, pages = counted(held, selector="release-1.29", as_of=as_of)
        assert found.markers[0].verdict is cost.verdict
        expected = cost.requests(FIRST_RELEASE)
        # Further pages are of one of the two listings of a minor.
        expected[Kind.BUILDS] += pages - (kinds[Kind.UPLOADS] - expected.get(Kind.UPLOADS, 0))
        expected[Kind.UPLOADS] = kinds[Kind.UPLOADS]
        assert kinds == Counter(expected)
        assert found.requests - pages <= (4 if cost.behind == 0 else MOST_RELEASE)
        assert found.round_trips <= cost.round_trips - 1


@pytest.mark.parametrize("as_of", [None, NOW], ids=["now", "as of now"])
@pytest.mark.parametrize("waited", [1, 100])
def test_a_marker_of_an_older_minor_costs_no_more(waited: int, as_of: datetime | None) -> None:
    """One request more for the minor in between, and at most one more round trip: nine in five."""
    held = scene(10, behind=0, waited=waited)
    held = evolve(
        held,
        builds={version: at for version, at in held.builds.items() if version != alpha(1, minor="1.29")}
        | {alpha(12, minor="1.29"): NOW - 6 * DAY},
        markers={**held.markers, (MASTER, GREEN_MARKER): alpha(12, minor="1.29")},
    )
    found, kinds, _ = counted(held, selector="master", as_of=as_of, most_trips=5)
    assert found.markers[0].verdict is (Verdict.LAGGING if waited == 1 else Verdict.STALE)
    assert kinds == FIRST_MASTER | {Kind.MARKER: 2, Kind.BUILDS: 2, Kind.OBJECTS: 2, Kind.UPLOADS: 1}
    assert found.requests <= MOST_MASTER + 1


@pytest.mark.parametrize("as_of", [None, NOW], ids=["now", "as of now"])
@pytest.mark.parametrize("honours_match_glob", [True, False])
class TestSharedWindow:
    """Section 4: two markers and one listing of upload times more."""

    @pytest.mark.parametrize("green", [MASTER_LAST, MASTER_BEFORE])
    def test_master(self, green: str, honours_match_glob: bool, as_of: datetime | None) -> None:  # noqa: FBT001 # a case
        """At most three requests more, and a fourth round trip."""
        held = evolve(CUT, markers={**CUT.markers, (MASTER, GREEN_MARKER): green})
        found, kinds, pages = counted(
            held, selector="master", as_of=as_of, honours_match_glob=honours_match_glob
        )
        is_current = green == MASTER_LAST
        assert found.markers[0].verdict is (Verdict.CURRENT if is_current else Verdict.STALE)
        assert str(found.version) == MASTER_LAST
        assert (kinds[Kind.UPLOADS] - pages, kinds[Kind.MARKER]) == (1, 3)
        assert (pages == 0) is honours_match_glob
        assert found.requests - pages <= (5 if is_current else 7) + 3
        assert found.round_trips == 4

    def test_release_branch(self, honours_match_glob: bool, as_of: datetime | None) -> None:  # noqa: FBT001 # a case
        """At most three requests more, and a third round trip."""
        found, _, pages = counted(
            CUT, selector="release-1.29", as_of=as_of, honours_match_glob=honours_match_glob
        )
        assert str(found.version) == RELEASE_LAST
        assert found.requests - pages <= 4 + 3
        assert found.round_trips == 3


def test_a_later_build_that_the_past_does_not_know_costs_its_upload_times() -> None:
    """As of a moment before the newest builds: they turn out to be later, and then all times are asked for."""
    held = scene(10, behind=2, waited=1)
    found, kinds, _ = counted(held, selector="master", as_of=NOW - 2 * HOUR - HOUR / 2)
    assert (str(found.version), found.markers[0].verdict) == (alpha(8), Verdict.CURRENT)
    assert kinds == FIRST_MASTER | {Kind.OBJECTS: 3, Kind.UPLOADS: 1}


def test_the_newest_build_alone_costs_one_more_for_upload_times() -> None:
    """Strategy newest: whether the newest name is too high shows by when others were uploaded."""
    found, kinds, _ = counted(
        scene(10, behind=0, waited=1), selector="master", policy=Policy(strategy=Strategy.NEWEST)
    )
    assert (found.source, sum(kinds.values())) == (Source.NEWEST, 6)


@pytest.mark.parametrize("debris", ["/v2024/log", "0-logs/log", "cloudbuild/log", "v2024/log", "1-logs/log"])
def test_debris_without_dots_costs_no_page(debris: str) -> None:
    """FAILURES row 45: a hundred pages of names that fold at no dot are not paged through."""
    with GcsServer(page_size=50) as server:
        scene(10, behind=0, waited=1).put(server)
        for number in range(500):
            server.bucket().add(f"{KOPS_ROOT}{debris}-{number}", b"")
        answer = ask(store_of(server))
        assert answer.source is Source.MARKER
        pages = server.count(Kind.MAJORS) + server.count(Kind.MINORS)
        assert (pages, answer.round_trips) == (2, 3) or debris.startswith(("0", "1"))
        assert server.count(Kind.MINORS) == 1


def test_a_version_costs_one_request() -> None:
    """There is nothing to choose."""
    _, kinds, _ = counted(scene(10, behind=0, waited=1), selector=alpha(3))
    assert kinds == {Kind.OBJECTS: 1}


COMMANDS: Mapping[str, tuple[int, Callable[[Store, int], object]]] = {
    "list --limit 5": (10, lambda store, _: list_channel(MASTER, store=store, now=NOW, limit=5)),
    "list A..B": (6, lambda store, size: list_between(alpha(size - 2), alpha(size), store=store, now=NOW)),
    "check master": (12, lambda store, _: check_health([MASTER], store=store, now=NOW)),
    "check": (19, lambda store, _: check_health(store=store, now=NOW)),
    "promote --dry-run": (8, lambda store, size: _promoted(store, alpha(size))),
    "find": (4, lambda store, size: find_build(alpha(size - 1), store=store, now=NOW)),
    "bisect --dry-run": (
        3,
        lambda store, size: plan_bisection(alpha(size - 5), alpha(size), store=store, now=NOW),
    ),
}
"""The most that each command may ask of a bucket, and how it is called with a store and the builds of a branch."""


def _promoted(store: Store, named: str) -> object:
    return promote(
        store,
        BuildVersion.parse(named),
        channel=Channel(MASTER),
        marker=GREEN_MARKER,
        policy=Policy(),
        now=NOW,
        deadline=Deadline(60),
        dry_run=True,
    )


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("most", "call"), COMMANDS.values(), ids=COMMANDS)
def test_no_command_costs_more_in_a_large_bucket(
    most: int, call: Callable[[Store, int], object], size: int
) -> None:
    """Listing and checking cost one for each build or channel that is shown; nothing grows with what is not."""
    with GcsServer() as server:
        scene(size, behind=1, waited=1).put(server)
        call(store_of(server), size)
        assert len(server.requests) <= most, server.kinds
        assert set(server.kinds) <= KNOWN_KINDS | {Kind.MARKERS_LIST, Kind.MEDIA}


def test_the_builds_of_a_range_are_looked_into_at_one_time() -> None:
    """So that one that hangs costs no more than all of them may."""
    with GcsServer() as server:
        scene(10, behind=1, waited=1).put(server)
        server.expect_together(*[Kind.OBJECTS] * 5)
        listing = list_between(alpha(6), alpha(10), store=store_of(server), now=NOW)
        assert server.met
        assert [row.refusal for row in listing.rows] == [None] * 5


def test_refusing_to_fall_back_costs_no_more() -> None:
    """The policy changes what is done with a marker, not what is asked."""
    policy = Policy(on_stale=OnStale.REFUSE)
    _, kinds, _ = counted(scene(10, behind=3, waited=1), selector="master", policy=policy)
    assert sum(kinds.values()) <= MOST_MASTER


class Meet(Fault):
    """Holds requests until a number of them are in flight, then tells the truth."""

    def __init__(self, parties: int) -> None:
        self.barrier = threading.Barrier(parties, timeout=30)

    def __call__(self, exchange: Exchange) -> None:
        self.barrier.wait()
        exchange.send(exchange.answer())


LAGGING = scene(10, behind=5, waited=1)


@pytest.mark.parametrize(
    ("held", "kinds", "number"),
    [
        pytest.param(LAGGING, {Kind.MAJORS, Kind.MINORS, Kind.MARKER}, 3, id="what is asked first"),
        pytest.param(LAGGING, {Kind.OBJECTS}, 3, id="what a lagging marker makes interesting"),
        pytest.param(CUT, {Kind.UPLOADS, Kind.MARKER}, 3, id="the evidence of a branch cut"),
        pytest.param(
            evolve(LAGGING, markers={(MASTER, GREEN_MARKER): alpha(10, minor="1.29")}),
            {Kind.BUILDS},
            2,
            id="the minors down to the marker's",
        ),
    ],
)
def test_what_does_not_depend_on_each_other_is_in_flight_at_one_time(
    held: Scene, kinds: set[Kind], number: int
) -> None:
    """The server holds each until all have arrived, so that an answer at all is the proof."""
    with GcsServer() as server:
        held.put(server)
        green = kinds == {Kind.UPLOADS, Kind.MARKER}  # green itself is read in the round before
        meeting = server.fail(
            Meet(number),
            *kinds,
            times=number,
            when=lambda request: not (green and request.name.endswith(GREEN_MARKER)),
        )
        found = ask(store_of(server))
        assert meeting.hits == number
        assert found.rung is Rung.FULL


def test_whether_the_first_builds_of_a_minor_are_the_newest_costs_three_more_requests() -> None:
    """A day later: the minor may have been raised by mistake, and builds may have gone on in the one below."""
    first = every_hour((alpha(n, minor="1.31") for n in range(1, 4)), last=NOW - 30 * HOUR)
    held = scene(10, behind=0, waited=200)
    named = evolve(
        held, builds={**held.builds, **first}, markers={(MASTER, GREEN_MARKER): alpha(3, minor="1.31")}
    )
    found, kinds, _ = counted(named, selector="master")
    assert found.markers[0].verdict is Verdict.CURRENT
    assert kinds == {**FIRST_MASTER, Kind.OBJECTS: 1, Kind.BUILDS: 2, Kind.UPLOADS: 2}


def test_that_builds_seem_to_have_stopped_costs_two_more_requests() -> None:
    """When others came, and what the other marker names: no false "no build since"."""
    found, kinds, _ = counted(scene(10, behind=0, waited=400), selector="master")
    assert found.markers[0].verdict is Verdict.CURRENT
    assert kinds == {**FIRST_MASTER, Kind.OBJECTS: 1, Kind.UPLOADS: 1, Kind.MARKER: 2}


def test_where_listing_is_denied_the_checksums_are_read_at_one_time() -> None:
    """The third rung: the marker and the listings that fail, then its build's directory, then four small files."""
    with GcsServer(deny_listing=403) as server:
        scene(10, behind=0, waited=1).put(server)
        server.expect_together(*[Kind.MEDIA] * 4)
        found = ask(store_of(server))
        assert server.met
        assert found.rung is Rung.MARKER
        assert Counter(server.kinds) == {
            Kind.MARKER: 1,
            Kind.MAJORS: 1,
            Kind.MINORS: 1,
            Kind.OBJECTS: 1,
            Kind.MEDIA: 4,
        }
        assert {
            request.name.removeprefix(f"{KOPS_ROOT}{alpha(10)}/") for request in server.requests[-4:]
        } == {f"linux/{arch}/{binary}.sha256" for arch in ("amd64", "arm64") for binary in ("kops", "nodeup")}
