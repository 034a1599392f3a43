"""Reads Parquet and ORC files as a table's rows: columns by name whatever their case, missing ones NULL."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from sqlengine.errors import DataCorrupted, DatatypeMismatch, FileUnavailable, NotSupportedError
from sqlengine.warehouse.casting import as_hive
from sqlengine.warehouse.description import Column, TableDescription

ROWS = 1 << 16
_UNNAMED = re.compile(r"_col\d+")

Columns = list[pa.Array]


def read_parquet(path: str, description: TableDescription, wanted: Sequence[Column]) -> Iterator[tuple[int, Columns]]:
    """(number of rows, the wanted columns), batch by batch. Columns are found by their position instead with the
    property parquet.column.index.access."""
    # pyarrow.parquet takes 40 ms to import and is needed for Parquet only
    import pyarrow.parquet as pq

    with open_file(path, "Parquet", pq.ParquetFile) as file:
        names = list(file.schema_arrow.names)
        places = _places(names, description, wanted, by_position=description.is_on("parquet.column.index.access"))
        needed = [names[place] for place in places if place is not None]
        if not needed:
            for group in range(file.metadata.num_row_groups):
                rows = file.metadata.row_group(group).num_rows
                yield rows, [pa.nulls(rows, column.type.arrow) for column in wanted]
            return
        for batch in _guarded(path, "Parquet", file.iter_batches(ROWS, columns=list(dict.fromkeys(needed)))):
            yield batch.num_rows, _columns(path, batch, names, places, wanted)


def read_orc(path: str, description: TableDescription, wanted: Sequence[Column]) -> Iterator[tuple[int, Columns]]:
    """(number of rows, the wanted columns), stripe by stripe. Old Hive named columns _col0, _col1, ...: those are
    found by position, as all are with the property orc.force.positional.evolution."""
    # ORC's reader is needed for ORC only
    import pyarrow.orc as orc

    file = open_file(path, "ORC", orc.ORCFile)
    names = list(file.schema.names)
    by_position = description.is_on("orc.force.positional.evolution") or all(map(_UNNAMED.fullmatch, names))
    places = _places(names, description, wanted, by_position=by_position)
    needed = list(dict.fromkeys(names[place] for place in places if place is not None))
    stripes = (file.read_stripe(i, columns=needed or names[:1]) for i in range(file.nstripes))
    for batch in _guarded(path, "ORC", stripes):
        for start in range(0, batch.num_rows, ROWS):
            part = batch.slice(start, ROWS)
            yield part.num_rows, _columns(path, part, names, places, wanted)


def open_file(path: str, kind: str, opener: Any) -> Any:
    """What `opener` makes of a path; FileUnavailable (58P01), DataCorrupted (XX001) when the file is none of its
    kind."""
    try:
        return opener(path)
    except FileNotFoundError:
        raise FileUnavailable(f'could not open file "{path}": no such file or directory') from None
    except (pa.ArrowInvalid, OSError) as error:
        raise DataCorrupted(f'file "{path}" is not {kind}: {error}') from None


def _guarded(path: str, kind: str, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    try:
        yield from batches
    except (pa.ArrowInvalid, OSError) as error:
        if "out of range for nanosecond" in str(error):
            raise NotSupportedError(f'timestamps before 1677 or after 2262 cannot be read from "{path}"') from None
        raise DataCorrupted(f'file "{path}" is damaged {kind}: {error}') from None


def _places(
    names: list[str], description: TableDescription, wanted: Sequence[Column], *, by_position: bool
) -> list[int | None]:
    """Where the file has each wanted column."""
    if by_position:
        order = [column.name for column in description.columns]
        places = (order.index(column.name) for column in wanted)
        return [place if place < len(names) else None for place in places]
    folded = {name.lower(): place for place, name in reversed(list(enumerate(names)))}
    exact = {name: place for place, name in reversed(list(enumerate(names)))}
    return [exact.get(column.name, folded.get(column.name)) for column in wanted]


def _columns(
    path: str, batch: pa.RecordBatch, names: list[str], places: Sequence[int | None], wanted: Sequence[Column]
) -> Columns:
    found = []
    for column, place in zip(wanted, places, strict=True):
        if place is None:
            found.append(pa.nulls(batch.num_rows, column.type.arrow))
            continue
        try:
            found.append(as_hive(batch.column(batch.schema.get_field_index(names[place])), column.type))
        except DatatypeMismatch as error:
            raise DatatypeMismatch(f'column "{column.name}" of file "{path}": {error.message}') from None
    return found
