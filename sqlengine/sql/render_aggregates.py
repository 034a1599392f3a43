"""Aggregates DuckDB has no way to register, has under a wrong meaning, or does not know.

A program's own: `f(x) FILTER (WHERE c)` -> `udf(list(x) FILTER (WHERE c))`; DISTINCT, ORDER BY and OVER stay with the
list.  JSON aggregates become to_json of lists; correlations are NULL, not NaN, where there is no spread (PostgreSQL);
first_value and last_value without OVER are first and last; WITHIN GROUP of texts is their ORDER BY.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlglot import exp

from sqlengine.errors import NotSupportedError
from sqlengine.sql.nodes import find_all

Aggregates = Callable[[str], str | None]
"""Lower-case name -> the scalar function over lists that stands for an aggregate, or None."""

_STRICT = "_strict"
_JSON_LISTS = ("json_agg", "jsonb_agg")
_JSON_MAPS = ("json_object_agg", "jsonb_object_agg")
_NO_SPREAD = ("corr", "correlation", "regr_slope")
_PICKS = {"first_value": "first", "last_value": "last"}
_BY_OFFSET = {"earliest_by_offset": "first", "latest_by_offset": "last"}
_ENDS = {"earliest_by_offset": "list_first", "latest_by_offset": "list_last"}
_COUNTED = ("count_if", "countif")
_TEXTS = ("listagg", "string_agg", "group_concat", "wm_concat")


def no_aggregates(name: str) -> str | None:
    """Every aggregate is DuckDB's own."""
    return None


def spread_aggregates(tree: exp.Expr, aggregates: Aggregates) -> None:
    """Rewrite the calls in place."""
    for call in find_all(tree, exp.Anonymous):
        target = aggregates(call.name.lower())
        if target is not None:
            _spread(call, target)
        else:
            _spell(call, call.name.lower())


def _spell(call: exp.Anonymous, name: str) -> None:
    if name.endswith(_STRICT) and name.removesuffix(_STRICT) in (*_JSON_LISTS, *_JSON_MAPS) and call.expressions:
        last = call.expressions[-1]
        call.set("this", name.removesuffix(_STRICT))
        _of_present(call, last.this if isinstance(last, exp.Order) else last)
        _spell(call, name.removesuffix(_STRICT))
    elif name in _TEXTS:
        _texts(call)
    elif name in _COUNTED and len(call.expressions) == 1:
        call.set("this", "count")
        call.set("expressions", [exp.Case(ifs=[exp.If(this=call.expressions[0], true=exp.Literal.number(1))])])
    elif name in _JSON_LISTS:
        call.set("this", "list")
        wrap(call, lambda whole: exp.Anonymous(this="to_json", expressions=[whole]))
    elif name in _JSON_MAPS and len(call.expressions) == 2:
        made = _map(call, as_texts=True)
        made.replace(exp.Anonymous(this="to_json", expressions=[made.copy()]))
    elif name == "map_agg" and len(call.expressions) == 2:
        _map(call)
    elif name in _NO_SPREAD:
        nan = exp.Cast(this=exp.Literal.string("nan"), to=exp.DataType.build("double"))
        wrap(call, lambda whole: exp.Anonymous(this="nullif", expressions=[whole, nan]))
    elif name in _PICKS and not isinstance(_whole(call), exp.Window) and not isinstance(call.parent, exp.IgnoreNulls):
        call.set("this", _PICKS[name])
    elif name == "mode" and (call.expressions or isinstance(call.parent, exp.WithinGroup)):
        _mode(call)
    elif name == "count_distinct" and call.expressions:
        call.set("this", "count")
        if not isinstance(call.expressions[0], exp.Distinct):
            call.set("expressions", [exp.Distinct(expressions=call.expressions)])
    elif name == "topkdistinct" and len(call.expressions) == 2:
        call.set("this", "max")
        values, count = call.expressions
        call.set("expressions", [exp.Distinct(expressions=[values]), count])
    elif name == "collect_set" and len(call.expressions) == 1:
        if isinstance(call.expressions[0], exp.Distinct):
            call.set("expressions", call.expressions[0].expressions)
        _of_present(call, call.expressions[0])
        call.set("this", "list")
        call.set("expressions", [exp.Distinct(expressions=call.expressions)])
        wrap(call, lambda whole: exp.Anonymous(this="list_sort", expressions=[whole]))
    elif name in _BY_OFFSET and 1 <= len(call.expressions) <= 3:
        _by_offset(call, name)


def _mode(call: exp.Anonymous) -> None:
    """mode(x), mode() WITHIN GROUP (ORDER BY x): of equally frequent values the least, where DuckDB takes the first."""
    group = call.parent
    if isinstance(group, exp.WithinGroup) and not call.expressions:
        ordered = group.expression.expressions[0]
        call.set("expressions", [ordered.this if isinstance(ordered, exp.Ordered) else ordered])
        group.replace(call)
    call.set("this", "histogram")
    wrap(call, lambda whole: exp.Anonymous(this="mode_of", expressions=[whole]))


def _of_present(call: exp.Anonymous, value: exp.Expr) -> None:
    """Leave the rows out in which a value is NULL, by the call's FILTER or one more."""
    present = exp.Not(this=exp.Is(this=value.copy(), expression=exp.Null()))
    if isinstance(call.parent, exp.Filter):
        where = call.parent.expression
        where.set("this", exp.And(this=exp.Paren(this=where.this), expression=present))
    else:
        place = exp.Placeholder()
        call.replace(place)
        place.replace(exp.Filter(this=call, expression=exp.Where(this=present)))


def _by_offset(call: exp.Anonymous, name: str) -> None:
    """`f(x [, n] [, whether NULLs are left out])`: a value, or an array of n."""
    value, *rest = call.expressions
    if not all(isinstance(a, exp.Boolean) or (isinstance(a, exp.Literal) and not a.is_string) for a in rest):
        return
    count = next((a for a in rest if isinstance(a, exp.Literal) and not a.is_string), None)
    if not any(isinstance(a, exp.Boolean) and not a.this for a in rest):
        _of_present(call, value)
    call.set("this", _BY_OFFSET[name] if count is None else "list")
    call.set("expressions", [value])
    if count is not None:
        wrap(call, lambda whole: exp.Anonymous(this=_ENDS[name], expressions=[whole, count.copy()]))


def _whole(call: exp.Expr) -> Any:
    """The call with its FILTER and OVER."""
    whole: Any = call
    while isinstance(whole.parent, (exp.Filter, exp.Window)) and whole.parent.this is whole:
        whole = whole.parent
    return whole


def wrap(call: exp.Expr, around: Callable[[exp.Expr], exp.Expr]) -> None:
    """Put something around a call with its FILTER and OVER."""
    whole = _whole(call)
    place = exp.Placeholder()
    if whole.parent is not None:
        whole.replace(place)
    place.replace(around(whole))


def _map(call: exp.Anonymous, as_texts: bool = False) -> exp.Expr:
    """map_agg(k, v ORDER BY o) -> map_of(list(k ORDER BY o), list(v ORDER BY o))."""
    key, value = call.expressions
    order = value if isinstance(value, exp.Order) else None
    if as_texts:
        key = exp.Cast(this=key, to=exp.DataType.build("text"))
    if order is not None:
        key = exp.Order(this=key, expressions=[item.copy() for item in order.expressions])
    call.set("expressions", [key, value])
    return _spread(call, "map_of", ordered=True)


def _texts(call: exp.Anonymous) -> None:
    """Texts and separator as plain arguments, DISTINCT with the first alone, an ORDER BY inside."""
    args = list(call.expressions)
    order: list[exp.Expr] = []
    if isinstance(args[-1], exp.Order):
        order = args[-1].expressions
        args[-1] = args[-1].this
    if isinstance(args[0], exp.Distinct) and len(args[0].expressions) > 1:
        first, *rest = args[0].expressions
        args = [exp.Distinct(expressions=[first]), *rest, *args[1:]]
    group = call.parent
    if isinstance(group, exp.WithinGroup):
        order = group.expression.expressions
        group.replace(call)
    call.set("expressions", [*args[:-1], exp.Order(this=args[-1], expressions=order)] if order else args)


def _spread(call: exp.Anonymous, target: str, ordered: bool = False) -> exp.Expr:
    """The scalar function over a list of each argument, each with the call's FILTER and OVER."""
    whole = _whole(call)
    args = list(call.expressions)
    if not ordered and len(args) > 1 and any(isinstance(a, (exp.Distinct, exp.Order)) for a in args):
        raise NotSupportedError(f"{call.name} of several arguments with DISTINCT or ORDER BY")
    place = exp.Placeholder()
    if whole.parent is not None:
        whole.replace(place)
    lists = []
    for arg in args:
        call.set("this", "list")
        call.set("expressions", [arg.copy()])
        lists.append(whole.copy())
    made = exp.Anonymous(this=target, expressions=lists)
    place.replace(made)
    return made
