"""Lowering of SELECT blocks, set operations, WITH and VALUES."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

from sqlglot import exp

from sqlengine import errors
from sqlengine.errors import NotSupportedError, TooComplex
from sqlengine.sql import ast
from sqlengine.sql.literal_casts import FROM_TEXT
from sqlengine.sql.lower_calls import order_items
from sqlengine.sql.lower_expr import DEPTH_MAX, Context
from sqlengine.sql.lower_relation import from_clause, value_rows
from sqlengine.sql.lower_values import alias_of, fold, position_of
from sqlengine.sql.rewrite_pg import ARRAY_SUFFIX, PG_TYPE

Lowered = ast.Select | ast.SetOperation
GROUPING_SETS_MAX = 4096

_SELECT_WORDS = {
    "with_",
    "expressions",
    "from_",
    "joins",
    "where",
    "group",
    "having",
    "qualify",
    "windows",
    "distinct",
    "order",
    "limit",
    "offset",
    "this",
    "expression",
    "by_name",
    "side",
    "kind",
    "on",
    "alias",
    "sample",
    "locks",  # they have no meaning for rows that are only read
}
_NAMED = {
    "into": "SELECT INTO",
    "laterals": "LATERAL VIEW",
    "pivots": "PIVOT",
    "connect": "CONNECT BY",
    "cluster": "CLUSTER BY",
    "distribute": "DISTRIBUTE BY",
    "sort": "SORT BY",
}


def query(node: exp.Expr, ctx: Context) -> Lowered:
    """Any query node.  Raises NotSupportedError naming a shape that `ast` has no words for."""
    if isinstance(node, exp.Select):
        return _select(node, ctx)
    if isinstance(node, exp.SetOperation):
        return _set_operation(node, ctx)
    if isinstance(node, exp.Values):
        return _values(node, ctx)
    if isinstance(node, exp.Subquery):
        return _parenthesised(node, ctx)
    if isinstance(node, exp.Pivot):  # DuckDB's form, which is a query
        return _select(exp.select("*").from_(exp.Subquery(this=node.copy())), ctx)
    raise NotSupportedError(f"{type(node).__name__.lower()} as a query is not supported")


def _reject_unknown(node: exp.Expr) -> None:
    for key, value in node.args.items():
        if value and key not in _SELECT_WORDS:
            name = _NAMED.get(key, key.rstrip("_").replace("_", " ").upper())
            raise NotSupportedError(f"{name} has no incremental form", position=position_of(node))


# ---------------------------------------------------------------- SELECT


def _select(node: exp.Expr, ctx: Context) -> ast.Select:
    _reject_unknown(node)
    if node.args.get("kind"):
        raise NotSupportedError(f"SELECT AS {node.args['kind']} is not supported")
    outer, ctx.windows = ctx.windows, {fold(item.this): item for item in node.args.get("windows") or ()}
    try:
        return _select_block(node, ctx)
    finally:
        ctx.windows = outer


def _select_block(node: exp.Expr, ctx: Context) -> ast.Select:
    items = tuple(_item(item, ctx) for item in node.expressions)
    if not items:
        raise NotSupportedError("a SELECT without columns is not supported")
    group_by, grouping_sets = _grouping(node.args.get("group"), items, ctx)
    distinct, distinct_on = _distinct(node.args.get("distinct"), ctx)
    return ast.Select(
        items=items,
        from_=from_clause(node, ctx),
        where=_condition(node, "where", ctx),
        group_by=group_by,
        grouping_sets=grouping_sets,
        having=_condition(node, "having", ctx),
        qualify=_condition(node, "qualify", ctx),
        distinct=distinct,
        distinct_on=distinct_on,
        **_tail(node, ctx),
    )


def _tail(node: exp.Expr, ctx: Context) -> dict[str, Any]:
    """ORDER BY, LIMIT, OFFSET and WITH, which SELECT and set operations share."""
    limit, offset = node.args.get("limit"), node.args.get("offset")
    return {
        "order_by": order_items(node.args.get("order"), ctx),
        "limit": _limit(limit, ctx) if limit is not None else None,
        "offset": ctx.expr(offset.expression) if offset is not None else None,
        "ctes": _ctes(node.args.get("with_"), ctx),
    }


def _limit(node: exp.Expr, ctx: Context) -> ast.Expr | None:
    refuse_fetch_options(node)
    count = node.args.get("count") if isinstance(node, exp.Fetch) else node.expression
    if count is None:
        return ast.Literal(1, "integer")
    return None if isinstance(count, (exp.Null, exp.All)) else ctx.expr(count)


def refuse_fetch_options(node: exp.Expr) -> None:
    """NotSupportedError for ties and percents, which neither executor knows."""
    options = node.args.get("limit_options")
    if options is not None and options.args.get("with_ties"):
        raise NotSupportedError(
            "FETCH ... WITH TIES is not supported", hint="QUALIFY rank() OVER (ORDER BY ...) <= n keeps ties"
        )
    if options is not None and options.args.get("percent"):
        raise NotSupportedError(
            "FETCH ... PERCENT is not supported", hint="QUALIFY percent_rank() OVER (ORDER BY ...) < 0.1 keeps a tenth"
        )


def _condition(node: exp.Expr, key: str, ctx: Context) -> ast.Expr | None:
    clause = node.args.get(key)
    return ctx.expr(clause.this) if clause is not None else None


def _distinct(node: exp.Expr | None, ctx: Context) -> tuple[bool, tuple[ast.Expr, ...]]:
    if node is None:
        return False, ()
    on = node.args.get("on")
    if on is None:
        return True, ()
    keys = on.expressions if isinstance(on, exp.Tuple) else [on]
    return False, tuple(ctx.expr(key) for key in keys)


def _item(node: exp.Expr, ctx: Context) -> ast.SelectItem:
    if isinstance(node, exp.Alias):
        return ast.SelectItem(ctx.expr(node.this), fold(node.args["alias"]), True)
    if isinstance(node, exp.Aliases):
        raise NotSupportedError("several names for one column are not supported")
    return ast.SelectItem(ctx.expr(node), output_name(node))


def output_name(node: exp.Expr) -> str:
    """The name PostgreSQL gives a column without an alias."""
    while isinstance(
        node,
        (
            exp.Paren,
            exp.Filter,
            exp.Window,
            exp.WithinGroup,
            exp.IgnoreNulls,
            exp.RespectNulls,
            exp.Bracket,
            exp.Collate,
        ),
    ):
        node = node.this
    if isinstance(node, exp.Column):
        return "*" if isinstance(node.this, exp.Star) else fold(node.this)
    if isinstance(node, exp.Cast):
        return _type_output_name(node) if _is_weak(node.this) else output_name(node.this)
    if isinstance(node, exp.Case):
        return _case_name(node)
    if isinstance(node, exp.Trim):
        return {"TRAILING": "rtrim", "LEADING": "ltrim"}.get(str(node.args.get("position") or "").upper(), "btrim")
    if isinstance(node, exp.Anonymous):
        return "?column?" if node.name.startswith("$") else node.name.lower()
    if isinstance(node, exp.Dot):
        if isinstance(node.expression, exp.Star):
            return "*"
        return output_name(node.expression) if isinstance(node.expression, exp.Func) else fold(node.expression)
    if isinstance(node, exp.Subquery):
        inner_query = node.this
        return (
            output_name(inner_query.expressions[0])
            if isinstance(inner_query, exp.Select) and inner_query.expressions
            else "?column?"
        )
    if isinstance(node, exp.Alias):
        return fold(node.args["alias"])
    return _OUTPUT_NAMES.get(type(node), "?column?")


_OUTPUT_NAMES: dict[type[exp.Expr], str] = {
    exp.Star: "*",
    exp.Exists: "exists",
    exp.Array: "array",
    exp.Tuple: "row",
    exp.Struct: "row",
    exp.Extract: "extract",
    exp.Substring: "substring",
    exp.StrPosition: "position",
    exp.Overlay: "overlay",
    exp.Unnest: "unnest",
    exp.AtTimeZone: "timezone",
    exp.CurrentTimestamp: "current_timestamp",
    exp.CurrentDate: "current_date",
    exp.Interval: "interval",
    exp.CurrentTime: "current_time",
    exp.Localtime: "localtime",
    exp.Localtimestamp: "localtimestamp",
    exp.Boolean: "bool",
    exp.CurrentUser: "current_user",
    exp.SessionUser: "session_user",
    exp.CurrentSchema: "current_schema",
    exp.CurrentCatalog: "current_catalog",
}


def _is_weak(node: exp.Expr) -> bool:
    """Whether a value is called after its type, or CASE, for want of better: a cast around it is called after its own
    type (FigureColname of PostgreSQL's parse_target.c)."""
    if isinstance(node, (exp.Cast, exp.Paren, exp.Bracket, exp.Collate)):
        return _is_weak(node.this)
    if isinstance(node, (exp.Boolean, exp.Interval)) or node.meta.get(FROM_TEXT):
        return True
    if isinstance(node, exp.Subquery) and isinstance(node.this, exp.Select) and node.this.expressions:
        return _is_weak(node.this.expressions[0])
    return output_name(node) in ("?column?", "case")


_TYPE_NAMES = {
    "char": "bpchar",
    "decimal": "numeric",
    "boolean": "bool",
    "smallint": "int2",
    "int": "int4",
    "bigint": "int8",
    "real": "float4",
    "double precision": "float8",
}


def _case_name(node: exp.Case) -> str:
    """A CASE is called after its ELSE where that has a name of its own."""
    value = node.args.get("default")
    while isinstance(value, (exp.Cast, exp.Paren)):
        value = value.this
    named = isinstance(value, (exp.Column, exp.Anonymous, exp.Subquery, exp.Bracket, exp.Case))
    name = output_name(value) if value is not None and named else "case"
    return "case" if name == "?column?" else name


def _type_output_name(node: exp.Expr) -> str:
    """The name of the type in pg_type, of an array that of its elements."""
    written = node.args["to"]
    while isinstance(written, exp.DataType) and written.this == exp.DType.ARRAY and written.expressions:
        written = written.expressions[0]
    base = str(written.sql(dialect="postgres")).lower().partition("(")[0].partition("[")[0]
    if base.startswith(PG_TYPE):
        return base.removeprefix(PG_TYPE).removesuffix(ARRAY_SUFFIX)
    return _TYPE_NAMES.get(base, base)


# ---------------------------------------------------------------- GROUP BY


def _grouping(
    node: exp.Expr | None, items: tuple[ast.SelectItem, ...], ctx: Context
) -> tuple[tuple[ast.Expr, ...], tuple[ast.GroupingSet, ...]]:
    """GROUP BY's expressions, and its grouping sets expanded when it has any."""
    if node is None:
        return (), ()
    if node.args.get("totals"):
        raise NotSupportedError("GROUP BY ... WITH TOTALS has no incremental form")
    if node.args.get("all"):
        return (ast.Star(),), ()
    factors = [_factor(item, items, ctx) for item in _elements(node)]
    if all(len(sets) == 1 and kind == "plain" for kind, sets in factors):
        return tuple(dict.fromkeys(expr for _, sets in factors for expr in sets[0])), ()
    total = 1
    for _, sets in factors:
        total *= len(sets)
        if total > GROUPING_SETS_MAX:
            raise TooComplex(f"more than {GROUPING_SETS_MAX} grouping sets")
    expanded = [
        tuple(dict.fromkeys(expr for part in parts for expr in part))
        for parts in product(*(sets for _, sets in factors))
    ]
    every = tuple(dict.fromkeys(expr for exprs in expanded for expr in exprs))
    return every, tuple(ast.GroupingSet(exprs) for exprs in expanded)


def _elements(node: exp.Expr) -> list[exp.Expr]:
    found = list(node.expressions)
    for key in ("grouping_sets", "rollup", "cube"):
        found += node.args.get(key) or []
    return found


Sets = list[tuple[ast.Expr, ...]]


def _factor(node: exp.Expr, items: tuple[ast.SelectItem, ...], ctx: Context) -> tuple[str, Sets]:
    """The grouping sets one element of GROUP BY stands for."""
    if isinstance(node, exp.GroupingSets):
        sets: Sets = []
        for inner in node.expressions:
            sets += _factor(inner, items, ctx)[1]
        return "sets", sets
    if isinstance(node, exp.Rollup):
        columns = [_columns(inner, items, ctx) for inner in node.expressions]
        return "sets", [tuple(expr for part in columns[:n] for expr in part) for n in range(len(columns), -1, -1)]
    if isinstance(node, exp.Cube):
        columns = [_columns(inner, items, ctx) for inner in node.expressions]
        if len(columns) > 12:
            raise TooComplex(f"more than {GROUPING_SETS_MAX} grouping sets")
        chosen = product((True, False), repeat=len(columns))
        return "sets", [
            tuple(expr for part, on in zip(columns, picks, strict=True) if on for expr in part) for picks in chosen
        ]
    return "plain", [_columns(node, items, ctx)]


def _columns(node: exp.Expr, items: tuple[ast.SelectItem, ...], ctx: Context) -> tuple[ast.Expr, ...]:
    if isinstance(node, exp.Tuple):
        return tuple(expr for inner in node.expressions for expr in _columns(inner, items, ctx))
    return (_positional(node, items, ctx),)


def _positional(node: exp.Expr, items: tuple[ast.SelectItem, ...], ctx: Context) -> ast.Expr:
    """`GROUP BY 1` is the first item's expression."""
    made = ctx.expr(node)
    if isinstance(made, ast.Literal) and type(made.value) is int:
        if not 1 <= made.value <= len(items):
            raise errors.SyntaxError(
                f"GROUP BY position {made.value} is not in select list",
                position=position_of(node),
                sqlstate="42P10",
            )
        target = items[made.value - 1].expr
        if isinstance(target, ast.Star):
            raise NotSupportedError("GROUP BY position of a star has no incremental form")
        return target
    return made


# ---------------------------------------------------------------- WITH, set operations, VALUES


def _ctes(node: exp.Expr | None, ctx: Context) -> tuple[ast.Cte, ...]:
    if node is None:
        return ()
    recursive = bool(node.args.get("recursive"))
    made = []
    for cte in node.expressions:
        name, columns = alias_of(cte)
        if name is None or not isinstance(cte.this, (exp.Query, exp.Values, exp.Pivot)):
            raise NotSupportedError("only queries are supported in WITH")
        made.append(ast.Cte(name, ctx.query(cte.this), columns, recursive, cte.args.get("materialized")))
    return tuple(made)


def _set_operation(node: exp.Expr, ctx: Context) -> Lowered:
    """Walks down the left side by a loop; chains of one associative operator come out balanced."""
    _reject_unknown(node)
    spine: list[exp.Expr] = []
    bottom = node
    while isinstance(bottom, exp.SetOperation) and (bottom is node or not _has_tail(bottom)):
        if bottom.args.get("side") or bottom.args.get("by_name") and not isinstance(bottom, exp.Union):
            raise NotSupportedError("only UNION is supported BY NAME")
        spine.append(bottom)
        bottom = bottom.this
    terms = [ctx.query(bottom), *(ctx.query(step.expression) for step in reversed(spine))]
    ops = [_operation(step) for step in reversed(spine)]
    if len(set(ops)) == 1 and ops[0][0] != "except":
        made = _balanced(terms, ops[0])
    else:
        made = _left_deep(terms, ops)
    return replace(made, **_tail(node, ctx))


def _has_tail(node: exp.Expr) -> bool:
    return any(node.args.get(key) for key in ("order", "limit", "offset", "with_"))


Operation = tuple[str, bool, bool]
"""(op, all, by_name)."""


def _operation(node: exp.Expr) -> Operation:
    names: dict[type[exp.Expr], str] = {exp.Union: "union", exp.Intersect: "intersect", exp.Except: "except"}
    return names[type(node)], not node.args.get("distinct"), bool(node.args.get("by_name"))


def _combined(operation: Operation, left: Lowered, right: Lowered) -> ast.SetOperation:
    op, all_, by_name = operation
    return ast.SetOperation(op, all_, left, right, by_name=by_name)


def _balanced(terms: list[Lowered], operation: Operation) -> ast.SetOperation:
    while len(terms) > 2:
        pairs: list[Lowered] = [_combined(operation, terms[i], terms[i + 1]) for i in range(0, len(terms) - 1, 2)]
        terms = pairs + ([terms[-1]] if len(terms) % 2 else [])
    return _combined(operation, terms[0], terms[1])


def _left_deep(terms: list[Lowered], ops: list[Operation]) -> ast.SetOperation:
    if len(ops) > DEPTH_MAX:
        raise TooComplex(f"a query chains more than {DEPTH_MAX} different set operations")
    made = terms[0]
    for operation, right in zip(ops, terms[1:], strict=True):
        made = _combined(operation, made, right)
    assert isinstance(made, ast.SetOperation)
    return made


def _values(node: exp.Expr, ctx: Context) -> ast.Select:
    rows = value_rows(node, ctx)
    names = tuple(f"column{number + 1}" for number in range(len(rows[0])))
    source = ast.ValuesRef(rows, None, names)
    return ast.Select((ast.SelectItem(ast.Star(), "*"),), source, **_tail(node, ctx))


def _parenthesised(node: exp.Expr, ctx: Context) -> Lowered:
    """A query in parentheses, perhaps with clauses after them."""
    if not isinstance(node.this, (exp.Query, exp.Values)):
        raise NotSupportedError("a parenthesised table as a query is not supported")
    inner = ctx.query(node.this)
    tail = {key: value for key, value in _tail(node, ctx).items() if value}
    if not tail:
        return inner
    if inner.order_by or inner.limit is not None or inner.offset is not None or inner.ctes:
        whole = ast.Select((ast.SelectItem(ast.Star(), "*"),), ast.SubqueryRef(inner, None))
        return replace(whole, **tail)
    return replace(inner, **tail)
