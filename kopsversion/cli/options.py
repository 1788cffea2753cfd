"""The options of the command line: parameter types, and the groups of options that commands share.

The parsers are plain functions from text to a value, so that a configuration file can use them too; `Parsed`
makes a click type of one. A group decorator (`store_options`, `policy_options`) adds options to a command and
hands them to it as one value. Nothing heavier than click is imported until a command runs.

This module must not know what any command does with a value, and prints nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict

import click

from kopsversion.cli.complete import one_of
from kopsversion.errors import UsageError
from kopsversion.model.reading import parse_duration, parse_positive_duration, parse_time

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime, timedelta

    from kopsversion.model.policy import Policy
    from kopsversion.model.version import BuildVersion
    from kopsversion.witness.address import Repo


# --------------------------------------------------------------------------------------------------
# What the help of more than one command says

CHANNELS = """
master, latest      the master branch
release-1.30, 1.30  a release branch
1.30.0-beta.2+v1.30.0-beta.1-182-g99b3ad7643
                    this very build, which is then only checked
https://storage.googleapis.com/BUCKET/PREFIX/markers/master/latest-ci.txt
                    the channel of that marker, and the marker to cross-check
"""

STORES = """
https://storage.googleapis.com/BUCKET/PREFIX/, gs://BUCKET/PREFIX/
                     a bucket
https://HOST/PLACE/  any other web server, http:// too: read, and not listed; a marker names the
                     build, its checksums prove it, and nothing newer can be seen
file:///DIR, DIR     a directory
Without --store it is https://storage.googleapis.com/k8s-staging-kops/kops/releases/
"""

PROGRESS = """
While it asks, a line on standard error says what for, on a terminal only and not with --quiet. With --verbose
the lines stay, wherever they go.
"""

ENVIRONMENT = """
Every option can be set as KOPSVERSION_ and its long name: --max-lag as KOPSVERSION_MAX_LAG, --store as
KOPSVERSION_STORE. The command line wins. Flags take 1 or 0. The values of a repeatable option are separated
by white space; a KOPSVERSION_STORE that is as a whole an existing path is that one store, spaces and all
(among several, write such a path as a file:// URL with %20).

STORAGE_EMULATOR_HOST  a server to ask instead of Google's, with its scheme
NO_COLOR, TERM=dumb    plain tables on a terminal too
"""

EXIT_CODES = """
0  answered
1  no testable build, or --on-stale refuse and no marker can be used
2  an argument, option or variable that is not valid
3  answered, but --strict found a condition of severity warning or error
4  the store cannot be reached, or denies access
5  what is there is not what was promised: checksum, lock, lost race
70 a defect of kopsversion itself
74 standard output cannot take the answer
"""

__all__ = [
    "AS_OF_OPTION",
    "DURATION",
    "MARKER_NAME",
    "PLATFORM",
    "POSITIVE_DURATION",
    "STORE",
    "STORE_OPTION",
    "SUFFIX",
    "TIME",
    "TIMEOUT_OPTION",
    "VERSION",
    "BadValue",
    "LadderQuestion",
    "Parsed",
    "StoreQuestion",
    "StoreText",
    "add_options",
    "build_options",
    "ladder_options",
    "parse_duration",
    "parse_marker_name",
    "parse_platform",
    "parse_positive_duration",
    "parse_suffix",
    "parse_time",
    "parse_version",
    "policy_options",
    "store_options",
]

Callback = Callable[..., Any]

# --------------------------------------------------------------------------------------------------
# Text to value


def parse_platform(text: str) -> str:
    """Read an operating system and an architecture, as in ``linux/arm64``.

    Raises:
        UsageError: `text` is anything else.
    """
    from kopsversion.model.policy import check_platform

    return check_platform(text.strip())


def parse_marker_name(text: str) -> str:
    """Read the file name of a marker, as in ``latest-ci.txt``.

    Raises:
        UsageError: `text` is anything else, including a path.
    """
    from kopsversion.model.layout import check_marker_name

    return check_marker_name(text.strip())


def parse_suffix(text: str) -> str:
    """Read the suffix of files that need no checksum, as in ``.sig``.

    Raises:
        UsageError: `text` is anything else.
    """
    from kopsversion.model.policy import check_suffix

    return check_suffix(text.strip())


def parse_root_alias(text: str) -> str:
    """Read another URL of a store's root.

    Raises:
        UsageError: `text` is anything else.
    """
    from kopsversion.model.policy import check_root_alias

    return check_root_alias(text.strip())


def parse_version(text: str) -> BuildVersion:
    """Read a version.

    Raises:
        InvalidVersionError: `text` is not a version.
    """
    from kopsversion.model.version import BuildVersion

    return BuildVersion.parse(text.strip())


def parse_repo(text: str) -> Repo:
    """Read ``--repo``: a directory, or the URL of a repository."""
    from kopsversion.witness import address

    return address.parse_repo(text)


# --------------------------------------------------------------------------------------------------
# Parameter types


class BadValue(click.BadParameter):
    """An option's value that is not valid, with a hint that shows the form expected."""

    def __init__(
        self, message: str, *, hint: str, ctx: click.Context | None, param: click.Parameter | None
    ) -> None:
        super().__init__(message, ctx=ctx, param=param)
        self.hint = hint


class Parsed(click.ParamType):  # type: ignore[type-arg] # takes a parameter only in newer releases of click
    """A click type made of a parser. In an environment variable a repeated option is split on white space.

    Parameters:
        name: what the help calls a value.
        parse: reads a text, or raises `UsageError`.
    """

    def __init__(self, name: str, parse: Callable[[str], object]) -> None:
        self.name = name
        self._parse = parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read a text; a value that has been read already is left alone."""
        if not isinstance(value, str):
            return value
        try:
            return self._parse(value)
        except UsageError as error:
            raise BadValue(error.message, hint=error.hint, ctx=ctx, param=param) from error


class StoreText(Parsed):
    """A store's URL or path, as text.

    In ``KOPSVERSION_STORE`` a value that is as a whole an existing path is one store, white space and all;
    any other value is split on white space. A path with spaces among several stores is written as a
    ``file://`` URL with ``%20``.
    """

    def __init__(self) -> None:
        super().__init__("store", str)

    def split_envvar_value(self, rv: str) -> Sequence[str]:
        """Apply the rule above."""
        # Path.exists raises where a name is too long.
        return (rv,) if os.path.exists(rv) else rv.split()  # noqa: PTH110 # see above


DURATION = Parsed("duration", parse_duration)
POSITIVE_DURATION = Parsed("duration", parse_positive_duration)
TIME = Parsed("time", parse_time)
PLATFORM = Parsed("os/arch", parse_platform)
MARKER_NAME = Parsed("name", parse_marker_name)
VERSION = Parsed("version", parse_version)
REPO = Parsed("dir|url", parse_repo)
SUFFIX = Parsed("suffix", parse_suffix)
ROOT_ALIAS = Parsed("url", parse_root_alias)
STORE = StoreText()

# --------------------------------------------------------------------------------------------------
# Groups of options


class StoreQuestion(TypedDict):
    """Where and when to look: keyword arguments of `kopsversion.workflows.latest.resolve_latest`."""

    store: tuple[str, ...]
    as_of: datetime | None
    timeout: float
    repo: Repo | None
    nearby: Path
    ref: str | None


class LadderQuestion(TypedDict):
    """What to do when a store gives no answer: keyword arguments of `kopsversion.workflows.latest.resolve_latest`."""

    next_store_on: Literal["unreachable", "none"]
    state: Path | None
    allow_cached: timedelta | None


def add_options(function: Callback, options: Sequence[Callable[[Callback], Callback]]) -> Callback:
    """Add click's options to a command; the help shows them in this order."""
    for option in reversed(options):
        function = option(function)
    return function


_STORE_OPTIONS = (
    click.option(
        "--store",
        type=STORE,
        multiple=True,
        metavar="URL",
        help="Where builds are kept, see below. Repeat it to name further stores, each for when the "
        "one before cannot be reached.",
    ),
    click.option(
        "--as-of",
        type=TIME,
        metavar="TIME",
        help="Answer as of that moment: later uploads are ignored, and the clock is set to it. "
        "Written 2024-05-06T18:00:00Z, or with another offset; without one it is UTC; "
        "a date is its midnight.",
    ),
    click.option(
        "--timeout",
        type=POSITIVE_DURATION,
        metavar="DURATION",
        default="60s",
        show_default=True,
        help="How long everything together may take, including repeated attempts.",
    ),
    click.option(
        "--credentials",
        type=click.Choice(["anonymous", "default"]),
        default="anonymous",
        show_default=True,
        help="How to read a gs:// bucket. default: with Application Default Credentials, for a bucket that is not "
        "public.",
    ),
    click.option(
        "--repo",
        type=REPO,
        metavar="DIR|URL",
        help="A clone of kops, to tell branches apart exactly. From a URL, as in "
        "https://github.com/kubernetes/kops, some of its history is fetched, and only in doubt. "
        "[default: the current directory, if it is in one]",
    ),
    click.option(
        "--ref",
        metavar="REF",
        help="The branch in that clone, where it is not the channel's own name.",
    ),
    click.option(
        "--git-cache",
        type=click.Path(path_type=Path),
        metavar="DIR",
        help="Where history that is fetched from a URL is kept for the next time. "
        "[default: ~/.cache/kopsversion/git, by XDG_CACHE_HOME]",
    ),
)
STORE_OPTION, AS_OF_OPTION, TIMEOUT_OPTION, *_ = _STORE_OPTIONS


def store_options(function: Callback) -> Callback:
    """Add ``--store``, ``--as-of``, ``--timeout`` and the options of a clone; the command gets ``question``."""

    @wraps(function)
    def command(
        *arguments: Any,
        store: tuple[str, ...],
        credentials: Literal["anonymous", "default"],
        as_of: datetime | None,
        timeout: timedelta,
        repo: Repo | None,
        ref: str | None,
        git_cache: Path | None,
        **others: Any,
    ) -> Any:
        from kopsversion.model.layout import DEFAULT_STORE
        from kopsversion.stores.base import StoreAddress

        question = StoreQuestion(
            store=tuple(
                StoreAddress(place, credentials=credentials) if credentials == "default" else place
                for place in store or (DEFAULT_STORE,)
            ),
            as_of=as_of,
            timeout=timeout.total_seconds(),
            repo=_with_cache(git_cache, repo),
            nearby=Path(),  # kops' CI jobs run in a clone
            ref=ref,
        )
        return function(*arguments, question=question, **others)

    return add_options(command, _STORE_OPTIONS)


def _with_cache(cache: Path | None, repo: Repo | None) -> Repo | None:
    """Add to a URL where its history is kept."""
    if cache is None or repo is None or isinstance(repo, str | Path):
        return repo
    from attrs import evolve

    return evolve(repo, cache=cache)


_LADDER_OPTIONS = (
    click.option(
        "--next-store-on",
        type=click.Choice(["unreachable", "none"]),
        default="unreachable",
        show_default=True,
        help="When the next --store is tried. unreachable: when one cannot be asked. none: also when "
        "one has no testable build. Each may use an equal share of the time that is left.",
    ),
    click.option(
        "--state",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Keep the answer in FILE, for --allow-cached. Jobs may share it. With --as-of it is "
        "neither written nor read.",
    ),
    click.option(
        "--allow-cached",
        type=POSITIVE_DURATION,
        metavar="AGE",
        help="When no store can be asked, give the last good answer that --state holds, with a "
        "warning, if it is no older than this. Never instead of exit status 1.",
    ),
)


def ladder_options(function: Callback) -> Callback:
    """Add ``--next-store-on``, ``--state``, ``--allow-cached``; the command gets them as ``ladder``."""

    @wraps(function)
    def command(
        *arguments: Any,
        next_store_on: Literal["unreachable", "none"],
        state: Path | None,
        allow_cached: timedelta | None,
        **others: Any,
    ) -> Any:
        ladder = LadderQuestion(next_store_on=next_store_on, state=state, allow_cached=allow_cached)
        return function(*arguments, ladder=ladder, **others)

    return add_options(command, _LADDER_OPTIONS)


_BUILD_OPTIONS = (
    click.option(
        "--platform",
        type=PLATFORM,
        shell_complete=one_of(("linux/amd64", "linux/arm64")),
        multiple=True,
        metavar="OS/ARCH",
        help="A build must have this platform. Repeatable. [default: linux/amd64 linux/arm64]",
    ),
    click.option(
        "--settle",
        type=DURATION,
        metavar="DURATION",
        help="How old a build's newest file must be for its upload to be over; not asked of a build that "
        "its branch's latest-ci.txt names. [default: 10m]",
    ),
    click.option(
        "--exclude",
        type=VERSION,
        multiple=True,
        metavar="VERSION",
        help="Pass over this build, known to be bad. Repeatable.",
    ),
    click.option(
        "--unpaired",
        type=SUFFIX,
        multiple=True,
        metavar="SUFFIX",
        help="Files of this suffix need no .sha256 beside them, as those of .sig, .pem, .intoto.jsonl, "
        ".spdx.json and the like need none by default. Repeatable.",
    ),
    click.option(
        "--root-alias",
        type=ROOT_ALIAS,
        multiple=True,
        metavar="URL",
        help="Another URL of the same place: what a marker names there is looked for in the store. Where kops "
        "publishes is known everywhere. Repeatable.",
    ),
)

_CHOICE_OPTIONS = (
    click.option(
        "--strategy",
        type=click.Choice(["green", "newest"]),
        help="green: the build of the first marker that is fresh, else the newest testable build. "
        "newest: the newest testable build, whatever the markers say. [default: green]",
    ),
    click.option(
        "--marker",
        type=MARKER_NAME,
        shell_complete=one_of(("latest-ci-updown-green.txt", "latest-ci.txt")),
        multiple=True,
        metavar="NAME",
        help="A marker to trust, by file name, best first. Repeatable. "
        "[default: latest-ci-updown-green.txt, then latest-ci.txt]",
    ),
    click.option(
        "--nth",
        type=click.IntRange(min=1),
        metavar="N",
        help="The N-th newest testable build; 1 is the newest. [default: 1]",
    ),
    click.option(
        "--on-stale",
        type=click.Choice(["newest", "refuse"]),
        help="What to do when no marker can be used: take the newest testable build and say so, or fail. "
        "[default: newest]",
    ),
    click.option(
        "--max-lag",
        type=DURATION,
        metavar="DURATION",
        help="A marker is stale when a testable build newer than its own has been waiting longer than this. "
        "[default: 24h]",
    ),
    click.option(
        "--max-build-age",
        type=DURATION,
        metavar="DURATION",
        help="Without a clone: warn when the newest build is older than this. [default: 14d]",
    ),
    click.option(
        "--build-sla",
        type=DURATION,
        metavar="DURATION",
        help="With a clone: warn when a merge has been waiting for its build longer than this. [default: 6h]",
    ),
)


def build_options(function: Callback) -> Callback:
    """Add the options that say which builds are testable; the command gets them as ``policy``."""
    return _policy_command(function, options=_BUILD_OPTIONS)


def policy_options(function: Callback) -> Callback:
    """Add every option that a `kopsversion.model.Policy` is made of; the command gets ``policy``."""
    return _policy_command(function, options=(*_CHOICE_OPTIONS, *_BUILD_OPTIONS))


_POLICY_NAMES = (
    *("strategy", "marker", "nth", "on_stale", "max_lag", "max_build_age", "build_sla"),
    *("platform", "settle", "exclude", "unpaired", "root_alias"),
)


def _policy_command(function: Callback, *, options: Sequence[Callable[[Callback], Callback]]) -> Callback:
    @wraps(function)
    def command(*arguments: Any, **given: Any) -> Any:
        values = {name: given.pop(name) for name in _POLICY_NAMES if name in given}
        return function(*arguments, policy=_policy(values), **given)

    return add_options(command, options)


def _policy(given: Mapping[str, Any]) -> Policy:
    """Make a policy of the options that were given; the others keep the policy's own defaults."""
    from attrs import evolve

    from kopsversion.model.policy import UNPAIRED, OnStale, Policy, Strategy

    plural = {"platform": "platforms", "marker": "markers", "root_alias": "root_aliases"}
    makers: Mapping[str, Callable[[Any], object]] = {
        "strategy": Strategy,
        "on_stale": OnStale,
        "exclude": frozenset,
        "platform": lambda values: tuple(dict.fromkeys(values)),
        "marker": lambda values: tuple(dict.fromkeys(values)),
        "root_alias": lambda values: tuple(dict.fromkeys(values)),
        "unpaired": lambda values: tuple(dict.fromkeys((*UNPAIRED, *values))),
    }
    chosen: dict[str, Any] = {}
    for name, value in given.items():
        if value not in (None, ()):
            chosen[plural.get(name, name)] = makers[name](value) if name in makers else value
    return evolve(Policy(), **chosen)
