"""What a caller with a strict type checker writes against the public names.

`make types` checks it against the source; `make wheel-test` copies it elsewhere and checks it against the
installed wheel, which shows that ``py.typed`` is in it. Each ``type: ignore`` is itself checked: mypy says when the
mistake beside it is no longer one. `tests.test_typing` runs it, so that what is said here of values is true too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import assert_never, assert_type

from attrs import evolve
from packaging.version import Version

from kopsversion import (
    Attribution,
    Build,
    BuildVersion,
    Certainty,
    Channel,
    ChannelListing,
    Condition,
    Describe,
    InvalidVersionError,
    KopsVersionError,
    ListedBuild,
    MarkerRefusedError,
    MarkerReport,
    NoTestableBuildError,
    OnStale,
    Policy,
    Refusal,
    Resolution,
    Rung,
    Severity,
    Snapshot,
    Source,
    StoreError,
    StoreUnavailableError,
    Strategy,
    Verdict,
    Witness,
    list_channel,
    rank,
    resolve,
    resolve_latest,
)

AS_OF = datetime(2024, 5, 6, 18, tzinfo=UTC)


def asks_in_one_line(store: str) -> str:
    """The shortest program is typed to its end."""
    return assert_type(resolve_latest("master", store=store, as_of=AS_OF).base_url, str)


def asks_with_everything(store: str, state: Path) -> Resolution:
    """Every parameter takes what its documentation says, and policies are adjusted with `evolve`."""
    policy = evolve(Policy(strategy=Strategy.GREEN), on_stale=OnStale.NEWEST, max_lag=timedelta(hours=12))
    assert_type(policy, Policy)
    return resolve_latest(
        "release-1.29",
        store=[store],
        policy=policy,
        as_of=AS_OF,
        repo=None,
        timeout=30.0,
        next_store_on="unreachable",
        state=state,
        allow_cached=timedelta(hours=24),
    )


def reads_the_evidence(resolution: Resolution) -> None:
    """Nothing in an answer is `Any`."""
    assert_type(resolution.version, BuildVersion)
    assert_type(resolution.newest, BuildVersion | None)
    assert_type(resolution.uploaded, datetime | None)
    assert_type(resolution.attribution, Attribution)
    assert_type(resolution.attribution.witness, Witness)
    assert_type(resolution.attribution.certainty, Certainty)
    assert_type(resolution.source, Source)
    assert_type(resolution.rung, Rung)
    assert_type(resolution.conditions, tuple[Condition, ...])
    assert_type(resolution.markers, tuple[MarkerReport, ...])
    assert_type(resolution.refused, tuple[Refusal, ...])
    assert_type(resolution.skipped, Mapping[str, int])
    assert_type(resolution.is_degraded, bool)
    assert_type(resolution.explain(), str)
    assert_type([each.verdict for each in resolution.markers], list[Verdict])
    assert_type([each.lag for each in resolution.markers], list[timedelta | None])
    assert_type([each.code for each in resolution.conditions if each.severity is Severity.WARNING], list[str])
    assert_type([each.reasons for each in resolution.refused], list[tuple[str, ...]])


def names_a_severity(severity: Severity) -> str:
    """An enumeration is closed: mypy knows when every member has been dealt with."""
    match severity:
        case Severity.INFO:
            return "note"
        case Severity.WARNING:
            return "warning"
        case Severity.ERROR:
            return "failure"
        case _:
            assert_never(severity)


def lists_builds(store: str) -> list[BuildVersion]:
    """A listing is as typed as an answer."""
    listing = assert_type(list_channel("master", store=store, as_of=AS_OF, limit=3), ChannelListing)
    assert_type(listing.rows, tuple[ListedBuild, ...])
    assert_type([row.refusals for row in listing.rows], list[tuple[str, ...]])
    return [row.version for row in listing.rows]


def compares_versions(one: str, other: str) -> BuildVersion:
    """Versions have an order among themselves, and with nothing else."""
    left, right = BuildVersion.parse(one), BuildVersion.parse(other)
    assert_type(left < right, bool)
    assert_type(left.release, Version)
    assert_type(left.describe, Describe | None)
    assert_type(left.distance, int | None)
    assert_type(left.commit, str | None)
    return max(left, right)


def decides_without_a_store(builds: Sequence[Build], now: datetime) -> Resolution:
    """The core is a function of values."""
    assert_type(rank(builds), list[Build])
    snapshot = Snapshot.complete("mem://bucket/", builds=builds, markers=())
    return resolve(snapshot, Channel("master"), Policy(strategy=Strategy.NEWEST), now)


def says_what_went_wrong(store: str, selector: str) -> str:
    """Errors carry their data as typed attributes."""
    try:
        return resolve_latest(selector, store=store, as_of=AS_OF).base_url
    except InvalidVersionError as error:
        return f"{error.text}: {assert_type(error.position, int)}"
    except (NoTestableBuildError, MarkerRefusedError) as error:
        return f"{assert_type(error.channel, str)}: {assert_type(error.reasons, tuple[str, ...])}"
    except StoreUnavailableError as error:
        return assert_type(error.url, str)
    except StoreError as error:
        return assert_type(error.hint, str)
    except KopsVersionError as error:
        return f"{error}; exit status {assert_type(error.exit_code, int)}"


def makes_mistakes(resolution: Resolution, version: BuildVersion) -> None:
    """Each line is refused; never called."""
    resolution.version = version  # type: ignore[misc]  # values are frozen
    resolution.base_uri  # type: ignore[attr-defined]  # noqa: B018  # no such attribute
    resolve_latest("master", "gs://bucket")  # type: ignore[call-arg]  # options are given by name
    resolve_latest("master", policy="green")  # type: ignore[arg-type]
    resolve_latest("master", next_store_on="always")  # type: ignore[arg-type]
    resolve_latest("master", repo=Path(), timeout="60s")  # type: ignore[arg-type]  # a duration, or seconds
    Policy(max_lag=24)  # type: ignore[arg-type]  # a duration, not a number
    Policy(max_lags=timedelta(1))  # type: ignore[call-arg]
    version < "1.30.0"  # type: ignore[operator]  # noqa: B015  # text has another order
