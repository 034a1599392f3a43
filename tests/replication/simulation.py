"""One seed of the simulation: a world, faults for some seconds of its time, and then peace, in which all must end well.

python -m tests.replication.simulation 17 --trace       one seed, every event
python -m tests.replication.simulation 0 --count 10000  many seeds
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from dataclasses import dataclass

from storage.replication.messages import CONTROLLER, NOBODY, ElectUnclean
from storage.replication.state import Settings
from tests.replication.checker import Violation
from tests.replication.faults import Faults
from tests.replication.seeds import run_seeds
from tests.replication.world import OPERATOR, SLOWEST_MS, TIMES, World

FAULTS_MS = 4_000
PEACE_MS = 15_000


@dataclass(frozen=True)
class Outcome:
    """What a seed came to: what is violated (None if nothing), and how much happened."""

    seed: int
    violation: str | None
    committed: int
    acknowledged: int
    elections: int
    was_beyond: bool
    """Whether there was an n-th failure, so that an operator may have had to choose."""


def run_seed(seed: int, trace: Callable[[str], None] | None = None) -> Outcome:
    """Simulate one seed; any exception of the machine is a violation, too."""
    rng = random.Random(seed)
    count = rng.choice((3, 3, 4, 5))
    members = rng.randint(2, count)
    settings = Settings(commit_synced=rng.random() < 0.6, **TIMES)
    world = World(rng, settings, count=count, members=members, min_insync=rng.choice((1, 1, 2)))
    world.as_bytes = seed % 10 == 0
    world.trace = trace
    violation = None
    try:
        play(world)
    except Violation as found:
        violation = str(found)
    except Exception as found:
        violation = repr(found)
    epoch = world.saved.metadata.leader_epoch
    return Outcome(seed, violation, world.checker.end, len(world.acknowledged), epoch, world.checker.may_lose)


def play(world: World) -> None:
    """Faults, peace, the deletion of all directories but one, peace."""
    faults = Faults(world, FAULTS_MS)
    busy = client(world, FAULTS_MS)
    busy()
    world.run(FAULTS_MS)
    faults.stop()
    make_peace(world)
    for _ in range(world.rng.choice((0, 1, 1))):
        leave_one(world)
        make_peace(world)


def client(world: World, end_ms: int) -> Callable[[], None]:
    """Appends at random times."""
    mean_ms = world.rng.choice((10, 40))

    def again() -> None:
        world.append()
        delay = 1 + int(world.rng.expovariate(1 / mean_ms))
        if world.now_ms + delay < end_ms:
            world.after(delay, again)

    return again


def make_peace(world: World) -> None:
    """Without faults everything comes to rest, a new append is committed, and all logs are the same."""
    end_ms = world.now_ms + PEACE_MS
    world.run(world.now_ms + PEACE_MS // 2, lambda: world.settled() is None)
    if world.checker.may_lose and world.saved.metadata.leader == NOBODY:
        world.send(OPERATOR, CONTROLLER, ElectUnclean(OPERATOR, 0))
    if not world.run(end_ms, lambda: world.settled() is None):
        raise Violation(f"{PEACE_MS} ms after the last fault {world.settled()}")
    while world.now_ms < end_ms:
        request = world.append()
        if world.run(world.now_ms + 300, lambda request=request: request in world.acknowledged):
            break
    else:
        raise Violation("nothing can be appended after the last fault")
    if not world.run(end_ms, lambda: world.settled() is None):
        raise Violation(f"after an append {world.settled()}")
    for replica in world.saved.metadata.replicas:
        world.checker.check_has_all(replica, "in the end", world.saved.metadata.leader_epoch)
        disk = world.disks[replica]
        if disk.end != world.checker.end:
            raise Violation(f"in the end replica {replica} has {disk.end} records, {world.checker.end} are committed")


def leave_one(world: World) -> None:
    """All directories but one are deleted, while everything runs or while everything is down."""
    world.run(world.now_ms + SLOWEST_MS)  # late requests of the operator must not meet the deletion
    make_peace(world)
    replicas = world.saved.metadata.replicas
    survivor = world.rng.choice(replicas)
    down = world.rng.random() < 0.5
    for replica in world.disks:
        if down or replica != survivor:
            world.stop(replica)
        if replica != survivor:
            world.disks[replica].vanish()
        world.after(world.rng.randint(1, 200), lambda replica=replica: world.start(replica))  # type: ignore[misc]
    world.note(f"only the directory of {survivor} is left")


if __name__ == "__main__":
    sys.exit(run_seeds(run_seed, "simulation", "the replication machine in a simulated world"))
