"""Binary format: Arrow columns as PostgreSQL's send functions write their values, a column at a time.

Numbers are big-endian; days count from 2000-01-01, microseconds from that day's midnight.  The layouts are those of
src/backend/utils/adt/*send in PostgreSQL: numeric as base-10,000 digits, arrays with their dimension before the
elements.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sqlengine.errors import NotSupportedError
from sqlengine.formats.render import to_json
from sqlengine.pgtext import list_parts, to_text_array
from sqlengine.server.cells import Bytes, Cells, Ints, elements, fixed, joined, mask, stretches, texts
from sqlengine.server.pg.oids import type_oid
from sqlengine.state.arrow_buffers import fixed as values_of
from sqlengine.state.arrow_buffers import plain
from sqlengine.types import JSONB

DAYS_TO_2000 = 10_957
US_TO_2000 = DAYS_TO_2000 * 86_400_000_000
_JSONB_VERSION = b"\x01"
_FOREVER = (-(2**63), -(2**63) + 1, 2**63 - 1)
"""Microseconds that stand for -infinity (both) and infinity, and are told as they are."""


def binary_cells(array: pa.Array) -> Cells:
    """The cells of a column of any of our types."""
    if isinstance(array.type, pa.UuidType):
        return _fixed_bytes(array.storage)
    dtype = array.type
    if dtype == JSONB:
        return jsonb_cells(array.storage)
    if isinstance(dtype, pa.BaseExtensionType):
        return texts(array.storage)
    array = plain(array)
    for matches, make in _MAKERS:
        if matches(array.type):
            return make(array)
    return texts(to_text_array(array))


def jsonb_cells(array: pa.Array) -> Cells:
    """Texts, or their bytes, behind the number of jsonb's version."""
    return texts(pc.binary_join_element_wise(pa.scalar(_JSONB_VERSION), array.cast(pa.binary()), pa.scalar(b"")))


def _number(kind: str) -> Callable[[pa.Array], Cells]:
    swapped = ">" + kind

    def make(array: pa.Array) -> Cells:
        return fixed(values_of(array, "<" + kind).astype(swapped), mask(array))

    return make


def _bool(array: pa.Array) -> Cells:
    return fixed(array.fill_null(False).cast(pa.uint8()).to_numpy(), mask(array))


def _date(array: pa.Array) -> Cells:
    days = values_of(array, "<i4").astype(np.int64)
    moved = np.where(days >= 2**31 - 1, days, days - DAYS_TO_2000)
    return fixed(np.where(days <= 1 - 2**31, -(2**31), moved).astype(">i4"), mask(array))


def _timestamp(array: pa.Array) -> Cells:
    micros = values_of(array.cast(pa.timestamp("us", array.type.tz)), "<i8")
    moved = np.where(np.isin(micros, _FOREVER), micros, micros - US_TO_2000)
    return fixed(np.where(micros == _FOREVER[1], _FOREVER[0], moved).astype(">i8"), mask(array))


def _time(array: pa.Array) -> Cells:
    return fixed(values_of(array.cast(pa.time64("us")), "<i8").astype(">i8"), mask(array))


_INTERVAL = np.dtype([("months", "<i4"), ("days", "<i4"), ("nanoseconds", "<i8")])
_INTERVAL_SENT = np.dtype([("micros", ">i8"), ("days", ">i4"), ("months", ">i4")])


def _interval(array: pa.Array) -> Cells:
    parts = np.frombuffer(array.buffers()[1], _INTERVAL)[array.offset : array.offset + len(array)]
    sent = np.empty(len(array), _INTERVAL_SENT)
    sent["micros"], sent["days"], sent["months"] = parts["nanoseconds"] // 1000, parts["days"], parts["months"]
    return fixed(sent, mask(array))


def _fixed_bytes(array: pa.Array) -> Cells:
    width = array.type.byte_width
    raw = np.frombuffer(array.buffers()[1], np.uint8)[array.offset * width : (array.offset + len(array)) * width]
    return Cells(raw, None, width, mask(array))


def _text(array: pa.Array) -> Cells:
    return texts(array)


# ---------------------------------------------------------------- numeric


def _numeric(array: pa.Array) -> Cells:
    """Header (digit count, weight, sign, scale) and base-10,000 digits without zeros at either end."""
    scale = max(array.type.scale, 0)
    digits, negative = _decimal_digits(array, scale)
    groups: Ints = digits.reshape(len(array), -1, 4).astype(np.int64) @ np.array([1000, 100, 10, 1], np.int64)
    whole = groups.shape[1] - -(-scale // 4)
    first, last = _significant(groups)
    counts = last - first
    head = np.zeros((len(array), 4), ">i2")
    head[:, 0], head[:, 1] = counts, np.where(counts > 0, whole - 1 - first, 0)
    head[:, 2], head[:, 3] = np.where(negative & (counts > 0), 0x4000, 0), scale
    width = groups.shape[1] * 2
    begins = np.arange(len(array)) * width + first * 2
    flat, starts = joined([fixed(head, None), stretches(groups.astype(">i2"), begins, counts * 2)], len(array))
    return Cells(flat, starts, 0, mask(array))


def _decimal_digits(array: pa.Array, scale: int) -> tuple[Bytes, Bytes]:
    """(decimal digits 0..9 of each value's magnitude, in groups of four around the point, which are negative)."""
    after = -(-scale // 4) * 4
    text = to_text_array(array.fill_null(0) if array.null_count else array)
    cells = texts(text)
    assert cells.offsets is not None
    lengths = cells.offsets[1:] - cells.offsets[:-1]
    negative = cells.data[cells.offsets[:-1]] == ord("-") if len(array) else np.empty(0, bool)
    before = lengths - negative - (scale + 1 if scale else 0)
    room = -(-int(before.max(initial=1)) // 4) * 4
    out = np.zeros((len(array), room + after), np.uint8)
    begin = cells.offsets[:-1] + negative
    for place in range(room):  # from the point to the left
        has = before > place
        out[has, room - 1 - place] = cells.data[(begin + before - 1 - place)[has]] - ord("0")
    for place in range(scale):
        out[:, room + place] = cells.data[begin + before + 1 + place] - ord("0")
    return out, negative


def _significant(groups: Ints) -> tuple[Ints, Ints]:
    """(the first group that is not zero, the end of the last such): equal where all are zero."""
    there = groups != 0
    some = there.any(axis=1)
    first = np.where(some, there.argmax(axis=1), 0)
    last = np.where(some, groups.shape[1] - there[:, ::-1].argmax(axis=1), 0)
    return first.astype(np.int64), last.astype(np.int64)


# ---------------------------------------------------------------- nested


def _list(array: pa.Array) -> Cells:
    """One-dimensional arrays; lists of lists, which PostgreSQL has as matrices, one value at a time."""
    if pa.types.is_list(array.type.value_type):
        return _matrices(array)
    return list_cells(array, type_oid(array.type.value_type), binary_cells)


def list_cells(array: pa.Array, element_oid: int, cells: Callable[[pa.Array], Cells]) -> Cells:
    """One-dimensional arrays of a type whose values are made by `cells`."""
    offsets, values = list_parts(array.cast(pa.list_(array.type.value_type)))
    bounds = offsets.to_numpy(zero_copy_only=False).astype(np.int64)
    data, starts = elements(cells(values), len(values))
    counts = bounds[1:] - bounds[:-1]
    nulls = np.concatenate([[0], np.cumsum(values.is_null().to_numpy(zero_copy_only=False))])
    head = np.zeros((len(array), 5), ">i4")
    head[:, 0], head[:, 1] = 1, nulls[bounds[1:]] > nulls[bounds[:-1]]
    head[:, 2], head[:, 3], head[:, 4] = element_oid, counts, 1
    head[counts == 0, 0] = 0
    heads = stretches(head, np.arange(len(array)) * 20, np.where(counts > 0, 20, 12))
    flat, at = joined([heads, Cells(data, starts[bounds])], len(array))
    return Cells(flat, at, 0, mask(array))


def _matrices(array: pa.Array) -> Cells:
    inner = array.type.value_type
    while pa.types.is_list(inner):
        inner = inner.value_type
    oid, found = type_oid(inner), []
    for value in array:
        found.append(None if not value.is_valid else _matrix(value.as_py(), inner, oid))
    return texts(pa.array(found, pa.binary()))


def _matrix(value: list[Any], inner: pa.DataType, oid: int) -> bytes:
    sizes = [len(value)]
    flat = value
    while flat and isinstance(flat[0], list):
        sizes.append(len(flat[0]))
        if any(not isinstance(row, list) or len(row) != sizes[-1] for row in flat):
            raise _ragged()
        flat = [item for row in flat for item in row]
    if any(isinstance(item, list) for item in flat):
        raise _ragged()
    if not flat:
        return np.array([0, 0, oid], ">i4").tobytes()
    data, starts = elements(binary_cells(pa.array(flat, inner)), len(flat))
    head = [len(sizes), int(any(item is None for item in flat)), oid]
    for size in sizes:
        head += [size, 1]
    return np.array(head, ">i4").tobytes() + data[: starts[-1]].tobytes()


def _ragged() -> NotSupportedError:
    return NotSupportedError(
        "a list of lists of different lengths has no binary form", hint="ask for text, or cast it to text"
    )


def _as_json(array: pa.Array) -> Cells:
    return texts(to_json(array))


_MAKERS: tuple[tuple[Callable[[pa.DataType], bool], Callable[[pa.Array], Cells]], ...] = (
    (pa.types.is_string, _text),
    (pa.types.is_int64, _number("i8")),
    (pa.types.is_int32, _number("i4")),
    (pa.types.is_int16, _number("i2")),
    (pa.types.is_int8, lambda a: _number("i2")(a.cast(pa.int16()))),
    (pa.types.is_float64, _number("f8")),
    (pa.types.is_float32, _number("f4")),
    (pa.types.is_boolean, _bool),
    (pa.types.is_timestamp, _timestamp),
    (pa.types.is_date32, _date),
    (pa.types.is_time, _time),
    (pa.types.is_decimal, _numeric),
    (pa.types.is_binary, _text),
    (lambda dtype: bool(dtype == pa.month_day_nano_interval()), _interval),
    (pa.types.is_list, _list),
    (pa.types.is_struct, _as_json),
    (pa.types.is_map, _as_json),
)
