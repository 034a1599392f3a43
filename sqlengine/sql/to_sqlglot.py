"""AST expression -> sqlglot tree: the way back, for printing an expression as DuckDB text.

A table from AST classes to functions.  Columns become what the caller gives for them; the tree is then
rewritten by the same rules as a whole query's (render_functions.py).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from sqlglot import exp

from sqlengine.errors import NotSupportedError
from sqlengine.sql import ast
from sqlengine.sql.glot import parse_type
from sqlengine.sql.interval import to_text
from sqlengine.sql.lower_expr import OPERATORS
from sqlengine.sql.rewrite import PARAMETER

Columns = Callable[[ast.Column], str]

_BINARY: dict[str, type[exp.Expr]] = {op: node for node, op in OPERATORS.items()}
_NEGATED_OPERATORS = {"!~": "~", "!~*": "~*", "not like": "like", "not ilike": "ilike"}


def to_tree(expr: ast.Expr, columns: Columns) -> exp.Expr:
    """The tree of an expression; NotSupportedError for sub-queries and stars, which have no meaning alone."""
    rule = _RULES.get(type(expr))
    if rule is None:
        raise NotSupportedError(f"{type(expr).__name__.lower()} cannot be rendered as an expression")
    return rule(expr, columns)


def _wrap(node: exp.Expr) -> exp.Expr:
    """In parentheses unless it prints as one unit."""
    units = (
        exp.Var,
        exp.Literal,
        exp.Column,
        exp.Anonymous,
        exp.Cast,
        exp.Paren,
        exp.Boolean,
        exp.Null,
        exp.Case,
    )
    return node if isinstance(node, units) else exp.Paren(this=node)


def _several(items: tuple[ast.Expr, ...], columns: Columns) -> list[exp.Expr]:
    return [to_tree(item, columns) for item in items]


# ---------------------------------------------------------------- leaves


def _literal(expr: ast.Literal, columns: Columns) -> exp.Expr:
    value, name = expr.value, expr.type_name
    if value is None:
        return exp.Null() if name in ("unknown", "") else exp.Cast(this=exp.Null(), to=parse_type(name))
    if isinstance(value, bool):
        return exp.Boolean(this=value)
    if isinstance(value, (int, Decimal)):
        text = format(value, "f") if isinstance(value, Decimal) else str(value)
        made: exp.Expr = exp.Literal.number(text.lstrip("-"))
        made = exp.Paren(this=exp.Neg(this=made)) if text.startswith("-") else made
        return made if name in ("integer", "bigint", "numeric", "unknown") else exp.Cast(this=made, to=parse_type(name))
    if isinstance(value, bytes):
        return exp.HexString(this=value.hex())
    string = exp.Literal.string(str(value))
    return string if name in ("text", "unknown") else exp.Cast(this=string, to=parse_type(name))


def _interval(expr: ast.Interval, columns: Columns) -> exp.Expr:
    return exp.Interval(this=exp.Literal.string(to_text(expr)))


def _param(expr: ast.Param, columns: Columns) -> exp.Expr:
    return exp.Anonymous(this=PARAMETER, expressions=[exp.Literal.string(str(expr.key))])


def _opaque(expr: ast.Opaque, columns: Columns) -> exp.Expr:
    """Its columns are quoted in its text, which nothing else of that spelling is."""
    spelt = {ast.quoted(column.parts): column for column in expr.columns}

    def replace(found: re.Match[str]) -> str:
        column = spelt.get(found.group())
        return columns(column) if column is not None else found.group()

    return exp.Var(this=f"({ast.SPELT.sub(replace, expr.text)})")


# ---------------------------------------------------------------- operators


def _unary(expr: ast.Unary, columns: Columns) -> exp.Expr:
    arg = _wrap(to_tree(expr.arg, columns))
    if expr.op == "+":
        return arg
    return {"not": exp.Not, "-": exp.Neg, "~": exp.BitwiseNot}[expr.op](this=arg)


def _binary(expr: ast.Binary, columns: Columns) -> exp.Expr:
    positive = _NEGATED_OPERATORS.get(expr.op)
    node = _BINARY.get(positive or expr.op)
    if node is None:
        raise NotSupportedError(f"operator {expr.op} cannot be rendered", position=expr.position)
    made = node(this=_wrap(to_tree(expr.left, columns)), expression=_wrap(to_tree(expr.right, columns)))
    return exp.Not(this=exp.Paren(this=made)) if positive else made


_TESTS: dict[str, Callable[[], exp.Expr]] = {
    "null": exp.Null,
    "unknown": exp.Null,
    "true": lambda: exp.Boolean(this=True),
    "false": lambda: exp.Boolean(this=False),
}


def _is_test(expr: ast.IsTest, columns: Columns) -> exp.Expr:
    made = exp.Is(this=_wrap(to_tree(expr.arg, columns)), expression=_TESTS[expr.test]())
    return _negate(made, expr.negated)


def _negate(node: exp.Expr, negated: bool) -> exp.Expr:
    return exp.Not(this=exp.Paren(this=node)) if negated else node


def _between(expr: ast.Between, columns: Columns) -> exp.Expr:
    arg, low, high = (_wrap(to_tree(item, columns)) for item in (expr.arg, expr.low, expr.high))
    return _negate(exp.Between(this=arg, low=low, high=high), expr.negated)


def _in_list(expr: ast.InList, columns: Columns) -> exp.Expr:
    made = exp.In(this=_wrap(to_tree(expr.arg, columns)), expressions=_several(expr.items, columns))
    return _negate(made, expr.negated)


def _case(expr: ast.Case, columns: Columns) -> exp.Expr:
    whens = [exp.If(this=to_tree(when, columns), true=to_tree(then, columns)) for when, then in expr.whens]
    operand = to_tree(expr.operand, columns) if expr.operand is not None else None
    default = to_tree(expr.default, columns) if expr.default is not None else None
    return exp.Case(this=operand, ifs=whens, default=default)


def _cast(expr: ast.Cast, columns: Columns) -> exp.Expr:
    node = exp.TryCast if expr.safe else exp.Cast
    return node(this=to_tree(expr.arg, columns), to=parse_type(expr.type_name))


# ---------------------------------------------------------------- calls


_SYNTAX_OF_ITS_OWN = frozenset(("extract", "timezone", "like_escape", "ilike_escape"))


def _call(expr: ast.Call, columns: Columns) -> exp.Expr:
    if expr.name in _SYNTAX_OF_ITS_OWN and len(expr.args) > 1:
        return _special(expr, columns)
    items: list[exp.Expr] = [exp.Star()] if expr.star else _several(expr.args, columns)
    if expr.distinct:
        items = [exp.Distinct(expressions=items)]
    if expr.order_by and items:
        items[-1] = exp.Order(this=items[-1], expressions=_order(expr.order_by, columns))
    made: exp.Expr = exp.Anonymous(this=expr.name, expressions=items)
    if expr.within_group:
        made = exp.WithinGroup(this=made, expression=exp.Order(expressions=_order(expr.within_group, columns)))
    if expr.filter is not None:
        made = exp.Filter(this=made, expression=exp.Where(this=to_tree(expr.filter, columns)))
    if expr.ignore_nulls:
        made = exp.IgnoreNulls(this=made)
    return _over(made, expr.over, columns) if expr.over is not None else made


def _special(expr: ast.Call, columns: Columns) -> exp.Expr:
    first, second = to_tree(expr.args[0], columns), to_tree(expr.args[1], columns)
    if expr.name == "timezone":
        return exp.Paren(this=exp.AtTimeZone(this=_wrap(second), zone=first))
    if expr.name == "extract":
        return exp.Extract(this=exp.Var(this=str(first.this)), expression=second)
    like = (exp.Like if expr.name == "like_escape" else exp.ILike)(this=_wrap(first), expression=_wrap(second))
    return exp.Paren(this=exp.Escape(this=like, expression=to_tree(expr.args[2], columns)))


def _order(items: tuple[ast.OrderItem, ...], columns: Columns) -> list[exp.Expr]:
    made: list[exp.Expr] = []
    for item in items:
        nulls_first = item.nulls_first if item.nulls_first is not None else item.descending
        made.append(exp.Ordered(this=to_tree(item.expr, columns), desc=item.descending, nulls_first=nulls_first))
    return made


def _over(call: exp.Expr, over: ast.WindowFrame, columns: Columns) -> exp.Expr:
    order = _order(over.order_by, columns)
    return exp.Window(
        this=call,
        partition_by=_several(over.partition_by, columns),
        order=exp.Order(expressions=order) if order else None,
        spec=exp.Var(this=over.frame_text) if over.frame_text else None,
        over="OVER",
    )


# ---------------------------------------------------------------- nested values


def _row(expr: ast.Row, columns: Columns) -> exp.Expr:
    items = _several(expr.items, columns)
    if not expr.names:
        return exp.Anonymous(this="row", expressions=items)
    pairs = [
        exp.PropertyEQ(this=exp.Identifier(this=name, quoted=True), expression=item)
        for name, item in zip(expr.names, items, strict=True)
    ]
    return exp.Struct(expressions=pairs)


def _array(expr: ast.ArrayLiteral, columns: Columns) -> exp.Expr:
    return exp.Array(expressions=_several(expr.items, columns))


def _subscript(expr: ast.Subscript, columns: Columns) -> exp.Expr:
    return exp.Bracket(this=_wrap(to_tree(expr.arg, columns)), expressions=[to_tree(expr.index, columns)], offset=1)


def _field(expr: ast.FieldAccess, columns: Columns) -> exp.Expr:
    return exp.Dot(
        this=exp.Paren(this=to_tree(expr.arg, columns)),
        expression=exp.Identifier(this=expr.name, quoted=True),
    )


_RULES: dict[type[ast.Expr], Callable[[Any, Columns], exp.Expr]] = {
    ast.Column: lambda expr, columns: exp.Var(this=columns(expr)),
    ast.Literal: _literal,
    ast.Interval: _interval,
    ast.Param: _param,
    ast.Opaque: _opaque,
    ast.Unary: _unary,
    ast.Binary: _binary,
    ast.IsTest: _is_test,
    ast.Between: _between,
    ast.InList: _in_list,
    ast.Case: _case,
    ast.Cast: _cast,
    ast.Call: _call,
    ast.Row: _row,
    ast.ArrayLiteral: _array,
    ast.Subscript: _subscript,
    ast.FieldAccess: _field,
}
