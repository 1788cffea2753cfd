"""A bucket over months: uploads that break off, markers that rot, builds that are deleted. Hypothesis drives it.

After every step anybody may ask for either branch in any way. A model of a few lines, which knows nothing of
listings, tells what may be answered.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from attrs import define, evolve, frozen
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from kopsversion.errors import MarkerRefusedError, NoTestableBuildError
from kopsversion.model.answer import USABLE, Source, Verdict
from kopsversion.model.channel import BRANCH_MARKER, GREEN_MARKER, MASTER, Channel
from kopsversion.model.policy import OnStale, Policy, Strategy
from kopsversion.workflows.latest import resolve_latest
from tests.builders import ERA_2024, HOUR, NOW, alpha, patch
from tests.fake_store import CHECKSUM, FakeStore
from tests.profiles import costly
from tests.strategies import hostile_texts

if TYPE_CHECKING:
    from kopsversion.model.answer import Resolution

RELEASE = "release-1.29"
NAMES = {MASTER: alpha, RELEASE: patch}
PLAIN = Policy()
MARKERS = ((MASTER, GREEN_MARKER), (MASTER, BRANCH_MARKER), (RELEASE, BRANCH_MARKER))
SMALL = evolve(ERA_2024, darwin=(), images=ERA_2024.images[:1])
"""Fewer files than a real build has, so that more can happen in a second."""


@define
class Uploaded:
    """What the model knows of one build."""

    ref: str
    distance: int
    name: str
    at: datetime
    lacks: str | None


@frozen
class Asked:
    """An answer, or the kind of error that came instead."""

    resolution: Resolution | None
    refused: bool = False


class BucketMachine(RuleBasedStateMachine):
    """Two branches in one bucket, whose builds are told apart by name alone."""

    @initialize()
    def begin(self) -> None:
        """Begin with three builds of each branch, and markers that name the last ones."""
        self.store = FakeStore()
        self.now = NOW
        self.builds: list[Uploaded] = []
        self.markers: dict[tuple[str, str], str] = {}
        self.made = dict.fromkeys(NAMES, 0)
        for _ in range(3):
            for ref in NAMES:
                self._upload(ref, lacks=None)
            self.now += HOUR
        for place in MARKERS:
            self._write(place, self.builds[-2 if place[0] == MASTER else -1].name)

    def _upload(self, ref: str, *, lacks: str | None) -> None:
        self.made[ref] += 1
        name = NAMES[ref](self.made[ref])
        self.store.add_build(name, at=self.now, era=SMALL, without=[lacks] if lacks else [])
        self.builds.append(Uploaded(ref, self.made[ref], name, self.now, lacks))

    def _write(self, place: tuple[str, str], name: str) -> None:
        self.store.add_marker(*place, name, at=self.now)
        self.markers[place] = name

    # ---- what happens

    @rule(hours=st.sampled_from([3, 25, 24 * 20]))
    def time_passes(self, hours: float) -> None:
        """A quiet while: nothing about the bucket changes, but what is fresh gets old."""
        self.now += timedelta(hours=hours)

    @rule(
        ref=st.sampled_from(list(NAMES)),
        hours=st.sampled_from([0.01, 0.5, 6]),
        lacks=st.sampled_from([None, None, None, *SMALL.paths]),
    )
    def upload(self, ref: str, hours: float, lacks: str | None) -> None:
        """A merge is built, and a while passes; some uploads break off, and a file is missing for the time being."""
        self._upload(ref, lacks=lacks)
        self.now += timedelta(hours=hours)

    @precondition(lambda self: any(build.lacks for build in self.builds))
    @rule(data=st.data())
    def finish_upload(self, data: st.DataObject) -> None:
        """The upload is repeated, and brings the missing file."""
        build = data.draw(st.sampled_from([build for build in self.builds if build.lacks]))
        assert build.lacks is not None
        content = CHECKSUM if build.lacks.endswith(".sha256") else b"x"
        self.store.add(f"{build.name}/{build.lacks}", content, at=self.now)
        build.lacks, build.at = None, self.now

    @precondition(lambda self: self.builds)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        """A lifecycle rule deletes a build, whatever names it."""
        build = data.draw(st.sampled_from(self.builds))
        self.builds.remove(build)
        for path in [name for name in self.store.held if name.startswith(f"{build.name}/")]:
            del self.store.held[path]

    @rule(
        place=st.sampled_from(MARKERS),
        back=st.integers(0, 3),
        stray=st.sampled_from([False, False, False, True]),
    )
    def write_marker(self, place: tuple[str, str], back: int, *, stray: bool) -> None:
        """A marker is moved, on or back, to a build that there is or was, of its branch or by mistake of the other."""
        (other,) = NAMES.keys() - {place[0]}
        ref = other if stray else place[0]
        self._write(place, NAMES[ref](max(self.made[ref] - back, 1)))

    @rule(place=st.one_of(st.none(), st.sampled_from(MARKERS)), text=hostile_texts())
    def spoil(self, place: tuple[str, str] | None, text: str) -> None:
        """A marker holds what nobody meant, or a name that is no build's turns up in the directory."""
        if place is not None:
            self.store.add(f"markers/{place[0]}/{place[1]}", text.encode(errors="surrogatepass"), at=self.now)
            self.markers[place] = ""
        elif not text.startswith(("1.", "v1.", "markers")):
            self.store.add(f"{text}/", at=self.now)

    # ---- what may be answered

    def _is_testable(self, build: Uploaded) -> bool:
        settled = self.now - build.at >= PLAIN.settle
        return build.lacks is None and (settled or self._names(build.ref, BRANCH_MARKER, build))

    def _names(self, ref: str, name: str, build: Uploaded) -> bool:
        return self.markers.get((ref, name), "").removeprefix("v") == build.name

    def _testable(self, ref: str) -> list[Uploaded]:
        own = [build for build in self.builds if build.ref == ref and self._is_testable(build)]
        return sorted(own, key=lambda build: -build.distance)

    def _ask(self, ref: str, policy: Policy) -> Asked:
        try:
            return Asked(resolve_latest(ref, store=self.store, policy=policy, now=self.now))
        except NoTestableBuildError:
            return Asked(None)
        except MarkerRefusedError:
            return Asked(None, refused=True)

    @precondition(lambda self: hasattr(self, "store"))
    @invariant()
    def newest_is_the_newest_testable(self) -> None:
        """Strategy ``newest`` names it, ``--nth 2`` the one before, and both nothing where there is none."""
        for ref in NAMES:
            testable = self._testable(ref)
            for nth in (1, 2):
                found = self._ask(ref, Policy(strategy=Strategy.NEWEST, nth=nth)).resolution
                expected = testable[nth - 1].name if len(testable) >= nth else None
                assert (str(found.version) if found else None) == expected, (ref, nth)

    @precondition(lambda self: hasattr(self, "store"))
    @invariant()
    def green_is_a_fresh_marker_or_the_newest(self) -> None:
        """Strategy ``green`` names what a fresh marker names, else the newest; and says which it was."""
        for ref in NAMES:
            testable = self._testable(ref)
            found = self._ask(ref, PLAIN).resolution
            assert (found is None) == (not testable), ref
            if found is None:
                continue
            assert found.base_url.endswith(f"/{found.version}")
            reports = [each for each in found.markers if each.marker.name in Channel(ref).default_markers]
            if ref == RELEASE:  # nobody writes green there, and that it is missing is not worth a word
                assert reports.pop(0).verdict is Verdict.MISSING
            report = next((each for each in reports if each.verdict in USABLE), reports[0])
            (chosen,) = (build for build in testable if build.name == str(found.version))
            newer = testable[: testable.index(chosen)]
            if found.source is Source.NEWEST:
                assert not newer
                assert report.verdict not in USABLE
                codes = [condition.code for condition in found.conditions]
                assert f"marker-{report.verdict}" in codes
                assert ref == MASTER or "marker-missing" not in codes
            else:
                assert self._names(ref, report.marker.name, chosen)
                assert report.verdict is (Verdict.LAGGING if newer else Verdict.CURRENT)
                assert not newer or self.now - newer[-1].at <= PLAIN.max_lag

    @precondition(lambda self: hasattr(self, "store"))
    @invariant()
    def refusing_differs_from_falling_back_only_in_that(self) -> None:
        """With ``--on-stale refuse`` there is the marker's build or an error, never another build."""
        for ref in NAMES:
            fallen_back = self._ask(ref, PLAIN).resolution
            refusing = self._ask(ref, Policy(on_stale=OnStale.REFUSE))
            if fallen_back is not None and fallen_back.source is Source.MARKER:
                assert refusing.resolution is not None
                assert refusing.resolution.version == fallen_back.version
            else:
                # Where there is no build at all, that is what is said: no marker could have helped.
                assert refusing == Asked(None, refused=any(build.ref == ref for build in self.builds))


TestBucket = BucketMachine.TestCase
TestBucket.settings = settings(costly(), stateful_step_count=15)
