"""The nouns: channels, builds, markers and what a snapshot knows (DESIGN sections 4, 7 and 12)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from attrs import evolve
from attrs.exceptions import FrozenInstanceError
from hypothesis import given
from hypothesis import strategies as st

from kopsversion.errors import UsageError
from kopsversion.model.answer import (
    USABLE,
    Condition,
    Resolution,
    Rung,
    Severity,
    Source,
    Verdict,
    explanation,
)
from kopsversion.model.bucket import Artifact, Build, Malformed, Marker, Missing, Snapshot
from kopsversion.model.channel import (
    BRANCH_MARKER,
    GREEN_MARKER,
    Attribution,
    Certainty,
    Channel,
    Witness,
    minor_key,
)
from kopsversion.model.policy import Policy
from kopsversion.model.tables import plain
from kopsversion.model.version import BuildVersion
from tests.builders import HOUR, NOW, STORE, bare_listing, build, marker, snapshot
from tests.strategies import hostile_texts

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

VERSION = "1.30.0-beta.2+v1.30.0-beta.1-182-g99b3ad7643"
OTHER = "1.29.0-beta.2+v1.29.0-beta.1-47-gf9a0ba0203"


class TestChannel:
    @pytest.mark.parametrize(
        ("asked", "ref", "minor"),
        [
            ("master", "master", None),
            ("latest", "master", None),
            ("release-1.30", "release-1.30", "1.30"),
            ("1.30", "release-1.30", "1.30"),
            ("0.0", "release-0.0", "0.0"),
            ("9999.9999", "release-9999.9999", "9999.9999"),
        ],
    )
    def test_refs_and_aliases_are_read(self, asked: str, ref: str, minor: str | None) -> None:
        """A channel is known by its ref; its minor and default markers follow from it."""
        channel = Channel.parse(asked)
        assert channel == Channel(ref)
        assert str(channel) == ref
        assert (channel.minor, channel.default_markers) == (minor, (GREEN_MARKER, BRANCH_MARKER))
        assert channel.must_have(BRANCH_MARKER)
        assert channel.must_have(GREEN_MARKER) is channel.is_master
        assert channel.is_master is (minor is None)

    @pytest.mark.parametrize(
        "asked",
        ["", "main", "Latest", "master ", "release-master", "release-1.030", "1.30.0", "v1.30", "1.30\n"],
    )
    def test_others_are_refused(self, asked: str) -> None:
        """FAILURES row 11: release-master never existed; the value is shown, and what a channel looks like."""
        with pytest.raises(UsageError) as raised:
            Channel.parse(asked)
        assert str(raised.value) == f"{asked!r} is not a channel"
        assert "release-1.30" in raised.value.hint

    @given(hostile_texts())
    def test_any_text_is_a_channel_or_refused(self, asked: str) -> None:
        """A channel that was read is read again from its ref; nothing but a `UsageError` comes out."""
        try:
            channel = Channel.parse(asked)
        except UsageError:
            return
        assert Channel.parse(channel.ref) == channel


class TestBuild:
    def test_the_newest_file_tells_when_it_was_uploaded(self) -> None:
        """Of the files that are known the newest counts, not the sample."""
        files = (
            Artifact("linux/amd64/kops", 1, NOW - HOUR),
            Artifact("linux/amd64/nodeup", 1, NOW),
            Artifact("linux/arm64/kops", 1, NOW - 2 * HOUR),
        )
        assert Build(BuildVersion.parse(VERSION), sampled=NOW - HOUR, artifacts=files).uploaded == NOW

    @pytest.mark.parametrize("artifacts", [None, ()])
    @pytest.mark.parametrize("sampled", [None, NOW])
    def test_without_files_the_sample_does(
        self, artifacts: tuple[Artifact, ...] | None, sampled: datetime | None
    ) -> None:
        """Where no file is known, the sample is the time, if there is one."""
        assert Build(BuildVersion.parse(VERSION), sampled=sampled, artifacts=artifacts).uploaded == sampled


class TestMarker:
    def test_a_marker_that_names_a_version(self) -> None:
        """Its path is below markers/, its version what it says."""
        named = marker("release-1.30", BRANCH_MARKER, VERSION, written=NOW)
        assert named.path == "markers/release-1.30/latest-ci.txt"
        assert named.version == BuildVersion.parse(VERSION)
        assert named.written == NOW

    def test_a_marker_that_names_none(self) -> None:
        """What holds no version names none."""
        assert marker("master", GREEN_MARKER, Malformed("is empty")).version is None


@given(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 200)), max_size=20))
def test_minors_are_ordered_as_numbers(numbers: list[tuple[int, int]]) -> None:
    """FAILURES row 21: 1.9 comes before 1.10."""
    minors = [f"{major}.{minor}" for major, minor in numbers]
    assert sorted(minors, key=minor_key) == [f"{major}.{minor}" for major, minor in sorted(numbers)]


class TestSnapshot:
    def test_a_complete_one_knows_everything(self) -> None:
        """What is not given does not exist, and there is nothing left to ask."""
        green = marker("master", GREEN_MARKER, VERSION)
        branch = marker("release-1.29", BRANCH_MARKER, OTHER)
        known = snapshot(build(VERSION), bare_listing(OTHER), markers=[green, branch])
        assert known.base_url == known.store == STORE
        assert known.minors == known.listed == known.timed == frozenset({"1.29", "1.30"})
        assert known.refs == frozenset({"master", "release-1.29"})
        assert known.marker("master", GREEN_MARKER) == green
        assert known.marker("release-1.29", BRANCH_MARKER) == branch
        assert known.marker("release-1.30", BRANCH_MARKER) == Marker(
            "release-1.30", BRANCH_MARKER, Missing("does not exist")
        )

    def test_an_empty_one_knows_that_there_is_nothing(self) -> None:
        """No builds, no minors, no refs; not: not known."""
        assert (snapshot().minors, snapshot().refs) == (frozenset(), frozenset())

    def test_a_fresh_one_knows_nothing(self) -> None:
        """What was not asked is not known, rather than missing."""
        fresh = Snapshot(STORE)
        assert (fresh.minors, fresh.refs) == (None, None)
        assert fresh.marker("master", GREEN_MARKER) is None
        assert fresh.build(BuildVersion.parse(VERSION)) is None

    def test_a_listed_marker_that_was_not_read_is_not_known(self) -> None:
        """That a marker exists does not tell what it says."""
        listed = Snapshot(STORE, marker_names=frozenset({("master", GREEN_MARKER)}))
        assert listed.marker("master", GREEN_MARKER) is None
        assert listed.refs == frozenset({"master"})

    def test_builds_are_found_by_version(self) -> None:
        """A build is found however its version is spelled, and a twin of another branch is not it."""
        known = snapshot(bare_listing(OTHER), build(VERSION))
        assert known.build(BuildVersion.parse(f"v{VERSION}")) == build(VERSION)
        assert known.build(BuildVersion.parse(VERSION.replace("-g99b3ad7643", "-g0123456789"))) is None


class TestValues:
    @pytest.mark.parametrize(
        "value",
        [
            Channel("master"),
            Policy(),
            build(VERSION),
            marker("master", GREEN_MARKER, VERSION),
            snapshot(),
            Condition("builds-old", Severity.WARNING, "x"),
        ],
        ids=lambda value: type(value).__name__,
    )
    def test_values_cannot_be_changed(self, value: object) -> None:
        """No attribute can be set, not even to what it is."""
        with pytest.raises(FrozenInstanceError):
            value.store = STORE  # type: ignore[attr-defined]  # which is the point

    def test_a_policy_is_adjusted_by_copying(self) -> None:
        """An adjusted policy is another value; the default keeps DESIGN's numbers."""
        adjusted = evolve(Policy(), max_lag=HOUR)
        assert adjusted != Policy()
        assert Policy().max_lag == timedelta(hours=24)
        assert Policy().max_build_age == timedelta(days=14)
        assert Policy().build_sla == timedelta(hours=6)
        assert Policy().settle == timedelta(minutes=10)
        assert Policy().platforms == ("linux/amd64", "linux/arm64")

    @pytest.mark.parametrize(
        ("setting", "value", "told"),
        [
            ("nth", 0, "nth of a policy cannot be '0'"),
            ("nth", -1, "nth of a policy cannot be '-1'"),
            ("nth", "1", "nth of a policy cannot be '1'"),
            *(
                (name, timedelta(seconds=-1), f"{name} of a policy cannot be '-1 day, 23:59:59'")
                for name in ("max_lag", "max_build_age", "build_sla", "settle")
            ),
            ("max_lag", 24, "max_lag of a policy cannot be '24'"),
            ("platforms", (), "platforms of a policy cannot be '()'"),
            ("platforms", "linux/amd64", "platforms of a policy cannot be 'linux/amd64'"),
            ("platforms", ("linux/amd64", "linux"), "'linux' is not a platform"),
            ("unpaired", ".sig", "unpaired of a policy cannot be '.sig'"),
            ("unpaired", (".sig", ".sha256"), "'.sha256' is not the suffix of files that need no checksum"),
            ("platforms", ("../\x1b",), r"'../\x1b' is not a platform"),
            ("markers", "latest-ci.txt", "markers of a policy cannot be 'latest-ci.txt'"),
            ("reported", "latest-ci.txt", "reported of a policy cannot be 'latest-ci.txt'"),
            ("strategy", "green", "strategy of a policy cannot be 'green'"),
            ("on_stale", "refuse", "on_stale of a policy cannot be 'refuse'"),
            ("exclude", {VERSION}, f"exclude of a policy cannot be \"{{'{VERSION}'}}\""),
        ],
    )
    def test_a_policy_that_is_not_valid_is_refused(self, setting: str, value: object, told: str) -> None:
        """When it is made and when it is adjusted; nobody's build is passed over for a slip."""
        made: tuple[Callable[[], Policy], ...] = (
            lambda: Policy(**{setting: value}),  # type: ignore[arg-type] # which is the point
            lambda: evolve(Policy(), **{setting: value}),  # type: ignore[arg-type] # the same
        )
        for make in made:
            with pytest.raises(UsageError) as caught:
                make()
            assert str(caught.value) == told
            assert caught.value.hint

    def test_a_policy_may_leave_no_time(self) -> None:
        """0 is a limit like any other: harnesses test with it."""
        none = timedelta(0)
        assert Policy(max_lag=none, max_build_age=none, build_sla=none, settle=none).nth == 1

    def test_severities_are_ordered(self) -> None:
        """Information is milder than a warning, and that than an error."""
        assert sorted(Severity, key=lambda severity: severity.rank) == ["info", "warning", "error"]
        assert Severity.INFO.rank == 0

    @pytest.mark.parametrize("verdict", Verdict)
    def test_which_verdicts_let_a_marker_decide(self, verdict: Verdict) -> None:
        """DESIGN section 7: current and lagging do, and unverified where no more can be known."""
        assert (verdict in USABLE) is (verdict.value in {"current", "lagging", "unverified"})


def resolution(*severities: Severity) -> Resolution:
    version = BuildVersion.parse(VERSION)
    return Resolution(
        channel="master",
        version=version,
        base_url=f"{STORE}{VERSION}",
        attribution=Attribution("master", Witness.VERSION, Certainty.EXACT),
        uploaded=NOW - HOUR,
        source=Source.NEWEST,
        rung=Rung.FULL,
        conditions=tuple(Condition("some-code", severity, "Something is so.") for severity in severities),
        markers=(),
        refused=(),
        skipped={},
        newest=version,
        store=STORE,
        policy=Policy(),
        now=NOW,
    )


class TestResolution:
    @pytest.mark.parametrize(
        ("severities", "degraded"),
        [
            ((), False),
            ((Severity.INFO, Severity.INFO), False),
            ((Severity.WARNING,), True),
            ((Severity.INFO, Severity.ERROR), True),
        ],
    )
    def test_a_warning_or_worse_degrades_it(
        self,
        severities: tuple[Severity, ...],
        degraded: bool,  # noqa: FBT001  # a column of the table
    ) -> None:
        """What --strict fails on is a condition of severity warning or above."""
        assert resolution(*severities).is_degraded is degraded

    def test_it_explains_itself(self) -> None:
        """`explain` is the text that --explain prints."""
        explained = resolution(Severity.WARNING).explain()
        assert explained == plain(explanation(resolution(Severity.WARNING)))
        assert "Something is so." in explained
