"""WITH with statements that change rows among its items: each item is run once and to its end, whoever reads it, and
what reads it sees the rows of its RETURNING.

PostgreSQL's meaning: all parts see what was there before the statement; a row that one of them changes is left alone by
those that come later; all is one change, or none.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from sqlengine import sql
from sqlengine.result import Result
from sqlengine.sql import ast
from sqlengine.statements.change import delete, update
from sqlengine.statements.context import Context
from sqlengine.statements.insert import insert
from sqlengine.statements.merge import merge
from sqlengine.statements.one_statement import lending_item, one_statement
from sqlengine.statements.select import select

_RUN: dict[type[ast.Statement], Callable[[Any, Context], Result]] = {
    ast.SelectStatement: select,
    ast.Insert: insert,
    ast.Update: update,
    ast.Delete: delete,
    ast.Merge: merge,
}


def with_writes(statement: ast.With, context: Context) -> Result:
    """The items that are read, then the statement itself, then items that nothing reads, each in the order written."""
    with one_statement(context), ExitStack() as lent:
        for item in statement.items:
            if item.is_read:
                answer = _carried_out(item.statement, context)
                if answer.schema is not None:
                    lent.enter_context(lending_item(context, item, answer.to_arrow()))
        result = _carried_out(sql.main_of(statement), context)
        for item in statement.items:
            if not item.is_read and not isinstance(item.statement, ast.SelectStatement):
                _carried_out(item.statement, context)
    return result


def _carried_out(statement: ast.Statement, context: Context) -> Result:
    return _RUN[type(statement)](statement, context)
