"""SET, RESET, BEGIN, COMMIT, ROLLBACK, WAIT, CHECKPOINT."""

from __future__ import annotations

from sqlengine.result import Result
from sqlengine.settings import is_shared, setting_names
from sqlengine.sql import ast
from sqlengine.statements.context import Context
from sqlengine.statements.write import commit


def set_(statement: ast.Set, context: Context) -> Result:
    """SET name = value."""
    if statement.value is None:
        context.settings.reset(statement.name)
    else:
        context.settings.set(statement.name, statement.value)
    return Result("SET")


def reset(statement: ast.Reset, context: Context) -> Result:
    """RESET name | ALL: all but those that all sessions share, which are not one session's to reset."""
    own = [name for name in setting_names() if not is_shared(name)]
    for name in own if statement.name is None else [statement.name]:
        context.settings.reset(name)
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
