"""Whether builds themselves have stopped (DESIGN section 7, FAILURES row 28)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from kopsversion.model.answer import Condition, Severity
from kopsversion.model.bucket import GitCommit, GitLine
from kopsversion.model.channel import Channel
from kopsversion.model.version import BuildVersion
from kopsversion.rules.freshness import Unbuilt, judge_freshness, unbuilt, without_guess
from tests.builders import DAY, DEFAULT, HOUR, NOW

if TYPE_CHECKING:
    from datetime import datetime

    from kopsversion.model.policy import Policy

MASTER = Channel("master")
SECOND = timedelta(seconds=1)
NEWEST = BuildVersion.parse("1.29.0-alpha.4+v1.29.0-alpha.3-378-g22ce1230da")
BUILT = NOW - 61 * DAY
"""When the newest build's own commit was made."""


def line(*merged: datetime, head: str = "22ce1230da") -> GitLine:
    """A line whose first commit is the newest build's, with later ones merged at these times."""
    ids = [head.ljust(40, "0"), *(f"{number:040x}" for number in range(1, len(merged) + 1))]
    commits = zip(ids, (BUILT, *merged), strict=True)
    return GitLine("origin/master", tuple(GitCommit(commit, time) for commit, time in commits))


def judge(
    *,
    newest: BuildVersion = NEWEST,
    uploaded: datetime | None = None,
    git: GitLine | None = None,
    policy: Policy = DEFAULT,
) -> tuple[Condition, ...]:
    return judge_freshness(channel=MASTER, newest=newest, uploaded=uploaded, git=git, policy=policy, now=NOW)


class TestUnbuilt:
    def test_merges_after_the_build_are_counted(self) -> None:
        """The count is of what follows on the line, its time that of the first."""
        merges = unbuilt(line(NOW - 2 * DAY, NOW - DAY, NOW), NEWEST, now=NOW)
        assert merges == Unbuilt(built=BUILT, behind=3, since=NOW - 2 * DAY)

    def test_a_build_of_the_newest_commit_leaves_nothing(self) -> None:
        """Where the build is of the tip, nothing waits."""
        assert unbuilt(line(), NEWEST, now=NOW) == Unbuilt(built=BUILT, behind=0, since=None)

    def test_a_build_of_the_commit_that_a_branch_was_cut_at_is_before_all_of_it(self) -> None:
        """That commit is master's, and so not on the branch's line."""
        own = (GitCommit("1" * 40, NOW - 2 * DAY), GitCommit("2" * 40, NOW - DAY))
        cut = GitCommit("22ce1230da".ljust(40, "0"), BUILT)
        git = GitLine("origin/release-1.29", own, cut=cut)
        assert unbuilt(git, NEWEST, now=NOW) == Unbuilt(built=BUILT, behind=2, since=NOW - 2 * DAY)
        assert unbuilt(evolve(git, cut=own[0]), NEWEST, now=NOW) is None

    def test_merges_of_the_future_do_not_count(self) -> None:
        """With --as-of the clone knows more than there was at that moment."""
        merges = unbuilt(line(NOW - HOUR, NOW + SECOND, NOW + DAY), NEWEST, now=NOW)
        assert merges == Unbuilt(built=BUILT, behind=1, since=NOW - HOUR)
        assert unbuilt(line(NOW + SECOND), NEWEST, now=NOW) == Unbuilt(built=BUILT, behind=0, since=None)

    @pytest.mark.parametrize(
        ("version", "git"),
        [
            pytest.param(NEWEST, line(NOW - DAY, head="f9a0ba0203"), id="not on the line"),
            pytest.param(BuildVersion.parse("1.29.0-alpha.3"), line(NOW - DAY), id="a version of no commit"),
            pytest.param(
                NEWEST,
                evolve(line(head="f9a0ba0203"), elsewhere=frozenset({"22ce1230da".ljust(40, "0")})),
                id="on another line",
            ),
        ],
    )
    def test_a_commit_that_is_not_on_the_line_counts_nothing(
        self, version: BuildVersion, git: GitLine
    ) -> None:
        """Without a place on the line, how many commits follow is not known."""
        assert unbuilt(git, version, now=NOW) is None


class TestWithGit:
    """With git: `commits behind` and `unbuilt for`; above `build_sla` (6 h) → `builds-stalled`."""

    def test_the_incident(self) -> None:
        """kops issue 16533: no build for 61 days, 80 merges are not built, and the sentence says so."""
        merged = [NOW - 60 * DAY + number * HOUR for number in range(80)]
        assert judge(uploaded=BUILT + HOUR, git=line(*merged)) == (
            Condition(
                "builds-stalled",
                Severity.WARNING,
                "master has had no build since 2024-03-06 18:00 UTC (61 days); 80 merges on master are not built; "
                "the postsubmit is the place to look",
                {"newest": str(NEWEST), "commits_behind": 80, "unbuilt_for_seconds": 60 * 86400},
            ),
        )

    @pytest.mark.parametrize(
        ("age", "codes"),
        [(6 * HOUR, []), (6 * HOUR + SECOND, ["builds-stalled"]), (timedelta(0), [])],
    )
    def test_a_merge_may_wait_as_long_as_the_policy_says(self, age: timedelta, codes: list[str]) -> None:
        """Six hours exactly are not too long; the first merge counts, not the last."""
        git = line(NOW - age, NOW)
        assert [condition.code for condition in judge(git=git)] == codes

    def test_one_merge_is_said_in_the_singular(self) -> None:
        """A single merge "is" not built."""
        (condition,) = judge(git=line(NOW - DAY))
        assert "; 1 merge on master is not built; " in condition.message

    def test_a_quiet_branch_is_not_stalled_however_old_its_build(self) -> None:
        """Where nothing was merged, months without a build are right."""
        assert judge(uploaded=BUILT, git=line()) == ()

    def test_the_limit_is_the_policy_s(self) -> None:
        """A longer patience says nothing."""
        assert judge(git=line(NOW - DAY), policy=evolve(DEFAULT, build_sla=DAY)) == ()


class TestWithoutGit:
    """Without git, newest build older than `max_build_age` (14 days) → `builds-old`."""

    def test_the_incident(self) -> None:
        """kops issue 16533 as seen without a clone: the age is said, and how to learn more."""
        assert judge(uploaded=BUILT) == (
            Condition(
                "builds-old",
                Severity.WARNING,
                "master has had no build since 2024-03-06 18:00 UTC (61 days); either nothing was merged or the "
                "postsubmit is red: look there, or give --repo https://github.com/kubernetes/kops to tell which",
                {"newest": str(NEWEST), "age_seconds": 61 * 86400},
            ),
        )

    def test_where_the_cause_is_known_no_guess_is_left(self) -> None:
        """Of another condition nothing is left out."""
        (old,), (stalled,) = judge(uploaded=BUILT), judge(git=line(NOW - DAY))
        assert without_guess(old).message == "master has had no build since 2024-03-06 18:00 UTC (61 days)"
        assert without_guess(stalled) == stalled

    @pytest.mark.parametrize(
        ("age", "codes"),
        [
            (14 * DAY, []),
            (14 * DAY + SECOND, ["builds-old"]),
            (timedelta(0), []),
            (-DAY, []),
        ],
    )
    def test_a_build_may_be_as_old_as_the_policy_says(self, age: timedelta, codes: list[str]) -> None:
        """Fourteen days exactly are not too old; a build of the future is not old."""
        assert [condition.code for condition in judge(uploaded=NOW - age)] == codes

    def test_an_unknown_age_is_not_held_against_it(self) -> None:
        """Without an upload time nothing is said."""
        assert judge(uploaded=None) == ()

    def test_the_limit_is_the_policy_s(self) -> None:
        """A shorter patience speaks earlier."""
        (condition,) = judge(uploaded=NOW - 2 * DAY, policy=evolve(DEFAULT, max_build_age=DAY))
        assert condition.code == "builds-old"

    def test_a_clone_that_does_not_know_the_build_leaves_its_age(self) -> None:
        """Git that cannot place the commit falls back to the age of the build."""
        (condition,) = judge(uploaded=BUILT, git=line(NOW - DAY, head="f9a0ba0203"))
        assert condition.code == "builds-old"

    @given(st.timedeltas(-DAY, 400 * DAY), st.timedeltas(timedelta(0), 400 * DAY))
    def test_older_is_never_fresher(self, age: timedelta, more: timedelta) -> None:
        """A build that counts as old still does later."""
        if judge(uploaded=NOW - age):
            assert judge(uploaded=NOW - age - more)
