"""COLUMNS('regular expression') of DuckDB in views, and days before our era as text."""

from __future__ import annotations

import pytest

import sqlengine


def test_a_view_has_the_columns_whose_names_match():
    query = "SELECT id, COLUMNS('^(b|c)$') FROM t"
    with sqlengine.connect() as db:
        db.execute("CREATE TABLE t (id INT PRIMARY KEY, b INT, c TEXT, bc INT)")
        db.execute(f"CREATE MATERIALIZED VIEW v AS {query}")
        db.execute("CREATE MATERIALIZED VIEW w AS SELECT COLUMNS('c'), count(*) AS n FROM t GROUP BY ALL")
        db.execute("INSERT INTO t VALUES (1, 2, 'x', 3), (2, 4, 'y', 5), (3, 6, 'x', 3)")
        db.execute("DELETE FROM t WHERE id = 2")
        assert sorted(db.execute("SELECT * FROM v").fetchall()) == sorted(db.execute(query).fetchall())
        assert db.execute("SELECT c, bc, n FROM w").fetchall() == [("x", 3, 2)]
        for pattern, state in (("zz", "42703"), ("(", "2201B")):
            with pytest.raises(sqlengine.Error) as caught:
                db.execute(f"CREATE MATERIALIZED VIEW u AS SELECT COLUMNS('{pattern}') FROM t")
            assert caught.value.sqlstate == state


def test_days_before_our_era_are_texts_as_in_postgresql():
    with sqlengine.connect() as db:
        query = "SELECT '0044-03-15 BC'::timestamp::text, '0044-03-15 BC'::date::text, '0044-03-15'::date::text"
        assert db.execute(query).fetchall() == [("0044-03-15 00:00:00 BC", "0044-03-15 BC", "0044-03-15")]
