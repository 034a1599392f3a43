"""Statements: text in, frozen data out."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from sqlengine import sql
from sqlengine.sql import ast


def one(text: str) -> Any:
    return sql.parse_one(text)


def test_topic() -> None:
    made = one(
        "create topic IF NOT EXISTS a.\"B\" with (partitions = 4, 'Quoted.Key' = 'x', a.b.c = -5, r = "
        "INTERVAL '7 days')"
    )
    assert made.name == ("a", "B")
    assert made.if_not_exists
    assert made.options == (("partitions", "4"), ("quoted.key", "x"), ("a.b.c", "-5"), ("r", "7 days"))
    assert one("ALTER TOPIC t ADD PARTITIONS 4").add_partitions == 4
    assert one("ALTER TABLE t ADD partitions INT").column.name == "partitions"
    assert one("ALTER TABLE t ADD replica TEXT").column.name == "replica"
    added = one("ALTER TOPIC t ADD REPLICA 'd'")
    assert (added.action, added.directories, added.positions) == ("add", ("d",), (26,))
    assert one("ALTER TOPIC t DROP REPLICA 'd'").action == "drop"
    assert one("ALTER TOPIC t SET (retention = '1 day')").options == (("retention", "1 day"),)
    assert one("TRUNCATE TOPIC t") == ast.Truncate(text="TRUNCATE TOPIC t", kind="topic", name=("t",))


def test_stream_columns() -> None:
    text = """CREATE STREAM s (
        id BIGINT, "Price" DOUBLE PRECISION, ts TIMESTAMP(3) WITH TIME ZONE, r ROW<a INT, b ROW<c TEXT>>[],
        total AS price * (1 + 2), doubled BIGINT GENERATED ALWAYS AS (id * 2) STORED,
        offset BIGINT METADATA, p INT METADATA FROM 'partition', key TEXT NOT NULL, n NUMERIC(10,2) DEFAULT f(1, 2),
        WATERMARK FOR ts AS ts - INTERVAL '5 seconds'
    ) WITH (topic = 't')"""
    made = one(text)
    columns = {column.name: column for column in made.columns}
    assert [column.type_name for column in made.columns][:4] == [
        "BIGINT",
        "DOUBLE PRECISION",
        "TIMESTAMP(3) WITH TIME ZONE",
        "ROW<a INT, b ROW<c TEXT>>[]",
    ]
    assert columns["total"].expr_text == "price * (1 + 2)"
    assert columns["doubled"].expr == ast.Binary("*", ast.Column(("id",)), ast.Literal(2, "integer"))
    assert columns["offset"].metadata == "offset"
    assert columns["p"].metadata == "partition"
    assert columns["key"].not_null
    assert columns["n"].default_text == "f(1, 2)"
    assert text[columns["Price"].position :].startswith('"Price"')
    assert made.watermark.column == "ts"
    assert made.watermark.expr == ast.Binary("-", ast.Column(("ts",)), ast.Interval(0, 0, 5_000_000))
    position = made.watermark.expr.left.position
    assert text[position : position + 4] == "ts -"


def test_other_dialects_spellings() -> None:
    source = one(
        "CREATE SOURCE s (a INT) WITH (connector = 'nexmark', nexmark.table.type = 'Bid') FORMAT UPSERT ENCODE JSON"
    )
    assert source.options[2:] == (("format", "json"), ("envelope", "upsert"))
    flink = one("CREATE TABLE p (a INT, b STRING, PRIMARY KEY (a) NOT ENFORCED) WITH ('connector' = 'blackhole')")
    assert flink.primary_key == ("a",)
    assert flink.options == (("connector", "blackhole"),)
    rising = one("CREATE TABLE t (a INT) APPEND ONLY WITH (ttl = '1 day')")
    assert rising.append_only
    ksql = one(
        "CREATE TABLE c WITH (KAFKA_TOPIC = 'c') AS SELECT k, WINDOWSTART AS w, COUNT(*) AS n FROM s "
        "WINDOW TUMBLING (SIZE 1 MINUTE, RETENTION 1 HOUR, GRACE PERIOD 5 SECONDS) GROUP BY k EMIT FINAL"
    )
    assert isinstance(ksql, ast.CreateView)
    assert ksql.materialized
    assert ksql.emit == ast.Emit("final", None, 5_000_000)
    assert not one("CREATE TEMPORARY VIEW v AS SELECT 1").materialized
    assert isinstance(one("FLUSH"), ast.Wait)


@pytest.mark.parametrize(
    ("clause", "emit"),
    [
        ("EMIT CHANGES", ast.Emit("changes")),
        ("EMIT ON WINDOW CLOSE", ast.Emit("final")),
        ("EMIT FINAL ALLOWED LATENESS INTERVAL '1' MINUTE", ast.Emit("final", None, 60_000_000)),
        ("EMIT EVERY INTERVAL '1 second'", ast.Emit("every", 1_000_000)),
        ("EMIT ON WINDOW CLOSE AND TIMEOUT INTERVAL '30 seconds'", ast.Emit("final", None, None, 30_000_000)),
        ("EMIT CHANGES TIMEOUT INTERVAL 30 SECONDS", ast.Emit("changes", None, None, 30_000_000)),
    ],
)
def test_emit(clause: str, emit: ast.Emit) -> None:
    made = one(f"CREATE MATERIALIZED VIEW v AS SELECT a, emit FROM t WHERE emit = 1 {clause}")
    assert made.emit == emit
    assert made.query.text == "SELECT a, emit FROM t WHERE emit = 1"
    assert one(f"SELECT 1 {clause}").emit == emit


def test_sinks() -> None:
    made = one("CREATE SINK k AS SELECT a FROM t EMIT CHANGES WITH (connector = 'print')")
    assert made.query.text == "SELECT a FROM t"
    assert made.options == (("connector", "print"),)
    assert one("CREATE SINK k FROM mv WITH (connector = 'file')").from_name == ("mv",)


def test_data_statements() -> None:
    made = one(
        "INSERT INTO t (a, b) VALUES (1, 2) ON CONFLICT (a) DO UPDATE SET b = EXCLUDED.b + 1 RETURNING *, a + 1 AS x"
    )
    assert made.query.text == "VALUES (1, 2)"
    assert (made.conflict, made.conflict_columns, made.conflict_set) == (
        "update",
        ("a",),
        (("b", "EXCLUDED.b + 1"),),
    )
    assert made.returning == ("*", "a + 1 AS x")
    assert one("INSERT INTO t (SELECT 1)").columns == ()
    made = one("UPDATE t x SET a = b IS DISTINCT FROM 2, c = (SELECT 1, 2) FROM u, v WHERE t.x = u.x RETURNING a")
    assert made.assignments == (("a", "b IS DISTINCT FROM 2"), ("c", "(SELECT 1, 2)"))
    assert (made.from_text, made.where, made.alias, made.returning) == ("u, v", "t.x = u.x", "x", ("a",))
    assert one("DELETE FROM t USING u WHERE a = 1").using_text == "u"
    assert one("COPY t (a) FROM STDIN WITH (FORMAT json)").options == (("format", "json"),)
    assert one("COPY (SELECT 1) TO 'x.csv' (FORMAT csv, HEADER)").options == (
        ("format", "csv"),
        ("header", "true"),
    )
    assert one("COPY t (a, b) TO STDOUT").statement.query.text == 'SELECT "a", "b" FROM "t"'


def test_inside() -> None:
    assert one("EXPLAIN ANALYZE (stage logical, format json) SELECT 1").options == (
        ("logical", "true"),
        ("format", "json"),
    )
    inner = one("EXPLAIN CREATE MATERIALIZED VIEW v AS SELECT 1").statement
    assert (inner.name, inner.position, inner.query.position) == (("v",), 8, 38)
    assert one("EXPLAIN mv").target == ("mv",)
    assert isinstance(one("EXPLAIN (SELECT 1)").statement, ast.SelectStatement)
    assert one("SHOW ERRORS FOR a.b").target == ("a", "b")
    assert one("SHOW MATERIALIZED VIEWS LIKE 'a%'").what == "materialized views"
    assert one("SHOW CREATE VIEW v").what == "create"
    assert (one("SET TIME ZONE 'UTC'").name, one("SET dialect TO hive").value) == ("timezone", "hive")
    assert one("SET x = DEFAULT").value is None
    assert one("RESET ALL").name is None
    assert [one(text).action for text in ("BEGIN", "START TRANSACTION", "END", "ABORT")] == [
        "begin",
        "begin",
        "commit",
        "rollback",
    ]
    assert one("PRINT 't' FROM BEGINNING LIMIT 3").limit == 3
    assert one("SUBSCRIBE TO mv WITH (snapshot = true) AS OF TICK 7").as_of == "7"
    assert one("SELECT * FROM t WHERE a > 2 AS OF TICK 4").as_of == "4"
    assert one("COPY (SELECT a AS of FROM t AS OF TICK ?) TO 'x'").statement.as_of == "?"
    assert one("DECLARE c SUBSCRIPTION CURSOR FOR f SINCE TICK 7").since == "7"
    assert [one(f"FETCH {n} FROM c").rows for n in ("NEXT", "3", "FORWARD 3", "ALL")] == [1, 3, 3, None]
    assert one("SUBSCRIBE (SELECT 1)").query.text == "(SELECT 1)"
    assert one("ASSERT ROWS (SELECT 1) = (VALUES (1))").right.text == "(VALUES (1))"
    assert one("PAUSE QUERY 'q1'").query_id == "q1"
    assert len(sql.parse("DROP TABLE IF EXISTS a, b CASCADE")) == 2


@pytest.mark.parametrize(
    ("text", "feature"),
    [
        ("CREATE POLICY p ON t", "CREATE POLICY"),
        ("ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES u (b)", "FOREIGN KEY"),
    ],
)
def test_known_but_not_there(text: str, feature: str) -> None:
    assert one(text).feature == feature


def test_positions_in_a_script() -> None:
    script = "SELECT 1;\n  CREATE VIEW v AS SELECT x FROM t;"
    first, second = sql.parse(script)
    assert script[second.position :].startswith("CREATE VIEW")
    assert second.text[second.query.position :] == "SELECT x FROM t"
    assert first.text == "SELECT 1"
    lowered = sql.lower(second.query)
    assert second.text[lowered.items[0].expr.position] == "x"
    assert second.text[lowered.from_.position] == "t"


def test_nothing_heavy_is_imported_early() -> None:
    """A plain SELECT needs no lark; importing the package needs neither parser."""
    code = (
        "import sys, sqlengine.sql.ast, sqlengine.sql\n"
        "assert not {'lark', 'sqlglot', 'duckdb'} & set(sys.modules)\n"
        "sqlengine.sql.parse('SELECT 1')\n"
        "assert 'lark' not in sys.modules and 'duckdb' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
