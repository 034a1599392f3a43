"""ALTER TABLE name action, action, ...: one after the other, all of them or none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlengine.catalog.objects import Table
from sqlengine.delta import Delta
from sqlengine.errors import Error
from sqlengine.result import Result
from sqlengine.runtime.evolving import evolve
from sqlengine.runtime.sources import make_store
from sqlengine.sql import ast
from sqlengine.state.row_store import RowStore
from sqlengine.statements.alter_column import drop_column, set_not_null, set_type
from sqlengine.statements.alter_table import add_check, add_column, add_unique, drop_constraint, set_default
from sqlengine.statements.context import Context
from sqlengine.statements.primary_key import add_primary_key
from sqlengine.statements.write import table_store

_ACTIONS: Mapping[type[ast.Statement], Callable[[Any, Context], Result]] = {
    ast.AddCheck: add_check,
    ast.AddColumn: add_column,
    ast.AddPrimaryKey: add_primary_key,
    ast.AddUnique: add_unique,
    ast.DropColumn: drop_column,
    ast.DropConstraint: drop_constraint,
    ast.SetDefault: set_default,
    ast.SetNotNull: set_not_null,
    ast.SetType: set_type,
}


def alter_table(statement: ast.AlterTable, context: Context) -> Result:
    """Raises what the first action raises that cannot be done; the table is then as it was."""
    instance = context.instance
    with instance.lock:
        table = instance.catalog.get_as(Table, context.prefer_path(statement.name))
        instance.catch_up(context.check)
        store = table_store(context, table)
        for action in statement.actions:
            try:
                _ACTIONS[type(action)](action, context)
            except Error:
                _put_back(context, table, store)
                raise
    return Result("ALTER TABLE")


def _put_back(context: Context, table: Table, store: RowStore) -> None:
    """The table with the columns and rows that it had; an index that has gone is made again when it is needed."""
    if context.instance.catalog.get_as(Table, tuple(table.name.split("."))) is table:
        return
    again = make_store(table)
    for batch in store.snapshot_table().to_batches():
        again.apply(Delta(batch))
    context.instance.catalog.update(table)
    evolve(context.instance, table, again)
