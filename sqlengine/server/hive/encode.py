"""TRowSet of Arrow batches: in columns since V6, in rows before; a column at a time, and no Python per row."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sqlengine.server.cells import Cells, elements, fixed, joined, mask, texts
from sqlengine.server.hive.thrift import (
    BOOL,
    BYTE,
    DOUBLE,
    I16,
    I32,
    I64,
    LIST,
    STRING,
    STRUCT,
    field,
    i64,
    list_head,
    listed,
    string,
    struct,
)
from sqlengine.server.hive.types import BINARY, FLOAT, TIMESTAMP, V6, HiveType, hive_type
from sqlengine.state.arrow_buffers import plain
from sqlengine.warehouse.shown_texts import to_hive_text

_FIXED: dict[str, tuple[int, int, str, pa.DataType]] = {
    "BOOLEAN": (1, BOOL, "u1", pa.uint8()),
    "TINYINT": (2, BYTE, ">i1", pa.int8()),
    "SMALLINT": (3, I16, ">i2", pa.int16()),
    "INT": (4, I32, ">i4", pa.int32()),
    "BIGINT": (5, I64, ">i8", pa.int64()),
    "FLOAT": (6, DOUBLE, ">f8", pa.float64()),
    "DOUBLE": (6, DOUBLE, ">f8", pa.float64()),
}
"""By type: the field of TColumn and TColumnValue, Thrift's type, the bytes' layout, and Arrow's type of the values."""
_STRING_FIELD, _BINARY_FIELD = 7, 8


def row_set(batch: pa.RecordBatch, start: int, protocol: int, timezone: str) -> bytes:
    """TRowSet of the rows; `start`: the first one's number in the result."""
    if protocol < V6:
        return struct(i64(1, start), field(LIST, 2, _rows(batch, protocol, timezone)))
    columns = [_column(array, protocol, timezone) for array in batch.columns]
    return struct(i64(1, start), field(LIST, 2, listed(STRUCT, ())), field(LIST, 3, listed(STRUCT, columns)))


def _column(array: pa.Array, protocol: int, timezone: str) -> bytes:
    """TColumn."""
    kind = hive_type(array.type, protocol)
    if kind.name in _FIXED:
        identifier, thrift_type, _, _ = _FIXED[kind.name]
        data = _numbers(array, kind).tobytes()
    else:
        identifier, thrift_type = _BINARY_FIELD if kind is BINARY else _STRING_FIELD, STRING
        cells = texts(_text(array, kind, timezone).fill_null(b"" if kind is BINARY else ""))
        data = elements(cells, len(array))[0].tobytes()
    values = list_head(thrift_type, len(array)) + data
    return struct(field(STRUCT, identifier, struct(field(LIST, 1, values), string(2, _nulls(array)))))


def _nulls(array: pa.Array) -> bytes:
    """A bit for each value, the lowest first: 1 = NULL."""
    if not array.null_count:
        return bytes((len(array) + 7) // 8)
    return np.packbits(array.is_null().to_numpy(zero_copy_only=False), bitorder="little").tobytes()


def _numbers(array: pa.Array, kind: HiveType) -> npt.NDArray[np.generic]:
    """The values in the bytes' layout, 0 for NULL."""
    values = plain(array)
    if kind is FLOAT:  # the double that is written as the float is, as Hive sends it
        values = values.cast(pa.float32()).cast(pa.string()).cast(pa.float64())
    _, _, layout, target = _FIXED[kind.name]
    return values.cast(target).fill_null(0).to_numpy(zero_copy_only=False).astype(layout)


def _text(array: pa.Array, kind: HiveType, timezone: str) -> pa.Array:
    """The values as string or binary."""
    if kind is BINARY:
        return plain(array).cast(pa.binary())
    if kind is TIMESTAMP and array.type.tz is not None:
        array = pc.local_timestamp(array.cast(pa.timestamp(array.type.unit, timezone)))
    return to_hive_text(array, timezone)


# ---------------------------------------------------------------- rows


def _rows(batch: pa.RecordBatch, protocol: int, timezone: str) -> bytes:
    """list<TRow>; each value is a union of one struct, which is empty for NULL."""
    count = batch.num_rows
    cells = [_constant(field(LIST, 1, list_head(STRUCT, batch.num_columns)), count)]
    for array in batch.columns:
        cells += _values(array, protocol, timezone)
    cells.append(_constant(b"\0", count))
    return list_head(STRUCT, count) + joined(cells, count)[0].tobytes()


def _values(array: pa.Array, protocol: int, timezone: str) -> list[Cells]:
    """TColumnValue of each value, in pieces."""
    kind, count, valid = hive_type(array.type, protocol), len(array), mask(array)
    if kind.name in _FIXED:
        identifier, thrift_type, _, _ = _FIXED[kind.name]
        body = fixed(_numbers(array, kind), valid)
    else:
        identifier, thrift_type = _STRING_FIELD, STRING
        made = to_hive_text(array, timezone) if kind is BINARY else _text(array, kind, timezone)
        data, offsets = elements(texts(made.fill_null("")), count)
        body = Cells(data, offsets, 0, valid)
    return [
        _constant(field(STRUCT, identifier, b""), count),
        _constant(field(thrift_type, 1, b""), count, valid),
        body,
        _constant(b"\0\0", count),
    ]


def _constant(data: bytes, count: int, valid: npt.NDArray[np.uint8] | None = None) -> Cells:
    """The same bytes in every row."""
    return fixed(np.tile(np.frombuffer(data, np.uint8), (count, 1)), valid)
