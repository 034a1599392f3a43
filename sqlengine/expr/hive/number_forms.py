"""Forms of functions of numbers (see calls.py)."""

from __future__ import annotations

import pyarrow as pa

from sqlengine import errors
from sqlengine.expr import tree
from sqlengine.expr.coerce import constant
from sqlengine.expr.hive.coercion import number, to
from sqlengine.expr.hive.form_parts import Form
from sqlengine.expr.hive.operators import operation
from sqlengine.types import common_type


def _pmod(args: list[tree.Expr]) -> tree.Expr:
    """`((a % b) + b) % b`; of decimals with the digits of `a % b` (GenericUDFPosMod)."""
    if len(args) != 2:
        raise errors.UndefinedFunction("pmod takes two numbers")
    a, b = number(args[0]), number(args[1])
    kind = common_type(a.type, b.type)
    assert kind is not None, "numbers have a common type"
    if pa.types.is_decimal(kind):
        rest = operation("%", a, b)
        return to(operation("%", operation("+", rest, b), b), rest.type)
    made = tree.Call(kind, "hive$pmod", (to(a, kind), to(b, kind)))
    return constant(made) if all(isinstance(arg, tree.Const) for arg in made.args) else made


def _negative(args: list[tree.Expr]) -> tree.Expr:
    if len(args) != 1:
        raise errors.UndefinedFunction("negative takes one number")
    value = number(args[0])
    made = tree.Call(value.type, "hive$negative", (value,))
    return constant(made) if isinstance(value, tree.Const) else made


NUMBER_FORMS: dict[str, Form] = {"number": lambda args: number(args[0]), "pmod": _pmod, "negative": _negative}
