"""Writes the reference pages that are made of the code, so that they cannot drift: ``make docs``.

``docs/reference/cli.md`` from the commands, ``conditions.md`` from the catalogue of conditions, ``exit-codes.md`` from
the errors, ``api.md`` from the public names, ``configuration.md`` from the keys that are read and ``fields.md`` from
the schemas.
``tests/test_docs_reference.py`` fails when one is out of date.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
import textwrap
from collections import Counter
from enum import Enum
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import attrs
import click

import kopsversion
from kopsversion import errors
from kopsversion.cli import boundary, config, console, process
from kopsversion.cli.toolbox import tools
from kopsversion.cli.typos import variable_of
from kopsversion.model.answer import Verdict
from kopsversion.model.policy import Policy
from kopsversion.model.silence import LONGEST_SILENCE
from kopsversion.model.wording import duration
from kopsversion.model.writers import DEFAULT_WRITERS, Writer
from kopsversion.render.links import Links
from kopsversion.rules.catalogue import CATALOGUE

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

REFERENCE = Path(__file__).parent / "reference"
_MADE = "<!-- Made by docs/generate.py: change the code, then `make docs`. -->"

_BEGINNING = """\
>>> from datetime import timedelta
>>> from pathlib import Path
>>> from attrs import evolve
>>> from kopsversion import *
>>> from kopsversion.testing import NOW, MemoryStore, complete_build, master_version
>>> store = MemoryStore()
>>> for distance in (1, 2, 3):
...     store.add_build(master_version(distance), at=NOW - timedelta(hours=4 - distance))
>>> for name in ("latest-ci.txt", "latest-ci-updown-green.txt"):
...     store.add_marker("master", name, master_version(3))
>>> answer = resolve_latest("master", store=store, now=NOW)
>>> def passes(build):
...     return build.version.distance < 3"""
"""What every example of ``api.md`` begins with: three builds in a store that is in memory, and a test of builds."""

_ALIASES: Mapping[str, str] = {
    "StoreLike": "`str`, `Path` or `Store`: where builds are kept",
    "Repo": "`str` or `Path`: a directory in a clone of kops, or the URL of one",
    "Credentials": '`"anonymous"` or `"default"`',
    "NextStoreOn": '`"unreachable"` or `"none"`',
    "MarkerReading": "`Named`, `Foreign`, `Malformed`, `Missing`, `Later` or `Unreachable`",
    "Event": "`Plan`, `Trial` or `TrialResult`: what `bisect` tells",
    "Step": "`Try`, `Found` or `Failed`: what `Bisection.next` returns",
    "Progress": "`Callable[[int, int], None]`: is told the bytes that have come, and how many there are",
    "Deadline": "kopsversion's own, where several of its steps share one time limit; leave it out",
}
"""Names that signatures use, and that cannot be imported: each is short for something that can."""


def main() -> None:
    """Write every page."""
    for name, text in pages().items():
        (REFERENCE / name).write_text(text, encoding="utf-8")


def pages() -> Mapping[str, str]:
    """Return every page's text by its file name."""
    makers: Mapping[str, Callable[[], Iterable[str]]] = {
        "cli.md": _cli,
        "conditions.md": _conditions,
        "exit-codes.md": _exit_codes,
        "api.md": _api,
        "configuration.md": _configuration,
        "fields.md": _fields_of_json,
    }
    return {name: "\n".join(maker()).rstrip() + "\n" for name, maker in makers.items()}


def _table(*rows: tuple[str, ...]) -> Iterator[str]:
    """Write a table; the first row is its head."""
    head, *others = rows
    for row in (head, tuple("---" for _ in head), *others):
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"
    yield ""


def _one_line(text: str) -> str:
    return " ".join(text.split())


# --------------------------------------------------------------------------------------------------
# cli.md


def _cli() -> Iterator[str]:
    yield from (
        "# Command line",
        "",
        _MADE,
        "",
        "`resolve-latest` is `kopsversion resolve` as a script of its own. The answer goes to standard output,",
        "everything else to standard error. Statuses are in [exit codes](exit-codes.md), what is said beside an",
        "answer in [conditions](conditions.md).",
        "",
    )
    root = click.Context(tools, info_name="kopsversion")
    contexts = [_context(name, root) for name in tools.list_commands(root)]
    common = _common(contexts)
    yield from ("## Common options", "", "They are the same wherever a command lists them.", "")
    rows = ((names, meaning.replace("see below", _STORES), name) for names, meaning, name in common)
    yield from _table(_OPTION_HEAD, *rows)
    told: dict[tuple[str, str], str] = {}
    for context in contexts:
        yield from _command(context, common=common, told=told)


_NAME = re.compile(r"`-[^`]*`")
_OPTION_HEAD = ("option", "meaning", "variable")
_STORES = "see [stores](#stores-of-bisect)"


def _context(name: str, root: click.Context) -> click.Context:
    command = tools.commands[name]
    prefix = command.context_settings.get("auto_envvar_prefix")
    return click.Context(command, info_name=name, parent=root, auto_envvar_prefix=prefix)


def _options(context: click.Context) -> list[tuple[str, str, str]]:
    params = context.command.get_params(context)
    return [_option(each, context) for each in params if isinstance(each, click.Option)]


def _common(contexts: Iterable[click.Context]) -> list[tuple[str, str, str]]:
    """Return the options that several commands have in the same words, in the order in which they are met."""
    seen = Counter(option for context in contexts for option in _options(context))
    return [option for option, number in seen.items() if number > 1]


def _command(
    context: click.Context, *, common: Collection[tuple[str, str, str]], told: dict[tuple[str, str], str]
) -> Iterator[str]:
    """Describe one command. A section that another command has told already is only named."""
    command = context.command
    yield from (f"## kopsversion {context.info_name}", "", "```text")
    yield from (_one_line(command.get_usage(context)).removeprefix("Usage: "), "```", "")
    yield from (inspect.cleandoc(command.help or "").replace("\b\n", ""), "")
    options = _options(context)
    own = [option for option in options if option not in common]
    if own:
        yield from _table(_OPTION_HEAD, *own)
    shared = ", ".join("/".join(_NAME.findall(option[0])) for option in options if option in common)
    yield from (
        *textwrap.wrap(f"[Common options](#common-options): {shared}.", width=116, break_on_hyphens=False),
        "",
    )
    for title, text in getattr(command, "sections", ()):
        teller = told.setdefault((title, text), context.info_name or "")
        if teller == context.info_name:
            yield from (f"### {title} of {context.info_name}", "", "```text", text.strip("\n"), "```", "")
        else:
            yield from (f"{title}: as for [{teller}](#{_slug(f'{title} of {teller}')}).", "")


def _slug(title: str) -> str:
    return title.lower().replace(" ", "-")


def _option(option: click.Option, context: click.Context) -> tuple[str, str, str]:
    names = ", ".join(f"`{name}`" for name in sorted(option.opts, key=len))
    takes = not (option.is_flag or option.count)
    metavar = f" `{option.make_metavar(context)}`" if takes else ""
    record = option.get_help_record(context)
    said = _one_line(record[1]).replace("[required]", "Required.") if record else ""
    meaning = re.sub(r"\s*\[default: (.+)\]$", r" Default: \1.", said)
    variable = variable_of(option, context)
    return f"{names}{metavar}", meaning, f"`{variable}`" if variable else ""


# --------------------------------------------------------------------------------------------------
# conditions.md


def _conditions() -> Iterator[str]:
    yield from (
        "# Conditions",
        "",
        _MADE,
        "",
        "A condition is something that the reader of an answer should know. It has a code for programs, a",
        "severity, and one sentence for people. `resolve-latest` prints warnings and errors on standard error,",
        "and info too with `-v`; `-o json` has all of them. With `--strict` any warning or error makes the exit",
        "status 3. `kopsversion check` calls a condition of a channel a finding: [monitoring](../monitoring.md).",
        "",
    )
    rows = [
        (
            f'<a id="{code}"></a>`{code}`',
            " or ".join(entry.severities),
            entry.meaning,
            entry.advice,
        )
        for code, entry in CATALOGUE.items()
    ]
    yield from _table(("code", "severity", "what is the case", "what to do"), *rows)
    yield from (
        "A code of `marker-` and a verdict is a warning where that marker should have decided, and info where",
        f"it is only reported. There is one for every verdict but `{Verdict.CURRENT}`: see",
        "[markers](../explanation/markers.md).",
    )


# --------------------------------------------------------------------------------------------------
# exit-codes.md


def _exit_codes() -> Iterator[str]:
    yield from (
        "# Exit codes",
        "",
        _MADE,
        "",
        "The same for every command. `resolve-latest` prints an answer with 0 and 3 only. With any other status",
        "standard output is empty, or holds `(exit N)` with `-o shell`. A job may retry later after 4, when the",
        "store has failed.",
        "",
    )
    yield from _table(("status", "meaning", "errors"), *(_status(code) for code in sorted(_meanings())))
    yield from (
        "Statuses above 5 come from the process: a defect (`-vv` shows the traceback), a signal, or standard",
        "output that cannot be written.",
        "",
        "## Errors",
        "",
        "Each error is one sentence on standard error, then its reasons, then a hint that says what to do next. In",
        "Python they are exceptions with that sentence as `str(error)`, and with `hint`, `reasons` and `exit_code`; a",
        "traceback ends with all of it.",
        "",
    )
    yield from _table(
        ("error", "is a", "status", "when"), *(_error(kind) for kind in _kinds(errors.KopsVersionError))
    )


def _meanings() -> Mapping[int, str]:
    """Say what each status means, the process's own among them."""
    return {
        0: "answered",
        1: "no testable build, or refused",
        2: "an argument, option, variable or configuration that is not valid",
        boundary.DEGRADED: "answered, but `--strict` or `check` found a condition of severity warning or error",
        4: "the store cannot be reached, or denies access",
        5: "what is there is not what was promised: checksum, lock, lost race",
        boundary.UNFORESEEN: "a defect of kopsversion itself",
        console.OutputError.exit_code: "standard output cannot take the answer: closed, a full disk, an encoding",
        boundary.INTERRUPTED: "interrupted",
        boundary.BROKEN_PIPE: "the reader of standard output has gone away",
        process.TERMINATED: "terminated (SIGTERM)",
    }


def _status(code: int) -> tuple[str, str, str]:
    raised = [kind.__name__ for kind in _kinds(errors.KopsVersionError) if kind.exit_code == code]
    return str(code), _meanings()[code], ", ".join(f"`{name}`" for name in raised)


def _kinds(kind: type[errors.KopsVersionError]) -> Iterator[type[errors.KopsVersionError]]:
    """Walk the errors of the errors module, each before its kinds."""
    yield kind
    for other in kind.__subclasses__():
        if other.__module__ == errors.__name__:
            yield from _kinds(other)


def _error(kind: type[errors.KopsVersionError]) -> tuple[str, str, str, str]:
    bases = ", ".join(f"`{base.__name__}`" for base in kind.__bases__)
    return f"`{kind.__name__}`", bases, str(kind.exit_code), _first_paragraph(kind)


# --------------------------------------------------------------------------------------------------
# api.md


def _api() -> Iterator[str]:
    yield from (
        "# Python",
        "",
        _MADE,
        "",
        "Everything that `from kopsversion import …` offers. Values are frozen, times are UTC `datetime`s, durations",
        "are `timedelta`s, and errors are described under [exit codes](exit-codes.md#errors). The package is typed.",
        "",
    )
    names = [name for name in kopsversion.__all__ if name != "__version__"]
    public = {name: getattr(kopsversion, name) for name in names}
    functions = {name: value for name, value in public.items() if not inspect.isclass(value)}
    classes = {name: value for name, value in public.items() if inspect.isclass(value)}
    faults: Mapping[str, type[errors.KopsVersionError]] = {
        name: value for name, value in classes.items() if issubclass(value, errors.KopsVersionError)
    }
    yield from (
        "What is public, and how it may change, is in [stability](stability.md). A store of your own is held to the",
        "contract by [`kopsversion.testing`](testing.md).",
        "",
        "Wherever a `Path` is meant, its text will do. `timeout` and the like are a `timedelta` or a number of",
        "seconds. An argument of another type than is meant is a `UsageError` that names it.",
        "",
    )
    yield from (
        "## Examples",
        "",
        "Every example below runs after these lines, in a directory of its own. They lay out three builds of master in",
        "memory. Leave `store` and `now` out to ask kops' own bucket now.",
        "",
        "```pycon",
        _BEGINNING,
        "```",
        "",
    )
    yield from ("## Functions", "")
    for name, function in functions.items():
        yield from (f"### {name}", "", "```text", *_signature(name, function), "```", "")
        yield from _documentation(function)
    yield from ("## Values", "")
    for name, kind in classes.items():
        if name not in faults:
            yield from (f"### {name}", "")
            yield from _fields(name, kind)
            yield from _documentation(kind)
            yield from _members(kind)
    yield from (
        "### __version__",
        "",
        "The version of the package, as text.",
        "",
        "```pycon",
        '>>> len(__version__.split("."))',
        "3",
        "```",
        "",
    )
    yield from (
        "## Other types",
        "",
        "Signatures also name these. What is in neither list is not public: hand it on, and do not take it apart.",
        "",
    )
    yield from _table(("name", "stands for"), *((f"`{name}`", meaning) for name, meaning in _ALIASES.items()))
    yield from (
        "## Errors",
        "",
        "An error's attributes are what it is made with. Each is a `KopsVersionError`, and so has a `message`, a",
        "`hint`, `reasons` and an `exit_code` too.",
        "",
    )
    for name in sorted(faults):
        yield from _fault(name, faults[name])


def _fault(name: str, kind: type[errors.KopsVersionError]) -> Iterator[str]:
    yield from (f"### {name}", "", f"{_bases(kind)}; exit status {kind.exit_code}.", "")
    yield from ("```text", *_signature(name, kind, returns=""), "```", "")
    yield from _documentation(kind)


def _bases(kind: type) -> str:
    """Say what an error can also be caught as."""
    return "Is a " + " and a ".join(f"`{base.__name__}`" for base in kind.__bases__)


def _fields(name: str, kind: type) -> Iterator[str]:
    """Write how a value is made, with the type and the default of each attribute."""
    if hasattr(kind, "__attrs_attrs__"):
        yield from ("```text", *_signature(name, kind, returns=""), "```", "")


def _signature(name: str, function: Callable[..., object], *, returns: str | None = None) -> Iterator[str]:
    """Write a signature with a line for each parameter."""
    signature = inspect.signature(function)
    yield f"{name}("
    starred = False
    for parameter in signature.parameters.values():
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY and not starred:
            yield "    *,"
            starred = True
        default = parameter.default
        shown = _default(default)
        value = "" if default is parameter.empty else f" = {shown}"
        yield f"    {parameter.name}: {parameter.annotation}{value},"
    yield ")" if returns == "" else f") -> {signature.return_annotation}"


def _default(default: object) -> str:
    """Write a default: what a value holds is described with its own class, and functions and factories have no text."""
    if hasattr(default, "__attrs_attrs__"):
        return f"{type(default).__name__}()"
    if callable(default) or default is attrs.NOTHING:
        return "..."
    return str(default) if isinstance(default, Enum) else repr(default)


_SECTION = re.compile(r"(Parameters|Returns|Raises|Attributes):")


def _documentation(value: object) -> Iterator[str]:
    """Write a docstring as Markdown: its sections become lists, examples become code."""
    for paragraph in inspect.cleandoc(_docstring(value)).split("\n\n"):
        first, *rest = paragraph.splitlines()
        if paragraph.startswith(">>>"):
            yield from ("```pycon", paragraph, "```", "")
        elif _SECTION.fullmatch(first):
            yield from (f"{first}", "", *_entries(rest, named=first != "Returns:"), "")
        elif not paragraph.startswith("Source:"):
            yield from (_markdown(paragraph), "")


def _docstring(value: object) -> str:
    """Return a value's own docstring; what attrs and enum write there is none."""
    return getattr(value, "__doc__", None) or ""


def _entries(lines: Iterable[str], *, named: bool) -> Iterator[str]:
    """Write the entries of a section, each of which may go on in deeper lines, as a list."""
    entries: list[str] = []
    for line in lines:
        if line.startswith("     ") or (not named and entries):
            entries[-1] += f" {line.strip()}"
        else:
            entries.append(line.strip())
    for entry in entries:
        name, colon, text = entry.partition(": ")
        yield f"- `{name}`: {_markdown(text)}" if named and colon else f"- {_markdown(entry)}"


def _members(kind: type) -> Iterator[str]:
    """List an enumeration's values, or a class's public methods and properties, each with its first sentence."""
    if issubclass(kind, Enum):
        meanings = _meanings_of(kind)
        told = (
            f"- `{member.name}` (`{member.value}`): {_markdown(meanings[member.name])}" for member in kind
        )
        yield from ("One of:", "", *told, "")
    own = {name: member for name, member in vars(kind).items() if not name.startswith("_")}
    described = [
        f"- `{_called(name, member)}`: {_first_paragraph(_function(member))}"
        for name, member in own.items()
        if _is_described(member)
    ]
    if described:
        yield from ("Methods and properties:", "", *described, "")


def _meanings_of(kind: type[Enum]) -> Mapping[str, str]:
    """Read what stands below each member of an enumeration: Python does not keep it."""
    definition = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
    meanings = {}
    for line, below in pairwise(cast("ast.ClassDef", definition).body):
        match line, below:
            case (
                ast.Assign(targets=[ast.Name(id=name)]),
                ast.Expr(value=ast.Constant(value=str(meaning))),
            ):
                meanings[name] = _one_line(meaning)
    return meanings


def _is_described(member: object) -> bool:
    return isinstance(member, property | classmethod | staticmethod) or inspect.isfunction(member)


def _called(name: str, member: object) -> str:
    if isinstance(member, property):
        return name
    signature = inspect.signature(_function(member))
    return f"{name}({', '.join(each for each in signature.parameters if each not in {'self', 'cls'})})"


def _function(member: object) -> Callable[..., object]:
    """Return the function behind a property or a class method."""
    function: Any = getattr(member, "fget", None) or getattr(member, "__func__", member)
    return cast("Callable[..., object]", function)


def _first_paragraph(value: object) -> str:
    return _markdown(_one_line(inspect.cleandoc(_docstring(value)).partition("\n\n")[0]))


def _markdown(text: str) -> str:
    """Turn a docstring's ``literals`` into Markdown's."""
    return text.replace("``", "`")


# --------------------------------------------------------------------------------------------------
# configuration.md

_LIMITS: Mapping[str, tuple[str, str]] = {
    "max-lag": (
        "duration",
        "Promotion lag above which a marker is stale: how long a newer testable build may wait.",
    ),
    "max-build-age": ("duration", "Without a clone of kops: how old the newest build may be."),
    "build-sla": ("duration", "With a clone (`--repo`): how long a merge may wait for its build."),
    "ignored-markers": ("list of names", "Markers that are shown and do not count."),
}
_TABLES: Mapping[str, tuple[str, Mapping[str, tuple[str, str]]]] = {
    "": (
        "The limits of every channel.",
        {
            **_LIMITS,
            "interval": ("duration", "How often the check runs: the page says when the next one is due."),
        },
    ),
    '[channels."REF"]': (
        "The limits of one channel, which win over those at the top. `REF` is master or a release branch.",
        _LIMITS,
    ),
    "[[silence]]": (
        "A finding that somebody works on: it stays visible, and does not count. Every key is required.",
        {
            "channel": ("text", "The channel that the finding is about."),
            "code": ("text", "The finding's code: one of the [conditions](conditions.md)."),
            "until": ("day", f"The last day, without quotes; at most {LONGEST_SILENCE.days} days ahead."),
            "reason": ("text", "Why: every output shows it."),
        },
    ),
    "[links]": (
        "Where the page leads: templates of URLs. An empty one makes no link.",
        {
            "branch": ("URL", "The branch of a channel; takes `{ref}`."),
            "commit": ("URL", "The commit of a build; takes `{commit}`."),
            "compare": (
                "URL",
                "The merges between two builds; takes `{old}` and `{new}`, which are commits.",
            ),
            "object": ("URL", "A marker; takes `{store}`, which ends in a slash, and `{path}`."),
            "job": ("URL", "The runs of a job; takes `{job}`."),
            "condition": (
                "URL",
                "What a code means; takes `{code}`. Where it is empty, the page says it itself.",
            ),
            "contact": ("URL", "Whom to ask."),
            "contact-name": ("text", "What that place is called."),
        },
    ),
    '[writers."JOB"]': (
        "A job that writes a marker, by its name of today: [see why a marker stands still](../howto/jobs.md). "
        "For one of kops' own jobs, what is left out keeps its default; any other must say its marker. kops' own are "
        + ", ".join(f"`{writer.jobs[0]}`" for writer in DEFAULT_WRITERS)
        + ".",
        {
            "marker": ("text", "The name of the marker's file, as in `latest-ci.txt`."),
            "branch": ("text", "The branch whose marker it writes. Left out: every branch's."),
            "interval": ("duration", "How often it runs. Left out: on merges, so it is never idle."),
            "timeout": (
                "duration",
                "How long a run may take. Idle is a job after three intervals and a timeout.",
            ),
            "formerly": ("list of names", "The job's older names, whose runs count too."),
        },
    ),
}
"""By table of the file: what it is for, and of each key its type and meaning."""


def _configuration() -> Iterator[str]:
    yield from (
        "# Configuration",
        "",
        _MADE,
        "",
        "A TOML file, which `kopsversion check` and `kopsversion jobs` read with `--config FILE`. Without it they",
        "read the table `[tool.kopsversion]` in the `pyproject.toml` of the current directory, if it is there; its",
        "tables are then `[tool.kopsversion.links]` and so on. Options of the command line win over the file. A key",
        "that is not listed here is an error with its line, and exit status 2. [Monitoring](../monitoring.md) has",
        "examples.",
        "",
        'A duration is text such as `"24h"`, `"14d"` or `"1h30m"`.',
        "",
    )
    for place, keys in config.KEYS.items():
        purpose, described = _TABLES[place]
        yield from (f"## `{place}`" if place else "## At the top", "", purpose, "")
        rows = ((f"`{key}`", described[key][0], described[key][1], _default_of(place, key)) for key in keys)
        yield from _table(("key", "type", "meaning", "default"), *rows)
    yield from _variables()


_VARIABLES: Mapping[str, str] = {
    "ARTIFACTS": "Where Prow takes files from: `resolve-latest` leaves the resolution there.",
    "GITHUB_OUTPUT": "GitHub's file for the outputs of a step, for `-o github`.",
    "GITHUB_STEP_SUMMARY": "GitHub's file for the summary of a step, for `-o github`.",
    "STORAGE_EMULATOR_HOST": "A server to ask instead of Google's, with its scheme. It never gets credentials.",
    "HTTPS_PROXY, HTTP_PROXY, ALL_PROXY": "The proxy for https, for http, for either; in lower case they win.",
    "NO_PROXY": "Hosts that are asked directly.",
    "REQUESTS_CA_BUNDLE, SSL_CERT_FILE, CURL_CA_BUNDLE": "A PEM file of certificates; the first that is set counts.",
    "GOOGLE_APPLICATION_CREDENTIALS": "Google's own, with `--credentials default` and where a bucket is written.",
    "XDG_CACHE_HOME": "Where fetched history and the unpacked single file are kept. Default: `~/.cache`, by `HOME`.",
    "PULL_BASE_SHA": "In a presubmit's clone: the commit onto which Prow merged.",
    "GIT_DIR": "Not followed: which clone is asked is said by `--repo` or the current directory. A message names it.",
    "GIT_SSH_COMMAND": "How ssh is started where `--repo` is a URL of ssh; it is never asked for a password.",
    "PATH": "Where git is looked for, and the command of `kopsversion bisect`.",
    "NO_COLOR": "No colours, and plain tables on a terminal too.",
    "FORCE_COLOR, CLICOLOR_FORCE": "Colours wherever the output goes, unless 0.",
    "CLICOLOR": "0: no colours.",
    "TERM": "`dumb`: as `NO_COLOR`.",
}
"""By name, or names that mean the same: what a variable is for that is no option's."""


def _variables() -> Iterator[str]:
    yield from (
        "## Environment variables",
        "",
        "Every option can be set as `KOPSVERSION_` and its long name: [the command line](cli.md) names each. Of a",
        "variable whose name is nearly that of one, a warning asks whether it was meant. These are read too; an empty",
        "one counts as not set.",
        "",
    )
    rows = (
        (", ".join(f"`{name}`" for name in names.split(", ")), said) for names, said in _VARIABLES.items()
    )
    yield from _table(("variable", "meaning"), *rows)


def _default_of(place: str, key: str) -> str:
    """Say what counts where a key is left out; nothing where nothing does, or where the meaning says it."""
    name = key.replace("-", "_")
    if place == "[links]":
        return f"`{getattr(Links(), name)}`" if getattr(Links(), name) else "empty"
    if place == "" and hasattr(Policy(), name):
        return duration(getattr(Policy(), name))
    if place.startswith("[channels"):
        return "added to those at the top" if key == "ignored-markers" else "as at the top"
    if place.startswith("[writers") and key == "timeout":
        return duration(Writer(marker="", jobs=()).timeout)
    return ""


# --------------------------------------------------------------------------------------------------
# fields.md

_PRINTED_BY = {
    "resolution": "`resolve-latest -o json`, `--lock`",
    "health": "`kopsversion check -o json`",
    "list": "`kopsversion list -o json`",
    "find": "`kopsversion find -o json`",
    "bisect": "`kopsversion bisect -o json`",
    "jobs": "`kopsversion jobs -o json`",
}


def _fields_of_json() -> Iterator[str]:
    yield from (
        "# Fields of JSON",
        "",
        "<!-- Made by docs/generate.py of the schemas: change the code, then `make docs`. -->",
        "",
        "Every key of every document that kopsversion prints; [JSON](json.md) says how they change. What several",
        "documents have in common stands with the first.",
        "",
    )
    told: set[str] = set()
    for name, command in _PRINTED_BY.items():
        file = f"{name}.schema.json"
        schema = json.loads((REFERENCE / file).read_text(encoding="utf-8"))
        yield from (f"## {schema['title']}", "", f"Printed by {command}; [{file}]({file}).", "")
        top = _name_of(schema)
        for kind in (top, *(kind for kind in schema["$defs"] if kind != top)):
            if kind not in told:
                told.add(kind)
                yield from _fields_of(kind, schema["$defs"][kind])


def _fields_of(kind: str, definition: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"### {kind}", "", _markdown(definition["description"]), "")
    base = [_name_of(part) for part in definition.get("allOf", ())]
    if base:
        yield from (f"All of [{base[0]}](#{base[0].lower()}), and:", "")
    rows = (
        (f"`{key}`", _kind_of(value), _markdown(value["description"]))
        for key, value in definition["properties"].items()
    )
    yield from _table(("key", "type", "meaning"), *rows)


def _name_of(reference: Mapping[str, Any]) -> str:
    return str(reference["$ref"]).rpartition("/")[2]


_FORMS = {"date-time": "time", "date": "date"}


def _kind_of(value: Mapping[str, Any]) -> str:
    """Say in a few words what a schema allows."""
    match value:
        case {"anyOf": [*parts]} | {"oneOf": [*parts]}:
            return " or ".join(_kind_of(part) for part in parts)
        case {"$ref": str(place)}:
            name = place.rpartition("/")[2]
            return f"[{name}](#{name.lower()})"
        case {"enum": [*words]}:
            return ", ".join(f"`{word}`" for word in words)
        case {"const": word}:
            return f"`{word}`"
        case {"type": "array", "items": item}:
            return f"list of {_kind_of(item)}"
        case {"type": "object", "additionalProperties": item}:
            return f"object of {_kind_of(item)}"
        case {"format": str(form)}:
            return _FORMS[form]
        case {"type": "number", "description": str(said)} if "seconds" in said:
            return "seconds"
        case {"type": str(kind)}:
            return {"string": "text", "boolean": "true or false", "integer": "whole number"}.get(kind, kind)
    raise TypeError(value)


if __name__ == "__main__":
    main()
