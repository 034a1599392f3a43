"""A transaction in which something has failed, as PostgreSQL has it: it takes nothing but its end."""

from __future__ import annotations

from sqlengine.errors import FailedTransaction
from sqlengine.sql import ast
from sqlengine.statements.context import Context


def refuse_after_failure(context: Context, statement: ast.Statement | None) -> None:
    """FailedTransaction (25P02) for anything but the end of a transaction that has failed."""
    if context.has_failed and not _ends_or_returns(statement):
        raise FailedTransaction(
            "current transaction is aborted, commands ignored until end of transaction block",
            hint="ROLLBACK ends it",
        )


def _ends_or_returns(statement: ast.Statement | None) -> bool:
    """Whether a statement is the end of a transaction, or the way back to a savepoint."""
    return isinstance(statement, ast.Transaction) and statement.action in ("commit", "rollback", "rollback to")
