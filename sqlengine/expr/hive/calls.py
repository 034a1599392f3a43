"""Calls of Hive's functions: those whose meaning depends on types are made here, the others are found by name.

A name is looked up among FORMS (made of other expressions), Hive's own kernels (`hive$name`), and our functions that
mean the same in Hive (functions/hive/same.py); arguments are converted by Hive's rules.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from sqlengine import errors
from sqlengine.errors import did_you_mean
from sqlengine.expr import tree
from sqlengine.expr.coerce import as_arg, constant
from sqlengine.expr.hive import conditions, session
from sqlengine.expr.hive.coercion import DOUBLE, STRING, is_null, number, to, unified
from sqlengine.expr.hive.collection_forms import COLLECTION_FORMS
from sqlengine.expr.hive.form_parts import Form, text_of, wrong
from sqlengine.expr.hive.number_forms import NUMBER_FORMS
from sqlengine.expr.hive.operators import builtin, operation, whole
from sqlengine.expr.hive.spark_aes_forms import SPARK_AES
from sqlengine.expr.hive.spark_collections import SPARK_COLLECTIONS
from sqlengine.expr.hive.spark_forms import SPARK_CASTS, SPARK_FORMS
from sqlengine.expr.hive.spark_json_forms import HIVE_JSON, SPARK_JSON
from sqlengine.expr.hive.spark_more_forms import SPARK_MORE, joined_arrays
from sqlengine.functions import Registry
from sqlengine.functions.hive.gaps import gap_of
from sqlengine.functions.hive.same import SAME
from sqlengine.functions.registry import Function, Resolved
from sqlengine.functions.signature import Arg, Signature
from sqlengine.types import TIMESTAMP, from_sql, is_numeric, is_text, to_sql


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
    known = [*functions.lookup(f"hive${name}"), *(functions.lookup(SAME[name]) if name in SAME else ())]
    gap = gap_of(name)
    if gap is not None and not known:
        return errors.NotSupportedError(f"function {name} is not supported: {gap.reason}")
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


def _cast(args: list[tree.Expr]) -> tree.Expr:
    """CAST: char and varchar with a length are texts cut to it."""
    value, name = args[0], text_of(args[1])
    base, _, length = name.rstrip(")").partition("(")
    if base in ("char", "varchar") and length.isdigit():
        return tree.Call(STRING, f"hive$cut_{base}", (to(value, STRING), tree.Const(pa.int32(), int(length))))
    if name in ("decimal", "dec", "numeric"):
        return to(value, pa.decimal128(10, 0))
    return to(value, from_sql(name))


def _cast_to(name: str, target: pa.DataType) -> Form:
    """UDFToInteger and its kin, which Hive's plans call: CAST under another name."""

    def made(args: list[tree.Expr]) -> tree.Expr:
        if len(args) != 1:
            raise errors.UndefinedFunction(f"{name} takes one value")
        return to(args[0], target)

    return made


CASTS: dict[str, pa.DataType] = {
    "udftoboolean": pa.bool_(),
    "udftobyte": pa.int8(),
    "udftoshort": pa.int16(),
    "udftointeger": pa.int32(),
    "udftolong": pa.int64(),
    "udftofloat": pa.float32(),
    "udftodouble": DOUBLE,
    **SPARK_CASTS,
}
"""Functions that are casts, and what to."""


def _as_double(args: list[tree.Expr]) -> tree.Expr:
    return to(number(args[0]), DOUBLE)


def _mean(args: list[tree.Expr]) -> tree.Expr:
    """sum / count as avg gives it: of decimals with four digits more (GenericUDAFAverage).

    The sum has ten more than its values; that of values with more than 28 has as many as there are."""
    if len(args) != 2:
        raise wrong("mean", args, "nothing in Hive's dialect; in Spark's it is avg")
    total, count = args
    if pa.types.is_decimal(total.type):
        precision, scale = total.type.precision, min(total.type.scale + 4, 38)
        kind = pa.decimal128(38 if precision == 38 else min(precision - 6, 38), scale)
        return tree.Call(kind, "hive$decimal_divide", (total, to(count, pa.decimal128(19, 0))))
    return operation("/", to(total, DOUBLE), to(count, DOUBLE))


def _coalesce(args: list[tree.Expr]) -> tree.Expr:
    if not args:
        raise errors.UndefinedFunction("coalesce takes at least one argument")
    same = unified(args, "coalesce")
    return tree.Call(same[0].type, "coalesce", tuple(same))


def _concat(args: list[tree.Expr]) -> tree.Expr:
    """Texts, NULL when one is NULL; of binaries a binary, of arrays an array."""
    if not args:
        return tree.Const(STRING, "")
    if any(pa.types.is_list(arg.type) for arg in args):
        return joined_arrays(args)
    made = to(args[0], STRING)
    for arg in args[1:]:
        made = operation("||", made, arg)
    return made


FORMS: dict[str, Form] = {
    **NUMBER_FORMS,
    **COLLECTION_FORMS,
    "cast": _cast,
    **{name: _cast_to(name, target) for name, target in CASTS.items()},
    "as_double": _as_double,
    "mean": _mean,
    "bit_not": lambda args: builtin("bit_not", [whole(args[0], "~")], "~"),
    "coalesce": _coalesce,
    "nvl": _coalesce,
    "concat": _concat,
    **conditions.FORMS,
    **session.FORMS,
    **SPARK_COLLECTIONS,
    **SPARK_FORMS,
    **SPARK_JSON,
    **HIVE_JSON,
    "cardinality": COLLECTION_FORMS["size"],
    **SPARK_AES,
    **SPARK_MORE,
    "ifnull": _coalesce,
    "mod": conditions.FORMS["%"],
    "format_string": conditions.FORMS["printf"],
    "datepart": SPARK_FORMS["date_part"],
    "iff": conditions.FORMS["if"],
    "equal_null": conditions.FORMS["<=>"],
}
"""Functions made of other expressions, by Hive's name or one that only lowering writes."""
