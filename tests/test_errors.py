"""The hierarchy of errors: what each carries, and how untrusted text is shown (DESIGN section 8)."""

from __future__ import annotations

import ast
import copy
import inspect
import pickle
import re
import traceback
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given

from kopsversion import errors
from kopsversion.errors import (
    GitFault,
    GitWitnessError,
    IntegrityError,
    InvalidVersionError,
    KopsVersionError,
    NoTestableBuildError,
    ObjectNotFoundError,
    StoreError,
    UsageError,
    quoted,
)
from kopsversion.model.needs import ReadMarker
from kopsversion.rules.resolver import SnapshotIncompleteError
from kopsversion.workflows.state import StateError
from tests.strategies import any_text, hostile_texts

if TYPE_CHECKING:
    from collections.abc import Callable

_BRANCH = re.compile(r"    (?P<lines>[│├└─ ]*)(?P<name>\w+Error)(?: +(?P<exit_code>\d))?.*")
_WIDTH = 4
"""Columns of one level of the drawing."""


def drawn() -> dict[str, tuple[str, int]]:
    """Read the tree in the module's docstring: each error's parent and exit code."""
    tree: dict[str, tuple[str, int]] = {}
    path: list[str] = []
    for match in filter(None, map(_BRANCH.fullmatch, (errors.__doc__ or "").splitlines())):
        depth = len(match["lines"]) // _WIDTH
        path[depth:] = [match["name"]]
        parent = path[depth - 1] if depth else "Exception"
        inherited = tree[parent][1] if depth else 1
        tree[match["name"]] = (parent, int(match["exit_code"] or inherited))
    return tree


def existing() -> dict[str, tuple[str, int]]:
    classes = (each for _, each in inspect.getmembers(errors, inspect.isclass))
    return {
        each.__name__: (each.__bases__[0].__name__, each.exit_code)
        for each in classes
        if issubclass(each, KopsVersionError)
    }


def test_the_tree_is_as_it_is_drawn() -> None:
    """The docstring's tree has each error, below its parent, with the exit code it ends in."""
    assert drawn() == existing()
    assert len(drawn()) > 10


class TestData:
    def test_the_sentence_hint_and_reasons_are_kept(self) -> None:
        """``str()`` is the sentence alone; what to do next stands beside it."""
        error = KopsVersionError("It is so.", hint="do this", reasons=["one", "two"])
        assert str(error) == error.message == "It is so."
        assert (error.hint, error.reasons) == ("do this", ("one", "two"))

    def test_a_resolution_error_names_what_was_asked(self) -> None:
        """Channel and reasons are data."""
        error = NoTestableBuildError("none", channel="master", reasons=["a"], hint="wait")
        assert (str(error), error.channel, error.reasons, error.hint) == ("none", "master", ("a",), "wait")

    def test_an_integrity_error_says_what_differs(self) -> None:
        """What was expected and what is there are data."""
        error = IntegrityError("differs", subject="kops", expected="aa", actual="bb", hint="again")
        assert (error.subject, error.expected, error.actual, error.hint) == ("kops", "aa", "bb", "again")

    def test_a_store_error_says_whether_asking_again_may_help(self) -> None:
        """URL, transience and the server's wish are data; by default asking again does not help."""
        error = StoreError("no", url="gs://b/", transient=True, retry_after=2.5, hint="wait", reasons=["503"])
        assert (error.url, error.transient, error.retry_after) == ("gs://b/", True, 2.5)
        assert (error.hint, error.reasons) == ("wait", ("503",))
        plain = ObjectNotFoundError("no", url="gs://b/x")
        assert (plain.transient, plain.retry_after) == (False, None)

    @pytest.mark.parametrize("kind", GitFault)
    def test_a_git_error_tells_a_wrong_directory_from_a_broken_clone(self, kind: GitFault) -> None:
        """Only a directory that is no clone of kops is a mistake of whoever named it."""
        error = GitWitnessError("no", kind=kind, repo="/x", hint="clone")
        assert (error.kind, error.repo, error.hint) == (kind, "/x", "clone")
        assert error.is_wrong_repo is (kind.value in {"not-a-repository", "not-kops"})


class TestInvalidVersion:
    def test_it_shows_the_text_and_the_place(self) -> None:
        """The sentence names text, place (counted from 1) and what would have fitted."""
        error = InvalidVersionError("1.30", position=4, expected="a dot")
        assert str(error) == "'1.30' is not a kOps version: expected a dot at character 5"
        assert "1.30.0-beta.2" in error.hint

    def test_it_is_what_callers_expect_of_a_parser(self) -> None:
        """It can be caught as a `ValueError`, and as a mistake in usage."""
        assert issubclass(InvalidVersionError, ValueError)
        assert issubclass(InvalidVersionError, UsageError)


ERRORS = [
    each for _, each in inspect.getmembers(errors, inspect.isclass) if issubclass(each, KopsVersionError)
]
GIVEN: dict[str, Any] = {
    "message": "It is so.",
    "hint": "do this",
    "reasons": ("one", "two"),
    "channel": "master",
    "kind": GitFault.TIMEOUT,
    "repo": "/x",
    "subject": "kops",
    "expected": "aa",
    "actual": "bb",
    "url": "gs://b/",
    "transient": True,
    "retry_after": 2.5,
    "text": "1.30",
    "position": 4,
    "needs": frozenset({ReadMarker("master", "latest-ci.txt")}),
}
"""A value for every parameter of every error, none of them a default."""


def pickled(protocol: int) -> Callable[[KopsVersionError], KopsVersionError]:
    def send(error: KopsVersionError) -> KopsVersionError:
        received = pickle.loads(pickle.dumps(error, protocol))
        assert isinstance(received, KopsVersionError)
        return received

    return send


class TestTravel:
    """A harness that works in several processes gets an error as it was raised."""

    @pytest.mark.parametrize(
        "send",
        [copy.copy, copy.deepcopy, *map(pickled, range(pickle.HIGHEST_PROTOCOL + 1))],
        ids=["copy", "deepcopy", *map(str, range(pickle.HIGHEST_PROTOCOL + 1))],
    )
    @pytest.mark.parametrize(
        "kind", [*ERRORS, SnapshotIncompleteError, StateError], ids=lambda kind: kind.__name__
    )
    def test_every_error_arrives_with_its_data(
        self, kind: type[KopsVersionError], send: Callable[[KopsVersionError], KopsVersionError]
    ) -> None:
        """Type, sentence, and each attribute."""
        parameters = list(inspect.signature(kind).parameters.values())
        positional = [GIVEN[each.name] for each in parameters if each.kind is not each.KEYWORD_ONLY]
        keywords = {each.name: GIVEN[each.name] for each in parameters if each.kind is each.KEYWORD_ONLY}
        error = kind(*positional, **keywords)
        copied = send(error)
        assert copied is not error
        assert type(copied) is kind
        assert (str(copied), copied.args) == (str(error), error.args)
        assert vars(copied) == vars(error)
        assert set(vars(error)) >= {"message", "hint", "reasons", *keywords}

    def test_a_note_travels_along(self) -> None:
        """What a harness adds to an error is not lost either."""
        error = UsageError("It is so.")
        error.add_note("in job 7")
        assert pickle.loads(pickle.dumps(error)).__notes__ == ["in job 7"]

    def test_an_error_that_nobody_catches_shows_its_reasons_and_its_hint(self) -> None:
        """Below the sentence, in the order in which the command line says them."""
        error = KopsVersionError("There is none.", reasons=["it is cold", "it is late"], hint="go home")
        shown = "".join(traceback.format_exception(error))
        assert shown.endswith("KopsVersionError: There is none.\n- it is cold\n- it is late\nhint: go home\n")


class TestQuoted:
    """Raw hostile text is never printed."""

    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            ("1.30", "'1.30'"),
            ("", "''"),
            ("\x1b[31m", "'\\x1b[31m'"),
            ("a\nb", "'a\\nb'"),
            ("\u202eabc", "'\\u202eabc'"),
            ("\ud800", "'\\ud800'"),
            ("it's", '"it\'s"'),
            ("x" * 120, f"'{'x' * 120}'"),
            ("x" * 121, f"'{'x' * 120}'… (121 characters)"),
        ],
        ids=range(9),
    )
    def test_it_is_escaped_and_cut(self, text: str, shown: str) -> None:
        """Control, bidi and broken characters are escaped; of long text 120 characters are shown."""
        assert quoted(text) == shown

    @given(any_text())
    def test_what_is_shown_is_harmless_and_true(self, text: str) -> None:
        """One line of printable ASCII that reads back as the text, as far as it is shown."""
        shown, cut, _ = quoted(text).partition("…")
        assert shown.isascii()
        assert shown.isprintable()
        assert ast.literal_eval(shown) == text[:120]
        assert bool(cut) is (len(text) > 120)

    @given(hostile_texts())
    def test_it_is_short_whatever_comes(self, text: str) -> None:
        """No text makes a message longer than a screen line or two can hold."""
        assert len(quoted(text)) <= 120 * len("\\U00000000") + len("''… (00000 characters)")
