"""Whether a build can be tested: the rules of DESIGN section 5."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from kopsversion.model.answer import Refusal, RefusalKind
from kopsversion.model.bucket import Artifact, Build
from kopsversion.model.policy import UNPAIRED
from kopsversion.model.version import BuildVersion
from kopsversion.rules.testable import documents_of, examine, examine_checksums, lacking, required_paths
from tests.builders import (
    DAY,
    DEFAULT,
    ERA_2021,
    ERA_2024,
    ERA_2026,
    ERAS,
    HOUR,
    NOW,
    Era,
    bare_listing,
    build,
)

if TYPE_CHECKING:
    from kopsversion.model.policy import Policy

VERSION = "1.30.0-beta.2+v1.30.0-beta.1-182-g99b3ad7643"
SECOND = timedelta(seconds=1)


def judge(judged: Build, *, policy: Policy = DEFAULT, marked: bool = False) -> Refusal | None:
    return examine(judged, policy=policy, now=NOW, marked=marked)


def reasons(judged: Build, *platforms: str) -> tuple[str, ...]:
    """Every reason why a build is refused; none if it is not."""
    policy = evolve(DEFAULT, platforms=platforms) if platforms else DEFAULT
    refusal = judge(judged, policy=policy)
    assert refusal is None or refusal.kind is RefusalKind.INCOMPLETE
    return refusal.reasons if refusal else ()


def both(*paths: str) -> list[str]:
    """Files and their checksums."""
    return [each for path in paths for each in (path, f"{path}.sha256")]


@pytest.mark.parametrize(
    ("platforms", "expected"),
    [
        ((), ()),
        (("linux/amd64",), ("linux/amd64/kops", "linux/amd64/nodeup")),
        (("darwin/arm64",), ("darwin/arm64/kops",)),
        (("windows/amd64",), ("windows/amd64/kops.exe",)),
        (
            DEFAULT.platforms,
            ("linux/amd64/kops", "linux/amd64/nodeup", "linux/arm64/kops", "linux/arm64/nodeup"),
        ),
    ],
)
def test_what_a_job_cannot_start_without(platforms: tuple[str, ...], expected: tuple[str, ...]) -> None:
    """kops for every platform, and nodeup where nodes run."""
    assert required_paths(platforms) == expected


class TestComplete:
    """A rule that needs no list of names and so survives the next change of the artifact set."""

    @pytest.mark.parametrize("era", ERAS.values(), ids=ERAS)
    def test_builds_of_every_era_are_testable(self, era: Era) -> None:
        """FAILURES row 27: a complete build is testable, whatever the complete set was at its time."""
        assert judge(build(VERSION, era=era)) is None

    @pytest.mark.parametrize(
        "platforms",
        [
            ("linux/amd64",),
            ("linux/arm64",),
            ("darwin/amd64", "darwin/arm64"),
            ("windows/amd64",),
            ("linux/amd64", "linux/arm64", "darwin/amd64", "darwin/arm64", "windows/amd64"),
        ],
    )
    def test_every_platform_can_be_wanted(self, platforms: tuple[str, ...]) -> None:
        """A complete build is testable on each platform that kops is built for."""
        assert reasons(build(VERSION), *platforms) == ()

    def test_a_platform_that_was_not_built_for_is_missed(self) -> None:
        """In 2021 there was no kops for Macs with arm64."""
        assert reasons(build(VERSION, era=ERA_2021), "darwin/arm64") == ("darwin/arm64/kops is missing",)

    @pytest.mark.parametrize(
        "extra",
        [
            pytest.param(["cloudbuild/images.txt"], id="cloudbuild/ needs no checksum"),
            pytest.param(both("linux/amd64/new-tool", "linux/arm64/new-tool"), id="a new binary"),
            pytest.param(both("linux/s390x/kops", "linux/s390x/nodeup"), id="a new architecture, unwanted"),
            pytest.param(both("images/new-amd64.tar.gz", "images/new-arm64.tar.gz"), id="a new image"),
            pytest.param(both("images/new-tool.tar.gz"), id="an image of no architecture"),
            pytest.param(both("images/new-tool-v2.tar.gz"), id="a version is no architecture"),
            pytest.param(both("images/new.tar.gz", "images/README"), id="images that are named otherwise"),
            pytest.param(
                both("linux/s390x/kops", "images/dns-controller-s390x.tar.gz"),
                id="an unwanted architecture with few images",
            ),
        ],
    )
    def test_files_that_came_later_do_no_harm(self, extra: list[str]) -> None:
        """FAILURES row 27: what may come one day makes no build untestable."""
        assert reasons(build(VERSION, extra=extra)) == ()

    @pytest.mark.parametrize(
        "gone",
        [
            pytest.param(both("linux/amd64/channels", "linux/arm64/channels"), id="a binary that left"),
            pytest.param(both("darwin/amd64/kops", "darwin/arm64/kops"), id="an unwanted system"),
            pytest.param(
                both("images/kops-utils-cp-amd64.tar.gz", "images/kops-utils-cp-arm64.tar.gz"),
                id="an image that left",
            ),
            pytest.param([path for path in ERA_2024.paths if path.startswith("images/")], id="all images"),
        ],
    )
    def test_files_that_left_do_no_harm(self, gone: list[str]) -> None:
        """FAILURES row 27: what left in pairs and for all architectures may have left for good."""
        assert reasons(build(VERSION, without=gone)) == ()


class TestIncomplete:
    """FAILURES row 6: a build without nodeup, or without an image for one architecture."""

    @pytest.mark.parametrize("path", [path for path in ERA_2026.paths if not path.endswith(".sha256")])
    def test_no_single_file_can_be_missing(self, path: str) -> None:
        """Each file that is missed beside its checksum is refused, and named once."""
        assert reasons(build(VERSION, era=ERA_2026, without=[path])) == (f"{path} is missing",)

    @pytest.mark.parametrize("path", [path for path in ERA_2026.paths if path.endswith(".sha256")])
    def test_no_single_checksum_can_be_missing(self, path: str) -> None:
        """Each checksum that is missed beside its file is refused, and named."""
        assert reasons(build(VERSION, era=ERA_2026, without=[path])) == (f"{path} is missing",)

    @pytest.mark.parametrize("path", required_paths(DEFAULT.platforms))
    def test_required_files_are_missed_also_without_their_checksum(self, path: str) -> None:
        """kops and nodeup must be there for each wanted platform."""
        assert reasons(build(VERSION, without=both(path))) == (f"{path} is missing",)

    @pytest.mark.parametrize("path", [f"images/{image}-arm64.tar.gz" for image in ERA_2024.images])
    @pytest.mark.parametrize(
        ("platforms", "matters"),
        [(("linux/amd64", "linux/arm64"), True), (("linux/arm64",), True), (("linux/amd64",), False)],
    )
    def test_images_are_there_for_all_wanted_architectures(
        self,
        path: str,
        platforms: tuple[str, ...],
        matters: bool,  # noqa: FBT001  # a column of the table
    ) -> None:
        """An image that other images show to be built for a wanted architecture is missed there."""
        expected = (f"{path} is missing",) if matters else ()
        assert reasons(build(VERSION, without=both(path)), *platforms) == expected

    def test_an_image_of_an_unwanted_architecture_alone_is_missed_in_the_wanted_one(self) -> None:
        """Which images there are is learnt from every architecture that the build has."""
        judged = build(VERSION, without=both("images/dns-controller-amd64.tar.gz"))
        assert reasons(judged, "linux/amd64") == ("images/dns-controller-amd64.tar.gz is missing",)

    @pytest.mark.parametrize(
        "path", [path for path in ERA_2026.files if path.startswith(("linux/", "images/"))]
    )
    def test_no_file_of_a_node_or_of_a_cluster_can_be_missing_with_its_checksum(self, path: str) -> None:
        """FAILURES row 6: what one architecture has and another lacks is missed, also where the pair is gone."""
        assert reasons(build(VERSION, era=ERA_2026, without=both(path))) == (f"{path} is missing",)

    @pytest.mark.parametrize(
        ("without", "extra", "platforms", "expected"),
        [
            pytest.param(
                both("linux/amd64/nodeup.xz"),
                [],
                ("linux/amd64", "linux/arm64"),
                ("linux/amd64/nodeup.xz is missing",),
                id="nodes boot from nodeup.xz alone",
            ),
            pytest.param(both("linux/arm64/nodeup.xz"), [], ("linux/amd64",), (), id="not wanted there"),
            pytest.param(
                both("linux/amd64/nodeup.xz"), [], ("linux/amd64",), (), id="one architecture alone"
            ),
            pytest.param(
                both("linux/amd64/nodeup.xz", "linux/arm64/nodeup.xz"),
                [],
                ("linux/amd64", "linux/arm64"),
                (),
                id="left for all",
            ),
            pytest.param(
                [],
                both("linux/arm64/tools/new"),
                ("linux/amd64", "linux/arm64"),
                ("linux/amd64/tools/new is missing",),
                id="a directory below",
            ),
            pytest.param(
                [],
                both("linux/s390x/kops"),
                ("linux/amd64", "linux/arm64"),
                (),
                id="more for an unwanted architecture",
            ),
            pytest.param(
                [path for path in ERA_2026.paths if "-arm64.tar.gz" in path],
                [],
                ("linux/amd64", "linux/arm64"),
                tuple(f"images/{image}-arm64.tar.gz is missing" for image in sorted(ERA_2026.images)),
                id="all images of one architecture",
            ),
        ],
    )
    def test_wanted_architectures_have_the_same_files(
        self, without: list[str], extra: list[str], platforms: tuple[str, ...], expected: tuple[str, ...]
    ) -> None:
        """What exists below linux/<arch>/ or among the images for one wanted architecture exists for all."""
        judged = build(VERSION, era=ERA_2026, without=without, extra=extra)
        assert reasons(judged, *platforms) == expected

    def test_every_reason_is_given_once(self) -> None:
        """A build is refused with all that it lacks: required files first, then empty, unpaired, images."""
        judged = build(
            VERSION,
            without=[
                "linux/arm64/nodeup",
                "darwin/amd64/kops.sha256",
                *both("images/kops-utils-cp-arm64.tar.gz", "linux/amd64/kops"),
            ],
            empty=["linux/amd64/nodeup"],
        )
        assert reasons(judged) == (
            "linux/amd64/kops is missing",
            "linux/arm64/nodeup is missing",
            "linux/amd64/nodeup is empty",
            "darwin/amd64/kops.sha256 is missing",
            "images/kops-utils-cp-arm64.tar.gz is missing",
        )

    @pytest.mark.parametrize("path", ERA_2024.paths)
    def test_no_file_can_be_empty(self, path: str) -> None:
        """FAILURES row 24: an archive, binary or checksum of no bytes is refused."""
        assert reasons(build(VERSION, empty=[path])) == (f"{path} is empty",)

    def test_files_aside_may_be_empty(self) -> None:
        """What is in cloudbuild/ is no part of the build."""
        aside = "cloudbuild/images.txt"
        assert reasons(build(VERSION, extra=[aside], empty=[aside])) == ()

    @pytest.mark.parametrize(
        ("left", "expected"),
        [
            pytest.param([], ("has no files",), id="nothing"),
            pytest.param(
                ["cloudbuild/images.txt"],
                tuple(f"{path} is missing" for path in required_paths(DEFAULT.platforms)),
                id="cloudbuild/ alone",
            ),
        ],
    )
    def test_a_directory_without_a_release_in_it(self, left: list[str], expected: tuple[str, ...]) -> None:
        """FAILURES row 20: a directory that holds no build is no build."""
        assert reasons(build(VERSION, without=ERA_2024.paths, extra=left)) == expected

    def test_a_build_that_was_not_listed_is_not_testable(self) -> None:
        """What is only known by name proves nothing."""
        assert reasons(bare_listing(VERSION, NOW - DAY)) == ("has no files",)

    @given(st.sets(st.sampled_from(ERA_2024.paths)))
    def test_reasons_are_true(self, gone: set[str]) -> None:
        """Whatever is taken away: every file that is called missing is, and a required one is always called so."""
        found = reasons(build(VERSION, without=gone))
        if gone == set(ERA_2024.paths):
            assert found == ("has no files",)
            return
        missing = {reason.removesuffix(" is missing") for reason in found}
        assert missing <= gone
        assert missing >= gone & set(required_paths(DEFAULT.platforms))
        assert len(missing) == len(found)

    @given(st.data())
    def test_the_order_of_a_listing_is_irrelevant(self, data: st.DataObject) -> None:
        """Files in any order give the same reasons."""
        gone = data.draw(st.sets(st.sampled_from(ERA_2024.paths), max_size=4))
        judged = build(VERSION, without=gone, empty=set(ERA_2024.paths) - gone)
        assert judged.artifacts is not None
        shuffled = evolve(judged, artifacts=tuple(data.draw(st.permutations(judged.artifacts))))
        assert reasons(shuffled) == reasons(judged)


class TestDocuments:
    """Signatures, provenance and SBOMs may come without a checksum: a suffix says so, by policy."""

    @pytest.mark.parametrize("suffix", UNPAIRED)
    def test_known_suffixes_need_no_checksum(self, suffix: str) -> None:
        """A file of such a name does no harm, beside one file or beside all, empty or not."""
        one = f"linux/amd64/kops{suffix}"
        assert reasons(build(VERSION, extra=[one], empty=[one])) == ()
        assert reasons(build(VERSION, extra=[f"{path}{suffix}" for path in ERA_2024.files])) == ()

    @pytest.mark.parametrize(
        ("extra", "unpaired", "expected"),
        [
            (["images/notes.txt"], (), ["images/notes.txt.sha256"]),
            (["images/notes.txt"], (".txt",), []),
            (["linux/amd64/new"], (), ["linux/amd64/new.sha256", "linux/arm64/new"]),
            (["images/new.sig.sha256"], (), ["images/new.sig"]),
            (both("linux/amd64/kops.sig"), (), ["linux/arm64/kops.sig"]),
            (both("linux/amd64/kops.sig", "linux/arm64/kops.sig"), (), []),
        ],
    )
    def test_the_suffixes_are_the_policy_s(
        self, extra: list[str], unpaired: tuple[str, ...], expected: list[str]
    ) -> None:
        """Other suffixes are added; a file that has its checksum is held to every rule, whatever its name."""
        policy = evolve(DEFAULT, unpaired=(*UNPAIRED, *unpaired))
        refusal = judge(build(VERSION, extra=extra), policy=policy)
        missing = [reason.removesuffix(" is missing") for reason in refusal.reasons] if refusal else []
        assert missing == expected

    @pytest.mark.parametrize("path", [path for path in ERA_2026.paths if "nodeup" in path])
    def test_no_suffix_excuses_what_a_node_boots_from(self, path: str) -> None:
        """A suffix of kops' own files lifts the pair, and neither the required files nor the other architecture."""
        policy = evolve(DEFAULT, unpaired=(".xz",))
        refusal = judge(build(VERSION, era=ERA_2026, without=[path]), policy=policy)
        assert refusal is not None or path.endswith(".xz.sha256")

    def test_they_are_named(self) -> None:
        """What is excused is known, in order, for the answer to say so; what is aside is not among it."""
        judged = build(VERSION, extra=["linux/arm64/kops.sig", "linux/amd64/kops.sig", "cloudbuild/a.sig"])
        assert documents_of(judged.artifacts or (), unpaired=UNPAIRED) == (
            "linux/amd64/kops.sig",
            "linux/arm64/kops.sig",
        )


class TestSettled:
    """It is settled: its newest object is at least `settle` old, or its branch's latest-ci.txt names it."""

    @pytest.mark.parametrize(
        ("age", "settled"),
        [
            (timedelta(minutes=10), True),
            (timedelta(minutes=10) - SECOND, False),
            (timedelta(0), False),
            (-HOUR, False),
            (DAY, True),
        ],
    )
    @pytest.mark.parametrize("marked", [False, True])
    def test_an_upload_is_over_after_the_settling_time_or_when_marked(
        self,
        age: timedelta,
        settled: bool,  # noqa: FBT001  # a column of the table
        marked: bool,  # noqa: FBT001  # a column of the table
    ) -> None:
        """Ten minutes exactly are enough; a marker, written last, is enough by itself."""
        refusal = judge(build(VERSION, uploaded=NOW - age), marked=marked)
        if settled or marked:
            assert refusal is None
        else:
            assert refusal is not None
            assert refusal.kind is RefusalKind.UNSETTLED

    def test_the_newest_object_counts(self) -> None:
        """One late file, aside or not, shows that the upload may still go on."""
        judged = build(VERSION, uploaded=NOW - DAY)
        late = Artifact("cloudbuild/images.txt", 10, NOW - SECOND)
        refusal = judge(evolve(judged, artifacts=(late, *(judged.artifacts or ()))))
        assert refusal is not None
        assert refusal.reasons == (
            "its newest file was uploaded 1 second ago, and an upload counts as over after 10 minutes",
        )

    def test_the_settling_time_is_the_policy_s(self) -> None:
        """A longer settling time holds an hour-old build back; a build of the future is 0 seconds old."""
        refusal = judge(build(VERSION), policy=evolve(DEFAULT, settle=2 * HOUR))
        assert refusal is not None
        assert "60 minutes ago" in refusal.reasons[0]
        assert "after 2 hours" in refusal.reasons[0]
        future = judge(build(VERSION, uploaded=NOW + HOUR))
        assert future is not None
        assert "uploaded 0 seconds ago" in future.reasons[0]

    def test_a_marker_does_not_make_a_build_complete(self) -> None:
        """FAILURES row 5: a marker that is ahead of its artifacts proves nothing about them."""
        refusal = judge(build(VERSION, without=["linux/arm64/nodeup"], uploaded=NOW), marked=True)
        assert refusal is not None
        assert refusal.kind is RefusalKind.INCOMPLETE


class TestExcluded:
    def test_an_excluded_build_is_refused_before_anything_else(self) -> None:
        """A build that is known to be bad is refused as such, complete or not, however it is spelled."""
        policy = evolve(DEFAULT, exclude=frozenset({BuildVersion.parse(f"v{VERSION}")}))
        expected = Refusal(
            BuildVersion.parse(VERSION), ("is excluded by request",), kind=RefusalKind.EXCLUDED
        )
        assert judge(build(VERSION), policy=policy, marked=True) == expected
        assert judge(build(VERSION, without=ERA_2024.paths), policy=policy) == expected

    def test_others_are_not(self) -> None:
        """Excluding one build leaves its twin of another branch alone."""
        twin = VERSION.replace("g99b3ad7643", "g0123456789")
        policy = evolve(DEFAULT, exclude=frozenset({BuildVersion.parse(twin)}))
        assert judge(build(VERSION), policy=policy) is None


class TestChecksums:
    """FAILURES row 23: where listing is denied, checksums that can be read prove what a job needs."""

    needed = tuple(f"{path}.sha256" for path in required_paths(DEFAULT.platforms))

    def held(self, checksums: tuple[str, ...] | None) -> Build:
        return Build(BuildVersion.parse(VERSION), checksums=checksums)

    def test_all_are_enough(self) -> None:
        """With the checksum of every required file the build is not refused."""
        assert examine_checksums(self.held(self.needed), policy=DEFAULT) is None

    @pytest.mark.parametrize("checksums", [None, ()])
    def test_none_prove_nothing(self, checksums: tuple[str, ...] | None) -> None:
        """A build of which nothing was read lacks everything."""
        refusal = examine_checksums(self.held(checksums), policy=DEFAULT)
        assert refusal == Refusal(
            BuildVersion.parse(VERSION), tuple(f"{path} is missing" for path in self.needed)
        )

    def test_each_one_counts(self) -> None:
        """What is missing is named."""
        refusal = examine_checksums(self.held(self.needed[1:]), policy=DEFAULT)
        assert refusal is not None
        assert refusal.reasons == ("linux/amd64/kops.sha256 is missing",)


class TestLacking:
    def test_files_of_the_other_are_named_in_order(self) -> None:
        """What the other build has and this one lacks is named; what is aside does not count."""
        less = build(VERSION, without=both("linux/arm64/protokube", "linux/amd64/protokube"))
        more = build(VERSION, extra=["cloudbuild/images.txt"])
        assert lacking(less, more) == tuple(sorted(both("linux/amd64/protokube", "linux/arm64/protokube")))
        assert lacking(more, less) == ()

    def test_unlisted_builds_have_nothing(self) -> None:
        """Of a build whose files are not known nothing is missed, and it lacks everything."""
        assert lacking(build(VERSION), bare_listing(VERSION)) == ()
        assert lacking(bare_listing(VERSION), build(VERSION)) == tuple(sorted(ERA_2024.paths))
