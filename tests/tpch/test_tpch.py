"""TPC-H: every query as a view, maintained without recomputation, equals DuckDB's answer of the same text.

Both engines are given the same statements: a load, new sales, old sales that go, changes of what the queries look at,
and the end of all rows.  DuckDB shares nothing with the views: not the tables, not the planner, not the rendering.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

import sqlengine
from benchmarks.tpch.data import TABLES, Refresh, refresh_sets, rows
from benchmarks.tpch.queries import QUERIES, Query
from tests.collectors.executor import answer_of
from tests.collectors.oracle import rows_differ

SCALE_FACTOR = 0.01

Rows = tuple[tuple[str | None, ...], ...]

REFERENCE_CHANGES = (
    "UPDATE part SET p_size = 15, p_brand = 'Brand#23', p_container = 'MED BOX', p_name = 'forest green',"
    " p_type = 'ECONOMY ANODIZED STEEL' WHERE p_partkey % 5 = 0",
    "UPDATE part SET p_type = 'PROMO BRASS', p_brand = 'Brand#34', p_container = 'LG BOX' WHERE p_partkey % 7 = 0",
    "UPDATE supplier SET s_nationkey = s_suppkey % 4, s_comment = 'Customer Complaints' WHERE s_suppkey % 3 = 0",
    "UPDATE partsupp SET ps_supplycost = ps_supplycost * 2, ps_availqty = ps_availqty % 50 WHERE ps_partkey % 4 = 0",
    "UPDATE customer SET c_mktsegment = 'BUILDING', c_acctbal = c_acctbal + 500 WHERE c_custkey % 7 = 0",
    "UPDATE nation SET n_name = 'GERMANY' WHERE n_nationkey = 19",
    "DELETE FROM region WHERE r_name = 'AFRICA'",
)
SALES_CHANGES = (
    "UPDATE lineitem SET l_quantity = 70 - l_quantity, l_discount = l_discount + 0.01 WHERE l_orderkey % 13 = 0",
    "UPDATE lineitem SET l_receiptdate = l_commitdate + 9, l_shipdate = l_shipdate - 45 WHERE l_orderkey % 17 = 1",
    "UPDATE lineitem SET l_returnflag = 'R', l_shipmode = 'AIR', l_shipinstruct = 'DELIVER IN PERSON'"
    " WHERE l_orderkey % 19 = 2",
    "UPDATE orders SET o_orderstatus = 'F', o_orderdate = o_orderdate - 30, o_comment = 'a special of requests'"
    " WHERE o_orderkey % 11 = 3",
    "UPDATE orders SET o_custkey = o_custkey % 700 + 1 WHERE o_orderkey % 23 = 4",
)
"""What no refresh function does: every column a query looks at changes."""


class Both:
    """The engine and DuckDB, given the same statements."""

    def __init__(self, database: sqlengine.Database, reads: tuple[str, ...]) -> None:
        self.ours, self.theirs, self.reads = database, duckdb.connect(), reads
        for table in reads:
            self.run(f"CREATE TABLE {table} ({TABLES[table]})")

    def run(self, statement: str) -> None:
        """Execute in both."""
        self.ours.execute(statement)
        self.theirs.execute(statement)

    def insert(self, table: str, added: pa.Table) -> None:
        """Append rows in both."""
        self.ours.insert(table, added)
        self.theirs.from_arrow(added).insert_into(table)

    def delete_orders(self, keys: list[int]) -> None:
        """Remove orders and their lines."""
        listed = ", ".join(map(str, keys))
        for table, key in (("lineitem", "l_orderkey"), ("orders", "o_orderkey")):
            if table in self.reads:
                self.run(f"DELETE FROM {table} WHERE {key} IN ({listed})")

    def change(self, statements: tuple[str, ...], query: Query) -> list[Rows]:
        """The answers behind each of the statements about tables the query reads."""
        answers = []
        for statement in statements:
            if set(statement.split()[1:3]) & set(self.reads):
                self.run(statement)
                answers.append(self.compare(query))
        return answers

    def compare(self, query: Query) -> Rows:
        """The view's rows, which must be DuckDB's answer."""
        expected = answer_of(self.theirs.sql(query.sql(SCALE_FACTOR)).to_arrow_table()).rows
        got = answer_of(self.ours.table(query.name)).rows
        assert rows_differ(expected, got) is None, f"{query.name}: {rows_differ(expected, got)}"
        return got


@pytest.fixture(scope="session")
def refresh(tmp_path_factory: pytest.TempPathFactory) -> Refresh:
    """All tables at the tests' scale factor, generated once for all workers; an order in twenty is new, one old."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if base.name.startswith("popen-") else base
    return refresh_sets(rows(SCALE_FACTOR, shared / "tpch"), share=20)


@pytest.fixture
def both(request: pytest.FixtureRequest) -> Iterator[Both]:
    """The tables of the test's query, empty."""
    with sqlengine.connect() as database:
        made = Both(database, request.getfixturevalue("query").reads)
        yield made
        made.theirs.close()


def create(both: Both, query: Query) -> None:
    """The view, whose plan computes nothing again."""
    both.ours.execute(f"CREATE MATERIALIZED VIEW {query.name} AS {query.sql(SCALE_FACTOR)}")
    plan = str(both.ours.execute(f"EXPLAIN {query.name}").fetchall())
    assert "maintained incrementally" in plan and "Recompute" not in plan, plan


def load(both: Both, refresh: Refresh, create_after: str, query: Query) -> None:
    """All tables, one after the other; the view is created behind the named one."""
    for table in both.reads:
        both.insert(table, refresh.initial[table])
        if table == create_after:
            create(both, query)


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.name)
def test_a_view_follows_sales_and_changes(query: Query, both: Both, refresh: Refresh) -> None:
    load(both, refresh, query.reads[len(query.reads) // 2], query)
    answers = [both.compare(query)]
    answers += both.change(REFERENCE_CHANGES, query)
    for table, added in refresh.new.items():
        if table in query.reads:
            both.insert(table, added)
            answers.append(both.compare(query))
    both.delete_orders(refresh.old.to_pylist())
    answers.append(both.compare(query))
    answers += both.change(SALES_CHANGES, query)
    assert len({rows for rows in answers if rows}) >= 3, "the changes change too little"
    for table in query.reads:
        both.run(f"DELETE FROM {table}")
        both.compare(query)


@pytest.mark.slow
def test_all_views_side_by_side_survive_a_restart(tmp_path: Path, refresh: Refresh) -> None:
    with sqlengine.connect(tmp_path) as database:
        both = Both(database, tuple(TABLES))
        for table in TABLES:
            both.insert(table, refresh.initial[table])
        for query in QUERIES:
            create(both, query)
            both.compare(query)
    with sqlengine.connect(tmp_path) as both.ours:
        for table, added in refresh.new.items():
            both.insert(table, added)
        both.delete_orders(refresh.old.to_pylist())
        for statement in (*REFERENCE_CHANGES, *SALES_CHANGES):
            both.run(statement)
        for query in QUERIES:
            both.compare(query)
    both.theirs.close()
