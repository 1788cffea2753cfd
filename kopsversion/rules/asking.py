"""What a decision may ask of a snapshot about one channel, and what the snapshot does not know yet.

A snapshot may be partial, because listing a whole bucket to name one build is a waste. The decision is written
as if everything were known. What is not known is noted as a `Need`: `workflows.rounds` fetches all that is needed at
once and asks for the decision again. Pure: same snapshot, same needs. Here are the questions about one marker, one
minor and one build; `inquiry` puts builds in a line. It must not know what is decided.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from attrs import define, field

from kopsversion.errors import UsageError
from kopsversion.model.answer import Refusal, RefusalKind
from kopsversion.model.bucket import Build, Foreign, Malformed, Marker, Snapshot, Unreachable
from kopsversion.model.channel import BRANCH_MARKER, MASTER, Channel, minor_key
from kopsversion.model.needs import (
    ListArtifacts,
    ListBuilds,
    ListMarkers,
    ListMinors,
    ListUploads,
    Need,
    ReadChecksums,
    ReadMarker,
)
from kopsversion.model.values import frozen
from kopsversion.rules.testable import examine, examine_checksums

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from kopsversion.model.policy import Policy
    from kopsversion.model.rough import RoughName
    from kopsversion.model.version import BuildVersion

__all__ = ["UNKNOWN", "Asking", "Unknown"]


@frozen
class Unknown:
    """Stands where the answer needs something that the snapshot does not know; the need is noted."""


UNKNOWN = Unknown()

_AT_ONCE = 8
"""Listings that are asked for at the same time: a marker may name a build of long ago."""


@define(eq=False, repr=False)  # nobody compares or shows one, and a start does not compile what it takes
class Asking:
    """A snapshot seen from one channel, with the needs found so far.

    Attributes:
        snapshot: what is known.
        channel: the channel that is asked about.
        policy: what counts as testable.
        now: the moment of the decision, UTC.
        needs: what was asked for and is not known.
    """

    snapshot: Snapshot
    channel: Channel
    policy: Policy
    now: datetime
    needs: set[Need] = field(factory=set, init=False)
    listing_failure: str | None = field(default=None, init=False)
    """Why the builds could not be listed to the end, where that was tried and failed."""
    gaps: dict[ReadMarker | ListUploads, str] = field(factory=dict, init=False)
    """Evidence that was looked for and could not be had, and why: the decision goes on without it and reports it."""
    _by_minor: dict[str, list[Build]] | None = field(default=None, init=False)
    _builds: dict[str, tuple[Build, ...]] = field(factory=dict, init=False)

    @property
    def git_ref(self) -> str:
        """The channel whose line the snapshot's clone has; where it does not say, the channel that is asked about."""
        git = self.snapshot.git
        return git.channel if git is not None and git.channel is not None else self.channel.ref

    def need(self, need: Need) -> Unknown:
        """Note that something must be fetched."""
        self.needs.add(need)
        return UNKNOWN

    @contextmanager
    def peek(self) -> Iterator[None]:
        """Leave no trace of what the block asks: what is not known stays unknown, and is not fetched for it."""
        noted, failure = set(self.needs), self.listing_failure
        try:
            yield
        finally:
            self.needs, self.listing_failure = noted, failure

    def failed(self, need: Need) -> str | None:
        """Return why something could not be learnt, if that was tried."""
        failure = self.snapshot.failures.get(need)
        return failure.reason if failure else None

    @property
    def evidence_failure(self) -> str | None:
        """Why evidence could not be read, if it could not: without it a build may seem another branch's, or missing."""
        unread = sorted((repr(need), reason) for need, reason in self.gaps.items() if self.failed(need))
        return unread[0][1] if unread else None

    # ---------------------------------------------------------------------------------- markers

    def marker(self, ref: str, name: str) -> Marker | Unknown:
        """Return a marker as it was read; one that could not be read is `Unreachable`."""
        marker = self.snapshot.marker(ref, name)
        if marker is not None:
            return marker
        need = ReadMarker(ref, name)
        reason = self.failed(need)
        if reason is None:
            return self.need(need)
        self.gaps[need] = reason
        return Marker(ref, name, Unreachable(reason))

    def witness(self, ref: str) -> Marker | Unknown:
        """Return a branch's own marker as evidence of what it built; where it names no build, note that as a gap."""
        marker = self.marker(ref, BRANCH_MARKER)
        if isinstance(marker, Marker) and isinstance(marker.reading, Foreign | Malformed):
            self.gaps[ReadMarker(ref, BRANCH_MARKER)] = f"it {marker.reading.reason}"
        return marker

    # ----------------------------------------------------------------------------------- builds

    def minors(self) -> tuple[str, ...] | Unknown:
        """Return the minors in which the channel may have builds, newest first."""
        if self.channel.minor is not None:
            return (self.channel.minor,)
        if self.snapshot.minors is not None:
            return tuple(sorted(self.snapshot.minors, key=minor_key, reverse=True))
        self.listing_failure = self.failed(ListMinors())
        return () if self.listing_failure else self.need(ListMinors())

    def ask_down_to(self, minor: str) -> None:
        """Ask for the builds of a minor and of every later one, several at once: the way down to it needs them all."""
        minors = self.minors()
        known = () if isinstance(minors, Unknown) else minors
        between = [each for each in known if minor_key(each) >= minor_key(minor)]
        for each in [each for each in between if each not in self.snapshot.listed][:_AT_ONCE]:
            self.builds(each)

    def builds(self, minor: str) -> tuple[Build, ...] | Unknown | None:
        """Return every build of a minor, tag builds too, in no order; ``None`` where they cannot be listed."""
        if minor not in self.snapshot.listed and not self.snapshot.whole:
            reason = self.failed(ListBuilds(minor))
            self.listing_failure = self.listing_failure or reason
            return None if reason else self.need(ListBuilds(minor))
        if minor in self._builds:
            return self._builds[minor]
        if self._by_minor is None:
            # Once for all minors: a bucket of 8,000 builds is asked for by minor some hundred times.
            self._by_minor = {}
            for build in self.snapshot.builds:
                self._by_minor.setdefault(build.version.minor, []).append(build)
        held = self._by_minor.get(minor, [])
        # A build that was looked for by itself and not found is held with no artifacts.
        absent = any(build.artifacts == () for build in held)
        if self.snapshot.as_of is not None and absent and self.uploads_wanted(minor):
            # It was uploaded after the moment asked for, and others may have been: upload times show which.
            return self.need(ListUploads(minor))
        self._builds[minor] = tuple(
            build for build in held if build.artifacts != () and not self._is_later(build)
        )
        return self._builds[minor]

    def _is_later(self, build: Build) -> bool:
        as_of = self.snapshot.as_of
        return as_of is not None and build.sampled is not None and build.sampled > as_of

    def uploads_wanted(self, minor: str) -> bool:
        """Tell whether the upload times of a minor are still to be fetched; where that failed, note it as a gap."""
        if minor in self.snapshot.timed:
            return False
        reason = self.failed(ListUploads(minor))
        if reason is not None:
            self.gaps[ListUploads(minor)] = reason
        return reason is None

    def position(self, version: BuildVersion) -> int | None:
        """Return where git has a build's commit on the channel's line, counted from the oldest; ``None`` if nowhere."""
        git = self.snapshot.git
        place = git.locate(version.commit) if git is not None and version.commit else None
        return place if isinstance(place, int) else None

    def refusal(self, build: Build) -> Refusal | Unknown | None:
        """Judge a build.

        Returns:
            ``None`` if it is testable, the reasons if not, or `UNKNOWN` with the need noted.
        """
        if build.artifacts is None and build.version not in self.policy.exclude:
            return self._refusal_unlisted(build)
        refusal = examine(build, policy=self.policy, now=self.now)
        if refusal is None or refusal.kind is not RefusalKind.UNSETTLED:
            return refusal
        marked = self._named_by_own_branch(build)
        if isinstance(marked, Unknown):
            return UNKNOWN
        return examine(build, policy=self.policy, now=self.now, marked=marked)

    def _refusal_unlisted(self, build: Build) -> Refusal | Unknown | None:
        """Judge a build whose files are not known: ask for them, or, where that is denied, for checksums."""
        need = ListArtifacts(build.version)
        failure = self.snapshot.failures.get(need)
        if failure is None:
            return self.need(need)
        if build.checksums is not None:
            return examine_checksums(build, policy=self.policy)
        proof = ReadChecksums(build.version)
        if failure.denied and self.failed(proof) is None:
            return self.need(proof)
        reason = f"its files could not be listed: {self.failed(proof) or failure.reason}"
        return Refusal(build.version, (reason,), RefusalKind.UNREADABLE)

    def _named_by_own_branch(self, build: Build) -> bool | Unknown:
        """Tell whether the branch's marker, written after every other file, names the build."""
        marker = self.witness(self.channel.ref)
        return marker if isinstance(marker, Unknown) else marker.version == build.version

    # ----------------------------------------------------------------------------------- channels

    def may_be_own(self, name: RoughName) -> bool:
        """Tell whether a name that is no version could be one of the channel's."""
        return name.is_shared if self.channel.minor is None else name.minor == self.channel.minor

    def knows_all_channels(self) -> bool:
        """Tell whether all that can be learnt of the channels that exist is known; if not, ask for it."""
        if self.snapshot.marker_names is None and self.failed(ListMarkers()) is None:
            self.need(ListMarkers())
        if self.snapshot.minors is None and self.failed(ListMinors()) is None:
            self.need(ListMinors())
        return not self.needs

    def existing_channels(self) -> tuple[str, ...]:
        """Return the channels that have markers or builds: master first, then the newest."""
        with_markers = _release_branches(self.snapshot.refs or ())
        found = with_markers or _release_branches(f"release-{minor}" for minor in self.snapshot.minors or ())
        ordered = sorted(found, key=lambda channel: minor_key(channel.minor or ""), reverse=True)
        return (*([MASTER] if ordered or MASTER in (self.snapshot.refs or ()) else []), *map(str, ordered))


def _release_branches(refs: Iterable[str]) -> set[Channel]:
    """Keep the refs that are release branches; a store may hold ``markers/release-1.2.3/`` too."""
    found = set()
    for ref in refs:
        if ref.startswith("release-"):
            with suppress(UsageError):
                found.add(Channel.parse(ref))
    return found
