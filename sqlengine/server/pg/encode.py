"""Rows of a result as messages: DataRow in text or binary, a column at a time, and no Python per row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from sqlengine.formats.render import to_json
from sqlengine.pgtext import list_parts, to_text_array
from sqlengine.server.cells import Cells, fixed, mask, rows, texts
from sqlengine.server.pg.binary import binary_cells, list_cells
from sqlengine.server.pg.oids import NUMBERED, column, element_oid
from sqlengine.server.pg.replies import BINARY

SLICE_ROWS = 8_192
"""Rows that are made at a time: some hundred kilobytes, so that who reads slowly is noticed soon."""


class RowEncoder:
    """Makes DataRow messages of batches of one schema; `formats`: 0 or 1 for each column."""

    def __init__(self, schema: pa.Schema, formats: Sequence[int], timezone: str) -> None:
        self._formats = list(formats)
        self._timezone = timezone
        self._oids = [column(field).oid for field in schema]

    def slices(self, batch: pa.RecordBatch, kind: bytes = b"D") -> Iterator[tuple[bytes, int]]:
        """(messages, how many rows they are), a slice of the batch at a time."""
        for start in range(0, batch.num_rows, SLICE_ROWS):
            part = batch.slice(start, SLICE_ROWS)
            yield self.encode(part, kind), part.num_rows

    def encode(self, batch: pa.RecordBatch, kind: bytes = b"D") -> bytes:
        """A message for each row; those of COPY in binary are the same but for their kind."""
        cells = [
            binary(array, oid) if code == BINARY else texts(text(array, self._timezone))
            for array, code, oid in zip(batch.columns, self._formats, self._oids, strict=True)
        ]
        return rows(cells, batch.num_rows, kind)[0].tobytes()


def text(array: pa.Array, timezone: str) -> pa.Array:
    """A column as PostgreSQL writes it; what is told as json is written as json."""
    if pa.types.is_struct(array.type) or pa.types.is_map(array.type):
        return to_json(array)
    if pa.types.is_string(array.type):
        return array
    return to_text_array(_with_json(array), timezone)


def _with_json(array: pa.Array) -> pa.Array:
    """Lists of structs and maps, which are told as json[], with the json of each."""
    if not pa.types.is_list(array.type) or not _is_of_json(array.type):
        return array
    offsets, values = list_parts(array)
    inner = _with_json(values) if pa.types.is_list(values.type) else to_json(values)
    return pa.ListArray.from_arrays(offsets.cast(pa.int32()), inner, mask=array.is_null() if array.null_count else None)


def _is_of_json(dtype: pa.DataType) -> bool:
    inner = dtype.value_type
    return bool(pa.types.is_struct(inner) or pa.types.is_map(inner) or pa.types.is_list(inner) and _is_of_json(inner))


def binary(array: pa.Array, oid: int) -> Cells:
    """A column's binary form under the type it is told as."""
    if oid in NUMBERED and pa.types.is_integer(array.type):
        return _unsigned(array)
    element = element_oid(oid)
    if element in NUMBERED and pa.types.is_list(array.type) and pa.types.is_integer(array.type.value_type):
        return list_cells(array, element, _unsigned)
    return binary_cells(array)


def _unsigned(array: pa.Array) -> Cells:
    values = array.fill_null(0).cast(pa.int64()).to_numpy()
    return fixed(values.astype(np.uint32).astype(">u4"), mask(array))
