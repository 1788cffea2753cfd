"""Completion in a shell: channels, platforms, outputs and markers.

Channels come from the state file if one is named, else from the store, which gets at most a second. Where anything goes
wrong nothing is completed, and no error is shown. This module must not know which command asks.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    import click

__all__ = ["Complete", "channels", "one_of"]

_SECONDS = 1.0
_ALWAYS = ("master", "latest")

if TYPE_CHECKING:
    Complete = Callable[[click.Context, click.Parameter, str], list[str]]
    """What click calls for the values that begin with the typed text."""


def one_of(values: Sequence[str]) -> Complete:
    """Complete fixed values."""
    return lambda _context, _param, typed: [each for each in values if each.startswith(typed)]


def channels(context: click.Context, _param: click.Parameter, typed: str) -> list[str]:
    """Complete channels: those that the state file has answers for, else those that have markers in the store."""
    try:
        state = context.params.get("state")
        found = _of_state(state) if state is not None else _of_store(context.params.get("store") or ())
    except Exception:  # completion has no place for errors
        found = ()
    return [each for each in dict.fromkeys((*_ALWAYS, *found)) if each.startswith(typed)]


def _of_state(path: Path) -> Iterable[str]:
    answers = json.loads(path.read_bytes())["answers"]
    return sorted(str(entry["answer"]["channel"]) for entry in answers)


def _of_store(places: Sequence[str]) -> Iterable[str]:
    from kopsversion.errors import UsageError
    from kopsversion.model import layout
    from kopsversion.model.channel import Channel
    from kopsversion.model.layout import DEFAULT_STORE
    from kopsversion.stores.deadline import Deadline
    from kopsversion.workflows.stores import borrowed

    with borrowed(places[0] if places else DEFAULT_STORE, deadline=Deadline(_SECONDS)) as store:
        prefixes = store.list(layout.MARKERS, delimiter="/").prefixes
    found = []
    for prefix in prefixes:
        try:
            found.append(Channel.parse(prefix.rstrip("/").rpartition("/")[2]).ref)
        except UsageError:  # tags have such directories too
            continue
    return found
