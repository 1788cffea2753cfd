"""Which build to test next in the search for the first bad one among builds in order (DESIGN section 14).

Pure: a `Bisection` holds what was found so far, and `Bisection.next` says what follows. The same findings always
lead to the same step, whatever their order, so a search can be resumed from its findings alone. It knows builds as
positions in their order, 0 for the oldest. It must not know what a build is, or how one is tested.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from attrs import evolve, field

from kopsversion.errors import UsageError
from kopsversion.model.checking import checked, wrong_argument
from kopsversion.model.values import frozen


class Outcome(StrEnum):
    """What testing a build has shown.

    >>> Bisection(size=3, good=0, bad=2).record(1, Outcome.SKIP).tested
    1
    """

    GOOD = "good"
    """The test passed."""
    BAD = "bad"
    """The test failed."""
    SKIP = "skip"
    """The test ran and cannot tell."""
    UNTESTABLE = "untestable"
    """The build cannot be tested, so nothing ran."""


_TELLING = (Outcome.GOOD, Outcome.BAD)


class Purpose(StrEnum):
    """Why a build is tested.

    >>> Bisection(size=9, good=0, bad=8).next().purpose
    <Purpose.GOOD_END: 'good end'>
    """

    GOOD_END = "good end"
    """To see whether the good end is good."""
    BAD_END = "bad end"
    """To see whether the bad end is bad."""
    HALVE = "halve"
    """To halve the range between them."""


class Misfit(StrEnum):
    """Why there is nothing to find.

    >>> Bisection(size=3, good=0, bad=2).record(0, Outcome.BAD).next().reason
    <Misfit.GOOD_IS_BAD: 'good is bad'>
    """

    GOOD_IS_BAD = "good is bad"
    """The build that was said to be good is bad."""
    BAD_IS_GOOD = "bad is good"
    """The build that was said to be bad is good."""
    NONE_GOOD = "none is good"
    """No build further back is good."""
    """However far back was looked, no build was good."""
    NONE_BAD = "none is bad"
    """No build further on is bad."""
    """However far on was looked, no build was bad."""


@frozen(kw_only=True)
class Try:
    """Test this build next.

    >>> step = Bisection(size=9, good=0, bad=8, assume_ends=True).next()
    >>> step.position, step.builds_left, step.steps_left
    (4, 7, 3)

    Attributes:
        position: the build.
        purpose: why.
        good: the last build that is known, or said, to be good.
        bad: the first build that is known, or said, to be bad.
        builds_left: builds between these two that may still be tested.
        steps_left: the most tests that are still needed, if none is skipped; this one is counted.
    """

    position: int
    purpose: Purpose
    good: int
    bad: int
    builds_left: int
    steps_left: int


@frozen(kw_only=True)
class Found:
    """The search is over: what made builds bad came after `good`, and came with `bad` at the latest.

    >>> search = Bisection(size=3, good=0, bad=2, assume_ends=True).record(1, Outcome.SKIP)
    >>> search.next()
    Found(good=0, bad=2, unknown=(1,), is_good_tested=False, is_bad_tested=False)

    Attributes:
        good: the last good build.
        bad: the first bad build.
        unknown: the builds between them, none of which could be tested.
        is_good_tested: whether `good` was tested; if not, it is good by assumption.
        is_bad_tested: whether `bad` was tested; if not, it is bad by assumption.
    """

    good: int
    bad: int
    unknown: tuple[int, ...]
    is_good_tested: bool
    is_bad_tested: bool


@frozen(kw_only=True)
class Failed:
    """There is nothing to find: an end of the range is not what it was said to be.

    >>> search = Bisection(size=3, good=0, bad=2).record(0, Outcome.BAD)
    >>> search.next()
    Failed(reason=<Misfit.GOOD_IS_BAD: 'good is bad'>, position=0)

    Attributes:
        reason: which end, and how.
        position: the build that showed it.
    """

    reason: Misfit
    position: int


Step = Try | Found | Failed


@frozen(kw_only=True)
class Bisection:
    """A search for the first bad build among builds in order.

    Without `expand`, no more than ⌈log2 n⌉ + skips + 2 builds are tested. Here n counts the builds from `good` to
    `bad`, and skips those whose test could not tell. Builds that cannot be tested cost nothing.

    >>> search = Bisection(size=9, good=0, bad=8)
    >>> while isinstance(step := search.next(), Try):
    ...     search = search.record(step.position, Outcome.BAD if step.position >= 5 else Outcome.GOOD)
    >>> step.good, step.bad
    (4, 5)

    Attributes:
        size: how many builds there are.
        good: the position of the build that is said to be good.
        bad: the position of the build that is said to be bad; later than `good`.
        expand: look further out where an end is not what it was said to be.
        assume_ends: believe what is said of the ends.
        outcomes: what was found so far, by position.

    Raises:
        UsageError: the positions are not in order, or outside of the builds.
    """

    size: int
    good: int
    bad: int
    expand: bool = False
    assume_ends: bool = False
    outcomes: Mapping[int, Outcome] = field(factory=dict)

    def __attrs_post_init__(self) -> None:
        """Refuse ends that leave nothing to find."""
        for name in ("size", "good", "bad"):
            checked(name, getattr(self, name), int, wanted="a number")
        if not isinstance(self.outcomes, Mapping):
            raise wrong_argument("outcomes", self.outcomes, wanted="a mapping of positions to outcomes")
        if not 0 <= self.good < self.bad < self.size:
            raise UsageError(
                f"good is {self.good} and bad is {self.bad}, of {self.size} builds",
                hint="good must be an earlier position than bad, and both must be positions of builds",
            )
        stray = [position for position in self.outcomes if not 0 <= position < self.size]
        if stray:
            raise UsageError(f"outcomes has position {stray[0]}, of {self.size} builds")

    @property
    def tested(self) -> int:
        """How many builds were tested so far."""
        return sum(outcome is not Outcome.UNTESTABLE for outcome in self.outcomes.values())

    def record(self, position: int, outcome: Outcome) -> Bisection:
        """Return this search with one more finding.

        Parameters:
            position: the build that was tested.
            outcome: what the test has shown.

        Raises:
            UsageError: `position` is none of the search, or `outcome` is no `Outcome`.
        """
        checked("position", position, int, wanted="the position of a build, as a number")
        checked("outcome", outcome, Outcome, wanted="an Outcome")
        return evolve(self, outcomes={**self.outcomes, position: outcome})

    def next(self) -> Step:
        """Say what to test next, or what the search has found.

        Returns:
            `Try`, `Found` or `Failed`.
        """
        good, bad = self.good, self.bad
        if not self.assume_ends:
            first = self._find_good()
            if not isinstance(first, int):
                return first
            last = self._find_bad()
            if not isinstance(last, int):
                return last
            good, bad = first, last
        good, bad = self._narrow(good, bad)
        untried = [position for position in range(good + 1, bad) if position not in self.outcomes]
        if untried:
            return self._try(_choose(untried, self._skipped()), Purpose.HALVE, good=good, bad=bad)
        return Found(
            good=good,
            bad=bad,
            unknown=tuple(range(good + 1, bad)),
            is_good_tested=self.outcomes.get(good) is Outcome.GOOD,
            is_bad_tested=self.outcomes.get(bad) is Outcome.BAD,
        )

    # ------------------------------------------------------------------------------------ the ends

    def _find_good(self) -> int | Step:
        """Find the good end: as it is said, or further back where that does not hold."""
        position, stride = self.good, 1
        while True:
            outcome = self.outcomes.get(position)
            if outcome is None:
                return self._try(position, Purpose.GOOD_END, good=position, bad=self._known_bad())
            if outcome is Outcome.GOOD:
                return position
            if not self.expand:
                is_bad = outcome is Outcome.BAD
                return Failed(reason=Misfit.GOOD_IS_BAD, position=position) if is_bad else position
            if position == 0:
                return self._believe(self.good, Misfit.NONE_GOOD, position)
            if outcome is Outcome.BAD:
                position, stride = max(position - stride, 0), stride * 2
            else:
                position -= 1

    def _find_bad(self) -> int | Step:
        """Find the bad end: the first build that was found bad, the end as it is said, or one further on."""
        position, stride = self._known_bad(), 1
        while True:
            outcome = self.outcomes.get(position)
            if outcome is None:
                return self._try(position, Purpose.BAD_END, good=self._known_good(), bad=position)
            if outcome is Outcome.BAD:
                return position
            if not self.expand:
                is_good = outcome is Outcome.GOOD
                return Failed(reason=Misfit.BAD_IS_GOOD, position=position) if is_good else position
            if position == self.size - 1:
                return self._believe(self.bad, Misfit.NONE_BAD, position)
            if outcome is Outcome.GOOD:
                position, stride = min(position + stride, self.size - 1), stride * 2
            else:
                position += 1

    def _believe(self, end: int, misfit: Misfit, position: int) -> int | Step:
        """Believe what is said of an end, if nothing further out could be tested and its own test was no proof."""
        if self.outcomes[end] in _TELLING:
            return Failed(reason=misfit, position=position)
        return end

    def _known_good(self) -> int:
        return max((p for p, outcome in self.outcomes.items() if outcome is Outcome.GOOD), default=self.good)

    def _known_bad(self) -> int:
        return min((p for p, outcome in self.outcomes.items() if outcome is Outcome.BAD), default=self.bad)

    # ------------------------------------------------------------------------------------ the range

    def _narrow(self, good: int, bad: int) -> tuple[int, int]:
        """Return the last good and the first bad build between the ends."""
        positions = sorted(self.outcomes)
        bads = (p for p in positions if p > good and self.outcomes[p] is Outcome.BAD)
        bad = min(bad, next(bads, bad))
        goods = [p for p in positions if good < p < bad and self.outcomes[p] is Outcome.GOOD]
        good = max([good, *goods])
        return good, bad

    def _skipped(self) -> list[int]:
        return [position for position, outcome in self.outcomes.items() if outcome is Outcome.SKIP]

    def _try(self, position: int, purpose: Purpose, *, good: int, bad: int) -> Try:
        between = sum(each not in self.outcomes for each in range(good + 1, bad))
        ends = 0 if purpose is Purpose.HALVE else sum(end not in self.outcomes for end in (good, bad))
        return Try(
            position=position,
            purpose=purpose,
            good=good,
            bad=bad,
            builds_left=between,
            steps_left=steps_for(between) + ends,
        )


def steps_for(builds: int) -> int:
    """Return the most tests that it takes to find the first bad build when so many builds lie between the ends."""
    return builds.bit_length()


def _choose(untried: list[int], skipped: list[int]) -> int:
    """Choose the build that halves the range; near one that was skipped, another that is no worse.

    Builds whose test cannot tell come in groups: what broke one broke its neighbours. So the choice moves away from
    those that were skipped, as far as either half can still be searched in one test less.
    """
    most = (1 << (steps_for(len(untried)) - 1)) - 1  # what one test less can search
    allowed = untried[len(untried) - 1 - most : most + 1]
    middle = untried[len(untried) // 2]
    return max(
        allowed,
        key=lambda each: (min((abs(each - other) for other in skipped), default=0), -abs(each - middle)),
    )
