"""The jobs of the demo bucket: the files that Prow would have kept of runs until 6 May 2024 (DESIGN section 13).

The merges and builds that the postsubmit ran for are facts of kubernetes/kops. The jobs have their names of August
2026, under which `kopsversion.model.writers` looks for them; in 2024 some had other names. The minutes and the runs of
the periodic are made up.

The files are few and small: a run has ``finished.json``, and others only where they add something. This module must not
know how runs are judged.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from kopsversion.model.channel import BRANCH_MARKER, GREEN_MARKER, MASTER
from kopsversion.model.layout import JOBS, OFFICIAL_ROOT
from kopsversion.model.runs import RunFile, first_id
from kopsversion.model.values import frozen
from kopsversion.model.writers import DEFAULT_WRITERS, POSTSUBMIT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["PERIODIC", "DemoFile", "DemoRun", "job_files"]

PERIODIC = "e2e-kops-aws-cni-cilium"
"""One of some hundred jobs that test the build that green names."""

_PIPELINE = next(writer.jobs[0] for writer in DEFAULT_WRITERS if writer.branch == MASTER)

_UNBUILT = """\
402e904e45 03-08T07:27:21  b7c2464c31 03-12T18:01:33  037cdcda4f 03-13T03:20:57  c46bd91e6b 03-13T06:59:35
01b83045d0 03-14T13:43:28  abe05faf6e 03-14T16:13:59  f0537f4301 03-15T00:58:17  efbd674e0c 03-15T07:06:09
0e53c7403e 03-17T07:16:26  a8a736183e 03-17T08:23:15  db26ad5e7f 03-18T06:09:14  305e9b28cc 03-19T14:16:39
de187ea3d2 03-23T12:58:06  26b0df58ae 03-23T14:34:02  58df6e6bfd 03-24T01:50:40  9a90ffdf7b 03-24T08:00:39
d5133ec250 03-25T04:15:30  8c33116d7d 03-27T12:02:54  09fd2e4c2f 03-28T13:10:49  db03ce8285 03-28T14:11:25
2fcbd9e44d 03-29T03:51:23  263e93c2c5 03-29T08:09:55  2d04e0a2b3 03-29T14:30:10  1c0c5a5730 03-30T04:23:32
fdd3f0e5b7 03-30T12:55:31  49377f29f8 03-30T15:35:33  e594c4dc92 03-30T16:55:32  1d51354a1f 03-30T23:07:33
051852edc4 03-31T10:37:33  381911b2ed 03-31T13:27:33  1dfc5b5e8b 03-31T17:39:33  f3b215992b 04-01T03:39:34
393aac40df 04-01T06:05:34  915fa67fec 04-01T14:09:34  02c1cc75b2 04-01T17:02:20  845c2322c5 04-02T04:51:47
7cb8724f5c 04-02T15:06:11  9fb14464d3 04-04T02:24:26  bb24f686fc 04-05T07:07:20  91e299decd 04-07T06:09:55
31d262bdc6 04-07T15:19:54  d1c3ef2d8c 04-09T17:46:49  52f94788c2 04-12T07:32:30  f6faf5a6dc 04-14T04:24:33
f8e308e1af 04-14T10:56:32  0a8a75ec22 04-18T05:26:33  4dd96a21b3 04-18T10:13:53  f92efdf016 04-18T11:32:06
47b12ba841 04-20T18:44:39  ec63aa01f4 04-21T07:37:58  a83cea7281 04-21T09:56:16  92c45f6961 04-22T10:17:43
146ac721d7 04-22T11:35:43  1e2ec9ae81 04-22T14:29:57  0449554565 04-22T16:11:34  87a0483ca3 04-23T11:36:28
79677138c8 04-26T07:11:29  fd4fa6da44 04-26T15:53:29  7312b588b6 04-28T07:52:53  df443ca651 04-28T09:41:24
1020116356 04-28T11:57:36  17f0bd68d0 04-29T04:34:57  8118f80fd7 04-29T06:57:32  c6bb40ed32 04-29T08:47:20
af6cf4cca5 05-03T08:15:30  8544f1b28a 05-03T18:06:10  1d9353523c 05-04T04:59:43  ba67b94d64 05-04T10:44:43
f16dfac2cf 05-04T14:26:25  889fcacdcb 05-04T15:29:52  9c812776ff 05-04T17:27:32  4e27fd04cf 05-04T19:02:38
396ad70df7 05-05T08:45:14  3d43f9eba5 05-05T12:04:35  8fe0567cae 05-05T13:12:10  958276351f 05-05T17:07:26
aa0c454ece 05-05T19:05:56  67b7b21dba 05-06T09:20:38  2bf038bf5c 05-06T10:29:43  ca0f7597c4 05-06T15:20:33
"""
"""Master's merges that were not built: commit and time in 2024."""

_LAST_BUILD = "1.29.0-alpha.4+v1.29.0-alpha.3-378-g22ce1230da"
_BUILD_BEFORE = "1.29.0-alpha.4+v1.29.0-alpha.3-367-g968fc844f0"


@frozen(kw_only=True)
class DemoFile:
    """A file of the demo bucket, by its path and when it was written, UTC."""

    path: str
    content: bytes
    written: datetime


@frozen(kw_only=True)
class DemoRun:
    """A run of a job.

    Attributes:
        job: the job's name.
        began: when, UTC.
        took: how long.
        passed: whether it passed.
        branch, commit: the merge that a postsubmit ran for.
        metadata: the metadata that kubetest2 was given.
        log: the content of its log.
    """

    job: str
    began: datetime
    took: timedelta
    passed: bool
    branch: str = ""
    commit: str = ""
    metadata: dict[str, str] | None = None
    log: str = ""

    def files(self) -> Iterator[DemoFile]:
        """Yield the files that Prow keeps of it."""
        ended = self.began + self.took
        result = "SUCCESS" if self.passed else "FAILURE"
        finished: dict[str, Any] = {
            "timestamp": int(ended.timestamp()),
            "passed": self.passed,
            "result": result,
        }
        if self.metadata:
            finished["metadata"] = self.metadata
        yield self._file(RunFile.FINISHED, json.dumps(finished))
        if self.branch:
            spec = {"job": self.job, "refs": {"base_ref": self.branch, "base_sha": self.commit}}
            status = {"state": result.lower(), "completionTime": f"{ended:%Y-%m-%dT%H:%M:%SZ}"}
            yield self._file(RunFile.PROWJOB, json.dumps({"spec": spec, "status": status}))
        if self.log:
            yield self._file(RunFile.LOG, self.log)

    def _file(self, name: RunFile, text: str) -> DemoFile:
        path = f"{JOBS}{self.job}/{first_id(self.began)}/{name}"
        return DemoFile(path=path, content=f"{text}\n".encode(), written=self.began + self.took)


def job_files(built: Iterable[tuple[str, str, datetime]], *, as_of: datetime) -> Iterator[DemoFile]:
    """Yield the files that Prow keeps of all jobs.

    Parameters:
        built: what was built: ref, version and when it was committed, UTC.
        as_of: the moment that the bucket shows, UTC.
    """
    for run in (*_postsubmit(built), *_pipeline(as_of), *_periodic(as_of)):
        yield from run.files()


def _postsubmit(built: Iterable[tuple[str, str, datetime]]) -> Iterator[DemoRun]:
    """Yield a run for each build, and since 8 March a failing one for each merge to master."""
    begins, takes = timedelta(minutes=2), timedelta(minutes=19)
    for ref, version, committed in built:
        commit = version.rpartition("-g")[2] if "+" in version else ""
        yield DemoRun(
            job=POSTSUBMIT, began=committed + begins, took=takes, passed=True, branch=ref, commit=commit
        )
    words = iter(_UNBUILT.split())
    for commit, time in zip(words, words, strict=True):
        merged = datetime.fromisoformat(f"2024-{time}+00:00")
        yield DemoRun(
            job=POSTSUBMIT,
            began=merged + begins,
            took=timedelta(minutes=6),
            passed=False,
            branch=MASTER,
            commit=commit,
        )


def _pipeline(as_of: datetime) -> Iterator[DemoRun]:
    """Yield hourly runs, green until the one that wrote the marker on 7 March at 6, and red since."""
    first, last_green = datetime(2024, 3, 6, 15, 2, tzinfo=UTC), datetime(2024, 3, 7, 5, 2, tzinfo=UTC)
    kept = {"kops-version": _LAST_BUILD}  # as kubetest2 keeps it, given --metadata
    hours = (as_of - first) // timedelta(hours=1) + 1
    for hour in range(hours):
        began = first + timedelta(hours=hour)
        passed = began <= last_green
        took = timedelta(minutes=71 if passed else 48)
        log = _log(BRANCH_MARKER, _LAST_BUILD) if began == last_green else ""
        yield DemoRun(job=_PIPELINE, began=began, took=took, passed=passed, metadata=kept, log=log)


def _periodic(as_of: datetime) -> Iterator[DemoRun]:
    """Yield a run a day that tests what green names: since 7 March always the same."""
    promoted = datetime(2024, 3, 7, 6, tzinfo=UTC)
    began = datetime(2024, 3, 4, 9, 11, tzinfo=UTC)
    while began < as_of - timedelta(hours=2):
        tested = _LAST_BUILD if began > promoted else _BUILD_BEFORE
        log = _log(GREEN_MARKER, tested)
        yield DemoRun(job=PERIODIC, began=began, took=timedelta(minutes=64), passed=True, log=log)
        began += timedelta(days=1)


def _log(marker: str, version: str) -> str:
    """Make what kubetest2 logs of what it downloads."""
    return (
        f"kubetest2-kops] curl {OFFICIAL_ROOT}markers/{MASTER}/{marker}\n"
        f"kubetest2-kops] curl {OFFICIAL_ROOT}{version}/linux/amd64/kops"
    )
