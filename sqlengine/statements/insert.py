"""INSERT and its ON CONFLICT."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from sqlengine import duck
from sqlengine.catalog.objects import Stream, Table
from sqlengine.errors import WrongObjectType
from sqlengine.result import Result
from sqlengine.runtime.rows import conform
from sqlengine.snapshot.execute import run
from sqlengine.snapshot.expand import Expanded
from sqlengine.sql import ast
from sqlengine.statements.change import changed_rows, check_assigned, conformed
from sqlengine.statements.context import Context
from sqlengine.statements.given_defaults import with_defaults, without_defaults
from sqlengine.statements.select import run_snapshot
from sqlengine.statements.write import (
    append_changes,
    check_given,
    default_of,
    existing_rows,
    first_of_each_key,
    first_repeat,
    writable,
    write_rows,
)


def insert(statement: ast.Insert, context: Context) -> Result:
    """INSERT INTO target [(columns)] query [ON CONFLICT ...] [RETURNING ...]."""
    target = writable(context, statement.target)
    statement = without_defaults(context, target, statement)
    given = statement.query.rows
    rows = run_snapshot(context, statement.query) if given is None else given
    named = statement.columns or None
    if statement.conflict is not None:
        stored = _upsert(context, target, rows, statement)
    else:
        stored = write_rows(context, target, rows, named)
    return changed_rows(context, f"INSERT 0 {stored.num_rows}", target, stored, statement.returning)


def _upsert(context: Context, target: Stream | Table, rows: pa.Table, statement: ast.Insert) -> pa.Table:
    """ON CONFLICT: rows whose key exists are skipped, or replace the old row's columns; the rows written."""
    if not isinstance(target, Table) or not target.primary_key:
        raise WrongObjectType(f'"{target.name}" has no primary key to conflict with')
    if statement.conflict_columns and set(statement.conflict_columns) != set(target.primary_key):
        raise WrongObjectType(
            "there is no unique constraint matching the ON CONFLICT specification",
            sqlstate="42P10",
            hint=f"the primary key is ({', '.join(target.primary_key)})",
        )
    check_given(target, rows, statement.columns or None)
    new = conform(rows, target.stored_columns(), statement.columns or None, default_of(context, target))
    with context.instance.lock:
        context.instance.catch_up(context.check)
        if (repeat := first_repeat(target, new)) is not None and statement.conflict == "update":
            raise WrongObjectType(
                "ON CONFLICT DO UPDATE cannot affect a row a second time",
                sqlstate="21000",
                detail=f"row {repeat + 1} has the key of an earlier one",
            )
        if repeat is not None:
            new = first_of_each_key(target, new)
        positions, old = existing_rows(context, target, new)
        fresh = np.ones(new.num_rows, dtype=bool)
        fresh[positions] = False
        if statement.conflict == "nothing":
            kept = new.filter(pa.array(fresh))
            append_changes(context, target, kept, None)
            return kept
        old_table = pa.Table.from_batches([old]).select([c.name for c in target.stored_columns()])
        merged = _merge(context, target, old_table, new.take(pa.array(positions)), statement)
        everything = pa.concat_tables([old_table, merged, new.filter(pa.array(fresh))])
        weights = np.ones(everything.num_rows, dtype=np.int8)
        weights[: old_table.num_rows] = -1
        append_changes(context, target, everything, weights)
    return everything.slice(old_table.num_rows)


def _merge(context: Context, table: Table, old: pa.Table, new: pa.Table, statement: ast.Insert) -> pa.Table:
    """DO UPDATE SET: expressions over the old row (by its own names) and the new one (as excluded)."""
    if not statement.conflict_set:
        return new
    assigned = with_defaults(context, table, statement.conflict_set)
    names = [c.name for c in table.stored_columns()]
    check_assigned(table, list(assigned))
    items = ", ".join(f"{assigned[n] if n in assigned else 'o.' + duck.quote(n)} AS {duck.quote(n)}" for n in names)
    relation = duck.quote(table.name.rpartition(".")[2])
    text = (
        f"SELECT {items.replace('o.', relation + '.')} FROM old_rows AS {relation} POSITIONAL JOIN new_rows AS excluded"
    )
    merged = run(Expanded(text, {}), {"old_rows": old, "new_rows": new}, context.instance.clock.now_us())
    return conformed(table, merged)
