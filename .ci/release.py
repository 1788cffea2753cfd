"""Make what a release offers into dist/, twice, and check it (``make release-check``).

Wheel, sdist and the single file must be the same to the byte in both builds. SBOMs (CycloneDX) of the wheel, with what
it needs, and of the single file, with what it holds, go beside them, and the checksums of all. Nothing is uploaded: who
releases does that by hand, after reading what this printed.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
DIST = PROJECT / "dist"


def main() -> None:
    """Build twice, compare, and write SBOM and checksums."""
    version = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["version"]
    _check_changelog(version)
    shutil.rmtree(DIST, ignore_errors=True)
    _build(DIST)
    with tempfile.TemporaryDirectory() as other:
        _build(Path(other))
        for path in sorted(DIST.iterdir()):
            if path.read_bytes() != (Path(other) / path.name).read_bytes():
                sys.exit(f"{path.name} is another file in the second build")
    _run("-m", "twine", "check", "--strict", *(str(p) for p in DIST.iterdir() if p.suffix in {".whl", ".gz"}))
    _describe(DIST / f"kopsversion-{version}.cdx.json", "requirements/ci.txt")
    _describe(DIST / "kopsversion.pyz.cdx.json", "requirements/onefile.txt")
    names = sorted(path.name for path in DIST.iterdir())
    sums = "".join(f"{hashlib.sha256((DIST / name).read_bytes()).hexdigest()}  {name}\n" for name in names)
    (DIST / "SHA256SUMS").write_text(sums)
    print(f"kopsversion {version} is ready in dist/, the same in two builds:\n{sums}", end="")


def _check_changelog(version: str) -> None:
    text = (PROJECT / "CHANGELOG.md").read_text()
    if not re.search(rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d$", text, re.MULTILINE):
        sys.exit(f"CHANGELOG.md has no section of {version} with a date")


def _build(out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    _run("-m", "build", "--no-isolation", "--outdir", str(out))
    _run(str(PROJECT / ".ci" / "onefile.py"), "--to", str(out / "kopsversion.pyz"))


def _describe(sbom: Path, requirements: str) -> None:
    """Write what is in a file that is shipped, by the pinned requirements that it was made of."""
    arguments = ["--output-reproducible", "--output-format", "JSON", "--output-file", str(sbom)]
    _run("-m", "cyclonedx_py", "requirements", *arguments, "--pyproject", "pyproject.toml", requirements)


def _run(*arguments: str) -> None:
    # cyclonedx_py warns that requirements alone do not tell which of them needs which.
    quiet = {"SOURCE_DATE_EPOCH": "315619200", "PYTHONWARNINGS": "ignore::UserWarning"}
    subprocess.run(
        [sys.executable, *arguments],
        cwd=PROJECT,
        env={**os.environ, **quiet},
        check=True,
    )


if __name__ == "__main__":
    main()
