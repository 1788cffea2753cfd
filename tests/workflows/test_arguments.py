"""What a caller gives that is not valid is a usage error by its name, never an attribute error."""

from __future__ import annotations

import inspect
import re
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import kopsversion
from kopsversion import (
    BuildVersion,
    Channel,
    Policy,
    UsageError,
    check_health,
    fetch_kops,
    list_channel,
    open_store,
    resolve_latest,
    resolve_many,
)
from kopsversion.testing import NOW, MemoryStore, complete_build, master_version, release_version
from kopsversion.workflows.arguments import count_of, path_of, span_of

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def store() -> MemoryStore:
    made = MemoryStore()
    for number in (1, 2, 3):
        made.add_build(master_version(number), at=NOW - timedelta(hours=4 - number))
        made.add_build(release_version(number), at=NOW - timedelta(hours=4 - number))
    return made


K: Any = kopsversion
"""The package as one sees it who has no type checker."""

COMMON: tuple[tuple[str, Any], ...] = (
    ("store", 5),
    ("store", [5]),
    ("policy", "green"),
    ("now", "2024-05-06"),
    ("as_of", 1715000000),
    ("now", datetime(2024, 5, 6)),  # noqa: DTZ001 # that is the mistake
    ("repo", 5),
    ("nearby", 5),
    ("ref", 5),
    ("timeout", "60s"),
    ("timeout", None),
    ("timeout", True),
    ("timeout", float("nan")),
)


@pytest.mark.parametrize("ask", [resolve_latest, list_channel])
@pytest.mark.parametrize(("name", "value"), COMMON)
def test_a_wrong_argument_is_named(
    ask: Callable[..., object], name: str, value: object, store: MemoryStore
) -> None:
    """Whatever it is, the message begins with its name, and the hint says what is meant."""
    arguments: dict[str, Any] = {"store": store, "now": NOW, name: value}
    with pytest.raises(UsageError, match=f"^{name} is ") as caught:
        ask("master", **arguments)
    assert caught.value.hint.startswith("give ")
    assert store.calls == []


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda store: K.resolve_latest(5, store=store), "selector"),
        (lambda store: K.resolve_latest(None, store=store), "selector"),
        (lambda store: K.resolve_latest("master", store=store, next_store_on="never"), "next_store_on"),
        (lambda store: K.resolve_latest("master", store=store, state=5), "state"),
        (lambda store: K.resolve_latest("master", store=store, state="s", allow_cached="1h"), "allow_cached"),
        (lambda store: K.resolve_latest("master", store=store, state="s", allow_cached=-1), "allow_cached"),
        (lambda store: K.list_channel(5, store=store), "selector"),
        (lambda store: K.list_channel("master", store=store, limit="5"), "limit"),
        (lambda store: K.list_channel("master", store=store, limit=True), "limit"),
        (lambda store: K.list_channel("master", store=store, limit=-1), "limit"),
        (lambda store: K.list_between("newest", "newest", 5, store=store), "channel"),
        (lambda store: K.list_between("newest", "newest", master_version(1), store=store), "channel"),
        (lambda store: K.check_health([5], store=store), "selectors"),
        (lambda store: K.find_build("abcdef0", 5, store=store), "channel"),
        (lambda store: K.find_build("abcdef0", store=store, wait="1h"), "wait"),
        (lambda store: K.find_build("abcdef0", store=store, wait=float("nan")), "wait"),
        (lambda store: K.find_build("abcdef0", store=store, wait=1e300), "wait"),
        (lambda store: K.resolve_many("master", store=store), "selectors"),
        (lambda store: K.resolve_many(5, store=store), "selectors"),
        (lambda store: K.resolve_many([], store=store), "selectors"),
        (lambda store: K.resolve_many(["master", 5], store=store), "selector"),
        (lambda _: K.open_store(5), "url"),
        (lambda _: K.open_store("x", credentials="mine"), "credentials"),
        (lambda _: K.open_store("x", timeout="60s"), "timeout"),
        (lambda store: K.fetch_kops(store, 5, path=Path("x")), "version"),
        (lambda store: K.fetch_kops(store, master_version(1), path=5), "path"),
        (lambda _: K.write_pin(Path("x"), 5), "resolution"),
        (lambda store: K.make_lock(store, 5), "resolution"),
        (lambda _: K.read_lock(5), "path"),
        (lambda _: K.write_lock(Path("x"), 5), "lock"),
        (lambda _: K.to_json(5), "resolution"),
        (lambda _: K.from_json(5), "text"),
        (lambda _: K.resolve(5, Channel("master"), Policy(), NOW), "snapshot"),
        (lambda _: K.resolve(kopsversion.Snapshot.complete("m"), "master", Policy(), NOW), "channel"),
        (lambda _: K.resolve(kopsversion.Snapshot.complete("m"), Channel("master"), 5, NOW), "policy"),
        (lambda _: K.resolve(kopsversion.Snapshot.complete("m"), Channel("master"), Policy(), 5), "now"),
    ],
)
def test_each_function_names_its_own(
    call: Callable[[MemoryStore], object], name: str, store: MemoryStore
) -> None:
    """Each argument of each function, by the name that its documentation has."""
    with pytest.raises(UsageError, match=f"^{name} is "):
        call(store)


def _asked(**own: object) -> Callable[[MemoryStore], dict[str, object]]:
    """What a function that asks a store is called with, besides its own arguments."""
    return lambda store: {"store": store, "now": NOW, **own}


def _answer(store: MemoryStore) -> kopsversion.Resolution:
    return resolve_latest("master", store=store, now=NOW)


ONE, TWO = master_version(1), master_version(2)

RIGHT: dict[str, Callable[[MemoryStore], dict[str, object]]] = {
    "bisect": _asked(good=ONE, bad="newest", test=lambda build: build.version.distance < 2),
    "check_health": _asked(selectors=["master"]),
    "fetch_kops": lambda store: {"store": store, "version": ONE, "path": Path("kops")},
    "find_build": _asked(wanted=ONE),
    "from_json": lambda store: {"text": kopsversion.to_json(_answer(store))},
    "list_between": _asked(first=ONE, last=TWO),
    "list_channel": _asked(),
    "make_lock": lambda store: {"store": store, "resolution": _answer(store)},
    "open_store": lambda _: {"url": "gs://bucket/place/"},
    "plan_bisection": _asked(good=ONE, bad="newest"),
    "rank": lambda _: {"builds": [complete_build(ONE)]},
    "read_lock": lambda _: {"path": Path("lock.json")},
    "resolve": lambda _: {
        "snapshot": kopsversion.Snapshot.complete("mem://bucket/", builds=[complete_build(ONE)]),
        "channel": Channel("master"),
        "policy": Policy(),
        "now": NOW,
    },
    "resolve_latest": _asked(),
    "resolve_many": _asked(selectors=["master"]),
    "to_json": lambda store: {"resolution": _answer(store)},
    "write_lock": lambda store: {
        "path": Path("other.json"),
        "lock": kopsversion.make_lock(store, _answer(store)),
    },
    "write_pin": lambda store: {"path": Path("marker.txt"), "resolution": _answer(store)},
}
"""How each public function is called, as far as it has to be told anything."""

PARAMETERS = [
    (name, parameter)
    for name in kopsversion.__all__
    if inspect.isfunction(function := getattr(kopsversion, name))
    for parameter in inspect.signature(function).parameters.values()
]

ODD: tuple[tuple[object, tuple[str, ...]], ...] = (
    (None, ("None",)),
    (5, ("int", "float")),
    (1.5, ("float",)),
    (True, ("bool",)),
    (b"x", ()),
    (object(), ()),
    ([object()], ()),
    ({}, ("Mapping", "Iterable")),
)
"""Values, each with the words in an annotation that allow it."""


def _is_allowed(words: tuple[str, ...], parameter: inspect.Parameter) -> bool:
    """Whether one of the words is a type of the parameter itself; what a function of it takes does not count."""
    annotation = re.sub(r"Callable\[\[.*?\], [^\]]*\]", "Callable", str(parameter.annotation))
    if parameter.name == "ignore_older" or parameter.name == "allow_cached":
        annotation += " | float"  # seconds will do wherever a duration is meant
    return any(re.search(rf"\b{word}\b", annotation) for word in words)


@pytest.mark.parametrize(
    ("name", "parameter"), PARAMETERS, ids=[f"{name}-{parameter.name}" for name, parameter in PARAMETERS]
)
def test_every_argument_of_every_function_is_checked(
    name: str,
    parameter: inspect.Parameter,
    store: MemoryStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is of no type that the signature names is a usage error with the argument's name, and nothing is asked."""
    monkeypatch.chdir(tmp_path)
    kopsversion.write_lock(Path("lock.json"), kopsversion.make_lock(store, _answer(store)))
    right = RIGHT[name](store)
    getattr(kopsversion, name)(**right)
    store.calls.clear()
    for value, words in ODD:
        if _is_allowed(words, parameter):
            continue
        with pytest.raises(UsageError, match=rf"(?i)\b{parameter.name.removesuffix('s')}") as caught:
            getattr(kopsversion, name)(**{**right, parameter.name: value})
        assert caught.value.hint
    assert store.calls == []


@pytest.mark.parametrize(
    "make",
    [
        lambda value: BuildVersion.parse(value),
        lambda value: Channel.parse(value),
        lambda value: kopsversion.Bisection(size=value, good=0, bad=2),
        lambda value: kopsversion.Bisection(size=3, good=0, bad=2, outcomes=value),
        lambda value: kopsversion.Bisection(size=3, good=0, bad=2).record(value, kopsversion.Outcome.GOOD),
        lambda value: kopsversion.Bisection(size=3, good=0, bad=2).record(1, value),
        lambda value: kopsversion.Snapshot.complete("mem://bucket/", builds=value),
        lambda value: kopsversion.Snapshot.complete("mem://bucket/", markers=[value]),
        *(
            partial(lambda name, value: K.Policy(**{name: value}), name)
            for name in ("markers", "reported", "platforms", "unpaired", "root_aliases", "exclude", "nth")
        ),
        *(
            partial(lambda name, value: K.Policy(**{name: (value,)}), name)
            for name in ("markers", "reported", "platforms", "unpaired", "root_aliases", "exclude")
        ),
        lambda value: Policy(compare_artifacts=value),
        lambda value: K.JobsQuestion(wanted="no", place=value),
        lambda value: K.JobsQuestion(place=[value]),
        lambda value: K.JobsQuestion(writers=(value,)),
    ],
)
def test_what_a_value_is_made_of_is_checked(make: Callable[[Any], object]) -> None:
    """Wherever a wrong type would be met later, or change the answer unnoticed."""
    for value in (None, 1.5, b"x", object()):
        with pytest.raises(UsageError):
            make(value)


def test_a_directory_that_cannot_be_is_no_clone(store: MemoryStore) -> None:
    """What is only looked at in passing stops nothing."""
    assert resolve_latest("master", store=store, now=NOW, nearby=Path("a\0b")).version.distance == 3


@pytest.mark.parametrize("value", [None, "good", 5])
def test_a_test_says_good_or_bad(store: MemoryStore, value: Any) -> None:
    """A test that says nothing, as a function without `return`, is no test."""
    with pytest.raises(UsageError, match=r"^what test returned is "):
        kopsversion.bisect(ONE, "newest", test=lambda _build: value, store=store, now=NOW)


def test_a_policy_comes_from_what_gives_them(store: MemoryStore) -> None:
    """What is asked for the limits of a channel gives a policy."""
    with pytest.raises(UsageError, match=r"^policy_of\(master\) is "):
        K.check_health(["master"], store=store, now=NOW, policy_of=str)


@pytest.mark.parametrize("state", ["", ".", ".."])
def test_a_state_file_is_no_directory(store: MemoryStore, state: str) -> None:
    """Where it ends in no name, nothing can be kept."""
    with pytest.raises(UsageError, match=r"^state is '.*', which is a directory"):
        K.resolve_latest("master", store=store, now=NOW, state=state)


def test_the_moment_of_a_decision_has_a_time_zone() -> None:
    """Pure as it is, the core names the argument too."""
    with pytest.raises(UsageError, match=r"^now is 2024-05-06 00:00:00, which has no time zone"):
        K.resolve(kopsversion.Snapshot.complete("m"), Channel("master"), Policy(), datetime(2024, 5, 6))  # noqa: DTZ001 # that is the mistake


def test_a_selector_is_text_a_channel_or_a_version(store: MemoryStore) -> None:
    """All of them mean the same."""
    named: list[str | Channel | BuildVersion] = [
        "master",
        Channel("master"),
        BuildVersion.parse(master_version(3)),
    ]
    assert {str(resolve_latest(each, store=store, now=NOW).version) for each in named} == {master_version(3)}
    listed = list_channel(Channel("release-1.29"), store=store, now=NOW)
    assert next(str(row.version) for row in listed.rows) == release_version(3)
    health = check_health([Channel("master")], store=store, now=NOW)
    assert [each.channel for each in health.channels] == ["master"]


def test_a_timeout_is_a_duration_or_seconds(store: MemoryStore) -> None:
    """Either is the same time."""
    for timeout in (60, 60.0, timedelta(minutes=1)):
        assert str(resolve_latest("master", store=store, now=NOW, timeout=timeout).version) == master_version(
            3
        )


def test_a_store_is_a_path_too(demo_bucket: Path) -> None:
    """Where a path is meant a `Path` will do, alone or among several."""
    at = datetime(2024, 5, 6, 18, tzinfo=UTC)
    for place in (demo_bucket, str(demo_bucket), [demo_bucket]):
        assert resolve_latest("master", store=place, as_of=at).version.distance == 378
    opened = open_store(demo_bucket, timeout=timedelta(hours=1))
    assert opened.is_local


@pytest.mark.parametrize("limit", [0, None])
def test_a_limit_of_zero_is_none(store: MemoryStore, limit: int | None) -> None:
    """In Python as on the command line."""
    assert len(list_channel("master", store=store, now=NOW, limit=limit).rows) == 3


def test_several_channels_are_asked_once(store: MemoryStore) -> None:
    """The answers are as if each was asked alone, and what they share is asked for once."""
    alone = [
        resolve_latest(each, store=store, now=NOW) for each in ("master", "release-1.29", master_version(3))
    ]
    apart = len(store.calls)
    store.calls.clear()
    together = resolve_many(["master", Channel("release-1.29"), master_version(3)], store=store, now=NOW)
    assert [each.base_url for each in together] == [each.base_url for each in alone]
    assert len(store.calls) < apart
    assert len(store.calls) == len(set(store.calls)), "nothing is asked for twice"
    assert resolve_many(["master"], store=store, as_of=NOW)[0].now == NOW


def test_several_channels_say_which_has_none(store: MemoryStore) -> None:
    """The error names the channel."""
    with pytest.raises(kopsversion.NoTestableBuildError) as caught:
        resolve_many(["master", "release-1.20"], store=store, now=NOW)
    assert caught.value.channel == "release-1.20"


def test_kops_is_fetched_for_this_machine(store: MemoryStore, tmp_path: Path) -> None:
    """Where no platform is named it is this one, and the path may be text."""
    fetched = fetch_kops(store, master_version(1), path=str(tmp_path / "kops"))  # type: ignore[arg-type] # text will do
    assert fetched.path.read_bytes() == b"kops"


def test_what_arguments_mean() -> None:
    """The same word means the same everywhere."""
    assert count_of("limit", 0) is count_of("limit", None) is None
    assert count_of("limit", 3) == 3
    assert span_of("wait", 90) == span_of("wait", timedelta(seconds=90))
    assert path_of("path", "a/b") == path_of("path", Path("a/b"))
    assert complete_build(BuildVersion.parse(master_version(1))).version.distance == 1
