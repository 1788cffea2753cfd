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
    from kopsversion.model.answer import (
        Condition,
        MarkerReport,
        Refusal,
        Resolution,
        Rung,
        Severity,
        Source,
        Verdict,
    )
    from kopsversion.model.bucket import Build, Snapshot
    from kopsversion.model.channel import Attribution, Certainty, Channel, Witness
    from kopsversion.model.policy import OnStale, Policy, Strategy
    from kopsversion.model.version import BuildVersion, Describe
    from kopsversion.rules.ranking import rank
    from kopsversion.rules.resolver import resolve
    from kopsversion.workflows.latest import resolve_latest
    from kopsversion.workflows.listing import ChannelListing, ListedBuild, list_channel

_HOMES = (
    "errors",
    "model.version",
    "model.channel",
    "model.policy",
    "model.bucket",
    "model.answer",
    "rules.ranking",
    "rules.resolver",
    "workflows.latest",
    "workflows.listing",
)
"""The modules above, each after those that it loads itself, so that looking for a name in this order loads hardly
more than the name's own module would. The names stand twice all the same, because type checkers and linters read
literals alone: as imports, and in `__all__`."""

__all__ = [
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
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    homes = (import_module(f"{__name__}.{home}") for home in _HOMES)
    value: object = next(getattr(home, name) for home in homes if hasattr(home, name))
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
