"""The single file, ``kopsversion.pyz``: built twice, and run where there is nothing else (``make pyz-test``).

Building it needs an index, so the tests marked ``pyz`` are no part of `make test`. What decides which of the two
scripts the file is, is tested in every run.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.builders import NOW, alpha
from tests.gcs_server import KOPS_BUCKET, KOPS_ROOT
from tests.scenes import PLAIN

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tests.gcs_server import GcsServer

PROJECT = Path(__file__).parents[1]
AS_OF = f"{NOW:%FT%TZ}"
INCIDENT = "2024-05-06T18:00:00Z"
MASTER_LAST = "1.29.0-alpha.4+v1.29.0-alpha.3-378-g22ce1230da"
BARE = str(Path(sys.base_prefix) / "bin" / "python3")
"""The Python that the environment of the tests was made of, without what is installed in it."""
NOWHERE = "/dev/null/home"
"""A home that nobody can write to, not even root."""


# --------------------------------------------------------------------------------------------------
# Which script it is


@pytest.mark.parametrize(
    ("called", "arguments", "usage"),
    [
        ("kopsversion.pyz", ["--help"], "Usage: kopsversion "),
        ("kopsversion.pyz", ["resolve", "--help"], "Usage: kopsversion resolve "),
        ("kopsversion.pyz", ["resolve-latest", "--help"], "Usage: resolve-latest "),
        ("/usr/local/bin/resolve-latest", ["--help"], "Usage: resolve-latest "),
        ("resolve-latest.pyz", ["--help"], "Usage: resolve-latest "),
        ("/opt/resolve-latest/kopsversion", ["--help"], "Usage: kopsversion "),
    ],
)
def test_the_file_is_the_script_that_it_is_called_by(
    called: str, arguments: Sequence[str], usage: str
) -> None:
    """By its own name, a link's name, or its first argument."""
    program = f"""
import sys
sys.argv = {[called, *arguments]!r}
from kopsversion.cli.process import one_file
one_file()
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith(usage)


# --------------------------------------------------------------------------------------------------
# The file itself


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file, built from this tree."""
    return _build(tmp_path_factory.mktemp("one") / "kopsversion.pyz")


def _build(target: Path) -> Path:
    command = [sys.executable, str(PROJECT / ".ci" / "onefile.py"), "--to", str(target)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return target


def _pythons() -> Iterator[str]:
    for minor in (11, 12, 13, 14):
        yield f"python3.{minor}"


@pytest.fixture(params=_pythons())
def python(request: pytest.FixtureRequest) -> str:
    """Each Python that is here."""
    homes = sorted(Path.home().glob(f".pyenv/versions/{request.param.removeprefix('python')}.*/bin/python3"))
    found = str(homes[-1]) if homes else shutil.which(request.param)
    if found is None:
        pytest.skip(f"there is no {request.param} here")
    return found


@pytest.fixture
def alone(built: Path, tmp_path: Path) -> Path:
    """The file in a directory of its own."""
    directory = tmp_path / "alone"
    directory.mkdir()
    return Path(shutil.copy2(built, directory))


def _run(
    *command: str, cwd: Path, environ: Mapping[str, str], status: int = 0
) -> subprocess.CompletedProcess[str]:
    """Run with nothing in the environment but what is given."""
    ran = subprocess.run(command, cwd=cwd, env=dict(environ), capture_output=True, text=True, check=False)
    assert ran.returncode == status, ran.stdout + ran.stderr
    return ran


@pytest.mark.pyz
class TestFile:
    def test_two_builds_are_the_same_to_the_byte(self, built: Path, tmp_path: Path) -> None:
        """Whoever has the commit can check what is offered."""
        again = _build(tmp_path / "other" / "kopsversion.pyz")
        assert again.read_bytes() == built.read_bytes()

    def test_its_checksum_is_beside_it(self, built: Path) -> None:
        """In the form that `sha256sum --check` reads."""
        told = built.with_name("kopsversion.pyz.sha256").read_text()
        assert told == f"{hashlib.sha256(built.read_bytes()).hexdigest()}  kopsversion.pyz\n"

    def test_it_is_small_and_of_no_machine(self, built: Path) -> None:
        """Under 5 MB, and no native code."""
        assert built.stat().st_size < 5_000_000
        names = zipfile.ZipFile(built).namelist()
        assert [name for name in names if name.endswith((".so", ".pyd", ".dylib"))] == []
        assert not any(name.startswith(("google/", "requests/")) for name in names)


@pytest.mark.pyz
class TestRun:
    @pytest.mark.parametrize("home", ["home", NOWHERE], ids=["a home", "no home"])
    def test_a_bucket_is_asked(self, python: str, alone: Path, home: str, gcs_server: GcsServer) -> None:
        """Twice: the first run unpacks where it can, and the second finds that."""
        PLAIN.put(gcs_server)
        environ = {
            "HOME": home if home == NOWHERE else str(alone.parent / home),
            "STORAGE_EMULATOR_HOST": gcs_server.url,
        }
        store = f"gs://{KOPS_BUCKET}/{KOPS_ROOT}"
        for _ in range(2):
            ran = _run(
                python, str(alone), "resolve-latest", "--store", store, "--as-of", AS_OF,
                cwd=alone.parent, environ=environ,
            )  # fmt: skip
            assert ran.stdout.endswith(f"/{alpha(5)}\n")
        unpacked = alone.parent / home / ".cache" / "kopsversion"
        assert unpacked.is_dir() is (home != NOWHERE)

    @pytest.mark.parametrize(
        "output", ["table", "json", "junit", "testgrid", "prometheus", "html", "markdown"]
    )
    def test_every_report_is_there(self, python: str, alone: Path, output: str) -> None:
        """Of the demo's bucket, with nothing in the environment."""
        _run(python, str(alone), "demo", "bucket", cwd=alone.parent, environ={"HOME": NOWHERE})
        ran = _run(
            python, str(alone), "check", "--store", "bucket", "--as-of", INCIDENT, "-o", output,
            cwd=alone.parent, environ={"HOME": NOWHERE}, status=3,
        )  # fmt: skip
        assert "release-1.29" in ran.stdout

    def test_a_link_is_resolve_latest(self, alone: Path) -> None:
        """And the file is executable."""
        link = alone.parent / "resolve-latest"
        link.symlink_to(alone)
        environ = {"HOME": NOWHERE, "PATH": os.environ["PATH"]}
        _run(str(alone), "demo", "bucket", cwd=alone.parent, environ=environ)
        ran = _run(str(link), "--store", "bucket", "--as-of", INCIDENT, cwd=alone.parent, environ=environ)
        assert ran.stdout.endswith(f"/{MASTER_LAST}\n")

    def test_a_cache_that_others_can_write_to_is_not_trusted(self, alone: Path) -> None:
        """Modules from there would be anybody's."""
        environ = {"HOME": str(alone.parent / "home")}
        _run(sys.executable, str(alone), "--version", cwd=alone.parent, environ=environ)
        (place,) = (alone.parent / "home/.cache/kopsversion").glob("[0-9a-f]*")
        place.chmod(0o777)
        (place / "kopsversion" / "cli" / "process.py").write_text("raise SystemExit('taken over')")
        ran = _run(sys.executable, str(alone), "--version", cwd=alone.parent, environ=environ)
        assert "taken over" not in ran.stdout + ran.stderr

    def test_eight_first_runs_at_once(self, alone: Path) -> None:
        """They wait for each other, and leave nothing but what was unpacked."""
        environ = {"HOME": str(alone.parent / "home")}
        command = [sys.executable, str(alone), "--version"]
        running = [
            subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            for _ in range(8)
        ]
        for each in running:
            out, _ = each.communicate()
            assert each.returncode == 0, out
        left = sorted(path.name for path in (alone.parent / "home/.cache/kopsversion").iterdir())
        assert len(left) == 2  # the lock, and the one directory
        assert left[0] == ".lock"

    def test_what_needs_credentials_says_what_is_missing(self, alone: Path) -> None:
        """In one sentence, without a traceback."""
        ran = _run(
            BARE, str(alone), "promote", "--channel", "master", "--marker", "x.txt",
            "--build", alpha(5), "--store", "gs://bucket/prefix/",
            cwd=alone.parent, environ={"HOME": NOWHERE}, status=2,
        )  # fmt: skip
        assert "google-cloud-storage" in ran.stderr
        assert "Traceback" not in ran.stderr


# --------------------------------------------------------------------------------------------------
# The image


def test_the_image_runs_as_nobody_in_particular_and_checks_what_it_installs() -> None:
    """The Containerfile pins its base, copies the one file, verifies its checksum, and drops root."""
    lines = (PROJECT / "Containerfile").read_text().splitlines()
    steps = [line.split(maxsplit=1) for line in lines if line and not line.startswith(("#", " "))]
    words = [step[0] for step in steps]
    assert set(words) <= {"FROM", "ARG", "COPY", "RUN", "USER", "ENV", "ENTRYPOINT", "LABEL", "WORKDIR"}
    images = [rest for word, rest in steps if word == "FROM"]
    assert all(":" in image and ":latest" not in image for image in images)
    assert words.index("USER") < words.index("ENTRYPOINT")
    (user,) = (rest for word, rest in steps if word == "USER")
    assert user.partition(":")[0].isdigit()
    assert user.partition(":")[0] != "0"
    text = "\n".join(lines)
    assert "sha256sum --check" in text
    assert "ADD " not in text  # which may fetch from anywhere


@pytest.mark.pyz
def test_the_how_to_installs_in_debian_s_own_python(alone: Path, demo_bucket: Path, tmp_path: Path) -> None:
    """Where that is externally managed: pip may not install there, and the single file does not ask it to."""
    system = Path("/usr/bin/python3")
    if not system.exists():
        pytest.skip("there is no /usr/bin/python3")
    place = "import sysconfig; print(sysconfig.get_path('stdlib'))"
    stdlib = subprocess.run([system, "-c", place], capture_output=True, text=True, check=True).stdout.strip()
    if not (Path(stdlib) / "EXTERNALLY-MANAGED").exists():
        pytest.skip("the Python of this system is not externally managed")
    pip = subprocess.run([system, "-m", "pip", "install", "x", "--dry-run"], capture_output=True, check=False)
    assert pip.returncode != 0
    page = (PROJECT / "docs" / "howto" / "install.md").read_text()
    scripts = dict(re.findall(r"^```bash (\S+)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL))
    environ = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path),
        "PYZ_URL": alone.as_uri(),
        "PYZ_SHA256": hashlib.sha256(alone.read_bytes()).hexdigest(),
        "KOPSVERSION_STORE": str(demo_bucket),
        "KOPSVERSION_AS_OF": "2024-05-06T18:00:00Z",
        "KOPSVERSION_QUIET": "1",
    }
    folder = tmp_path / "job"
    folder.mkdir()
    both = scripts["install.sh"] + scripts["use.sh"]
    ran = _run("bash", "-c", both, cwd=folder, environ=environ)
    assert ran.stdout.strip() == "1.29.0-alpha.4+v1.29.0-alpha.3-378-g22ce1230da"
    wrong = {**environ, "PYZ_SHA256": "0" * 64}
    refused = subprocess.run(
        ["bash", "-c", both], cwd=folder, env=wrong, capture_output=True, text=True, check=False
    )
    assert (refused.returncode, refused.stdout.strip()) == (1, "kopsversion.pyz: FAILED")
