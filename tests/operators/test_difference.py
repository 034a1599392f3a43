"""Difference against a Counter: random changes, restarts, and the form in which earlier checkpoints have it."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sqlengine.delta import Delta
from sqlengine.operators import sub_flow
from sqlengine.operators.difference import Difference
from tests.depth import rounds

SCHEMA = pa.schema([("k", pa.int64()), ("text", pa.string()), ("list", pa.list_(pa.float64()))])
Change = list[tuple[int | None, str | None, list[float] | None, int]]

rows = st.tuples(
    st.sampled_from([None, 0, 1, 2]),
    st.sampled_from([None, "", "a", "ä long text that is not kept in place"]),
    st.sampled_from([None, [], [1.5], [1.5, 2.0]]),
    st.sampled_from([-2, -1, 1, 2]),
)


def delta(change: Change) -> Delta | None:
    if not change:
        return None
    *columns, weights = zip(*change, strict=True)
    arrays = [pa.array(values, kind) for values, kind in zip(columns, SCHEMA.types, strict=True)]
    return Delta(pa.RecordBatch.from_arrays(arrays, schema=SCHEMA), np.array(weights, dtype=np.int64))


def counted(found: Delta | None) -> Counter[str]:
    """Rows with their weights, which each stands for once."""
    if found is None:
        return Counter()
    pairs = [(repr(row), weight) for row, weight in zip(found.batch.to_pylist(), found.weight_array(), strict=True)]
    assert len(dict(pairs)) == len(pairs)
    return Counter({row: int(weight) for row, weight in pairs})


def restored(held: Difference, as_before: bool) -> Difference:
    """What a checkpoint brings back."""
    fresh = Difference(SCHEMA, "0/d")
    if as_before:
        fresh.restore(sub_flow.to_table(held.whole() if held else None, SCHEMA))
        return fresh
    state = held.rest() | {name: t for s in held.sections().values() for name, t in s.whole().items()}
    fresh.restore(state["0/d"])
    return fresh


@given(
    changes=st.lists(st.lists(rows, max_size=12), max_size=6),
    restart=st.integers(0, 6),
    as_before=st.booleans(),
)
@settings(max_examples=rounds(80, 2_000), deadline=None)
def test_it_is_the_sum_of_its_changes(changes: list[Change], restart: int, as_before: bool) -> None:
    held, wanted = Difference(SCHEMA, "0/d"), Counter[str]()
    for at, change in enumerate(changes):
        for *values, weight in change:
            wanted[repr(dict(zip(SCHEMA.names, values, strict=True)))] += weight
        wanted = Counter({row: weight for row, weight in wanted.items() if weight})
        held.add(delta(change))
        if at == restart:
            held = restored(held, as_before)
        assert bool(held) == bool(wanted)
        assert held.rows == len(wanted)
        assert counted(held.whole()) == wanted
    held.add(held.whole().negated())
    assert not held


def test_a_large_one_is_written_by_what_has_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sub_flow, "SECTION_ROWS", 3)
    held = Difference(SCHEMA, "0/d")
    held.add(delta([(0, "a", None, 1), (1, "a", None, 1)]))
    assert not held.sections() and held.rest()["0/d"].num_rows == 2
    held.add(delta([(2, "a", None, 1)]))
    assert not held.rest()
    section = held.sections()["0/d"]
    assert section.changed.count(section.size()) == 3
    section.changed.begin(section.size())
    held.add(delta([(1, "a", None, -1)]))
    assert section.changed.take(section.size()).tolist() == [1]  # type: ignore[union-attr]
