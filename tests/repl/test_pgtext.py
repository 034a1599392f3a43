"""sqlengine.pgtext against PostgreSQL's own output (recorded) and, for random values, DuckDB and Python."""

from __future__ import annotations

import json
import math
import struct
import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sqlengine import types
from sqlengine.pgtext import to_text, to_text_array
from sqlengine.text_style import TextStyle
from tests.depth import rounds

CASES = json.loads((Path(__file__).parent / "pgtext_golden.json").read_text())["cases"]
modest = settings(max_examples=rounds(24, 60), deadline=None)


def build(type_name: str, values: list[Any]) -> pa.Array:
    """The golden file's plain JSON values as an Arrow array of the SQL type."""
    dtype = types.from_sql(type_name)
    if pa.types.is_floating(dtype):
        return pa.array([float(v) for v in values], dtype)
    if pa.types.is_decimal(dtype):
        return pa.array([Decimal(v) for v in values], dtype)
    if pa.types.is_date(dtype):
        return pa.array(values, pa.int32()).cast(dtype)
    if dtype == types.INTERVAL:
        return pa.array([(m, d, us * 1000) for m, d, us in values], dtype)
    if dtype == types.UUID:
        return pa.array([uuid.UUID(v).bytes for v in values], dtype)
    if pa.types.is_binary(dtype):
        return pa.array([bytes.fromhex(v) for v in values])
    if pa.types.is_struct(dtype):
        return pa.array([dict(zip("ab", v, strict=True)) for v in values], dtype)
    return pa.array(values, dtype)


@pytest.mark.parametrize("case", CASES, ids=lambda c: c["type"] + c.get("timezone", ""))
def test_same_text_as_postgresql(case: dict[str, Any]) -> None:
    array = build(case["type"], case["values"])
    assert to_text(array, TextStyle(case.get("timezone", "UTC"))) == case["text"]


@pytest.mark.parametrize("case", CASES, ids=lambda c: c["type"])
def test_slices_nulls_and_chunks_do_not_matter(case: dict[str, Any]) -> None:
    array = build(case["type"], case["values"])
    zone, text = TextStyle(case.get("timezone", "UTC")), case["text"]
    null = pa.nulls(1, array.type)
    with_nulls = pa.chunked_array([array[:2], null, array[2:], null])
    assert to_text(with_nulls, zone) == [*text[:2], None, *text[2:], None]
    assert to_text(pa.concat_arrays(with_nulls.chunks)[1:], zone) == [*text[1:2], None, *text[2:], None]
    assert to_text(array[:0], zone) == []
    assert to_text_array(array).type == pa.string()


def digits(text: str) -> str:
    """A number's significant digits."""
    return text.partition("e")[0].replace(".", "").strip("-0")


@modest
@given(st.lists(st.floats() | st.none()))
def test_doubles_read_back_as_themselves(values: list[float | None]) -> None:
    for value, text in zip(values, to_text(pa.array(values, pa.float64())), strict=True):
        assert (value is None) == (text is None)
        if value is not None and text is not None:
            assert struct.pack("d", float(text)) == struct.pack("d", value) or value != value
            assert math.isinf(value) or len(digits(text)) <= len(digits(repr(value)))


@modest
@given(st.lists(st.floats(width=32, allow_nan=False)))
def test_reals_read_back_as_themselves(values: list[float]) -> None:
    array = pa.array(values, pa.float32())
    assert [np.float32(t) for t in to_text(array)] == [np.float32(v) for v in values]


DUCK_STRATEGIES = {
    "BIGINT": st.integers(-(2**63), 2**63 - 1),
    "TIMESTAMP": st.datetimes(),
    "DATE": st.dates(),
    "TIME": st.times(),
    "DECIMAL(30,7)": st.decimals(-(10**20), 10**20, places=7, allow_nan=False),
    "UUID": st.uuids().map(str),
}


@pytest.mark.parametrize("sql_type", DUCK_STRATEGIES)
def test_same_text_as_duckdb(sql_type: str) -> None:
    with duckdb.connect() as connection:

        @modest
        @given(st.lists(DUCK_STRATEGIES[sql_type] | st.none(), max_size=20))
        def check(values: list[Any]) -> None:
            source = f"SELECT unnest(?::VARCHAR[])::{sql_type} AS v"
            texts = [None if v is None else str(v) for v in values]
            query = f"SELECT v, v::VARCHAR AS text FROM ({source})"
            result = connection.sql(query, params=[texts]).to_arrow_table()
            assert to_text(result["v"]) == result["text"].to_pylist()

        check()


def test_values_postgresql_has_no_type_for() -> None:
    assert to_text(pa.array([[("k", 1), ('z"', None)], [], None], pa.map_(pa.string(), pa.int64()))) == [
        '"k"=>"1", "z\\""=>NULL',
        "",
        None,
    ]  # hstore's text
    assert to_text(pa.array([1500, None, -3], pa.duration("ms"))) == ["00:00:01.5", None, "-00:00:00.003"]
    assert to_text(pa.array([2**63 - 1, -(2**63) + 1], pa.timestamp("us"))) == ["infinity", "-infinity"]
    days = pa.array([2**31 - 1, -(2**31) + 1], pa.int32())
    assert to_text(days.cast(pa.date32())) == ["infinity", "-infinity"]
    assert to_text(pa.array([None, None])) == [None, None]
    assert to_text(pa.array([{}], pa.struct([]))) == ["()"]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_every_unit_of_time(unit: str) -> None:
    per_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    assert to_text(pa.array([61 * per_second], pa.timestamp(unit))) == ["1970-01-01 00:01:01"]
    assert to_text(pa.array([61 * per_second], pa.duration(unit))) == ["00:01:01"]
    time_type = pa.time32(unit) if unit in ("s", "ms") else pa.time64(unit)
    physical = pa.int32() if unit in ("s", "ms") else pa.int64()
    assert to_text(pa.array([61 * per_second], physical).cast(time_type)) == ["00:01:01"]


@pytest.mark.parametrize(
    ("array", "text"),
    [
        (pa.array(["a", None]).dictionary_encode(), ["a", None]),
        (pa.array(["a", None]).cast(pa.string_view()), ["a", None]),
        (pa.array(["a", None]).cast(pa.large_string()), ["a", None]),
        (pa.array([b"a", None]).cast(pa.large_binary()), ["\\x61", None]),
        (pa.array([b"a", None]).cast(pa.binary_view()), ["\\x61", None]),
        (pa.array([b"ab", None], pa.binary(2)), ["\\x6162", None]),
        (pa.array([[1, 2], None], pa.list_(pa.int8(), 2)), ["{1,2}", None]),
        (pa.array([[1, 2], None], pa.large_list(pa.int8())), ["{1,2}", None]),
        (pa.array([0.5, None], pa.float16()), ["0.5", None]),
        (pa.array([Decimal("1.50"), None], pa.decimal256(50, 2)), ["1.50", None]),
        (pa.array([Decimal("1.50"), None], pa.decimal32(5, 2)), ["1.50", None]),
        (pa.array(['{"a": 1}', None], pa.json_(pa.string())), ['{"a": 1}', None]),
        (pa.RunEndEncodedArray.from_arrays([2, 3], [7, 8]), ["7", "7", "8"]),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
)
def test_every_physical_layout(array: pa.Array, text: list[str | None]) -> None:
    assert to_text(array) == text
