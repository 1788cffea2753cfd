"""Pins: a marker file of our own that kubetest2 reads, before the test and after it."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import urllib.parse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from kopsversion.cli.toolbox import resolve
from kopsversion.model.bucket import Named
from kopsversion.model.layout import known_roots, read_marker_body
from kopsversion.model.version import BuildVersion
from kopsversion.publish.pin import pin_url, write_pin
from tests.harness import GREEN, NEW, OLD, content_of, fill_with_green, opened
from tests.render.test_render import RESOLUTION
from tests.stores.test_store_contract import DirectoryPlace

if TYPE_CHECKING:
    from click.testing import Result


@pytest.fixture
def directory(tmp_path: Path) -> DirectoryPlace:
    """A directory with builds, and a marker that names the newest."""
    return fill_with_green(DirectoryPlace(tmp_path / "a store+"))


def run(*arguments: str, **settings: Any) -> Result:
    return CliRunner().invoke(resolve, list(arguments), prog_name="resolve-latest", **settings)


def test_a_pin_is_a_marker_as_kops_writes_it(tmp_path: Path) -> None:
    """One line: the base URL, with a literal plus and no slash at its end."""
    write_pin(tmp_path / "pin", RESOLUTION)
    assert (tmp_path / "pin").read_bytes() == f"{RESOLUTION.base_url}\n".encode()
    assert stat.S_IMODE((tmp_path / "pin").stat().st_mode) == 0o644


def test_a_pin_reads_as_a_marker(directory: DirectoryPlace, tmp_path: Path) -> None:
    """What we write is what we read."""
    run("master", "--store", directory.url(), "--pin", str(tmp_path / "pin"))
    reading = read_marker_body(
        (tmp_path / "pin").read_bytes(),
        roots=known_roots(opened(directory).url, public_url=opened(directory).public_url("")),
    )
    assert reading == Named(BuildVersion.parse(NEW))


@pytest.mark.parametrize("name", ["pin.txt", "p i+n%.txt", "päßn"])
def test_a_pins_url_leads_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The URL is absolute and percent-encoded, so that curl and Go's net/http find the file."""
    monkeypatch.chdir(tmp_path)
    write_pin(Path(name), RESOLUTION)
    url = pin_url(Path(name))
    assert re.fullmatch(r"file:///[!-~]+", url)
    assert urllib.parse.unquote(url.removeprefix("file://")) == str(tmp_path / name)
    read = subprocess.run(["curl", "-fsS", url], capture_output=True, text=True, check=True)
    assert read.stdout == f"{RESOLUTION.base_url}\n"


def test_kubetest2_downloads_what_was_pinned(directory: DirectoryPlace, tmp_path: Path) -> None:
    """By kubetest2's rule, the marker's text, a slash, system, architecture and "kops", the pinned build is
    found before the test and after it, wherever the bucket's marker has moved (FAILURES rows 4 and 17)."""
    pin = tmp_path / "pin.txt"
    result = run("master", "--store", directory.url(), "--pin", str(pin), "-o", "env", "-q")
    shown = subprocess.run(
        ["bash", "-euc", 'eval "$1"; printf %s "$KOPS_VERSION_MARKER"', "bash", result.stdout],
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout == pin.as_uri()
    directory.add(GREEN, OLD.encode())
    marker = subprocess.run(["curl", "-fsS", shown.stdout], capture_output=True, text=True, check=True).stdout
    kops = subprocess.run(
        ["curl", "-fsS", f"{marker.strip()}/linux/amd64/kops"], capture_output=True, check=True
    )
    assert kops.stdout == content_of(NEW, "linux/amd64/kops")


def test_without_a_pin_there_is_no_such_variable(directory: DirectoryPlace) -> None:
    """-o env offers KOPS_VERSION_MARKER only when there is a file to name."""
    result = run("master", "--store", directory.url(), "-o", "env", "-q")
    assert [line.partition("=")[0] for line in result.stdout.splitlines()] == [
        "KOPS_BASE_URL",
        "KOPS_VERSION",
    ]


@pytest.mark.parametrize("option", ["--pin", "--lock", "--fetch"])
def test_a_file_that_cannot_be_written_answers_nothing(
    directory: DirectoryPlace, tmp_path: Path, option: str
) -> None:
    """It is told before a store is asked: exit 2, an empty standard output."""
    for place in (tmp_path, tmp_path / "absent" / "file"):
        result = run("master", "--store", directory.url(), option, str(place))
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr.startswith("ERROR ")


def test_two_files_in_one_place_are_refused(directory: DirectoryPlace, tmp_path: Path) -> None:
    """Whatever their names look like, the second would replace the first."""
    (tmp_path / "link").symlink_to(tmp_path)
    options = ["--pin", str(tmp_path / "x"), "--lock", str(tmp_path / "link" / "x")]
    result = run("master", "--store", directory.url(), *options)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "--pin and --lock both name" in result.stderr
    assert not os.path.lexists(tmp_path / "x")
