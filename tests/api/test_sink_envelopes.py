"""CREATE SINK ... envelope: what a reader of the files makes of the changes is what the view has, whatever happened."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
import pytest

import sqlengine
from sqlengine import Database, errors

VIEW = "CREATE MATERIALIZED VIEW m AS SELECT v, count(*) AS n, sum(k) AS s FROM t GROUP BY v"


def sink(name: str, folder: Path, envelope: str, source: str = "m", how: str = "ndjson") -> str:
    where = f"connector = 'file', path = '{folder}', format = '{how}', roll_interval = '0', envelope = '{envelope}'"
    return f"CREATE SINK {name} FROM {source} WITH ({where})"


def change(db: Database, dice: random.Random, steps: int) -> None:
    for _ in range(steps):
        key, value = dice.randrange(8), dice.choice("abc")
        if dice.random() < 0.3:
            db.execute(f"DELETE FROM t WHERE k = {key}")
        else:
            db.execute(f"INSERT INTO t VALUES ({key}, '{value}') ON CONFLICT (k) DO UPDATE SET v = excluded.v")
        db.execute("SELECT count(*) FROM m")


def lines(folder: Path) -> list[dict[str, Any]]:
    parts = sorted(folder.glob("part-*"), key=lambda p: int(p.name.split("-")[1]))
    return [json.loads(line) for part in parts for line in part.read_text().splitlines()]


def by_debezium(events: list[dict[str, Any]]) -> Counter[str]:
    """What is there after all events."""
    rows: Counter[str] = Counter()
    for event in events:
        assert (event["before"] is None) != (event["after"] is None) and event["ts_ms"] > 0
        assert event["op"] == ("c" if event["before"] is None else "d")
        taken, brought = json.dumps(event["before"]), json.dumps(event["after"])
        rows[brought if event["op"] == "c" else taken] += 1 if event["op"] == "c" else -1
        assert all(count >= 0 for count in rows.values())
    return +rows


def by_key(events: list[dict[str, Any]]) -> Counter[str]:
    rows: dict[str, str] = {}
    for event in events:
        op = event.pop("op")
        if op == "delete":
            del rows[event["v"]]
        else:
            assert op == "upsert"
            rows[event["v"]] = json.dumps(event)
    return Counter(rows.values())


@pytest.mark.parametrize("seed", range(3))
def test_who_replays_the_files_has_the_view(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    told, kept = tmp_path / "told", tmp_path / "kept"
    with sqlengine.connect(tmp_path / "db") as db:
        db.execute("CREATE TABLE t (k INT PRIMARY KEY, v TEXT)")
        db.execute(VIEW)
        change(db, dice, 5)
        db.execute(sink("k1", told, "debezium"))
        db.execute(sink("k2", kept, "upsert"))
        change(db, dice, 10)
    with sqlengine.connect(tmp_path / "db") as db:
        change(db, dice, 10)
        there = db.execute("SELECT v, n, s FROM m").fetchall()
    expected = Counter(json.dumps({"v": v, "n": n, "s": s}) for v, n, s in there)
    assert by_debezium(lines(told)) == expected
    assert by_key(lines(kept)) == expected


def test_in_columns(tmp_path: Path) -> None:
    """Parquet has the rows as structs; partitions and odd names as of any sink."""
    with sqlengine.connect() as db:
        db.execute('CREATE TABLE t (k INT PRIMARY KEY, v TEXT, "it\'s" DATE)')
        db.execute("INSERT INTO t VALUES (1, 'a', '2024-02-29'), (2, NULL, NULL)")
        db.execute(sink("k1", tmp_path / "a", "debezium", "t", "parquet"))
        rest = "format = 'parquet', roll_interval = '0', partition_by = 'op') FORMAT UPSERT ENCODE PARQUET"
        db.execute(f"CREATE SINK k2 FROM t WITH (connector = 'file', path = '{tmp_path / 'b'}', {rest}")
        db.execute("DELETE FROM t WHERE k = 2")
        db.execute("WAIT")
    found = duckdb.sql(f"SELECT op, after.k, before.k, after.\"it's\" FROM '{tmp_path}/a/*.parquet' ORDER BY ALL")
    assert [(op, new, old, str(day)) for op, new, old, day in found.fetchall()] == [
        ("c", 1, None, "2024-02-29"),
        ("c", 2, None, "None"),
        ("d", None, 2, "None"),
    ]
    text = f"SELECT op, k FROM read_parquet('{tmp_path}/b/**/*.parquet', hive_partitioning = true) ORDER BY ALL"
    assert duckdb.sql(text).fetchall() == [("delete", 2), ("upsert", 1), ("upsert", 2)]


def test_append_is_what_it_was(tmp_path: Path) -> None:
    with sqlengine.connect() as db:
        db.execute("CREATE STREAM s (k INT)")
        db.execute("INSERT INTO s VALUES (1)")
        db.execute(sink("k1", tmp_path, "APPEND", "s"))
    assert lines(tmp_path) == [{"k": 1}]


@pytest.mark.parametrize(
    ("text", "sqlstate", "message"),
    [
        (sink("k", Path("x"), "debesium"), "22023", 'invalid value for option "envelope": "debesium"'),
        (sink("k", Path("x"), "append"), "42P17", "never takes a row back"),
        (sink("k", Path("x"), "upsert", "keyless"), "42P17", "needs a query with a key"),
        (sink("k", Path("x"), "upsert", "clash"), "42701", 'column "op" clashes'),
    ],
)
def test_refused(text: str, sqlstate: str, message: str) -> None:
    with sqlengine.connect() as db:
        db.execute("CREATE TABLE t (k INT PRIMARY KEY, v TEXT)")
        db.execute(VIEW)
        db.execute("CREATE VIEW keyless AS SELECT v FROM t")
        db.execute("CREATE VIEW clash AS SELECT k, v AS op FROM t")
        with pytest.raises(errors.Error) as caught:
            db.execute(text)
    assert caught.value.sqlstate == sqlstate and message in str(caught.value)
