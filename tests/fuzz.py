"""Look for luck: run every test that Hypothesis drives, with new random numbers, until the time is up (`make fuzz`).

The laws, the state machine of a bucket, and hostile text in every place where text comes in are all marked
``hypothesis`` by Hypothesis itself, so none can be forgotten here. An ordinary run takes a hundred examples of
each, always the same ones; this takes the profile ``long`` of `tests.profiles`, round after round. A round that is
not likely to end in time is not begun, so the whole takes little longer than it was told to; but one is always run,
which takes a quarter of an hour on two busy cores. At the end it says how many examples were tried; those that did not
fit a law's assumptions are not counted.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import subprocess
import sys
import time

from attrs import frozen

COUNTED = re.compile(r"- (\d+) passing, (\d+) failing, and \d+ invalid test cases")
"""What Hypothesis says of each phase of each law."""
STATISTICS = re.compile(r"=+ Hypothesis Statistics =+\n")
SECTION = re.compile(r"=+ .* =+\n|\d+ (passed|failed).* in .*\n")


@frozen
class Round:
    """What one round came to.

    Attributes:
        status: pytest's exit status.
        examples: how many examples were tried.
    """

    status: int
    examples: int


def main() -> int:
    """Run rounds; return the status of the first that fails, or 0."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, help="begin with this one, to repeat a round")
    arguments = parser.parse_args()
    first = random.randrange(1 << 32) if arguments.seed is None else arguments.seed
    started = time.monotonic()
    end = started + 60 * arguments.minutes
    rounds, examples, longest = 0, 0, 0.0
    while rounds == 0 or time.monotonic() + longest < end:
        began = time.monotonic()
        done = _round(first + rounds)
        if done.status:
            print(f"a law does not hold; again: python -m tests.fuzz --minutes 0 --seed {first + rounds}")
            return done.status
        rounds += 1
        examples += done.examples
        longest = max(longest, time.monotonic() - began)
    minutes = (time.monotonic() - started) / 60
    print(
        f"{rounds} rounds from seed {first} in {minutes:.1f} minutes; {examples:,} examples; every law held"
    )
    return 0


def _round(seed: int) -> Round:
    """Run all laws once; what pytest says is passed on, but for the statistics, which are added up."""
    command = [
        *(sys.executable, "-m", "pytest", "-m", "hypothesis", "--quiet", "--numprocesses=auto"),
        *(f"--hypothesis-seed={seed}", "--hypothesis-show-statistics"),
    ]
    environ = {**os.environ, "HYPOTHESIS_PROFILE": "long"}
    examples, in_statistics = 0, False
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) as pytest:
        assert pytest.stdout is not None
        for line in pytest.stdout:
            if SECTION.fullmatch(line):
                in_statistics = STATISTICS.fullmatch(line) is not None
            if not in_statistics:
                print(line, end="", flush=True)
            elif counted := COUNTED.search(line):
                examples += int(counted[1]) + int(counted[2])
    if pytest.returncode == 0 and examples == 0:
        raise RuntimeError("no example was counted: does Hypothesis word its statistics in another way now?")
    return Round(pytest.returncode, examples)


if __name__ == "__main__":
    sys.exit(main())
