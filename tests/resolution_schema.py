"""The JSON Schema of ``-o json`` and of a lock, made from the model's classes so that it cannot drift.

``docs/reference/resolution.schema.json`` is what this prints: ``python -m tests.resolution_schema``. A test compares.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from enum import StrEnum
from functools import partial
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import attrs

from kopsversion.model.answer import Resolution
from kopsversion.model.bucket import Foreign, Later, Malformed, MarkerReading, Missing, Named, Unreachable
from kopsversion.model.codec import SCHEMA
from kopsversion.model.version import BuildVersion

VERSION_PATTERN = (
    r"^v?[0-9]+\.[0-9]+\.[0-9]+([-.](alpha|beta|rc)\.[0-9]+)?"
    r"(\+(v?[0-9]+\.[0-9]+\.[0-9]+([-.](alpha|beta|rc)\.[0-9]+)?(-[0-9]+-g[0-9a-f]{7,40})?|[0-9a-f]{7,40}))?$"
)
TIME_PATTERN = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?Z$"
_PLAIN: Mapping[Any, dict[str, Any]] = {
    date: {"type": "string", "format": "date"},
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    NoneType: {"type": "null"},
    datetime: {"type": "string", "format": "date-time", "pattern": TIME_PATTERN, "description": "UTC"},
    timedelta: {"type": "number", "description": "seconds"},
    BuildVersion: {"type": "string", "pattern": VERSION_PATTERN},
}
_READINGS = (Named, Foreign, Malformed, Missing, Later, Unreachable)


def schema() -> dict[str, Any]:
    """The schema of a resolution; ``#/$defs/Lock`` is that of a lock."""
    definitions: dict[str, Any] = {}
    resolution = _reference(Resolution, definitions=definitions)
    top = definitions["Resolution"]
    top["properties"] = {
        "schema": {"const": SCHEMA, "description": "raised when a key changes its meaning or goes"},
        "made_by": {"type": "string", "description": "which kopsversion wrote it, as in kopsversion 0.1.0"},
        "degraded": {"type": "boolean", "description": "whether any condition is a warning or worse"},
        **top["properties"],
    }
    top["required"] = ["schema", "degraded", *top["required"]]
    definitions["Lock"] = {
        "description": "What --lock writes: the answer, and the sha256 of its binaries by path below the build.",
        "allOf": [resolution],
        "required": ["binaries"],
        "properties": {
            "binaries": {
                "description": "the sha256 of each kops and nodeup, by its path below the build",
                "type": "object",
                "minProperties": 1,
                "additionalProperties": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
            }
        },
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A resolution of kopsversion",
        "description": "What resolve-latest -o json prints. A later kopsversion may add keys.",
        **resolution,
        "$defs": dict(sorted(definitions.items())),
    }


def text() -> str:
    """The schema as the file holds it."""
    return json.dumps(schema(), indent=2) + "\n"


def type_schema(kind: Any, reference: Callable[[type], dict[str, Any]]) -> dict[str, Any]:
    """Describe the values of a type.

    Parameters:
        kind: an annotation.
        reference: what refers to the schema of a class, which it defines.
    """
    if kind in _PLAIN:
        return dict(_PLAIN[kind])
    if kind == MarkerReading:
        return {"oneOf": [reference(reading) for reading in _READINGS]}
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in {Union, UnionType}:
        return {"anyOf": [type_schema(each, reference) for each in arguments]}
    if origin in {tuple, frozenset}:
        return {"type": "array", "items": type_schema(arguments[0], reference)}
    if origin is Mapping:
        return {"type": "object", "additionalProperties": type_schema(arguments[1], reference)}
    if issubclass(kind, StrEnum):
        return {"enum": list(kind)}
    return reference(kind)


def _reference(kind: type, *, definitions: dict[str, Any]) -> dict[str, Any]:
    """Define one of the model's classes, and refer to it."""
    if kind.__name__ not in definitions:
        definitions[kind.__name__] = {}  # against going in circles
        hints = get_type_hints(kind, vars(sys.modules[kind.__module__]) | {"Mapping": Mapping})
        names = [field.name for field in attrs.fields(kind)]
        said = described_attributes(kind)
        properties = {
            name: described(
                type_schema(hints[name], partial(_reference, definitions=definitions)), said.get(name)
            )
            for name in names
        }
        if kind in _READINGS:
            what = {"const": kind.__name__.lower(), "description": "which reading this is"}
            properties = {"kind": what, **properties}
        definitions[kind.__name__] = {
            "description": first_line(kind.__doc__),
            "type": "object",
            "properties": properties,
            "required": list(properties),
        }
    return {"$ref": f"#/$defs/{kind.__name__}"}


def described(schema: dict[str, Any], said: str | None) -> dict[str, Any]:
    """Add what a class says of an attribute, and keep the unit."""
    if said is None:
        return schema
    unit = ", in seconds" if schema.get("description") == "seconds" else ""
    return {**schema, "description": f"{said.removesuffix('.')}{unit}."}


def first_line(docstring: str | None) -> str:
    """Take the sentence that a docstring begins with."""
    return (docstring or "").partition("\n")[0]


def described_attributes(kind: type) -> dict[str, str]:
    """What a class says of its attributes, by name."""
    section = inspect.cleandoc(kind.__doc__ or "").partition("Attributes:\n")[2]
    found = re.findall(r"^    (\w+): (.+(?:\n        .+)*)", section, re.MULTILINE)
    return {name: " ".join(words.split()).replace("``", "").replace("None", "null") for name, words in found}


if __name__ == "__main__":
    sys.stdout.write(text())
