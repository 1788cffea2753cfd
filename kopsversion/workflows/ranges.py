"""A range of builds, read and planned: which builds lie between two ends (DESIGN section 14).

``bisect`` and ``list A..B`` both use it. This module must not know what the builds are used for.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from attrs import evolve

from kopsversion.errors import UsageError, quoted
from kopsversion.model.bucket import Build
from kopsversion.model.channel import MASTER, Channel
from kopsversion.model.needs import Undecided
from kopsversion.model.values import frozen
from kopsversion.rules.attribution import by_version
from kopsversion.rules.bisection import Plan, PlannedBuild, Range, plan
from kopsversion.rules.ends import End
from kopsversion.rules.inquiry import Candidate, Inquiry
from kopsversion.rules.line import NeedsMoreError, refusal_as_seen, refusal_of
from kopsversion.stores.deadline import Deadline
from kopsversion.workflows.arguments import channel_of, flag_of, function_of
from kopsversion.workflows.history import open_history, whole_line
from kopsversion.workflows.question import ask
from kopsversion.workflows.rounds import ask_until_known, say_nothing, start
from kopsversion.workflows.stores import address_in, borrowed, stores_of, walk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime, timedelta
    from pathlib import Path

    from kopsversion.model.answer import Refusal
    from kopsversion.model.bucket import GitLine, Snapshot
    from kopsversion.model.policy import Policy
    from kopsversion.model.version import BuildVersion
    from kopsversion.stores.base import Store
    from kopsversion.witness.address import Repo
    from kopsversion.witness.merges import Merges
    from kopsversion.workflows.question import Question
    from kopsversion.workflows.stores import StoreLike

__all__ = ["RangeQuestion", "ask_range"]


@frozen(kw_only=True)
class RangeQuestion:
    """A question about a range, read and checked; the same for planning, testing and reporting.

    Attributes:
        range: the ends, the channel and the policy.
        question: its moment, its policy and the clone.
        places: the stores, in their order.
        timeout: how long the store may take for each question.
        progress: is told what is asked, in a few words.
    """

    range: Range
    question: Question
    places: Sequence[str | Store]
    timeout: float | timedelta
    progress: Callable[[str], None]

    @contextmanager
    def store(self, url: str) -> Iterator[Store]:
        """Open the store that a plan is from, with time of its own, for as long as the block runs."""
        given = [place for place in self.places if not isinstance(place, str) and place.url == url]
        with borrowed(
            given[0] if given else address_in(self.places, url), deadline=Deadline(self.timeout)
        ) as store:
            yield store

    def plan(self) -> tuple[Plan, str]:
        """Find the builds of the range; return the plan, and the URL of the store that it is from."""
        deadline = Deadline(self.timeout)

        def visit(store: Store) -> Plan:
            known = start(store, git=self.question.git, as_of=self.question.as_of)
            return ask_until_known(
                lambda snapshot: plan(snapshot, self.range),
                known,
                store=store,
                policy=self.question.policy,
                deadline=deadline,
                progress=self.progress,
                settle=lambda snapshot, _: self.question.settle(snapshot),
            )[0]

        walked = walk(self.places, visit, deadline=deadline)
        found = walked.answer
        conditions = (*walked.conditions, *self.question.conditions, *found.conditions)
        return evolve(found, conditions=conditions), walked.store.url

    def examine(
        self,
        store: Store,
        planned: Sequence[PlannedBuild],
        *,
        progress: Callable[[str], None] = say_nothing,
    ) -> list[tuple[Refusal | None, PlannedBuild]]:
        """Look into builds side by side; say of each why it cannot be tested, and what is known of it now.

        Of a build of a range that is only listed, that its files could not be listed is such a reason too.

        Parameters:
            store: the store that the plan is from.
            planned: the builds.
            progress: is told what is asked, in a few words.

        Returns:
            A refusal, ``None`` where a build can be tested, and the build; in the order of the builds.

        Raises:
            StoreError: the files of one could not be listed, which says nothing about the build.
        """
        question = self.question
        see = refusal_as_seen if self.range.is_listing else refusal_of

        def judge(snapshot: Snapshot) -> list[Refusal | None] | Undecided:
            inquiry = Inquiry(snapshot, self.range.channel, question.policy, question.now)
            refusals = []
            for each in planned:
                build = snapshot.build(each.version) or Build(each.version)
                with suppress(NeedsMoreError):  # what is needed is noted, and the others need more too
                    refusals.append(see(inquiry, Candidate(build, each.attribution)))
            return Undecided(frozenset(inquiry.needs)) if inquiry.needs else refusals

        refusals, known = ask_until_known(
            judge,
            start(store, git=question.git, as_of=question.as_of),
            store=store,
            policy=question.policy,
            deadline=Deadline(self.timeout),
            progress=progress,
        )
        return [
            (refusal, evolve(each, uploaded=_uploaded(known, each)))
            for refusal, each in zip(refusals, planned, strict=True)
        ]


def _uploaded(known: Snapshot, planned: PlannedBuild) -> datetime | None:
    """Return when a build was uploaded, by the best that is known of it."""
    build = known.build(planned.version)
    return (build.uploaded if build is not None else None) or planned.uploaded


def ask_range(
    good: str | BuildVersion | datetime,
    bad: str | BuildVersion | datetime,
    channel: str | Channel | None,
    *,
    store: StoreLike | Sequence[StoreLike],
    policy: Policy,
    now: datetime | None,
    as_of: datetime | None,
    repo: Repo | None,
    nearby: Path | None,
    ref: str | None,
    timeout: float | timedelta,
    expand: bool,
    progress: Callable[[str], None],
    names: tuple[str, str] = ("GOOD", "BAD"),
    is_listing: bool = False,
) -> RangeQuestion:
    """Read what is asked, and the clone where there is one.

    The parameters are those of `kopsversion.workflows.bisect.bisect`; `names` is what messages call the ends, and
    `is_listing` tells that the builds are only listed.

    Raises:
        UsageError: an argument is not valid.
        GitWitnessError: `repo` is not a clone of kops, or has no branch `ref`.
    """
    good_end, bad_end = (End.parse(end, name=name) for end, name in zip((good, bad), names, strict=True))
    wanted = _channel(channel, bad_end)
    function_of("progress", progress)
    flag_of("expand", expand)
    question = ask(
        wanted.ref,
        policy,
        now=now,
        as_of=as_of,
        repo=repo,
        nearby=nearby,
        ref=ref,
        deadline=Deadline(timeout),
    )
    (good_end, bad_end), line = _by_clone((good_end, bad_end), question, wanted, timeout=timeout)
    return RangeQuestion(
        range=Range(
            channel=wanted,
            policy=question.policy,
            now=question.now,
            good=good_end,
            bad=bad_end,
            is_expandable=expand,
            line=line,
            names=names,
            is_listing=is_listing,
        ),
        question=question,
        places=stores_of(store),
        timeout=timeout,
        progress=progress,
    )


def _by_clone(
    ends: tuple[End, End], question: Question, channel: Channel, *, timeout: float | timedelta
) -> tuple[tuple[End, End], GitLine | None]:
    """Replace commits by the merges that brought them, where there is a clone; return its whole branch as well."""
    commits = [commit for end in ends if (commit := end.any_commit) is not None]
    history = open_history(question.clone, channel, commits=commits, timeout=timeout)
    if history is None:
        return ends, None
    good, bad = (_on_line(end, history, channel) for end in ends)
    return (good, bad), whole_line(question.clone, history)


def _channel(given: str | Channel | None, bad: End) -> Channel:
    """Return the channel that is named, or else the only one that the bad end can be of, or else master."""
    if given is not None:
        return channel_of("channel", given)
    only = by_version(bad.version) if bad.version is not None and bad.is_exact else None
    return Channel(only or MASTER)


def _on_line(end: End, history: Merges, channel: Channel) -> End:
    """Replace a commit by the merge that brought it, since builds are of merges."""
    if end.commit is None:
        return end
    place = history.place(end.commit)
    if place is None:
        return end
    if place.merge is None:
        raise UsageError(
            f"commit {quoted(end.text)} is not on {channel}, by the clone",
            hint="see whether the clone is up to date, or name a commit of that branch",
        )
    return evolve(end, commit=place.merge.commit)
