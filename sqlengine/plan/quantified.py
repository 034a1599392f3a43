"""EXISTS, IN, ANY and ALL as aggregates over a subquery's rows, with SQL's three truth values."""

from __future__ import annotations

from sqlengine.plan.rewrite import conjoin, contains
from sqlengine.plan.unplannable import Unplannable
from sqlengine.sql import ast
from storage.replacing import replace


def operands(test: ast.Subquery) -> tuple[ast.Expr, ...]:
    """What stands before IN, ANY or ALL."""
    assert test.arg is not None
    return test.arg.items if isinstance(test.arg, ast.Row) else (test.arg,)


def counted_answers(sub: ast.Subquery) -> ast.Select:
    """EXISTS, IN, ANY or ALL as an aggregate: whether some comparison is true, else whether one is NULL."""
    rows = ast.Call("count", (), star=True)
    zero = ast.Literal(0, "bigint")
    if sub.kind == "exists":
        some: ast.Expr = ast.Binary("=" if sub.negated else ">", rows, zero)
        return ast.Select(items=(ast.SelectItem(some, "$v0"),), from_=ast.SubqueryRef(sub.query, "$rows"))
    args = operands(sub)
    names = tuple(f"$v{i}" for i in range(len(args)))
    op = "=" if sub.kind == "in" else sub.op or "="
    if len(args) > 1 and op not in ("=", "<>"):
        raise Unplannable("rows in order compared with a subquery")
    equal = [ast.Binary("=", a, ast.Column(("$rows", n)), rules=sub.rules) for a, n in zip(args, names, strict=True)]
    compared = conjoin([*equal]) if len(args) > 1 else replace(equal[0], op=op)
    assert compared is not None
    if len(args) > 1 and op == "<>":
        compared = ast.Unary("not", compared)
    every = sub.kind == "all"
    decides = ast.Unary("not", compared) if every else compared
    whens = (
        (ast.Binary(">", replace(rows, filter=decides), zero), ast.Literal(not every, "boolean")),
        (ast.Binary(">", replace(rows, filter=ast.IsTest(compared, "null")), zero), ast.Literal(None, "boolean")),
    )
    answer: ast.Expr = ast.Case(None, whens, ast.Literal(every, "boolean"))
    if sub.negated:
        answer = ast.Unary("not", answer)
    return ast.Select(items=(ast.SelectItem(answer, "$v0"),), from_=ast.SubqueryRef(sub.query, "$rows", names))


_NEGATED = {"<": ">=", "<=": ">", ">": "<=", ">=": "<"}


def by_extreme(sub: ast.Subquery) -> ast.Subquery | None:
    """`x < ANY (query)` as a comparison with the greatest value, and so on; None for other comparisons.

    Only aggregates are computed per group, so nothing is compared with every row.
    """
    if sub.op not in _NEGATED or sub.arg is None or isinstance(sub.arg, ast.Row) or contains(sub.arg, ast.Subquery):
        return None
    every = sub.kind == "all"
    op = _NEGATED[sub.op] if every else sub.op
    value = ast.Column(("$rows", "$v0"))
    rows, known = ast.Call("count", (), star=True), ast.Call("count", (value,))
    extreme = ast.Call("max" if op in ("<", "<=") else "min", (value,))
    unknown = ast.Binary(
        "and",
        ast.Binary(">", rows, ast.Literal(0, "bigint")),
        ast.Binary("or", ast.IsTest(sub.arg, "null"), ast.Binary("<>", rows, known)),
    )
    whens = (
        (ast.Binary(op, sub.arg, extreme, rules=sub.rules), ast.Literal(not every, "boolean")),
        (unknown, ast.Literal(None, "boolean")),
    )
    answer = ast.Case(None, whens, ast.Literal(every, "boolean"))
    query = ast.Select(items=(ast.SelectItem(answer, "$v0"),), from_=ast.SubqueryRef(sub.query, "$rows", ("$v0",)))
    whole = ast.Subquery("scalar", query)
    return whole if not sub.negated else None
