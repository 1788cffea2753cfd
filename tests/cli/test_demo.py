"""The demo bucket shows the day of kops issue 16533 as DESIGN section 1 tells it, and harms no files."""

from __future__ import annotations

import json
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest
import semver

from kopsversion.cli.demo_bucket import AS_OF, DemoBucket, lay_out
from kopsversion.errors import InvalidVersionError, UsageError
from kopsversion.model.version import BuildVersion

if TYPE_CHECKING:
    from pathlib import Path

NEWEST_OF_MASTER = "1.29.0-alpha.4+v1.29.0-alpha.3-378-g22ce1230da"
NEWEST_OF_1_29 = "1.29.0-beta.2+v1.29.0-beta.1-47-gf9a0ba0203"
NEWEST_OF_1_28 = "1.28.5+v1.28.4-36-g8be71351e2"
NEWEST_OF_1_27 = "1.27.4+v1.27.2-7-g6552c301e8"
INCOMPLETE = "1.29.0-alpha.4+v1.29.0-alpha.3-369-g8f29969f20"
ROOT = "https://storage.googleapis.com/k8s-staging-kops/kops/releases/"

State = dict[str, tuple[bytes, int]]


def state_of(directory: Path) -> State:
    """Read every file: its name, content and modification time in nanoseconds."""
    files = (path for path in sorted(directory.rglob("*")) if not path.is_dir())
    return {str(path.relative_to(directory)): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> DemoBucket:
    return lay_out(tmp_path_factory.mktemp("demo") / "bucket")


@pytest.fixture(scope="module")
def state(bucket: DemoBucket) -> State:
    return state_of(bucket.directory)


@pytest.fixture(scope="module")
def uploads(state: State) -> dict[str, datetime]:
    """When the newest file of each build was written, by version."""
    newest: dict[str, int] = {}
    for name, (_, written) in state.items():
        folder = name.partition("/")[0]
        try:
            BuildVersion.parse(folder)
        except InvalidVersionError:
            continue
        newest[folder] = max(written, newest.get(folder, 0))
    return {version: datetime.fromtimestamp(written / 1e9, UTC) for version, written in newest.items()}


def artifacts(state: State, version: str) -> set[str]:
    names = (name.removeprefix(f"{version}/") for name in state if name.startswith(f"{version}/"))
    return {name for name in names if not name.startswith("cloudbuild/")}


class TestTheDay:
    def test_newest_upload(self, uploads: dict[str, datetime]) -> None:
        """The newest upload of the whole bucket is a release-1.28 build."""
        assert max(uploads, key=lambda version: uploads[version]) == NEWEST_OF_1_28

    @pytest.mark.skipif(shutil.which("sort") is None, reason="there is no sort on this machine")
    def test_sort_v(self, uploads: dict[str, datetime]) -> None:
        """What `sort -V` calls the highest is a release-1.29 build."""
        text = "".join(f"{version}\n" for version in uploads)
        done = subprocess.run(["sort", "-V"], input=text, capture_output=True, text=True, check=True)
        assert done.stdout.splitlines()[-1] == NEWEST_OF_1_29

    def test_highest_semver(self, uploads: dict[str, datetime]) -> None:
        """The highest version is a release-1.29 build, by semver and by DESIGN section 3."""
        highest = max(uploads, key=lambda version: (semver.Version.parse(version), uploads[version]))
        assert highest == NEWEST_OF_1_29
        assert str(max(BuildVersion.parse(version) for version in uploads)) == NEWEST_OF_1_29

    def test_master_stands_still(self, uploads: dict[str, datetime]) -> None:
        """Master's newest build was uploaded on 6 March, 61 days before, and nothing of master came after."""
        of_master = {version: time for version, time in uploads.items() if "+v1.29.0-alpha.3-" in version}
        assert max(of_master, key=lambda version: of_master[version]) == NEWEST_OF_MASTER
        assert of_master[NEWEST_OF_MASTER] == datetime(2024, 3, 6, 14, 0, 19, tzinfo=UTC)
        assert (AS_OF - of_master[NEWEST_OF_MASTER]).days == 61

    def test_other_branches(self, uploads: dict[str, datetime]) -> None:
        """Release-1.29 begins on 19 March and was built today, like 1.28; 1.27's last is 94 days old."""
        of_1_29 = [time for version, time in uploads.items() if "+v1.29.0-beta.1-" in version]
        assert min(of_1_29).date().isoformat() == "2024-03-19"
        assert uploads[NEWEST_OF_1_29] == max(of_1_29)
        assert AS_OF - uploads[NEWEST_OF_1_29] < timedelta(hours=6)
        assert AS_OF - uploads[NEWEST_OF_1_28] < timedelta(hours=6)
        assert uploads[NEWEST_OF_1_27] == max(
            time for version, time in uploads.items() if "+v1.27." in version
        )
        assert (AS_OF - uploads[NEWEST_OF_1_27]).days == 94

    def test_tag_above_master(self, uploads: dict[str, datetime]) -> None:
        """A tag's own build lies above every build of master, so that a rule forgetting tags is found out."""
        assert {v for v in uploads if "+" not in v} == {"1.27.3", "1.28.4", "1.29.0-beta.1"}
        assert BuildVersion.parse("1.29.0-beta.1") > BuildVersion.parse(NEWEST_OF_MASTER)

    def test_nothing_from_later(self, state: State, uploads: dict[str, datetime]) -> None:
        """Everything is settled at the moment that the bucket shows: ten minutes old or more."""
        newest = datetime.fromtimestamp(max(written for _, written in state.values()) / 1e9, UTC)
        assert newest <= AS_OF - timedelta(minutes=10)
        assert min(uploads.values()) > AS_OF - timedelta(days=100)


class TestFacts:
    def test_history(self, history: Path, uploads: dict[str, datetime]) -> None:
        """Each build is of a commit or tag that the real history knows, and was uploaded 20 minutes later."""
        made: dict[str, set[float]] = {}
        for line in (history / "builds.jsonl").read_text().splitlines():
            row = json.loads(line)
            made.setdefault(row["version"], set()).add(row["time"])
        for line in (history / "tags.jsonl").read_text().splitlines():
            row = json.loads(line)
            made.setdefault(row["tag"].removeprefix("v"), set()).add(row["time"])
        for version, uploaded in uploads.items():
            assert (uploaded - timedelta(minutes=20)).timestamp() in made[version]

    def test_unbuilt_merges(self, history: Path) -> None:
        """Until the moment that the bucket shows, master has 80 merges after its newest build."""
        rows = [json.loads(line) for line in (history / "builds.jsonl").read_text().splitlines()]
        of_master = [row for row in rows if row["branch"] == "master"]
        built = next(row for row in of_master if row["version"] == NEWEST_OF_MASTER)
        later = [row for row in of_master if row["seq"] > built["seq"] and row["time"] <= AS_OF.timestamp()]
        assert len(later) == 80


class TestBuilds:
    def test_count(self, uploads: dict[str, datetime]) -> None:
        """There are a few dozen."""
        assert len(uploads) == 58

    def test_artifact_set(self, state: State) -> None:
        """A build holds the 38 files of kOps 1.29, each binary and image with its checksum."""
        names = artifacts(state, NEWEST_OF_MASTER)
        assert len(names) == 38
        plain = {name for name in names if not name.endswith(".sha256")}
        assert names == plain | {f"{name}.sha256" for name in plain}
        assert {name for name in plain if name.startswith(("darwin/", "windows/"))} == {
            "darwin/amd64/kops",
            "darwin/arm64/kops",
            "windows/amd64/kops.exe",
        }
        for arch in ("amd64", "arm64"):
            assert {name for name in plain if name.startswith(f"linux/{arch}/")} == {
                f"linux/{arch}/channels",
                f"linux/{arch}/kops",
                f"linux/{arch}/nodeup",
                f"linux/{arch}/protokube",
            }
            assert {name for name in plain if name.endswith(f"-{arch}.tar.gz")} == {
                f"images/dns-controller-{arch}.tar.gz",
                f"images/kops-controller-{arch}.tar.gz",
                f"images/kops-utils-cp-{arch}.tar.gz",
                f"images/kube-apiserver-healthcheck-{arch}.tar.gz",
            }

    def test_one_is_incomplete(self, state: State, uploads: dict[str, datetime]) -> None:
        """Every build is complete but the one before master's newest, which has no nodeup for arm64."""
        complete = artifacts(state, NEWEST_OF_MASTER)
        lacking = {version: complete - artifacts(state, version) for version in uploads}
        assert {version: names for version, names in lacking.items() if names} == {
            INCOMPLETE: {"linux/arm64/nodeup", "linux/arm64/nodeup.sha256"}
        }
        of_master = sorted(BuildVersion.parse(v) for v in uploads if "+v1.29.0-alpha.3-" in v)
        assert [str(version) for version in of_master[-2:]] == [INCOMPLETE, NEWEST_OF_MASTER]

    def test_checksums(self, state: State) -> None:
        """Every checksum file holds the sha256 of the file beside it and a newline, and no file is empty."""
        checked = 0
        for name, (content, _) in state.items():
            assert content
            if name.endswith(".sha256") and "/cloudbuild/" not in name:
                digest = sha256(state[name.removesuffix(".sha256")][0]).hexdigest()
                assert content == f"{digest}\n".encode()
                checked += 1
        assert checked == 58 * 19 - 1

    def test_kops_runs(self, bucket: DemoBucket) -> None:
        """The kops of a build can be run and prints which one it is."""
        kops = bucket.directory / NEWEST_OF_MASTER / "linux/amd64/kops"
        done = subprocess.run(["sh", kops], capture_output=True, text=True, check=True)
        assert done.stdout == f"Client version: {NEWEST_OF_MASTER}\n"

    def test_small(self, state: State) -> None:
        """The whole bucket is less than half a megabyte of content."""
        assert sum(len(content) for content, _ in state.values()) < 500_000


class TestMarkersAndDebris:
    @pytest.mark.parametrize(
        ("marker", "version", "written"),
        [
            ("master/latest-ci.txt", NEWEST_OF_MASTER, "2024-03-06T14:00:20Z"),
            ("master/latest-ci-updown-green.txt", NEWEST_OF_MASTER, "2024-03-07T06:00:00Z"),
            ("release-1.29/latest-ci.txt", NEWEST_OF_1_29, "2024-05-06T12:01:12Z"),
            ("release-1.28/latest-ci.txt", NEWEST_OF_1_28, "2024-05-06T13:27:41Z"),
            ("release-1.27/latest-ci.txt", NEWEST_OF_1_27, "2024-02-02T07:37:42Z"),
            ("v1.27.3/latest-ci.txt", "1.27.3", "2024-02-02T07:37:59Z"),
            ("v1.28.4/latest-ci.txt", "1.28.4", "2024-02-02T14:50:23Z"),
            ("v1.29.0-beta.1/latest-ci.txt", "1.29.0-beta.1", "2024-03-15T01:18:34Z"),
        ],
    )
    def test_marker(
        self, marker: str, version: str, written: str, state: State, uploads: dict[str, datetime]
    ) -> None:
        """A marker holds the URL of the newest build of its ref, and was written after every file of it."""
        content, nanoseconds = state[f"markers/{marker}"]
        assert content == f"{ROOT}{version}\n".encode()
        time = datetime.fromtimestamp(nanoseconds / 1e9, UTC)
        assert time == datetime.fromisoformat(written)
        assert time > uploads[version]

    def test_no_other_marker(self, state: State) -> None:
        """There are eight markers and no more."""
        assert sum(name.startswith("markers/") for name in state) == 8

    def test_debris(self, state: State, uploads: dict[str, datetime]) -> None:
        """What is neither a build nor a marker nor a job's: two files and one directory, none of them a version."""
        tops = {name.partition("/")[0] for name in state}
        assert tops - set(uploads) == {
            "README.txt",
            "latest-ci.txt",
            "logs",
            "markers",
            "v20240307-v1.29.0-alpha.3-378-g22ce1230da",
        }

    def test_cloudbuild(self, state: State) -> None:
        """One build has an attestation inside, which ends in .sha256 and stands beside nothing."""
        inside = [name for name in state if "/cloudbuild/" in name and not name.startswith("v2024")]
        assert inside == [f"{NEWEST_OF_MASTER}/cloudbuild/files.sha256"]
        lines = state[inside[0]][0].decode().splitlines()
        assert len(lines) == 19
        for line in lines:
            digest, name = line.split("  ./")
            assert sha256(state[name][0]).hexdigest() == digest


class TestWriting:
    def test_deterministic(self, tmp_path: Path, state: State) -> None:
        """Two buckets have the same names, bytes and times, whatever the directory is called."""
        lay_out(tmp_path / "with spaces" / "and ünïcode")
        assert state_of(tmp_path / "with spaces" / "and ünïcode") == state

    def test_empty_directory(self, tmp_path: Path, state: State) -> None:
        """An empty directory that is there already will do."""
        lay_out(tmp_path)
        assert state_of(tmp_path) == state

    def test_again(self, tmp_path: Path, state: State) -> None:
        """A demo bucket that was played with is put back into its first state."""
        lay_out(tmp_path)
        (tmp_path / "markers/master/latest-ci.txt").write_text("<html>")
        (tmp_path / NEWEST_OF_MASTER / "linux/arm64/nodeup").unlink()
        shutil.rmtree(tmp_path / NEWEST_OF_1_28)
        lay_out(tmp_path)
        assert state_of(tmp_path) == state

    def test_report(self, tmp_path: Path) -> None:
        """Who laid it out is told where it is, and which moment it shows."""
        directory = tmp_path / "it's a bucket"
        assert lay_out(directory) == DemoBucket(directory=directory, as_of=AS_OF)
        assert datetime(2024, 5, 6, 18, tzinfo=UTC) == AS_OF


class TestRefusing:
    def test_foreign_directory(self, tmp_path: Path) -> None:
        """A directory with anything in it that is not the demo bucket is left alone."""
        (tmp_path / "thesis.txt").write_text("years of work")
        before = state_of(tmp_path)
        with pytest.raises(UsageError, match="holds something else") as caught:
            lay_out(tmp_path)
        assert "empty" in caught.value.hint
        assert state_of(tmp_path) == before

    def test_real_bucket(self, tmp_path: Path) -> None:
        """A mirror of the real bucket is left alone, though all its names may be the demo's."""
        kops = tmp_path / NEWEST_OF_MASTER / "linux/amd64/kops"
        kops.parent.mkdir(parents=True)
        kops.write_bytes(b"\x7fELF")
        (tmp_path / "README.txt").write_text("our mirror")
        with pytest.raises(UsageError):
            lay_out(tmp_path)
        assert kops.read_bytes() == b"\x7fELF"

    @pytest.mark.parametrize("stray", ["notes.txt", "1.28.4/linux/amd64/extra", "markers/master/mine\n.txt"])
    def test_stray_file(self, stray: str, tmp_path: Path) -> None:
        """A file that somebody added to the demo bucket is named, escaped, and nothing is written."""
        lay_out(tmp_path)
        (tmp_path / stray).write_text("mine")
        (tmp_path / "1.28.4/linux/amd64/kops").write_text("changed")
        before = state_of(tmp_path)
        with pytest.raises(UsageError, match="no part of the demo bucket") as caught:
            lay_out(tmp_path)
        assert ascii(stray) in str(caught.value)
        assert state_of(tmp_path) == before

    def test_symbolic_link(self, tmp_path: Path) -> None:
        """A symbolic link inside the demo bucket is not written through."""
        bucket, elsewhere = tmp_path / "bucket", tmp_path / "elsewhere"
        lay_out(bucket)
        shutil.move(bucket / "1.28.4", elsewhere)
        (elsewhere / "linux/amd64/kops").write_text("mine")
        (bucket / "1.28.4").symlink_to(elsewhere)
        with pytest.raises(UsageError, match="no part of the demo bucket"):
            lay_out(bucket)
        assert (elsewhere / "linux/amd64/kops").read_text() == "mine"

    def test_a_file(self, tmp_path: Path) -> None:
        """A file is no directory."""
        (tmp_path / "file").write_text("mine")
        with pytest.raises(UsageError, match="is not a directory"):
            lay_out(tmp_path / "file")
        assert (tmp_path / "file").read_text() == "mine"

    def test_dangling_link(self, tmp_path: Path) -> None:
        """A link that leads nowhere is refused like a file."""
        (tmp_path / "link").symlink_to(tmp_path / "nowhere")
        with pytest.raises(UsageError, match="is not a directory"):
            lay_out(tmp_path / "link")

    def test_cannot_write(self, tmp_path: Path) -> None:
        """What the system refuses is told in one sentence, with the directory and its reason."""
        (tmp_path / "file").write_text("mine")
        with pytest.raises(UsageError, match="cannot hold the demo bucket: Not a directory") as caught:
            lay_out(tmp_path / "file" / "bucket")
        assert isinstance(caught.value.__cause__, OSError)
        assert "may write" in caught.value.hint
