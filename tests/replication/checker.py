"""What must be true of every run, checked while it runs, by looking at the disks and never asking the protocol.

1. No two replicas commit different entries at one offset, and no committed entry is ever missing from a new leader.
2. Within a leader's epoch the high watermark never goes back.
3. An epoch has one leader.
4. Who is told that an append is committed finds it committed at the offset named; while a newer leader is at work, an
   older one commits nothing that the newer one does not have.
5. An entry is committed only when min_insync_replicas replicas have stored it (and synced it, where that is asked for).
6. A leader that a reassignment leaves out has nothing that is not committed: nobody waits for what goes with it.
7. No election risks a committed record, and the partition has a leader in the end, unless there was an n-th failure.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from storage.replication.election import members
from storage.replication.messages import NOBODY, Appended, Entry, Integrity, Metadata
from storage.replication.state import Following, Leading, Replica
from tests.replication.disk import Disk


class Violation(AssertionError):
    """An invariant does not hold."""


@dataclass
class Checker:
    """The committed history, and who led when."""

    disks: dict[int, Disk]
    committed: list[Entry] = field(default_factory=list)
    reigns: list[int] = field(default_factory=list)
    """In which epoch each of them was committed."""
    leaders: dict[int, int] = field(default_factory=dict)
    watermarks: dict[int, int] = field(default_factory=dict)
    stored: dict[tuple[int, int], set[int]] = field(default_factory=dict)
    leading: dict[int, int] = field(default_factory=dict)
    may_lose: bool = False
    known_loss: int = -1
    acknowledged: int = 0

    @property
    def end(self) -> int:
        """Offset of the first record that is not known to be committed."""
        return self.committed[-1].next_offset if self.committed else 0

    # --- what the simulation tells ---

    def note_stored(self, replica: int, entries: list[Entry]) -> None:
        """A replica has these entries, as firmly as it is asked for."""
        for entry in entries:
            self.stored.setdefault((entry.leader_epoch, entry.base_offset), set()).add(replica)

    def after_step(self, before: Replica, state: Replica) -> None:
        """A replica made a step and its disk has followed."""
        role = state.role
        if isinstance(role, Leading):
            if not isinstance(before.role, Leading) or before.role.epoch != role.epoch:
                self.new_leader(state, role.epoch)
            if state.high_watermark < self.watermarks.get(role.epoch, -1):
                raise Violation(f"the high watermark of epoch {role.epoch} went back to {state.high_watermark}")
            self.watermarks[role.epoch] = state.high_watermark
            self.leading[state.id] = role.epoch
        else:
            self.leading.pop(state.id, None)
        if state.high_watermark > self.disks[state.id].verified and self.is_in_line(state):
            self.has_committed(state)

    def is_in_line(self, state: Replica) -> bool:
        """Whether what a replica takes for committed must be so: after a loss, if it has joined the new leader."""
        if self.known_loss < 0:
            return True
        if isinstance(state.role, Following):
            return state.role.validated and state.role.epoch >= self.known_loss
        return isinstance(state.role, Leading) and state.role.epoch >= self.known_loss

    def stopped(self, replica: int) -> None:
        """A replica is down."""
        self.leading.pop(replica, None)

    def decided(self, before: Metadata, metadata: Metadata) -> None:
        """The controller decided something."""
        if self.is_safe(before) and not self.is_safe(metadata):
            self.may_lose = True
        if is_left_out(before, metadata):
            self.check_has_nothing_else(before.leader)
        if metadata.unclean_epoch <= self.known_loss:
            return
        if not self.may_lose:
            raise Violation(f"epoch {metadata.unclean_epoch} began with a leader that may lack committed records")
        self.known_loss = metadata.unclean_epoch
        disk = self.disks[metadata.leader]
        readable = disk.found().end
        while self.committed and (
            self.committed[-1].next_offset > readable or disk.at(self.committed[-1].base_offset) != self.committed[-1]
        ):
            self.committed.pop()
            self.reigns.pop()
        for disk in self.disks.values():
            disk.verified = min(disk.verified, self.end)

    def is_safe(self, metadata: Metadata) -> bool:
        """Whether a member lost nothing. When the last one that did not is cut off and taken for dead while the others
        lost their data, that was the n-th failure.
        """
        return any(
            self.disks[replica].doubt is Integrity.INTACT
            for replica in members(metadata)
            if replica not in metadata.suspects
        )

    # --- invariants ---

    def new_leader(self, state: Replica, epoch: int) -> None:
        other = self.leaders.setdefault(epoch, state.id)
        if other != state.id:
            raise Violation(f"epoch {epoch} has two leaders, {other} and {state.id}")
        self.check_has_all(state.id, f"the leader of epoch {epoch}", epoch)

    def check_has_all(self, replica: int, who: str, epoch: int) -> None:
        """Every entry committed in epochs up to `epoch` is there; a replica may hear late that it led an old one."""
        disk = self.disks[replica]
        for entry, reign in zip(reversed(self.committed), reversed(self.reigns), strict=True):
            if entry.next_offset <= max(disk.verified, disk.start):
                return
            if reign > epoch:
                continue
            found = disk.at(entry.base_offset)
            if found is None:
                raise Violation(f"{who}, replica {replica}, lacks committed offset {entry.base_offset}")
            if found != entry:
                raise Violation(f"{who}, replica {replica}, has another entry at offset {entry.base_offset}")

    def check_has_nothing_else(self, leader: int) -> None:
        """All that a leader has is committed; unless there was a loss, after which it may have what is taken back."""
        end = self.disks[leader].end
        if end > self.end and not self.may_lose:
            raise Violation(f"leader {leader} is left out with records up to {end}, of which {self.end} are committed")

    def has_committed(self, state: Replica) -> None:
        """Entries below the replica's high watermark are the committed ones; new ones become so."""
        disk, end = self.disks[state.id], state.high_watermark
        offset = max(disk.verified, disk.start)
        while offset < end:
            entry = disk.at(offset)
            if entry is None:
                raise Violation(f"replica {state.id} committed {end} without an entry at {offset}")
            if offset >= self.end:
                if self.known_loss >= 0 and not isinstance(state.role, Leading):
                    return  # it knew that to be committed before the loss, and the new leader not yet
                self.commit(state, entry)
            elif self.committed_at(offset) != entry:
                raise Violation(f"replica {state.id} committed another entry at offset {offset}")
            offset = entry.next_offset
        disk.verified = max(disk.verified, offset)

    def committed_at(self, offset: int) -> Entry | None:
        low, high = 0, len(self.committed)
        while low < high:
            middle = (low + high) // 2
            if self.committed[middle].base_offset < offset:
                low = middle + 1
            else:
                high = middle
        found = self.committed[low] if low < len(self.committed) else None
        return found if found is not None and found.base_offset == offset else None

    def commit(self, state: Replica, entry: Entry) -> None:
        if not isinstance(state.role, Leading):
            raise Violation(f"follower {state.id} commits offset {entry.base_offset} before any leader")
        for replica, epoch in self.leading.items():
            if epoch > state.role.epoch and self.disks[replica].at(entry.base_offset) != entry:
                raise Violation(
                    f"the old leader of epoch {state.role.epoch} commits what that of {epoch} does not have"
                )
        holders = self.stored.get((entry.leader_epoch, entry.base_offset), set())
        assert state.metadata is not None
        if len(holders) < state.metadata.min_insync:
            raise Violation(f"offset {entry.base_offset} is committed with {len(holders)} replicas")
        self.committed.append(entry)
        self.reigns.append(state.role.epoch)

    def acknowledgement(self, message: Appended, payload: bytes) -> None:
        """A client is told that its append is committed."""
        found = self.committed_at(message.base_offset)
        if found is None or found.payload != payload:
            raise Violation(f"request {message.request} was acknowledged at {message.base_offset} and is not there")
        self.acknowledged += 1


def is_left_out(before: Metadata, metadata: Metadata) -> bool:
    """Whether a decision ends a reassignment, and the reign of a leader that was to go."""
    ended = bool(before.target) and not metadata.target and metadata.replicas == before.target
    return ended and before.leader != NOBODY and before.leader not in metadata.replicas
