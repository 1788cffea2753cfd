"""An answer as shell assignments: ``-o env`` for files of variables, ``-o shell`` for ``eval`` (DESIGN section 9).

Values are quoted, so that none of them can run as a command. This module must not know where a value came from.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kopsversion.model.answer import Resolution

__all__ = ["assignments", "shell_failure", "to_env", "to_shell"]


def assignments(values: Mapping[str, str]) -> str:
    """Return variables as ``NAME=value``, one a line, each quoted for a POSIX shell."""
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())


def to_env(resolution: Resolution, *, marker_url: str | None = None) -> str:
    """Return ``KOPS_BASE_URL=…`` and ``KOPS_VERSION=…``, one a line, each quoted for a POSIX shell.

    Parameters:
        resolution: the answer.
        marker_url: the URL of a pinned marker, which adds ``KOPS_VERSION_MARKER=…``.
    """
    values = {"KOPS_BASE_URL": resolution.base_url, "KOPS_VERSION": str(resolution.version)}
    if marker_url is not None:
        values["KOPS_VERSION_MARKER"] = marker_url
    return assignments(values)


def to_shell(resolution: Resolution, *, marker_url: str | None = None) -> str:
    """Return commands for ``eval`` in a POSIX shell, which export the variables that kops' scripts read.

    ``KOPS_VERSION`` is set and not exported, even if it was exported before, since kops' own smoke test reads a
    variable of that name. ``KOPS_METADATA`` holds arguments for kubetest2, which make TestGrid show the version.

    Parameters:
        resolution: the answer.
        marker_url: the URL of a pinned marker, which adds ``KOPS_VERSION_MARKER``.
    """
    exported = {"KOPS_BASE_URL": resolution.base_url}
    if marker_url is not None:
        exported["KOPS_VERSION_MARKER"] = marker_url
    version = str(resolution.version)
    local = {"KOPS_VERSION": version, "KOPS_METADATA": f"--metadata kops-version={version}"}
    lines = [f"export {name}={shlex.quote(value)}" for name, value in exported.items()]
    # A variable that is unset first is not exported, even if it was exported before.
    lines += [f"unset {name}\n{name}={shlex.quote(value)}" for name, value in local.items()]
    return "".join(f"{line}\n" for line in lines)


def shell_failure(status: int) -> str:
    """Return a command that gives an ``eval`` the exit status of ours.

    Parameters:
        status: the command's exit status, which is not 0.
    """
    return f"(exit {status})\n"
