"""Promoting: only forward, only a testable build of the channel, only if nobody else wrote meanwhile."""

from __future__ import annotations

import itertools
import json
import multiprocessing
import random
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from attrs import evolve
from click.testing import CliRunner

from kopsversion.cli.toolbox import tools
from kopsversion.errors import (
    AccessDeniedError,
    KopsVersionError,
    PreconditionFailedError,
    PromotionRefusedError,
    StoreError,
    StoreUnavailableError,
    UsageError,
)
from kopsversion.model.bucket import GitCommit, GitLine
from kopsversion.model.channel import Channel
from kopsversion.model.layout import BodyFormat
from kopsversion.model.policy import Policy
from kopsversion.model.version import BuildVersion
from kopsversion.publish.promote import CACHE_CONTROL, REASON_KEY, Move, Promotion, promote
from kopsversion.stores.base import AttemptPolicy
from kopsversion.stores.deadline import Deadline
from kopsversion.stores.opening import open_store
from kopsversion.stores.wrapped import WrappedStore
from kopsversion.workflows.clones import Clone, CloneSource
from tests.builders import HOUR, NOW
from tests.gcs_faults import Status
from tests.gcs_server import KOPS_ROOT, LISTINGS, GcsServer, Kind
from tests.harness import (
    ANCIENT,
    BUILDS,
    GONE_NEWER,
    GONE_OLDER,
    GREEN,
    INCOMPLETE,
    LAST_MINOR,
    MIDDLE,
    NEW,
    OF_128,
    OLD,
    PLACES,
    TAG,
    WrittenBefore,
    add_build,
    fill,
    make_place,
    opened,
    policy_for,
)
from tests.stores.test_store_contract import DirectoryPlace, FakeGcsPlace, Place, ServerPlace

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from click.testing import Result

    from kopsversion.stores.base import Content, Store, StoredObject

MASTER = Channel("master")
MARKER = "latest-ci-updown-green.txt"
ROOT = "https://storage.googleapis.com/k8s-staging-kops/kops/releases/"


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Each kind of place in turn, with builds."""
    made = make_place(request.param, request, tmp_path)
    fill(made)
    return made


@pytest.fixture
def directory(tmp_path: Path) -> DirectoryPlace:
    """A directory with builds."""
    made = DirectoryPlace(tmp_path / "a store+")
    fill(made)
    return made


def promoted(store: Store, version: str, **changes: Any) -> Promotion:
    """Promote a build of master."""
    settings: dict[str, Any] = {
        "channel": MASTER,
        "marker": MARKER,
        "policy": Policy(),
        "now": datetime.now(UTC),
        "deadline": Deadline(60),
        "sleep": lambda _seconds: None,
        **changes,
    }
    return promote(store, BuildVersion.parse(version), **settings)


def read(line: GitLine) -> Clone:
    """A clone whose line is known."""
    source = CloneSource.of(repo=None, nearby=None, ref=None, deadline=Deadline(60))
    return Clone(source, MASTER, line)


def body(store: Store) -> str | None:
    """What the marker holds."""
    try:
        return store.read(GREEN, limit=1024).data.decode()
    except StoreError:
        return None


# --------------------------------------------------------------------------------------------------
# Everywhere


def test_a_marker_is_written_as_kops_does(place: Place) -> None:
    """The body is the base URL and a newline, and the new generation is told."""
    store = opened(place)
    promotion = promoted(store, MIDDLE, policy=policy_for(place))
    assert (promotion.move, promotion.found) == (Move.INITIAL, "missing")
    assert body(store) == f"{store.public_url(MIDDLE)}\n"
    assert promotion.generation == store.stat(GREEN).generation


def test_a_marker_moves_forward_and_stays(place: Place) -> None:
    """A newer build is written; the same one again is not; an older one is refused (FAILURES row 7)."""
    store, policy = opened(place), policy_for(place)
    promoted(store, OLD, policy=policy)
    assert promoted(store, NEW, policy=policy).move is Move.FORWARD
    before = store.stat(GREEN)
    again = promoted(store, NEW, policy=policy)
    assert (again.move, again.generation) == (Move.NONE, None)
    with pytest.raises(PromotionRefusedError, match="is not newer"):
        promoted(store, MIDDLE, policy=policy)
    assert store.stat(GREEN) == before


def test_who_loses_the_race_decides_again(place: Place) -> None:
    """Against an older build we win at the second try; against a newer one we are refused (FAILURES row 3)."""
    policy = policy_for(place)
    store = WrittenBefore(opened(place), [lambda: place.add(GREEN, OLD.encode())])
    assert promoted(store, MIDDLE, policy=policy).move is Move.FORWARD
    assert store.writes == 2
    behind = WrittenBefore(opened(place), [lambda: place.add(GREEN, NEW.encode())])
    promoted(opened(place), OLD, policy=policy, rollback_reason="to begin with")
    with pytest.raises(PromotionRefusedError, match="is not newer"):
        promoted(behind, MIDDLE, policy=policy)
    assert body(opened(place)) == NEW


def test_a_marker_serves_no_cache(gcs_server: GcsServer) -> None:
    """Cache-Control and type are those that kops sets; a reason is kept only where the marker went back."""
    place = ServerPlace(gcs_server, KOPS_ROOT)
    fill(place)
    promoted(opened(place), NEW, rollback_reason="not needed")
    held = gcs_server.bucket().get(KOPS_ROOT + GREEN)
    assert held is not None
    assert (held.cache_control, held.content_type, held.metadata) == (CACHE_CONTROL, "text/plain", {})
    promoted(opened(place), OLD, rollback_reason="NEW does not boot: ä")
    held = gcs_server.bucket().get(KOPS_ROOT + GREEN)
    assert held is not None
    assert held.metadata == {REASON_KEY: "NEW does not boot: ä"}


def test_fake_gcs_server_keeps_the_headers_too(fake_gcs: Any) -> None:
    """The real fake-gcs-server takes Cache-Control and metadata as we send them."""
    place = FakeGcsPlace(fake_gcs)
    fill(place)
    promoted(opened(place), NEW, policy=policy_for(place))
    promoted(opened(place), OLD, policy=policy_for(place), rollback_reason="why not")
    blob = fake_gcs.client.bucket(place.bucket).get_blob(KOPS_ROOT + GREEN)
    assert (blob.cache_control, blob.metadata) == (CACHE_CONTROL, {REASON_KEY: "why not"})


# --------------------------------------------------------------------------------------------------
# Which way


@pytest.mark.parametrize(
    ("current", "move", "found"),
    [
        (b"<html>404</html>", Move.INITIAL, "malformed"),
        (
            b"https://storage.googleapis.com/kops-ci/bin/1.99.0+v1.98.0-1-g0123456789\n",
            Move.INITIAL,
            "foreign",
        ),
        (f"{ROOT}{ANCIENT}\n".encode(), Move.FORWARD, ANCIENT),
        (f"v{OLD}".encode(), Move.FORWARD, OLD),
        (MIDDLE.encode(), Move.NONE, MIDDLE),
        (NEW.encode(), Move.ROLLBACK, NEW),
        (LAST_MINOR.encode(), Move.FORWARD, LAST_MINOR),
        (
            b"1.31.0-alpha.1+v1.30.0-beta.1-3-g0123456789",
            Move.ROLLBACK,
            "1.31.0-alpha.1+v1.30.0-beta.1-3-g0123456789",
        ),
        (GONE_OLDER.encode(), Move.FORWARD, GONE_OLDER),
        (GONE_NEWER.encode(), Move.ROLLBACK, GONE_NEWER),
        (b"1.30.0-alpha.2+0123456789", Move.ROLLBACK, "1.30.0-alpha.2+0123456789"),
        (INCOMPLETE.encode(), Move.ROLLBACK, INCOMPLETE),
        (OF_128.encode(), Move.INITIAL, f"{OF_128} of another channel"),
        (TAG.encode(), Move.INITIAL, f"{TAG} of another channel"),
    ],
)
def test_which_way_a_marker_moves(directory: DirectoryPlace, current: bytes, move: Move, found: str) -> None:
    """Forward in the channel's own order is allowed, and so is replacing what is no build of the channel; what
    is not surely forward needs a reason."""
    directory.add(GREEN, current)
    store = opened(directory)
    if move is Move.ROLLBACK:
        with pytest.raises(PromotionRefusedError) as caught:
            promoted(store, MIDDLE)
        assert found in caught.value.message
        assert body(store) == current.decode()
    promotion = promoted(store, MIDDLE, rollback_reason="this test")
    assert (promotion.move, promotion.found) == (move, found)


def test_names_decide_nothing_that_git_knows(directory: DirectoryPlace) -> None:
    """In a clone, the place on the branch decides: also for a build that is gone, and against its name."""
    shas = {name: name.rpartition("-g")[2] for name in (OLD, MIDDLE, NEW, GONE_NEWER)}
    line = [GitCommit(shas[name].ljust(40, "0"), NOW) for name in (GONE_NEWER, OLD, MIDDLE, NEW)]
    git = GitLine("master", tuple(line))
    directory.add(GREEN, GONE_NEWER.encode())
    assert promoted(opened(directory), MIDDLE, clone=read(git)).move is Move.FORWARD
    directory.add(GREEN, GONE_OLDER.encode())  # git does not know it, so its name decides
    assert promoted(opened(directory), MIDDLE, clone=read(git)).move is Move.FORWARD


def test_a_rollback_by_git_needs_a_reason(directory: DirectoryPlace) -> None:
    """A gone build that git places after ours is not overwritten, whatever the names say."""
    shas = {name: name.rpartition("-g")[2] for name in (OLD, MIDDLE, GONE_OLDER)}
    git = GitLine(
        "master", tuple(GitCommit(shas[name].ljust(40, "0"), NOW) for name in (OLD, MIDDLE, GONE_OLDER))
    )
    directory.add(GREEN, GONE_OLDER.encode())
    with pytest.raises(PromotionRefusedError, match="is not newer"):
        promoted(opened(directory), MIDDLE, clone=read(git))


# --------------------------------------------------------------------------------------------------
# Which build


@pytest.mark.parametrize(
    ("version", "said"),
    [
        ("1.30.0-alpha.2+v1.30.0-alpha.1-5-gdeadbeef00", "is not in "),
        (INCOMPLETE, "is not testable"),
        (OF_128, "cannot name .*, which is a build of release-1.28"),
        (TAG, "cannot name 1.28.4, a tag's own build"),
    ],
)
def test_what_is_no_testable_build_of_the_channel_is_refused(
    directory: DirectoryPlace, version: str, said: str
) -> None:
    """Nothing is written, also not with a reason for a rollback (FAILURES rows 4, 6 and 9)."""
    with pytest.raises(PromotionRefusedError, match=said):
        promoted(opened(directory), version, rollback_reason="I insist")
    assert body(opened(directory)) is None


def test_each_missing_file_is_told(directory: DirectoryPlace) -> None:
    """A refusal carries the reasons of the build's."""
    with pytest.raises(PromotionRefusedError) as caught:
        promoted(opened(directory), INCOMPLETE)
    assert caught.value.reasons == ("linux/arm64/nodeup is missing",)


def test_a_build_that_is_still_being_uploaded_is_refused(directory: DirectoryPlace) -> None:
    """A build that has not settled is not testable, unless its branch's marker names it."""
    fresh = "1.30.0-alpha.2+v1.30.0-alpha.1-1001-gffffffff01"
    add_build(directory, fresh, at=NOW - timedelta(minutes=1))
    with pytest.raises(PromotionRefusedError, match="is not testable"):
        promoted(opened(directory), fresh, now=NOW)
    directory.add("markers/master/latest-ci.txt", fresh.encode(), NOW)
    assert promoted(opened(directory), fresh, now=NOW).move is Move.INITIAL


def test_another_branchs_build_of_the_same_names_is_refused(directory: DirectoryPlace) -> None:
    """In the shared window of a branch cut the line decides, and says by what (FAILURES row 26)."""
    beta = "1.30.0-beta.2+v1.30.0-beta.1-3-g00000be003"
    add_build(directory, beta, at=NOW - 2 * HOUR)
    directory.add("markers/release-1.30/latest-ci.txt", beta.encode(), NOW - HOUR)
    directory.add("markers/master/latest-ci.txt", NEW.encode(), NOW - HOUR)
    with pytest.raises(PromotionRefusedError, match="another branch's by its place"):
        promoted(opened(directory), beta)
    assert promoted(opened(directory), beta, channel=Channel("release-1.30")).move is Move.INITIAL


def test_a_doubtful_build_needs_a_clone(directory: DirectoryPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the lineage is doubtful nothing is promoted: a wrong marker would be evidence for later answers."""
    from kopsversion.model.channel import Certainty
    from kopsversion.rules import attribution, inquiry

    attribute = attribution.attribute

    def doubting(*arguments: Any, **settings: Any) -> Any:
        found = attribute(*arguments, **settings)
        return {version: evolve(each, certainty=Certainty.DOUBTFUL) for version, each in found.items()}

    monkeypatch.setattr(inquiry, "attribute", doubting)
    with pytest.raises(PromotionRefusedError, match="it is doubtful whether") as caught:
        promoted(opened(directory), NEW)
    assert "--repo" in caught.value.hint


# --------------------------------------------------------------------------------------------------
# What is not known


@pytest.mark.parametrize("name", ["../latest.txt", "", "a/b.txt", "x\n.txt"])
def test_a_marker_is_no_path(directory: DirectoryPlace, name: str) -> None:
    """The name of a marker cannot lead elsewhere."""
    with pytest.raises(UsageError, match="is not the name of a marker"):
        promoted(opened(directory), NEW, marker=name)


@pytest.mark.parametrize("reason", ["", "  ", "two\nlines", "\x1b[2J", "x" * 501])
def test_a_reason_is_a_line_of_text(directory: DirectoryPlace, reason: str) -> None:
    """A reason is kept for people to read."""
    with pytest.raises(UsageError, match="the reason of a rollback"):
        promoted(opened(directory), NEW, rollback_reason=reason)


@pytest.mark.parametrize(
    ("kinds", "said"),
    [
        ({Kind.MARKER}, "could not be read"),
        ({Kind.MAJORS, Kind.MINORS}, "could not be listed"),
        ({Kind.BUILDS}, "could not be listed"),
        ({Kind.OBJECTS}, "could not be learnt"),
    ],
)
def test_what_cannot_be_learnt_is_not_overwritten(gcs_server: GcsServer, kinds: set[Kind], said: str) -> None:
    """Whether the marker, the order or the build is unknown: the store's error comes out, nothing is written."""
    place = ServerPlace(gcs_server, KOPS_ROOT)
    fill(place)
    place.add(GREEN, OLD.encode(), NOW)
    gcs_server.fail(Status(500), *kinds, times=None)
    attempts = AttemptPolicy(max_attempts=1)
    store = open_store(place.url(), deadline=Deadline(60), attempts=attempts, environ=place.environ)
    with pytest.raises(StoreUnavailableError, match=said):
        promoted(store, NEW, rollback_reason="I insist")
    assert gcs_server.count(Kind.UPLOAD) == 0


def test_where_listing_is_denied_nothing_is_promoted(gcs_server: GcsServer) -> None:
    """Without a listing nobody knows which build is newer."""
    place = ServerPlace(gcs_server, KOPS_ROOT)
    fill(place)
    gcs_server.deny_listing = 403
    with pytest.raises(AccessDeniedError, match="could not be listed") as caught:
        promoted(opened(place), NEW)
    assert "--credentials default" in caught.value.hint
    assert gcs_server.count(*LISTINGS) > 0


def test_a_race_that_never_ends_is_given_up(directory: DirectoryPlace) -> None:
    """Who always loses stops after thirty tries, with exit status 5, and has written nothing."""
    versions = iter(range(10_000))

    def other() -> None:
        directory.add(GREEN, f"1.30.0-alpha.2+v1.30.0-alpha.1-{next(versions) // 2}-g0123456".encode())

    store = WrittenBefore(opened(directory), (other for _ in range(10_000)))
    with pytest.raises(PreconditionFailedError, match="30 times in a row") as caught:
        promoted(store, NEW)
    assert (store.writes, caught.value.exit_code) == (30, 5)


def test_who_lost_a_race_waits_a_little(directory: DirectoryPlace) -> None:
    """Longer each time, by chance, and never for longer than there is time."""
    waits: list[float] = []
    store = WrittenBefore(opened(directory), itertools.repeat(lambda: directory.add(GREEN, OLD.encode())))
    with pytest.raises(PreconditionFailedError, match="times in a row"):
        promoted(store, NEW, sleep=waits.append)
    assert len(waits) == 30
    assert all(0 <= wait <= min(2.0, 0.05 * 2**turn) for turn, wait in enumerate(waits))
    assert len(set(waits)) > 20


def test_a_rollback_that_lost_its_race_is_refused(directory: DirectoryPlace) -> None:
    """It was decided for a marker that is gone: whether the next one is to go back as well, people must say."""
    directory.add(GREEN, NEW.encode())
    store = WrittenBefore(opened(directory), [lambda: directory.add(GREEN, NEW.encode())])
    with pytest.raises(PreconditionFailedError, match="while it was to go back") as caught:
        promoted(store, OLD, rollback_reason="it broke")
    assert (caught.value.exit_code, body(store), store.writes) == (5, NEW, 1)


class _Reading(WrappedStore):
    """Answers some reads of the marker with other bytes."""

    def __init__(self, inner: Store, *answers: bytes | None, generation: str | None = "") -> None:
        super().__init__(inner)
        self.answers = list(answers)
        self.generation = generation

    def read(self, name: str, *, limit: int) -> Content:
        content = super().read(name, limit=limit)
        if name != GREEN:
            return content
        data = self.answers.pop(0) if self.answers else None
        generation = content.generation if self.generation == "" else self.generation
        return evolve(content, data=content.data if data is None else data, generation=generation)


@pytest.mark.parametrize("cut", [b"", b"<html>", b"https://storage.goo"])
def test_one_cut_answer_moves_no_marker_back(directory: DirectoryPlace, cut: bytes) -> None:
    """A marker that reads as nonsense is looked at again before it counts as one that names no build."""
    directory.add(GREEN, NEW.encode())
    store = _Reading(opened(directory), cut)
    with pytest.raises(PromotionRefusedError, match="is not newer"):
        promoted(store, OLD)
    assert body(opened(directory)) == NEW


@pytest.mark.parametrize("cut", [b"", b"https://storage.goo"])
def test_an_answer_that_is_always_cut_moves_no_marker(directory: DirectoryPlace, cut: bytes) -> None:
    """The object's size tells that there is more of it."""
    directory.add(GREEN, NEW.encode())
    with pytest.raises(StoreUnavailableError, match="bytes, and has"):
        promoted(_Reading(opened(directory), *[cut] * 99), OLD)


def test_a_server_may_tell_generations_with_the_metadata_alone(directory: DirectoryPlace) -> None:
    """Some emulators do: then the marker is looked at once more."""
    directory.add(GREEN, OLD.encode())
    assert promoted(_Reading(opened(directory), generation=None), NEW).move is Move.FORWARD


def test_a_marker_without_any_generation_is_not_overwritten(directory: DirectoryPlace) -> None:
    """Nobody could see that somebody else wrote it."""

    class Without(_Reading):
        def stat(self, name: str) -> StoredObject:
            return evolve(super().stat(name), generation=None)

    directory.add(GREEN, OLD.encode())
    with pytest.raises(StoreUnavailableError, match="no generation"):
        promoted(Without(opened(directory), generation=None), NEW)


def test_a_dry_run_writes_nothing(directory: DirectoryPlace) -> None:
    """What would be done is told."""
    store = WrittenBefore(opened(directory), [])
    promotion = promoted(store, NEW, dry_run=True)
    assert (promotion.move, promotion.generation, store.writes) == (Move.INITIAL, None, 0)
    assert body(store) is None


def test_a_marker_can_hold_the_version_alone(directory: DirectoryPlace) -> None:
    """The newer form of markers has no URL."""
    store = opened(directory)
    promoted(store, NEW, body_format=BodyFormat.VERSION)
    assert body(store) == f"{NEW}\n"


# --------------------------------------------------------------------------------------------------
# Two hundred at once

RACERS = 200
RACED = [f"1.30.0-alpha.2+v1.30.0-alpha.1-{n}-g{n:010x}" for n in range(1, 41)]


class _Diary:
    """Promoters note which generation names which build."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.entries: dict[str, str] = {}
        self.ends: list[str] = []

    def promote(self, store: Store, version: str) -> None:
        end = ""
        try:
            promotion = promoted(store, version, policy=Policy(settle=timedelta()), deadline=Deadline(300))
        except KopsVersionError as error:
            end = type(error).__name__
        with self._lock:
            self.ends.append(end or promotion.move)
            if not end and promotion.generation is not None:
                assert promotion.generation not in self.entries
                self.entries[promotion.generation] = version

    def check(self, final: str) -> None:
        """Every write was forward, and the marker ends at the newest build of all."""
        # A generation begins with the time of the write, which only ever grows.
        order = [
            self.entries[each] for each in sorted(self.entries, key=lambda text: int(text.split("-")[0]))
        ]
        distances = [BuildVersion.parse(version).distance or 0 for version in order]
        assert distances == sorted(set(distances))
        assert order[-1] == final == RACED[-1]
        assert set(self.ends) <= {"forward", "initial", "none", "PromotionRefusedError"}


def _race(open_one: Callable[[], Store], *, seed: int) -> tuple[_Diary, str]:
    """Let two hundred threads promote builds, each several times, and return what they noted and the marker."""
    diary = _Diary()
    versions = [RACED[number % len(RACED)] for number in range(RACERS)]
    random.Random(seed).shuffle(versions)
    start = threading.Barrier(RACERS)

    def run(version: str) -> None:
        start.wait()
        diary.promote(open_one(), version)

    threads = [threading.Thread(target=run, args=(version,)) for version in versions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(diary.ends) == RACERS
    text = body(open_one())
    assert text is not None
    return diary, text.strip().rpartition("/")[2]


def _lay_out_race(place: Place) -> None:
    for age, version in enumerate(reversed(RACED), start=1):
        add_build(place, version, at=NOW - age * HOUR)


@pytest.mark.parametrize("kind", ["directory", "our server"])
def test_two_hundred_racing_promoters_never_move_a_marker_back(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Whoever wins, each write names a newer build than the one before, and the newest of all stays."""
    place = make_place(kind, request, tmp_path)
    _lay_out_race(place)
    diary, final = _race(lambda: opened(place, seconds=300), seed=5)
    diary.check(final)


def _promote_many(url: str, versions: Sequence[str], results: Any) -> None:
    """Promote builds one after the other, in a process of its own."""
    diary = _Diary()
    for version in versions:
        diary.promote(open_store(url, deadline=Deadline(300), environ={}), version)
    results.put((diary.entries, diary.ends))


def test_racing_processes_never_move_a_marker_back(tmp_path: Path) -> None:
    """In a directory eight processes take turns by its lock, as threads do."""
    place = DirectoryPlace(tmp_path / "a store")
    _lay_out_race(place)
    versions = RACED * 5
    random.Random(7).shuffle(versions)
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    processes = [
        context.Process(target=_promote_many, args=(place.url(), versions[number::8], results))
        for number in range(8)
    ]
    for process in processes:
        process.start()
    diary = _Diary()
    for _ in processes:
        entries, ends = results.get(timeout=300)
        assert not diary.entries.keys() & entries.keys()
        diary.entries |= entries
        diary.ends += ends
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0] * 8
    text = body(opened(place))
    assert text is not None
    assert len(diary.ends) == RACERS
    diary.check(text.strip().rpartition("/")[2])


# --------------------------------------------------------------------------------------------------
# The command


def run(place: DirectoryPlace, *arguments: str, **settings: Any) -> Result:
    """Run ``kopsversion promote`` on master's green marker."""
    options = ["--channel", "master", "--marker", MARKER, "--store", place.url()]
    return CliRunner().invoke(tools, ["promote", *options, *arguments], prog_name="kopsversion", **settings)


def test_the_command_says_what_it_did(directory: DirectoryPlace) -> None:
    """One line: what was written, or would be, or was left; a "v" before the version is let pass."""
    first = run(directory, "--build", f"v{OLD}", "--dry-run")
    assert (first.exit_code, first.stdout) == (0, f"would write {GREEN}: missing -> {OLD} (initial)\n")
    run(directory, "--build", OLD)
    second = run(directory, "--build", NEW)
    assert (second.exit_code, second.stdout) == (0, f"wrote {GREEN}: {OLD} -> {NEW} (forward)\n")
    third = run(directory, "--build", NEW)
    assert (third.exit_code, third.stdout) == (0, f"left {GREEN}: {NEW}\n")
    back = run(directory, "--build", OLD)
    assert (back.exit_code, back.stdout) == (1, "")
    assert "--allow-rollback" in back.stderr
    told = run(directory, "--build", OLD, "--allow-rollback", "NEW breaks")
    assert (told.exit_code, told.stdout) == (0, f"wrote {GREEN}: {NEW} -> {OLD} (rollback)\n")
    beside = directory.root / "markers/master" / f".kopsversion-metadata-{MARKER}.json"
    assert json.loads(beside.read_text()) == {REASON_KEY: "NEW breaks"}


def test_the_version_alone_comes_with_a_warning(directory: DirectoryPlace) -> None:
    """kubetest2 looks for such a build beside the marker, where none is."""
    result = run(directory, "--build", NEW, "--format", "version")
    assert result.exit_code == 0
    assert "WARNING a marker of the version alone" in result.stderr
    assert body(opened(directory)) == f"{NEW}\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "name the build that was tested"),
        (["--build", NEW, "--from-lock", "lock.json"], "name the build that was tested"),
        (["--build", NEW, "--as-of", "2024-05-06"], "--as-of has no meaning"),
        (["--build", NEW, "--store", "elsewhere"], "several are named"),
        (["--build", "../x"], "is not a kOps version"),
        (["--build", NEW, "--channel", "mastre"], "is not a channel"),
        (["--build", NEW, "--repo", "/nowhere"], "/nowhere"),
    ],
)
def test_what_is_not_valid_is_told(directory: DirectoryPlace, arguments: list[str], said: str) -> None:
    """Exit status 2, and nothing on standard output."""
    result = run(directory, *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr


def test_variables_do_not_allow_a_rollback(directory: DirectoryPlace) -> None:
    """A setting that stays in a job's environment is no reason, and KOPSVERSION_MARKER names what to trust."""
    run(directory, "--build", NEW)
    settings = {"KOPSVERSION_ALLOW_ROLLBACK": "always", "KOPSVERSION_MARKER": "latest-ci.txt"}
    result = run(directory, "--build", OLD, env=settings)
    assert result.exit_code == 1
    without = CliRunner().invoke(tools, ["promote", "--channel", "master", "--build", NEW], env=settings)
    assert without.exit_code == 2


@pytest.mark.parametrize(("arguments", "credentials"), [([], "default"), (["--dry-run"], "anonymous")])
def test_only_who_writes_shows_credentials(
    directory: DirectoryPlace, monkeypatch: pytest.MonkeyPatch, arguments: list[str], credentials: str
) -> None:
    """Application Default Credentials are used to write a bucket, and for nothing else."""
    asked = []

    def open_one(url: str, **settings: Any) -> Store:
        asked.append(settings["credentials"])
        return open_store(url, **settings)

    monkeypatch.setattr("kopsversion.stores.opening.open_store", open_one)
    assert run(directory, "--build", NEW, *arguments).exit_code == 0
    assert asked == [credentials]


def test_what_a_lock_names_is_promoted(directory: DirectoryPlace, tmp_path: Path) -> None:
    """The build of a lock is the one that was tested; a lock that no longer holds promotes nothing."""
    lock = tmp_path / "lock.json"
    resolved = CliRunner().invoke(
        tools, ["resolve", NEW, "--store", directory.url(), "--lock", str(lock)], env={"ARTIFACTS": ""}
    )
    assert resolved.exit_code == 0
    add_build(directory, "1.30.0-alpha.2+v1.30.0-alpha.1-1001-g0123456789", at=NOW)
    assert run(directory, "--from-lock", str(lock)).stdout.endswith(f"-> {NEW} (initial)\n")
    (directory.root / NEW / "linux/amd64/kops.sha256").write_text("0" * 64 + "\n")
    assert run(directory, "--from-lock", str(lock)).exit_code == 5


def test_builds_are_what_fill_says() -> None:
    """The scenery is what the tests above say of it."""
    versions = [BuildVersion.parse(text) for text in BUILDS]
    assert versions == sorted(versions)
    assert datetime.now(UTC) > NOW
