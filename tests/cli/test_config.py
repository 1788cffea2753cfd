"""Limits from TOML: what they mean, and what is said of a mistake."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from kopsversion.cli.config import PROJECT_FILE, Config, Limits, read_config, read_project_config
from kopsversion.errors import UsageError
from kopsversion.model.channel import Channel
from kopsversion.model.policy import Policy

if TYPE_CHECKING:
    from pathlib import Path

MASTER = Channel("master")
RELEASE = Channel("release-1.27")
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def read(tmp_path: Path, text: str) -> Config:
    path = tmp_path / "limits.toml"
    path.write_text(text)
    return read_config(path)


class TestMeaning:
    def test_general_and_own(self, tmp_path: Path) -> None:
        """A channel's own limits win over the general ones, which win over the policy's."""
        config = read(
            tmp_path,
            """
            max-lag = "36h"
            build-sla = "2h"
            [channels."1.27"]
            max-build-age = "365d"
            max-lag = "3d"
            """,
        )
        base = Policy(max_build_age=5 * DAY)
        assert config.policy_of(MASTER, base) == Policy(
            max_lag=36 * HOUR, build_sla=2 * HOUR, max_build_age=5 * DAY
        )
        assert config.policy_of(RELEASE, base) == Policy(
            max_lag=3 * DAY, build_sla=2 * HOUR, max_build_age=365 * DAY
        )

    def test_ignored_markers_add_up(self, tmp_path: Path) -> None:
        """Markers ignored everywhere and markers ignored in one channel are both ignored there."""
        config = read(
            tmp_path, 'ignored-markers = ["a.txt"]\n[channels.latest]\nignored-markers = ["b.txt", "a.txt"]\n'
        )
        assert config.policy_of(MASTER, Policy()).reported == ("a.txt", "b.txt")
        assert config.policy_of(RELEASE, Policy()).reported == ("a.txt",)

    def test_nothing_said(self, tmp_path: Path) -> None:
        """An empty file, and empty limits, change nothing."""
        assert read(tmp_path, "") == Config()
        policy = Policy(max_lag=HOUR, reported=("a.txt",))
        assert Limits().applied(policy) == policy

    def test_zero(self, tmp_path: Path) -> None:
        """A limit of 0 is a limit."""
        assert read(tmp_path, 'max-lag = "0"').policy_of(MASTER, Policy()).max_lag == timedelta()


class TestProjectFile:
    def test_absent(self, tmp_path: Path) -> None:
        """Without a pyproject.toml there are no limits."""
        assert read_project_config(tmp_path) == Config()

    @pytest.mark.parametrize("text", ["", "[tool.ruff]\nline-length = 110\n", "[tool.kopsversion]\n"])
    def test_nothing_for_us(self, text: str, tmp_path: Path) -> None:
        """A pyproject.toml of somebody else says nothing."""
        (tmp_path / PROJECT_FILE).write_text(text)
        assert read_project_config(tmp_path) == Config()

    def test_ours(self, tmp_path: Path) -> None:
        """The table [tool.kopsversion] holds the same keys."""
        (tmp_path / PROJECT_FILE).write_text(
            '[project]\nname = "x"\n[tool.kopsversion]\nmax-lag = "1h"\n'
            '[tool.kopsversion.channels.master]\nmax-lag = "2h"\n'
        )
        config = read_project_config(tmp_path)
        assert config.policy_of(MASTER, Policy()).max_lag == 2 * HOUR
        assert config.policy_of(RELEASE, Policy()).max_lag == HOUR

    def test_line_in_project_file(self, tmp_path: Path) -> None:
        """The line of a mistake is that of the whole file, and the key is given in full."""
        (tmp_path / PROJECT_FILE).write_text(
            '[project]\nname = """\na b = 1\n"""\n[tool.kopsversion.channels.master] # ours\n\nmax-lag = "soon"\n'
        )
        with pytest.raises(UsageError) as caught:
            read_project_config(tmp_path)
        assert f"line 7: tool.kopsversion.channels.master.max-lag: {'soon'!a} is not a duration" in str(
            caught.value
        )

    def test_tool_is_no_table(self, tmp_path: Path) -> None:
        """A place that should be a table and is none is a mistake."""
        (tmp_path / PROJECT_FILE).write_text('tool = "hammer"\n')
        with pytest.raises(UsageError, match="line 1: tool: 'hammer' is not a table"):
            read_project_config(tmp_path)


MISTAKES = [
    # what is written, the line, the rest of the message
    ('max-lag = "2 weeks"', 1, "max-lag: '2 weeks' is not a duration"),
    ("\nmax-lag = 24", 2, "max-lag: 24 is not a duration"),
    ('max-lags = "1h"', 1, "max-lags: there is no such setting (it is '1h')"),
    ('max-lag = "1h"\n[channels]\nfoo = 1', 3, "channels.foo: 'foo' is not a channel"),
    ("[channels]\nmaster = 1", 2, "channels.master: 1 is not a table"),
    ("channels = 3", 1, "channels: 3 is not a table"),
    ("channels = []", 1, "channels: [] is not a table"),
    ("channels.master.max-lag = 3", 1, "channels.master.max-lag: 3 is not a duration"),
    ("channels = { master = { max-lag = 3 } }", 1, "channels.master.max-lag: 3 is not a duration"),
    ('[channels."1.27"]\n"build-sla" = true', 2, "channels.1.27.build-sla: True is not a duration"),
    (
        "[channels.master]\n\n[channels.latest]",
        3,
        "channels.latest: this is the same channel as 'master', which has limits already",
    ),
    (
        '[channels."\\u001b[2J"]',
        1,
        r"channels.\x1b[2J: '\x1b[2J' is not a channel",
    ),
    ('ignored-markers = "a.txt"', 1, "ignored-markers: 'a.txt' is not a list of names"),
    ("ignored-markers = [1]", 1, "ignored-markers: [1] is not a list of names"),
    (
        'ignored-markers = [\n"a.txt",\n"../b"]',
        1,
        "ignored-markers: '../b' is not the name of a marker",
    ),
]


class TestMistakes:
    @pytest.mark.parametrize(("text", "line", "message"), MISTAKES)
    def test_mistake(self, text: str, line: int, message: str, tmp_path: Path) -> None:
        """A mistake is told with its file, line, key and value, and with a hint."""
        with pytest.raises(UsageError) as caught:
            read(tmp_path, text)
        path = ascii(str(tmp_path / "limits.toml"))
        assert str(caught.value) == f"{path} line {line}: {message}"
        assert caught.value.hint
        assert caught.value.exit_code == 2

    def test_no_file(self, tmp_path: Path) -> None:
        """A file that is not there is named."""
        with pytest.raises(UsageError, match=r"nowhere\.toml' cannot be read: No such file"):
            read_config(tmp_path / "nowhere.toml")

    def test_not_toml(self, tmp_path: Path) -> None:
        """What is not TOML is told with the place that the parser names."""
        with pytest.raises(UsageError, match=r"is not TOML: .*line 2"):
            read(tmp_path, 'max-lag = "1h"\nmax-lag\n')

    def test_not_text(self, tmp_path: Path) -> None:
        """Bytes that are not UTF-8 are no TOML either."""
        path = tmp_path / "limits.toml"
        path.write_bytes(b"max-lag = '\xff'")
        with pytest.raises(UsageError, match="is not TOML: it is not UTF-8 text"):
            read_config(path)
