"""A health report as JUnit XML: one test case for each channel and check (issue 6, item 2).

TestGrid makes a row of each name, so the names stay the same from run to run: no version, time or number is in
one. Needs junitparser, from the extra ``report``. This module must not know where the text goes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite

from kopsversion.model.codec import time_text
from kopsversion.model.tables import printable
from kopsversion.render.health_table import sentences_of, severity_of

if TYPE_CHECKING:
    from kopsversion.rules.health import CheckResult, Finding, HealthReport

__all__ = ["health_to_junit"]

SUITE = "kopsversion"


def health_to_junit(report: HealthReport) -> str:
    """Write a health report; a check that found something serious is a failed test case."""
    suite = TestSuite(SUITE)
    suite.timestamp = time_text(report.now)
    suite.add_testcase(_whole(report))
    for channel in report.channels:
        for check in channel.checks:
            suite.add_testcase(_case(check, channel=channel.channel))
    document = JUnitXml(SUITE)
    document.add_testsuite(suite)
    document.update_statistics()  # type: ignore[no-untyped-call] # junitparser is annotated in part
    text: str = document.tostring().decode()  # type: ignore[no-untyped-call] # the same
    return f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n'


def _whole(report: HealthReport) -> TestCase:
    """Return the test case of the check itself: without a result of it, no other result says anything."""
    case = TestCase("check: something can be read", classname=SUITE, time=0)
    if report.nothing_read:
        error = Error(printable(report.headline), "check-failed")
        if report.failure is not None:
            error.text = _sentence(report.failure)
        case.result = [error]
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
