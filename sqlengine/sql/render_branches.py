"""Scalar subqueries in branches of CASE, in place: `THEN (q)` -> `THEN (SELECT v FROM (q) AS b (v) WHERE condition)`.

DuckDB asks every subquery for all rows, so that one with two rows fails where its branch is not taken; PostgreSQL asks
it where the branch is.  What surely has one row and divides by nothing stays as it is, and so does what stands under
conditions other than comparisons of columns and constants, which may not mean the same inside of a subquery.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from sqlengine.sql.lower_expr import AGGREGATES
from sqlengine.sql.nodes import find_all, nodes

_BRANCH, _VALUE = "$branch", "$value"
_PLAIN = (
    exp.Column, exp.Identifier, exp.Literal, exp.Boolean, exp.Null, exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE,
    exp.NullSafeEQ, exp.NullSafeNEQ, exp.And, exp.Or, exp.Not, exp.Paren, exp.Is, exp.Between, exp.In, exp.Tuple,
    exp.Neg, exp.Add, exp.Sub, exp.Mul, exp.Cast, exp.DataType, exp.DataTypeParam, exp.Interval, exp.Var,
)  # fmt: skip
"""What a condition may consist of."""
_RAISING = (exp.Div, exp.IntDiv, exp.Mod, exp.Cast)


def guard_branches(tree: exp.Expr) -> None:
    """Rewrite all of a tree's."""
    for case in find_all(tree, exp.Case):
        if not find_all(case, exp.Subquery):
            continue
        aliases = _aliases(case)
        if not all(_is_plain(condition, aliases) for condition in _conditions(case)):
            continue
        earlier: list[exp.Expr] = []
        for branch, condition in zip(case.args["ifs"], _conditions(case), strict=True):
            _guard(branch, branch.args["true"], [*earlier, condition])
            earlier.append(_not_true(condition))
        if case.args.get("default") is not None:
            _guard(case, case.args["default"], earlier)


def _conditions(case: exp.Case) -> list[exp.Expr]:
    operand = case.this
    if operand is None:
        return [branch.this for branch in case.args["ifs"]]
    return [exp.EQ(this=_paren(operand), expression=_paren(branch.this)) for branch in case.args["ifs"]]


def _paren(node: exp.Expr) -> exp.Paren:
    return exp.Paren(this=node.copy())


def _not_true(condition: exp.Expr) -> exp.Expr:
    """Where a condition is false or NULL."""
    return exp.Not(this=exp.Anonymous(this="coalesce", expressions=[_paren(condition), exp.Boolean(this=False)]))


def _aliases(case: exp.Case) -> set[str]:
    """The names of the other columns of the SELECT around, which DuckDB lets conditions use."""
    select = case.find_ancestor(exp.Select)
    own: exp.Expr | None = case
    while own is not None and own.parent is not select:
        own = own.parent
    items = select.expressions if select is not None else []
    return {i.alias for i in items if i is not own and isinstance(i, exp.Alias) and i.alias != i.this.name}


def _is_plain(condition: exp.Expr, aliases: set[str]) -> bool:
    return all(
        isinstance(node, _PLAIN)
        and not (isinstance(node, exp.Column) and (isinstance(node.this, exp.Star) or node.name in aliases))
        for node in nodes(condition)
    )


def _guard(above: exp.Expr, value: exp.Expr, conditions: list[exp.Expr]) -> None:
    for subquery in list(_scalar(value, above)):
        query = subquery.this
        if not isinstance(query, exp.Query) or _is_harmless(query):
            continue
        rows = exp.Subquery(
            this=query.copy(),
            alias=exp.TableAlias(this=_identifier(_BRANCH), columns=[_identifier(_VALUE)]),
        )
        taken = conditions[0].copy() if len(conditions) == 1 else exp.and_(*(_paren(c) for c in conditions))
        column = exp.Column(this=_identifier(_VALUE), table=_identifier(_BRANCH))
        made = exp.Select(expressions=[column], from_=exp.From(this=rows), where=exp.Where(this=taken))
        subquery.set("this", made)


def _identifier(name: str) -> exp.Identifier:
    return exp.Identifier(this=name, quoted=True)


def _scalar(node: exp.Expr, above: exp.Expr) -> Iterator[exp.Subquery]:
    """The scalar subqueries of a branch that stand in no other query and no inner CASE, which guards its own."""
    if isinstance(node, exp.Subquery):
        if not isinstance(above, (exp.In, exp.Exists, exp.Any, exp.All, exp.From, exp.Join)):
            yield node
        return
    if isinstance(node, (exp.Query, exp.Case, exp.In, exp.Exists, exp.Any, exp.All)):
        return
    for child in node.args.values():
        for part in child if isinstance(child, list) else [child]:
            if isinstance(part, exp.Expr):
                yield from _scalar(part, node)


def _is_harmless(query: exp.Expr) -> bool:
    """Whether a query has one row at the most, and nothing in it fails for some values."""
    if not isinstance(query, exp.Select) or len(query.expressions) != 1:
        return isinstance(query, exp.Select)  # what is no scalar subquery is left to be refused
    if find_all(query, *_RAISING):
        return False
    limit = query.args.get("limit")
    if isinstance(limit, exp.Limit) and isinstance(limit.expression, exp.Literal) and limit.expression.name in "01":
        return True
    if query.args.get("group") is not None:
        return False
    item = query.expressions[0].unalias()
    return query.args.get("from_") is None or (isinstance(item, exp.Anonymous) and item.name.lower() in AGGREGATES)
