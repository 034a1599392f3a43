"""`*` over joins with USING: the merged columns come first, those of the last join before the others, as SQL has it.

DuckDB leaves them where the left side has them.  Only chains of joins with USING or ON are looked at, and only where
the merged names are nobody else's: what may be ambiguous stays as it is.  Views do the same (plan/using_first.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlglot import exp

from sqlengine.sql.lower_values import fold
from sqlengine.sql.nodes import find_all

ColumnsOf = Callable[[exp.Expr], Sequence[str] | None]
"""The columns of what stands in FROM, None where they are not known."""


def merged_first(tree: exp.Expr, columns_of: ColumnsOf) -> None:
    """Put them first, in place."""
    for select in find_all(tree, exp.Select):
        plain = [item for item in select.expressions if isinstance(item, exp.Star) and not any(item.args.values())]
        names = _merged(select, columns_of) if plain else []
        if names:
            items = [part for item in select.expressions for part in _spelt(item, names)]
            select.set("expressions", items)


def _merged(select: exp.Select, columns_of: ColumnsOf) -> list[str]:
    """The merged columns in the order they are shown in; none where an order cannot be told."""
    joins: list[exp.Join] = select.args.get("joins") or []
    if not all(join.args.get("using") or join.args.get("on") for join in joins):
        return []
    names: list[str] = []
    for join in reversed(joins):
        names += [fold(name.this if isinstance(name, exp.Column) else name) for name in join.args.get("using") or ()]
    names = list(dict.fromkeys(names))
    if not names or select.args.get("from_") is None:
        return []
    if len(joins) > 1:
        sources = [select.args["from_"].this, *(join.this for join in joins)]
        known = [columns_of(source) for source in sources]
        if None in known or not all(_is_shared(name, joins, known) for name in names):
            return []
    return names


def _is_shared(name: str, joins: Sequence[exp.Join], known: Sequence[Sequence[str] | None]) -> bool:
    """Whether every table that has the column is merged by it with those before."""
    having = [name in (columns or ()) for columns in known]
    first = having.index(True) if True in having else len(joins)
    uses = [name in map(fold, join.args.get("using") or ()) for join in joins]
    return all(uses[at - 1] for at, has in enumerate(having) if has and at > first)


def _spelt(item: exp.Expr, names: Sequence[str]) -> list[exp.Expr]:
    if not isinstance(item, exp.Star) or any(item.args.values()):
        return [item]
    rest = exp.Star(except_=[exp.column(exp.to_identifier(name, quoted=True)) for name in names])
    return [*(exp.column(exp.to_identifier(name, quoted=True)) for name in names), rest]
