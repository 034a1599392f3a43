"""INSERT and its ON CONFLICT."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from sqlengine import duck, sql
from sqlengine.catalog.objects import FileTable, IndexInfo, Stream, Table
from sqlengine.errors import UndefinedColumn, WrongObjectType, did_you_mean
from sqlengine.functions.casting import cast_kernel
from sqlengine.result import Result
from sqlengine.runtime.rows import conform
from sqlengine.runtime.stored_columns import stored_names, widened
from sqlengine.snapshot.execute import run
from sqlengine.snapshot.expand import Expanded
from sqlengine.sql import ast
from sqlengine.state.key_index import KeyIndex
from sqlengine.statements import key_values
from sqlengine.statements.change import changed_rows, check_assigned, conformed, refuse_taken_keys
from sqlengine.statements.context import Context
from sqlengine.statements.followed_files import levelled
from sqlengine.statements.given_defaults import with_defaults, without_defaults
from sqlengine.statements.hive.rows import refuse_in_transaction, write_files
from sqlengine.statements.one_statement import computes, lending
from sqlengine.statements.own_writes import has_written
from sqlengine.statements.select import run_snapshot, run_text
from sqlengine.statements.write import (
    append_changes,
    check_given,
    check_unique,
    default_of,
    existing_rows,
    first_of_each_key,
    writable,
    write_rows,
)
from sqlengine.types import from_sql


def insert(statement: ast.Insert, context: Context) -> Result:
    """INSERT INTO target [(columns)] query [ON CONFLICT ...] [RETURNING ...]."""
    files = context.instance.catalog.find(context.prefer_path(statement.target))
    if isinstance(files, FileTable):
        return _into_files(statement, files, context)
    target = writable(context, statement.target)
    statement = without_defaults(context, target, statement)
    rows = _rows(statement, context)
    named = statement.columns or None
    if statement.conflict is not None:
        stored = _upsert(context, target, rows, statement)
    else:
        stored = write_rows(context, target, rows, named)
    return changed_rows(context, f"INSERT 0 {stored.num_rows}", target, stored, statement)


def _rows(statement: ast.Insert, context: Context) -> pa.Table:
    """What a query answers; of VALUES that were read without a parser, with their texts as the types they are of."""
    query = statement.query
    if query.rows is None:
        return run_snapshot(context, sql.query_under(statement.with_text, query))
    given: pa.Table = query.rows
    for at, name in enumerate(query.casts):
        if name is not None:
            column = given.column(at)
            kernel = cast_kernel(column.type, from_sql(name))
            given = given.set_column(at, given.field(at).name, kernel(column.chunk(0)))
    return given


def _into_files(statement: ast.Insert, table: FileTable, context: Context) -> Result:
    """Into a table of Hive's, whose rows stand for themselves."""
    if statement.conflict is not None or statement.returning:
        raise WrongObjectType(f'table "{table.name}" is over files: INSERT has no ON CONFLICT and no RETURNING there')
    rows = _rows(statement, context)
    return rows_into_files(context, table, rows, statement.columns)


def rows_into_files(context: Context, table: FileTable, rows: pa.Table, named: Sequence[str] = ()) -> Result:
    """Rows appended to a table over files, all or none; raises what `write_files` raises."""
    refuse_in_transaction(context, table)
    written = write_files(context, table, rows, overwrite=False, named=named)
    return levelled(context, Result(f"INSERT 0 {written.rows}", row_count=written.rows))


def _upsert(context: Context, target: Stream | Table, rows: pa.Table, statement: ast.Insert) -> pa.Table:
    """ON CONFLICT: rows whose key exists are skipped, or replace the old row's columns; the rows written."""
    names = [column.name for column in target.columns]
    if (unknown := next((name for name in statement.conflict_columns if name not in names), None)) is not None:
        raise UndefinedColumn(f'column "{unknown}" does not exist', hint=did_you_mean(unknown, names))
    keys = _arbiters(target, statement)
    assert isinstance(target, Table)
    check_given(target, rows, statement.columns or None)
    given, default = statement.columns or None, default_of(context, target)
    new = conform(rows, target.stored_columns(), given, default, target.name, target.key_columns)
    with context.instance.lock:
        context.catch_up()
        if statement.conflict == "nothing":
            kept = _unopposed(context, target, new, keys)
            check_unique(context, target, kept, but=keys)
            append_changes(context, target, kept, None)
            return kept
        if len(again := key_values.repeats(new, keys[0], target)):
            raise WrongObjectType(
                "ON CONFLICT DO UPDATE command cannot affect row a second time",
                sqlstate="21000",
                detail=f"row {int(again[0]) + 1} has the key of an earlier one",
            )
        positions, old = existing_rows(context, target, new, keys[0])
        if has_written(context, target, old):
            raise WrongObjectType(
                "ON CONFLICT DO UPDATE command cannot affect row a second time",
                sqlstate="21000",
                detail="another part of the statement has written the row",
            )
        fresh = np.ones(new.num_rows, dtype=bool)
        fresh[positions] = False
        old_table = pa.Table.from_batches([old]).select([c.name for c in target.stored_columns()])
        merged = _merge(context, target, old_table, new.take(pa.array(positions)), statement)
        come = pa.concat_tables([merged, new.filter(pa.array(fresh))])
        refuse_taken_keys(context, target, old_table, come)
        weights = np.ones(old_table.num_rows + come.num_rows, dtype=np.int8)
        weights[: old_table.num_rows] = -1
        append_changes(context, target, pa.concat_tables([old_table, come]), weights)
    return come


def _arbiters(target: Stream | Table, statement: ast.Insert) -> tuple[IndexInfo, ...]:
    """The unique keys on which rows conflict: that of the columns named; DO NOTHING without columns means all of them,
    DO UPDATE the primary key."""
    known = target.unique_keys() if isinstance(target, Table) else ()
    wanted = set(statement.conflict_columns)
    found = tuple(key for key in known if set(key.columns) == wanted)
    if not wanted and statement.conflict == "nothing":
        found = known
    elif not wanted and isinstance(target, Table) and target.primary_key:
        found = known[:1]
    if found:
        return found if statement.conflict == "nothing" else found[:1]
    if not known:
        raise WrongObjectType(f'"{target.name}" has no primary key to conflict with')
    raise WrongObjectType(
        "there is no unique or exclusion constraint matching the ON CONFLICT specification",
        sqlstate="42P10",
        hint="; ".join(f"{key.name} is on ({', '.join(key.columns)})" for key in known),
    )


def _unopposed(context: Context, table: Table, new: pa.Table, keys: Sequence[IndexInfo]) -> pa.Table:
    """The rows that conflict with none in the table and with none of those before them that come in."""
    fresh = np.ones(new.num_rows, dtype=bool)
    for key in keys:
        fresh[existing_rows(context, table, new, key)[0]] = False
    new = new.filter(pa.array(fresh))
    if len(keys) == 1:
        return first_of_each_key(new, keys[0], table)
    if not any(len(key_values.repeats(new, key, table)) for key in keys):
        return new
    return new.filter(pa.array(_first_by_all(new, keys, table)))


def _first_by_all(rows: pa.Table, keys: Sequence[IndexInfo], table: Table) -> list[bool]:
    """Which rows come in when each is refused that has a key of one that came in before: a row that is refused refuses
    no other, so this goes from one to the next."""
    slots = np.full((rows.num_rows, len(keys)), -1, dtype=np.int64)
    for number, key in enumerate(keys):
        at, values = key_values.key_values(rows, key, table)
        slots[at, number] = KeyIndex([v.type for v in values]).insert(values, len(at))
    seen: list[set[int]] = [set() for _ in keys]
    comes = []
    for row in slots.tolist():
        comes.append(all(slot < 0 or slot not in taken for slot, taken in zip(row, seen, strict=True)))
        if comes[-1]:
            for slot, taken in zip(row, seen, strict=True):
                taken.add(slot)
    return comes


def _merge(context: Context, table: Table, old: pa.Table, new: pa.Table, statement: ast.Insert) -> pa.Table:
    """DO UPDATE SET: expressions over the old row (by its own names) and the new one (as excluded)."""
    if not statement.conflict_set:
        return new
    assigned = with_defaults(context, table, statement.conflict_set)
    names = [c.name for c in table.stored_columns()]
    check_assigned(table, list(assigned))
    relation = duck.quote(table.name.rpartition(".")[2])
    values = [assigned.get(name, f"{relation}.{duck.quote(name)}") for name in names]
    items = ", ".join(f"{value} AS {duck.quote(name)}" for name, value in zip(names, values, strict=True))
    if computes(assigned.values()):
        return conformed(table, _merged_beside(context, statement.with_text, items, relation, old, new))
    text = f"SELECT {items} FROM old_rows AS {relation} POSITIONAL JOIN new_rows AS excluded"
    was = stored_names(table.columns)
    whole = {"old_rows": widened(old, table, was), "new_rows": widened(new, table, was)}
    merged = run(Expanded(text, {}), whole, context.now_us)
    return conformed(table, merged)


def _merged_beside(
    context: Context, with_text: str, items: str, relation: str, old: pa.Table, new: pa.Table
) -> pa.Table:
    """The same where expressions call functions or read other tables: the pairs are joined by their numbers."""
    numbers = pa.array(np.arange(old.num_rows))
    pairs = {"$old": old.append_column("$row", numbers), "$new": new.append_column("$row", numbers)}
    joined = f'"$old" AS {relation} JOIN "$new" AS excluded ON {relation}."$row" = excluded."$row"'
    text = f'{with_text} SELECT {items} FROM {joined} ORDER BY {relation}."$row"'
    with lending(context, pairs):
        return run_text(context, text)
