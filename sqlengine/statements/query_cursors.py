"""DECLARE ... CURSOR FOR a query or SUBSCRIBE: its rows, some at a time, with FETCH.

A query's rows are those of the moment it is declared, and FETCH goes both ways among them.  A cursor over what is
followed never ends: FETCH takes what has come, or waits for it as long as `WITH (timeout = ...)` says.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import pyarrow as pa

from sqlengine.errors import InvalidParameter, NotSupportedError, SyntaxError  # noqa: A004 - SQL's word
from sqlengine.quick_dataclass import dataclass
from sqlengine.result import Result
from sqlengine.snapshot.expand import PG_TYPE
from sqlengine.snapshot.pg import named, prints
from sqlengine.sql import ast
from sqlengine.statements.access import authorize
from sqlengine.statements.context import Context
from sqlengine.statements.cursors import ComingRows, CursorRows
from sqlengine.statements.pg_catalog import pg_facts
from sqlengine.statements.scrolling import Scroll
from sqlengine.statements.select import run_at
from sqlengine.statements.subscribe import Followed, followed, followed_query


@dataclass
class TableRows(CursorRows):
    """Of a query, which has been answered; values of reg* types are numbers until they are fetched."""

    table: pa.Table
    scroll: Scroll

    def take(self, wanted: ast.Fetch, timeout_s: float, context: Context) -> pa.Table:
        """Rows on the way, each way."""
        passed = self.scroll.take(wanted.way, wanted.rows, wanted.moves)
        if not passed:
            return self._shown(self.table.slice(0, 0), context)
        rows = self.table.slice(min(passed[0], passed[-1]), len(passed))
        if passed.step < 0:
            rows = rows.take(np.arange(len(passed) - 1, -1, -1))
        return self._shown(rows, context)

    def _shown(self, rows: pa.Table, context: Context) -> pa.Table:
        kinds = [(field.metadata or {}).get(PG_TYPE.encode(), b"").decode() or None for field in self.schema]
        if self.is_binary or not any(map(prints, kinds)):
            return rows
        return named(rows, kinds, partial(pg_facts, context), context.is_binary)

    def close(self) -> None:
        """Nothing is held."""
        self.table = self.table.slice(0, 0)


@dataclass
class FollowedRows(ComingRows):
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
        _refuse_scroll(statement)
        rows = _following(statement, followed(inner, context))
    elif isinstance(inner, ast.SelectStatement) and inner.emit is not None:
        _refuse_scroll(statement)
        rows = _following(statement, followed_query(context, inner.query, inner.emit, snapshot=True))
    elif isinstance(inner, ast.SelectStatement) and not inner.as_of:
        table, _ = run_at(context, inner.query, keeps_oids=lambda position: True)
        scroll = Scroll(table.num_rows, statement.scroll is not False)
        rows = TableRows(statement.cursor, "", table.schema, statement.hold, statement.binary, table, scroll)
    else:
        raise SyntaxError("a cursor is declared for a query or SUBSCRIBE", position=inner.position)
    context.cursors[statement.cursor] = rows
    return Result("DECLARE CURSOR")


def _refuse_scroll(statement: ast.DeclareQueryCursor) -> None:
    if statement.scroll:
        raise NotSupportedError(
            "a SCROLL cursor cannot follow changes", hint="declare it NO SCROLL, or for a query without EMIT"
        )


def _following(statement: ast.DeclareQueryCursor, source: Followed) -> FollowedRows:
    return FollowedRows(statement.cursor, "", source.schema, statement.hold, statement.binary, None, source)
