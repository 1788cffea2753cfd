"""The ready-made pieces: the GitHub Action, Prow jobs and issue templates are what their schemas ask, and work.

The public schemas cannot be fetched here; what they ask of these few files is written down as tests.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pytest
import yaml

from kopsversion.cli.toolbox import tools

if TYPE_CHECKING:
    from collections.abc import Mapping

PROJECT = Path(__file__).parents[1]
ACTION = PROJECT / "action.yml"
JOBS = sorted((PROJECT / "docs" / "pieces").glob("prow-*.yaml"))
TEMPLATES = sorted((PROJECT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
SHELLCHECK = str(Path(sysconfig.get_path("scripts")) / "shellcheck")
MASTER_LAST = "1.29.0-alpha.4+v1.29.0-alpha.3-378-g22ce1230da"


def _read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def _shellcheck(script: str) -> str:
    ran = subprocess.run(
        [SHELLCHECK, "--shell=bash", "-"], input=script, capture_output=True, text=True, check=False
    )
    return ran.stdout


def _options(script: str) -> set[tuple[str, str]]:
    """Return each command of ours in a script, with each long or short option that it is given."""
    found = set()
    for line in script.replace("\\\n", " ").splitlines():
        match = re.search(r"kopsversion\.pyz\"? (resolve-latest|check)\b(.*)", line)
        if match:
            words = shlex.split(re.sub(r"\$\{[^}]*\}", "x", match[2].partition(')"')[0]))
            found |= {(match[1], word.partition("=")[0]) for word in words if word.startswith("-")}
    return found


def _known(command: str) -> set[str]:
    tool = tools.commands["resolve" if command == "resolve-latest" else command]
    return {
        name
        for each in tool.params
        if isinstance(each, click.Option)
        for name in (*each.opts, *each.secondary_opts)
    }


# --------------------------------------------------------------------------------------------------
# Prow


@pytest.mark.parametrize("path", JOBS, ids=lambda path: path.name)
class TestProwJobs:
    def test_it_is_a_periodic_as_prow_reads_it(self, path: Path) -> None:
        """The keys that Prow's job configuration and test-infra's own tests of its jobs ask for."""
        (job,) = _read(path)["periodics"]
        assert re.fullmatch(r"[a-z0-9-]{1,63}", job["name"])
        assert ("interval" in job) != ("cron" in job)
        assert re.fullmatch(r"\d+[hm]", job["interval"])
        assert job["decorate"] is True
        assert {"testgrid-dashboards", "testgrid-tab-name"} <= set(job["annotations"])
        assert all(isinstance(value, str) for value in job["annotations"].values())
        (container,) = job["spec"]["containers"]
        resources = container["resources"]
        assert resources["requests"] == resources["limits"]
        assert set(resources["limits"]) == {"cpu", "memory"}
        # New jobs may not run in the cluster that is meant where none is named.
        assert job["cluster"] in {
            "eks-prow-build-cluster",
            "k8s-infra-kops-prow-build",
            "k8s-infra-prow-build",
        }
        assert container["imagePullPolicy"] == "Always"
        assert re.search(r":v\d{8}-[0-9a-f]+-master$", container["image"])
        assert all(
            key.startswith("preset-") and value == "true" for key, value in job.get("labels", {}).items()
        )
        assert set(job) <= {
            *(
                "name",
                "interval",
                "cluster",
                "labels",
                "decorate",
                "decoration_config",
                "annotations",
                "extra_refs",
                "spec",
            )
        }

    def test_its_script_is_sound_and_uses_what_there_is(self, path: Path) -> None:
        """shellcheck finds nothing, what is fetched is checked, and every option exists."""
        (job,) = _read(path)["periodics"]
        (container,) = job["spec"]["containers"]
        script = container["args"][-1]
        assert _shellcheck(script) == ""
        assert script.startswith("set -euo pipefail\n")
        assert script.index("sha256sum --check") < script.index("python3 kopsversion.pyz")
        used = _options(script)
        assert used
        for command, option in used:
            assert option in _known(command), (command, option)


# --------------------------------------------------------------------------------------------------
# GitHub


def _script() -> str:
    (step,) = _read(ACTION)["runs"]["steps"]
    script: str = step["run"]
    return script


def test_the_action_is_a_composite_as_github_reads_it() -> None:
    """Every input and output is described, every output comes from the step, and no input becomes code."""
    action = _read(ACTION)
    assert {"name", "description", "inputs", "outputs", "runs"} == set(action)
    assert action["runs"]["using"] == "composite"
    assert all(each["description"] for each in (*action["inputs"].values(), *action["outputs"].values()))
    assert all("steps.resolve.outputs." in each["value"] for each in action["outputs"].values())
    assert "${{" not in _script()
    (step,) = action["runs"]["steps"]
    named = set(re.findall(r"inputs\.([\w-]+)", " ".join(step["env"].values())))
    assert named == set(action["inputs"])
    assert _shellcheck(_script()) == ""


@pytest.fixture
def pyz(tmp_path: Path) -> Path:
    """What stands in for the single file: the same package, from this tree."""
    path = tmp_path / "stand-in.pyz"
    path.write_text("from kopsversion.cli.process import one_file\none_file()\n")
    return path


def _act(pyz: Path, tmp_path: Path, **inputs: str) -> tuple[subprocess.CompletedProcess[str], str]:
    outputs = tmp_path / "outputs"
    outputs.touch()
    environ: Mapping[str, str] = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "RUNNER_TEMP": str(tmp_path),
        "GITHUB_OUTPUT": str(outputs),
        "PYZ_URL": pyz.as_uri(),
        "PYZ_SHA256": hashlib.sha256(pyz.read_bytes()).hexdigest(),
        "CHANNEL": "master",
        "STORE": "",
        "STRICT": "false",
        "KOPSVERSION_AS_OF": "2024-05-06T18:00:00Z",
        **inputs,
    }
    ran = subprocess.run(["bash", "-c", _script()], env=environ, capture_output=True, text=True, check=False)
    return ran, outputs.read_text()


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl here")
class TestAction:
    def test_it_sets_outputs(self, pyz: Path, tmp_path: Path, demo_bucket: Path) -> None:
        """Of the demo's bucket, with a file that is fetched and checked."""
        ran, outputs = _act(pyz, tmp_path, STORE=str(demo_bucket))
        assert ran.returncode == 0, ran.stderr
        assert f"kops-version={MASTER_LAST}\n" in outputs

    def test_it_fails_where_the_answer_is_degraded_and_that_is_wanted(
        self, pyz: Path, tmp_path: Path, demo_bucket: Path
    ) -> None:
        """With the status of --strict, and the outputs set."""
        ran, outputs = _act(pyz, tmp_path, STORE=str(demo_bucket), STRICT="true")
        assert ran.returncode == 3
        assert MASTER_LAST in outputs

    @pytest.mark.parametrize("strict", ["True", "yes", "", "true; touch pwned"])
    def test_what_strict_is_has_to_be_clear(self, pyz: Path, tmp_path: Path, strict: str) -> None:
        """A mistake in it must not let a degraded answer pass."""
        ran, outputs = _act(pyz, tmp_path, STRICT=strict)
        assert (ran.returncode, outputs) == (2, "")
        assert ran.stdout == "::error::strict is neither true nor false\n"

    def test_another_file_than_was_meant_is_not_run(self, pyz: Path, tmp_path: Path) -> None:
        """Its checksum is not the one that was named."""
        ran, outputs = _act(pyz, tmp_path, PYZ_SHA256="0" * 64)
        assert ran.returncode != 0
        assert outputs == ""
        assert "kopsversion.pyz: FAILED" in ran.stdout + ran.stderr

    @pytest.mark.parametrize("channel", ["--help", "$(touch pwned)", "master; touch pwned"])
    def test_a_hostile_input_is_text(self, pyz: Path, tmp_path: Path, channel: str) -> None:
        """It is neither an option nor code: it is refused as a channel."""
        ran, outputs = _act(pyz, tmp_path, CHANNEL=channel, STORE=str(tmp_path))
        assert ran.returncode == 2
        assert outputs == ""
        assert not Path("pwned").exists()


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_an_issue_template_is_a_form_as_github_reads_it(path: Path) -> None:
    """A name, a description, and fields with unique ids."""
    form = _read(path)
    if path.name == "config.yml":
        assert set(form) == {"blank_issues_enabled"}
        return
    assert {"name", "description", "body"} <= set(form)
    ids = [field["id"] for field in form["body"] if field["type"] != "markdown"]
    assert len(ids) == len(set(ids)) > 0
    assert {field["type"] for field in form["body"]} <= {"input", "textarea", "dropdown", "markdown"}
    assert all(field["attributes"]["label"] for field in form["body"])


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_what_an_issue_template_names_is_there(path: Path) -> None:
    """A reader is sent to no file that does not exist, and to no command that does not."""
    text = path.read_text("utf-8")
    assert [
        name for name in re.findall(r"\b(?:tests|docs)/[\w./-]+\w", text) if not (PROJECT / name).exists()
    ] == []
    for option in re.findall(r"`kopsversion (--\w+)`", text):
        assert option in {name for param in tools.params for name in param.opts}
