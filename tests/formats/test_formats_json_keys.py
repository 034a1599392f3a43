"""Keys that differ from their columns in case: one rule for each record, however records are batched."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from sqlengine.formats import decoder
from sqlengine.types import JSON
from tests.depth import rounds

SCHEMA = pa.schema(
    [("userid", pa.int64()), ("note", pa.string()), ("doc", JSON), ("Two", pa.int64()), ("two", pa.int64())]
)
KEYS = ["userid", "userId", "USERID", "note", "Note", "doc", "Doc", "DOC", "two", "Two", "TWO", "other"]


def expected(record: dict[str, Any]) -> dict[str, Any]:
    """The rule, in plain Python."""
    names = SCHEMA.names
    row = {}
    for name in names:
        twins = [n for n in names if n.lower() == name.lower()]
        similar = [k for k in record if k.lower() == name.lower() and k not in names]
        if name in record:
            value = record[name]
        elif len(twins) == 1 and len(similar) == 1:
            value = record[similar[0]]
        else:
            value = None
        row[name] = json.dumps(value) if name == "doc" and value is not None else value
    return row


def decoded(*records: dict[str, Any]) -> list[dict[str, Any]]:
    made = decoder("json", SCHEMA, {}).decode(pa.array([json.dumps(r).encode() for r in records], pa.binary()))
    assert not made.bad
    return made.batch.to_pylist()


VALUES = {"note": st.sampled_from(["x", "é", 'has "userId": 1 in it'])}
RECORDS = st.lists(st.sampled_from(KEYS), unique=True, max_size=6).flatmap(
    lambda keys: st.fixed_dictionaries({k: st.none() | VALUES.get(k.lower(), st.integers(0, 9)) for k in keys})
)


@given(st.lists(RECORDS, max_size=8))
@settings(max_examples=rounds(120, 300), deadline=None)
def test_every_record_is_judged_alone(records: list[dict[str, Any]]) -> None:
    assert decoded(*records) == [expected(r) for r in records]
    read = decoder("json", SCHEMA, {})
    one_by_one = [read.decode(pa.array([json.dumps(r).encode()], pa.binary())).batch.to_pylist()[0] for r in records]
    assert one_by_one == [expected(r) for r in records]


def test_a_stream_in_camel_case() -> None:
    assert decoded({"userId": 1, "Note": "a"}, {"userId": 2}) == [
        {"userid": 1, "note": "a", "doc": None, "Two": None, "two": None},
        {"userid": 2, "note": None, "doc": None, "Two": None, "two": None},
    ]


def test_a_nested_key_is_not_the_columns() -> None:
    assert decoded({"other": {"userId": 1}})[0]["userid"] is None


def test_two_other_spellings_are_ambiguous_and_the_exact_one_wins() -> None:
    assert decoded({"userId": 1, "USERID": 2})[0]["userid"] is None
    assert decoded({"userId": 1, "userid": 2})[0]["userid"] == 2
