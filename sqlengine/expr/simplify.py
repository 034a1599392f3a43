"""Rewrites of bound expressions that keep their value: constant folding, boolean laws, splitting of conjunctions.

An expression that would raise is never evaluated here for good: what fails to fold stays as it is, and raises when (and
if) a row reaches it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from operator import is_
from typing import Any

import pyarrow as pa

from sqlengine import errors
from sqlengine.expr import tree
from sqlengine.expr.coerce import constant
from sqlengine.functions import BUILTINS, Registry
from storage.replacing import replace

TRUE = tree.Const(pa.bool_(), True)
FALSE = tree.Const(pa.bool_(), False)
_NEGATIONS = {"is_null": "is_not_null", "is_not_null": "is_null"}


def simplify(expr: tree.Expr, functions: Registry = BUILTINS) -> tree.Expr:
    """An equal expression with constants folded and AND, OR, NOT, CASE reduced."""
    if isinstance(expr, (tree.InputRef, tree.Const)):
        return expr
    expr = tree.with_children(expr, [simplify(kid, functions) for kid in tree.children(expr)])
    if isinstance(expr, tree.Call):
        if expr.function in ("and", "or"):
            return _logic(expr)
        if expr.function == "not":
            return _negation(expr, functions)
        if expr.function in _OPPOSITE and _meets_null(expr.args):
            return tree.Const(pa.bool_(), None)
    elif isinstance(expr, tree.Case):
        return _case(expr)
    elif isinstance(expr, tree.Cast) and expr.arg.type == expr.type:
        return expr.arg
    return fold(expr, functions)


def _meets_null(args: tuple[tree.Expr, ...]) -> bool:
    """Whether a comparison is with NULL; of anything that may raise, it is left to do so."""
    plain = all(isinstance(a, (tree.Const, tree.InputRef)) for a in args)
    return plain and any(isinstance(a, tree.Const) and a.value is None for a in args)


def fold(expr: tree.Expr, functions: Registry = BUILTINS) -> tree.Expr:
    """A Const when every leaf is one and nothing is volatile or fails; else the expression itself.

    A value made CHAR(n) stays a call, which tells its length (plan/text_types.py)."""
    kids = tree.children(expr)
    foldable = kids or isinstance(expr, (tree.Call, tree.UserCall))
    if not foldable or not all(isinstance(kid, tree.Const) for kid in kids):
        return expr
    if volatility(expr, functions) != "immutable" or (isinstance(expr, tree.Call) and expr.function == "hive$cut_char"):
        return expr
    try:
        return constant(expr, functions)
    except errors.Error:
        return expr  # raises when a row reaches it


def _logic(expr: tree.Call) -> tree.Expr:
    """Flatten, drop neutral constants and repeats, stop at the absorbing constant."""
    absorbing, neutral = (FALSE, TRUE) if expr.function == "and" else (TRUE, FALSE)
    parts: list[tree.Expr] = []
    seen: set[Any] = set()
    for arg in _flat(expr, expr.function):
        if arg == absorbing:
            return absorbing
        key = tree.identity(arg)
        if arg != neutral and key not in seen:
            seen.add(key)
            parts.append(arg)
    if not parts:
        return neutral
    if len(parts) == 1:
        return parts[0]
    return _factored(expr, parts) if expr.function == "or" else _over(expr, parts)


def _over(expr: tree.Call, args: Sequence[tree.Expr]) -> tree.Call:
    """The call of other arguments; itself of its own."""
    same = len(args) == len(expr.args) and all(map(is_, args, expr.args))
    return expr if same else replace(expr, args=tuple(args))


def _factored(expr: tree.Call, alternatives: list[tree.Expr]) -> tree.Expr:
    """(a AND b) OR (a AND c) as a AND (b OR c): what every alternative asks for may become the key of a join."""
    branches = [conjuncts(alternative) for alternative in alternatives]
    keys = [{tree.identity(part) for part in branch} for branch in branches]
    shared = set.intersection(*keys)
    if not shared:
        return _over(expr, alternatives)
    common = [part for part in branches[0] if tree.identity(part) in shared]
    rests = [conjunction([p for p in branch if tree.identity(p) not in shared]) for branch in branches]
    if all(rest is not None for rest in rests):  # an alternative that asks for nothing more makes the others moot
        common.append(replace(expr, args=tuple(rest for rest in rests if rest is not None)))
    return conjunction(common) or TRUE


def _flat(expr: tree.Expr, function: str) -> list[tree.Expr]:
    if isinstance(expr, tree.Call) and expr.function == function:
        return [part for arg in expr.args for part in _flat(arg, function)]
    return [expr]


def _negation(expr: tree.Call, functions: Registry) -> tree.Expr:
    """NOT NOT x, NOT IN, NOT IS NULL, NOT of a comparison."""
    arg = expr.args[0]
    if isinstance(arg, tree.InList):
        return replace(arg, negated=not arg.negated)
    if isinstance(arg, tree.Call):
        if arg.function == "not":
            return arg.args[0]
        opposite = _NEGATIONS.get(arg.function) or _OPPOSITE.get(arg.function)
        if opposite is not None:
            return replace(arg, function=opposite)
    return fold(expr, functions)


_OPPOSITE = {"eq": "ne", "ne": "eq", "lt": "ge", "ge": "lt", "gt": "le", "le": "gt"}


def _case(expr: tree.Case) -> tree.Expr:
    """Drop branches that are never taken, end at one that always is."""
    whens: list[tuple[tree.Expr, tree.Expr]] = []
    default = expr.default
    for condition, result in expr.whens:
        if isinstance(condition, tree.Const) and condition.value is not True:
            continue
        if condition == TRUE:
            default = result
            break
        whens.append((condition, result))
    if len(whens) == len(expr.whens):
        return expr
    return replace(expr, whens=tuple(whens), default=default) if whens else default


def conjuncts(expr: tree.Expr | None) -> list[tree.Expr]:
    """The conditions an AND is made of; [] for None and TRUE."""
    if expr is None or expr == TRUE:
        return []
    return [part for part in _flat(expr, "and") if part != TRUE]


def conjunction(parts: list[tree.Expr]) -> tree.Expr | None:
    """The AND of conditions; None for no condition."""
    if not parts:
        return None
    return parts[0] if len(parts) == 1 else tree.Call(pa.bool_(), "and", tuple(parts))


def volatility(expr: tree.Expr, functions: Registry = BUILTINS) -> str:
    """The worst of all functions below: "immutable", "stable" (now(): constant within a tick) or "volatile"."""
    if functions is not BUILTINS:
        return _volatility(expr, functions)
    try:
        return expr._volatility
    except AttributeError:
        found = _volatility(expr, functions)
        object.__setattr__(expr, "_volatility", found)
        return found


def _volatility(expr: tree.Expr, functions: Registry) -> str:
    worst, todo = "immutable", [expr]
    while todo:
        node = todo.pop()
        todo += tree.children(node)
        if isinstance(node, tree.HigherOrder):
            todo += [body for _, body in node.bodies]
        for found in _volatilities(node, functions):
            if found == "volatile":
                return found
            if found == "stable":
                worst = found
    return worst


@lru_cache(maxsize=4096)
def _of_builtin(name: str) -> tuple[str, ...]:
    return tuple({function.volatility for function in BUILTINS.lookup(name)})


def _volatilities(node: tree.Expr, functions: Registry) -> Sequence[str]:
    """Of the functions that an expression itself may call."""
    if isinstance(node, tree.Call):
        if functions is BUILTINS:
            return _of_builtin(node.function)
        return [function.volatility for function in functions.lookup(node.function)]
    if isinstance(node, tree.UserCall):
        return (node.function.volatility,)
    return (node.volatility,) if isinstance(node, tree.DuckExpr) else ()
