"""Suggestions for a mistyped command, option or value.

This module must not know what any of them does.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from kopsversion.model.suggest import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["meant_by", "message_of"]

_NOT_A_COMMAND = re.compile(r"No such command '(?P<typed>[^']*)'")
_NOT_A_CHOICE = re.compile(r"'(?P<typed>[^']*)' is not one of")


def message_of(error: click.ClickException) -> str:
    """Return what is wrong, without click's own guesses, many of which are far-fetched."""
    if isinstance(error, click.NoSuchOption):
        return f"No such option: {error.option_name}"
    message = error.format_message()
    command = _NOT_A_COMMAND.match(message)
    return f"{command[0]}." if command else message


def meant_by(error: click.ClickException) -> str:
    """Return the question "did you mean …?"; empty where nothing is close."""
    if not isinstance(error, click.UsageError) or error.ctx is None:
        return ""
    if isinstance(error, click.NoSuchOption):
        return did_you_mean(error.option_name, _options(error.ctx.command.get_params(error.ctx)))
    command = _NOT_A_COMMAND.match(error.format_message())
    if command and isinstance(error.ctx.command, click.Group):
        return did_you_mean(command["typed"], error.ctx.command.commands)
    param = error.param if isinstance(error, click.BadParameter) else None
    choice = _NOT_A_CHOICE.search(error.format_message())
    if choice and param is not None and isinstance(param.type, click.Choice):
        return did_you_mean(choice["typed"], map(str, param.type.choices))
    return ""


def _options(params: Iterable[click.Parameter]) -> Iterable[str]:
    return [
        name for param in params for name in (*param.opts, *param.secondary_opts) if name.startswith("--")
    ]
