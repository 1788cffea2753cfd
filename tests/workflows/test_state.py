"""The state file and the last rung: kept for the day when no store can be asked."""

from __future__ import annotations

import fcntl
import json
import multiprocessing
import os
import stat
import threading
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from attrs import evolve

from kopsversion.errors import (
    MarkerRefusedError,
    NoTestableBuildError,
    StoreError,
    StoreUnavailableError,
    UsageError,
)
from kopsversion.model.answer import Resolution, Rung, Severity, Source
from kopsversion.model.channel import GREEN_MARKER, MASTER, Attribution, Certainty, Witness
from kopsversion.model.codec import to_json
from kopsversion.model.policy import OnStale, Policy, Strategy
from kopsversion.model.version import BuildVersion
from kopsversion.stores.deadline import Deadline
from kopsversion.workflows import state
from kopsversion.workflows.fallback import LastGood
from kopsversion.workflows.latest import resolve_latest
from kopsversion.workflows.state import MOST_ANSWERS, StateError, StateFile, question_of
from tests.builders import DAY, HOUR, NOW, STORE, alpha, patch
from tests.gcs_faults import Stall, Status
from tests.gcs_server import KOPS_ROOT, GcsServer, Kind
from tests.scenes import PLAIN, Scene, every_hour, store_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from kopsversion.model.answer import Condition

MINUTE = timedelta(minutes=1)


def answer(
    distance: int = 1,
    *,
    now: datetime = NOW,
    rung: Rung = Rung.FULL,
    policy: Policy = Policy(),  # noqa: B008 # frozen
) -> Resolution:
    version = BuildVersion.parse(alpha(distance))
    return Resolution(
        channel=MASTER,
        version=version,
        base_url=f"{STORE}{version}",
        attribution=Attribution(MASTER, Witness.VERSION, Certainty.LIKELY),
        uploaded=now - HOUR,
        source=Source.MARKER,
        rung=rung,
        conditions=(),
        markers=(),
        refused=(),
        skipped={},
        newest=None,
        store=STORE,
        policy=policy,
        now=now,
    )


def question(
    selector: str = MASTER,
    *,
    policy: Policy = Policy(),  # noqa: B008 # frozen
    ref: str | None = None,
) -> state.QuestionFields:
    return question_of(stores=[STORE], selector=selector, policy=policy, ref=ref)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.json"


@pytest.fixture
def file(path: Path) -> StateFile:
    return StateFile(path, sleep=_never)


def _never(_seconds: float) -> None:
    raise AssertionError("nothing was to be waited for")


# --------------------------------------------------------------------------------------------------
# The file


class TestFile:
    def test_keeps_an_answer(self, file: StateFile) -> None:
        """What was remembered is recalled, by the same question and by no other."""
        file.remember(question(), answer())
        assert file.recall(question()) == answer()
        assert file.recall(question("release-1.29")) is None

    def test_holds_nothing_while_it_does_not_exist(self, file: StateFile) -> None:
        """Which is no fault, and makes no file."""
        assert file.recall(question()) is None
        assert not file.path.exists()

    def test_keeps_the_answers_to_other_questions(self, file: StateFile) -> None:
        """A later answer replaces the one to its own question."""
        file.remember(question(), answer(1))
        file.remember(question("release-1.29"), answer(2))
        file.remember(question(), answer(3))
        assert file.recall(question()) == answer(3)
        assert file.recall(question("release-1.29")) == answer(2)
        assert len(json.loads(file.path.read_bytes())["answers"]) == 2

    def test_says_its_schema(self, file: StateFile) -> None:
        """So that a later kopsversion can read an earlier one's file."""
        file.remember(question(), answer())
        assert json.loads(file.path.read_bytes())["schema"] == 1

    def test_is_private(self, file: StateFile) -> None:
        """Also where the mask would let others read, and also where it was public before."""
        before = os.umask(0)
        try:
            file.remember(question(), answer(1))
            file.path.chmod(0o666)
            file.remember(question(), answer(2))
        finally:
            os.umask(before)
        assert {stat.S_IMODE(each.stat().st_mode) for each in file.path.parent.iterdir()} == {0o600}

    def test_leaves_nothing_else_behind(self, file: StateFile) -> None:
        """But for the lock, which has to stay."""
        file.remember(question(), answer())
        assert {each.name for each in file.path.parent.iterdir()} == {"state.json", ".state.json.lock"}

    def test_does_not_grow_for_ever(self, file: StateFile) -> None:
        """The answers that were written longest ago go first."""
        for number in range(MOST_ANSWERS + 5):
            file.remember(question(f"{number}"), answer())
        assert file.recall(question("4")) is None
        assert file.recall(question("5")) == answer()
        assert file.recall(question(f"{MOST_ANSWERS + 4}")) == answer()

    def test_never_becomes_larger_than_it_may_be(
        self, file: StateFile, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Otherwise it could not be read again."""
        file.remember(question("0"), answer())
        monkeypatch.setattr(state, "LIMIT", 3 * file.path.stat().st_size)
        for number in range(1, 10):
            file.remember(question(f"{number}"), answer())
        assert file.path.stat().st_size <= state.LIMIT
        assert file.recall(question("9")) == answer()
        assert file.recall(question("0")) is None

    def test_leaves_out_why_builds_were_refused(self, file: StateFile) -> None:
        """It would be most of the file."""
        from kopsversion.model.answer import Refusal

        refused = Refusal(BuildVersion.parse(alpha(9)), ("linux/arm64/nodeup is missing",))
        file.remember(question(), evolve(answer(), refused=(refused,)))
        assert file.recall(question()) == answer()


class TestNews:
    """What is worth writing."""

    def test_the_same_answer_within_a_minute_is_not(self, file: StateFile) -> None:
        """A fleet of jobs need not queue to write the same."""
        file.remember(question(), answer())
        before = file.path.stat()
        file.remember(question(), answer(now=NOW + 59 * timedelta(seconds=1)))
        assert file.path.stat().st_ino == before.st_ino
        file.remember(question(), answer(now=NOW + MINUTE))
        assert file.path.stat().st_ino != before.st_ino

    @pytest.mark.parametrize(
        "other", [answer(2), answer(rung=Rung.LISTING), answer(now=NOW - HOUR)], ids=["build", "rung", "past"]
    )
    def test_another_answer_is(self, file: StateFile, other: Resolution) -> None:
        """Whatever differs in it; also one of an hour before, since some clock was wrong then."""
        file.remember(question(), answer())
        file.remember(question(), other)
        assert file.recall(question()) == other

    def test_a_marker_alone_does_not_displace_a_listing(self, file: StateFile) -> None:
        """Unless that is older than a marker may lag."""
        file.remember(question(), answer(1))
        file.remember(question(), answer(2, rung=Rung.MARKER, now=NOW + DAY))
        assert file.recall(question()) == answer(1)
        late = answer(2, rung=Rung.MARKER, now=NOW + DAY + MINUTE)
        file.remember(question(), late)
        assert file.recall(question()) == late

    def test_a_marker_alone_is_better_than_nothing(self, file: StateFile) -> None:
        """And displaces another one."""
        for distance in (1, 2):
            kept = answer(distance, rung=Rung.MARKER)
            file.remember(question(), kept)
            assert file.recall(question()) == kept


class TestQuestion:
    @pytest.mark.parametrize(
        "policy",
        [
            Policy(strategy=Strategy.NEWEST),
            Policy(markers=("latest-ci.txt",)),
            Policy(on_stale=OnStale.REFUSE),
            Policy(max_lag=HOUR),
            Policy(settle=HOUR),
            Policy(platforms=("linux/amd64",)),
            Policy(exclude=frozenset({BuildVersion.parse(alpha(5))})),
            Policy(nth=2),
        ],
        ids=lambda policy: next(
            name
            for name in (
                "strategy",
                "markers",
                "on_stale",
                "max_lag",
                "settle",
                "platforms",
                "exclude",
                "nth",
            )
            if getattr(policy, name) != getattr(Policy(), name)
        ),
    )
    def test_what_chooses_is_part_of_it(self, file: StateFile, policy: Policy) -> None:
        """An answer under another policy is no answer."""
        file.remember(question(), answer())
        assert file.recall(question(policy=policy)) is None
        file.remember(question(policy=policy), answer(2))
        assert file.recall(question(policy=policy)) == answer(2)

    def test_what_only_warns_is_not(self) -> None:
        """Ages of builds and reported markers change what is said, and not the build."""
        same = Policy(max_build_age=HOUR, build_sla=HOUR, reported=("latest-ci.txt",), compare_artifacts=True)
        assert question(policy=same) == question()

    def test_the_order_of_platforms_is_not(self) -> None:
        """They are a set."""
        swapped = Policy(platforms=("linux/arm64", "linux/amd64"))
        assert question(policy=swapped) == question()

    def test_the_branch_in_a_clone_is(self) -> None:
        """``--ref`` names another branch."""
        assert question(ref="mine") != question()


def _entry(change: Callable[[dict[str, Any]], object]) -> bytes:
    fields = json.loads(to_json(answer()))
    change(fields)
    return json.dumps({"schema": 1, "answers": [{"question": question(), "answer": fields}]}).encode()


DAMAGED = {
    "empty": b"",
    "cut short": b'{"schema": 1, "answers": [',
    "binary": bytes(range(256)),
    "HTML": b"<html>",
    "null": b"null",
    "a list": b"[]",
    "no schema": b"{}",
    "schema is text": b'{"schema": "1", "answers": []}',
    "schema is true": b'{"schema": true, "answers": []}',
    "schema is 0": b'{"schema": 0, "answers": []}',
    "no answers": b'{"schema": 1}',
    "answers is an object": b'{"schema": 1, "answers": {}}',
    "an answer is null": b'{"schema": 1, "answers": [null]}',
    "an answer without a question": b'{"schema": 1, "answers": [{"answer": {}}]}',
    "an answer without an answer": b'{"schema": 1, "answers": [{"question": {}}]}',
    "deep": b"[" * 100_000,
    "a number without end": b'{"schema": ' + b"1" * 5000 + b"}",
    "an answer of no schema": _entry(lambda fields: fields.pop("schema")),
    "an answer without a version": _entry(lambda fields: fields.pop("version")),
    "an answer with a hostile version": _entry(lambda fields: fields.update(version="../../etc")),
    "an answer of another place than it says": _entry(
        lambda fields: fields.update(base_url="https://evil/x")
    ),
}


class TestDamage:
    @pytest.mark.parametrize("data", DAMAGED.values(), ids=DAMAGED.keys())
    def test_is_told_on_reading(self, file: StateFile, data: bytes) -> None:
        """One sentence, with the file's name."""
        file.path.write_bytes(data)
        with pytest.raises(StateError, match="is damaged") as caught:
            file.recall(question())
        assert "state.json" in str(caught.value)
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize("data", DAMAGED.values(), ids=DAMAGED.keys())
    def test_is_told_and_mended_on_writing(self, file: StateFile, data: bytes) -> None:
        """The next job finds a good file."""
        file.path.write_bytes(data)
        with pytest.raises(StateError, match="it was written anew"):
            file.remember(question(), answer())
        assert file.recall(question()) == answer()

    def test_of_one_answer_is_nothing_to_the_others(self, file: StateFile) -> None:
        """Its own question finds it, and mends it."""
        file.path.write_bytes(DAMAGED["an answer without a version"])
        file.remember(question("release-1.29"), answer(2))
        assert file.recall(question("release-1.29")) == answer(2)
        with pytest.raises(StateError):
            file.recall(question())

    def test_a_file_that_is_too_large_is_damaged(
        self, file: StateFile, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """No more than the limit is taken into memory."""
        monkeypatch.setattr(state, "LIMIT", 100)
        file.path.write_bytes(b" " * 101)
        with pytest.raises(StateError, match="larger than 100 bytes"):
            file.recall(question())


class TestFuture:
    def test_a_later_schema_is_told_and_left_alone(self, file: StateFile) -> None:
        """A newer kopsversion in another job still needs it."""
        data = b'{"schema": 2, "answers": "who knows"}'
        file.path.write_bytes(data)
        with pytest.raises(StateError, match="of a later kopsversion"):
            file.recall(question())
        with pytest.raises(StateError, match="of a later kopsversion"):
            file.remember(question(), answer())
        assert file.path.read_bytes() == data


class TestPlace:
    def test_a_directory_is_no_file(self, tmp_path: Path) -> None:
        """It is neither read nor replaced."""
        self.unusable(tmp_path, "not a regular file")

    def test_a_pipe_is_no_file_and_is_not_waited_for(self, path: Path) -> None:
        """Opening it plainly would wait for a writer."""
        os.mkfifo(path)
        self.unusable(path, "not a regular file")

    def test_a_device_is_no_file(self) -> None:
        """It must not be replaced."""
        self.unusable(Path("/dev/null"), "not a regular file")
        assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)

    def test_no_directory(self, tmp_path: Path) -> None:
        """Nothing is read, and nothing can be written."""
        file = StateFile(tmp_path / "missing" / "state.json")
        assert file.recall(question()) is None
        with pytest.raises(StateError, match="cannot be used: it cannot be locked: No such file"):
            file.remember(question(), answer())

    def test_an_impossible_name(self) -> None:
        """A null byte, or too many letters."""
        self.unusable(Path("a\0b"), "null")
        self.unusable(Path("x" * 300), "too long")

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
    def test_a_directory_that_is_read_only(self, tmp_path: Path) -> None:
        """The answer does not depend on it."""
        tmp_path.chmod(0o500)
        with pytest.raises(StateError, match="Permission denied"):
            StateFile(tmp_path / "state.json").remember(question(), answer())
        tmp_path.chmod(0o700)

    def test_a_write_that_fails_keeps_what_was_there(
        self, file: StateFile, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A full disk, say."""

        def full(*_: object, **__: object) -> None:
            raise UsageError("'state.json' cannot be written: No space left on device")

        file.remember(question(), answer(1))
        monkeypatch.setattr(state, "write_whole", full)
        with pytest.raises(StateError, match="No space left"):
            file.remember(question(), answer(2))
        assert file.recall(question()) == answer(1)

    @pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="no /proc")
    def test_a_read_that_fails(self) -> None:
        """As of a network file system that has gone away; the first page of a process is never readable."""
        with pytest.raises(StateError, match="Input/output error"):
            StateFile(Path("/proc/self/mem")).recall(question())

    def test_a_symlink_is_replaced_and_not_written_through(self, path: Path, tmp_path: Path) -> None:
        """What it leads to is somebody else's."""
        target = tmp_path / "target"
        target.write_bytes(b'{"schema": 1, "answers": []}')
        path.symlink_to(target)
        StateFile(path).remember(question(), answer())
        assert not path.is_symlink()
        assert target.read_bytes() == b'{"schema": 1, "answers": []}'

    def unusable(self, path: Path, reason: str) -> None:
        file = StateFile(path, sleep=_never)
        with pytest.raises(StateError, match=reason):
            file.recall(question())
        with pytest.raises(StateError, match=reason):
            file.remember(question(), answer())


class TestLock:
    def held(self, path: Path) -> int:
        descriptor = os.open(path.with_name(f".{path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        return descriptor

    def test_is_waited_for(self, path: Path) -> None:
        """Until another job has written."""
        descriptor = self.held(path)
        file = StateFile(path, sleep=lambda _: os.close(descriptor))
        file.remember(question(), answer())
        assert file.recall(question()) == answer()

    def test_is_not_waited_for_without_end(self, path: Path) -> None:
        """A job that was stopped while it held the lock stops no other; two seconds in all."""
        descriptor = self.held(path)
        naps: list[float] = []
        with pytest.raises(StateError, match="another job has kept it locked for 2 s"):
            StateFile(path, sleep=naps.append).remember(question(), answer())
        os.close(descriptor)
        assert sum(naps) == pytest.approx(2)

    def test_is_not_needed_for_reading(self, file: StateFile) -> None:
        """The file is replaced in one step, so it is always whole."""
        file.remember(question(), answer())
        descriptor = self.held(file.path)
        assert file.recall(question()) == answer()
        os.close(descriptor)

    def test_a_file_system_without_locks(self, file: StateFile, monkeypatch: pytest.MonkeyPatch) -> None:
        """Then nothing is written: it could take another job's answer away."""

        def refuse(*_: object) -> None:
            raise OSError(95, "Operation not supported")

        monkeypatch.setattr(fcntl, "flock", refuse)
        with pytest.raises(StateError, match="cannot be locked: Operation not supported"):
            file.remember(question(), answer())

    def test_what_was_written_while_it_was_waited_for_is_looked_at_again(self, path: Path) -> None:
        """Another job may have written the same answer, or a better one."""
        StateFile(path).remember(question(), answer(1, now=NOW - HOUR, rung=Rung.MARKER))
        descriptor = self.held(path)

        def meanwhile(_: float) -> None:
            os.close(descriptor)
            StateFile(path).remember(question(), answer(2))

        StateFile(path, sleep=meanwhile).remember(question(), answer(3, rung=Rung.MARKER))
        assert StateFile(path).recall(question()) == answer(2)


def _write_many(path: Path, name: str, number: int) -> None:
    file = StateFile(path)
    for distance in range(1, number + 1):
        file.remember(question(name), answer(distance))


class TestTogether:
    """Jobs that write at once."""

    def test_threads_lose_no_answer(self, path: Path) -> None:
        """Each finds its own last one; a reader meanwhile never finds a damaged file."""
        writers = [threading.Thread(target=_write_many, args=(path, f"thread {n}", 10)) for n in range(8)]
        for writer in writers:
            writer.start()
        while any(writer.is_alive() for writer in writers):
            StateFile(path).recall(question("thread 0"))
        assert [StateFile(path).recall(question(f"thread {n}")) for n in range(8)] == [answer(10)] * 8

    def test_processes_lose_no_answer(self, path: Path) -> None:
        """The lock is between processes too."""
        context = multiprocessing.get_context("spawn")
        writers = [context.Process(target=_write_many, args=(path, f"process {n}", 10)) for n in range(4)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join(120)
        assert [writer.exitcode for writer in writers] == [0] * 4
        assert [StateFile(path).recall(question(f"process {n}")) for n in range(4)] == [answer(10)] * 4


# --------------------------------------------------------------------------------------------------
# The rung

OFF = Status(503)


def told(found: Resolution, code: str) -> Condition:
    return next(condition for condition in found.conditions if condition.code == code)


class Job:
    """A job that asks one server again and again, with one state file."""

    def __init__(self, server: GcsServer, path: Path) -> None:
        self.server = server
        self.path = path

    def ask(
        self,
        selector: str = MASTER,
        *,
        now: datetime = NOW,
        allow: timedelta | None = DAY,
        policy: Policy = Policy(),  # noqa: B008 # frozen
        as_of: datetime | None = None,
        bucket: str = "k8s-staging-kops",
        timeout: float = 60.0,
    ) -> Resolution:
        return resolve_latest(
            selector,
            store=store_of(self.server, bucket=bucket),
            policy=policy,
            now=now,
            as_of=as_of,
            timeout=timeout,
            state=self.path,
            allow_cached=allow,
        )

    def failure(self, selector: str = MASTER, **settings: Any) -> StoreError:
        with pytest.raises(StoreError) as caught:
            self.ask(selector, **settings)
        return caught.value


@pytest.fixture
def job(gcs_server: GcsServer, path: Path, naps: list[float]) -> Job:
    PLAIN.put(gcs_server)
    return Job(gcs_server, path)


def outage(job: Job) -> None:
    job.server.fail(OFF, times=None)


class TestRung:
    def test_the_last_good_answer_stands_in(self, job: Job) -> None:
        """When listing and markers are both gone; labelled, with its age and with what was tried."""
        good = job.ask()
        outage(job)
        found = job.ask(now=NOW + 6 * HOUR)
        assert (found.source, found.rung) == (Source.CACHE, Rung.CACHED)
        assert (found.version, found.base_url, found.store) == (good.version, good.base_url, good.store)
        condition = told(found, "cached-answer")
        assert condition.severity is Severity.WARNING
        assert "6 hours ago" in condition.message
        assert "HTTP 503" in condition.message
        assert condition.data["age_seconds"] == 6 * 3600
        tried = condition.data["tried"]
        assert isinstance(tried, tuple)
        assert any(GREEN_MARKER in reason for reason in tried)
        assert found.is_degraded
        assert (found.now, found.requests) == (NOW + 6 * HOUR, 4 * 3)

    def test_a_good_answer_has_nothing_to_say_of_it(self, job: Job) -> None:
        """With a state file or without."""
        assert job.ask() == resolve_latest(store=store_of(job.server), now=NOW)

    def test_an_answer_that_is_too_old_does_not(self, job: Job) -> None:
        """Exit 4, and both ages are told."""
        job.ask()
        outage(job)
        assert job.ask(now=NOW + DAY).rung is Rung.CACHED
        error = job.failure(now=NOW + DAY + MINUTE)
        assert error.exit_code == 4
        assert error.reasons[-1] == (
            "the last good answer is of 2024-05-06 18:00 UTC, 24 hours ago, and --allow-cached permits 24 hours"
        )
        assert any("HTTP 503" in reason for reason in error.reasons)

    def test_an_answer_from_the_future_is_as_doubtful_as_an_old_one(self, job: Job) -> None:
        """Some clock is wrong; a job that began a moment before another one ended is no such case."""
        job.ask()
        outage(job)
        assert job.ask(now=NOW - MINUTE).rung is Rung.CACHED
        assert "25 hours from now" in job.failure(now=NOW - 25 * HOUR).reasons[-1]

    def test_there_may_be_none(self, job: Job) -> None:
        """Or none to this question."""
        job.ask("release-1.29")
        outage(job)
        assert "holds no last good answer" in job.failure().reasons[-1]
        assert "holds no last good answer" in job.failure(policy=Policy(nth=2)).reasons[-1]
        assert job.ask("1.29").version == BuildVersion.parse(patch(5))

    def test_it_must_be_allowed(self, job: Job) -> None:
        """A state file alone only keeps."""
        job.ask(allow=None)
        outage(job)
        with pytest.raises(StoreUnavailableError):
            job.ask(allow=None)

    def test_it_is_not_taken_while_another_rung_holds(self, job: Job) -> None:
        """Listing alone, and a marker alone, are better than an hour ago."""
        job.ask()
        job.server.fail(OFF, Kind.MARKER, times=None)
        assert job.ask(now=NOW + HOUR).rung is Rung.LISTING
        job.server.faults.clear()
        job.server.fail(OFF, Kind.BUILDS, times=None)
        assert job.ask(now=NOW + HOUR).rung is Rung.MARKER

    def test_its_own_conditions_stay_with_it(self, job: Job) -> None:
        """What was to be said of the answer is still to be said; the cached answer comes first."""
        job.server.fail(Status(404), Kind.MARKER, times=None)
        job.ask()
        outage(job)
        job.server.faults.reverse()
        codes = [condition.code for condition in job.ask().conditions]
        assert codes == ["cached-answer", "marker-missing", "marker-missing"]

    def test_it_is_not_kept_as_a_new_answer(self, job: Job) -> None:
        """Else it would never grow old."""
        job.ask()
        outage(job)
        before = job.path.read_bytes()
        job.ask(now=NOW + HOUR)
        assert job.path.read_bytes() == before

    def test_a_version_has_a_last_good_answer_too(self, job: Job) -> None:
        """That it was testable then."""
        job.ask(alpha(3))
        outage(job)
        assert job.ask(alpha(3)).rung is Rung.CACHED

    def test_it_stands_in_when_the_stores_have_taken_all_the_time(self, job: Job) -> None:
        """The file was read before."""
        job.ask()
        job.server.fail(Stall(), times=None)
        assert job.ask(timeout=2.0).rung is Rung.CACHED


class TestNever:
    """It never hides an answer that there is."""

    def test_no_testable_build(self, job: Job) -> None:
        """Exit 1 stays exit 1."""
        job.ask()
        for version in PLAIN.builds:
            job.server.bucket().remove(f"{KOPS_ROOT}{version}/linux/amd64/kops")
        with pytest.raises(NoTestableBuildError):
            job.ask()

    def test_a_refused_marker(self, job: Job) -> None:
        """As it was asked for."""
        refuse = Policy(on_stale=OnStale.REFUSE)
        job.ask(policy=refuse)
        Scene(
            builds=every_hour((alpha(n) for n in range(1, 9)), last=NOW - 3 * DAY),
            markers={(MASTER, GREEN_MARKER): alpha(1)},
        ).put(job.server)
        with pytest.raises(MarkerRefusedError):
            job.ask(policy=refuse)

    def test_the_past_neither_reads_nor_writes_it(self, job: Job) -> None:
        """``--as-of`` is a question about another moment."""
        job.ask(as_of=NOW)
        assert not job.path.exists()
        job.ask()
        outage(job)
        job.failure(as_of=NOW)

    def test_a_place_outside_the_stores(self, job: Job) -> None:
        """A state file that was tampered with makes no job download from elsewhere."""
        good = job.ask()
        content = json.loads(job.path.read_bytes())
        content["answers"][0]["answer"]["base_url"] = f"https://evil.example/{good.version}"
        job.path.write_text(json.dumps(content))
        outage(job)
        assert "outside these stores" in job.failure().reasons[-1]

    def test_without_a_file_it_cannot_be_allowed(self) -> None:
        """Exit 2: the safety net would not be there."""
        with pytest.raises(UsageError, match="no state file") as caught:
            resolve_latest(allow_cached=DAY)
        assert "--state" in caught.value.hint


class TestTrouble:
    """Whatever is wrong with the file, the answer is given, and the trouble told."""

    @pytest.mark.parametrize("allow", [None, DAY])
    def test_a_damaged_file_is_told_once(self, job: Job, allow: timedelta | None) -> None:
        """And is good again afterwards."""
        job.path.write_bytes(b"{")
        found = job.ask(allow=allow)
        assert str(found.version) == alpha(5)
        assert [c.code for c in found.conditions] == ["state-unusable"]
        assert "it was written anew" in told(found, "state-unusable").message
        assert told(found, "state-unusable").data == {"file": str(job.path)}
        assert job.ask(allow=allow).conditions == ()

    def test_a_damaged_file_is_told_with_the_error(self, job: Job) -> None:
        """There it is a reason why nothing stands in."""
        job.path.write_bytes(b"{")
        outage(job)
        assert "is damaged" in job.failure().reasons[-1]

    def test_a_place_that_cannot_be_written(self, job: Job, tmp_path: Path) -> None:
        """The answer is the same."""
        job.path = tmp_path / "missing" / "state.json"
        found = job.ask()
        assert str(found.version) == alpha(5)
        assert told(found, "state-unusable").severity is Severity.WARNING

    def test_a_file_that_hangs(self, tmp_path: Path) -> None:
        """A network file system can; it is waited for no longer than the deadline."""
        released = threading.Event()

        class Hanging(StateFile):
            def recall(self, question: state.QuestionFields) -> None:
                del question
                released.wait(60)

        good = LastGood(Hanging(tmp_path / "f"), question={}, allowed=DAY, deadline=Deadline(0.05))
        error = StoreUnavailableError("down", url=STORE)
        with pytest.raises(StoreError) as caught:
            good.stand_in(error, stores=[], policy=Policy(), now=NOW)
        released.set()
        assert "no time for the state file" in caught.value.reasons[-1]


def test_directories_are_the_same_store_from_wherever_they_are_named(
    tmp_path: Path, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relative path, an absolute one and a URL."""
    from kopsversion.cli.demo_bucket import AS_OF, lay_out

    lay_out(tmp_path / "demo")
    monkeypatch.chdir(tmp_path)
    for store in ("demo", str(tmp_path / "demo"), f"file://{tmp_path}/demo/"):
        resolve_latest(store=store, now=AS_OF, state=path)
    assert len(json.loads(path.read_bytes())["answers"]) == 1
