"""Every page of documentation leads only to what is there, and no example in it goes untested."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from urllib.parse import unquote

import pytest

PROJECT = Path(__file__).parents[1]
_ASIDE = {"build", "dist", "tests"}
PAGES = sorted(
    path
    for path in PROJECT.rglob("*.md")
    if not any(part.startswith(".") or part in _ASIDE for part in path.relative_to(PROJECT).parts[:-1])
)
pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(PROJECT).as_posix())

_FENCED = re.compile(r"^```(?P<info>[^\n`]*)\n.*?^```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`[^`\n]+`")
_LINK = re.compile(r"!?\[[^\]]*\]\(\s*<?(?P<target>[^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
_IMAGE = re.compile(r"<(?:img|a)\b[^>]*\b(?:src|href)=\"(?P<target>[^\"]+)\"")
_HEADING = re.compile(r"^#{1,6} +(?P<title>.+?) *$", re.MULTILINE)


def links(text: str) -> list[str]:
    """The targets of a page's links and images, without those in code."""
    prose = _CODE.sub("", _FENCED.sub("", text))
    return [match["target"] for pattern in (_LINK, _IMAGE) for match in pattern.finditer(prose)]


def anchors(text: str) -> set[str]:
    """What a link can lead to within a page: its headings, as GitHub names them."""
    found: set[str] = set()
    for match in _HEADING.finditer(_FENCED.sub("", text)):
        slug = re.sub(r"[^\w\- ]", "", match["title"].lower()).replace(" ", "-")
        number = 0
        while (name := f"{slug}-{number}" if number else slug) in found:
            number += 1
        found.add(name)
    return found


def broken_links(text: str, page: Path) -> list[str]:
    """The relative links of a page that lead nowhere, or out of the project."""
    broken = []
    for target in links(text):
        if re.match(r"[a-z][a-z0-9+.-]*:", target):
            continue
        path, _, fragment = target.partition("#")
        there = (page.parent / unquote(path)).resolve() if path else page
        is_there = there.is_relative_to(PROJECT) and there.exists()
        if not is_there or (fragment and fragment not in anchors(there.read_text(encoding="utf-8"))):
            broken.append(target)
    return broken


def test_there_are_pages() -> None:
    """The pages are found."""
    assert {"README.md", "CHANGELOG.md", "tutorial.md", "cli.md", "channels.md"} <= {
        page.name for page in PAGES
    }


@pages
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    """The file is there, in the project, and has the heading."""
    assert broken_links(page.read_text(encoding="utf-8"), page) == []


@pages
def test_no_page_leads_out_of_the_project(page: Path) -> None:
    """A reader has the project and nothing beside it."""
    text = page.read_text(encoding="utf-8")
    found = re.findall(
        r"(?:\.\./|/)" + "sha" + r"red\b\S*|\b" + "sha" + r"red/\S*|/work/\S*|/home/\S+|/root/\S*", text
    )
    assert found == []


@pages
def test_every_shell_or_python_example_is_run(page: Path) -> None:
    """It is a session (``console``), or a file with a name, which `tests.docs_commands` runs; see there."""
    if page.name == "CONTRIBUTING.md":
        pytest.skip("its commands change the clone; the next test looks at them")
    runnable = {"sh", "bash", "shell", "python", "py"}
    unnamed = [
        match["info"]
        for match in _FENCED.finditer(page.read_text(encoding="utf-8"))
        if match["info"].strip() in runnable or not match["info"].strip()
    ]
    assert unnamed == []


@pages
def test_no_page_names_a_file_of_one_release(page: Path) -> None:
    """A wheel's version on a page would be out of date with the next release; `kopsversion-*.whl` is not."""
    if page.name == "CHANGELOG.md":
        pytest.skip("it speaks of releases")
    assert re.findall(r"kopsversion[-=]+\d+\.\d+\S*", page.read_text(encoding="utf-8")) == []


def test_the_readme_has_absolute_links_once_there_is_an_address() -> None:
    """An index shows it alone. While nobody knows the project's address, its links lead to the files beside it."""
    settings = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    relative = [
        each for each in links((PROJECT / "README.md").read_text("utf-8")) if not re.match(r"https://", each)
    ]
    assert bool(relative) is not bool(settings.get("urls"))


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_every_make_target_exists(name: str) -> None:
    """What a page tells to make can be made. (How-tos also speak of other projects' targets.)"""
    text = (PROJECT / name).read_text(encoding="utf-8")
    code = "\n".join(match[0] for match in re.finditer(r"```.*?```|`[^`\n]+`", text, re.DOTALL))
    told = re.findall(r"(?<![\w-])make +([a-z][a-z0-9-]*)", code)
    targets = re.findall(r"^([a-z][a-z-]*):", (PROJECT / "Makefile").read_text(), re.MULTILINE)
    assert sorted(set(told) - set(targets)) == []


def test_every_page_of_documentation_can_be_reached_from_the_readme() -> None:
    """Nothing is written where nobody finds it."""
    reached: set[Path] = set()
    waiting = [PROJECT / "README.md"]
    while waiting:
        page = waiting.pop()
        reached.add(page)
        for target in links(page.read_text(encoding="utf-8")):
            there = (page.parent / target.partition("#")[0]).resolve()
            if there.suffix == ".md" and there.is_file() and there not in reached:
                waiting.append(there)
    assert [str(page.relative_to(PROJECT)) for page in PAGES if page not in reached] == []


class TestTheseTests:
    """They see what they are about."""

    @pytest.mark.parametrize("target", ["gone.md", "docs/tutorial.md#gone", "../elsewhere.md", "gone/x.png"])
    def test_a_broken_link_is_seen(self, target: str) -> None:
        """In a link and in an image."""
        readme = PROJECT / "README.md"
        assert broken_links(f"[text]({target})", readme) == [target]
        assert broken_links(f"![text]({target})", readme) == [target]
        assert broken_links(f'<img src="{target}">', readme) == [target]

    def test_code_is_not_a_link(self) -> None:
        """Brackets in an example mean something else."""
        assert links("`[a](b.md)`\n\n```text\n[a](b.md)\n```\n[c](d.md) [e](https://f.example/)") == [
            "d.md",
            "https://f.example/",
        ]

    def test_headings_are_named_as_github_does(self) -> None:
        """Lower case, no punctuation, hyphens, and a number for those that come again."""
        assert anchors("# A `b`, c!\n\n## x\n\n## x\n\n```text\n# no\n```\n") == {"a-b-c", "x", "x-1"}


_CITES = re.compile(r"\b(?:DESIGN sections?|FAILURES rows?) (?P<numbers>\d+(?:(?:, | and | to )\d+)*)")
_FILES = [
    path
    for folder in ("kopsversion", "tests", "docs")
    for path in sorted((PROJECT / folder).rglob("*"))
    if path.suffix in {".py", ".md"}
]


def test_what_is_cited_stands_in_the_repository() -> None:
    """Whoever has nothing else finds every section and every row that the code names."""
    sections = re.findall(r"^## (\d+)\. ", (PROJECT / "docs/design.md").read_text(), re.MULTILINE)
    rows = re.findall(r"^\| (\d+) \|", (PROJECT / "docs/failures.md").read_text(), re.MULTILINE)
    assert len(sections) == 14
    assert len(rows) == 49
    for path in _FILES:
        for cited in _CITES.finditer(path.read_text(encoding="utf-8")):
            known = sections if cited[0].startswith("DESIGN") else rows
            unknown = [each for each in re.findall(r"\d+", cited["numbers"]) if each not in known]
            assert unknown == [], (path, cited[0])


def test_nothing_speaks_of_an_issue_that_a_reader_cannot_open() -> None:
    """kOps' own issue of the incident is public, with its five digits; numbers of our own tracker are not."""
    own = re.compile(r"\bissues? \d{1,2}\b(?!\d)")
    assert [str(path) for path in _FILES if own.search(path.read_text(encoding="utf-8"))] == []
