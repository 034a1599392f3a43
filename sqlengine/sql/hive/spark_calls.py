"""Calls that mean in Spark's dialect what Hive's of the same name do not, and those made of other expressions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from sqlengine import errors
from sqlengine.sql import ast

SPARK_CALLS: dict[str, str] = {
    **{
        name: f"spark_{name}"
        for name in ("acos", "aes_decrypt", "aes_encrypt", "asin", "hash", "lpad", "mask", "rpad", "sqrt", "trunc")
    },
    "percentile_approx": "approx_percentile",
    **dict.fromkeys(("std", "stddev"), "stddev_samp"),
    "variance": "var_samp",
}
"""Spark's name -> what it is called here.  `percentile_approx` gives one of the values, Hive's stands between two;
deviations and variances are those of a sample, Hive's of a population."""


def _nothing(call: ast.Call) -> None:
    if call.args:
        raise errors.UndefinedFunction(f"{call.name} takes no arguments", position=call.position)


def _row_id(call: ast.Call) -> ast.Expr:
    """Numbers of rows from 0: Spark's begin anew in each partition, of which there is one here."""
    _nothing(call)
    number = ast.Call("row_number", (), over=ast.WindowFrame((), ()), position=call.position)
    return ast.Binary("-", ast.Call("hive$bigint", (number,)), ast.Literal(1, "bigint"), call.position, "hive")


def _partition(call: ast.Call) -> ast.Expr:
    _nothing(call)
    return ast.Literal(0, "integer")


def _file_name(call: ast.Call) -> ast.Expr:
    _nothing(call)
    return ast.Column(("input__file__name",), call.position)


def _joined(call: ast.Call) -> ast.Expr:
    """`string_agg(x[, separator])`: the texts that are not NULL, joined in the order of the rows."""
    if len(call.args) not in (1, 2):
        raise errors.UndefinedFunction(f"{call.name} takes a text and a separator", position=call.position)
    known: ast.Expr = ast.IsTest(call.args[0], "null", True)
    known = known if call.filter is None else ast.Binary("and", call.filter, known)
    text = ast.Call("hive$string", (call.args[0],))
    values = replace(call, name="array_agg", args=(text,), filter=known)
    separator = call.args[1] if len(call.args) == 2 else ast.Literal("", "text")
    return ast.Call("hive$array_join", (values, separator))


def _try_sum(call: ast.Call) -> ast.Expr:
    if len(call.args) != 1:
        raise errors.UndefinedFunction(f"{call.name} takes a number", position=call.position)
    total = replace(call, name="sum", args=(ast.Call("hive$try_sum_arg", call.args),), rules="hive")
    return ast.Call("hive$try_sum_of", (total, replace(call, name="min", distinct=False)))


def _of_values(name: str) -> Callable[[ast.Call], ast.Expr]:
    def rewrite(call: ast.Call) -> ast.Expr:
        if len(call.args) != 1:
            raise errors.UndefinedFunction(f"{call.name} takes one argument", position=call.position)
        known: ast.Expr = ast.IsTest(call.args[0], "null", True)
        known = known if call.filter is None else ast.Binary("and", call.filter, known)
        return ast.Call(name, (replace(call, name="array_agg", filter=known),))

    return rewrite


def _rounded(name: str) -> Callable[[ast.Call], ast.Expr]:
    return lambda call: replace(call, name=f"hive${name}_to" if len(call.args) == 2 else f"hive${name}")


SPARK_MADE: dict[str, Callable[[ast.Call], ast.Expr]] = {
    "monotonically_increasing_id": _row_id,
    "spark_partition_id": _partition,
    "input_file_name": _file_name,
    **dict.fromkeys(("string_agg", "listagg"), _joined),
    "try_sum": _try_sum,
    **dict.fromkeys(("ceil", "ceiling"), _rounded("ceil")),
    "floor": _rounded("floor"),
    "bitmap_construct_agg": _of_values("hive$bitmap_of"),
    "bitmap_or_agg": _of_values("hive$bitmap_united"),
}
"""Functions that are made of others, by name."""
