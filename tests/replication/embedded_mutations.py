"""Planted faults: the embedded transport with one rule broken. The simulation of it must find each of them."""

from __future__ import annotations

from typing import Any

from storage.errors import StorageError
from storage.log import file_log
from storage.replication import directories, local_replica, partition, state_file
from storage.replication.directories import Directories, Directory
from storage.replication.local_replica import LocalReplica
from storage.replication.messages import Integrity
from storage.replication.partition import Partition
from storage.replication.state_file import Kept, StateFile
from tests.replication.mutations import Mutation


def keep_who_fails(self: Partition, leader: LocalReplica, failed: dict[LocalReplica, StorageError], end: int) -> bool:
    """A follower that could not be written stays in sync."""
    if leader in failed:
        return real_stored_in_part(self, leader, failed, end)
    return True


def trust_every_log(*arguments: object, **named: object) -> Integrity:
    return Integrity.INTACT


def keep_nothing(self: LocalReplica, saved: Any, *, closed: bool = False) -> None:
    pass


def save_without_sync(self: StateFile, kept: Kept) -> None:
    base = self._env
    self._env = _Unsynced(base)  # type: ignore[assignment]
    try:
        real_save(self, kept)
    finally:
        self._env = base


class _Unsynced:
    """An env whose files are not synced."""

    def __init__(self, base: Any) -> None:
        self.base = base

    def __getattr__(self, name: str) -> Any:
        return getattr(self.base, name)

    def open(self, path: str, *, create: bool = False) -> Any:
        return _UnsyncedFile(self.base.open(path, create=create))


class _UnsyncedFile:
    def __init__(self, file: Any) -> None:
        self._file = file

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def sync(self) -> None:
        pass


def say_nothing_of_a_loss(self: Directories, root: str, error: OSError) -> None:
    member = next(member for member in self.members.values() if member.path == root)
    member.error = directories.LogFailed(f'directory "{root}" failed: {error.strerror}')


def reuse_ids(found: Any, newest: Any) -> tuple[dict[int, Directory], int]:
    members, _ = real_members(found, newest)
    return members, 0 if newest is None else newest.next_id


def copy_from_the_first(self: Directories) -> None:
    pass


def list_nothing(self: file_log.FileLog) -> None:
    self._is_listed = True
    real_sync(self)


real_stored_in_part = Partition._stored_in_part
real_save = StateFile.save
real_members = directories._members
real_sync = file_log.FileLog._sync

MUTATIONS = (
    Mutation("keep in sync who fails", partition.Partition, "_stored_in_part", keep_who_fails),
    Mutation("trust every log that is found", local_replica, "_integrity", trust_every_log),
    Mutation("keep no decisions", LocalReplica, "save", keep_nothing),
    Mutation("do not sync decisions", state_file.StateFile, "save", save_without_sync),
    Mutation("say nothing of lost directories", Directories, "_lost", say_nothing_of_a_loss),
    Mutation("give ids out again", directories, "_members", reuse_ids),
    Mutation("copy from a directory that lacks something", Directories, "_lose_incomplete", copy_from_the_first),
    Mutation("do not sync the names of files", file_log.FileLog, "_sync", list_nothing),
)
