"""Limits, silences and links from a TOML file, for ``kopsversion check``.

    max-lag = "24h"                          # of every channel
    ignored-markers = ["latest-ci-old.txt"]

    [channels."release-1.27"]                # of this one
    max-build-age = "365d"

    [[silence]]                              # a finding that is known, and does not count for a while
    channel = "release-1.27"
    code = "builds-old"
    until = 2026-12-31
    reason = "the last release of 1.27 is out"

    [links]                                  # where the page leads
    contact = "https://kubernetes.slack.com/messages/kops-dev/"
    [writers."e2e-kops-pipeline-updown-kops-137"]   # the job that writes a marker
    marker = "latest-ci-updown-green.txt"
    branch = "release-1.37"                  # without it, of every branch
    interval = "1h"                          # without it, it runs on every merge
    formerly = ["its-name-before"]

The same keys may be under ``[tool.kopsversion]`` in a ``pyproject.toml``. A mistake is reported with its line, key and
value. This module must not know what a limit is for, and reads no other file.
"""

from __future__ import annotations

import re
import tomllib
from datetime import UTC, date, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import Factory, evolve, field

from kopsversion.cli.options import parse_duration, parse_marker_name, parse_positive_duration
from kopsversion.errors import UsageError, quoted
from kopsversion.model.channel import Channel
from kopsversion.model.runs import check_job_name
from kopsversion.model.silence import LONGEST_SILENCE, Silence
from kopsversion.model.suggest import did_you_mean
from kopsversion.model.tables import printable
from kopsversion.model.values import frozen
from kopsversion.model.writers import DEFAULT_WRITERS, Writer
from kopsversion.render.links import PLACES, Links, check_template
from kopsversion.rules.catalogue import CATALOGUE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import timedelta
    from pathlib import Path

    from kopsversion.model.policy import Policy

__all__ = ["KEYS", "PROJECT_FILE", "Config", "Limits", "read_config", "read_project_config"]

PROJECT_FILE = "pyproject.toml"
_PROJECT_TABLE = ("tool", "kopsversion")
_CHANNELS = "channels"
_SILENCE = "silence"
_LINKS = "links"
_INTERVAL = "interval"
_WRITERS = "writers"
_AT_THE_TOP = (_CHANNELS, _SILENCE, _LINKS, _INTERVAL, _WRITERS)
_SILENCE_KEYS = ("channel", "code", "until", "reason")

T = TypeVar("T")


@frozen(kw_only=True)
class Limits:
    """The limits of a channel; ``None`` for one that is not set.

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
        limits: dict[str, Any] = {name: value for name, value in named.items() if value is not None}
        return evolve(policy, reported=tuple(ignored), **limits)


@frozen(kw_only=True)
class Config:
    """The configuration of ``check`` and ``jobs``.

    Attributes:
        general: limits of all channels.
        channels: limits of one channel, by ref; they win over the general ones.
        silences: findings that do not count for a while.
        links: where the page leads.
        interval: how often the check runs; ``None`` where it is not set.
        writers: jobs that replace kops' own writers of markers, or are added to them.
    """

    general: Limits = field(factory=Limits)
    channels: Mapping[str, Limits] = Factory(dict)
    silences: tuple[Silence, ...] = ()
    links: Links = field(factory=Links)
    interval: timedelta | None = None
    writers: tuple[Writer, ...] = ()

    @property
    def named(self) -> tuple[str, ...]:
        """The refs that have limits or silences."""
        return tuple(dict.fromkeys((*self.channels, *(silence.channel for silence in self.silences))))

    def policy_of(self, channel: Channel, policy: Policy) -> Policy:
        """Return a channel's policy.

        Parameters:
            channel: the channel.
            policy: the policy where the configuration sets nothing.
        """
        own = self.channels.get(channel.ref, Limits())
        return own.applied(self.general.applied(policy))


def read_config(path: Path, *, today: date | None = None) -> Config:
    """Read a configuration file.

    Parameters:
        path: the file.
        today: the day from which the end of a silence is counted; ``None`` for the present one, in UTC.

    Raises:
        UsageError: it cannot be read, or a setting in it is not valid.
    """
    return _Reader(path, today=today).read(())


def read_project_config(directory: Path, *, today: date | None = None) -> Config:
    """Read ``[tool.kopsversion]`` of the ``pyproject.toml`` in a directory; without it there are no limits.

    Raises:
        UsageError: as `read_config`.
    """
    path = directory / PROJECT_FILE
    return _Reader(path, today=today).read(_PROJECT_TABLE) if path.is_file() else Config()


class _Reader:
    """Reads one file, and finds the line of a mistake in it.

    Parameters:
        path: the file.
        today: the present day.
    """

    def __init__(self, path: Path, *, today: date | None) -> None:
        self._shown = quoted(str(path))
        self._today = today or datetime.now(UTC).date()
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
        silences = self._silences(general.pop(_SILENCE, []), (*place, _SILENCE))
        links = self._links(self._table(general.pop(_LINKS, {}), (*place, _LINKS)), (*place, _LINKS))
        writers = self._table(general.pop(_WRITERS, {}), (*place, _WRITERS))
        interval = general.pop(_INTERVAL, None)
        return Config(
            general=self._limits(general, place),
            channels=dict(self._channels(channels, (*place, _CHANNELS))),
            silences=tuple(silences),
            links=links,
            interval=None if interval is None else self._value((*place, _INTERVAL), _read_interval, interval),
            writers=tuple(self._writers(writers, (*place, _WRITERS))),
        )

    def _writers(self, tables: Mapping[str, object], place: tuple[str, ...]) -> Iterator[Writer]:
        for name, table in tables.items():
            here = (*place, name)
            said = self._values(self._table(table, here), here, readers=_WRITER_READERS)
            job = self._value(here, _text_reader(check_job_name), name)
            known = next((writer for writer in DEFAULT_WRITERS if job in writer.jobs), None)
            formerly = said.pop("formerly", known.jobs if known else ())
            jobs = tuple(dict.fromkeys((job, *formerly)))
            if known is not None:
                yield evolve(known, jobs=jobs, **said)
            elif "marker" in said:
                yield Writer(jobs=jobs, **said)
            else:
                hint = 'say which marker it writes, as in marker = "latest-ci-updown-green.txt"'
                raise self._mistake(here, "it writes no marker", hint=hint)

    def _channels(self, tables: Mapping[str, object], place: tuple[str, ...]) -> Iterator[tuple[str, Limits]]:
        seen: dict[str, str] = {}
        for name, table in tables.items():
            here = (*place, name)
            try:
                ref = Channel.parse(name).ref
            except UsageError as error:
                raise self._mistake(
                    here, error.message, hint=_with_quotes(error.hint, name, table)
                ) from error
            if ref in seen:
                why = f"this is the same channel as {quoted(seen[ref])}, which has limits already"
                raise self._mistake(here, why, hint="keep one of the two")
            seen[ref] = name
            yield ref, self._limits(self._table(table, here), here)

    def _limits(self, table: Mapping[str, object], place: tuple[str, ...]) -> Limits:
        return Limits(**self._values(table, place, readers=_READERS, also=_AT_THE_TOP))

    def _values(
        self,
        table: Mapping[str, object],
        place: tuple[str, ...],
        *,
        readers: Mapping[str, Callable[[object], object]],
        also: Sequence[str] = (),
    ) -> dict[str, Any]:
        """Read each value of a table by the reader of its key."""
        values: dict[str, Any] = {}
        for key, value in table.items():
            read = readers.get(key)
            if read is None:
                raise self._unknown((*place, key), value, known=readers, also=also)
            values[key.replace("-", "_")] = self._value((*place, key), read, value)
        return values

    def _value(self, place: tuple[str, ...], read: Callable[[object], T], value: object) -> T:
        """Read a value; a mistake in it is reported with its place."""
        try:
            return read(value)
        except UsageError as error:
            raise self._mistake(place, error.message, hint=error.hint) from error

    def _unknown(
        self, place: tuple[str, ...], value: object, *, known: Iterable[str], also: Sequence[str] = ()
    ) -> UsageError:
        keys = list(known)
        at_the_top = f", and {', '.join(also)} at the top" if also else ""
        meant = did_you_mean(place[-1], (*keys, *also))
        hint = f"{meant} " if meant else ""
        return self._mistake(
            place,
            f"there is no such setting (it is {_shown(value)})",
            hint=f"{hint}the keys are {', '.join(keys)}{at_the_top}",
        )

    def _silences(self, value: object, place: tuple[str, ...]) -> Iterator[Silence]:
        if not isinstance(value, list):
            raise self._mistake(place, f"{_shown(value)} is not a list of tables", hint="write [[silence]]")
        for number, entry in enumerate(value, start=1):
            here = (*place, str(number))
            table = self._table(entry, here)
            for key in table:
                if key not in _SILENCE_KEYS:
                    raise self._unknown((*here, key), table[key], known=_SILENCE_KEYS)
            for key in _SILENCE_KEYS:
                if key not in table:
                    raise self._mistake(here, f"there is no {key}", hint=f"it has {', '.join(_SILENCE_KEYS)}")
            yield Silence(
                channel=self._value((*here, "channel"), _read_ref, table["channel"]),
                code=self._value((*here, "code"), _read_code, table["code"]),
                until=self._value((*here, "until"), self._read_until, table["until"]),
                reason=self._value((*here, "reason"), _read_reason, table["reason"]),
            )

    def _read_until(self, value: object) -> date:
        if not isinstance(value, date) or isinstance(value, datetime):
            raise UsageError(
                f"{_shown(value)} is not a day", hint="write a day without quotes: until = 2026-12-31"
            )
        if value - self._today > LONGEST_SILENCE:
            raise UsageError(
                f"{value.isoformat()} is more than {LONGEST_SILENCE.days} days ahead",
                hint=f"the latest day is {(self._today + LONGEST_SILENCE).isoformat()}; renew it then",
            )
        return value

    def _links(self, table: Mapping[str, object], place: tuple[str, ...]) -> Links:
        known = {name.replace("_", "-"): name for name in PLACES}
        values: dict[str, str] = {}
        for key, value in table.items():
            if key not in known:
                raise self._unknown((*place, key), value, known=known)
            values[known[key]] = self._value((*place, key), partial(_read_template, known[key]), value)
        return Links(**values)

    def _table(self, value: object, place: tuple[str, ...]) -> Mapping[str, object]:
        if isinstance(value, dict):
            return value
        hint = f"write it as a table, as in [{_toml_key(place)}]"
        raise self._mistake(place, f"{_shown(value)} is not a table", hint=hint)

    def _mistake(self, place: Sequence[str], what: str, *, hint: str) -> UsageError:
        line = _line_of(self._text, tuple(place))
        key = _toml_key(place)
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


def _read_interval(value: object) -> timedelta:
    interval = _read_duration(value)
    if not interval:
        raise UsageError(f"{_shown(value)} is not an interval", hint='write how often the check runs: "1h"')
    return interval


def _read_text(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise UsageError(f"{_shown(value)} is not text", hint="write text in quotes")
    return value.strip()


def _read_ref(value: object) -> str:
    return Channel.parse(_read_text(value)).ref


def _read_code(value: object) -> str:
    code = _read_text(value)
    if code not in CATALOGUE:
        meant = did_you_mean(code, CATALOGUE)
        raise UsageError(
            f"{quoted(code)} is not the code of a finding",
            hint=meant or "docs/reference/conditions.md has them all",
        )
    return code


def _read_reason(value: object) -> str:
    return printable(_read_text(value))


def _read_template(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise UsageError(f"{_shown(value)} is not text", hint='write a URL in quotes, or "" for no link')
    return check_template(name, value)


_READERS: Mapping[str, Callable[[object], object]] = {
    "max-lag": _read_duration,
    "max-build-age": _read_duration,
    "build-sla": _read_duration,
    "ignored-markers": _read_names,
}


def _text_reader(read: Callable[[str], T]) -> Callable[[object], T]:
    def reader(value: object) -> T:
        if not isinstance(value, str):
            raise UsageError(f"{_shown(value)} is not text", hint="write it in quotes")
        return read(value)

    return reader


def _read_jobs(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise UsageError(f"{_shown(value)} is not a list of names", hint='write ["its-name-before"]')
    return tuple(check_job_name(each) for each in value)


_WRITER_READERS: Mapping[str, Callable[[object], object]] = {
    "marker": _text_reader(parse_marker_name),
    "branch": _text_reader(lambda text: Channel.parse(text).ref),
    "interval": _text_reader(parse_positive_duration),
    "timeout": _text_reader(parse_positive_duration),
    "formerly": _read_jobs,
}


KEYS: Mapping[str, tuple[str, ...]] = {
    "": (*_READERS, _INTERVAL),
    '[channels."REF"]': tuple(_READERS),
    "[[silence]]": _SILENCE_KEYS,
    "[links]": tuple(name.replace("_", "-") for name in PLACES),
    '[writers."JOB"]': tuple(_WRITER_READERS),
}
"""By table, as a file names it: the keys that may stand there. The reference page is made of it."""


def _shown(value: object) -> str:
    if isinstance(value, date):
        return value.isoformat()
    return quoted(value) if isinstance(value, str) else quoted(repr(value))[1:-1]


# --------------------------------------------------------------------------------------------------
# Where in the text


def _toml_key(place: Iterable[str]) -> str:
    """Write a dotted key as TOML wants it: a part that has a dot itself in quotes (FAILURES row 48)."""
    shown = (quoted(part)[1:-1] for part in place)
    return ".".join(f'"{part}"' if "." in part else part for part in shown)


def _with_quotes(hint: str, name: str, table: object) -> str:
    """Return a hint on how a name with a dot is written, where TOML has read it as a table in a table."""
    while isinstance(table, dict) and len(table) == 1:
        ((inner, table),) = table.items()
        name = f"{name}.{inner}"
        try:
            Channel.parse(name)
        except UsageError:
            continue
        return f"a name with a dot is quoted: [{_toml_key((_CHANNELS, name))}]"
    return hint


_HEADER = re.compile(r"\s*(\[+[^\]\n]+\]+)\s*(?:#.*)?")
_KEY = re.compile(r"""\s*((?:[A-Za-z0-9_.\s-]|"[^"\n]*"|'[^'\n]*')+?)\s*=""")


def _line_of(text: str, place: tuple[str, ...]) -> int:
    """Return the line, counted from 1, of a key, or of the innermost table around it that is found."""
    best, line = 0, 1
    table: tuple[str, ...] = ()
    tables_of: dict[tuple[str, ...], int] = {}
    for number, content in enumerate(text.splitlines(), start=1):
        header, key = _HEADER.fullmatch(content), _KEY.match(content)
        if header is not None:
            here = _path_of(header[1].strip("[]"))
            if header[1].startswith("[["):  # one of several tables of the same name, counted from 1
                tables_of[here] = tables_of.get(here, 0) + 1
                here = (*here, str(tables_of[here]))
            table = here
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
