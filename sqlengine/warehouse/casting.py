"""Columns of a file as the table's types: files may be older than the table, or written by others.

As Hive's readers of Parquet and ORC do: integers widen, what does not fit its narrower type is NULL, numbers become
texts and texts numbers; fields of structs are found by name, missing ones are NULL.
"""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sqlengine.decimal_digits import rounded
from sqlengine.errors import DatatypeMismatch
from sqlengine.hive_types import LTZ, HiveType
from sqlengine.types import TIMESTAMP, TIMESTAMPTZ
from sqlengine.warehouse.text_values import fit_text, parse
from sqlengine.warehouse.value_texts import to_texts

_TEXTS = ("string", "char", "varchar")
_INTEGERS = ("tinyint", "smallint", "int", "bigint")


def as_hive(values: pa.Array, hive: HiveType, *, is_text: bool = False) -> pa.Array:
    """`values` as values of a Hive type, in its Arrow type; NULL where a value does not fit. With `is_text` strings are
    texts of binary values (Base64), else their bytes.

    Raises DatatypeMismatch (42804) where no value of the one type can be one of the other.
    """
    values = _plain(values)
    if hive.is_nested:
        return _nested(values, hive, is_text)
    if values.type == hive.arrow and hive.name not in ("char", "varchar"):
        return values
    if pa.types.is_null(values.type):
        return pa.nulls(len(values), hive.arrow)
    if pa.types.is_nested(values.type):
        raise _mismatch(values, hive)
    if hive.name in _TEXTS:
        return _text(values, hive)
    if pa.types.is_string(values.type):
        return values.cast(pa.binary()) if hive.name == "binary" and not is_text else parse(values, hive)
    if hive.name in ("date", "timestamp", LTZ):
        return _moment(values, hive)
    if hive.name == "binary" or not (_is_number(values.type) or pa.types.is_boolean(values.type)):
        raise _mismatch(values, hive)
    return _number(values, hive)


def _plain(values: pa.Array) -> pa.Array:
    """Without dictionaries, run lengths, views, 64-bit offsets and extension types."""
    dtype = values.type
    if isinstance(values, pa.ExtensionArray):
        return _plain(values.storage)
    if pa.types.is_dictionary(dtype) or pa.types.is_run_end_encoded(dtype):
        return _plain(values.cast(dtype.value_type) if pa.types.is_dictionary(dtype) else pc.run_end_decode(values))
    if pa.types.is_large_string(dtype) or pa.types.is_string_view(dtype):
        return values.cast(pa.string())
    if pa.types.is_large_binary(dtype) or pa.types.is_binary_view(dtype) or pa.types.is_fixed_size_binary(dtype):
        return values.cast(pa.binary())
    return values


def _mismatch(values: pa.Array, hive: HiveType) -> DatatypeMismatch:
    return DatatypeMismatch(f"values of type {values.type} in the file cannot be read as {hive}")


def _nested(values: pa.Array, hive: HiveType, is_text: bool) -> pa.Array:
    dtype = values.type
    if pa.types.is_null(dtype):
        return pa.nulls(len(values), hive.arrow)
    if hive.name == "array" and (pa.types.is_list(dtype) or pa.types.is_large_list(dtype)):
        if len(values) and pa.types.is_large_list(dtype):
            values = values.cast(pa.list_(dtype.value_type))
        return pa.ListArray.from_arrays(
            _offsets(values),
            as_hive(values.values, hive.children[0], is_text=is_text),
            type=hive.arrow,
            mask=_nulls(values),
        )
    if hive.name == "array" and pa.types.is_fixed_size_list(dtype):
        return _nested(values.cast(pa.list_(dtype.value_type)), hive, is_text)
    if hive.name == "map" and pa.types.is_map(dtype):
        keys, items = (
            as_hive(part, child, is_text=is_text)
            for part, child in zip((values.keys, values.items), hive.children, strict=True)
        )
        return pa.MapArray.from_arrays(_offsets(values), keys, items, type=hive.arrow, mask=_nulls(values))
    if hive.name == "struct" and pa.types.is_struct(dtype):
        there = {dtype.field(i).name.lower(): i for i in reversed(range(dtype.num_fields))}
        children = [
            as_hive(values.field(there[name]), child, is_text=is_text)
            if name in there
            else pa.nulls(len(values), child.arrow)
            for name, child in hive.fields
        ]
        return pa.StructArray.from_arrays(children, fields=list(hive.arrow), mask=_nulls(values))
    raise _mismatch(values, hive)


def _offsets(values: pa.Array) -> pa.Array:
    """Beginning at this slice's values; a copy, as a mask allows no slices."""
    return pa.array(values.offsets.to_numpy(zero_copy_only=False))


def _nulls(values: pa.Array) -> pa.Array | None:
    return pa.concat_arrays([values.is_null()]) if values.null_count else None


def _text(values: pa.Array, hive: HiveType) -> pa.Array:
    if pa.types.is_binary(values.type):
        return parse(values, hive)
    text = to_texts(values)
    return text if hive.name == "string" else fit_text(text, hive)


def _is_number(dtype: pa.DataType) -> bool:
    return bool(pa.types.is_integer(dtype) or pa.types.is_floating(dtype) or pa.types.is_decimal(dtype))


def _number(values: pa.Array, hive: HiveType) -> pa.Array:
    if pa.types.is_boolean(values.type):
        values = values.cast(pa.int8())
    if hive.name == "boolean":
        return pc.not_equal(values, pa.scalar(0, pa.int64()).cast(values.type))
    if pa.types.is_float16(values.type):
        values = values.cast(pa.float32())
    if hive.name in _INTEGERS:
        return _integer(values, hive)
    if hive.name == "decimal":
        return parse(to_texts(values), hive)
    return values.cast(hive.arrow, safe=False)


def _integer(values: pa.Array, hive: HiveType) -> pa.Array:
    """The fraction is cut off; NULL outside the range."""
    low, high = -(1 << (hive.arrow.bit_width - 1)), (1 << (hive.arrow.bit_width - 1)) - 1
    if pa.types.is_floating(values.type):
        whole = pc.trunc(values.cast(pa.float64()))
        fits = pc.and_(pc.greater_equal(whole, float(low)), pc.less(whole, float(high + 1)))
        return pc.if_else(fits, whole, None).cast(hive.arrow)
    if pa.types.is_decimal(values.type):
        whole = rounded(values, 0, "towards_zero")
        edges = (pa.scalar(Decimal(edge), pa.decimal256(76, 0)) for edge in (low, high))
    elif pa.types.is_uint64(values.type):
        whole, edges = values, (pa.scalar(edge, pa.uint64()) for edge in (0, high))
    else:
        whole, edges = values.cast(pa.int64()), (pa.scalar(edge, pa.int64()) for edge in (low, high))
    least, most = edges
    fits = pc.and_(pc.greater_equal(whole, least), pc.less_equal(whole, most))
    return pc.if_else(fits, whole, pa.scalar(None, whole.type)).cast(hive.arrow)


def _moment(values: pa.Array, hive: HiveType) -> pa.Array:
    """Times of other units are cut to microseconds; a zone means the moment, told in UTC."""
    if not (pa.types.is_timestamp(values.type) or pa.types.is_date(values.type)):
        raise _mismatch(values, hive)
    if pa.types.is_date(values.type):
        return (
            values.cast(pa.date32()).cast(TIMESTAMP).cast(hive.arrow)
            if hive.name != "date"
            else values.cast(hive.arrow)
        )
    unit = {"s": 1_000_000, "ms": 1000, "us": 1, "ns": 1}[values.type.unit]
    micros = np.asarray(values.cast(pa.int64()).fill_null(0))
    micros = micros // 1000 if values.type.unit == "ns" else micros * unit
    made = pa.array(micros, mask=np.asarray(values.is_null())).cast(TIMESTAMP)
    if hive.name == LTZ:
        return made.cast(TIMESTAMPTZ)
    return pc.floor_temporal(made, unit="day").cast(pa.date32()) if hive.name == "date" else made
