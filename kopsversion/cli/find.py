"""``kopsversion find``: the first build that contains a merge, now or as soon as there is one.

Everything but click is imported when the command runs, so that ``--help`` stays fast.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import click

from kopsversion.cli.boundary import command
from kopsversion.cli.options import ENVIRONMENT, EXIT_CODES, STORES, build_options, store_options

if TYPE_CHECKING:
    from kopsversion.cli.console import Console
    from kopsversion.cli.options import StoreQuestion
    from kopsversion.model.policy import Policy
    from kopsversion.workflows.find import FoundBuild

__all__ = ["find"]

_LONGEST_WAIT = timedelta(hours=24)
_LOOK = 60.0
"""Seconds that one look may take while it waits."""


@command(
    "find",
    sections=(
        (
            "Examples",
            """
  kopsversion find 22ce1230da --repo ~/src/kops -o table
  KOPS_BASE_URL="$(kopsversion find 22ce1230da --repo ~/src/kops --wait --timeout 3h)"
""",
        ),
        (
            "Output",
            """
url      the build's base URL, as KOPS_BASE_URL holds it
version  its version
env      KOPS_BASE_URL=... and KOPS_VERSION=..., quoted for eval
json     all that is known of the build and the merge, "schema": 1
table    the same, to read
""",
        ),
        ("Stores", STORES),
        ("Environment", f"{ENVIRONMENT}KOPSVERSION_FIND_OUTPUT  --output of this command\n"),
        ("Exit codes", f"{EXIT_CODES.rstrip()}\nHere 1 means: no testable build contains it yet.\n"),
    ),
    short_help="Print the first build that contains a merge.",
)
@click.argument("merge", metavar="COMMIT|VERSION")
@click.argument("channel", metavar="[CHANNEL]", required=False)
@click.option(
    "-o",
    "--output",
    type=click.Choice(["url", "version", "env", "json", "table"]),
    default="url",
    show_default=True,
    envvar="KOPSVERSION_FIND_OUTPUT",  # KOPSVERSION_OUTPUT: "github", say, means nothing here
    allow_from_autoenv=False,
    help="What to print.",
)
@click.option(
    "--wait",
    is_flag=True,
    help="Wait until there is one, for as long as --timeout says, or 24h; the pauses between two looks grow.",
)
@store_options
@build_options
def find(
    console: Console,
    *,
    merge: str,
    channel: str | None,
    output: str,
    wait: bool,
    question: StoreQuestion,
    policy: Policy,
) -> None:
    """Print the first testable build of a channel that contains COMMIT, or the merge that brought it.

    A merge that was not built itself is placed by a clone of kops (--repo). Without CHANNEL it is master, or the
    branch that VERSION can only be of.
    """
    from kopsversion.workflows.find import find_build

    longest = None
    if wait:
        source = click.get_current_context().get_parameter_source("timeout")
        is_given = source is not click.core.ParameterSource.DEFAULT
        longest = timedelta(seconds=question["timeout"]) if is_given else _LONGEST_WAIT
        question = {**question, "timeout": min(_LOOK, longest.total_seconds())}
    with console.steps() as progress:
        found = find_build(merge, channel, policy=policy, wait=longest, progress=progress, **question)
    console.conditions(found.conditions)
    for refusal in found.refused:
        console.note(f"{refusal.version} contains it too, and cannot be tested: {refusal.reasons[0]}")
    _answer(console, found, output)


def _answer(console: Console, found: FoundBuild, output: str) -> None:
    from kopsversion.render.find import found_tables, found_to_env, found_to_json

    match output:
        case "url":
            console.answer(f"{found.base_url}\n")
        case "version":
            console.answer(f"{found.version}\n")
        case "env":
            console.answer(found_to_env(found))
        case "json":
            console.answer(found_to_json(found))
        case _:
            console.answer_tables(found_tables(found))
