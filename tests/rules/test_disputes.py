"""Names that are too high: what speaks against one, and what does not (DESIGN section 3; FAILURES row 31)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from kopsversion.model.answer import Severity, Verdict
from kopsversion.model.bucket import GitCommit, GitLine
from kopsversion.model.channel import BRANCH_MARKER, GREEN_MARKER, MASTER, Channel
from kopsversion.model.needs import ListBuilds, ListMinors, ListUploads, ReadMarker
from kopsversion.model.policy import Policy, Strategy
from kopsversion.rules.asking import UNKNOWN, Unknown
from kopsversion.rules.disputes import DELAY, Dispute, find_disputes
from kopsversion.rules.inquiry import Inquiry
from kopsversion.rules.resolver import resolve
from tests.builders import (
    DAY,
    HOUR,
    NODEUP,
    NOW,
    OFF,
    ON_MASTER,
    alpha,
    bare_listing,
    build,
    marker,
    patch,
    snapshot,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from kopsversion.model.answer import Resolution
    from kopsversion.model.bucket import Build, Marker, Snapshot
    from kopsversion.model.needs import Need

ON_RELEASE = Channel("release-1.29")
DEFAULT = Policy()
NEWEST = Policy(strategy=Strategy.NEWEST)
SECOND = timedelta(seconds=1)


def named(version_text: str, days: float) -> Build:
    """A build of so many days ago, of which only the name and an upload time are known."""
    return bare_listing(version_text, NOW - days * DAY)


LINE = tuple(named(patch(n), 20 - n) for n in range(1, 6))
TOO_HIGH = named("1.29.9+v1.29.8-6-g00000c0ffe", 14)
"""Its name counts from another tag, so that only the times speak against it."""
RAISED = named("1.29.9+v1.29.0-6-g00000c0ffe", 14)
LATER = tuple(named(patch(n), 20 - n) for n in range(8, 12))


def disputed(
    ordered: Sequence[Build], *, marked: Collection[str] = (), sure: Collection[str] = ()
) -> tuple[Dispute, ...]:
    return find_disputes(ordered, now=NOW, marked=marked, sure=sure)


class TestFinding:
    def test_a_name_that_the_line_went_on_below_is_too_high(self) -> None:
        """Three builds that came more than a day later, named between it and the newest build before it."""
        same_day = named(patch(7), 13.9)
        (dispute,) = disputed([*LINE, same_day, *LATER, TOO_HIGH])
        assert dispute.build == TOO_HIGH
        assert dispute.continues
        assert dispute.named is None
        assert dispute.later == tuple(reversed(LATER))

    @pytest.mark.parametrize("kept", range(3))
    def test_fewer_than_three_speak_for_nothing(self, kept: int) -> None:
        """They may be late."""
        assert disputed([*LINE, *LATER[:kept], TOO_HIGH]) == ()

    def test_builds_of_the_same_day_speak_for_nothing(self) -> None:
        """Uploads land up to hours late."""
        late = [named(patch(n), 13.1) for n in (8, 9, 10)]
        assert disputed([*LINE, *late, TOO_HIGH]) == ()

    def test_old_builds_that_were_built_again_speak_for_nothing(self) -> None:
        """They lie below the newest build before the name, or nothing is known of before: no line went on there."""
        again = [evolve(each, sampled=NOW - DAY) for each in LINE[:3]]
        assert disputed([*again, *LINE[3:], TOO_HIGH]) == ()
        assert disputed([*again, TOO_HIGH]) == ()

    def test_unless_a_marker_names_one(self) -> None:
        """A tag made anew begins the distances again; but it may be an old build, so that is no continuation."""
        again = [evolve(each, sampled=NOW - DAY) for each in LINE[:3]]
        disputes = disputed([*again, *LINE[3:], TOO_HIGH], marked={again[1].version.text})
        assert [each.build for each in disputes] == [*LINE[3:], TOO_HIGH]
        assert {each.named for each in disputes} == {again[1]}
        assert not any(each.continues for each in disputes)

    @pytest.mark.parametrize(
        ("days", "number"),
        [((12, 11), 0), ((13.5, 12, 11), 0), ((13, 12, 11), 0), ((12.9, 12, 11), 1)],
        ids=["two", "one of the same day", "one a day later", "three"],
    )
    def test_three_must_go_on_from_the_newest_build_before_it(
        self, days: tuple[float, ...], number: int
    ) -> None:
        """An old build that was built again is none of them, and neither is one of the day."""
        again = evolve(LINE[0], sampled=NOW - DAY)
        following = [named(patch(n), each) for n, each in enumerate(days, start=8)]
        assert len(disputed([again, *LINE[1:], *following, TOO_HIGH])) == number

    def test_a_build_of_the_same_moment_was_there_before_it(self) -> None:
        """So the line is known to have gone on from it."""
        (dispute,) = disputed([named(patch(7), 14), *LATER, TOO_HIGH])
        assert dispute.continues

    @pytest.mark.parametrize(("days", "proven"), [(16, []), (13.5, [False]), (13, [False]), (12.9, [True])])
    def test_a_marked_build_speaks_where_it_came_more_than_a_day_later(
        self, days: float, proven: list[bool]
    ) -> None:
        """A marker names one build between; the others are old ones that were built again."""
        again = [evolve(each, sampled=NOW - DAY) for each in LINE[:3]]
        builds = [*again, *LINE[3:], named(patch(8), days), TOO_HIGH]
        assert [each.is_proven for each in disputed(builds, marked={patch(8)})] == proven

    def test_later_builds_with_higher_names_speak_for_nothing(self) -> None:
        """Nor do they hide those that speak against it."""
        above = [named(f"1.29.10+v1.29.9-{n}-g{n:010x}", 8 - n / 2) for n in range(1, 11)]
        (dispute,) = find_disputes([*LINE, *LATER, TOO_HIGH, *above], now=NOW)
        assert (dispute.build, len(dispute.later)) == (TOO_HIGH, len(LATER))

    @pytest.mark.parametrize(("gap", "doubted"), [(False, True), (True, False)])
    def test_a_stretch_of_names_that_came_later_is_a_doubt(self, *, gap: bool, doubted: bool) -> None:
        """Wherever it lies below; one with an older build between is no stretch."""
        old = [named(patch(n), 20) for n in (1, 5)]
        stretch = [named(patch(n), 12 - n) for n in (2, 3, 4)]
        between = [named("1.29.1+v1.29.0-2-gffffffffff", 20)] if gap else []
        builds = [old[0], stretch[0], *between, *stretch[1:], old[1], TOO_HIGH]
        found = find_disputes(builds, now=NOW, sure={old[1].version.text})
        assert (TOO_HIGH in [each.build for each in found]) is doubted
        assert not any(each.is_proven for each in found if each.build == TOO_HIGH)

    def test_two_names_that_are_too_high(self) -> None:
        """The second is no proof that the line went on there."""
        second = named("1.29.9+v1.29.8-7-g00000c0fff", 13.5)
        assert [each.build for each in disputed([*LINE, *LATER, TOO_HIGH, second])] == [TOO_HIGH, second]

    def test_neither_another_such_name_nor_one_of_unknown_age_hides_how_the_line_went_on(self) -> None:
        """They are passed over."""
        high, higher = (named(f"1.29.9+v1.29.8-{n}-g00000c0ffe", 14.5 - n / 2) for n in (1, 2))
        undated = evolve(named("1.29.8+v1.29.7-1-g00000c0ffe", 1), sampled=None)
        found = find_disputes([*LINE, *LATER, undated, high, higher], now=NOW)
        assert [(each.build, each.continues) for each in found] == [(high, True), (higher, True)]

    def test_git_knows_better(self) -> None:
        """A name whose place is known is not disputed."""
        assert disputed([*LINE, *LATER, TOO_HIGH], sure={TOO_HIGH.version.text}) == ()

    def test_the_last_one_that_came_is_told_first(self) -> None:
        """Whatever its name."""
        later = [named(patch(n), days) for n, days in ((8, 9), (9, 11), (10, 10), (11, 8))]
        (dispute,) = disputed([*LINE, *later, TOO_HIGH])
        assert [each.version.distance for each in dispute.later] == [11, 8, 10, 9]

    def test_builds_of_unknown_age_are_no_evidence(self) -> None:
        """Neither is one disputed."""
        undated = [evolve(each, sampled=None) for each in LATER]
        assert disputed([*LINE, *undated, TOO_HIGH]) == ()
        assert disputed([*LINE, *LATER, evolve(TOO_HIGH, sampled=None)]) == ()
        mixed = [*LINE, undated[0], *LATER[1:], TOO_HIGH]
        assert [each.build for each in disputed(mixed)] == [TOO_HIGH]
        assert disputed([]) == ()

    def test_one_build_that_counts_more_commits_from_the_same_tag_is_enough(self) -> None:
        """Its own name says that it was merged later: only the release was lowered again."""
        soon = named(patch(8), 13.9)
        (dispute,) = disputed([*LINE, soon, RAISED])
        assert (dispute.build, dispute.later) == (RAISED, (soon,))
        assert dispute.continues
        assert dispute.named is None
        (dispute,) = disputed([*LINE, soon, RAISED], marked={soon.version.text})
        assert dispute.named == soon

    def test_a_build_that_counts_as_many_is_none_of_those_that_speak(self) -> None:
        """It is of the same commit, or of another branch."""
        same, soon = named("1.29.1+v1.29.0-6-gfffffffff", 13.95), named(patch(8), 13.9)
        (dispute,) = disputed([*LINE, same, soon, RAISED])
        assert (dispute.build, dispute.later) == (RAISED, (soon,))

    def test_of_two_raised_names_each_is_too_high(self) -> None:
        """By the same build."""
        soon, higher = named(patch(8), 13.8), named("1.29.10+v1.29.0-7-g00000c0fff", 13.9)
        assert [(each.build, each.later) for each in disputed([*LINE, soon, RAISED, higher])] == [
            (RAISED, (soon,)),
            (higher, (soon,)),
        ]

    def test_but_not_if_it_was_there_before(self) -> None:
        """A tag may have been made anew together with the next release."""
        assert disputed([*LINE, named(patch(8), 14.1), RAISED]) == ()
        assert disputed([*LINE, bare_listing(patch(8), None), RAISED]) == ()

    def test_a_marker_that_has_named_a_later_build_for_a_day_is_a_doubt_and_no_proof(self) -> None:
        """The distances may begin again; or the marker was set back to the build of an older merge."""
        above = named(patch(31), 13)
        soon = named(patch(6), 12.9)
        (dispute,) = disputed([*LINE, soon, above], marked={soon.version.text})
        assert (dispute.build, dispute.later) == (above, (soon,))
        assert not dispute.is_proven

    def test_a_stretch_of_later_builds_is_a_doubt_and_no_proof(self) -> None:
        """A tag made anew begins the distances again. Old builds that are built again hardly follow each other."""
        old = [named(patch(n), 30 - n) for n in range(10, 15)]
        anew = [named(patch(n), 12 - n) for n in range(1, 4)]
        assert [(each.build, each.is_proven) for each in disputed([*anew, *old])] == [
            (build, False) for build in old
        ]
        assert disputed([anew[0], named(patch(2), 25), *anew[2:], *old]) == ()
        assert disputed([named(patch(1), 10), named(patch(2), 11), anew[2], *old]) == ()
        assert disputed([*anew[:2], *old]) == ()

    def test_what_came_within_the_last_day_is_waited_for(self) -> None:
        """The build of an older merge ends later, and the next one moves the marker on."""
        soon = named(patch(6), 0.5)
        for age, number in ((0.9, 0), (1, 0), (1.1, 1)):
            assert len(disputed([*LINE, soon, named(patch(30), age)], marked={soon.version.text})) == number

    @given(st.lists(st.integers(0, 40), max_size=12))
    def test_law_a_line_that_only_moves_forward_is_never_disputed(self, gaps: list[int]) -> None:
        """However long it is silent."""
        times = [NOW - DAY * sum(gaps[index:]) for index in range(len(gaps))]
        line = [bare_listing(patch(n), at) for n, at in enumerate(times, start=1)]
        assert disputed(line, marked={each.version.text for each in line}) == ()


# --------------------------------------------------------------------------------------------------
# What comes of it


def whole(*builds: Build) -> list[Build]:
    """The same builds, complete."""
    return [build(each.version.text, uploaded=each.sampled or NOW) for each in builds]


def told(found: Resolution) -> dict[str, Severity]:
    return {condition.code: condition.severity for condition in found.conditions}


def latest(version_text: str, *, name: str = BRANCH_MARKER, written: float = 9) -> Marker:
    return marker("release-1.29", name, version_text, written=NOW - written * DAY)


class TestAnswers:
    HELD = whole(*LINE, *LATER, TOO_HIGH)

    @pytest.mark.parametrize("policy", [DEFAULT, NEWEST])
    def test_a_right_marker_is_not_overruled(self, policy: Policy) -> None:
        """Newest means newest without the name that is too high, and that is an information."""
        held = snapshot(*self.HELD, markers=[latest(patch(11))])
        found = resolve(held, ON_RELEASE, policy, NOW)
        assert str(found.version) == patch(11)
        assert told(found)["order-disputed"] is Severity.INFO
        assert Verdict.CURRENT in {report.verdict for report in found.markers}
        assert not found.is_degraded

    def test_without_a_marker_it_stays_the_answer_with_a_warning(self) -> None:
        """Which is the right one only git can tell."""
        found = resolve(snapshot(*self.HELD), ON_RELEASE, NEWEST, NOW)
        assert found.version == TOO_HIGH.version
        assert told(found)["order-disputed"] is Severity.WARNING
        assert "builds-old" not in told(found)

    def test_that_builds_stopped_with_it_is_not_said(self) -> None:
        """Others came later; one that cannot be tested counts as well."""
        found = resolve(snapshot(*self.HELD), ON_RELEASE, Policy(max_build_age=10 * DAY), NOW)
        assert "builds-old" not in told(found)
        above = build("1.29.9+v1.29.8-7-g00000c0ffe", uploaded=NOW - DAY, without=NODEUP)
        found = resolve(snapshot(*self.HELD, above), ON_RELEASE, Policy(max_build_age=2 * DAY), NOW)
        assert found.version == TOO_HIGH.version
        assert "builds-old" not in told(found)

    def test_where_it_is_not_the_answer_and_nothing_passed_it_over_it_is_not_told_of(self) -> None:
        """It is left out by request, or a build with a still higher name is the answer."""
        excluding = evolve(NEWEST, exclude=frozenset({TOO_HIGH.version}))
        assert "order-disputed" not in told(resolve(snapshot(*self.HELD), ON_RELEASE, excluding, NOW))
        higher = build("1.29.10+v1.29.9-1-g00000c0fff", uploaded=NOW - HOUR)
        held = snapshot(*self.HELD, higher, markers=[latest(patch(11))])
        assert "order-disputed" not in told(resolve(held, ON_RELEASE, NEWEST, NOW))

    def test_who_asks_for_it_by_its_name_is_told_nothing_of_the_order(self) -> None:
        """It is not the newest that is wanted."""
        assert told(resolve(snapshot(*self.HELD), TOO_HIGH.version, NEWEST, NOW)) == {}

    def test_it_does_not_count_for_any_lag(self) -> None:
        """A marker behind by one build is lagging since that one."""
        fresh = build(patch(12), uploaded=NOW - HOUR)
        held = snapshot(*self.HELD, fresh, markers=[latest(patch(11), name=GREEN_MARKER), latest(patch(12))])
        found = resolve(held, ON_RELEASE, DEFAULT, NOW)
        assert (found.markers[0].verdict, found.markers[0].lag) == (Verdict.LAGGING, HOUR)

    def test_a_marker_that_names_it_is_judged_by_what_came_later(self) -> None:
        """It is stale since the line went on."""
        held = snapshot(
            *self.HELD,
            markers=[latest(TOO_HIGH.version.text, name=GREEN_MARKER, written=14), latest(patch(11))],
        )
        found = resolve(held, ON_RELEASE, DEFAULT, NOW)
        assert str(found.version) == patch(11)
        assert found.markers[0].verdict is Verdict.STALE
        assert found.markers[0].lag == 12 * DAY

    def test_another_marker_is_judged_by_the_order_of_names(self) -> None:
        """One that names what was there before is behind since the very next build."""
        held = snapshot(*self.HELD, markers=[latest(patch(3), name=GREEN_MARKER), latest(patch(11))])
        found = resolve(held, ON_RELEASE, DEFAULT, NOW)
        assert (found.markers[0].verdict, found.markers[0].lag) == (Verdict.STALE, 16 * DAY)

    def test_a_build_of_the_same_moment_is_not_newer_than_a_marker_that_names_it(self) -> None:
        """What came later is, whatever its name."""
        same = named(patch(7), 14)
        held = snapshot(
            *whole(*LINE, same, *LATER, TOO_HIGH),
            markers=[latest(TOO_HIGH.version.text, name=GREEN_MARKER, written=14), latest(patch(11))],
        )
        assert resolve(held, ON_RELEASE, DEFAULT, NOW).markers[0].lag == 12 * DAY

    def test_what_is_said_is_of_the_answer_where_several_names_are_too_high(self) -> None:
        """A marker speaks against the higher name alone; the lower one is the answer, and may be wrong."""
        second = named("1.29.8+v1.29.8-7-g00000c0fff", 9.5)
        last = [named(patch(n), 20 - n) for n in range(12, 15)]
        held = snapshot(*whole(*LINE, *LATER, TOO_HIGH, second, *last), markers=[latest(patch(8))])
        found = resolve(held, ON_RELEASE, NEWEST, NOW)
        assert found.version == second.version
        (told_of_it,) = (each for each in found.conditions if each.code == "order-disputed")
        assert (told_of_it.severity, told_of_it.data["version"]) == (Severity.WARNING, str(second.version))

    @pytest.mark.parametrize(
        ("marked", "others", "sentence"),
        [
            (
                [],
                [],
                (
                    f"{TOO_HIGH.version} may be too high: 4 builds of release-1.29, such as {patch(11)}, came after it "
                    "with lower names; --repo https://github.com/kubernetes/kops tells which is newest"
                ),
            ),
            (
                [patch(11)],
                [],
                (
                    f"{TOO_HIGH.version} is too high and was passed over: 4 builds of release-1.29 came after it with "
                    f"lower names, and a marker names {patch(11)}"
                ),
            ),
            (
                [patch(11)],
                ["1.29.9+v1.29.8-12-g00000c0ffe"],
                (
                    "1.29.9+v1.29.8-12-g00000c0ffe is too high (and 1 other name too) and was passed over: 4 builds of "
                    f"release-1.29 came after it with lower names, and a marker names {patch(11)}"
                ),
            ),
        ],
        ids=["without a marker", "by a marker", "several"],
    )
    def test_the_sentence_says_what_speaks_against_the_name(
        self, marked: list[str], others: list[str], sentence: str
    ) -> None:
        """And how many other names are too high; the data name the builds."""
        above = [build(each, uploaded=NOW - 13.9 * DAY) for each in others]
        held = snapshot(*self.HELD, *above, markers=map(latest, marked))
        found = resolve(held, ON_RELEASE, NEWEST, NOW)
        (said,) = (each for each in found.conditions if each.code == "order-disputed")
        assert said.message == f"the name {sentence}"
        assert said.data == {
            "version": sentence.partition(" ")[0],
            "later": tuple(patch(n) for n in (11, 10, 9, 8)),
            "disputed": 1 + len(others),
        }

    def test_no_more_than_eight_later_builds_are_named(self) -> None:
        """The sentence says how many there are."""
        many = [build(patch(n), uploaded=NOW - (20 - n / 10) * DAY) for n in range(80, 100)]
        found = resolve(snapshot(*self.HELD, *many), ON_RELEASE, NEWEST, NOW)
        (said,) = (each for each in found.conditions if each.code == "order-disputed")
        assert "24 builds of release-1.29" in said.message
        assert len(said.data["later"]) == 8  # type: ignore[arg-type]

    def test_old_builds_that_were_built_again_pass_it_over_only_with_a_warning(self) -> None:
        """A marker names one of them, and nothing shows that the line went on there."""
        again = [evolve(each, sampled=NOW - DAY) for each in LINE[:3]]
        held = snapshot(*whole(*again, *LINE[3:]), markers=[latest(patch(2), written=0.9)])
        found = resolve(held, ON_RELEASE, NEWEST, NOW)
        assert told(found)["order-disputed"] is Severity.WARNING


class TestAcrossMinors:
    """Master's too high name is in a minor of its own."""

    HELD = (
        *(build(alpha(n), uploaded=NOW - (20 - n) * DAY) for n in (*range(1, 6), *range(8, 12))),
        build("1.31.0-alpha.1+v1.30.0-alpha.1-6-g00000c0ffe", uploaded=NOW - 14 * DAY),
    )

    def line(self, *distances: int) -> GitLine:
        """Master as a clone has it: a commit a day."""
        ids = {6: "00000c0ffe"}
        commits = [
            GitCommit(ids.get(n, f"{n:010x}") + "0" * 30, NOW - (20 - n) * DAY - HOUR) for n in distances
        ]
        return GitLine("origin/master", tuple(commits))

    def test_with_git_the_position_decides(self) -> None:
        """Whatever the names say."""
        found = resolve(snapshot(*self.HELD, git=self.line(*range(1, 12))), ON_MASTER, NEWEST, NOW)
        assert str(found.version) == alpha(11)
        assert set(told(found)) == {"marker-missing"}
        marked = snapshot(
            *self.HELD, markers=[marker(MASTER, GREEN_MARKER, alpha(11))], git=self.line(*range(1, 12))
        )
        assert told(resolve(marked, ON_MASTER, NEWEST, NOW)) == {}

    def test_git_says_what_is_not_built_since_the_newest_and_not_since_the_name(self) -> None:
        """No false builds-stalled."""
        found = resolve(snapshot(*self.HELD, git=self.line(*range(1, 15))), ON_MASTER, NEWEST, NOW)
        (stalled,) = (each for each in found.conditions if each.code == "builds-stalled")
        assert stalled.data["commits_behind"] == 3

    def test_a_marker_is_judged_in_git_s_order(self) -> None:
        """One that names the too high build is behind what came later, and one on the line is not behind it."""
        git = self.line(*range(1, 12))
        high = self.HELD[-1].version.text
        for said, verdict in ((alpha(11), Verdict.CURRENT), (high, Verdict.STALE), (alpha(9), Verdict.STALE)):
            held = snapshot(*self.HELD, markers=[marker(MASTER, GREEN_MARKER, said)], git=git)
            assert resolve(held, ON_MASTER, DEFAULT, NOW).markers[0].verdict is verdict

    def test_the_older_minor_is_asked_for_where_the_newest_is_small_and_a_day_old(self) -> None:
        """Its builds, then their times; a newest minor that goes on is enough by itself."""
        alone = evolve(
            snapshot(self.HELD[-1]), whole=False, minors=frozenset({"1.30", "1.31"}), marker_names=frozenset()
        )
        inquiry = Inquiry(alone, ON_MASTER, DEFAULT, NOW)
        assert isinstance(inquiry.look_for_disputes(), Unknown)
        assert inquiry.needs == {ListBuilds("1.30")}
        listed = evolve(alone, builds=self.HELD, listed=frozenset({"1.30", "1.31"}))
        inquiry = Inquiry(listed, ON_MASTER, DEFAULT, NOW)
        assert isinstance(inquiry.look_for_disputes(), Unknown)
        assert inquiry.needs == {ListUploads("1.30")}
        fresh = evolve(alone, builds=(build("1.31.0-alpha.1+v1.30.0-alpha.1-6-g00000c0ffe"),))
        assert Inquiry(fresh, ON_MASTER, DEFAULT, NOW).look_for_disputes() is None

    @pytest.mark.parametrize(
        ("number", "newest", "marked", "is_asked"),
        [
            pytest.param(8, DAY + SECOND, [], True, id="few, a day old"),
            pytest.param(8, DAY, [], False, id="few, of the last day"),
            pytest.param(9, DAY + SECOND, [], False, id="not few"),
            pytest.param(8, None, [], False, id="undated"),
            pytest.param(9, HOUR, [(BRANCH_MARKER, alpha(5), SECOND)], True, id="latest-ci set back"),
            pytest.param(9, HOUR, [(BRANCH_MARKER, alpha(5), 0 * HOUR)], False, id="latest-ci of before"),
            pytest.param(9, HOUR, [(GREEN_MARKER, alpha(5), DAY + SECOND)], True, id="green set back"),
            pytest.param(9, HOUR, [(GREEN_MARKER, alpha(5), DAY)], False, id="green that took a day"),
            pytest.param(
                9, HOUR, [(BRANCH_MARKER, alpha(1, minor="1.31"), DAY)], False, id="names the lowest"
            ),
            pytest.param(
                9, HOUR, [(BRANCH_MARKER, alpha(2, minor="1.31"), DAY)], False, id="names a higher one"
            ),
            pytest.param(9, HOUR, [("other.txt", patch(5), DAY)], False, id="another branch's"),
        ],
    )
    def test_an_older_minor_matters_where_its_builds_may_have_followed(
        self,
        number: int,
        newest: timedelta | None,
        marked: list[tuple[str, str, timedelta]],
        *,
        is_asked: bool,
    ) -> None:
        """The newest minor is small and a day old, or a marker was moved below it after its first build."""
        first = NOW - 20 * DAY
        times = [first] * (number - 1) + [NOW - newest] if newest is not None else [None] * number
        builds = [bare_listing(alpha(n, minor="1.31"), at) for n, at in enumerate(times, start=1)]
        markers = [
            marker("release-1.29" if name == "other.txt" else MASTER, name, text, written=first + after)
            for name, text, after in marked
        ]
        held = evolve(
            snapshot(*builds, markers=markers),
            whole=False,
            minors=frozenset({"1.30", "1.31"}),
            listed=frozenset({"1.31"}),
            marker_names=frozenset(),
        )
        inquiry = Inquiry(held, ON_MASTER, DEFAULT, NOW)
        assert isinstance(inquiry.look_for_disputes(), Unknown) is is_asked
        assert inquiry.needs == ({ListBuilds("1.30")} if is_asked else set())

    def test_builds_of_both_minors_are_counted_together(self) -> None:
        """Five and five are not few."""
        builds = [
            build(alpha(n, minor=m), uploaded=NOW - 9 * DAY) for m in ("1.30", "1.31") for n in range(5)
        ]
        held = evolve(
            snapshot(*builds),
            whole=False,
            minors=frozenset({"1.29", "1.30", "1.31"}),
            listed=frozenset({"1.30", "1.31"}),
            marker_names=frozenset(),
        )
        inquiry = Inquiry(held, ON_MASTER, DEFAULT, NOW)
        assert (inquiry.look_for_disputes(), inquiry.needs) == (None, set())

    def test_names_of_long_ago_are_not_looked_at(self) -> None:
        """A few minors are enough, once there are builds enough."""
        builds = [build(alpha(n, minor=f"1.{minor}")) for minor in range(25, 31) for n in range(1, 6)]
        for minor, number in (("1.26", 0), ("1.27", 0), ("1.28", 1)):
            high = build(f"{minor}.0-alpha.3+v{minor}.0-alpha.1-2-g00000c0ffe", uploaded=NOW - 90 * DAY)
            found = Inquiry(snapshot(*builds, high), ON_MASTER, DEFAULT, NOW).disputes
            assert [each.build for each in found] == [high] * number

    @pytest.mark.parametrize(
        "above",
        [[("1.31", 9)], [("1.33", 3), ("1.32", 3), ("1.31", 2)]],
        ids=["three minors", "until there are more than eight builds"],
    )
    def test_the_names_of_so_many_minors_are_looked_at_together(self, above: list[tuple[str, int]]) -> None:
        """However many builds the newest has."""
        raised = [
            build(alpha(n, minor=minor), uploaded=NOW - 14 * DAY)
            for minor, count in above
            for n in range(count)
        ]
        high = build(alpha(12), uploaded=NOW - 14 * DAY)
        held = snapshot(*self.HELD[:-1], high, *raised)
        assert high in [each.build for each in Inquiry(held, ON_MASTER, DEFAULT, NOW).disputes]

    def test_the_channel_s_markers_are_read_where_a_name_is_disputed(self) -> None:
        """One of them may settle it."""
        inquiry = Inquiry(evolve(snapshot(*self.HELD), marker_names=None), ON_MASTER, DEFAULT, NOW)
        assert isinstance(inquiry.look_for_disputes(), Unknown)
        assert inquiry.needs == {ReadMarker(MASTER, GREEN_MARKER), ReadMarker(MASTER, BRANCH_MARKER)}

    def test_the_older_minor_is_asked_for_beside_the_newest(self) -> None:
        """What followed a name is asked for at once, and what fails of it is done without."""
        held = evolve(
            snapshot(self.HELD[-1]),
            whole=False,
            minors=frozenset({"1.29", "1.30", "1.31"}),
            timed=frozenset(),
            marker_names=frozenset(),
        )
        inquiry = Inquiry(held, ON_MASTER, DEFAULT, NOW)
        assert isinstance(inquiry.look_for_followers(self.HELD[-1]), Unknown)
        assert inquiry.needs == {ListUploads("1.31"), ListBuilds("1.30"), ListUploads("1.30")}
        inquiry = Inquiry(evolve(held, timed=frozenset({"1.30"})), ON_MASTER, DEFAULT, NOW)
        assert isinstance(inquiry.look_for_followers(self.HELD[-1]), Unknown)
        assert inquiry.needs == {ListUploads("1.31"), ListBuilds("1.30")}
        failing = evolve(held, failures={ListBuilds("1.30"): OFF}, timed=frozenset({"1.30", "1.31"}))
        inquiry = Inquiry(failing, ON_MASTER, DEFAULT, NOW)
        assert inquiry.look_for_followers(self.HELD[-1]) is None
        assert inquiry.listing_failure is None
        unknown = Inquiry(evolve(held, minors=None), ON_MASTER, DEFAULT, NOW)
        assert isinstance(unknown.look_for_followers(self.HELD[-1]), Unknown)
        assert unknown.needs == {ListMinors()}

    @pytest.mark.parametrize(
        ("names", "age", "needs"),
        [
            (8, 25 * HOUR, {ListBuilds("1.30"), ListUploads("1.30"), ListUploads("1.31")}),
            (8, 24 * HOUR, set()),
            (9, 25 * HOUR, set()),
            (9, 14 * DAY, set()),
            (9, 15 * DAY, {ListUploads("1.31"), ReadMarker(MASTER, BRANCH_MARKER)}),
        ],
        ids=["few", "of the last day", "not few", "not old", "old"],
    )
    def test_what_followed_is_looked_for_where_the_name_may_be_too_high(
        self, names: int, age: timedelta, needs: set[Need]
    ) -> None:
        """Where the minor is new, or where builds seem to have stopped; of a release branch neither says so."""
        held = self.known(*(alpha(n, minor="1.31") for n in range(1, names + 1)), age=age)
        inquiry = Inquiry(held, ON_MASTER, DEFAULT, NOW)
        assert (inquiry.look_for_followers(held.builds[-1]), inquiry.needs) == (
            UNKNOWN if needs else None,
            needs,
        )
        inquiry = Inquiry(held, ON_MASTER, DEFAULT, NOW)
        inquiry.listing_failure = "503"
        assert inquiry.look_for_followers(held.builds[-1]) is None
        branch = self.known(*(patch(n, minor="1.31") for n in range(1, names + 1)), age=age)
        assert (
            Inquiry(branch, Channel("release-1.31"), DEFAULT, NOW).look_for_followers(branch.builds[-1])
            is None
        )

    def test_where_other_names_contradict_it_times_are_asked_for(self) -> None:
        """A lower one counts more commits from the same tag."""
        high = "1.31.0-alpha.3+v1.31.0-alpha.1-5-g00000c0ffe"
        for lower, needs in (
            (alpha(9, minor="1.31"), {ListUploads("1.31")}),
            (alpha(4, minor="1.31"), set()),
        ):
            held = self.known(lower, high, age=HOUR)
            inquiry = Inquiry(held, ON_MASTER, DEFAULT, NOW)
            assert (inquiry.look_for_followers(held.builds[-1]) is UNKNOWN) is bool(needs)
            assert inquiry.needs == needs

    def test_the_marker_is_asked_for_also_where_all_times_are_known(self) -> None:
        """And the times where the marker is."""
        names = [alpha(n, minor="1.31") for n in range(1, 10)]
        timed = evolve(
            self.known(*names, age=15 * DAY), timed=frozenset({"1.30", "1.31"}), minors=frozenset({"1.31"})
        )
        inquiry = Inquiry(timed, ON_MASTER, DEFAULT, NOW)
        assert inquiry.look_for_followers(timed.builds[-1]) is UNKNOWN
        assert inquiry.needs == {ReadMarker(MASTER, BRANCH_MARKER)}
        read = evolve(self.known(*names, age=15 * DAY), marker_names=frozenset())
        inquiry = Inquiry(read, ON_MASTER, DEFAULT, NOW)
        assert inquiry.look_for_followers(read.builds[-1]) is UNKNOWN
        assert inquiry.needs == {ListUploads("1.31")}

    def known(self, *names: str, age: timedelta) -> Snapshot:
        """A store of which the builds of 1.31 are listed, the last with its time."""
        builds = [bare_listing(name) for name in names[:-1]]
        return evolve(
            snapshot(*builds, bare_listing(names[-1], NOW - age)),
            whole=False,
            minors=frozenset({"1.29", "1.30", "1.31"}),
            listed=frozenset({"1.31"}),
            timed=frozenset(),
            marker_names=None,
        )

    def test_a_minor_that_cannot_be_listed_is_done_without(self) -> None:
        """The newest build is known all the same."""
        held = evolve(
            snapshot(self.HELD[-1]),
            whole=False,
            minors=frozenset({"1.30", "1.31"}),
            failures={ListBuilds("1.30"): OFF},
        )
        inquiry = Inquiry(held, ON_MASTER, DEFAULT, NOW)
        assert inquiry.look_for_disputes() is None
        assert inquiry.listing_failure is None


def test_a_day_is_the_delay() -> None:
    """DESIGN section 3."""
    assert DELAY == DAY
