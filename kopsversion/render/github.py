"""An answer in a step of GitHub Actions (``-o github``): outputs, annotations and a summary.

A step's outputs are lines ``name=value`` that it appends to a file. A value with a line break in it could set any
other output, so it is refused. This module must not know where the files are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kopsversion.errors import UsageError, quoted
from kopsversion.model.answer import Severity, explanation
from kopsversion.model.program import MADE_BY
from kopsversion.model.tables import printable
from kopsversion.render.markdown import escaped

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from kopsversion.model.answer import Condition, Resolution
    from kopsversion.model.tables import Table

__all__ = ["to_annotations", "to_github", "to_summary"]


def to_github(resolution: Resolution, *, marker_url: str | None = None) -> str:
    """Return ``kops-base-url=…`` and ``kops-version=…``, one a line.

    Parameters:
        resolution: the answer.
        marker_url: the URL of a pinned marker, which adds ``kops-version-marker=…``.

    Raises:
        UsageError: a value is not a single line of printable text.
    """
    values = {"kops-base-url": resolution.base_url, "kops-version": str(resolution.version)}
    if marker_url is not None:
        values["kops-version-marker"] = marker_url
    for name, value in values.items():
        if not value.isprintable():
            raise UsageError(
                f"{name} cannot be {quoted(value)}: an output of a step is one line of printable text",
                hint="name the store and the files without control characters",
            )
    return "".join(f"{name}={value}\n" for name, value in values.items())


def to_annotations(conditions: Iterable[Condition]) -> tuple[str, ...]:
    """Return a workflow command for each warning or error, which GitHub shows beside the step.

    Parameters:
        conditions: those of the answer; info becomes no annotation.
    """
    kinds = {Severity.WARNING: "warning", Severity.ERROR: "error"}
    return tuple(
        f"::{kinds[each.severity]}::{_one_line(f'{each.code}: {each.message}')}"
        for each in conditions
        if each.severity in kinds
    )


def _one_line(text: str) -> str:
    """Escape text so that it neither ends a workflow command nor begins one."""
    return printable(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def to_summary(resolution: Resolution) -> str:
    """Return the answer and why, as Markdown for the summary of a step."""
    return "\n".join(_summary_lines(resolution)) + "\n"


def _summary_lines(resolution: Resolution) -> Iterator[str]:
    yield f"### kops {escaped(str(resolution.version))}"
    for table in explanation(resolution):
        yield ""
        yield from _markdown_table(table)
    yield ""
    yield f"Found by {MADE_BY}."


def _markdown_table(table: Table) -> Iterator[str]:
    columns: Sequence[str] = table.columns or ("",) * len(table.rows[0])
    yield f"**{escaped(table.title)}**"
    yield ""
    yield f"| {' | '.join(map(escaped, columns))} |"
    yield f"|{'---|' * len(columns)}"
    for row in table.rows:
        yield f"| {' | '.join(map(escaped, row))} |"
