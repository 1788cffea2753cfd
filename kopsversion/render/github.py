"""An answer as outputs of a GitHub Actions step (``-o github``).

A step's outputs are lines ``name=value`` that it appends to a file. A value with a line break in it could set any
other output, so it is refused. This module must not know where the file is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kopsversion.errors import UsageError, quoted

if TYPE_CHECKING:
    from kopsversion.model.answer import Resolution

__all__ = ["to_github"]


def to_github(resolution: Resolution, *, marker_url: str | None = None) -> str:
    """Return ``kops-base-url=…`` and ``kops-version=…``, one a line.

    Parameters:
        resolution: the answer.
        marker_url: the URL of a pinned marker, which adds ``kops-version-marker=…``.

    Raises:
        UsageError: a value is no single line of printable text.
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
