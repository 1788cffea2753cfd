"""Do the tests notice? Change the core in a few thousand small ways, one at a time, and see (`make mutants`).

mutmut makes the changes, as `[tool.mutmut]` in pyproject.toml says, in a copy of this tree. Each mutant that no
test notices must stand in the table of docs/testing.md with the reason why that is right. This prints the
score of each module, then the survivors that are not in the table, and fails if there are any.

Slow: a quarter of an hour or more, longer where others work or many survive. ``--directory`` keeps the copy and goes
on where it was: only what is not known yet, or was changed since, is tested again; with ``--again`` what survived, too.
Names limit the run to modules, such as ``ranking``, or to mutants that are printed; these are tested again in any case.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PROJECT = Path(__file__).parents[1]
RUNNER = Path(__file__).with_name("mutant_runner.py")
REASONS = PROJECT / "docs" / "testing.md"
COPIED = (
    "kopsversion",
    "tests",
    "docs",
    "pyproject.toml",
    "README.md",
    "CHANGELOG.md",
    "Makefile",
)
SURVIVED = {0, 5, 33}
"""Statuses by which no test noticed; with the last two there was no test to run."""
TOO_SLOW = {24, 36, 152, 255, -24}
"""Statuses of a run that was stopped, most often because the mutant never ends; counted as noticed, and told."""
_REMEMBERED = re.compile(r"^@(?:lru_)?cache\b.*\n", re.MULTILINE)
_PROPERTY = re.compile(
    r"^(?P<decorator> +@(?:cached_)?property\n)(?P<before> +def )(?P<name>\w+)(?P<after>\(self\) -> .+:\n)",
    re.MULTILINE,
)
_ROW = re.compile(r"\| `(?P<module>\w+)\.py` \| `(?P<before>.*)` → `(?P<after>.*)` \| (?P<reason>.+) \|")


@frozen
class Mutant:
    """A change that no test noticed; the lines are without their indentation, joined by a space."""

    module: str
    before: str
    after: str

    @property
    def row(self) -> str:
        """The row of the table in docs/testing.md, but for the reason."""
        before, after = (text.replace("|", "\\|") for text in (self.before, self.after))
        return f"| `{self.module}.py` | `{before}` → `{after}` | ... |"


def read_reasons(text: str) -> dict[Mutant, str]:
    """Read the table of survivors."""
    rows = filter(None, map(_ROW.fullmatch, text.splitlines()))
    return {
        Mutant(*(row[key].replace("\\|", "|") for key in ("module", "before", "after"))): row["reason"]
        for row in rows
    }


def read_diff(module: str, diff: str) -> Mutant:
    """Read what `mutmut show` says of a mutant."""
    changed: dict[str, list[str]] = {"-": [], "+": []}
    for line in diff.splitlines():
        if line[:1] in changed and line[:3] not in {"---", "+++"}:
            changed[line[0]].append(line[1:].strip())
    return Mutant(module, " ".join(changed["-"]), " ".join(changed["+"]))


def results(directory: Path) -> Iterator[tuple[str, dict[str, int | None]]]:
    """Yield each module's mutants with the exit status of its tests, as mutmut keeps them."""
    for path in sorted((directory / "mutants" / "kopsversion").rglob("*.py.meta")):
        statuses: dict[str, int | None] = json.loads(path.read_text())["exit_code_by_key"]
        yield path.name.removesuffix(".py.meta"), {name: statuses[name] for name in sorted(statuses)}


def pattern(name: str) -> str:
    """Return what mutmut knows as the mutants of a module; what is no module's name stays as it is."""
    if "." in name:
        return name
    settings = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["mutmut"]
    (path,) = (path for path in settings["only_mutate"] if path.endswith(f"/{name}.py"))
    return f"{path.removesuffix('.py').replace('/', '.')}.*"


def _as_mutated(text: str) -> str:
    """Return a module as mutmut is to see it: it passes over what is decorated.

    What is remembered from another run would hide a change, so no function remembers. A property calls a method, which
    mutmut changes.
    """
    return _PROPERTY.sub(
        r"\g<decorator>\g<before>\g<name>\g<after>        return self._of_\g<name>()\n\n"
        r"\g<before>_of_\g<name>\g<after>",
        _REMEMBERED.sub("", text),
    )


def copy_tree(directory: Path) -> None:
    """Copy the tree; a module that is there already and the same keeps its time, by which mutmut knows it.

    Where one is another, which tests meet which function has to be found out anew.
    """
    package = directory / "kopsversion"
    before = {path: (path.read_text(), path.stat()) for path in package.rglob("*.py")}
    for name in COPIED:
        source, target = PROJECT / name, directory / name
        if source.is_dir():
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, target)
    for path in package.rglob("*.py"):
        text = _as_mutated(path.read_text())
        path.write_text(text)
        if path in before and before[path][0] == text:
            os.utime(path, ns=(before[path][1].st_atime_ns, before[path][1].st_mtime_ns))
        else:
            (directory / "mutants" / "mutmut-stats.json").unlink(missing_ok=True)


def refresh_data(directory: Path) -> None:
    """Copy the package's templates and styles anew, which mutmut does only once."""
    for path in (directory / "kopsversion").rglob("*"):
        target = directory / "mutants" / path.relative_to(directory)
        if path.suffix != ".py" and target.is_file():
            shutil.copy2(path, target)


def run(directory: Path, names: Sequence[str], *, workers: int) -> None:
    """Copy the tree, and let mutmut change and test it."""
    copy_tree(directory)
    refresh_data(directory)
    temporary = directory / "temporary"  # a run that is stopped leaves its own behind
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    environ = {**os.environ, "HYPOTHESIS_PROFILE": "mutants", "TMPDIR": str(temporary)}
    command = [sys.executable, "-P", str(RUNNER), "run", "--max-children", str(workers), *map(pattern, names)]
    subprocess.run(command, cwd=directory, env=environ, check=True)


def forget_survivors(directory: Path) -> None:
    """Let those be tested again that no test noticed, because there are other tests now."""
    for path in (directory / "mutants" / "kopsversion").rglob("*.py.meta"):
        kept = json.loads(path.read_text())
        statuses = kept["exit_code_by_key"]
        statuses.update({name: None for name, status in statuses.items() if status in SURVIVED})
        path.write_text(json.dumps(kept))


def show(directory: Path, names: Sequence[str]) -> dict[str, str]:
    """Return mutants as diffs, each under its name."""
    command = [sys.executable, "-P", str(RUNNER), "diffs", *names]
    shown = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=True).stdout
    found: dict[str, str] = json.loads(shown)
    return found


def report(directory: Path, names: Sequence[str]) -> int:
    """Print the scores and the survivors without a reason; return how many of these there are."""
    asked = {name.split(".")[-2] if "." in name else name for name in names}
    reasons = read_reasons(REASONS.read_text())
    unexplained, met, whole, slow = [], set(), set(), []
    print("| module | mutants | noticed | explained | score |\n|---|---|---|---|---|")
    for module, statuses in results(directory):
        if asked and module not in asked:
            continue
        tested = {name: status for name, status in statuses.items() if status is not None}
        if len(tested) == len(statuses):
            whole.add(module)
        unnoticed = [name for name, status in tested.items() if status in SURVIVED]
        survivors = {name: read_diff(module, diff) for name, diff in show(directory, unnoticed).items()}
        explained = [mutant for mutant in survivors.values() if mutant in reasons]
        met.update(explained)
        unexplained += [(name, mutant) for name, mutant in survivors.items() if mutant not in reasons]
        slow += [name for name, status in tested.items() if status in TOO_SLOW]
        noticed = len(tested) - len(survivors)
        score = f"{noticed / len(tested):.1%}" if tested else "not run"
        print(f"| `{module}.py` | {len(tested)} | {noticed} | {len(explained)} | {score} |", flush=True)
    for name, mutant in unexplained:
        print(f"\n{name}\n{mutant.row}")
    for mutant in reasons.keys() - met:
        if mutant.module in whole:
            print(f"\nis noticed, or is no mutant any more, so it needs no reason:\n{mutant.row}")
    for name in slow:
        print(f"\ncounts as noticed because its tests took too long: {name}")
    return len(unexplained)


def main() -> int:
    """Run mutmut and report; 1 if a survivor has no reason."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("names", nargs="*", help="of modules or mutants; all where left out")
    parser.add_argument("--directory", type=Path, help="where to work, and to go on from")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="tests run at a time")
    parser.add_argument("--again", action="store_true", help="test those again that were not noticed")
    parser.add_argument("--report", action="store_true", help="only report what is in the directory")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mutants-") as temporary:
        directory = arguments.directory or Path(temporary)
        directory.mkdir(exist_ok=True)
        if arguments.again:
            forget_survivors(directory)
        if not arguments.report:
            run(directory, arguments.names, workers=arguments.workers)
        return 1 if report(directory, arguments.names) else 0


if __name__ == "__main__":
    sys.exit(main())
