"""Write requirements/: what jobs install, pinned and with hashes (``make requirements``).

ci.txt is what the wheel needs; onefile.txt is what `.ci/onefile.py` packs. Both follow the pins of constraints.txt.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from onefile import PACKED

PROJECT = Path(__file__).resolve().parents[1]
FOLDER = PROJECT / "requirements"
_COMPILE = (
    *(
        sys.executable,
        "-m",
        "piptools",
        "compile",
        "--quiet",
        "--no-header",
        "--generate-hashes",
        "--strip-extras",
    ),
    *("--no-annotate", "--no-emit-index-url", "--no-emit-trusted-host", "--no-emit-find-links"),
    *("--constraint", "constraints.txt"),
)


def main() -> None:
    """Write both files anew."""
    FOLDER.mkdir(exist_ok=True)
    _write(FOLDER / "ci.txt", "pyproject.toml")
    _write(FOLDER / "onefile.txt", "-", given="".join(f"{name}\n" for name in PACKED))


def _write(target: Path, source: str, *, given: str | None = None) -> None:
    path = str(target.relative_to(PROJECT))
    target.unlink(missing_ok=True)  # pip-compile would keep what it finds there
    subprocess.run(
        [*_COMPILE, "--output-file", path, source], cwd=PROJECT, input=given, text=True, check=True
    )
    target.write_text(
        f"# Made by `make requirements` from {source if given is None else '.ci/onefile.py'}.\n"
        + target.read_text()
    )


if __name__ == "__main__":
    main()
