"""What an answer looks like: shell assignments, JSON and back, tables for people."""

from __future__ import annotations

import io
import json
import subprocess
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from kopsversion.errors import KopsVersionError
from kopsversion.model.answer import (
    Condition,
    MarkerReport,
    Refusal,
    RefusalKind,
    Resolution,
    Rung,
    Severity,
    Source,
    Verdict,
    explanation,
)
from kopsversion.model.bucket import Foreign, Malformed, Marker, Missing, Named, Unreachable
from kopsversion.model.channel import Attribution, Certainty, Witness
from kopsversion.model.codec import SCHEMA, from_json, to_json
from kopsversion.model.policy import OnStale, Policy, Strategy
from kopsversion.model.program import MADE_BY
from kopsversion.model.tables import Table, plain, printable
from kopsversion.model.version import BuildVersion
from kopsversion.render.env import to_env
from kopsversion.render.json import listing_to_json
from kopsversion.render.text import builds_table, decorated
from kopsversion.workflows.listing import ChannelListing, ListedBuild

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = datetime(2024, 5, 6, 18, tzinfo=UTC)
CHOSEN = BuildVersion.parse("1.29.0-alpha.4+v1.29.0-alpha.3-367-g968fc844f0")
NEWER = BuildVersion.parse("1.29.0-alpha.4+v1.29.0-alpha.3-378-g22ce1230da")
BARE = BuildVersion.parse("1.14.0-alpha.2+2178721764")

RESOLUTION = Resolution(
    channel="master",
    version=CHOSEN,
    base_url=f"https://storage.googleapis.com/k8s-staging-kops/kops/releases/{CHOSEN}",
    attribution=Attribution("master", Witness.LINEAGE, Certainty.LIKELY),
    uploaded=datetime(2024, 3, 3, 12, 43, 24, tzinfo=UTC),
    source=Source.MARKER,
    rung=Rung.FULL,
    conditions=(
        Condition("builds-old", Severity.WARNING, "master has had no build for 64 days", {"days": 64}),
        Condition(
            "names-skipped", Severity.INFO, "3 names are no version", {"kinds": ("a", "b"), "share": 0.5}
        ),
    ),
    markers=(
        MarkerReport(
            Marker("master", "latest-ci-updown-green.txt", Named(CHOSEN), NOW - timedelta(days=60), "7"),
            Verdict.CURRENT,
            "names the newest testable build",
        ),
        MarkerReport(
            Marker("master", "latest-ci.txt", Named(NEWER)),
            Verdict.INCOMPLETE,
            "not testable",
            timedelta(hours=2.5),
        ),
        MarkerReport(
            Marker("master", "gone.txt", Missing("there is none")), Verdict.MISSING, "there is none"
        ),
    ),
    refused=(
        Refusal(NEWER, ("linux/arm64/nodeup is missing", "its .sha256 too"), RefusalKind.INCOMPLETE),
        Refusal(BARE, ("excluded",), RefusalKind.EXCLUDED),
    ),
    skipped={"names that are no version": 3, "empty segments": 1},
    newest=CHOSEN,
    store="https://storage.googleapis.com/k8s-staging-kops/kops/releases/",
    policy=Policy(exclude=frozenset({BARE, NEWER})),
    now=NOW,
    requests=5,
    round_trips=1,
)

EXPLANATION = """\
Answer
  build       1.29.0-alpha.4+v1.29.0-alpha.3-367-g968fc844f0
  base url    https://storage.googleapis.com/k8s-staging-kops/kops/releases/1.29.0-alpha.4+v1.29.0-alpha.3-367-g968fc844f0
  channel     master, by lineage (likely)
  taken from  marker markers/master/latest-ci-updown-green.txt
  uploaded    2024-03-03 12:43 UTC (64 days before)
  decided     2024-05-06 18:00 UTC
  store       https://storage.googleapis.com/k8s-staging-kops/kops/releases/
  read        listing+markers, 5 requests in 1 round trip

Markers
  marker                                     verdict     why
  markers/master/latest-ci-updown-green.txt  current     names the newest testable build
  markers/master/latest-ci.txt               incomplete  not testable
  markers/master/gone.txt                    missing     there is none

Conditions
  severity  code           what to know
  warning   builds-old     master has had no build for 64 days
  info      names-skipped  3 names are no version

Refused builds
  build                                           kind        why
  1.29.0-alpha.4+v1.29.0-alpha.3-378-g22ce1230da  incomplete  linux/arm64/nodeup is missing
                                                              its .sha256 too
  1.14.0-alpha.2+2178721764                       excluded    excluded

Skipped names
  count  what they are
  1      empty segments
  3      names that are no version
"""

# --------------------------------------------------------------------------------------------------
# Any resolution

_NUMBERS = st.integers(0, 999_999_999)
_STAGES = st.sampled_from(["", "-alpha.{}", "-beta.{}", "-rc.{}", ".alpha.{}"])
_RELEASES = st.builds(
    lambda major, minor, patch, stage, number: f"{major}.{minor}.{patch}{stage.format(number)}",
    *(_NUMBERS, _NUMBERS, _NUMBERS, _STAGES, _NUMBERS),
)
_COMMITS = st.from_regex(r"[0-9a-f]{7,40}", fullmatch=True)
_DESCRIBES = st.one_of(
    st.builds(lambda tag, distance, commit: f"+v{tag}-{distance}-g{commit}", _RELEASES, _NUMBERS, _COMMITS),
    _RELEASES.map(lambda tag: f"+v{tag}"),
    _COMMITS.map(lambda commit: f"+{commit}"),
    st.just(""),
)
VERSIONS = st.builds(
    lambda v, release, rest: f"{v}{release}{rest}", st.sampled_from(["", "v"]), _RELEASES, _DESCRIBES
)
_PARSED = VERSIONS.map(BuildVersion.parse)
_TEXTS = st.text(max_size=20)
_TIMES = st.datetimes(timezones=st.just(UTC))
_SPANS = st.timedeltas(timedelta(0), timedelta(days=36500))
_NAMED = st.dictionaries(_TEXTS, _TEXTS, max_size=3)
_COUNTS = st.dictionaries(_TEXTS, st.integers(), max_size=3)


def _tuples(of: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(of, max_size=3).map(tuple)


_DATA = st.one_of(_TEXTS, st.integers(), st.floats(allow_nan=False, allow_infinity=False), _tuples(_TEXTS))
_READINGS = st.one_of(
    st.builds(Named, _PARSED),
    *(st.builds(kind, _TEXTS) for kind in (Foreign, Malformed, Missing, Unreachable)),
)
_MARKERS = st.builds(
    Marker, _TEXTS, _TEXTS, _READINGS, st.none() | _TIMES, st.none() | _TEXTS, st.none() | _TEXTS
)
_POLICIES = st.builds(
    Policy,
    strategy=st.sampled_from(Strategy),
    markers=_tuples(_TEXTS),
    on_stale=st.sampled_from(OnStale),
    max_lag=_SPANS,
    max_build_age=_SPANS,
    build_sla=_SPANS,
    settle=_SPANS,
    platforms=st.lists(st.sampled_from(["linux/amd64", "linux/arm64", "darwin/arm64"]), min_size=1).map(
        tuple
    ),
    exclude=st.frozensets(_PARSED, max_size=3),
    nth=st.integers(1),
    reported=_tuples(_TEXTS),
    compare_artifacts=st.booleans(),
)


@st.composite
def resolutions(draw: st.DrawFn) -> Resolution:
    """Draw any resolution, likely or not."""
    version = draw(_PARSED)
    store = draw(_TEXTS) + "/"
    conditions = st.builds(
        Condition, _TEXTS, st.sampled_from(Severity), _TEXTS, st.dictionaries(_TEXTS, _DATA, max_size=3)
    )
    return Resolution(
        channel=draw(_TEXTS),
        version=version,
        base_url=f"{store}{version}",
        attribution=Attribution(
            draw(_TEXTS), draw(st.sampled_from(Witness)), draw(st.sampled_from(Certainty))
        ),
        uploaded=draw(st.none() | _TIMES),
        source=draw(st.sampled_from(Source)),
        rung=draw(st.sampled_from(Rung)),
        conditions=draw(_tuples(conditions)),
        markers=draw(
            _tuples(st.builds(MarkerReport, _MARKERS, st.sampled_from(Verdict), _TEXTS, st.none() | _SPANS))
        ),
        refused=draw(_tuples(st.builds(Refusal, _PARSED, _tuples(_TEXTS), st.sampled_from(RefusalKind)))),
        skipped=draw(_COUNTS),
        newest=draw(st.none() | _PARSED),
        store=store,
        policy=draw(_POLICIES),
        now=draw(_TIMES),
        requests=draw(_NUMBERS),
        round_trips=draw(_NUMBERS),
        generations=draw(_NAMED),
        etags=draw(_NAMED),
    )


# --------------------------------------------------------------------------------------------------
# env


def test_env_names_the_place_and_the_version() -> None:
    """The assignments are the base URL and the version, one a line."""
    assert to_env(RESOLUTION) == (
        "KOPS_BASE_URL=https://storage.googleapis.com/k8s-staging-kops/kops/releases/"
        "1.29.0-alpha.4+v1.29.0-alpha.3-367-g968fc844f0\n"
        "KOPS_VERSION=1.29.0-alpha.4+v1.29.0-alpha.3-367-g968fc844f0\n"
    )


@pytest.mark.parametrize(
    "place",
    [
        "/tmp/my bucket",
        "/tmp/$(touch x)",
        "/tmp/`id`",
        "/tmp/it's",
        '/tmp/"',
        "/tmp/a\nb",
        "/tmp/a;b&c|d",
        "/tmp/\\",
    ],
)
def test_env_can_be_evaluated_whatever_it_holds(place: str) -> None:
    """A shell that evaluates the assignments gets the values back and runs nothing."""
    answer = evolve(RESOLUTION, base_url=f"{place}/{CHOSEN}")
    script = 'set -eu; eval "$1"; printf "%s\\0%s" "$KOPS_BASE_URL" "$KOPS_VERSION"'
    shell = subprocess.run(
        ["sh", "-c", script, "sh", to_env(answer)], capture_output=True, text=True, check=True
    )
    assert shell.stdout == f"{place}/{CHOSEN}\0{CHOSEN}"
    assert shell.stderr == ""


# --------------------------------------------------------------------------------------------------
# JSON


@given(resolutions())
def test_json_is_read_back(resolution: Resolution) -> None:
    """What is written is read back equal, and writes the same text again."""
    text = to_json(resolution)
    assert from_json(text) == resolution
    assert to_json(from_json(text)) == text


def test_json_begins_with_its_schema_and_keeps_the_models_order() -> None:
    """The keys are those of the model, in its order, behind the schema and a verdict in one word."""
    fields = json.loads(to_json(RESOLUTION))
    assert list(fields)[:6] == ["schema", "made_by", "degraded", "channel", "version", "base_url"]
    assert (fields["schema"], fields["made_by"], fields["degraded"]) == (SCHEMA, MADE_BY, True)
    assert list(fields["skipped"]) == ["empty segments", "names that are no version"]
    assert list(fields["conditions"][1]["data"]) == ["kinds", "share"]
    assert fields["policy"]["exclude"] == [str(BARE), str(NEWER)]


def test_json_writes_times_and_durations_for_any_reader() -> None:
    """Times are RFC 3339 with Z, durations are seconds, and a reading tells its kind."""
    fields = json.loads(to_json(RESOLUTION))
    assert fields["uploaded"] == "2024-03-03T12:43:24Z"
    assert fields["policy"]["max_lag"] == 86400
    marker = fields["markers"][1]
    assert marker["lag"] == 9000
    assert marker["marker"]["reading"] == {
        "kind": "named",
        "version": str(NEWER),
        "form": "url",
    }
    assert fields["markers"][2]["marker"]["reading"] == {"kind": "missing", "reason": "there is none"}
    half = evolve(RESOLUTION, policy=Policy(settle=timedelta(milliseconds=1500)))
    assert json.loads(to_json(half))["policy"]["settle"] == 1.5


def test_json_is_ascii() -> None:
    """No locale can spoil the text."""
    assert to_json(evolve(RESOLUTION, store="file:///é\u2028/")).isascii()


def _changed(*path: str | int, to: object) -> str:
    fields = json.loads(to_json(RESOLUTION))
    place = fields
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = to
    return json.dumps(fields)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "it is not JSON"),
        ("{", "it is not JSON"),
        ("[" * 100_000, "it is not JSON"),
        ('{"schema": NaN}', "it is not JSON"),
        ("1" * 5000, "it is not JSON"),
        ("[]", "it is not a JSON object"),
        ("{}", "its schema is 'None', not 1"),
        ('{"schema": 2}', "its schema is '2', not 1"),
        ('{"schema": true}', "its schema is 'True', not 1"),
        ('{"schema": 1}', "'channel' is missing @ $.channel"),
        (_changed("channel", to=5), "expected text, found a number @ $.channel"),
        (_changed("version", to="1.29\x1b"), r"'1.29\x1b' is not a kOps version"),
        (_changed("version", to=str(NEWER)), "is not the place of version"),
        (_changed("base_url", to=f"https://evil/{NEWER}"), "is not the place of version"),
        (_changed("attribution", to=None), "expected an object, found null @ $.attribution"),
        (_changed("attribution", "witness", to="hearsay"), "'hearsay' is none of git, version, lineage"),
        (_changed("uploaded", to="2024-03-03"), "'2024-03-03' is not a time such as 2024-05-06T18:00:00Z"),
        (_changed("uploaded", to="yesterday"), "'yesterday' is not a time"),
        (_changed("now", to="0001-01-01T00:00:00+23:00"), "is not a time"),
        (_changed("conditions", to="abc"), "expected a list, found text @ $.conditions"),
        (_changed("conditions", 0, "data", to=[]), "expected an object, found a list"),
        (
            _changed("conditions", 0, "data", "days", to=None),
            "expected text, a number or a list of texts, found null",
        ),
        (_changed("conditions", 0, "data", "days", to=[1]), "expected text, found a number"),
        (
            _changed("markers", 0, "marker", "reading", "kind", to="x"),
            "'x' is none of named, foreign, malformed",
        ),
        (_changed("markers", 0, "marker", "reading", "kind", to=[]), "expected text, found a list"),
        (_changed("markers", 0, "lag", to="2h"), "expected a number of seconds, found text"),
        (_changed("policy", "settle", to=True), "expected a number of seconds, found true or false"),
        (_changed("policy", "settle", to=1e300), "'1e+300' seconds are too many"),
        (_changed("policy", "nth", to=True), "expected a whole number, found true or false"),
        (_changed("policy", "nth", to={}), "expected a whole number, found an object"),
        (_changed("policy", "compare_artifacts", to=1), "expected true or false, found a number"),
        (_changed("policy", "exclude", to=["x"]), "'x' is not a kOps version"),
        (_changed("policy", "exclude", to={}), "expected a list, found an object"),
        (_changed("skipped", "empty segments", to="1"), "expected a whole number, found text"),
    ],
)
def test_json_that_is_wrong_is_refused_with_its_place(text: str, expected: str) -> None:
    """A wrong or missing value is a usage error that says what is wrong, and where."""
    with pytest.raises(KopsVersionError) as caught:
        from_json(text)
    assert expected in str(caught.value)
    assert caught.value.exit_code == 2
    assert caught.value.hint
    assert str(caught.value).isprintable()


def test_json_of_a_later_kopsversion_may_have_more_keys() -> None:
    """Unknown keys are let pass, and what has a default may be missing."""
    fields = json.loads(_changed("weather", to="fine"))
    del fields["requests"]
    assert from_json(json.dumps(fields)) == evolve(RESOLUTION, requests=0)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=300)
@given(data=st.data())
def test_json_that_is_changed_anywhere_is_read_or_refused(data: st.DataObject) -> None:
    """Whatever value is put in whatever place, the text is read, or refused as ours."""
    fields = json.loads(to_json(RESOLUTION))
    place: Any = fields
    while True:
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        if not (isinstance(place[key], dict | list) and place[key] and data.draw(st.booleans())):
            break
        place = place[key]
    place[key] = data.draw(_JSON)
    with suppress(KopsVersionError):
        resolution = from_json(json.dumps(fields))
        assert from_json(to_json(resolution)) == resolution


@given(st.text())
def test_no_text_makes_the_json_reader_fail_otherwise(text: str) -> None:
    """Text that is no resolution is refused as ours."""
    with pytest.raises(KopsVersionError):
        from_json(text)


LISTING = ChannelListing(
    channel="master",
    rows=(
        ListedBuild(NEWER, NOW - timedelta(hours=3), RESOLUTION.attribution, RESOLUTION.refused[0]),
        ListedBuild(
            CHOSEN, NOW - timedelta(days=5), Attribution("master", Witness.GIT, Certainty.EXACT), None
        ),
        ListedBuild(BARE, None, RESOLUTION.attribution, None),
    ),
    conditions=(Condition("git-unavailable", Severity.INFO, "no git"),),
    skipped={"b": 1, "a": 2},
    store="file:///bucket/",
    now=NOW,
)


def test_a_listing_is_written_as_json() -> None:
    """Each build has its age in seconds, its witness, and why it is not testable."""
    fields = json.loads(listing_to_json(LISTING))
    builds = fields.pop("builds")
    assert list(fields["skipped"]) == ["a", "b"]
    assert fields == {
        "schema": 1,
        "made_by": MADE_BY,
        "channel": "master",
        "store": "file:///bucket/",
        "now": "2024-05-06T18:00:00Z",
        "conditions": [{"code": "git-unavailable", "severity": "info", "message": "no git", "data": {}}],
        "skipped": {"a": 2, "b": 1},
    }
    assert builds[0] == {
        "version": str(NEWER),
        "uploaded": "2024-05-06T15:00:00Z",
        "age": 10800,
        "distance": 378,
        "attribution": {"ref": "master", "witness": "lineage", "certainty": "likely"},
        "testable": False,
        "refusal": {"kind": "incomplete", "reasons": ["linux/arm64/nodeup is missing", "its .sha256 too"]},
    }
    assert (builds[1]["testable"], builds[1]["refusal"]) == (True, None)
    assert (builds[2]["uploaded"], builds[2]["age"], builds[2]["distance"]) == (None, None, None)


# --------------------------------------------------------------------------------------------------
# Text


def test_an_answer_is_explained() -> None:
    """The explanation says what was chosen, what the markers are worth, and what was passed over."""
    assert RESOLUTION.explain() == EXPLANATION


def test_empty_tables_are_left_out() -> None:
    """An answer with nothing to remark is explained in one table."""
    bare = evolve(RESOLUTION, conditions=(), markers=(), refused=(), skipped={})
    assert [table.title for table in explanation(bare)] == ["Answer"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"uploaded": None}, "  uploaded    not known\n"),
        ({"newest": NEWER}, f"  newest      {NEWER} is the newest testable build\n"),
        ({"newest": None}, "  channel     master, by lineage (likely)\n"),
        ({"channel": "1.29"}, "  channel     1.29, a build of master by lineage (likely)\n"),
        ({"source": Source.NEWEST}, "  taken from  the newest testable builds\n"),
        ({"source": Source.REQUEST}, "  taken from  the version asked for\n"),
        ({"source": Source.CACHE}, "  taken from  the last good answer\n"),
        ({"version": BARE}, "  taken from  a marker\n"),
        ({"requests": 1, "round_trips": 2}, "  read        listing+markers, 1 request in 2 round trips\n"),
        ({"requests": 0, "round_trips": 2}, "  read        listing+markers\n"),
        ({"store": "file:///a\x1b[2J\nb/"}, "  store       file:///a\\x1b[2J\\nb/\n"),
    ],
)
def test_the_answer_is_told_in_words(change: dict[str, Any], expected: str) -> None:
    """Each line of the answer says one thing, and shows nothing that steers a terminal."""
    assert expected in evolve(RESOLUTION, **change).explain()


def test_builds_are_laid_out() -> None:
    """A listing shows age, distance, witness and why a build is not testable; what is not known is '?'."""
    assert plain([builds_table(LISTING)]) == (
        "Builds of master on 2024-05-06 18:00 UTC\n"
        "  build                                           uploaded              age      distance  channel"
        "  by                testable\n"
        "  1.29.0-alpha.4+v1.29.0-alpha.3-378-g22ce1230da  2024-05-06 15:00 UTC  3 hours  378       master "
        "  lineage (likely)  no: linux/arm64/nodeup is missing; its .sha256 too\n"
        "  1.29.0-alpha.4+v1.29.0-alpha.3-367-g968fc844f0  2024-05-01 18:00 UTC  5 days   367       master "
        "  git (exact)       yes\n"
        "  1.14.0-alpha.2+2178721764                       ?                     ?        ?         master "
        "  lineage (likely)  yes\n"
    )


def test_a_listing_of_nothing_is_its_headings() -> None:
    """A listing without builds is a table without rows, in either layout."""
    table = builds_table(evolve(LISTING, channel=None, rows=()))
    assert plain([table]).startswith("Builds of every channel on 2024-05-06 18:00 UTC\n  build  uploaded")
    assert "build" in decorated([table])


@pytest.fixture(params=[20, 80, 200])
def _terminal(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretend that the terminal has that many columns."""
    monkeypatch.setenv("COLUMNS", str(request.param))
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)


@pytest.mark.usefixtures("_terminal")
@pytest.mark.parametrize("layout", [lambda: explanation(RESOLUTION), lambda: [builds_table(LISTING)]])
def test_a_terminal_breaks_no_version(layout: Callable[[], list[Table]]) -> None:
    """However narrow the terminal, versions and the base URL stand in one piece."""
    tables = layout()
    text = decorated(tables)
    assert "\x1b[" in text
    for table in tables:
        for row in table.rows:
            assert row[0] in text
            if not table.columns:
                assert row[1] in text


def test_a_terminal_wraps_sentences(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sentence is wrapped at the terminal's width, below itself."""
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("LINES", "25")  # rich believes COLUMNS only beside LINES
    monkeypatch.setenv("TERM", "dumb")
    table = Table(
        title="T", columns=("code", "what to know"), rows=(("builds-old", "one two three four " * 5),)
    )
    lines = decorated([table]).splitlines()
    assert len(lines) == 5
    assert lines[3].strip().startswith(("one", "two", "three", "four"))
    assert lines[3].startswith(" " * 14)


def test_a_terminal_sees_no_markup() -> None:
    """Brackets in a cell are text, and escapes are shown, not sent."""
    text = decorated([Table(title="T", rows=(("[bold]x[/bold]", "\x1b[2J"),))])
    assert "[bold]x[/bold]" in text
    assert "\x1b[2J" not in text
    assert "\\x1b[2J" in text


@given(st.text())
def test_printable_text_is_one_harmless_line(text: str) -> None:
    """Text that is printable is left alone; any other becomes so, and keeps what was."""
    shown = printable(text)
    assert shown.isprintable()
    assert shown == text or not text.isprintable()
    assert len(io.StringIO(shown).readlines()) <= 1
