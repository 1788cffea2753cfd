"""The project's metadata, scripts that run without a warning, and completion in shells."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from contextlib import suppress
from importlib.metadata import distributions
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import kopsversion
from kopsversion.model.program import MADE_BY
from tests.builders import NOW, alpha
from tests.gcs_server import KOPS_BUCKET, KOPS_ROOT
from tests.scenes import PLAIN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from tests.gcs_server import GcsServer

PROJECT = Path(__file__).parents[1]
SCRIPTS = Path(sysconfig.get_path("scripts"))
AS_OF = "2024-05-06T18:00:00Z"


SETTINGS: dict[str, Any] = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
REPORT_MODULES = [PROJECT / f"kopsversion/render/{name}.py" for name in ("html", "junit", "prometheus")]
"""All that may import what the extra ``report`` brings."""
KIT = [PROJECT / "kopsversion/testing/contract.py"]
"""All that may import what the extra ``testing`` brings."""


def test_the_changelog_knows_the_version() -> None:
    """What is built has its section, with its date."""
    text = (PROJECT / "CHANGELOG.md").read_text()
    assert f"## [{SETTINGS['version']}] - " in text


# --------------------------------------------------------------------------------------------------
# Dependencies


def test_the_version_is_said_twice_and_is_one() -> None:
    """What every output says is what the package is called."""
    assert kopsversion.__version__ == SETTINGS["version"]
    assert f"kopsversion {SETTINGS['version']}" == MADE_BY


def _declared(*extras: str) -> dict[str, Requirement]:
    """Name what pyproject.toml asks for: always, or with some extras."""
    lines = [line for extra in extras for line in SETTINGS["optional-dependencies"][extra]]
    named = map(Requirement, lines if extras else SETTINGS["dependencies"])
    return {canonicalize_name(each.name): each for each in named}


@pytest.fixture(scope="module")
def owners() -> dict[Path, str]:
    """Whose each installed file is."""
    return {
        Path(str(file.locate())).resolve(): canonicalize_name(each.metadata["Name"])
        for each in distributions()
        for file in each.files or ()
        if file.suffix in {".py", ".so"}
    }


def _imported_names(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _origin(name: str) -> Path:
    """Find the file of the module that a dotted name is, or is in."""
    part = name
    while part:
        # What it is in may be no package, and a module may do without a spec.
        with suppress(ModuleNotFoundError, ValueError):
            if (spec := find_spec(part)) is not None and spec.origin:
                return Path(spec.origin).resolve()
        part = part.rpartition(".")[0]
    raise AssertionError(f"{name} is not installed")


def _imported(paths: Iterable[Path], owners: Mapping[Path, str]) -> set[str]:
    """Name the distributions that some files import from."""
    own = {"kopsversion", "tests", "benchmarks", "docs"}
    names = {name for path in paths for name in _imported_names(path)}
    foreign = {name for name in names if name.partition(".")[0] not in own | sys.stdlib_module_names}
    return {owners[_origin(name)] for name in foreign}


def test_what_is_imported_is_declared_and_nothing_else(owners: Mapping[Path, str]) -> None:
    """No import works only because a dependency happens to bring it, and none is asked for in vain."""
    modules = set((PROJECT / "kopsversion").rglob("*.py"))
    always = _imported(modules.difference(REPORT_MODULES, KIT), owners)
    assert always == set(_declared())
    assert _imported(REPORT_MODULES, owners) - always == set(_declared("report"))
    assert _imported(KIT, owners) - always == set(_declared("testing"))


def test_what_contributors_import_is_declared(owners: Mapping[Path, str]) -> None:
    """`pip install .[report,dev]` is enough for tests, benchmarks and documents, but for what runs mutants."""
    paths = {path for folder in ("tests", "docs") for path in (PROJECT / folder).rglob("*.py")}
    paths -= {
        PROJECT / "tests" / "mutant_runner.py"
    }  # it needs the extra `mutants`, which `make mutants` installs
    assert _imported(paths, owners) <= set(_declared()) | set(_declared("report", "dev"))


def test_an_import_that_is_not_declared_is_seen(owners: Mapping[Path, str], tmp_path: Path) -> None:
    """In a namespace too, whose parts are of several distributions."""
    path = tmp_path / "module.py"
    path.write_text(
        "import json, urllib3.util\nfrom google.cloud import storage\nfrom google.api_core import retry\n"
    )
    assert _imported([path], owners) == {"urllib3", "google-cloud-storage", "google-api-core"}


def test_the_pins_are_versions_that_are_allowed() -> None:
    """Each dependency, the contributors' too, has a pin in constraints.txt that pyproject.toml allows."""
    lines = (PROJECT / "constraints.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in lines if not line.startswith("#"))
    pinned: dict[str, str] = {canonicalize_name(name): version for name, version in pins.items()}
    for name, requirement in (_declared() | _declared("report", "dev")).items():
        assert requirement.specifier.contains(pinned[name]), requirement


@pytest.mark.parametrize(
    ("name", "source"), [("ci.txt", "pyproject.toml"), ("onefile.txt", ".ci/onefile.py")]
)
def test_what_jobs_install_is_pinned_and_hashed(name: str, source: str) -> None:
    """`make requirements` wrote it from the pins of constraints.txt, and every pin has its hashes."""
    text = (PROJECT / "requirements" / name).read_text()
    assert text.startswith(f"# Made by `make requirements` from {source}.")
    assert "//" not in text  # no index is named
    pinned = dict(re.findall(r"^([\w.-]+)==(\S+)", text, re.MULTILINE))
    lines = (PROJECT / "constraints.txt").read_text().splitlines()
    pins = {canonicalize_name(line.split("==")[0]): line.split("==")[1] for line in lines if line[:1] != "#"}
    assert {canonicalize_name(each): version for each, version in pinned.items()}.items() <= pins.items()
    for block in re.split(r"^(?=[\w.-]+==)", text, flags=re.MULTILINE)[1:]:
        assert "--hash=sha256:" in block
    if name == "ci.txt":
        assert set(_declared()) <= set(map(canonicalize_name, pinned))


# --------------------------------------------------------------------------------------------------
# Without a warning


@pytest.fixture(scope="module")
def bucket(demo_bucket: Path) -> str:
    return str(demo_bucket)


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
