"""Whether the markers that every build of a branch writes name the same build (DESIGN sections 2 and 6).

``markers/<ref>/latest-ci.txt`` and the marker at the root, ``latest-1.37.txt``, are written one after the other by the
same build. Where they disagree for longer than that takes, which build a job tests depends on the marker that it
reads. This module must not know which of the two is right: that is the verdict on each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kopsversion.model.answer import Condition, Severity
from kopsversion.model.channel import BRANCH_MARKER
from kopsversion.model.codes import Code
from kopsversion.model.needs import ReadMarker

if TYPE_CHECKING:
    from kopsversion.model.bucket import Marker
    from kopsversion.rules.inquiry import Inquiry


def disagreement(inquiry: Inquiry) -> Condition | None:
    """Compare the two markers of a channel, and note what must be read for that.

    Parameters:
        inquiry: what is known; its policy gives the time that an upload may take.

    Returns:
        The condition, or ``None`` where they agree, one of them names nothing, or is not read yet.
    """
    root = _marker(inquiry, inquiry.channel.root_marker)
    branch = _marker(inquiry, BRANCH_MARKER) if root is not None and root.version is not None else None
    if root is None or branch is None or branch.version in {None, root.version}:
        return None
    written = [marker.written for marker in (root, branch) if marker.written is not None]
    if written and inquiry.now - max(written) < inquiry.policy.settle:
        return None
    return Condition(
        Code.MARKER_DISAGREES,
        Severity.WARNING,
        f"{root.path} names {root.version} and {branch.path} names {branch.version}, although every build of "
        f"{inquiry.channel} writes both: what a job tests depends on which of them it reads",
        {"marker": root.path, "other": branch.path, "versions": (str(root.version), str(branch.version))},
    )


def _marker(inquiry: Inquiry, name: str) -> Marker | None:
    """Return a marker if it was read, and note it as a need if it was not tried yet."""
    ref = inquiry.channel.ref
    marker = inquiry.snapshot.marker(ref, name)
    if marker is None and inquiry.failed(ReadMarker(ref, name)) is None:
        inquiry.need(ReadMarker(ref, name))
    return marker
