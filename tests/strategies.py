"""Hypothesis strategies that the laws of the core share: versions, hostile text, builds.

Parts are drawn mostly from very few values, so that two versions often agree in some part and differ in the
next: an order goes wrong where things are nearly equal.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from hypothesis import strategies as st

from kopsversion.model.version import BuildVersion
from tests.builders import NOW, bare_listing

if TYPE_CHECKING:
    from datetime import datetime

    from hypothesis.strategies import SearchStrategy

    from kopsversion.model.bucket import Build

LARGEST = 999_999_999
"""The largest number that the grammar takes."""

_HEX_DIGITS = "0123456789abcdef"


def numbers() -> SearchStrategy[int]:
    """Any number that a version can hold, mostly one below 12."""
    return st.one_of(st.integers(0, 2), st.integers(0, 11), st.integers(0, LARGEST))


@st.composite
def release_texts(draw: st.DrawFn, *, misspelled: bool = True) -> str:
    """Draw a release part or tag without ``v``, as in ``1.30.0-beta.2``.

    Parameters:
        misspelled: whether it may be written like ``1.17.0.alpha.2``.
    """
    core = ".".join(str(draw(numbers())) for _ in range(3))
    stage = draw(st.sampled_from(["", "alpha", "beta", "rc"]))
    if not stage:
        return core
    separator = draw(st.sampled_from("--." if misspelled else "-"))
    return f"{core}{separator}{stage}.{draw(numbers())}"


def commits() -> SearchStrategy[str]:
    """An abbreviated commit id of 7 to 40 digits, often one of three; some have decimal digits alone."""
    return st.one_of(
        st.sampled_from(["22ce1230da", "f9a0ba0203", "2178721764"]),
        st.text(_HEX_DIGITS, min_size=7, max_size=40),
    )


@st.composite
def counted_describes(draw: st.DrawFn) -> str:
    """Draw a describe with tag, distance and commit."""
    v = draw(st.sampled_from(["v", "v", "v", ""]))
    return f"{v}{draw(release_texts())}-{draw(numbers())}-g{draw(commits())}"


def describes() -> SearchStrategy[str]:
    """What follows the ``+``: tag, distance and commit; a tag alone; or a commit alone."""
    return st.one_of(counted_describes(), release_texts(), release_texts().map("v{}".format), commits())


def version_texts(*, plain: bool = False) -> SearchStrategy[str]:
    """The text of a version.

    Parameters:
        plain: never with the leading ``v`` that no directory has.
    """
    vs = [""] if plain else ["", "", "", "v"]
    endings = st.one_of(st.just(""), describes().map("+{}".format), describes().map("+{}".format))
    return st.builds("{}{}{}".format, st.sampled_from(vs), release_texts(), endings)


def versions() -> SearchStrategy[BuildVersion]:
    """A version of any form."""
    return version_texts().map(BuildVersion.parse)


def _damaged(text: str) -> SearchStrategy[str]:
    places = st.integers(0, len(text))
    return st.builds(
        lambda start, length, inserted: text[:start] + inserted + text[start + length :],
        places,
        st.integers(0, 3),
        st.one_of(st.text("0123456789abcdefgvrlpth.-+%\n\0/ ", max_size=3), any_text(max_size=3)),
    )


def any_text(*, max_size: int | None = None) -> SearchStrategy[str]:
    """Text of any code points, lone surrogates included."""
    return st.text(st.characters(exclude_categories=()), max_size=max_size)


def hostile_texts() -> SearchStrategy[str]:
    """Text that is no version, or only just is one: damaged, endless, or anything at all."""
    return st.one_of(
        version_texts(),
        version_texts().flatmap(_damaged),
        any_text(),
        st.text("0123456789.-+v abrclphtege"),
        st.builds(
            "{}{}{}".format,
            st.sampled_from(["", "1.30.", "1.30.0-beta.", "1.30.0+", "1.30.0+v1.30.0-"]),
            st.integers(1, 20_000).map(lambda length: "1" * length),
            st.sampled_from(["", ".0", ".0.0", "-g0123456"]),
        ),
    )


def moments() -> SearchStrategy[datetime]:
    """One of few moments, so that some are equal, in UTC."""
    return st.integers(0, 8).map(lambda hours: NOW - timedelta(hours=hours))


@st.composite
def builds(draw: st.DrawFn, *, version: SearchStrategy[BuildVersion] | None = None) -> Build:
    """Draw a build of which the name is known, and perhaps an upload time.

    Parameters:
        version: its version; any where not given.
    """
    uploaded = draw(st.one_of(st.none(), moments(), moments(), moments()))
    return bare_listing(str(draw(versions() if version is None else version)), uploaded)


def one_branch() -> SearchStrategy[list[Build]]:
    """Builds of a branch around one release: with a distance, without, and a tag's own."""
    release = st.sampled_from(["1.17.0-alpha.2", "1.17.0.alpha.2", "1.17.0-alpha.3"])
    counted = st.builds("{}+v1.17.0-alpha.1-{}-g{}".format, release, st.integers(0, 6), commits())
    texts = st.one_of(release, counted, counted, st.builds("{}+{}".format, release, commits()))
    return st.lists(builds(version=texts.map(BuildVersion.parse)), max_size=12)
