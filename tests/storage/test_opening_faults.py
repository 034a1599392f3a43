"""Directories fail while a storage is opened: it opens as long as one of them is whole and can be used."""

from __future__ import annotations

import errno
import random
import shutil
from pathlib import Path

import pytest

import storage
from tests.replication.disks import Disks
from tests.replication.no_threads import without_threads
from tests.storage.conftest import SCHEMA, numbers, rows


def opened(root: Path, disks: Disks) -> storage.Storage:
    return storage.Storage.open(f"{root}/a", replicas=[f"{root}/b", f"{root}/c"], env=disks)


@pytest.mark.parametrize("of_filled", ["open", "read", "write"])
@pytest.mark.parametrize("of_source", ["rename", "sync", "write"])
def test_the_third_is_used_when_one_that_is_filled_and_its_source_fail(
    scratch: Path, of_filled: str, of_source: str
) -> None:
    root, kept = scratch / "disks", scratch / "kept"
    with without_threads():
        made = opened(root, Disks(str(root), random.Random(1)))
        made.create_topic("t", SCHEMA).partitions[0].append(rows(0, 10))
        made.close()
        root.rename(kept)
        for nth_of_filled in (1, 2, 3, 5, 8):
            for nth_of_source in (1, 2, 3, 4):
                shutil.rmtree(root, ignore_errors=True)
                shutil.copytree(kept, root)
                shutil.rmtree(root / "b")
                disks = Disks(str(root), random.Random(1))
                disks.disk("b").fail(of_filled, nth_of_filled, errno.EIO)
                disks.disk("a").fail(of_source, nth_of_source, errno.EIO)
                again = opened(root, disks)
                assert numbers(again.topic("t").partitions[0]) == list(range(10))
                again.close()
