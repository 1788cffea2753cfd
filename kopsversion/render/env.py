"""An answer as shell assignments: ``-o env`` for files of variables, ``-o shell`` for ``eval`` (DESIGN section 9).

Quoted, so that a value can hold anything without being run. This module must not know where a value came
from.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kopsversion.model.answer import Resolution

__all__ = ["shell_failure", "to_env", "to_shell"]


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


def to_shell(resolution: Resolution, *, marker_url: str | None = None) -> str:
    """Return commands for ``eval`` in a POSIX shell, that export what kops' scripts read.

    ``KOPS_VERSION`` is set and not exported, whatever it was before: kops' own smoke test reads a variable of that
    name. ``KOPS_METADATA`` holds arguments for kubetest2, which make TestGrid show the version.

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
    # What is unset first is a variable of the shell alone, also where it was exported before.
    lines += [f"unset {name}\n{name}={shlex.quote(value)}" for name, value in local.items()]
    return "".join(f"{line}\n" for line in lines)


def shell_failure(status: int) -> str:
    """Return what makes an ``eval`` end as the command did.

    Parameters:
        status: the command's exit status, which is not 0.
    """
    return f"(exit {status})\n"
