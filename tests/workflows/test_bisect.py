"""A whole bisection: the culprit is found among the builds of a store, whatever stands in the way."""

from __future__ import annotations

import json
from datetime import timedelta
from math import ceil, log2
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kopsversion.errors import (
    BisectionError,
    GitWitnessError,
    NoTestableBuildError,
    StoreUnavailableError,
    UsageError,
)
from kopsversion.model.channel import Channel
from kopsversion.model.version import BuildVersion
from kopsversion.rules.bisection import Plan
from kopsversion.rules.stepper import Outcome
from kopsversion.witness.merges import Merges
from kopsversion.workflows.bisect import BisectReport, Trial, TrialResult, bisect, plan_bisection
from kopsversion.workflows.bisection_state import BisectionState, TrialFinding
from tests.builders import DAY, HOUR, NOW, alpha, beta, patch
from tests.fake_store import FakeStore
from tests.git_repos import GitRepository

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from kopsversion.workflows.bisect import BuildUnderTest, Event

LACKING = ("linux/arm64/nodeup",)


def of_master(count: int, *, untestable: Iterable[int] = (), every: timedelta = HOUR) -> FakeStore:
    """Make a store with that many builds of master; the last is as old as `every`."""
    store, lacking = FakeStore(), frozenset(untestable)
    for number in range(1, count + 1):
        store.add_build(
            alpha(number),
            at=NOW - (count + 1 - number) * every,
            without=LACKING if number in lacking else (),
        )
    store.add_marker("master", "latest-ci.txt", alpha(count))
    return store


class Culprit:
    """Tests builds: from one on they are bad. Notes what it tested."""

    def __init__(self, distance: int, *, skips: Iterable[int] = ()) -> None:
        self.distance = distance
        self.skips = frozenset(skips)
        self.tested: list[int] = []

    def __call__(self, build: BuildUnderTest) -> Outcome:
        distance = build.version.distance or 0
        self.tested.append(distance)
        if distance in self.skips:
            return Outcome.SKIP
        return Outcome.BAD if distance >= self.distance else Outcome.GOOD


def find(
    store: FakeStore, test: Callable[[BuildUnderTest], Outcome | TrialFinding | bool], **more: object
) -> BisectReport:
    ends = {"good": alpha(1), "bad": "newest", **more}
    return bisect(store=store, now=NOW, test=test, **ends)  # type: ignore[arg-type] # as the callers say


def distances(report: BisectReport) -> tuple[int | None, int | None]:
    return report.good.version.distance, report.bad.version.distance


@settings(max_examples=30)
@given(st.data())
def test_the_culprit_is_found_in_few_tests(data: st.DataObject) -> None:
    """Whatever cannot be tested, the range holds the culprit, and only what cannot be told lies between its ends."""
    count = data.draw(st.integers(2, 24))
    culprit = Culprit(data.draw(st.integers(2, count)))
    inner = st.integers(2, max(2, count - 1)).filter(lambda number: number < count)
    untestable = data.draw(st.sets(inner)) if count > 2 else set()
    culprit.skips = frozenset(data.draw(st.sets(inner))) if count > 2 else frozenset()
    report = find(of_master(count, untestable=untestable), culprit)
    good, bad = distances(report)
    assert good is not None
    assert bad is not None
    assert good < culprit.distance <= bad
    assert {each.version.distance for each in report.untested} == set(range(good + 1, bad))
    assert set(range(good + 1, bad)) <= untestable | culprit.skips
    skips = len(culprit.skips & set(culprit.tested))
    assert len(culprit.tested) <= ceil(log2(count)) + skips + 2
    assert len(set(culprit.tested)) == len(culprit.tested)
    assert report.builds == count


def test_a_report_says_all_that_was_found() -> None:
    """The ends, what lies between, what was tested, and a link that shows the difference."""
    report = find(of_master(6, untestable=[4]), Culprit(4))
    assert distances(report) == (3, 5)
    assert (report.channel, report.store, report.builds) == ("master", "mem://bucket/", 6)
    assert report.good.base_url == f"mem://bucket/{alpha(3)}"
    assert report.good.uploaded == NOW - 4 * HOUR
    assert [(str(each.version), each.reason) for each in report.untested] == [
        (alpha(4), "linux/arm64/nodeup is missing")
    ]
    assert report.compare == "https://github.com/kubernetes/kops/compare/0000000003...0000000005"
    assert report.merges is None
    assert [(each.version.distance, str(each.finding.outcome)) for each in report.tested] == [
        (1, "good"),
        (6, "bad"),
        (4, "untestable"),
        (3, "good"),
        (5, "bad"),
    ]


def test_a_test_may_say_yes_or_no() -> None:
    """A boolean will do, and so will everything that is known of a test."""
    assert distances(find(of_master(5), lambda build: (build.version.distance or 0) < 3)) == (2, 3)
    report = find(
        of_master(5),
        lambda build: TrialFinding(
            outcome=Outcome.BAD if (build.version.distance or 0) > 3 else Outcome.GOOD, statuses=(7,)
        ),
    )
    assert distances(report) == (3, 4)
    assert report.tested[0].finding.statuses == (7,)


def test_each_step_is_told() -> None:
    """What is searched, then each build before and after it is tested, with how much is left."""
    events: list[Event] = []
    find(of_master(4), Culprit(3), tell=events.append)
    first, *others = events
    assert isinstance(first, Plan)
    assert [type(each) for each in others] == [Trial, TrialResult] * 4
    told = [each for each in others if isinstance(each, Trial)]
    assert [each.number for each in told] == [1, 2, 3, 4]
    assert [each.step.steps_left for each in told] == [4, 3, 2, 1]
    assert [each.step.builds_left for each in told] == [2, 2, 2, 1]
    assert (told[-1].good.distance, told[-1].bad.distance) == (1, 3)


# --------------------------------------------------------------------------------------------------
# The ends


@pytest.mark.parametrize(
    ("good", "bad", "found"),
    [
        (alpha(2), alpha(5), (2, 5)),
        (BuildVersion.parse(alpha(2)), BuildVersion.parse(alpha(5)), (2, 5)),
        (alpha(2), "newest", (2, 7)),
        (f"{2:010x}", f"{5:010x}abcd", (2, 5)),
        (f"{2:040x}"[30:].upper(), "newest", (2, 7)),
        (NOW - 6 * DAY, NOW - 3 * DAY, (2, 5)),
        ((NOW - 6 * DAY).isoformat(), (NOW - 3 * DAY).isoformat(), (2, 5)),
        ("2024-05-01", "2024-05-03", (2, 5)),
        ("2024-05-01T17:59Z", "2024-05-03T18:00:01Z", (2, 5)),
        ("1.30.0-alpha.1", "1.30.0-alpha.2", (0, 0)),
    ],
)
def test_an_end_is_named_in_many_ways(good: object, bad: object, found: tuple[int, int]) -> None:
    """A version, a commit, a moment, a date, which means the whole day, or ``newest``."""
    store = of_master(7, every=DAY)
    if found == (0, 0):
        store.add_build(alpha(1, minor="1.29"), at=NOW - 30 * DAY)
        store.add_build("1.30.0-alpha.3+v1.30.0-alpha.2-1-g00000000aa", at=NOW - HOUR)
        plan = plan_bisection(str(good), str(bad), store=store, now=NOW)
        first, last = plan.builds[plan.good].version, plan.builds[plan.bad].version
        assert (str(first), str(last)) == (
            alpha(1, minor="1.29"),
            "1.30.0-alpha.3+v1.30.0-alpha.2-1-g00000000aa",
        )
        return
    plan = plan_bisection(good, bad, store=store, now=NOW)  # type: ignore[arg-type] # each is one of its types
    assert (plan.builds[0].version.distance, plan.builds[-1].version.distance) == found
    assert (plan.good, plan.bad) == (0, len(plan.builds) - 1)


def test_an_end_that_is_not_named_is_a_build_that_can_be_tested() -> None:
    """``newest`` and a date pass over what cannot be tested, outward for what was good, back for what is newest."""
    store = of_master(7, untestable=[2, 7], every=DAY)
    plan = plan_bisection("2024-05-01", "newest", store=store, now=NOW)
    assert [each.version.distance for each in plan.builds] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    ("good", "bad", "kind", "said"),
    [
        (alpha(5), alpha(2), UsageError, "which is newer than BAD"),
        ("newest", "2024-05-06T15:30Z", UsageError, "which is newer than BAD"),
        (alpha(2), alpha(2), UsageError, "are the same build"),
        ("2024-05-06T17:30Z", "newest", UsageError, "are the same build"),
        (patch(1), alpha(2), UsageError, "GOOD is .* a build of release-1.29, and not of master"),
        (alpha(1), "never", UsageError, "BAD is 'never', which is neither"),
        ("", "newest", UsageError, "GOOD is '', which is neither"),
        (alpha(1), "2024-13-01", UsageError, "is not a time"),
        (alpha(1), 5, UsageError, "BAD is 5, of type int"),
        (NOW.replace(tzinfo=None), "newest", UsageError, "GOOD is .* which has no time zone"),
        (alpha(99), "newest", NoTestableBuildError, "there is no such build of master in mem://bucket/"),
        ("abcdef0", "newest", NoTestableBuildError, "GOOD is commit abcdef0, and no build"),
        (alpha(1), "fedcba9", NoTestableBuildError, "BAD is commit fedcba9, and no build"),
        ("2020-01-01", "newest", NoTestableBuildError, "no build of master had been uploaded by then"),
    ],
)
def test_ends_that_are_not_valid(good: object, bad: object, kind: type[Exception], said: str) -> None:
    """Ends that are equal, in the wrong order, of two branches, gone or nonsense are refused, with what to do."""
    culprit = Culprit(3)
    with pytest.raises(kind, match=said) as caught:
        find(of_master(5), culprit, good=good, bad=bad)
    assert getattr(caught.value, "hint", "")
    assert culprit.tested == []


def test_what_exists_is_named_where_an_end_is_gone() -> None:
    """The hint says from which to which there are builds."""
    with pytest.raises(NoTestableBuildError) as caught:
        find(of_master(5), Culprit(3), good=alpha(0))
    assert f"from {alpha(1)} to {alpha(5)}" in caught.value.hint


def test_a_channel_without_builds() -> None:
    """There is nothing to bisect, whatever the ends are."""
    with pytest.raises(NoTestableBuildError, match=r"there is no build of release-1\.29"):
        find(of_master(5), Culprit(3), good="newest", channel="release-1.29")


def test_a_range_of_builds_that_cannot_be_tested() -> None:
    """Where no build will do for an end, the reasons are told."""
    with pytest.raises(
        NoTestableBuildError, match=r"no build of master that BAD \(newest\) can mean"
    ) as caught:
        find(of_master(3, untestable=[1, 2, 3]), Culprit(2))
    assert caught.value.reasons[0] == f"{alpha(3)}: linux/arm64/nodeup is missing"


def test_the_channel_is_read_from_the_bad_end() -> None:
    """A build that only a release branch makes names the branch."""
    store = of_master(3)
    for number in (1, 2, 3):
        store.add_build(patch(number), at=NOW - (9 - number) * HOUR)
    assert find(store, Culprit(2), good=patch(1), bad=patch(3)).channel == "release-1.29"
    report = find(store, Culprit(2), good=patch(1), bad="newest", channel=Channel("release-1.29"))
    assert distances(report) == (1, 2)


def test_an_end_of_another_channel_is_told_by_the_store() -> None:
    """A name that two branches build is placed before it is refused."""
    store = with_branch(FakeStore())
    with pytest.raises(UsageError, match=r"BAD is .*beta.1-12-.* a build of release-1.30, and not of master"):
        bisect(alpha(1), beta(12), "master", test=Culprit(1), store=store, now=NOW)


def test_ends_that_do_not_hold() -> None:
    """It is said which end it was, and what could be done."""
    with pytest.raises(BisectionError, match=f"GOOD, {alpha(2)}, is bad".replace("+", r"\+")) as caught:
        find(of_master(5), Culprit(1), good=alpha(2))
    assert "--expand" in caught.value.hint
    with pytest.raises(BisectionError, match=f"BAD, {alpha(4)}, is good".replace("+", r"\+")):
        find(of_master(5), Culprit(5), bad=alpha(4))


def test_ends_that_do_not_hold_are_moved() -> None:
    """With `expand` builds outside of the range are tested too."""
    assert distances(find(of_master(9), Culprit(2), good=alpha(5), bad=alpha(6), expand=True)) == (1, 2)
    assert distances(find(of_master(9), Culprit(8), good=alpha(2), bad=alpha(3), expand=True)) == (7, 8)
    with pytest.raises(BisectionError, match="no build of master is good, back to") as caught:
        find(of_master(9), Culprit(1), good=alpha(5), expand=True)
    assert "--expand" not in caught.value.hint
    with pytest.raises(BisectionError, match="no build of master is bad, up to"):
        find(of_master(9), Culprit(10), bad=alpha(5), expand=True)


def test_ends_that_are_believed_are_not_tested() -> None:
    """And it is said that they were not."""
    culprit = Culprit(2)
    report = find(of_master(3), culprit, assume_ends=True)
    assert culprit.tested == [2]
    assert (report.good.is_tested, report.bad.is_tested) == (False, True)


def test_an_end_that_cannot_be_tested_is_believed() -> None:
    """The search goes on, and it is said that the end was not tested."""
    report = find(of_master(5, untestable=[1]), Culprit(2))
    assert distances(report) == (1, 2)
    assert not report.good.is_tested


# --------------------------------------------------------------------------------------------------
# Branches


def with_branch(store: FakeStore) -> FakeStore:
    """Lay out master and release-1.30 around its cut: both build betas of one tag."""
    for number in range(1, 6):
        store.add_build(alpha(number), at=NOW - (100 - number) * HOUR)
    for number in range(1, 13):
        store.add_build(beta(number), at=NOW - (60 - number) * HOUR)
    for number in range(1, 4):
        store.add_build(alpha(number, minor="1.31"), at=NOW - (20 - number) * HOUR)
    store.add_marker("release-1.30", "latest-ci.txt", beta(12))
    store.add_marker("master", "latest-ci.txt", alpha(3, minor="1.31"))
    return store


def test_a_range_across_a_cut_says_so() -> None:
    """Without a clone, which builds are master's is told by names and times, and `--repo` would settle it."""
    report = bisect(alpha(1), "newest", test=Culprit(3), store=with_branch(FakeStore()), now=NOW)
    assert any("--repo" in each.message for each in report.conditions), report.conditions
    assert {each.code for each in report.conditions} == {"channel-ambiguous"}


def test_a_branch_goes_back_to_before_its_cut() -> None:
    """A good build of master from before the cut is on the branch's line, and that is said."""
    store = with_branch(FakeStore())
    report = bisect(alpha(2), beta(12), "release-1.30", test=Culprit(5), store=store, now=NOW)
    assert str(report.good.version) in {alpha(4), beta(4)}
    assert any("crosses the cut of release-1.30" in each.message for each in report.conditions)


def test_what_was_in_doubt_is_told_again_by_the_run_that_goes_on(tmp_path: Path) -> None:
    """The state file keeps the conditions whole."""
    store, state = with_branch(FakeStore()), tmp_path / "state.json"
    first, second = (
        find(
            store, Culprit(5), good=alpha(2), bad=beta(12), channel="release-1.30", state=state, test_name={}
        )
        for _ in range(2)
    )
    assert first.conditions
    assert second.conditions == first.conditions


class TestWithClone:
    """A clone tells which builds are whose, and what was merged between."""

    @pytest.fixture(autouse=True)
    def _isolated(self, isolated_git: None) -> None:
        """No git of these tests sees the settings of whoever runs them."""

    @staticmethod
    def clone(
        path: Path, *, built: Iterable[int] = range(1, 9), count: int = 8
    ) -> tuple[FakeStore, list[str]]:
        """Make a clone of master with that many merges, and a store with builds of some."""
        repository = GitRepository.create(path)
        ids = [
            repository.commit("refs/remotes/origin/master", when=NOW - (count - n) * HOUR, sides=1)
            for n in range(count)
        ]
        store = FakeStore()
        for number in built:
            name = f"1.30.0-alpha.2+v1.30.0-alpha.1-{number}-g{ids[number - 1][:10]}"
            store.add_build(name, at=NOW - (count + 1 - number) * HOUR)
        return store, ids

    def test_each_merge_between_is_named(self, tmp_path: Path) -> None:
        """With its subject, and whether it was built at all."""
        store, ids = self.clone(tmp_path / "kops", built=[1, 2, 5, 6, 8])
        report = bisect(ids[0], ids[7], test=Culprit(4), store=store, now=NOW, repo=tmp_path / "kops")
        assert distances(report) == (2, 5)
        assert report.merges is not None
        assert [(each.commit, each.subject) for each in report.merges] == [
            (commit, "on refs/remotes/origin/master") for commit in ids[2:5]
        ]
        assert [each.version and each.version.distance for each in report.merges] == [None, None, 5]
        assert report.conditions == ()

    def test_a_merge_that_was_not_built_is_an_end(self, tmp_path: Path) -> None:
        """What was good there was good in the build before it; what is bad there is bad in the build after it."""
        store, ids = self.clone(tmp_path / "kops", built=[1, 3, 5, 7, 8])
        plan = plan_bisection(ids[3][:12], ids[5][:12], store=store, now=NOW, repo=tmp_path / "kops")
        assert [each.version.distance for each in plan.builds] == [3, 5, 7]

    def test_a_commit_of_a_merged_branch_is_its_merge(self, tmp_path: Path) -> None:
        """Builds are of merges: what a pull request brought came with its merge."""
        store, _ = self.clone(tmp_path / "kops")
        side = GitRepository(tmp_path / "kops", tmp_path / "kops" / ".git").git(
            "rev-parse", "refs/remotes/origin/master~4^2"
        )
        plan = plan_bisection(side, "newest", store=store, now=NOW, repo=tmp_path / "kops")
        assert plan.builds[0].version.distance == 4

    def test_a_commit_of_another_branch(self, tmp_path: Path) -> None:
        """It is on no line that is searched, which is said before anything is tested."""
        store, _ = self.clone(tmp_path / "kops")
        repository = GitRepository(tmp_path / "kops", tmp_path / "kops" / ".git")
        other = repository.commit("elsewhere", when=NOW)
        with pytest.raises(UsageError, match=f"commit '{other}' is not on master"):
            find(store, Culprit(2), good=other, repo=tmp_path / "kops")

    def test_a_commit_that_the_clone_does_not_have(self, tmp_path: Path) -> None:
        """The hint is another than without a clone."""
        store, _ = self.clone(tmp_path / "kops")
        with pytest.raises(NoTestableBuildError) as caught:
            find(store, Culprit(2), good="0" * 40, repo=tmp_path / "kops")
        assert "up to date" in caught.value.hint

    def test_a_branch_goes_back_to_before_its_cut(self, tmp_path: Path) -> None:
        """A clone says exactly which builds of master are on the branch's line."""
        store, ids = self.clone(tmp_path / "kops")
        repository = GitRepository(tmp_path / "kops", tmp_path / "kops" / ".git")
        repository.branch("origin/release-1.30", at=ids[4])
        own = [repository.commit("origin/release-1.30", when=NOW - HOUR) for _ in range(3)]
        for number, commit in enumerate(own, start=6):
            store.add_build(f"1.30.0-beta.1+v1.30.0-alpha.2-{number}-g{commit[:10]}", at=NOW - HOUR)
        plan = plan_bisection(ids[1], own[2], "release-1.30", store=store, now=NOW, repo=tmp_path / "kops")
        assert [each.version.distance for each in plan.builds] == [2, 3, 4, 5, 6, 7, 8]
        (said,) = plan.conditions
        assert said.message.endswith("its first builds are master's, told by a clone")
        assert "--repo" not in said.message

    def test_a_url_is_a_clone_too(self, tmp_path: Path) -> None:
        """It is fetched as deep as the builds between."""
        store, ids = self.clone(tmp_path / "kops", built=[1, 2, 5, 6, 8])
        upstream = GitRepository(tmp_path / "kops", tmp_path / "kops" / ".git")
        upstream.branch("master", at=ids[-1])
        upstream.configure("[uploadpack]\n\tallowFilter = true\n")
        from kopsversion.witness.address import CloneUrl

        url = CloneUrl((tmp_path / "kops").as_uri(), cache=tmp_path / "cache")
        report = bisect(ids[0], ids[7], test=Culprit(4), store=store, now=NOW, repo=url)
        assert report.merges is not None
        assert [each.commit for each in report.merges] == ids[2:5]

    def test_a_url_that_cannot_be_fetched(self, tmp_path: Path) -> None:
        """The search goes on without, and says so."""
        from kopsversion.witness.address import CloneUrl

        url = CloneUrl((tmp_path / "none").as_uri(), cache=tmp_path / "cache")
        report = find(of_master(5), Culprit(3), repo=url)
        assert distances(report) == (2, 3)
        assert report.merges is None
        assert {each.code for each in report.conditions} == {"git-unavailable"}

    def test_a_clone_that_fails_on_the_way(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """What was found is reported all the same."""

        def fail(self: Merges, *_: object) -> None:
            raise self._git.garbled("no such thing")

        store, ids = self.clone(tmp_path / "kops")
        monkeypatch.setattr(Merges, "between", fail)
        monkeypatch.setattr(Merges, "line", fail)
        report = bisect(ids[0], ids[7], test=Culprit(4), store=store, now=NOW, repo=tmp_path / "kops")
        assert report.merges is None
        assert any("the merges between" in each.message for each in report.conditions)


def test_names_without_commits_have_no_link() -> None:
    """A tag's own build between others holds no commit, so there is nothing to compare, and nothing to read."""
    store = FakeStore()
    for number, name in enumerate(("1.29.1+v1.29.0", "1.29.1+v1.29.0-4-g0000000004")):
        store.add_build(name, at=NOW - (5 - number) * HOUR)
    report = bisect(
        "1.29.1+v1.29.0", "newest", "1.29", test=lambda b: b.version.distance == 0, store=store, now=NOW
    )
    assert report.compare is None
    assert report.merges is None


# --------------------------------------------------------------------------------------------------
# The state


class StoppedError(Exception):
    """Something ends a bisection in the middle."""


def stopping(after: int, culprit: Culprit) -> Callable[[BuildUnderTest], Outcome]:
    """Test that many builds, then stop."""

    def test(build: BuildUnderTest) -> Outcome:
        if len(culprit.tested) == after:
            raise StoppedError
        return culprit(build)

    return test


@pytest.mark.parametrize("after", range(7))
def test_a_bisection_is_resumed(tmp_path: Path, after: int) -> None:
    """What was tested is not tested again, and builds that came meanwhile do not matter."""
    state = tmp_path / "state.json"
    store, culprit = of_master(20), Culprit(13)
    whole = find(of_master(20), Culprit(13))
    try:
        find(store, stopping(after, culprit), state=state)
    except StoppedError:
        store.add_build(alpha(21), at=NOW - timedelta(minutes=30))
        store.add_build("1.30.0-alpha.2+v1.30.0-alpha.1-12-gffffffffff", at=NOW - timedelta(minutes=30))
    report = find(store, culprit, state=state)
    assert (report.good, report.bad, report.tested) == (whole.good, whole.bad, whole.tested)
    assert len(culprit.tested) == len(set(culprit.tested))
    assert [each.name for each in tmp_path.iterdir()] == ["state.json"]


def test_a_bisection_that_is_over_is_told_again(tmp_path: Path) -> None:
    """Nothing is tested any more, and the report is the same."""
    store, culprit = of_master(9), Culprit(4)
    first = find(store, culprit, state=tmp_path / "state.json")
    assert find(store, Culprit(1), state=tmp_path / "state.json") == first


def test_a_build_that_is_gone_meanwhile_is_stepped_over(tmp_path: Path) -> None:
    """It is on the plan, and no longer in the store."""
    store, culprit = of_master(5), Culprit(3)
    with pytest.raises(StoppedError):
        find(store, stopping(2, culprit), state=tmp_path / "state.json")
    for name in [name for name in store.held if name.startswith(f"{alpha(3)}/")]:
        del store.held[name]
    report = find(store, culprit, state=tmp_path / "state.json")
    assert distances(report) == (2, 4)
    assert report.untested[0].reason


def test_a_store_that_fails_is_no_reason_to_step_over_a_build(tmp_path: Path) -> None:
    """It says nothing about the build, so it ends the search, which can go on later."""
    store, culprit = of_master(5), Culprit(3)
    store.fail(f"list {alpha(3)}/")
    with pytest.raises(StoreUnavailableError, match=r"it could not be learnt whether .* is testable"):
        find(store, culprit, state=tmp_path / "state.json")
    assert culprit.tested == [1, 5]
    store._faults.clear()
    assert distances(find(store, culprit, state=tmp_path / "state.json")) == (2, 3)


def test_a_store_that_does_not_list_all_builds() -> None:
    """A part is never taken for the whole."""
    store = of_master(5)
    store.fail("list 1.30. /")
    with pytest.raises(StoreUnavailableError):
        find(store, Culprit(3))


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("GOOD", {"good": alpha(2)}),
        ("BAD", {"bad": alpha(9)}),
        ("expand", {"expand": True}),
        ("assume-ends", {"assume_ends": True}),
        ("command", {"test_name": {"command": ["b"]}}),
        ("repo", {"repo": "elsewhere"}),
        ("as-of", {"as_of": NOW}),
    ],
)
def test_a_changed_question_is_refused(tmp_path: Path, name: str, other: dict[str, object]) -> None:
    """The file answers the question that it was made for, and it is said what differs."""
    asked: dict[str, object] = {"state": tmp_path / "state.json", "test_name": {"command": ["a"]}}
    find(of_master(9), Culprit(4), **asked)
    before = (tmp_path / "state.json").read_bytes()
    if name == "repo":
        GitRepository.create(tmp_path / "kops").commit("refs/remotes/origin/master", when=NOW)
        other = {"repo": tmp_path / "kops"}
    with pytest.raises(UsageError, match=f"is of another bisection: its {name} is"):
        find(of_master(9), Culprit(4), **{**asked, **other})
    assert (tmp_path / "state.json").read_bytes() == before


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda _: "",
        lambda _: "[]",
        lambda _: '{"schema": 1}',
        lambda text: text.replace('"schema": 1', '"schema": 2'),
        lambda text: text.replace('"asked"', '"Asked"'),
        lambda text: text.replace('"builds"', '"Builds"'),
        lambda text: text.replace(alpha(2), alpha(3)),
        lambda text: text.replace('"good": 0', '"good": true'),
        lambda text: text.replace('"bad": 4', '"bad": 9'),
        lambda text: text.replace('"bad": 4', '"bad": "4"'),
        lambda text: text.replace('"outcome": "good"', '"outcome": "fine"'),
        lambda text: text.replace('"channel": "master"', '"channel": "main"'),
        lambda text: text.replace("+00:00", ""),
        lambda text: text.replace('"conditions": []', '"conditions": [{"code": 5}]'),
        lambda text: text.replace('"conditions": []', '"conditions": 5'),
        lambda text: text.replace('"statuses": []', '"statuses": ["0"]'),
        lambda text: text.replace('"findings": [', '"findings": [{},'),
        lambda _: "[" * 100_000,
        lambda _: " " * (17 << 20),
    ],
)
def test_a_damaged_state_file_is_refused(tmp_path: Path, damage: Callable[[str], str]) -> None:
    """It is neither believed nor overwritten."""
    state = tmp_path / "state.json"
    find(of_master(5), Culprit(4), state=state)
    damaged = damage(state.read_text())
    assert damaged != state.read_text()
    state.write_text(damaged)
    with pytest.raises(UsageError, match=r"is damaged|is of another bisection") as caught:
        find(of_master(5), Culprit(4), state=state)
    assert caught.value.hint
    assert state.read_text() == damaged


def test_two_bisections_cannot_use_one_file(tmp_path: Path) -> None:
    """The second is refused at once, while the first one runs, and disturbs nothing."""
    state, store = tmp_path / "state.json", of_master(5)

    def test(build: BuildUnderTest) -> bool:
        with pytest.raises(UsageError, match="another bisection is using the state file"):
            find(store, Culprit(4), state=state)
        return (build.version.distance or 0) < 4

    assert distances(find(store, test, state=state)) == (3, 4)
    assert json.loads(state.read_text())["findings"]


def test_a_lock_that_was_just_taken_away_is_taken_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever held it removes it at the end, perhaps between our opening it and locking it."""
    from kopsversion.workflows import bisection_state

    answers = iter([False, True])
    monkeypatch.setattr(bisection_state, "_is_still", lambda *_: next(answers))
    with BisectionState(tmp_path / "state.json", {}).held():
        assert (tmp_path / ".state.json.lock").exists()
    assert list(tmp_path.iterdir()) == []


def test_a_lock_that_is_gone_is_not_held(tmp_path: Path) -> None:
    """A file that was removed is not the one that its name leads to."""
    from kopsversion.workflows.bisection_state import _is_still

    with (tmp_path / "a").open("w") as file:
        assert _is_still(tmp_path / "a", file.fileno())
        (tmp_path / "a").unlink()
        assert not _is_still(tmp_path / "a", file.fileno())


def test_a_state_file_that_cannot_be(tmp_path: Path) -> None:
    """It is refused before anything is tested."""
    culprit = Culprit(4)
    (tmp_path / "a directory").mkdir()
    (tmp_path / "closed").symlink_to("closed")
    for path in (tmp_path / "none" / "state.json", tmp_path / "a directory", tmp_path / "closed"):
        with pytest.raises(UsageError, match="cannot be"):
            find(of_master(5), culprit, state=path)
    assert culprit.tested == []


def test_git_errors_are_not_lost() -> None:
    """A clone that is none is refused before anything is asked."""
    with pytest.raises((UsageError, GitWitnessError)):
        find(of_master(5), Culprit(4), repo="ext::sh -c id")
