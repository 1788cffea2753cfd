"""An answer as shell assignments, for ``eval "$(resolve-latest -o env)"`` (DESIGN section 9).

Quoted, so that a value can hold anything without being run. This module must not know where a value came
from.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kopsversion.model.answer import Resolution

__all__ = ["to_env"]


def to_env(resolution: Resolution, *, marker_url: str | None = None) -> str:
    """Return ``KOPS_BASE_URL=…`` and ``KOPS_VERSION=…``, one a line, each quoted for a POSIX shell.

    Parameters:
        resolution: the answer.
        marker_url: the URL of a pinned marker, which adds ``KOPS_VERSION_MARKER=…``.
    """
    values = {"KOPS_BASE_URL": resolution.base_url, "KOPS_VERSION": str(resolution.version)}
    if marker_url is not None:
        values["KOPS_VERSION_MARKER"] = marker_url
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())
