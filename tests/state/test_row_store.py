"""RowStore against a Counter of tuples, and its promises about copies and memory."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sqlengine.delta import Delta
from sqlengine.state import row_arena, row_store, waiting
from sqlengine.state.row_store import RowStore
from tests.depth import rounds

SCHEMA = pa.schema([("k", pa.int64()), ("v", pa.string())])
Row = tuple[object, ...]


def delta(rows: list[Row], weights: list[int] | None = None) -> Delta:
    columns = [pa.array([r[i] for r in rows], f.type) for i, f in enumerate(SCHEMA)]
    batch = pa.RecordBatch.from_arrays(columns, schema=SCHEMA)
    return Delta(batch, None if weights is None else np.array(weights, dtype=np.int64))


def contents(store: RowStore) -> Counter[Row]:
    table = store.snapshot_table()
    table.validate(full=True)
    return Counter(zip(*(c.to_pylist() for c in table.columns), strict=True))


CHANGE = st.tuples(st.integers(0, 3), st.sampled_from([None, "", "a"]), st.integers(1, 3), st.booleans())


@given(st.lists(st.tuples(st.lists(CHANGE, max_size=8), st.booleans(), st.integers(0, 99)), max_size=20))
@settings(max_examples=rounds(40, 100), deadline=None)
def test_a_bag_of_rows(ticks: list[tuple[list[tuple[int, str | None, int, bool]], bool, int]]) -> None:
    """Within a tick deletions may come before the insertions they belong to; reads are at tick ends."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_arena, "FULL_CHUNK", 5)
        patch.setattr(row_arena, "FAN_IN", 3)
        patch.setattr(row_store, "COMPACT_AT", 4)
        patch.setattr(row_store, "PENDING_LIMIT", 6)
        store, expected = RowStore(SCHEMA, None), Counter[Row]()
        for changes, read, seed in ticks:
            entries = []
            for k, v, n, remove in changes:
                n = min(n, expected[k, v]) if remove else n
                if n:
                    expected[k, v] += -n if remove else n
                    entries.append(((k, v), -n if remove else n))
            np.random.default_rng(seed).shuffle(entries)
            for entry in entries:
                store.apply(delta([entry[0]], [entry[1]]))
            if read:
                assert contents(store) == +expected
                assert store.num_rows == sum(expected.values())
            store.settle()
            if seed % 7 == 0:
                state, store = store.snapshot(), RowStore(SCHEMA, None)
                store.restore(state)
        assert contents(store) == +expected


@given(st.lists(st.lists(st.tuples(st.integers(0, 9), st.sampled_from([None, "a", "b"])), max_size=12), max_size=20))
@settings(max_examples=rounds(32, 80), deadline=None)
def test_rows_by_key(ticks: list[list[tuple[int, str | None]]]) -> None:
    """None removes the key, anything else is an upsert whose two halves come in either order."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_store, "COMPACT_AT", 4)
        store, expected = RowStore(SCHEMA, (0,)), dict[int, str]()
        for number, changes in enumerate(ticks):
            after = expected | dict(changes)
            entries = [((k, v), -1) for k, v in expected.items() if after[k] != v]
            entries += [((k, v), 1) for k, v in after.items() if v is not None and expected.get(k) != v]
            for row, weight in entries if number % 2 else reversed(entries):
                store.apply(delta([row], [weight]))
            expected = {k: v for k, v in after.items() if v is not None}
            keys = pa.array([3, 99, 0, 3], pa.int64())
            positions, rows = store.lookup([keys])
            wanted = [(i, k, expected[k]) for i, k in enumerate(keys.to_pylist()) if k in expected]
            found = zip(positions.tolist(), *(c.to_pylist() for c in rows.columns), strict=True)
            assert list(found) == wanted
        assert contents(store) == Counter(expected.items())


@given(
    st.lists(st.tuples(st.dictionaries(st.integers(0, 9), st.sampled_from([None, "a", "b"])), st.integers(0, 99))),
    st.integers(1, 5),
    st.sampled_from([1, 40, 1 << 20]),
    st.integers(1, 3),
)
@settings(max_examples=rounds(80, 200), deadline=None)
def test_ticks_by_key(
    ticks: list[tuple[dict[int, str | None], int]], rows_max: int, bytes_max: int, delta_rows: int
) -> None:
    """Ticks that wait for one another, each net and in any order, taken in by key, in steps of any size."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_store, "COMPACT_AT", 4)
        patch.setattr(waiting, "SPANS_MAX", 3)
        patch.setattr(waiting, "DELTA_ROWS", delta_rows)
        store, expected = RowStore(SCHEMA, (0,)), dict[int, str]()
        for changes, seed in ticks:
            after = {k: v for k, v in (expected | changes).items() if v is not None}
            entries = [((k, v), -1) for k, v in expected.items() if after.get(k) != v]
            entries += [((k, v), 1) for k, v in after.items() if expected.get(k) != v]
            np.random.default_rng(seed).shuffle(entries)
            if entries:
                store.apply(delta([row for row, _ in entries], [weight for _, weight in entries]), net=True)
            expected = after
            for _ in range(seed % 7):
                store.settle_part(rows_max, bytes_max)
            if seed % 3 == 0:
                assert contents(store) == Counter(expected.items())
        while store.settle_part(rows_max, bytes_max):
            pass
        assert store.waiting == (0, 0)
        assert contents(store) == Counter(expected.items())


def test_a_tick_of_a_key_that_is_taken_is_caught() -> None:
    store = RowStore(SCHEMA, (0,))
    store.apply(delta([(1, "a")]), net=True)
    store.settle()
    store.apply(delta([(1, "b"), (2, "a")], [1, -1]), net=True)
    with pytest.raises(AssertionError, match="not a valid multiset"):
        store.settle()


def test_chunks_of_large_rows_are_not_merged_again_and_again() -> None:
    store = RowStore(SCHEMA, None)
    for n in range(600):
        store.apply(delta([(n, "x" * 100_000)]))
    assert store.num_rows == 600
    chunks = [chunk.nbytes for chunk in store.snapshot_table().column(1).chunks]
    assert len(chunks) < 100 and max(chunks) < 8 << 20


def test_append_only_contents_share_the_batches_memory_and_the_table_is_kept() -> None:
    store = RowStore(SCHEMA, None)
    batch = pa.RecordBatch.from_arrays([pa.array(range(50_000)), pa.array(["x"] * 50_000)], schema=SCHEMA)
    store.apply(Delta(batch))
    table = store.snapshot_table()
    assert table is store.snapshot_table()
    assert table.column(0).chunk(0).buffers()[1].address == batch.column(0).buffers()[1].address
    store.apply(delta([(1, "y")]))
    assert store.snapshot_table() is not table and table.num_rows == 50_000


def test_a_deletion_leaves_older_snapshots_and_other_chunks_alone() -> None:
    store = RowStore(SCHEMA, None)
    for start in (0, 50_000):
        columns = [pa.array(range(start, start + 50_000)), pa.nulls(50_000, pa.string())]
        batch = pa.RecordBatch.from_arrays(columns, schema=SCHEMA)
        store.apply(Delta(batch))
    before = store.snapshot_table()
    store.apply(delta([(7, None)], [-1]))
    after = store.snapshot_table()
    assert before.num_rows == 100_000 and after.num_rows == 99_999
    assert after.column(0).chunk(1).buffers()[1].address == before.column(0).chunk(1).buffers()[1].address


def test_what_was_known_of_a_chunk_is_forgotten_when_it_is_merged(monkeypatch: pytest.MonkeyPatch) -> None:
    """A row that comes may both merge chunks, which reads know the living rows of, and have dead rows reclaimed."""
    monkeypatch.setattr(row_arena, "FULL_CHUNK", 3)
    monkeypatch.setattr(row_store, "COMPACT_AT", 2)
    store = RowStore(SCHEMA, None)
    store.apply(delta([(0, "a")]))
    for n in range(1, 9):
        store.apply(delta([(n - 1, "a"), (n, "a")], [-1, 1]), net=True)
        assert contents(store) == Counter([(n, "a")])


def test_small_slices_do_not_hold_the_batch_they_came_from() -> None:
    big = pa.RecordBatch.from_arrays([pa.array(range(1_000_000)), pa.nulls(1_000_000, pa.string())], schema=SCHEMA)
    store = RowStore(SCHEMA, None)
    for start in range(0, 1_000_000, 1000):
        store.apply(Delta(big.slice(start, 1)))
    table = store.snapshot_table()
    assert table.num_rows == 1000
    assert table.get_total_buffer_size() < 200_000
    assert table.column(0).num_chunks < 100


def test_deleting_everything_gives_the_memory_back() -> None:
    store = RowStore(SCHEMA, None)
    rows: list[Row] = [(i, str(i)) for i in range(20_000)]
    store.apply(delta(rows))
    full = store.num_bytes
    store.apply(delta(rows, [-1] * len(rows)))
    assert store.num_rows == 0 and store.snapshot_table().num_rows == 0
    assert store.num_bytes < full


def test_a_tick_that_deletes_what_is_not_there_is_caught() -> None:
    store = RowStore(SCHEMA, None)
    store.apply(delta([(1, "a")], [-1]))
    with pytest.raises(AssertionError, match="not a valid multiset"):
        store.snapshot_table()


def test_clear_forgets_everything() -> None:
    store = RowStore(SCHEMA, (0,))
    store.apply(delta([(1, "a")]))
    store.clear()
    assert store.num_rows == 0
    store.apply(delta([(1, "b")]))
    assert contents(store) == {(1, "b"): 1}


def test_dead_rows_of_a_restored_store_are_reclaimed_by_insertions_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing has been looked up since it was restored, so it has no index yet."""
    store = RowStore(SCHEMA, None)
    store.apply(delta([(i, "a") for i in range(6)]))
    store.settle()
    store.apply(delta([(i, "a") for i in range(5)], [-1] * 5))
    restored = RowStore(SCHEMA, None)
    restored.restore(store.snapshot())
    monkeypatch.setattr(row_store, "COMPACT_AT", 4)
    restored.apply(delta([(7, "b"), (8, "c"), (8, "c")], [1, 1, -1]))
    assert contents(restored) == Counter([(5, "a"), (7, "b")])
    restored.apply(delta([(5, "a")], [-1]))
    assert contents(restored) == Counter([(7, "b")])


@pytest.mark.parametrize("key", [(0,), None])
def test_an_index_is_made_in_steps(key: tuple[int, ...] | None) -> None:
    """After a restart, by the first deletion; rows come and are read in between."""
    before = RowStore(SCHEMA, key)
    before.apply(delta([(n, "a") for n in range(500)]))
    for reads in (False, True):
        store = RowStore(SCHEMA, key)
        store.restore(before.snapshot())
        store.apply(delta([(3, "a"), (499, "a"), (3, "b")], [-1, -1, 1]), net=True)
        steps = 0
        while store.settle_part(2):
            steps += 1
            if steps == 4:
                store.apply(delta([(1000, "z")]), net=True)
            if steps == 6 and reads:
                assert contents(store)[(1000, "z")] == 1
        assert steps > (5 if reads else 500 // 2 // row_store.INDEXED_PER_SETTLED)
        expected = Counter({(n, "a"): 1 for n in range(500) if n not in (3, 499)}) + Counter([(3, "b"), (1000, "z")])
        assert contents(store) == expected


CHANGED = st.dictionaries(st.integers(0, 24), st.sampled_from([None, "a", "b"]), max_size=4)


@given(
    st.sets(st.integers(0, 19), min_size=1),
    st.lists(st.tuples(CHANGED, st.sampled_from(["", "read", "part"])), max_size=8),
    st.booleans(),
)
@settings(max_examples=rounds(60, 200), deadline=None)
def test_rows_of_a_few_keys_are_found_without_an_index(
    keys: set[int], ticks: list[tuple[dict[int, str | None], str]], net: bool
) -> None:
    """None as a value deletes; a read is served by a search, and steps make an index meanwhile."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_store, "FOUND_WITHOUT_INDEX", 0)
        patch.setattr(row_arena, "FULL_CHUNK", 5)
        patch.setattr(row_store, "COMPACT_AT", 4)
        patch.setattr(row_store, "INDEXED_PER_SETTLED", 1)
        expected: dict[int, str] = dict.fromkeys(sorted(keys), "old")
        before = RowStore(SCHEMA, (0,))
        before.apply(delta(list(expected.items())))
        store = RowStore(SCHEMA, (0,))
        store.restore(before.snapshot())
        for changed, then in ticks:
            entries: list[tuple[Row, int]] = []
            for key, value in changed.items():
                entries += [((key, expected[key]), -1)] if key in expected else []
                expected.pop(key, None)
                if value is not None:
                    expected[key] = value
                    entries.append(((key, value), 1))
            rows, weights = [row for row, _ in entries], [weight for _, weight in entries]
            store.apply(delta(rows, weights), net=net)
            if then == "read":
                assert contents(store) == Counter(expected.items())
            elif then == "part":
                store.settle_part(3)
        assert contents(store) == Counter(expected.items())
        positions, found = store.lookup([pa.array(range(25))])
        assert dict(zip(found.column(0).to_pylist(), found.column(1).to_pylist(), strict=True)) == expected
        assert positions.tolist() == sorted(expected)


def test_after_some_searches_an_index_is_made() -> None:
    before = RowStore(SCHEMA, (0,))
    before.apply(delta([(key, "old") for key in range(1000)]))
    store = RowStore(SCHEMA, (0,))
    store.restore(before.snapshot())
    for key in range(row_store.SEARCHES_MAX + 1):
        assert store._index is None
        store.apply(delta([(key, "old"), (key, "new")], [-1, 1]), net=True)
        assert contents(store)[key, "new"] == 1
    assert store._index is not None
