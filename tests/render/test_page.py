"""The page: what it says and in which order, where it leads, and how it looks in a browser."""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import html5lib
import pytest
from attrs import evolve

from kopsversion.model.answer import Condition, Severity, Verdict
from kopsversion.model.channel import BRANCH_MARKER, GREEN_MARKER, MASTER
from kopsversion.render import html as html_module
from kopsversion.render.html import health_to_html
from kopsversion.render.lanes import Scale
from kopsversion.render.links import Links
from kopsversion.rules.report import ChannelHistory, HealthReport
from tests.builders import DAY, HOUR, NODEUP, NOW, alpha, build, marker, snapshot
from tests.health_reports import crowded, everything, explained, incident, judged, longest, many, nothing
from tests.render.browser import axe, browse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from xml.etree import ElementTree

NAMES = ("incident", "everything", "longest", "nothing", "many", "healthy", "jobs")
WIDTHS = (320, 390, 768, 1440, 2560)


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, HealthReport]:
    return {
        "incident": incident(tmp_path_factory.mktemp("demo")),
        "everything": everything(),
        "longest": longest(),
        "nothing": nothing(),
        "many": many(),
        "healthy": many(2),
        "jobs": explained(tmp_path_factory.mktemp("jobs")),
    }


@pytest.fixture(scope="module")
def pages(reports: Mapping[str, HealthReport]) -> Mapping[str, str]:
    return {name: health_to_html(report) for name, report in reports.items()}


def tree(page: str) -> ElementTree.Element:
    """Read a page as a browser does."""
    found: ElementTree.Element = html5lib.parse(page, namespaceHTMLElements=False)
    return found


def texts(element: ElementTree.Element) -> str:
    return " ".join("".join(element.itertext()).split())


def by_class(page: str, name: str) -> Iterator[ElementTree.Element]:
    return (each for each in tree(page).iter() if name in each.get("class", "").split())


class TestPage:
    @pytest.mark.parametrize("name", NAMES)
    def test_valid(self, name: str, pages: Mapping[str, str]) -> None:
        """The page is valid HTML5, and no two of its elements have the same name."""
        html5lib.HTMLParser(strict=True).parse(pages[name])
        names = [each.get("id") for each in tree(pages[name]).iter() if each.get("id")]
        assert len(names) == len(set(names))

    def test_size(self, pages: Mapping[str, str]) -> None:
        """30 channels with 90 builds each take less than 600 kB."""
        assert len(pages["many"].encode()) < 600_000

    def test_five_thousand_builds(self) -> None:
        """The page is valid, has a tick for each build, and stays below 1.7 megabytes, with 5,000 builds."""
        text = health_to_html(crowded(5000))
        html5lib.HTMLParser(strict=True).parse(text)
        (builds,) = by_class(text, "builds")
        assert len(list(builds)) == 5000
        assert len(text) < 1_700_000

    @pytest.mark.parametrize("name", NAMES)
    def test_alone(self, name: str, pages: Mapping[str, str]) -> None:
        """The page fetches nothing, and its policy forbids every script but its own."""
        page = pages[name]
        assert not re.search(r"""\ssrc=|url\((?!#)|@import""", page)
        assert [each.get("href") for each in tree(page).iter("link")] == ["data:,"]
        (script,) = tree(page).iter("script")
        digest = base64.b64encode(hashlib.sha256((script.text or "").encode()).digest()).decode()
        assert (
            f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-{digest}'"
            in page
        )

    def test_hostile_text(self, pages: Mapping[str, str]) -> None:
        """Text is escaped, and is printable."""
        page = pages["everything"]
        assert page.count("<script") == 1
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
        assert page.replace("\n", "").isprintable()

    def test_every_moment_is_marked_up(self, pages: Mapping[str, str]) -> None:
        """Every moment that is named is one that a machine can read."""
        for element in tree(pages["everything"]).iter():
            if element.tag not in {"time", "style", "script", "title"}:
                said = " ".join([element.text or "", *(child.tail or "" for child in element)])
                assert not re.search(r"[0-9]{2}:[0-9]{2} UTC", said), said

    def test_made_by(self, pages: Mapping[str, str]) -> None:
        """It says which kopsversion made it."""
        assert '<meta name="generator" content="kopsversion 0.1.0">' in pages["incident"]
        assert "Written by <code>kopsversion 0.1.0</code>" in pages["incident"]


class TestFirstScreen:
    def test_what_is_broken_and_since_when(self, pages: Mapping[str, str]) -> None:
        """The first sentence says which channels are unhealthy, and why in a few words."""
        (title,) = tree(pages["incident"]).iter("h1")
        assert texts(title).endswith("1 of 4 channels is unhealthy: master (no build since 6 March).")

    def test_worst_first(self, pages: Mapping[str, str]) -> None:
        """Errors come before what could not be read, that before warnings, and all that before the timeline."""
        page = pages["everything"]
        anchors = [each.get("id") for each in tree(page).iter("article")]
        assert anchors == ["release-1.28", "release-1.27", "release-1.26", "master"]
        assert page.index("<article") < page.index('<div class="timeline">') < page.index("<table>")
        lanes = [
            texts(next(each.iter("b")))
            for each in by_class(page, "lane")
            if next(each.iter("b"), None) is not None
        ]
        assert lanes[:5] == ["release-1.28", "release-1.27", "release-1.26", "master", "release-1.29"]

    def test_levels_are_told_apart_without_colour(self, pages: Mapping[str, str]) -> None:
        """Error, warning and unreadable have each a word and a sign of their own."""
        badges = {texts(each) for each in by_class(pages["everything"], "badge")}
        assert badges == {"✕ error", "! warning", "? unreadable", "✓ healthy"}

    @pytest.mark.parametrize("name", ["incident", "everything", "nothing", "many", "jobs"])
    def test_each_finding_once(
        self, name: str, reports: Mapping[str, HealthReport], pages: Mapping[str, str]
    ) -> None:
        """No finding is missing, and none is said twice; runs of jobs are named by their numbers."""
        listed = [texts(each) for each in by_class(pages[name], "findings") for each in each.iter("li")]
        for _, finding in reports[name].findings:
            message = re.sub(r"`([^`]+)`", r"\1", finding.condition.message)  # commands are <code>
            message = re.sub(r"(?:https|file)://[^ ;,]+/([0-9]{19})/?", r"run \1", message)
            said = " ".join(message.replace("\x1b", r"\x1b").split())
            assert sum(said in each for each in listed) == 1, said
        assert len(listed) == len(reports[name].findings)

    def test_what_to_do_and_whom_to_ask(self, pages: Mapping[str, str]) -> None:
        """Each finding says what to do, and below them stands whom to ask."""
        page = pages["incident"]
        assert "fix the postsubmit job" in page
        (ask,) = by_class(page, "ask")
        assert texts(ask).startswith("Ask #kops-dev on Kubernetes' Slack")

    def test_the_cause_comes_first(self, reports: Mapping[str, HealthReport]) -> None:
        """Of equally bad findings the job that explains the others comes first, as the first cause."""
        master = reports["incident"].channels[0]
        red = Condition(
            "writer-red",
            Severity.WARNING,
            "kops-postsubmit has been red since 8 March",
            {"job": "kops-postsubmit", "marker": "markers/master/latest-ci.txt"},
        )
        found = tuple(evolve(each, condition=red) for each in master.findings[:1])
        page = health_to_html(
            evolve(reports["incident"], channels=(evolve(master, findings=(*master.findings, *found)),))
        )
        (title,) = tree(page).iter("h1")
        assert "master (no build since 6 March: kops-postsubmit is red)" in texts(title)
        assert page.index("has been red since 8 March") < page.index("master has had no build")
        hrefs = [each.get("href") for each in tree(page).iter("a")]
        assert "https://prow.k8s.io/?job=kops-postsubmit" in hrefs

    def test_a_job_that_explains_nothing_is_no_cause(self, reports: Mapping[str, HealthReport]) -> None:
        """A red job is not said to be why builds are incomplete, and comes after them."""
        channel = reports["everything"].channels[2]
        red = Condition(
            "writer-red",
            Severity.ERROR,
            "the pipeline has been red since 8 March",
            {"job": "pipeline", "marker": "markers/release-1.28/latest-ci-updown-green.txt"},
        )
        found = evolve(channel.findings[0], condition=red)
        ill = evolve(channel, findings=(found, *channel.findings))
        page = health_to_html(evolve(reports["everything"], channels=(ill,)))
        (title,) = tree(page).iter("h1")
        assert texts(title).endswith("release-1.28 (no testable build; latest-ci names an incomplete build).")
        assert [each.text for each in title.iter("span") if each.get("class") == "whole"] == ["release-1.28"]
        (cause,) = by_class(page, "cause")
        assert texts(cause) == "no testable build; latest-ci names an incomplete build; pipeline is red"
        assert page.index("the only build of release-1.28") < page.index("the pipeline has been red")

    @pytest.mark.parametrize("age", [2 * DAY, 4 * HOUR], ids=["a warning", "information"])
    def test_newer_builds_incomplete(self, age: timedelta) -> None:
        """That newer builds are incomplete is the cause, also where they are too young to be a fault by themselves."""
        held = snapshot(
            build(alpha(5), uploaded=NOW - 3 * DAY),
            build(alpha(7), uploaded=NOW - age, without=NODEUP),
            markers=[
                marker(MASTER, GREEN_MARKER, alpha(5), written=NOW - 2 * DAY),
                marker(MASTER, BRANCH_MARKER, alpha(7), written=NOW - age),
            ],
        )
        page = health_to_html(HealthReport(store="x", now=NOW, channels=(judged(held, MASTER),)))
        (cause,) = by_class(page, "cause")
        assert texts(cause) == "1 newer build incomplete; latest-ci names an incomplete build"

    def test_all_well(self, pages: Mapping[str, str]) -> None:
        """Where all is well the page says so first, and asks for nothing."""
        page = pages["healthy"]
        (title,) = tree(page).iter("h1")
        assert texts(title) == "✓All is well: all 2 channels are healthy."
        assert not list(by_class(page, "ask"))
        assert next(texts(each) for each in tree(page).iter("h2")) == "Builds and markers"

    def test_nothing_could_be_read(self, pages: Mapping[str, str]) -> None:
        """Row 34: the page says that nothing could be checked, and why once, and draws no timeline."""
        (title,) = tree(pages["nothing"]).iter("h1")
        assert texts(title) == "?Nothing could be checked."
        (body,) = tree(pages["nothing"]).iter("body")
        assert texts(body).count("did not answer: connection refused") == 1
        assert '<div class="timeline">' not in pages["nothing"]

    def test_contents(self, pages: Mapping[str, str]) -> None:
        """Above eight channels there is a table of contents, worst first, with the cause of each."""
        entries = [texts(each) for part in by_class(pages["many"], "contents") for each in part]
        assert len(entries) == 30
        assert entries[0] == "!release-1.38 green 51 days behind (45 builds)"
        assert entries[-1].startswith("✓")
        assert not list(by_class(health_to_html(many(8)), "contents"))

    @pytest.mark.parametrize("name", NAMES)
    def test_anchors(self, name: str, pages: Mapping[str, str], reports: Mapping[str, HealthReport]) -> None:
        """Each channel can be linked to, and every link within the page leads somewhere."""
        page = pages[name]
        names = {each.get("id") for each in tree(page).iter() if each.get("id")}
        inward = {
            (each.get("href") or "")[1:]
            for each in tree(page).iter("a")
            if (each.get("href") or "").startswith("#")
        }
        assert inward <= names
        assert {channel.channel for channel in reports[name].channels} <= inward


class TestAge:
    def test_without_script(self, pages: Mapping[str, str]) -> None:
        """When it was made, and when the next is due, can be read without script."""
        page = pages["incident"]
        assert '<time id="checked" datetime="2024-05-06T18:00Z">2024-05-06 18:00 UTC</time>' in page
        assert 'due at <time datetime="2024-05-06T19:00Z">' in page

    def test_interval(self, reports: Mapping[str, HealthReport]) -> None:
        """How often the page is made is configurable; of a look at the past none is due."""
        page = health_to_html(reports["incident"], interval=timedelta(minutes=30))
        assert 'data-interval="1800"' in page
        assert "due at" not in health_to_html(reports["incident"], interval=None)
        assert "<script" not in health_to_html(reports["incident"], interval=None)


class TestLinks:
    def test_default_links(self, pages: Mapping[str, str]) -> None:
        """Channel, version, stale marker and code lead to where one looks next: kops' own places."""
        hrefs = {each.get("href") for each in tree(pages["everything"]).iter("a")}
        assert {
            "https://github.com/kubernetes/kops/tree/master",
            "https://github.com/kubernetes/kops/commit/0000000007",
            "https://github.com/kubernetes/kops/compare/0000000005...0000000007",
            "https://storage.googleapis.com/k8s-staging-kops/kops/releases/markers/master/latest-ci-updown-green.txt",
            "#code-marker-stale",
        } <= hrefs

    def test_configured_links(self, reports: Mapping[str, HealthReport]) -> None:
        """Where links lead is a matter of configuration; what has no place is no link."""
        links = Links(
            branch="",
            commit="https://git.example/{commit}",
            condition="https://docs.example/c#{code}",
            contact="",
        )
        page = health_to_html(reports["incident"], links=links)
        hrefs = {each.get("href") or "" for each in tree(page).iter("a")}
        assert "https://git.example/22ce1230da" in hrefs
        assert "https://docs.example/c#builds-old" in hrefs
        assert not any("tree/" in each or "slack" in each for each in hrefs)
        assert "What the codes mean" not in page

    def test_nobody_to_ask(self, reports: Mapping[str, HealthReport]) -> None:
        """Where nobody is named nobody is to be asked."""
        assert not list(by_class(health_to_html(reports["incident"], links=Links(contact_name="")), "ask"))

    def test_runs(self, reports: Mapping[str, HealthReport]) -> None:
        """A run is a link of a few letters in a message and in a table, and its URL is not to be read."""
        master, *_ = reports["jobs"].channels
        place, failing = "https://prow.k8s.io/view/gs/logs/job", master.writers[0].newest_failing_run
        assert failing is not None
        condition = Condition(
            "writer-red",
            Severity.WARNING,
            f"job is red, {place}/17; the first is {place}/1; the last one file:///logs/job/2/",
            {
                "newest_failing_run": f"{place}/17",
                "first_failing_run": f"{place}/1",
                "run_on_its_way": "file:///logs/job/2/",
                "last_good_run": f"{place}/3",
            },
        )
        found = evolve(master.findings[0], condition=condition)
        page = health_to_html(evolve(reports["jobs"], channels=(evolve(master, findings=(found,)),)))
        links = {texts(each): each.get("href") for each in tree(page).iter("a")}
        assert links["run 17"] == f"{place}/17"
        assert links["run 1"] == f"{place}/1"
        assert links["last good run"] == f"{place}/3"
        assert links["2024-05-06 15:22 UTC"] == failing.url
        (item,) = [each for ul in by_class(page, "findings") for each in ul if "job is red" in texts(each)]
        assert "job is red, run 17; the first is run 1; the last one run 2." in texts(item)

    @pytest.mark.parametrize("name", NAMES)
    def test_outward_links_lead_to_the_web(self, name: str, pages: Mapping[str, str]) -> None:
        """Nothing from a bucket becomes an address of another kind."""
        for each in tree(pages[name]).iter("a"):
            assert re.match(r"https?://[a-z.0-9-]+/|#[A-Za-z]", each.get("href") or "")


class TestLanes:
    def test_cause(self, pages: Mapping[str, str]) -> None:
        """The lane tells what is wrong, not only how old something is."""
        notes = [texts(each) for each in by_class(pages["many"], "note")]
        assert "green 51 days behind (45 builds)" in notes
        assert any(each.startswith("no build since 1") for each in notes)
        notes = [texts(each) for each in by_class(pages["everything"], "note")]
        assert notes[3].startswith(
            "19 merges not built; 1 newer build incomplete; green 3 days behind (1 build); latest-ci-other holds no"
        )

    def test_builds(self, pages: Mapping[str, str]) -> None:
        """Each build has its version, its time, and what is wrong with it, as a list that can be opened."""
        builds = [texts(each) for builds in by_class(pages["incident"], "builds") for each in builds]
        assert (
            "3 Mar 18:01 1.29.0-alpha.4+v1.29.0-alpha.3-369-g8f29969f20 refused: linux/arm64/nodeup is missing"
            in builds
        )
        assert "25 builds of master as a list" in [
            texts(each) for each in tree(pages["incident"]).iter("label")
        ]

    def test_markers_without_a_place(self, pages: Mapping[str, str]) -> None:
        """A marker that names nothing that has a place stands at the lane's end."""
        nowhere = {texts(each).partition(" markers/")[0] for each in by_class(pages["everything"], "nowhere")}
        assert {label.split(")")[0] for label in nowhere} == {
            "latest-ci (missing",
            "latest-ci-other (malformed",
            "latest-ci-unused (missing, ignored",
        }

    @pytest.mark.parametrize("verdict", [Verdict.DANGLING, Verdict.FOREIGN, Verdict.UNREACHABLE])
    def test_other_markers_without_a_place(self, verdict: Verdict) -> None:
        """Whatever is wrong with it, no marker is left out of the picture."""
        channel = many(1).channels[0]
        lost = evolve(channel.markers[0].report, verdict=verdict)
        markers = (evolve(channel.markers[0], report=lost, builds_behind=None), channel.markers[1])
        page = health_to_html(
            evolve(many(1), channels=(evolve(channel, markers=markers, builds=channel.builds[1:]),))
        )
        assert any(str(verdict) in texts(each) for each in by_class(page, "nowhere"))

    def test_earlier(self, pages: Mapping[str, str]) -> None:
        """A marker at a build from before the timeline, and a newest build from before it, are drawn at its edge."""
        assert "◂ earlier: latest-ci-old (lagging 5 hours)" in [
            texts(each) for each in by_class(pages["everything"], "label")
        ]
        channel = many(1).channels[0]
        assert channel.newest is not None
        old = evolve(channel.newest, uploaded=NOW - 200 * DAY)
        page = health_to_html(evolve(many(1), channels=(evolve(channel, newest=old, builds=()),)))
        assert [texts(each) for each in by_class(page, "earlier")] == [
            "◂ earlier: newest build 19 October 2023"
        ]

    @pytest.mark.parametrize("name", NAMES)
    def test_only_what_is_drawn_is_explained(self, name: str, pages: Mapping[str, str]) -> None:
        """The legend explains what the page draws, and nothing else."""
        page = pages[name]
        legend = [texts(each) for ul in by_class(page, "legend") for each in ul]
        drawn = {
            "testable build": any(
                each.get("class") is None for ol in by_class(page, "builds") for each in ol
            ),
            "refused build": any(each.get("class") == "r" for ol in by_class(page, "builds") for each in ol),
            "build that may still be uploading": any(
                each.get("class") == "u" for ol in by_class(page, "builds") for each in ol
            ),
            "∅marker that names no build with a place here": bool(list(by_class(page, "nowhere"))),
            "builds have stopped": any(
                "quiet" not in each.get("class", "") for each in by_class(page, "gap")
            ),
            "no build for long, which does not count as wrong": bool(list(by_class(page, "quiet"))),
            "◂ from before this timeline": "◂ earlier" in page,
            "promotion lag over time": bool(list(by_class(page, "lag-label"))),
            "run of a job that passed": any(list(each.iter("b")) for each in by_class(page, "runs")),
            "run of a job that failed": any(
                dot.get("class") == "bad" for each in by_class(page, "runs") for dot in each.iter("b")
            ),
            "the job has not done its work": any(list(each.iter("i")) for each in by_class(page, "runs")),
        }
        for words, is_drawn in drawn.items():
            assert (words in legend) == is_drawn, words

    def test_gap(self, pages: Mapping[str, str]) -> None:
        """Every gap that matters has its label, whatever its width."""
        labels = [texts(each) for each in by_class(pages["incident"], "gap-label")]
        assert labels == ["no build since 6 March (61 days)", "no build since 2 February (94 days)"]
        quiet = [
            texts(each)
            for each in by_class(pages["incident"], "gap-label")
            if "quiet" in each.get("class", "")
        ]
        assert quiet == labels[1:]  # which is only good to know
        labels = [texts(each) for each in by_class(pages["everything"], "gap-label")]
        assert labels == ["no build"]

    def test_narrow_gap(self, reports: Mapping[str, HealthReport]) -> None:
        """A gap of a few days has its label too."""
        master = reports["incident"].channels[0]
        assert master.newest is not None
        assert master.newest.uploaded is not None
        report = evolve(reports["incident"], now=master.newest.uploaded + 16 * DAY, channels=(master,))
        assert [texts(each) for each in by_class(health_to_html(report), "gap-label")] == [
            "no build since 6 March (16 days)"
        ]

    def test_no_known_time(self) -> None:
        """A channel whose newest build has no known time is said to have no build."""
        channel = evolve(crowded(1).channels[0], newest=None, testable=None, builds=())
        page = health_to_html(HealthReport(store="x", now=NOW, channels=(channel,)))
        assert [texts(each) for each in by_class(page, "note")] == ["no build"]

    def test_history(self, reports: Mapping[str, HealthReport]) -> None:
        """With earlier runs the page says since when, how often, and draws the lag over time."""
        ill, *_ = reports["incident"].channels
        lags = tuple((NOW - n * HOUR, n * HOUR) for n in reversed(range(500)))
        history = ChannelHistory(since=NOW - 3 * DAY, recurring={"marker-stale x": 3}, lags=lags)
        findings = tuple(evolve(each, is_new=True) for each in ill.findings[:1])
        page = health_to_html(
            evolve(reports["incident"], channels=(evolve(ill, history=history, findings=findings),))
        )
        (since,) = by_class(page, "since")
        assert texts(since) == (
            "Unhealthy since 2024-05-03 18:00 UTC (3 days). marker-stale x: 3 times in 30 days."
        )
        assert "New since the last run." in page
        (label,) = by_class(page, "lag-label")
        assert texts(label) == "promotion lag over time, at most 20 days"
        (path,) = [each for svg in by_class(page, "lag") for each in svg if str(each.tag).endswith("path")]
        assert (path.get("d") or "").count("L") < 65

    @pytest.mark.parametrize(("since_before", "said"), [(True, "(3 days or longer)"), (False, "(3 days)")])
    def test_since_before(self, since_before: bool, said: str, reports: Mapping[str, HealthReport]) -> None:  # noqa: FBT001 # a case
        """Where the first run that was kept found it already, it may have begun earlier."""
        ill, *_ = reports["incident"].channels
        history = ChannelHistory(since=NOW - 3 * DAY, is_since_before=since_before)
        first, *others = ill.findings
        found = (
            evolve(first, first_seen=NOW - 2 * DAY),
            *(evolve(each, first_seen=NOW - 3 * DAY) for each in others),
        )
        page = health_to_html(
            evolve(reports["incident"], channels=(evolve(ill, history=history, findings=found),))
        )
        assert said in texts(next(by_class(page, "since")))
        listed = [texts(each) for each in by_class(page, "findings") for each in each.iter("li")]
        since = [each for each in listed if "Found since" in each]
        assert len(since) == 1
        assert "Found since 2024-05-04 18:00 UTC." in since[0]  # the others since their channel is unhealthy

    def test_recurring_in_a_healthy_channel(self) -> None:
        """What has come and gone is good to know of a healthy channel too."""
        channel = evolve(many(1).channels[0], history=ChannelHistory(recurring={"marker-stale x": 3}))
        page = health_to_html(evolve(many(1), channels=(channel,)))
        assert "marker-stale x: 3 times in 30 days" in page.partition("Good to know")[2]

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
        page = health_to_html(HealthReport(store="x", now=NOW, channels=(channel,)))
        (axis,) = by_class(page, "axis")
        assert [texts(each) for each in axis.iter("time")] == labels

    def test_scale(self) -> None:
        """Moments before and after the timeline stand at its edges."""
        scale = Scale(NOW - 10 * DAY, NOW)
        assert [scale.percent(NOW - age) for age in (11 * DAY, 5 * DAY, -HOUR)] == [0, 50, 100]


class TestTables:
    def test_no_column_is_empty(self, pages: Mapping[str, str]) -> None:
        """A column without any value is left out."""
        headings = [
            [texts(each) for each in head.iter("th")] for head in tree(pages["incident"]).iter("thead")
        ]
        assert headings[0] == ["channel", "state", "newest testable build", "age", "newest build"]
        assert "merges behind" in [texts(each) for each in tree(pages["everything"]).iter("th")]

    def test_empty_cells(self, pages: Mapping[str, str]) -> None:
        """A cell without a value is marked, so that a phone leaves it out."""
        assert {texts(each) for each in by_class(pages["everything"], "none")} == {"-"}


class TestColours:
    """Every mark can be seen, and every text read, on every background that it stands on."""

    STYLE = (Path(html_module.__file__).parent / "templates" / "health.css").read_text()
    TEXTS = ("ink", "soft", "link", "healthy", "warning", "error", "unreadable")
    MARKS = ("healthy", "warning", "error", "tick", "faint", "ink")

    @pytest.mark.parametrize("scheme", [0, 1, 2], ids=["light", "dark", "print"])
    def test_contrast(self, scheme: int) -> None:
        """4.5:1 for text, 3:1 for marks, in the light, in the dark, and on paper."""
        light, *others = re.findall(r":root \{([^}]*)\}", self.STYLE)
        colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]+)", [light, *others][scheme]))
        for ground in ("page", "panel"):
            for name in self.TEXTS:
                assert contrast(colours[name], colours[ground]) >= 4.5, (name, ground)
            for name in self.MARKS:
                assert contrast(colours[name], colours[ground]) >= 3, (name, ground)
        for level in ("healthy", "warning", "error", "unreadable"):
            assert contrast(colours[level], colours[f"{level}-tint"]) >= 4.5, level

    def test_paper_is_white(self) -> None:
        """On paper it is black on white, whatever the screen was."""
        assert self.STYLE.index("@media print") > self.STYLE.index("prefers-color-scheme: dark")
        paper = self.STYLE.partition("@media print")[2]
        assert "--page: #fff;" in paper
        assert "--ink: #000;" in paper


def contrast(one: str, other: str) -> float:
    """Reckon the contrast of two colours as WCAG does."""
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    parts = [int(digits[begin : begin + 2], 16) / 255 for begin in (0, 2, 4)]
    red, green, blue = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


class TestInBrowser:
    @pytest.mark.parametrize("width", WIDTHS)
    @pytest.mark.parametrize("name", ["everything", "longest"])
    def test_nothing_overlaps_or_sticks_out(
        self,
        name: str,
        width: int,
        tmp_path: Path,
        pages: Mapping[str, str],
        reports: Mapping[str, HealthReport],
    ) -> None:
        """From a phone to a wall: no text overlaps another, no tip, label or list leaves the page, nothing scrolls."""
        seen = browse(pages[name], tmp_path, width=width)
        assert seen["problems"] == []
        assert seen["width"] == width
        assert seen["texts"] > 50
        ticks = sum(len(channel.builds) for channel in reports[name].channels)
        assert seen["tips"] >= ticks == seen["listed"] > 0
        assert seen["visible"] == 0

    @pytest.mark.parametrize("width", [390, 920, 1440])
    def test_the_jobs_fit(self, width: int, tmp_path: Path, pages: Mapping[str, str]) -> None:
        """The runs of jobs below the builds, and the table of jobs: no word is broken where there are columns."""
        assert browse(pages["jobs"], tmp_path, width=width)["problems"] == []

    def test_names_are_not_cut_where_there_is_room(self, tmp_path: Path, pages: Mapping[str, str]) -> None:
        """On a desk no name of a marker is cut."""
        assert browse(pages["everything"], tmp_path, width=1440)["cut"] == 0

    def test_thirty_channels(self, tmp_path: Path, pages: Mapping[str, str]) -> None:
        """Thirty channels fit a phone, and no lane takes more than 60 steps to leave with the keyboard."""
        seen = browse(pages["many"], tmp_path, width=390, script=STOPS)
        assert 5 < seen["stops"] <= 60
        assert not seen["scrolls"]

    def test_dark(self, tmp_path: Path, pages: Mapping[str, str]) -> None:
        """Whoever prefers it dark gets it dark."""
        light = browse(pages["incident"], tmp_path, width=1280)
        dark = browse(pages["incident"], tmp_path, width=1280, dark=True)
        assert light["page"] == "rgb(255, 255, 255)"
        assert dark["page"] == "rgb(15, 18, 22)"
        assert dark["problems"] == []

    def test_age(self, tmp_path: Path, pages: Mapping[str, str]) -> None:
        """A page that is older than twice its interval says so."""
        assert re.fullmatch(
            r"This page is [0-9]+ days old: the check may have stopped\.",
            browse(pages["incident"], tmp_path, width=1280)["age"],
        )

    @pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
    @pytest.mark.parametrize(
        ("name", "width"), [("jobs", 1440), ("everything", 390), ("nothing", 768), ("healthy", 768)]
    )
    def test_axe(self, name: str, width: int, dark: bool, tmp_path: Path, pages: Mapping[str, str]) -> None:  # noqa: FBT001 # a case
        """axe-core finds nothing."""
        seen = axe(pages[name], tmp_path, width=width, dark=dark)
        assert seen["problems"] == []
        assert seen["passes"] > 10

    def test_bench_sees_faults(self, tmp_path: Path, pages: Mapping[str, str]) -> None:
        """The measurement finds a fault that was put in: it can fail."""
        page = pages["incident"].replace(
            "</style>", ".findings { width: 1500px; } .legend { margin-top: -20px; }</style>"
        )
        problems = browse(page, tmp_path, width=1280)["problems"]
        assert any("sticks out" in problem or "sideways" in problem for problem in problems)


STOPS = """
addEventListener("load", () => {
parent.document.body.getBoundingClientRect();
const stops = Math.max(...[...document.querySelectorAll(".lane")].map(
  lane => lane.querySelectorAll("a[href], input, [tabindex]").length));
const scrolls = document.documentElement.scrollWidth > innerWidth;
parent.document.querySelector("pre").textContent = JSON.stringify({stops, scrolls});
});
"""
