"""Which builds contain a merge (DESIGN section 14): found in few rounds, and from one clear place on."""

from __future__ import annotations

import pytest
from attrs import evolve

from kopsversion.errors import StoreUnavailableError
from kopsversion.model.answer import Condition, Severity
from kopsversion.model.bucket import GitCommit, GitLine, Snapshot
from kopsversion.model.channel import BRANCH_MARKER, MASTER, Channel
from kopsversion.model.codes import Code
from kopsversion.model.needs import ListArtifacts, ListBuilds, Need, ReadMarker, Undecided
from kopsversion.rules.ends import End
from kopsversion.rules.first_build import Containing, first_build
from tests.builders import (
    DEFAULT,
    HOUR,
    NOW,
    OFF,
    ON_MASTER,
    STORE,
    alpha,
    bare_listing,
    beta,
    build,
    on_master,
    patch,
    snapshot,
    version,
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


RELEASE = Channel("release-1.30")
UNLISTED = evolve(snapshot(), whole=False, minors=frozenset({"1.30"}), marker_names=frozenset())


@pytest.mark.parametrize(
    ("held", "needs", "channel", "message", "reason"),
    [
        (
            UNLISTED,
            [ListBuilds("1.30")],
            ON_MASTER,
            f"the builds of master in {STORE} could not all be listed",
            "503",
        ),
        (
            evolve(snapshot(bare_listing(alpha(2), NOW)), whole=False),
            [ListArtifacts(version(alpha(2)))],
            ON_MASTER,
            f"it could not be learnt whether {alpha(2)} is testable",
            "its files could not be listed: 503",
        ),
        (
            evolve(snapshot(build(beta(1))), marker_names=None),
            [ReadMarker(ref, BRANCH_MARKER) for ref in (MASTER, "release-1.30")],
            RELEASE,
            f"it could not be learnt whether a build of release-1.30 contains {alpha(2)}",
            "503",
        ),
    ],
    ids=["builds", "files", "markers"],
)
def test_what_the_store_does_not_tell_is_its_failure(
    held: Snapshot, needs: list[Need], channel: Channel, message: str, reason: str
) -> None:
    """And not that no build contains the merge."""
    failing = evolve(held, failures=dict.fromkeys(needs, OFF))
    with pytest.raises(StoreUnavailableError) as caught:
        first_build(failing, channel, DEFAULT, End.parse(alpha(2), name="it"), now=NOW)
    assert (caught.value.message, caught.value.reasons) == (message, (reason,))
    assert caught.value.hint == "see whether the store can be reached, and run the same command again"
