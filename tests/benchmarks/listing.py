"""What ``kopsversion list --limit 0`` costs in processor time: linear in the builds of the channel.

python -m tests.benchmarks.listing
"""

from __future__ import annotations

import argparse
import time
from bisect import bisect_left
from typing import TYPE_CHECKING

from attrs import frozen

from kopsversion.stores.base import Listing, StoredObject
from kopsversion.workflows.listing import list_channel
from tests.benchmarks.measuring import machine, milliseconds, table
from tests.builders import HOUR, NOW, alpha
from tests.fake_store import FakeStore

if TYPE_CHECKING:
    from collections.abc import Sequence

SIZES = (250, 500, 1000, 2000)


class IndexedStore(FakeStore):
    """A store in memory that finds one build's files without looking at all others, as a bucket does."""

    def fill(self, number: int) -> None:
        """Put builds of master there, one an hour."""
        for distance in range(number):
            self.add_build(alpha(distance), at=NOW - (number - distance) * HOUR)
        self._names = sorted(self.held)

    def list(
        self, prefix: str = "", *, delimiter: str = "", match_glob: str = "", start: str = "", end: str = ""
    ) -> Listing:
        """List one build by its index, and everything else as `FakeStore` does."""
        if "+" not in prefix:
            return super().list(prefix, delimiter=delimiter, match_glob=match_glob, start=start, end=end)
        first, last = bisect_left(self._names, prefix), bisect_left(self._names, f"{prefix}\U0010ffff")
        names = self._names[first:last]
        return Listing(tuple(StoredObject(name, 1, self.held[name].uploaded) for name in names), ())


@frozen
class Measured:
    """Seconds of processor time that one list took, and how many rows it has."""

    rows: int
    seconds: float


def measure(number: int) -> Measured:
    """List all of so many builds once."""
    store = IndexedStore()
    store.fill(number)
    begun = time.process_time()
    listing = list_channel("master", store=store, now=NOW, limit=0, timeout=600)
    return Measured(len(listing.rows), time.process_time() - begun)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print Markdown."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.listing", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="only the two smaller sizes")
    options = parser.parse_args(arguments)
    print(f"{machine()}\n", flush=True)
    found = [measure(number) for number in (SIZES[:2] if options.quick else SIZES)]
    header = ("builds", "cpu ms", "cpu ms a build")
    rows = [
        (str(each.rows), milliseconds(each.seconds), f"{1000 * each.seconds / each.rows:.2f}")
        for each in found
    ]
    print(table(header, rows))


if __name__ == "__main__":
    main()
