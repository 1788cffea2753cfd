"""A health report in Prometheus' text format, for a textfile collector or a push gateway.

Moments are Unix times, from which an age can be computed at any time; an age in the file would not grow. The gauges
that hold ages are deprecated, and stay for one version. Needs prometheus-client, from the extra ``report``. Every
report has its own registry, so that nothing is kept in the process. This module must not know where the text goes.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from kopsversion.model.answer import Verdict
from kopsversion.render.health_table import severity_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kopsversion.rules.report import ChannelHealth, HealthReport, SeenBuild

__all__ = ["health_to_prometheus"]

_CHANNEL = ("channel",)
_MARKER = ("channel", "marker")


def health_to_prometheus(report: HealthReport) -> str:
    """Write a health report as gauges; what is not known has no sample."""
    registry = CollectorRegistry()
    _add_check(report, registry)
    _add_channels(report, registry)
    _add_builds(report, registry)
    _add_findings(report, registry)
    _add_limits(report.channels, registry)
    _add_markers(report, registry)
    if report.writers:
        _add_writers(report, registry)
    _add_ages(report, registry)
    text: str = generate_latest(registry).decode()
    return text


def _gauge(registry: CollectorRegistry, name: str, documentation: str, labels: Sequence[str] = ()) -> Gauge:
    return Gauge(name, documentation, labels, namespace="kopsversion", registry=registry)


def _add_check(report: HealthReport, registry: CollectorRegistry) -> None:
    made_by = _gauge(registry, "build_info", "1; which kopsversion made the check.", ("version",))
    made_by.labels(report.made_by.removeprefix("kopsversion ")).set(1)
    success = _gauge(registry, "check_success", "1 if anything could be read, 0 if nothing could.")
    success.set(report.is_success)
    checked = _gauge(registry, "check_timestamp_seconds", "When the channels were checked, in Unix time.")
    checked.set(report.now.timestamp())
    requests = _gauge(registry, "check_requests", "Requests that the check took.")
    requests.set(report.requests)
    if report.took is not None:
        took = _gauge(registry, "check_duration_seconds", "How long the check took, in seconds.")
        took.set(round(report.took.total_seconds(), 3))


def _add_channels(report: HealthReport, registry: CollectorRegistry) -> None:
    healthy = _gauge(registry, "channel_healthy", "1 if nothing serious is wrong with the channel.", _CHANNEL)
    readable = _gauge(registry, "channel_readable", "1 if the channel could be read.", _CHANNEL)
    behind = _gauge(
        registry,
        "commits_behind",
        "Merges on the branch after its newest testable build; needs a clone.",
        _CHANNEL,
    )
    for channel in report.channels:
        healthy.labels(channel.channel).set(channel.is_healthy)
        readable.labels(channel.channel).set(channel.unreadable is None)
        if channel.commits_behind is not None:
            behind.labels(channel.channel).set(channel.commits_behind)


def _add_builds(report: HealthReport, registry: CollectorRegistry) -> None:
    testable = _gauge(
        registry,
        "build_timestamp_seconds",
        "When the channel's newest testable build was uploaded, in Unix time.",
        _CHANNEL,
    )
    newest = _gauge(
        registry,
        "newest_build_timestamp_seconds",
        "When the channel's newest build was uploaded, testable or not, in Unix time.",
        _CHANNEL,
    )
    for channel in report.channels:
        _set_uploaded(testable, channel, channel.testable)
        _set_uploaded(newest, channel, channel.newest)


def _set_uploaded(gauge: Gauge, channel: ChannelHealth, build: SeenBuild | None) -> None:
    if build is not None and build.uploaded is not None:
        gauge.labels(channel.channel).set(build.uploaded.timestamp())


def _add_findings(report: HealthReport, registry: CollectorRegistry) -> None:
    findings = _gauge(
        registry,
        "findings",
        "Findings by code and severity; channel is empty for what concerns the store.",
        ("channel", "code", "severity"),
    )
    counted = Counter(
        (channel, finding.condition.code, severity_of(finding)) for channel, finding in report.findings
    )
    for labels, number in counted.items():
        findings.labels(*labels).set(number)


def _add_limits(channels: Sequence[ChannelHealth], registry: CollectorRegistry) -> None:
    limit = _gauge(
        registry, "limit_seconds", "Configured limits of the channel, in seconds.", ("channel", "limit")
    )
    for channel in channels:
        policy = channel.policy
        limit.labels(channel.channel, "max-lag").set(policy.max_lag.total_seconds())
        limit.labels(channel.channel, "max-build-age").set(policy.max_build_age.total_seconds())
        limit.labels(channel.channel, "build-sla").set(policy.build_sla.total_seconds())


def _add_markers(report: HealthReport, registry: CollectorRegistry) -> None:
    info = _gauge(
        registry, "marker_info", "1; the version that the marker names.", (*_MARKER, "version", "ignored")
    )
    written = _gauge(
        registry, "marker_written_timestamp_seconds", "When the marker was written, in Unix time.", _MARKER
    )
    overtaken = _gauge(
        registry,
        "marker_overtaken_timestamp_seconds",
        "Since when a testable build newer than the marker's waits, in Unix time; none while nothing waits.",
        _MARKER,
    )
    behind = _gauge(
        registry,
        "marker_builds_behind",
        "Builds of the channel newer than the one the marker names.",
        _MARKER,
    )
    verdict = _gauge(
        registry,
        "marker_verdict",
        "1 for the verdict on the marker, 0 for every other.",
        (*_MARKER, "verdict"),
    )
    for channel, marker in report.markers:
        labels = (channel.channel, marker.name)
        info.labels(*labels, str(marker.version or ""), str(marker.ignored).lower()).set(1)
        if marker.written is not None:
            written.labels(*labels).set(marker.written.timestamp())
        if marker.lag:
            overtaken.labels(*labels).set((report.now - marker.lag).timestamp())
        if marker.builds_behind is not None:
            behind.labels(*labels).set(marker.builds_behind)
        for each in Verdict:
            verdict.labels(*labels, each.value).set(each is marker.verdict)


def _add_writers(report: HealthReport, registry: CollectorRegistry) -> None:
    labels = (*_MARKER, "prow_job")  # Prometheus itself has a label `job`, and would rename this one
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


def _add_ages(report: HealthReport, registry: CollectorRegistry) -> None:
    """Add the gauges of 0.1, which hold ages: they stay for one version."""
    build = _gauge(
        registry,
        "build_age_seconds",
        "Deprecated, use build_timestamp_seconds: age of the newest testable build, in seconds.",
        _CHANNEL,
    )
    lag = _gauge(
        registry,
        "marker_promotion_lag_seconds",
        "Deprecated, use marker_overtaken_timestamp_seconds: how long a newer testable build has waited, "
        "in seconds.",
        _MARKER,
    )
    age = _gauge(
        registry,
        "marker_age_seconds",
        "Deprecated, use marker_written_timestamp_seconds: time since the marker was written, in seconds.",
        _MARKER,
    )
    for channel in report.channels:
        if channel.testable is not None and channel.testable.uploaded is not None:
            build.labels(channel.channel).set((report.now - channel.testable.uploaded).total_seconds())
    for channel, marker in report.markers:
        labels = (channel.channel, marker.name)
        if marker.lag is not None:
            lag.labels(*labels).set(marker.lag.total_seconds())
        if marker.written is not None:
            age.labels(*labels).set((report.now - marker.written).total_seconds())
