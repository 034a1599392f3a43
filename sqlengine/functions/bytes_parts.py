"""Parts of bytes, and bytes changed, by place: substring and set_byte.  The kernels are Python's, in both executors."""

from __future__ import annotations

import pyarrow as pa

from sqlengine import duck
from sqlengine.errors import DataError
from sqlengine.functions.registry import per_row, scalar

_BYTES, _INT = pa.binary(), pa.int32()


def _part(data: bytes, start: int, count: int | None = None) -> bytes:
    first = start - 1
    if count is None:
        return data[max(0, first) :]
    if count < 0:
        raise DataError("negative substring length not allowed", sqlstate="22011")
    return data[max(0, first) : max(0, first + count)]


def _with_byte(data: bytes, place: int, value: int) -> bytes:
    if not 0 <= place < len(data):
        raise DataError(f"index {place} out of valid range, 0..{len(data) - 1}", sqlstate="2202E")
    return data[:place] + bytes((value & 0xFF,)) + data[place + 1 :]


_parts, _with_bytes = per_row(_BYTES, _part), per_row(_BYTES, _with_byte)
duck.at_opening("bytes_from", [_BYTES, _INT], _BYTES, _parts)
duck.at_opening("bytes_part", [_BYTES, _INT, _INT], _BYTES, _parts)
duck.at_opening("bytes_with", [_BYTES, _INT, _INT], _BYTES, _with_bytes)

substring_bytes_from = scalar(
    "substring(b bytea, start integer) -> bytea",
    "the bytes from a position on",
    example="substring('abc'::bytea, 2) = 'bc'::bytea",
    aliases=("substr",),
    broadcast=True,
    duck="bytes_from({0}, {1})",
)(_parts)
substring_bytes = scalar(
    "substring(b bytea, start integer, count integer) -> bytea",
    "`count` bytes from a position on",
    example="substring('abc'::bytea FROM 2 FOR 1) = 'b'::bytea",
    aliases=("substr",),
    broadcast=True,
    can_raise=True,
    duck="bytes_part({0}, {1}, {2})",
)(_parts)
set_byte = scalar(
    "set_byte(b bytea, place integer, value integer) -> bytea",
    "the bytes with another at a place, counted from 0",
    example="set_byte('abc'::bytea, 1, 120) = 'axc'::bytea",
    broadcast=True,
    can_raise=True,
    duck="bytes_with({0}::BLOB, {1}, {2})",
)(_with_bytes)
