"""A pin: a one-line marker file of our own, for ``kubetest2 kops --kops-version-marker=file://FILE``.

A marker in the bucket may move while a job runs; a pin does not. ``--publish-version-marker`` reads the source
marker again after the test, so with a pin what it publishes is what was tested (FAILURES rows 4 and 17). This
module must not know how the build was chosen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kopsversion.files import write_whole
from kopsversion.model.answer import Resolution
from kopsversion.model.layout import marker_body
from kopsversion.workflows.arguments import checked, path_of

if TYPE_CHECKING:
    from pathlib import Path


def write_pin(path: Path, resolution: Resolution) -> None:
    """Write a marker file that names the answer's build, as kops writes markers.

    The body is the base URL and never the version alone: kubetest2 looks for a version beside the marker.

    >>> write_pin(Path("marker.txt"), answer)
    >>> Path("marker.txt").read_text().rstrip() == answer.base_url
    True

    Parameters:
        path: the file; what is there is replaced in one step.
        resolution: the answer.

    Raises:
        UsageError: it cannot be written there.

    Source: DESIGN section 2; kubernetes/kops ``tests/e2e/pkg/kops/download.go``.
    """
    checked("resolution", resolution, Resolution, wanted="a Resolution")
    write_whole(path_of("path", path), marker_body(resolution.version, base_url=resolution.base_url))


def pin_url(path: Path) -> str:
    """Return the ``file://`` URL that names a pin to kubetest2, percent-encoded."""
    return path.absolute().as_uri()
