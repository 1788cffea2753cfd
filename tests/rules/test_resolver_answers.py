"""Every part of an answer, and every word of the errors where there is none (DESIGN sections 7 and 8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from attrs import evolve

from kopsversion.errors import (
    KopsVersionError,
    MarkerRefusedError,
    NoTestableBuildError,
    ResolutionError,
    StoreError,
    StoreUnavailableError,
    UsageError,
)
from kopsversion.model.advice import REPO_OPTION
from kopsversion.model.answer import Condition, Refusal, Resolution, Rung, Severity, Source, Verdict
from kopsversion.model.bucket import GitCommit, GitLine, Malformed, Marker, Missing, Snapshot, Unreachable
from kopsversion.model.channel import (
    BRANCH_MARKER,
    GREEN_MARKER,
    MASTER,
    Attribution,
    Certainty,
    Channel,
    Witness,
)
from kopsversion.model.needs import (
    Failure,
    ListArtifacts,
    ListBuilds,
    ListMarkers,
    ListMinors,
    ListUploads,
    Need,
    ReadMarker,
    Undecided,
)
from kopsversion.model.policy import OnStale, Policy, Strategy
from kopsversion.model.wording import count
from kopsversion.rules.resolver import SnapshotIncompleteError, decide, resolve
from tests.builders import (
    DAY,
    DEFAULT,
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

if TYPE_CHECKING:
    from kopsversion.model.bucket import Build
    from kopsversion.model.version import BuildVersion

NEWEST = evolve(DEFAULT, strategy=Strategy.NEWEST)
REFUSE = evolve(DEFAULT, on_stale=OnStale.REFUSE)
NO_NODEUP = "linux/arm64/nodeup is missing"

SEE_WHETHER = (
    "see whether the store can be reached, or allow the last good answer with --state and --allow-cached"
)
GREEN_PATH = f"markers/master/{GREEN_MARKER}"


def green(said: str) -> Marker:
    return marker(MASTER, GREEN_MARKER, said)


def error(
    held: Snapshot, channel: Channel | BuildVersion = ON_MASTER, policy: Policy = DEFAULT
) -> KopsVersionError:
    with pytest.raises(KopsVersionError) as caught:
        resolve(held, channel, policy, NOW)
    return caught.value


def said(raised: KopsVersionError) -> tuple[str, tuple[str, ...], str]:
    """Everything that a person reads of an error."""
    return raised.message, raised.reasons, raised.hint


def stale(named: str, newer: str, waited: str) -> str:
    """What is said of a stale marker."""
    return f"names {named}, although {newer} could have been promoted {waited} ago; the limit is 24 hours"


class TestAnswer:
    def test_an_answer_from_a_current_marker_has_all_its_parts(self) -> None:
        """What was decided, by what, and what was seen on the way."""
        read = evolve(green(alpha(2)), generation="17", etag="CJg=")
        other = evolve(marker(MASTER, BRANCH_MARKER, alpha(3)), generation="18")
        unread = marker("release-1.29", BRANCH_MARKER, Missing("does not exist"))
        held = evolve(
            snapshot(on_master(1), on_master(2), on_master(3, without=NODEUP), markers=[read, other, unread]),
            skipped={"stray files": 2},
            requests=5,
            round_trips=3,
            base_url="https://example.org/releases/",
        )
        policy = Policy(reported=(BRANCH_MARKER,))
        found = resolve(held, ON_MASTER, policy, NOW)
        assert found == Resolution(
            channel="master",
            version=version(alpha(2)),
            base_url=f"https://example.org/releases/{alpha(2)}",
            attribution=Attribution(MASTER, Witness.VERSION, Certainty.LIKELY),
            uploaded=NOW - HOUR,
            source=Source.MARKER,
            rung=Rung.FULL,
            conditions=found.conditions,
            markers=found.markers,
            refused=(Refusal(version(alpha(3)), (NO_NODEUP,)),),
            skipped={"stray files": 2},
            newest=version(alpha(2)),
            store=STORE,
            policy=policy,
            now=NOW,
            requests=5,
            round_trips=3,
            generations={read.path: "17", other.path: "18"},
            etags={read.path: "CJg="},
        )
        assert [report.marker for report in found.markers] == [read, other]

    def test_behind_a_lagging_marker_the_newest_build_is_not_looked_for(self) -> None:
        """It would cost a request, and changes nothing."""
        found = resolve(
            snapshot(on_master(1), on_master(2), markers=[green(alpha(1))]), ON_MASTER, DEFAULT, NOW
        )
        assert (found.version, found.newest) == (version(alpha(1)), None)

    def test_a_marker_s_build_is_as_sure_as_its_name_where_nothing_could_be_listed(self) -> None:
        """Without a listing nothing but the marker speaks."""
        held = Snapshot(
            store=STORE, builds=(on_master(1),), markers=(green(alpha(1)),), failures={ListMinors(): OFF}
        )
        found = resolve(held, ON_MASTER, DEFAULT, NOW)
        assert found.attribution == Attribution(MASTER, Witness.VERSION, Certainty.LIKELY)
        assert found.newest is None

    def test_a_marker_s_build_that_lineage_gives_to_another_branch_is_not_the_answer(self) -> None:
        """Master's own marker names it; release-1.30's newest is the one before."""
        held = snapshot(
            build(beta(3), uploaded=NOW - 9 * HOUR),
            build(beta(5), uploaded=NOW - 8 * HOUR),
            markers=[
                marker(MASTER, BRANCH_MARKER, beta(5)),
                marker("release-1.30", BRANCH_MARKER, beta(3)),
                marker("release-1.30", "other.txt", beta(5)),
            ],
        )
        found = resolve(held, Channel("release-1.30"), Policy(markers=("other.txt",)), NOW)
        assert (found.version, found.newest) == (version(beta(3)), version(beta(3)))
        assert found.attribution == Attribution("release-1.30", Witness.LINEAGE, Certainty.DOUBTFUL)
        assert found.markers[0].verdict is Verdict.DOUBTFUL

    def test_the_build_before_is_looked_for_only_where_files_are_compared(self) -> None:
        """That costs a listing, which the default does without."""
        held = evolve(
            snapshot(bare_listing(alpha(1)), on_master(2), markers=[green(alpha(2))]),
            whole=False,
        )
        assert isinstance(decide(held, ON_MASTER, DEFAULT, NOW), Resolution)
        asked = decide(held, ON_MASTER, Policy(compare_artifacts=True), NOW)
        assert asked == Undecided(frozenset({ListArtifacts(version(alpha(1)))}))

    @pytest.mark.parametrize(
        ("text", "ref"), [("1.29.1+v1.29.0-3-g0123456789", "release-1.29"), (alpha(1), MASTER)]
    )
    def test_a_version_that_was_asked_for_is_of_the_branch_that_builds_such_names(
        self, text: str, ref: str
    ) -> None:
        """Nobody has to tell; the default markers and the sentences follow from it."""
        found = resolve(snapshot(build(text)), version(text), DEFAULT, NOW)
        assert found.attribution == Attribution(ref, Witness.REQUEST, Certainty.EXACT)
        assert (found.channel, found.markers, found.newest, found.refused) == (text, (), None, ())

    def test_a_version_that_was_asked_for_is_compared_with_no_other(self) -> None:
        """Only its own files are looked at."""
        held = evolve(snapshot(bare_listing(alpha(1)), on_master(2)), whole=False)
        found = decide(held, version(alpha(2)), Policy(compare_artifacts=True), NOW)
        assert isinstance(found, Resolution)
        assert found.conditions == ()


class TestLookingAhead:
    @pytest.mark.parametrize(
        ("refused", "asked"), [(1, 1), (2, 1), (3, 1), (4, 2), (5, 2), (6, 3), (16, 8), (17, 8), (40, 8)]
    )
    def test_half_as_many_builds_as_were_refused_are_asked_for_at_once(
        self, refused: int, asked: int
    ) -> None:
        """One at least, eight at most."""
        bad = [on_master(n, without=NODEUP) for n in range(50, 50 + refused)]
        held = evolve(snapshot(*bad, *(bare_listing(alpha(n)) for n in range(20))), whole=False)
        wanted = {ListArtifacts(version(alpha(n))) for n in range(20 - asked, 20)}
        assert decide(held, ON_MASTER, NEWEST, NOW) == Undecided(frozenset(wanted))

    def test_builds_that_were_examined_already_do_not_count(self) -> None:
        """What is asked for are builds that are not known, and not past the end of what is listed."""
        held = evolve(
            snapshot(
                *(on_master(n, without=NODEUP) for n in range(50, 54)),
                bare_listing(alpha(9)),
                on_master(8),
                bare_listing(alpha(7)),
            ),
            whole=False,
        )
        wanted = {ListArtifacts(version(alpha(9))), ListArtifacts(version(alpha(7)))}
        assert decide(held, ON_MASTER, NEWEST, NOW) == Undecided(frozenset(wanted))
        shorter = evolve(held, builds=held.builds[:-1], minors=frozenset({"1.30", "1.29"}))
        assert decide(shorter, ON_MASTER, NEWEST, NOW) == Undecided(
            frozenset({ListArtifacts(version(alpha(9))), ListBuilds("1.29")})
        )


class TestDespiteTheClone:
    """Issue 3: a clone that knows none of a channel's builds is most likely of something else."""

    PATCHES = tuple(build(f"1.29.1+v1.29.0-{n}-g{n:010x}", uploaded=NOW - HOUR) for n in (1, 2))
    RELEASE = Channel("release-1.29")

    def clone(self, *own: int) -> GitLine:
        """A clone that has both builds' commits: on the line those that are named, the others on master's."""
        full = {n: f"{n:010x}" + "0" * 30 for n in (1, 2)}
        return GitLine(
            "origin/release-1.29",
            tuple(GitCommit(full[n], NOW - DAY) for n in own),
            frozenset(full[n] for n in full if n not in own),
        )

    def test_names_decide_where_git_gives_every_build_to_another_branch(self) -> None:
        """The answer is that of names, with a warning before all other conditions."""
        held = snapshot(*self.PATCHES)
        by_names = resolve(held, self.RELEASE, DEFAULT, NOW)
        found = resolve(evolve(held, git=self.clone()), self.RELEASE, DEFAULT, NOW)
        newest = str(self.PATCHES[1].version)
        disagreement = Condition(
            "clone-disagrees",
            Severity.WARNING,
            f"by the clone no build in the store is of release-1.29, so the names of builds and not git "
            f"attribute {newest} to it; see whether origin/release-1.29 is the right branch",
            {"version": newest, "ref": "origin/release-1.29"},
        )
        assert found == evolve(by_names, conditions=(disagreement, *by_names.conditions))

    def test_a_clone_that_knows_one_of_the_builds_is_right_about_the_others(self) -> None:
        """That one is not testable, so there is no answer."""
        broken = evolve(self.PATCHES[0], artifacts=())
        incomplete = build(str(broken.version), uploaded=NOW - HOUR, without=NODEUP)
        held = snapshot(incomplete, self.PATCHES[1], git=self.clone(1))
        raised = error(held, self.RELEASE)
        assert raised.message == f"the only build of release-1.29 in {STORE} is not testable"

    def test_without_any_testable_build_it_is_the_clone_s_answer_that_is_told(self) -> None:
        """Names would not help either."""
        held = snapshot(
            *(build(str(each.version), without=NODEUP) for each in self.PATCHES), git=self.clone()
        )
        assert error(held, self.RELEASE).message == f"there is no build of release-1.29 in {STORE}"

    def test_what_names_need_to_decide_is_asked_for(self) -> None:
        """The files of the newest build, as ever."""
        bare = [bare_listing(str(each.version)) for each in self.PATCHES]
        held = evolve(snapshot(*bare, git=self.clone()), whole=False)
        asked = decide(held, self.RELEASE, NEWEST, NOW)
        assert asked == Undecided(frozenset({ListArtifacts(self.PATCHES[1].version)}))


class TestNoTestableBuild:
    """Exit 1: the store answered, and has nothing."""

    def test_a_version_that_is_not_there(self) -> None:
        """No reasons: it is not there."""
        raised = error(snapshot(on_master(1)), version(alpha(9)))
        assert isinstance(raised, NoTestableBuildError)
        assert raised.channel == alpha(9)
        assert said(raised) == (
            f"{alpha(9)} is not in {STORE}",
            (),
            "`kopsversion list` shows the builds that are there",
        )

    @pytest.mark.parametrize(
        ("builds", "needs"),
        [([], {ListMarkers()}), ([on_master(1, without=NODEUP)], set())],
        ids=["none", "none that is testable"],
    )
    def test_where_there_is_no_build_the_branches_that_exist_are_asked_for(
        self, builds: list[Build], needs: set[Need]
    ) -> None:
        """The error names them: the channel may be a wrong one."""
        held = evolve(snapshot(*builds), whole=False, marker_names=None)
        held = evolve(held, markers=(marker(MASTER, GREEN_MARKER, Missing("does not exist")),))
        try:
            decided = decide(held, ON_MASTER, DEFAULT, NOW)
        except NoTestableBuildError:
            decided = Undecided(frozenset())
        assert decided == Undecided(frozenset(needs))

    def test_a_version_that_is_not_testable(self) -> None:
        """Every reason."""
        raised = error(snapshot(on_master(1, without=NODEUP), on_master(2)), version(alpha(1)))
        assert isinstance(raised, NoTestableBuildError)
        assert raised.channel == alpha(1)
        assert said(raised) == (
            f"{alpha(1)} is not testable",
            (NO_NODEUP,),
            "`kopsversion list` shows the builds that are there",
        )

    def test_a_version_that_is_excluded_is_not_said_to_be_absent(self) -> None:
        """Even if its files were not looked at."""
        policy = Policy(exclude=frozenset({version(alpha(1))}))
        raised = error(snapshot(bare_listing(alpha(1))), version(alpha(1)), policy)
        assert said(raised)[:2] == (f"{alpha(1)} is not testable", ("is excluded by request",))

    def test_fewer_testable_builds_than_the_number_that_is_wanted(self) -> None:
        """With the reasons of those that do not count."""
        raised = error(
            snapshot(on_master(1), on_master(2, without=NODEUP), on_master(3)), policy=Policy(nth=3)
        )
        assert isinstance(raised, NoTestableBuildError)
        assert raised.channel == "master"
        assert said(raised) == (
            "master has only 2 testable builds, and number 3 was wanted",
            (f"{alpha(2)}: {NO_NODEUP}",),
            "ask for a smaller --nth",
        )

    def test_no_build_is_testable(self) -> None:
        """The first reason of each, newest first."""
        raised = error(
            snapshot(on_master(1, without=(*NODEUP, "linux/amd64/kops")), on_master(2, without=NODEUP))
        )
        assert isinstance(raised, NoTestableBuildError)
        assert raised.channel == "master"
        assert said(raised) == (
            f"none of the 2 builds of master in {STORE} is testable",
            (f"{alpha(2)}: {NO_NODEUP}", f"{alpha(1)}: linux/amd64/kops is missing"),
            "see the reasons; `kopsversion list` shows every build",
        )

    @pytest.mark.parametrize("number", [1, 3])
    def test_every_build_is_excluded(self, number: int) -> None:
        """Up to three are named each."""
        held = [on_master(n) for n in range(1, number + 1)]
        policy = Policy(exclude=frozenset(each.version for each in held))
        raised = error(snapshot(*held), policy=policy)
        assert isinstance(raised, NoTestableBuildError)
        assert raised.channel == "master"
        assert said(raised) == (
            f"every one of the {count(number, 'build')} of master in {STORE} is excluded by request",
            tuple(f"{alpha(n)}: is excluded by request" for n in range(number, 0, -1)),
            "exclude fewer builds; `kopsversion list` shows every build",
        )

    def test_a_reason_that_four_builds_share_is_said_once(self) -> None:
        """With the newest of them."""
        raised = error(snapshot(*(on_master(n, without=NODEUP) for n in range(1, 5))))
        assert raised.reasons == (f"each of the 4 builds, the newest being {alpha(4)}: {NO_NODEUP}",)

    def test_no_build_but_some_that_may_be_the_channel_s(self) -> None:
        """What was skipped first, then the doubt."""
        held = evolve(
            snapshot(bare_listing(beta(3)), bare_listing(beta(5))),
            skipped={"odd names": 1, "a stray": 7},
        )
        raised = error(held, Channel("release-1.30"))
        assert isinstance(raised, ResolutionError)
        assert raised.channel == "release-1.30"
        assert said(raised) == (
            f"there is no build of release-1.30 in {STORE}",
            (
                "skipped: a stray (7)",
                "skipped: odd names (1)",
                f"2 builds, such as {beta(5)}, may be of release-1.30: {REPO_OPTION} tells which",
            ),
            "channels that exist there: master, release-1.30",
        )

    def test_no_build_at_all(self) -> None:
        """Nothing to choose from."""
        assert said(error(snapshot())) == (
            f"there is no build of master in {STORE}",
            (),
            "there are no builds at all: see whether --store is right",
        )


class TestStoreUnavailable:
    """Exit 4: an answer may exist, and the store does not tell."""

    def test_a_version_whose_files_cannot_be_listed(self) -> None:
        """Unknown is not the same as incomplete."""
        held = Snapshot(store=STORE, failures={ListArtifacts(version(alpha(9))): OFF})
        raised = error(held, version(alpha(9)))
        assert isinstance(raised, StoreUnavailableError)
        assert raised.url == STORE
        assert said(raised) == (
            f"it could not be learnt whether {alpha(9)} is testable",
            ("its files could not be listed: 503",),
            "see whether the store can be reached, and run the same command again",
        )

    @pytest.mark.parametrize("policy", [DEFAULT, NEWEST, REFUSE])
    def test_neither_a_listing_nor_a_marker(self, policy: Policy) -> None:
        """Both reasons, whatever the policy."""
        held = Snapshot(
            store=STORE,
            markers=(marker(MASTER, GREEN_MARKER, Malformed("is empty")),),
            failures={ListMinors(): OFF},
        )
        raised = error(held, policy=policy)
        assert isinstance(raised, StoreUnavailableError)
        assert raised.url == STORE
        assert said(raised) == (
            "the builds of master could not be listed, and no marker can stand in",
            ("builds: 503", f"{GREEN_PATH} is empty"),
            SEE_WHETHER,
        )

    def test_a_marker_cannot_tell_the_second_newest(self) -> None:
        """Nor whether there is one."""
        held = Snapshot(
            store=STORE, builds=(on_master(1),), markers=(green(alpha(1)),), failures={ListMinors(): OFF}
        )
        assert said(error(held, policy=evolve(DEFAULT, nth=2)))[1] == (
            "builds: 503",
            f"{GREEN_PATH} names {alpha(1)}, which is testable; newer ones are not known",
        )

    def test_the_third_build_that_cannot_be_read_is_the_store_s_fault(self) -> None:
        """No fourth is tried; the first of them is named."""
        builds = [bare_listing(alpha(n)) for n in (2, 3, 4, 5)]
        failures: dict[Need, Failure] = {
            ListArtifacts(each.version): Failure(f"503 for {each.version.distance}") for each in builds[1:]
        }
        held = evolve(snapshot(on_master(1), *builds), failures=failures)
        assert said(error(held, policy=NEWEST))[1] == (
            f"builds: {alpha(5)}: its files could not be listed: 503 for 5",
            f"{GREEN_PATH} does not exist",
        )

    def test_two_builds_that_cannot_be_read_are_passed_over(self) -> None:
        """The store is asked for a third."""
        builds = [bare_listing(alpha(n)) for n in (4, 5)]
        held = evolve(
            snapshot(on_master(1), *builds), failures={ListArtifacts(each.version): OFF for each in builds}
        )
        assert resolve(held, ON_MASTER, NEWEST, NOW).version == version(alpha(1))


class TestMarkerRefused:
    """``--on-stale refuse``."""

    def test_a_marker_that_cannot_be_used_is_refused_with_its_verdict(self) -> None:
        """Exit 1: somebody has to promote."""
        raised = error(
            snapshot(on_master(1, age=3 * DAY), on_master(2, age=2 * DAY), markers=[green(alpha(1))]),
            policy=REFUSE,
        )
        assert isinstance(raised, MarkerRefusedError)
        assert raised.channel == "master"
        assert said(raised) == (
            "no marker of master can be used, and falling back to the newest build is refused",
            (f"{GREEN_PATH} is stale: it {stale(alpha(1), alpha(2), '48 hours')}",),
            "promote a tested build, raise --max-lag, or allow the newest testable build with --on-stale newest",
        )

    def test_a_marker_that_cannot_be_read_may_be_usable(self) -> None:
        """Exit 4: that is not known."""
        held = snapshot(
            on_master(1), markers=[marker(MASTER, GREEN_MARKER, Unreachable("cannot be read: 503"))]
        )
        raised = error(held, policy=REFUSE)
        assert isinstance(raised, StoreUnavailableError)
        assert raised.url == STORE
        assert said(raised) == (
            "it could not be learnt whether a marker of master can be used, and falling back is refused",
            (f"{GREEN_PATH} is unreachable: it cannot be read: 503",),
            SEE_WHETHER,
        )

    def test_a_marker_that_seems_stale_for_want_of_evidence_may_be_usable(self) -> None:
        """Whose the beta is, release-1.30's own marker would tell."""
        need = ReadMarker("release-1.30", BRANCH_MARKER)
        held = Snapshot(
            store=STORE,
            minors=frozenset({"1.30"}),
            listed=frozenset({"1.30"}),
            timed=frozenset({"1.30"}),
            builds=(on_master(1, age=9 * DAY), build(beta(1), uploaded=NOW - 3 * DAY)),
            markers=(green(alpha(1)), marker(MASTER, BRANCH_MARKER, Missing("does not exist"))),
            failures={need: OFF},
        )
        raised = error(held, policy=REFUSE)
        assert isinstance(raised, StoreError)
        assert said(raised) == (
            "it could not be learnt whether a marker of master can be used, and falling back is refused",
            (
                f"{GREEN_PATH} is stale: it {stale(alpha(1), beta(1), '3 days')}",
                "503",
            ),
            SEE_WHETHER,
        )
        read = evolve(
            held,
            failures={},
            markers=(*held.markers, marker("release-1.30", BRANCH_MARKER, beta(1))),
        )
        assert resolve(read, ON_MASTER, REFUSE, NOW).version == version(alpha(1))

    def test_that_there_is_no_build_says_more_than_that_there_is_no_marker(self) -> None:
        """The channel's name may be a typing error."""
        held = snapshot(on_master(1))
        raised = error(held, Channel("release-1.99"), REFUSE)
        assert isinstance(raised, NoTestableBuildError)
        assert said(raised) == (
            f"there is no build of release-1.99 in {STORE}",
            (),
            "channels that exist there: master, release-1.30",
        )

    def test_whose_the_only_builds_are_may_not_be_known(self) -> None:
        """Then nobody can say that there is no build of the channel."""
        held = Snapshot(
            store=STORE,
            minors=frozenset({"1.30"}),
            listed=frozenset({"1.30"}),
            timed=frozenset({"1.30"}),
            builds=(build(beta(1), uploaded=NOW - 3 * DAY),),
            markers=(marker(MASTER, BRANCH_MARKER, Missing("does not exist")),),
            failures={ReadMarker("release-1.30", BRANCH_MARKER): OFF},
        )
        for policy in (REFUSE, NEWEST):
            raised = error(held, Channel("release-1.30"), evolve(policy, markers=(BRANCH_MARKER,)))
            assert isinstance(raised, StoreUnavailableError)
            assert raised.reasons[0] == "builds: 503"

    def test_before_it_is_refused_what_is_missing_is_asked_for(self) -> None:
        """The channels, if there is no build; or where builds are."""
        no_marker = (marker(MASTER, GREEN_MARKER, Missing("does not exist")),)
        unlisted = Snapshot(store=STORE, markers=no_marker)
        assert decide(unlisted, ON_MASTER, REFUSE, NOW) == Undecided(frozenset({ListMinors()}))
        empty = Snapshot(store=STORE, markers=no_marker, minors=frozenset())
        assert decide(empty, ON_MASTER, REFUSE, NOW) == Undecided(frozenset({ListMarkers()}))


@pytest.mark.parametrize(
    ("place", "message", "hint"),
    [
        (0, "snapshot is 5, of type int", "give a Snapshot"),
        (1, "channel is 5, of type int", "give a Channel or a BuildVersion"),
        (2, "policy is 5, of type int", "give a Policy"),
        (3, "now is 5, of type int", "give a datetime with tzinfo=UTC"),
    ],
)
def test_an_argument_of_another_type_is_named(place: int, message: str, hint: str) -> None:
    """With what to give."""
    arguments: list[object] = [snapshot(on_master(1)), ON_MASTER, DEFAULT, NOW]
    arguments[place] = 5
    with pytest.raises(UsageError) as caught:
        resolve(*arguments)  # type: ignore[arg-type] # as callers may
    assert (caught.value.message, caught.value.hint) == (message, hint)


def test_a_moment_without_a_time_zone_is_no_moment() -> None:
    """With what to give."""
    with pytest.raises(UsageError) as caught:
        resolve(snapshot(on_master(1)), ON_MASTER, DEFAULT, NOW.replace(tzinfo=None))
    assert caught.value.message == "now is 2024-05-06 18:00:00, which has no time zone"
    assert caught.value.hint == "give a datetime with tzinfo=UTC"


def test_what_is_missing_of_a_version_is_asked_for() -> None:
    """The files of that one build."""
    found = decide(Snapshot(store=STORE), version(alpha(1)), DEFAULT, NOW)
    assert isinstance(found, Undecided)
    assert found.needs == {ListArtifacts(version(alpha(1)))}


@pytest.mark.parametrize(
    ("minors", "named", "needs"),
    [
        (
            {"1.9", "1.30"},
            "1.9",
            {ListBuilds("1.30"), ListBuilds("1.9"), ReadMarker(MASTER, BRANCH_MARKER)},
        ),
        ({"1.9", "1.30"}, "1.30", {ListBuilds("1.30")}),
        (None, "1.30", {ListMinors()}),
    ],
    ids=["an older minor", "the newest", "not known yet"],
)
def test_the_next_marker_is_asked_for_beside_one_that_names_an_older_minor(
    minors: set[str] | None, named: str, needs: set[Need]
) -> None:
    """It is most likely stale; one that names the newest is judged alone, and saves a request."""
    held = Snapshot(
        store=STORE,
        minors=frozenset(minors) if minors is not None else None,
        markers=(marker(MASTER, GREEN_MARKER, alpha(1, minor=named)),),
    )
    assert decide(held, ON_MASTER, Policy(), NOW) == Undecided(frozenset(needs))


def test_a_current_marker_s_build_is_the_newest_also_where_its_directory_is_a_second_one() -> None:
    """Two directories of one commit are one build of the channel."""
    second = f"{alpha(2)}abcd"
    held = snapshot(on_master(1), on_master(2), build(second), markers=[green(second)])
    found = resolve(held, ON_MASTER, DEFAULT, NOW)
    assert str(found.version) == second
    assert found.newest == found.version


class TestSnapshotIncomplete:
    def test_a_partial_snapshot_is_told_with_all_that_is_missing(self) -> None:
        """In the same order every time."""
        needs: frozenset[Need] = frozenset({ListMinors(), ListUploads("1.30"), ListBuilds("1.30")})
        raised = SnapshotIncompleteError(needs)
        assert raised.needs == needs
        assert said(raised) == (
            "the snapshot lacks ListBuilds(minor='1.30'), ListMinors(), ListUploads(minor='1.30')",
            (),
            "make it with Snapshot.complete, or let kopsversion.workflows.rounds.gather fetch what is missing",
        )
