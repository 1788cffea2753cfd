"""A process that asks for a long time: many resolves in threads, with few descriptors, and none left behind.

    python -m tests.soak                  # 2,000 resolves, 256 descriptors: `make soak`
    python -m tests.soak --resolves 60    # what a test runs

The server is a process of its own, so its descriptors are not counted. What is printed is one line; the exit status
is 1 where an answer failed or was wrong, or a connection stayed open.
"""

from __future__ import annotations

import argparse
import gc
import os
import resource
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from kopsversion import KopsVersionError, resolve_latest
from tests.benchmarks.bucket import STORE
from tests.benchmarks.serving import serving

if TYPE_CHECKING:
    from collections.abc import Sequence

BUILDS = 200
_DESCRIPTORS = Path("/proc/self/fd") if Path("/proc/self/fd").is_dir() else Path("/dev/fd")


def main(arguments: Sequence[str] | None = None) -> int:
    """Ask, and say what came of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--resolves", type=int, default=2_000)
    parser.add_argument("--threads", type=int, default=16)
    parser.add_argument("--descriptors", type=int, default=256)
    options = parser.parse_args(arguments)
    with serving(BUILDS) as served:
        os.environ["STORAGE_EMULATOR_HOST"] = served.url
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (options.descriptors, hard))
        gc.disable()  # whoever is closed only by the collector stays open
        before = _open()

        def ask(_number: int) -> str:
            try:
                return str(resolve_latest("master", store=STORE).version)
            except KopsVersionError as error:
                return f"{type(error).__name__}: {error}"

        with ThreadPoolExecutor(options.threads) as pool:
            answers = list(pool.map(ask, range(options.resolves)))
        wrong = [answer for answer in answers if answer != served.answers["master"]]
        left = _open() - before
    print(f"{options.resolves} resolves, {len(wrong)} wrong, {left} descriptors left open", *wrong[:1])
    return 1 if wrong or left > 0 else 0


def _open() -> int:
    return len(os.listdir(_DESCRIPTORS))  # noqa: PTH208 # as few objects as can be


if __name__ == "__main__":
    sys.exit(main())
