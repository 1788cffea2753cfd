"""What somebody probably meant."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kopsversion.model.suggest import closest, did_you_mean, distance

COMMANDS = ("resolve", "list", "check", "sort", "promote", "shell", "demo")
CHANNELS = ("master", "release-1.29", "release-1.30", "release-1.31")


class TestClosest:
    @pytest.mark.parametrize(
        ("typed", "known", "meant"),
        [
            ("mastr", CHANNELS, "master"),
            ("Master", CHANNELS, "master"),
            ("relase-1.29", CHANNELS, "release-1.29"),
            ("ilst", COMMANDS, "list"),
            ("chekc", COMMANDS, "check"),
            ("resolv", COMMANDS, "resolve"),
            ("linux/armm64", ("linux/amd64", "linux/arm64"), "linux/arm64"),
            ("--platfrom", ("--platform", "--plain"), "--platform"),
        ],
    )
    def test_meant(self, typed: str, known: tuple[str, ...], meant: str) -> None:
        """A slip or two are forgiven, in long words three."""
        assert closest(typed, known) == meant
        assert did_you_mean(typed, known) == f"did you mean {meant}?"

    @pytest.mark.parametrize(
        ("typed", "known"),
        [
            ("frobnicate", COMMANDS),
            ("x", COMMANDS),
            ("so", COMMANDS),
            ("publish", COMMANDS),
            ("release-1.2", ("release-1.28", "release-1.29")),
            ("", COMMANDS),
            ("master", ()),
            ("--on-stale", ("--no-such", "--pin")),
        ],
    )
    def test_far_fetched(self, typed: str, known: tuple[str, ...]) -> None:
        """What is far-fetched, or could be two things, is not said."""
        assert closest(typed, known) is None
        assert did_you_mean(typed, known) == ""


class TestDistance:
    @given(one=st.text(max_size=8), other=st.text(max_size=8))
    def test_is_a_distance(self, one: str, other: str) -> None:
        """It is the same both ways, none only between equals, and no more than writing it all anew."""
        assert distance(one, other) == distance(other, one)
        assert (distance(one, other) == 0) == (one == other)
        assert distance(one, other) <= max(len(one), len(other))
