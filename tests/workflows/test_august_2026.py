"""A healthy bucket of the shape of August 2026 is healthy: six channels, four green markers, two quiet branches."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from kopsversion.cli.toolbox import tools
from kopsversion.model.answer import Severity
from kopsversion.model.channel import BRANCH_MARKER, GREEN_MARKER
from kopsversion.workflows.latest import resolve_latest
from kopsversion.workflows.survey import check_health
from tests.builders import DAY, HOUR
from tests.fake_store import FakeStore
from tests.git_repos import GitRepository
from tests.stores.test_store_contract import DirectoryPlace

if TYPE_CHECKING:
    from pathlib import Path

    from kopsversion.rules.report import HealthReport

pytestmark = pytest.mark.usefixtures("isolated_git")

NOW = datetime(2026, 8, 31, 12, tzinfo=UTC)
AGES = {
    "master": (90, 30, 3),
    "release-1.36": (200, 100, 10),
    "release-1.35": (600, 300, 60),
    "release-1.34": (900, 500, 200),
    "release-1.33": (2000, 1500, 1000),
    "release-1.32": (3000, 2500, 2000),
}
"""How many hours ago each branch's builds were uploaded; the last two have been quiet for six and twelve weeks."""
SMOKE_TESTED = ("master", "release-1.36", "release-1.35", "release-1.34")
QUIET = ("release-1.33", "release-1.32")


def name_of(ref: str, number: int) -> str:
    """Name a build of a branch; its commit is made of both."""
    minor = ref.removeprefix("release-")
    line = 7 if ref == "master" else int(minor.partition(".")[2])
    before = "1.37.0-alpha.1+v1.36.0-beta.1" if ref == "master" else f"{minor}.2+v{minor}.1"
    return f"{before}-{10 + number}-g{line:02x}{number:08x}"


def filled() -> FakeStore:
    """Upload it all; latest-ci.txt of each branch names its last build, green too."""
    store = FakeStore()
    for ref, ages in AGES.items():
        for number, age in enumerate(ages):
            store.add_build(name_of(ref, number), at=NOW - age * HOUR)
        last, at = name_of(ref, len(ages) - 1), NOW - ages[-1] * HOUR
        store.add_marker(ref, BRANCH_MARKER, last, at=at)
        if ref in SMOKE_TESTED:
            store.add_marker(ref, GREEN_MARKER, last, at=at + 2 * HOUR)
    return store


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone with all six branches, each with a build of its last merge."""
    repo = GitRepository.create(tmp_path_factory.mktemp("clone") / "kops")
    root = repo.commit("origin/master", when=NOW - 300 * DAY)
    for ref, ages in AGES.items():
        repo.branch(f"origin/{ref}", at=root)
        for number, age in enumerate(ages):
            claimed = name_of(ref, number).rpartition("-g")[2].ljust(40, "0")
            when = NOW - age * HOUR - timedelta(minutes=20)
            repo.commit(f"origin/{ref}", when=when, sides=1, claimed_id=claimed)
        repo.commit(f"origin/{ref}", when=NOW + HOUR, sides=1)  # git checks the id of a branch's last commit
    return repo.path


def checked(clone: Path | None) -> HealthReport:
    return check_health(store=filled(), now=NOW, repo=clone)


def test_without_a_clone_it_is_healthy() -> None:
    """What is quiet is an information, with the command that tells whether that is right."""
    report = checked(None)
    assert [channel.channel for channel in report.channels] == list(AGES)
    assert not report.unhealthy
    told = [
        (channel.channel, finding.condition.message)
        for channel in report.channels
        for finding in channel.findings
        if finding.condition.code != "marker-old"
    ]
    assert [channel for channel, _ in told] == list(QUIET)
    assert "either nothing was merged or the postsubmit is red" in told[0][1]
    assert told[0][1].endswith(
        "`kopsversion check release-1.33 --repo https://github.com/kubernetes/kops` tells which"
    )


def test_with_a_clone_it_is_healthy_and_no_branch_is_old(clone: Path) -> None:
    """Git tells that nothing was merged; that markers stand still follows from that."""
    report = checked(clone)
    assert not report.unhealthy
    told = {finding.condition.code for channel in report.channels for finding in channel.findings}
    assert told == {"marker-old"}, "what stands still, and rightly"


@pytest.mark.parametrize("with_clone", [False, True], ids=["without a clone", "with a clone"])
def test_the_command_ends_with_0(clone: Path, tmp_path: Path, *, with_clone: bool) -> None:
    """What a monitoring job sees is the exit status of ``kopsversion check``, and of ``--strict`` resolves."""
    place = DirectoryPlace(tmp_path / "bucket")
    for name, held in filled().held.items():
        place.add(name, held.data, held.uploaded)
    more = ["--store", place.url(), "--as-of", NOW.isoformat()]
    more += ["--repo", str(clone)] if with_clone else []
    checked = CliRunner().invoke(tools, ["check", *more])
    assert (checked.exit_code, checked.stderr) == (0, ""), checked.output
    resolved = CliRunner().invoke(tools, ["resolve", "--strict", *more])
    assert (resolved.exit_code, resolved.stdout) == (0, f"{place.url()}/{name_of('master', 2)}\n")


@pytest.mark.parametrize("ref", AGES)
def test_every_channel_is_answered_without_a_warning(ref: str) -> None:
    """By its green marker where it has one, else by latest-ci.txt."""
    found = resolve_latest(ref, store=filled(), now=NOW)
    assert str(found.version) == name_of(ref, 2)
    assert not found.is_degraded
    assert all(condition.severity is Severity.INFO for condition in found.conditions)


def test_on_master_silence_is_an_alarm() -> None:
    """Master is never quiet for two weeks."""
    store = filled()
    report = check_health(["master"], store=store, now=NOW + 15 * DAY)
    assert report.unhealthy
    (alarm, *others) = report.channels[0].findings
    assert (alarm.condition.code, alarm.condition.severity) == ("builds-old", Severity.WARNING)
    assert all(finding.condition.severity is Severity.INFO for finding in others)
