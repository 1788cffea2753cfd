"""Every output of a health report: its bytes, its validity, and, of the page, how it looks in a browser."""

from __future__ import annotations

import json
import os
import re
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import jsonschema
import pytest
from attrs import evolve
from junitparser import JUnitXml
from prometheus_client.parser import text_string_to_metric_families

from kopsversion.model.answer import Verdict
from kopsversion.model.channel import GREEN_MARKER
from kopsversion.model.silence import Silence
from kopsversion.render.health_json import health_to_json
from kopsversion.render.health_table import file_text
from kopsversion.render.html import health_to_html
from kopsversion.render.junit import health_to_junit
from kopsversion.render.markdown import escaped, health_to_markdown
from kopsversion.render.prometheus import health_to_prometheus
from kopsversion.rules.history import ChannelEntry, entry_of, with_history
from kopsversion.rules.silences import silenced
from tests.builders import DAY, NOW, alpha
from tests.command_schemas import strict
from tests.health_reports import LONGEST, crowded, everything, incident, longest, nothing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kopsversion.rules.report import HealthReport

MINUTE = timedelta(minutes=1)
GOLDEN = Path(__file__).parents[1] / "golden"
SCHEMA = Path(__file__).parents[2] / "docs/reference/health.schema.json"


WRITERS: Mapping[str, Callable[[HealthReport], str]] = {
    "txt": file_text,
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
        """The last line, in view at the end of a log, names every channel that is not healthy, and says why."""
        lines = file_text(reports["incident"]).splitlines()
        assert lines[-1] == "1 of 4 channels is unhealthy: master (no build since 6 March)."

    def test_what_the_last_run_did_not_find_is_new(self) -> None:
        """With a journal each finding says so, or since when it is found."""
        earlier = evolve(entry_of(everything()), at=NOW - DAY)
        well = {ref: ChannelEntry(healthy=True) for ref in earlier.channels}
        nothing_before = evolve(earlier, channels=well)
        assert "New since the last run." in file_text(with_history(everything(), [nothing_before]))
        again = file_text(with_history(everything(), [earlier]))
        assert "New since the last run." not in again
        assert "Found since 2024-05-05 18:00 UTC." in again

    def test_hostile_text(self, reports: Mapping[str, HealthReport]) -> None:
        """Nothing in a report can steer a terminal."""
        assert "\x1b" in str(reports["everything"].channels[-1].unreadable)
        assert file_text(reports["everything"]).replace("\n", "").isprintable()


class TestJson:
    @pytest.mark.parametrize("name", ["incident", "everything", "longest", "nothing"])
    def test_schema(self, name: str, reports: Mapping[str, HealthReport]) -> None:
        """The JSON is what its schema says, key by key."""
        schema = json.loads(SCHEMA.read_text())
        jsonschema.Draft202012Validator.check_schema(schema)
        written = json.loads(health_to_json(reports[name]))
        jsonschema.Draft202012Validator(strict(schema)).validate(written)
        jsonschema.Draft202012Validator(schema).validate(written | {"a key of a later version": 1})

    def test_silence_and_history(self) -> None:
        """What is silenced, and what earlier runs found, is described as well."""
        silence = Silence(channel="master", code="marker-stale", until=NOW.date(), reason="known")
        earlier = evolve(entry_of(everything()), at=NOW - DAY)
        report = with_history(silenced(everything(), [silence]), [earlier])
        written = json.loads(health_to_json(report))
        jsonschema.Draft202012Validator(strict(json.loads(SCHEMA.read_text()))).validate(written)
        master = written["channels"][0]
        assert master["findings"][-1]["silence"]["until"] == "2024-05-06"
        assert master["history"]["unhealthy_since"] == "2024-05-05T18:00:00Z"

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
        failures = sum(check.failed and check.skipped is None for check in checks)
        assert document.failures == failures + report.nothing_read
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
        assert "fix the postsubmit job" in (failure.text or "")


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
        assert found["build_age_seconds", "release-1.29"] == 45 * 60
        assert found["commits_behind", "master"] == 22
        assert found["build_info", "0.1.0"] == 1
        assert found["build_timestamp_seconds", "master"] == (NOW - 3 * DAY).timestamp()
        assert found["newest_build_timestamp_seconds", "master"] == (NOW - 4 * MINUTE).timestamp()
        assert found["newest_build_timestamp_seconds", "release-1.28"] == (NOW - DAY).timestamp()
        assert (
            found["marker_overtaken_timestamp_seconds", "master", GREEN_MARKER] == (NOW - 3 * DAY).timestamp()
        )
        assert (
            found["marker_written_timestamp_seconds", "master", GREEN_MARKER] == (NOW - 19 * DAY).timestamp()
        )
        assert found["marker_info", "master", "false", GREEN_MARKER, str(alpha(5))] == 1
        assert found["limit_seconds", "master", "max-lag"] == 86400
        assert found["findings", "master", "marker-stale", "warning"] == 1
        assert found["findings", "", "store-unreachable", "warning"] == 1
        assert found["check_success",] == 1
        assert found["check_requests",] == 20
        assert found["check_duration_seconds",] == 3
        assert ("marker_overtaken_timestamp_seconds", "master", "latest-ci.txt") not in found
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
        assert len(families) == 19
        for family in families:
            assert family.type == "gauge"
            assert family.documentation.endswith(".")
            assert ("in seconds" in family.documentation) <= family.name.endswith("_seconds")
            assert ("in Unix time" in family.documentation) == family.name.endswith("_timestamp_seconds")
            assert ("age" in family.name or "lag_" in family.name) <= family.documentation.startswith(
                "Deprecated"
            )

    def test_nothing_is_kept(self, reports: Mapping[str, HealthReport]) -> None:
        """One report leaves nothing behind for the next."""
        before = samples(reports["incident"])
        samples(reports["everything"])
        assert samples(reports["incident"]) == before


class TestMarkdown:
    def test_what_to_do(self, reports: Mapping[str, HealthReport]) -> None:
        """The sentence comes first, then each unhealthy channel with what to do."""
        text = health_to_markdown(reports["incident"])
        assert text.startswith("## 1 of 4 channels is unhealthy: master.\n")
        assert "### master" in text
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


def test_longest_version() -> None:
    """The longest version of these tests is one."""
    from kopsversion.model.version import BuildVersion

    assert str(BuildVersion.parse(LONGEST)) == LONGEST
    assert len(LONGEST) == 144
