"""Every condition's code: what it means, how bad it can be, and what to do about it.

Pure data. `kopsversion.rules.report` gives the advice with each finding, and ``docs/reference/conditions.md`` is made
of all of it. The conditions themselves are made by `rules.conditions` and others; this module knows none of them. A
test compares both ways.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kopsversion.model.advice import REPO_OPTION
from kopsversion.model.answer import Severity
from kopsversion.model.codes import Code
from kopsversion.model.values import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["CATALOGUE", "Entry"]

_INFO = (Severity.INFO,)
_WARNING = (Severity.WARNING,)
_ERROR = (Severity.ERROR,)
_EITHER = (Severity.INFO, Severity.WARNING)


@frozen
class Entry:
    """What the catalogue says of a code.

    Attributes:
        severities: those that it can have, mildest first.
        meaning: what is the case, in one sentence.
        advice: what to do about it, in one sentence or two.
    """

    severities: tuple[Severity, ...]
    meaning: str
    advice: str


_POSTSUBMIT = "Look at the branch's postsubmit job, which builds and uploads; run it again once it is fixed."
_PROMOTER = "Look at the job that writes this marker: it fails, does not run, or may no longer write."
_REACH = "See whether the store can be reached from here, and run again."
_LIST = "See whether the store can be listed from here, which a web server cannot, and run again."

CATALOGUE: Mapping[str, Entry] = {
    # Builds
    Code.BUILDS_STALLED: Entry(
        _WARNING,
        "With a clone: a merge has been waiting for its build longer than `build_sla`.",
        "Fix the postsubmit job, and run it again for the newest merge.",
    ),
    Code.BUILDS_OLD: Entry(
        _EITHER,
        "Without a clone: the channel's newest build, testable or not, is older than `max_build_age`.",
        "If the branch is meant to be quiet, raise max-build-age for this channel; else fix the postsubmit job.",
    ),
    Code.BUILDS_REFUSED: Entry(
        _EITHER,
        "Newer builds cannot be tested; a warning if one is older than `max_lag`, if its files cannot be read, or if "
        "the answer is old for that reason.",
        "Look at the log of that build's upload, and build the commit again.",
    ),
    Code.BUILDS_UNSETTLED: Entry(
        _INFO, "Newer builds may still be uploading.", "Nothing to do: the next run will see it whole."
    ),
    Code.ARTIFACTS_DIFFER: Entry(
        _WARNING,
        "The build lacks files that the testable build before it has.",
        "See whether the file was dropped on purpose; if not, the build of the branch has lost it.",
    ),
    Code.FILES_UNPAIRED: Entry(
        _INFO,
        "Files of the build have no checksum, and their suffix says that they need none: signatures, for instance.",
        "Nothing to do: what a job downloads has its checksum.",
    ),
    Code.NO_TESTABLE_BUILD: Entry(
        _ERROR, "The channel has builds, or none, and not one can be tested.", _POSTSUBMIT
    ),
    # Branches
    Code.CHANNEL_AMBIGUOUS: Entry(
        _WARNING,
        "Around a branch cut: the build, or one that may be newer, could be of either of two branches.",
        f"Give {REPO_OPTION}, or a clone: that tells branches apart.",
    ),
    Code.ORDER_DISPUTED: Entry(
        _EITHER,
        "A name is too high, or may be: builds that came after it have lower names. Info where a marker and the "
        "builds themselves agree on that and it was passed over; a warning where it may be the answer.",
        "Give a clone of kops with --repo, which tells the order; see whether a version was raised and taken back.",
    ),
    Code.CHANNEL_RENAMED: Entry(
        _EITHER,
        "A channel was asked for by a name that kops does not use: main is read as master. A warning where the store "
        "has markers of a branch main, which are not read.",
        "Ask for master, which is what the branch is called.",
    ),
    Code.CLONE_AMBIGUOUS: Entry(
        _EITHER,
        "The newest build's abbreviated commit fits several commits of the clone.",
        "Nothing to do: the build's name attributes it as well.",
    ),
    Code.CLONE_BEHIND: Entry(
        _EITHER,
        "The newest build's commit is not on the branch as the clone has it; a warning where --repo names the clone.",
        "Fetch the branch in the clone, with the command in the message, and run again.",
    ),
    Code.CLONE_WITHOUT_MASTER: Entry(
        _EITHER,
        "The clone has no master, so it cannot tell the release branch's builds from those before the cut.",
        "Fetch master too, with the command in the message, and run again.",
    ),
    Code.CLONE_DISAGREES: Entry(
        _WARNING,
        "By the clone not one build in the store is of the channel, so names attribute them.",
        "See whether --repo names a clone of kops, and --ref the channel's branch.",
    ),
    Code.GIT_UNAVAILABLE: Entry(
        _EITHER,
        "The clone cannot be read for this channel; a warning where --repo names it.",
        "Repair the clone that --repo names, or leave it out.",
    ),
    # Markers
    Code.MARKER_LAGGING: Entry(
        _INFO,
        "The marker names an older build, within `max_lag`.",
        "Nothing to do yet: the promotion is within its limit.",
    ),
    Code.MARKER_STALE: Entry(
        _EITHER,
        "The marker names an older build, and a newer testable one has been waiting longer than `max_lag`.",
        f"{_PROMOTER} Until then `kopsversion promote` can move it.",
    ),
    Code.MARKER_DANGLING: Entry(
        _EITHER,
        "The marker names a build that is not there.",
        "Promote a build that is there; builds are deleted after a while.",
    ),
    Code.MARKER_INCOMPLETE: Entry(
        _EITHER,
        "The marker names a build that cannot be tested.",
        "Promote a complete build, and look at that build's upload.",
    ),
    Code.MARKER_DOUBTFUL: Entry(
        _EITHER,
        "The marker names a build that is more likely another branch's, though that is not certain.",
        f"Give {REPO_OPTION}, or a clone: that tells. Then find the job that writes other branches' builds here.",
    ),
    Code.MARKER_WRONG_CHANNEL: Entry(
        _EITHER,
        "The marker names another branch's build.",
        "Find the job that writes another branch's builds here, and promote one of this branch.",
    ),
    Code.MARKER_SET_BACK: Entry(
        _EITHER,
        "A marker that each build writes last was written when a newer build had long been there.",
        "Find the job that wrote it: another one than the branch's build, or the build of an older merge that ended "
        "later; `kopsversion promote` can move it forward.",
    ),
    Code.MARKER_CACHED: Entry(
        _EITHER,
        "The marker came from a cache that has held it for a while; a warning where that is longer than `--max-lag`.",
        "Ask the bucket behind the cache, or see why the cache does not ask it.",
    ),
    Code.MARKER_EXCLUDED: Entry(
        _EITHER,
        "The marker names a build that is passed over by request.",
        "Nothing to do, if that build is known to be bad; promote another one so that others pass it over too.",
    ),
    Code.MARKER_FOREIGN: Entry(
        _EITHER,
        "The marker names a place outside the store, which is never asked.",
        "Find out who wrote it: jobs may be downloading from elsewhere.",
    ),
    Code.MARKER_MALFORMED: Entry(
        _EITHER,
        "The marker holds no version.",
        "Write it anew, as one URL and a newline; see what wrote it last.",
    ),
    Code.MARKER_UNUSABLE: Entry(
        _EITHER,
        "The marker names a build in a form that its consumers cannot use where it stands.",
        "Write it anew: below markers/ as one URL and a newline, at the root as a URL or the bare version.",
    ),
    Code.MARKER_DISAGREES: Entry(
        _WARNING,
        "The marker at the root and the branch's latest-ci.txt name different builds.",
        "Look at the branch's postsubmit job, which writes both, and at who else writes one of them.",
    ),
    Code.MARKER_MISSING: Entry(
        _EITHER,
        "There is no such marker.",
        "Write it, or list it under ignored-markers if it is not meant to exist.",
    ),
    Code.MARKER_UNKNOWN: Entry(
        _INFO,
        "The marker was written after the moment of `--as-of`, so what it held then is not known.",
        "Nothing to do: the builds of that moment are known.",
    ),
    Code.MARKER_UNREACHABLE: Entry(_EITHER, "The marker cannot be read.", _REACH),
    Code.MARKER_UNVERIFIED: Entry(
        _EITHER,
        "The marker's build is there, but builds cannot be listed, so whether it is old is not known.",
        _LIST,
    ),
    Code.MARKER_OLD: Entry(
        _INFO,
        "The marker has long stood still, as it should: there is no newer build.",
        "Nothing to do with the marker itself: it moves again once there is a newer build.",
    ),
    # Writers: the jobs that move markers
    Code.WRITER_RED: Entry(
        _WARNING,
        "The job that writes the marker fails: no run since the one that wrote it last has passed.",
        "Look at the newest failing run, and fix the job or what it tests.",
    ),
    Code.WRITER_IDLE: Entry(
        _WARNING,
        "The job that writes the marker has not run for three of its intervals and a timeout.",
        "See whether the job is still configured, and whether Prow runs it.",
    ),
    Code.WRITER_GREEN_NOT_WRITING: Entry(
        _WARNING,
        "Runs of the job that writes the marker pass, and the marker does not move.",
        "See whether the job may still write there, and whether it still writes to that place.",
    ),
    Code.WRITER_PENDING: Entry(
        _INFO,
        "The marker waits for something newer, and a run of the job that writes it is on its way.",
        "Nothing to do: wait for that run.",
    ),
    Code.WRITER_UNKNOWN: Entry(
        _INFO,
        "The state of the job that writes the marker is not known: results are deleted after 90 days, jobs are "
        "renamed, the store of results may be closed, or what to read was not found within the budget.",
        "If the job has another name by now, say so under writers in the configuration; else look at it in Prow.",
    ),
    Code.PROMOTED_UNTESTED: Entry(
        _INFO,
        "The marker names another build than the one that was tested by the run that wrote it.",
        "Nothing to do for one such run: kubetest2 reads its source marker again after the test. A pinned marker "
        "prevents it.",
    ),
    # The store
    Code.LISTING_UNAVAILABLE: Entry(
        _EITHER,
        "A part of the store cannot be listed; info where that changes nothing.",
        _LIST,
    ),
    Code.CHANNEL_UNREADABLE: Entry(_ERROR, "The channel cannot be judged, because the store fails.", _REACH),
    Code.CHECK_FAILED: Entry(
        _ERROR,
        "`kopsversion check` could judge no channel at all.",
        "See what the command said, remove the cause, and run it again.",
    ),
    Code.STORE_UNREACHABLE: Entry(
        _WARNING,
        "A store named before cannot be asked, so the answer is from the next one.",
        "See whether that store can be reached from here, or leave it out.",
    ),
    Code.STORE_WITHOUT_BUILD: Entry(
        _WARNING,
        "A store named before has no testable build, so the answer is from the next one.",
        "See why that store has no build of this channel, or leave it out.",
    ),
    Code.NAMES_SKIPPED: Entry(
        _EITHER,
        "Names in the store are no builds; they are counted by kind and passed over. A warning where one of them sorts "
        "above the answer, as far as it can be read: it may hide a newer build.",
        "See what uploads builds under that name; nothing to do about others, unless a build you know is among them.",
    ),
    # The watcher's own configuration and journal
    Code.SILENCE_ENDED: Entry(
        _INFO,
        "A `[[silence]]` of the configuration has ended, so its finding counts again.",
        "Take it out of the configuration, or set a new day if it is still known.",
    ),
    Code.CHANNEL_UNKNOWN: Entry(
        _WARNING,
        "The configuration has a limit or a silence for a channel that does not exist.",
        "See whether its name is right; if the branch is over, take it out.",
    ),
    Code.JOURNAL_UNUSABLE: Entry(
        _WARNING,
        "The journal cannot be read or written, or holds lines that are not its own.",
        "See whether the file that --journal names can be written, and what else writes to it.",
    ),
    # The last good answer
    Code.CACHED_ANSWER: Entry(
        _WARNING,
        "No store can be asked, so this is the last good answer, from the state file.",
        "See whether the store can be reached; the answer's age is in the sentence.",
    ),
    Code.STATE_UNUSABLE: Entry(
        _WARNING,
        "The state file cannot be read or written, so there may be no answer to fall back on.",
        "Repair or remove the file that --state names.",
    ),
}
"""By code."""
