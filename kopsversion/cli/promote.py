"""``kopsversion promote``: the command around `kopsversion.publish.promote`.

It reads options, the clock and a clone of kops, and prints what was done. This module must not know when a marker may
move.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from kopsversion.cli.boundary import command
from kopsversion.cli.options import MARKER_NAME, Parsed, build_options, store_options
from kopsversion.errors import UsageError

if TYPE_CHECKING:
    from datetime import datetime

    from kopsversion.cli.console import Console
    from kopsversion.cli.options import StoreQuestion
    from kopsversion.model.channel import Channel
    from kopsversion.model.policy import Policy
    from kopsversion.model.version import BuildVersion
    from kopsversion.publish.promote import Promotion
    from kopsversion.stores.base import Store
    from kopsversion.stores.deadline import Deadline

__all__ = ["promote"]


def _parse_channel(text: str) -> Channel:
    from kopsversion.model.channel import Channel

    return Channel.parse(text.strip())


def _parse_build(text: str) -> BuildVersion:
    from kopsversion.model.version import BuildVersion

    # A build's directory never has the "v" that people and markers put before a version.
    return BuildVersion.parse(text.strip().removeprefix("v"))


@command(
    "promote",
    sections=(
        (
            "Examples",
            """
After a test has passed, publish what was tested:
  resolve-latest master --strategy newest --lock tested.json --pin marker.txt
  ... the test ...
  kopsversion promote --channel master --marker latest-ci-updown-green.txt --from-lock tested.json
What would that change?
  kopsversion promote --channel master --marker latest-ci-updown-green.txt --from-lock tested.json --dry-run
""",
        ),
        (
            "Rules",
            """
The build must be in the store, testable, of that channel beyond doubt, and newer than the one that the marker
names; only --allow-rollback lets it be older. The marker is written only if nobody else has written it since
it was read; otherwise it is read again, and decided again. A marker that names no build of the channel (missing,
malformed, of another channel) is replaced.
A bucket is written with Application Default Credentials. --dry-run writes nothing, and reads anonymously.
""",
        ),
        (
            "Output",
            """
One line: "wrote" or "would write" or "left", the marker, what it named, what it names.
""",
        ),
        (
            "Exit codes",
            """
0  the marker names the build
1  refused: not testable, of another channel, or not newer
2  an argument, option or variable that is not valid
4  the store cannot be reached, or denies access
5  the lock's build has changed, or others kept writing the marker
""",
        ),
    ),
    short_help="Make a marker name a build: only forward, only a testable one.",
)
@click.option(
    "--channel",
    type=Parsed("channel", _parse_channel),
    required=True,
    metavar="CHANNEL",
    help="The channel whose marker it is: master, release-1.30.",
)
@click.option(
    "--marker",
    "marker_name",  # "marker" is the policy's
    type=MARKER_NAME,
    required=True,
    allow_from_autoenv=False,  # KOPSVERSION_MARKER names the markers to trust
    metavar="NAME",
    help="The marker's file name, as in latest-ci-updown-green.txt, or /latest.txt for one beside the builds.",
)
@click.option(
    "--build", type=Parsed("version", _parse_build), metavar="VERSION", help="The build that was tested."
)
@click.option(
    "--from-lock",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The lock of the build that was tested, instead of --build; it must still hold.",
)
@click.option(
    "--allow-rollback",
    metavar="REASON",
    allow_from_autoenv=False,  # it must be given each time
    help="Let the marker go back, and keep REASON in the object's metadata.",
)
@click.option("--dry-run", is_flag=True, help="Say what would change, and write nothing.")
@click.option(
    "--format",
    "body_format",
    type=click.Choice(["url", "version"]),
    help="What the marker holds: the base URL, as kops writes it below markers/, or the version alone, as at the "
    "root. [default: by place]",
)
@store_options
@build_options
def promote(
    console: Console,
    *,
    channel: Channel,
    marker_name: str,
    build: BuildVersion | None,
    from_lock: Path | None,
    allow_rollback: str | None,
    dry_run: bool,
    body_format: str | None,
    question: StoreQuestion,
    policy: Policy,
) -> None:
    """Make a marker name a build that was tested: only forward, and only if nobody else wrote meanwhile."""
    from datetime import UTC, datetime

    from kopsversion.model.layout import BodyFormat
    from kopsversion.publish import promote as publishing
    from kopsversion.stores.deadline import Deadline
    from kopsversion.workflows.clones import CloneSource

    deadline = Deadline(question["timeout"])
    store = _open(question, deadline=deadline, writes=not dry_run)
    click.get_current_context().call_on_close(store.close)
    now = datetime.now(UTC)
    version = _tested_build(build, from_lock, store=store, now=now, deadline=deadline)
    clone = CloneSource.of(
        repo=question["repo"], nearby=question["nearby"], ref=question["ref"], deadline=deadline
    ).open(channel)
    at_root = marker_name.startswith("/")
    written = body_format or ("version" if at_root else "url")
    if written == "version" and not at_root:
        console.log(
            "warning",
            "a marker of the version alone names a build beside the marker to kubetest2, not below the root",
        )
    promotion = publishing.promote(
        store,
        version,
        channel=channel,
        marker=marker_name,
        policy=policy,
        now=now,
        deadline=deadline,
        clone=clone,
        body_format=BodyFormat(written),
        rollback_reason=allow_rollback,
        dry_run=dry_run,
    )
    console.conditions((*clone.conditions, *promotion.conditions))
    console.answer(_line(promotion, dry_run=dry_run))


def _open(question: StoreQuestion, *, deadline: Deadline, writes: bool) -> Store:
    import os

    from kopsversion.stores.base import credentials_for
    from kopsversion.stores.opening import open_store

    if question["as_of"] is not None:
        raise UsageError(
            "a marker is promoted now: --as-of has no meaning", hint="leave --as-of and KOPSVERSION_AS_OF out"
        )
    if len(question["store"]) > 1:
        raise UsageError("a marker is in one store, and several are named", hint="name one --store")
    return open_store(
        question["store"][0],
        deadline=deadline,
        environ=os.environ,
        credentials="default" if writes else credentials_for(question["store"][0]),
    )


def _tested_build(
    build: BuildVersion | None, from_lock: Path | None, *, store: Store, now: datetime, deadline: Deadline
) -> BuildVersion:
    """Return the build to promote, after making sure that a lock still holds."""
    from kopsversion.publish.lock import read_lock, verify_lock

    if build is not None and from_lock is None:
        return build
    if from_lock is None or build is not None:
        raise UsageError(
            "name the build that was tested with either --build or --from-lock",
            hint="give --from-lock the file that resolve-latest --lock wrote",
        )
    lock = read_lock(from_lock)
    verify_lock(store, lock, now=now, deadline=deadline)
    return lock.resolution.version


def _line(promotion: Promotion, *, dry_run: bool) -> str:
    path, version = promotion.marker.path, promotion.version
    if promotion.move == "none":
        return f"left {path}: {version}\n"
    done = "would write" if dry_run else "wrote"
    return f"{done} {path}: {promotion.found} -> {version} ({promotion.move})\n"
