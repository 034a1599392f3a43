"""A directory leaves a running storage: whether it may, moving its partitions elsewhere, letting go of it.

`begin`, `move_partitions`, `complete`; or `give_up`. Nothing on disk says that a directory is leaving: after a crash it
is one like the others, with fewer replicas or none.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping

from storage.errors import DirectoryInUse, DirectoryNeeded, StorageError, UnsupportedConfig
from storage.replication.directories import Directories, Directory
from storage.replication.manager import Replication

ROUND_SECONDS = 0.05

Check = Callable[[int, int], None]
"""Called every now and then with how many partitions have nothing (any more) in the directory, and how many there are;
what it raises breaks the work off.
"""


def begin(replication: Replication, path: str, opened_by: str, factors: Mapping[str, int]) -> Directory:
    """Give a directory nothing new from now on. factors: the replicas that each topic asks for by its name.

    Raises DirectoryNotFound, DirectoryInUse for the directory `opened_by` and one that is leaving already,
    UnsupportedConfig if a topic needs as many directories as there are, DirectoryNeeded if no other is in use.
    """
    directories = replication.directories
    member = directories.named(path)
    if member.leaving:
        raise DirectoryInUse(f'directory "{member.path}" is being dropped already')
    staying = len(directories.staying) - 1
    if staying == 0:
        raise UnsupportedConfig(
            f'directory "{member.path}" is the only one of this storage', hint="add another directory first"
        )
    if member.path == opened_by:
        raise DirectoryInUse(
            f'directory "{member.path}" is the one that the storage was opened by',
            hint="open the storage by another of its directories, and drop this one then",
        )
    _require_room(directories, member, factors)
    member.leaving = True
    return member


def _require_room(directories: Directories, member: Directory, factors: Mapping[str, int]) -> None:
    """Raise what keeps the other directories from taking everything."""
    staying = len(directories.staying) - 1
    demanding = sorted(topic for topic, factor in factors.items() if factor > staying)
    if demanding:
        more = f" (and {len(demanding) - 1} more)" if len(demanding) > 1 else ""
        raise UnsupportedConfig(
            f'topic "{demanding[0]}"{more} has replication factor {factors[demanding[0]]}, and {staying} '
            f"{'directory' if staying == 1 else 'directories'} would be left",
            hint=f"ALTER TOPIC {demanding[0]} SET (replication_factor = {staying}) first",
        )
    if not [each for each in directories.taking if each != member.id]:
        raise DirectoryNeeded(f'directory "{member.path}" is the only one in use', hint="bring another one back first")


def move_partitions(replication: Replication, member: Directory, check: Check) -> None:
    """Move every partition elsewhere, while appends go on. Raises what `check` raises, and DirectoryNeeded, NoReplica
    or the error of a copy when a partition cannot be moved.
    """
    pause = threading.Event()
    while True:
        moved, partitions = _move(replication, member.id)
        check(moved, partitions)
        if moved == partitions:
            return
        replication.wake()
        pause.wait(ROUND_SECONDS)


def _move(replication: Replication, directory: int) -> tuple[int, int]:
    """Go a step further with every partition, to the directories with the fewest replicas; how many of how many
    partitions are done.
    """
    logs = replication.open_logs()
    load = Counter(replica for log in logs for replica in log.replication.metadata.replicas)
    moved = 0
    for log in logs:
        others = sorted(replication.directories.taking, key=lambda other: (load[other], other))
        before = log.replication.metadata.replicas
        moved += log.vacate(directory, others)
        load.update(set(log.replication.metadata.replicas) - set(before))
    return moved, len(logs)


def complete(replication: Replication, member: Directory) -> StorageError | None:
    """Let go of a directory that no partition is in any more; returns why files were left there, if they were. Raises
    DirectoryNeeded, LogFailed.
    """
    left = replication.directories.drop(member)
    for log in replication.open_logs():
        with log.replication.lock:
            log.replication.forget(member.id)
    return left


def give_up(replication: Replication, member: Directory) -> None:
    """Use the directory like the others again; partitions that have not moved stay, partitions that have stay moved."""
    member.leaving = False
    for log in replication.open_logs():
        replication.set_factor(log, log.context.config.replication_factor or 1)
