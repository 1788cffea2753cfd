"""Runs of Prow's jobs and their files, read from hostile text (DESIGN section 13).

A run's id says when it began, so a listing of ids can be ordered without reading any file. Every file is read with a
limit of bytes; what cannot be read is a value too, with its reason. Knows nothing of stores and verdicts.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar
from urllib.parse import unquote

from attrs import evolve, field

from kopsversion.errors import InvalidVersionError, UsageError, quoted
from kopsversion.model.layout import read_marker_path
from kopsversion.model.values import FrozenMapping, freeze, frozen
from kopsversion.model.version import BuildVersion

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

T = TypeVar("T")

# --------------------------------------------------------------------------------------------------
# Run ids

_SNOWFLAKE_EPOCH = datetime.fromtimestamp(1288834974657 / 1000, tz=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_NODE_AND_STEP = 22
_LEAST, _GREATEST = 10**18, 2**63 - 1
_ID = re.compile(r"[1-9][0-9]{18}")


@frozen(order=True)
class RunId:
    """The id of a run: a snowflake of 19 digits, so that the order of text, of numbers and of time are one.

    Attributes:
        number: milliseconds since November 2010, 10 bits for a node and 12 for a step.
    """

    number: int

    @classmethod
    def parse(cls, text: str) -> RunId | None:
        """Read an id; ``None`` for everything else, including older ids, which were plain counters."""
        number = int(text) if _ID.fullmatch(text) else 0
        return cls(number) if _LEAST <= number <= _GREATEST else None

    @property
    def moment(self) -> datetime:
        """When the run was started, UTC; its log begins up to two minutes later."""
        return _SNOWFLAKE_EPOCH + (self.number >> _NODE_AND_STEP) * _MILLISECOND

    def __str__(self) -> str:
        return str(self.number)


def first_id(moment: datetime) -> RunId:
    """Return the least id of a moment: every run that began then or later has an id that is not less.

    Parameters:
        moment: UTC; what lies outside the years 2018 to 2080 gives the first or the last id there can be.
    """
    milliseconds = -((_SNOWFLAKE_EPOCH - moment) // _MILLISECOND)  # rounded up
    return RunId(min(max(milliseconds << _NODE_AND_STEP, _LEAST), _GREATEST))


_JOB_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,199}")


def is_job_name(text: str) -> bool:
    """Tell whether a text can be the name of a job."""
    return _JOB_NAME.fullmatch(text) is not None


def check_job_name(text: str) -> str:
    """Return the name of a job, if it can be one.

    Raises:
        UsageError: it is empty, too long, or has other characters than letters, digits, ``.``, ``_``, ``-``.
    """
    if not is_job_name(text):
        raise UsageError(
            f"{quoted(text)} is not the name of a job",
            hint="a job is named as in Prow, such as kops-postsubmit-push-to-staging",
        )
    return text


# --------------------------------------------------------------------------------------------------
# What a run's files say

JSON_LIMIT = 1 << 18
"""Bytes of the largest ``started.json``, ``finished.json`` or ``prowjob.json`` that is read."""

LOG_LIMIT = 1 << 20
"""Bytes of a log that are read: what a run tests stands near its beginning, and logs of gigabytes exist."""


class RunFile(StrEnum):
    """A file of a run, by its name."""

    STARTED = "started.json"
    FINISHED = "finished.json"
    PROWJOB = "prowjob.json"
    LOG = "build-log.txt"

    @property
    def limit(self) -> int:
        """Bytes of it that are read."""
        return LOG_LIMIT if self is RunFile.LOG else JSON_LIMIT


class Result(StrEnum):
    """How a run ended."""

    PASSED = "passed"
    FAILED = "failed"
    ABORTED = "aborted"
    RUNNING = "no result yet"
    UNKNOWN = "not known"

    @property
    def is_red(self) -> bool:
        """Whether it ended, and not well."""
        return self in {Result.FAILED, Result.ABORTED}


_RESULTS = {
    "success": Result.PASSED,
    "failure": Result.FAILED,
    "error": Result.FAILED,
    "aborted": Result.ABORTED,
}


def run_link(place: str, *, job: str, run: RunId) -> str:
    """Return where a person looks at a run: Prow's page for what lies in a bucket, else its directory.

    Parameters:
        place: the URL of the store of runs, with a trailing slash.
        job: the job's name.
        run: the run.
    """
    bucket = place.removeprefix("gs://")
    return f"{place}{job}/{run}/" if bucket == place else f"https://prow.k8s.io/view/gs/{bucket}{job}/{run}"


@frozen
class Absent:
    """There is no such file; a run without ``finished.json`` is still running, or was lost."""


@frozen
class Unreadable:
    """The file could not be read, or has another form than Prow writes. Its text is not kept.

    Attributes:
        reason: why, as the end of a sentence.
        is_given: whether the store gave the file, so that it is its form that is wrong.
    """

    reason: str
    is_given: bool = field(default=True, kw_only=True)


@frozen(kw_only=True)
class Started:
    """What ``started.json`` says.

    Attributes:
        at: when, UTC, where it can be a time.
        refs: branch and commit of each repository, as in ``{"kubernetes/kops": ("master", "22ce1230da…")}``.
    """

    at: datetime | None = None
    refs: Mapping[str, tuple[str, str]] = field(factory=FrozenMapping, converter=freeze)


@frozen(kw_only=True)
class Finished:
    """What ``finished.json`` says.

    Attributes:
        at: when, UTC, where it can be a time.
        result: ``passed`` where that is there, which is trusted above ``result``.
        version: the build tested, where kubetest2 was given ``--metadata kops-version=…``.
    """

    at: datetime | None = None
    result: Result = Result.UNKNOWN
    version: BuildVersion | None = None


@frozen(kw_only=True)
class ProwJob:
    """What ``prowjob.json`` says.

    Attributes:
        job: the job's name.
        base_ref: the branch that it ran for; a periodic has none.
        base_sha: that branch's commit.
        publishes: the markers that its arguments say it writes, as ``markers/<ref>/<name>``; ``""`` stands for
            a place that is no marker.
        result: how it ended, if it has.
        completed: when, UTC, where that is said.
    """

    job: str | None = None
    base_ref: str | None = None
    base_sha: str | None = None
    publishes: tuple[str, ...] = ()
    result: Result = Result.UNKNOWN
    completed: datetime | None = None


@frozen(kw_only=True)
class LogFacts:
    """What the beginning of ``build-log.txt`` says.

    Attributes:
        marker: the marker that was read, as ``markers/<ref>/<name>``.
        tested: the build whose kops was downloaded.
    """

    marker: str | None = None
    tested: BuildVersion | None = None


def read_started(data: bytes) -> Started | Unreadable:
    """Read ``started.json``.

    Parameters:
        data: the file, or its first `JSON_LIMIT` + 1 bytes, by which a larger one is known; hostile.
    """
    fields = _fields(data)
    if isinstance(fields, Unreadable):
        return fields
    refs = {name: ref for name, text in _object(fields, "repos").items() if (ref := _ref_of(text))}
    return Started(at=_seconds(fields.get("timestamp")), refs=refs)


def read_finished(data: bytes) -> Finished | Unreadable:
    """Read ``finished.json``, as `read_started` does."""
    fields = _fields(data)
    if isinstance(fields, Unreadable):
        return fields
    said = fields.get("result")
    result = _RESULTS.get(said.lower(), Result.UNKNOWN) if isinstance(said, str) else Result.UNKNOWN
    if fields.get("passed") is True:
        result = Result.PASSED
    elif fields.get("passed") is False and result is not Result.ABORTED:
        result = Result.FAILED
    version = _version(_object(fields, "metadata").get("kops-version"))
    return Finished(at=_seconds(fields.get("timestamp")), result=result, version=version)


def read_prowjob(data: bytes) -> ProwJob | Unreadable:
    """Read ``prowjob.json``, as `read_started` does."""
    fields = _fields(data)
    if isinstance(fields, Unreadable):
        return fields
    spec, status = _object(fields, "spec"), _object(fields, "status")
    refs = _object(spec, "refs")
    job, state = spec.get("job"), status.get("state")
    return ProwJob(
        job=job if isinstance(job, str) and _JOB_NAME.fullmatch(job) else None,
        base_ref=_matching(_BRANCH, refs.get("base_ref")),
        base_sha=_matching(_COMMIT, refs.get("base_sha")),
        publishes=tuple(_published(_object(spec, "pod_spec"))),
        result=_RESULTS.get(state, Result.UNKNOWN) if isinstance(state, str) else Result.UNKNOWN,
        completed=_rfc3339(status.get("completionTime")),
    )


def read_log(data: bytes) -> LogFacts:
    """Read the beginning of ``build-log.txt``: kubetest2 logs each GET as ``curl <url>``, the marker's first."""
    marker, tested = None, None
    for line in data[:LOG_LIMIT].decode(errors="replace").splitlines():
        if "curl " not in line:
            continue
        for url in _URL.findall(line[:_LONGEST_LINE]):
            kops = _KOPS.fullmatch(url)
            if kops is not None and tested is None:
                tested = _version(unquote(kops[1]))
            elif marker is None:
                marker = marker_path_in(url)
    return LogFacts(marker=marker, tested=tested)


Reading = Started | Finished | ProwJob | LogFacts | Absent | Unreadable
"""What came of reading a file of a run."""


def read_file(file: RunFile, data: bytes) -> Reading:
    """Read one of a run's files.

    Parameters:
        file: which one.
        data: its first `RunFile.limit` + 1 bytes, by which a larger file is known; hostile.
    """
    readers: Mapping[RunFile, Callable[[bytes], Reading]] = {
        RunFile.STARTED: read_started,
        RunFile.FINISHED: read_finished,
        RunFile.PROWJOB: read_prowjob,
        RunFile.LOG: read_log,
    }
    return readers[file](data)


def marker_path_in(url: str) -> str | None:
    """Return the ``markers/<ref>/<name>`` that a URL ends in, if it does."""
    head, slash, tail = url.rpartition("/markers/")
    path = f"markers/{tail}"
    return path if head and slash and read_marker_path(path) is not None else None


_LONGEST_LINE = 4000
_URL = re.compile(r"(?:https?|gs|file)://[^\s\"'<>|;`]{1,1500}")
_KOPS = re.compile(r".*/([^/]+)/(?:linux|darwin|windows)/(?:amd64|arm64)/kops(?:\.exe)?")
_BRANCH = re.compile(r"[0-9A-Za-z][0-9A-Za-z._/-]{0,99}")
_COMMIT = re.compile(r"[0-9a-f]{7,40}")
_PUBLISH = re.compile(r"--publish-version-marker[= ]{1,3}[\"']?([^\s\"'\\]{1,500})")


def _fields(data: bytes) -> dict[str, Any] | Unreadable:
    if len(data) > JSON_LIMIT:
        return Unreadable(f"is larger than {JSON_LIMIT} bytes")
    try:
        fields = json.loads(data, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        page = re.match(rb"(?:\xef\xbb\xbf)?\s*<[!?a-zA-Z]", data)
        return Unreadable("is an HTML or XML page" if page else "is not JSON")
    return fields if isinstance(fields, dict) else Unreadable("is not a JSON object")


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)  # NaN and Infinity, which json reads though they are not JSON


def _object(fields: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = fields.get(key)
    return value if isinstance(value, dict) else {}


def _matching(pattern: re.Pattern[str], value: object) -> str | None:
    return value if isinstance(value, str) and pattern.fullmatch(value) else None


def _ref_of(text: object) -> tuple[str, str] | None:
    """Read ``master:22ce1230da…``, after which pull requests may be named."""
    if not isinstance(text, str):
        return None
    branch, _, commit = text.partition(",")[0].partition(":")
    return (branch, commit) if _BRANCH.fullmatch(branch) and _COMMIT.fullmatch(commit) else None


def _version(text: object) -> BuildVersion | None:
    try:
        return BuildVersion.parse(text) if isinstance(text, str) else None
    except InvalidVersionError:
        return None


_MILLISECONDS_FROM = 10**11
"""A greater number is in milliseconds: in seconds it would be a time after the year 5138."""


def _seconds(value: object) -> datetime | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        return None
    try:
        seconds = value / 1000 if value > _MILLISECONDS_FROM else value
        return datetime.fromtimestamp(seconds, tz=UTC)
    except (OverflowError, ValueError, OSError):
        return None


def _rfc3339(value: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
        return moment.astimezone(UTC) if moment is not None and moment.tzinfo is not None else None
    except (OverflowError, ValueError):
        return None


def _published(pod: Mapping[str, Any]) -> Iterator[str]:
    """Yield the markers that the arguments of a pod's containers name, also those inside a script."""
    containers = pod.get("containers")
    for container in containers if isinstance(containers, list) else ():
        for key in ("command", "args") if isinstance(container, dict) else ():
            words = container.get(key)
            text = " ".join(
                word for word in (words if isinstance(words, list) else ()) if isinstance(word, str)
            )
            yield from (marker_path_in(place) or "" for place in _PUBLISH.findall(text))


# --------------------------------------------------------------------------------------------------
# A run

_EARLY, _LONGEST_RUN = timedelta(minutes=10), timedelta(days=3)
"""A time in a run's files is believed from so long before the run began to so long after, by its id."""


@frozen(kw_only=True)
class Run:
    """One run of a job, as far as its files have been read: ``None`` is what was not asked for.

    Attributes:
        job: the job's name.
        id: when it began.
        started, finished, prowjob, log: what its files say.
        presumed: the branch of the build that it made, where no other run can have made that build.
    """

    job: str
    id: RunId
    started: Started | Absent | Unreadable | None = None
    finished: Finished | Absent | Unreadable | None = None
    prowjob: ProwJob | Absent | Unreadable | None = None
    log: LogFacts | Absent | Unreadable | None = None
    presumed: str | None = None

    @property
    def began(self) -> datetime:
        """When it began, UTC, by its id."""
        return self.id.moment

    @property
    def ended(self) -> datetime | None:
        """When it ended, UTC, where a file says so and that is plausible; ``None`` otherwise."""
        said = [
            self.finished.at if isinstance(self.finished, Finished) else None,
            self.prowjob.completed if isinstance(self.prowjob, ProwJob) else None,
        ]
        return next((at for at in said if at is not None and self._is_plausible(at)), None)

    @property
    def took(self) -> timedelta | None:
        """How long it ran, where its end is known."""
        if self.ended is None:
            return None
        said = self.started.at if isinstance(self.started, Started) else None
        began = said if said is not None and self._is_plausible(said) else self.began
        return max(self.ended - began, timedelta())

    @property
    def result(self) -> Result | None:
        """How it ended; ``None`` where no file that says so was read."""
        told = self.prowjob.result if isinstance(self.prowjob, ProwJob) else Result.UNKNOWN
        match self.finished:
            case Finished(result=result) if result is not Result.UNKNOWN:
                return result
            case None:
                return None if told is Result.UNKNOWN else told
            case Absent():
                return Result.RUNNING if told is Result.UNKNOWN else told
            case _:
                return told

    @property
    def branch(self) -> str | None:
        """The branch that it ran for, where that was read or is presumed; a periodic has none."""
        if isinstance(self.prowjob, ProwJob) and self.prowjob.base_ref is not None:
            return self.prowjob.base_ref
        return self._kops_ref[0] if self._kops_ref else self.presumed

    @property
    def commit(self) -> str | None:
        """The commit of `branch`."""
        if isinstance(self.prowjob, ProwJob) and self.prowjob.base_sha is not None:
            return self.prowjob.base_sha
        return self._kops_ref[1] if self._kops_ref else None

    @property
    def tested(self) -> BuildVersion | None:
        """The build that it tested, where that was read."""
        if isinstance(self.finished, Finished) and self.finished.version is not None:
            return self.finished.version
        return self.log.tested if isinstance(self.log, LogFacts) else None

    def reading(self, file: RunFile) -> Reading | None:
        """Return what one of its files says; ``None`` where it was not asked for."""
        reading: Reading | None = getattr(self, file.name.lower())
        return reading

    def having(self, file: RunFile, reading: Reading) -> Run:
        """Return a copy that also holds what one more of its files says."""
        said: dict[str, Any] = {file.name.lower(): reading}
        return evolve(self, **said)

    def as_of(self, moment: datetime) -> Run:
        """Return the run as it was at a moment: a run that had not ended then has no result."""
        if self.ended is None or self.ended <= moment:
            return self
        prowjob = self.prowjob
        if isinstance(prowjob, ProwJob):
            prowjob = evolve(prowjob, result=Result.UNKNOWN, completed=None)
        return evolve(self, finished=Absent(), prowjob=prowjob)

    @property
    def _kops_ref(self) -> tuple[str, str] | None:
        return self.started.refs.get("kubernetes/kops") if isinstance(self.started, Started) else None

    def _is_plausible(self, moment: datetime) -> bool:
        return self.began - _EARLY <= moment <= self.began + _LONGEST_RUN


@frozen(kw_only=True)
class SeenRun:
    """A run as every output shows it: what is not known is ``None``.

    Attributes:
        id: its id.
        url: where a person looks at it.
        began: when it began, UTC, by its id.
        ended: when it ended, UTC.
        result: how it ended.
        took: how long it ran.
        branch: the branch that it ran for; a periodic has none.
        commit: the commit of that branch.
        tested: the build that it tested.
    """

    id: str
    url: str
    began: datetime
    ended: datetime | None
    result: Result | None
    took: timedelta | None
    branch: str | None
    commit: str | None
    tested: BuildVersion | None

    @classmethod
    def of(cls, run: Run, *, place: str) -> SeenRun:
        """Return a run as outputs show it.

        Parameters:
            run: the run.
            place: the URL of the store of runs, with a trailing slash.
        """
        return cls(
            id=str(run.id),
            url=run_link(place, job=run.job, run=run.id),
            began=run.began,
            ended=run.ended,
            result=run.result,
            took=run.took,
            branch=run.branch,
            commit=run.commit,
            tested=run.tested,
        )
