"""Measures what ``--repo URL`` costs: bytes and seconds, on a made-up repository with the shape of kops' history.

    python -m tests.benchmarks.clone [MERGES]

Master has that many merges, each of a pull request of two commits, with messages as long as kops'. A release branch
leaves it some hundred merges before the end. It is served by ``git http-backend`` on loopback, so the seconds are
git's own; a network adds a round trip or two for each fetch.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import frozen

from kopsversion.witness.address import CloneUrl
from kopsversion.witness.fetching import Cache, Wanted
from tests.git_repos import ISOLATED, GitRepository
from tests.git_server import allow_filter, serving

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MERGES = 6_000
RELEASE = 90
"""Commits of the release branch."""

AGES = (100, 183, 692)
"""How many merges ago the build in doubt was made."""

_START = 1_467_000_000
_PERSON = "Kubernetes Prow Robot <20407524+k8s-ci-robot@users.noreply.github.com>"


@frozen
class Cost:
    """What one question costs.

    Attributes:
        what: the question.
        merges: commits of the line that were fetched.
        size: bytes of the cache.
        first: seconds with an empty cache.
        again: seconds the next time.
    """

    what: str
    merges: int
    size: int
    first: float
    again: float


def make(path: Path, *, merges: int) -> list[str]:
    """Make the repository, and return the ids of master's first-parent line, oldest first."""
    repo = GitRepository.create(path, bare=True)
    subprocess.run(
        ["git", "-C", path, "fast-import", "--quiet"],
        input="".join(_stream(merges)).encode(),
        env=ISOLATED,
        check=True,
    )
    allow_filter(path)
    return repo.git("rev-list", "--first-parent", "--reverse", "master").split()


def _stream(merges: int) -> Iterator[str]:
    yield _commit(
        "master", 0, "Initial commit", parents=(), files={f"{each}/file.go": each for each in _folders()}
    )
    for number in range(1, merges + 1):
        yield from _merge("master", number)
        if number == merges - 300:
            yield "reset refs/heads/release-1.30\nfrom refs/heads/master\n\n"
    for number in range(merges + 1, merges + 1 + RELEASE):
        yield from _merge("release-1.30", number)
    yield f"reset refs/heads/pull\nfrom {'0' * 40}\n\n"


def _merge(branch: str, number: int) -> Iterator[str]:
    pull = "pull"
    yield f"reset refs/heads/{pull}\nfrom refs/heads/{branch}\n\n"
    folder = _folders()[number % len(_folders())]
    for part in range(2):
        text = f"Change {folder} for {number}\n\n{_noise(number, part)}\nSigned-off-by: someone\n"
        yield _commit(pull, number, text, parents=(), files={f"{folder}/file.go": _noise(number, part)})
    text = f"Merge pull request #{number} from someone/{_noise(number, 9)[:20]}\n\nChange {folder}\n"
    yield _commit(branch, number, text, parents=(f"refs/heads/{pull}",), files={})


def _commit(branch: str, number: int, message: str, *, parents: Sequence[str], files: dict[str, str]) -> str:
    when = f"{_START + number * 3 * 3600} +0000"
    lines = [f"commit refs/heads/{branch}", f"author {_PERSON} {when}", f"committer {_PERSON} {when}"]
    lines += [f"data {len(message.encode())}", message]
    lines += [f"merge {parent}" for parent in parents]
    for name, content in files.items():
        lines += [f"M 100644 inline {name}", f"data {len(content)}", content]
    return "\n".join(lines) + "\n\n"


def _folders() -> Sequence[str]:
    return ("cmd/kops", "upup/pkg", "pkg/apis", *(f"pkg/part{number}" for number in range(60)))


def _noise(number: int, part: int) -> str:
    """Return text that compresses as badly as that of a real message."""
    return hashlib.sha256(f"{number} {part}".encode()).hexdigest()


def measure(directory: Path, *, merges: int = MERGES) -> list[Cost]:
    """Measure what it costs to settle doubts of several ages, each with a cache of its own."""
    root = directory / "served"
    root.mkdir()
    line = make(root / "kops", merges=merges)
    questions = [
        (f"a build of {age} merges ago", Wanted(channel_ref="master", commits=(line[-age][:10],)))
        for age in AGES
        if age < merges
    ]
    questions.append(
        (
            "where release-1.30 left master",
            Wanted(channel_ref="release-1.30", commits=(), minors=frozenset({"1.30"}), needs_cut=True),
        )
    )
    questions.append(("all of master", Wanted(channel_ref="master", commits=(line[0][:10],))))
    costs = []
    with serving(root) as server:
        for number, (what, wanted) in enumerate(questions):
            cache = Cache(
                url=CloneUrl(f"{server.url}/kops"), directory=directory / f"cache{number}", environ=ISOLATED
            )
            start = time.perf_counter()
            found = cache.read_line(wanted, timeout=600)
            first = time.perf_counter() - start
            cache.read_line(wanted, timeout=600)
            again = time.perf_counter() - start - first
            size = sum(file.stat().st_size for file in cache.repo.rglob("*") if file.is_file())
            costs.append(Cost(what, len(found.commits), size, first, again))
    return costs


def table(costs: Sequence[Cost]) -> str:
    """Lay the costs out as a Markdown table."""
    rows = ["| in doubt | merges read | cache | first time | next time |", "|---|---|---|---|---|"]
    rows += [
        f"| {each.what} | {each.merges:,} | {each.size / 1e6:.2f} MB | {each.first:.2f} s | {each.again:.2f} s |"
        for each in costs
    ]
    return "\n".join(rows) + "\n"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("merges", nargs="?", type=int, default=MERGES, help=f"merges of master; {MERGES}")
    with tempfile.TemporaryDirectory() as directory:
        sys.stdout.write(table(measure(Path(directory), merges=parser.parse_args(arguments).merges)))


if __name__ == "__main__":
    main()
