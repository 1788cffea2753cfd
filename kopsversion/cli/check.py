"""``kopsversion check``: the command around `kopsversion.workflows.survey`.

It reads options and limits, passes the report to the outputs that were asked for, and chooses the exit status.
Everything heavy is imported when the command runs. This module must not know how a channel is judged, or what an
output looks like.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import partial
from importlib import import_module
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import click
from attrs import evolve

from kopsversion.cli.boundary import DEGRADED, command
from kopsversion.cli.complete import channels, one_of
from kopsversion.cli.console import OutputError, is_terminal
from kopsversion.cli.job_options import JOBS_HELP, jobs_options, jobs_question
from kopsversion.cli.options import DURATION, PROGRESS, Parsed, build_options, store_options
from kopsversion.errors import KopsVersionError, ResolutionError, StoreError, UsageError, quoted
from kopsversion.model.suggest import did_you_mean
from kopsversion.model.values import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from kopsversion.cli.config import Config, Limits
    from kopsversion.cli.console import Console
    from kopsversion.cli.job_options import JobsChoice
    from kopsversion.cli.options import StoreQuestion
    from kopsversion.model.channel import Channel
    from kopsversion.model.policy import Policy
    from kopsversion.rules.report import HealthReport

__all__ = ["FORMATS", "Output", "check", "parse_output"]

NOTHING_READ = StoreError.exit_code
"""The exit status where no channel could be read: that of a store that cannot be asked."""

TABLE = "table"
WIDE = "wide"
_TABLES = (TABLE, WIDE)
HTML = "html"
_WRITERS: Mapping[str, tuple[str, str]] = {
    "json": ("health_json", "health_to_json"),
    "junit": ("junit", "health_to_junit"),
    "testgrid": ("junit", "health_to_testgrid"),
    "prometheus": ("prometheus", "health_to_prometheus"),
    "markdown": ("markdown", "health_to_markdown"),
    HTML: ("html", "health_to_html"),
}
"""By format: the module of `kopsversion.render` that writes it, and its function from a report to text."""

FORMATS = (*_TABLES, *_WRITERS)

_EXTRA = {"jinja2", "markupsafe", "junitparser", "prometheus_client"}
"""The packages of the extra ``report``."""


@frozen
class Output:
    """One thing to write.

    Attributes:
        format: one of `FORMATS`.
        path: the file; ``None`` for standard output.
    """

    format: str
    path: Path | None = None


def parse_output(text: str) -> Output:
    """Read ``FORMAT`` or ``FORMAT=PATH``.

    Raises:
        UsageError: there is no such format, or the path is empty.
    """
    name, equals, path = text.partition("=")
    if name not in FORMATS:
        hint = f"{did_you_mean(name, FORMATS)} the formats are {', '.join(FORMATS)}".strip()
        raise UsageError(f"{quoted(name)} is not a format", hint=hint)
    if equals and not path:
        raise UsageError(f"{quoted(text)} names no file", hint=f"write {name}=FILE, or {name} alone")
    return Output(name, Path(path) if equals else None)


def _limit(name: str, *, text: str) -> Callable[[Callable[..., int]], Callable[..., int]]:
    variable = name.replace("-", "_")
    return click.option(
        f"--{name}",
        f"said_{variable}",  # under its own name it would become part of the policy, below the configuration
        type=DURATION,
        metavar="DURATION",
        envvar=f"KOPSVERSION_{variable.upper()}",
        allow_from_autoenv=False,
        help=f"{text} Wins over the configuration, for all channels.",
    )


@command(
    "check",
    sections=(
        (
            "Examples",
            """
Is everything all right?
  kopsversion check
In a periodic job, for TestGrid and for people who open the job:
  kopsversion check -o table -o testgrid="$ARTIFACTS/junit_kopsversion.xml" -o html="$ARTIFACTS/kopsversion.html"
Only master, as it was on 6 May 2024:
  kopsversion check master --as-of 2024-05-06T18:00:00Z
""",
        ),
        (
            "Output",
            f"""
table       channels, findings, markers and refused builds; the last line says whether all is well. On a
            terminal, columns without room are left out
wide        the same with every column
json        the same and more, "schema": 1
junit       a test case for each channel and check, as Jenkins and pytest have it
testgrid    the same for TestGrid: with days behind and days old at each test case
prometheus  gauges in the text format
markdown    the body of a GitHub issue
html        a page in one file, with a timeline
FORMAT=PATH writes a file, whole or not at all; at most one output goes to standard output. Where that is not
the table, the last line goes to standard error. junit, testgrid, prometheus and html need the extra "report",
which kopsversion.pyz holds: pip install jinja2 junitparser prometheus-client
{PROGRESS.strip()}
""",
        ),
        (
            "Configuration",
            """
max-lag = "24h"                      # of every channel; also max-build-age, build-sla, ignored-markers
[channels."release-1.27"]            # of this one
max-build-age = "365d"
ignored-markers = ["latest-ci.txt"]
[[silence]]                          # a finding that is known: shown, and not counted until that day is over
channel = "release-1.27"
code = "builds-old"
until = 2026-12-31                   # at most 90 days ahead
reason = "its last release is out"
[links]                              # where the page leads: branch, commit, compare, object, job, condition, contact
contact = "https://kubernetes.slack.com/messages/kops-dev/"
[writers."e2e-kops-pipeline-updown-kops-137"]   # the job that writes a marker; also timeout, formerly
marker = "latest-ci-updown-green.txt"
branch = "release-1.37"
interval = "1h"
Without --config, [tool.kopsversion] in the pyproject.toml of the current directory is read, if it is there.
""",
        ),
        ("Jobs", JOBS_HELP),
        (
            "Environment",
            """
As for "kopsversion resolve", see there. KOPSVERSION_CHECK_OUTPUT  --output of this command
""",
        ),
        (
            "Exit codes",
            """
0  every channel is healthy
1  there is no channel to check
2  an argument, option, variable or configuration that is not valid
3  a channel is unhealthy, or could not be read while others could
4  nothing could be read: the store cannot be reached, or denies access
""",
        ),
    ),
    short_help="Check the health of all channels and markers.",
)
@click.argument("selectors", metavar="[CHANNEL]...", nargs=-1, shell_complete=channels)
@click.option(
    "-o",
    "--output",
    "outputs",
    type=Parsed("format[=path]", parse_output),
    multiple=True,
    shell_complete=one_of(FORMATS),
    metavar="FORMAT[=PATH]",
    # Not KOPSVERSION_OUTPUT: "env", say, means nothing here.
    envvar="KOPSVERSION_CHECK_OUTPUT",
    allow_from_autoenv=False,
    help="What to write, and where: table, wide, json, junit, testgrid, prometheus, markdown or html. "
    "Repeatable. "
    "[default: table]",
)
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Limits of channels, in TOML, see below. [default: [tool.kopsversion] in ./pyproject.toml]",
)
@click.option(
    "--journal",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Keep a line of each run in FILE, and say since when and how often something is wrong. Jobs may share it.",
)
@click.option(
    "--ignore-older",
    type=DURATION,
    default="90d",
    show_default=True,
    metavar="DURATION",
    help="Leave out release branches that have had their final release and built nothing for so long, unless they are "
    "named.",
)
@_limit("max-lag", text="A marker is stale when a newer testable build has been waiting longer than this.")
@_limit("max-build-age", text="Without a clone: a newest build older than this is too old.")
@_limit("build-sla", text="With a clone: a merge may wait this long for its build.")
@jobs_options
@store_options
@build_options
def check(
    console: Console,
    *,
    selectors: tuple[str, ...],
    question: StoreQuestion,
    policy: Policy,
    outputs: tuple[Output, ...],
    config: Path | None,
    journal: Path | None,
    ignore_older: timedelta,
    said_max_lag: timedelta | None,
    said_max_build_age: timedelta | None,
    said_build_sla: timedelta | None,
    choice: JobsChoice,
) -> int:
    """Check whether channels are built and their markers keep up.

    Without CHANNEL it is master and every release branch with markers or builds that is not over. This is what a
    periodic job runs, so that somebody is told.
    """
    from kopsversion.cli.config import Limits
    from kopsversion.workflows.survey import check_health

    wanted = outputs or (Output(TABLE),)
    with _reporting_failure(console, wanted, question=question, journal=journal) as look:
        _check_outputs(wanted)
        said = Limits(max_lag=said_max_lag, max_build_age=said_max_build_age, build_sla=said_build_sla)
        configured = _read_config(config)
        look.update(_look(configured, question))
        policy_of = _policies(configured, policy, said)
        begun = monotonic()
        with console.steps() as progress:
            report = check_health(
                selectors,
                policy_of=policy_of,
                ignore_older=ignore_older,
                jobs=jobs_question(choice, configured.writers),
                progress=progress,
                **question,
            )
        report = evolve(report, took=timedelta(seconds=monotonic() - begun))
        report = _with_context(report, configured, is_whole=not selectors, journal=journal)
        faults = _write(console, report, wanted, look=look)
    if faults:
        raise faults[0]
    if report.nothing_read:
        return NOTHING_READ
    return 0 if report.is_healthy else DEGRADED


def _with_context(
    report: HealthReport, config: Config, *, is_whole: bool, journal: Path | None
) -> HealthReport:
    """Add what the configuration and the journal say: silences, unknown channels, and what earlier runs found."""
    from kopsversion.rules.silences import silenced, with_unknown_channels

    report = silenced(report, config.silences)
    if is_whole:
        report = with_unknown_channels(report, config.named)
    if journal is not None:
        from kopsversion.workflows.journal import Journal, recorded

        report = recorded(report, Journal(journal))
    return report


def _look(config: Config, question: StoreQuestion) -> Mapping[str, Any]:
    """Return the page's links and interval; after a report on the past no next page is due."""
    interval = {"interval": config.interval} if config.interval is not None else {}
    return {"links": config.links, **(interval if question["as_of"] is None else {"interval": None})}


@contextmanager
def _reporting_failure(
    console: Console, outputs: Sequence[Output], *, question: StoreQuestion, journal: Path | None
) -> Iterator[dict[str, Any]]:
    """Write every output also when the block fails, so that files of an earlier run are not taken for new ones.

    The block is given the keywords that the page takes besides the report, and adds what it reads of them.
    A usage error leaves standard output empty, as in every command; so does an interruption.

    Source: FAILURES row 34.
    """
    look: dict[str, Any] = {} if question["as_of"] is None else {"interval": None}
    try:
        yield look
    except BrokenPipeError:
        raise  # the files are there: standard output comes last
    except OutputError:
        raise  # the same
    except BaseException as error:
        report = _failed(error, question=question)
        is_answer = isinstance(error, StoreError | ResolutionError)
        if journal is not None and isinstance(error, Exception) and not isinstance(error, UsageError):
            from kopsversion.workflows.journal import Journal, recorded

            report = recorded(report, Journal(journal))
        for output in outputs:
            if output.path is not None:
                _replace(console, output.path, partial(_text, output, report, look=look), because=error)
            elif is_answer:
                _answer_failure(console, output, report, look=look)
        raise


def _answer_failure(
    console: Console, output: Output, report: HealthReport, *, look: Mapping[str, Any]
) -> None:
    """Write the report of a failure to standard output; a terminal is told the rest by the error that follows."""
    if output.format in _TABLES and is_terminal(sys.stdout):
        from kopsversion.render.causes import opening, worst_of

        console.answer_tables((), first=(opening(report), worst_of(report)))
    else:
        console.answer(_text(output, report, look=look))


def _failed(error: BaseException, *, question: StoreQuestion) -> HealthReport:
    from datetime import UTC, datetime

    from kopsversion.rules.report import failed

    hint = ""
    if isinstance(error, KopsVersionError):
        why, hint = "; ".join((error.message, *error.reasons)), error.hint
    elif isinstance(error, Exception):
        why = f"kopsversion stopped at a defect of its own, {type(error).__name__}"
    else:
        why = "the check was ended before it was done"
    return failed(
        why,
        advice=f"{hint[:1].upper()}{hint[1:]}." if hint else "",
        store=" ".join(map(str, question["store"])),
        now=question["as_of"] or datetime.now(UTC),
    )


def _replace(console: Console, path: Path, text: Callable[[], str], *, because: BaseException) -> None:
    """Replace a file by the report of a failure; errors of that are only logged, since the failure itself is raised.

    What that is for the same reason is not said twice.
    """
    try:
        fault = _put(path, text())
    except Exception as error:  # an extra that is not installed, or a defect in one output
        _forget(path)
        console.log("error", f"{quoted(str(path))} could not be written: {error}")
    else:
        if fault is not None and str(fault) != str(because):
            console.log("error", fault.message)


def _put(path: Path, text: str) -> UsageError | None:
    """Write a file; where that fails, leave no old report in its place, and return what went wrong."""
    from kopsversion.files import write_whole

    try:
        write_whole(path, text.encode())
    except UsageError as error:
        _forget(path)
        return error
    return None


def _forget(path: Path) -> None:
    """Remove the file of an earlier run, if it is one that could have been replaced."""
    from kopsversion.files import check_target

    with suppress(OSError, UsageError):
        check_target(path)
        path.unlink(missing_ok=True)


def _read_config(path: Path | None) -> Config:
    from kopsversion.cli.config import read_config, read_project_config

    return read_project_config(Path()) if path is None else read_config(path)


def _policies(config: Config, policy: Policy, said: Limits) -> Callable[[Channel], Policy]:
    return lambda channel: said.applied(config.policy_of(channel, policy))


def _check_outputs(outputs: Sequence[Output]) -> None:
    """Make sure that the outputs can be written, before a minute is spent on the report."""
    from kopsversion.files import check_target

    on_stdout = [output.format for output in outputs if output.path is None]
    if len(on_stdout) > 1:
        raise UsageError(
            f"{' and '.join(on_stdout)} cannot all go to standard output",
            hint=f"write all but one to a file, as in -o {on_stdout[-1]}=PATH",
        )
    paths = [output.path for output in outputs if output.path is not None]
    for path in paths:
        if paths.count(path) > 1:
            raise UsageError(f"{quoted(str(path))} is named by several outputs", hint="name several files")
        check_target(path)
    for name in {output.format for output in outputs} - {*_TABLES}:
        _writer(name)


def _writer(name: str) -> Callable[..., str]:
    module, function = _WRITERS[name]
    try:
        writer: Callable[..., str] = getattr(import_module(f"kopsversion.render.{module}"), function)
    except ModuleNotFoundError as error:
        if error.name not in _EXTRA:
            raise
        raise UsageError(
            f"-o {name} needs {error.name}, which is not installed",
            hint="pip install jinja2 junitparser prometheus-client; kopsversion.pyz holds them all",
        ) from error
    return writer


def _write(
    console: Console, report: HealthReport, outputs: Iterable[Output], *, look: Mapping[str, Any]
) -> Sequence[UsageError]:
    """Write every output, files first, and say in the last line whether all is well.

    Parameters:
        look: the page's links and interval.

    Returns:
        What went wrong; after a file that cannot be written the others are still written.
    """
    from kopsversion.render.causes import lead, worst_of
    from kopsversion.render.health_table import health_tables, last_lines

    faults: list[UsageError] = []
    tables_shown = False
    for output in sorted(outputs, key=lambda output: output.path is None):
        if output.path is not None:
            fault = _put(output.path, _text(output, report, look=look))
            faults += [fault] if fault is not None else []
        elif output.format in _TABLES:
            console.answer_tables(
                health_tables(report), is_wide=output.format == WIDE, first=(lead(report), worst_of(report))
            )
            console.answer(last_lines(report))
            tables_shown = True
        else:
            console.answer(_text(output, report, look=look))
    if not tables_shown and not console.quiet:
        console.tell(lead(report))
    return faults


def _text(output: Output, report: HealthReport, *, look: Mapping[str, Any] | None = None) -> str:
    """Return the text of an output for a file."""
    from kopsversion.render.health_table import file_text

    if output.format in _TABLES:
        return file_text(report)
    if output.format == HTML:
        return _writer(output.format)(report, **(look or {}))
    return _writer(output.format)(report)
