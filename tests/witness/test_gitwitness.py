"""The git witness reads any clone of kops, says why where it cannot, and leaves no trace."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from attrs import frozen

from kopsversion.errors import GitFault, GitWitnessError, UsageError
from kopsversion.model.bucket import CommitPlace, GitLine
from kopsversion.witness.git import find_clone, read_line
from tests.git_repos import ISOLATED, GitRepository, git

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PATIENCE = 60.0
"""Seconds: more than any machine needs."""


def read(
    repo: GitRepository | Path,
    channel: str = "master",
    *,
    ref: str | None = None,
    environ: Mapping[str, str] | None = None,
    timeout: float = PATIENCE,
) -> GitLine:
    path = repo if isinstance(repo, Path) else repo.path
    return read_line(
        path, channel_ref=channel, ref=ref, environ=ISOLATED | dict(environ or {}), timeout=timeout
    )


def found(path: Path, *, environ: Mapping[str, str] | None = None) -> Path | None:
    return find_clone(path, environ=ISOLATED | dict(environ or {}), timeout=PATIENCE)


def failure(act: Callable[[], object]) -> GitWitnessError:
    with pytest.raises(GitWitnessError) as caught:
        act()
    return caught.value


def ids(line: GitLine) -> list[str]:
    return [commit.id for commit in line.commits]


@pytest.fixture
def repo(tmp_path: Path) -> GitRepository:
    return GitRepository.create(tmp_path / "kops")


def check_out(repo: GitRepository) -> None:
    """Lay out the directories by which a checkout of kops is known where git does not tell."""
    for folder in ("cmd/kops", "upup", "tests/e2e"):
        (repo.path / folder).mkdir(parents=True)


@frozen
class Kops:
    """A clone as a contributor has it.

    Attributes:
        trunk: master up to where release-1.30 leaves it.
        master: master's commits after that.
        release: the commits of release-1.30.
    """

    repo: GitRepository
    trunk: list[str]
    master: list[str]
    release: list[str]


@pytest.fixture
def kops(repo: GitRepository) -> Kops:
    trunk = repo.commits("origin/master", 4, sides=2)
    repo.branch("origin/release-1.30", at=trunk[-1])
    master = repo.commits("origin/master", 3, start=1_700_100_000, sides=3)
    release = repo.commits("origin/release-1.30", 2, start=1_700_100_001, sides=1)
    return Kops(repo, trunk, master, release)


class TestTheLine:
    def test_masters_line_is_its_first_parents_oldest_first(self, kops: Kops) -> None:
        """Commits of merged pull requests are not on the line."""
        line = read(kops.repo)
        assert ids(line) == kops.trunk + kops.master
        assert line.ref == "origin/master"
        assert not line.shallow

    def test_commits_have_their_committer_time_in_utc(self, repo: GitRepository) -> None:
        """A commit's time is what says how long it has been unbuilt."""
        moment = datetime(2024, 3, 6, 13, 40, tzinfo=UTC)
        repo.commit("origin/master", when=moment)
        assert [commit.time for commit in read(repo).commits] == [moment]

    def test_a_release_line_begins_where_it_leaves_masters(self, kops: Kops) -> None:
        """What lies before the branch cut was built as master's."""
        line = read(kops.repo, "release-1.30")
        assert ids(line) == kops.release
        assert {line.locate(commit) for commit in kops.trunk + kops.master} == {CommitPlace.ELSEWHERE}

    def test_another_branchs_commits_are_elsewhere(self, kops: Kops) -> None:
        """A release branch's builds are not master's, and one release branch's not another's."""
        kops.repo.branch("origin/release-1.31", at=kops.master[0])
        newer = kops.repo.commits("origin/release-1.31", 2, start=1_700_200_000)
        master, older = read(kops.repo), read(kops.repo, "release-1.30")
        assert {master.locate(commit) for commit in kops.release + newer} == {CommitPlace.ELSEWHERE}
        assert {older.locate(commit) for commit in newer} == {CommitPlace.ELSEWHERE}

    def test_every_commit_is_on_one_line_at_most(self, kops: Kops) -> None:
        """No commit belongs to two channels."""
        on_master, on_release = read(kops.repo), read(kops.repo, "release-1.30")
        assert not set(ids(on_master)) & set(ids(on_release))
        assert not set(ids(on_master)) & on_master.elsewhere
        assert not set(ids(on_release)) & on_release.elsewhere

    def test_abbreviations_of_any_length_are_found(self, kops: Kops) -> None:
        """A build's name holds 7 to 40 digits of its commit."""
        line = read(kops.repo)
        for digits in (7, 10, 39, 40):
            assert line.locate(kops.trunk[1][:digits]) == 1
            assert line.locate(kops.release[1][:digits]) is CommitPlace.ELSEWHERE

    def test_an_ambiguous_abbreviation_is_told(self, repo: GitRepository) -> None:
        """Two commits that begin alike are not mistaken for each other."""
        first = repo.commit("origin/master", when=1_700_000_000, claimed_id="22ce1230da" + "1" * 30)
        second = repo.commit("origin/master", when=1_700_000_001, claimed_id="22ce1230da" + "2" * 30)
        repo.commit("origin/master", when=1_700_000_002)
        line = read(repo)
        assert line.locate("22ce1230da") is CommitPlace.AMBIGUOUS
        assert [line.locate(first[:11]), line.locate(second[:11])] == [0, 1]

    def test_a_commit_that_the_clone_does_not_have_is_unknown(self, kops: Kops) -> None:
        """A build that is newer than the clone stays in play by the next witness."""
        assert read(kops.repo).locate("0123456789") is CommitPlace.UNKNOWN

    def test_a_pull_requests_commit_is_unknown(self, kops: Kops) -> None:
        """No branch builds the commits of a pull request, so they prove nothing."""
        side = kops.repo.git("rev-parse", f"{kops.master[0]}^2")
        assert read(kops.repo).locate(side) is CommitPlace.UNKNOWN

    def test_a_branch_that_was_only_just_cut_has_an_empty_line(self, repo: GitRepository) -> None:
        """Its only commits are master's."""
        repo.commits("origin/master", 2)
        repo.branch("origin/release-1.30", at=repo.commits("origin/master", 1)[0])
        line = read(repo, "release-1.30")
        assert line.commits == ()
        assert len(line.elsewhere) == 3

    def test_without_masters_branch_a_release_line_is_all_there_is(self, kops: Kops) -> None:
        """A CI job's clone of one branch cannot tell where it left master's."""
        kops.repo.delete("origin/master")
        line = read(kops.repo, "release-1.30")
        assert ids(line) == kops.trunk + kops.release
        assert line.elsewhere == frozenset()


class TestNothingIsCalledElsewhereWithoutProof:
    def test_a_branch_that_continues_ours_may_be_ours(self, repo: GitRepository) -> None:
        """A release branch that was fetched later than master also holds commits of master."""
        repo.commits("origin/master", 3)
        repo.branch("origin/release-1.30", at=repo.tip("origin/master") or "")
        later = repo.commits("origin/release-1.30", 2, start=1_700_100_000)
        line = read(repo)
        assert {line.locate(commit) for commit in later} == {CommitPlace.UNKNOWN}

    def test_a_fork_that_is_behind_does_not_disown_upstreams_builds(self, repo: GitRepository) -> None:
        """With an old fork as origin, builds of upstream's newer commits are not another channel's."""
        repo.commits("upstream/master", 2)
        repo.branch("origin/master", at=repo.tip("upstream/master") or "")
        repo.commit("origin/master", when=1_700_050_000)
        newer = repo.commits("upstream/master", 2, start=1_700_100_000)
        repo.branch("upstream/release-1.30", at=newer[-1])
        cut = repo.commits("upstream/release-1.30", 2, start=1_700_200_000)
        line = read(repo)
        assert {line.locate(commit) for commit in newer + cut} == {CommitPlace.UNKNOWN}
        assert ids(read(repo, ref="upstream/master"))[-2:] == newer

    def test_a_line_that_merged_the_real_one_disowns_nothing(self, repo: GitRepository) -> None:
        """A local pull makes master's commits second parents; they are still master's."""
        repo.commits("origin/release-1.30", 2)
        fork = repo.tip("origin/release-1.30") or ""
        repo.branch("master", at=fork)
        real = repo.commits("origin/release-1.30", 2, start=1_700_100_000)
        repo.commit("master", when=1_700_150_000)
        repo.commit("master", when=1_700_200_000, merged=real[0])
        line = read(repo)
        assert {line.locate(commit) for commit in real} == {CommitPlace.UNKNOWN}

    def test_an_unrelated_history_proves_nothing(self, kops: Kops) -> None:
        """A branch that never meets ours may be one whose history is cut off."""
        kops.repo.delete("origin/release-1.30")
        stranger = kops.repo.commits("origin/release-1.30", 2, start=1_600_000_000)
        line = read(kops.repo)
        assert {line.locate(commit) for commit in stranger} == {CommitPlace.UNKNOWN}

    def test_other_branches_prove_nothing(self, kops: Kops) -> None:
        """Only the channels publish builds under their own name; a contributor's branches do not count."""
        kops.repo.branch("my-feature", at=kops.trunk[0])
        mine = kops.repo.commit("my-feature", when=1_700_300_000)
        assert read(kops.repo).locate(mine) is CommitPlace.UNKNOWN


class TestWhichRef:
    @pytest.mark.parametrize("channel", ["master", "release-1.30"])
    def test_origin_is_preferred_to_upstream_and_that_to_a_local_branch(
        self, repo: GitRepository, channel: str
    ) -> None:
        """The channel's branch is tried as origin/X, upstream/X, X (DESIGN section 9)."""
        commits = {}
        for number, ref in enumerate((f"origin/{channel}", f"upstream/{channel}", channel)):
            (commits[ref],) = repo.commits(ref, 1, start=1_700_000_000 + number)
        for ref in (f"origin/{channel}", f"upstream/{channel}", channel):
            line = read(repo, channel)
            assert (line.ref, ids(line)) == (ref, [commits[ref]])
            repo.delete(ref)

    def test_a_remote_branch_and_a_local_one_of_the_same_name_are_told_apart(
        self, repo: GitRepository
    ) -> None:
        """A local branch called origin/master does not pass for the remote's."""
        repo.commit("refs/heads/origin/master", when=1_700_000_000)
        repo.commit("origin/release-1.30", when=1_700_000_000)
        assert failure(lambda: read(repo)).kind is GitFault.NO_REF

    @pytest.mark.parametrize(
        "ref", ["origin/release-1.30", "HEAD", "mine", "v1.30.0", "origin/master~2", "{id}"]
    )
    def test_any_name_of_a_commit_will_do(self, kops: Kops, ref: str) -> None:
        """--ref takes what git rev-parse takes."""
        head = kops.repo.commit("refs/heads/master", when=1_700_300_000)
        kops.repo.branch("mine", at=kops.trunk[1])
        kops.repo.git("tag", "--annotate", "--message=v1.30.0", "v1.30.0", kops.trunk[2])
        expected = {
            "origin/release-1.30": kops.release[-1],
            "HEAD": head,
            "mine": kops.trunk[1],
            "v1.30.0": kops.trunk[2],
            "origin/master~2": kops.master[0],
            "{id}": kops.trunk[3],
        }[ref]
        ref = ref.replace("{id}", kops.trunk[3][:12])
        line = read(kops.repo, ref=ref)
        assert (line.ref, ids(line)[-1]) == (ref, expected)

    @pytest.mark.parametrize(
        "ref", ["", "-x", "--all", "--output=canary", "a\nb", "a\0b", "a\x1bb", "\udc80"]
    )
    def test_a_ref_that_cannot_be_one_is_a_usage_error(self, kops: Kops, ref: str) -> None:
        """No ref can pass for an option of git, or break a line."""
        with pytest.raises(UsageError, match="cannot be the name of a git ref"):
            read(kops.repo, ref=ref)

    @pytest.mark.parametrize(
        "ref", ["nope", "origin/nope", "a..b", "^origin/master", "deadbeef", "HEAD:cmd", "two words", ":/"]
    )
    def test_a_ref_that_the_clone_does_not_have_is_named(self, kops: Kops, ref: str) -> None:
        """A ref that is not there is not replaced by another in silence."""
        error = failure(lambda: read(kops.repo, ref=ref))
        assert error.kind is GitFault.NO_REF
        assert repr(ref) in str(error)
        assert not error.is_wrong_repo

    def test_a_missing_branch_is_named_with_the_way_to_get_it(self, kops: Kops) -> None:
        """A clone without the channel's branch says which to fetch."""
        error = failure(lambda: read(kops.repo, "release-1.31"))
        assert error.kind is GitFault.NO_REF
        assert str(error) == f"the clone '{kops.repo.path}' has no 'release-1.31'"
        fetch = "fetch https://github.com/kubernetes/kops +release-1.31:refs/remotes/origin/release-1.31"
        assert error.hint == f"git -C {kops.repo.path} {fetch}, or name another with --ref"

    def test_a_branch_name_that_is_no_channel_is_passed_over(self, kops: Kops) -> None:
        """release-1.30-backport is nobody's channel, and a blob is no branch."""
        kops.repo.branch("origin/release-1.30-backport", at=kops.trunk[0])
        other = kops.repo.commit("origin/release-1.30-backport", when=1_700_300_000)
        blob = kops.repo.git("rev-parse", "origin/master:cmd/kops/main.go")
        kops.repo.branch("origin/release-1.28", at=blob)
        line = read(kops.repo)
        assert line.locate(other) is CommitPlace.UNKNOWN
        assert failure(lambda: read(kops.repo, "release-1.28")).kind is GitFault.NO_REF


class TestShapesOfClones:
    def test_detached_head(self, kops: Kops) -> None:
        """A CI job that has a commit checked out still has the branches."""
        kops.repo.branch("HEAD", at=kops.trunk[0])
        assert len(read(kops.repo).commits) == 7
        assert ids(read(kops.repo, ref="HEAD")) == kops.trunk[:1]
        assert found(kops.repo.path) == kops.repo.path

    def test_bare_repository(self, tmp_path: Path) -> None:
        """A bare repository has no files, and does not need any."""
        bare = GitRepository.create(tmp_path / "kops.git", bare=True)
        commits = bare.commits("master", 3)
        assert ids(read(bare)) == commits
        assert found(bare.path) == bare.path

    def test_worktree(self, kops: Kops, tmp_path: Path) -> None:
        """A linked worktree has the branches of its repository."""
        tree = tmp_path / "tree"
        kops.repo.git("worktree", "add", "--quiet", "--detach", tree, kops.trunk[0])
        assert read(tree) == read(kops.repo)
        assert found(tree / "cmd" / "kops") == tree / "cmd" / "kops"

    def test_git_file_as_in_a_submodule(self, kops: Kops, tmp_path: Path) -> None:
        """A .git file that names the repository is followed."""
        module = tmp_path / "module"
        module.mkdir()
        (module / ".git").write_text(f"gitdir: {kops.repo.git_dir}\n")
        assert read(module) == read(kops.repo)

    def test_git_directory_itself(self, kops: Kops) -> None:
        """Naming the .git directory is naming the clone."""
        assert read(kops.repo.git_dir) == read(kops.repo)

    def test_packed_refs_and_objects(self, kops: Kops) -> None:
        """What git gc leaves behind is the same history."""
        before = read(kops.repo), read(kops.repo, "release-1.30")
        kops.repo.git("gc", "--quiet")
        assert not kops.repo.object_file(kops.trunk[0]).exists()
        assert (read(kops.repo), read(kops.repo, "release-1.30")) == before

    @pytest.mark.parametrize("name", ["with spaces", "-rf", "--bare", "kübe", "a'b\"c", "$(touch canary)"])
    def test_any_directory_name(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        """No directory name can pass for an option, or for anything else."""
        repo = GitRepository.create(tmp_path / name)
        commits = repo.commits("origin/master", 2)
        monkeypatch.chdir(tmp_path)
        assert ids(read(Path(name))) == commits
        assert ids(read(tmp_path / name)) == commits
        assert [path.name for path in tmp_path.iterdir()] == [name]

    def test_shallow_clone_keeps_the_order_of_what_is_there(self, kops: Kops, tmp_path: Path) -> None:
        """A shallow clone has the end of the line; the rest is unknown, not elsewhere."""
        shallow = tmp_path / "shallow"
        # A remote's refs are not a clone's; make them branches first.
        kops.repo.branch("master", at=kops.master[-1])
        kops.repo.branch("release-1.30", at=kops.release[-1])
        git(
            "clone",
            "--quiet",
            "--no-checkout",
            "--no-single-branch",
            "--depth=3",
            f"file://{kops.repo.path}",
            shallow,
        )
        line = read(shallow)
        assert line.shallow
        assert ids(line) == kops.master
        assert {line.locate(commit) for commit in kops.trunk + kops.release} == {CommitPlace.UNKNOWN}

    @pytest.mark.parametrize("blobs_or_trees", ["blob:none", "tree:0"])
    def test_partial_clone_fetches_nothing(self, kops: Kops, tmp_path: Path, blobs_or_trees: str) -> None:
        """A clone without files, even without trees, says as much, and asks its origin for nothing."""
        kops.repo.branch("master", at=kops.master[-1])
        kops.repo.configure("[uploadpack]\n\tallowFilter = true\n\tallowAnySHA1InWant = true\n")
        partial = tmp_path / "partial.git"
        url = f"file://{kops.repo.path}"
        git("clone", "--quiet", "--mirror", f"--filter={blobs_or_trees}", url, partial)
        before = state(partial)
        assert ids(read(partial)) == kops.trunk + kops.master
        assert found(partial) == partial
        assert state(partial) == before

    def test_a_clone_without_trees_of_something_else_is_not_kops(self, kops: Kops, tmp_path: Path) -> None:
        """Where there are no trees, the place it was cloned from tells."""
        kops.repo.branch("master", at=kops.master[-1])
        kops.repo.configure("[uploadpack]\n\tallowFilter = true\n")
        other = kops.repo.path.rename(tmp_path / "kopsy")
        partial = tmp_path / "partial.git"
        git("clone", "--quiet", "--mirror", "--filter=tree:0", f"file://{other}", partial)
        assert failure(lambda: read(partial)).kind is GitFault.NOT_KOPS

    def test_replaced_and_grafted_commits_are_ignored(self, kops: Kops) -> None:
        """History is what was published, whatever the clone's owner pretends."""
        before = read(kops.repo)
        kops.repo.branch(f"refs/replace/{kops.master[0]}", at=kops.trunk[0])
        (kops.repo.git_dir / "info").mkdir(exist_ok=True)
        (kops.repo.git_dir / "info" / "grafts").write_text(f"{kops.master[1]}\n")
        assert len(kops.repo.git("rev-list", "--first-parent", "origin/master").splitlines()) < 7
        assert read(kops.repo) == before

    @pytest.mark.parametrize(
        "time", [0, -5, 10**13, 2**63, 2**64 - 1, 10**30, "", "yesterday"], ids=lambda time: repr(time)
    )
    def test_an_impossible_time_becomes_the_one_before_it(self, repo: GitRepository, time: int | str) -> None:
        """One damaged commit does not cost the witness, nor raise an alarm."""
        repo.commit("origin/master", when=1_700_000_000)
        repo.commit("origin/master", when=time)
        repo.commit("origin/master", when=1_700_000_002)
        times = [commit.time.timestamp() for commit in read(repo).commits]
        assert times == [1_700_000_000, 1_700_000_000, 1_700_000_002]

    def test_times_out_of_order_do_not_change_the_order(self, repo: GitRepository) -> None:
        """The position on the line is the order; a wrong clock is not."""
        times = [1_700_000_000, 1_500_000_000, 1_900_000_000, 1_600_000_000]
        commits = [repo.commit("origin/master", when=time, sides=1) for time in times]
        repo.branch("origin/release-1.30", at=commits[1])
        other = repo.commit("origin/release-1.30", when=1_400_000_000)
        line = read(repo)
        assert ids(line) == commits
        assert [commit.time.timestamp() for commit in line.commits] == times
        assert line.locate(other) is CommitPlace.ELSEWHERE


class TestIsItKops:
    def test_a_subdirectory_is_in_the_clone(self, kops: Kops) -> None:
        """The current directory may be anywhere in the clone."""
        folder = kops.repo.path / "tests" / "e2e"
        folder.mkdir(parents=True)
        assert found(folder) == folder
        assert read(folder) == read(kops.repo)

    def test_a_clone_of_a_release_branch_alone_is_one(self, repo: GitRepository) -> None:
        """Nothing but release-1.30 is enough to be kops."""
        repo.commits("release-1.30", 1)
        assert found(repo.path) == repo.path

    @pytest.mark.parametrize(
        "files",
        [
            (),
            ("README.md",),
            ("cmd/kops/main.go",),
            ("upup/pkg/fi/task.go",),
            ("cmd/kops", "upup/pkg/fi/task.go"),
            ("cmd/kubectl/main.go", "pkg/apis/core/types.go"),
        ],
        ids=str,
    )
    def test_another_projects_repository_is_not_kops(
        self, repo: GitRepository, files: tuple[str, ...]
    ) -> None:
        """Another repository is passed over without noise, and refused where it was named."""
        repo.commit("master", when=1_700_000_000, files=files)
        assert found(repo.path) is None
        error = failure(lambda: read(repo))
        assert error.kind is GitFault.NOT_KOPS
        assert error.is_wrong_repo
        assert error.exit_code == 2
        assert str(repo.path) in str(error)

    @pytest.mark.parametrize(
        "files", [("cmd/kops/main.go", "upup/models/x"), ("cmd/kops/main.go", "pkg/apis/kops/x")], ids=str
    )
    def test_kops_of_any_age_is_kops(self, repo: GitRepository, files: tuple[str, ...]) -> None:
        """One of two old directories may go without kops becoming something else."""
        repo.commit("master", when=1_700_000_000, files=files)
        assert found(repo.path) == repo.path
        assert len(read(repo).commits) == 1

    def test_an_empty_repository_is_not_kops(self, repo: GitRepository) -> None:
        """A repository without a commit has nothing to say."""
        assert found(repo.path) is None
        error = failure(lambda: read(repo))
        assert error.kind is GitFault.NOT_KOPS
        assert "no branch of it has a cmd/kops" in str(error)

    def test_no_repository(self, tmp_path: Path) -> None:
        """A directory without git in it is passed over, and refused where it was named."""
        environ = {"GIT_CEILING_DIRECTORIES": str(tmp_path.parent)}
        assert found(tmp_path, environ=environ) is None
        error = failure(lambda: read(tmp_path, environ=environ))
        assert (error.kind, error.is_wrong_repo) == (GitFault.NOT_A_REPOSITORY, True)
        assert str(error) == f"'{tmp_path}' is not a git repository"

    @pytest.mark.parametrize("name", ["gone", "file", "nul\0byte"])
    def test_no_directory(self, tmp_path: Path, name: str) -> None:
        """A path that is no directory is refused before git is asked."""
        (tmp_path / "file").touch()
        assert found(tmp_path / name) is None
        error = failure(lambda: read(tmp_path / name))
        assert (error.kind, error.is_wrong_repo) == (GitFault.NOT_A_REPOSITORY, True)
        assert "is not a directory" in str(error)
        assert "\0" not in str(error)

    def test_a_git_file_that_points_nowhere(self, tmp_path: Path) -> None:
        """A broken .git file is no repository."""
        (tmp_path / ".git").write_text("gitdir: /nonexistent/kops\n")
        assert found(tmp_path) is None
        assert failure(lambda: read(tmp_path)).kind is GitFault.NOT_A_REPOSITORY


class TestTrust:
    HOSTILE = """
[core]
\tfsmonitor = touch {canary}
\tpager = touch {canary}
\teditor = touch {canary}
\tsshCommand = touch {canary}
\taskPass = touch {canary}
\tgitProxy = touch {canary}
\talternateRefsCommand = touch {canary}
\thooksPath = {hooks}
\tattributesFile = {hooks}/attributes
[alias]
\trev-list = !touch {canary}
\trev-parse = !touch {canary}
\tfor-each-ref = !touch {canary}
\tcat-file = !touch {canary}
[pager]
\trev-list = touch {canary}
\tconfig = touch {canary}
\tfor-each-ref = touch {canary}
[log]
\tshowSignature = true
[gpg]
\tprogram = {hooks}/post-checkout
[diff "all"]
\ttextconv = touch {canary}
\tcommand = touch {canary}
[filter "all"]
\tsmudge = touch {canary}
[credential]
\thelper = !touch {canary}
[remote "origin"]
\turl = ext::touch {canary}
\tpromisor = true
\tuploadpack = touch {canary}
\tpartialclonefilter = tree:0
[protocol]
\tallow = always
[protocol "ext"]
\tallow = always
[extensions]
\tpartialClone = origin
"""

    def harden_not(self, repo: GitRepository, folder: Path) -> Path:
        """Give the repository every setting that makes git run something, and return the file they create."""
        canary, hooks = folder / "canary", folder / "hooks"
        hooks.mkdir()
        for hook in ("post-checkout", "post-index-change", "reference-transaction", "pre-auto-gc"):
            (hooks / hook).write_text(f"#!/bin/sh\ntouch '{canary}'\n")
            (hooks / hook).chmod(0o755)
        (hooks / "attributes").write_text("* diff=all filter=all\n")
        repo.configure("[core]\n\trepositoryFormatVersion = 1\n")
        repo.configure(self.HOSTILE.format(canary=canary, hooks=hooks))
        return canary

    def test_a_hostile_configuration_runs_nothing(self, kops: Kops, tmp_path: Path) -> None:
        """Reading a clone runs no program that the clone names."""
        canary = self.harden_not(kops.repo, tmp_path)
        assert ids(read(kops.repo)) == kops.trunk + kops.master
        assert ids(read(kops.repo, "release-1.30")) == kops.release
        assert found(kops.repo.path) == kops.repo.path
        assert failure(lambda: read(kops.repo, ref="deadbeef")).kind is GitFault.NO_REF
        assert not canary.exists()

    def test_a_missing_tree_is_not_fetched_from_a_hostile_place(self, kops: Kops, tmp_path: Path) -> None:
        """A partial clone whose origin is a command does not get to run it."""
        canary = self.harden_not(kops.repo, tmp_path)
        kops.repo.object_file(kops.repo.git("rev-parse", f"{kops.master[-1]}^{{tree}}")).unlink()
        assert found(kops.repo.path) is None
        assert failure(lambda: read(kops.repo)).kind is GitFault.NOT_KOPS
        assert not canary.exists()
        # The trap works: plain git walks into it.
        subprocess.run(
            ["git", "-C", kops.repo.path, "cat-file", "-p", f"{kops.master[-1]}^{{tree}}"],
            env=ISOLATED,
            capture_output=True,
            check=False,
        )
        assert canary.exists()

    def test_somebody_elses_repository_is_reported_with_gits_own_advice(self, kops: Kops) -> None:
        """Where git distrusts the owner, the command that trusts him is passed on."""
        error = failure(lambda: read(kops.repo, environ={"GIT_TEST_ASSUME_DIFFERENT_OWNER": "1"}))
        assert error.kind is GitFault.REFUSED
        assert not error.is_wrong_repo
        assert "belongs to somebody else" in str(error)
        assert f"git config --global --add safe.directory {kops.repo.path}" in error.hint

    def test_a_repository_that_the_user_trusts_is_read(self, kops: Kops, tmp_path: Path) -> None:
        """safe.directory is read from the user's own settings, wherever git lets them be."""
        config = tmp_path / "gitconfig"
        config.write_text(f"[safe]\n\tdirectory = {kops.repo.path}\n")
        settings = [
            {"GIT_CONFIG_GLOBAL": str(config)},
            {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"},
        ]
        for setting in settings:
            line = read(kops.repo, environ={"GIT_TEST_ASSUME_DIFFERENT_OWNER": "1"} | setting)
            assert len(line.commits) == 7

    @pytest.mark.parametrize("name", ["a\x1b[31mb", "a\u202eb", "a\u009bb", "a\nb"], ids=ascii)
    def test_advice_does_not_pass_on_control_characters(self, tmp_path: Path, name: str) -> None:
        """A directory's name does not reach the terminal raw."""
        repo = GitRepository.create(tmp_path / name)
        error = failure(lambda: read(repo, environ={"GIT_TEST_ASSUME_DIFFERENT_OWNER": "1"}))
        assert error.kind is GitFault.REFUSED
        assert str(error).isprintable()
        assert error.hint.isprintable()
        assert "safe.directory" in error.hint

    def test_a_refused_default_is_worth_a_word_only_where_it_looks_like_kops(self, kops: Kops) -> None:
        """In a CI container git often distrusts the checkout; that is said, but not of other projects."""
        distrust = {"GIT_TEST_ASSUME_DIFFERENT_OWNER": "1"}
        assert found(kops.repo.path, environ=distrust) is None
        check_out(kops.repo)
        for folder in (kops.repo.path, kops.repo.path / "tests/e2e"):
            error = failure(lambda folder=folder: found(folder, environ=distrust))  # type: ignore[misc] # a default
            assert (error.kind, error.repo) == (GitFault.REFUSED, str(folder))

    def test_reading_changes_nothing(self, kops: Kops) -> None:
        """No file of the clone is written, made, or touched."""
        kops.repo.git("read-tree", "origin/master")
        before = state(kops.repo.path)
        read(kops.repo)
        read(kops.repo, "release-1.30")
        found(kops.repo.path)
        assert state(kops.repo.path) == before

    def test_a_read_only_clone_is_enough(self, kops: Kops) -> None:
        """A clone on a read-only mount can be read."""
        folders = [kops.repo.path, *(path for path in kops.repo.path.rglob("*") if path.is_dir())]
        for folder in folders:
            folder.chmod(0o555)
        try:
            assert len(read(kops.repo).commits) == 7
        finally:
            for folder in folders:
                folder.chmod(0o755)

    @pytest.mark.parametrize(
        "misleading",
        [
            {"GIT_DIR": "/nonexistent"},
            {"GIT_WORK_TREE": "/nonexistent", "GIT_INDEX_FILE": "/nonexistent"},
            {"GIT_OBJECT_DIRECTORY": "/nonexistent"},
            {"GIT_NAMESPACE": "other"},
            {"GIT_EXEC_PATH": "/nonexistent"},
            {"GIT_CONFIG_PARAMETERS": "nonsense"},
            {"GIT_TRACE": "1", "GIT_TRACE2": "1"},
            {"LANGUAGE": "de", "LC_ALL": "de_DE.UTF-8", "LANG": "de_DE.UTF-8"},
            {"GIT_ALLOW_PROTOCOL": "ext", "GIT_PAGER": "false"},
        ],
        ids=lambda value: next(iter(value)),
    )
    def test_the_environment_does_not_mislead(self, kops: Kops, misleading: dict[str, str]) -> None:
        """Variables that a git hook or a user's shell carries do not point git elsewhere."""
        assert read(kops.repo, environ=misleading) == read(kops.repo)


class TestGitItself:
    @pytest.mark.parametrize("path", ["", "/nonexistent", None])
    def test_no_git_installed(self, kops: Kops, path: str | None) -> None:
        """Without git the next witness is asked, and the reason is told."""
        environ = {} if path is None else {"PATH": path}
        error = failure(
            lambda: read_line(kops.repo.path, channel_ref="master", environ=environ, timeout=PATIENCE)
        )
        assert (error.kind, error.is_wrong_repo) == (GitFault.NO_GIT, False)
        assert "git is not installed" in str(error)

    @pytest.mark.parametrize("path", [".", "", "bin:", "::"])
    def test_a_git_in_the_current_directory_is_never_run(
        self, kops: Kops, monkeypatch: pytest.MonkeyPatch, path: str
    ) -> None:
        """The clone may hold a program called git; relative entries of PATH would find it."""
        (kops.repo.path / "bin").mkdir()
        fake_git(kops.repo.path, f"touch '{kops.repo.path}/canary'")
        fake_git(kops.repo.path / "bin", f"touch '{kops.repo.path}/canary'")
        monkeypatch.chdir(kops.repo.path)
        assert failure(lambda: read(kops.repo, environ={"PATH": path})).kind is GitFault.NO_GIT
        assert not (kops.repo.path / "canary").exists()

    def test_what_git_is_started_with(self, kops: Kops, tmp_path: Path) -> None:
        """Git speaks English, prompts for nothing, and may use no network, whatever the user's shell says."""
        log = tmp_path / "log"
        fake_git(tmp_path, f"env > '{log}'; exit 1")
        mine = {
            "LC_ALL": "de_DE.UTF-8",
            "GIT_TERMINAL_PROMPT": "1",
            "GIT_ALLOW_PROTOCOL": "ext",
            "MINE": "kept",
        }
        failure(lambda: read(kops.repo, environ=mine | {"PATH": f"{tmp_path}:{ISOLATED['PATH']}"}))
        given = set(log.read_text().splitlines())
        expected = {"LC_ALL=C", "GIT_TERMINAL_PROMPT=0", "GIT_ALLOW_PROTOCOL=none", "GIT_NO_LAZY_FETCH=1"}
        assert expected | {"GIT_OPTIONAL_LOCKS=0", "MINE=kept"} <= given

    def test_a_git_that_cannot_be_started(self, kops: Kops, tmp_path: Path) -> None:
        """A file called git that is no program is told apart from a broken clone."""
        broken = tmp_path / "git"
        broken.write_text("not a program")
        broken.chmod(0o755)
        error = failure(lambda: read(kops.repo, environ={"PATH": str(tmp_path)}))
        assert error.kind is GitFault.NO_GIT
        assert "cannot be started" in str(error)

    def test_a_hung_git_is_killed_with_its_children(self, kops: Kops, tmp_path: Path) -> None:
        """When the time is up nothing of git lives on."""
        pipe = tmp_path / "alive"
        os.mkfifo(pipe)
        # Both the script and its child hold the pipe open for writing, until they die.
        fake_git(tmp_path, f"exec 9>'{pipe}'; echo started >&9; sleep 600 & wait")
        reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        try:
            environ = {"PATH": f"{tmp_path}:{ISOLATED['PATH']}"}
            error = failure(lambda: read(kops.repo, environ=environ, timeout=1))
            assert error.kind is GitFault.TIMEOUT
            assert "within 1 seconds" in str(error)
            assert everything_from(reader) == b"started\n"
        finally:
            os.close(reader)

    @pytest.mark.parametrize(
        ("script", "kind"),
        [
            (None, GitFault.NO_GIT),
            ("echo 'fatal: bad object HEAD' >&2; exit 128", GitFault.FAILED),
            (
                "echo 'fatal: not a git repository: /x/.git/worktrees/kops' >&2; exit 128",
                GitFault.NOT_A_REPOSITORY,
            ),
        ],
    )
    def test_a_default_that_fails_is_worth_a_word_only_where_it_looks_like_kops(
        self, kops: Kops, tmp_path: Path, script: str | None, kind: GitFault
    ) -> None:
        """DESIGN section 4: that the next witness has to do is said; where it was not wanted, nothing is."""
        if script is not None:
            fake_git(tmp_path, script)
        environ = {"PATH": f"{tmp_path}:/bin" if script else "/nonexistent"}
        assert found(kops.repo.path, environ=environ) is None
        check_out(kops.repo)
        assert failure(lambda: found(kops.repo.path, environ=environ)).kind is kind

    def test_a_default_that_is_too_slow_is_worth_a_word(self, tmp_path: Path) -> None:
        """Whether it is a clone of kops is what git would have told, and a bare one has no files that do."""
        error = failure(lambda: find_clone(tmp_path, environ=ISOLATED, timeout=-1))
        assert error.kind is GitFault.TIMEOUT

    def test_a_current_directory_that_is_gone_is_no_clone(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As in a job whose checkout was cleaned up: the question has an answer without it."""
        gone = tmp_path / "gone"
        gone.mkdir()
        monkeypatch.chdir(gone)
        gone.rmdir()
        assert found(Path()) is None
        assert failure(lambda: read(Path())).kind is GitFault.FAILED

    def test_no_time_left_is_a_timeout(self, kops: Kops) -> None:
        """A deadline that has passed is one, however quick git is."""
        assert failure(lambda: read(kops.repo, timeout=-1)).kind is GitFault.TIMEOUT

    def test_an_interrupt_leaves_no_process(
        self, kops: Kops, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Control-C while git works ends git too."""
        pipe = tmp_path / "alive"
        os.mkfifo(pipe)
        fake_git(tmp_path, f"exec 9>'{pipe}'; echo started >&9; sleep 600")
        reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)

        def interrupt(*arguments: object, **options: object) -> None:
            select.select([reader], [], [], PATIENCE)
            raise KeyboardInterrupt

        monkeypatch.setattr(subprocess.Popen, "communicate", interrupt)
        try:
            with pytest.raises(KeyboardInterrupt):
                read(kops.repo, environ={"PATH": f"{tmp_path}:{ISOLATED['PATH']}"})
            assert everything_from(reader) == b"started\n"
        finally:
            os.close(reader)

    @pytest.mark.parametrize(
        ("script", "told"),
        [
            ("exit 3", "exit status 3"),
            ("echo 'fatal: disk on fire' >&2; exit 128", "fatal: disk on fire"),
            ("printf 'fatal: \\033[31mred\\n' >&2; exit 128", r"\x1b[31mred"),
            ("kill -9 $$", "exit status -9"),
            ('case "$*" in *cat-file*) echo "fatal: no memory" >&2; exit 1;; esac', "fatal: no memory"),
        ],
    )
    def test_a_failing_git_is_quoted_harmlessly(
        self, kops: Kops, tmp_path: Path, script: str, told: str
    ) -> None:
        """What git complains of is passed on in one printable line."""
        fake_git(tmp_path, script)
        error = failure(lambda: read(kops.repo, environ={"PATH": f"{tmp_path}:{ISOLATED['PATH']}"}))
        assert error.kind is GitFault.FAILED
        assert told in str(error)
        assert str(error).isprintable()
        assert error.hint

    @pytest.mark.parametrize("nonsense", ["nonsense", "soon {id}", r"\0\377", ""])
    def test_a_git_that_writes_nonsense_is_not_believed(
        self, kops: Kops, tmp_path: Path, nonsense: str
    ) -> None:
        """History that is not in git's form is an error, not a crash."""
        real = shutil.which("git")
        text = nonsense.format(id=kops.trunk[0])
        fake_git(tmp_path, f'case "$*" in *--timestamp*) printf \'{text}\\n\';; *) exec {real} "$@";; esac')
        error = failure(lambda: read(kops.repo, environ={"PATH": f"{tmp_path}:{ISOLATED['PATH']}"}))
        assert error.kind is GitFault.FAILED
        assert str(error).isprintable()

    def test_a_corrupt_clone_is_an_error(self, kops: Kops) -> None:
        """A history with a hole in it is not taken for a shorter one."""
        kops.repo.object_file(kops.trunk[1]).write_bytes(b"junk")
        error = failure(lambda: read(kops.repo))
        assert error.kind is GitFault.FAILED
        assert "git fsck" in error.hint

    def test_a_missing_commit_is_an_error(self, kops: Kops) -> None:
        """A history whose middle is gone is not taken for a shorter one."""
        kops.repo.object_file(kops.trunk[1]).unlink()
        assert failure(lambda: read(kops.repo)).kind is GitFault.FAILED

    def test_a_branch_whose_commit_is_gone_counts_as_missing(self, kops: Kops) -> None:
        """Git itself passes over a branch that names nothing."""
        kops.repo.branch("origin/release-1.30", at="1" * 40)
        assert failure(lambda: read(kops.repo, "release-1.30")).kind is GitFault.NO_REF
        assert len(read(kops.repo).commits) == 7

    def test_the_number_of_calls_does_not_depend_on_the_history(
        self, repo: GitRepository, tmp_path: Path
    ) -> None:
        """Git is started as often for a long history as for a short one, and twice to read commits."""
        real, log = shutil.which("git"), tmp_path / "log"
        fake_git(tmp_path, f'echo "$*" >> \'{log}\'; exec {real} "$@"')
        calls = []
        for _ in range(2):
            repo.commits("origin/master", 40, sides=1)
            read(repo, environ={"PATH": f"{tmp_path}:{ISOLATED['PATH']}"})
            calls.append(log.read_text().splitlines())
            log.unlink()
        assert calls[0] == calls[1]
        assert len(calls[0]) == 6
        assert sum("rev-list --first-parent" in call for call in calls[0]) == 2


def fake_git(folder: Path, script: str) -> None:
    """Put a shell script called git into a folder."""
    program = folder / "git"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


def everything_from(reader: int) -> bytes:
    """Read a pipe until its last writer is gone; fail if one stays."""
    data = b""
    while True:
        ready, _, _ = select.select([reader], [], [], 30)
        assert ready, "a process still holds the pipe"
        piece = os.read(reader, 4096)
        if not piece:
            return data
        data += piece


def state(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Return what would tell that anything below a folder was written."""
    return {
        str(path): (path.lstat().st_mtime_ns, path.lstat().st_size, path.lstat().st_ino)
        for path in [folder, *folder.rglob("*")]
    }
