"""The installed scripts, as a job runs them: what is shown, and bad input, line by line."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from kopsversion.cli.toolbox import resolve, tools
from kopsversion.model.channel import BRANCH_MARKER, GREEN_MARKER
from tests.builders import ERA_2024, HOUR, NOW
from tests.fake_store import CHECKSUM
from tests.gcs_server import KOPS_BUCKET, KOPS_ROOT, GcsServer, closed_port
from tests.strategies import any_text, hostile_texts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

SCRIPTS = Path(sys.executable).parent
AS_OF = "2024-05-06T18:00:00Z"
MASTER = "1.29.0-alpha.4+v1.29.0-alpha.3-378-g22ce1230da"
RELEASE = "1.29.0-beta.2+v1.29.0-beta.1-47-gf9a0ba0203"
PLAIN = "1.30.0-alpha.2+v1.30.0-alpha.1-7-g0000000007"

Ended = subprocess.CompletedProcess[str]


def run(
    name: str, *arguments: str | Path, environ: Mapping[str, str] | None = None, cwd: Path | None = None
) -> Ended:
    """Run an installed script as a process of its own."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("KOPSVERSION_")}
    return subprocess.run(
        [str(SCRIPTS / name), *map(str, arguments)],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
        cwd=cwd,
        env=kept | dict(environ or {}),
    )


def refused(ended: Ended, status: int, *told: str) -> None:
    """Nothing on standard output, the status, and all of that on standard error, without a traceback."""
    assert (ended.returncode, ended.stdout) == (status, ""), ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stderr.startswith("ERROR ")
    for each in told:
        assert each in ended.stderr


def put(root: Path, name: str, data: bytes = b"x", *, at: float = (NOW - HOUR).timestamp()) -> None:
    """Write a file with its upload time."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    os.utime(path, (at, at))


def put_build(root: Path, version: str = PLAIN, *, without: Iterable[str] = ()) -> None:
    missing = set(without)
    for path in ERA_2024.paths:
        if path not in missing:
            put(root, f"{version}/{path}", CHECKSUM if path.endswith(".sha256") else b"x")


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bucket of one build, whose marker anybody may write."""
    root = tmp_path_factory.mktemp("plain")
    put_build(root)
    return root


@pytest.fixture(scope="module")
def demo(demo_bucket: Path) -> list[str]:
    return ["--store", str(demo_bucket), "--as-of", AS_OF]


class TestTheDayOfIssue16533:
    """`make demo`: what every other tool gets wrong or does not tell (DESIGN section 1)."""

    def test_the_demo_answers_and_says_why(self, tmp_path: Path) -> None:
        """Rows 1 and 28: the -378- build, the verdict of both markers, and builds-old in plain words."""
        made = run("kopsversion", "demo", "my demo", cwd=tmp_path)
        assert made.returncode == 0
        told = run(
            "resolve-latest", "master", "--store", "my demo", "--as-of", AS_OF, "--explain", cwd=tmp_path
        )
        assert told.returncode == 0
        assert told.stdout == f"file://{tmp_path.as_posix()}/my%20demo/{MASTER}\n"
        verdicts = re.findall(r"^ +(markers/master/\S+) +(\S+) +names (\S+), the newest", told.stderr, re.M)
        assert verdicts == [
            (f"markers/master/{marker}", "current", MASTER) for marker in (GREEN_MARKER, BRANCH_MARKER)
        ]
        assert "builds-old" in told.stderr
        assert "master has had no build since 2024-03-06 14:00 UTC (61 days)" in told.stderr
        assert "the postsubmit is red: look there" in told.stderr

    def test_strict_answers_and_exits_with_3(self, demo: list[str]) -> None:
        """Row 29: a degraded answer is never silent, and can be made fatal."""
        ended = run("resolve-latest", "master", *demo, "--strict")
        assert (ended.returncode, ended.stdout.endswith(f"/{MASTER}\n")) == (3, True)
        assert "builds-old" in ended.stderr

    def test_a_release_branch_is_another_answer_from_the_same_directory(self, demo: list[str]) -> None:
        """Row 26: release-1.29's builds have higher versions than master's, and later uploads."""
        for selector in ("release-1.29", "1.29"):
            ended = run("resolve-latest", selector, *demo, "-o", "version", "--strict")
            assert (ended.returncode, ended.stdout) == (0, f"{RELEASE}\n")

    def test_the_other_rules_would_have_been_wrong(self, demo_bucket: Path) -> None:
        """The table of DESIGN section 1: the newest upload and the highest name are not master's."""
        builds = [path for path in demo_bucket.iterdir() if "+" in path.name]
        newest = max(builds, key=lambda path: (path / "linux/amd64/kops").stat().st_mtime)
        assert newest.name == "1.28.5+v1.28.4-36-g8be71351e2"
        sorted_by_name = subprocess.run(
            ["sort", "-V"],
            input="\n".join(path.name for path in builds),
            capture_output=True,
            text=True,
            check=True,
            env={"LC_ALL": "C", "PATH": os.environ["PATH"]},
        ).stdout.split()
        assert sorted_by_name[-1] == RELEASE

    def test_json_is_the_whole_resolution(self, demo: list[str]) -> None:
        """For machines: with schema, verdicts, conditions and policy."""
        ended = run("resolve-latest", "master", *demo, "-o", "json")
        answer = json.loads(ended.stdout)
        assert (answer["schema"], answer["version"], answer["now"]) == (1, MASTER, AS_OF)
        assert [condition["code"] for condition in answer["conditions"]] == ["builds-old", "names-skipped"]

    def test_every_option_is_a_variable_too(self, demo_bucket: Path) -> None:
        """A job's environment is enough."""
        environ = {
            "KOPSVERSION_STORE": str(demo_bucket),
            "KOPSVERSION_AS_OF": AS_OF,
            "KOPSVERSION_OUTPUT": "version",
        }
        assert run("resolve-latest", environ=environ).stdout == f"{MASTER}\n"

    def test_builds_are_listed_and_sorted(self, demo: list[str]) -> None:
        """Row 21: `kopsversion list` and `sort` agree on the order."""
        listed = run("kopsversion", "list", "master", *demo, "-o", "json", "--limit", "0")
        versions = [build["version"] for build in json.loads(listed.stdout)["builds"]]
        assert (versions[0], len(versions)) == (MASTER, 25)
        shuffled = "\n".join(sorted(versions)) + "\n"
        ordered = subprocess.run(
            [str(SCRIPTS / "kopsversion"), "sort", "--reverse"],
            input=shuffled,
            capture_output=True,
            text=True,
            check=True,
        )
        assert ordered.stdout.split() == versions

    def test_the_past_can_be_replayed(self, demo_bucket: Path) -> None:
        """On 5 March green had not been written as it is today, and the -378- build did not exist."""
        ended = run(
            "resolve-latest", "master", "--store", demo_bucket, "--as-of", "2024-03-05", "-o", "version", "-v"
        )
        assert ended.stdout == "1.29.0-alpha.4+v1.29.0-alpha.3-367-g968fc844f0\n"
        assert "was written later than the moment asked for" in ended.stderr


HOSTILE = 'it\'s "a" $(touch pwned) `touch pwned` ;touch pwned\n\ttouch pwned; é &'


class TestHostileBuckets:
    """`eval "$(resolve-latest -o env)"` is safe whatever the bucket holds."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> Path:
        """A directory of a hostile name, with hostile names and markers in it, and one good build."""
        root = tmp_path / HOSTILE
        put_build(root)
        for name in (
            HOSTILE,
            f"1.30.0+{HOSTILE}",
            f"1.30.{HOSTILE}",
            f"{PLAIN}/{HOSTILE}",
            f"1.31.0-alpha.1+{HOSTILE}",
        ):
            put(root, f"{name}/linux/amd64/kops")
        put(root, f"markers/{HOSTILE}/latest-ci.txt")
        put(root, f"markers/master/{HOSTILE}")
        return root

    @pytest.mark.parametrize(
        "body",
        [
            b"$(touch pwned)",
            b"1.30.0'; touch pwned; '",
            f"file:///{HOSTILE}/{PLAIN}".encode(),
            f"https://evil.example/{PLAIN}\n".encode(),
            f"{PLAIN}\ntouch pwned\n".encode(),
            b"\x1b]0;owned\x07",
            b"\0" * 1000,
            HOSTILE.encode(),
        ],
    )
    def test_a_shell_can_evaluate_the_answer(self, store: Path, tmp_path: Path, body: bytes) -> None:
        """Both variables come out as they are, nothing is run, and no control character is printed."""
        for marker in (GREEN_MARKER, BRANCH_MARKER):
            put(store, f"markers/master/{marker}", body)
        work = tmp_path / "work"
        work.mkdir()
        resolving = shlex.join(
            [
                str(SCRIPTS / "resolve-latest"),
                "--store",
                str(store),
                "--as-of",
                AS_OF,
                "--explain",
                "-o",
                "env",
            ]
        )
        ended = subprocess.run(
            ["sh", "-euc", f'eval "$({resolving})"; printf "%s\\n" "$KOPS_VERSION" "$KOPS_BASE_URL"'],
            check=True,
            capture_output=True,
            text=True,
            cwd=work,
            timeout=120,
        )
        version, base_url = ended.stdout.splitlines()
        assert version == PLAIN
        assert base_url.startswith("file:///")
        assert base_url.endswith(f"/{PLAIN}")
        assert not re.search(r"[^!-~]|['\"$`;&<>|]", base_url)
        assert list(work.iterdir()) == []
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", ended.stderr)
        assert "touch pwned" not in ended.stderr.replace(str(store), "")

    @pytest.mark.parametrize("output", ["url", "version", "env", "json", "table"])
    def test_no_output_repeats_what_has_not_passed_the_grammar(self, store: Path, output: str) -> None:
        """Version text is printed only when it is a version; the store's own name only encoded."""
        put(store, f"markers/master/{GREEN_MARKER}", HOSTILE.encode())
        ended = run("resolve-latest", "--store", store, "--as-of", AS_OF, "-o", output)
        assert ended.returncode == 0
        assert "touch pwned" not in ended.stdout + ended.stderr
        assert run("kopsversion", "list", "--store", store, "--as-of", AS_OF).stdout.count(PLAIN) == 1


class TestBadInput:
    """No traceback ever reaches a user; a bad value is shown with the form expected."""

    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            (
                ["--max-lag", "fortnight"],
                ["--max-lag", "'fortnight' is not a duration", "90s, 10m, 24h, 14d"],
            ),
            (["--settle", "10"], ["--settle", "'10' is not a duration", "90s, 10m, 24h, 14d"]),
            (["--max-build-age", "-1d"], ["--max-build-age", "'-1d' is not a duration", "14d"]),
            (["--timeout", "0s"], ["--timeout", "'0s' is not above 0", "60s"]),
            (["--as-of", "yesterday"], ["--as-of", "'yesterday' is not a time", "2024-05-06T18:00:00Z"]),
            (["--platform", "linux"], ["--platform", "'linux' is not a platform", "linux/arm64"]),
            (["--unpaired", "sig"], ["--unpaired", "'sig' is not the suffix of files", ".sig"]),
            (["--unpaired", ".sha256"], ["'.sha256' is not the suffix of files", ".intoto.jsonl"]),
            (["--platform", "plan9/amd64"], ["'plan9/amd64' is not a platform", "linux/arm64"]),
            (
                ["--store", "ftp://host/dir"],
                ["'ftp://host/dir' does not name a store", "gs://bucket/prefix/"],
            ),
            (
                ["--store", "https://u:pw@mirror.example/x"],
                ["'https://u:...@mirror.example/x' does not name a store", "https://host/place/"],
            ),
            (
                ["--store", "https://mirror.example/x?y"],
                ["does not name a store", "without a user or a query"],
            ),
            (["--store", "gs://"], ["'gs://' does not name a store", "gs://bucket/prefix/"]),
            (["--store", ""], ["'' does not name a store"]),
            (
                ["--exclude", "latest"],
                ["--exclude", "'latest' is not a kOps version", "1.30.0-beta.2+v1.30.0"],
            ),
            (["--marker", "../x"], ["--marker", "'../x' is not the name of a marker", "latest-ci.txt"]),
            (["--nth", "0"], ["--nth", "0", "x>=1"]),
            (["--strategy", "blue"], ["--strategy", "'blue'", "green"]),
            (["-o", "yaml"], ["--output", "'yaml'", "json"]),
            (["--on-stale", "panic"], ["--on-stale", "'panic'", "refuse"]),
            (["mastre"], ["'mastre' is neither a channel nor a version", "release-1.30"]),
            (["release-master"], ["'release-master' is neither", "master (or latest)"]),
            (
                ["https://example.com/latest.txt"],
                ["which is none of the stores", "--store"],
            ),
            (["master", "1.30"], ["1.30"]),
            (["--no-such-option"], ["--no-such-option"]),
            (["--repo", "/nonexistent"], ["'/nonexistent' is not a directory", "--repo"]),
            (["--ref", "-x", "--repo", "."], ["'-x' cannot be the name of a git ref", "origin/master"]),
        ],
        ids=lambda value: " ".join(value) if isinstance(value, list) else "",
    )
    def test_a_value_that_is_not_valid_is_shown_with_the_form_expected(
        self, demo: list[str], arguments: list[str], told: list[str]
    ) -> None:
        """Exit 2."""
        refused(run("resolve-latest", *demo, *arguments), 2, *told)

    def test_a_bad_variable_is_named(self) -> None:
        """A user may not know that it is set."""
        ended = run("resolve-latest", environ={"KOPSVERSION_MAX_LAG": "soon"})
        refused(ended, 2, "'soon' is not a duration", "KOPSVERSION_MAX_LAG")

    def test_an_unknown_channel_lists_those_that_exist(self, demo: list[str]) -> None:
        """Row 11: release-1.99 may be a slip."""
        ended = run("resolve-latest", "1.99", *demo)
        refused(ended, 1, "no build of release-1.99", "master, release-1.29, release-1.28, release-1.27")

    def test_a_missing_bucket_is_unreachable(self, tmp_path: Path) -> None:
        """Exit 4, with the reasons."""
        refused(
            run("resolve-latest", "--store", tmp_path / "gone"), 4, "could not be listed", "does not exist"
        )

    def test_a_file_is_no_bucket(self, tmp_path: Path) -> None:
        """Exit 4."""
        (tmp_path / "file").write_text("1.30.0\n")
        refused(run("resolve-latest", "--store", tmp_path / "file"), 4, "could not be listed")

    def test_a_missing_bucket_on_a_server_is_unreachable(self) -> None:
        """Exit 4: from a real GCS API too."""
        with GcsServer() as server:
            ended = run(
                "resolve-latest",
                *("--store", "gs://no-such-bucket/kops/"),
                environ={"STORAGE_EMULATOR_HOST": server.url},
            )
        refused(ended, 4, "could not be listed", "no-such-bucket")

    def test_a_server_that_is_not_there_is_unreachable(self) -> None:
        """Exit 4, within the time given."""
        environ = {"STORAGE_EMULATOR_HOST": f"http://127.0.0.1:{closed_port()}"}
        ended = run("resolve-latest", "--store", "gs://b/", "--timeout", "2s", environ=environ)
        refused(ended, 4, "could not be listed")

    def test_an_empty_bucket_has_no_build(self, tmp_path: Path) -> None:
        """Exit 1."""
        refused(
            run("resolve-latest", "--store", tmp_path), 1, "no build of master", "there are no builds at all"
        )

    def test_debris_alone_is_counted(self, tmp_path: Path) -> None:
        """Row 22: exit 1, and what was there instead; none of it is repeated."""
        put(tmp_path, "$(touch pwned)/kops")
        put(tmp_path, "v20240307-v1.29.0/cloudbuild/log.txt")
        ended = run("resolve-latest", "--store", tmp_path, cwd=tmp_path)
        refused(ended, 1, "no build of master", "skipped: names that are no version (1)")
        assert "pwned" not in ended.stderr

    def test_builds_none_of_which_is_testable_are_named_with_the_reason(self, tmp_path: Path) -> None:
        """Rows 6 and 20: exit 1."""
        put_build(tmp_path, without=("linux/arm64/nodeup", "linux/arm64/nodeup.sha256"))
        ended = run("resolve-latest", "--store", tmp_path, "--as-of", AS_OF)
        refused(ended, 1, "the only build of master", f"{PLAIN}: linux/arm64/nodeup is missing")

    def test_a_refused_fallback_says_which_marker_and_why(self, demo_bucket: Path) -> None:
        """Row 29: exit 1."""
        asked = ["--store", str(demo_bucket), "--as-of", "2024-03-07T05:00:00Z", "--on-stale", "refuse"]
        asked += ["--marker", GREEN_MARKER]
        refused(run("resolve-latest", *asked), 1, f"markers/master/{GREEN_MARKER} is unknown")

    def test_a_version_that_is_not_there_is_refused(self, demo: list[str]) -> None:
        """Exit 1."""
        refused(run("resolve-latest", "1.28.0+v1.27.9-1-g0123456789", *demo), 1, "is not in file:///")

    def test_a_directory_that_may_not_be_read_is_denied(self, tmp_path: Path) -> None:
        """Row 23: exit 4."""
        if os.geteuid() == 0:
            pytest.skip("root may read every directory")
        tmp_path.chmod(0)
        try:
            refused(run("resolve-latest", "--store", tmp_path), 4, "Permission denied")
        finally:
            tmp_path.chmod(0o700)


class TestAgainstAServer:
    """The same scripts against a real GCS API."""

    @pytest.fixture
    def server(self, demo_bucket: Path) -> Iterator[GcsServer]:
        with GcsServer() as server:
            server.bucket().fill_from_directory(demo_bucket, prefix=KOPS_ROOT)
            yield server
        assert server.errors == []

    @pytest.mark.parametrize(
        "url",
        [f"gs://{KOPS_BUCKET}/{KOPS_ROOT}", "", f"https://storage.googleapis.com/{KOPS_BUCKET}/{KOPS_ROOT}"],
    )
    def test_the_bucket_answers_as_the_directory_does(self, server: GcsServer, url: str) -> None:
        """By every way to name it; kops' own bucket is the default. The shared window costs three requests more."""
        asked = ["--store", url] if url else []
        environ = {"STORAGE_EMULATOR_HOST": server.url}
        ended = run("resolve-latest", "master", *asked, "--as-of", AS_OF, "--strict", environ=environ)
        assert (ended.returncode, ended.stdout) == (3, f"{server.url}/{KOPS_BUCKET}/{KOPS_ROOT}{MASTER}\n")
        assert "builds-old" in ended.stderr
        assert len(server.requests) == 5 + 3


# --------------------------------------------------------------------------------------------------
# Fuzzing

_OPTIONS = (
    *(
        "--strategy",
        "--marker",
        "--exclude",
        "--nth",
        "--on-stale",
        "--max-lag",
        "--max-build-age",
        "--build-sla",
    ),
    *(
        "--settle",
        "--platform",
        "--as-of",
        "--timeout",
        "-o",
        "--output",
        "--ref",
        "--explain",
        "--strict",
        "-q",
        "-v",
    ),
)
_WORDS = """
1 0 -1 24h 14d 0s 1.30 latest refuse newest green json env table 2024-03-01 latest-ci.txt linux/arm64 windows/amd64
"""
_VALUES = st.one_of(
    st.sampled_from([*_WORDS.split(), MASTER, RELEASE, AS_OF]),
    hostile_texts(),
    any_text(max_size=10),
)


@st.composite
def arguments(draw: st.DrawFn) -> list[str]:
    """Draw a command line, right or wrong."""
    found: list[str] = draw(st.lists(_VALUES, max_size=1))
    for option in draw(st.lists(st.sampled_from(_OPTIONS), max_size=4)):
        found.append(option)
        if option not in {"--explain", "--strict", "-q", "-v"}:
            found.append(draw(_VALUES))
    return found


_FUZZ = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


class TestFuzz:
    @given(given_arguments=arguments())
    @example(given_arguments=["\0"])
    @example(given_arguments=["\ud800"])
    @example(given_arguments=["--as-of", "2000-01-01", "--max-lag", "36500d", "--settle", "36500d"])
    @_FUZZ
    def test_fuzz_no_arguments_make_a_traceback(
        self, demo: list[str], given_arguments: Sequence[str]
    ) -> None:
        """Every end is one of the documented ones, and without an answer nothing is on standard output."""
        result = CliRunner().invoke(resolve, [*demo, *given_arguments], prog_name="resolve-latest")
        assert result.exit_code in {0, 1, 2, 3, 4}
        assert "Traceback" not in result.stderr
        if result.exit_code in {0, 3}:
            assert result.stdout
        else:
            assert result.stdout == ""
            assert result.stderr.startswith("ERROR ")
            assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", result.stderr)

    @given(text=st.binary(max_size=200))
    @_FUZZ
    def test_fuzz_sort_survives_any_bytes(self, text: bytes) -> None:
        """Lines that are no version are told, or left out on demand."""
        for more, statuses in (([], {0, 2}), (["--skip-invalid"], {0})):
            result = CliRunner().invoke(tools, ["sort", *more], input=text, prog_name="kopsversion")
            assert result.exit_code in statuses

    @given(
        body=st.one_of(
            st.binary(max_size=80), hostile_texts().map(lambda text: text.encode(errors="replace"))
        )
    )
    @_FUZZ
    def test_fuzz_a_marker_of_any_bytes_never_leads_away_from_the_store(
        self, plain: Path, body: bytes
    ) -> None:
        """Rows 10 and 13: a marker can only ever select a build that the store itself lists."""
        put(plain, f"markers/master/{GREEN_MARKER}", body)
        later = f"{NOW + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"
        result = CliRunner().invoke(
            resolve, ["--store", str(plain), "--as-of", later, "-o", "version"], prog_name="resolve-latest"
        )
        assert (result.exit_code, result.stdout) == (0, f"{PLAIN}\n")
