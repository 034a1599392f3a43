"""MSCK REPAIR TABLE: the partitions on disk against those somebody knows."""

from __future__ import annotations

import os
from collections.abc import Collection

from sqlengine.quick_dataclass import dataclass
from sqlengine.warehouse.description import TableDescription
from sqlengine.warehouse.layout import Partition, find_partitions, is_hidden, partition_name


@dataclass(frozen=True, slots=True)
class Repair:
    """`found`: on disk but not known (ADD); `missing`: known but not on disk (DROP); both are what SYNC takes.
    `odd`: directories of the table that are no partitions of its columns."""

    found: tuple[Partition, ...]
    missing: tuple[Partition, ...]
    odd: tuple[str, ...]


def check_partitions(description: TableDescription, known: Collection[Partition]) -> Repair:
    """Compare the table's directory with the partitions that are known, each with its place."""
    by_values = {partition.values: partition for partition in known}
    on_disk = find_partitions(description) if description.partition_columns else []
    found = tuple(partition for partition in on_disk if partition.values not in by_values)
    missing = tuple(partition for partition in known if not os.path.isdir(partition.location))
    return Repair(found, missing, _odd(description, on_disk))


def report(description: TableDescription, repair: Repair) -> list[str]:
    """The lines that Hive prints."""
    columns = [column.name for column in description.partition_columns]
    lines = []
    for title, partitions in (
        ("Partitions not in metastore:", repair.found),
        ("Partitions missing from filesystem:", repair.missing),
    ):
        if partitions:
            names = (f"{description.name}:{partition_name(columns, p.values)}" for p in partitions)
            lines.append("\t".join([title, *names]))
    return lines


def _odd(description: TableDescription, partitions: Collection[Partition]) -> tuple[str, ...]:
    """Directories that lead to no partition, the uppermost of each kind."""
    if not description.partition_columns or not os.path.isdir(description.location):
        return ()
    good = {p.location[: at if at >= 0 else None] for p in partitions for at in _ends(p.location, description.location)}
    odd: list[str] = []
    todo = [description.location]
    while todo:
        at = todo.pop()
        for name in sorted(os.listdir(at)):
            path = f"{at}/{name}"
            if os.path.isdir(path) and not is_hidden(name):
                if path not in good:
                    odd.append(path)
                elif not any(p.location == path for p in partitions):
                    todo.append(path)
    return tuple(sorted(odd))


def _ends(path: str, above: str) -> list[int]:
    """Where the names in a path below another end; -1 for the last."""
    return [i for i in range(len(above) + 1, len(path)) if path[i] == "/"] + [-1]
