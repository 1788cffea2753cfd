"""What ``resolve-latest`` does beside answering: it writes pins, locks, kops, and files for Prow and GitHub.

`effect_options` adds the options; `obtain` answers, or replays a lock, and does all that was asked for. It
returns only when everything has succeeded, so that an answer on standard output means that the files are there.
This module must not know how an answer is found, or what is in the files.
"""

from __future__ import annotations

import os
import re
import sys
from contextlib import ExitStack, contextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kopsversion.cli.options import Parsed, add_options
from kopsversion.errors import IntegrityError, KopsVersionError, UsageError, quoted
from kopsversion.model.values import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kopsversion.cli.console import Console
    from kopsversion.cli.options import StoreQuestion
    from kopsversion.model.answer import Resolution
    from kopsversion.publish.lock import Lock
    from kopsversion.stores.base import Store
    from kopsversion.stores.deadline import Deadline

__all__ = ["Effects", "append_github_output", "append_github_summary", "effect_options", "obtain"]

ARTIFACT = "kopsversion-resolution.json"
"""What is left in a Prow job's ``$ARTIFACTS``: the answer as ``-o json`` prints it."""


@frozen(kw_only=True)
class Effects:
    """What is to be done with an answer.

    Attributes:
        pin: where a marker file goes.
        lock: where a lock goes.
        from_lock: the lock to replay instead of asking.
        fetch: where kops goes.
        arch: the architecture to fetch kops for; ``None`` for this machine's.
        artifacts: whether the answer is left in ``$ARTIFACTS``.
        artifact: the file's name there.
    """

    pin: Path | None = None
    lock: Path | None = None
    from_lock: Path | None = None
    fetch: Path | None = None
    arch: str | None = None
    artifacts: bool = True
    artifact: str = ARTIFACT

    @property
    def marker_url(self) -> str | None:
        """The URL of the pin, where there is one."""
        if self.pin is None:
            return None
        from kopsversion.publish.pin import pin_url

        return pin_url(self.pin)

    def check(self) -> None:
        """Refuse files that cannot be written, before a store is asked.

        Raises:
            UsageError: a file cannot be written at its place, or two have the same place.
        """
        options = {"--pin": self.pin, "--lock": self.lock, "--fetch": self.fetch}
        places = [(option, path) for option, path in options.items() if path is not None]
        if not places:
            return
        from kopsversion.files import check_target

        seen: dict[str, str] = {}
        for option, path in places:
            check_target(path)
            # The place itself gets replaced, and not what a symlink there leads to.
            place = os.path.join(os.path.realpath(path.parent), path.name)  # noqa: PTH118 # realpath gives text
            if place in seen:
                raise UsageError(
                    f"{seen[place]} and {option} both name {quoted(str(path))}", hint="name two files"
                )
            seen[place] = option


_FILE = click.Path(path_type=Path)
_FILE_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,120}")


def _parse_file_name(text: str) -> str:
    if _FILE_NAME.fullmatch(text) is None:
        raise UsageError(
            f"{quoted(text)} is not the name of a file in $ARTIFACTS",
            hint="give a name of letters, digits, dots, hyphens and underscores, such as kops-a.json",
        )
    return text


def effect_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say what to do with the answer; the command gets them as ``effects``."""

    @wraps(function)
    def command(
        *arguments: Any,
        pin: Path | None,
        lock: Path | None,
        from_lock: Path | None,
        fetch: Path | None,
        arch: str | None,
        artifacts: bool,
        artifact: str,
        **others: Any,
    ) -> Any:
        effects = Effects(
            pin=pin,
            lock=lock,
            from_lock=from_lock,
            fetch=fetch,
            arch=arch,
            artifacts=artifacts,
            artifact=artifact,
        )
        return function(*arguments, effects=effects, **others)

    return add_options(command, _OPTIONS)


_OPTIONS: tuple[Callable[[Callable[..., Any]], Callable[..., Any]], ...] = (
    click.option(
        "--pin",
        type=_FILE,
        metavar="FILE",
        help="Also write a marker file that names the answer, for "
        "kubetest2 kops --kops-version-marker=file://FILE.",
    ),
    click.option(
        "--lock",
        type=_FILE,
        metavar="FILE",
        help="Also write the whole answer, with the sha256 of its binaries, for --from-lock.",
    ),
    click.option(
        "--from-lock",
        type=_FILE,
        metavar="FILE",
        help="Give the answer of that lock, after making sure that the build is still there and unchanged. "
        "Nothing is chosen, so no option that chooses has an effect.",
    ),
    click.option(
        "--fetch",
        type=_FILE,
        metavar="PATH",
        help="Also download kops to PATH: checked against its .sha256, executable, replaced in one step.",
    ),
    click.option(
        "--arch",
        type=click.Choice(["amd64", "arm64"]),
        help="The architecture that --fetch downloads for. [default: this machine's]",
    ),
    click.option(
        "--artifacts/--no-artifacts",
        default=True,
        show_default=True,
        help="Leave the answer in $ARTIFACTS, where that variable is set.",
    ),
    click.option(
        "--artifact",
        type=Parsed("name", _parse_file_name),
        metavar="NAME",
        default=ARTIFACT,
        show_default=True,
        help="The file's name there: a job that asks for two builds gives each its own.",
    ),
)


# --------------------------------------------------------------------------------------------------
# Doing it


def obtain(
    ask: Callable[[], Resolution], effects: Effects, *, question: StoreQuestion, console: Console
) -> Resolution:
    """Answer, and do with the answer all that was asked for.

    Parameters:
        ask: finds the answer.
        effects: what to do with it; with a lock to replay, `ask` is not called.
        question: has the stores and the timeout.
        console: for messages.

    Raises:
        KopsVersionError: there is no answer, or something asked for could not be done.
    """
    from kopsversion.stores.deadline import Deadline
    from kopsversion.workflows.stores import address_in

    effects.check()
    deadline = Deadline(question["timeout"])
    if effects.from_lock is None:
        resolution = ask()
    else:
        resolution = _replay(effects.from_lock, question=question, deadline=deadline)
    place = address_in(question["store"], resolution.store)
    _carry_out(effects, resolution, place=place, deadline=deadline, console=console)
    return resolution


def _replay(path: Path, *, question: StoreQuestion, deadline: Deadline) -> Resolution:
    from datetime import UTC, datetime

    from kopsversion.publish.lock import read_lock, verify_lock

    if question["as_of"] is not None:
        raise UsageError(
            "--as-of and --from-lock contradict each other: a lock is replayed now",
            hint="leave one of them out; a moment may also be set in KOPSVERSION_AS_OF",
        )
    lock = read_lock(path)
    _check_asked(lock.resolution)
    with _locked_store(lock, question, deadline=deadline) as store:
        verify_lock(store, lock, now=datetime.now(UTC), deadline=deadline)
    return lock.resolution


def _is_given(name: str) -> bool:
    """Tell whether a parameter of the running command was given, by argument or variable."""
    source = click.get_current_context().get_parameter_source(name)
    return source in {click.core.ParameterSource.COMMANDLINE, click.core.ParameterSource.ENVIRONMENT}


def _check_asked(resolution: Resolution) -> None:
    """Refuse a lock that answers another question than the one that was asked beside it."""
    from kopsversion.model.layout import read_selector

    if not _is_given("selector"):
        return
    asked = str(read_selector(click.get_current_context().params["selector"]))
    if asked not in {resolution.channel, str(resolution.version)}:
        raise IntegrityError(
            f"the lock answers {quoted(resolution.channel)}, and {asked} was asked for",
            subject="channel",
            expected=asked,
            actual=resolution.channel,
            hint="name another lock, or leave the channel out",
        )


@contextmanager
def _locked_store(lock: Lock, question: StoreQuestion, *, deadline: Deadline) -> Iterator[Store]:
    """Open the store that a lock is from; where stores are named, it must be one of these."""
    from kopsversion.workflows.stores import address_in, borrowed

    given = (
        question["store"] if _is_given("store") else [address_in(question["store"], lock.resolution.store)]
    )
    with ExitStack() as held:
        stores = [held.enter_context(borrowed(place, deadline=deadline)) for place in given]
        # Another store than the lock's is refused by verify_lock, which sees that the base URL is not its own.
        yield next((store for store in stores if store.url == lock.resolution.store), stores[0])


def _carry_out(
    effects: Effects, resolution: Resolution, *, place: str, deadline: Deadline, console: Console
) -> None:
    """Do all that was asked for; what takes longest, and fails most often, comes first."""
    if effects.fetch is not None or effects.lock is not None:
        from kopsversion.workflows.stores import borrowed

        with borrowed(place, deadline=deadline) as store:
            if effects.fetch is not None:
                _fetch(effects.fetch, store, resolution, arch=effects.arch, console=console)
            if effects.lock is not None:
                from kopsversion.publish.lock import make_lock, write_lock

                write_lock(effects.lock, make_lock(store, resolution, deadline=deadline))
    if effects.pin is not None:
        from kopsversion.publish.pin import write_pin

        write_pin(effects.pin, resolution)
    if effects.artifacts and os.environ.get("ARTIFACTS"):
        _leave_artifact(Path(os.environ["ARTIFACTS"]), effects.artifact, resolution, console=console)


def _fetch(path: Path, store: Store, resolution: Resolution, *, arch: str | None, console: Console) -> None:
    import platform

    from kopsversion.publish.fetch import fetch_kops, read_platform

    wanted = read_platform(sys.platform, platform.machine(), architecture=arch)
    with console.progress(f"kops {resolution.version} for {wanted}") as progress:
        fetched = fetch_kops(store, resolution.version, platform=wanted, path=path, progress=progress)
    console.note(f"{quoted(str(fetched.path))} has {fetched.size} bytes, sha256 {fetched.sha256}")


def _leave_artifact(directory: Path, name: str, resolution: Resolution, *, console: Console) -> None:
    """Leave the answer for people who look at the job later; where that fails, the job does not."""
    from kopsversion.files import write_whole
    from kopsversion.model.codec import to_json

    try:
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"{quoted(str(directory))} cannot be made: {error.strerror}") from error
        write_whole(directory / name, to_json(resolution).encode())
    except KopsVersionError as error:
        console.log("warning", f"artifacts: {error}; the job has no {name}")


# --------------------------------------------------------------------------------------------------
# GitHub Actions


def append_github_output(lines: str) -> None:
    """Append lines to the file that holds the outputs of a GitHub Actions step.

    Raises:
        UsageError: there is no such file.
    """
    place = os.environ.get("GITHUB_OUTPUT", "")
    if not place:
        raise UsageError(
            "GITHUB_OUTPUT is not set, so there is no place for -o github",
            hint="it is set in a step of GitHub Actions; elsewhere take -o env",
        )
    _append("GITHUB_OUTPUT", Path(place), lines)


def append_github_summary(text: str) -> None:
    """Append Markdown to the summary of a GitHub Actions step, where there is one.

    Raises:
        UsageError: the file that is named cannot be written.
    """
    place = os.environ.get("GITHUB_STEP_SUMMARY", "")
    if place:
        _append("GITHUB_STEP_SUMMARY", Path(place), text)


def _append(name: str, path: Path, text: str) -> None:
    """Append to a file of GitHub's, on a new line: an earlier writer may not have ended the last one."""
    try:
        with path.open("a+b") as file:
            end = file.seek(0, os.SEEK_END)
            if end:
                file.seek(end - 1)
                text = text if file.read(1) == b"\n" else f"\n{text}"
            file.write(text.encode())
    except OSError as error:
        raise UsageError(f"{name}, {quoted(str(path))}, cannot be written: {error.strerror}") from error
