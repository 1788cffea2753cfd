"""``kopsversion check``: the command around `kopsversion.workflows.survey` (issue 6).

It reads options and limits, hands the report to the outputs that were asked for, and chooses the exit status.
Everything heavy is imported when the command runs. It must not know how a channel is judged, or what an output
looks like.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import click
from attrs import frozen

from kopsversion.cli.console import DEGRADED, command
from kopsversion.cli.help_sections import PROGRESS
from kopsversion.cli.options import DURATION, Parsed, build_options, store_options
from kopsversion.errors import StoreError, UsageError, quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import timedelta

    from kopsversion.cli.config import Config, Limits
    from kopsversion.cli.console import Console
    from kopsversion.cli.options import StoreQuestion
    from kopsversion.model.channel import Channel
    from kopsversion.model.policy import Policy
    from kopsversion.rules.health import HealthReport

__all__ = ["FORMATS", "Output", "check", "parse_output"]

NOTHING_READ = StoreError.exit_code
"""The exit status where no channel could be read: that of a store that cannot be asked."""

TABLE = "table"
_WRITERS: Mapping[str, tuple[str, str]] = {
    "json": ("health_json", "health_to_json"),
    "junit": ("junit", "health_to_junit"),
    "prometheus": ("prometheus", "health_to_prometheus"),
    "markdown": ("markdown", "health_to_markdown"),
    "html": ("html", "health_to_html"),
}
"""By format: the module of `kopsversion.render` that writes it, and its function from a report to text."""

FORMATS = (TABLE, *_WRITERS)

_EXTRA = {"jinja2", "junitparser", "prometheus_client"}
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
        raise UsageError(f"{quoted(name)} is no format", hint=f"the formats are {', '.join(FORMATS)}")
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
In a periodic job, for TestGrid and for whoever opens the job:
  kopsversion check -o table -o junit="$ARTIFACTS/junit_kopsversion.xml" -o html="$ARTIFACTS/kopsversion.html"
Only master, as it was on 6 May 2024:
  kopsversion check master --as-of 2024-05-06T18:00:00Z
""",
        ),
        (
            "Output",
            f"""
table       channels, markers, findings and refused builds; the last line says whether all is well
json        the same and more, "schema": 1
junit       a test case for each channel and check, for TestGrid
prometheus  gauges in the text format
markdown    the body of a GitHub issue
html        a page that stands alone, with a timeline
FORMAT=PATH writes a file, whole or not at all; at most one output goes to standard output. Where that is not
the table, the last line goes to standard error. junit, prometheus and html need: pip install kopsversion[report]
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
Without --config, [tool.kopsversion] in the pyproject.toml of the current directory is read, if it is there.
""",
        ),
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
2  an argument, option, variable or configuration that cannot be meant
3  a channel is unhealthy, or could not be read while others could
4  nothing could be read: the store cannot be reached, or denies access
""",
        ),
    ),
    short_help="Check the health of all channels and markers.",
)
@click.argument("selectors", metavar="[CHANNEL]...", nargs=-1)
@click.option(
    "-o",
    "--output",
    "outputs",
    type=Parsed("format[=path]", parse_output),
    multiple=True,
    metavar="FORMAT[=PATH]",
    # Not KOPSVERSION_OUTPUT: "env", say, means nothing here.
    envvar="KOPSVERSION_CHECK_OUTPUT",
    allow_from_autoenv=False,
    help="What to write, and where: table, json, junit, prometheus, markdown or html. Repeatable. "
    "[default: table]",
)
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Limits of channels, in TOML, see below. [default: [tool.kopsversion] in ./pyproject.toml]",
)
@click.option(
    "--ignore-older",
    type=DURATION,
    default="365d",
    show_default=True,
    metavar="DURATION",
    help="Leave out channels whose youngest marker is older, unless they are named.",
)
@_limit("max-lag", text="A marker is stale when a newer testable build has been waiting longer than this.")
@_limit("max-build-age", text="Without a clone: a newest build older than this is too old.")
@_limit("build-sla", text="With a clone: a merge may wait this long for its build.")
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
    ignore_older: timedelta,
    said_max_lag: timedelta | None,
    said_max_build_age: timedelta | None,
    said_build_sla: timedelta | None,
) -> int:
    """Check whether channels are built and their markers keep up.

    Without CHANNEL it is every channel that has markers and is not too old. This is what a periodic job runs, so
    that somebody is told.
    """
    from kopsversion.cli.config import Limits
    from kopsversion.workflows.survey import check_health

    wanted = outputs or (Output(TABLE),)
    _check_outputs(wanted)
    said = Limits(max_lag=said_max_lag, max_build_age=said_max_build_age, build_sla=said_build_sla)
    policy_of = _policies(_read_config(config), policy, said)
    with console.steps() as progress:
        report = check_health(
            selectors, policy_of=policy_of, ignore_older=ignore_older, progress=progress, **question
        )
    _write(console, report, wanted)
    if report.nothing_read:
        return NOTHING_READ
    return 0 if report.is_healthy else DEGRADED


def _read_config(path: Path | None) -> Config:
    from kopsversion.cli.config import read_config, read_project_config

    return read_project_config(Path()) if path is None else read_config(path)


def _policies(config: Config, policy: Policy, said: Limits) -> Callable[[Channel], Policy]:
    return lambda channel: said.applied(config.policy_of(channel, policy))


def _check_outputs(outputs: Sequence[Output]) -> None:
    """See to it that the outputs can be written, before a minute is spent on what to write."""
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
    for name in {output.format for output in outputs} - {TABLE}:
        _writer(name)


def _writer(name: str) -> Callable[[HealthReport], str]:
    module, function = _WRITERS[name]
    try:
        writer: Callable[[HealthReport], str] = getattr(
            import_module(f"kopsversion.render.{module}"), function
        )
    except ModuleNotFoundError as error:
        if error.name not in _EXTRA:
            raise
        raise UsageError(
            f"-o {name} needs {error.name}, which is not installed",
            hint="pip install 'kopsversion[report]'",
        ) from error
    return writer


def _write(console: Console, report: HealthReport, outputs: Iterable[Output]) -> None:
    """Write every output, files first, and say in the last line whether all is well."""
    from kopsversion.files import write_whole
    from kopsversion.model.tables import plain
    from kopsversion.render.health_table import health_tables, summary_line

    tables_shown = False
    for output in sorted(outputs, key=lambda output: output.path is None):
        if output.format != TABLE:
            text = _writer(output.format)(report)
        elif output.path is not None:
            text = f"{plain(health_tables(report))}\n{summary_line(report)}"
        else:
            console.answer_tables(health_tables(report))
            text, tables_shown = f"\n{summary_line(report)}", True
        if output.path is None:
            console.answer(text)
        else:
            write_whole(output.path, text.encode())
    if not tables_shown and not console.quiet:
        console.tell(report.headline)
