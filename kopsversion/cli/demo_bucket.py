"""`kopsversion demo`: the bucket of 6 May 2024, laid out in a directory, to try everything against.

It is the day of kops issue 16533 (DESIGN section 1): a tree like ``gs://k8s-staging-kops/kops/releases/``,
with a few dozen of the builds of those months. The versions, the times of their commits and tags, and the names
of a build's files are facts of kubernetes/kops. File contents are stand-ins with true checksums. The minutes from
commit to upload, the hour at which green was promoted, the incomplete build and the stray files are made up.

This module writes files and nothing else. It must not know how builds are ordered, attributed or judged.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING

from kopsversion.cli.demo_jobs import DemoFile, job_files
from kopsversion.errors import UsageError, quoted
from kopsversion.model.channel import BRANCH_MARKER, GREEN_MARKER, MASTER
from kopsversion.model.layout import OFFICIAL_ROOT
from kopsversion.model.values import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from collections.abc import Set as AbstractSet
    from pathlib import Path

__all__ = ["AS_OF", "DemoBucket", "lay_out"]

AS_OF = datetime(2024, 5, 6, 18, tzinfo=UTC)
"""The moment that the bucket shows."""

# What was built, oldest first within a ref: ref, version, time of its commit or tag. Master had 80 more
# commits until AS_OF and no build of any. The tag v1.29.0-beta.1, made in that time, was built all the same:
# kubernetes/k8s.io promoted it, see artifacts/manifests/k8s-staging-kops/1.29.0-beta.1.yaml there.
_BUILT = """\
master          1.29.0-alpha.4+v1.29.0-alpha.3-193-gb8e3c43874  2024-02-01T15:04:20Z
master          1.29.0-alpha.4+v1.29.0-alpha.3-209-g90fa037c0e  2024-02-03T18:09:39Z
master          1.29.0-alpha.4+v1.29.0-alpha.3-222-g40922025a2  2024-02-05T00:12:17Z
master          1.29.0-alpha.4+v1.29.0-alpha.3-229-gcdf65e41de  2024-02-08T15:54:21Z
master          1.29.0-alpha.4+v1.29.0-alpha.3-242-g99db2089a1  2024-02-10T06:50:29Z
master          1.29.0-alpha.4+v1.29.0-alpha.3-261-gf060b9252a  2024-02-11T14:21:45Z
master          1.29.0-alpha.4+v1.29.0-alpha.3-276-g1fbdc1b9b4  2024-02-14T06:35:41Z
master          1.29.0-alpha.4+v1.29.0-alpha.3-288-g1cbd622605  2024-02-16T13:14:39Z
master          1.29.0-alpha.4+v1.29.0-alpha.3-303-g83c13bc8ea  2024-02-18T07:18:07Z
master          1.29.0-alpha.4+v1.29.0-alpha.3-313-g94e21e2acd  2024-02-20T03:10:24Z
master          1.29.0-alpha.4+v1.29.0-alpha.3-318-gf21109e94f  2024-02-22T08:00:00Z
master          1.29.0-alpha.4+v1.29.0-alpha.3-320-g2900d27213  2024-02-22T15:08:46Z
master          1.29.0-alpha.4+v1.29.0-alpha.3-326-gc5551a005d  2024-02-24T19:06:21Z
master          1.29.0-alpha.4+v1.29.0-alpha.3-336-g856186fca6  2024-02-25T14:47:40Z
master          1.29.0-alpha.4+v1.29.0-alpha.3-339-gbd5bf53e86  2024-02-25T14:47:47Z
master          1.29.0-alpha.4+v1.29.0-alpha.3-342-g8f36682a35  2024-02-25T18:49:55Z
master          1.29.0-alpha.4+v1.29.0-alpha.3-349-g7385490512  2024-02-26T17:03:21Z
master          1.29.0-alpha.4+v1.29.0-alpha.3-351-g2e72309cc8  2024-02-28T17:19:42Z
master          1.29.0-alpha.4+v1.29.0-alpha.3-353-g68c500cf83  2024-02-28T18:32:45Z
master          1.29.0-alpha.4+v1.29.0-alpha.3-355-gc0cef47e60  2024-02-29T15:17:56Z
master          1.29.0-alpha.4+v1.29.0-alpha.3-363-g701adb6527  2024-02-29T16:34:21Z
master          1.29.0-alpha.4+v1.29.0-alpha.3-365-g9fc39e6431  2024-03-01T07:43:35Z
master          1.29.0-alpha.4+v1.29.0-alpha.3-367-g968fc844f0  2024-03-03T12:23:24Z
master          1.29.0-alpha.4+v1.29.0-alpha.3-369-g8f29969f20  2024-03-03T17:41:24Z
master          1.29.0-alpha.4+v1.29.0-alpha.3-378-g22ce1230da  2024-03-06T13:40:19Z
release-1.29    1.29.0-beta.2+v1.29.0-beta.1-3-gc2b747832a      2024-03-19T14:19:26Z
release-1.29    1.29.0-beta.2+v1.29.0-beta.1-5-g7c4faf752c      2024-03-20T11:35:52Z
release-1.29    1.29.0-beta.2+v1.29.0-beta.1-9-gad346e9bfe      2024-04-01T13:25:34Z
release-1.29    1.29.0-beta.2+v1.29.0-beta.1-12-g5ccdb46709     2024-04-03T04:44:10Z
release-1.29    1.29.0-beta.2+v1.29.0-beta.1-14-g402b7c19f0     2024-04-18T10:37:57Z
release-1.29    1.29.0-beta.2+v1.29.0-beta.1-17-g1f4af9b6df     2024-04-18T12:20:42Z
release-1.29    1.29.0-beta.2+v1.29.0-beta.1-21-g45e7976af2     2024-05-04T08:34:40Z
release-1.29    1.29.0-beta.2+v1.29.0-beta.1-28-g786ed5d347     2024-05-04T12:47:38Z
release-1.29    1.29.0-beta.2+v1.29.0-beta.1-31-gaac46278ac     2024-05-04T18:09:37Z
release-1.29    1.29.0-beta.2+v1.29.0-beta.1-34-g0bf781aecc     2024-05-05T06:16:35Z
release-1.29    1.29.0-beta.2+v1.29.0-beta.1-39-g2bb8b0c7c7     2024-05-05T12:50:11Z
release-1.29    1.29.0-beta.2+v1.29.0-beta.1-44-g588f77d0a1     2024-05-06T09:20:34Z
release-1.29    1.29.0-beta.2+v1.29.0-beta.1-47-gf9a0ba0203     2024-05-06T11:41:11Z
release-1.28    1.28.4+v1.28.3-3-ga26544e99e                    2024-02-01T14:29:13Z
release-1.28    1.28.4+v1.28.3-4-gbec37f0c43                    2024-02-02T07:20:36Z
release-1.28    1.28.5+v1.28.3-5-g3d5c6ceb3d                    2024-02-02T14:30:03Z
release-1.28    1.28.5+v1.28.4-2-gf8ba7d5d42                    2024-02-03T15:17:27Z
release-1.28    1.28.5+v1.28.4-4-gc5269fa84e                    2024-02-03T19:31:56Z
release-1.28    1.28.5+v1.28.4-11-ga62e14e79d                   2024-02-11T18:25:17Z
release-1.28    1.28.5+v1.28.4-14-g1aeef13dae                   2024-03-12T05:46:33Z
release-1.28    1.28.5+v1.28.4-18-gcd5d6a3f1a                   2024-03-12T06:44:40Z
release-1.28    1.28.5+v1.28.4-21-g17ac5e2bd0                   2024-03-13T12:22:58Z
release-1.28    1.28.5+v1.28.4-24-gee3d0b8c16                   2024-03-19T14:19:21Z
release-1.28    1.28.5+v1.28.4-26-g2dc89443d3                   2024-04-18T10:34:08Z
release-1.28    1.28.5+v1.28.4-30-g7d72d30561                   2024-05-04T08:30:23Z
release-1.28    1.28.5+v1.28.4-33-g6718f8f0ce                   2024-05-05T16:00:14Z
release-1.28    1.28.5+v1.28.4-36-g8be71351e2                   2024-05-06T13:07:40Z
release-1.27    1.27.3+v1.27.2-2-gc808c4a184                    2024-02-01T17:39:57Z
release-1.27    1.27.3+v1.27.2-6-g1ea7b05e13                    2024-02-01T18:55:20Z
release-1.27    1.27.4+v1.27.2-7-g6552c301e8                    2024-02-02T07:17:41Z
v1.27.3         1.27.3                                          2024-02-02T07:17:58Z
v1.28.4         1.28.4                                          2024-02-02T14:30:22Z
v1.29.0-beta.1  1.29.0-beta.1                                   2024-03-15T00:58:33Z
"""

_UPLOAD_AFTER = timedelta(minutes=20)  # "some twenty minutes to hours after the commit", says the history

_INCOMPLETE = "1.29.0-alpha.4+v1.29.0-alpha.3-369-g8f29969f20"
_MISSING = frozenset({"linux/arm64/nodeup", "linux/arm64/nodeup.sha256"})

_ATTESTED = "1.29.0-alpha.4+v1.29.0-alpha.3-378-g22ce1230da"
"""The build that has a `cloudbuild/` of its own, and that the stray one of the same name is about."""

_PROMOTED = datetime(2024, 3, 7, 6, tzinfo=UTC)
"""When green was last written: on 7 March 2024, the hour is made up."""

_STAMP = "README.txt"
_STAMP_TEXT = f"""\
This is the demo bucket of kopsversion: what gs://k8s-staging-kops/kops/releases/ held at
{AS_OF:%Y-%m-%d %H:%M} UTC, as far as a demonstration needs it. The files are stand-ins.
"kopsversion demo" recognises its own bucket by this file, and may write it anew.
"""


@frozen(kw_only=True)
class DemoBucket:
    """The bucket that was laid out.

    Attributes:
        directory: where it is.
        as_of: the moment that it shows, UTC, for ``--as-of``.
    """

    directory: Path
    as_of: datetime


@frozen(kw_only=True)
class _Built:
    ref: str
    version: str
    committed: datetime

    @property
    def uploaded(self) -> datetime:
        return self.committed + _UPLOAD_AFTER


def lay_out(directory: Path) -> DemoBucket:
    """Write the bucket of 6 May 2024 into a directory; a file's modification time is its upload time.

    A bucket that was laid out there before is put back into exactly its first state. It takes about
    25 MB of disk in blocks of 4 KiB, for 0.4 MB of content.

    Parameters:
        directory: one that is empty, does not exist yet, or holds the demo bucket.

    Returns:
        What was laid out.

    Raises:
        UsageError: `directory` holds something else, is no directory, or cannot be written.

    Source: DESIGN sections 1, 2 and 9.
    """
    files = _bucket(_built())
    try:
        _refuse_foreign(directory, files)
        _write(directory, files)
    except OSError as error:
        raise UsageError(
            f"{quoted(str(directory))} cannot hold the demo bucket: {error.strerror}",
            hint="name a directory that you may write to, on a disk with 25 MB to spare",
        ) from error
    return DemoBucket(directory=directory, as_of=AS_OF)


# --------------------------------------------------------------------------------------------------
# What the bucket holds


def _built() -> tuple[_Built, ...]:
    rows = (line.split() for line in _BUILT.strip().splitlines())
    return tuple(
        _Built(ref=ref, version=version, committed=datetime.fromisoformat(time))
        for ref, version, time in rows
    )


def _bucket(built: Iterable[_Built]) -> tuple[DemoFile, ...]:
    """List every file in the order of writing: the stamp first, so an interrupted run can be repeated."""
    built = tuple(built)
    newest = {build.ref: build for build in built}
    files = [DemoFile(path=_STAMP, content=_STAMP_TEXT.encode(), written=_PROMOTED)]
    for build in built:
        files += _build_files(build)
    for ref, build in newest.items():
        files.append(_marker(ref, BRANCH_MARKER, names=build, written=build.uploaded + timedelta(seconds=1)))
    files.append(_marker(MASTER, GREEN_MARKER, names=newest[MASTER], written=_PROMOTED))
    runs = job_files(((build.ref, build.version, build.committed) for build in built), as_of=AS_OF)
    return (*files, *_debris(), *runs)


def _build_files(build: _Built) -> Iterator[DemoFile]:
    """Yield the files of a build, uploaded one a second, the last one at `build.uploaded`."""
    contents = {}
    for path in _artifacts():
        contents[path] = _stand_in(path, version=build.version)
        contents[f"{path}.sha256"] = f"{sha256(contents[path]).hexdigest()}\n".encode()
    if build.version == _ATTESTED:
        contents["cloudbuild/files.sha256"] = _attestation(build.version)
    for seconds, (path, content) in enumerate(reversed(contents.items())):
        if build.version != _INCOMPLETE or path not in _MISSING:
            written = build.uploaded - timedelta(seconds=seconds)
            yield DemoFile(path=f"{build.version}/{path}", content=content, written=written)


def _artifacts() -> Iterator[str]:
    """Yield what a build of kOps 1.29 consists of, without the checksums."""
    for arch in ("amd64", "arm64"):
        yield f"darwin/{arch}/kops"
        for image in ("dns-controller", "kops-controller", "kops-utils-cp", "kube-apiserver-healthcheck"):
            yield f"images/{image}-{arch}.tar.gz"
        for binary in ("channels", "kops", "nodeup", "protokube"):
            yield f"linux/{arch}/{binary}"
    yield "windows/amd64/kops.exe"


def _stand_in(path: str, *, version: str) -> bytes:
    if path.endswith("/kops"):
        # A script, so that the file that --fetch downloads can be run and says which build it is.
        return f'#!/bin/sh\necho "Client version: {version}"\n'.encode()
    return f"stand-in for {path} of kOps {version}\n".encode()


def _attestation(version: str) -> bytes:
    """Make the file that kops' `cloudbuild-artifacts` writes: the output of sha256sum over a build's files."""
    digests = {path: sha256(_stand_in(path, version=version)).hexdigest() for path in sorted(_artifacts())}
    return "".join(f"{digest}  ./{version}/{path}\n" for path, digest in digests.items()).encode()


def _marker(ref: str, name: str, *, names: _Built, written: datetime) -> DemoFile:
    return DemoFile(
        path=f"markers/{ref}/{name}", content=f"{OFFICIAL_ROOT}{names.version}\n".encode(), written=written
    )


def _debris() -> Iterator[DemoFile]:
    # In the bucket this one is below an empty path segment, "releases//v2024…"; a directory can have none.
    cloudbuild = "v20240307-v1.29.0-alpha.3-378-g22ce1230da/cloudbuild/files.sha256"
    yield DemoFile(path=cloudbuild, content=_attestation(_ATTESTED), written=_PROMOTED)
    yield DemoFile(path="latest-ci.txt", content=b"a file that somebody left here\n", written=_PROMOTED)


# --------------------------------------------------------------------------------------------------
# Writing it


def _refuse_foreign(directory: Path, files: Iterable[DemoFile]) -> None:
    """Make sure that the directory holds nothing but the demo bucket, before a single byte is written."""
    shown = quoted(str(directory))
    hint = "name a directory that is empty or does not exist yet"
    if not os.path.lexists(directory):
        return
    if not directory.is_dir():
        raise UsageError(f"{shown} is not a directory", hint=hint)
    if not any(directory.iterdir()):
        return
    stamp = directory / _STAMP
    if not stamp.is_file() or stamp.read_bytes() != _STAMP_TEXT.encode():
        raise UsageError(f"{shown} holds something else than the demo bucket", hint=hint)
    paths = frozenset(file.path for file in files)
    stray = _stray(directory, files=paths, directories=_directories(paths))
    if stray is not None:
        raise UsageError(
            f"{shown} holds {quoted(stray)}, which is no part of the demo bucket",
            hint=f"remove that, or {hint}",
        )


def _directories(paths: Iterable[str]) -> frozenset[str]:
    return frozenset(path[:end] for path in paths for end, letter in enumerate(path) if letter == "/")


def _stray(
    directory: Path, *, files: AbstractSet[str], directories: AbstractSet[str], inside: str = ""
) -> str | None:
    """Find a file that is not the demo's. A symlink never is, since the file that it leads to would be written."""
    for entry in sorted(os.scandir(directory), key=lambda entry: entry.name):
        path = inside + entry.name
        if entry.is_dir(follow_symlinks=False) and path in directories:
            found = _stray(directory / entry.name, files=files, directories=directories, inside=f"{path}/")
            if found is not None:
                return found
        elif not entry.is_file(follow_symlinks=False) or path not in files:
            return path
    return None


def _write(directory: Path, files: Iterable[DemoFile]) -> None:
    made = set()
    for file in files:
        target = directory / file.path
        if target.parent not in made:
            target.parent.mkdir(parents=True, exist_ok=True)
            made.add(target.parent)
        target.write_bytes(file.content)
        os.utime(target, (file.written.timestamp(),) * 2)
