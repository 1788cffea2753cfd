"""JUnit as Jenkins and pytest read it, and the properties in it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest

from kopsversion.render.junit import health_to_junit, health_to_testgrid
from tests.health_reports import everything, incident, longest, many, nothing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from kopsversion.rules.report import HealthReport

TIME = re.compile(r"[0-9]*(\.[0-9]{0,3})?")
"""Of the two schemas the stricter one: pytest's allows three digits after the point."""

CHILDREN = {
    "testsuites": {"testsuite"},
    "testsuite": {"testsuite", "properties", "testcase", "system-out", "system-err"},
    "properties": {"property"},
    "property": set(),
    # Jenkins' has error, pytest's errors, so neither; properties are in neither.
    "testcase": {"skipped", "failure", "system-out", "system-err"},
    "failure": set(),
    "skipped": set(),
    "system-out": set(),
    "system-err": set(),
}
REQUIRED = {
    "testsuite": {"name", "tests", "failures", "errors"},
    "testcase": {"name"},
    "property": {"name", "value"},
}
ALLOWED = {
    "testsuites": {"name", "time", "tests", "failures", "errors"},
    "testsuite": {
        *("name", "tests", "failures", "errors", "group", "time", "skipped", "timestamp", "hostname", "id"),
        *("package", "file", "log", "url"),
    },
    "testcase": {"name", "time", "classname", "group"},
    "property": {"name", "value"},
    "failure": {"type", "message"},
    "skipped": {"type", "message"},
}
"""What junit-10.xsd of Jenkins' xunit-plugin and of pytest both allow."""


def faults(element: ElementTree.Element) -> Iterator[str]:
    """Yield what the schemas have against an element and what is in it."""
    names = set(element.attrib)
    if missing := REQUIRED.get(element.tag, set()) - names:
        yield f"{element.tag} lacks {missing}"
    if strange := names - ALLOWED.get(element.tag, set()):
        yield f"{element.tag} has {strange}"
    if element.tag in {"testsuites", "testsuite"}:
        if not TIME.fullmatch(element.get("time", "")):
            yield f"{element.tag} took {element.get('time')}"
        if (element.text or "").strip():
            yield f"{element.tag} has text"
    for child in element:
        if child.tag not in CHILDREN[element.tag]:
            yield f"{element.tag} holds {child.tag}"
        else:
            yield from faults(child)


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, HealthReport]:
    return {
        "incident": incident(tmp_path_factory.mktemp("demo")),
        "everything": everything(),
        "longest": longest(),
        "many": many(),
        "nothing": nothing(),
    }


class TestSchema:
    @pytest.mark.parametrize("name", ["incident", "everything", "longest", "many", "nothing"])
    def test_valid(self, name: str, reports: Mapping[str, HealthReport]) -> None:
        """What is written is valid by Jenkins' schema and by pytest's."""
        assert list(faults(ElementTree.fromstring(health_to_junit(reports[name])))) == []

    @pytest.mark.parametrize(
        "wrong",
        [
            '<testsuites skipped="0"/>',
            '<testsuites><testsuite name="x"/></testsuites>',
            '<testsuites><testsuite name="x" tests="0" failures="0" errors="0" time="1.2345"/></testsuites>',
            (
                '<testsuites><testsuite name="x" tests="1" failures="0" errors="0"><testcase name="x"><properties/>'
                "</testcase></testsuite></testsuites>"
            ),
            (
                '<testsuites><testsuite name="x" tests="1" failures="0" errors="1"><testcase name="x"><error/>'
                "</testcase></testsuite></testsuites>"
            ),
        ],
    )
    def test_the_check_can_fail(self, wrong: str) -> None:
        """The rules refuse what the schemas refuse."""
        assert list(faults(ElementTree.fromstring(wrong)))


class TestTestGrid:
    def test_numbers_are_at_test_cases(self, reports: Mapping[str, HealthReport]) -> None:
        """TestGrid reads properties of a test case, as numbers: how long a marker is behind, how old builds are."""
        tree = ElementTree.fromstring(health_to_testgrid(reports["everything"]))
        found = {
            case.get("name"): {
                each.get("name"): float(each.get("value", "")) for each in case.iter("property")
            }
            for case in tree.iter("testcase")
        }
        assert {name: numbers for name, numbers in found.items() if numbers} == {
            "master: builds keep coming": {"days": 3.0, "build-age-days": 3.0},
            "master: marker latest-ci-updown-green.txt": {"days": 3.0, "days-behind": 3.0},
            "master: marker latest-ci.txt": {"days": 0.0, "days-behind": 0.0},
            "release-1.29: builds keep coming": {"days": 0.0, "build-age-days": 0.0},
            "release-1.29: marker latest-ci.txt": {"days": 0.0, "days-behind": 0.0},
            "release-1.29: marker latest-ci-old.txt": {"days": 0.2, "days-behind": 0.2},
        }

    @pytest.mark.parametrize("name", ["incident", "everything", "longest", "many", "nothing"])
    def test_nothing_else_differs(self, name: str, reports: Mapping[str, HealthReport]) -> None:
        """Rows, results and messages are those of the other form."""
        tree = ElementTree.fromstring(health_to_testgrid(reports[name]))
        for case in tree.iter("testcase"):
            for properties in case.findall("properties"):
                case.remove(properties)
        plain = ElementTree.fromstring(health_to_junit(reports[name]))
        assert ElementTree.canonicalize(ElementTree.tostring(tree)) == ElementTree.canonicalize(
            ElementTree.tostring(plain)
        )


class TestProperties:
    def test_numbers(self, reports: Mapping[str, HealthReport], tmp_path: Path) -> None:
        """Days behind and the age of the newest testable build, where they are known, and who made it."""
        tree = ElementTree.fromstring(health_to_junit(reports["everything"]))
        found = {each.get("name"): each.get("value") for each in tree.iter("property")}
        assert found == {
            "made by": "kopsversion 0.1.0",
            "store": "gs://k8s-staging-kops/kops/releases/",
            "master: days behind": "3.0",
            "master: build age in days": "3.0",
            "release-1.29: days behind": "0.2",
            "release-1.29: build age in days": "0.0",
        }

    def test_duration(self, reports: Mapping[str, HealthReport]) -> None:
        """How long the check took is the suite's time."""
        (suite,) = ElementTree.fromstring(health_to_junit(reports["everything"]))
        assert suite.get("time") == "3.0"

    def test_nothing_read(self, reports: Mapping[str, HealthReport]) -> None:
        """Row 34: that nothing could be read is a failure, which TestGrid sees, and no error, which it does not."""
        tree = ElementTree.fromstring(health_to_junit(reports["nothing"]))
        failure = tree.find(".//testcase[@name='check: something can be read']/failure")
        assert failure is not None
        assert failure.get("type") == "check-failed"
