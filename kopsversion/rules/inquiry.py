"""The line of one channel's builds, newest first, as far as a snapshot knows it.

The decision is written as if everything were known and asks an `Inquiry`, which notes what is not known (`asking`).
Pure: same snapshot, same needs. It attributes and ranks through `attribution` and `ranking`, and must not know what is
decided.
"""

from __future__ import annotations

from datetime import timedelta
from itertools import dropwhile, takewhile
from typing import TYPE_CHECKING

from attrs import define, field

from kopsversion.model.answer import Refusal
from kopsversion.model.channel import BRANCH_MARKER, Attribution, Certainty, Witness
from kopsversion.model.needs import ListUploads
from kopsversion.model.values import frozen
from kopsversion.rules.asking import UNKNOWN, Asking, Unknown
from kopsversion.rules.attribution import attribute, is_shared, rivals
from kopsversion.rules.disputes import DELAY, FEW, find_disputes
from kopsversion.rules.evidence import evidence_for
from kopsversion.rules.freshness import unbuilt
from kopsversion.rules.ranking import rank

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from kopsversion.model.bucket import Build, GitLine
    from kopsversion.model.version import BuildVersion, Precedence
    from kopsversion.rules.disputes import Dispute

__all__ = ["Candidate", "Inquiry"]


@frozen
class Candidate:
    """A build of the channel, with what attributes it."""

    build: Build
    attribution: Attribution

    @property
    def version(self) -> BuildVersion:
        """The build's name."""
        return self.build.version


_MOST_TOGETHER = 2
"""Minors below the newest that are looked at together with it: a name is too high by one minor, or by a typo."""


@define(eq=False, repr=False)
class Inquiry(Asking):
    """The builds of a channel in their order, with what was found out on the way."""

    _certainties: dict[str, tuple[list[Build], list[Build]]] = field(factory=dict, init=False)
    _segments: dict[tuple[str, bool], tuple[Candidate, ...]] = field(factory=dict, init=False)
    _attributions: dict[str, Mapping[BuildVersion, Attribution]] = field(factory=dict, init=False)
    _undecided: dict[str, ListUploads | None] = field(factory=dict, init=False)
    """By directory, where several are of one commit: what shows which is taken, besides the channel's markers."""
    _disputes: tuple[Dispute, ...] | None = field(default=None, init=False)

    @property
    def disowning_clone(self) -> GitLine | None:
        """The clone, if by it none of the known builds is the channel's; ``None`` otherwise.

        A clone that gives one of them to the channel is right about the others too. One that gives it none is most
        likely a clone of something else.
        """
        witnesses = (candidate.attribution.witness for candidate in self.known_candidates())
        return None if Witness.GIT in witnesses else self.snapshot.git

    def candidates(self) -> Iterator[Candidate | Unknown]:
        """Yield the channel's builds, newest first, as far as they are known.

        Asks for the next minor, and for what the shared window of a branch cut needs, only when it gets
        there. Ends with `UNKNOWN` where it needs to know more to go on. Where a listing failed it ends early with
        `listing_failure` set, so that a part is never taken for the whole.

        A build whose name is too high, by a marker that names one of those after it, is left out.
        """
        passed_over = {each.build.version.text for each in self.disputes if each.named is not None}
        for found in self._on_the_line():
            if isinstance(found, Unknown) or self._undecided_about(found):
                yield UNKNOWN
                return
            if found.version.text not in passed_over:
                yield found

    def _undecided_about(self, candidate: Candidate) -> bool:
        """Tell whether it is not known yet which of a commit's directories is taken; if so, note what is needed."""
        if candidate.version.text not in self._undecided:
            return False
        noted = len(self.needs)
        for name in dict.fromkeys((*(self.policy.markers or self.channel.default_markers), BRANCH_MARKER)):
            self.marker(self.channel.ref, name)
        uploads = self._undecided[candidate.version.text]
        if uploads is not None:
            self.need(uploads)
        return len(self.needs) > noted

    def _on_the_line(self) -> Iterator[Candidate | Unknown]:
        """Yield every build of the channel, newest first, including those whose names are too high.

        If the minor was raised by mistake, builds of an older minor may be of merges that git shows to wait for
        their builds. So they are put in order together.
        """
        held: tuple[Candidate, ...] = ()
        stretches = self._stretches()
        for number, found in enumerate(stretches):
            if isinstance(found, Unknown):
                held, stretches = (), iter((found,))  # what is newest depends on it
                break
            top, held = held[:1], self._put_in_order((*held, *found))
            if number == _MOST_TOGETHER or held[:1] == top or not self._may_be_overtaken(held[0]):
                break
        yield from held
        for found in stretches:
            yield from (found,) if isinstance(found, Unknown) else found

    def _may_be_overtaken(self, newest: Candidate) -> bool:
        """Tell whether merges after a build have waited for their own builds for longer than `build_sla`."""
        if self.snapshot.git is None:
            return False
        waiting = unbuilt(self.snapshot.git, newest.version, now=self.now)
        return (
            waiting is not None
            and waiting.since is not None
            and self.now - waiting.since > self.policy.build_sla
        )

    def _stretches(self) -> Iterator[tuple[Candidate, ...] | Unknown]:
        """Yield the channel's builds minor by minor, newest first by their names; the caller stops at `UNKNOWN`."""
        minors = self.minors()
        if isinstance(minors, Unknown):
            yield UNKNOWN
        for minor in () if isinstance(minors, Unknown) else minors:
            builds = self.builds(minor)
            if isinstance(builds, Unknown):
                yield UNKNOWN
            if isinstance(builds, Unknown) or builds is None:
                return
            certain, branch = self._by_certainty(minor, builds)
            # On a release branch a final release part or a patch is later than any shared one, so the
            # shared window matters only when nothing after it will do.
            for segment in (certain, branch):
                found = self._line(minor, segment, shared=segment is branch)
                if found:  # an empty one is no step down
                    yield found

    @property
    def disputes(self) -> tuple[Dispute, ...]:
        """The channel's builds whose names are too high, by the upload times that are known (DESIGN section 3)."""
        if self._disputes is None:
            with self.peek():  # a minor that cannot be listed may not be needed
                self._disputes = self._find_disputes()
        return self._disputes

    def _find_disputes(self) -> tuple[Dispute, ...]:
        line: list[Build] = []
        for number, found in enumerate(self._stretches()):
            if isinstance(found, Unknown):
                break
            # What may be another branch's says nothing about the names of this one.
            line += [each.build for each in found if each.attribution.certainty is not Certainty.DOUBTFUL]
            if number >= _MOST_TOGETHER and len(line) > FEW:
                break
        line.reverse()
        named = [marker.version for marker in self.snapshot.markers if marker.ref == self.channel.ref]
        held = (self.snapshot.build(version) for version in named if version is not None)
        marked = {build.version.text for build in held if build is not None}
        located = {build.version.text for build in line if self.position(build.version) is not None}
        return find_disputes(line, now=self.now, marked=marked, sure=located)

    def look_for_disputes(self) -> Unknown | None:
        """Ask for the upload times that show whether the highest names are too high.

        They are those of the newest minor. Those of the minor below are asked for too in two cases: the newest minor
        has few builds, a day old, or a marker that names an older build was written long after them. Where a name is
        too high, the channel's markers are asked for as well.

        Returns:
            `UNKNOWN` with the need noted, or ``None`` where nothing more can be learnt.
        """
        failure = self.listing_failure
        seen: list[Build] = []
        for found in self._stretches():
            if isinstance(found, Unknown):
                return UNKNOWN
            minor = found[0].version.minor
            if self._is_unsure(found) and self.uploads_wanted(minor):
                return self.need(ListUploads(minor))
            seen += [each.build for each in found]
            if not self._may_be_too_high(seen):
                break
        self.listing_failure = failure
        if self.disputes and self.disputes[-1].named is None:
            markers = [self.marker(self.channel.ref, name) for name in self.channel.default_markers]
            if any(isinstance(marker, Unknown) for marker in markers):
                return UNKNOWN
        return None

    def look_for_followers(self, top: Build) -> Unknown | None:
        """Ask for what shows whether other builds followed the one that by its name is the newest.

        That costs requests, so only where its name may be too high: where other names say so. Of master also where
        builds of its minor are few and a day old, or where it is so old that builds seem to have stopped.

        Returns:
            `UNKNOWN` with the needs noted, or ``None`` where nothing more can be learnt.
        """
        names = self._names_listed(top.version.minor)
        contradicted = any(each.is_further_than(top.version) for each in names if each < top.version)
        uploaded = top.first_uploaded
        age = self.now - uploaded if uploaded is not None and self.channel.is_master else timedelta()
        is_first = len(names) <= FEW and age > DELAY
        seems_last = age > self.policy.max_build_age
        if self.listing_failure is not None or not (contradicted or is_first or seems_last):
            return None
        if is_first:
            self._ask_below()
        if seems_last:
            # Where distances begin again, only a marker can show that builds went on.
            marker = self.marker(self.channel.ref, BRANCH_MARKER)
        looked = self.look_for_disputes()
        return UNKNOWN if looked or (seems_last and isinstance(marker, Unknown)) else None

    def _ask_below(self) -> None:
        """Ask for the next older minor beside the newest, which is looked at too, in the same round trip."""
        minors = self.minors()
        below = () if isinstance(minors, Unknown) else minors[1:2]
        for minor in below:
            self.builds(minor)
            self.listing_failure = None  # nothing had failed before
            if self.uploads_wanted(minor):
                self.need(ListUploads(minor))

    def _names_listed(self, minor: str) -> Sequence[BuildVersion]:
        """Return the names of a minor's builds as far as they are known, and ask for nothing."""
        with self.peek():
            known = self.builds(minor)
        return [each.version for each in known] if isinstance(known, tuple) else []

    def _is_unsure(self, found: Iterable[Candidate]) -> bool:
        """Tell whether git leaves the place of some of these builds open."""
        return any(self.position(each.version) is None for each in found)

    def _may_be_too_high(self, seen: Sequence[Build]) -> bool:
        """Tell whether builds of an older minor may have followed all of these."""
        times = [time for build in seen if (time := build.first_uploaded) is not None]
        if not times:
            return False
        lowest = min(build.version.precedence for build in seen)
        named = any(
            marker.ref == self.channel.ref
            and marker.version is not None
            and marker.version.precedence < lowest
            and marker.written is not None
            and marker.written > min(times) + (timedelta() if marker.is_written_last else DELAY)
            for marker in self.snapshot.markers
        )
        few = self.channel.is_master and len(seen) <= FEW and max(times) + DELAY < self.now
        return named or few

    def _by_certainty(self, minor: str, builds: Iterable[Build]) -> tuple[list[Build], list[Build]]:
        """Return a minor's builds whose names leave no doubt of their branch, and all its builds but those of tags."""
        if minor not in self._certainties:
            branch = [build for build in builds if not build.version.is_tag_build]
            certain = [build for build in branch if not is_shared(build.version)]
            self._certainties[minor] = certain, branch
        return self._certainties[minor]

    def known_candidates(self) -> Iterator[Candidate]:
        """Yield the channel's builds, newest first, as far as they are known, and ask for nothing."""
        with self.peek():  # also when the caller stops before the end
            for candidate in self.candidates():
                if isinstance(candidate, Candidate):
                    yield candidate

    def _line(self, minor: str, builds: list[Build], *, shared: bool) -> tuple[Candidate, ...] | Unknown:
        """Attribute and rank the channel's builds of one minor; newest first.

        Parameters:
            minor: the minor.
            builds: its builds: all, or those whose names leave no doubt of their branch.
            shared: whether the builds whose names leave a doubt are wanted, and not the others.
        """
        key = (minor, shared)
        if key in self._segments:
            return self._segments[key]
        commits = self._by_commit(builds)
        representatives = [self._representative(each) for each in commits]
        evidence = evidence_for(minor, representatives, asking=self)
        if isinstance(evidence, Unknown):
            return UNKNOWN
        known = attribute(
            representatives, minor=minor, evidence=evidence, git=self.snapshot.git, git_ref=self.git_ref
        )
        attributions = {
            build.version: known[representative.version]
            for representative, each in zip(representatives, commits, strict=True)
            for build in each
            if representative.version in known
        }
        own = [
            build
            for build in builds
            if is_shared(build.version) is shared and self._is_own(attributions.get(build.version))
        ]
        uncounted = any(build.version.distance is None and build.uploaded is None for build in own)
        if uncounted and self.uploads_wanted(minor):
            return self.need(ListUploads(minor))
        ordered = _beside_each_other(rank(own), commits)
        self._attributions[minor] = attributions
        self._segments[key] = self._put_in_order(
            [Candidate(build, attributions[build.version]) for build in reversed(ordered)]
        )
        return self._segments[key]

    def _by_commit(self, builds: Sequence[Build]) -> list[list[Build]]:
        """Group the directories by commit, in each group the one first that is taken (DESIGN section 3).

        That is the one that a marker names, or else the one that was uploaded first.
        """
        alike: dict[Precedence, list[Build]] = {}
        for build in builds:
            alike.setdefault(build.version.precedence, []).append(build)
        commits = []
        for some in alike.values():
            for each in [some] if len(some) == 1 else _of_one_commit(some):
                if len(each) > 1:
                    self._decide_between(each)
                commits.append(each)
        return commits

    def _representative(self, directories: Sequence[Build]) -> Build:
        """Return the one of a commit's directories that witnesses are asked about: for git, that of the longest id."""
        if self.snapshot.git is None:
            return directories[0]
        return max(directories, key=lambda build: len(build.version.commit or ""))

    def _decide_between(self, directories: list[Build]) -> None:
        """Put that of a commit's directories first which is taken; note in `_undecided` whether that may change."""
        named = [marker.version.text for marker in self.snapshot.markers if marker.version is not None]
        vouched = {build.version.text for build in directories} & set(named)
        undated = any(build.first_uploaded is None for build in directories)
        directories.sort(
            key=lambda build: (
                build.version.text not in vouched,
                build.first_uploaded or self.now,
                -len(build.version.text),
                build.version.text,
            )
        )
        minor = directories[0].version.minor
        wanted = not vouched and undated and self.uploads_wanted(minor)
        for build in directories:
            self._undecided[build.version.text] = ListUploads(minor) if wanted else None

    def _is_own(self, attribution: Attribution | None) -> bool:
        return attribution is not None and attribution.ref == self.channel.ref

    def _put_in_order(self, candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
        """Put the builds that git locates in git's order, newest first, each in a place that one of them had."""
        if self.snapshot.git is None:
            return tuple(candidates)
        places = [self.position(each.version) for each in candidates]
        located = sorted(
            ((place, -number) for number, place in enumerate(places) if place is not None), reverse=True
        )
        in_order = iter(candidates[-number] for _, number in located)
        return tuple(
            each if place is None else next(in_order) for each, place in zip(candidates, places, strict=True)
        )

    def first_testable(self, candidates: Iterable[Candidate | Unknown]) -> Candidate | Unknown | None:
        """Find the first testable build; at the first one that is not known it stops, with the need noted."""
        for candidate in candidates:
            refusal = UNKNOWN if isinstance(candidate, Unknown) else self.refusal(candidate.build)
            if isinstance(candidate, Unknown) or isinstance(refusal, Unknown):
                return UNKNOWN
            if refusal is None:
                return candidate
        return None

    def previous_testable(self, chosen: Candidate) -> Candidate | Unknown | None:
        """Find the channel's testable build before the chosen one."""
        older = dropwhile(lambda candidate: candidate != chosen, self.candidates())
        return self.first_testable(
            each
            for each in older
            if isinstance(each, Unknown) or not each.version.is_of_same_commit(chosen.version)
        )

    def is_known_testable(self, build: Build) -> bool:
        """Tell whether a build is known to be testable, and ask for nothing."""
        if build.artifacts is None and build.checksums is None:
            return False  # of most builds nothing is known but the name
        with self.peek():
            return self.refusal(build) is None

    def known_previous(self, chosen: Candidate) -> Candidate | None:
        """Find a testable build of the channel before the chosen one, if one is known."""
        older = dropwhile(lambda candidate: candidate != chosen, self.known_candidates())
        return next(
            (
                each
                for each in older
                if self.is_known_testable(each.build) and not each.version.is_of_same_commit(chosen.version)
            ),
            None,
        )

    def known_refusals(self, chosen: Candidate) -> tuple[Refusal, ...]:
        """Return why builds newer than the chosen one were passed over, as far as that is known."""
        newer = takewhile(lambda candidate: candidate.build != chosen.build, self.known_candidates())
        with self.peek():
            refusals = [self.refusal(candidate.build) for candidate in newer]
        return tuple(refusal for refusal in refusals if isinstance(refusal, Refusal))

    def attribution(self, version: BuildVersion) -> Attribution | None:
        """Return whose build a version is, if that has been judged."""
        return self._attributions.get(version.minor, {}).get(version)

    def rivals(self, pick: BuildVersion) -> tuple[BuildVersion, ...]:
        """Return the builds that may be the channel's too, and newer than the pick, in its minor or a later one."""
        return rivals(self._attributed(), pick, own=self.channel.ref)

    def doubtful(self) -> tuple[BuildVersion, ...]:
        """Return the builds given to other channels without certainty, which may be this one's, newest first."""
        found = (
            version
            for version, attribution in self._attributed().items()
            if attribution.certainty is Certainty.DOUBTFUL and not self._is_own(attribution)
        )
        return tuple(sorted(found, reverse=True))

    def _attributed(self) -> Mapping[BuildVersion, Attribution]:
        """Return the attributions of all minors that were looked at."""
        return {version: given for each in self._attributions.values() for version, given in each.items()}


def _of_one_commit(builds: Iterable[Build]) -> list[list[Build]]:
    """Split builds of one precedence by commit; an abbreviation that fits several commits stands by itself."""
    commits: list[list[Build]] = []
    for build in sorted(builds, key=lambda build: -len(build.version.commit or "")):
        fitting = [each for each in commits if build.version.is_of_same_commit(each[0].version)]
        if len(fitting) == 1:
            fitting[0].append(build)
        else:
            commits.append([build])
    return commits


def _beside_each_other(ranked: Sequence[Build], commits: Iterable[Sequence[Build]]) -> list[Build]:
    """Move the directories of one commit to the place of its oldest one; the one that is taken last, as newest."""
    several = {build: each for each in commits if len(each) > 1 for build in each}
    if not several:
        return list(ranked)
    # One commit is of one branch: the others are in the order too, each once.
    return list(dict.fromkeys(each for build in ranked for each in reversed(several.get(build, [build]))))
