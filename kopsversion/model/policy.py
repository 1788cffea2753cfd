"""What counts as an answer: the settings that a question is decided by (DESIGN section 7).

Knows nothing of where the settings come from.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import timedelta
from enum import StrEnum
from typing import NoReturn

from kopsversion.errors import UsageError, quoted
from kopsversion.model.checking import checked
from kopsversion.model.suggest import did_you_mean
from kopsversion.model.values import frozen
from kopsversion.model.version import BuildVersion


class Strategy(StrEnum):
    """What the answer is taken from.

    >>> policy = Policy(strategy=Strategy.NEWEST)
    >>> resolve_latest("master", store=store, now=NOW, policy=policy).source
    <Source.NEWEST: 'newest'>
    """

    GREEN = "green"
    """The first of the markers that is current or lagging, or else the newest testable build."""
    NEWEST = "newest"
    """The newest testable build; markers are only reported."""


class OnStale(StrEnum):
    """What to do when no marker can be used.

    >>> policy = Policy(markers=("mine.txt",), on_stale=OnStale.NEWEST)
    >>> resolve_latest("master", store=store, now=NOW, policy=policy).version == answer.version
    True
    """

    NEWEST = "newest"
    """Take the newest testable build."""
    REFUSE = "refuse"
    """Answer with an error."""


_ARCHITECTURES = ("amd64", "arm64", "arm", "386", "loong64", "ppc64le", "riscv64", "s390x")
"""Architectures as Go names them: those that Kubernetes and related projects are built for."""
_PLATFORM = re.compile(r"(?:linux|darwin|windows)/[a-z0-9]{1,20}")


def check_platform(text: str) -> str:
    """Return a platform, if it is an operating system and an architecture, as in ``linux/arm64``.

    Raises:
        UsageError: `text` is anything else.
    """
    system, _, architecture = checked("platform", text, str, wanted="linux/arm64, say, as text").partition(
        "/"
    )
    if _PLATFORM.fullmatch(text) is None or architecture not in _ARCHITECTURES:
        known = [f"{system}/{each}" for each in _ARCHITECTURES]
        form = "a platform is linux, darwin or windows, a slash and an architecture, as in linux/arm64"
        raise UsageError(
            f"{quoted(text)} is not a platform", hint=f"{did_you_mean(text, known)} {form}".strip()
        )
    return text


_SUFFIX = re.compile(r"\.[0-9A-Za-z][0-9A-Za-z._-]{0,40}")
_CHECKSUM_SUFFIX = ".sha256"

UNPAIRED = (
    *(".sig", ".asc", ".pem", ".crt", ".cert", ".bundle", ".sigstore", ".sigstore.json"),
    *(".att", ".intoto.jsonl", ".intoto.json", ".provenance", ".provenance.json"),
    *(".sbom", ".sbom.json", ".spdx", ".spdx.json", ".cdx.json", ".cdx.xml"),
)
"""Suffixes of signatures, certificates, provenance and SBOMs: files that describe other files (DESIGN section 5)."""


def check_suffix(text: str) -> str:
    """Return the suffix of files that need no checksum, if it can be one, as in ``.sig``.

    Raises:
        UsageError: `text` does not begin with a dot, or would let checksums go without their files.
    """
    if _SUFFIX.fullmatch(text) is None or text.endswith(_CHECKSUM_SUFFIX):
        raise UsageError(
            f"{quoted(text)} is not the suffix of files that need no checksum",
            hint="a suffix begins with a dot, as in .sig or .intoto.jsonl, and does not end in .sha256",
        )
    return text


_ALIAS = re.compile(
    r"(?:https?|gs)://[0-9A-Za-z](?:[0-9A-Za-z.-]{0,250})(?::[0-9]{1,5})?(?:/[0-9A-Za-z._~%+-]+)*/?"
)


def check_root_alias(text: str) -> str:
    """Return another URL of a store's root, with a trailing slash.

    Raises:
        UsageError: `text` is no URL of a place, or has a user, a query or a fragment.
    """
    if _ALIAS.fullmatch(text) is None:
        raise UsageError(
            f"{quoted(text)} is not the URL of a store's root",
            hint="give the URL in front of a build's version, as in https://dl.k8s.io/ci/kops/kops/releases/",
        )
    return f"{text.rstrip('/')}/"


@frozen(kw_only=True)
class Policy:
    """What counts as an answer. Adjust a policy with `attrs.evolve`.

    A setting that is not valid raises `UsageError`. Types are checked where a wrong one would change the answer
    unnoticed, since not every harness has a type checker.

    >>> policy = evolve(Policy(), max_lag=timedelta(hours=6), exclude=frozenset({answer.version}))
    >>> resolve_latest("master", store=store, now=NOW, policy=policy).version.distance
    2

    Attributes:
        strategy: take the answer from a fresh marker, or from the builds alone.
        markers: names of the markers to trust, best first; empty for the channel's own.
        on_stale: what to do when no marker can be used.
        max_lag: promotion lag above which a marker is stale.
        max_build_age: age of the newest build above which builds count as old (without git).
        build_sla: how long a merge may stay unbuilt (with git).
        settle: how old a build's newest file must be, for its upload to be over.
        platforms: operating system and architecture pairs that must be there.
        unpaired: suffixes of files that need no checksum, such as signatures.
        root_aliases: further URLs of the store's root, by which markers may name its builds.
        exclude: builds known to be bad.
        nth: which of the newest testable builds is wanted; 1 is the newest.
        reported: names of markers that are judged and reported but decide nothing.
        compare_artifacts: also list the build before the chosen one, to tell what it had and this one lacks.
    """

    strategy: Strategy = Strategy.GREEN
    markers: tuple[str, ...] = ()
    on_stale: OnStale = OnStale.NEWEST
    max_lag: timedelta = timedelta(hours=24)
    max_build_age: timedelta = timedelta(days=14)
    build_sla: timedelta = timedelta(hours=6)
    settle: timedelta = timedelta(minutes=10)
    platforms: tuple[str, ...] = ("linux/amd64", "linux/arm64")
    unpaired: tuple[str, ...] = UNPAIRED
    root_aliases: tuple[str, ...] = ()
    exclude: frozenset[BuildVersion] = frozenset()
    nth: int = 1
    reported: tuple[str, ...] = ()
    compare_artifacts: bool = False

    def __attrs_post_init__(self) -> None:
        for name, kind in (("strategy", Strategy), ("on_stale", OnStale)):
            if not isinstance(getattr(self, name), kind):
                _refuse_setting(self, name, hint=f"give a {kind.__name__}, one of {', '.join(kind)}")
        for name in ("max_lag", "max_build_age", "build_sla", "settle"):
            duration = getattr(self, name)
            if not isinstance(duration, timedelta) or duration < timedelta(0):
                _refuse_setting(self, name, hint="give a timedelta that is not negative")
        nth: object = self.nth
        if not isinstance(nth, int) or isinstance(nth, bool) or nth < 1:
            _refuse_setting(self, "nth", hint="1 is the newest testable build, 2 the one before it")
        for name in ("markers", "reported", "platforms", "unpaired", "root_aliases"):
            if not _is_collection_of(str, getattr(self, name)):
                _refuse_setting(self, name, hint="give a tuple of texts")
        if not isinstance(self.compare_artifacts, bool):
            _refuse_setting(self, "compare_artifacts", hint="give True or False")
        if not self.platforms:
            _refuse_setting(self, "platforms", hint="name at least one, such as linux/amd64")
        for platform in self.platforms:
            check_platform(platform)
        for suffix in self.unpaired:
            check_suffix(suffix)
        for alias in self.root_aliases:
            check_root_alias(alias)
        if not _is_collection_of(BuildVersion, self.exclude):
            _refuse_setting(self, "exclude", hint="give a set of BuildVersion")


def _is_collection_of(kind: type, values: object) -> bool:
    """Tell whether these are several of a kind; a text is none, though it is a collection of texts."""
    if isinstance(values, str) or not isinstance(values, Collection):
        return False
    return all(isinstance(value, kind) for value in values)


def _refuse_setting(policy: Policy, name: str, *, hint: str) -> NoReturn:
    raise UsageError(f"{name} of a policy cannot be {quoted(str(getattr(policy, name)))}", hint=hint)
