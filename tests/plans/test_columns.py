"""What is known of a class or of a schema is known of what inherits from it, and no longer than it is there."""

from __future__ import annotations

import gc

import pyarrow as pa
import pytest

from sqlengine.by_class import ByClass
from sqlengine.expr.tree import InputRef
from sqlengine.plan import columns
from sqlengine.plan.columns import columns_of, schema_with
from sqlengine.plan.nodes import Join, LookupJoin, Node, Scan


def test_what_is_said_of_a_class_holds_of_those_under_it() -> None:
    table = ByClass({Node: "any", Join: "join"})
    assert [table[cls] for cls in (Scan, Join, LookupJoin)] == ["any", "join", "join"]
    assert table[Scan] == "any", "asked again"
    with pytest.raises(KeyError):
        table[int]


def test_the_columns_of_a_schema_are_those_it_was_made_of() -> None:
    fields = [pa.field("a", pa.int64()), pa.field("b", pa.string(), nullable=False, metadata={"k": "v"})]
    for schema in (pa.schema(fields), schema_with(fields)):
        assert schema == pa.schema(fields)
        known = columns_of(schema)
        assert known is columns_of(schema) and known.names == ("a", "b") and list(known.fields) == list(schema)
        assert known.ref(1) == known.refs[1] == known.ref(1) == InputRef(pa.string(), 1, "b")


def test_a_schema_that_is_gone_is_forgotten() -> None:
    gc.collect()
    before = len(columns._KNOWN)
    made = [schema_with([pa.field(f"c{i}", pa.int64())]) for i in range(10)]
    assert len(columns._KNOWN) == before + 10
    del made
    gc.collect()
    assert len(columns._KNOWN) == before
