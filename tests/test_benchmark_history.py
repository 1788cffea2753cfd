"""The benchmark measures what it says: a tiny history, in which each rule's mistakes can be counted by hand."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from kopsversion.errors import UsageError
from kopsversion.model.policy import Strategy
from kopsversion.model.version import BuildVersion
from tests.benchmarks import history
from tests.benchmarks.commits import Commit, as_lines, compute_history, read_history
from tests.benchmarks.replay import (
    NAIVE,
    Kopsversion,
    Miss,
    Moments,
    Pick,
    Rule,
    Score,
    Tally,
    git_lines,
    measure,
    naive,
)
from tests.benchmarks.worlds import DAY, HOUR, Bucket, Crossing, Markers, World, arrivals, replay
from tests.git_repos import git

START = 1_700_000_000


def _commits(branch: str, *rows: tuple[float, str]) -> list[Commit]:
    commits = []
    for seq, (days, text) in enumerate(rows):
        commit = f"{len(branch):x}{seq:x}".ljust(40, "0")
        version = BuildVersion.parse(f"{text}-g{commit[:10]}")
        commits.append(Commit(branch, seq, commit, START + int(days * DAY), version))
    return commits


HISTORY = [
    *_commits(
        "master",
        (0.0, "1.29.0-alpha.4+v1.29.0-alpha.3-97"),
        (0.5, "1.29.0-alpha.4+v1.29.0-alpha.3-99"),
        (1.0, "1.29.0-beta.2+v1.29.0-alpha.3-100"),
        (1.5, "1.29.0-beta.2+v1.29.0-beta.1-9"),
        (2.0, "1.29.0-beta.2+v1.29.0-beta.1-11"),
        (4.0, "1.29.0-beta.2+v1.29.0-beta.1-21"),
        (6.0, "1.29.0-beta.2+v1.29.0-beta.1-30"),
        (8.0, "1.30.0-alpha.2+v1.30.0-alpha.1-2"),
    ),
    *_commits(
        "release-1.29",
        (3.0, "1.29.0-beta.2+v1.29.0-beta.1-3"),
        (5.0, "1.29.0-beta.3+v1.29.0-beta.1-4"),
        (7.0, "1.29.0-beta.3+v1.29.0-beta.2-2"),
        (9.0, "1.29.1+v1.29.0-2"),
    ),
]


def test_a_history_is_read_as_it_was_written(tmp_path: Path) -> None:
    """What --save writes can be replayed."""
    file = tmp_path / "builds.jsonl"
    file.write_text("\n".join(as_lines(HISTORY)))
    assert read_history(file) == tuple(HISTORY)


@pytest.mark.parametrize("line", ["[]", "{}", "nonsense", '{"branch": "master", "seq": 0, "version": "x"}'])
def test_a_line_that_is_no_commit_is_named(tmp_path: Path, line: str) -> None:
    """A file that is something else is a mistake in the call."""
    file = tmp_path / "builds.jsonl"
    file.write_text("\n".join([*as_lines(HISTORY[:1]), line]))
    with pytest.raises(UsageError, match="line 2"):
        read_history(file)


def _score(rule: Rule, world: World = World()) -> Score:  # noqa: B008 # frozen
    return measure(HISTORY, world, [rule], Moments(since=0, until=START + 99 * DAY))[0]


def test_a_moment_is_a_builds_arrival_and_a_channel_lives_from_its_first_to_its_last() -> None:
    """Each build is a moment for every channel that has one behind and one before it, or is its own."""
    live = [
        (bucket.now - START - 1200, refs)
        for bucket, refs in replay(arrivals(HISTORY, World()), World(), since=0)
    ]
    assert len(live) == len(HISTORY)
    assert live[0] == (0, ["master"])
    assert live[-1] == (9 * DAY, ["release-1.29"])
    assert dict(live)[5 * DAY] == ["master", "release-1.29"]


def test_nothing_is_asked_before_the_start_or_after_the_end_and_moments_can_be_left_out() -> None:
    """Earlier builds fill the bucket, and count for nothing."""
    assert len(list(replay(arrivals(HISTORY, World()), World(), since=START + 5 * DAY))) == 5
    rule = Kopsversion()
    for moments, asked in (
        (Moments(since=0, until=START + 99 * DAY), 11),
        (Moments(since=0, until=START + 99 * DAY, every=2), 6),
        (Moments(since=0, until=START + 3 * DAY), 5),
    ):
        assert measure(HISTORY, World(), [rule], moments)[0].master.moments == asked


def test_deleted_builds_leave_the_bucket() -> None:
    """A build older than the limit is gone, and with it what the right answer was."""
    world = World(kept=DAY)
    for bucket, live in replay(arrivals(HISTORY, world), world, since=0):
        held = [each for builds in bucket.by_minor.values() for each in builds.values()]
        assert all(each.at >= bucket.now - DAY for each in held)
        assert all(bucket.newest(ref) in held for ref in live)


def test_a_build_that_is_made_again_is_new_and_lives_on() -> None:
    """Its files are uploaded again, one to sixty days later."""
    world = World(again=1.0, kept=30 * DAY, marks_again=True)
    history = arrivals(HISTORY, world)
    assert len(history) == 2 * len(HISTORY)
    for bucket, _ in replay(history, world, since=0):
        for builds in bucket.by_minor.values():
            assert all(each.at >= bucket.now - 30 * DAY for each in builds.values())
    assert {each.marks for each in arrivals(HISTORY, World(again=1.0))} == {True, False}


def test_faults_are_the_same_for_the_same_seed() -> None:
    """A replay can be repeated."""
    world = World(late=(0, 6 * HOUR), incomplete=0.5, built=0.7, master_silent=DAY, release_silent=4 * DAY)
    found = arrivals(HISTORY, world)
    assert found == arrivals(HISTORY, world)
    assert found != arrivals(HISTORY, world, seed=2)
    assert {each.testable for each in found} == {True, False}
    assert sum(each.branch == "master" for each in found) < 8
    assert [each.at for each in found] == sorted(each.at for each in found)


@pytest.mark.parametrize(
    ("markers", "day"),
    [(Markers.WORKING, 61), (Markers.FROZEN, 60), (Markers.ABSENT, 0)],
)
def test_markers_are_from_a_moment_before(markers: Markers, day: int) -> None:
    """Working ones from now, frozen ones from the last time that all were written."""
    assert markers.moment(61 * DAY) == day * DAY


@pytest.mark.parametrize(
    ("crossing", "named"),
    [
        (Crossing.NONE, {"master": "master", "release-1.29": "release-1.29"}),
        (Crossing.RELEASE, {"master": "master", "release-1.29": "master"}),
        (Crossing.MASTER, {"master": "release-1.29", "release-1.29": "release-1.29"}),
    ],
)
def test_a_marker_may_name_another_branch_s_build(crossing: Crossing, named: dict[str, str]) -> None:
    """The green ones are right, and some hours behind."""
    world = World(crossing=crossing)
    bucket = Bucket(world)
    for arrival in arrivals(HISTORY, world):
        bucket.add(arrival)
    found = bucket.markers(Markers.WORKING)
    assert {ref: each.branch for (ref, name), each in found.items() if name == "latest-ci.txt"} == named
    assert {ref: each.branch for (ref, name), each in found.items() if name != "latest-ci.txt"} == {
        "master": "master",
        "release-1.29": "release-1.29",
    }
    assert {Crossing.BY_TURNS.at(day * DAY) for day in range(30)} == set(Crossing) - {Crossing.BY_TURNS}


@pytest.mark.parametrize(
    ("rule", "master", "release"),
    [
        # Days 3, 5 and 7, whose build is release-1.29's; days 4 and 6, whose build is master's.
        ("newest upload", 3, 2),
        # Days 5 to 7, when release-1.29 has a beta.3; days 3 and 4, when it is behind master's distance.
        ("`sort -V`", 3, 2),
        # Days 1.5 to 7, all below distance 100 of another tag; the same on days 3 and 4, and -4 for -2 on 7 and 8.
        ("semver then distance", 7, 4),
    ],
)
def test_the_mistakes_of_the_other_rules_are_counted(rule: str, master: int, release: int) -> None:
    """Every mistake of theirs is silent."""
    score = _score(naive(NAIVE[rule]))
    assert (score.master.moments, score.release.moments) == (11, 7)
    assert (score.master.wrong, score.release.wrong) == (master, release)
    assert score.master.silent == score.master.wrong
    assert score.master.flagged == 0


@pytest.mark.parametrize("strategy", Strategy)
@pytest.mark.parametrize("git_too", [False, True])
def test_kopsversion_makes_no_mistake_here(strategy: Strategy, *, git_too: bool) -> None:
    """With working markers, and with a clone and no markers at all."""
    lines = git_lines(HISTORY) if git_too else {}
    score = _score(Kopsversion(Markers.ABSENT if git_too else Markers.WORKING, strategy, lines))
    assert (score.master.wrong, score.release.wrong) == (0, 0)


def test_every_wrong_answer_can_be_looked_at() -> None:
    """Whoever calibrates wants to know which."""
    missed: list[tuple[int, Miss]] = []
    measure(
        HISTORY,
        World(),
        [naive(NAIVE["newest upload"])],
        Moments(since=0, until=START + 99 * DAY),
        note=lambda place, miss: missed.append((place, miss)),
    )
    assert [(place, miss.ref) for place, miss in missed].count((0, "master")) == 3


def test_by_green_a_build_that_was_the_newest_within_the_last_day_is_right() -> None:
    """An older one is not, nor is another branch's."""
    bucket = Bucket()
    history = arrivals(HISTORY, World())
    for arrival in history:
        bucket.add(arrival)
    own = [each for each in history if each.branch == "release-1.29"]
    assert bucket.is_within_lag("release-1.29", own[-1].version, DAY)
    assert bucket.is_within_lag("release-1.29", own[-2].version, DAY)
    assert not bucket.is_within_lag("release-1.29", own[-3].version, DAY)
    assert not bucket.is_within_lag("release-1.29", history[0].version, DAY)


def test_an_answer_counts_as_silent_only_if_it_is_wrong_named_and_not_loud() -> None:
    """No answer is a mistake, but nobody tests the wrong build because of it."""
    right, other = (commit.version for commit in HISTORY[:2])
    tally = Tally()
    picks = (
        Pick(right),
        Pick(right, ambiguous=True, loud=True),
        Pick(other, ambiguous=True, loud=True),
        Pick(other, loud=True),
        Pick(other),
        Pick(None),
    )
    for pick in picks:
        tally = tally.count(pick, is_right=pick.version == right)
    assert tally == Tally(moments=6, wrong=4, silent=1, flagged=2)


class TestBudgets:
    """What the command fails for."""

    def row(self, markers: Markers = Markers.WORKING, *, git_too: bool = False) -> history.Row:
        return history.Row("nothing", 0, history.Asked(markers=markers, git=git_too))

    @pytest.mark.parametrize(
        ("markers", "git_too", "tally", "is_kept"),
        [
            (Markers.WORKING, False, Tally(100, 1, 0, 3), True),
            (Markers.WORKING, False, Tally(100, 2, 0, 3), False),
            (Markers.WORKING, False, Tally(100, 1, 1, 3), False),
            (Markers.WORKING, False, Tally(100, 1, 0, 4), False),
            (Markers.ABSENT, False, Tally(100, 90, 0, 90), True),
            (Markers.ABSENT, False, Tally(100, 90, 1, 90), False),
            (Markers.FROZEN, False, Tally(100, 90, 1, 90), False),
            (Markers.WORKING, True, Tally(100, 0, 0, 0), True),
            (Markers.WORKING, True, Tally(100, 1, 0, 0), False),
        ],
    )
    def test_each_is_judged(self, markers: Markers, tally: Tally, *, git_too: bool, is_kept: bool) -> None:
        """Never wrong in silence; with git never wrong; while markers work hardly ever, and rarely in doubt."""
        row = self.row(markers, git_too=git_too)
        assert history.broken({row: Score(master=tally)}) == ([] if is_kept else [history.named(row)])

    @pytest.mark.parametrize(
        ("world", "tally", "is_kept"),
        [
            ("all together, but for the last two", Tally(100, 2, 0, 10), True),
            ("all together, but for the last two", Tally(100, 3, 0, 10), False),
            ("master's marker names the newest release branch's build", Tally(100, 2, 0, 10), True),
            ("master's marker names the newest release branch's build", Tally(100, 3, 0, 10), False),
            ("all together", Tally(100, 5, 0, 10), True),
            ("all together", Tally(100, 5, 1, 10), False),
        ],
    )
    def test_the_more_goes_wrong_the_more_may_be_in_doubt(
        self, world: str, tally: Tally, *, is_kept: bool
    ) -> None:
        """But never is anything wrong in silence."""
        row = history.Row(world, 0, history.Asked())
        assert bool(history.broken({row: Score(master=tally)})) is not is_kept

    def test_other_rules_promised_nothing(self) -> None:
        """They are measured to compare."""
        row = history.Row("nothing", 0, history.Asked(rule="newest upload"))
        assert history.broken({row: Score(Tally(1, 1, 1, 1))}) == []


def test_the_tables_are_printed_and_the_budgets_are_judged(tmp_path: Path) -> None:
    """One run gives Markdown on stdout, and an exit status for whoever holds the budgets."""
    file = tmp_path / "builds.jsonl"
    file.write_text("\n".join(as_lines(HISTORY)))
    done = subprocess.run(
        [
            sys.executable,
            Path(history.__file__),
            file,
            "--since",
            "2022-06-01",
            "--every",
            "1",
            "--workers",
            "2",
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.stdout.startswith("Asked at 11 moments for master, 7 times for release channels.")
    assert "| kopsversion with git, markers working | 0 | 0 | 0 | 0 | 0 | 0 |" in done.stdout
    assert "| all together, but for the last two | absent |" in done.stdout
    assert "With git, in all of these worlds and by both strategies: 0 of" in done.stdout
    assert done.returncode == (1 if done.stderr else 0)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", [[], ["FILE", "--repo", "."]])
def test_one_history_is_wanted(tmp_path: Path, arguments: list[str]) -> None:
    """Neither none nor two."""
    file = tmp_path / "builds.jsonl"
    file.write_text("")
    result = CliRunner().invoke(history.main, [str(file) if each == "FILE" else each for each in arguments])
    assert result.exit_code == 2
    assert "either a history file or --repo" in result.output


def test_a_history_that_holds_nothing_is_said_to(tmp_path: Path) -> None:
    """There is nothing to measure."""
    file = tmp_path / "builds.jsonl"
    file.write_text("")
    result = CliRunner().invoke(history.main, [str(file), "--workers", "1"])
    assert result.exit_code == 1
    assert "holds no commit since then" in result.output


class TestClone:
    """A history computed from a clone."""

    @pytest.fixture
    def clone(self, tmp_path: Path) -> Path:
        """A repository with merges, annotated and light tags, and a release branch."""
        repo = tmp_path / "kops"
        git("init", "--quiet", "--initial-branch=master", repo)
        self.clock = START
        self.commit(repo, "1.29.0-alpha.1", name="version.go")
        self.commit(repo, "1.29.0-alpha.1", name="version.go")
        self.tag(repo, "v1.29.0-alpha.1")
        git("-C", repo, "mv", "version.go", "kops-version.go")
        self.merge(repo, "1.29.0-alpha.2", sides=3)
        git("-C", repo, "tag", "v1.29.0-light")
        self.merge(repo, "1.29.0-beta.2", sides=1)
        self.tag(repo, "v1.29.0-beta.1")
        git("-C", repo, "checkout", "--quiet", "-b", "release-1.29")
        self.merge(repo, "1.29.0-beta.2", sides=2)
        self.merge(repo, "not a version", sides=1)
        git("-C", repo, "checkout", "--quiet", "master")
        self.merge(repo, "1.29.0-beta.2", sides=1)
        return repo

    def environ(self) -> dict[str, str]:
        self.clock += 60
        return {"GIT_AUTHOR_DATE": f"{self.clock} +0000", "GIT_COMMITTER_DATE": f"{self.clock} +0000"}

    def commit(self, repo: Path, ci_version: str, *, name: str = "kops-version.go") -> None:
        repo.joinpath(name).write_text(
            f'const (\n\tKOPS_CI_VERSION      = "{ci_version}"\n) // {self.clock}\n'
        )
        git("-C", repo, "add", ".", environ=self.environ())
        git("-C", repo, "commit", "--quiet", "-m", ci_version, environ=self.environ())

    def merge(self, repo: Path, ci_version: str, *, sides: int) -> None:
        git("-C", repo, "checkout", "--quiet", "-b", "side")
        for _ in range(sides):
            self.commit(repo, ci_version)
        git("-C", repo, "checkout", "--quiet", "-")
        git("-C", repo, "merge", "--quiet", "--no-ff", "-m", "merge", "side", environ=self.environ())
        git("-C", repo, "branch", "--quiet", "-D", "side")

    def tag(self, repo: Path, name: str) -> None:
        git("-C", repo, "tag", "-a", "-m", name, name, environ=self.environ())

    def test_versions_are_those_that_git_describe_gives(self, clone: Path) -> None:
        """For every first-parent commit, once the tags are there that it counts from."""
        found = compute_history(clone, since=0)
        assert [(each.branch, each.seq) for each in found] == [
            *(("master", seq) for seq in range(5)),
            ("release-1.29", 0),
        ]
        for each in found[2:]:
            described = git("-C", clone, "describe", "--always", "--abbrev=10", each.id)
            if "-" in described.partition("beta.1")[2] or "alpha" in described:
                assert str(each.version).partition("+")[2] == described
        assert str(found[-1].version).startswith("1.29.0-beta.2+v1.29.0-beta.1-3-g")
        assert found[-1].time > START

    def test_only_tags_that_existed_then_count(self, clone: Path) -> None:
        """A tag's own commit was built before it was tagged."""
        found = compute_history(clone, since=0)
        assert str(found[0].version) == f"1.29.0-alpha.1+{found[0].id[:10]}"
        assert str(found[1].version) == f"1.29.0-alpha.1+{found[1].id[:10]}"
        assert str(found[2].version).startswith("1.29.0-alpha.2+v1.29.0-alpha.1-4-g")
        assert str(found[3].version).startswith("1.29.0-beta.2+v1.29.0-alpha.1-6-g")

    def test_older_commits_are_left_out(self, clone: Path) -> None:
        """The bucket need not be filled from the beginning of time."""
        found = compute_history(clone, since=0)
        later = compute_history(clone, since=found[2].time)
        assert later == found[2:]

    def test_a_clone_can_be_replayed_and_saved(self, clone: Path, tmp_path: Path) -> None:
        """--repo and --save together make the file that can be replayed later."""
        file = tmp_path / "saved.jsonl"
        result = CliRunner().invoke(
            history.main,
            ["--repo", str(clone), "--since", "2023-01-01", "--workers", "1", "--save", str(file)],
        )
        assert result.output.startswith("Asked at ")
        assert read_history(file) == compute_history(clone, since=0)

    def test_what_is_no_clone_of_kops_is_refused(self, tmp_path: Path) -> None:
        """A directory without git, and a repository without master."""
        with pytest.raises(UsageError, match="could not read"):
            compute_history(tmp_path, since=0)
        git("init", "--quiet", "--initial-branch=main", tmp_path / "other")
        with pytest.raises(UsageError, match="no branch master"):
            compute_history(tmp_path / "other", since=0)
        result = CliRunner().invoke(history.main, ["--repo", str(tmp_path / "other")])
        assert result.exit_code == 1
        assert "name a full clone" in result.output
