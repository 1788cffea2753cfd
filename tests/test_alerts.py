"""The alert rules of docs/monitoring.md follow the check's own verdicts."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from attrs import evolve

from kopsversion.model.silence import Silence
from kopsversion.render.prometheus import health_to_prometheus
from kopsversion.rules.silences import silenced
from tests.builders import NOW
from tests.health_reports import everything, many, nothing

if TYPE_CHECKING:
    from kopsversion.rules.health import HealthReport

PAGE = Path(__file__).parents[1] / "docs" / "monitoring.md"
PROMTOOL = shutil.which("promtool")


def rules() -> str:
    """Return the rules of the page."""
    found = re.search(r"```yaml alerts\.yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    return found[1]


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
    (tmp_path / "alerts.yaml").write_text(rules())
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
