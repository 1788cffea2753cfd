"""The toolbox: ``kopsversion`` and its commands, one file for each (DESIGN section 9).

A command is a function decorated with `kopsversion.cli.boundary.command`. To add one, write it in a file of its own and
add it at the end of this module.
"""

from __future__ import annotations

from kopsversion.cli.about import completion, show_help, version
from kopsversion.cli.bisect import bisect
from kopsversion.cli.boundary import toolbox
from kopsversion.cli.check import check
from kopsversion.cli.demo import demo
from kopsversion.cli.find import find
from kopsversion.cli.jobs import jobs
from kopsversion.cli.list import list_builds
from kopsversion.cli.options import EXIT_CODES
from kopsversion.cli.promote import promote
from kopsversion.cli.resolve import resolve
from kopsversion.cli.shell import shell
from kopsversion.cli.sort import sort_versions

__all__ = ["resolve", "tools"]


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


_ABOUT = (completion, version, show_help)

for tool in (resolve, list_builds, check, jobs, bisect, find, sort_versions, promote, shell, demo, *_ABOUT):
    tools.add_command(tool)
