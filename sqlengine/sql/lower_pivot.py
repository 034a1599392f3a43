"""Lowering of what follows an item of FROM: PIVOT, UNPIVOT, TABLESAMPLE."""

from __future__ import annotations

from typing import Any

from sqlglot import exp

from sqlengine import errors
from sqlengine.errors import NotSupportedError
from sqlengine.sql import ast
from sqlengine.sql.lower_expr import Context
from sqlengine.sql.lower_values import alias_of, fold, position_of
from sqlengine.sql.nodes import nodes


def pivoted(below: ast.Relation, node: exp.Expr, ctx: Context) -> ast.Relation:
    """A relation under one PIVOT or UNPIVOT."""
    if not node.args.get("fields"):
        raise NotSupportedError("PIVOT without FOR ... IN has no incremental form")
    return _unpivot(below, node, ctx) if node.args.get("unpivot") else _pivot(below, node, ctx)


ANY_KNOWN = "any_known"
"""In the meta of an UNPIVOT: a row stays when any of its values is known, as in Spark."""


def standard(node: exp.Expr, alias: exp.Expr | None) -> exp.Expr:
    """DuckDB's `PIVOT t ON ... USING ...` and `UNPIVOT t ON ... INTO ...` as what follows t in the standard's words.

    Raises InvalidDefinition (42P17) for PIVOT without the values that become columns.
    """
    items = node.expressions
    if node.args.get("unpivot"):
        into = node.args.get("into")
        name = into.this if into is not None else exp.Identifier(this="name", quoted=False)
        values = into.expressions if into is not None else [exp.Identifier(this="value", quoted=False)]
        target = values[0] if len(values) == 1 else exp.Tuple(expressions=values)
        said = {"expressions": [target], "fields": [exp.In(this=name, expressions=[_choice(item) for item in items])]}
        return exp.Pivot(unpivot=True, include_nulls=node.args.get("include_nulls"), alias=alias, **said)
    for item in items:
        if not isinstance(item, exp.In) or item.args.get("query"):
            raise errors.InvalidDefinition(
                "the columns of a view cannot depend on the rows that PIVOT finds",
                hint="list the values: ON column IN (value, ...)",
                position=_first_position(item),
            )
        if not all(isinstance(part, exp.Column) for part in _tuple(item.this)):
            raise errors.InvalidDefinition(
                "a view can PIVOT on columns, not on expressions",
                hint="name the expression in a subquery, and the column after ON",
                position=_first_position(item),
            )
    using = node.args.get("using") or [exp.Anonymous(this="count", expressions=[exp.Star()])]
    return exp.Pivot(expressions=using, fields=items, group=node.args.get("group"), unpivot=False, alias=alias)


def _first_position(node: exp.Expr) -> int | None:
    """Where the first name in an expression stands."""
    return min((p for part in nodes(node) if (p := position_of(part)) is not None), default=None)


def _choice(item: exp.Expr) -> exp.Expr:
    """An item of UNPIVOT, its alias as the standard's form has it."""
    if isinstance(item, exp.Alias):
        return exp.PivotAlias(this=item.this, alias=item.args["alias"])
    return item


def _pivot(below: ast.Relation, node: exp.Expr, ctx: Context) -> ast.PivotRef:
    name_aggregates(node)
    named = tuple(_aggregate(item, ctx) for item in node.expressions)
    group = node.args.get("group")
    keys = tuple(ctx.expr(key) for key in group.expressions) if group is not None else None
    return ast.PivotRef(below, named, tuple(_field(f, ctx) for f in node.args["fields"]), keys, *alias_of(node))


def name_aggregates(node: exp.Expr) -> None:
    """Of several aggregates each gets a name: its text, where it has none."""
    if node.args.get("unpivot") or not node.args.get("fields") or len(node.expressions) < 2:
        return  # of `PIVOT t ON a, b` the expressions are columns
    made = [
        item
        if isinstance(item, exp.Alias)
        else exp.Alias(this=item, alias=exp.Identifier(this=_text(item), quoted=True))
        for item in node.expressions
    ]
    node.set("expressions", made)


def _text(node: exp.Expr) -> str:
    return str(node.sql(dialect="duckdb", comments=False)).lower()


def _aggregate(node: exp.Expr, ctx: Context) -> ast.SelectItem:
    if isinstance(node, exp.Alias):
        return ast.SelectItem(ctx.expr(node.this), fold(node.args["alias"]), True)
    return ast.SelectItem(ctx.expr(node), "")


def _field(node: exp.Expr, ctx: Context) -> ast.PivotField:
    """One `FOR a IN (x [AS name], ...)`; of several columns, rows of values."""
    keys = _parts(node.this, ctx)
    if node.args.get("query") or not node.expressions:
        raise NotSupportedError("PIVOT over the rows of a query has no incremental form", position=position_of(node))
    choices = []
    for item in node.expressions:
        value, alias = (item.this, item.args["alias"]) if isinstance(item, exp.PivotAlias) else (item, None)
        values = _parts(value, ctx)
        if len(values) != len(keys):
            raise errors.SyntaxError("PIVOT needs a value for each column of FOR", position=position_of(item))
        label = "_".join(map(_spelt, value.expressions)) if isinstance(value, exp.Tuple) else _spelt(value)
        choices.append((values, label if alias is None else _name(alias)))
    return ast.PivotField(keys, tuple(choices))


def _tuple(node: exp.Expr) -> list[exp.Expr]:
    return list(node.expressions) if isinstance(node, exp.Tuple) else [node]


def _parts(node: exp.Expr, ctx: Context) -> tuple[ast.Expr, ...]:
    return tuple(ctx.expr(part) for part in _tuple(node))


def _spelt(node: exp.Expr) -> str:
    """What a constant is called as a column, as DuckDB names it."""
    if isinstance(node, exp.Neg):
        return f"-{_spelt(node.this)}"
    if isinstance(node, exp.Literal):
        return str(node.this)
    if isinstance(node, exp.Cast) and isinstance(node.this, exp.Literal):
        return str(node.this.this)
    if isinstance(node, exp.Null):
        return "null"
    if isinstance(node, exp.Boolean):
        return "true" if node.this else "false"
    if isinstance(node, (exp.Column, exp.Identifier)):
        return str(node.name)
    raise NotSupportedError("PIVOT over values that are not constants has no incremental form")


def _name(node: Any) -> str:
    return str(node.this) if isinstance(node, exp.Literal) else fold(node)


def _unpivot(below: ast.Relation, node: exp.Expr, ctx: Context) -> ast.UnpivotRef:
    target = node.expressions[0]
    values = tuple(fold(part) for part in (target.expressions if isinstance(target, exp.Tuple) else [target]))
    field = node.args["fields"][0]
    if len(node.args["fields"]) > 1 or len(node.expressions) > 1:
        raise NotSupportedError("UNPIVOT of several lists has no incremental form")
    groups = []
    for item in field.expressions:
        columns, alias = (item.this, item.args["alias"]) if isinstance(item, exp.PivotAlias) else (item, None)
        parts = _parts(columns, ctx)
        if len(parts) != len(values):
            raise errors.SyntaxError("UNPIVOT needs as many columns as it has names for values")
        if not all(isinstance(part, ast.Column) for part in parts):
            raise NotSupportedError("UNPIVOT of expressions has no incremental form", hint="name them in a subquery")
        label = "_".join(part.parts[-1] for part in parts if isinstance(part, ast.Column))
        groups.append((parts, label if alias is None else _name(alias)))
    nulls = bool(node.args.get("include_nulls"))
    name = fold(field.this.this if isinstance(field.this, exp.Column) else field.this)
    alias, columns = alias_of(node)
    keeps = bool(node.meta.get(ANY_KNOWN))
    return ast.UnpivotRef(below, values, name, tuple(groups), nulls, alias, columns, any_known=keeps)


def sampled(below: ast.Relation, node: exp.Expr) -> ast.SampleRef:
    """A relation under TABLESAMPLE."""
    if node.args.get("bucket_numerator"):
        which, of = (int(node.args[key].name) for key in ("bucket_numerator", "bucket_denominator"))
        return ast.SampleRef(below, None, None, bucket=(which, of))
    return ast.SampleRef(below, *sample_of(node))


def sample_of(node: exp.Expr) -> tuple[float | None, int | None, int]:
    """(percent, rows, seed) of TABLESAMPLE; SyntaxError (42601) for what is no number, 2202H for one out of range."""
    percent, rows, seed = (_number(node.args.get(key)) for key in ("percent", "size", "seed"))
    if percent is None and rows is None:
        raise errors.SyntaxError("TABLESAMPLE takes a percentage or a number of ROWS", position=position_of(node))
    if percent is not None and not 0 <= percent <= 100:
        raise errors.InvalidParameter("sample percentage must be between 0 and 100", sqlstate="2202H")
    return percent, None if rows is None else int(rows), int(seed or 0)


def _number(node: exp.Expr | None) -> float | None:
    if node is None:
        return None
    if not isinstance(node, exp.Literal) or node.is_string:
        raise errors.SyntaxError("TABLESAMPLE takes constant numbers", position=position_of(node))
    return float(node.this)
