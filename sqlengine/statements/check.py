"""Check: what one role may do, asked of everything that a statement names; see statements/access.py."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import lru_cache

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
from sqlengine.catalog.objects import CatalogObject, Stream, View
from sqlengine.catalog.pg.relations import PG_TABLE_FUNCTIONS
from sqlengine.catalog.roles import EXECUTE_PROGRAMS, READ_FILES, WRITE_FILES
from sqlengine.connectors import CONNECTORS
from sqlengine.errors import InsufficientPrivilege
from sqlengine.sql import ast
from sqlengine.statements.context import Context
from sqlengine.statements.topics import topic_names

TABLE_FUNCTIONS = frozenset(
    "unnest explode explode_outer posexplode posexplode_outer generate_series generate_subscripts range json_each "
    "json_each_text json_array_elements json_array_elements_text json_object_keys jsonb_each jsonb_each_text "
    "jsonb_array_elements jsonb_array_elements_text jsonb_object_keys string_to_table regexp_matches "
    "regexp_split_to_table current_schemas aclexplode".split()
)
"""Functions in FROM that read nothing but their arguments, beside PostgreSQL's own (`pg_get_keywords`); any other is
for superusers: most read files."""


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
