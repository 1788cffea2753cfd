"""The JSON Schema of ``-o json`` and of a lock, made from the model's classes so that it cannot drift.

``docs/reference/resolution.schema.json`` is what this prints: ``python -m tests.resolution_schema``. A test compares.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import attrs

from kopsversion import model
from kopsversion.model import (
    Foreign,
    Malformed,
    MarkerReading,
    Missing,
    Named,
    Resolution,
    Unreachable,
)
from kopsversion.render.json import SCHEMA
from kopsversion.version import BuildVersion

VERSION_PATTERN = (
    r"^v?[0-9]+\.[0-9]+\.[0-9]+([-.](alpha|beta|rc)\.[0-9]+)?"
    r"(\+(v?[0-9]+\.[0-9]+\.[0-9]+([-.](alpha|beta|rc)\.[0-9]+)?(-[0-9]+-g[0-9a-f]{7,40})?|[0-9a-f]{7,40}))?$"
)
_PLAIN: Mapping[Any, dict[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    NoneType: {"type": "null"},
    datetime: {"type": "string", "format": "date-time", "pattern": "Z$", "description": "UTC"},
    timedelta: {"type": "number", "description": "seconds"},
    BuildVersion: {"type": "string", "pattern": VERSION_PATTERN},
}
_READINGS = (Named, Foreign, Malformed, Missing, Unreachable)


def schema() -> dict[str, Any]:
    """The schema of a resolution; ``#/$defs/Lock`` is that of a lock."""
    definitions: dict[str, Any] = {}
    resolution = _reference(Resolution, definitions)
    top = definitions["Resolution"]
    top["properties"] = {
        "schema": {"const": SCHEMA, "description": "raised when a key changes its meaning or goes"},
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


def _of(kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    if kind in _PLAIN:
        return dict(_PLAIN[kind])
    if kind == MarkerReading:
        return {"oneOf": [_reference(reading, definitions) for reading in _READINGS]}
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in {Union, UnionType}:
        return {"anyOf": [_of(each, definitions) for each in arguments]}
    if origin in {tuple, frozenset}:
        return {"type": "array", "items": _of(arguments[0], definitions)}
    if origin is Mapping:
        return {"type": "object", "additionalProperties": _of(arguments[1], definitions)}
    if issubclass(kind, StrEnum):
        return {"enum": list(kind)}
    return _reference(kind, definitions)


def _reference(kind: type, definitions: dict[str, Any]) -> dict[str, Any]:
    """Define one of the model's classes, and refer to it."""
    if kind.__name__ not in definitions:
        definitions[kind.__name__] = {}  # against going in circles
        hints = get_type_hints(kind, vars(model) | {"Mapping": Mapping})
        names = [field.name for field in attrs.fields(kind)]
        said = _attributes(kind)
        properties = {
            name: _of(hints[name], definitions) | ({"description": said[name]} if name in said else {})
            for name in names
        }
        if kind in _READINGS:
            properties = {"kind": {"const": kind.__name__.lower()}, **properties}
        definitions[kind.__name__] = {
            "description": (kind.__doc__ or "").partition("\n")[0],
            "type": "object",
            "properties": properties,
            "required": list(properties),
        }
    return {"$ref": f"#/$defs/{kind.__name__}"}


def _attributes(kind: type) -> dict[str, str]:
    """What a class says of its attributes, by name."""
    section = inspect.cleandoc(kind.__doc__ or "").partition("Attributes:\n")[2]
    found = re.findall(r"^    (\w+): (.+(?:\n        .+)*)", section, re.MULTILINE)
    return {name: " ".join(words.split()).replace("``", "").replace("None", "null") for name, words in found}


if __name__ == "__main__":
    sys.stdout.write(text())
