"""Functions of arrays, maps and a lambda under the names of Spark, Trino, Flink and ksqlDB, in place, as DuckDB's.

`map_filter(m, (k, v) -> c)` goes through the entries of the map, `any_match(a, x -> c)` asks the values of its lambda,
NULLs among them as SQL's OR takes them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlglot import exp

from sqlengine.sql.lower_values import fold
from sqlengine.sql.nodes import find_all

_ITEM = "$item"


def settle_lambda(call: exp.Anonymous) -> None:
    """The call as one that DuckDB knows; any other stays."""
    name = str(call.this).lower()
    call.set("this", _RENAMED.get(name, call.this))
    args = call.expressions
    if call.this == "list_reduce" and len(args) == 3 and isinstance(args[2], exp.Lambda):
        call.set("expressions", [args[0], args[2], args[1]])
    if args and isinstance(args[-1], exp.Lambda) and (name, len(args), len(args[-1].expressions)) in _FORMS:
        call.replace(_FORMS[name, len(args), len(args[-1].expressions)](*args))


_RENAMED = {
    "transform": "list_transform",
    "filter": "list_filter",
    "reduce": "list_reduce",
    "aggregate": "list_reduce",
}


def _call(name: str, *arguments: exp.Expr) -> exp.Anonymous:
    return exp.Anonymous(this=name, expressions=list(arguments))


def _over_entries(function: exp.Expr) -> exp.Lambda:
    """`(k, v) -> e` as a lambda of one entry."""
    return _of_item(function, ("key", "value"))


def _of_item(function: exp.Expr, fields: Sequence[str]) -> exp.Lambda:
    """A lambda of several values as one of a struct of them."""
    names = [fold(name) if isinstance(name, exp.Identifier) else name.name for name in function.expressions]
    parts = dict(zip(names, fields, strict=True))
    body = function.this
    for found in find_all(body, exp.Column, exp.Identifier):
        name = found.this if isinstance(found, exp.Column) else found
        alone = isinstance(found, exp.Column) and not found.table or not isinstance(found.parent, (exp.Column, exp.Dot))
        if isinstance(name, exp.Identifier) and alone and fold(name) in parts:
            made = _field(parts[fold(name)])
            if found is body:
                body = made
            else:
                found.replace(made)
    return exp.Lambda(this=body, expressions=[exp.to_identifier(_ITEM, quoted=True)])


def _map_filter(entries: exp.Expr, function: exp.Expr) -> exp.Expr:
    return _call("map_from_entries", _call("list_filter", _call("map_entries", entries), _over_entries(function)))


def _remade(entries: exp.Expr, function: exp.Expr, entry: Callable[..., tuple[exp.Expr, exp.Expr]]) -> exp.Expr:
    """A map of other entries: those made of each entry's key, its value and the lambda's answer."""
    made = _over_entries(function)
    parts = zip(("key", "value"), entry(_field("key"), _field("value"), made.this), strict=True)
    made.set(
        "this", exp.Struct(expressions=[exp.PropertyEQ(this=exp.to_identifier(n), expression=e) for n, e in parts])
    )
    return _call("map_from_entries", _call("list_transform", _call("map_entries", entries), made))


def _field(name: str) -> exp.Expr:
    return _call("struct_extract", exp.to_identifier(_ITEM, quoted=True), exp.Literal.string(name))


def _transform_values(entries: exp.Expr, function: exp.Expr) -> exp.Expr:
    return _remade(entries, function, lambda key, value, made: (key, made))


def _transform_keys(entries: exp.Expr, function: exp.Expr) -> exp.Expr:
    return _remade(entries, function, lambda key, value, made: (made, value))


def _any_match(items: exp.Expr, function: exp.Expr) -> exp.Expr:
    return _call("any_of", _call("list_transform", items, function))


def _all_match(items: exp.Expr, function: exp.Expr) -> exp.Expr:
    return _call("all_of", _call("list_transform", items, function))


def _none_match(items: exp.Expr, function: exp.Expr) -> exp.Expr:
    return exp.Paren(this=exp.Not(this=_any_match(items, function)))


_FORMS: dict[tuple[str, int, int], Callable[..., exp.Expr]] = {
    ("map_filter", 2, 2): _map_filter,
    ("transform_values", 2, 2): _transform_values,
    ("transform_keys", 2, 2): _transform_keys,
    ("any_match", 2, 1): _any_match,
    ("all_match", 2, 1): _all_match,
    ("none_match", 2, 1): _none_match,
}
"""(name, number of arguments, values of the lambda) -> the call in DuckDB's functions."""
