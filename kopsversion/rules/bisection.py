"""From two named ends to the builds between them, in order, before anything is tested (DESIGN section 14).

Pure: `plan` is a judgement like any other, which answers by a snapshot or says what must be known first. It must not
know how builds are tested, or in which order.
"""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 # attrs reads annotations
from typing import TYPE_CHECKING

from attrs import field

from kopsversion.errors import NoTestableBuildError, UsageError
from kopsversion.model.answer import Condition, Severity
from kopsversion.model.channel import MASTER, Attribution, Certainty, Channel, Witness, minor_key
from kopsversion.model.codes import Code
from kopsversion.model.needs import ListUploads, Undecided
from kopsversion.model.values import frozen
from kopsversion.rules.attribution import by_version
from kopsversion.rules.conditions import about_gaps
from kopsversion.rules.ends import End, Side, is_passed, place_within, places_of
from kopsversion.rules.failing import AGAIN, store_failed
from kopsversion.rules.inquiry import Candidate, Inquiry
from kopsversion.rules.line import NeedsMoreError, refusal_of, walk_back

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from kopsversion.model.bucket import GitLine, Snapshot
    from kopsversion.model.policy import Policy
    from kopsversion.model.version import BuildVersion

_SHOWN = 5
"""How many doubtful builds are named in a sentence."""


@frozen(kw_only=True)
class PlannedBuild:
    """One build of a range.

    >>> plan = plan_bisection(master_version(1), "newest", store=store, now=NOW)
    >>> [build.version.distance for build in plan.builds]
    [1, 2, 3]

    Attributes:
        version: its name.
        uploaded: when one of its files was written, UTC, where known.
        attribution: its channel, and what says so.
    """

    version: BuildVersion
    uploaded: datetime | None
    attribution: Attribution


@frozen(kw_only=True)
class Plan:
    """The builds that are searched.

    >>> plan = plan_bisection(master_version(1), "newest", store=store, now=NOW)
    >>> str(plan.channel), plan.good, plan.bad
    ('master', 0, 2)

    Attributes:
        channel: the channel.
        builds: its builds, testable or not, oldest first.
        good: the position of the build that is said to be good.
        bad: the position of the build that is said to be bad.
        conditions: what the reader should know of the range.
    """

    channel: Channel
    builds: tuple[PlannedBuild, ...] = field(repr=False)
    good: int
    bad: int
    conditions: tuple[Condition, ...] = ()


@frozen(kw_only=True)
class Range:
    """What is to be planned.

    Attributes:
        channel: whose builds.
        policy: what counts as testable.
        now: the moment of the question, UTC.
        good: the good end.
        bad: the bad end.
        is_expandable: whether builds outside of the range are wanted too.
        line: all commits of the channel's branch, including those from before the cut, where a clone has them.
        names: what messages call the ends.
        is_listing: whether the builds are only listed: then no end needs to be testable, and none is moved outward.
    """

    channel: Channel
    policy: Policy
    now: datetime
    good: End
    bad: End
    is_expandable: bool = False
    line: GitLine | None = field(default=None, repr=False)
    names: tuple[str, str] = ("GOOD", "BAD")
    is_listing: bool = False

    def name(self, side: Side) -> str:
        """Return what messages call an end."""
        return self.names[side is Side.BAD]


def plan(snapshot: Snapshot, wanted: Range) -> Plan | Undecided:
    """Find the builds of a range, and its ends among them.

    Parameters:
        snapshot: what is known.
        wanted: the range.

    Returns:
        The plan, or what must be known first.

    Raises:
        UsageError: the ends are equal, in the wrong order, or of two branches.
        NoTestableBuildError: there is no build that an end can mean.
        StoreError: the store would not tell all builds, or something without which an end cannot be found.
    """
    return _Planner(snapshot, wanted).plan()


class _Planner:
    """Plans one range by one snapshot."""

    def __init__(self, snapshot: Snapshot, wanted: Range) -> None:
        self.snapshot = snapshot
        self.wanted = wanted
        self.own = Inquiry(snapshot, wanted.channel, wanted.policy, wanted.now)
        self.master = Inquiry(snapshot, Channel(MASTER), wanted.policy, wanted.now)

    @property
    def git(self) -> GitLine | None:
        """The branch in a clone, where there is one."""
        return self.wanted.line or self.snapshot.git

    def plan(self) -> Plan | Undecided:
        """Make the plan."""
        try:
            return self._plan()
        except NeedsMoreError:
            return Undecided(frozenset(self.own.needs | self.master.needs))
        except NoTestableBuildError as error:
            if self.own.evidence_failure is None:
                raise
            raise store_failed(
                f"it could not be learnt which builds of {self.wanted.channel} are meant",
                self.snapshot,
                reasons=(self.own.evidence_failure, f"without that, {error}"),
                otherwise=AGAIN,
            ) from error

    def _plan(self) -> Plan:
        wanted = self.wanted
        _check_branch(wanted)
        builds = self._line(self.own)
        if not builds and not wanted.is_listing:
            # Those of master from before the cut are not the branch's.
            raise self._no_builds()
        bad_places = self._places(wanted.bad, Side.BAD, builds)
        before_cut: tuple[Candidate, ...] = ()
        if not wanted.channel.is_master and not places_of(wanted.good, builds, side=Side.GOOD, git=self.git):
            before_cut = self._before_cut(builds)
            builds = (*before_cut, *builds)
            bad_places = [each + len(before_cut) for each in bad_places]
        if wanted.is_listing:
            good, bad = self._within(builds)
        else:
            good_places = self._places(wanted.good, Side.GOOD, builds)
            good = self._testable(builds, good_places, wanted.good, Side.GOOD)
            bad = self._testable(builds, bad_places, wanted.bad, Side.BAD)
            self._check_order(builds, good, bad)
        conditions = self._conditions(builds[good : bad + 1], cut=len(before_cut) > good)
        first, last = (0, len(builds)) if wanted.is_expandable else (good, bad + 1)
        return Plan(
            channel=wanted.channel,
            builds=tuple(map(_planned, builds[first:last])),
            good=good - first,
            bad=bad - first,
            conditions=tuple(conditions),
        )

    # ----------------------------------------------------------------------------------- the line

    def _line(self, inquiry: Inquiry) -> tuple[Candidate, ...]:
        """Return a channel's builds, oldest first, back to the good end or to the first one."""
        ends = ((self.wanted.good, Side.GOOD), (self.wanted.bad, Side.BAD))

        def is_enough(newest_first: Sequence[Candidate]) -> bool:
            if self.wanted.is_expandable:
                return False
            self._ask_times(inquiry, newest_first)
            return all(is_passed(end, newest_first, side=side, git=self.git) for end, side in ends)

        version = self.wanted.good.version
        found = walk_back(inquiry, is_enough=is_enough, down_to=version.minor if version else None)
        self._ask_times(inquiry, found)
        return found

    def _ask_times(self, inquiry: Inquiry, builds: Iterable[Candidate]) -> None:
        """Ask when builds were uploaded, where an end is a moment."""
        if self.wanted.good.moment is None and self.wanted.bad.moment is None:
            return
        missing = [
            minor for minor in {each.version.minor for each in builds} if inquiry.uploads_wanted(minor)
        ]
        for minor in missing:
            inquiry.need(ListUploads(minor))
        if missing:
            raise NeedsMoreError

    def _before_cut(self, own: Sequence[Candidate]) -> tuple[Candidate, ...]:
        """Return the builds that master made before the branch was cut, oldest first."""
        line, minor = self.wanted.line, self.wanted.channel.minor
        builds = [
            each
            for each in self._line(self.master)
            if minor_key(each.version.minor) <= minor_key(minor or "0.0")
        ]
        if line is not None:
            return tuple(each for each in builds if _is_on(line, each.version.commit))
        first = min((each.version.precedence for each in own), default=None)
        return tuple(each for each in builds if first is None or each.version.precedence < first)

    # ----------------------------------------------------------------------------------- the ends

    def _places(self, end: End, side: Side, builds: Sequence[Candidate]) -> Sequence[int]:
        return places_of(end, builds, side=side, git=self.git)

    def _within(self, builds: Sequence[Candidate]) -> tuple[int, int]:
        """Return the outermost builds that lie within the ends, testable or not."""
        wanted = self.wanted
        first = place_within(wanted.good, builds, side=Side.GOOD, git=self.git)
        last = place_within(wanted.bad, builds, side=Side.BAD, git=self.git)
        for end, place, side in ((wanted.good, first, Side.GOOD), (wanted.bad, last, Side.BAD)):
            if place is None and end.moment is None:
                raise self._no_place(builds, end, side)
        if first is not None and last is not None:
            if first <= last:
                return first, last
            if wanted.good.is_exact and wanted.bad.is_exact:
                self._check_order(builds, first, last)
        raise NoTestableBuildError(
            f"there is no build of {wanted.channel} between {wanted.good} and {wanted.bad}",
            channel=str(wanted.channel),
            hint="name the older end first, or ends further apart",
        )

    def _testable(self, builds: Sequence[Candidate], places: Sequence[int], end: End, side: Side) -> int:
        """Return the first of some places whose build is testable; a build that is named is taken as it is."""
        if not places:
            raise self._no_place(builds, end, side)
        if end.is_exact:
            return places[0]
        reasons = []
        for place in places:
            refusal = refusal_of(self.own, builds[place])
            if refusal is None:
                return place
            reasons.append(f"{refusal.version}: {refusal.reasons[0]}")
        raise NoTestableBuildError(
            f"no build of {self.wanted.channel} that {self.wanted.name(side)} ({end}) can mean is testable",
            channel=str(self.wanted.channel),
            reasons=reasons[:_SHOWN],
            hint="name another build, commit or date",
        )

    def _no_place(
        self, builds: Sequence[Candidate], end: End, side: Side
    ) -> UsageError | NoTestableBuildError:
        """Say why an end means no build."""
        if not builds:
            return self._no_builds()
        channel, name = self.wanted.channel, self.wanted.name(side)
        if end.version is not None:
            other = self._other_channel(end.version)
            if other is not None:
                doubt = "" if other.certainty is Certainty.EXACT else "; a clone of kops is certain (--repo)"
                return UsageError(
                    f"{name} is {end.version}, a build of {other.ref}, and not of {channel}",
                    hint="a range is of one branch: name two builds of it, and the branch where it is not master"
                    f"{doubt}",
                )
            message = (
                f"{name} is {end.version}, and there is no such build of {channel} in {self.snapshot.store}"
            )
            hint = "old builds are deleted after a while"
        elif end.commit is not None:
            message = f"{name} is commit {end.commit}, and no build of {channel} is known to {_WHERE[side]}"
            hint = "a merge that was not built is placed by a clone of kops: name one with --repo"
            if self.git is not None:
                hint = "see whether it is a commit of that branch, and whether the clone is up to date"
        else:
            message = f"{name} is {end}, and no build of {channel} had been uploaded by then"
            hint = "old builds are deleted after a while"
        hint += f"; {channel} has builds from {builds[0].version} to {builds[-1].version}"
        return NoTestableBuildError(message, channel=str(channel), hint=hint)

    def _no_builds(self) -> NoTestableBuildError:
        channel = self.wanted.channel
        return NoTestableBuildError(
            f"there is no build of {channel} in {self.snapshot.store}",
            channel=str(channel),
            hint="see whether the channel and --store are right",
        )

    def _other_channel(self, version: BuildVersion) -> Attribution | None:
        """Return whose build a version is, if it is another channel's."""
        for inquiry in (self.own, self.master):
            found = inquiry.attribution(version)
            if found is not None and found.ref != self.wanted.channel.ref:
                return found
        return None

    def _check_order(self, builds: Sequence[Candidate], good: int, bad: int) -> None:
        ends = self.wanted
        if good > bad:
            raise UsageError(
                f"{ends.names[0]} ({ends.good}) is {builds[good].version}, "
                f"which is newer than {ends.names[1]} ({ends.bad}), "
                f"{builds[bad].version}",
                hint="name the older one first; to find what fixed a build, let the test say the opposite",
            )
        if good == bad:
            named = ends.good.version and ends.bad.version
            raise UsageError(
                f"{ends.names[0]} ({ends.good}) and {ends.names[1]} ({ends.bad}) are the same build, "
                f"{builds[good].version}",
                hint="name two builds"
                if named
                else "no testable build lies between them: name ends further apart",
            )

    # ----------------------------------------------------------------------------------- conditions

    def _conditions(self, builds: Sequence[Candidate], *, cut: bool) -> Iterator[Condition]:
        """Say where the range is not certain: a cut that no clone has placed, doubtful branches, missing evidence."""
        if cut:
            how = "by a clone" if self.wanted.line is not None else "by their names alone"
            yield _ambiguous(
                f"the range crosses the cut of {self.wanted.channel}: its first builds are master's, told {how}",
                severity=Severity.INFO if self.wanted.line is not None else Severity.WARNING,
                settled=self.wanted.line is not None,
            )
        yield from {
            each.message: each for asked in (self.own, self.master) for each in about_gaps(asked)
        }.values()
        told_apart = sorted({each.version.minor for each in builds if _is_told_apart(each)}, key=minor_key)
        if told_apart:
            branches = ", ".join(f"release-{minor}" for minor in told_apart)
            yield _ambiguous(
                f"the range crosses the cut of {branches}: only names and times tell which builds there are of "
                f"{self.wanted.channel}",
                severity=Severity.WARNING,
            )
        doubtful = self._doubtful(builds)
        if doubtful:
            yield _ambiguous(
                f"in the range it is doubtful of which branch {_some(doubtful)} "
                f"{'is' if len(doubtful) == 1 else 'are'}",
                severity=Severity.WARNING,
            )

    def _doubtful(self, builds: Sequence[Candidate]) -> list[BuildVersion]:
        own = {each.version for each in builds if each.attribution.certainty is Certainty.DOUBTFUL}
        first, last = builds[0].version.precedence, builds[-1].version.precedence
        others = {v for v in self.own.doubtful() if first <= v.precedence <= last}
        return sorted(own | others)


_WHERE = {Side.GOOD: "be of it or before it", Side.BAD: "be of it or after it"}


def _check_branch(wanted: Range) -> None:
    """Refuse ends whose names say that they are of other branches."""
    for end, side in ((wanted.good, Side.GOOD), (wanted.bad, Side.BAD)):
        ref = by_version(end.version) if end.version is not None and end.is_exact else None
        if ref is not None and ref != wanted.channel.ref:
            raise UsageError(
                f"{wanted.name(side)} is {end.version}, a build of {ref}, and not of {wanted.channel}",
                hint="a range is of one branch: name two builds of it, and the branch where it is not master",
            )


def _ambiguous(message: str, *, severity: Severity, settled: bool = False) -> Condition:
    more = "" if settled else "; a clone of kops settles it (--repo)"
    return Condition(Code.CHANNEL_AMBIGUOUS, severity, f"{message}{more}")


def _is_told_apart(candidate: Candidate) -> bool:
    attribution = candidate.attribution
    return attribution.witness is Witness.LINEAGE and attribution.certainty is not Certainty.EXACT


def _is_on(line: GitLine, commit: str | None) -> bool:
    return commit is not None and isinstance(line.locate(commit), int)


def _some(versions: Sequence[BuildVersion]) -> str:
    named = [str(version) for version in versions[:_SHOWN]]
    more = len(versions) - len(named)
    return ", ".join(named) + (f" and {more} more" if more else "")


def _planned(candidate: Candidate) -> PlannedBuild:
    return PlannedBuild(
        version=candidate.version, uploaded=candidate.build.uploaded, attribution=candidate.attribution
    )
