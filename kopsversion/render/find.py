"""The first build that contains a merge, as a table, for the shell, as JSON.

This module must not know how it was found.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kopsversion.model.codec import condition_fields, document, plain_fields, time_text
from kopsversion.model.tables import Table
from kopsversion.model.wording import moment
from kopsversion.render.env import assignments

if TYPE_CHECKING:
    from kopsversion.workflows.find import FoundBuild

__all__ = ["found_tables", "found_to_env", "found_to_json"]


def found_tables(found: FoundBuild) -> list[Table]:
    """Return the build and the merge, and the builds that were passed over."""
    rows = [("build", str(found.version)), ("base URL", found.base_url)]
    if found.uploaded is not None:
        rows.append(("uploaded", moment(found.uploaded)))
    if found.commit is not None:
        rows.append(("commit", found.commit))
    if found.merged is not None:
        rows.append(("merged", moment(found.merged)))
    if found.subject is not None:
        rows.append(("subject", found.subject))
    tables = [Table(title=f"The first testable build of {found.channel} that contains it", rows=tuple(rows))]
    if found.refused:
        tables.append(
            Table(
                title="They contain it too, and cannot be tested",
                columns=("build", "why"),
                rows=tuple((str(each.version), "; ".join(each.reasons)) for each in found.refused),
            )
        )
    return tables


def found_to_env(found: FoundBuild) -> str:
    """Return ``KOPS_BASE_URL=…`` and ``KOPS_VERSION=…``, one a line, each quoted for a POSIX shell."""
    return assignments({"KOPS_BASE_URL": found.base_url, "KOPS_VERSION": str(found.version)})


def found_to_json(found: FoundBuild) -> str:
    """Write the build as JSON of schema 1; what only a clone knows is ``null`` without one."""
    return document(
        {
            "channel": found.channel,
            "store": found.store,
            "version": str(found.version),
            "base_url": found.base_url,
            "uploaded": time_text(found.uploaded) if found.uploaded else None,
            "commit": found.commit,
            "merged": time_text(found.merged) if found.merged else None,
            "subject": found.subject,
            "refused": plain_fields(found.refused),
            "conditions": [condition_fields(condition) for condition in found.conditions],
        }
    )
