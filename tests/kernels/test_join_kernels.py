"""The compiled loops of joins, row fingerprints and gathering against their references, on random input."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sqlengine.kernels import COMPILED, join_reference, row_hash_reference
from sqlengine.state.gather import Gatherer

if not COMPILED:
    pytest.skip("there is nothing compiled to compare", allow_module_level=True)

from sqlengine.kernels import join, row_hash
from tests.depth import rounds

Ints = np.ndarray
SLOTS = st.lists(st.integers(-1, 5), max_size=30)


def ints(values: list[int]) -> Ints:
    return np.array(values, dtype=np.int64)


@given(
    held=st.lists(st.tuples(st.booleans(), st.booleans()), min_size=6, max_size=6),
    delta=st.lists(st.tuples(st.integers(0, 5), st.sampled_from([-2, -1, -1, -1, 1, 1, 1, 2])), max_size=8),
)
@settings(max_examples=rounds(120, 300), deadline=None)
def test_rows_by_key(held: list[tuple[bool, bool]], delta: list[tuple[int, int]]) -> None:
    """`held`: which of six slots have a row, and which of those rows are alive."""
    living = ints([int(alive) for has, alive in held if has])
    first = len(living)
    places = iter(range(first))
    row_of = [next(places) if has else -1 for has, _ in held]
    alive = {slot: row for slot, row in enumerate(row_of) if row >= 0 and living[row]}
    slots, weights = ints([s for s, _ in delta]), ints([w for _, w in delta])
    gone, come = [s for s, w in delta if w < 0], [s for s, w in delta if w > 0]
    can_leave = -2 not in weights and len(set(gone)) == len(gone) and set(gone) <= alive.keys()
    left = {slot: row for slot, row in alive.items() if slot not in gone} if can_leave else alive
    can_enter = 2 not in weights and len(set(come)) == len(come) and not set(come) & left.keys()
    for kernel in (join, join_reference):
        found, rows = ints(row_of), np.full(len(delta), -7, dtype=np.int64)
        assert kernel.keyed_leave(found, living, slots, weights, rows) == can_leave
        assert {s: r for s, r in enumerate(found.tolist()) if r >= 0 and living[r]} == left
        assert not can_leave or rows[weights < 0].tolist() == [alive[s] for s in gone]
        assert kernel.keyed_enter(found, living, slots, weights, first, rows) == can_enter
        now = {s: r for s, r in enumerate(found.tolist()) if r >= first or (r >= 0 and living[r])}
        assert now == (left | {s: first + i for i, s in enumerate(come)} if can_enter else left)
        assert not can_enter or rows[weights > 0].tolist() == list(range(first, first + len(come)))


@given(
    batches=st.lists(SLOTS, min_size=1, max_size=4),
    probes=SLOTS,
    dead=st.sets(st.integers(0, 119)),
    room=st.integers(0, 40),
)
@settings(max_examples=rounds(60, 150), deadline=None)
def test_chains(batches: list[list[int]], probes: list[int], dead: set[int], room: int) -> None:
    rows = sum(map(len, batches))
    weights = ints([0 if row in dead else 1 for row in range(rows)])
    expected = [
        (i, row)
        for i, slot in enumerate(probes)
        if slot >= 0
        for row, s in enumerate(s for batch in batches for s in batch)
        if s == slot
    ]
    answers = []
    for kernel in (join, join_reference):
        head, prev = np.full(6, -1, dtype=np.int64), np.full(rows, -7, dtype=np.int64)
        first = 0
        for batch in batches:
            kernel.chain_insert(head, prev, ints(batch), first)
            first += len(batch)
        out_probe, out_row = np.zeros(1000, dtype=np.int64), np.zeros(1000, dtype=np.int64)
        stop, count = kernel.chain_probe(head, prev, ints([]), ints(probes), 0, out_probe, out_row)
        assert stop == len(probes)
        assert list(zip(out_probe[:count].tolist(), out_row[:count].tolist(), strict=True)) == expected
        narrow = [np.zeros(room, dtype=np.int64) for _ in range(2)]
        stop, count = kernel.chain_probe(head, prev, weights, ints(probes), 0, *narrow)
        assert list(zip(*(a[:count].tolist() for a in narrow), strict=True)) == [
            (i, row) for i, row in expected if i < stop and row not in dead
        ]
        new_row = np.where(weights != 0, np.cumsum(weights) - 1, -1)
        new_prev = np.full(int(weights.sum()), -1, dtype=np.int64)
        kernel.chain_compact(head, prev, new_row, new_prev)
        popped = [np.zeros(60, dtype=np.int64) for _ in range(2)]
        n = kernel.chain_pop(head, new_prev, ints([0, -1, 1, 0]), ints([2, 5, 1, 1]), *popped)
        answers.append((stop, head.tolist(), new_prev.tolist(), [a[:n].tolist() for a in popped]))
    assert answers[0] == answers[1]


Entries = list[tuple[int, int]]
ENTRIES = st.lists(st.tuples(st.integers(0, 3), st.integers(-5, 5)), max_size=30)


@given(entries=ENTRIES, other=ENTRIES, probes=ENTRIES, dead=st.sets(st.integers(0, 29)), inclusive=st.booleans())
@settings(max_examples=rounds(60, 150), deadline=None)
def test_runs(
    entries: Entries,
    other: Entries,
    probes: Entries,
    dead: set[int],
    inclusive: bool,
) -> None:
    run, late = _run(entries, 0), _run(other, len(entries))
    weights = ints([0 if row in dead else 1 for row in range(len(entries))])
    slots, times = ints([s for s, _ in probes]), ints([t for _, t in probes])
    answers = []
    for kernel in (join, join_reference):
        outs = [np.zeros(len(probes), dtype=np.int64) for _ in range(4)]
        kernel.run_bounds(run[0], run[1], slots, times, inclusive, outs[0])
        kernel.run_last_before(*run, weights, slots, times, inclusive, outs[1])
        kernel.run_first_after(*run, weights, slots, times, inclusive, outs[2])
        merged = np.zeros((3, len(entries) + len(other)), dtype=np.int64)
        kernel.run_merge(run, late, merged)
        answers.append([*(o.tolist() for o in outs[:3]), merged.tolist()])
    assert answers[0] == answers[1]
    for (slot, time), found in zip(probes, answers[0][1], strict=True):
        good = [
            (t, i)
            for i, (s, t) in enumerate(entries)
            if s == slot and i not in dead and (t <= time if inclusive else t < time)
        ]
        assert found == (-1 if not good else list(run[2]).index(max(good)[1]))


def _run(entries: list[tuple[int, int]], first: int) -> Ints:
    rows = sorted((s, t, first + i) for i, (s, t) in enumerate(entries))
    return np.ascontiguousarray(ints([x for row in rows for x in row]).reshape(-1, 3).T)


WORDS = st.integers(-(2**63), 2**63 - 1)


@given(st.lists(st.tuples(st.none() | st.binary(max_size=40), st.none() | WORDS), max_size=30))
@settings(max_examples=rounds(60, 150), deadline=None)
def test_row_hash(rows: list[tuple[bytes | None, int | None]]) -> None:
    texts = [b or b"" for b, _ in rows]
    offsets = np.cumsum([0, *map(len, texts)]).astype(np.int64)
    data = np.frombuffer(b"".join(texts), dtype=np.uint8)
    valid = np.array([b is not None for b, _ in rows], dtype=np.uint8)
    words = ints([w or 0 for _, w in rows])
    there = np.array([w is not None for _, w in rows], dtype=np.uint8)
    answers = []
    for kernel in (row_hash, row_hash_reference):
        state = np.full((len(rows), 2), 17, dtype=np.uint64)
        kernel.fold_bytes(state, offsets, data, valid)
        kernel.fold_words(state, words, there if there.size and not there.all() else np.empty(0, np.uint8))
        kernel.finish(state)
        answers.append(state.tolist())
    assert answers[0] == answers[1]
    assert len(set(map(tuple, answers[0]))) == len(set(rows))


TYPES = st.sampled_from(
    [
        pa.int8(),
        pa.int32(),
        pa.int64(),
        pa.float64(),
        pa.bool_(),
        pa.string(),
        pa.binary(),
        pa.decimal128(20, 3),
        pa.uuid(),
        pa.list_(pa.int32()),
        pa.timestamp("us", "UTC"),
        pa.large_string(),
        pa.null(),
        pa.json_(pa.string()),
    ]
)


@given(data=st.data(), dtype=TYPES, sizes=st.lists(st.integers(1, 12), min_size=2, max_size=5))
@settings(max_examples=rounds(60, 150), deadline=None)
def test_gather(data: st.DataObject, dtype: pa.DataType, sizes: list[int]) -> None:
    schema = pa.schema([("x", dtype)])
    chunks = [_column(data, dtype, size) for size in sizes]
    batches = [pa.RecordBatch.from_arrays([c], schema=schema) for c in chunks]
    starts = np.cumsum([0, *(c.num_rows for c in batches)]).tolist()
    rows = ints(data.draw(st.lists(st.integers(0, starts[-1] - 1), min_size=1, max_size=40)))
    gatherer = Gatherer(schema, batches, starts)
    (got,) = gatherer.take(rows, [0])
    got.validate(full=True)
    whole = pa.concat_arrays(chunks)
    assert got.equals(whole.take(pa.array(rows)))
    assert gatherer._take_by_chunk(rows, [0])[0].equals(got)


def _column(data: st.DataObject, dtype: pa.DataType, size: int) -> pa.Array:
    """Random values as a slice, so that offsets inside buffers and bitmaps are met."""
    numbers = data.draw(st.lists(st.none() | st.integers(0, 9), min_size=size + 3, max_size=size + 3))
    plain = dtype.storage_type if isinstance(dtype, pa.BaseExtensionType) else dtype
    make = {
        pa.bool_(): lambda n: n > 4,
        pa.string(): lambda n: "é" * n,
        pa.large_string(): lambda n: "é" * n,
        pa.binary(): lambda n: b"x" * n,
        pa.binary(16): lambda n: bytes([n]) * 16,
        pa.list_(pa.int32()): lambda n: [n] * n,
        pa.null(): lambda n: None,
    }.get(plain, lambda n: n)
    array = pa.array([None if n is None else make(n) for n in numbers], plain)
    array = pa.ExtensionArray.from_storage(dtype, array) if plain != dtype else array
    return array.slice(3, size)
