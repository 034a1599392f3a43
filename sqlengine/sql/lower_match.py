"""Lowering of MATCH_RECOGNIZE: the call that `rewrite_match` makes of it, as data."""

from __future__ import annotations

from typing import Any

from sqlglot import exp

from sqlengine import errors
from sqlengine.sql import ast
from sqlengine.sql.lower_calls import arguments_of
from sqlengine.sql.lower_expr import Context
from sqlengine.sql.lower_values import position_of
from sqlengine.sql.rewrite_match import DEFINE, MATCH, MEASURE, ORDER, PARTITION, PATTERN, ROWS, SKIP, SUBSET, WITHIN


def is_match(node: Any) -> bool:
    """Whether a call in FROM is a MATCH_RECOGNIZE."""
    return isinstance(node, exp.Anonymous) and node.name == MATCH


def match_parts(node: exp.Expr, ctx: Context) -> dict[str, Any]:
    """What ast.MatchRef has beside its input and aliases."""
    from sqlengine.sql.row_pattern import parse_row_pattern  # lark, which most queries do not need

    clauses: dict[str, list[exp.Expr]] = {}
    for clause in node.expressions[1:]:
        clauses.setdefault(clause.name, []).append(clause)

    def only(name: str) -> list[exp.Expr]:
        return list(clauses[name][0].expressions) if name in clauses else []

    rows = [str(item.this) for item in only(ROWS)] or ["one", "matches"]
    pattern, start = only(PATTERN)
    return {
        "partition_by": tuple(ctx.expr(item) for item in only(PARTITION)),
        "order_by": arguments_of(ast.Call(ORDER, ()), only(ORDER), ctx).order_by,
        "measures": tuple(_measure(clause, ctx) for clause in clauses.get(MEASURE, ())),
        "all_rows": rows[0] == "all",
        "shown": rows[1],
        "skip": _skip(only(SKIP)),
        "pattern": parse_row_pattern(str(pattern.this), int(start.this)),
        "within": _within(only(WITHIN), ctx, node),
        "subsets": tuple(_subset(clause) for clause in clauses.get(SUBSET, ())),
        "defines": tuple(_define(clause, ctx) for clause in clauses[DEFINE]),
        "position": position_of(node),
    }


def _measure(clause: exp.Expr, ctx: Context) -> ast.MatchMeasure:
    expr, name = clause.expressions
    return ast.MatchMeasure(ctx.expr(expr), str(name.this), _position(clause))


def _position(clause: exp.Expr) -> int | None:
    at = position_of(clause)
    return at if at is not None else position_of(clause.this if isinstance(clause.this, exp.Expr) else None)


def _skip(given: list[exp.Expr]) -> ast.MatchSkip:
    if not given:
        return ast.MatchSkip()
    name = str(given[1].this) if len(given) > 1 else ""
    return ast.MatchSkip(str(given[0].this), name, position_of(given[0]))


def _within(given: list[exp.Expr], ctx: Context, node: exp.Expr) -> ast.Interval | None:
    if not given:
        return None
    made = ctx.expr(given[0])
    if not isinstance(made, ast.Interval):
        raise errors.SyntaxError(
            "WITHIN takes a constant interval", hint="WITHIN INTERVAL '1 hour'", position=position_of(node)
        )
    return made


def _subset(clause: exp.Expr) -> ast.MatchSubset:
    name, label, *members = (str(item.this) for item in clause.expressions)
    return ast.MatchSubset(name, label, tuple(members), _position(clause))


def _define(clause: exp.Expr, ctx: Context) -> ast.MatchDefine:
    condition, name, label = clause.expressions
    return ast.MatchDefine(str(name.this), str(label.this), ctx.expr(condition), _position(clause))
