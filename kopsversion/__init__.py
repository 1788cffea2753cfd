"""Name the latest testable build of kOps on a branch, and say why.

::

    from kopsversion import resolve_latest

    resolution = resolve_latest("master")
    print(resolution.base_url)  # https://storage.googleapis.com/k8s-staging-kops/kops/releases/1.30.0-…

This module holds the public names, and must not know what any of them does. They are loaded when they are first
used, so that importing the package costs a job nothing (DESIGN section 10).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kopsversion.errors import (
        AccessDeniedError,
        BisectionError,
        GitFault,
        GitWitnessError,
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
        RefusalKind,
        Resolution,
        Rung,
        Severity,
        Source,
        Verdict,
    )
    from kopsversion.model.bucket import (
        Artifact,
        Build,
        Foreign,
        Later,
        Malformed,
        Marker,
        Missing,
        Named,
        Snapshot,
        Unreachable,
    )
    from kopsversion.model.channel import (
        Attribution,
        Certainty,
        Channel,
        Witness,
    )
    from kopsversion.model.codec import (
        from_json,
        to_json,
    )
    from kopsversion.model.policy import (
        OnStale,
        Policy,
        Strategy,
    )
    from kopsversion.model.version import (
        BuildVersion,
        Describe,
    )
    from kopsversion.model.writers import (
        Writer,
    )
    from kopsversion.publish.fetch import (
        Fetched,
        fetch_kops,
    )
    from kopsversion.publish.lock import (
        Lock,
        make_lock,
        read_lock,
        write_lock,
    )
    from kopsversion.publish.pin import (
        write_pin,
    )
    from kopsversion.rules.bisection import (
        Plan,
        PlannedBuild,
    )
    from kopsversion.rules.ranking import (
        rank,
    )
    from kopsversion.rules.report import (
        BuildState,
        ChannelHealth,
        Finding,
        HealthReport,
        LeftOut,
        MarkerHealth,
        SeenBuild,
    )
    from kopsversion.rules.resolver import (
        SnapshotIncompleteError,
        resolve,
    )
    from kopsversion.rules.stepper import (
        Bisection,
        Failed,
        Found,
        Misfit,
        Outcome,
        Purpose,
        Try,
    )
    from kopsversion.stores.base import (
        Content,
        Listing,
        Store,
        StoredObject,
    )
    from kopsversion.workflows.between import (
        list_between,
    )
    from kopsversion.workflows.bisect import (
        BisectReport,
        BuildUnderTest,
        BuiltMerge,
        NotTested,
        RangeEnd,
        Trial,
        TrialResult,
        bisect,
        plan_bisection,
    )
    from kopsversion.workflows.bisection_state import (
        TrialFinding,
    )
    from kopsversion.workflows.find import (
        FoundBuild,
        find_build,
    )
    from kopsversion.workflows.jobs import (
        JobsQuestion,
    )
    from kopsversion.workflows.latest import (
        resolve_latest,
    )
    from kopsversion.workflows.listing import (
        ChannelListing,
        ListedBuild,
        list_channel,
    )
    from kopsversion.workflows.many import (
        resolve_many,
    )
    from kopsversion.workflows.opening import (
        open_store,
    )
    from kopsversion.workflows.survey import (
        check_health,
    )

    __version__: str

_HOMES = (
    "errors",
    "model.version",
    "model.channel",
    "model.policy",
    "model.bucket",
    "model.answer",
    "model.codec",
    "model.writers",
    "rules.ranking",
    "rules.resolver",
    "rules.stepper",
    "rules.bisection",
    "rules.report",
    "stores.base",
    "workflows.opening",
    "workflows.latest",
    "workflows.many",
    "workflows.listing",
    "workflows.between",
    "workflows.jobs",
    "workflows.survey",
    "workflows.find",
    "workflows.bisection_state",
    "workflows.bisect",
    "publish.fetch",
    "publish.pin",
    "publish.lock",
)
"""The modules above, each after those that it loads itself, so that looking for a name in this order loads hardly
more than the name's own module would. The names stand twice all the same, because type checkers and linters read
literals alone: as imports, and in `__all__`."""

__all__ = [
    "AccessDeniedError",
    "Artifact",
    "Attribution",
    "BisectReport",
    "Bisection",
    "BisectionError",
    "Build",
    "BuildState",
    "BuildUnderTest",
    "BuildVersion",
    "BuiltMerge",
    "Certainty",
    "Channel",
    "ChannelHealth",
    "ChannelListing",
    "Condition",
    "Content",
    "Describe",
    "Failed",
    "Fetched",
    "Finding",
    "Foreign",
    "Found",
    "FoundBuild",
    "GitFault",
    "GitWitnessError",
    "HealthReport",
    "IntegrityError",
    "InvalidVersionError",
    "JobsQuestion",
    "KopsVersionError",
    "Later",
    "LeftOut",
    "ListedBuild",
    "Listing",
    "Lock",
    "Malformed",
    "MalformedResponseError",
    "Marker",
    "MarkerHealth",
    "MarkerRefusedError",
    "MarkerReport",
    "Misfit",
    "Missing",
    "Named",
    "NoTestableBuildError",
    "NotTested",
    "ObjectNotFoundError",
    "OnStale",
    "Outcome",
    "Plan",
    "PlannedBuild",
    "Policy",
    "PreconditionFailedError",
    "PromotionRefusedError",
    "Purpose",
    "RangeEnd",
    "Refusal",
    "RefusalKind",
    "Resolution",
    "ResolutionError",
    "Rung",
    "SeenBuild",
    "Severity",
    "Snapshot",
    "SnapshotIncompleteError",
    "Source",
    "Store",
    "StoreError",
    "StoreUnavailableError",
    "StoredObject",
    "Strategy",
    "Trial",
    "TrialFinding",
    "TrialResult",
    "Try",
    "Unreachable",
    "UsageError",
    "Verdict",
    "Witness",
    "Writer",
    "__version__",
    "bisect",
    "check_health",
    "fetch_kops",
    "find_build",
    "from_json",
    "list_between",
    "list_channel",
    "make_lock",
    "open_store",
    "plan_bisection",
    "rank",
    "read_lock",
    "resolve",
    "resolve_latest",
    "resolve_many",
    "to_json",
    "write_lock",
    "write_pin",
]


def __getattr__(name: str) -> object:
    """Load a public name when it is first used."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "__version__":
        return import_module(f"{__name__}.model.program").VERSION
    homes = (import_module(f"{__name__}.{home}") for home in _HOMES)
    value: object = next(getattr(home, name) for home in homes if hasattr(home, name))
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
