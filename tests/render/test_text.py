"""Tables on a terminal: they fit, nothing is broken, and a channel is said once."""

from __future__ import annotations

import io
import re
import sys
from typing import TYPE_CHECKING

import pytest
from attrs import evolve

from kopsversion.cli.console import Console, wants_colour
from kopsversion.model.tables import Table
from kopsversion.render.causes import causes_of, lead
from kopsversion.render.health_table import health_tables
from kopsversion.render.text import coloured, decorated
from kopsversion.rules.report import BuildState
from tests.builders import NOW
from tests.health_reports import everything, many, nothing

if TYPE_CHECKING:
    from collections.abc import Mapping

VERSION = re.compile(r"1\.[0-9]+\.[0-9]+[a-z0-9.-]*\+v[0-9a-z.-]+")
TABLE = Table(
    title="T",
    columns=("channel", "build", "age", "note", "why"),
    rows=(
        ("master", "1.30.0-alpha.2+v1.30.0-alpha.1-7-g07", "3 days", "a note", "one two three four five six"),
    )
    * 2,
    drop=("note", "age"),
)


def shown(table: Table, width: int, *, is_wide: bool = False) -> str:
    return decorated([table], width=width, is_wide=is_wide, has_colour=False)


class TestWidth:
    @pytest.mark.parametrize("width", [80, 100, 120])
    @pytest.mark.parametrize("name", ["everything", "many"])
    def test_fits(self, name: str, width: int) -> None:
        """No line is longer than the terminal is wide, and no version is broken."""
        report = {"everything": everything, "many": many}[name]()
        text = decorated(health_tables(report), width=width, has_colour=False)
        assert max(map(len, text.splitlines())) <= width
        versions = {str(build.version) for _, build in report.refused}
        assert versions <= set(VERSION.findall(text))

    def test_columns_go_in_their_order(self) -> None:
        """What may go goes in the declared order, and only as much as has to."""
        heads = {width: shown(TABLE, width).splitlines()[1].split() for width in (120, 78, 70)}
        assert heads == {
            120: ["channel", "build", "age", "note", "why"],
            78: ["channel", "build", "age", "why"],
            70: ["channel", "build", "why"],
        }

    def test_wide(self) -> None:
        """Asked for, every column stays, whatever the width."""
        assert shown(TABLE, 40, is_wide=True).splitlines()[1].split() == list(TABLE.columns)

    def test_blocks(self) -> None:
        """Where even what must stay has no room each row becomes a block, with all that it has."""
        assert shown(TABLE, 50).splitlines()[:7] == [
            "T",
            "  master",
            "    build 1.30.0-alpha.2+v1.30.0-alpha.1-7-g07",
            "    age 3 days   note a note",
            "      one two three four five six",
            "  - build 1.30.0-alpha.2+v1.30.0-alpha.1-7-g07",
            "    age 3 days   note a note",
        ]

    def test_what_is_long_in_a_block(self) -> None:
        """What is longer than a line is wrapped below itself; a short last cell stands beside the others."""
        table = Table(
            title="T",
            columns=("a", "why", "b", "c"),
            rows=(("x" * 30, "one two three four five", "3", "yes"),),
        )
        assert shown(table, 22).splitlines() == [
            "T",
            f"  {'x' * 30}",
            "    why one two three",
            "        four five",
            "    b 3   c yes",
        ]

    def test_columns_without_a_value(self) -> None:
        """A column that may be left out and has no value is left out, whatever room there is; asked for, it stays."""
        table = Table(title="T", columns=("a", "b", "c"), rows=(("x", "-", "y"),), drop=("b",))
        assert shown(table, 100).splitlines()[1].split() == ["a", "c"]
        assert shown(table, 100, is_wide=True).splitlines()[1].split() == ["a", "b", "c"]

    def test_a_narrow_last_column(self) -> None:
        """A few lines in a narrow last column are better than a column less, and more are better than no table."""
        words = "eleven letters, eleven letters, eleven letters"
        table = Table(title="T", columns=("a", "b", "c"), rows=(("x" * 20, "y" * 8, words),), drop=("b",))
        wide, narrow = f"  {'x' * 20}  {'y' * 8}  ", f"  {'x' * 20}  "
        assert shown(table, 65).splitlines()[2:] == [
            f"{wide}eleven letters, eleven letters,",
            f"{' ' * len(wide)}eleven letters",
        ]
        assert shown(table, 40).splitlines()[2:] == [
            f"{narrow}eleven letters,",
            f"{' ' * len(narrow)}eleven letters,",
            f"{' ' * len(narrow)}eleven letters",
        ]
        assert shown(table, 39).splitlines()[1:3] == [f"  {'x' * 20}", "    b yyyyyyyy"]
        short = Table(
            title="T", columns=("a", "b", "c"), rows=(("x" * 20, "y" * 8, "22 hours"),), drop=("b",)
        )
        assert shown(short, 40).splitlines()[2:] == [f"{narrow}22 hours"]

    def test_block_without_what_is_not_known(self) -> None:
        """A block leaves out what is not known; a table of one column has nothing but its first lines."""
        table = Table(title="T", columns=("channel", "a", "b"), rows=(("x", "-", f"{'y' * 50}"),))
        assert shown(table, 30).splitlines() == ["T", "  x", f"      {'y' * 50}"]
        assert shown(Table(title="T", columns=("a",), rows=(("x" * 50,),)), 30).splitlines() == [
            "T",
            f"  {'x' * 50}",
        ]

    def test_a_channel_is_said_once(self) -> None:
        """Rows of one channel stand under its name."""
        assert shown(TABLE, 120).count("master") == 1
        text = decorated(health_tables(everything()), width=120, has_colour=False)
        findings = text.partition("Findings\n")[2].partition("\n\n")[0]
        firsts = [line.split()[0] for line in findings.splitlines()[1:] if line[2] != " "]
        assert firsts == ["release-1.28", "release-1.27", "release-1.26", "-", "master", "release-1.29"]

    def test_values_stay_whole(self) -> None:
        """Of a table without headings nothing is wrapped: it is what one copies."""
        table = Table(title="T", rows=(("a", "one two three"), ("b", "four")))
        assert shown(table, 13).splitlines() == ["T", "  a  one two three", "  b  four"]
        assert shown(Table(title="T", rows=()), 13) == "T\n"


class TestFirstLine:
    def test_lead(self) -> None:
        """The sentence names what is wrong with up to three channels, of more only their names."""
        assert (
            lead(many(3)) == "1 of 3 channels is unhealthy: release-1.38 (green 51 days behind, 45 builds)."
        )
        assert lead(everything()) == everything().headline
        assert lead(many(2)) == "All is well: all 2 channels are healthy."
        assert lead(nothing()).startswith("Nothing could be checked: ")

    def test_lead_of_what_could_not_be_read(self) -> None:
        """Where no channel could be read the sentence says so, and which."""
        unread = evolve(everything(), channels=everything().channels[-1:])
        assert lead(unread) == "Nothing could be read: release-1.26 (could not be read)."

    def test_causes(self) -> None:
        """A healthy channel has no cause; any other has at least one."""
        for channel in (*everything().channels, *many(4).channels):
            assert bool(causes_of(channel, now=NOW)) != channel.is_healthy

    def test_on_a_terminal(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The sentence comes first on a terminal, in the colour of the worst channel."""
        stream = _Terminal()
        monkeypatch.setattr(sys, "stdout", stream)
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("COLUMNS", "100")
        monkeypatch.delenv("NO_COLOR", raising=False)
        Console().answer_tables([TABLE], first=("x is broken", "error"))
        assert stream.getvalue().startswith("\x1b[1;31mx is broken\x1b[0m\n\n\x1b[1mT\x1b[0m\n")

    def test_elsewhere(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """In a log it is the last line, and the first is what it was."""
        stream = io.StringIO()
        monkeypatch.setattr(sys, "stdout", stream)
        Console().answer_tables([TABLE], first=("x is broken", "error"))
        assert stream.getvalue().startswith("T\n")


def test_refused_builds_are_counted_only_above_the_testable_one() -> None:
    """Where that one is not among the builds that are shown, all of them are newer."""
    channel = everything().channels[0]
    assert "1 newer build incomplete" in causes_of(channel, now=NOW)
    recent = tuple(each for each in channel.builds if each.state is not BuildState.TESTABLE)
    above = recent[: [each.state for each in recent].index(BuildState.REFUSED) + 1]
    assert "1 newer build incomplete" in causes_of(evolve(channel, builds=above), now=NOW)


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class TestColour:
    @pytest.mark.parametrize(
        ("environment", "on_terminal", "elsewhere"),
        [
            ({"TERM": "xterm"}, True, False),
            ({"TERM": "dumb"}, False, False),
            ({"TERM": ""}, False, False),
            ({"TERM": "xterm", "NO_COLOR": "1"}, False, False),
            ({"TERM": "xterm", "NO_COLOR": ""}, True, False),
            ({"TERM": "xterm", "CLICOLOR": "0"}, False, False),
            ({"TERM": "xterm", "CLICOLOR": "1"}, True, False),
            ({"TERM": "dumb", "FORCE_COLOR": "1"}, True, True),
            ({"TERM": "dumb", "CLICOLOR_FORCE": "1"}, True, True),
            ({"TERM": "dumb", "FORCE_COLOR": "0", "CLICOLOR_FORCE": ""}, False, False),
            ({"TERM": "xterm", "FORCE_COLOR": "1", "NO_COLOR": "1"}, False, False),
        ],
    )
    def test_who_wants_colour(
        self,
        environment: Mapping[str, str],
        on_terminal: bool,  # noqa: FBT001 # a case
        elsewhere: bool,  # noqa: FBT001 # a case
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """NO_COLOR forbids, FORCE_COLOR and CLICOLOR_FORCE ask for it; otherwise a terminal has it that can show it."""
        for name in ("TERM", "NO_COLOR", "CLICOLOR", "FORCE_COLOR", "CLICOLOR_FORCE"):
            monkeypatch.delenv(name, raising=False)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        assert (wants_colour(_Terminal()), wants_colour(io.StringIO())) == (on_terminal, elsewhere)
        assert not wants_colour(None)

    def test_forced_in_a_log(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Colour in a log changes nothing else: every column stays, and a row is a line."""
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.delenv("NO_COLOR", raising=False)
        stream = io.StringIO()
        monkeypatch.setattr(sys, "stdout", stream)
        Console().answer_tables(health_tables(everything()))
        text = stream.getvalue()
        assert "\x1b[1;31munhealthy\x1b[0m" in text
        assert len(text.splitlines()) == len(
            decorated(health_tables(everything()), is_wide=True).splitlines()
        )

    def test_without_colour_on_a_terminal(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without colour tables still fit the terminal."""
        stream = _Terminal()
        monkeypatch.setattr(sys, "stdout", stream)
        monkeypatch.setenv("NO_COLOR", "1")
        monkeypatch.setenv("COLUMNS", "80")
        Console().answer_tables(health_tables(everything()))
        assert "\x1b" not in stream.getvalue()
        assert max(map(len, stream.getvalue().splitlines())) <= 80

    @pytest.mark.parametrize(
        ("state", "begins"), [("error", "\x1b[1;31m"), ("healthy", "\x1b[32m"), ("anything", "\x1b[1m")]
    )
    def test_by_severity(self, state: str, begins: str) -> None:
        """Each state has its colour; what has none is bold."""
        assert coloured("x", state, has_colour=True) == f"{begins}x\x1b[0m"
        assert coloured("x", state, has_colour=False) == "x"
