"""Pages of JSON from a server that means harm: a listing is whole and of the right shape, or an error of ours."""

from __future__ import annotations

import copy
import json
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kopsversion.errors import KopsVersionError, MalformedResponseError
from kopsversion.stores.base import AttemptPolicy
from kopsversion.stores.bucket import Gathering
from kopsversion.stores.failures import translating
from kopsversion.stores.globs import glob_matcher
from kopsversion.stores.route import Route
from tests.gcs_faults import Body
from tests.gcs_server import KOPS_BUCKET, KOPS_ROOT, GcsServer
from tests.profiles import costly
from tests.scenes import PLAIN, ask, store_of
from tests.strategies import any_text, hostile_texts, version_texts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hypothesis.strategies import SearchStrategy

    from kopsversion.stores.base import Listing

URL = f"gs://{KOPS_BUCKET}/{KOPS_ROOT}"
PREFIX = "1.30."
ONCE = AttemptPolicy(max_attempts=1)
UPLOADED = "2024-03-06T13:40:00.250Z"


def _item(name: str) -> dict[str, Any]:
    return {"name": f"{KOPS_ROOT}{PREFIX}{name}", "size": "1000", "timeCreated": UPLOADED}


PAGES: list[dict[str, Any]] = [
    {
        "kind": "storage#objects",
        "items": [_item("0"), _item("1")],
        "prefixes": [f"{KOPS_ROOT}{PREFIX}0-alpha.1/"],
        "nextPageToken": "more",
    },
    {"items": [_item("2")], "prefixes": [f"{KOPS_ROOT}{PREFIX}0-alpha.2/", f"{KOPS_ROOT}{PREFIX}0/"]},
]
"""Two pages that a good server could send."""


def _list(pages: list[dict[str, Any]]) -> Listing:
    """Take pages in as a store does; what follows the last page is an empty one."""
    gathering = Gathering(KOPS_ROOT, prefix=PREFIX, delimiter="/")
    with translating(URL, Route("https://storage.googleapis.com")):
        for page in [*pages, {}]:
            if not gathering.add(page):
                break
    return gathering.listing(glob_matcher(""))


def json_values() -> SearchStrategy[Any]:
    """Anything that JSON can hold."""
    simple = st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        any_text(),
        hostile_texts(),
        st.sampled_from([KOPS_ROOT, f"{KOPS_ROOT}{PREFIX}", UPLOADED, "1000", "more", "storage#object", ""]),
        version_texts().map(f"{KOPS_ROOT}{{}}/".format),
    )
    return st.recursive(
        simple,
        lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(any_text(), inner, max_size=3)),
    )


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Name every place in a JSON value."""
    inner: list[Any] = list(value.items()) if isinstance(value, dict) else []
    inner = list(enumerate(value)) if isinstance(value, list) else inner
    return [path] * bool(path) + [place for key, each in inner for place in _places(each, (*path, key))]


@st.composite
def damaged_pages(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Draw the two pages with some values replaced, removed or added."""
    pages = copy.deepcopy(PAGES)
    for _ in range(draw(st.integers(1, 3))):
        places = [place for place in _places(pages) if len(place) > 1]  # the pages themselves stay objects
        if not places:
            break
        *path, last = draw(st.sampled_from(places))
        held: Any = pages
        for key in path:
            held = held[key]
        match draw(st.sampled_from(["replace", "remove", "add"])):
            case "replace":
                held[last] = draw(json_values())
            case "remove":
                del held[last]
            case _ if isinstance(held, dict):
                held[draw(st.one_of(any_text(), st.sampled_from(["error", "kind", "items", "prefixes"])))] = (
                    draw(json_values())
                )
            case _:
                held.insert(last, draw(json_values()))
    return pages


def test_good_pages_are_a_listing() -> None:
    """What the tests below damage is whole."""
    listing = _list(PAGES)
    assert [each.name for each in listing.objects] == ["1.30.0", "1.30.1", "1.30.2"]
    assert listing.prefixes == ("1.30.0-alpha.1/", "1.30.0-alpha.2/", "1.30.0/")


@pytest.fixture(scope="module")
def server() -> Iterator[GcsServer]:
    """A server that many examples ask."""
    with GcsServer() as started:
        PLAIN.put(started)
        yield started


class TestDamagedPages:
    @given(damaged_pages())
    @example([{"items": None}])
    @example([{"items": [_item("0")], "nextPageToken": 0}])
    def test_fuzz_a_listing_is_of_the_right_shape_or_an_error(self, pages: list[dict[str, Any]]) -> None:
        """Names begin as asked for and are sorted, none comes twice, sizes are numbers, times are UTC."""
        try:
            listing = _list(pages)
        except MalformedResponseError:
            return
        names = [each.name for each in listing.objects]
        assert names == sorted(set(names))
        assert list(listing.prefixes) == sorted(set(listing.prefixes))
        assert all(name.startswith(PREFIX) for name in (*names, *listing.prefixes))
        assert all("/" not in name.removeprefix(PREFIX) for name in names)
        assert all(name.endswith("/") for name in listing.prefixes)
        for each in listing.objects:
            assert each.size >= 0
            assert each.uploaded.utcoffset() == timedelta()

    @given(st.dictionaries(any_text(), json_values()))
    def test_fuzz_any_object_is_a_page_or_an_error(self, page: dict[str, Any]) -> None:
        """Nothing but an error of ours comes out, whatever the keys are."""
        with suppress(MalformedResponseError):
            _list([page])


class TestWholeQuestions:
    """The same through sockets, HTTP and the client library, which has ideas of its own about pages."""

    @costly()
    @given(
        body=st.one_of(
            damaged_pages().map(lambda pages: json.dumps(pages[0]).encode()),
            json_values().map(lambda value: json.dumps(value).encode()),
            st.binary(max_size=64),
        ),
        skip=st.integers(0, 4),
    )
    def test_fuzz_one_bad_answer_makes_no_wrong_one(self, server: GcsServer, body: bytes, skip: int) -> None:
        """Whichever request gets it, the answer is a build that is there, or an error of ours."""
        server.forget()
        server.faults.clear()
        server.fail(Body(body), times=None, skip=skip)
        try:
            found = ask(store_of(server, attempts=ONCE))
        except KopsVersionError:
            return
        assert str(found.version) in PLAIN.builds
