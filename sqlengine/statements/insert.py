"""INSERT, UPDATE, DELETE."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from sqlengine import duck, sql
from sqlengine.catalog.objects import Stream, Table
from sqlengine.errors import (
    NotNullViolation,
    NotSupportedError,
    UndefinedColumn,
    UniqueViolation,
    WrongObjectType,
    did_you_mean,
)
from sqlengine.result import Result
from sqlengine.runtime.rows import conform
from sqlengine.sql import ast
from sqlengine.statements.context import Context
from sqlengine.statements.select import run_snapshot
from sqlengine.statements.write import (
    append_changes,
    default_of,
    existing_rows,
    first_repeat,
    writable,
    write_rows,
)


def insert(statement: ast.Insert, context: Context) -> Result:
    """INSERT INTO target [(columns)] query [ON CONFLICT ...] [RETURNING ...]."""
    target = writable(context, statement.target)
    rows = run_snapshot(context, statement.query)
    named = statement.columns or None
    if statement.conflict is not None:
        count = _upsert(context, target, rows, statement)
    else:
        count = write_rows(context, target, rows, named)
    tag = f"INSERT 0 {count}"
    if statement.returning:
        stored = conform(rows, target.stored_columns(), named, default_of(context))
        return Result(tag, _returning(stored, statement.returning), row_count=count)
    return Result(tag, row_count=count)


def _returning(rows: pa.Table, items: tuple[str, ...]) -> pa.Table:
    connection = duck.connection()
    connection.register("returned", rows)
    try:
        return duck.normalise(connection.execute(f"SELECT {', '.join(items)} FROM returned").to_arrow_table())
    except Exception as error:
        raise duck.translate_error(error) from error
    finally:
        connection.unregister("returned")


def _upsert(context: Context, target: Stream | Table, rows: pa.Table, statement: ast.Insert) -> int:
    """ON CONFLICT: rows whose key exists are skipped, or replace the old row's columns."""
    if not isinstance(target, Table) or not target.primary_key:
        raise WrongObjectType(f'"{target.name}" has no primary key to conflict with')
    if statement.conflict_columns and set(statement.conflict_columns) != set(target.primary_key):
        raise WrongObjectType(
            "there is no unique constraint matching the ON CONFLICT specification",
            sqlstate="42P10",
            hint=f"the primary key is ({', '.join(target.primary_key)})",
        )
    new = conform(rows, target.stored_columns(), statement.columns or None, default_of(context))
    with context.instance.lock:
        context.instance.catch_up(context.check)
        if (repeat := first_repeat(target, new)) is not None and statement.conflict == "update":
            raise WrongObjectType(
                "ON CONFLICT DO UPDATE cannot affect a row a second time",
                sqlstate="21000",
                detail=f"row {repeat + 1} has the key of an earlier one",
            )
        if repeat is not None:
            new = _first_of_each_key(target, new)
        positions, old = existing_rows(context, target, new)
        fresh = np.ones(new.num_rows, dtype=bool)
        fresh[positions] = False
        if statement.conflict == "nothing":
            kept = new.filter(pa.array(fresh))
            append_changes(context, target, kept, None)
            return int(kept.num_rows)
        old_table = pa.Table.from_batches([old]).select([c.name for c in target.stored_columns()])
        merged = _merge(target, old_table, new.take(pa.array(positions)), statement)
        everything = pa.concat_tables([old_table, merged, new.filter(pa.array(fresh))])
        weights = np.ones(everything.num_rows, dtype=np.int8)
        weights[: old_table.num_rows] = -1
        append_changes(context, target, everything, weights)
    return int(new.num_rows)


def _first_of_each_key(table: Table, rows: pa.Table) -> pa.Table:
    numbered = rows.append_column("$row", pa.array(np.arange(rows.num_rows)))
    firsts = numbered.group_by(list(table.primary_key), use_threads=False).aggregate([("$row", "min")])
    return rows.take(firsts.column("$row_min").combine_chunks().sort())


def _merge(table: Table, old: pa.Table, new: pa.Table, statement: ast.Insert) -> pa.Table:
    """DO UPDATE SET: expressions over the old row (by its own names) and the new one (as excluded)."""
    if not statement.conflict_set:
        return new
    assigned = dict(statement.conflict_set)
    names = [c.name for c in table.stored_columns()]
    _check_assigned(table, list(assigned))
    items = ", ".join(f"{assigned[n] if n in assigned else 'o.' + duck.quote(n)} AS {duck.quote(n)}" for n in names)
    relation = duck.quote(table.name.rpartition(".")[2])
    text = (
        f"SELECT {items.replace('o.', relation + '.')} FROM old_rows AS {relation} POSITIONAL JOIN new_rows AS excluded"
    )
    connection = duck.connection()
    connection.register("old_rows", old)
    connection.register("new_rows", new)
    try:
        merged = duck.normalise(connection.sql(text).to_arrow_table())
    except Exception as error:
        raise duck.translate_error(error) from error
    finally:
        connection.unregister("old_rows")
        connection.unregister("new_rows")
    return _conformed(table, merged)


def _conformed(table: Table, rows: pa.Table) -> pa.Table:
    def no_default(info: object, count: int) -> pa.Array:
        raise NotNullViolation("a column is missing")

    return conform(rows, table.stored_columns(), None, no_default)


def _check_assigned(table: Table, names: list[str]) -> None:
    known = [c.name for c in table.stored_columns()]
    for name in names:
        if name not in known:
            raise UndefinedColumn(
                f'column "{name}" of relation "{table.name}" does not exist', hint=did_you_mean(name, known)
            )


def _keyed_target(context: Context, name: tuple[str, ...], verb: str) -> Table:
    target = writable(context, name)
    if not isinstance(target, Table) or target.append_only:
        raise WrongObjectType(
            f'cannot {verb} "{target.name}": a {target.kind} is append-only', hint="use a TABLE for rows that change"
        )
    return target


def update(statement: ast.Update, context: Context) -> Result:
    """UPDATE target SET ... [FROM ...] [WHERE ...]."""
    table = _keyed_target(context, statement.target, "update")
    _check_assigned(table, [n for n, _ in statement.assignments])
    assigned = dict(statement.assignments)
    names = [c.name for c in table.stored_columns()]
    alias = statement.alias or table.name.rpartition(".")[2]
    old_items = ", ".join(f"{duck.quote(alias)}.{duck.quote(n)}" for n in names)
    new_items = ", ".join(
        f"({assigned[n]}) AS {duck.quote('$new_' + n)}"
        if n in assigned
        else f"{duck.quote(alias)}.{duck.quote(n)} AS {duck.quote('$new_' + n)}"
        for n in names
    )
    text = f"SELECT {old_items}, {new_items} FROM {_spelt(table)} AS {duck.quote(alias)}"
    if statement.from_text:
        text += f", {statement.from_text}"
    if statement.where:
        text += f" WHERE {statement.where}"
    with context.instance.lock:
        both = run_snapshot(context, sql.parse_query(text))
        old, new = both.select(range(len(names))), both.select(range(len(names), 2 * len(names))).rename_columns(names)
        new = _conformed(table, new)
        _refuse_moved_keys(context, table, old, new)
        weights = np.concatenate([-np.ones(old.num_rows, np.int8), np.ones(new.num_rows, np.int8)])
        append_changes(context, table, pa.concat_tables([_conformed(table, old), new]), weights)
    return Result(f"UPDATE {new.num_rows}", row_count=new.num_rows)


def _refuse_moved_keys(context: Context, table: Table, old: pa.Table, new: pa.Table) -> None:
    """A changed primary key must not meet another row's."""
    key = list(table.primary_key)
    if not key or old.select(key).equals(new.select(key)):
        return
    positions, _ = existing_rows(context, table, new)
    moved = {tuple(r.values()) for r in old.select(key).to_pylist()}
    taken = [r for r in new.select(key).take(pa.array(positions)).to_pylist() if tuple(r.values()) not in moved]
    if taken or first_repeat(table, new) is not None:
        raise UniqueViolation(f'duplicate key value violates unique constraint "{table.name}_pkey"')


def delete(statement: ast.Delete, context: Context) -> Result:
    """DELETE FROM target [USING ...] [WHERE ...]."""
    table = _keyed_target(context, statement.target, "delete from")
    if statement.using_text:
        raise NotSupportedError("DELETE ... USING is not supported yet", hint="use WHERE ... IN (SELECT ...)")
    names = [c.name for c in table.stored_columns()]
    alias = statement.alias or table.name.rpartition(".")[2]
    items = ", ".join(f"{duck.quote(alias)}.{duck.quote(n)}" for n in names)
    text = f"SELECT {items} FROM {_spelt(table)} AS {duck.quote(alias)}"
    if statement.where:
        text += f" WHERE {statement.where}"
    with context.instance.lock:
        old = _conformed(table, run_snapshot(context, sql.parse_query(text)))
        append_changes(context, table, old, -np.ones(old.num_rows, np.int8))
    return Result(f"DELETE {old.num_rows}", row_count=old.num_rows)


def _spelt(table: Table) -> str:
    return ".".join(duck.quote(part) for part in table.name.split("."))
