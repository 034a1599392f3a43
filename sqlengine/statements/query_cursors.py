"""DECLARE ... CURSOR FOR a query or SUBSCRIBE: its rows, some at a time, with FETCH.

A query's rows are those of the moment it is declared.  A cursor over what is followed never ends: FETCH takes what has
come, or waits for it as long as `WITH (timeout = ...)` says.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from sqlengine.errors import InvalidParameter, SyntaxError  # noqa: A004 - SQL's word
from sqlengine.result import Result
from sqlengine.sql import ast
from sqlengine.statements.access import authorize
from sqlengine.statements.context import Context
from sqlengine.statements.cursors import CursorRows
from sqlengine.statements.select import run_snapshot
from sqlengine.statements.subscribe import Followed, followed, followed_query


@dataclass
class TableRows(CursorRows):
    """Of a query, which has been answered."""

    batches: list[pa.RecordBatch]

    def read(self, timeout_s: float) -> pa.RecordBatch | None:
        """The next rows."""
        return self.batches.pop(0) if self.batches else None

    def close(self) -> None:
        """Nothing is held."""
        self.batches.clear()


@dataclass
class FollowedRows(CursorRows):
    """Of what is followed."""

    source: Followed

    def read(self, timeout_s: float) -> pa.RecordBatch | None:
        """The next change, when one comes in time."""
        return self.source.next(timeout_s)

    def close(self) -> None:
        """Follow no longer."""
        self.source.close()


def declare_query(statement: ast.DeclareQueryCursor, context: Context) -> Result:
    """DECLARE cursor CURSOR FOR ...; 42P03 when the name is taken, 42601 for a statement that is no query."""
    if statement.cursor in context.cursors:
        raise InvalidParameter(f'cursor "{statement.cursor}" already exists', sqlstate="42P03", hint="CLOSE it first")
    inner = statement.statement
    authorize(inner, context)
    rows: CursorRows
    if isinstance(inner, ast.Subscribe):
        rows = _following(statement, followed(inner, context))
    elif isinstance(inner, ast.SelectStatement) and inner.emit is not None:
        rows = _following(statement, followed_query(context, inner.query, inner.emit, snapshot=True))
    elif isinstance(inner, ast.SelectStatement) and not inner.as_of:
        table = run_snapshot(context, inner.query)
        rows = TableRows(statement.cursor, "", table.schema, statement.hold, None, table.to_batches())
    else:
        raise SyntaxError("a cursor is declared for a query or SUBSCRIBE", position=inner.position)
    context.cursors[statement.cursor] = rows
    return Result("DECLARE CURSOR")


def _following(statement: ast.DeclareQueryCursor, source: Followed) -> FollowedRows:
    return FollowedRows(statement.cursor, "", source.schema, statement.hold, None, source)
