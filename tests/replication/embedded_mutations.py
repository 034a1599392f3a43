"""Planted faults: the embedded transport with one rule broken. The simulation of it must find each of them."""

from __future__ import annotations

from typing import Any

from storage.errors import StorageError
from storage.replication import directories
from storage.replication.directories import Directories, Directory
from storage.replication.local_replica import LocalReplica
from storage.replication.partition import Partition
from tests.replication.mutations import Mutation


def keep_who_fails(self: Partition, leader: LocalReplica, failed: dict[LocalReplica, StorageError], end: int) -> bool:
    """A follower that could not be written stays in sync."""
    return real_stored_in_part(self, leader, failed, end) if leader in failed else True


def say_nothing_of_a_loss(self: Directories, root: str, error: OSError) -> None:
    """The other directories are not told that one has fallen out."""
    member = next(member for member in self.members.values() if member.path == root)
    member.error = directories.LogFailed(f'directory "{root}" failed: {error.strerror}')


def reuse_ids(found: Any, newest: Any) -> tuple[dict[int, Directory], int]:
    """The id of a directory that was being added when the process ended is free again."""
    members, _ = real_members(found, newest)
    return members, 0 if newest is None else newest.next_id


def note_nothing(self: LocalReplica, epoch: int, offset: int, sync: bool = False) -> None:
    """How far records are committed is not kept."""


real_stored_in_part = Partition._stored_in_part
real_members = directories._members

MUTATIONS = (
    Mutation("keep in sync who fails", Partition, "_stored_in_part", keep_who_fails),
    Mutation("say nothing of lost directories", Directories, "_lost", say_nothing_of_a_loss),
    Mutation("give ids out again", directories, "_members", reuse_ids),
    Mutation("do not note what is committed", LocalReplica, "note_committed", note_nothing),
)
