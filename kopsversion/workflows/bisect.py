"""Finds the first bad build of a channel between two, by testing few of them (DESIGN section 14).

`rules.bisection` makes the plan, and `rules.stepper` decides the steps. This module asks the store, keeps the state and
makes the report. The caller tests a build, by a function that returns what the test showed.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from typing import TYPE_CHECKING

from attrs import evolve, field

from kopsversion.errors import BisectionError, GitWitnessError
from kopsversion.model.answer import Condition, Severity
from kopsversion.model.codes import Code
from kopsversion.model.layout import DEFAULT_STORE
from kopsversion.model.policy import Policy
from kopsversion.model.values import frozen
from kopsversion.rules.bisection import Plan, PlannedBuild
from kopsversion.rules.stepper import Bisection, Failed, Found, Misfit, Outcome, Try
from kopsversion.workflows.arguments import checked, file_of, flag_of, function_of, wrong_argument
from kopsversion.workflows.bisection_state import BisectionState, Progressed, TrialFinding
from kopsversion.workflows.history import open_history
from kopsversion.workflows.question import DEFAULT_TIMEOUT
from kopsversion.workflows.ranges import RangeQuestion, ask_range
from kopsversion.workflows.rounds import say_nothing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime, timedelta
    from pathlib import Path

    from kopsversion.model.channel import Channel
    from kopsversion.model.version import BuildVersion
    from kopsversion.stores.base import Store
    from kopsversion.witness.address import Repo
    from kopsversion.witness.merges import Merge
    from kopsversion.workflows.stores import StoreLike

__all__ = [
    "BisectReport",
    "BuildUnderTest",
    "BuiltMerge",
    "NotTested",
    "RangeEnd",
    "Trial",
    "TrialResult",
    "bisect",
    "plan_bisection",
]

COMPARE = "https://github.com/kubernetes/kops/compare/"


# --------------------------------------------------------------------------------------------------
# Values


@frozen(kw_only=True)
class BuildUnderTest:
    """A build that is to be tested.

    >>> def is_good(build):
    ...     return not build.base_url.endswith("-3-g0000000003")
    >>> report = bisect(master_version(1), "newest", test=is_good, store=store, now=NOW)
    >>> report.bad.version.distance
    3

    Attributes:
        version: its name.
        base_url: its base URL, as ``KOPS_BASE_URL`` wants it.
        uploaded: when one of its files was written, UTC, where known.
        store: where it is, to fetch from.
    """

    version: BuildVersion
    base_url: str
    uploaded: datetime | None
    store: Store = field(repr=False)


@frozen(kw_only=True)
class Trial:
    """Which build is tested next; `tell` is called with it before the test.

    >>> events = []
    >>> report = bisect(master_version(1), "newest", test=passes, store=store, now=NOW, tell=events.append)
    >>> [(event.number, event.version.distance) for event in events if isinstance(event, Trial)]
    [(1, 1), (2, 3), (3, 2)]

    Attributes:
        number: which test this is, from 1.
        version: the build.
        step: why, and how much is left.
        good: the last build that is known, or said, to be good.
        bad: the first build that is known, or said, to be bad.
    """

    number: int
    version: BuildVersion
    step: Try
    good: BuildVersion
    bad: BuildVersion


@frozen(kw_only=True)
class TrialResult:
    """The result of a build that was tested, or could not be; `tell` is called with it afterwards.

    >>> report = bisect(master_version(1), "newest", test=passes, store=store, now=NOW)
    >>> [(result.version.distance, str(result.finding.outcome)) for result in report.tested]
    [(1, 'good'), (3, 'bad'), (2, 'good')]

    Attributes:
        version: the build.
        finding: what the test showed.
    """

    version: BuildVersion
    finding: TrialFinding


@frozen(kw_only=True)
class RangeEnd:
    """The last good or the first bad build.

    >>> report = bisect(master_version(1), "newest", test=passes, store=store, now=NOW)
    >>> report.good.is_tested, report.good.base_url == f"{store.url}{master_version(2)}"
    (True, True)

    Attributes:
        version: its name.
        base_url: its base URL.
        uploaded: when one of its files was written, UTC, where known.
        is_tested: whether it was tested; if not, it is good or bad by assumption.
    """

    version: BuildVersion
    base_url: str
    uploaded: datetime | None
    is_tested: bool


@frozen(kw_only=True)
class NotTested:
    """A build between the last good and the first bad one that could not be tested, or whose test could not tell.

    >>> store.remove(f"{master_version(2)}/linux/arm64/nodeup")
    >>> report = bisect(master_version(1), "newest", test=passes, store=store, now=NOW)
    >>> [(build.version.distance, build.reason) for build in report.untested]
    [(2, 'linux/arm64/nodeup is missing')]

    Attributes:
        version: its name.
        reason: why.
    """

    version: BuildVersion
    reason: str


@frozen(kw_only=True)
class BuiltMerge:
    """A merge between the last good and the first bad build.

    >>> merge = BuiltMerge(commit="22ce1230da" * 4, time=NOW, subject="Merge pull request #1", version=None)
    >>> "not built" if merge.version is None else str(merge.version)
    'not built'

    Attributes:
        commit: its full id.
        time: when it was merged, UTC.
        subject: the first line of its message: untrusted text.
        version: its build; ``None`` if it was never built.
    """

    commit: str
    time: datetime
    subject: str
    version: BuildVersion | None


@frozen(kw_only=True)
class BisectReport:
    """What a bisection has found.

    >>> report = bisect(master_version(1), "newest", test=passes, store=store, now=NOW)
    >>> report.good.version.distance, report.bad.version.distance, report.builds, report.merges
    (2, 3, 3, None)

    Attributes:
        channel: the channel.
        store: the URL of the store.
        good: the last good build.
        bad: the first bad build.
        untested: the builds between them, oldest first.
        merges: what was merged after the good build, up to and with the bad one; ``None`` without a clone.
        compare: a link that shows the difference between the two; ``None`` where their names hold no commit.
        tested: what was found of each build, in the order in which they were looked at.
        builds: how many builds there were from the good end to the bad one.
        conditions: what the reader should know.
    """

    channel: str
    store: str
    good: RangeEnd
    bad: RangeEnd
    untested: tuple[NotTested, ...]
    merges: tuple[BuiltMerge, ...] | None
    compare: str | None
    tested: tuple[TrialResult, ...]
    builds: int
    conditions: tuple[Condition, ...]


Event = Plan | Trial | TrialResult
"""What `tell` is called with: the plan, once; each build before its test; each result."""


def _ignore(_event: Event) -> None:
    """Ignore an event: the default of `tell`."""


# --------------------------------------------------------------------------------------------------
# The search


def plan_bisection(
    good: str | BuildVersion | datetime,
    bad: str | BuildVersion | datetime,
    channel: str | Channel | None = None,
    *,
    store: StoreLike | Sequence[StoreLike] = DEFAULT_STORE,
    policy: Policy = Policy(),  # noqa: B008 # frozen
    now: datetime | None = None,
    as_of: datetime | None = None,
    repo: Repo | None = None,
    nearby: Path | None = None,
    ref: str | None = None,
    timeout: float | timedelta = DEFAULT_TIMEOUT,
    expand: bool = False,
    progress: Callable[[str], None] = say_nothing,
) -> Plan:
    """Find the builds that `bisect` would search, and test none.

    The parameters and errors are those of `bisect`.

    >>> len(plan_bisection(master_version(1), "newest", store=store, now=NOW).builds)
    3
    """
    return ask_range(
        good,
        bad,
        channel,
        store=store,
        policy=policy,
        now=now,
        as_of=as_of,
        repo=repo,
        nearby=nearby,
        ref=ref,
        timeout=timeout,
        expand=expand,
        progress=progress,
    ).plan()[0]


def bisect(
    good: str | BuildVersion | datetime,
    bad: str | BuildVersion | datetime,
    channel: str | Channel | None = None,
    *,
    test: Callable[[BuildUnderTest], TrialFinding | Outcome | bool],
    store: StoreLike | Sequence[StoreLike] = DEFAULT_STORE,
    policy: Policy = Policy(),  # noqa: B008 # frozen
    now: datetime | None = None,
    as_of: datetime | None = None,
    repo: Repo | None = None,
    nearby: Path | None = None,
    ref: str | None = None,
    timeout: float | timedelta = DEFAULT_TIMEOUT,
    expand: bool = False,
    assume_ends: bool = False,
    state: Path | None = None,
    test_name: Mapping[str, object] | None = None,
    tell: Callable[[Event], None] = _ignore,
    progress: Callable[[str], None] = say_nothing,
) -> BisectReport:
    """Find the first bad build of a channel between two, testing as few as possible.

    The ends are tested first. Builds that cannot be tested are stepped over, and count as unknown. Without `expand`
    at most ⌈log2 n⌉ + skips + 2 builds are tested: n counts the builds from `good` to `bad`, and skips those whose test
    could not tell.

    >>> report = bisect(master_version(1), "newest", test=passes, store=store, now=NOW)
    >>> print(report.bad.version)
    1.30.0-alpha.2+v1.30.0-alpha.1-3-g0000000003

    Parameters:
        good: a build that is good: a version, a commit of 7 digits or more, a date or moment, or ``newest``.
        bad: a build that is bad, likewise. A date means all of its day; a commit that was not built the next build.
        channel: the channel; default: the one that `bad` can only be of, or master.
        test: tests a build, and says whether it is good; `Outcome.SKIP` where it cannot tell. What it raises ends the
            bisection.
        timeout: how long the store may take to list the builds, and again for each of them.
        expand: where an end is not what it was said to be, look further out.
        assume_ends: believe what is said of the ends.
        state: a file to keep what was found in after each test; the same question with it goes on from there.
        test_name: what identifies the test, so that a state file of another test is refused.
        tell: is told each step, before and after it.
        progress: is told what is asked of the store, in a few words.

    The other parameters are those of `resolve_latest`.

    Returns:
        The last good and the first bad build, and what is known of what lies between.

    Raises:
        UsageError: an argument is not valid, or the state file is damaged, used or of another bisection.
        NoTestableBuildError: there is no build that an end can mean.
        BisectionError: an end is not what it was said to be, so there is nothing to find.
        StoreError: no store could be asked.
        GitWitnessError: `repo` is not a clone of kops, or has no branch `ref`.

    Source: DESIGN section 14.
    """
    function_of("test", test)
    function_of("tell", tell)
    flag_of("assume_ends", assume_ends)
    if test_name is not None and not isinstance(test_name, Mapping):
        raise wrong_argument("test_name", test_name, wanted="a mapping of texts")
    asked = ask_range(
        good,
        bad,
        channel,
        store=store,
        policy=policy,
        now=now,
        as_of=as_of,
        repo=repo,
        nearby=nearby,
        ref=ref,
        timeout=timeout,
        expand=expand,
        progress=progress,
    )
    file = None
    if state is not None:
        fields = _identity(asked, expand=expand, assume_ends=assume_ends, repo=repo, test=test_name or {})
        file = BisectionState(file_of("state", state), fields)
    with file.held() if file is not None else nullcontext():
        return _Run(asked, test, file, tell).run(expand=expand, assume_ends=assume_ends)


def _identity(
    asked: RangeQuestion, *, expand: bool, assume_ends: bool, repo: Repo | None, test: Mapping[str, object]
) -> dict[str, object]:
    """Describe what is asked, as far as it can change what is found."""
    wanted, policy = asked.range, asked.question.policy
    as_of = asked.question.as_of
    return {
        "stores": [place if isinstance(place, str) else place.url for place in asked.places],
        "channel": wanted.channel.ref,
        "GOOD": wanted.good.text,
        "BAD": wanted.bad.text,
        **test,
        "expand": expand,
        "assume-ends": assume_ends,
        "platforms": sorted(policy.platforms),
        "exclude": sorted(map(str, policy.exclude)),
        "settle": policy.settle.total_seconds(),
        "as-of": None if as_of is None else as_of.isoformat(),
        "repo": None if repo is None else str(repo),
    }


class _Run:
    """One bisection."""

    def __init__(
        self,
        asked: RangeQuestion,
        test: Callable[[BuildUnderTest], TrialFinding | Outcome | bool],
        file: BisectionState | None,
        tell: Callable[[Event], None],
    ) -> None:
        self.asked = asked
        self.test = test
        self.file = file
        self.tell = tell

    def run(self, *, expand: bool, assume_ends: bool) -> BisectReport:
        """Search to the end."""
        progressed = self._begin()
        found_plan = progressed.plan
        self.tell(found_plan)
        search = Bisection(
            size=len(found_plan.builds),
            good=found_plan.good,
            bad=found_plan.bad,
            expand=expand,
            assume_ends=assume_ends,
            outcomes={position: each.outcome for position, each in progressed.findings.items()},
        )
        while isinstance(step := search.next(), Try):
            progressed = self._test(progressed, step, number=search.tested + 1)
            finding = progressed.findings[step.position]
            search = search.record(step.position, finding.outcome)
            if self.file is not None:
                self.file.write(progressed)
            self.tell(TrialResult(version=found_plan.builds[step.position].version, finding=finding))
        if isinstance(step, Failed):
            raise _nothing_to_find(step, progressed, expand=expand)
        return self._report(step, progressed)

    def _begin(self) -> Progressed:
        known = self.file.read() if self.file is not None else None
        if known is not None:
            return known
        found, url = self.asked.plan()
        progressed = Progressed(store=url, plan=found, findings={})
        if self.file is not None:
            self.file.write(
                progressed
            )  # before the first test, so that a file that cannot be written wastes none
        return progressed

    def _test(self, progressed: Progressed, step: Try, *, number: int) -> Progressed:
        """Examine one build, test it if it can be tested, and add what was found."""
        builds = list(progressed.plan.builds)
        with self.asked.store(progressed.store) as store:
            ((refusal, builds[step.position]),) = self.asked.examine(store, [builds[step.position]])
            if refusal is not None:
                finding = TrialFinding(outcome=Outcome.UNTESTABLE, reason=refusal.reasons[0])
            else:
                finding = self._run_test(builds, step, store=store, number=number)
        return evolve(
            progressed,
            plan=evolve(progressed.plan, builds=tuple(builds)),
            findings={**progressed.findings, step.position: finding},
        )

    def _run_test(
        self, builds: Sequence[PlannedBuild], step: Try, *, store: Store, number: int
    ) -> TrialFinding:
        build = builds[step.position]
        self.tell(
            Trial(
                number=number,
                version=build.version,
                step=step,
                good=builds[step.good].version,
                bad=builds[step.bad].version,
            )
        )
        result = self.test(
            BuildUnderTest(
                version=build.version,
                base_url=store.public_url(str(build.version)),
                uploaded=build.uploaded,
                store=store,
            )
        )
        if isinstance(result, TrialFinding):
            return result
        if isinstance(result, bool):
            return TrialFinding(outcome=Outcome.GOOD if result else Outcome.BAD)
        outcome = checked(
            "what test returned", result, Outcome, wanted="True, False, an Outcome or a TrialFinding"
        )
        return TrialFinding(outcome=outcome)

    # ------------------------------------------------------------------------------- the report

    def _report(self, found: Found, progressed: Progressed) -> BisectReport:
        builds, findings = progressed.plan.builds, progressed.findings
        good, bad = builds[found.good].version, builds[found.bad].version
        merges, conditions = self._merges(progressed.plan, good, bad)
        return BisectReport(
            channel=progressed.plan.channel.ref,
            store=progressed.store,
            good=self._end(progressed, found.good, is_tested=found.is_good_tested),
            bad=self._end(progressed, found.bad, is_tested=found.is_bad_tested),
            untested=tuple(
                NotTested(
                    version=builds[each].version, reason=findings[each].reason or "the test could not tell"
                )
                for each in found.unknown
            ),
            merges=merges,
            compare=f"{COMPARE}{good.commit}...{bad.commit}" if good.commit and bad.commit else None,
            tested=tuple(
                TrialResult(version=builds[position].version, finding=finding)
                for position, finding in findings.items()
            ),
            builds=progressed.plan.bad - progressed.plan.good + 1,
            conditions=(
                *progressed.plan.conditions,
                *(each for each in conditions if each not in progressed.plan.conditions),
            ),
        )

    def _end(self, progressed: Progressed, position: int, *, is_tested: bool) -> RangeEnd:
        build = progressed.plan.builds[position]
        with self.asked.store(progressed.store) as store:
            base_url = store.public_url(str(build.version))
        return RangeEnd(
            version=build.version,
            base_url=base_url,
            uploaded=build.uploaded,
            is_tested=is_tested,
        )

    def _merges(
        self, found: Plan, good: BuildVersion, bad: BuildVersion
    ) -> tuple[tuple[BuiltMerge, ...] | None, tuple[Condition, ...]]:
        """Read what was merged between two builds, where there is a clone that knows both."""
        if good.commit is None or bad.commit is None:
            return None, ()
        clone, commits = self.asked.question.clone, (good.commit, bad.commit)
        history = open_history(clone, found.channel, commits=commits, timeout=self.asked.timeout)
        if history is None:
            return None, clone.conditions
        try:
            merges = history.between(good.commit, bad.commit)
        except GitWitnessError as error:
            message = f"the merges between {good} and {bad} could not be read: {error}"
            return None, (Condition(Code.GIT_UNAVAILABLE, Severity.WARNING, message),)
        return tuple(_built(merge, found) for merge in merges), ()


def _built(merge: Merge, found: Plan) -> BuiltMerge:
    version = next(
        (b.version for b in found.builds if b.version.commit and merge.commit.startswith(b.version.commit)),
        None,
    )
    return BuiltMerge(commit=merge.commit, time=merge.time, subject=merge.subject, version=version)


def _nothing_to_find(failed: Failed, progressed: Progressed, *, expand: bool) -> BisectionError:
    """Say which end is not what it was said to be."""
    plan_of, build = progressed.plan, progressed.plan.builds[failed.position].version
    good, bad = plan_of.builds[plan_of.good].version, plan_of.builds[plan_of.bad].version
    message = {
        Misfit.GOOD_IS_BAD: f"GOOD, {good}, is bad",
        Misfit.BAD_IS_GOOD: f"BAD, {bad}, is good",
        Misfit.NONE_GOOD: f"no build of {plan_of.channel} is good, back to {build}",
        Misfit.NONE_BAD: f"no build of {plan_of.channel} is bad, up to {build}",
    }[failed.reason]
    hint = (
        "see whether the test tests what it should"
        if expand
        else "name another one, let --expand look further out, or see whether the test tests what it should"
    )
    return BisectionError(message, channel=plan_of.channel.ref, hint=hint)
