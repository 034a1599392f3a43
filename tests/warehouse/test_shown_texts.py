"""Values as Hive shows them.  Expected: SerDeUtils.getJSONString, TimestampTZ, HiveIntervalYearMonth and
HiveIntervalDayTime of Apache Hive, and its own tests where they are named."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sqlengine.warehouse.shown_texts import to_hive_text
from tests.depth import rounds

INTERVAL = pa.month_day_nano_interval()


def shown(values: list[Any], kind: pa.DataType, timezone: str = "UTC") -> list[str | None]:
    """Their texts."""
    made = to_hive_text(pa.array(values, kind), timezone)
    assert made.type == pa.string()
    texts: list[str | None] = made.to_pylist()
    return texts


CASES: list[tuple[pa.DataType, Any, str]] = [
    (pa.bool_(), True, "true"),
    (pa.int8(), -5, "-5"),
    (pa.float64(), 1.0, "1.0"),
    (pa.float64(), 1e20, "1.0E20"),
    (pa.float32(), 1.1, "1.1"),
    (pa.decimal128(10, 2), Decimal("1.50"), "1.50"),
    (pa.string(), 'a "b"', 'a "b"'),
    (pa.binary(), b"ab", "ab"),
    (pa.date32(), dt.date(2024, 2, 29), "2024-02-29"),
    (pa.timestamp("us"), dt.datetime(2024, 2, 29, 12, 0, 0), "2024-02-29 12:00:00"),
    (pa.timestamp("us"), dt.datetime(2024, 2, 29, 12, 0, 0, 120000), "2024-02-29 12:00:00.12"),
    (INTERVAL, pa.MonthDayNano([14, 0, 0]), "1-2"),
    (INTERVAL, pa.MonthDayNano([-14, 0, 0]), "-1-2"),
    (INTERVAL, pa.MonthDayNano([0, 3, 14_706_000_000_000]), "3 04:05:06.000000000"),
    (INTERVAL, pa.MonthDayNano([0, -3, -14_706_000_000_001]), "-3 04:05:06.000000001"),
    (INTERVAL, pa.MonthDayNano([0, 1, -1]), "0 23:59:59.999999999"),
    (INTERVAL, pa.MonthDayNano([0, 0, 0]), "0 00:00:00.000000000"),
    (INTERVAL, pa.MonthDayNano([14, 1, 0]), "1-2 1 00:00:00.000000000"),
    (pa.duration("ms"), dt.timedelta(days=-1, milliseconds=-3), "-1 00:00:00.003000000"),
    (pa.list_(pa.int32()), [1, None], "[1,null]"),
    (pa.list_(pa.string()), ["a", 'b"\\', "\n\t\x01é"], '["a","b\\"\\\\","\\n\\t\\u0001é"]'),
    (pa.list_(pa.float64()), [1.0, 1e-4], "[1.0,1.0E-4]"),
    (pa.list_(pa.date32()), [dt.date(2024, 1, 1)], '["2024-01-01"]'),
    (pa.list_(pa.timestamp("us")), [dt.datetime(2024, 1, 1, 10)], '["2024-01-01 10:00:00"]'),
    (pa.list_(pa.decimal128(4, 2)), [Decimal("1.50")], "[1.50]"),
    (pa.list_(pa.binary()), [b"ab"], "[ab]"),
    (pa.list_(pa.bool_()), [True, False], "[true,false]"),
    (pa.list_(pa.list_(pa.int32())), [[1], None, []], "[[1],null,[]]"),
    (pa.list_(pa.int32(), 2), [1, 2], "[1,2]"),
    # json_serde1.q.out of Hive
    (pa.map_(pa.int32(), pa.date32()), [(1, dt.date(2001, 1, 1)), (2, None)], '{1:"2001-01-01",2:null}'),
    (
        pa.struct(
            [
                ("c1", pa.int32()),
                ("c2", pa.string()),
                ("c3", pa.list_(pa.string())),
                ("c4", pa.map_(pa.string(), pa.int32())),
                ("c5", pa.struct([("c5_1", pa.string()), ("c5_2", pa.int32())])),
            ]
        ),
        {
            "c1": 123456,
            "c2": "hello",
            "c3": ["aa", "bb", "cc"],
            "c4": [("abc", 123), ("xyz", 456)],
            "c5": {"c5_1": "bye", "c5_2": 88},
        },
        '{"c1":123456,"c2":"hello","c3":["aa","bb","cc"],"c4":{"abc":123,"xyz":456},"c5":{"c5_1":"bye","c5_2":88}}',
    ),
    (pa.struct([("a", pa.int32())]), {"a": None}, '{"a":null}'),
]


@pytest.mark.parametrize(("kind", "value", "text"), CASES, ids=[f"{kind}-{text}"[:60] for kind, _, text in CASES])
def test_values(kind: pa.DataType, value: Any, text: str) -> None:
    assert shown([value, None, value], kind) == [text, None, text]
    assert to_hive_text(pa.array([None, value, None], kind).slice(1)).to_pylist() == [text, None]


def test_times_with_a_zone() -> None:
    kind = pa.timestamp("us", "UTC")
    moment = dt.datetime(2016, 1, 3, 20, 26, 34)
    assert shown([moment, None], kind, "America/Los_Angeles") == ["2016-01-03 12:26:34.0 America/Los_Angeles", None]
    later = moment.replace(microsecond=100000)
    assert shown([later], kind, "+05:30") == ["2016-01-04 01:56:34.1 +05:30"]


def test_other_layouts() -> None:
    assert to_hive_text(pa.array(["a", None, "a"]).dictionary_encode()).to_pylist() == ["a", None, "a"]
    assert shown([b"\xff\xfe", b"ab", None], pa.binary()) == ["\ufffd\ufffd", "ab", None]
    assert shown([], pa.list_(pa.int32())) == []
    assert shown([None, None], pa.null()) == [None, None]


@settings(max_examples=rounds(80, 200), deadline=None)
@given(st.lists(st.none() | st.lists(st.none() | st.text(st.characters(codec="utf-8")), max_size=4), max_size=6))
def test_lists_of_texts_are_json(values: list[list[str | None] | None]) -> None:
    texts = shown(values, pa.list_(pa.string()))
    assert [None if text is None else json.loads(text) for text in texts] == values
