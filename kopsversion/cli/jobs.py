"""``kopsversion jobs``: the last runs of the jobs behind the markers, and of any other job.

Everything but click is imported when the command runs, so that ``--help`` stays fast.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kopsversion.cli.boundary import command
from kopsversion.cli.job_options import STORE_OF_JOBS, JobsChoice, jobs_question
from kopsversion.cli.options import (
    AS_OF_OPTION,
    PROGRESS,
    STORE_OPTION,
    TIMEOUT_OPTION,
    Parsed,
    parse_duration,
    parse_time,
)
from kopsversion.errors import UsageError, quoted

if TYPE_CHECKING:
    from kopsversion.cli.console import Console

__all__ = ["jobs", "parse_since"]


def parse_since(text: str) -> datetime | timedelta:
    """Read a moment, or how long ago it was.

    Raises:
        UsageError: `text` is neither.
    """
    for parse in (parse_time, parse_duration):
        try:
            return parse(text)
        except UsageError:
            continue
    raise UsageError(
        f"{quoted(text)} is neither a moment nor how long ago it was",
        hint="write 2024-03-07, 2024-03-07T06:00:00Z, 36h or 14d",
    )


@command(
    "jobs",
    sections=(
        (
            "Examples",
            """
The last runs of the jobs that write master's markers:
  kopsversion jobs master
What did that periodic test in the last two months?
  kopsversion jobs e2e-kops-aws-cni-cilium --since 60d --limit 60
""",
        ),
        (
            "Output",
            f"""
table  for each job its runs, newest first: when, how it ended, how long it took, branch and merge of a
       postsubmit, which build it tested, and where to look; then how many of the last runs tested the same build
json   the same, "schema": 1
{PROGRESS.strip()}
""",
        ),
        (
            "Jobs",
            """
A channel stands for the jobs that write its markers. Without an argument it is master; of a directory every job
is shown. A run costs two reads: its result, and the first MiB of its log, which alone says what was tested.
""",
        ),
        (
            "Exit codes",
            """
0  listed
1  there are no runs of any of these jobs
2  an argument, option, variable or configuration that is not valid
4  the results cannot be read
""",
        ),
    ),
    short_help="List the last runs of the jobs that write the markers, and what they tested.",
)
@click.argument("selectors", metavar="[CHANNEL|JOB]...", nargs=-1)
@click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    # Not KOPSVERSION_OUTPUT: "env", say, means nothing here.
    envvar="KOPSVERSION_JOBS_OUTPUT",
    allow_from_autoenv=False,
    help="What to print.",
)
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    metavar="N",
    default=20,
    show_default=True,
    help="The N newest runs in all, of each job an equal share; 0 for all.",
)
@click.option(
    "--since",
    type=Parsed("time", parse_since),
    metavar="TIME|DURATION",
    help="Leave out runs that began before, as in 2024-03-07 or 14d.",
)
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help='Which job writes which marker, in TOML, see "kopsversion check". '
    "[default: [tool.kopsversion] in ./pyproject.toml]",
)
@STORE_OF_JOBS
@STORE_OPTION
@AS_OF_OPTION
@TIMEOUT_OPTION
def jobs(
    console: Console,
    *,
    selectors: tuple[str, ...],
    output: str,
    limit: int,
    since: datetime | timedelta | None,
    config: Path | None,
    jobs_store: str | None,
    store: tuple[str, ...],
    as_of: datetime | None,
    timeout: timedelta,
) -> None:
    """List the last runs of the jobs that write a channel's markers, or of any job.

    When was it, how did it end, how long did it take, and which build did it test?
    """
    from kopsversion.cli.config import read_config, read_project_config
    from kopsversion.model.layout import DEFAULT_STORE
    from kopsversion.render.jobs import jobs_tables, jobs_to_json
    from kopsversion.workflows.job_runs import list_jobs

    configured = read_project_config(Path()) if config is None else read_config(config)
    now = as_of or datetime.now(UTC)
    with console.steps() as progress:
        listing = list_jobs(
            selectors,
            store=store or (DEFAULT_STORE,),
            question=jobs_question(JobsChoice(wanted=True, place=jobs_store), configured.writers),
            limit=limit,
            since=now - since if isinstance(since, timedelta) else since,
            now=now,
            as_of=as_of,
            timeout=timeout.total_seconds(),
            progress=progress,
        )
    if output == "json":
        console.answer(jobs_to_json(listing))
    else:
        console.answer_tables(jobs_tables(listing))
