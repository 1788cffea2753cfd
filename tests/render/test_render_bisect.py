"""What a bisection and a search have found, where little is known: nothing is made up."""

from __future__ import annotations

import json

from attrs import evolve

from kopsversion.model.answer import Condition, Severity
from kopsversion.model.tables import plain
from kopsversion.model.version import BuildVersion
from kopsversion.render.bisect import report_tables, report_to_json, report_to_markdown
from kopsversion.render.find import found_tables, found_to_json
from kopsversion.workflows.bisect import BisectReport, BuiltMerge, RangeEnd
from kopsversion.workflows.find import FoundBuild
from tests.builders import NOW, alpha

END = RangeEnd(version=BuildVersion.parse(alpha(1)), base_url="mem://x/1", uploaded=None, is_tested=False)
REPORT = BisectReport(
    channel="master",
    store="mem://x/",
    good=END,
    bad=evolve(END, version=BuildVersion.parse(alpha(2))),
    untested=(),
    merges=(),
    compare=None,
    tested=(),
    builds=2,
    conditions=(),
)


def test_what_is_not_known_is_left_out() -> None:
    """No link where there is none, no time, and an end that was not tested says so."""
    table = plain(report_tables(REPORT))
    assert "compare" not in table
    assert f"last good           {alpha(1)} (not tested, but assumed)" in table
    markdown = report_to_markdown(REPORT)
    assert "what changed" not in markdown
    assert "### 0 merges between them\n\nNone.\n" in markdown
    assert json.loads(report_to_json(REPORT))["merges"] == []


def test_conditions_are_told_with_their_severity() -> None:
    """An issue says what the bisection could not be sure of, and nothing in it becomes markup."""
    doubt = Condition("channel-ambiguous", Severity.WARNING, "it may be another <b>branch</b>'s")
    markdown = report_to_markdown(evolve(REPORT, conditions=(doubt,)))
    assert "- **warning** it may be another \\<b\\>branch\\</b\\>'s\n" in markdown


def test_subjects_are_hostile() -> None:
    """Neither a terminal nor a page does what a subject says."""
    merge = BuiltMerge(commit="a" * 40, time=NOW, subject="\x1b[2J<img src=x> @team #1", version=None)
    report = evolve(REPORT, merges=(merge,))
    assert "\x1b" not in plain(report_tables(report))
    markdown = report_to_markdown(report)
    assert "\x1b" not in markdown
    assert "<img" not in markdown.replace("\\<", "")
    assert "@team" not in markdown
    assert "#1" not in markdown


def test_a_build_that_was_found_by_a_bare_version() -> None:
    """There is no commit, no merge and no time to tell."""
    found = FoundBuild(
        channel="master",
        store="mem://x/",
        version=BuildVersion.parse(alpha(1)),
        base_url="mem://x/1",
        uploaded=None,
        commit=None,
        merged=None,
        subject=None,
        refused=(),
        conditions=(),
    )
    assert [row[0] for table in found_tables(found) for row in table.rows] == ["build", "base URL"]
    assert json.loads(found_to_json(found))["commit"] is None
