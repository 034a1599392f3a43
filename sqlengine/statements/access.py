"""What a statement needs of the role it is run by, refused before its handler runs: InsufficientPrivilege (42501).

`authorize` is called for every statement (engine.py).  NEEDS has an entry for each class of statement, so that none is
forgotten.  As in PostgreSQL: who reads a view needs SELECT on the view alone, and what is below it is read with the
rights of the view's owner.  Superusers are asked nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any

from sqlengine import sql
from sqlengine.catalog.authority import (
    target_of,
)
from sqlengine.catalog.catalog import object_name
from sqlengine.catalog.objects import STREAM_QUERY, CatalogObject, Table
from sqlengine.catalog.options import as_ours
from sqlengine.catalog.roles import READ_FILES, SAVE, SIGNAL, WRITE_FILES
from sqlengine.errors import InsufficientPrivilege
from sqlengine.runtime.pausing import object_of
from sqlengine.settings import is_shared, setting_names
from sqlengine.sql import ast
from sqlengine.statements.check import Check
from sqlengine.statements.context import Context
from sqlengine.statements.hive.needs import HIVE_NEEDS
from sqlengine.statements.indexes import find_index
from sqlengine.statements.topics import topic_name


def authorize(statement: ast.Statement, context: Context) -> None:
    """Raise InsufficientPrivilege (42501) when the session's current role may not run a statement."""
    catalog = context.instance.catalog
    if not catalog.roles.is_superuser(context.role.current):
        NEEDS[type(statement)](statement, Check(context, context.role.current))


# ---------------------------------------------------------------- statements

Need = Callable[[Any, Check], None]


def _nothing(statement: ast.Statement, check: Check) -> None:
    """Everybody may, or the handler decides."""


def _superuser(doing: str, predefined: str | None = None) -> Need:
    return lambda statement, check: check.superuser(doing, predefined)


def _owned(attribute: str = "name") -> Need:
    return lambda statement, check: check.owned(getattr(statement, attribute))


def _made(statement: Any, check: Check) -> None:
    """What all CREATE statements need; OR REPLACE: to own what is there."""
    check.create_in(statement.name)
    if getattr(statement, "or_replace", False):
        check.owned(statement.name)


def _create_stored(statement: ast.CreateStream | ast.CreateTable, check: Check) -> None:
    """CREATE STREAM, CREATE TABLE: also what is done with topics that are there already."""
    _made(statement, check)
    check.read(statement.query)
    options = as_ours(dict(statement.options))
    check.connector(options, writes=False)
    name = object_name(statement.name)
    topic = topic_name(check.context, name, options)
    replaces = statement.or_replace and name in check.catalog
    if isinstance(statement, ast.CreateTable):
        check.topic_owner(topic)
    elif not replaces:
        check.topic(topic, "SELECT")
    for side in (options.get("late_topic"), options.get("error_topic", f"{name}_errors")):
        if side is not None:
            check.topic_owner(side)


def _create_view(statement: ast.CreateView, check: Check) -> None:
    _made(statement, check)
    check.read(statement.query)


def _alter_query(statement: ast.AlterView, check: Check) -> None:
    check.owned(statement.name)
    check.read(statement.query)


def _create_sink(statement: ast.CreateSink, check: Check) -> None:
    _made(statement, check)
    check.read(statement.query)
    if statement.from_name is not None:
        check.read_object(check.named(statement.from_name))
    check.connector(dict(statement.options), writes=True)


def _create_table_sink(statement: ast.CreateSinkInto, check: Check) -> None:
    """What the sink is to do to the rows of the table, as if its owner did it: replace and remove as well, by key."""
    _create_sink(statement, check)
    table = check.catalog.find(check.context.prefer_path(statement.into))
    columns = statement.into_columns or None
    changes = {"UPDATE": columns, "DELETE": None} if isinstance(table, Table) and table.primary_key else {}
    check.write(statement.into, {"INSERT": columns, **changes})


def _create_subscription(statement: ast.CreateSubscription, check: Check) -> None:
    _made(statement, check)
    check.read_object(check.named(statement.from_name))


def _follow(statement: ast.DeclareCursor | ast.Acknowledge, check: Check) -> None:
    """To read a subscription's changes, and say what has been read."""
    if (found := check.named(statement.subscription)) is not None:
        check.privilege(target_of(found), "SELECT")


def _create_schema(statement: ast.CreateSchema, check: Check) -> None:
    if not check.catalog.roles.by_id(check.authority.role).create_db:
        raise InsufficientPrivilege("permission denied to create schema", hint="a role with CREATEDB may do so")


def _drop(statement: ast.Drop, check: Check) -> None:
    if statement.kind == "topic":
        check.topic_owner(object_name(statement.name))
    elif statement.kind == "index":
        _own_indexed(statement.name, check)
    else:
        check.owned(statement.name)


def _own_indexed(index: ast.Name, check: Check) -> None:
    """To own what an index is on."""
    found = find_index(check.context, index)
    if found is not None:
        check.owned(tuple(found[0].name.split(".")))


def _rename(statement: ast.Rename, check: Check) -> None:
    if statement.kind == "index":
        _own_indexed(statement.name, check)
        return
    check.owned(statement.name)
    check.create_in(check.context.prefer_path(statement.name))


def _set_schema(statement: ast.SetSchema, check: Check) -> None:
    check.owned(statement.name)
    check.create_in((statement.schema, statement.name[-1]))


def _swap_with(statement: ast.SwapWith, check: Check) -> None:
    for name in (statement.name, statement.other):
        check.owned(name)
        check.create_in(check.context.prefer_path(name))


def _truncate(statement: ast.Truncate, check: Check) -> None:
    if statement.kind == "topic":
        check.topic(object_name(statement.name), "TRUNCATE")
    elif (found := check.named(statement.name)) is not None:
        check.privilege(target_of(found), "TRUNCATE")


def _insert(statement: ast.Insert, check: Check) -> None:
    needed: dict[str, Collection[str] | None] = {"INSERT": statement.columns or None}
    if statement.conflict == "update":
        needed["UPDATE"] = [name for name, _ in statement.conflict_set] or None
    values = [*(text for _, text in statement.conflict_set), *statement.returning]
    if statement.conflict is not None or statement.returning:
        keys = map(sql.quote_identifier, statement.conflict_columns)
        needed["SELECT"] = _read_of_target(check, statement, None, [*keys, *values])
    check.write(statement.target, needed)
    check.read(sql.query_under(statement.with_text, statement.query))
    _expressions(check, statement.with_text, values)


def _update(statement: ast.Update, check: Check) -> None:
    values = [text for _, text in statement.assignments]
    reads = statement.where or statement.from_text or statement.returning or not all(map(_is_constant, values))
    needed: dict[str, Collection[str] | None] = {"UPDATE": [name for name, _ in statement.assignments]}
    clauses = ([*values, *statement.returning], statement.from_text, statement.where)
    if reads:
        needed["SELECT"] = _read_of_target(check, statement, statement.alias, *clauses)
    check.write(statement.target, needed)
    _expressions(check, statement.with_text, *clauses)


def _delete(statement: ast.Delete, check: Check) -> None:
    reads = statement.where or statement.using_text or statement.returning
    needed: dict[str, Collection[str] | None] = {"DELETE": None}
    clauses = (statement.returning, statement.using_text, statement.where)
    if reads:
        needed["SELECT"] = _read_of_target(check, statement, statement.alias, *clauses)
    check.write(statement.target, needed)
    _expressions(check, statement.with_text, *clauses)


def _merge(statement: ast.Merge, check: Check) -> None:
    values = [text for when in statement.whens for text in (*when.values, when.condition) if text is not None]
    clauses = ([*values, *statement.returning], statement.source, statement.condition)
    needed: dict[str, Collection[str] | None] = {"SELECT": _read_of_target(check, statement, statement.alias, *clauses)}
    for when in statement.whens:
        if (action := when.action.upper()) != "NOTHING":
            known = needed.get(action, ())
            needed[action] = {*known, *when.columns} if known is not None and when.columns else None
    check.write(statement.target, needed)
    _expressions(check, statement.with_text, *clauses)


def _with_writes(statement: ast.With, check: Check) -> None:
    """What each of its parts needs."""
    for part in (*(item.statement for item in statement.items), sql.main_of(statement)):
        NEEDS[type(part)](part, check)


def _expressions(
    check: Check, with_text: str, items: Iterable[str], relations: str | None = None, where: str | None = None
) -> None:
    """To read what the clauses of a statement name: expressions, FROM or USING, WHERE."""
    read = [item for item in items if item.strip() != "*"]
    if not read and not relations and not where and not with_text:
        return
    text = f"{with_text} SELECT " + ", ".join(["1", *read])
    if relations:
        text += f" FROM {relations}"
    if where:
        text += f" WHERE {where}"
    check.read(sql.parse_query(text))


def _read_of_target(
    check: Check,
    statement: ast.Insert | ast.Update | ast.Delete | ast.Merge,
    alias: str | None,
    items: Iterable[str],
    relations: str | None = None,
    where: str | None = None,
) -> Collection[str] | None:
    """The columns of the target that the clauses of a statement read; None: all, or they do not matter."""
    found = check.catalog.find(check.context.prefer_path(statement.target))
    if found is None or not found.column_grants:
        return None
    named = sql.whole_name(found.name)
    text = f"{statement.with_text} SELECT {', '.join(['1', *items])} FROM {named}" + (
        f" AS {sql.quote_identifier(alias)}" if alias else ""
    )
    text += (f", {relations}" if relations else "") + (f" WHERE {where}" if where else "")
    read = sql.columns_read(sql.parse_query(text), check.columns_of)
    return next((columns for ref, columns in read if check.catalog.find(ref.parts) is found), None)


def _is_constant(text: str) -> bool:
    return isinstance(sql.parse_expr(text), ast.Literal)


def _copy_from(statement: ast.CopyFrom, check: Check) -> None:
    check.write(statement.target, {"INSERT": statement.columns or None})
    if statement.path is not None:
        check.superuser("COPY from a file", READ_FILES)


def _copy_to(statement: ast.CopyTo, check: Check) -> None:
    NEEDS[type(statement.statement)](statement.statement, check)
    if statement.path is not None:
        check.superuser("COPY to a file", WRITE_FILES)


def _query(statement: Any, check: Check) -> None:
    check.read(statement.query)


def _assert(statement: ast.Assert, check: Check) -> None:
    check.read(statement.left)
    check.read(statement.right)


def _explain(statement: ast.Explain, check: Check) -> None:
    """What would be run; of a query that runs, to read what it makes."""
    if statement.statement is not None:
        NEEDS[type(statement.statement)](statement.statement, check)
    elif statement.target is not None:
        found = check.named(statement.target) or object_of(check.context.instance, statement.target[-1])
        if found is not None:
            check.privilege(target_of(_shown(found, check)), "SELECT")
        elif statement.target[-1] in check.context.instance.scheduler.queries:
            check.superuser("explain the query of another session")


def _shown(obj: CatalogObject, check: Check) -> CatalogObject:
    """For the query of a CREATE STREAM AS, the stream."""
    if not obj.name.endswith(STREAM_QUERY):
        return obj
    return check.catalog.find(tuple(obj.name.removesuffix(STREAM_QUERY).split("."))) or obj


def _control(statement: ast.ControlQuery, check: Check) -> None:
    """PAUSE and RESUME: MAINTAIN; CANCEL, which may drop it: the owner; of other sessions' queries: superusers."""
    instance = check.context.instance
    found = check.catalog.find(tuple(statement.query_id.split("."))) or object_of(instance, statement.query_id)
    if found is None:
        if statement.query_id in instance.scheduler.queries:
            check.superuser(f"{statement.action} the query of another session", SIGNAL)
        return
    target = target_of(_shown(found, check))
    if statement.action == "cancel":
        check.owner(target)
    else:
        check.privilege(target, "MAINTAIN")


def _show(statement: ast.Show | ast.Describe, check: Check) -> None:
    """What exists can be seen by everybody; with which options a connector was opened, by the owner."""
    if statement.target is None or not (isinstance(statement, ast.Describe) or statement.what == "create"):
        return
    found = check.catalog.find(check.context.prefer_path(statement.target))
    connector = getattr(found, "connector", "topic")
    if found is not None and connector != "topic" and getattr(statement, "extended", True):
        check.owner(target_of(found))


def _print(statement: ast.Print, check: Check) -> None:
    check.topic(statement.topic, "SELECT")


def _execute(statement: ast.Execute, check: Check) -> None:
    """Its values; what it runs is authorized when they are in place."""
    _expressions(check, "", statement.arguments)


def _set(statement: ast.Set | ast.Reset, check: Check) -> None:
    name = (statement.name or "").replace("-", "_")
    if name in setting_names() and is_shared(name):
        check.superuser(f'set parameter "{name}"')


def _alter_topic(statement: ast.AlterTopic, check: Check) -> None:
    check.topic_owner(object_name(statement.name))


NEEDS: dict[type[ast.Statement], Need] = {
    ast.Acknowledge: _follow,
    ast.AddCheck: _owned("table"),
    ast.AddColumn: _owned("table"),
    ast.AddPrimaryKey: _owned("table"),
    ast.AddUnique: _owned("table"),
    ast.CreateIndex: _owned(),
    ast.DropColumn: _owned(),
    ast.RenameColumn: _owned(),
    ast.SetNotNull: _owned(),
    ast.SetType: _owned(),
    ast.DropConstraint: _owned("table"),
    ast.SetDefault: _owned("table"),
    ast.AlterConsumerGroup: _superuser("alter consumer groups"),
    ast.AlterMaterializedView: _owned(),
    ast.SetTableOptions: _owned(),
    ast.AlterView: _alter_query,
    ast.AlterReplicas: _superuser("alter replicas"),
    ast.AlterRole: _nothing,
    ast.AlterRoleSetting: _nothing,
    ast.AlterSubscription: _owned(),
    ast.AlterSystem: _superuser("alter the system"),
    ast.AlterTable: _owned(),
    ast.AlterTopic: _alter_topic,
    ast.Assert: _assert,
    ast.Checkpoint: _superuser("execute CHECKPOINT command", SAVE),
    ast.CloseCursor: _nothing,
    ast.Comment: _owned(),
    ast.ControlQuery: _control,
    ast.CopyFrom: _copy_from,
    ast.CopyTo: _copy_to,
    ast.CreateFunction: _superuser("create functions"),
    ast.CreateRole: _nothing,
    ast.CreateSchema: _create_schema,
    ast.CreateSink: _create_sink,
    ast.CreateSinkInto: _create_table_sink,
    ast.CreateStream: _create_stored,
    ast.CreateSubscription: _create_subscription,
    ast.CreateTable: _create_stored,
    ast.CreateTopic: _made,
    ast.CreateView: _create_view,
    ast.Deallocate: _nothing,
    ast.DeclareCursor: _follow,
    ast.DeclareQueryCursor: _nothing,  # what it is for is asked for when it is opened
    ast.DefaultPrivileges: _nothing,
    ast.Delete: _delete,
    ast.Describe: _show,
    ast.Discard: _nothing,
    ast.Drop: _drop,
    ast.DropConsumerGroup: _superuser("drop consumer groups"),
    ast.DropOwned: _nothing,
    ast.DropRole: _nothing,
    ast.Execute: _execute,
    ast.Explain: _explain,
    ast.Fetch: _nothing,
    ast.GrantPrivileges: _nothing,
    ast.GrantRoles: _nothing,
    ast.Insert: _insert,
    ast.Maintain: _nothing,
    ast.Merge: _merge,
    ast.Prepare: _nothing,
    ast.Print: _print,
    ast.ReassignOwned: _nothing,
    ast.Rename: _rename,
    ast.SetSchema: _set_schema,
    ast.SwapWith: _swap_with,
    ast.RenameRole: _nothing,
    ast.Reset: _set,
    ast.SelectStatement: _query,
    ast.Set: _set,
    ast.SetOwner: _nothing,
    ast.SetRole: _nothing,
    ast.SetSessionAuthorization: _nothing,
    ast.SetTransaction: _nothing,
    ast.Show: _show,
    ast.Subscribe: _query,
    ast.Transaction: _nothing,
    ast.Truncate: _truncate,
    ast.Unsupported: _nothing,
    ast.Update: _update,
    ast.Wait: _nothing,
    ast.With: _with_writes,
    ast.Refresh: _nothing,
    ast.Listen: _nothing,
    ast.Unlisten: _nothing,
    ast.Notify: _nothing,
    **HIVE_NEEDS,
}
"""By the class of a statement."""
