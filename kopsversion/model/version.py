"""The version of a kOps build: grammar, precedence, printing (DESIGN section 3).

A CI build has the version ``<release>+<describe>``: the version that will be released next, and what
``git describe --always`` said of its commit. A tag's own build is the bare release.

This module is pure. It knows nothing of builds as uploaded files, of upload times or of channels:
two versions of equal precedence, or without a commit distance, cannot be ordered by name alone.
`kopsversion.rules.ranking` and `kopsversion.rules.attribution` have what helps then.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from attrs import field
from packaging.version import Version

from kopsversion.errors import InvalidVersionError
from kopsversion.model.checking import wrong_argument
from kopsversion.model.values import frozen

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "ALPHA",
    "BETA",
    "CANDIDATE",
    "FINAL",
    "BuildVersion",
    "Describe",
    "Precedence",
    "ReleaseKey",
]

# Nine digits are more than any counter here will reach, and keep hostile text away from int().
_NUMBER = r"(?:0|[1-9][0-9]{0,8})"
# "1.17.0.alpha.2" with a dot was published 261 times in 2019 and 2020; it means 1.17.0-alpha.2.
_RELEASE = rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:[-.](?:alpha|beta|rc)\.{_NUMBER})?"
_HEX = r"[0-9a-f]{7,40}"
_VERSION = re.compile(
    rf"v?(?P<release>{_RELEASE})"
    rf"(?:\+(?:v?(?P<tag>{_RELEASE})(?:-(?P<distance>{_NUMBER})-g(?P<commit>{_HEX}))?|(?P<bare>{_HEX})))?"
)

ALPHA, BETA, CANDIDATE, FINAL = range(4)
"""Stages of a release, as in `ReleaseKey`."""
_STAGES = {"a": ALPHA, "b": BETA, "rc": CANDIDATE}

ReleaseKey = tuple[int, int, int, int, int]
"""What orders two release parts: major, minor, patch, stage, number of the stage."""
Precedence = tuple[ReleaseKey, bool, ReleaseKey, int]
"""What orders two versions: release part, whether it is the tag's own build, tag, distance."""

_NO_TAG: ReleaseKey = (-1, 0, 0, 0, 0)


@frozen
class Describe:
    """What ``git describe --always`` said of a build's commit.

    >>> describe = BuildVersion.parse("1.29.0-alpha.3+v1.29.0-alpha.2-400-g0300a3b858").describe
    >>> str(describe.tag), describe.distance, describe.commit
    ('1.29.0a2', 400, '0300a3b858')

    Attributes:
        tag: the tag that the distance counts from; ``None`` where git saw no tag.
        distance: commits since `tag`; ``None`` where there is no tag.
        commit: the abbreviated commit id; ``None`` where the commit is the tag itself.
    """

    tag: Version | None
    distance: int | None
    commit: str | None


@frozen(eq=False, order=False, repr=False)
class BuildVersion:
    """The name of one build, parsed.

    Equality, hash and order come from `precedence` followed by the commit. The commit only makes the order
    total: of two versions with the *same* precedence neither is newer by name (they are builds of
    two branches), so compare `precedence` where that matters. A version without a distance sorts at the
    start of its release part; `kopsversion.rules.ranking.rank` places it by time.

    Source: DESIGN section 3; kubernetes/kops ``tools/get_version.sh``.

    >>> BuildVersion.parse("1.29.0-alpha.3+v1.29.0-alpha.2-400-g0300a3b858") < BuildVersion.parse("1.29.0-alpha.3")
    True
    >>> print(BuildVersion.parse("v1.17.0.alpha.2"))
    v1.17.0.alpha.2

    Attributes:
        text: the name, verbatim.
        release: the part before the plus sign.
        describe: the part behind it; ``None`` for a tag's own build.
        precedence: what names are ordered by: the release, whether this is the tag's own build, the tag, the distance.
        sort_key: `precedence` and the commit, for sorting many versions: Python compares tuples much faster.
    """

    text: str
    release: Version = field(init=False)
    describe: Describe | None = field(init=False)
    precedence: Precedence = field(init=False)
    sort_key: tuple[Precedence, str] = field(init=False)

    @classmethod
    def parse(cls, text: str) -> BuildVersion:
        """Read a version as kOps CI writes it; a leading ``v`` is accepted.

        Parameters:
            text: untrusted text of any content.

        Returns:
            The version; ``str()`` of it is `text`, verbatim.

        Raises:
            InvalidVersionError: `text` is anything else, with the place where it goes wrong.
            UsageError: it is no text.
        """
        return cls(text)

    def __attrs_post_init__(self) -> None:
        # Everything follows from the text, so that no value can print one version and equal another.
        text: object = self.text
        if not isinstance(text, str):
            raise wrong_argument("text", text, wanted="a version, as text")
        match = _VERSION.fullmatch(text)
        if match is None:
            raise _fault(self.text)
        release_text, tag_text, distance_text, commit, bare = match.groups()
        release, release_key = _release(release_text)
        describe: Describe | None = None
        precedence: Precedence = (release_key, True, release_key, 0)
        if bare is not None:
            describe = Describe(None, None, bare)
            precedence = (release_key, False, _NO_TAG, -1)
        elif tag_text is not None:
            tag, tag_key = _release(tag_text)
            distance = int(distance_text) if distance_text is not None else 0
            describe = Describe(tag, distance, commit)
            precedence = (release_key, False, tag_key, distance)
        put = object.__setattr__
        put(self, "release", release)
        put(self, "describe", describe)
        put(self, "precedence", precedence)
        put(self, "sort_key", (precedence, (describe.commit if describe else None) or ""))

    @property
    def tag(self) -> Version | None:
        """The tag that the distance counts from; for a tag's own build the release itself."""
        return self.describe.tag if self.describe else self.release

    @property
    def distance(self) -> int | None:
        """Commits since `tag`; ``None`` where git saw no tag."""
        return self.describe.distance if self.describe else 0

    @property
    def commit(self) -> str | None:
        """The abbreviated commit id, 7 to 40 hex digits; ``None`` where the name has none."""
        return self.describe.commit if self.describe else None

    @property
    def minor(self) -> str:
        """Major and minor of the release part, as in ``release-1.29``: ``1.29``."""
        major, minor, *_ = self.precedence[0]
        return f"{major}.{minor}"

    @property
    def is_tag_build(self) -> bool:
        """Whether this is a tag's own build, which no branch channel ever names (DESIGN section 4)."""
        return self.describe is None

    def is_of_same_commit(self, other: BuildVersion) -> bool:
        """Tell whether two names mean one commit, which clones abbreviate differently (DESIGN section 3).

        >>> long, short = (f"1.31.0-alpha.2+v1.31.0-alpha.1-32-g{commit}" for commit in ("17ba079149", "17ba079"))
        >>> BuildVersion.parse(long).is_of_same_commit(BuildVersion.parse(short))
        True
        """
        has_commit = (self.commit is None) is (other.commit is None)
        return has_commit and self.precedence == other.precedence and not self.is_twin_of(other)

    def is_twin_of(self, other: BuildVersion) -> bool:
        """Tell whether two names have one place and are of two commits, and so of two branches (DESIGN section 3).

        Of a commit that has the tag itself a name need not show the id.

        >>> one, other = (f"1.31.0-beta.2+v1.31.0-beta.1-6-g{commit}" for commit in ("11c9da3145", "e0be5d1d9a"))
        >>> BuildVersion.parse(one).is_twin_of(BuildVersion.parse(other))
        True
        """
        ours, theirs = self.commit or "", other.commit or ""
        return self.precedence == other.precedence and not (
            ours.startswith(theirs) or theirs.startswith(ours)
        )

    def is_further_than(self, other: BuildVersion) -> bool:
        """Tell whether it counts more commits from the same tag: on one branch it was then merged later.

        >>> later = BuildVersion.parse("1.31.0-alpha.2+v1.31.0-alpha.1-34-g00a0000064")
        >>> later.is_further_than(BuildVersion.parse("1.32.0-alpha.1+v1.31.0-alpha.1-31-g00000c0ffe"))
        True
        """
        *_, tag, distance = self.precedence
        *_, others, behind = other.precedence
        return tag == others and distance > behind

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"BuildVersion.parse({self.text!r})"

    def __hash__(self) -> int:
        return hash(self.sort_key)

    def __eq__(self, other: object) -> bool:
        return self.sort_key == other.sort_key if isinstance(other, BuildVersion) else NotImplemented

    # Python makes > and >= of these. A type checker refuses other types; not every caller has one.
    def __lt__(self, other: BuildVersion) -> bool:
        is_ours: bool = isinstance(other, BuildVersion)
        return self.sort_key < other.sort_key if is_ours else NotImplemented

    def __le__(self, other: BuildVersion) -> bool:
        is_ours: bool = isinstance(other, BuildVersion)
        return self.sort_key <= other.sort_key if is_ours else NotImplemented


@lru_cache(maxsize=4096)  # a bucket of 100,000 builds has a few hundred release parts and tags
def _release(text: str) -> tuple[Version, ReleaseKey]:
    version = Version(text)
    stage, number = (_STAGES[version.pre[0]], version.pre[1]) if version.pre else (FINAL, 0)
    return version, (version.major, version.minor, version.micro, stage, number)


def _viable(*steps: str) -> str:
    """Build a pattern that matches as many of `steps`, in order, as the text begins with."""
    pattern = ""
    for step in reversed(steps):
        pattern = f"(?:{step}{pattern})?"
    return pattern


# Every way in which a version can go on, in small steps, so that a fault is found to the character.
_CORE_STEPS = ("v?", _NUMBER, r"\.", _NUMBER, r"\.", _NUMBER)
_RELEASE_STEPS = (
    _CORE_STEPS,
    *((*_CORE_STEPS, "[-.]", *stage, r"\.", _NUMBER) for stage in ("alpha", "beta", "rc")),
)
_HEX_STEPS = ("[0-9a-f]",) * 40


@cache
def _release_prefixes() -> Sequence[re.Pattern[str]]:
    """Compile the patterns that find a fault, only where there is one: at import they would cost every start 4 ms."""
    return [re.compile(_viable(*steps)) for steps in _RELEASE_STEPS]


@cache
def _describe_prefixes() -> Sequence[re.Pattern[str]]:
    commits = [_viable(*steps, "-", _NUMBER, "-", "g", *_HEX_STEPS) for steps in _RELEASE_STEPS]
    return [re.compile(pattern) for pattern in (_viable(*_HEX_STEPS), *commits)]


def _fault(text: str) -> InvalidVersionError:
    """Find the first character of `text` that no version could have there."""
    position = _end(_release_prefixes(), text, 0)
    if not _VERSION.fullmatch(text, 0, position):
        expected = "a release such as 1.30.0-beta.2"
    elif text[position : position + 1] != "+":
        expected = "'+' or the end"
    else:
        position = _end(_describe_prefixes(), text, position + 1)
        expected = "a commit of 7 to 40 hex digits, or a describe such as v1.30.0-beta.1-182-g99b3ad7643"
        if _VERSION.fullmatch(text, 0, position):
            expected = "the end"
    return InvalidVersionError(text, position=position, expected=expected)


def _end(patterns: Sequence[re.Pattern[str]], text: str, position: int) -> int:
    matches = (pattern.match(text, position) for pattern in patterns)
    return max(match.end() for match in matches if match)
