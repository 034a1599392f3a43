"""Three small keyed tables a, b, c (id, k, v) under random changes, and views over them compared with their queries."""

from __future__ import annotations

import random
from collections.abc import Sequence

import sqlengine


def create(db: sqlengine.Database) -> None:
    """Three tables of small nullable numbers."""
    for name in "abc":
        db.execute(f"CREATE TABLE {name} (id INT PRIMARY KEY, k INT, v INT)")


def change(db: sqlengine.Database, rng: random.Random, ids: int = 6) -> None:
    """One row inserted, replaced or deleted."""
    table, key = rng.choice("abc"), rng.randrange(ids)
    if rng.random() < 0.65:
        k, v = (rng.choice((None, 0, 1, 2, 3)) for _ in range(2))
        assign = "k = excluded.k, v = excluded.v"
        db.execute(f"INSERT INTO {table} VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET {assign}", (key, k, v))
    else:
        db.execute(f"DELETE FROM {table} WHERE id = ?", (key,))


def compare(db: sqlengine.Database, queries: Sequence[str]) -> None:
    """Views v0, v1, ... hold what their queries answer now."""
    for i, query in enumerate(queries):
        got = sorted(map(repr, db.execute(f"SELECT * FROM v{i}").fetchall()))
        assert got == sorted(map(repr, db.execute(query).fetchall())), query


def follow(queries: Sequence[str], seed: int, steps: int) -> None:
    """Views over the queries, compared after each of `steps` random changes."""
    rng = random.Random(seed)
    with sqlengine.connect() as db:
        create(db)
        for i, query in enumerate(queries):
            db.execute(f"CREATE MATERIALIZED VIEW v{i} AS {query}")
        for _ in range(steps):
            change(db, rng)
            compare(db, queries)


def assert_incremental(query: str) -> None:
    """No part of the query is computed again."""
    with sqlengine.connect() as db:
        create(db)
        plan = str(db.execute(f"EXPLAIN {query} EMIT CHANGES").fetchall())
        assert "maintained incrementally" in plan and "Recompute" not in plan, plan


def of_both(db: sqlengine.Database, query: str) -> list[tuple]:
    """The rows of a query, which are those of a view of it."""
    rows = db.execute(query).fetchall()
    db.execute(f"CREATE MATERIALIZED VIEW of_it AS {query.partition(' ORDER BY ')[0]}")
    assert sorted(map(repr, db.execute("SELECT * FROM of_it").fetchall())) == sorted(map(repr, rows)), query
    db.execute("DROP MATERIALIZED VIEW of_it")
    return rows
