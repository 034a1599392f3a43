"""Bound expressions as one line of SQL-like text: EXPLAIN, plan goldens, SHOW.

The text is stable: it depends on the expression alone.  Parentheses stand around every operator inside another one.
"""

from __future__ import annotations

import pyarrow as pa

from sqlengine.expr import tree
from sqlengine.functions import BUILTINS, Registry
from sqlengine.sql import deep
from sqlengine.types import is_text, to_sql

_POSTFIX = {"is_null": "IS NULL", "is_not_null": "IS NOT NULL", "is_true": "IS TRUE", "is_false": "IS FALSE"}


def to_text(expr: tree.Expr, functions: Registry = BUILTINS) -> str:
    """One line; columns by name, casts as CAST(x AS type), constants as SQL literals."""
    try:
        return _Writer(functions).write(expr)
    except RecursionError:
        return deep.run(_Writer(functions).write, expr)


class _Writer:
    def __init__(self, functions: Registry) -> None:
        self.functions = functions

    def write(self, expr: tree.Expr, nested: bool = False) -> str:
        match expr:
            case tree.InputRef(name=name, index=index):
                return name or f"#{index}"
            case tree.Const():
                return literal_text(expr)
            case tree.Cast(type=dtype, arg=arg, safe=safe):
                word = "TRY_CAST" if safe else "CAST"
                return f"{word}({self.write(arg)} AS {to_sql(dtype)})"
            case tree.Case():
                return self._case(expr)
            case tree.InList(arg=arg, values=values, negated=negated):
                items = ", ".join(literal_text(v) for v in values)
                return f"{self.write(arg, True)} {'NOT ' if negated else ''}IN ({items})"
            case tree.DuckExpr(sql=sql, args=args):
                return "duckdb(" + tree.rename_args(sql, [self.write(a, True) for a in args]) + ")"
            case tree.HigherOrder(function=name, args=args, values=values, bodies=bodies):
                lambdas = [f"{count} -> {self.write(body)}" for count, body in bodies]
                return f"{name}({', '.join([*(self.write(a) for a in args[:values]), *lambdas])})"
            case tree.UserCall(function=function, args=args):
                return f"{function.name}({', '.join(self.write(a) for a in args)})"
            case tree.Call():
                return self._call(expr, nested)
        return type(expr).__name__

    def _case(self, expr: tree.Case) -> str:
        branches = " ".join(f"WHEN {self.write(c)} THEN {self.write(r)}" for c, r in expr.whens)
        return f"CASE {branches} ELSE {self.write(expr.default)} END"

    def _call(self, expr: tree.Call, nested: bool) -> str:
        if expr.function in _POSTFIX:
            return f"{self.write(expr.args[0], True)} {_POSTFIX[expr.function]}"
        operator = next((f.operator for f in self.functions.lookup(expr.function) if f.operator), None)
        if expr.function in ("and", "or") or (
            operator and len(expr.args) == 2 and not operator.endswith(("]", ")", "."))
        ):
            word = f" {(operator or expr.function).upper()} "
            text = word.join(self.write(a, True) for a in expr.args)
            return f"({text})" if nested else text
        args = [self.write(a, operator is not None) for a in expr.args]
        if expr.function == "array_get":
            return f"{args[0]}[{args[1]}]"
        if expr.function == "struct_field":
            return f"{args[0]}.{str(expr.args[1].value) if isinstance(expr.args[1], tree.Const) else args[1]}"
        if operator and len(args) == 1:
            return f"{operator.upper()} {args[0]}" if operator.isalpha() else f"{operator}{args[0]}"
        return f"{expr.function}({', '.join(args)})"


def literal_text(const: tree.Const) -> str:
    """A constant as SQL: 'text', 12, 1.5, TRUE, NULL, timestamp '...'."""
    value, dtype = const.value, const.type
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if is_text(dtype):
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, int) or pa.types.is_decimal(dtype) or pa.types.is_floating(dtype):
        return str(value)
    if dtype == pa.month_day_nano_interval():
        return "INTERVAL '" + interval_text(value.months, value.days, value.nanoseconds // 1000) + "'"
    return f"{to_sql(dtype)} '{value}'"


def interval_text(months: int, days: int, micros: int) -> str:
    """`1 month 2 days 03:04:05.5`, the shortest that says it."""
    parts = [f"{n} {word}{'' if abs(n) == 1 else 's'}" for n, word in ((months, "month"), (days, "day")) if n]
    if micros or not parts:
        sign, left = ("-", -micros) if micros < 0 else ("", micros)
        seconds, fraction = divmod(left, 1_000_000)
        clock = f"{sign}{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
        parts.append(clock + (f".{fraction:06}".rstrip("0") if fraction else ""))
    return " ".join(parts)
