"""Random values of every SQL type, biased to the ones that break things: edges, NaN, far dates, non-ASCII text.

Hypothesis draws the seed; the values come from a plain random generator, because drawing thousands of single values
through hypothesis takes longer than evaluating them.
"""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Callable
from random import Random
from typing import Any

import pyarrow as pa

from sqlengine.types import INTERVAL, JSON, JSONB, TIMESTAMP, TIMESTAMPTZ, UUID

FLOATS = [0.0, -0.0, 1.0, -1.0, 0.5, 1.5, 2.5, -2.5, float("nan"), float("inf"), float("-inf"), 1e300, 1e-300, 0.1]
LETTERS = "abcABC xyz,/%_.é☃𝄞0123"
WORDS = [
    "",
    "a",
    "abc",
    "a,b,,c",
    "http://x/y?channel_id=7",
    "éé",
    "☃a",
    "A b-c",
    "  pad ",
    "%_\\",
    "12",
    "ß",
    "b/c/",
    "a☃b☃",
]
MOMENTS = [
    datetime.datetime(1970, 1, 1),
    datetime.datetime(1969, 12, 31, 23, 59, 59, 999999),
    datetime.datetime(2024, 2, 29, 12),
    datetime.datetime(2000, 12, 31, 23, 59, 59),
    datetime.datetime(1900, 3, 1),
    datetime.datetime(2024, 1, 31, 1, 2, 3, 456),
]
JSONBS = ['{"a": 1.50}', '{"a": {"b": [1, 2]}, "c d": "x"}', "[1, 2, 3]", "null", '"text"', "12", "true", "[]"]
JSONS = ['{"a": 1}', '{"a": {"b": [1, 2]}, "c d": "x"}', "[1, 2, 3]", "null", '"text"', "12", "true", "[]"]
DAY = datetime.timedelta(days=1)


def _whole(bits: int) -> Callable[[Random], int]:
    top = 2 ** (bits - 1)
    edges = [0, 1, -1, 2, 3, 10, top - 1, -top]
    pick: list[Callable[[Random], int]] = [
        lambda r: r.choice(edges),
        lambda r: r.randint(-50, 50),
        lambda r: r.randint(-top, top - 1),
    ]
    return lambda r: r.choice(pick)(r)


def _moment(r: Random) -> datetime.datetime:
    if r.random() < 0.4:
        return r.choice(MOMENTS)
    return datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=r.randint(-11 * 10**15, 10**16))


def _interval(r: Random) -> pa.MonthDayNano:
    micros = r.choice([0, 1, -1, 86_399_999_999, 3_600_000_000, r.randint(-(10**11), 10**11)])
    return pa.MonthDayNano([r.randint(-30, 30), r.randint(-400, 400), micros * 1000])


def _decimal(dtype: pa.DataType) -> Callable[[Random], decimal.Decimal]:
    top = 10**dtype.precision - 1
    context = decimal.Context(prec=60)

    def value(r: Random) -> decimal.Decimal:
        digits = r.choice([r.randint(-5000, 5000), 0, top, -top, r.randint(-top, top), 5, 50, -5])
        return decimal.Decimal(digits).scaleb(-dtype.scale, context)

    return value


def value_of(dtype: pa.DataType) -> Callable[[Random], Any]:
    """A maker of single values, never NULL (inside arrays and structs they may be)."""
    if pa.types.is_decimal(dtype):
        return _decimal(dtype)
    if pa.types.is_list(dtype):
        inner = value_of(dtype.value_type)
        return lambda r: [None if r.random() < 0.15 else inner(r) for _ in range(r.randint(0, 4))]
    return _BY_TYPE[dtype]


_BY_TYPE: dict[pa.DataType, Callable[[Random], Any]] = {
    pa.bool_(): lambda r: r.random() < 0.5,
    pa.int16(): _whole(16),
    pa.int32(): _whole(32),
    pa.int64(): _whole(64),
    pa.float32(): lambda r: float(r.randint(-1000, 1000)) / 8,
    pa.float64(): lambda r: r.choice(FLOATS) if r.random() < 0.5 else r.uniform(-1e6, 1e6),
    pa.string(): lambda r: r.choice(WORDS) if r.random() < 0.5 else "".join(r.choices(LETTERS, k=r.randint(0, 9))),
    pa.binary(): lambda r: r.randbytes(r.randint(0, 6)),
    pa.date32(): lambda r: _moment(r).date(),
    pa.time64("us"): lambda r: _moment(r).time(),
    TIMESTAMP: _moment,
    TIMESTAMPTZ: lambda r: _moment(r).replace(tzinfo=datetime.UTC),
    INTERVAL: _interval,
    UUID: lambda r: r.choice([bytes(16), b"\xff" * 16, r.randbytes(16)]),
    JSON: lambda r: r.choice(JSONS),
    JSONB: lambda r: r.choice(JSONBS),
}


def column(r: Random, make: Callable[[Random], Any], dtype: pa.DataType, rows: int) -> pa.Array:
    """A column of `rows` values, about one in eight NULL; sometimes none or all are."""
    share = r.choice([0.0, 0.12, 0.12, 1.0]) if rows < 4 else r.choice([0.0, 0.12, 0.12])
    values = [None if r.random() < share else make(r) for _ in range(rows)]
    if isinstance(dtype, pa.BaseExtensionType):
        return pa.ExtensionArray.from_storage(dtype, pa.array(values, dtype.storage_type))
    return pa.array(values, dtype)
