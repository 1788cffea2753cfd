"""The alert rules follow the check's own verdicts, and the dashboard draws gauges that there are."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from attrs import evolve

from kopsversion.model.silence import Silence
from kopsversion.render.prometheus import health_to_prometheus
from kopsversion.rules.silences import silenced
from tests.builders import NOW
from tests.health_reports import everything, many, nothing
from tests.render.test_jobs import RED, report_of

if TYPE_CHECKING:
    from kopsversion.rules.report import HealthReport

DOCS = Path(__file__).parents[1] / "docs"
RULES = DOCS / "pieces" / "alerts.yaml"
DASHBOARD = DOCS / "pieces" / "dashboard.json"
DEPRECATED = {
    "kopsversion_build_age_seconds",
    "kopsversion_marker_age_seconds",
    "kopsversion_marker_promotion_lag_seconds",
}
PROMTOOL = shutil.which("promtool")


def test_the_page_shows_the_rules_of_the_file() -> None:
    """Who copies them from the page gets what is tested."""
    found = re.search(
        r"```yaml alerts\.yaml\n(.*?)```", (DOCS / "monitoring.md").read_text("utf-8"), re.DOTALL
    )
    assert found is not None
    assert found[1] == RULES.read_text("utf-8")


def drawn(text: str) -> set[tuple[str, frozenset[str]]]:
    """Return the gauges that expressions name, each with the labels by which it is narrowed down."""
    found = re.findall(r"\b(kopsversion_\w+)(?:\{([^}]*)\})?", text)
    return {(name, frozenset(re.findall(r"(\w+)\s*=~?", labels))) for name, labels in found}


def written() -> dict[str, set[str]]:
    """Return the gauges that a report can have, each with its labels."""
    found: dict[str, set[str]] = {}
    for report in (everything(), report_of(RED)):
        for line in health_to_prometheus(report).splitlines():
            name, _, labels = line.rpartition(" ")[0].partition("{")
            if not line.startswith("#"):
                found.setdefault(name, set()).update(re.findall(r"(\w+)=\"", labels))
    return found


def test_the_page_has_every_gauge_with_its_labels() -> None:
    """What a report can have and what the page lists are the same, but for what is deprecated."""
    page = (DOCS / "monitoring.md").read_text("utf-8").partition("| gauge | labels |")[2].partition("\n\n")[0]
    listed = {
        f"kopsversion_{name}": set(re.findall(r"`(\w+)`", labels))
        for names, labels in re.findall(r"^\| (`.*?`) \| (.*?) ?\| ", page, re.MULTILINE)
        for name in re.findall(r"`(\w+)`", names)
    }
    assert listed == {name: labels for name, labels in written().items() if name not in DEPRECATED}


def test_rules_and_dashboard_ask_for_gauges_that_are_written() -> None:
    """By name and label; what is deprecated is not used any more."""
    panels = json.loads(DASHBOARD.read_text("utf-8"))["panels"]
    asked = [target["expr"] for panel in panels for target in panel["targets"]]
    asked += [rule["expr"] for rule in yaml.safe_load(RULES.read_text("utf-8"))["groups"][0]["rules"]]
    known = written()
    for name, labels in set().union(*map(drawn, asked)):
        assert name in known.keys() - DEPRECATED
        assert labels <= known[name]


def test_a_legend_of_the_dashboard_names_labels_of_its_gauge() -> None:
    """A label that is not there would be drawn as an empty name."""
    known = written()
    for panel in json.loads(DASHBOARD.read_text("utf-8"))["panels"]:
        for target in panel["targets"]:
            ((name, _),) = drawn(target["expr"])
            named = set(re.findall(r"{{(\w+)}}", target.get("legendFormat", "")))
            assert named <= known[name], panel["title"]


def test_the_dashboard_is_one_that_grafana_can_lay_out() -> None:
    """Panels have numbers of their own, lie within 24 columns and do not overlap; all ask the chosen data source."""
    board = json.loads(DASHBOARD.read_text("utf-8"))
    assert {each["name"] for each in board["templating"]["list"]} == {"datasource", "channel"}
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        columns = range(place["x"], place["x"] + place["w"])
        cells = {(x, y) for x in columns for y in range(place["y"], place["y"] + place["h"])}
        assert not cells & taken
        assert max(columns) < 24
        taken |= cells
        assert {each["datasource"]["uid"] for each in panel["targets"]} == {"${datasource}"}
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


def test_the_dashboard_asks_in_promql(tmp_path: Path) -> None:
    """promtool reads every expression, with a value in place of each variable of Grafana's."""
    if PROMTOOL is None:
        pytest.skip("promtool is not installed: apt-get install prometheus")
    panels = json.loads(DASHBOARD.read_text("utf-8"))["panels"]
    asked = [target["expr"] for panel in panels for target in panel["targets"]]
    rules = [
        {"record": f"r{number}", "expr": expr.replace("$channel", "x")} for number, expr in enumerate(asked)
    ]
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    done = subprocess.run([PROMTOOL, "check", "rules", path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(asked)} rules found" in done.stdout


def known() -> HealthReport:
    """A report of which the only trouble is silenced."""
    silence = Silence(channel="release-1.38", code="marker-stale", until=NOW.date(), reason="known")
    return silenced(many(3), [silence])


CASES: dict[str, tuple[HealthReport, set[tuple[str, str]]]] = {
    "healthy": (many(2), set()),
    "stale": (many(3), {("KopsFinding", "marker-stale")}),
    "silenced": (known(), set()),
    "everything": (
        everything(),
        {
            ("KopsFinding", code)
            for code in (
                *(
                    "builds-stalled",
                    "builds-refused",
                    "marker-stale",
                    "marker-malformed",
                    "no-testable-build",
                ),
                *("marker-incomplete", "marker-missing", "channel-unreadable"),
            )
        },
    ),
    "nothing": (nothing(), {("KopsCheckFailed", "")}),
    "stopped": (evolve(many(2), now=NOW - timedelta(hours=7)), {("KopsCheckStopped", "")}),
}
"""By name: a report, and the alerts that it must raise after three hours, with the code of each."""


@pytest.mark.parametrize("name", CASES)
def test_alerts_follow_the_verdicts(name: str, tmp_path: Path) -> None:
    """By promtool's own unit tests: an alert for what is unhealthy, none for what is healthy, ignored or silenced."""
    if PROMTOOL is None:
        pytest.skip("promtool is not installed: apt-get install prometheus")
    report, expected = CASES[name]
    shutil.copy(RULES, tmp_path / "alerts.yaml")
    (tmp_path / "test.yaml").write_text(unit_test(report, expected))
    done = subprocess.run(
        [PROMTOOL, "test", "rules", "test.yaml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def unit_test(report: HealthReport, expected: set[tuple[str, str]]) -> str:
    """Write a unit test of promtool: the report's samples for four hours, and what must be alerted then."""
    lines = ["rule_files: [alerts.yaml]", "evaluation_interval: 10m", "tests:", "- interval: 10m"]
    lines.append("  input_series:")
    for line in health_to_prometheus(report).splitlines():
        sample, _, value = line.rpartition(" ")
        if sample.startswith(("kopsversion_findings", "kopsversion_check_")):
            # promtool's clock begins at 0: the check was made just before the alerts are looked at, or earlier.
            is_time = sample == "kopsversion_check_timestamp_seconds"
            shown = 4 * 3600 - (NOW - report.now).total_seconds() if is_time else float(value)
            lines += [f"  - series: '{sample}'", f"    values: '{shown:f}+0x24'"]
    lines.append("  alert_rule_test:")
    for alert in ("KopsFinding", "KopsCheckFailed", "KopsCheckStopped"):
        raised = _raised(report, alert, expected)
        lines += ["  - eval_time: 4h", f"    alertname: {alert}", f"    exp_alerts: {json.dumps(raised)}"]
    return "\n".join(lines) + "\n"


def _raised(report: HealthReport, alert: str, expected: set[tuple[str, str]]) -> list[dict[str, object]]:
    """Return the alerts that must be raised, as promtool writes them."""
    if alert != "KopsFinding":
        summaries = {
            "KopsCheckFailed": "the check of kOps' builds runs, and can read nothing",
            "KopsCheckStopped": "nobody has looked at kOps' builds for 7h 0m 0s",
        }
        labels = {"severity": "warning"}
        raised = (alert, "") in expected
        return [{"exp_labels": labels, "exp_annotations": {"summary": summaries[alert]}}] if raised else []
    serious = {
        (channel, finding.condition.code, str(finding.condition.severity))
        for channel, finding in report.findings
        if finding.is_serious and channel
    }
    assert {("KopsFinding", code) for _, code, _ in serious} == {
        each for each in expected if each[0] == alert
    }
    return [
        {
            "exp_labels": {"channel": channel, "code": code, "severity": severity},
            "exp_annotations": {"summary": f"{channel} of kOps: {code}"},
        }
        for channel, code, severity in sorted(serious)
    ]
