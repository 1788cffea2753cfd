"""The report of a bisection, and its plan: as tables, as Markdown for an issue, as JSON.

Anybody can write the subject of a merge, so subjects are escaped wherever they are shown. This module must not know how
anything was found.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kopsversion.model.codec import condition_fields, document, plain_fields, time_text
from kopsversion.model.program import MADE_BY
from kopsversion.model.tables import Table
from kopsversion.model.wording import count, moment
from kopsversion.render.markdown import escaped

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from kopsversion.rules.bisection import Plan
    from kopsversion.workflows.bisect import BisectReport, BuiltMerge, RangeEnd

__all__ = ["plan_tables", "plan_to_json", "report_tables", "report_to_json", "report_to_markdown"]

_SHORT = 10
"""Digits of a commit id, as in the names of builds."""


# --------------------------------------------------------------------------------------------------
# Tables


def report_tables(report: BisectReport) -> list[Table]:
    """Return the range, what was merged in it, and what was tested."""
    tables = [
        Table(
            title=f"The first bad build of {report.channel} is {report.bad.version}",
            rows=tuple(_summary(report)),
        )
    ]
    if report.untested:
        tables.append(
            Table(
                title="Between them, and not tested",
                columns=("build", "why"),
                rows=tuple((str(each.version), each.reason) for each in report.untested),
            )
        )
    if report.merges:
        tables.append(
            Table(
                title="Merged between them",
                columns=("commit", "merged", "build", "subject"),
                rows=tuple(_merge_cells(merge) for merge in report.merges),
            )
        )
    tables.append(
        Table(
            title="Tested",
            columns=("build", "outcome", "statuses"),
            rows=tuple(
                (str(each.version), str(each.finding.outcome), " ".join(map(str, each.finding.statuses)))
                for each in report.tested
            ),
        )
    )
    return tables


def _summary(report: BisectReport) -> Iterator[tuple[str, str]]:
    yield ("last good", _end_text(report.good))
    yield ("first bad", _end_text(report.bad))
    yield ("not tested between", count(len(report.untested), "build"))
    if report.merges is not None:
        never = sum(merge.version is None for merge in report.merges)
        yield ("merged between", f"{count(len(report.merges), 'merge')}, {never} of them never built")
    else:
        yield ("merged between", "a clone of kops tells (--repo)")
    if report.compare:
        yield ("compare", report.compare)
    yield ("store", report.store)


def _end_text(end: RangeEnd) -> str:
    uploaded = f", uploaded {moment(end.uploaded)}" if end.uploaded else ""
    return f"{end.version}{uploaded}{'' if end.is_tested else ' (not tested, but assumed)'}"


def _merge_cells(merge: BuiltMerge) -> tuple[str, ...]:
    built = str(merge.version) if merge.version else "never built"
    return (merge.commit[:_SHORT], moment(merge.time), built, merge.subject)


def plan_tables(plan: Plan, *, most: int) -> list[Table]:
    """Return what would be searched.

    Parameters:
        plan: the builds.
        most: the most tests that it takes, if none is skipped.
    """
    first, last = plan.builds[plan.good], plan.builds[plan.bad]
    inside = plan.builds[plan.good : plan.bad + 1]
    return [
        Table(
            title=f"Bisecting {plan.channel}",
            rows=(
                ("good", str(first.version)),
                ("bad", str(last.version)),
                ("builds", f"{len(inside)}, including both ends"),
                ("tests", f"at most {most}, and one for each that is skipped"),
            ),
        ),
        Table(
            title="The builds, oldest first",
            columns=("build", "uploaded", "by", "role"),
            rows=tuple(
                (
                    str(build.version),
                    moment(build.uploaded) if build.uploaded else "?",
                    f"{build.attribution.witness} ({build.attribution.certainty})",
                    _role(plan, position),
                )
                for position, build in enumerate(plan.builds)
            ),
        ),
    ]


def _role(plan: Plan, position: int) -> str:
    if position == plan.good:
        return "good end"
    if position == plan.bad:
        return "bad end"
    return "between" if plan.good < position < plan.bad else "outside"


# --------------------------------------------------------------------------------------------------
# Markdown


def report_to_markdown(report: BisectReport) -> str:
    """Write a report to paste into an issue."""
    return "\n".join(line for block in _blocks(report) for line in (*block, ""))


def _blocks(report: BisectReport) -> Iterator[Sequence[str]]:
    yield (f"## First bad build of {escaped(report.channel)}: `{report.bad.version}`",)
    yield (
        f"- last good: {_end_markdown(report.good)}",
        f"- first bad: {_end_markdown(report.bad)}",
        *([f"- what changed: {report.compare}"] if report.compare else []),
        f"- store: {escaped(report.store)}",
    )
    if report.conditions:
        yield [f"- **{each.severity}** {escaped(each.message)}" for each in report.conditions]
    if report.merges is not None:
        yield (f"### {count(len(report.merges), 'merge')} between them",)
        yield [_merge_markdown(merge) for merge in report.merges] or ["None."]
    if report.untested:
        yield ("### Builds between them that could not be tested",)
        yield [f"- `{each.version}`: {escaped(each.reason)}" for each in report.untested]
    yield (
        "<details><summary>What was tested</summary>",
        "",
        *(_tested_markdown(str(each.version), str(each.finding.outcome)) for each in report.tested),
        "",
        "</details>",
    )
    yield (f"Found by {MADE_BY}.",)


def _end_markdown(end: RangeEnd) -> str:
    uploaded = f", uploaded {moment(end.uploaded)}" if end.uploaded else ""
    return f"`{end.version}`{uploaded}{'' if end.is_tested else ' (not tested)'}"


def _merge_markdown(merge: BuiltMerge) -> str:
    built = f"`{merge.version}`" if merge.version else "never built"
    return f"- {merge.commit} {escaped(merge.subject)} ({moment(merge.time)}, {built})"


def _tested_markdown(version: str, outcome: str) -> str:
    return f"- `{version}`: {outcome}"


# --------------------------------------------------------------------------------------------------
# JSON


def report_to_json(report: BisectReport) -> str:
    """Write a report as JSON of schema 1; ``merges`` is ``null`` without a clone."""
    return document(
        {
            "channel": report.channel,
            "store": report.store,
            "good": _end_fields(report.good),
            "bad": _end_fields(report.bad),
            "untested": [{"version": str(each.version), "reason": each.reason} for each in report.untested],
            "merges": None if report.merges is None else [_merge_fields(each) for each in report.merges],
            "compare": report.compare,
            "tested": [
                {
                    "version": str(each.version),
                    "outcome": str(each.finding.outcome),
                    "statuses": list(each.finding.statuses),
                    "reason": each.finding.reason or None,
                }
                for each in report.tested
            ],
            "builds": report.builds,
            "conditions": [condition_fields(condition) for condition in report.conditions],
        }
    )


def _end_fields(end: RangeEnd) -> dict[str, Any]:
    return {
        "version": str(end.version),
        "base_url": end.base_url,
        "uploaded": time_text(end.uploaded) if end.uploaded else None,
        "tested": end.is_tested,
    }


def _merge_fields(merge: BuiltMerge) -> dict[str, Any]:
    return {
        "commit": merge.commit,
        "time": time_text(merge.time),
        "subject": merge.subject,
        "version": str(merge.version) if merge.version else None,
    }


def plan_to_json(plan: Plan, *, most: int) -> str:
    """Write what would be searched as JSON of schema 1; ``most_tests`` holds if none is skipped."""
    return document(
        {
            "channel": plan.channel.ref,
            "good": str(plan.builds[plan.good].version),
            "bad": str(plan.builds[plan.bad].version),
            "most_tests": most,
            "builds": [
                {
                    "version": str(build.version),
                    "uploaded": time_text(build.uploaded) if build.uploaded else None,
                    "attribution": plain_fields(build.attribution),
                    "role": _role(plan, position),
                }
                for position, build in enumerate(plan.builds)
            ],
            "conditions": [condition_fields(condition) for condition in plan.conditions],
        }
    )
