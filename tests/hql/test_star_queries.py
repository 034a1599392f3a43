"""Ninety-nine queries of decision support in Hive's SQL give DuckDB's rows, in the order they ask for.

DuckDB runs sqlglot's translation (star_oracle.py) over the same random rows.  Hive's quotients and means of decimals
are decimals of six digits and more, DuckDB's are doubles: numbers may differ by one part in a million.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import sqlengine
from tests.hql.star_oracle import for_duckdb, limited, ordered_by
from tests.hql.star_queries import queries, tables
from tests.hql.star_rows import star_rows

SEED = 3
"""With these rows no query's answer is empty."""
QUERIES = queries()
Both = tuple[sqlengine.Database, duckdb.DuckDBPyConnection]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    files: Path = tmp_path_factory.mktemp("files")
    content = star_rows(SEED)
    theirs = duckdb.connect()
    with sqlengine.connect(dialect="hive") as ours:
        for name, columns in tables().items():
            (files / name).mkdir()
            pq.write_table(content[name], files / name / "part-0.parquet")
            ours.execute(f"CREATE EXTERNAL TABLE {name} ({columns}) STORED AS PARQUET LOCATION '{files / name}'")
            theirs.from_arrow(content[name]).create(name)
        yield ours, theirs
    theirs.close()


def test_there_are_ninety_nine_that_are_planned(both: Both) -> None:
    assert len(QUERIES) == 99
    plan = [row[0] for row in both[0].execute(f"EXPLAIN {QUERIES['store-01']}").fetchall()]
    assert plan[-1] == "answered once, by the operators of views"


@pytest.mark.parametrize("name", QUERIES)
def test_gives_duckdbs_rows(both: Both, name: str) -> None:
    ours, theirs = both
    text, limit = limited(QUERIES[name])
    got = ours.execute(text).to_arrow()
    expected = theirs.sql(for_duckdb(text)).to_arrow_table()
    assert expected.num_rows
    assert_same(in_any_order(rows(got)), in_any_order(rows(expected)))
    keys = [got.schema.names.index(key) for key in ordered_by(text)]
    assert_same([[row[i] for i in keys] for row in rows(got)], [[row[i] for i in keys] for row in rows(expected)])
    if limit is not None and limit < got.num_rows:
        assert ours.execute(QUERIES[name]).to_arrow().num_rows == limit


def rows(table: pa.Table) -> list[list[Any]]:
    """Rows in order: numbers as floats, arrays (of sets) sorted."""
    columns = [[_value(value) for value in column.to_pylist()] for column in table.columns]
    return [list(row) for row in zip(*columns, strict=True)]


def _value(value: Any) -> Any:
    if isinstance(value, (Decimal, int)):
        return float(value)
    return sorted(value) if isinstance(value, list) else value


def in_any_order(found: list[list[Any]]) -> list[list[Any]]:
    """Sorted, by a few digits of each number."""
    return sorted(found, key=lambda row: [f"{value:.4g}" if isinstance(value, float) else str(value) for value in row])


def assert_same(got: Sequence[Sequence[Any]], expected: Sequence[Sequence[Any]]) -> None:
    """The same rows, numbers within one part in a million."""
    assert len(got) == len(expected)
    for row, wanted in zip(got, expected, strict=True):
        assert len(row) == len(wanted)
        for a, b in zip(row, wanted, strict=True):
            assert a == (pytest.approx(b, rel=1e-6) if isinstance(b, float) else b), (row, wanted)
