"""The same answer from everywhere: each scenario is laid out once, as a tree of files, and asked of a
directory, of our own GCS server and of the real fake-gcs-server.

The row says what the answer is, so that the three cannot merely agree on something wrong.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from attrs import evolve, field, frozen

from kopsversion.errors import KopsVersionError
from kopsversion.model.answer import Source, Verdict
from kopsversion.model.channel import BRANCH_MARKER, GREEN_MARKER
from kopsversion.model.layout import Skipped
from kopsversion.model.policy import OnStale, Policy, Strategy
from kopsversion.model.version import BuildVersion
from kopsversion.stores.deadline import Deadline
from kopsversion.stores.opening import open_store
from kopsversion.workflows.latest import resolve_latest
from tests.builders import DAY, HOUR, NODEUP, NOW, STORE, Era, alpha, patch
from tests.gcs_server import KOPS_BUCKET, KOPS_ROOT
from tests.stores.test_store_contract import DirectoryPlace, FakeGcsPlace, Place, ServerPlace

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

MINUTE = timedelta(minutes=1)
GREEN = f"markers/master/{GREEN_MARKER}"
LATEST = f"markers/master/{BRANCH_MARKER}"
OF_129 = f"markers/release-1.29/{BRANCH_MARKER}"
IMAGE = "images/dns-controller-arm64.tar.gz"

SMALL = Era(darwin=(), images=("dns-controller", "kops-controller"), binaries=("kops", "nodeup"))
"""As few files as a complete build can have, so that many buckets are quickly filled."""

ROOT = b"{root}"
"""Stands in a marker's body for the place that the bucket is at."""


# --------------------------------------------------------------------------------------------------
# Trees

File = tuple[bytes, datetime]
Tree = dict[str, File]


def built(version: str, *, at: datetime = NOW - HOUR, without: Iterable[str] = (), empty: str = "") -> Tree:
    """The files of a build, the last of them uploaded `at`."""
    paths = [path for path in SMALL.paths if path not in set(without)]
    return {
        f"{version}/{path}": (b"" if path == empty else path.encode(), at - timedelta(seconds=seconds))
        for seconds, path in enumerate(paths)
    }


def marked(path: str, version: str, *, at: datetime = NOW - HOUR) -> Tree:
    """A marker as kops writes it."""
    return said(path, ROOT + version.encode() + b"\n", at=at)


def said(path: str, body: bytes, *, at: datetime = NOW - HOUR) -> Tree:
    """A marker that holds anything."""
    return {path: (body, at)}


def strays(*paths: str) -> Tree:
    """Files that are of no build."""
    return dict.fromkeys(paths, (b"stray", NOW - DAY))


THREE = built(alpha(1), at=NOW - 3 * DAY) | built(alpha(2), at=NOW - 2 * DAY) | built(alpha(3), at=NOW - DAY)
"""Three builds of master, a day apart; the newest is a day old."""

CUT = (
    built("1.29.0-alpha.4+v1.29.0-alpha.3-369-g8f29969f20", at=NOW - 9 * DAY)
    | built("1.29.0-alpha.4+v1.29.0-alpha.3-378-g22ce1230da", at=NOW - 8 * DAY)
    | built("1.29.0-beta.2+v1.29.0-beta.1-44-g588f77d0a1", at=NOW - 9 * HOUR)
    | built("1.29.0-beta.2+v1.29.0-beta.1-47-gf9a0ba0203", at=NOW - 6 * HOUR)
    | built("1.29.0-beta.1", at=NOW - 7 * DAY)
    | marked(GREEN, "1.29.0-alpha.4+v1.29.0-alpha.3-378-g22ce1230da", at=NOW - 7 * DAY)
    | marked(LATEST, "1.29.0-alpha.4+v1.29.0-alpha.3-378-g22ce1230da", at=NOW - 8 * DAY)
    | marked(OF_129, "1.29.0-beta.2+v1.29.0-beta.1-47-gf9a0ba0203", at=NOW - 6 * HOUR)
)
"""As on 6 May 2024: release-1.29 was cut, and its betas stand above master's alphas (DESIGN section 4)."""


# --------------------------------------------------------------------------------------------------
# What is asked, and what is answered


@frozen(kw_only=True)
class Answer:
    """All of an answer that does not depend on where it is from.

    Attributes:
        version: the build.
        source: what it is taken from.
        verdicts: each marker's, by name.
        codes: of the conditions, with their severity.
        refused: builds that were passed over, with the first reason.
        skipped: names that are no build.
    """

    version: str
    source: Source = Source.MARKER
    verdicts: Mapping[str, Verdict] = field(factory=dict)
    codes: Mapping[str, str] = field(factory=dict)
    refused: Mapping[str, str] = field(factory=dict)
    skipped: Mapping[str, int] = field(factory=dict)


@frozen(kw_only=True)
class NoAnswer:
    """An error: its class, its exit status, and a part of what it says."""

    kind: str
    exit_code: int
    says: str


@frozen(kw_only=True)
class Scenario:
    """A store, a question and the answer."""

    name: str
    tree: Tree
    answer: Answer | NoAnswer
    selector: str = "master"
    policy: Policy = field(factory=lambda: Policy(markers=(GREEN_MARKER,)))  # most speak about one marker
    as_of: datetime | None = None


def green(verdict: Verdict) -> Mapping[str, Verdict]:
    return {GREEN_MARKER: verdict}


WITHOUT_GREEN = {GREEN_MARKER: Verdict.MISSING, BRANCH_MARKER: Verdict.CURRENT}
"""What a release branch that is not smoke-tested has: nothing to be said about."""


def fallback(version: str, verdict: Verdict, **more: str) -> Answer:
    """Make the answer of a green marker that cannot be used: the newest testable build, and a warning."""
    return Answer(
        version=version,
        source=Source.NEWEST,
        verdicts=green(verdict),
        codes={f"marker-{verdict}": "warning"} | {code.replace("_", "-"): more[code] for code in more},
    )


def current(version: str) -> Answer:
    """Make the answer of a green marker with nothing to be said about it."""
    return Answer(version=version, verdicts=green(Verdict.CURRENT))


DAMAGE: Mapping[str, bytes] = {
    "CRLF": ROOT + alpha(3).encode() + b"\r\n",
    "no newline": ROOT + alpha(3).encode(),
    "byte order mark": b"\xef\xbb\xbf" + ROOT + alpha(3).encode() + b"\n",
    "spaces around": b"  " + ROOT + alpha(3).encode() + b" \n",
    "doubled slash": ROOT + b"/" + alpha(3).encode() + b"\n",
    "percent plus": ROOT + alpha(3).replace("+", "%2B").encode() + b"\n",
    "plus turned into a space": ROOT + alpha(3).replace("+", " ").encode() + b"\n",
}
MALFORMED: Mapping[str, bytes] = {
    "HTML": b"<!DOCTYPE html><title>Error 404 (Not Found)!!1</title>\n",
    "XML": b"<?xml version='1.0'?><Error><Code>NoSuchKey</Code></Error>",
    "empty": b"",
    "white space": b" \n\n",
    "two lines": ROOT + alpha(3).encode() + b"\n" + ROOT + alpha(2).encode() + b"\n",
    "binary": bytes(range(256)),
    "shell": b"$(reboot)\n",
    "5 MB": b"1.30.0\n" * 750_000,
    "no version at the end": ROOT + b"latest\n",
}

MASTER_SCENARIOS = [
    Scenario(name="fresh marker", tree=THREE | marked(GREEN, alpha(3)), answer=current(alpha(3))),
    *(
        Scenario(
            name=f"row 16: damaged marker, {kind}", tree=THREE | said(GREEN, body), answer=current(alpha(3))
        )
        for kind, body in DAMAGE.items()
    ),
    Scenario(
        name="lagging: a quiet week, then a build",
        tree=built(alpha(1), at=NOW - 8 * DAY)
        | built(alpha(2), at=NOW - 30 * MINUTE)
        | marked(GREEN, alpha(1)),
        answer=Answer(version=alpha(1), verdicts=green(Verdict.LAGGING), codes={"marker-lagging": "info"}),
    ),
    Scenario(
        name="row 1: stale marker",
        tree=THREE | marked(GREEN, alpha(1), at=NOW - 3 * DAY),
        answer=fallback(alpha(3), Verdict.STALE),
    ),
    Scenario(
        name="row 7: marker set back",
        tree=THREE | marked(GREEN, alpha(1), at=NOW - MINUTE),
        answer=fallback(alpha(3), Verdict.STALE),
    ),
    Scenario(
        name="a longer lag is allowed",
        tree=THREE | marked(GREEN, alpha(1)),
        policy=Policy(max_lag=3 * DAY, markers=(GREEN_MARKER,)),
        answer=Answer(version=alpha(1), verdicts=green(Verdict.LAGGING), codes={"marker-lagging": "info"}),
    ),
    Scenario(
        name="row 12: dangling marker",
        tree=THREE | marked(GREEN, alpha(2) + "0"),
        answer=fallback(alpha(3), Verdict.DANGLING),
    ),
    Scenario(
        name="row 5: marker ahead of its artifacts",
        tree=THREE | marked(GREEN, alpha(4)),
        answer=fallback(alpha(3), Verdict.DANGLING),
    ),
    Scenario(
        name="row 6: incomplete build on top",
        tree=THREE | built(alpha(4), without=NODEUP) | marked(GREEN, alpha(3)),
        answer=Answer(
            version=alpha(3),
            verdicts=green(Verdict.CURRENT),
            codes={"builds-refused": "info"},
            refused={alpha(4): "linux/arm64/nodeup is missing"},
        ),
    ),
    Scenario(
        name="row 6: marker names the incomplete build on top",
        tree=THREE | built(alpha(4), without=(IMAGE, f"{IMAGE}.sha256")) | marked(GREEN, alpha(4)),
        answer=evolve(
            fallback(alpha(3), Verdict.INCOMPLETE, builds_refused="info"),
            refused={alpha(4): f"{IMAGE} is missing"},
        ),
    ),
    Scenario(
        name="row 24: empty file on top",
        tree=THREE | built(alpha(4), at=NOW - 2 * DAY, empty="linux/amd64/kops") | marked(GREEN, alpha(3)),
        answer=Answer(
            version=alpha(3),
            verdicts=green(Verdict.CURRENT),
            codes={"builds-refused": "warning"},  # for two days now
            refused={alpha(4): "linux/amd64/kops is empty"},
        ),
    ),
    Scenario(
        name="unsettled build on top",
        tree=THREE | built(alpha(4), at=NOW - 3 * MINUTE) | marked(GREEN, alpha(3)),
        answer=Answer(
            version=alpha(3),
            verdicts=green(Verdict.CURRENT),
            codes={"builds-unsettled": "info"},
            refused={
                alpha(
                    4
                ): "its newest file was uploaded 3 minutes ago, and an upload counts as over after 10 minutes"
            },
        ),
    ),
    Scenario(
        name="young build on top that its branch's marker names",
        tree=THREE
        | built(alpha(4), at=NOW - 3 * MINUTE)
        | marked(GREEN, alpha(3))
        | marked(LATEST, alpha(4)),
        answer=Answer(version=alpha(3), verdicts=green(Verdict.LAGGING), codes={"marker-lagging": "info"}),
    ),
    *(
        Scenario(
            name=f"row 10: malformed marker, {kind}",
            tree=THREE | said(GREEN, body),
            answer=fallback(alpha(3), Verdict.MALFORMED),
        )
        for kind, body in MALFORMED.items()
    ),
    Scenario(name="row 11: missing marker", tree=THREE, answer=fallback(alpha(3), Verdict.MISSING)),
    Scenario(
        name="row 9: wrong channel",
        tree=THREE | built(patch(36, minor="1.28")) | marked(GREEN, patch(36, minor="1.28")),
        answer=fallback(alpha(3), Verdict.WRONG_CHANNEL),
    ),
    Scenario(
        name="row 13: foreign host",
        tree=THREE | said(GREEN, b"https://evil.example/k8s-staging-kops/kops/releases/" + alpha(3).encode()),
        answer=fallback(alpha(3), Verdict.FOREIGN),
    ),
    Scenario(
        name="row 13: moved bucket",
        tree=THREE | said(GREEN, b"https://storage.googleapis.com/kops-ci/bin/" + alpha(3).encode()),
        answer=fallback(alpha(3), Verdict.FOREIGN),
    ),
    Scenario(
        name="tag build present",
        tree=THREE | built("1.30.0-alpha.2") | marked(GREEN, alpha(3)),
        answer=current(alpha(3)),
    ),
    Scenario(
        name="marker names a tag build",
        tree=THREE | built("1.30.0-alpha.2") | marked(GREEN, "1.30.0-alpha.2"),
        answer=fallback(alpha(3), Verdict.WRONG_CHANNEL),
    ),
    Scenario(
        name="rows 20 and 22: debris",
        tree=THREE
        | marked(GREEN, alpha(3))
        | strays(
            "latest-ci.txt",
            "README",
            "v20240307-v1.29.0-alpha.3-378-g22ce1230da/cloudbuild/log.txt",
            "1.30.0-alpha.2+$(reboot)/linux/amd64/kops",
            "1.30.not-a-version/linux/amd64/kops",
            "1.30.txt",
            f"{alpha(3)}/linux/amd64/odd name",
            f"{alpha(3)}/cloudbuild/files.sha256",
            "1.31.0-alpha.1/README.md",
        ),
        answer=Answer(
            version=alpha(3),
            verdicts=green(Verdict.CURRENT),
            codes={"names-skipped": "info"},
            skipped={Skipped.STRAY_FILE: 2, Skipped.FOREIGN: 4, Skipped.ODD_FILE: 1},
        ),
    ),
    Scenario(
        name="excluded build on top",
        tree=THREE | marked(GREEN, alpha(2)),
        policy=Policy(exclude=frozenset({BuildVersion.parse(alpha(3))}), markers=(GREEN_MARKER,)),
        answer=Answer(
            version=alpha(2), verdicts=green(Verdict.CURRENT), refused={alpha(3): "is excluded by request"}
        ),
    ),
    Scenario(
        name="the marker's build is excluded",
        tree=THREE | marked(GREEN, alpha(3)),
        policy=Policy(exclude=frozenset({BuildVersion.parse(alpha(3))}), markers=(GREEN_MARKER,)),
        answer=evolve(
            fallback(alpha(2), Verdict.EXCLUDED),
            refused={alpha(3): "is excluded by request"},
            codes={"marker-excluded": "info"},
        ),
    ),
    Scenario(
        name="the second newest",
        tree=THREE | marked(GREEN, alpha(3)),
        policy=Policy(nth=2, markers=(GREEN_MARKER,)),
        answer=evolve(current(alpha(2)), source=Source.NEWEST),
    ),
    Scenario(
        name="row 3: the newest, whatever a marker says",
        tree=THREE | marked(GREEN, alpha(1)),
        policy=Policy(strategy=Strategy.NEWEST, markers=(GREEN_MARKER,)),
        answer=evolve(fallback(alpha(3), Verdict.STALE), codes={"marker-stale": "info"}),
    ),
    Scenario(
        name="the first fresh marker of several",
        tree=THREE | marked(GREEN, alpha(1)) | marked(LATEST, alpha(3)),
        policy=Policy(),
        answer=Answer(
            version=alpha(3),
            verdicts={GREEN_MARKER: Verdict.STALE, BRANCH_MARKER: Verdict.CURRENT},
            codes={"marker-stale": "warning"},
        ),
    ),
    Scenario(
        name="row 35: green of a release branch",
        selector="1.29",
        tree=built(patch(5), at=NOW - 2 * DAY)
        | built(patch(7), at=NOW - 10 * HOUR)
        | marked(f"markers/release-1.29/{GREEN_MARKER}", patch(5), at=NOW - DAY)
        | marked(OF_129, patch(7), at=NOW - 10 * HOUR),
        policy=Policy(),
        answer=Answer(
            version=patch(5),
            verdicts={GREEN_MARKER: Verdict.LAGGING, BRANCH_MARKER: Verdict.CURRENT},
            codes={"marker-lagging": "info"},
        ),
    ),
    Scenario(
        name="row 28: builds have stopped coming",
        tree=built(alpha(1), at=NOW - 61 * DAY) | marked(GREEN, alpha(1)),
        answer=Answer(version=alpha(1), verdicts=green(Verdict.CURRENT), codes={"builds-old": "warning"}),
    ),
    Scenario(
        name="row 27: a build that lacks what the one before has",
        tree=THREE
        | built(alpha(4), without=[path for path in SMALL.paths if path.startswith(("images/", "windows/"))])
        | marked(GREEN, alpha(4)),
        answer=Answer(
            version=alpha(4), verdicts=green(Verdict.CURRENT), codes={"artifacts-differ": "warning"}
        ),
    ),
    Scenario(
        name="row 21: numbers are not text",
        tree=built(alpha(9), at=NOW - 2 * HOUR)
        | built(alpha(10))
        | built("1.9.0-alpha.2+v1.9.0-alpha.1-500-g00000001f4")
        | marked(GREEN, alpha(10)),
        answer=current(alpha(10)),
    ),
    Scenario(
        name="as of a day ago",
        tree=THREE | marked(GREEN, alpha(3), at=NOW - HOUR),
        as_of=NOW - 30 * HOUR,
        answer=evolve(fallback(alpha(2), Verdict.UNKNOWN), codes={"marker-unknown": "info"}),
    ),
]

OTHER_SCENARIOS = [
    Scenario(
        name="a release branch",
        selector="1.29",
        policy=Policy(),
        tree=THREE | built(patch(1)) | built(patch(12)) | marked(OF_129, patch(12)),
        answer=Answer(version=patch(12), verdicts=WITHOUT_GREEN),
    ),
    Scenario(
        name="row 25: builds without a distance",
        selector="1.14",
        policy=Policy(),
        tree=built("1.14.1+2178721764", at=NOW - 2 * DAY)
        | built("1.14.1+v1.14.0-5-g0123456789", at=NOW - 3 * DAY)
        | built("1.14.1+ab12cd34ef", at=NOW - DAY)
        | marked(f"markers/release-1.14/{BRANCH_MARKER}", "1.14.1+ab12cd34ef"),
        answer=Answer(version="1.14.1+ab12cd34ef", verdicts=WITHOUT_GREEN),
    ),
    Scenario(
        name="row 25: an older build without a distance is no newer one",
        selector="1.14",
        policy=Policy(),
        tree=built("1.14.1+2178721764", at=NOW - 2 * DAY)
        | built("1.14.1+v1.14.0-5-g0123456789", at=NOW - DAY)
        | marked(f"markers/release-1.14/{BRANCH_MARKER}", "1.14.1+v1.14.0-5-g0123456789"),
        answer=Answer(version="1.14.1+v1.14.0-5-g0123456789", verdicts=WITHOUT_GREEN),
    ),
    Scenario(
        name="row 26: shared window, master",
        tree=CUT,
        answer=current("1.29.0-alpha.4+v1.29.0-alpha.3-378-g22ce1230da"),
    ),
    Scenario(
        name="row 26: shared window, release branch",
        selector="release-1.29",
        policy=Policy(),
        tree=CUT,
        answer=Answer(version="1.29.0-beta.2+v1.29.0-beta.1-47-gf9a0ba0203", verdicts=WITHOUT_GREEN),
    ),
    Scenario(
        name="a version that is only checked",
        selector=alpha(2),
        tree=THREE,
        answer=Answer(version=alpha(2), source=Source.REQUEST),
    ),
    Scenario(
        name="row 23: a version that is not there",
        selector=alpha(7),
        tree=THREE,
        answer=NoAnswer(kind="NoTestableBuildError", exit_code=1, says=f"{alpha(7)} is not in "),
    ),
    Scenario(
        name="row 29: the fallback is refused",
        tree=THREE | marked(GREEN, alpha(1)),
        policy=Policy(on_stale=OnStale.REFUSE, markers=(GREEN_MARKER,)),
        answer=NoAnswer(
            kind="MarkerRefusedError", exit_code=1, says="no marker of master can be used, and falling back"
        ),
    ),
    Scenario(
        name="row 11: a branch that does not exist",
        selector="1.99",
        policy=Policy(),
        tree=THREE | marked(GREEN, alpha(3)) | marked(OF_129, patch(1)) | built(patch(1)),
        answer=NoAnswer(
            kind="NoTestableBuildError", exit_code=1, says="channels that exist there: master, release-1.29"
        ),
    ),
    Scenario(
        name="row 20: no testable build",
        tree=built(alpha(1), without=NODEUP) | built(alpha(2), without=NODEUP),
        answer=NoAnswer(
            kind="NoTestableBuildError", exit_code=1, says=f"{alpha(2)}: linux/arm64/nodeup is missing"
        ),
    ),
    Scenario(
        name="row 22: debris alone",
        tree=strays("README", "cloudbuild.yaml", "v1/kops"),
        answer=NoAnswer(kind="NoTestableBuildError", exit_code=1, says="there is no build of master in "),
    ),
]
SCENARIOS = [*MASTER_SCENARIOS, *OTHER_SCENARIOS]


# --------------------------------------------------------------------------------------------------
# Asking


PLACES = ("directory", "our server", "fake-gcs-server")


def place_of(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Place, str]:
    """Make an empty place; return it and the root that its markers name."""
    if kind == "directory":
        return DirectoryPlace(tmp_path / "it's a store+"), STORE
    if kind == "our server":
        return ServerPlace(request.getfixturevalue("gcs_server"), KOPS_ROOT), STORE
    place = FakeGcsPlace(request.getfixturevalue("dated_fake_gcs"))
    return place, STORE.replace(KOPS_BUCKET, place.bucket)


def outcome(scenario: Scenario, place: Place, *, root: str) -> Answer | NoAnswer:
    """Lay the tree out, ask, and return of the answer what may not differ."""
    for path, (body, at) in scenario.tree.items():
        place.add(path, body.replace(ROOT, root.encode()), at)
    store = open_store(place.url(), deadline=Deadline(60), environ=place.environ)
    try:
        found = resolve_latest(
            scenario.selector,
            store=store,
            policy=evolve(scenario.policy, compare_artifacts=True),
            now=NOW,
            as_of=scenario.as_of,
        )
    except KopsVersionError as error:
        told = "\n".join((str(error), *error.reasons, error.hint))
        assert isinstance(scenario.answer, NoAnswer), told
        says = scenario.answer.says if scenario.answer.says in told else told
        return NoAnswer(kind=type(error).__name__, exit_code=error.exit_code, says=says)
    assert found.base_url == store.public_url(str(found.version))
    return Answer(
        version=str(found.version),
        source=found.source,
        verdicts={report.marker.name: report.verdict for report in found.markers},
        codes={condition.code: str(condition.severity) for condition in found.conditions},
        refused={str(refusal.version): refusal.reasons[0] for refusal in found.refused},
        skipped=dict(found.skipped),
    )


@pytest.mark.parametrize("kind", PLACES)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_every_place_gives_the_answer_of_the_table(
    scenario: Scenario, kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Version, source, verdicts, conditions, refused builds and skipped names; or the error."""
    place, root = place_of(kind, request, tmp_path)
    assert outcome(scenario, place, root=root) == scenario.answer


def test_scenarios_have_names_of_their_own() -> None:
    """A name is how a failure is found."""
    names = [scenario.name for scenario in SCENARIOS]
    assert len(names) == len(set(names))
