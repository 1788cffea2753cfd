"""What a start loads, and that the process is left as it was (DESIGN section 10)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from kopsversion import list_channel, resolve_latest
from kopsversion.stores import open_store
from kopsversion.stores.deadline import Deadline
from kopsversion.workflows.survey import check_health
from tests.builders import NOW
from tests.gcs_server import KOPS_BUCKET, KOPS_ROOT
from tests.scenes import PLAIN

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.gcs_server import GcsServer

STORE = f"gs://{KOPS_BUCKET}/{KOPS_ROOT}"
HEAVY = {"google", "requests", "tenacity", "rich", "jinja2", "cattrs", "urllib3", "certifi", "asyncio"}


def loaded_by(script: str, arguments: Sequence[str] = (), **environ: str) -> set[str]:
    """Run a few lines of Python, and return the names of the packages that they have loaded."""
    program = f"import sys, json\nsys.argv[1:] = {list(arguments)!r}\n{script}\n"
    program += "print('\\n' + json.dumps(sorted(sys.modules)), file=sys.stderr)"
    ended = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env={**os.environ, **environ},
    )
    return {name.partition(".")[0] for name in json.loads(ended.stderr.splitlines()[-1])}


def test_importing_the_package_loads_nothing_heavy() -> None:
    """`import kopsversion` costs next to nothing."""
    assert not loaded_by("import kopsversion") & {*HEAVY, "click"}


@pytest.mark.parametrize(
    "arguments", [["--help"], ["resolve", "--help"], ["check", "--help"], ["promote", "--help"]]
)
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    """Nor does any command's help, which asks nothing."""
    script = "from kopsversion.cli.toolbox import tools\ntools.main(sys.argv[1:], standalone_mode=False)"
    assert not loaded_by(script, arguments) & HEAVY


def test_a_resolve_loads_only_what_reads_a_public_bucket(gcs_server: GcsServer) -> None:
    """urllib3 and nothing of Google's; certificates only where there is TLS, and a retry only where one is needed."""
    PLAIN.put(gcs_server)
    script = "from kopsversion.cli.resolve import resolve\nresolve.main(sys.argv[1:], standalone_mode=False)"
    arguments = ["master", "--store", STORE, "--as-of", NOW.isoformat()]
    loaded = loaded_by(script, arguments, STORAGE_EMULATOR_HOST=gcs_server.url)
    assert loaded & HEAVY == {"urllib3"}


def test_a_directory_is_read_without_http(demo_bucket: object) -> None:
    """What is on this machine needs no network."""
    script = "from kopsversion.cli.resolve import resolve\nresolve.main(sys.argv[1:], standalone_mode=False)"
    assert (
        not loaded_by(script, ["master", "--store", str(demo_bucket), "--as-of", "2024-05-06T18:00:00Z"])
        & HEAVY
    )


def test_a_resolve_loads_no_more_of_our_own_than_it_did(demo_bucket: object) -> None:
    """Each module and each class of attrs costs every start some time: one more is a decision."""
    script = (
        "import sys\n"
        "from kopsversion.cli.resolve import resolve\n"
        "resolve.main(sys.argv[1:], standalone_mode=False)\n"
        "own = [module for name, module in sys.modules.items() if name.startswith('kopsversion')]\n"
        "held = {each for module in own for each in vars(module).values() if isinstance(each, type)}\n"
        "print(len(own), sum(hasattr(each, '__attrs_attrs__') for each in held), file=sys.stderr)\n"
    )
    arguments = ["master", "--store", str(demo_bucket), "--as-of", "2024-05-06T18:00:00Z"]
    ended = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True, timeout=60
    )
    modules, classes = map(int, ended.stderr.splitlines()[-1].split())
    assert modules <= 64
    assert classes <= 68


def _write() -> str:
    store = open_store(STORE, deadline=Deadline(60), environ=os.environ)
    return store.write("new", b"x", if_generation=None, cache_control="no-store", metadata={})


CALLS: dict[str, Callable[[], object]] = {
    "resolve_latest": lambda: resolve_latest("master", store=STORE, now=NOW),
    "list_channel": lambda: list_channel("master", store=STORE, now=NOW),
    "write": lambda: _write(),
    "check_health": lambda: check_health(store=STORE, now=NOW),
}


@pytest.mark.parametrize("call", CALLS)
def test_the_environment_is_left_as_it_was(
    call: str, gcs_server: GcsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A library changes no variable of the process that it is used in."""
    PLAIN.put(gcs_server)
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs_server.url)
    before = dict(os.environ)
    CALLS[call]()
    assert dict(os.environ) == before
