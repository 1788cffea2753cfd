"""Several stores: when the next is tried, what is said of those before, how they share the time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from attrs import evolve

from kopsversion.errors import (
    KopsVersionError,
    MarkerRefusedError,
    NoTestableBuildError,
    StoreUnavailableError,
)
from kopsversion.model.answer import Severity
from kopsversion.model.channel import GREEN_MARKER, MASTER
from kopsversion.model.policy import OnStale, Policy
from kopsversion.workflows.latest import resolve_latest
from kopsversion.workflows.listing import list_channel
from kopsversion.workflows.stores import shares_of
from tests.builders import DAY, NOW, alpha
from tests.gcs_faults import Stall, Status
from tests.gcs_server import KOPS_BUCKET, KOPS_ROOT, GcsServer, Kind
from tests.scenes import FAST, PLAIN, Scene, ask, every_hour, store_of

if TYPE_CHECKING:
    from kopsversion.model.answer import Condition, Resolution
    from kopsversion.stores.base import Store
    from kopsversion.workflows.latest import NextStoreOn

pytestmark = pytest.mark.usefixtures("naps")


class Buckets:
    """Buckets on one server; those named ``down-…`` cannot be asked, those named ``none-…`` have no build."""

    def __init__(self, server: GcsServer) -> None:
        self.server = server
        server.fail(Status(503), times=None, when=lambda request: "/b/down-" in request.path)

    def open(self, *names: str) -> list[Store]:
        for name in names:
            if name.startswith("good-"):
                PLAIN.put(self.server, bucket=name)
            else:
                self.server.bucket(name)
        return [store_of(self.server, bucket=name) for name in names]


@pytest.fixture
def buckets(gcs_server: GcsServer) -> Buckets:
    return Buckets(gcs_server)


def answer(
    stores: list[Store], *, next_store_on: NextStoreOn = "unreachable", policy: Policy | None = None
) -> Resolution:
    return resolve_latest(store=stores, now=NOW, next_store_on=next_store_on, policy=policy or Policy())


def failure(stores: list[Store], *, next_store_on: NextStoreOn = "unreachable") -> KopsVersionError:
    with pytest.raises(KopsVersionError) as caught:
        answer(stores, next_store_on=next_store_on)
    return caught.value


def passed_over(found: Resolution) -> list[Condition]:
    return [c for c in found.conditions if c.code in {"store-unreachable", "store-without-build"}]


class TestOrder:
    def test_the_first_that_answers_is_taken_and_no_other_asked(self, buckets: Buckets) -> None:
        """Order is trust."""
        found = answer(buckets.open("good-a", "good-b"))
        assert found.store == f"gs://good-a/{KOPS_ROOT}"
        assert found.conditions == ()
        assert all("good-b" not in request.path for request in buckets.server.requests)

    def test_one_that_cannot_be_asked_is_passed_over_and_named(self, buckets: Buckets) -> None:
        """The answer names its own store, and a warning each one before."""
        found = answer(buckets.open("down-a", "down-b", "good-c"))
        assert found.store == f"gs://good-c/{KOPS_ROOT}"
        assert found.base_url.startswith(f"{buckets.server.url}/good-c/")
        assert [(c.code, c.severity, c.data["store"]) for c in passed_over(found)] == [
            ("store-unreachable", Severity.WARNING, f"gs://{name}/{KOPS_ROOT}")
            for name in ("down-a", "down-b")
        ]

    def test_a_bucket_that_does_not_exist_is_passed_over(self, gcs_server: GcsServer) -> None:
        """FAILURES row 13: a bucket that has moved."""
        PLAIN.put(gcs_server)
        found = ask(store_of(gcs_server, bucket="gone"), store_of(gcs_server))
        assert [c.code for c in passed_over(found)] == ["store-unreachable"]

    def test_a_store_on_a_lower_rung_is_not_passed_over(self, buckets: Buckets) -> None:
        """A labelled answer is an answer."""
        stores = buckets.open("good-a", "good-b")
        buckets.server.fail(
            Status(503), Kind.BUILDS, times=None, when=lambda request: "good-a" in request.path
        )
        assert answer(stores).store == f"gs://good-a/{KOPS_ROOT}"

    def test_a_listing_of_builds_goes_the_same_way(self, buckets: Buckets) -> None:
        """``kopsversion list``."""
        listing = list_channel("master", store=buckets.open("down-a", "good-b"), now=NOW)
        assert listing.store == f"gs://good-b/{KOPS_ROOT}"


class TestNoBuild:
    def test_a_store_without_a_testable_build_has_answered(self, buckets: Buckets) -> None:
        """Exit 1, although the next store has one."""
        error = failure(buckets.open("none-a", "good-b"))
        assert isinstance(error, NoTestableBuildError)
        assert all("good-b" not in request.path for request in buckets.server.requests)

    def test_unless_none_asks_for_the_next(self, buckets: Buckets) -> None:
        """Then a warning says that it had none."""
        found = answer(buckets.open("none-a", "good-b"), next_store_on="none")
        assert found.store == f"gs://good-b/{KOPS_ROOT}"
        assert [(c.code, c.severity) for c in passed_over(found)] == [
            ("store-without-build", Severity.WARNING)
        ]
        assert "none-a" in passed_over(found)[0].message

    def test_none_passes_over_stores_that_cannot_be_asked_too(self, buckets: Buckets) -> None:
        """It adds a reason to go on, and takes none away."""
        found = answer(buckets.open("down-a", "none-b", "good-c"), next_store_on="none")
        assert [c.code for c in passed_over(found)] == ["store-unreachable", "store-without-build"]

    def test_what_was_passed_over_before_is_told_with_the_error(self, buckets: Buckets) -> None:
        """Otherwise "there is no build in b" would hide that a was never asked."""
        error = failure(buckets.open("down-a", "none-b"))
        assert isinstance(error, NoTestableBuildError)
        assert "none-b" in str(error)
        assert [r for r in error.reasons if r.startswith("passed over before: ")]

    def test_no_store_has_one(self, buckets: Buckets) -> None:
        """Exit 1, and every store is named."""
        error = failure(buckets.open("none-a", "none-b"), next_store_on="none")
        assert (type(error), error.exit_code) == (NoTestableBuildError, 1)
        assert "none-a" in str(error)
        assert any("none-b" in reason for reason in error.reasons)

    @pytest.mark.parametrize(
        "names", [("none-a", "down-b"), ("down-a", "none-b"), ("none-a", "down-b", "down-c")]
    )
    def test_that_there_is_none_is_known_only_if_all_could_be_asked(
        self, buckets: Buckets, names: tuple[str, ...]
    ) -> None:
        """With ``none``, exit 4 if one could not: asking again may help."""
        error = failure(buckets.open(*names), next_store_on="none")
        assert error.exit_code == 4
        assert any("no build of master in gs://none-" in reason for reason in error.reasons)

    @pytest.mark.parametrize("next_store_on", ["unreachable", "none"])
    def test_a_refused_marker_is_final(self, buckets: Buckets, next_store_on: NextStoreOn) -> None:
        """``--on-stale refuse`` is no lack of builds."""
        stale = Scene(
            builds=every_hour((alpha(n) for n in range(1, 9)), last=NOW - 3 * DAY),
            markers={(MASTER, GREEN_MARKER): alpha(1)},
        )
        down, good = buckets.open("down-a", "good-c")
        stale.put(buckets.server, bucket="stale-b")
        stores = [down, store_of(buckets.server, bucket="stale-b"), good]
        with pytest.raises(MarkerRefusedError) as caught:
            answer(stores, next_store_on=next_store_on, policy=Policy(on_stale=OnStale.REFUSE))
        assert any(reason.startswith("passed over before: ") for reason in caught.value.reasons)

    def test_no_store_can_be_asked(self, buckets: Buckets) -> None:
        """Exit 4, with what each said."""
        error = failure(buckets.open("down-a", "down-b"))
        assert isinstance(error, StoreUnavailableError)
        assert str(error) == "none of 2 stores could be asked"
        assert {"down-a" in reason for reason in error.reasons} == {True, False}


class TestTime:
    def test_each_gets_an_equal_share_of_what_is_left(self) -> None:
        """Of 60 s and three stores that hang: 20 each."""
        left, used = 60.0, []
        for _, share in shares_of(["a", "b", "c"]):
            used.append(left * share)
            left -= used[-1]
        assert used == pytest.approx([20, 20, 20])

    def test_a_store_that_hangs_leaves_time_for_the_next(self, gcs_server: GcsServer) -> None:
        """Its attempts alone would take a minute each."""
        PLAIN.put(gcs_server)
        gcs_server.bucket("hangs")
        gcs_server.fail(Stall(), times=None, when=lambda request: "/b/hangs/" in request.path)
        patient = evolve(FAST, read=60.0, whole=60.0)
        stores = [store_of(gcs_server, attempts=patient, bucket=name) for name in ("hangs", KOPS_BUCKET)]
        found = resolve_latest(store=stores, now=NOW, timeout=3.0)
        assert str(found.version) == alpha(5)
        assert [c.code for c in passed_over(found)] == ["store-unreachable"]
