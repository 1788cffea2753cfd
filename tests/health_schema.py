"""The JSON Schema of ``kopsversion check -o json``, made from the report's classes so that it cannot drift.

``docs/reference/health.schema.json`` is what this prints: ``python -m tests.health_schema``. A test compares. Only
the keys stand here once more, because a report is written flatter than it is held; another test holds them to
reports that have everything, key by key.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, get_type_hints

from kopsversion.model import answer, bucket, channel, policy, runs, silence
from kopsversion.model import writers as model_writers
from kopsversion.model.answer import Condition
from kopsversion.model.codec import SCHEMA
from kopsversion.model.policy import Policy
from kopsversion.model.runs import SeenRun
from kopsversion.model.silence import Silence
from kopsversion.rules import health, writers
from kopsversion.rules.health import (
    ChannelHealth,
    ChannelHistory,
    CheckResult,
    Finding,
    HealthReport,
    LeftOut,
    MarkerHealth,
    SeenBuild,
)
from kopsversion.rules.writers import WriterReport
from tests.resolution_schema import described_attributes, first_line, type_schema

Schema = dict[str, Any]

_REF = {"pattern": r"^(master|release-[0-9]+\.[0-9]+)$"}
_CODE = {"pattern": "^[a-z-]+$"}
_NATURAL = {"minimum": 0}
_AGE = {"anyOf": [{"type": "number", "description": "seconds"}, {"type": "null"}]}

_KEYS: Mapping[type, Mapping[str, str]] = {
    HealthReport: {
        "healthy": "is_healthy",
        "headline": "headline",
        "success": "is_success",
        "failure": "failure",
        "made_by": "made_by",
        "store": "store",
        "now": "now",
        "channels": "channels",
        "left_out": "left_out",
        "conditions": "conditions",
        "skipped": "skipped",
        "requests": "requests",
        "took_seconds": "took",
    },
    ChannelHealth: {
        "channel": "channel",
        "healthy": "is_healthy",
        "unreadable": "unreadable",
        "limits": "policy",
        "newest": "newest",
        "testable": "testable",
        "commits_behind": "commits_behind",
        "markers": "markers",
        "writers": "writers",
        "findings": "findings",
        "history": "history",
        "checks": "checks",
        "builds": "builds",
        "refused": "refused",
    },
    WriterReport: {
        "marker": "marker.path",
        "job": "job",
        "state": "state",
        "reason": "reason",
        "since": "since",
        "since_is_exact": "is_since_exact",
        "last_success": "last_success",
        "consecutive_failures": "runs",
        "failures_are_exact": "is_count_exact",
        "first_failing_run": "first_failing_run",
        "newest_failing_run": "newest_failing_run",
        "last_good_run": "last_good_run",
        "run_on_its_way": "run_on_its_way",
        "newest_run": "newest_run",
        "runs_read": "runs_read",
    },
    SeenRun: {
        "id": "id",
        "url": "url",
        "began": "began",
        "ended": "ended",
        "result": "result",
        "took_seconds": "took",
        "branch": "branch",
        "commit": "commit",
        "tested": "tested",
    },
    Policy: {
        "max_lag_seconds": "max_lag",
        "max_build_age_seconds": "max_build_age",
        "build_sla_seconds": "build_sla",
        "ignored_markers": "reported",
    },
    SeenBuild: {
        "version": "version",
        "uploaded": "uploaded",
        "age_seconds": "",
        "witness": "attribution.witness",
        "certainty": "attribution.certainty",
        "state": "state",
        "reasons": "reasons",
    },
    MarkerHealth: {
        "marker": "report.marker.path",
        "verdict": "verdict",
        "message": "report.message",
        "ignored": "ignored",
        "version": "version",
        "written": "written",
        "age_seconds": "",
        "promotion_lag_seconds": "lag",
        "builds_behind": "builds_behind",
    },
    Finding: {
        "code": "condition.code",
        "severity": "condition.severity",
        "message": "condition.message",
        "data": "condition.data",
        "advice": "advice",
        "silence": "silence",
        "first_seen": "first_seen",
        "new": "is_new",
    },
    Silence: {"channel": "channel", "code": "code", "until": "until", "reason": "reason"},
    ChannelHistory: {
        "unhealthy_since": "since",
        "since_before": "is_since_before",
        "recurring": "recurring",
    },
    Condition: {"code": "code", "severity": "severity", "message": "message", "data": "data"},
    CheckResult: {"name": "name", "failed": "failed", "skipped": "skipped"},
    LeftOut: {"channel": "channel", "built": "built", "written": "written"},
}
"""The keys of each class, and the attribute that each is written from; none for an age, which is reckoned."""

_NARROWED: Mapping[tuple[type, str], Schema] = {
    (HealthReport, "requests"): _NATURAL,
    (ChannelHealth, "channel"): _REF,
    (ChannelHealth, "commits_behind"): _NATURAL,
    (Policy, "ignored_markers"): {"description": "Names of markers that do not matter."},
    (SeenBuild, "age_seconds"): {"description": "How long ago that was."},
    (MarkerHealth, "marker"): {"pattern": "^markers/[^/]+/[^/]+$"},
    (MarkerHealth, "age_seconds"): {"description": "How long ago that was."},
    (MarkerHealth, "builds_behind"): _NATURAL,
    (WriterReport, "marker"): {"pattern": "^markers/[^/]+/[^/]+$"},
    (WriterReport, "consecutive_failures"): _NATURAL,
    (SeenRun, "id"): {"pattern": "^[1-9][0-9]{18}$"},
    (Finding, "code"): _CODE,
    (Condition, "code"): _CODE,
    (LeftOut, "channel"): _REF,
    (Silence, "channel"): _REF,
    (Silence, "code"): _CODE,
}
"""What a type does not say."""

_NAMES = MappingProxyType(
    vars(bucket)
    | vars(channel)
    | vars(policy)
    | vars(answer)
    | vars(silence)
    | vars(runs)
    | vars(model_writers)
    | vars(writers)
    | vars(health)
    | {"Mapping": Mapping, "WriterReport": WriterReport}
)


def schema() -> Schema:
    """The schema of a health report."""
    definitions: Schema = {}
    report = _reference(HealthReport, definitions=definitions)
    top = definitions["HealthReport"]
    version = {"const": SCHEMA, "description": "raised when a key changes its meaning or goes"}
    top["properties"] = {"schema": version, **top["properties"]}
    top["required"] = ["schema", *top["required"]]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A health report of kopsversion",
        "description": (
            "What kopsversion check -o json prints. What is not known is null. A later kopsversion may add keys."
        ),
        **report,
        "$defs": dict(sorted(definitions.items())),
    }


def text() -> str:
    """The schema as the file holds it."""
    return json.dumps(schema(), indent=2) + "\n"


def _reference(kind: type, *, definitions: Schema) -> Schema:
    """Define what is written of one of the report's classes, and refer to it."""
    name = "Limits" if kind is Policy else kind.__name__
    if name not in definitions:
        definitions[name] = {}  # against going in circles
        properties = {
            key: _property(kind, path, definitions) | _NARROWED.get((kind, key), {})
            for key, path in _KEYS[kind].items()
        }
        definitions[name] = {
            "description": "What a channel is held to." if kind is Policy else first_line(kind.__doc__),
            "type": "object",
            "properties": properties,
            "required": list(properties),
        }
    return {"$ref": f"#/$defs/{name}"}


def _property(kind: type, path: str, definitions: Schema) -> Schema:
    """Describe what stands at the end of a path of attributes."""
    if not path:
        return dict(_AGE)
    first, _, rest = path.partition(".")
    value = getattr(kind, first, None)
    if isinstance(value, property):
        found = get_type_hints(value.fget, dict(_NAMES))["return"]
        said = first_line(value.__doc__)
    else:
        found = get_type_hints(kind, dict(_NAMES))[first]
        said = described_attributes(kind).get(first, "")
    if rest:
        return _property(found, rest, definitions)
    described = {"description": said.replace("``None``", "null")} if said else {}
    return type_schema(found, partial(_reference, definitions=definitions)) | described


if __name__ == "__main__":
    sys.stdout.write(text())
