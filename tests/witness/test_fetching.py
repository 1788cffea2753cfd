"""History is fetched from a URL as far as it settles a doubt, kept in a cache, and never at anybody's expense."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
from attrs import evolve, frozen

from kopsversion.errors import GitFault, GitWitnessError, UsageError
from kopsversion.files import locked
from kopsversion.model.bucket import CommitPlace, GitLine
from kopsversion.witness import fetching
from kopsversion.witness.address import CloneUrl
from kopsversion.witness.fetching import FIRST_DEPTH, Cache, Wanted, cache_directory
from kopsversion.witness.running import Git
from tests.git_repos import ISOLATED, GitRepository, git
from tests.git_server import allow_filter, daemon, serving
from tests.witness.test_gitwitness import PATIENCE, everything_from, fake_git

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

MASTER = Wanted(channel_ref="master")


@frozen
class Upstream:
    """kops as a server has it.

    Attributes:
        root: the directory that is served.
        trunk: master up to where release-1.30 leaves it.
        master: master's commits after that.
        release: the commits of release-1.30.
    """

    repo: GitRepository
    root: Path
    trunk: list[str]
    master: list[str]
    release: list[str]

    @property
    def url(self) -> CloneUrl:
        return CloneUrl(f"file://{self.repo.path}")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Upstream:
    root = tmp_path_factory.mktemp("served")
    repo = GitRepository.create(root / "kops", bare=True)
    trunk = repo.commits("master", 150, sides=1)
    repo.branch("release-1.30", at=trunk[-1])
    master = repo.commits("master", 250, start=1_710_000_000, sides=1)
    release = repo.commits("release-1.30", 9, start=1_710_000_001, sides=1)
    repo.git("repack", "-adq")
    allow_filter(repo.path)
    return Upstream(repo, root, trunk, master, release)


@pytest.fixture
def upstream(shared: Upstream, tmp_path: Path) -> Upstream:
    """A copy that a test may change."""
    root = tmp_path / "served"
    root.mkdir()
    git("clone", "--quiet", "--bare", shared.repo.path, root / "kops")
    allow_filter(root / "kops")
    repo = GitRepository(root / "kops", root / "kops")
    for ref in ("master", "release-1.30"):
        repo.branch(ref, at=shared.repo.git("rev-parse", ref))
    return evolve(shared, repo=repo, root=root)


def cache_of(upstream: Upstream, tmp_path: Path, *, url: str | None = None, **environ: str) -> Cache:
    return Cache(
        url=CloneUrl(url) if url else upstream.url,
        directory=tmp_path / "cache",
        environ=ISOLATED | environ,
        sleep=lambda _: None,
    )


def fetch(cache: Cache, wanted: Wanted = MASTER, *, timeout: float = PATIENCE) -> GitLine:
    return cache.read_line(wanted, timeout=timeout)


def failure(cache: Cache, wanted: Wanted = MASTER, *, timeout: float = PATIENCE) -> GitWitnessError:
    with pytest.raises(GitWitnessError) as caught:
        fetch(cache, wanted, timeout=timeout)
    assert str(caught.value).isprintable()
    assert caught.value.hint
    assert not caught.value.is_wrong_repo
    return caught.value


def commits(*ids: str) -> tuple[str, ...]:
    return tuple(each[:10] for each in ids)


class TestHowMuch:
    def test_of_each_branch_its_last_commits_are_fetched(self, shared: Upstream, tmp_path: Path) -> None:
        """No more than a first guess, where nothing is to be found."""
        line = fetch(cache_of(shared, tmp_path))
        assert (line.ref, line.channel, line.shallow) == ("master", "master", True)
        assert [commit.id for commit in line.commits] == shared.master[-FIRST_DEPTH:]

    def test_it_goes_twice_as_deep_until_the_builds_in_doubt_are_found(
        self, shared: Upstream, tmp_path: Path
    ) -> None:
        """And no further."""
        line = fetch(cache_of(shared, tmp_path), evolve(MASTER, commits=commits(shared.master[10])))
        assert len(line.commits) == 2 * FIRST_DEPTH
        assert line.shallow

    def test_a_build_of_the_release_branch_is_proven_to_be_elsewhere(
        self, shared: Upstream, tmp_path: Path
    ) -> None:
        """For that the branch is fetched too, down to where it left master."""
        wanted = evolve(
            MASTER, commits=commits(shared.release[0], shared.master[-1]), minors=frozenset({"1.30"})
        )
        line = fetch(cache_of(shared, tmp_path), wanted)
        assert line.locate(shared.release[0]) is CommitPlace.ELSEWHERE
        assert line.commits[-1].id == shared.master[-1]

    def test_a_release_branch_is_fetched_down_to_where_it_left_master(
        self, shared: Upstream, tmp_path: Path
    ) -> None:
        """Where the doubt is about that."""
        wanted = Wanted(channel_ref="release-1.30", commits=commits(shared.release[3]), needs_cut=True)
        line = fetch(cache_of(shared, tmp_path), wanted)
        assert [commit.id for commit in line.commits] == shared.release
        assert line.knows_cut
        assert line.is_cut_at(shared.trunk[-1])
        needless = evolve(wanted, needs_cut=False)
        assert not fetch(cache_of(shared, tmp_path / "other"), needless).knows_cut

    def test_a_branch_that_was_only_just_cut_is_told_from_master(
        self, upstream: Upstream, tmp_path: Path
    ) -> None:
        """Both are of one moment, so master is not behind where the branch leaves at its end."""
        upstream.repo.branch("release-1.31", at=upstream.master[-1])
        own = upstream.repo.commits("release-1.31", 2, start=1_720_000_000)
        wanted = Wanted(channel_ref="release-1.31", commits=commits(own[0]), needs_cut=True)
        line = fetch(cache_of(upstream, tmp_path), wanted)
        assert [commit.id for commit in line.commits] == own
        assert line.knows_cut

    def test_a_commit_that_nobody_has_ends_with_the_whole_history(
        self, shared: Upstream, tmp_path: Path
    ) -> None:
        """It is not looked for any further."""
        line = fetch(cache_of(shared, tmp_path), evolve(MASTER, commits=("1234567890",)))
        assert not line.shallow
        assert len(line.commits) == 400

    def test_neither_trees_nor_files_are_fetched(self, shared: Upstream, tmp_path: Path) -> None:
        """That is what makes it small."""
        cache = cache_of(shared, tmp_path)
        fetch(cache)
        kinds = git(
            f"--git-dir={cache.repo}", "cat-file", "--batch-all-objects", "--batch-check=%(objecttype)"
        ).split()
        assert set(kinds) == {"commit"}

    def test_a_branch_that_is_not_there_is_no_reason_to_stop(self, shared: Upstream, tmp_path: Path) -> None:
        """Before the cut there is no release branch."""
        line = fetch(cache_of(shared, tmp_path), evolve(MASTER, minors=frozenset({"1.31"})))
        assert line.commits[-1].id == shared.master[-1]

    def test_a_ref_stands_in_for_the_channel_s_branch(self, upstream: Upstream, tmp_path: Path) -> None:
        """As where a fork calls it otherwise; it is kept apart from what the channel's own name means."""
        upstream.repo.branch("mine", at=upstream.trunk[-1])
        cache = cache_of(upstream, tmp_path)
        assert fetch(cache).commits[-1].id == upstream.master[-1]
        line = fetch(evolve(cache, ref="mine"))
        assert (line.ref, line.commits[-1].id) == ("mine", upstream.trunk[-1])
        assert fetch(cache).commits[-1].id == upstream.master[-1]

    @pytest.mark.parametrize("ref", ["-x", "--all", "a..b", "a b", "", "a:b", "+x", "a*"])
    def test_a_ref_that_cannot_be_a_branch_is_a_usage_error(
        self, shared: Upstream, tmp_path: Path, ref: str
    ) -> None:
        """It would be part of what git is told to fetch."""
        with pytest.raises(UsageError, match="cannot be the name of a branch"):
            fetch(evolve(cache_of(shared, tmp_path), ref=ref))


class TestCache:
    def test_what_was_fetched_is_not_fetched_again(self, shared: Upstream, tmp_path: Path) -> None:
        """The server is only asked whether anything is new."""
        with serving(shared.root) as server:
            cache = cache_of(shared, tmp_path, url=f"{server.url}/kops")
            wanted = evolve(MASTER, commits=commits(shared.master[10]))
            first = fetch(cache, wanted)
            asked = len(server.asked)
            assert fetch(cache, wanted) == first
            assert len(server.asked) - asked == 2  # its capabilities, and its branches

    def test_what_is_new_is_added(self, upstream: Upstream, tmp_path: Path) -> None:
        """A merge that came meanwhile, and one that was taken back."""
        cache = cache_of(upstream, tmp_path)
        fetch(cache, evolve(MASTER, commits=commits(upstream.master[10])))
        new = upstream.repo.commit("master", when=1_720_000_000, sides=1)
        line = fetch(cache)
        assert (line.commits[-1].id, len(line.commits)) == (new, 2 * FIRST_DEPTH)
        upstream.repo.branch("master", at=upstream.master[-3])
        assert fetch(cache).commits[-1].id == upstream.master[-3]

    def test_each_repository_has_its_own(self, shared: Upstream, upstream: Upstream, tmp_path: Path) -> None:
        """Two URLs are two histories."""
        one, other = cache_of(shared, tmp_path), cache_of(upstream, tmp_path)
        assert one.repo != other.repo
        fetch(one)
        fetch(other)
        assert {path.suffix for path in (tmp_path / "cache").iterdir()} == {".git", ".lock"}

    @pytest.mark.parametrize(
        "damage", ["HEAD", "objects", "pack", "truncated", "config", "kopsversion-depth"]
    )
    def test_a_broken_one_is_made_anew(self, shared: Upstream, tmp_path: Path, damage: str) -> None:
        """Nobody is told: nothing is lost."""
        cache = cache_of(shared, tmp_path)
        fetch(cache)
        if damage == "truncated":
            (pack,) = (cache.repo / "objects/pack").glob("*.pack")
            pack.chmod(0o644)
            pack.write_bytes(pack.read_bytes()[:500])
        elif damage == "pack":
            for file in (cache.repo / "objects/pack").iterdir():
                file.unlink()
        elif damage == "objects":
            (cache.repo / damage).rename(tmp_path / "gone")
        else:
            (cache.repo / damage).write_bytes(b"\0junk")
        assert fetch(cache).commits[-1].id == shared.master[-1]

    def test_what_a_killed_git_left_behind_is_not_in_the_way(self, shared: Upstream, tmp_path: Path) -> None:
        """Its locks would keep every later one out."""
        cache = cache_of(shared, tmp_path)
        fetch(cache)
        for name in ("shallow.lock", "config.lock", "refs/heads/master.lock", "objects/pack/tmp_pack_x"):
            (cache.repo / name).touch()
        line = fetch(cache, evolve(MASTER, commits=commits(shared.master[10])))
        assert len(line.commits) == 2 * FIRST_DEPTH
        assert not (cache.repo / "objects/pack/tmp_pack_x").exists()

    def test_one_of_many_packs_is_made_anew(
        self, shared: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Each fetch adds one, and nobody packs them together."""
        cache = cache_of(shared, tmp_path)
        fetch(cache, evolve(MASTER, commits=commits(shared.master[10])))
        monkeypatch.setattr(fetching, "_MOST_PACKS", 1)
        assert len(fetch(cache).commits) == FIRST_DEPTH

    def test_others_wait_until_it_is_free(self, shared: Upstream, tmp_path: Path) -> None:
        """As long as there is time."""
        waits: list[float] = []
        cache = evolve(cache_of(shared, tmp_path), sleep=waits.append)
        cache.repo.parent.mkdir()
        with locked(cache.repo.with_suffix(".lock"), wait=lambda: None):
            error = failure(cache, timeout=0.001)
            assert error.kind is GitFault.TIMEOUT
            assert "another job" in str(error)
        holder = locked(cache.repo.with_suffix(".lock"), wait=lambda: None)
        holder.__enter__()

        def release(_seconds: float) -> None:
            holder.__exit__(None, None, None)

        cache = evolve(cache, sleep=release)
        assert fetch(cache).commits

    def test_a_place_that_cannot_be_written_is_said(self, shared: Upstream, tmp_path: Path) -> None:
        """With the option that names another."""
        (tmp_path / "cache").write_text("a file")
        error = failure(cache_of(shared, tmp_path))
        assert error.kind is GitFault.NOT_FETCHED
        assert "cannot be kept in" in str(error)
        assert "--git-cache" in error.hint
        error = failure(evolve(cache_of(shared, tmp_path), directory=None))
        assert "HOME is not set" in str(error)
        assert "--git-cache" in error.hint

    @pytest.mark.parametrize(
        ("environ", "expected"),
        [
            ({"XDG_CACHE_HOME": "/x", "HOME": "/h"}, "/x/kopsversion/git"),
            ({"XDG_CACHE_HOME": "relative", "HOME": "/h"}, "/h/.cache/kopsversion/git"),
            ({"HOME": "/h"}, "/h/.cache/kopsversion/git"),
            ({"HOME": "relative"}, None),
            ({}, None),
        ],
    )
    def test_it_is_where_the_xdg_base_directory_specification_puts_it(
        self, environ: Mapping[str, str], expected: str | None
    ) -> None:
        found = cache_directory(environ)
        assert (found and str(found)) == expected


class TestServers:
    @pytest.fixture(params=["file", "http", "git"])
    def url(self, request: pytest.FixtureRequest, shared: Upstream) -> Iterator[str]:
        """The same repository by each protocol that loopback has."""
        if request.param == "file":
            yield str(shared.url)
        elif request.param == "http":
            with serving(shared.root) as server:
                yield f"{server.url}/kops"
        else:
            with daemon(shared.root) as url:
                yield f"{url}/kops"

    def test_every_protocol_gives_the_same(self, shared: Upstream, tmp_path: Path, url: str) -> None:
        """From git's own servers."""
        wanted = evolve(
            MASTER, commits=commits(shared.master[200], shared.release[0]), minors=frozenset({"1.30"})
        )
        line = fetch(cache_of(shared, tmp_path, url=url), wanted)
        assert isinstance(line.locate(shared.master[200]), int)
        assert line.locate(shared.release[0]) is CommitPlace.ELSEWHERE

    def test_ssh_asks_for_no_password(self, shared: Upstream, tmp_path: Path) -> None:
        """Whatever ssh the user has named; here one that runs the command on this machine."""
        ssh, log = tmp_path / "my-ssh", tmp_path / "log"
        ssh.write_text(f'#!/bin/sh\necho "$*" >> \'{log}\'\nfor last; do :; done\nexec sh -c "$last"\n')
        ssh.chmod(0o755)
        url = f"ssh://git@localhost{shared.repo.path}"
        line = fetch(cache_of(shared, tmp_path, url=url, GIT_SSH_COMMAND=f"{ssh} -i mine"))
        assert line.commits[-1].id == shared.master[-1]
        assert all(call.startswith("-i mine -oBatchMode=yes ") for call in log.read_text().splitlines())

    def test_a_server_that_wants_a_password_gets_none(self, shared: Upstream, tmp_path: Path) -> None:
        """Nobody is asked, by whatever means the user has set up."""
        asked = tmp_path / "asked"
        program = tmp_path / "askpass"
        program.write_text(f"#!/bin/sh\ntouch '{asked}'\necho secret\n")
        program.chmod(0o755)
        config = tmp_path / "gitconfig"
        config.write_text(f"[core]\n\taskPass = {program}\n[credential]\n\thelper = !touch '{asked}'; echo\n")
        environ = {
            "GIT_ASKPASS": str(program),
            "SSH_ASKPASS": str(program),
            "SSH_ASKPASS_REQUIRE": "force",
            "GIT_TERMINAL_PROMPT": "1",
            "GIT_CONFIG_GLOBAL": str(config),
        }
        with serving(shared.root) as server:
            server.status = 401
            error = failure(cache_of(shared, tmp_path, url=f"{server.url}/kops", **environ))
        assert error.kind is GitFault.NOT_FETCHED
        assert "could not read Username" in str(error)
        assert not asked.exists()

    def test_nothing_of_the_user_s_configuration_surprises(self, upstream: Upstream, tmp_path: Path) -> None:
        """No hook is run, no submodule looked at, no other protocol used."""
        canary = tmp_path / "canary"
        hooks = tmp_path / "hooks"
        hooks.mkdir()
        for name in ("reference-transaction", "post-checkout", "post-merge", "pre-auto-gc", "fsmonitor"):
            (hooks / name).write_text(f"#!/bin/sh\ntouch '{canary}'\n")
            (hooks / name).chmod(0o755)
        config = tmp_path / "gitconfig"
        config.write_text(
            f"[core]\n\thooksPath = {hooks}\n\tfsmonitor = {hooks}/fsmonitor\n\tsshCommand = touch '{canary}'\n"
            f"[init]\n\ttemplateDir = {tmp_path}\n[fetch]\n\trecurseSubmodules = true\n\tunpackLimit = 100000\n"
            "\twriteCommitGraph = true\n[safe]\n\tbareRepository = explicit\n[protocol]\n\tallow = never\n"
        )
        cache = cache_of(upstream, tmp_path, GIT_CONFIG_GLOBAL=str(config), GIT_DIR="/nonexistent")
        assert fetch(cache).commits[-1].id == upstream.master[-1]
        assert not canary.exists()
        assert not (cache.repo / "hooks").exists()
        config.write_text(f'[url "ext::sh -c touch% {canary}% #"]\n\tinsteadOf = file://\n')
        error = failure(cache_of(upstream, tmp_path / "other", GIT_CONFIG_GLOBAL=str(config)))
        assert "transport 'ext' not allowed" in str(error)
        assert not canary.exists()

    def test_a_cache_within_another_repository_leaves_that_alone(
        self, shared: Upstream, tmp_path: Path
    ) -> None:
        """As where a home directory is kept in git: it is not taken for the cache, whatever state that is in."""
        outer = GitRepository.create(tmp_path)
        outer.commit("master", when=1_600_000_000)
        before = outer.git("for-each-ref")
        cache = cache_of(shared, tmp_path)
        cache.repo.mkdir(parents=True)
        assert fetch(cache).commits
        (cache.repo / "config").unlink()
        (cache.repo / "HEAD").write_text("junk\n")
        assert fetch(cache).commits
        assert outer.git("for-each-ref") == before

    @pytest.mark.parametrize(
        "place", ["file:///nonexistent/kops", "http://127.0.0.1:1/kops", "git://127.0.0.1:1/kops"]
    )
    def test_a_server_that_is_not_there_is_said_in_git_s_words(
        self, shared: Upstream, tmp_path: Path, place: str
    ) -> None:
        """With what else there is to try."""
        error = failure(cache_of(shared, tmp_path, url=place))
        assert error.kind is GitFault.NOT_FETCHED
        assert place in str(error)
        assert "fatal: " in str(error)
        assert "name a directory that is a clone of kops" in error.hint

    def test_a_repository_without_the_branch_is_said(self, shared: Upstream, tmp_path: Path) -> None:
        """It may be of something else."""
        error = failure(cache_of(shared, tmp_path), Wanted(channel_ref="release-9.9"))
        assert error.kind is GitFault.NO_REF
        assert str(error) == f"{shared.url} has no branch 'release-9.9'"

    def test_somebody_else_s_repository_is_said_with_the_command_that_trusts_it(
        self, shared: Upstream, tmp_path: Path
    ) -> None:
        """A directory by its URL may belong to another user, as any."""
        error = failure(cache_of(shared, tmp_path, GIT_TEST_ASSUME_DIFFERENT_OWNER="1"))
        assert error.hint == f"if you trust it: git config --global --add safe.directory {shared.repo.path}"

    def test_a_server_that_ignores_the_filter_is_stopped(
        self, upstream: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It would send every file that kops ever had."""
        monkeypatch.setattr(fetching, "LARGEST", 200_000)
        upstream.repo.git("config", "uploadpack.allowFilter", "false")
        blob = os.urandom(1_000_000)
        (tmp_path / "big").write_bytes(blob)
        big = upstream.repo.git("hash-object", "-w", tmp_path / "big")
        tree = git("-C", upstream.repo.path, "mktree", given=f"100644 blob {big}\tbig\n")
        commit = upstream.repo.git("commit-tree", "-p", upstream.master[-1], "-m", "big", tree)
        upstream.repo.branch("master", at=commit)
        cache = cache_of(upstream, tmp_path)
        error = failure(cache)
        assert error.kind is GitFault.TOO_LARGE
        assert "does not leave trees out" in str(error)
        assert "a directory that is a clone of kops" in error.hint
        assert not cache.repo.exists()
        allow_filter(upstream.repo.path)
        assert fetch(cache).commits[-1].id == commit

    def test_what_grows_too_large_is_stopped_while_it_comes(
        self, shared: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """And not only when all of it is there."""
        monkeypatch.setattr(fetching, "LARGEST", -1)
        whole = Git.run

        def watched(git: Git, command: Any, **options: Any) -> Any:
            if (watch := options.get("watch")) is not None:
                watch()
            return whole(git, command, **options)

        monkeypatch.setattr(Git, "run", watched)
        assert failure(cache_of(shared, tmp_path)).kind is GitFault.TOO_LARGE

    def test_a_shallow_repository_is_good_down_to_its_boundary(
        self, shared: Upstream, tmp_path: Path
    ) -> None:
        """Where the server has no more, no more is asked for."""
        shallow = tmp_path / "shallow"
        git("clone", "--quiet", "--bare", "--depth=20", shared.url.text, shallow)
        allow_filter(shallow)
        cache = cache_of(shared, tmp_path, url=f"file://{shallow}")
        line = fetch(cache, evolve(MASTER, commits=commits(shared.master[0])))
        assert (len(line.commits), line.shallow) == (20, True)


class TestTime:
    def test_a_server_that_hangs_is_left_with_all_its_processes(
        self, shared: Upstream, tmp_path: Path
    ) -> None:
        """When the time is up nothing of git lives on."""
        pipe = tmp_path / "alive"
        os.mkfifo(pipe)
        fake_git(
            tmp_path,
            f"case \"$*\" in *ls-remote*) exec 9>'{pipe}'; echo started >&9; sleep 600 & wait;; "
            f'*) PATH={ISOLATED["PATH"]} exec git "$@";; esac',
        )
        reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        try:
            cache = cache_of(shared, tmp_path, PATH=f"{tmp_path}:{ISOLATED['PATH']}")
            error = failure(cache, timeout=1)
            assert error.kind is GitFault.TIMEOUT
            assert f"git could not fetch from {shared.url} within" in str(error)
            assert "--timeout" in error.hint
            assert everything_from(reader) == b"started\n"
        finally:
            os.close(reader)

    def test_what_was_fetched_before_the_time_was_up_is_kept(self, shared: Upstream, tmp_path: Path) -> None:
        """The next run goes on from there."""
        cache = cache_of(shared, tmp_path)
        fetch(cache)
        fake_git(
            tmp_path,
            f'case "$*" in *--depth=256*) sleep 600;; *) PATH={ISOLATED["PATH"]} exec git "$@";; esac',
        )
        slow = cache_of(shared, tmp_path, PATH=f"{tmp_path}:{ISOLATED['PATH']}")
        wanted = evolve(MASTER, commits=commits(shared.master[10]))
        assert failure(slow, wanted, timeout=2).kind is GitFault.TIMEOUT
        assert len(fetch(cache).commits) == FIRST_DEPTH

    def test_without_git_nothing_is_fetched(self, shared: Upstream, tmp_path: Path) -> None:
        """And that is said."""
        assert failure(cache_of(shared, tmp_path, PATH="/nonexistent")).kind is GitFault.NO_GIT

    def test_no_time_is_a_timeout(self, shared: Upstream, tmp_path: Path) -> None:
        """However quick the server is."""
        assert failure(cache_of(shared, tmp_path), timeout=-1).kind is GitFault.TIMEOUT
