"""Seeds of a storage in several directories whose disks fail: the real thing over simulated disks (`disks`).

    python -m tests.replication.embedded 17 --trace        one seed, every step
    python -m tests.replication.embedded 0 --count 1000    many seeds

What is destroyed, or cannot be used, is at any time such that one directory is left that was in sync by the storage's
own account: then, by its promise, everything goes on. What must hold:

1. The log is what was appended: whole batches in the order in which they were sent, all that were acknowledged at the
   offsets that were told, none that was refused, none twice. After a power failure with durability `os` a part of the
   end that was not synced may be gone.
2. The high watermark never goes back, nor behind what was acknowledged: not while the storage is open, and not over an
   opening either; but with too few replicas in sync it may lag after a power failure, or where its note is lost.
3. With min_insync_replicas = 1 no append and no read fails, and every opening succeeds.
4. The metadata journal has everything that was acknowledged, in order, and nothing that was not sent.
5. Without faults every directory comes to have everything: all but one may be deleted then.
"""

from __future__ import annotations

import errno
import random
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import storage
from storage.replication.manager import Replication
from storage.replication.refusals import InvalidAssignment
from storage.replication.replicated_log import ReplicatedLog
from tests.replication.disks import Crash, Disks
from tests.replication.history import History, Violation
from tests.replication.no_threads import without_threads
from tests.replication.seeds import run_seeds
from tests.storage.conftest import SCHEMA

NAMES = ("a", "b", "c", "d")
STEPS = (10, 25, 50)
OPERATIONS = ("open", "write", "resize", "sync", "rename", "remove", "sync_dir", "mkdir", "any", "any")
PEACE_ROUNDS = 60


class Machine:
    """A storage on `Disks`, a client that appends, and what they did so far."""

    def __init__(self, root: str, rng: random.Random, trace: Callable[[str], None] | None) -> None:
        self.rng = rng
        self.trace = trace
        self.disks = Disks(root, rng)
        self.names = list(NAMES[: rng.choice((2, 3, 3))])
        self.durability = rng.choice(("group", "group", "sync", "os"))
        self.min_insync = rng.choice((1, 1, 1, 2))
        self.history = History(idempotent=rng.random() < 0.5)
        self.safe: set[str] = set()
        self.harmed: set[str] = set()
        self.flipped: dict[str, list[tuple[Path, int, bytes]]] = {}
        self.faulty: set[str] = set()
        self.may_lack_synced = self.is_in_doubt = False
        self.may_lag = False
        self.watermark = self.synced = 0
        self.storage: storage.Storage | None = None
        self.log: ReplicatedLog
        self.note(f"{len(self.names)} directories, {self.durability}, min_insync {self.min_insync}")
        self.open()
        config = storage.TopicConfig(
            durability=self.durability,  # type: ignore[arg-type]
            segment_bytes=rng.choice((4096, 16384, 1 << 20)),
            min_insync_replicas=self.min_insync,
        )
        log = self.opened.create_topic("t", SCHEMA, config).partitions[0]
        assert isinstance(log, ReplicatedLog)
        self.log = log
        self.settings = [(log.context.config.replication_factor, self.min_insync)]
        self.observe()

    def note(self, text: str) -> None:
        if self.trace is not None:
            self.trace(text)

    # --- the storage ---

    @property
    def opened(self) -> storage.Storage:
        assert self.storage is not None
        return self.storage

    @property
    def replication(self) -> Replication:
        found = self.opened._replication
        assert found is not None
        return found

    def path(self, name: str) -> str:
        return f"{self.disks.root}/{name}"

    def open(self) -> None:
        """Open, which must succeed; a crash on the way is another restart."""
        first, *others = (self.path(name) for name in self.names)
        self.storage = storage.Storage.open(first, replicas=others, env=self.disks)
        if self.opened.topics():
            log = self.opened.topic("t").partitions[0]
            assert isinstance(log, ReplicatedLog)
            self.log = log
            if self.durability == "os" or not self.shows_all:
                self.watermark = 0
            if self.needs_success and log.failure is not None:
                raise Violation(f"after opening the partition is of no use: {log.failure}")
            if log.failure is None and self.shows_all:
                self.check_after_opening()
            self.history.check_journal(self.opened.meta.replay())
            config = self.opened.topic("t").config
            if (config.replication_factor, config.min_insync_replicas) not in self.settings:
                raise Violation(f"of the settings {self.settings} none is left: {config}")

    def check_after_opening(self) -> None:
        """Read everything; where it is in doubt what was lost, damage may be found that can only be repaired later."""
        try:
            self.history.check(self.log, was_restarted=self.are_enough)
        except storage.StorageError as error:
            self.note(f"  {error}")
            if not self.is_in_doubt:
                raise Violation(f"a read failed: {error}") from error

    @property
    def are_enough(self) -> bool:
        """Whether as many are in sync as min_insync_replicas asks for."""
        metadata = self.log.replication.metadata
        return len(metadata.isr) >= metadata.min_insync

    @property
    def shows_all(self) -> bool:
        """Whether readers see all that was committed: with too few in sync, only its note tells how much that is."""
        return self.are_enough or not (self.may_lag or self.harmed)

    @property
    def needs_success(self) -> bool:
        """Whether nothing may fail."""
        return self.min_insync == 1 and bool(self.safe - self.faulty) and not self.is_in_doubt

    def observe(self) -> None:
        """Note who is in sync by the storage's account, and whether the high watermark is right."""
        in_use = {each.path for each in self.opened.directories() if each.in_use}
        statuses = {status.directory: status for status in self.opened.replicas()}
        for name in NAMES:
            path = self.path(name)
            in_sync = path in in_use and path in statuses and statuses[path].in_sync
            if not in_sync:
                self.harmed.discard(name)
            if in_sync and name not in self.harmed and not self.is_flipped(name) and self.log.failure is None:
                self.safe.add(name)
            else:
                self.safe.discard(name)
        self.is_in_doubt &= self.log.failure is not None  # settled by a leader
        self.may_lack_synced &= self.is_in_doubt
        self.may_lag &= self.log.failure is not None or not self.are_enough
        least = max(self.watermark, self.history.promised if self.shows_all else 0)
        reached = self.log.high_watermark
        if reached < least and not self.is_in_doubt and self.log.failure is None:
            raise Violation(f"the high watermark went back to {reached}")
        self.watermark = reached if self.log.failure is None else max(reached, self.watermark)

    def is_flipped(self, name: str) -> bool:
        """Whether a bit that was changed in a directory is still there."""
        for file, place, value in self.flipped.get(name, ()):
            if file.exists() and file.read_bytes()[place : place + 1] == value:
                return True
        return False

    # --- steps ---

    def play(self, steps: int) -> None:
        """Random steps. A crash ends what was under way and opens everything again."""
        kinds, weights = zip(*self.kinds(), strict=True)
        for _ in range(steps):
            self.disks.now += self.rng.choice((1_000, 300_000, 1_500_000))
            kind = self.rng.choices(kinds, weights)[0]
            self.note(f"{kind.__name__}; safe {sorted(self.safe)} harmed {sorted(self.harmed)}")
            self.attempt(kind)

    def attempt(self, work: Callable[[], None]) -> None:
        """A step, and an opening after a crash in it, which may crash again."""
        while True:
            try:
                work()
                if self.storage is None:
                    self.open()
                self.observe()
                return
            except Crash:
                self.note("  crash")
                self.restart()
                work = self.nothing

    def nothing(self) -> None:
        """Open only."""

    def restart(self, *, power_loss: bool | None = None) -> None:
        """The process has ended."""
        self.storage = None
        if power_loss is None:
            power_loss = self.rng.random() < 0.5
        if power_loss and self.durability == "os":
            self.history.doubt_from(self.synced)
            self.may_lack_synced = True
        self.is_in_doubt |= self.durability == "os"  # nobody can tell what kind of end it was
        self.may_lag |= power_loss or self.durability == "os"
        self.disks.restart(power_loss=power_loss)

    def kinds(self) -> list[tuple[Callable[[], None], float]]:
        """Steps and how often they come; a seed concentrates on some of the faults."""
        faults: list[tuple[Callable[[], None], float]] = [
            (self.fail_soon, 6),
            (self.break_disk, 2),
            (self.fill_disk, 2),
            (self.vanish, 4),
            (self.end_soon, 4),
            (self.lose_power, 2),
            (self.reopen, 3),
            (self.alter, 3),
            (self.add_or_drop, 3),
            (self.reassign, 3),
        ]
        chosen = [each for each in faults if self.rng.random() < 0.6]
        return [(self.append, 30), (self.read, 4), (self.note_metadata, 4), (self.tend, 12), (self.heal, 4), *chosen]

    def append(self) -> None:
        """A client sends a batch, or one whose fate is not known again."""
        batch = self.history.sent(self.rng)
        self.synced = self.log.durable_offset
        try:
            base = self.log.append(batch.rows, producer=batch.producer)
        except storage.StorageError as error:
            self.note(f"  {error}")
            self.history.failed(batch, error)
            if self.needs_success:
                raise Violation(f"an append failed: {error}") from error
        else:
            self.history.acknowledged(batch, base)
            self.synced = self.log.durable_offset

    def read(self) -> None:
        """Read everything; what cannot be read must have a reason."""
        if not self.shows_all:
            return
        try:
            self.history.check(self.log)
        except storage.StorageError as error:
            self.note(f"  {error}")
            if self.needs_success:
                raise Violation(f"a read failed: {error}") from error

    def note_metadata(self) -> None:
        """A record for the metadata journal."""
        record = self.history.next_record()
        try:
            self.opened.meta.append(record)
        except storage.StorageError as error:
            self.note(f"  {error}")
            if self.needs_success:
                raise Violation(f"metadata cannot be written: {error}") from error
        else:
            self.history.kept_records.add(record["number"])

    def tend(self) -> None:
        self.replication.tend()

    # --- faults ---

    def victim(self) -> str | None:
        """A directory that may be harmed: another is safe and works."""
        names = [name for name in self.names if self.safe - self.faulty - {name}]
        return self.rng.choice(names) if names else None

    def fail_soon(self) -> None:
        """Some operations on a disk will fail, for one or two more reasons than once."""
        name = self.victim()
        if name is not None:
            self.faulty.add(name)
            for _ in range(self.rng.choice((1, 1, 3))):
                operation, nth = self.rng.choice(OPERATIONS), self.rng.choice((1, 2, 5, 20))
                self.note(f"  {operation} {nth} of {name}")
                self.disks.disk(name).fail(operation, nth, self.rng.choice((errno.EIO, errno.EIO, errno.ENOSPC)))

    def break_disk(self) -> None:
        """A disk fails altogether."""
        name = self.victim()
        if name is not None:
            self.note(f"  {name}")
            self.faulty.add(name)
            self.disks.disk(name).broken = errno.EIO

    def fill_disk(self) -> None:
        """A disk has little space left."""
        name = self.victim()
        if name is not None:
            self.note(f"  {name}")
            self.faulty.add(name)
            self.disks.disk(name).space = self.rng.choice((0, 300, 3000))

    def heal(self) -> None:
        """Disks work again."""
        for name in sorted(self.faulty):
            if self.rng.random() < 0.7:
                self.disks.disk(name).heal()
                self.faulty.discard(name)

    def harm(self) -> str | None:
        """A directory that loses something now."""
        name = self.victim()
        if name is not None and not self.may_lack_synced:
            self.note(f"  {name}")
            self.harmed.add(name)
            self.safe.discard(name)
            return name
        return None

    def vanish(self) -> None:
        """A directory is removed, all of it or a part."""
        name = self.harm()
        if name is not None:
            below = [str(path)[len(self.path(name)) :] for path in sorted(Path(self.path(name)).rglob("*"))]
            if self.storage is not None:  # what a topic is, is looked at when it is opened
                below = [each for each in below if not each.startswith("/topics/") or each.count("/") > 2]
                below = [each for each in below if not each.endswith((".json", ".arrow"))]
            chosen = self.rng.choice(["", *below]) if self.rng.random() < 0.5 else ""
            self.note(f"  {chosen}")
            self.disks.vanish(name, chosen)

    def flip(self) -> None:
        """A bit of a file changes; while it is closed, because what was read once is not looked at again."""
        name = self.harm()
        files = [each for each in sorted(Path(self.path(name)).rglob("*")) if each.is_file()] if name else []
        files = [each for each in files if each.stat().st_size and each.name != "LOCK"]
        if files:
            chosen = self.rng.choice([*files, *(each for each in files if each.suffix == ".log")])
            size = len(chosen.read_bytes().rstrip(b"\0")) or chosen.stat().st_size
            place = self.rng.randrange(size)
            self.note(f"  {chosen} {place}")
            data = bytearray(chosen.read_bytes())
            data[place] ^= 1 << self.rng.randrange(8)
            chosen.write_bytes(data)
            self.flipped.setdefault(str(name), []).append((chosen, place, bytes((data[place],))))

    # --- ends and beginnings ---

    def end_soon(self) -> None:
        """The process will end at some change on a disk."""
        self.disks.crash_at(self.rng.choice(self.names), self.rng.choice((1, 3, 10, 40)))

    def lose_power(self) -> None:
        self.restart(power_loss=True)
        self.harm_while_down()

    def reopen(self) -> None:
        """Close in order, or be killed; something may be lost before the next opening."""
        if self.rng.random() < 0.6:
            self.close()
        else:
            self.restart(power_loss=False)
        self.harm_while_down()

    def close(self) -> None:
        """Close; a disk that fails at it leaves what a kill would leave."""
        try:
            self.opened.close()
        except storage.StorageError as error:
            self.note(f"  {error}")
        self.restart(power_loss=False)

    def harm_while_down(self) -> None:
        if self.rng.random() < 0.6:
            self.rng.choice((self.vanish, self.flip, self.flip))()

    # --- what operators do ---

    @property
    def is_harmed(self) -> bool:
        """Whether a directory may have lost something of which nobody knows."""
        return bool(self.harmed) or any(map(self.is_flipped, self.flipped))

    def alter(self) -> None:
        """Other settings."""
        if self.is_harmed:  # the good replica must not be given up for one of which nobody knows that it is not
            return
        most = len(self.names)
        factor, least = self.rng.randint(1, most), self.rng.choice((1, 1, 2))
        if least > factor:
            return
        self.note(f"  factor {factor} min_insync {least}")
        self.min_insync = max(self.min_insync, least)
        self.settings.append((factor, least))  # as long as nobody knows what became of it, they may be there or not
        try:
            self.opened.alter_topic("t", replication_factor=factor, min_insync_replicas=least)
            self.min_insync = least
            self.settings = [(factor, least)]
        except storage.StorageError as error:
            self.note(f"  {error}")

    def reassign(self) -> None:
        """Name the replicas, at random."""
        if self.is_harmed:
            return
        numbers = sorted(self.replication.directories.members)
        chosen = self.rng.sample(numbers, self.rng.randint(1, len(numbers)))
        self.note(f"  {chosen}")
        paths = {self.replication.directories.members[number].path for number in chosen}
        self.safe = {name for name in self.safe if self.path(name) in paths}  # if the process ends behind it
        with self.log.replication.lock:
            try:
                self.log.replication.reassign(chosen)
            except InvalidAssignment as error:
                self.note(f"  {error}")

    def add_or_drop(self) -> None:
        """One directory more, or one less."""
        if self.is_harmed:
            return
        unused = [name for name in NAMES if name not in self.names]
        try:
            if unused and (len(self.names) < 3 or self.rng.random() < 0.5):
                name = self.rng.choice(unused)
                self.note(f"  add {name}")
                self.disks.base.remove(self.path(name))
                self.names.append(name)  # if the process ends now, the next one names it
                self.opened.add_replica(self.path(name))
            else:
                name = self.rng.choice(self.names[1:])
                self.note(f"  drop {name}")
                self.opened.drop_replica(self.path(name), check=self.patience())
                self.names.remove(name)
        except storage.StorageError as error:
            self.note(f"  {error}")
            members = {member.path for member in self.replication.directories.members.values()}
            self.names = [name for name in self.names if self.path(name) in members]

    def patience(self) -> Callable[[int, int], None]:
        """Tends the replicas for some rounds, and then gives up."""
        rounds = iter(range(20))

        def check(moved: int, partitions: int) -> None:
            if next(rounds, None) is None:
                raise storage.DirectoryNeeded("the simulation has waited long enough")
            self.disks.now += 500_000
            self.replication.tend()

        return check

    # --- the end ---

    def make_peace(self, most: int = 5) -> None:
        """Without faults all directories come to have everything, however often damage is found on the way."""
        if most == 0:
            raise Violation("damage is found again and again")
        for name in self.disks.disks:
            self.disks.disk(name).heal()
        self.faulty.clear()
        self.attempt(self.reopen_in_order)
        for _ in range(PEACE_ROUNDS):
            self.disks.now += 700_000
            more = self.replication.tend()
            self.observe()
            if not more and self.is_whole():
                break
        else:
            raise Violation(f"it does not become whole: {self.opened.replicas()} {self.opened.directories()}")
        for _ in range(PEACE_ROUNDS):  # until all records have been read
            if not self.replication.tend():
                break
        else:
            raise Violation("looking after the replicas does not come to an end")
        if not self.is_whole():
            self.note("  damage was found")
            self.make_peace(most - 1)
            return
        self.harmed.clear()
        self.flipped.clear()
        self.opened.alter_topic("t", min_insync_replicas=1)
        self.min_insync = 1
        self.settings = [(self.log.context.config.replication_factor, 1)]
        self.append()
        self.history.check(self.log)

    def reopen_in_order(self) -> None:
        self.close()

    def is_whole(self) -> bool:
        """Whether every directory is in use and every replica in sync."""
        partition = self.log.replication
        return (
            all(each.in_use for each in self.opened.directories())
            and all(each.in_sync for each in self.opened.replicas())
            and not partition.metadata.target
        )

    def leave_one(self) -> None:
        """Delete all directories but one, in which everything must be."""
        holders = [status.directory for status in self.opened.replicas()]
        survivor = self.rng.choice(sorted(holders))
        if self.rng.random() < 0.5:
            self.close()
        for name in self.names:
            if self.path(name) != survivor:
                self.note(f"  {name} is deleted")
                self.disks.vanish(name)
        if self.storage is None:
            self.open()
        self.append()
        self.history.check(self.log)
        self.history.check_journal(self.opened.meta.replay())


@dataclass(frozen=True)
class Outcome:
    """What a seed came to: what is violated (None if nothing), and how much happened."""

    seed: int
    violation: str | None
    acknowledged: int
    failed: int


def run_seed(seed: int, trace: Callable[[str], None] | None = None) -> Outcome:
    """Simulate one seed; an exception that is no StorageError is a violation, too."""
    rng = random.Random(seed)
    memory = Path("/dev/shm")
    root = tempfile.mkdtemp(dir=memory if memory.is_dir() else None)
    violation = None
    machine: Machine | None = None
    try:
        with without_threads():
            machine = Machine(root, rng, trace)
            machine.play(rng.choice(STEPS))
            machine.make_peace()
            machine.leave_one()
            machine.make_peace()
            machine.close()
    except Violation as found:
        violation = str(found)
    except Exception as found:
        if trace is not None:
            raise
        violation = repr(found)
    finally:
        if machine is not None:
            machine.disks.restart(power_loss=False)
        shutil.rmtree(root, ignore_errors=True)
    history = machine.history if machine is not None else History(idempotent=False)
    return Outcome(seed, violation, len(history.known), history.failures)


if __name__ == "__main__":
    sys.exit(run_seeds(run_seed, "embedded", "a storage in several directories on simulated disks"))
