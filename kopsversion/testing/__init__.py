"""What tests of a harness or of a store need: builds, a store in memory that fails on demand, and the contract.

>>> from kopsversion.testing import MemoryStore, master_version
>>> store = MemoryStore()
>>> store.add_build(master_version(7))
>>> store.add_marker("master", "latest-ci.txt", master_version(7))

The contract is in `kopsversion.testing.contract`, which alone needs pytest. Nothing else in the package imports this.
"""

from __future__ import annotations

from kopsversion.testing.builds import (
    NOW,
    complete_build,
    files_of_a_build,
    master_version,
    release_version,
    shared_version,
)
from kopsversion.testing.memory import MemoryStore

__all__ = [
    "NOW",
    "MemoryStore",
    "complete_build",
    "files_of_a_build",
    "master_version",
    "release_version",
    "shared_version",
]
