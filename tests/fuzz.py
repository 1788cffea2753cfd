"""Look for luck: run every test that Hypothesis drives, with new random numbers, until the time is up (`make fuzz`).

The laws, the state machine of a bucket, and hostile text in every place where text comes in are all marked
``hypothesis`` by Hypothesis itself, so none can be forgotten here. An ordinary run takes a hundred examples of
each, always the same ones; this takes the profile ``long`` of `tests.conftest`, round after round. A round that is
not likely to end in time is not begun, so the whole takes little longer than it was told to.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import time


def main() -> int:
    """Run rounds; return the status of the first that fails, or 0."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, help="begin with this one, to repeat a round")
    arguments = parser.parse_args()
    first = random.randrange(1 << 32) if arguments.seed is None else arguments.seed
    started = time.monotonic()
    end = started + 60 * arguments.minutes
    rounds, longest = 0, 0.0
    while rounds == 0 or time.monotonic() + longest < end:
        began = time.monotonic()
        status = _round(first + rounds)
        if status:
            print(f"a law does not hold; again: python -m tests.fuzz --minutes 0 --seed {first + rounds}")
            return status
        rounds += 1
        longest = max(longest, time.monotonic() - began)
    print(
        f"{rounds} rounds from seed {first} in {(time.monotonic() - started) / 60:.1f} minutes; every law held"
    )
    return 0


def _round(seed: int) -> int:
    command = [
        "-m",
        "pytest",
        "-m",
        "hypothesis",
        "--quiet",
        "--numprocesses=auto",
        f"--hypothesis-seed={seed}",
    ]
    environ = {**os.environ, "HYPOTHESIS_PROFILE": "long"}
    return subprocess.run([sys.executable, *command], env=environ, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
