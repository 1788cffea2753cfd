"""``kopsversion shell``: functions for bash that kops' scripts source in place of their own.

The functions are a file of the package, ``data/kopsversion.bash``. This module prints it, and must not know what is
in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kopsversion.cli.boundary import command

if TYPE_CHECKING:
    from kopsversion.cli.console import Console

__all__ = ["functions", "shell"]


def functions() -> str:
    """Return the functions, as text to be sourced by bash."""
    from importlib.resources import files

    return files("kopsversion").joinpath("data", "kopsversion.bash").read_text(encoding="utf-8")


@command(
    "shell",
    sections=(
        (
            "Examples",
            """
In a script of kops, after tests/e2e/scenarios/lib/common.sh:
  functions="$(kopsversion shell)" && eval "${functions}"
  KOPS_BASE_URL="$(kops-base-from-marker 1.30)"
""",
        ),
        (
            "Functions",
            """
kops-base-from-marker WHAT        print the base URL for "latest", a minor such as 1.30, or a marker's URL
kops-acquire-latest               set KOPS_BASE_URL and KOPS: in a periodic job to the latest build, with
                                  KOPS_VERSION_MARKER to a marker of it; else to a build of the tree
kops-download-from-base           download kops from KOPS_BASE_URL, check it, print its path
""",
        ),
    ),
    short_help="Print functions for kops' shell scripts.",
)
def shell(console: Console) -> None:
    """Print functions for bash that kops' scripts can source in place of their own.

    Names, arguments and output are those of tests/e2e/scenarios/lib/common.sh in kubernetes/kops. Without
    resolve-latest, or when it cannot reach the store, they read the plain marker as before.
    """
    console.answer(functions())
