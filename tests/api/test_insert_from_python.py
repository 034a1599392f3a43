"""Rows of Python and Arrow values of every kind, put into columns of every type."""

from __future__ import annotations

import datetime as dt
import decimal
import uuid
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest

import sqlengine
from sqlengine import errors
from sqlengine.api.database import Database

NOW = dt.datetime(2024, 1, 1, 10, 0, 0, 5)
SOME_ID = uuid.UUID("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")


@pytest.fixture
def db() -> Iterator[Database]:
    with sqlengine.connect() as db:
        db.execute(
            "CREATE STREAM p (a INT, n NUMERIC(8,2), f REAL, d DATE, t TIME, ts TIMESTAMP, tz TIMESTAMPTZ, u UUID, "
            "b BYTEA, j JSON, arr INT[], st STRUCT<x INT, y TEXT>, m MAP<TEXT, INT>, l STRUCT<x INT, y TEXT>[])"
        )
        yield db


def stored(db: Database, column: str) -> list[Any]:
    return [value for (value,) in db.execute(f"SELECT {column} FROM p").fetchall()]


@pytest.mark.parametrize(
    ("column", "given", "kept"),
    [
        ("a", 1, 1),
        ("a", 1.5, 2),
        ("n", decimal.Decimal("1.255"), decimal.Decimal("1.26")),
        ("n", 7, decimal.Decimal("7.00")),
        ("f", 1, 1.0),
        ("d", dt.date(2024, 1, 1), dt.date(2024, 1, 1)),
        ("d", NOW, dt.date(2024, 1, 1)),
        ("t", dt.time(10), dt.time(10)),
        ("ts", NOW, NOW),
        ("u", SOME_ID, SOME_ID),
        ("u", str(SOME_ID), SOME_ID),
        ("b", b"x", b"x"),
        ("j", '{"a": 1}', '{"a": 1}'),
        ("arr", [1, None, 2], [1, None, 2]),
        ("st", {"y": "q", "x": 1}, {"x": 1, "y": "q"}),
        ("st", {"y": "q"}, {"x": None, "y": "q"}),
        ("m", {"k": 1}, [("k", 1)]),
        ("l", [{"y": "q", "x": 1}, {"x": 2}], [{"x": 1, "y": "q"}, {"x": 2, "y": None}]),
    ],
)
def test_a_python_value(db: Database, column: str, given: object, kept: object) -> None:
    db.insert("p", [{column: given}, {column: None}])
    assert stored(db, column) == [kept, None]


def test_dictionaries_of_different_keys_are_maps(db: Database) -> None:
    db.insert("p", [{"m": {"a": 1, "b": 2}}, {"m": {"b": 3}}, {"m": {}}, {"m": None}])
    assert stored(db, "m") == [[("a", 1), ("b", 2)], [("b", 3)], [], None]


@pytest.mark.parametrize(
    ("column", "array", "kept"),
    [
        ("a", pa.array([1, 2], pa.uint8()), [1, 2]),
        ("n", pa.array([5], pa.uint64()), [decimal.Decimal("5.00")]),
        ("n", pa.array([5], pa.int8()), [decimal.Decimal("5.00")]),
        ("f", pa.array([1.5], pa.float16()), [1.5]),
        ("d", pa.array([dt.date(2024, 1, 1)], pa.date64()), [dt.date(2024, 1, 1)]),
        ("t", pa.array([dt.time(10)], pa.time32("s")), [dt.time(10)]),
        ("ts", pa.array([1_704_103_200_000_005_999], pa.timestamp("ns")), [NOW]),
        ("tz", pa.array([NOW], pa.timestamp("us", "Europe/Berlin")), [NOW.replace(tzinfo=dt.UTC)]),
        ("j", pa.array(["{}", None], pa.large_string()), ["{}", None]),
        ("b", pa.array([b"q"], pa.large_binary()), [b"q"]),
        ("j", pa.array(["{}", "[]", "{}"]).dictionary_encode(), ["{}", "[]", "{}"]),
        ("arr", pa.array([[9], [1, 2], None, [3]], pa.large_list(pa.int64())).slice(1), [[1, 2], None, [3]]),
        (
            "st",
            pa.array(
                [{"y": "w", "x": 1}, None, {"y": "z", "x": 3}], pa.struct([("y", pa.string()), ("x", pa.int64())])
            ).slice(1),
            [None, {"x": 3, "y": "z"}],
        ),
        ("m", pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.int64())), [[("k", 1)], None]),
    ],
)
def test_an_arrow_array(db: Database, column: str, array: pa.Array, kept: list[object]) -> None:
    db.insert("p", pa.table({column: array}))
    assert stored(db, column) == kept
    db.insert("p", pa.table({column: array.slice(0, 0)}))
    assert len(stored(db, column)) == len(kept)


@pytest.mark.parametrize(
    ("row", "error", "detail"),
    [
        ({"a": "one"}, errors.InvalidText, 'column "a"'),
        ({"a": 2**40}, errors.OutOfRange, 'column "a"'),
        ({"j": "{a}"}, errors.InvalidText, 'column "j"'),
        ({"st": {"x": 1, "q": 2}}, errors.DatatypeMismatch, 'column "st"'),
        ({"d": 5}, errors.DatatypeMismatch, None),
    ],
)
def test_bad_values_name_their_column(
    db: Database, row: dict[str, object], error: type[errors.Error], detail: str | None
) -> None:
    with pytest.raises(error) as caught:
        db.insert("p", [row])
    assert caught.value.detail == detail or (detail is None and '"d"' in caught.value.message)
    assert db.execute("SELECT count(*) FROM p").fetchall() == [(0,)]
