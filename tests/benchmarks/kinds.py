"""Asks random small buckets of the kinds that were once answered wrongly, where the right answer is known.

    python -m tests.benchmarks.kinds                     2,000 buckets of each kind
    python -m tests.benchmarks.kinds --count 100 --seed 7 --show

Each bucket holds some days of a branch, or of two around a cut, and markers of which each works, stands still or is
missing, whatever the others do. Nothing is asked of a clone. Prints how often an answer was wrong, and how often it was
so in silence (DESIGN section 7). Exits with 1 where a kind that can be seen through was answered wrongly in silence.
"""

from __future__ import annotations

import random
import sys
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click
from attrs import frozen

from kopsversion.model.bucket import Artifact, Build, Marker, Named, Snapshot
from kopsversion.model.channel import BRANCH_MARKER, GREEN_MARKER, MASTER, Channel
from kopsversion.model.policy import Strategy
from kopsversion.model.version import BuildVersion
from tests.benchmarks.replay import Tally, ask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

_STORE = "gs://k8s-staging-kops/kops/releases/"
_FILES = tuple(f"linux/amd64/{name}{suffix}" for name in ("kops", "nodeup") for suffix in ("", ".sha256"))
_BEGIN = datetime(2025, 1, 1, tzinfo=UTC)
_DAY = timedelta(days=1)
_WRITTEN = {BRANCH_MARKER: timedelta(minutes=1), GREEN_MARKER: timedelta(hours=3)}
"""How long after its build each marker is written."""
_STATES = ("works", "works", "stands still", "is missing")
"""What becomes of a marker, the first more often."""


@frozen
class Scene:
    """A bucket, and the question.

    Attributes:
        builds: every build.
        lines: the builds of each branch, in the order in which they were merged.
        markers: every marker.
        now: the moment of the question, UTC.
    """

    builds: tuple[Build, ...]
    lines: Mapping[str, tuple[Build, ...]]
    markers: tuple[Marker, ...]
    now: datetime

    def right(self, ref: str, strategy: Strategy) -> set[BuildVersion]:
        """Return what may be answered: by `green` also one than which every newer one came within the last day."""
        line = self.lines[ref]
        first = 1
        while strategy is Strategy.GREEN and first < len(line) and _uploaded(line[-first]) >= self.now - _DAY:
            first += 1
        return {build.version for build in line[-first:]}

    def __str__(self) -> str:
        builds = [f"build {each.version} {each.sampled:%Y-%m-%dT%H:%MZ}" for each in self.builds]
        markers = [
            f"marker {each.path.removeprefix('markers/')} {each.version} {each.written:%Y-%m-%dT%H:%MZ}"
            for each in self.markers
        ]
        return "\n".join([*builds, *markers, f"now {self.now:%Y-%m-%dT%H:%MZ}"])


def _uploaded(build: Build) -> datetime:
    assert build.sampled is not None
    return build.sampled


@frozen
class Maker:
    """Makes scenes by chance.

    Attributes:
        chance: what decides.
    """

    chance: random.Random

    def builds(
        self, names: Sequence[str], *, since: datetime = _BEGIN, distance: int = 0
    ) -> tuple[Build, ...]:
        """Make a build of each name, a name being all before the distance; the distance grows with each."""
        pace = self.chance.choice([timedelta(hours=5), _DAY, 3 * _DAY])
        found = []
        for name in names:
            distance += self.chance.randint(1, 3)
            since += pace * self.chance.uniform(0.2, 1.5)
            version = BuildVersion.parse(f"{name}-{distance}-g{self.chance.getrandbits(40):010x}")
            found.append(Build(version, since, tuple(Artifact(path, 65, since) for path in _FILES)))
        return tuple(found)

    def markers(self, ref: str, line: Sequence[Build]) -> Iterator[Marker]:
        """Make the markers of a branch; what works names the newest build."""
        for name, after in _WRITTEN.items():
            state = self.chance.choice(_STATES)
            if state != "is missing":
                named = line[-1] if state == "works" else self.chance.choice(line)
                yield Marker(ref, name, Named(named.version), _uploaded(named) + after)

    def scene(self, lines: Mapping[str, tuple[Build, ...]]) -> Scene:
        """Make the bucket of these branches, and ask some time after its last build."""
        builds = sorted({build for line in lines.values() for build in line}, key=_uploaded)
        waited = self.chance.choice([timedelta(hours=3), timedelta(hours=6), 2 * _DAY, 10 * _DAY])
        markers = tuple(marker for ref, line in lines.items() for marker in self.markers(ref, line))
        now = max([_uploaded(builds[-1]), *(each.written for each in markers if each.written)]) + waited
        return Scene(tuple(builds), lines, markers, now)

    # ---------------------------------------------------------------------------------- the kinds

    def bump(self) -> Scene:
        """A version was raised for one to three builds, and lowered again."""
        ref, low, high = self.chance.choice(
            [
                (MASTER, "1.31.0-alpha.2+v1.31.0-alpha.1", "1.32.0-alpha.1+v1.31.0-alpha.1"),
                (MASTER, "1.31.0-alpha.2+v1.31.0-alpha.1", "1.31.0-alpha.3+v1.31.0-alpha.1"),
                ("release-1.30", "1.30.2+v1.30.1", "1.30.3+v1.30.1"),
            ]
        )
        before, raised, after = (self.chance.randint(*span) for span in ((0, 6), (1, 3), (1, 8)))
        line = self.builds(
            [low] * before + [high] * raised + [low] * after, distance=self.chance.randint(0, 30)
        )
        return self.scene({ref: line})

    def tag_made_anew(self) -> Scene:
        """The tag moved on, so that distances began again."""
        ref, name = self.chance.choice(
            [(MASTER, "1.31.0-alpha.2+v1.31.0-alpha.1"), ("release-1.30", "1.30.2+v1.30.1")]
        )
        before = self.builds([name] * self.chance.randint(1, 8), distance=self.chance.randint(10, 60))
        after = self.builds([name] * self.chance.randint(1, 8), since=_uploaded(before[-1]))
        return self.scene({ref: before + after})

    def cut(self) -> Scene:
        """A release branch was cut, and master goes on under the same names for a while."""
        alpha, beta, later = (
            "1.31.0-alpha.4+v1.31.0-alpha.3",
            "1.31.0-beta.2+v1.31.0-beta.1",
            "1.32.0-alpha.1+v1.31.0-beta.1",
        )
        alphas = self.builds([alpha] * self.chance.randint(1, 5), distance=self.chance.randint(0, 40))
        common = self.builds([beta] * self.chance.randint(1, 3), since=_uploaded(alphas[-1]))
        cut, distance = _uploaded(common[-1]), common[-1].version.distance or 0
        stays = self.chance.randint(0, 6)
        masters = [beta] * stays + [later] * self.chance.randint(0 if stays else 1, 6)
        released = [beta] * self.chance.randint(1, 6)
        return self.scene(
            {
                MASTER: alphas + common + self.builds(masters, since=cut, distance=distance),
                "release-1.31": self.builds(released, since=cut, distance=distance),
            }
        )


KINDS: Mapping[str, Callable[[Maker], Scene]] = {
    "a version raised and lowered again": Maker.bump,
    "a tag made anew": Maker.tag_made_anew,
    "a branch cut": Maker.cut,
}
SEEN_THROUGH = frozenset({"a version raised and lowered again"})
"""Of these the names themselves tell, so that nothing may be wrong in silence by `newest`."""


@click.command(help="Ask random small buckets of the kinds that were once answered wrongly.")
@click.option(
    "--count", type=click.IntRange(1), default=2000, show_default=True, help="Buckets of each kind."
)
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--show", is_flag=True, help="Print one bucket of each row that is wrong in silence.")
def main(count: int, seed: int, show: bool) -> None:  # noqa: FBT001 # as click passes it
    """Run the benchmark."""
    tallies: dict[tuple[str, str, Strategy], Tally] = defaultdict(Tally)
    silent: dict[tuple[str, str, Strategy], Scene] = {}
    for kind, make in KINDS.items():
        maker = Maker(random.Random(seed))
        for scene in (make(maker) for _ in range(count)):
            held = Snapshot.complete(_STORE, builds=scene.builds, markers=scene.markers)
            for ref in scene.lines:
                for strategy in Strategy:
                    row = (kind, "master" if ref == MASTER else "release", strategy)
                    pick = ask(held, Channel(ref), strategy, now=scene.now)
                    was = tallies[row].silent
                    tallies[row] = tallies[row].count(
                        pick, is_right=pick.version in scene.right(ref, strategy)
                    )
                    if tallies[row].silent > was:
                        silent[row] = scene
    click.echo(
        "| kind | channel | by | asked | wrong | silent | flagged |\n|---|---|---|---:|---:|---:|---:|"
    )
    for (kind, channel, strategy), each in tallies.items():
        figures = f"{each.moments} | {each.wrong} | {each.silent} | {each.flagged}"
        click.echo(f"| {kind} | {channel} | {strategy} | {figures} |")
    if show:
        for row, scene in silent.items():
            click.echo(f"\n# {', '.join(row)}\n{scene}")
    sys.exit(any(kind in SEEN_THROUGH and strategy is Strategy.NEWEST for kind, _, strategy in silent))


if __name__ == "__main__":
    main()
