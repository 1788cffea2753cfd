"""Every store of ours, and the one in memory, is held to the contract that others import."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kopsversion.stores.deadline import Deadline
from kopsversion.stores.opening import open_store
from kopsversion.testing import MemoryStore, contract
from kopsversion.testing.contract import *  # noqa: F403 # as its docstring says
from tests.gcs_server import KOPS_BUCKET, KOPS_ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from kopsversion.stores.base import Store
    from kopsversion.testing.contract import Fill
    from tests.gcs_server import GcsServer


@pytest.fixture(params=["memory", "directory", "bucket"])
def filled_store(request: pytest.FixtureRequest, tmp_path: Path) -> Fill:
    def in_memory(objects: Mapping[str, bytes]) -> Store:
        store = MemoryStore()
        for name, data in objects.items():
            store.add(name, data)
        return store

    def in_directory(objects: Mapping[str, bytes]) -> Store:
        for name, data in objects.items():
            path = tmp_path / "store" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        (tmp_path / "store").mkdir(exist_ok=True)
        return open_store(str(tmp_path / "store"), deadline=Deadline(60), environ={})

    def in_bucket(objects: Mapping[str, bytes]) -> Store:
        server: GcsServer = request.getfixturevalue("gcs_server")
        bucket = server.bucket(KOPS_BUCKET)
        for name, data in objects.items():
            bucket.add(KOPS_ROOT + name, data)
        return open_store(
            f"gs://{KOPS_BUCKET}/{KOPS_ROOT}",
            deadline=Deadline(60),
            environ={"STORAGE_EMULATOR_HOST": server.url},
            credentials="default",
        )

    made: Mapping[str, Fill] = {"memory": in_memory, "directory": in_directory, "bucket": in_bucket}
    return made[request.param]


def test_every_function_of_the_contract_is_collected() -> None:
    """A star import gives a test module all of it, and nothing else."""
    functions = {name for name in vars(contract) if name.startswith("test_")}
    assert functions == set(contract.__all__)
    assert functions <= set(globals())
