"""How the writers of markers and the runs of jobs look: cells, keys, gauges and the strip on the page."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from attrs import evolve

from kopsversion.model.policy import Policy
from kopsversion.model.runs import Finished, LogFacts, Result, SeenRun
from kopsversion.render.health_json import health_to_json
from kopsversion.render.html import health_to_html
from kopsversion.render.job_bars import job_bar
from kopsversion.render.jobs import WRITER_COLUMNS, jobs_tables, jobs_to_json, writer_cells, writer_fields
from kopsversion.render.lanes import Scale
from kopsversion.render.prometheus import health_to_prometheus
from kopsversion.rules.health import with_writers
from kopsversion.rules.report import ChannelHealth, HealthReport
from kopsversion.rules.same_build import SameBuild
from kopsversion.workflows.job_runs import JobListing, ListedJob
from tests.builders import DAY, HOUR, NOW
from tests.rules.test_writers import (
    GOOD,
    NEW,
    ON_MERGE,
    PLACE,
    REDS,
    RUNNING,
    UNREAD,
    hourly,
    judged,
    marker,
    merged,
)

if TYPE_CHECKING:
    from kopsversion.rules.writers import WriterReport

RED = judged((evolve(GOOD, log=LogFacts(tested=NEW)), *REDS), marker(49.1))
GREEN = judged((hourly(2, Result.PASSED),), marker(1))
IDLE = judged((hourly(6, Result.PASSED), hourly(5, UNREAD)), marker(5.1))
PENDING = judged((hourly(3, Result.PASSED), hourly(1, RUNNING)), marker(2.1), waits=True)
UNKNOWN = judged((), marker(2))
LEAST = judged(
    (merged(40, None, UNREAD), merged(30, "master", Result.FAILED)),
    marker(50, name="latest-ci.txt"),
    writer=ON_MERGE,
)
SCALE = Scale(NOW - 10 * DAY, NOW)


def report_of(*writers: WriterReport) -> HealthReport:
    health = with_writers(ChannelHealth(channel="master", policy=Policy()), writers, now=NOW)
    return HealthReport(store="gs://b/", now=NOW, channels=(health,))


@pytest.mark.parametrize(
    ("report", "cells"),
    [
        (RED, ("red", "2024-05-04 17:00 UTC (49 hours ago)", "48", "2024-05-04 16:00 UTC", "https")),
        (GREEN, ("green", "-", "-", "2024-05-06 16:00 UTC", "-")),
        (UNKNOWN, ("unknown", "-", "-", "-", "-")),
        (LEAST, ("red", "2024-05-05 12:00 UTC (30 hours ago)", "at least 1", "-", "https")),
    ],
)
def test_a_writer_is_a_row(report: WriterReport, cells: tuple[str, ...]) -> None:
    """A number of runs is shown as far as it was counted."""
    row = writer_cells(report, now=NOW)
    assert len(row) == len(WRITER_COLUMNS) - 1
    shown = tuple("https" if cell.startswith("https:") else cell for cell in row[2:])
    assert shown == cells


@pytest.mark.parametrize("report", [RED, GREEN, IDLE, PENDING, UNKNOWN, LEAST], ids=lambda each: each.state)
def test_every_state_is_shown_everywhere(report: WriterReport) -> None:
    """Each output takes each state, and names the job."""
    health = report_of(report)
    written = json.loads(health_to_json(health))["channels"][0]["writers"]
    assert written == [json.loads(json.dumps(writer_fields(report)))]
    assert written[0]["state"] == report.state
    assert report.job in health_to_html(health)
    assert "writer_last_run" in health_to_prometheus(health)


def test_what_is_not_known_has_no_sample() -> None:
    text = health_to_prometheus(report_of(UNKNOWN))
    assert "kopsversion_writer_consecutive_failures{" not in text
    assert "kopsversion_writer" not in health_to_prometheus(report_of())


@pytest.mark.parametrize(
    ("report", "kind", "width", "label", "is_linked"),
    [
        (RED, "bad", 20.42, "red since 2024-05-04 17:00 UTC (48 runs)", True),
        (LEAST, "bad", 12.5, "red since 2024-05-05 12:00 UTC (at least 1 run)", True),
        (IDLE, "bad", 2.08, "idle since 2024-05-06 13:00 UTC", False),
        (GREEN, "good", 0.0, "green", False),
        (PENDING, "slow", 0.0, "pending", False),
        (UNKNOWN, "ignored", 0.0, "unknown", False),
    ],
)
def test_a_job_is_a_strip_on_its_channels_lane(
    report: WriterReport, kind: str, width: float, label: str, *, is_linked: bool
) -> None:
    """From when it has been red until now, with the runs that were read, and a link to the newest failing one."""
    bar = job_bar(report, percent=SCALE.percent, start=SCALE.start)
    assert (bar.kind, bar.width) == (kind, width)
    assert bar.label.endswith(f": {label}")
    assert bar.href.startswith("https://prow.k8s.io/view/gs/") is is_linked


def test_no_more_runs_are_drawn_than_can_be_told_apart() -> None:
    """The newest of those that were read; what is in a directory has no link."""
    runs = [hourly(ago, Result.FAILED) for ago in range(100, 0, -1)]
    bar = job_bar(
        evolve(judged(runs, marker(150)), place="file:///x/"), percent=SCALE.percent, start=SCALE.start
    )
    assert len(bar.dots) == 60
    assert bar.dots[-1].kind == "bad"
    assert bar.href == ""
    unknown = job_bar(PENDING, percent=SCALE.percent, start=NOW - HOUR)
    assert [dot.kind for dot in unknown.dots] == ["ignored"]


def test_a_list_of_runs_leaves_out_what_is_empty() -> None:
    """Jobs without runs have no table, and nothing is said where there is nothing to say."""
    run = SeenRun.of(evolve(hourly(1, UNREAD)), place=PLACE)
    full = SeenRun.of(
        evolve(hourly(2, UNREAD), finished=Finished(at=NOW, result=Result.PASSED, version=NEW)), place=PLACE
    )
    same = SameBuild(version=NEW, runs=2, silent=0, since=NOW - 2 * HOUR, before=None)
    jobs = (
        ListedJob(job="a", runs=(run, full), same=same),
        ListedJob(
            job="b", channel="master", marker="markers/master/x.txt", failure="there are no runs of it"
        ),
    )
    listing = JobListing(place=PLACE, now=NOW, jobs=jobs, requests=3)
    runs, told = jobs_tables(listing)
    assert runs.title == "Runs of a, on 2024-05-06 18:00 UTC"
    assert runs.rows[0][1:6] == ("not read", "-", "-", "-", "-")
    assert runs.rows[1][1:6] == ("passed", "2 hours", "-", "-", str(NEW))
    assert told.rows == (("a", same.sentence(now=NOW)), ("b", "there are no runs of it"))
    alone = jobs_tables(evolve(listing, jobs=(evolve(jobs[0], same=None),)))
    assert [table.title for table in alone] == [runs.title]
    written = json.loads(jobs_to_json(listing))
    assert written["jobs"][0]["same_build"]["runs"] == 2
    assert written["jobs"][1]["same_build"] is None
