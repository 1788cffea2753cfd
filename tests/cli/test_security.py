"""Every promise of docs/security.md, tried from outside: hostile content, and the commands as they are run."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
import tracemalloc
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from attrs import evolve
from click.testing import CliRunner
from google.oauth2.credentials import Credentials

from kopsversion.cli.toolbox import resolve, tools
from kopsversion.errors import IntegrityError, MalformedResponseError, StoreError, UsageError
from kopsversion.files import check_target
from kopsversion.model.layout import CHECKSUM_LIMIT, MARKER_LIMIT
from kopsversion.model.version import BuildVersion
from kopsversion.publish.fetch import expected_checksum, fetch_kops
from kopsversion.publish.lock import lock_to_json, make_lock, read_lock, verify_lock
from kopsversion.publish.pin import write_pin
from kopsversion.render.github import to_github
from kopsversion.stores.base import AttemptPolicy
from kopsversion.stores.bucket import Location
from kopsversion.stores.cloud import CloudStore, Session
from kopsversion.stores.deadline import Deadline
from kopsversion.stores.route import route_to
from kopsversion.workflows.latest import resolve_latest
from tests.builders import NOW
from tests.gcs_faults import Redirect
from tests.gcs_server import KOPS_ROOT, GcsServer, Kind
from tests.harness import GREEN, NEW, OLD, add_build, content_of, fill_with_green, opened
from tests.stores.test_store_contract import DirectoryPlace, ServerPlace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from click.testing import Result

    from tests.stores.test_store_contract import Place


PAGE = Path(__file__).parents[2] / "docs" / "security.md"
EVIL = "1.99.0-alpha.1+v1.98.0-1-g0123456789"
NAME = f"{NEW}/linux/amd64/kops"


@pytest.fixture
def directory(tmp_path: Path) -> DirectoryPlace:
    """A directory with builds, and a marker that names the newest."""
    return fill_with_green(DirectoryPlace(tmp_path / "a store+"))


@pytest.fixture
def bucket(gcs_server: GcsServer) -> ServerPlace:
    """A bucket with builds, and a marker that names the newest."""
    return fill_with_green(ServerPlace(gcs_server, KOPS_ROOT))


@pytest.fixture
def elsewhere() -> Iterator[GcsServer]:
    """Another host, with a build that is not to be run."""
    with GcsServer() as server:
        add_build(ServerPlace(server, KOPS_ROOT), EVIL, at=NOW)
        server.bucket()
        yield server


def run(place: Place, *arguments: str, **settings: Any) -> Result:
    """Run ``resolve-latest`` on a place."""
    env = {**place.environ, **settings.pop("env", {})}
    options = ["--store", place.url(), *arguments]
    return CliRunner().invoke(resolve, options, prog_name="resolve-latest", env=env, **settings)


class TestPromise1:
    """No name leads out of the store"""

    @pytest.mark.parametrize(
        "body", ["../../../etc/passwd", "1.30.0/../../etc", f"{KOPS_ROOT}../{NEW}", "..", "/etc/passwd"]
    )
    def test_in_a_marker(self, bucket: ServerPlace, body: str) -> None:
        """A path is no version: the marker is malformed, and nothing of that name is asked for."""
        bucket.add(GREEN, body.encode(), NOW)
        result = run(bucket, "-o", "json")
        assert json.loads(result.stdout)["markers"][0]["verdict"] == "malformed"
        assert not [request for request in bucket.server.requests if ".." in request.path]

    def test_in_a_listing(self, bucket: ServerPlace) -> None:
        """Objects with such names are counted as debris, and are no part of any build."""
        for name in (
            "..",
            "../x",
            "1.31.0-alpha.1/../x/linux/amd64/kops",
            f"{NEW}/../../etc/passwd",
            "//x",
            "1./x",
        ):
            bucket.add(name, b"x", NOW)
        result = run(bucket, "-o", "version", "-q")
        assert (result.exit_code, result.stdout) == (0, f"{NEW}\n")

    @pytest.mark.parametrize(
        "arguments",
        [
            ["../../etc"],
            ["1.30.0/../../etc"],
            ["--marker", "../x"],
            ["--platform", "../x"],
            ["--exclude", "../x"],
        ],
    )
    def test_on_the_command_line(self, directory: DirectoryPlace, arguments: list[str]) -> None:
        """What cannot be a version, marker or platform is a usage error."""
        result = run(directory, *arguments)
        assert (result.exit_code, result.stdout) == (2, "")

    @pytest.mark.parametrize(("path", "value"), [("version", "../x"), ("platforms", ["linux/../../x"])])
    def test_in_a_lock(self, directory: DirectoryPlace, tmp_path: Path, path: str, value: object) -> None:
        """A lock that names such a thing is refused before a store is opened."""
        run(directory, "--lock", str(tmp_path / "lock"))
        fields = json.loads((tmp_path / "lock").read_text())
        (fields["policy"] if path == "platforms" else fields)[path] = value
        (tmp_path / "lock").write_text(json.dumps(fields))
        with pytest.raises(UsageError, match=path):
            read_lock(tmp_path / "lock")

    @pytest.mark.parametrize("name", ["../secret", "a/../../secret", "/etc/passwd", "link", "a//b", "", "."])
    def test_in_a_store(self, directory: DirectoryPlace, tmp_path: Path, name: str) -> None:
        """A directory reads and writes nothing outside of itself, not through a symlink either."""
        (tmp_path / "secret").write_text("secret")
        (directory.root / "link").symlink_to(tmp_path / "secret")
        store = opened(directory)
        with pytest.raises(StoreError):
            store.read(name, limit=100)
        write = partial(store.write, if_generation=None, cache_control="", metadata={})
        if name != "link":  # a link is replaced, as every file is
            with pytest.raises(StoreError):
                write(name, b"x")
        assert (tmp_path / "secret").read_text() == "secret"


class TestPromise2:
    """Nothing is downloaded from outside the store"""

    @pytest.mark.parametrize(
        "form",
        ["{url}/k8s-staging-kops/kops/releases/", "gs://evil/", "file:///tmp/", "https://evil.example/a@b/"],
    )
    def test_a_marker_selects_only_what_the_store_lists(
        self, bucket: ServerPlace, elsewhere: GcsServer, form: str, tmp_path: Path
    ) -> None:
        """A marker that names another host is foreign; the answer, the pin and kops are the store's."""
        bucket.add(GREEN, (form.format(url=elsewhere.url) + EVIL).encode(), NOW)
        files = ["--pin", str(tmp_path / "pin"), "--fetch", str(tmp_path / "kops"), "--arch", "amd64"]
        result = run(bucket, "-o", "json", *files)
        answer = json.loads(result.stdout)
        assert answer["markers"][0]["verdict"] == "foreign"
        assert answer["base_url"] == opened(bucket).public_url(NEW)
        assert (tmp_path / "pin").read_text() == f"{answer['base_url']}\n"
        assert (tmp_path / "kops").read_bytes() == content_of(NEW, "linux/amd64/kops")
        assert elsewhere.requests == []

    def test_a_marker_with_an_unknown_version_selects_nothing(self, bucket: ServerPlace) -> None:
        """A version that the store does not hold is dangling, however new it claims to be (FAILURES row 12)."""
        bucket.add(GREEN, b"1.30.0-alpha.2+v1.30.0-alpha.1-9999-g0123456789", NOW)
        assert run(bucket, "-o", "version", "-q").stdout == f"{NEW}\n"

    def test_a_lock_leads_nowhere_else(
        self, bucket: ServerPlace, elsewhere: GcsServer, tmp_path: Path
    ) -> None:
        """A lock whose base URL is not its store's, or whose store is not the one named, is refused."""
        resolution = resolve_latest("master", store=opened(bucket), now=NOW)
        lock = make_lock(opened(bucket), resolution, deadline=Deadline(60))
        away = evolve(
            lock, resolution=evolve(resolution, base_url=f"{elsewhere.url}/k8s-staging-kops/{KOPS_ROOT}{NEW}")
        )
        with pytest.raises(IntegrityError, match="base_url"):
            verify_lock(opened(bucket), away, now=NOW, deadline=Deadline(60))
        file = tmp_path / "lock"
        file.write_text(lock_to_json(evolve(lock, resolution=evolve(resolution, store="gs://evil/"))))
        moved = CliRunner().invoke(resolve, ["--from-lock", str(file)], env=dict(bucket.environ))
        assert (moved.exit_code, moved.stdout) == (5, "")
        assert elsewhere.requests == []


class TestPromise3:
    """Credentials stay with the store"""

    def test_no_redirect_is_followed(self, gcs_server: GcsServer, elsewhere: GcsServer) -> None:
        """A server that sends us elsewhere is not obeyed; nobody else sees the token."""
        gcs_server.fail(Redirect(f"{elsewhere.url}/stolen"), *Kind, times=None)
        place = Location("b", emulator=gcs_server.url)
        route = route_to(place.endpoint, {})
        identity = Credentials("token")  # type: ignore[no-untyped-call]  # google-auth is not annotated
        store = CloudStore(
            place,
            route=route,
            session=Session(identity, route=route),
            policy=AttemptPolicy(),
            deadline=Deadline(60),
        )
        with pytest.raises(MalformedResponseError, match="redirect"):
            store.stat("x")
        assert gcs_server.requests[0].headers["authorization"] == "Bearer token"
        assert elsewhere.requests == []

    def test_no_command_follows_one(self, bucket: ServerPlace, elsewhere: GcsServer) -> None:
        """Each command fails where it is sent elsewhere, and asks there for nothing."""
        bucket.server.fail(Redirect(f"{elsewhere.url}/stolen"), *Kind, times=None)
        assert run(bucket).exit_code == 4
        options = ["--channel", "master", "--marker", "x.txt", "--build", NEW, "--store", bucket.url()]
        promoted = CliRunner().invoke(tools, ["promote", *options], env=dict(bucket.environ))
        assert promoted.exit_code == 4
        assert elsewhere.requests == []

    def test_reading_shows_none(self, bucket: ServerPlace, tmp_path: Path) -> None:
        """Neither a netrc file nor application credentials reach a bucket that is only read."""
        netrc = tmp_path / "netrc"
        netrc.write_text("machine 127.0.0.1 login me password secret\n")
        netrc.chmod(0o600)
        env = {"NETRC": str(netrc), "GOOGLE_APPLICATION_CREDENTIALS": str(netrc)}
        assert run(bucket, "-q", env=env).exit_code == 0
        assert bucket.server.requests
        assert not [request for request in bucket.server.requests if "authorization" in request.headers]


class TestPromise4:
    """What is read into memory is bounded"""

    def test_of_markers_and_checksums(self, bucket: ServerPlace) -> None:
        """A gigabyte where a line belongs costs next to nothing."""
        for name in (GREEN, f"{NAME}.sha256"):
            bucket.server.bucket().add(KOPS_ROOT + name, size=1 << 30)
        store = opened(bucket)
        tracemalloc.start()
        try:
            assert len(store.read(GREEN, limit=MARKER_LIMIT).data) == MARKER_LIMIT + 1
            with pytest.raises(IntegrityError, match="larger than"):
                expected_checksum(store, NAME)
            assert tracemalloc.get_traced_memory()[1] < 32 << 20
        finally:
            tracemalloc.stop()

    def test_of_locks(self, tmp_path: Path) -> None:
        """A lock of many gigabytes is refused after eight MiB."""
        file = tmp_path / "lock"
        with file.open("wb") as sparse:
            sparse.truncate(1 << 36)
        tracemalloc.start()
        try:
            with pytest.raises(UsageError, match="larger than"):
                read_lock(file)
            assert tracemalloc.get_traced_memory()[1] < 32 << 20
        finally:
            tracemalloc.stop()

    def test_of_downloads(self, bucket: ServerPlace, tmp_path: Path) -> None:
        """kops goes to the disk in pieces, whatever its size."""
        size = 96 << 20
        bucket.server.bucket().add(KOPS_ROOT + NAME, size=size)
        store = opened(bucket)
        tracemalloc.start()
        try:
            with pytest.raises(IntegrityError, match="promises"):
                fetch_kops(store, BuildVersion.parse(NEW), platform="linux/amd64", path=tmp_path / "kops")
            assert tracemalloc.get_traced_memory()[1] < 32 << 20
        finally:
            tracemalloc.stop()

    def test_of_numbers(self) -> None:
        """A version of a million digits is refused, not computed."""
        with pytest.raises(UsageError):
            BuildVersion.parse("1." + "9" * 1_000_000 + ".0")


class TestPromise5:
    """Output cannot run anything"""

    def test_env_is_quoted(self, tmp_path: Path) -> None:
        """A store whose path is a program is only a string to the shell that evaluates the answer."""
        hostile = DirectoryPlace(tmp_path / "a'b\"c $(touch pwned) `touch pwned`; touch pwned # \\")
        fill_with_green(hostile)
        pin = tmp_path / "$(touch pwned)'\n;touch pwned"
        result = CliRunner().invoke(
            resolve, ["--store", str(hostile.root), "-o", "env", "-q", "--pin", str(pin)]
        )
        assert result.exit_code == 0
        script = 'eval "$1"; printf "%s\\n" "$KOPS_BASE_URL" "$KOPS_VERSION" "$KOPS_VERSION_MARKER"'
        ended = subprocess.run(
            ["bash", "-euc", script, "bash", result.stdout],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )
        expected = [resolve_latest("master", store=str(hostile.root)).base_url, NEW, pin.as_uri()]
        assert ended.stdout.splitlines() == expected
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted([hostile.root.name, pin.name])

    def test_no_output_of_a_step_sets_another(self) -> None:
        """A value with a line break is refused."""
        from tests.render.test_render import RESOLUTION

        with pytest.raises(UsageError):
            to_github(evolve(RESOLUTION, base_url="x\nPATH=evil"))

    def test_failure_prints_nothing(self, directory: DirectoryPlace, tmp_path: Path) -> None:
        """A pin that cannot be written leaves standard output empty, and kops not half there."""
        (directory.root / f"{NAME}.sha256").write_text("0" * 64)
        options = ["--pin", str(tmp_path / "pin"), "--fetch", str(tmp_path / "kops"), "--arch", "amd64"]
        result = run(directory, *options, "--settle", "0")
        assert (result.exit_code, result.stdout) == (5, "")
        assert not (tmp_path / "pin").exists()
        assert not (tmp_path / "kops").exists()


class TestPromise6:
    """Files are replaced, never written through"""

    @pytest.mark.parametrize("option", ["--pin", "--lock", "--fetch"])
    def test_symlinks(self, directory: DirectoryPlace, tmp_path: Path, option: str) -> None:
        """A symlink that somebody put there is replaced; what it leads to is untouched."""
        precious, path = tmp_path / "precious", tmp_path / "file"
        precious.write_text("precious")
        path.symlink_to(precious)
        assert run(directory, option, str(path), "-q").exit_code == 0
        assert precious.read_text() == "precious"
        assert path.is_file()
        assert not path.is_symlink()

    @pytest.mark.parametrize("option", ["--pin", "--lock", "--fetch"])
    def test_devices_and_directories(self, directory: DirectoryPlace, tmp_path: Path, option: str) -> None:
        """A directory, a link to a device and a pipe are refused, and stay what they are."""
        device, pipe, folder = tmp_path / "device", tmp_path / "pipe", tmp_path / "folder"
        device.symlink_to(os.devnull)
        os.mkfifo(pipe)
        folder.mkdir()
        for place in (device, pipe, folder):
            before = place.lstat()
            assert run(directory, option, str(place)).exit_code == 2
            assert place.lstat() == before

    @pytest.mark.parametrize(
        "place", ["/dev/stdout", "/dev/new", "/dev/fd/1", "/proc/self/x", "/proc/self/fd/1"]
    )
    def test_directories_of_the_system(self, place: str) -> None:
        """Nothing in them is replaced: /dev/stdout can be a symlink to a plain file. (Only the check is called.)"""
        with pytest.raises(UsageError):
            check_target(Path(place))

    def test_a_file_that_was_not_verified_replaces_nothing(
        self, directory: DirectoryPlace, tmp_path: Path
    ) -> None:
        """With another checksum than promised, the kops that was there stays."""
        path = tmp_path / "kops"
        path.write_text("an older kops")
        directory.add(NAME, b"x", NOW)
        assert run(directory, "--fetch", str(path), "--arch", "amd64").exit_code == 5
        assert path.read_text() == "an older kops"


class TestPromise7:
    """Files are private until they are complete"""

    def test_mode_and_name(
        self, directory: DirectoryPlace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Before it is in its place each file is its owner's alone, and has a random name beside that place."""
        seen = []
        real = os.fchmod

        def look(descriptor: int, mode: int) -> None:
            seen.append(
                (Path(f"/proc/self/fd/{descriptor}").readlink(), stat.S_IMODE(os.fstat(descriptor).st_mode))
            )
            real(descriptor, mode)

        monkeypatch.setattr(os, "fchmod", look)
        folder = tmp_path / "out"
        folder.mkdir()
        old = os.umask(0)
        try:
            files = [text for name in ("pin", "lock", "fetch") for text in (f"--{name}", str(folder / name))]
            assert run(directory, *files).exit_code == 0
        finally:
            os.umask(old)
        assert [mode for _, mode in seen] == [0o600] * 3
        names = {path.name for path, _ in seen}
        assert len(names) == 3
        assert all(path.parent == folder and path.name.startswith(".kopsversion-") for path, _ in seen)
        assert sorted(path.name for path in folder.iterdir()) == ["fetch", "lock", "pin"]

    def test_nothing_is_left(self, tmp_path: Path) -> None:
        """A write that fails leaves the directory as it was."""
        from tests.render.test_render import RESOLUTION

        with pytest.raises(UsageError):
            write_pin(tmp_path / ("x" * 300), RESOLUTION)
        assert list(tmp_path.iterdir()) == []


class TestPromise8:
    """Hostile text is not repeated"""

    @pytest.mark.parametrize(
        "body",
        [
            b"\x1b[2J\x1b]0;pwned\x07",
            b"1.30.0\nE0506 18:00:00.000000 1 x.go:1] forged",
            "\u202e1.30.0".encode(),
            b"classified words",
        ],
    )
    def test_of_a_marker(self, directory: DirectoryPlace, body: bytes) -> None:
        """Whatever a marker holds, what is printed is one line each, of printable text, without it."""
        directory.add(GREEN, body, NOW)
        for output in ("url", "json", "table"):
            result = run(directory, "-o", output, "--explain", "-v")
            assert result.exit_code == 0
            for text in (result.stdout, result.stderr):
                assert text.replace("\n", "").isprintable()
                assert not re.search("pwned|forged|classified words", text)

    def test_of_an_argument(self) -> None:
        """In a message a hostile argument is escaped and short."""
        ended = subprocess.run(
            [str(Path(sys.executable).with_name("resolve-latest")), "\x1b[2J" + "x" * 10_000],
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 2
        assert ended.stderr.replace("\n", "").isprintable()
        assert len(ended.stderr) < 1000


class TestPromise9:
    """A marker is written only on request"""

    def test_nothing_else_is_ever_written(self, bucket: ServerPlace, tmp_path: Path) -> None:
        """Asking, pinning, locking and fetching write nothing into a store; promoting writes one marker."""
        before = set(bucket.server.bucket().names())
        files = [text for name in ("pin", "lock", "fetch") for text in (f"--{name}", str(tmp_path / name))]
        assert run(bucket, *files, "--arch", "amd64").exit_code == 0
        options = ["--channel", "master", "--marker", "x.txt", "--store", bucket.url(), "--build"]
        for version, status in ((OLD, 0), (NEW, 0), (OLD, 1)):
            ended = CliRunner().invoke(
                tools,
                ["promote", *options, version],
                env={**bucket.environ, "KOPSVERSION_ALLOW_ROLLBACK": "please"},
            )
            assert ended.exit_code == status
        written = [request for request in bucket.server.requests if request.method != "GET"]
        assert [request.kind for request in written] == [Kind.UPLOAD] * 2
        names = bucket.server.bucket().names()
        assert [name for name in names if name not in before] == [f"{KOPS_ROOT}markers/master/x.txt"]


class TestPromise10:
    """Git runs nothing else"""

    @pytest.mark.parametrize(
        "hostile",
        [
            "--upload-pack=touch {canary}",
            "ext::sh -c touch% {canary}",
            "ext://sh -c touch% {canary}/x",
            "ssh://-oProxyCommand=touch${{IFS}}{canary}/kops",
            "https://host/kops\n--upload-pack=touch {canary}",
        ],
    )
    @pytest.mark.parametrize("command", ["resolve", "list", "check"])
    def test_a_url_runs_nothing(
        self, bucket: ServerPlace, tmp_path: Path, command: str, hostile: str
    ) -> None:
        """It is a usage error before git is started, or anything is asked."""
        canary = tmp_path / "canary"
        url = hostile.format(canary=canary)
        ended = CliRunner().invoke(
            tools,
            [command, "master", "--store", bucket.url()],
            env={**bucket.environ, "KOPSVERSION_REPO": url},
        )
        assert ended.exit_code == 2
        assert "--repo" in ended.stderr
        assert bucket.server.requests == []
        assert not canary.exists()


def test_each_promise_is_tested_under_its_heading() -> None:
    """The page and this module have the same promises, in the same words."""
    headings = re.findall(r"^## (\d+)\. (.+)$", PAGE.read_text(), re.MULTILINE)
    classes = {name: value for name, value in globals().items() if name.startswith("TestPromise")}
    assert {f"TestPromise{number}": heading for number, heading in headings} == {
        name: value.__doc__ for name, value in classes.items()
    }


@pytest.mark.parametrize(
    ("said", "limit"),
    [("| a marker | 1 KiB |", 1024), ("| a `.sha256` file | 256 bytes |", 256)],
)
def test_the_page_names_the_limits_that_hold(said: str, limit: int) -> None:
    """The numbers of the page are those of the code."""
    from kopsversion.publish.lock import LOCK_LIMIT
    from kopsversion.stores.base import PIECE
    from kopsversion.stores.transport import PAGE_LIMIT

    assert said in PAGE.read_text()
    assert limit in {MARKER_LIMIT, CHECKSUM_LIMIT}
    assert (PAGE_LIMIT, LOCK_LIMIT, PIECE) == (32 << 20, 8 << 20, 1 << 20)
