"""What is shipped: the wheel and sdist, made without a network, and scripts that run without a warning."""

from __future__ import annotations

import email
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from attrs import frozen

from kopsversion.demo import lay_out
from tests.builders import NOW
from tests.gcs_server import KOPS_BUCKET, KOPS_ROOT
from tests.scenes import PLAIN, alpha

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.gcs_server import GcsServer

PROJECT = Path(__file__).parents[1]
SCRIPTS = Path(sysconfig.get_path("scripts"))
AS_OF = "2024-05-06T18:00:00Z"


@frozen
class Shipped:
    """What was built."""

    wheel: Path
    sdist: Path


@pytest.fixture(scope="session")
def project() -> dict[str, Any]:
    """The metadata that pyproject.toml gives."""
    settings: dict[str, Any] = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    return settings


@pytest.fixture(scope="session")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Shipped:
    """The sdist of this tree, and the wheel that is built from that sdist."""
    out = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(PROJECT)]
    ran = subprocess.run(build, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return Shipped(*out.glob("*.whl"), *out.glob("*.tar.gz"))


def _files_of_package() -> set[str]:
    package = PROJECT / "kopsversion"
    return {
        str(path.relative_to(PROJECT))
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


class TestWheel:
    def test_it_holds_the_package_and_nothing_else(self, shipped: Shipped) -> None:
        """Every file of the package, templates and ``py.typed`` among them, and no tests."""
        names = set(zipfile.ZipFile(shipped.wheel).namelist())
        assert {name for name in names if ".dist-info/" not in name} == _files_of_package()
        assert "kopsversion/py.typed" in names

    def test_its_scripts_are_there(self, shipped: Shipped, project: dict[str, Any]) -> None:
        """Each of its two scripts is a function that exists."""
        wheel = zipfile.ZipFile(shipped.wheel)
        (entry_points,) = (name for name in wheel.namelist() if name.endswith("entry_points.txt"))
        for script, target in project["scripts"].items():
            assert f"{script} = {target}" in wheel.read(entry_points).decode()

    def test_its_metadata_is_complete(self, shipped: Shipped, project: dict[str, Any]) -> None:
        """Name, version, summary, licence, authors, Python and the readme; no address that nobody knows."""
        wheel = zipfile.ZipFile(shipped.wheel)
        (path,) = (name for name in wheel.namelist() if name.endswith("METADATA"))
        metadata = email.message_from_bytes(wheel.read(path))
        assert metadata["Name"] == "kopsversion"
        assert metadata["Version"] == project["version"]
        assert metadata["Summary"] == project["description"]
        assert metadata["License-Expression"] == "Apache-2.0"
        assert metadata["License-File"] == "LICENSE"
        assert metadata["Author"] == project["authors"][0]["name"]
        assert metadata["Requires-Python"] == project["requires-python"]
        assert metadata["Description-Content-Type"] == "text/markdown"
        assert (PROJECT / "README.md").read_text().strip() in wheel.read(path).decode()
        assert metadata.get_all("Project-URL") is None
        assert set(metadata.get_all("Provides-Extra") or ()) == set(project["optional-dependencies"])

    def test_both_pass_twine(self, shipped: Shipped) -> None:
        """An index would take them, and show the readme."""
        check = [sys.executable, "-m", "twine", "check", "--strict", str(shipped.wheel), str(shipped.sdist)]
        ran = subprocess.run(check, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stdout + ran.stderr


def _names(sdist: Path) -> list[str]:
    with tarfile.open(sdist) as archive:
        return [name.partition("/")[2] for name in archive.getnames()]


class TestSdist:
    def test_it_holds_what_the_tests_need(self, shipped: Shipped) -> None:
        """Sources, tests, documents and settings: a packager can run `make test` in it."""
        names = set(_names(shipped.sdist))
        wanted = {
            str(path.relative_to(PROJECT))
            for folder in ("tests", "docs", "benchmarks")
            for path in (PROJECT / folder).rglob("*")
            if path.is_file() and path.suffix in {".py", ".md", ".sh", ".toml"}
        }
        assert wanted | _files_of_package() <= names
        assert names >= {
            ".pre-commit-config.yaml",
            "CHANGELOG.md",
            "CONTRIBUTING.md",
            "LICENSE",
            "Makefile",
            "README.md",
            "constraints.txt",
            "pyproject.toml",
        }

    def test_it_holds_nothing_that_was_made(self, shipped: Shipped) -> None:
        """No caches, no environment, no results."""
        made = {"__pycache__", ".venv", ".hypothesis", ".git", "mutants", "dist"}
        assert [name for name in _names(shipped.sdist) if made & set(name.split("/"))] == []


def test_the_changelog_knows_the_version(project: dict[str, Any]) -> None:
    """What is built is unreleased, or has its section."""
    text = (PROJECT / "CHANGELOG.md").read_text()
    assert "## [Unreleased]" in text or f"## [{project['version']}]" in text


# --------------------------------------------------------------------------------------------------
# Without a warning


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> str:
    directory = tmp_path_factory.mktemp("bucket") / "demo"
    lay_out(directory)
    return str(directory)


def _run(*arguments: str, given: str = "", emulator: str | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", *arguments]
    environ = {**os.environ, **({"STORAGE_EMULATOR_HOST": emulator} if emulator else {})}
    return subprocess.run(command, input=given, env=environ, capture_output=True, text=True, check=False)


MODULE = ("-m", "kopsversion")
RESOLVE_LATEST = (str(SCRIPTS / "resolve-latest"),)
TOOLBOX = (str(SCRIPTS / "kopsversion"),)


@pytest.mark.parametrize(
    "program", [MODULE, RESOLVE_LATEST, TOOLBOX], ids=["-m", "resolve-latest", "kopsversion"]
)
@pytest.mark.parametrize("option", ["--help", "--version"])
def test_programs_start_where_warnings_are_errors(program: Sequence[str], option: str) -> None:
    """Help and version come on standard output, and nothing on standard error."""
    ran = _run(*program, option)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "kopsversion" in ran.stdout or "resolve-latest" in ran.stdout


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ((*RESOLVE_LATEST, "master", "--explain"), 0),
        ((*RESOLVE_LATEST, "release-1.29", "-o", "json"), 0),
        ((*MODULE, "resolve", "--strict"), 3),
        ((*MODULE, "list", "master", "--limit", "3"), 0),
        ((*MODULE, "list", "-o", "json"), 0),
        *(
            ((*MODULE, "check", "-o", output), 3)
            for output in ("table", "json", "junit", "prometheus", "html")
        ),
    ],
)
def test_commands_run_where_warnings_are_errors(arguments: Sequence[str], status: int, bucket: str) -> None:
    """No command, and nothing that it imports, warns."""
    ran = _run(*arguments, "--store", bucket, "--as-of", AS_OF)
    assert ran.returncode == status, ran.stderr
    assert "Warning" not in ran.stderr
    assert ran.stdout


def test_a_bucket_is_asked_where_warnings_are_errors(gcs_server: GcsServer) -> None:
    """The libraries for Google Cloud Storage are imported, and do not warn."""
    PLAIN.put(gcs_server)
    store = f"gs://{KOPS_BUCKET}/{KOPS_ROOT}"
    ran = _run(*MODULE, "resolve", "--store", store, "--as-of", f"{NOW:%FT%TZ}", emulator=gcs_server.url)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.endswith(f"/{alpha(5)}\n")


def test_versions_are_sorted_where_warnings_are_errors() -> None:
    """The one command that asks no store."""
    ran = _run(*MODULE, "sort", given="1.5.11\n1.5.9\n")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "1.5.9\n1.5.11\n", "")


def test_importing_the_program_does_not_run_it() -> None:
    """Tools that import every module can import this one."""
    ran = _run("-c", "import kopsversion.__main__")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


# --------------------------------------------------------------------------------------------------
# Completion in shells: click's

COMPLETE = {"kopsversion": "_KOPSVERSION_COMPLETE", "resolve-latest": "_RESOLVE_LATEST_COMPLETE"}


@pytest.fixture
def on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """The scripts are found by name, as they are in a user's shell."""
    monkeypatch.setenv("PATH", str(SCRIPTS), prepend=":")


@pytest.mark.parametrize("program", COMPLETE)
@pytest.mark.parametrize(
    ("shell", "sign"),
    [("bash", "complete -o nosort -F"), ("zsh", "compdef"), ("fish", "complete --no-files")],
)
def test_shells_are_told_how_to_complete(
    program: str, shell: str, sign: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The documented command prints a script for the shell that registers a function for the program."""
    monkeypatch.setenv(COMPLETE[program], f"{shell}_source")
    ran = subprocess.run([SCRIPTS / program], capture_output=True, text=True, check=True)
    assert sign in ran.stdout
    assert program in ran.stdout


@pytest.mark.usefixtures("on_path")
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("kopsversion", "li"), {"list"}),
        (("kopsversion", "list", "--li"), {"--limit"}),
        (("kopsversion", "list", "-o", "js"), {"json"}),
        (("resolve-latest", "--on-stale", ""), {"newest", "refuse"}),
        (("resolve-latest", "--str"), {"--strict", "--strategy"}),
    ],
)
@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
def test_bash_completes(words: Sequence[str], expected: set[str]) -> None:
    """After what CONTRIBUTING says to put in ~/.bashrc, a word is completed."""
    program = words[0]
    script = f"""
        set -eu
        complete() {{ :; }}  # a shell that nobody types into may not have it
        compopt() {{ :; }}
        eval "$({COMPLETE[program]}=bash_source {program})"
        COMP_WORDS=("$@")
        COMP_CWORD=$(($# - 1))
        _{program.replace("-", "_")}_completion {program}
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    ran = subprocess.run(["bash", "-c", script, "bash", *words], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert set(ran.stdout.split()) == expected
