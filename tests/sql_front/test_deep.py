"""Deep texts: they are read, and the interpreter's limit of recursion is left alone by all others."""

from __future__ import annotations

import sys

import pytest

import sqlengine
from sqlengine import sql
from sqlengine.errors import TooComplex
from sqlengine.sql import deep


def test_only_what_is_deep_changes_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    limits: list[int] = []
    change = sys.setrecursionlimit

    def noted(limit: int) -> None:
        limits.append(limit)
        change(limit)

    monkeypatch.setattr(sys, "setrecursionlimit", noted)
    with sqlengine.connect() as db:
        db.execute("CREATE TABLE t (a INT, b TEXT)")
        db.execute("INSERT INTO t VALUES (?, ?)", (1, "x"))
        db.execute("CREATE MATERIALIZED VIEW v AS SELECT b, sum(a) AS s FROM t WHERE a IN (1, 2) GROUP BY b")
        db.execute("SELECT * FROM v JOIN (SELECT b FROM (SELECT b FROM t) AS t) AS u USING (b) WHERE s = ?", (1,))
        assert limits == []
        before = sys.getrecursionlimit()
        text = f"SELECT {'coalesce(1 + ' * 190}? + a{')' * 190} FROM t"
        assert db.execute(text, (2,)).fetchall() == [(193,)]
        assert limits and limits[-1] == before == sys.getrecursionlimit()


def test_a_call_that_is_deep_is_made_once_more() -> None:
    calls: list[int] = []

    def down(depth: int) -> int:
        return 0 if depth == 0 else 1 + down(depth - 1)

    def call(depth: int) -> int:
        calls.append(sys.getrecursionlimit())
        return down(depth)

    before = sys.getrecursionlimit()
    assert deep.run(call, 10) == 10
    assert deep.run(call, 5 * before) == 5 * before
    assert calls == [before, before, deep.RECURSION_LIMIT] and sys.getrecursionlimit() == before
    with pytest.raises(TooComplex):
        deep.run(call, 2 * deep.RECURSION_LIMIT)
    assert sys.getrecursionlimit() == before


def test_parameters_are_counted_anew_when_a_statement_is_bound_once_more() -> None:
    nested = "coalesce(1 + " * 190 + "?" + ")" * 190
    (statement,) = sql.parse(f"UPDATE t SET a = {nested}, b = ? WHERE c = ?")
    bound = sql.bind_params(statement, (1, "x", 3))
    assert "'x'" in bound.assignments[1][1] and "3" in bound.where


@pytest.mark.parametrize(("column", "first"), [("b", "x"), ("l", 7), ("d", "0.5"), ("j", "[1")])
def test_a_chain_takes_each_of_its_links_once(column: str, first: object) -> None:
    with sqlengine.connect() as db:
        db.execute("CREATE TABLE t (b TEXT, l INT[], d DOUBLE PRECISION, j JSONB)")
        db.execute("INSERT INTO t VALUES ('x', ARRAY[7], 0.5, '[1]')")
        begun = "''" if column == "d" else column
        ((chained,),) = db.execute(f"SELECT {' || '.join([begun, *[column] * 60])} FROM t").fetchall()
    assert chained[: 1 if isinstance(chained, list) else len(str(first))] in ([first], first)
    assert str(chained).count(str(first).strip("[")) == (60 if column == "d" else 61)
