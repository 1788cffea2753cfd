"""Name the latest testable build of kOps on a branch, and say why.

>>> from kopsversion import resolve_latest
>>> resolution = resolve_latest("master")  # doctest: +SKIP
>>> resolution.base_url  # doctest: +SKIP
'https://storage.googleapis.com/k8s-staging-kops/kops/releases/1.30.0-beta.2+v1.30.0-beta.1-182-g99b3ad7643'

This module holds the public names, and must not know what any of them does. They are loaded when they are first
used, so that importing the package costs a job nothing (DESIGN section 10).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kopsversion.errors import (
        AccessDeniedError,
        IntegrityError,
        InvalidVersionError,
        KopsVersionError,
        MalformedResponseError,
        MarkerRefusedError,
        NoTestableBuildError,
        ObjectNotFoundError,
        PreconditionFailedError,
        PromotionRefusedError,
        ResolutionError,
        StoreError,
        StoreUnavailableError,
        UsageError,
    )
    from kopsversion.latest import resolve_latest
    from kopsversion.listing import ChannelListing, ListedBuild, list_channel
    from kopsversion.model import (
        Attribution,
        Build,
        Certainty,
        Channel,
        Condition,
        MarkerReport,
        OnStale,
        Policy,
        Refusal,
        Resolution,
        Rung,
        Severity,
        Snapshot,
        Source,
        Strategy,
        Verdict,
        Witness,
    )
    from kopsversion.ranking import rank
    from kopsversion.resolver import resolve
    from kopsversion.version import BuildVersion, Describe

_HOMES = {
    "kopsversion.errors": (
        "AccessDeniedError",
        "IntegrityError",
        "InvalidVersionError",
        "KopsVersionError",
        "MalformedResponseError",
        "MarkerRefusedError",
        "NoTestableBuildError",
        "ObjectNotFoundError",
        "PreconditionFailedError",
        "PromotionRefusedError",
        "ResolutionError",
        "StoreError",
        "StoreUnavailableError",
        "UsageError",
    ),
    "kopsversion.latest": ("resolve_latest",),
    "kopsversion.listing": ("ChannelListing", "ListedBuild", "list_channel"),
    "kopsversion.model": (
        "Attribution",
        "Build",
        "Certainty",
        "Channel",
        "Condition",
        "MarkerReport",
        "OnStale",
        "Policy",
        "Refusal",
        "Resolution",
        "Rung",
        "Severity",
        "Snapshot",
        "Source",
        "Strategy",
        "Verdict",
        "Witness",
    ),
    "kopsversion.ranking": ("rank",),
    "kopsversion.resolver": ("resolve",),
    "kopsversion.version": ("BuildVersion", "Describe"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [  # noqa: PLE0604, RUF100 # a literal, so that type checkers and linters can read it
    "AccessDeniedError",
    "Attribution",
    "Build",
    "BuildVersion",
    "Certainty",
    "Channel",
    "ChannelListing",
    "Condition",
    "Describe",
    "IntegrityError",
    "InvalidVersionError",
    "KopsVersionError",
    "ListedBuild",
    "MalformedResponseError",
    "MarkerRefusedError",
    "MarkerReport",
    "NoTestableBuildError",
    "ObjectNotFoundError",
    "OnStale",
    "Policy",
    "PreconditionFailedError",
    "PromotionRefusedError",
    "Refusal",
    "Resolution",
    "ResolutionError",
    "Rung",
    "Severity",
    "Snapshot",
    "Source",
    "StoreError",
    "StoreUnavailableError",
    "Strategy",
    "UsageError",
    "Verdict",
    "Witness",
    "list_channel",
    "rank",
    "resolve",
    "resolve_latest",
]


def __getattr__(name: str) -> object:
    """Load a public name when it is first used."""
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
