"""Reads one branch of a clone of kops with the git binary (DESIGN section 4, witness 1).

A clone says exactly which builds are a branch's own: those whose commit is on its first-parent line. This module
fetches nothing and writes nothing. It makes a handful of git calls, however long the history; two of them read
commits. The clone's configuration is not trusted, see `kopsversion.witness.running`.

It must not know what a build, a marker or a policy is.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from attrs import evolve

from kopsversion.errors import GitFault, GitWitnessError, UsageError, quoted
from kopsversion.model.advice import fetch_command
from kopsversion.model.bucket import GitCommit, GitLine
from kopsversion.model.channel import MASTER
from kopsversion.model.values import frozen
from kopsversion.witness.presubmit import count_local_merges
from kopsversion.witness.running import NAME_A_CLONE, Git, first_complaint

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

__all__ = ["find_clone", "read_cached", "read_line"]

_LOCAL = "refs/heads/"
_REMOTES = "refs/remotes/"
_HOMES = (f"{_REMOTES}origin/", f"{_REMOTES}upstream/", _LOCAL)
"""Where a channel's branch is looked for first, in this order (DESIGN section 9, ``--ref``)."""

_CHANNEL_BRANCH = re.compile(r"refs/(?:heads|remotes/[^/]+)/(?:master|release-[0-9]+\.[0-9]+)")
_OBJECT = re.compile(r"([0-9a-f]{40,64}) ([a-z]+) [0-9]+")
_KOPS_URL = re.compile(r"[/:]kops(?:\.git)?/?$")
_LATEST_TIME = int(datetime(9999, 12, 31, tzinfo=UTC).timestamp())
_MOST_REMOTES = 30
"""Remotes that are looked into: a maintainer's clone may have one for every contributor."""


# --------------------------------------------------------------------------------------------------
# Is it a clone of kops?


def find_clone(start: Path, *, environ: Mapping[str, str], timeout: float) -> Path | None:
    """Find out whether a directory is in a clone of kops; that it is not is no error.

    Parameters:
        start: usually the current directory; it may be a subdirectory of the clone.
        environ: the process environment.
        timeout: seconds.

    Returns:
        `start` if it is in a clone of kops, and ``None`` if it is not.

    Raises:
        GitWitnessError: git did not answer in time, or could not read what looks like a clone of kops. The next
            witness is used then, and the reader is told (DESIGN section 4).
    """
    try:
        git = _open(start, environ=environ, timeout=timeout)
        return start if _is_kops(git, ["HEAD", *_read_branches(git).tips]) else None
    except GitWitnessError as error:
        # Git does not say whether this is kops, so the files must: another project's clone is no concern of ours.
        if error.kind is GitFault.TIMEOUT or _looks_like_kops(start):
            raise
        return None


def _looks_like_kops(start: Path) -> bool:
    try:
        place = start.absolute()
    except OSError:  # the current directory is gone
        return False
    return any(
        (directory / "cmd/kops").is_dir() and (directory / "upup").is_dir()
        for directory in (place, *place.parents)
    )


def _open(repo: Path, *, environ: Mapping[str, str], timeout: float, is_exact: bool = False) -> Git:
    git = Git.find(repo, environ=environ, timeout=timeout, is_exact=is_exact)
    if not repo.is_dir():
        message = f"{quoted(str(repo))} is not a directory"
        raise git.fault(GitFault.NOT_A_REPOSITORY, message, hint=NAME_A_CLONE)
    return git


@frozen
class _Branches:
    """The branches of a clone that are channels.

    Attributes:
        tips: the commit that each ends with, by full ref name: origin's first, local ones last.
        lost: full names of those whose commit git could not read.
        damage: what git reported as broken; ``None`` where it reported nothing.
    """

    tips: Mapping[str, str]
    lost: tuple[str, ...]
    damage: str | None

    def copies(self, branch: str) -> dict[str, str]:
        """Return the tips of one branch, wherever the clone has it, by full ref name."""
        return {name: tip for name, tip in self.tips.items() if _branch_of(name) == branch}

    def others(self, branch: str) -> list[str]:
        """Return the tips of other branches, of remotes that are likely to be kops' own."""
        homes = {name: name.removesuffix(_branch_of(name)) for name in self.tips}
        return [
            tip for name, tip in self.tips.items() if homes[name] in _HOMES and _branch_of(name) != branch
        ]


def _branch_of(name: str) -> str:
    return name.rpartition("/")[2]


def _read_branches(git: Git) -> _Branches:
    """Read the tip of every branch that is a channel."""
    homes = (f"{_REMOTES}*/", _LOCAL)
    patterns = [f"{home}{branch}" for home in homes for branch in (MASTER, "release-*")]
    listed = git.read("for-each-ref", "--format=%(refname)", *patterns)
    names = [name for name in listed if _CHANNEL_BRANCH.fullmatch(name)]
    remotes = list(dict.fromkeys(name.removesuffix(_branch_of(name)) for name in names))
    order = list(dict.fromkeys([*_HOMES[:-1], *remotes[:_MOST_REMOTES], _LOCAL]))
    kept = [name for home in order for name in names if name == home + _branch_of(name)]
    # A damaged branch must not cost the others, so their commits are looked up one by one.
    found, damage = _look_up(git, [f"{name}^{{commit}}" for name in kept])
    pairs = list(zip(kept, found, strict=True))
    return _Branches(
        tips={name: tip[0] for name, tip in pairs if tip is not None},
        lost=tuple(name for name, tip in pairs if tip is None),
        damage=damage,
    )


def _look_up(git: Git, names: Sequence[str]) -> tuple[list[tuple[str, str] | None], str | None]:
    """Read the id and type of objects, by any name that git understands, and what git reports as broken.

    The names are written to standard input, where none can be taken for an option.
    """
    answer = git.ask("cat-file", "--batch-check", lines=names)
    # An object that a partial clone has left out may end the command.
    if answer.status != 0 and "promisor" not in answer.complaint:
        raise git.failure(answer)
    found: list[tuple[str, str] | None] = []
    for line in answer.lines():
        known = _OBJECT.fullmatch(line)
        found.append((known[1], known[2]) if known else None)
    damage = first_complaint(answer) if answer.reports_damage else None
    return found + [None] * (len(names) - len(found)), damage


def _is_kops(git: Git, revisions: Sequence[str]) -> bool:
    """Look whether the tree of a revision has what every kops since 2016 has.

    The tree is asked and not the file system: a bare or sparse clone has no such files. A clone made with
    ``--filter=tree:0`` has no trees either; there, the URL that it was cloned from decides.

    Raises:
        GitWitnessError: the objects that would show it are broken.
    """
    parts = ("^{tree}", ":cmd/kops", ":upup", ":pkg/apis")
    found, damage = _look_up(git, [f"{revision}{part}" for revision in revisions for part in parts])
    trees = [known is not None and known[1] == "tree" for known in found]
    if any(trees):
        return any(trees[i + 1] and (trees[i + 2] or trees[i + 3]) for i in range(0, len(trees), len(parts)))
    if damage is not None:
        raise git.garbled(damage)
    remotes = git.ask("config", "--get-regexp", r"^remote\..*\.url$").output.decode("utf-8", "replace")
    return any(_KOPS_URL.search(line) for line in remotes.splitlines())


# --------------------------------------------------------------------------------------------------
# Which commits are a channel's?


def read_line(
    repo: Path, *, channel_ref: str, ref: str | None = None, environ: Mapping[str, str], timeout: float
) -> GitLine:
    """Read a channel's line, and which commits are known to be on another channel's.

    The line of a release branch begins where it leaves master's: what lies before was built as master's.
    (history) No commit is on the lines of two branches, of the 7,042 published from 2019 to 2024.

    Parameters:
        repo: a directory in a clone of kops, bare or not.
        channel_ref: ``master`` or ``release-X.Y``.
        ref: what to read instead of the channel's branch, in any form that ``git rev-parse`` understands.
        environ: the process environment.
        timeout: seconds, for everything together.

    Returns:
        The line. Where remotes have the branch and none is ahead of the others, the others are its `alternatives`.

    Raises:
        UsageError: `ref` cannot be the name of a commit.
        GitWitnessError: the channel's line cannot be read there; `kind` tells why.
    """
    if ref is not None:
        _check(ref)
    git = _open(repo, environ=environ, timeout=timeout)
    branches = _read_branches(git)
    copies = branches.copies(channel_ref) if ref is None else _named(git, ref)
    if not _is_kops(git, list(copies.values()) or ["HEAD", *branches.tips]):
        raise _not_kops(git, branches, found=copies)
    if not copies:
        raise _no_ref(git, branches, ref or channel_ref, channel_ref=channel_ref)
    return _read_copies(git, branches, copies, channel_ref=channel_ref, environ=environ)


def read_cached(
    repo: Path, *, channel_ref: str, environ: Mapping[str, str], timeout: float
) -> GitLine | None:
    """Read a channel's line from a repository that holds nothing but branches of kops, as they are upstream.

    Parameters and errors are those of `read_line`.

    Returns:
        The line; ``None`` where the repository does not have the branch.
    """
    git = _open(repo, environ=environ, timeout=timeout, is_exact=True)
    branches = _read_branches(git)
    copies = branches.copies(channel_ref)
    return _read_copies(git, branches, copies, channel_ref=channel_ref) if copies else None


def _check(ref: str) -> None:
    if not ref or ref.startswith("-") or not ref.isprintable():
        raise UsageError(
            f"{quoted(ref)} cannot be the name of a git ref",
            hint="a ref looks like origin/master, release-1.30 or a commit id",
        )


def _named(git: Git, ref: str) -> dict[str, str]:
    """Look up a ref that the user names; return its commit by that name, or nothing."""
    (found,), _ = _look_up(git, [f"{ref}^{{commit}}"])
    return {ref: found[0]} if found else {}


def _short(name: str) -> str:
    return name.removeprefix(_REMOTES).removeprefix(_LOCAL)


def _not_kops(git: Git, branches: _Branches, *, found: Mapping[str, str]) -> GitWitnessError:
    repo = quoted(str(git.repo))
    if not found and not branches.tips and branches.lost:
        return git.garbled(branches.damage or f"{_short(branches.lost[0])} names a commit that is not there")
    chosen = next((quoted(_short(name)) for name in found), "no branch of it")
    wanting = f"{chosen} has no cmd/kops" if found else f"{chosen} has a cmd/kops"
    return git.fault(GitFault.NOT_KOPS, f"{repo} is not a clone of kops: {wanting}", hint=NAME_A_CLONE)


def _no_ref(git: Git, branches: _Branches, ref: str, *, channel_ref: str) -> GitWitnessError:
    if branches.damage is not None and any(_branch_of(name) == channel_ref for name in branches.lost):
        return git.garbled(branches.damage)
    return git.fault(
        GitFault.NO_REF,
        f"the clone {quoted(str(git.repo))} has no {quoted(ref)}",
        hint=f"{fetch_command(channel_ref, repo=str(git.repo))}, or name another with --ref",
    )


# --------------------------------------------------------------------------------------------------
# The line


@frozen
class _History:
    """First-parent lines: of every commit its first parent, and its time in seconds since the epoch."""

    parents: Mapping[str, str | None]
    times: Mapping[str, int]

    def walk(self, tip: str) -> Iterator[str]:
        """Follow first parents as far as they are known, newest first."""
        return _walk(self.parents, tip)


def _read_copies(
    git: Git,
    branches: _Branches,
    copies: Mapping[str, str],
    *,
    channel_ref: str,
    environ: Mapping[str, str] | None = None,
) -> GitLine:
    """Read the line of each copy of a branch that none of the others contains.

    Parameters:
        git: the clone.
        branches: its branches.
        copies: the tips of the branch, by name, in the order in which they are preferred.
        channel_ref: the branch.
        environ: the process environment; ``None`` for what was fetched at one moment, and has no commits of its own.
    """
    shallow = git.read("rev-parse", "--is-shallow-repository") == ["true"]
    masters = {} if channel_ref == MASTER else branches.copies(MASTER)
    history = _read_lines(git, [*copies.values(), *masters.values()])
    lines: list[tuple[str, Sequence[str]]] = []
    for name in _most_advanced_first(copies, history):
        newest_first = list(history.walk(copies[name]))
        if environ is not None and not name.startswith(_REMOTES):
            newest_first = newest_first[count_local_merges(git, newest_first, environ=environ) :]
        if not newest_first or any(newest_first[0] in seen for _, seen in lines):
            continue  # another copy has all of it
        lines.append((name, newest_first))
    trunks = [(tip, frozenset(history.walk(tip))) for tip in masters.values()]
    near = [*branches.copies(channel_ref).values(), *masters.values()]
    read = [
        _Line(_short(name), newest_first, trunks, shallow=shallow, at_once=environ is None).read(
            git, history, channel_ref=channel_ref, others=branches.others(channel_ref), near=near
        )
        for name, newest_first in lines
    ]
    return evolve(read[0], alternatives=tuple(read[1:]))


def _most_advanced_first(copies: Mapping[str, str], history: _History) -> list[str]:
    """Order the copies of a branch: a remote's one that holds the tips of others before these, local ones last."""
    lines = {name: frozenset(history.walk(tip)) for name, tip in copies.items()}
    remote = {tip for name, tip in copies.items() if name.startswith(_REMOTES)}
    return sorted(copies, key=lambda name: (name.startswith(_LOCAL), -len(remote & lines[name])))


@frozen
class _Line:
    """A copy of a branch.

    Attributes:
        name: the short name of its ref.
        newest_first: its commits.
        trunks: of each copy of master, its tip and its commits; none for master itself.
        shallow: whether the clone's history is cut off.
        at_once: whether all branches are of one moment, so that master is not behind the others.
    """

    name: str
    newest_first: Sequence[str]
    trunks: Sequence[tuple[str, frozenset[str]]]
    shallow: bool
    at_once: bool

    def read(
        self, git: Git, history: _History, *, channel_ref: str, others: Sequence[str], near: Sequence[str]
    ) -> GitLine:
        """Split it from master's line, and read the commits that only other branches have."""
        trunk = frozenset[str]().union(*(commits for _, commits in self.trunks))
        cut = next((commit for commit in self.newest_first if commit in trunk), None)
        own = [commit for commit in self.newest_first if commit not in trunk]
        tip = self.newest_first[0]
        others_own = _read_others(git, others, tip=tip, known=trunk.union(self.newest_first), near=near)
        return GitLine(
            ref=self.name,
            commits=tuple(_dated(reversed(own), history.times)),
            elsewhere=trunk | others_own,
            shallow=self.shallow,
            channel=channel_ref,
            cut=next(_dated([cut], history.times), None) if cut is not None else None,
            knows_cut=channel_ref == MASTER or not own or self._left_at(cut),
        )

    def _left_at(self, cut: str | None) -> bool:
        """Tell whether a release branch left master at `cut` for certain.

        Where `cut` is the tip of every copy of master, these may be behind, and more commits of the branch master's.
        """
        if (
            cut is None
        ):  # lines that never meet have no commits in common, unless the clone's history is cut off
            return bool(self.trunks) and not self.shallow
        return self.at_once or any(cut in commits and cut != tip for tip, commits in self.trunks)


def _read_lines(git: Git, tips: Iterable[str]) -> _History:
    """Read first-parent lines down to their beginning, or to where the clone's history is cut off."""
    parents: dict[str, str | None] = {}
    times: dict[str, int] = {}
    unique = dict.fromkeys(tips)
    for line in git.read("rev-list", "--first-parent", "--parents", "--timestamp", "--stdin", lines=unique):
        try:
            seconds, commit, *rest = line.split(" ", 3)
            times[commit] = int(seconds)
        except ValueError as error:
            raise git.garbled(f"a line of history is {line}") from error
        parents[commit] = rest[0] if rest else None
    return _History(parents, times)


def _walk(parents: Mapping[str, str | None], tip: str) -> Iterator[str]:
    """Follow first parents as far as they are known, newest first."""
    commit: str | None = tip
    while commit is not None and commit in parents:
        yield commit
        commit = parents[commit]


def _dated(commits: Iterable[str], times: Mapping[str, int]) -> Iterator[GitCommit]:
    """Give commits, oldest first, their times.

    For a time that it cannot read, git gives 0 or a number near 2**64. Such a time becomes the one before it
    on the line.
    """
    moment = datetime.fromtimestamp(0, UTC)
    for commit in commits:
        if 0 < times[commit] <= _LATEST_TIME:
            moment = datetime.fromtimestamp(times[commit], UTC)
        yield GitCommit(commit, moment)


def _read_others(
    git: Git, others: Sequence[str], *, tip: str, known: frozenset[str], near: Iterable[str]
) -> frozenset[str]:
    """Read the commits that only other channels' branches have.

    A wrong "elsewhere" would take a build from its channel, so it must be proven. A branch's commits count
    under two conditions. The branch left a known line, and not where our own ends: else they may be ours,
    further on. And neither our line nor another copy of our branch has merged them: else it may have lost
    its first parents.

    Parameters:
        others: the tips of the other branches.
        tip: the end of our line.
        known: our line, and master's.
        near: tips of other copies of our branch and of master, which may be ahead of ours.
    """
    excluded = [f"^{commit}" for commit in dict.fromkeys([tip, *near])]
    parents: dict[str, str | None] = {}
    wanted = [*dict.fromkeys(others), *excluded]
    for line in git.read("rev-list", "--first-parent", "--parents", "--stdin", lines=wanted):
        commit, *rest = line.split(" ", 2)
        parents[commit] = rest[0] if rest else None
    proven: set[str] = set()
    for other in others:
        segment = list(_walk(parents, other))
        start = parents[segment[-1]] if segment else None
        if start in known and start != tip:
            proven.update(segment)
    return frozenset(proven)
