"""The options that say whether to look at the jobs behind the markers, and where their results lie.

Commands share them. This module must not know what any command does with a job.
"""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any, TypedDict

import click

from kopsversion.cli.options import Callback, Parsed, add_options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kopsversion.model.writers import Writer
    from kopsversion.workflows.jobs import JobsQuestion

__all__ = ["JOBS_HELP", "JobsChoice", "jobs_options", "jobs_question", "parse_store_url"]

JOBS_HELP = """
For each marker the job that writes it is looked at: a few requests more. Results of jobs are kept where Prow keeps
kops' own, gs://kubernetes-ci-logs/logs/; a directory store has them in logs/. They are read anonymously, and never
change an answer.
"""


class JobsChoice(TypedDict):
    """What the options say about jobs: ``None`` where they say nothing."""

    wanted: bool | None
    place: str | None


def parse_store_url(text: str) -> str:
    """Return a store's URL or path, if it is valid.

    Raises:
        UsageError: it is not.
    """
    from kopsversion.stores.opening import check_store_url

    check_store_url(text)
    return text


STORE_OF_JOBS = click.option(
    "--jobs-store",
    type=Parsed("store", parse_store_url),
    metavar="URL",
    help="Where the results of jobs are: a store in which each job has a directory. "
    "[default: logs/ of a directory store, else gs://kubernetes-ci-logs/logs/]",
)

_OPTIONS = (
    click.option(
        "--jobs/--no-jobs",
        default=None,
        help="Whether to look at the jobs that write the markers; resolve does so with --explain only. "
        "[default: for kops' own bucket, for a directory that has logs/, and with --jobs-store]",
    ),
    STORE_OF_JOBS,
)


def jobs_options(function: Callback) -> Callback:
    """Add ``--jobs``, ``--no-jobs`` and ``--jobs-store``; the command gets `choice`."""

    @wraps(function)
    def command(*arguments: Any, jobs: bool | None, jobs_store: str | None, **others: Any) -> Any:
        return function(*arguments, choice=JobsChoice(wanted=jobs, place=jobs_store), **others)

    return add_options(command, _OPTIONS)


def jobs_question(choice: JobsChoice, writers: Sequence[Writer] = ()) -> JobsQuestion:
    """Return what is asked about jobs.

    Parameters:
        choice: what the options say.
        writers: those of the configuration; they come before kops' own.
    """
    from kopsversion.model.writers import DEFAULT_WRITERS
    from kopsversion.workflows.jobs import JobsQuestion

    return JobsQuestion(**choice, writers=(*writers, *DEFAULT_WRITERS))
