"""Which way is forward where names mislead: one is too high, or one commit has two directories.

FAILURES rows 31 and 32.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from kopsversion.errors import PromotionRefusedError
from kopsversion.model.bucket import GitCommit, GitLine
from kopsversion.model.channel import MASTER, Channel
from kopsversion.model.policy import Policy
from kopsversion.model.version import BuildVersion
from kopsversion.publish.promote import Move, Promotion, promote
from kopsversion.stores.deadline import Deadline
from kopsversion.workflows.clones import Clone, CloneSource
from tests.builders import DAY, HOUR, NOW, alpha
from tests.harness import GREEN, add_build, opened
from tests.stores.test_store_contract import DirectoryPlace

if TYPE_CHECKING:
    from pathlib import Path

ON_MASTER = Channel(MASTER)
TOO_HIGH = "1.31.0-alpha.1+v1.30.0-alpha.1-6-g00000c0ffe"
LATEST = "markers/master/latest-ci.txt"


@pytest.fixture
def place(tmp_path: Path) -> DirectoryPlace:
    """Master: a bump to the next minor in the middle of its line, which was taken back."""
    made = DirectoryPlace(tmp_path / "store")
    for n in (*range(1, 6), *range(8, 12)):
        add_build(made, alpha(n), at=NOW - (20 - n) * DAY)
    add_build(made, TOO_HIGH, at=NOW - 14 * DAY)
    return made


def promoted(place: DirectoryPlace, said: str, **changes: Any) -> Promotion:
    settings: dict[str, Any] = {
        "channel": ON_MASTER,
        "marker": "latest-ci-updown-green.txt",
        "policy": Policy(),
        "now": NOW,
        "deadline": Deadline(60),
        "sleep": lambda _seconds: None,
        "dry_run": True,
        **changes,
    }
    return promote(opened(place), BuildVersion.parse(said), **settings)


@pytest.mark.parametrize("named", ["", alpha(11)], ids=["no marker says so", "latest-ci.txt says so"])
class TestANameThatIsTooHigh:
    def test_the_marker_may_leave_it_for_what_came_later(self, place: DirectoryPlace, named: str) -> None:
        """Along the line that is forward, whatever the names say."""
        place.add(GREEN, TOO_HIGH.encode(), NOW - 13 * DAY)
        if named:
            place.add(LATEST, named.encode(), NOW - 9 * DAY)
        assert promoted(place, alpha(10)).move is Move.FORWARD

    def test_but_not_for_what_came_before(self, place: DirectoryPlace, named: str) -> None:
        """That is back."""
        place.add(GREEN, TOO_HIGH.encode(), NOW - 13 * DAY)
        if named:
            place.add(LATEST, named.encode(), NOW - 9 * DAY)
        with pytest.raises(PromotionRefusedError, match="is not newer"):
            promoted(place, alpha(4))

    def test_the_line_goes_on_below_it(self, place: DirectoryPlace, named: str) -> None:
        """It holds nothing back."""
        place.add(GREEN, alpha(9).encode(), NOW - 9 * DAY)
        if named:
            place.add(LATEST, named.encode(), NOW - 9 * DAY)
        assert promoted(place, alpha(11)).move is Move.FORWARD

    def test_no_marker_goes_to_it_from_what_came_later(self, place: DirectoryPlace, named: str) -> None:
        """Its name is no reason to."""
        place.add(GREEN, alpha(9).encode(), NOW - 9 * DAY)
        if named:
            place.add(LATEST, named.encode(), NOW - 9 * DAY)
        with pytest.raises(PromotionRefusedError, match="is too high"):
            promoted(place, TOO_HIGH)


def test_with_a_clone_the_position_decides_across_minors(place: DirectoryPlace) -> None:
    """Either way."""
    ids = [*(f"{n:010x}" for n in range(1, 6)), "00000c0ffe", *(f"{n:010x}" for n in range(7, 12))]
    commits = tuple(GitCommit(each + "0" * 30, NOW - (15 - n) * DAY) for n, each in enumerate(ids))
    source = CloneSource.of(repo=None, nearby=None, ref=None, deadline=Deadline(60))
    clone = Clone(source, ON_MASTER, GitLine("origin/master", commits))
    place.add(GREEN, TOO_HIGH.encode(), NOW - 13 * DAY)
    assert promoted(place, alpha(10), clone=clone).move is Move.FORWARD
    place.add(GREEN, alpha(9).encode(), NOW - 9 * DAY)
    with pytest.raises(PromotionRefusedError, match="is not newer"):
        promoted(place, TOO_HIGH, clone=clone)
    place.add(GREEN, alpha(4).encode(), NOW - 9 * DAY)
    assert promoted(place, TOO_HIGH, clone=clone).move is Move.FORWARD


class TestOneCommit:
    SHORT = alpha(12)[:-3]

    def test_another_directory_of_the_commit_is_no_step_back(self, place: DirectoryPlace) -> None:
        """The marker may name either, and none twice."""
        for said in (alpha(12), self.SHORT):
            add_build(place, said, at=NOW - HOUR)
        place.add(GREEN, alpha(12).encode(), NOW - HOUR)
        assert promoted(place, self.SHORT).move is Move.FORWARD
        assert promoted(place, alpha(12)).move is Move.NONE

    def test_two_spellings_are_two_directories(self, place: DirectoryPlace) -> None:
        """The files of one prove nothing about the other."""
        spelled = alpha(12).replace("+v", "+")
        add_build(place, alpha(12), at=NOW - HOUR, lacking="linux/arm64/nodeup")
        add_build(place, spelled, at=NOW - HOUR)
        place.add(GREEN, alpha(12).encode(), NOW - HOUR)
        found = promoted(place, spelled)
        assert (found.move, found.version.text) == (Move.FORWARD, spelled)
        with pytest.raises(PromotionRefusedError, match="not testable"):
            promoted(place, alpha(12))
