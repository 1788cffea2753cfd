"""Which build is the first to contain a merge, and which builds lie between two."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from kopsversion.errors import AccessDeniedError, NoTestableBuildError, StoreUnavailableError, UsageError
from kopsversion.model.channel import BRANCH_MARKER, Channel
from kopsversion.model.codes import Code
from kopsversion.model.version import BuildVersion
from kopsversion.workflows.between import list_between, read_range
from kopsversion.workflows.find import FIRST_PAUSE, LONGEST_PAUSE, FoundBuild, find_build
from tests.builders import DAY, HOUR, NOW, alpha, beta, patch
from tests.fake_store import FakeStore
from tests.git_repos import GitRepository
from tests.workflows.test_bisect import LACKING, of_master

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def find(store: FakeStore, wanted: str | BuildVersion, **more: object) -> FoundBuild:
    return find_build(wanted, store=store, now=NOW, **more)  # type: ignore[arg-type] # as the callers say


class TestFind:
    @pytest.mark.parametrize(
        ("wanted", "found"),
        [
            (f"{3:010x}", 3),
            (f"{3:010x}".upper() + "ABCD", 3),
            (f"{4:010x}", 5),
            (alpha(2), 2),
            (BuildVersion.parse(alpha(2)), 2),
            ("1.30.0-alpha.2+v1.30.0-alpha.1-0-gffffffffff", 1),
            ("1.30.0-alpha.1", 1),
        ],
    )
    def test_the_first_testable_build_that_contains_it(self, wanted: str, found: int) -> None:
        """The build of that very commit or version, or the next one that can be tested."""
        build = find(of_master(6, untestable=[4]), wanted)
        assert str(build.version) == alpha(found)
        assert build.base_url == f"mem://bucket/{alpha(found)}"
        assert [each.version.distance for each in build.refused] == ([4] if found == 5 else [])

    def test_a_version_names_its_channel(self) -> None:
        """What only a release branch builds is looked for there; a channel can be named, too."""
        store = of_master(3)
        store.add_build(patch(5), at=NOW - HOUR)
        assert find(store, patch(5)).channel == "release-1.29"
        assert str(find(store, f"{5:010x}", channel=Channel("release-1.29")).version) == patch(5)
        assert str(find(store, f"{5:010x}", channel="1.29").version) == patch(5)

    @pytest.mark.parametrize(
        ("wanted", "said"),
        [
            ("abcdef0", "no build of master contains abcdef0 yet"),
            (alpha(99), "no build of master contains .*-99-.* yet"),
            (f"{3:010x}", "1 build of master contains 0000000003, and none can be tested"),
        ],
    )
    def test_no_build_contains_it_yet(self, wanted: str, said: str) -> None:
        """It is said, and which build is the newest."""
        with pytest.raises(NoTestableBuildError, match=said) as caught:
            find(of_master(3, untestable=[3]), wanted)
        assert alpha(3) in caught.value.hint

    def test_a_channel_without_builds(self) -> None:
        """There is no newest one to name."""
        with pytest.raises(NoTestableBuildError) as caught:
            find(FakeStore(), "abcdef0")
        assert "newest" not in caught.value.hint

    @pytest.mark.parametrize(
        ("wanted", "more", "said"),
        [
            ("2024-01-01", {}, "is neither a commit nor a version"),
            ("newest", {}, "is neither a commit nor a version"),
            ("abc", {}, "which is neither"),
            ("abcdef0", {"channel": "trunk"}, "neither a channel nor"),
            ("abcdef0", {"wait": HOUR}, "nothing to wait for"),
        ],
    )
    def test_what_is_not_valid(self, wanted: str, more: dict[str, object], said: str) -> None:
        """It is refused before anything is asked."""
        store = of_master(3)
        with pytest.raises(UsageError, match=said):
            find(store, wanted, **more)
        assert store.calls == []

    def test_a_store_that_fails_says_nothing_of_a_build(self) -> None:
        """Whether the build can be tested is not known, so no later one is named in its place."""
        store = of_master(3)
        store.fail(f"list {alpha(2)}/")
        with pytest.raises(StoreUnavailableError):
            find(store, alpha(2))


class TestDoubt:
    """Around a branch cut nothing is named, or said not to be there, in silence (DESIGN section 4)."""

    @pytest.fixture
    def shared(self) -> FakeStore:
        """A minor that two branches build; their markers tell some of the builds apart."""
        store = FakeStore()
        for distance in range(3):
            store.add_build(beta(distance), at=NOW - (30 - distance) * HOUR)
            store.add_build(beta(40 + 3 * distance), at=NOW - (29 - distance) * HOUR)
        store.add_marker("release-1.30", BRANCH_MARKER, beta(2))
        store.add_marker("master", BRANCH_MARKER, beta(46))
        return store

    def test_what_a_marker_names_is_no_doubt(self, shared: FakeStore) -> None:
        """The branch's own build says whose it is."""
        assert find(shared, beta(2), channel="release-1.30").conditions == ()

    @pytest.mark.parametrize(
        ("wanted", "channel", "found"), [(beta(43), "master", 43), (beta(1), "release-1.30", 2)]
    )
    def test_a_build_that_may_be_of_another_branch(
        self, shared: FakeStore, wanted: str, channel: str, found: int
    ) -> None:
        """Whether it is named, or may be the one that was asked for and was not."""
        build = find(shared, wanted, channel=channel)
        assert str(build.version) == beta(found)
        assert [each.code for each in build.conditions] == [Code.CHANNEL_AMBIGUOUS]
        assert wanted in build.conditions[0].message

    @pytest.mark.parametrize("wanted", [beta(43), f"{43:010x}"])
    def test_that_none_contains_it_is_told_with_the_doubt(self, shared: FakeStore, wanted: str) -> None:
        """The one that was asked for is there, and may be the channel's."""
        with pytest.raises(NoTestableBuildError, match="yet") as caught:
            find(shared, wanted, channel="release-1.30")
        assert "doubtful" in caught.value.reasons[0]

    def test_evidence_that_is_denied_is_no_answer(self, shared: FakeStore) -> None:
        """Nobody can say then that none contains it."""
        shared.fail("read markers/*", AccessDeniedError("reading is denied", url="mem://bucket/"))
        shared.fail("list 1.30. 1.30.*", AccessDeniedError("listing is denied", url="mem://bucket/"))
        with pytest.raises(AccessDeniedError, match=r"whether a build of release-1\.30 contains"):
            find(shared, beta(2), channel="release-1.30")


class TestFindWithClone:
    @pytest.fixture(autouse=True)
    def _isolated(self, isolated_git: None) -> None:
        """No git of these tests sees the settings of whoever runs them."""

    @pytest.fixture
    def kops(self, tmp_path: Path) -> GitRepository:
        return GitRepository.create(tmp_path / "kops")

    @staticmethod
    def built(store: FakeStore, commit: str, number: int) -> None:
        store.add_build(f"1.30.0-alpha.2+v1.30.0-alpha.1-{number}-g{commit[:10]}", at=NOW - HOUR)

    def test_a_merge_that_was_not_built_itself(self, kops: GitRepository) -> None:
        """The next build contains it; the merge is named, whichever of its commits was asked for."""
        store = FakeStore()
        ids = kops.commits("origin/master", 5, start=int((NOW - 5 * HOUR).timestamp()), sides=1)
        for number in (1, 2, 5):
            self.built(store, ids[number - 1], number)
        side = kops.git("rev-parse", f"{ids[2]}^2")
        for wanted in (ids[2], side[:8], f"1.30.0-alpha.2+v1.30.0-alpha.1-3-g{ids[2][:10]}"):
            found = find(store, wanted, repo=kops.path)
            assert found.version.distance == 5
            assert found.subject == "on origin/master"
            assert found.merged == NOW - 3 * HOUR
            assert found.commit in {ids[2], side}

    def test_how_old_a_merge_is_that_waits(self, kops: GitRepository) -> None:
        """Whoever waits for a build knows since when."""
        store = FakeStore()
        ids = kops.commits("origin/master", 3, start=int((NOW - 3 * HOUR).timestamp()))
        self.built(store, ids[0], 1)
        with pytest.raises(
            NoTestableBuildError, match=r"it was merged 2024-05-06 17:00 UTC \(60 minutes ago\)"
        ) as caught:
            find(store, ids[2], repo=kops.path)
        assert "--wait" in caught.value.hint

    def test_a_commit_that_is_not_merged(self, kops: GitRepository) -> None:
        """A commit of another branch is in no build of this one."""
        kops.commits("origin/master", 2)
        other = kops.commit("feature", when=NOW)
        with pytest.raises(
            NoTestableBuildError, match="is not merged into master, as far as the clone knows"
        ):
            find(of_master(2), other, repo=kops.path)


class TestWait:
    """It looks again, ever more rarely, until there is a build or the time is up."""

    def waiting(
        self, store: FakeStore, wanted: str, *, wait: timedelta, when: Callable[[int], None]
    ) -> tuple[FoundBuild, list[float], list[str]]:
        naps: list[float] = []
        said: list[str] = []

        def sleep(seconds: float) -> None:
            naps.append(seconds)
            when(len(naps))

        try:
            found = find_build(
                wanted, store=store, wait=wait, sleep=sleep, clock=lambda: sum(naps), progress=said.append
            )
        except Exception as error:
            error.add_note(repr(naps))
            raise
        return found, naps, said

    def test_a_build_that_comes(self) -> None:
        """The pauses grow, each look asks for the newest minor alone, and it is said what is waited for."""
        store = FakeStore()
        for minor in ("1.27", "1.28", "1.29"):
            store.add_build(alpha(1, minor=minor), at=NOW - 90 * DAY)
        store.add_build(alpha(1), at=NOW - DAY)
        seen: list[int] = []

        def when(nap: int) -> None:
            seen.append(len(store.calls))
            if nap == 4:
                store.add_build(alpha(2), at=NOW - HOUR)

        found, naps, said = self.waiting(store, f"{2:010x}", wait=HOUR, when=when)
        assert str(found.version) == alpha(2)
        assert naps == [FIRST_PAUSE, 45.0, 67.5, 101.25]
        each = [later - earlier for earlier, later in itertools.pairwise(seen)]
        assert set(each) == {3}, "two for the minors, one for the builds of the newest"
        assert any("looking again in 45 s" in line for line in said)

    def test_the_time_is_up(self) -> None:
        """The last pause is cut short, and what is raised is what is the case."""
        with pytest.raises(NoTestableBuildError, match="no build of master contains abcdef0 yet") as caught:
            self.waiting(of_master(2), "abcdef0", wait=timedelta(seconds=100), when=lambda _: None)
        assert caught.value.__notes__[-1] == repr([30.0, 45.0, 25.0])

    def test_the_pauses_have_an_end(self) -> None:
        """A build that takes a day is still found within ten minutes."""
        with pytest.raises(NoTestableBuildError) as caught:
            self.waiting(of_master(2), "abcdef0", wait=DAY, when=lambda _: None)
        naps = [float(nap) for nap in caught.value.__notes__[-1].strip("[]").split(", ")]
        assert max(naps) == LONGEST_PAUSE
        assert len(naps) < 160

    def test_a_store_that_cannot_be_asked_is_asked_again(self) -> None:
        """A weekend's wait does not end with a hiccup; but the last word is the store's."""
        store = of_master(2)
        store.fail("list *")
        with pytest.raises(StoreUnavailableError):
            self.waiting(store, alpha(2), wait=timedelta(minutes=5), when=lambda _: None)
        found, naps, _ = self.waiting(
            store, alpha(2), wait=HOUR, when=lambda nap: store._faults.clear() if nap == 3 else None
        )
        assert str(found.version) == alpha(2)
        assert len(naps) == 3

    def test_an_empty_store_is_looked_at_anew(self) -> None:
        """There is nothing to remember where nothing was."""
        store = FakeStore()
        found, _, _ = self.waiting(
            store, alpha(2), wait=HOUR, when=lambda _: store.add_build(alpha(2), at=NOW - DAY)
        )
        assert str(found.version) == alpha(2)


class TestBetween:
    """The builds between two, both among them, newest first."""

    @pytest.mark.parametrize(
        ("first", "last", "rows"),
        [
            (alpha(2), alpha(4), [4, 3, 2]),
            (f"{2:010x}", "newest", [7, 6, 5, 4, 3, 2]),
            ("2024-05-02", "2024-05-03", [5, 4]),
            ("2024-05-02T17:30Z", "2024-05-03T17:30Z", [4]),
            (NOW - 3 * DAY - HOUR, NOW, [7, 6, 5]),
            (alpha(3), alpha(3), [3]),
            ("1.30.0-alpha.1", "1.30.0-alpha.2", [7, 6, 5, 4, 3, 2, 1]),
        ],
    )
    def test_ends_are_named_in_many_ways(self, first: object, last: object, rows: list[int]) -> None:
        """Moments hold what was uploaded between them; nothing outside is shown."""
        listing = list_between(first, last, store=of_master(7, every=DAY), now=NOW)  # type: ignore[arg-type]
        assert [row.version.distance for row in listing.rows] == rows
        assert listing.channel == "master"

    def test_each_is_told_testable_or_not(self) -> None:
        """Also at the ends."""
        listing = list_between(alpha(2), "newest", store=of_master(3, untestable=[3]), now=NOW)
        assert [row.refusals for row in listing.rows] == [("linux/arm64/nodeup is missing",), ()]
        assert [row.uploaded for row in listing.rows] == [NOW - HOUR - timedelta(seconds=0), NOW - 2 * HOUR]

    @pytest.mark.parametrize(("limit", "rows"), [(2, [5, 4]), (0, [5, 4, 3, 2]), (None, [5, 4, 3, 2])])
    def test_a_limit_keeps_the_newest(self, limit: int | None, rows: list[int]) -> None:
        """0 is all, as on the command line."""
        listing = list_between(alpha(2), "newest", store=of_master(5), now=NOW, limit=limit)
        assert [row.version.distance for row in listing.rows] == rows

    @pytest.mark.parametrize(
        ("first", "last", "kind", "said"),
        [
            (alpha(4), alpha(2), UsageError, "the first end .* is newer than the last end"),
            ("2024-05-06T17:30Z", "newest", NoTestableBuildError, "there is no build of master between"),
            ("newest", f"{2:010x}", NoTestableBuildError, "there is no build of master between"),
            ("2020-01-01", "2020-01-02", NoTestableBuildError, "there is no build of master between"),
            (alpha(9), "newest", NoTestableBuildError, "there is no such build"),
            (alpha(1), patch(1), UsageError, "the first end is .* a build of master"),
            ("nonsense", "newest", UsageError, "the first end is 'nonsense'"),
        ],
    )
    def test_ends_that_are_not_valid(self, first: str, last: str, kind: type[Exception], said: str) -> None:
        """They are refused, by their own names."""
        store = of_master(5)
        store.add_build(patch(1))
        with pytest.raises(kind, match=said):
            list_between(first, last, store=store, now=NOW)

    def test_a_limit_below_zero(self) -> None:
        """It is refused as everywhere."""
        with pytest.raises(UsageError, match="limit is -1"):
            list_between(alpha(1), alpha(2), store=of_master(2), now=NOW, limit=-1)

    @pytest.mark.parametrize(
        ("text", "ends"),
        [
            ("a..b", ("a", "b")),
            ("2024-03-01..newest", ("2024-03-01", "newest")),
            ("master", None),
            ("1.30", None),
            ("https://example.com/a/../markers/master/latest-ci.txt", None),
        ],
    )
    def test_a_range_is_read(self, text: str, ends: tuple[str, str] | None) -> None:
        """Two dots make it one, but for those of a URL."""
        assert read_range(text) == ends

    @pytest.mark.parametrize("text", ["a..", "..b", ".."])
    def test_half_a_range(self, text: str) -> None:
        """Both ends must be there."""
        with pytest.raises(UsageError, match="lacks one of its ends"):
            read_range(text)


def test_files_that_lack_are_the_ones_that_refusals_name() -> None:
    """The builds of these tests lack what the messages above name."""
    assert "linux/arm64/nodeup" in LACKING
