"""Forms of Spark's functions of JSON, whose types come from a schema and whose options are a map (see calls.py)."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pyarrow as pa

from sqlengine import errors
from sqlengine.expr import tree
from sqlengine.expr.hive.coercion import STRING, to
from sqlengine.expr.hive.form_parts import Form, made, wrong
from sqlengine.functions.hive.spark_json_read import leaf
from sqlengine.functions.hive.spark_json_schema import schema_of
from sqlengine.functions.hive.spark_json_text import is_on
from sqlengine.hive_types import parse_type
from sqlengine.types import is_text, to_sql

_NOTHING = "{}"


def options_text(name: str, args: list[tree.Expr]) -> str:
    """The options a call ends with, as a JSON object of names in lower case; SyntaxError (42601) unless it is a map of
    constant texts."""
    if not args:
        return _NOTHING
    keys, values = (_words(part) for part in _halves(args[0]))
    if not keys or len(keys) != len(values):
        raise errors.SyntaxError(f"the options of {name} are a map of constant texts", hint="map('mode', 'FAILFAST')")
    return json.dumps({key.lower(): value for key, value in zip(keys, values, strict=True)})


def _halves(expr: tree.Expr) -> Sequence[tree.Expr]:
    """The keys and the values of a call of map()."""
    return expr.args if isinstance(expr, tree.Call) and expr.function == "hive$make_map" else (expr, expr)


def _words(expr: tree.Expr) -> list[str]:
    """The texts of an array of constants; none when it is another."""
    items = expr.args if isinstance(expr, tree.Call) and expr.function == "array" else ()
    words = [str(item.value) for item in items if isinstance(item, tree.Const) and is_text(item.type)]
    return words if len(words) == len(items) else []


def schema_type(name: str, schema: tree.Expr) -> pa.DataType:
    """The type that a schema in text means: `a INT, b STRING` or a type; InvalidParameter (22023) for anything else."""
    if not isinstance(schema, tree.Const) or not isinstance(schema.value, str):
        raise errors.InvalidParameter(f"the schema of {name} is a constant text", hint="'a INT, b STRING'")
    text = schema.value
    try:
        return parse_type(text, as_spark=True).arrow
    except errors.Error as first:
        try:
            return parse_type(f"struct<{text}>", as_spark=True).arrow
        except errors.Error as second:
            about = first if "<" in text.split(" ")[0] else second
            raise errors.InvalidParameter(
                f"the schema of {name} cannot be read: {about.message}", hint=about.hint or "'a INT, b STRING'"
            ) from None


def _from_json(args: list[tree.Expr]) -> tree.Expr:
    if len(args) not in (2, 3):
        raise wrong("from_json", args, "a text, a schema, and a map of options")
    kind = schema_type("from_json", args[1])
    if not pa.types.is_nested(kind):
        raise errors.DatatypeMismatch(f"from_json makes a struct, an array or a map, not {to_sql(kind)}")
    options = options_text("from_json", args[2:])
    mode = json.loads(options).get("mode", "PERMISSIVE").upper()
    if mode not in ("PERMISSIVE", "FAILFAST"):
        raise errors.InvalidParameter(f"from_json has no mode {mode}", hint="PERMISSIVE or FAILFAST")
    _check(kind, options)
    return made(kind, "hive$from_json_as", [to(args[0], STRING), tree.Const(STRING, options)])


def _check(kind: pa.DataType, options: str) -> None:
    """Raises for a type that JSON is not read as."""
    if pa.types.is_map(kind) and not is_text(kind.key_type):
        raise errors.DatatypeMismatch(f"the keys of a map in JSON are text, not {to_sql(kind.key_type)}")
    for child in _children(kind):
        if pa.types.is_nested(child):
            _check(child, options)
        else:
            leaf(child, options)


def _children(kind: pa.DataType) -> list[pa.DataType]:
    if pa.types.is_map(kind):
        return [kind.item_type]
    return [kind.value_type] if pa.types.is_list(kind) else [field.type for field in kind]


def _to_json(args: list[tree.Expr]) -> tree.Expr:
    if len(args) not in (1, 2):
        raise wrong("to_json", args, "a struct, an array or a map, and a map of options")
    if not pa.types.is_nested(args[0].type):
        raise errors.DatatypeMismatch(f"to_json takes a struct, an array or a map, not {to_sql(args[0].type)}")
    options = options_text("to_json", args[1:])
    if is_on(json.loads(options), "pretty"):
        raise errors.NotSupportedError("the option pretty of to_json is not supported")
    return made(STRING, "hive$to_json_as", [args[0], tree.Const(STRING, options)])


def _schema_of_json(args: list[tree.Expr]) -> tree.Expr:
    if len(args) not in (1, 2) or not is_text(args[0].type):
        raise wrong("schema_of_json", args, "a text, and a map of options")
    if not isinstance(args[0], tree.Const) or args[0].value is None:
        raise errors.InvalidParameter("schema_of_json takes a constant text that is not NULL")
    return tree.Const(STRING, schema_of(args[0].value, json.loads(options_text("schema_of_json", args[1:]))))


def _json_read(args: list[tree.Expr]) -> tree.Expr:
    """Hive's own, whose types have Hive's spelling."""
    if len(args) != 2:
        raise wrong("json_read", args, "a text and a type")
    if not isinstance(args[1], tree.Const) or not isinstance(args[1].value, str):
        raise errors.InvalidParameter("the type of json_read is a constant text", hint="'struct<a:int,b:string>'")
    kind = parse_type(args[1].value)
    return made(kind.arrow, "hive$json_read_as", [to(args[0], STRING), tree.Const(STRING, str(kind))])


SPARK_JSON: dict[str, Form] = {"from_json": _from_json, "to_json": _to_json, "schema_of_json": _schema_of_json}
"""Forms by Spark's name."""
HIVE_JSON: dict[str, Form] = {"json_read": _json_read}
"""By Hive's."""
