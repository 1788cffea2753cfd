"""What options mean: durations, times, platforms, names, and the groups that commands share."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pytest
from attrs import evolve
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from kopsversion.cli import options
from kopsversion.cli.options import (
    parse_duration,
    parse_marker_name,
    parse_platform,
    parse_positive_duration,
    parse_suffix,
    parse_time,
    parse_version,
)
from kopsversion.errors import UsageError
from kopsversion.model import reading
from kopsversion.model.channel import BRANCH_MARKER, GREEN_MARKER
from kopsversion.model.layout import DEFAULT_STORE
from kopsversion.model.policy import UNPAIRED, OnStale, Policy, Strategy
from kopsversion.model.version import BuildVersion
from kopsversion.stores.base import credentials_for

if TYPE_CHECKING:
    from collections.abc import Callable

VERSION = "1.30.0-beta.2+v1.30.0-beta.1-182-g99b3ad7643"


# --------------------------------------------------------------------------------------------------
# Durations


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90s", timedelta(seconds=90)),
        ("10m", timedelta(minutes=10)),
        ("24h", timedelta(hours=24)),
        ("14d", timedelta(days=14)),
        ("1h30m", timedelta(hours=1, minutes=30)),
        ("1d2h3m4s", timedelta(days=1, hours=2, minutes=3, seconds=4)),
        ("2d5s", timedelta(days=2, seconds=5)),
        ("007m", timedelta(minutes=7)),
        ("0", timedelta(0)),
        ("0s", timedelta(0)),
        (" 10m\n", timedelta(minutes=10)),
        ("36500d", timedelta(days=36500)),
    ],
)
def test_a_duration_is_read(text: str, expected: timedelta) -> None:
    """A duration is numbers with units, each unit once and in falling order."""
    assert parse_duration(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            " ",
            "s",
            "24",
            "-1h",
            "+1h",
            "1.5h",
            "1 h",
            "24H",
            "24hours",
            "1w",
            "100ms",
            "1h1h",
            "1m1h",
            "1e3s",
        ),
        *("36501d", "36500d1s", "999999999d", "9999999999s", "٣h", "1h\x1b[31m", "h1", "00"),
    ],
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    """A refusal shows the value, harmlessly, and the form expected."""
    with pytest.raises(UsageError) as caught:
        parse_duration(text)
    assert ascii(text) in str(caught.value)
    assert "90s, 10m, 24h, 14d or 1h30m" in caught.value.hint


@given(
    days=st.integers(0, 36499),
    hours=st.integers(0, 23),
    minutes=st.integers(0, 59),
    seconds=st.integers(0, 59),
)
def test_a_duration_is_the_sum_of_its_parts(days: int, hours: int, minutes: int, seconds: int) -> None:
    """Whatever parts are written, the duration is their sum."""
    expected = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    assert parse_duration(f"{days}d{hours}h{minutes}m{seconds}s") == expected


@given(st.one_of(st.text(max_size=30), st.from_regex(r"[0-9dhms -]{0,20}", fullmatch=True)))
def test_no_text_makes_the_duration_parser_fail_otherwise(text: str) -> None:
    """Any text is a duration within the bounds or a usage error."""
    try:
        duration = parse_duration(text)
    except UsageError:
        return
    assert timedelta(0) <= duration <= timedelta(days=36500)


def test_a_timeout_of_nothing_is_refused() -> None:
    """Where a duration must be above 0, 0 is refused and anything else is read as ever."""
    assert parse_positive_duration("60s") == timedelta(seconds=60)
    with pytest.raises(UsageError, match="'0s' is not above 0"):
        parse_positive_duration("0s")


# --------------------------------------------------------------------------------------------------
# Times


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-05-06T18:00:00Z", datetime(2024, 5, 6, 18, tzinfo=UTC)),
        ("2024-05-06t18:00:00z", datetime(2024, 5, 6, 18, tzinfo=UTC)),
        ("2024-05-06 18:00:00Z", datetime(2024, 5, 6, 18, tzinfo=UTC)),
        ("2024-05-06T20:00:00+02:00", datetime(2024, 5, 6, 18, tzinfo=UTC)),
        ("2024-05-06T12:30:00-05:30", datetime(2024, 5, 6, 18, tzinfo=UTC)),
        ("2024-05-06T18:00:00.25Z", datetime(2024, 5, 6, 18, 0, 0, 250000, tzinfo=UTC)),
        ("2024-05-06T18:00", datetime(2024, 5, 6, 18, tzinfo=UTC)),
        ("2024-05-06T18:00:00", datetime(2024, 5, 6, 18, tzinfo=UTC)),
        ("2024-05-06", datetime(2024, 5, 6, tzinfo=UTC)),
        (" 2024-02-29 ", datetime(2024, 2, 29, tzinfo=UTC)),
    ],
)
def test_a_time_is_read(text: str, expected: datetime) -> None:
    """A time is RFC 3339 or a date; without an offset it is UTC."""
    assert parse_time(text) == expected
    assert parse_time(text).tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "yesterday",
            "2024",
            "2024-05",
            "20240506",
            "2024-W19",
            "2024-05-06T",
            "2024-05-06T18",
            "1715018400",
        ),
        *("2024-13-01", "2023-02-29", "2024-05-06T25:00Z", "2024-05-06T18:00:60Z", "2024-05-06T18:00+0200"),
        *("2024-05-06T18:00+99:00", "0000-01-01", "0001-01-01T00:00+01:00", "1999-12-31", "3000-01-01"),
        *("9999-12-31T23:59:59-23:59", "2024-05-06\x1b[31m", "٢٠٢٤-05-06"),
    ],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    """A refusal shows the value, harmlessly, and the form expected."""
    with pytest.raises(UsageError) as caught:
        parse_time(text)
    assert ascii(text) in str(caught.value)
    assert "2024-05-06T18:00:00Z" in caught.value.hint


_OFFSETS = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.datetimes(datetime(2000, 1, 3), datetime(2999, 12, 29), timezones=_OFFSETS))  # noqa: DTZ001 # naive bounds are what Hypothesis takes
def test_a_written_time_is_read_back(moment: datetime) -> None:
    """A moment is read back from its own text, whatever its offset."""
    assert parse_time(moment.isoformat()) == moment


@given(st.one_of(st.text(max_size=30), st.from_regex(reading._TIME, fullmatch=True)))
def test_no_text_makes_the_time_parser_fail_otherwise(text: str) -> None:
    """Any text is a moment with room for any duration around it, or a usage error."""
    try:
        moment = parse_time(text)
    except UsageError:
        return
    assert moment - timedelta(days=36500) < moment < moment + timedelta(days=36500)


# --------------------------------------------------------------------------------------------------
# Platforms, names, versions


@pytest.mark.parametrize(
    "text", ["linux/amd64", "linux/arm64", "darwin/arm64", "windows/amd64", "linux/ppc64le"]
)
def test_a_platform_is_read(text: str) -> None:
    """A platform is an operating system that kops is built for, and an architecture."""
    assert parse_platform(f" {text} ") == text


@pytest.mark.parametrize(
    "text", ["", "linux", "linux/", "/amd64", "amd64/linux", "linux/amd64/v2", "Linux/amd64", "*"]
)
def test_what_is_no_platform_is_refused(text: str) -> None:
    """A refusal shows the value and the form expected."""
    with pytest.raises(UsageError, match="is not a platform") as caught:
        parse_platform(text)
    assert "linux/arm64" in caught.value.hint


@pytest.mark.parametrize("text", [".sig", " .minisig ", ".intoto.jsonl", ".x_1-2"])
def test_suffixes_are_read(text: str) -> None:
    """The suffix of files that need no checksum begins with a dot."""
    assert parse_suffix(text) == text.strip()


@pytest.mark.parametrize(
    "text",
    ["", ".", "sig", "..", "./sig", ".sha256", ".sig.sha256", "*.sig", ".s\x1b[31m", ".a\nb", f".{'x' * 60}"],
)
def test_other_suffixes_are_refused(text: str) -> None:
    """Anything else is refused, shown harmlessly; .sha256 among it, which would let checksums be alone."""
    with pytest.raises(UsageError, match="is not the suffix of files") as caught:
        parse_suffix(text)
    assert str(caught.value).isprintable()
    assert ".sig" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("text", "alias"),
    [
        ("https://mirror.example/kops", "https://mirror.example/kops/"),
        (" https://h.example:8443/a/b/ ", "https://h.example:8443/a/b/"),
        ("gs://bucket", "gs://bucket/"),
        ("http://127.0.0.1:4443/bucket/", "http://127.0.0.1:4443/bucket/"),
    ],
)
def test_root_aliases_are_read(text: str, alias: str) -> None:
    """Another URL of a store's root ends in a slash."""
    assert options.parse_root_alias(text) == alias


@pytest.mark.parametrize(
    "text",
    [
        "",
        "mirror",
        "/srv/x",
        "https://",
        "https:///x",
        "https://u:p@h/x",
        "https://h/x?y",
        "https://h/#f",
        "ftp://h/",
        "https://h/\x1b[31m",
        "https://h//a",
    ],
)
def test_other_root_aliases_are_refused(text: str) -> None:
    """Anything else is refused, shown harmlessly, with a URL that would do."""
    with pytest.raises(UsageError, match="is not the URL of a store's root") as caught:
        options.parse_root_alias(text)
    assert str(caught.value).isprintable()
    assert "https://dl.k8s.io/ci/kops/kops/releases/" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("words", "whom"),
    [
        (["--store", "gs://b/p/"], ["anonymous"]),
        (["--store", "gs://b/p/", "--credentials", "default"], ["default"]),
        (["--store", "GS://b/p/", "--store", "/d", "--credentials", "default"], ["default", "anonymous"]),
        (["--store", "https://storage.googleapis.com/b/p/", "--credentials", "default"], ["anonymous"]),
        (["--credentials", "default"], ["anonymous"]),
    ],
)
def test_credentials_are_for_buckets_that_are_named_as_such(words: list[str], whom: list[str]) -> None:
    """A URL of the web and a directory are read as nobody; the text of a store stays what it is."""
    question = _called(options.store_options, *words)["question"]
    assert [credentials_for(place) for place in question["store"]] == whom
    assert all(place in {*words, DEFAULT_STORE} for place in question["store"])


def test_suffixes_are_added_to_the_usual_ones() -> None:
    """A suffix that is given does not make signatures of the known kinds a fault."""
    called = _called(options.build_options, "--unpaired", ".minisig", "--unpaired", ".minisig")
    assert called == {"policy": Policy(unpaired=(*UNPAIRED, ".minisig"))}


def test_a_markers_name_is_a_file_name() -> None:
    """A marker is named without its directory."""
    assert parse_marker_name(" latest-ci.txt ") == "latest-ci.txt"
    with pytest.raises(UsageError, match=r"'master/latest-ci\.txt'"):
        parse_marker_name("master/latest-ci.txt")


def test_a_version_is_read() -> None:
    """A version is parsed once, at the edge."""
    assert parse_version(f" {VERSION}\n") == BuildVersion.parse(VERSION)


# --------------------------------------------------------------------------------------------------
# In a command


def _command(group: Callable[[Any], Any]) -> tuple[click.Command, dict[str, Any]]:
    """Make a command with a group of options; it keeps what it was called with."""
    seen: dict[str, Any] = {}
    command = click.command(context_settings={"auto_envvar_prefix": "KOPSVERSION"})(group(seen.update))
    return command, seen


def _called(group: Callable[[Any], Any], *arguments: str, **environment: str) -> dict[str, Any]:
    command, seen = _command(group)
    result = CliRunner().invoke(command, arguments, env=environment, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return seen


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--strategy", "newest"], {"strategy": Strategy.NEWEST}),
        (["--marker", "b.txt", "--marker", "a.txt", "--marker", "b.txt"], {"markers": ("b.txt", "a.txt")}),
        (["--nth", "3"], {"nth": 3}),
        (["--on-stale", "refuse"], {"on_stale": OnStale.REFUSE}),
        (["--max-lag", "0"], {"max_lag": timedelta(0)}),
        (["--max-build-age", "2d"], {"max_build_age": timedelta(days=2)}),
        (["--build-sla", "1h"], {"build_sla": timedelta(hours=1)}),
        (["--settle", "1h30m"], {"settle": timedelta(minutes=90)}),
        (["--platform", "linux/arm64", "--platform", "linux/arm64"], {"platforms": ("linux/arm64",)}),
        (["--exclude", VERSION], {"exclude": frozenset({BuildVersion.parse(VERSION)})}),
        ([], {}),
    ],
)
def test_an_option_sets_its_field_of_the_policy(arguments: list[str], expected: dict[str, Any]) -> None:
    """An option changes one field of the policy; the others keep the policy's own defaults."""
    assert _called(options.policy_options, *arguments) == {"policy": evolve(Policy(), **expected)}


def test_builds_options_make_a_policy_too() -> None:
    """A command that only lists has the options that say what is testable, and no others."""
    assert _called(options.build_options, "--settle", "0") == {"policy": Policy(settle=timedelta(0))}
    command, _ = _command(options.build_options)
    assert {parameter.name for parameter in command.params} == {
        "platform",
        "settle",
        "exclude",
        "unpaired",
        "root_alias",
    }


def test_help_tells_the_policys_defaults() -> None:
    """The defaults in the help are those of the policy, though it is not loaded to print them."""
    command, _ = _command(options.policy_options)
    told = {
        parameter.name: parameter.help.rpartition("[default: ")[2].removesuffix("]")
        for parameter in command.params
        if isinstance(parameter, click.Option) and parameter.help and "[default: " in parameter.help
    }
    policy = Policy()
    assert told.pop("marker") == f"{GREEN_MARKER}, then {BRANCH_MARKER}"
    assert told.pop("platform").split() == list(policy.platforms)
    assert told.pop("nth") == str(policy.nth)
    assert (told.pop("strategy"), told.pop("on_stale")) == (policy.strategy, policy.on_stale)
    durations = {name: getattr(policy, name) for name in ("max_lag", "max_build_age", "build_sla", "settle")}
    assert {name: parse_duration(text) for name, text in told.items()} == durations


def test_a_question_has_defaults() -> None:
    """Without options the question goes to kOps' own bucket, now, for a minute at most."""
    assert _called(options.store_options) == {
        "question": {
            "store": (DEFAULT_STORE,),
            "as_of": None,
            "timeout": 60.0,
            "repo": None,
            "nearby": Path(),
            "ref": None,
        }
    }


def test_a_question_is_made_of_its_options() -> None:
    """Stores keep their order, and a timeout becomes seconds."""
    arguments = [
        "--store=gs://a/",
        "--store=b",
        "--as-of=2024-05-06",
        "--timeout=2m",
        "--repo=kops",
        "--ref=x",
    ]
    assert _called(options.store_options, *arguments) == {
        "question": {
            "store": ("gs://a/", "b"),
            "as_of": datetime(2024, 5, 6, tzinfo=UTC),
            "timeout": 120.0,
            "repo": Path("kops"),
            "nearby": Path(),
            "ref": "x",
        }
    }


def test_repeated_values_in_a_variable_are_split_on_white_space() -> None:
    """A variable holds the values of a repeatable option, with white space between."""
    seen = _called(options.policy_options, KOPSVERSION_MARKER=" a.txt\n b.txt ", KOPSVERSION_MAX_LAG="2h")
    assert seen == {"policy": Policy(markers=("a.txt", "b.txt"), max_lag=timedelta(hours=2))}


def test_the_command_line_wins_over_the_variable() -> None:
    """An option that is given replaces all that its variable says."""
    seen = _called(options.policy_options, "--marker", "c.txt", KOPSVERSION_MARKER="a.txt b.txt")
    assert seen == {"policy": Policy(markers=("c.txt",))}


def test_an_existing_path_with_spaces_is_one_store(tmp_path: Path) -> None:
    """A KOPSVERSION_STORE that is as a whole a path is one store; any other is split."""
    spaced = tmp_path / "my bucket"
    spaced.mkdir()
    assert _called(options.store_options, KOPSVERSION_STORE=str(spaced))["question"]["store"] == (
        str(spaced),
    )
    several = f"gs://a/b/ {tmp_path}"
    assert _called(options.store_options, KOPSVERSION_STORE=several)["question"]["store"] == (
        "gs://a/b/",
        str(tmp_path),
    )


@pytest.mark.parametrize("text", ["x" * 5000 + " y", "a\0b"])
def test_a_store_that_can_be_no_path_is_split(text: str) -> None:
    """Text that the file system cannot even be asked about is no path."""
    assert options.STORE.split_envvar_value(text) == text.split()


def test_a_variable_of_white_space_is_no_store() -> None:
    """A KOPSVERSION_STORE of blanks is as good as none."""
    assert _called(options.store_options, KOPSVERSION_STORE="  ")["question"]["store"] == (DEFAULT_STORE,)


def test_a_bad_value_carries_its_hint() -> None:
    """A value that is not valid is click's own error, with our hint."""
    command, _ = _command(options.policy_options)
    with pytest.raises(options.BadValue) as caught:
        command.main(["--max-lag", "24x"], standalone_mode=False)
    assert caught.value.format_message() == "Invalid value for '--max-lag': '24x' is not a duration"
    assert "24h" in caught.value.hint


def test_a_value_that_has_been_read_is_left_alone() -> None:
    """A default that is a value already is not read again."""
    assert options.DURATION.convert(timedelta(days=1), None, None) == timedelta(days=1)
