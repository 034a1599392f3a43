"""KeyIndex against a Python dictionary of tuples, for every type a column can have."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Hashable
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sqlengine import types
from sqlengine.state.key_index import KeyIndex
from tests.depth import rounds

TEXT = st.text(alphabet="abcé𝄞\x00", max_size=4)
VALUES: dict[pa.DataType, st.SearchStrategy[Any]] = {
    pa.int64(): st.sampled_from([0, 1, -1, 2**63 - 1, -(2**63)]),
    pa.int16(): st.integers(-3, 3),
    pa.uint64(): st.sampled_from([0, 2**64 - 1, 2**63]),
    pa.bool_(): st.booleans(),
    pa.float64(): st.sampled_from([0.0, -0.0, 1.5, math.nan, math.inf]),
    pa.float32(): st.sampled_from([0.0, -0.0, 0.5, math.nan]),
    pa.string(): TEXT,
    pa.large_string(): TEXT,
    pa.string_view(): TEXT,
    pa.binary(): st.binary(max_size=3),
    pa.date32(): st.dates(dt.date(1960, 1, 1), dt.date(1970, 1, 3)),
    types.TIMESTAMP: st.sampled_from([dt.datetime(1960, 1, 1), dt.datetime(2024, 1, 1, 0, 0, 0, 1)]),
    pa.decimal128(20, 2): st.sampled_from([Decimal("1.50"), Decimal("-1.50"), Decimal("123456789012345678.99")]),
    pa.time64("us"): st.sampled_from([dt.time(1), dt.time(2)]),
    types.INTERVAL: st.sampled_from([pa.MonthDayNano([1, 2, 3]), pa.MonthDayNano([0, 0, 1])]),
    pa.binary(5): st.sampled_from([b"abcde", b"abcdf"]),
    pa.list_(pa.string()): st.lists(st.none() | TEXT, max_size=2),
    pa.list_(pa.int32(), 2): st.lists(st.integers(0, 1), min_size=2, max_size=2),
    pa.struct([("a", pa.int32()), ("b", pa.string())]): st.fixed_dictionaries(
        {"a": st.none() | st.integers(0, 1), "b": st.none() | TEXT}
    ),
    pa.map_(pa.string(), pa.int64()): st.lists(st.tuples(TEXT, st.integers(0, 1)), max_size=2),
    pa.null(): st.none(),
}


def canonical(value: Any) -> Hashable:
    """A hashable stand-in: equal exactly when GROUP BY calls the values equal."""
    if isinstance(value, float):
        return "nan" if math.isnan(value) else value + 0.0
    if isinstance(value, list | tuple):
        return tuple(canonical(v) for v in value)
    if isinstance(value, dict):
        return tuple((k, canonical(v)) for k, v in sorted(value.items()))
    return value  # type: ignore[no-any-return]


@given(data=st.data())
@settings(max_examples=rounds(60, 150), deadline=None)
def test_any_key_agrees_with_a_dictionary(data: st.DataObject) -> None:
    dtypes = data.draw(st.lists(st.sampled_from(list(VALUES)), min_size=0, max_size=3))
    row = st.tuples(*(st.none() | VALUES[t] for t in dtypes))
    index, known = KeyIndex(dtypes), {}
    for _ in range(data.draw(st.integers(1, 3))):
        rows = data.draw(st.lists(row, max_size=12))
        arrays = columns_of([(None,) * len(dtypes), *rows], dtypes)
        arrays = [a[1:] for a in arrays]
        want = [known.get(canonical(r), -1) for r in rows]
        assert index.find(arrays, len(rows)).tolist() == want
        want = [known.setdefault(canonical(r), len(known)) for r in rows]
        assert index.insert(arrays, len(rows)).tolist() == want
        assert values_of(index) == list(known)
        if data.draw(st.booleans()) and known:
            keep = np.array(data.draw(st.lists(st.booleans(), min_size=len(known), max_size=len(known))))
            index.compact(keep)
            known = {k: i for i, k in enumerate(k for k, kept in zip(known, keep, strict=True) if kept)}
    other = KeyIndex(dtypes)
    other.restore(index.snapshot())
    assert values_of(other) == list(known)
    assert [c.type for c in other.columns()] == dtypes


def columns_of(rows: list[tuple[Any, ...]], dtypes: list[pa.DataType]) -> list[pa.Array]:
    """Rows as one array a column."""
    return [pa.array([r[i] for r in rows], type=t) for i, t in enumerate(dtypes)]


def values_of(index: KeyIndex) -> list[Hashable]:
    """The keys by slot, canonical."""
    columns = [c.to_pylist() for c in index.columns()]
    if not columns:
        return [()] * index.size
    return [canonical(r) for r in zip(*columns, strict=True)]


@pytest.mark.parametrize("dtype", [types.UUID, types.JSON, pa.dictionary(pa.int32(), pa.string())], ids=str)
def test_extension_and_dictionary_columns(dtype: pa.DataType) -> None:
    raw = [b"0123456789abcdef", b"0123456789abcdeg"] if dtype == types.UUID else ['"a"', '"b"']
    storage = pa.array([*raw, None, raw[0]], types.storage_type(dtype))
    column = pa.ExtensionArray.from_storage(dtype, storage) if isinstance(dtype, pa.BaseExtensionType) else storage
    index = KeyIndex([dtype])
    assert index.insert([column]).tolist() == [0, 1, 2, 0]
    assert index.find([column]).tolist() == [0, 1, 2, 0]
    assert len(index.columns()[0]) == 3


def test_dictionaries_shrink_with_the_keys() -> None:
    index = KeyIndex([pa.string()])
    for i in range(10):
        index.insert([pa.array([f"key {i} {j}" for j in range(1000)] + [None])])
        if i % 3 == 2:
            keep = np.zeros(index.size, dtype=bool)
            keep[-5:] = True
            index.compact(keep)
            assert index.nbytes < 600_000
            assert index.columns()[0].to_pylist()[-1] == f"key {i} 999"
