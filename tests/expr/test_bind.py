"""Typing rules: what PostgreSQL says a type is, and what it refuses."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from sqlengine import errors
from sqlengine.expr import tree
from sqlengine.functions import BUILTINS, Registry
from sqlengine.functions.registry import python_function
from sqlengine.functions.signature import parse
from sqlengine.types import INTERVAL, JSON, TIMESTAMP, TIMESTAMPTZ, to_sql
from tests.expr.scope import batch_of, bound, one, values

BATCH = batch_of(
    s2=pa.array([1], pa.int16()),
    i4=pa.array([2], pa.int32()),
    i8=pa.array([3], pa.int64()),
    f4=pa.array([0.5], pa.float32()),
    f8=pa.array([1.5]),
    n=pa.array([Decimal("1.25")], pa.decimal128(10, 2)),
    t=pa.array(["x"]),
    b=pa.array([True]),
    d=pa.array([datetime.date(2024, 1, 31)]),
    ts=pa.array([datetime.datetime(2024, 1, 31, 12)], TIMESTAMP),
    tz=pa.array([datetime.datetime(2024, 1, 31, 12)], TIMESTAMPTZ),
    tm=pa.array([datetime.time(10)], pa.time64("us")),
    iv=pa.array([pa.MonthDayNano([1, 0, 0])]),
    a=pa.array([[1, 2]], pa.list_(pa.int64())),
    st=pa.array([{"x": 1, "y": "z"}]),
    j=pa.ExtensionArray.from_storage(JSON, pa.array(['{"k": [1]}'])),
)

TYPES = {
    "1": "integer",
    "3000000000": "bigint",
    "1.5": "numeric(2,1)",
    "'x'": "text",
    "true": "boolean",
    "s2 + 1": "integer",
    "s2 + s2": "smallint",
    "i4 + i8": "bigint",
    "i4 / 2": "integer",
    "i8 * 1.5": "numeric(22,1)",
    "n + 1": "numeric(13,2)",
    "n * n": "numeric(21,4)",
    "n / n": "double precision",
    "f4 + f4": "real",
    "f4 + i4": "double precision",
    "f8 * 1.2": "double precision",
    "n * f8": "double precision",
    "2 ^ 3": "double precision",
    "d - d": "integer",
    "d + 1": "date",
    "d + interval '1 day'": "timestamp",
    "ts - ts": "interval",
    "ts + interval '1 day'": "timestamp",
    "tz - interval '1 day'": "timestamptz",
    "tm + interval '1 hour'": "time",
    "tm - tm": "interval",
    "iv * 2": "interval",
    "iv / 2": "interval",
    "t || i4": "text",
    "coalesce(i4, i8)": "bigint",
    "coalesce(NULL, 'x')": "text",
    "nullif(i4, 1)": "integer",
    "CASE WHEN b THEN 1 ELSE 2.5 END": "numeric(11,1)",
    "CASE WHEN b THEN d ELSE ts END": "timestamp",
    "greatest(i4, 2.5)": "numeric(11,1)",
    "ARRAY[1, i8]": "bigint[]",
    "a[1]": "bigint",
    "a || 3::bigint": "bigint[]",
    "(st).y": "text",
    "ROW(1, 'a')": "struct<f1 integer, f2 text>",
    "j -> 'k'": "json",
    "j ->> 'k'": "text",
    "now()": "timestamptz",
    "current_date": "date",
    "localtimestamp": "timestamp",
    "extract(hour FROM ts)": "bigint",
    "extract(epoch FROM ts)": "double precision",
    "date_trunc('day', d)": "timestamp",
    "date_trunc('day', tz)": "timestamptz",
    "i4 IN (1, 2)": "boolean",
    "ts > '2024-01-01'": "boolean",
    "round(n)": "numeric(9,0)",
    "round(n, 1)": "numeric(10,1)",
    "round(f8)": "double precision",
    "abs(s2)": "smallint",
    "length(t)": "integer",
    "jaccard(t, 'abc')": "double precision",
    "i4::text": "text",
    "'12'::int + 1": "integer",
    "t LIKE 'x%'": "boolean",
    "b IS NOT TRUE": "boolean",
    "to_char(d, 'YYYY')": "text",
}


@pytest.mark.parametrize("text", TYPES)
def test_type(text: str) -> None:
    assert to_sql(bound(text, BATCH).type) == TYPES[text]
    values(text, BATCH)


VALUES: dict[str, Any] = {
    "-7 / 2": -3,
    "-7 % 3": -1,
    "7 / 2.0": Decimal("3.5000000000000000"),
    "'5' + 3": 8,
    "1 + 2 * 3": 7,
    "- 5": -5,
    "2.5::double precision::int": 2,
    "3.5::double precision::int": 4,
    "2.5::int": 3,
    "-2.5::int": -3,
    "1.255::numeric(10,2)": Decimal("1.26"),
    "' 12 '::int": 12,
    "'+7'::bigint": 7,
    "' 1.5e3 '::double precision": 1500.0,
    "'yes'::boolean": True,
    "'off'::boolean": False,
    "TRUE::int": 1,
    "0::boolean": False,
    "true::text": "true",
    "1.50::text": "1.50",
    "2::double precision::text": "2",
    "1e-7::double precision::text": "1e-07",
    "'NaN'::double precision::text": "NaN",
    "TRY_CAST('x' AS int)": None,
    "TRY_CAST('7' AS int)": 7,
    "'{1,2}'::text": "{1,2}",
    "NULL + 1": None,
    "NULL AND false": False,
    "NULL OR true": True,
    "NOT NULL::boolean": None,
    "NULL IS DISTINCT FROM NULL": False,
    "1 IS NOT DISTINCT FROM 1": True,
    "3 BETWEEN 1 AND 5": True,
    "3 NOT BETWEEN 1 AND 5": False,
    "3 IN (1, NULL)": None,
    "1 IN (1, NULL)": True,
    "4 NOT IN (1, 2)": True,
    "(1, 'a') = (1, 'a')": True,
    "(1, 2) IN ((1, 2), (3, 4))": True,
    "'a' || NULL": None,
    "concat('a', NULL)": "a",
    "coalesce(NULL, NULL)": None,
    "CASE 2 WHEN 1 THEN 'a' WHEN 2 THEN 'b' END": "b",
    "CASE WHEN false THEN 1 END": None,
    "(ARRAY[1, 2])[3]": None,
    "'{\"a\": {\"b\": 5}}'::json #>> '{a,b}'": "5",
    "date '2024-01-31' + interval '1 month'": datetime.datetime(2024, 2, 29),
    "interval '1 month' = interval '30 days'": True,
    "timestamp '2024-01-01' - timestamp '2023-12-31 23:00' = '1 hour'": True,
    "'abc' SIMILAR TO 'a%'": True,
    "extract(second FROM timestamp '2024-01-01 00:00:01.5')": 1.5,
    "0.1 + 0.2 = 0.3": True,
    "'b' > 'B'": True,
    "'NaN'::double precision = 'NaN'::double precision": True,
    "'NaN'::double precision > 'Infinity'::double precision": True,
    "substring('hello' FROM 2 FOR 3)": "ell",
    "position('l' IN 'hello')": 3,
    "trim(BOTH 'x' FROM 'xax')": "a",
    "split_part('a,b,c', ',', -1)": "c",
    "x'41'::text": "\\x41",
    "overlay('abcd' PLACING 'x' FROM 2 FOR 2)": "axd",
}


@pytest.mark.parametrize("text", VALUES)
def test_value(text: str) -> None:
    assert one(text) == VALUES[text]


ERRORS = {
    "t + i4": ("42883", "operator does not exist: text + integer"),
    "i4 = t": ("42883", "operator does not exist: integer = text"),
    "ts + 1": ("42883", "operator does not exist: timestamp + integer"),
    "- t": ("42883", "operator does not exist: - text"),
    "uppr(t)": ("42883", "function uppr(text) does not exist"),
    "round(t)": ("42883", "function round(text) does not exist"),
    "i4 = 'x'": ("22P02", 'invalid input syntax for type integer: "x"'),
    "ts > 'soon'": ("22007", 'invalid input syntax for type timestamp: "soon"'),
    "'99999999999'::int": ("22003", 'value "99999999999" is out of range for type integer'),
    "300000::smallint": ("22003", "smallint out of range"),
    "d::integer": ("42846", "cannot cast type date to integer"),
    "sum(i4)": ("42803", "aggregate functions are not allowed in this clause"),
    "count(*)": ("42803", "aggregate functions are not allowed in this clause"),
    "i4 AND b": ("42804", "argument of AND must be type boolean, not type integer"),
    "CASE WHEN b THEN 1 ELSE t END": ("42804", "CASE types integer and text cannot be matched"),
    "t[1]": ("42804", "cannot subscript type text"),
    "(st).q": ("42703", 'field "q" does not exist in struct<x bigint, y text>'),
    "nosuch": ("42703", 'column "nosuch" does not exist'),
    "to_char(ts, t)": ("0A000", "argument format of to_char must be a constant"),
    "i4::nosuch": ("42704", 'type "nosuch" does not exist'),
    "1 / 0": ("22012", "division by zero"),
    "9223372036854775807 + 1": ("22003", "bigint out of range"),
    "sqrt(-1)": ("2201F", "cannot take square root of a negative number"),
    "date_trunc('eon', ts)": ("22023", 'unit "eon" not recognized'),
    "j -> i8 -> b": ("42883", "operator does not exist: json -> boolean"),
    "rank() OVER ()": ("42P20", "window functions are not allowed in this clause"),
    "ln(0)": ("2201E", "cannot take logarithm of zero"),
    "(-1) ^ 0.5": ("2201F", "a power of this base is undefined or out of range"),
    "ARRAY[]": ("42P18", "cannot determine type of empty array"),
    "make_date(2023, 2, 29)": ("22008", "date field value out of range: 2023-02-29"),
    "t ~ '('": ("22000", None),
    "$1": ("42P02", "there is no parameter $1"),
}


@pytest.mark.parametrize("text", ERRORS)
def test_error(text: str) -> None:
    state, message = ERRORS[text]
    with pytest.raises(errors.Error) as caught:
        values(text, BATCH)
    assert caught.value.sqlstate == state
    assert message is None or caught.value.message == message
    assert not caught.value.message.endswith(".")


def test_near_names_are_offered() -> None:
    with pytest.raises(errors.UndefinedFunction) as caught:
        bound("uppr(t)", BATCH)
    assert caught.value.hint == 'did you mean "upper"?'
    assert caught.value.position == 0
    with pytest.raises(errors.UndefinedFunction) as declared:
        bound("round(t)", BATCH)
    assert "round(x numeric) -> numeric" in str(declared.value.hint)


def test_now_is_the_ticks_time() -> None:
    moment = datetime.datetime(2024, 5, 6, 7, 8, 9, tzinfo=datetime.UTC)
    now_us = int(moment.timestamp() * 1_000_000)
    assert values("now()", BATCH, now_us) == [moment]
    assert values("current_date", BATCH, now_us) == [moment.date()]
    assert values("proctime()", BATCH, now_us) == [moment]
    assert bound("now()", BATCH) == bound("current_timestamp", BATCH) != bound("proctime()", BATCH)
    assert isinstance(bound("current_date"), tree.Cast)


def test_every_constant_of_interval_type() -> None:
    assert bound("interval '1 month 2 days 3 seconds'") == tree.Const(INTERVAL, pa.MonthDayNano([1, 2, 3_000_000_000]))


def test_user_functions_are_layered() -> None:
    mine = Registry(BUILTINS)
    mine.add(python_function(parse("twice(x bigint) -> bigint"), pa.int64(), lambda x: pa.compute.multiply(x, 2)))
    mine.add(python_function(parse("shout(x text) -> text"), pa.string(), lambda s: s.upper() + "!", vectorised=False))
    mine.add(python_function(parse("upper(x bigint) -> text"), pa.string(), lambda n: "n" * n, vectorised=False))
    assert values("twice(i8) + 1", BATCH, functions=mine) == [7]
    assert values("shout(t)", BATCH, functions=mine) == ["X!"]
    assert values("upper(i8) || upper(t)", BATCH, functions=mine) == ["nnnX"]
    with pytest.raises(errors.UndefinedFunction):
        bound("twice(i8)", BATCH)
    mine.remove("twice")
    with pytest.raises(errors.UndefinedFunction):
        bound("twice(i8)", BATCH, mine)


def test_errors_of_user_functions_are_data_errors() -> None:
    mine = Registry(BUILTINS)
    mine.add(python_function(parse("bad(x bigint) -> bigint"), pa.int64(), lambda n: 1 // 0, vectorised=False))
    with pytest.raises(errors.DataError) as caught:
        values("bad(i8)", BATCH, functions=mine)
    assert caught.value.sqlstate == "38000"
    assert "ZeroDivisionError" in caught.value.message
