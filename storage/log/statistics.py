"""Per-frame column statistics: smallest and largest value and null count of primitive columns.

A reader can skip a frame whose range excludes a predicate without touching its columns. The section is
optional and skippable (FORMAT.md section 3). Must not do I/O.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from storage.log.format import ALIGNMENT, padded
from storage.log.schema_plan import SchemaPlan
from storage.log.trailer import KIND_STATISTICS, section, sections

# Frames with fewer rows get no statistics: skipping them saves less than computing costs.
MIN_ROWS = 2048

_ENTRY = {"i": struct.Struct("<HBBIqq"), "u": struct.Struct("<HBBIQQ"), "f": struct.Struct("<HBBIdd")}
_ENTRY_SIZE = 24
_CODES = {"i": 1, "u": 2, "f": 3}
_LETTERS = {code: letter for letter, code in _CODES.items()}
_HAS_RANGE = 1


@dataclass(frozen=True)
class ColumnStatistics:
    """Bounds of one column over a whole frame.

    min and max are the physical values: an int for integers and temporal types (in the column's own unit), a
    float for floating point; both None if every value is null or one is NaN. null_count counts nulls.
    """

    min: int | float | None
    max: int | float | None
    null_count: int


def encode_statistics(batch: pa.RecordBatch, plan: SchemaPlan) -> bytes:
    """The statistics section of `batch`, padded to the frame alignment; empty if there is nothing to say."""
    if batch.num_rows < MIN_ROWS or not 0 < len(plan.numeric) <= 0xFFFF:
        return b""
    entries = [_encode_column(index, batch.column(index), numpy_type) for index, numpy_type in plan.numeric]
    packed = section(KIND_STATISTICS, len(entries), b"".join(entries))
    return packed + bytes(padded(len(packed)) - len(packed))


def decode_statistics(trailer: Any, schema: pa.Schema) -> dict[str, ColumnStatistics]:
    """Statistics by column name from a frame's trailer; empty if the trailer has no such section."""
    found: dict[str, ColumnStatistics] = {}
    for kind, count, start in sections(trailer):
        if kind != KIND_STATISTICS:
            continue
        for number in range(count):
            index, statistics = _decode_entry(trailer, start + number * _ENTRY_SIZE)
            if index < len(schema):
                found[schema.field(index).name] = statistics
    return found


def _encode_column(index: int, column: pa.Array, numpy_type: np.dtype[Any]) -> bytes:
    """One entry: column index, value class, flags, null count, min, max."""
    letter = numpy_type.kind
    nulls = column.null_count
    low, high = _range(column, numpy_type, nulls)
    entry = _ENTRY[letter]
    if low is None or high is None or low != low or high != high:
        zero = 0.0 if letter == "f" else 0
        return entry.pack(index, _CODES[letter], 0, nulls, zero, zero)
    return entry.pack(index, _CODES[letter], _HAS_RANGE, nulls, low, high)


def _range(column: pa.Array, numpy_type: np.dtype[Any], nulls: int) -> tuple[Any, Any]:
    """(min, max) as physical Python values; NaN if any value is NaN, None if there is no value."""
    if nulls == 0:
        start = column.offset * numpy_type.itemsize
        values = np.frombuffer(column.buffers()[1], numpy_type, count=len(column), offset=start)
        return values.min().item(), values.max().item()
    if nulls == len(column):
        return None, None
    if numpy_type.kind == "f" and math.isnan(pc.sum(column).as_py()):
        return None, None
    bounds = pc.min_max(column.view(pa.from_numpy_dtype(numpy_type)))
    return bounds["min"].as_py(), bounds["max"].as_py()


def _decode_entry(trailer: Any, position: int) -> tuple[int, ColumnStatistics]:
    """(column index, statistics) of the entry at `position`."""
    letter = _LETTERS.get(trailer[position + 2], "i")
    index, _, flags, nulls, low, high = _ENTRY[letter].unpack_from(trailer, position)
    if flags & _HAS_RANGE:
        return index, ColumnStatistics(low, high, nulls)
    return index, ColumnStatistics(None, None, nulls)


assert _ENTRY["i"].size == _ENTRY_SIZE and ALIGNMENT % 8 == 0
