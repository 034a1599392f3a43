"""What a statement needs of the role it is run by, refused before its handler runs: InsufficientPrivilege (42501).

`authorize` is called for every statement (engine.py).  NEEDS has an entry for each class of statement, so that none is
forgotten.  As in PostgreSQL: who reads a view needs SELECT on the view alone, and what is below it is read with the
rights of the view's owner.  Superusers are asked nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import lru_cache
from typing import Any

from sqlengine import sql
from sqlengine.catalog.authority import (
    Authority,
    Target,
    function_target,
    schema_of,
    schema_target,
    target_of,
    topic_target,
)
from sqlengine.catalog.catalog import object_name
from sqlengine.catalog.objects import STREAM_QUERY, CatalogObject, Stream, View
from sqlengine.catalog.options import as_ours
from sqlengine.catalog.pg.relations import PG_TABLE_FUNCTIONS
from sqlengine.catalog.roles import EXECUTE_PROGRAMS, READ_FILES, SAVE, SIGNAL, WRITE_FILES
from sqlengine.connectors import CONNECTORS
from sqlengine.errors import InsufficientPrivilege
from sqlengine.runtime.pausing import object_of
from sqlengine.settings import is_shared, setting_names
from sqlengine.sql import ast
from sqlengine.statements.context import Context
from sqlengine.statements.hive.needs import HIVE_NEEDS
from sqlengine.statements.indexes import find_index
from sqlengine.statements.topics import topic_name, topic_names

TABLE_FUNCTIONS = frozenset(
    "unnest explode explode_outer posexplode posexplode_outer generate_series generate_subscripts range json_each "
    "json_each_text json_array_elements json_array_elements_text json_object_keys jsonb_each jsonb_each_text "
    "jsonb_array_elements jsonb_array_elements_text jsonb_object_keys string_to_table regexp_matches "
    "regexp_split_to_table current_schemas aclexplode".split()
)
"""Functions in FROM that read nothing but their arguments, beside PostgreSQL's own (`pg_get_keywords`); any other is
for superusers: most read files."""


def authorize(statement: ast.Statement, context: Context) -> None:
    """Raise InsufficientPrivilege (42501) when the session's current role may not run a statement."""
    catalog = context.instance.catalog
    if not catalog.roles.is_superuser(context.role.current):
        NEEDS[type(statement)](statement, Check(context, context.role.current))


def denied(kind: str, name: str) -> InsufficientPrivilege:
    """PostgreSQL's words."""
    return InsufficientPrivilege(f"permission denied for {kind} {name}")


class Check:
    """What one role needs for one statement; every method returns None or raises."""

    def __init__(self, context: Context, role: int) -> None:
        self.context = context
        self.catalog = context.instance.catalog
        self.authority = Authority(self.catalog, role)

    # ------------------------------------------------------------ objects

    def privilege(self, target: Target, privilege: str) -> None:
        """A privilege on something."""
        if not self.authority.may(target, privilege):
            raise denied(target.kind, target.name)

    def owner(self, target: Target) -> None:
        """The rights of an owner."""
        if not self.authority.owns(target):
            raise InsufficientPrivilege(f"must be owner of {target.kind} {target.name}")

    def superuser(self, doing: str, predefined: str | None = None) -> None:
        """A superuser, or a member of one of PostgreSQL's predefined roles."""
        if predefined is not None and self.authority.is_in(predefined):
            return
        hint = None if predefined is None else f'only superusers and members of "{predefined}" may do so'
        raise InsufficientPrivilege(f"permission denied to {doing}", hint=hint or "only superusers may do so")

    def schema(self, name: str, privilege: str = "USAGE") -> None:
        """A privilege on the schema of an object's name."""
        schema = schema_of(name)
        if not self.authority.may_use_schema(schema, privilege):
            raise denied("schema", schema)

    def create_in(self, name: ast.Name) -> None:
        """To make an object of that name."""
        self.schema(object_name(name), "CREATE")

    def named(self, name: ast.Name) -> CatalogObject | None:
        """The object a statement names, as its handler finds it; None: the handler will say so."""
        found = self.catalog.find(self.context.prefer_path(name))
        if found is not None:
            self.schema(found.name)
        return found

    def owned(self, name: ast.Name) -> None:
        """To own what a statement names, or the schema it is in."""
        found = self.catalog.find(self.context.prefer_path(name))
        if found is None:
            return
        schema = schema_target(self.catalog, schema_of(found.name))
        if schema is None or found.kind == "schema" or not self.authority.owns(schema):
            self.owner(target_of(found))

    def columns(self, obj: CatalogObject, privilege: str, names: Collection[str] | None) -> None:
        """A privilege on an object or on these columns of it; None: all of them, none: any."""
        target = target_of(obj)
        if self.authority.may(target, privilege):
            return
        asked = [column.name for column in obj.columns] if names is None else names
        if not all(self.authority.may_column(target, name, privilege) for name in asked) or not (
            asked or self.authority.may_any_column(target, privilege)
        ):
            raise denied(target.kind, target.name)

    def columns_of(self, name: ast.Name) -> Collection[str] | None:
        """The columns of what a query names."""
        found = self.catalog.find(name)
        return None if found is None else [column.name for column in found.columns]

    def write(self, name: ast.Name, privileges: Mapping[str, Collection[str] | None]) -> None:
        """To change the rows of a stream or table: privileges, and the columns they are asked on (see `columns`)."""
        found = self.named(name)
        if found is None:
            return
        for privilege, columns in privileges.items():
            self.columns(found, privilege, columns)
        if isinstance(found, Stream) and "INSERT" in privileges:
            Check(self.context, found.owner).privilege(self._topic(found.topic), "INSERT")

    def topic(self, name: str, privilege: str) -> None:
        """A privilege on a topic, if there is one."""
        if name in topic_names(self.context):
            self.schema(name)
            self.privilege(self._topic(name), privilege)

    def topic_owner(self, name: str) -> None:
        """To own a topic, if there is one."""
        if name in topic_names(self.context):
            self.owner(self._topic(name))

    def _topic(self, name: str) -> Target:
        return topic_target(self.catalog, name)

    # ------------------------------------------------------------ queries

    def read(self, query: ast.Query | None) -> None:
        """To read everything a query names."""
        if query is not None:
            said = self.catalog.has_access_of("function") or self.catalog.defaults
            calls = sql.called_functions(query) if said else ()
            self._read(sql.named_in(query), calls, lambda: query)
            if sql.runs_scripts(query):
                self.superuser("run scripts", EXECUTE_PROGRAMS)

    def read_text(self, text: str) -> None:
        """The same of a query's text."""
        self._read(*_reads(text), lambda: sql.parse_query(text))

    def _read(self, references: Iterable[sql.Reference], calls: Iterable[str], query: Callable[[], ast.Query]) -> None:
        for ref in references:
            if isinstance(ref, ast.FileRef):
                self.superuser("read server files", READ_FILES)
            elif isinstance(ref, ast.StateRef):
                self._state(ref.arguments[0])
            elif isinstance(ref, ast.FunctionRef):
                if ref.name not in TABLE_FUNCTIONS and ref.name not in PG_TABLE_FUNCTIONS:
                    self.superuser(f"call table function {ref.name}")
            else:
                self._read_named(self.catalog.find(ref.parts), query)
        for name in calls:
            if self.context.instance.functions.find(name) is not None:
                self.privilege(function_target(self.catalog, name), "EXECUTE")

    def _state(self, name: str) -> None:
        """To look at what a query keeps, which tells more than its answer: the rights of its owner."""
        known = [obj for obj in self.catalog if name in (obj.name, getattr(obj, "query_id", None))]
        for obj in known:
            self.owner(target_of(obj))
        if not known and not self.authority.is_superuser:
            self.superuser("look into queries of others")

    def _read_named(self, obj: CatalogObject | None, query: Callable[[], ast.Query]) -> None:
        """To read what a query reads of an object: which columns, is only looked at where that matters."""
        if obj is None or not obj.column_grants or self.authority.may(target_of(obj), "SELECT"):
            self.read_object(obj)
            return
        for ref, columns in sql.columns_read(query(), self.columns_of):
            if self.catalog.find(ref.parts) is obj:
                self.read_object(obj, columns)

    def read_object(self, obj: CatalogObject | None, columns: Collection[str] | None = None) -> None:
        """To read an object's rows, or these columns of them; below a view or a stream its owner must be allowed to."""
        if obj is None:
            return
        self.schema(obj.name)
        self.columns(obj, "SELECT", columns)
        if isinstance(obj, View):
            Check(self.context, obj.owner).read_text(obj.query)
        elif isinstance(obj, Stream) and self.catalog.access_of("topic", obj.topic) is not None:
            Check(self.context, obj.owner).privilege(self._topic(obj.topic), "SELECT")

    # ------------------------------------------------------------ connectors

    def connector(self, options: dict[str, str], writes: bool) -> None:
        """To have the server read or write through a connector."""
        name = options.get("connector", "topic").lower()
        reach = next((c.reach for c in CONNECTORS if c.name == name), "nothing")
        if reach == "files":
            self.superuser(f"{'write' if writes else 'read'} server files", WRITE_FILES if writes else READ_FILES)
        elif reach != "nothing":
            self.superuser(f"use connector {name}")


@lru_cache(maxsize=512)
def _reads(text: str) -> tuple[tuple[sql.Reference, ...], tuple[str, ...]]:
    """What a view's query names and calls."""
    query = sql.parse_query(text)
    return tuple(sql.named_in(query)), tuple(sql.called_functions(query))


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
