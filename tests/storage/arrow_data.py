"""Random Arrow data of (nearly) every type, from a seed."""

from __future__ import annotations

import datetime
import decimal
import random
from typing import Any

import pyarrow as pa

EPOCH = datetime.datetime(1970, 1, 1)

SIMPLE_TYPES = [
    pa.int8(),
    pa.int16(),
    pa.int32(),
    pa.int64(),
    pa.uint8(),
    pa.uint16(),
    pa.uint32(),
    pa.uint64(),
    pa.float32(),
    pa.float64(),
    pa.bool_(),
    pa.string(),
    pa.large_string(),
    pa.binary(),
    pa.large_binary(),
    pa.binary(5),
    pa.timestamp("us"),
    pa.timestamp("s", tz="UTC"),
    pa.date32(),
    pa.time64("us"),
    pa.duration("ms"),
    pa.decimal128(20, 3),
]
NESTED_TYPES = [
    pa.null(),
    pa.string_view(),
    pa.list_(pa.int32()),
    pa.large_list(pa.string()),
    pa.list_(pa.float64(), 3),
    pa.struct([("a", pa.int16()), ("b", pa.list_(pa.string()))]),
    pa.map_(pa.string(), pa.int64()),
    pa.dictionary(pa.int8(), pa.string()),
    pa.list_(pa.dictionary(pa.int32(), pa.string())),
]


def random_schema(rng: random.Random, types: list[pa.DataType], most: int = 6) -> pa.Schema:
    """A schema of 1 to `most` columns."""
    return pa.schema([(f"c{i}", rng.choice(types)) for i in range(rng.randint(1, most))])


def random_batch(rng: random.Random, schema: pa.Schema, rows: int) -> pa.RecordBatch:
    """A batch of `rows` rows; some columns have nulls, some are cut out of a longer array."""
    columns = []
    for field in schema:
        null_share = rng.choice((0.0, 0.0, 0.2, 1.0))
        cut = rng.choice((0, 0, 3))
        distinct = [random_value(rng, field.type) for _ in range(min(rows + cut, 40))]
        values = [None if rng.random() < null_share else rng.choice(distinct) for _ in range(rows + cut)]
        columns.append(pa.array(values, field.type)[cut:])
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def random_value(rng: random.Random, kind: pa.DataType) -> Any:
    """One value that fits the type."""
    types = pa.types
    if types.is_integer(kind):
        low = 0 if types.is_unsigned_integer(kind) else -(1 << (kind.bit_width - 1))
        return rng.choice((low, low + (1 << kind.bit_width) - 1, rng.randrange(100)))
    if types.is_floating(kind):
        return rng.choice((0.0, -1.5, float("inf"), rng.uniform(-1e9, 1e9), float(rng.randrange(9))))
    if types.is_boolean(kind):
        return rng.random() < 0.5
    if types.is_timestamp(kind):
        return EPOCH + datetime.timedelta(seconds=rng.randrange(-(10**9), 10**9))
    if types.is_date32(kind):
        return datetime.date(1970, 1, 1) + datetime.timedelta(days=rng.randrange(40000))
    if types.is_time64(kind):
        return datetime.time(rng.randrange(24), rng.randrange(60), 1, rng.randrange(10**6))
    if types.is_duration(kind):
        return datetime.timedelta(milliseconds=rng.randrange(10**9))
    if types.is_decimal(kind):
        return decimal.Decimal(rng.randrange(-(10**15), 10**15)).scaleb(-3)
    if types.is_fixed_size_binary(kind):
        return rng.randbytes(kind.byte_width)
    return _variable_value(rng, kind)


def _variable_value(rng: random.Random, kind: pa.DataType) -> Any:
    """A value of a variable-length, nested or dictionary type."""
    types = pa.types
    if types.is_null(kind):
        return None
    if types.is_dictionary(kind):
        return random_value(rng, kind.value_type)
    if types.is_struct(kind):
        return {field.name: random_value(rng, field.type) for field in kind}
    if types.is_map(kind):
        pair = (kind.key_type, kind.item_type)
        return [tuple(random_value(rng, each) for each in pair) for _ in range(rng.randrange(3))]
    if types.is_fixed_size_list(kind):
        return [random_value(rng, kind.value_type) for _ in range(kind.list_size)]
    if types.is_list(kind) or types.is_large_list(kind):
        return [random_value(rng, kind.value_type) for _ in range(rng.randrange(4))]
    text = rng.choice(("", "a", "käse", "日本" * 8, "x" * 70))
    return text.encode() if types.is_binary(kind) or types.is_large_binary(kind) else text
