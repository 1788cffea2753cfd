"""The output of commands: the two streams, how much is written, and the boundary for errors.

The answer alone goes to standard output, everything else to standard error (DESIGN section 9). `Command`
and `Group` are click's, with one difference: whatever a command raises becomes ``ERROR`` and ``hint:`` lines
and an exit status, never a traceback.

This module must not know what any command does.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any, TextIO

import click

from kopsversion.errors import KopsVersionError, quoted
from kopsversion.model.program import MADE_BY

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from kopsversion.model.answer import Condition
    from kopsversion.model.tables import Table

__all__ = [
    "BROKEN_PIPE",
    "DEGRADED",
    "INTERRUPTED",
    "UNFORESEEN",
    "Command",
    "Console",
    "Group",
    "OutputError",
    "abandon",
    "command",
    "is_rich",
    "is_terminal",
    "toolbox",
    "version_text",
    "wants_colour",
]

DEGRADED = 3
"""Answered, but ``--strict`` or ``check`` found something wrong (DESIGN section 9)."""
UNFORESEEN = 70
"""A defect of kopsversion itself: ``EX_SOFTWARE`` of sysexits.h."""
INTERRUPTED = 130
"""The exit status of a program that SIGINT ended."""
BROKEN_PIPE = 141
"""The exit status of a program that SIGPIPE ended."""

_CLEARED_LINE = "\r\x1b[K"


FailureOutput = Callable[[Sequence[str], int], str]
"""Makes what goes to standard output after a failure, of the arguments and the exit status."""


class OutputError(KopsVersionError):
    """There is an answer, and it cannot be written where it belongs."""

    # EX_IOERR of sysexits.h: not 1, which would mean to a script that there is no testable build.
    exit_code = 74


class Console:
    """The streams of one run, and how much is written to them.

    Attributes:
        quiet: write no conditions.
        verbosity: 1 also writes info and requests, 2 shows the traceback of a defect.
    """

    def __init__(self) -> None:
        self.quiet = False
        self.verbosity = 0

    def answer(self, text: str) -> None:
        """Write the answer, as it is, to standard output.

        Raises:
            OutputError: it cannot be written there.
        """
        if sys.stdout is None:
            raise OutputError("standard output is closed, so the answer has nowhere to go")
        try:
            sys.stdout.write(text)
            sys.stdout.flush()
        except BrokenPipeError:
            raise
        except (OSError, UnicodeEncodeError) as error:
            abandon(sys.stdout)
            reason = error.strerror if isinstance(error, OSError) else f"not text in {error.encoding}"
            raise OutputError(
                f"the answer could not be written to standard output: {reason}",
                hint="check where standard output goes, and its encoding (PYTHONIOENCODING=utf-8)",
            ) from error

    def tell(self, line: str) -> None:
        """Write a line to standard error."""
        from kopsversion.model.tables import printable

        _say(f"{printable(line)}\n")

    def log(self, severity: str, message: str) -> None:
        """Write a message to standard error: warnings and errors unless quiet, info when verbose.

        Parameters:
            severity: ``info``, ``warning`` or ``error``.
            message: one line, in which what is not printable is escaped.

        Where standard error is no terminal the line has klog's header, like the other lines of a Prow job. The last
        lines of a command that failed, ``ERROR`` and ``hint:``, have none: they are for people.
        """
        if self.quiet or (severity == "info" and not self.verbosity):
            return
        line = f"{severity.upper()} {message}"
        if sys.stderr is None or sys.stderr.isatty():
            self.tell(line)
            return

        file, line_number = _origin_of_call()
        moment = datetime.now().astimezone()
        self.tell(
            klog_line(severity, line, moment=moment, process=os.getpid(), file=file, line_number=line_number)
        )

    def annotate(self, lines: Iterable[str]) -> None:
        """Write lines of which GitHub Actions makes annotations to standard error, unless quiet."""
        for line in lines if not self.quiet else ():
            self.tell(line)

    def note(self, message: str) -> None:
        """Write a message of severity info."""
        self.log("info", message)

    def conditions(self, conditions: Iterable[Condition]) -> None:
        """Write conditions by line: warnings and errors unless quiet; info, and what only follows, when verbose."""
        for severity, text in _by_cause(conditions, is_whole=self.verbosity > 0):
            self.log(severity, text)

    @contextmanager
    def progress(self, title: str) -> Iterator[Callable[[int, int], None] | None]:
        """Show how far something has come while the block runs, on a terminal only.

        The block gets a function to call with the bytes done and those in all, or ``None``.
        """
        if self.quiet or not is_rich(sys.stderr):
            yield None
            return
        from kopsversion.cli.progress import shown

        with shown(title) as tell:
            yield tell

    @contextmanager
    def steps(self) -> Iterator[Callable[[str], None]]:
        """Show what is done now while the block runs: in a line that is removed at the end, on a terminal only.

        When verbose, in lines that stay, wherever standard error goes. The block gets a function to call with the text.
        """
        if self.quiet or not (self.verbosity or is_rich(sys.stderr)):
            yield lambda _what: None
        elif self.verbosity:
            yield lambda what: self.tell(f"… {what}")
        else:
            from kopsversion.cli.progress import step_shown

            with step_shown() as tell:
                yield tell

    @contextmanager
    def waiting(self) -> Iterator[Callable[[str], None]]:
        """Show what is waited for, as `steps` does, but without rich, which takes longer to load than most answers."""
        if self.quiet or self.verbosity or not is_rich(sys.stderr):
            with self.steps() as tell:
                yield tell
            return
        from kopsversion.model.tables import printable

        try:
            yield lambda what: _say(f"{_CLEARED_LINE}… {printable(what)}")
        finally:
            _say(_CLEARED_LINE)

    @contextmanager
    def requests_shown(self) -> Iterator[None]:
        """Write a line for each request to a bucket while the block runs, when verbose."""
        if not self.verbosity:
            yield
            return
        from kopsversion.cli.tracing import requests_shown

        with requests_shown(lambda what: self.tell(f"… {what}")):
            yield

    def show(self, tables: Sequence[Table]) -> None:
        """Write tables to standard error, with colour and lines on a terminal."""
        _say(_laid_out(tables, sys.stderr))

    def answer_tables(
        self, tables: Sequence[Table], *, is_wide: bool = False, first: tuple[str, str] | None = None
    ) -> None:
        """Write tables to standard output: on a terminal such that they fit, elsewhere one row in each line.

        Parameters:
            tables: what to show.
            is_wide: whether every column stays on a terminal too.
            first: a sentence that comes first on a terminal, and the state that gives it its colour.
        """
        begin = ""
        if first is not None and is_terminal(sys.stdout):
            from kopsversion.model.tables import printable
            from kopsversion.render.text import coloured

            sentence, state = first
            begin = f"{coloured(printable(sentence), state, has_colour=wants_colour(sys.stdout))}\n\n"
        self.answer(begin + _laid_out(tables, sys.stdout, is_wide=is_wide))


def _by_cause(conditions: Iterable[Condition], *, is_whole: bool) -> Iterator[tuple[str, str]]:
    """Yield the severity and the text of what is to be said, such that one cause is said once.

    What could not be listed shares a line; that therefore a marker is unverified adds nothing to it.

    Parameters:
        is_whole: whether each condition is said by itself instead.
    """
    from kopsversion.model.codes import Code

    told = [(str(each.severity), each.code, each.message) for each in conditions]
    unlisted = [
        text for severity, code, text in told if (severity, code) == ("warning", Code.LISTING_UNAVAILABLE)
    ]
    follows: set[tuple[str, str]] = set()
    if unlisted and not is_whole:
        yield "warning", f"{Code.LISTING_UNAVAILABLE}: {'; '.join(unlisted)}"
        follows = {("warning", Code.LISTING_UNAVAILABLE), ("warning", Code.MARKER_UNVERIFIED)}
    yield from (
        (severity, f"{code}: {text}") for severity, code, text in told if (severity, code) not in follows
    )


def _say(text: str) -> None:
    """Write to standard error; where that fails, as on a full disk, go on, so that the answer is not lost."""
    try:
        click.echo(text, err=True, nl=False)
    except BrokenPipeError:
        raise
    except OSError:
        abandon(sys.stderr)


def _origin_of_call() -> tuple[str, int]:
    """Return the file and line outside of this module from which a message comes."""
    frame = sys._getframe()  # noqa: SLF001 # logging finds its caller the same way
    while frame.f_back is not None and frame.f_code.co_filename == __file__:
        frame = frame.f_back
    return os.path.basename(frame.f_code.co_filename), frame.f_lineno  # noqa: PTH119 # text to text


def klog_line(
    severity: str, message: str, *, moment: datetime, process: int, file: str, line_number: int
) -> str:
    """Put klog's header before a message of one line.

    >>> from datetime import datetime
    >>> at = datetime(2024, 5, 6, 18, 0, 0, 42)
    >>> klog_line("warning", "no build", moment=at, process=7, file="cli.py", line_number=120)
    'W0506 18:00:00.000042       7 cli.py:120] no build'

    Parameters:
        severity: ``info``, ``warning`` or ``error``.
        message: the message.
        moment: when, in local time, as klog has it.
        process: the id of the process.
        file: the source file that it comes from.
        line_number: the line there.

    Source: https://github.com/kubernetes/klog, the comment on ``header``.
    """
    return f"{severity[0].upper()}{moment:%m%d %H:%M:%S.%f} {process:>7} {file}:{line_number}] {message}"


def _laid_out(tables: Sequence[Table], stream: TextIO | None, *, is_wide: bool = False) -> str:
    """Lay tables out for a stream: within the width of a terminal, and with colour where it is wanted."""
    has_colour = wants_colour(stream)
    if not is_terminal(stream) and not has_colour:
        from kopsversion.model.tables import plain

        return plain(tables)
    from kopsversion.render.text import decorated

    return decorated(tables, is_wide=is_wide or not is_terminal(stream), has_colour=has_colour)


def is_terminal(stream: TextIO | None) -> bool:
    """Tell whether a stream is a terminal, whatever it can show."""
    return stream is not None and stream.isatty()


def wants_colour(stream: TextIO | None) -> bool:
    """Tell whether a stream should have colours.

    ``NO_COLOR`` forbids them. ``FORCE_COLOR`` and ``CLICOLOR_FORCE`` ask for them wherever the stream goes, unless they
    are 0. An empty variable counts as not set. Otherwise a terminal that can show colours has them, unless
    ``CLICOLOR=0``.

    Source: https://no-color.org/, https://force-color.org/, https://bixense.com/clicolors/.
    """
    if stream is None or os.environ.get("NO_COLOR"):
        return False
    if any(os.environ.get(name, "0") not in {"", "0"} for name in ("FORCE_COLOR", "CLICOLOR_FORCE")):
        return True
    can_show = os.environ.get("TERM", "") not in {"", "dumb"} and os.environ.get("CLICOLOR") != "0"
    return can_show and stream.isatty()


def is_rich(stream: TextIO | None) -> bool:
    """Tell whether a stream is a terminal that can draw a line again and again."""
    if stream is None or os.environ.get("NO_COLOR") or os.environ.get("TERM", "") in {"", "dumb"}:
        return False
    return stream.isatty()


def abandon(stream: TextIO | None) -> None:
    """Redirect a broken stream to nowhere, so that the interpreter's last flush does not fail."""
    if stream is None:
        return
    with suppress(OSError, ValueError):  # a stream without a descriptor, or closed
        devnull = os.open(os.devnull, os.O_WRONLY)
        os.dup2(devnull, stream.fileno())
        os.close(devnull)


# --------------------------------------------------------------------------------------------------
# The boundary


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
        self.context_settings.setdefault("auto_envvar_prefix", "KOPSVERSION")
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
        try:
            with ctx.ensure_object(Console).requests_shown():
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
        _say(f"{error.format_message()}\n")
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
    name = error.param.name or ""
    if error.ctx.get_parameter_source(name) is not click.core.ParameterSource.ENVIRONMENT:
        return ""
    return f" (from {error.param.envvar or f'{error.ctx.auto_envvar_prefix}_{name.upper()}'})"


def _tell_unforeseen(error: Exception, *, console: Console) -> None:
    if console.verbosity > 1:
        import traceback

        _say("".join(traceback.format_exception(error)))
    said = f": {quoted(str(error))}" if str(error) else ""
    console.tell(
        f"ERROR kopsversion stopped at a defect of its own, {type(error).__name__}{said}; "
        "please report it with the command that you ran"
    )
    if console.verbosity <= 1:
        console.tell("hint: run the same command with -vv to add the traceback to the report")
