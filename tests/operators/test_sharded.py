"""Views in shards: the same answers with any number of threads and any split, also through a restart with others.

`small` makes every tick large enough to be divided, so that a handful of rows goes all the ways a million would.
"""

from __future__ import annotations

import datetime as dt
import random
import threading

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import sqlengine
from sqlengine import workers
from sqlengine.delta import Delta
from sqlengine.kernels import COMPILED, deal_reference
from sqlengine.operators import sharded
from sqlengine.operators.sharded import Sharded
from sqlengine.state.shards import BUCKETS, balanced, deal, in_shard
from sqlengine.workers import Workers
from tests.depth import rounds

if COMPILED:
    from sqlengine.kernels import deal as deal_kernel

START = dt.datetime(2024, 1, 1)
OVER_TABLE = {
    "groups": "SELECT k, t, count(*) AS n, sum(v) AS s, min(v) AS low, count(DISTINCT v) AS d FROM b GROUP BY k, t",
    "distinct": "SELECT DISTINCT k, t FROM b",
    "top": """SELECT * FROM (SELECT *, row_number() OVER (PARTITION BY t ORDER BY v DESC, id) AS r FROM b) AS q
        WHERE r <= 2""",
    "over": "SELECT id, sum(v) OVER (PARTITION BY k ORDER BY id) AS s, lag(v) OVER (PARTITION BY t ORDER BY id) FROM b",
    "windows": "SELECT k, window_start, count(*) AS n FROM TUMBLE(b, ts, INTERVAL '20 s') GROUP BY k, window_start",
    "computed": "SELECT id, upper(t) AS t, 10 / v AS x, v % 2 AS odd FROM b WHERE v > 0",
}
HOP = "HOP(s, ts, INTERVAL '10 s', INTERVAL '30 s')"
OVER_STREAM = {
    "hops": f"SELECT k, t, window_end, count(*) AS n, max(v) AS m FROM {HOP} GROUP BY k, t, window_end",
    "sessions": """SELECT k, window_start, count(*) AS n FROM SESSION(s PARTITION BY k, ts, INTERVAL '7 s')
        GROUP BY k, window_start""",
    "winners": f"""SELECT * FROM (SELECT *, rank() OVER (PARTITION BY ws, we ORDER BY n DESC) AS r FROM (
        SELECT k, t, count(*) AS n, window_start AS ws, window_end AS we FROM {HOP} GROUP BY k, t, 4, 5) AS c) AS d
        WHERE r = 1""",
    "latest": """SELECT * FROM (SELECT *, row_number() OVER (PARTITION BY k, t ORDER BY ts DESC, v) AS r FROM s) AS q
        WHERE r = 1""",
}


@pytest.fixture
def small(monkeypatch):
    """Every tick with rows is worth dividing."""
    monkeypatch.setattr(workers, "ROWS_MIN", 1)


def rows_of(db, query):
    return sorted(map(repr, db.execute(query).fetchall()))


def shards_of(db):
    """How many operators each divisible step of each query is."""
    flows = {id(q.dataflow): q.dataflow for q in db._instance.scheduler.queries.values()}.values()
    return [s.operator.shards for f in flows for s in f.steps if isinstance(s.operator, Sharded)]


def change_table(db, rng):
    values = [
        (key, rng.choice((None, 1, 2, 3)), rng.choice((None, "", "x", "long text")), rng.randrange(-1, 5), rng.random())
        for key in rng.sample(range(30), rng.randrange(1, 9))
    ]
    with_times = [(i, k, t, v, START + dt.timedelta(seconds=100 * s)) for i, k, t, v, s in values]
    assign = ", ".join(f"{c} = excluded.{c}" for c in ("k", "t", "v", "ts"))
    for row in with_times:
        if rng.random() < 0.25:
            db.execute("DELETE FROM b WHERE id = ?", row[:1])
        else:
            db.execute(f"INSERT INTO b VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET {assign}", row)


@pytest.mark.sampled(2)
@pytest.mark.parametrize(("threads", "seed"), [(1, 0), (2, 0), (3, 0), (3, 1)])
def test_views_over_changing_rows_equal_their_queries(small, tmp_path, threads, seed):
    rng = random.Random(seed)
    db = sqlengine.connect(tmp_path, threads=threads)
    db.execute("CREATE TABLE b (id INT PRIMARY KEY, k INT, t TEXT, v INT, ts TIMESTAMP)")
    change_table(db, rng)
    for name, query in OVER_TABLE.items():
        db.execute(f"CREATE MATERIALIZED VIEW v_{name} AS {query}")
    for step in range(8):
        change_table(db, rng)
        for name, query in OVER_TABLE.items():
            assert rows_of(db, f"SELECT * FROM v_{name}") == rows_of(db, query), name
        if step % 3 == 2:
            assert threads == 1 or set(shards_of(db)) == {threads}
            db.close()
            db = sqlengine.connect(tmp_path, threads=1 + step % 3)
    assert threads == 1 or set(shards_of(db)) == {threads}
    db.close()


EVENTS = st.lists(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 90), st.none() | st.integers(0, 3)), max_size=10), max_size=5
)


@pytest.mark.slow
@settings(max_examples=rounds(2, 12), deadline=None)
@given(batches=EVENTS)
@example(batches=[[], [], [(0, 15, None), (0, 55, None)], [(0, 0, None)]])
def test_views_over_streams_are_the_same_on_any_number_of_threads(tmp_path_factory, batches):
    emits = ("", " EMIT ON WINDOW CLOSE", " EMIT ON WINDOW CLOSE ALLOWED LATENESS INTERVAL '20 s'")
    answers = {}
    for threads in (1, 2, 3):
        path = tmp_path_factory.mktemp("streams")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(workers, "ROWS_MIN", 1)
            db = sqlengine.connect(path, threads=threads)
            db.execute(
                "CREATE STREAM s (k INT, t TEXT, v BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '5 s')"
            )
            views = [(f"{name}_{i}", q + e) for name, q in OVER_STREAM.items() for i, e in enumerate(emits)]
            views = [(name, text) for name, text in views if not (name.startswith("latest") and "CLOSE" in text)]
            for name, text in views:
                db.execute(f"CREATE MATERIALIZED VIEW {name} AS {text}")
            for n, batch in enumerate(batches):
                if batch:
                    rows = [(k, "abc"[k % 3], v, START + dt.timedelta(seconds=second)) for k, second, v in batch]
                    db.insert("s", rows)
                    db.execute("SELECT * FROM hops_0")
                if n == 2:
                    db.close()
                    db = sqlengine.connect(path, threads=4 - threads)
            answers[threads] = [rows_of(db, f"SELECT * FROM {name}") for name, _ in views]
            db.close()
    assert answers[1] == answers[2] == answers[3]


def test_a_small_tick_divides_nothing_and_a_large_one_does(tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "ROWS_MIN", 100)
    db = sqlengine.connect(tmp_path, threads=3)
    db.execute("CREATE STREAM s (k INT, v INT)")
    db.execute("CREATE MATERIALIZED VIEW g AS SELECT k, sum(v) AS s FROM s GROUP BY k")
    db.insert("s", [(i % 7, 1) for i in range(99)])
    before = rows_of(db, "SELECT * FROM g")
    assert shards_of(db) == [1]
    db.insert("s", [(i % 7, 0) for i in range(100)])
    assert rows_of(db, "SELECT * FROM g") == before
    assert shards_of(db) == [3]
    db.close()
    with sqlengine.connect(tmp_path, threads=1) as again:
        assert shards_of(again) == [3]
        assert rows_of(again, "SELECT * FROM g") == before
        again.insert("s", [(3, 5)])
        assert rows_of(again, "SELECT * FROM g") != before


def test_an_operator_is_not_divided_within_a_tick(monkeypatch):
    monkeypatch.setattr(workers, "ROWS_MIN", 5)
    monkeypatch.setattr(sharded, "PIECE_ROWS", 2)
    with sqlengine.connect(threads=2) as db:
        db.execute("CREATE STREAM s (k INT)")
        db.insert("s", [(1,), (2,)])
        db.insert("s", [(k % 3,) for k in range(7)])
        db.execute("CREATE MATERIALIZED VIEW g AS SELECT k, count(*) AS n FROM s GROUP BY k")
        assert rows_of(db, "SELECT * FROM g") == ["(0, 3)", "(1, 3)", "(2, 3)"]
        db.insert("s", [(k % 3,) for k in range(7)])
        assert rows_of(db, "SELECT * FROM g") == ["(0, 6)", "(1, 5)", "(2, 5)"]
        assert shards_of(db) == [2]


def test_a_failure_on_a_thread_stops_the_view_as_on_one(small):
    for threads in (1, 3):
        with sqlengine.connect(threads=threads) as db:
            db.execute("CREATE STREAM s (k INT, v BIGINT)")
            db.execute("CREATE MATERIALIZED VIEW g AS SELECT k, sum(v) AS s FROM s GROUP BY k")
            db.insert("s", [(1, 2**63 - 1), (2, 1), (3, 1)])
            db.insert("s", [(1, 1), (2, 1)])
            with pytest.raises(sqlengine.Error) as caught:
                db.execute("SELECT * FROM g")
            assert caught.value.sqlstate == "22003"


def test_rows_that_raise_are_told_in_their_order_however_many_threads(small):
    told = []
    for threads in (1, 3):
        with sqlengine.connect(threads=threads) as db:
            db.execute("CREATE STREAM s (a INT, b INT)")
            db.execute("CREATE MATERIALIZED VIEW quotients AS SELECT a, a / b AS q FROM s")
            db.insert("s", [(i, i % 4) for i in range(40)])
            rows = rows_of(db, "SELECT * FROM quotients")
            told.append((rows, db._instance.side_topics.errors("quotients_errors").drop_columns("time").to_pylist()))
    assert told[0] == told[1] and len(told[0][1]) == 10


def test_functions_of_the_program_run_on_one_thread_only(small):
    with sqlengine.connect(threads=3) as db:
        seen = set()

        @db.function("noted(x bigint) -> bigint")
        def noted(x: int) -> int:
            seen.add(threading.get_ident())
            return x

        @db.aggregate("longest(x bigint) -> bigint")
        class Longest:
            def __init__(self) -> None:
                self.best = 0

            def add(self, x: int) -> None:
                seen.add(threading.get_ident())
                self.best = max(self.best, x)

            def result(self) -> int:
                return self.best

        db.execute("CREATE STREAM s (k BIGINT, v BIGINT)")
        db.execute("CREATE MATERIALIZED VIEW a AS SELECT k, longest(v) AS m FROM s GROUP BY k")
        db.execute("CREATE MATERIALIZED VIEW b AS SELECT noted(v) AS n FROM s")
        db.insert("s", [(i % 5, i) for i in range(50)])
        assert rows_of(db, "SELECT * FROM a") == sorted(repr((k, 45 + k)) for k in range(5))
        assert len(rows_of(db, "SELECT * FROM b")) == 50
        assert shards_of(db) == []
        assert not any(t.ident in seen for t in threading.enumerate() if t.name.startswith("sqlengine-worker"))


@pytest.mark.parametrize("kind", ["TUMBLE(s, ts, INTERVAL '20 s')", "HOP(s, ts, INTERVAL '5 s', INTERVAL '20 s')"])
def test_windows_without_keys_are_the_same_in_pieces(small, kind):
    aggregates = "count(*) AS n, max(v) AS m, sum(v) AS s, array_agg(v) AS a, count(DISTINCT v) AS d"
    queries = {
        "changing": f"SELECT window_end, {aggregates} FROM {kind} GROUP BY window_end",
        "closing": f"SELECT window_end, {aggregates} FROM {kind} GROUP BY window_end EMIT ON WINDOW CLOSE",
        "sitting": f"""SELECT k, window_start, window_end, {aggregates}
            FROM SESSION(s PARTITION BY k, ts, INTERVAL '9 s') GROUP BY k, window_start, window_end""",
    }
    answers = []
    for threads in (1, 3):
        rng = random.Random(5)
        with sqlengine.connect(threads=threads) as db:
            db.execute("CREATE STREAM s (k TEXT, v BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '5 s')")
            for name, query in queries.items():
                db.execute(f"CREATE MATERIALIZED VIEW {name} AS {query}")
            for tick in range(12):
                times = [START + dt.timedelta(seconds=7 * tick + rng.randrange(-12, 12)) for _ in range(40)]
                db.insert("s", [(rng.choice((None, "a", "b")), rng.choice((None, 1, 2, 3)), at) for at in times])
                answers.append([rows_of(db, f"SELECT * FROM {name}") for name in queries])
            late = [(q.name, q.counters.late_rows) for q in db._instance.scheduler.queries.values()]
            answers.append(late)
    assert answers[: len(answers) // 2] == answers[len(answers) // 2 :] and answers[-1][1][1] > 0


# ---------------------------------------------------------------- dealing out

WORDS = st.integers(-(2**63), 2**63 - 1)


@given(st.lists(WORDS, max_size=50), st.integers(1, 7))
@settings(max_examples=rounds(40, 100), deadline=None)
def test_the_kernel_deals_as_its_reference(words, shards):
    values = np.array(words, dtype=np.int64)
    answers = []
    for kernel in (deal_kernel, deal_reference) if COMPILED else (deal_reference,):
        lanes = np.zeros(len(values), dtype=np.uint64)
        kernel.fold(lanes, values)
        kernel.fold(lanes, values[::-1].copy())
        order, ends = kernel.deal(lanes, shards)
        places = (np.arange(16) % shards).astype(np.uint8)
        placed = kernel.deal(lanes, shards, places)
        answers.append((lanes.tolist(), order.tolist(), ends.tolist(), *(part.tolist() for part in placed)))
    assert all(a == answers[0] for a in answers)
    assert sorted(answers[0][1]) == sorted(answers[0][3]) == list(range(len(words)))


@given(st.lists(st.integers(0, 300), min_size=1, max_size=400), st.integers(1, 5))
@settings(max_examples=rounds(20, 50), deadline=None)
def test_balanced_shards_have_as_even_loads_as_their_keys_allow(values, shards):
    keys = [pa.array(values)]
    places = balanced([keys], shards)
    parts = deal(keys, shards, places)
    assert sorted(row for part in parts for row in part.tolist()) == list(range(len(values)))
    shard_of = {}
    for shard, rows in enumerate(parts):
        assert rows.tolist() == sorted(rows.tolist())
        assert in_shard(keys, shards, shard, places).nonzero()[0].tolist() == rows.tolist()
        assert all(shard_of.setdefault(values[row], shard) == shard for row in rows)
    loads = [len(part) for part in parts]
    buckets = [len(rows) for rows in deal(keys, BUCKETS)]
    assert max(loads) - min(loads) <= max(buckets) + BUCKETS // shards


def test_hot_keys_are_spread_and_a_checkpoint_keeps_where_they_went(tmp_path):
    query = "SELECT k, count(*) AS n, sum(v) AS s FROM s GROUP BY k"
    with sqlengine.connect(str(tmp_path), threads=2) as db:
        db.execute("CREATE STREAM s (k INT, v INT)")
        db.execute(
            "INSERT INTO s SELECT CASE WHEN range % 2 = 0 THEN range % 8 ELSE range END, range FROM range(200000)"
        )
        db.execute(f"CREATE MATERIALIZED VIEW a AS {query}")
        expected = rows_of(db, "SELECT * FROM a")
        divided = [step.operator for step in db._instance.scheduler.by_name("a").dataflow.steps]
        (divided,) = [o for o in divided if isinstance(o, Sharded) and o.shards == 2]
        sizes = [shard.state_size()["rows"] for shard in divided._shards]
        assert min(sizes) > 0.4 * sum(sizes)
    with sqlengine.connect(str(tmp_path), threads=2) as db:
        assert rows_of(db, "SELECT * FROM a") == expected
        db.execute("INSERT INTO s SELECT range % 8, 1 FROM range(1000)")
        db.execute(f"CREATE MATERIALIZED VIEW b AS {query}")
        assert rows_of(db, "SELECT * FROM a") == rows_of(db, "SELECT * FROM b")


def test_checkpoints_rely_on_where_keys_go():
    keys = [pa.array([1, 2, 3, None, 5, 6]), pa.array(["a", "", None, "long enough text", "b", "c"])]
    assert [part.tolist() for part in deal(keys, 3)] == PINNED


PINNED = [[4], [0, 1, 2], [3, 5]]


def test_equal_keys_meet_in_one_shard_whatever_their_spelling():
    zeros = pa.array([0.0, -0.0, float("nan"), float("nan"), None, None])
    parts = deal([zeros], 5)
    shard = np.empty(6, dtype=int)
    for i, rows in enumerate(parts):
        shard[rows] = i
        assert in_shard([zeros], 5, i).nonzero()[0].tolist() == rows.tolist()
    assert shard[0] == shard[1] and shard[2] == shard[3] and shard[4] == shard[5]
    words = pa.array(["x", "y", "x"]).dictionary_encode()
    assert [r.tolist() for r in deal([words], 4)] == [r.tolist() for r in deal([words.cast(pa.string())], 4)]


def test_pieces_cover_a_delta():
    delta = Delta(pa.record_batch({"a": pa.array(range(10))}), np.arange(10) - 20)
    for count in (1, 3, 10, 40):
        pieces = delta.pieces(count)
        assert len(pieces) <= count
        assert [v for p in pieces for v in p.batch.column(0).to_pylist()] == list(range(10))
        assert np.concatenate([p.weight_array() for p in pieces]).tolist() == delta.weight_array().tolist()


# ---------------------------------------------------------------- workers


def test_workers_answer_in_order_and_raise_what_failed_first():
    team = Workers(3)
    both = threading.Barrier(3, timeout=10)

    def meet(item: int) -> int:
        both.wait()
        return item * item

    assert team.map(meet, range(3)) == [0, 1, 4]  # three at once, else the barrier breaks
    done = []

    def fail(item: int) -> int:
        if item in (2, 5):
            raise ValueError(str(item))
        done.append(item)
        return item

    with pytest.raises(ValueError, match="2"):
        team.map(fail, range(9))
    assert sorted(done) == [0, 1, 3, 4, 6, 7, 8]
    team.close()
    team.close()


def test_work_handed_out_by_work_ends():
    team = Workers(2)
    assert team.map(lambda i: sum(team.map(lambda j: i * j, range(20))), range(20)) == [190 * i for i in range(20)]
    team.close()
