"""Limits of channels from a TOML file, for ``kopsversion check`` (issue 6, item 1).

    max-lag = "24h"                          # of every channel
    ignored-markers = ["latest-ci-old.txt"]

    [channels."release-1.27"]                # of this one
    max-build-age = "365d"

The same keys may stand under ``[tool.kopsversion]`` in a ``pyproject.toml``. A mistake is told with its line, key and
value. This module must not know what a limit is for, and reads no file that was not named to it.
"""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any

from attrs import Factory, evolve, field, frozen

from kopsversion.cli.options import parse_duration, parse_marker_name
from kopsversion.errors import UsageError, quoted
from kopsversion.model.channel import Channel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import timedelta
    from pathlib import Path

    from kopsversion.model.policy import Policy

__all__ = ["PROJECT_FILE", "Config", "Limits", "read_config", "read_project_config"]

PROJECT_FILE = "pyproject.toml"
_PROJECT_TABLE = ("tool", "kopsversion")
_CHANNELS = "channels"


@frozen(kw_only=True)
class Limits:
    """What a channel is held to; what is ``None`` is not said here.

    Attributes:
        max_lag: promotion lag above which a marker is stale.
        max_build_age: age of the newest build above which builds count as old (without git).
        build_sla: how long a merge may stay unbuilt (with git).
        ignored_markers: names of markers that do not matter.
    """

    max_lag: timedelta | None = None
    max_build_age: timedelta | None = None
    build_sla: timedelta | None = None
    ignored_markers: tuple[str, ...] = ()

    def applied(self, policy: Policy) -> Policy:
        """Return a policy with these limits; ignored markers are added to those of the policy."""
        named = {"max_lag": self.max_lag, "max_build_age": self.max_build_age, "build_sla": self.build_sla}
        ignored = dict.fromkeys((*policy.reported, *self.ignored_markers))
        said: dict[str, Any] = {name: value for name, value in named.items() if value is not None}
        return evolve(policy, reported=tuple(ignored), **said)


@frozen
class Config:
    """Limits for every channel.

    Attributes:
        general: those of all channels.
        channels: those of one channel, by ref; they win over the general ones.
    """

    general: Limits = field(factory=Limits)
    channels: Mapping[str, Limits] = Factory(dict)

    def policy_of(self, channel: Channel, policy: Policy) -> Policy:
        """Return the policy that a channel is held to.

        Parameters:
            channel: the channel.
            policy: what holds where the configuration says nothing.
        """
        own = self.channels.get(channel.ref, Limits())
        return own.applied(self.general.applied(policy))


def read_config(path: Path) -> Config:
    """Read a file that was named.

    Raises:
        UsageError: it cannot be read, or says something that cannot be meant.
    """
    return _Reader(path).read(())


def read_project_config(directory: Path) -> Config:
    """Read ``[tool.kopsversion]`` of the ``pyproject.toml`` in a directory; without it there are no limits.

    Raises:
        UsageError: as `read_config`.
    """
    path = directory / PROJECT_FILE
    return _Reader(path).read(_PROJECT_TABLE) if path.is_file() else Config()


class _Reader:
    """One file, with what is needed to say where in it a mistake is.

    Parameters:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self._shown = quoted(str(path))
        try:
            self._text = path.read_bytes().decode()
        except OSError as error:
            raise UsageError(
                f"the configuration {self._shown} cannot be read: {error.strerror}",
                hint="name a file that is there and that you may read",
            ) from error
        except UnicodeDecodeError as error:
            raise self._not_toml("it is not UTF-8 text") from error
        try:
            self._tables = tomllib.loads(self._text)
        except tomllib.TOMLDecodeError as error:
            raise self._not_toml(str(error)) from error

    def _not_toml(self, why: str) -> UsageError:
        return UsageError(f"the configuration {self._shown} is not TOML: {why}", hint="see https://toml.io/")

    def read(self, place: tuple[str, ...]) -> Config:
        """Read the table at a place; without it there are no limits."""
        table: object = self._tables
        for depth, name in enumerate(place):
            table = self._table(table, place[:depth]).get(name, {})
        general = dict(self._table(table, place))
        channels = self._table(general.pop(_CHANNELS, {}), (*place, _CHANNELS))
        return Config(
            self._limits(general, place),
            dict(self._channels(channels, (*place, _CHANNELS))),
        )

    def _channels(self, tables: Mapping[str, object], place: tuple[str, ...]) -> Iterator[tuple[str, Limits]]:
        seen: dict[str, str] = {}
        for name, table in tables.items():
            here = (*place, name)
            try:
                ref = Channel.parse(name).ref
            except UsageError as error:
                raise self._mistake(here, error.message, hint=error.hint) from error
            if ref in seen:
                why = f"this is the same channel as {quoted(seen[ref])}, which has limits already"
                raise self._mistake(here, why, hint="keep one of the two")
            seen[ref] = name
            yield ref, self._limits(self._table(table, here), here)

    def _limits(self, table: Mapping[str, object], place: tuple[str, ...]) -> Limits:
        values: dict[str, Any] = {}
        for key, value in table.items():
            read = _READERS.get(key)
            if read is None:
                hint = f"the keys are {', '.join(_READERS)}, and {_CHANNELS} at the top"
                raise self._mistake(
                    (*place, key), f"there is no such setting (it is {_shown(value)})", hint=hint
                )
            try:
                values[key.replace("-", "_")] = read(value)
            except UsageError as error:
                raise self._mistake((*place, key), error.message, hint=error.hint) from error
        return Limits(**values)

    def _table(self, value: object, place: tuple[str, ...]) -> Mapping[str, object]:
        if isinstance(value, dict):
            return value
        hint = f"write it as a table, as in [{'.'.join(place)}]"
        raise self._mistake(place, f"{_shown(value)} is not a table", hint=hint)

    def _mistake(self, place: Sequence[str], what: str, *, hint: str) -> UsageError:
        line = _line_of(self._text, tuple(place))
        key = ".".join(quoted(part)[1:-1] for part in place)
        return UsageError(f"{self._shown} line {line}: {key}: {what}", hint=hint)


def _read_duration(value: object) -> timedelta:
    if not isinstance(value, str):
        raise UsageError(
            f"{_shown(value)} is not a duration", hint='a duration is text, such as "24h", "14d" or "1h30m"'
        )
    return parse_duration(value)


def _read_names(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise UsageError(f"{_shown(value)} is not a list of names", hint='write ["latest-ci.txt"]')
    return tuple(parse_marker_name(each) for each in value)


_READERS: Mapping[str, Callable[[object], object]] = {
    "max-lag": _read_duration,
    "max-build-age": _read_duration,
    "build-sla": _read_duration,
    "ignored-markers": _read_names,
}


def _shown(value: object) -> str:
    return quoted(value) if isinstance(value, str) else quoted(repr(value))[1:-1]


# --------------------------------------------------------------------------------------------------
# Where in the text


_HEADER = re.compile(r"\s*(\[+[^\]\n]+\]+)\s*(?:#.*)?")
_KEY = re.compile(r"""\s*((?:[A-Za-z0-9_.\s-]|"[^"\n]*"|'[^'\n]*')+?)\s*=""")


def _line_of(text: str, place: tuple[str, ...]) -> int:
    """Return the line, counted from 1, on which a key stands, or the nearest thing around it."""
    best, line = 0, 1
    table: tuple[str, ...] = ()
    for number, content in enumerate(text.splitlines(), start=1):
        header, key = _HEADER.fullmatch(content), _KEY.match(content)
        if header is not None:
            here = table = _path_of(header[1].strip("[]"))
        elif key is not None:
            here = (*table, *_path_of(key[1]))
        else:
            continue
        if best < len(here) and here == place[: len(here)]:
            best, line = len(here), number
    return line


def _path_of(dotted: str) -> tuple[str, ...]:
    """Split a dotted key by TOML's own rules, quotes and all."""
    try:
        value: object = tomllib.loads(f"{dotted} = 0")
    except tomllib.TOMLDecodeError:  # a line of a text of several lines, say
        return ()
    path = []
    while isinstance(value, dict):
        ((name, value),) = value.items()
        path.append(name)
    return tuple(path)
