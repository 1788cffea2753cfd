"""The line of builds that a decision asks for, and what it finds missing: no more, and all of it at once."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from attrs import evolve

from kopsversion.model.bucket import Build, GitCommit, GitLine, Snapshot
from kopsversion.model.channel import BRANCH_MARKER, GREEN_MARKER, MASTER, Attribution, Certainty, Witness
from kopsversion.model.needs import ListArtifacts, ListBuilds, ListMarkers, ListUploads, Need
from kopsversion.rules.asking import UNKNOWN, Unknown
from kopsversion.rules.inquiry import Candidate, Inquiry
from kopsversion.rules.testable import required_paths
from tests.builders import (
    DAY,
    DEFAULT,
    DENIED,
    HOUR,
    NODEUP,
    NOW,
    OFF,
    ON_MASTER,
    STORE,
    alpha,
    bare_listing,
    beta,
    build,
    marker,
    on_master,
    snapshot,
    version,
)
from tests.rules.asked import MASTER_S, ON_RELEASE, RELEASE_S, asking, names, partial, patch

if TYPE_CHECKING:
    from datetime import datetime


class TestCandidates:
    def test_of_every_minor_the_newest_first(self) -> None:
        """Tag builds and other branches' builds are none."""
        held = snapshot(
            on_master(2),
            on_master(1),
            build("1.30.0-alpha.1"),
            build(alpha(7, minor="1.29")),
            build("1.29.1+v1.29.0-3-g0123456789"),
        )
        found = list(asking(held).candidates())
        assert names(found) == [alpha(2), alpha(1), alpha(7, minor="1.29")]
        assert found[0] == Candidate(on_master(2), Attribution(MASTER, Witness.VERSION, Certainty.LIKELY))

    def test_each_stands_once_and_asking_again_gives_the_same(self) -> None:
        """Of a release branch those whose names leave no doubt come first."""
        held = snapshot(
            build(patch(1)),
            build(patch(2)),
            build(beta(3), uploaded=NOW - DAY),
            markers=[marker("release-1.30", BRANCH_MARKER, beta(3))],
        )
        inquiry = asking(held, ON_RELEASE)
        assert names(inquiry.candidates()) == [patch(2), patch(1), beta(3)]
        assert names(inquiry.candidates()) == [patch(2), patch(1), beta(3)]

    def test_the_shared_window_is_looked_into_only_when_nothing_later_will_do(self) -> None:
        """Its evidence costs requests."""
        inquiry = asking(partial(build(patch(1)), bare_listing(beta(3))), ON_RELEASE)
        candidates = inquiry.candidates()
        assert names([next(candidates)]) == [patch(1)]
        assert inquiry.needs == set()
        assert names(candidates) == [None]
        assert inquiry.needs == {MASTER_S, RELEASE_S, ListUploads("1.30")}

    def test_they_end_where_more_must_be_known(self) -> None:
        """With one sign of it, and nothing behind it."""
        assert names(asking(Snapshot(store=STORE)).candidates()) == [None]
        held = evolve(partial(on_master(1)), minors=frozenset({"1.30", "1.29", "1.28"}))
        inquiry = asking(evolve(held, listed=frozenset({"1.30", "1.28"})))
        assert names(inquiry.candidates()) == [alpha(1), None]
        assert inquiry.needs == {ListBuilds("1.29")}

    def test_they_end_in_silence_where_a_minor_cannot_be_listed(self) -> None:
        """A part is never taken for the whole, so the minor behind it is not looked into."""
        held = evolve(
            partial(on_master(1), build(alpha(7, minor="1.28"))),
            minors=frozenset({"1.30", "1.29", "1.28"}),
            listed=frozenset({"1.30", "1.28"}),
            failures={ListBuilds("1.29"): OFF},
        )
        inquiry = asking(held)
        assert names(inquiry.candidates()) == [alpha(1)]
        assert (inquiry.listing_failure, inquiry.needs) == ("503", set())

    def test_to_look_at_what_is_known_leaves_no_need_behind(self) -> None:
        """But those that were there before."""
        inquiry = asking(evolve(partial(on_master(1)), minors=frozenset({"1.30", "1.29"})))
        inquiry.need(ListMarkers())
        assert names(inquiry.known_candidates()) == [alpha(1)]
        assert inquiry.needs == {ListMarkers()}

    def test_bare_commits_need_their_upload_times(self) -> None:
        """Where these cannot be had, the order is what it is."""
        bare = bare_listing("1.30.1+0123456789")
        held = partial(build(patch(1)), bare)
        inquiry = asking(held, ON_RELEASE)
        assert names(inquiry.candidates()) == [None]
        assert inquiry.needs == {ListUploads("1.30")}
        failed = asking(evolve(held, failures={ListUploads("1.30"): OFF}), ON_RELEASE)
        assert names(failed.candidates()) == [patch(1), str(bare.version)]
        assert failed.gaps == {ListUploads("1.30"): "503"}
        timed = evolve(held, builds=(build(patch(1)), evolve(bare, sampled=NOW)))
        assert names(asking(timed, ON_RELEASE).candidates()) == [str(bare.version), patch(1)]

    def test_git_orders_the_builds_that_it_knows_and_leaves_the_others_in_place(self) -> None:
        """Each of them in a place that one of them had."""
        full = {n: f"{n:010x}" + "0" * 30 for n in (1, 2, 4)}
        git = GitLine("origin/master", tuple(GitCommit(full[n], NOW) for n in (4, 1, 2)))
        held = snapshot(
            *(on_master(n) for n in (1, 2, 3, 4)), build("1.30.0-alpha.2+v1.30.0-alpha.1"), git=git
        )
        assert names(asking(held).candidates()) == [
            alpha(2),
            alpha(3),
            alpha(1),
            alpha(4),
            "1.30.0-alpha.2+v1.30.0-alpha.1",
        ]

    def test_a_clone_that_was_read_for_another_channel_tells_of_this_one(self) -> None:
        """What is not on master's line is the release branch's."""
        full = f"{5:010x}" + "0" * 30
        git = GitLine("mine", (GitCommit("9" * 40, NOW),), frozenset({full}), channel=MASTER)
        inquiry = asking(evolve(partial(build(beta(5))), git=git), ON_RELEASE)
        assert inquiry.git_ref == MASTER
        assert names(inquiry.candidates()) == [beta(5)]
        assert inquiry.needs == set()  # git is certain, so no marker is read to tell the branches apart
        assert asking(snapshot(git=evolve(git, channel=None)), ON_RELEASE).git_ref == "release-1.30"
        assert asking(snapshot(), ON_RELEASE).git_ref == "release-1.30"


class TestRaisedMinor:
    """If the minor was raised by mistake, builds of an older one may be of merges that seem to wait (with a clone)."""

    def first(self, *listed: str, waiting: timedelta) -> tuple[Candidate | Unknown, set[Need]]:
        """Ask for the newest build of 1.31, after which a merge has waited for so long."""
        commits = [
            GitCommit(f"{n:010x}" + "0" * 30, NOW - ago)
            for n, ago in ((1, 9 * DAY), (2, 8 * DAY), (3, waiting))
        ]
        held = evolve(
            snapshot(
                *(build(alpha(n, minor="1.31"), uploaded=NOW - 8 * DAY) for n in (1, 2)),
                build(alpha(9), uploaded=NOW - 10 * DAY),
                git=GitLine("origin/master", tuple(commits)),
            ),
            whole=False,
            minors=frozenset({"1.29", "1.30", "1.31"}),
            listed=frozenset(listed),
        )
        inquiry = asking(held)
        return next(inquiry.candidates()), inquiry.needs

    @pytest.mark.parametrize(("more", "is_asked"), [(timedelta(), False), (timedelta(seconds=1), True)])
    def test_the_next_minor_is_looked_at_where_a_merge_waits_for_longer_than_is_allowed(
        self, more: timedelta, *, is_asked: bool
    ) -> None:
        """By `build_sla`."""
        found, needs = self.first("1.31", waiting=DEFAULT.build_sla + more)
        assert isinstance(found, Unknown) is is_asked
        assert needs == ({ListBuilds("1.30")} if is_asked else set())

    def test_where_the_next_minor_has_nothing_newer_the_one_below_is_not_looked_at(self) -> None:
        """Nobody raised it by mistake."""
        found, needs = self.first("1.31", "1.30", waiting=DAY)
        assert (names([found]), needs) == ([alpha(2, minor="1.31")], set())


class TestLooking:
    """First, previous, newer: each asks for no more than it must."""

    def candidates(self, inquiry: Inquiry) -> dict[str, Candidate]:
        return {str(each.version): each for each in inquiry.known_candidates()}

    def test_the_first_testable_one(self) -> None:
        """Past those that are not, to the first that is not known."""
        held = partial(
            on_master(4, without=NODEUP), on_master(3), bare_listing(alpha(2)), bare_listing(alpha(1))
        )
        inquiry = asking(held)
        known = self.candidates(inquiry)
        ordered = [known[alpha(n)] for n in (4, 3, 2, 1)]
        assert inquiry.first_testable(ordered) == known[alpha(3)]
        assert inquiry.first_testable(ordered[:1]) is None
        assert inquiry.needs == set()
        assert inquiry.first_testable([UNKNOWN, *ordered]) is UNKNOWN
        assert inquiry.first_testable([ordered[0], *ordered[2:]]) is UNKNOWN
        assert inquiry.needs == {ListArtifacts(version(alpha(2)))}

    def test_the_testable_one_before(self) -> None:
        """Not the chosen one itself, and none that is newer."""
        held = partial(on_master(4), on_master(3), on_master(2, without=NODEUP), on_master(1))
        inquiry = asking(held)
        known = self.candidates(inquiry)
        assert inquiry.previous_testable(known[alpha(4)]) == known[alpha(3)]
        assert inquiry.previous_testable(known[alpha(3)]) == known[alpha(1)]
        assert inquiry.previous_testable(known[alpha(1)]) is None
        assert inquiry.known_previous(known[alpha(3)]) == known[alpha(1)]
        assert inquiry.known_previous(known[alpha(1)]) is None

    def test_the_one_before_as_far_as_is_known(self) -> None:
        """Past one that is not known, and nothing is asked for."""
        held = partial(on_master(4), bare_listing(alpha(3)), on_master(1))
        inquiry = asking(held)
        inquiry.need(ListMarkers())
        known = self.candidates(inquiry)
        assert inquiry.known_previous(known[alpha(4)]) == known[alpha(1)]
        assert not inquiry.is_known_testable(known[alpha(3)].build)
        assert inquiry.is_known_testable(known[alpha(1)].build)
        assert inquiry.needs == {ListMarkers()}

    def test_one_that_is_proved_by_its_checksums_is_known_to_be_testable(self) -> None:
        """Where its directory may not be listed."""
        proof = tuple(f"{path}.sha256" for path in required_paths(DEFAULT.platforms))
        proved = Build(version(alpha(1)), checksums=proof)
        held = evolve(partial(proved), failures={ListArtifacts(proved.version): DENIED})
        assert asking(held).is_known_testable(proved)

    def test_why_newer_ones_were_passed_over(self) -> None:
        """As far as that is known, newest first; nothing is asked for."""
        held = partial(
            on_master(6, without=NODEUP),
            bare_listing(alpha(5)),
            on_master(4, without=NODEUP),
            on_master(3),
            on_master(2, without=NODEUP),
        )
        inquiry = asking(held)
        inquiry.need(ListMarkers())
        chosen = self.candidates(inquiry)[alpha(3)]
        assert [str(each.version) for each in inquiry.known_refusals(chosen)] == [alpha(6), alpha(4)]
        assert inquiry.needs == {ListMarkers()}


class TestDoubt:
    def test_builds_that_may_be_the_channel_s_are_those_that_others_have_without_certainty(self) -> None:
        """Newest first; none before anything was attributed."""
        held = snapshot(bare_listing(beta(3)), bare_listing(beta(5)), build(patch(1)))
        inquiry = asking(held, ON_RELEASE)
        assert inquiry.doubtful() == ()
        list(inquiry.candidates())
        assert inquiry.doubtful() == (version(beta(5)), version(beta(3)))
        assert asking(held).doubtful() == ()
        on_master = asking(held)
        list(on_master.candidates())
        assert on_master.doubtful() == ()

    def test_only_builds_that_were_attributed_have_rivals(self) -> None:
        """Others were not among the channel's."""
        held = snapshot(bare_listing(beta(3)), bare_listing(beta(5)))
        inquiry = asking(held, ON_RELEASE)
        assert inquiry.rivals(version(beta(3))) == ()
        list(inquiry.candidates())
        assert inquiry.rivals(version(beta(3))) == (version(beta(5)), version(beta(3)))
        assert inquiry.rivals(version(beta(4))) == (version(beta(5)),)
        assert inquiry.attribution(version(beta(4))) is None
        of_master = asking(held)
        list(of_master.candidates())
        assert of_master.rivals(version(beta(3))) == ()


class TestDirectoriesOfOneCommit:
    """Clones abbreviate commits differently, so one commit may have been built under two names."""

    SHORT, LONG = alpha(2), f"{alpha(2)}abcd"
    EARLIER, LATER = NOW - 2 * HOUR, NOW - HOUR

    def asked(
        self, short: datetime | None, long: datetime | None, *, named: str = alpha(1), times: bool = False
    ) -> tuple[list[str], set[Need]]:
        """Name the builds, newest first, and what is asked for, where the two were uploaded at these times."""
        markers = [marker(MASTER, GREEN_MARKER, named), marker(MASTER, BRANCH_MARKER, alpha(1))]
        held = evolve(
            snapshot(
                on_master(1), bare_listing(self.SHORT, short), bare_listing(self.LONG, long), markers=markers
            ),
            whole=False,
            timed=frozenset({"1.30"} if times else ()),
        )
        inquiry = Inquiry(held, ON_MASTER, DEFAULT, NOW)
        found = [str(each.version) for each in inquiry.candidates() if isinstance(each, Candidate)]
        return found, inquiry.needs

    @pytest.mark.parametrize(
        ("short", "long", "order"),
        [
            (EARLIER, LATER, [SHORT, LONG, alpha(1)]),
            (LATER, EARLIER, [LONG, SHORT, alpha(1)]),
            (LATER, LATER, [LONG, SHORT, alpha(1)]),
        ],
    )
    def test_the_earlier_one_is_taken(self, short: datetime, long: datetime, order: list[str]) -> None:
        """Of two of one moment the longer name."""
        assert self.asked(short, long) == (order, set())

    @pytest.mark.parametrize("short", [None, LATER])
    def test_times_that_are_not_known_are_asked_for(self, short: datetime | None) -> None:
        """Until they are, none of the two is taken."""
        assert self.asked(short, None) == ([], {ListUploads("1.30")})
        assert self.asked(short, None, times=True)[1] == set()

    def test_one_that_a_marker_names_is_taken_whatever_the_times(self) -> None:
        """So they are not asked for."""
        assert self.asked(None, self.LATER, named=self.SHORT) == ([self.SHORT, self.LONG, alpha(1)], set())

    def test_an_abbreviation_of_two_commits_stands_by_itself(self) -> None:
        """Three builds, in order of time."""
        other = f"{alpha(2)}ffff"
        times = {self.SHORT: NOW - 3 * HOUR, other: self.EARLIER, self.LONG: self.LATER}
        held = snapshot(*(bare_listing(name, at) for name, at in times.items()))
        found = Inquiry(held, ON_MASTER, DEFAULT, NOW).candidates()
        assert [str(each.version) for each in found if isinstance(each, Candidate)] == [
            self.LONG,
            other,
            self.SHORT,
        ]
