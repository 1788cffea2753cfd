"""The order of a set of builds, with builds among them that have no distance (DESIGN section 3)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kopsversion.errors import UsageError
from kopsversion.rules.ranking import rank
from tests.builders import NOW, bare_listing
from tests.strategies import builds, one_branch

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from hypothesis.strategies import DataObject

    from kopsversion.model.bucket import Build


def at(hour: int | None) -> datetime | None:
    """Hours counted forward, so that a larger one is later."""
    return None if hour is None else NOW + timedelta(hours=hour)


def key_order(*hours: int | None) -> list[Build]:
    """Builds of one line with a distance, in the order of their keys, uploaded at these hours."""
    names = (f"1.17.0-alpha.2+v1.17.0-alpha.1-{distance}-g0123456" for distance in range(1, 100))
    return [bare_listing(name, at(hour)) for name, hour in zip(names, hours, strict=False)]


def bare(hour: int | None, commit: str = "abcdef0") -> Build:
    """A build without a distance."""
    return bare_listing(f"1.17.0-alpha.2+{commit}", at(hour))


def texts(ranked: Iterable[Build]) -> list[str]:
    return [str(build.version) for build in ranked]


def test_nothing_is_ranked_to_nothing() -> None:
    """No builds have an order: none."""
    assert rank([]) == []
    assert rank(iter([])) == []


@pytest.mark.parametrize(
    ("wrong", "message", "hint"),
    [
        pytest.param("1.30.0", "builds is '1.30.0', of type str", "give a list of Build values", id="a text"),
        pytest.param(
            [None], "builds[0] is None, of type NoneType", "give Build values", id="what is no build"
        ),
    ],
)
def test_what_is_no_build_is_refused_by_its_place(wrong: Any, message: str, hint: str) -> None:
    """A script without a type checker learns which argument is wrong, and what to give instead."""
    with pytest.raises(UsageError) as caught:
        rank(wrong)
    assert (str(caught.value), caught.value.hint) == (message, hint)


def test_three_builds_that_pairwise_comparison_would_put_in_a_circle() -> None:
    """A before B by distance, B before C and C before A by time: the key order stays, and C goes first."""
    a, b = key_order(3, 1)
    c = bare(2)
    assert a.version < b.version  # by distance
    assert b.uploaded == at(1)
    assert c.uploaded == at(2)
    assert a.uploaded == at(3)
    # C may only follow builds by whose place nothing was uploaded after it; already by A's something was.
    for given_order in ([a, b, c], [b, c, a], [c, a, b], [c, b, a], [b, a, c], [a, c, b]):
        assert rank(given_order) == [c, a, b]


@pytest.mark.parametrize(
    ("hours", "hour", "place"),
    [
        pytest.param((1, 2, 3), 0, 0, id="before all"),
        pytest.param((1, 2, 3), 1, 1, id="at the same time as one: after it"),
        pytest.param((1, 3, 5), 4, 2, id="between"),
        pytest.param((1, 2, 3), 9, 3, id="after all"),
        pytest.param((1, 9, 3), 5, 1, id="the running maximum counts, not the time of the last one"),
        pytest.param((9, 1, 2), 5, 0, id="a late first upload lifts all that follow"),
        pytest.param((2, 2, 2), 2, 3, id="after the last of equal times"),
        pytest.param((1, None, 3), 2, 2, id="an unknown time raises no maximum"),
        pytest.param((None, None), 1, 2, id="no time is known: after all"),
        pytest.param((), 1, 0, id="alone"),
    ],
)
def test_a_build_without_distance_goes_after_the_last_whose_running_maximum_is_not_later(
    hours: tuple[int | None, ...], hour: int, place: int
) -> None:
    """Its place is counted by the running maximum of upload times in the order of keys."""
    counted = key_order(*hours)
    newcomer = bare(hour)
    assert rank([newcomer, *counted]) == [*counted[:place], newcomer, *counted[place:]]


def test_unknown_upload_time_goes_before_its_release_part() -> None:
    """Without a time nothing but the release part is known, and the answer must not be that build."""
    earlier = bare_listing("1.17.0-alpha.1+v1.16.0-alpha.9-7-g0123456", at(1))
    earlier_tag = bare_listing("1.17.0-alpha.1", at(2))
    unknown = bare(None)
    first, second = key_order(3, 4)
    assert rank([second, unknown, first, earlier_tag, earlier]) == [
        earlier,
        earlier_tag,
        unknown,
        first,
        second,
    ]


def test_several_in_one_place_are_in_order_of_time_then_text() -> None:
    """What lands in one place is ordered by upload time, unknown first, then by name."""
    (only,) = key_order(1)
    expected = [only, bare(2, "bbbbbbb"), bare(3, "aaaaaaa"), bare(3, "ccccccc"), bare(4, "0000000")]
    assert rank(reversed(expected)) == expected
    nothing_known = [bare(None, "fffffff"), bare(0, "eeeeeee")]
    assert rank([*expected, *reversed(nothing_known)]) == [*nothing_known, *expected]


def test_twins_of_two_branches_are_in_order_of_time() -> None:
    """FAILURES row 26: with equal keys the earlier upload is first, whatever the commits are."""
    earlier = bare_listing("1.29.0-beta.2+v1.29.0-beta.1-3-gfffffff", at(1))
    later = bare_listing("1.29.0-beta.2+v1.29.0-beta.1-3-g0000000", at(2))
    assert rank([later, earlier]) == [earlier, later]


def test_numbers_are_no_text() -> None:
    """FAILURES row 21: 1.5.11 comes after 1.5.9, and a distance of 100 after one of 99."""
    names = [
        "1.5.9",
        "1.5.11",
        "1.6.0-alpha.1+v1.5.0-99-g0123456",
        "1.6.0-alpha.1+v1.5.0-100-g0123456",
    ]
    assert texts(rank(map(bare_listing, sorted(names)))) == names


def test_the_guard_that_sorted_wrongly() -> None:
    """FAILURES row 8: the build after v1.26.3 is newer than any on the way there."""
    names = ["1.26.3-rc.1+v1.26.3-rc.0-57-g0123456", "1.26.3", "1.26.4+v1.26.3-39-g0123456"]
    assert texts(rank(map(bare_listing, reversed(names)))) == names


def counted(ranked: Iterable[Build]) -> list[Build]:
    return [build for build in ranked if build.version.distance is not None]


class TestDeterministic:
    """Deterministic, independent of input order."""

    @given(st.one_of(st.lists(builds(), max_size=12), one_branch()), st.data())
    @example([bare_listing("1.17.0.alpha.2+abcdef0"), bare_listing("1.17.0-alpha.2+abcdef0")], None)
    def test_input_order_is_irrelevant(self, some: list[Build], data: DataObject | None) -> None:
        """Any order of the same builds gives the same result, spelling by spelling."""
        shuffled = data.draw(st.permutations(some)) if data else list(reversed(some))
        assert texts(rank(shuffled)) == texts(rank(some))

    @given(one_branch())
    def test_nothing_is_lost_or_added(self, some: list[Build]) -> None:
        """The result holds exactly the builds that were given, each as often."""
        assert sorted(texts(rank(some))) == sorted(texts(some))

    @given(one_branch())
    def test_ranking_again_changes_nothing(self, some: list[Build]) -> None:
        """What is in order stays as it is."""
        assert rank(rank(some)) == rank(some)


class TestKeyOrder:
    """Builds with a distance keep their key order."""

    @given(st.one_of(st.lists(builds(), max_size=12), one_branch()))
    def test_key_order_is_a_subsequence(self, some: list[Build]) -> None:
        """The builds with a distance stand in the order of their precedence, whatever stands between."""
        precedences = [build.version.precedence for build in counted(rank(some))]
        assert precedences == sorted(precedences)

    @given(one_branch())
    def test_builds_without_distance_move_no_others(self, some: list[Build]) -> None:
        """Without them the others have the same order."""
        assert counted(rank(some)) == rank(counted(some))


class TestRunningMaximum:
    """Give each of them the running maximum of upload time in that order; a build without distance goes
    after the last one whose running maximum is not later than its own upload time.
    """

    @given(one_branch())
    def test_each_place_follows_from_the_times(self, some: list[Build]) -> None:
        """Nothing with a distance before it was uploaded later; by the place of the next, something was."""
        ranked = rank(some)
        for index, build in enumerate(ranked):
            uploaded = build.uploaded
            if build.version.distance is not None or uploaded is None:
                continue
            before = counted(ranked[:index])
            through_next = [*before, *counted(ranked[index:])[:1]]
            assert all(each.uploaded is None or each.uploaded <= uploaded for each in before)
            assert through_next == before or any(
                each.uploaded is not None and each.uploaded > uploaded for each in through_next
            )

    @given(one_branch())
    def test_builds_without_distance_are_in_order_of_time(self, some: list[Build]) -> None:
        """Among themselves they have the order of their upload times, where known."""
        times = [build.uploaded for build in rank(some) if build.version.distance is None and build.uploaded]
        assert times == sorted(times)

    @given(one_branch())
    def test_without_a_time_it_is_before_its_release_part(self, some: list[Build]) -> None:
        """One of unknown time has everything of earlier release parts before it, and nothing of its own."""
        ranked = rank(some)
        for index, build in enumerate(ranked):
            if build.version.distance is None and build.uploaded is None:
                release = build.version.release
                assert all(each.version.release < release for each in counted(ranked[:index]))
                assert all(each.version.release >= release for each in counted(ranked[index:]))
