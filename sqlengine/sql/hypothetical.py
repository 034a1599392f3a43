"""Aggregates of a row that is not there: `rank(x) WITHIN GROUP (ORDER BY y)` and its like, as counts.

They say where the values in parentheses would stand among the group's rows (PostgreSQL's manual, section 9.21): how
many rows come before them, so that counts keep them up to date where rows come and go.
"""

from __future__ import annotations

from sqlglot import exp

from sqlengine.errors import NotSupportedError, UndefinedFunction
from sqlengine.sql.lower_values import position_of

NAMES = frozenset(("rank", "dense_rank", "percent_rank", "cume_dist"))


def hypothetical(node: exp.Expr) -> None:
    """Such a call, with its FILTER if there is one, in place; any other `WITHIN GROUP` stays."""
    name = node.this.sql_name().lower() if not isinstance(node.this, exp.Anonymous) else node.this.name.lower()
    order = node.expression.expressions if isinstance(node.expression, exp.Order) else []
    if name not in NAMES or not order:
        return
    values = node.this.expressions
    if len(values) != len(order):
        raise UndefinedFunction(
            f"function {name} of {len(values)} values within an order of {len(order)} does not exist",
            hint="to use the hypothetical-set aggregate, there must be as many values as columns to order by",
            position=position_of(node.this),
        )
    around = node.parent if isinstance(node.parent, exp.Filter) else node
    condition = around.expression.this if isinstance(around, exp.Filter) else None
    made: exp.Expr = exp.Paren(this=_counted(name, values, order, condition))
    if isinstance(around.parent, exp.Select) and around.arg_key == "expressions":
        made = exp.Alias(this=made, alias=exp.to_identifier(name))
    around.replace(made)


def _counted(name: str, values: list[exp.Expr], order: list[exp.Expr], condition: exp.Expr | None) -> exp.Expr:
    before = _before(values, order)
    if name == "dense_rank":
        distinct = [item.this.copy() for item in order]
        if len(distinct) > 1:
            raise NotSupportedError("dense_rank of several columns as an aggregate is not supported")
        counted = exp.Add(
            this=_count(before, condition, distinct[0]), expression=_count_null(order[0], before, condition)
        )
        return exp.Add(this=exp.Literal.number(1), expression=counted)
    rows_before = _count(before, condition)
    if name == "rank":
        return exp.Add(this=exp.Literal.number(1), expression=rows_before)
    rows = _count(None, condition)
    if name == "percent_rank":
        share = exp.Div(this=_double(rows_before), expression=rows)
        none = exp.If(
            this=exp.EQ(this=rows.copy(), expression=exp.Literal.number(0)), true=_double(exp.Literal.number(0))
        )
        return exp.Case(ifs=[none], default=share)
    peers = exp.Or(this=before, expression=exp.Paren(this=_same(values, order)))
    up_to = exp.Add(this=_count(peers, condition), expression=exp.Literal.number(1))
    return exp.Div(
        this=_double(exp.Paren(this=up_to)),
        expression=exp.Paren(this=exp.Add(this=rows, expression=exp.Literal.number(1))),
    )


def _double(of: exp.Expr) -> exp.Cast:
    return exp.Cast(this=of, to=exp.DataType.build("double"))


def _count(condition: exp.Expr | None, also: exp.Expr | None, distinct: exp.Expr | None = None) -> exp.Expr:
    """count(*), or count(DISTINCT x), of the rows for which both hold."""
    counted = exp.Star() if distinct is None else exp.Distinct(expressions=[distinct])
    call = exp.Anonymous(this="count", expressions=[counted])
    parts = [exp.Paren(this=part.copy()) for part in (condition, also) if part is not None]
    if not parts:
        return call
    both = parts[0] if len(parts) == 1 else exp.And(this=parts[0], expression=parts[1])
    return exp.Filter(this=call, expression=exp.Where(this=both))


def _count_null(item: exp.Expr, before: exp.Expr, condition: exp.Expr | None) -> exp.Expr:
    """1 where NULL is one of the values before, which count(DISTINCT) passes over."""
    null = exp.Is(this=item.this.copy(), expression=exp.Null())
    found = _count(exp.And(this=exp.Paren(this=before.copy()), expression=null), condition)
    return exp.Anonymous(this="least", expressions=[found, exp.Literal.number(1)])


def _before(values: list[exp.Expr], order: list[exp.Expr]) -> exp.Expr:
    """Whether a row comes before the values: by its first column, or being level there by the next."""
    found: exp.Expr | None = None
    for value, item in reversed(list(zip(values, order, strict=True))):
        first = _first(value, item)
        if found is not None:
            level = exp.And(this=_same([value], [item]), expression=exp.Paren(this=found))
            first = exp.Or(this=first, expression=exp.Paren(this=level))
        found = first
    assert found is not None
    return found


def _first(value: exp.Expr, item: exp.Expr) -> exp.Expr:
    column, compare = item.this, exp.GT if item.args.get("desc") else exp.LT
    there = compare(this=column.copy(), expression=value.copy())
    nulls_first = bool(item.args.get("nulls_first"))
    null, known = (column, value) if nulls_first else (value, column)
    is_null = exp.Is(this=null.copy(), expression=exp.Null())
    is_known = exp.Not(this=exp.Is(this=known.copy(), expression=exp.Null()))
    return exp.Or(this=exp.Paren(this=there), expression=exp.Paren(this=exp.And(this=is_null, expression=is_known)))


def _same(values: list[exp.Expr], order: list[exp.Expr]) -> exp.Expr:
    found: exp.Expr | None = None
    for value, item in zip(values, order, strict=True):
        same = exp.Paren(this=exp.NullSafeEQ(this=item.this.copy(), expression=value.copy()))
        found = same if found is None else exp.And(this=found, expression=same)
    assert found is not None
    return found
