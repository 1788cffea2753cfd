"""Which branches are worth watching, by what is seen of them (FAILURES row 33)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from attrs import evolve

from kopsversion.model.channel import BRANCH_MARKER, GREEN_MARKER, MASTER, Channel
from kopsversion.model.needs import ListUploads
from kopsversion.rules.report import LeftOut
from kopsversion.rules.watched import Watched, channel_of, choose_channels
from tests.builders import DAY, HOUR, NOW, OFF, alpha, bare_listing, beta, patch, snapshot

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

    from kopsversion.model.bucket import Build

PATIENCE = 100 * DAY
R9, R29, R30 = (Channel(f"release-1.{minor}") for minor in (9, 29, 30))
ON_MASTER = Channel(MASTER)


def aged(name: str, days: float | None) -> Build:
    """A build of so many days ago."""
    return bare_listing(name, None if days is None else NOW - days * DAY)


def watched(
    *builds: Build, written: Mapping[str, timedelta] | None = None, minors: tuple[str, ...] = ()
) -> Watched:
    """Choose, where the green marker of each ref was written so long ago."""
    held = evolve(snapshot(*builds), minors=frozenset(minors) or snapshot(*builds).minors)
    moments = {(ref, GREEN_MARKER): NOW - age for ref, age in (written or {}).items()}
    return choose_channels(held, moments, now=NOW, patience=PATIENCE)


def test_of_an_empty_store_nothing_is_watched() -> None:
    """Master is, wherever there is anything."""
    assert watched() == Watched(channels=())
    assert watched(minors=("1.30",)) == Watched(channels=())
    assert watched(aged(alpha(1), 500)) == Watched(channels=(ON_MASTER,))
    assert watched(written={"master": DAY}) == Watched(channels=(ON_MASTER,))


@pytest.mark.parametrize(("days", "is_watched"), [(1, True), (100, True), (100.1, False)])
def test_a_branch_that_built_of_late_is_watched(days: float, *, is_watched: bool) -> None:
    """Master comes first, then the newest. One that built nothing for as long is over, whatever its markers."""
    found = watched(aged(patch(1), days), aged(patch(9, minor="1.9"), 1), written={"release-1.29": DAY})
    over = LeftOut("release-1.29", written=NOW - DAY, built=NOW - days * DAY)
    assert found.channels == (ON_MASTER, R29, R9) if is_watched else (ON_MASTER, R9)
    assert found.left_out == (() if is_watched else (over,))


def test_a_branch_without_markers_is_over_too() -> None:
    """The newest of its builds counts."""
    found = watched(aged(patch(2), 200), aged(patch(1), 300), aged(patch(3), None))
    assert found.left_out == (LeftOut("release-1.29", written=None, built=NOW - 200 * DAY),)


@pytest.mark.parametrize(
    ("final", "is_over"),
    [
        (aged("1.29.0", 200), True),
        (aged("1.29.0-beta.2", 200), False),
        (aged("1.30.0", 200), True),
        (aged(patch(1, minor="1.30"), 200), True),
        (aged(patch(1, minor="1.28"), 200), False),
        (aged(beta(1, minor="1.30"), 200), False),
    ],
    ids=["its own", "a beta's tag", "a later one's", "a later one's patch", "an older one's", "a later beta"],
)
def test_a_branch_with_markers_is_over_only_after_its_final_release(final: Build, *, is_over: bool) -> None:
    """Minors are released one after the other."""
    found = watched(final, written={"release-1.29": 300 * DAY})
    assert (R29 in found.channels) is not is_over
    assert (LeftOut("release-1.29", written=NOW - 300 * DAY, built=None) in found.left_out) is is_over


@pytest.mark.parametrize(("ref", "is_over"), [("1.29.0", True), ("1.29.0-beta.1", False), ("v1", False)])
def test_a_tag_s_own_markers_show_the_final_release(ref: str, *, is_over: bool) -> None:
    """A directory below ``markers/`` may be a tag's."""
    found = watched(written={"release-1.29": 300 * DAY, ref: 300 * DAY})
    assert [each.channel for each in found.left_out] == (["release-1.29"] if is_over else [])


@pytest.mark.parametrize(("days", "tentative"), [(1, True), (100, True), (101, False), (None, False)])
def test_builds_that_may_be_master_s_make_a_branch_tentative(days: float | None, *, tentative: bool) -> None:
    """It exists only if they turn out to be its own; a tag's own build is no branch's."""
    found = watched(aged(beta(1), days), aged("1.30.0-beta.1", 1))
    assert found.tentative == (frozenset({R30}) if tentative else frozenset())
    assert found.channels == ((ON_MASTER, R30) if tentative else (ON_MASTER,))
    assert found.left_out == ()


def test_where_times_could_not_be_learnt_a_branch_may_be_active() -> None:
    """It is watched, rather than left out in silence."""
    held = evolve(snapshot(aged(patch(1), None)), failures={ListUploads("1.29"): OFF})
    assert choose_channels(held, {}, now=NOW, patience=PATIENCE).channels == (ON_MASTER, R29)
    other = evolve(held, failures={ListUploads("1.30"): OFF})
    assert choose_channels(other, {}, now=NOW, patience=PATIENCE).channels == (ON_MASTER,)


def test_what_came_after_the_moment_asked_about_did_not_exist() -> None:
    """A marker that was overwritten since may have been written at any time before."""
    found = watched(aged(patch(1), -1), aged(patch(1, minor="1.30"), 0), written={"release-1.29": -DAY})
    assert found.channels == (ON_MASTER, R30)
    assert found.left_out == (LeftOut("release-1.29", written=NOW, built=None),)


def test_the_youngest_marker_of_a_branch_counts() -> None:
    """Whichever it is."""
    moments = {
        ("release-1.29", GREEN_MARKER): NOW - 9 * DAY,
        ("release-1.29", BRANCH_MARKER): NOW - HOUR,
        ("release-1.29", "x.txt"): NOW - 5 * DAY,
    }
    held = snapshot(aged(patch(1), 200))
    found = choose_channels(held, moments, now=NOW, patience=PATIENCE)
    assert found.left_out == (LeftOut("release-1.29", written=NOW - HOUR, built=NOW - 200 * DAY),)


@pytest.mark.parametrize(
    ("ref", "channel"), [("master", ON_MASTER), ("release-1.29", R29), ("1.29", None), ("v1.29.0", None)]
)
def test_a_directory_of_markers_is_a_branch_s_or_a_tag_s(ref: str, channel: Channel | None) -> None:
    """A short name for a branch is no directory of its own."""
    assert channel_of(ref) == channel
