"""The toolbox: all commands, the small ones among them written here (DESIGN section 9).

A command is a function decorated with `kopsversion.cli.console.command`; to add one, write it here or in a module of
its own, as `resolve_command` and `check_command` are, and add it at the end of this module.

Everything but click is imported when a command runs, so that ``--help`` stays fast. This module must not know
how builds are ordered, attributed or judged.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kopsversion.cli.check import check
from kopsversion.cli.console import Console, command, toolbox
from kopsversion.cli.help_sections import CHANNELS, ENVIRONMENT, EXIT_CODES, PROGRESS, STORES
from kopsversion.cli.options import build_options, store_options
from kopsversion.cli.promote import promote
from kopsversion.cli.resolve import resolve
from kopsversion.cli.shell import shell
from kopsversion.errors import InvalidVersionError, UsageError

if TYPE_CHECKING:
    from kopsversion.cli.options import StoreQuestion
    from kopsversion.model.policy import Policy
    from kopsversion.model.version import BuildVersion

__all__ = ["resolve", "tools"]

# --------------------------------------------------------------------------------------------------
# list


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


# --------------------------------------------------------------------------------------------------
# sort


@command(
    "sort",
    sections=(
        (
            "Examples",
            """
  git tag --list 'v1.*' | kopsversion sort --skip-invalid | tail -n 1
""",
        ),
        (
            "Order",
            """
By release part, then CI builds before the release itself, then by tag, then by the distance from that tag.
A version with a commit but no distance stands before the others of its release part: only its time of
upload could place it, and a name does not tell that. Versions of equal rank, which are builds of two
branches, are ordered by commit, so that the result does not depend on the input's order.
""",
        ),
        ("Exit codes", "0  sorted\n2  a line that is not a version"),
    ),
    short_help="Sort versions from standard input.",
)
@click.option("-r", "--reverse", is_flag=True, help="Newest first.")
@click.option("--skip-invalid", is_flag=True, help="Report lines that are no version, and leave them out.")
def sort_versions(console: Console, *, reverse: bool, skip_invalid: bool) -> None:
    """Sort versions, one a line, from standard input to standard output, oldest first.

    Like sort -V, but right. Lines are printed as they came, without surrounding white space; empty lines are
    left out.
    """
    if sys.stdin is None:
        raise UsageError("standard input is closed", hint="give versions on standard input, one a line")
    versions, faults = _read_versions(sys.stdin.buffer.read())
    if faults and not skip_invalid:
        others = f" (and {len(faults) - 1} more such lines)" if len(faults) > 1 else ""
        raise UsageError(f"{faults[0]}{others}", hint="--skip-invalid leaves such lines out")
    for fault in faults:
        console.tell(f"WARNING {fault}; left out")
    # The same order as the versions' own, several times faster than comparing them one by one.
    versions.sort(key=lambda version: (version.precedence, version.commit or ""), reverse=reverse)
    console.answer("".join(f"{version}\n" for version in versions))


def _read_versions(data: bytes) -> tuple[list[BuildVersion], list[str]]:
    """Read versions, one a line; return them, and what is wrong with the other lines."""
    from kopsversion.model.version import BuildVersion

    versions, faults = [], []
    for number, line in enumerate(data.split(b"\n"), start=1):
        text = line.strip().decode("utf-8", "backslashreplace")
        if not text:
            continue
        try:
            versions.append(BuildVersion.parse(text))
        except InvalidVersionError as error:
            faults.append(f"line {number}: {error}")
    return versions, faults


# --------------------------------------------------------------------------------------------------
# demo


@command("demo", short_help="Lay out the bucket of 6 May 2024, to try things on.")
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
def demo(console: Console, *, directory: Path) -> None:
    """Lay out the bucket of 6 May 2024 in DIR, to try everything against.

    It is the day of kops issue 16533: markers two months old, and nobody was told.
    """
    from kopsversion.cli.demo_bucket import lay_out

    bucket = lay_out(directory)
    where = f"--store {shlex.quote(str(bucket.directory))} --as-of {bucket.as_of:%Y-%m-%dT%H:%M:%SZ}"
    console.answer(
        f"The bucket of {bucket.as_of:%-d %B %Y} lies in {shlex.quote(str(bucket.directory))}. Try:\n"
        "\n"
        f"  resolve-latest master {where} --explain\n"
        f"  resolve-latest master {where} --strict\n"
        f"  resolve-latest release-1.29 {where} -o env\n"
        f"  kopsversion list master {where} --limit 10\n"
    )


# --------------------------------------------------------------------------------------------------
# The toolbox


@toolbox(
    "kopsversion",
    sections=(
        (
            "Environment",
            "Every option can be set as KOPSVERSION_ and its long name; see the commands' own help.",
        ),
        ("Exit codes", EXIT_CODES),
    ),
)
def tools() -> None:
    """Tell which kOps build of a branch to test, and what is wrong with the bucket and its markers.

    "resolve-latest" is "kopsversion resolve" as a script of its own.
    """


for tool in (resolve, list_builds, check, sort_versions, promote, shell, demo):
    tools.add_command(tool)
