"""Limits from TOML: what they mean, and what is said of a mistake."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

import pytest
from attrs import evolve

from kopsversion.cli.config import PROJECT_FILE, Config, Limits, read_config, read_project_config
from kopsversion.errors import UsageError
from kopsversion.model.channel import Channel
from kopsversion.model.policy import Policy
from kopsversion.model.silence import Silence
from kopsversion.model.writers import DEFAULT_WRITERS, POSTSUBMIT, Writer
from kopsversion.render.links import Links

if TYPE_CHECKING:
    from pathlib import Path

MASTER = Channel("master")
RELEASE = Channel("release-1.27")
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
TODAY = date(2024, 5, 6)
SILENCE = """[[silence]]
channel = "1.27"
code = "builds-old"
until = 2024-08-04
reason = "its last release is out"

"""


def read(tmp_path: Path, text: str) -> Config:
    path = tmp_path / "limits.toml"
    path.write_text(text)
    return read_config(path, today=TODAY)


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


class TestWriters:
    """Which job writes which marker, beside and instead of kops' own."""

    def test_a_new_job(self, tmp_path: Path) -> None:
        """Its marker, branch, interval, timeout, and what it was called before."""
        (writer,) = read(
            tmp_path,
            """
            [writers."e2e-kops-pipeline-updown-kops-137"]
            marker = "latest-ci-updown-green.txt"
            branch = "1.37"
            interval = "2h"
            timeout = "1h30m"
            formerly = ["updown-137"]
            """,
        ).writers
        assert writer == Writer(
            marker="latest-ci-updown-green.txt",
            jobs=("e2e-kops-pipeline-updown-kops-137", "updown-137"),
            branch="release-1.37",
            interval=2 * HOUR,
            timeout=1.5 * HOUR,
        )

    def test_one_of_kops_own_is_adjusted(self, tmp_path: Path) -> None:
        """What is not said stays what it is."""
        (writer,) = read(tmp_path, f'[writers."{POSTSUBMIT}"]\ntimeout = "3h"\n').writers
        (own,) = (each for each in DEFAULT_WRITERS if POSTSUBMIT in each.jobs)
        assert writer == evolve(own, timeout=3 * HOUR)

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ('[writers."mine"]\ninterval = "1h"\n', "line 1: writers.mine: it writes no marker"),
            ('[writers."a b"]\nmarker = "x.txt"\n', "is not the name of a job"),
            ('[writers."mine"]\nmarker = 5\n', "line 2: writers.mine.marker: 5 is not text"),
            ('[writers."mine"]\nmarker = "a/b"\n', "is not the name of a marker"),
            ('[writers."mine"]\ninterval = "0"\n', "is not above 0"),
            ('[writers."mine"]\nbranch = "main"\n', "is not a channel"),
            ('[writers."mine"]\nformerly = "x"\n', "is not a list of names"),
            ('[writers."mine"]\nformerly = ["a b"]\n', "is not the name of a job"),
            ('[writers."mine"]\nmarkers = "x.txt"\n', "there is no such setting"),
            ("writers = 5\n", "5 is not a table"),
            ("[writers]\nmine = 5\n", "5 is not a table"),
        ],
    )
    def test_a_mistake_is_told_with_its_place(self, text: str, said: str, tmp_path: Path) -> None:
        with pytest.raises(UsageError) as caught:
            read(tmp_path, text)
        assert said in str(caught.value)
        assert caught.value.hint


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


class TestSilences:
    def test_silence(self, tmp_path: Path) -> None:
        """A silence has a channel, a code, a day and a reason; its channel is named to be looked for."""
        config = read(tmp_path, f"{SILENCE}{SILENCE.replace('1.27', 'latest')}")
        first, second = config.silences
        assert first == Silence(
            channel="release-1.27",
            code="builds-old",
            until=TODAY + 90 * DAY,
            reason="its last release is out",
        )
        assert second.channel == "master"
        assert config.named == ("release-1.27", "master")

    def test_ended(self, tmp_path: Path) -> None:
        """A silence that has ended is no mistake: the finding is back by itself."""
        (silence,) = read(tmp_path, SILENCE.replace("2024-08-04", "2023-01-01")).silences
        assert silence.has_ended(TODAY)


class TestLinks:
    def test_links(self, tmp_path: Path) -> None:
        """Where the page leads, and how often it is made."""
        config = read(
            tmp_path,
            'interval = "30m"\n[links]\ncommit = "https://git.example/{commit}"\nobject = ""\ncontact-name = "us"',
        )
        assert config.links == Links(commit="https://git.example/{commit}", object="", contact_name="us")
        assert config.interval == timedelta(minutes=30)
        assert read(tmp_path, "").interval is None


MISTAKES = [
    ('interval = "0"', 1, "interval: '0' is not an interval"),
    ("interval = 3", 1, "interval: 3 is not a duration"),
    ("silence = 3", 1, "silence: 3 is not a list of tables"),
    ("silence = [3]", 1, "silence.1: 3 is not a table"),
    ("[[silence]]\nchanel = 1", 2, "silence.1.chanel: there is no such setting (it is 1)"),
    ('[[silence]]\nchannel = "master"', 1, "silence.1: there is no code"),
    (SILENCE.replace("1.27", "mastr"), 2, "silence.1.channel: 'mastr' is not a channel"),
    (
        SILENCE.replace("builds-old", "build-old"),
        3,
        "silence.1.code: 'build-old' is not the code of a finding",
    ),
    (SILENCE.replace("builds-old", "x"), 3, "silence.1.code: 'x' is not the code of a finding"),
    (
        SILENCE.replace("2024-08-04", "2024-08-05"),
        4,
        "silence.1.until: 2024-08-05 is more than 90 days ahead",
    ),
    (
        SILENCE.replace("2024-08-04", "2024-08-04T00:00:00Z"),
        4,
        "silence.1.until: 2024-08-04T00:00:00+00:00 is not a day",
    ),
    (SILENCE.replace("2024-08-04", '"soon"'), 4, "silence.1.until: 'soon' is not a day"),
    (SILENCE + SILENCE.replace("its last release is out", " "), 11, "silence.2.reason: ' ' is not text"),
    ("[links]\nbranc = 1", 2, "links.branc: there is no such setting (it is 1)"),
    ("[links]\nbranch = 1", 2, "links.branch: 1 is not text"),
    ('[links]\nbranch = "https://x/{commit}"', 2, "links.branch: 'https://x/{commit}' takes {commit}"),
    ('[links]\nbranch = "https://x/{ref"', 2, "links.branch: 'https://x/{ref' takes {}"),
    (
        '[links]\nbranch = "javascript:alert(1)"',
        2,
        "links.branch: 'javascript:alert(1)' does not lead to the web",
    ),
    ('[links]\ncontact = "https://[x"', 2, "links.contact: 'https://[x' does not lead to the web"),
    ('[links]\nbranch = "https://{ref}/x"', 2, "links.branch: 'https://{ref}/x' does not lead to the web"),
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
    ('[channels."1.27"]\n"build-sla" = true', 2, 'channels."1.27".build-sla: True is not a duration'),
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


class TestMeant:
    @pytest.mark.parametrize(
        ("text", "hint"),
        [
            ('max-lags = "1h"', "did you mean max-lag? the keys are"),
            ("[[silense]]\na = 1", "did you mean silence? the keys are"),
            (SILENCE.replace("builds-old", "build-old"), "did you mean builds-old?"),
            ("[links]\nbranc = 1", "did you mean branch? the keys are"),
            ("[links]\nxyzzy = 1", "the keys are branch"),
        ],
    )
    def test_hint(self, text: str, hint: str, tmp_path: Path) -> None:
        """What was probably meant is said first."""
        with pytest.raises(UsageError) as caught:
            read(tmp_path, text)
        assert caught.value.hint.startswith(hint)


class TestDots:
    @pytest.mark.parametrize(
        ("text", "hint"),
        [
            (
                '[channels.release-1.27]\nmax-lag = "1h"',
                'a name with a dot is quoted: [channels."release-1.27"]',
            ),
            ("[channels.1.27]", 'a name with a dot is quoted: [channels."1.27"]'),
            (
                'channels.release-1.27.max-lag = "1h"',
                'a name with a dot is quoted: [channels."release-1.27"]',
            ),
            ("[channels.a.b]", "a channel is master"),
            ("[channels.x]\na = 1\nb = 2", "a channel is master"),
        ],
    )
    def test_a_name_with_a_dot(self, text: str, hint: str, tmp_path: Path) -> None:
        """FAILURES row 48: TOML reads it as a table in a table, so the hint shows the quotes."""
        with pytest.raises(UsageError) as caught:
            read(tmp_path, text)
        assert caught.value.hint.startswith(hint)


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
