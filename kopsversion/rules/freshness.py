"""Whether builds themselves have stopped: the half of kops issue 16533 that no marker shows (DESIGN section 7).

Pure. With a clone of kops the unbuilt merges are counted; without one only the newest build's age is known. This
module must not know what any marker says.
"""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from attrs import evolve

from kopsversion.model.advice import KOPS_URL, REPO_OPTION
from kopsversion.model.answer import Condition, Severity
from kopsversion.model.codes import Code
from kopsversion.model.values import frozen
from kopsversion.model.wording import count, duration, moment

if TYPE_CHECKING:
    from datetime import datetime

    from kopsversion.model.bucket import Build, GitLine
    from kopsversion.model.channel import Channel
    from kopsversion.model.policy import Policy
    from kopsversion.model.version import BuildVersion


_GUESS = "; either nothing was merged or the postsubmit is red: "
_PAUSE = timedelta(hours=1)
"""No upload pauses for so long: files that come later were uploaded again."""


def completed(build: Build) -> datetime | None:
    """Return when a build's upload was over, as far as that is known, UTC.

    Files that came more than an hour after all others were uploaded again: that does not make a build new. Of a build
    whose files were not listed it is a lower bound, the time of one of them.

    Source: DESIGN section 6; FAILURES row 30.
    """
    if not build.artifacts:
        return build.sampled
    times = sorted(artifact.uploaded for artifact in build.artifacts)
    return next((earlier for earlier, later in pairwise(times) if later - earlier > _PAUSE), times[-1])


@frozen
class Unbuilt:
    """The merges after a channel's newest build.

    Attributes:
        built: when the newest build's own commit was made, UTC.
        behind: how many merges there are after it.
        since: when the first of them was merged, UTC; ``None`` where there is none.
    """

    built: datetime
    behind: int
    since: datetime | None


def unbuilt(line: GitLine, version: BuildVersion, *, now: datetime) -> Unbuilt | None:
    """Count the commits of a branch after the one that a build was made of.

    Parameters:
        line: the branch in a clone of kops.
        version: the build.
        now: the moment of the judgement, UTC; later commits do not count.

    Returns:
        The count, or ``None`` where the clone does not have the build's commit on that branch.
    """
    position = line.locate(version.commit) if version.commit else None
    if isinstance(position, int):
        built = line.commits[position]
    elif line.cut is not None and line.is_cut_at(version.commit):
        position, built = -1, line.cut
    else:
        return None
    after = [commit for commit in line.commits[position + 1 :] if commit.time <= now]
    return Unbuilt(built.time, len(after), after[0].time if after else None)


def judge_freshness(
    *,
    channel: Channel,
    newest: BuildVersion,
    uploaded: datetime | None,
    git: GitLine | None,
    policy: Policy,
    now: datetime,
    latest: BuildVersion | None = None,
) -> tuple[Condition, ...]:
    """Say whether the channel's builds have stopped coming.

    Parameters:
        channel: the channel.
        newest: its newest testable build.
        uploaded: when its last build was uploaded, testable or not, UTC; ``None`` where not known.
        git: the channel's branch in a clone, where there is one.
        policy: gives `build_sla` (with git) and `max_build_age` (without).
        now: the moment of the judgement, UTC.
        latest: its newest build, testable or not, where that is another one.

    Returns:
        ``builds-stalled``, ``builds-old``, or nothing.

    Source: DESIGN section 7; FAILURES row 28.
    """
    merges = unbuilt(git, latest or newest, now=now) if git is not None else None
    if merges is not None:
        if merges.since is None or now - merges.since <= policy.build_sla:
            return ()
        return (_stalled(channel, newest, merges, now=now, unbuilt_for=now - merges.since),)
    if uploaded is None or now - uploaded <= policy.max_build_age:
        return ()
    return (_old(channel, newest, uploaded, now=now),)


def _stalled(
    channel: Channel, newest: BuildVersion, merges: Unbuilt, *, now: datetime, unbuilt_for: timedelta
) -> Condition:
    """State that merges are not built, as a clone shows."""
    # The upload comes minutes to hours later; what was merged since the commit is what is missing.
    message = _no_build_since(channel, merges.built, now=now)
    verb = "is" if merges.behind == 1 else "are"
    return Condition(
        Code.BUILDS_STALLED,
        Severity.WARNING,
        f"{message}; {count(merges.behind, 'merge')} on {channel} {verb} not built; "
        "the postsubmit is the place to look",
        {
            "newest": str(newest),
            "commits_behind": merges.behind,
            "unbuilt_for_seconds": int(unbuilt_for.total_seconds()),
        },
    )


def _old(channel: Channel, newest: BuildVersion, uploaded: datetime, *, now: datetime) -> Condition:
    """State that no build came for long, where no clone shows whether there was anything to build."""
    # On two days of five some release branch has been quiet for weeks, rightly: without git that is no alarm.
    ask = (
        f"look there, or give {REPO_OPTION} to tell which"
        if channel.is_master
        else f"`kopsversion check {channel} --repo {KOPS_URL}` tells which"
    )
    return Condition(
        Code.BUILDS_OLD,
        Severity.WARNING if channel.is_master else Severity.INFO,
        f"{_no_build_since(channel, uploaded, now=now)}{_GUESS}{ask}",
        {"newest": str(newest), "age_seconds": int((now - uploaded).total_seconds())},
    )


def without_guess(old: Condition) -> Condition:
    """Return ``builds-old`` without its guess why, for where it is said that the postsubmit is red.

    Any other condition is returned as it is.
    """
    return evolve(old, message=old.message.partition(_GUESS)[0])  # no other condition guesses


def _no_build_since(channel: Channel, since: datetime, *, now: datetime) -> str:
    return f"{channel} has had no build since {moment(since)} ({duration(now - since)})"
