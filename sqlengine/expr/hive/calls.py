"""Calls of Hive's functions: those whose meaning depends on types are made here, the others are found by name.

A name is looked up among FORMS (made of other expressions), Hive's own kernels (`hive$name`), and our functions that
mean the same in Hive (functions/hive/same.py); arguments are converted by Hive's rules.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pyarrow as pa

from sqlengine import errors
from sqlengine.errors import did_you_mean
from sqlengine.expr import tree
from sqlengine.expr.coerce import as_arg, constant
from sqlengine.expr.hive.coercion import DOUBLE, STRING, is_null, number, to, unified
from sqlengine.expr.hive.operators import builtin, operation, whole
from sqlengine.functions import Registry
from sqlengine.functions.hive.gaps import GAPS
from sqlengine.functions.hive.same import SAME
from sqlengine.functions.registry import Function, Resolved
from sqlengine.functions.signature import Arg, Signature
from sqlengine.types import TIMESTAMP, from_sql, is_numeric, is_text, to_sql

Form = Callable[[list[tree.Expr]], tree.Expr]


def call(name: str, args: Sequence[tree.Expr], functions: Registry) -> tree.Expr:
    """A call of Hive's `name`; UndefinedFunction (42883), NotSupportedError (0A000) for a known gap."""
    form = FORMS.get(name)
    if form is not None:
        return form(list(args))
    found = _resolve(f"hive${name}", args, functions) or _resolve(SAME.get(name, ""), args, functions)
    if found is None:
        raise _unknown(name, args, functions)
    converted = tuple(to(a, t) for a, t in zip(args, found.arg_types, strict=True))
    made = tree.Call(found.result, found.function.name, converted)
    can_fold = found.function.volatility == "immutable" and all(isinstance(a, tree.Const) for a in converted)
    return constant(made) if can_fold and converted else made


def _unknown(name: str, args: Sequence[tree.Expr], functions: Registry) -> errors.Error:
    gap = GAPS.get(name)
    if gap is not None:
        return errors.NotSupportedError(f"function {name} is not supported: {gap.reason}")
    known = [*functions.lookup(f"hive${name}"), *(functions.lookup(SAME[name]) if name in SAME else ())]
    shown = ", ".join(to_sql(a.type) for a in args)
    if known:
        hint: str | None = "it is declared as " + "; ".join(
            s.text.removeprefix("hive$") for f in known for s in f.signatures
        )
    else:
        hint = did_you_mean(name, names(functions))
    return errors.UndefinedFunction(f"function {name}({shown}) does not exist", hint=hint)


def names(functions: Registry) -> list[str]:
    """Names of the scalar functions that can be called."""
    own = [n.removeprefix("hive$") for n in functions.names() if n.startswith("hive$")]
    return sorted({*own, *SAME, *FORMS})


# ---------------------------------------------------------------- overloads


def _resolve(name: str, args: Sequence[tree.Expr], functions: Registry) -> Resolved | None:
    """The function that takes the arguments as they are, else the one whose parameters they convert to most cheaply."""
    if not name:
        return None
    infos = [as_arg(a) for a in args]
    exact = functions.resolve(name, infos)
    if exact is not None:
        return exact
    best: tuple[int, Resolved] | None = None
    for function in functions.lookup(name):
        for signature in function.signatures:
            fitted = _fitted(function, signature, infos)
            if fitted is not None and (best is None or fitted[0] < best[0]):
                best = fitted
    return None if best is None else best[1]


def _fitted(function: Function, signature: Signature, args: Sequence[Arg]) -> tuple[int, Resolved] | None:
    if len(args) != len(signature.params) and not (signature.variadic and len(args) >= len(signature.params)):
        return None
    cost, given = 0, []
    for i, arg in enumerate(args):
        wanted, price = _converted(signature.param_at(i).type_name, signature.param_at(i).exact, arg)
        if wanted is None:
            return None
        cost += price
        given.append(Arg(wanted, False, arg.constant, arg.value))
    match = signature.match(given)
    if match is None:
        return None
    result = function.result_type(given) if function.result_type is not None else match.result
    return cost, Resolved(function, match.arg_types, result)


def _converted(pseudo: str, exact: pa.DataType | None, arg: Arg) -> tuple[pa.DataType | None, int]:
    """(the type an argument is converted to for a parameter, what that costs); (None, 0) when it is not."""
    if exact is None:
        if pseudo in ("anynumber", "numeric") and is_text(arg.type):
            return DOUBLE, 3
        if pseudo == "anyint" and (is_text(arg.type) or is_numeric(arg.type)):
            return pa.int64(), 3
        return arg.type, 0
    if arg.type == exact or is_null(arg.type):
        return exact, 0
    if is_numeric(arg.type) and is_numeric(exact):
        return exact, 1
    if pa.types.is_nested(arg.type) or pa.types.is_nested(exact):
        return None, 0
    if is_text(exact):
        return exact, 4
    if is_text(arg.type) or (arg.type, exact) in ((pa.date32(), TIMESTAMP), (TIMESTAMP, pa.date32())):
        return (exact, 2) if not pa.types.is_boolean(exact) else (None, 0)
    return None, 0


# ---------------------------------------------------------------- forms


def _text_of(expr: tree.Expr) -> str:
    assert isinstance(expr, tree.Const)
    return str(expr.value)


def _cast(args: list[tree.Expr]) -> tree.Expr:
    """CAST: char and varchar with a length are texts cut to it."""
    value, name = args[0], _text_of(args[1])
    base, _, length = name.rstrip(")").partition("(")
    if base in ("char", "varchar") and length.isdigit():
        cut = tree.Call(STRING, "left", (to(value, STRING), tree.Const(pa.int32(), int(length))))
        made: tree.Expr = tree.Call(STRING, "rtrim", (cut,)) if base == "char" else cut
        return constant(made) if isinstance(value, tree.Const) else made
    if base == "tinyint":
        narrow = to(value, pa.int8())
        return to(narrow, pa.int16()) if not isinstance(narrow, tree.Const) else tree.Const(pa.int16(), narrow.value)
    return to(value, from_sql(name))


def _as_double(args: list[tree.Expr]) -> tree.Expr:
    return to(number(args[0]), DOUBLE)


def _mean(args: list[tree.Expr]) -> tree.Expr:
    """sum / count as avg gives it: of decimals with four more digits."""
    total, count = args
    if pa.types.is_decimal(total.type):
        return operation("/", total, count)
    return operation("/", to(total, DOUBLE), to(count, DOUBLE))


def _or_empty(args: list[tree.Expr]) -> tree.Expr:
    """An array, empty instead of NULL."""
    empty = tree.Const(args[0].type, ())
    return tree.Call(args[0].type, "coalesce", (args[0], empty))


def _item(args: list[tree.Expr]) -> tree.Expr:
    """`a[i]` counted from 0, `m['k']`; NULL where there is none."""
    of, index = args
    if pa.types.is_list(of.type):
        return tree.Call(of.type.value_type, "hive$array_item", (of, to(index, pa.int64())))
    if pa.types.is_map(of.type):
        return tree.Call(of.type.item_type, "map_get", (of, to(index, of.type.key_type)))
    raise errors.DatatypeMismatch(f"[] takes an array or a map, not {to_sql(of.type)}")


def _field(args: list[tree.Expr]) -> tree.Expr:
    """A struct's field; of an array of structs, the array of that field."""
    of, name = args[0], _text_of(args[1])
    inner = of.type.value_type if pa.types.is_list(of.type) else of.type
    if not pa.types.is_struct(inner):
        raise errors.WrongObjectType(f"field {name} asked of type {to_sql(of.type)}, which is not a struct")
    place = next((i for i, f in enumerate(inner) if f.name.lower() == name), -1)
    if place < 0:
        raise errors.UndefinedColumn(
            f'field "{name}" does not exist in {to_sql(inner)}', hint=did_you_mean(name, [f.name for f in inner])
        )
    key = tree.Const(pa.string(), inner.field(place).name)
    if inner is not of.type:
        return tree.Call(pa.list_(inner.field(place).type), "hive$each_field", (of, key))
    return tree.Call(inner.field(place).type, "struct_field", (of, key))


def _array(args: list[tree.Expr]) -> tree.Expr:
    if not args:
        return tree.Const(pa.list_(pa.null()), ())
    items = unified(args, "array")
    return tree.Call(pa.list_(items[0].type), "array", tuple(items))


def _negative(args: list[tree.Expr]) -> tree.Expr:
    value = number(args[0])
    if isinstance(value, tree.Const) and value.value is not None:
        return tree.Const(value.type, -value.value)
    if pa.types.is_decimal(value.type):
        return tree.Call(value.type, "negate", (value,))
    zero = tree.Const(value.type, 0)
    return tree.Call(value.type, "hive$subtract", (zero, value))


def _map(args: list[tree.Expr]) -> tree.Expr:
    """`map(k1, v1, k2, v2, ...)`."""
    if len(args) % 2:
        raise errors.UndefinedFunction("map takes keys and values in turn")
    if not args:
        return tree.Const(pa.map_(STRING, STRING), ())
    keys, values = _array(args[::2]), _array(args[1::2])
    kind = pa.map_(keys.type.value_type, values.type.value_type)
    return tree.Call(kind, "hive$make_map", (keys, values))


def _coalesce(args: list[tree.Expr]) -> tree.Expr:
    if not args:
        raise errors.UndefinedFunction("coalesce takes at least one argument")
    same = unified(args, "coalesce")
    return tree.Call(same[0].type, "coalesce", tuple(same))


def _concat(args: list[tree.Expr]) -> tree.Expr:
    """Texts, NULL when one is NULL; of binaries a binary."""
    if not args:
        return tree.Const(STRING, "")
    made = to(args[0], STRING)
    for arg in args[1:]:
        made = operation("||", made, arg)
    return made


def _explode_rows(args: list[tree.Expr]) -> tree.Expr:
    if len(args) != 1 or not pa.types.is_list(args[0].type):
        shown = ", ".join(to_sql(a.type) for a in args)
        raise errors.UndefinedFunction(f"explode takes an array under one name or a map under two, not {shown}")
    return args[0]


FORMS: dict[str, Form] = {
    "cast": _cast,
    "number": lambda args: number(args[0]),
    "as_double": _as_double,
    "mean": _mean,
    "or_empty": _or_empty,
    "item": _item,
    "field": _field,
    "array": _array,
    "map": _map,
    "bit_not": lambda args: builtin("bit_not", [whole(args[0], "~")], "~"),
    "negative": _negative,
    "coalesce": _coalesce,
    "nvl": _coalesce,
    "concat": _concat,
    "explode_rows": _explode_rows,
}
"""Functions made of other expressions, by Hive's name or one that only lowering writes."""
