"""JsonSerDe: one object a line; keys are found whatever their case, missing ones are NULL.

Values that cannot be read as their column's type are NULL. A line that is no object is a row of NULLs, where Hive by
default fails the query (its property ignore.malformed.json does this).
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sqlengine.formats.json_format import JsonDecoder
from sqlengine.warehouse.casting import as_hive
from sqlengine.warehouse.description import Column


class JsonReader:
    """Reads lines as the wanted columns."""

    def __init__(self, columns: tuple[Column, ...], wanted: list[int]) -> None:
        self._wanted = [columns[place] for place in wanted]
        self._schema = pa.schema([(column.name, _wire(column.type.arrow)) for column in self._wanted])
        self._all = JsonDecoder(self._schema)

    def columns(self, lines: pa.BinaryArray) -> list[pa.Array]:
        """One array a wanted column."""
        if not self._wanted:
            return []
        decoded = self._all.decode(lines)
        if not decoded.bad:
            return self._typed(decoded.batch.columns)
        good = [_spread(column, decoded.rows, len(lines)) for column in decoded.batch.columns]
        at = np.array([place for place, _ in decoded.bad], dtype=np.int64)
        again = self._column_by_column(lines.take(pa.array(at)))
        mask = np.zeros(len(lines), dtype=bool)
        mask[at] = True
        return self._typed(
            [
                pc.if_else(pa.array(mask), _spread(part, at, len(lines)), column)
                for column, part in zip(good, again, strict=True)
            ]
        )

    def _column_by_column(self, lines: pa.BinaryArray) -> list[pa.Array]:
        """So that one bad value costs itself alone."""
        found = []
        for field in self._schema:
            decoded = JsonDecoder(pa.schema([field])).decode(lines)
            found.append(_spread(decoded.batch.column(0), decoded.rows, len(lines)))
        return found

    def _typed(self, columns: list[pa.Array]) -> list[pa.Array]:
        return [
            as_hive(values, column.type, is_text=True) for values, column in zip(columns, self._wanted, strict=True)
        ]


def _spread(values: pa.Array, places: np.ndarray, rows: int) -> pa.Array:
    """The values at their places among `rows`, NULL elsewhere."""
    at = np.full(rows, -1, dtype=np.int64)
    at[places] = np.arange(len(places))
    return values.take(pa.array(at, mask=at < 0))


def _wire(dtype: pa.DataType) -> pa.DataType:
    """What JSON is read as before Hive's own reading of texts: moments, decimals and binary values are texts."""
    if pa.types.is_list(dtype):
        return pa.list_(_wire(dtype.value_type))
    if pa.types.is_map(dtype):
        return pa.map_(_wire(dtype.key_type), _wire(dtype.item_type))
    if pa.types.is_struct(dtype):
        return pa.struct([pa.field(f.name, _wire(f.type)) for f in dtype])
    if pa.types.is_boolean(dtype) or pa.types.is_integer(dtype) or pa.types.is_floating(dtype):
        return dtype
    return pa.string()
