"""A health report in Prometheus' text format, for a textfile collector or a push gateway (issue 6, item 2).

Needs prometheus-client, from the extra ``report``. Every report has a registry of its own: nothing is kept in the
process. This module must not know where the text goes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from kopsversion.model.answer import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kopsversion.rules.health import HealthReport

__all__ = ["health_to_prometheus"]

_CHANNEL = ("channel",)
_MARKER = ("channel", "marker")


def health_to_prometheus(report: HealthReport) -> str:
    """Write a health report as gauges; what is not known has no sample."""
    registry = CollectorRegistry()
    _add_channels(report, registry)
    _add_markers(report, registry)
    success = _gauge(registry, "check_success", "1 if anything could be read, 0 if nothing could.", ())
    success.set(report.is_success)
    if report.writers:
        _add_writers(report, registry)
    checked = _gauge(registry, "check_timestamp_seconds", "When the channels were checked, in Unix time.", ())
    checked.set(report.now.timestamp())
    text: str = generate_latest(registry).decode()
    return text


def _gauge(registry: CollectorRegistry, name: str, documentation: str, labels: Sequence[str]) -> Gauge:
    return Gauge(name, documentation, labels, namespace="kopsversion", registry=registry)


def _add_channels(report: HealthReport, registry: CollectorRegistry) -> None:
    healthy = _gauge(registry, "channel_healthy", "1 if nothing serious is wrong with the channel.", _CHANNEL)
    readable = _gauge(registry, "channel_readable", "1 if the channel could be read.", _CHANNEL)
    age = _gauge(
        registry, "build_age_seconds", "Age of the channel's newest testable build, in seconds.", _CHANNEL
    )
    behind = _gauge(
        registry,
        "commits_behind",
        "Merges on the branch after its newest testable build; needs a clone.",
        _CHANNEL,
    )
    for channel in report.channels:
        healthy.labels(channel.channel).set(channel.is_healthy)
        readable.labels(channel.channel).set(channel.unreadable is None)
        if channel.testable is not None and channel.testable.uploaded is not None:
            age.labels(channel.channel).set((report.now - channel.testable.uploaded).total_seconds())
        if channel.commits_behind is not None:
            behind.labels(channel.channel).set(channel.commits_behind)


def _add_markers(report: HealthReport, registry: CollectorRegistry) -> None:
    lag = _gauge(
        registry,
        "marker_promotion_lag_seconds",
        "How long the oldest testable build newer than the marker's has waited, in seconds.",
        _MARKER,
    )
    behind = _gauge(
        registry,
        "marker_builds_behind",
        "Builds of the channel newer than the one the marker names.",
        _MARKER,
    )
    age = _gauge(registry, "marker_age_seconds", "Time since the marker was written, in seconds.", _MARKER)
    verdict = _gauge(
        registry,
        "marker_verdict",
        "1 for the verdict on the marker, 0 for every other.",
        (*_MARKER, "verdict"),
    )
    for channel, marker in report.markers:
        labels = (channel.channel, marker.name)
        if marker.lag is not None:
            lag.labels(*labels).set(marker.lag.total_seconds())
        if marker.builds_behind is not None:
            behind.labels(*labels).set(marker.builds_behind)
        if marker.written is not None:
            age.labels(*labels).set((report.now - marker.written).total_seconds())
        for each in Verdict:
            verdict.labels(*labels, each.value).set(each is marker.verdict)


def _add_writers(report: HealthReport, registry: CollectorRegistry) -> None:
    labels = (*_MARKER, "job")
    success = _gauge(
        registry,
        "writer_last_success_timestamp_seconds",
        "When a run of the job that writes the marker wrote it last, in Unix time.",
        labels,
    )
    failures = _gauge(
        registry,
        "writer_consecutive_failures",
        "Runs of the job that ended since and did not write the marker, as far as they were counted.",
        labels,
    )
    last = _gauge(
        registry,
        "writer_last_run_timestamp_seconds",
        "When the newest run of the job began, in Unix time.",
        labels,
    )
    for channel, writer in report.writers:
        named = (channel.channel, writer.marker.name, writer.job)
        if writer.last_success is not None:
            success.labels(*named).set(writer.last_success.timestamp())
        if writer.runs is not None:
            failures.labels(*named).set(writer.runs)
        if writer.newest is not None:
            last.labels(*named).set(writer.newest.began.timestamp())
