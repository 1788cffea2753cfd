"""``kopsversion list``: a channel's builds, newest first.

Everything but click is imported when the command runs, so that ``--help`` stays fast.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from kopsversion.cli.console import command
from kopsversion.cli.options import (
    CHANNELS,
    ENVIRONMENT,
    EXIT_CODES,
    PROGRESS,
    STORES,
    build_options,
    store_options,
)

if TYPE_CHECKING:
    from kopsversion.cli.console import Console
    from kopsversion.cli.options import StoreQuestion
    from kopsversion.model.policy import Policy

__all__ = ["list_builds"]


@command(
    "list",
    sections=(
        (
            "Examples",
            """
  kopsversion list release-1.30 --limit 20
  kopsversion list master -o json | jq -r '.builds[] | select(.testable) | .version'
""",
        ),
        (
            "Output",
            f"""
table  newest first: build, upload time, age, distance from its tag, channel, who says so and how surely,
       and whether it is testable or why not
json   the same, "schema": 1; age in seconds
{PROGRESS.strip()}
""",
        ),
        ("Channels", CHANNELS),
        ("Stores", STORES),
        ("Environment", f"{ENVIRONMENT}KOPSVERSION_LIST_OUTPUT  --output of this command\n"),
        ("Exit codes", EXIT_CODES),
    ),
    short_help="List a channel's builds, newest first.",
)
@click.argument("selector", metavar="[CHANNEL]", required=False)
@click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    # Not KOPSVERSION_OUTPUT: "env", say, means nothing here.
    envvar="KOPSVERSION_LIST_OUTPUT",
    allow_from_autoenv=False,
    help="What to print.",
)
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    metavar="N",
    default=30,
    show_default=True,
    help="The N newest builds of each channel; 0 for all. Each build costs a request.",
)
@store_options
@build_options
def list_builds(
    console: Console,
    *,
    selector: str | None,
    question: StoreQuestion,
    policy: Policy,
    output: str,
    limit: int,
) -> None:
    """List a channel's builds, newest first; without CHANNEL those of all channels."""
    from kopsversion.workflows.listing import list_channel

    with console.steps() as progress:
        listing = list_channel(selector, policy=policy, limit=limit, progress=progress, **question)
    console.conditions(listing.conditions)
    if output == "json":
        from kopsversion.render.json import listing_to_json

        console.answer(listing_to_json(listing))
    else:
        from kopsversion.render.text import builds_table

        console.answer_tables([builds_table(listing)])
