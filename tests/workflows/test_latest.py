"""The library's face: selectors, stores, moments and clones, and what is said when one of them is of no use."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, get_type_hints

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import kopsversion
from kopsversion.cli.demo_bucket import AS_OF
from kopsversion.errors import (
    GitFault,
    GitWitnessError,
    KopsVersionError,
    MarkerRefusedError,
    NoTestableBuildError,
    StoreUnavailableError,
    UsageError,
)
from kopsversion.model.answer import Resolution, Severity, Source, Verdict
from kopsversion.model.channel import BRANCH_MARKER, GREEN_MARKER, Certainty, Witness
from kopsversion.model.policy import OnStale, Policy, Strategy
from kopsversion.model.version import BuildVersion
from kopsversion.workflows.latest import resolve_latest
from kopsversion.workflows.listing import ChannelListing, list_channel
from kopsversion.workflows.survey import check_health
from tests.builders import DAY, HOUR, NOW, STORE, alpha, patch
from tests.fake_store import URL, FakeStore
from tests.git_repos import GitRepository

if TYPE_CHECKING:
    from pathlib import Path

    from kopsversion.stores.base import Store

DEMO_MASTER = "1.29.0-alpha.4+v1.29.0-alpha.3-378-g22ce1230da"
DEMO_RELEASE = "1.29.0-beta.2+v1.29.0-beta.1-47-gf9a0ba0203"
OFFICIAL = "https://storage.googleapis.com/k8s-staging-kops/kops/releases"
LACKS_NODEUP = ("linux/arm64/nodeup", "linux/arm64/nodeup.sha256")


pytestmark = pytest.mark.usefixtures("isolated_git")


def codes(answer: Resolution | ChannelListing) -> dict[str, Severity]:
    return {condition.code: condition.severity for condition in answer.conditions}


def sentence(answer: Resolution | ChannelListing, code: str) -> str:
    (message,) = (condition.message for condition in answer.conditions if condition.code == code)
    return message


def versions(listing: ChannelListing) -> list[str]:
    return [str(row.version) for row in listing.rows]


@pytest.fixture(scope="module")
def demo(demo_bucket: Path) -> str:
    return str(demo_bucket)


@pytest.fixture
def store() -> FakeStore:
    """Some builds of master and of release-1.29, the newest of each named by its marker."""
    made = FakeStore()
    for distance in (1, 2, 3):
        made.add_build(alpha(distance), at=NOW - DAY * (4 - distance))
        made.add_build(patch(distance), at=NOW - DAY * (4 - distance))
    made.add_marker("master", GREEN_MARKER, alpha(3))
    made.add_marker("master", BRANCH_MARKER, alpha(3))
    made.add_marker("release-1.29", BRANCH_MARKER, patch(3))
    return made


class TestSelectors:
    """DESIGN section 9: selectors that kops' scripts already use keep their meaning."""

    @pytest.mark.parametrize(
        ("selector", "version", "markers"),
        [
            ("master", DEMO_MASTER, [GREEN_MARKER]),
            ("latest", DEMO_MASTER, [GREEN_MARKER]),
            ("release-1.29", DEMO_RELEASE, [GREEN_MARKER, BRANCH_MARKER]),
            ("1.29", DEMO_RELEASE, [GREEN_MARKER, BRANCH_MARKER]),
            (f"{OFFICIAL}/markers/master/latest-ci.txt", DEMO_MASTER, [BRANCH_MARKER]),
            (f"{OFFICIAL}/markers/master/{GREEN_MARKER}", DEMO_MASTER, [GREEN_MARKER]),
            (f"{OFFICIAL}/markers/release-1.29/latest-ci.txt", DEMO_RELEASE, [BRANCH_MARKER]),
            (
                "gs://k8s-staging-kops/kops/releases/markers/master/latest-ci.txt",
                DEMO_MASTER,
                [BRANCH_MARKER],
            ),
        ],
    )
    def test_a_selector_names_a_channel_and_perhaps_a_marker(
        self, demo: str, selector: str, version: str, markers: list[str]
    ) -> None:
        """A marker's URL names the channel, and the marker to cross-check."""
        found = resolve_latest(selector, store=demo, as_of=AS_OF)
        assert (str(found.version), [report.marker.name for report in found.markers]) == (version, markers)
        assert found.base_url == f"file://{demo}/{version}"

    def test_main_is_read_as_master_and_said(self, demo: str) -> None:
        """An information, that changes no status; a listing says it too."""
        found = resolve_latest("main", store=demo, as_of=AS_OF)
        assert (found.channel, str(found.version)) == ("master", DEMO_MASTER)
        (said,) = (each for each in found.conditions if each.code == "channel-renamed")
        assert said.severity is Severity.INFO
        assert said.message == "main is read as master: kops has no branch of the former name"
        assert said in list_channel("main", store=demo, as_of=AS_OF).conditions

    @pytest.mark.parametrize("selector", ["main", "master"])
    def test_markers_of_a_branch_main_are_not_passed_over_in_silence(
        self, store: FakeStore, selector: str
    ) -> None:
        """Whoever asks for main may mean them; whoever asks for master does not, and pays nothing for it."""
        store.add_marker("main", BRANCH_MARKER, alpha(1))
        found = resolve_latest(selector, store=store, now=NOW)
        listed = list_channel(selector, store=store, now=NOW)
        report = check_health([selector], store=store, now=NOW)
        for conditions in (found.conditions, listed.conditions, report.conditions):
            told = {each.severity for each in conditions if each.code == "channel-renamed"}
            assert told == ({Severity.INFO, Severity.WARNING} if selector == "main" else set())
        assert ("read markers/main/latest-ci.txt" in store.calls) is (selector == "main")
        assert found.channel == "master"

    def test_the_marker_of_a_tag_checks_that_version(self, demo: str) -> None:
        """FAILURES row 37: jobs of a release read ``markers/v1.28.4/latest-ci.txt``."""
        found = resolve_latest(f"{OFFICIAL}/markers/v1.28.4/latest-ci.txt", store=demo, as_of=AS_OF)
        assert (str(found.version), found.source) == ("1.28.4", Source.REQUEST)

    @pytest.mark.parametrize("selector", [DEMO_MASTER, f"v{DEMO_MASTER}"])
    def test_a_version_is_only_checked(self, demo: str, selector: str) -> None:
        """With or without its v; no marker is looked at."""
        found = resolve_latest(selector, store=demo, as_of=AS_OF)
        assert (str(found.version), found.source, found.markers) == (DEMO_MASTER, Source.REQUEST, ())

    def test_a_marker_that_the_policy_names_counts_more_than_a_url(self, store: FakeStore) -> None:
        """Who says ``--marker`` means it."""
        url = f"{OFFICIAL}/markers/master/latest-ci.txt"
        found = resolve_latest(url, store=store, policy=Policy(markers=("mine.txt",)), now=NOW)
        assert [report.marker.name for report in found.markers] == ["mine.txt"]

    @pytest.mark.parametrize(
        "selector",
        [
            "",
            "trunk",
            "release-master",
            "release-1",
            "1.30.",
            "v1.30",
            "release-1.30\n",
            "https://x/y",
            "://",
            "\0",
        ],
    )
    def test_what_is_neither_channel_nor_version_is_a_usage_error(
        self, store: FakeStore, selector: str
    ) -> None:
        """FAILURES row 11: ``release-master`` never existed; the store is not even asked."""
        with pytest.raises(UsageError) as caught:
            resolve_latest(selector, store=store)
        assert caught.value.hint
        assert store.calls == []

    @pytest.mark.parametrize("field", ["markers", "reported"])
    @pytest.mark.parametrize("bad", ["", "../../x", "a/b.txt", "a b", "x\n", ".hidden"])
    def test_a_marker_is_named_by_its_file_name_alone(self, store: FakeStore, field: str, bad: str) -> None:
        """A path could leave the channel's directory."""
        policy = Policy(markers=(bad,)) if field == "markers" else Policy(reported=(bad,))
        with pytest.raises(UsageError, match="not the name of a marker"):
            resolve_latest(store=store, policy=policy)


class TestStores:
    """Which stores are asked. What happens between them is tested with the ladder of DESIGN section 7."""

    def test_a_store_is_a_path_a_url_or_an_object(self, demo: str, store: FakeStore) -> None:
        """Several are given as a sequence of these."""
        for place in (demo, f"file://{demo}", [demo], (demo, store)):
            assert str(resolve_latest(store=place, as_of=AS_OF).version) == DEMO_MASTER
        assert str(resolve_latest(store=store, now=NOW).version) == alpha(3)
        assert resolve_latest(store=store, now=NOW).store == URL

    def test_no_store_at_all_is_a_usage_error(self) -> None:
        """An empty list is a mistake, not a wish for the default."""
        with pytest.raises(UsageError, match="no store"):
            resolve_latest(store=[])

    @pytest.mark.parametrize("bad", ["", "ftp://host/dir", "gs://", "https://user@mirror.example/x", "\0"])
    def test_a_store_that_is_not_valid_is_refused_before_any_is_asked(
        self, store: FakeStore, bad: str
    ) -> None:
        """Also the last one, which would be needed only on the worst of days."""
        for ask in (resolve_latest, list_channel):
            with pytest.raises(UsageError, match="does not name a store"):
                ask("master", store=[store, bad])
        assert store.calls == []

    def test_the_next_store_answers_where_one_cannot_be_reached_and_that_is_said(
        self, store: FakeStore, tmp_path: Path
    ) -> None:
        """FAILURES row 29: a fallback is never silent; neither in an answer nor in a list."""
        places: list[str | Store] = [str(tmp_path / "gone"), store]
        for answer in (resolve_latest(store=places, now=NOW), list_channel("master", store=places, now=NOW)):
            assert codes(answer)["store-unreachable"] is Severity.WARNING
            assert sentence(answer, "store-unreachable").endswith(f"the answer is from {URL}")
            assert answer.store == URL

    def test_where_none_can_be_reached_each_says_why(self, tmp_path: Path) -> None:
        """One error of all, for an answer and for a list alike."""
        places = [str(tmp_path / "gone"), str(tmp_path / "lost")]
        for ask in (resolve_latest, list_channel):
            with pytest.raises(StoreUnavailableError, match="none of 2 stores") as caught:
                ask("master", store=places)
            said = "\n".join(caught.value.reasons)
            assert "gone" in said
            assert "lost" in said

    def test_a_single_store_speaks_for_itself(self, tmp_path: Path) -> None:
        """Its own error is raised, not one about stores."""
        for ask in (resolve_latest, list_channel):
            with pytest.raises(StoreUnavailableError, match="could not"):
                ask("master", store=str(tmp_path / "gone"))

    def test_a_store_that_has_no_build_is_not_passed_over(self, store: FakeStore, tmp_path: Path) -> None:
        """It was reached, and its answer is that there is none."""
        with pytest.raises(NoTestableBuildError):
            resolve_latest(store=[str(tmp_path), store])

    def test_a_directory_compares_with_the_build_before_and_a_bucket_does_not(self, tmp_path: Path) -> None:
        """In a directory that costs nothing; a build that lost a file is chosen with a condition."""
        lost = ("images/kops-utils-cp-amd64.tar.gz", "images/kops-utils-cp-arm64.tar.gz")
        store = FakeStore()
        store.add_build(alpha(1), at=NOW - DAY)
        store.add_build(alpha(2), without=[path for each in lost for path in (each, f"{each}.sha256")])
        for path, held in store.held.items():
            file = tmp_path / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(held.data)
            os.utime(file, (held.uploaded.timestamp(),) * 2)
        assert "artifacts-differ" in codes(resolve_latest(store=str(tmp_path), now=NOW))
        assert "artifacts-differ" not in codes(resolve_latest(store=store, now=NOW))
        compared = resolve_latest(store=store, now=NOW, policy=Policy(compare_artifacts=True))
        assert codes(compared)["artifacts-differ"] is Severity.WARNING
        assert "lacks 4 files" in sentence(compared, "artifacts-differ")

    @pytest.mark.parametrize("seconds", [0.0, -1.0])
    def test_no_time_is_no_answer(self, demo: str, seconds: float) -> None:
        """A deadline that has passed is said to have passed."""
        with pytest.raises(StoreUnavailableError) as caught:
            resolve_latest(store="gs://nobody-asks-this-bucket/", timeout=seconds)
        assert "deadline" in str(caught.value.reasons)


class TestMoments:
    """What the clock says is an argument."""

    @pytest.mark.parametrize(
        "zone", [UTC, timezone(timedelta(hours=9)), timezone(-timedelta(hours=3, minutes=30))]
    )
    def test_a_moment_means_the_same_in_every_time_zone(self, store: FakeStore, zone: timezone) -> None:
        """It is kept in UTC."""
        by_now = resolve_latest(store=store, now=NOW.astimezone(zone))
        by_as_of = resolve_latest(store=store, as_of=NOW.astimezone(zone))
        assert by_now == resolve_latest(store=store, now=NOW)
        assert (by_as_of.now, by_as_of.now.tzinfo) == (NOW, UTC)

    @pytest.mark.parametrize("argument", ["now", "as_of"])
    def test_a_moment_without_a_time_zone_is_a_usage_error(self, store: FakeStore, argument: str) -> None:
        """Guessing one would be wrong for somebody; the error names the argument."""
        naive = datetime(2024, 5, 6, 18)  # noqa: DTZ001 # that is the mistake
        now, as_of = (naive, None) if argument == "now" else (None, naive)
        for ask in (resolve_latest, list_channel):
            with pytest.raises(
                UsageError, match=f"^{argument} is 2024-05-06 18:00:00, which has no time zone"
            ):
                ask("master", store=store, now=now, as_of=as_of)

    def test_as_of_sets_the_clock(self, store: FakeStore) -> None:
        """Whatever `now` says; and leaves out what is later."""
        moment = NOW - 2 * DAY + HOUR
        found = resolve_latest(store=store, as_of=moment, now=NOW)
        assert (str(found.version), found.now) == (alpha(2), moment)
        listed = list_channel("master", store=store, as_of=moment)
        assert (versions(listed), listed.now) == ([alpha(2), alpha(1)], moment)

    def test_now_alone_leaves_nothing_out(self, store: FakeStore) -> None:
        """A build of the future is merely not settled yet, while its branch's marker does not name it."""
        store.add_marker("master", BRANCH_MARKER, alpha(2))
        found = resolve_latest(store=store, now=NOW - DAY - HOUR)
        assert str(found.version) == alpha(2)
        assert [refusal.kind for refusal in found.refused] == ["unsettled"]

    def test_without_a_moment_it_is_the_clock_s(self, store: FakeStore) -> None:
        """The only place that reads one."""
        before = datetime.now(UTC)
        found = resolve_latest(store=store)
        assert before <= found.now <= datetime.now(UTC)
        assert "builds-old" in codes(found)


class Kops:
    """A clone of kops in which release-1.30 left master, and the ids that builds of both are named by."""

    def __init__(self, path: Path) -> None:
        self.repo = GitRepository.create(path)
        start = int((NOW - 20 * DAY).timestamp())
        self.trunk = self.repo.commits("origin/master", 3, start=start)
        self.repo.branch("origin/release-1.30", at=self.trunk[-1])
        self.master = self.repo.commits("origin/master", 3, start=start + 86400)
        self.release = self.repo.commits("origin/release-1.30", 3, start=start + 90000)
        self.path = self.repo.path


def beta(distance: int, commit: str) -> str:
    """Name a build of the shared window: master and release-1.30 both have such names."""
    return f"1.30.0-beta.2+v1.30.0-beta.1-{distance}-g{commit[:10]}"


@pytest.fixture
def kops(tmp_path: Path) -> Kops:
    return Kops(tmp_path / "kops")


@pytest.fixture
def shared(kops: Kops) -> FakeStore:
    """A store in the shared window, without a marker that could tell the branches apart."""
    store = FakeStore()
    for distance, (ours, theirs) in enumerate(zip(kops.master, kops.release, strict=True), start=1):
        store.add_build(beta(distance, ours), at=NOW - DAY * (9 - distance))
        store.add_build(beta(distance + 5, theirs), at=NOW - DAY * (9 - distance) + HOUR)
    return store


class TestClones:
    """DESIGN section 4, witness 1, as far as it is the caller's business."""

    def test_a_clone_tells_the_branches_apart(self, kops: Kops, shared: FakeStore) -> None:
        """FAILURES row 26: two branches share release and tag."""
        for channel, commits, distance in (("master", kops.master, 3), ("1.30", kops.release, 8)):
            found = resolve_latest(channel, store=shared, now=NOW, repo=kops.path)
            assert str(found.version) == beta(distance, commits[-1])
            assert (found.attribution.witness, found.attribution.certainty) == (Witness.GIT, Certainty.EXACT)
            assert "channel-ambiguous" not in codes(found)

    def test_a_clone_nearby_is_used_without_being_named(self, kops: Kops, shared: FakeStore) -> None:
        """CI jobs run in one, often in a directory below its top."""
        below = kops.path / "tests/e2e"
        below.mkdir(parents=True)
        found = resolve_latest("master", store=shared, now=NOW, nearby=below)
        assert found.attribution.witness is Witness.GIT

    def test_a_directory_nearby_that_is_no_clone_is_passed_over_silently(
        self, shared: FakeStore, tmp_path: Path
    ) -> None:
        """As is a clone of something else, and a directory that is not there."""
        other = GitRepository.create(tmp_path / "other")
        other.commit("origin/master", when=NOW, files=("README.md",))
        without = resolve_latest("master", store=shared, now=NOW)
        for nearby in (tmp_path, other.path, tmp_path / "gone"):
            assert resolve_latest("master", store=shared, now=NOW, nearby=nearby) == without

    @pytest.mark.parametrize("kind", ["empty directory", "nowhere", "clone of something else"])
    def test_a_named_clone_that_is_none_is_an_error(
        self, shared: FakeStore, tmp_path: Path, kind: str
    ) -> None:
        """Exit 2: naming it was a mistake."""
        repo = tmp_path / "other"
        if kind == "clone of something else":
            GitRepository.create(repo).commit("origin/master", when=NOW, files=("README.md",))
        elif kind == "empty directory":
            repo.mkdir()
        for ask in (resolve_latest, list_channel):
            with pytest.raises(GitWitnessError) as caught:
                ask("master", store=shared, now=NOW, repo=repo)
            assert caught.value.exit_code == 2
            assert caught.value.is_wrong_repo
            assert shared.calls == []

    def test_a_branch_that_a_named_clone_lacks_is_a_warning(self, kops: Kops, shared: FakeStore) -> None:
        """The question is answered by the next witness; who named the clone is told."""
        kops.repo.delete("origin/release-1.30")
        found = resolve_latest("1.30", store=shared, now=NOW, repo=kops.path)
        assert found.attribution.witness is not Witness.GIT
        assert codes(found)["git-unavailable"] is Severity.WARNING
        assert "git cannot tell which builds are of release-1.30" in sentence(found, "git-unavailable")

    def test_a_branch_that_a_clone_nearby_lacks_is_merely_good_to_know(
        self, kops: Kops, shared: FakeStore
    ) -> None:
        """Many CI jobs fetch one branch alone."""
        kops.repo.delete("origin/release-1.30")
        found = resolve_latest("1.30", store=shared, now=NOW, nearby=kops.path)
        listed = list_channel("1.30", store=shared, now=NOW, nearby=kops.path)
        assert codes(found)["git-unavailable"] is codes(listed)["git-unavailable"] is Severity.INFO

    def test_a_ref_that_is_named_must_exist(self, kops: Kops, shared: FakeStore) -> None:
        """Exit 2; a ref that is not named may be missing."""
        with pytest.raises(GitWitnessError) as caught:
            resolve_latest("master", store=shared, now=NOW, repo=kops.path, ref="origin/mastre")
        assert caught.value.kind is GitFault.NO_REF

    def test_a_ref_stands_in_for_the_channel_s_branch(self, kops: Kops, shared: FakeStore) -> None:
        """As where a fork calls it otherwise."""
        kops.repo.branch("refs/heads/mine", at=kops.master[-1])
        kops.repo.delete("origin/master")
        found = resolve_latest("master", store=shared, now=NOW, repo=kops.path, ref="mine")
        assert (str(found.version), found.attribution.witness) == (beta(3, kops.master[-1]), Witness.GIT)

    def test_without_git_the_question_is_answered_without_it(
        self, kops: Kops, shared: FakeStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """And says so, if a clone was named."""
        monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
        found = resolve_latest("master", store=shared, now=NOW, repo=kops.path)
        assert "git is not installed" in sentence(found, "git-unavailable")

    def test_a_version_needs_no_clone(self, store: FakeStore, tmp_path: Path) -> None:
        """Git is not even started."""
        found = resolve_latest(alpha(1), store=store, now=NOW, repo=tmp_path / "gone")
        assert str(found.version) == alpha(1)

    def test_a_clone_that_disagrees_never_leaves_us_without_an_answer(self, kops: Kops) -> None:
        """Issue 3: where git gives every build to another branch, names decide, and that is said."""
        store = FakeStore()
        for distance, commit in enumerate(kops.master):
            store.add_build(f"1.30.1+v1.30.0-{distance}-g{commit[:10]}", at=NOW - 2 * HOUR)
        found = resolve_latest("1.30", store=store, now=NOW, repo=kops.path)
        assert (found.version.distance, found.attribution.witness) == (2, Witness.VERSION)
        assert codes(found)["clone-disagrees"] is Severity.WARNING
        assert "see whether origin/release-1.30 is the right branch" in sentence(found, "clone-disagrees")

    def test_a_clone_that_disagrees_never_leaves_us_without_a_list(self, kops: Kops) -> None:
        """What `resolve_latest` answers with is in the list, by the same witness and with the same word."""
        store = FakeStore()
        for distance, commit in enumerate(kops.master):
            store.add_build(f"1.30.1+v1.30.0-{distance}-g{commit[:10]}", at=NOW - 2 * HOUR)
        found = resolve_latest("1.30", store=store, now=NOW, repo=kops.path)
        for limit in (30, 1, None):
            listing = list_channel("1.30", store=store, now=NOW, repo=kops.path, limit=limit)
            assert listing.rows[0].version == found.version
            assert len(listing.rows) == (limit if limit == 1 else 3)
            assert {row.attribution.witness for row in listing.rows} == {Witness.VERSION}
            assert [each for each in found.conditions if each.code == "clone-disagrees"] == [
                *listing.conditions
            ]

    def test_without_a_channel_a_clone_that_disagrees_is_passed_over_for_all(self, kops: Kops) -> None:
        """So that no build is listed for two of them."""
        store = FakeStore()
        for distance, commit in enumerate(kops.release):
            store.add_build(f"1.31.0-alpha.2+v1.31.0-alpha.1-{distance}-g{commit[:10]}", at=NOW - 2 * HOUR)
            store.add_build(f"1.30.1+v1.30.0-{distance}-g{commit[:10]}", at=NOW - 2 * HOUR)
        for ref in ("master", "release-1.30", "release-1.31"):
            store.add_marker(ref, "other.txt", alpha(1))
        listing = list_channel(store=store, now=NOW, repo=kops.path)
        refs = [row.attribution.ref for row in listing.rows]
        assert refs == [*["master"] * 3, *["release-1.30"] * 3]
        assert [each.code for each in listing.conditions] == ["clone-disagrees"]

    @pytest.mark.parametrize("limit", [0, 30])
    def test_where_names_do_not_help_either_there_is_no_answer(self, kops: Kops, limit: int) -> None:
        """The error is the one that git left, and the list has the same."""
        store = FakeStore()
        store.add_build(f"1.30.1+v1.30.0-1-g{kops.master[0][:10]}", without=LACKS_NODEUP)
        with pytest.raises(NoTestableBuildError, match=r"no build of release-1\.30"):
            resolve_latest("1.30", store=store, now=NOW, repo=kops.path)
        with pytest.raises(NoTestableBuildError, match=r"no build of release-1\.30"):
            list_channel("1.30", store=store, now=NOW, repo=kops.path, limit=limit)

    def test_a_clone_that_knows_a_build_of_the_channel_is_right_about_the_others(
        self, kops: Kops, shared: FakeStore
    ) -> None:
        """One testable build too few is no reason to take another branch's."""
        store = FakeStore()
        store.add_build(beta(1, kops.release[0]), without=LACKS_NODEUP)
        for distance, commit in enumerate(kops.master):
            store.add_build(beta(distance, commit))
        with pytest.raises(NoTestableBuildError):
            resolve_latest("1.30", store=store, now=NOW, repo=kops.path)
        listing = list_channel("1.30", store=store, now=NOW, repo=kops.path)
        assert (versions(listing), listing.conditions) == ([beta(1, kops.release[0])], ())


class TestList:
    """The newest builds of a channel, or of all."""

    def test_the_builds_of_a_channel_are_listed_newest_first(self, store: FakeStore) -> None:
        """Each with its upload time, its channel, and whether it is testable."""
        store.add_build(alpha(4), without=LACKS_NODEUP)
        listing = list_channel("master", store=store, now=NOW)
        assert (listing.channel, listing.store, listing.now) == ("master", URL, NOW)
        assert versions(listing) == [alpha(4), alpha(3), alpha(2), alpha(1)]
        assert [row.refusals for row in listing.rows[:2]] == [("linux/arm64/nodeup is missing",), ()]
        assert [row.uploaded for row in listing.rows[:2]] == [NOW - HOUR, NOW - DAY]
        assert {row.attribution.ref for row in listing.rows} == {"master"}

    def test_a_marker_s_url_lists_its_channel(self, store: FakeStore) -> None:
        """As it does everywhere else."""
        listing = list_channel(f"{OFFICIAL}/markers/release-1.29/latest-ci.txt", store=store, now=NOW)
        assert (listing.channel, versions(listing)) == ("release-1.29", [patch(3), patch(2), patch(1)])

    def test_without_a_channel_all_are_listed(self, store: FakeStore) -> None:
        """Master first, then the newest release branch."""
        store.add_build("1.28.2+v1.28.1-3-g0123456789")
        store.add_marker("release-1.28", BRANCH_MARKER, "1.28.2+v1.28.1-3-g0123456789")
        store.add("markers/release-1.2.3/latest-ci.txt")
        store.add("markers/v1.30.0/latest-ci.txt")
        listing = list_channel(store=store, now=NOW)
        assert listing.channel is None
        assert [row.attribution.ref for row in listing.rows] == [
            *["master"] * 3,
            *["release-1.29"] * 3,
            "release-1.28",
        ]

    def test_channels_without_markers_are_known_by_their_builds(self) -> None:
        """A mirror may not have copied markers."""
        store = FakeStore()
        store.add_build(alpha(1))
        store.add_build(patch(1))
        listing = list_channel(store=store, now=NOW)
        assert versions(listing) == [alpha(1), patch(1)]

    def test_an_empty_store_has_nothing_to_list(self) -> None:
        """It is an error, as it is for who asks for the latest: an empty table would be taken for an answer."""
        with pytest.raises(NoTestableBuildError, match=r"there is no build in mem:"):
            list_channel(store=FakeStore(), now=NOW)
        with pytest.raises(NoTestableBuildError, match=r"there is no build of master in mem:"):
            list_channel("master", store=FakeStore(), now=NOW)

    def test_a_channel_that_does_not_exist_is_refused_as_by_resolve(self, store: FakeStore) -> None:
        """The same sentence, and the channels that do exist."""
        with pytest.raises(NoTestableBuildError) as listed:
            list_channel("release-9.99", store=store, now=NOW)
        with pytest.raises(NoTestableBuildError) as resolved:
            resolve_latest("release-9.99", store=store, now=NOW)
        assert (str(listed.value), listed.value.hint) == (str(resolved.value), resolved.value.hint)
        assert "master" in listed.value.hint

    @pytest.mark.parametrize(("limit", "number"), [(0, 3), (1, 1), (2, 2), (3, 3), (99, 3), (None, 3)])
    def test_a_limit_is_for_each_channel_and_saves_requests(
        self, store: FakeStore, limit: int | None, number: int
    ) -> None:
        """A build that is not shown is not looked into."""
        for channel, channels in (("master", 1), (None, 2)):
            store.calls.clear()
            listing = list_channel(channel, store=store, now=NOW, limit=limit)
            assert len(listing.rows) == channels * number
            looked_into = [call for call in store.calls if call.startswith("list 1.") and "+" in call]
            assert len(looked_into) == channels * number

    def test_a_limit_below_zero_is_a_usage_error(self, store: FakeStore) -> None:
        """It is not valid."""
        with pytest.raises(UsageError, match="limit is -1"):
            list_channel(store=store, limit=-1)

    def test_a_version_has_no_list(self, store: FakeStore) -> None:
        """The error says what to ask for instead."""
        with pytest.raises(UsageError, match="a version has no list of builds"):
            list_channel(alpha(1), store=store)

    def test_what_was_skipped_is_in_the_listing(self, store: FakeStore) -> None:
        """FAILURES row 22."""
        store.add("README")
        store.add("1.30.oops/kops")
        assert sum(list_channel(store=store, now=NOW).skipped.values()) == 2

    @pytest.mark.parametrize("call", ["list .", "list 1.30. /"])
    def test_a_part_of_the_builds_is_not_listed_as_all_of_them(self, store: FakeStore, call: str) -> None:
        """FAILURES row 19."""
        store.fail(call)
        with pytest.raises(
            StoreUnavailableError, match=r"the builds of master in .* could not all be listed"
        ):
            list_channel("master", store=store)

    @pytest.mark.parametrize("call", ["list .", "list markers/"])
    def test_without_the_channels_there_is_no_list_of_all(self, store: FakeStore, call: str) -> None:
        """The hint is to name one."""
        store.fail(call)
        with pytest.raises(
            StoreUnavailableError, match=r"the channels in .* could not all be listed"
        ) as caught:
            list_channel(store=store)
        assert "name a channel" in caught.value.hint

    def test_builds_that_cannot_be_looked_into_are_listed_with_that_reason(self, store: FakeStore) -> None:
        """They exist; whether they can be tested is not known."""
        store.fail(f"list {alpha(2)}/")
        rows = {str(row.version): row.refusals for row in list_channel("master", store=store, now=NOW).rows}
        assert rows[alpha(2)][0].startswith("its files could not be listed")

    def test_a_clone_read_for_master_tells_of_release_branches_too(
        self, kops: Kops, shared: FakeStore
    ) -> None:
        """In a list of all channels no build is listed twice, and none is left out."""
        shared.add_marker("release-1.30", BRANCH_MARKER, beta(8, kops.release[-1]))
        listing = list_channel(store=shared, now=NOW, repo=kops.path)
        assert [(row.attribution.ref, str(row.version)) for row in listing.rows] == [
            *(("master", beta(n, kops.master[n - 1])) for n in (3, 2, 1)),
            *(("release-1.30", beta(n + 5, kops.release[n - 1])) for n in (3, 2, 1)),
        ]
        assert {row.attribution.witness for row in listing.rows} == {Witness.GIT}


shared_builds = st.lists(
    st.tuples(
        st.sampled_from(
            ["1.30.0-beta.2+v1.30.0-beta.1", "1.30.0-beta.1+v1.30.0-alpha.3", "1.31.0-beta.1+v1.31.0-alpha.2"]
        ),
        st.integers(0, 30),
        st.integers(0, 5),
        st.integers(0, 400),
    ),
    min_size=1,
    max_size=10,
    unique_by=lambda drawn: drawn[:3],
)


class TestLaws:
    @given(drawn=shared_builds, named=st.lists(st.integers(0, 9), max_size=3), limit=st.integers(1, 9))
    @example(  # what is learnt of 1.31 for its own channel makes a build of 1.30 more likely the release branch's
        drawn=[
            (f"1.{base}", distance, 0, hours)
            for base in ("30.0-beta.1+v1.30.0-alpha.3", "31.0-beta.1+v1.31.0-alpha.2")
            for distance, hours in ((0, 168), (1, 0))
        ],
        named=[],
        limit=1,
    )
    @example(  # a name is too high: a marker and three builds speak against it
        drawn=[
            ("1.30.0-beta.2+v1.30.0-beta.1", 0, 0, 0),
            ("1.30.0-beta.2+v1.30.0-beta.1", 1, 0, 0),
            ("1.30.0-beta.2+v1.30.0-beta.1", 1, 1, 0),
            ("1.30.0-beta.2+v1.30.0-beta.1", 2, 0, 25),
            ("1.31.0-beta.1+v1.31.0-alpha.2", 0, 0, 26),
        ],
        named=[0, 0],
        limit=1,
    )
    @settings(max_examples=60)
    def test_law_every_build_belongs_to_at_most_one_channel(
        self, drawn: list[tuple[str, int, int, int]], named: list[int], limit: int
    ) -> None:
        """The list of all channels has no version twice. Without a limit it has every one, or says what it lacks."""
        store = FakeStore()
        texts = [f"{base}-{distance}-g{commit:010x}" for base, distance, commit, _ in drawn]
        for text, (*_, hours) in zip(texts, drawn, strict=True):
            store.add_build(text, at=NOW - HOUR * hours, without=LACKS_NODEUP if hours % 3 == 0 else ())
        for ref, position in zip(("release-1.30", "release-1.31", "master"), named, strict=False):
            store.add_marker(ref, BRANCH_MARKER, texts[position % len(texts)])
        some = versions(list_channel(store=store, now=NOW, limit=limit))
        assert len(some) == len(set(some))
        listing = list_channel(store=store, now=NOW, limit=None)
        everything = versions(listing)
        assert len(everything) == len(set(everything))
        marked = {ref for ref, _ in zip(("release-1.30", "release-1.31", "master"), named, strict=False)}
        if not marked or marked >= {"release-1.30", "release-1.31"}:
            disputes = [each for each in listing.conditions if each.code == "order-disputed"]
            assert set(everything) <= set(texts)
            passed_over = set(texts) - set(everything)
            assert len(passed_over) <= sum(int(str(each.data["disputed"])) for each in disputes)


class TestAnswer:
    """What a caller gets."""

    def test_a_resolution_explains_itself(self, demo: str) -> None:
        """In words: the build, the marker's verdict, the conditions."""
        said = resolve_latest(store=demo, as_of=AS_OF).explain()
        assert DEMO_MASTER in said
        assert f"markers/master/{GREEN_MARKER}" in said
        assert "master has had no build since 2024-03-06 14:00 UTC (61 days)" in said
        assert "linux/arm64/nodeup" not in said  # of an older build, which nobody asked about

    def test_a_refusal_is_an_error_with_the_marker_s_verdict(self, store: FakeStore) -> None:
        """FAILURES row 29: the policy may forbid the fallback."""
        store.add_build(alpha(9), at=NOW - 2 * DAY)
        store.add_marker("master", GREEN_MARKER, alpha(1))
        with pytest.raises(MarkerRefusedError) as caught:
            resolve_latest(store=store, now=NOW, policy=Policy(on_stale=OnStale.REFUSE))
        assert caught.value.exit_code == 1
        assert caught.value.reasons[0].startswith(f"markers/master/{GREEN_MARKER} is stale")

    def test_a_refusal_of_the_fallback_is_no_cover_for_a_store_that_is_gone(
        self, store: FakeStore, tmp_path: Path
    ) -> None:
        """That there is no store, or no build, says more than that there is no marker."""
        policy = Policy(on_stale=OnStale.REFUSE)
        with pytest.raises(StoreUnavailableError, match="the builds of master could not be listed"):
            resolve_latest(store=str(tmp_path / "gone"), policy=policy)
        with pytest.raises(NoTestableBuildError, match="no build of master"):
            resolve_latest(store=str(tmp_path), policy=policy)
        with pytest.raises(NoTestableBuildError) as caught:
            resolve_latest("1.99", store=store, policy=policy)
        assert caught.value.hint == "channels that exist there: master, release-1.29"
        for name in (GREEN_MARKER, BRANCH_MARKER):
            del store.held[f"markers/master/{name}"]
        with pytest.raises(MarkerRefusedError):
            resolve_latest(store=store, policy=policy)

    def test_the_face_is_typed_for_its_callers(self, store: FakeStore) -> None:
        """What mypy sees at a call is what comes out."""
        found: kopsversion.Resolution = kopsversion.resolve_latest(
            "master",
            store=store,
            policy=kopsversion.Policy(
                strategy=Strategy.NEWEST, exclude=frozenset({BuildVersion.parse(alpha(3))})
            ),
            now=NOW,
        )
        text: str = found.base_url
        version: kopsversion.BuildVersion = found.version
        verdicts: list[kopsversion.Verdict] = [report.verdict for report in found.markers]
        assert (text, str(version), verdicts) == (f"{URL}{alpha(2)}", alpha(2), [Verdict.EXCLUDED] * 2)
        listing: kopsversion.ChannelListing = kopsversion.list_channel("master", store=store, now=NOW)
        row: kopsversion.ListedBuild = listing.rows[0]
        assert row.version == BuildVersion.parse(alpha(3))
        assert set(get_type_hints(kopsversion.BuildVersion.parse)) == {"text", "return"}

    def test_every_error_is_one_of_ours(self) -> None:
        """One except clause is enough for a caller."""
        ours = [
            value
            for key in kopsversion.__all__
            if isinstance(value := getattr(kopsversion, key), type) and issubclass(value, Exception)
        ]
        assert len(ours) > 8
        assert all(issubclass(each, KopsVersionError) for each in ours)

    def test_the_package_has_its_public_names_and_no_others(self) -> None:
        """Loaded when they are first used; a wrong one is an AttributeError."""
        assert set(kopsversion.__all__) <= set(dir(kopsversion))
        with pytest.raises(AttributeError, match="no attribute 'resolve_newest'"):
            _ = kopsversion.resolve_newest

    def test_marker_bodies_that_name_the_official_bucket_are_ours_in_a_mirror(self, store: FakeStore) -> None:
        """A copy of the bucket has the markers' text unchanged (DESIGN section 2)."""
        assert store.held[f"markers/master/{GREEN_MARKER}"].data.decode().startswith(STORE)
        assert resolve_latest(store=store, now=NOW).source is Source.MARKER
