"""Clones as CI jobs have them: of one branch, with a merge of their own, with a fork, or broken."""

from __future__ import annotations

import re
import shlex
import subprocess
from typing import TYPE_CHECKING

import pytest

from kopsversion.errors import GitFault, GitWitnessError, NoTestableBuildError
from kopsversion.model.answer import Condition, Resolution, Severity
from kopsversion.model.channel import BRANCH_MARKER, Certainty, Witness
from kopsversion.witness.presubmit import count_local_merges
from kopsversion.witness.running import Git
from kopsversion.workflows.latest import resolve_latest
from kopsversion.workflows.listing import list_channel
from kopsversion.workflows.survey import check_health
from tests.builders import DAY, HOUR, NOW
from tests.fake_store import FakeStore
from tests.git_repos import ISOLATED, GitRepository, git
from tests.witness.test_gitwitness import ids, read

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("isolated_git")

PERSON = {"GIT_AUTHOR_NAME": "ci-robot", "GIT_COMMITTER_NAME": "ci-robot"}


def seconds(age: timedelta) -> int:
    return int((NOW - age).timestamp())


def named(base: str, distance: int, commit: str) -> str:
    return f"{base}-{distance}-g{commit[:10]}"


def store_of(*names: str, age: timedelta = 2 * DAY, markers: Sequence[tuple[str, str]] = ()) -> FakeStore:
    """A store with builds, each uploaded an hour after the one before, the last of them `age` ago."""
    store = FakeStore()
    for place, name in enumerate(reversed(names)):
        store.add_build(name, at=NOW - age - place * HOUR)
    for ref, name in markers:
        store.add_marker(ref, BRANCH_MARKER, name, at=NOW - age)
    return store


def ask(store: FakeStore, repo: Path, channel: str = "master", ref: str | None = None) -> Resolution:
    return resolve_latest(channel, store=store, now=NOW, repo=repo, ref=ref)


def said(found: Resolution) -> list[Condition]:
    """What is said of builds and clones; the stores here have next to no markers."""
    return [each for each in found.conditions if not each.code.startswith("marker-")]


def told(found: Resolution) -> dict[str, Severity]:
    return {each.code: each.severity for each in said(found)}


# --------------------------------------------------------------------------------------------------
# A presubmit's own merges


@pytest.fixture
def upstream(tmp_path: Path) -> GitRepository:
    """What a job clones: eight merges on master, two days old, and two pull requests."""
    repo = GitRepository.create(tmp_path / "upstream")
    repo.commits("master", 8, start=seconds(2 * DAY + 8 * HOUR), sides=1)
    for number in (1, 2):
        repo.branch(f"refs/pull/{number}/head", at=repo.tip("master") or "")
        repo.commit(
            f"refs/pull/{number}/head",
            when=seconds(DAY),
            files=("cmd/kops/main.go", "upup/x", f"docs/{number}"),
        )
    return repo


def cloned_by_prow(
    upstream: GitRepository, path: Path, *, pulls: Sequence[int], message: str | None = "merge"
) -> GitRepository:
    """Do as Prow's clonerefs does: one base ref, no remote, and a merge with the time of the commit below plus one."""
    repo = GitRepository.create(path)
    repo.git("fetch", "--quiet", upstream.path, "--tags", "--prune")
    repo.git("fetch", "--quiet", upstream.path, "master")
    repo.git("checkout", "--quiet", "FETCH_HEAD")
    repo.git("branch", "--force", "master", "FETCH_HEAD")
    repo.git("checkout", "--quiet", "master")
    time = int(repo.git("show", "-s", "--format=%ct", "HEAD"))
    for place, number in enumerate(pulls, start=1):
        repo.git("fetch", "--quiet", upstream.path, f"refs/pull/{number}/head")
        pull = repo.git("rev-parse", "FETCH_HEAD")
        when = f"{time + place} +0000"
        how: list[str | Path] = ["--no-edit"] if message is None else ["-m", message]
        git(
            "-C",
            repo.path,
            "merge",
            "--quiet",
            "--no-ff",
            "--no-stat",
            *how,
            pull,
            environ={"GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when, **PERSON},
        )
    return repo


@pytest.mark.parametrize("message", ["merge", None, "Merge the pull request"])
@pytest.mark.parametrize("pulls", [[1], [1, 2]], ids=["presubmit", "batch"])
def test_the_merge_that_a_presubmit_makes_is_no_unbuilt_merge(
    upstream: GitRepository, tmp_path: Path, pulls: list[int], message: str | None
) -> None:
    """FAILURES row 49: nobody will ever build it, so it is not on the branch's line."""
    repo = cloned_by_prow(upstream, tmp_path / "kops", pulls=pulls, message=message)
    line = read(repo)
    assert line.commits[-1].id == upstream.tip("master")
    store = store_of(named("1.30.0-alpha.2+v1.30.0-alpha.1", 9, line.commits[-1].id))
    found = ask(store, repo.path)
    assert found.attribution.witness is Witness.GIT
    assert said(found) == []


def test_merges_that_wait_below_a_presubmit_s_own_are_counted(
    upstream: GitRepository, tmp_path: Path
) -> None:
    """Only what can ever be built counts, and all of it."""
    repo = cloned_by_prow(upstream, tmp_path / "kops", pulls=[1])
    line = read(repo)
    store = store_of(named("1.30.0-alpha.2+v1.30.0-alpha.1", 7, line.commits[-3].id))
    (stalled,) = said(ask(store, repo.path))
    assert (stalled.code, stalled.data["commits_behind"]) == ("builds-stalled", 2)


def test_prow_says_what_it_merged_onto(upstream: GitRepository, tmp_path: Path) -> None:
    """The environment tells, whatever the merges look like."""
    repo = cloned_by_prow(
        upstream, tmp_path / "kops", pulls=[1, 2], message="Merge pull request #1 from me/mine"
    )
    base = upstream.tip("master") or ""
    assert ids(read(repo, environ={"PULL_BASE_SHA": base}))[-1] == base
    for other in ("", "0" * 40):
        assert len(read(repo, environ={"PULL_BASE_SHA": other}).commits) == 10


def test_the_merge_that_github_offers_is_left_out_where_it_is_named(
    upstream: GitRepository, tmp_path: Path
) -> None:
    """A pull_request workflow checks out refs/pull/N/merge, detached."""
    repo = cloned_by_prow(upstream, tmp_path / "kops", pulls=[1], message=f"Merge {'a' * 40} into {'b' * 40}")
    repo.git("checkout", "--quiet", "--detach", "HEAD")
    assert ids(read(repo, ref="HEAD"))[-1] == upstream.tip("master")


@pytest.mark.parametrize("subject", ["Merge pull request #17 from someone/fix", "on master"])
def test_merges_of_kops_own_are_never_left_out(tmp_path: Path, subject: str) -> None:
    """As GitHub names them, or as all of a history are named."""
    repo = GitRepository.create(tmp_path / "kops")
    repo.commits("master", 3, sides=1)
    repo.git("checkout", "--quiet", "master")
    for number in range(3):
        repo.branch("pull", at=repo.git("rev-parse", "HEAD"))
        pull = repo.commit("pull", when=1_700_200_000 + number)
        when = {"GIT_COMMITTER_DATE": f"{1_700_300_000 + 3600 * number} +0000"}
        git("-C", repo.path, "merge", "--quiet", "--no-ff", "-m", subject, pull, environ=when)
    assert len(read(repo).commits) == 6


def test_what_git_does_not_have_is_no_local_merge(tmp_path: Path) -> None:
    """Nothing is left out on a guess."""
    repo = GitRepository.create(tmp_path / "kops")
    found = Git.find(repo.path, environ=ISOLATED, timeout=60)
    assert count_local_merges(found, ["0" * 40], environ={}) == 0


def test_a_remote_s_branch_ends_as_it_ends(tmp_path: Path) -> None:
    """What was fetched was made elsewhere, whatever it is called."""
    repo = GitRepository.create(tmp_path / "kops")
    repo.commits("master", 3)
    repo.git("checkout", "--quiet", "master")
    repo.branch("pull", at=repo.tip("master") or "")
    repo.git("merge", "--quiet", "--no-ff", "-m", "merge", repo.commit("pull", when=1_700_200_000))
    assert len(read(repo).commits) == 3
    repo.branch("origin/master", at=repo.tip("master") or "")
    assert len(read(repo).commits) == 4


# --------------------------------------------------------------------------------------------------
# A clone of one branch


@pytest.fixture
def cut(tmp_path: Path) -> tuple[GitRepository, list[str], list[str], list[str]]:
    """release-1.30 leaves master: master's commits before, its own after, and master's after."""
    repo = GitRepository.create(tmp_path / "kops")
    trunk = repo.commits("master", 5, start=seconds(9 * DAY), sides=1)
    repo.branch("release-1.30", at=trunk[-1])
    release = repo.commits("release-1.30", 3, start=seconds(5 * DAY), sides=1)
    master = repo.commits("master", 4, start=seconds(5 * DAY), sides=2)
    return repo, trunk, release, master


def test_without_master_the_builds_from_before_the_cut_are_not_the_branch_s_by_git(
    cut: tuple[GitRepository, list[str], list[str], list[str]],
) -> None:
    """Its line reaches back beyond the cut: what lies where cannot be told, and is said."""
    repo, trunk, release, _ = cut
    names = [named("1.30.0-beta.1+v1.30.0-alpha.9", 50 + number, each) for number, each in enumerate(trunk)]
    own = named("1.30.0-beta.1+v1.30.0-alpha.9", 60, release[0])
    repo.delete("master")
    store = store_of(*names, own, markers=[("release-1.30", own), ("master", names[-1])])
    found = ask(store, repo.path, "release-1.30")
    assert str(found.version) == own
    assert found.attribution.witness is Witness.LINEAGE
    without = next(each for each in found.conditions if each.code == "clone-without-master")
    assert without.severity is Severity.WARNING
    assert (
        "git fetch https://github.com/kubernetes/kops +master:refs/remotes/origin/master" in without.message
    )
    assert "release-1.30 left master" in without.message


def test_where_the_branch_has_no_build_of_its_own_there_is_none(
    cut: tuple[GitRepository, list[str], list[str], list[str]],
) -> None:
    """Builds of master from before the cut are no answer, with master in the clone and without it."""
    repo, trunk, _, _ = cut
    names = [named("1.30.0-beta.1+v1.30.0-alpha.9", 50 + number, each) for number, each in enumerate(trunk)]
    store = store_of(*names, markers=[("master", names[-1])])
    for _ in range(2):
        with pytest.raises(NoTestableBuildError, match=r"no build of release-1\.30"):
            ask(store, repo.path, "release-1.30")
        repo.delete("master")
        repo.branch("master", at=trunk[0])
    repo.delete("master")
    with pytest.raises(NoTestableBuildError, match=r"no build of release-1\.30"):
        ask(store, repo.path, "release-1.30")


def test_a_patch_release_needs_no_master(cut: tuple[GitRepository, list[str], list[str], list[str]]) -> None:
    """Its name leaves no doubt, so git is certain, and nothing is said."""
    repo, _, release, _ = cut
    repo.delete("master")
    found = ask(store_of(named("1.30.1+v1.30.0", 3, release[-1])), repo.path, "release-1.30")
    assert (found.attribution.witness, found.attribution.certainty) == (Witness.GIT, Certainty.EXACT)
    assert said(found) == []


def test_a_master_that_is_behind_does_not_tell_where_the_branch_left_it(
    cut: tuple[GitRepository, list[str], list[str], list[str]],
) -> None:
    """Where the branch leaves at the very end of master, what comes next may be master's."""
    repo, trunk, release, _ = cut
    repo.branch("master", at=trunk[2])
    line = read(repo, "release-1.30")
    assert not line.knows_cut
    assert ids(line) == trunk[3:] + release
    repo.branch("origin/master", at=trunk[-1])
    assert not read(repo, "release-1.30").knows_cut
    repo.commit("origin/master", when=seconds(DAY))
    line = read(repo, "release-1.30")
    assert (line.knows_cut, ids(line)) == (True, release)
    assert line.is_cut_at(trunk[-1])


def test_a_shallow_clone_that_does_not_reach_the_cut_does_not_tell_it(
    cut: tuple[GitRepository, list[str], list[str], list[str]], tmp_path: Path
) -> None:
    """It is good down to its boundary, and no further."""
    repo, trunk, release, _ = cut
    shallow = tmp_path / "shallow"
    git("clone", "--quiet", "--bare", "--no-single-branch", "--depth=2", f"file://{repo.path}", shallow)
    line = read(shallow, "release-1.30")
    assert (line.shallow, line.knows_cut, ids(line)) == (True, False, release[-2:])
    git("-C", shallow, "fetch", "--quiet", "--depth=6", "origin", "+refs/heads/*:refs/heads/*")
    line = read(shallow, "release-1.30")
    assert (line.shallow, line.knows_cut, ids(line)) == (True, True, release)
    assert trunk[-1] in line.elsewhere


def test_a_branch_that_is_cut_at_an_untagged_commit_and_marked_there(
    cut: tuple[GitRepository, list[str], list[str], list[str]],
) -> None:
    """Its first build is of a commit that is master's too: that build is the answer, or there is none."""
    repo, trunk, _, master = cut
    repo.branch("release-1.30", at=trunk[-1])
    base = "1.30.0-beta.1+v1.30.0-alpha.9"
    names = [named(base, 50 + number, each) for number, each in enumerate([*trunk, *master])]
    tip = names[len(trunk) - 1]
    store = store_of(*names, markers=[("release-1.30", tip), ("master", names[-1])])
    for ref in (None, "release-1.30"):
        try:
            assert str(ask(store, repo.path, "release-1.30", ref=ref).version) == tip
        except NoTestableBuildError:
            continue
    assert str(ask(store, repo.path).version) == names[-1]


# --------------------------------------------------------------------------------------------------
# A fork as origin


def test_a_fork_that_is_behind_gives_way_to_upstream(tmp_path: Path) -> None:
    """The ref that is ahead is read."""
    repo = GitRepository.create(tmp_path / "kops")
    commits = repo.commits("upstream/master", 6, start=seconds(3 * DAY), sides=1)
    repo.branch("origin/master", at=commits[1])
    found = ask(store_of(named("1.30.0-alpha.2+v1.30.0-alpha.1", 9, commits[-1])), repo.path)
    assert found.attribution.witness is Witness.GIT
    assert said(found) == []
    assert read(repo).ref == "upstream/master"


@pytest.mark.parametrize("home", ["upstream", "k8s", "zz"])
def test_a_fork_with_commits_of_its_own_gives_way_where_the_newest_build_is(
    tmp_path: Path, home: str
) -> None:
    """Neither is ahead, so the builds tell which is meant, whatever its remote is called."""
    repo = GitRepository.create(tmp_path / "kops")
    ref = f"refs/remotes/{home}/master"
    commits = repo.commits(ref, 6, start=seconds(3 * DAY), sides=1)
    repo.branch("origin/master", at=commits[1])
    repo.commit("origin/master", when=seconds(DAY))
    store = store_of(named("1.30.0-alpha.2+v1.30.0-alpha.1", 9, commits[-2]))
    found = ask(store, repo.path)
    assert found.attribution.witness is Witness.GIT
    (stalled,) = said(found)
    assert (stalled.code, stalled.data["commits_behind"]) == ("builds-stalled", 1)
    listing = list_channel("master", store=store, now=NOW, repo=repo.path)
    assert [row.attribution.witness for row in listing.rows] == [Witness.GIT]
    report = check_health(["master"], store=store, now=NOW, repo=repo.path)
    assert report.channels[0].commits_behind == 1


def test_where_no_copy_holds_the_newest_build_that_is_said_of_the_preferred_one(tmp_path: Path) -> None:
    """It says where the commit is not, which is true."""
    repo = GitRepository.create(tmp_path / "kops")
    commits = repo.commits("upstream/master", 3, start=seconds(3 * DAY))
    repo.branch("origin/master", at=commits[1])
    repo.commit("origin/master", when=seconds(DAY))
    found = ask(store_of("1.30.0-alpha.2+v1.30.0-alpha.1-9-g1234567890"), repo.path)
    assert told(found) == {"clone-behind": Severity.WARNING}
    assert "is not on origin/master in the clone" in said(found)[0].message


def test_a_fork_that_holds_the_newest_build_is_good_enough(tmp_path: Path) -> None:
    """It has commits of its own, and so has upstream by now; the newest build is of before."""
    repo = GitRepository.create(tmp_path / "kops")
    commits = repo.commits("upstream/master", 6, start=seconds(3 * DAY), sides=1)
    repo.branch("origin/master", at=commits[4])
    repo.commit("origin/master", when=seconds(DAY))
    found = ask(store_of(named("1.30.0-alpha.2+v1.30.0-alpha.1", 9, commits[4])), repo.path)
    assert found.attribution.witness is Witness.GIT


def test_a_local_branch_is_used_where_only_it_is_up_to_date(tmp_path: Path) -> None:
    """A contributor pulls from upstream by its URL; the remote is a fork."""
    repo = GitRepository.create(tmp_path / "kops")
    commits = repo.commits("master", 6, start=seconds(3 * DAY), sides=1)
    repo.branch("origin/master", at=commits[1])
    found = ask(store_of(named("1.30.0-alpha.2+v1.30.0-alpha.1", 9, commits[-1])), repo.path)
    assert found.attribution.witness is Witness.GIT
    assert read(repo).ref == "origin/master"


# --------------------------------------------------------------------------------------------------
# What git cannot read


def test_a_missing_branch_is_said_with_a_command_that_gets_it(
    cut: tuple[GitRepository, list[str], list[str], list[str]], tmp_path: Path
) -> None:
    """In a job's clone there is no remote called origin: the command works all the same."""
    upstream, trunk, _, master = cut
    repo = GitRepository.create(tmp_path / "job")
    repo.git("fetch", "--quiet", upstream.path, "release-1.30:release-1.30")
    found = ask(store_of(named("1.30.0-alpha.2+v1.30.0-alpha.1", 9, master[-1])), repo.path)
    (unavailable,) = [each for each in found.conditions if each.code == "git-unavailable"]
    assert unavailable.severity is Severity.WARNING
    command = re.search(r"(git -C \S+ fetch \S+ \S+), or", unavailable.message)
    assert command is not None
    words = shlex.split(command[1].replace("https://github.com/kubernetes/kops", str(upstream.path)))
    assert words != shlex.split(command[1])
    subprocess.run(words, env=ISOLATED, check=True, capture_output=True)
    assert read(repo).ref == "origin/master"
    assert set(ids(read(repo))) >= set(trunk + master)


def test_somebody_else_s_clone_is_said_with_the_command_that_trusts_it(
    cut: tuple[GitRepository, list[str], list[str], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a container the checkout often belongs to another user; every command says what to type."""
    repo, _, _, master = cut
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    store = store_of(named("1.30.0-alpha.2+v1.30.0-alpha.1", 9, master[-1]))
    advice = f"git config --global --add safe.directory {repo.path}"
    listing = list_channel("master", store=store, now=NOW, repo=repo.path)
    report = check_health(["master"], store=store, now=NOW, repo=repo.path)
    findings = [finding.condition for finding in report.channels[0].findings]
    for conditions in (ask(store, repo.path).conditions, listing.conditions, findings):
        (told_of,) = [each for each in conditions if each.code == "git-unavailable"]
        assert told_of.severity is Severity.WARNING
        assert advice in told_of.message


@pytest.fixture
def packed(
    cut: tuple[GitRepository, list[str], list[str], list[str]],
) -> tuple[GitRepository, Path, str]:
    """A clone with one pack, and a build of its last commit."""
    repo, _, _, master = cut
    repo.git("repack", "-adq")
    repo.git("prune-packed")
    repo.git("pack-refs", "--all")
    (pack,) = (repo.git_dir / "objects/pack").glob("*.pack")
    pack.chmod(0o644)
    return repo, pack, named("1.30.0-alpha.2+v1.30.0-alpha.1", 9, master[-1])


@pytest.mark.parametrize("damage", ["truncated", "empty", "garbled", "index"])
def test_a_broken_pack_is_said_in_git_s_words_and_the_answer_comes_without_git(
    packed: tuple[GitRepository, Path, str], damage: str
) -> None:
    """As after a cache of a clone that was cut short."""
    repo, pack, name = packed
    data = pack.read_bytes()
    if damage == "index":
        index = pack.with_suffix(".idx")
        index.chmod(0o644)
        index.write_bytes(index.read_bytes()[:100])
    else:
        broken = {
            "truncated": data[: len(data) // 2],
            "empty": b"",
            "garbled": data[:64] + b"\xff" * (len(data) - 64),
        }
        pack.write_bytes(broken[damage])
    found = ask(store_of(name), repo.path)
    assert str(found.version) == name
    (unavailable,) = said(found)
    assert (unavailable.code, unavailable.severity) == ("git-unavailable", Severity.WARNING)
    assert re.search(r"error: |fatal: ", unavailable.message)
    assert "pack" in unavailable.message
    assert "git fsck" in unavailable.message


def test_a_clone_whose_commits_are_all_gone_is_broken_and_not_of_something_else(
    packed: tuple[GitRepository, Path, str],
) -> None:
    """Git does not complain of what it does not find."""
    repo, pack, name = packed
    pack.unlink()
    with pytest.raises(GitWitnessError) as caught:
        read(repo)
    assert caught.value.kind is GitFault.FAILED
    assert "names a commit that is not there" in str(caught.value)
    assert set(told(ask(store_of(name), repo.path))) == {"git-unavailable"}


def test_a_broken_pack_of_one_branch_leaves_the_others_readable(
    cut: tuple[GitRepository, list[str], list[str], list[str]],
) -> None:
    """What git says is told of the branch that it is about."""
    repo, _, release, _ = cut
    repo.git("repack", "-adq")
    repo.commits("release-1.30", 2, start=seconds(DAY))
    before = set((repo.git_dir / "objects/pack").glob("*.pack"))
    repo.git("repack", "-dq")
    repo.git("prune-packed")
    (pack,) = set((repo.git_dir / "objects/pack").glob("*.pack")) - before
    pack.chmod(0o644)
    pack.write_bytes(pack.read_bytes()[:100])
    with pytest.raises(GitWitnessError) as caught:
        read(repo, "release-1.30")
    assert caught.value.kind is GitFault.FAILED
    assert "does not match index" in str(caught.value)
    assert len(read(repo).commits) == 9
    assert release[0] not in read(repo).elsewhere


def test_a_broken_branch_says_what_is_broken(
    cut: tuple[GitRepository, list[str], list[str], list[str]],
) -> None:
    """Another branch is read all the same."""
    repo, _, release, _ = cut
    repo.object_file(release[-1]).write_bytes(b"junk")
    with pytest.raises(GitWitnessError) as caught:
        read(repo, "release-1.30")
    assert caught.value.kind is GitFault.FAILED
    assert "error: " in str(caught.value) or "fatal: " in str(caught.value)
