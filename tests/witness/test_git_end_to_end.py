"""With a clone of kops: the day of kops issue 16533 to the sentence, and laws over any clone and bucket."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from attrs import evolve, frozen
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from kopsversion.cli.demo_bucket import AS_OF, _built
from kopsversion.errors import NoTestableBuildError
from kopsversion.model.answer import Condition, Resolution, Severity
from kopsversion.model.bucket import Build, GitCommit, GitLine, Marker
from kopsversion.model.channel import BRANCH_MARKER, GREEN_MARKER, MASTER, Certainty, Channel, Witness
from kopsversion.model.policy import Policy, Strategy
from kopsversion.rules.attribution import is_disowned
from kopsversion.rules.resolver import resolve
from kopsversion.stores.deadline import Deadline
from kopsversion.workflows.latest import resolve_latest
from kopsversion.workflows.listing import list_builds, list_channel
from kopsversion.workflows.rounds import ask_until_known, start
from tests.builders import DAY, HOUR, NOW, Era, build, marker, snapshot
from tests.fake_store import FakeStore
from tests.git_repos import ISOLATED, GitRepository

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = pytest.mark.usefixtures("isolated_git")

LAST = "1.29.0-alpha.4+v1.29.0-alpha.3-378-g22ce1230da"
OF_RELEASE = "1.29.0-beta.2+v1.29.0-beta.1-47-gf9a0ba0203"
SENTENCE = (
    "master has had no build since 2024-03-06 13:40 UTC (61 days); 80 merges on master are not built; "
    "the postsubmit is the place to look"
)
FIRST_UNBUILT = datetime(2024, 3, 8, 7, 27, 21, tzinfo=UTC)
LAST_UNBUILT = datetime(2024, 5, 6, 15, 20, 33, tzinfo=UTC)
"""Between these two, both included, master had 80 merges that nobody built (history)."""


def full(version: str) -> str:
    """Make up the rest of the commit id that a version abbreviates."""
    return version.rpartition("-g")[2].ljust(40, "0")


def on_line(repo: GitRepository, ref: str, *, branch: str) -> None:
    """Commit what the demo bucket has builds of, at the times of the history."""
    for made in _built():
        if made.ref == branch:
            repo.commit(ref, when=made.committed, sides=1, claimed_id=full(made.version))


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> GitRepository:
    """A clone of 6 May 2024: master has moved on by 80 merges, and release-1.29 was cut meanwhile."""
    repo = GitRepository.create(tmp_path_factory.mktemp("clone") / "kops")
    on_line(repo, "origin/master", branch="master")
    for number in range(80):
        when = FIRST_UNBUILT + (LAST_UNBUILT - FIRST_UNBUILT) * number / 79
        tip = repo.commit("origin/master", when=when, sides=1)
        if number == 5:
            repo.branch("origin/release-1.29", at=tip)
    on_line(repo, "origin/release-1.29", branch="release-1.29")
    # Later than what is asked about; and git checks the id of the last commit of a branch.
    for ref in ("origin/master", "origin/release-1.29"):
        repo.commit(ref, when=AS_OF + HOUR, sides=1)
    return repo


@pytest.fixture(scope="module")
def bucket(demo_bucket: Path) -> str:
    return str(demo_bucket)


def ask(bucket: str, repo: Path, channel: str = "master", policy: Policy | None = None) -> Resolution:
    return resolve_latest(channel, store=bucket, as_of=AS_OF, repo=repo, policy=policy or Policy())


def conditions(found: Resolution) -> Mapping[str, Condition]:
    return {condition.code: condition for condition in found.conditions}


class TestBuildsThatStoppedComing:
    """FAILURES row 28, the half of kops issue 16533 that no marker shows."""

    def test_the_sentence_is_enough_to_act_on(self, bucket: str, clone: GitRepository) -> None:
        """Issue 3 item 3: since when, how many merges, and where to look."""
        found = ask(bucket, clone.path)
        assert str(found.version) == LAST
        assert (found.attribution.witness, found.attribution.certainty) == (Witness.GIT, Certainty.EXACT)
        stalled = conditions(found)["builds-stalled"]
        assert (stalled.severity, stalled.message) == (Severity.WARNING, SENTENCE)
        assert stalled.data == {
            "newest": LAST,
            "commits_behind": 80,
            "unbuilt_for_seconds": int((AS_OF - FIRST_UNBUILT).total_seconds()),
        }
        assert set(conditions(found)) == {"builds-stalled", "names-skipped"}
        assert SENTENCE in found.explain()

    @pytest.mark.parametrize("named", [True, False], ids=["--repo", "current directory"])
    def test_the_script_says_it(self, bucket: str, clone: GitRepository, *, named: bool) -> None:
        """With ``--repo``, and in a job that runs in the clone."""
        ended = subprocess.run(
            [
                str(Path(sys.executable).parent / "resolve-latest"),
                *("master", "--strict", "--store", bucket, "--as-of", f"{AS_OF:%Y-%m-%dT%H:%M:%SZ}"),
                *(["--repo", str(clone.path)] if named else []),
            ],
            check=False,
            capture_output=True,
            text=True,
            cwd="/" if named else clone.path,
            env=os.environ | ISOLATED,
            timeout=120,
        )
        assert (ended.returncode, ended.stdout) == (3, f"file://{bucket}/{LAST}\n")
        assert f"builds-stalled: {SENTENCE}" in ended.stderr
        assert "builds-old" not in ended.stderr

    def test_a_branch_whose_last_merge_is_built_is_fresh(self, bucket: str, clone: GitRepository) -> None:
        """release-1.29 was built on that very day, and what came later is not asked about."""
        found = ask(bucket, clone.path, "release-1.29")
        assert (str(found.version), found.attribution.witness) == (OF_RELEASE, Witness.GIT)
        assert found.conditions == ()

    def test_a_quiet_branch_is_not_a_stalled_one(self, bucket: str, tmp_path: Path) -> None:
        """Nothing was merged since: the build's age alone means nothing where git tells."""
        repo = GitRepository.create(tmp_path / "kops")
        on_line(repo, "origin/master", branch="master")
        repo.commit("origin/master", when=AS_OF + HOUR)
        assert set(conditions(ask(bucket, repo.path))) == {"names-skipped"}

    def test_a_merge_within_the_sla_is_no_alarm(self, bucket: str, clone: GitRepository) -> None:
        """`build_sla` says how long a merge may wait."""
        patient = Policy(build_sla=AS_OF - FIRST_UNBUILT)
        assert "builds-stalled" not in conditions(ask(bucket, clone.path, policy=patient))
        patient = Policy(build_sla=AS_OF - FIRST_UNBUILT - timedelta(seconds=1))
        assert "builds-stalled" in conditions(ask(bucket, clone.path, policy=patient))

    def test_without_a_clone_only_the_age_is_known(self, bucket: str) -> None:
        """`builds-old` says that a clone would tell more."""
        found = resolve_latest("master", store=bucket, as_of=AS_OF)
        assert (
            "give --repo https://github.com/kubernetes/kops to tell which"
            in conditions(found)["builds-old"].message
        )


class TestClonesThatKnowLess:
    """The answer is the same, and what git does not know is said."""

    def test_a_clone_that_is_behind_leaves_newer_builds_in_play(self, bucket: str, tmp_path: Path) -> None:
        """Attributed by the next witness, and `clone-behind` says so."""
        repo = GitRepository.create(tmp_path / "kops")
        for made in _built()[:10]:
            repo.commit("origin/master", when=made.committed, claimed_id=full(made.version))
        repo.commit("origin/master", when=_built()[10].committed)
        found = ask(bucket, repo.path)
        assert (str(found.version), found.attribution.witness) == (LAST, Witness.VERSION)
        behind = conditions(found)["clone-behind"]
        assert behind.severity is Severity.WARNING
        assert behind.message == (
            f"the commit of {LAST} is not on origin/master in the clone, so its name and not git attributes it to "
            "master; git fetch https://github.com/kubernetes/kops +master:refs/remotes/origin/master to be sure"
        )
        assert "builds-old" in conditions(found)

    def test_a_shallow_clone_knows_the_end_of_the_line(
        self, bucket: str, clone: GitRepository, tmp_path: Path
    ) -> None:
        """Where its history ends before the newest build, the next witness attributes it; it says how to mend that."""
        last, *_, first = clone.git("rev-list", "--first-parent", "-n", "60", "origin/master").split()
        shallow = GitRepository.create(tmp_path / "kops")
        objects = shallow.git_dir / "objects/info/alternates"
        objects.write_text(f"{clone.git_dir}/objects\n")
        shallow.branch("origin/master", at=last)
        (shallow.git_dir / "shallow").write_text(f"{first}\n")
        found = ask(bucket, shallow.path)
        assert (str(found.version), found.attribution.witness) == (LAST, Witness.VERSION)
        assert "whose history is cut off" in conditions(found)["clone-behind"].message
        assert "git fetch --unshallow" in conditions(found)["clone-behind"].message

    def test_a_clone_that_is_deep_enough_is_as_good_as_a_whole_one(
        self, bucket: str, clone: GitRepository, tmp_path: Path
    ) -> None:
        """A hundred commits reach below the newest build."""
        last, *_, first = clone.git("rev-list", "--first-parent", "-n", "100", "origin/master").split()
        shallow = GitRepository.create(tmp_path / "kops")
        (shallow.git_dir / "objects/info/alternates").write_text(f"{clone.git_dir}/objects\n")
        shallow.branch("origin/master", at=last)
        (shallow.git_dir / "shallow").write_text(f"{first}\n")
        found = ask(bucket, shallow.path)
        assert conditions(found)["builds-stalled"].message == SENTENCE
        assert found.attribution.witness is Witness.GIT

    def test_a_clone_with_one_branch_tells_of_that_branch(
        self, bucket: str, clone: GitRepository, tmp_path: Path
    ) -> None:
        """The other is answered without git, and who named the clone is told."""
        single = GitRepository.create(tmp_path / "kops")
        (single.git_dir / "objects/info/alternates").write_text(f"{clone.git_dir}/objects\n")
        single.branch("origin/master", at=clone.tip("origin/master") or "")
        assert ask(bucket, single.path).attribution.witness is Witness.GIT
        found = ask(bucket, single.path, "release-1.29")
        assert str(found.version) == OF_RELEASE
        assert conditions(found)["git-unavailable"].severity is Severity.WARNING

    def test_an_abbreviation_of_several_commits_is_nobody_s(self, bucket: str, tmp_path: Path) -> None:
        """The next witness attributes it, and that is said."""
        repo = GitRepository.create(tmp_path / "kops")
        for claimed in (full(LAST), full(LAST)[:-1] + "1"):
            repo.commit("origin/master", when=AS_OF - 90 * DAY, claimed_id=claimed)
        repo.commit("origin/master", when=AS_OF - 89 * DAY)
        found = ask(bucket, repo.path)
        assert (str(found.version), found.attribution.witness) == (LAST, Witness.VERSION)
        assert "abbreviates several commits" in conditions(found)["clone-ambiguous"].message

    def test_a_clone_of_another_history_changes_nothing_but_what_is_said(
        self, bucket: str, tmp_path: Path
    ) -> None:
        """A fork whose commits nobody built."""
        repo = GitRepository.create(tmp_path / "kops")
        repo.commits("origin/master", 30, sides=1)
        found, without = ask(bucket, repo.path), resolve_latest("master", store=bucket, as_of=AS_OF)
        assert (found.version, found.source, found.attribution) == (
            without.version,
            without.source,
            without.attribution,
        )
        assert set(conditions(found)) - set(conditions(without)) == {"clone-behind"}

    def test_git_s_order_counts_and_not_that_of_names(self, tmp_path: Path) -> None:
        """Where a tag was set late, distances of one line can be out of order; the position is the order."""
        repo = GitRepository.create(tmp_path / "kops")
        ids = repo.commits("origin/master", 4)
        store = FakeStore()
        names = [
            f"1.30.0-alpha.2+v1.30.0-alpha.1-{distance}-g{commit[:10]}"
            for distance, commit in zip((9, 8, 7), ids, strict=False)
        ]
        for age, name in zip((3, 2, 1), names, strict=True):
            store.add_build(name, at=NOW - DAY * age)
        newest = Policy(strategy=Strategy.NEWEST)
        assert str(resolve_latest(store=store, now=NOW, policy=newest).version) == names[0]
        by_git = resolve_latest(store=store, now=NOW, policy=newest, repo=repo.path)
        assert str(by_git.version) == names[-1]
        listed = list_channel("master", store=store, now=NOW, repo=repo.path)
        assert [str(row.version) for row in listed.rows] == names[::-1]


# --------------------------------------------------------------------------------------------------
# Laws

POOL = tuple(f"{number:x}abcdef0{number:x}".ljust(40, f"{number:x}") for number in range(12))
"""The commits there are."""

TINY = Era(darwin=(), images=(), binaries=("kops", "nodeup"))
"""As few files as a build can have."""

NODEUP = "linux/arm64/nodeup"
CHANNELS = (Channel(MASTER), Channel("release-1.30"))


@frozen
class World:
    """A clone of any shape, and a bucket of any content."""

    line: GitLine
    builds: tuple[Build, ...]
    markers: tuple[Marker, ...]


@st.composite
def lines(draw: st.DrawFn, channel: Channel) -> GitLine:
    """Draw any part of the pool as the channel's line, and any part as other channels'."""
    own = draw(st.lists(st.sampled_from(POOL), unique=True))
    commits = tuple(GitCommit(each, NOW - DAY * (30 - place)) for place, each in enumerate(own))
    elsewhere = draw(st.frozensets(st.sampled_from(POOL)))
    return GitLine(f"origin/{channel}", commits, elsewhere, draw(st.booleans()), channel.ref)


BASES = (
    "1.30.0-alpha.2+v1.30.0-alpha.1",
    "1.30.0-beta.1+v1.30.0-alpha.3",
    "1.30.0-beta.2+v1.30.0-beta.1",
    "1.30.1+v1.30.0",
    "1.29.0-beta.1+v1.29.0-alpha.3",
    "1.31.0-alpha.1+v1.30.0-beta.1",
)


@st.composite
def held_builds(draw: st.DrawFn) -> tuple[Build, ...]:
    """Draw builds, each of a commit of its own; one in three is incomplete."""
    found = []
    for commit in draw(st.lists(st.sampled_from(POOL), unique=True, min_size=1, max_size=8)):
        text = f"{draw(st.sampled_from(BASES))}-{draw(st.integers(0, 20))}-g{commit[:10]}"
        without = (NODEUP,) if draw(st.integers(0, 2)) == 0 else ()
        uploaded = NOW - HOUR * draw(st.integers(1, 600))
        found.append(build(text, uploaded=uploaded, without=without, era=TINY))
    return tuple(found)


@st.composite
def worlds(draw: st.DrawFn, channel: Channel) -> World:
    """Draw a clone, a bucket, and markers that name any of its builds."""
    builds = draw(held_builds())
    names = st.sampled_from([str(each.version) for each in builds])
    wanted = draw(
        st.frozensets(
            st.sampled_from(
                [(MASTER, GREEN_MARKER), (MASTER, BRANCH_MARKER), ("release-1.30", BRANCH_MARKER)]
            )
        )
    )
    markers = tuple(marker(ref, name, draw(names)) for ref, name in sorted(wanted))
    return World(draw(lines(channel)), builds, markers)


def answer(world: World, channel: Channel, policy: Policy, *, git: bool = True) -> Resolution | None:
    held = snapshot(*world.builds, markers=world.markers, git=world.line if git else None)
    try:
        return resolve(held, channel, policy, NOW)
    except NoTestableBuildError:
        return None


channels = st.sampled_from(CHANNELS)
strategies = st.builds(Policy, strategy=st.sampled_from(Strategy))


class TestLaws:
    """Issue 3, "Laws" and "Bad input"."""

    @given(data=st.data(), channel=channels, policy=strategies)
    def test_law_a_clone_never_makes_the_answer_worse(
        self, data: st.DataObject, channel: Channel, policy: Policy
    ) -> None:
        """Where there is an answer without it there is one with it, unless none of those that it leaves to the channel
        is testable: it knows one of these, or that what the name could be of both is another branch's."""
        world = data.draw(worlds(channel))
        with_git, without = (answer(world, channel, policy, git=git) for git in (True, False))
        assume(without is not None)
        knows_one = any(
            isinstance(world.line.locate(each.version.commit or ""), int) for each in world.builds
        )
        assert without is not None
        assert with_git is not None or knows_one or is_disowned(without.version, world.line)
        if with_git is not None:
            held = {each.version: each for each in world.builds}
            assert any(artifact.path == NODEUP for artifact in held[with_git.version].artifacts or ())

    @given(data=st.data(), channel=channels, policy=strategies)
    def test_law_what_git_is_sure_of_is_never_another_channel_s_in_silence(
        self, data: st.DataObject, channel: Channel, policy: Policy
    ) -> None:
        """A build whose commit is elsewhere is an answer only with the warning that the clone disagrees."""
        world = data.draw(worlds(channel))
        found = answer(world, channel, policy)
        assume(found is not None)
        assert found is not None
        place = world.line.locate(found.version.commit or "")
        if not isinstance(place, int) and place.name == "ELSEWHERE":
            assert conditions(found)["clone-disagrees"].severity is Severity.WARNING

    @given(data=st.data(), channel=channels, policy=strategies)
    def test_law_with_git_another_branch_s_build_changes_nothing(
        self, data: st.DataObject, channel: Channel, policy: Policy
    ) -> None:
        """Where git knows every commit: build, source, certainty, verdicts and what was refused stay as they are."""
        world = data.draw(worlds(channel))
        *others, stranger = world.builds
        known = {commit.id for commit in world.line.commits} - {full_id(stranger)}
        line = evolve(
            world.line,
            commits=tuple(commit for commit in world.line.commits if commit.id in known),
            elsewhere=frozenset(POOL) - known,
        )
        markers = tuple(each for each in world.markers if each.version != stranger.version)
        before = answer(World(line, tuple(others), markers), channel, policy)
        after = answer(World(line, world.builds, markers), channel, policy)
        assume(before is not None and "clone-disagrees" not in conditions(before))
        assert before is not None
        assert after is not None
        assert (after.version, after.source, after.attribution, after.markers, after.refused) == (
            before.version,
            before.source,
            before.attribution,
            before.markers,
            before.refused,
        )

    @given(data=st.data(), channel=channels)
    @settings(max_examples=40)
    def test_law_every_build_belongs_to_at_most_one_channel(
        self, data: st.DataObject, channel: Channel
    ) -> None:
        """Listed with a clone that was read for one of them."""
        world = data.draw(worlds(channel))
        store = FakeStore()
        for each in world.builds:
            store.add_build(str(each.version), at=each.uploaded or NOW, era=TINY)
        for named in world.markers:
            store.add_marker(named.ref, named.name, str(named.version))
        every = (Channel(MASTER), *(Channel(f"release-1.{minor}") for minor in (31, 30, 29)))
        found, _ = ask_until_known(
            lambda known: list_builds(known, every, Policy(), now=NOW, limit=None),
            start(store, git=world.line),
            store=store,
            policy=Policy(),
            deadline=Deadline(30),
        )
        versions = [row.version for row in found.rows]
        assert len(versions) == len(set(versions))
        lost = {each.version for each in world.builds} - set(versions)
        # A name that is too high is no row, and the listing says so.
        disputed = sum(
            int(str(each.data["disputed"])) for each in found.gaps if each.code == "order-disputed"
        )
        unknown = {each for each in lost if not isinstance(world.line.locate(each.commit or ""), int)}
        assert len(unknown) <= disputed
        # Only a clone in which release-1.30 has commits of another minor could take a build from all.
        lost -= unknown
        assert channel.minor is not None or not lost
        assert all(each.minor != channel.minor for each in lost)
        for row in found.rows:
            if row.attribution.witness is Witness.GIT:
                place = world.line.locate(row.version.commit or "")
                assert isinstance(place, int) is (row.attribution.ref == channel.ref)


def full_id(each: Build) -> str:
    """Return the commit of the pool that a build is of."""
    (found,) = (commit for commit in POOL if commit.startswith(each.version.commit or "?"))
    return found
