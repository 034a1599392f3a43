"""FOR SYSTEM_TIME AS OF in views: against a model in Python of what each row saw."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sqlengine
from sqlengine.runtime import fill
from tests.depth import rounds

DAY = dt.datetime(2024, 1, 1)


def at(second: int) -> dt.datetime:
    return DAY + dt.timedelta(seconds=second)


def make(db: sqlengine.Database, kind: str = "LEFT") -> None:
    db.execute("CREATE TABLE rates (cur TEXT PRIMARY KEY, rate BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts)")
    db.execute("CREATE STREAM orders (id INT, cur TEXT, ts TIMESTAMP, WATERMARK FOR ts AS ts)")
    db.execute(
        f"CREATE MATERIALIZED VIEW then_ AS SELECT o.id, r.rate FROM orders o {kind} JOIN rates "
        "FOR SYSTEM_TIME AS OF o.ts AS r ON o.cur = r.cur"
    )
    db.execute(
        f"CREATE MATERIALIZED VIEW now_ AS SELECT o.id, r.rate FROM orders o {kind} JOIN rates "
        "FOR SYSTEM_TIME AS OF PROCTIME() AS r ON o.cur = r.cur AND r.rate > 0"
    )


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("order"), st.sampled_from("ab"), st.integers(0, 20)),
        st.tuples(st.just("rate"), st.sampled_from("ab"), st.integers(0, 20)),
        st.tuples(st.just("drop"), st.sampled_from("ab"), st.just(0)),
    ),
    max_size=14,
)


@pytest.mark.parametrize("kind", ["LEFT", "INNER"])
@settings(max_examples=rounds(10, 25), deadline=None)
@given(steps=STEPS)
def test_each_order_meets_the_version_of_its_time(tmp_path_factory, kind, steps):
    path = tmp_path_factory.mktemp("temporal_join")
    db = sqlengine.connect(path)
    make(db, kind)
    orders: dict[int, tuple[str, int]] = {}
    seen: dict[int, int | None] = {}
    versions: list[tuple[str, int, int | None]] = []
    current: dict[str, tuple[int, int]] = {}
    for n, (what, cur, second) in enumerate(steps):
        if what == "order":
            db.execute("INSERT INTO orders VALUES (?, ?, ?)", (n, cur, at(second)))
            orders[n] = (cur, second)
            rate = current.get(cur, (None, 0))[0]
            seen[n] = rate if rate else None
        elif what == "rate":
            text = "INSERT INTO rates VALUES (?, ?, ?) ON CONFLICT (cur) DO UPDATE SET rate = excluded.rate, "
            text += "ts = excluded.ts"
            db.execute(text, (cur, n, at(second)))
            versions.append((cur, second, n))
            current[cur] = (n, second)
        elif cur in current:
            db.execute("DELETE FROM rates WHERE cur = ?", (cur,))
            versions.append((cur, current.pop(cur)[1], None))
        if n == len(steps) // 2:
            db.close()
            db = sqlengine.connect(path)
        check(db, kind, orders, versions, seen)
    db.close()


def check(db, kind, orders, versions, seen):
    def version(cur: str, second: int) -> int | None:
        valid = [(s, i, rate) for i, (c, s, rate) in enumerate(versions) if c == cur and s <= second]
        return max(valid)[2] if valid else None

    then = {n: version(*order) for n, order in orders.items()}
    for view, wanted in (("then_", then), ("now_", seen)):
        got = dict(db.execute(f"SELECT id, rate FROM {view}").fetchall())
        assert got == {n: r for n, r in wanted.items() if kind == "LEFT" or r is not None}, view


def test_a_column_that_is_proctime_makes_a_lookup():
    with sqlengine.connect() as db:
        db.execute("CREATE TABLE side (k INT PRIMARY KEY, v TEXT); CREATE STREAM s (k INT, at AS PROCTIME())")
        for source in ("s", "(SELECT k, proctime() AS at FROM s)"):
            plan = db.execute(
                f"EXPLAIN SELECT b.k, d.v FROM {source} AS b JOIN side FOR SYSTEM_TIME AS OF b.at AS d ON b.k = d.k "
                "EMIT CHANGES"
            ).fetchall()
            assert "LookupJoin" in str(plan)


def test_the_time_of_a_window_is_a_time_as_any():
    with sqlengine.connect() as db:
        db.execute("CREATE STREAM r (k INT, v INT, ts TIMESTAMP, WATERMARK FOR ts AS ts)")
        db.execute("CREATE STREAM s (k INT, ts TIMESTAMP)")
        db.execute(
            "CREATE MATERIALIZED VIEW v AS SELECT s.window_end, r.v FROM TUMBLE(s, ts, INTERVAL '10 s') AS s "
            "LEFT JOIN r FOR SYSTEM_TIME AS OF s.window_end AS r ON s.k = r.k"
        )
        db.execute("INSERT INTO r VALUES (1, 10, '2024-01-01 00:00:01'), (1, 20, '2024-01-01 00:00:15')")
        db.execute("INSERT INTO s VALUES (1, '2024-01-01 00:00:03'), (1, '2024-01-01 00:00:12')")
        assert [v for _, v in sorted(db.execute("SELECT * FROM v").fetchall())] == [10, 20]


def test_an_update_is_one_change_however_history_is_cut(monkeypatch):
    with sqlengine.connect() as db:
        db.execute("CREATE TABLE t (id INT PRIMARY KEY, v INT, ts TIMESTAMP, WATERMARK FOR ts AS ts)")
        db.execute("CREATE STREAM s (id INT, ts TIMESTAMP)")
        db.execute("INSERT INTO t SELECT i, i, TIMESTAMP '2024-01-01 00:00:01' FROM generate_series(1, 5) AS g(i)")
        db.execute("UPDATE t SET v = v * 10, ts = TIMESTAMP '2024-01-01 00:00:20'")
        db.execute("INSERT INTO s SELECT i, TIMESTAMP '2024-01-01 00:00:10' FROM generate_series(1, 5) AS g(i)")
        for rows_max in range(1, 8):
            monkeypatch.setattr(fill, "STEP_ROWS_MAX", rows_max)
            db.execute(
                "CREATE MATERIALIZED VIEW v AS SELECT s.id, t.v FROM s JOIN t FOR SYSTEM_TIME AS OF s.ts AS t "
                "ON s.id = t.id"
            )
            assert sorted(db.execute("SELECT * FROM v").fetchall()) == [(i, i) for i in range(1, 6)]
            db.execute("DROP MATERIALIZED VIEW v")


def test_an_append_only_side_is_its_own_versions():
    with sqlengine.connect() as db:
        db.execute("CREATE STREAM r (k INT, v INT, ts TIMESTAMP, WATERMARK FOR ts AS ts)")
        db.execute("CREATE STREAM s (k INT, ts TIMESTAMP, WATERMARK FOR ts AS ts)")
        db.execute(
            "CREATE MATERIALIZED VIEW v AS SELECT s.k, r.v FROM s JOIN r FOR SYSTEM_TIME AS OF s.ts AS r ON s.k = r.k"
        )
        db.execute("INSERT INTO r VALUES (1, 10, '2024-01-01 00:00:01'), (1, 20, '2024-01-01 00:00:05')")
        db.execute("INSERT INTO s VALUES (1, '2024-01-01 00:00:03')")
        assert db.execute("SELECT * FROM v").fetchall() == [(1, 10)]
        db.execute("INSERT INTO r VALUES (1, 15, '2024-01-01 00:00:02')")
        assert db.execute("SELECT * FROM v").fetchall() == [(1, 15)]


@pytest.mark.parametrize(
    ("query", "state"),
    [
        ("SELECT 1 FROM s JOIN plain FOR SYSTEM_TIME AS OF s.ts AS p ON s.k = p.k", "42P17"),
        ("SELECT 1 FROM s JOIN t FOR SYSTEM_TIME AS OF s.nothing AS t ON s.k = t.k", "42703"),
    ],
)
def test_what_has_no_versions_is_refused(query, state):
    with sqlengine.connect() as db:
        db.execute("CREATE STREAM s (k INT, ts TIMESTAMP); CREATE TABLE plain (k INT PRIMARY KEY)")
        db.execute("CREATE TABLE t (k INT PRIMARY KEY, ts TIMESTAMP, WATERMARK FOR ts AS ts)")
        with pytest.raises(sqlengine.ProgrammingError) as caught:
            db.execute(f"CREATE MATERIALIZED VIEW v AS {query}")
        assert caught.value.sqlstate == state


@pytest.mark.parametrize("place", range(5))
def test_a_row_deleted_and_inserted_again_is_no_update_however_history_is_read(place):
    with sqlengine.connect() as db:
        db.execute(
            "CREATE TABLE u (id BIGINT PRIMARY KEY, d INT, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '0 seconds')"
        )
        db.execute("CREATE STREAM v (id BIGINT, k BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '1 hour')")
        steps = [
            "INSERT INTO u VALUES (3, 1, '2024-01-01 00:00:10')",
            "INSERT INTO v VALUES (9, 3, '2024-01-01 00:01:00'), (8, 3, '2024-01-01 00:03:00')",
            "DELETE FROM u WHERE id = 3",
            "INSERT INTO u VALUES (3, 2, '2024-01-01 00:02:00') ON CONFLICT (id) DO UPDATE SET d = excluded.d",
        ]
        view = "SELECT v.id, u.d FROM v JOIN u FOR SYSTEM_TIME AS OF v.ts AS u ON v.k = u.id"
        steps.insert(place, f"CREATE MATERIALIZED VIEW w AS {view}")
        for step in steps:
            db.execute(step)
        assert db.execute("SELECT * FROM w").fetchall() == [(8, 2)]


@pytest.mark.parametrize("late", [False, True])
def test_an_update_of_more_rows_than_a_frame_holds_is_one_change(late):
    view = "CREATE MATERIALIZED VIEW w AS SELECT v.id, u.d FROM v JOIN u FOR SYSTEM_TIME AS OF v.ts AS u ON v.k = u.id"
    with sqlengine.connect() as db:
        db.execute("CREATE TABLE u (id BIGINT PRIMARY KEY, d INT, ts TIMESTAMP, WATERMARK FOR ts AS ts)")
        db.execute("CREATE STREAM v (id BIGINT, k BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '1 hour')")
        db.execute("INSERT INTO v VALUES (1, 7, '2024-01-01 00:01:00'), (2, 69999, '2024-01-01 00:03:00')")
        if not late:
            db.execute(view)
        db.execute("INSERT INTO u SELECT i, 1, TIMESTAMP '2024-01-01' FROM generate_series(1, 70000) AS g(i)")
        db.execute("UPDATE u SET d = 2, ts = TIMESTAMP '2024-01-01 00:02:00'")
        if late:
            db.execute(view)
        assert sorted(db.execute("SELECT * FROM w").fetchall()) == [(1, 1), (2, 2)]
