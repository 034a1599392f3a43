"""What PostgreSQL refuses of a SELECT's clauses and the snapshot executor takes, or words without the place."""

from __future__ import annotations

from sqlglot import exp

from sqlengine.errors import DataError, ProgrammingError, WrongObjectType
from sqlengine.sql.lower_values import position_of
from sqlengine.sql.nodes import find_all, nodes


def check_selects(tree: exp.Expr) -> None:
    """WrongObjectType (42809) for a window function without a window, ProgrammingError (42P10) for places that are not
    in the select list and for DISTINCT ordered by what is not, DataError (2201W, 2201X) for a LIMIT or OFFSET below 0.
    """
    for select in find_all(tree, exp.Select):
        _check_places(select)
        _check_distinct(select)
    for call in find_all(tree, exp.Func):
        _check_window(call)
    for clause, word, sqlstate in ((exp.Limit, "LIMIT", "2201W"), (exp.Offset, "OFFSET", "2201X")):
        for found in find_all(tree, clause):
            count = found.expression
            if isinstance(count, exp.Neg) and isinstance(count.this, exp.Literal) and count.this.this != "0":
                raise DataError(f"{word} must not be negative", sqlstate=sqlstate)


_WINDOW_FUNCTIONS = frozenset("row_number ntile lag lead nth_value".split())


def _check_window(call: exp.Func) -> None:
    name = (call.name if isinstance(call, exp.Anonymous) else call.sql_name()).lower()
    if name in _WINDOW_FUNCTIONS and call.find_ancestor(exp.Window, exp.Select, exp.WithinGroup) is call.parent_select:
        raise WrongObjectType(f"window function {name} requires an OVER clause", position=position_of(call))


def _check_places(select: exp.Select) -> None:
    count = len(select.expressions)
    if any(item.is_star or isinstance(item, exp.Columns) for item in select.expressions):
        return
    for key, word in (("group", "GROUP BY"), ("order", "ORDER BY")):
        clause = select.args.get(key)
        for item in clause.expressions if clause is not None else ():
            place = item.this if isinstance(item, exp.Ordered) else item
            if isinstance(place, exp.Literal) and place.is_int and not 1 <= int(place.this) <= count:
                raise ProgrammingError(
                    f"{word} position {place.this} is not in select list",
                    sqlstate="42P10",
                    hint=f"positions are 1 to {count}",
                    position=position_of(place),
                )


def _check_distinct(select: exp.Select) -> None:
    distinct, order = select.args.get("distinct"), select.args.get("order")
    if distinct is None or distinct.args.get("on") is not None or order is None:
        return
    items = select.expressions
    if any(item.is_star or isinstance(item, exp.Columns) for item in items):
        return
    names = {item.alias_or_name.lower() for item in items}
    texts = {_text(item.unalias()) for item in items}
    for item in order.expressions:
        wanted = item.this if isinstance(item, exp.Ordered) else item
        if isinstance(wanted, exp.Literal) or _text(wanted) in texts:
            continue
        if isinstance(wanted, exp.Column) and wanted.name.lower() in names:
            continue
        raise ProgrammingError(
            "for SELECT DISTINCT, ORDER BY expressions must appear in select list",
            sqlstate="42P10",
            position=next((at for node in nodes(wanted) if (at := position_of(node)) is not None), None),
        )


def _text(node: exp.Expr) -> str:
    return str(node.sql(dialect="postgres", comments=False)).lower()
