"""Which job writes which marker (DESIGN section 13).

Names of jobs change, so a writer has several, the one of today first. Kops' own writers are the defaults; a
configuration replaces or adds some. Knows nothing of how any run of a job ended.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from kopsversion.model.channel import BRANCH_MARKER, GREEN_MARKER, MASTER
from kopsversion.model.values import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable

POSTSUBMIT = "kops-postsubmit-push-to-staging"
"""Builds and uploads every merge of every branch."""

_HOUR = timedelta(hours=1)


@frozen(kw_only=True)
class Writer:
    """The job that writes a marker.

    >>> mine = Writer(marker="latest-ci.txt", jobs=("my-build",), interval=timedelta(hours=1))
    >>> str(mine.idle_after)
    '4:30:00'

    Attributes:
        marker: the marker's file name.
        jobs: the job's names, the one of today first; the others are looked up where the first has no runs.
        branch: the ref whose marker it writes; ``None`` for every ref.
        interval: how often it runs; ``None`` for a postsubmit, which runs on every merge.
        timeout: how long a run may take.
    """

    marker: str
    jobs: tuple[str, ...]
    branch: str | None = None
    interval: timedelta | None = None
    timeout: timedelta = timedelta(minutes=90)

    @property
    def idle_after(self) -> timedelta | None:
        """How long without a run makes it idle: three intervals and a timeout; ``None`` for a postsubmit."""
        return None if self.interval is None else 3 * self.interval + self.timeout


def _pipeline(branch: str, *jobs: str) -> Writer:
    return Writer(marker=GREEN_MARKER, jobs=jobs, branch=branch, interval=_HOUR)


DEFAULT_WRITERS = (
    Writer(marker=BRANCH_MARKER, jobs=(POSTSUBMIT,)),
    _pipeline(MASTER, "e2e-kops-pipeline-updown-kops-master", "e2e-kops-pipeline-updown-kopsmaster"),
    _pipeline("release-1.36", "e2e-kops-pipeline-updown-kops-136"),
    _pipeline("release-1.35", "e2e-kops-pipeline-updown-kops-135"),
    _pipeline("release-1.34", "e2e-kops-pipeline-updown-kops-134"),
)
"""Kops' own, as of August 2026."""


def writer_of(writers: Iterable[Writer], *, ref: str, name: str) -> Writer | None:
    """Return the writer of a marker: the first one for this ref, else the first one for every ref.

    Parameters:
        writers: the writers, best first.
        ref: the marker's ref.
        name: its file name.
    """
    of_marker = [writer for writer in writers if writer.marker == name]
    own = next((writer for writer in of_marker if writer.branch == ref), None)
    return own or next((writer for writer in of_marker if writer.branch is None), None)
