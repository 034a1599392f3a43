"""Running an expanded query on DuckDB over Arrow tables."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa

from sqlengine import duck, sql
from sqlengine.errors import Error
from sqlengine.functions.casting import retyped
from sqlengine.snapshot import pg
from sqlengine.snapshot.expand import Expanded, typed
from sqlengine.snapshot.jsonb import as_jsonb

_BY_ARRIVAL = re.compile(r"\b(?:first|last|list|array_agg|string_agg|any_value)\(", re.IGNORECASE)
"""Aggregates whose answer depends on the order of rows.  DuckDB reads the batches of a table side by side, so that
theirs is kept within a batch only."""


def run(
    expanded: Expanded,
    tables: Mapping[str, pa.Table],
    now_us: int,
    on_start: Callable[[Any], None] | None = None,
    statement: str = pg.NOBODY,
    tick: int = 0,
    keeps_oids: Callable[[int], bool] = lambda position: False,
) -> pa.Table:
    """The whole answer, with our types; `on_start` is handed the connection so that it can be interrupted, `statement`
    is the number under which PostgreSQL's functions are answered (snapshot/pg.py); `tick`: that after which the tables
    were so; `keeps_oids` is asked whether a column of a reg* type is answered as numbers instead of names.

    Raises what `duck.translate_error` makes of DuckDB's errors.
    """
    connection = duck.connection()
    names: dict[str, str] = {}
    ordered = _BY_ARRIVAL.search(expanded.text) is not None
    values = {
        sql.NOW: duck.now_literal(now_us),
        sql.STATEMENT: statement,
        sql.TICK: f"CAST({tick} AS BIGINT)",
    }
    text = sql.fill_marks(expanded.text, values)
    try:
        for name, table in tables.items():
            names[name] = name
            connection.register(name, duck.lent(table.combine_chunks() if ordered else table))
        if on_start is not None:
            on_start(connection)
        answer = connection.sql(text).to_arrow_table()
        table = duck.normalise(answer)
        if expanded.only_jsonb:
            table = retyped(table, [as_jsonb(column.type) for column in table.columns])
    except Error:  # it has been cancelled before it began
        raise
    except Exception as error:
        raise duck.translated(error) from error
    finally:
        for name in names:
            connection.unregister(name)
    if len(expanded.pg_types) != table.num_columns:
        return table
    kinds = pg.with_oids(expanded.pg_types, answer.schema)
    return pg.printed(table, typed(table.schema, kinds), kinds, statement, keeps_oids)
