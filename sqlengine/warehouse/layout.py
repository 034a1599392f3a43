"""Where a table's files are: Hive's directory layout, partitions found by listing, pruned by their values.

    warehouse/table/...                              a table of the database `default`
    warehouse/db.db/table/ds=2024-01-01/hr=11/...    a partitioned one of the database `db`

Partitions are identified by their values as text (None for NULL), as Hive's metastore does: `hr=1` and `hr=01` are two.
What listing cannot tell (a partition in another place, one that was dropped while its files stayed) the caller keeps
as `Overrides`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import field

import pyarrow as pa

from sqlengine.errors import DatatypeMismatch, InvalidParameter
from sqlengine.formats.base import true_mask
from sqlengine.formats.partition_names import NULL, escaped, unescaped
from sqlengine.hive_types import HiveType
from sqlengine.quick_dataclass import dataclass
from sqlengine.warehouse.description import TableDescription
from sqlengine.warehouse.text_values import parse

Values = tuple[str | None, ...]
"""A partition's values as text, in the order of the partition columns."""

DEFAULT_DATABASE = "default"


@dataclass(frozen=True, slots=True)
class Partition:
    """One partition: its values and its directory. An unpartitioned table is one partition without values."""

    values: Values
    location: str


@dataclass(frozen=True, slots=True)
class Overrides:
    """`located`: directories of partitions that are not where their names say; `hidden`: partitions that are on disk
    but not part of the table; `formats`: what partitions are like whose files are not stored as the table says."""

    located: Mapping[Values, str] = field(default_factory=dict)
    hidden: frozenset[Values] = frozenset()
    formats: Mapping[Values, TableDescription] = field(default_factory=dict)

    def describing(self, description: TableDescription, values: Values) -> TableDescription:
        """The table as the files of one partition are stored."""
        return self.formats.get(values, description)


NO_OVERRIDES = Overrides()


@dataclass(frozen=True, slots=True)
class FileInfo:
    """A data file: what tells it from the one that had its name before."""

    path: str
    size: int
    mtime_ns: int
    inode: int


def database_location(warehouse: str, database: str) -> str:
    """The directory of a database."""
    return warehouse if database.lower() == DEFAULT_DATABASE else f"{warehouse}/{escaped(database.lower())}.db"


def table_location(warehouse: str, database: str, table: str) -> str:
    """The directory of a table that was given no place of its own."""
    return f"{database_location(warehouse, database)}/{escaped(table.lower())}"


def partition_name(columns: Sequence[str], values: Values) -> str:
    """`ds=2024-01-01/hr=11`: the directory below the table's. An empty text is NULL there, as in Hive."""
    parts = zip(columns, values, strict=True)
    return "/".join(f"{escaped(column)}={escaped(value) if value else NULL}" for column, value in parts)


def parse_partition_name(columns: Sequence[str], name: str) -> Values | None:
    """The values behind `ds=2024-01-01/hr=11`; None when it does not name a partition of these columns."""
    parts = name.split("/")
    if len(parts) != len(columns):
        return None
    values: list[str | None] = []
    for part, column in zip(parts, columns, strict=True):
        key, is_pair, value = part.partition("=")
        if not is_pair or unescaped(key).lower() != column:
            return None
        values.append(None if value in (NULL, "") else unescaped(value))
    return tuple(values)


def find_partitions(description: TableDescription, overrides: Overrides = NO_OVERRIDES) -> list[Partition]:
    """The table's partitions, in the order of their names; an unpartitioned table is one. A directory that does not
    exist has none."""
    columns = [column.name for column in description.partition_columns]
    if not columns:
        return [Partition((), description.location)]
    found = {
        values: location
        for values, location in _listed(description.location, columns)
        if values not in overrides.hidden
    }
    found.update(overrides.located)
    return [Partition(v, found[v]) for v in sorted(found, key=lambda values: partition_name(columns, values))]


def _listed(location: str, columns: Sequence[str], above: Values = ()) -> Iterator[tuple[Values, str]]:
    """Partitions by directories, one level for each column."""
    if len(above) == len(columns):
        yield above, location
        return
    for entry in _entries(location):
        if entry.is_dir():
            value = parse_partition_name([columns[len(above)]], entry.name)
            if value is not None:
                yield from _listed(entry.path, columns, (*above, *value))


def _entries(directory: str) -> list[os.DirEntry[str]]:
    """What is in a directory but hidden names, by name; nothing if there is no such directory."""
    try:
        with os.scandir(directory) as found:
            return sorted((e for e in found if not is_hidden(e.name)), key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return []


def is_hidden(name: str) -> bool:
    """Names that are no data: of staging directories, success markers, checksums. A directory `_x=1` is a partition."""
    return name.startswith(".") or (name.startswith("_") and "=" not in name)


def data_files(directory: str, *, has_subdirectories: bool = False) -> list[FileInfo]:
    """The files in a directory (or the one file that is at that place), by name; those below it as well with
    `has_subdirectories` (Hive's hive.mapred.supports.subdirectories, off by default). A file that goes away meanwhile
    is left out."""
    if os.path.isfile(directory):
        at = os.stat(directory)
        return [FileInfo(directory, at.st_size, at.st_mtime_ns, at.st_ino)]
    found: list[FileInfo] = []
    for entry in _entries(directory):
        if entry.is_dir():
            if has_subdirectories:
                found += data_files(entry.path, has_subdirectories=True)
            continue
        try:
            at = entry.stat()
        except FileNotFoundError:
            continue
        found.append(FileInfo(entry.path, at.st_size, at.st_mtime_ns, at.st_ino))
    return found


def typed_values(description: TableDescription, partitions: Sequence[Partition]) -> pa.RecordBatch:
    """One row for each partition: its values with the types of the partition columns; NULL where a text is no value."""
    schema = description.partition_schema
    columns = [
        typed_value(column.type, [partition.values[i] for partition in partitions])
        for i, column in enumerate(description.partition_columns)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def typed_value(hive: HiveType, texts: Sequence[str | None]) -> pa.Array:
    """Texts of a partition's values as values of the column's type."""
    return parse(pa.array(texts, pa.string()), hive)


def prune(
    description: TableDescription, partitions: Sequence[Partition], where: Callable[[pa.RecordBatch], pa.Array]
) -> list[Partition]:
    """Those partitions for which `where` is true: given one row for each partition (`typed_values`), it answers a
    boolean array. DatatypeMismatch (42804) when it answers something else."""
    if not partitions:
        return []
    keep = where(typed_values(description, partitions))
    if not pa.types.is_boolean(keep.type) or len(keep) != len(partitions):
        raise DatatypeMismatch("a condition on partitions must be a boolean for each of them")
    return [partition for partition, is_kept in zip(partitions, true_mask(keep), strict=True) if is_kept]


def partition_at(description: TableDescription, values: Values, overrides: Overrides = NO_OVERRIDES) -> Partition:
    """The partition of these values, whether it exists or not; InvalidParameter (22023) for too few or too many."""
    columns = [column.name for column in description.partition_columns]
    if len(values) != len(columns):
        raise InvalidParameter(
            f'a partition of table "{description.name}" has {len(columns)} values, not {len(values)}',
            hint="columns: " + ", ".join(columns) if columns else "the table is not partitioned",
        )
    values = tuple(value or None for value in values)
    located = overrides.located.get(values)
    if located is None:
        located = _same_name(description.location, columns, values)
    if located is None:
        located = f"{description.location}/{partition_name(columns, values)}"
    return Partition(values, located)


def _same_name(location: str, columns: Sequence[str], values: Values) -> str | None:
    """The directory on disk that has the partition's name, in another case or with other escapes perhaps."""
    if not columns:
        return location
    usual = f"{location}/{partition_name(columns, values)}"
    if os.path.isdir(usual):
        return usual
    for entry in _entries(location):
        if entry.is_dir() and parse_partition_name(columns[:1], entry.name) == values[:1]:
            found = _same_name(entry.path, columns[1:], values[1:])
            if found is not None:
                return found
    return None


def matching(partitions: Iterable[Partition], spec: Mapping[int, str | None]) -> list[Partition]:
    """Partitions whose values at these positions of the partition columns are the given texts: a partial spec."""
    return [p for p in partitions if all(p.values[at] == value for at, value in spec.items())]
