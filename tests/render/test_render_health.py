"""Every output of a health report: its bytes, its validity, and, of the page, how it looks in a browser."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import html5lib
import jsonschema
import pytest
from attrs import evolve
from junitparser import JUnitXml
from prometheus_client.parser import text_string_to_metric_families

from kopsversion.model.answer import Verdict
from kopsversion.model.channel import GREEN_MARKER
from kopsversion.model.tables import plain
from kopsversion.render.health_json import health_to_json
from kopsversion.render.health_table import health_tables, summary_line
from kopsversion.render.html import _Scale, health_to_html
from kopsversion.render.junit import health_to_junit
from kopsversion.render.markdown import escaped, health_to_markdown
from kopsversion.render.prometheus import health_to_prometheus
from kopsversion.rules.health import BuildState, HealthReport
from tests import health_schema
from tests.builders import DAY, HOUR, NOW
from tests.health_reports import LONGEST, crowded, everything, incident, longest, nothing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

GOLDEN = Path(__file__).parents[1] / "golden"
SCHEMA = Path(__file__).parents[2] / "docs/reference/health.schema.json"


def health_to_table(report: HealthReport) -> str:
    return f"{plain(health_tables(report))}\n{summary_line(report)}"


WRITERS: Mapping[str, Callable[[HealthReport], str]] = {
    "txt": health_to_table,
    "json": health_to_json,
    "xml": health_to_junit,
    "prom": health_to_prometheus,
    "md": health_to_markdown,
    "html": health_to_html,
}


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, HealthReport]:
    return {
        "incident": incident(tmp_path_factory.mktemp("demo")),
        "everything": everything(),
        "longest": longest(),
        "nothing": nothing(),
    }


class TestGolden:
    @pytest.mark.parametrize("name", ["incident", "everything", "nothing"])
    @pytest.mark.parametrize("ending", WRITERS)
    def test_golden(self, name: str, ending: str, reports: Mapping[str, HealthReport]) -> None:
        """The same report gives the same bytes, today and on every machine."""
        path = GOLDEN / f"{name}.{ending}"
        text = WRITERS[ending](reports[name])
        if os.environ.get("WRITE_GOLDEN"):
            path.write_bytes(text.encode())
            pytest.skip("written, not compared: WRITE_GOLDEN is set")
        assert text.encode() == path.read_bytes()

    @pytest.mark.parametrize("ending", WRITERS)
    def test_twice(self, ending: str, tmp_path: Path, reports: Mapping[str, HealthReport]) -> None:
        """Another run over another copy of the same bucket gives the same bytes."""
        assert WRITERS[ending](incident(tmp_path)) == WRITERS[ending](reports["incident"])


class TestTable:
    def test_last_line(self, reports: Mapping[str, HealthReport]) -> None:
        """The last line names every channel that is not healthy."""
        lines = health_to_table(reports["incident"]).splitlines()
        assert lines[-1] == "2 of 4 channels are unhealthy: master and release-1.27."

    def test_hostile_text(self, reports: Mapping[str, HealthReport]) -> None:
        """Nothing in a report can steer a terminal."""
        assert "\x1b" in str(reports["everything"].channels[-1].unreadable)
        assert health_to_table(reports["everything"]).replace("\n", "").isprintable()


def strict(schema: Any) -> Any:
    """Allow no key that the schema does not name, so that none goes undescribed."""
    if isinstance(schema, dict):
        named = {"additionalProperties": False} if "required" in schema else {}
        return {key: strict(value) for key, value in schema.items()} | named
    return [strict(each) for each in schema] if isinstance(schema, list) else schema


class TestJson:
    def test_the_published_schema_is_made_from_the_report(self) -> None:
        """`make docs` would change nothing."""
        assert SCHEMA.read_text() == health_schema.text(), "run: make docs"

    @pytest.mark.parametrize("name", ["incident", "everything", "longest", "nothing"])
    def test_schema(self, name: str, reports: Mapping[str, HealthReport]) -> None:
        """The JSON is what its schema says, key by key."""
        schema = json.loads(SCHEMA.read_text())
        jsonschema.Draft202012Validator.check_schema(schema)
        written = json.loads(health_to_json(reports[name]))
        jsonschema.Draft202012Validator(strict(schema)).validate(written)
        jsonschema.Draft202012Validator(schema).validate(written | {"a key of a later version": 1})

    def test_the_schema_refuses_what_is_wrong(self, reports: Mapping[str, HealthReport]) -> None:
        """At every level each key is required, and has its type."""
        validator = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text()))
        report = json.loads(health_to_json(reports["everything"]))
        master = report["channels"][0]
        parts = [report, master, master["limits"], master["newest"], master["markers"][0]]
        parts += [master["findings"][0], master["checks"][0], report["left_out"][0], report["conditions"][0]]
        for part in parts:
            for key, right in list(part.items()):
                del part[key]
                assert not validator.is_valid(report), key
                part[key] = {"wrong": {}}
                assert not validator.is_valid(report), key
                part[key] = right
        validator.validate(report)

    def test_numbers(self, reports: Mapping[str, HealthReport]) -> None:
        """Durations are seconds, and what is not known is null."""
        master, *_, unread = json.loads(health_to_json(reports["everything"]))["channels"]
        green, *_, unused = master["markers"]
        assert (green["promotion_lag_seconds"], green["builds_behind"]) == (3 * 86400, 1)
        assert (unused["promotion_lag_seconds"], unused["builds_behind"], unused["ignored"]) == (
            None,
            None,
            True,
        )
        assert (unread["newest"], unread["testable"], unread["commits_behind"]) == (None, None, None)


class TestJUnit:
    @pytest.mark.parametrize("name", ["incident", "everything", "longest", "nothing"])
    def test_parses(self, name: str, reports: Mapping[str, HealthReport]) -> None:
        """Each channel and check is a test case; a parser that others use counts as we do."""
        report = reports[name]
        document = JUnitXml.fromstring(health_to_junit(report).encode())
        checks = [check for channel in report.channels for check in channel.checks]
        assert document.tests == len(checks) + 1  # the check itself
        assert document.failures == sum(check.failed and check.skipped is None for check in checks)
        assert document.skipped == sum(check.skipped is not None for check in checks)

    def test_names_last(self, reports: Mapping[str, HealthReport]) -> None:
        """Rows of TestGrid are stable: no name of a test case holds a version or a time."""
        tree = ElementTree.fromstring(health_to_junit(reports["everything"]))
        names = [case.get("name", "") for case in tree.iter("testcase")]
        assert len(set(names)) == len(names)
        assert "master: marker latest-ci-updown-green.txt" in names
        assert not any(re.search(r"\+v|20[0-9]{2}|[0-9]{3}", name) for name in names)

    def test_failure_says_what_to_do(self, reports: Mapping[str, HealthReport]) -> None:
        """A failed test case holds the sentence, its code, and the advice."""
        tree = ElementTree.fromstring(health_to_junit(reports["incident"]))
        failure = tree.find(".//testcase[@name='master: builds keep coming']/failure")
        assert failure is not None
        assert failure.get("type") == "builds-old"
        assert "61 days" in failure.get("message", "")
        assert "mend the postsubmit job" in (failure.text or "")


def samples(report: HealthReport) -> dict[tuple[str, ...], float]:
    """Read gauges back with prometheus-client's own parser."""
    return {
        (sample.name.removeprefix("kopsversion_"), *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(health_to_prometheus(report))
        for sample in family.samples
    }


class TestPrometheus:
    def test_values(self, reports: Mapping[str, HealthReport]) -> None:
        """Gauges are in seconds and counts; what is not known has no sample."""
        found = samples(reports["everything"])
        assert found["marker_promotion_lag_seconds", "master", GREEN_MARKER] == 3 * 86400
        assert found["marker_promotion_lag_seconds", "master", "latest-ci.txt"] == 0
        assert found["marker_builds_behind", "master", GREEN_MARKER] == 1
        assert found["marker_age_seconds", "master", GREEN_MARKER] == 19 * 86400
        assert found["build_age_seconds", "release-1.29"] == 2 * 3600
        assert found["commits_behind", "master"] == 22
        assert found["channel_healthy", "release-1.29"] == 1
        assert found["channel_healthy", "master"] == 0
        assert found["channel_readable", "release-1.26"] == 0
        assert found["check_timestamp_seconds",] == NOW.timestamp()
        assert ("commits_behind", "release-1.29") not in found
        assert ("build_age_seconds", "release-1.28") not in found

    def test_verdict(self, reports: Mapping[str, HealthReport]) -> None:
        """Of all verdicts on a marker, one is 1 and the others are 0."""
        found = samples(reports["everything"])
        values = {each: found["marker_verdict", "master", GREEN_MARKER, each] for each in Verdict}
        assert [each for each, value in values.items() if value] == [Verdict.STALE]

    def test_families(self, reports: Mapping[str, HealthReport]) -> None:
        """Every gauge has its help and type, and a unit in its name where it has a unit."""
        text = health_to_prometheus(reports["incident"])
        families = list(text_string_to_metric_families(text))
        assert len(families) == 10
        for family in families:
            assert family.type == "gauge"
            assert family.documentation.endswith(".")
            assert ("in seconds" in family.documentation) <= family.name.endswith("_seconds")

    def test_nothing_is_kept(self, reports: Mapping[str, HealthReport]) -> None:
        """One report leaves nothing behind for the next."""
        before = samples(reports["incident"])
        samples(reports["everything"])
        assert samples(reports["incident"]) == before


class TestMarkdown:
    def test_what_to_do(self, reports: Mapping[str, HealthReport]) -> None:
        """The sentence comes first, then each unhealthy channel with what to do."""
        text = health_to_markdown(reports["incident"])
        assert text.startswith("## 2 of 4 channels are unhealthy: master and release-1.27.\n")
        assert "### release-1.27" in text
        assert "### release-1.28" not in text
        assert "- **warning** `builds-old`: master has had no build" in text

    def test_all_well(self) -> None:
        """Where all is well there is nothing but the sentence and the folded tables."""
        text = health_to_markdown(crowded(1))
        assert "###" not in text
        assert "Refused builds" not in text

    def test_hostile_text(self) -> None:
        """No text becomes markup, mentions a person, refers to an issue or leaves its line."""
        assert escaped("<b> @octocat #12 a|b `x` *y* [z](u) \n") == (
            r"\<b\> @<!-- -->octocat #<!-- -->12 a\|b \`x\` \*y\* \[z\](u) \\n"
        )
        assert "<script" not in health_to_markdown(everything()).replace(r"\<script", "")

    def test_tables(self, reports: Mapping[str, HealthReport]) -> None:
        """Every row of a table has as many cells as its heading."""
        rows = [
            line for line in health_to_markdown(reports["everything"]).splitlines() if line.startswith("|")
        ]
        cells = [len(re.findall(r"(?<!\\)\|", row)) for row in rows]
        assert set(cells) == {7, 8, 6}


class TestHtml:
    @pytest.mark.parametrize("name", ["incident", "everything", "longest", "nothing"])
    def test_valid(self, name: str, reports: Mapping[str, HealthReport]) -> None:
        """The page is valid HTML5."""
        html5lib.HTMLParser(strict=True).parse(health_to_html(reports[name]))

    def test_five_thousand_builds(self) -> None:
        """The page is valid, has a tick for each build, and stays below six megabytes, with 5,000 builds."""
        text = health_to_html(crowded(5000))
        html5lib.HTMLParser(strict=True).parse(text)
        assert text.count('<g class="t"') == 5000
        assert len(text) < 6_000_000

    def test_alone(self, reports: Mapping[str, HealthReport]) -> None:
        """The page asks for nothing: no script, no address, and a policy that would stop both."""
        text = health_to_html(reports["incident"])
        assert "<script" not in text
        assert not re.search(r"""(src|href)=["'](?!#|data:,)""", text)
        assert not re.search(r"url\((?!#)|@import", text)
        assert "default-src 'none'" in text

    def test_hostile_text(self, reports: Mapping[str, HealthReport]) -> None:
        """Text is escaped, and is printable."""
        text = health_to_html(reports["everything"])
        assert "<script" not in text
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
        assert text.replace("\n", "").isprintable()

    def test_says(self, reports: Mapping[str, HealthReport]) -> None:
        """On top stands whether it is healthy; each build has its version, where it stands or hovers."""
        text = health_to_html(reports["incident"])
        assert text.index("2 of 4 channels are unhealthy") < text.index('class="timeline"')
        assert (
            "<title>1.29.0-alpha.4+v1.29.0-alpha.3-369-g8f29969f20: 2024-03-03 18:01 UTC, refused: " in text
        )
        assert text.count("no build for 61 days") == 1
        assert "3</span>" in text  # skipped names

    def test_only_what_is_shown_is_explained(self, reports: Mapping[str, HealthReport]) -> None:
        """The legend explains the shapes that are on the page."""
        legend = health_to_html(reports["incident"]).partition('<ul class="legend">')[2]
        assert BuildState.REFUSED in legend
        assert f"</svg>{BuildState.UNSETTLED}<" not in legend
        assert "builds have stopped" in legend
        assert "builds have stopped" not in health_to_html(crowded(3))

    def test_gap_of_nothing(self, reports: Mapping[str, HealthReport]) -> None:
        """A channel without any build is one gap; one whose newest build is minutes old has none to be seen."""
        text = health_to_html(reports["everything"])
        assert text.count('<rect class="gap" x="0.0%" width="100.0%"') == 1
        assert text.count('class="gap-edge"') == 1

    def test_gap_too_small_for_words(self, reports: Mapping[str, HealthReport]) -> None:
        """A gap that is too narrow for its label on a phone is drawn without it."""
        master = reports["incident"].channels[0]
        assert master.newest is not None
        assert master.newest.uploaded is not None
        older = evolve(master.builds[-1], uploaded=master.newest.uploaded - 50 * DAY)
        report = evolve(reports["incident"], channels=(evolve(master, builds=(*master.builds, older)),))
        recent = evolve(report, now=master.newest.uploaded + 20 * DAY)
        assert 'class="gap"' in health_to_html(recent)
        assert 'class="gap-label"' not in health_to_html(recent)

    def test_build_without_time(self) -> None:
        """A channel whose newest build has no known time is said to have no build."""
        channel = evolve(crowded(1).channels[0], newest=None, testable=None, builds=())
        assert ">no build<" in health_to_html(HealthReport(store="x", now=NOW, channels=(channel,)))

    @pytest.mark.parametrize(
        ("days", "labels"),
        [
            (100, ["1 Feb", "1 Mar", "1 Apr"]),
            (30, ["8 Apr", "15 Apr", "22 Apr", "29 Apr"]),
            (10, ["26 Apr", "28 Apr", "30 Apr", "2 May", "4 May"]),
            (0, ["30 Apr", "2 May", "4 May"]),
        ],
    )
    def test_dates(self, days: int, labels: list[str]) -> None:
        """The scale has the first days of months, Mondays, or every other day, but none near the right edge."""
        held = evolve(crowded(1).channels[0].builds[0], uploaded=NOW - days * DAY)
        channel = evolve(crowded(1).channels[0], builds=(held,))
        text = health_to_html(HealthReport(store="x", now=NOW, channels=(channel,)))
        axis = text.partition('<svg class="axis"')[2].partition("</svg>")[0]
        assert re.findall(r">([0-9]+ [A-Z][a-z]+)</text>", axis) == labels

    def test_scale(self) -> None:
        """Moments before and after the timeline stand at its edges."""
        scale = _Scale(NOW - 10 * DAY, NOW)
        assert [scale.percent(NOW - age) for age in (11 * DAY, 5 * DAY, -HOUR)] == [0, 50, 100]


# --------------------------------------------------------------------------------------------------
# In a browser

CHROMIUM = shutil.which("chromium")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
MEASURE = """
addEventListener("load", () => {
parent.document.body.getBoundingClientRect();  // so that this frame has its width
const boxes = [], problems = [], width = innerWidth;
const near = (a, b) => a > b + 1.5;
const walker = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const node = walker.currentNode;
  if (!node.data.trim() || node.parentElement.closest("style,title,.skip,.tip")) continue;
  const range = document.createRange();
  range.selectNodeContents(node);
  for (const box of range.getClientRects())
    if (box.width > 1 && box.right > 0) boxes.push({box, text: node.data.trim()});
}
for (const {box, text} of boxes)
  if (near(box.right, width) || near(0, box.left)) problems.push(`"${text}" sticks out`);
for (let i = 0; i < boxes.length; i++)
  for (let j = i + 1; j < boxes.length; j++) {
    const [a, b] = [boxes[i].box, boxes[j].box];
    const x = Math.min(a.right, b.right) - Math.max(a.left, b.left);
    const y = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
    if (x > 1.5 && y > 3) problems.push(`"${boxes[i].text}" and "${boxes[j].text}" overlap`);
  }
if (document.documentElement.scrollWidth > width) problems.push("the page scrolls sideways");
let tips = 0;
for (const tip of document.querySelectorAll(".tip")) {
  tip.style.display = "inline";
  const frame = tip.querySelector("rect").getBoundingClientRect();
  const text = tip.querySelector("text").getBoundingClientRect();
  if (near(frame.right, width) || near(0, frame.left)) problems.push(`tip ${tip.textContent} sticks out`);
  if (near(text.right, frame.right) || near(frame.left, text.left) || near(text.bottom, frame.bottom)
      || near(frame.top, text.top)) problems.push(`tip ${tip.textContent} leaves its frame`);
  tip.style.display = "";
  tips++;
}
const shown = [...document.querySelectorAll(".tip")].filter(tip => getComputedStyle(tip).display !== "none").length;
const first = document.querySelector(".t");
first.focus();
const focused = getComputedStyle(first.querySelector(".tip")).display !== "none";
const result = {width, texts: boxes.length, tips, shown, focused, problems,
                page: getComputedStyle(document.body).backgroundColor};
parent.document.querySelector("pre").textContent = JSON.stringify(result);
});
"""
FRAME = """<!DOCTYPE html>
<meta charset="utf-8"><meta name="color-scheme" content="light dark"><title>a frame</title>
<pre></pre>
<iframe sandbox="allow-scripts allow-same-origin" style="width: {width}px; height: 900px; border: 0"
 srcdoc="{page}"></iframe>
"""
"""Prow's lens shows a page in a sandboxed frame; no window of Chromium is as narrow as a phone."""


def browse(page: str, tmp_path: Path, *, width: int, dark: bool = False) -> dict[str, Any]:
    """Open a page in Chromium, in a frame as wide as that, and measure what is on it."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed: apt-get install chromium")
    allowed = re.sub(r"<meta http-equiv[^>]+>", "", page)  # which forbids the measuring script
    measured = allowed.replace("</body>", f"<script>{MEASURE}</script></body>")
    path = tmp_path / "page.html"
    path.write_text(FRAME.format(width=width, page=html.escape(measured)))
    scheme = [f"--blink-settings=preferredColorScheme={int(not dark)}"]
    done = subprocess.run(
        [
            *(CHROMIUM, *FLAGS, *scheme, f"--user-data-dir={tmp_path / 'profile'}"),
            *("--window-size=1400,1000", "--dump-dom", path.as_uri()),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    body = html5lib.parse(done.stdout, namespaceHTMLElements=False)
    found = body.find(".//pre")
    assert found is not None
    assert found.text, done.stderr[-200:]
    result: dict[str, Any] = json.loads(found.text)
    return result


class TestInBrowser:
    @pytest.mark.parametrize("width", [1280, 390])
    @pytest.mark.parametrize("name", ["incident", "everything", "longest"])
    def test_no_overlap(
        self, name: str, width: int, tmp_path: Path, reports: Mapping[str, HealthReport]
    ) -> None:
        """No text overlaps another or leaves the page or its frame, on a desk and on a phone; tips come on focus."""
        seen = browse(health_to_html(reports[name]), tmp_path, width=width)
        assert seen["problems"] == []
        assert seen["width"] == width
        assert seen["texts"] > 50
        ticks = sum(len(channel.builds) for channel in reports[name].channels)
        assert seen["tips"] >= ticks > 0
        assert seen["shown"] == 0
        assert seen["focused"]

    def test_dark(self, tmp_path: Path, reports: Mapping[str, HealthReport]) -> None:
        """Whoever prefers it dark gets it dark."""
        page = health_to_html(reports["incident"])
        light = browse(page, tmp_path, width=1280)
        dark = browse(page, tmp_path, width=1280, dark=True)
        assert light["page"] == "rgb(255, 255, 255)"
        assert dark["page"] == "rgb(15, 18, 22)"
        assert dark["problems"] == []

    def test_bench_sees_faults(self, tmp_path: Path, reports: Mapping[str, HealthReport]) -> None:
        """The measurement finds a fault that was put in: it can fail."""
        page = health_to_html(reports["incident"]).replace(
            "</style>", ".findings { width: 1500px; } .legend { margin-top: -20px; }</style>"
        )
        problems = browse(page, tmp_path, width=1280)["problems"]
        assert any("overlap" in problem for problem in problems)
        assert any("sticks out" in problem or "sideways" in problem for problem in problems)


def test_longest_version() -> None:
    """The longest version of these tests is one."""
    from kopsversion.model.version import BuildVersion

    assert str(BuildVersion.parse(LONGEST)) == LONGEST
    assert len(LONGEST) == 144
