"""Suggestions for a mistyped command, option, value or environment variable.

This module must not know what any of them does.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from kopsversion.errors import quoted
from kopsversion.model.suggest import closest, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["meant_by", "message_of", "variable_of", "variables_meant_by"]

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


def variable_of(option: click.Parameter, context: click.Context) -> str:
    """Return the name of the environment variable that sets an option; empty where none does."""
    if option.envvar is not None:
        return str(option.envvar)
    if not isinstance(option, click.Option) or not option.allow_from_autoenv or not option.name:
        return ""
    return f"{context.auto_envvar_prefix}_{option.name.upper()}"


def variables_meant_by(names: Iterable[str], context: click.Context) -> Sequence[str]:
    """Say of environment variables that no option reads them, where an option's variable has nearly that name.

    Where none has, a variable is somebody else's, and nothing is said.

    Parameters:
        names: variables that are set, and begin with the prefix.
        context: of the command that is about to run.
    """
    prefix = f"{context.auto_envvar_prefix}_"
    known = {variable_of(option, context) for option in context.command.get_params(context)}
    ends = [name.removeprefix(prefix) for name in known if name]
    unread = sorted(set(names) - known)
    meant = {name: closest(name.removeprefix(prefix), ends) for name in unread}
    return [
        f"{quoted(name)} is set, and no option reads it; did you mean {prefix}{end}?"
        for name, end in meant.items()
        if end is not None
    ]
