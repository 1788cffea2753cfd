"""The output of commands: the two streams, and how much is written to them.

The answer alone goes to standard output, everything else to standard error (DESIGN section 9). This module must not
know what any command does.
"""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import TYPE_CHECKING, TextIO

import click

from kopsversion.errors import KopsVersionError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from kopsversion.model.answer import Condition
    from kopsversion.model.tables import Table

__all__ = [
    "Console",
    "OutputError",
    "abandon",
    "is_rich",
    "is_terminal",
    "say",
    "wants_colour",
]

_CLEARED_LINE = "\r\x1b[K"


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

        say(f"{printable(line)}\n")

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
            yield lambda what: say(f"{_CLEARED_LINE}… {printable(what)}")
        finally:
            say(_CLEARED_LINE)

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
        say(_laid_out(tables, sys.stderr))

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


def say(text: str) -> None:
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
