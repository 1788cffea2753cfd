"""What `kopsversion list` and `check` say while they ask, and to whom."""

from __future__ import annotations

import logging
import os
import pty
import re
import subprocess
import sys
from typing import TYPE_CHECKING, get_args

import pytest
from click.testing import CliRunner

from kopsversion.cli.console import Console
from kopsversion.cli.demo_bucket import AS_OF
from kopsversion.cli.resolve import resolve
from kopsversion.errors import AccessDeniedError
from kopsversion.model.needs import ListArtifacts, ListMinors, Need, ReadChecksums, ReadMarker
from kopsversion.model.version import BuildVersion
from kopsversion.workflows.listing import list_channel
from kopsversion.workflows.rounds import in_words
from kopsversion.workflows.survey import check_health
from tests.builders import HOUR, NOW, alpha, patch
from tests.fake_store import FakeStore
from tests.gcs_faults import Status
from tests.gcs_server import KOPS_BUCKET, KOPS_ROOT, Kind
from tests.scenes import PLAIN

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.gcs_server import GcsServer


def store_of(count: int) -> FakeStore:
    """Make a store with that many builds of master, and one of release-1.29."""
    store = FakeStore()
    for distance in range(1, count + 1):
        store.add_build(alpha(distance), at=NOW - (count + 1 - distance) * HOUR)
    store.add_build(patch(1))
    store.add_marker("release-1.29", "latest-ci.txt", patch(1))
    return store


class TestWords:
    def test_what_is_needed_is_counted_by_kind(self) -> None:
        """One is told in the singular, several in the plural."""
        builds = [ListArtifacts(BuildVersion.parse(alpha(distance))) for distance in (1, 2)]
        markers = [ReadMarker("master", "latest-ci.txt")]
        told = "2 builds to look into, 1 listing of minors, 1 marker to read"
        assert in_words([*markers, *builds, ListMinors()]) == told

    @pytest.mark.parametrize("kind", get_args(Need))
    def test_every_kind_of_need_has_words(self, kind: type) -> None:
        """None is left out, so nothing is asked for in silence."""
        arguments = ["x"] * len(getattr(kind, "__attrs_attrs__"))  # noqa: B009 # mypy knows no such attribute
        assert re.fullmatch("1 [a-z ]+", in_words([kind(*arguments)]))


class TestSteps:
    """What a list says that it does."""

    def test_builds_are_counted_down(self) -> None:
        """Each round says how many builds are left, so that a reader sees how far it has come."""
        said: list[str] = []
        list_channel("master", store=store_of(20), now=NOW, progress=said.append)
        assert said == [
            "master: 1 listing of minors, 1 marker to read",
            "master: 1 listing of builds",
            "master: 20 builds to look into, 1 listing of builds, 1 listing of upload times",
            "master: 8 of 20 builds looked into, 1 listing of builds, 1 listing of upload times",
            "master: 16 of 20 builds looked into, 1 listing of builds, 1 listing of upload times",
        ]

    def test_the_channels_are_asked_for_first(self) -> None:
        """Then what all of them need is asked at once."""
        said: list[str] = []
        list_channel(store=store_of(1), now=NOW, progress=said.append)
        assert said[0] == "1 listing of markers, 1 listing of minors"
        assert said[1:] == ["2 listings of builds", "2 builds to look into, 2 listings of upload times"]

    def test_what_is_known_is_not_announced(self) -> None:
        """Where nothing more has to be asked nothing more is said."""
        said: list[str] = []
        store = FakeStore()
        store.add_build(patch(1))
        list_channel("release-1.29", store=store, now=NOW, limit=1, progress=said.append)
        assert said == [
            "release-1.29: 1 listing of builds, 1 marker to read",
            "release-1.29: 1 build to look into, 1 listing of upload times",
        ]

    def test_a_check_finds_words_where_listing_is_denied(self) -> None:
        """Row 23 of what goes wrong: checksums are then read, and that too is said."""
        store = store_of(1)
        store.add_marker("master", "latest-ci.txt", alpha(1))
        store.fail("list *", AccessDeniedError("denied", url=store.url))
        said: list[str] = []
        report = check_health(["master"], store=store, now=NOW, progress=said.append)
        assert said[-1] == in_words([ReadChecksums(BuildVersion.parse(alpha(1)))])
        assert not report.nothing_read


class TestConsole:
    """Who gets to see it."""

    def shown(self, console: Console, capsys: pytest.CaptureFixture[str]) -> str:
        """Say two things; return what standard error got, and see that standard output got nothing."""
        with console.steps() as tell:
            tell("one [red]thing")
            tell("another thing")
        said = capsys.readouterr()
        assert said.out == ""
        return said.err

    def test_without_a_terminal_nothing_is_said(self, capsys: pytest.CaptureFixture[str]) -> None:
        """The log of a job stays as it is."""
        assert self.shown(Console(), capsys) == ""

    def test_verbose_says_it_in_lines(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Wherever standard error goes."""
        console = Console()
        console.verbosity = 1
        assert self.shown(console, capsys) == "… one [red]thing\n… another thing\n"

    def test_a_terminal_shows_a_line(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Its text is taken literally."""
        monkeypatch.setattr("kopsversion.cli.console.is_rich", lambda _: True)
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("COLUMNS", "100")
        console = Console()
        with console.steps() as tell:
            tell("one [red]thing")
        said = capsys.readouterr()
        assert said.out == ""
        assert "one [red]thing" in said.err

    def test_a_resolve_shows_what_it_waits_for(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """In a line that is cleared each time and at the end, on a terminal only; rich is not loaded for it."""
        monkeypatch.setattr("kopsversion.cli.console.is_rich", lambda _: True)
        with Console().waiting() as tell:
            tell("one [red]thing\x1b")
        said = capsys.readouterr()
        # click takes colours and the like out of what goes to no terminal, as here
        assert (said.out, said.err) == ("", "\r… one [red]thing\\x1b\r")

    def test_a_resolve_says_nothing_in_a_log(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Without a terminal it is `steps`."""
        with Console().waiting() as tell:
            tell("one thing")
        assert capsys.readouterr().err == ""

    def test_verbose_tells_each_request(
        self, capsys: pytest.CaptureFixture[str], gcs_server: GcsServer
    ) -> None:
        """With its status and its time; the logger is left as it was."""
        PLAIN.put(gcs_server)
        gcs_server.fail(Status(503), Kind.MARKER)
        environ = {"STORAGE_EMULATOR_HOST": gcs_server.url}
        arguments = [
            "master",
            "--store",
            f"gs://{KOPS_BUCKET}/{KOPS_ROOT}",
            "--as-of",
            "2024-05-06T12:00:00Z",
        ]
        result = CliRunner().invoke(resolve, [*arguments, "-v"], env=environ)
        told = [line for line in result.stderr.splitlines() if line.startswith(f"… GET {gcs_server.url}/")]
        assert len(told) == len(gcs_server.requests), (told, gcs_server.kinds)
        assert sum(re.search(r": HTTP 503 after [0-9]+ ms$", line) is not None for line in told) == 1
        logger = logging.getLogger("kopsversion.stores")
        assert (logger.handlers, logger.level, logger.propagate) == ([], logging.NOTSET, True)

    @pytest.mark.parametrize("verbosity", [0, 1])
    def test_quiet_says_nothing(
        self, verbosity: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Not on a terminal either, and not where more is asked for at the same time."""
        monkeypatch.setattr("kopsversion.cli.console.is_rich", lambda _: True)
        console = Console()
        console.quiet, console.verbosity = True, verbosity
        assert self.shown(console, capsys) == ""


def on_terminal(arguments: Sequence[str], *, term: str = "xterm") -> tuple[str, str]:
    """Run kopsversion with a terminal as its standard error; return what both streams got."""
    outer, inner = pty.openpty()
    environ = {**os.environ, "TERM": term, "COLUMNS": "100", "NO_COLOR": ""}
    with subprocess.Popen(
        [sys.executable, "-m", "kopsversion", *arguments],
        stdout=subprocess.PIPE,
        stderr=inner,
        env=environ,
        text=True,
    ) as process:
        os.close(inner)
        shown = b""
        try:
            while piece := os.read(outer, 4096):
                shown += piece
        except OSError:  # Linux says so when nobody holds the other end any more
            pass
        finally:
            os.close(outer)
        answer, _ = process.communicate(timeout=60)
    assert process.returncode in {0, 3}
    return answer, shown.decode()


class TestCommands:
    """The commands themselves."""

    @pytest.fixture(params=["list", "check"])
    def command(self, request: pytest.FixtureRequest, demo_bucket: Path) -> list[str]:
        """The start of a command line, and where to look."""
        name: str = request.param
        return [name, "--store", str(demo_bucket), "--as-of", f"{AS_OF:%Y-%m-%dT%H:%M:%SZ}"]

    def test_a_terminal_sees_it_and_the_answer_is_the_same(self, command: list[str]) -> None:
        """The line is taken away again, and the cursor is back."""
        answer, shown = on_terminal(command)
        assert re.search(r"[0-9]+ builds? (to look|looked) into", shown)
        assert shown.endswith("\x1b[?25h\r\x1b[1A\x1b[2K")
        elsewhere = subprocess.run(
            [sys.executable, "-m", "kopsversion", *command],
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert elsewhere.stdout == answer
        assert "to look into" not in elsewhere.stderr

    @pytest.mark.parametrize(("more", "term"), [(["--quiet"], "xterm"), ([], "dumb")])
    def test_a_terminal_that_wants_none_sees_none(
        self, command: list[str], more: list[str], term: str
    ) -> None:
        """With --quiet, and where lines cannot be drawn over."""
        _, shown = on_terminal([*command, *more], term=term)
        assert "to look into" not in shown
        assert "\x1b" not in shown
