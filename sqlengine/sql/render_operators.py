"""Operators DuckDB lacks for some types (time - time, interval / number, array || element), made calls, in place.

Types are inferred only as far as the text and the columns of base tables show them: enough to tell an interval or a
time from a number.  What stays unknown keeps its operator, so a wrong guess is impossible and a missed one is DuckDB's
error, never another answer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlglot import exp

from sqlengine.moment_text import is_plain
from sqlengine.sql.literal_casts import MOMENT_KINDS, array_levels, spell_present
from sqlengine.sql.nodes import find_all
from sqlengine.sql.quantified import over_elements, quantifier

ColumnType = Callable[[exp.Column], str | None]
"""The SQL type name of a column, None where it is not known."""

_KINDS: dict[exp.DType, str] = {
    exp.DType.TIME: "time",
    exp.DType.INTERVAL: "interval",
    exp.DType.DATE: "date",
    exp.DType.TIMESTAMP: "timestamp",
    exp.DType.TIMESTAMPTZ: "timestamp",
    exp.DType.TIMESTAMPLTZ: "timestamp",
    exp.DType.VARBINARY: "bytea",
    exp.DType.JSON: "json",
    exp.DType.JSONB: "json",
}
_MOMENTS = frozenset(("date", "timestamp"))
_LIKE_FIRST = frozenset(
    "max min sum avg coalesce nullif greatest least any_value first last first_value last_value lag lead".split()
)
"""Functions whose result has the kind of their first argument."""
_DIGESTS = ("sha224", "sha256", "sha384", "sha512")
"""Functions that give bytes for bytes, and text for text; DuckDB knows the former as `sha256_bytes` and so on."""
_GIVES: dict[str, str] = {
    **dict.fromkeys(
        "array_agg array_append array_cat array_concat array_prepend array_remove array_distinct array_sort "
        "array_reverse collect_list collect_set list list_value string_split string_to_array "
        "regexp_split_to_array map_keys".split(),
        "array",
    ),
    "age": "interval",
    "justify_hours": "interval",
    "make_interval": "interval",
    "time_difference": "interval",
    "interval_divide": "interval",
    "now": "timestamp",
    "to_timestamp": "timestamp",
    **dict.fromkeys(
        "json_agg json_array_present json_build_array json_build_object json_concat json_object_agg json_present "
        "json_query json_strip_nulls json_without jsonb_agg jsonb_build_array jsonb_build_object "
        "json_extract jsonb_delete_path jsonb_object jsonb_object_agg jsonb_path_query_array jsonb_path_query_first "
        "jsonb_strip_nulls parse_json row_to_json to_json to_jsonb try_parse_json".split(),
        "json",
    ),
    **dict.fromkeys(
        "charset_encode convert_to decode digest from_base64 hmac to_bytes unbase64 unhex".split(), "bytea"
    ),
    **{f"{name}_bytes": "bytea" for name in _DIGESTS},
}


def rewrite_operators(tree: exp.Expr, column_type: ColumnType) -> None:
    """`time - time` -> `time_difference(a, b)`, `interval / number` -> `interval_divide(a, b)`, `array || x` ->
    `array_append(array, x)` and its like, digests of bytes as bytes, moments out of texts; innermost first."""
    for node in find_all(tree, *COMPARED):
        _moments_compared(node, column_type)
    for call in find_all(tree, exp.Anonymous):
        if call.name.lower() == "mz_now":
            _beside_mz_now(call, column_type)
    for node in reversed(find_all(tree, *_TYPED)):
        if isinstance(node, exp.Cast):
            _as_deep(node)
            _moment_of_text(node, column_type)
            _list_of_text(node, column_type)
            continue
        if isinstance(node, exp.Anonymous):
            name = node.name.lower()
            if name in _DIGESTS and [kind_of(a, column_type) for a in node.expressions] == ["bytea"]:
                node.set("this", f"{name}_bytes")
            continue
        left = kind_of(node.this, column_type)
        if isinstance(node, exp.Substring):
            if left == "bytea":
                node.replace(_of_bytes(node))
            continue
        if "json" in (left, kind_of(node.expression, column_type)) and _of_json(node, column_type):
            continue
        if isinstance(node, exp.DPipe):
            _concatenate(node, left, kind_of(node.expression, column_type))
            continue
        if isinstance(node, exp.Div) and left == "interval":
            node.replace(_call("interval_divide", node))
        elif isinstance(node, exp.Sub) and left == "time" == kind_of(node.expression, column_type):
            node.replace(_call("time_difference", node))


def _beside_mz_now(call: exp.Anonymous, column_type: ColumnType) -> None:
    """What `mz_now()` is compared with may be a number of milliseconds."""
    around = call.parent
    if not isinstance(around, (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.Between)):
        return
    for key in ("this", "expression", "low", "high"):
        other = around.args.get(key)
        if isinstance(other, exp.Expr) and other is not call and kind_of(other, column_type) not in _MOMENTS:
            other.replace(exp.Anonymous(this="mz_moment", expressions=[other.copy()]))


_TYPED = (
    exp.Sub,
    exp.Div,
    exp.DPipe,
    exp.ArrayContainsAll,
    exp.ArrayContainedBy,
    exp.Anonymous,
    exp.Cast,
    exp.Substring,
)
"""What depends on the types of its operands."""
_JSON_OPERATORS: dict[type[exp.Expr], str] = {
    exp.Sub: "json_without",
    exp.DPipe: "json_concat",
    exp.ArrayContainsAll: "json_contains",
}


_TEXTS = (exp.DType.TEXT, exp.DType.VARCHAR, exp.DType.CHAR)


def _moment_of_text(node: exp.Cast, column_type: ColumnType) -> None:
    """A cast of what is a text, or may be one, to a moment: PostgreSQL reads more than DuckDB does. To a time: DuckDB
    casts no timestamptz to one."""
    kind, arg = node.to, node.this
    name = MOMENT_KINDS.get(kind.this) if isinstance(kind, exp.DataType) else None
    if name is None or isinstance(arg, (exp.Null, exp.Placeholder, exp.Parameter)):
        return
    if isinstance(arg, exp.Literal):
        is_text = arg.is_string and not is_plain(arg.name, name)
        spell_present(node)  # of a parameter
        if node.this is not arg:
            return
    else:
        is_text = _is_cast_to_text(arg) or kind_of(arg, column_type) in (None, "text")
    if is_text or (name == "time" and kind_of(arg, column_type) == "timestamp"):
        safe = "try_" if isinstance(node, exp.TryCast) else ""
        node.replace(exp.Anonymous(this=f"{safe}{name}_of", expressions=[arg]))


def _list_of_text(node: exp.Cast, column_type: ColumnType) -> None:
    """A cast to an array of what is a text, or may be: DuckDB reads no braces."""
    arg = node.this.unnest()
    if not array_levels(node.to) or isinstance(arg, (exp.Literal, exp.Null, exp.Array, exp.Placeholder)):
        return
    is_text = _is_cast_to_text(arg)
    if not is_text and kind_of(arg, column_type) not in (None, "text"):
        return
    items = exp.Anonymous(this="array_items", expressions=[exp.Cast(this=arg.copy(), to=exp.DataType.build("text"))])
    read = type(node)(this=exp.Cast(this=items, to=exp.DataType.build("json")), to=node.to.copy())
    kind = exp.EQ(this=exp.Anonymous(this="typeof", expressions=[arg.copy()]), expression=exp.Literal.string("VARCHAR"))
    node.replace(read if is_text else exp.Case(ifs=[exp.If(this=kind, true=read)], default=node.copy()))


def _is_cast_to_text(node: exp.Expr) -> bool:
    return isinstance(node, exp.Cast) and isinstance(node.to, exp.DataType) and node.to.this in _TEXTS


COMPARED = (
    exp.EQ,
    exp.NEQ,
    exp.LT,
    exp.LTE,
    exp.GT,
    exp.GTE,
    exp.NullSafeEQ,
    exp.NullSafeNEQ,
    exp.Between,
    exp.In,
)


def _moments_compared(node: exp.Expr, column_type: ColumnType) -> None:
    """Literals beside a moment are of its type, and DuckDB's own cast of them reads less than PostgreSQL's."""
    sides = [node.args.get(arg) for arg in ("this", "expression", "low", "high")] + node.args.get("expressions", [])
    strange = [s for s in sides if isinstance(s, exp.Literal) and s.is_string]
    kind = next(filter(None, (_moment_type(side, column_type) for side in sides)), None) if strange else None
    if kind is None:
        return
    for side in strange:
        if not is_plain(side.name, MOMENT_KINDS[kind]):
            made = exp.Cast(this=side.copy(), to=exp.DataType(this=kind))
            side.replace(made)
            spell_present(made)


def _moment_type(node: exp.Expr | None, column_type: ColumnType) -> exp.DType | None:
    if isinstance(node, exp.Cast):
        return node.to.this if node.to.this in MOMENT_KINDS else None
    if isinstance(node, exp.Column):
        return _MOMENT_TYPES.get(column_type(node) or "")
    return exp.DType.DATE if isinstance(node, exp.CurrentDate) else None


_MOMENT_TYPES = {name: kind for kind, name in reversed(MOMENT_KINDS.items())}


def _as_deep(node: exp.Cast) -> None:
    """int[] is an array of as many dimensions as the value has, where that is told: of a parameter, as of a cast."""
    inner = node.this
    if isinstance(inner, exp.Cast) and array_levels(node.to):
        for _ in range(array_levels(inner.to) - array_levels(node.to)):
            node.set("to", exp.DataType(this=exp.DType.ARRAY, expressions=[node.to.copy()], nested=True))


def _of_json(node: exp.Expr, column_type: ColumnType) -> bool:
    """An operator of JSON as the call it means; a text constant beside JSON is JSON, too, but for keys."""
    left, right = node.this, node.expression
    name = _JSON_OPERATORS.get(type(node))
    if isinstance(node, exp.ArrayContainedBy):
        name, left, right = "json_contains", right, left
    if name == "json_without":
        node.replace(exp.Anonymous(this=name, expressions=[left, right]))
        return True
    both = all(_is_text(e) or kind_of(e, column_type) == "json" for e in (left, right))
    if name is not None and both:
        node.replace(exp.Anonymous(this=name, expressions=[_as_json(left), _as_json(right)]))
    return name is not None and both


def _is_text(node: exp.Expr) -> bool:
    return isinstance(node, exp.Literal) and bool(node.is_string)


def _as_json(node: exp.Expr) -> exp.Expr:
    return exp.Cast(this=node, to=exp.DataType.build("json")) if _is_text(node) else node


def spell_quantified(tree: exp.Expr) -> None:
    """ANY and ALL over arrays as PostgreSQL answers them."""
    for node in reversed(find_all(tree, *_COMPARISONS)):
        found = quantifier(node.expression)
        if found is None:
            continue
        some, over = found
        while isinstance(over, exp.Paren):
            over = over.this
        if not isinstance(over, (exp.Query, exp.Subquery)):
            node.replace(exp.Paren(this=over_elements(node, some, over)))


def _of_bytes(node: exp.Substring) -> exp.Expr:
    given = [item for item in (node.this, node.args.get("start"), node.args.get("length")) if item is not None]
    return exp.Anonymous(this="bytes_from" if len(given) == 2 else "bytes_part", expressions=given)


_COMPARISONS = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.Like, exp.ILike)


def _concatenate(node: exp.DPipe, left: str | None, right: str | None) -> None:
    """The function an `||` of arrays means, where one side is known to be an array and the other is known; floating
    point beside texts as casts write it."""
    if "array" not in (left, right):
        for side, kind in ((node.this, left), (node.expression, right)):
            if kind in ("double precision", "real"):
                side.replace(exp.Anonymous(this="text_of", expressions=[side.copy()]))
    elif left == right or isinstance(node.this, exp.Null) or isinstance(node.expression, exp.Null):
        node.replace(_call("array_cat", node))
    elif None not in (left, right):
        node.replace(_call("array_append" if left == "array" else "array_prepend", node))


def _call(macro: str, node: exp.Expr) -> exp.Expr:
    return exp.Anonymous(this=macro, expressions=[node.this, node.expression])


def kind_of(node: Any, column_type: ColumnType) -> str | None:
    """time, interval, date, timestamp, array, another type's name, or None for an unknown one."""
    match node:
        case exp.Array():
            return "array"
        case exp.Literal():
            if not node.is_string:
                return "number"
            return None if str(node.this)[:1] in ("{", "[") else "text"
        case exp.Boolean():
            return "boolean"
        case exp.Paren() | exp.Neg() | exp.Window() | exp.Filter():
            return kind_of(node.this, column_type)
        case exp.Interval():
            return "interval"
        case exp.JSONExtract() | exp.JSONBExtract():
            return "json"
        case exp.Cast():
            kind = node.to.this
            return "array" if kind in (exp.DType.ARRAY, exp.DType.LIST) else _KINDS.get(kind, "scalar")
        case exp.Column():
            named = column_type(node)
            if named is not None and named.endswith("[]"):
                return "array"
            return {"timestamptz": "timestamp", "jsonb": "json"}.get(named or "", named)
        case exp.Anonymous():
            name = node.name.lower()
            first = node.expressions[0] if node.expressions else None
            return kind_of(first, column_type) if name in _LIKE_FIRST else _GIVES.get(name)
        case exp.DPipe() | exp.Add() | exp.Sub() | exp.Mul() | exp.Div():
            # Each side once: they may be chains themselves.
            return _of_operator(node, kind_of(node.this, column_type), kind_of(node.expression, column_type))
    return None


def _of_operator(node: exp.Expr, left: str | None, right: str | None) -> str | None:
    if isinstance(node, (exp.DPipe, exp.Sub)) and left == "json":
        return "json"
    if isinstance(node, exp.DPipe):
        return "array" if "array" in (left, right) else None
    if isinstance(node, (exp.Mul, exp.Div)):
        return "interval" if "interval" in (left, right) else None
    if isinstance(node, exp.Sub) and left in _MOMENTS and right in _MOMENTS:
        return "interval" if "timestamp" in (left, right) else None
    if left == right == "interval":
        return "interval"
    moments = [kind for kind in (left, right) if kind in ("time", "date", "timestamp")]
    if len(moments) == 1 and "interval" in (left, right):
        return "timestamp" if moments[0] == "date" else moments[0]
    return None
