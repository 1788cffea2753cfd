"""A `Resolution` as JSON, schema 1, and back (DESIGN section 7).

The keys are the attributes of the values in `kopsversion.model`, in their order. Times are RFC 3339 in UTC
with ``Z``, durations are seconds, versions are their text. ``degraded`` is added for readers. Reading is
strict, since a lock file may have been edited by hand: a wrong type is an error with its place. Unknown keys
are ignored, so that a later kopsversion may add some.

This module must not know where the text is kept.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any, NoReturn, get_args, get_origin

import attrs
from cattrs import BaseValidationError, Converter, transform_error
from cattrs.gen import make_dict_structure_fn

from kopsversion.errors import KopsVersionError, UsageError, quoted
from kopsversion.model.answer import Condition, Datum, Resolution
from kopsversion.model.bucket import Foreign, Later, Malformed, MarkerReading, Missing, Named, Unreachable
from kopsversion.model.checking import checked
from kopsversion.model.program import MADE_BY
from kopsversion.model.version import BuildVersion

if TYPE_CHECKING:
    from collections.abc import Callable


__all__ = [
    "SCHEMA",
    "condition_fields",
    "document",
    "dump",
    "from_json",
    "plain_fields",
    "seconds",
    "time_text",
    "to_json",
]

SCHEMA = 1
"""Raised when a key changes its meaning or goes; a new key does not raise it."""

_HINT = "the file must be one that this kopsversion wrote with -o json or --lock; write it anew"


def to_json(resolution: Resolution) -> str:
    """Write a resolution as JSON of schema 1, with the version of kopsversion that wrote it.

    The same resolution gives the same text.

    >>> import json
    >>> json.loads(to_json(answer))["schema"]
    1

    Parameters:
        resolution: the answer.

    Raises:
        UsageError: it is no `Resolution`.
    """
    checked("resolution", resolution, Resolution, wanted="a Resolution")
    fields = _converter().unstructure(resolution)
    return document({"degraded": resolution.is_degraded, **fields})


def from_json(text: str) -> Resolution:
    """Read what `to_json` wrote.

    >>> from_json(to_json(answer)) == answer
    True

    Parameters:
        text: untrusted text of any content.

    Raises:
        KopsVersionError: it is not JSON, of another schema, or some value is missing or wrong; the message
            names the first place.
    """
    fields = _load(checked("text", text, str, wanted="the JSON of a resolution, as text"))
    schema = fields.get("schema")
    if schema != SCHEMA or isinstance(schema, bool):
        raise UsageError(
            f"the resolution cannot be read: its schema is {quoted(str(schema))}, not {SCHEMA}", hint=_HINT
        )
    try:
        resolution = _converter().structure(fields, Resolution)
    except BaseValidationError as error:
        raise UsageError(f"the resolution cannot be read: {_first_fault(error)}", hint=_HINT) from error
    if resolution.base_url.rpartition("/")[2] != str(resolution.version):
        raise UsageError(
            f"the resolution cannot be read: base_url {quoted(resolution.base_url)} "
            f"is not the place of version {quoted(str(resolution.version))}",
            hint=_HINT,
        )
    return resolution


def condition_fields(condition: Condition) -> dict[str, Any]:
    """Return a condition as every output has it."""
    fields: dict[str, Any] = _converter().unstructure(condition)
    return fields


def read_condition(fields: object) -> Condition:
    """Read what `condition_fields` returned.

    Raises:
        UsageError: it is anything else.
    """
    try:
        condition: Condition = _converter().structure(fields, Condition)
    except BaseValidationError as error:
        raise UsageError(f"{quoted(repr(fields))} is no condition", hint=_HINT) from error
    return condition


def plain_fields(value: object) -> Any:
    """Return a value of the model as JSON's own: mappings, lists, texts and numbers."""
    return _converter().unstructure(value)


def document(fields: Mapping[str, object]) -> str:
    """Write a whole document: behind its schema and who made it."""
    return dump({"schema": SCHEMA, "made_by": MADE_BY, **fields})


def dump(fields: Mapping[str, object]) -> str:
    """Write JSON as every output has it."""
    # ASCII, so that no terminal, locale or log can spoil it.
    return json.dumps(fields, indent=2, allow_nan=False) + "\n"


def _load(text: str) -> dict[str, Any]:
    try:
        fields = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise UsageError("the resolution cannot be read: it is not JSON", hint=_HINT) from error
    if not isinstance(fields, dict):
        raise UsageError("the resolution cannot be read: it is not a JSON object", hint=_HINT)
    return fields


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)  # NaN and Infinity, which json reads though they are not JSON


def _first_fault(error: BaseValidationError) -> str:
    """Name the first place where a value is missing or wrong, and what is wrong with it."""
    return transform_error(error, format_exception=_fault)[0]


def _fault(error: BaseException, _type: type | None) -> str:
    if isinstance(error, KeyError):
        return f"{quoted(str(error.args[0]))} is missing"
    return str(error) if isinstance(error, _WrongValueError | KopsVersionError) else "not a value that fits"


# --------------------------------------------------------------------------------------------------
# Conversion


class _WrongValueError(ValueError):
    """A value of the wrong type or form."""


def time_text(moment: datetime) -> str:
    """Write a moment as RFC 3339 does, in UTC."""
    return moment.astimezone(UTC).isoformat().removesuffix("+00:00") + "Z"


def _read_time(value: object, _type: object) -> datetime:
    text = _read_text(value)
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise _WrongValueError(f"{quoted(text)} is not a time such as 2024-05-06T18:00:00Z")


def seconds(duration: timedelta) -> int | float:
    """Write a duration in seconds, whole where it is."""
    number = duration.total_seconds()
    return int(number) if number.is_integer() else number


def _read_seconds(value: object, _type: object) -> timedelta:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _WrongValueError(f"expected a number of seconds, found {_kind(value)}")
    try:
        return timedelta(seconds=value)
    except (OverflowError, ValueError) as error:
        raise _WrongValueError(f"{quoted(str(value))} seconds are too many") from error


def _read_text(value: object, _type: object = str) -> str:
    if not isinstance(value, str):
        raise _WrongValueError(f"expected text, found {_kind(value)}")
    return value


def _read_int(value: object, _type: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise _WrongValueError(f"expected a whole number, found {_kind(value)}")
    return value


def _read_bool(value: object, _type: object) -> bool:
    if not isinstance(value, bool):
        raise _WrongValueError(f"expected true or false, found {_kind(value)}")
    return value


def _read_list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise _WrongValueError(f"expected a list, found {_kind(value)}")
    return value


def _read_object(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _WrongValueError(f"expected an object, found {_kind(value)}")
    return value


def _kind(value: object) -> str:
    kinds = {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "null"}
    return kinds.get(type(value), "a number")


def _read_version(value: object, _type: object) -> BuildVersion:
    return BuildVersion.parse(_read_text(value))


def _read_datum(value: object, _type: object) -> Datum:
    if isinstance(value, list):
        return tuple(_read_text(item) for item in value)
    if not isinstance(value, str | int | float):
        raise _WrongValueError(f"expected text, a number or a list of texts, found {_kind(value)}")
    return value


def _tuple_reader(converter: Converter) -> Callable[[Any], Callable[[object, object], tuple[Any, ...]]]:
    def reader(kind: Any) -> Callable[[object, object], tuple[Any, ...]]:
        item = get_args(kind)[0]
        return lambda value, _: tuple(converter.structure(each, item) for each in _read_list(value))

    return reader


def _mapping_reader(converter: Converter) -> Callable[[Any], Callable[[object, object], dict[str, Any]]]:
    def reader(kind: Any) -> Callable[[object, object], dict[str, Any]]:
        item = get_args(kind)[1]
        return lambda value, _: {
            name: converter.structure(each, item) for name, each in sorted(_read_object(value).items())
        }

    return reader


def _read_enum(value: object, kind: type[StrEnum]) -> StrEnum:
    text = _read_text(value)
    if text not in list(kind):
        raise _WrongValueError(f"{quoted(text)} is none of {', '.join(kind)}")
    return kind(text)


def _value_reader(converter: Converter) -> Callable[[Any], Callable[[object, object], Any]]:
    """Return what makes a reader for one of the model's classes; it refuses everything but a JSON object first."""

    def reader(kind: Any) -> Callable[[object, object], Any]:
        read = make_dict_structure_fn(kind, converter)
        return lambda value, _: read(_read_object(value), kind)

    return reader


# How each reading of a marker is called in JSON, under the key "kind".
_READINGS = {kind.__name__.lower(): kind for kind in (Named, Foreign, Malformed, Missing, Later, Unreachable)}


def _reading_writer(converter: Converter) -> Callable[[object], dict[str, Any]]:
    return lambda reading: {"kind": type(reading).__name__.lower(), **converter.unstructure(reading)}


def _reading_reader(converter: Converter) -> Callable[[object, object], Any]:
    def read(value: object, _type: object) -> Any:
        fields = _read_object(value)
        kind = _read_text(fields.get("kind"))
        if kind not in _READINGS:
            raise _WrongValueError(f"{quoted(kind)} is none of {', '.join(_READINGS)}")
        return converter.structure(fields, _READINGS[kind])

    return read


def _has_origin(origin: object) -> Callable[[Any], bool]:
    """Return a predicate for cattrs: whether a type such as ``Mapping[str, int]`` is made from `origin`."""
    return lambda kind: get_origin(kind) is origin


@cache
def _converter() -> Converter:
    """Build the converter once, since cattrs writes and compiles a function for each class."""
    # The model imports Mapping for the type checker alone, and cattrs needs to see what it is.
    for holder in (Condition, Resolution):
        attrs.resolve_types(holder, localns={"Mapping": Mapping})
    converter = Converter()
    converter.register_unstructure_hook(datetime, time_text)
    converter.register_unstructure_hook(timedelta, seconds)
    converter.register_unstructure_hook(BuildVersion, str)
    converter.register_unstructure_hook_func(
        _has_origin(frozenset),
        lambda versions: [str(version) for version in sorted(versions)],
    )
    converter.register_unstructure_hook_func(
        _has_origin(Mapping), lambda mapping: dict(sorted(mapping.items()))
    )
    converter.register_unstructure_hook(MarkerReading, _reading_writer(converter))

    converter.register_structure_hook_factory(attrs.has, _value_reader(converter))
    readers: Mapping[Any, Callable[[Any, Any], object]] = {
        str: _read_text,
        int: _read_int,
        bool: _read_bool,
        StrEnum: _read_enum,
        datetime: _read_time,
        timedelta: _read_seconds,
        BuildVersion: _read_version,
        Datum: _read_datum,
        MarkerReading: _reading_reader(converter),
    }
    for kind, read in readers.items():
        converter.register_structure_hook(kind, read)
    converter.register_structure_hook_factory(_has_origin(tuple), _tuple_reader(converter))
    converter.register_structure_hook_factory(_has_origin(Mapping), _mapping_reader(converter))
    converter.register_structure_hook_func(
        _has_origin(frozenset),
        lambda value, _: frozenset(_read_version(item, BuildVersion) for item in _read_list(value)),
    )
    return converter
