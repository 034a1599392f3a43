"""Functions written in SQL: what the catalog keeps of one, made into what calls of it are bound to.

Calls are replaced by the body where that computes nothing twice (expr/bind_user.py), so that a filter over a function
is pushed down as any other.  Where DuckDB answers, the same body is a function over Arrow arrays.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import pyarrow as pa

from sqlengine import errors, sql
from sqlengine.catalog.objects import ColumnInfo, SqlFunction
from sqlengine.expr import tree
from sqlengine.expr.bind import bind
from sqlengine.expr.coerce import cast, coerce
from sqlengine.expr.compile import compile_exprs
from sqlengine.expr.simplify import volatility
from sqlengine.functions.registry import Kernel
from sqlengine.functions.user import SqlBody, UserFunction, UserFunctions
from sqlengine.plan.rewrite import transform
from sqlengine.plan.user_functions import mark_user_functions
from sqlengine.reading import UTC, reading_in
from sqlengine.runtime.instance import Instance
from sqlengine.runtime.stored_expressions import columns_relation
from sqlengine.sql import ast
from sqlengine.types import from_sql, is_numeric, is_text, to_sql

_NAME = re.compile(r"[a-z_]\w*")
_QUERY = re.compile(r"\s*(select|with|values|table|\()", re.IGNORECASE)


def load_functions(instance: Instance) -> None:
    """Those of the catalog are known again; each after those it calls."""
    for obj in instance.catalog.in_order():
        if isinstance(obj, SqlFunction):
            instance.functions.put(sql_function(obj, instance.functions))


@reading_in(UTC)
def sql_function(obj: SqlFunction, functions: UserFunctions) -> UserFunction:
    """A function as its calls are bound; InvalidDefinition (42P13) for a body that is no expression, or whose type is
    no function's result, and whatever is wrong in it."""
    names = _names(obj)
    params = tuple(_exact(kind) for _, kind in obj.params)
    returns = _exact(obj.returns)
    scope = columns_relation([ColumnInfo(n, t) for n, t in zip(names, params, strict=True)], obj.called)
    try:
        written = mark_user_functions(_expression(obj.body, names), functions)
        bound = _as_returned(bind(written, scope, clause="a function"), returns)
    except errors.Error as error:
        error.position = None  # in the body, and not in the statement
        raise
    if _calls_python(bound):
        raise errors.NotSupportedError("a function in SQL cannot call one of the program: it would not outlive it")
    if obj.strict and params:
        missing = [tree.Call(pa.bool_(), "is_null", (scope.at(i),)) for i in range(len(params))]
        bound = tree.Case(returns, tuple((test, tree.Const(returns, None)) for test in missing), bound)
    kernel, at = _kernels(bound, names)
    body = SqlBody(obj.body.strip(), bound, tuple(_references(bound)), at)
    listed = list(zip(names, params, strict=True))
    return functions.of_sql(obj.called, listed, returns, body, kernel, strict=obj.strict, volatility=volatility(bound))


def _names(obj: SqlFunction) -> list[str]:
    names = [name or f"arg{i + 1}" for i, (name, _) in enumerate(obj.params)]
    for name in names:
        if names.count(name) > 1:
            raise _invalid(f'parameter name "{name}" used more than once')
        if not _NAME.fullmatch(name):
            raise _invalid(f'"{name}" is no name for a parameter', hint="letters, digits and _")
    return names


def _invalid(message: str, hint: str | None = None, detail: str | None = None) -> errors.InvalidDefinition:
    return errors.InvalidDefinition(message, hint=hint, detail=detail, sqlstate="42P13")


def _exact(spelt: str) -> pa.DataType:
    first = spelt.split()[0].lower() if spelt.split() else ""
    if first == "table":
        raise errors.NotSupportedError(
            "a function that returns rows is not supported", hint="CREATE VIEW names a query"
        )
    if first in ("void", "trigger", "record"):
        raise errors.NotSupportedError(f"a function that returns {first} is not supported")
    return from_sql(spelt)


# ---------------------------------------------------------------- the body


def _expression(body: str, names: Sequence[str]) -> ast.Expr:
    """What it computes, `$1` and so on as the parameters' names."""
    text = body.strip().rstrip(";").rstrip()
    if not text:
        raise _invalid("a function needs an expression", hint="AS 'SELECT x + 1'")
    expr = _selected(text) if _QUERY.match(text) else sql.parse_expr(text)

    def named(node: ast.Expr) -> ast.Expr | None:
        if not isinstance(node, ast.Param):
            return None
        if not isinstance(node.key, int) or node.key >= len(names):
            shown = f"${node.key + 1}" if isinstance(node.key, int) else f":{node.key}"
            raise errors.ProgrammingError(f"there is no parameter {shown}", sqlstate="42P02")
        return ast.Column((names[node.key],))

    replaced: ast.Expr = transform(expr, named)
    return replaced


def _selected(text: str) -> ast.Expr:
    """The expression of a SELECT that reads nothing."""
    try:
        query = sql.lower(sql.parse_query(text))
    except errors.SyntaxError:
        return sql.parse_expr(text)  # it begins with a parenthesis
    if isinstance(query, ast.Select) and len(query.items) == 1 and query == ast.Select(query.items):
        return query.items[0].expr
    raise errors.NotSupportedError(
        "the body of a function is one expression here",
        detail="it reads no table and has no clause but SELECT",
        hint="CREATE VIEW names a query",
    )


def _as_returned(bound: tree.Expr, returns: pa.DataType) -> tree.Expr:
    """Its value as an assignment would store it."""
    both_numbers = is_numeric(bound.type) and is_numeric(returns)
    try:
        both_texts = is_text(bound.type) and is_text(returns)
        return cast(bound, returns) if both_numbers or both_texts else coerce(bound, returns)
    except (errors.DatatypeMismatch, errors.CannotCoerce):
        raise _invalid(
            f"return type mismatch in function declared to return {to_sql(returns)}",
            detail=f"its expression has the type {to_sql(bound.type)}",
        ) from None


def _references(expr: tree.Expr) -> list[int]:
    """The parameter of each place where one stands."""
    if isinstance(expr, tree.InputRef):
        return [expr.index]
    return [index for part in tree.children(expr) for index in _references(part)]


def _calls_python(expr: tree.Expr) -> bool:
    return isinstance(expr, tree.UserCall) or any(map(_calls_python, tree.children(expr)))


def _kernels(expr: tree.Expr, names: Sequence[str]) -> tuple[Kernel, Kernel | None]:
    """The body over arrays of the arguments, one value where there are none; the same at a time (SqlBody.at)."""
    evaluate = compile_exprs([expr])

    def over(args: Sequence[pa.Array], now_us: int) -> pa.Array:
        return evaluate(pa.RecordBatch.from_arrays(list(args), names=list(names) or ["$n"]), now_us)[0]

    def kernel(*args: pa.Array) -> pa.Array | pa.Scalar:
        return over(args, 0) if args else over([pa.nulls(1)], 0)[0]

    def at(*args: pa.Array) -> pa.Array:
        *given, times = args
        now_us = times[0].as_py() if len(times) else 0
        return over(given or [pa.nulls(len(times))], now_us)

    return kernel, at if evaluate.tells_time else None
