"""State that leaves memory for files at any moment is the same as state that stays."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sqlengine.delta import Delta
from sqlengine.kernels import COMPILED, BytesTable, HashIndex
from sqlengine.operators.held_rows import HeldRows
from sqlengine.state.growable import Growable
from sqlengine.state.row_arena import RowArena
from sqlengine.state.row_store import RowStore
from sqlengine.state.slot_blocks import SlotBlocks
from sqlengine.state.sorted_runs import SortedRuns
from sqlengine.state.spill import Spill, in_files, kernel, let_go, spillable, spilled_bytes
from sqlengine.state.time_queue import TimeQueue
from tests.depth import rounds

SCHEMA = pa.schema([("k", pa.int64()), ("t", pa.string()), ("n", pa.int64())])
IN_PLACE = kernel.IN_PLACE
LARGE = 200_000
"""So many words are in pages of their own."""


def rows(first: int, count: int, keys: int = 1 << 40) -> pa.RecordBatch:
    """Rows numbered from `first`, with texts and NULLs."""
    n = np.arange(first, first + count)
    texts = [None if i % 5 == 0 else f"text {i % 97}" for i in n.tolist()]
    return pa.RecordBatch.from_arrays([pa.array(n % keys), pa.array(texts, pa.string()), pa.array(n)], schema=SCHEMA)


def leave(directory: Path, root: object, least: int = 1) -> int:
    """All of an object leaves for a file, and its pages are let go; how many bytes left."""
    with Spill(str(directory), least) as to:
        left = sum(part.spill(to) for part in spillable(root))
    let_go(1 << 40)
    return left


@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["grow", "append", "write", "replace", "shorten", "leave"]),
            st.sampled_from([1, 3, 5_000, LARGE]),
        ),
        max_size=12,
    )
)
@settings(max_examples=rounds(16, 40), deadline=None)
def test_an_array_that_leaves_is_a_list(tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]) -> None:
    directory = tmp_path_factory.getbasetemp() / "spill"
    ours, theirs = Growable(-7), np.empty(0, dtype=np.int64)
    for number, (what, count) in enumerate(steps):
        values = np.arange(count) + number
        if what == "grow":
            theirs = np.append(theirs, np.full(max(0, count - len(theirs)), -7))
            ours.grow(count)
        elif what == "append":
            theirs = np.append(theirs, values)
            ours.append(values)
        elif what == "write":
            theirs[::count] = number
            ours.values[::count] = number
        elif what == "replace":
            theirs = values
            ours.replace(values.copy())
        elif what == "shorten":
            theirs = theirs[: len(theirs) // 2].copy()
            ours.shorten(len(theirs), theirs[:0])
        else:
            leave(directory, ours)
        assert np.array_equal(ours.values, theirs)


def test_an_array_that_has_left_goes_on_growing_where_it_is(tmp_path: Path) -> None:
    array = Growable()
    array.append(np.arange(LARGE))
    before = array.values
    assert (leave(tmp_path, array) > 0) == IN_PLACE
    array.append(np.arange(LARGE))
    array.values[7] = -1
    assert np.shares_memory(before, array.values) or not IN_PLACE
    assert (before[7] == -1) == np.shares_memory(before, array.values)
    leave(tmp_path, array)
    assert np.array_equal(array.values, [*range(7), -1, *range(8, LARGE), *range(LARGE)])
    assert spilled_bytes(array) > 15 * LARGE or not IN_PLACE


@given(
    seed=st.integers(0, 1 << 30),
    width=st.sampled_from([1, 2]),
    dense=st.booleans(),
    steps=st.lists(st.sampled_from(["insert", "leave", "compact"]), min_size=3, max_size=9),
)
@settings(max_examples=rounds(10, 25), deadline=None)
def test_hash_tables_that_leave_find_their_keys(
    tmp_path_factory: pytest.TempPathFactory, seed: int, width: int, dense: bool, steps: list[str]
) -> None:
    directory, rng = tmp_path_factory.getbasetemp() / "spill", np.random.default_rng(seed)
    index, known = HashIndex(width), {}
    for what in steps:
        if what == "insert":
            keys = rng.integers(0, 1 << (16 if dense else 50), (60_000 if COMPILED else 3_000, width))
            assert np.array_equal(index.insert(keys), [known.setdefault(tuple(k), len(known)) for k in keys.tolist()])
        elif what == "leave" and COMPILED:
            leave(directory, [index])
        elif what == "compact":
            keep = rng.random(index.size) < 0.7
            index.compact(keep)
            kept = [key for key, slot in known.items() if keep[slot]]
            known = {key: slot for slot, key in enumerate(kept)}
    looked = np.array([*list(known)[::7], *[(-1,) * width]], dtype=np.int64).reshape(-1, width)
    assert index.find(looked).tolist() == [known.get(tuple(key), -1) for key in looked.tolist()]


@pytest.mark.skipif(not COMPILED, reason="the tables of the references stay in memory")
def test_texts_that_have_left_are_found_and_added_to(tmp_path: Path) -> None:
    table, texts = BytesTable(), [f"text number {i}" for i in range(150_000)]

    def codes(of: list[str]) -> list[int]:
        data = "".join(of).encode()
        ends = np.cumsum([0, *map(len, of)])
        return list(table.insert(ends, np.frombuffer(data, np.uint8)).tolist())

    assert codes(texts[:100_000]) == list(range(100_000))
    assert leave(tmp_path, [table]) > 1 << 20 and table.spilled_bytes > 1 << 20
    assert codes(texts[50_000:]) == list(range(50_000, 150_000))
    leave(tmp_path, [table])
    assert codes(texts) == list(range(150_000)) and table.nbytes > table.spilled_bytes


@given(
    sizes=st.lists(st.integers(1, 9_000), min_size=1, max_size=12),
    leaving=st.sets(st.integers(0, 11)),
    seed=st.integers(0, 99),
    packs=st.booleans(),
)
@settings(max_examples=rounds(10, 25), deadline=None)
def test_rows_of_an_arena_that_leave_are_there(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], leaving: set[int], seed: int, packs: bool
) -> None:
    directory, rng = tmp_path_factory.getbasetemp() / "spill", np.random.default_rng(seed)
    arena, count = RowArena(SCHEMA), 0
    for step, size in enumerate(sizes):
        arena.append(rows(count, size))
        count += size
        while packs and arena.pack() is not None:
            pass
        if step in leaving:
            leave(directory, arena)
        chosen = rng.integers(0, count, 30)
        assert arena.take_batch(chosen).to_pylist() == rows(0, count).take(pa.array(chosen)).to_pylist()
    leave(directory, arena)
    assert all(in_files(chunk) for chunk in arena.chunks)
    keep = rng.random(count) < 0.5
    arena.compact(keep)
    kept = np.arange(arena.num_rows)
    expected = rows(0, count).filter(pa.array(keep)).to_pylist()
    assert arena.table(kept).to_pylist() == arena.take_batch(kept).to_pylist() == expected


@given(
    steps=st.lists(st.tuples(st.sampled_from(["add", "delete", "leave", "read"]), st.integers(1, 9_000)), max_size=14),
    keyed=st.booleans(),
)
@settings(max_examples=rounds(10, 25), deadline=None)
def test_contents_that_leave_are_the_same(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]], keyed: bool
) -> None:
    directory = tmp_path_factory.getbasetemp() / "spill"
    store, first, last = RowStore(SCHEMA, (2,) if keyed else None), 0, 0
    for what, count in steps:
        if what == "add":
            store.apply(Delta(rows(last, count)))
            last += count
        elif what == "delete":
            count = min(count, last - first)
            store.apply(Delta(rows(first, count), np.full(count, -1)))
            first += count
        elif what == "leave":
            leave(directory, store)
        else:
            assert store.snapshot_table().to_pylist() == rows(first, last - first).to_pylist()
    assert store.num_rows == last - first and store.spilled_bytes <= store.num_bytes
    assert store.snapshot_table().sort_by("n").to_pylist() == rows(first, last - first).to_pylist()


def test_what_is_read_of_contents_in_files_is_in_files(tmp_path: Path) -> None:
    store = RowStore(SCHEMA, None)
    store.apply(Delta(rows(0, 20_000)))
    assert leave(tmp_path, store) > 0
    store.apply(Delta(rows(0, 50), np.full(50, -1)))
    table = store.snapshot_table()
    assert table.to_pylist() == rows(50, 19_950).to_pylist()
    assert all(in_files(batch) for batch in table.to_batches())


def test_rows_that_wait_leave(tmp_path: Path) -> None:
    held, queue = HeldRows(SCHEMA), TimeQueue(SCHEMA)
    for first in range(0, 30_000, 10_000):
        held.add(Delta(rows(first, 10_000)))
        queue.add(Delta(rows(first, 10_000)), np.arange(first, first + 10_000)[::-1].copy())
        assert leave(tmp_path, [held, queue]) > 0
    assert held.spilled_bytes == held.num_bytes and 0 < queue.spilled_bytes < queue.num_bytes
    taken, due = held.take(), queue.take_due(14_999)
    assert taken is not None and taken.batch.to_pylist() == rows(0, 30_000).to_pylist()
    assert due is not None and sorted(due.batch.column(2).to_pylist()) == [*range(10_000), *range(15_000, 20_000)]
    assert queue.num_rows == 15_000


def test_sorted_runs_and_blocks_leave_and_change(tmp_path: Path) -> None:
    runs, stay, blocks = SortedRuns(), SortedRuns(), SlotBlocks()
    rng = np.random.default_rng(5)
    blocks.grow(1_000)
    for first in range(0, 6_000, 1_000):
        slots, times = rng.integers(0, 50, 1_000), rng.integers(0, 9_000, 1_000)
        for each in (runs, stay):
            each.add(slots, times, np.arange(first, first + 1_000))
        chosen = np.arange(first // 1_000, 1_000, 6)
        blocks.renew(chosen, np.full(len(chosen), 4, dtype=np.int8))
        blocks.words[blocks.start[chosen]] = chosen
        assert leave(tmp_path, [runs, blocks]) > 0
    assert runs.spilled_bytes == runs.nbytes == stay.nbytes and blocks.spilled_bytes > 0
    new_slot = np.arange(50)[::-1].copy()[::-1] + 3
    for each in (runs, stay):
        each.renumber_slots(new_slot)
    weights = np.ones(6_000, dtype=np.int64)
    asked = (rng.integers(3, 53, 400), rng.integers(0, 9_000, 400), weights)
    assert np.array_equal(
        runs.nearest(*asked, backward=True, inclusive=True), stay.nearest(*asked, backward=True, inclusive=True)
    )
    assert np.array_equal(blocks.words[blocks.start], np.arange(1_000))


class _Full(Spill):
    """A disk without space."""

    def write(self, data: memoryview, place: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_what_finds_no_space_stays_as_it_is(tmp_path: Path) -> None:
    store, queue = RowStore(SCHEMA, None), TimeQueue(SCHEMA)
    store.apply(Delta(rows(0, 20_000)))
    queue.add(Delta(rows(0, 20_000)), np.arange(20_000))
    for whole in (store, queue):
        with _Full(str(tmp_path), 1) as to, pytest.raises(OSError, match="No space left"):
            _ = [part.spill(to) for part in spillable(whole)]
    assert store.snapshot_table().to_pylist() == rows(0, 20_000).to_pylist()
    due = queue.take_due(30_000)
    assert due is not None and due.batch.to_pylist() == rows(0, 20_000).to_pylist()


FULL = """
import resource, signal, sys, numpy as np
from sqlengine.kernels import HashIndex
from sqlengine.state.growable import Growable
from sqlengine.state.spill import Spill, spillable
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
array, index = Growable(), HashIndex(1)
array.append(np.arange(1_000_000)); index.insert(np.arange(0, 10**15, 10**9).reshape(-1, 1))
resource.setrlimit(resource.RLIMIT_FSIZE, (3 << 20, 3 << 20))
failed = 0
for whole in (array, [index]):
    try:
        with Spill(sys.argv[1]) as to:
            for part in spillable(whole): part.spill(to)
    except OSError as error:
        failed += 1
assert failed == 2, failed
assert (array.values == np.arange(1_000_000)).all()
assert (index.find(np.arange(0, 10**15, 10**9).reshape(-1, 1)) == np.arange(1_000_000)).all()
array.append(np.arange(1_000_000)); assert array.values.sum() == 2 * np.arange(1_000_000).sum()
"""


@pytest.mark.skipif(not IN_PLACE, reason="arrays stay in memory here")
def test_arrays_that_find_no_space_stay_as_they_are(tmp_path: Path) -> None:
    """In a process of its own, whose files may not be large: the system refuses to write."""
    subprocess.run([sys.executable, "-c", FULL, str(tmp_path)], check=True, timeout=120)


CHILD = """
import os, sys, numpy as np
from sqlengine.state.growable import Growable
from sqlengine.state.spill import Spill, spillable
array = Growable(); array.append(np.arange(1_000_000))
with Spill(sys.argv[1]) as to:
    assert sum(part.spill(to) for part in spillable(array)) > 0
child = os.fork()
if child == 0:
    del array
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
assert (array.values == np.arange(1_000_000)).all()
"""


@pytest.mark.skipif(not IN_PLACE, reason="arrays stay in memory here")
def test_a_child_process_that_ends_takes_nothing_away(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", CHILD, str(tmp_path)], check=True, timeout=120)


def test_files_have_no_names(tmp_path: Path) -> None:
    arena = RowArena(SCHEMA)
    arena.append(rows(0, 50_000))
    assert leave(tmp_path, arena) > 0 and not list(tmp_path.iterdir())
