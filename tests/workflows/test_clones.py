"""A URL is asked only where something is in doubt, once, and in every command alike (DESIGN section 4, witness 1)."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from kopsversion.cli.toolbox import resolve
from kopsversion.errors import GitWitnessError, NoTestableBuildError, PromotionRefusedError, UsageError
from kopsversion.model.advice import REPO_OPTION
from kopsversion.model.answer import Condition, Severity
from kopsversion.model.channel import BRANCH_MARKER, GREEN_MARKER, Attribution, Certainty, Channel, Witness
from kopsversion.model.policy import Policy, Strategy
from kopsversion.model.version import BuildVersion
from kopsversion.publish.promote import promote
from kopsversion.rules import inquiry
from kopsversion.rules.attribution import attribute
from kopsversion.rules.doubt import builds_in_doubt
from kopsversion.stores.deadline import Deadline
from kopsversion.witness import fetching
from kopsversion.witness.address import CloneUrl
from kopsversion.workflows.between import list_between
from kopsversion.workflows.bisect import bisect, plan_bisection
from kopsversion.workflows.clones import CloneSource
from kopsversion.workflows.find import find_build
from kopsversion.workflows.latest import resolve_latest
from kopsversion.workflows.listing import list_channel
from kopsversion.workflows.many import resolve_many
from kopsversion.workflows.survey import check_health
from tests.builders import DAY, HOUR, NOW
from tests.fake_store import FakeStore
from tests.git_repos import GitRepository
from tests.git_server import allow_filter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from kopsversion.model.bucket import Build

pytestmark = pytest.mark.usefixtures("isolated_git")

NEWEST = Policy(strategy=Strategy.NEWEST)
MASTER = Channel("master")


def beta(distance: int, commit: str) -> str:
    return f"1.30.0-beta.2+v1.30.0-beta.1-{distance}-g{commit[:10]}"


class Kops:
    """kops' own repository, in which release-1.30 left master two weeks ago, and a store in the shared window."""

    def __init__(self, path: Path) -> None:
        start = int((NOW - 20 * DAY).timestamp())
        self.repo = GitRepository.create(path / "kops", bare=True)
        self.trunk = self.repo.commits("master", 3, start=start, sides=1)
        self.repo.branch("release-1.30", at=self.trunk[-1])
        self.master = self.repo.commits("master", 3, start=start + 86400, sides=1)
        self.release = self.repo.commits("release-1.30", 3, start=start + 90000, sides=1)
        allow_filter(self.repo.path)
        self.url = CloneUrl(f"file://{self.repo.path}", path / "cache")
        self.store = FakeStore()
        for distance, (ours, theirs) in enumerate(zip(self.master, self.release, strict=True), start=1):
            self.store.add_build(beta(distance, ours), at=NOW - DAY * (9 - distance))
            self.store.add_build(beta(distance + 5, theirs), at=NOW - DAY * (9 - distance) + HOUR)


@pytest.fixture
def kops(tmp_path: Path) -> Kops:
    return Kops(tmp_path)


@pytest.fixture
def nowhere(tmp_path: Path) -> CloneUrl:
    """A URL that would be complained of, if it were asked."""
    return CloneUrl(f"file://{tmp_path}/nowhere", tmp_path / "cache")


def codes(conditions: tuple[Condition, ...]) -> dict[str, Severity]:
    return {each.code: each.severity for each in conditions if not each.code.startswith("marker-")}


class TestInDoubt:
    @pytest.mark.parametrize(("channel", "distance"), [("master", 3), ("1.30", 8)])
    def test_a_build_in_doubt_is_settled(self, kops: Kops, channel: str, distance: int) -> None:
        """Around a branch cut both branches use the same names."""
        without = resolve_latest(channel, store=kops.store, now=NOW, policy=NEWEST)
        assert "channel-ambiguous" in codes(without.conditions)
        found = resolve_latest(channel, store=kops.store, now=NOW, policy=NEWEST, repo=kops.url)
        assert found.version.distance == distance
        assert (found.attribution.witness, found.attribution.certainty) == (Witness.GIT, Certainty.EXACT)
        assert "channel-ambiguous" not in codes(found.conditions)

    def test_a_text_is_a_url_too(self, kops: Kops, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """As a library's user would write it; what is fetched is kept in the user's cache."""
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
        found = resolve_latest("master", store=kops.store, now=NOW, policy=NEWEST, repo=kops.url.text)
        assert found.attribution.witness is Witness.GIT
        assert (tmp_path / "xdg/kopsversion/git").is_dir()

    def test_a_disputed_order_is_settled(self, kops: Kops) -> None:
        """A bump that was taken back leaves a name that is too high; on the branch it lies where it was merged."""
        commits = kops.repo.commits("master", 6, start=int((NOW - 7 * DAY).timestamp()), step=86400, sides=1)
        names = [
            f"1.31.0-alpha.2+v1.31.0-alpha.1-{n}-g{each[:10]}" for n, each in enumerate(commits[2:], start=8)
        ]
        before = f"1.31.0-alpha.2+v1.31.0-alpha.1-6-g{commits[0][:10]}"
        high = f"1.32.0-alpha.1+v1.31.0-alpha.1-7-g{commits[1][:10]}"
        store = FakeStore()
        for age, name in zip(range(7, 1, -1), [before, high, *names], strict=True):
            store.add_build(name, at=NOW - age * DAY + HOUR)
        without = resolve_latest("master", store=store, now=NOW, policy=NEWEST)
        assert codes(without.conditions)["order-disputed"] is Severity.WARNING
        found = resolve_latest("master", store=store, now=NOW, policy=NEWEST, repo=kops.url)
        assert str(found.version) == names[-1]
        assert found.attribution.witness is Witness.GIT
        assert "order-disputed" not in codes(found.conditions)

    def test_old_builds_are_told_from_a_quiet_branch(self, kops: Kops, nowhere: CloneUrl) -> None:
        """Without a clone nobody can tell; with one either merges wait, or nothing is the matter."""
        name = f"1.31.0-alpha.1+v1.30.0-beta.1-9-g{kops.master[-1][:10]}"
        store = FakeStore()
        store.add_build(name, at=NOW - 18 * DAY)
        assert codes(resolve_latest("master", store=store, now=NOW).conditions) == {
            "builds-old": Severity.WARNING
        }
        found = resolve_latest("master", store=store, now=NOW, repo=kops.url)
        assert codes(found.conditions) == {}
        kops.repo.commit("master", when=NOW - DAY, sides=1)
        (stalled,) = [
            each
            for each in resolve_latest("master", store=store, now=NOW, repo=kops.url).conditions
            if each.code == "builds-stalled"
        ]
        assert stalled.data["commits_behind"] == 1
        unreachable = resolve_latest("master", store=store, now=NOW, repo=nowhere)
        assert codes(unreachable.conditions) == {
            "builds-old": Severity.WARNING,
            "git-unavailable": Severity.WARNING,
        }

    def test_a_branch_whose_builds_seem_another_s_is_in_doubt(
        self, kops: Kops, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Where names give them to master, and are not sure of that."""
        store = FakeStore()
        name = beta(4, kops.release[1])
        store.add_build(name, at=NOW - 2 * DAY)
        perhaps = Attribution("master", Witness.LINEAGE, Certainty.DOUBTFUL)
        given = attribute

        def unsure(builds: Iterable[Build], **known: Any) -> Mapping[BuildVersion, Attribution]:
            found = given(builds, **known)
            return {each: told if told.witness is Witness.GIT else perhaps for each, told in found.items()}

        monkeypatch.setattr(inquiry, "attribute", unsure)
        with pytest.raises(NoTestableBuildError) as caught:
            resolve_latest("1.30", store=store, now=NOW, policy=NEWEST)
        assert REPO_OPTION in str(caught.value.reasons)
        assert str(resolve_latest("1.30", store=store, now=NOW, policy=NEWEST, repo=kops.url).version) == name

    def test_a_list_is_settled(self, kops: Kops) -> None:
        """Each build is listed with what git says of it."""
        listing = list_channel("1.30", store=kops.store, now=NOW, repo=kops.url)
        assert [row.version.distance for row in listing.rows] == [8, 7, 6]
        assert {row.attribution.witness for row in listing.rows} == {Witness.GIT}
        everything = list_channel(store=kops.store, now=NOW, repo=kops.url)
        assert all(row.attribution.certainty is not Certainty.DOUBTFUL for row in everything.rows)

    def test_a_check_is_settled_for_each_channel(self, kops: Kops) -> None:
        """From one cache."""
        for ref in ("master", "release-1.30"):
            kops.store.add_marker(ref, "unrelated.txt", beta(1, kops.master[0]))
        report = check_health(["master", "1.30"], store=kops.store, now=NOW, repo=kops.url)
        newest = {health.channel: health.newest for health in report.channels}
        assert {channel: seen and seen.version.distance for channel, seen in newest.items()} == {
            "master": 3,
            "release-1.30": 8,
        }
        told = {finding.condition.code for health in report.channels for finding in health.findings}
        assert "channel-ambiguous" not in told

    def test_a_promotion_is_settled(self, kops: Kops) -> None:
        """A build that may be another branch's is not promoted on a guess."""
        version = BuildVersion.parse(beta(3, kops.master[-1]))

        def promoted(repo: CloneUrl | None) -> Witness:
            deadline = Deadline(60)
            source = CloneSource.of(repo=repo, nearby=None, ref=None, deadline=deadline)
            promotion = promote(
                kops.store,
                version,
                channel=MASTER,
                marker=GREEN_MARKER,
                policy=Policy(),
                now=NOW,
                deadline=deadline,
                clone=source.open(MASTER),
                dry_run=True,
            )
            return promotion.attribution.witness

        with pytest.raises(PromotionRefusedError) as caught:
            promoted(None)
        assert "--repo" in caught.value.hint
        assert promoted(kops.url) is Witness.GIT

    def test_it_is_fetched_once(self, kops: Kops, monkeypatch: pytest.MonkeyPatch) -> None:
        """What a first try did not settle, a second would not; a second store asks what is known by then."""
        tried = []
        read = fetching.Cache.read_line

        def counted(self: fetching.Cache, wanted: fetching.Wanted, *, timeout: float) -> object:
            tried.append(wanted)
            return read(self, wanted, timeout=timeout)

        monkeypatch.setattr(fetching.Cache, "read_line", counted)
        broken = FakeStore(url="mem://other/")
        broken.add_build(beta(9, "1" * 40), at=NOW - DAY, without=("linux/arm64/nodeup",))
        resolve_latest(
            "master", store=[broken, kops.store], now=NOW, policy=NEWEST, repo=kops.url, next_store_on="none"
        )
        assert len(tried) == 1


class TestCommandLine:
    @pytest.mark.parametrize("how", ["option", "environment"])
    def test_the_cache_is_where_the_user_says(
        self, kops: Kops, demo_bucket: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
    ) -> None:
        """By an option, or by its variable; without a URL it has no meaning."""
        cache = tmp_path / "mine"
        words = ["master", "--store", str(demo_bucket), "--as-of", "2024-05-06T18:00:00Z"]
        told = {"--repo": kops.url.text, "--git-cache": str(cache)}
        environ = {"KOPSVERSION_REPO": told["--repo"], "KOPSVERSION_GIT_CACHE": told["--git-cache"]}
        if how == "option":
            words += [word for pair in told.items() for word in pair]
        ended = CliRunner().invoke(resolve, words, env=environ if how == "environment" else {})
        assert ended.exit_code == 0
        assert "clone-behind" in ended.stderr  # it is asked, and is of another history
        assert len(list(cache.glob("*.git"))) == 1
        monkeypatch.chdir(tmp_path)
        for repo in ([], ["--repo", str(kops.repo.path)]):
            ended = CliRunner().invoke(resolve, [*words[:5], "--git-cache", str(tmp_path / "unused"), *repo])
            assert ended.exit_code == 0
        assert not (tmp_path / "unused").exists()


class TestNotInDoubt:
    def test_where_nothing_is_in_doubt_nothing_is_fetched(self, nowhere: CloneUrl) -> None:
        """And nothing is said of it, in any command."""
        name = "1.30.1+v1.30.0-7-g1234567890"
        store = FakeStore()
        store.add_build(name, at=NOW - DAY)
        store.add_marker("release-1.30", BRANCH_MARKER, name, at=NOW - DAY)
        store.add_marker("release-1.30", GREEN_MARKER, name, at=NOW - DAY)
        assert resolve_latest("1.30", store=store, now=NOW, repo=nowhere).conditions == ()
        assert list_channel("1.30", store=store, now=NOW, repo=nowhere).conditions == ()
        report = check_health(["1.30"], store=store, now=NOW, repo=nowhere)
        assert [finding for health in report.channels for finding in health.findings] == []

    def test_a_version_by_itself_is_never_in_doubt(self, kops: Kops, nowhere: CloneUrl) -> None:
        """Who names a build knows what it is."""
        name = beta(3, kops.master[-1])
        assert str(resolve_latest(name, store=kops.store, now=NOW, repo=nowhere).version) == name


class TestUnfetched:
    def test_the_answer_is_the_one_without_and_what_to_do_is_said(
        self, kops: Kops, nowhere: CloneUrl
    ) -> None:
        """What cannot be fetched falls to the next witness."""
        without = resolve_latest("master", store=kops.store, now=NOW, policy=NEWEST)
        found = resolve_latest("master", store=kops.store, now=NOW, policy=NEWEST, repo=nowhere)
        assert (found.version, found.attribution) == (without.version, without.attribution)
        (told,) = [each for each in found.conditions if each.code == "git-unavailable"]
        assert told.severity is Severity.WARNING
        assert str(nowhere) in told.message
        assert "name a directory that is a clone of kops" in told.message
        for listing in (list_channel("master", store=kops.store, now=NOW, repo=nowhere),):
            assert codes(listing.conditions)["git-unavailable"] is Severity.WARNING

    def test_a_build_that_is_not_in_the_repository_is_said(self, kops: Kops) -> None:
        """It is another repository's, and no fetching helps."""
        store = FakeStore()
        store.add_build("1.30.0-alpha.2+v1.30.0-alpha.1-9-g1111111111", at=NOW - 18 * DAY)
        found = resolve_latest("master", store=store, now=NOW, policy=NEWEST, repo=kops.url)
        (behind,) = [each for each in found.conditions if each.code == "clone-behind"]
        assert behind.severity is Severity.WARNING
        assert f"see whether {kops.url} is the repository that is built" in behind.message

    def test_what_cannot_be_a_clone_is_a_usage_error(self, kops: Kops) -> None:
        """Before anything is asked."""
        for text in ("ext::sh -c true", "--upload-pack=x", "ftp://host/kops"):
            with pytest.raises(UsageError):
                resolve_latest("master", store=kops.store, now=NOW, repo=text)
        assert kops.store.calls == []

    def test_a_ref_that_is_none_is_a_usage_error(self, kops: Kops) -> None:
        """It is seen when it is needed."""
        with pytest.raises(UsageError, match="cannot be the name of a branch"):
            resolve_latest("master", store=kops.store, now=NOW, policy=NEWEST, repo=kops.url, ref="a..b")

    def test_a_directory_that_is_none_is_still_an_error(self, kops: Kops, tmp_path: Path) -> None:
        """A text that is no URL names a directory."""
        with pytest.raises(GitWitnessError):
            resolve_latest("master", store=kops.store, now=NOW, repo=str(tmp_path / "gone"))


def test_the_builds_in_doubt_are_read_from_what_is_said() -> None:
    """Whatever names a build in a condition that a clone would settle; each once."""
    one, other, third = (f"1.30.0-beta.2+v1.30.0-beta.1-{n}-g000000000{n}" for n in (1, 2, 3))
    told = [
        Condition(
            "channel-ambiguous", Severity.WARNING, "", {"version": one, "rivals": ("x", third, one), "n": 3}
        ),
        Condition("builds-old", Severity.WARNING, "", {"newest": other, "age_seconds": 9}),
        Condition("marker-doubtful", Severity.WARNING, "", {"marker": "markers/x", "version": one}),
        Condition("builds-refused", Severity.WARNING, "", {"version": "1.29.0"}),
    ]
    assert list(map(str, builds_in_doubt(told))) == [one, third, other]


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (resolve_latest, ("master",)),
        (resolve_many, (("master",),)),
        (list_channel, ("master",)),
        (check_health, (("master",),)),
        (find_build, (beta(1, "0" * 10),)),
        (list_between, (beta(1, "0" * 10), "newest")),
        (plan_bisection, (beta(1, "0" * 10), "newest")),
        (
            lambda *ends, **more: bisect(*ends, test=lambda _build: True, **more),
            (beta(1, "0" * 10), "newest"),
        ),
    ],
)
def test_a_directory_that_is_not_kops_is_an_error_in_every_function(
    kops: Kops, tmp_path: Path, function: Callable[..., object], arguments: tuple[object, ...]
) -> None:
    """As it is said of each among the errors that it raises, or of the function whose errors it shares."""
    with pytest.raises(GitWitnessError):
        function(*arguments, store=kops.store, now=NOW, repo=tmp_path)
    said = inspect.getdoc(function)
    assert said is None or "GitWitnessError: " in said or "errors" in said
