"""A health report as JUnit XML: one test case for each channel and check.

TestGrid makes a row of each name, so names have no version, time or number, and stay the same from run to run.

There are two forms, because no one is enough. The schemas of Jenkins (xunit-plugin) and of pytest allow properties of
the suite only; TestGrid reads those of test cases only, and shows one of them in the cells. So ``junit`` is valid by
both schemas, and ``testgrid`` is the same with numbers at test cases too. Both need junitparser, from the extra
``report``. This module must not know where the text goes.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from junitparser import Failure, JUnitXml, Properties, Property, Skipped, TestCase, TestSuite

from kopsversion.model.codec import time_text
from kopsversion.model.codes import Code
from kopsversion.model.tables import printable
from kopsversion.render.health_table import sentences_of, severity_of
from kopsversion.rules.report import Check

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from kopsversion.rules.report import ChannelHealth, CheckResult, Finding, HealthReport

__all__ = ["health_to_junit", "health_to_testgrid"]

SUITE = "kopsversion"


DAYS = "days"
"""The property of a row that TestGrid shows where a job's ``testgrid-in-cell-metric`` names it."""


def health_to_junit(report: HealthReport) -> str:
    """Write a health report; a check that found something serious is a failed test case."""
    return _written(report, [_case_of_the_check(report), *_cases(report)])


def health_to_testgrid(report: HealthReport) -> str:
    """Write a health report for TestGrid: with the numbers of each row as properties of its test case."""
    cases = [
        _with_properties(_case(check, channel=channel.channel), _properties_of(check, channel, report.now))
        for channel in report.channels
        for check in channel.checks
    ]
    return _written(report, [_case_of_the_check(report), *cases])


def _written(report: HealthReport, cases: list[TestCase]) -> str:
    suite = TestSuite(SUITE)
    suite.timestamp = time_text(report.now)
    for name, value in _properties(report):
        suite.add_property(name, value)
    suite.add_testcases(cases)
    document = JUnitXml(SUITE)
    document.add_testsuite(suite)
    document.update_statistics()  # type: ignore[no-untyped-call] # junitparser is annotated in part
    for element in (*document, document):
        element.time = round(report.took.total_seconds(), 3) if report.took is not None else 0
    # junitparser uses lxml where that is installed, which writes empty elements differently.
    text = ElementTree.tostring(_copied(document._elem), encoding="unicode")  # noqa: SLF001 # it has no public name
    return f'<?xml version="1.0" encoding="utf-8"?>\n{_SKIPPED.sub("", text, count=1)}\n'


def _copied(element: ElementTree.Element) -> ElementTree.Element:
    """Copy an element of either library into the standard library's."""
    copy = ElementTree.Element(element.tag, dict(element.attrib))
    copy.text, copy.tail = element.text, element.tail
    copy.extend(map(_copied, element))
    return copy


_SKIPPED = re.compile(r' skipped="[0-9]+"')
"""An attribute of the outermost element that the schemas of Jenkins and pytest do not know there."""


def _cases(report: HealthReport) -> Iterator[TestCase]:
    return (_case(check, channel=channel.channel) for channel in report.channels for check in channel.checks)


def _properties(report: HealthReport) -> Iterator[tuple[str, str]]:
    """Yield the numbers that a reader of the results wants to see over time; what is not known is left out."""
    yield "made by", report.made_by
    yield "store", printable(report.store)
    for channel in report.channels:
        lags = [marker.lag for marker in channel.markers if marker.lag is not None and not marker.ignored]
        if lags:
            yield f"{channel.channel}: days behind", _days(max(lags))
        if channel.testable is not None and channel.testable.uploaded is not None:
            yield f"{channel.channel}: build age in days", _days(report.now - channel.testable.uploaded)


def _properties_of(check: CheckResult, channel: ChannelHealth, now: datetime) -> Mapping[str, str]:
    """Return the numbers of a row: of a marker how long it is behind, of the builds how old the newest testable is."""
    if check.skipped is not None:
        return {}
    lag = next(
        (marker.lag for marker in channel.markers if check.name == f"{Check.MARKER} {marker.name}"), None
    )
    if lag is not None:
        return {DAYS: _days(lag), "days-behind": _days(lag)}
    if check.name == Check.FRESH and channel.testable is not None and channel.testable.uploaded is not None:
        age = now - channel.testable.uploaded
        return {DAYS: _days(age), "build-age-days": _days(age)}
    return {}


def _with_properties(case: TestCase, properties: Mapping[str, str]) -> TestCase:
    if properties:
        element = Properties()  # type: ignore[no-untyped-call] # junitparser is annotated in part
        for name, value in properties.items():
            element.add_property(Property(name, value))
        case.append(element)  # type: ignore[no-untyped-call] # the same
    return case


def _days(span: timedelta) -> str:
    return f"{span / timedelta(days=1):.1f}"


def _case_of_the_check(report: HealthReport) -> TestCase:
    """Return the test case of the check itself: if it fails, the other results mean nothing."""
    case = TestCase("check: something can be read", classname=SUITE, time=0)
    if report.nothing_read:
        # Not an error: TestGrid knows failures only.
        failure = Failure(printable(report.headline), Code.CHECK_FAILED)
        if report.failure is not None:
            failure.text = _sentence(report.failure)
        case.result = [failure]
    return case


def _case(check: CheckResult, *, channel: str) -> TestCase:
    case = TestCase(f"{channel}: {check.name}", classname=SUITE, time=0)
    if check.skipped is not None:
        case.result = [Skipped(check.skipped)]
    elif check.failed:
        case.result = [_failure(check)]
    elif check.findings:
        case.system_out = _in_words(check)
    return case


def _failure(check: CheckResult) -> Failure:
    worst = check.findings[0].condition
    failure = Failure(printable(worst.message), worst.code)
    failure.text = _in_words(check)
    return failure


def _in_words(check: CheckResult) -> str:
    return "\n".join(_sentence(finding) for finding in check.findings)


def _sentence(finding: Finding) -> str:
    return printable(f"{severity_of(finding).upper()} {finding.condition.code}: {sentences_of(finding)}")
