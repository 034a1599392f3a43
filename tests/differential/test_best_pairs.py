"""Greatest and least values over joins of rows that only come: for each row of a side one pair is enough."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import sqlengine
from sqlengine.operators import best_pairs
from sqlengine.plan.nodes import Best
from sqlengine.state import join_side
from sqlengine.state.join_side import JoinSide

JOIN = "FROM a JOIN b ON a.id = b.a"
QUERIES = {
    "the auctions": f"SELECT a.id, a.c, max(b.p) AS m {JOIN} AND b.ts BETWEEN a.ts AND a.upto GROUP BY a.id, a.c",
    "the other side's key": f"SELECT b.a, min(b.p) AS m {JOIN} AND b.ts >= a.ts GROUP BY b.a",
    "without a condition": f"SELECT a.c, max(b.p) AS m, min(b.f) AS f {JOIN} GROUP BY a.c",
    "of the right side": f"SELECT b.d, b.a, max(a.c) AS m, min(a.ts) AS t {JOIN} AND a.c < b.p GROUP BY b.d, b.a",
    "a condition that may fail": f"SELECT a.id, max(b.p) AS m {JOIN} AND 12 / b.d > 3 GROUP BY a.id",
    "through projections": f"SELECT k, max(q) AS m FROM (SELECT a.c AS k, b.p AS q, b.d + 1 AS n {JOIN}) GROUP BY k",
}


def rows(rng: random.Random, first: int, count: int) -> tuple[pa.Table, pa.Table]:
    def some(values: list[object], null: float = 0.1) -> list[object]:
        return [None if rng.random() < null else rng.choice(values) for _ in range(count)]

    start = 1_700_000_000_000_000
    at = [start + rng.randint(0, 60) * 1_000_000 for _ in range(count)]
    numbers: list[object] = [-(2**63), -1, 0, 5, 7, 9, 2**63 - 1]
    stamp = pa.timestamp("us")
    a = {
        "id": pa.array(some(list(range(40))), pa.int64()),
        "c": pa.array(some([1, 2, 3]), pa.int32()),
        "ts": pa.array(at, stamp),
        "upto": pa.array([t + rng.randint(0, 30) * 1_000_000 for t in at], stamp),
    }
    b = {
        "a": pa.array(some(list(range(40))), pa.int64()),
        "p": pa.array(some(numbers, 0.05 if first % 2 else 0), pa.int64()),
        "f": pa.array(some([float("nan"), -0.0, 1.5, -3.25]), pa.float64()),
        "d": pa.array(some([1, 2, 3, 4]), pa.int32()),
        "ts": pa.array([start + rng.randint(0, 90) * 1_000_000 for _ in range(count)], stamp),
    }
    return pa.table(a), pa.table(b)


@pytest.mark.parametrize("few", [1, 40])
@pytest.mark.parametrize("name", QUERIES)
def test_views_are_what_their_queries_answer(
    name: str, few: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(best_pairs, "PAIRS_MIN", few)
    rng = random.Random(f"{name} {few}")
    db = sqlengine.connect(tmp_path)
    db.execute("SET disabled_rules = 'aggregate_early'")  # which comes first where it can
    db.execute("CREATE STREAM a (id BIGINT, c INT, ts TIMESTAMP, upto TIMESTAMP)")
    db.execute("CREATE STREAM b (a BIGINT, p BIGINT, f DOUBLE PRECISION, d INT, ts TIMESTAMP)")
    db.execute(f"CREATE MATERIALIZED VIEW v AS {QUERIES[name]}")
    assert "of each" in str(db.execute("EXPLAIN v").fetchall())
    for step in range(12):
        count = rng.choice((1, 3, 30, 60))
        for table, more in zip("ab", rows(rng, step, count), strict=True):
            if rng.random() < 0.8:
                db.insert(table, more)
        db.execute("WAIT")
        if step in (5, 9):
            db.execute("CHECKPOINT")
            db.close()
            db = sqlengine.connect(tmp_path)
        got, expected = (db.execute(f"SELECT * FROM {x}").fetchall() for x in ("v", f"({QUERIES[name]})"))
        assert sorted(map(repr, got)) == sorted(map(repr, expected))
    db.execute(f"CREATE MATERIALIZED VIEW filled AS {QUERIES[name]}")
    assert sorted(map(repr, db.execute("SELECT * FROM filled").fetchall())) == sorted(map(repr, expected))
    db.close()


def test_a_plan_is_the_same_query_with_the_rule_and_without(tmp_path: Path) -> None:
    """What is kept is the same: a view made before there was the rule goes on."""
    with sqlengine.connect(tmp_path) as db:
        db.execute("CREATE STREAM a (id BIGINT, c INT, ts TIMESTAMP, upto TIMESTAMP)")
        db.execute("CREATE STREAM b (a BIGINT, p BIGINT, f DOUBLE PRECISION, d INT, ts TIMESTAMP)")
        db.execute(f"SET disabled_rules = 'keep_best_pairs'; CREATE MATERIALIZED VIEW v AS {QUERIES['the auctions']}")
        without = db._instance.scheduler.by_name("v").fingerprint
        assert "of each" not in str(db.execute("EXPLAIN ANALYZE v").fetchall())
        db.execute(
            f"DROP MATERIALIZED VIEW v; RESET disabled_rules; CREATE MATERIALIZED VIEW w AS {QUERIES['the auctions']}"
        )
        assert db._instance.scheduler.by_name("w").fingerprint == without
        assert "of each left row" in str(db.execute("EXPLAIN ANALYZE w").fetchall())


def test_rows_that_get_other_numbers_are_known_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that no match can come for any more leave, and those behind them take their places."""
    compacted = 0
    compact = JoinSide.compact

    def counted(side: JoinSide) -> None:
        nonlocal compacted
        compacted += 1
        compact(side)

    monkeypatch.setattr(best_pairs, "PAIRS_MIN", 1)
    monkeypatch.setattr(join_side, "COMPACT_AT", 1)
    monkeypatch.setattr(JoinSide, "compact", counted)
    rng = random.Random(7)
    query = (
        "SELECT a.id, a.ts, max(b.p) AS m FROM a JOIN b ON a.k = b.k AND b.ts BETWEEN a.ts AND a.ts + "
        "INTERVAL '20 seconds' GROUP BY a.id, a.ts"
    )
    with sqlengine.connect() as db:
        db.execute("CREATE STREAM a (id BIGINT, k BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts)")
        db.execute("CREATE STREAM b (k BIGINT, p BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts)")
        db.execute(f"CREATE MATERIALIZED VIEW v AS {query} EMIT CHANGES ALLOWED LATENESS INTERVAL '1 second'")
        for step in range(30):
            second = pa.scalar(1_700_000_000_000_000 + step * 5_000_000, pa.timestamp("us"))
            keys = pa.array(rng.choices(range(4), k=12))
            numbers = pa.array([step * 12 + i for i in range(12)])
            times = pa.repeat(second, 12)
            db.insert("a", pa.table({"id": numbers, "k": keys, "ts": times}))
            # falling, so that what is remembered of a row that has left would hide what comes for its successor
            falling = pa.array([1_000 - step * 20 + rng.randint(0, 60) for _ in range(12)])
            db.insert("b", pa.table({"k": pa.array(rng.choices(range(4), k=12)), "p": falling, "ts": times}))
            db.execute("WAIT")
            got, expected = (db.execute(f"SELECT * FROM {x}").fetchall() for x in ("v", f"({query})"))
            assert sorted(got) == sorted(expected), step
        assert compacted > 10 and "of each left row" in str(db.execute("EXPLAIN v").fetchall())


@pytest.mark.parametrize("first", ["best", "all"])
def test_who_wants_all_pairs_gets_them_from_a_join_that_is_shared(first: str, tmp_path: Path) -> None:
    joined = f"{JOIN} AND a.c < b.d"
    queries = {
        "best": f"SELECT a.id, max(b.d) AS m {joined} GROUP BY a.id",
        "all": f"SELECT a.id, sum(b.d) AS m {joined} GROUP BY a.id",
        "each": f"SELECT a.id, a.c, count(b.d) AS n, max(b.d) AS m {joined} GROUP BY a.id, a.c",
    }
    names = sorted(queries, key=lambda name: name != first)
    db = sqlengine.connect(tmp_path)
    db.execute("CREATE STREAM a (id BIGINT, c INT); CREATE STREAM b (a BIGINT, d INT)")
    rng = random.Random(first)
    for step in range(5):
        for _ in range(3):
            db.insert("a", pa.table({"id": rng.choices(range(5), k=300), "c": rng.choices(range(3), k=300)}))
            db.insert("b", pa.table({"a": rng.choices(range(5), k=300), "d": rng.choices(range(4), k=300)}))
        if step < 3:
            db.execute(f"CREATE MATERIALIZED VIEW {names[step]}_of AS {queries[names[step]]}")
            plan = str(db.execute(f"EXPLAIN ANALYZE {names[step]}_of").fetchall())
            assert ("shared" in plan) is (step > 0)
        if step == 3:
            db.execute("CHECKPOINT")
            db.close()
            db = sqlengine.connect(tmp_path)
        db.execute("WAIT")
        for name in names[: step + 1]:
            got, expected = (db.execute(f"SELECT * FROM {x}").fetchall() for x in (f"{name}_of", f"({queries[name]})"))
            assert sorted(got) == sorted(expected), (step, name)
    db.close()


@pytest.mark.parametrize(
    ("query", "why"),
    [
        (f"SELECT a.id, max(b.p), count(*) {JOIN} GROUP BY a.id", "a count needs every pair"),
        (f"SELECT a.c, b.d, max(b.p) {JOIN} GROUP BY a.c, b.d", "one row is in several groups"),
        (f"SELECT a.id, max(b.p) FILTER (WHERE b.d > 1) {JOIN} GROUP BY a.id", "the best may not count"),
        ("SELECT a.id, max(b.p) FROM a LEFT JOIN b ON a.id = b.a GROUP BY a.id", "rows stand alone"),
        (f"SELECT a.id, max(b.p::text) {JOIN} GROUP BY a.id", "texts have no order in a word"),
        (f"SELECT max(b.p) {JOIN}", "there are no groups"),
        ("SELECT t.id, max(b.p) FROM t JOIN b ON t.id = b.a GROUP BY t.id", "rows go"),
        (
            f"WITH j AS (SELECT a.id, b.p {JOIN}) SELECT id, max(p) FROM j GROUP BY id UNION ALL SELECT * FROM j",
            "something else reads the join",
        ),
        (
            f"WITH j AS (SELECT a.id, b.p, b.d {JOIN}) SELECT x.id FROM (SELECT id, max(p) FROM j GROUP BY id) x "
            "JOIN (SELECT id, max(d) FROM j GROUP BY id) y ON x.id = y.id",
            "others want other pairs",
        ),
    ],
)
def test_where_every_pair_counts_all_are_kept(query: str, why: str) -> None:
    with sqlengine.connect() as db:
        db.execute("SET disabled_rules = 'aggregate_early'; CREATE TABLE t (id BIGINT PRIMARY KEY)")
        db.execute("CREATE STREAM a (id BIGINT, c INT); CREATE STREAM b (a BIGINT, p BIGINT, d INT)")
        assert "of each" not in str(db.execute(f"EXPLAIN {query}").fetchall()), why


def test_of_more_rows_than_a_limit_nothing_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(best_pairs, "PAIRS_MIN", 1)
    monkeypatch.setattr(best_pairs, "ROWS_MAX", 4)
    best = best_pairs.BestPairs(Best(0, ((0, True),)))
    ids, values = np.array([0, 1, 0]), pa.array([5, 6, 4])
    assert best.better(ids, 5, lambda _: values, lasting=True) is None and best.nbytes < 1_000

    def positions(found: np.ndarray | None) -> list[int] | None:
        return None if found is None else found.tolist()

    assert positions(best.better(ids, 4, lambda _: values, lasting=True)) == [0, 1]
    assert positions(best.promising(ids, 4, lambda _: pa.array([6, 6, 5]))) == [0]
    assert positions(best.promising(np.array([3, 2, 3]), 4, lambda _: values)) == [0, 1, 2]
    best.forget()
    assert best.promising(ids, 4, lambda _: pa.array([1, None, 0])) is None
