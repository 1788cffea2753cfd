"""``kopsversion demo``: lay out the bucket of 6 May 2024, to try everything against.

`kopsversion.cli.demo_bucket` has the bucket and writes it.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kopsversion.cli.boundary import command

if TYPE_CHECKING:
    from kopsversion.cli.console import Console

__all__ = ["demo"]


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
        f"  resolve-latest release-1.29 {where} -o shell\n"
        f"  kopsversion list master {where} --limit 10\n"
    )
