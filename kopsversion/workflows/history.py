"""The merges of a channel's branch, from a directory or a URL of kops (DESIGN section 14).

A directory is read in place; a URL is fetched as deep as the commits in question lie. This module must not know what
the merges are used for.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import evolve

from kopsversion.errors import GitWitnessError
from kopsversion.model.bucket import GitCommit, GitLine
from kopsversion.stores.deadline import Deadline

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import timedelta

    from kopsversion.model.channel import Channel
    from kopsversion.witness.merges import Merges
    from kopsversion.workflows.clones import Clone

__all__ = ["open_history", "whole_line"]

_GIT_TIMEOUT = 30.0
"""Seconds that reading merges from a clone may take."""


def open_history(
    clone: Clone, channel: Channel, *, commits: Iterable[str], timeout: float | timedelta
) -> Merges | None:
    """Open the branch of a channel; ``None`` where there is no clone, or it cannot be read, which it then notes.

    Parameters:
        clone: where git is asked; a line that is fetched becomes its `line`.
        channel: whose branch is wanted.
        commits: abbreviated ids of the commits that it must go back to.
        timeout: seconds, for fetching.
    """
    from kopsversion.witness.merges import Merges

    source = evolve(clone.source, deadline=Deadline(timeout))
    try:
        fetched = source.fetch_commits(channel, commits)
    except GitWitnessError as error:
        clone.note(error)
        return None
    if fetched is not None:
        clone.line, repo = fetched
        return Merges(repo, f"refs/heads/{channel.ref}", environ=os.environ, timeout=_GIT_TIMEOUT)
    where = source.repo if isinstance(source.repo, Path) else source.nearby
    if clone.line is None or where is None:
        return None
    return Merges(where, clone.line.ref, environ=os.environ, timeout=_GIT_TIMEOUT)


def whole_line(clone: Clone, merges: Merges) -> GitLine | None:
    """Return a branch's line including master's commits before the cut; ``None`` where that cannot be read."""
    if clone.line is None:
        return None
    try:
        commits = tuple(GitCommit(merge.commit, merge.time) for merge in merges.line())
    except GitWitnessError as error:
        clone.note(error)
        return None
    return evolve(clone.line, commits=commits, elsewhere=frozenset())
