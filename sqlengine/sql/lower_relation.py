"""Lowering of FROM: tables, files, functions, sub-queries, windows, joins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlglot import exp

from sqlengine import errors
from sqlengine.errors import NotSupportedError
from sqlengine.sql import ast
from sqlengine.sql.lower_expr import Context
from sqlengine.sql.lower_match import is_match, match_parts
from sqlengine.sql.lower_pivot import pivoted, sampled, standard
from sqlengine.sql.lower_values import FILE, STATE, alias_of, fold, parts_of, position_of, state_arguments
from sqlengine.sql.rewrite import CHANGELOG, PARTITION, WINDOW_FUNCTIONS
from sqlengine.sql.windows import make_spec


def from_clause(select: exp.Expr, ctx: Context) -> ast.Relation | None:
    """FROM with its joins, or None; under DuckDB's USING SAMPLE a sample of them."""
    clause, sample = select.args.get("from_"), select.args.get("sample")
    if clause is None:
        return None
    made = _with_joins(relation(clause.this, ctx), select.args.get("joins") or (), ctx)
    return made if sample is None else sampled(made, sample)


def relation(node: exp.Expr, ctx: Context) -> ast.Relation:
    """One item of FROM, nested joins included."""
    rule = _RULES.get(type(node))
    if rule is None:
        raise NotSupportedError(
            f"{type(node).__name__.lower()} in FROM has no incremental form", position=position_of(node)
        )
    _reject_modifiers(node)
    made = rule(node, ctx)
    for pivot in node.args.get("pivots") or ():
        made = pivoted(made, pivot, ctx)
    if node.args.get("sample") is not None:
        made = sampled(made, node.args["sample"])
    return _with_joins(made, node.args.get("joins") or (), ctx)


_MODIFIERS = {
    "laterals": "LATERAL VIEW",
    "match_recognize": "MATCH_RECOGNIZE",
    "changes": "CHANGES",
    "when": "AT/BEFORE",
}


def _reject_modifiers(node: exp.Expr) -> None:
    for key, name in _MODIFIERS.items():
        if node.args.get(key):
            raise NotSupportedError(f"{name} has no incremental form", position=position_of(node.this))


# ---------------------------------------------------------------- tables and functions


def _table(node: exp.Expr, ctx: Context) -> ast.Relation:
    alias, columns = alias_of(node)
    state = state_arguments(node)
    if state is not None:
        return ast.StateRef(("system", STATE), alias, columns, position=position_of(node), arguments=state)
    if not isinstance(node.this, exp.Identifier):
        return _function(node.this, alias, columns, ctx, ordinality=bool(node.args.get("ordinality")))
    if node.this.meta.get(FILE):
        return ast.FileRef(str(node.this.this), alias)
    first = next(node.args[key] for key in ("catalog", "db", "this") if node.args.get(key) is not None)
    return ast.TableRef(parts_of(node), alias, columns, _as_of(node.args.get("version"), ctx), position_of(first))


def _as_of(version: exp.Expr | None, ctx: Context) -> ast.Expr | str | None:
    """The time of FOR SYSTEM_TIME AS OF; "proctime" for PROCTIME()."""
    if version is None:
        return None
    if version.args.get("kind") != "AS OF" or version.args.get("this") != "TIMESTAMP":
        raise NotSupportedError("only FOR SYSTEM_TIME AS OF is supported of the time-travel clauses")
    time = version.expression
    return "proctime" if isinstance(time, exp.Anonymous) and time.name.lower() == "proctime" else ctx.expr(time)


def _function(
    node: exp.Expr,
    alias: str | None,
    columns: tuple[str, ...],
    ctx: Context,
    lateral: bool = False,
    ordinality: bool = False,
) -> ast.Relation:
    if isinstance(node, exp.Anonymous) and node.name.upper() in WINDOW_FUNCTIONS:
        return window(node, alias, ctx)
    if isinstance(node, exp.Anonymous) and node.name == CHANGELOG:
        return ast.ChangelogRef(_input(node.expressions[0], ctx))
    if is_match(node):
        return ast.MatchRef(
            _input(node.expressions[0], ctx), alias=alias, column_aliases=columns, **match_parts(node, ctx)
        )
    if not isinstance(node, (exp.Anonymous, exp.Unnest)):
        raise NotSupportedError(
            f"{type(node).__name__.lower()} in FROM has no incremental form", position=position_of(node)
        )
    name = "unnest" if isinstance(node, exp.Unnest) else node.name.lower()
    offset = node.args.get("offset")
    if isinstance(offset, exp.Identifier):  # taken from the column aliases
        columns = (*columns, fold(offset))
    args = tuple(ctx.expr(item) for item in node.expressions)
    return ast.FunctionRef(name, args, alias, columns, lateral, ordinality or bool(offset))


def _unnest(node: exp.Expr, ctx: Context) -> ast.Relation:
    return _function(node, *alias_of(node), ctx, lateral=True)


def _subquery(node: exp.Expr, ctx: Context) -> ast.Relation:
    if isinstance(node.this, exp.Table) or node.this.args.get("joins") and isinstance(node.this, exp.Subquery):
        return _in_parentheses(relation(node.this, ctx), *alias_of(node))
    if isinstance(node.this, exp.Pivot):
        return pivoted(relation(node.this.this, ctx), standard(node.this, node.args.get("alias")), ctx)
    return ast.SubqueryRef(ctx.query(node.this), *alias_of(node))


def _in_parentheses(inner: ast.Relation, alias: str | None, columns: tuple[str, ...]) -> ast.Relation:
    """A table or join in parentheses; a name behind them hides those inside."""
    if alias is None:
        return inner
    every = ast.SelectItem(ast.Star(), "*")
    return ast.SubqueryRef(ast.Select((every,), inner), alias, columns)


def _values(node: exp.Expr, ctx: Context) -> ast.Relation:
    return ast.ValuesRef(value_rows(node, ctx), *alias_of(node))


def value_rows(node: exp.Expr, ctx: Context) -> tuple[tuple[ast.Expr, ...], ...]:
    """The rows of VALUES; SyntaxError (42601) when their lengths differ."""
    rows = []
    for row in node.expressions:
        items = row.expressions if isinstance(row, exp.Tuple) else [row.this if isinstance(row, exp.Paren) else row]
        rows.append(tuple(ctx.expr(item) for item in items))
    if len({len(row) for row in rows}) > 1:
        raise errors.SyntaxError("VALUES lists must all be the same length")
    return tuple(rows)


def _lateral(node: exp.Expr, ctx: Context) -> ast.Relation:
    alias, columns = alias_of(node)
    if node.args.get("view") or node.args.get("outer"):
        raise NotSupportedError("LATERAL VIEW has no incremental form")
    inner = node.this
    if isinstance(inner, exp.Subquery):
        return ast.SubqueryRef(ctx.query(inner.this), alias, columns, True)
    return _function(inner, alias, columns, ctx, True, bool(node.args.get("ordinality")))


_RULES: dict[type[exp.Expr], Callable[[Any, Context], ast.Relation]] = {
    exp.Table: _table,
    exp.Subquery: _subquery,
    exp.Values: _values,
    exp.Lateral: _lateral,
    exp.Unnest: _unnest,
}


# ---------------------------------------------------------------- windows


_POSITIONAL = {
    "tumble": ("SIZE", "OFFSET"),
    "hop": ("SLIDE", "SIZE", "OFFSET"),
    "cumulate": ("STEP", "SIZE", "OFFSET"),
    "session": ("GAP",),
}


def window(node: exp.Expr, alias: str | None, ctx: Context) -> ast.WindowRef:
    """A window table function in any spelling; arguments by position or by name."""
    spec = window_spec(node, ctx)
    given, keys = window_arguments(node)
    partition = tuple(_column(item, ctx) for item in keys)
    return ast.WindowRef(
        _input(given["DATA"], ctx), _time(given["TIMECOL"], ctx), spec, partition, alias, position_of(node)
    )


def window_spec(node: exp.Expr, ctx: Context) -> ast.WindowSpec:
    """Kind and sizes of a window table function; SyntaxError (42601) with its usage when an argument is
    missing."""
    kind = node.name.lower()
    given, _ = window_arguments(node)
    missing = next(
        (name for name in ("DATA", "TIMECOL", *_POSITIONAL[kind]) if name not in given and name != "OFFSET"),
        None,
    )
    if missing is not None:
        usage = ", ".join(
            ("table", "DESCRIPTOR(time)", *(name.lower() for name in _POSITIONAL[kind] if name != "OFFSET"))
        )
        raise errors.SyntaxError(
            f"{kind} lacks an argument", hint=f"write {kind.upper()}({usage})", position=position_of(node)
        )
    sizes = {name: ctx.expr(given[name]) for name in _POSITIONAL[kind] if name in given}
    return make_spec(kind, sizes, position_of(node))


def window_arguments(node: exp.Expr) -> tuple[dict[str, exp.Expr], list[exp.Expr]]:
    """A window function's arguments by upper-case name, and its PARTITION BY columns."""
    kind = node.name.lower()
    names = iter(("DATA", "TIMECOL", *_POSITIONAL[kind]))
    given: dict[str, exp.Expr] = {}
    keys: list[exp.Expr] = []
    for item in node.expressions:
        if isinstance(item, exp.Anonymous) and item.name == PARTITION:
            keys = item.expressions
        elif isinstance(item, exp.Kwarg):
            given[str(item.this.name).upper()] = item.expression
        else:
            name = next(names, None)
            if name is None:
                raise errors.SyntaxError(f"too many arguments of {kind}", position=position_of(item))
            given[name] = item
    unknown = set(given) - {"DATA", "TIMECOL", *_POSITIONAL[kind]}
    if unknown:
        raise errors.SyntaxError(f"{kind} has no argument {min(unknown).lower()}", position=position_of(node))
    return given, keys


def _input(node: exp.Expr, ctx: Context) -> ast.Relation:
    if isinstance(node, exp.Column):
        return ast.TableRef(parts_of(node), position=position_of(node.this))
    if isinstance(node, exp.Anonymous):
        return _function(node, None, (), ctx)
    if isinstance(node, exp.Alias) and isinstance(node.this, exp.Subquery):  # TUMBLE((SELECT ...) AS q, ...)
        return ast.SubqueryRef(ctx.query(node.this.this), fold(node.args["alias"]))
    return relation(node, ctx)


def _time(node: exp.Expr, ctx: Context) -> ast.Column:
    return _column(descriptor_column(node) if isinstance(node, exp.Anonymous) else node, ctx)


def descriptor_column(node: exp.Expr) -> exp.Expr:
    """The column of DESCRIPTOR(column)."""
    if node.name.lower() != "descriptor" or len(node.expressions) != 1:
        raise errors.SyntaxError(
            "a time column is expected here", hint="write DESCRIPTOR(column)", position=position_of(node)
        )
    return node.expressions[0]  # type: ignore[no-any-return]


def _column(node: exp.Expr, ctx: Context) -> ast.Column:
    made = ctx.expr(node)
    if not isinstance(made, ast.Column):
        raise errors.SyntaxError("a column name is expected here", position=position_of(node))
    return made


# ---------------------------------------------------------------- joins


def _with_joins(left: ast.Relation, joins: Any, ctx: Context) -> ast.Relation:
    """A FROM list.  A comma binds less than JOIN, which shows where a join keeps all rows of its right side."""
    for i, join in enumerate(joins):
        rest = joins[i + 1 :]
        if _is_comma(join) and any(_join_kind(j) in ("right", "full") for j in rest):
            right = _with_joins(relation(join.this, ctx), rest, ctx)
            return ast.Join("cross", left, right, None, (), False, position_of(join.this.this))
        left = _join(_join_kind(join), left, join, ctx)
    return left


def _is_comma(join: exp.Expr) -> bool:
    return not any(join.args.get(key) for key in ("side", "kind", "method", "on", "using"))


def _join_kind(join: exp.Expr) -> str:
    side, kind, method = (str(join.args.get(key) or "").upper() for key in ("side", "kind", "method"))
    if method == "ASOF":
        if side in ("", "LEFT"):
            return "asof_left" if side else "asof"
        raise NotSupportedError(f"ASOF {side} JOIN has no incremental form")
    if kind in ("SEMI", "ANTI") and side in ("", "LEFT"):
        return kind.lower()
    if side in ("LEFT", "RIGHT", "FULL") and kind in ("", "OUTER"):
        return side.lower()
    if side == "" and kind in ("", "INNER", "CROSS"):
        return (
            "cross"
            if kind == "CROSS" or (not join.args.get("on") and not join.args.get("using") and method != "NATURAL")
            else "inner"
        )
    raise NotSupportedError(f"{side} {kind} JOIN".replace("  ", " ").strip() + " is not supported")


def _join(kind: str, left: ast.Relation, join: exp.Expr, ctx: Context) -> ast.Join:
    on, method = join.args.get("on"), str(join.args.get("method") or "").upper()
    if method not in ("", "ASOF", "NATURAL"):
        raise NotSupportedError(f"{method} JOIN is not supported")
    if join.args.get("match_condition") or join.args.get("global_"):
        raise NotSupportedError("MATCH_CONDITION is not supported", hint="put the inequality into ON")
    using = tuple(fold(item.this if isinstance(item, exp.Column) else item) for item in join.args.get("using") or ())
    right = relation(join.this, ctx)
    if kind in ("inner", "left", "right", "full", "semi", "anti") and on is None and not using and method != "NATURAL":
        raise errors.SyntaxError(
            f"{kind.upper()} JOIN needs ON or USING",
            position=position_of(join.this.this) if join.this else None,
        )
    condition = ctx.expr(on) if on is not None else None
    if isinstance(join.this, exp.Lateral) and join.this.args.get("cross_apply") is False:  # OUTER APPLY
        kind, condition = "left", ast.Literal(True, "boolean")
    return ast.Join(
        kind,
        left,
        right,
        condition,
        using,
        method == "NATURAL",
        position_of(join.this.this if join.this else None),
    )
