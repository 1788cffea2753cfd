"""Results of jobs as Prow keeps them, put wherever a test wants them."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from attrs import frozen

from kopsversion.model.layout import OFFICIAL_ROOT
from kopsversion.model.runs import RunFile, first_id

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from kopsversion.model.runs import RunId

JOBS_BUCKET = "kubernetes-ci-logs"
JOBS = f"gs://{JOBS_BUCKET}/logs/"
PIPELINE = "e2e-kops-pipeline-updown-kops-master"
MINUTE = timedelta(minutes=1)


@frozen
class Prow:
    """Adds runs.

    Attributes:
        add: puts an object of that name there, with its content and time.
    """

    add: Callable[[str, bytes, datetime], object]

    def run(
        self,
        job: str,
        began: datetime,
        *,
        passed: bool | None = True,
        took: timedelta = 70 * MINUTE,
        branch: str = "",
        tested: str = "",
        publishes: str = "",
        raw: Mapping[RunFile, bytes | None] | None = None,
    ) -> RunId:
        """Add a run, and return its id.

        Parameters:
            job: the job.
            began: when.
            passed: how it ended; ``None`` while it is on its way.
            took: how long.
            branch: what a postsubmit ran for.
            tested: what its log says that it tested.
            publishes: the marker that its arguments name.
            raw: what files hold instead; ``None`` for a file that is not there.
        """
        run = first_id(began)
        result = "SUCCESS" if passed else "FAILURE"
        ended = began + took
        files: dict[RunFile, bytes | None] = {
            RunFile.STARTED: _json({"timestamp": int(began.timestamp())}),
        }
        if passed is not None:
            files[RunFile.FINISHED] = _json(
                {"timestamp": int(ended.timestamp()), "passed": passed, "result": result}
            )
        spec: dict[str, Any] = {"job": job}
        if branch:
            spec["refs"] = {"base_ref": branch, "base_sha": "a" * 40}
        if publishes:
            url = f"gs://k8s-staging-kops/kops/releases/{publishes}"
            spec["pod_spec"] = {"containers": [{"args": [f"--publish-version-marker={url}"]}]}
        state = "pending" if passed is None else result.lower()
        files[RunFile.PROWJOB] = _json({"spec": spec, "status": {"state": state}})
        if tested:
            files[RunFile.LOG] = f"curl {OFFICIAL_ROOT}{tested}/linux/amd64/kops\n".encode()
        for file, data in {**files, **(raw or {})}.items():
            if data is not None:
                self.add(f"{job}/{run}/{file}", data, ended)
        return run


def _json(fields: object) -> bytes:
    return json.dumps(fields).encode()
