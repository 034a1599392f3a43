"""SELECT of an object's columns answers what the executor would, types included, and is what it takes for one."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pyarrow as pa
import pytest

import sqlengine

TYPES = (
    "id BIGINT PRIMARY KEY, a SMALLINT, b INT, c REAL, d DOUBLE PRECISION, e NUMERIC(20, 4), f BOOLEAN, g TEXT,"
    " h BYTEA, i DATE, j TIME, k TIMESTAMP, l TIMESTAMPTZ, m INTERVAL, n UUID, o JSON, p INT[],"
    " q STRUCT(x INT, y TEXT), r MAP(TEXT, INT)"
)
ROW = (
    "{0}, 1, 2, 1.5, 2.5, 3.25, true, 'text', '\\x01'::bytea, DATE '2024-02-29', TIME '12:00',"
    " TIMESTAMP '2024-02-29 12:00', TIMESTAMPTZ '2024-02-29 12:00+00', INTERVAL '1 day',"
    " '00000000-0000-0000-0000-000000000001'::uuid, '{{\"a\": 1}}',"
    " ARRAY[1, 2], {{'x': 1, 'y': 'z'}}, MAP {{'k': 1}}"
)


@pytest.fixture
def db() -> Iterator[sqlengine.Database]:
    with sqlengine.connect() as made:
        made.execute(f"CREATE TABLE t ({TYPES})")
        for number in range(3):
            made.execute(f"INSERT INTO t VALUES ({ROW.format(number)})")
        made.execute("INSERT INTO t (id) VALUES (9)")
        made.execute("DELETE FROM t WHERE id = 1")
        made.execute("CREATE MATERIALIZED VIEW counted AS SELECT g, count(*) AS n FROM t GROUP BY g")
        made.execute("CREATE VIEW shown AS SELECT id, g FROM t WHERE id > 0")
        made.execute(
            "CREATE STREAM s (a INT, b TEXT); INSERT INTO s VALUES (1, 'x'), (2, NULL); INSERT INTO s VALUES (3, 'z')"
        )
        made.execute('CREATE SCHEMA other; CREATE TABLE other.t ("A b" INT); INSERT INTO other.t VALUES (1)')
        yield made


@pytest.fixture
def executed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts the executor was given."""
    texts: list[str] = []
    select = import_module("sqlengine.statements.select")  # the package has a function of that name
    run = select.run_expanded

    def listening(context: Any, expanded: Any, *others: Any) -> Any:
        texts.append(expanded.text)
        return run(context, expanded, *others)

    monkeypatch.setattr(select, "run_expanded", listening)
    return texts


PLAIN = [
    "SELECT * FROM t",
    "FROM t",
    "TABLE t",
    "SELECT id, g FROM t",
    "SELECT x.g AS other, X.ID FROM t AS x",
    "SELECT t.*, g AS again FROM t",
    "SELECT * FROM counted",
    "SELECT n FROM counted",
    "SELECT * FROM s",
    "SELECT b FROM s",
    'SELECT "A b" FROM other.t',
    "SELECT * FROM t LIMIT 1",
    "SELECT id FROM t LIMIT 1 OFFSET 2",
    "SELECT * FROM counted LIMIT 0",
    "SELECT b FROM s OFFSET 2",
    "SELECT * FROM s LIMIT 2",
    "SELECT * FROM s LIMIT 100 OFFSET 2",
    "SELECT * FROM s LIMIT 100 OFFSET 100",
    "SELECT * FROM s LIMIT 9223372036854775807 OFFSET 9223372036854775807",
    "SELECT b FROM s FETCH FIRST ROW ONLY",
]


@pytest.mark.sampled(10)
@pytest.mark.parametrize("text", PLAIN)
def test_the_answer_is_the_executors(db: sqlengine.Database, executed: list[str], text: str) -> None:
    found = db.execute(text).to_arrow()
    assert executed == []
    wanted = db.execute(f"SELECT * FROM ({text}) AS q WHERE true").to_arrow()
    assert len(executed) == 1
    assert found.schema == wanted.schema
    assert found.to_pylist() == wanted.to_pylist()
    assert [c.null_count for c in found.columns] == [c.null_count for c in wanted.columns]


@pytest.mark.parametrize(
    "text",
    [
        "SELECT id + 1 FROM t",
        "SELECT * FROM shown",
        "SELECT DISTINCT g FROM t",
        "SELECT * FROM t LIMIT 1 + 1",
        "SELECT * EXCEPT (r) FROM t",
        "SELECT id, id FROM t",
        "SELECT * FROM t AS x(y)",
        "SELECT * FROM t, s",
        "SELECT t FROM t",
        "WITH t AS (SELECT 1 AS one) SELECT one FROM t",
        "SELECT * FROM s ORDER BY a",
    ],
)
def test_anything_else_is_the_executors(db: sqlengine.Database, executed: list[str], text: str) -> None:
    db.execute(text).fetchall()
    assert len(executed) == 1


def test_errors_are_those_of_the_executor(db: sqlengine.Database) -> None:
    with pytest.raises(sqlengine.Error, match='column "nothing" does not exist') as error:
        db.execute("SELECT nothing")
    assert error.value.sqlstate == "42703"
    with pytest.raises(sqlengine.Error) as error:
        db.execute("SELECT idd FROM t")
    assert error.value.sqlstate == "42703"
    with pytest.raises(sqlengine.Error, match="LIMIT must not be negative"):
        db.execute("SELECT id FROM t LIMIT -1")
    with pytest.raises(sqlengine.Error) as error:
        db.execute("SELECT y.id FROM t AS x")
    assert error.value.sqlstate in ("42703", "42P01")


def test_many_small_inserts_are_few_batches(db: sqlengine.Database) -> None:
    for number in range(50):
        db.execute(f"INSERT INTO s VALUES ({number}, 'n')")
    assert len(list(db.execute("SELECT * FROM s").batches())) == 1


def test_a_limit_reads_no_more_of_a_stream(db: sqlengine.Database) -> None:
    """Nothing behind the last row asked for is read."""
    db.execute("INSERT INTO s SELECT 1, 'x' FROM range(10)")
    log = db._instance.storage.topic("s").partitions[0]
    read, asked = type(log).read, []

    def listening(self: Any, offset: int, **options: Any) -> Any:
        asked.append(options["max_rows"])
        return read(self, offset, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(log), "read", listening)
        assert db.execute("SELECT a FROM s LIMIT 2 OFFSET 1").fetchall() == [(2,), (3,)]
    assert asked == [3]


def test_an_open_transaction_sees_its_own_rows(db: sqlengine.Database, executed: list[str]) -> None:
    session = db.session()
    for text in ("BEGIN", "DELETE FROM t", "INSERT INTO t (id, g) VALUES (7, 'mine')"):
        session.execute(text)
    executed.clear()
    assert session.execute("SELECT id, g FROM t").fetchall() == [(7, "mine")]
    assert executed == []
    session.execute("ROLLBACK")
    assert len(session.execute("SELECT id FROM t").fetchall()) == 3
    session.close()


def test_texts_that_are_held_packed_are_written_out(db: sqlengine.Database, executed: list[str]) -> None:
    texts = [f"a text {'again and ' * 10}{n % 7}" for n in range(20_000)]
    db.insert("s", pa.table({"a": pa.array(range(20_000), pa.int32()), "b": texts}))
    db.execute("CREATE MATERIALIZED VIEW made AS SELECT b || '!' AS b, a FROM s WHERE b LIKE 'a text%'")
    query = db._instance.scheduler.by_name("made")
    assert query is not None and query.store is not None
    query.store.settle()
    while query.store.pack():
        pass
    assert query.store.scan_table().schema != query.store.schema
    found = db.execute("SELECT a, b FROM made").to_arrow()
    assert executed == [] and found.schema == pa.schema([("a", pa.int32()), ("b", pa.string())])
    assert found.to_pylist() == [{"a": n, "b": f"{text}!"} for n, text in enumerate(texts)]
