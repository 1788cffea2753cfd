"""What a marker is worth: each verdict with its sentence, and what it is judged against (DESIGN section 6)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest
from attrs import evolve

from kopsversion.model.answer import MarkerReport, Verdict
from kopsversion.model.bucket import (
    Build,
    Foreign,
    Form,
    GitCommit,
    GitLine,
    Later,
    Malformed,
    Marker,
    MarkerReading,
    Missing,
    Named,
    Snapshot,
    Unreachable,
)
from kopsversion.model.channel import BRANCH_MARKER, GREEN_MARKER, MASTER, Channel
from kopsversion.model.needs import Failure, ListArtifacts, ListMinors, ListUploads, Need, ReadChecksums
from kopsversion.rules.asking import Unknown
from kopsversion.rules.inquiry import Inquiry
from kopsversion.rules.testable import required_paths
from kopsversion.rules.verdicts import judge, other_channel
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

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

ON_RELEASE = Channel("release-1.29")


old = partial(alpha, minor="1.29")
"""Names a build that master made of the minor before."""


def patch(distance: int, commit: str = "0123456789") -> str:
    """Name a build of release-1.29."""
    return f"1.29.1+v1.29.0-{distance}-g{commit}"


def line(*distances: int, elsewhere: Sequence[int] = ()) -> GitLine:
    """A clone's view of master: the commits of builds, oldest first."""
    full = [f"{distance:010x}" + "0" * 30 for distance in distances]
    others = frozenset(f"{distance:010x}" + "0" * 30 for distance in elsewhere)
    return GitLine("origin/master", tuple(GitCommit(each, NOW - DAY) for each in full), others)


def asked(
    held: Snapshot, said: str | MarkerReading, channel: Channel = ON_MASTER
) -> tuple[MarkerReport | Unknown, Inquiry]:
    """Judge a marker of the channel that says so."""
    inquiry = Inquiry(held, channel, DEFAULT, NOW)
    return judge(green(said, channel), inquiry), inquiry


def green(said: str | MarkerReading, channel: Channel = ON_MASTER) -> Marker:
    return marker(channel.ref, GREEN_MARKER, said)


def judged(
    held: Snapshot, said: str | MarkerReading, channel: Channel = ON_MASTER
) -> tuple[Verdict, str, timedelta | None]:
    found, _ = asked(held, said, channel)
    assert isinstance(found, MarkerReport)
    assert found.marker == green(said, channel)
    return found.verdict, found.message, found.lag


def wanted(held: Snapshot, said: str | MarkerReading, channel: Channel = ON_MASTER) -> set[Need]:
    found, inquiry = asked(held, said, channel)
    assert isinstance(found, Unknown)
    return inquiry.needs


@pytest.mark.parametrize(
    ("reading", "verdict"),
    [
        (Foreign("names a place outside the store"), Verdict.FOREIGN),
        (Malformed("is empty"), Verdict.MALFORMED),
        (Missing("does not exist"), Verdict.MISSING),
        (Unreachable("cannot be read"), Verdict.UNREACHABLE),
        (Later("was written later"), Verdict.UNKNOWN),
    ],
)
def test_a_marker_that_names_nothing_is_judged_by_that_alone(
    reading: Foreign | Later | Malformed | Missing | Unreachable, verdict: Verdict
) -> None:
    """Its sentence is the one that it was read with, and nothing else is asked for."""
    assert judged(Snapshot(store=STORE), reading) == (verdict, reading.reason, None)


class TestSentences:
    """A marker that names a build."""

    def test_current(self) -> None:
        assert judged(snapshot(on_master(1), on_master(2)), alpha(2)) == (
            Verdict.CURRENT,
            f"names {alpha(2)}, the newest testable build",
            None,
        )

    def test_lagging(self) -> None:
        held = snapshot(on_master(1), on_master(2, age=5 * HOUR), on_master(3, age=4 * HOUR))
        assert judged(held, alpha(1)) == (
            Verdict.LAGGING,
            f"names {alpha(1)}; the next one has waited 5 hours",
            5 * HOUR,
        )

    def test_stale(self) -> None:
        held = snapshot(on_master(1, age=9 * DAY), on_master(2, age=4 * DAY), on_master(3, age=3 * DAY))
        assert judged(held, alpha(1)) == (
            Verdict.STALE,
            f"names {alpha(1)}, although {alpha(2)} could have been promoted 4 days ago; the limit is 24 hours",
            4 * DAY,
        )

    def test_excluded(self) -> None:
        held = snapshot(on_master(1), on_master(2))
        policy = evolve(DEFAULT, exclude=frozenset({version(alpha(1))}))
        found = judge(green(alpha(1)), Inquiry(held, ON_MASTER, policy, NOW))
        assert isinstance(found, MarkerReport)
        assert (found.verdict, found.message) == (
            Verdict.EXCLUDED,
            f"names {alpha(1)}, which is excluded by request",
        )

    @pytest.mark.parametrize(
        ("form", "why"),
        [
            (
                Form.VERSION,
                "without a URL: its consumers look for that beside the marker, in markers/master/, where no build is",
            ),
            (Form.TAG, "with a v before it, and no build's directory has such a name"),
        ],
    )
    def test_unusable(self, form: Form, why: str) -> None:
        said = Named(version(alpha(1)), form)
        assert judged(snapshot(on_master(1)), said) == (Verdict.UNUSABLE, f"names {alpha(1)} {why}", None)

    def test_stale_behind_the_one_that_has_waited_longest(self) -> None:
        """Old merges are built late, and files are uploaded again."""
        held = snapshot(on_master(1), *(on_master(n, age=age * DAY) for n, age in ((2, 3), (3, 5), (4, 4))))
        assert judged(held, alpha(1))[1:] == (
            f"names {alpha(1)}, although {alpha(3)} could have been promoted 5 days ago; the limit is 24 hours",
            5 * DAY,
        )

    def test_dangling(self) -> None:
        """Whether nothing else exists, or it was looked for by itself and not found."""
        verdict = (Verdict.DANGLING, f"names {alpha(9)}, which is not in the store", None)
        assert judged(snapshot(on_master(1)), alpha(9)) == verdict
        looked_for = evolve(snapshot(on_master(1), Build(version(alpha(9)), artifacts=())), whole=False)
        assert judged(looked_for, alpha(9)) == verdict

    def test_incomplete(self) -> None:
        """The lag is told also where it is not what is wrong."""
        held = snapshot(on_master(1, without=NODEUP), on_master(2, age=5 * HOUR))
        assert judged(held, alpha(1)) == (
            Verdict.INCOMPLETE,
            f"names {alpha(1)}, which is not testable: linux/arm64/nodeup is missing",
            5 * HOUR,
        )

    def test_a_build_whose_files_cannot_be_listed(self) -> None:
        held = evolve(snapshot(bare_listing(alpha(1))), failures={ListArtifacts(version(alpha(1))): OFF})
        assert judged(held, alpha(1)) == (
            Verdict.UNREACHABLE,
            f"names {alpha(1)}, which is not testable: its files could not be listed: 503",
            None,
        )

    def test_a_build_that_could_not_be_looked_up(self) -> None:
        held = evolve(snapshot(on_master(1)), whole=False, failures={ListArtifacts(version(alpha(9))): OFF})
        assert judged(held, alpha(9)) == (
            Verdict.UNREACHABLE,
            f"names {alpha(9)}, which could not be looked up: 503",
            None,
        )

    def test_a_build_whose_directory_is_denied_and_whose_checksums_cannot_be_read(self) -> None:
        """Neither is it in the listing."""
        failures: dict[Need, Failure] = {
            ListArtifacts(version(alpha(9))): DENIED,
            ReadChecksums(version(alpha(9))): Failure("timeout"),
        }
        held = evolve(snapshot(on_master(1)), whole=False, failures=failures)
        assert judged(held, alpha(9)) == (
            Verdict.UNREACHABLE,
            f"names {alpha(9)}, which is not testable: its files could not be listed: timeout",
            None,
        )

    def test_unverified_without_a_listing(self) -> None:
        held = Snapshot(store=STORE, builds=(on_master(1),), failures={ListMinors(): OFF})
        assert judged(held, alpha(1)) == (
            Verdict.UNVERIFIED,
            f"names {alpha(1)}, which is testable; newer ones are not known",
            None,
        )

    def test_unverified_behind_a_build_that_cannot_be_read(self) -> None:
        """It may have been waiting for weeks."""
        held = evolve(
            snapshot(on_master(1), bare_listing(alpha(2)), on_master(3, age=2 * HOUR)),
            failures={ListArtifacts(version(alpha(2))): OFF},
        )
        assert judged(held, alpha(1)) == (
            Verdict.UNVERIFIED,
            (
                f"names {alpha(1)}, which is testable; it is not known whether {alpha(2)}, which is newer, could "
                "have been promoted"
            ),
            None,
        )

    def test_a_build_that_cannot_be_read_newer_than_one_that_waits_leaves_no_doubt(self) -> None:
        """How long the marker has been behind is known without it."""
        held = evolve(
            snapshot(on_master(1), on_master(2, age=5 * HOUR), bare_listing(alpha(3))),
            failures={ListArtifacts(version(alpha(3))): OFF},
        )
        assert judged(held, alpha(1))[0] is Verdict.LAGGING

    def test_unverified_behind_a_build_of_unknown_age(self) -> None:
        """Of one that was proved by its checksums nobody knows when it was uploaded."""
        proof = tuple(f"{path}.sha256" for path in required_paths(DEFAULT.platforms))
        held = evolve(
            snapshot(on_master(1), Build(version(alpha(2)), checksums=proof)),
            failures={ListArtifacts(version(alpha(2))): DENIED},
        )
        assert judged(held, alpha(1)) == (
            Verdict.UNVERIFIED,
            (
                f"names {alpha(1)}, which is testable; it is not known since when {alpha(2)}, which is newer, could "
                "have been promoted"
            ),
            None,
        )


class TestWrongChannel:
    @pytest.mark.parametrize(
        ("said", "channel", "why"),
        [
            ("1.30.0-alpha.1", ON_MASTER, "a tag's own build, which no branch has"),
            (patch(7), ON_MASTER, "which is a build of release-1.29"),
            (patch(7), Channel("release-1.30"), "which is a build of release-1.29"),
            (alpha(1), ON_RELEASE, "which is no build of release-1.29"),
        ],
    )
    def test_a_name_that_is_certainly_another_channel_s(self, said: str, channel: Channel, why: str) -> None:
        """And whose it is."""
        held = snapshot(on_master(1), build(patch(7)), build("1.30.0-alpha.1"))
        assert judged(held, said, channel) == (Verdict.WRONG_CHANNEL, f"names {said}, {why}", None)

    def test_a_commit_that_git_finds_elsewhere(self) -> None:
        """Where the name would allow it."""
        held = snapshot(on_master(1), on_master(2), git=line(1, elsewhere=[2]))
        assert judged(held, alpha(2)) == (
            Verdict.WRONG_CHANNEL,
            f"names {alpha(2)}, whose commit is not on origin/master",
            None,
        )

    @pytest.mark.parametrize("git", [None, line(1), line(1, 2)])
    def test_a_commit_that_git_does_not_find_elsewhere(self, git: GitLine | None) -> None:
        """Unknown is not elsewhere."""
        inquiry = Inquiry(snapshot(on_master(1), on_master(2), git=git), ON_MASTER, DEFAULT, NOW)
        assert other_channel(version(alpha(2)), inquiry) is None

    @pytest.mark.parametrize("ref", ["origin/master", "mine"])
    def test_git_knows_better_than_a_name(self, ref: str) -> None:
        """A patch whose commit is on the line, whatever that is called, is the line's."""
        git = GitLine(ref, (GitCommit("0123456789" + "0" * 30, NOW - DAY),))
        assert other_channel(version(patch(7)), Inquiry(snapshot(git=git), ON_MASTER, DEFAULT, NOW)) is None


class TestNewer:
    """Which builds count as newer than the marker's."""

    def test_by_git_what_follows_on_the_line_whatever_its_name(self) -> None:
        """Git's order need not be that of names."""
        held = snapshot(on_master(3, age=5 * HOUR), on_master(5, age=9 * HOUR), git=line(5, 3))
        assert judged(held, alpha(5))[0] is Verdict.LAGGING
        assert judged(evolve(held, git=None), alpha(5))[0] is Verdict.CURRENT

    def test_a_name_without_a_commit_is_not_looked_for_in_git(self) -> None:
        """It has its place by its name."""
        untagged = "1.30.0-alpha.2+v1.30.0-alpha.1"
        held = snapshot(build(untagged), on_master(3, age=5 * HOUR), git=line(3))
        assert judged(held, untagged)[0] is Verdict.LAGGING

    def test_a_twin_that_was_uploaded_later(self) -> None:
        """Two builds of one precedence, both surely the branch's."""
        one = build(patch(3, "a" * 10), uploaded=NOW - 9 * HOUR)
        twin = build(patch(3, "b" * 10), uploaded=NOW - 5 * HOUR)
        assert judged(snapshot(one, twin), str(one.version), ON_RELEASE)[2] == 5 * HOUR

    def test_a_bare_commit_that_was_uploaded_later(self) -> None:
        """Its name is first of its release part, and says nothing of its age."""
        one = build(patch(3), uploaded=NOW - 9 * HOUR)
        bare = build("1.29.1+0123456789", uploaded=NOW - 5 * HOUR)
        assert judged(snapshot(one, bare), patch(3), ON_RELEASE)[2] == 5 * HOUR

    def test_none_that_is_older_than_a_build_whose_place_is_not_listed(self) -> None:
        """The marker's own build is proved by its checksums, if by anything."""
        held = evolve(
            snapshot(on_master(1, age=9 * DAY), on_master(2, age=8 * DAY)),
            whole=False,
            failures={ListArtifacts(version(alpha(9))): DENIED},
        )
        assert wanted(held, alpha(9)) == {ReadChecksums(version(alpha(9)))}

    @pytest.mark.parametrize("commit", [1, 77], ids=["an older commit", "a commit that git does not know"])
    def test_none_of_an_older_minor(self, commit: int) -> None:
        """Whether or not git knows it, or its name has a distance."""
        git = line(1, 3)
        for name in (old(commit), "1.29.0-alpha.2+fedcba9876"):
            held = snapshot(build(name, uploaded=NOW - 5 * DAY), on_master(3), git=git)
            assert judged(held, alpha(3))[0] is Verdict.CURRENT
            assert judged(evolve(held, git=None), alpha(3))[0] is Verdict.CURRENT
            assert judged(evolve(held, builds=held.builds[:1]), alpha(3))[0] is Verdict.DANGLING

    @pytest.mark.parametrize("commit", [2, 77], ids=["an older commit", "a commit that git does not know"])
    def test_no_older_minor_is_asked_for(self, commit: int) -> None:
        """Not even where git has an order of its own, and the build is gone."""
        held = evolve(
            snapshot(on_master(3), build(old(commit)), git=line(2, 3, 9)),
            whole=False,
            minors=frozenset({"1.28", "1.29", "1.30"}),
        )
        assert wanted(held, alpha(9)) == {ListArtifacts(version(alpha(9)))}
        newer = evolve(held, builds=(on_master(9), build(old(commit))))
        assert wanted(newer, alpha(3)) == {ListArtifacts(version(alpha(3)))}


class TestNeeds:
    """What is asked for at once. A clone that has all builds leaves no doubt of their order."""

    GIT = line(1, 2, 3)

    def test_a_build_of_the_newest_minor_is_looked_into_beside_the_only_newer_one(self) -> None:
        """Most likely it is needed too."""
        held = evolve(snapshot(*(bare_listing(alpha(n)) for n in (1, 2))), whole=False)
        assert wanted(held, alpha(1)) == {ListArtifacts(version(alpha(n))) for n in (1, 2)}

    def test_behind_several_builds_it_is_not(self) -> None:
        """Upload times are asked for beside the oldest of them, and the budget has no room for a guess."""
        held = evolve(snapshot(*(bare_listing(alpha(n)) for n in (1, 2, 3))), whole=False, timed=frozenset())
        assert wanted(held, alpha(1)) == {ListArtifacts(version(alpha(2))), ListUploads("1.30")}

    def test_where_the_first_has_waited_too_long_no_upload_times_are_asked_for(self) -> None:
        """The marker is stale, whatever the others are."""
        held = evolve(
            snapshot(on_master(1), on_master(2, age=2 * DAY), bare_listing(alpha(3)), git=self.GIT),
            whole=False,
            timed=frozenset(),
        )
        assert judged(held, alpha(1))[0] is Verdict.STALE

    @pytest.mark.parametrize("age", [5 * HOUR, DAY], ids=["less than the limit", "exactly the limit"])
    def test_where_it_has_not_they_are_asked_for_of_those_whose_time_is_not_known(
        self, age: timedelta
    ) -> None:
        """Another may have."""
        held = evolve(
            snapshot(on_master(1), on_master(2, age=age), bare_listing(alpha(3)), git=self.GIT),
            whole=False,
            timed=frozenset(),
        )
        assert wanted(held, alpha(1)) == {ListUploads("1.30")}

    def test_where_all_times_are_known_no_upload_times_are_asked_for(self) -> None:
        """They could tell nothing more."""
        builds = (on_master(1), on_master(2, age=5 * HOUR), on_master(3, age=4 * HOUR))
        held = evolve(snapshot(*builds, git=self.GIT), timed=frozenset())
        assert judged(held, alpha(1))[0] is Verdict.LAGGING

    def test_a_build_of_an_older_minor_is_not(self) -> None:
        """The newer one may show that the marker is stale."""
        held = evolve(snapshot(bare_listing(alpha(2)), bare_listing(old(1))), whole=False)
        assert wanted(held, old(1)) == {ListArtifacts(version(alpha(2)))}

    def test_a_current_marker_s_build_is_looked_into(self) -> None:
        held = evolve(snapshot(bare_listing(alpha(2))), whole=False)
        assert wanted(held, alpha(2)) == {ListArtifacts(version(alpha(2)))}

    def test_the_minors_are_asked_for_first(self) -> None:
        assert wanted(Snapshot(store=STORE), alpha(2)) == {ListMinors()}


@pytest.mark.parametrize(
    ("markers", "how"),
    [
        (
            [marker(MASTER, BRANCH_MARKER, beta(5)), marker("release-1.30", BRANCH_MARKER, beta(3))],
            "is likely",
        ),
        ([], "may well be"),
    ],
)
def test_a_build_that_no_marker_of_the_branch_vouches_for_is_not_among_its_own(
    markers: list[Marker], how: str
) -> None:
    """Master's marker names it, or nothing tells: what lineage gives to another branch is never current."""
    held = snapshot(
        build(beta(3), uploaded=NOW - 9 * HOUR), build(beta(5), uploaded=NOW - 8 * HOUR), markers=markers
    )
    assert judged(held, beta(5), Channel("release-1.30")) == (
        Verdict.DOUBTFUL,
        f"names {beta(5)}, which {how} a build of master",
        None,
    )
