"""`kopsversion bisect`, `find` and `list A..B` as a person types them."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from kopsversion.cli.console import Console
from kopsversion.cli.demo_bucket import AS_OF
from kopsversion.cli.toolbox import tools
from tests.builders import DAY, HOUR, NOW
from tests.git_repos import GitRepository
from tests.harness import add_build, content_of
from tests.processes import unmeasured
from tests.stores.test_store_contract import DirectoryPlace

if TYPE_CHECKING:
    from pathlib import Path

GOOD = "1.29.0-alpha.4+v1.29.0-alpha.3-242-g99db2089a1"
LAST = "1.29.0-alpha.4+v1.29.0-alpha.3-378-g22ce1230da"
BROKEN_BY = "1.29.0-alpha.4+v1.29.0-alpha.3-363-g701adb6527"
BEFORE = "1.29.0-alpha.4+v1.29.0-alpha.3-355-gc0cef47e60"
INCOMPLETE = "1.29.0-alpha.4+v1.29.0-alpha.3-369-g8f29969f20"

IS_OLD = 'd=${KOPS_VERSION##*alpha.3-}; test "${d%%-*}" -lt 360'
"""Succeeds for builds from before distance 360."""


Run = Callable[..., Result]
"""Runs a command of the toolbox with its words."""


@pytest.fixture
def run(demo_bucket: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Run a command on the demo bucket, as of its day, in a directory that is no clone."""
    monkeypatch.chdir(tmp_path)

    def invoke(command: str, *words: str, input: str | None = None, isolated: bool = True) -> Result:  # noqa: A002
        place = ["--store", str(demo_bucket), "--as-of", AS_OF.isoformat()] if isolated else []
        at = words.index("--") if "--" in words else len(words)
        arguments = [command, *words[:at], *place, *words[at:]]
        return CliRunner().invoke(tools, arguments, input=input, obj=Console())

    return invoke


class TestBisect:
    def test_the_first_bad_build_is_found(self, run: Run) -> None:
        """The answer alone is on standard output; how it goes is on standard error."""
        result = run("bisect", GOOD, "newest", "--", "sh", "-c", IS_OLD)
        assert result.exit_code == 0, result.stderr
        assert result.stdout.startswith(f"The first bad build of master is {BROKEN_BY}\n")
        assert f"last good           {BEFORE}, uploaded 2024-02-29 15:37 UTC" in result.stdout
        assert "https://github.com/kubernetes/kops/compare/c0cef47e60...701adb6527" in result.stdout
        assert "test 1, at most 7 left; 19 builds left between" in result.stderr
        assert f"  testing {BEFORE} (halve)\n" in result.stderr
        assert f"  {BROKEN_BY} is bad\n" in result.stderr

    def test_quiet_says_nothing_on_the_way(self, run: Run) -> None:
        """But for what the command itself writes."""
        result = run("bisect", GOOD, "newest", "-q", "--", "sh", "-c", f"echo hello; {IS_OLD}")
        assert set(result.stderr.splitlines()) == {"hello"}
        assert "hello" not in result.stdout

    def test_json(self, run: Run) -> None:
        """A program gets all of it."""
        result = run("bisect", GOOD, "newest", "-o", "json", "--repeat", "2", "--", "sh", "-c", IS_OLD)
        report = json.loads(result.stdout)
        assert report["schema"] == 1
        assert (report["good"]["version"], report["bad"]["version"]) == (BEFORE, BROKEN_BY)
        assert report["merges"] is None
        assert [each["statuses"] for each in report["tested"]][:2] == [[0], [1, 1]]
        assert "(statuses 1 1)" in result.stderr

    def test_markdown(self, run: Run) -> None:
        """A person pastes it into an issue."""
        result = run("bisect", GOOD, "newest", "-o", "markdown", "--", "sh", "-c", IS_OLD)
        assert result.stdout.startswith(
            f"## First bad build of master: `{BROKEN_BY}`\n\n- last good: `{BEFORE}`"
        )

    def test_what_cannot_be_tested_is_told(self, run: Run) -> None:
        """A build between the ends that lacks files is stepped over, and told with its reason."""
        script = 'd=${KOPS_VERSION##*alpha.3-}; test "${d%%-*}" -lt 369'
        for output in ("table", "markdown", "json"):
            result = run("bisect", GOOD, "newest", "-o", output, "--", "sh", "-c", script)
            assert INCOMPLETE in result.stdout
            assert "linux/arm64/nodeup is missing" in result.stdout
        assert f"{INCOMPLETE} is untestable: linux/arm64/nodeup is missing" in result.stderr

    def test_the_command_gets_the_build(self, run: Run, tmp_path: Path, demo_bucket: Path) -> None:
        """As variables, in its arguments, and as a checked binary that is gone afterwards."""
        script = tmp_path / "test.sh"
        script.write_text(
            "#!/bin/sh\n"
            'test "$KOPS_BASE_URL" = "$1" || exit 126\n'
            'echo "$KOPS" >> kops.txt\n'
            '"$KOPS" version | grep "$KOPS_VERSION" >&2 || exit 126\n' + IS_OLD
        )
        script.chmod(0o755)
        result = run("bisect", GOOD, "newest", "--fetch", "--arch", "amd64", "--", str(script), "{}")
        assert result.exit_code == 0, result.stderr
        assert BROKEN_BY in result.stdout
        fetched = (tmp_path / "kops.txt").read_text().splitlines()
        assert len(fetched) == len(set(fetched)) == 7
        assert not any(os.path.exists(path) for path in fetched)  # noqa: PTH110

    def test_a_test_may_be_unable_to_tell(self, run: Run) -> None:
        """Status 125 says so: the build is unknown, and is told as not tested."""
        script = f'case "$KOPS_VERSION" in *-355-*|*-363-*) exit 125;; esac; {IS_OLD}'
        result = run("bisect", GOOD, "newest", "-o", "markdown", "--", "sh", "-c", script)
        assert result.exit_code == 0, result.stderr
        assert f"- `{BEFORE}`: the test could not tell" in result.stdout

    def test_a_dry_run_tests_nothing(self, run: Run) -> None:
        """It says which builds, and how many tests at most."""
        result = run("bisect", GOOD, "newest", "--dry-run", "--", "nonesuch")
        assert result.exit_code == 0, result.stderr
        assert "tests   at most 7, and one for each that is skipped" in result.stdout
        assert result.stdout.count(" between\n") == 19
        told = json.loads(run("bisect", GOOD, "newest", "--dry-run", "--assume-ends", "-o", "json").stdout)
        assert told["most_tests"] == 5
        assert [told["builds"][0]["role"], told["builds"][-1]["role"]] == ["good end", "bad end"]
        wide = run("bisect", GOOD, BROKEN_BY, "--dry-run", "--expand")
        assert " outside\n" in wide.stdout

    def test_a_range_across_a_cut_says_so_at_once(self, run: Run) -> None:
        """Before the first test, on standard error."""
        result = run("bisect", GOOD, "newest", "release-1.29", "--", "false")
        assert result.exit_code == 1
        assert "crosses the cut of release-1.29" in result.stderr
        assert result.stderr.index("crosses the cut") < result.stderr.index("test 1,")

    @pytest.mark.parametrize(
        ("words", "status", "said"),
        [
            ((GOOD, "newest"), 2, "there is no command to test a build with"),
            ((GOOD, "newest", "--"), 2, "there is no command to test a build with"),
            ((GOOD, "newest", "--", "nonesuch"), 2, "there is no command 'nonesuch'"),
            ((GOOD, "newest", "--interactive", "--", "true"), 2, "contradict each other"),
            ((GOOD, "--", "true"), 2, "Missing argument"),
            ((GOOD, "newest", "master", "more", "--", "true"), 2, "unexpected extra argument"),
            ((GOOD, "newest", "--repeat", "0", "--", "true"), 2, "0 is not in the range"),
            ((LAST, GOOD, "--", "true"), 2, "which is newer than BAD"),
            ((GOOD, GOOD, "--", "true"), 2, "are the same build"),
            (
                (GOOD, "1.28.5+v1.28.4-36-g8be71351e2", "master", "--", "true"),
                2,
                "a build of release-1.28, and not",
            ),
            (("1.29.0-alpha.4+v1.29.0-alpha.3-1-g0123456789", "newest", "--", "true"), 1, "no such build"),
            ((GOOD, "newest", "--", "true"), 1, "BAD, .* is good"),
            ((GOOD, "newest", "--", "false"), 1, "GOOD, .* is bad"),
            ((GOOD, "newest", "--", "sh", "-c", "exit 126"), 1, "could not be executed"),
            ((GOOD, "newest", "--", "sh", "-c", "nonesuch"), 1, "was not found"),
            ((GOOD, "newest", "--", "sh", "-c", "exit 200"), 1, "ended with status 200"),
            ((GOOD, "newest", "--", "sh", "-c", "kill -TERM $$"), 1, "was killed by SIGTERM"),
            ((GOOD, "newest", "--", "sh", "-c", "kill -40 $$"), 1, "was killed by signal 40"),
        ],
    )
    def test_bad_input(self, run: Run, words: tuple[str, ...], status: int, said: str) -> None:
        """One sentence, a hint, and nothing on standard output."""
        result = run("bisect", *words)
        assert result.exit_code == status, result.stderr
        assert result.stdout == ""
        assert re.search(said, result.stderr), result.stderr
        assert "hint: " in result.stderr
        assert "Traceback" not in result.stderr

    def test_a_longer_abbreviation_is_the_same_commit(self, run: Run) -> None:
        """A name with more digits of the commit means the same build."""
        result = run("bisect", f"{GOOD}0", "newest", "--", "sh", "-c", IS_OLD)
        assert BROKEN_BY in result.stdout

    @pytest.mark.parametrize(
        ("answers", "status", "said"),
        [
            ("good\nbad\ng\nskip\nnonsense\n\nb\nb\nb\nb\nb\n", 0, "The first bad build"),
            ("good\nq\n", 1, ""),
            ("good\n", 1, ""),
            ("", 1, ""),
        ],
    )
    def test_a_person_may_tell(self, run: Run, answers: str, status: int, said: str) -> None:
        """A letter will do, nonsense is asked again, and the end of the input is a "quit"."""
        result = run("bisect", GOOD, "newest", "--interactive", input=answers)
        assert result.exit_code == status, result.stderr
        assert result.stdout.startswith(said)
        assert "Is it good, bad, skip or quit? " in result.stderr
        assert f"KOPS_VERSION={GOOD}\n" in result.stderr
        if status:
            assert "stopped before" in result.stderr

    def test_a_terminal_that_fails_is_a_quit(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where nobody can answer, nothing goes on."""
        from kopsversion.cli import bisect as module

        class Broken:
            @staticmethod
            def readline() -> str:
                raise OSError(5, "Input/output error")

        class Build:
            version, base_url = GOOD, "x"

        for stream in (Broken, None):
            monkeypatch.setattr(sys, "stdin", stream)
            with pytest.raises(Exception, match="stopped before"):
                module._ask_person(Build)  # type: ignore[arg-type]

    def test_what_was_found_is_kept(self, run: Run, tmp_path: Path) -> None:
        """The same command goes on, and says that it can; the end is told again."""
        first = run("bisect", GOOD, "newest", "--state", "b.json", "--interactive", input="good\nbad\nquit\n")
        assert first.exit_code == 1
        assert "What was found so far is in b.json: the same command goes on from there." in first.stderr
        second = run("bisect", GOOD, "newest", "--state", "b.json", "--interactive", input="b\n" * 9)
        assert second.exit_code == 0
        assert second.stderr.count("Is it good") == 5
        third = run("bisect", GOOD, "newest", "--state", "b.json", "--interactive", input="")
        assert third.stdout == second.stdout
        other = run("bisect", GOOD, "newest", "--state", "b.json", "--", "true")
        assert other.exit_code == 2
        assert "is of another bisection" in other.stderr
        assert [path.name for path in tmp_path.iterdir()] == ["b.json"]

    def test_no_stream_takes_the_output(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Output goes to whatever standard error is, and nowhere where there is none."""
        from io import StringIO

        from kopsversion.cli import bisect as module

        text = StringIO()
        monkeypatch.setattr(sys, "stderr", text)
        module._show(b"caf\xc3\xa9\xff")
        assert text.getvalue() == "caf\N{LATIN SMALL LETTER E WITH ACUTE}\N{REPLACEMENT CHARACTER}"
        monkeypatch.setattr(sys, "stderr", None)
        module._show(b"x")

    def test_merges_are_told_with_a_clone(self, run: Run, tmp_path: Path, isolated_git: None) -> None:
        """Each with its subject, escaped; and which of them were never built."""
        repository = GitRepository.create(tmp_path / "kops")
        place = DirectoryPlace(tmp_path / "store")
        ids = repository.commits("origin/master", 6, start=int((NOW - 2 * DAY).timestamp()), sides=1)
        for number in (1, 2, 5, 6):
            name = f"1.30.0-alpha.2+v1.30.0-alpha.1-{number}-g{ids[number - 1][:10]}"
            add_build(place, name, at=NOW - DAY + number * HOUR)
        where = [
            "--store",
            str(tmp_path / "store"),
            "--as-of",
            NOW.isoformat(),
            "--repo",
            str(tmp_path / "kops"),
        ]
        script = 'd=${KOPS_VERSION##*alpha.1-}; test "${d%%-*}" -lt 4'
        words = [ids[0][:12], ids[5][:12], *where, "--", "sh", "-c", script]
        table = run("bisect", *words, isolated=False)
        assert table.exit_code == 0, table.stderr
        assert "merged between      3 merges, 2 of them never built" in table.stdout
        assert table.stdout.count("never built ") == 2
        markdown = run("bisect", "-o", "markdown", *words, isolated=False).stdout
        assert "### 3 merges between them" in markdown
        assert f"- {ids[2]} on origin/master (" in markdown
        told = json.loads(run("bisect", "-o", "json", *words, isolated=False).stdout)
        assert [each["version"] is None for each in told["merges"]] == [True, True, False]

    def test_a_download_that_is_not_right_is_stepped_over(self, run: Run, tmp_path: Path) -> None:
        """A build whose binary is not what its checksum promises cannot be tested; another one can."""
        place = DirectoryPlace(tmp_path / "store")
        names = [f"1.30.0-alpha.2+v1.30.0-alpha.1-{number}-g{number:010x}" for number in range(1, 6)]
        for number, name in enumerate(names):
            add_build(place, name, at=NOW - DAY + number * HOUR)
        place.add(f"{names[2]}/linux/amd64/kops", b"something else", NOW - DAY)
        where = ["--store", str(tmp_path / "store"), "--as-of", NOW.isoformat()]
        words = [
            *where,
            "--fetch",
            "--arch",
            "amd64",
            "--",
            "sh",
            "-c",
            'd=${KOPS_VERSION##*alpha.1-}; test "${d%%-*}" -lt 3',
        ]
        result = run("bisect", names[0], names[4], *words, isolated=False)
        assert result.exit_code == 0, result.stderr
        assert f"first bad           {names[3]}" in result.stdout
        assert f"{names[2]} is untestable: {names[2]}/linux/amd64/kops" in result.stderr
        assert content_of(names[0], "linux/amd64/kops")


class TestInterrupt:
    """Ctrl-C in the middle: nothing is left behind, and the same command goes on."""

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_an_interrupt(self, demo_bucket: Path, tmp_path: Path, number: signal.Signals) -> None:
        """The command is ended though it ignores signals, what was found is kept, and no file is left but that."""
        script = tmp_path / "test.sh"
        script.write_text(
            "#!/bin/sh\n"
            'if [ -e go ]; then exec sh -c "$1"; fi\n'
            'case "$KOPS_VERSION" in *-378-*) trap "" TERM INT; echo "$$" > pid; while :; do sleep 0.1; done;; esac\n'
            'exec sh -c "$1"\n'
        )
        script.chmod(0o755)
        words = [
            *(sys.executable, "-m", "kopsversion", "bisect", GOOD, "newest", "--state", "b.json", "--fetch"),
            *("--store", str(demo_bucket), "--as-of", AS_OF.isoformat(), "--", "./test.sh", IS_OLD),
        ]
        environ = unmeasured(TMPDIR=str(tmp_path / "temporary"))
        (tmp_path / "temporary").mkdir()
        process = subprocess.Popen(words, cwd=tmp_path, env=environ, stderr=subprocess.PIPE, text=True)
        assert process.stderr is not None
        for line in process.stderr:
            if "(bad end)" in line:
                break
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text().strip():
            assert process.poll() is None
        process.send_signal(number)
        _, said = process.communicate(timeout=120)
        assert process.returncode == 128 + number
        assert "the same command goes on from there" in said
        tester = int((tmp_path / "pid").read_text())
        from tests.workflows.test_command import is_gone

        assert is_gone(tester)
        assert list((tmp_path / "temporary").iterdir()) == []
        (tmp_path / "pid").unlink()
        assert {path.name for path in tmp_path.iterdir()} == {"b.json", "test.sh", "temporary"}
        assert len(json.loads((tmp_path / "b.json").read_text())["findings"]) == 1
        (tmp_path / "go").touch()
        again = subprocess.run(words, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)
        assert again.returncode == 0, again.stderr
        assert BROKEN_BY in again.stdout
        assert f"testing {GOOD}" not in again.stderr


class TestFind:
    @pytest.mark.parametrize(
        ("output", "said"),
        [
            ("url", f"/{LAST}\n"),
            ("version", f"{LAST}\n"),
            ("env", f"KOPS_VERSION={LAST}\n"),
            ("table", "They contain it too, and cannot be tested"),
            ("json", '"commit": "8f29969f20"'),
        ],
    )
    def test_outputs(self, run: Run, output: str, said: str) -> None:
        """The first testable build, in the form that is wanted; that another one was passed over is a note."""
        result = run("find", "8f29969f20", "-o", output, "-v")
        assert result.exit_code == 0, result.stderr
        assert said in result.stdout
        assert (
            f"{INCOMPLETE} contains it too, and cannot be tested: linux/arm64/nodeup is missing"
            in result.stderr
        )

    def test_a_merge_is_told_with_a_clone(self, run: Run, tmp_path: Path, isolated_git: None) -> None:
        """When it was merged, and by which merge."""
        repository = GitRepository.create(tmp_path / "kops")
        place = DirectoryPlace(tmp_path / "store")
        ids = repository.commits("origin/master", 3, start=int((NOW - 2 * DAY).timestamp()))
        add_build(place, f"1.30.0-alpha.2+v1.30.0-alpha.1-3-g{ids[2][:10]}", at=NOW - DAY)
        where = [
            "--store",
            str(tmp_path / "store"),
            "--as-of",
            NOW.isoformat(),
            "--repo",
            str(tmp_path / "kops"),
        ]
        table = run("find", ids[0], "-o", "table", *where, isolated=False)
        assert "merged    2024-05-04 18:00 UTC" in table.stdout
        assert "subject   on origin/master" in table.stdout
        told = json.loads(run("find", ids[0], "-o", "json", *where, isolated=False).stdout)
        assert (told["commit"], told["merged"]) == (ids[0], "2024-05-04T18:00:00Z")

    def test_none_yet(self, run: Run) -> None:
        """Status 1, and nothing on standard output."""
        result = run("find", "abcdef0")
        assert (result.exit_code, result.stdout) == (1, "")
        assert "no build of master contains abcdef0 yet" in result.stderr

    def test_waiting_takes_the_time_that_is_given(
        self, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """`--timeout` limits the wait; without it a day is enough."""
        from kopsversion.workflows import find as workflow

        asked: list[tuple[object, object]] = []

        def find_build(*_: object, wait: object, timeout: object, **__: object) -> None:
            asked.append((wait, timeout))
            raise KeyboardInterrupt

        monkeypatch.setattr(workflow, "find_build", find_build)
        where = ["--store", str(tmp_path)]
        for words in (
            [],
            ["--wait"],
            ["--wait", "--timeout", "3h"],
            ["--wait", "--timeout", "5s"],
            ["--timeout", "5s"],
        ):
            run("find", "abcdef0", *words, *where, isolated=False)
        assert asked == [(None, 60), (DAY, 60), (3 * HOUR, 60), (HOUR / 720, 5), (None, 5)]


class TestList:
    def test_a_range(self, run: Run) -> None:
        """The builds between two, both among them; all of them, unless --limit says otherwise."""
        result = run("list", f"{GOOD}..newest", "-o", "json")
        told = json.loads(result.stdout)
        assert len(told["builds"]) == 21
        assert (told["builds"][0]["version"], told["builds"][-1]["version"]) == (LAST, GOOD)
        short = json.loads(run("list", f"{GOOD}..newest", "master", "-o", "json", "--limit", "2").stdout)
        assert len(short["builds"]) == 2

    def test_a_channel_without_a_range_is_named_once(self, run: Run) -> None:
        """A second name is one too many."""
        result = run("list", "master", "release-1.29")
        assert result.exit_code == 2
        assert "release-1.29 is one argument too many" in result.stderr
