"""approx_top_k: exact while few values are counted, never far from it afterwards, and bounded."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from decimal import Decimal

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sqlengine.errors import InvalidParameter
from sqlengine.operators.aggregates.distributions import MostFrequent
from sqlengine.operators.aggregates.frequent import MisraGries
from sqlengine.plan.nodes import AggregateCall
from tests.depth import rounds
from tests.operators.sketch_support import add, answers, call_of, empty, filled, merged, reopened


def best(values: list[object], k: int) -> list[object] | None:
    """The k most frequent values, of equally frequent ones the least."""
    counts = Counter(v for v in values if v is not None)
    return sorted(counts, key=lambda v: (-counts[v], v))[:k] or None  # type: ignore[operator]


ROWS = st.lists(st.tuples(st.integers(0, 3), st.none() | st.integers(0, 30)), max_size=120)


@given(rows=ROWS, k=st.integers(1, 6), data=st.data())
@settings(max_examples=rounds(24, 60), deadline=None)
def test_few_values_are_counted_exactly(rows: list[tuple[int, int | None]], k: int, data: st.DataObject) -> None:
    call = call_of("approx_top_k", pa.int64(), k)
    slots, values = np.array([r[0] for r in rows], dtype=np.int64), pa.array([r[1] for r in rows], pa.int64())
    want = [best([v for s, v in rows if s == g], k) for g in range(int(slots.max(initial=-1)) + 1)]
    cuts = data.draw(st.lists(st.integers(0, len(rows)), max_size=4))
    parts = np.array(data.draw(st.lists(st.integers(0, 3), min_size=len(rows), max_size=len(rows))), dtype=np.int64)
    made = filled(call, slots, values, cuts)
    assert answers(made) == answers(reopened(made, call, pa.int64())) == want
    assert answers(merged(call, slots, values, parts)) == want
    assert answers(filled(call, slots, values, cuts, append_only=False)) == want


def skewed(n: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).zipf(1.2, n).astype(np.int64) % 100_000


@given(
    rows=st.lists(st.integers(0, 40), min_size=1, max_size=300),
    reserved=st.integers(1, 5),
    data=st.data(),
)
@settings(max_examples=rounds(60, 150), deadline=None)
def test_what_is_frequent_enough_is_always_found(rows: list[int], reserved: int, data: st.DataObject) -> None:
    """A value with more than n / (reserved + 1) of n rows is among the counted ones (Misra and Gries 1982)."""
    call = call_of("approx_top_k", pa.int64(), reserved, reserved)
    slots, values = np.zeros(len(rows), dtype=np.int64), pa.array(rows)
    must = {v for v, n in Counter(rows).items() if n > len(rows) / (reserved + 1)}
    cuts = data.draw(st.lists(st.integers(0, len(rows)), max_size=20))
    parts = np.array(data.draw(st.lists(st.integers(0, 5), min_size=len(rows), max_size=len(rows))), dtype=np.int64)
    for made in (filled(call, slots, values, cuts), merged(call, slots, values, parts)):
        assert set(answers(made)[0]) >= must  # type: ignore[call-overload]


@pytest.mark.parametrize("pieces", [200_000, 7_000, 501])
def test_frequencies_are_off_by_no_more_than_the_bound(pieces: int) -> None:
    n, k, reserved = 200_000, 20, 200
    call = call_of("approx_top_k", pa.int64(), k, reserved)
    slots = np.tile([0, 1], n // 2)
    values = np.where(slots == 0, skewed(n, 1), np.random.default_rng(2).integers(0, 5_000, n))
    made = filled(call, slots, pa.array(values), range(0, n, pieces))
    halves = merged(call, slots, pa.array(values), np.arange(n) % 7)
    for one in (made, halves):
        for group, found in enumerate(answers(one)):
            counts = Counter(values[slots == group].tolist())
            order = counts.most_common()
            assert isinstance(found, list) and len(found) == k == len(set(found))
            off = n / 2 / (reserved + 1)
            for place, value in enumerate(found):
                assert counts[value] >= order[place][1] - off
    exact = [best(values[slots == g].tolist(), 8) for g in (0,)]
    assert [a[:8] for a in answers(made)[:1]] == exact  # type: ignore[index]


def test_restarts_do_not_change_what_is_counted() -> None:
    call = call_of("approx_top_k", pa.string(), 5, 10)
    values = pa.array([f"user {i}" for i in skewed(20_000, 3)])
    slots = np.random.default_rng(4).integers(0, 3, 20_000)
    going, stopped = empty(call, pa.string()), empty(call, pa.string())
    for start in range(0, 20_000, 500):
        part = slots[start : start + 500], values.slice(start, 500)
        add(going, *part)
        add(stopped, *part)
        stopped = reopened(stopped, call, pa.string())
        assert answers(going) == answers(stopped)
    keep = np.array([True, False, True])
    want = answers(going)
    going.compact(keep, np.array([0, -1, 1]))
    assert answers(going) == [want[0], want[2]]
    add(going, np.ones(100_000, dtype=np.int64), pa.array(["new"] * 100_000))
    assert answers(going)[1][0] == "new"  # type: ignore[index]


TYPES: dict[pa.DataType, list[object]] = {
    pa.bool_(): [True, False],
    pa.int16(): [3, -1],
    pa.uint64(): [0, 2**64 - 1],
    pa.float64(): [1.5, float("inf"), -2.5],
    pa.decimal128(20, 3): [Decimal("1.500"), Decimal("-1.000")],
    pa.string(): ["", "ab", "a"],
    pa.binary(): [b"\x00", b""],
    pa.date32(): [dt.date(2024, 1, 1), dt.date(1960, 1, 1)],
    pa.time64("us"): [dt.time(0), dt.time(1, 2, 3)],
    pa.timestamp("us"): [dt.datetime(2024, 1, 1), dt.datetime(1960, 1, 1)],
    pa.null(): [None],
}


@pytest.mark.parametrize("kind", TYPES, ids=str)
@pytest.mark.parametrize("append_only", [True, False])
def test_every_ordered_type(kind: pa.DataType, append_only: bool) -> None:
    values = pa.array([None, *TYPES[kind], TYPES[kind][-1], None], kind)
    made = filled(call_of("approx_top_k", kind, 2), np.zeros(len(values), dtype=np.int64), values, (), append_only)
    assert answers(made) == [best(values.to_pylist(), 2)]


def test_the_state_is_bounded() -> None:
    call = call_of("approx_top_k", pa.string(), 3)
    made = empty(call, pa.string())
    for start in range(0, 300_000, 5_000):
        rows = np.arange(start, start + 5_000)
        add(made, rows % 10, pa.array([f"user {i}" for i in rows]))
    # Two times a hundred counted values a group, as many that wait to be forgotten, and those of one batch.
    assert made.nbytes < (10 * 4 * 100 + 2 * 5_000) * 160


def test_what_answers() -> None:
    call = call_of("approx_top_k", pa.int64(), 2)
    assert isinstance(empty(call, pa.int64()), MisraGries)
    retracting = empty(call, pa.int64(), append_only=False)
    assert isinstance(retracting, MostFrequent) and not isinstance(retracting, MisraGries)


def test_duckdb_names_the_same_values() -> None:
    values = skewed(5_000, 9)
    (found,) = answers(
        filled(call_of("approx_top_k", pa.int64(), 4), np.zeros(5_000, dtype=np.int64), pa.array(values))
    )
    connection = duckdb.connect()
    connection.register("t", pa.table({"x": values}))
    assert connection.execute("SELECT approx_top_k(x, 4) FROM t").fetchone() == (found,)


@pytest.mark.parametrize(
    ("constants", "message"),
    [
        ((0,), "k of approx_top_k must be a whole number between 1 and 1000000"),
        ((-3,), "k of approx_top_k must be a whole number between 1 and 1000000"),
        ((1.5,), "k of approx_top_k must be a whole number between 1 and 1000000"),
        ((None,), "k of approx_top_k must be a number"),
        ((10, 9), "the number of reserved values of approx_top_k must be a whole number between 10 and 1000000"),
    ],
)
def test_bad_constants(constants: tuple[object, ...], message: str) -> None:
    call: AggregateCall = call_of("approx_top_k", pa.int64(), *constants)
    for append_only in (True, False):
        with pytest.raises(InvalidParameter, match=message) as caught:
            empty(call, pa.int64(), append_only)
        assert caught.value.sqlstate == "22023"
