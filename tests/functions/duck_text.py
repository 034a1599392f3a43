"""Bound expressions as DuckDB text: what an expression means, said to the other executor, for tests that compare both.

Only functions with a DuckDB spelling can be written (to_char and its like cannot).
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlengine import duck, errors
from sqlengine.expr import tree
from sqlengine.functions import BUILTINS, Registry
from sqlengine.functions.signature import Arg


def to_duckdb(expr: tree.Expr, columns: Sequence[str], functions: Registry = BUILTINS) -> str:
    """DuckDB text; `columns[i]` is what stands for input column i.  NotSupportedError for functions DuckDB lacks."""

    def write(node: tree.Expr) -> str:
        match node:
            case tree.InputRef(index=index):
                return columns[index]
            case tree.Const(type=dtype, value=value):
                return duck.literal(value, dtype)
            case tree.Cast(type=dtype, arg=arg, safe=safe):
                return f"{'TRY_CAST' if safe else 'CAST'}({write(arg)} AS {duck.sql_type(dtype)})"
            case tree.Case(whens=whens, default=default):
                branches = " ".join(f"WHEN {write(c)} THEN {write(r)}" for c, r in whens)
                return f"(CASE {branches} ELSE {write(default)} END)"
            case tree.InList(arg=arg, values=values, negated=negated):
                return f"({write(arg)} {'NOT ' if negated else ''}IN ({', '.join(write(v) for v in values)}))"
            case tree.DuckExpr(sql=sql, args=args):
                return "(" + tree.rename_args(sql, [write(a) for a in args]) + ")"
            case tree.Call(function=name, args=args) if name in ("and", "or"):
                return "(" + f" {name.upper()} ".join(write(a) for a in args) + ")"
            case tree.Call(function="row", args=args, type=dtype):
                pairs = zip(dtype, args, strict=True)
                return "{" + ", ".join(f"{duck.quote(f.name)}: {write(a)}" for f, a in pairs) + "}"
            case tree.Call(function=name, args=args):
                return _call(name, args, [write(a) for a in args], functions)
        raise errors.InternalError(f"no DuckDB text for {type(node).__name__}")

    return write(expr)


def _call(name: str, args: Sequence[tree.Expr], texts: Sequence[str], functions: Registry) -> str:
    found = functions.resolve(name, [Arg(a.type) for a in args], operators=True)
    if found is None or found.function.duck == "":
        raise errors.NotSupportedError(f"function {name} has no DuckDB spelling")
    return "(" + found.function.duck_text(texts) + ")"
