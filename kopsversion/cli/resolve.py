"""`resolve-latest`, which is also `kopsversion resolve`: the main question of this project.

It is a module of its own, so that a job that asks it loads no other command. This module must not know how builds are
ordered, attributed or judged.
"""

from __future__ import annotations

import os
import re
from itertools import zip_longest
from time import monotonic
from typing import TYPE_CHECKING

import click

from kopsversion.cli.boundary import DEGRADED, command
from kopsversion.cli.complete import channels
from kopsversion.cli.effects import effect_options
from kopsversion.cli.job_options import jobs_options, jobs_question
from kopsversion.cli.options import (
    CHANNELS,
    ENVIRONMENT,
    EXIT_CODES,
    STORES,
    ladder_options,
    policy_options,
    store_options,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from kopsversion.cli.console import Console
    from kopsversion.cli.effects import Effects
    from kopsversion.cli.job_options import JobsChoice
    from kopsversion.cli.options import LadderQuestion, StoreQuestion
    from kopsversion.model.answer import Resolution
    from kopsversion.model.policy import Policy
    from kopsversion.model.tables import Table

__all__ = ["resolve"]


def _failure_for_shell(words: Sequence[str], status: int) -> str:
    """Make an ``eval`` of the output fail as the command did, where the output is for the shell."""
    if _output_of(words) != "shell":
        return ""
    from kopsversion.render.env import shell_failure

    return shell_failure(status)


def _output_of(words: Sequence[str]) -> str | None:
    """Return the value of ``-o``, even if other arguments are wrong."""
    found = os.environ.get("KOPSVERSION_OUTPUT")
    for word, following in zip_longest(words, words[1:]):
        if word == "--":
            break
        match = re.fullmatch(r"--output(?:=(.*))?|-[hqv]*o(.+)?", word, re.DOTALL)
        if match is not None:
            found = match[1] or match[2] or following
    return found


@command(
    "resolve",
    sections=(
        ("Channels", CHANNELS),
        (
            "In a job",
            """
The same build for kubetest2 (a marker that does not move), for the shell, and for every later step:
  resolve-latest master --pin marker.txt --fetch kops --lock lock.json
  resolve-latest --from-lock lock.json
""",
        ),
        (
            "Examples",
            """
The newest testable build of master, for a job to test:
  KOPS_BASE_URL="$(resolve-latest master)"
Exported for the rest of a script, which goes no further where there is no answer:
  answer="$(resolve-latest release-1.30 -o shell)" && eval "$answer" || exit
Fail rather than fall back, and fail when anything is wrong:
  resolve-latest master --on-stale refuse --strict
Why that build?
  resolve-latest master --explain
What would have been the answer on 6 May 2024?
  resolve-latest master --as-of 2024-05-06T18:00:00Z
""",
        ),
        (
            "Output",
            """
The answer goes to standard output, and only there; on failure nothing goes there. It comes last: when it is
there, the files of --pin, --lock and --fetch are there too.
url      the base URL, as KOPS_BASE_URL holds it; no trailing slash, literal +
version  the build's version
shell    for eval: exports KOPS_BASE_URL, with --pin also KOPS_VERSION_MARKER=file://...; sets KOPS_VERSION, and
         KOPS_METADATA for kubetest2; ends in (exit N) when the status is not 0, also when there is no answer
env      KOPS_BASE_URL=... and KOPS_VERSION=..., with --pin also KOPS_VERSION_MARKER=...: for files of variables
github   the same as outputs of a step, kops-base-url=... and so on, added to $GITHUB_OUTPUT, not printed; warnings
         as annotations, and a summary where $GITHUB_STEP_SUMMARY is set
json     the whole resolution, "schema": 1
table    the tables of --explain
Conditions (what the reader should know) go to standard error, one a line, with klog's header where that is
no terminal.
""",
        ),
        ("Stores", STORES),
        ("Environment", ENVIRONMENT),
        ("Exit codes", EXIT_CODES),
    ),
    short_help="Print the latest testable build of a branch.",
    on_failure=_failure_for_shell,
)
@click.argument("selector", metavar="[CHANNEL]", default="master", shell_complete=channels)
@click.option(
    "-o",
    "--output",
    type=click.Choice(["url", "version", "shell", "env", "github", "json", "table"]),
    default="url",
    show_default=True,
    help="What to print.",
)
@click.option("--explain", is_flag=True, help="Also say why, as tables on standard error.")
@click.option(
    "--strict",
    is_flag=True,
    help="Exit with status 3, after answering, when a condition is a warning or worse.",
)
@effect_options
@jobs_options
@store_options
@ladder_options
@policy_options
def resolve(
    console: Console,
    *,
    selector: str,
    effects: Effects,
    choice: JobsChoice,
    question: StoreQuestion,
    ladder: LadderQuestion,
    policy: Policy,
    output: str,
    explain: bool,
    strict: bool,
) -> int:
    """Print the base URL of the latest testable build of kOps on a branch.

    Looks at the builds in the bucket, cross-checks the markers against them, chooses, and says why. Without
    CHANNEL it is master.
    """
    from attrs import evolve

    from kopsversion.cli.effects import obtain
    from kopsversion.model.channel import BRANCH_MARKER
    from kopsversion.workflows.latest import resolve_latest

    begun = monotonic()
    if explain or output == "table":
        # For a reader also the other marker is judged, and the build before is compared: a few requests more.
        policy = evolve(policy, reported=(BRANCH_MARKER,), compare_artifacts=True)

    def ask() -> Resolution:
        with console.waiting() as progress:
            return resolve_latest(selector, policy=policy, progress=progress, **question, **ladder)

    resolution = obtain(
        ask,
        effects,
        question=question,
        console=console,
    )
    if explain:
        from kopsversion.model.answer import explanation

        jobs: tuple[Table, ...] = ()
        if effects.from_lock is None:
            seconds = question["timeout"] - (monotonic() - begun)
            jobs = _jobs_tables(resolution, choice, as_of=question["as_of"], seconds=seconds)
        console.show([*explanation(resolution), *jobs])
    elif output == "github":
        from kopsversion.render.github import to_annotations

        console.annotate(to_annotations(resolution.conditions))
    else:
        console.conditions(resolution.conditions)
    _answer(console, resolution, output=output, marker_url=effects.marker_url)
    return DEGRADED if strict and resolution.is_degraded else 0


def _jobs_tables(
    resolution: Resolution, choice: JobsChoice, *, as_of: datetime | None, seconds: float
) -> tuple[Table, ...]:
    """Return a table on the jobs whose markers could not be used, if there is anything to say."""
    from kopsversion.model.tables import Table
    from kopsversion.stores.deadline import Deadline
    from kopsversion.workflows.jobs import explain_answer

    conditions = explain_answer(resolution, jobs_question(choice), as_of=as_of, deadline=Deadline(seconds))
    rows = tuple((condition.severity, condition.code, condition.message) for condition in conditions)
    table = Table(title="Jobs", columns=("severity", "code", "what to know"), rows=rows)
    return (table,) if rows else ()


def _answer(console: Console, resolution: Resolution, *, output: str, marker_url: str | None) -> None:
    match output:
        case "url":
            console.answer(f"{resolution.base_url}\n")
        case "version":
            console.answer(f"{resolution.version}\n")
        case "env":
            from kopsversion.render.env import to_env

            console.answer(to_env(resolution, marker_url=marker_url))
        case "shell":
            from kopsversion.render.env import to_shell

            console.answer(to_shell(resolution, marker_url=marker_url))
        case "github":
            from kopsversion.cli.effects import append_github_output, append_github_summary
            from kopsversion.render.github import to_github, to_summary

            append_github_output(to_github(resolution, marker_url=marker_url))
            append_github_summary(to_summary(resolution))
        case "json":
            from kopsversion.model.codec import to_json

            console.answer(to_json(resolution))
        case _:
            from kopsversion.model.answer import explanation

            console.answer_tables(explanation(resolution))
