"""The functions for bash that kops' scripts source in place of their own."""

from __future__ import annotations

import json
import os
import platform
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import pytest
from click.testing import CliRunner

from kopsversion.cli.shell import functions
from kopsversion.cli.toolbox import tools
from tests.builders import NOW
from tests.harness import GREEN, NEW, OF_128, add_build, content_of, fill, opened
from tests.stores.test_store_contract import DirectoryPlace

if TYPE_CHECKING:
    from collections.abc import Mapping

SCRIPTS = Path(sys.executable).parent
ROOT = "https://storage.googleapis.com/k8s-staging-kops/kops/releases"
ARCH = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


class Job:
    """A CI job's shell: its functions sourced as a script of kops does, under ``set -euo pipefail``.

    Attributes:
        store: the store that it is told of.
        bin: the first directory of its PATH.
        root: REPO_ROOT; its name has a space.
        env: its environment.
    """

    def __init__(self, folder: Path) -> None:
        self.store = DirectoryPlace(folder / "a store+")
        fill(self.store)
        self.store.add(GREEN, f"{opened(self.store).public_url(NEW)}\n".encode(), NOW)
        marker = f"{opened(self.store).public_url(OF_128)}\n".encode()
        self.store.add("markers/release-1.28/latest-ci.txt", marker, NOW)
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.root = folder / "kops clone"
        self.root.mkdir()
        self.temporary = folder / "tmp dir"
        self.temporary.mkdir()
        (folder / "kopsversion.bash").write_text(functions())
        self.env = {
            "PATH": f"{self.bin}:{SCRIPTS}:/usr/bin:/bin",
            "HOME": str(folder),
            "TMPDIR": str(self.temporary),
            "REPO_ROOT": str(self.root),
            "KUBETEST2": "kubetest2 kops -v=2 --cloud-provider=aws",
            "KOPSVERSION_STORE": opened(self.store).url,
            "KOPSVERSION_MAX_LAG": "36500d",
            "FUNCTIONS": str(folder / "kopsversion.bash"),
        }

    def stub(self, name: str, script: str) -> None:
        """Put a program of that name first in PATH."""
        path = self.bin / name
        path.write_text(f"#!/bin/bash\n{script}\n")
        path.chmod(0o755)

    def without(self, name: str) -> None:
        """Take a program out of PATH."""
        kept = self.bin.parent / "kept"
        kept.mkdir()
        for folder in self.env["PATH"].split(":"):
            for path in Path(folder).iterdir() if Path(folder).is_dir() else ():
                if path.name != name and not os.path.lexists(kept / path.name):
                    (kept / path.name).symlink_to(path)
        self.env["PATH"] = str(kept)

    def run(self, script: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run bash."""
        prelude = 'set -euo pipefail; source "${FUNCTIONS}"\n'
        return subprocess.run(
            ["bash", "-c", prelude + script],
            env={**self.env, **env},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """A job under a path with spaces."""
    folder = tmp_path / "a job"
    folder.mkdir()
    return Job(folder)


def test_shellcheck_finds_nothing() -> None:
    """Not even a matter of style."""
    program = shutil.which("shellcheck", path=SCRIPTS)
    assert program is not None
    for options in ([], ["--enable=deprecate-which,require-variable-braces"]):
        checked = subprocess.run(
            [program, *options, "-"], input=functions(), capture_output=True, text=True, check=False
        )
        assert (checked.returncode, checked.stdout) == (0, "")


def test_the_command_prints_them() -> None:
    """`kopsversion shell` prints the functions, to be evaluated; there are kops' own names among them."""
    result = CliRunner().invoke(tools, ["shell"])
    assert (result.exit_code, result.stdout) == (0, functions())
    for name in ("kops-base-from-marker", "kops-acquire-latest", "kops-download-from-base"):
        assert f"function {name}() {{" in functions()


def test_they_replace_those_of_the_same_names(job: Job) -> None:
    """Evaluated after common.sh, they are the ones that are called."""
    script = """
        function kops-base-from-marker() { echo old; }
        printed="$(kopsversion shell)" && eval "${printed}"
        kops-base-from-marker latest
    """
    ended = job.run(script)
    assert (ended.returncode, ended.stdout) == (0, f"{opened(job.store).public_url(NEW)}\n")


# --------------------------------------------------------------------------------------------------
# kops-base-from-marker


@pytest.mark.parametrize(
    ("what", "version"),
    [
        ("latest", NEW),
        ("1.28", OF_128),
        ("release-1.28", OF_128),
        (f"{ROOT}/markers/master/latest-ci-updown-green.txt", NEW),
        (f"{ROOT}/markers/release-1.28/latest-ci.txt", OF_128),
    ],
)
def test_a_base_url_is_printed(job: Job, what: str, version: str) -> None:
    """For what kops' scripts ask: the word "latest", a minor, the URL of a marker."""
    ended = job.run(f'KOPS_BASE_URL=$(kops-base-from-marker "{what}"); echo "[${{KOPS_BASE_URL}}]"')
    assert (ended.returncode, ended.stdout) == (0, f"[{opened(job.store).public_url(version)}]\n")


def test_the_url_of_a_marker_names_the_store(job: Job) -> None:
    """Where the job names no store, the bucket is that of the URL."""
    job.stub("resolve-latest", 'echo "${KOPSVERSION_STORE} ${*}"')
    url = "https://storage.googleapis.com/my-bucket/a/markers/master/latest-ci.txt"
    ended = job.run(f"kops-base-from-marker {url}", KOPSVERSION_STORE="")
    assert ended.stdout == f"https://storage.googleapis.com/my-bucket/a/ --output url {url}\n"
    named = job.run(f"kops-base-from-marker {url}", KOPSVERSION_STORE="gs://mine/")
    assert named.stdout == f"gs://mine/ --output url {url}\n"


def test_a_minor_keeps_its_meaning(job: Job) -> None:
    """To kops, ``1.28`` is latest-ci.txt of that branch, also where it has a fresh green marker."""
    older = OF_128.replace("-36-g8be71351e2", "-35-g0000000001")
    add_build(job.store, older, at=NOW)
    body = f"{opened(job.store).public_url(older)}\n".encode()
    job.store.add("markers/release-1.28/latest-ci-updown-green.txt", body, NOW)
    for what in ("1.28", "release-1.28"):
        ended = job.run(f"kops-base-from-marker {what}")
        assert (ended.returncode, ended.stdout) == (0, f"{opened(job.store).public_url(OF_128)}\n")


def test_two_builds_of_a_job_are_two_files(job: Job, tmp_path: Path) -> None:
    """An upgrade test from A to B keeps both answers in $ARTIFACTS."""
    artifacts = tmp_path / "arti facts"
    script = f"""
        kops-base-from-marker 1.28
        kops-base-from-marker latest
        kops-base-from-marker {ROOT}/markers/release-1.28/latest-ci.txt
    """
    ended = job.run(script, ARTIFACTS=str(artifacts))
    assert ended.returncode == 0, ended.stderr
    kept = {path.name: json.loads(path.read_text())["version"] for path in artifacts.iterdir()}
    assert kept == {
        "kopsversion-resolution-1.28.json": OF_128,
        "kopsversion-resolution-master.json": NEW,
        "kopsversion-resolution-release-1.28_latest-ci.txt.json": OF_128,
    }


@pytest.mark.parametrize("job_type", ["periodic", "presubmit"])
def test_under_xtrace_the_functions_trace_nothing(job: Job, job_type: str) -> None:
    """With ``set -x`` the calls are in the log, what they do is not, and tracing goes on after them."""
    job.stub(
        "kubetest2",
        'mkdir -p "${REPO_ROOT}/.kubetest2"; echo file:///built > "${REPO_ROOT}/.kubetest2/kops-base-url"',
    )
    script = f"set -x; BASE=$(kops-base-from-marker 1.28); {SHOW.strip()}; echo end"
    ended = job.run(script, JOB_TYPE=job_type)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[-1] == "end"
    traced = [line for line in ended.stderr.splitlines() if line.startswith("+")]
    assert not [line for line in traced if "curl" in line or "local" in line or "resolve-latest" in line], (
        traced
    )
    assert "+ echo end" in traced
    assert "+ kops-acquire-latest" in traced


def test_under_xtrace_a_failure_is_a_failure(job: Job) -> None:
    """The exit status comes through."""
    job.stub("resolve-latest", "exit 5")
    ended = job.run("set -x; BASE=$(kops-base-from-marker latest); echo not reached")
    assert (ended.returncode, ended.stdout) == (5, "")


@pytest.mark.parametrize("status", [1, 2, 3, 5, 70])
def test_no_answer_is_a_failure(job: Job, status: int) -> None:
    """What resolve-latest refuses is not made up for: nothing is printed, the script stops (FAILURES row 10)."""
    job.stub("resolve-latest", f"echo https://x/1.30.0; exit {status}")
    ended = job.run("KOPS_BASE_URL=$(kops-base-from-marker latest); echo not reached")
    assert (ended.returncode, ended.stdout) == (status, "")


FALLBACKS = {
    "missing": lambda job: job.without("resolve-latest"),
    "unreachable": lambda job: job.stub("resolve-latest", "echo junk; exit 4"),
    "not to be run": lambda job: job.stub("resolve-latest", "exit 126"),
    "of no interpreter": lambda job: job.stub("resolve-latest", "exit 127"),
}


@pytest.mark.parametrize("how", FALLBACKS)
@pytest.mark.parametrize("form", ["url", "path"])
def test_without_an_answer_the_plain_marker_is_read(job: Job, how: str, form: str) -> None:
    """Where resolve-latest is missing or cannot reach the store: as before, with a warning on standard error."""
    FALLBACKS[how](job)
    store = opened(job.store).url if form == "url" else str(job.store.root)
    for what, version in (("latest", NEW), ("1.28", OF_128), ("release-1.28", OF_128)):
        ended = job.run(f"kops-base-from-marker {what}", KOPSVERSION_STORE=store)
        assert (ended.returncode, ended.stdout) == (0, f"{opened(job.store).public_url(version)}\n")
        assert "kopsversion: WARNING resolve-latest" in ended.stderr


@pytest.mark.parametrize(
    ("store", "what", "url"),
    [
        ("", "latest", f"{ROOT}/markers/master/latest-ci-updown-green.txt"),
        ("gs://b/p/", "1.30", "https://storage.googleapis.com/b/p/markers/release-1.30/latest-ci.txt"),
        (
            "https://storage.googleapis.com/b gs://other",
            "1.9",
            "https://storage.googleapis.com/b/markers/release-1.9/latest-ci.txt",
        ),
        ("", f"{ROOT}/markers/master/latest-ci.txt", f"{ROOT}/markers/master/latest-ci.txt"),
    ],
)
def test_curl_is_asked_for_the_marker_of_the_store(job: Job, store: str, what: str, url: str) -> None:
    """A bucket's marker is read over https, as kops' own function does."""
    job.stub("resolve-latest", "exit 4")
    job.stub("curl", f'[[ "${{*: -1}}" == "{url}" ]] && echo {ROOT}/1.30.0')
    ended = job.run(f'kops-base-from-marker "{what}"', KOPSVERSION_STORE=store)
    assert (ended.returncode, ended.stdout) == (0, f"{ROOT}/1.30.0\n"), ended.stderr


@pytest.mark.parametrize(
    "url", ["https://example.com/latest.txt", f"{ROOT}/markers/v1.30.0/latest-ci.txt", "https://dl.k8s.io/x"]
)
def test_other_urls_are_read_as_they_are(job: Job, url: str) -> None:
    """A URL that is no marker of a channel is none of our business: it is read as kops' own function does."""
    job.stub("resolve-latest", "echo wrong")
    job.stub("curl", f'[[ "${{*: -1}}" == "{url}" ]] && echo {ROOT}/1.30.0/')
    ended = job.run(f'kops-base-from-marker "{url}"')
    assert (ended.returncode, ended.stdout) == (0, f"{ROOT}/1.30.0\n")


@pytest.mark.parametrize(
    "body", ["<html>404</html>", "", "1.30.0", "a\nb", f"{ROOT}/1 {ROOT}/2", "https://x\\ny"]
)
def test_a_page_is_no_base_url(job: Job, body: str) -> None:
    """What a plain marker holds is looked at before a job believes it (FAILURES row 10)."""
    job.without("resolve-latest")
    job.store.add(GREEN, body.replace("\\n", "\n").encode())
    ended = job.run("KOPS_BASE_URL=$(kops-base-from-marker latest); echo not reached")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "does not hold the URL of a build" in ended.stderr


def test_a_missing_marker_is_a_failure(job: Job) -> None:
    """With neither resolve-latest nor a marker there is no answer."""
    job.without("resolve-latest")
    for what in ("1.77", "https://127.0.0.1:1/latest-ci.txt"):
        ended = job.run(f"kops-base-from-marker {what}")
        assert ended.returncode != 0
        assert ended.stdout == ""


# --------------------------------------------------------------------------------------------------
# kops-acquire-latest

SHOW = """
    kops-acquire-latest
    bash -uc 'printf "%s\\n" "${KOPS_BASE_URL}" "${KOPS}" "${KOPS_VERSION_MARKER-}" "[${CHANNELS-}]"'
"""


def test_a_periodic_job_downloads_the_latest(job: Job) -> None:
    """KOPS_BASE_URL and KOPS are exported, and a marker of the same build; the file is whole and executable."""
    ended = job.run(SHOW, JOB_TYPE="periodic")
    assert ended.returncode == 0, ended.stderr
    base, kops, marker, channels = ended.stdout.splitlines()
    assert base == opened(job.store).public_url(NEW)
    assert Path(kops).parent == job.temporary
    assert Path(kops).read_bytes() == content_of(NEW, f"linux/{ARCH}/kops")
    assert stat.S_IMODE(Path(kops).stat().st_mode) == 0o755
    assert Path(unquote(urlsplit(marker).path)).read_text() == f"{base}\n"
    assert marker.startswith("file://")
    assert " " not in marker
    assert channels == "[]"
    assert len(list(job.temporary.iterdir())) == 2


def test_nothing_is_said_of_channels() -> None:
    """kops dropped that binary on 20 May 2026: who asks for it makes requests and warnings for nothing."""
    assert "channels" not in functions().lower()


def test_a_wrong_download_is_not_used(job: Job) -> None:
    """What is not what its checksum promises stops the job, and is not left lying about (FAILURES row 24)."""
    job.store.add(f"{NEW}/linux/{ARCH}/kops", b"truncated", NOW)
    ended = job.run(SHOW, JOB_TYPE="periodic")
    assert (ended.returncode, ended.stdout) == (5, "")
    assert "is not what its .sha256 promises" in ended.stderr
    assert list(job.temporary.iterdir()) == []


def test_a_failed_download_stops_the_job(job: Job) -> None:
    """Without a base URL, or without kops, nothing is left set to something old."""
    (job.store.root / NEW / f"linux/{ARCH}/kops").unlink()
    job.stub("resolve-latest", f"echo {opened(job.store).public_url(NEW)}")
    ended = job.run(SHOW, JOB_TYPE="periodic")
    assert ended.returncode == 37  # curl's: the file could not be read
    job.stub("resolve-latest", "exit 1")
    assert job.run(SHOW, JOB_TYPE="periodic").returncode == 1
    assert list(job.temporary.iterdir()) == []


def test_without_sha256sum_there_is_shasum(job: Job) -> None:
    """A Mac has the other program."""
    job.without("sha256sum")
    kept = Path(job.env["PATH"])
    (kept / "shasum").unlink(missing_ok=True)
    (kept / "shasum").write_text('#!/bin/bash\n[[ "${*}" == "-a 256" ]] && exec /usr/bin/sha256sum\n')
    (kept / "shasum").chmod(0o755)
    ended = job.run("KOPS_BASE_URL=$(kops-base-from-marker latest); kops-download-from-base")
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize(
    "env", [{}, {"JOB_TYPE": "presubmit"}, {"JOB_TYPE": "", "KOPS_BASE_URL": "https://old"}]
)
def test_other_jobs_build_the_tree(job: Job, env: Mapping[str, str]) -> None:
    """Anything but a periodic job builds with kubetest2, whatever the bucket holds, and says where it is."""
    job.stub("resolve-latest", "exit 1")
    job.stub(
        "kubetest2",
        'echo "built with ${*} [${KOPS_BASE_URL-}]"; mkdir -p "${REPO_ROOT}/.kubetest2"; '
        'echo file:///built > "${REPO_ROOT}/.kubetest2/kops-base-url"',
    )
    ended = job.run(SHOW, **env)
    assert ended.returncode == 0, ended.stderr
    dist = job.root / ".build" / "dist" / "linux" / "amd64"
    assert ended.stdout.splitlines() == [
        "built with kops -v=2 --cloud-provider=aws --build []",
        "KOPS_BASE_URL=file:///built",
        "file:///built",
        str(dist / "kops"),
        "",
        "[]",
    ]


@pytest.mark.parametrize("script", ["exit 3", "exit 0"])
def test_a_failed_build_stops_the_job(job: Job, script: str) -> None:
    """When the build fails, or leaves no base URL, the job fails."""
    job.stub("kubetest2", script)
    ended = job.run(SHOW)
    assert ended.returncode == (3 if script == "exit 3" else 1)
    assert ended.stdout == ""


def test_failures_are_seen_without_errexit_too(job: Job) -> None:
    """In a condition bash ignores errexit; the functions return their failures all the same."""
    job.stub("resolve-latest", "exit 1")
    job.stub("kubetest2", "exit 3")
    for job_type in ("periodic", "presubmit"):
        ended = job.run("kops-acquire-latest || echo failed", JOB_TYPE=job_type)
        assert ended.stdout == "failed\n"
