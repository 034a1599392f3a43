"""Rows of a sink by partition, and the directories partitions have, as Hive names them: `column=value/column=value`.

Values are percent-encoded where Hive does it, so that no value leads out of its directory; NULL is
`__HIVE_DEFAULT_PARTITION__`. `year(c)`, `month(c)`, `day(c)` and `hour(c)` are named and written as in Iceberg:
`c_day=2024-02-29`.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sqlengine.errors import (
    DatatypeMismatch,
    DuplicateColumn,
    InvalidDefinition,
    InvalidParameter,
    UndefinedColumn,
    did_you_mean,
)
from sqlengine.formats.partition_names import NULL, escaped, grouped
from sqlengine.formats.render import to_text
from sqlengine.quick_dataclass import dataclass
from sqlengine.types import to_sql

_FORMATS = {"year": "%Y", "month": "%Y-%m", "day": "%Y-%m-%d", "hour": "%Y-%m-%d-%H"}
_NAME = r'("(?:[^"]|"")+"|\w+)'
_PART = re.compile(rf"\s*(?:(?:({'|'.join(_FORMATS)})\s*\(\s*{_NAME}\s*\))|{_NAME})\s*(?:,|$)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Key:
    """`column`: its place; `unit`: year, month, day, hour, "" for the value itself; `name`: in the directory's name."""

    column: int
    unit: str
    name: str


class Partitioning:
    """`text`: the option `partition_by`, "" for none.

    Raises InvalidParameter (22023) for what cannot be read, UndefinedColumn (42703), DatatypeMismatch (42804) for a
    column that cannot be in a name, DuplicateColumn (42701), InvalidDefinition (42P17) when no column is left.
    """

    def __init__(self, text: str, schema: pa.Schema) -> None:
        self._keys = [_key(unit, name, schema) for unit, name in _parts(text)]
        names = [key.name for key in self._keys]
        kept = [field.name for i, field in enumerate(schema) if i not in {k.column for k in self._keys if not k.unit}]
        for name in names:
            if names.count(name) > 1 or name in kept:
                raise DuplicateColumn(f'column "{name}" is there twice', hint="of partition_by and the rows' columns")
        if not kept:
            raise InvalidDefinition("every column is in partition_by", hint="files need a column of their own")
        self._places = [schema.get_field_index(name) for name in kept]
        self.schema = pa.schema([schema.field(i) for i in self._places])
        """Of the rows in files: without the columns whose values are in the directories' names."""

    def split(self, batch: pa.RecordBatch) -> Iterator[tuple[str, pa.RecordBatch]]:
        """(directory, rows of it in order), "" where there are no partitions."""
        rows = pa.RecordBatch.from_arrays([batch.column(i) for i in self._places], schema=self.schema)
        if not self._keys:
            yield "", rows
            return
        parts = [_encoded(key, batch.column(key.column)) for key in self._keys]
        order, bounds = grouped([(codes, len(names)) for codes, names in parts])
        for start, end in itertools.pairwise(bounds):
            directory = "/".join(names[codes[order[start]]] for codes, names in parts)
            yield directory, rows.take(pa.array(order[start:end]))


def _parts(text: str) -> list[tuple[str, str]]:
    """(unit, column) of each."""
    found, at = [], 0
    while at < len(text.rstrip()):
        part = _PART.match(text, at)
        if part is None:
            raise InvalidParameter(
                f'invalid value for option "partition_by": "{text}"',
                hint="columns, and year, month, day or hour of one: country, day(created_at)",
            )
        found.append(((part[1] or "").lower(), _folded(part[2] or part[3])))
        at = part.end()
    return found


def _folded(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name.lower()


def _key(unit: str, name: str, schema: pa.Schema) -> _Key:
    place = schema.get_field_index(name)
    if place < 0:
        hint = did_you_mean(name, schema.names) or "columns: " + ", ".join(schema.names)
        raise UndefinedColumn(f'column "{name}" of partition_by does not exist', hint=hint)
    dtype = schema.field(place).type
    timed = pa.types.is_timestamp(dtype) or (pa.types.is_date(dtype) and unit != "hour")
    if unit and not timed:
        raise DatatypeMismatch(f"{unit}({name}) needs a timestamp or a date, not {to_sql(dtype)}")
    if pa.types.is_nested(dtype) or pa.types.is_binary(dtype) or pa.types.is_large_binary(dtype):
        raise DatatypeMismatch(f'column "{name}" of type {to_sql(dtype)} cannot be in partition_by')
    return _Key(place, unit, f"{name}_{unit}" if unit else name)


def _encoded(key: _Key, values: pa.Array) -> tuple[np.ndarray, list[str]]:
    """(each row's code, the directory of each code)."""
    if key.unit:
        plain = values.cast(pa.timestamp("us")) if pa.types.is_date(values.type) else values
        values = pc.strftime(pc.floor_temporal(plain, unit=key.unit), format=_FORMATS[key.unit])
    found = to_text(values).dictionary_encode("encode")
    texts = found.dictionary.to_pylist()
    return found.indices.to_numpy(), [f"{escaped(key.name)}={NULL if t is None else escaped(t)}" for t in texts]
