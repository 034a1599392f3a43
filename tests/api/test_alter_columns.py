"""Columns of tables and streams renamed, dropped, added again and given other types, through restarts and crashes:
random histories beside a model of plain Python values."""

from __future__ import annotations

import importlib
import os
import random
from pathlib import Path
from typing import Any

import pytest

import sqlengine
from sqlengine.api.database import Database

NAMES = ("a", "b", "c")
COMPACTED = "segment_bytes = 4096, cleanup_policy = 'compact', min_dirty_ratio = 0, delete_retention = '0 seconds'"
SEEDS = range(int(os.environ.get("ALTER_COLUMNS_SEEDS", "4")))
Row = dict[str, Any]


class Model:
    """Columns by name with their types, and rows by id."""

    def __init__(self) -> None:
        self.columns: dict[str, str] = {"a": "INT", "b": "TEXT"}
        self.rows: dict[int, Row] = {}

    def answer(self) -> list[tuple[Any, ...]]:
        return sorted(((i, *(row[name] for name in self.columns)) for i, row in self.rows.items()), key=repr)


class History:
    """What is done, to the database and to the model alike."""

    def __init__(self, db: Database, path: Path, seed: int, kind: str) -> None:
        self.db, self.path, self.kind = db, path, kind
        self.random = random.Random(seed)
        self.model = Model()
        self.serial = 0
        key = " PRIMARY KEY" if kind == "TABLE" and self.random.random() < 0.7 else ""
        self.run(f"CREATE {kind} t (id INT{key}, a INT, b TEXT)")
        if key:
            self.run(f"ALTER TOPIC t SET ({COMPACTED})")
        self.run("CREATE MATERIALIZED VIEW ids AS SELECT id, count(*) AS n FROM t GROUP BY id")

    def run(self, text: str) -> None:
        self.db.execute(text)

    def step(self) -> None:
        changes = [self.insert, self.insert, self.add, self.drop, self.rename, self.widen]
        changes += [self.restart, self.checkpoint, self.compact]
        if self.kind == "TABLE":
            changes += [self.update, self.delete, self.cast, self.compute]
        self.random.choice(changes)()

    def value(self, kind: str) -> Any:
        number = self.random.randrange(-50, 50)
        return None if number < -40 else f"v{number}" if kind == "TEXT" else number

    def insert(self) -> None:
        for _ in range(self.random.randrange(1, 4)):
            self.serial += 1
            row = {name: self.value(kind) for name, kind in self.model.columns.items()}
            names = ", ".join(["id", *row])
            self.db.execute(f"INSERT INTO t ({names}) VALUES (?{', ?' * len(row)})", [self.serial, *row.values()])
            self.model.rows[self.serial] = row

    def update(self) -> None:
        if self.model.rows and self.model.columns:
            at, name = self.random.choice(list(self.model.rows)), self.random.choice(list(self.model.columns))
            value = self.value(self.model.columns[name])
            self.db.execute(f"UPDATE t SET {name} = ? WHERE id = ?", [value, at])
            self.model.rows[at][name] = value

    def delete(self) -> None:
        if self.model.rows:
            at = self.random.choice(list(self.model.rows))
            self.run(f"DELETE FROM t WHERE id = {at}")
            del self.model.rows[at]

    def add(self) -> None:
        free = [name for name in NAMES if name not in self.model.columns]
        if free:
            name, kind = self.random.choice(free), self.random.choice(["INT", "TEXT", "BIGINT"])
            default = self.value(kind) if self.random.random() < 0.5 else None
            shown = "" if default is None else f" DEFAULT {default!r}"
            self.run(f"ALTER {self.kind} t ADD COLUMN {name} {kind}{shown}")
            self.model.columns[name] = kind
            for row in self.model.rows.values():
                row[name] = default
            if default is not None:
                self.run(f"ALTER {self.kind} t ALTER {name} DROP DEFAULT")

    def drop(self) -> None:
        if self.model.columns:
            name = self.random.choice(list(self.model.columns))
            self.run(f"ALTER {self.kind} t DROP COLUMN {name}")
            del self.model.columns[name]
            for row in self.model.rows.values():
                del row[name]

    def rename(self) -> None:
        free = [name for name in NAMES if name not in self.model.columns]
        if free and self.model.columns:
            old, new = self.random.choice(list(self.model.columns)), self.random.choice(free)
            self.run(f"ALTER {self.kind} t RENAME COLUMN {old} TO {new}")
            self.model.columns = {new if n == old else n: k for n, k in self.model.columns.items()}
            for at, row in self.model.rows.items():
                self.model.rows[at] = {new if n == old else n: v for n, v in row.items()}

    def widen(self) -> None:
        for name, kind in self.model.columns.items():
            if kind == "INT":
                self.run(f"ALTER {self.kind} t ALTER COLUMN {name} TYPE BIGINT")
                self.model.columns[name] = "BIGINT"
                return

    def cast(self) -> None:
        name = next((n for n, kind in self.model.columns.items() if kind != "TEXT"), None)
        if name is not None:
            self.run(f"ALTER TABLE t ALTER COLUMN {name} SET DATA TYPE TEXT")
            self.made(name, "TEXT", lambda row: None if row[name] is None else str(row[name]))

    def compute(self) -> None:
        texts = [n for n, kind in self.model.columns.items() if kind == "TEXT"]
        numbers = [n for n, kind in self.model.columns.items() if kind != "TEXT"]
        if texts and numbers:
            name, other = texts[0], numbers[0]
            self.run(f"ALTER TABLE t ALTER {name} TYPE INT USING length({name}) + coalesce({other}, 100)::INT")
            other_value = lambda row: 100 if row[other] is None else row[other]  # noqa: E731
            self.made(name, "INT", lambda row: None if row[name] is None else len(row[name]) + other_value(row))

    def made(self, name: str, kind: str, value: Any) -> None:
        self.model.columns[name] = kind
        for row in self.model.rows.values():
            row[name] = value(row)

    def restart(self) -> None:
        if self.random.random() < 0.5:
            self.db.crash()
        else:
            self.db.close()
        self.db = sqlengine.connect(self.path)

    def compact(self) -> None:
        self.db._instance.storage.compact()

    def checkpoint(self) -> None:
        self.run("CHECKPOINT")

    def check(self) -> None:
        assert sorted(self.db.execute("SELECT * FROM t").fetchall(), key=repr) == self.model.answer()
        assert self.db.execute("SELECT count(*), sum(n) FROM ids").fetchone() == (
            len(self.model.rows),
            len(self.model.rows) or None,
        )
        described = self.db.execute("DESCRIBE t").fetchall()
        assert [row[0] for row in described] == ["id", *self.model.columns]


@pytest.mark.sampled(4)
@pytest.mark.slow
@pytest.mark.parametrize("kind", ["TABLE", "STREAM"])
@pytest.mark.parametrize("seed", SEEDS)
def test_random_histories(tmp_path: Path, kind: str, seed: int) -> None:
    history = History(sqlengine.connect(tmp_path / "db"), tmp_path / "db", seed, kind)
    try:
        for _ in range(40):
            history.step()
            history.check()
        history.restart()
        history.check()
    finally:
        history.db.close()


def test_rows_of_a_transaction_that_is_open_meanwhile() -> None:
    with sqlengine.connect() as db:
        db.execute("CREATE TABLE t (id INT PRIMARY KEY, a INT, b TEXT)")
        db.execute("CREATE STREAM s (a INT, b TEXT)")
        other = db.session()
        other.execute("BEGIN")
        other.execute("INSERT INTO t VALUES (1, 5, 'x')")
        other.execute("INSERT INTO s VALUES (5, 'x')")
        for kind, name in (("TABLE", "t"), ("STREAM", "s")):
            db.execute(f"ALTER {kind} {name} RENAME a TO n")
            db.execute(f"ALTER {kind} {name} ALTER n TYPE BIGINT")
            db.execute(f"ALTER {kind} {name} DROP COLUMN b")
        assert other.execute("SELECT * FROM t").fetchall() == [(1, 5)]
        other.execute("COMMIT")
        assert db.execute("SELECT * FROM t").fetchall() == [(1, 5)]
        assert db.execute("SELECT * FROM s").fetchall() == [(5,)]


@pytest.mark.parametrize(
    "change, sqlstate",
    [
        ("ALTER TABLE t ALTER a SET NOT NULL", "23502"),
        ("ALTER TABLE t ADD CHECK (b <> 'x')", "23514"),
        ("ALTER TABLE t ALTER b TYPE INT USING b::INT", "22P02"),
    ],
)
def test_a_transaction_does_not_commit_what_a_change_forbids(change: str, sqlstate: str) -> None:
    with sqlengine.connect() as db:
        db.execute("CREATE TABLE t (id INT PRIMARY KEY, a INT, b TEXT)")
        other = db.session()
        other.execute("BEGIN")
        other.execute("INSERT INTO t VALUES (1, NULL, 'x')")
        db.execute(change)
        with pytest.raises(sqlengine.Error) as caught:
            other.execute("COMMIT")
        assert caught.value.sqlstate == sqlstate
        assert db.execute("SELECT * FROM t").fetchall() == []


def test_a_query_that_runs_keeps_its_columns() -> None:
    with sqlengine.connect() as db:
        db.execute("CREATE TABLE t (id INT PRIMARY KEY, a INT, b TEXT)")
        follower = db.subscribe("SELECT id, a FROM t")
        for change in ("RENAME a TO c", "DROP COLUMN a", "ALTER a TYPE TEXT"):
            with pytest.raises(sqlengine.Error) as caught:
                db.execute(f"ALTER TABLE t {change}")
            assert caught.value.sqlstate == "55006"
        db.execute("ALTER TABLE t DROP COLUMN b")
        db.execute("INSERT INTO t VALUES (1, 2)")
        follower.close()
        db.execute("ALTER TABLE t DROP COLUMN a")
        assert db.execute("SELECT * FROM t").fetchall() == [(1,)]


def test_statistics_of_an_older_column_leave_out_no_rows(tmp_path: Path) -> None:
    with sqlengine.connect(tmp_path) as db:
        db.execute("CREATE STREAM s (id INT, a INT)")
        db.execute("INSERT INTO s SELECT i, i FROM generate_series(1, 20000) AS g(i)")
        db.execute("ALTER STREAM s ALTER a TYPE BIGINT")
        db.execute("INSERT INTO s SELECT i, i FROM generate_series(20001, 40000) AS g(i)")
        db.execute("ALTER STREAM s RENAME id TO b")
        db.execute("ALTER STREAM s RENAME a TO id")
        db.execute("CREATE MATERIALIZED VIEW v AS SELECT count(*) AS n FROM s WHERE id > 15000 AND b <= 35000")
        assert db.execute("SELECT * FROM v").fetchall() == [(20000,)]
        db.execute("CREATE MATERIALIZED VIEW w AS SELECT count(*) AS n FROM s WHERE id BETWEEN 5 AND 8")
        assert db.execute("SELECT * FROM w").fetchall() == [(4,)]


def test_privileges_go_with_the_column() -> None:
    with sqlengine.connect() as db:
        db.execute("CREATE TABLE t (id INT PRIMARY KEY, a INT, b TEXT)")
        db.execute("CREATE ROLE reader")
        db.execute("GRANT SELECT (id, a) ON t TO reader")
        db.execute("ALTER TABLE t RENAME a TO amount")
        db.execute("ALTER TABLE t DROP COLUMN b")
        db.execute("ALTER TABLE t ADD COLUMN a INT DEFAULT 9")
        db.execute("SET ROLE reader")
        assert db.execute("SELECT id, amount FROM t").fetchall() == []
        with pytest.raises(sqlengine.Error) as caught:
            db.execute("SELECT a FROM t")
        assert caught.value.sqlstate == "42501"


def test_the_past_is_read_under_the_columns_of_now(tmp_path: Path) -> None:
    clock = sqlengine.VirtualClock(1_700_000_000_000_000)
    with sqlengine.connect(tmp_path, clock=clock) as db:
        db.execute("CREATE TABLE t (id INT PRIMARY KEY, a TEXT, at TIMESTAMP, WATERMARK FOR at AS at)")
        db.execute("INSERT INTO t VALUES (1, '1', TIMESTAMP '2024-01-01'), (2, 'none', TIMESTAMP '2024-01-01')")
        db.execute("UPDATE t SET a = '2', at = TIMESTAMP '2024-01-02' WHERE id = 2")
        db.execute("ALTER TABLE t ALTER a TYPE INT USING a::INT")
        db.execute("ALTER TABLE t RENAME a TO n")
        db.execute("UPDATE t SET n = 3, at = TIMESTAMP '2024-01-03' WHERE id = 2")
        assert sorted(db.execute("SELECT id, n FROM t").fetchall()) == [(1, 1), (2, 3)]
        db.execute("CREATE MATERIALIZED VIEW v AS SELECT id, sum(n) AS n FROM t GROUP BY id")
        assert sorted(db.execute("SELECT * FROM v").fetchall()) == [(1, 1), (2, 3)]
        db.crash()
    with sqlengine.connect(tmp_path, clock=clock) as db:
        assert sorted(db.execute("SELECT * FROM v").fetchall()) == [(1, 1), (2, 3)]


@pytest.mark.parametrize("kind", ["TABLE", "STREAM"])
def test_a_crash_between_the_catalog_and_the_topic(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    db = sqlengine.connect(tmp_path)
    db.execute(f"CREATE {kind} t (id INT, a INT, b TEXT)")
    db.execute("INSERT INTO t VALUES (1, 2, 'x')")
    monkeypatch.setattr("sqlengine.statements.alter_column.evolve", killed)
    with pytest.raises(KeyboardInterrupt):
        db.execute(f"ALTER {kind} t DROP COLUMN b")
    db.crash()
    with sqlengine.connect(tmp_path) as again:
        again.execute("INSERT INTO t VALUES (3, 4)")
        assert sorted(again.execute("SELECT * FROM t").fetchall()) == [(1, 2), (3, 4)]


def test_a_crash_before_a_stream_has_its_new_column(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    db = sqlengine.connect(tmp_path)
    db.execute("CREATE STREAM s (a INT); INSERT INTO s VALUES (1)")
    monkeypatch.setattr(importlib.import_module("sqlengine.statements.alter_table"), "evolve", killed)
    with pytest.raises(KeyboardInterrupt):
        db.execute("ALTER STREAM s ADD COLUMN b TEXT DEFAULT 'old'")
    db.crash()
    with sqlengine.connect(tmp_path) as again:
        again.execute("INSERT INTO s VALUES (2, 'new')")
        assert sorted(again.execute("SELECT * FROM s").fetchall()) == [(1, "old"), (2, "new")]


def test_columns_of_streams_that_cannot_be_added(tmp_path: Path) -> None:
    refused = {
        "ALTER STREAM s ADD b TEXT CHECK (b <> '')": "0A000",
        "ALTER STREAM s ADD b TEXT UNIQUE": "0A000",
        "ALTER STREAM s ADD b BIGINT GENERATED ALWAYS AS IDENTITY": "0A000",
        "ALTER STREAM s ADD b TEXT NOT NULL": "23502",
        "ALTER STREAM s ADD b TEXT DEFAULT 1 / 0": "22012",
        "ALTER STREAM s ADD b nothing": "42704",
        "ALTER STREAM s ADD a TEXT": "42701",
        "ALTER STREAM all_of_it ADD b TEXT": "2BP01",
        "ALTER STREAM copied ADD b TEXT": "0A000",
        "ALTER STREAM generated ADD b TEXT": "0A000",
        "ALTER STREAM comma ADD b TEXT": "0A000",
        "ALTER STREAM shared ADD b TEXT": "0A000",
        "ALTER STREAM ids ADD b TEXT": "42809",
        "ALTER STREAM json ADD b TEXT NOT NULL DEFAULT ''": "23502",
    }
    with sqlengine.connect() as db:
        for name in ("s", "all_of_it", "kept"):
            db.execute(f"CREATE STREAM {name} (a INT); INSERT INTO {name} VALUES (1)")
        db.execute("CREATE MATERIALIZED VIEW ids AS SELECT a FROM s; CREATE MATERIALIZED VIEW w AS TABLE all_of_it")
        db.execute("CREATE STREAM copied AS SELECT a FROM s")
        db.execute("CREATE STREAM generated (a INT) WITH (connector = 'datagen', number_of_rows = 1)")
        db.execute("CREATE STREAM comma (a INT) WITH (topic = 'comma', format = 'csv')")
        db.execute("CREATE STREAM shared (a INT) WITH (topic = 'kept')")
        db.execute("CREATE STREAM json (a INT) WITH (topic = 'json', format = 'json'); INSERT INTO json VALUES (1)")
        for statement, sqlstate in refused.items():
            with pytest.raises(sqlengine.Error) as told:
                db.execute(statement)
            assert told.value.sqlstate == sqlstate, statement
            assert db.execute("SELECT * FROM s").fetchall() == [(1,)]


def test_a_field_that_json_records_have_already_becomes_a_column() -> None:
    with sqlengine.connect() as db:
        db.execute("CREATE STREAM wide (a INT, b TEXT) WITH (topic = 'records', format = 'json')")
        db.execute("CREATE STREAM narrow (a INT) WITH (topic = 'records', format = 'json')")
        db.execute("INSERT INTO wide VALUES (1, 'there before')")
        db.execute("CREATE MATERIALIZED VIEW n AS SELECT count(*) AS n FROM narrow")
        db.execute("ALTER STREAM narrow ADD b TEXT DEFAULT 'none given'")
        db.execute("INSERT INTO narrow (a) VALUES (2)")
        assert db.execute("SELECT * FROM narrow ORDER BY a").fetchall() == [(1, "there before"), (2, "none given")]
        assert db.execute("SELECT n FROM n").fetchall() == [(2,)]


STARS = {
    "plain": ("SELECT * FROM s WHERE a > 0", "SELECT a, b, ts FROM s WHERE a > 0"),
    "qualified": (
        "SELECT t.*, x.* FROM s AS x JOIN t ON x.a = t.id",
        "SELECT t.*, x.a, x.b, x.ts FROM s AS x JOIN t ON x.a = t.id",
    ),
    "joined": ("SELECT * FROM s JOIN t ON a = id", "SELECT * EXCEPT (more) FROM s JOIN t ON a = id"),
    "without": ("SELECT * EXCEPT (b) FROM s", "SELECT a, ts FROM s"),
    "deeper": (
        "WITH c AS (SELECT * FROM s) SELECT *, 2 * a AS two FROM c UNION ALL SELECT *, 3 * a FROM s",
        "WITH c AS (SELECT * FROM s) SELECT a, b, ts, 2 * a AS two FROM c UNION ALL SELECT a, b, ts, 3 * a FROM s",
    ),
    "windows": (
        "SELECT * FROM TUMBLE(s, ts, INTERVAL '1 minute')",
        "SELECT * EXCEPT (more) FROM TUMBLE(s, ts, INTERVAL '1 minute')",
    ),
    "counted": ("SELECT count(*) AS n FROM (SELECT * FROM s) AS q", "SELECT count(*) AS n FROM (SELECT * FROM s) AS q"),
}


def _views(db: Database) -> dict[str, list[tuple[Any, ...]]]:
    return {name: sorted(db.execute(f"SELECT * FROM {name}").fetchall()) for name in (*STARS, "over", "stacked")}


@pytest.mark.parametrize("kind", ["STREAM", "TABLE"])
def test_views_that_select_every_column_keep_those_they_have(tmp_path: Path, kind: str) -> None:
    with sqlengine.connect(tmp_path / "db") as db:
        db.execute(f"CREATE {kind} s (a INT, b TEXT, ts TIMESTAMP, WATERMARK FOR ts AS ts)")
        db.execute("CREATE TABLE t (id INT PRIMARY KEY, c INT); INSERT INTO t VALUES (1, 10), (2, 20)")
        for name, (query, _) in STARS.items():
            db.execute(f"CREATE MATERIALIZED VIEW {name} AS {query}")
        db.execute("CREATE VIEW behind AS SELECT * FROM s; CREATE MATERIALIZED VIEW over AS SELECT * FROM behind")
        db.execute("CREATE MATERIALIZED VIEW stacked AS SELECT * FROM plain")
        if kind == "STREAM":
            folder = tmp_path / "files"
            db.execute(f"CREATE SINK f AS SELECT * FROM s WITH (connector = 'file', path = '{folder}')")
        db.execute("INSERT INTO s VALUES (1, 'one', '2024-01-01 00:00:01')")
        before = _views(db)
        db.execute(f"ALTER {kind} s ADD COLUMN more INT DEFAULT 7")
        assert _views(db) == before
        for name, (_, spelt) in STARS.items():
            ((_, text),) = db.execute(f"SHOW CREATE MATERIALIZED VIEW {name}").fetchall()
            assert text == f"CREATE MATERIALIZED VIEW {name} AS {spelt};"
        db.execute("INSERT INTO s VALUES (2, 'two', '2024-01-01 00:00:02', 8)")
        after = _views(db)
        assert [len(row) for row in after["plain"]] == [3, 3] and len(after["deeper"]) == 4
    with sqlengine.connect(tmp_path / "db") as db:
        assert _views(db) == after
        # what is read again from the topics would be counted
        assert db.execute("SELECT DISTINCT rows_in FROM system.queries").fetchall() == [(0,)]
        db.execute(f"ALTER {kind} s DROP COLUMN more; INSERT INTO s VALUES (3, 'three', '2024-01-01 00:00:03')")
        assert [row[0] for row in _views(db)["plain"]] == [1, 2, 3]


def test_what_cannot_keep_its_columns_refuses_another() -> None:
    with sqlengine.connect() as db:
        db.execute("CREATE STREAM s (a INT, b TEXT)")
        recomputed = "SELECT count(*) AS n FROM (SELECT DISTINCT * FROM s LIMIT 10 PERCENT) AS q"
        for query in ("TABLE s", "SELECT a, s FROM s", "SELECT x.a FROM s AS x NATURAL JOIN s AS y", recomputed):
            db.execute(f"CREATE MATERIALIZED VIEW v AS {query}")
            with pytest.raises(sqlengine.Error) as told:
                db.execute("ALTER STREAM s ADD COLUMN more INT")
            assert told.value.sqlstate == "2BP01" and '"v"' in str(told.value), query
            db.execute("DROP MATERIALIZED VIEW v")
        db.execute("ALTER STREAM s ADD COLUMN more INT")
