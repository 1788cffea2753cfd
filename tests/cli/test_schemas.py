"""What commands print as JSON is what the published schemas say, key by key."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from click.testing import CliRunner

from docs.generate import REFERENCE
from kopsversion.cli.console import Console
from kopsversion.cli.demo_bucket import AS_OF
from kopsversion.cli.toolbox import tools
from kopsversion.model.program import MADE_BY
from tests.command_schemas import DOCUMENTS, strict

if TYPE_CHECKING:
    from pathlib import Path

GOOD = "1.29.0-alpha.4+v1.29.0-alpha.3-355-gc0cef47e60"
IS_OLD = 'd=${KOPS_VERSION##*alpha.3-}; test "${d%%-*}" -lt 370'

COMMANDS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("health", "HealthReport", ("check", "master")),
    ("list", "ChannelListing", ("list", "master")),
    ("list", "ChannelListing", ("list", "--limit", "2")),
    ("find", "FoundBuild", ("find", "8f29969f20")),
    ("bisect", "BisectReport", ("bisect", GOOD, "newest", "--", "sh", "-c", IS_OLD)),
    ("bisect", "Plan", ("bisect", GOOD, "newest", "--dry-run", "--", "true")),
    ("jobs", "JobListing", ("jobs", "--limit", "3")),
    ("jobs", "JobListing", ("jobs", "master")),
    ("resolution", "Resolution", ("resolve", "master")),
    ("resolution", "Resolution", ("resolve", "master", "--strategy", "newest", "--nth", "3")),
)


def schema_of(name: str) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((REFERENCE / f"{name}.schema.json").read_text())
    return schema


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_published_schema_is_made_of_the_code(name: str) -> None:
    """`make docs` would change nothing."""
    assert (REFERENCE / name).read_text() == DOCUMENTS[name].text(), "run: make docs"
    jsonschema.Draft202012Validator.check_schema(DOCUMENTS[name].schema())


@pytest.mark.parametrize(("name", "kind", "words"), COMMANDS, ids=lambda each: str(each)[:40])
def test_what_is_printed_fits_its_schema(
    name: str,
    kind: str,
    words: tuple[str, ...],
    demo_bucket: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each key is described, and a key that is missing or of another type is noticed; it says who made it."""
    monkeypatch.chdir(tmp_path)
    at = words.index("--") if "--" in words else len(words)
    place = ["--store", str(demo_bucket), "--as-of", AS_OF.isoformat(), "-o", "json"]
    ran = CliRunner().invoke(tools, [*words[:at], *place, *words[at:]], obj=Console())
    assert ran.exit_code in {0, 3}, ran.stderr
    printed = json.loads(ran.stdout)
    assert printed["made_by"] == MADE_BY
    schema = {**schema_of(name), "$ref": f"#/$defs/{kind}"}
    jsonschema.Draft202012Validator(strict(schema)).validate(printed)
    validator = jsonschema.Draft202012Validator(schema)
    validator.validate(printed | {"a key of a later version": 1})
    for key in printed:
        assert not validator.is_valid({**printed, key: {"wrong": {}}})


SCHEMAS = sorted(path.name.partition(".")[0] for path in REFERENCE.glob("*.schema.json"))


def test_a_word_means_one_thing_in_every_schema() -> None:
    """What two documents have in common has the same keys in both."""
    found: dict[str, list[str]] = {}
    for name in SCHEMAS:
        for kind, definition in schema_of(name)["$defs"].items():
            assert found.setdefault(kind, sorted(definition["properties"])) == sorted(
                definition["properties"]
            ), kind


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_field_is_described(name: str) -> None:
    """Each key says what it holds."""
    for kind, definition in schema_of(name)["$defs"].items():
        for key, value in definition["properties"].items():
            assert value.get("description"), f"{kind}.{key}"
