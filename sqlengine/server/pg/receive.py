"""Rows of COPY in binary, a column at a time: the opposite of binary.py."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlengine.connectors.base import Polled
from sqlengine.errors import InvalidText, ProtocolViolation
from sqlengine.formats.csv_format import field_values
from sqlengine.kernels import choose
from sqlengine.pg_encodings import UTF8, Encoding
from sqlengine.pgtext import to_text_array
from sqlengine.server.cells import Ints, stretches
from sqlengine.server.pg.binary import DAYS_TO_2000, US_TO_2000
from sqlengine.server.pg.oids import type_oid
from sqlengine.server.pg.receive_parts import decimals, elements_of
from sqlengine.server.pg.values import from_binary
from sqlengine.sql import Typed
from sqlengine.state.arrow_buffers import bitmap
from sqlengine.types import TIMESTAMP, TIMESTAMPTZ, UUID, to_sql

if TYPE_CHECKING:
    from sqlengine.kernels import wire_cells_reference as kernel
else:
    kernel = choose("wire_cells", "wire_cells_reference")

SIGNATURE = b"PGCOPY\n\xff\r\n\0"
READ_BYTES = 8 * 1024 * 1024
TRAILER = b"\xff\xff"


def binary_pieces(file: BinaryIO, schema: pa.Schema, encoding: Encoding = UTF8) -> Iterator[Polled]:
    """The rows of a stream in COPY's binary format, its text in this encoding; ProtocolViolation (22P04)."""
    head = file.read(len(SIGNATURE) + 8)
    if head[: len(SIGNATURE)] != SIGNATURE or len(head) < len(SIGNATURE) + 8:
        raise _malformed("COPY file signature not recognized")
    file.read(int.from_bytes(head[-4:], "big"))
    rest, done = b"", False
    while not done:
        read = file.read(READ_BYTES)
        data = np.frombuffer(rest + read, np.uint8)
        try:
            begins, sizes, end, done = kernel.locate(data, 0, len(schema))
        except ValueError as error:
            raise _malformed(str(error)) from None
        if not read and not done:
            if end < len(data):
                raise _malformed("unexpected EOF in COPY data")
            done = True
        yield Polled(_batch(data, begins, sizes, schema, encoding), {}, done=done)
        rest = data[end:].tobytes()


def _malformed(why: str) -> ProtocolViolation:
    return ProtocolViolation(why, sqlstate="22P04")


def _batch(
    data: npt.NDArray[np.uint8], begins: Ints, sizes: Ints, schema: pa.Schema, encoding: Encoding
) -> pa.RecordBatch:
    columns = [
        _column(data, np.ascontiguousarray(begins[:, c]), np.ascontiguousarray(sizes[:, c]), field, encoding)
        for c, field in enumerate(schema)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _column(
    data: npt.NDArray[np.uint8], begins: Ints, sizes: Ints, field: pa.Field, encoding: Encoding = UTF8
) -> pa.Array:
    valid = sizes >= 0
    known = _FIXED.get(field.type)
    if known is not None:
        width, make = known
        if not (sizes[valid] == width).all():
            raise ProtocolViolation(f'incorrect binary data format in column "{field.name}"', sqlstate="22P03")
        places = np.where(valid, begins, 0)[:, None] + np.arange(width)
        raw = data[places] if len(data) >= width else np.zeros((len(begins), width), np.uint8)
        return _with_nulls(make(raw), field.type, valid)
    if pa.types.is_string(field.type) or pa.types.is_binary(field.type):
        return _bytes(data, begins, np.maximum(sizes, 0), valid, field, encoding)
    try:
        if pa.types.is_decimal128(field.type):
            return _decimals(data, begins, sizes, field)
        made = _lists(data, begins, sizes, field, encoding) if pa.types.is_list(field.type) else None
    except ValueError as error:
        raise ProtocolViolation(f'{error} in column "{field.name}"', sqlstate="22P03") from None
    except TypeError as error:
        raise ProtocolViolation(f'{error} in column "{field.name}"', sqlstate="42804") from None
    return made if made is not None else _one_by_one(data, begins, sizes, field, encoding)


def _decimals(data: npt.NDArray[np.uint8], begins: Ints, sizes: Ints, field: pa.Field) -> pa.Array:
    """Numerics all at once; one without a place in the type goes through its text, which rounds or refuses."""
    there = np.flatnonzero(sizes >= 0)
    found = decimals(data, begins[there], sizes[there], field.type.precision, field.type.scale)
    words = np.zeros((len(begins), 2), np.uint64)
    words[there] = found.words
    array = pa.Array.from_buffers(field.type, len(begins), [bitmap(sizes >= 0), pa.py_buffer(words)])
    rest = there[~found.is_done]
    if len(rest):
        others = _one_by_one(data, begins[rest], sizes[rest], field, UTF8)
        places = np.arange(len(begins))
        places[rest] = len(begins) + np.arange(len(rest))
        array = pa.concat_arrays([array, others]).take(pa.array(places))
    return array


def _lists(
    data: npt.NDArray[np.uint8], begins: Ints, sizes: Ints, field: pa.Field, encoding: Encoding
) -> pa.Array | None:
    """Arrays of one dimension; None where there are others."""
    child, valid = field.type.value_field, sizes >= 0
    if pa.types.is_nested(child.type):
        return None
    found = elements_of(data, begins, sizes, valid, type_oid(child.type))
    if found is None:
        return None
    values = _column(data, found.begins, found.sizes, pa.field(field.name, child.type), encoding)
    offsets = pa.py_buffer(found.offsets.astype(np.int32))
    return pa.Array.from_buffers(field.type, len(begins), [bitmap(valid), offsets], children=[values])


def _bytes(
    data: npt.NDArray[np.uint8], begins: Ints, sizes: Ints, valid: Any, field: pa.Field, encoding: Encoding
) -> pa.Array:
    cells = stretches(data, begins, sizes)
    assert cells.offsets is not None
    offsets = pa.py_buffer(cells.offsets.astype(np.int32))
    array = pa.Array.from_buffers(pa.binary(), len(begins), [bitmap(valid), offsets, pa.py_buffer(cells.data)])
    if pa.types.is_binary(field.type):
        return array
    if not encoding.is_utf8:
        return pa.array([None if v is None else encoding.decode(v) for v in array.to_pylist()], pa.string())
    try:
        return array.cast(pa.string())
    except pa.ArrowInvalid:
        raise InvalidText(
            f'invalid byte sequence for encoding "UTF8" in column "{field.name}"', sqlstate="22021"
        ) from None


def _one_by_one(
    data: npt.NDArray[np.uint8], begins: Ints, sizes: Ints, field: pa.Field, encoding: Encoding
) -> pa.Array:
    """Values of types whose binary form has a length of its own: through their text."""
    oid, raw = type_oid(field.type), data.tobytes()
    texts = [
        None if size < 0 else _text(from_binary(raw[at : at + size], field.type, oid, encoding))
        for at, size in zip(begins.tolist(), sizes.tolist(), strict=True)
    ]
    found = field_values(pa.array(texts, pa.string()), field.type)
    if found.bad.any():
        shown = texts[int(np.flatnonzero(found.bad)[0])]
        raise InvalidText(f'invalid input syntax for type {to_sql(field.type)}: "{shown}"')
    return found.values


def _text(value: Any) -> str:
    """The text of a value; of an array in braces."""
    if isinstance(value, str):
        return value
    return str(to_text_array(pa.array([_plain(value)]))[0].as_py())


def _plain(value: Any) -> Any:
    if isinstance(value, Typed):
        value = value.value
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _swapped(kind: str) -> Callable[[npt.NDArray[np.uint8]], npt.NDArray[Any]]:
    return lambda raw: np.ascontiguousarray(raw).view(">" + kind).reshape(-1).astype("<" + kind)


def _since_2000(kind: str, by: int) -> Callable[[npt.NDArray[np.uint8]], npt.NDArray[Any]]:
    swap, ends = _swapped(kind), np.iinfo("i" + kind[1:])

    def make(raw: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
        values = swap(raw)
        return np.where((values == ends.min) | (values == ends.max), values, values + values.dtype.type(by))

    return make


_FIXED: dict[pa.DataType, tuple[int, Callable[[npt.NDArray[np.uint8]], npt.NDArray[Any]]]] = {
    pa.int16(): (2, _swapped("i2")),
    pa.int32(): (4, _swapped("i4")),
    pa.int64(): (8, _swapped("i8")),
    pa.float32(): (4, _swapped("f4")),
    pa.float64(): (8, _swapped("f8")),
    pa.bool_(): (1, lambda raw: raw.reshape(-1) != 0),
    pa.date32(): (4, _since_2000("i4", DAYS_TO_2000)),
    pa.time64("us"): (8, _swapped("i8")),
    TIMESTAMP: (8, _since_2000("i8", US_TO_2000)),
    TIMESTAMPTZ: (8, _since_2000("i8", US_TO_2000)),
    UUID: (16, lambda raw: np.ascontiguousarray(raw)),
}


def _with_nulls(values: npt.NDArray[Any], kind: pa.DataType, valid: npt.NDArray[np.bool_]) -> pa.Array:
    if pa.types.is_boolean(kind):
        return pa.array(values, mask=~valid)
    storage = kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind
    array = pa.Array.from_buffers(storage, len(valid), [bitmap(valid), pa.py_buffer(np.ascontiguousarray(values))])
    return pa.ExtensionArray.from_storage(kind, array) if isinstance(kind, pa.BaseExtensionType) else array
