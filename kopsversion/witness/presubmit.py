"""Tells the merges that a CI job makes in its own clone from those that were merged on GitHub.

Prow's clonerefs merges a pull request onto the local branch that it tests. The merge gets the time of the commit
below, plus one second. It is never built, so it must not count as a merge that waits for its build
(FAILURES row 49). The same holds for a `git merge` by hand, and for GitHub's own ``refs/pull/N/merge``.

This module must not know what a build is.
"""

from __future__ import annotations

import re
from itertools import takewhile
from typing import TYPE_CHECKING

from kopsversion.model.values import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kopsversion.witness.running import Git

__all__ = ["count_local_merges"]

_LOOKED_AT = 40
"""Commits at the end of a line that are read: the local merges of a batch, and some of those below."""

_BY_GITHUB = re.compile(r"Merge pull request #[0-9]+ from ")
"""How the subject of every merge on kops' branches begins (history)."""

_BY_HAND = re.compile(
    r"merge$|Merge (?:[0-9a-f]{40} into [0-9a-f]{40}$|(?:remote-tracking )?(?:branch|commit|tag)(?:es|s)? ')",
    re.IGNORECASE,
)
"""What clonerefs, GitHub's ``refs/pull/N/merge`` and git itself call a merge."""

_COMMITTER = re.compile(r"committer .* ([0-9]+) [-+][0-9]{4}")


@frozen
class _Seen:
    """What shows a commit's origin: its subject, its time in seconds since the epoch, and whether it is a merge."""

    subject: str
    time: int | None
    is_merge: bool

    @property
    def is_by_github(self) -> bool:
        """Whether it is named as GitHub names a merge."""
        return _BY_GITHUB.match(self.subject) is not None


def count_local_merges(git: Git, newest_first: Sequence[str], *, environ: Mapping[str, str]) -> int:
    """Count the merges at the end of a line that were made in this clone.

    Parameters:
        git: the clone.
        newest_first: full ids of the line's commits.
        environ: the process environment; in a presubmit Prow sets ``PULL_BASE_SHA``, the commit that was merged onto.

    Returns:
        How many commits to leave out.

    Raises:
        GitWitnessError: git failed, or its time is up.
    """
    base = environ.get("PULL_BASE_SHA", "")
    if base in newest_first[:_LOOKED_AT]:
        return newest_first.index(base)
    seen = _read(git, newest_first[:_LOOKED_AT])
    return max(_by_time(seen), _by_hand(seen), _unlike_the_rest(seen))


def _by_time(seen: Sequence[_Seen]) -> int:
    """Count the merges that are dated as clonerefs dates them: each a second after the one below it."""
    merges = len(list(takewhile(lambda commit: commit.is_merge and not commit.is_by_github, seen)))
    for number in range(min(merges, len(seen) - 1), 0, -1):
        base = seen[number].time
        dated = [(base or 0) + place for place in range(number, 0, -1)]
        if base is not None and [commit.time for commit in seen[:number]] == dated:
            return number
    return 0


def _by_hand(seen: Sequence[_Seen]) -> int:
    """Count the merges that are named as git and CI systems name their own."""
    return len(list(takewhile(lambda commit: commit.is_merge and _BY_HAND.match(commit.subject), seen)))


def _unlike_the_rest(seen: Sequence[_Seen]) -> int:
    """Count the merges that are not GitHub's, where all below them are; one where no merge is below it."""
    unlike = len(list(takewhile(lambda commit: commit.is_merge and not commit.is_by_github, seen)))
    below = seen[unlike:]
    if any(commit.is_merge for commit in below):
        return unlike if all(commit.is_by_github for commit in below if commit.is_merge) else 0
    return unlike if unlike == 1 and len(below) > 1 else 0


def _read(git: Git, commits: Sequence[str]) -> list[_Seen]:
    """Read commits, as far as git has them."""
    data = git.ask("cat-file", "--batch", lines=commits).output
    seen = []
    while data:
        header, _, rest = data.partition(b"\n")
        words = header.split()
        if len(words) != 3 or not words[2].isdigit():
            break
        size = int(words[2])
        text = rest[:size].decode("utf-8", "replace")
        data = rest[size + 1 :]
        headers, _, message = text.partition("\n\n")
        time = _COMMITTER.search(headers)
        seen.append(
            _Seen(
                subject=message.partition("\n")[0],
                time=int(time[1]) if time else None,
                is_merge=headers.count("\nparent ") > 1,
            )
        )
    return seen
