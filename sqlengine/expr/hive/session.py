"""Hive's functions that tell of the session: known in queries that are answered once, refused in views."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

from sqlengine import errors
from sqlengine.expr import tree
from sqlengine.expr.session_facts import SessionFacts, facts_of_now

_TEXT = pa.string()


def _known(name: str, args: list[tree.Expr]) -> SessionFacts:
    if args:
        raise errors.UndefinedFunction(f"{name} takes no arguments")
    facts = facts_of_now()
    if facts is None:
        raise errors.NotSupportedError(
            f"{name}(), which is another for each session or row, in a view", hint="ask it in a query over the view"
        )
    return facts


def _uuid(args: list[tree.Expr]) -> tree.Expr:
    _known("uuid", args)
    return tree.Call(_TEXT, "hive$uuid_of", (tree.Const(pa.int32(), 0),))


def _fact(name: str, read: Callable[[SessionFacts], str]) -> Callable[[list[tree.Expr]], tree.Expr]:
    return lambda args: tree.Const(_TEXT, read(_known(name, args)))


_FACTS_BY_NAME: dict[str, Callable[[SessionFacts], str]] = {
    "current_user": lambda facts: facts.user,
    "user": lambda facts: facts.user,
    "logged_in_user": lambda facts: facts.login,
    "current_database": lambda facts: facts.database,
    "current_schema": lambda facts: facts.database,
    "current_catalog": lambda facts: "hive",
    "version": lambda facts: facts.version,
    "buildversion": lambda facts: facts.version,
}
FORMS: dict[str, Callable[[list[tree.Expr]], tree.Expr]] = {
    **{name: _fact(name, read) for name, read in _FACTS_BY_NAME.items()},
    "uuid": _uuid,
}
"""Functions of the session by name."""
