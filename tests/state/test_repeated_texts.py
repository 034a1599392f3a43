"""Contents whose repeated texts are packed at any moment: the same rows, in less memory."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sqlengine
from sqlengine.delta import Delta
from sqlengine.state import repeated_texts, row_arena, row_store
from sqlengine.state.row_store import RowStore
from tests.depth import rounds

SCHEMA = pa.schema([("k", pa.int64()), ("v", pa.string()), ("w", pa.binary()), ("n", pa.string())])
TEXTS = ("long " * 40, "longer " * 40, "", None)


def batch(keys: list[int], texts: list[str | None]) -> pa.RecordBatch:
    """`v` and `w` repeat, `n` does not."""
    blobs = [None if t is None else t.encode() for t in texts]
    columns = [pa.array(keys), pa.array(texts, pa.string()), pa.array(blobs, pa.binary()), pa.array(map(str, keys))]
    return pa.RecordBatch.from_arrays(columns, schema=SCHEMA)


def rows(table: pa.Table) -> Counter[tuple[object, ...]]:
    table.validate(full=True)
    return Counter(zip(*(c.to_pylist() for c in table.columns), strict=True))


STEP = st.one_of(
    st.tuples(st.just("insert"), st.lists(st.tuples(st.integers(0, 30), st.sampled_from(TEXTS)), max_size=12)),
    st.tuples(st.just("delete"), st.integers(0, 10)),
    st.tuples(st.just("pack"), st.integers(0, 3)),
    st.tuples(st.just("read"), st.integers(0, 30)),
    st.tuples(st.just("restore"), st.just(0)),
)


@pytest.mark.parametrize("key", [None, (0,)])
@given(st.lists(STEP, max_size=40), st.integers(0, 2**32))
@settings(max_examples=rounds(60, 150), deadline=None)
def test_packing_changes_no_answer(key: tuple[int, ...] | None, steps: list[tuple[str, object]], seed: int) -> None:
    rng = np.random.default_rng(seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_arena, "FULL_CHUNK", 6)
        patch.setattr(row_arena, "FAN_IN", 3)
        patch.setattr(row_store, "COMPACT_AT", 4)
        patch.setattr(repeated_texts, "WORTH", 0.5)
        store, expected = RowStore(SCHEMA, key), list[tuple[int, str | None]]()
        for name, argument in steps:
            if name == "insert":
                assert isinstance(argument, list)
                known = {k for k, _ in expected} if key else set()
                fresh = list({k: (k, t) for k, t in argument if k not in known}.values()) if key else argument
                expected += fresh
                store.apply(Delta(batch([k for k, _ in fresh], [t for _, t in fresh])))
            elif name == "delete" and expected:
                assert isinstance(argument, int)
                chosen = sorted(rng.choice(len(expected), min(argument, len(expected)), replace=False), reverse=True)
                gone = [expected.pop(at) for at in chosen]
                weights = np.full(len(gone), -1, np.int64)
                store.apply(Delta(batch([k for k, _ in gone], [t for _, t in gone]), weights))
            elif name == "pack":
                assert isinstance(argument, int)
                store.settle()
                for _ in range(argument):
                    store.pack()
            elif name == "restore":
                state, store = store.snapshot(), RowStore(SCHEMA, key)
                assert state["rows"].schema == SCHEMA
                store.restore(state)
            else:
                wanted = rows(pa.Table.from_batches([batch([k for k, _ in expected], [t for _, t in expected])]))
                assert rows(store.snapshot_table()) == rows(store.scan_table()) == wanted
                assert store.snapshot_table().schema == SCHEMA and store.num_rows == len(expected)
                if key:
                    positions, found = store.lookup([pa.array([argument, 99], pa.int64())])
                    assert found.column(1).to_pylist() == [t for k, t in expected if k == argument]
                    assert positions.tolist() == [0] * found.num_rows


def test_repeated_texts_take_a_fraction_of_their_memory() -> None:
    store = RowStore(SCHEMA, None)
    for first in range(0, 40_000, 10_000):
        keys = list(range(first, first + 10_000))
        store.apply(Delta(batch(keys, [f"{k % 50:0200d}" for k in keys])))
    before = store.num_bytes
    assert [store.pack() for _ in range(5)] == [True] * 4 + [False]
    assert store.num_bytes < before / 8
    kinds = [pa.types.is_dictionary(t) for t in store.scan_table().schema.types]
    assert kinds == [False, True, True, False], "texts that do not repeat stay as they are"
    assert store.scan_table() is store.scan_table()
    store.apply(Delta(batch([-1], ["new"])))
    assert store.scan_table().num_rows == 40_001 and not store.pack()


def test_what_lies_in_mapped_files_is_left_there(tmp_path: Path) -> None:
    with sqlengine.connect(str(tmp_path)) as db:
        db.execute("CREATE STREAM s (k INT, v TEXT)")
        db.execute("INSERT INTO s SELECT range, repeat('x', 100) FROM range(20000)")
        db.execute("CREATE MATERIALIZED VIEW same AS SELECT * FROM s")
        db.execute("CREATE MATERIALIZED VIEW made AS SELECT k, v || 'y' AS v FROM s")
        for view, packed in (("same", False), ("made", True)):
            query = db._instance.scheduler.by_name(view)
            assert query is not None and query.store is not None
            query.store.settle()
            while query.store.pack():
                pass
            assert (query.store.scan_table().schema != query.store.schema) == packed


def test_everything_reads_packed_views(tmp_path: Path) -> None:
    questions = (
        "SELECT count(*), count(DISTINCT v), min(v), max(k) FROM made",
        "SELECT k FROM made WHERE v = repeat('x', 50) || '1' ORDER BY k LIMIT 3",
        "SELECT k FROM made WHERE v LIKE '%2' AND v > 'x' AND v IS NOT NULL ORDER BY k LIMIT 3",
        "SELECT count(*) FROM made WHERE v IN (repeat('x', 50) || '1', 'no') OR v IS NULL",
        "SELECT * FROM made ORDER BY k LIMIT 2",
        "SELECT a.k FROM made AS a JOIN made AS b USING (v) WHERE b.k = 8 ORDER BY 1 LIMIT 2",
        "SELECT v, count(*) FROM made GROUP BY v ORDER BY 1",
        "TABLE made",
    )
    with sqlengine.connect(str(tmp_path)) as db:
        db.execute("CREATE STREAM s (k INT)")
        db.execute("INSERT INTO s SELECT range FROM range(20000)")
        db.execute(
            "CREATE MATERIALIZED VIEW made AS "
            "SELECT k, CASE WHEN k % 7 > 0 THEN repeat('x', 50) || k % 7 END AS v FROM s"
        )
        before = [db.execute(question).fetchall() for question in questions]
        query = db._instance.scheduler.by_name("made")
        assert query is not None and query.store is not None
        while db._instance.scheduler.pack():
            pass
        assert pa.types.is_dictionary(query.store.scan_table().schema.field("v").type)
        assert [db.execute(question).fetchall() for question in questions] == before
        assert db.table("made").schema.field("v").type == pa.string()
        db.execute("CREATE MATERIALIZED VIEW above AS SELECT v, count(*) AS n FROM made GROUP BY v")
        assert db.execute("SELECT * FROM above ORDER BY v").fetchall() == before[-2]
        db.execute(f"COPY made TO '{tmp_path}/made.parquet'")
        assert db.execute(f"SELECT count(*) FROM '{tmp_path}/made.parquet'").fetchall() == [(20000,)]
        db.execute("INSERT INTO s VALUES (-1)")
    with sqlengine.connect(str(tmp_path)) as db:
        assert db.execute("SELECT count(*) FROM made").fetchall() == [(20001,)]
