"""What has changed in a table since somebody looked: files that have come and files that have gone.

A table thereby can feed a view: rows of new files come, those of vanished files go. A file that is another one under
the same name (another size, time or inode) has gone and come.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlengine.quick_dataclass import dataclass
from sqlengine.warehouse.description import TableDescription
from sqlengine.warehouse.layout import NO_OVERRIDES, FileInfo, Overrides, Partition, data_files, find_partitions
from sqlengine.warehouse.visibility import shown


@dataclass(frozen=True, slots=True)
class DataFile:
    """A file and the partition it belongs to: the same only if both are."""

    partition: Partition
    file: FileInfo


@dataclass(frozen=True, slots=True)
class Changes:
    """In the order of partitions and names. `now`: all files there are."""

    appeared: tuple[DataFile, ...]
    vanished: tuple[DataFile, ...]
    now: tuple[DataFile, ...]


def changes(
    description: TableDescription,
    known: Iterable[DataFile],
    overrides: Overrides = NO_OVERRIDES,
    *,
    has_subdirectories: bool = False,
) -> Changes:
    """The difference between the files that were known and those there are at one moment between statements."""
    with shown(description.location) as view, view.listing():
        now = [
            DataFile(partition, file)
            for partition in find_partitions(description, overrides)
            for file in data_files(partition.location, has_subdirectories=has_subdirectories)
        ]
    before = list(known)
    there, was = set(now), set(before)
    return Changes(
        tuple(file for file in now if file not in was), tuple(file for file in before if file not in there), tuple(now)
    )
