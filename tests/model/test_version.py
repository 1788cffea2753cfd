"""What a build is called: the grammar, the order of names, and where bad text goes wrong (DESIGN section 3).

One class for each clause of section 3 that is a law; the clause is its docstring.
"""

from __future__ import annotations

import itertools
import operator
from typing import Any

import pytest
import semver
from attrs.exceptions import FrozenInstanceError
from hypothesis import assume, example, given
from hypothesis import strategies as st
from packaging.version import Version

from kopsversion.errors import InvalidVersionError, UsageError
from kopsversion.model.version import BuildVersion, Describe
from tests.strategies import (
    LARGEST,
    commits,
    counted_describes,
    hostile_texts,
    numbers,
    release_texts,
    version_texts,
    versions,
)

IN_ORDER = [
    # In correct sorting order; all but a few are names of real builds.
    # FAILURES row 25: without a distance, a name is first of its release part.
    "1.5.9",
    "1.5.11",  # FAILURES row 21: sorted as text, 1.5.9 comes last
    "1.14.0-alpha.2+2178721764",
    "1.14.0-alpha.2+d4bf54cb7c",
    "1.17.0.alpha.2+v1.17.0-alpha.1-3-g0123456789",
    "1.17.0.alpha.2",
    "1.17.0-alpha.3",
    "1.17.0-beta.1",
    "1.26.3-rc.1+v1.26.3-rc.0-57-g0123456789",
    "1.26.3-rc.1",
    "1.26.3",
    "1.26.4+v1.26.3-39-g0123456789",  # FAILURES row 8: a guard put 1.26.3-39 below 1.26.3-rc.0.57
    "1.28.4+v1.28.3-3-ga26544e99e",
    "1.28.4+v1.28.3-4-gbec37f0c43",
    "1.28.4",
    "1.28.5+v1.28.3-5-g3d5c6ceb3d",  # KOPS_CI_VERSION moves before the tag is made
    "1.28.5+v1.28.4-2-gf8ba7d5d42",
    "1.28.5+v1.28.4-11-ga62e14e79d",
    "1.28.5+v1.28.4-36-g8be71351e2",
    "1.29.0-alpha.3+v1.29.0-alpha.2-400-g0300a3b858",
    "1.29.0-alpha.3",
    "1.29.0-alpha.4+v1.29.0-alpha.3",
    "1.29.0-alpha.4+v1.29.0-alpha.3-0-g0123456789",  # of one precedence; the name without a commit comes first
    "1.29.0-alpha.4+v1.29.0-alpha.3-1-g0123456789",
    "1.29.0-alpha.4+v1.29.0-alpha.3-99-g0123456789",
    "1.29.0-alpha.4+v1.29.0-alpha.3-378-g22ce1230da",
    "1.29.0-beta.2+v1.29.0-alpha.3-460-g0123456789",  # the tag comes before the distance
    "1.29.0-beta.2+v1.29.0-beta.1-3-gc2b747832a",
    "1.29.0-beta.2+v1.29.0-beta.1-47-gf9a0ba0203",
    "1.29.0",
    "1.30.0-alpha.1+v1.29.0-beta.1-4-g0123456789",
    "1.30.0-beta.2+v1.30.0-beta.1-182-g99b3ad7643",
    "1.30.0-beta.10",
    "1.30.0-rc.1",
    "1.30.0",
    "2.0.0-alpha.1",
    "10.0.0-alpha.1",
]


class TestOrder:
    def test_earlier_names_are_less(self) -> None:
        """Each name of the list is less than each that follows, in all six comparisons and both ways."""
        for earlier, later in itertools.combinations(map(BuildVersion.parse, IN_ORDER), 2):
            assert earlier < later, (earlier, later)
            assert earlier <= later, (earlier, later)
            assert earlier != later, (earlier, later)
            assert later > earlier, (earlier, later)
            assert later >= earlier, (earlier, later)
            assert [later < earlier, later <= earlier, later == earlier] == [False] * 3, (earlier, later)
            assert [earlier > later, earlier >= later, earlier == later] == [False] * 3, (earlier, later)

    def test_sorting_finds_the_order_again(self) -> None:
        """Sorting the reversed list gives the list."""
        assert [str(each) for each in sorted(map(BuildVersion.parse, reversed(IN_ORDER)))] == IN_ORDER

    @pytest.mark.parametrize(
        ("left", "right"),
        [
            ("1.29.0", "v1.29.0"),
            ("1.17.0.alpha.2", "1.17.0-alpha.2"),
            ("1.29.0+v1.28.0-3-g0123456", "v1.29.0+1.28.0-3-g0123456"),
            ("1.17.0-beta.1+v1.17.0.alpha.2-3-g0123456", "1.17.0-beta.1+v1.17.0-alpha.2-3-g0123456"),
            ("1.29.0+v1.28.0", "1.29.0+1.28.0"),
        ],
    )
    def test_spellings_of_one_version_are_equal(self, left: str, right: str) -> None:
        """A ``v`` and the dot of 2019 make no other version, though each text is kept."""
        one, other = BuildVersion.parse(left), BuildVersion.parse(right)
        assert one == other
        assert hash(one) == hash(other)
        assert one <= other <= one
        assert str(one) != str(other)

    def test_hashes_tell_versions_apart(self) -> None:
        """Different versions have different hashes, so that a set of 100,000 is fast."""
        assert len({hash(BuildVersion.parse(text)) for text in IN_ORDER}) == len(IN_ORDER)

    def test_twins_of_two_branches_have_one_precedence(self) -> None:
        """FAILURES row 26: two branches share release, tag and distance; only the commit tells them apart."""
        one = BuildVersion.parse("1.29.0-beta.2+v1.29.0-beta.1-3-g1111111111")
        other = BuildVersion.parse("1.29.0-beta.2+v1.29.0-beta.1-3-g2222222222")
        assert one.precedence == other.precedence
        assert one != other

    @pytest.mark.parametrize(
        ("one", "other", "are_twins"),
        [
            ("v1.29.0-beta.1-3-g1111111", "v1.29.0-beta.1-3-g2222222", True),
            ("v1.29.0-beta.1-3-g1111111", "v1.29.0-beta.1-3-g1111111222", False),
            ("v1.29.0-beta.1-3-g1111111", "v1.29.0-beta.1-4-g2222222", False),
            ("v1.29.0-beta.1", "v1.29.0-beta.1-0-g1111111", False),
            ("v1.29.0-beta.1", "v1.29.0-beta.1", False),
        ],
        ids=["two commits", "one, abbreviated", "two places", "the tag's commit, not shown", "one name"],
    )
    def test_two_commits_in_one_place_are_twins(self, one: str, other: str, *, are_twins: bool) -> None:
        """Whichever of them is asked; of the commit that has the tag itself a name need not show the id."""
        names = [BuildVersion.parse(f"1.29.0-beta.2+{each}") for each in (one, other)]
        assert names[0].is_twin_of(names[1]) is are_twins
        assert names[1].is_twin_of(names[0]) is are_twins

    @pytest.mark.parametrize("foreign", ["1.29.0", Version("1.29.0"), None, 1.29])
    def test_only_versions_are_compared(self, foreign: Any) -> None:
        """A version equals nothing of another type, and has no order with it."""
        version: Any = BuildVersion.parse("1.29.0")
        assert version != foreign
        for compare in (operator.lt, operator.le, operator.gt, operator.ge):
            with pytest.raises(TypeError, match="not supported between"):
                compare(version, foreign)


class TestTotalOrder:
    """Precedence key: (release, is the tag's own build, tag, distance)."""

    @given(versions(), versions())
    def test_antisymmetric(self, a: BuildVersion, b: BuildVersion) -> None:
        """Two versions that are each not after the other are equal."""
        assert (a <= b and b <= a) is (a == b)

    @given(versions(), versions(), versions())
    def test_transitive(self, a: BuildVersion, b: BuildVersion, c: BuildVersion) -> None:
        """What is not after something, and that not after a third, is not after the third."""
        for x, y, z in itertools.permutations((a, b, c)):
            if x <= y and y <= z:
                assert x <= z
            if x < y and y < z:
                assert x < z

    @given(versions(), versions())
    def test_total(self, a: BuildVersion, b: BuildVersion) -> None:
        """Of two versions exactly one of before, equal and after holds."""
        assert [a < b, a == b, a > b].count(True) == 1
        assert (a <= b) is not (a > b)
        assert (a >= b) is not (a < b)
        assert (a != b) is not (a == b)

    @given(versions(), versions())
    def test_precedence_is_what_orders(self, a: BuildVersion, b: BuildVersion) -> None:
        """Where the keys differ they decide; the commit never outweighs them."""
        assume(a.precedence != b.precedence)
        assert (a < b) is (a.precedence < b.precedence)

    @given(versions())
    def test_hash_agrees_with_equality(self, version: BuildVersion) -> None:
        """Equal versions have equal hashes, also when they are spelled differently."""
        twin = BuildVersion.parse(f"v{str(version).removeprefix('v')}")
        assert twin == version
        assert hash(twin) == hash(version)
        assert len({twin, version}) == 1

    @given(versions(), versions())
    def test_unequal_hashes_mean_unequal_versions(self, a: BuildVersion, b: BuildVersion) -> None:
        """Versions with different hashes are never equal."""
        if hash(a) != hash(b):
            assert a != b


class TestDistance:
    """Commit distance counts from the tag, so it means nothing before the tags are compared."""

    @given(release_texts(), release_texts(), numbers(), numbers(), commits(), commits())
    def test_larger_distance_on_the_same_tag_is_later(
        self, release: str, tag: str, one: int, other: int, first: str, second: str
    ) -> None:
        """With release part and tag equal, the larger distance is later, whatever the commits."""
        assume(one != other)
        near = BuildVersion.parse(f"{release}+v{tag}-{min(one, other)}-g{first}")
        far = BuildVersion.parse(f"{release}+v{tag}-{max(one, other)}-g{second}")
        assert near < far

    @given(
        release_texts(),
        release_texts(misspelled=False),
        release_texts(misspelled=False),
        numbers(),
        numbers(),
    )
    def test_the_tag_is_compared_before_the_distance(
        self, release: str, tag: str, other_tag: str, one: int, other: int
    ) -> None:
        """With the release part equal, the later tag is later, whatever the distances."""
        assume(tag != other_tag)
        a = BuildVersion.parse(f"{release}+v{tag}-{one}-g0123456")
        b = BuildVersion.parse(f"{release}+v{other_tag}-{other}-g0123456")
        assert (a < b) is (semver.Version.parse(tag) < semver.Version.parse(other_tag))


class TestTagBuild:
    """1.29.0-alpha.3+v1.29.0-alpha.2-400-g… precedes the release 1.29.0-alpha.3, which precedes
    1.29.0-alpha.4+v1.29.0-alpha.3-1-g….
    """

    @given(release_texts(), st.one_of(counted_describes(), commits()))
    def test_a_ci_build_precedes_its_tag(self, release: str, describe: str) -> None:
        """A build on the way to a release is before that release, however far it is from its tag."""
        on_the_way, tag_build = BuildVersion.parse(f"{release}+{describe}"), BuildVersion.parse(release)
        assert on_the_way < tag_build
        assert not on_the_way.is_tag_build
        assert tag_build.is_tag_build

    @given(release_texts(misspelled=False), release_texts(misspelled=False), numbers())
    def test_a_tag_precedes_the_builds_that_follow_it(self, tag: str, release: str, distance: int) -> None:
        """A tag's own build is before each build on the way to a later release."""
        assume(semver.Version.parse(tag) < semver.Version.parse(release))
        following = BuildVersion.parse(f"{release}+v{tag}-{distance}-g0123456")
        assert BuildVersion.parse(tag) < following


class TestReleasePart:
    """release and tag are X.Y.Z, X.Y.Z-{alpha,beta,rc}.N."""

    @given(release_texts(misspelled=False), release_texts(misspelled=False))
    @example("1.5.9", "1.5.11")
    @example("1.30.0-beta.10", "1.30.0-beta.9")
    @example("1.30.0-rc.1", "1.30.0")
    def test_precedence_agrees_with_semver(self, left: str, right: str) -> None:
        """Release parts have the order that python-semver gives them."""
        a, b = BuildVersion.parse(left), BuildVersion.parse(right)
        expected = semver.Version.parse(left).compare(semver.Version.parse(right))
        assert (a > b) - (a < b) == expected
        assert (a.release > b.release) - (a.release < b.release) == expected

    @given(release_texts(misspelled=False))
    def test_the_misspelling_means_the_same(self, text: str) -> None:
        """``1.17.0.alpha.2`` is ``1.17.0-alpha.2``, and nothing else about it is different."""
        misspelled = BuildVersion.parse(text.replace("-", "."))
        assert misspelled == BuildVersion.parse(text)
        assert misspelled.release == BuildVersion.parse(text).release


class TestText:
    """The text is kept verbatim and is what gets printed."""

    @given(version_texts())
    def test_str_gives_the_text_back(self, text: str) -> None:
        """``str(parse(text))`` is `text`."""
        assert str(BuildVersion.parse(text)) == text
        assert f"{BuildVersion.parse(text)}" == text

    @given(version_texts())
    def test_repr_says_how_to_make_it(self, text: str) -> None:
        """``repr`` is a Python expression for an equal version with the same text."""
        version = eval(repr(BuildVersion.parse(text)), {"BuildVersion": BuildVersion})
        assert (version, str(version)) == (BuildVersion.parse(text), text)

    @given(release_texts(misspelled=False), release_texts(misspelled=False), numbers(), commits())
    def test_parts_are_read_as_written(self, release: str, tag: str, distance: int, commit: str) -> None:
        """Release part, tag, distance and commit are those that the text was put together from."""
        version = BuildVersion.parse(f"{release}+v{tag}-{distance}-g{commit}")
        assert (version.release, version.tag) == (Version(release), Version(tag))
        assert (version.distance, version.commit) == (distance, commit)
        assert version.minor == ".".join(release.split(".")[:2])


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("1.29.1+v1.29.0-3-g0123456", "1.29.1+v1.29.0-3-g0123456", True),
        ("1.29.1+v1.29.0-3-g0123456", "1.29.1+v1.29.0-3-g0123456ab", True),
        ("1.29.1+v1.29.0-3-g0123456ab", "1.29.1+v1.29.0-3-g0123456", True),
        ("1.29.1+v1.29.0-3-g0123456ab", "1.29.1+v1.29.0-3-g0123456cd", False),
        ("1.29.1+v1.29.0-3-g0123456", "1.29.1+v1.29.0-4-g0123456", False),
        ("1.29.1", "1.29.1", True),
        ("1.29.1", "1.29.2", False),
        ("1.29.1", "1.29.1+0123456", False),
        ("1.29.1+v1.29.0", "1.29.1+v1.29.0-0-g0123456", False),
    ],
)
def test_two_names_mean_one_commit_where_one_abbreviates_the_other(
    one: str, other: str, *, same: bool
) -> None:
    """A name without a commit means none that another has (DESIGN section 3)."""
    ours, theirs = BuildVersion.parse(one), BuildVersion.parse(other)
    assert ours.is_of_same_commit(theirs) is theirs.is_of_same_commit(ours) is same


@pytest.mark.parametrize(
    ("distance", "is_further"), [(3, False), (4, False), (5, True)], ids=["less", "as many", "more"]
)
def test_a_build_is_further_that_counts_more_commits_from_the_same_tag(
    distance: int, *, is_further: bool
) -> None:
    """From another tag nothing follows."""
    one = BuildVersion.parse("1.29.1+v1.29.0-4-g0123456")
    assert BuildVersion.parse(f"1.29.1+v1.29.0-{distance}-gabcdef0").is_further_than(one) is is_further
    assert not BuildVersion.parse(f"1.29.1+v1.28.0-{distance}-gabcdef0").is_further_than(one)


@pytest.mark.parametrize(
    ("text", "release", "describe"),
    [
        ("1.29.0", "1.29.0", None),
        ("v1.29.0-alpha.3", "1.29.0a3", None),
        ("1.17.0.alpha.2", "1.17.0a2", None),
        (
            "1.30.0-beta.2+v1.30.0-beta.1-182-g99b3ad7643",
            "1.30.0b2",
            Describe(Version("1.30.0b1"), 182, "99b3ad7643"),
        ),
        ("1.17.0.rc.2+1.17.0.rc.1-0-g0123456", "1.17.0rc2", Describe(Version("1.17.0rc1"), 0, "0123456")),
        ("1.29.0+v1.28.4", "1.29.0", Describe(Version("1.28.4"), 0, None)),
        ("1.14.0-alpha.2+2178721764", "1.14.0a2", Describe(None, None, "2178721764")),
        ("1.14.0-alpha.2+abcdef0", "1.14.0a2", Describe(None, None, "abcdef0")),
        (f"1.14.0-alpha.2+{'a' * 40}", "1.14.0a2", Describe(None, None, "a" * 40)),
        (
            f"{LARGEST}.0.0+v0.{LARGEST}.0-{LARGEST}-g0123456",
            f"{LARGEST}.0.0",
            Describe(Version(f"0.{LARGEST}.0"), LARGEST, "0123456"),
        ),
    ],
)
def test_every_form_is_read(text: str, release: str, describe: Describe | None) -> None:
    """FAILURES row 25: with and without ``+``, with and without distance, each form is read into its parts."""
    version = BuildVersion.parse(text)
    assert (version.release, version.describe) == (Version(release), describe)


@pytest.mark.parametrize(
    ("text", "tag", "distance", "commit"),
    [
        ("1.29.0-alpha.3", Version("1.29.0a3"), 0, None),
        ("1.29.0+v1.28.4", Version("1.28.4"), 0, None),
        ("1.29.0+v1.28.4-7-g0123456", Version("1.28.4"), 7, "0123456"),
        ("1.14.0-alpha.2+2178721764", None, None, "2178721764"),
    ],
)
def test_parts_that_a_name_lacks(text: str, tag: Version | None, distance: int | None, commit: str) -> None:
    """A tag's own build is at distance 0 of itself; a bare commit has neither tag nor distance."""
    version = BuildVersion.parse(text)
    assert (version.tag, version.distance, version.commit) == (tag, distance, commit)


@pytest.mark.parametrize("name", ["text", "precedence", "tag"])
def test_a_version_cannot_be_changed(name: str) -> None:
    """No attribute of a version can be set."""
    with pytest.raises(FrozenInstanceError):
        setattr(BuildVersion.parse("1.29.0"), name, "1.30.0")


# --------------------------------------------------------------------------------------------------
# What is refused

RELEASE = "a release such as 1.30.0-beta.2"
PLUS = "'+' or the end"
DESCRIBE = "a commit of 7 to 40 hex digits, or a describe such as v1.30.0-beta.1-182-g99b3ad7643"
END = "the end"

FAULTS = [
    ("", 0, RELEASE),
    ("v", 1, RELEASE),
    ("vv1.29.0", 1, RELEASE),
    ("V1.29.0", 0, RELEASE),
    (" 1.29.0", 0, RELEASE),
    ("latest", 0, RELEASE),
    ("1.29", 4, RELEASE),
    ("1.29.", 5, RELEASE),
    ("01.29.0", 1, RELEASE),
    ("1.029.0", 3, RELEASE),
    ("1.29.00", 6, PLUS),
    ("-1.29.0", 0, RELEASE),
    ("1.29.0-gamma.1", 7, RELEASE),
    ("1.29.0-alpine.1", 10, RELEASE),
    ("1.29.0-alpha", 12, RELEASE),
    ("1.29.0-alpha.", 13, RELEASE),
    ("1.29.0-alpha.x", 13, RELEASE),
    ("1.29.0-alpha-1", 12, RELEASE),
    ("1.29.0_alpha.1", 6, PLUS),
    ("1.29.0a1", 6, PLUS),
    ("1.29.0-alpha.01", 14, PLUS),
    ("1.29.0-alpha.1-rc.1", 14, PLUS),
    ("1.29.0.1", 7, RELEASE),
    ("1.29.0\n", 6, PLUS),
    ("1.29.0 ", 6, PLUS),
    ("1.29.0\0", 6, PLUS),
    ("1.29.0 v1.28.4-7-g0123456", 6, PLUS),
    ("1.2\u0663.0", 3, RELEASE),
    ("\uff11.29.0", 0, RELEASE),
    ("1.29.0\u202e", 6, PLUS),
    ("1.29.0+", 7, DESCRIBE),
    ("1.29.0++v1.28.4", 7, DESCRIBE),
    ("1.29.0+abcdef", 13, DESCRIBE),
    ("1.29.0+ABCDEF0", 7, DESCRIBE),
    ("1.29.0+abcdefg", 13, DESCRIBE),
    (f"1.29.0+{'a' * 41}", 47, END),
    ("1.29.0+abcdef0-dirty", 14, END),
    ("1.29.0+v1.28.4-dirty", 15, DESCRIBE),
    ("1.29.0+v1.28.4-rc.1-7", 21, DESCRIBE),
    ("1.29.0+v1.28.4-7", 16, DESCRIBE),
    ("1.29.0+v1.28.4-07-g0123456", 16, DESCRIBE),
    ("1.29.0+v1.28.4-7-0123456", 17, DESCRIBE),
    ("1.29.0+v1.28.4-7-g012345", 24, DESCRIBE),
    ("1.29.0+v1.28.4-7-g0123456-dirty", 25, END),
    ("1.29.0+v1.28.4-7-g0123456\n", 25, END),
    ("1.29.0+v1.28.4+v1.28.4", 14, END),
    ("1.29.0+vabcdef0", 8, DESCRIBE),
    ("1.29.0/../1.28.0", 6, PLUS),
    ("1.29.0;rm", 6, PLUS),
    ("<!DOCTYPE html>", 0, RELEASE),
    ("1" * 10, 9, RELEASE),
    (f"1.29.0+v1.28.4-{'1' * 10}-g0123456", 24, DESCRIBE),
    ("\ud800", 0, RELEASE),
    ("1.29.0+\udcff", 7, DESCRIBE),
]


@pytest.mark.parametrize(
    ("text", "position", "expected"),
    FAULTS,
    ids=[ascii(text).replace("\\", "/") for text, *_ in FAULTS],  # pytest cannot find a name with a backslash
)
def test_a_fault_is_shown_where_it_is(text: str, position: int, expected: str) -> None:
    """What is no version is refused with the place of the first wrong character and what fits there."""
    with pytest.raises(InvalidVersionError) as raised:
        BuildVersion.parse(text)
    assert (raised.value.text, raised.value.position, raised.value.expected) == (text, position, expected)
    assert raised.value.__cause__ is None


# A tail for each place where a version can break off: the grammar goes in a circle nowhere else.
WHOLE = ("v0.0.0-alpha.0", "v0.0.0-beta.0", "v0.0.0-rc.0", "v0.0.0-0-g0000000")
TAILS = {whole[start:] for whole in WHOLE for start in range(len(whole) + 1)}


def is_version(text: str) -> bool:
    try:
        BuildVersion.parse(text)
    except InvalidVersionError:
        return False
    return True


def can_go_on(text: str) -> bool:
    """Whether some version starts with `text`: tried out, tail by tail."""
    return any(is_version(text + tail) for tail in TAILS)


class TestRefusal:
    """Anything else is refused with an error that shows the text and where it went wrong."""

    def test_what_is_no_text_is_refused(self) -> None:
        """A script without a type checker learns what to give instead."""
        with pytest.raises(UsageError) as caught:
            BuildVersion.parse(1.29)  # type: ignore[arg-type] # as callers may
        assert (str(caught.value), caught.value.hint) == (
            "text is 1.29, of type float",
            "give a version, as text",
        )

    @given(hostile_texts())
    @example("9" * 100_000)
    @example(f"1.29.0+v1.28.4-{'9' * 100_000}-g0123456")
    @example(f"1.29.0+{'a' * 100_000}")
    @example("1.29.0-alpha." * 10_000)
    @example("\ud83d\udca9\0\ud800")
    def test_no_text_makes_any_other_error(self, text: str) -> None:
        """No string whatever makes `parse` raise anything but `InvalidVersionError`."""
        if is_version(text):  # which is where any other error would come out
            assert str(BuildVersion.parse(text)) == text
        else:
            with pytest.raises(InvalidVersionError) as raised:
                BuildVersion.parse(text)
            assert raised.value.text == text
            assert str(raised.value).isprintable()

    @given(version_texts())
    def test_every_beginning_of_a_version_can_go_on(self, text: str) -> None:
        """(Of the law below's own yardstick.) Whatever a version starts with is seen to be a start."""
        assert all(can_go_on(text[:end]) for end in range(len(text) + 1))

    @given(hostile_texts())
    @example("1.29.0-alpine.1")
    @example("1.29.0+abcdefg")
    def test_the_position_is_of_the_first_character_that_cannot_fit(self, text: str) -> None:
        """Some version starts with all before the position, and none with the character there too."""
        assume(not is_version(text))
        with pytest.raises(InvalidVersionError) as raised:
            BuildVersion.parse(text)
        position = raised.value.position
        assert 0 <= position <= len(text)
        assert can_go_on(text[:position])
        assert position == len(text) or not can_go_on(text[: position + 1])
