"""The power fails while a partition moves: what was synced stays, also where nothing is synced on appending."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

import storage
from storage.replication.replicated_log import ReplicatedLog
from tests.replication.disks import Crash, Disks
from tests.replication.no_threads import without_threads
from tests.storage.conftest import SCHEMA, numbers, rows

CHANGES = 30


def opened(root: Path, disks: Disks) -> storage.Storage:
    return storage.Storage.open(f"{root}/a", replicas=[f"{root}/b", f"{root}/c"], env=disks)


def move(running: storage.Storage, disks: Disks, replicas: list[int]) -> None:
    """Until the partition lies there alone."""
    log = running.topic("t").partitions[0]
    assert isinstance(log, ReplicatedLog)
    log.assign(replicas)
    for _ in range(5):
        disks.now += 1_500_000
        running._replication.tend()  # type: ignore[union-attr]
    assert list(log.replication.metadata.replicas) == replicas


@pytest.mark.sampled(2)
@pytest.mark.parametrize("place", ["a", "b", "c"])
@pytest.mark.parametrize("durability", ["os", "group"])
def test_what_was_synced_survives_a_move_in_which_the_power_fails(scratch: Path, durability: str, place: str) -> None:
    root, kept, broken_off = scratch / "disks", scratch / "kept", 0
    config = storage.TopicConfig(durability=durability, replication_factor=1)  # type: ignore[arg-type]
    with without_threads():
        made = opened(root, Disks(str(root), random.Random(1)))
        log = made.create_topic("t", SCHEMA, config).partitions[0]
        log.append(rows(0, 10))
        first = next(r.directory for r in made.replicas())
        made.close()
        root.rename(kept)
        goal = [(("a", "b", "c").index(Path(first).name) + 1) % 3]
        for nth in range(1, CHANGES):
            shutil.rmtree(root, ignore_errors=True)
            shutil.copytree(kept, root)
            disks = Disks(str(root), random.Random(nth))
            running = opened(root, disks)
            disks.crash_at(place, nth)
            try:
                move(running, disks, goal)
            except Crash:
                broken_off += 1
            disks.restart(power_loss=True)
            again = opened(root, Disks(str(root), random.Random(nth)))
            assert numbers(again.topic("t").partitions[0]) == list(range(10)), nth
            again.close()
    assert broken_off or place not in (Path(first).name, ("a", "b", "c")[goal[0]])
