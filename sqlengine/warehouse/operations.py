"""Statements that move files about without reading them: LOAD DATA, TRUNCATE, and what ALTER and DROP TABLE do on disk.

All happen wholly or not at all (`commit`). What a catalog keeps of partitions (places of their own, hidden ones) is the
caller's: these functions only answer what is on disk now.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Sequence

import pyarrow as pa

from sqlengine.errors import (
    DatatypeMismatch,
    DuplicateObject,
    FileUnavailable,
    InvalidDefinition,
    UndefinedObject,
    WrongObjectType,
)
from sqlengine.quick_dataclass import dataclass
from sqlengine.warehouse.commit import Commit, disk
from sqlengine.warehouse.description import TableDescription, local_path
from sqlengine.warehouse.file_writers import Sink
from sqlengine.warehouse.layout import (
    NO_OVERRIDES,
    FileInfo,
    Overrides,
    Partition,
    Values,
    data_files,
    find_partitions,
    is_hidden,
    partition_at,
    partition_name,
)
from sqlengine.warehouse.writing import StaticPartition, static_values
from storage.env import Env

_COPY_BYTES = 8 << 20
_MAGIC = {"parquet": (b"PAR1", "Parquet"), "orc": (b"ORC", "ORC"), "avro": (b"Obj\x01", "Avro")}


@dataclass(frozen=True, slots=True)
class Loaded:
    """What LOAD DATA has brought; `values` of the partition, () for a table without."""

    files: int
    num_bytes: int
    values: Values


def load_data(
    description: TableDescription,
    path: str,
    *,
    is_local: bool = False,
    overwrite: bool = False,
    static: StaticPartition | None = None,
    overrides: Overrides = NO_OVERRIDES,
    env: Env | None = None,
) -> Loaded:
    """LOAD DATA INPATH: the files that `path` names (a file, a directory without others in it, a glob) become the
    table's, as they are: moved, or copied with `is_local`. A name that is taken gets `_copy_1` before its extension.

    Raises FileUnavailable (58P01) when there are none, WrongObjectType (42809) for a directory in a directory,
    DatatypeMismatch (42804) for a file that is not of the table's columnar format, InvalidDefinition (42P17) unless
    `static` states all partition columns, and what `static_values` raises.
    """
    fixed = static_values(description, static or {})
    if len(fixed) < len(description.partition_columns):
        raise InvalidDefinition(
            f'LOAD DATA into the partitioned table "{description.name}" needs the partition',
            hint="PARTITION (" + ", ".join(f"{c.name} = ..." for c in description.partition_columns) + ")",
        )
    sources = source_files(path)
    for source in sources:
        _check_format(source.path, overrides.describing(description, tuple(fixed.values())))
    target = partition_at(description, tuple(fixed.values()), overrides)
    with Commit(description.location, env) as commit, disk(description.location):
        kept = [s.path for s in sources if is_local or not commit.same_device(s.path, target.location)]
        copies = {path: copied(commit, path, target.location) for path in kept}
        commit.make(target.location)

        def place() -> None:
            there = data_files(target.location, has_subdirectories=True)
            for file in there if overwrite else ():
                commit.take(file.path)
            taken = set() if overwrite else {os.path.basename(file.path) for file in there}
            for source in sources:
                name = _free_name(os.path.basename(source.path), taken)
                taken.add(name)
                commit.move(copies.get(source.path, source.path), f"{target.location}/{name}")
                if source.path in copies and not is_local:
                    commit.drop(source.path)

        commit.finish(place)
    return Loaded(len(sources), sum(source.size for source in sources), target.values)


def source_files(path: str) -> list[FileInfo]:
    """The files that a path of LOAD DATA names. Raises as `load_data`."""
    path = os.path.abspath(os.path.expanduser(local_path(path)))
    matches = sorted(glob.glob(path)) if glob.has_magic(path) and not os.path.exists(path) else [path]
    found: list[FileInfo] = []
    for match in matches:
        if os.path.isdir(match):
            for entry in sorted(os.listdir(match)):
                if os.path.isdir(f"{match}/{entry}") and not is_hidden(entry):
                    raise WrongObjectType(f'"{match}" contains the directory "{entry}"', hint="load that by itself")
            found += data_files(match)
        elif os.path.isfile(match) and not (match != path and is_hidden(os.path.basename(match))):
            at = os.stat(match)
            found.append(FileInfo(match, at.st_size, at.st_mtime_ns, at.st_ino))
    if not found and not any(map(os.path.isdir, matches)):
        raise FileUnavailable(f'no files match the path "{path}"')
    return found


def _check_format(path: str, description: TableDescription) -> None:
    if description.file_format in _MAGIC:
        magic, kind = _MAGIC[description.file_format]
        with disk(path), pa.OSFile(path) as file:
            if file.read(len(magic)) != magic:
                raise DatatypeMismatch(
                    f'file "{path}" is not {kind}, as the files of table "{description.name}" are',
                    hint="LOAD DATA converts nothing: load it into a table of its format, and INSERT from there",
                )


def copied(commit: Commit, path: str, directory: str) -> str:
    """A copy of a file, staged for `directory`."""
    staged = commit.staged(directory)
    with Sink(commit.env, staged) as sink, pa.OSFile(path) as source:
        while data := source.read(_COPY_BYTES):
            sink.write(data)
    return staged


def _free_name(name: str, taken: set[str]) -> str:
    """As Hive names a file whose name is taken: `_copy_1` before the extension."""
    if name not in taken:
        return name
    stem, dot, suffix = name.rpartition(".") if "." in name[1:] else (name, "", "")
    number = 1
    while (made := f"{stem}_copy_{number}{dot}{suffix}") in taken:
        number += 1
    return made


# ---------------------------------------------------------------- tables and partitions


def truncate(description: TableDescription, partitions: Sequence[Partition], env: Env | None = None) -> None:
    """TRUNCATE TABLE: no rows are left in these partitions, which stay. WrongObjectType (42809) for an external table
    without the property external.table.purge."""
    if description.is_external and not description.is_on("external.table.purge"):
        raise WrongObjectType(f'table "{description.name}" is external: its files are not truncated')
    with Commit(description.location, env) as commit:
        commit.finish(lambda: _take_files(commit, partitions))


def _take_files(commit: Commit, partitions: Iterable[Partition]) -> None:
    for partition in partitions:
        for file in data_files(partition.location, has_subdirectories=True):
            commit.take(file.path)


def add_partition(
    description: TableDescription, values: Values, overrides: Overrides = NO_OVERRIDES, env: Env | None = None
) -> Partition:
    """ALTER TABLE ADD PARTITION: its directory exists."""
    partition = partition_at(description, values, overrides)
    with Commit(description.location, env) as commit:
        commit.make(partition.location)
        commit.finish()
    return partition


def drop_partitions(description: TableDescription, partitions: Sequence[Partition], env: Env | None = None) -> None:
    """ALTER TABLE DROP PARTITION of a managed table: their directories go. An external table's stay: hide them."""
    if description.is_external and not description.is_on("external.table.purge"):
        return
    with Commit(description.location, env) as commit:

        def remove() -> None:
            _take_files(commit, partitions)
            dropped = {partition.location for partition in partitions}
            for location in sorted(dropped):
                commit.drop(_emptied(location, description.location, dropped))

        commit.finish(remove)


def _emptied(location: str, table: str, dropped: set[str]) -> str:
    """The uppermost directory below the table's in which nothing is left without what is dropped."""
    above = location.rpartition("/")[0]
    while above.startswith(table + "/") and all(f"{above}/{name}" in dropped for name in os.listdir(above)):
        dropped.add(above)
        location, above = above, above.rpartition("/")[0]
    return location


def rename_partition(
    description: TableDescription,
    values: Values,
    new_values: Values,
    overrides: Overrides = NO_OVERRIDES,
    env: Env | None = None,
) -> Partition:
    """ALTER TABLE PARTITION RENAME TO PARTITION of a managed table: the directory gets the new name, and is answered.
    UndefinedObject (42704) when it is not there, DuplicateObject (42710) when the new one is."""
    old, new = partition_at(description, values, overrides), partition_at(description, new_values)
    _check_there(description, old)
    if os.path.exists(new.location) or new.values in overrides.located:
        raise DuplicateObject(f'partition "{_shown(description, new.values)}" of table "{description.name}" exists')
    with Commit(description.location, env) as commit:
        _relocate(commit, old.location, new.location)
        commit.finish()
    return new


def exchange_partitions(
    source: TableDescription,
    target: TableDescription,
    partitions: Sequence[Partition],
    overrides: Overrides = NO_OVERRIDES,
    env: Env | None = None,
) -> list[Partition]:
    """ALTER TABLE target EXCHANGE PARTITION (...) WITH TABLE source: these partitions of `source` become `target`'s.

    DatatypeMismatch (42804) when the tables differ in their columns or format, DuplicateObject (42710) when `target`
    has one of them (`overrides` are its), UndefinedObject (42704) when there are none.
    """
    alike = (source.row_schema, len(source.partition_columns), source.file_format, source.serde)
    if alike != (target.row_schema, len(target.partition_columns), target.file_format, target.serde):
        raise DatatypeMismatch(f'tables "{source.name}" and "{target.name}" differ in their columns or format')
    if not partitions:
        raise UndefinedObject(f'table "{source.name}" has no such partition')
    known = {partition.values for partition in find_partitions(target, overrides)}
    moved = []
    for partition in partitions:
        _check_there(source, partition)
        if partition.values in known:
            shown = _shown(target, partition.values)
            raise DuplicateObject(f'partition "{shown}" of table "{target.name}" exists')
        moved.append(partition_at(target, partition.values))
    with Commit(target.location, env, others=[source.location]) as commit:
        for old, new in zip(partitions, moved, strict=True):
            _relocate(commit, old.location, new.location)
        commit.finish()
    return moved


def _check_there(description: TableDescription, partition: Partition) -> None:
    if not os.path.isdir(partition.location):
        name = _shown(description, partition.values)
        raise UndefinedObject(f'partition "{name}" of table "{description.name}" does not exist')


def _shown(description: TableDescription, values: Values) -> str:
    return partition_name([column.name for column in description.partition_columns], values)


def _relocate(commit: Commit, source: str, target: str) -> None:
    """A directory gets another name; its files are copied where that is another file system."""
    if commit.same_device(source, target):
        commit.move(source, target)
        return
    commit.make(target)
    for file in data_files(source, has_subdirectories=True):
        commit.move(copied(commit, file.path, target), target + file.path[len(source) :])
    commit.drop(source)


def drop_table(description: TableDescription, overrides: Overrides = NO_OVERRIDES, env: Env | None = None) -> None:
    """DROP TABLE of a managed table: its directory goes, and those of partitions elsewhere. An external table's stay.

    What is left by a process that died within is in the directory above the table's: `recover` that.
    """
    if description.is_external and not description.is_on("external.table.purge"):
        return
    with Commit(_above(description.location), env, others=[description.location]) as commit:
        for place in (description.location, *overrides.located.values()):
            if os.path.isdir(place):
                commit.take(place)
        commit.finish()


def rename_table(description: TableDescription, location: str, env: Env | None = None) -> TableDescription:
    """ALTER TABLE RENAME TO of a managed table: its directory gets another name. DuplicateObject (42710) when there is
    something; `recover` the directory above the new one, as with `drop_table`."""
    if os.path.exists(location):
        raise DuplicateObject(f'directory "{location}" exists')
    with Commit(_above(location), env, others=[description.location]) as commit:
        if os.path.isdir(description.location):
            _relocate(commit, description.location, location)
        else:
            commit.make(location)
        commit.finish()
    return description.at(location)


def _above(location: str) -> str:
    return os.path.abspath(location).rpartition("/")[0] or "/"
