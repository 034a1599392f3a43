"""Calls of functions that the database has of its own: one in SQL stands for its body, a program's is called."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pyarrow as pa

from sqlengine import errors
from sqlengine.expr import tree
from sqlengine.expr.coerce import as_arg, cast, type_name
from sqlengine.expr.simplify import volatility
from sqlengine.functions.user import SqlBody, UserFunction


def user_call(user: UserFunction, args: Sequence[tree.Expr]) -> tree.Expr:
    """The bound call of a function (no aggregate); UndefinedFunction (42883) for arguments it does not take."""
    assert user.function is not None
    given = [cast(arg, kind) for arg, kind in zip(args, user_types(user, args), strict=True)]
    if user.body is None or not _may_be_inlined(user.body, given):
        return tree.UserCall(user.returns, user.function, tuple(given))
    return _inlined(user.body.expr, given)


def _may_be_inlined(body: SqlBody, given: Sequence[tree.Expr]) -> bool:
    """Whether each argument is computed once then, or costs nothing; what asks for the time has no other way."""
    used = Counter(body.uses)
    costly = [i for i, arg in enumerate(given) if used[i] > 1 and not isinstance(arg, (tree.InputRef, tree.Const))]
    if body.at is not None and any(volatility(given[i]) == "volatile" for i in costly):
        raise errors.NotSupportedError("a volatile argument of a function that asks for the time is used twice there")
    return body.at is not None or not costly


def _inlined(expr: tree.Expr, given: Sequence[tree.Expr]) -> tree.Expr:
    if isinstance(expr, tree.InputRef):
        return given[expr.index]
    parts = tree.children(expr)
    return tree.with_children(expr, [_inlined(part, given) for part in parts]) if parts else expr


def user_types(user: UserFunction, args: Sequence[tree.Expr]) -> tuple[pa.DataType, ...]:
    """What the arguments of a call of a database's own function are cast to; UndefinedFunction (42883) otherwise."""
    match = user.signature.match([as_arg(a) for a in args])
    if match is None:
        shown = ", ".join(type_name(a) for a in args)
        raise errors.UndefinedFunction(
            f"function {user.name}({shown}) does not exist", hint=f"it is declared as {user.signature.text}"
        )
    return user.params
