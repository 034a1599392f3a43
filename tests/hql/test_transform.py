"""SELECT TRANSFORM, MAP and REDUCE: what scripts read and write, their limits, and who may run them.

Answers marked "Spark" are the examples of Spark's documentation, SQL Reference, TRANSFORM; the default formats are
those of Hive's language manual, Transform ("columns will be transformed to STRING and delimited by TAB ... NULL values
will be converted to the literal string \\N"; without AS, "key" is what is before the first tab, "value" the rest).
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

import sqlengine
from sqlengine.errors import (
    DuplicateColumn,
    FileUnavailable,
    InsufficientPrivilege,
    NotSupportedError,
    QueryCanceled,
    ScriptFailed,
    UndefinedColumn,
    UndefinedObject,
)
from sqlengine.errors import SyntaxError as QueryError
from tests.access.sessions import session_of

PERSON = """
CREATE TABLE person (zip_code INT, name STRING, age INT);
INSERT INTO person VALUES (94588, 'Anil K', 27), (94588, 'John V', NULL), (94511, 'Aryan B', 18),
  (94588, 'Zen Hui', 50), (94511, 'David K', 42), (94588, 'Dan Li', 18);
SET allow_scripts = true
"""
SERDE = (
    "ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe' WITH SERDEPROPERTIES ('field.delim' = '\\t')"
)


@pytest.fixture(scope="module")
def db() -> Iterator[sqlengine.Database]:
    with sqlengine.connect(dialect="hive") as made:
        made.execute(PERSON)
        made.execute("CREATE TABLE big (n int, s string) TBLPROPERTIES ('transactional' = 'true')")
        numbers = pa.array(range(200_000), pa.int32())
        made.insert("big", pa.table({"n": numbers, "s": pa.array([f"text {i}" for i in range(200_000)])}))
        yield made


def rows(db: Any, text: str) -> list[tuple[Any, ...]]:
    return list(db.execute(text).fetchall())


def test_examples_of_spark(db: sqlengine.Database) -> None:
    where = "FROM person WHERE zip_code > 94511"
    people = [
        ("94588", "Anil K", "27"),
        ("94588", "John V", None),
        ("94588", "Zen Hui", "50"),
        ("94588", "Dan Li", "18"),
    ]
    assert rows(db, f"SELECT TRANSFORM(zip_code, name, age) USING 'cat' AS (a, b, c) {where}") == people
    typed = "USING 'cat' AS (a STRING, b STRING, c STRING)"
    assert rows(db, f"SELECT TRANSFORM(zip_code, name, age) {typed} {where}") == people
    assert rows(db, f"SELECT TRANSFORM(zip_code, name, age) {SERDE} {typed} {SERDE} {where}") == people
    delimited = """SELECT TRANSFORM(name, age) ROW FORMAT DELIMITED FIELDS TERMINATED BY ',' NULL DEFINED AS 'NULL'
        USING 'cat' AS (name_age string) ROW FORMAT DELIMITED FIELDS TERMINATED BY '@' NULL DEFINED AS 'NULL'
        FROM person"""
    told = ["Anil K,27", "John V,NULL", "Aryan B,18", "Zen Hui,50", "David K,42", "Dan Li,18"]
    assert rows(db, delimited) == [(text,) for text in told]
    result = db.execute("SELECT TRANSFORM(zip_code, name, age) USING 'cat' FROM person WHERE zip_code > 94500")
    assert result.columns == ["key", "value"]
    assert result.fetchall()[:2] == [("94588", "Anil K\t27"), ("94588", "John V\t\\N")]


def test_map_and_reduce(db: sqlengine.Database) -> None:
    """The forms of Hive's language manual: sorted rows come to the script in their order, types are cast, columns that
    are missing are NULL."""
    mapped = "FROM person MAP zip_code, name, age USING 'cat' AS zip int, name, age int, more"
    reduced = f"FROM ({mapped} CLUSTER BY name) m REDUCE m.name, m.age, m.more USING 'cat' AS n, a double, x"
    assert rows(db, reduced) == [
        (name, age, None)
        for name, age in (
            ("Anil K", 27.0), ("Aryan B", 18.0), ("Dan Li", 18.0), ("David K", 42.0), ("John V", None),
            ("Zen Hui", 50.0),
        )
    ]  # fmt: skip
    sorted_ = "(SELECT name, age FROM person DISTRIBUTE BY zip_code SORT BY zip_code DESC, age) m"
    assert rows(db, f"SELECT TRANSFORM(*) USING 'cat' AS (n, a int) FROM {sorted_}") == [
        ("Dan Li", 18), ("Anil K", 27), ("Zen Hui", 50), ("John V", None), ("Aryan B", 18), ("David K", 42)
    ]  # fmt: skip
    zips = "(SELECT zip_code FROM person SORT BY zip_code) m"
    counted = f"SELECT TRANSFORM(zip_code) USING 'uniq -c' AS (line string) FROM {zips}"
    assert [line.split() for (line,) in rows(db, counted)] == [["2", "94511"], ["4", "94588"]]
    with_cte = "WITH q AS (SELECT * FROM person ORDER BY age) SELECT TRANSFORM(q.name) USING 'tail -n 1' AS (n) FROM q"
    assert rows(db, with_cte) == [("John V",)]  # NULL is last in ascending order (Hive 4)
    assert rows(db, "SELECT TRANSFORM(name) USING 'cat' AS (n) FROM person ORDER BY n LIMIT 1") == [("Anil K",)]
    grouped = (
        "SELECT TRANSFORM(count(*), zip_code) USING 'cat' AS (c int, z int) FROM person GROUP BY zip_code ORDER BY c"
    )
    assert rows(db, grouped) == [
        (2, 94511), (4, 94588)
    ]  # fmt: skip
    nested = "SELECT TRANSFORM(array(1, NULL), map('a', 1)) USING 'cat' AS (x array<int>, y map<string,int>)"
    assert rows(db, nested) == [([1, None], [("a", 1)])]
    as_json = """SELECT TRANSFORM(name, age) ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.JsonSerDe'
        USING 'head -n 1'
        AS (line string) FROM person"""
    assert rows(db, as_json) == [('{"name":"Anil K","age":27}',)]


def test_within_other_statements(db: sqlengine.Database) -> None:
    upper = "(SELECT TRANSFORM(name) USING 'tr a-z A-Z' AS (n) FROM person) t"
    assert rows(db, f"SELECT count(*) FROM {upper} JOIN person p ON t.n = upper(p.name)") == [(6,)]
    assert rows(db, f"SELECT name FROM person WHERE upper(name) IN (SELECT n FROM {upper} WHERE n LIKE 'Z%')") == [
        ("Zen Hui",)
    ]
    db.execute("CREATE TABLE copied AS SELECT TRANSFORM(name, age) USING 'cat' AS (n, a int) FROM person")
    db.execute("CREATE TABLE young (n string); CREATE TABLE old (n string)")
    db.execute("""FROM (FROM person MAP name, age USING 'cat' AS n, a int) m
        INSERT OVERWRITE TABLE young SELECT n WHERE a < 30 INSERT INTO old SELECT n WHERE a >= 30""")
    assert rows(db, "SELECT count(*), sum(a) FROM copied") == [(6, 155)]
    assert rows(db, "SELECT n FROM old ORDER BY n") == [("David K",), ("Zen Hui",)]
    assert rows(db, "SELECT count(*) FROM young") == [(3,)]
    plan = rows(db, "EXPLAIN SELECT TRANSFORM(name) USING 'no such script' AS (n) FROM person")  # which is not run
    assert "n" in plan[0][0]
    assert rows(db, "SELECT transform(array(1, 2), x -> x + 1)") == [([2, 3],)]  # the function is another thing


def test_much_both_ways_waits_for_nobody(db: sqlengine.Database) -> None:
    """A script that writes before it reads, one that complains at length, and the rows are those DuckDB has."""
    eager = """SELECT count(*), sum(n) FROM (SELECT TRANSFORM(n, s) USING
        'sh -c "head -c 3000000 /dev/zero | tr \\\\000 x; echo; head -c 3000000 /dev/zero >&2; cat"'
        AS (n bigint, s) FROM big) t"""
    expected = duckdb.sql("SELECT count(*) + 1, sum(range) FROM range(200000)").fetchall()
    assert rows(db, eager) == [(expected[0][0], int(expected[0][1]))]


def test_scripts_that_fail(db: sqlengine.Database) -> None:
    def failure(script: str, what: str = "n") -> ScriptFailed:
        with pytest.raises(ScriptFailed) as caught:
            db.execute(f"SELECT TRANSFORM(n, s) USING '{script}' AS ({what}) FROM big")
        return caught.value

    ended = failure('sh -c "cat > /dev/null; echo what went wrong >&2; exit 3"')
    assert (ended.sqlstate, ended.detail) == ("38000", "what went wrong")
    assert "ended with status 3" in ended.message
    assert "was ended by SIGTERM" in failure('sh -c "cat > /dev/null; kill -15 $$"').message
    assert "cannot be started" in failure("no-such-program").message
    assert "before it had read its input" in failure("head -n 1").message
    db.execute("SET hive.exec.script.allow.partial.consumption = true")
    assert rows(db, "SELECT TRANSFORM(n) USING 'head -n 1' AS (n int) FROM (SELECT n FROM big SORT BY n) t") == [(0,)]
    db.execute("RESET hive.exec.script.allow.partial.consumption")
    assert (
        "$HOME" in rows(db, "SELECT TRANSFORM(1) USING 'echo $HOME ; true' AS (x) FROM person LIMIT 1")[0][0]
    )  # no shell


def test_limits(db: sqlengine.Database) -> None:
    def failure(setting: str, script: str) -> ScriptFailed:
        db.execute(f"SET {setting}")
        try:
            with pytest.raises(ScriptFailed) as caught:
                db.execute(f"SELECT TRANSFORM(1) USING '{script}' AS (x) FROM person")
        finally:
            db.execute(f"RESET {setting.partition(' ')[0]}")
        return caught.value

    assert "within 200 ms" in failure("script_timeout_ms = 200", "sleep 60").message
    assert failure("script_output_limit = 1000", "yes").sqlstate == "54000"
    hungry = 'python3 -c "import sys; sys.stdin.read(); bytearray(1 << 30)"'
    assert "MemoryError" in (failure("script_memory_limit = 500MB", hungry).detail or "")


def test_cancelling_ends_the_script_and_what_it_started(db: sqlengine.Database, tmp_path: Path) -> None:
    session = db.session()
    session.execute("SET allow_scripts = true")
    said = tmp_path / "pid"
    timer = threading.Thread(target=lambda: (_wait_for(said), session.cancel()))
    timer.start()
    with pytest.raises(QueryCanceled):
        session.execute(f"SELECT TRANSFORM(1) USING 'sh -c \"sleep 60 & echo $! > {said}; wait\"' AS (x) FROM person")
    timer.join()
    pid = int(said.read_text())
    for _ in range(500):  # init, or nobody, collects it: it may be there as a zombie
        state = Path(f"/proc/{pid}/stat")
        if not state.exists() or state.read_text().split()[2] == "Z":
            return
        time.sleep(0.01)
    os.kill(pid, 0)
    pytest.fail("the script's own process runs on")


def _wait_for(path: Path) -> None:
    for _ in range(2000):
        if path.exists() and path.read_text().endswith("\n"):
            return
        time.sleep(0.005)


def test_files_that_were_added_are_found(db: sqlengine.Database, tmp_path: Path) -> None:
    script, words = tmp_path / "my script.py", tmp_path / "words.txt"
    script.write_text("import sys\nwords = open('words.txt').read().split()\n"
                      "for line in sys.stdin: print(line.strip() in words)\n")  # fmt: skip
    words.write_text("Dan\n27\n")
    tool = tmp_path / "tool"
    tool.write_text("#!/bin/sh\ncat\n")
    tool.chmod(0o755)
    db.execute(f"ADD FILES '{script}' {words}; ADD FILE {tool}")
    assert rows(db, "LIST FILES") == [(str(script),), (str(words),), (str(tool),)]
    known = "(SELECT TRANSFORM(age) USING 'python3 \"my script.py\"' AS (x boolean) FROM person) t"
    counted = f"SELECT x, count(*) FROM {known} GROUP BY x"
    assert sorted(rows(db, counted)) == [(False, 5), (True, 1)]
    assert rows(db, "SELECT TRANSFORM(age) USING 'tool' AS (x int) FROM person WHERE age = 50") == [(50,)]
    db.execute(f"DELETE FILE {tool}")
    with pytest.raises(ScriptFailed):
        db.execute("SELECT TRANSFORM(age) USING 'tool' AS (x int) FROM person")
    db.execute(f"DELETE FILES {words} '{script}'")
    assert rows(db, "LIST FILES") == []
    for bad, error in (("ADD FILE /no/such/file", FileUnavailable), ("ADD FILE", QueryError),
                       (f"DELETE FILE {tool}", UndefinedObject), ("ADD JAR x.jar", NotSupportedError),
                       ("ADD ARCHIVE x.zip", NotSupportedError)):  # fmt: skip
        with pytest.raises(error):
            db.execute(bad)


def test_texts_that_are_wrong(db: sqlengine.Database) -> None:
    for text, error in (
        ("SELECT TRANSFORM(nope) USING 'cat' AS (n) FROM person", UndefinedColumn),
        ("SELECT TRANSFORM(name) USING 'cat' AS (n nosuch) FROM person", UndefinedObject),
        ("SELECT TRANSFORM(name) USING 'cat' AS (n, n) FROM person", DuplicateColumn),
        ("SELECT TRANSFORM(name) USING 'cat \"' AS (n) FROM person", QueryError),
        ("SELECT TRANSFORM(name) USING '' AS (n) FROM person", QueryError),
        ("SELECT TRANSFORM(name) USING cat AS (n) FROM person", QueryError),
        ("SELECT TRANSFORM(name) USING 'cat' AS (n), 1 FROM person", QueryError),
        ("SELECT DISTINCT TRANSFORM(name) USING 'cat' AS (n) FROM person", QueryError),
        ("MAP name USING 'cat' AS (n)", UndefinedColumn),
        ("SELECT TRANSFORM(name) ROW FORMAT SERDE 'x.Y' USING 'cat' AS (n) FROM person", NotSupportedError),
        ("SELECT TRANSFORM(name) RECORDWRITER 'x.Y' USING 'cat' AS (n) FROM person", NotSupportedError),
        ("SELECT TRANSFORM(name) ROW FORMAT SERDE 'org.apache.hadoop.hive.ql.io.orc.OrcSerde' USING 'cat' FROM person",
         NotSupportedError),
        ("CREATE VIEW v AS SELECT TRANSFORM(name) USING 'cat' AS (n) FROM person", NotSupportedError),
        ("CREATE MATERIALIZED VIEW v AS SELECT TRANSFORM(name) USING 'cat' AS (n) FROM person", NotSupportedError),
        ("SUBSCRIBE SELECT TRANSFORM(name) USING 'cat' AS (n) FROM person", sqlengine.Error),
    ):  # fmt: skip
        with pytest.raises(error):
            db.execute(text)
    with pytest.raises(NotSupportedError, match="no view has it"):
        db.execute("CREATE MATERIALIZED VIEW v AS SELECT n FROM (FROM big MAP n USING 'cat' AS n) t")


def test_who_may(db: sqlengine.Database) -> None:
    query = "SELECT TRANSFORM(1) USING 'cat' AS (x int)"
    plain = db.session()
    plain.execute("SET allow_scripts = false")
    with pytest.raises(InsufficientPrivilege, match="scripts are off"):
        plain.execute(query)
    db.execute("SET dialect = postgres; CREATE ROLE guest LOGIN; SET dialect = hive")
    guest = session_of(db, "guest")
    guest.execute("SET dialect = hive; SET allow_scripts = true")
    for text in (query, f"EXPLAIN {query}", f"CREATE TABLE t AS {query}", f"SELECT * FROM ({query}) t"):
        with pytest.raises(InsufficientPrivilege):
            guest.execute(text)
    db.execute("SET dialect = postgres; GRANT pg_execute_server_program TO guest; SET dialect = hive")
    assert rows(guest, query) == [(1,)]
    remote = db.session()
    remote.execute("SET dialect = hive; SET allow_scripts = true")
    remote.context.backend.activity = lambda: ()  # as servers say that a client is somewhere else
    with pytest.raises(InsufficientPrivilege, match="over the network"):
        remote.execute(query)
