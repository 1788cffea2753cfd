"""Which builds contain a merge (DESIGN section 14): found in few rounds, and from one clear place on."""

from __future__ import annotations

import pytest
from attrs import evolve

from kopsversion.model.answer import Condition, Severity
from kopsversion.model.bucket import GitCommit, GitLine
from kopsversion.model.channel import Channel
from kopsversion.model.codes import Code
from kopsversion.model.needs import ListBuilds, Undecided
from kopsversion.rules.ends import End
from kopsversion.rules.first_build import Containing, first_build
from tests.builders import (
    DEFAULT,
    HOUR,
    NOW,
    ON_MASTER,
    alpha,
    bare_listing,
    beta,
    build,
    on_master,
    patch,
    snapshot,
)

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


def doubt_of(*names: str, wanted: str, channel: Channel = ON_MASTER) -> tuple[Condition, ...]:
    """What is said of the first build that contains it."""
    held = snapshot(*(build(name) for name in names))
    found = first_build(held, channel, DEFAULT, End.parse(wanted, name="it"), now=NOW)
    assert isinstance(found, Containing)
    return found.conditions


@pytest.mark.parametrize("wanted", [beta(2), f"{2:010x}", beta(1).replace(f"{1:010x}", "abcdef0123")])
def test_that_the_first_build_may_be_another_branch_s_is_said(wanted: str) -> None:
    """It is the oldest of those that may be the first."""
    named = beta(1) if "abcdef" in wanted else beta(2)
    assert doubt_of(alpha(3), beta(1), beta(2), beta(3), wanted=wanted) == (
        Condition(
            Code.CHANNEL_AMBIGUOUS,
            Severity.WARNING,
            f"whether {named} is a build of master is doubtful: around a branch cut two branches use the same names; "
            "a clone of kops settles it (--repo)",
            {"version": named},
        ),
    )


def test_a_build_that_may_be_the_branch_s_and_does_not_contain_it_is_no_doubt() -> None:
    """By its name, or by its commit."""
    channel, held = Channel("release-1.30"), (beta(1), beta(2), patch(3, minor="1.30"))
    for wanted in (patch(3, minor="1.30"), f"{3:010x}"):
        assert doubt_of(*held, wanted=wanted, channel=channel) == ()
    assert doubt_of(*held, wanted=beta(2), channel=channel)[0].data == {"version": beta(2)}
