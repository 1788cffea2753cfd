"""A health report as JSON, schema 1: ``docs/reference/health.schema.json`` describes it.

Times are RFC 3339 in UTC. Durations are in seconds, and their keys say so. A value that is not known is ``null``. This
module must not know where the text goes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kopsversion.model.codec import SCHEMA, condition_fields, dump, seconds, time_text
from kopsversion.render.jobs import writer_fields

if TYPE_CHECKING:
    from datetime import datetime

    from kopsversion.model.silence import Silence
    from kopsversion.rules.report import (
        ChannelHealth,
        ChannelHistory,
        CheckResult,
        Finding,
        HealthReport,
        MarkerHealth,
        SeenBuild,
    )

__all__ = ["health_to_json"]

Fields = dict[str, Any]


def health_to_json(report: HealthReport) -> str:
    """Write a health report; the same report gives the same text."""
    return dump(
        {
            "schema": SCHEMA,
            "made_by": report.made_by,
            "healthy": report.is_healthy,
            "headline": report.headline,
            "success": report.is_success,
            "failure": _finding(report.failure) if report.failure else None,
            "store": report.store,
            "now": time_text(report.now),
            "channels": [_channel(channel, now=report.now) for channel in report.channels],
            "left_out": [
                {"channel": old.channel, "built": _time(old.built), "written": _time(old.written)}
                for old in report.left_out
            ],
            "conditions": [condition_fields(condition) for condition in report.conditions],
            "skipped": dict(sorted(report.skipped.items())),
            "requests": report.requests,
            "took_seconds": None if report.took is None else seconds(report.took),
        }
    )


def _channel(channel: ChannelHealth, *, now: datetime) -> Fields:
    policy = channel.policy
    return {
        "channel": channel.channel,
        "healthy": channel.is_healthy,
        "unreadable": channel.unreadable,
        "limits": {
            "max_lag_seconds": seconds(policy.max_lag),
            "max_build_age_seconds": seconds(policy.max_build_age),
            "build_sla_seconds": seconds(policy.build_sla),
            "ignored_markers": list(policy.reported),
        },
        "newest": _build(channel.newest, now=now) if channel.newest else None,
        "testable": _build(channel.testable, now=now) if channel.testable else None,
        "commits_behind": channel.commits_behind,
        "markers": [_marker(marker, now=now) for marker in channel.markers],
        "writers": [writer_fields(writer) for writer in channel.writers],
        "findings": [_finding(finding) for finding in channel.findings],
        "history": _history(channel.history) if channel.history else None,
        "checks": [_check(check) for check in channel.checks],
        "builds": [_build(build, now=now) for build in channel.builds],
        "refused": [_build(build, now=now) for build in channel.refused],
    }


def _build(build: SeenBuild, *, now: datetime) -> Fields:
    return {
        "version": str(build.version),
        "uploaded": _time(build.uploaded),
        "age_seconds": seconds(now - build.uploaded) if build.uploaded else None,
        "witness": build.attribution.witness,
        "certainty": build.attribution.certainty,
        "state": build.state,
        "reasons": list(build.reasons),
    }


def _marker(marker: MarkerHealth, *, now: datetime) -> Fields:
    return {
        "marker": marker.report.marker.path,
        "verdict": marker.verdict,
        "message": marker.report.message,
        "ignored": marker.ignored,
        "version": str(marker.version) if marker.version else None,
        "written": _time(marker.written),
        "age_seconds": seconds(now - marker.written) if marker.written else None,
        "promotion_lag_seconds": None if marker.lag is None else seconds(marker.lag),
        "builds_behind": marker.builds_behind,
    }


def _finding(finding: Finding) -> Fields:
    return {
        **condition_fields(finding.condition),
        "advice": finding.advice,
        "silence": _silence(finding.silence) if finding.silence else None,
        "first_seen": _time(finding.first_seen),
        "new": finding.is_new,
    }


def _silence(silence: Silence) -> Fields:
    return {
        "channel": silence.channel,
        "code": silence.code,
        "until": silence.until.isoformat(),
        "reason": silence.reason,
    }


def _history(history: ChannelHistory) -> Fields:
    return {
        "unhealthy_since": _time(history.since),
        "since_before": history.is_since_before,
        "recurring": dict(history.recurring),
    }


def _check(check: CheckResult) -> Fields:
    return {"name": check.name, "failed": check.failed, "skipped": check.skipped}


def _time(moment: datetime | None) -> str | None:
    return time_text(moment) if moment else None
