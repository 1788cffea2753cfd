"""``kopsversion list``: a channel's builds, newest first.

Everything but click is imported when the command runs, so that ``--help`` stays fast.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from kopsversion.cli.boundary import command
from kopsversion.cli.complete import channels
from kopsversion.cli.options import (
    CHANNELS,
    ENVIRONMENT,
    EXIT_CODES,
    PROGRESS,
    STORES,
    build_options,
    store_options,
)
from kopsversion.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from kopsversion.cli.console import Console
    from kopsversion.cli.options import StoreQuestion
    from kopsversion.model.policy import Policy
    from kopsversion.workflows.listing import ChannelListing

__all__ = ["list_builds"]

_LIMIT = 30


@command(
    "list",
    sections=(
        (
            "Examples",
            """
  kopsversion list release-1.30 --limit 20
  kopsversion list 2024-03-01..newest master
  kopsversion list master -o json | jq -r '.builds[] | select(.testable) | .version'
""",
        ),
        (
            "Output",
            f"""
table  newest first: build, upload time, age, distance from its tag, channel, by which witness and how surely,
       and whether it is testable or why not; on a terminal, columns without room are left out
wide   the same with every column
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
@click.argument("selector", metavar="[CHANNEL|A..B]", required=False, shell_complete=channels)
@click.argument("channel", metavar="[CHANNEL]", required=False)
@click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "wide", "json"]),
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
    help="The N newest builds of each channel, or of A..B; 0 for all. Each build costs a request. "
    "[default: 30; all of A..B]",
)
@store_options
@build_options
def list_builds(
    console: Console,
    *,
    selector: str | None,
    channel: str | None,
    question: StoreQuestion,
    policy: Policy,
    output: str,
    limit: int | None,
) -> None:
    """List a channel's builds, newest first; without CHANNEL those of all channels.

    A..B lists the builds between two, including both. An end is a version, a commit, a date or "newest". CHANNEL
    beside it is the branch, where that is not master or the only one that B can be of.
    """
    with console.steps() as progress:
        listing = _listing(
            selector, channel, limit=limit, question={"policy": policy, "progress": progress, **question}
        )
    console.conditions(listing.conditions)
    if output == "json":
        from kopsversion.render.json import listing_to_json

        console.answer(listing_to_json(listing))
    else:
        from kopsversion.render.text import builds_table

        console.answer_tables([builds_table(listing)], is_wide=output == "wide")


def _listing(
    selector: str | None, channel: str | None, *, limit: int | None, question: Mapping[str, Any]
) -> ChannelListing:
    """List what is asked for: a range, or a channel."""
    from kopsversion.workflows.between import list_between, read_range
    from kopsversion.workflows.listing import list_channel

    ends = read_range(selector) if selector is not None else None
    if ends is not None:
        return list_between(*ends, channel, limit=limit, **question)
    if channel is not None:
        raise UsageError(
            f"{channel} is one argument too many", hint="name one channel, or a range and its channel"
        )
    return list_channel(selector, limit=_LIMIT if limit is None else limit, **question)
