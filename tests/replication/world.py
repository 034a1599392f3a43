"""A simulated world for the replication machine: virtual time, network, disks and clocks, all from one seed.

`World` delivers events and performs what steps ask for; it does no harm by itself (`faults` does).
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from storage.replication import codec, controller, machine
from storage.replication.committed_note import still_committed
from storage.replication.controller import Controller, Saved
from storage.replication.messages import (
    CONTROLLER,
    Answered,
    Append,
    Appended,
    AppendRefused,
    Damaged,
    Decided,
    Event,
    Integrity,
    Message,
    Refusal,
    Synced,
    Tick,
)
from storage.replication.state import Following, Leading, Replica, Settings, opened
from tests.replication.checker import Checker, Violation
from tests.replication.disk import Disk

CLIENT = 100
OPERATOR = 101
TICK_MS = 50
SLOWEST_MS = 1500
"""A message arrives after that time, or never."""
TIMES = {
    "lag_limit_ms": 800,
    "fetch_timeout_ms": 120,
    "heartbeat_ms": 100,
    "session_timeout_ms": 600,
    "election_wait_ms": 200,
    "tick_max_ms": 150,
}


@dataclass
class Node:
    """One replica (or the controller, without a disk): its state while it is up, its clock, whether it is paused."""

    id: int
    state: Replica | Controller | None = None
    lives: int = 0
    clock_ms: int = 0
    paused_until_ms: int = 0
    opening: int = 0
    """Counts restarts, so that what was under way in an earlier process does not reach the next one."""


@dataclass
class Network:
    """What happens to messages; probabilities, and the pairs (from, to) that are cut."""

    drop: float = 0.0
    double: float = 0.0
    slow: float = 0.0
    cut: set[tuple[int, int]] = field(default_factory=set)


class World:
    """Replicas `0..count-1`, of which the first `members` hold the partition, a controller, a client, an operator."""

    def __init__(self, rng: random.Random, settings: Settings, *, count: int, members: int, min_insync: int) -> None:
        self.rng = rng
        self.settings = settings
        self.now_ms = 0
        self.queue: list[tuple[int, int, Callable[[], None]]] = []
        self.sequence = 0
        self.network = Network()
        self.disks = {replica: Disk() for replica in range(count)}
        self.checker = Checker(self.disks)
        self.nodes = {replica: Node(replica) for replica in (*range(count), CONTROLLER)}
        first = controller.created(settings, tuple(range(members)), min_insync)
        self.saved: Saved = controller.saved(first)
        self.nodes[CONTROLLER].state = first
        self.payloads: dict[int, bytes] = {}
        self.acknowledged: set[int] = set()
        self.refusals: dict[Refusal, int] = {}
        self.hinted = 0
        self.as_bytes = False
        self.trace: Callable[[str], None] | None = None
        for replica in range(count):
            self.start(replica)
        for node in self.nodes.values():
            self.after(self.rng.randint(0, TICK_MS), lambda node=node: self.tick(node))  # type: ignore[misc]

    # --- time ---

    def after(self, delay_ms: int, action: Callable[[], None]) -> None:
        self.sequence += 1
        heapq.heappush(self.queue, (self.now_ms + delay_ms, self.sequence, action))

    def run(self, until_ms: int, stop: Callable[[], bool] | None = None) -> bool:
        """Let everything happen up to a time, or until `stop`; whether it stopped."""
        while self.queue and self.queue[0][0] <= until_ms:
            self.now_ms, _, action = heapq.heappop(self.queue)
            action()
            if stop is not None and stop():
                return True
        self.now_ms = max(self.now_ms, until_ms)
        return False

    def note(self, text: str) -> None:
        if self.trace is not None:
            self.trace(f"{self.now_ms:6d} {text}")

    def tick(self, node: Node) -> None:
        self.after(TICK_MS, lambda: self.tick(node))
        if node.state is not None and self.now_ms >= node.paused_until_ms:
            self.deliver(node, Tick(self.now_ms + node.clock_ms))

    # --- up and down ---

    def start(self, replica: int) -> None:
        """Open a replica on what its disk holds, or the controller on what it saved."""
        node = self.nodes[replica]
        if node.state is not None:
            return
        node.opening += 1
        if replica == CONTROLLER:
            node.state = controller.reopened(self.settings, self.saved)
            return
        disk = self.disks[replica]
        if disk.bad_from is not None:
            disk.doubt = Integrity.DAMAGED
        log = disk.found()
        known = still_committed(log, *disk.noted)
        life = self.new_life(node)
        node.state = opened(replica, self.settings, life=life, log=log, integrity=disk.doubt, high_watermark=known)
        self.note(f"replica {replica} starts with {disk.found()}, {disk.doubt.name}")
        self.sync_soon(node)

    def new_life(self, node: Node) -> int:
        """Random, hence different from all others, and not in any order."""
        node.lives += 1
        return self.rng.getrandbits(40)

    def stop(self, replica: int) -> None:
        """The process ends; the disk stays as it is."""
        node = self.nodes[replica]
        node.state = None
        if replica != CONTROLLER:
            self.disks[replica].syncing = None
            self.checker.stopped(replica)

    def delete(self, replica: int) -> None:
        """The partition has moved away from a replica, and its directory is deleted."""
        self.note(f"replica {replica} deletes what it no longer needs")
        self.stop(replica)
        self.disks[replica].vanish()
        self.after(1, lambda: self.start(replica))

    # --- events ---

    def deliver(self, node: Node, event: Event) -> None:
        """One step, and all it asks for."""
        if node.state is None:
            return
        if self.trace is not None and not isinstance(event, Tick):
            self.note(f"{node.id}: {event}")
        if isinstance(node.state, Controller):
            self.step_controller(node, node.state, event)
        else:
            self.step_replica(node, node.state, event)

    def step_controller(self, node: Node, state: Controller, event: Event) -> None:
        before = state.metadata
        node.state, ready = controller.step(state, event)
        if ready.save is not None:
            self.saved = self.carried(ready.save)
        if node.state.metadata != before:
            self.note(f"decided: {node.state.metadata}")
            self.checker.decided(before, node.state.metadata)
        for send in ready.messages:
            self.send(CONTROLLER, send.to, send.message)

    def step_replica(self, node: Node, state: Replica, event: Event) -> None:
        disk = self.disks[node.id]
        node.state, ready = machine.step(state, event)
        disk.perform(ready)
        if disk.end != node.state.log.end and not node.state.uncut:
            raise Violation(f"replica {node.id} takes its log to end at {node.state.log.end}, not {disk.end}")
        if node.state.integrity is Integrity.INTACT and disk.bad_from is None:
            disk.doubt = Integrity.INTACT
        if ready.appends:
            if not self.settings.commit_synced:
                self.checker.note_stored(node.id, list(ready.appends))
            self.sync_soon(node)
        if isinstance(node.state.role, (Leading, Following)):
            disk.note_committed(node.state.role.epoch, node.state.high_watermark)
        self.checker.after_step(state, node.state)
        if node.state.is_removed and disk.entries and self.rng.random() < 0.05:
            self.delete(node.id)
        for read in ready.reads:
            entries = disk.read(read, self.rng.randint(1, 8))
            self.send(node.id, read.to, replace(read.reply, entries=entries))
        for send in ready.messages:
            self.send(node.id, send.to, send.message)

    def sync_soon(self, node: Node) -> None:
        disk = self.disks[node.id]
        if disk.syncing is None and disk.synced < disk.end:
            disk.syncing = disk.end
            opening = node.opening
            self.after(self.rng.randint(1, 15), lambda: self.sync(node, opening))

    def sync(self, node: Node, opening: int) -> None:
        """A sync ends; it counts for what was there when it began and is there still."""
        disk = self.disks[node.id]
        if node.opening != opening or node.state is None or disk.syncing is None:
            return
        if self.now_ms < node.paused_until_ms:
            self.after(node.paused_until_ms - self.now_ms, lambda: self.sync(node, opening))
            return
        done = [e for e in disk.entries if disk.synced < e.next_offset <= disk.syncing] if disk.entries else []
        disk.synced, disk.syncing = max(disk.synced, disk.syncing), None
        if self.settings.commit_synced:
            self.checker.note_stored(node.id, done)
        self.deliver(node, Synced(disk.synced))
        self.sync_soon(node)

    # --- network ---

    def carried(self, message: Message | Saved) -> Message | Saved:  # type: ignore[override]
        """A message as it arrives: in some runs, out of bytes."""
        return codec.decode(codec.encode(message)) if self.as_bytes else message

    def send(self, sender: int, to: int, message: Message) -> None:
        if to in (CLIENT, OPERATOR):
            self.answered(message)
            return
        if self.trace is not None:
            self.note(f"{sender} -> {to}: {message}")
        network, rng = self.network, self.rng
        if (sender, to) in network.cut or rng.random() < network.drop:
            return
        for _ in range(2 if rng.random() < network.double else 1):
            slow = rng.random() < network.slow
            self.after(rng.randint(20, SLOWEST_MS) if slow else rng.randint(1, 6), lambda: self.arrive(to, message))

    def arrive(self, to: int, message: Message) -> None:
        node = self.nodes[to]
        if self.now_ms < node.paused_until_ms:
            self.after(node.paused_until_ms - self.now_ms + self.rng.randint(0, 5), lambda: self.arrive(to, message))
            return
        arrived = self.carried(message)
        assert not isinstance(arrived, Saved)
        self.deliver(node, arrived)

    # --- clients ---

    def append(self) -> int:
        """A client appends to whom it takes for the leader; returns the request's number."""
        request = len(self.payloads)
        self.payloads[request] = b"%d" % request
        if self.rng.random() < 0.1:
            self.hinted = self.rng.randrange(len(self.disks))
        records = self.rng.randint(1, 3)
        self.send(CLIENT, self.hinted, Append(CLIENT, request, records, self.payloads[request]))
        return request

    def answered(self, message: Message) -> None:
        if isinstance(message, Appended):
            self.checker.acknowledgement(message, self.payloads[message.request])
            self.acknowledged.add(message.request)
        elif isinstance(message, AppendRefused):
            self.refusals[message.reason] = self.refusals.get(message.reason, 0) + 1
            if message.leader >= 0:
                self.hinted = message.leader
        else:
            assert isinstance(message, (Answered, Decided))

    # --- what the world looks like ---

    def replica(self, replica: int) -> Replica | None:
        state = self.nodes[replica].state
        return state if isinstance(state, Replica) else None

    @property
    def controller(self) -> Controller | None:
        state = self.nodes[CONTROLLER].state
        return state if isinstance(state, Controller) else None

    def leader(self) -> Replica | None:
        """The replica that leads in the newest epoch."""
        leading = [s for n in self.disks if (s := self.replica(n)) is not None and isinstance(s.role, Leading)]
        return max(leading, key=lambda s: s.role.epoch if isinstance(s.role, Leading) else -1, default=None)

    def settled(self) -> str | None:
        """What is still wrong with a world without faults; None if nothing is."""
        metadata = self.saved.metadata
        leader = self.leader()
        if metadata.target:
            return f"the reassignment to {metadata.target} does not end"
        if leader is None or leader.id != metadata.leader:
            return "there is no leader"
        if set(metadata.isr) != set(metadata.replicas):
            return f"of {metadata.replicas} only {metadata.isr} are in sync"
        for number in metadata.replicas:
            state = self.replica(number)
            if state is None or state.high_watermark != leader.log.end or state.log.end != leader.log.end:
                return f"replica {number} has not all of {leader.log.end} records committed"
        return None

    def damage(self, replica: int) -> None:
        """Some entries of a replica become unreadable, and if it is up it notices."""
        disk, node = self.disks[replica], self.nodes[replica]
        if not disk.entries:
            return
        offset = disk.decay(self.rng)
        self.note(f"replica {replica} cannot read from {offset} on")
        if node.state is not None:
            self.deliver(node, Damaged(offset, self.new_life(node)))
