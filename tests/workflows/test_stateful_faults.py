"""Random buckets under random sequences of faults.

The law: an answer is the one that the full bucket gives, or it is labelled: by its rung, or by a condition of severity
warning that the full bucket does not give. "There is no testable build" is said only where that is so. And nothing
but a fault makes a store fail. What the full bucket gives is decided from a complete snapshot of it.
"""

from __future__ import annotations

import tempfile
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

from attrs import frozen
from hypothesis import note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from kopsversion.errors import KopsVersionError, ResolutionError, StoreError
from kopsversion.model.answer import Resolution, Rung, Severity, Source
from kopsversion.model.bucket import Artifact, Build, Marker, Snapshot
from kopsversion.model.channel import BRANCH_MARKER, GREEN_MARKER, MASTER, Channel
from kopsversion.model.layout import known_roots, read_marker_body
from kopsversion.model.policy import OnStale, Policy, Strategy
from kopsversion.model.version import BuildVersion
from kopsversion.rules.resolver import resolve
from kopsversion.rules.testable import examine
from kopsversion.stores import gcs
from kopsversion.stores.retrying import Retrying
from kopsversion.workflows.latest import resolve_latest
from tests.builders import NOW, alpha, beta, patch
from tests.gcs_faults import FAULTS
from tests.gcs_server import KOPS_BUCKET, KOPS_ROOT, GcsServer, Kind
from tests.scenes import ATTEMPTS, store_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

FILES = tuple(
    path
    for file in (
        *(
            f"linux/{architecture}/{binary}"
            for architecture in ("amd64", "arm64")
            for binary in ("kops", "nodeup")
        ),
        *(f"images/kops-controller-{architecture}.tar.gz" for architecture in ("amd64", "arm64")),
    )
    for path in (file, f"{file}.sha256")
)
DIGEST = "0" * 64 + "\n"

SLOW = ("stall", "one byte")
QUICK_FAULTS = sorted(name for name in FAULTS if not name.startswith(SLOW))
CONTENT = ("404", "200 ", "repeated", "endless")
"""Of a marker these are answers, and no faults that anybody could tell."""
MARKER_FAULTS = [name for name in QUICK_FAULTS if not name.startswith(CONTENT)]

PLAIN_FAULTS = ("503", "403", "204", "404", "truncated body", "repeated page token")
"""One of each sort."""
ASKED = (Kind.BUILDS, Kind.BUILDS, Kind.OBJECTS, Kind.UPLOADS, Kind.MINORS, Kind.MAJORS)

SELECTORS = (MASTER, "release-1.29", "release-1.30")
POLICIES = (
    Policy(platforms=("linux/amd64", "linux/arm64")),
    Policy(strategy=Strategy.NEWEST),
    Policy(on_stale=OnStale.REFUSE),
    Policy(nth=2),
)
DAY = timedelta(days=1)


@frozen
class Line:
    """A branch that builds, and how its builds are called."""

    ref: str
    name: str

    def version(self, distance: int) -> str:
        makers: Mapping[str, Callable[[int], str]] = {
            "alpha": alpha,
            "beta": beta,
            "next alpha": partial(alpha, minor="1.31"),
            "patch": patch,
            "old alpha": partial(alpha, minor="1.29"),
        }
        return makers[self.name](distance)


SHARED = Line("release-1.30", "beta")
LINES = (
    Line(MASTER, "old alpha"),
    Line(MASTER, "alpha"),
    Line(MASTER, "next alpha"),
    Line("release-1.29", "patch"),
    SHARED,
)


class Faults(RuleBasedStateMachine):
    """A bucket that is written to and asked, on a server that fails."""

    def __init__(self) -> None:
        super().__init__()
        self.patched = mock.patch.object(gcs, "Retrying", partial(Retrying, sleep=lambda _: None))
        self.patched.start()
        self.folder = tempfile.TemporaryDirectory()
        self.server = GcsServer(page_size=7)
        self.server.__enter__()
        self.bucket = self.server.bucket()
        self.now = NOW
        self.distances = dict.fromkeys(LINES, 0)
        self.answered: dict[tuple[str, Policy], list[Resolution]] = {}

    def teardown(self) -> None:
        self.server.__exit__(None, None, None)
        self.folder.cleanup()
        self.patched.stop()

    @initialize(lines=st.lists(st.sampled_from(LINES), min_size=3, max_size=9))
    def begin(self, lines: list[Line]) -> None:
        """Some builds were there before."""
        for line in lines:
            self.build(line=line, minutes=60 * 5, lacks=None, moves=True)
        if self.distances[LINES[1]]:
            self.mark(MASTER, GREEN_MARKER, LINES[1].version(1))

    # ------------------------------------------------------------------------------ what CI does

    @rule(
        line=st.sampled_from(LINES),
        minutes=st.sampled_from([1, 15, 60, 60 * 30, 60 * 24 * 10]),
        lacks=st.none() | st.none() | st.none() | st.sampled_from(FILES),
        moves=st.booleans(),
    )
    def build(self, line: Line, minutes: int, lacks: str | None, moves: bool) -> None:  # noqa: FBT001 # drawn
        """A branch builds a commit, perhaps not whole, and perhaps moves its marker."""
        self.now += timedelta(minutes=minutes)
        self.distances[line] += 1
        version = line.version(self.distances[line])
        for path in FILES:
            if path != lacks:
                data = DIGEST if path.endswith(".sha256") else "x"
                self.bucket.add(f"{KOPS_ROOT}{version}/{path}", data, at=self.now)
        if moves:
            self.mark(line.ref, BRANCH_MARKER, version)

    @rule(line=st.sampled_from(LINES), behind=st.integers(0, 2), green=st.booleans())
    def promote(self, line: Line, behind: int, green: bool) -> None:  # noqa: FBT001 # drawn
        """A marker names one of the branch's last builds, which may have been deleted."""
        distance = max(1, self.distances[line] - behind)
        name = GREEN_MARKER if green and line.ref == MASTER else BRANCH_MARKER
        self.mark(line.ref, name, line.version(distance))

    @rule(
        ref=st.sampled_from(SELECTORS),
        body=st.sampled_from(["<html>", "", "https://x/1.30.0", "1.30.0\n1.30.0"]),
    )
    def spoil(self, ref: str, body: str) -> None:
        """A marker is overwritten with something else."""
        name = GREEN_MARKER if ref == MASTER else BRANCH_MARKER
        self.bucket.add(f"{KOPS_ROOT}markers/{ref}/{name}", body, at=self.now)

    @rule(line=st.sampled_from(LINES), back=st.integers(0, 2))
    def delete(self, line: Line, back: int) -> None:
        """A lifecycle rule deletes a build."""
        version = line.version(max(1, self.distances[line] - back))
        for path in FILES:
            self.bucket.remove(f"{KOPS_ROOT}{version}/{path}")

    @rule(hours=st.sampled_from([1, 30, 24 * 20]))
    def wait(self, hours: int) -> None:
        """Nothing happens."""
        self.now += timedelta(hours=hours)

    def mark(self, ref: str, name: str, version: str) -> None:
        body = f"https://storage.googleapis.com/{KOPS_BUCKET}/{KOPS_ROOT}{version}\n"
        self.bucket.add(f"{KOPS_ROOT}markers/{ref}/{name}", body, at=self.now)

    # ------------------------------------------------------------------------------ what goes wrong

    @rule(
        fault=st.sampled_from(PLAIN_FAULTS) | st.sampled_from(QUICK_FAULTS),
        kind=st.sampled_from(ASKED),
        minor=st.sampled_from(["", "1.29.", "1.30.", "1.31."]),
        times=st.sampled_from([None, 1, ATTEMPTS]),
        policy=st.sampled_from(POLICIES),
    )
    def break_listings(self, fault: str, kind: Kind, minor: str, times: int | None, policy: Policy) -> None:
        """Some listings fail from now on."""
        prefix = KOPS_ROOT + minor if kind in {Kind.BUILDS, Kind.OBJECTS, Kind.UPLOADS} else KOPS_ROOT
        self.server.fail(
            FAULTS[fault], kind, times=times, when=lambda request: request.name.startswith(prefix)
        )
        self.ask_all(policy)

    @rule(
        fault=st.sampled_from(MARKER_FAULTS),
        times=st.sampled_from([None, 1, ATTEMPTS]),
        of=st.sampled_from(["", "green", "release", BRANCH_MARKER]),
        policy=st.sampled_from(POLICIES),
    )
    def break_markers(self, fault: str, times: int | None, of: str, policy: Policy) -> None:
        """Some reads of markers fail from now on."""
        self.server.fail(FAULTS[fault], Kind.MARKER, times=times, when=lambda request: of in request.name)
        self.ask_all(policy)

    @rule(line=st.sampled_from(LINES), fault=st.sampled_from(PLAIN_FAULTS), policy=st.sampled_from(POLICIES))
    def break_build(self, line: Line, fault: str, policy: Policy) -> None:
        """A branch's last build cannot be looked into from now on."""
        version = line.version(self.distances[line])
        self.server.fail(
            FAULTS[fault], Kind.OBJECTS, times=None, when=lambda request: f"/{version}/" in request.name
        )
        self.ask_all(policy)

    @rule(
        fault=st.sampled_from(PLAIN_FAULTS[:3]),
        blind=st.sampled_from([*(f"markers/{ref}/" for ref in (SHARED.ref, MASTER)), "markers/", "1.30."]),
        policy=st.sampled_from(POLICIES),
    )
    def break_evidence(self, fault: str, blind: str, policy: Policy) -> None:
        """A branch has just been cut, and what tells its builds from master's cannot be learnt from now on."""
        if not self.distances[SHARED]:
            self.build(line=SHARED, minutes=60, lacks=None, moves=True)
        kind = Kind.MARKER if blind.startswith("markers/") else Kind.UPLOADS
        self.server.fail(
            FAULTS[fault], kind, times=None, when=lambda request: request.name.startswith(KOPS_ROOT + blind)
        )
        self.ask_all(policy)

    @rule(times=st.sampled_from([2, 5, None]))
    def break_everything(self, times: int | None) -> None:
        """The server is out of order."""
        self.server.fail(FAULTS["503"], times=times)

    @precondition(lambda self: self.server.faults)
    @rule()
    def mend(self) -> None:
        """Everything works again."""
        self.server.faults.clear()

    # ------------------------------------------------------------------------------ what is asked

    @rule(policy=st.sampled_from(POLICIES))
    def ask_all(self, policy: Policy) -> None:
        """The law, for every branch."""
        for selector in SELECTORS:
            self.check(selector, policy)

    def check(self, selector: str, policy: Policy) -> None:
        self.server.forget()
        found = self.outcome(selector, policy, state=Path(self.folder.name) / "state.json")
        hit = [request for request in self.server.requests if request.fault is not None]
        truth = self.truth(selector, policy)
        note(
            f"{selector} {policy.strategy} {policy.on_stale} {policy.nth}: {_shown(found)}, truly {_shown(truth)}"
        )
        if isinstance(found, Resolution) and found.rung is Rung.CACHED:
            self.check_cached(found, self.answered[selector, policy])
        elif isinstance(found, Resolution):
            self.check_answer(found, truth, self.snapshot(), policy)
            self.answered.setdefault((selector, policy), []).append(found)
        elif isinstance(found, ResolutionError):
            assert type(found) is type(truth), "exit 1 is said only where it is so"
        else:
            assert isinstance(found, StoreError)
            assert hit, "nothing but a fault makes a store fail"
        if not hit:
            assert _shown(found) == _shown(truth), "without a fault it is the truth"

    def outcome(self, selector: str, policy: Policy, *, state: Path | None) -> Resolution | KopsVersionError:
        try:
            return resolve_latest(
                selector,
                store=store_of(self.server),
                policy=policy,
                now=self.now,
                state=state,
                allow_cached=5 * DAY if state else None,
            )
        except KopsVersionError as error:
            return error

    def truth(self, selector: str, policy: Policy) -> Resolution | KopsVersionError:
        """What the full bucket gives.

        In the shared window the evidence is what the budget of requests allows, and a complete snapshot has
        more of it; there it is what the same questions give without a fault.
        """
        if self.distances[SHARED]:
            faults, self.server.faults = self.server.faults, []
            found = self.outcome(selector, policy, state=None)
            self.server.faults = faults
            return found
        try:
            return resolve(self.snapshot(), Channel.parse(selector), policy, self.now)
        except KopsVersionError as error:
            return error

    def snapshot(self) -> Snapshot:
        """What the bucket holds, all of it."""
        builds: dict[str, list[Artifact]] = {}
        markers = []
        for name in self.bucket.names():
            held = self.bucket.get(name)
            assert held is not None
            path = name.removeprefix(KOPS_ROOT)
            if path.startswith("markers/"):
                _, ref, file = path.split("/")
                reading = read_marker_body(
                    held.data or b"",
                    roots=known_roots(
                        store_of(self.server).url, public_url=store_of(self.server).public_url("")
                    ),
                )
                markers.append(Marker(ref, file, reading, written=held.created))
            else:
                version, _, file = path.partition("/")
                builds.setdefault(version, []).append(Artifact(file, size=held.size, uploaded=held.created))
        return Snapshot.complete(
            f"gs://{KOPS_BUCKET}/{KOPS_ROOT}",
            builds=[
                Build(BuildVersion.parse(version), sampled=files[0].uploaded, artifacts=tuple(files))
                for version, files in builds.items()
            ],
            markers=markers,
        )

    def check_answer(
        self,
        found: Resolution,
        truth: Resolution | KopsVersionError,
        snapshot: Snapshot,
        policy: Policy,
    ) -> None:
        expected = _warnings(truth) if isinstance(truth, Resolution) else {}
        labels = {code for code in _warnings(found) if code not in expected}
        if found.rung is Rung.FULL and not labels:
            assert isinstance(truth, Resolution), f"{found.version} is no answer: {truth}"
            assert found.version == truth.version, (
                f"{found.version} is not {truth.version}, and nothing says so"
            )
        build = snapshot.build(found.version)
        assert build is not None, "an answer is a build that is there"
        if "listing-unavailable" not in labels:
            refusal = examine(build, policy=policy, now=self.now, marked=True)
            assert refusal is None, "an answer is testable"
        assert found.source is not Source.NEWEST or found.rung in {Rung.FULL, Rung.LISTING}

    def check_cached(self, found: Resolution, answered: list[Resolution]) -> None:
        """It is one of the answers that were given, and not too old."""
        same = [each for each in answered if each.version == found.version]
        assert any(self.now - each.now <= 5 * DAY for each in same)
        assert "cached-answer" in _warnings(found)

    @invariant()
    def the_server_is_right(self) -> None:
        """No mistake of the server is taken for one of the client."""
        assert self.server.errors == []
        assert all(request.kind is not Kind.BUCKET for request in self.server.requests)


def _warnings(found: Resolution) -> Mapping[str, str]:
    return {c.code: c.message for c in found.conditions if c.severity is not Severity.INFO}


def _shown(outcome: Resolution | KopsVersionError) -> str:
    if isinstance(outcome, Resolution):
        return f"{outcome.version} by {outcome.source}"
    return f"{type(outcome).__name__}"


TestFaults = Faults.TestCase
# Each example makes hundreds of requests.
TestFaults.settings = settings(stateful_step_count=10, max_examples=settings().max_examples // 2)
