"""Rows in whatever form Python users have them, as an Arrow table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from sqlengine.errors import DatatypeMismatch, InterfaceError


def to_table(rows: Any, columns: Sequence[str]) -> tuple[pa.Table, list[str] | None]:
    """(table, names of its columns or None when they are by position).

    Accepts Arrow objects, frames with `__arrow_c_stream__` (pandas, Polars, DuckDB), lists of mappings, of tuples.
    """
    if isinstance(rows, pa.Table):
        return rows, rows.schema.names
    if isinstance(rows, pa.RecordBatch):
        return pa.Table.from_batches([rows]), rows.schema.names
    if hasattr(rows, "__arrow_c_stream__"):
        table = pa.table(rows)
        return table, table.schema.names
    if isinstance(rows, dict):
        table = pa.table(rows)
        return table, table.schema.names
    listed = list(rows)
    if not listed:
        return pa.table({n: pa.nulls(0) for n in columns}), list(columns)
    return _listed(listed, columns)


def _listed(rows: list[Any], columns: Sequence[str]) -> tuple[pa.Table, list[str] | None]:
    try:
        if isinstance(rows[0], dict):
            names = list(dict.fromkeys(k for row in rows for k in row))
            return pa.table({n: pa.array([row.get(n) for row in rows]) for n in names}), names
        if isinstance(rows[0], (tuple, list)):
            width = len(rows[0])
            if any(len(row) != width for row in rows):
                raise InterfaceError("all rows must have the same number of values")
            arrays = [pa.array([row[i] for row in rows]) for i in range(width)]
            return pa.table(arrays, names=[f"column{i + 1}" for i in range(width)]), None
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise DatatypeMismatch(f"the rows' values do not have one type per column: {error}") from None
    raise InterfaceError(
        f"cannot insert rows of type {type(rows[0]).__name__}", hint="give tuples, dicts, Arrow or a data frame"
    )
