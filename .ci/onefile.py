"""Build dist/kopsversion.pyz: kopsversion and what anonymous use needs, in one file, pure Python (``make pyz``).

The standard library's zipapp puts the archive together. What it holds is pinned, with
hashes, by requirements/onefile.txt, and two builds of
one commit are the same to the byte: names are sorted, times are fixed, and nothing of this machine is in it.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipapp
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
MAIN = Path(__file__).with_name("onefile_main.py")
PACKED = (
    "attrs",
    "cattrs",
    "certifi",
    "click",
    "jinja2",
    "junitparser",
    "markdown-it-py",
    "markupsafe",
    "mdurl",
    "packaging",
    "prometheus-client",
    "pygments",
    "rich",
    "tenacity",
    "typing-extensions",
    "urllib3",
)
"""All of it has to be there in pure Python. MarkupSafe has a native part that it can do without, and does here."""

LIMIT = 5_000_000
"""Bytes: a job fetches the file at each run."""

_UNWANTED = (
    "*.so",
    "*.pyd",
    "*.pyi",
    "*.c",
    "bin",
    "__pycache__",
    "RECORD",
    "INSTALLER",
    "REQUESTED",
    "direct_url.json",
)
_EPOCH = 315_619_200
"""1 January 1980 and a day: the earliest time that a zip file can hold in every time zone."""


def main() -> None:
    """Build the file and its checksum."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--to", type=Path, default=PROJECT / "dist" / "kopsversion.pyz")
    target: Path = parser.parse_args().to
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as work:
        site = Path(work) / "site"
        _install(site)
        _strip(site)
        build = _hash_of(site)
        (site / "__main__.py").write_text(MAIN.read_text().replace("@BUILD@", build))
        _fix_times(site)
        zipapp.create_archive(site, target, interpreter="/usr/bin/env python3", compressed=True)
    size = target.stat().st_size
    if size > LIMIT:
        sys.exit(f"{target} has {size} bytes, and no more than {LIMIT} are wanted")
    target.chmod(0o755)
    digest = hashlib.sha256(target.read_bytes()).hexdigest()
    target.with_name(f"{target.name}.sha256").write_text(f"{digest}  {target.name}\n")
    print(f"{target}: {size} bytes, sha256 {digest}")


def _install(site: Path) -> None:
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    pip += ["--no-deps", "--target", str(site)]
    hashed = [
        "--only-binary=:all:",
        "--require-hashes",
        "--requirement",
        str(PROJECT / "requirements" / "onefile.txt"),
    ]
    subprocess.run([*pip, *hashed], check=True)
    subprocess.run([*pip, "--no-build-isolation", "--upgrade", str(PROJECT)], check=True)


def _strip(site: Path) -> None:
    """Leave nothing that is of one machine, and nothing that is not needed to run."""
    for pattern in _UNWANTED:
        for path in sorted(site.rglob(pattern), reverse=True):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()


def _hash_of(site: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(site.rglob("*")):
        if path.is_file():
            digest.update(f"{path.relative_to(site)}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:32]


def _fix_times(site: Path) -> None:
    for path in site.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
        os.utime(path, (_EPOCH, _EPOCH))


if __name__ == "__main__":
    main()
