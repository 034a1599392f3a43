"""Hive's literals: numbers carry their type as a suffix, strings are STRING and take no other type by themselves."""

from __future__ import annotations

from decimal import Decimal

from sqlglot import exp

from sqlengine import errors
from sqlengine.sql import ast
from sqlengine.sql.lower_values import position_of, whole
from sqlengine.types import HIVE_TINYINT

_SUFFIXES = {"L": ("bigint", 64), "S": ("smallint", 16), "Y": (HIVE_TINYINT, 8)}


def literal(node: exp.Expr, *, is_negated: bool = False) -> ast.Expr:
    """`'a'` is STRING, `10` int (bigint, decimal when it does not fit), `1.5` decimal, `1e3` double, and `10L`, `1Y`,
    `1S`, `1.5BD`, `1.5D`, `1.5F` what the suffix says; OutOfRange (22003) for a number its type cannot hold;
    `is_negated`: a minus before it, which is not applied here, is part of it, as in Spark."""
    if node.args.get("is_string"):
        return ast.Literal(str(node.this), "text")
    text = str(node.this)
    upper = text.upper()
    if upper.endswith("BD"):
        return _decimal(text[:-2], node)
    if upper[-1] in _SUFFIXES:
        return _suffixed(int(text[:-1]), *_SUFFIXES[upper[-1]], node, is_negated)
    if upper.endswith("F"):  # Spark's
        return ast.Literal(float(text[:-1]), "real")
    if "E" in upper or upper.endswith("D"):
        return ast.Literal(float(upper.rstrip("D")), "double precision")
    return whole(int(text)) if text.isdigit() else _decimal(text, node)


def _suffixed(value: int, type_name: str, bits: int, node: exp.Expr, is_negated: bool) -> ast.Literal:
    if value >= 2 ** (bits - 1) + is_negated:
        raise errors.OutOfRange(f"{value} is out of range of its type", position=position_of(node))
    return ast.Literal(value, type_name)


def _decimal(text: str, node: exp.Expr) -> ast.Literal:
    value = Decimal(text)
    if len(value.as_tuple().digits) > 38:
        raise errors.OutOfRange(f"{text} has more than 38 digits", position=position_of(node))
    return ast.Literal(value, "numeric")
