"""What the benchmarks share that measure ours next to DuckDB: one answer of DuckDB, equality of answers, reports."""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Mapping, Sequence

import duckdb
import pyarrow as pa

from sqlengine.duck import normalise


def run_duckdb(
    tables: Mapping[str, pa.Table], text: str, threads: int, setup: Sequence[str] = ()
) -> tuple[float, pa.Table]:
    """Seconds for one answer over Arrow tables, and the answer; `setup` is run before the clock starts.

    Integers are divided as PostgreSQL and our engine divide them.
    """
    with duckdb.connect(config={"threads": threads, "integer_division": True}) as connection:
        for statement in ("SET TimeZone = 'UTC'", *setup):
            connection.execute(statement)
        for name, table in tables.items():
            connection.register(name, table)
        gc.collect()
        started = time.perf_counter()
        answer = connection.sql(text).to_arrow_table()
        return time.perf_counter() - started, answer


def same(ours: pa.Table, theirs: pa.Table) -> bool:
    """Equal as multisets of rows, types aside; fractions to nine digits."""
    if ours.num_rows != theirs.num_rows or ours.num_columns != theirs.num_columns:
        return False
    fractions = [_is_fraction(a.type) or _is_fraction(b.type) for a, b in zip(ours.schema, theirs.schema)]
    with duckdb.connect() as connection:
        for name, table in (("ours", ours), ("theirs", normalise(theirs))):
            connection.register(name, table.rename_columns([f"c{i}" for i in range(table.num_columns)]))
        columns = ", ".join(f"format('{{:.8e}}', c{i}::DOUBLE)" if f else f"c{i}" for i, f in enumerate(fractions))
        missing = f"SELECT count(*) FROM (SELECT {columns} FROM ours EXCEPT ALL SELECT {columns} FROM theirs)"
        return connection.execute(missing).fetchone() == (0,)


def _is_fraction(kind: pa.DataType) -> bool:
    return pa.types.is_floating(kind) or pa.types.is_decimal(kind)


def report(
    case: str, engine: str, value: float, unit: str, ratio: float | None = None, bar: float | None = None
) -> None:
    """Print one measurement for benchmarks/run.py; `ratio` is compared with `bar` where there is one."""
    line = {"case": case, "engine": engine, "value": float(f"{value:.4g}"), "unit": unit}
    if ratio is not None:
        line |= {"ratio": float(f"{ratio:.4g}"), "bar": bar, "met": None if bar is None else ratio >= bar}
    print(json.dumps(line), flush=True)
