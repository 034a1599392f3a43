"""What a record says of itself, as a column of the type that METADATA declares.

Header lists become maps where a map is declared (Flink's MAP<STRING, BYTES>); a key or header that is no UTF-8 is NULL
as text, so that one such record does not stop who reads the others.
"""

from __future__ import annotations

import pyarrow as pa

from sqlengine.types import TIMESTAMPTZ

METADATA_TYPES = {
    "offset": pa.int64(),
    "partition": pa.int32(),
    "key": pa.binary(),
    "timestamp": TIMESTAMPTZ,
    "timestamp_ms": pa.int64(),
    "headers": pa.list_(pa.struct([("name", pa.string()), ("value", pa.binary())])),
    "topic": pa.string(),
}


def converts(name: str, kind: pa.DataType) -> bool:
    """Whether metadata can be had as a type."""
    try:
        as_declared(pa.array([], METADATA_TYPES[name]), kind)
    except pa.ArrowNotImplementedError:
        return False
    return True


def as_declared(values: pa.Array, kind: pa.DataType) -> pa.Array:
    """The values as the type; ArrowNotImplementedError when they are never of it."""
    if values.type == kind:
        return values
    if pa.types.is_map(kind) and pa.types.is_list(values.type):
        values = _as_map(values)
    if pa.types.is_binary(values.type) and pa.types.is_string(kind):
        return _as_text(values)
    if pa.types.is_map(kind) and pa.types.is_map(values.type):
        items = as_declared(values.items, kind.item_type)
        return _with_validity(pa.MapArray.from_arrays(values.offsets, values.keys.cast(kind.key_type), items), values)
    return values.cast(kind)


def _as_map(lists: pa.ListArray) -> pa.MapArray:
    entries = lists.values
    return _with_validity(pa.MapArray.from_arrays(lists.offsets, entries.field(0), entries.field(1)), lists)


def _with_validity(maps: pa.MapArray, of: pa.Array) -> pa.MapArray:
    """NULL where `of` has it."""
    if not of.null_count:
        return maps
    buffers = [of.is_valid().buffers()[1], *maps.buffers()[1:2]]
    entries = pa.StructArray.from_arrays([maps.keys, maps.items], fields=list(maps.type.field(0).type))
    return pa.Array.from_buffers(maps.type, len(maps), buffers, children=[entries])


def _as_text(values: pa.BinaryArray) -> pa.StringArray:
    try:
        return values.cast(pa.string())
    except pa.ArrowInvalid:
        return pa.array([_text(value) for value in values.to_pylist()], pa.string())


def _text(value: bytes | None) -> str | None:
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        return None
