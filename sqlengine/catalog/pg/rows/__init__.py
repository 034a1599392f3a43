"""The rows of PostgreSQL's catalog: ROWS maps a relation's qualified name to the function that makes them.

A function takes the Facts and gives one mapping a row; a column that it leaves out is NULL, or zero, false or empty
where it must not be NULL.  A relation without a function has no rows: there is nothing of its kind here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pyarrow as pa

from sqlengine.catalog.pg.facts import Facts
from sqlengine.catalog.pg.relations import PgRelation
from sqlengine.catalog.pg.rows import (
    classes,
    constraints,
    fixed,
    information_schema,
    procs,
    session,
    statistics,
    table_functions,
    types,
    views,
)

ROWS = {
    **classes.ROWS,
    **constraints.ROWS,
    **fixed.ROWS,
    **information_schema.ROWS,
    **procs.ROWS,
    **session.ROWS,
    **statistics.ROWS,
    **table_functions.ROWS,
    **types.ROWS,
    **views.ROWS,
}

CHANGING = frozenset({"pg_catalog.pg_class", *session.ROWS, *statistics.ROWS, *views.CHANGING})
"""Relations whose rows depend on more than the objects there are."""

FIXED: dict[str, Callable[[Facts], classes.Rows]] = {"pg_catalog.pg_class": classes.system_classes}
"""Rows that never change of relations that do."""


def rows_of(relation: PgRelation, facts: Facts) -> pa.Table:
    """All rows of a system relation but its FIXED ones, its columns as they go through the executor."""
    make = ROWS.get(relation.name)
    return _table(relation, make(facts) if make is not None else ())


def fixed_rows(relation: PgRelation, facts: Facts) -> pa.Table | None:
    """The FIXED rows of a relation, None when it has none."""
    make = FIXED.get(relation.name)
    return None if make is None else _table(relation, make(facts))


def _table(relation: PgRelation, rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    made = list(rows)
    arrays = []
    for column in relation.columns:
        empty = _empty(column.type) if column.not_null else None
        arrays.append(pa.array([row.get(column.name, empty) for row in made], column.type))
    return pa.table(arrays, names=[c.name for c in relation.columns])


def _empty(dtype: pa.DataType) -> Any:
    if pa.types.is_list(dtype):
        return []
    if pa.types.is_boolean(dtype):
        return False
    if pa.types.is_binary(dtype):
        return b""
    return "" if pa.types.is_string(dtype) else 0
