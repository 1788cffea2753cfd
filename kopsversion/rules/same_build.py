"""How many of a job's last runs tested one and the same build (DESIGN section 13).

This was the finding of kops issue 16533: for two months the periodic jobs tested one build, and nobody was told.
Pure. This module must not know where runs come from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kopsversion.model.runs import Result
from kopsversion.model.values import frozen
from kopsversion.model.wording import count, duration, moment

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from kopsversion.model.runs import Run
    from kopsversion.model.version import BuildVersion

__all__ = ["SameBuild", "same_build"]


@frozen(kw_only=True)
class SameBuild:
    """The last runs of a job, which tested the same build.

    Attributes:
        version: the build.
        runs: how many runs are known to have tested it; none between them tested another one.
        silent: how many runs between them do not say what they tested.
        since: when the first of them began, UTC.
        before: what the run before them tested; ``None`` where no such run is known.
    """

    version: BuildVersion
    runs: int
    silent: int
    since: datetime
    before: BuildVersion | None

    def sentence(self, *, now: datetime) -> str:
        """Say it in one sentence.

        Parameters:
            now: the moment that it is said, UTC.
        """
        since = f"since {moment(self.since)} ({duration(now - self.since)})"
        if self.silent:
            whole = count(self.runs + self.silent, "run")
            said = f"of the last {whole}, {since}, {self.runs} say what they tested: all {self.version}"
        else:
            said = f"the last {count(self.runs, 'run')}, {since}, all tested {self.version}"
        return said if self.before is None else f"{said}; before that {self.before}"


def same_build(runs: Iterable[Run]) -> SameBuild | None:
    """Find how many of the last runs tested the same build; ``None`` for fewer than two.

    Parameters:
        runs: newest first; those without a result yet are passed over.
    """
    streak: list[Run] = []
    silent = between = 0
    before = None
    for run in runs:
        if run.tested is None:
            between += run.result is not Result.RUNNING
        elif streak and run.tested != streak[0].tested:
            before = run.tested
            break
        else:
            streak.append(run)
            silent, between = silent + between, 0
    version = streak[0].tested if streak else None
    if version is None or len(streak) < 2:
        return None
    return SameBuild(version=version, runs=len(streak), silent=silent, since=streak[-1].began, before=before)
