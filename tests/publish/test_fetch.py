"""Fetching kops: checked, executable, in its place whole or not at all."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from attrs import evolve
from click.testing import CliRunner

from kopsversion.cli.console import Console
from kopsversion.cli.toolbox import resolve
from kopsversion.errors import (
    AccessDeniedError,
    IntegrityError,
    NoTestableBuildError,
    PreconditionFailedError,
    StoreError,
    StoreUnavailableError,
    UsageError,
)
from kopsversion.files import check_target, write_whole
from kopsversion.model.layout import CHECKSUM_LIMIT
from kopsversion.model.version import BuildVersion
from kopsversion.publish.fetch import Fetched, fetch_kops, read_platform
from kopsversion.stores.wrapped import WrappedStore
from tests.builders import NOW
from tests.gcs_faults import Hangup, Stall
from tests.gcs_server import KOPS_ROOT, GcsServer, Kind
from tests.harness import NEW, PLACES, add_build, checksum_of, content_of, fill, make_place, opened
from tests.processes import unmeasured
from tests.stores.test_store_contract import DirectoryPlace, Place, ServerPlace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kopsversion.stores.base import Content, Store, StoredObject

KOPS = "linux/amd64/kops"
NAME = f"{NEW}/{KOPS}"
VERSION = BuildVersion.parse(NEW)
SCRIPTS = Path(sys.executable).parent


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Each kind of place in turn, with one build."""
    made = make_place(request.param, request, tmp_path)
    add_build(made, NEW, at=NOW)
    return made


@pytest.fixture
def directory(tmp_path: Path) -> DirectoryPlace:
    """A directory with one build."""
    made = DirectoryPlace(tmp_path / "a store+")
    add_build(made, NEW, at=NOW)
    return made


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Where kops is to go: a name in an empty directory, with spaces."""
    folder = tmp_path / "b i n"
    folder.mkdir()
    return folder / "kops"


def fetched(store: Store, target: Path, **settings: Any) -> Fetched:
    return fetch_kops(store, VERSION, platform="linux/amd64", path=target, **settings)


def left(target: Path) -> list[str]:
    """What is in the target's directory."""
    return sorted(entry.name for entry in target.parent.iterdir())


# --------------------------------------------------------------------------------------------------
# What is right


def test_kops_is_there_whole_and_executable(place: Place, target: Path) -> None:
    """The content is that of the store, the mode 0755, nothing else is left, and the way there was told."""
    told: list[tuple[int, int]] = []
    result = fetched(opened(place), target, progress=lambda done, total: told.append((done, total)))
    content = content_of(NEW, KOPS)
    assert target.read_bytes() == content
    assert result == Fetched(target, size=len(content), sha256=sha256(content).hexdigest())
    assert stat.S_IMODE(target.stat().st_mode) == 0o755
    assert subprocess.run([target], capture_output=True, text=True, check=True).stdout.endswith(f"{NEW}\n")
    assert left(target) == ["kops"]
    assert told[-1] == (len(content), len(content))


def test_what_was_there_is_replaced(directory: DirectoryPlace, target: Path) -> None:
    """A file that is being run goes on as it was: it is replaced, not written over."""
    target.write_text("an older kops")
    with target.open() as held:
        fetched(opened(directory), target)
        assert held.read() == "an older kops"
    assert target.read_bytes() == content_of(NEW, KOPS)


def test_windows_has_its_own_name(directory: DirectoryPlace, target: Path) -> None:
    """The program for Windows is called kops.exe in a build."""
    add_build(directory, NEW, at=NOW, paths=["windows/amd64/kops.exe"])
    fetch_kops(opened(directory), VERSION, platform="windows/amd64", path=target)
    assert target.read_bytes() == content_of(NEW, "windows/amd64/kops.exe")


@pytest.mark.parametrize(
    ("system", "machine", "architecture", "platform"),
    [
        ("linux", "x86_64", None, "linux/amd64"),
        ("linux", "aarch64", None, "linux/arm64"),
        ("linux", "AMD64", None, "linux/amd64"),
        ("darwin", "arm64", None, "darwin/arm64"),
        ("darwin", "x86_64", "arm64", "darwin/arm64"),
        ("linux", "riscv64", "amd64", "linux/amd64"),
    ],
)
def test_platforms_are_called_as_kops_calls_them(
    system: str, machine: str, architecture: str | None, platform: str
) -> None:
    """The machine's names become those of a build's directories; --arch wins."""
    assert read_platform(system, machine, architecture=architecture) == platform


@pytest.mark.parametrize(("system", "machine"), [("linux", "riscv64"), ("win32", "AMD64"), ("linux", "")])
def test_platforms_without_kops_are_told(system: str, machine: str) -> None:
    """Where no kops can be run, that is a usage error."""
    with pytest.raises(UsageError):
        read_platform(system, machine)


# --------------------------------------------------------------------------------------------------
# What is wrong


@pytest.mark.parametrize(
    "checksum",
    [
        b"0" * 64 + b"\n",
        b"<html>404</html>",
        b"",
        b"0" * 63,
        checksum_of(NEW, KOPS).encode() + b" " * CHECKSUM_LIMIT,
        None,
    ],
)
def test_what_cannot_be_checked_is_not_kept(place: Place, target: Path, checksum: bytes | None) -> None:
    """Against another checksum, a page, nothing, or too much: exit 5, the old file stays (FAILURES row 24)."""
    target.write_text("an older kops")
    if checksum is not None:
        place.add(f"{NAME}.sha256", checksum)
    elif isinstance(place, DirectoryPlace):
        (place.root / f"{NAME}.sha256").unlink()
    else:
        place.add(f"{NAME}.sha256", b"\0")
    with pytest.raises(IntegrityError) as caught:
        fetched(opened(place), target)
    assert caught.value.exit_code == 5
    assert target.read_text() == "an older kops"
    assert left(target) == ["kops"]


def test_a_build_without_that_platform_is_told(directory: DirectoryPlace, target: Path) -> None:
    """A build for Linux alone has no kops for a Mac: exit 5 for want of a checksum, 1 for want of kops."""
    with pytest.raises(IntegrityError, match="does not exist"):
        fetch_kops(opened(directory), VERSION, platform="darwin/arm64", path=target)
    (directory.root / NAME).unlink()
    with pytest.raises(NoTestableBuildError, match="has no kops for linux/amd64"):
        fetched(opened(directory), target)
    assert left(target) == []


class Flaky(WrappedStore):
    """A store whose downloads yield a few bytes at a time, and end as they are told.

    Parameters:
        inner: the store.
        ends: for each download, how many pieces come, and the error that then comes, if any.
    """

    def __init__(self, inner: Store, ends: list[tuple[int, StoreError | None]]) -> None:
        super().__init__(inner)
        self._ends = ends
        self.offsets: list[int] = []

    def download(self, name: str, *, offset: int = 0) -> Iterator[bytes]:
        self.offsets.append(offset)
        pieces, end = self._ends.pop(0) if self._ends else (10_000, None)
        data = b"".join(self.inner.download(name, offset=offset))
        for start in range(0, len(data), 10):
            if start // 10 == pieces:
                break
            yield data[start : start + 10]
        if end is not None:
            raise end


BROKEN = StoreUnavailableError("broke off", url="x", transient=True)
OVERWRITTEN = PreconditionFailedError("overwritten", url="x")


def test_a_broken_connection_is_taken_up_where_it_broke(directory: DirectoryPlace, target: Path) -> None:
    """As long as the object is the same, no byte is asked for twice."""
    store = Flaky(opened(directory), [(2, BROKEN), (0, BROKEN), (1, BROKEN)])
    fetched(store, target)
    assert store.offsets == [0, 20, 20, 30]
    assert target.read_bytes() == content_of(NEW, KOPS)


@pytest.mark.parametrize("fault", [BROKEN, OVERWRITTEN])
def test_another_object_is_read_from_its_beginning(
    directory: DirectoryPlace, target: Path, fault: StoreError
) -> None:
    """When the object was overwritten meanwhile, with its checksum, the download begins anew."""
    other = b"another kops, longer than a few bytes\n" * 9

    store = Flaky(opened(directory), [(3, fault)])
    stat_before = store.stat

    def stat_and_overwrite(name: str) -> StoredObject:
        found = stat_before(name)
        directory.add(NAME, other)
        directory.add(f"{NAME}.sha256", f"{sha256(other).hexdigest()}\n".encode())
        return found

    store.stat = stat_and_overwrite  # type: ignore[method-assign]  # overwritten right after it was looked at
    fetched(store, target)
    assert target.read_bytes() == other
    assert store.offsets[-1] == 0


def test_a_patchwork_is_read_once_more(directory: DirectoryPlace, target: Path) -> None:
    """Bytes of two streams that do not fit together are fetched anew before anybody is accused."""

    class Lying(Flaky):
        def download(self, name: str, *, offset: int = 0) -> Iterator[bytes]:
            lies = not self.offsets
            for piece in super().download(name, offset=offset):
                yield b"x" * len(piece) if lies else piece

    store = Lying(opened(directory), [(2, BROKEN)])
    fetched(store, target)
    assert target.read_bytes() == content_of(NEW, KOPS)
    assert store.offsets == [0, 20, 0]


def test_a_stream_that_ends_too_early_is_gone_on_with(directory: DirectoryPlace, target: Path) -> None:
    """A download that stops without an error has fewer bytes than the object, and goes on where it was."""
    store = Flaky(opened(directory), [(2, None)])
    assert fetched(store, target).path == target
    assert store.offsets == [0, 20]


def test_a_stream_that_always_ends_too_early_is_given_up(directory: DirectoryPlace, target: Path) -> None:
    """A good build is not called a bad one for that: the store is what fails."""
    store = Flaky(opened(directory), [(0, None)] * 99)
    with pytest.raises(StoreUnavailableError, match="ended after 0 of"):
        fetched(store, target)
    assert left(target) == []


def test_a_checksum_that_is_none_is_read_again(directory: DirectoryPlace, target: Path) -> None:
    """One page of somebody else's in its place does not make a good build a bad one."""

    class Once(WrappedStore):
        pages = 1

        def read(self, name: str, *, limit: int) -> Content:
            content = super().read(name, limit=limit)
            if not self.pages:
                return content
            self.pages -= 1
            return evolve(content, data=b"<html>sign in</html>")

    assert fetched(Once(opened(directory)), target).path == target


def test_a_connection_that_always_breaks_is_given_up(directory: DirectoryPlace, target: Path) -> None:
    """After five tries the store's error comes out, and nothing is left."""
    store = Flaky(opened(directory), [(1, BROKEN)] * 99)
    with pytest.raises(StoreUnavailableError, match="broke off"):
        fetched(store, target)
    assert (store.offsets, left(target)) == ([0, 10, 20, 30, 40], [])


def test_what_will_not_pass_is_not_tried_again(directory: DirectoryPlace, target: Path) -> None:
    """A denial is final."""
    store = Flaky(opened(directory), [(1, AccessDeniedError("no", url="x"))])
    with pytest.raises(AccessDeniedError):
        fetched(store, target)
    assert (store.offsets, left(target)) == ([0], [])


def test_a_hangup_in_the_middle_costs_no_more_than_the_rest(gcs_server: GcsServer, target: Path) -> None:
    """Over a real connection that breaks in the middle, the second request asks for the rest alone."""
    place = ServerPlace(gcs_server, KOPS_ROOT)
    content = os.urandom(3_000_000)
    place.add(NAME, content)
    place.add(f"{NAME}.sha256", f"{sha256(content).hexdigest()}  kops\n".encode())
    gcs_server.fail(Hangup("half"), Kind.MEDIA, when=lambda request: request.name.endswith("/kops"))
    fetched(opened(place), target)
    assert target.read_bytes() == content
    ranges = [
        request.headers.get("range") for request in gcs_server.requests if request.name.endswith("/kops")
    ]
    assert ranges[-1] is not None
    assert ranges[-1].startswith("bytes=")
    assert ranges[-1] != "bytes=0-"


# --------------------------------------------------------------------------------------------------
# Where it goes


@pytest.mark.parametrize("inside", [True, False])
def test_a_symlink_is_replaced_and_not_followed(
    directory: DirectoryPlace,
    target: Path,
    tmp_path: Path,
    inside: bool,  # noqa: FBT001 # a parameter
) -> None:
    """What the link led to is untouched, or still does not exist."""
    precious = tmp_path / "precious"
    if inside:
        precious.write_text("precious")
    target.symlink_to(precious)
    fetched(opened(directory), target)
    assert not target.is_symlink()
    assert target.read_bytes() == content_of(NEW, KOPS)
    assert precious.exists() is inside
    assert not inside or precious.read_text() == "precious"


def _directory(target: Path) -> Path:
    target.mkdir()
    return target


def _link_to_directory(target: Path) -> Path:
    target.symlink_to(target.parent)
    return target


def _pipe(target: Path) -> Path:
    os.mkfifo(target)
    return target


def _below_a_file(target: Path) -> Path:
    target.write_text("")
    return target / "kops"


@pytest.mark.parametrize(
    "make",
    [
        _directory,
        _link_to_directory,
        _pipe,
        _below_a_file,
        lambda _: Path(os.devnull),
        lambda target: target / "kops",
        lambda target: target.with_name("k\0ps"),
        lambda target: target.with_name("k" * 300),
    ],
)
def test_what_cannot_be_a_file_is_a_usage_error(target: Path, make: Callable[[Path], Path]) -> None:
    """Directories, devices, pipes and places that do not exist are refused before anything is asked."""
    path = make(target)
    with pytest.raises(UsageError) as caught:
        check_target(path)
    assert caught.value.exit_code == 2
    with pytest.raises(UsageError):
        write_whole(path, b"")


def test_a_full_disk_is_told(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the disk is full the old file stays, and nothing else is left."""
    target.write_text("an older kops")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UsageError, match="No space left on device"):
        write_whole(target, b"new")
    assert (target.read_text(), left(target)) == ("an older kops", ["kops"])


def test_the_temporary_file_is_nobodys_business(directory: DirectoryPlace, target: Path) -> None:
    """While it is written, the file can be read by its owner alone, and is in the same directory."""
    seen: list[tuple[str, int]] = []

    def look(_done: int, _total: int) -> None:
        seen.extend((path.name, stat.S_IMODE(path.stat().st_mode)) for path in target.parent.iterdir())

    old = os.umask(0)
    try:
        fetched(opened(directory), target, progress=look)
    finally:
        os.umask(old)
    assert [mode for _, mode in seen] == [0o600]
    assert seen[0][0].startswith(".kopsversion-")


@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit, MemoryError])
def test_nothing_is_left_whatever_ends_it(
    directory: DirectoryPlace, target: Path, end: type[BaseException]
) -> None:
    """Ctrl-C in the middle leaves the directory as it was."""

    def interrupt(_done: int, _total: int) -> None:
        raise end

    with pytest.raises(end):
        fetched(opened(directory), target, progress=interrupt)
    assert left(target) == []


def test_an_interrupted_file_that_is_gone_does_not_matter(directory: DirectoryPlace, target: Path) -> None:
    """Who cleaned the directory up meanwhile has not broken anything."""

    def clean(_done: int, _total: int) -> None:
        for path in target.parent.iterdir():
            path.unlink()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetched(opened(directory), target, progress=clean)
    assert left(target) == []


def test_an_endless_object_is_cut_off(directory: DirectoryPlace, target: Path) -> None:
    """Not a byte more than the store said is written to the disk."""

    class Endless(WrappedStore):
        def download(self, name: str, *, offset: int = 0) -> Iterator[bytes]:
            while True:
                yield b"x" * 10

    sizes: list[int] = []
    size = len(content_of(NEW, KOPS))
    with pytest.raises(IntegrityError, match=f"larger than its size of {size} bytes"):
        fetched(Endless(opened(directory)), target, progress=lambda done, _: sizes.append(done))
    assert max(sizes) <= size
    assert left(target) == []


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_job_that_is_ended_leaves_nothing_behind(
    gcs_server: GcsServer, target: Path, number: int, status: int
) -> None:
    """Prow ends a job with SIGTERM, a person with Ctrl-C: in the middle of a download both leave no file."""
    place = ServerPlace(gcs_server, KOPS_ROOT)
    fill(place)
    gcs_server.fail(
        Stall("half"), Kind.MEDIA, times=None, when=lambda request: request.name.endswith("/kops")
    )
    command = [str(SCRIPTS / "resolve-latest"), NEW, "--store", place.url(), "--fetch", str(target)]
    with subprocess.Popen(
        command, env=unmeasured(**place.environ), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as running:
        deadline = time.monotonic() + 60
        while not left(target) and running.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)  # until it has begun; another process can only be watched
        assert left(target)
        running.send_signal(number)
        stdout, _ = running.communicate(timeout=60)
    assert (running.returncode, stdout) == (status, b"")
    assert left(target) == []


# --------------------------------------------------------------------------------------------------
# The option


def run(directory: DirectoryPlace, *arguments: str) -> Any:
    return CliRunner().invoke(resolve, [NEW, "--store", directory.url(), *arguments])


def test_fetch_comes_before_the_answer(directory: DirectoryPlace, target: Path) -> None:
    """When the answer is there, so is kops; on failure neither is."""
    result = run(directory, "--fetch", str(target), "-o", "version", "--arch", "amd64", "-v")
    assert (result.exit_code, result.stdout) == (0, f"{NEW}\n")
    assert f"sha256 {checksum_of(NEW, KOPS)}" in result.stderr
    assert target.read_bytes() == content_of(NEW, KOPS)
    directory.add(f"{NAME}.sha256", b"0" * 64, NOW)
    failed = run(directory, "--fetch", str(target), "--arch", "amd64")
    assert (failed.exit_code, failed.stdout) == (5, "")


def test_arch_is_this_machines_by_default(
    directory: DirectoryPlace, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On an arm64 machine it is the arm64 kops."""
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    assert run(directory, "--fetch", str(target)).exit_code == 0
    assert target.read_bytes() == content_of(NEW, "linux/arm64/kops")


def test_a_terminal_shows_how_far_it_has_come(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a terminal there is a bar on standard error; elsewhere, or quiet, there is none."""
    console = Console()
    with console.progress("kops [red]1.30.0") as tell:
        assert tell is None
    monkeypatch.setattr("kopsversion.cli.console.is_rich", lambda _: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")
    with console.progress("kops [red]1.30.0") as tell:
        assert tell is not None
        tell(512, 1024)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "kops [red]1.30.0" in shown.err
    console.quiet = True
    with console.progress("kops") as tell:
        assert tell is None
