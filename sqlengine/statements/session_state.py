"""SET, RESET, DISCARD, BEGIN, COMMIT, ROLLBACK, WAIT, CHECKPOINT."""

from __future__ import annotations

from sqlengine.catalog.objects import MaterializedView
from sqlengine.catalog.roles import SessionRole
from sqlengine.errors import TransactionError, UndefinedObject, did_you_mean
from sqlengine.result import Result
from sqlengine.settings import is_shared, setting_names
from sqlengine.sql import ast
from sqlengine.statements.context import Context
from sqlengine.statements.cursors import end_with_transaction
from sqlengine.statements.write import commit


def set_(statement: ast.Set, context: Context) -> Result:
    """SET [LOCAL] name = value."""
    settings = context.settings
    if statement.local:
        if context.transaction is None:
            context.warn("SET LOCAL can only be used in transaction blocks", "25P01")
            return Result("SET")
    _about_to_change(context, statement.name, statement.local)
    if statement.value is None:
        settings.reset(statement.name)
    else:
        settings.set(statement.name, statement.value)
    context.instance.memory.apply()
    return Result("SET")


def _about_to_change(context: Context, name: str, local: bool = False) -> None:
    if not (name in setting_names() and is_shared(name)):  # what all sessions share belongs to no transaction
        context.changes_setting(name, local)


def set_transaction(statement: ast.SetTransaction, context: Context) -> Result:
    """SET TRANSACTION, SET SESSION CHARACTERISTICS: taken note of; every statement sees one moment in any case."""
    if not statement.session and context.transaction is None:
        context.warn("SET TRANSACTION can only be used in transaction blocks", "25P01")
        return Result("SET")
    for name, value in statement.values:
        _about_to_change(context, name, not statement.session)
        context.settings.set(name, value)
    return Result("SET")


def discard(statement: ast.Discard, context: Context) -> Result:
    """DISCARD ALL: settings, prepared statements, cursors, locks, LISTEN and role as when the session began."""
    if statement.what == "all":
        if context.transaction is not None:
            raise TransactionError("DISCARD ALL cannot run inside a transaction block", sqlstate="25001")
        context.settings.reset_all()
        for cursor in context.cursors.values():
            cursor.close()
        context.cursors.clear()
        context.instance.pg.locks.give_all(context.backend, of_transaction=False)
        context.prepared.clear()
        context.protocol_statements.clear()
        if context.on_notify is not None:
            context.instance.scheduler.channels.unlisten(context.on_notify)
        context.role = SessionRole.of(context.role.authenticated)
    return Result(f"DISCARD {statement.what.upper()}")


def reset(statement: ast.Reset, context: Context) -> Result:
    """RESET name | ALL."""
    if statement.name is None:
        for name in [*context.settings.postgres, *setting_names()]:
            _about_to_change(context, name)
        context.settings.reset_all()
    else:
        _about_to_change(context, statement.name)
        context.settings.reset(statement.name)
    context.instance.memory.apply()
    return Result("RESET")


def transaction(statement: ast.Transaction, context: Context) -> Result:
    """BEGIN keeps what is written until COMMIT, which makes it visible together; ROLLBACK discards it, and so does a
    COMMIT after something has failed."""
    if statement.savepoint is not None:
        return _savepoint(statement.action, statement.savepoint, context)
    if statement.action == "begin":
        if context.transaction is not None:
            context.warn("there is already a transaction in progress", "25001")
        else:
            context.transaction, context.savepoints, context.has_failed = [], [], False
        return Result("BEGIN")
    pending, context.transaction = context.transaction, None
    end_with_transaction(context)
    context.instance.pg.locks.give_all(context.backend, of_transaction=True)
    failed, context.has_failed = context.has_failed, False
    context.end_settings(rolled_back=failed or statement.action != "commit")
    if pending is None:
        context.warn("there is no transaction in progress", "25P01")
    elif statement.action == "commit" and not failed:
        commit(context, pending)
        for channel, payload in context.to_notify:
            context.instance.scheduler.channels.notify(channel, payload, context.backend.pid)
    context.to_notify.clear()
    return Result("ROLLBACK" if failed else statement.action.upper())


_SAVEPOINT_WORDS = {"ROLLBACK TO": "ROLLBACK TO SAVEPOINT", "RELEASE": "RELEASE SAVEPOINT"}


def _savepoint(action: str, name: str, context: Context) -> Result:
    """What is written behind a savepoint can be discarded alone; the newest of a name counts."""
    written, verb = context.transaction, action.upper()
    if written is None:
        raise TransactionError(
            f"{_SAVEPOINT_WORDS.get(verb, verb)} can only be used in transaction blocks",
            sqlstate="25P01",
            hint="BEGIN opens one",
        )
    if action == "savepoint":
        context.savepoints.append((name, len(written)))
        return Result(verb)
    names = [known for known, _ in context.savepoints]
    if name not in names:
        raise UndefinedObject(f'savepoint "{name}" does not exist', sqlstate="3B001", hint=did_you_mean(name, names))
    at = len(names) - 1 - names[::-1].index(name)
    if action == "release":
        del context.savepoints[at:]
        return Result(verb)
    del context.savepoints[at + 1 :]
    del written[context.savepoints[at][1] :]
    context.has_failed = False
    return Result("ROLLBACK")


def wait(statement: ast.Wait, context: Context) -> Result:
    """FLUSH | WAIT: every view has seen everything there is now, bounded connectors to their end; history that is read
    in the background has been read.
    """
    context.instance.fills.wait(context.check)
    context.instance.catch_up(context.check)
    return Result("WAIT")


def refresh(statement: ast.Refresh, context: Context) -> Result:
    """REFRESH MATERIALIZED VIEW: a view follows by itself, so it is only waited for; UndefinedTable (42P01)."""
    with context.instance.lock:
        context.instance.catalog.get_as(MaterializedView, context.prefer_path(statement.name))
    wait(ast.Wait(), context)
    return Result("REFRESH MATERIALIZED VIEW")


def maintain(statement: ast.Maintain, context: Context) -> Result:
    """VACUUM and ANALYZE: what PostgreSQL's programs send; UndefinedTable (42P01) for what there is not."""
    for name in statement.names:
        context.instance.catalog.get(context.prefer_path(name))
    context.notice(f"{statement.command} has nothing to do: topics are compacted and counted by themselves")
    return Result(statement.command)


def checkpoint(statement: ast.Checkpoint, context: Context) -> Result:
    """CHECKPOINT: the state of everything acknowledged before is saved now."""
    if context.instance.path is None:
        context.notice("a database in memory saves nothing")
    else:
        context.instance.checkpoints.write()
    return Result("CHECKPOINT")
