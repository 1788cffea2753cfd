"""A build tested by a command, as ``git bisect run`` tests a commit (DESIGN section 14).

An exit status of 0 means good, 125 skip, 1 to 124 bad. Everything else stops the bisection: a command that is not
there, or that was killed, proves nothing about a build. This module must not know which build comes next.
"""

from __future__ import annotations

import signal
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from kopsversion.errors import BisectionError, IntegrityError, NoTestableBuildError
from kopsversion.model.values import frozen
from kopsversion.publish.fetch import fetch_kops
from kopsversion.rules.stepper import Outcome
from kopsversion.workflows.bisection_state import TrialFinding

if TYPE_CHECKING:
    from kopsversion.workflows.bisect import BuildUnderTest
    from kopsversion.workflows.command import Command

__all__ = ["CommandTest"]

SKIP = 125
"""The status of a test that cannot tell, as for ``git bisect run``."""

_WORST = 124
"""The greatest exit status that means bad; the shell uses those above 125."""

_MEANING = {126: "could not be executed", 127: "was not found"}


@frozen(kw_only=True)
class CommandTest:
    """Tests a build by a command.

    Attributes:
        command: what is run, with ``KOPS_BASE_URL`` and ``KOPS_VERSION`` in its environment.
        repeat: how often it must fail for a build to be bad.
        platform: the platform whose kops is downloaded and named by ``KOPS``; ``None`` for none.
    """

    command: Command
    repeat: int = 1
    platform: str | None = None

    def __call__(self, build: BuildUnderTest) -> TrialFinding:
        """Test one build.

        Raises:
            BisectionError: the command's status says nothing about the build.
            UsageError: the command cannot be started.
            StoreError: kops could not be downloaded.
        """
        variables = {"KOPS_BASE_URL": build.base_url, "KOPS_VERSION": str(build.version)}
        with ExitStack() as stack:
            if self.platform is not None:
                directory = Path(stack.enter_context(TemporaryDirectory(prefix="kopsversion-bisect-")))
                kops = directory / "kops"
                try:
                    fetch_kops(build.store, build.version, platform=self.platform, path=kops)
                except (IntegrityError, NoTestableBuildError) as error:
                    return TrialFinding(outcome=Outcome.UNTESTABLE, reason=str(error))
                variables["KOPS"] = str(kops)
            return self._run(build, variables)

    def _run(self, build: BuildUnderTest, variables: dict[str, str]) -> TrialFinding:
        statuses: list[int] = []
        while len(statuses) < self.repeat:
            status = self.command.run(url=build.base_url, variables=variables)
            statuses.append(status)
            if status == 0:
                return TrialFinding(outcome=Outcome.GOOD, statuses=tuple(statuses))
            if status == SKIP:
                return TrialFinding(outcome=Outcome.SKIP, statuses=tuple(statuses))
            if not 0 < status <= _WORST:
                raise _stopped(status, build, command=self.command.words[0])
        return TrialFinding(outcome=Outcome.BAD, statuses=tuple(statuses))


def _stopped(status: int, build: BuildUnderTest, *, command: str) -> BisectionError:
    if status < 0:
        what = f"was killed by {_signal_name(-status)}"
    elif status in _MEANING:
        what = f"{_MEANING[status]} (status {status})"
    else:
        what = f"ended with status {status}"
    return BisectionError(
        f"the command {command} {what} while it tested {build.version}, which says nothing about the build",
        channel=str(build.version),
        hint="a test ends with 0 for good, 1 to 124 for bad and 125 for neither; fix it and run the same command",
    )


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
