"""Channels, which are branches, and what attributes a build to one (DESIGN section 4).

Knows nothing of how a build is attributed.
"""

from __future__ import annotations

import re
from enum import StrEnum

from kopsversion.errors import UsageError, quoted
from kopsversion.model.checking import checked
from kopsversion.model.suggest import did_you_mean
from kopsversion.model.values import RankedText, frozen


def minor_key(minor: str) -> tuple[int, int]:
    """Order minors as numbers: ``1.9`` before ``1.10``."""
    major, _, number = minor.partition(".")
    return int(major), int(number)


MASTER = "master"
"""The ref of the branch that all release branches are cut from."""


BRANCH_MARKER = "latest-ci.txt"
"""Written by a branch's own build after every other file, so it proves that build settled."""


GREEN_MARKER = "latest-ci-updown-green.txt"
"""Written after an hourly smoke test: on master, and since July 2024 on the newest release branches."""


_RELEASE_REF = re.compile(r"(?:release-)?((?:0|[1-9][0-9]{0,3})\.(?:0|[1-9][0-9]{0,3}))")


_MINOR = re.compile(
    r"(?:[a-z]+-?)?v?(?P<minor>[0-9]{1,4}\.[0-9]{1,4})(?:\.(?:x|\*|[0-9]{1,4}))?", re.IGNORECASE
)


_ELSEWHERE = (
    (
        re.compile(r"[0-9a-f]{7,40}", re.IGNORECASE),
        "`kopsversion find {}` names the first build that contains a commit;",
    ),
    (re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}"), "`--as-of {}` asks as of that day;"),
    (
        re.compile(r"[0-9A-Za-z.+-]{1,120}\.\.[0-9A-Za-z.+-]{1,120}"),
        "`kopsversion list {}` lists the builds between two;",
    ),
)
"""What is neither a channel nor a version, and what to ask instead. No character that a shell reads gets through."""


def meant_by(text: str) -> str:
    """Say what somebody probably meant who named no channel; empty where nothing is close.

    "did you mean …?" for ``mastr``, ``relase-1.29``, ``v1.29`` or ``1.29.x``; for a commit, a day or a range what to
    ask instead.

    Parameters:
        text: untrusted text of any content.
    """
    for form, instead in _ELSEWHERE:
        if form.fullmatch(text):
            return instead.format(text)
    minor = _MINOR.fullmatch(text.strip())
    release = f"release-{minor['minor']}" if minor else ""
    if minor and not text.strip()[:1].isalpha():
        return f"did you mean {release}?"
    if minor and text.strip()[:1] in "vV" and text.strip()[1:2].isdigit():
        return f"did you mean {release}?"
    return did_you_mean(text.strip(), [MASTER, "latest", *([release] if release else [])])


@frozen
class Channel:
    """A branch whose newest build is wanted (DESIGN section 4).

    >>> Channel.parse("1.30"), Channel.parse("latest").is_master
    (Channel(ref='release-1.30'), True)

    Attributes:
        ref: ``master`` or ``release-X.Y``.
    """

    ref: str

    @classmethod
    def parse(cls, text: str) -> Channel:
        """Read ``master``, ``latest``, ``release-1.30`` or ``1.30``.

        Raises:
            UsageError: `text` is none of these.
        """
        checked("text", text, str, wanted="a channel, as text")
        if text in {MASTER, "latest"}:
            return cls(MASTER)
        match = _RELEASE_REF.fullmatch(text)
        if match is None:
            form = "a channel is master (or latest), or a release branch such as release-1.30 (or 1.30)"
            raise UsageError(f"{quoted(text)} is not a channel", hint=f"{meant_by(text)} {form}".strip())
        return cls(f"release-{match[1]}")

    @property
    def is_master(self) -> bool:
        """Whether this is the branch that all others are cut from."""
        return self.ref == MASTER

    @property
    def minor(self) -> str | None:
        """Major and minor of a release branch, as in ``1.30``; ``None`` for master."""
        return None if self.is_master else self.ref.removeprefix("release-")

    @property
    def default_markers(self) -> tuple[str, ...]:
        """The markers that consumers of this channel trust, best first (DESIGN section 7)."""
        return (GREEN_MARKER, BRANCH_MARKER)

    @property
    def root_marker(self) -> str:
        """The marker beside the builds that holds the channel's bare version, as in ``/latest-1.37.txt``."""
        return "/latest.txt" if self.is_master else f"/latest-{self.minor}.txt"

    def must_have(self, marker: str) -> bool:
        """Tell whether something is wrong where the channel lacks one of its default markers.

        Every branch's own build writes `BRANCH_MARKER`; only master and a few release branches are smoke-tested.
        """
        return self.is_master or marker != GREEN_MARKER

    def __str__(self) -> str:
        return self.ref


class Witness(StrEnum):
    """What attributes a build to a channel, best first (DESIGN section 4).

    >>> answer.attribution.witness
    <Witness.VERSION: 'version'>
    """

    GIT = "git"
    """The build's commit is on the branch's line in a clone of kops."""
    VERSION = "version"
    """Its name can only be of that branch."""
    LINEAGE = "lineage"
    """Where it lies among the builds before and after it, and what the markers name."""
    REQUEST = "request"
    """The version was asked for by name, so no attribution was needed."""


class Certainty(RankedText):
    """How sure the witness is, the least sure first.

    >>> Certainty.LIKELY > Certainty.DOUBTFUL
    True
    """

    DOUBTFUL = "doubtful"
    """It may as well be another branch's; never said in silence."""
    LIKELY = "likely"
    """Something that was seen supports it."""
    EXACT = "exact"
    """It can be no other."""


@frozen
class Attribution:
    """A build's channel, and why.

    >>> answer.attribution.ref, str(answer.attribution.witness), str(answer.attribution.certainty)
    ('master', 'version', 'likely')

    Attributes:
        ref: the channel.
        witness: what says so.
        certainty: how sure it is.
    """

    ref: str
    witness: Witness
    certainty: Certainty
