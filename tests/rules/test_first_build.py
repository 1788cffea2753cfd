"""Which builds contain a merge (DESIGN section 14): found in few rounds, and from one clear place on."""

from __future__ import annotations

import pytest
from attrs import evolve

from kopsversion.model.bucket import GitCommit, GitLine
from kopsversion.model.needs import ListBuilds, Undecided
from kopsversion.rules.ends import End
from kopsversion.rules.first_build import Containing, first_build
from tests.builders import DEFAULT, HOUR, NOW, ON_MASTER, alpha, bare_listing, on_master, snapshot

OLDER, OLDEST = (
    tuple(bare_listing(alpha(n, minor=minor), NOW) for n in (1, 2)) for minor in ("1.29", "1.28")
)
NEWER = tuple(on_master(n) for n in (2, 4))


def ask(wanted: str, *, git: GitLine | None = None, listed: tuple[str, ...] = ()) -> Containing | Undecided:
    """Ask of a store with three minors, of which some are listed so far."""
    held = {"1.28": OLDEST, "1.29": OLDER, "1.30": NEWER}
    builds = tuple(build for minor in listed for build in held[minor])
    known = evolve(
        snapshot(*builds, git=git),
        whole=False,
        minors=frozenset(held),
        listed=frozenset(listed),
        marker_names=frozenset(),
    )
    return first_build(known, ON_MASTER, DEFAULT, End.parse(wanted, name="it"), now=NOW)


def needs(found: Containing | Undecided) -> frozenset[object]:
    assert isinstance(found, Undecided)
    return found.needs


def distance(found: Containing | Undecided) -> int | None:
    assert isinstance(found, Containing)
    assert found.first is not None
    return found.first.version.distance


def test_a_version_s_minor_and_those_above_are_asked_for_at_once() -> None:
    """One round, however far back it is."""
    assert needs(ask(alpha(1, minor="1.28"))) == {ListBuilds(minor) for minor in ("1.28", "1.29", "1.30")}


def test_a_commit_is_looked_for_minor_by_minor() -> None:
    """It is mostly a new one."""
    assert needs(ask("abcdef0")) == {ListBuilds("1.30")}
    assert needs(ask("abcdef0", listed=("1.30",))) == {ListBuilds("1.29")}


def test_older_minors_are_not_asked_for_once_the_merge_is_passed() -> None:
    """By its name, its commit, or its place in a clone."""
    git = GitLine("origin/master", tuple(GitCommit(f"{n:010x}" + "0" * 30, NOW - HOUR) for n in range(1, 5)))
    assert distance(ask(alpha(3), listed=("1.30",))) == 4
    assert distance(ask(f"{2:010x}", listed=("1.30",))) == 2
    assert distance(ask(f"{3:010x}", listed=("1.30",), git=git)) == 4


@pytest.mark.parametrize("wanted", [alpha(2), f"{2:010x}", alpha(2).replace(f"{2:010x}", "abcdef0123")])
def test_a_build_in_its_very_place_contains_it(wanted: str) -> None:
    """Also one that is named after another commit: it is of the same distance from the same tag."""
    assert distance(ask(wanted, listed=("1.28", "1.29", "1.30"))) == 2
