"""MERGE against DuckDB's own, and through a view; parameters in all its places."""

from __future__ import annotations

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sqlengine
from sqlengine import errors
from tests.depth import rounds

ROWS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 3)), max_size=6, unique_by=lambda row: row[0])
CONDITION = st.sampled_from(["", " AND s.v > 1", " AND t.v = 2", " AND s.v = t.v"])
ONE_SIDE = st.sampled_from(["", " AND {0}.v > 1", " AND {0}.k % 2 = 0"])
MATCHED = st.tuples(
    st.just("MATCHED"), CONDITION, st.sampled_from(["UPDATE SET v = t.v + 10 * s.v", "DELETE", "DO NOTHING"])
)
NOT_MATCHED = st.tuples(
    st.just("NOT MATCHED"),
    ONE_SIDE.map(lambda text: text.format("s")),
    st.sampled_from(["INSERT (k, v) VALUES (s.k, s.v + 100)", "INSERT (k) VALUES (s.k)", "DO NOTHING"]),
)
BY_SOURCE = st.tuples(
    st.just("NOT MATCHED BY SOURCE"),
    ONE_SIDE.map(lambda text: text.format("t")),
    st.sampled_from(["UPDATE SET v = -t.v", "DELETE", "DO NOTHING"]),
)


@given(ROWS, ROWS, st.lists(st.one_of(MATCHED, NOT_MATCHED, BY_SOURCE), min_size=1, max_size=4))
@settings(max_examples=rounds(15, 300), deadline=None)
def test_as_duckdb_does(
    target: list[tuple[int, int]], source: list[tuple[int, int]], whens: list[tuple[str, ...]]
) -> None:
    whens = sorted(whens, key=lambda when: when[1] == "")  # what stands behind an unconditional one is an error
    whens = [w for i, w in enumerate(whens) if not any(v[0] == w[0] and not v[1] for v in whens[:i])]
    text = "MERGE INTO t USING s ON t.k = s.k " + " ".join(f"WHEN {m}{c} THEN {a}" for m, c, a in whens)
    with sqlengine.connect() as ours, duckdb.connect() as theirs:
        for name, rows in (("t", target), ("s", source)):
            ours.execute(f"CREATE TABLE {name} (k INT PRIMARY KEY, v INT)")
            theirs.execute(f"CREATE TABLE {name} (k INT, v INT)")
            if rows:
                ours.execute(f"INSERT INTO {name} VALUES {', '.join(map(str, rows))}")
                theirs.execute(f"INSERT INTO {name} VALUES {', '.join(map(str, rows))}")
        ours.execute("CREATE MATERIALIZED VIEW seen AS SELECT k, v FROM t")
        ours.execute(text)
        theirs.execute(text)
        expected = sorted(theirs.execute("SELECT k, v FROM t").fetchall(), key=repr)
        assert sorted(ours.execute("SELECT k, v FROM t").fetchall(), key=repr) == expected
        assert sorted(ours.execute("SELECT k, v FROM seen").fetchall(), key=repr) == expected


def test_parameters_in_all_places() -> None:
    with sqlengine.connect() as db:
        db.execute("CREATE TABLE t (k INT PRIMARY KEY, v INT)")
        db.execute("INSERT INTO t VALUES (1, 1), (2, 2)")
        result = db.execute(
            "MERGE INTO t USING (SELECT ? AS k) AS s ON t.k = s.k + ? WHEN MATCHED AND t.v < ? THEN UPDATE SET v = ? "
            "WHEN NOT MATCHED THEN INSERT VALUES (s.k, ?) RETURNING t.k, t.v + ?",
            [1, 1, 9, 40, 50, 2],
        )
        assert result.fetchall() == [(2, 42)]
        with pytest.raises(errors.ProgrammingError):
            db.execute("MERGE INTO t USING t AS s ON t.k = s.k WHEN MATCHED AND t.v = ? THEN DELETE", [1, 2])


def test_inside_a_transaction() -> None:
    with sqlengine.connect() as db:
        db.execute("CREATE TABLE t (k INT PRIMARY KEY, v INT)")
        db.execute("INSERT INTO t VALUES (1, 1)")
        db.execute("BEGIN")
        db.execute("MERGE INTO t USING (SELECT 1 AS k) AS s ON t.k = s.k WHEN MATCHED THEN DELETE")
        db.execute("ROLLBACK")
        assert db.execute("SELECT * FROM t").fetchall() == [(1, 1)]
        db.execute("BEGIN")
        db.execute("MERGE INTO t USING (SELECT 1 AS k) AS s ON t.k = s.k WHEN MATCHED THEN UPDATE SET v = 5")
        db.execute("COMMIT")
        assert db.execute("SELECT * FROM t").fetchall() == [(1, 5)]
