"""Forms of Spark's own functions of arrays and maps (see calls.py)."""

from __future__ import annotations

import pyarrow as pa

from sqlengine.expr import tree
from sqlengine.expr.hive.coercion import MOMENTS, STRING, is_null, met, to
from sqlengine.expr.hive.form_parts import Form, made, wrong
from sqlengine.types import INTERVAL, is_integer

_is_list, _is_map = pa.types.is_list, pa.types.is_map


def _element_at(args: list[tree.Expr]) -> tree.Expr:
    if len(args) == 2 and _is_list(args[0].type):
        return made(args[0].type.value_type, "hive$array_at", [args[0], to(args[1], pa.int32())])
    if len(args) == 2 and _is_map(args[0].type):
        return made(args[0].type.item_type, "hive$map_item", [args[0], to(args[1], args[0].type.key_type)])
    raise wrong("element_at", args, "an array and a place, or a map and a key")


def _get(args: list[tree.Expr]) -> tree.Expr:
    if len(args) != 2 or not _is_list(args[0].type):
        raise wrong("get", args, "an array and a place counted from 0")
    return made(args[0].type.value_type, "hive$array_item", [args[0], to(args[1], pa.int64())])


def _with_element(name: str, at: int, count: int) -> Form:
    """A function of an array and an element, which is argument number `at`: both meet in type."""

    def form(args: list[tree.Expr]) -> tree.Expr:
        if len(args) != count or not _is_list(args[0].type):
            raise wrong(name, args, f"an array and {count - 1} more")
        kind = met([args[0].type.value_type, args[at].type])
        fitted = [to(args[0], pa.list_(kind)), *args[1:]]
        fitted[at] = to(args[at], kind)
        if count == 3:
            fitted[1] = to(args[1], pa.int32())
        return made(pa.list_(kind), f"hive${name}", fitted)

    return form


def _flatten(args: list[tree.Expr]) -> tree.Expr:
    if len(args) != 1 or not _is_list(args[0].type) or not _is_list(args[0].type.value_type):
        raise wrong("flatten", args, "an array of arrays")
    return made(args[0].type.value_type, "hive$flatten_arrays", args)


def _sequence(args: list[tree.Expr]) -> tree.Expr:
    """Whole numbers of one type, or moments with an interval."""
    if len(args) not in (2, 3):
        raise wrong("sequence", args, "a start, a stop and a step")
    kind = met([a.type for a in args[:2]])
    if kind in MOMENTS:
        if len(args) == 3 and args[2].type != INTERVAL and not is_null(args[2].type):
            raise wrong("sequence", args, "an interval as the step between dates or timestamps")
        ends = [*(to(a, kind) for a in args[:2]), *(to(a, INTERVAL) for a in args[2:])]
        return made(pa.list_(kind), "hive$sequence_of_moments", ends)
    kind = met([a.type for a in args])
    if not is_integer(kind):
        raise wrong("sequence", args, "whole numbers, or dates or timestamps")
    return made(pa.list_(kind), "hive$sequence_of_numbers", [to(a, kind) for a in args])


def _arrays_zip(args: list[tree.Expr]) -> tree.Expr:
    """Fields have the names of columns, others their places."""
    if not args:
        return tree.Const(pa.list_(pa.struct([])), ())
    if not all(_is_list(a.type) for a in args):
        raise wrong("arrays_zip", args, "arrays")
    names = [a.name.rpartition(".")[2] if isinstance(a, tree.InputRef) else str(at) for at, a in enumerate(args)]
    kind = pa.struct([pa.field(name, a.type.value_type) for name, a in zip(names, args, strict=True)])
    return made(pa.list_(kind), "hive$zipped_arrays", args)


# ---------------------------------------------------------------- maps


def _map_from_arrays(args: list[tree.Expr]) -> tree.Expr:
    if len(args) != 2 or not all(_is_list(a.type) for a in args):
        raise wrong("map_from_arrays", args, "an array of keys and one of values")
    kind = pa.map_(*(met([a.type.value_type]) for a in args))
    return made(kind, "hive$map_of_arrays", args)


def _map_from_entries(args: list[tree.Expr]) -> tree.Expr:
    kind = args[0].type.value_type if len(args) == 1 and _is_list(args[0].type) else pa.null()
    if not pa.types.is_struct(kind) or kind.num_fields != 2:
        raise wrong("map_from_entries", args, "an array of structs of a key and a value")
    return made(pa.map_(*(met([kind.field(i).type]) for i in (0, 1))), "hive$map_of_entries", args)


def _map_entries(args: list[tree.Expr]) -> tree.Expr:
    if len(args) != 1 or not _is_map(args[0].type):
        raise wrong("map_entries", args, "a map")
    kind = args[0].type
    entry = pa.struct([("key", kind.key_type), ("value", kind.item_type)])
    return made(pa.list_(entry), "hive$entries_of_map", args)


def _map_concat(args: list[tree.Expr]) -> tree.Expr:
    if not args:
        return tree.Const(pa.map_(pa.string(), pa.string()), ())
    if not all(_is_map(a.type) or is_null(a.type) for a in args):
        raise wrong("map_concat", args, "maps")
    kind = met([a.type for a in args])
    return made(kind, "hive$joined_maps", [to(a, kind) for a in args])


def _known(form: Form) -> Form:
    """The form, or NULL where a bare NULL stands for the array or the map."""
    return lambda args: tree.Const(STRING, None) if args and is_null(args[0].type) else form(args)


_FORMS: dict[str, Form] = {
    "element_at": _element_at,
    "try_element_at": _element_at,
    "get": _get,
    "array_prepend": _with_element("array_prepend", 1, 2),
    "array_insert": _with_element("array_insert", 2, 3),
    "flatten": _flatten,
    "arrays_zip": _arrays_zip,
    "map_from_arrays": _map_from_arrays,
    "map_from_entries": _map_from_entries,
    "map_entries": _map_entries,
}
SPARK_COLLECTIONS: dict[str, Form] = {
    **{name: _known(form) for name, form in _FORMS.items()},
    "sequence": _sequence,
    "map_concat": _map_concat,
}
"""Forms by Spark's name."""
