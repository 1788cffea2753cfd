"""Checks the arguments of public functions before they are used, since not every harness has a type checker.

An argument of the wrong type is a `UsageError` that names it. This module must not know which function is called.
"""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from kopsversion.errors import UsageError, quoted
from kopsversion.model.channel import Channel
from kopsversion.model.checking import checked, elements, wrong_argument
from kopsversion.model.layout import read_selector
from kopsversion.model.version import BuildVersion

__all__ = [
    "channel_of",
    "checked",
    "count_of",
    "elements",
    "file_of",
    "flag_of",
    "function_of",
    "path_of",
    "selector_text",
    "span_of",
    "wrong_argument",
]

Function = TypeVar("Function")


def selector_text(name: str, value: object) -> str:
    """Return what is asked for as text; it is given as text, as a channel or as a version.

    Raises:
        UsageError: it is none of these.
    """
    if isinstance(value, str | Channel | BuildVersion):
        return str(value)
    raise wrong_argument(name, value, wanted="a channel or version, as text, Channel or BuildVersion")


def channel_of(name: str, value: object) -> Channel:
    """Return a channel that is given as such, or as text.

    Raises:
        UsageError: it is neither, or its text names no channel.
    """
    if isinstance(value, Channel):
        return value
    text = checked(name, value, str, wanted="a channel, as text or Channel")
    channel = read_selector(text).channel
    if channel is None:
        raise UsageError(
            f"{name} is {quoted(text)}, a version", hint="name a channel such as master or release-1.30"
        )
    return channel


def span_of(name: str, value: object) -> timedelta:
    """Return a duration that is given as such, or as seconds.

    Raises:
        UsageError: it is neither, or below 0, or longer than a calendar holds.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            value = timedelta(seconds=value)
        except (OverflowError, ValueError) as error:  # ValueError: not a number
            raise wrong_argument(name, value, wanted="a timedelta, or seconds") from error
    span = checked(name, value, timedelta, wanted="a timedelta, or seconds")
    if span < timedelta():
        raise UsageError(f"{name} is {span.total_seconds():g} s", hint="give a duration of 0 or more")
    return span


def path_of(name: str, value: object) -> Path:
    """Return a path that is given as such, or as text.

    Raises:
        UsageError: it is neither.
    """
    path = os.fspath(value) if isinstance(value, os.PathLike) else value
    if not isinstance(path, str):
        raise wrong_argument(name, value, wanted="a pathlib.Path")
    return Path(path)


def file_of(name: str, value: object) -> Path:
    """Return the place of a file, as a path or its text: it ends in the name of one.

    Raises:
        UsageError: it is neither, or names a directory.
    """
    path = path_of(name, value)
    if path.name in {"", ".."}:
        raise UsageError(f"{name} is {quoted(str(path))}, which is a directory", hint="name a file")
    return path


def flag_of(name: str, value: object) -> bool:
    """Return a yes or no; a text such as ``"no"`` would be taken for a yes.

    Raises:
        UsageError: it is neither.
    """
    return checked(name, value, bool, wanted="True or False")


def function_of(name: str, value: Function) -> Function:
    """Return a function that the caller gives, before anything is asked.

    Raises:
        UsageError: it cannot be called.
    """
    if not callable(value):
        raise wrong_argument(name, value, wanted="a function")
    return value


def count_of(name: str, value: object) -> int | None:
    """Return a number of things; ``None`` for all of them, which 0 and ``None`` mean.

    Raises:
        UsageError: it is not a number, or below 0.
    """
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool):
        raise wrong_argument(name, value, wanted="a number, or None for all of them")
    if value < 0:
        raise UsageError(f"{name} is {value}", hint="give a number of builds, or 0 or None for all of them")
    return value or None
