"""Retries and the deadline: when a call is made again, and that nothing outlives its time."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from kopsversion.errors import (
    AccessDeniedError,
    MalformedResponseError,
    ObjectNotFoundError,
    PreconditionFailedError,
    StoreError,
    StoreUnavailableError,
)
from kopsversion.stores.base import AttemptPolicy
from kopsversion.stores.deadline import Deadline, side_by_side
from kopsversion.stores.retrying import Retrying

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

POLICY = AttemptPolicy(max_attempts=5, initial=1.0, maximum=4.0)
URL = "gs://bucket/object"


class Clock:
    """A clock that only sleeping moves, and that remembers every sleep."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


class Scripted:
    """A function that raises what it was given, one error a call, and then returns ``answer``."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "answer"


def transient(*, retry_after: float | None = None) -> StoreUnavailableError:
    return StoreUnavailableError("busy", url=URL, transient=True, retry_after=retry_after)


def longest(_low: float, high: float) -> float:
    """Jitter at its worst, so that the bound of each wait can be seen."""
    return high


def retrying(clock: Clock, *, policy: AttemptPolicy = POLICY, seconds: float = 1000.0) -> Retrying:
    return Retrying(policy, deadline=Deadline(seconds, clock), sleep=clock.sleep, jitter=longest)


class TestRetrying:
    def test_returns_at_once_what_succeeds(self) -> None:
        """A function that succeeds is called once, and nothing is slept."""
        clock, function = Clock(), Scripted()
        assert retrying(clock)(function) == "answer"
        assert (function.calls, clock.slept) == (1, [])

    def test_calls_again_after_transient_errors(self) -> None:
        """Transient errors are retried with waits that double up to the maximum (FAILURES row 15)."""
        clock, function = Clock(), Scripted(*(transient() for _ in range(4)))
        assert retrying(clock)(function) == "answer"
        assert clock.slept == [1.0, 2.0, 4.0, 4.0]

    def test_gives_up_after_the_last_attempt(self) -> None:
        """When every attempt fails, the error of the last one comes out."""
        clock = Clock()
        errors = [transient() for _ in range(5)]
        function = Scripted(*errors)
        with pytest.raises(StoreUnavailableError) as caught:
            retrying(clock)(function)
        assert caught.value is errors[-1]
        assert function.calls == 5

    @pytest.mark.parametrize(
        "error",
        [
            AccessDeniedError("denied", url=URL),
            MalformedResponseError("HTML", url=URL),
            ObjectNotFoundError("gone", url=URL),
            PreconditionFailedError("late", url=URL),
            StoreError("refused", url=URL),
            StoreUnavailableError("certificate", url=URL),
            ValueError("not ours"),
        ],
    )
    def test_fails_at_once_where_asking_again_cannot_help(self, error: Exception) -> None:
        """Whatever is not marked as transient comes out at the first attempt."""
        clock, function = Clock(), Scripted(error)
        with pytest.raises(type(error)):
            retrying(clock)(function)
        assert (function.calls, clock.slept) == (1, [])

    def test_waits_as_long_as_the_server_wants(self) -> None:
        """Retry-After is honoured where it is longer than the wait, also above the maximum."""
        clock = Clock()
        retrying(clock)(Scripted(transient(retry_after=30.0), transient(retry_after=0.5)))
        assert clock.slept == [30.0, 2.0]

    def test_caps_what_the_server_wants_by_the_deadline(self) -> None:
        """Retry-After takes at most half of the time that is left, so that another attempt has the rest."""
        clock = Clock()
        retrying(clock, seconds=40.0)(Scripted(transient(retry_after=3600.0), transient(retry_after=3600.0)))
        assert clock.slept == [20.0, 10.0]

    def test_stops_at_the_deadline(self) -> None:
        """After the deadline nothing is tried again, however many attempts were left."""
        clock = Clock()
        calls = 0

        def slow() -> None:
            nonlocal calls
            calls += 1
            clock.now += 20.0
            raise transient()

        with pytest.raises(StoreUnavailableError):
            retrying(clock, seconds=30.0)(slow)
        assert calls == 2

    @given(
        attempts=st.integers(1, 8),
        initial=st.floats(0, 5),
        maximum=st.floats(0, 60),
        seconds=st.floats(0.1, 300),
        wishes=st.lists(st.none() | st.floats(0, 10_000), min_size=8, max_size=8),
        share=st.floats(0, 1),
    )
    def test_never_sleeps_past_the_deadline(
        self,
        attempts: int,
        initial: float,
        maximum: float,
        seconds: float,
        wishes: list[float | None],
        share: float,
    ) -> None:
        """Whatever the policy and the server want, sleeping alone never reaches the deadline."""
        clock = Clock()
        function = Scripted(*(transient(retry_after=wish) for wish in wishes))
        retry = Retrying(
            AttemptPolicy(max_attempts=attempts, initial=initial, maximum=maximum),
            deadline=Deadline(seconds, clock),
            sleep=clock.sleep,
            jitter=lambda low, high: low + (high - low) * share,
        )
        with pytest.raises(StoreUnavailableError):
            retry(function)
        assert function.calls == attempts
        assert sum(clock.slept) <= seconds
        assert all(nap >= 0 for nap in clock.slept)

    def test_jitter_spreads_over_the_whole_wait(self) -> None:
        """The random part reaches from zero to the doubled wait: full jitter."""
        clock = Clock()
        asked: list[tuple[float, float]] = []

        def jitter(low: float, high: float) -> float:
            asked.append((low, high))
            return low

        retry = Retrying(POLICY, deadline=Deadline(10, clock), sleep=clock.sleep, jitter=jitter)
        retry(Scripted(transient(), transient(), transient()))
        assert asked == [(0.0, 1.0), (0.0, 2.0), (0.0, 4.0)]

    def test_one_retrier_serves_threads_at_once(self) -> None:
        """Calls from several threads through one retrier do not disturb each other."""
        clock = Clock()
        retry = retrying(clock, policy=evolve(POLICY, initial=0.0))
        functions = [Scripted(*(transient() for _ in range(n % 4))) for n in range(12)]

        def call(function: Scripted) -> Callable[[], str]:
            return lambda: retry(function)

        answers = side_by_side(
            [call(each) for each in functions], deadline=Deadline(60), urls=[URL] * len(functions)
        )
        assert answers == ["answer"] * 12
        assert [each.calls for each in functions] == [n % 4 + 1 for n in range(12)]

    def test_a_policy_needs_an_attempt(self) -> None:
        """A policy without any attempt is refused when it is made."""
        with pytest.raises(ValueError, match="at least 1, not 0"):
            AttemptPolicy(max_attempts=0)


class TestDeadline:
    def test_counts_down(self) -> None:
        """What remains shrinks with the clock and never goes below zero."""
        clock = Clock()
        deadline = Deadline(2.0, clock)
        assert (deadline.seconds, deadline.remaining(), deadline.expired) == (2.0, 2.0, False)
        deadline.check(URL)
        clock.now += 5
        assert (deadline.remaining(), deadline.expired) == (0.0, True)

    def test_names_itself_when_it_has_passed(self) -> None:
        """The error names the deadline and what was asked, and is not worth a retry."""
        with pytest.raises(StoreUnavailableError, match=r"'gs://bucket/object'.*deadline of 0 s") as caught:
            Deadline(0).check(URL)
        assert not caught.value.transient
        assert "--timeout" in caught.value.hint

    def test_starts_nothing_when_it_has_passed(self) -> None:
        """A call that comes too late is not begun."""
        function = Scripted()
        with pytest.raises(StoreUnavailableError):
            Deadline(0).run(function, url=URL)
        assert function.calls == 0

    def test_hands_results_and_errors_through(self) -> None:
        """What a call returns or raises, of whatever kind, comes out of the thread it ran in."""
        assert Deadline(60).run(lambda: 7, url=URL) == 7
        assert Deadline(60).run(lambda: 7, url=URL, limit=30) == 7
        with pytest.raises(KeyError):
            Deadline(60).run(Scripted(KeyError("x")), url=URL)
        with pytest.raises(KeyboardInterrupt):
            Deadline(60).run(_interrupted, url=URL)

    @pytest.mark.parametrize("seconds", [0.01, 1e12])
    def test_leaves_a_stuck_call_behind(self, seconds: float, stuck: Callable[[], None]) -> None:
        """A call that never ends is left after its limit, or at the deadline if that is nearer."""
        with pytest.raises(StoreUnavailableError) as caught:
            Deadline(seconds).run(stuck, url=URL, limit=0.02)
        assert caught.value.transient == (seconds > 1)
        with pytest.raises(StoreUnavailableError, match="deadline"):
            Deadline(0.01).run(stuck, url=URL)

    def test_survives_waits_longer_than_threads_can(self) -> None:
        """A deadline of more seconds than the threading module can wait still works."""
        assert Deadline(1e300).run(lambda: 7, url=URL) == 7


class TestStage:
    def test_takes_a_share_of_what_is_left(self) -> None:
        """Within a stage its share is all there is; after it the rest of the whole deadline is."""
        clock = Clock()
        deadline = Deadline(60, clock)
        clock.now += 20
        with deadline.stage(0.5):
            assert deadline.remaining() == 20
            clock.now += 30
            assert deadline.expired
        assert deadline.remaining() == 10

    def test_nests(self) -> None:
        """A stage within a stage takes a share of that one, and gives back what it leaves."""
        clock = Clock()
        deadline = Deadline(60, clock)
        with deadline.stage(0.5), deadline.stage(0.5):
            assert deadline.remaining() == 15
        with deadline.stage(0.5):
            with deadline.stage(0.1):
                clock.now += 10
            assert deadline.remaining() == 20

    def test_ends_with_its_block_whatever_ends_that(self) -> None:
        """An error within leaves no limit behind."""
        deadline = Deadline(60, Clock())
        with pytest.raises(KeyError), deadline.stage(0.1):
            raise KeyError
        assert deadline.remaining() == 60

    def test_is_named_in_the_error(self) -> None:
        """The reader is not told of 60 seconds where only a share of them has passed."""
        clock = Clock()
        deadline = Deadline(60, clock)
        with deadline.stage(0.5):
            clock.now += 30
            with pytest.raises(StoreUnavailableError, match="its share of the deadline of 60 s"):
                deadline.check(URL)

    def test_ends_the_attempts_of_a_call_that_was_left_behind(self) -> None:
        """A call begun in a stage is not repeated in the time of the next one."""
        clock = Clock()
        deadline = Deadline(60, clock)
        stage = deadline.stage(0.5)
        retry = Retrying(POLICY, deadline=deadline, sleep=clock.sleep, jitter=longest)

        def call() -> None:
            clock.now += 31
            stage.__exit__(None, None, None)
            raise transient()

        stage.__enter__()
        with pytest.raises(StoreUnavailableError, match="busy"):
            retry(call)
        assert (deadline.remaining(), clock.slept) == (29, [])


class TestSideBySide:
    def test_returns_outcomes_in_order(self) -> None:
        """Each call's result or StoreError stands in its place, whichever ended first."""
        first_may_end = threading.Event()

        def first() -> str:
            assert first_may_end.wait(60)
            return "first"

        def second() -> str:
            first_may_end.set()
            return "second"

        calls: Sequence[Callable[[], str]] = [first, second, Scripted(transient())]
        outcomes = side_by_side(calls, deadline=Deadline(60), urls=[URL] * len(calls))
        assert outcomes[:2] == ["first", "second"]
        assert isinstance(outcomes[2], StoreUnavailableError)

    def test_raises_what_is_not_a_store_error(self) -> None:
        """A mistake in the program is not taken for a store's failure."""
        with pytest.raises(ZeroDivisionError):
            side_by_side([lambda: 1 // 0], deadline=Deadline(60), urls=[URL])

    def test_gives_nothing_to_do_no_time(self) -> None:
        """No calls, no outcomes."""
        assert side_by_side([], deadline=Deadline(0), urls=[]) == []

    def test_keeps_what_came_in_time(self, stuck: Callable[[], None]) -> None:
        """Where one call hangs, the others' results are kept and the hanging one is an error."""
        done = threading.Event()

        def quick() -> None:
            done.set()

        def slow() -> None:
            done.wait(60)
            stuck()

        outcomes = side_by_side([quick, slow, slow], deadline=Deadline(0.2), urls=[URL] * 3)
        assert outcomes[0] is None
        assert [str(each) for each in outcomes[1:]] == [
            "'gs://bucket/object' was not answered within the deadline of 0.2 s"
        ] * 2

    def test_a_hanging_call_does_not_keep_the_interpreter(self) -> None:
        """The process ends although a call still hangs."""
        script = (
            "import threading\n"
            "from kopsversion.stores.deadline import Deadline, side_by_side\n"
            "print(side_by_side([threading.Event().wait], deadline=Deadline(0.05), urls=['x']))\n"
        )
        ended = subprocess.run(
            [sys.executable, "-W", "error", "-c", script],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        assert "deadline of 0.05 s" in ended.stdout
        assert ended.stderr == ""


@pytest.fixture
def stuck() -> Iterator[Callable[[], None]]:
    """A call that does not end before the test does."""
    released = threading.Event()

    def call() -> None:
        released.wait(60)

    yield call
    released.set()


def _interrupted() -> None:
    raise KeyboardInterrupt
