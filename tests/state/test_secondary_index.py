"""Rows found by an index are those a filter finds, whatever came and went, before and after the index was made."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sqlengine.delta import Delta
from sqlengine.state import row_store
from sqlengine.state.row_store import RowStore
from tests.depth import rounds

SCHEMA = pa.schema([pa.field("id", pa.int64()), pa.field("a", pa.string()), pa.field("b", pa.int32())])
ROW = st.tuples(st.integers(0, 30), st.sampled_from(["x", "y", None]), st.one_of(st.none(), st.integers(0, 3)))
STEP = st.one_of(
    st.tuples(st.just("put"), st.lists(ROW, max_size=6, unique_by=lambda row: row[0])),
    st.tuples(st.just("take"), st.lists(st.integers(0, 30), max_size=8, unique=True)),
    st.tuples(st.just("look"), st.just(None)),
    st.tuples(st.just("restore"), st.just(None)),
)


def delta(rows: list[tuple], sign: int) -> Delta:
    columns = [pa.array([row[i] for row in rows], field.type) for i, field in enumerate(SCHEMA)]
    return Delta(pa.RecordBatch.from_arrays(columns, schema=SCHEMA), np.full(len(rows), sign, dtype=np.int64))


def look(store: RowStore, columns: tuple[int, ...], keys: list[tuple]) -> list[tuple[tuple, tuple]]:
    arrays = [pa.array([key[i] for key in keys], SCHEMA.field(c).type) for i, c in enumerate(columns)]
    positions, rows = store.lookup_by(columns, arrays)
    found = [tuple(row.values()) for row in rows.to_pylist()]
    return [(keys[int(at)], row) for at, row in zip(positions, found, strict=True)]


@pytest.mark.parametrize("keyed", [True, False])
@given(steps=st.lists(STEP, max_size=25))
@settings(max_examples=rounds(24, 60), deadline=None)
def test_as_a_filter_does(keyed: bool, steps: list[tuple]) -> None:
    original = row_store.COMPACT_AT
    row_store.COMPACT_AT = 4  # dead rows are reclaimed in so short a history, too
    try:
        _run(RowStore(SCHEMA, (0,) if keyed else None), steps)
    finally:
        row_store.COMPACT_AT = original


def _run(store: RowStore, steps: list[tuple]) -> None:
    model: dict[int, tuple] = {}
    for what, given_rows in [*steps, ("look", None)]:
        if what == "put":
            new = [row for row in given_rows if row[0] not in model]
            model |= {row[0]: row for row in new}
            store.apply(delta(new, 1))
        elif what == "take":
            gone = [model.pop(key) for key in given_rows if key in model]
            store.apply(delta(gone, -1))
        elif what == "restore":
            state = store.snapshot()
            store = RowStore(store.schema, store.key_columns)
            store.restore(state)
        else:
            for columns, keys in (
                ((1,), [("x",), (None,), ("missing",), ("y",)]),
                ((2, 1), [(b, a) for b in (0, 1, 2, 3, None) for a in ("x", "y", None)]),
                ((0,), [(key,) for key in range(0, 31, 3)]),
            ):
                expected = [
                    (key, row) for key in keys for row in model.values() if tuple(row[c] for c in columns) == key
                ]
                assert Counter(look(store, columns, keys)) == Counter(expected)
