"""`system.state` shows what a checkpoint holds: its files are read here with pyarrow alone."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest

import sqlengine
from tests.access.sessions import refusal, session_of
from tests.api.test_checkpoints import DECLARE, Work


def stored(path: Path) -> dict[str, list[dict]]:
    """(state's name/section or table) -> rows by position, as the newest checkpoint has them."""
    folder = path / "snapshots" / "checkpoint"
    (newest,) = folder.iterdir()
    written = json.loads((newest / "manifest.json").read_text().split("\n", 1)[1])
    manifest, files = written["manifest"], {entry["table"]: entry["file"] for entry in written["files"]}
    found = {}
    for name, state in manifest["states"].items():
        for key, section in state["sections"].items():
            rows: dict[int, dict] = {}
            for part in section["parts"]:
                with pa.memory_map(str(newest / files[part["table"]])) as source:
                    table = pa.ipc.open_file(source).read_all()
                    first = part["first"]
                    at = table.column("$at").to_pylist() if first is None else range(first, first + table.num_rows)
                    rows.update(zip(at, table.drop_columns(["$at"][: first is None]).to_pylist(), strict=True))
            found[f"{name}/{key}"] = [rows[at] for at in range(section["size"])]
    return found


def test_it_is_what_a_checkpoint_holds(tmp_path: Path) -> None:
    with sqlengine.connect(tmp_path / "db", checkpoint_interval_ms=0) as db:
        db.execute(DECLARE)
        work = Work(db, 5)
        for _ in range(30):
            work.do()
        db.checkpoint()
        found, looked = stored(tmp_path / "db"), 0
        for query, name, operator, node, table in db.execute(
            'SELECT query_id, query, operator, node, "table" FROM system.state'
        ).fetchall():
            place = "store" if operator is None else operator
            key = f"query/{query}/{place}/{table}"
            if key in found:
                what = "contents" if operator is None else f"{node} {operator}"
                seen = db.execute(f"SELECT * FROM system.state('{name}', '{what}', '{table}')").to_arrow()
                assert seen.column("$at").to_pylist() == list(range(len(found[key])))
                rows = [{k: v for k, v in row.items() if k != "$at"} for row in seen.to_pylist()]
                assert rows == [{k: v for k, v in row.items() if k != "$at"} for row in found[key]]
                looked += 1
        assert looked > 12


def test_it_goes_with_the_ticks() -> None:
    with sqlengine.connect() as db:
        db.execute(
            "CREATE STREAM s (k BIGINT); CREATE MATERIALIZED VIEW v AS SELECT k, count(*) AS c FROM s GROUP BY k"
        )
        asked = "SELECT \"keys.k0\", \"keys.$weight\" FROM system.state('v', 'GroupAggregate', 'groups') ORDER BY 1"
        assert db.execute(asked).fetchall() == []
        for number in range(1, 4):
            db.execute("INSERT INTO s VALUES (1), (2)")
            assert db.execute(asked).fetchall() == [(1, number), (2, number)]
        rows = db.execute("SELECT node, rows, bytes > 0 FROM system.state('v') WHERE \"table\" = 'groups'").fetchall()
        assert rows == [("GroupAggregate", 2, True)]
        db.execute("CREATE VIEW w AS SELECT count(*) AS n FROM system.state('v', 'contents', 'rows')")
        assert db.execute("SELECT n FROM w").fetchall() >= [(2,)]


@pytest.mark.parametrize(
    ("asked", "sqlstate", "hint"),
    [
        ("system.state('twos')", "42704", '"two"'),
        ("system.state('v', 'GroupAgregate')", "42704", '"GroupAggregate"'),
        ("system.state('v', '99')", "42704", "operators: "),
        ("system.state('v', 'GroupAggregate', 'group')", "42704", '"groups"'),
        ("system.state('j', 'Join')", "42702", "left"),
        ("system.state('two', 'GroupAggregate')", "42702", "GroupAggregate "),
        ("system.state()", "22023", "system.state('view')"),
        ("system.state('v', upper('x'))", "22023", "system.state('view')"),
    ],
)
def test_names_that_are_not_there(asked: str, sqlstate: str, hint: str) -> None:
    with sqlengine.connect() as db:
        db.execute("""
            CREATE STREAM s (k BIGINT); CREATE TABLE t (k BIGINT PRIMARY KEY, x BIGINT);
            CREATE MATERIALIZED VIEW v AS SELECT k, count(*) AS c FROM s GROUP BY k;
            CREATE MATERIALIZED VIEW two AS
              SELECT c, count(*) AS n FROM (SELECT k, count(*) AS c FROM s GROUP BY k) AS g GROUP BY c;
            CREATE MATERIALIZED VIEW j AS SELECT a.x, b.k FROM t AS a JOIN t AS b ON a.x = b.x;
        """)
        with pytest.raises(sqlengine.Error) as caught:
            db.execute(f"SELECT * FROM {asked}")
        assert caught.value.sqlstate == sqlstate and hint in (caught.value.hint or "")
        with pytest.raises(sqlengine.Error) as caught:
            db.execute("CREATE MATERIALIZED VIEW m AS SELECT * FROM system.state('v')")
        assert caught.value.sqlstate == "42809"


def test_it_takes_the_rights_of_an_owner() -> None:
    with sqlengine.connect() as db:
        db.execute("""
            CREATE ROLE maker LOGIN; CREATE ROLE reader LOGIN; GRANT CREATE ON SCHEMA public TO maker; SET ROLE maker;
            CREATE STREAM s (k BIGINT); CREATE MATERIALIZED VIEW v AS SELECT k, count(*) AS c FROM s GROUP BY k;
            GRANT SELECT ON v TO reader; RESET ROLE
        """)
        maker, reader = session_of(db, "maker"), session_of(db, "reader")
        (query,) = db.execute("SELECT DISTINCT query_id FROM system.state").fetchall()
        follower = db.subscribe("SELECT k FROM s")
        other = next(q for q in db._instance.scheduler.queries if q != query[0])
        for name in ("v", query[0]):
            assert refusal(reader, f"SELECT * FROM system.state('{name}')") == "must be owner of materialized view v"
            assert refusal(maker, f"SELECT * FROM system.state('{name}', 'GroupAggregate', 'groups')") is None
        assert refusal(reader, f"SELECT * FROM system.state('{other}')") is not None
        assert refusal(reader, "CREATE VIEW mine AS SELECT * FROM system.state('v')") is not None
        follower.close()
