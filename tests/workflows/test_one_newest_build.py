"""Every command means the same build by "the newest", and answers only for the place that was asked about."""

from __future__ import annotations

import pytest

from kopsversion.errors import UsageError
from kopsversion.model.channel import BRANCH_MARKER, GREEN_MARKER, MASTER
from kopsversion.model.policy import Policy, Strategy
from kopsversion.workflows.latest import resolve_latest
from kopsversion.workflows.listing import list_channel
from kopsversion.workflows.survey import check_health
from tests.builders import DAY, HOUR, NOW, alpha
from tests.fake_store import FakeStore

NEWEST = Policy(strategy=Strategy.NEWEST)
TOO_HIGH = "1.31.0-alpha.1+v1.30.0-alpha.1-6-g00000c0ffe"


def bumped() -> FakeStore:
    """A bump that was taken back."""
    store = FakeStore()
    for n in (*range(1, 6), *range(8, 12)):
        store.add_build(alpha(n), at=NOW - (20 - n) * DAY)
    store.add_build(TOO_HIGH, at=NOW - 14 * DAY)
    return store


def built_twice() -> FakeStore:
    """One commit in two directories."""
    store = FakeStore()
    store.add_build(alpha(1), at=NOW - DAY)
    store.add_build(alpha(2)[:-3], at=NOW - 2 * HOUR)
    store.add_build(alpha(2), at=NOW - HOUR)
    return store


@pytest.mark.parametrize(
    "store", [bumped(), built_twice()], ids=["a bump taken back", "one commit built twice"]
)
@pytest.mark.parametrize("named", [(), (GREEN_MARKER,), (BRANCH_MARKER,), (GREEN_MARKER, BRANCH_MARKER)])
def test_check_list_and_resolve_agree(store: FakeStore, named: tuple[str, ...]) -> None:
    """FAILURES rows 31 and 32: whichever markers there are."""
    newest = alpha(11) if any("-11-" in name for name in store.held) else alpha(2)
    for name in (GREEN_MARKER, BRANCH_MARKER):
        store.held.pop(f"markers/{MASTER}/{name}", None)
    for name in named:
        store.add_marker(MASTER, name, newest, at=NOW - HOUR / 2)
    resolved = resolve_latest(MASTER, store=store, policy=NEWEST, now=NOW)
    rows = list_channel(MASTER, store=store, now=NOW).rows
    (health,) = check_health([MASTER], store=store, now=NOW).channels
    assert health.newest is not None
    texts = {str(resolved.version), str(rows[0].version), str(health.newest.version)}
    assert len(texts) == 1
    assert not named or texts == {newest}


def test_a_listing_says_that_a_channel_s_markers_disagree() -> None:
    """As `resolve` and `check` do: what a job tests depends on which of them it reads."""
    store = FakeStore()
    for n in (1, 2):
        store.add_build(alpha(n), at=NOW - (9 - n) * DAY)
    store.add("latest.txt", alpha(1), at=NOW - 5 * DAY)
    store.add_marker(MASTER, BRANCH_MARKER, alpha(2), at=NOW - 5 * DAY)
    listing = list_channel(MASTER, store=store, now=NOW)
    (told,) = (each for each in listing.conditions if each.code == "marker-disagrees")
    assert f"latest.txt names {alpha(1)} and markers/master/latest-ci.txt names {alpha(2)}" in told.message


def test_a_listing_says_that_a_name_is_too_high() -> None:
    """It is not among the rows where a marker and the builds agree on that."""
    store = bumped()
    store.add_marker(MASTER, BRANCH_MARKER, alpha(11), at=NOW - 9 * DAY)
    listing = list_channel(MASTER, store=store, now=NOW)
    assert TOO_HIGH not in {str(row.version) for row in listing.rows}
    assert "order-disputed" in {condition.code for condition in listing.conditions}


def test_a_listing_says_which_name_below_the_newest_it_lacks() -> None:
    """A build that went on above the name that is too high does not hide that a row is missing."""
    store = bumped()
    higher = TOO_HIGH.replace("-alpha.1+v1.30.0-alpha.1-", "-alpha.2+v1.31.0-alpha.1-")
    assert higher != TOO_HIGH
    store.add_build(higher, at=NOW - HOUR)
    store.add_marker(MASTER, BRANCH_MARKER, alpha(11), at=NOW - 9 * DAY)
    listing = list_channel(MASTER, store=store, now=NOW)
    rows = [str(row.version) for row in listing.rows]
    assert rows[:2] == [higher, alpha(11)]
    (said,) = (each for each in listing.conditions if each.code == "order-disputed")
    assert said.data["version"] == TOO_HIGH
    alone = list_channel(MASTER, store=store, now=NOW, limit=1)
    assert "order-disputed" not in {each.code for each in alone.conditions}


class TestMarkerUrl:
    URL = f"{{}}markers/{MASTER}/{BRANCH_MARKER}"

    def test_of_the_store(self) -> None:
        """It names the channel and the marker to cross-check."""
        store = bumped()
        store.add_marker(MASTER, BRANCH_MARKER, alpha(11), at=NOW - 9 * DAY)
        assert str(resolve_latest(self.URL.format(store.url), store=store, now=NOW).version) == alpha(11)

    def test_of_another_place(self) -> None:
        """An answer would be of another place than the one that was asked about."""
        for ask in (resolve_latest, list_channel):
            with pytest.raises(
                UsageError, match=r"'https://storage\.googleapis\.com/other/', which is none of the"
            ):
                ask(self.URL.format("https://storage.googleapis.com/other/"), store=bumped(), now=NOW)

    def test_of_a_store_that_is_tried_later(self, tmp_path_factory: pytest.TempPathFactory) -> None:
        """It is one of those that were named."""
        later = tmp_path_factory.mktemp("later")
        store = bumped()
        asked = self.URL.format(f"{later.as_uri()}/")
        assert resolve_latest(asked, store=[store, str(later)], now=NOW).store == store.url
