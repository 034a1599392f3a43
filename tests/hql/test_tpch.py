"""TPC-H's queries in Hive's SQL over partitioned tables of ORC and Parquet files give DuckDB's rows.

Hive's quotients and means of decimals are decimals of six digits and more, DuckDB's are doubles: numbers may differ by
one part in a million.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import sqlengine
from benchmarks.tpch.data import TABLES, rows
from benchmarks.tpch.queries import QUERIES, Query
from tests.collectors.executor import answer_of

SCALE_FACTOR = 0.01
PARTITIONED = {"lineitem": ("l_shipmode", "ORC"), "orders": ("o_orderpriority", "PARQUET")}
"""Tables of which a column is in the directories' names, and their format; the others are one directory each."""


def in_hive(text: str) -> str:
    """The standard's spellings as Hive has them."""
    text = re.sub(r"INTERVAL '(\d+) (day|month|year)s?'", r"INTERVAL '\1' \2", text)
    text = re.sub(r"extract\(YEAR FROM (\w+)\)", r"year(\1)", text)
    return re.sub(r"substring\((\w+) FROM (\d+) FOR (\d+)\)", r"substr(\1, \2, \3)", text)


def hive_columns(table: str) -> dict[str, str]:
    """Column -> type, in Hive's words."""
    text = re.sub(r",? ?PRIMARY KEY( \([^)]*\))?", "", TABLES[table])
    found = re.findall(r"(\w+) (INTEGER|DATE|(?:CHAR|VARCHAR|NUMERIC)\([\d,]+\))", text)
    return {name: {"INTEGER": "int"}.get(kind, kind.replace("NUMERIC", "decimal").lower()) for name, kind in found}


def create(database: sqlengine.Database, table: str, folder: Path) -> None:
    """The table over files as a generator wrote them, or filled from such a table by partitions."""
    columns = hive_columns(table)
    listed = ", ".join(f"{name} {kind}" for name, kind in columns.items())
    name = f"raw_{table}" if table in PARTITIONED else table
    database.execute(f"CREATE EXTERNAL TABLE {name} ({listed}) STORED AS PARQUET LOCATION '{folder}'")
    if table not in PARTITIONED:
        return
    key, form = PARTITIONED[table]
    stored = [column for column in columns if column != key]
    listed = ", ".join(f"{column} {columns[column]}" for column in stored)
    database.execute(f"CREATE TABLE {table} ({listed}) PARTITIONED BY ({key} string) STORED AS {form}")
    items = ", ".join([*stored, key])
    database.execute(f"INSERT OVERWRITE TABLE {table} PARTITION ({key}) SELECT {items} FROM {name}")


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[sqlengine.Database, duckdb.DuckDBPyConnection]]:
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if base.name.startswith("popen-") else base
    data = rows(SCALE_FACTOR, shared / "tpch")
    files = tmp_path_factory.mktemp("files")
    theirs = duckdb.connect()
    with sqlengine.connect(str(tmp_path_factory.mktemp("database")), dialect="hive") as ours:
        for table, content in data.items():
            (files / table).mkdir()
            pq.write_table(content, files / table / "part-0.parquet")
            create(ours, table, files / table)
            theirs.from_arrow(content).create(table)
        yield ours, theirs
    theirs.close()


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.name)
def test_gives_duckdbs_rows(both: tuple[sqlengine.Database, duckdb.DuckDBPyConnection], query: Query) -> None:
    ours, theirs = both
    text = query.sql(SCALE_FACTOR)
    expected = cells(theirs.sql(text).to_arrow_table())
    got = cells(ours.execute(in_hive(text)).to_arrow())
    assert len(got) == len(expected) and expected
    for wanted, row in zip(expected, got, strict=True):
        for a, b in zip(wanted, row, strict=True):
            assert b == (pytest.approx(a, rel=1e-6) if isinstance(a, float) else a), (wanted, row)


def cells(table: pa.Table) -> list[tuple[str | float | None, ...]]:
    """Rows in order, numbers as floats, texts without the blanks that CHAR pads with."""
    return sorted(
        (tuple(cell(value) for value in row) for row in answer_of(table).rows), key=lambda row: [str(v) for v in row]
    )


def cell(value: str | None) -> str | float | None:
    try:
        return None if value is None else round(float(value), 4)
    except ValueError:
        return str(value).rstrip()
