"""Window functions under EMIT ON WINDOW CLOSE keep totals and the few rows that later ones need: what they say is the
query's, through restarts, on several threads, and their state does not grow with the rows."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

import sqlengine
from sqlengine.api.database import Database

STREAM = (
    "CREATE STREAM e (id INT, k INT, v INT, x DOUBLE PRECISION, s TEXT, ts TIMESTAMP, "
    "WATERMARK FOR ts AS ts - INTERVAL '3 seconds')"
)
W = "OVER (PARTITION BY k ORDER BY ts, id)"
PEERS = "OVER (PARTITION BY k ORDER BY ts)"
TOTALS = "running totals"
QUERIES = {
    f"id, count(*) {W} AS n, sum(v) {W} AS s, avg(v) {W} AS a, rank() {W} AS r, dense_rank() {W}": TOTALS,
    f"id, min(s) {PEERS} AS lo, max(s) FILTER (WHERE v > 2) {PEERS} AS h, first_value(s) {PEERS} AS f": TOTALS,
    f"id, bool_and(v > 0) {W} AS a, bool_or(v > 4) {W} AS o, row_number() {W} AS i": TOTALS,
    f"id, sum(x) {W} AS s, avg(x) {W} AS a, max(x) {W} AS m": TOTALS,
    "id, sum(v) OVER (ORDER BY ts, id) AS s": TOTALS,
    f"id, last_value(v) {W} AS l": "0 rows",
    f"id, lag(v, 2) {W} AS p, sum(v) {W} AS s": "2 rows and running totals",
    "id, sum(v) OVER (PARTITION BY k ORDER BY ts RANGE INTERVAL '5 seconds' PRECEDING) AS s": "5 s",
    "id, max(v) OVER (PARTITION BY k ORDER BY ts GROUPS 1 PRECEDING) AS s": "1 group",
    "id, sum(v) OVER (PARTITION BY k, date_trunc('minute', ts) ORDER BY ts, id) AS s": TOTALS,
}


def some_rows(rng: random.Random, count: int) -> list[str]:
    """Rows at most three seconds late, with NULLs and equal times."""
    times = sorted((rng.randrange(count) for _ in range(count)), key=lambda t: t + rng.randint(0, 2))
    return [
        f"({i}, {rng.choice(('1', '2', 'NULL'))}, {rng.choice(('NULL', str(rng.randint(-2, 7))))}, "
        f"{rng.choice(('NULL', '1e17', '-1e17', '0.5', 'NaN' if rng.random() < 0.02 else '3.25'))}, "
        f"{rng.choice(('NULL', chr(39) + rng.choice('abcd') + chr(39)))}, "
        f"TIMESTAMP '2024-01-01' + {t} * INTERVAL '1 second')".replace("NaN", "'NaN'::double precision")
        for i, t in enumerate(times)
    ]


def final(db: Database, items: str) -> list[str]:
    """What the query says of the rows the watermark has passed."""
    passed = "(SELECT * FROM e WHERE ts < (SELECT max(ts) - INTERVAL '3 seconds' FROM e))"
    return sorted(map(repr, db.execute(f"SELECT {items} FROM {passed} AS e").fetchall()))


@pytest.mark.sampled(7)
@pytest.mark.sampled(4)
@pytest.mark.parametrize("ways", ["rows", "batches", "restart"])
@pytest.mark.parametrize("items", [q for q in QUERIES if "(x)" not in q])
def test_what_is_told_is_the_querys(items: str, ways: str, tmp_path: Path) -> None:
    rng = random.Random(f"{items} {ways}")
    rows = some_rows(rng, 90)
    db = sqlengine.connect(tmp_path)
    db.execute(STREAM)
    db.execute(f"CREATE MATERIALIZED VIEW view AS SELECT {items} FROM e EMIT ON WINDOW CLOSE")
    while rows:
        step = 1 if ways == "rows" else rng.randint(1, 25)
        db.execute(f"INSERT INTO e VALUES {', '.join(rows[:step])}")
        rows = rows[step:]
        if ways == "restart" and rng.random() < 0.3:
            db.close()
            db = sqlengine.connect(tmp_path)
        assert sorted(map(repr, db.execute("SELECT * FROM view").fetchall())) == final(db, items)
    plan = str(db.execute("EXPLAIN view").fetchall())
    assert f"keeps {QUERIES[items]} of each" in plan and "retracts" not in plan
    db.close()


def test_sums_of_floating_point_do_not_depend_on_how_rows_come() -> None:
    items = next(q for q in QUERIES if "sum(x)" in q)
    rows = some_rows(random.Random(3), 200)
    told = []
    for step in (1, 7, 200):
        with sqlengine.connect() as db:
            db.execute(STREAM)
            db.execute(f"CREATE MATERIALIZED VIEW view AS SELECT {items} FROM e EMIT ON WINDOW CLOSE")
            for at in range(0, len(rows), step):
                db.execute(f"INSERT INTO e VALUES {', '.join(rows[at : at + step])}")
            told.append(sorted(map(repr, db.execute("SELECT * FROM view").fetchall())))
    assert told[0] == told[1] == told[2] and len(told[0]) > 150


@pytest.mark.sampled(8)
@pytest.mark.parametrize("items", QUERIES)
@pytest.mark.parametrize("threads", [1, 2])
def test_state_does_not_grow_with_rows(items: str, threads: int) -> None:
    with sqlengine.connect(threads=threads) as db:
        db.execute(STREAM)
        db.execute(f"CREATE MATERIALIZED VIEW view AS SELECT {items} FROM e EMIT ON WINDOW CLOSE")
        for batch in range(4):
            db.execute(
                f"INSERT INTO e SELECT i, i % 3, i % 7, i % 5, 'a', TIMESTAMP '2024-01-01' + i * INTERVAL '100 ms' "
                f"FROM generate_series({batch} * 30000, {batch} * 30000 + 29999) AS g(i)"
            )
        assert db.execute("SELECT count(*) FROM view").fetchone()[0] > 119_000
        (kept,) = db.execute("SELECT sum(state_rows) FROM system.operators WHERE node LIKE 'Over%'").fetchone()
        assert kept < 9000


def test_a_state_that_a_view_says_is_bounded_gives_no_notice() -> None:
    with sqlengine.connect() as db:
        db.execute(STREAM)
        for items in QUERIES:
            assert not db.execute(f"EXPLAIN SELECT {items} FROM e EMIT ON WINDOW CLOSE").notices
            made = db.execute(f"CREATE MATERIALIZED VIEW view AS SELECT {items} FROM e EMIT ON WINDOW CLOSE")
            assert not made.notices
            db.execute("DROP MATERIALIZED VIEW view")
