"""Buckets that tests of whole questions ask: builds and markers on the test server, and stores that do not sleep."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from kopsversion.cli.demo_bucket import _built
from kopsversion.model.channel import BRANCH_MARKER, GREEN_MARKER, MASTER
from kopsversion.model.policy import Policy
from kopsversion.stores.base import AttemptPolicy, Store
from kopsversion.stores.deadline import Deadline
from kopsversion.stores.opening import open_store
from kopsversion.workflows.latest import resolve_latest
from tests.builders import DAY, ERA_2024, HOUR, NOW, alpha, patch
from tests.gcs_server import KOPS_BUCKET, KOPS_ROOT, GcsServer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from kopsversion.model.answer import Resolution

ATTEMPTS = 3

FAST = AttemptPolicy(max_attempts=ATTEMPTS, initial=0.0, maximum=0.0)
"""Attempts that wait for nothing between them."""

SIZES: Mapping[str, int] = dict.fromkeys(ERA_2024.paths, 1000)


@frozen(kw_only=True)
class Scene:
    """What a bucket holds.

    Attributes:
        builds: complete builds, by version: when they were uploaded, UTC.
        markers: by ref and name: the version that each names.
        removed: paths of files that are not there, as ``<version>/<path>``.
    """

    builds: Mapping[str, datetime]
    markers: Mapping[tuple[str, str], str]
    removed: tuple[str, ...] = ()

    def put(self, server: GcsServer, *, bucket: str = KOPS_BUCKET) -> None:
        """Upload it all."""
        held = server.bucket(bucket)
        held.add_builds(KOPS_ROOT, self.builds, SIZES)
        for (ref, name), version in self.markers.items():
            body = f"https://storage.googleapis.com/{bucket}/{KOPS_ROOT}{version}\n"
            held.add(f"{KOPS_ROOT}markers/{ref}/{name}", body, at=self.builds.get(version, NOW - DAY))
        for path in self.removed:
            assert held.remove(KOPS_ROOT + path), path


def every_hour(versions: Iterable[str], *, last: datetime = NOW - HOUR) -> dict[str, datetime]:
    """Upload versions, oldest first, an hour apart."""
    named = list(versions)
    return {version: last - HOUR * (len(named) - 1 - place) for place, version in enumerate(named)}


PLAIN = Scene(
    builds={
        **every_hour(alpha(n) for n in range(1, 6)),
        **every_hour((patch(n) for n in range(1, 6)), last=NOW - 2 * HOUR),
        **every_hour((alpha(n, minor="1.29") for n in range(1, 4)), last=NOW - 40 * DAY),
    },
    markers={
        (MASTER, GREEN_MARKER): alpha(5),
        (MASTER, BRANCH_MARKER): alpha(5),
        ("release-1.29", BRANCH_MARKER): patch(5),
    },
)
"""Two minors, five builds of each branch, every marker current."""

MASTER_LAST = "1.29.0-alpha.4+v1.29.0-alpha.3-378-g22ce1230da"
MASTER_BEFORE = "1.29.0-alpha.4+v1.29.0-alpha.3-369-g8f29969f20"
RELEASE_LAST = "1.29.0-beta.2+v1.29.0-beta.1-47-gf9a0ba0203"

CUT = Scene(
    builds={built.version: built.uploaded for built in _built()},
    markers={
        (MASTER, GREEN_MARKER): MASTER_LAST,
        (MASTER, BRANCH_MARKER): MASTER_LAST,
        ("release-1.29", BRANCH_MARKER): RELEASE_LAST,
    },
)
"""The builds of 6 May 2024, every one complete: in the shared window of release-1.29 (DESIGN section 4)."""


def store_of(
    server: GcsServer,
    *,
    attempts: AttemptPolicy = FAST,
    deadline: Deadline | None = None,
    bucket: str = KOPS_BUCKET,
) -> Store:
    """Open a bucket of the test server."""
    return open_store(
        f"gs://{bucket}/{KOPS_ROOT}",
        deadline=deadline or Deadline(60),
        attempts=attempts,
        environ={"STORAGE_EMULATOR_HOST": server.url},
    )


def ask(
    *stores: Store,
    selector: str = MASTER,
    policy: Policy = Policy(),  # noqa: B008 # frozen
    now: datetime = NOW,
    as_of: datetime | None = None,
) -> Resolution:
    """Ask stores at the usual moment."""
    return resolve_latest(selector, store=stores, policy=policy, now=now, as_of=as_of)
