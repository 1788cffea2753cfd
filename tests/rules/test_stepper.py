"""The search for the first bad build: it finds it, in few tests, whatever cannot be tested."""

from __future__ import annotations

from math import ceil, log2

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kopsversion.errors import UsageError
from kopsversion.rules.stepper import Bisection, Failed, Found, Misfit, Outcome, Purpose, Step, Try, steps_for

G, B, S, U = Outcome.GOOD, Outcome.BAD, Outcome.SKIP, Outcome.UNTESTABLE


def run(search: Bisection, truth: str) -> tuple[Step, Bisection]:
    """Search builds, each good, bad, skipped or untestable by its letter, to the end."""
    meaning = {"g": G, "b": B, "s": S, "u": U}
    while isinstance(step := search.next(), Try):
        assert step.position not in search.outcomes, "no build is tested twice"
        search = search.record(step.position, meaning[truth[step.position]])
    return step, search


def search(truth: str, *, good: int = 0, bad: int = -1, expand: bool = False) -> tuple[Step, Bisection]:
    return run(Bisection(size=len(truth), good=good, bad=bad % len(truth), expand=expand), truth)


@st.composite
def truths(draw: st.DrawFn, *, ends_hold: bool = True) -> tuple[str, int]:
    """Draw builds, and the position of the culprit: the first one that is not good."""
    size = draw(st.integers(2, 200))
    culprit = draw(st.integers(1, size - 1))
    hidden = draw(st.sets(st.integers(0, size - 1)))
    skipped = draw(st.sets(st.integers(0, size - 1)))
    truth = ["g" if position < culprit else "b" for position in range(size)]
    for position in range(size):
        if ends_hold and position in {0, size - 1}:
            continue
        if position in hidden:
            truth[position] = "u"
        elif position in skipped:
            truth[position] = "s"
    return "".join(truth), culprit


@given(truths())
def test_the_culprit_is_always_in_the_range(drawn: tuple[str, int]) -> None:
    """The culprit came after the last good build, and with the first bad one; between them all is unknown."""
    truth, culprit = drawn
    step, _ = search(truth)
    assert isinstance(step, Found)
    assert step.good < culprit <= step.bad
    assert set(truth[step.good + 1 : step.bad]) <= {"u", "s"}
    assert step.unknown == tuple(range(step.good + 1, step.bad))
    assert step.is_good_tested
    assert step.is_bad_tested


@given(truths(ends_hold=False))
def test_few_builds_are_tested(drawn: tuple[str, int]) -> None:
    """Never more than ⌈log2 n⌉ + skips + 2, whatever cannot be tested."""
    truth, _ = drawn
    _, after = search(truth)
    skips = sum(outcome is S for outcome in after.outcomes.values())
    assert after.tested <= ceil(log2(len(truth))) + skips + 2


@given(truths(ends_hold=False))
def test_an_end_that_cannot_be_tested_is_believed(drawn: tuple[str, int]) -> None:
    """The culprit is found as well, and it is said which end was not tested."""
    truth, culprit = drawn
    step, after = search(truth)
    assert isinstance(step, Found)
    assert step.good < culprit <= step.bad
    assert step.is_good_tested == (after.outcomes.get(step.good) is G)
    assert step.is_bad_tested == (after.outcomes.get(step.bad) is B)


@given(truths(), st.data())
def test_ends_that_do_not_hold_are_moved_outward(drawn: tuple[str, int], data: st.DataObject) -> None:
    """With `expand` any two builds will do as ends, if there are a good and a bad one at all."""
    truth, culprit = drawn
    good = data.draw(st.integers(0, len(truth) - 2))
    bad = data.draw(st.integers(good + 1, len(truth) - 1))
    step, _ = search(truth, good=good, bad=bad, expand=True)
    assert isinstance(step, Found)
    assert step.good < culprit <= step.bad
    assert set(truth[step.good + 1 : step.bad]) <= {"u", "s"}


@given(truths(ends_hold=False))
def test_a_search_can_be_resumed_from_its_findings(drawn: tuple[str, int]) -> None:
    """The next step depends on what was found, and not on the order in which it was found."""
    truth, _ = drawn
    _, after = search(truth)
    ordered = dict(sorted(after.outcomes.items()))
    again = Bisection(size=len(truth), good=0, bad=len(truth) - 1, outcomes=ordered)
    assert again.next() == after.next()


@given(truths())
def test_the_steps_left_are_an_upper_bound(drawn: tuple[str, int]) -> None:
    """What is said to be left at the start is never exceeded but by skipped tests."""
    truth, _ = drawn
    first = Bisection(size=len(truth), good=0, bad=len(truth) - 1).next()
    assert isinstance(first, Try)
    _, after = search(truth)
    skips = sum(outcome is S for outcome in after.outcomes.values())
    assert after.tested <= first.steps_left + skips


@pytest.mark.parametrize(
    ("truth", "good", "bad", "expand", "reason", "position"),
    [
        ("bbbb", 1, 3, False, Misfit.GOOD_IS_BAD, 1),
        ("gggg", 1, 2, False, Misfit.BAD_IS_GOOD, 2),
        ("bbbb", 2, 3, True, Misfit.NONE_GOOD, 0),
        ("ubbb", 2, 3, True, Misfit.NONE_GOOD, 0),
        ("gggg", 0, 1, True, Misfit.NONE_BAD, 3),
        ("gggu", 0, 1, True, Misfit.NONE_BAD, 3),
    ],
)
def test_ends_that_leave_nothing_to_find(
    *, truth: str, good: int, bad: int, expand: bool, reason: Misfit, position: int
) -> None:
    """An end that is not what it was said to be ends the search, and it is said which."""
    step, _ = search(truth, good=good, bad=bad, expand=expand)
    assert step == Failed(reason=reason, position=position)


@pytest.mark.parametrize(
    ("truth", "good", "bad", "found"),
    [
        ("uugb", 1, 3, (2, 3)),
        ("uusb", 2, 3, (2, 3)),
        ("gsuu", 0, 1, (0, 1)),
        ("gbuu", 0, 3, (0, 1)),
        ("gusb", 2, 3, (0, 3)),
        ("gsub", 0, 1, (0, 3)),
        ("ggbb", 2, 3, (1, 2)),
        ("ggggb", 0, 1, (3, 4)),
    ],
)
def test_an_end_that_cannot_be_tested_is_looked_for_further_out(
    truth: str, good: int, bad: int, found: tuple[int, int]
) -> None:
    """With `expand` the next one that can be tested takes its place; where there is none, it is believed."""
    step, _ = search(truth, good=good, bad=bad, expand=True)
    assert isinstance(step, Found)
    assert (step.good, step.bad) == found


def test_ends_that_are_believed_are_not_tested() -> None:
    """With `assume_ends` only builds between them are."""
    step, after = run(Bisection(size=5, good=0, bad=4, assume_ends=True), "xggbx")
    assert isinstance(step, Found)
    assert (step.good, step.bad, step.is_good_tested, step.is_bad_tested) == (2, 3, True, True)
    assert not {0, 4} & set(after.outcomes)
    first = Bisection(size=9, good=0, bad=8, assume_ends=True).next()
    assert isinstance(first, Try)
    assert (first.builds_left, first.steps_left) == (7, 3)


def test_a_step_says_how_much_is_left() -> None:
    """The good end comes first, then the bad one, then the middle."""
    first = Bisection(size=9, good=0, bad=8)
    assert first.next() == Try(
        position=0, purpose=Purpose.GOOD_END, good=0, bad=8, builds_left=7, steps_left=5
    )
    second = first.record(0, G)
    assert second.next() == Try(
        position=8, purpose=Purpose.BAD_END, good=0, bad=8, builds_left=7, steps_left=4
    )
    third = second.record(8, B)
    assert third.next() == Try(position=4, purpose=Purpose.HALVE, good=0, bad=8, builds_left=7, steps_left=3)


def test_a_test_that_was_skipped_sends_the_search_away() -> None:
    """A neighbour of a build that cannot be told is rarely better, so another is taken that is no worse."""
    ends = {0: G, 100: B}
    search = Bisection(size=101, good=0, bad=100, outcomes={**ends, 50: S})
    step = search.next()
    assert isinstance(step, Try)
    assert abs(step.position - 50) > 10
    older = sum(each != 50 for each in range(1, step.position))
    assert steps_for(max(older, 97 - older)) < steps_for(98)


@pytest.mark.parametrize(("skipped", "position"), [(40, 65), (47, 65), (53, 35), (60, 35)])
def test_the_search_goes_away_from_it_on_either_side(skipped: int, position: int) -> None:
    """As far as one test less can search."""
    step = Bisection(size=101, good=0, bad=100, outcomes={0: G, 100: B, skipped: S}).next()
    assert isinstance(step, Try)
    assert step.position == position


@pytest.mark.parametrize(
    ("truth", "good", "tried"),
    [
        ("ggggggggggggb", 0, [(0, 0, 1), (1, 0, 1), (2, 1, 2), (4, 2, 4), (8, 4, 8), (12, 8, 12)]),
        ("gguugub", 0, [(0, 0, 1), (1, 0, 1), (2, 1, 2), (3, 1, 3), (4, 1, 4), (6, 4, 6)]),
        ("gbbbbbbbbbbbb", 11, [(11, 11, 12), (10, 10, 11), (8, 8, 10), (4, 4, 8), (0, 0, 4)]),
        ("gbuubub", 5, [(5, 5, 6), (4, 4, 6), (3, 3, 4), (2, 2, 4), (1, 1, 4), (0, 0, 1)]),
    ],
    ids=["on", "on past what cannot be tested", "back", "back past what cannot be tested"],
)
def test_an_end_is_looked_for_in_strides_that_double(
    truth: str, good: int, tried: list[tuple[int, int, int]]
) -> None:
    """One by one past what cannot be tested; each step tells the range as it is known then."""
    meaning = {"g": G, "b": B, "u": U}
    search, steps = Bisection(size=len(truth), good=good, bad=good + 1, expand=True), []
    while isinstance(step := search.next(), Try):
        if step.purpose is not Purpose.HALVE:
            steps.append((step.position, step.good, step.bad))
        search = search.record(step.position, meaning[truth[step.position]])
    assert steps == tried


@pytest.mark.parametrize("letter", ["u", "s"])
def test_without_expand_an_end_that_cannot_be_told_is_believed(letter: str) -> None:
    """Either of them."""
    for truth, found in ((f"{letter}gb", (1, 2)), (f"gb{letter}", (0, 1)), (f"g{letter}", (0, 1))):
        step, _ = search(truth)
        assert isinstance(step, Found)
        assert (step.good, step.bad) == found


def test_ends_that_are_believed_are_believed_against_what_was_found() -> None:
    """Only what was found between them counts."""
    for outcomes, good, bad in (({0: B, 1: B}, 0, 1), ({2: G, 1: G}, 1, 2)):
        step = Bisection(size=3, good=0, bad=2, assume_ends=True, outcomes=outcomes).next()
        assert isinstance(step, Found)
        assert (step.good, step.bad) == (good, bad)


def test_contradicting_findings_still_have_an_end() -> None:
    """A flaky test may call an earlier build bad than one it called good: the first bad one counts."""
    search = Bisection(size=6, good=0, bad=5, outcomes={0: G, 5: B, 2: B, 4: G, 1: G, 3: S})
    assert search.next() == Found(good=1, bad=2, unknown=(), is_good_tested=True, is_bad_tested=True)


@pytest.mark.parametrize(("size", "good", "bad"), [(3, 1, 1), (3, 2, 1), (3, -1, 2), (3, 0, 3), (0, 0, 0)])
def test_ends_must_be_in_order(size: int, good: int, bad: int) -> None:
    """Ends that are equal, in the wrong order or no builds at all are refused."""
    with pytest.raises(UsageError, match=f"good is {good} and bad is {bad}, of {size} builds") as caught:
        Bisection(size=size, good=good, bad=bad)
    assert caught.value.hint == (
        "good must be an earlier position than bad, and both must be positions of builds"
    )


def test_findings_must_be_of_builds() -> None:
    """What was found of a build that is not there is refused."""
    with pytest.raises(UsageError, match="outcomes has position 3"):
        Bisection(size=3, good=0, bad=2, outcomes={3: G})


def test_outcomes_are_a_mapping() -> None:
    """Each has a position."""
    with pytest.raises(UsageError) as caught:
        Bisection(size=3, good=0, bad=2, outcomes=[])  # type: ignore[arg-type] # as callers may
    assert caught.value.message == "outcomes is '[]', of type list"
    assert caught.value.hint == "give a mapping of positions to outcomes"
    with pytest.raises(UsageError) as caught:
        Bisection(size="3", good=0, bad=2)  # type: ignore[arg-type] # as callers may
    assert (caught.value.message, caught.value.hint) == ("size is '3', of type str", "give a number")


@pytest.mark.parametrize(
    ("position", "outcome", "message", "hint"),
    [
        ("3", G, "position is '3', of type str", "give the position of a build, as a number"),
        (1, 5, "outcome is 5, of type int", "give an Outcome"),
    ],
)
def test_a_finding_of_another_type_is_named(
    position: object, outcome: object, message: str, hint: str
) -> None:
    """With what to give."""
    with pytest.raises(UsageError) as caught:
        Bisection(size=3, good=0, bad=2).record(position, outcome)  # type: ignore[arg-type] # as callers may
    assert (caught.value.message, caught.value.hint) == (message, hint)
