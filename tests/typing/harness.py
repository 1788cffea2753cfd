"""A harness as its author writes it, with public names alone.

mypy and basedpyright check it from a caller's side, both strictly; `tests.test_typing` runs it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, assert_type

from kopsversion import (
    Artifact,
    Bisection,
    BisectionError,
    BisectReport,
    Build,
    BuildState,
    BuildUnderTest,
    BuildVersion,
    BuiltMerge,
    Channel,
    ChannelHealth,
    ChannelListing,
    Content,
    Failed,
    Fetched,
    Finding,
    Foreign,
    Found,
    FoundBuild,
    GitFault,
    GitWitnessError,
    HealthReport,
    JobsQuestion,
    Later,
    LeftOut,
    Listing,
    Lock,
    Malformed,
    Marker,
    MarkerHealth,
    Misfit,
    Missing,
    Named,
    NotTested,
    Outcome,
    Plan,
    PlannedBuild,
    Policy,
    Purpose,
    RangeEnd,
    RefusalKind,
    Resolution,
    SeenBuild,
    Snapshot,
    Store,
    StoredObject,
    Trial,
    TrialFinding,
    TrialResult,
    Try,
    Unreachable,
    Writer,
    __version__,
    bisect,
    check_health,
    fetch_kops,
    find_build,
    from_json,
    list_between,
    list_channel,
    make_lock,
    open_store,
    plan_bisection,
    read_lock,
    resolve,
    resolve_latest,
    resolve_many,
    to_json,
    write_lock,
    write_pin,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

AS_OF = datetime(2024, 5, 6, 18, tzinfo=UTC)


def finds_the_first_bad_build(store: Path, broken_from: int, state: Path) -> BisectReport:
    """Bisect by a function; what it is told on the way is typed, too."""
    told: list[str] = []

    def test(build: BuildUnderTest) -> Outcome:
        distance = build.version.distance
        if distance is None:
            return Outcome.SKIP
        return Outcome.BAD if distance >= broken_from else Outcome.GOOD

    def tell(event: Plan | Trial | TrialResult) -> None:
        if isinstance(event, Trial):
            purpose: Purpose = event.step.purpose
            told.append(f"{event.version}: {purpose}")
        elif isinstance(event, TrialResult):
            finding: TrialFinding = event.finding
            told.append(f"{event.version} is {finding.outcome}")
        else:
            builds: tuple[PlannedBuild, ...] = event.builds
            told.append(f"{len(builds)} builds of {event.channel}")

    report = bisect("2024-02-10", "newest", test=test, store=store, as_of=AS_OF, state=state, tell=tell)
    ends: list[RangeEnd] = [report.good, report.bad]
    untested: tuple[NotTested, ...] = report.untested
    merges: tuple[BuiltMerge, ...] | None = report.merges
    assert told
    assert len(ends) == 2
    assert untested == ()
    assert merges is None
    return report


def steps_by_itself(outcomes: Sequence[Outcome]) -> Found | Failed:
    """Drive the pure stepper, with builds that nobody but the caller knows."""
    search = Bisection(size=len(outcomes), good=0, bad=len(outcomes) - 1)
    while True:
        step = search.next()
        if not isinstance(step, Try):
            if isinstance(step, Failed):
                reason: Misfit = step.reason
                assert reason
            return step
        search = search.record(step.position, outcomes[step.position])


def asks_in_many_ways(store: Path) -> tuple[Resolution, ...]:
    """Selectors are text, channels or versions; timeouts are durations or seconds."""
    first = resolve_latest(Channel("master"), store=store, as_of=AS_OF, timeout=timedelta(seconds=30))
    again = resolve_latest(first.version, store=[store], as_of=AS_OF, timeout=30)
    return (first, again, *resolve_many(["master", Channel("release-1.29")], store=store, as_of=AS_OF))


def looks_around(store: Path) -> tuple[FoundBuild, ChannelListing, ChannelListing, HealthReport, Plan]:
    """Find, list, judge and plan."""
    jobs = JobsQuestion(wanted=True, writers=(Writer(marker="latest-ci.txt", jobs=("my-build",)),))
    return (
        find_build("968fc844f0", "master", store=store, as_of=AS_OF),
        list_between("2024-03-01", "newest", Channel("master"), store=store, as_of=AS_OF),
        list_channel(Channel("master"), store=store, as_of=AS_OF, limit=0),
        check_health(["master"], store=store, as_of=AS_OF, jobs=jobs),
        plan_bisection("2024-02-10", "newest", store=store, as_of=AS_OF),
    )


def reads_the_health(report: HealthReport) -> list[str]:
    """Nothing in a report is `Any`."""
    assert_type(report.channels, tuple[ChannelHealth, ...])
    assert_type(report.left_out, tuple[LeftOut, ...])
    assert_type(report.findings, tuple[tuple[str, Finding], ...])
    assert_type([marker for channel in report.channels for marker in channel.markers], list[MarkerHealth])
    newest = [channel.newest for channel in report.channels]
    assert_type(newest, list[SeenBuild | None])
    return [build.state for build in newest if build is not None and build.state is not BuildState.REFUSED]


def says_why_a_clone_does_not_tell(store: Path, repo: Path) -> GitFault | None:
    """Why git could not be asked is a value, as is why a build was passed over."""
    try:
        refused = resolve_latest("master", store=store, as_of=AS_OF, repo=repo).refused
    except GitWitnessError as error:
        return error.kind
    assert_type([refusal.kind for refusal in refused], list[RefusalKind])
    return None


def keeps_an_answer(place: Path, folder: Path) -> tuple[Fetched, Lock, Resolution]:
    """Fetch, pin and lock an answer, and read it back."""
    answer = resolve_latest("master", store=place, as_of=AS_OF)
    store: Store = open_store(place, timeout=timedelta(minutes=10))
    fetched = fetch_kops(store, answer.version, platform="linux/amd64", path=folder / "kops")
    write_pin(folder / "marker.txt", answer)
    write_lock(folder / "lock.json", make_lock(store, answer, timeout=60))
    store.close()
    return fetched, read_lock(folder / "lock.json"), from_json(to_json(answer))


def decides_about_values() -> Resolution:
    """Decide without any store: everything is a value."""
    version = BuildVersion.parse("1.30.0-alpha.2+v1.30.0-alpha.1-7-g0123456789")
    at = datetime(2024, 5, 6, 12, tzinfo=UTC)
    paths = [f"linux/{arch}/{name}" for arch in ("amd64", "arm64") for name in ("kops", "nodeup")]
    artifacts = tuple(Artifact(path + end, 1000, at) for path in paths for end in ("", ".sha256"))
    readings: tuple[Named | Foreign | Malformed | Missing | Later, ...] = (
        Named(version),
        Foreign("is of another store"),
        Malformed("holds HTML"),
        Missing("does not exist"),
        Later("was written later"),
    )
    markers = [Marker("master", f"marker-{number}.txt", reading) for number, reading in enumerate(readings)]
    unread = Marker("master", "latest-ci.txt", Unreachable("HTTP 503"))
    snapshot = Snapshot.complete(
        "mem://bucket/", builds=[Build(version, sampled=at, artifacts=artifacts)], markers=[*markers, unread]
    )
    return resolve(snapshot, Channel("master"), Policy(), AS_OF)


def reads_a_store(store: Store) -> tuple[Listing, StoredObject, Content]:
    """Ask a store itself."""
    listing = store.list("markers/")
    return listing, store.stat(listing.objects[0].name), store.read(listing.objects[0].name, limit=1024)


def says_why_there_is_nothing_to_find(store: Path) -> str:
    """An end that is not what it was said to be is an error of its own."""
    try:
        bisect("2024-02-10", "newest", test=lambda _build: True, store=store, as_of=AS_OF)
    except BisectionError as error:
        return f"kopsversion {__version__}: {error}; {error.hint}"
    return ""
