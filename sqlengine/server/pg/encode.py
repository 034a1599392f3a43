"""Rows of a result as messages: DataRow in text or binary, a column at a time, and no Python per row."""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sqlengine.formats.render import to_json
from sqlengine.pg_encodings import UTF8, Encoding
from sqlengine.pgtext import PLAIN, list_parts, to_text_array
from sqlengine.server.cells import Cells, fixed, mask, rows, texts
from sqlengine.server.pg.binary import binary_cells, jsonb_cells, list_cells
from sqlengine.server.pg.oids import ADDRESSES, CIDR, NUMBERED, VECTORS, column, element_oid, type_oid
from sqlengine.server.pg.replies import BINARY, TEXT, message
from sqlengine.text_style import TextStyle
from sqlengine.types import JSON, JSONB

_COUNT, _LENGTH = struct.Struct("!H"), struct.Struct("!I")
_NULL = b"\xff" * 4

SLICE_ROWS = 8_192
"""Rows that are made at a time: some hundred kilobytes, so that who reads slowly is noticed soon."""


class RowEncoder:
    """Makes DataRow messages of batches of one schema; `formats`: 0 or 1 for each column.

    A character that the client's encoding does not have is an InvalidText (22P05).
    """

    def __init__(
        self, schema: pa.Schema, formats: Sequence[int], style: TextStyle = PLAIN, encoding: Encoding = UTF8
    ) -> None:
        self._formats = list(formats)
        self._style = style
        self._encoding = encoding
        self._oids = [column(field).oid for field in schema]
        self._is_plain = encoding.is_utf8 and all(
            code == TEXT and oid not in VECTORS and (pa.types.is_integer(field.type) or pa.types.is_string(field.type))
            for field, code, oid in zip(schema, self._formats, self._oids, strict=True)
        )

    def slices(self, batch: pa.RecordBatch, kind: bytes = b"D") -> Iterator[tuple[bytes, int]]:
        """(messages, how many rows they are), a slice of the batch at a time."""
        for start in range(0, batch.num_rows, SLICE_ROWS):
            part = batch.slice(start, SLICE_ROWS)
            yield self.encode(part, kind), part.num_rows

    def encode(self, batch: pa.RecordBatch, kind: bytes = b"D") -> bytes:
        """A message for each row; those of COPY in binary are the same but for their kind."""
        if self._is_plain and batch.num_rows == 1:
            return _one_row(batch, kind)
        cells = [
            binary(array, oid, self._encoding)
            if code == BINARY
            else texts(self._encoding.encoded(_vector(array) if oid in VECTORS else text(array, self._style)))
            for array, code, oid in zip(batch.columns, self._formats, self._oids, strict=True)
        ]
        return rows(cells, batch.num_rows, kind)[0].tobytes()


def _one_row(batch: pa.RecordBatch, kind: bytes) -> bytes:
    """The message of a row of integers and texts, in text: the calls of a column's kernels are many for one value."""
    cells = [_COUNT.pack(batch.num_columns)]
    for array in batch.columns:
        value = array[0].as_py()
        if value is None:
            cells.append(_NULL)
        else:
            written = str(value).encode()
            cells += (_LENGTH.pack(len(written)), written)
    return message(kind, b"".join(cells))


def text(array: pa.Array, style: TextStyle) -> pa.Array:
    """A column as PostgreSQL writes it; what is told as json is written as json."""
    if pa.types.is_struct(array.type) or pa.types.is_map(array.type):
        return to_json(array)
    if pa.types.is_string(array.type):
        return array
    return to_text_array(_with_json(array), style)


def _vector(array: pa.Array) -> pa.Array:
    """int2vector and oidvector, whose text is numbers with blanks between them."""
    return pc.binary_join(array.cast(pa.list_(pa.string())), " ") if pa.types.is_list(array.type) else array


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


def binary(array: pa.Array, oid: int, encoding: Encoding = UTF8) -> Cells:
    """A column's binary form under the type it is told as."""
    if not encoding.is_utf8 and (converted := _converted(array, encoding)) is not None:
        return converted
    if oid in NUMBERED and pa.types.is_integer(array.type):
        return _unsigned(array)
    if oid in ADDRESSES and pa.types.is_string(array.type):
        return texts(pa.array([_address(value, oid) for value in array.to_pylist()], pa.binary()))
    element = element_oid(oid)
    if element in NUMBERED and pa.types.is_list(array.type) and pa.types.is_integer(array.type.value_type):
        return list_cells(array, element, _unsigned)
    return binary_cells(array)


def _address(value: str | None, oid: int) -> bytes | None:
    """inet or cidr: family, bits of the network, whether it is a cidr, and the bytes of the address."""
    if value is None:
        return None
    found = ipaddress.ip_interface(value)
    packed = found.packed
    return bytes((2 if found.version == 4 else 3, found.network.prefixlen, oid == CIDR, len(packed))) + packed


def _converted(array: pa.Array, encoding: Encoding) -> Cells | None:
    """A column of text, or of arrays of it, in another encoding; None of any other."""
    if array.type == JSONB:
        return jsonb_cells(encoding.encoded(array.storage))
    if _is_text(array.type):
        return texts(encoding.encoded(text(array, PLAIN)))
    if pa.types.is_list(array.type) and _is_text(array.type.value_type):
        return list_cells(
            array, type_oid(array.type.value_type), lambda values: texts(encoding.encoded(text(values, PLAIN)))
        )
    return None


def _is_text(kind: pa.DataType) -> bool:
    """Types whose binary form is their text."""
    is_told_as_json = pa.types.is_struct(kind) or pa.types.is_map(kind) or kind == JSON
    return bool(pa.types.is_string(kind) or pa.types.is_dictionary(kind) or is_told_as_json)


def _unsigned(array: pa.Array) -> Cells:
    values = array.fill_null(0).cast(pa.int64()).to_numpy()
    return fixed(values.astype(np.uint32).astype(">u4"), mask(array))
