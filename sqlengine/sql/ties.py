"""`ORDER BY x OFFSET o FETCH FIRST n ROWS WITH TIES`: the first n rows and all that are level with the last of them."""

from __future__ import annotations

from sqlglot import exp

from sqlengine.errors import NotSupportedError, SyntaxError  # noqa: A004 - SQL's word
from sqlengine.sql.lower_values import fold


def with_ties(node: exp.Expr) -> None:
    """Such a clause as a condition on ranks: a row is among them when its rank is."""
    options = node.args.get("limit_options")
    block = node.parent
    if options is None or not options.args.get("with_ties") or options.args.get("percent") or block is None:
        return
    order = block.args.get("order")
    if order is None:
        raise SyntaxError("WITH TIES cannot be specified without ORDER BY clause")
    if not isinstance(block, exp.Select) or block.args.get("distinct") or block.args.get("qualify"):
        return
    count = node.args.get("count") or exp.Literal.number(1)
    offset = block.args.get("offset")
    items = [_item(item, block) for item in order.expressions]
    skipped = offset.expression if offset is not None else None
    last = count if skipped is None else exp.Add(this=skipped.copy(), expression=exp.Paren(this=count))
    kept: exp.Expr = exp.LTE(this=_over("rank", items), expression=exp.Paren(this=last))
    if skipped is not None:
        behind = exp.GT(this=_over("row_number", items), expression=exp.Paren(this=skipped.copy()))
        kept = exp.And(this=kept, expression=behind)
        block.set("offset", None)
    block.set("limit", None)
    block.set("qualify", exp.Qualify(this=kept))


def _over(name: str, items: list[exp.Expr]) -> exp.Window:
    call = exp.Anonymous(this=name, expressions=[])
    return exp.Window(this=call, order=exp.Order(expressions=[item.copy() for item in items]), over="OVER")


def _item(item: exp.Expr, block: exp.Select) -> exp.Expr:
    """What to order by, a column's place or name in the select list being its expression."""
    made = item.copy()
    what = made.this
    if isinstance(what, exp.Literal) and not what.is_string:
        place = int(what.name)
        if not 0 < place <= len(block.expressions) or block.expressions[place - 1].find(exp.Star):
            raise NotSupportedError("WITH TIES by the place of a column needs a select list without *")
        made.set("this", _bare(block.expressions[place - 1]))
    elif isinstance(what, exp.Column) and not what.table:
        named = next(
            (e for e in block.expressions if isinstance(e, exp.Alias) and fold(e.args["alias"]) == fold(what.this)),
            None,
        )
        if named is not None:
            made.set("this", _bare(named))
    return made


def _bare(item: exp.Expr) -> exp.Expr:
    found: exp.Expr = item.this if isinstance(item, exp.Alias) else item
    return found.copy()
