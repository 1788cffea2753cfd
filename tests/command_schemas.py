"""The JSON Schemas of what commands print with ``-o json``, made from the classes behind it so that they cannot drift.

``python -m tests.command_schemas`` writes the files of `DOCUMENTS` into ``docs/reference/``. A test compares. Only the
keys stand here once more, because what is written is flatter than what is held; other tests hold them to real output,
key by key. An answer of ``resolve-latest`` has its own module, `tests.resolution_schema`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, get_type_hints

from attrs import frozen

from docs.generate import REFERENCE
from kopsversion.model import answer, bucket, channel, policy, runs, silence
from kopsversion.model import writers as model_writers
from kopsversion.model.answer import Condition, Refusal
from kopsversion.model.channel import Attribution
from kopsversion.model.codec import SCHEMA
from kopsversion.model.policy import Policy
from kopsversion.model.runs import SeenRun
from kopsversion.model.silence import Silence
from kopsversion.rules import bisection, report, same_build, stepper, writers
from kopsversion.rules.bisection import Plan, PlannedBuild
from kopsversion.rules.report import (
    ChannelHealth,
    ChannelHistory,
    CheckResult,
    Finding,
    HealthReport,
    LeftOut,
    MarkerHealth,
    SeenBuild,
)
from kopsversion.rules.same_build import SameBuild
from kopsversion.rules.writers import WriterReport
from kopsversion.workflows import bisect, bisection_state, find, job_runs, listing
from kopsversion.workflows.bisect import BisectReport, BuiltMerge, NotTested, RangeEnd, TrialResult
from kopsversion.workflows.find import FoundBuild
from kopsversion.workflows.job_runs import JobListing, ListedJob
from kopsversion.workflows.listing import ChannelListing, ListedBuild
from tests.resolution_schema import VERSION_PATTERN, described, described_attributes, first_line, type_schema

Schema = dict[str, Any]

_REF = {"pattern": r"^(master|release-[0-9]+\.[0-9]+)$"}
_CODE = {"pattern": "^[a-z-]+$"}
_NATURAL = {"minimum": 0}
_VERSION = {"type": "string", "pattern": VERSION_PATTERN}
_TEXT_OR_NULL = {"anyOf": [{"type": "string"}, {"type": "null"}]}
_AGE = {"anyOf": [{"type": "number", "description": "seconds"}, {"type": "null"}]}

_KEYS: Mapping[type, Mapping[str, str | Schema]] = {
    HealthReport: {
        "healthy": "is_healthy",
        "headline": "headline",
        "success": "is_success",
        "failure": "failure",
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
        "age_seconds": {**_AGE, "description": "how long ago that was."},
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
        "age_seconds": {**_AGE, "description": "how long ago that was."},
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
    ChannelListing: {
        "channel": "channel",
        "store": "store",
        "now": "now",
        "builds": "rows",
        "conditions": "conditions",
        "skipped": "skipped",
    },
    ListedBuild: {
        "version": "version",
        "uploaded": "uploaded",
        "age": {**_AGE, "description": "how long ago that was."},
        "distance": "version.distance",
        "attribution": "attribution",
        "testable": {"type": "boolean", "description": "whether it can be tested."},
        "refusal": {
            "anyOf": [
                {
                    "type": "object",
                    "properties": {
                        "kind": {"enum": list(answer.RefusalKind)},
                        "reasons": {"type": "array", "items": {"type": "string"}, "minItems": 1},
                    },
                    "required": ["kind", "reasons"],
                },
                {"type": "null"},
            ],
            "description": "why it cannot: `kind`, and `reasons`, one clause each; null if it can.",
        },
    },
    Attribution: {"ref": "ref", "witness": "witness", "certainty": "certainty"},
    FoundBuild: {
        "channel": "channel",
        "store": "store",
        "version": "version",
        "base_url": "base_url",
        "uploaded": "uploaded",
        "commit": "commit",
        "merged": "merged",
        "subject": "subject",
        "refused": "refused",
        "conditions": "conditions",
    },
    Refusal: {"version": "version", "reasons": "reasons", "kind": "kind"},
    BisectReport: {
        "channel": "channel",
        "store": "store",
        "good": "good",
        "bad": "bad",
        "untested": "untested",
        "merges": "merges",
        "compare": "compare",
        "tested": "tested",
        "builds": "builds",
        "conditions": "conditions",
    },
    RangeEnd: {"version": "version", "base_url": "base_url", "uploaded": "uploaded", "tested": "is_tested"},
    NotTested: {"version": "version", "reason": "reason"},
    BuiltMerge: {"commit": "commit", "time": "time", "subject": "subject", "version": "version"},
    TrialResult: {
        "version": "version",
        "outcome": "finding.outcome",
        "statuses": "finding.statuses",
        "reason": {**_TEXT_OR_NULL, "description": "why it could not be tested; null if it could."},
    },
    Plan: {
        "channel": "channel.ref",
        "good": {**_VERSION, "description": "the build that is said to be good."},
        "bad": {**_VERSION, "description": "the build that is said to be bad."},
        "most_tests": {
            "type": "integer",
            "minimum": 0,
            "description": "how many builds are tested at the most, if none is skipped.",
        },
        "builds": "builds",
        "conditions": "conditions",
    },
    PlannedBuild: {
        "version": "version",
        "uploaded": "uploaded",
        "attribution": "attribution",
        "role": {
            "enum": ["good end", "bad end", "between", "outside"],
            "description": "where it lies; what is outside is looked at with --expand only.",
        },
    },
    JobListing: {
        "store": "place",
        "now": "now",
        "jobs": "jobs",
        "requests": "requests",
        "left_out": "left_out",
    },
    ListedJob: {
        "job": "job",
        "channel": "channel",
        "marker": "marker",
        "runs": "runs",
        "same_build": "same",
        "failure": "failure",
    },
    SameBuild: {
        "version": "version",
        "runs": "runs",
        "silent": "silent",
        "since": "since",
        "before": "before",
        "message": {"type": "string", "description": "all of it in one sentence."},
    },
}
"""The keys of each class, and the attribute that each is written from, or what is written where it is worked out."""

_NARROWED: Mapping[tuple[type, str], Schema] = {
    (HealthReport, "requests"): _NATURAL,
    (ChannelHealth, "channel"): _REF,
    (ChannelHealth, "commits_behind"): _NATURAL,
    (Policy, "ignored_markers"): {"description": "names of markers that do not matter."},
    (MarkerHealth, "marker"): {"pattern": "^markers/[^/]+/[^/]+$"},
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
    | vars(report)
    | vars(same_build)
    | vars(bisection)
    | vars(stepper)
    | vars(bisection_state)
    | vars(listing)
    | vars(find)
    | vars(bisect)
    | vars(job_runs)
    | {"Mapping": Mapping, "WriterReport": WriterReport}
)


@frozen(kw_only=True)
class Document:
    """What one command prints.

    Attributes:
        title: what it is.
        command: what prints it.
        top: the class behind it.
        others: classes that other options of the command print, by name among the definitions.
    """

    title: str
    command: str
    top: type
    others: tuple[type, ...] = ()

    def schema(self) -> Schema:
        """Make its schema."""
        definitions: Schema = {}
        for kind in (self.top, *self.others):
            reference(kind, definitions=definitions)
            made = definitions[kind.__name__]
            made["properties"] = {**_FIRST, **made["properties"]}
            made["required"] = list(made["properties"])
        return {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": self.title,
            "description": (
                f"What {self.command} prints. What is not known is null. A later kopsversion may add keys."
            ),
            "$ref": f"#/$defs/{self.top.__name__}",
            "$defs": dict(sorted(definitions.items())),
        }

    def text(self) -> str:
        """Return its schema as the file holds it."""
        return json.dumps(self.schema(), indent=2) + "\n"


_FIRST: Schema = {
    "schema": {"const": SCHEMA, "description": "raised when a key changes its meaning or goes."},
    "made_by": {"type": "string", "description": "which kopsversion made it, as in kopsversion 0.1.0."},
}
"""What every document begins with."""

DOCUMENTS: Mapping[str, Document] = {
    "health.schema.json": Document(
        title="A health report of kopsversion", command="kopsversion check -o json", top=HealthReport
    ),
    "list.schema.json": Document(
        title="Builds as kopsversion lists them", command="kopsversion list -o json", top=ChannelListing
    ),
    "find.schema.json": Document(
        title="The first build that contains a merge", command="kopsversion find -o json", top=FoundBuild
    ),
    "bisect.schema.json": Document(
        title="The first bad build; with --dry-run the builds that would be searched: #/$defs/Plan",
        command="kopsversion bisect -o json",
        top=BisectReport,
        others=(Plan,),
    ),
    "jobs.schema.json": Document(
        title="Runs of jobs as kopsversion lists them", command="kopsversion jobs -o json", top=JobListing
    ),
}
"""The file of each command."""


def strict(schema: Any) -> Any:
    """Allow no key that the schema does not name, so that none goes undescribed."""
    if isinstance(schema, dict):
        named = {"additionalProperties": False} if "required" in schema else {}
        return {key: strict(value) for key, value in schema.items()} | named
    return [strict(each) for each in schema] if isinstance(schema, list) else schema


def main() -> None:
    """Write every file."""
    for name, document in DOCUMENTS.items():
        (REFERENCE / name).write_text(document.text(), encoding="utf-8")


def reference(kind: type, *, definitions: Schema) -> Schema:
    """Define what is written of one of the report's classes, and refer to it."""
    name = "Limits" if kind is Policy else kind.__name__
    if name not in definitions:
        definitions[name] = {}  # against going in circles
        properties = {
            key: _value(kind, path, definitions) | _NARROWED.get((kind, key), {})
            for key, path in _KEYS[kind].items()
        }
        definitions[name] = {
            "description": "What a channel is held to." if kind is Policy else first_line(kind.__doc__),
            "type": "object",
            "properties": properties,
            "required": list(properties),
        }
    return {"$ref": f"#/$defs/{name}"}


def _value(kind: type, path: str | Schema, definitions: Schema) -> Schema:
    """Describe what is worked out as it says, and what is held as the class does."""
    return _property(kind, path, definitions) if isinstance(path, str) else path


def _property(kind: type, path: str, definitions: Schema) -> Schema:
    """Describe what stands at the end of a path of attributes."""
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
    made = type_schema(found, partial(reference, definitions=definitions))
    return described(made, said.replace("``None``", "null") or None)


if __name__ == "__main__":
    main()
