"""Percentiles of numeric values: the doubles nearest to them, interpolated, in views and in snapshot queries."""

from __future__ import annotations

import random
from decimal import Decimal

import pytest

import sqlengine

QUERY = (
    "SELECT k, median(n) AS m, percentile_cont(0.3) WITHIN GROUP (ORDER BY n) AS up,"
    " percentile_cont(0.3) WITHIN GROUP (ORDER BY n DESC) AS down, quantile_cont(wide, 0.7) AS q,"
    " percentile_cont(ARRAY[0.1, 0.5]) WITHIN GROUP (ORDER BY n) AS several FROM t GROUP BY k"
)


def close(got, expected):
    return got == pytest.approx(expected, rel=1e-14) if isinstance(expected, (float, list)) else got == expected


def test_views_and_snapshots_agree_on_types_and_values():
    rng = random.Random(5)
    with sqlengine.connect() as db:
        db.execute("CREATE TABLE t (id INT PRIMARY KEY, k INT, n NUMERIC(10,2), wide NUMERIC(38,10))")
        db.execute(f"CREATE MATERIALIZED VIEW v AS {QUERY}")
        for i in range(60):
            wide = Decimal(rng.randrange(10**22)).scaleb(-4)
            db.execute("INSERT INTO t VALUES (?, ?, ?, ?)", (i, i % 4, Decimal(rng.randrange(999)).scaleb(-2), wide))
            if i % 5 == 4:
                db.execute("DELETE FROM t WHERE id = ?", (rng.randrange(i),))
            view, snapshot = db.execute("SELECT * FROM v ORDER BY k"), db.execute(f"{QUERY} ORDER BY k")
            assert view.schema == snapshot.schema
            for got, expected in zip(view.fetchall(), snapshot.fetchall(), strict=True):
                assert all(map(close, got, expected)), (got, expected)


def test_a_single_value_is_its_nearest_double():
    with sqlengine.connect() as db:
        db.execute("CREATE TABLE t (id INT PRIMARY KEY, n NUMERIC(10,2))")
        db.execute("CREATE MATERIALIZED VIEW v AS SELECT id, median(n) AS m, min(n) AS n FROM t GROUP BY id")
        db.insert("t", [(i, Decimal(i).scaleb(-2)) for i in range(1000)])
        assert all(m == float(n) for _, m, n in db.execute("SELECT * FROM v").fetchall())
