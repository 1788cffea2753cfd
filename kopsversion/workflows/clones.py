"""Asks git which builds are a channel's: a directory at once, a URL only where something is in doubt.

`Clone.settle` makes a decision that was made without git be made again with it, for every command (DESIGN section 4,
witness 1). `rounds.ask_until_known` calls it when there is an answer, or when it is known that there is none.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import define, evolve

from kopsversion.errors import GitWitnessError
from kopsversion.model.answer import Condition, Severity
from kopsversion.model.codes import Code
from kopsversion.model.values import frozen
from kopsversion.rules.attribution import is_shared
from kopsversion.rules.inquiry import Candidate
from kopsversion.workflows.arguments import checked, path_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kopsversion.model.bucket import GitLine, Snapshot
    from kopsversion.model.channel import Channel
    from kopsversion.model.version import BuildVersion
    from kopsversion.rules.inquiry import Inquiry
    from kopsversion.stores.deadline import Deadline
    from kopsversion.witness.address import CloneUrl, Repo
    from kopsversion.witness.fetching import Cache

__all__ = ["Clone", "CloneSource"]

_GIT_TIMEOUT = 10.0
"""Seconds that reading a directory may take."""

_FETCH_TIMEOUT = 30.0
"""Seconds that fetching from a URL may take."""


@frozen(kw_only=True)
class CloneSource:
    """Where git can be asked.

    Attributes:
        repo: the directory or URL that the user names; ``None`` where none is named.
        nearby: a directory that is used where it turns out to be in a clone of kops.
        ref: the branch in it, where that is not the channel's own name.
        deadline: nothing waits longer.
    """

    repo: Path | CloneUrl | None
    nearby: Path | None
    ref: str | None
    deadline: Deadline

    @classmethod
    def of(
        cls, *, repo: Repo | None, nearby: Path | None, ref: str | None, deadline: Deadline
    ) -> CloneSource:
        """Read what the user names.

        Raises:
            UsageError: `repo` is neither a directory nor the URL of a repository.
        """
        if isinstance(repo, str):
            from kopsversion.witness.address import parse_repo

            repo = parse_repo(repo)
        elif repo is not None and not isinstance(repo, Path):
            from kopsversion.witness.address import CloneUrl

            checked("repo", repo, CloneUrl, wanted="a pathlib.Path, or a directory or URL as text")
        if nearby is not None:
            nearby = path_of("nearby", nearby)
        if ref is not None:
            checked("ref", ref, str, wanted="the name of a branch, as text")
        return cls(repo=repo, nearby=nearby, ref=ref, deadline=deadline)

    def open(self, channel: Channel | None) -> Clone:
        """Read a channel's branch from a directory; where that fails, note why and go on without.

        Parameters:
            channel: the channel; ``None`` for a single version, about which git is not asked.

        Raises:
            UsageError: `ref` cannot be the name of a commit.
            GitWitnessError: the directory that the user names is not a clone of kops, or has no branch `ref`.
        """
        clone = Clone(self, channel)
        if channel is not None:
            try:
                clone.line = self._read(channel)
            except GitWitnessError as error:
                if self.repo is not None and (error.is_wrong_repo or self.ref is not None):
                    raise
                clone.note(error)
        return clone

    def _read(self, channel: Channel) -> GitLine | None:
        repo, nearby = self.repo, self.nearby
        if repo is not None and not isinstance(repo, Path):
            return None  # fetched where something is in doubt
        if repo is None and (nearby is None or not _is_in_repository(nearby)):
            return None
        from kopsversion.witness.git import find_clone, read_line

        if repo is None and nearby is not None:
            repo = find_clone(nearby, environ=os.environ, timeout=self._seconds(_GIT_TIMEOUT))
        if repo is None:
            return None
        seconds = self._seconds(_GIT_TIMEOUT)
        line = read_line(repo, channel_ref=channel.ref, ref=self.ref, environ=os.environ, timeout=seconds)
        return evolve(line, named=self.repo is not None)

    def fetch(self, channel: Channel, builds: Iterable[BuildVersion]) -> GitLine | None:
        """Fetch what settles which of some builds are the channel's; ``None`` where no URL is named.

        Raises:
            UsageError: `ref` cannot be the name of a branch.
            GitWitnessError: it cannot be fetched.
        """
        if self.repo is None or isinstance(self.repo, Path):
            return None
        from kopsversion.witness.fetching import Wanted

        sought = [build for build in builds if build.commit]
        shared = [build for build in sought if is_shared(build)]
        wanted = Wanted(
            channel_ref=channel.ref,
            minors=frozenset(build.minor for build in shared),
            commits=tuple(dict.fromkeys(build.commit for build in sought if build.commit)),
            needs_cut=bool(shared) and not channel.is_master,
        )
        line = self._cache(self.repo).read_line(wanted, timeout=self._seconds(_FETCH_TIMEOUT))
        return evolve(line, named=True)

    def fetch_commits(self, channel: Channel, commits: Iterable[str]) -> tuple[GitLine, Path] | None:
        """Fetch a channel's branch, as deep as commits lie; ``None`` where no URL is named.

        Parameters:
            channel: the channel.
            commits: abbreviated ids; none for the branch's tip alone.

        Returns:
            The line, and the repository that has it.

        Raises:
            UsageError: `ref` cannot be the name of a branch.
            GitWitnessError: it cannot be fetched.
        """
        if self.repo is None or isinstance(self.repo, Path):
            return None
        from kopsversion.witness.fetching import Wanted

        cache = self._cache(self.repo)
        wanted = Wanted(channel_ref=channel.ref, commits=tuple(commits), needs_cut=not channel.is_master)
        line = cache.read_line(wanted, timeout=self._seconds(_FETCH_TIMEOUT))
        return evolve(line, named=True), cache.repo

    def _cache(self, url: CloneUrl) -> Cache:
        from kopsversion.witness.fetching import Cache, cache_directory

        return Cache(
            url=url, directory=url.cache or cache_directory(os.environ), environ=os.environ, ref=self.ref
        )

    def _seconds(self, most: float) -> float:
        """Return how long git may take: at most half of the time that is left, the rest of which is for the stores."""
        return min(most, self.deadline.remaining() / 2)


@define(eq=False, repr=False)
class Clone:
    """What git says of one channel, and why it may not be asked; `settle` may add to it.

    Attributes:
        source: where git is asked.
        channel: whose branch is read.
        line: the branch, where it was read.
        conditions: why it could not be read, for the reader.
    """

    source: CloneSource
    channel: Channel | None
    line: GitLine | None = None
    conditions: tuple[Condition, ...] = ()
    _is_fetched: bool = False

    def note(self, error: GitWitnessError) -> None:
        """Note why git could not be asked: as a warning if the user named the clone, and else as info."""
        advice = f"; {error.hint}" if error.hint else ""
        severity = Severity.INFO if self.source.repo is None else Severity.WARNING
        message = f"git cannot tell which builds are of {self.channel}: {error}{advice}"
        self.conditions = (*self.conditions, Condition(Code.GIT_UNAVAILABLE, severity, message))

    def settle(self, inquiry: Inquiry, doubts: Iterable[BuildVersion]) -> Snapshot | None:
        """Look for a better line, once it is known what the store holds.

        Parameters:
            inquiry: the channel and what is known of the store.
            doubts: the builds that are in doubt.

        Returns:
            The snapshot with that line, to decide again by; ``None`` where there is none.
        """
        better = self._alternative(inquiry) or self._fetched(tuple(doubts))
        if better is None:
            return None
        self.line = better
        return evolve(inquiry.snapshot, git=better)

    def _alternative(self, inquiry: Inquiry) -> GitLine | None:
        """Return the copy of the branch that holds the newest build, where the one that was read does not."""
        if self.line is None or not self.line.alternatives:
            return None
        newest = next(inquiry.known_candidates(), None)
        commit = newest.version.commit if isinstance(newest, Candidate) else None
        if commit is None or isinstance(self.line.locate(commit), int):
            return None
        holding = (each for each in self.line.alternatives if isinstance(each.locate(commit), int))
        better = next(holding, None)
        return better and evolve(better, named=self.line.named)

    def _fetched(self, doubts: tuple[BuildVersion, ...]) -> GitLine | None:
        if self.channel is None or not doubts or self._is_fetched:
            return None
        self._is_fetched = True  # once: what a first try does not settle, a second would not
        try:
            return self.source.fetch(self.channel, doubts)
        except GitWitnessError as error:
            self.note(error)
            return None


def _is_in_repository(directory: Path) -> bool:
    """Tell whether git could see a repository from there, so that it is not started in vain by every resolve."""
    if os.environ.get("GIT_DIR"):
        return True
    try:
        place = Path(os.path.realpath(directory))
        return any((each / name).exists() for each in (place, *place.parents) for name in (".git", "HEAD"))
    except OSError:
        return True  # gone, or not readable: git's error says which
    except ValueError:
        return False  # a null byte, which is in no directory's name
