"""What is shipped: the wheel and sdist, made without a network, and that the wheel works where there is no source.

Each test of `TestInstalled` has two lives. In every run the wheel is installed for the Python that runs the
tests, beside the dependencies that are already there, without a network. `make wheel-test` runs the tests marked
``wheel``: for each Python that pyproject.toml names, as far as it is here, pip fetches the dependencies as it does
for a user, and once more in the oldest versions that pyproject.toml allows.
"""

from __future__ import annotations

import email
import os
import re
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
from packaging.requirements import Requirement

from tests.builders import NOW, alpha
from tests.gcs_server import KOPS_BUCKET, KOPS_ROOT, Kind
from tests.scenes import PLAIN
from tests.typing import caller

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from tests.gcs_server import GcsServer

PROJECT = Path(__file__).parents[1]
AS_OF = "2024-05-06T18:00:00Z"
MASTER_LAST = "1.29.0-alpha.4+v1.29.0-alpha.3-378-g22ce1230da"
SETTINGS: dict[str, Any] = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]


@frozen
class Shipped:
    """What was built."""

    wheel: Path
    sdist: Path


@pytest.fixture(scope="module")
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

    def test_its_scripts_are_there(self, shipped: Shipped) -> None:
        """Each of its two scripts is a function that exists."""
        wheel = zipfile.ZipFile(shipped.wheel)
        (entry_points,) = (name for name in wheel.namelist() if name.endswith("entry_points.txt"))
        for script, target in SETTINGS["scripts"].items():
            assert f"{script} = {target}" in wheel.read(entry_points).decode()

    def test_its_metadata_is_complete(self, shipped: Shipped) -> None:
        """Name, version, summary, licence, authors, Python and the readme; no address that nobody knows."""
        wheel = zipfile.ZipFile(shipped.wheel)
        (path,) = (name for name in wheel.namelist() if name.endswith("METADATA"))
        metadata = email.message_from_bytes(wheel.read(path))
        assert metadata["Name"] == "kopsversion"
        assert metadata["Version"] == SETTINGS["version"]
        assert metadata["Summary"] == SETTINGS["description"]
        assert metadata["License-Expression"] == "Apache-2.0"
        assert metadata["License-File"] == "LICENSE"
        assert metadata["Author"] == SETTINGS["authors"][0]["name"]
        assert metadata["Requires-Python"] == SETTINGS["requires-python"]
        assert metadata["Description-Content-Type"] == "text/markdown"
        assert (PROJECT / "README.md").read_text().strip() in wheel.read(path).decode()
        assert metadata.get_all("Project-URL") is None
        assert set(metadata.get_all("Provides-Extra") or ()) == set(SETTINGS["optional-dependencies"])

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
            for folder in ("tests", "docs", "requirements", ".ci")
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


# --------------------------------------------------------------------------------------------------
# Without the source

HERE = "here"
OLDEST = "oldest"
_MINOR = re.compile(r"Programming Language :: Python :: (3\.\d+)")
PYTHONS = tuple(match[1] for each in SETTINGS["classifiers"] if (match := _MINOR.fullmatch(each)))
_LEADS_TO_THE_SOURCE = re.compile(r"PYTHON.*|VIRTUAL_ENV|COV_.*|COVERAGE_.*")
AS_STARTED = dict(os.environ)
"""The environment with the proxies that no test sees: pip may need them."""


@frozen
class Installed:
    """The wheel in an environment of its own.

    Attributes:
        environment: the environment.
        elsewhere: an empty directory, from which it is used.
    """

    environment: Path
    elsewhere: Path

    @property
    def python(self) -> Path:
        """The environment's interpreter."""
        return self.environment / "bin" / "python"

    def run(self, *arguments: str, emulator: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run Python where every warning is an error."""
        settings = {"STORAGE_EMULATOR_HOST": emulator} if emulator else {}
        return _run([str(self.python), "-W", "error", *arguments], self.elsewhere, os.environ | settings)

    def script(self, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one of the scripts that came with the wheel."""
        return self.run(str(self.environment / "bin" / name), *arguments)

    def tell(self, code: str) -> str:
        """Run a line of Python, and return what it printed."""
        ran = self.run("-c", code)
        assert (ran.returncode, ran.stderr) == (0, "")
        return ran.stdout.strip()


def _run(
    command: Sequence[str], directory: Path, environ: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in environ.items() if not _LEADS_TO_THE_SOURCE.fullmatch(name)}
    return subprocess.run(command, cwd=directory, env=clean, capture_output=True, text=True, check=False)


def _prepare(command: Sequence[str], directory: Path) -> None:
    ran = _run(command, directory, AS_STARTED)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def _interpreters(minor: str) -> Iterator[str]:
    """Name what may be an interpreter: ours, one on the path, those of pyenv."""
    yield sys.executable
    if on_path := shutil.which(f"python{minor}"):
        yield on_path
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    yield from map(str, sorted(root.glob(f"versions/{minor}.*/bin/python"), reverse=True))


def _interpreter(minor: str, directory: Path) -> str:
    """Find an interpreter of that minor version, or skip."""
    ask = "import sys; print(*sys.version_info[:2], sep='.')"
    for path in _interpreters(minor):
        said = _run([path, "-c", ask], directory, AS_STARTED).stdout
        if said.strip() == minor:  # a shim of pyenv's may lead nowhere
            return path
    pytest.skip(f"Python {minor} is not installed")


def _install(python: Path, what: Iterable[str], directory: Path) -> None:
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(python)]
    _prepare([*pip, "install", "--quiet", *what], directory)


def _lowest(extra: str) -> str:
    """Write pip's constraints that hold each dependency to the oldest version that is allowed."""
    named = [*SETTINGS["dependencies"], *SETTINGS["optional-dependencies"][extra]]
    lowest = {
        each.name: specifier.version
        for each in map(Requirement, named)
        for specifier in each.specifier
        if specifier.operator == ">="
    }
    return "".join(f"{name}=={version}\n" for name, version in lowest.items())


@pytest.fixture(
    scope="module",
    params=[HERE, *(pytest.param(each, marks=pytest.mark.wheel) for each in (*PYTHONS, OLDEST))],
)
def installed(
    request: pytest.FixtureRequest, shipped: Shipped, tmp_path_factory: pytest.TempPathFactory
) -> Installed:
    """The wheel, installed: here, on another Python, or with the oldest dependencies."""
    place = tmp_path_factory.mktemp("installed")
    found = Installed(place / "environment", place / "elsewhere")
    found.elsewhere.mkdir()
    minor = {HERE: sysconfig.get_python_version(), OLDEST: PYTHONS[0]}.get(request.param, request.param)
    make = [_interpreter(minor, place), "-m", "venv", "--without-pip", str(found.environment)]
    _prepare(make, place)
    if request.param == HERE:
        _install(found.python, ["--no-index", "--no-deps", str(shipped.wheel)], place)
        # A directory in a .pth file is searched, but what .pth files in it say, such as where the source is, is not.
        (packages,) = found.environment.glob("lib/python*/site-packages")
        (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    elif request.param == OLDEST:
        (place / "lowest.txt").write_text(_lowest("report"))
        _install(found.python, ["--constraint", "lowest.txt", f"{shipped.wheel}[report]"], place)
    else:
        _install(found.python, [f"{shipped.wheel}[report]"], place)
    return found


@pytest.fixture(scope="module")
def store(installed: Installed) -> str:
    """The demo bucket, laid out by the wheel."""
    ran = installed.script("kopsversion", "demo", "bucket")
    assert ran.returncode == 0, ran.stderr
    return str(installed.elsewhere / "bucket")


class TestInstalled:
    def test_it_is_the_wheel_that_is_imported(self, installed: Installed) -> None:
        """Not the source, which is not there."""
        path = Path(installed.tell("import kopsversion; print(kopsversion.__file__)"))
        assert path.is_relative_to(installed.environment)
        assert not path.is_relative_to(PROJECT)

    def test_its_data_is_there(self, installed: Installed) -> None:
        """Templates, the functions for bash, and the mark of a typed package."""
        data = [name for name in _files_of_package() if not name.endswith(".py")]
        assert {Path(name).suffix for name in data} == {".bash", ".css", ".j2", ".js", ".typed"}
        for name in data:
            path = name.removeprefix("kopsversion/")
            code = (
                f"import importlib.resources as r; print(r.files('kopsversion').joinpath({path!r}).is_file())"
            )
            assert installed.tell(code) == "True"

    def test_both_programs_say_their_version(self, installed: Installed) -> None:
        """It is the wheel's, and not another's that is found on the way."""
        for name in SETTINGS["scripts"]:
            ran = installed.script(name, "--version")
            assert (ran.returncode, ran.stderr) == (0, "")
            assert SETTINGS["version"] in ran.stdout

    def test_both_programs_can_be_started_by_their_path(self, installed: Installed) -> None:
        """As a shell starts them: they are executable, and find their own Python."""
        for name in SETTINGS["scripts"]:
            ran = _run([str(installed.environment / "bin" / name), "--help"], installed.elsewhere, os.environ)
            assert (ran.returncode, ran.stderr) == (0, "")
            assert ran.stdout.startswith(f"Usage: {name} ")

    def test_every_command_has_help(self, installed: Installed) -> None:
        """Every command's module can be imported."""
        commands = ["resolve", "list", "sort", "check", "promote", "demo", "shell"]
        for arguments in ([], *([each] for each in commands)):
            ran = installed.run("-m", "kopsversion", *arguments, "--help")
            assert (ran.returncode, ran.stderr) == (0, "")
            assert "kopsversion" in ran.stdout

    def test_the_demo_is_answered(self, installed: Installed, store: str) -> None:
        """The first command of the readme says what the readme says."""
        ran = installed.script("resolve-latest", "master", "--store", store, "--as-of", AS_OF, "--explain")
        assert ran.returncode == 0, ran.stderr
        assert ran.stdout.endswith(f"/{MASTER_LAST}\n")
        assert "Warning" not in ran.stderr

    @pytest.mark.parametrize(
        "output", ["table", "json", "markdown", "junit", "testgrid", "prometheus", "html"]
    )
    def test_the_demo_is_checked(self, output: str, installed: Installed, store: str) -> None:
        """Every output can be made."""
        ran = installed.script("kopsversion", "check", "-o", output, "--store", store, "--as-of", AS_OF)
        assert ran.returncode == 3, ran.stderr
        assert "master" in ran.stdout
        assert "Warning" not in ran.stderr

    def test_a_bucket_is_asked(self, installed: Installed, gcs_server: GcsServer) -> None:
        """The libraries for Google Cloud Storage work, and do not warn."""
        PLAIN.put(gcs_server)
        asked = ["--store", f"gs://{KOPS_BUCKET}/{KOPS_ROOT}", "--as-of", f"{NOW:%FT%TZ}"]
        ran = installed.run("-m", "kopsversion", "resolve", *asked, emulator=gcs_server.url)
        assert ran.returncode == 0, ran.stderr
        assert ran.stdout.endswith(f"/{alpha(5)}\n")
        assert "Warning" not in ran.stderr
        assert Kind.BUCKET not in gcs_server.kinds  # which older clients ask by the way

    def test_functions_for_bash_are_printed(self, installed: Installed) -> None:
        """They are a file of the package."""
        ran = installed.script("kopsversion", "shell")
        assert (ran.returncode, ran.stderr) == (0, "")
        assert ran.stdout == (PROJECT / "kopsversion/data/kopsversion.bash").read_text()

    @pytest.mark.wheel
    def test_callers_are_typed(self, installed: Installed) -> None:
        """A strict type checker knows the public names from the wheel alone (``py.typed``)."""
        path = shutil.copy(caller.__file__, installed.elsewhere)
        mypy = [sys.executable, "-m", "mypy", "--strict", "--python-executable", str(installed.python)]
        ran = _run([*mypy, str(path)], installed.elsewhere, AS_STARTED)
        assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.wheel
@pytest.mark.parametrize("heading", ["uv", "A wheel in a virtual environment"])
def test_the_page_s_commands_install_it(heading: str, shipped: Shipped, tmp_path: Path) -> None:
    """`docs/howto/install.md` as it stands, from the pinned and hashed requirements; only the question is another."""
    page = (PROJECT / "docs/howto/install.md").read_text()
    section = page.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    commands = section.partition("```text\n")[2].partition("```")[0]
    tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    if "uv " in commands and shutil.which("uv", path=tools) is None:
        pytest.skip("uv is not installed: pip install uv")
    assert "./kopsversion-*.whl" in commands
    shutil.copy(shipped.wheel, tmp_path)
    shutil.copy(PROJECT / "requirements/ci.txt", tmp_path)
    script = f"set -euo pipefail\n{commands.replace('resolve-latest master', 'resolve-latest --version')}"
    environ = os.environ | {"PATH": tools} | (_wheels_for_uv(tmp_path) if "uv " in commands else {})
    ran = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env=environ, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert f"kopsversion {SETTINGS['version']}" in ran.stdout


def _wheels_for_uv(folder: Path) -> dict[str, str]:
    """Let pip, which knows this machine's index, put the pinned wheels in a folder; uv reads no settings of pip's."""
    links = folder / "links"
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--require-hashes", "--only-binary", ":all:"]
    subprocess.run([*pip, "-d", str(links), "-r", str(PROJECT / "requirements/ci.txt")], check=True)
    return {
        "UV_FIND_LINKS": str(links),
        "UV_OFFLINE": "1",
        "UV_CACHE_DIR": str(folder / "cache"),
        "UV_PYTHON": sys.executable,
    }
