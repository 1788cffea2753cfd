"""The command line: arguments, clock, exit codes, and nothing else (DESIGN section 9).

`resolve-latest` is one command, and the same command object is `kopsversion resolve`. A command is a function
decorated with `kopsversion.console.command`; to add one, write it here or in a module of its own, and add it
at the end of this module.

Everything but click is imported when a command runs, so that ``--help`` stays fast. This module must not know
how builds are ordered, attributed or judged.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kopsversion.check_command import check
from kopsversion.console import DEGRADED, Console, command, short_lived, toolbox
from kopsversion.effects import effect_options
from kopsversion.errors import InvalidVersionError, UsageError
from kopsversion.options import build_options, ladder_options, policy_options, store_options
from kopsversion.promotion import promote
from kopsversion.shell import shell

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kopsversion.effects import Effects
    from kopsversion.model import Policy, Resolution
    from kopsversion.options import LadderQuestion, StoreQuestion
    from kopsversion.version import BuildVersion

__all__ = ["main", "resolve", "resolve_latest_main", "tools"]

# --------------------------------------------------------------------------------------------------
# What help says of every command

_CHANNELS = """
master, latest      the master branch
release-1.30, 1.30  a release branch
1.30.0-beta.2+v1.30.0-beta.1-182-g99b3ad7643
                    this very build, which is then only checked
https://storage.googleapis.com/BUCKET/PREFIX/markers/master/latest-ci.txt
                    the channel of that marker, and the marker to cross-check
"""

_STORES = """
https://storage.googleapis.com/BUCKET/PREFIX/, gs://BUCKET/PREFIX/
                     a bucket
file:///DIR, DIR     a directory
Without --store it is https://storage.googleapis.com/k8s-staging-kops/kops/releases/
"""

_ENVIRONMENT = """
Every option can be set as KOPSVERSION_ and its long name: --max-lag as KOPSVERSION_MAX_LAG, --store as
KOPSVERSION_STORE. The command line wins. Flags take 1 or 0. The values of a repeatable option are separated
by white space; a KOPSVERSION_STORE that is as a whole an existing path is that one store, spaces and all
(among several, write such a path as a file:// URL with %20).

STORAGE_EMULATOR_HOST  a server to ask instead of Google's, with its scheme
NO_COLOR, TERM=dumb    plain tables on a terminal too
"""

_EXIT_CODES = """
0  answered
1  no testable build, or --on-stale refuse and no marker can be used
2  an argument, option or variable that cannot be meant
3  answered, but --strict found a condition of severity warning or error
4  the store cannot be reached, or denies access
5  what is there is not what was promised: checksum, lock, lost race
70 a defect of kopsversion itself
"""

# --------------------------------------------------------------------------------------------------
# resolve


@command(
    "resolve",
    sections=(
        ("Channels", _CHANNELS),
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
Both variables at once:
  eval "$(resolve-latest release-1.30 -o env)"
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
env      KOPS_BASE_URL=... and KOPS_VERSION=..., quoted for eval; with --pin also KOPS_VERSION_MARKER=file://...
github   the same as outputs of a step, kops-base-url=... and so on, added to $GITHUB_OUTPUT, not printed
json     the whole resolution, "schema": 1
table    the tables of --explain
Conditions (what the reader should know) go to standard error, one a line, with klog's header where that is
no terminal.
""",
        ),
        ("Stores", _STORES),
        ("Environment", _ENVIRONMENT),
        ("Exit codes", _EXIT_CODES),
    ),
    short_help="Print the latest testable build of a branch.",
)
@click.argument("selector", metavar="[CHANNEL]", default="master")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["url", "version", "env", "github", "json", "table"]),
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
@store_options
@ladder_options
@policy_options
def resolve(
    console: Console,
    *,
    selector: str,
    effects: Effects,
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

    from kopsversion.effects import obtain
    from kopsversion.latest import resolve_latest
    from kopsversion.model import BRANCH_MARKER

    if explain or output == "table":
        # A reader wants the other marker's verdict too, and what the build before had: a few requests more.
        policy = evolve(policy, reported=(BRANCH_MARKER,), compare_artifacts=True)
    resolution = obtain(
        lambda: resolve_latest(selector, policy=policy, **question, **ladder),
        effects,
        question=question,
        console=console,
    )
    if explain:
        from kopsversion.render.text import explanation

        console.show(explanation(resolution))
    else:
        console.conditions(resolution.conditions)
    _answer(console, resolution, output=output, marker_url=effects.marker_url)
    return DEGRADED if strict and resolution.is_degraded else 0


def _answer(console: Console, resolution: Resolution, *, output: str, marker_url: str | None) -> None:
    match output:
        case "url":
            console.answer(f"{resolution.base_url}\n")
        case "version":
            console.answer(f"{resolution.version}\n")
        case "env":
            from kopsversion.render.env import to_env

            console.answer(to_env(resolution, marker_url=marker_url))
        case "github":
            from kopsversion.effects import append_github_output
            from kopsversion.render.github import to_github

            append_github_output(to_github(resolution, marker_url=marker_url))
        case "json":
            from kopsversion.render.json import to_json

            console.answer(to_json(resolution))
        case _:
            from kopsversion.render.text import explanation

            console.answer_tables(explanation(resolution))


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
            """
table  newest first: build, upload time, age, distance from its tag, channel, who says so and how surely,
       and whether it is testable or why not
json   the same, "schema": 1; age in seconds
While it asks, a line on standard error says what for, on a terminal only and not with --quiet. With --verbose
the lines stay, wherever they go.
""",
        ),
        ("Channels", _CHANNELS),
        ("Stores", _STORES),
        ("Environment", f"{_ENVIRONMENT}KOPSVERSION_LIST_OUTPUT  --output of this command\n"),
        ("Exit codes", _EXIT_CODES),
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
    from kopsversion.latest import list_channel

    with console.steps() as progress:
        listing = list_channel(selector, policy=policy, limit=limit or None, progress=progress, **question)
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
    from kopsversion.version import BuildVersion

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
    from kopsversion.demo import lay_out

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
        ("Exit codes", _EXIT_CODES),
    ),
)
def tools() -> None:
    """Tell which kOps build of a branch to test, and what is wrong with the bucket and its markers.

    "resolve-latest" is "kopsversion resolve" as a script of its own.
    """


for tool in (resolve, list_builds, check, sort_versions, promote, shell, demo):
    tools.add_command(tool)


def resolve_latest_main(arguments: Sequence[str] | None = None) -> None:
    """Run ``resolve-latest`` and exit; `arguments` are those of the process where left out."""
    with short_lived():
        resolve.main(arguments, prog_name="resolve-latest")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run ``kopsversion`` and exit; `arguments` are those of the process where left out."""
    with short_lived():
        tools.main(arguments, prog_name="kopsversion")
