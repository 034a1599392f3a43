"""Functions that choose among their arguments: coalesce, nullif, greatest, least, if, counts of NULLs.

Laziness (an argument that is not needed must not raise) is the evaluator's business; coalesce and if
become CASE, so only the others have kernels here.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from sqlengine.errors import DataError
from sqlengine.functions.operators import comparison_kernel
from sqlengine.functions.registry import Kernel, Value, declare, scalar
from sqlengine.types import storage_type

coalesce = declare(
    "coalesce(VARIADIC a anyelement) -> anyelement",
    "the first argument that is not NULL",
    example="coalesce(NULL, 2, 3) = 2",
    aliases=("ifnull", "nvl"),
    strict=False,
    duck="coalesce({*})",
)


def _nullif(arg_types: Sequence[pa.DataType], result: pa.DataType) -> Kernel:
    same = comparison_kernel("eq", arg_types)
    inner = storage_type(result)

    def kernel(a: pa.Array, b: pa.Array) -> Value:
        kept = a.storage if inner != result else a
        out = pc.if_else(pc.fill_null(same(a, b), False), pa.nulls(len(a), inner), kept)
        return pa.ExtensionArray.from_storage(result, out) if inner != result else out

    return kernel


nullif = scalar(
    "nullif(a anyelement, b anyelement) -> anyelement",
    "NULL when both are equal, else the first",
    example="nullif(1, 1) IS NULL",
    strict=False,
    factory=True,
    broadcast=True,
)(_nullif)
if_ = declare(
    "if(condition boolean, then_value anyelement, else_value anyelement) -> anyelement",
    "the second argument when the condition is true, else the third",
    example="if(1 < 2, 'a', 'b') = 'a'",
    aliases=("iff",),
    strict=False,
    duck="CASE WHEN {0} THEN {1} ELSE {2} END",
)


def _extreme(name: str) -> Kernel:
    """A factory: greatest or least of any number of arguments, NULLs skipped, by the operators' order."""

    def make(arg_types: Sequence[pa.DataType], result: pa.DataType) -> Kernel:
        inner = storage_type(result)
        wins = comparison_kernel("gt" if name == "max" else "lt", [inner])

        def kernel(first: Value, *rest: Value) -> Value:
            best = first
            for other in rest:
                takes = pc.coalesce(wins(other, best), pc.is_null(best))
                best = pc.if_else(takes, other, best)
            return best

        if inner != result:
            return lambda *args: pa.ExtensionArray.from_storage(result, kernel(*(a.storage for a in args)))
        return kernel

    return make


greatest = scalar(
    "greatest(VARIADIC a anyelement) -> anyelement",
    "the largest argument, NULLs skipped",
    example="greatest(1, 3, NULL) = 3",
    strict=False,
    factory=True,
    broadcast=True,
)(_extreme("max"))
least = scalar(
    "least(VARIADIC a anyelement) -> anyelement",
    "the smallest argument, NULLs skipped",
    example="least(1, 3, NULL) = 1",
    strict=False,
    factory=True,
    broadcast=True,
)(_extreme("min"))


nvl2 = declare(
    "nvl2(a any, b anyelement, c anyelement) -> anyelement",
    "b when a is not NULL, else c",
    example="nvl2(NULL, 1, 2) = 2",
    strict=False,
    duck="CASE WHEN {0} IS NOT NULL THEN {1} ELSE {2} END",
)


@scalar(
    "num_nulls(VARIADIC a any) -> integer",
    "how many arguments are NULL",
    example="num_nulls(1, NULL) = 1",
    strict=False,
    duck="",
)
def num_nulls(*args: Value) -> Value:
    return _count(pc.is_null, args)


@scalar(
    "num_nonnulls(VARIADIC a any) -> integer",
    "how many arguments are not NULL",
    example="num_nonnulls(1, NULL) = 1",
    strict=False,
    duck="",
)
def num_nonnulls(*args: Value) -> Value:
    return _count(pc.is_valid, args)


def _count(test: Kernel, args: Sequence[Value]) -> Value:
    total: Value = pa.scalar(0, pa.int32())
    for arg in args:
        total = pc.add(total, test(arg).cast(pa.int32()))
    return total


def _only_row(value: pa.Array, rows: pa.Array) -> Value:
    if pc.any(pc.greater(rows, 1)).as_py():
        raise DataError("more than one row returned by a subquery used as an expression", sqlstate="21000")
    return value


only_row = scalar(
    "only_row(value anyelement, rows bigint) -> anyelement",
    "the value, unless it stands for more than one row: then error 21000",
    example="only_row(7, 1) = 7",
    strict=False,
    can_raise=True,
    broadcast=True,
    duck="CASE WHEN {1} > 1 THEN error('more than one row returned by a subquery used as an expression') ELSE {0} END",
)(_only_row)
