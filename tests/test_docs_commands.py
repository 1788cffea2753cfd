"""Every command in the documentation does what the page says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.docs_commands import DOCS, Command, File, faults, read_page, runs_in_yaml, unknown_in_text

if TYPE_CHECKING:
    from pathlib import Path

PAGES = sorted(
    path
    for path in (*DOCS.rglob("*.md"), DOCS.parent / "README.md")
    if any(isinstance(step, Command) for step in read_page(path.read_text()))
)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(DOCS.parent).as_posix())
def test_commands_do_what_the_page_says(page: Path, tmp_path: Path) -> None:
    """Each runs without an error, and prints what is printed below it."""
    assert faults(page.read_text(), tmp_path) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(DOCS.parent).as_posix())
def test_commands_in_job_definitions_are_run_too(page: Path) -> None:
    """A line of a job definition that calls us stands in a block that is run, word for word."""
    text = page.read_text()
    run = [
        line.strip()
        for step in read_page(text)
        for line in (step.content if isinstance(step, File) else step.text).splitlines()
    ]
    assert [line for line in runs_in_yaml(text) if line not in run] == []


def test_commands_that_are_not_run_exist() -> None:
    """What needs a network or another project is not run; its commands and options are those of today."""
    pages = [path for path in (*DOCS.rglob("*.md"), DOCS.parent / "README.md") if path.name != "cli.md"]
    found = {path.name: unknown_in_text(path.read_text()) for path in pages}
    # The section on the command line has a summary with brackets and dots, which is no command.
    assert {name: calls for name, calls in found.items() if calls and name != "design.md"} == {}


def test_each_how_to_has_commands() -> None:
    """There is a page for each thing that a job does, and none of them only talks."""
    named = {page.stem for page in PAGES if page.parent.name == "howto"}
    assert named >= {"prow-periodic", "upgrade-test", "publish-green", "python-harness", "github-actions"}


# --------------------------------------------------------------------------------------------------
# The mechanism itself


PAGE = """\
Text with ``` in it.

```yaml
- run: resolve-latest master
```

```bash job/run.sh
echo "$1"
```

```console
$ bash job/run.sh hello \\
>     there
hello
$ cat <<EOF
> a
>
> b
> EOF
a

b
$ false
$ echo $?
1
$ printf 'one\\ntwo\\nthree 3\\n'
one
...
three ...
$ x=1
```
"""


def test_a_right_page_has_no_faults(tmp_path: Path) -> None:
    """Files, continued lines, here-documents, statuses, dots: each means what it says."""
    assert faults(PAGE, tmp_path) == []
    assert runs_in_yaml(PAGE) == ["- run: resolve-latest master"]


@pytest.mark.parametrize(
    ("block", "said"),
    [
        ("$ echo a\nb\n", "printed\na\ninstead of\nb"),
        ("$ echo a\n", "printed\na\ninstead of\n"),
        ("$ true\na\n", "printed\ninstead of\na"),
        ("$ exit_with() { return 3; }\n$ exit_with\n", "failed with status 3"),
        ("$ echo 1 >&2\n2\n", "printed\n1\n"),
        ("$ printf 'a b'\na ...c\n", "printed\na b\n"),
        ("$ cat\nx\n", "instead of\nx"),
    ],
)
def test_a_wrong_page_is_told(block: str, said: str, tmp_path: Path) -> None:
    """What a command prints, all of it, and its status, must be right."""
    (found,) = faults(f"```console\n{block}```\n", tmp_path)
    assert said in found


def test_what_does_not_exist_is_told() -> None:
    """A command or an option that is gone, wherever in the line it stands; what only looks like one is left alone."""
    page = """\
```text
resolve-latest master --gone
x="$(resolve-latest master --as-of "$(date +%F)")" && kopsversion vanished -- ./test.sh
A=b kopsversion check --repo https://example.org/kops   # every --branch
python -c 'from kopsversion import gone'
```
"""
    assert unknown_in_text(page) == [
        "resolve-latest master --gone",
        "kopsversion vanished -- ./test.sh",
    ]


def test_output_needs_a_command(tmp_path: Path) -> None:
    """A block that does not begin with a command is a mistake of the page."""
    with pytest.raises(ValueError, match="line 2"):
        faults("```console\noutput\n```\n", tmp_path)


def test_a_page_that_ends_the_shell_is_told(tmp_path: Path) -> None:
    """What comes after an exit would not have run."""
    with pytest.raises(AssertionError, match="broke off"):
        faults("```console\n$ exit 0\n$ echo a\na\n```\n", tmp_path)
