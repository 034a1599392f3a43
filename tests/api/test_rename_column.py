"""Columns renamed under views, sinks and streams that read them: what they answer is compared with the same queries
over a table whose columns keep their names, through restarts, crashes and further changes of the table."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

import sqlengine
from sqlengine.api.database import Database

QUERIES = {
    "grouped": "SELECT a, count(*) AS n FROM t GROUP BY a",
    "star": "SELECT * FROM t",
    "limited": "SELECT id, a + 1 AS c FROM t WHERE a > 1 ORDER BY a, id LIMIT 2",
    "self": "SELECT x.a, y.a AS ya FROM t x JOIN u y ON x.a = y.a",
    "natural": "SELECT a, id FROM t NATURAL JOIN u",
    "using": "SELECT id, t.a FROM t JOIN u USING (id) WHERE EXISTS (SELECT a FROM u WHERE u.a = t.a)",
    "item": "WITH c AS (SELECT a, b FROM t) SELECT (a)::text, max(a) FROM c GROUP BY a",
    "over": "SELECT a, row_number() OVER (PARTITION BY b ORDER BY a, id) AS r FROM t",
    "scalar": "SELECT coalesce(a, 0) AS z, (SELECT max(a) FROM t) FROM t",
    "ordered": "SELECT a FROM t UNION SELECT a FROM u ORDER BY a",
    "within": "SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY a) FROM t",
    "having": "SELECT sum(a) FILTER (WHERE a > 2) AS a, t.twice FROM t GROUP BY t.twice HAVING sum(a) > 1",
    "computed_again": "SELECT a, string_agg(b, ',' ORDER BY id) OVER (ORDER BY a) FROM t",
    "cased": "SELECT CASE WHEN id > 2 THEN 0 ELSE a END, b FROM t",
    "framed": "SELECT a, sum(id) OVER (ORDER BY id ROWS BETWEEN id PRECEDING AND CURRENT ROW) AS s FROM t",
    "whole": "SELECT (t).a, id FROM t",
}
NAMES = {"a": ("a", "amount", "select"), "b": ("b", "B", "a"), "id": ("id", "key")}


def answer(db: Database, text: str) -> list[str]:
    return sorted(map(repr, db.execute(text).fetchall()))


class World:
    """A table `t` whose columns are renamed, one called `still` with the same rows, and views over both."""

    def __init__(self, path: Path, seed: int) -> None:
        self.path, self.random, self.serial = path, random.Random(seed), 0
        self.db = sqlengine.connect(path)
        self.called = {"id": "id", "a": "a", "b": "b"}
        for name in ("t", "still"):
            self.db.execute(f"CREATE TABLE {name} (id INT PRIMARY KEY, a INT CHECK (a > -99), b TEXT, twice AS a * 2)")
        self.db.execute("CREATE TABLE u (id INT PRIMARY KEY, a INT)")
        for name, query in QUERIES.items():
            self.db.execute(f"CREATE MATERIALIZED VIEW {name}_view AS {query}")
        self.db.execute("CREATE VIEW plain AS SELECT a, id FROM t WHERE b <> 'none'")
        self.db.execute("CREATE MATERIALIZED VIEW over_plain AS SELECT sum(a) AS s FROM plain")
        self.db.execute("CREATE MATERIALIZED VIEW stacked AS SELECT n, a FROM grouped_view WHERE a > 2")

    def step(self) -> None:
        self.random.choice([self.write, self.write, self.write, self.rename, self.rename, self.restart, self.delete])()

    def write(self) -> None:
        self.serial += 1
        a, b = self.random.choice([None, 1, 2, 3, 4]), self.random.choice("xyz")
        names = ", ".join('"' + self.called[name] + '"' for name in ("id", "a", "b"))
        self.db.execute(f"INSERT INTO t ({names}) VALUES (?, ?, ?)", [self.serial, a, b])
        self.db.execute("INSERT INTO still (id, a, b) VALUES (?, ?, ?)", [self.serial, a, b])
        if self.serial % 3 == 0:
            self.db.execute("INSERT INTO u VALUES (?, ?)", [self.serial, self.random.randrange(4)])

    def delete(self) -> None:
        at = self.random.randrange(self.serial + 1)
        self.db.execute(f"""DELETE FROM t WHERE "{self.called["id"]}" = {at}""")
        self.db.execute(f"DELETE FROM still WHERE id = {at}")

    def rename(self) -> None:
        column = self.random.choice(list(NAMES))
        free = [name for name in NAMES[column] if name not in self.called.values()]
        if free:
            new = self.random.choice(free)
            self.db.execute(f'ALTER TABLE t RENAME COLUMN "{self.called[column]}" TO "{new}"')
            self.called[column] = new

    def restart(self) -> None:
        if self.random.random() < 0.5:
            self.db.crash()
        else:
            self.db.close()
        self.db = sqlengine.connect(self.path)

    def check(self) -> None:
        for name, query in [*QUERIES.items(), ("plain", "SELECT a, id FROM t WHERE b <> 'none'")]:
            view = name if name == "plain" else f"{name}_view"
            wanted = answer(self.db, over_still(query))
            assert answer(self.db, f"SELECT * FROM {view}") == wanted, (name, self.called)
            shown = self.db.execute(f"SELECT pg_get_viewdef('{view}')").fetchall()[0][0].rstrip(";")
            assert answer(self.db, shown) == wanted, (shown, self.called)
        assert answer(self.db, "SELECT * FROM over_plain") == answer(
            self.db, "SELECT sum(a) FROM still WHERE b <> 'none'"
        )
        assert answer(self.db, "SELECT * FROM stacked") == answer(
            self.db, "SELECT count(*), a FROM still WHERE a > 2 GROUP BY a"
        )


def over_still(query: str) -> str:
    """A query over the table whose columns keep their names."""
    return f"WITH t AS (SELECT * FROM still) {query.replace('WITH c', ', c')}".replace(") , c", "), c")


@pytest.mark.sampled(2)
@pytest.mark.parametrize("seed", range(12))
def test_views_answer_what_they_did(tmp_path: Path, seed: int) -> None:
    world = World(tmp_path, seed)
    for _ in range(12):
        world.step()
    world.rename()
    world.check()
    world.restart()
    world.write()
    world.check()
    world.db.close()


def read_rows(db: Database, name: str) -> int:
    return int(db.execute("SELECT rows_in FROM system.queries WHERE name = ?", [name]).fetchall()[0][0])


def test_state_is_kept_and_nothing_is_read_again(tmp_path: Path) -> None:
    with sqlengine.connect(tmp_path) as db:
        db.execute("CREATE TABLE t (id INT PRIMARY KEY, a INT)")
        db.execute("INSERT INTO t SELECT i, i % 3 FROM generate_series(1, 1000) AS g(i)")
        db.execute("CREATE MATERIALIZED VIEW v AS SELECT a, count(*) AS n FROM t GROUP BY a")
        filled = read_rows(db, "v")
        db.execute("ALTER TABLE t RENAME a TO b")
        assert read_rows(db, "v") == filled
        db.execute("INSERT INTO t VALUES (1001, 0)")
        assert read_rows(db, "v") == filled + 1
    with sqlengine.connect(tmp_path) as db:
        assert read_rows(db, "v") == 0, "it went on from the checkpoint"
        assert sorted(db.execute("SELECT * FROM v").fetchall()) == [(0, 334), (1, 334), (2, 333)]
        db.execute("INSERT INTO t VALUES (1002, 0)")
        assert read_rows(db, "v") == 1
        db.execute("ALTER TABLE t RENAME b TO c")
        db.crash()
    with sqlengine.connect(tmp_path) as db:
        assert read_rows(db, "v") <= 1, "only the tick behind the checkpoint is run again"
        assert sorted(db.execute("SELECT a, n FROM v").fetchall()) == [(0, 335), (1, 334), (2, 333)]
        assert db.execute("EXPLAIN v").fetchall()[0] == ("Project a, $a0 AS n retracts",)


def test_a_stream_s_time_and_windows(tmp_path: Path) -> None:
    with sqlengine.connect(tmp_path) as db:
        db.execute("CREATE STREAM s (k TEXT, v INT, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '1 second')")
        db.execute(
            "CREATE MATERIALIZED VIEW w AS SELECT k, window_start, sum(v) AS v "
            "FROM TUMBLE(s, ts, INTERVAL '10 seconds') GROUP BY k, window_start EMIT ON WINDOW CLOSE"
        )
        db.execute("CREATE STREAM big AS SELECT k, v FROM s WHERE v > 1")
        db.execute("INSERT INTO s VALUES ('a', 1, '2024-01-01 00:00:01'), ('a', 2, '2024-01-01 00:00:02')")
        db.execute("ALTER STREAM s RENAME ts TO at")
        db.execute("ALTER STREAM s RENAME COLUMN v TO amount")
        db.execute("INSERT INTO s VALUES ('a', 4, '2024-01-01 00:00:03'), ('a', 8, '2024-01-01 00:00:30')")
        db.execute("INSERT INTO s VALUES ('a', 16, '2024-01-01 00:00:04')")  # late
        db.crash()
    with sqlengine.connect(tmp_path) as db:
        rows = db.execute("SELECT k, v FROM w").fetchall()
        assert rows == [("a", 7)]
        db.execute("INSERT INTO s VALUES ('a', 1, '2024-01-01 00:01:00')")
        assert sorted(db.execute("SELECT k, v FROM w").fetchall()) == [("a", 7), ("a", 8)]
        assert sorted(db.execute("SELECT k, v FROM big").fetchall()) == [("a", 2), ("a", 4), ("a", 8), ("a", 16)]
        shown = [db.execute(f"SHOW CREATE {kind}").fetchall()[0][1] for kind in ("MATERIALIZED VIEW w", "STREAM big")]
        assert "sum(amount) AS v FROM TUMBLE(s, at," in shown[0]
        assert "SELECT k, amount AS v FROM s WHERE amount > 1" in shown[1]


def test_sinks_go_on_under_the_names_they_had(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with sqlengine.connect(tmp_path / "db") as db:
        db.execute("CREATE STREAM s (id INT, a INT)")
        db.execute(f"CREATE SINK k FROM s WITH (connector = 'file', path = '{out}', format = 'json')")
        db.execute("INSERT INTO s VALUES (1, 2)")
        db.execute("ALTER STREAM s RENAME a TO b")
        db.execute("INSERT INTO s VALUES (2, 3)")
        assert "CREATE SINK k AS SELECT id, b AS a FROM" in db.execute("SHOW CREATE SINK k").fetchall()[0][1]
    with sqlengine.connect(tmp_path / "db") as db:
        db.execute("INSERT INTO s VALUES (3, 4)")
    lines = [line for file in sorted(out.rglob("*.json*")) for line in file.read_text().splitlines()]
    assert sorted(lines) == ['{"id":1,"a":2}', '{"id":2,"a":3}', '{"id":3,"a":4}']


def test_a_view_that_stands_still_is_waited_for() -> None:
    with sqlengine.connect() as db:
        db.execute("CREATE TABLE t (a INT)")
        db.execute("CREATE MATERIALIZED VIEW v AS SELECT sum(a) AS s FROM t")
        db.execute("PAUSE QUERY v")
        with pytest.raises(sqlengine.Error) as refused:
            db.execute("ALTER TABLE t RENAME a TO b")
        assert refused.value.sqlstate == "55006"
        db.execute("RESUME QUERY v")
        db.execute("ALTER TABLE t RENAME a TO b")
        db.execute("INSERT INTO t VALUES (4)")
        assert db.execute("SELECT s FROM v").fetchall() == [(4,)]


def test_replaced_and_widened_behind_a_rename(tmp_path: Path) -> None:
    with sqlengine.connect(tmp_path) as db:
        db.execute("CREATE TABLE t (id INT PRIMARY KEY, a INT)")
        db.execute("CREATE VIEW p AS SELECT * FROM t")
        db.execute("CREATE MATERIALIZED VIEW m AS SELECT a, count(*) AS n FROM p GROUP BY a")
        db.execute("CREATE MATERIALIZED VIEW n AS SELECT max(a) AS top FROM m")
        db.execute("INSERT INTO t VALUES (1, 5), (2, 6)")
        db.execute("ALTER TABLE t RENAME a TO b")
        db.execute("ALTER TABLE t ADD COLUMN a INT DEFAULT 70")
        assert columns(db, "p") == ["id", "a"]
        db.execute("CREATE OR REPLACE VIEW p AS SELECT id, a FROM t")  # the other column
        assert sorted(db.execute("SELECT * FROM m").fetchall()) == [(70, 2)]
        assert db.execute("SELECT * FROM n").fetchall() == [(70,)]
        db.execute("ALTER TABLE t RENAME a TO c")
        db.execute("CREATE OR REPLACE MATERIALIZED VIEW m AS SELECT b AS a, count(*) AS n FROM t GROUP BY b")
        db.execute("ALTER TABLE t DROP COLUMN c CASCADE")
    with sqlengine.connect(tmp_path) as db:
        assert sorted(db.execute("SELECT * FROM m").fetchall()) == [(5, 1), (6, 1)]
        assert db.execute("SELECT * FROM n").fetchall() == [(6,)]


def columns(db: Database, name: str) -> list[str]:
    return db.execute(f"SELECT * FROM {name} LIMIT 0").columns
