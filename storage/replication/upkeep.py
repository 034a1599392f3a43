"""What an operator asks for of partitions: repairing them, naming their replicas, a leader that may lack records."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import NamedTuple

from storage.errors import DirectoryInUse, InvalidConfig
from storage.replication.manager import TEND_BYTES, ReplicaStatus, Replication
from storage.replication.partition import Lives
from storage.replication.replicated_log import ReplicatedLog

ROUND_SECONDS = 0.05
ATTEMPTS = 5
"""Rounds in which nothing but errors comes of replicas that are out of sync, before they are given up."""

Check = Callable[[int, int], None]
"""Called every now and then with how many partitions are whole, and how many there are; what it raises breaks off."""


class Loss(NamedTuple):
    """What an unclean election may have cost: all records from `end_offset` on that had been committed. directory: that
    of the new leader. absent: directories that had every committed record and cannot be used.
    """

    directory: str
    end_offset: int
    absent: tuple[str, ...]


class Repair(NamedTuple):
    """What a repair came to: the replicas that it has brought back, and those that it could not."""

    repaired: tuple[ReplicaStatus, ...]
    broken: tuple[ReplicaStatus, ...]


def repair(replication: Replication, logs: Sequence[ReplicatedLog], check: Check) -> Repair:
    """Read every record of every replica of some partitions, as if for the first time, and bring back what is damaged
    or behind. Raises what `check` raises, and CorruptLog for damage in the last replica that is in sync.
    """
    lives = [log.examine() for log in logs]
    pause = threading.Event()
    attempts = 0
    while attempts < ATTEMPTS:
        statuses, busy = _round(replication, logs)
        check(len(logs) - busy, len(logs))
        broken = tuple(status for status in statuses if not status.in_sync)
        if not busy and not broken:
            break
        attempts = attempts + 1 if not busy and all(status.error is not None for status in broken) else 0
        pause.wait(ROUND_SECONDS)
    for log in logs:
        failure = log.failure
        if failure is not None:
            raise failure
    # Whoever looked after them, this or the thread that always does: a replica that was brought back has another life.
    repaired = (replication.statuses(log, renewed_since(log, before)) for log, before in zip(logs, lives, strict=True))
    return Repair(tuple(status for found in repaired for status in found if status.in_sync), broken)


def renewed_since(log: ReplicatedLog, before: Lives) -> list[int]:
    """The replicas that were opened, or cut off at damage, since there were those lives."""
    return [number for number, life in log.lives().items() if before.get(number) != life]


def _round(replication: Replication, logs: Sequence[ReplicatedLog]) -> tuple[list[ReplicaStatus], int]:
    """Look after directories and partitions once: (their replicas, for how many partitions there is more to do)."""
    replication.directories.try_again()
    replication.tend_directories()
    for log in logs:
        log.try_again()
    busy = sum(log.tend(TEND_BYTES) for log in logs)
    return [status for log in logs for status in replication.statuses(log)], busy


def assign(replication: Replication, log: ReplicatedLog, paths: Sequence[str]) -> None:
    """Begin to move a partition to other directories, of which the first is to lead. Raises DirectoryNotFound,
    DirectoryInUse for one that is being dropped, InvalidConfig for another number of them than the topic's.
    """
    members = [replication.directories.named(path) for path in paths]
    for member in members:
        if member.leaving:
            raise DirectoryInUse(f'directory "{member.path}" is being dropped')
        if members.count(member) > 1:
            raise InvalidConfig(f'directory "{member.path}" is named twice', hint="name each directory once")
    factor = log.context.config.replication_factor or 1
    if len(members) != factor:
        raise InvalidConfig(
            f'topic "{log.context.name}" has replication factor {factor}, and {len(members)} '
            f"{'directory is' if len(members) == 1 else 'directories are'} named",
            hint=f"name {factor}, or change replication_factor by ALTER TOPIC first",
        )
    log.assign([member.id for member in members])
    replication.wake()


def change_number(replication: Replication, logs: Sequence[ReplicatedLog], path: str, by: int) -> None:
    """Begin to give each partition one more replica, in a directory of the storage, or one less (`by`: 1 or -1), the
    one there. Those that have one there already, or have none, are left to the topic's new replication factor. Raises
    DirectoryNotFound, DirectoryInUse for one that is being dropped, InvalidConfig if no partition is concerned.
    """
    member = replication.directories.named(path)
    if by > 0 and member.leaving:
        raise DirectoryInUse(f'directory "{member.path}" is being dropped')
    wanted = {log: list(log.replication.metadata.target or log.replication.metadata.replicas) for log in logs}
    concerned = [log for log in logs if (member.id in wanted[log]) == (by < 0)]
    if not concerned:
        whose = f'partition of topic "{logs[0].context.name}" has a replica in directory "{member.path}"'
        raise InvalidConfig(f"every {whose}" if by > 0 else f"no {whose}", hint="SHOW REPLICAS tells where they are")
    for log in concerned:
        others = [number for number in wanted[log] if number != member.id]
        log.assign([*others, member.id] if by > 0 else others)
    replication.wake()


def elect_unclean(replication: Replication, log: ReplicatedLog) -> Loss:
    """A leader for a partition whose in-sync replicas are all gone: whose log goes furthest of those that are there.
    Raises NoElection if there is a leader, or none can be.
    """
    partition, directories = log.replication, replication.directories
    with partition.lock:
        before = partition.metadata
        leader = log.elect_unclean()
        absent = [number for number in (*before.isr, *before.eligible) if not partition.is_live(number)]
        paths = [directories.members[number].path for number in absent if number in directories.members]
        loss = Loss(directories.members[leader.id].path, leader.log.end_offset, tuple(sorted(set(paths))))
    replication.wake()
    return loss
