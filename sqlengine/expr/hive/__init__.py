"""Hive's rules of typing: see expr/dialects.py for what each function is asked.

Implicit conversions are those of Hive's FunctionRegistry and TypeInfoUtils (Apache Hive 4): a text beside a number is a
double, beside a date a date; CASE and UNION meet at STRING where nothing else fits; nothing that is converted raises.
"""

from __future__ import annotations

from sqlengine.expr.hive.calls import call
from sqlengine.expr.hive.coercion import compared_as, met, to, unified
from sqlengine.expr.hive.operators import aggregated, operation

__all__ = ["aggregated", "call", "compared_as", "met", "operation", "to", "unified"]
