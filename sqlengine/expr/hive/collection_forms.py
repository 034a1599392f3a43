"""Forms of functions of arrays, maps and structs, and of those that give rows (see calls.py)."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

from sqlengine import errors
from sqlengine.errors import did_you_mean
from sqlengine.expr import tree
from sqlengine.expr.hive.coercion import STRING, is_null, met, to, unified
from sqlengine.expr.hive.form_parts import Form, made, text_of, wrong
from sqlengine.types import to_sql

# ---------------------------------------------------------------- parts


def _or_empty(args: list[tree.Expr]) -> tree.Expr:
    """An array, empty instead of NULL."""
    empty = tree.Const(args[0].type, ())
    return tree.Call(args[0].type, "coalesce", (args[0], empty))


def _item(args: list[tree.Expr]) -> tree.Expr:
    """`a[i]` counted from 0, `m['k']`; NULL where there is none."""
    if len(args) != 2:
        raise errors.UndefinedFunction("index takes an array or a map, and what is looked for")
    of, index = args
    if pa.types.is_list(of.type):
        return tree.Call(of.type.value_type, "hive$array_item", (of, to(index, pa.int64())))
    if pa.types.is_map(of.type):
        return tree.Call(of.type.item_type, "hive$map_item", (of, to(index, of.type.key_type)))
    raise errors.DatatypeMismatch(f"[] takes an array or a map, not {to_sql(of.type)}")


def _member(args: list[tree.Expr]) -> tree.Expr:
    """A struct's field; of an array of structs, the array of that field."""
    of, name = args[0], text_of(args[1])
    inner = of.type.value_type if pa.types.is_list(of.type) else of.type
    if not pa.types.is_struct(inner):
        raise errors.WrongObjectType(f"field {name} asked of type {to_sql(of.type)}, which is not a struct")
    field = inner.field(_place(inner, name))
    key = tree.Const(pa.string(), field.name)
    if inner is not of.type:
        return tree.Call(pa.list_(field.type), "hive$each_field", (of, key))
    return tree.Call(field.type, "struct_field", (of, key))


def _place(struct: pa.DataType, name: str) -> int:
    place = next((i for i, f in enumerate(struct) if f.name.lower() == name.lower()), -1)
    if place < 0:
        raise errors.UndefinedColumn(
            f'field "{name}" does not exist in {to_sql(struct)}', hint=did_you_mean(name, [f.name for f in struct])
        )
    return place


# ---------------------------------------------------------------- making


def _array(args: list[tree.Expr]) -> tree.Expr:
    if not args:
        return tree.Const(pa.list_(pa.null()), ())
    items = unified(args, "array")
    return tree.Call(pa.list_(items[0].type), "array", tuple(items))


def _map(args: list[tree.Expr]) -> tree.Expr:
    """`map(k1, v1, k2, v2, ...)`."""
    if len(args) % 2:
        raise errors.UndefinedFunction("map takes keys and values in turn")
    if not args:
        return tree.Const(pa.map_(STRING, pa.null()), ())
    keys, values = _array(args[::2]), _array(args[1::2])
    kind = pa.map_(keys.type.value_type, values.type.value_type)
    return tree.Call(kind, "hive$make_map", (keys, values))


def _struct(args: list[tree.Expr]) -> tree.Expr:
    """`struct(a, b)`: fields col1, col2, ..."""
    if not args:
        raise errors.UndefinedFunction("struct takes at least one value")
    kind = pa.struct([(f"col{i + 1}", a.type) for i, a in enumerate(args)])
    return tree.Call(kind, "row", tuple(args))


def _sort_array_by(args: list[tree.Expr]) -> tree.Expr:
    """`sort_array_by(structs, 'f', ... [, 'ASC' | 'DESC'])`."""
    kind = args[0].type if args else STRING
    words = [a.value for a in args[1:] if isinstance(a, tree.Const)]
    if not pa.types.is_list(kind) or not pa.types.is_struct(kind.value_type) or not words or len(words) < len(args) - 1:
        raise wrong("sort_array_by", args, "an array of structs and names of fields as constants")
    names = words[:-1] if len(words) > 1 and str(words[-1]).upper() in ("ASC", "DESC") else words
    for name in names:
        _place(kind.value_type, str(name))
    return made(kind, "hive$sort_array_by_fields", args)


def _array_join(args: list[tree.Expr]) -> tree.Expr:
    if len(args) not in (2, 3) or not pa.types.is_list(args[0].type):
        raise wrong("array_join", args, "an array, a separator and what stands for NULL")
    texts = [to(args[0], pa.list_(STRING)), *(to(a, STRING) for a in args[1:])]
    return made(STRING, "hive$array_join", texts)


def _of_map(name: str, kind: Callable[[pa.DataType], pa.DataType]) -> Form:
    def form(args: list[tree.Expr]) -> tree.Expr:
        if len(args) != 1 or not pa.types.is_map(args[0].type):
            raise wrong(name, args, "a map")
        return made(kind(args[0].type), f"hive${name}", args)

    return form


def _map_contains_key(args: list[tree.Expr]) -> tree.Expr:
    if len(args) != 2 or not pa.types.is_map(args[0].type):
        raise wrong("map_contains_key", args, "a map and a key")
    return made(pa.bool_(), "hive$map_contains_key", [args[0], to(args[1], args[0].type.key_type)])


def _size(args: list[tree.Expr]) -> tree.Expr:
    if len(args) != 1 or not (is_null(args[0].type) or pa.types.is_list(args[0].type) or pa.types.is_map(args[0].type)):
        raise wrong("size", args, "an array or a map")
    if is_null(args[0].type):
        return tree.Const(pa.int32(), -1)
    return made(pa.int32(), "hive$size", args)


# ---------------------------------------------------------------- rows


def _explode_rows(args: list[tree.Expr]) -> tree.Expr:
    if len(args) != 1 or not pa.types.is_list(args[0].type):
        raise wrong("explode", args, "an array under one name or a map under two")
    return args[0]


def _rows_of_map(name: str, called: str, numbered: bool) -> Form:
    def form(args: list[tree.Expr]) -> tree.Expr:
        if len(args) != 1 or not pa.types.is_map(args[0].type):
            raise wrong(called, args, "a map under this many names")
        kind = args[0].type
        fields = [("key", kind.key_type), ("value", kind.item_type)]
        fields = [("pos", pa.int32()), *fields] if numbered else fields
        return tree.Call(pa.list_(pa.struct(fields)), f"hive${name}", (args[0],))

    return form


def _posexplode_rows(args: list[tree.Expr]) -> tree.Expr:
    if len(args) != 1 or not pa.types.is_list(args[0].type):
        raise wrong("posexplode", args, "an array under two names or a map under three")
    kind = pa.struct([("pos", pa.int32()), ("val", args[0].type.value_type)])
    return tree.Call(pa.list_(kind), "hive$posexplode_rows", (args[0],))


def _inline_rows(args: list[tree.Expr]) -> tree.Expr:
    if len(args) != 1 or not pa.types.is_list(args[0].type) or not pa.types.is_struct(args[0].type.value_type):
        raise wrong("inline", args, "an array of structs")
    return args[0]


def _struct_item(args: list[tree.Expr]) -> tree.Expr:
    """A struct's field by its place."""
    of, place = args[0], args[1]
    assert isinstance(place, tree.Const)
    kind = of.type
    if not pa.types.is_struct(kind) or place.value >= kind.num_fields:
        raise errors.SyntaxError(f"{kind.num_fields} columns are given, and more names")
    return tree.Call(
        kind.field(place.value).type, "struct_field", (of, tree.Const(STRING, kind.field(place.value).name))
    )


def _stack_rows(args: list[tree.Expr]) -> tree.Expr:
    """An array of structs whose fields meet in type, column by column."""
    width = args[0].type.num_fields
    kinds = [met([a.type.field(i).type for a in args]) for i in range(width)]
    kind = pa.struct([(f"col{i + 1}", k) for i, k in enumerate(kinds)])
    rows = []
    for arg in args:
        assert isinstance(arg, tree.Call)
        rows.append(tree.Call(kind, "row", tuple(to(v, k) for v, k in zip(arg.args, kinds, strict=True))))
    return tree.Call(pa.list_(kind), "array", tuple(rows))


def _stack_row(args: list[tree.Expr]) -> tree.Expr:
    return tree.Call(pa.struct([(f"col{i + 1}", a.type) for i, a in enumerate(args)]), "row", tuple(args))


def _replicated(args: list[tree.Expr]) -> tree.Expr:
    """`replicate_rows(n, ...)`: n times the row of all its arguments."""
    if len(args) < 2:
        raise wrong("replicate_rows", args, "a number and values")
    row = _struct([to(args[0], pa.int64()), *args[1:]])
    return tree.Call(pa.list_(row.type), "hive$repeated", (row, to(args[0], pa.int64())))


COLLECTION_FORMS: dict[str, Form] = {
    "or_empty": _or_empty,
    "item": _item,
    "index": _item,
    "member": _member,
    "array": _array,
    "map": _map,
    "struct": _struct,
    "size": _size,
    "map_keys": _of_map("map_keys", lambda kind: pa.list_(kind.key_type)),
    "map_values": _of_map("map_values", lambda kind: pa.list_(kind.item_type)),
    "map_contains_key": _map_contains_key,
    "sort_array_by": _sort_array_by,
    "array_join": _array_join,
    "explode_rows": _explode_rows,
    "explode_map_rows": _rows_of_map("explode_map_rows", "explode", False),
    "posexplode_rows": _posexplode_rows,
    "posexplode_map_rows": _rows_of_map("posexplode_map_rows", "posexplode", True),
    "inline_rows": _inline_rows,
    "struct_item": _struct_item,
    "stack_rows": _stack_rows,
    "stack_row": _stack_row,
    "replicate_rows_rows": _replicated,
}
"""Forms by Hive's name, or by one that only lowering writes."""
