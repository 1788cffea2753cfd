"""``kopsversion sort``: versions from standard input, in the order that kOps CI means.

It asks no store.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from kopsversion.cli.boundary import command
from kopsversion.errors import InvalidVersionError, UsageError

if TYPE_CHECKING:
    from kopsversion.cli.console import Console
    from kopsversion.model.version import BuildVersion

__all__ = ["sort_versions"]


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
A version with a commit but no distance comes before the others of its release part: only its upload time
could place it, and a name does not tell that. Versions of equal rank, which are builds of two branches, are
ordered by commit, so that the result does not depend on the input's order.
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
