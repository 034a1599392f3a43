"""SET, RESET, DISCARD, BEGIN, COMMIT, ROLLBACK, WAIT, CHECKPOINT."""

from __future__ import annotations

from sqlengine.catalog.roles import SessionRole
from sqlengine.errors import TransactionError
from sqlengine.result import Result
from sqlengine.sql import ast
from sqlengine.statements.context import Context
from sqlengine.statements.write import commit


def set_(statement: ast.Set, context: Context) -> Result:
    """SET [LOCAL] name = value."""
    settings = context.settings
    if statement.local:
        if context.transaction is None:
            context.notice("SET LOCAL can only be used in transaction blocks")
            return Result("SET")
        context.before_transaction.setdefault(statement.name, settings.get(statement.name))
    if statement.value is None:
        settings.reset(statement.name)
    else:
        settings.set(statement.name, statement.value)
    return Result("SET")


def set_transaction(statement: ast.SetTransaction, context: Context) -> Result:
    """SET TRANSACTION, SET SESSION CHARACTERISTICS: taken note of; every statement sees one moment in any case."""
    if not statement.session and context.transaction is None:
        context.notice("SET TRANSACTION can only be used in transaction blocks")
        return Result("SET")
    for name, value in statement.values:
        if not statement.session:
            context.before_transaction.setdefault(name, context.settings.get(name))
        context.settings.set(name, value)
    return Result("SET")


def discard(statement: ast.Discard, context: Context) -> Result:
    """DISCARD ALL: settings, prepared statements and role as they were when the session began."""
    if statement.what == "all":
        if context.transaction is not None:
            raise TransactionError("DISCARD ALL cannot run inside a transaction block", sqlstate="25001")
        context.settings.reset_all()
        context.prepared.clear()
        context.role = SessionRole.of(context.role.authenticated)
    return Result(f"DISCARD {statement.what.upper()}")


def reset(statement: ast.Reset, context: Context) -> Result:
    """RESET name | ALL."""
    if statement.name is None:
        context.settings.reset_all()
    else:
        context.settings.reset(statement.name)
    return Result("RESET")


def transaction(statement: ast.Transaction, context: Context) -> Result:
    """BEGIN keeps what is written until COMMIT, which makes it visible together; ROLLBACK discards it."""
    if statement.action == "begin":
        if context.transaction is not None:
            context.notice("there is already a transaction in progress")
        else:
            context.transaction = []
        return Result("BEGIN")
    pending, context.transaction = context.transaction, None
    before, context.before_transaction = context.before_transaction, {}
    for name, value in before.items():
        context.settings.set(name, value)
    if pending is None:
        context.notice("there is no transaction in progress")
    elif statement.action == "commit":
        commit(context, pending)
    return Result(statement.action.upper())


def wait(statement: ast.Wait, context: Context) -> Result:
    """FLUSH | WAIT: every view has seen everything there is now, bounded connectors to their end; history that is read
    in the background has been read.
    """
    context.instance.fills.wait(context.check)
    context.instance.catch_up(context.check)
    return Result("WAIT")


def checkpoint(statement: ast.Checkpoint, context: Context) -> Result:
    """CHECKPOINT: the state of everything acknowledged before is saved now."""
    if context.instance.path is None:
        context.notice("a database in memory saves nothing")
    else:
        context.instance.checkpoints.write()
    return Result("CHECKPOINT")
