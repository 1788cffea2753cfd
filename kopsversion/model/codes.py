"""The codes of conditions: what a machine knows a condition by (DESIGN section 7).

What each means, and what to do about it, stands in `kopsversion.rules.catalogue`.
"""

from __future__ import annotations

from enum import StrEnum


class Code(StrEnum):
    """What a condition is, for machines; each has its entry in the catalogue."""

    BUILDS_STALLED = "builds-stalled"
    BUILDS_OLD = "builds-old"
    BUILDS_REFUSED = "builds-refused"
    BUILDS_UNSETTLED = "builds-unsettled"
    ARTIFACTS_DIFFER = "artifacts-differ"
    FILES_UNPAIRED = "files-unpaired"
    NO_TESTABLE_BUILD = "no-testable-build"
    CHANNEL_AMBIGUOUS = "channel-ambiguous"
    ORDER_DISPUTED = "order-disputed"
    CHANNEL_RENAMED = "channel-renamed"
    CLONE_AMBIGUOUS = "clone-ambiguous"
    CLONE_BEHIND = "clone-behind"
    CLONE_WITHOUT_MASTER = "clone-without-master"
    CLONE_DISAGREES = "clone-disagrees"
    GIT_UNAVAILABLE = "git-unavailable"
    MARKER_LAGGING = "marker-lagging"
    MARKER_STALE = "marker-stale"
    MARKER_DANGLING = "marker-dangling"
    MARKER_INCOMPLETE = "marker-incomplete"
    MARKER_DOUBTFUL = "marker-doubtful"
    MARKER_WRONG_CHANNEL = "marker-wrong-channel"
    MARKER_SET_BACK = "marker-set-back"
    MARKER_CACHED = "marker-cached"
    MARKER_EXCLUDED = "marker-excluded"
    MARKER_FOREIGN = "marker-foreign"
    MARKER_MALFORMED = "marker-malformed"
    MARKER_UNUSABLE = "marker-unusable"
    MARKER_DISAGREES = "marker-disagrees"
    MARKER_MISSING = "marker-missing"
    MARKER_UNKNOWN = "marker-unknown"
    MARKER_UNREACHABLE = "marker-unreachable"
    MARKER_UNVERIFIED = "marker-unverified"
    MARKER_OLD = "marker-old"
    WRITER_RED = "writer-red"
    WRITER_IDLE = "writer-idle"
    WRITER_GREEN_NOT_WRITING = "writer-green-not-writing"
    WRITER_PENDING = "writer-pending"
    WRITER_UNKNOWN = "writer-unknown"
    PROMOTED_UNTESTED = "promoted-untested"
    LISTING_UNAVAILABLE = "listing-unavailable"
    CHANNEL_UNREADABLE = "channel-unreadable"
    CHECK_FAILED = "check-failed"
    STORE_UNREACHABLE = "store-unreachable"
    STORE_WITHOUT_BUILD = "store-without-build"
    NAMES_SKIPPED = "names-skipped"
    SILENCE_ENDED = "silence-ended"
    CHANNEL_UNKNOWN = "channel-unknown"
    JOURNAL_UNUSABLE = "journal-unusable"
    CACHED_ANSWER = "cached-answer"
    STATE_UNUSABLE = "state-unusable"

    @classmethod
    def of_marker(cls, verdict: str) -> Code:
        """Return the code that says that a marker has a verdict.

        Parameters:
            verdict: any but ``current``, which is no condition.
        """
        return cls(f"marker-{verdict}")
