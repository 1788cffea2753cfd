"""What every command is made of: its help, ``-v``, ``-q``, ``-h`` and ``--version``, and the boundary for errors.

`Command` and `Group` are click's, with one difference: whatever a command raises becomes ``ERROR`` and ``hint:`` lines
and an exit status, never a traceback (DESIGN section 9). This module must not know what any command does.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import click

from kopsversion.cli.console import Console, OutputError, abandon, say
from kopsversion.errors import KopsVersionError, quoted
from kopsversion.model.program import MADE_BY

__all__ = [
    "BROKEN_PIPE",
    "DEGRADED",
    "INTERRUPTED",
    "UNFORESEEN",
    "Command",
    "Group",
    "command",
    "toolbox",
    "version_text",
]

DEGRADED = 3
"""Answered, but ``--strict`` or ``check`` found something wrong (DESIGN section 9)."""
UNFORESEEN = 70
"""A defect of kopsversion itself: ``EX_SOFTWARE`` of sysexits.h."""
INTERRUPTED = 130
"""The exit status of a program that SIGINT ended."""
BROKEN_PIPE = 141
"""The exit status of a program that SIGPIPE ended."""

_PREFIX = "KOPSVERSION"
"""How the names of the variables begin that set options."""

FailureOutput = Callable[[Sequence[str], int], str]
"""Makes what goes to standard output after a failure, of the arguments and the exit status."""


class _Boundary(click.Command):
    """A command that turns every exception into lines on standard error and an exit status.

    Parameters:
        sections: titles and texts that end its help.
    """

    def __init__(self, *arguments: Any, sections: Sequence[tuple[str, str]] = (), **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.sections = tuple(sections)
        self.on_failure: FailureOutput | None = None
        # The prefix is set on every command: "kopsversion resolve" then reads the same variables as
        # "resolve-latest" (KOPSVERSION_STORE, not KOPSVERSION_RESOLVE_STORE).
        self.context_settings.setdefault("auto_envvar_prefix", _PREFIX)
        self.context_settings.setdefault("max_content_width", 80)

    def main(self, *arguments: Any, standalone_mode: bool = True, **extra: Any) -> Any:
        """Run the command and exit; with ``standalone_mode=False`` return or raise what it does."""
        console = extra.setdefault("obj", Console())
        run: Callable[..., Any] = super().main  # its overloads do not take a tuple of unknown length
        if not standalone_mode:
            return run(*arguments, standalone_mode=False, **extra)
        given = arguments[0] if arguments else extra.get("args")
        words = sys.argv[1:] if given is None else list(given)
        status = _guarded(lambda: run(*arguments, standalone_mode=False, **extra), console=console)
        if status:
            _end_with(self.failure_output(words, status), console=console)
        sys.exit(status)

    def failure_output(self, words: Sequence[str], status: int) -> str:
        """Return what goes to standard output after a failure; mostly nothing.

        Parameters:
            words: the arguments.
            status: the exit status, which is not 0.
        """
        return self.on_failure(words, status) if self.on_failure is not None else ""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command's function; a reader that has gone away is no error."""
        console = ctx.ensure_object(Console)
        try:
            for message in () if isinstance(self, click.Group) else _misspelt_variables(ctx):
                console.log("warning", message)
            with console.requests_shown():
                return super().invoke(ctx)
        except BrokenPipeError:
            # Before click sees it, whose exit status for this is 1: "no testable build".
            return BROKEN_PIPE

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options in groups, and the commands of a toolbox after them."""
        from kopsversion.cli.help_groups import grouped

        for title, records in grouped(self.get_params(ctx), ctx):
            with formatter.section(title):
                formatter.write_dl(records)
        if isinstance(self, click.Group):
            self.format_commands(ctx, formatter)

    def short_help_text(self, ctx: click.Context) -> str:
        """Return the short help, of one screen: how it is called, what it does, and the options that matter most."""
        from kopsversion.cli.help_groups import folded, shortened

        formatter = ctx.make_formatter()
        self.format_usage(ctx, formatter)
        self.format_help_text(ctx, formatter)
        shown, others = shortened(self.get_params(ctx), ctx)
        with formatter.section("Options"):
            formatter.write_dl(shown, col_max=20)
        if isinstance(self, click.Group):
            self.format_commands(ctx, formatter)
        rest = [*folded(f"Also:  {', '.join(others)}", formatter.width)] if others else []
        return "\n".join([formatter.getvalue(), *rest, f"The whole help: {ctx.command_path} --help\n"])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the sections, line by line; a line that is too long goes on below its second column."""
        from kopsversion.cli.help_groups import folded

        super().format_epilog(ctx, formatter)
        for title, text in self.sections:
            with formatter.section(title):
                for line in text.strip("\n").splitlines():
                    for part in folded(line, formatter.width - formatter.current_indent):
                        formatter.write(f"{'':>{formatter.current_indent}}{part}".rstrip() + "\n")


class Command(_Boundary):
    """A subcommand, or a script of its own."""


class Group(_Boundary, click.Group):
    """A toolbox of subcommands."""

    command_class = Command

    def failure_output(self, words: Sequence[str], status: int) -> str:
        """Return the output of the subcommand."""
        for position, word in enumerate(words):
            chosen = self.commands.get(word)
            if isinstance(chosen, _Boundary):
                return chosen.failure_output(words[position + 1 :], status)
        return ""


def _misspelt_variables(ctx: click.Context) -> Sequence[str]:
    """Say which environment variables were probably meant for an option: nobody reads them, and nobody would notice."""
    named = [name for name in os.environ if name.startswith(f"{_PREFIX}_")]
    if not named:
        return ()
    from kopsversion.cli.typos import variables_meant_by

    return variables_meant_by(named, ctx)


def _end_with(text: str, *, console: Console) -> None:
    """Write the output of a failure; where standard output is gone, there is only the exit status."""
    if text:
        with suppress(OutputError, BrokenPipeError):
            console.answer(text)


def command(
    name: str,
    *,
    sections: Sequence[tuple[str, str]] = (),
    on_failure: FailureOutput | None = None,
    **settings: Any,
) -> Callable[[Callable[..., int | None]], Command]:
    """Make a command of a function, which returns its exit status, or ``None`` for 0.

    The function is called with the run's `Console`, and with every option by keyword. The command has
    ``--help``, ``--version``, ``--quiet`` and ``--verbose`` beside its own options.

    Parameters:
        name: what it is called in the toolbox.
        sections: titles and texts that end its help.
        on_failure: makes what goes to standard output after a failure.
        settings: passed on to click; ``cls`` is a kind of `Command`.
    """
    settings.setdefault("cls", Command)

    def decorate(function: Callable[..., int | None]) -> Command:
        make: Callable[..., Any] = click.command(name, sections=sections, add_help_option=False, **settings)
        made: Command = make(click.pass_obj(function))
        made.on_failure = on_failure
        for add in (*_HOW_MUCH, *_ABOUT):
            add(made)
        return made

    return decorate


def toolbox(name: str, *, sections: Sequence[tuple[str, str]] = ()) -> Callable[[Callable[[], None]], Group]:
    """Make a group of a function, whose docstring is the group's help.

    Parameters:
        name: what it is called.
        sections: titles and texts that end its help.
    """

    def decorate(function: Callable[[], None]) -> Group:
        made: Group = click.group(name, cls=Group, sections=sections, add_help_option=False)(function)
        for add in _ABOUT:
            add(made)
        return made

    return decorate


def _set_quiet(context: click.Context, _: click.Parameter, value: bool) -> None:  # noqa: FBT001 # click's call
    context.ensure_object(Console).quiet = value


def _set_verbosity(context: click.Context, _: click.Parameter, value: int) -> None:
    context.ensure_object(Console).verbosity = value


def _show_version(context: click.Context, _: click.Parameter, wanted: bool) -> None:  # noqa: FBT001 # click's call
    if wanted and not context.resilient_parsing:
        context.ensure_object(Console).answer(version_text())
        context.exit()


def _installed(name: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def version_text() -> str:
    """Return the version of this program, and what it runs on, by line."""
    import platform

    return (
        f"{MADE_BY}\n"
        f"Python {platform.python_version()}, {platform.platform()}\n"
        f"google-cloud-storage {_installed('google-cloud-storage')}\n"
    )


def _show_short_help(context: click.Context, _: click.Parameter, wanted: bool) -> None:  # noqa: FBT001 # click's call
    if wanted and not context.resilient_parsing:
        assert isinstance(context.command, _Boundary)  # noqa: S101 # no other has the option
        context.ensure_object(Console).answer(context.command.short_help_text(context))
        context.exit()


# KOPSVERSION_VERSION and KOPSVERSION_HELP are not read: such a variable is likely to mean something else.
_ABOUT = (
    click.option(
        "--version",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        allow_from_autoenv=False,
        callback=_show_version,
        help="Show the version, and what it runs on, and exit.",
    ),
    click.option(
        "-h",
        "short_help",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        allow_from_autoenv=False,
        callback=_show_short_help,
        help="Show the short help and exit.",
    ),
    click.help_option("--help", allow_from_autoenv=False, help="Show the whole help and exit."),
)
_HOW_MUCH = (
    click.option(
        "-v",
        "--verbose",
        count=True,
        is_eager=True,
        expose_value=False,
        callback=_set_verbosity,
        help="Also show conditions that are only info, and each request with its status and time. "
        "-vv: show the traceback of a defect.",
    ),
    click.option(
        "-q",
        "--quiet",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_set_quiet,
        help="Show no conditions on standard error.",
    ),
)


def _guarded(run: Callable[[], Any], *, console: Console) -> int:
    """Run, write what is raised as messages, and return the exit status."""
    try:
        try:
            status = int(run() or 0)
        except click.Abort:
            status = INTERRUPTED
        except click.ClickException as error:
            status = error.exit_code
            _tell_usage(error, console=console)
        except KopsVersionError as error:
            status = error.exit_code
            _tell_error(error, console=console)
        except Exception as error:
            status = UNFORESEEN
            _tell_unforeseen(error, console=console)
    except BrokenPipeError:  # of standard error, while a message is written
        status = BROKEN_PIPE
    if status == BROKEN_PIPE:
        abandon(sys.stdout)
        abandon(sys.stderr)
    return status


def _tell_error(error: KopsVersionError, *, console: Console) -> None:
    console.tell(f"ERROR {error}")
    for reason in error.reasons:
        console.tell(f"  - {reason}")
    if error.hint:
        console.tell(f"hint: {error.hint}")


def _tell_usage(error: click.ClickException, *, console: Console) -> None:
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        say(f"{error.format_message()}\n")
        return
    from kopsversion.cli.typos import meant_by, message_of

    console.tell(f"ERROR {message_of(error)}{_origin(error)}")
    context = error.ctx if isinstance(error, click.UsageError) else None
    see = f"see {context.command_path} --help" if context else ""
    hint = getattr(error, "hint", "") or f"{meant_by(error)} {see}".strip()
    if hint:
        console.tell(f"hint: {hint}")


def _origin(error: click.ClickException) -> str:
    """Name the environment variable that a bad value came from."""
    if (
        not isinstance(error, click.BadParameter)
        or error.ctx is None
        or not isinstance(error.param, click.Option)
    ):
        return ""
    if error.ctx.get_parameter_source(error.param.name or "") is not click.core.ParameterSource.ENVIRONMENT:
        return ""
    from kopsversion.cli.typos import variable_of

    return f" (from {variable_of(error.param, error.ctx)})"


def _tell_unforeseen(error: Exception, *, console: Console) -> None:
    if console.verbosity > 1:
        import traceback

        say("".join(traceback.format_exception(error)))
    said = f": {quoted(str(error))}" if str(error) else ""
    console.tell(
        f"ERROR kopsversion stopped at a defect of its own, {type(error).__name__}{said}; "
        "please report it with the command that you ran"
    )
    if console.verbosity <= 1:
        console.tell("hint: run the same command with -vv to add the traceback to the report")
