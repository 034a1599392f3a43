"""What goes wrong in a simulated world, and what an operator does meanwhile.

Data is destroyed only while another replica has all committed records, by the partition's own account: the protocol
promises that n-1 failures lose nothing, and an n-th is no test of it. If that account is wrong, records are lost, and
the checker says so.
"""

from __future__ import annotations

from storage.replication.election import members
from storage.replication.messages import (
    CONTROLLER,
    Integrity,
    Reassign,
    SetMinInsync,
    Trim,
)
from tests.replication.world import OPERATOR, World

HOUR_MS = 3_600_000


class Faults:
    """Random harm to a world until `end_ms`."""

    def __init__(self, world: World, end_ms: int) -> None:
        self.world = world
        self.rng = world.rng
        self.end_ms = end_ms
        self.mean_ms = self.rng.choice((60, 150, 400))
        self.kinds = [
            (self.crash, 5),
            (self.crash_all, 1),
            (self.blackout, 0 if self.world.settings.commit_synced else 0.3),
            (self.vanish, 2),
            (self.decay, 2),
            (self.pause, 3),
            (self.partition, 4),
            (self.weather, 3),
            (self.clock, 2),
            (self.controller_restart, 1),
            (self.reassign, 2),
            (self.min_insync, 1),
            (self.trim, 1),
            (self.rest, 2),
        ]
        # A run concentrates on some kinds, so that rare combinations come often in some.
        self.kinds = [(kind, weight) for kind, weight in self.kinds if weight and self.rng.random() < 0.6]
        self.schedule()

    def schedule(self) -> None:
        delay = 1 + int(self.rng.expovariate(1 / self.mean_ms))
        if self.world.now_ms + delay < self.end_ms:
            self.world.after(delay, self.strike)

    def strike(self) -> None:
        self.schedule()
        if self.kinds:
            kinds, weights = zip(*self.kinds, strict=True)
            self.rng.choices(kinds, weights)[0]()

    def stop(self) -> None:
        """All faults end: links heal, everyone is up and awake."""
        world = self.world
        world.network.cut.clear()
        world.network.drop = world.network.double = world.network.slow = 0.0
        for node in world.nodes.values():
            node.paused_until_ms = 0
            world.start(node.id)

    # --- what may be destroyed ---

    def others_are_safe(self, replica: int) -> bool:
        """Whether a member other than `replica` has all its data."""
        metadata = self.world.saved.metadata
        return any(
            self.world.disks[other].doubt is Integrity.INTACT
            for other in members(metadata)
            if other != replica and other not in metadata.suspects
        )

    def any_replica(self) -> int:
        return self.rng.randrange(len(self.world.disks))

    # --- faults ---

    def crash(self, replica: int | None = None) -> None:
        """A process ends, or a machine loses power; it comes back later."""
        world, settings = self.world, self.world.settings
        replica = self.any_replica() if replica is None else replica
        world.note(f"crash of {replica}")
        world.stop(replica)
        if self.rng.random() < 0.7 and (settings.commit_synced or self.others_are_safe(replica)):
            world.disks[replica].lose_power(self.rng, commits_synced=settings.commit_synced)
        world.after(self.rng.randint(1, self.rng.choice((40, 300, 2500))), lambda: world.start(replica))

    def crash_all(self) -> None:
        """Everything goes down at about the same time."""
        for replica in self.world.disks:
            if self.rng.random() < 0.9:
                self.crash(replica)
        if self.rng.random() < 0.5:
            self.controller_restart()

    def blackout(self) -> None:
        """All lose power where nothing waits for syncs: what was not synced anywhere is lost, and known to be."""
        self.world.checker.may_lose = True
        for replica in self.world.disks:
            self.world.stop(replica)
            self.world.disks[replica].lose_power(self.rng, commits_synced=False)
            self.world.after(self.rng.randint(1, 400), lambda replica=replica: self.world.start(replica))  # type: ignore[misc]

    def vanish(self) -> None:
        """A directory is deleted, while its replica runs or is down."""
        world, replica = self.world, self.any_replica()
        if self.others_are_safe(replica):
            world.note(f"the directory of {replica} vanishes")
            world.stop(replica)
            world.disks[replica].vanish()
            world.after(self.rng.randint(1, 500), lambda: world.start(replica))

    def decay(self) -> None:
        replica = self.any_replica()
        if self.others_are_safe(replica):
            self.world.damage(replica)

    def pause(self) -> None:
        node = self.world.nodes[self.rng.choice((*self.world.disks, *self.world.disks, CONTROLLER))]
        node.paused_until_ms = self.world.now_ms + self.rng.choice((100, 900, 2000))
        self.world.note(f"pause of {node.id} until {node.paused_until_ms}")

    def partition(self) -> None:
        """Links are cut, one way or both, of one replica or between some; or heal."""
        cut, nodes = self.world.network.cut, [*self.world.disks, CONTROLLER]
        if cut and self.rng.random() < 0.4:
            cut.clear()
            self.world.note("links heal")
            return
        one = self.rng.choice(nodes)
        others = [node for node in nodes if node != one and self.rng.random() < self.rng.choice((0.3, 1.0))]
        ways = self.rng.choice(("in", "out", "both"))
        self.world.note(f"cut {ways} of {one} and {others}")
        for other in others:
            if ways != "in":
                cut.add((one, other))
            if ways != "out":
                cut.add((other, one))

    def weather(self) -> None:
        network = self.world.network
        network.drop = self.rng.choice((0.0, 0.02, 0.2))
        network.double = self.rng.choice((0.0, 0.1, 0.4))
        network.slow = self.rng.choice((0.0, 0.05, 0.3))

    def clock(self) -> None:
        node = self.world.nodes[self.rng.choice((*self.world.disks, CONTROLLER))]
        node.clock_ms += self.rng.choice((-HOUR_MS, -700, 700, HOUR_MS))

    def controller_restart(self) -> None:
        world = self.world
        world.note("crash of the controller")
        world.stop(CONTROLLER)
        world.after(self.rng.randint(1, 800), lambda: world.start(CONTROLLER))

    def rest(self) -> None:
        """Some time without trouble, so that a run does not consist of it."""
        self.stop()

    # --- operators ---

    def reassign(self) -> None:
        world = self.world
        least = max(world.saved.metadata.min_insync, 1)
        count = self.rng.randint(least, len(world.disks))
        replicas = tuple(self.rng.sample(sorted(world.disks), count))
        world.send(OPERATOR, CONTROLLER, Reassign(OPERATOR, 0, replicas))

    def min_insync(self) -> None:
        self.world.send(OPERATOR, CONTROLLER, SetMinInsync(OPERATOR, 0, self.rng.randint(1, 3)))

    def trim(self) -> None:
        """Retention drops the older half of what the leader has."""
        leader = self.world.leader()
        if leader is not None and (entries := self.world.disks[leader.id].entries):
            offset = entries[len(entries) // 2].base_offset
            self.world.deliver(self.world.nodes[leader.id], Trim(offset))
