"""Calls and operators whose DuckDB spelling differs from what the user wrote; applied to sqlglot trees in
place.

Scalar functions DuckDB lacks are macros of its connection (duck_macros.py); here is only what a macro cannot
do: aggregates under other names, clauses, operators, literals, and the statement's time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from sqlglot import exp
from sqlglot.errors import ErrorLevel

from sqlengine.errors import Error, NotSupportedError
from sqlengine.quick_dataclass import dataclass
from sqlengine.sql.interval import to_text
from sqlengine.sql.lower_values import interval, position_of
from sqlengine.sql.nodes import find_all, nodes
from sqlengine.sql.rewrite import PARAMETER
from sqlengine.sql.windows import AUXILIARY, GROUPING
from sqlengine.text_limits import limit_of

AGGREGATE_NAMES: dict[str, str] = {
    "every": "bool_and",
    "logical_and": "bool_and",
    "logical_or": "bool_or",
    "topk": "max",
    "arrayagg": "list",
    "collect": "list",
    "correlation": "corr",
    "percentile": "quantile_cont",
    "stddev_sample": "stddev_samp",
    "variance": "var_samp",
    "stddev": "stddev_samp",
    "collect_list": "list",
    "listagg": "string_agg",
    "group_concat": "string_agg",
    "wm_concat": "string_agg",
    "list_agg": "list",
    "latest": "last",
    "earliest": "first",
}
"""Aggregates under the name DuckDB has them."""


def text(node: exp.Expr) -> str:
    """DuckDB text of a tree."""
    return str(node.sql(dialect="duckdb", comments=False, unsupported_level=ErrorLevel.IGNORE))


def raw(sql: str) -> exp.Expr:
    """A node that prints as it is."""
    return exp.Var(this=sql)


Functions = Callable[[str, Sequence[str]], str | None]
"""(lower-case name, argument texts) -> DuckDB text of the call, or None to leave it as it is."""


def as_written(name: str, args: Sequence[str]) -> str | None:
    """DuckDB has every function under the name it was written with."""
    return None


@dataclass(frozen=True)
class Spelling:
    """What the caller decides: text of the statement's time (a timestamptz), and how functions are spelt."""

    now: str
    functions: Functions = as_written


def rewrite_calls(tree: exp.Expr, how: Spelling) -> exp.Expr:
    """Apply every rule below, innermost nodes first; gives the tree back (its root may be new)."""
    for node in reversed(nodes(tree)):
        rule = _RULES.get(type(node))
        made = rule(node, how) if rule is not None else node
        if made is not node:
            if node is tree:
                tree = made
            node.replace(made)
    return tree


# ---------------------------------------------------------------- time of the statement


_HEX_BYTES = re.compile(r"\\x(?:[0-9a-fA-F]{2})*")
"""The text of a bytea: `\\x` and two digits a byte."""

_TIMES: dict[str, str] = {
    "now": "TIMESTAMPTZ",
    "proctime": "TIMESTAMPTZ",
    "current_timestamp": "TIMESTAMPTZ",
    "transaction_timestamp": "TIMESTAMPTZ",
    "statement_timestamp": "TIMESTAMPTZ",
    "mz_now": "TIMESTAMPTZ",
    "current_date": "DATE",
    "localtimestamp": "TIMESTAMP",
    "localtime": "TIME",
    "current_time": "TIME",
}
_TIME_NODES: dict[type[exp.Expr], str] = {
    exp.CurrentTimestamp: "TIMESTAMPTZ",
    exp.CurrentDate: "DATE",
    exp.Localtimestamp: "TIMESTAMP",
    exp.Localtime: "TIME",
    exp.CurrentTime: "TIME",
}


def time_of(kind: str, now: str) -> exp.Expr:
    """The statement's time as one of the SQL types; `now` is text of a timestamptz."""
    moment = f"CAST({now} AS TIMESTAMPTZ)"
    if kind == "TIMESTAMPTZ":
        return raw(moment)
    local = f"CAST({moment} AS TIMESTAMP)"
    return raw(local if kind == "TIMESTAMP" else f"CAST({local} AS {kind})")


def _moment(node: Any, how: Spelling) -> exp.Expr:
    return time_of(_TIME_NODES[type(node)], how.now)


# ---------------------------------------------------------------- calls


_WINDOWS = GROUPING.keys() | AUXILIARY.keys()
_NOT_ARGUMENTS = (exp.Distinct, exp.Order, exp.Star, exp.Lambda, exp.Kwarg, exp.PropertyEQ)
"""What stands among the arguments of calls that are more than a name and values."""


def _anonymous(node: Any, how: Spelling) -> exp.Expr:
    name = node.name if isinstance(node.this, exp.Identifier) else node.name.lower()
    if name in _TIMES and len(node.expressions) <= 1:
        return time_of(_TIMES[name], how.now)
    if name == PARAMETER:
        raise Error(
            "a parameter has no value",
            sqlstate="42P02",
            hint="give values for all parameters",
            position=position_of(node),
        )
    if not any(isinstance(item, exp.Anonymous) and item.name.lower() in _WINDOWS for item in nodes(node)):
        made = _spelt(node, name, how)
        if made is not node:
            return made
    if name in _INTERPOLATED and not isinstance(node.parent, exp.WithinGroup):
        _as_doubles(node)
    if name in _PICKS and not _is_windowed(node):
        name = _PICKS[name]
    node.set("this", AGGREGATE_NAMES.get(name, name) if isinstance(node.this, str) else node.this)
    return node  # type: ignore[no-any-return]


_PICKS = {"first_value": "first", "last_value": "last"}
"""Window functions to DuckDB; as aggregates it has them under these names."""


def _is_windowed(call: exp.Expr) -> bool:
    """Whether OVER stands behind a call, maybe behind its FILTER or IGNORE NULLS."""
    above = call.parent
    while isinstance(above, (exp.Filter, exp.IgnoreNulls)):
        above = above.parent
    return isinstance(above, exp.Window)


_INTERPOLATED = frozenset(("median", "percentile", "percentile_cont", "quantile_cont"))


def _as_doubles(call: exp.Expr) -> None:
    """DuckDB interpolates numeric in numeric and rounds; here the answer is double precision, as in PostgreSQL."""
    at = call
    while isinstance(at, (exp.Order, exp.Distinct)) or at is call:
        held = at.args.get("expressions") if isinstance(at, (exp.Anonymous, exp.Distinct)) else [at.this]
        if not held:
            return
        at = held[0]
    at.replace(exp.Cast(this=at.copy(), to=exp.DataType(this=exp.DType.DOUBLE)))


def _distinct(node: exp.Distinct, how: Spelling) -> exp.Expr:
    """`string_agg(DISTINCT x, ',')`, `corr(DISTINCT y, x)`: the generator would make one row of the arguments, as is
    meant by count(DISTINCT a, b) alone."""
    call = node.parent.parent if isinstance(node.parent, exp.Order) else node.parent
    if not isinstance(call, exp.Anonymous) or call.name.lower() == "count" or len(node.expressions) < 2:
        return node
    return raw("DISTINCT " + ", ".join(text(item) for item in node.expressions))


def _spelt(node: Any, name: str, how: Spelling) -> exp.Expr:
    """The call as the caller spells it, or the node as it is."""
    if how.functions is as_written or any(isinstance(item, _NOT_ARGUMENTS) for item in node.expressions):
        return node  # type: ignore[no-any-return]
    if name == "row" and isinstance(node.parent, exp.In):  # compared with the columns of a sub-query
        return node  # type: ignore[no-any-return]
    made = how.functions(name, [text(item) for item in node.expressions])
    return node if made is None else raw(f"({made})")


def spell_rest(tree: exp.Expr, how: Spelling) -> None:
    """Spell the calls around window functions, which had to stay as they were until those were replaced; a window
    function that is left groups nothing and is a plain function."""
    for node in reversed(find_all(tree, exp.Anonymous)):
        made = _spelt(node, node.name.lower(), how)
        if made is not node:
            node.replace(made)


def _operator(name: str, *keys: str) -> Callable[[Any, Spelling], exp.Expr]:
    """An operator, or a call with a syntax of its own, under the name the caller knows it by."""

    def rule(node: Any, how: Spelling) -> exp.Expr:
        if any(node.args.get(key) is None for key in keys):
            return node  # type: ignore[no-any-return]
        made = how.functions(name, [text(node.args[key]) for key in keys])
        return node if made is None else raw(f"({made})")

    return rule


def _extract(node: Any, how: Spelling) -> exp.Expr:
    """EXTRACT(part FROM moment)."""
    part = exp.Literal.string(str(node.this.name).lower())
    made = how.functions("extract", [text(part), text(node.expression)])
    return node if made is None else raw(f"({made})")


def _subscript(node: Any, how: Spelling) -> exp.Expr:
    """`a[i]`: the macro `subscript` knows that positions before the first are NULL."""
    index = node.expressions[0] if len(node.expressions) == 1 else None
    if index is None or isinstance(index, (exp.Literal, exp.Slice)) or not isinstance(node.this, exp.Expr):
        return node  # type: ignore[no-any-return]
    return exp.Anonymous(this="subscript", expressions=[node.this, index])


def _arrow(macro: str) -> Callable[[Any, Spelling], exp.Expr]:
    """`j -> k`, where k is a name or a position, never a path."""
    return lambda node, how: exp.Anonymous(this=macro, expressions=[node.this, node.expression])


def _tuple(node: Any, how: Spelling) -> exp.Expr:
    """`SELECT (a, b)` is a row with fields f1 and f2; elsewhere a list in parentheses is syntax."""
    if not isinstance(node.parent, (exp.Select, exp.Alias)) or len(node.expressions) < 2:
        return node  # type: ignore[no-any-return]
    made = how.functions("row", [text(item) for item in node.expressions])
    return node if made is None else raw(f"({made})")


def _within_group(node: Any, how: Spelling) -> exp.Expr:
    """`f(x) WITHIN GROUP (ORDER BY y)`: the generator would put the order into the call."""
    if node.this.name.lower() in _INTERPOLATED:
        for item in node.expression.expressions:
            ordered = item.this if isinstance(item, exp.Ordered) else item
            ordered.replace(exp.Cast(this=ordered.copy(), to=exp.DataType(this=exp.DType.DOUBLE)))
    return raw(f"{text(node.this)} WITHIN GROUP ({text(node.expression).strip()})")


def _qualified(node: Any, how: Spelling) -> exp.Expr:
    """`pg_catalog.f(x)` -> `f(x)`, `(struct).*` -> its fields."""
    if isinstance(node.expression, (exp.Anonymous, exp.Func)) and isinstance(node.this, (exp.Identifier, exp.Column)):
        return node.expression  # type: ignore[no-any-return]
    if isinstance(node.expression, exp.Star):  # DuckDB unnests a struct to a column for each field
        return exp.Explode(this=node.this)
    return node  # type: ignore[no-any-return]


def _substring(node: Any, how: Spelling) -> exp.Expr:
    """PostgreSQL's meaning of positions before the first character is that of the macro `substr`; that of what may be a
    pattern, of `substring_by`."""
    given = [node.args.get(key) for key in ("this", "start", "length")]
    start = given[1].this if isinstance(given[1], exp.Neg) else given[1]
    is_place = isinstance(start, (exp.Placeholder, exp.Parameter)) or getattr(start, "is_number", False)
    return exp.Anonymous(
        this="substr" if is_place else "substring_by", expressions=[item for item in given if item is not None]
    )


# ---------------------------------------------------------------- operators


def _like(node: Any, how: Spelling) -> exp.Expr:
    """In PostgreSQL a backslash in a pattern escapes without being asked to; in DuckDB it does not."""
    pattern = node.expression
    escaped = isinstance(node.parent, exp.Escape)
    if escaped or not isinstance(pattern, exp.Literal) or "\\" not in str(pattern.this):
        return node  # type: ignore[no-any-return]
    like = node.copy()
    like.set("negate", None)
    made: exp.Expr = exp.Escape(this=like, expression=exp.Literal.string("\\"))
    return exp.Paren(this=exp.Not(this=made)) if node.args.get("negate") else made


def _division(node: Any, how: Spelling) -> exp.Expr:
    """DuckDB runs with `integer_division`: `/` as it stands has PostgreSQL's meaning."""
    node.set("typed", False)
    node.set("safe", False)
    return node  # type: ignore[no-any-return]


def _json_path(function: str) -> Callable[[Any, Spelling], exp.Expr]:
    """`a #> '{b,1}'` -> json_extract(a, '$."b"[1]')."""

    def rule(node: Any, how: Spelling) -> exp.Expr:
        path = node.expression
        if not isinstance(path, exp.Literal) or not path.is_string:
            raise NotSupportedError("the path of #> and #>> must be a constant", position=position_of(path))
        parts = [part.strip().strip('"') for part in str(path.this).strip("{}").split(",") if part.strip()]
        steps = "".join(f"[{part}]" if part.lstrip("-").isdigit() else f'."{part}"' for part in parts)
        return exp.Anonymous(this=function, expressions=[node.this, exp.Literal.string("$" + steps)])

    return rule


def _json_key(node: Any, how: Spelling) -> exp.Expr:
    """`a ? 'k'`."""
    return exp.Anonymous(this="json_has", expressions=[node.this, node.expression])


# ---------------------------------------------------------------- literals and types


def _interval(node: Any, how: Spelling) -> exp.Expr:
    constant = interval(node)
    if constant is None:
        return node  # type: ignore[no-any-return]
    return exp.Interval(this=exp.Literal.string(to_text(constant)))


_PLAIN_TYPES = (
    exp.DType.TIMESTAMP,
    exp.DType.TIMESTAMPTZ,
    exp.DType.TIMESTAMPLTZ,
    exp.DType.TIME,
    exp.DType.VARBINARY,
)


def _type(node: Any, how: Spelling) -> exp.Expr:
    """Types as types.py reads them: precisions of time are not kept, NUMERIC is numeric(38,9)."""
    kind = node.this
    if kind in _PLAIN_TYPES:
        node.set("expressions", [])
    if kind == exp.DType.TINYINT:
        node.set("this", exp.DType.SMALLINT)
    if kind == exp.DType.DECIMAL and not node.expressions:
        node.set("expressions", [exp.DataTypeParam(this=exp.Literal.number(number)) for number in (38, 9)])
    if kind == exp.DType.USERDEFINED and _user_type(node) == "bytes":
        return exp.DataType(this=exp.DType.VARBINARY)
    return node  # type: ignore[no-any-return]


def _user_type(node: Any) -> str:
    kind = node.args.get("kind")
    return str(kind.name if isinstance(kind, exp.Expr) else kind).lower()


_TEXTS = (exp.DType.TEXT, exp.DType.VARCHAR)


def _cast(cast: exp.Cast, how: Spelling) -> exp.Expr:
    """PostgreSQL's hex form of bytea, which DuckDB would read as one escaped byte and letters."""
    arg = cast.this
    text = arg.this if isinstance(arg, exp.Literal) and arg.is_string else ""
    kind = cast.to
    binary = kind.this in (exp.DataType.Type.VARBINARY, exp.DataType.Type.BINARY) or kind.sql().upper() == "BLOB"
    if binary and _HEX_BYTES.fullmatch(text):
        return raw(f"unhex('{text[2:]}')")
    plain = isinstance(arg, (exp.Literal, exp.Null, exp.Placeholder))
    limit = limit_of(kind.sql(dialect="postgres")) if kind.this in (*_TEXTS, exp.DType.CHAR) else None
    if limit is not None:
        cut = exp.Anonymous(this="left", expressions=[_as_text(cast, plain), exp.Literal.number(limit.length)])
        return exp.Anonymous(this="rtrim", expressions=[cut, raw("' '")]) if limit.fixed else cut
    return _as_text(cast, plain) if kind.this in _TEXTS else cast


def _as_text(cast: exp.Cast, plain: bool) -> exp.Expr:
    """A value as PostgreSQL's text of it."""
    if type(cast) is exp.Cast and not plain:
        return exp.Anonymous(this="cast_text", expressions=[cast.this])
    return exp.Cast(this=cast.this, to=exp.DataType(this=exp.DType.TEXT)) if type(cast) is exp.Cast else cast


def _whole_number(node: Any, how: Spelling) -> exp.Expr:
    """A whole number beyond bigint is numeric; DuckDB would make it HUGEINT. The least bigint is one more, negated."""
    digits = "" if node.is_string else str(node.this)
    least = isinstance(node.parent, exp.Neg) and digits == str(2**63)
    if not digits.isdigit() or not 2**63 <= int(digits) < 10**38 or least:
        return node  # type: ignore[no-any-return]
    return raw(f"CAST('{digits}' AS DECIMAL(38, 0))")


_NULL_SKIPPING = frozenset(("lag", "lead", "first_value", "last_value", "nth_value"))


def _ignore_nulls(node: exp.Expr, how: Spelling) -> exp.Expr:
    """DuckDB wants IGNORE NULLS among the arguments, and sqlglot prints it for calls of classes of its own only."""
    call = node.this
    if not isinstance(call, exp.Anonymous):
        return raw(f"{text(call)} IGNORE NULLS")
    if call.name.lower() not in _NULL_SKIPPING:
        raise NotSupportedError(f"IGNORE NULLS is not supported for {call.name.lower()}()", position=position_of(call))
    args = list(call.expressions)
    return exp.Anonymous(this=call.this, expressions=[*args[:-1], raw(f"{text(args[-1])} IGNORE NULLS")])


_RULES: dict[type[exp.Expr], Callable[[Any, Spelling], exp.Expr]] = {
    exp.Cast: _cast,
    exp.Literal: _whole_number,
    **dict.fromkeys(_TIME_NODES, _moment),
    exp.Anonymous: _anonymous,
    exp.Distinct: _distinct,
    exp.IgnoreNulls: _ignore_nulls,
    exp.WithinGroup: _within_group,
    exp.Dot: _qualified,
    exp.Substring: _substring,
    exp.Like: _like,
    exp.ILike: _like,
    exp.Div: _division,
    exp.JSONBExtract: _json_path("json_extract"),
    exp.JSONBExtractScalar: _json_path("json_extract_string"),
    exp.JSONBContainsTopKey: _json_key,
    exp.Interval: _interval,
    exp.DataType: _type,
    exp.SimilarTo: _operator("similar to", "this", "expression"),
    exp.StrPosition: _operator("strpos", "this", "substr"),
    exp.Extract: _extract,
    exp.Bracket: _subscript,
    exp.JSONExtract: _arrow("json_get"),
    exp.JSONExtractScalar: _arrow("json_get_text"),
    exp.Tuple: _tuple,
}
