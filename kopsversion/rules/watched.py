"""Which branches a health report looks at: a branch that it left out by mistake would go unwatched (FAILURES row 33).

Pure. Master is always among them, and every branch with markers or with a build of the last months. A release branch
is over when it has had its final release and builds no more, never because its markers are old or gone. This module
must not know whether a branch is healthy.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress
from typing import TYPE_CHECKING

from kopsversion.errors import InvalidVersionError, UsageError
from kopsversion.model.channel import MASTER, Channel, minor_key
from kopsversion.model.needs import ListUploads
from kopsversion.model.values import frozen
from kopsversion.model.version import FINAL, BuildVersion
from kopsversion.rules.attribution import is_shared
from kopsversion.rules.report import LeftOut

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime, timedelta

    from kopsversion.model.bucket import Build, Snapshot


@frozen(kw_only=True)
class Watched:
    """The branches to look at.

    Attributes:
        channels: master first, then the newest.
        tentative: those of them that exist only if builds turn out to be theirs and not master's.
        left_out: those that are over, the newest first.
    """

    channels: tuple[Channel, ...]
    tentative: frozenset[Channel] = frozenset()
    left_out: tuple[LeftOut, ...] = ()


@frozen(kw_only=True)
class _Branch:
    """What is known of a release branch before anything of it is judged.

    Attributes:
        written: when its youngest marker was written, UTC; ``None`` where it has none.
        builds: its minor's builds that master cannot have made.
        shared: its minor's other builds.
        has_final: whether the minor has had its final release.
        has_times: whether it is known when the builds were uploaded.
    """

    written: datetime | None
    builds: tuple[Build, ...]
    shared: tuple[Build, ...]
    has_final: bool
    has_times: bool

    @property
    def built(self) -> datetime | None:
        """When its last build was uploaded, UTC, as far as that is known."""
        return _last(self.builds)

    def is_active(self, since: datetime) -> bool:
        """Tell whether it may have built something since then."""
        return _is_after(self.built, since) or bool(self.builds and not self.has_times)


def choose_channels(
    snapshot: Snapshot,
    written: Mapping[tuple[str, str], datetime],
    *,
    now: datetime,
    patience: timedelta,
) -> Watched:
    """Separate the branches to look at from those that are over.

    Parameters:
        snapshot: the builds of every minor, with their upload times as far as those could be learnt.
        written: when each marker was written last, by ref and name, UTC.
        now: the moment of the report, UTC.
        patience: how long ago the last build of a branch that has had its final release may be.
    """
    branches = _branches(snapshot, written, now=now)
    since = now - patience
    channels, tentative, left_out = [], set(), []
    for channel in sorted(branches, key=lambda each: minor_key(each.minor or ""), reverse=True):
        branch = branches[channel]
        if branch.is_active(since) or (branch.written is not None and not branch.has_final):
            channels.append(channel)
        elif branch.written is not None or branch.builds:
            left_out.append(LeftOut(str(channel), written=branch.written, built=branch.built))
        elif _is_after(_last(branch.shared), since):
            channels.append(channel)
            tentative.add(channel)
    if snapshot.builds or written:
        channels.insert(0, Channel(MASTER))
    return Watched(channels=tuple(channels), tentative=frozenset(tentative), left_out=tuple(left_out))


def _branches(
    snapshot: Snapshot, written: Mapping[tuple[str, str], datetime], *, now: datetime
) -> Mapping[Channel, _Branch]:
    youngest: dict[Channel, datetime] = {}
    for (ref, _name), moment in written.items():
        channel = channel_of(ref)
        if channel is not None and not channel.is_master:
            # With as_of, a marker that was overwritten since may have been written at any time before.
            at_most = min(moment, now)
            youngest[channel] = max(youngest.get(channel, at_most), at_most)
    by_minor: dict[str, list[Build]] = defaultdict(list)
    for build in snapshot.builds:
        if build.sampled is None or build.sampled <= now:
            by_minor[build.version.minor].append(build)
    finals = [minor for minor, builds in by_minor.items() if _has_final(builds)]
    finals += [version.minor for ref, _ in written if (version := _tag(ref)) and _is_final(version)]
    # Minors are released one after the other, so that an older one has had its release too.
    newest_final = max(map(minor_key, finals), default=None)
    held = {Channel(f"release-{minor}"): builds for minor, builds in by_minor.items()}
    return {
        channel: _branch(
            channel, held.get(channel, ()), snapshot=snapshot, written=youngest, newest_final=newest_final
        )
        for channel in {*held, *youngest}
    }


def _branch(
    channel: Channel,
    builds: Sequence[Build],
    *,
    snapshot: Snapshot,
    written: Mapping[Channel, datetime],
    newest_final: tuple[int, int] | None,
) -> _Branch:
    minor = channel.minor or ""
    branch = [build for build in builds if not build.version.is_tag_build]
    return _Branch(
        written=written.get(channel),
        builds=tuple(build for build in branch if not is_shared(build.version)),
        shared=tuple(build for build in branch if is_shared(build.version)),
        has_final=newest_final is not None and minor_key(minor) <= newest_final,
        has_times=ListUploads(minor) not in snapshot.failures,
    )


def channel_of(ref: str) -> Channel | None:
    """Return the branch that a directory below ``markers/`` belongs to; tags have such directories too."""
    try:
        channel = Channel.parse(ref)
    except UsageError:
        return None
    return channel if channel.ref == ref else None


def _tag(ref: str) -> BuildVersion | None:
    with suppress(InvalidVersionError):
        return BuildVersion.parse(ref)
    return None


def _has_final(builds: Iterable[Build]) -> bool:
    """Tell whether a minor's builds show that it has been released: its own build, or a later patch."""
    return any(
        (build.version.is_tag_build and _is_final(build.version)) or build.version.precedence[0][2] > 0
        for build in builds
    )


def _is_final(version: BuildVersion) -> bool:
    return version.precedence[0][3] == FINAL


def _last(builds: Iterable[Build]) -> datetime | None:
    times = (build.first_uploaded for build in builds)
    return max((time for time in times if time is not None), default=None)


def _is_after(moment: datetime | None, since: datetime) -> bool:
    return moment is not None and moment >= since
