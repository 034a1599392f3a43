"""Literals that become wider numbers or dates without a kernel have the values that the kernels give."""

from __future__ import annotations

import random
from datetime import date
from decimal import Decimal

import pyarrow as pa

from sqlengine.expr import tree
from sqlengine.expr.coerce import constant, widened
from sqlengine.expr.hive.coercion import to

INTEGERS = (pa.int16(), pa.int32(), pa.int64())


def test_wider_numbers_are_those_of_the_kernels() -> None:
    source = random.Random(5)
    tried = 0
    for _ in range(300):
        digits = source.randint(1, 20)
        scale = source.randint(0, digits)
        number = Decimal(source.randint(-(10**digits) + 1, 10**digits - 1)).scaleb(-scale)
        exprs = [tree.Const(pa.decimal128(digits, scale), number)]
        exprs += [tree.Const(kind, source.randint(-(2**15), 2**15 - 1)) for kind in INTEGERS]
        precision = source.randint(1, 38)
        target = source.choice([pa.decimal128(precision, source.randint(0, precision)), *INTEGERS])
        for expr in exprs:
            made = widened(expr, target)
            if made is not None:
                tried += 1
                assert made == constant(tree.Call(target, "hive$cast", (expr,))), (expr, target)
                assert str(made.value) == str(constant(tree.Call(target, "hive$cast", (expr,))).value)
    assert tried > 200


def test_dates_are_those_of_the_kernels() -> None:
    for text in (
        "2024-02-29",
        "2023-02-29",
        "0001-01-01",
        "9999-12-31",
        "2024-13-01",
        "2024-1-1",
        " 2024-01-01",
        "٢٠٢٤-٠١-٠١",
    ):
        expr = tree.Const(pa.string(), text)
        assert to(expr, pa.date32()) == constant(tree.Call(pa.date32(), "hive$cast", (expr,))), text
    assert to(tree.Const(pa.string(), "2024-02-29"), pa.date32()) == tree.Const(pa.date32(), date(2024, 2, 29))
