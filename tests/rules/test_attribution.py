"""Which branch a build is of: the version, git and lineage witnesses put together (DESIGN section 4)."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from kopsversion.model.bucket import Build, GitCommit, GitLine
from kopsversion.model.channel import MASTER, Attribution, Certainty, Witness
from kopsversion.rules.attribution import (
    BranchEvidence,
    attribute,
    by_git,
    by_name,
    by_version,
    is_disowned,
    is_shared,
    needs_evidence,
    rivals,
)
from tests.builders import DAY, HOUR, NOW, bare_listing, version

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from kopsversion.model.version import BuildVersion

RELEASE = "release-1.29"
MINOR = "1.29"

MASTER_COMMITS = ("22ce1230da" + "0" * 30, "1d9353523c" + "0" * 30)
RELEASE_COMMITS = ("f9a0ba0203" + "0" * 30,)


def line(ref: str, commits: Iterable[str], elsewhere: Iterable[str] = ()) -> GitLine:
    """A clone's view of one branch."""
    return GitLine(ref, tuple(GitCommit(commit, NOW) for commit in commits), frozenset(elsewhere))


ALPHA = bare_listing("1.29.0-alpha.4+v1.29.0-alpha.3-378-g22ce1230da", NOW - 61 * DAY)
MASTER_BETA = bare_listing("1.29.0-beta.2+v1.29.0-beta.1-179-g1d9353523c", NOW - 2 * DAY)
RELEASE_BETA = bare_listing("1.29.0-beta.2+v1.29.0-beta.1-47-gf9a0ba0203", NOW - 6 * HOUR)
EARLIER = bare_listing("1.29.0-beta.2+v1.29.0-beta.1-170-g1d93535230", NOW - 3 * DAY)
PATCH = bare_listing("1.29.1+v1.29.0-36-g8be71351e2", NOW - HOUR)
TAG = bare_listing("1.29.0-beta.1", NOW - 50 * DAY)
BARE_ALPHA = bare_listing("1.29.0-alpha.2+d4bf54cb7c", NOW - 80 * DAY)
BARE_BETA = bare_listing("1.29.0-beta.2+0123456789", NOW - 8 * DAY)

MASTER_LINE = line("origin/master", MASTER_COMMITS, RELEASE_COMMITS)
RELEASE_LINE = line("upstream/release-1.29", RELEASE_COMMITS, MASTER_COMMITS)


@pytest.mark.parametrize(
    ("text", "ref"),
    [
        ("1.28.5+v1.28.4-36-g8be71351e2", "release-1.28"),
        ("1.29.0+v1.29.0-beta.1-64-ga13f043386", "release-1.29"),
        ("1.29.1-beta.1+v1.29.0-3-ga13f043386", "release-1.29"),
        ("1.29.0-beta.2+v1.29.0-beta.1-47-gf9a0ba0203", None),
        ("1.29.0-alpha.4+v1.29.0-alpha.3-378-g22ce1230da", None),
        ("1.29.0-rc.1+v1.29.0-beta.3-7-g22ce1230da", None),
    ],
)
def test_a_patch_or_final_release_part_is_only_built_on_its_release_branch(
    text: str, ref: str | None
) -> None:
    """Only X.Y.0 with a pre-release part may be of two branches."""
    assert by_version(version(text)) == ref
    assert is_shared(version(text)) is (ref is None)


@pytest.mark.parametrize(
    ("build", "clone", "ref"),
    [
        (MASTER_BETA, MASTER_LINE, MASTER),
        (RELEASE_BETA, MASTER_LINE, RELEASE),
        (RELEASE_BETA, RELEASE_LINE, RELEASE),
        (MASTER_BETA, RELEASE_LINE, MASTER),
        (PATCH, MASTER_LINE, None),
        (TAG, MASTER_LINE, None),
        (MASTER_BETA, line("origin/release-1.28", (), MASTER_COMMITS), None),
    ],
    ids=[
        *("on master", "elsewhere than master", "on the release branch", "elsewhere than the release branch"),
        *("unknown commit", "no commit", "elsewhere than another minor's branch"),
    ],
)
def test_git_is_certain_or_silent(build: Build, clone: GitLine, ref: str | None) -> None:
    """A commit on the line is the line's; of a minor's two branches it is the other's if it is elsewhere."""
    expected = Attribution(ref, Witness.GIT, Certainty.EXACT) if ref else None
    assert by_git(build.version, clone) == expected


def test_a_line_without_its_cut_is_certain_only_of_names_that_one_branch_builds() -> None:
    """Without master in the clone it may hold builds of master, from before the cut."""
    clone = evolve(line("origin/release-1.29", (*MASTER_COMMITS, "8be71351e2" + "0" * 30)), knows_cut=False)
    assert by_git(MASTER_BETA.version, clone) is None
    assert by_git(PATCH.version, clone) == Attribution(RELEASE, Witness.GIT, Certainty.EXACT)


CUT = GitCommit(MASTER_COMMITS[1], NOW)


@pytest.mark.parametrize(
    ("ref", "channel"),
    [("upstream/release-1.29", None), ("refs/heads/release-1.29", None), ("origin/my-topic", RELEASE)],
    ids=["named", "by its whole path", "given"],
)
@pytest.mark.parametrize(
    ("named", "expected"), [(MASTER_BETA, RELEASE), (EARLIER, MASTER), (None, MASTER)], ids=repr
)
def test_the_build_at_the_cut_is_the_release_branch_s_where_its_marker_names_it(
    ref: str, channel: str | None, named: Build | None, expected: str
) -> None:
    """Both branches may have built the commit that the branch was cut at."""
    clone = evolve(line(ref, RELEASE_COMMITS, MASTER_COMMITS), cut=CUT)
    evidence = BranchEvidence(release_named=named.version if named else None)
    found = attribute([MASTER_BETA], minor=MINOR, evidence=evidence, git=clone, git_ref=channel)
    assert found == {MASTER_BETA.version: Attribution(expected, Witness.GIT, Certainty.EXACT)}


def test_a_marker_at_the_cut_says_nothing_of_other_commits() -> None:
    """Not of another commit that the marker names, whose branch git knows."""
    clone = evolve(line("origin/release-1.29", RELEASE_COMMITS, MASTER_COMMITS), cut=CUT)
    evidence = BranchEvidence(release_named=ALPHA.version)
    assert attribute([ALPHA], minor=MINOR, evidence=evidence, git=clone) == {
        ALPHA.version: Attribution(MASTER, Witness.GIT, Certainty.EXACT)
    }


class TestWithoutMaster:
    """A release branch's line in a clone that does not have master, and so does not know the cut."""

    BETAS = tuple(
        bare_listing(f"1.29.0-beta.2+v1.29.0-beta.1-{n}-g{n:010x}", NOW - (9 - n) * DAY) for n in (1, 2, 3)
    )
    CLONE = evolve(line("origin/release-1.29", [f"{n:010x}" + "0" * 30 for n in (1, 2, 3)]), knows_cut=False)
    BEFORE = Attribution(MASTER, Witness.LINEAGE, Certainty.LIKELY)

    def found(self, evidence: BranchEvidence) -> list[Attribution]:
        """What is said of the three builds; a stray one, of which git knows nothing, is left to lineage."""
        held = [*self.BETAS, MASTER_BETA]
        found = attribute(held, minor=MINOR, evidence=evidence, git=self.CLONE)
        assert found[MASTER_BETA.version].certainty is Certainty.DOUBTFUL
        return [found[build.version] for build in self.BETAS]

    def test_what_lies_before_a_build_that_master_names_was_built_before_the_cut(self) -> None:
        """And that build itself."""
        first, second, third = self.found(BranchEvidence(master_named=self.BETAS[1].version))
        assert first == second == self.BEFORE
        assert third.certainty is Certainty.DOUBTFUL

    def test_so_does_the_last_that_any_marker_of_master_names(self) -> None:
        """A marker that names no commit, or one that is not on the line, says nothing."""
        tested = frozenset(each.version for each in (*self.BETAS[:2], ALPHA, TAG))
        first, second, third = self.found(BranchEvidence(master_tested=tested))
        assert first == second == self.BEFORE
        assert third.certainty is Certainty.DOUBTFUL

    def test_where_master_s_markers_name_none_of_them_they_are_left_to_lineage(self) -> None:
        """The first of the line too."""
        for evidence in (BranchEvidence(), BranchEvidence(master_named=ALPHA.version)):
            assert {each.certainty for each in self.found(evidence)} == {Certainty.DOUBTFUL}


@pytest.mark.parametrize("named", [None, MASTER_BETA, ALPHA], ids=["no marker", "itself", "an older one"])
def test_where_the_cut_is_known_master_s_marker_adds_nothing(named: Build | None) -> None:
    """Git is certain."""
    evidence = BranchEvidence(master_named=named.version if named else None)
    found = attribute([ALPHA, MASTER_BETA], minor=MINOR, evidence=evidence, git=MASTER_LINE)
    assert set(found.values()) == {Attribution(MASTER, Witness.GIT, Certainty.EXACT)}


@pytest.mark.parametrize(
    ("located", "certainty"),
    [(MASTER_BETA, Certainty.LIKELY), (RELEASE_BETA, Certainty.DOUBTFUL)],
    ids=["on master", "on the release branch"],
)
def test_a_bare_commit_is_likely_master_s_while_git_has_nothing_of_a_release_branch(
    located: Build, certainty: Certainty
) -> None:
    """Git's word on one build tells whether there is such a branch."""
    evidence = BranchEvidence(release_exists=False)
    found = attribute([located, BARE_ALPHA], minor=MINOR, evidence=evidence, git=MASTER_LINE)
    assert found[BARE_ALPHA.version].certainty is certainty


def test_a_line_of_any_name_stands_for_the_channel_that_it_was_read_for() -> None:
    """With --ref a clone's branch has a name of its own."""
    clone = line("origin/my-topic", MASTER_COMMITS, RELEASE_COMMITS)
    assert by_git(RELEASE_BETA.version, clone) is None
    found = by_git(RELEASE_BETA.version, clone, ref=MASTER)
    assert found is not None
    assert found.ref == RELEASE
    assert not needs_evidence([RELEASE_BETA], git=clone, git_ref=MASTER)
    assert attribute([RELEASE_BETA], minor=MINOR, evidence=BranchEvidence(), git=clone, git_ref=MASTER) == {
        RELEASE_BETA.version: found
    }


@pytest.mark.parametrize(
    ("build", "ref", "knows_cut", "disowned"),
    [
        (RELEASE_BETA, "origin/master", True, True),
        (RELEASE_BETA, "origin/topic", True, False),
        (MASTER_BETA, "origin/master", True, False),
        (MASTER_BETA, "origin/master", False, True),
        (MASTER_BETA, "origin/topic", False, False),
        (PATCH, "origin/master", True, False),
        (PATCH, "origin/master", False, False),
        (TAG, "origin/master", True, False),
    ],
    ids=[
        *("elsewhere", "elsewhere than a topic branch", "on the line", "before a cut that is not known"),
        *("on a topic branch", "unknown commit", "unknown commit and cut", "no commit"),
    ],
)
def test_a_clone_that_has_the_branch_disowns_what_is_on_another(
    build: Build, ref: str, *, knows_cut: bool, disowned: bool
) -> None:
    """It must be the channel's own branch by its name, and the build's name one that two branches build."""
    clone = evolve(line(ref, MASTER_COMMITS, RELEASE_COMMITS), channel=MASTER, knows_cut=knows_cut)
    assert is_disowned(build.version, clone) is disowned


def test_two_witnesses_that_are_never_wrong_disown_nothing() -> None:
    """A patch build's name is sure, and so is the clone that has its commit elsewhere."""
    clone = evolve(line("origin/release-1.29", (), ("8be71351e2" + "0" * 30,)), channel=RELEASE)
    assert not is_disowned(PATCH.version, clone)


@pytest.mark.parametrize("ref", ["master", "origin/master", "refs/remotes/origin/master"])
def test_the_last_part_of_a_ref_names_the_channel(ref: str) -> None:
    """However a clone calls its branch."""
    found = by_git(MASTER_BETA.version, line(ref, MASTER_COMMITS))
    assert found == Attribution(MASTER, Witness.GIT, Certainty.EXACT)


def test_an_abbreviation_of_two_commits_is_left_to_the_next_witness() -> None:
    """An ambiguous commit id is no evidence."""
    clone = line("origin/master", ("1d9353523c" + "0" * 30, "1d9353523c" + "1" * 30))
    assert by_git(MASTER_BETA.version, clone) is None


@pytest.mark.parametrize(
    ("build", "ref", "witness", "certainty"),
    [
        (PATCH, RELEASE, Witness.VERSION, Certainty.EXACT),
        (ALPHA, MASTER, Witness.VERSION, Certainty.LIKELY),
        (RELEASE_BETA, RELEASE, Witness.LINEAGE, Certainty.DOUBTFUL),
        (MASTER_BETA, MASTER, Witness.LINEAGE, Certainty.DOUBTFUL),
        (ALPHA, RELEASE, Witness.LINEAGE, Certainty.DOUBTFUL),
    ],
)
def test_where_nothing_else_could_be_learnt_a_name_is_as_sure_as_it_can_be(
    build: Build, ref: str, witness: Witness, certainty: Certainty
) -> None:
    """A marker alone names it, and that is no proof."""
    assert by_name(build.version, ref) == Attribution(ref, witness, certainty)


def test_tag_builds_are_of_no_branch() -> None:
    """A tag's own build is attributed to none, whatever else there is."""
    assert attribute([TAG], minor=MINOR, evidence=BranchEvidence()) == {}
    assert TAG.version not in attribute([TAG, ALPHA], minor=MINOR, evidence=BranchEvidence())


def test_each_build_goes_to_the_best_witness_that_speaks() -> None:
    """Git where it knows the commit, else the version, else custom or lineage."""
    found = attribute(
        [ALPHA, MASTER_BETA, RELEASE_BETA, PATCH],
        minor=MINOR,
        evidence=BranchEvidence(release_named=RELEASE_BETA.version, release_exists=True),
        git=line("origin/master", MASTER_COMMITS[1:]),
        git_ref=MASTER,
    )
    assert found == {
        ALPHA.version: Attribution(MASTER, Witness.VERSION, Certainty.LIKELY),
        MASTER_BETA.version: Attribution(MASTER, Witness.GIT, Certainty.EXACT),
        RELEASE_BETA.version: Attribution(RELEASE, Witness.LINEAGE, Certainty.LIKELY),
        PATCH.version: Attribution(RELEASE, Witness.VERSION, Certainty.EXACT),
    }


def test_where_git_knows_every_commit_nothing_else_is_asked() -> None:
    """With a clone no marker and no upload time is needed."""
    builds = [ALPHA, MASTER_BETA, RELEASE_BETA, PATCH, TAG]
    assert not needs_evidence(builds, git=MASTER_LINE, git_ref=MASTER)
    found = attribute(builds, minor=MINOR, evidence=BranchEvidence(), git=MASTER_LINE, git_ref=MASTER)
    assert {each.witness for name, each in found.items() if is_shared(name)} == {Witness.GIT}


@pytest.mark.parametrize(
    ("builds", "needed"),
    [
        ([ALPHA, PATCH, TAG], False),
        ([ALPHA, MASTER_BETA], True),
        ([BARE_ALPHA], True),
        ([ALPHA, bare_listing("1.29.0-alpha.4+v1.29.0-alpha.3-378-gffffffffff")], True),
    ],
    ids=["alphas, patches and tags", "a beta", "a bare commit", "two alphas in one place"],
)
def test_evidence_is_only_asked_for_where_two_branches_may_build_such_names(
    builds: list[Build],
    needed: bool,  # noqa: FBT001 - a table's column
) -> None:
    """Since 1.22 alphas are master's by custom, so markers and upload times are not fetched for them."""
    assert needs_evidence(builds, git=None) is needed


@pytest.mark.parametrize(("cut", "needed"), [(MASTER_COMMITS[0], True), (MASTER_COMMITS[1], False)])
def test_evidence_is_asked_for_where_the_branch_was_cut_at_an_alpha(cut: str, *, needed: bool) -> None:
    """Git knows the commit, and only a marker tells whether the release branch built it too."""
    clone = evolve(line("origin/release-1.29", RELEASE_COMMITS, MASTER_COMMITS), cut=GitCommit(cut, NOW))
    assert needs_evidence([ALPHA], git=clone) is needed


@pytest.mark.parametrize("further", [False, True])
def test_master_s_marker_tells_where_master_is_unless_an_alpha_is_further(*, further: bool) -> None:
    """Alphas are master's by custom; betas up to the release branch's marker are its own while master has none."""
    first = bare_listing("1.29.0-alpha.4+v1.29.0-alpha.3-392-g0000000000", NOW - 30 * DAY)
    alpha = bare_listing("1.29.0-alpha.4+v1.29.0-alpha.3-393-g0000000000", NOW - 30 * DAY)
    betas = [
        bare_listing(f"1.29.0-beta.2+v1.29.0-beta.1-{n}-g{n:010x}", NOW - (20 - n) * DAY) for n in (3, 5, 7)
    ]
    evidence = BranchEvidence(master_named=first.version, release_named=betas[-1].version)
    builds = [first, *betas, *([alpha] if further else [])]
    found = attribute(builds, minor=MINOR, evidence=evidence)[betas[0].version]
    assert found.ref == RELEASE
    assert found.certainty is (Certainty.DOUBTFUL if further else Certainty.LIKELY)


def test_an_alpha_that_the_release_branchs_marker_names_ends_the_custom() -> None:
    """Should kops ever cut a branch during the alphas, its own marker says so."""
    alphas = [
        bare_listing(f"1.29.0-alpha.4+v1.29.0-alpha.3-{distance}-g{distance:010x}", NOW - days * DAY)
        for distance, days in ((300, 9), (302, 8), (305, 7), (307, 6), (310, 4), (312, 2), (315, 1))
    ]
    named = bare_listing("1.29.0-alpha.4+v1.29.0-alpha.3-306-gaaaaaaaaaa", NOW - 3 * DAY)
    evidence = BranchEvidence(
        release_named=named.version, release_exists=True, master_named=alphas[-1].version
    )
    found = attribute([*alphas, named], minor=MINOR, evidence=evidence)
    assert [each.ref for each in found.values()].count(RELEASE) == 1
    assert found[named.version].ref == RELEASE


@pytest.mark.parametrize(
    ("named", "why"),
    [
        ("1.28.0-alpha.1+v1.28.0-alpha.0-5-g0123456789", "another minor's"),
        ("1.29.0-alpha.1", "a tag's own build"),
        ("1.29.3+v1.29.2-5-g0123456789", "a patch"),
    ],
)
def test_a_marker_that_names_no_shared_build_of_the_minor_says_nothing_of_lines(named: str, why: str) -> None:
    """It shows no more than that the branch exists."""
    evidence = BranchEvidence(release_named=version(named), master_named=version(named))
    found = attribute([ALPHA, MASTER_BETA], minor=MINOR, evidence=evidence)
    assert set(found) == {ALPHA.version, MASTER_BETA.version}, why
    assert found[ALPHA.version].ref == MASTER


def test_a_marker_whose_build_is_deleted_still_says_where_its_line_was() -> None:
    """What a marker names is a member of the line, whether its build is there or not."""
    gone = version("1.29.0-beta.2+v1.29.0-beta.1-45-gaaaaaaaaaa")
    evidence = BranchEvidence(release_named=gone, release_exists=True, master_named=MASTER_BETA.version)
    found = attribute([RELEASE_BETA, MASTER_BETA], minor=MINOR, evidence=evidence)
    assert found[RELEASE_BETA.version] == Attribution(RELEASE, Witness.LINEAGE, Certainty.DOUBTFUL)
    assert found[MASTER_BETA.version] == Attribution(MASTER, Witness.LINEAGE, Certainty.LIKELY)
    assert gone not in found
    after = bare_listing("1.29.0-beta.2+v1.29.0-beta.1-46-gbbbbbbbbbb", NOW - DAY)
    for evidence, ref in ((BranchEvidence(), MASTER), (BranchEvidence(release_named=gone), RELEASE)):
        assert attribute([after], minor=MINOR, evidence=evidence)[after.version].ref == ref


def test_without_upload_times_lineage_is_doubtful_but_for_what_a_marker_names() -> None:
    """Names alone do not show that there are two lines."""
    betas = [bare_listing(f"1.29.0-beta.2+v1.29.0-beta.1-{n}-g{n:010x}") for n in (2, 4, 6, 8)]
    evidence = BranchEvidence(master_named=betas[-1].version, release_exists=False)
    found = attribute(betas, minor=MINOR, evidence=evidence)
    certainties = [found[build.version].certainty for build in betas]
    assert certainties == [Certainty.DOUBTFUL] * 3 + [Certainty.LIKELY]


def test_builds_after_master_left_the_minor_are_the_release_branchs() -> None:
    """Builds of a later minor date master's leaving."""
    first = bare_listing("1.29.0-beta.2+v1.29.0-alpha.3-393-g0000000000", NOW - 12 * DAY)
    betas = [
        bare_listing(f"1.29.0-beta.2+v1.29.0-beta.1-{n}-g{n:010x}", NOW - (10 - n) * DAY) for n in (2, 4, 6)
    ]
    found = attribute([first, *betas], minor=MINOR, evidence=BranchEvidence(master_left=NOW - 11 * DAY))
    assert {found[each.version] for each in betas} == {
        Attribution(RELEASE, Witness.LINEAGE, Certainty.LIKELY)
    }


@pytest.mark.parametrize(
    ("build", "evidence", "expected"),
    [
        (
            BARE_ALPHA,
            BranchEvidence(release_exists=False),
            Attribution(MASTER, Witness.VERSION, Certainty.LIKELY),
        ),
        (BARE_ALPHA, BranchEvidence(), Attribution(MASTER, Witness.LINEAGE, Certainty.DOUBTFUL)),
        (BARE_BETA, BranchEvidence(), Attribution(RELEASE, Witness.LINEAGE, Certainty.DOUBTFUL)),
        (
            BARE_BETA,
            BranchEvidence(master_named=BARE_BETA.version),
            Attribution(MASTER, Witness.LINEAGE, Certainty.LIKELY),
        ),
        (
            BARE_ALPHA,
            BranchEvidence(release_named=BARE_ALPHA.version),
            Attribution(RELEASE, Witness.LINEAGE, Certainty.LIKELY),
        ),
        (
            BARE_ALPHA,
            BranchEvidence(release_named=BARE_ALPHA.version, master_named=BARE_ALPHA.version),
            Attribution(MASTER, Witness.LINEAGE, Certainty.DOUBTFUL),
        ),
    ],
    ids=["no branch", "alpha", "beta", "named by master", "named by the branch", "named by both"],
)
def test_a_bare_commit_has_no_place_on_a_line(
    build: Build, evidence: BranchEvidence, expected: Attribution
) -> None:
    """Its branch is doubtful, unless there is only one, or a marker names it."""
    assert attribute([build], minor=MINOR, evidence=evidence) == {build.version: expected}


def test_lineage_that_finds_a_branch_makes_bare_commits_doubtful() -> None:
    """The marker's absence does not count against builds that show the branch."""
    twins = [
        bare_listing(f"1.29.0-beta.2+v1.29.0-beta.1-{n}-g{c * 10}", NOW - days * DAY)
        for n, c, days in ((2, "a", 9), (5, "b", 8), (2, "c", 6), (9, "d", 7), (5, "e", 5))
    ]
    found = attribute([*twins, BARE_ALPHA], minor=MINOR, evidence=BranchEvidence(release_exists=False))
    assert found[BARE_ALPHA.version].certainty is Certainty.DOUBTFUL


def test_master_s_own_alphas_are_no_sign_of_a_release_branch() -> None:
    """A bare commit beside them is still master's."""
    found = attribute([ALPHA, BARE_ALPHA], minor=MINOR, evidence=BranchEvidence(release_exists=False))
    assert found[BARE_ALPHA.version] == Attribution(MASTER, Witness.VERSION, Certainty.LIKELY)


def test_a_marker_of_a_bare_commit_says_nothing_of_lines() -> None:
    """It has no place on one."""
    evidence = BranchEvidence(release_named=BARE_BETA.version, master_named=BARE_ALPHA.version)
    found = attribute([MASTER_BETA, RELEASE_BETA], minor=MINOR, evidence=evidence)
    assert {each.certainty for each in found.values()} == {Certainty.DOUBTFUL}


def test_the_minor_s_patches_show_that_the_release_branch_left() -> None:
    """Three betas above all that were there before its patch are master's."""
    left = bare_listing("1.29.1+v1.29.0-36-g8be71351e2", NOW - 20 * DAY)
    later = [bare_listing(f"1.29.0-beta.2+v1.29.0-beta.1-{n}-g{n:010x}", NOW - DAY) for n in (510, 512, 515)]
    found = attribute([left, RELEASE_BETA, *later], minor=MINOR, evidence=BranchEvidence())
    assert {found[each.version] for each in later} == {Attribution(MASTER, Witness.LINEAGE, Certainty.LIKELY)}


def test_what_a_green_marker_names_is_likely_where_the_order_of_uploads_agrees() -> None:
    """It was written by another job than the branch's marker."""
    evidence = BranchEvidence(
        master_named=MASTER_BETA.version, master_tested=frozenset({ALPHA.version, EARLIER.version})
    )
    found = attribute([EARLIER, MASTER_BETA], minor=MINOR, evidence=evidence)
    assert found[EARLIER.version] == Attribution(MASTER, Witness.LINEAGE, Certainty.LIKELY)
    evidence = BranchEvidence(release_tested=frozenset({RELEASE_BETA.version}))
    found = attribute([RELEASE_BETA, MASTER_BETA], minor=MINOR, evidence=evidence)
    assert found[RELEASE_BETA.version] == Attribution(RELEASE, Witness.LINEAGE, Certainty.LIKELY)


class TestRivals:
    """Builds that may be newer than the pick, and of its channel."""

    DOUBT = Attribution(RELEASE, Witness.LINEAGE, Certainty.DOUBTFUL)
    SURE = Attribution(RELEASE, Witness.LINEAGE, Certainty.LIKELY)
    OWN = Attribution(MASTER, Witness.LINEAGE, Certainty.LIKELY)
    PICK = RELEASE_BETA.version

    def rivals(self, others: Mapping[BuildVersion, Attribution]) -> tuple[BuildVersion, ...]:
        return rivals({self.PICK: self.OWN, **others}, self.PICK, own=MASTER)

    def test_a_doubtful_newer_build_of_the_other_branch_is_one(self) -> None:
        """Newest first, so that the first is the one to name."""
        newer = [version(f"1.29.0-beta.2+v1.29.0-beta.1-{n}-g0123456789") for n in (47, 50, 60)]
        assert self.rivals(dict.fromkeys(newer, self.DOUBT)) == tuple(reversed(newer))

    def test_a_bare_commit_of_the_same_release_part_is_one(self) -> None:
        """It has no place among the others, so it may be newer."""
        assert self.rivals({BARE_BETA.version: self.DOUBT}) == (BARE_BETA.version,)
        assert self.rivals({BARE_ALPHA.version: self.DOUBT}) == ()

    def test_what_is_older_sure_or_the_channels_own_is_none(self) -> None:
        """A doubtful build of the pick's own channel was already examined on the way to the pick."""
        older = version("1.29.0-beta.2+v1.29.0-beta.1-46-g0123456789")
        newer = version("1.29.0-beta.2+v1.29.0-beta.1-50-g0123456789")
        own = Attribution(MASTER, Witness.LINEAGE, Certainty.DOUBTFUL)
        assert self.rivals({older: self.DOUBT, newer: self.SURE, MASTER_BETA.version: own}) == ()


_PARTS = [
    "alpha.2+v1.29.0-alpha.1",
    "beta.2+v1.29.0-alpha.1",
    "beta.2+v1.29.0-beta.1",
    "beta.3+v1.29.0-beta.2",
]


@st.composite
def _builds(draw: st.DrawFn) -> list[Build]:
    found = {}
    for number in range(draw(st.integers(0, 8))):
        kind = draw(st.sampled_from(["counted", "counted", "counted", "bare", "patch", "tag"]))
        text = {
            "counted": f"1.29.0-{draw(st.sampled_from(_PARTS))}-{draw(st.integers(0, 9))}-g{number:010x}",
            "bare": f"1.29.0-beta.2+{number:010x}",
            "patch": f"1.29.1+v1.29.0-{number}-g{number:010x}",
            "tag": "1.29.0-beta.1",
        }[kind]
        hours = draw(st.none() | st.integers(0, 900))
        build = bare_listing(text, None if hours is None else NOW - hours * HOUR)
        found[build.version] = build
    return list(found.values())


@st.composite
def _evidence(draw: st.DrawFn, builds: list[Build]) -> BranchEvidence:
    names = st.none() | st.sampled_from([build.version for build in builds]) if builds else st.none()
    named = draw(names)
    return BranchEvidence(
        release_named=draw(names),
        release_exists=draw(st.sampled_from([None, False, True])),
        master_named=named,
        master_tested=frozenset({other} if (other := draw(names)) else ()),
        master_left=draw(st.sampled_from([None, NOW - 20 * DAY])),
    )


@given(st.data(), st.randoms(use_true_random=False))
def test_law_attribution_does_not_depend_on_the_order_of_the_input(
    data: st.DataObject, chance: random.Random
) -> None:
    """The same builds in any order are of the same branches, as surely."""
    builds = data.draw(_builds())
    evidence = data.draw(_evidence(builds))
    shuffled = builds.copy()
    chance.shuffle(shuffled)
    assert attribute(shuffled, minor=MINOR, evidence=evidence) == attribute(
        builds, minor=MINOR, evidence=evidence
    )


@given(st.data())
def test_law_every_build_but_a_tags_is_of_exactly_one_branch_of_its_minor(data: st.DataObject) -> None:
    """There is one attribution for each, to master or to the minor's release branch."""
    builds = data.draw(_builds())
    found = attribute(builds, minor=MINOR, evidence=data.draw(_evidence(builds)))
    assert set(found) == {build.version for build in builds if not build.version.is_tag_build}
    assert {each.ref for each in found.values()} <= {MASTER, RELEASE}


@given(st.data())
def test_law_with_git_another_branchs_build_changes_nothing(data: st.DataObject) -> None:
    """Adding a build of another branch never changes a channel's answer when git is the witness."""
    builds = data.draw(_builds())
    evidence = data.draw(_evidence(builds))
    clone = line("origin/master", [f"{n:010x}" + "0" * 30 for n in range(8)], RELEASE_COMMITS)

    def masters(known: list[Build]) -> set[BuildVersion]:
        found = attribute(known, minor=MINOR, evidence=evidence, git=clone, git_ref=MASTER)
        return {name for name, each in found.items() if each.ref == MASTER and each.witness is Witness.GIT}

    assert masters([*builds, RELEASE_BETA]) == masters(builds)


def _history(folder: Path) -> dict[str, list[tuple[str, Build]]]:
    minors = defaultdict(list)
    for row in map(json.loads, (folder / "builds.jsonl").read_text().splitlines()):
        uploaded = datetime.fromtimestamp(row["time"], UTC) + timedelta(minutes=20)
        build = Build(version(row["version"]), sampled=uploaded)
        minors[build.version.minor].append((row["branch"], build))
    return minors


@pytest.mark.parametrize("minor", [f"1.{number}" for number in range(23, 31)])
def test_every_build_since_september_2021_is_attributed_to_its_branch_or_doubtful(
    history: Path, minor: str
) -> None:
    """Without git and without any marker; and hardly any guess is wrong."""
    rows = _history(history)
    builds = rows[minor]
    later = rows.get(f"1.{int(minor.partition('.')[2]) + 1}", [])
    left = min((build.uploaded for _, build in later if build.uploaded), default=None)
    found = attribute([build for _, build in builds], minor=minor, evidence=BranchEvidence(master_left=left))
    wrong = [(ref, found[build.version]) for ref, build in builds if found[build.version].ref != ref]
    assert [each for _, each in wrong if each.certainty is not Certainty.DOUBTFUL] == []
    assert len(wrong) <= 8
