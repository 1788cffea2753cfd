"""The groups of options in a help text, and the layout of its lines.

This module must not know what any option does.
"""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import click

__all__ = ["GROUPS", "folded", "grouped", "shortened"]

GROUPS: Mapping[str, tuple[str, ...]] = {
    "Choosing": (
        *("strategy", "marker", "nth", "on_stale", "max_lag", "max_build_age", "build_sla", "said_max_lag"),
        *("said_max_build_age", "said_build_sla", "platform", "settle", "exclude", "unpaired", "limit"),
        *("ignore_older", "config"),
    ),
    "Clone": ("repo", "ref", "git_cache"),
    "Files": (
        *(
            "pin",
            "lock",
            "from_lock",
            "fetch",
            "arch",
            "artifacts",
            "artifact",
            "state",
            "journal",
            "env_file",
        ),
        *("work", "keep", "directory"),
    ),
    "Stores and time": (
        *("store", "next_store_on", "credentials", "root_alias", "as_of", "timeout", "allow_cached"),
    ),
    "Jobs": ("jobs", "jobs_store", "results", "writer"),
    "Output": ("output", "outputs", "explain", "strict", "verbose", "quiet", "version", "short_help", "help"),
}
"""By title: the names of its options. Options that are in no group come first, under the title Options."""

_TITLES = {name: title for title, names in GROUPS.items() for name in names}
_FIRST_SENTENCE = re.compile(r".*?\.(?= [A-Z-]|$)")


_RARE = frozenset(
    {
        *("nth", "on_stale", "max_lag", "max_build_age", "build_sla", "said_max_lag", "said_max_build_age"),
        *("said_build_sla", "settle", "exclude", "unpaired", "ignore_older", "ref", "git_cache", "from_lock"),
        *("arch", "artifacts", "artifact", "state", "next_store_on", "credentials", "root_alias", "timeout"),
        *("allow_cached", "jobs", "jobs_store", "verbose", "version"),
    }
)
"""Options that the short help only names."""
_ALL_SHOWN = 10
"""With so many options, or fewer, a short help describes each."""


def grouped(
    params: Iterable[click.Parameter], context: click.Context
) -> Iterator[tuple[str, Sequence[tuple[str, str]]]]:
    """Yield each group that has options: its title, and its options with their help.

    Parameters:
        params: the parameters of a command.
        context: the command's context.
    """
    found: dict[str, list[tuple[str, str]]] = {title: [] for title in ("Options", *GROUPS)}
    for param, record in _records(params, context):
        found[_TITLES.get(param.name or "", "Options")].append(record)
    return ((title, records) for title, records in found.items() if records)


def shortened(
    params: Iterable[click.Parameter], context: click.Context
) -> tuple[Sequence[tuple[str, str]], Sequence[str]]:
    """Return the options that people use most, each with one sentence, and the names of the others.

    Parameters:
        params: the parameters of a command.
        context: the command's context.
    """
    order = [name for names in GROUPS.values() for name in names]
    records = sorted(
        _records(params, context),
        key=lambda each: order.index(each[0].name) if each[0].name in order else -1,
    )
    rare = _RARE if len(records) > _ALL_SHOWN else frozenset()
    return (
        [(names, _short(text)) for param, (names, text) in records if param.name not in rare],
        [max(param.opts, key=len) for param, _ in records if param.name in rare],
    )


def _records(
    params: Iterable[click.Parameter], context: click.Context
) -> Iterator[tuple[click.Parameter, tuple[str, str]]]:
    """Yield the options that a help shows, each with its names and its help."""
    for param in params:
        record = param.get_help_record(context) if param.param_type_name == "option" else None
        if record is not None:
            yield param, record


def _short(text: str) -> str:
    """Return the first sentence, without a reference to a section that the short help leaves out."""
    said = _FIRST_SENTENCE.match(text)
    return (said[0] if said else text).replace(", see below", "")


_COLUMNS = re.compile(r"(\S(?:.{0,40}?\S)?\s{2,})\S")


def folded(line: str, width: int) -> Sequence[str]:
    """Break a line of a help text between words; its rest is indented to the second column, if there are two.

    A line that begins with spaces is a command to copy, so it stays whole.

    Parameters:
        line: the line.
        width: characters that there is room for.
    """
    if len(line) <= width or line.startswith(" "):
        return [line]
    columns = _COLUMNS.match(line)
    indent = len(columns[1]) if columns and len(columns[1]) < width // 2 else 0
    return textwrap.wrap(
        line,
        width,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
        drop_whitespace=True,
    )
