"""PostgreSQL's arrays in braces, and the other spellings that CAST takes and files may use."""

from __future__ import annotations

import datetime
import json

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sqlengine.array_text import braces_to_json
from sqlengine.formats import decoder
from sqlengine.types import INTERVAL, TIMESTAMP


def spelt(items: list[object]) -> str:
    """As PostgreSQL's array_out writes it: quotes where a reader would not find the same text without."""
    parts = []
    for item in items:
        if item is None:
            parts.append("NULL")
        elif isinstance(item, list):
            parts.append(spelt(item))
        else:
            escaped = str(item).replace("\\", "\\\\").replace('"', '\\"')
            parts.append(f'"{escaped}"')
    return "{" + ",".join(parts) + "}"


texts = st.one_of(st.none(), st.text(alphabet=' ,{}"\\ab\u00e9', max_size=5))
arrays = st.recursive(st.lists(texts, max_size=4), lambda inner: st.lists(inner, min_size=1, max_size=3), max_leaves=6)


@given(arrays)
def test_what_postgresql_writes_is_read(items: list[object]) -> None:
    assert json.loads(braces_to_json(pa.array([spelt(items)]))[0].as_py()) == items


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("{}", []),
        (" { } ", []),
        ("{1, 2 ,3}", ["1", "2", "3"]),
        ('{null,NULL,"NULL"}', [None, None, "NULL"]),
        ("{{1,2},{3}}", [["1", "2"], ["3"]]),
        ('{a b,"c,d"}', ["a b", "c,d"]),
        (r"{a\,b}", ["a,b"]),
    ],
)
def test_other_spellings(text: str, items: list[object]) -> None:
    assert json.loads(braces_to_json(pa.array([text]))[0].as_py()) == items


@pytest.mark.parametrize("text", ["{", "{1", "{1,}", "{,1}", "{1}2", '{"a}', "{1}}", "[1]", "", "x"])
def test_what_is_no_array_stays_as_it_is(text: str) -> None:
    assert braces_to_json(pa.array([text, None])).to_pylist() == [text, None]


def test_files_may_use_them() -> None:
    schema = pa.schema([("arr", pa.list_(pa.int32())), ("d", pa.date32()), ("ts", TIMESTAMP), ("iv", INTERVAL)])
    lines = ['"{1,NULL,3}",2024-1-2,epoch,1 day', "[4],2024-01-02 10:00:00,2024-01-02,01:30:00", "{1;2},,,", ",,,noon"]
    decoded = decoder("csv", schema, {}).decode(pa.array([line.encode() for line in lines]))
    day, midnight = datetime.date(2024, 1, 2), datetime.datetime(2024, 1, 2)
    assert decoded.batch.column(0).to_pylist() == [[1, None, 3], [4]]
    assert decoded.batch.column(1).to_pylist() == [day, day]
    assert decoded.batch.column(2).to_pylist() == [datetime.datetime(1970, 1, 1), midnight]
    assert [(v.days, v.nanoseconds) for v in decoded.batch.column(3).to_pylist()] == [(1, 0), (0, 5_400_000_000_000)]
    assert [position for position, _ in decoded.bad] == [2, 3]
