"""Log lines in the shape of klog, which kubernetes' jobs and their viewers know.

Pure: the moment and the process are arguments. It must not know what is said, or where the line goes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["klog_line"]


def klog_line(
    severity: str, message: str, *, moment: datetime, process: int, file: str, line_number: int
) -> str:
    """Put klog's header before a message of one line.

    >>> from datetime import datetime
    >>> at = datetime(2024, 5, 6, 18, 0, 0, 42)
    >>> klog_line("warning", "no build", moment=at, process=7, file="cli.py", line_number=120)
    'W0506 18:00:00.000042       7 cli.py:120] no build'

    Parameters:
        severity: ``info``, ``warning`` or ``error``.
        message: what is said.
        moment: when, in local time, as klog has it.
        process: who says it.
        file: which source file.
        line_number: where in it.

    Source: https://github.com/kubernetes/klog, the comment on ``header``.
    """
    return f"{severity[0].upper()}{moment:%m%d %H:%M:%S.%f} {process:>7} {file}:{line_number}] {message}"
