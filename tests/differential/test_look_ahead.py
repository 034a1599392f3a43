"""`lead` and frames that look ahead under EMIT ON WINDOW CLOSE: a row leaves once, when the rows it needs are there."""

from __future__ import annotations

import random

import pytest

import sqlengine
from sqlengine import errors

W = "OVER (PARTITION BY k ORDER BY ts)"
AHEAD = "OVER (PARTITION BY k ORDER BY ts ROWS BETWEEN UNBOUNDED PRECEDING AND 2 FOLLOWING)"
QUERIES = {
    f"id, k, ts, lead(v) {W} AS a": 1,
    f"id, lead(v, 2) {W} AS a, lag(v) {W} AS b, row_number() {W} AS c, lead(s) {W} AS d": 2,
    "id, sum(v) OVER (PARTITION BY k ORDER BY ts ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING) AS a": 1,
    f"id, count(*) {AHEAD} AS a, max(v) FILTER (WHERE v > 2) {AHEAD} AS b": 2,
    "id, first_value(v) OVER (PARTITION BY k ORDER BY ts ROWS BETWEEN 1 FOLLOWING AND 2 FOLLOWING) AS a": 2,
    "id, lag(v, -1) OVER (PARTITION BY k ORDER BY ts, id) AS a": 1,
    "id, lead(v) OVER (ORDER BY ts, id) AS a": 1,
    "id + 1 AS id, lead(ts) OVER (PARTITION BY k ORDER BY ts, id) - ts AS gap": 1,
}


@pytest.mark.sampled(4)
@pytest.mark.parametrize("ways", ["rows", "batches", "restart"])
@pytest.mark.parametrize("items", QUERIES)
def test_rows_leave_when_those_they_need_have_come(items: str, ways: str, tmp_path) -> None:  # type: ignore[no-untyped-def]
    rng = random.Random(f"{items} {ways}")
    times = rng.sample(range(400), 120)
    times.sort(key=lambda t: t + rng.randint(0, 8))  # at most 8 seconds late, and the watermark waits for 10
    rows = [
        f"({i}, {rng.choice(('1', '2', '3', 'NULL'))}, {rng.choice(('NULL', rng.randint(0, 5)))}, 's{i % 7}', "
        f"TIMESTAMP '2024-01-01' + {t} * INTERVAL '1 second')"
        for i, t in enumerate(times)
    ]
    db = sqlengine.connect(tmp_path)
    db.execute(
        "CREATE STREAM e (id INT, k INT, v INT, s TEXT, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '10 seconds')"
    )
    db.execute(f"CREATE MATERIALIZED VIEW view AS SELECT {items} FROM e EMIT ON WINDOW CLOSE")
    followed = "PARTITION BY k " if "PARTITION BY k" in items else ""
    seen: list[str] = []
    while rows:
        step = 1 if ways == "rows" else rng.randint(1, 30)
        db.execute(f"INSERT INTO e VALUES {', '.join(rows[:step])}")
        rows = rows[step:]
        if ways == "restart" and rng.random() < 0.2:
            db.close()
            db = sqlengine.connect(tmp_path)
        final = "(SELECT * FROM e WHERE ts < (SELECT max(ts) - INTERVAL '10 seconds' FROM e))"
        complete = f"row_number() OVER ({followed}ORDER BY ts DESC, id DESC) > {QUERIES[items]}"
        expected = db.execute(f"SELECT {items} FROM {final} AS e QUALIFY {complete}").fetchall()
        got = db.execute("SELECT * FROM view").fetchall()
        assert sorted(map(repr, got)) == sorted(map(repr, expected))
        assert set(seen) <= set(map(repr, got))
        seen = [repr(row) for row in got]
    assert len(seen) > 80
    plan = str(db.execute("EXPLAIN view").fetchall())
    assert "maintained incrementally" in plan and "retracts" not in plan
    db.close()


BACK = {
    "lag(v, 2) OVER (PARTITION BY k ORDER BY ts)": 2,
    "sum(v) OVER (PARTITION BY k ORDER BY ts ROWS BETWEEN 3 PRECEDING AND CURRENT ROW)": 3,
    "max(v) OVER (PARTITION BY k ORDER BY ts ROWS BETWEEN 3 PRECEDING AND 1 PRECEDING)": 3,
    "lead(v) OVER (PARTITION BY k ORDER BY ts)": 1,
    "avg(v) OVER (PARTITION BY k ORDER BY ts ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING)": 2,
}


@pytest.mark.sampled(1)
@pytest.mark.parametrize("call", BACK)
@pytest.mark.parametrize("step", [1, 7, 400])
def test_no_more_rows_are_kept_than_later_ones_need(call: str, step: int, tmp_path) -> None:  # type: ignore[no-untyped-def]
    rng = random.Random(call)
    rows = [
        f"({i}, {rng.randrange(3)}, {rng.randint(0, 9)}, TIMESTAMP '2024-01-01' + {i} * INTERVAL '1 second')"
        for i in range(400)
    ]
    db = sqlengine.connect(tmp_path)
    db.execute("CREATE STREAM e (id INT, k INT, v INT, ts TIMESTAMP, WATERMARK FOR ts AS ts)")
    db.execute(f"CREATE MATERIALIZED VIEW view AS SELECT id, {call} AS a FROM e EMIT ON WINDOW CLOSE")
    for start in range(0, len(rows), step):
        db.execute(f"INSERT INTO e VALUES {', '.join(rows[start : start + step])}")
        if start == 210:
            db.close()
            db = sqlengine.connect(tmp_path)
    ahead = 1 if "lead" in call or "FOLLOWING" in call else 0
    final = f"SELECT id, {call} AS a FROM (SELECT * FROM e WHERE id < 399) AS e"
    complete = f"row_number() OVER (PARTITION BY k ORDER BY ts DESC) > {ahead}"
    expected = db.execute(f"{final} QUALIFY {complete} ORDER BY id").fetchall()
    assert db.execute("SELECT * FROM view ORDER BY id").fetchall() == expected
    plan = "\n".join(line for (line,) in db.execute("EXPLAIN view").fetchall())
    assert f"keeps {BACK[call]} row" in plan and "grows with the distinct (k)" in plan
    state = "SELECT state_rows FROM system.operators WHERE query = 'view' AND node = 'Over'"
    assert db.execute(state).fetchall() == [(3 * BACK[call],)]
    db.close()


@pytest.mark.parametrize(
    ("query", "at"),
    [
        ("SELECT k, ts, rank() OVER w, lead(v) OVER w FROM a WINDOW w AS (PARTITION BY k ORDER BY ts)", "lead(v)"),
        ("SELECT k, ts, lead(v, 1, 0) OVER (ORDER BY ts) FROM a", "lead("),
        ("SELECT ts, ntile(2) OVER (ORDER BY ts) FROM a", "ntile("),
        ("SELECT ts, row_number() OVER (PARTITION BY k ORDER BY v) FROM a", "row_number("),
        ("SELECT k, count(*) FROM a GROUP BY k", "k EMIT"),
        ("SELECT a.ts, b.v FROM a JOIN b ON a.k = b.k", "b ON a.k = b.k"),
        (
            "SELECT window_end, count(*) FROM TUMBLE((SELECT a.ts FROM a JOIN b ON a.k = b.k) AS j, ts,"
            " INTERVAL '1 minute') GROUP BY window_end",
            "b ON a.k = b.k",
        ),
    ],
)
def test_what_is_never_final_is_pointed_at(query: str, at: str) -> None:
    with sqlengine.connect() as db:
        for name in "ab":
            db.execute(f"CREATE STREAM {name} (k INT, v INT, ts TIMESTAMP, WATERMARK FOR ts AS ts)")
        text = f"CREATE MATERIALIZED VIEW view AS {query} EMIT ON WINDOW CLOSE"
        with pytest.raises(errors.InvalidDefinition) as raised:
            db.execute(text)
        assert raised.value.sqlstate == "42P17" and raised.value.hint
        assert raised.value.position is not None and text[raised.value.position :].startswith(at)


def test_what_a_window_makes_final_needs_no_later_rows() -> None:
    with sqlengine.connect() as db:
        db.execute("CREATE STREAM e (v INT, ts TIMESTAMP, WATERMARK FOR ts AS ts)")
        db.execute(
            "CREATE MATERIALIZED VIEW view AS SELECT v, lead(v) OVER (PARTITION BY window_end ORDER BY ts) AS a,"
            " window_end FROM TUMBLE(e, ts, INTERVAL '1 hour') EMIT ON WINDOW CLOSE"
        )
        db.execute("INSERT INTO e VALUES (1, '2024-01-01 10:00'), (2, '2024-01-01 10:30'), (3, '2024-01-01 11:30')")
        assert db.execute("SELECT v, a FROM view ORDER BY v").fetchall() == [(1, 2), (2, None)]


def test_a_ksql_window_stands_behind_a_stream() -> None:
    with sqlengine.connect() as db:
        with pytest.raises(errors.SyntaxError) as raised:
            db.execute("SELECT a.k FROM a JOIN b ON a.k = b.k WINDOW TUMBLING (SIZE 1 MINUTE) GROUP BY a.k")
        assert raised.value.position == 38 and "behind the stream whose time counts" in (raised.value.hint or "")
