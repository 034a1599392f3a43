"""Unnest: sliced and fixed-size lists, weights, and rows without elements."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from sqlengine.delta import Delta
from sqlengine.expr.tree import InputRef
from sqlengine.operators.unnest import UnnestOperator
from sqlengine.plan import nodes


def operator(lists: list[pa.DataType], ordinality: bool = False, outer: bool = False) -> UnnestOperator:
    below = pa.schema([pa.field("k", pa.int64()), *(pa.field(f"l{i}", t) for i, t in enumerate(lists))])
    fields = [pa.field(f"e{i}", t.value_type) for i, t in enumerate(lists)]
    fields += [pa.field("o", pa.int64())] if ordinality else []
    refs = tuple(InputRef(type=t, index=i + 1, name=f"l{i}") for i, t in enumerate(lists))
    node = nodes.Unnest(
        schema=pa.schema([*below, *fields]),
        input=nodes.Values(schema=below, rows=()),
        lists=refs,
        ordinality=ordinality,
        outer=outer,
    )
    return UnnestOperator(node)


def rows(delta: Delta | None, *columns: str) -> list[tuple[object, ...]]:
    if delta is None:
        return []
    found = [delta.batch.column(c).to_pylist() for c in columns]
    return list(zip(*found, delta.weight_array().tolist(), strict=True))


@pytest.mark.parametrize("kind", [pa.list_(pa.int32()), pa.large_list(pa.int32())])
def test_slices_weights_and_places(kind: pa.DataType) -> None:
    lists = pa.array([[9], [1, 2], None, [], [None, 3]], kind).slice(1)
    batch = pa.RecordBatch.from_arrays([pa.array([1, 2, 3, 4]), lists], names=["k", "l0"])
    delta = Delta(batch, np.array([1, 1, 1, -2]))
    assert rows(operator([kind], ordinality=True).process(delta, 0, 0), "k", "e0", "o") == [
        (1, 1, 1, 1),
        (1, 2, 2, 1),
        (4, None, 1, -2),
        (4, 3, 2, -2),
    ]
    assert rows(operator([kind], ordinality=True, outer=True).process(delta, 0, 0), "k", "o") == [
        (1, 1, 1),
        (1, 2, 1),
        (2, None, 1),
        (3, None, 1),
        (4, 1, -2),
        (4, 2, -2),
    ]


def test_side_by_side_and_fixed_size() -> None:
    pair = pa.list_(pa.int32(), 2)
    first = pa.array([[1, 2], [3, 4], None], pair).slice(1)
    second = pa.array([["a", "b", "c"], ["d"]], pa.list_(pa.string()))
    batch = pa.RecordBatch.from_arrays([pa.array([1, 2]), first, second], names=["k", "l0", "l1"])
    assert rows(operator([pair, pa.list_(pa.string())]).process(Delta(batch), 0, 0), "k", "e0", "e1") == [
        (1, 3, "a", 1),
        (1, 4, "b", 1),
        (1, None, "c", 1),
        (2, None, "d", 1),
    ]


def test_nothing_to_say() -> None:
    kind = pa.list_(pa.int32())
    batch = pa.RecordBatch.from_arrays([pa.array([1]), pa.array([[]], kind)], names=["k", "l0"])
    assert operator([kind]).process(Delta(batch), 0, 0) is None
