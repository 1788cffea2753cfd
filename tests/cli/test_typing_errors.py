"""What is typed wrongly is understood where it can be, and refused before anything is asked."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import click
import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

from kopsversion.cli.complete import channels, one_of
from kopsversion.cli.help_groups import folded, shortened
from kopsversion.cli.resolve import resolve
from kopsversion.cli.toolbox import tools
from kopsversion.cli.typos import variable_of, variables_meant_by
from kopsversion.errors import UsageError
from kopsversion.model.channel import Channel
from kopsversion.model.layout import read_selector
from kopsversion.model.policy import check_platform
from tests.builders import alpha

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result


def run(*arguments: str, **settings: Any) -> Result:
    return CliRunner().invoke(tools, arguments, prog_name="kopsversion", **settings)


class TestMeant:
    @pytest.mark.parametrize(
        ("typed", "meant"),
        [
            ("mastr", "master"),
            ("Master", "master"),
            ("lates", "latest"),
            ("relase-1.29", "release-1.29"),
            ("Release-1.29", "release-1.29"),
            ("release1.29", "release-1.29"),
            ("v1.29", "release-1.29"),
            ("1.29.x", "release-1.29"),
            ("v1.29.x", "release-1.29"),
        ],
    )
    def test_channel(self, typed: str, meant: str) -> None:
        """A channel that is written nearly so is named."""
        with pytest.raises(UsageError) as caught:
            Channel.parse(typed)
        assert caught.value.hint.startswith(f"did you mean {meant}? a channel is master")
        with pytest.raises(UsageError) as caught:
            read_selector(typed)
        assert caught.value.hint.startswith(f"did you mean {meant}? ask for master")

    @pytest.mark.parametrize(
        ("typed", "instead"),
        [
            ("22ce1230da", "`kopsversion find 22ce1230da` names the first build that contains a commit; "),
            ("2178721", "`kopsversion find 2178721` names the first build that contains a commit; "),
            ("2024-03-01", "`--as-of 2024-03-01` asks as of that day; "),
            ("22ce123..newest", "`kopsversion list 22ce123..newest` lists the builds between two; "),
        ],
    )
    def test_what_another_command_is_asked(self, typed: str, instead: str) -> None:
        """A commit, a day and a range are no channels, and there is a place for each."""
        for read, form in ((Channel.parse, "a channel is master"), (read_selector, "ask for master")):
            with pytest.raises(UsageError) as caught:
                read(typed)
            assert caught.value.hint.startswith(instead + form)

    @pytest.mark.parametrize("typed", ["main-branch", "x", "feature/1.29", "", "pineapple-1.29"])
    def test_far_fetched_channel(self, typed: str) -> None:
        """What is far from any channel is only told the form."""
        with pytest.raises(UsageError) as caught:
            Channel.parse(typed)
        assert caught.value.hint.startswith("a channel is master")

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (["chekc"], "hint: did you mean check? see kopsversion --help"),
            (["frobnicate"], "hint: see kopsversion --help"),
            (["list", "--platfrom", "x"], "hint: did you mean --platform? see kopsversion list --help"),
            (["list", "--zzz"], "hint: see kopsversion list --help"),
            (["list", "-o", "jsn"], "hint: did you mean json? see kopsversion list --help"),
            (["list", "-o", "x"], "hint: see kopsversion list --help"),
            (["check", "-o", "htlm"], "hint: did you mean html? the formats are"),
            (["list", "--limit", "many"], "hint: see kopsversion list --help"),
            (["list", "--platform", "linux/armm64"], "hint: did you mean linux/arm64? a platform is"),
            (["help", "ilst"], "hint: did you mean list? the commands are"),
            (["help", "zzz"], "hint: the commands are"),
            (["completion", "bassh"], "hint: did you mean bash? see kopsversion completion --help"),
        ],
    )
    def test_command_line(self, arguments: list[str], said: str) -> None:
        """Commands, options and values are all understood the same way; nothing far-fetched is said."""
        result = run(*arguments)
        assert (result.exit_code, result.stdout) == (2, "")
        assert said in result.stderr
        assert "Did you mean" not in result.stderr

    @pytest.mark.parametrize(
        "platform", ["linux/armm64", "linux/x86_64", "linux/aarch64", "plan9/amd64", "linux"]
    )
    def test_platform(self, platform: str) -> None:
        """A platform that nobody builds for is refused when it is read, so no request is sent."""
        with pytest.raises(UsageError, match="is not a platform"):
            check_platform(platform)


class TestAbout:
    def test_help(self) -> None:
        """help shows the whole help, of kopsversion or of a command."""
        assert run("help").stdout == run("--help").stdout
        assert run("help", "check").stdout == run("check", "--help").stdout

    def test_version(self) -> None:
        """version says the same as --version."""
        assert run("version").stdout == run("--version").stdout

    @pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
    def test_completion(self, shell: str) -> None:
        """completion prints what the shell needs for both programs."""
        result = run("completion", shell)
        assert result.exit_code == 0
        assert f"_KOPSVERSION_COMPLETE={shell}_complete" in result.stdout
        assert f"_RESOLVE_LATEST_COMPLETE={shell}_complete" in result.stdout

    def test_short_help(self) -> None:
        """-h describes the options that people use most, names the others, and has no sections."""
        short, whole = run("check", "-h").stdout, run("check", "--help").stdout
        assert len(short) < len(whole) / 3
        assert short.endswith("The whole help: kopsversion check --help\n")
        assert "Exit codes:" not in short
        described, _, named = short.partition("\nAlso:")
        assert "\n  --store URL" in described
        assert "--root-alias," in named
        assert set(re.findall("(--[a-z-]+)", short)) == set(
            re.findall("^  (?:-., )?(--[a-z-]+)", whole, re.MULTILINE)
        )
        assert "Commands:" in run("-h").stdout
        assert "Also:" not in run("-h").stdout

    @pytest.mark.parametrize("name", list(tools.commands))
    def test_short_help_fits_a_screen(self, name: str) -> None:
        """-h fits a terminal of 80 columns and 40 lines, whatever the command."""
        lines = run(name, "-h", terminal_width=80).stdout.splitlines()
        assert len(lines) <= 40
        assert max(map(len, lines)) <= 80

    @pytest.mark.parametrize("name", list(tools.commands))
    def test_short_help_breaks_off_nowhere(self, name: str) -> None:
        """Each option is a whole sentence, which refers to nothing that is not there."""
        command = tools.commands[name]
        shown, _ = shortened(command.params, click.Context(command))
        texts = [text for _, text in shown]
        assert texts
        assert [text for text in texts if text.endswith(":") or "see below" in text] == []

    @pytest.mark.parametrize("name", list(tools.commands))
    def test_eighty_columns(self, name: str) -> None:
        """No line of a help is wider than 80 columns, but for commands and addresses, which are to be copied."""
        for line in run(name, "--help").stdout.splitlines():
            assert len(line) <= 80 or line.startswith("    ") or "://" in line or " --" in line, line

    def test_groups(self) -> None:
        """Options stand in groups, in the same order everywhere."""
        titles = re.findall(r"^([A-Z][a-z ]+):$", run("resolve", "--help").stdout, re.MULTILINE)
        wanted = ["Choosing", "Clone", "Files", "Stores and time", "Output"]
        assert [each for each in titles if each in wanted][:5] == wanted

    @pytest.mark.parametrize(
        ("line", "lines"),
        [
            ("short", ["short"]),
            ("  a command that is long and stays as it is", ["  a command that is long and stays as it is"]),
            ("one two three four five six", ["one two three four", "five six"]),
            ("key  one two three four five", ["key  one two three", "     four five"]),
            ("", [""]),
        ],
    )
    def test_folded(self, line: str, lines: list[str]) -> None:
        """A long line goes on below its second column."""
        assert list(folded(line, 20)) == lines


def completed(arguments: list[str], typed: str, *, of: click.Command = resolve) -> list[str]:
    """Complete a word as a shell does."""
    completer = ShellComplete(of, {}, "resolve-latest", "_X")
    return [item.value for item in completer.get_completions(arguments, typed)]


class TestCompletion:
    def test_channels_of_a_store(self, tmp_path: Path) -> None:
        """Channels are those with markers in the store; tags are none."""
        for ref in ("master", "release-1.30", "release-1.29", "v1.29.0"):
            (tmp_path / "markers" / ref).mkdir(parents=True)
            (tmp_path / "markers" / ref / "latest-ci.txt").write_text(f"{alpha(1)}\n")
        where = ["--store", str(tmp_path)]
        assert completed(where, "rel") == ["release-1.29", "release-1.30"]
        assert completed(where, "m") == ["master"]

    def test_channels_of_a_state_file(self, tmp_path: Path) -> None:
        """A state file that is named is asked first: it takes no request."""
        state = tmp_path / "state.json"
        state.write_text(json.dumps({"answers": [{"answer": {"channel": "release-1.28"}}]}))
        assert completed(["--state", str(state)], "rel") == ["release-1.28"]

    @pytest.mark.parametrize("state", ["nowhere", "nonsense"])
    def test_nothing_goes_wrong(self, state: str, tmp_path: Path) -> None:
        """Whatever cannot be read, the shell sees what there always is."""
        (tmp_path / "nonsense").write_text("nonsense")
        assert completed(["--state", str(tmp_path / state)], "") == ["master", "latest"]

    def test_no_store_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without a store it is kops' own, and no longer than a second."""
        asked: list[object] = []

        def borrowed(place: object, *, deadline: object) -> object:
            asked.append(place)
            raise OSError

        monkeypatch.setattr("kopsversion.workflows.stores.borrowed", borrowed)
        context = click.Context(resolve)
        assert channels(context, resolve.params[0], "la") == ["latest"]
        assert asked

    @pytest.mark.parametrize(
        ("arguments", "typed", "values"),
        [
            (["--platform"], "linux/a", ["linux/amd64", "linux/arm64"]),
            (["--marker"], "", ["latest-ci-updown-green.txt", "latest-ci.txt"]),
            (["--strategy"], "g", ["green"]),
            (["-o"], "ver", ["version"]),
        ],
    )
    def test_values(self, arguments: list[str], typed: str, values: list[str]) -> None:
        """Platforms, markers and outputs are completed."""
        assert completed(arguments, typed) == values

    def test_outputs_of_a_check(self) -> None:
        """The formats of a check too."""
        assert completed(["-o"], "pro", of=tools.commands["check"]) == ["prometheus"]

    def test_one_of(self) -> None:
        """What does not begin as typed is left out."""
        assert one_of(("a", "b"))(click.Context(resolve), resolve.params[0], "b") == ["b"]


class TestVariables:
    """A variable that nobody reads would change the answer by not being read."""

    @pytest.mark.parametrize(
        ("name", "meant"),
        [
            ("KOPSVERSION_STOER", "KOPSVERSION_STORE"),
            ("KOPSVERSION_MAXLAG", "KOPSVERSION_MAX_LAG"),
            ("KOPSVERSION_max_lag", "KOPSVERSION_MAX_LAG"),
            ("KOPSVERSION_AS_OFF", "KOPSVERSION_AS_OF"),
        ],
    )
    def test_a_misspelt_one_is_told(self, name: str, meant: str, demo_bucket: Path) -> None:
        """With the one that was probably meant; the answer comes all the same."""
        asked = ("resolve", "master", "--store", str(demo_bucket), "--as-of", "2024-05-06T18:00:00Z")
        result = run(*asked, env={name: "x"})
        assert result.exit_code == 0
        told = f"WARNING '{name}' is set, and no option reads it; did you mean {meant}?"
        assert result.stderr.count(told) == 1
        assert told not in run(*asked, "-q", env={name: "x"}).stderr

    def test_what_is_somebody_else_s_is_not_told(self, demo_bucket: Path) -> None:
        """A job may keep the checksum of the single file in such a variable."""
        asked = ("resolve", "master", "--store", str(demo_bucket), "--as-of", "2024-05-06T18:00:00Z")
        result = run(*asked, env={"KOPSVERSION_SHA256": "x", "KOPSVERSION_VERSION": "0.2.0"})
        assert "is set" not in result.stderr

    def test_no_command_takes_another_s_for_its_own(self) -> None:
        """A job may set the variables of all commands at once."""
        contexts = [
            click.Context(command, info_name=name, auto_envvar_prefix="KOPSVERSION")
            for name, command in tools.commands.items()
        ]
        every = {
            variable
            for context in contexts
            for option in context.command.get_params(context)
            if (variable := variable_of(option, context))
        }
        assert len(every) > 30
        assert [variables_meant_by(every, context) for context in contexts] == [[]] * len(contexts)
