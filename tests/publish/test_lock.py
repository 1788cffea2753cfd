"""Locks: the whole answer, replayed only while its build is still there and unchanged."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from attrs import evolve
from click.testing import CliRunner

from kopsversion.cli.toolbox import resolve
from kopsversion.errors import AccessDeniedError, IntegrityError, UsageError
from kopsversion.model.codec import from_json, to_json
from kopsversion.model.layout import OFFICIAL_ROOT
from kopsversion.publish.lock import (
    LOCK_LIMIT,
    Lock,
    lock_from_json,
    lock_to_json,
    make_lock,
    read_lock,
    verify_lock,
    write_lock,
)
from kopsversion.stores.deadline import Deadline
from kopsversion.workflows.latest import resolve_latest
from tests import resolution_schema
from tests.builders import NOW
from tests.gcs_faults import Status
from tests.gcs_server import KOPS_ROOT, GcsServer, Kind
from tests.harness import (
    BINARIES,
    GREEN,
    NEW,
    OLD,
    PLACES,
    checksum_of,
    fill_with_green,
    make_place,
    opened,
    policy_for,
)
from tests.render.test_render import RESOLUTION
from tests.stores.test_store_contract import DirectoryPlace, Place, ServerPlace

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.testing import Result

    from kopsversion.model.answer import Resolution

SCHEMA_FILE = Path(__file__).parents[2] / "docs" / "reference" / "resolution.schema.json"


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Each kind of place in turn, with builds and a marker."""
    return fill_with_green(make_place(request.param, request, tmp_path))


@pytest.fixture
def directory(tmp_path: Path) -> DirectoryPlace:
    """A directory with builds and a marker."""
    return fill_with_green(DirectoryPlace(tmp_path / "a store+"))


def resolved(place: Place) -> Resolution:
    """The latest build of master there."""
    now = NOW if place.has_a_past else None
    return resolve_latest("master", store=opened(place), policy=policy_for(place), now=now)


def locked(place: Place) -> Lock:
    """The lock of the latest build of master there."""
    return make_lock(opened(place), resolved(place), deadline=Deadline(60))


def verify(place: Place, lock: Lock) -> None:
    now = lock.resolution.now if not place.has_a_past else NOW
    verify_lock(opened(place), lock, now=now, deadline=Deadline(60))


# --------------------------------------------------------------------------------------------------
# What a lock holds


def test_a_lock_holds_the_answer_and_what_it_rests_on(place: Place, tmp_path: Path) -> None:
    """The whole resolution, the sha256 of every kops and nodeup, the generation of each marker that was read."""
    lock = locked(place)
    assert lock.binaries == {path: checksum_of(NEW, path) for path in BINARIES}
    assert lock.resolution.generations[GREEN] == opened(place).stat(GREEN).generation
    write_lock(tmp_path / "lock.json", lock)
    again = read_lock(tmp_path / "lock.json")
    assert again == lock
    verify(place, again)


def test_markers_that_only_help_to_tell_branches_apart_are_kept_too(directory: DirectoryPlace) -> None:
    """A marker that decided nothing but was read has its generation in the lock."""
    beta = "1.30.0-beta.1+v1.30.0-alpha.1-1001-g0000001001"
    for path in BINARIES:
        directory.add(f"{beta}/{path}", b"x", NOW)
    directory.add("markers/release-1.30/latest-ci.txt", beta.encode(), NOW)
    resolution = resolved(directory)
    assert "markers/release-1.30/latest-ci.txt" in resolution.generations
    assert [report.marker.path for report in resolution.markers] == [GREEN]


def test_a_lock_reads_as_a_resolution_too(directory: DirectoryPlace) -> None:
    """Whatever reads -o json reads a lock."""
    lock = locked(directory)
    assert from_json(lock_to_json(lock)) == lock.resolution


@pytest.mark.parametrize(
    "damage",
    [
        lambda store: (store / "linux/amd64/nodeup.sha256").write_text("no checksum"),
        lambda store: (store / "linux/amd64/nodeup.sha256").unlink(),
    ],
)
def test_a_build_without_checksums_cannot_be_locked(
    directory: DirectoryPlace, damage: Callable[[Path], object]
) -> None:
    """What cannot be compared later is not written down."""
    resolution = resolved(directory)
    damage(directory.root / NEW)
    with pytest.raises(IntegrityError):
        make_lock(opened(directory), resolution, deadline=Deadline(60))


def test_a_store_that_fails_is_told(gcs_server: GcsServer) -> None:
    """When the checksums cannot be read, the store's error comes out."""
    place = fill_with_green(ServerPlace(gcs_server, KOPS_ROOT))
    resolution = resolved(place)
    gcs_server.fail(Status(403), Kind.MEDIA, times=None)
    store = opened(place)
    with pytest.raises(AccessDeniedError):
        make_lock(store, resolution, deadline=Deadline(60))


# --------------------------------------------------------------------------------------------------
# The schema


def test_the_published_schema_is_that_of_the_model() -> None:
    """`python -m tests.resolution_schema` writes the file anew."""
    assert SCHEMA_FILE.read_text() == resolution_schema.text()


def test_what_is_written_fits_the_schema(place: Place) -> None:
    """A resolution and a lock are valid against the published schema, and a lock needs its binaries."""
    schema = json.loads(SCHEMA_FILE.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    lock = locked(place)
    jsonschema.validate(json.loads(to_json(lock.resolution)), schema)
    jsonschema.validate(json.loads(to_json(RESOLUTION)), schema)
    of_lock = {**schema, "$ref": "#/$defs/Lock"}
    jsonschema.validate(json.loads(lock_to_json(lock)), of_lock)
    with pytest.raises(jsonschema.ValidationError, match="binaries"):
        jsonschema.validate(json.loads(to_json(lock.resolution)), of_lock)


def test_the_schema_refuses_what_is_wrong(directory: DirectoryPlace) -> None:
    """Each key of the model is required, and has its type; who made it older ones do not say."""
    schema = json.loads(SCHEMA_FILE.read_text())
    right = json.loads(to_json(resolved(directory)))
    for key in right:
        absent = {name: value for name, value in right.items() if name != key}
        for fields in [absent] * (key != "made_by") + [{**right, key: {"wrong": {}}}]:
            with pytest.raises(jsonschema.ValidationError):
                jsonschema.validate(fields, schema)


# --------------------------------------------------------------------------------------------------
# Locks that were edited


def _edited(lock: Lock, *path: str, value: Any) -> str:
    """A lock's JSON with one value changed; ``...`` takes the key away."""
    fields = json.loads(lock_to_json(lock))
    place = fields
    for key in path[:-1]:
        place = place[key]
    if value is ...:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return json.dumps(fields)


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        (("schema",), 2, "schema"),
        (("schema",), ..., "schema"),
        (("version",), "../../etc", "version"),
        (("version",), ..., "version"),
        (("base_url",), "https://evil.example/x", "base_url"),
        (("policy", "platforms"), [], "platforms of a policy cannot be '()' @ $.policy"),
        (("policy", "platforms"), ["../x"], "'../x' is not a platform @ $.policy"),
        (("policy", "nth"), "1", "nth"),
        (("policy", "nth"), 0, "nth of a policy cannot be '0' @ $.policy"),
        (("markers",), {}, "markers"),
        (("now",), "yesterday", "now"),
        (("binaries",), ..., "binaries"),
        (("binaries",), [], "binaries"),
        (("binaries", "linux/amd64/kops"), ..., "linux/amd64/kops"),
        (("binaries", "linux/amd64/kops"), "0" * 63, "linux/amd64/kops"),
        (("binaries", "linux/amd64/kops"), 5, "linux/amd64/kops"),
        (("binaries", "../x"), "0" * 64, "../x"),
    ],
)
def test_a_wrong_key_is_named(
    directory: DirectoryPlace, tmp_path: Path, path: tuple[str, ...], value: Any, named: str
) -> None:
    """A lock that was edited by hand, or is of another schema, is a usage error that says where."""
    text = _edited(locked(directory), *path, value=value)
    with pytest.raises(UsageError) as caught:
        lock_from_json(text)
    assert named in caught.value.message
    file = tmp_path / "lock.json"
    file.write_text(text)
    with pytest.raises(UsageError, match=r"lock\.json") as caught:
        read_lock(file)
    assert "--lock" in caught.value.hint


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "not JSON"),
        (b"[]", "not a JSON object"),
        (b"\xff\xfe", "not text"),
        (b" " * (LOCK_LIMIT + 1), "larger than"),
        (None, "No such file"),
    ],
)
def test_what_is_no_lock_is_told(tmp_path: Path, data: bytes | None, said: str) -> None:
    """No text, no JSON, too much, nothing there: a usage error each."""
    file = tmp_path / "lock.json"
    if data is not None:
        file.write_bytes(data)
    with pytest.raises(UsageError, match=said):
        read_lock(file)


def test_a_name_that_cannot_be_is_told() -> None:
    """A null byte is in no file's name."""
    with pytest.raises(UsageError, match="cannot be read"):
        read_lock(Path("lo\0ck"))


# --------------------------------------------------------------------------------------------------
# Replaying


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda build: shutil.rmtree(build), "is not in"),
        (lambda build: (build / "linux/arm64/nodeup").unlink(), "linux/arm64/nodeup is missing"),
        (lambda build: (build / "linux/arm64/kops.sha256").write_text("1" * 64), "is another file than"),
        (lambda build: (build / "linux/arm64/kops.sha256").write_text("<html>"), "holds no checksum"),
    ],
)
def test_a_lock_holds_only_while_its_build_does(
    directory: DirectoryPlace, damage: Callable[[Path], object], said: str
) -> None:
    """A build that is gone, or has changed, is an integrity error: exit 5 (FAILURES rows 12 and 17)."""
    lock = locked(directory)
    damage(directory.root / NEW)
    late = evolve(lock, resolution=evolve(lock.resolution, policy=policy_for(directory)))
    with pytest.raises(IntegrityError, match=said) as caught:
        verify_lock(opened(directory), late, now=NOW.replace(year=2099), deadline=Deadline(60))
    assert caught.value.exit_code == 5


def test_a_lock_is_of_its_own_store(directory: DirectoryPlace, tmp_path: Path) -> None:
    """The same build in another place is not what was locked."""
    other = fill_with_green(DirectoryPlace(tmp_path / "another store"))
    with pytest.raises(IntegrityError, match="is not where"):
        verify(other, locked(directory))


def test_markers_do_not_matter_to_a_lock(gcs_server: GcsServer) -> None:
    """Replaying asks for the build and its checksums, and reads no marker (FAILURES row 17)."""
    place = fill_with_green(ServerPlace(gcs_server, KOPS_ROOT))
    lock = locked(place)
    place.add(GREEN, OLD.encode())
    gcs_server.forget()
    verify(place, lock)
    assert gcs_server.count(Kind.MARKER, Kind.MARKERS_LIST) == 0
    assert gcs_server.kinds.count(Kind.OBJECTS) == 1
    assert len(gcs_server.requests) == 1 + len(BINARIES)


def test_a_store_that_cannot_be_reached_is_no_mismatch(gcs_server: GcsServer) -> None:
    """Exit 4, not 5."""
    place = fill_with_green(ServerPlace(gcs_server, KOPS_ROOT))
    lock = locked(place)
    gcs_server.fail(Status(403), Kind.OBJECTS, Kind.MEDIA, times=None)
    with pytest.raises(AccessDeniedError) as caught:
        verify(place, lock)
    assert caught.value.exit_code == 4


# --------------------------------------------------------------------------------------------------
# The options


def run(*arguments: str, **settings: Any) -> Result:
    return CliRunner().invoke(resolve, list(arguments), prog_name="resolve-latest", **settings)


@pytest.fixture
def lock_file(directory: DirectoryPlace, tmp_path: Path) -> Path:
    """A lock of master's latest build."""
    file = tmp_path / "a lock.json"
    result = run("master", "--store", directory.url(), "--lock", str(file), "-q")
    assert result.exit_code == 0
    return file


def test_a_lock_answers_without_asking_again(directory: DirectoryPlace, lock_file: Path) -> None:
    """The answer is that of the lock, from its own store, whatever markers and newer builds say now."""
    directory.add(GREEN, f"{OFFICIAL_ROOT}{OLD}\n".encode())
    asked_now = run("master", "--store", directory.url(), "-q", "-o", "version", "--max-lag", "9999d")
    assert asked_now.stdout == f"{OLD}\n"
    replayed = run("--from-lock", str(lock_file), "-q", "-o", "version")
    assert (replayed.exit_code, replayed.stdout) == (0, f"{NEW}\n")
    whole = run("--from-lock", str(lock_file), "-q", "-o", "json")
    assert from_json(whole.stdout) == read_lock(lock_file).resolution


def test_a_lock_replays_with_all_that_can_be_asked_for(lock_file: Path, tmp_path: Path) -> None:
    """Pin, fetch and a second lock come from the lock's build."""
    files = {name: tmp_path / name for name in ("pin", "fetch", "lock")}
    options = [text for name, path in files.items() for text in (f"--{name}", str(path))]
    result = run("--from-lock", str(lock_file), "-q", *options, "--arch", "amd64")
    assert result.exit_code == 0
    assert files["pin"].read_text() == result.stdout
    assert read_lock(files["lock"]) == read_lock(lock_file)
    assert "linux/amd64/kops" in files["fetch"].read_text()


def test_what_is_asked_beside_a_lock_must_agree(
    directory: DirectoryPlace, lock_file: Path, tmp_path: Path
) -> None:
    """Another channel or another store than the lock's is refused; its own, or its version, are fine."""
    lock = ["--from-lock", str(lock_file), "-q"]
    for selector in ("master", "latest", NEW):
        assert run(selector, *lock).exit_code == 0
    assert run("release-1.29", *lock).exit_code == 5
    other = tmp_path / "other"
    other.mkdir()
    assert run(*lock, "--store", directory.url()).exit_code == 0
    assert run(*lock, "--store", str(other), "--store", str(directory.root)).exit_code == 0
    refused = run(*lock, env={"KOPSVERSION_STORE": str(other)})
    assert (refused.exit_code, refused.stdout) == (5, "")
    assert "is not where" in refused.stderr
    assert run(*lock, "--as-of", "2024-05-06").exit_code == 2


def test_a_lock_that_fails_answers_nothing(directory: DirectoryPlace, lock_file: Path) -> None:
    """Exit 5 and an empty standard output when the build has gone; 2 when the lock cannot be read."""
    shutil.rmtree(directory.root / NEW)
    result = run("--from-lock", str(lock_file))
    assert (result.exit_code, result.stdout) == (5, "")
    missing = run("--from-lock", "/nowhere/lock.json")
    assert (missing.exit_code, missing.stdout) == (2, "")
