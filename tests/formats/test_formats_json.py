"""The json format against Python's json module, and each record alone against any neighbours."""

from __future__ import annotations

import datetime
import decimal
import json

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sqlengine.errors import InvalidParameter, NotSupportedError
from sqlengine.formats import decoder, encoder
from sqlengine.types import JSON, TIMESTAMP, UUID
from tests.depth import rounds

SCHEMA = pa.schema(
    [
        ("id", pa.int64()),
        ("name", pa.string()),
        ("price", pa.float64()),
        ("ok", pa.bool_()),
        ("at", TIMESTAMP),
        ("day", pa.date32()),
        ("amount", pa.decimal128(12, 2)),
        ("tags", pa.list_(pa.string())),
        ("spot", pa.struct([("x", pa.int32()), ("y", pa.float32())])),
        ("counts", pa.map_(pa.string(), pa.int64())),
        ("doc", JSON),
    ]
)
PLAIN = pa.schema([SCHEMA.field(i) for i in range(5)])


def records(*texts: str | bytes | None) -> pa.BinaryArray:
    return pa.array([t.encode() if isinstance(t, str) else t for t in texts], pa.binary())


def rows_of(schema: pa.Schema, *texts: str | bytes | None) -> list[dict]:
    decoded = decoder("json", schema, {}).decode(records(*texts))
    assert not decoded.bad
    return decoded.batch.to_pylist()


def reason(schema: pa.Schema, text: str | bytes | None) -> str:
    decoded = decoder("json", schema, {}).decode(records(text))
    assert decoded.batch.num_rows == 0 and len(decoded.bad) == 1
    return decoded.bad[0][1]


def one(dtype: pa.DataType, value: str) -> object:
    return rows_of(pa.schema([("v", dtype)]), f'{{"v":{value}}}')[0]["v"]


# --- what a value becomes

GOOD_VALUES = [
    (pa.int64(), "12", 12),
    (pa.int64(), '"12"', 12),
    (pa.int64(), "null", None),
    (pa.int16(), "-7", -7),
    (pa.float64(), "1", 1.0),
    (pa.float64(), '"1e3"', 1000.0),
    (pa.bool_(), "true", True),
    (pa.bool_(), '"f"', False),
    (pa.string(), '"a\\u00e9\\n\\"b\\\\"', 'aé\n"b\\'),
    (pa.string(), "1.50", "1.50"),
    (pa.string(), '{"a": [1, 2]}', '{"a": [1, 2]}'),
    (pa.string(), '"\\ud83d\\ude00"', "😀"),
    (TIMESTAMP, '"2024-02-03T04:05:06"', datetime.datetime(2024, 2, 3, 4, 5, 6)),
    (TIMESTAMP, '"2024-02-03 04:05:06.789"', datetime.datetime(2024, 2, 3, 4, 5, 6, 789000)),
    (TIMESTAMP, '"2024-02-03T04:05:06.123456789Z"', datetime.datetime(2024, 2, 3, 4, 5, 6, 123456)),
    (TIMESTAMP, '"2024-02-03T04:05:06+01:00"', datetime.datetime(2024, 2, 3, 3, 5, 6)),
    (TIMESTAMP, "1706933106789", datetime.datetime(2024, 2, 3, 4, 5, 6, 789000)),
    (TIMESTAMP, "-1", datetime.datetime(1969, 12, 31, 23, 59, 59, 999000)),
    (pa.date32(), '"2024-02-29"', datetime.date(2024, 2, 29)),
    (pa.date32(), "1", datetime.date(1970, 1, 2)),
    (pa.time64("us"), '"10:11"', datetime.time(10, 11)),
    (pa.decimal128(10, 2), "1.25", decimal.Decimal("1.25")),
    (pa.decimal128(10, 2), '"1.255"', decimal.Decimal("1.26")),
    (
        pa.decimal128(38, 3),
        "12345678901234567890123456789012345.678",
        decimal.Decimal("12345678901234567890123456789012345.678"),
    ),
    (pa.binary(), '"\\\\x6869"', b"hi"),
    (pa.binary(), '"hi"', b"hi"),
    (pa.list_(pa.int64()), '[1,"2",null]', [1, 2, None]),
    (pa.list_(pa.int64()), "[]", []),
    (pa.list_(pa.list_(pa.string())), '[["a,]"],[],null]', [["a,]"], [], None]),
    (pa.struct([("a", pa.int64())]), '{"b":1,"a":"5"}', {"a": 5}),
    (pa.map_(pa.string(), pa.int64()), '{"a":1,"b\\"":null}', [("a", 1), ('b"', None)]),
    (pa.map_(pa.int64(), pa.string()), '{"1":"x"}', [(1, "x")]),
    (JSON, '{"a" : [1.10, {"b":"}"}]}', '{"a" : [1.10, {"b":"}"}]}'),
    (JSON, '"text"', '"text"'),
    (JSON, "null", None),
]


@pytest.mark.parametrize(("dtype", "text", "value"), GOOD_VALUES)
def test_value(dtype: pa.DataType, text: str, value: object) -> None:
    assert one(dtype, text) == value


def test_uuid() -> None:
    text = "123e4567-e89b-12d3-a456-426614174000"
    decoded = decoder("json", pa.schema([("v", UUID)]), {}).decode(records(f'{{"v":"{text}"}}'))
    assert str(decoded.batch.column(0)[0].as_py()) == text


BAD_VALUES = [
    (pa.int64(), "1.5"),
    (pa.int64(), '"x"'),
    (pa.int64(), "true"),
    (pa.int64(), "9223372036854775808"),
    (pa.int16(), "40000"),
    (pa.float64(), '"1e400"'),
    (pa.bool_(), '"maybe"'),
    (TIMESTAMP, '"yesterday"'),
    (TIMESTAMP, "1e300"),
    (pa.date32(), '"2023-02-29"'),
    (pa.decimal128(4, 2), "1000"),
    (pa.list_(pa.int64()), "5"),
    (pa.list_(pa.int64()), '[1,"x"]'),
    (pa.struct([("a", pa.int64())]), "[1]"),
    (pa.struct([("a", pa.int64())]), '{"a":"x"}'),
    (pa.map_(pa.string(), pa.int64()), '{"a":"x"}'),
    (UUID, '"123"'),
    (pa.binary(), '"\\\\xzz"'),
]


@pytest.mark.parametrize(("dtype", "text"), BAD_VALUES)
def test_bad_value_names_its_column(dtype: pa.DataType, text: str) -> None:
    assert 'column "v"' in reason(pa.schema([("v", dtype)]), f'{{"v":{text}}}')


MALFORMED = [
    "",
    "null",
    "[1]",
    "1",
    '"x"',
    "{",
    "}",
    "{}{}",
    '{"id":1}{"id":2}',
    '{"id":1,}',
    "{'id':1}",
    '{"id":01}',
    '{"id":1} x',
    '{"id":1} x}',
    '{"name":"\n"}',
    '{"name":"\\ud800"}',
    b'{"name":"\xff"}',
    '{"id":tru}',
    '{"a":{"id":1}',
    "{]}",
    None,
    '{"tags":[1 2]}',
    '{"id":1}\n{"id":2}',
    "\ufeff{}",
]


@pytest.mark.parametrize("text", MALFORMED)
def test_malformed_record_is_alone_in_its_fate(text: str | bytes | None) -> None:
    for schema in (PLAIN, SCHEMA):
        decoded = decoder("json", schema, {}).decode(records('{"id":1}', text, '{"id":2}', text, '{"id":3}'))
        assert decoded.batch.column(0).to_pylist() == [1, 2, 3]
        assert decoded.rows.tolist() == [0, 2, 4]
        assert [i for i, _ in decoded.bad] == [1, 3]
        assert all(why for _, why in decoded.bad)


def test_white_space_and_newlines_inside_a_record() -> None:
    assert rows_of(PLAIN, ' {\n "id" : 1\r\n}\n', '\t{"id":2}')[1]["id"] == 2


def test_missing_extra_and_repeated_fields() -> None:
    rows = rows_of(PLAIN, '{"zzz":{"id":9},"name":"a"}', "{}", '{"id":1,"id":2}', '{"\\u0069d":4}')
    assert [r["id"] for r in rows] == [None, None, 2, 4]


def test_deep_nesting_costs_no_stack() -> None:
    deep = "[" * 100_000 + "]" * 100_000
    assert rows_of(SCHEMA, f'{{"id":1,"zzz":{deep}}}')[0]["id"] == 1
    assert one(JSON, deep) == deep


def test_the_stream_s_habit_is_learnt() -> None:
    """Epoch timestamps and numbers in strings, all through a batch and a second one."""
    reader = decoder("json", PLAIN, {})
    for _ in range(2):
        decoded = reader.decode(records(*[f'{{"id":"{i}","at":{i}}}' for i in range(100)]))
        assert decoded.batch.column(0).to_pylist() == list(range(100)) and not decoded.bad


def test_options_and_types_are_checked() -> None:
    with pytest.raises(InvalidParameter) as error:
        decoder("jsn", PLAIN, {})
    assert "json" in str(error.value.hint)
    with pytest.raises(NotSupportedError):
        decoder("json", pa.schema([("v", pa.duration("us"))]), {})


# --- any mix of records decodes as each alone

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=6),
    st.sampled_from(["1", "x", "2024-01-01", "2024-01-01T00:00:00Z", " 7", "1e3", "true", "NaN", "0x1F"]),
)
json_values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=6,
)
objects = st.dictionaries(st.sampled_from([*SCHEMA.names, "zzz"]), json_values, max_size=5).map(
    lambda value: json.dumps(value, ensure_ascii=len(value) % 2 == 0)
)
fitting = st.fixed_dictionaries(
    {},
    optional={
        "id": st.integers(-5, 5),
        "name": st.text(max_size=5),
        "price": st.floats(allow_nan=False, allow_infinity=False),
        "ok": st.booleans(),
        "at": st.datetimes().map(lambda d: d.isoformat()) | st.integers(0, 10**12),
        "day": st.dates().map(str),
        "amount": st.integers(-100, 100),
        "tags": st.lists(st.text(max_size=3), max_size=3),
        "spot": st.fixed_dictionaries({"x": st.integers(-5, 5)}),
        "counts": st.dictionaries(st.text(max_size=3), st.integers(0, 9)),
        "doc": json_values,
    },
).map(json.dumps)
broken = st.sampled_from([m for m in MALFORMED if m is not None]) | st.text(max_size=8) | st.binary(max_size=8)


@settings(max_examples=rounds(24, 60), deadline=None)
@given(st.lists(st.one_of(fitting, fitting, objects, broken), max_size=12), st.booleans())
def test_a_mix_decodes_as_each_alone(texts: list[str | bytes], narrow: bool) -> None:
    schema = PLAIN if narrow else SCHEMA
    together = decoder("json", schema, {}).decode(records(*texts))
    alone = [decoder("json", schema, {}).decode(records(t)) for t in texts]
    assert together.rows.tolist() == [i for i, d in enumerate(alone) if not d.bad]
    expected = [d.batch for d in alone if not d.bad]
    if expected:
        assert together.batch.equals(pa.concat_batches(expected))
    assert list(together.bad) == [(i, d.bad[0][1]) for i, d in enumerate(alone) if d.bad]


@settings(max_examples=rounds(24, 60), deadline=None)
@given(st.lists(objects, min_size=1, max_size=8))
def test_text_and_json_columns_agree_with_python(texts: list[str]) -> None:
    """As text: a string's content or JSON; as JSON: the same value as Python reads."""
    schema = pa.schema([(n, pa.string()) for n in SCHEMA.names] + [("zzz", JSON)])
    decoded = decoder("json", schema, {}).decode(records(*texts))
    for row, text in zip(decoded.batch.to_pylist(), [texts[i] for i in decoded.rows], strict=True):
        original = json.loads(text)
        for name, value in row.items():
            wanted = original.get(name)
            if wanted is None or (isinstance(wanted, str) and name != "zzz"):
                assert value == wanted
            else:
                assert json.loads(value) == wanted


# --- there and back

ROUND_TRIP = pa.schema(
    [
        *[SCHEMA.field(i) for i in range(len(SCHEMA))],
        pa.field("raw", pa.binary()),
        pa.field("clock", pa.time64("us")),
    ]
)
python_rows = st.fixed_dictionaries(
    {
        "id": st.none() | st.integers(-(2**63), 2**63 - 1),
        "name": st.none() | st.text(max_size=8),
        "price": st.none() | st.floats(allow_nan=False),
        "ok": st.none() | st.booleans(),
        "at": st.none() | st.datetimes(),
        "day": st.none() | st.dates(),
        "amount": st.none() | st.decimals(-(10**9), 10**9, places=2),
        "tags": st.none() | st.lists(st.none() | st.text(max_size=3), max_size=3),
        "spot": st.none()
        | st.fixed_dictionaries(
            {"x": st.none() | st.integers(-5, 5), "y": st.none() | st.floats(width=32, allow_nan=False)}
        ),
        "counts": st.none()
        | st.dictionaries(st.text(max_size=3), st.none() | st.integers(0, 9), max_size=3).map(
            lambda d: list(d.items())
        ),
        "doc": st.none() | json_values.filter(lambda v: v is not None).map(json.dumps),
        "raw": st.none() | st.binary(max_size=5),
        "clock": st.none() | st.times(),
    }
)


@settings(max_examples=rounds(24, 60), deadline=None)
@given(st.lists(python_rows, max_size=6), st.integers(0, 2))
def test_encode_then_decode_is_the_same(rows: list[dict], skip: int) -> None:
    batch = pa.RecordBatch.from_pylist(rows, ROUND_TRIP).slice(min(skip, len(rows)))
    encoded = encoder("json", ROUND_TRIP, {}).encode(batch)
    for text, row in zip(encoded.to_pylist(), batch.to_pylist(), strict=True):
        assert json.loads(text)["name"] == row["name"]
    decoded = decoder("json", ROUND_TRIP, {}).decode(encoded)
    bad_docs = [b for b in decoded.bad if "surrogate" in b[1] or "too big" in b[1]]
    assert len(bad_docs) == len(decoded.bad)
    if not bad_docs:
        assert decoded.batch.to_pylist() == batch.to_pylist()
