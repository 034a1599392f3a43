"""What each statement does: HANDLERS maps a statement's class to the function that carries it out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlengine.errors import NotSupportedError
from sqlengine.result import Result
from sqlengine.sql import ast
from sqlengine.statements.access import authorize
from sqlengine.statements.alter_column import drop_column, set_not_null, set_type
from sqlengine.statements.alter_table import add_check, add_column, add_unique, drop_constraint, set_default
from sqlengine.statements.alterations import alter_table
from sqlengine.statements.change import delete, update
from sqlengine.statements.channels import listen, notify, unlisten
from sqlengine.statements.context import Context
from sqlengine.statements.control import control
from sqlengine.statements.copy import copy_from, copy_to
from sqlengine.statements.cursors import close, declare, fetch
from sqlengine.statements.default_privileges import alter_default_privileges
from sqlengine.statements.drop import comment, create_schema, drop
from sqlengine.statements.explain import explain
from sqlengine.statements.fixed_moments import with_fixed_moments
from sqlengine.statements.functions import create_function
from sqlengine.statements.grants import drop_owned, grant_privileges, reassign_owned, set_owner
from sqlengine.statements.groups import alter_group, drop_group
from sqlengine.statements.hive import alter as hive_alter
from sqlengine.statements.hive import databases as hive_databases
from sqlengine.statements.hive import describe as hive_describe
from sqlengine.statements.hive import files as hive_files
from sqlengine.statements.hive import insert as hive_insert
from sqlengine.statements.hive import session as hive_session
from sqlengine.statements.hive import show as hive_show
from sqlengine.statements.hive import spark as hive_spark
from sqlengine.statements.hive import tables as hive_tables
from sqlengine.statements.indexes import create_index
from sqlengine.statements.insert import insert
from sqlengine.statements.inspect import assert_, print_topic
from sqlengine.statements.merge import merge
from sqlengine.statements.one_statement import as_one
from sqlengine.statements.prepared import deallocate, executed, prepare
from sqlengine.statements.primary_key import add_primary_key
from sqlengine.statements.query_cursors import declare_query
from sqlengine.statements.rename_column import rename_column
from sqlengine.statements.renaming import rename, set_schema, swap_with
from sqlengine.statements.replicas import alter_replicas, alter_system
from sqlengine.statements.role_settings import alter_role_setting
from sqlengine.statements.roles import (
    alter_role,
    create_role,
    drop_role,
    grant_roles,
    rename_role,
    set_role,
    set_session_authorization,
)
from sqlengine.statements.select import select
from sqlengine.statements.session_state import (
    checkpoint,
    discard,
    maintain,
    refresh,
    reset,
    set_,
    set_transaction,
    transaction,
    wait,
)
from sqlengine.statements.show import describe, show
from sqlengine.statements.sinks import create_sink
from sqlengine.statements.streams import create_stream
from sqlengine.statements.subscribe import subscribe
from sqlengine.statements.subscriptions import acknowledge, alter_subscription, create_subscription
from sqlengine.statements.table_sinks import create_table_sink
from sqlengine.statements.tables import alter_options, create_table
from sqlengine.statements.topics import alter_topic, create_topic
from sqlengine.statements.truncate import truncate
from sqlengine.statements.views import alter_query, alter_view, commented_view, create_view
from sqlengine.statements.with_writes import with_writes

Handler = Callable[[Any, Context], Result]


def _unsupported(statement: ast.Unsupported, context: Context) -> Result:
    raise NotSupportedError(f"{statement.feature} is not supported yet", position=0)


def _execute(statement: ast.Execute, context: Context) -> Result:
    made = executed(statement, context)
    authorize(made, context)
    return HANDLERS[type(made)](made, context)


HANDLERS: dict[type[ast.Statement], Handler] = {
    ast.Acknowledge: acknowledge,
    ast.AddCheck: add_check,
    ast.AddColumn: add_column,
    ast.AddPrimaryKey: add_primary_key,
    ast.AddUnique: add_unique,
    ast.CreateIndex: create_index,
    ast.DropColumn: drop_column,
    ast.RenameColumn: rename_column,
    ast.SetNotNull: set_not_null,
    ast.SetType: set_type,
    ast.DropConstraint: drop_constraint,
    ast.SetDefault: set_default,
    ast.AlterConsumerGroup: alter_group,
    ast.AlterReplicas: alter_replicas,
    ast.AlterSystem: alter_system,
    ast.AlterTable: alter_table,
    ast.AlterTopic: alter_topic,
    ast.AlterSubscription: alter_subscription,
    ast.AlterMaterializedView: alter_view,
    ast.SetTableOptions: alter_options,
    ast.AlterView: alter_query,
    ast.Assert: assert_,
    ast.Listen: listen,
    ast.Unlisten: unlisten,
    ast.Notify: notify,
    ast.Comment: comment,
    ast.ControlQuery: control,
    ast.CopyFrom: copy_from,
    ast.CopyTo: copy_to,
    ast.CreateFunction: create_function,
    ast.CreateSchema: create_schema,
    ast.CreateSink: create_sink,
    ast.CreateSinkInto: create_table_sink,
    ast.CreateStream: create_stream,
    ast.CreateSubscription: create_subscription,
    ast.CreateTable: create_table,
    ast.CreateTopic: create_topic,
    ast.CreateView: create_view,
    ast.CloseCursor: close,
    ast.Deallocate: deallocate,
    ast.DeclareQueryCursor: declare_query,
    ast.DeclareCursor: declare,
    ast.DefaultPrivileges: alter_default_privileges,
    ast.Delete: as_one(delete),
    ast.Describe: describe,
    ast.Discard: discard,
    ast.Drop: drop,
    ast.DropConsumerGroup: drop_group,
    ast.Execute: _execute,
    ast.Explain: explain,
    ast.Fetch: fetch,
    ast.Insert: as_one(insert),
    ast.Merge: as_one(merge),
    ast.Prepare: prepare,
    ast.Print: print_topic,
    ast.Rename: rename,
    ast.SetSchema: set_schema,
    ast.SwapWith: swap_with,
    ast.Reset: reset,
    ast.SelectStatement: select,
    ast.Set: set_,
    ast.SetTransaction: set_transaction,
    ast.Show: show,
    ast.Subscribe: subscribe,
    ast.Transaction: transaction,
    ast.Truncate: truncate,
    ast.Unsupported: _unsupported,
    ast.Update: as_one(update),
    ast.Wait: wait,
    ast.With: with_writes,
    ast.Refresh: refresh,
    ast.Checkpoint: checkpoint,
    ast.Maintain: maintain,
    ast.AddResource: hive_session.add_resource,
    ast.AlterDatabase: hive_databases.alter_database,
    ast.AlterFileTable: hive_alter.alter_table,
    ast.Analyze: hive_files.analyze,
    ast.CommentedView: commented_view,
    ast.CreateDatabase: hive_databases.create_database,
    ast.CreateFileTable: hive_tables.create_table,
    ast.CreateHiveFunction: hive_session.create_function,
    ast.CreateMacro: hive_session.create_macro,
    ast.DropHiveFunction: hive_session.drop_function,
    ast.DropMacro: hive_session.drop_macro,
    ast.DropTable: hive_tables.drop_table,
    ast.Export: hive_files.export,
    ast.HiveDescribe: hive_describe.describe,
    ast.HiveInsert: hive_insert.insert,
    ast.HiveReset: hive_session.reset,
    ast.HiveSet: hive_session.set_,
    ast.HiveShow: hive_show.show,
    ast.Import: hive_files.import_,
    ast.Load: hive_files.load,
    ast.Msck: hive_files.msck,
    ast.CacheTable: hive_spark.cache_table,
    ast.UncacheTable: hive_spark.uncache_table,
    ast.RefreshTable: hive_spark.refresh_table,
    ast.TruncateFiles: hive_files.truncate,
    ast.Use: hive_databases.use,
    ast.AlterRole: alter_role,
    ast.AlterRoleSetting: alter_role_setting,
    ast.CreateRole: create_role,
    ast.DropOwned: drop_owned,
    ast.DropRole: drop_role,
    ast.GrantPrivileges: grant_privileges,
    ast.GrantRoles: grant_roles,
    ast.ReassignOwned: reassign_owned,
    ast.RenameRole: rename_role,
    ast.SetOwner: set_owner,
    ast.SetRole: set_role,
    ast.SetSessionAuthorization: set_session_authorization,
}


def carry_out(statement: ast.Statement, context: Context) -> Result:
    """A statement -> its result, by its handler; the moments of a query that lasts are those of now."""
    return HANDLERS[type(statement)](with_fixed_moments(statement, context), context)
