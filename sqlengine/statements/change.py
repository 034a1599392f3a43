"""UPDATE and DELETE, and the RETURNING clause of every statement that changes rows.

Which rows change is a snapshot query over the table; the change itself is a batch of rows with weights appended to the
table's changelog.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from sqlengine import duck, sql
from sqlengine.catalog.objects import IndexInfo, Stream, Table
from sqlengine.errors import NotNullViolation, UndefinedColumn, WrongObjectType, did_you_mean
from sqlengine.result import Result
from sqlengine.runtime.rows import conform
from sqlengine.runtime.stored_columns import stored_names, widened
from sqlengine.snapshot.execute import run
from sqlengine.snapshot.expand import Expanded
from sqlengine.sql import ast
from sqlengine.statements import key_values
from sqlengine.statements.constraints import refuse_given
from sqlengine.statements.context import Context
from sqlengine.statements.given_defaults import with_defaults
from sqlengine.statements.one_statement import computes, lending
from sqlengine.statements.own_writes import left_alone
from sqlengine.statements.returned import CHANGED, Beside, beside, with_beside
from sqlengine.statements.select import run_text
from sqlengine.statements.write import append_changes, existing_rows, first_of_each_key, writable


def update(statement: ast.Update, context: Context) -> Result:
    """UPDATE target SET ... [FROM ...] [WHERE ...] [RETURNING ...]."""
    table = changeable(context, statement.target, "update")
    check_assigned(table, [n for n, _ in statement.assignments])
    refuse_given(table, [n for n, _ in statement.assignments])
    given = with_defaults(context, table, statement.assignments)
    names = [c.name for c in table.stored_columns()]
    alias = duck.quote(statement.alias or last_part(table))
    after = [f"({given[n]})" if n in given else f"{alias}.{duck.quote(n)}" for n in names]
    made = [f"{text} AS {duck.quote('$new_' + n)}" for n, text in zip(names, after, strict=True)]
    with context.instance.lock:
        others = _others(context, table, statement, statement.from_text)
        made += [item for other in others for item in other.items()]
        both = _matching(context, table, alias, made, statement, statement.from_text)
        old = conformed(table, both.select(range(len(names))))
        new = conformed(table, both.select(range(len(names), 2 * len(names))).rename_columns(names))
        refuse_taken_keys(context, table, old, new)
        weights = np.concatenate([-np.ones(old.num_rows, np.int8), np.ones(new.num_rows, np.int8)])
        append_changes(context, table, pa.concat_tables([old, new]), weights)
    return changed_rows(context, f"UPDATE {new.num_rows}", table, new, statement, {o: o.of(both) for o in others})


def delete(statement: ast.Delete, context: Context) -> Result:
    """DELETE FROM target [USING ...] [WHERE ...] [RETURNING ...]."""
    table = changeable(context, statement.target, "delete from")
    alias = duck.quote(statement.alias or last_part(table))
    with context.instance.lock:
        others = _others(context, table, statement, statement.using_text)
        items = [item for other in others for item in other.items()]
        found = _matching(context, table, alias, items, statement, statement.using_text)
        old = conformed(table, found.select(range(len(table.stored_columns()))))
        append_changes(context, table, old, -np.ones(old.num_rows, np.int8))
    return changed_rows(context, f"DELETE {old.num_rows}", table, old, statement, {o: o.of(found) for o in others})


def _others(
    context: Context, table: Table, statement: ast.Update | ast.Delete, relations: str | None
) -> Sequence[Beside]:
    """What RETURNING sees beside the rows of the table."""
    return beside(context, statement, table, relations) if relations and statement.returning else ()


def delete_all(context: Context, table: Table) -> None:
    """Remove every row of a table; the caller holds the lock."""
    names = ", ".join(duck.quote(c.name) for c in table.stored_columns())
    old = conformed(table, run_text(context, f"SELECT {names} FROM {spelt(table)}"))
    append_changes(context, table, old, -np.ones(old.num_rows, np.int8))


def changed_rows(
    context: Context,
    tag: str,
    target: Stream | Table,
    rows: pa.Table,
    statement: ast.Insert | ast.Update | ast.Delete | ast.Merge,
    others: Mapping[Beside, pa.Table] | None = None,
) -> Result:
    """The result of a change of `rows`, with what RETURNING asks of them; `others`: what it sees beside each."""
    if not statement.returning:
        return Result(tag, row_count=rows.num_rows)
    if isinstance(target, Table):  # with what is computed of them
        rows = widened(rows, target, stored_names(target.columns))
        if others and not isinstance(statement, ast.Insert):
            answer = with_beside(context, statement, target, rows, others)
            return Result(tag, answer, row_count=rows.num_rows)
    text = text_of_returned(statement, target)
    if computes(statement.returning):
        with lending(context, {CHANGED: rows}):
            return Result(tag, run_text(context, text), row_count=rows.num_rows)
    expanded = Expanded(sql.to_duckdb(sql.parse_query(text), lambda ref: "returned"), {})
    answer = run(expanded, {"returned": rows}, context.now_us)
    return Result(tag, answer, row_count=rows.num_rows)


def text_of_returned(statement: ast.Insert | ast.Update | ast.Delete | ast.Merge, target: Stream | Table) -> str:
    """What RETURNING asks of the rows of a change, as a query of CHANGED."""
    alias = duck.quote(getattr(statement, "alias", None) or last_part(target))
    items = ", ".join(statement.returning)
    return f"{statement.with_text} SELECT {items} FROM {duck.quote(CHANGED)} AS {alias}"


def check_assigned(table: Stream | Table, names: Sequence[str]) -> None:
    """UndefinedColumn (42703) for a column in SET that the table does not have."""
    known = [c.name for c in table.stored_columns()]
    for name in names:
        if name not in known:
            raise UndefinedColumn(
                f'column "{name}" of relation "{table.name}" does not exist', hint=did_you_mean(name, known)
            )


def conformed(table: Table, rows: pa.Table) -> pa.Table:
    """Rows of all the table's columns, cast to their types and checked."""

    def no_default(info: object, count: int) -> pa.Array:
        raise NotNullViolation("a column is missing")

    return conform(rows, table.stored_columns(), None, no_default, table.name, table.key_columns)


def changeable(context: Context, name: tuple[str, ...], verb: str) -> Table:
    """The table of that name; WrongObjectType (42809) for what is append-only."""
    target = writable(context, name, verb)
    if not isinstance(target, Table) or target.append_only:
        raise WrongObjectType(
            f'cannot {verb} "{target.name}": a {target.kind} is append-only', hint="use a TABLE for rows that change"
        )
    return target


def _matching(
    context: Context,
    table: Table,
    alias: str,
    more: Sequence[str],
    statement: ast.Update | ast.Delete,
    others: str | None,
) -> pa.Table:
    """The table's columns, then `more` expressions, of the rows that meet the condition; each row once.

    A row that joins several rows of `others` (FROM of an UPDATE, USING of a DELETE) is changed by the first.
    """
    names = [c.name for c in table.stored_columns()]
    items = ", ".join([*(f"{alias}.{duck.quote(n)}" for n in names), *more])
    text = f"{statement.with_text} SELECT {items} FROM {spelt(table)} AS {alias}"
    if others:
        text += f", {others}"
    if statement.where:
        text += f" WHERE {statement.where}"
    rows = run_text(context, text)
    if others and table.primary_key:
        rows = first_of_each_key(rows, table.unique_keys()[0], table)
    if context.seen is None:
        return rows
    return rows.filter(pa.array(left_alone(context, table, conformed(table, rows.select(range(len(names)))))))


def refuse_taken_keys(context: Context, table: Table, old: pa.Table, new: pa.Table) -> None:
    """UniqueViolation (23505) as of `taken_key`."""
    found = taken_key(context, table, old, new)
    if found is not None:
        raise key_values.violation(table, found[0], new, found[1])


def taken_key(context: Context, table: Table, old: pa.Table, new: pa.Table) -> tuple[IndexInfo, int] | None:
    """(a unique key, the position of a row of `new` that has the value of another in it, or that of one in the table
    that is not in `old`)."""
    for key in table.unique_keys():
        before, after = (key_values.columns_of(rows, key, table) for rows in (old, new))
        if all(one.equals(other) for one, other in zip(before, after, strict=True)):
            continue
        if len(again := key_values.repeats(new, key, table)):
            return key, int(again[0])
        positions, _ = existing_rows(context, table, new, key)
        if len(positions):
            _, values = key_values.key_values(new.take(pa.array(positions)), key, table)
            _, left = key_values.key_values(old, key, table)
            taken = np.flatnonzero(key_values.not_among(values, left))
            if len(taken):
                return key, int(positions[taken[0]])
    return None


def last_part(target: Stream | Table) -> str:
    """Its name without the schema."""
    return target.name.rpartition(".")[2]


def spelt(target: Stream | Table) -> str:
    """Its whole name, quoted."""
    return sql.whole_name(target.name)
