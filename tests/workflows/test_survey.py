"""All channels at once: which ones, in how few requests, and what happens where a store does not play along."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from attrs import evolve

from kopsversion.cli.demo_bucket import AS_OF
from kopsversion.errors import (
    AccessDeniedError,
    GitWitnessError,
    ResolutionError,
    StoreUnavailableError,
    UsageError,
)
from kopsversion.model.answer import Severity, Verdict
from kopsversion.model.channel import BRANCH_MARKER, GREEN_MARKER
from kopsversion.model.needs import ListArtifacts
from kopsversion.model.policy import Policy
from kopsversion.model.version import BuildVersion
from kopsversion.rules.report import BuildState, ChannelHealth, HealthReport, LeftOut
from kopsversion.stores.base import Listing
from kopsversion.stores.deadline import Deadline
from kopsversion.stores.opening import open_store
from kopsversion.workflows.bulk import BulkStore
from kopsversion.workflows.survey import check_health
from tests.builders import DAY, ERA_2026, HOUR, NOW, alpha, beta, patch
from tests.fake_store import FakeStore
from tests.gcs_server import KOPS_BUCKET, KOPS_ROOT, GcsServer, Kind
from tests.git_repos import GitRepository
from tests.scenes import PLAIN, SIZES, Scene, every_hour, store_of

if TYPE_CHECKING:
    from pathlib import Path

    from kopsversion.stores.base import Store
    from tests.fake_gcs import FakeGcs

MASTER_MARKERS = {("master", GREEN_MARKER), ("master", BRANCH_MARKER)}


def check(store: str | Store | list[str | Store], *selectors: str, **question: Any) -> HealthReport:
    question = {"now": NOW, **question}
    return check_health(selectors, store=store, **question)


def states(report: HealthReport) -> dict[str, bool]:
    return {channel.channel: channel.is_healthy for channel in report.channels}


def version(distance: int) -> BuildVersion:
    return BuildVersion.parse(alpha(distance))


def examined(report: HealthReport) -> int:
    builds = [build for channel in report.channels for build in channel.builds]
    return sum(build.state is not BuildState.UNEXAMINED for build in builds)


def one(report: HealthReport, channel: str) -> ChannelHealth:
    return next(each for each in report.channels if each.channel == channel)


def plain(**settings: Any) -> FakeStore:
    """Make a small store: master and release-1.29, all well."""
    store = FakeStore(**settings)
    for n in range(1, 6):
        store.add_build(alpha(n), at=NOW - (6 - n) * HOUR)
        store.add_build(patch(n), at=NOW - (7 - n) * HOUR)
    for ref, name in MASTER_MARKERS:
        store.add_marker(ref, name, alpha(5))
    store.add_marker("release-1.29", BRANCH_MARKER, patch(5))
    return store


def many_minors(count: int, *, builds: int, last: datetime = NOW - HOUR) -> Scene:
    """Make a bucket of master and `count` - 1 release branches, with `builds` builds in all."""
    minors = [f"1.{30 - number}" for number in range(1, count)]
    each = builds // count
    held: dict[str, datetime] = {}
    markers: dict[tuple[str, str], str] = {}
    for minor in minors:
        held |= every_hour((patch(n, minor=minor) for n in range(1, each + 1)), last=last)
        markers["release-" + minor, BRANCH_MARKER] = patch(each, minor=minor)
        markers[f"v{minor}.0", BRANCH_MARKER] = f"{minor}.0"
    rest = builds - len(held)
    held |= every_hour((alpha(n) for n in range(1, rest + 1)), last=last)
    markers |= dict.fromkeys(sorted(MASTER_MARKERS), alpha(rest))
    return Scene(builds=held, markers=markers)


@pytest.fixture(scope="module")
def report(demo_bucket: Path) -> HealthReport:
    """Check the demo bucket as of its day, with the branch that is over by then."""
    return check_health(store=str(demo_bucket), as_of=AS_OF, ignore_older=365 * DAY)


class TestDemo:
    """The bucket of kops issue 16533, on its day."""

    def test_who_is_healthy(self, report: HealthReport) -> None:
        """Master is not healthy, the release branches are, the quiet one among them."""
        assert states(report) == {
            "master": False,
            "release-1.29": True,
            "release-1.28": True,
            "release-1.27": True,
        }

    def test_master(self, report: HealthReport) -> None:
        """Master's builds stopped on 6 March; its green marker is old and names the newest build all the same."""
        master = one(report, "master")
        said = {finding.condition.code: finding.condition.message for finding in master.findings}
        assert "no build since 2024-03-06 14:00 UTC (61 days)" in said["builds-old"]
        green = next(marker for marker in master.markers if marker.name == GREEN_MARKER)
        assert (green.verdict, green.builds_behind, green.lag) == (Verdict.CURRENT, 0, timedelta())
        assert green.written == datetime(2024, 3, 7, 6, tzinfo=UTC)

    def test_quiet_branch(self, report: HealthReport) -> None:
        """release-1.27 has had no build for 94 days: without git that is worth knowing, and no alarm."""
        (finding, _) = one(report, "release-1.27").findings
        assert "(94 days)" in finding.condition.message
        assert finding.condition.severity is Severity.INFO

    def test_timeline(self, report: HealthReport) -> None:
        """In a directory every build of the timeline is looked into, and the incomplete one is refused."""
        builds = [build for channel in report.channels for build in channel.builds]
        assert len(builds) == 55
        assert [build.version.distance for build in builds if build.state is not BuildState.TESTABLE] == [369]
        assert report.requests == 0


class TestRequests:
    def test_thirty_channels(self) -> None:
        """30 channels in a bucket of 8,000 builds take under 60 requests, eight at most at a time."""
        scene = many_minors(30, builds=8000)
        with GcsServer() as server:
            scene.put(server)
            server.bucket().add_builds(KOPS_ROOT, scene.builds, dict.fromkeys(ERA_2026.paths, 1000))
            report = check(store_of(server))
            assert len(report.channels) == 30
            assert report.is_healthy
            assert report.requests == len(server.requests) == 55
            assert server.max_in_flight <= 8
            assert Counter(server.kinds) == {
                Kind.MARKERS_LIST: 1,
                Kind.MAJORS: 1,
                Kind.MINORS: 1,
                Kind.MARKER: 31,
                Kind.BUILDS: 8 + 1,  # and the markers at the root
                Kind.UPLOADS: 8 + 4,  # upload times, and the files of three builds of each channel
            }
            assert all(len(request.path + urlencode(request.query)) < 8000 for request in server.requests)
            assert examined(report) == 90

    def test_few_channels(self, gcs_server: GcsServer) -> None:
        """Few channels are asked for by minor: two requests for each, and one for what builds hold."""
        PLAIN.put(gcs_server)
        report = check(store_of(gcs_server))
        assert states(report) == {"master": True, "release-1.29": True}
        assert Counter(gcs_server.kinds) == {
            Kind.MARKERS_LIST: 1,
            Kind.MAJORS: 1,
            Kind.MINORS: 1,
            Kind.MARKER: 3,
            Kind.BUILDS: 2 + 1,  # and the markers at the root
            Kind.UPLOADS: 2 + 2,
        }

    def test_server_that_ignores_patterns(self) -> None:
        """Where patterns are ignored the answer is the same, from single listings."""
        scene = many_minors(10, builds=60)
        obedient, deaf = GcsServer(page_size=50), GcsServer(page_size=50, honours_match_glob=False)
        with obedient, deaf:
            reports = []
            for server in (obedient, deaf):
                scene.put(server)
                reports.append(check(store_of(server)))
            assert evolve(reports[0], requests=0) == evolve(reports[1], requests=0)
            assert deaf.count(Kind.OBJECTS) == 60
            assert obedient.count(Kind.OBJECTS) == 0

    def test_patterns_that_cost_more(self) -> None:
        """After a pattern that took more requests than single listings would, single ones are made."""
        with GcsServer(page_size=3, honours_match_glob=False) as server:
            PLAIN.put(server)
            bulk = BulkStore(store_of(server))
            bulk.prepare([ListArtifacts(each) for each in [version(4), version(5)]])
            assert len(server.requests) > 2
            server.forget()
            bulk.prepare([ListArtifacts(each) for each in [version(1), version(2), version(3)]])
            assert server.requests == []

    def test_long_patterns(self) -> None:
        """What does not fit into one URL is split, and what was learnt is not asked for again."""
        store = FakeStore()
        bulk = BulkStore(store)
        for n in range(300):
            store.add(f"{alpha(n)}/linux/amd64/kops", b"x")
        bulk.prepare([ListArtifacts(each) for each in [version(n) for n in range(300)]])
        assert len(store.calls) == 3
        assert max(map(len, store.calls)) < 6100
        assert [each.name for each in bulk.list(f"{alpha(299)}/").objects] == [
            f"{alpha(299)}/linux/amd64/kops"
        ]
        bulk.prepare([ListArtifacts(each) for each in [version(n) for n in range(300)]])
        assert len(store.calls) == 3

    def test_real_fake_gcs_server(self, dated_fake_gcs: FakeGcs) -> None:
        """The real fake-gcs-server, which was not written here, gives the same report as a directory would."""
        scene = Scene(
            builds=every_hour(alpha(n) for n in range(1, 4)), markers=dict.fromkeys(MASTER_MARKERS, alpha(3))
        )
        bucket = dated_fake_gcs.new_bucket()
        scene_at = NOW - 3 * HOUR
        for built, uploaded in scene.builds.items():
            for path in SIZES:
                dated_fake_gcs.add(bucket, f"{KOPS_ROOT}{built}/{path}", "x", at=uploaded)
        for ref, name in scene.markers:
            body = f"https://storage.googleapis.com/{bucket}/{KOPS_ROOT}{alpha(3)}\n"
            dated_fake_gcs.add(bucket, f"{KOPS_ROOT}markers/{ref}/{name}", body, at=scene_at)
        environ = {"STORAGE_EMULATOR_HOST": dated_fake_gcs.url}
        store = open_store(f"gs://{bucket}/{KOPS_ROOT}", deadline=Deadline(60), environ=environ)
        report = check(store)
        assert states(report) == {"master": True}
        assert examined(report) == 3


class TestWhichChannels:
    def test_too_old(self) -> None:
        """A release branch that has had its final release and built nothing for long is left out, and said to be."""
        store = plain()
        store.add_build(patch(5, minor="1.20"), at=NOW - 91 * DAY)
        store.add_marker("release-1.20", BRANCH_MARKER, patch(5, minor="1.20"), at=NOW - HOUR)
        report = check(store)
        assert states(report) == {"master": True, "release-1.29": True}
        (left_out,) = report.left_out
        assert (left_out.channel, left_out.written) == ("release-1.20", NOW - HOUR)
        assert left_out.built is not None
        assert NOW - left_out.built >= 91 * DAY
        listed = check(store, ignore_older=400 * DAY)
        assert "release-1.20" in states(listed)

    def test_markers_of_a_branch_whose_builds_are_gone(self) -> None:
        """That a later minor was released shows that it is over."""
        store = plain()
        store.add_marker("release-1.20", BRANCH_MARKER, patch(5, minor="1.20"), at=NOW - 366 * DAY)
        report = check(store)
        assert report.left_out == (LeftOut("release-1.20", written=NOW - 366 * DAY),)
        assert not any("1.20" in call for call in store.calls)

    def test_master_without_markers_is_watched(self) -> None:
        """FAILURES row 33: neither is it left out when its markers are a year old."""
        store = plain()
        for ref, name in MASTER_MARKERS:
            del store.held[f"markers/{ref}/{name}"]
        assert states(check(store)) == {"master": False, "release-1.29": True}
        for ref, name in MASTER_MARKERS:
            store.add_marker(ref, name, alpha(1), at=NOW - 400 * DAY)
        assert states(check(store)) == {"master": False, "release-1.29": True}

    def test_a_branch_without_markers_that_builds_is_watched(self) -> None:
        """FAILURES row 33: its markers were deleted, or never written."""
        store = plain()
        store.add_build(patch(5, minor="1.28"), at=NOW - 80 * DAY)
        report = check(store)
        assert states(report) == {"master": True, "release-1.29": True, "release-1.28": False}
        assert report.left_out == ()

    def test_a_branch_before_its_final_release_is_watched_however_long_it_is_silent(self) -> None:
        """A frozen beta is what the watch is for."""
        store = FakeStore()
        store.add_build(alpha(5))
        store.add_build(beta(5, minor="1.29"), at=NOW - 200 * DAY)
        store.add_marker("release-1.29", BRANCH_MARKER, beta(5, minor="1.29"), at=NOW - 200 * DAY)
        report = check(store)
        assert "release-1.29" in states(report)
        assert report.left_out == ()

    def test_builds_that_may_be_master_s_make_no_branch(self) -> None:
        """Nothing but betas, and no marker: nothing proves that there is a release branch."""
        store = FakeStore()
        for n in range(1, 4):
            store.add_build(beta(n), at=NOW - (5 - n) * HOUR)
        assert list(states(check(store))) == ["master"]

    def test_upload_times_that_cannot_be_learnt_leave_nothing_out(self) -> None:
        """A branch that may be over is watched."""
        store = plain()
        store.add_build(patch(5, minor="1.20"), at=NOW - 400 * DAY)
        store.fail("list 1.20.*kops.sha256")
        assert "release-1.20" in states(check(store))

    def test_named(self) -> None:
        """A channel that is named is looked at whatever its age, once, by any of its names."""
        store = plain()
        store.add_build(patch(5, minor="1.20"), at=NOW - 400 * DAY)
        store.add_marker("release-1.20", BRANCH_MARKER, patch(5, minor="1.20"), at=NOW - 400 * DAY)
        report = check(store, "1.20", "release-1.20")
        assert states(report) == {"release-1.20": True}
        assert report.left_out == ()

    def test_many_that_are_named(self) -> None:
        """Listing the whole store is less than two listings for each."""
        scene = many_minors(10, builds=60)
        store = FakeStore()
        for built, uploaded in scene.builds.items():
            store.add_build(built, at=uploaded)
        report = check(store, "master", *(f"1.{30 - n}" for n in range(1, 10)))
        assert len(report.channels) == 10
        assert "list 1. /" in store.calls

    def test_tags_and_debris(self) -> None:
        """Markers of tags, and what is no marker at all, make no channel."""
        store = plain()
        for name in (
            "v1.29.0/latest-ci.txt",
            "1.29/latest-ci.txt",
            "latest/latest-ci.txt",
            "README",
            "a/b/c/d",
        ):
            store.add(f"markers/{name}", "x")
        assert list(states(check(store))) == ["master", "release-1.29"]

    def test_order(self) -> None:
        """Master comes first, then the newest release branch: 1.10 after 1.9 is newer."""
        store = FakeStore()
        for ref in ("release-1.9", "release-1.10", "master", "release-2.0"):
            store.add_marker(ref, BRANCH_MARKER, alpha(1))
        assert list(states(check(store))) == ["master", "release-2.0", "release-1.10", "release-1.9"]

    def test_none(self) -> None:
        """A store without a channel to check is an error that says what to do."""
        with pytest.raises(ResolutionError, match="no channel to check in mem://bucket/") as caught:
            check(FakeStore())
        assert "--store" in caught.value.hint
        assert caught.value.exit_code == 1

    def test_all_too_old(self) -> None:
        """Master is never over."""
        report = check(plain(), now=NOW + 400 * DAY)
        assert states(report) == {"master": False}
        assert [each.channel for each in report.left_out] == ["release-1.29"]

    @pytest.mark.parametrize("selector", ["1.29.0", "nonsense", "https://x/markers/master/latest-ci.txt"])
    def test_no_channel(self, selector: str) -> None:
        """Only channels can be checked."""
        with pytest.raises(UsageError):
            check(plain(), selector)

    def test_limits_by_channel(self) -> None:
        """Each channel is held to the limits that are its own."""
        store = plain()
        old = Policy(max_build_age=timedelta(minutes=1))
        report = check(store, policy_of=lambda channel: old if channel.is_master else Policy())
        assert states(report) == {"master": False, "release-1.29": True}


class TestAsOf:
    def test_the_past(self) -> None:
        """Later builds and markers are left out; a marker that was overwritten since is not known."""
        store = plain()
        report = check(store, as_of=NOW - 2 * HOUR)
        master, release = report.channels
        assert report.now == NOW - 2 * HOUR
        assert (
            str(master.newest and master.newest.version),
            str(release.newest and release.newest.version),
        ) == (
            alpha(4),
            patch(5),
        )
        assert {marker.verdict for marker in master.markers} == {Verdict.UNKNOWN}
        assert master.is_healthy

    def test_not_yet(self) -> None:
        """A branch that was cut since is not reported, unless it is named."""
        store = plain()
        before = NOW - 5 * HOUR - timedelta(minutes=30)
        assert list(states(check(store, as_of=before))) == ["release-1.29"]
        assert list(states(check(store, "master", as_of=before))) == ["master"]

    def test_before_everything(self) -> None:
        """Where nothing existed yet, there is no channel to check."""
        with pytest.raises(ResolutionError):
            check(plain(), as_of=NOW - DAY)


class TestTrouble:
    def test_one_channel(self) -> None:
        """A channel that cannot be read does not hide the others, and is reported as such."""
        store = plain()
        store.fail("list 1.29.*")
        store.fail("read markers/release-1.29/*")
        report = check(store)
        assert states(report) == {"master": True, "release-1.29": False}
        assert "HTTP 503" in str(one(report, "release-1.29").unreadable)
        assert not report.nothing_read

    def test_nothing(self) -> None:
        """Where no channel can be read, the report says so of each."""
        store = plain()
        store.fail("list [!m]*")
        store.fail("list .")
        store.fail("read *")
        report = check(store)
        assert report.nothing_read
        assert len(report.channels) == 2

    def test_no_list_of_markers(self) -> None:
        """FAILURES row 33: a marker that nobody knows of is not watched: a finding, also of a named channel."""
        store = plain()
        store.fail("list markers/", AccessDeniedError("denied", url=store.url))
        assert states(check(store)) == {"master": False, "release-1.29": False}
        report = check(store, "master")
        (finding,) = report.channels[0].findings
        assert finding.condition.code == "listing-unavailable"
        assert finding.condition.message.endswith("only the usual ones were looked at: denied")

    def test_nothing_can_be_listed(self) -> None:
        """Without markers and minors nobody knows which channels there are, unless they are named."""
        store = plain()
        for pattern in ("list markers/", "list *.*", "list  .", "list 1. ."):
            store.fail(pattern, AccessDeniedError("denied", url=store.url))
        with pytest.raises(AccessDeniedError, match="which channels there are could not be learnt: denied"):
            check(store)

    def test_bulk_fails(self) -> None:
        """Where listing in bulk fails, everything is asked for by itself, with the same result."""
        scene = many_minors(10, builds=60)
        stores = [FakeStore(), FakeStore()]
        for store in stores:
            for built, uploaded in scene.builds.items():
                store.add_build(built, at=uploaded)
            for (ref, name), named in scene.markers.items():
                store.add_marker(ref, name, named)
        stores[1].fail("list 1. /")
        stores[1].fail("list *{*")
        whole, single = map(check, stores)
        assert whole.is_healthy
        assert evolve(whole, requests=0) == evolve(single, requests=0)
        assert len(stores[1].calls) > len(stores[0].calls)

    def test_incomplete_bulk(self) -> None:
        """A build that a listing in bulk did not bring is looked up by itself before it is judged."""
        store = plain(honours_glob=True)
        real = store.list

        def forgetful(prefix: str = "", *, match_glob: str = "", **how: str) -> Listing:
            listing = real(prefix, match_glob=match_glob, **how)
            kept = tuple(
                each for each in listing.objects if "{" not in match_glob or alpha(5) not in each.name
            )
            return Listing(kept, listing.prefixes)

        store.list = forgetful  # type: ignore[method-assign] # the fault that is tested
        assert check(store).is_healthy
        assert f"list {alpha(5)}/" in store.calls

    def test_second_store(self) -> None:
        """Of several stores the first that can be read is reported, and the others are said to be passed over."""
        deaf, empty = FakeStore(url="mem://deaf/"), plain(url="mem://empty/")
        deaf.fail("*")
        for pattern in ("list [!m]*", "list .", "read *"):
            empty.fail(pattern)
        report = check([deaf, empty, plain()])
        assert report.is_healthy
        assert report.store == "mem://bucket/"
        assert [condition.data["store"] for condition in report.conditions] == ["mem://deaf/", "mem://empty/"]

    def test_no_store(self) -> None:
        """Where no store can be asked at all, that is an error; what was read in part is rather reported."""
        deaf, empty = FakeStore(url="mem://deaf/"), plain()
        deaf.fail("*")
        for pattern in ("list [!m]*", "list .", "read *"):
            empty.fail(pattern)
        with pytest.raises(StoreUnavailableError):
            check([deaf])
        report = check([deaf, empty])
        assert report.nothing_read
        assert report.store == "mem://bucket/"

    def test_no_time(self, gcs_server: GcsServer, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where time is up before anything was asked, that is an error and not a report of what is missing."""
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs_server.url)
        PLAIN.put(gcs_server)
        with pytest.raises(StoreUnavailableError, match="deadline"):
            check(f"gs://{KOPS_BUCKET}/{KOPS_ROOT}", timeout=0.0)


class TestClone:
    @pytest.fixture
    def clone(self, tmp_path: Path) -> GitRepository:
        repository = GitRepository.create(tmp_path / "kops")
        repository.commit("master", when=NOW - 50 * DAY)
        for n in range(1, 6):
            full = f"{n:010x}{'0' * 30}"
            repository.commit("master", when=NOW - 2 * DAY + n * HOUR, claimed_id=full)
        repository.commit("master", when=NOW - 9 * HOUR)
        return repository

    def test_commits_behind(self, clone: GitRepository) -> None:
        """With a clone master's merges are counted; a branch that the clone lacks is not blamed for it."""
        report = check(plain(), repo=clone.path)
        master, release = report.channels
        assert master.commits_behind == 1
        assert [finding.condition.code for finding in master.findings] == ["builds-stalled"]
        assert release.commits_behind is None
        assert [finding.condition.code for finding in release.findings] == ["git-unavailable"]
        assert not release.is_healthy

    def test_wrong_clone(self, tmp_path: Path) -> None:
        """A directory that is no clone of kops was named by mistake."""
        with pytest.raises(GitWitnessError):
            check(plain(), repo=tmp_path)

    def test_ref(self, clone: GitRepository) -> None:
        """A ref belongs to one channel, so exactly one must be named."""
        clone.branch("elsewhere", at=str(clone.tip("master")))
        assert one(check(plain(), "master", repo=clone.path, ref="elsewhere"), "master").commits_behind == 1
        for selectors in ((), ("master", "1.29")):
            with pytest.raises(UsageError, match="--ref elsewhere is one branch"):
                check(plain(), *selectors, repo=clone.path, ref="elsewhere")

    def test_no_time_for_git(self, clone: GitRepository, monkeypatch: pytest.MonkeyPatch) -> None:
        """A clone that takes too long is done without."""

        def stuck(*_arguments: object, **_question: object) -> None:
            raise StoreUnavailableError("not answered within the deadline", url="the store")

        monkeypatch.setattr("kopsversion.workflows.clones.CloneSource.open", stuck)
        assert check(plain(), repo=clone.path).is_healthy


class TestBulkStore:
    def test_passes_on(self) -> None:
        """What was not listed in bulk is asked of the store, and so is everything that is no listing."""
        store = plain()
        bulk = BulkStore(store)
        assert (bulk.url, bulk.is_local, bulk.public_url("x")) == (store.url, False, store.public_url("x"))
        name = f"markers/master/{BRANCH_MARKER}"
        assert bulk.read(name, limit=99) == store.read(name, limit=99)
        assert bulk.stat(name) == store.stat(name)
        assert bulk.list("1.", delimiter=".") == store.list("1.", delimiter=".")

        with pytest.raises(NotImplementedError):
            bulk.write(name, b"", if_generation=None, cache_control="", metadata={})
        with pytest.raises(NotImplementedError):
            bulk.download(name)

    def test_closes_the_store_behind_it(self) -> None:
        """No connection is left open by being wrapped."""

        class Closing(FakeStore):
            closed = 0

            def close(self) -> None:
                self.closed += 1

        store = Closing()
        BulkStore(store).close()
        assert store.closed == 1

    def test_progress(self) -> None:
        """What happens next is told in a few words."""
        said: list[str] = []
        check(plain(), progress=said.append)
        assert said == [
            "listing the markers",
            "1 listing of markers, 1 listing of minors",
            "2 listings of builds, 2 listings of upload times",
            "3 markers to read",
            "10 builds to look into",
            "8 of 10 builds looked into",
        ]
