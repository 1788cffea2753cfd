"""``kopsversion bisect``: which build broke it, found by running a command on few of them.

Everything but click is imported when the command runs, so that ``--help`` stays fast. `kopsversion.workflows.bisect`
searches; this module reads the command line, and shows the progress.
"""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kopsversion.cli.boundary import Command, command
from kopsversion.cli.options import (
    ENVIRONMENT,
    EXIT_CODES,
    STORES,
    add_options,
    build_options,
    store_options,
)
from kopsversion.errors import BisectionError, KopsVersionError, UsageError
from kopsversion.model.values import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kopsversion.cli.console import Console
    from kopsversion.cli.options import StoreQuestion
    from kopsversion.model.policy import Policy
    from kopsversion.rules.stepper import Outcome
    from kopsversion.workflows.bisect import BisectReport, BuildUnderTest, Event
    from kopsversion.workflows.bisection_state import TrialFinding

__all__ = ["bisect"]

_SEPARATOR = "--"
_WORDS = "kopsversion.bisect.command"
"""The key under which the words after ``--`` are kept in click's context."""


class _BisectCommand(Command):
    """A command whose line ends in another command, after ``--``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Set aside the words after ``--``, none of which is an option or argument of ours."""
        if _SEPARATOR in args:
            place = args.index(_SEPARATOR)
            args, ctx.meta[_WORDS] = args[:place], tuple(args[place + 1 :])
        return super().parse_args(ctx, args)

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """Name the command in the usage line."""
        return [*super().collect_usage_pieces(ctx), "-- COMMAND ..."]


@frozen(kw_only=True)
class _Manner:
    """How builds are tested.

    Attributes:
        words: the command; empty for none.
        repeat: how often it must fail for a build to be bad.
        fetch: whether kops is downloaded for each test.
        arch: for which architecture; ``None`` for this machine's.
        interactive: whether a person says what each build is.
    """

    words: tuple[str, ...]
    repeat: int
    fetch: bool
    arch: str | None
    interactive: bool

    def check(self) -> None:
        """Refuse options that are not valid, before a store is asked.

        Raises:
            UsageError: there is no command, it cannot be started, or it comes together with ``--interactive``.
        """
        if self.interactive and self.words:
            raise UsageError(
                "--interactive and a command contradict each other: either you or the command tells",
                hint="leave one of them out",
            )
        if self.interactive:
            return
        if not self.words:
            raise UsageError(
                "there is no command to test a build with",
                hint="put it after --, as in: kopsversion bisect GOOD BAD -- ./test.sh, or say --interactive",
            )
        from kopsversion.workflows.command import check_command

        check_command(self.words, environ=os.environ)

    @property
    def name(self) -> dict[str, object]:
        """What identifies the test for a state file."""
        return {
            "command": list(self.words),
            "repeat": self.repeat,
            "fetch": self.fetch,
            "arch": self.arch,
            "interactive": self.interactive,
        }

    def test(self) -> Callable[[BuildUnderTest], TrialFinding | Outcome]:
        """Return the function that tests a build."""
        if self.interactive:
            return _ask_person
        import platform

        from kopsversion.publish.fetch import read_platform
        from kopsversion.publish.trial import CommandTest
        from kopsversion.workflows.command import Command as Run

        wanted = None
        if self.fetch:
            wanted = read_platform(sys.platform, platform.machine(), architecture=self.arch)
        return CommandTest(
            command=Run(self.words, environ=os.environ, show=_show), repeat=self.repeat, platform=wanted
        )


_OPTIONS: tuple[Callable[[Callable[..., Any]], Callable[..., Any]], ...] = (
    click.option(
        "-o",
        "--output",
        type=click.Choice(["table", "markdown", "json"]),
        default="table",
        show_default=True,
        envvar="KOPSVERSION_BISECT_OUTPUT",  # KOPSVERSION_OUTPUT: "env", say, means nothing here
        allow_from_autoenv=False,
        help="What to print at the end.",
    ),
    click.option(
        "--repeat",
        type=click.IntRange(min=1, max=1000),
        metavar="N",
        default=1,
        show_default=True,
        help="Run the command up to N times for a build, which is bad only if it fails each time.",
    ),
    click.option(
        "--fetch",
        is_flag=True,
        allow_from_autoenv=False,
        help="Download kops for each build, check it, and name it to the command as KOPS.",
    ),
    click.option(
        "--arch",
        type=click.Choice(["amd64", "arm64"]),
        help="The architecture that --fetch downloads for. [default: this machine's]",
    ),
    click.option(
        "--expand", is_flag=True, help="Where an end is not what you said, look further out for one that is."
    ),
    click.option("--assume-ends", is_flag=True, help="Do not test the ends: trust what you said of them."),
    click.option(
        "--interactive",
        is_flag=True,
        help="Ask you whether each build is good, instead of running a command.",
    ),
    click.option(
        "--dry-run",
        is_flag=True,
        help="Print which builds would be searched, and how many tests that takes; test none.",
    ),
    click.option(
        "--state",
        type=click.Path(path_type=Path),
        metavar="FILE",
        envvar="KOPSVERSION_BISECT_STATE",
        allow_from_autoenv=False,
        help="Keep in FILE, after each test, what was found. The same command with it goes on from there.",
    ),
)


def _bisect_options(function: Callable[..., Any]) -> Callable[..., Any]:
    return add_options(function, _OPTIONS)


@command(
    "bisect",
    cls=_BisectCommand,
    sections=(
        (
            "Ends",
            """
A version, a commit of 7 to 40 hex digits, a date (2024-03-01) or moment, or newest. A date means the newest
testable build at its beginning (GOOD) or end (BAD). A commit that was not built, which --repo can place, means
the build before it (GOOD) or after it (BAD).
""",
        ),
        (
            "Command",
            """
It is run with KOPS_BASE_URL and KOPS_VERSION in its environment, and with KOPS under --fetch; {} in its
arguments becomes the base URL. Its output goes to standard error; it has no standard input.
Exit status 0: the build is good. 1 to 124: it is bad. 125: it cannot tell. Any other, 126 and 127 too,
and a signal stop the search. What it leaves running is ended with it.
""",
        ),
        (
            "Examples",
            """
  kopsversion bisect 2024-02-01 newest -- ./test.sh
  kopsversion bisect GOOD BAD release-1.29 --fetch --state bisect.json -- sh -c '"$KOPS" version | grep -q 1.29'
  kopsversion bisect GOOD BAD --repo ~/src/kops -o markdown -- ./flaky.sh {}
""",
        ),
        (
            "Output",
            """
table     the last good and the first bad build, what was merged between (with --repo), what was tested
markdown  the same, to paste into an issue
json      the same, "schema": 1
""",
        ),
        ("Stores", STORES),
        (
            "Environment",
            (
                f"{ENVIRONMENT}KOPSVERSION_BISECT_OUTPUT  --output of this command\n"
                "KOPSVERSION_BISECT_STATE   --state of this command\n"
            ),
        ),
        (
            "Exit codes",
            f"{EXIT_CODES.rstrip()}\nHere 1 also means: an end is not what you said, or the command stopped it.\n",
        ),
    ),
    short_help="Find the first bad build between two.",
)
@click.argument("good", metavar="GOOD")
@click.argument("bad", metavar="BAD")
@click.argument("channel", metavar="[CHANNEL]", required=False)
@_bisect_options
@store_options
@build_options
def bisect(
    console: Console,
    *,
    good: str,
    bad: str,
    channel: str | None,
    output: str,
    repeat: int,
    fetch: bool,
    arch: str | None,
    expand: bool,
    assume_ends: bool,
    interactive: bool,
    dry_run: bool,
    state: Path | None,
    question: StoreQuestion,
    policy: Policy,
) -> None:
    """Find the first bad build of a channel between GOOD and BAD, by running COMMAND on few of them.

    As "git bisect run" does with commits. The ends are tested first. Builds that cannot be tested are stepped over.
    """
    words = click.get_current_context().meta.get(_WORDS, ())
    manner = _Manner(words=words, repeat=repeat, fetch=fetch, arch=arch, interactive=interactive)
    if dry_run:
        _print_plan(
            console,
            good=good,
            bad=bad,
            channel=channel,
            output=output,
            is_testing_ends=not assume_ends,
            question={"expand": expand, "policy": policy, **question},
        )
        return
    manner.check()
    from kopsversion.workflows import bisect as workflow

    with _resumable(console, state), console.steps() as progress:
        report = workflow.bisect(
            good,
            bad,
            channel,
            test=manner.test(),
            policy=policy,
            expand=expand,
            assume_ends=assume_ends,
            state=state,
            test_name=manner.name,
            tell=lambda event: _tell(console, event),
            progress=progress,
            **question,
        )
    _print_report(console, report, output)


# --------------------------------------------------------------------------------------------------
# On the way


@contextmanager
def _resumable(console: Console, state: Path | None) -> Iterator[None]:
    """Say how to go on, where an error or a signal ends a bisection that has a state file."""
    try:
        yield
    except (KeyboardInterrupt, click.Abort, SystemExit, KopsVersionError) as error:
        if state is not None and state.exists() and not isinstance(error, UsageError):
            console.tell(f"What was found so far is in {state}: the same command goes on from there.")
        raise


def _show(data: bytes) -> None:
    """Write the command's output to standard error, as it is."""
    if sys.stderr is not None:
        sys.stderr.flush()
        stream = getattr(sys.stderr, "buffer", None)
        if stream is None:
            sys.stderr.write(data.decode("utf-8", "replace"))
        else:
            stream.write(data)
            stream.flush()


def _tell(console: Console, event: Event) -> None:
    """Show which build is tested next, how much is left, and each result."""
    from kopsversion.model.wording import count
    from kopsversion.rules.bisection import Plan
    from kopsversion.workflows.bisect import TrialResult

    if console.quiet:
        return
    if isinstance(event, Plan):
        console.conditions(event.conditions)
        return
    if isinstance(event, TrialResult):
        finding = event.finding
        why = f": {finding.reason}" if finding.reason else ""
        runs = f" (statuses {' '.join(map(str, finding.statuses))})" if len(finding.statuses) > 1 else ""
        console.tell(f"  {event.version} is {finding.outcome}{runs}{why}")
        return
    step = event.step
    console.tell(
        f"test {event.number}, at most {step.steps_left} left; {count(step.builds_left, 'build')} left "
        f"between {event.good} (good) and {event.bad} (bad)"
    )
    console.tell(f"  testing {event.version} ({step.purpose})")


def _ask_person(build: BuildUnderTest) -> Outcome:
    """Ask the user whether a build is good."""
    from kopsversion.rules.stepper import Outcome

    answers = {"good": Outcome.GOOD, "bad": Outcome.BAD, "skip": Outcome.SKIP, "quit": None}
    short = {word[0]: word for word in answers}
    click.echo(f"KOPS_VERSION={build.version}\nKOPS_BASE_URL={build.base_url}", err=True)
    while True:
        try:
            click.echo("Is it good, bad, skip or quit? ", err=True, nl=False)
            line = sys.stdin.readline() if sys.stdin is not None else ""
        except OSError:
            line = ""
        word = line.strip().lower()
        word = short.get(word, word)
        if not line or word == "quit":
            raise BisectionError(
                f"stopped before it was known whether {build.version} is good",
                channel=str(build.version),
                hint="the same command goes on, if it has a --state file",
            )
        outcome = answers.get(word)
        if outcome is not None:
            return outcome


# --------------------------------------------------------------------------------------------------
# At the end


def _print_plan(
    console: Console,
    *,
    good: str,
    bad: str,
    channel: str | None,
    output: str,
    is_testing_ends: bool,
    question: dict[str, Any],
) -> None:
    from kopsversion.render.bisect import plan_tables, plan_to_json
    from kopsversion.rules.stepper import steps_for
    from kopsversion.workflows.bisect import plan_bisection

    with console.steps() as progress:
        plan = plan_bisection(good, bad, channel, progress=progress, **question)
    console.conditions(plan.conditions)
    most = steps_for(plan.bad - plan.good - 1) + (2 if is_testing_ends else 0)
    if output == "json":
        console.answer(plan_to_json(plan, most=most))
    else:
        console.answer_tables(plan_tables(plan, most=most))


def _print_report(console: Console, report: BisectReport, output: str) -> None:
    from kopsversion.render import bisect as render

    if output == "json":
        console.answer(render.report_to_json(report))
    elif output == "markdown":
        console.answer(render.report_to_markdown(report))
    else:
        console.answer_tables(render.report_tables(report))
