"""Spark's ceil and floor to so many digits (its RoundCeil and RoundFloor): the answer is a decimal."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal

import pyarrow as pa

from sqlengine.functions.hive.rows import per_distinct
from sqlengine.functions.registry import Function, Kernel, scalar

_CONTEXT = Context(prec=100)


def _to_digits(name: str, mode: str, where: str) -> Function:
    def factory(_types: Sequence[pa.DataType], result: pa.DataType) -> Kernel:
        limit = Decimal(10) ** (result.precision - result.scale)
        step = Decimal(1).scaleb(-result.scale)

        def body(value: Decimal, digits: int) -> Decimal | None:
            made = value.quantize(Decimal(1).scaleb(-min(digits, result.scale)), mode, _CONTEXT)
            return made.quantize(step, context=_CONTEXT) if abs(made) < limit else None

        return per_distinct(result, body)

    return scalar(
        f"hive${name}_to(x any, digits integer) -> any", f"the number {where} with so many digits", factory=True
    )(factory)


ceil_to = _to_digits("ceil", ROUND_CEILING, "not below")
floor_to = _to_digits("floor", ROUND_FLOOR, "not above")
