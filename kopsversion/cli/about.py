"""The commands about kopsversion itself: ``help``, ``version`` and ``completion``.

They must not know what the other commands do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from kopsversion.cli.boundary import command, version_text
from kopsversion.errors import UsageError, quoted

if TYPE_CHECKING:
    from kopsversion.cli.console import Console

__all__ = ["completion", "show_help", "version"]

_PROGRAMS = {"kopsversion": "_KOPSVERSION_COMPLETE", "resolve-latest": "_RESOLVE_LATEST_COMPLETE"}


def _toolbox() -> tuple[click.Context, click.Group]:
    """Return the toolbox that the running command is in."""
    outer = click.get_current_context().parent
    assert outer is not None  # noqa: S101 # these are commands of the toolbox
    assert isinstance(outer.command, click.Group)  # noqa: S101 # the same
    return outer, outer.command


@command("help", short_help="Show the help of a command.")
@click.argument("name", metavar="[COMMAND]", required=False)
def show_help(console: Console, *, name: str | None) -> None:
    """Show the whole help of COMMAND; without it that of kopsversion."""
    from kopsversion.model.suggest import did_you_mean

    outer, group = _toolbox()
    if name is None:
        console.answer(f"{group.get_help(outer)}\n")
        return
    chosen = group.commands.get(name)
    if chosen is None:
        meant = did_you_mean(name, group.commands)
        known = f"the commands are {', '.join(group.commands)}"
        raise UsageError(f"{quoted(name)} is not a command", hint=f"{meant} {known}".strip())
    with click.Context(chosen, info_name=name, parent=outer) as context:
        console.answer(f"{chosen.get_help(context)}\n")


@command("version", short_help="Show the version, and what it runs on.")
def version(console: Console) -> None:
    """Show the version of kopsversion, and what it runs on."""
    console.answer(version_text())


@command(
    "completion",
    sections=(
        (
            "Examples",
            """
  eval "$(kopsversion completion bash)"      # in ~/.bashrc
  kopsversion completion fish > ~/.config/fish/completions/kopsversion.fish
""",
        ),
    ),
    short_help="Print the script by which a shell completes commands.",
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(console: Console, *, shell: str) -> None:
    """Print the script by which SHELL completes kopsversion and resolve-latest: commands, options and values."""
    from click.shell_completion import get_completion_class

    from kopsversion.cli.resolve import resolve

    _, tools = _toolbox()
    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101 # click has these three
    for (name, variable), program in zip(_PROGRAMS.items(), (tools, resolve), strict=True):
        source = kind(program, {}, name, variable)
        console.answer(f"{source.source_template % source.source_vars()}\n")
