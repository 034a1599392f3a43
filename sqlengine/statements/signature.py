"""What a statement takes and gives, before it runs: the types of its parameters, the columns of its rows.

Drivers ask for both when they prepare a statement, and encode values by the answer.  A parameter's type is what binding
its surroundings makes of it; text where nothing says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import fields, is_dataclass, replace
from typing import Any

import pyarrow as pa

from sqlengine import duck, sql
from sqlengine.catalog.objects import Table
from sqlengine.catalog.pg.types import parameter_type
from sqlengine.errors import Error, UndefinedObject
from sqlengine.expr.parameters import Found, collecting
from sqlengine.plan.unplannable import Unplannable
from sqlengine.runtime.planning import Planning
from sqlengine.snapshot.expand import catalog_parameters
from sqlengine.sql import ast
from sqlengine.statements.answer_schema import answer_schema
from sqlengine.statements.change import text_of_returned
from sqlengine.statements.context import Context
from sqlengine.statements.cursors import cursor_of
from sqlengine.statements.one_statement import computes, lending, lending_item
from sqlengine.statements.prepared import kept
from sqlengine.statements.returned import CHANGED, beside, schema_beside
from sqlengine.statements.subscribe import HEAD
from sqlengine.statements.write import writable
from sqlengine.types import from_sql, to_sql


def parameter_types(
    statement: ast.Statement, declared: Sequence[pa.DataType | None], context: Context
) -> tuple[pa.DataType, ...]:
    """The types of a statement's parameters, those `declared` among them; never raises for a statement that is wrong
    (describing or running it will)."""
    if isinstance(statement, ast.Prepare) or (isinstance(statement, ast.Insert) and statement.query.rows is not None):
        return ()  # those within PREPARE are EXECUTE's to give
    count = max(sql.parameter_count(statement.text), len(declared))
    found: Found = {number: kind for number, kind in enumerate(declared) if kind is not None}
    if len(found) < count:
        with context.instance.lock, suppress(Error, Unplannable):
            _infer(statement, found, context)
    return tuple(found.get(number, pa.string()) for number in range(count))


def described(statement: ast.Statement, parameters: Sequence[pa.DataType], context: Context) -> pa.Schema | None:
    """The columns of a statement's rows, None when it has none.

    Raises what running it would for names and types that do not exist.
    """
    values = [sql.Typed(None, to_sql(kind)) for kind in parameters]
    made = sql.bind_params(statement, values) if values else statement
    describe = _DESCRIBE.get(type(made))
    return None if describe is None else describe(made, context)


RUN_TO_KNOW = (ast.Show, ast.Describe, ast.Explain, ast.Print, ast.HiveShow, ast.HiveDescribe)
"""Statements that change nothing and whose columns are known once they have run."""


def has_rows(statement: ast.Statement, context: Context) -> bool:
    """Whether a statement will answer with rows, as far as its kind tells."""
    if isinstance(statement, (ast.Insert, ast.Update, ast.Delete, ast.Merge)):
        return bool(statement.returning)
    if isinstance(statement, ast.With):
        return has_rows(statement.statement, context)
    if isinstance(statement, ast.Execute):
        return has_rows(kept(context, statement.name).statement, context)
    if isinstance(statement, ast.Fetch):
        return not statement.moves
    if isinstance(statement, ast.HiveSet):
        return statement.value is None
    return isinstance(statement, (ast.SelectStatement, ast.Subscribe, *RUN_TO_KNOW))


# ---------------------------------------------------------------- parameters


def _infer(statement: Any, found: Found, context: Context) -> None:
    if isinstance(statement, ast.Insert):
        _infer_insert(statement, found, context)
    elif isinstance(statement, ast.Update):
        _infer_update(statement, found, context)
    elif isinstance(statement, ast.Delete):
        others = f", {statement.using_text}" if statement.using_text else ""
        source = f"{_target(statement, context)}{others}{_where(statement.where)}"
        _infer_query(f"{statement.with_text} SELECT 1 FROM {source}", found, context)
    elif isinstance(statement, ast.With):
        _infer_parts(statement, found, context)
    elif isinstance(statement, ast.Execute):
        _infer(kept(context, statement.name).statement, found, context)
    elif isinstance(statement, (ast.CopyTo, ast.DeclareQueryCursor)):
        _infer(statement.statement, found, context)
    elif isinstance(getattr(statement, "query", None), ast.Query):
        _infer_tree(statement.query, found, context)


def _infer_parts(statement: ast.With, found: Found, context: Context) -> None:
    """From each part, which sees what columns those before it have."""
    with ExitStack() as lent:
        for item in statement.items:
            with suppress(Error, Unplannable):
                _infer(item.statement, found, context)
            count = max(found, default=-1) + 1
            values = {
                str(number + 1): sql.Typed(None, to_sql(found.get(number, pa.string()))) for number in range(count)
            }
            with suppress(Error):
                _lend_shape(item, sql.bind_params(item.statement, values), lent, context)
        _infer(sql.main_of(statement), found, context)


def _infer_query(text: str, found: Found, context: Context) -> None:
    _infer_tree(sql.parse_query(text), found, context)


def _infer_tree(query: ast.Query, found: Found, context: Context, target: Sequence[pa.DataType] = ()) -> None:
    """From a query; `target`: the types its columns will be stored as."""
    instance = context.instance
    for number, name in catalog_parameters(query, instance.catalog, instance.functions).items():
        with suppress(UndefinedObject):
            found.setdefault(number, parameter_type(name))
    tree, arrays = sql.lower_open(query)
    for kind, expr in zip(target, _outputs(tree), strict=False):
        if isinstance(expr, ast.Param) and isinstance(expr.key, int):
            found.setdefault(expr.key, kind)
    for row in _value_rows(tree):
        for kind, expr in zip(target, row, strict=False):
            if isinstance(expr, ast.Param) and isinstance(expr.key, int):
                found.setdefault(expr.key, kind)
    elements = {n: found.pop(n) for n in arrays if n in found}
    found |= {n: kind.value_type for n, kind in elements.items() if pa.types.is_list(kind)}
    try:
        with collecting(found):
            _planning(context).bound(_without_limits(tree, found))
    finally:
        found |= {n: pa.list_(found[n]) for n in arrays if n in found} | elements


def _planning(context: Context) -> Planning:
    """Planning that knows what is lent to the session, as tables: what is for a moment only cannot be planned."""
    planning = context.instance.planning
    catalog = planning.catalog
    for lent in context.lent.values():
        if lent.name not in catalog:
            catalog = catalog.with_object(Table(name=lent.name, topic="", columns=lent.columns))
    return replace(planning, catalog=catalog)


def _outputs(tree: ast.Select | ast.SetOperation) -> list[ast.Expr]:
    return [item.expr for item in tree.items] if isinstance(tree, ast.Select) else _outputs(tree.left)


def _value_rows(tree: ast.Select | ast.SetOperation) -> Sequence[Sequence[ast.Expr]]:
    values = tree.from_ if isinstance(tree, ast.Select) else None
    return values.rows if isinstance(values, ast.ValuesRef) else ()


def _without_limits(node: Any, found: Found) -> Any:
    """The tree without LIMIT and OFFSET that are parameters, which are whole numbers."""
    if isinstance(node, tuple):
        return tuple(_without_limits(item, found) for item in node)
    if not is_dataclass(node):
        return node
    changes: dict[str, Any] = {}
    for field in fields(node):
        value = getattr(node, field.name)
        if field.name in ("limit", "offset") and isinstance(value, ast.Param) and isinstance(value.key, int):
            found.setdefault(value.key, pa.int64())
            changes[field.name] = None
        elif isinstance(value, tuple) or is_dataclass(value):
            made = _without_limits(value, found)
            if made is not value:
                changes[field.name] = made
    return replace(node, **changes) if changes else node  # type: ignore[type-var]


def _infer_insert(statement: ast.Insert, found: Found, context: Context) -> None:
    target = writable(context, statement.target)
    stored = {c.name: c.type for c in target.stored_columns()}
    names = statement.columns or tuple(stored)
    query = sql.query_under(statement.with_text, statement.query)
    _infer_tree(query, found, context, [stored[name] for name in names if name in stored])
    if statement.conflict_set:
        source = f"{sql.whole_name(target.name)} AS excluded"
        _infer_assignments(statement, statement.conflict_set, stored, source, found, context)


def _infer_update(statement: ast.Update, found: Found, context: Context) -> None:
    stored = {c.name: c.type for c in writable(context, statement.target).stored_columns()}
    source = _target(statement, context) + (f", {statement.from_text}" if statement.from_text else "")
    _infer_assignments(statement, statement.assignments, stored, source + _where(statement.where), found, context)


def _infer_assignments(
    statement: ast.Insert | ast.Update,
    assignments: Sequence[tuple[str, str]],
    stored: dict[str, pa.DataType],
    source: str,
    found: Found,
    context: Context,
) -> None:
    items = ", ".join(text for _, text in assignments)
    kinds = [stored.get(name, pa.string()) for name, _ in assignments]
    text = f"{statement.with_text} SELECT {items} FROM {source}"
    _infer_tree(sql.parse_query(text), found, context, kinds)


def _target(statement: ast.Update | ast.Delete, context: Context) -> str:
    alias = f" AS {sql.quote_identifier(statement.alias)}" if statement.alias else ""
    return sql.whole_name(writable(context, statement.target).name) + alias


def _where(text: str | None) -> str:
    return f" WHERE {text}" if text else ""


# ---------------------------------------------------------------- rows


def _select(statement: ast.SelectStatement, context: Context) -> pa.Schema:
    if statement.emit is not None:
        return _followed(statement.query, statement.emit, HEAD[2:], context)
    return answer_schema(statement.query, context)


def _followed(query: ast.Query, emit: ast.Emit, head: Sequence[pa.Field], context: Context) -> pa.Schema:
    planned = context.instance.plan(query, emit, context.planning(), context.settings.threads)
    return pa.schema([*head, *planned.schema])


def _returned(statement: ast.Insert | ast.Update | ast.Delete | ast.Merge, context: Context) -> pa.Schema | None:
    if not statement.returning:
        return None
    target = writable(context, statement.target)
    relations = _relations(statement)
    if relations and isinstance(target, Table) and not isinstance(statement, ast.Insert):
        if others := beside(context, statement, target, relations):
            return schema_beside(context, statement, target, others)
    query = sql.parse_query(text_of_returned(statement, target))
    seen = target.columns if isinstance(target, Table) else target.stored_columns()
    schema = pa.schema([pa.field(c.name, c.type) for c in seen])
    if computes(statement.returning):
        with lending(context, {CHANGED: schema.empty_table()}):
            return answer_schema(query, context)
    return duck.describe(sql.to_duckdb(query, lambda ref: "returned"), {"returned": schema})


def _relations(statement: ast.Insert | ast.Update | ast.Delete | ast.Merge) -> str | None:
    if isinstance(statement, ast.Merge):
        return statement.source
    if isinstance(statement, ast.Update):
        return statement.from_text
    return statement.using_text if isinstance(statement, ast.Delete) else None


def _with_writes(statement: ast.With, context: Context) -> pa.Schema | None:
    with ExitStack() as lent:
        for item in statement.items:
            _lend_shape(item, item.statement, lent, context)
        main = sql.main_of(statement)
        return _DESCRIBE[type(main)](main, context)


def _lend_shape(item: ast.WithItem, made: ast.Statement, lent: ExitStack, context: Context) -> None:
    """Let what stands behind an item of WITH see which columns it has."""
    schema = _DESCRIBE[type(made)](made, context)
    if schema is not None:
        lent.enter_context(lending_item(context, item, schema.empty_table()))


def _executed(statement: ast.Execute, context: Context) -> pa.Schema | None:
    inner = kept(context, statement.name)
    declared = [from_sql(kind) for kind in inner.types]
    return described(inner.statement, parameter_types(inner.statement, declared, context), context)


_DESCRIBE: dict[type[ast.Statement], Callable[[Any, Context], pa.Schema | None]] = {
    ast.SelectStatement: _select,
    ast.Subscribe: lambda statement, context: _followed(statement.query, ast.Emit(), HEAD, context),
    ast.Insert: _returned,
    ast.Update: _returned,
    ast.Delete: _returned,
    ast.Merge: _returned,
    ast.With: _with_writes,
    ast.Execute: _executed,
    ast.Fetch: lambda statement, context: None if statement.moves else cursor_of(statement.cursor, context).schema,
}
